"""luong.local_p: A window around a predicted position, and a Gaussian in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from attn_core.seq2seq.local_attention import local_p_attention
from autograder.checking.draw import Draw
from autograder.checking.task import Task
from autograder.tasks.mistakes import Array

task = Task(
    "luong.local_p",
    reference=local_p_attention,
    kind="torch",
    lecture="03_luong#predict-the-position",
    scores=lambda h, H, *others: (H @ h[:, :, None])[:, :, 0] * (torch.arange(H.shape[1]) < others[-1][:, None]),
    hints=(
        "Four steps: where (p), who is in the window, softmax among those, then the Gaussian. Only the first and the last know p's decimals.",
        "p is a real number, different for every sentence, so the window is a mask of shape (B, n): two conditions, joined. The sum of the "
        "weights after the Gaussian is below one, and it stays so. What should a sentence of length 0 get?",
        "p = lengths · sigmoid(tanh(h W_pᵀ) v_p). mask = ((s − p).abs() <= D) & (s < lengths) with s = 0 … n−1. softmax of "
        "masked_fill(−inf), nan_to_num. Times exp(−(s − p)² / (2 σ²)) with σ = D / 2. Context from these weights. Return context, weights, p.",
    ),
)


def _local(
    draw: Draw, low: int = 1, D: int | None = None, words: int = 1
) -> tuple[Array, Array, Array, Array, int, Array]:
    """All arguments. What p is made of keeps its size, or p would always lie in the middle or at an end."""
    B, n, d, d_p = draw.size("B", 1, 4), draw.size("n", words, 13), draw.size("d"), draw.size("d_p")
    half = draw.size("D", 1, 4) if D is None else D
    lengths = draw.integers(B, low=low, high=n)
    lengths[int(draw.rng.integers(B))] = n
    h, H = draw.array(B, d, fixed=True), draw.array(B, n, d, mean=0.2)
    return h, H, draw.array(d_p, d, fixed=True), draw.array(d_p, fixed=True), half, lengths


def _towards(h: Array, W_p: Array) -> Array:
    """The v_p with which v_pᵀ tanh(W_p h) is 1 for this state, and −1 for its negative."""
    hidden = torch.tanh(W_p @ h)  # (d,) -> (d_p,)
    return hidden / (hidden**2).sum().clamp(min=1e-6)


@task.inputs
def _(draw: Draw) -> tuple[Any, ...]:
    return _local(draw)


@task.special("a long sentence and a narrow window")
def _(draw: Draw) -> tuple[Any, ...]:
    return _local(draw, D=draw.choice([1, 2]), words=9)


@task.special("a sentence of length 0", share=0.2)
def _(draw: Draw) -> tuple[Any, ...]:
    inputs = _local(draw)
    inputs[5][int(draw.rng.integers(len(inputs[5])))] = 0
    return inputs


@task.special("a window that ends exactly at integers", share=0.2, gradients=False)
def _(draw: Draw) -> tuple[Any, ...]:
    h, H, W_p, v_p, D, lengths = _local(draw, D=draw.choice([1, 2, 3]), words=8)
    return h, H, W_p, v_p * 0, D, (lengths - lengths % 2).clamp(min=2)  # p is half of it


@task.special("a window that ends just beside integers", share=0.2, gradients=False)  # the question is who is inside
def _(draw: Draw) -> tuple[Any, ...]:
    h, H, W_p, v_p, D, lengths = _local(draw, D=draw.choice([1, 2, 3]), words=8)
    v_p = 1e-5 * _towards(h[0], W_p)  # p is half the length, and 0.0000025 of the length more or less
    h, H, lengths = torch.cat([h[:1], -h[:1]]), torch.cat([H[:1], H[:1]]), torch.cat([lengths[:1], lengths[:1]])
    return h, H, W_p, v_p, D, (lengths - lengths % 2).clamp(min=8)


@task.special("a single word that scores far below zero", share=0.2, gradients=False)  # they would be rounding · 1e12
def _(draw: Draw) -> tuple[Any, ...]:
    h, H, W_p, v_p, D, lengths = _local(draw, words=2)
    words = -1e12 * h / (h**2).sum(-1, keepdim=True).clamp(min=1e-6)
    return h, torch.cat([words[:, None], 0 * H[:, 1:]], 1), W_p, v_p, D, lengths.clamp(max=1)


@task.special("a window wider than the sentence", share=0.3)
def _(draw: Draw) -> tuple[Any, ...]:
    return _local(draw, D=20)


@task.special("a position pushed to the very beginning or end", share=0.2)
def _(draw: Draw) -> tuple[Any, ...]:
    h, H, W_p, v_p, D, lengths = _local(draw, words=2)
    v_p = 1000 * _towards(h[0], W_p)  # so far out that the sigmoid is exactly 0 or 1, and flat
    h, H, lengths = torch.cat([h[:1], -h[:1]]), torch.cat([H[:1], H[:1]]), torch.cat([lengths[:1], lengths[:1]])
    return h, H, W_p, v_p, D, lengths  # one to either side, so that p = 0 is compared with numbers of its size


@task.special("padding that holds huge numbers", share=0.4)
def _(draw: Draw) -> tuple[Any, ...]:
    h, H, W_p, v_p, D, lengths = _local(draw, words=4)
    hidden = torch.arange(H.shape[1]) >= lengths[:, None]
    return h, torch.where(hidden[..., None], H.new_tensor(draw.choice([-1e12, 1e12])), H), W_p, v_p, D, lengths


@task.property("outside the window the weight is exactly 0")
def _(_call: object, inputs: tuple[Any, ...], output: tuple[Array, ...]) -> str | None:
    _, weights, p = output
    s = torch.arange(weights.shape[1])
    outside = ((s - p[:, None]).abs() > inputs[4] + 1e-3) | (s >= inputs[5][:, None])
    worst = weights[outside].abs().sum()
    return None if worst == 0 else f"here it is {worst:.3g}."


@task.property("the weights of a sentence sum to at most one, and those of a sentence with words to more than zero")
def _(_call: object, inputs: tuple[Any, ...], output: tuple[Array, ...]) -> str | None:
    sums = output[1].sum(-1)[inputs[5] > 0]
    right = (sums <= 1 + 1e-3) & (sums > 0)
    return None if right.all() else f"here a sum is {sums[~right][0]:.4g}."


# --- local-p whose parts can be exchanged: what most mistakes are


def _z(h: Array, W_p: Array, v_p: Array) -> Array:
    return torch.tanh(h @ W_p.T) @ v_p


def _position(h: Array, H: Array, W_p: Array, v_p: Array, lengths: Array) -> Array:  # noqa: ARG001 - others use H
    return lengths.to(h.dtype) * torch.sigmoid(_z(h, W_p, v_p))


def _near(s: Array, p: Array, D: int) -> Array:
    return (s - p).abs() <= D


def _window(s: Array, p: Array, D: int, lengths: Array) -> Array:
    return _near(s, p, D) & (s < lengths[:, None])


def _weigh(scores: Array, mask: Array, bell: Array) -> Array:
    return _soft(scores, mask) * bell


def _soft(scores: Array, mask: Array) -> Array:
    return scores.masked_fill(~mask, -torch.inf).softmax(-1).nan_to_num()


def _renormalised(scores: Array, mask: Array, bell: Array) -> Array:
    weights = _weigh(scores, mask, bell)
    return weights / weights.sum(-1, keepdim=True).clamp(min=1e-30)


def _bell(s: Array, p: Array, D: int) -> Array:
    return torch.exp(-((s - p) ** 2) / (2 * (D / 2) ** 2))


def _built(
    position: Callable[..., Array] = _position,
    score: Callable[..., Array] = lambda h, H: torch.einsum("bd,bnd->bn", h, H),
    window: Callable[..., Array] = _window,
    bell: Callable[..., Array] = _bell,
    weigh: Callable[..., Array] = _weigh,
    first: int = 0,
    read: Callable[..., Array] = lambda a, H: torch.einsum("bn,bnd->bd", a, H),
    give: Callable[..., tuple[Array, ...]] = lambda c, a, p, soft: (c, a, p),  # noqa: ARG005 - others use soft
) -> Callable[..., Any]:
    def local(h: Array, H: Array, W_p: Array, v_p: Array, D: int, lengths: Array) -> Any:
        p = position(h, H, W_p, v_p, lengths)
        s = torch.arange(first, first + H.shape[1]).to(h.dtype)
        mask = window(s, p[:, None], D, lengths)
        scores = score(h, H)
        weights = weigh(scores, mask, bell(s, p[:, None], D))
        return give(read(weights, H), weights, p, lambda: _soft(scores, mask))

    return local


def _before_the_gaussian(*x: Any) -> Array:
    weights: Array = _built(give=lambda c, a, p, soft: (c, soft(), p))(*x)[1]  # noqa: ARG005 - likewise
    return weights


def _batch_maximum(scores: Array, mask: Array, bell: Array) -> Array:
    e = scores.masked_fill(~mask, -torch.inf)
    w = (e - e.max().nan_to_num(neginf=0.0)).exp()
    return w / w.sum(-1, keepdim=True).clamp(min=1e-30) * bell


_MISTAKES: dict[tuple[str, str], Callable[..., Any]] = {
    (
        # the two are one function: softmax(e + log g) is softmax(e) · g over its sum
        "normalises again after the Gaussian, or has the Gaussian inside the softmax",
        "Does the formula say anything after the product with the Gaussian? What is the sum of its weights?",
    ): _built(weigh=_renormalised),
    (
        "multiplies the scores by the Gaussian instead of the weights",
        "Which comes first, the softmax or the Gaussian? What happens to a negative score?",
    ): _built(weigh=lambda e, mask, bell: _soft(e * bell, mask)),
    (
        "leaves out the Gaussian",
        "What tells positions near p from those at the end of the window? (And how does p learn?)",
    ): _built(bell=lambda s, p, D: torch.ones_like(s - p)),  # noqa: ARG005 - ignoring D is the mistake
    (
        "takes σ = D instead of D/2",
        "How large is the Gaussian at the end of the window, s = p + D, with your σ?",
    ): _built(bell=lambda s, p, D: torch.exp(-((s - p) ** 2) / (2 * D**2))),
    (
        "takes σ² = D/2 instead of σ = D/2",
        "Is D/2 the standard deviation or the variance?",
    ): _built(bell=lambda s, p, D: torch.exp(-((s - p) ** 2) / D)),
    (
        "leaves out the 2 in the Gaussian's denominator",
        "What stands below (s − p)² in a Gaussian?",
    ): _built(bell=lambda s, p, D: torch.exp(-((s - p) ** 2) / (D / 2) ** 2)),
    (
        "takes σ = D // 2, which drops a half",
        "What is 3 // 2, and what 1 // 2?",
    ): _built(bell=lambda s, p, D: torch.exp(-((s - p) ** 2) / (2 * (D // 2) ** 2))),
    (
        "forgets to square the distance",
        "Should the Gaussian treat both sides of p alike?",
    ): _built(bell=lambda s, p, D: torch.exp(-(s - p) / (2 * (D / 2) ** 2))),
    (
        "scales the Gaussian like a density",
        "How large is the factor at s = p: 1, or 1/(σ√2π)?",
    ): _built(bell=lambda s, p, D: _bell(s, p, D) / (D / 2 * (2 * torch.pi) ** 0.5)),
    (
        "centres the Gaussian on the rounded position",
        "If p is rounded, what is the derivative of a weight with respect to p?",
    ): _built(bell=lambda s, p, D: _bell(s, p.round(), D)),
    (
        "rounds the position",
        "Is p a whole number in local-p? What is the derivative of round?",
    ): _built(position=lambda *x: _position(*x).round()),
    (
        "takes the padded length n instead of the sentence's own",
        "Whose length is S: that of the array, or that of the sentence?",
    ): _built(position=lambda h, H, W_p, v_p, lengths: H.shape[1] * torch.sigmoid(_z(h, W_p, v_p)) + 0 * lengths),
    (
        "multiplies by S − 1 instead of S",
        "Which factor stands before the sigmoid in the formula?",
    ): _built(position=lambda h, H, W_p, v_p, S: _position(h, H, W_p, v_p, S - 1)),
    (
        "leaves out the tanh of the position",
        "What stands between W_p h and v_p?",
    ): _built(position=lambda h, H, W_p, v_p, S: S * torch.sigmoid(h @ W_p.T @ v_p)),  # noqa: ARG005 - not needed
    (
        "leaves out the sigmoid of the position",
        "Can p lie outside the sentence?",
    ): _built(position=lambda h, H, W_p, v_p, S: S * _z(h, W_p, v_p)),  # noqa: ARG005 - not needed
    (
        "computes the sigmoid so that exp overflows, and the gradient is NaN",
        "Which of exp(z) and exp(−z) stays finite at z = −1000? Does torch have the whole function?",
    ): _built(position=lambda h, H, W_p, v_p, S: S / (1 + torch.exp(-_z(h, W_p, v_p)))),  # noqa: ARG005 - not needed
    (
        "detaches p, so that W_p and v_p never learn",
        "Along which path does the loss tell the model to look further to the right?",
    ): _built(position=lambda *x: _position(*x).detach()),
    (
        "detaches p in the Gaussian, so that attending never teaches where to look",
        "Through which factor of a weight does p get its gradient?",
    ): _built(bell=lambda s, p, D: _bell(s, p.detach(), D)),
    (
        "detaches the p that it returns",
        "May a loss look at the returned p?",
    ): lambda *x: (*local_p_attention(*x)[:2], local_p_attention(*x)[2].detach()),
    (
        "detaches the query in the scores",
        "h reaches the weights along two paths. Which?",
    ): _built(score=lambda h, H: torch.einsum("bd,bnd->bn", h.detach(), H)),
    (
        "detaches the source states in the scores",
        "The source states reach the output along two paths. Which?",
    ): _built(score=lambda h, H: torch.einsum("bd,bnd->bn", h, H.detach())),
    (
        "detaches the source states in the context",
        "The source states reach the output along two paths. Which?",
    ): _built(read=lambda a, H: torch.einsum("bn,bnd->bd", a, H.detach())),
    (
        "excludes the ends of the window",
        "Is a position at a distance of exactly D inside?",
    ): _built(window=lambda s, p, D, S: ((s - p).abs() < D) & (s < S[:, None])),
    (
        "lays the window around the rounded position",
        "How many integers lie within D of 12.3?",
    ): _built(window=lambda s, p, D, S: _window(s, p.round(), D, S)),
    (
        "lays the window around the position rounded down",
        "How many integers lie within D of 12.7?",
    ): _built(window=lambda s, p, D, S: _window(s, p.floor(), D, S)),
    (
        "lays the window around the position rounded up",
        "How many integers lie within D of 12.3?",
    ): _built(window=lambda s, p, D, S: _window(s, p.ceil(), D, S)),
    (
        "excludes the left end of the window",
        "Is s = p − D inside? And s = p + D?",
    ): _built(window=lambda s, p, D, S: (s > p - D) & (s <= p + D) & (s < S[:, None])),
    (
        "excludes the right end of the window",
        "Is s = p − D inside? And s = p + D?",
    ): _built(window=lambda s, p, D, S: (s >= p - D) & (s < p + D) & (s < S[:, None])),
    (
        "lets positions just outside the window in",
        "Is a position at a distance of D + 0.0001 inside? Where does your condition end?",
    ): _built(window=lambda s, p, D, S: ((s - p).abs() <= D + 1e-3) & (s < S[:, None])),
    (
        "makes the window half as wide",
        "Is D the width of the window, or half of it?",
    ): _built(window=lambda s, p, D, S: ((s - p).abs() <= D / 2) & (s < S[:, None])),
    (
        "leaves out the window",
        "Which positions take part in the softmax? Is a small Gaussian the same as no weight?",
    ): _built(window=lambda s, p, D, S: (s < S[:, None]) & (p == p)),  # noqa: ARG005 - ignoring D is the mistake
    (
        "cuts the window out after the softmax",
        "Do positions outside the window take a share of the softmax?",
    ): lambda h, H, W_p, v_p, D, S: _built(
        window=lambda s, p, D, S: s < S[:, None],  # noqa: ARG005 - likewise
        bell=lambda s, p, D: _bell(s, p, D) * _near(s, p, D),
    )(h, H, W_p, v_p, D, S),
    (
        "lets the window reach into the padding",
        "Which positions are no words at all?",
    ): _built(window=lambda s, p, D, S: _near(s, p, D) & (S[:, None] >= 0)),
    (
        "gives positions outside the window the score 0 instead of −inf",
        "Is a score of 0 small? What is exp(0)?",
    ): _built(weigh=lambda e, mask, bell: (e * mask).softmax(-1) * bell),
    (
        "gives hidden positions a finite score and multiplies by the mask afterwards",
        "What if all words of the window score below that number? Which score is below every other?",
    ): _built(weigh=lambda e, mask, bell: e.masked_fill(~mask, -1e9).softmax(-1) * mask * bell),
    (
        "subtracts the maximum of the whole batch",
        "What is left of exp(score − maximum) in a sentence whose scores are all far below another sentence's?",
    ): _built(weigh=_batch_maximum),
    (
        "counts the positions from 1",
        "Which number has the first word?",
    ): _built(first=1, window=lambda s, p, D, S: _near(s, p, D) & (s - 1 < S[:, None])),
    (
        "gives NaN for a sentence of length 0",
        "What is a softmax over nothing but −inf?",
    ): _built(weigh=lambda e, mask, bell: e.masked_fill(~mask, -torch.inf).softmax(-1) * bell),
    (
        "gives a sentence of length 0 uniform weights",
        "What should a query read that may attend to nothing?",
    ): _built(weigh=lambda e, mask, bell: e.masked_fill(~mask, -1e30).softmax(-1) * bell),
    (
        "adds −inf to the scores and hides the NaN, which the backward pass still meets",
        "What is the derivative of −inf + x − max at a sentence of length 0? Which operation never computes it?",
    ): _built(
        weigh=lambda e, mask, bell: (e + torch.where(mask, 0.0, -torch.inf).to(e.dtype)).softmax(-1).nan_to_num() * bell
    ),
    (
        "takes the first sentence's window for the whole batch",
        "How many positions p does a batch have?",
    ): _built(window=lambda s, p, D, S: _near(s, p[:1], D) & (s < S[:, None])),
    (
        "exponentiates without subtracting the maximum",
        "What is exp(1000), and what is inf / inf?",
    ): _built(
        weigh=lambda e, mask, bell: (e.exp() * mask / (e.exp() * mask).sum(-1, keepdim=True).clamp(min=1e-30)) * bell
    ),
    (
        "makes the context from the weights before the Gaussian",
        "Which weights does the context use: those that are returned?",
    ): lambda *x: (torch.einsum("bn,bnd->bd", _before_the_gaussian(*x), x[1]), *local_p_attention(*x)[1:]),
    (
        "returns the weights before the Gaussian",
        "Which weights made the context?",
    ): _built(give=lambda c, a, p, soft: (c, soft(), p)),  # noqa: ARG005 - likewise
    (
        "divides the scores by √d",
        "Is the scale part of the dot score here?",
    ): _built(score=lambda h, H: torch.einsum("bd,bnd->bn", h, H) / h.shape[1] ** 0.5),
    (
        "returns p as a share of the sentence",
        "Is p a position or a fraction?",
    ): lambda *x: (*local_p_attention(*x)[:2], torch.sigmoid(_z(x[0], x[2], x[3]))),
}

for (_name, _ask), _function in _MISTAKES.items():
    task.misconception(_name, _ask)(_function)
