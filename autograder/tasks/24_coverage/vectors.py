"""coverage.vectors: How much attention each position has had before each step."""

from __future__ import annotations

import numpy as np
import torch

from attn_core.seq2seq.coverage import coverage_vectors
from autograder.checking.draw import Draw
from autograder.checking.task import Task
from autograder.tasks.mistakes import Array

task = Task(
    "coverage.vectors",
    reference=coverage_vectors,
    kind="torch",
    lecture="24_coverage#the-coverage-vector",
    hints=(
        "Row t of the result is a sum over rows of the weights. Over which rows?",
        "`torch.cumsum` sums up to and including the current row. The current step has not been read yet: which row must go?",
        "Either `weights.cumsum(dim=1) - weights`, or zeros for the first row followed by the cumulative sum of all rows but the last.",
    ),
)


@task.inputs
def _(draw: Draw) -> tuple[Array, ...]:
    return (draw.weights("B", "T", "n", sharpness=1.5),)


@task.special("a single step", share=0.25)
def _(draw: Draw) -> tuple[Array, ...]:
    draw.size("T", 1, 1)
    return (draw.weights("B", "T", "n"),)


@task.special("a single source position", share=0.25, gradients=False)  # where all weights are 1, a maximum has ties
def _(draw: Draw) -> tuple[Array, ...]:
    draw.size("B", 2, 4)
    draw.size("T", 3, 6)
    draw.size("n", 1, 1)
    return (draw.weights("B", "T", "n"),)


@task.special("weights that are one-hot")
def _(draw: Draw) -> tuple[Array, ...]:
    n = draw.size("n", 2, 6)
    draw.size("T", 2, 7)
    return (draw.give(np.eye(n)[draw.rng.integers(n, size=draw.shape("B", "T"))], rounded=False),)


@task.special("rows of padding that hold any numbers")
def _(draw: Draw) -> tuple[Array, ...]:
    """The sum is linear in every row, whatever stands in it; one between two steps is seen in all later ones."""
    T = draw.size("T", 3, 6)
    draw.size("n", 2, 6)
    weights = draw.weights("B", "T", "n")
    rubbish = draw.array("n", scale=5.0, fixed=True)
    rubbish[0], rubbish[1] = -2 - abs(rubbish[0]), 2 + abs(rubbish[1])  # both signs, and more than a weight may be
    weights[0, int(draw.rng.integers(T - 1))] = rubbish
    return (weights,)


@task.special("a long text")
def _(draw: Draw) -> tuple[Array, ...]:
    draw.size("T", 9, 40)
    return (draw.weights("B", "T", "n", sharpness=1.5),)


@task.misconception(
    "counts the current step as already covered",
    ask="Before the first step nothing has been read: what must row 0 be?",
)
def _(weights: Array) -> Array:
    return weights.cumsum(1)


@task.misconception("remembers the previous step only", ask="At step 5, is what was read at step 2 forgotten?")
def _(weights: Array) -> Array:
    return torch.cat([torch.zeros_like(weights[:, :1]), weights[:, :-1]], 1)


@task.misconception(
    "averages over the earlier steps instead of summing them",
    ask="If a position got weight 1 at each of two steps, is it covered once or twice?",
)
def _(weights: Array) -> Array:
    count = torch.arange(weights.shape[1], dtype=weights.dtype).clamp(min=1)
    return coverage_vectors(weights) / count[:, None]


@task.misconception(
    "sums along the source positions instead of the decoder steps",
    ask="Which axis holds the steps, and which the source?",
)
def _(weights: Array) -> Array:
    return weights.cumsum(2) - weights


@task.misconception("sums along the batch", ask="Which axis holds the steps? Do the sequences know of each other?")
def _(weights: Array) -> Array:
    return weights.cumsum(0) - weights


@task.misconception(
    "gives every step the total over all steps", ask="When step 2 is made, does anybody know where step 5 will look?"
)
def _(weights: Array) -> Array:
    return weights.sum(1, keepdim=True).expand_as(weights)


@task.misconception("sums the later steps instead of the earlier ones", ask="Which steps have been made before step t?")
def _(weights: Array) -> Array:
    return weights.flip(1).cumsum(1).flip(1) - weights


@task.misconception("sums this step and the later ones", ask="Which steps have been made before step t?")
def _(weights: Array) -> Array:
    return weights.flip(1).cumsum(1).flip(1)


@task.misconception(
    "rolls the sums by one row, so that the first row holds the total",
    ask="What does torch.roll put into the row that becomes free?",
)
def _(weights: Array) -> Array:
    return weights.cumsum(1).roll(1, dims=1)


@task.misconception(
    "repeats the first row's weights as coverage of the first step",
    ask="Before the first step nothing has been read: what must row 0 be?",
)
def _(weights: Array) -> Array:
    return torch.cat([weights[:, :1], weights.cumsum(1)[:, :-1]], 1)


@task.misconception("starts from the uniform distribution", ask="Before the first step, what has been read?")
def _(weights: Array) -> Array:
    return coverage_vectors(weights) + 1 / weights.shape[-1]


@task.misconception("limits the coverage to 1", ask="May a position be read twice, and should one be able to tell?")
def _(weights: Array) -> Array:
    return coverage_vectors(weights).clamp(max=1)


@task.misconception(
    "normalises each row of coverage to sum 1", ask="After three steps, how much attention was given in all?"
)
def _(weights: Array) -> Array:
    c = coverage_vectors(weights)
    return c / c.sum(-1, keepdim=True).clamp(min=1)


@task.misconception(
    "keeps the largest earlier weight instead of the sum", ask="Is a position that got 0.5 twice covered by 0.5?"
)
def _(weights: Array) -> Array:
    return torch.cat([torch.zeros_like(weights[:, :1]), weights[:, :-1].cummax(1).values], 1)


@task.misconception(
    "returns what is still uncovered", ask="Is the coverage what has been read, or what has not been read yet?"
)
def _(weights: Array) -> Array:
    return 1 - coverage_vectors(weights)


@task.misconception("leaves out the first step's row of zeros", ask="How many decoder steps need a coverage vector?")
def _(weights: Array) -> Array:
    return weights.cumsum(1)[:, :-1]


@task.misconception(
    "has one row too many: the coverage after the last step", ask="How many decoder steps need a coverage vector?"
)
def _(weights: Array) -> Array:
    return torch.cat([torch.zeros_like(weights[:, :1]), weights.cumsum(1)], 1)


@task.misconception(
    "detaches the coverage from the graph", ask="Can a later step then tell an earlier one to look elsewhere?"
)
def _(weights: Array) -> Array:
    return coverage_vectors(weights).detach()
