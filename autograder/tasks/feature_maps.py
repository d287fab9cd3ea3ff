"""Feature maps, and the weights of the gates on them: inputs that the tasks on images share."""

from __future__ import annotations

import numpy as np

from autograder.checking.draw import Axis, Draw, InputFunction
from autograder.checking.task import Task
from autograder.tasks.mistakes import Array


def distinct(draw: Draw, *axes: Axis, mean: float = 0.4) -> Array:
    """Normal values of which no two are equal, so that every maximum is at one place and has one gradient.

    Where values are rounded for people to read, they are different multiples of a tenth.
    """
    if not (draw.case.rounded and draw.case.magnitude == 1.0):
        return draw.array(*axes, mean=mean)
    shape = draw.shape(*axes)
    count = int(np.prod(shape))
    return draw.give((draw.rng.permutation(count) - count // 3 + 1).reshape(shape) / 10)


def channels(draw: Draw, r: int | None = None, hidden: int | None = None) -> tuple[int, int]:
    """C and C/r. Every number of hidden units comes with every reduction."""
    units = draw.size("C/r", 1, 4) if hidden is None else hidden
    reduction = draw.size("r", 1, 3) if r is None else r
    draw.sizes |= {"C/r": units, "r": reduction, "C": units * reduction}
    return units * reduction, units


def feature_map(draw: Draw, mean: float = 0.4) -> Array:
    """(B, C, H, W), small enough for a check and different along its axes."""
    for letter, high in (("H", 6), ("W", 7), ("C", 6), ("B", 4)):
        draw.size(letter, 1, high)
    return distinct(draw, "B", "C", "H", "W", mean=mean)


def equal_axes(task: Task, inputs: InputFunction, crowded: InputFunction | None = None) -> None:
    """Special inputs with axes of one size: there a matrix that is not transposed, or a wrong axis, raises no error.

    `crowded`, where it is given, draws those on which all axes are equal.
    """

    @task.special("as many hidden units as channels")
    def _(draw: Draw) -> tuple[Array, ...]:
        channels(draw, r=1, hidden=draw.choice([2, 3, 4]))
        return inputs(draw)

    @task.special("as many images as channels, rows and columns")
    def _(draw: Draw) -> tuple[Array, ...]:
        n = draw.choice([2, 3, 4])
        channels(draw, r=1, hidden=n)
        draw.sizes |= dict.fromkeys("BHW", n)
        return (crowded or inputs)(draw)


def gate_weights(draw: Draw) -> tuple[Array, Array]:
    """W_1 and W_2, so large that the gates move, and bounded, so that none is nearly 0 or 1, whatever the size of x.

    A gate near 0 would ask for digits that some right ways to write a sigmoid, such as one by tanh, do not have.
    """
    C, hidden = channels(draw)
    W_1 = bounded(draw, hidden, C, low=-0.8, high=1.2) / (max(3, C) / 3) ** 0.5
    W_2 = bounded(draw, C, hidden, low=-1.1, high=1.1) / (max(3, hidden) / 3) ** 0.5
    return W_1 / max(1.0, draw.case.magnitude), W_2


def gate_biases(draw: Draw, hidden: int, C: int) -> tuple[Array, Array]:
    """b_1 and b_2, as large as what they are added to."""
    return bounded(draw, hidden, low=-0.7, high=1.2), bounded(draw, C, low=-1.5, high=1.1)


def spatial_kernel(draw: Draw, half: int | None = None) -> Array:
    """(1, 2, k, k) with k = 2 half + 1, as small as x is large."""
    draw.sizes["k//2"] = draw.size("k//2", 0, 3) if half is None else half
    k = 2 * draw.sizes["k//2"] + 1
    return bounded(draw, 1, 2, k, k, low=-1.0, high=1.2) * (2 / (k + 1)) / max(1.0, draw.case.magnitude)


def bounded(draw: Draw, *axes: Axis, low: float, high: float) -> Array:
    """Numbers between two bounds, each as likely as the others."""
    return draw.give(draw.rng.uniform(low, high, draw.shape(*axes)))
