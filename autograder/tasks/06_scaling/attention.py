"""scaling.attention: Scaled dot-product attention, all five steps."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from attn_core.attention import scaled_dot_product_attention
from attn_core.scores import scaled_dot
from attn_core.softmax import softmax
from autograder.checking.draw import Draw
from autograder.checking.task import Task
from autograder.tasks.mistakes import Array, exp_over_sum, swap

task = Task(
    "scaling.attention",
    reference=scaled_dot_product_attention,
    arguments=("q", "k", "v", "mask"),
    kind="np",
    lecture="06_scaling#scaled-dot-product-attention",
    hints=(
        "Five steps: score, scale, mask, normalise, mix. You have written most of them above.",
        "The mask must act before the softmax: which score gets exactly the weight 0? And what must come out of a row that is masked everywhere?",
        "scores = q @ kᵀ / √d_k over the last two axes; `np.where(mask, scores, -np.inf)` if there is a mask; your softmax over the last axis; "
        "weights @ v. Return both, the output first.",
    ),
)


def _qkv(draw: Draw) -> tuple[Array, ...]:
    draw.size("d_k", 1, 16)
    draw.size("d_v", 1, 7)
    return draw.array(..., "n", "d_k"), draw.array(..., "m", "d_k"), draw.array(..., "m", "d_v", mean=1.0, fixed=True)


@task.inputs
def _(draw: Draw) -> tuple[Array, ...]:
    q, k, v = _qkv(draw)
    return (q, k, v, draw.mask(..., "n", "m")) if draw.flag() else (q, k, v)


@task.special("without a mask")
def _(draw: Draw) -> tuple[Array, ...]:
    return _qkv(draw)


@task.special("with a mask", share=0.5)
def _(draw: Draw) -> tuple[Array, ...]:
    draw.size("n", 2, 5)
    draw.size("m", 2, 6)
    return *_qkv(draw), draw.mask(..., "n", "m", keep=0.5)


@task.special("a query that is zero", share=0.2)
def _(draw: Draw) -> tuple[Array, ...]:
    q, k, v = _qkv(draw)
    q[..., 0, :] = 0.0
    return (q, k, v, draw.mask(..., "n", "m")) if draw.flag() else (q, k, v)


@task.special("a mask that is the same for every batch entry", share=0.2)
def _(draw: Draw) -> tuple[Array, ...]:
    return *_qkv(draw), draw.mask("n", "m", keep=0.5)


@task.special("a mask with a batch axis of size 1", share=0.2)
def _(draw: Draw) -> tuple[Array, ...]:
    batch = (*draw.case.batch[:-1], 1) if draw.case.batch else ()
    return *_qkv(draw), draw.mask(*batch, "n", "m", keep=0.5)


@task.special("a mask with one row for all queries", share=0.2)
def _(draw: Draw) -> tuple[Array, ...]:
    return *_qkv(draw), draw.mask(..., 1, "m", keep=0.5)


@task.special("a mask with one column for all keys", share=0.2)
def _(draw: Draw) -> tuple[Array, ...]:
    return *_qkv(draw), draw.mask(..., "n", 1, keep=0.5, empty_rows=True)


@task.special("a mask without a query axis", share=0.2)
def _(draw: Draw) -> tuple[Array, ...]:
    return *_qkv(draw), draw.mask("m", keep=0.5)


@task.special("a query that may attend to nothing", share=0.2)
def _(draw: Draw) -> tuple[Array, ...]:
    return *_qkv(draw), draw.mask(..., "n", "m", keep=0.5, empty_rows=True)


@task.special("large scores with a mask", share=0.2)
def _(draw: Draw) -> tuple[Array, ...]:
    q, k, v = _qkv(draw)
    factor = draw.choice([40.0, 400.0])
    return (q * factor).astype(q.dtype), (k * factor).astype(k.dtype), v, draw.mask(..., "n", "m", keep=0.6)


@task.property("weights sum to one in every row that may attend to something")
def _(_call: Any, inputs: tuple[Array, ...], output: Array) -> str | None:
    weights = output[1]
    mask = inputs[3] if len(inputs) > 3 else np.ones(weights.shape[-2:], bool)
    want = np.broadcast_to(mask, weights.shape).any(-1).astype(np.float64)
    worst = np.abs(weights.sum(-1, dtype=np.float64) - want).max()
    return None if worst <= 1e-3 else f"here a row is off by {worst:.3g}."


@task.property("a key that a query may not attend to gets exactly 0")
def _(_call: Any, inputs: tuple[Array, ...], output: Array) -> str | None:
    weights = output[1]
    hidden = weights[~np.broadcast_to(inputs[3], weights.shape)] if len(inputs) > 3 else weights[:0]
    worst = np.abs(hidden).max(initial=0.0)
    return None if worst == 0 else f"here one gets {worst:.3g}."


@task.property("the output lies between the smallest and the largest value, component by component")
def _(_call: Any, inputs: tuple[Array, ...], output: Array) -> str | None:
    if len(inputs) > 3:
        return None
    v, out = inputs[2], output[0]
    slack = 1e-3 * (1 + np.abs(v).max())
    inside = (out >= v.min(-2, keepdims=True) - slack) & (out <= v.max(-2, keepdims=True) + slack)
    return None if inside.all() else "an output leaves that range, so it is no weighted average of the values."


def _attend(
    q: Array,
    k: Array,
    v: Array,
    mask: Array | None = None,
    *,
    scale: float | None = None,
    axis: int = -1,
    fill: Any = -np.inf,
) -> tuple[Array, Array]:
    """Attention with one part exchanged: what most mistakes are."""
    scores = q @ swap(k)
    scores = scores / np.asarray(k.shape[-1] ** 0.5 if scale is None else scale, scores.dtype)
    if mask is not None:
        scores = np.where(mask, scores, np.asarray(fill, scores.dtype))
    weights = softmax(scores, axis)
    return weights @ v, weights


@task.misconception("leaves out the scale", ask="What is the standard deviation of a dot product of d_k components?")
def _(q: Array, k: Array, v: Array, mask: Array | None = None) -> tuple[Array, Array]:
    return _attend(q, k, v, mask, scale=1.0)


@task.misconception(
    "divides by d_k instead of its square root", ask="Is d_k the variance of the sum, or its standard deviation?"
)
def _(q: Array, k: Array, v: Array, mask: Array | None = None) -> tuple[Array, Array]:
    return _attend(q, k, v, mask, scale=float(k.shape[-1]))


@task.misconception(
    "takes the scale from the values' size d_v",
    ask="Which vectors are multiplied in a score: queries with keys, or with values?",
)
def _(q: Array, k: Array, v: Array, mask: Array | None = None) -> tuple[Array, Array]:
    return _attend(q, k, v, mask, scale=v.shape[-1] ** 0.5)


@task.misconception(
    "takes the scale from the number of keys",
    ask="Does the variance of one dot product depend on how many keys there are?",
)
def _(q: Array, k: Array, v: Array, mask: Array | None = None) -> tuple[Array, Array]:
    return _attend(q, k, v, mask, scale=k.shape[-2] ** 0.5)


@task.misconception(
    "normalises over the queries instead of the keys",
    ask="Whose weights must sum to one: those that one query gives, or those that one key receives?",
)
def _(q: Array, k: Array, v: Array, mask: Array | None = None) -> tuple[Array, Array]:
    return _attend(q, k, v, mask, axis=-2)


@task.misconception(
    "reads the mask the wrong way round: True hides instead of shows",
    ask="In this curriculum, what does True in a mask mean?",
)
def _(q: Array, k: Array, v: Array, mask: Array | None = None) -> tuple[Array, Array]:
    return _attend(q, k, v, None if mask is None else ~mask)


@task.misconception("ignores the mask", ask="What weight must a key get that the query may not attend to?")
def _(q: Array, k: Array, v: Array, mask: Array | None = None) -> tuple[Array, Array]:  # noqa: ARG001 - ignoring it is the mistake
    return _attend(q, k, v, None)


@task.misconception(
    "masks after the softmax and does not renormalise",
    ask="What do the remaining weights sum to once some are set to 0?",
)
def _(q: Array, k: Array, v: Array, mask: Array | None = None) -> tuple[Array, Array]:
    weights = _attend(q, k, v, None)[1]
    weights = weights if mask is None else weights * mask
    return weights @ v, weights


@task.misconception(
    "masks after the softmax and renormalises, which fails where all visible weights have underflowed",
    ask="What is left to renormalise when a hidden score lies 1000 above the visible ones?",
)
def _(q: Array, k: Array, v: Array, mask: Array | None = None) -> tuple[Array, Array]:
    weights = _attend(q, k, v, None)[1]
    if mask is not None:
        weights = weights * mask
        total = weights.sum(-1, keepdims=True)
        weights = weights / np.where(total == 0, 1, total).astype(weights.dtype)
    return weights @ v, weights


@task.misconception(
    "fills hidden scores with −1e9, which leaves weights in rows that may attend to nothing",
    ask="What does softmax give for a row of equal scores, however negative?",
)
def _(q: Array, k: Array, v: Array, mask: Array | None = None) -> tuple[Array, Array]:
    return _attend(q, k, v, mask, fill=-1e9)


@task.misconception(
    "adds −1e9 to hidden scores, which leaves weights in rows that may attend to nothing",
    ask="If every score of a row is lowered by the same amount, what does softmax see?",
)
def _(q: Array, k: Array, v: Array, mask: Array | None = None) -> tuple[Array, Array]:
    scores = scaled_dot(q, k)
    if mask is not None:
        scores = scores + np.where(mask, 0.0, -1e9).astype(scores.dtype)
    weights = softmax(scores)
    return weights @ v, weights


@task.misconception("sets hidden scores to 0 instead of −inf", ask="What weight does a score of 0 get?")
def _(q: Array, k: Array, v: Array, mask: Array | None = None) -> tuple[Array, Array]:
    return _attend(q, k, v, mask, fill=0.0)


for _fill in (-10.0, -20.0, -30.0, -50.0, -100.0, -1000.0):
    task.misconception(
        "fills hidden scores with a number that is not negative enough",
        ask="What if the visible scores lie even lower?",
    )(partial(_attend, fill=_fill))


@task.misconception(
    "gives NaN for a query that may attend to nothing", ask="What is −inf − (−inf)? What should such a query receive?"
)
def _(q: Array, k: Array, v: Array, mask: Array | None = None) -> tuple[Array, Array]:
    scores = scaled_dot(q, k)
    scores = scores if mask is None else np.where(mask, scores, np.asarray(-np.inf, scores.dtype))
    weights = exp_over_sum(scores - scores.max(-1, keepdims=True), -1)
    return weights @ v, weights


@task.misconception(
    "exponentiates without subtracting the maximum", ask="What is exp(1000) in float64, and what is inf / inf?"
)
def _(q: Array, k: Array, v: Array, mask: Array | None = None) -> tuple[Array, Array]:
    scores = scaled_dot(q, k)
    weights = exp_over_sum(scores if mask is None else np.where(mask, scores, np.asarray(-np.inf, scores.dtype)), -1)
    return weights @ v, weights


@task.misconception(
    "exponentiates without subtracting the maximum", ask="What is exp(1000) in float64, and what is inf · 0?"
)
def _(q: Array, k: Array, v: Array, mask: Array | None = None) -> tuple[Array, Array]:
    exp = np.exp(scaled_dot(q, k))
    exp = exp if mask is None else exp * mask
    weights = exp / exp.sum(-1, keepdims=True)
    return weights @ v, weights


@task.misconception("mixes the keys instead of the values", ask="Which vectors carry what a query wants to read?")
def _(q: Array, k: Array, v: Array, mask: Array | None = None) -> tuple[Array, Array]:
    weights = _attend(q, k, v, mask)[1]
    return weights @ k, weights


@task.misconception("applies softmax twice", ask="What does softmax do to numbers that all lie between 0 and 1?")
def _(q: Array, k: Array, v: Array, mask: Array | None = None) -> tuple[Array, Array]:
    weights = softmax(_attend(q, k, v, mask)[1])
    return weights @ v, weights


@task.misconception(
    "reads the best key only (argmax) instead of mixing all", ask="Which function lets a gradient reach every score?"
)
def _(q: Array, k: Array, v: Array, mask: Array | None = None) -> tuple[Array, Array]:
    scores = scaled_dot(q, k)
    scores = scores if mask is None else np.where(mask, scores, np.asarray(-np.inf, scores.dtype))
    weights = (np.arange(k.shape[-2]) == scores.argmax(-1, keepdims=True)).astype(q.dtype)
    return weights @ v, weights


@task.misconception("returns the scores instead of the weights", ask="What must the second output's rows sum to?")
def _(q: Array, k: Array, v: Array, mask: Array | None = None) -> tuple[Array, Array]:
    out, _ = _attend(q, k, v, mask)
    return out, scaled_dot(q, k)


@task.misconception("returns the weights first and the output second", ask="In which order does the task ask for them?")
def _(q: Array, k: Array, v: Array, mask: Array | None = None) -> tuple[Array, Array]:
    out, weights = _attend(q, k, v, mask)
    return weights, out


@task.misconception("returns the output without the weights", ask="How many results does the task ask for?")
def _(q: Array, k: Array, v: Array, mask: Array | None = None) -> Array:
    return _attend(q, k, v, mask)[0]


@task.misconception(
    "transposes with fixed axis numbers, which fits three axes only",
    ask="Which axes must be exchanged when there are two, or four?",
)
def _(q: Array, k: Array, v: Array, mask: Array | None = None) -> tuple[Array, Array]:
    scores = q @ k.transpose(0, 2, 1) / np.asarray(k.shape[-1] ** 0.5, q.dtype)
    weights = softmax(scores if mask is None else np.where(mask, scores, np.asarray(-np.inf, scores.dtype)))
    return weights @ v, weights
