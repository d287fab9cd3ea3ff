"""Graphs for tests, the layers written edge by edge in plain Python, and PyTorch Geometric's."""

import math
import warnings

import numpy as np
import torch

with warnings.catch_warnings():
    # importing torch_geometric compiles two helpers with torch.jit.script, which torch 2.13 calls deprecated
    warnings.simplefilter("ignore", DeprecationWarning)
    from torch_geometric.nn import GATConv, GATv2Conv, GCNConv

__all__ = ["GATConv", "GATv2Conv", "GCNConv", "by_hand", "random_graph", "tensors"]


def random_graph(seed, nodes=6, edges=15):
    """Edges in any order, with repeated ones and self-loops among them, and node 0 without any."""
    rng = np.random.default_rng(seed)
    found = rng.integers(1, nodes, (2, edges))
    found[:, 0] = found[:, -1]  # one is given twice
    found[1, 1] = found[0, 1]  # one is a self-loop
    return found


def tensors(seed, *shapes):
    """Random float64 tensors."""
    rng = np.random.default_rng(seed)
    return [torch.tensor(rng.normal(size=shape)) for shape in shapes]


def leaky(x, slope):
    """LeakyReLU of one number."""
    return x if x > 0 else slope * x


def by_hand(h, edges, score, value, heads, concat=True):
    """A layer as the formula says, target by target and edge by edge; `score(k, i, j)` and `value(k, j)` are per head."""
    rows = []
    for i in range(len(h)):
        into = [int(j) for j, target in edges.T if target == i and j != i] + [i]
        outputs = []
        for k in range(heads):
            exp = [math.exp(score(k, i, j)) for j in into]
            outputs.append(sum(e / sum(exp) * value(k, j) for e, j in zip(exp, into, strict=True)))
        rows.append(np.concatenate(outputs) if concat else sum(outputs) / heads)
    return np.array(rows)
