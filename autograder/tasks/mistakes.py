"""Building blocks that the misconceptions of several tasks share."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograder.checking.task import Task

Array = Any  # a NumPy array or a tensor: misconceptions are written for the kind that their task has


def swap(x: Array) -> Array:
    """The last two axes exchanged."""
    return x.swapaxes(-1, -2)


def exp_over_sum(scores: Array, axis: int) -> Array:
    """The textbook softmax without the shift: overflows, and gives NaN where the sum is 0."""
    exp = np.exp(scores)
    return exp / exp.sum(axis=axis, keepdims=True)


def safe_peak(scores: Array, axis: int) -> Array:
    """The maximum of each slice, 0 where it is −inf."""
    peak = scores.max(axis=axis, keepdims=True)
    return np.where(np.isfinite(peak), peak, np.zeros_like(peak))


def squeezes(task: Task) -> None:
    """Add the mistake of squeezing what is right otherwise."""

    @task.misconception(
        "squeezes away every axis of size 1",
        ask="Which shape is asked for when one of the sizes is 1? What drops axes?",
    )
    def _(*inputs: Any) -> Any:
        result = task.reference(*inputs)
        return tuple(x.squeeze() for x in result) if isinstance(result, tuple) else result.squeeze()
