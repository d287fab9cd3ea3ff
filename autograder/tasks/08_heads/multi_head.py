"""heads.multi_head: Multi-head attention, from the projections to the output."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from attn_core.heads import merge_heads, multi_head_attention, split_heads
from autograder.checking.draw import Axis, Draw
from autograder.checking.task import Task
from autograder.tasks.attends import (
    Core,
    attend,
    core_mistakes,
    depths,
    merged_dealt,
    merged_straight,
    mixed,
    scaled,
    split_dealt,
    split_straight,
)
from autograder.tasks.head_masks import broadcast_masks
from autograder.tasks.mistakes import Array


def _scores(x_q: Array, x_kv: Array, W_q: Array, W_k: Array, *others: Any) -> Array:
    """What the softmax is taken of, before the mask."""
    heads = others[2]
    q, k = split_heads(x_q @ W_q, heads), split_heads(x_kv @ W_k, heads)
    return q @ k.mT / math.sqrt(q.shape[-1])


task = Task(
    "heads.multi_head",
    reference=multi_head_attention,
    kind="torch",
    lecture="08_heads#multi-head-attention",
    scores=_scores,
    hints=(
        "Six steps: project three times, split, score, normalise, mix, merge and project once more. You have written half of them.",
        "Split what the projections give, never x itself. The scale is that of one head's dot product: over how many channels does it sum? And out of which "
        "of the two inputs come the keys and the values?",
        "q, k, v = split_heads(x_q @ W_q, heads), split_heads(x_kv @ W_k, heads), split_heads(x_kv @ W_v, heads); scores = q @ k.mT / √(d/heads); "
        "with a mask scores.masked_fill(~mask, -inf), and nan_to_num after the softmax over the last axis; merge_heads(weights @ v) @ W_o.",
    ),
)


def _arguments(draw: Draw, heads: int | None = None) -> tuple[Any, ...]:
    """Everything but the mask: normal scores, values whose mean is not zero, no matrix symmetric."""
    draw.size("B", 1, 3)
    heads = draw.size("heads", 1, 5) if heads is None else heads
    d = heads * draw.size("d/heads", 1, 7)
    x_q, x_kv = draw.array("B", "n", d, mean=0.3), draw.array("B", "m", d, mean=0.5)
    W_q, W_k, W_v, W_o = (draw.array(d, d, scale=d**-0.5, fixed=True) for _ in range(4))
    return x_q, x_kv, W_q, W_k, W_v, W_o, heads


def _masked(draw: Draw, *axes: Axis, keep: float = 0.6, empty_rows: bool = False) -> tuple[Any, ...]:
    """The same with a mask of these axes, and several heads and keys, so that it matters."""
    draw.size("B", 2, 3)
    draw.size("heads", 2, 4)
    draw.size("n", 2, 5)
    draw.size("m", 3, 6)
    return *_arguments(draw), draw.mask(*axes, keep=keep, empty_rows=empty_rows)


@task.inputs
def _(draw: Draw) -> tuple[Any, ...]:
    arguments = _arguments(draw)
    return (*arguments, draw.mask("B", "heads", "n", "m")) if draw.flag(0.4) else arguments


@task.special("without a mask")
def _(draw: Draw) -> tuple[Any, ...]:
    return _arguments(draw)


@task.special("self-attention without a mask: x_q and x_kv are equal", share=0.2)
def _(draw: Draw) -> tuple[Any, ...]:
    draw.sizes["m"] = draw.size("n", 2, 5)
    x, _, *others = _arguments(draw)
    return x, x.clone(), *others


@task.special("one head", share=0.2)
def _(draw: Draw) -> tuple[Any, ...]:
    return _arguments(draw, heads=1)


broadcast_masks(task, _masked, "heads", "head")


@task.special("as many sequences as heads, and a mask (heads, n, m)", share=0.2)
def _(draw: Draw) -> tuple[Any, ...]:
    draw.sizes["heads"] = draw.size("B", 2, 3)
    return _masked(draw, "heads", "n", "m")


@task.special("queries that may attend to nothing", share=0.2)
def _(draw: Draw) -> tuple[Any, ...]:
    return _masked(draw, "B", "heads", "n", "m", empty_rows=True)


@task.special("large scores with a mask", share=0.2)
def _(draw: Draw) -> tuple[Any, ...]:
    arguments = _masked(draw, "B", "heads", "n", "m", keep=0.4)
    depth, mask = depths(draw, _scores(*arguments), arguments[-1])
    return arguments[0] * depth, *arguments[1:-1], mask


@task.error("6 features for 4 heads", ValueError, naming="heads")
def _(draw: Draw) -> tuple[Any, ...]:
    return draw.array(2, 3, 6), draw.array(2, 4, 6), *(draw.array(6, 6) for _ in range(4)), 4


@task.error("3 features for 5 heads", ValueError, naming="heads")
def _(draw: Draw) -> tuple[Any, ...]:
    return draw.array(1, 2, 3), draw.array(1, 5, 3), *(draw.array(3, 3) for _ in range(4)), 5


@task.property("the weights of every head sum to one for every query that may attend to something")
def _(_call: Any, inputs: tuple[Any, ...], output: Array) -> str | None:
    weights = output[1]
    want = _seen(inputs, weights).any(-1).double()
    worst = float((weights.double().sum(-1) - want).abs().max())
    return None if worst <= 1e-3 else f"here a row is off by {worst:.3g}."


@task.property("a key that a head may not attend to gets exactly 0")
def _(_call: Any, inputs: tuple[Any, ...], output: Array) -> str | None:
    worst = float(torch.where(_seen(inputs, output[1]), 0.0, output[1]).abs().max())
    return None if worst == 0 else f"here one gets {worst:.3g}."


def _seen(inputs: tuple[Any, ...], weights: Array) -> Array:
    """The mask in the shape of the weights; all True if there is none."""
    return (inputs[7] if len(inputs) > 7 else torch.ones((), dtype=torch.bool)).expand(weights.shape)


Split = Callable[[Array, int], Array]


def _whole(
    x_q: Array,
    x_kv: Array,
    W_q: Array,
    W_k: Array,
    W_v: Array,
    W_o: Array,
    heads: int,
    mask: Array | None = None,
    *,
    split: Split = split_heads,
    merge: Callable[[Array], Array] = merge_heads,
    core: Core = attend,
) -> tuple[Array, Array]:
    """The whole mechanism with a part exchanged: what most mistakes are."""
    q, k, v = split(x_q @ W_q, heads), split(x_kv @ W_k, heads), split(x_kv @ W_v, heads)
    context, weights = core(q, k, v, mask)
    return merge(context) @ W_o, weights


def _part(name: str, ask: str, **parts: Any) -> None:
    """A mistake that is the whole mechanism with one part exchanged."""
    task.misconception(name, ask)(partial(_whole, **parts))


MIXED = "splits by a reshape alone, which mixes tokens and channels"
MIXED_ASK = "Whose numbers does the first head hold after your split: every token's first channels, or the first tokens' channels?"
_part(MIXED, MIXED_ASK, split=split_straight)
_part(MIXED, MIXED_ASK, split=split_straight, merge=merged_straight)
_part(MIXED, MIXED_ASK, core=lambda q, k, v, mask: attend(q, mixed(k), v, mask))
_part(MIXED, MIXED_ASK, core=lambda q, k, v, mask: attend(q, k, mixed(v), mask))
_part(
    "merges the heads by a reshape alone, which mixes tokens and channels",
    "Before heads and channels become one axis, are they neighbours?",
    merge=merged_straight,
)
DEALT = "deals the channels out in turn: head h gets the channels h, h + heads, …"
DEALT_ASK = "Which columns of W_q belong to head 0?"
_part(DEALT, DEALT_ASK, split=split_dealt)
_part(DEALT, DEALT_ASK, split=split_dealt, merge=merged_dealt)
_part(
    "merges the heads channel by channel instead of head by head",
    "Which rows of W_o belong to head 0, and do they meet its channels?",
    merge=merged_dealt,
)
_part(
    "numbers the heads from the end",
    "Which columns of W_q belong to head 0?",
    split=lambda x, heads: split_heads(x, heads).flip(1),
    merge=lambda x: merge_heads(x.flip(1)),
)
_part(
    "scales by √d instead of √(d/heads)",
    "Over how many channels does the dot product of one head sum?",
    core=scaled(lambda q, _: math.sqrt(q.shape[-1] * q.shape[1])),
)
_part("leaves out the scale", "What is the variance of a sum of d/heads products?", core=scaled(lambda *_: 1.0))
_part(
    "divides by d/heads instead of its square root",
    "Is d/heads the variance of the sum, or its standard deviation?",
    core=scaled(lambda q, _: float(q.shape[-1])),
)
_part(
    "scales by √heads",
    "Over how many channels does the dot product of one head sum?",
    core=scaled(lambda q, _: math.sqrt(q.shape[1])),
)
_part(
    "takes the scale from the number of keys",
    "Does one dot product know how many keys there are?",
    core=scaled(lambda _, k: math.sqrt(k.shape[-2])),
)
for _name, _ask, _core in core_mistakes():
    _part(_name, _ask, core=_core)


def _given(name: str, ask: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """A mistake that is the right mechanism with other arguments."""

    def mistake(*arguments: Any) -> Any:
        given = dict(zip(task.arguments, arguments, strict=False))
        return multi_head_attention(**given | change(given))

    task.misconception(name, ask)(mistake)


def _blocks(W: Array, heads: int) -> Array:
    """W without the entries that lead from one head's part of the token to another's."""
    part = torch.arange(len(W)) // (len(W) // heads)
    return torch.where(part[:, None] == part, W, torch.zeros_like(W))


INPUTS, ALL = ("W_q", "W_k", "W_v"), ("W_q", "W_k", "W_v", "W_o")
_given(
    "uses every matrix transposed, x @ W.T",
    "Is W stored as torch.nn.Linear stores it, (out, in)? What does the task say?",
    lambda a: {name: a[name].T for name in ALL},
)
_given(
    "uses the input projections transposed, x @ W.T",
    "In x @ W, which axis of W is summed over: the rows or the columns?",
    lambda a: {name: a[name].T for name in INPUTS},
)
_given(
    "uses W_o transposed",
    "In x @ W_o, which axis of W_o is summed over: the rows or the columns?",
    lambda a: {"W_o": a["W_o"].T},
)
_given(
    "gives every head only its own part of the token: the input is split before it is projected",
    "Does a head see the whole token? How many numbers does W_q multiply for one head?",
    lambda a: {name: _blocks(a[name], a["heads"]) for name in INPUTS},
)
_given(
    "leaves out W_o",
    "Which argument does your result not depend on? What mixes the heads?",
    lambda a: {"W_o": torch.eye(len(a["W_o"]), dtype=a["W_o"].dtype)},
)
_given(
    "mixes x_kv itself: W_v is left out",
    "Which argument does your result not depend on?",
    lambda a: {"W_v": torch.eye(len(a["W_v"]), dtype=a["W_v"].dtype)},
)
_given(
    "mixes the keys instead of the values",
    "Which vectors carry what a query wants to read?",
    lambda a: {"W_v": a["W_k"]},
)
_given(
    "projects the queries with W_k and the keys with W_q",
    "Which matrix belongs to x_q?",
    lambda a: {"W_q": a["W_k"], "W_k": a["W_q"]},
)
ASK = "Which argument does your result not depend on?"
_given("projects the keys with W_q too", ASK, lambda a: {"W_k": a["W_q"]})
_given("projects the queries with W_k too", ASK, lambda a: {"W_q": a["W_k"]})
_given("takes keys and values from x_q: attends to itself", ASK, lambda a: {"x_kv": a["x_q"]})
_given("takes the queries from x_kv", "Who asks, and how many rows must the output have?", lambda a: {"x_q": a["x_kv"]})
_given(
    "takes the queries from x_kv, and keys and values from x_q",
    "Who asks, and who is asked?",
    lambda a: {"x_q": a["x_kv"], "x_kv": a["x_q"]},
)
_given(
    "uses the mask of the first head for all heads",
    "May two heads be forbidden different keys?",
    lambda a: {"mask": a["mask"].narrow(-3, 0, 1)} if a.get("mask") is not None and a["mask"].ndim > 2 else {},
)
_given(
    "shows every query the first sequence of the batch",
    "Which sequence of the batch does x_kv[0] belong to?",
    lambda a: {"x_kv": a["x_kv"][:1].expand_as(a["x_kv"])},
)


def _mix(x_q: Array, x_kv: Array, W_q: Array, W_k: Array, W_v: Array, W_o: Array, heads: int, mask: Any = None) -> Any:
    """q, k and v out of which inputs: the mistakes below choose."""
    q, k, v = (split_heads(x @ W, heads) for x, W in zip((x_q, *x_kv), (W_q, W_k, W_v), strict=True))
    context, weights = attend(q, k, v, mask)
    return merge_heads(context) @ W_o, weights


for _what, _keys_too in (("keys", True), ("values", False)):

    @task.misconception(
        f"takes the {_what} from x_q", f"Which of the two inputs is looked through? Its rows have {_what}."
    )
    def _(x_q: Array, x_kv: Array, *others: Any, keys: bool = _keys_too) -> Any:
        return _mix(x_q, (x_q, x_kv) if keys else (x_kv, x_q), *others)


for _back in (False, True):  # merged as it stands, or with the transpose that was forgotten before

    @task.misconception(
        "compares the heads of a token with each other: the heads still stand behind the tokens",
        "Over which two axes does q @ kᵀ multiply? Which two stand last after the reshape to (B, n, heads, d/heads)?",
    )
    def _(x_q: Array, *others: Any, back: bool = _back) -> Any:
        merge = (lambda x: x.transpose(1, 2).reshape(x_q.shape)) if back else (lambda x: x.flatten(2))
        return _whole(x_q, *others, split=lambda x, heads: split_heads(x, heads).transpose(1, 2), merge=merge)


@task.misconception(
    "averages the weights over the heads, as torch's module does unless it is told not to",
    ask="Which shape is asked for: (B, n, m), or one map for each head?",
)
def _(*arguments: Any) -> Any:
    out, weights = multi_head_attention(*arguments)
    return out, weights.mean(1)


@task.misconception(
    "computes one head over all features, whatever heads is", ask="Which argument does your result not depend on?"
)
def _(x_q: Array, x_kv: Array, W_q: Array, W_k: Array, W_v: Array, W_o: Array, heads: int, mask: Array = None) -> Any:
    mask = mask if mask is None or mask.ndim < 3 else mask[..., :1, :, :]
    out, weights = multi_head_attention(x_q, x_kv, W_q, W_k, W_v, W_o, 1, mask)
    return out, weights.expand(-1, heads, -1, -1)


@task.misconception("adds x_q to the output", ask="Is the residual connection a part of attention, or of the block?")
def _(x_q: Array, *others: Any) -> Any:
    out, weights = multi_head_attention(x_q, *others)
    return out + x_q, weights


task.misconception("returns the output without the weights", "How many results does the task ask for?")(
    lambda *arguments: multi_head_attention(*arguments)[0]
)
task.misconception("returns the weights first and the output second", "In which order does the task ask for them?")(
    lambda *arguments: multi_head_attention(*arguments)[::-1]
)


@task.misconception("returns the scores instead of the weights", ask="What must the rows of the second output sum to?")
def _(*arguments: Any) -> Any:
    return multi_head_attention(*arguments)[0], _scores(*arguments)
