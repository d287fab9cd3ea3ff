"""What people do to a softmax with a mask: each mistake with its name, the question that leads out of it, and its function."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from attn_core.masked_softmax import masked_softmax
from autograder.tasks.mistakes import Array

Mistake = tuple[str, str, Callable[[Array, Array], Array]]


def _hidden(scores: Array, mask: Array) -> Array:
    """Scores with −inf in hidden places."""
    return scores.masked_fill(~mask, -math.inf)


def _weights(scores: Array, mask: Array) -> Array:
    """The right weights, where the mask broadcasts or not."""
    return torch.softmax(_hidden(scores, mask), -1).masked_fill(~mask, 0.0)


def _peak(scores: Array, mask: Array) -> Array:
    """The largest visible score of each row, 0 where there is none, as a constant."""
    peak = _hidden(scores, mask).amax(-1, keepdim=True).detach()
    return peak.masked_fill(peak == -math.inf, 0.0)


def _low_peak(scores: Array, mask: Array) -> Array:
    """Likewise, but the smallest number of the dtype where there is none."""
    return scores.masked_fill(~mask, torch.finfo(scores.dtype).min).amax(-1, keepdim=True).detach()


def _guarded(exp: Array, constant: float = 0.0) -> Array:
    """Exponentials over their sum, zeros where that is 0; or with a constant added to it."""
    total = exp.sum(-1, keepdim=True)
    return exp / (total + constant if constant else torch.where(total == 0, 1.0, total))


def _indexed(scores: Array, mask: Array) -> Array:
    filled = scores.clone()
    filled[~mask] = -math.inf
    return torch.softmax(filled, -1).nan_to_num(0.0)


def _promoted(scores: Array, mask: Array, number: float) -> Array:
    """A mask times a number is float32, and makes float16 scores float32."""
    return torch.softmax(scores + (~mask) * number, -1)


NAIVE = "exponentiates without subtracting the maximum", "What is exp(60) in float16, and exp(1000) in float64?"
HIDDEN_NAN = (
    "exponentiates without subtracting the maximum, and hides the NaN that follows",
    "Is 0 the right weight for a score of 1000?",
)
TIMES_0 = "multiplies exponentials by the mask: an infinite one gives ∞ · 0", "What is exp(1000) · 0?"
REPLACED = (
    "exponentiates hidden scores and replaces them afterwards: where one is infinite, the gradients are ∞ · 0",
    "What is the gradient of exp at a hidden score of 60000, times 0? What if you replace the score, not the exponential?",
)
CONSTANT = (
    "adds a constant to the denominator",
    "After the shift the sum is at least 1, or the row is empty: what is the constant for, and what does it cost?",
)
FRONT = (
    "counts the axis of the softmax from the front",
    "Which axis is the last one if there are two, three or four? Which number names it always?",
)
FLOAT16 = "What is the largest number of float16? Which number does every floating dtype have that is below all others?"
PROMOTES = (
    "Which dtype has a bool tensor times a Python float? And what does a row get if a number is added everywhere?"
)

MISTAKES: tuple[Mistake, ...] = (
    (*NAIVE, lambda s, m: _guarded(torch.where(m, s.exp(), 0.0))),
    (*NAIVE, lambda s, m: (_hidden(s, m).exp() / _hidden(s, m).exp().sum(-1, keepdim=True)).masked_fill(~m, 0.0)),
    (*HIDDEN_NAN, lambda s, m: (s.exp() * m / (s.exp() * m).sum(-1, keepdim=True)).nan_to_num()),
    (*TIMES_0, lambda s, m: _guarded((s - _peak(s, m)).exp() * m)),
    *((*REPLACED, lambda s, m, peak=peak: _guarded(torch.where(m, (s - peak(s, m)).exp(), 0.0))) for peak in (_peak, _low_peak)),
    (
        "subtracts the log-sum-exp in the dtype of the scores, whose last digit is coarse for large ones",
        "What are 129 and 129.3 in bfloat16? Which of softmax and the difference computes with small numbers?",
        lambda s, m: (
            _hidden(s, m) - _hidden(s, m).logsumexp(-1, keepdim=True).nan_to_num(neginf=0.0, posinf=math.inf)
        ).exp(),
    ),
    *((*CONSTANT, lambda s, m, c=c: _guarded((_hidden(s, m) - _peak(s, m)).exp(), c)) for c in (1e-9, 1e-8, 1e-6)),
    *((*FRONT, lambda s, m, a=a: masked_softmax(s.movedim(a, -1), m.expand_as(s).movedim(a, -1)).movedim(-1, a)) for a in (0, 1)),
    *((*FRONT, lambda s, m, a=a: torch.softmax(_hidden(s, m), a).masked_fill(~m, 0.0)) for a in (0, 1, 2)),
    ("transposes the mask", "Which axis of the mask belongs to the queries?", lambda s, m: _weights(s, m.mT if m.ndim > 1 else m)),
    (
        "hides the future too",
        "Which line of yours makes a mask of its own? Only the one that is given counts.",
        lambda s, m: masked_softmax(s, m.expand_as(s).tril(s.shape[-1] - s.shape[-2]) if s.ndim > 1 else m),
    ),
    ("applies softmax twice", "What does softmax do to numbers that all lie between 0 and 1?", lambda s, m: _weights(_weights(s, m), m)),
    (
        "adds the mask to the scores: 1 for what is visible, 0 for what is hidden",
        "Which weight has a hidden key whose score is as large as the visible ones?",
        lambda s, m: torch.softmax(s + m.to(s.dtype), -1),
    ),
    (
        "clips the scores, so that large ones become equal",
        "Which of two keys wins whose scores were both cut down to the bound?",
        lambda s, m: masked_softmax(s.clamp(-50, 50), m),
    ),
    (
        "fills hidden places with the row's smallest score",
        "Which weight has a hidden key then? Which number is below all others?",
        lambda s, m: torch.softmax(torch.where(m, s, s.amin(-1, keepdim=True)), -1).masked_fill(~m, 0.0),
    ),
    (
        "indexes the scores with the mask, which does not broadcast as it should",
        "Which shapes may a mask have that selects entries by `scores[mask]`? Which functions broadcast it?",
        _indexed,
    ),
    (
        "multiplies −∞ by 0 where the mask shows a key, which gives NaN",
        "What is 0 · (−∞)?",
        lambda s, m: torch.softmax(s + (~m) * -math.inf, -1),
    ),
    (
        "multiplies −∞ by 0 where the mask shows a key, and hides the NaN that follows",
        "What is 0 · (−∞)? And is 0 the right weight for a visible key?",
        lambda s, m: torch.softmax(s + (~m) * -math.inf, -1).nan_to_num(),
    ),
    *(
        (
            "adds a number times the mask, which is float32 for scores of float16, and leaves weights in rows that may attend to nothing",
            PROMOTES,
            lambda s, m, number=number: _promoted(s, m, number),
        )
        for number in (-1e4, -1e9, -1e30)
    ),
    *(
        (
            "adds a number times the mask, which is float32 for scores of float16",
            PROMOTES,
            lambda s, m, number=number: _promoted(s, m, number) * m,
        )
        for number in (-1e4, -1e9)
    ),
    *(
        (
            "adds a number times the mask, which is float32, where the smallest number of float64 is −∞ and 0 · (−∞) is NaN",
            PROMOTES,
            lambda s, m, last=last: last(_promoted(s, m, torch.finfo(s.dtype).min), m),
        )
        for last in (lambda w, _: w, lambda w, m: w * m, lambda w, m: w.masked_fill(~m, 0.0))
    ),
    *(
        (
            "uses the smallest number of float32, which float16 does not hold, and stops with an error there",
            FLOAT16,
            lambda s, m, last=last: last(torch.softmax(s.masked_fill(~m, torch.finfo(torch.float32).min), -1), m),
        )
        for last in (lambda w, _: w, lambda w, m: w.masked_fill(~m, 0.0))
    ),
)  # fmt: skip
