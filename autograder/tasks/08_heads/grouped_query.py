"""heads.grouped_query: Query heads in groups that share keys and values."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from attn_core.grouped_query import grouped_query_attention
from autograder.checking.draw import Axis, Draw
from autograder.checking.task import Task
from autograder.tasks.attends import Core, attend, core_mistakes, depths, scaled
from autograder.tasks.head_masks import broadcast_masks
from autograder.tasks.mistakes import Array


def _scores(q: Array, k: Array, *_others: Any) -> Array:
    """What the softmax is taken of, before the mask."""
    return q @ _shared(k, q.shape[1]).mT / math.sqrt(q.shape[-1])


def _shared(x: Array, H_q: int) -> Array:
    """Every key-value head as often as it has query heads, one next to the other; the error that all get right."""
    if H_q % x.shape[1]:
        raise ValueError(f"{H_q} query heads cannot share {x.shape[1]} key-value heads")
    return x.repeat_interleave(H_q // x.shape[1], dim=1)


task = Task(
    "heads.grouped_query",
    reference=grouped_query_attention,
    kind="torch",
    lecture="08_heads#sharing-keys-and-values",
    scores=_scores,
    hints=(
        "Once every query head has its own copy of the right key-value head, it is the attention that you know. So which one is the right one?",
        "With 6 query heads and 3 key-value heads the copies must be 0, 0, 1, 1, 2, 2. Of `repeat` and `repeat_interleave`, one gives 0, 1, 2, 0, 1, 2.",
        "k.repeat_interleave(H_q // H_kv, dim=1), v alike, then scores / √d, mask, softmax, nan_to_num, times v. Before it: "
        "`if H_q % H_kv: raise ValueError(...)` with the word heads in the message.",
    ),
)


def _arguments(draw: Draw, H_kv: int | None = None, group: int | None = None) -> tuple[Array, ...]:
    """q, k and v: normal scores, values whose mean is not zero."""
    draw.size("B", 1, 3)
    H_kv = draw.size("H_kv", 1, 4) if H_kv is None else H_kv
    group = draw.size("H_q/H_kv", 1, 4) if group is None else group
    draw.size("d", 1, 12)
    q, k = draw.array("B", H_kv * group, "n", "d", mean=0.2), draw.array("B", H_kv, "m", "d", mean=0.2)
    return q, k, draw.array("B", H_kv, "m", "d", mean=1.0, fixed=True)


def _masked(draw: Draw, *axes: Axis, keep: float = 0.6, empty_rows: bool = False) -> tuple[Array, ...]:
    """The same with a mask of these axes, and several groups and keys, so that it matters."""
    for letter, high in (("B", 3), ("H_kv", 3), ("H_q/H_kv", 3), ("n", 5), ("m", 6)):
        draw.size(letter, 2, high)
    arguments = _arguments(draw)
    sized = (arguments[0].shape[1] if axis == "H_q" else axis for axis in axes)
    return *arguments, draw.mask(*sized, keep=keep, empty_rows=empty_rows)


@task.inputs
def _(draw: Draw) -> tuple[Array, ...]:
    arguments = _arguments(draw)
    return (*arguments, draw.mask("B", arguments[0].shape[1], "n", "m")) if draw.flag(0.4) else arguments


@task.special("without a mask")
def _(draw: Draw) -> tuple[Array, ...]:
    return _arguments(draw)


@task.special("as many queries as keys, without a mask", share=0.2)
def _(draw: Draw) -> tuple[Array, ...]:
    draw.sizes["m"] = draw.size("n", 2, 5)
    return _arguments(draw)


@task.special("one key-value head: multi-query attention", share=0.2)
def _(draw: Draw) -> tuple[Array, ...]:
    return _arguments(draw, H_kv=1, group=draw.size("H_q/H_kv", 2, 5))


@task.special("as many key-value heads as query heads: multi-head attention", share=0.2)
def _(draw: Draw) -> tuple[Array, ...]:
    return _arguments(draw, H_kv=draw.size("H_kv", 2, 5), group=1)


@task.special("as many groups as heads in a group", share=0.2)
def _(draw: Draw) -> tuple[Array, ...]:
    size = draw.sizes["H_q/H_kv"] = draw.size("H_kv", 2, 3)
    return _arguments(draw, size, size)


broadcast_masks(task, _masked, "H_q", "query head")


@task.special("as many sequences as query heads, and a mask (H_q, n, m)", share=0.1)
def _(draw: Draw) -> tuple[Array, ...]:
    H_kv, group = draw.choice([(1, 2), (2, 1), (1, 3)])
    draw.sizes |= {"H_kv": H_kv, "H_q/H_kv": group, "B": H_kv * group}
    return _masked(draw, "H_q", "n", "m")


@task.special("queries that may attend to nothing", share=0.2)
def _(draw: Draw) -> tuple[Array, ...]:
    return _masked(draw, "B", "H_q", "n", "m", empty_rows=True)


@task.special("large scores with a mask", share=0.2)
def _(draw: Draw) -> tuple[Array, ...]:
    q, k, v, mask = _masked(draw, "B", "H_q", "n", "m", keep=0.4)
    depth, mask = depths(draw, _scores(q, k), mask)
    return q * depth[..., None], k, v, mask


def _of_heads(draw: Draw, H_q: int, H_kv: int) -> tuple[Array, ...]:
    return draw.array(2, H_q, 3, 4), *(draw.array(2, H_kv, 5, 4) for _ in range(2))


@task.error("5 query heads for 2 key-value heads", ValueError, naming="heads")
def _(draw: Draw) -> tuple[Array, ...]:
    return _of_heads(draw, 5, 2)


@task.error("6 query heads for 4 key-value heads", ValueError, naming="heads")
def _(draw: Draw) -> tuple[Array, ...]:
    return _of_heads(draw, 6, 4)


@task.error("2 query heads for 4 key-value heads", ValueError, naming="heads")
def _(draw: Draw) -> tuple[Array, ...]:
    return _of_heads(draw, 2, 4)


@task.error("1 query head for 3 key-value heads", ValueError, naming="heads")
def _(draw: Draw) -> tuple[Array, ...]:
    return _of_heads(draw, 1, 3)


@task.property("another value in the last key-value head changes its own group of query heads, and no other")
def _(call: Any, inputs: tuple[Array, ...], output: Array) -> str | None:
    q, k, v, *mask = inputs
    other = v.clone()
    other[:, -1] += 1
    group = q.shape[1] // v.shape[1]
    moved = (call(q, k, other, *mask) - output).abs()[:, :-group].amax() if group < q.shape[1] else 0.0
    return None if moved <= 1e-3 else f"here a query head of another group moves by {float(moved):.3g}."


Share = Callable[[Array, int], Array]


def _whole(
    q: Array,
    k: Array,
    v: Array,
    mask: Array = None,
    *,
    keys: Share = _shared,
    values: Share = _shared,
    core: Core = attend,
) -> Array:
    """The whole mechanism with a part exchanged: what most mistakes are."""
    return core(q, keys(k, q.shape[1]), values(v, q.shape[1]), mask)[0]


def _part(name: str, ask: str, **parts: Any) -> None:
    """A mistake that is the whole mechanism with parts exchanged."""
    task.misconception(name, ask)(partial(_whole, **parts))


def _tiled(x: Array, H_q: int) -> Array:
    _shared(x, H_q)
    return x.repeat(1, H_q // x.shape[1], 1, 1)


def _averaged(x: Array, H_q: int) -> Array:
    _shared(x, H_q)
    return x.mean(1, keepdim=True).expand(-1, H_q, -1, -1)


def _added(x: Array, H_q: int) -> Array:
    return _averaged(x, H_q) * x.shape[1]


def _first(x: Array, H_q: int) -> Array:
    _shared(x, H_q)
    return x[:, :1].expand(-1, H_q, -1, -1)


def _last(x: Array, H_q: int) -> Array:
    _shared(x, H_q)
    return x[:, -1:].expand(-1, H_q, -1, -1)


def _reversed(x: Array, H_q: int) -> Array:
    return _shared(x, H_q).flip(1)


def _by_group(x: Array, H_q: int) -> Array:
    """Head i % group, where that exists."""
    return x[:, torch.arange(H_q) % (_shared(x, H_q).shape[1] // x.shape[1])]


def _clamped(x: Array, H_q: int) -> Array:
    _shared(x, H_q)
    return x[:, torch.arange(H_q).clamp(max=x.shape[1] - 1)]


TILED = "gives query head i the key-value head i % H_kv: repeats where it should repeat each"
TILED_ASK = "With 4 query heads and 2 key-value heads: are the groups 0, 1 and 2, 3, or 0, 2 and 1, 3?"
_part(TILED, TILED_ASK, keys=_tiled, values=_tiled)
_part("deals the keys out in turn, but not the values", TILED_ASK, keys=_tiled)
_part("deals the values out in turn, but not the keys", TILED_ASK, values=_tiled)
_part(
    "averages the key-value heads into one",
    "Is there one key-value head for all, or one for each group?",
    keys=_averaged,
    values=_averaged,
)
_part(
    "adds the key-value heads up into one",
    "Is there one key-value head for all, or one for each group?",
    keys=_added,
    values=_added,
)
_part(
    "gives every query head the first key-value head",
    "What are the other key-value heads for?",
    keys=_first,
    values=_first,
)
_part("gives every query head the last key-value head", "Which group is served by it?", keys=_last, values=_last)
_part(
    "numbers the groups from the end",
    "Which key-value head does query head 0 read?",
    keys=_reversed,
    values=_reversed,
)
_part(
    "gives query head i the key-value head i % (H_q/H_kv)",
    "Is i modulo the size of a group the number of the group, or the place in it?",
    keys=_by_group,
    values=_by_group,
)
_part(
    "gives query head i the key-value head i, and the last one to all that are left",
    "How many query heads does each key-value head serve?",
    keys=_clamped,
    values=_clamped,
)
_part(
    "scales by √(H_q · d), as if all heads were one",
    "Over how many features does the dot product of one head sum?",
    core=scaled(lambda q, _: math.sqrt(q.shape[-1] * q.shape[1])),
)
_part(
    "scales by √(d/H_q): the heads have been split already",
    "Is d the width of all heads together, or that of one?",
    core=scaled(lambda q, _: math.sqrt(q.shape[-1] / q.shape[1])),
)
_part("leaves out the scale", "What is the variance of a sum of d products?", core=scaled(lambda *_: 1.0))
_part(
    "divides by d instead of its square root",
    "Is d the variance of the sum, or its standard deviation?",
    core=scaled(lambda q, _: float(q.shape[-1])),
)
_part(
    "takes the scale from the number of keys",
    "Does one dot product know how many keys there are?",
    core=scaled(lambda _, k: math.sqrt(k.shape[-2])),
)
for _name, _ask, _core in core_mistakes():
    _part(_name, _ask, core=_core)


@task.misconception("mixes the keys instead of the values", ask="Which vectors carry what a query wants to read?")
def _(q: Array, k: Array, _v: Array, mask: Array = None) -> Array:
    return grouped_query_attention(q, k, k, mask)


@task.misconception(
    "averages the query heads of a group, so that only H_kv heads come out",
    ask="What is shared in a group: the keys and values, or the queries as well?",
)
def _(q: Array, k: Array, v: Array, mask: Array = None) -> Array:
    _shared(k, q.shape[1])
    mask = mask if mask is None or mask.ndim < 3 else mask[..., :: q.shape[1] // k.shape[1], :, :]
    return attend(q.unflatten(1, (k.shape[1], -1)).mean(2), k, v, mask)[0]


@task.misconception(
    "averages the outputs of a group, so that only H_kv heads come out",
    ask="What is shared in a group: the keys and values, or the result as well?",
)
def _(q: Array, k: Array, v: Array, mask: Array = None) -> Array:
    return grouped_query_attention(q, k, v, mask).unflatten(1, (k.shape[1], -1)).mean(2)


@task.misconception(
    "uses the mask of a group's first head for the whole group",
    ask="The keys are shared in a group. Is the mask?",
)
def _(q: Array, k: Array, v: Array, mask: Array = None) -> Array:
    if mask is not None and mask.ndim > 2 and mask.shape[-3] > 1:
        group = q.shape[1] // k.shape[1]
        mask = mask[..., ::group, :, :].repeat_interleave(group, dim=-3)
    return grouped_query_attention(q, k, v, mask)


@task.misconception(
    "orders the mask as if query head i belonged to key-value head i % H_kv",
    ask="After which reshape do the mask's heads stand in the same order as those of q?",
)
def _(q: Array, k: Array, v: Array, mask: Array = None) -> Array:
    if mask is not None and mask.ndim > 2 and mask.shape[-3] > 1:
        mask = mask.unflatten(-3, (-1, k.shape[1])).transpose(-3, -4).flatten(-4, -3)
    return grouped_query_attention(q, k, v, mask)


@task.misconception(
    "returns the query heads in another order: place by place instead of group by group",
    ask="In which order does flattening (B, H_kv, H_q/H_kv, …) number the heads?",
)
def _(q: Array, k: Array, v: Array, mask: Array = None) -> Array:
    return grouped_query_attention(q, k, v, mask).unflatten(1, (k.shape[1], -1)).transpose(1, 2).flatten(1, 2)


@task.misconception("puts the tokens before the heads: (B, n, H_q, d)", ask="Which axis comes second in the result?")
def _(*arguments: Any) -> Array:
    return grouped_query_attention(*arguments).transpose(1, 2)


@task.misconception("merges the heads: (B, n, H_q · d)", ask="How many axes has the result that the task asks for?")
def _(*arguments: Any) -> Array:
    return grouped_query_attention(*arguments).transpose(1, 2).flatten(2)


@task.misconception("returns the weights as well", ask="How many results does the task ask for?")
def _(q: Array, k: Array, v: Array, mask: Array = None) -> Any:
    return attend(q, _shared(k, q.shape[1]), _shared(v, q.shape[1]), mask)


@task.misconception(
    "works only where nothing is shared: as many key-value heads as query heads, or one",
    ask="What does broadcasting do with 6 and 3?",
)
def _(q: Array, k: Array, v: Array, mask: Array = None) -> Array:
    return attend(q, k, v, mask)[0]


@task.misconception(
    "leaves the groups as an axis of their own: (B, H_kv, H_q/H_kv, n, d)",
    ask="How many axes has the result that the task asks for?",
)
def _(q: Array, k: Array, v: Array, mask: Array = None) -> Array:
    return grouped_query_attention(q, k, v, mask).unflatten(1, (k.shape[1], -1))
