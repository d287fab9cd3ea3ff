"""Edge lists that the graph tasks share."""

from __future__ import annotations

import numpy as np
import torch

from autograder.checking.draw import Draw, InputFunction
from autograder.checking.task import Task
from autograder.tasks.mistakes import Array


def edge_list(draw: Draw, loops: float = 0.15, repeats: float = 0.15, low: int = 1) -> Array:
    """Edges (2, E) in no order, sources above targets: some are self-loops, some are given twice."""
    V, E = draw.size("V"), draw.size("E", low, 14)
    edges = draw.rng.integers(0, V, (2, E))
    if V > 1:  # no self-loop by chance
        edges[0] = (edges[1] + draw.rng.integers(1, V, E)) % V
    itself = draw.rng.random(E) < loops
    edges[0, itself] = edges[1, itself]
    for e in np.flatnonzero(draw.rng.random(E) < repeats):
        edges[:, e] = edges[:, draw.rng.integers(E)]
    return torch.from_numpy(edges.astype(np.int64))


def settings(draw: Draw, usual: float = 0.5) -> tuple[float, ...]:
    """The slope as an argument of its own, or nothing, which leaves it at its default."""
    return () if draw.flag(usual) else (float(draw.choice([0.05, 0.1, 0.3, 0.5])),)


def edges_alike(task: Task, inputs: InputFunction) -> None:
    """Special inputs (h, W, a, edges, …) of a score: self-loops only, one edge many times, every edge in both directions."""

    @task.special("self-loops only: both ends are the same node", share=0.25)
    def _(draw: Draw) -> tuple[Array, ...]:
        h, W, a, edges, *rest = inputs(draw)
        return h, W, a, edges[1:].repeat(2, 1), *rest

    @task.special("an edge that is given several times", share=0.25)
    def _(draw: Draw) -> tuple[Array, ...]:
        draw.size("E", 3, 8)
        h, W, a, edges, *rest = inputs(draw)
        return h, W, a, edges[:, :1].repeat(1, edges.shape[1]), *rest

    @task.special("every edge in both directions", share=0.25)
    def _(draw: Draw) -> tuple[Array, ...]:
        draw.size("V", 2, 6)
        h, W, a, edges, *rest = inputs(draw)
        return h, W, a, torch.cat([edges, edges.flip(0)], dim=1), *rest
