"""Static attention, against all permutations, hand cases with ties, and the two score functions."""

from itertools import permutations

import numpy as np
import pytest
from oracle import message_of

from attn_core.graphs.gat import gat_scores
from attn_core.graphs.gatv2 import gatv2_scores
from attn_core.graphs.static_attention import is_static, shares_its_top


def by_permutations(scores):
    """Is there an order of the columns along which no row ever falls? All of them are tried."""
    return any((np.diff(scores[:, list(order)], axis=1) >= 0).all() for order in permutations(range(len(scores))))


@pytest.mark.parametrize("V", [1, 2, 3, 4, 5])
def test_it_agrees_with_all_permutations(V):
    """On small whole numbers, where ties abound, and on GAT-like tables with one entry changed, both verdicts occur."""
    rng, seen = np.random.default_rng(V), set()
    for trial in range(300):
        scores = rng.integers(0, 1 + trial % 3, (V, V)).astype(float)
        if trial % 2:
            scores = np.maximum(rng.integers(0, 4, (V, 1)) + rng.integers(0, 4, V) - 3.0, 0)
            scores[rng.integers(V), rng.integers(V)] += trial % 4
        assert is_static(scores) == by_permutations(scores), scores
        seen.add(is_static(scores))
    assert seen == ({True} if V == 1 else {True, False})


def test_ties_may_break_either_way():
    """A row that ties everywhere fits any order, and does not hide that two others contradict each other."""
    flat, up, down = [1.0, 1.0, 1.0], [1.0, 2.0, 3.0], [3.0, 2.0, 1.0]
    assert is_static(np.array([flat, up, up]))
    assert not is_static(np.array([up, flat, down]))
    assert not is_static(np.array([flat, down, up]))
    assert is_static(np.array([flat, flat, flat]))


def test_one_top_for_all_is_not_enough():
    """Rows that share the best column, but disagree further down, are not static; the diagonal counts too."""
    scores = np.array([[1.0, 2.0, 9.0], [2.0, 1.0, 9.0], [0.0, 0.0, 9.0]])
    assert shares_its_top(scores)
    assert not is_static(scores)
    assert not is_static(np.array([[0.0, 1.0], [1.0, 0.0]]))
    assert not shares_its_top(np.array([[0.0, 1.0], [1.0, 0.0]]))
    assert shares_its_top(np.array([[1.0, 1.0], [1.0, 0.0]]))


def test_values_are_compared_exactly():
    """The last bit decides; neither differences that underflow nor values whose difference overflows are lost."""
    one_up = np.nextafter(1.0, 2.0)
    assert not is_static(np.array([[1.0, one_up], [one_up, 1.0]]))
    assert not is_static(np.array([[5e-324, 0.0], [0.0, 5e-324]]))
    assert is_static(np.array([[-1.7e308, 1.7e308], [0.0, 0.0]]))
    assert not is_static(np.array([[0, 1e-7], [1e-7, 0]], dtype=np.float32))
    assert is_static(np.array([[one_up, 1.0, 1.0], [1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]))  # the columns' means are equal


@pytest.mark.parametrize("seed", range(20))
def test_gat_is_static_and_gatv2_need_not_be(seed):
    """GAT's scores are static for every node and weight, in floating point too; GATv2's are not, for most weights."""
    rng = np.random.default_rng(seed)
    V, F, out = 8, 4, 4
    edges = np.stack([np.tile(np.arange(V), V), np.repeat(np.arange(V), V)])
    h = rng.normal(size=(V, F))
    one = gat_scores(h, rng.normal(size=(out, F)), rng.normal(size=2 * out), edges).reshape(V, V)
    two = gatv2_scores(h, rng.normal(size=(out, 2 * F)), rng.normal(size=out), edges).reshape(V, V)
    assert is_static(one)
    assert shares_its_top(one)
    assert not is_static(two)


def test_result_and_errors():
    """The result is a Python bool, and the scores stay as they are; a table that is not square is named."""
    scores = np.array([[2.0, 1.0], [4.0, 3.0]])
    before = scores.copy()
    assert is_static(scores) is True
    assert shares_its_top(scores) is True
    assert (scores == before).all()
    assert message_of(ValueError, lambda: is_static(np.zeros((2, 3)))) == (
        "is_static: scores has shape (2, 3), but it must be (V, V); one row and one column per node."
    )
    assert "floating" in message_of(TypeError, lambda: is_static(np.zeros((2, 2), int)))
