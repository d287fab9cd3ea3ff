"""What people do to edges and to the softmax over them: each mistake with its function and the question that leads out."""

from __future__ import annotations

from typing import Any

import torch

from attn_core.graphs.edges import edge_softmax, scatter_sum, with_self_loops
from autograder.tasks.mistakes import Array


def _given_and_added(edges: Array, nodes: int) -> Array:
    return torch.cat([edges, torch.arange(nodes).repeat(2, 1)], dim=1)


def _only_missing(edges: Array, nodes: int) -> Array:
    missing = [i for i in range(nodes) if not ((edges[0] == i) & (edges[1] == i)).any()]
    return torch.cat([edges, torch.tensor([missing, missing], dtype=torch.int64)], dim=1)


def _both_ways(edges: Array, nodes: int) -> Array:
    kept = edges[:, edges[0] != edges[1]]
    return with_self_loops(torch.cat([kept, kept.flip(0)], dim=1), nodes)


EDGES: dict[str, tuple[Any, str]] = {
    "keeps the given self-loops and adds one per node": (
        _given_and_added,
        "How often does a node read itself whose self-loop was given?",
    ),
    "keeps all given self-loops and adds only the missing ones": (
        _only_missing,
        "How often does a node read itself whose self-loop was given twice?",
    ),
    "adds no self-loops": (
        lambda e, _: e[:, e[0] != e[1]],
        "Does a node read itself? What does a node get that has no edge?",
    ),
    "takes the edges as they are": (lambda e, _: e, "Does a node read itself? What does a node get that has no edge?"),
    "counts a repeated edge once": (
        lambda e, n: with_self_loops(torch.unique(e, dim=1), n),
        "Two messages from j to i: how many terms do they have in the sum?",
    ),
    "lets messages run both ways": (_both_ways, "An edge j → i: may j read i as well?"),
}


def _naive(scores: Array, targets: Array, nodes: int) -> Array:
    return scores.exp() / scatter_sum(scores.exp(), targets, nodes)[targets]


def _one_peak(scores: Array, targets: Array, nodes: int) -> Array:
    e = (scores - scores.detach().amax(0)).exp()
    return e / scatter_sum(e, targets, nodes)[targets]


def _one_peak_guarded(scores: Array, targets: Array, nodes: int) -> Array:
    e = (scores - scores.detach().amax(0)).exp()
    return e / (scatter_sum(e, targets, nodes)[targets] + 1e-16)


def _equal(scores: Array, targets: Array, nodes: int) -> Array:
    ones = torch.ones_like(scores)
    return ones / scatter_sum(ones, targets, nodes)[targets]


SOFTMAX: dict[str, tuple[Any, str]] = {
    "takes one softmax over all edges": (lambda s, _t, _n: torch.softmax(s, 0), "What must the weights of each target sum to?"),
    "normalises over the heads": (lambda s, _t, _n: torch.softmax(s, 1), "Among what does a target share its attention: heads or neighbours?"),
    "exponentiates without subtracting the maximum": (_naive, "What is exp(1000) in float64, and what is inf / inf?"),
    "subtracts one maximum from all edges, so that targets far below it get 0/0": (_one_peak, "A target whose best score lies 2000 below the best of all: what is its sum of exponentials?"),
    "subtracts one maximum from all edges and guards the division: targets far below it get zeros": (_one_peak_guarded, "A target whose best score lies 2000 below the best of all: what is its sum of exponentials?"),
    "gives all neighbours the same weight": (_equal, "Which argument does your result not depend on?"),
    "uses the scores as weights, without a softmax": (lambda s, _t, _n: s, "What must the weights of one target sum to?"),
    "does not divide by the sum": (lambda s, _t, _n: s.exp(), "What must the weights of one target sum to?"),
    "averages the weights over the heads before they mix": (lambda s, t, n: edge_softmax(s, t, n).mean(1, keepdim=True).expand_as(s), "May two heads read different neighbours?"),
    "detaches the weights": (lambda s, t, n: edge_softmax(s, t, n).detach(), "What can a learn then?"),
}  # fmt: skip
