"""What people do to the edges they score and to the scores they get: mistakes of GAT's and of GATv2's score alike.

Each takes the right function first, then what the task hands over.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from attn_core.graphs.edges import edge_softmax, with_self_loops
from autograder.tasks.mistakes import Array

Score = Callable[..., Array]
GIVEN = "How many scores are asked for, one per given edge, and in which order?"
WEIGHTS = "Does the task ask for scores or for weights?"
OWN = "Score the edges as they are given: what is special about a self-loop here?"


def _changed(score: Score, change: Callable[[Array, Array], Array]) -> Score:
    """The scores, changed with a look at the edges."""
    return lambda h, W, a, edges, *rest: change(score(h, W, a, edges, *rest), edges)


def _added(scores: Array, edges: Array) -> Array:
    """Edges that are given several times get the sum of their scores, as from a table that is added into."""
    same = (edges[:, :, None] == edges[:, None, :]).all(0)
    return same.to(scores.dtype) @ scores


def _first(scores: Array, edges: Array) -> Array:
    """One score per different edge, in the order in which they come."""
    same = (edges[:, :, None] == edges[:, None, :]).all(0)
    return scores[~same.tril(-1).any(1)]


def _folded(score: Score) -> Score:
    """W read column by column: what W.reshape(W.shape[::-1]) does where W.T is meant."""
    return lambda h, W, a, edges, *rest: score(h, W.reshape(W.shape[::-1]).T, a, edges, *rest)


def _of_edges(score: Score, change: Callable[[Array, int], Array]) -> Score:
    """The scores of other edges, made from the given ones and the number of nodes."""
    return lambda h, W, a, edges, *rest: score(h, W, a, change(edges, len(h)), *rest)


def score_mistakes(score: Score) -> dict[str, tuple[Score, str]]:
    """Name, function and question of each."""
    turned = "Where does the entry (0, 1) of a matrix go when it is transposed, and where when it is reshaped?"
    return {
        "reads the target's features at both ends": (
            _of_edges(score, lambda edges, _: edges[[1, 1]]),
            "Which row of edges does your result not depend on?",
        ),
        "reads the source's features at both ends": (
            _of_edges(score, lambda edges, _: edges[[0, 0]]),
            "Which row of edges does your result not depend on?",
        ),
        "applies a softmax, which is the next step": (
            lambda h, W, a, edges, *rest: edge_softmax(score(h, W, a, edges, *rest), edges[1], len(h)),
            WEIGHTS,
        ),
        "applies one softmax over all edges": (
            _changed(score, lambda s, _: s.softmax(0)),
            WEIGHTS,
        ),
        "takes the exponential, which is the next step": (
            _changed(score, lambda s, _: s.exp()),
            WEIGHTS,
        ),
        "gives self-loops the score 0": (_changed(score, lambda s, e: torch.where(e[0] == e[1], 0.0, s)), OWN),
        "gives self-loops the score −∞": (_changed(score, lambda s, e: s.masked_fill(e[0] == e[1], -torch.inf)), OWN),
        "returns the scores sorted by target": (
            _changed(score, lambda s, e: s[e[1].argsort(stable=True)]),
            "Which edge does the first of your scores belong to?",
        ),
        "returns the scores sorted by source": (
            _changed(score, lambda s, e: s[e[0].argsort(stable=True)]),
            "Which edge does the first of your scores belong to?",
        ),
        "returns the scores in increasing order": (
            _changed(score, lambda s, _: s.sort().values),
            "Which edge does the first of your scores belong to?",
        ),
        "returns the scores in the reverse order": (
            _changed(score, lambda s, _: s.flip(0)),
            "Which edge does the first of your scores belong to?",
        ),
        "adds up the scores of an edge that is given several times": (
            _changed(score, _added),
            "Do two equal edges have one score twice, or twice the score?",
        ),
        "scores a repeated edge once": (_changed(score, _first), GIVEN),
        "returns the edges sorted, each once": (
            _of_edges(score, lambda edges, _: torch.unique(edges, dim=1)),
            "Does a caller still know then which score belongs to which edge?",
        ),
        "adds a self-loop per node, which the layer does": (
            _of_edges(score, with_self_loops),
            "How many scores are asked for: E, or E + V?",
        ),
        "drops the self-loops, which the layer does": (
            _of_edges(score, lambda edges, _: edges[:, edges[0] != edges[1]]),
            GIVEN,
        ),
        "keeps the given self-loops and adds one per node": (
            _of_edges(score, lambda edges, nodes: torch.cat([edges, torch.arange(nodes).repeat(2, 1)], dim=1)),
            GIVEN,
        ),
        "keeps an axis of size 1 at the end": (
            _changed(score, lambda s, _: s[:, None]),
            "What is the shape of a product with a, and what with a as a column?",
        ),
        "reads edges as a list of pairs, (E, 2)": (
            _of_edges(score, lambda edges, _: edges.reshape(-1, 2).T),
            "Which shape has edges: (2, E), or (E, 2)? Does reshape exchange two axes?",
        ),
        "reshapes W instead of transposing it": (_folded(score), turned),
    }
