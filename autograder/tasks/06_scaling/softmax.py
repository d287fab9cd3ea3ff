"""scaling.softmax: Softmax along one axis."""

from __future__ import annotations

from typing import Any

import numpy as np

from attn_core.softmax import softmax
from autograder.checking.draw import Draw
from autograder.checking.task import Task
from autograder.tasks.mistakes import Array, exp_over_sum, safe_peak

task = Task(
    "scaling.softmax",
    reference=softmax,
    kind="np",
    lecture="06_scaling#softmax",
    hints=(
        "The result must not change when a constant is added to all scores of a slice. Use that freedom.",
        "Which constant makes the largest exponent 0? And what is that constant for a slice that holds nothing but −inf?",
        "Subtract the slice's maximum (0 where the maximum is −inf), exponentiate, divide by the sum (1 where the sum is 0). "
        "`keepdims=True` keeps the axis so that the slices line up.",
    ),
)


@task.inputs
def _(draw: Draw) -> tuple[Array, ...]:
    return _along_some_axis(draw, draw.array(..., "n", "m", scale=1.5))


def _along_some_axis(draw: Draw, scores: Array) -> tuple[Array, ...]:
    """Scores whose slices lie along the last axis, or the same slices along any axis, with that axis."""
    if draw.flag(0.3):
        return (scores,)
    axis = int(draw.rng.integers(-scores.ndim, scores.ndim))
    return np.moveaxis(scores, -1, axis), axis


@task.special("a single slice")
def _(draw: Draw) -> tuple[Array, ...]:
    return (draw.array("m", scale=2.0),)


@task.special("whole numbers, with ties and zeros", share=0.5)
def _(draw: Draw) -> tuple[Array, ...]:
    return _along_some_axis(draw, np.round(draw.array(..., "n", "m", scale=1.5)))


@task.special("some scores are −inf", share=0.5)
def _(draw: Draw) -> tuple[Array, ...]:
    scores = draw.array(..., "n", "m")
    scores[~draw.mask(..., "n", "m", keep=0.6)] = -np.inf
    return _along_some_axis(draw, scores)


@task.special("a slice that is all −inf", share=0.25)
def _(draw: Draw) -> tuple[Array, ...]:
    scores = draw.array(..., "n", "m")
    scores[~draw.mask(..., "n", "m", keep=0.6, empty_rows=True)] = -np.inf
    return _along_some_axis(draw, scores)


@task.special("scores far above 0", share=0.5)
def _(draw: Draw) -> tuple[Array, ...]:
    scores = draw.array(..., "n", "m") + draw.choice([200.0, 1000.0])
    return _along_some_axis(draw, scores.astype(draw.case.dtype))


@task.special("scores far below 0", share=0.5)
def _(draw: Draw) -> tuple[Array, ...]:
    scores = draw.array(..., "n", "m") - draw.choice([200.0, 1000.0])
    return _along_some_axis(draw, scores.astype(draw.case.dtype))


@task.special("gaps that underflow", share=0.5)
def _(draw: Draw) -> tuple[Array, ...]:
    return _along_some_axis(draw, draw.array(..., "n", "m", scale=300.0))


@task.property("every slice sums to one, or to zero if it is all −inf")
def _(_call: Any, inputs: tuple[Array, ...], output: Array) -> str | None:
    scores, axis = inputs[0], inputs[1] if len(inputs) > 1 else -1
    sums = output.sum(axis=axis, dtype=np.float64)
    want = np.isfinite(scores).any(axis=axis).astype(np.float64)
    worst = np.abs(sums - want).max()
    return None if worst <= 1e-3 else f"here a sum is off by {worst:.3g}."


@task.property("an entry of −inf gets exactly 0")
def _(_call: Any, inputs: tuple[Array, ...], output: Array) -> str | None:
    worst = np.abs(output[np.isneginf(inputs[0])]).max(initial=0.0)
    return None if worst == 0 else f"here one gets {worst:.3g}."


@task.misconception(
    "exponentiates without subtracting the maximum", ask="What is exp(1000) in float64, and what is inf / inf?"
)
def _(scores: Array, axis: int = -1) -> Array:
    return exp_over_sum(scores, axis)


@task.misconception(
    "exponentiates without subtracting the maximum, and hides the NaN that follows",
    ask="Is 0 the right weight for a score of 1000?",
)
def _(scores: Array, axis: int = -1) -> Array:
    return np.nan_to_num(exp_over_sum(scores, axis))


@task.misconception(
    "gives NaN for a slice that is all −inf",
    ask="What is −inf − (−inf)? What should a query that may attend to nothing receive?",
)
def _(scores: Array, axis: int = -1) -> Array:
    return exp_over_sum(scores - scores.max(axis=axis, keepdims=True), axis)


@task.misconception(
    "gives a slice that is all −inf the uniform weights",
    ask="Should a query that may attend to nothing receive the mean of everything?",
)
def _(scores: Array, axis: int = -1) -> Array:
    finite = np.where(np.isneginf(scores), np.asarray(-1e9, scores.dtype), scores)
    return exp_over_sum(finite - finite.max(axis=axis, keepdims=True), axis)


@task.misconception(
    "subtracts the maximum of the whole array instead of each slice's own",
    ask="What becomes of a slice whose scores all lie 1000 below another's?",
)
def _(scores: Array, axis: int = -1) -> Array:
    peak = scores.max()
    exp = np.exp(scores - (peak if np.isfinite(peak) else 0))
    total = exp.sum(axis=axis, keepdims=True)
    return exp / np.where(total == 0, 1, total).astype(exp.dtype)


@task.misconception(
    "ignores `axis` and always normalises along the last one",
    ask="Along which axis must the weights sum to one when axis=0 is asked for?",
)
def _(scores: Array, axis: int = -1) -> Array:  # noqa: ARG001 - ignoring it is the mistake
    return softmax(scores, -1)


@task.misconception("normalises along the first axis", ask="Which axis does axis=-1 name?")
def _(scores: Array, axis: int = -1) -> Array:  # noqa: ARG001
    return softmax(scores, 0)


@task.misconception(
    "normalises over all entries of the array at once", ask="How many numbers should each weight compete with?"
)
def _(scores: Array, axis: int = -1) -> Array:  # noqa: ARG001
    return softmax(scores.reshape(-1), 0).reshape(scores.shape)


@task.misconception(
    "adds a small constant to the denominator",
    ask="After the shift the sum is at least 1: what is the constant protecting from, and what does it cost?",
)
def _(scores: Array, axis: int = -1) -> Array:
    exp = np.exp(scores - safe_peak(scores, axis))
    return exp / (exp.sum(axis=axis, keepdims=True) + np.asarray(1e-6, exp.dtype))


@task.misconception(
    "divides by the maximum instead of subtracting it",
    ask="Which change of the scores leaves every ratio exp(a)/exp(b) as it was?",
)
def _(scores: Array, axis: int = -1) -> Array:
    return exp_over_sum(scores / scores.max(axis=axis, keepdims=True), axis)


@task.misconception(
    "adds the maximum instead of subtracting it", ask="Should the largest exponent become 0, or twice as large?"
)
def _(scores: Array, axis: int = -1) -> Array:
    return exp_over_sum(scores + safe_peak(scores, axis), axis)


@task.misconception("takes powers of 2 instead of e", ask="Which base makes the derivative of the exponential itself?")
def _(scores: Array, axis: int = -1) -> Array:
    return softmax(scores * np.log(2).astype(scores.dtype), axis)


@task.misconception(
    "gives the largest weight to the smallest score", ask="Which sign of the score does the exponential get?"
)
def _(scores: Array, axis: int = -1) -> Array:
    return softmax(-scores, axis)


@task.misconception(
    "gives all the weight to the largest score (argmax)", ask="Which weight should a score just below the largest get?"
)
def _(scores: Array, axis: int = -1) -> Array:
    return (scores == scores.max(axis=axis, keepdims=True)).astype(scores.dtype)


@task.misconception(
    "applies a sigmoid to each score on its own", ask="Does a weight depend on the other scores of its slice?"
)
def _(scores: Array, axis: int = -1) -> Array:  # noqa: ARG001 - ignoring it is the mistake
    return 1 / (1 + np.exp(-scores))


@task.misconception(
    "divides the scores by their sum without exponentiating", ask="What weight would a negative score get?"
)
def _(scores: Array, axis: int = -1) -> Array:
    return scores / scores.sum(axis=axis, keepdims=True)


@task.misconception("returns the exponentials without dividing by their sum", ask="What must a row of weights sum to?")
def _(scores: Array, axis: int = -1) -> Array:
    return np.exp(scores - safe_peak(scores, axis))


@task.misconception("returns the logarithm of the weights", ask="Can a weight be negative?")
def _(scores: Array, axis: int = -1) -> Array:
    shifted = scores - scores.max(axis=axis, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))


@task.misconception(
    "drops the axis it sums over, so that slices and sums no longer line up",
    ask="What shape does sum(axis=axis) return without keepdims=True?",
)
def _(scores: Array, axis: int = -1) -> Array:
    exp = np.exp(scores - safe_peak(scores, axis))
    return exp / exp.sum(axis=axis)
