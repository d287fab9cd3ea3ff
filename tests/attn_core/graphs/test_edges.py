"""Self-loops, sums and softmax over edge lists, against loops, a dense masked softmax and limit cases."""

import numpy as np
import pytest
import torch
from oracle import FULL_KINDS, as_float64, make, message_of

from attn_core.graphs.edges import edge_softmax, scatter_sum, with_self_loops
from attn_core.masks import apply_mask
from attn_core.softmax import softmax


def whole(values, kind):
    """Whole numbers in the library of this kind."""
    array = np.asarray(values, np.int64)
    return array if kind.startswith("numpy") else torch.tensor(array)


@pytest.mark.parametrize("kind", FULL_KINDS)
def test_by_hand(kind):
    """Three edges into node 1 in proportion 1:2:1, one into node 0, none into node 2; the dtype is kept."""
    scores, targets = make(np.log([1.0, 5.0, 2.0, 1.0]), kind), whole([1, 0, 1, 1], kind)
    weights = edge_softmax(scores, targets, 3)
    assert as_float64(weights) == pytest.approx([0.25, 1, 0.5, 0.25])
    assert as_float64(scatter_sum(scores, targets, 3)) == pytest.approx([np.log(5), np.log(2), 0], abs=1e-6)
    assert weights.dtype == scores.dtype


@pytest.mark.parametrize("kind", FULL_KINDS)
def test_no_edges_at_all(kind):
    """Without edges there are no weights, and every sum is zero."""
    none, targets = make(np.zeros(0), kind), whole([], kind)
    assert edge_softmax(none, targets, 4).shape == (0,)
    assert as_float64(scatter_sum(none, targets, 4)).tolist() == [0, 0, 0, 0]
    assert with_self_loops(whole(np.zeros((2, 0)), kind), 3).tolist() == [[0, 1, 2]] * 2


@pytest.mark.parametrize("kind", ["numpy float64", "torch float64"])
def test_self_loops_are_dropped_then_added_once(kind):
    """Given self-loops, even repeated, give way to one per node; a repeated edge stays as often as it is given."""
    edges = whole([[0, 0, 2, 2, 0], [1, 0, 2, 2, 1]], kind)
    kept = edges.copy() if kind.startswith("numpy") else edges.clone()
    assert with_self_loops(edges, 4).tolist() == [[0, 0, 0, 1, 2, 3], [1, 1, 0, 1, 2, 3]]
    assert (edges == kept).all()


@pytest.mark.parametrize("kind", ["numpy float64", "torch float64"])
def test_a_repeated_target_is_summed_not_overwritten(kind):
    """Five edges into one node add up: an assignment by index would keep the last."""
    assert as_float64(scatter_sum(make(np.ones((5, 2)), kind), whole([1] * 5, kind), 2)).tolist() == [[0, 0], [5, 5]]


@pytest.mark.parametrize("seed", range(5))
def test_softmax_equals_a_dense_softmax_with_a_mask(seed):
    """On edges that are all different, it is the masked softmax of the table of scores, read at the edges."""
    rng = np.random.default_rng(seed)
    mask = rng.random((6, 6)) < 0.4
    targets, sources = mask.nonzero()
    shuffle = rng.permutation(len(targets))
    table = rng.normal(size=(6, 6)) * 3
    weights = edge_softmax(table[targets, sources][shuffle], targets[shuffle], 6)
    np.testing.assert_allclose(weights, softmax(apply_mask(table, mask))[targets, sources][shuffle], atol=1e-14)


@pytest.mark.parametrize("kind", FULL_KINDS)
def test_scores_far_apart_do_no_harm(kind):
    """Each target has its own maximum: one at +30000 and one at −30000 both have weights that sum to one."""
    scores = make([30000.0, 30001.0, -30000.0, -30001.0], kind)
    weights = as_float64(edge_softmax(scores, whole([0, 0, 1, 1], kind), 2))
    assert weights == pytest.approx([0.268941, 0.731059, 0.731059, 0.268941], abs=1e-3)


def test_order_of_the_edges_does_not_matter():
    """A permutation of the edges permutes the weights."""
    rng = np.random.default_rng(0)
    scores, targets, order = rng.normal(size=20), rng.integers(0, 5, 20), rng.permutation(20)
    np.testing.assert_allclose(
        edge_softmax(scores[order], targets[order], 5), edge_softmax(scores, targets, 5)[order], atol=1e-15
    )


def test_heads_are_independent():
    """Further axes are heads: each column is the softmax of that column alone."""
    rng = np.random.default_rng(1)
    scores, targets = rng.normal(size=(20, 3)), rng.integers(0, 5, 20)
    for head in range(3):
        np.testing.assert_allclose(
            edge_softmax(scores, targets, 5)[:, head], edge_softmax(scores[:, head], targets, 5), atol=1e-15
        )


def test_gradients_equal_finite_differences():
    """The maximum takes no part in the backward pass, and the rest agrees with finite differences; ties included."""
    targets = torch.tensor([2, 0, 2, 2, 0])
    scores = torch.tensor([0.3, 1.0, 0.3, -0.5, -1.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda s: edge_softmax(s, targets, 4), scores)
    assert torch.autograd.gradcheck(lambda s: scatter_sum(s, targets, 4), scores)


def test_errors_say_what_to_do():
    """Wrong edges, targets and dtypes are named."""
    ones, three = np.ones(3), np.array([0, 1, 2])
    assert message_of(ValueError, lambda: with_self_loops(np.array([[0, 1, 2]]), 3)) == (
        "with_self_loops: edges has shape (1, 3), but it must be (2, E); row 0 holds the sources, row 1 the targets."
    )
    assert message_of(ValueError, lambda: with_self_loops(np.array([[0], [3]]), 3)) == (
        "with_self_loops: edges has an entry 3, but every node must be between 0 and V − 1 = 2; nodes are numbered from 0."
    )
    assert message_of(ValueError, lambda: edge_softmax(ones, np.array([0, -1, 1]), 3)) == (
        "edge_softmax: targets has an entry -1, but every node must be between 0 and V − 1 = 2; nodes are numbered from 0."
    )
    assert message_of(ValueError, lambda: scatter_sum(ones, three[:2], 3)) == (
        "scatter_sum: targets has shape (2,), but values have shape (3,); there is one target per edge."
    )
    assert message_of(TypeError, lambda: edge_softmax(ones, ones, 3)) == (
        "edge_softmax: targets has dtype float64, but it must be whole numbers."
    )
    assert "convert one of them" in message_of(TypeError, lambda: edge_softmax(ones, torch.tensor(three), 3))
