"""qkv.soft_lookup: A dictionary that answers with a mixture."""

from __future__ import annotations

from typing import Any

import numpy as np

from attn_core.lookup import soft_lookup
from attn_core.softmax import softmax
from autograder.checking.draw import Draw
from autograder.checking.task import Task
from autograder.tasks.lookup_mistakes import MISTAKES
from autograder.tasks.mistakes import Array, exp_over_sum, squeezes, swap

task = Task(
    "qkv.soft_lookup",
    reference=soft_lookup,
    kind="np",
    lecture="05_qkv#a-dictionary-that-answers-with-a-mixture",
    hints=(
        "Three steps: compare, turn into shares, mix. The temperature belongs to the second step.",
        "With a temperature of 1e-30 a score of 4e8 becomes infinite in float32, and infinity minus infinity is not a number. Which "
        "quantity stays small for the best key, however low the temperature? When may you divide?",
        "`scores = query @ np.swapaxes(keys, -1, -2)`; subtract each row's maximum *first* (`keepdims=True`), *then* divide by the "
        "temperature, exponentiate, divide by the row's sum, and multiply by `values`.",
    ),
)

SMALLEST = 1e-30  # the lowest temperature that the task promises


@task.inputs
def _(draw: Draw) -> tuple[Any, ...]:
    d = draw.size("d", 1, 16)
    query, keys = draw.array(..., "n", d), draw.array(..., "m", d)
    values = draw.array(..., "m", draw.size("d_v", 1, 7), mean=1.0, fixed=True)
    # never 1, and seldom such that a weight takes all; by the seed, so that a case with other values has the same
    temperature = (0.35, 0.6, 1.7, 3.5)[draw.case.seed % 4] * d**0.5
    if draw.case.magnitude != 1.0 and draw.case.seed % 8 < 4:
        temperature *= draw.case.magnitude**2
    return query, keys, values, float(f"{temperature:.2g}")  # readable


@task.special("a temperature near 0", share=0.34)
def _(draw: Draw) -> tuple[Any, ...]:
    return *task.draw_inputs(draw)[:3], draw.choice([1e-9, 1e-20, SMALLEST])


@task.special("a high temperature", share=0.34)
def _(draw: Draw) -> tuple[Any, ...]:
    return *task.draw_inputs(draw)[:3], draw.choice([1e3, 1e6])


@task.special("small vectors and a temperature that fits them", share=0.34)
def _(draw: Draw) -> tuple[Any, ...]:
    draw.size("m", 2, 6)
    query, keys, values, temperature = task.draw_inputs(draw)
    power = (
        draw.choice([-40, -30, -20]) if draw.case.batch else -49
    )  # exact: the scores shrink by 4^power, down to 3e-30
    small = np.asarray(2.0**power, query.dtype)
    return query * small, keys * small, values, max(temperature * 4.0**power, SMALLEST)


@task.special("large vectors and a temperature near 0", share=0.34)
def _(draw: Draw) -> tuple[Any, ...]:
    draw.size("n", 3, 6)
    draw.size("m", 4, 7)  # several scores of one row overflow if they are divided first
    query, keys, values, _ = task.draw_inputs(draw)
    large = np.asarray(2.0**16, query.dtype)
    return query * large, keys * large, values, SMALLEST


def _orthogonal(draw: Draw, gap: float) -> tuple[Array, ...]:
    """A query that two keys or more fit equally well, with the score 0; the other keys score less, by about `gap`.

    Zeros stay zeros when inputs move by one rounding, so these ties are firm. With a gap of 0 all keys tie.
    """
    half = draw.size("d", 2, 9) // 2
    m = draw.size("m", 3, 7)
    query, keys, values, _ = task.draw_inputs(draw)
    query[..., half:] = 0.0
    query[..., :half] = np.abs(query[..., :half]) + 0.5
    best = np.zeros(m, bool)
    best[draw.rng.permutation(m)[:2]] = True
    below = -np.asarray(gap, keys.dtype) * (np.abs(keys[..., :half]) + np.asarray(0.5, keys.dtype))
    keys[..., :half] = np.where(best[:, None], np.asarray(0.0, keys.dtype), below)
    return query, keys, values


@task.special("keys that tie for the best, and a temperature near 0", share=0.34)
def _(draw: Draw) -> tuple[Any, ...]:
    return *_orthogonal(draw, 1.0), draw.choice([1e-6, SMALLEST])


@task.special("keys that nearly tie, and a temperature far below their difference", share=0.34)
def _(draw: Draw) -> tuple[Any, ...]:
    return *_orthogonal(draw, draw.choice([1e-7, 1e-13])), SMALLEST


@task.special("whole numbers, with ties, and a temperature near 0", share=0.34)
def _(draw: Draw) -> tuple[Any, ...]:
    draw.size("d", 2, 4)
    draw.size("m", 4, 9)
    query, keys, values, _ = task.draw_inputs(draw)
    query, keys = (np.clip(np.round(2 * array), -3, 3).astype(array.dtype) for array in (query, keys))
    query[query == 0] = 1.0
    # 5 · 7 = 7 · 5, but not if 5 and 7 are divided by 1e-30 and rounded first
    a, b = draw.choice([(5, 7), (3, 11), (4, 13), (9, 14), (10, 11)])
    query[..., 0, :] = 0.0
    query[..., 0, :2] = a, b
    keys[..., :2, :] = 0.0
    keys[..., 0, 0], keys[..., 1, 1] = b, a
    keys[..., 2:, :2] = np.minimum(keys[..., 2:, :2], 2.0)
    keys[..., 3, :] = keys[..., 2, :]
    return query, keys, values, draw.choice([1e-12, SMALLEST, SMALLEST])


@task.special("a query that is zero", share=0.34)
def _(draw: Draw) -> tuple[Any, ...]:
    query, keys, values, temperature = task.draw_inputs(draw)
    query[..., 0, :] = 0.0
    return query, keys, values, draw.choice([temperature, SMALLEST])


@task.special("a single entry", share=0.34)
def _(draw: Draw) -> tuple[Any, ...]:
    draw.size("m", 1, 1)
    draw.size("n", 2, 4)
    query, keys, values, temperature = task.draw_inputs(draw)
    return query, keys, values, draw.choice([temperature, SMALLEST])


@task.special("queries, one of which scores far below the others", share=0.34)
def _(draw: Draw) -> tuple[Any, ...]:
    draw.size("n", 2, 5)
    query, keys, values, temperature = task.draw_inputs(draw)
    keys[..., :1] = np.abs(keys[..., :1]) + 1.0
    low, high = np.asarray(-3000.0, query.dtype), np.asarray(3000.0, query.dtype)
    query[..., 0, :1], query[..., 1, :1] = low, high
    return query, keys, values, temperature


@task.property("keys that tie for the best share the weight, and at a temperature near 0 nobody else has any")
def _(_call: Any, inputs: tuple[Any, ...], output: Array) -> str | None:
    query, keys, values, temperature = inputs
    whole = all((array == np.round(array)).all() and np.abs(array).max() < 99 for array in (query, keys))
    if temperature > 1e-3 or not whole:  # whole numbers have exact dot products, whatever the order of the sum
        return None
    scores = query.astype(np.float64) @ swap(keys).astype(np.float64)
    best = scores == scores.max(-1, keepdims=True)
    want = best / best.sum(-1, keepdims=True) @ values.astype(np.float64)
    worst = np.abs(output - want).max()
    return None if worst <= 1e-3 * (1 + np.abs(values).max()) else f"here an output is off by {worst:.3g}."


@task.property("the output lies between the smallest and the largest value, component by component")
def _(_call: Any, inputs: tuple[Any, ...], output: Array) -> str | None:
    values = inputs[2]
    slack = 1e-3 * (1 + np.abs(values).max())
    inside = (output >= values.min(-2, keepdims=True) - slack) & (output <= values.max(-2, keepdims=True) + slack)
    return None if inside.all() else "an output leaves that range, so it is no weighted average of the values."


def _scores(query: Array, keys: Array) -> Array:
    return query @ swap(keys)


def _peaked(scores: Array, axis: int = -1) -> Array:
    """Less the largest of each row, or column."""
    return scores - scores.max(axis, keepdims=True)


def _gaps(query: Array, keys: Array) -> Array:
    return _peaked(_scores(query, keys))


def _one_hot(scores: Array) -> Array:
    """The first of the best keys takes all."""
    return (np.arange(scores.shape[-1]) == scores.argmax(-1)[..., None]).astype(scores.dtype)


_OVERFLOWS = (
    "divides by the temperature before it subtracts the maximum, which overflows",
    "What is 4e8 / 1e-30 in float32, and what is infinity minus infinity? What if you subtract first?",
)

for _name, _ask, _function in (
    (*_OVERFLOWS, lambda q, k, v, t: exp_over_sum(_peaked(_scores(q, k) / t), -1) @ v),
    (*_OVERFLOWS, lambda q, k, v, t: exp_over_sum(_gaps(q / t, k), -1) @ v),
    (*_OVERFLOWS, lambda q, k, v, t: exp_over_sum(_gaps(q, k / t), -1) @ v),
    (
        "subtracts the maximum only after the division, and repairs what overflowed with nan_to_num",
        "Which weights has a row in which every score became infinite? Were they all equal?",
        lambda q, k, v, t: softmax(np.nan_to_num(_scores(q, k) / t)) @ v,
    ),
    (
        "reads the best key only (argmax), whatever the temperature",
        "At which temperature does every key but the best lose its weight, and what happens above it?",
        lambda q, k, v, _t: _one_hot(_scores(q, k)) @ v,
    ),
    (
        "normalises over the queries instead of the keys",
        "Whose weights must sum to one: those that one query gives, or those that one key receives?",
        lambda q, k, v, t: softmax(_peaked(_scores(q, k), -2) / t, axis=-2) @ v,
    ),
    (
        "transposes with fixed axis numbers, which fits three axes only",
        "Which axes must be exchanged when there are two, or four?",
        lambda q, k, v, t: softmax(_peaked(q @ k.transpose(0, 2, 1)) / t) @ v,
    ),
    (
        "leaves out the temperature",
        "Which argument does your result not depend on?",
        lambda q, k, v, _t: softmax(_scores(q, k)) @ v,
    ),
    (
        "multiplies by the temperature instead of dividing",
        "A low temperature shall make the best key win. What does a small factor do to the gaps between scores?",
        lambda q, k, v, t: softmax(_scores(q, k) * t) @ v,
    ),
    (
        "divides by the square root of the temperature",
        "What stands under the scores in the formula: τ, or √τ?",
        lambda q, k, v, t: soft_lookup(q, k, v, t**0.5),
    ),
    (
        "divides both the queries and the keys by the temperature",
        "How often is a product divided when both of its factors are?",
        lambda q, k, v, t: softmax(_gaps(q, k) / t**2) @ v,
    ),
    (
        "divides by √d on top of the temperature",
        "Which one number does the task divide the scores by? (√d is one choice of the temperature, made by the caller.)",
        lambda q, k, v, t: soft_lookup(q, k, v, t * q.shape[-1] ** 0.5),
    ),
    (
        "divides by √d instead of the temperature",
        "Which argument does your result not depend on?",
        lambda q, k, v, _t: soft_lookup(q, k, v, q.shape[-1] ** 0.5),
    ),
    (
        "gives the largest weight to the key that fits worst",
        "Which sign has the exponent of the best key?",
        lambda q, k, v, t: soft_lookup(-q, k, v, t),
    ),
    (
        "applies the temperature after the softmax",
        "The temperature sharpens scores. What does a factor do to weights that already sum to one?",
        lambda q, k, v, t: softmax(_scores(q, k)) / t @ v,
    ),
    (
        "averages the weighted values instead of summing them",
        "The weights already sum to one. What does dividing by m once more do?",
        lambda q, k, v, t: soft_lookup(q, k, v, t) / k.shape[-2],
    ),
    (
        "returns the weights, not what is read with them",
        "What comes after the shares?",
        lambda q, k, _v, t: softmax(_gaps(q, k) / t),
    ),
    (
        "returns the weights beside the output",
        "How many results does the task ask for?",
        lambda q, k, v, t: (soft_lookup(q, k, v, t), softmax(_gaps(q, k) / t)),
    ),
    (
        "divides the scores by their sum without exponentiating",
        "Can a score be negative, and what happens to a share then?",
        lambda q, k, v, _t: _scores(q, k) / _scores(q, k).sum(-1, keepdims=True) @ v,
    ),
    (
        "clips the scores before the softmax, so that large ones become equal",
        "Which of two keys wins whose scores were both cut down to the bound?",
        lambda q, k, v, t: softmax(np.clip(_scores(q, k) / t, -50, 50)) @ v,
    ),
    (
        "mixes the keys instead of the values",
        "Which vectors carry what a query wants to read?",
        lambda q, k, _v, t: soft_lookup(q, k, k, t),
    ),
    (
        "compares the query with the values instead of the keys",
        "By what is an entry found: by its key, or by what it says?",
        lambda q, _k, v, t: soft_lookup(q, v, v, t),
    ),
    (
        "subtracts the maximum of each key over the queries instead of each query over the keys",
        "Whose scores compete with each other: those of one query, or those of one key?",
        lambda q, k, v, t: exp_over_sum(_peaked(_scores(q, k), -2) / t, -1) @ v,
    ),
    (
        "subtracts the maximum of all scores, so that the rows of other queries underflow",
        "Softmax is not changed by a number subtracted from a whole row. Which maximum belongs to which row?",
        lambda q, k, v, t: exp_over_sum((_scores(q, k) - _scores(q, k).max()) / t, -1) @ v,
    ),
    (
        "exponentiates without subtracting the maximum",
        "What is exp(1000) in float64, and what is inf / inf? Which number may be subtracted from a whole row?",
        lambda q, k, v, t: exp_over_sum(_scores(q, k) / t, -1) @ v,
    ),
):
    task.misconception(_name, ask=_ask)(_function)

for _added in (1e-12, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5):

    @task.misconception(
        "adds a small number to the temperature",
        ask="What does your function do at a temperature of 1e-20: is the sum still the temperature?",
    )
    def _(query: Array, keys: Array, values: Array, temperature: float, added: float = _added) -> Array:
        return soft_lookup(query, keys, values, temperature + added)

    @task.misconception(
        "does not let the temperature fall below a bound",
        ask="What does your function do with vectors that are as small as the temperature is low?",
    )
    def _(query: Array, keys: Array, values: Array, temperature: float, bound: float = _added) -> Array:
        return soft_lookup(query, keys, values, max(temperature, bound))


def _shared(best: Array, dtype: Any) -> Array:
    """The keys that are marked share."""
    return (best / best.sum(-1, keepdims=True)).astype(dtype)


for _bound in (1e-12, 1e-8, 1e-6, 1e-5, 1e-4, 1e-3):

    @task.misconception(
        "takes the first of the best keys at a low temperature, so that ties do not share",
        ask="argmax names one key. What shall a query get that two keys fit equally well?",
    )
    def _(query: Array, keys: Array, values: Array, temperature: float, bound: float = _bound) -> Array:
        if temperature < bound:
            return _one_hot(_scores(query, keys)) @ values
        return soft_lookup(query, keys, values, temperature)

    @task.misconception(
        "lets the best key take all below a fixed temperature, however small the vectors are",
        ask="Is 1e-20 a low temperature when the scores differ by 1e-20? Low compared with what?",
    )
    def _(query: Array, keys: Array, values: Array, temperature: float, bound: float = _bound) -> Array:
        scores = _scores(query, keys)
        if temperature < bound:
            return _shared(scores == scores.max(-1, keepdims=True), values.dtype) @ values
        return soft_lookup(query, keys, values, temperature)

    for _close in (1e-12, 1e-8):

        @task.misconception(
            "takes keys for tied whose scores are only close",
            ask="Which difference is negligible when the temperature is 1e-30, and which when it is 1?",
        )
        def _(
            query: Array, keys: Array, values: Array, temperature: float, bound: float = _bound, close: float = _close
        ) -> Array:
            scores = _scores(query, keys)
            if temperature < bound:
                near = np.isclose(scores, scores.max(-1, keepdims=True), rtol=1e-5, atol=close)
                return _shared(near, values.dtype) @ values
            return soft_lookup(query, keys, values, temperature)


@task.misconception(
    "compares by the cosine: it divides by the lengths of query and key",
    ask="Does the formula look at the direction only, or at the whole dot product?",
)
def _(query: Array, keys: Array, values: Array, temperature: float) -> Array:
    query, keys = (array / np.linalg.norm(array, axis=-1, keepdims=True) for array in (query, keys))
    return soft_lookup(query, keys, values, temperature)


@task.misconception(
    "compares by distance instead of the dot product",
    ask="−‖q − k‖² contains −‖k‖². Which keys does that favour, beyond the formula?",
)
def _(query: Array, keys: Array, values: Array, temperature: float) -> Array:
    distances = ((query[..., :, None, :] - keys[..., None, :, :]) ** 2).sum(-1)
    return softmax((distances.min(-1, keepdims=True) - distances) / temperature) @ values


for _epsilon in (1e-30, 1e-12, 1e-10, 1e-9, 1e-8):

    @task.misconception(
        "subtracts no maximum and adds a small number to the sum, which hides the overflow as zeros or NaN",
        ask="What does a row get whose exponentials are all 0, or infinite?",
    )
    def _(query: Array, keys: Array, values: Array, temperature: float, epsilon: float = _epsilon) -> Array:
        exp = np.exp(_scores(query, keys) / temperature)
        return exp / (exp.sum(-1, keepdims=True) + epsilon) @ values


for _name, _ask, _function in MISTAKES:
    task.misconception(_name, ask=_ask)(_function)

squeezes(task)
