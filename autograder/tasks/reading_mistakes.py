"""What people do to self-attention in torch: each mistake with its name, the question that leads out of it, and its function."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from autograder.tasks.mistakes import Array, swap

Mistake = tuple[str, str, Callable[..., Any]]


def scaled_scores(x: Array, W_q: Array, W_k: Array, _W_v: Array) -> Array:
    """x (..., n, d) and its projections -> (..., n, n), the scores divided by √d_k."""
    return x @ W_q @ swap(x @ W_k) / W_q.shape[-1] ** 0.5


def _weighed(weigh: Callable[[Array], Array]) -> Callable[..., Any]:
    """Self-attention with another way from scores to weights."""

    def attend(*inputs: Array) -> tuple[Array, Array]:
        weights = weigh(scaled_scores(*inputs))
        return weights @ (inputs[0] @ inputs[3]), weights

    return attend


def _over_sum(scores: Array, peak: Array, total: Callable[[Array], Array]) -> Array:
    exp = torch.exp(scores - peak)
    return exp / total(exp)


def _top(scores: Array) -> Array:
    return scores.amax(-1, keepdim=True)


def _row(exp: Array) -> Array:
    return exp.sum(-1, keepdim=True)


def _constant_added(scores: Array, constant: float, cut: bool) -> Array:
    return _over_sum(scores, _top(scores.detach() if cut else scores), lambda exp: _row(exp) + constant)


def _cosine(x: Array, W_q: Array, W_k: Array, W_v: Array, *, scaled: bool) -> tuple[Array, Array]:
    norm, root = torch.nn.functional.normalize, W_q.shape[-1] ** 0.5 if scaled else 1.0
    weights = torch.softmax(norm(x @ W_q, dim=-1) @ swap(norm(x @ W_k, dim=-1)) / root, -1)
    return weights @ (x @ W_v), weights


def _reshaped(x: Array, W_q: Array, W_k: Array, W_v: Array) -> tuple[Array, Array]:
    k = x @ W_k
    weights = torch.softmax(x @ W_q @ k.reshape(*k.shape[:-2], *k.shape[:-3:-1]) / W_q.shape[-1] ** 0.5, -1)
    return weights @ (x @ W_v), weights


def _only_out_scaled(*inputs: Array) -> tuple[Array, Array]:
    scores = scaled_scores(*inputs)
    return scores.softmax(-1) @ (inputs[0] @ inputs[3]), (scores * inputs[1].shape[-1] ** 0.5).softmax(-1)


def _raw(x: Array, W_q: Array, size: int) -> tuple[Array, Array]:
    weights = torch.softmax(x @ swap(x) / (x.shape[-1], W_q.shape[-1])[size] ** 0.5, -1)
    return weights @ x, weights


def _two_heads(x: Array, W_q: Array, W_k: Array, W_v: Array) -> tuple[Array, Array]:
    half = max(1, W_q.shape[-1] // 2)
    halves = slice(half), slice(W_q.shape[-1] - half, None)
    weights = sum(torch.softmax(scaled_scores(x, W_q[:, c], W_k[:, c], W_v), -1) for c in halves) / 2
    return weights @ (x @ W_v), weights


KEEPDIM = (
    "leaves out keepdim, so that maxima or sums stand in a row beside other tokens' scores",
    "Which shape has scores.sum(-1), and against which axis of the scores does it line up?",
)
FRONT = (
    "counts the axis of the softmax from the front",
    "Which axis is the last one if there are two, three or four? Which number names it always?",
)
RAW = "compares and mixes the raw tokens, without projections", "Which of the four arguments are never used?"
COSINE = (
    "compares by the cosine: it divides queries and keys by their lengths",
    "Does the formula look at the direction only, or at the whole dot product?",
)

MISTAKES: tuple[Mistake, ...] = (
    *((*KEEPDIM, _weighed(weigh)) for weigh in (
        lambda s: _over_sum(s, s.amax(-1), _row),
        lambda s: _over_sum(s, _top(s), lambda exp: exp.sum(-1)),
        lambda s: _over_sum(s, s.amax(-1), lambda exp: exp.sum(-1)),
    )),
    *((*FRONT, _weighed(partial(torch.softmax, dim=axis))) for axis in (0, 1, 2)),
    (
        "normalises over the whole table of scores",
        "Each token has its own shares. What must its row sum to?",
        _weighed(lambda s: _over_sum(s, _top(s), torch.sum)),
    ),
    (
        "subtracts the maximum of each key over the queries instead of each query over the keys",
        "Whose scores compete with each other: those of one query, or those of one key?",
        _weighed(lambda s: _over_sum(s, s.amax(-2, keepdim=True), _row)),
    ),
    (
        "subtracts the maximum of all scores, so that rows that score low underflow",
        "Softmax is not changed by a number subtracted from a whole row. Which maximum belongs to which row?",
        _weighed(lambda s: _over_sum(s, s.amax((-2, -1), keepdim=True), _row)),
    ),
    *((
        "adds a constant to the denominator",
        "After the shift the sum is at least 1: what is the constant for, and what does it cost?",
        _weighed(partial(_constant_added, constant=c, cut=cut)),
    ) for c in (1e-9, 1e-8, 1e-6) for cut in (False, True)),
    (
        "leaves out the softmax",
        "What must the second output's rows sum to? Can a share be negative?",
        _weighed(lambda s: s),
    ),
    (
        "takes the absolute value of the scores",
        "Is a query that points away from a key as good a match as one that points towards it?",
        _weighed(lambda s: s.abs().softmax(-1)),
    ),
    (
        "replaces negative scores by 0",
        "Two keys score −1 and −9. Which of them fits better?",
        _weighed(lambda s: s.relu().softmax(-1)),
    ),
    (
        "hides each token from itself",
        "Σ_j runs over all tokens. Is j = i one of them, and what would a single token read?",
        _weighed(lambda s: s.masked_fill(torch.eye(s.shape[-1], dtype=torch.bool), -torch.inf).softmax(-1).nan_to_num()),
    ),
    *((*COSINE, partial(_cosine, scaled=scaled)) for scaled in (False, True)),
    *((*RAW, lambda x, W_q, _W_k, _W_v, size=size: _raw(x, W_q, size)) for size in (0, 1)),
    (
        "reshapes the keys instead of transposing them",
        "[[1, 2], [3, 4], [5, 6]]: what is its transpose, and what does reshape(2, 3) make of it?",
        _reshaped,
    ),
    (
        "mixes the queries instead of the values",
        "Which of the three projections says what a token hands over?",
        lambda *inputs: (_weighed(lambda s: s.softmax(-1))(*inputs[:3], inputs[1])[0], scaled_scores(*inputs).softmax(-1)),
    ),
    (
        "splits queries and keys into two heads",
        "The task asks for one head. Over how many features does a score run?",
        _two_heads,
    ),
    (
        "returns weights without the scale beside an output with it",
        "Are the weights that you return those that you mixed with?",
        _only_out_scaled,
    ),
)  # fmt: skip
