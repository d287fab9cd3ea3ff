"""coverage.doubly_stochastic: How far the total of each source position is from one."""

from __future__ import annotations

import numpy as np
import torch

from attn_core.seq2seq.coverage import coverage_loss, doubly_stochastic_penalty
from autograder.checking.draw import Draw
from autograder.checking.task import Task
from autograder.tasks.inputs import weights_before_overflow
from autograder.tasks.mistakes import Array

task = Task(
    "coverage.doubly_stochastic",
    reference=doubly_stochastic_penalty,
    kind="torch",
    lecture="24_coverage#doubly-stochastic-attention",
    unit=1.0,
    simplex=("weights",),
    hints=(
        "Rows sum to one by the softmax. What does this penalty want the columns to sum to?",
        "First set the rows that are not real to zero, then sum over the steps: one total per source position.",
        "total = torch.where(real[..., None], weights, 0).sum(1), of shape (B, n); then ((1 - total) ** 2).sum(-1).",
    ),
)


@task.inputs
def _(draw: Draw) -> tuple[Array, ...]:
    B, T = draw.size("B", 1, 5), draw.size("T")
    steps = draw.integers("B", low=1, high=T)
    steps[int(draw.rng.integers(B))] = T  # as in a real batch, one sequence has all steps
    return _padded(draw.weights("B", "T", "n", sharpness=1.5), steps, draw), steps


def _padded(weights: Array, steps: Array, draw: Draw) -> Array:
    """The weights of the real steps, and any numbers behind them."""
    return torch.where(_real(weights, steps)[..., None], weights, draw.array("B", "T", "n", scale=3.0, fixed=True))


@task.special("a single real step")
def _(draw: Draw) -> tuple[Array, ...]:
    draw.size("T", 3, 6)
    steps = torch.ones(draw.size("B", 1, 5), dtype=torch.int64)
    return _padded(draw.weights("B", "T", "n", sharpness=1.5), steps, draw), steps


@task.special("all steps are real")
def _(draw: Draw) -> tuple[Array, ...]:
    T = draw.size("T", 3, 7)
    return draw.weights("B", "T", "n"), torch.full((draw.size("B", 1, 4),), T)


@task.special("as many steps as positions, and one sequence that reads them evenly: it pays nothing")
def _(draw: Draw) -> tuple[Array, ...]:
    n = draw.sizes["T"] = draw.size("n", 2, 6)
    B = draw.size("B", 2, 4)
    weights = draw.weights("B", "T", "n", sharpness=1.5)
    weights[0] = 1 / n
    return weights, torch.full((B,), n)


@task.special("weights that are one-hot")
def _(draw: Draw) -> tuple[Array, ...]:
    n, T = draw.size("n", 2, 5), draw.size("T", 2, 6)
    steps = draw.integers("B", low=1, high=T)
    sharp = draw.give(np.eye(n)[draw.rng.integers(n, size=draw.shape("B", "T"))], rounded=False)
    return _padded(sharp, steps, draw), steps


@task.special("a long text that returns to one position again and again")
def _(draw: Draw) -> tuple[Array, ...]:
    n, T = draw.size("n", 2, 5), draw.size("T", 25, 40)
    steps = draw.integers("B", low=25, high=T)
    rows = np.full((*draw.shape("B", "T"), n), 0.3 / (n - 1))
    rows[..., int(draw.rng.integers(n))] = 0.7
    return _padded(draw.give(rows, rounded=False), steps, draw), steps


task.special("numbers behind the last step so large that their sums overflow", share=0.25)(weights_before_overflow)


def _real(weights: Array, steps: Array) -> Array:
    return torch.arange(weights.shape[1]) < steps[:, None]


def _total(weights: Array, steps: Array) -> Array:
    return torch.where(_real(weights, steps)[..., None], weights, torch.zeros_like(weights)).sum(1)


@task.misconception(
    "counts the rows behind the last real step", ask="Which rows of a padded batch were never decoded at all?"
)
def _(weights: Array, steps: Array) -> Array:  # noqa: ARG001 - ignoring the steps is the mistake
    return ((1 - weights.sum(1)) ** 2).sum(-1)


@task.misconception(
    "sums each row over the source, which is 1 already",
    ask="Which sums does the softmax fix, those of the rows or those of the columns?",
)
def _(weights: Array, steps: Array) -> Array:
    kept = torch.where(_real(weights, steps)[..., None], weights, torch.zeros_like(weights))
    return ((1 - kept.sum(-1)) ** 2).sum(-1)


@task.misconception(
    "takes the absolute deviation instead of its square", ask="Is a deviation of 2 twice as bad as one of 1?"
)
def _(weights: Array, steps: Array) -> Array:
    return (1 - _total(weights, steps)).abs().sum(-1)


@task.misconception(
    "leaves out the square, so that too much and too little cancel", ask="What do the deviations sum to when T = n?"
)
def _(weights: Array, steps: Array) -> Array:
    return (1 - _total(weights, steps)).sum(-1)


@task.misconception(
    "squares the sum of the deviations instead of summing their squares",
    ask="Can too much here make up for too little there?",
)
def _(weights: Array, steps: Array) -> Array:
    return (1 - _total(weights, steps)).sum(-1) ** 2


@task.misconception("averages over the source positions", ask="Does the formula have a sum over i or a mean?")
def _(weights: Array, steps: Array) -> Array:
    return doubly_stochastic_penalty(weights, steps) / weights.shape[-1]


@task.misconception(
    "averages the weights over the steps instead of summing them",
    ask="A position that got all attention of one step out of ten: is its total 1 or 0.1?",
)
def _(weights: Array, steps: Array) -> Array:
    return ((1 - _total(weights, steps) / steps[:, None]) ** 2).sum(-1)


@task.misconception("divides by the number of steps", ask="Is there a mean in the formula?")
def _(weights: Array, steps: Array) -> Array:
    return doubly_stochastic_penalty(weights, steps) / steps


@task.misconception(
    "counts as many steps as the shortest text has", ask="Do all texts of a batch have the same number of steps?"
)
def _(weights: Array, steps: Array) -> Array:
    return doubly_stochastic_penalty(weights, steps.min().expand_as(steps))


@task.misconception(
    "takes the largest weight of each position instead of the sum over the steps",
    ask="A position that got 0.5 twice: is its total 0.5?",
)
def _(weights: Array, steps: Array) -> Array:
    kept = torch.where(_real(weights, steps)[..., None], weights, torch.zeros_like(weights))
    return ((1 - kept.amax(1)) ** 2).sum(-1)


@task.misconception(
    "squares the totals and subtracts 1 from each: the mixed term is missing", ask="What is (1 − S)², multiplied out?"
)
def _(weights: Array, steps: Array) -> Array:
    return (_total(weights, steps) ** 2 - 1).sum(-1)


@task.misconception(
    "wants each total to be T/n instead of 1", ask="Which total does the penalty name: the fair share, or one?"
)
def _(weights: Array, steps: Array) -> Array:
    return ((steps[:, None] / weights.shape[-1] - _total(weights, steps)) ** 2).sum(-1)


@task.misconception("punishes totals above 1 only", ask="What does a position cost that was never looked at?")
def _(weights: Array, steps: Array) -> Array:
    return ((_total(weights, steps) - 1).clamp(min=0) ** 2).sum(-1)


@task.misconception("punishes totals below 1 only", ask="What does a position cost that was looked at at every step?")
def _(weights: Array, steps: Array) -> Array:
    return ((1 - _total(weights, steps)).clamp(min=0) ** 2).sum(-1)


@task.misconception(
    "squares the weights before summing them", ask="What is squared: each weight, or the deviation of a total?"
)
def _(weights: Array, steps: Array) -> Array:
    kept = torch.where(_real(weights, steps)[..., None], weights, torch.zeros_like(weights))
    return (1 - (kept**2).sum(1)).sum(-1)


@task.misconception("takes the square root of the sum", ask="Is there a root in the formula?")
def _(weights: Array, steps: Array) -> Array:
    return doubly_stochastic_penalty(weights, steps).sqrt()


@task.misconception(
    "returns one number for the whole batch", ask="How many sequences are there, and how many penalties?"
)
def _(weights: Array, steps: Array) -> Array:
    return doubly_stochastic_penalty(weights, steps).mean()


@task.misconception("returns one penalty per source position", ask="Over which axis is the last sum of the formula?")
def _(weights: Array, steps: Array) -> Array:
    return (1 - _total(weights, steps)) ** 2


@task.misconception(
    "leaves out the last real step",
    ask="The coverage vector of a step lacks that step itself. Which sum is asked for here?",
)
def _(weights: Array, steps: Array) -> Array:
    return ((1 - _total(weights, steps - 1)) ** 2).sum(-1)


@task.misconception("goes one step too far", ask="For which t is step t real: t < steps, or t ≤ steps?")
def _(weights: Array, steps: Array) -> Array:
    return ((1 - _total(weights, steps + 1)) ** 2).sum(-1)


@task.misconception(
    "computes the coverage loss", ask="Does this penalty compare each step with the past, or each total with 1?"
)
def _(weights: Array, steps: Array) -> Array:
    return coverage_loss(weights, steps)


@task.misconception("divides the penalty by two", ask="Is there a factor in the formula?")
def _(weights: Array, steps: Array) -> Array:
    return doubly_stochastic_penalty(weights, steps) / 2


@task.misconception("detaches the penalty from the graph", ask="What can a penalty without a gradient change?")
def _(weights: Array, steps: Array) -> Array:
    return doubly_stochastic_penalty(weights, steps).detach()
