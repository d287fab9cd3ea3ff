"""What people make of a softmax per target: each mistake with its name, its function and the question that leads out."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch

from attn_core.graphs.edges import edge_softmax, scatter_sum
from autograder.tasks.mistakes import Array

Mistake = Callable[[Array, Array, int], Array]
ONE = "What must the weights of one target sum to?"
ALONE = "What does a softmax make of one number alone?"


def _counts(scores: Array, targets: Array, nodes: int) -> Array:
    """Per edge, how many edges its target has."""
    return scatter_sum(torch.ones_like(scores), targets, nodes)[targets]


def _in_pieces(scores: Array, targets: Array, nodes: int) -> Array:
    parts = scores.split(torch.bincount(targets, minlength=nodes).tolist())
    return torch.cat([torch.softmax(part, 0) for part in parts]) if len(scores) else scores


def _ordered_twice(scores: Array, targets: Array, nodes: int) -> Array:
    order = torch.argsort(targets, stable=True)
    return edge_softmax(scores, targets, nodes)[order][order]


def _more(scores: Array, targets: Array, nodes: int, more: float) -> Array:
    first = torch.full((nodes,), -torch.inf, dtype=scores.dtype)
    e = (scores - first.scatter_reduce(0, targets, scores.detach(), "amax")[targets]).exp()
    return e / (scatter_sum(e, targets, nodes)[targets] + more)


def _table(scores: Array, targets: Array, nodes: int) -> Array:
    table = torch.full((nodes, len(scores)), -torch.inf, dtype=scores.dtype)
    return table.index_put((targets, torch.arange(len(scores))), scores).softmax(1)


def _filled(scores: Array, targets: Array, nodes: int, fill: float) -> Array:
    table, at = torch.full((nodes, len(scores)), fill, dtype=scores.dtype), torch.arange(len(scores))
    return table.index_put((targets, at), scores).softmax(1)[targets, at]


def _hiding(scores: Array, targets: Array, nodes: int, hidden: float) -> Array:
    return (scores.exp() / scatter_sum(scores.exp(), targets, nodes)[targets]).nan_to_num(hidden)


def _without(scores: Array, targets: Array, nodes: int, left_out: int) -> Array:
    weights = edge_softmax(scores, targets, nodes)
    return torch.where(targets == left_out % nodes, torch.zeros_like(weights), weights)


def _alone(scores: Array, targets: Array, nodes: int, factor: float) -> Array:
    single = _counts(scores, targets, nodes) == 1
    return torch.where(single, factor * scores, edge_softmax(scores, targets, nodes))


PER_TARGET: list[tuple[str, Mistake, str]] = [
    (
        "cuts the edges into groups of the right sizes, without sorting them first",
        _in_pieces,
        "Which edges lead into node 0: the first ones, or those whose target is 0?",
    ),
    (
        "applies the sorting order once more instead of undoing it",
        _ordered_twice,
        "sorted = x[order]. Is sorted[order] x again? Which index is the inverse of order?",
    ),
    (
        "divides the weights by the number of edges as well",
        lambda s, t, n: edge_softmax(s, t, n) / _counts(s, t, n),
        ONE,
    ),
    (
        "applies a sigmoid to each score",
        lambda s, _t, _n: torch.sigmoid(s),
        "Do the edges of one target compete in your function?",
    ),
    ("adds 1 to the sum, so that a target may attend to nothing", partial(_more, more=1.0), ONE),
    *(
        (
            "adds a constant to the sum",
            partial(_more, more=more),
            "Can the sum be 0 when the largest exponent of each target is 0? What is the constant for?",
        )
        for more in (1e-3, 1e-4, 1e-5, 1e-6, 1e-8)
    ),
    ("takes the logarithm of the weights", lambda s, t, n: edge_softmax(s, t, n).log(), ONE),
    ("returns a table of all targets and edges", _table, "What is the shape of the result: (E,) or (V, E)?"),
    *(
        (
            "gives pairs that are no edge a large negative score instead of −∞",
            partial(_filled, fill=fill),
            "What if a score that counts lies below the number that you took for none?",
        )
        for fill in (-9e15, -1e12, -1e10, -1e9, -1e6, -1e5, -1e4, -1e3, -100.0)
    ),
    *(
        (
            "exponentiates without subtracting the maximum, and writes a number over the NaN that comes out",
            partial(_hiding, hidden=hidden),
            "What is exp(1000)? Is the weight that belongs there the number that you write?",
        )
        for hidden in (0.0, 1.0)
    ),
    ("leaves the last node out", partial(_without, left_out=-1), "What is the last number of range(nodes - 1)?"),
    ("leaves node 0 out", partial(_without, left_out=0), "What is the first number of range(1, nodes)?"),
    ("keeps the score where a target has a single edge", partial(_alone, factor=1.0), ALONE),
    ("gives weight 0 where a target has a single edge", partial(_alone, factor=0.0), ALONE),
]
