"""Inputs that several tasks share."""

from __future__ import annotations

import numpy as np
import torch

from autograder.checking.draw import Draw
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
