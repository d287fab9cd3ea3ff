"""Graph convolution, against PyTorch Geometric, its matrix form, loops and hand-worked numbers."""

import numpy as np
import pytest
import torch
from graph_oracle import GCNConv, random_graph, tensors
from oracle import FULL_KINDS, as_float64, make, message_of

from attn_core.graphs.gcn import GCNLayer, adjacency_of, gcn_dense, gcn_layer, gcn_weights


@pytest.mark.parametrize("kind", FULL_KINDS)
def test_by_hand(kind):
    """A path 0 – 1 – 2: the degrees with self-loops are 2, 3, 2, so node 0 gets h_0/2 + h_1/√6."""
    edges = np.array([[0, 1, 1, 2], [1, 0, 2, 1]])
    edges = edges if kind.startswith("numpy") else torch.tensor(edges)
    out = gcn_layer(make([[6.0], [1.0], [3.0]], kind), make([[1.0]], kind), edges)
    root = 6**-0.5
    assert as_float64(out)[:, 0] == pytest.approx([3 + root, 6 * root + 1 / 3 + 3 * root, root + 1.5], rel=1e-6)
    assert "32" in str(out.dtype) or "64" in kind


def test_without_edges_it_is_a_linear_map():
    """Every node then has its self-loop alone, with weight 1."""
    h, W = tensors(0, (4, 3), (2, 3))
    torch.testing.assert_close(gcn_layer(h, W, torch.zeros(2, 0, dtype=torch.int64)), h @ W.T)


@pytest.mark.parametrize("seed", range(4))
def test_it_equals_torch_geometric(seed):
    """Output and gradients are those of GCNConv, with repeated edges, self-loops and a lonely node."""
    edges = torch.tensor(random_graph(seed))
    edges = edges[:, edges[0] != edges[1]]  # GCNConv keeps a given self-loop, and counts its repeats
    h, W = tensors(seed, (6, 4), (3, 4))
    peer = GCNConv(4, 3, bias=False).double()
    peer.lin.weight.data = W.clone()
    for x in (h, W):
        x.requires_grad_()
    torch.testing.assert_close(gcn_layer(h, W, edges), peer(h, edges))
    gcn_layer(h, W, edges).square().sum().backward()
    peer(h.detach(), edges).square().sum().backward()
    torch.testing.assert_close(W.grad, peer.lin.weight.grad)


@pytest.mark.parametrize("seed", range(4))
def test_it_equals_the_matrix_form(seed):
    """D̂^{−1/2} Â D̂^{−1/2} H Wᵀ gives the same, for a directed graph with repeated edges and self-loops."""
    edges = random_graph(seed)
    h, W = (x.numpy() for x in tensors(seed, (6, 4), (3, 4)))
    table = adjacency_of(edges, 6, like=h)
    np.testing.assert_allclose(gcn_dense(h, W, table), gcn_layer(h, W, edges), atol=1e-12)


def test_the_table_counts_edges_from_column_to_row():
    """[i, j] is how often j → i is given."""
    table = adjacency_of(np.array([[0, 0, 2], [1, 1, 0]]), 3, like=np.zeros(1, np.float32))
    assert table.tolist() == [[0, 0, 1], [2, 0, 0], [0, 0, 0]]
    assert table.dtype == np.float32


def test_a_regular_graph_is_averaged():
    """On a cycle every degree is 3 with the self-loop, so a node gets the mean of itself and its two neighbours."""
    ring = np.arange(5)
    edges = np.stack([np.concatenate([ring, ring]), np.concatenate([(ring + 1) % 5, (ring - 1) % 5])])
    h = np.random.default_rng(0).normal(size=(5, 2))
    mean = (h + np.roll(h, 1, axis=0) + np.roll(h, -1, axis=0)) / 3
    np.testing.assert_allclose(gcn_layer(h, np.eye(2), edges), mean, atol=1e-12)


def test_an_edge_out_of_a_node_that_nothing_enters_has_weight_zero():
    """Without self-loops its degree is 0; the weight is 0, as in torch_geometric, and not infinite."""
    assert gcn_weights(np.array([[0], [1]]), 2, like=np.zeros(1)).tolist() == [0.0]


def test_module_and_errors():
    """The module is the function plus a bias; wrong shapes are named."""
    h, edges = torch.randn(4, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([[0, 1], [1, 2]])
    layer = GCNLayer(3, 2)
    torch.nn.init.constant_(layer.b, 0.5)
    torch.testing.assert_close(layer(h, edges), gcn_layer(h, layer.W, edges) + 0.5)
    assert message_of(ValueError, lambda: layer(h[0], edges)) == "GCNLayer: h has shape (3,), but it must be (V, F)."
    assert "W has F=3" in message_of(ValueError, lambda: gcn_layer(h[:, :2], layer.W, edges))
    message = message_of(ValueError, lambda: gcn_dense(h, layer.W, torch.zeros(3, 4)))
    assert message == "gcn_dense: adjacency has shape (3, 4), but h has V=4 nodes."
