"""Answers to graphs.gat_layer that a reviewer wrote from the text alone."""

import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it
from answers import right, wrong


def _weighted_table(h, W, a, edges, heads, concat, slope):
    """A dense layer in which an edge that is given twice counts twice."""
    V = len(h)
    count = torch.eye(V, dtype=h.dtype)
    for j, i in edges.T.tolist():
        count[i, j] += i != j
    P = (h @ W.T).reshape(V, heads, -1).transpose(0, 1)
    to, of = (P * a[:, None, : P.shape[-1]]).sum(-1), (P * a[:, None, P.shape[-1] :]).sum(-1)
    out = (F.leaky_relu(to[:, :, None] + of[:, None], slope) + count.log()).softmax(-1) @ P
    return out.transpose(0, 1).flatten(1) if concat else out.mean(0)


@right
def logarithms_of_counts(h, W, a, edges, heads, concat=True, slope=0.2):
    return _weighted_table(h, W, a, edges, heads, concat, slope)


@wrong("averages the heads unless it is told otherwise")
def other_default(h, W, a, edges, heads, concat=False, slope=0.2):
    return _weighted_table(h, W, a, edges, heads, concat, slope)


@wrong("is right on ordinary inputs, but not for: no edges at all")
def looks_for_the_last_node(h, W, a, edges, heads, concat=True, slope=0.2):
    last = int(edges.max())
    assert last < len(h)
    return _weighted_table(h, W, a, edges, heads, concat, slope)
