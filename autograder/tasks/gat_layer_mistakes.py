"""A graph attention layer whose steps can be exchanged, and what people put in their place."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it

from attn_core.graphs.edges import edge_softmax, scatter_sum, with_self_loops
from autograder.tasks.mistakes import Array


def parts(h: Array, W: Array, a: Array, edges: Array, heads: int, slope: float) -> tuple[Array, Array]:
    """Values (V, heads, F') and the scores (E, heads) of the edges as they are given."""
    Wh = (h @ W.T).reshape(len(h), heads, -1)
    size = Wh.shape[-1]
    u, w = (Wh * a[:, :size]).sum(-1), (Wh * a[:, size:]).sum(-1)
    return Wh, F.leaky_relu(u[edges[1]] + w[edges[0]], slope)


def mix(values: Array, weights: Array, edges: Array) -> Array:
    """Σ weights · values into each target, (V, heads, F')."""
    return scatter_sum(values[edges[0]] * weights[..., None], edges[1], len(values))


def join(mixed: Array, concat: bool) -> Array:
    """(V, heads, F') -> the heads side by side, or their mean."""
    return mixed.flatten(1) if concat else mixed.mean(1)


def layer(
    h: Array,
    W: Array,
    a: Array,
    edges: Array,
    heads: int,
    concat: bool = True,
    slope: float = 0.2,
    loops: Any = with_self_loops,
    weigh: Any = edge_softmax,
    group: int = 1,
    into: int = 1,
) -> Array:
    """The layer with one step replaced: what is done to the edges, the softmax, by which end it groups, where it sums."""
    edges = loops(edges, len(h))
    values, scores = parts(h, W, a, edges, heads, slope)
    weights = weigh(scores, edges[group], len(h))
    return join(mix(values, weights, edges if into else edges.flip(0)), concat)


def _before_a(h: Array, W: Array, a: Array, edges: Array, heads: int, concat: bool = True, slope: float = 0.2) -> Array:
    loops = with_self_loops(edges, len(h))
    Wh = (h @ W.T).reshape(len(h), heads, -1)
    pair = torch.cat([Wh[loops[1]], Wh[loops[0]]], dim=-1)
    weights = edge_softmax((F.leaky_relu(pair, slope) * a).sum(-1), loops[1], len(h))
    return join(mix(Wh, weights, loops), concat)


def _halves_apart(
    h: Array, W: Array, a: Array, edges: Array, heads: int, concat: bool = True, slope: float = 0.2
) -> Array:
    loops = with_self_loops(edges, len(h))
    Wh = (h @ W.T).reshape(len(h), heads, -1)
    target, source = (F.leaky_relu((Wh * half).sum(-1), slope) for half in a.chunk(2, dim=1))
    return join(mix(Wh, edge_softmax(target[loops[1]] + source[loops[0]], loops[1], len(h)), loops), concat)


def _itself_apart(
    h: Array, W: Array, a: Array, edges: Array, heads: int, concat: bool = True, slope: float = 0.2
) -> Array:
    others = edges[:, edges[0] != edges[1]]
    Wh, scores = parts(h, W, a, others, heads, slope)
    return join(Wh + mix(Wh, edge_softmax(scores, others[1], len(h)), others), concat)


def _over_written(
    h: Array, W: Array, a: Array, edges: Array, heads: int, concat: bool = True, slope: float = 0.2
) -> Array:
    loops = with_self_loops(edges, len(h))
    Wh, scores = parts(h, W, a, loops, heads, slope)
    table = torch.zeros(len(h), len(h), heads, dtype=h.dtype)
    table[loops[1], loops[0]] = edge_softmax(scores, loops[1], len(h))
    return join(torch.einsum("ijk,jkf->ikf", table, Wh), concat)


def _heads_first(
    h: Array, W: Array, a: Array, edges: Array, heads: int, concat: bool = True, slope: float = 0.2
) -> Array:
    loops = with_self_loops(edges, len(h))
    Wh = (h @ W.T).reshape(heads, len(h), -1).transpose(0, 1)
    target, source = ((Wh * half).sum(-1) for half in a.chunk(2, dim=1))
    scores = F.leaky_relu(target[loops[1]] + source[loops[0]], slope)
    return join(mix(Wh, edge_softmax(scores, loops[1], len(h)), loops), concat)


def _nodes_and_heads(given: tuple[Any, ...]) -> tuple[Array, bool]:
    """The right result with an axis for the heads, and whether they are to be joined."""
    h, W, a, edges, heads = given[:5]
    concat, slope = given[5] if len(given) > 5 else True, given[6] if len(given) > 6 else 0.2
    return layer(h, W, a, edges, heads, True, slope).reshape(len(h), heads, -1), concat


def _first_head(*given: Any) -> Array:
    out, concat = _nodes_and_heads(given)
    return out.flatten(1) if concat else out[:, 0]


def _last_head_first(*given: Any) -> Array:
    out, concat = _nodes_and_heads(given)
    return join(out.flip(1), concat)


def _rows_of_heads(*given: Any) -> Array:
    out, concat = _nodes_and_heads(given)
    return out.transpose(0, 1).reshape(len(out), -1) if concat else out.mean(1)


def _halves_then_heads(h: Array, W: Array, a: Array, edges: Array, heads: int, *rest: Any) -> Array:
    return layer(h, W, torch.cat(tuple(a.reshape(2, heads, -1)), dim=1), edges, heads, *rest)


def _residual(h: Array, *rest: Any) -> Array:
    """h itself where its width allows it, W h otherwise."""
    out, (concat,) = layer(h, *rest), [_nodes_and_heads((h, *rest))[1]]
    return out + (h if out.shape == h.shape else join((h @ rest[0].T).reshape(len(h), rest[3], -1), concat))


def _not_concatenated(
    h: Array, W: Array, a: Array, edges: Array, heads: int, concat: bool = False, slope: float = 0.2
) -> Array:
    return layer(h, W, a, edges, heads, concat, slope)


def _other_slope(
    h: Array, W: Array, a: Array, edges: Array, heads: int, concat: bool = True, slope: float = 0.01
) -> Array:
    return layer(h, W, a, edges, heads, concat, slope)


def _as_given(change: Callable[[Array], Array]) -> Callable[..., Array]:
    """The layer on edges that are changed first."""
    return lambda h, W, a, edges, *rest: layer(h, W, a, change(edges), *rest)


def _by_number(scores: Array, targets: Array, nodes: int) -> Array:
    return edge_softmax(scores, targets, nodes) / torch.bincount(targets, minlength=nodes)[targets, None]


def _shared_by_heads(scores: Array, targets: Array, nodes: int) -> Array:
    return edge_softmax(scores.mean(1, keepdim=True), targets, nodes).expand_as(scores)


WHICH = "Which argument does your result not depend on?"
BESIDE = "Which entries of a row of the output belong to head 0? Does reshape move an axis?"
LAYERS: list[tuple[str, Callable[..., Array], str]] = [
    (
        "applies LeakyReLU before a",
        _before_a,
        "In GAT's formula, is LeakyReLU taken of a vector per edge, or of one number per edge?",
    ),
    (
        "applies LeakyReLU to the two halves on their own",
        _halves_apart,
        "Is LeakyReLU(x + y) the same as LeakyReLU(x) + LeakyReLU(y)?",
    ),
    (
        "adds the node itself outside of the softmax",
        _itself_apart,
        "With a self-loop a node is one neighbour among others. What do all its weights sum to?",
    ),
    (
        "writes the weights into a table of pairs, where a repeated edge overwrites itself",
        _over_written,
        "How often does an edge count that is given twice?",
    ),
    (
        "reshapes W h to (heads, V, F'), which mixes the nodes up",
        _heads_first,
        "h @ W.T is (V, heads·F'). Does reshape move an axis, or only cut the row of numbers anew?",
    ),
    ("joins the heads as rows, which mixes the nodes up", _rows_of_heads, BESIDE),
    ("puts the last head first", _last_head_first, BESIDE),
    ("returns the first head where the mean is asked for", _first_head, "How many heads does concat=False average?"),
    (
        "always averages the heads",
        lambda h, W, a, edges, heads, _concat=True, slope=0.2: layer(h, W, a, edges, heads, False, slope),
        WHICH,
    ),
    ("averages the heads unless it is told otherwise", _not_concatenated, "What is the default of concat?"),
    ("has 0.01 as its default slope", _other_slope, "Which slope does the layer have when none is given?"),
    (
        "cuts a into halves first and into heads then",
        _halves_then_heads,
        "a is (heads, 2F'), row k of head k. Which axis is cut into halves?",
    ),
    (
        "gives the heads of a to W in reverse",
        lambda h, W, a, *rest: layer(h, W, a.flip(0), *rest),
        "Which row of a belongs to the first F' rows of W?",
    ),
    (
        "averages the scores over the heads",
        partial(layer, weigh=_shared_by_heads),
        "May two heads read different neighbours?",
    ),
    (
        "divides by the number of neighbours as well",
        partial(layer, weigh=_by_number),
        "What must the weights of one target sum to?",
    ),
    ("adds the input h as a residual", _residual, "How does a node's own message reach it in the formula?"),
    (
        "reads edges as a list of pairs, (E, 2)",
        _as_given(lambda edges: edges.reshape(-1, 2).T),
        "Which shape has edges: (2, E), or (E, 2)? Does reshape exchange two axes?",
    ),
    (
        "counts an edge once that is given twice in a row",
        _as_given(lambda edges: torch.unique_consecutive(edges, dim=1) if edges.numel() else edges),
        "Two messages from j to i: how many terms do they have in the sum?",
    ),
    (
        "takes each edge once, as it is given, and adds no self-loops",
        partial(layer, loops=lambda edges, _nodes: torch.unique(edges, dim=1)),
        "Does a node read itself? How often does an edge count that is given twice?",
    ),
    (
        "reshapes W instead of transposing it",
        lambda h, W, *rest: layer(h, W.reshape(W.shape[::-1]).T, *rest),
        "Where does the entry (0, 1) of a matrix go when it is transposed, and where when it is reshaped?",
    ),
]
