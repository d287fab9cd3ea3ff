r"""GATv2 applies the non-linearity before the weighing, so that a query can change which neighbour it prefers.

Formula
    e_ij = aᵀ LeakyReLU(W[h_i ‖ h_j]) = aᵀ LeakyReLU(W_target h_i + W_source h_j), slope 0.2, where W = [W_target W_source]
    α_ij = softmax over j ∈ N(i) ∪ {i}; h_i' = Σ_j α_ij W_source h_j; heads as in attn_core.graphs.gat
Shapes
    h            (V, F)
    W            (F', 2F) for scores of one head; (heads F', 2F) for a layer, the target's half first
    a            (F',); (heads, F') for a layer
    edges        (2, E), sources j and targets i, as in attn_core.graphs.edges
    scores       (E,)
    out          (V, heads F'), or (V, F') averaged; no non-linearity
Cost
    2 V F heads F' + 2 (E + V) heads F' multiply-adds: the score of an edge takes F' of them, where GAT takes none;
    (E + V) heads F' hidden units are kept, where GAT keeps (E + V) heads sums
Errors
    ValueError for shapes that do not fit, for heads that do not divide W's rows; TypeError for mixed dtypes
Source
    Brody, Alon and Yahav 2022, How Attentive are Graph Attention Networks?, equation 7; values as in their code
"""

from operator import index

import torch
from torch import Tensor, nn

from attn_core.conventions import Array, check_arguments, shape_error
from attn_core.graphs.edges import check_edges, edge_softmax, with_self_loops
from attn_core.graphs.gat import aggregate, leaky_relu


def gatv2_scores(h: Array, W: Array, a: Array, edges: Array, slope: float = 0.2) -> Array:
    """aᵀ LeakyReLU(W[h_i ‖ h_j]) of every given edge j → i, self-loops as they are: (E,).

    >>> import numpy as np
    >>> W = np.array([[1.0, -1.0], [-1.0, 1.0]])
    >>> gatv2_scores(np.array([[1.0], [3.0]]), W, np.array([1.0, 2.0]), np.array([[0, 1], [1, 0]]))
    array([1.2, 3.6])
    """
    target, source = _project("gatv2_scores", h, W, a[None, :], 1)
    check_edges("gatv2_scores", edges, h.shape[0])
    return _scores(target, source, a[None, :], edges, slope)[:, 0]


def gatv2_attention(
    h: Array, W: Array, a: Array, edges: Array, heads: int, slope: float = 0.2
) -> tuple[Array, Array, Array]:
    """Edges with self-loops (2, E'), their weights (E', heads), and the values (V, heads, F') that they mix."""
    target, source = _project("gatv2_layer", h, W, a, heads)
    loops = with_self_loops(edges, h.shape[0])
    return loops, edge_softmax(_scores(target, source, a, loops, slope), loops[1, :], h.shape[0]), source


def gatv2_layer(
    h: Array, W: Array, a: Array, edges: Array, heads: int, concat: bool = True, slope: float = 0.2
) -> Array:
    """Every node's mixture of its neighbours and itself: (V, heads F'), or (V, F') averaged over the heads."""
    loops, weights, values = gatv2_attention(h, W, a, edges, heads, slope)
    return aggregate(values, loops, weights, concat)


def _scores(target: Array, source: Array, a: Array, edges: Array, slope: float) -> Array:
    """(V, heads, F') twice → (E, heads)."""
    xp = check_arguments("gatv2_scores", target=(target, ""), source=(source, ""), a=(a, ""))
    hidden = leaky_relu(target[edges[1, :], ...] + source[edges[0, :], ...], slope)
    return xp.sum(hidden * a, axis=-1)


def _project(function: str, h: Array, W: Array, a: Array, heads: int) -> tuple[Array, Array]:
    """W_target h and W_source h, (V, heads, F') each."""
    xp = check_arguments(function, h=(h, "V F"), W=(W, ""), a=(a, ""))
    if W.ndim != 2 or W.shape[1] != 2 * h.shape[1] or index(heads) < 1 or W.shape[0] % heads:
        expected = f"it must be (heads F', 2F) with heads={heads}, 2F={2 * h.shape[1]}"
        raise shape_error(function, "W", expected, f"shape {tuple(W.shape)}", "the target's half comes first")
    if tuple(a.shape) != (heads, W.shape[0] // heads):
        expected = f"it must have F'={W.shape[0] // heads} entries per head and heads={heads}"
        raise shape_error(function, "a", expected, f"shape {tuple(a.shape)}")
    halves = W[:, : h.shape[1]], W[:, h.shape[1] :]
    target, source = (xp.reshape(xp.matmul(h, half.T), (h.shape[0], heads, -1)) for half in halves)
    return target, source


class GATv2Layer(nn.Module):
    """A GATv2 layer with its own weights and bias."""

    def __init__(self, features: int, out: int, heads: int = 1, concat: bool = True, slope: float = 0.2) -> None:
        super().__init__()
        self.heads, self.concat, self.slope = heads, concat, slope
        halves = [nn.init.xavier_uniform_(torch.empty(heads * out, features)) for _ in range(2)]
        self.W = nn.Parameter(torch.cat(halves, dim=1))
        self.a = nn.Parameter(nn.init.xavier_uniform_(torch.empty(heads, out)))
        self.b = nn.Parameter(torch.zeros(heads * out if concat else out))

    def forward(self, h: Tensor, edges: Tensor) -> Tensor:
        """(V, F) → (V, heads F') or (V, F')."""
        out: Tensor = gatv2_layer(h, self.W, self.a, edges, self.heads, self.concat, self.slope) + self.b
        return out
