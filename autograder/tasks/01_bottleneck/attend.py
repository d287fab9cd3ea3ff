"""bottleneck.attend: One query reads all real steps of its sequence."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from attn_core.seq2seq.bottleneck import attend
from autograder.checking.draw import Draw
from autograder.checking.task import Task
from autograder.tasks.mistakes import Array

task = Task(
    "bottleneck.attend",
    reference=attend,
    kind="torch",
    lecture="01_bottleneck#score-normalise-mix",
    scores=lambda h, query, lengths: (h @ query[:, :, None])[:, :, 0] * _real(h, lengths),
    hints=(
        "Score, normalise, mix. One score per step: the dot product of this sequence's query with that step's state.",
        "Steps behind the length must get the weight 0, and the others must still sum to one. So where must the mask act: before the softmax, or after it?",
        "scores = (h @ query[:, :, None])[:, :, 0]; `masked_fill` with −inf where torch.arange(T) ≥ lengths[:, None]; softmax over the steps; "
        "then the sum of weights[:, :, None] * h over the steps. Return the context first.",
    ),
)


def _states(draw: Draw) -> tuple[Array, ...]:
    draw.size("d_h", 1, 12)
    h = draw.array("B", "T", "d_h", mean=0.3, fixed=True)  # it is what is read, too: large states have their own case
    return h, draw.array("B", "d_h", mean=0.2)


@task.inputs
def _(draw: Draw) -> tuple[Array, ...]:
    h, query = _states(draw)
    return h, query, draw.integers("B", low=1, high=draw.size("T"))


@task.special("every sequence has its full length")
def _(draw: Draw) -> tuple[Array, ...]:
    h, query = _states(draw)
    return h, query, torch.full((draw.size("B"),), draw.size("T"))


@task.special("every sequence has length 1")
def _(draw: Draw) -> tuple[Array, ...]:
    draw.size("T", 2, 6)
    h, query = _states(draw)
    return h, query, torch.ones(draw.size("B"), dtype=torch.int64)


@task.special("a query that is zero", share=0.2)
def _(draw: Draw) -> tuple[Array, ...]:
    h, query = _states(draw)
    return h, torch.zeros_like(query), draw.integers("B", low=1, high=draw.size("T"))


@task.special("large numbers in the padding", share=0.5)
def _(draw: Draw) -> tuple[Array, ...]:
    steps = draw.size("T", 2, 6)
    h, query = _states(draw)
    lengths = draw.integers("B", low=1, high=steps - 1)
    sign = torch.where(query.sum(-1) < 0, -1.0, 1.0).to(h.dtype)  # so that the padding gets the largest score
    filling = (query.abs() > 0).to(h.dtype) * sign[:, None] * draw.choice([1e3, 1e20])
    return torch.where(_real(h, lengths)[:, :, None], h, filling[:, None, :]), query, lengths


@task.special("one real step, with a very low score", share=0.2, gradients=False)
def _(draw: Draw) -> tuple[Array, ...]:
    draw.size("T", 2, 6)
    h, query = _states(draw)
    low = -1e19 / draw.size("d_h")  # the score is −10³⁸, and float32 ends at −3·10³⁸: every other filling lies above it
    return torch.full_like(h, 1e19), torch.full_like(query, low), torch.ones(draw.size("B"), dtype=torch.int64)


@task.special("real scores far beyond a million", share=0.2, gradients=False)
def _(draw: Draw) -> tuple[Array, ...]:
    steps = draw.size("T", 2, 6)
    h, query = _states(draw)
    rank = 1 + draw.rng.random((len(h), steps)).argsort(1)  # so that the scores of a sequence all differ, by 10³⁷
    states = torch.from_numpy(rank)[:, :, None].to(h.dtype) * torch.full_like(h, 1e18)
    largest = draw.choice([1.0, -1.0]) * 1e19 / draw.size("d_h")
    return states, torch.full_like(query, largest), draw.integers("B", low=2, high=steps)


@task.special("padding whose scores overflow to ±∞ in float32", share=0.2, gradients=False)
def _(draw: Draw) -> tuple[Array, ...]:
    steps = draw.size("T", 2, 6)
    h, query = _states(draw)
    sign = torch.where(query < 0, -1.0, 1.0).to(h.dtype)
    side = torch.where(torch.arange(len(h)) % 2 == 0, 1.0, -1.0).to(h.dtype)  # +∞ for the first sequence, then −∞, …
    filling = side[:, None] * sign * (torch.finfo(torch.float32).max / 4)  # all terms of one sign, so no ∞ − ∞
    lengths = draw.integers("B", low=1, high=steps - 1)
    return torch.where(_real(h, lengths)[:, :, None], h, filling[:, None, :]), 10.0 * sign, lengths


@task.special("large states", share=0.2, gradients=False)
def _(draw: Draw) -> tuple[Array, ...]:
    h, query = _states(draw)
    return h * 300.0, query, draw.integers("B", low=1, high=draw.size("T"))


@task.property("the weights of a sequence sum to one")
def _(_call: Any, _inputs: tuple[Array, ...], output: Array) -> str | None:
    worst = (output[1].double().sum(-1) - 1).abs().max().item()
    return None if worst <= 1e-3 else f"here a sum is off by {worst:.3g}."


@task.property("a step behind the length gets exactly 0")
def _(_call: Any, inputs: tuple[Array, ...], output: Array) -> str | None:
    worst = output[1][~_real(inputs[0], inputs[2])].abs()
    return None if not worst.any() else f"here one gets {worst.max().item():.3g}."


@task.property("the context lies between the smallest and the largest state that was read, component by component")
def _(_call: Any, inputs: tuple[Array, ...], output: Array) -> str | None:
    h, _, lengths = inputs
    real = _real(h, lengths)[:, :, None]
    low = h.masked_fill(~real, torch.inf).amin(1)
    high = h.masked_fill(~real, -torch.inf).amax(1)
    slack = 1e-3 * (1 + torch.maximum(low.abs(), high.abs()))
    inside = (output[0] >= low - slack) & (output[0] <= high + slack)
    return None if bool(inside.all()) else "a component leaves that range, so it is no weighted mean of these states."


Part = Callable[..., Array]


def _real(h: Array, lengths: Array) -> Array:
    """Which steps are real, (B, T)."""
    return torch.arange(h.shape[1]) < lengths[:, None]


def _scores(h: Array, query: Array) -> Array:
    return (h * query[:, None, :]).sum(-1)


def _mixed(weights: Array, h: Array) -> tuple[Array, Array]:
    """Context and weights, as the task returns them."""
    return (weights[:, :, None] * h).sum(1), weights


def _read(h: Array, scores: Array, real: Array, fill: float = -torch.inf) -> tuple[Array, Array]:
    """The right read of given scores and real steps: most mistakes are in one of the two."""
    return _mixed(torch.softmax(scores.masked_fill(~real, fill), -1), h)


def _mistake(name: str, ask: str, scores: Part = _scores, real: Part = _real) -> None:
    """A mistake in the scores (h, query), or in which steps are real (h, lengths)."""

    @task.misconception(name, ask=ask)
    def _(h: Array, query: Array, lengths: Array) -> tuple[Array, Array]:
        return _read(h, scores(h, query), real(h, lengths))


_mistake(
    "attends to the padding too: it ignores the lengths",
    "What is the state of a step that the sequence does not have?",
    real=lambda h, _lengths: torch.ones(h.shape[:2], dtype=torch.bool),
)
_mistake(
    "scales the scores by 1/√d_h, which this task does not ask for",
    "Does the formula of this lecture divide by anything?",
    scores=lambda h, query: _scores(h, query) / h.shape[-1] ** 0.5,
)
_mistake(
    "takes the mean of the products instead of their sum as a score",
    "Is a dot product a sum or a mean?",
    scores=lambda h, query: (h * query[:, None, :]).mean(-1),
)
_mistake(
    "hides the real steps and reads the padding",
    "What does True mean in your mask, and what does masked_fill do there?",
    real=lambda h, lengths: ~_real(h, lengths),
)
_mistake(
    "reads one step too many", "With length 1, which positions are real?", real=lambda h, lengths: _real(h, lengths + 1)
)
_mistake(
    "reads one step too few", "With length 1, which positions are real?", real=lambda h, lengths: _real(h, lengths - 1)
)
for _one in (torch.max, torch.min, lambda lengths: lengths[0]):
    _mistake(
        "uses one length for all sequences",
        "Does every sequence of the batch end at the same step?",
        real=lambda h, lengths, one=_one: _real(h, one(lengths).expand(len(lengths))),
    )
_mistake(
    "lets every sequence be read by the first query",
    "Which axis of the query runs along the batch?",
    scores=lambda h, query: _scores(h, query[:1].expand_as(query)),
)
_mistake(
    "takes the plain mean of the real steps: the query has no say",
    "Which step should weigh more, and who decides it?",
    scores=lambda h, query: _scores(h, query) * 0,
)


Result = tuple[Array, ...] | Array


def _series(name: str, ask: str, function: Callable[..., Result], numbers: tuple[float, ...]) -> None:
    """One mistake with several numbers that people choose."""
    for number in numbers:
        task.misconception(name, ask=ask)(partial(function, number=number))


def _weighted(name: str, ask: str, weights: Part) -> None:
    """A mistake in the weights (scores, real): they are mixed as they are."""

    @task.misconception(name, ask=ask)
    def _(h: Array, query: Array, lengths: Array) -> tuple[Array, Array]:
        return _mixed(weights(_scores(h, query), _real(h, lengths)), h)


def _returned(name: str, ask: str, result: Callable[..., Result]) -> None:
    """A mistake at the end: result(context, weights, h, query, lengths)."""

    @task.misconception(name, ask=ask)
    def _(h: Array, query: Array, lengths: Array) -> Result:
        return result(*attend(h, query, lengths), h, query, lengths)


def _added(h: Array, query: Array, lengths: Array, number: float) -> tuple[Array, Array]:
    """A number is added to the scores of the padding; nothing is replaced."""
    shift = torch.zeros(h.shape[:2], dtype=h.dtype).masked_fill(~_real(h, lengths), number)
    return _mixed(torch.softmax(_scores(h, query) + shift, -1), h)


def _filled(h: Array, query: Array, lengths: Array, number: float) -> tuple[Array, Array]:
    return _read(h, _scores(h, query), _real(h, lengths), number)


_series(
    "adds a large negative number to padded scores, which does not hide a score that is larger still",
    "Adding leaves the old score in the sum. Which score of the padding would outweigh your number?",
    _added,
    (-1e4, -1e9, -1e12, -1e20, -1e22, -1e30),
)
_series(
    "adds −inf to padded scores, which is NaN where such a score has itself overflowed",
    "What is ∞ − ∞? And which operation forgets the old score instead of adding to it?",
    _added,
    (-torch.inf,),
)
_series("sets the scores of padded steps to 0 instead of −inf", "What weight does a score of 0 get?", _filled, (0.0,))
_series(
    "fills padded scores with a number that is not negative enough",
    "What if the real scores lie even lower?",
    _filled,
    (-1.0, -10.0, -20.0, -50.0, -100.0, -1e3, -1e4, -1e5, -1e6, -1e9, -1e10, -1e12, -1e15, -1e20, -1e30, -1e37),
)
for _bound in (10.0, 20.0, 50.0, 80.0, 100.0, 1e3, 1e4, 1e6, 1e9):
    _weighted(
        "clamps the scores, so that all beyond the bound look alike",
        "Two scores lie beyond your bound. Which of the two steps should win, and which does?",
        lambda s, real, bound=_bound: _softmax(s.clamp(-bound, bound), real),
    )


_weighted(
    "fills padded scores with the smallest score less a constant, which a large score swallows",
    "In float32, how far below −10³⁰ is −10³⁰ − 10⁴?",
    lambda s, real: torch.softmax(s.masked_fill(~real, float(s.min()) - 1e4), -1),
)
_weighted(
    "multiplies the mask by −inf, which is NaN where the mask is 0",
    "What is 0 · inf?",
    lambda s, real: torch.softmax(s + (~real).to(s.dtype) * -torch.inf, -1),
)
for _all in (False, True):
    _weighted(
        "divides the scores by the number of steps",
        "Does the formula of this lecture divide by anything?",
        lambda s, real, all_=_all: _softmax(s / (s.shape[1] if all_ else real.sum(1, keepdim=True)), real),
    )
_weighted(
    "masks after the softmax and does not renormalise",
    "What do the remaining weights sum to once some are set to 0?",
    lambda s, real: torch.softmax(s, -1) * real,
)
for _least in (0.0, 1e-12):
    _weighted(
        "masks after the softmax and renormalises, which fails where all real weights have underflowed",
        "What is left to renormalise when the score of a padded step lies 1000 above the real ones?",
        lambda s, real, least=_least: _normalised(torch.softmax(s, -1) * real, least),
    )
_weighted(
    "normalises over the batch instead of the steps",
    "Which weights must sum to one: those of one query, or those of one step?",
    lambda s, real: torch.softmax(s.masked_fill(~real, -torch.inf), 0),
)
_EXPONENTIALS: tuple[Part, ...] = (  # three ways to mask, whose gradients differ where they overflow
    lambda s, real: torch.exp(s) * real,
    lambda s, real: torch.exp(s.masked_fill(~real, -torch.inf)),
    lambda s, real: torch.exp(s).masked_fill(~real, 0.0),
)
for _exponential in _EXPONENTIALS:
    _weighted(
        "exponentiates without subtracting the maximum",
        "What is exp(1000), and what is inf / inf?",
        lambda s, real, exponential=_exponential: _normalised(exponential(s, real)),
    )
_weighted(
    "normalises the scores without exponentiating",
    "Which weight does a negative score get?",
    lambda s, real: _normalised(s * real),
)
_weighted(
    "applies softmax twice",
    "What does softmax make of numbers that all lie between 0 and 1?",
    lambda s, real: _softmax(_softmax(s, real), real),
)
_weighted(
    "reads the best step only instead of mixing all",
    "Which function lets a gradient reach every score?",
    lambda s, real: torch.nn.functional.one_hot(s.masked_fill(~real, -torch.inf).argmax(-1), s.shape[1]).to(s.dtype),
)


def _normalised(x: Array, least: float = -torch.inf) -> Array:
    return x / x.sum(-1, keepdim=True).clamp_min(least)


def _softmax(scores: Array, real: Array) -> Array:
    return torch.softmax(scores.masked_fill(~real, -torch.inf), -1)


_returned(
    "sets the padded states to 0 but leaves them in the softmax",
    "A state of zeros has which score, and so which weight?",
    lambda _c, _w, h, query, lengths: _added(h * _real(h, lengths)[:, :, None], query, lengths, 0.0),
)
_returned(
    "keeps the padding out of the mixture but not out of the weights",
    "What do the weights of the real steps sum to, if padded steps take their share first?",
    lambda _c, _w, h, query, lengths: _mixed(_added(h, query, lengths, 0.0)[1], h * _real(h, lengths)[:, :, None]),
)
_mistake(
    "takes the last steps instead of the first ones: it expects the padding on the left",
    "On which side does the padding stand?",
    real=lambda h, lengths: torch.arange(h.shape[1]) >= h.shape[1] - lengths[:, None],
)
_mistake(
    "scores by the cosine: states and query are brought to length 1",
    "Does a long state get a larger dot product, and should it?",
    scores=lambda h, query: torch.nn.functional.cosine_similarity(h, query[:, None, :], dim=-1),
)
_returned(
    "divides the mixture by the number of steps as well",
    "The weights sum to one: what is left to average?",
    lambda context, weights, h, *_: (context / h.shape[1], weights),
)
_returned(
    "adds the query to the context",
    "What is the context a mixture of?",
    lambda context, weights, _h, query, _lengths: (context + query, weights),
)
for _hide in (False, True):
    _returned(
        "returns the scores instead of the weights",
        "What must the second output sum to?",
        lambda c, _, h, query, lengths, hide=_hide: (
            c,
            _scores(h, query).masked_fill(hide & ~_real(h, lengths), -torch.inf),
        ),
    )
_returned(
    "returns the weights first and the context second",
    "In which order does the task ask for them?",
    lambda context, weights, *_: (weights, context),
)
_returned(
    "returns the context without the weights", "How many results does the task ask for?", lambda context, *_: context
)
_returned(
    "keeps an axis of size 1 in the context",
    "Which shape does (B, 1, T) @ (B, T, d_h) have, and which one is asked for?",
    lambda context, weights, *_: (context[:, None, :], weights),
)
_returned(
    "detaches the weights, so that nobody learns where to look",
    "Through which path does the query get a gradient from the context?",
    lambda _, weights, h, *_rest: (_mixed(weights.detach(), h)[0], weights),
)
_returned(
    "cuts the states off from the scores: their gradient is a_j alone",
    "A state is read, and it is also compared with the query. How many paths are that?",
    lambda _c, _w, h, query, lengths: _read(h, _scores(h.detach(), query), _real(h, lengths)),
)
_returned(
    "cuts the states off from the mixture: they get a gradient through the scores only",
    "A state is compared with the query, and it is also read. How many paths are that?",
    lambda _c, _w, h, query, lengths: _read(h.detach(), _scores(h, query), _real(h, lengths)),
)
