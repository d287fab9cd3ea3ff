"""masks.masked_softmax: Softmax over what a query may attend to, in every precision."""

from __future__ import annotations

import math
from typing import Any

import torch

from attn_core.masked_softmax import masked_softmax
from autograder.checking.draw import Draw
from autograder.checking.task import Task
from autograder.tasks.inputs import masks_of_every_shape
from autograder.tasks.masking_mistakes import CONSTANT, HIDDEN_NAN, MISTAKES, NAIVE, TIMES_0
from autograder.tasks.mistakes import Array, squeezes

task = Task(
    "masks.masked_softmax",
    reference=masked_softmax,
    kind="torch",
    dtypes=("float16", "bfloat16", "float32", "float64"),
    rounds=16,
    scores=lambda scores, mask: torch.where(mask, scores, 0.0),
    lecture="07_masks#nan-comes-back-through-the-backward-pass",
    hints=(
        "Which number can a score be replaced by, so that its weight is exactly 0 in every dtype? Replace, do not add and do not multiply.",
        "After that only rows without any key are special: what does softmax make of a row of nothing but −inf, and which function puts zeros there? "
        "Think of the backward pass too: nothing that is NaN may be differentiated on its way to the scores.",
        "`scores.masked_fill(~mask, -torch.inf)`, softmax over the last axis, then zeros where the mask is False "
        "(`masked_fill(~mask, 0.0)`, or `nan_to_num`). The same with an added −inf looks alike and has NaN gradients.",
    ),
)

LARGEST = {"float16": 6e4, "bfloat16": 1e30, "float32": 1e30, "float64": 1e30}  # what hidden places may hold


@task.inputs
def _(draw: Draw) -> tuple[Array, ...]:
    return draw.array(..., "n", "m", scale=1.5), draw.mask(..., "n", "m", keep=0.6)


def _scores(draw: Draw, least: int = 2) -> Array:
    """Scores of several queries and keys, not centred at 0."""
    draw.size("n", 2, 5)
    draw.size("m", least, 7)
    return draw.array(..., "n", "m", mean=0.5, scale=1.5)


@task.special("a query that may attend to nothing", share=0.4)
def _(draw: Draw) -> tuple[Array, ...]:
    return _scores(draw), draw.mask(..., "n", "m", keep=0.5, empty_rows=True)


@task.special("nothing may be attended to at all", share=0.2)
def _(draw: Draw) -> tuple[Array, ...]:
    scores = _scores(draw)
    return scores, torch.zeros(scores.shape, dtype=torch.bool)


@task.special("everything may be attended to, though some of it gets very little")
def _(draw: Draw) -> tuple[Array, ...]:
    scores = 5 * _scores(draw)
    return scores, torch.ones(scores.shape, dtype=torch.bool)


@task.special("hidden scores that are enormous", share=0.4)
def _(draw: Draw) -> tuple[Array, ...]:
    """Next to visible ones of ordinary size; in float16 they nearly fill the range."""
    scores, mask = _scores(draw), draw.mask(..., "n", "m", keep=0.5)
    size = draw.rng.uniform(0.5, 1.0, tuple(scores.shape)) * LARGEST[draw.case.dtype]
    sign = draw.rng.choice([-1.0, 1.0, 1.0], tuple(scores.shape))
    return torch.where(mask, scores, draw.give(size * sign, rounded=False)), mask


@task.special("a row without any key whose scores are far below 0", share=0.2)
def _(draw: Draw) -> tuple[Array, ...]:
    """So far that they overflow as soon as the smallest number of float16 or float32 is added."""
    scores, mask = _scores(draw), draw.mask(..., "n", "m", keep=0.5, empty_rows=True)
    low = draw.rng.uniform(0.9, 1.0, tuple(scores.shape)) * {"float16": -6e4}.get(draw.case.dtype, -3e38)
    return torch.where(mask, scores, draw.give(low, rounded=False)), mask


@task.special("a single key to attend to, with a score far below 0", share=0.4)
def _(draw: Draw) -> tuple[Array, ...]:
    """Below every number that people take for −inf."""
    scores = _scores(draw)
    only = torch.nn.functional.one_hot(draw.integers(..., "n", low=0, high=scores.shape[-1] - 1), scores.shape[-1])
    return torch.where(only == 1, -LARGEST[draw.case.dtype], scores), only == 1


@task.special("visible scores far above 0", share=0.4)
def _(draw: Draw) -> tuple[Array, ...]:
    """Whole numbers, which every dtype holds up to 256; exp overflows from 12 (float16), 89 (float32), 710 (float64)."""
    draw.size("n", 2, 5)
    draw.size("m", 2, 7)
    far = {"float16": 60.0, "bfloat16": 120.0, "float32": 200.0, "float64": 1000.0}[draw.case.dtype]
    scores = draw.give(far + draw.integers(..., "n", "m", low=-3, high=3).double().numpy(), rounded=False)
    return scores, draw.mask(..., "n", "m", keep=0.6, empty_rows=draw.flag())


@task.special("visible scores that cancel with a shift of the batch", share=0.4)
def _(draw: Draw) -> tuple[Array, ...]:
    """One row far above the others: a maximum that all rows share underflows the rest."""
    scores, mask = _scores(draw), draw.mask(..., "n", "m", keep=0.6)
    scores[..., 0, :] += {"float16": 60.0, "bfloat16": 128.0}.get(draw.case.dtype, 1024.0)
    return scores, mask


masks_of_every_shape(task, _scores)


@task.special("a single row of scores", share=0.2)
def _(draw: Draw) -> tuple[Array, ...]:
    draw.size("m", 2, 7)
    return draw.array("m", scale=1.5), draw.mask("m", keep=0.6)


@task.property("every row sums to one, or to zero if it may attend to nothing")
def _(_call: Any, inputs: tuple[Array, ...], output: Array) -> str | None:
    want = inputs[1].expand(output.shape).any(-1).double()
    worst = float((output.double().sum(-1) - want).abs().max())
    small = {torch.float16: 1e-2, torch.bfloat16: 5e-2}.get(output.dtype, 1e-3)
    return None if worst <= small else f"here a sum is off by {worst:.3g}."


@task.property("what may not be attended to gets exactly 0")
def _(_call: Any, inputs: tuple[Array, ...], output: Array) -> str | None:
    worst = float((output.double() * ~inputs[1]).abs().max())
    return None if worst == 0 else f"here one gets {worst:.3g}."


EMPTY = "A row without any key: what does your line make of it, and what does the task ask for?"


def _filled(scores: Array, mask: Array, fill: float = -math.inf) -> Array:
    """The softmax of scores with a number put in hidden places, in whatever way the dtype rounds it."""
    return torch.softmax(torch.where(mask, scores, torch.tensor(fill, dtype=torch.float64).to(scores.dtype)), -1)


def _added(scores: Array, mask: Array, number: float) -> Array:
    """The softmax of scores with a number added in hidden places."""
    bias = torch.zeros(mask.shape, dtype=torch.float64).masked_fill(~mask, number).to(scores.dtype)
    return torch.softmax(scores + bias, -1)


for _number in (-1e9, -1e4):
    _text = f"−{abs(_number):.0e}".replace("e+0", "e")

    @task.misconception(
        f"fills hidden scores with a number such as {_text}, which leaves weights in rows that may attend to nothing",
        ask="A row of equal numbers: what are its weights, however small the number is? Does the number exist in float16?",
    )
    def _(scores: Array, mask: Array, number: float = _number) -> Array:
        return _filled(scores, mask, number)

    @task.misconception(
        f"adds a number such as {_text} to hidden scores, which leaves weights in rows that may attend to nothing",
        ask="Softmax does not feel what is added to a whole row. So what does a row get if the number is added everywhere?",
    )
    def _(scores: Array, mask: Array, number: float = _number) -> Array:
        return _added(scores, mask, number)

    @task.misconception(
        f"fills hidden scores with a number such as {_text} and then masks the weights, which fails where all visible scores are lower",
        ask="What if the only visible score is −1e10, or −6e4 in float16? Which number is below all others?",
    )
    def _(scores: Array, mask: Array, number: float = _number) -> Array:
        return _filled(scores, mask, number) * mask

    @task.misconception(
        f"adds a number such as {_text} to hidden scores and then masks the weights, which fails where a hidden score is larger than that",
        ask="A hidden place may hold any finite number. What is 1e30 − 1e9?",
    )
    def _(scores: Array, mask: Array, number: float = _number) -> Array:
        return _added(scores, mask, number) * mask


for _number in (-100.0, -1000.0):

    @task.misconception(
        "fills hidden scores with a number that is not negative enough",
        ask="Which weight has a key with this score if the others score −1000? Which number is below all others?",
    )
    def _(scores: Array, mask: Array, number: float = _number) -> Array:
        return _filled(scores, mask, number)

    @task.misconception(
        "fills with a number that is not negative enough, and then masks the weights",
        ask="Which weight has a key with this score if the others score −1000? Which number is below all others?",
    )
    def _(scores: Array, mask: Array, number: float = _number) -> Array:
        return _filled(scores, mask, number) * mask


for _guard in (0.0, 1e-9, 1e-6, 1e-12, 1e-8):

    @task.misconception(
        "masks after the exponentials and renormalises, which fails where all visible ones have underflowed",
        ask="A hidden score of 1000 next to a visible one of 0: what is left of the visible one if 1000 is the maximum that softmax subtracts?",
    )
    def _(scores: Array, mask: Array, guard: float = _guard) -> Array:
        kept = torch.softmax(scores, -1) * mask
        total = kept.sum(-1, keepdim=True)
        return kept / (total + guard) if guard else kept / torch.where(total == 0, 1.0, total)


@task.misconception(
    "masks after the softmax and renormalises, which divides 0 by 0 in rows that may attend to nothing", ask=EMPTY
)
def _(scores: Array, mask: Array) -> Array:
    kept = torch.softmax(scores, -1) * mask
    return kept / kept.sum(-1, keepdim=True)


@task.misconception(NAIVE[0], ask=NAIVE[1])
def _(scores: Array, mask: Array) -> Array:
    exp = torch.where(mask, scores, -math.inf).exp()
    total = exp.sum(-1, keepdim=True)
    return exp / torch.where(total == 0, 1.0, total)


@task.misconception(HIDDEN_NAN[0], ask=HIDDEN_NAN[1])
def _(scores: Array, mask: Array) -> Array:
    exp = torch.where(mask, scores, -math.inf).exp()
    return (exp / exp.sum(-1, keepdim=True)).nan_to_num(0.0)


@task.misconception(TIMES_0[0], ask=TIMES_0[1])
def _(scores: Array, mask: Array) -> Array:
    exp = scores.exp() * mask
    total = exp.sum(-1, keepdim=True)
    return exp / torch.where(total == 0, 1.0, total)


@task.misconception(
    "subtracts one maximum of all rows, so that low rows underflow",
    ask="What becomes of a row whose scores all lie 1000 below another's?",
)
def _(scores: Array, mask: Array) -> Array:
    filled = torch.where(mask, scores, -math.inf)
    peak = filled.max()
    exp = (filled - (peak if peak.isfinite() else 0.0)).exp()
    total = exp.sum(-1, keepdim=True)
    return exp / torch.where(total == 0, 1.0, total)


for _constant in (1e-6, 1e-4):

    @task.misconception(CONSTANT[0], ask=CONSTANT[1])
    def _(scores: Array, mask: Array, constant: float = _constant) -> Array:
        exp = _shifted(scores, mask).exp()
        return exp / (exp.sum(-1, keepdim=True) + constant)


@task.misconception(
    "normalises over the queries instead of the keys", ask="Along which axis must the weights of one query sum to one?"
)
def _(scores: Array, mask: Array) -> Array:
    axis = -2 if scores.ndim > 1 else -1
    return torch.softmax(torch.where(mask, scores, -math.inf), axis).nan_to_num(0.0)


def _weights_of_no_key(scores: Array, mask: Array, instead: Array) -> Array:
    """Right weights, except that a row without any key gets something."""
    return torch.where(mask.any(-1, keepdim=True), masked_softmax(scores, mask), instead)


def _shifted(scores: Array, mask: Array) -> Array:
    filled = torch.where(mask, scores, -math.inf)
    return filled - filled.amax(-1, keepdim=True).nan_to_num(neginf=0.0)


for _name, _ask, _function in (
    (
        "reads the mask the wrong way round: True hides instead of shows",
        "What does True mean: may be attended to, or must be hidden?",
        lambda scores, mask: masked_softmax(scores, ~mask),
    ),
    (
        "reads the mask the wrong way round, and gives NaN where it then sees nothing",
        "What does True mean: may be attended to, or must be hidden?",
        lambda scores, mask: _filled(scores, ~mask),
    ),
    (
        "ignores the mask",
        "Which line of yours depends on the mask?",
        lambda scores, mask: torch.softmax(scores, -1),  # noqa: ARG005 - ignoring it is the mistake
    ),
    (
        "gives NaN for a query that may attend to nothing",
        "What is −inf − (−inf)? What shall such a query get?",
        lambda scores, mask: _filled(scores, mask),
    ),
    (
        "adds −inf, which gives NaN for a query that may attend to nothing",
        "What is −inf − (−inf)? What shall such a query get?",
        lambda scores, mask: _added(scores, mask, -math.inf),
    ),
    (
        "adds −inf: the zeros of an empty row are right, but their gradients are NaN",
        "Where does the NaN of softmax's backward pass go: into a place that was replaced, or through a sum into the scores?",
        lambda scores, mask: _added(scores, mask, -math.inf).nan_to_num(0.0),
    ),
    (
        "uses −1e9, which float16 does not hold, and stops with an error there",
        "What is the largest number of float16? Which number does every floating dtype have that is below all others?",
        lambda scores, mask: torch.softmax(scores.masked_fill(~mask, -1e9), -1),
    ),
    (
        "uses −1e9, which float16 does not hold, and stops with an error there; zeros for empty rows do not mend that",
        "What is the largest number of float16? Which number does every floating dtype have that is below all others?",
        lambda scores, mask: torch.softmax(scores.masked_fill(~mask, -1e9), -1).masked_fill(~mask, 0.0),
    ),
    (
        "leaves uniform weights in rows that may attend to nothing, as filling with the smallest number of the dtype does",
        EMPTY,
        lambda scores, mask: _filled(scores, mask, torch.finfo(scores.dtype).min),
    ),
    (
        "adds the smallest number of the dtype to hidden scores, which leaves weights or NaN in rows that may attend to nothing",
        "What is the smallest number of a dtype plus a negative one? And what does softmax feel of a number that is added to a whole row?",
        lambda scores, mask: _added(scores, mask, torch.finfo(scores.dtype).min),
    ),
    (
        "adds the smallest number of the dtype to hidden scores and zeroes the rest: where the sum overflows, gradients are NaN",
        "What is the smallest number of a dtype plus a negative one? And then −inf − (−inf)?",
        lambda scores, mask: _added(scores, mask, torch.finfo(scores.dtype).min).masked_fill(~mask, 0.0),
    ),
    (
        "multiplies the scores by the mask: hidden scores become 0, not −inf",
        "What is exp(0)? Can a score of 0 win?",
        lambda scores, mask: torch.softmax(scores * mask, -1),
    ),
    (
        "multiplies the scores by the mask and then masks the weights",
        "What is exp(0), and in which sum does it still stand?",
        lambda scores, mask: torch.softmax(scores * mask, -1) * mask,
    ),
    (
        "masks after the softmax and does not renormalise",
        "What does a row sum to if you set some of its weights to 0?",
        lambda scores, mask: torch.softmax(scores, -1) * mask,
    ),
    (
        "gives a query that may attend to nothing the weights of no mask",
        EMPTY,
        lambda scores, mask: _weights_of_no_key(scores, mask, torch.softmax(scores, -1)),
    ),
    (
        "gives a query that may attend to nothing the whole weight at the first key",
        EMPTY,
        lambda scores, mask: _weights_of_no_key(scores, mask, (torch.arange(scores.shape[-1]) == 0).to(scores.dtype)),
    ),
    (
        "normalises over all rows at once",
        "How many keys does each weight compete with?",
        lambda scores, mask: masked_softmax(scores.flatten(), mask.expand(scores.shape).flatten()).view(scores.shape),
    ),
    (
        "divides by √m or another scale, which is not asked for here",
        "Are the scores scaled already? What does the formula of masked softmax hold?",
        lambda scores, mask: masked_softmax(scores / math.sqrt(scores.shape[-1]), mask),
    ),
    (
        "returns the masked scores without a softmax",
        "Do your rows sum to one?",
        lambda scores, mask: torch.where(mask, scores, -math.inf),
    ),
    (
        "returns exponentials without dividing by their sum",
        "Do your rows sum to one?",
        lambda scores, mask: _shifted(scores, mask).exp(),
    ),
    (
        "returns logarithms of the weights",
        "Can a weight be negative?",
        lambda scores, mask: torch.log_softmax(torch.where(mask, scores, -math.inf), -1),
    ),
    (
        "gives all the weight to the largest visible score",
        "Which weight should a score just below the largest get?",
        lambda scores, mask: ((_shifted(scores, mask) == 0) & mask).to(scores.dtype),
    ),
    (
        "spreads the weight evenly over what may be attended to",
        "Which line of yours depends on the scores?",
        lambda scores, mask: masked_softmax(scores * 0, mask),
    ),
    *MISTAKES,
):
    task.misconception(_name, ask=_ask)(_function)

squeezes(task)
