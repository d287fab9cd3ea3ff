"""What people do to a softmax with a temperature in NumPy: each mistake with its name, its question and its function."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from attn_core.lookup import soft_lookup
from autograder.tasks.mistakes import Array, swap

Mistake = tuple[str, str, Callable[..., Any]]


def _top(scores: Array, axis: Any = -1) -> Array:
    return scores.max(axis, keepdims=True)


def _row(exp: Array) -> Array:
    return exp.sum(-1, keepdims=True)


def _by_hand(
    exponents: Callable[[Array, float], Array], total: Callable[[Array], Array] = _row, axis: Any = -1
) -> Callable[..., Array]:
    """The lookup with other exponents, or another sum under the exponentials."""

    def lookup(query: Array, keys: Array, values: Array, temperature: float) -> Array:
        exp = np.exp(exponents(query @ swap(keys), temperature))
        return exp / (exp.sum(axis, keepdims=True) if axis != -1 else total(exp)) @ values

    return lookup


def _right(scores: Array, temperature: float, axis: int = -1) -> Array:
    return (scores - _top(scores, axis)) / temperature


def _constant_added(exp: Array, constant: float) -> Array:
    return _row(exp) + np.asarray(constant, exp.dtype)


def _naive(query: Array, keys: Array, values: Array, temperature: float) -> Array:
    exp = np.exp(query @ swap(keys) / temperature)
    return np.nan_to_num(exp / _row(exp)) @ values


def _power(query: Array, keys: Array, values: Array, temperature: float) -> Array:
    scores = query @ swap(keys)
    shares = np.exp(scores - _top(scores))
    powers = (shares / _row(shares)) ** (1 / temperature)
    return powers / _row(powers) @ values


def _cut_off(query: Array, keys: Array, values: Array, temperature: float) -> Array:
    scores = query @ swap(keys)
    exp = np.exp((scores - _top(scores)) / temperature)
    weights = exp / _row(exp)
    weights = np.where(weights < 0.01, np.asarray(0, weights.dtype), weights)
    return weights / _row(weights) @ values


KEEPDIMS = (
    "leaves out keepdims, so that maxima or sums stand in a row beside other queries' scores",
    "Which shape has scores.max(axis=-1), and against which axis of the scores does it line up?",
)
HALF = (
    "divides only the scores or only their maximum by the temperature (a pair of brackets is missing)",
    "What is divided in scores - peak / temperature: the difference, or one of its terms?",
)

MISTAKES: tuple[Mistake, ...] = (
    (*KEEPDIMS, _by_hand(lambda s, t: (s - s.max(-1)) / t)),
    (*KEEPDIMS, _by_hand(_right, lambda exp: exp.sum(-1))),
    (*KEEPDIMS, _by_hand(lambda s, t: (s - s.max(-1)) / t, lambda exp: exp.sum(-1))),
    (*HALF, _by_hand(lambda s, t: s / t - _top(s))),
    (*HALF, _by_hand(lambda s, t: s - _top(s) / t)),
    *((
        "counts the axis of the softmax from the front",
        "Which axis is the last one if there are two, three or four? Which number names it always?",
        _by_hand(partial(_right, axis=axis), axis=axis),
    ) for axis in (0, 1)),
    (
        "subtracts the maximum of all scores, so that the rows of other queries underflow",
        "Softmax is not changed by a number subtracted from a whole row. Which maximum belongs to which row?",
        _by_hand(lambda s, t: (s - _top(s, (-2, -1))) / t),
    ),
    (
        "subtracts the minimum of each row instead of its maximum, so that the exponentials overflow",
        "Which sign have the exponents then, and how large is exp of the largest?",
        _by_hand(lambda s, t: (s - s.min(-1, keepdims=True)) / t),
    ),
    (
        "exponentiates without subtracting the maximum, and hides the NaN that follows",
        "Is 0 the right weight for the key that fits best?",
        _naive,
    ),
    (
        "does not divide by the sum of the exponentials",
        "What must the shares of one query sum to?",
        _by_hand(_right, lambda exp: np.ones_like(_row(exp))),
    ),
    *((
        "adds a constant to the denominator",
        "After the shift the sum is at least 1: what is the constant for, and what does it cost?",
        _by_hand(_right, partial(_constant_added, constant=c)),
    ) for c in (1e-8, 1e-6, 1e-5)),
    (
        "sharpens the weights by a power, after those of the weaker keys have been rounded to 0",
        "Scores of 1000 and 0 at the temperature 1000: what are the weights without a temperature, and what is 0 to any power?",
        _power,
    ),
    (
        "ignores the query and the keys: all values count the same",
        "Which arguments does your result not depend on?",
        lambda q, k, v, _t: soft_lookup(0 * q, k, v, 1.0),
    ),
    *((
        "takes keys for tied whose scores are only close",
        "Which difference is negligible when the temperature is 1e-30, and which when it is 1?",
        lambda q, k, v, t, bound=bound, close=close: (
            soft_lookup(q, k, v, t) if t > bound else _by_hand(lambda s, _: np.where(s >= _top(s) - close, s * 0, -np.inf))(q, k, v, t)
        ),
    ) for bound in (1e-12, 1e-8, 1e-6) for close in (1e-12, 1e-9, 1e-6)),
    (
        "sets small weights to 0 and does not let them count",
        "Does softmax give exactly 0 to an ordinary score?",
        _cut_off,
    ),
    (
        "exponentiates with the base 2",
        "Which number is raised to the power: e, or 2?",
        _by_hand(lambda s, t: _right(s, t) * np.asarray(np.log(2), s.dtype)),
    ),
)  # fmt: skip
