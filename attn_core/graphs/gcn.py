r"""A graph convolution lets each node take a fixed mixture of its neighbours: the degrees alone set the weights.

Formula
    H' = D̂^{−1/2} Â D̂^{−1/2} H Wᵀ with Â = A + I and D̂ = diag(Σ_j Â_ij)
    node by node: h_i' = Σ_{j ∈ N(i) ∪ {i}} W h_j / √(d_i d_j), where d counts the edges into a node, its self-loop too
Shapes
    h            (V, F)
    W            (F', F)
    edges        (2, E), as in attn_core.graphs.edges: given self-loops dropped, one per node added
    adjacency    (V, V), [i, j] = how many edges go from j to i
    out          (V, F')
Cost
    V F F' + E F' multiply-adds; F F' parameters; the dense form V F F' + V² F'
Errors
    ValueError for shapes that do not fit; TypeError for mixed dtypes and edges that are no whole numbers
Source
    Kipf and Welling 2017, Semi-Supervised Classification with Graph Convolutional Networks, equation 2
"""

import torch
from torch import Tensor, nn

from attn_core.conventions import Array, check_arguments, namespace, shape_error
from attn_core.graphs.edges import check_edges, scatter_sum, with_self_loops


def gcn_weights(edges: Array, nodes: int, like: Array) -> Array:
    """1/√(d_i d_j) of every given edge, in the dtype of `like`; the degree counts the edges into a node.

    >>> import numpy as np
    >>> gcn_weights(np.array([[0, 1, 0, 1], [1, 0, 0, 1]]), 2, like=np.zeros(1))
    array([0.5, 0.5, 0.5, 0.5])
    """
    xp = check_edges("gcn_weights", edges, nodes)
    sources, targets = edges[0, :], edges[1, :]
    ones = xp.ones(edges.shape[1], dtype=like.dtype, device=edges.device)
    degree = scatter_sum(ones, targets, nodes)
    product = degree[sources] * degree[targets]  # 0 for an edge out of a node that nothing enters
    return xp.where(product > 0, 1 / xp.sqrt(xp.where(product > 0, product, 1.0)), 0.0)


def gcn_layer(h: Array, W: Array, edges: Array) -> Array:
    """One graph convolution over an edge list, (V, F) → (V, F'), without a non-linearity.

    >>> import numpy as np
    >>> gcn_layer(np.array([[2.0], [4.0]]), np.array([[1.0]]), np.array([[0], [1]])).round(3)
    array([[2.   ],
           [3.414]])
    """
    xp = check_arguments("gcn_layer", h=(h, "V F"), W=(W, "F' F"))
    loops = with_self_loops(edges, h.shape[0])
    weights = gcn_weights(loops, h.shape[0], like=h)  # (E + V,)
    messages = xp.matmul(h, W.T)[loops[0, :], ...] * weights[:, None]  # (E + V, F')
    return scatter_sum(messages, loops[1, :], h.shape[0])


def gcn_dense(h: Array, W: Array, adjacency: Array) -> Array:
    """The same from the matrix form, for a graph that is given as a table of numbers of edges."""
    xp = check_arguments("gcn_dense", h=(h, "V F"), W=(W, "F' F"), adjacency=(adjacency, ""))
    if tuple(adjacency.shape) != (h.shape[0], h.shape[0]):
        raise shape_error("gcn_dense", "adjacency", f"h has V={h.shape[0]} nodes", f"shape {tuple(adjacency.shape)}")
    eye = xp.eye(h.shape[0], dtype=h.dtype, device=h.device)
    hat = adjacency * (1 - eye) + eye
    scale = xp.sum(hat, axis=1) ** -0.5  # at least the self-loop is there
    return xp.matmul(scale[:, None] * hat * scale[None, :], xp.matmul(h, W.T))


def adjacency_of(edges: Array, nodes: int, like: Array) -> Array:
    """The table of a graph, (V, V): [i, j] is the number of edges from j to i, in the dtype of `like`."""
    xp = check_edges("adjacency_of", edges, nodes)
    namespace(edges, like, function="adjacency_of", names=("edges", "like"))
    ones = xp.ones(edges.shape[1], dtype=like.dtype, device=edges.device)
    places = edges[1, :] * nodes + edges[0, :]
    return xp.reshape(scatter_sum(ones, places, nodes * nodes), (nodes, nodes))


class GCNLayer(nn.Module):
    """A graph convolution with its own weights and bias."""

    def __init__(self, features: int, out: int) -> None:
        super().__init__()
        self.W = nn.Parameter(nn.init.xavier_uniform_(torch.empty(out, features)))
        self.b = nn.Parameter(torch.zeros(out))

    def forward(self, h: Tensor, edges: Tensor) -> Tensor:
        """(V, F) → (V, F')."""
        if h.ndim != 2:
            raise shape_error("GCNLayer", "h", "it must be (V, F)", f"shape {tuple(h.shape)}")
        out: Tensor = gcn_layer(h, self.W, edges) + self.b
        return out
