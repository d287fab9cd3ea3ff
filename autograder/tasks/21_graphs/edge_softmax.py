"""graphs.edge_softmax: Each target shares its attention among the edges that lead into it."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch

from attn_core.graphs.edges import edge_softmax
from autograder.checking.draw import Draw
from autograder.checking.task import Task
from autograder.tasks.edge_softmax_mistakes import PER_TARGET
from autograder.tasks.mistakes import Array

task = Task(
    "graphs.edge_softmax",
    reference=edge_softmax,
    kind="torch",
    lecture="21_graphs#a-softmax-over-edges",
    scores=lambda scores, _targets, _nodes: scores,
    hints=(
        "It is an ordinary softmax, except that max and sum run over a group of edges: those with the same target. Every edge must then find its group's sum again.",
        "Sums per node: add exp into a tensor of zeros at the places `targets`; look them up again with [targets]. What must be subtracted before exp, so that no group "
        "overflows and none vanishes? One maximum for all is not enough.",
        "peak = torch.full((nodes,), -torch.inf, dtype=scores.dtype).scatter_reduce(0, targets, scores.detach(), 'amax'); e = (scores - peak[targets]).exp(); "
        "e / torch.zeros(nodes, dtype=e.dtype).index_add(0, targets, e)[targets].",
    ),
)


@task.inputs
def _(draw: Draw) -> tuple[Array, ...]:
    E = draw.size("E", 1, 16)
    nodes = draw.size("V")
    return draw.array(E, mean=0.5), draw.integers(E, low=0, high=nodes - 1), nodes


@task.special("no edges", share=0.25)
def _(draw: Draw) -> tuple[Array, ...]:
    return draw.array(0), torch.zeros(0, dtype=torch.int64), draw.size("V")


@task.special("all edges lead into one node", share=0.25)
def _(draw: Draw) -> tuple[Array, ...]:
    E, nodes = draw.size("E", 2, 16), draw.size("V", 2, 6)
    return draw.array(E), torch.full((E,), int(draw.rng.integers(nodes))), nodes


@task.special("every edge has a target of its own", share=0.25)
def _(draw: Draw) -> tuple[Array, ...]:
    nodes = draw.size("V", 2, 6)
    return draw.array("V", scale=3.0), torch.from_numpy(draw.rng.permutation(nodes)), nodes


@task.special("nodes at both ends of the numbering have no edge", share=0.25)
def _(draw: Draw) -> tuple[Array, ...]:
    E, nodes = draw.size("E", 3, 16), draw.size("V", 5, 9)
    return draw.array(E), draw.integers(E, low=2, high=nodes - 3), nodes


@task.special("targets far apart: one has scores in the thousands, another far below zero", share=0.5)
def _(draw: Draw) -> tuple[Array, ...]:
    E, nodes = draw.size("E", 6, 16), draw.size("V", 2, 5)
    targets = draw.rng.permutation(np.arange(E) % nodes)
    level = draw.rng.permutation(np.linspace(-4e3, 4e3, nodes))
    return draw.give(draw.rng.normal(size=E) + level[targets], rounded=False), torch.from_numpy(targets), nodes


@task.special("a target whose only edge has the score −1e20", share=0.25)
def _(draw: Draw) -> tuple[Array, ...]:
    E, nodes = draw.size("E", 5, 12), draw.size("V", 3, 5)
    targets = np.append(draw.rng.integers(1, nodes, E - 1), 0)
    scores = np.append(draw.rng.normal(size=E - 1), -1e20)
    order = draw.rng.permutation(E)
    return draw.give(scores[order], rounded=False), torch.from_numpy(targets[order]), nodes


@task.special("all scores far below zero", share=0.5)
def _(draw: Draw) -> tuple[Array, ...]:
    scores, targets, nodes = task.draw_inputs(draw)
    return scores - 2e3, targets, nodes


@task.special("a weight of a few millionths beside a large one", share=0.5)
def _(draw: Draw) -> tuple[Array, ...]:
    E, nodes = draw.size("E", 6, 12), draw.size("V", 2, 3)
    targets = draw.rng.permutation(np.arange(E) % nodes)
    low = draw.rng.permutation(np.arange(E) % 2) * draw.rng.uniform(9, 13, E)
    return draw.give(draw.rng.normal(size=E) - low, rounded=False), torch.from_numpy(targets), nodes


@task.special("scores that tie", share=0.25)
def _(draw: Draw) -> tuple[Array, ...]:
    E, nodes = draw.size("E", 4, 16), draw.size("V", 1, 4)
    whole = draw.rng.integers(-1, 2, E).astype(np.float64)
    return draw.give(whole), draw.integers(E, low=0, high=nodes - 1), nodes


@task.special("hundreds of edges", share=0.25)
def _(draw: Draw) -> tuple[Array, ...]:
    nodes = draw.size("V", 3, 6)
    return draw.array(300), draw.integers(300, low=0, high=nodes - 1), nodes


@task.property("the weights of each target sum to one")
def _(_call: Array, inputs: tuple[Array, ...], output: Array) -> str | None:
    _, targets, nodes = inputs
    totals = torch.zeros(nodes, dtype=torch.float64).index_add(0, targets, output.double())
    gap = float((totals - 1)[targets].abs().max()) if len(targets) else 0.0
    return None if gap <= 0.05 else f"here one target's weights sum to {1 - gap:.4g} or {1 + gap:.4g}."


def _sum(values: Array, targets: Array, nodes: int) -> Array:
    """Per edge, the sum over its target's edges."""
    return torch.zeros(nodes, dtype=values.dtype).index_add(0, targets, values)[targets]


def _peak(scores: Array, targets: Array, nodes: int, start: float = -torch.inf, kind: str = "amax") -> Array:
    """Per edge, the largest score of its target's edges."""
    first = torch.full((nodes,), start, dtype=scores.dtype)
    return first.scatter_reduce(0, targets, scores.detach(), kind)[targets]


@task.misconception(
    "takes one softmax over all edges",
    ask="What must the weights of *each* target sum to? And those of all edges together?",
)
def _(scores: Array, _targets: Array, _nodes: int) -> Array:
    return torch.softmax(scores, 0)


@task.misconception(
    "exponentiates without subtracting the maximum", ask="What is exp(1000) in float64, and what is inf / inf?"
)
def _(scores: Array, targets: Array, nodes: int) -> Array:
    return scores.exp() / _sum(scores.exp(), targets, nodes)


FAR = "A target whose best score lies 2000 below the best of all: what is its sum of exponentials?"


def _one_maximum(
    scores: Array, targets: Array, nodes: int, least: float = 0.0, more: float = 0.0, fixed: bool = True
) -> Array:
    """One maximum for all edges; the sums are kept from 0, or not; the maximum takes part in the backward pass, or not."""
    top = scores.max() if len(scores) else scores.sum()
    e = (scores - (top.detach() if fixed else top)).exp()
    total = _sum(e, targets, nodes) + more
    return e / (total.clamp(min=least) if least else total)


_GUARDS: list[dict[str, Any]] = [{"more": 1e-16}, {"more": 1e-12}, {"least": 1e-30}, {"least": 1e-16}, {"least": 1e-12}]
for _fixed in (True, False):
    task.misconception("subtracts one maximum from all edges, so that targets far below it get 0/0", FAR)(
        partial(_one_maximum, fixed=_fixed)
    )
    for _guard in _GUARDS:
        task.misconception(
            "subtracts one maximum from all edges and guards the division: targets far below it get zeros", FAR
        )(partial(_one_maximum, fixed=_fixed, **_guard))


@task.misconception(
    "starts the maximum at 0: where all scores of a target are far below, it gets 0/0",
    ask="What is the maximum of −2000 and −2001? What does a tensor of zeros make of it?",
)
def _(scores: Array, targets: Array, nodes: int) -> Array:
    e = (scores - _peak(scores, targets, nodes, start=0.0)).exp()
    return e / _sum(e, targets, nodes)


@task.misconception("subtracts the minimum instead of the maximum", ask="What is the largest exponent then?")
def _(scores: Array, targets: Array, nodes: int) -> Array:
    e = (scores - _peak(scores, targets, nodes, start=torch.inf, kind="amin")).exp()
    return e / _sum(e, targets, nodes)


@task.misconception("subtracts the mean instead of the maximum", ask="What is the largest exponent then?")
def _(scores: Array, targets: Array, nodes: int) -> Array:
    e = (scores - _sum(scores, targets, nodes) / _sum(torch.ones_like(scores), targets, nodes)).exp()
    return e / _sum(e, targets, nodes)


@task.misconception(
    "adds by indexed assignment, which keeps one edge per target",
    ask="What does x[[0, 0]] += 1 make of x[0]: 1, or 2?",
)
def _(scores: Array, targets: Array, nodes: int) -> Array:
    e = (scores - _peak(scores, targets, nodes)).exp()
    total = torch.zeros(nodes, dtype=e.dtype)
    total[targets] += e
    return e / total[targets]


def _runs(scores: Array, targets: Array) -> Array:
    """A softmax over each run of equal targets."""
    if not len(scores):
        return scores
    _, lengths = torch.unique_consecutive(targets, return_counts=True)
    return torch.cat([torch.softmax(part, 0) for part in scores.split(lengths.tolist())])


@task.misconception(
    "takes edges that stand side by side for a group", ask="Does anything say that the edges are sorted by target?"
)
def _(scores: Array, targets: Array, _nodes: int) -> Array:
    return _runs(scores, targets)


@task.misconception(
    "returns the weights sorted by target", ask="Which score does the first weight of your result belong to?"
)
def _(scores: Array, targets: Array, nodes: int) -> Array:
    order = torch.argsort(targets, stable=True)
    return edge_softmax(scores, targets, nodes)[order]


@task.misconception(
    "gives pairs that are no edge the score 0 instead of −∞",
    ask="What weight does a score of 0 get in a table of all pairs?",
)
def _(scores: Array, targets: Array, nodes: int) -> Array:
    table = torch.zeros(nodes, len(scores), dtype=scores.dtype)
    at = torch.arange(len(scores))
    return torch.softmax(table.index_put((targets, at), scores), 1)[targets, at]


@task.misconception("does not divide by the sum", ask="What must the weights of one target sum to?")
def _(scores: Array, targets: Array, nodes: int) -> Array:
    return (scores - _peak(scores, targets, nodes)).exp()


@task.misconception("divides the scores by their sum, without exponentials", ask="What do negative scores become?")
def _(scores: Array, targets: Array, nodes: int) -> Array:
    return scores / _sum(scores, targets, nodes)


@task.misconception(
    "divides by the number of edges instead of the sum", ask="What must the weights of one target sum to?"
)
def _(scores: Array, targets: Array, nodes: int) -> Array:
    return (scores - _peak(scores, targets, nodes)).exp() / _sum(torch.ones_like(scores), targets, nodes)


@task.misconception("gives all edges of a target the same weight", ask="Which input does your result not depend on?")
def _(scores: Array, targets: Array, nodes: int) -> Array:
    return 1 / _sum(torch.ones_like(scores), targets, nodes) + 0 * scores


@task.misconception(
    "reads the best edge only (argmax) instead of mixing all", ask="Which function lets a gradient reach every score?"
)
def _(scores: Array, targets: Array, nodes: int) -> Array:
    best = (scores == _peak(scores, targets, nodes)).to(scores.dtype)
    return best / _sum(best, targets, nodes)


@task.misconception("returns the logarithms of the weights", ask="What must the weights of one target sum to?")
def _(scores: Array, targets: Array, nodes: int) -> Array:
    gap = scores - _peak(scores, targets, nodes)
    return gap - _sum(gap.exp(), targets, nodes).log()


@task.misconception("divides by twice the sum", ask="What must the weights of one target sum to?")
def _(scores: Array, targets: Array, nodes: int) -> Array:
    return edge_softmax(scores, targets, nodes) / 2


@task.misconception("applies softmax twice", ask="What does softmax do to numbers that all lie between 0 and 1?")
def _(scores: Array, targets: Array, nodes: int) -> Array:
    return edge_softmax(edge_softmax(scores, targets, nodes), targets, nodes)


@task.misconception("gives the largest weight to the smallest score", ask="Which sign has the exponent?")
def _(scores: Array, targets: Array, nodes: int) -> Array:
    return edge_softmax(-scores, targets, nodes)


for _bound in (10.0, 20.0, 50.0, 80.0, 100.0):

    @task.misconception("cuts large scores off", ask="Which two scores can your function no longer tell apart?")
    def _(scores: Array, targets: Array, nodes: int, bound: float = _bound) -> Array:
        return edge_softmax(scores.clamp(-bound, bound), targets, nodes)


@task.misconception("scales by the number of nodes", ask="Does the formula divide the scores by anything?")
def _(scores: Array, targets: Array, nodes: int) -> Array:
    return edge_softmax(scores / nodes**0.5, targets, nodes)


@task.misconception("returns one sum per node", ask="How many weights are asked for: one per edge, or one per node?")
def _(scores: Array, targets: Array, nodes: int) -> Array:
    e = (scores - _peak(scores, targets, nodes)).exp()
    return torch.zeros(nodes, dtype=e.dtype).index_add(0, targets, e)


@task.misconception("returns a table of all targets and edges", ask="What is the shape of the result: (E,) or (V, E)?")
def _(scores: Array, targets: Array, nodes: int) -> Array:
    table = torch.zeros(nodes, len(scores), dtype=scores.dtype)
    return table.index_put((targets, torch.arange(len(scores))), edge_softmax(scores, targets, nodes))


@task.misconception(
    "detaches the denominator",
    ask="A score that rises takes weight from the others. Through which part of the formula?",
)
def _(scores: Array, targets: Array, nodes: int) -> Array:
    e = (scores - _peak(scores, targets, nodes)).exp()
    return e / _sum(e, targets, nodes).detach()


@task.misconception("detaches the weights", ask="What can a score learn whose weights have no gradient?")
def _(scores: Array, targets: Array, nodes: int) -> Array:
    return edge_softmax(scores, targets, nodes).detach()


for _name, _function, _ask in PER_TARGET:
    task.misconception(_name, _ask)(_function)
