"""Graph attention, against PyTorch Geometric, loops, a dense masked softmax and hand-worked numbers."""

import numpy as np
import pytest
import torch
from graph_oracle import GATConv, by_hand, leaky, random_graph, tensors
from oracle import FULL_KINDS, as_float64, make, message_of

from attn_core.graphs.gat import GATLayer, gat_attention, gat_dense, gat_layer, gat_scores
from attn_core.graphs.gcn import adjacency_of


@pytest.mark.parametrize("kind", FULL_KINDS)
def test_scores_by_hand(kind):
    """W h = (1, −2), (3, 0); a = (1, 0 | 0, 2): an edge 0 → 1 scores 3 + 2·(−2) = −1, and so −0.2; 1 → 0 scores 1 + 0."""
    h, W, a = make([[1.0, 1.0], [3.0, 0.0]], kind), make([[1.0, 0.0], [0.0, -2.0]], kind), make([1.0, 0, 0, 2], kind)
    edges = np.array([[0, 1, 0], [1, 0, 0]])
    scores = gat_scores(h, W, a, edges if kind.startswith("numpy") else torch.tensor(edges))
    assert as_float64(scores) == pytest.approx([-0.2, 1.0, -0.6])
    assert scores.dtype == h.dtype


def test_the_slope_is_that_of_the_call():
    """The slope multiplies what is negative, and nothing else."""
    h, W, a = tensors(0, (5, 3), (2, 3), (4,))
    edges = torch.tensor(random_graph(0, nodes=5))
    line, half = gat_scores(h, W, a, edges, slope=1.0), gat_scores(h, W, a, edges, slope=0.5)
    torch.testing.assert_close(half, torch.where(line > 0, line, line / 2))
    assert (line < 0).any()


@pytest.mark.parametrize("seed", range(3))
def test_scores_equal_the_formula_edge_by_edge(seed):
    """LeakyReLU(aᵀ[W h_i ‖ W h_j]) with the concatenation written out, target first."""
    h, W, a = (x.numpy() for x in tensors(seed, (6, 4), (3, 4), (6,)))
    edges = random_graph(seed)
    expected = [leaky(a @ np.concatenate([W @ h[i], W @ h[j]]), 0.2) for j, i in edges.T]
    np.testing.assert_allclose(gat_scores(h, W, a, edges), expected, atol=1e-12)
    assert gat_scores(h, W, a, edges[:, :0]).shape == (0,)


@pytest.mark.parametrize("concat", [True, False])
@pytest.mark.parametrize("heads", [1, 3])
def test_layer_equals_the_formula_edge_by_edge(heads, concat):
    """Node by node, head by head, edge by edge, in plain Python; repeated edges count twice, self-loops once."""
    h, W, a = (x.numpy() for x in tensors(heads, (6, 4), (heads * 2, 4), (heads, 4)))
    edges = random_graph(heads)
    W_of = W.reshape(heads, 2, 4)
    expected = by_hand(
        h,
        edges,
        score=lambda k, i, j: leaky(a[k] @ np.concatenate([W_of[k] @ h[i], W_of[k] @ h[j]]), 0.2),
        value=lambda k, j: W_of[k] @ h[j],
        heads=heads,
        concat=concat,
    )
    np.testing.assert_allclose(gat_layer(h, W, a, edges, heads, concat), expected, atol=1e-12)


@pytest.mark.parametrize("concat", [True, False])
@pytest.mark.parametrize("heads", [1, 3])
def test_layer_equals_torch_geometric(heads, concat):
    """Output and gradients are those of GATConv, whose att_dst is our target half and att_src our source half."""
    edges = torch.tensor(random_graph(heads))
    h, W, a = tensors(heads, (6, 4), (heads * 2, 4), (heads, 4))
    peer = GATConv(4, 2, heads, concat=concat, bias=False).double()
    peer.lin.weight.data = W.clone()
    peer.att_dst.data, peer.att_src.data = a[None, :, :2].clone(), a[None, :, 2:].clone()
    for x in (W, a):
        x.requires_grad_()
    out = gat_layer(h, W, a, edges, heads, concat)
    torch.testing.assert_close(out, peer(h, edges))
    out.square().sum().backward()
    peer(h, edges).square().sum().backward()
    torch.testing.assert_close(W.grad, peer.lin.weight.grad)
    torch.testing.assert_close(a.grad, torch.cat([peer.att_dst.grad[0], peer.att_src.grad[0]], dim=-1))


@pytest.mark.parametrize("concat", [True, False])
def test_the_dense_form_is_the_same(concat):
    """Masked attention over all pairs equals the edge list where no edge is repeated; NumPy and torch alike."""
    h, W, a = tensors(3, (6, 4), (6, 4), (3, 4))
    edges = torch.tensor(np.unique(random_graph(3), axis=1))
    mask = (adjacency_of(edges, 6, like=h) > 0) | torch.eye(6, dtype=torch.bool)
    sparse = gat_layer(h, W, a, edges, 3, concat)
    torch.testing.assert_close(gat_dense(h, W, a, mask, 3, concat), sparse)
    plain = (x.numpy() for x in (h, W, a, edges))
    np.testing.assert_allclose(gat_layer(*plain, 3, concat), sparse, atol=1e-12)


def test_a_node_without_edges_keeps_its_own_transformed_features():
    """Its self-loop has weight 1: the output is W h, and not h."""
    h, W, a = tensors(1, (3, 4), (2, 4), (1, 4))
    torch.testing.assert_close(gat_layer(h, W, a, torch.zeros(2, 0, dtype=torch.int64), 1), h @ W.T)


def test_weights_sum_to_one_and_only_edges_have_any():
    """Per target and head they sum to one; there is one per edge between different nodes and one per node."""
    h, W, a = tensors(2, (6, 4), (6, 4), (2, 6))
    edges = torch.tensor(random_graph(2))
    loops, weights, values = gat_attention(h, W, a, edges, 2)
    assert loops.shape[1] == int((edges[0] != edges[1]).sum()) + 6 == len(weights)
    totals = torch.zeros(6, 2, dtype=torch.float64).index_add(0, loops[1], weights)
    torch.testing.assert_close(totals, torch.ones_like(totals))
    assert values.shape == (6, 2, 3)


def test_with_a_of_zero_it_is_the_mean():
    """Equal scores give equal weights: the mean over the neighbours and the node itself."""
    h, W, _ = tensors(4, (3, 4), (2, 4), (1,))
    edges = torch.tensor([[1, 2], [0, 0]])
    out = gat_layer(h, W, torch.zeros(1, 4, dtype=torch.float64), edges, 1)
    torch.testing.assert_close(out[0], (h @ W.T).mean(0))


def test_renaming_the_nodes_renames_the_outputs():
    """A permutation of the nodes permutes the rows of the output: nothing depends on the numbering."""
    h, W, a = tensors(5, (6, 4), (4, 4), (2, 4))
    edges, name = torch.tensor(random_graph(5)), torch.tensor([3, 0, 5, 1, 4, 2])
    renamed = torch.empty_like(h)
    renamed[name] = h
    torch.testing.assert_close(gat_layer(renamed, W, a, name[edges], 2)[name], gat_layer(h, W, a, edges, 2))


def test_large_scores_and_gradients():
    """Scores in the thousands give finite outputs and gradients; ordinary gradients equal finite differences."""
    edges = torch.tensor(random_graph(6))
    h, W, a = (x.requires_grad_() for x in tensors(6, (6, 3), (4, 3), (2, 4)))
    assert torch.autograd.gradcheck(lambda *x: gat_layer(*x, edges, 2), (h, W, a))
    gat_layer(1e3 * h, W, a, edges, 2).sum().backward()
    assert all(torch.isfinite(x.grad).all() for x in (h, W, a))


def test_module():
    """The module is the function plus a bias, with all its settings."""
    edges = torch.tensor(random_graph(7))
    for concat, width in ((True, 6), (False, 2)):
        layer = GATLayer(4, 2, heads=3, concat=concat, slope=0.1)
        torch.nn.init.constant_(layer.b, 0.5)
        h = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
        assert layer(h, edges).shape == (6, width)
        torch.testing.assert_close(layer(h, edges), gat_layer(h, layer.W, layer.a, edges, 3, concat, 0.1) + 0.5)


def test_errors_say_what_to_do():
    """Wrong shapes are named, with the size that would be right."""
    h, W, a = (x.numpy() for x in tensors(0, (6, 4), (6, 4), (3, 4)))
    edges = random_graph(0)
    assert message_of(ValueError, lambda: gat_layer(h, W, a, edges, 4)) == (
        "gat_layer: W has shape (6, 4), but it must be (heads F', F) with heads=4, F=4."
    )
    assert message_of(ValueError, lambda: gat_layer(h, W, a, edges, 2)) == (
        "gat_layer: a has shape (3, 4), but it must be (heads, 2 F') = (2, 6); the target's half comes first."
    )
    assert message_of(ValueError, lambda: gat_scores(h, W, a[0], edges)) == (
        "gat_scores: a has shape (4,), but W has F'=6 rows; a is (2 F',)."
    )
    assert "edges" in message_of(ValueError, lambda: gat_scores(h, W, np.ones(12), edges + 1))
    assert "W has dtype float32" in message_of(TypeError, lambda: gat_layer(h, W.astype(np.float32), a, edges, 3))
