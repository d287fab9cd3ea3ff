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
    hints=(
        "Score, normalise, mix. One score per step: the dot product of this sequence's query with that step's state.",
        "Steps behind the length must get the weight 0, and the others must still sum to one. So where must the mask act: before the softmax, or after it?",
        "scores = (h @ query[:, :, None])[:, :, 0]; `masked_fill` with −inf where torch.arange(T) ≥ lengths[:, None]; softmax over the steps; "
        "then the sum of weights[:, :, None] * h over the steps. Return the context first.",
    ),
)


def _states(draw: Draw) -> tuple[Array, ...]:
    draw.size("d_h", 1, 12)
    h = draw.array(
        "B", "T", "d_h", mean=0.3, fixed=True
    )  # h is what is read, too: large states have a case of their own
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


@task.special("one real step, with a score below −10¹⁰", share=0.2, gradients=False)
def _(draw: Draw) -> tuple[Array, ...]:
    draw.size("T", 2, 6)
    h, query = _states(draw)
    return torch.full_like(h, 1e5), torch.full_like(query, -2e5), torch.ones(draw.size("B"), dtype=torch.int64)


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


def _mix(weights: Array, h: Array) -> Array:
    return (weights[:, :, None] * h).sum(1)


def _read(h: Array, scores: Array, real: Array, fill: float = -torch.inf) -> tuple[Array, Array]:
    """The right read of given scores and real steps: most mistakes are in one of the two."""
    weights = torch.softmax(scores.masked_fill(~real, fill), -1)
    return _mix(weights, h), weights


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


@task.misconception(
    "adds a large negative number to padded scores, which does not hide a score that is larger still",
    ask="What is 10²⁰ − 10⁹, and which weight does it get?",
)
def _(h: Array, query: Array, lengths: Array) -> tuple[Array, Array]:
    return _read(h, _scores(h, query) - 1e9 * (~_real(h, lengths)), torch.ones(h.shape[:2], dtype=torch.bool))


@task.misconception(
    "masks after the softmax and does not renormalise",
    ask="What do the remaining weights sum to once some are set to 0?",
)
def _(h: Array, query: Array, lengths: Array) -> tuple[Array, Array]:
    weights = torch.softmax(_scores(h, query), -1) * _real(h, lengths)
    return _mix(weights, h), weights


@task.misconception(
    "masks after the softmax and renormalises, which fails where all real weights have underflowed",
    ask="What is left to renormalise when the score of a padded step lies 1000 above the real ones?",
)
def _(h: Array, query: Array, lengths: Array) -> tuple[Array, Array]:
    weights = torch.softmax(_scores(h, query), -1) * _real(h, lengths)
    weights = weights / weights.sum(-1, keepdim=True)
    return _mix(weights, h), weights


@task.misconception(
    "masks after the softmax and renormalises, which fails where all real weights have underflowed",
    ask="What is left to renormalise when the score of a padded step lies 1000 above the real ones?",
)
def _(h: Array, query: Array, lengths: Array) -> tuple[Array, Array]:
    weights = torch.softmax(_scores(h, query), -1) * _real(h, lengths)
    weights = weights / weights.sum(-1, keepdim=True).clamp_min(1e-12)
    return _mix(weights, h), weights


@task.misconception("sets the scores of padded steps to 0 instead of −inf", ask="What weight does a score of 0 get?")
def _(h: Array, query: Array, lengths: Array) -> tuple[Array, Array]:
    return _read(h, _scores(h, query), _real(h, lengths), fill=0.0)


@task.misconception(
    "sets the padded states to 0 but leaves them in the softmax",
    ask="A state of zeros has which score, and so which weight?",
)
def _(h: Array, query: Array, lengths: Array) -> tuple[Array, Array]:
    kept = h * _real(h, lengths)[:, :, None]
    return _read(kept, _scores(kept, query), torch.ones(h.shape[:2], dtype=torch.bool))


@task.misconception(
    "keeps the padding out of the mixture but not out of the weights",
    ask="What do the weights of the real steps sum to, if padded steps take their share first?",
)
def _(h: Array, query: Array, lengths: Array) -> tuple[Array, Array]:
    weights = torch.softmax(_scores(h, query), -1)
    return _mix(weights, h * _real(h, lengths)[:, :, None]), weights


def _filled(h: Array, query: Array, lengths: Array, fill: float) -> tuple[Array, Array]:
    return _read(h, _scores(h, query), _real(h, lengths), fill)


for _fill in (-1.0, -10.0, -20.0, -50.0, -100.0, -1e3, -1e4, -1e5, -1e6, -1e9, -1e10):
    task.misconception(
        "fills padded scores with a number that is not negative enough", ask="What if the real scores lie even lower?"
    )(partial(_filled, fill=_fill))


@task.misconception("multiplies the mask by −inf, which is NaN where the mask is 0", ask="What is 0 · inf?")
def _(h: Array, query: Array, lengths: Array) -> tuple[Array, Array]:
    added = (~_real(h, lengths)).to(h.dtype) * -torch.inf
    return _read(h, _scores(h, query) + added, torch.ones(h.shape[:2], dtype=torch.bool))


@task.misconception(
    "takes the last steps instead of the first ones: it expects the padding on the left",
    ask="On which side does the padding stand?",
)
def _(h: Array, query: Array, lengths: Array) -> tuple[Array, Array]:
    real = torch.arange(h.shape[1]) >= h.shape[1] - lengths[:, None]
    return _read(h, _scores(h, query), real)


@task.misconception(
    "normalises over the batch instead of the steps",
    ask="Which weights must sum to one: those of one query, or those of one step?",
)
def _(h: Array, query: Array, lengths: Array) -> tuple[Array, Array]:
    weights = torch.softmax(_scores(h, query).masked_fill(~_real(h, lengths), -torch.inf), 0)
    return _mix(weights, h), weights


@task.misconception("exponentiates without subtracting the maximum", ask="What is exp(1000), and what is inf / inf?")
def _(h: Array, query: Array, lengths: Array) -> tuple[Array, Array]:
    exp = torch.exp(_scores(h, query)) * _real(h, lengths)
    weights = exp / exp.sum(-1, keepdim=True)
    return _mix(weights, h), weights


@task.misconception("exponentiates without subtracting the maximum", ask="What is exp(1000), and what is inf / inf?")
def _(h: Array, query: Array, lengths: Array) -> tuple[Array, Array]:
    exp = torch.exp(_scores(h, query).masked_fill(~_real(h, lengths), -torch.inf))
    weights = exp / exp.sum(-1, keepdim=True)
    return _mix(weights, h), weights


@task.misconception("normalises the scores without exponentiating", ask="Which weight does a negative score get?")
def _(h: Array, query: Array, lengths: Array) -> tuple[Array, Array]:
    scores = _scores(h, query) * _real(h, lengths)
    weights = scores / scores.sum(-1, keepdim=True)
    return _mix(weights, h), weights


@task.misconception("applies softmax twice", ask="What does softmax make of numbers that all lie between 0 and 1?")
def _(h: Array, query: Array, lengths: Array) -> tuple[Array, Array]:
    _, weights = _read(h, _scores(h, query), _real(h, lengths))
    return _read(h, weights, _real(h, lengths))


@task.misconception(
    "reads the best step only instead of mixing all", ask="Which function lets a gradient reach every score?"
)
def _(h: Array, query: Array, lengths: Array) -> tuple[Array, Array]:
    best = _scores(h, query).masked_fill(~_real(h, lengths), -torch.inf).argmax(-1)
    weights = torch.nn.functional.one_hot(best, h.shape[1]).to(h.dtype)
    return _mix(weights, h), weights


@task.misconception(
    "scores by the cosine: states and query are brought to length 1",
    ask="Does a long state get a larger dot product, and should it?",
)
def _(h: Array, query: Array, lengths: Array) -> tuple[Array, Array]:
    scores = torch.nn.functional.cosine_similarity(h, query[:, None, :], dim=-1)
    return _read(h, scores, _real(h, lengths))


@task.misconception(
    "divides the mixture by the number of steps as well", ask="The weights sum to one: what is left to average?"
)
def _(h: Array, query: Array, lengths: Array) -> tuple[Array, Array]:
    context, weights = attend(h, query, lengths)
    return context / h.shape[1], weights


@task.misconception("adds the query to the context", ask="What is the context a mixture of?")
def _(h: Array, query: Array, lengths: Array) -> tuple[Array, Array]:
    context, weights = attend(h, query, lengths)
    return context + query, weights


@task.misconception("returns the scores instead of the weights", ask="What must the second output sum to?")
def _(h: Array, query: Array, lengths: Array) -> tuple[Array, Array]:
    return attend(h, query, lengths)[0], _scores(h, query).masked_fill(~_real(h, lengths), -torch.inf)


@task.misconception("returns the scores instead of the weights", ask="What must the second output sum to?")
def _(h: Array, query: Array, lengths: Array) -> tuple[Array, Array]:
    return attend(h, query, lengths)[0], _scores(h, query)


@task.misconception(
    "returns the weights first and the context second", ask="In which order does the task ask for them?"
)
def _(h: Array, query: Array, lengths: Array) -> tuple[Array, Array]:
    context, weights = attend(h, query, lengths)
    return weights, context


@task.misconception("returns the context without the weights", ask="How many results does the task ask for?")
def _(h: Array, query: Array, lengths: Array) -> Array:
    return attend(h, query, lengths)[0]


@task.misconception(
    "keeps an axis of size 1 in the context",
    ask="Which shape does (B, 1, T) @ (B, T, d_h) have, and which one is asked for?",
)
def _(h: Array, query: Array, lengths: Array) -> tuple[Array, Array]:
    context, weights = attend(h, query, lengths)
    return context[:, None, :], weights


@task.misconception(
    "detaches the weights, so that nobody learns where to look",
    ask="Through which path does the query get a gradient from the context?",
)
def _(h: Array, query: Array, lengths: Array) -> tuple[Array, Array]:
    _, weights = attend(h, query, lengths)
    return _mix(weights.detach(), h), weights


@task.misconception(
    "cuts the states off from the scores: their gradient is a_j alone",
    ask="A state is read, and it is also compared with the query. How many paths are that?",
)
def _(h: Array, query: Array, lengths: Array) -> tuple[Array, Array]:
    return _read(h, _scores(h.detach(), query), _real(h, lengths))


@task.misconception(
    "cuts the states off from the mixture: they get a gradient through the scores only",
    ask="A state is compared with the query, and it is also read. How many paths are that?",
)
def _(h: Array, query: Array, lengths: Array) -> tuple[Array, Array]:
    return _read(h.detach(), _scores(h, query), _real(h, lengths))


@task.misconception("exponentiates without subtracting the maximum", ask="What is exp(1000), and what is inf / inf?")
def _(h: Array, query: Array, lengths: Array) -> tuple[Array, Array]:
    exp = torch.exp(_scores(h, query)).masked_fill(~_real(h, lengths), 0.0)
    weights = exp / exp.sum(-1, keepdim=True)
    return _mix(weights, h), weights
