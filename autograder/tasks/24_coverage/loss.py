"""coverage.loss: How much each sequence looks again at what it has seen."""

from __future__ import annotations

import numpy as np
import torch

from attn_core.seq2seq.coverage import coverage_loss, coverage_vectors, doubly_stochastic_penalty
from autograder.checking.draw import Draw
from autograder.checking.task import Task
from autograder.tasks.inputs import weights_before_overflow
from autograder.tasks.mistakes import Array

task = Task(
    "coverage.loss",
    reference=coverage_loss,
    kind="torch",
    lecture="24_coverage#coverage-in-the-loss",
    unit=1.0,
    simplex=("weights",),
    hints=(
        "For each step compare two vectors of length n: where it looks, and what has been looked at before.",
        "`torch.minimum` of the two, summed over the source, is the overlap of one step. Which steps count, and by how many do you divide?",
        "overlap = torch.minimum(weights, coverage_vectors(weights)).sum(-1), of shape (B, T); set the steps t ≥ steps to 0 with torch.where; "
        "sum over t; divide by steps.",
    ),
)


def inputs(draw: Draw, least: int = 2) -> tuple[Array, ...]:
    """Rows that sum to one as far as the steps are real, anything behind them."""
    B, T = draw.size("B", 1, 5), draw.size("T")
    draw.size("n", least)
    steps = draw.integers("B", low=1, high=T)
    steps[int(draw.rng.integers(B))] = T  # as in a real batch, one sequence has all steps
    weights, padding = draw.weights("B", "T", "n", sharpness=1.5), draw.array("B", "T", "n", scale=3.0, fixed=True)
    real = torch.arange(T) < steps[:, None]
    return torch.where(real[..., None], weights, padding), steps


def one_hot(draw: Draw) -> tuple[Array, ...]:
    """The same with whole weights: every step looks at one place, and some at one that was looked at before."""
    draw.size("n", 2, 5)
    draw.size("T", 2, 6)
    weights, steps = inputs(draw)
    sharp = draw.give(np.eye(weights.shape[-1])[weights.argmax(-1)], rounded=False)
    return torch.where((torch.arange(weights.shape[1]) < steps[:, None])[..., None], sharp, weights), steps


@task.inputs
def _(draw: Draw) -> tuple[Array, ...]:
    return inputs(draw)


@task.special("a single real step: it repeats nothing")
def _(draw: Draw) -> tuple[Array, ...]:
    draw.size("T", 3, 6)
    weights, steps = inputs(draw)
    return weights, torch.ones_like(steps)


@task.special("all steps are real")
def _(draw: Draw) -> tuple[Array, ...]:
    T = draw.size("T", 3, 7)
    draw.size("n", 2)
    steps = torch.full((draw.size("B", 1, 4),), T)
    return draw.weights("B", "T", "n"), steps


@task.special("a single source position", gradients=False)  # a = c = 1 at the second step: a tie of the minimum
def _(draw: Draw) -> tuple[Array, ...]:
    draw.size("n", 1, 1)
    draw.size("T", 2, 6)
    return inputs(draw, least=1)


@task.special("weights that are one-hot", gradients=False)
def _(draw: Draw) -> tuple[Array, ...]:
    return one_hot(draw)


task.special("numbers behind the last step so large that their sums overflow", share=0.25)(weights_before_overflow)


@task.property("a sequence never costs more than 1, and never less than 0")
def _(_call: Array, _inputs: tuple[Array, ...], output: Array) -> str | None:
    worst = float(torch.maximum(output - 1, -output).max())
    return None if worst <= 1e-4 else f"here one lies outside by {worst:.3g}."


def _real(weights: Array, steps: Array) -> Array:
    return torch.arange(weights.shape[1]) < steps[:, None]


def _overlap(weights: Array) -> Array:
    return torch.minimum(weights, coverage_vectors(weights)).sum(-1)


def _mean(terms: Array, steps: Array, real: Array) -> Array:
    return torch.where(real, terms, torch.zeros_like(terms)).sum(1) / steps


@task.misconception(
    "sums over the steps instead of averaging", ask="Should a text of twice the length cost twice as much?"
)
def _(weights: Array, steps: Array) -> Array:
    return coverage_loss(weights, steps) * steps


@task.misconception(
    "counts the rows behind the last real step", ask="Which rows of a padded batch were never decoded at all?"
)
def _(weights: Array, steps: Array) -> Array:  # noqa: ARG001 - ignoring the steps is the mistake
    return _overlap(weights).mean(1)


@task.misconception(
    "adds up the rows behind the last real step too", ask="Which rows of a padded batch were never decoded at all?"
)
def _(weights: Array, steps: Array) -> Array:
    return _overlap(weights).sum(1) / steps


@task.misconception(
    "multiplies by 0 what may have overflowed: 0 · ∞ is NaN",
    ask="Padding may hold any finite numbers. What is their sum, and what is 0 times that? Which function picks instead?",
)
def _(weights: Array, steps: Array) -> Array:
    return (_overlap(weights) * _real(weights, steps)).sum(1) / steps


@task.misconception(
    "divides by T instead of the number of real steps", ask="Over how many terms is the mean of a short sequence taken?"
)
def _(weights: Array, steps: Array) -> Array:
    return coverage_loss(weights, steps) * steps / weights.shape[1]


@task.misconception(
    "counts the current step as already covered",
    ask="What is min(a, c) if c already holds a? And what must the first step cost?",
)
def _(weights: Array, steps: Array) -> Array:
    return _mean(torch.minimum(weights, weights.cumsum(1)).sum(-1), steps, _real(weights, steps))


@task.misconception("takes the larger of the two instead of the smaller", ask="What is the overlap of 0.9 and 0?")
def _(weights: Array, steps: Array) -> Array:
    c = coverage_vectors(weights)
    return _mean(torch.maximum(weights, c).sum(-1), steps, _real(weights, steps))


@task.misconception(
    "multiplies weight and coverage instead of taking the minimum",
    ask="Weight 0.5 on a place that was covered by 0.5: how much of it is overlap?",
)
def _(weights: Array, steps: Array) -> Array:
    return _mean((weights * coverage_vectors(weights)).sum(-1), steps, _real(weights, steps))


@task.misconception("averages over the source positions too", ask="Is the overlap of a step a sum over i or a mean?")
def _(weights: Array, steps: Array) -> Array:
    return coverage_loss(weights, steps) / weights.shape[-1]


@task.misconception("returns one number for the whole batch", ask="How many sequences are there, and how many losses?")
def _(weights: Array, steps: Array) -> Array:
    return coverage_loss(weights, steps).mean()


@task.misconception(
    "gives all sequences the mean over all real steps of the batch",
    ask="Does the loss of a text depend on what its neighbours repeat?",
)
def _(weights: Array, steps: Array) -> Array:
    return _overlap(weights)[_real(weights, steps)].mean().expand(len(weights))


@task.misconception(
    "returns one mean over all real steps of the batch", ask="How many sequences are there, and how many losses?"
)
def _(weights: Array, steps: Array) -> Array:
    return _overlap(weights)[_real(weights, steps)].mean()


@task.misconception(
    "divides every sequence by the steps of the first one", ask="Do all texts of a batch have the same number of steps?"
)
def _(weights: Array, steps: Array) -> Array:
    return coverage_loss(weights, steps) * steps / steps[0]


@task.misconception(
    "divides by the mean number of steps of the batch",
    ask="Does the loss of a text depend on the length of its neighbours?",
)
def _(weights: Array, steps: Array) -> Array:
    return coverage_loss(weights, steps) * steps / steps.to(weights.dtype).mean()


@task.misconception(
    "compares with the previous step only", ask="Is it a repetition to return at step 5 to what was read at step 2?"
)
def _(weights: Array, steps: Array) -> Array:
    before = torch.cat([torch.zeros_like(weights[:, :1]), weights[:, :-1]], 1)
    return _mean(torch.minimum(weights, before).sum(-1), steps, _real(weights, steps))


@task.misconception(
    "leaves the first step out of the mean", ask="Is step 0 a real step? And what is the mean of a text of one word?"
)
def _(weights: Array, steps: Array) -> Array:
    return coverage_loss(weights, steps) * steps / (steps - 1).clamp(min=1)


@task.misconception("stops one step too early", ask="For which t is step t real: t < steps, or t < steps − 1?")
def _(weights: Array, steps: Array) -> Array:
    return _mean(_overlap(weights), steps, _real(weights, steps - 1))


@task.misconception("goes one step too far", ask="For which t is step t real: t < steps, or t ≤ steps?")
def _(weights: Array, steps: Array) -> Array:
    return _mean(_overlap(weights), steps, _real(weights, steps + 1))


@task.misconception(
    "takes the smallest overlap of any position instead of their sum", ask="Over which positions does the sum run?"
)
def _(weights: Array, steps: Array) -> Array:
    return _mean(torch.minimum(weights, coverage_vectors(weights)).amin(-1), steps, _real(weights, steps))


@task.misconception(
    "takes the largest overlap of any position instead of their sum", ask="Over which positions does the sum run?"
)
def _(weights: Array, steps: Array) -> Array:
    return _mean(torch.minimum(weights, coverage_vectors(weights)).amax(-1), steps, _real(weights, steps))


@task.misconception(
    "compares with the largest earlier weight instead of the sum",
    ask="Is a position that got 0.5 twice covered by 0.5?",
)
def _(weights: Array, steps: Array) -> Array:
    before = torch.cat([torch.zeros_like(weights[:, :1]), weights[:, :-1].cummax(1).values], 1)
    return _mean(torch.minimum(weights, before).sum(-1), steps, _real(weights, steps))


@task.misconception(
    "takes 1 less what the coverage has too much, max(c − a, 0), instead of what the weights have too much",
    ask="Coverage sums to the number of earlier steps. Which of a − c and c − a is new in this step?",
)
def _(weights: Array, steps: Array) -> Array:
    left = torch.relu(coverage_vectors(weights) - weights).sum(-1)
    return _mean(1 - left, steps, _real(weights, steps))


@task.misconception(
    "compares with the average of the earlier steps",
    ask="Is a place that was fully read once, three steps ago, covered by 1 or by 1/3?",
)
def _(weights: Array, steps: Array) -> Array:
    count = torch.arange(weights.shape[1], dtype=weights.dtype).clamp(min=1)[:, None]
    return _mean(torch.minimum(weights, coverage_vectors(weights) / count).sum(-1), steps, _real(weights, steps))


@task.misconception("compares with the later steps", ask="At step t, which steps have been made?")
def _(weights: Array, steps: Array) -> Array:
    kept = torch.where(_real(weights, steps)[..., None], weights, torch.zeros_like(weights))
    later = kept.flip(1).cumsum(1).flip(1) - kept
    return torch.minimum(kept, later).sum((1, 2)) / steps


@task.misconception(
    "computes the doubly stochastic penalty",
    ask="Does this loss compare each total with 1, or each step with the past?",
)
def _(weights: Array, steps: Array) -> Array:
    return doubly_stochastic_penalty(weights, steps)


@task.misconception("returns 1 minus the loss", ask="What must looking at a new place at every step cost?")
def _(weights: Array, steps: Array) -> Array:
    return 1 - coverage_loss(weights, steps)


@task.misconception(
    "returns the overlap of every step", ask="The task wants one number per sequence: their mean over which steps?"
)
def _(weights: Array, steps: Array) -> Array:
    overlap = _overlap(weights)
    return torch.where(_real(weights, steps), overlap, torch.zeros_like(overlap))


@task.misconception(
    "detaches the coverage, so that earlier steps are never told",
    ask="Two steps overlap. Which of the two could have looked elsewhere?",
)
def _(weights: Array, steps: Array) -> Array:
    return _mean(torch.minimum(weights, coverage_vectors(weights).detach()).sum(-1), steps, _real(weights, steps))
