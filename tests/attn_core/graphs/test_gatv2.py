"""GATv2, against PyTorch Geometric, loops and hand-worked numbers."""

import numpy as np
import pytest
import torch
from graph_oracle import GATv2Conv, by_hand, leaky, random_graph, tensors
from oracle import FULL_KINDS, as_float64, make, message_of

from attn_core.graphs.gatv2 import GATv2Layer, gatv2_attention, gatv2_layer, gatv2_scores


@pytest.mark.parametrize("kind", FULL_KINDS)
def test_scores_by_hand(kind):
    """W = (2 | −1), a = 3: an edge from h=1 to h=2 has 2·2 − 1 = 3, score 9; back 2·1 − 2 = 0; 0.5 → 4's reverse is −3."""
    h, W, a = make([[1.0], [2.0], [0.0], [4.0]], kind), make([[2.0, -1.0]], kind), make([3.0], kind)
    edges = np.array([[0, 1, 3], [1, 0, 2]])
    scores = gatv2_scores(h, W, a, edges if kind.startswith("numpy") else torch.tensor(edges))
    assert as_float64(scores) == pytest.approx([9.0, 0.0, 3 * 0.2 * -4])
    assert scores.dtype == h.dtype


@pytest.mark.parametrize("seed", range(3))
def test_scores_equal_the_formula_edge_by_edge(seed):
    """aᵀ LeakyReLU(W[h_i ‖ h_j]) with the concatenation written out, target first, with another slope."""
    h, W, a = (x.numpy() for x in tensors(seed, (6, 4), (3, 8), (3,)))
    edges = random_graph(seed)
    hidden = [W @ np.concatenate([h[i], h[j]]) for j, i in edges.T]
    expected = [sum(w * leaky(x, 0.3) for w, x in zip(a, z, strict=True)) for z in hidden]
    np.testing.assert_allclose(gatv2_scores(h, W, a, edges, slope=0.3), expected, atol=1e-12)
    assert gatv2_scores(h, W, a, edges[:, :0]).shape == (0,)


@pytest.mark.parametrize("concat", [True, False])
@pytest.mark.parametrize("heads", [1, 3])
def test_layer_equals_the_formula_edge_by_edge(heads, concat):
    """Node by node, head by head, edge by edge; the values are the source's half of W times h."""
    h, W, a = (x.numpy() for x in tensors(heads, (6, 4), (heads * 2, 8), (heads, 2)))
    W_of = W.reshape(heads, 2, 8)

    def score(k, i, j):
        return sum(w * leaky(x, 0.2) for w, x in zip(a[k], W_of[k] @ np.concatenate([h[i], h[j]]), strict=True))

    edges = random_graph(heads)
    expected = by_hand(h, edges, score, lambda k, j: W_of[k, :, 4:] @ h[j], heads, concat)
    np.testing.assert_allclose(gatv2_layer(h, W, a, edges, heads, concat), expected, atol=1e-12)


@pytest.mark.parametrize("concat", [True, False])
@pytest.mark.parametrize("heads", [1, 3])
def test_layer_equals_torch_geometric(heads, concat):
    """Output and gradients are those of GATv2Conv, whose lin_r is our target half and lin_l our source half."""
    edges = torch.tensor(random_graph(heads))
    h, W, a = tensors(heads, (6, 4), (heads * 2, 8), (heads, 2))
    peer = GATv2Conv(4, 2, heads, concat=concat, bias=False).double()
    peer.lin_r.weight.data, peer.lin_l.weight.data = W[:, :4].clone(), W[:, 4:].clone()
    peer.att.data = a[None].clone()
    for x in (W, a):
        x.requires_grad_()
    out = gatv2_layer(h, W, a, edges, heads, concat)
    torch.testing.assert_close(out, peer(h, edges))
    out.square().sum().backward()
    peer(h, edges).square().sum().backward()
    torch.testing.assert_close(W.grad, torch.cat([peer.lin_r.weight.grad, peer.lin_l.weight.grad], dim=1))
    torch.testing.assert_close(a.grad, peer.att.grad[0])


def test_weights_sum_to_one_per_target():
    """Per target and head the weights sum to one; gradients equal finite differences."""
    edges = torch.tensor(random_graph(2))
    h, W, a = (x.requires_grad_() for x in tensors(2, (6, 3), (4, 6), (2, 2)))
    loops, weights, _ = gatv2_attention(h, W, a, edges, 2)
    totals = torch.zeros(6, 2, dtype=torch.float64).index_add(0, loops[1], weights)
    torch.testing.assert_close(totals, torch.ones_like(totals))
    assert torch.autograd.gradcheck(lambda *x: gatv2_layer(*x, edges, 2), (h, W, a))


def test_module():
    """The module is the function plus a bias, with all its settings."""
    edges = torch.tensor(random_graph(7))
    for concat, width in ((True, 6), (False, 2)):
        layer = GATv2Layer(4, 2, heads=3, concat=concat, slope=0.1)
        torch.nn.init.constant_(layer.b, 0.5)
        h = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
        assert layer(h, edges).shape == (6, width)
        torch.testing.assert_close(layer(h, edges), gatv2_layer(h, layer.W, layer.a, edges, 3, concat, 0.1) + 0.5)


def test_errors_say_what_to_do():
    """Wrong shapes are named, with the size that would be right."""
    h, W, a = (x.numpy() for x in tensors(0, (6, 4), (6, 8), (3, 2)))
    edges = random_graph(0)
    assert message_of(ValueError, lambda: gatv2_layer(h, W[:, :4], a, edges, 3)) == (
        "gatv2_layer: W has shape (6, 4), but it must be (heads F', 2F) with heads=3, 2F=8; the target's half comes first."
    )
    assert message_of(ValueError, lambda: gatv2_layer(h, W, a, edges, 2)) == (
        "gatv2_layer: a has shape (3, 2), but it must have F'=3 entries per head and heads=2."
    )
    assert message_of(ValueError, lambda: gatv2_scores(h, W, a[0], edges)).startswith(
        "gatv2_scores: a has shape (1, 2)"
    )
