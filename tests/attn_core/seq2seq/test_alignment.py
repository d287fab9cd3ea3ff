"""The alignment score on matrices whose score is known, and the error rate on links counted by hand."""

import numpy as np
import pytest
import torch
from oracle import message_of

from attn_core.lab.data import dates
from attn_core.seq2seq.alignment import alignment_error_rate, alignment_score, hard_links, uniform_score

DIAGONAL = {(0, 0), (1, 1), (2, 2)}


def test_perfect_and_wholly_wrong_weights():
    """All weight on the links scores 1, none of it 0, in NumPy and in torch."""
    for identity in (np.eye(3), torch.eye(3)):
        assert alignment_score(identity, DIAGONAL) == 1.0
        assert alignment_score(identity, {(0, 1), (1, 2), (2, 0)}) == 0.0


def test_two_rows_by_hand():
    """Row 0 has 0.2 + 0.3 on its two links, row 2 has 0.7 on its one; row 1 has no link and does not count."""
    weights = np.array([[0.2, 0.3, 0.5], [1.0, 0.0, 0.0], [0.1, 0.2, 0.7]])
    assert alignment_score(weights, {(0, 0), (0, 1), (2, 2)}) == pytest.approx((0.5 + 0.7) / 2)
    assert alignment_score(weights, {(0, 0), (0, 1), (2, 2)}, rows=[0, 1]) == pytest.approx(0.5)


def test_uniform_weights_score_the_baseline():
    """A reader that looks everywhere alike gets the share of the linked positions, on real links and in every field."""
    for pair in dates(5, seed=0):
        weights = np.full((len(pair.target), len(pair.source)), 1 / len(pair.source))
        for rows in (None, range(4), (5, 6), (8, 9)):
            assert alignment_score(weights, pair.links, rows) == pytest.approx(uniform_score(weights, pair.links, rows))


def test_score_of_links_made_from_a_date():
    """Weights that are spread over exactly the linked characters score 1."""
    pair = dates(1, seed=3)[0]
    weights = np.zeros((len(pair.target), len(pair.source)))
    for i, j in pair.links:
        weights[i, j] = 1.0
    rows = weights.sum(1) > 0
    weights[rows] /= weights[rows].sum(1, keepdims=True)
    assert alignment_score(weights, pair.links) == pytest.approx(1.0)
    assert all((i, j) in pair.links for i, j in hard_links(weights) if rows[i])


def test_hard_links_take_the_largest_weight():
    """One link per row; the first of equals."""
    assert hard_links(torch.tensor([[0.2, 0.8], [0.5, 0.5]])) == {(0, 1), (1, 0)}


def test_error_rate_by_hand():
    """4 predicted, 3 sure, 1 more possible: 1 − (2 + 3) / (4 + 3)."""
    predicted, sure = {(0, 0), (1, 1), (2, 3), (3, 0)}, {(0, 0), (1, 1), (2, 2)}
    assert alignment_error_rate(predicted, sure, sure | {(2, 3)}) == pytest.approx(2 / 7)


def test_error_rate_at_its_limits():
    """0 for the truth, 1 for nothing right; a possible link neither helps nor hurts when all sure ones are there."""
    assert alignment_error_rate(DIAGONAL, DIAGONAL) == 0.0
    assert alignment_error_rate({(0, 1)}, DIAGONAL) == 1.0
    assert alignment_error_rate(DIAGONAL | {(0, 1)}, DIAGONAL, DIAGONAL | {(0, 1)}) == 0.0


def test_errors_are_sentences():
    """What does not fit is named."""
    assert message_of(ValueError, lambda: alignment_score(np.eye(2), {(0, 2)})) == (
        "alignment_score: the link (0, 2) lies outside the weights of shape (2, 2)."
    )
    assert message_of(ValueError, lambda: alignment_score(np.eye(2), set())) == (
        "alignment_score: no link lies in these rows, but the truth must be known to compare with it."
    )
    assert message_of(ValueError, lambda: hard_links(np.zeros(2))) == (
        "alignment_score: weights have shape (2,), but they must be (T, n)."
    )
    assert message_of(ValueError, lambda: alignment_error_rate({(0, 0)}, set())) == (
        "alignment_error_rate: sure is empty, but there must be a true link to compare with."
    )
    assert message_of(ValueError, lambda: alignment_error_rate(set(), {(0, 0)}, {(1, 1)})) == (
        "alignment_error_rate: the sure link (0, 0) is not among the possible links; add it."
    )
