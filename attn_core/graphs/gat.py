r"""Graph attention lets each node weigh its neighbours by a learned score, and mixes what they hand over.

Formula
    e_ij = LeakyReLU(aᵀ[W h_i ‖ W h_j]), slope 0.2; α_ij = softmax over j ∈ N(i) ∪ {i}; h_i' = Σ_j α_ij W h_j
    aᵀ[x ‖ y] = a_targetᵀx + a_sourceᵀy: two numbers per node, then one sum per edge
    heads        each has its own W and a; their outputs are concatenated, or averaged in the last layer
Shapes
    h            (V, F)
    W            (F', F) for scores of one head; (heads F', F) for a layer, head k owning the rows k F' … (k + 1) F' − 1
    a            (2 F',), the target's half first; (heads, 2 F') for a layer
    edges        (2, E), sources j and targets i, as in attn_core.graphs.edges
    scores       (E,)
    mask         (V, V), boolean: [i, j] is True where i may read j
    out          (V, heads F'), or (V, F') averaged; no non-linearity
Cost
    V F heads F' + 2 V heads F' + (E + V) heads F' multiply-adds; E heads scores are kept; the dense form has V² of them
Errors
    ValueError for shapes that do not fit, for heads that do not divide W's rows; TypeError for mixed dtypes
Source
    Veličković et al. 2018, Graph Attention Networks, equations 1 to 6; self-loops in the dense form come from the mask
"""

from operator import index

import torch
from torch import Tensor, nn

from attn_core.conventions import Array, check_arguments, shape_error
from attn_core.graphs.edges import check_edges, edge_softmax, scatter_sum, with_self_loops
from attn_core.masks import apply_mask
from attn_core.softmax import softmax


def leaky_relu(x: Array, slope: float) -> Array:
    """x where it is positive, slope · x elsewhere."""
    xp = check_arguments("leaky_relu", x=(x, ""))
    return xp.where(x > 0, x, slope * x)


def gat_scores(h: Array, W: Array, a: Array, edges: Array, slope: float = 0.2) -> Array:
    """LeakyReLU(aᵀ[W h_i ‖ W h_j]) of every given edge j → i, self-loops as they are: (E,).

    >>> import numpy as np
    >>> one = np.array([[1.0]])
    >>> gat_scores(np.array([[1.0], [2.0]]), one, np.array([1.0, -3.0]), np.array([[0, 1], [1, 0]]))
    array([-0.2, -1. ])
    """
    check_arguments("gat_scores", h=(h, "V F"), W=(W, "F' F"), a=(a, ""))
    check_edges("gat_scores", edges, h.shape[0])
    if tuple(a.shape) != (2 * W.shape[0],):
        raise shape_error("gat_scores", "a", f"W has F'={W.shape[0]} rows", f"shape {tuple(a.shape)}", "a is (2 F',)")
    target, source = _halves(_project("gat_scores", h, W, 1), a[None, :])
    return leaky_relu(target[edges[1, :], 0] + source[edges[0, :], 0], slope)


def gat_attention(
    h: Array, W: Array, a: Array, edges: Array, heads: int, slope: float = 0.2
) -> tuple[Array, Array, Array]:
    """Edges with self-loops (2, E'), their weights (E', heads), and the values (V, heads, F') that they mix."""
    _check("gat_layer", h, W, a, heads)
    values = _project("gat_layer", h, W, heads)
    loops = with_self_loops(edges, h.shape[0])
    target, source = _halves(values, a)
    scores = leaky_relu(target[loops[1, :], ...] + source[loops[0, :], ...], slope)  # (E', heads)
    return loops, edge_softmax(scores, loops[1, :], h.shape[0]), values


def gat_layer(h: Array, W: Array, a: Array, edges: Array, heads: int, concat: bool = True, slope: float = 0.2) -> Array:
    """Every node's mixture of its neighbours and itself: (V, heads F'), or (V, F') averaged over the heads."""
    loops, weights, values = gat_attention(h, W, a, edges, heads, slope)
    return aggregate(values, loops, weights, concat)


def gat_dense(h: Array, W: Array, a: Array, mask: Array, heads: int, concat: bool = True, slope: float = 0.2) -> Array:
    """The same as masked attention over all pairs; the mask says who reads whom, self-loops included."""
    xp = _check("gat_dense", h, W, a, heads)
    values = _project("gat_dense", h, W, heads)
    target, source = _halves(values, a)  # (V, heads) each
    scores = leaky_relu(target.T[:, :, None] + source.T[:, None, :], slope)  # (heads, V, V)
    weights = softmax(apply_mask(scores, mask))
    mixed = xp.matmul(weights, xp.permute_dims(values, (1, 0, 2)))  # (heads, V, F')
    return _join(xp.permute_dims(mixed, (1, 0, 2)), concat)


def aggregate(values: Array, edges: Array, weights: Array, concat: bool) -> Array:
    """Σ_j α_ij · values_j per target and head, then the heads side by side or averaged."""
    messages = values[edges[0, :], ...] * weights[..., None]  # (E', heads, F')
    return _join(scatter_sum(messages, edges[1, :], values.shape[0]), concat)


def _join(mixed: Array, concat: bool) -> Array:
    xp = check_arguments("gat_layer", mixed=(mixed, ""))
    return xp.reshape(mixed, (mixed.shape[0], -1)) if concat else xp.mean(mixed, axis=1)


def _project(function: str, h: Array, W: Array, heads: int) -> Array:
    xp = check_arguments(function, h=(h, "V F"), W=(W, ""))
    return xp.reshape(xp.matmul(h, W.T), (h.shape[0], heads, -1))  # (V, heads, F')


def _halves(values: Array, a: Array) -> tuple[Array, Array]:
    """a_targetᵀ W h and a_sourceᵀ W h of every node and head: (V, heads) twice."""
    xp = check_arguments("gat_scores", values=(values, ""), a=(a, ""))
    size = values.shape[-1]
    return xp.sum(values * a[:, :size], axis=-1), xp.sum(values * a[:, size:], axis=-1)


def _check(function: str, h: Array, W: Array, a: Array, heads: int) -> Array:
    xp = check_arguments(function, h=(h, "V F"), W=(W, ""), a=(a, ""))
    if W.ndim != 2 or W.shape[1] != h.shape[1] or index(heads) < 1 or W.shape[0] % heads:
        expected = f"it must be (heads F', F) with heads={heads}, F={h.shape[1]}"
        raise shape_error(function, "W", expected, f"shape {tuple(W.shape)}")
    if tuple(a.shape) != (heads, 2 * W.shape[0] // heads):
        expected = f"it must be (heads, 2 F') = {(heads, 2 * W.shape[0] // heads)}"
        raise shape_error(function, "a", expected, f"shape {tuple(a.shape)}", "the target's half comes first")
    return xp


class GATLayer(nn.Module):
    """A graph attention layer with its own weights and bias."""

    def __init__(self, features: int, out: int, heads: int = 1, concat: bool = True, slope: float = 0.2) -> None:
        super().__init__()
        self.heads, self.concat, self.slope = heads, concat, slope
        self.W = nn.Parameter(nn.init.xavier_uniform_(torch.empty(heads * out, features)))
        self.a = nn.Parameter(nn.init.xavier_uniform_(torch.empty(heads, 2 * out)))
        self.b = nn.Parameter(torch.zeros(heads * out if concat else out))

    def forward(self, h: Tensor, edges: Tensor) -> Tensor:
        """(V, F) → (V, heads F') or (V, F')."""
        out: Tensor = gat_layer(h, self.W, self.a, edges, self.heads, self.concat, self.slope) + self.b
        return out
