"""What people do when they look for a leak: each mistake with its name, the question that leads out of it, and its function."""

from __future__ import annotations

from collections.abc import Callable

import torch

from attn_core.leaks import first_leak
from autograder.tasks.mistakes import Array

Place = tuple[int, int] | None
Mistake = tuple[str, str, Callable[..., Place]]


def _first_row_falsy(weights: Array, tolerance: float = 0.0) -> Place:
    found = first_leak(weights, tolerance)
    return found if found and any(found) else None


def _divided_by_rows(weights: Array, tolerance: float = 0.0) -> Place:
    return first_leak((weights / weights.sum(1, keepdim=True)).nan_to_num(), tolerance)  # NaN is not above anything


def _negative_start(weights: Array, tolerance: float = 0.0) -> Place:
    above = (weights > tolerance).tolist()
    n, m = weights.shape
    return next(((i, j) for i in range(n) for j in range(i + m - n + 1, m) if above[i][j]), None)


def _gives_up(weights: Array, tolerance: float = 0.0) -> Place:
    """Looks at the very first forbidden place only."""
    n, m = weights.shape
    forbidden = ((i, j) for i in range(n) for j in range(m) if j > i + m - n)
    place = next(forbidden, None)
    return place if place and weights[place] > tolerance else None


def _square(weights: Array, tolerance: float = 0.0) -> Place:
    n = weights.shape[0]
    places = ((weights > tolerance) & torch.ones(n, n).triu(1).bool()).nonzero().tolist()
    return (places[0][0], places[0][1]) if places else None


def _nearest(weights: Array, tolerance: float = 0.0) -> Place:
    n, m = weights.shape
    places = (weights > tolerance).triu(m - n + 1).nonzero().tolist()
    return min(((i, j) for i, j in places), key=lambda place: place[1] - place[0], default=None)


def _row_and_column(weights: Array, tolerance: float = 0.0) -> Place:
    n, m = weights.shape
    above = (weights > tolerance).triu(m - n + 1)
    return (int(above.any(1).int().argmax()), int(above.any(0).int().argmax())) if above.any() else None


def _first_row_only(found: Place) -> Place:
    return found if found and found[0] == 0 else None


def _one_diagonal(weights: Array, tolerance: float = 0.0) -> Place:
    above = weights > tolerance
    offset = weights.shape[1] - len(weights) + 1
    places = above.triu(offset).tril(offset).nonzero().tolist()
    return (places[0][0], places[0][1]) if places else None


RELATIVE = "Which number does the task compare with the tolerance: the weight itself, or a share?"

MISTAKES: tuple[Mistake, ...] = (
    (
        "takes the place (0, 0) for none at all: 0 counts as False",
        "What are `if place` and `place or None` for the number 0? Which comparison asks for None?",
        _first_row_falsy,
    ),
    (
        "starts a row at a key below 0, which counts from the end, where there are more queries than keys",
        "Which entry is weights[0, -1]? At which key must a row's forbidden part begin at least?",
        _negative_start,
    ),
    (
        "stops at the first forbidden place, leak or not",
        "On which path does your loop return None? How many places has it looked at by then?",
        _gives_up,
    ),
    (
        "divides the weights by the largest first",
        RELATIVE,
        lambda weights, tolerance=0.0: first_leak(weights / weights.max(), tolerance),
    ),
    (
        "divides the weights by the sum of their row first",
        RELATIVE,
        _divided_by_rows,
    ),
    (
        "uses a square mask, n by n",
        "Which shape have the weights of n queries over m keys?",
        _square,
    ),
    (
        "returns the leak that is nearest to the diagonal",
        "Which one is asked for: the nearest, or the first row by row?",
        _nearest,
    ),
    (
        "looks for leaks in the first row that leaks only if it is the first row",
        "Which rows do you look at?",
        lambda weights, tolerance=0.0: _first_row_only(first_leak(weights, tolerance)),
    ),
    (
        "looks at the nearest forbidden key of each query only",
        "Can a query leak from further ahead?",
        _one_diagonal,
    ),
    (
        "combines the first row that leaks with the first column that leaks",
        "Is there a leak where that row meets that column?",
        _row_and_column,
    ),
)
