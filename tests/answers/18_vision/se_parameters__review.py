"""Answers to vision.se_parameters that a reviewer wrote from the text alone."""

import math

from answers import wrong


def _count(stages, r):
    return sum(n * 2 * c * (c // r) for c, n in stages)


@wrong("does not raise the error that the task asks for")
def divides_the_sum(stages, r):
    if sum(c for c, _ in stages) % r:
        raise ValueError("r")
    return _count(stages, r)


@wrong("does not raise the error that the task asks for")
def nearly_divides(stages, r):
    if any(not math.isclose(c / r, c // r, rel_tol=1e-6) for c, _ in stages):
        raise ValueError("r")
    return _count(stages, r)
