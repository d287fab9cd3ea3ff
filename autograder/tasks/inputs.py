"""Inputs that several tasks share."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from autograder.checking.draw import Draw
from autograder.checking.task import Task
from autograder.tasks.mistakes import Array


def weights_before_overflow(draw: Draw) -> tuple[Array, ...]:
    """Weights (B, T, n) and steps (B,), with numbers behind the last step so large that their sums overflow.

    One sign per sequence: two such rows, or two entries of one of them, are too large for float32 in sum.
    """
    T = draw.size("T", 4, 7)
    draw.size("n", 2, 5)
    steps = draw.integers("B", low=1, high=T - 2)
    sign = np.where(draw.rng.random((len(steps), 1, 1)) < 0.5, -1.0, 1.0)
    largest = 3.3e38 if draw.case.dtype == "float32" else 1e300
    padding = draw.give(sign * draw.rng.uniform(0.9, 1.0, draw.shape("B", "T", "n")) * largest, rounded=False)
    weights = draw.weights("B", "T", "n", sharpness=1.5)
    return torch.where((torch.arange(T) < steps[:, None])[..., None], weights, padding), steps


def masks_of_every_shape(task: Task, scores: Callable[[Draw], Array], share: float = 0.2) -> None:
    """Add special inputs (scores, mask): scores as drawn, (..., n, m), with a mask of each shape that broadcasts to them."""

    @task.special("a mask that is the same for every batch entry", share)
    def _(draw: Draw) -> tuple[Array, ...]:
        return scores(draw), draw.mask("n", "m", keep=0.5)

    @task.special("a mask with a batch axis of size 1", share)
    def _(draw: Draw) -> tuple[Array, ...]:
        batch = (*draw.case.batch[:-1], 1) if draw.case.batch else ()
        return scores(draw), draw.mask(*batch, "n", "m", keep=0.5)

    @task.special("a mask with one row for all queries", share)
    def _(draw: Draw) -> tuple[Array, ...]:
        return scores(draw), draw.mask(..., 1, "m", keep=0.5)

    @task.special("a mask with one column for all keys", share)
    def _(draw: Draw) -> tuple[Array, ...]:
        return scores(draw), draw.mask(..., "n", 1, keep=0.5, empty_rows=True)

    @task.special("a mask without a query axis", share)
    def _(draw: Draw) -> tuple[Array, ...]:
        return scores(draw), draw.mask("m", keep=0.5)
