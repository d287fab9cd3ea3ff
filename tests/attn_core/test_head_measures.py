"""The measures of a head: on heads whose habit is known, against loops, and under the masks they are used with."""

import math

import numpy as np
import pytest
import torch
from oracle import FULL_KINDS, as_float64, make, message_of

from attn_core import apply_mask, causal_mask, softmax
from attn_core.head_measures import (
    attention_entropy,
    attention_on,
    diagonal_score,
    induction_places,
    previous_token_score,
    sink_score,
)

POSITIONAL = [previous_token_score, diagonal_score, sink_score, attention_entropy]


def rows_of_weights(*shape, seed=0):
    """Random rows that sum to one."""
    return np.random.default_rng(seed).dirichlet(np.ones(shape[-1]), shape[:-1])


def uniform(n, m=None):
    """One head that reads all keys it may see alike."""
    return softmax(apply_mask(np.zeros((1, n, m or n)), causal_mask(n, m)))


@pytest.mark.parametrize("kind", FULL_KINDS)
def test_by_hand(kind):
    """Three queries over three keys, every share added up on paper; the dtype and the library are kept."""
    weights = make([[[1, 0, 0], [0.25, 0.75, 0], [0.5, 0.125, 0.375]]], kind)
    expected = {previous_token_score: 0.1875, diagonal_score: 2.125 / 3, sink_score: 0.375}
    for measure, value in expected.items():
        assert as_float64(measure(weights)) == pytest.approx([value])
        assert measure(weights).dtype == weights.dtype
    entropies = [0.0, 0.25 * math.log(4) + 0.75 * math.log(4 / 3)]
    entropies.append(0.5 * math.log(2) + 0.125 * math.log(8) + 0.375 * math.log(8 / 3))
    assert as_float64(attention_entropy(weights)) == pytest.approx([sum(entropies) / 3], rel=1e-6)


def test_heads_with_one_habit_get_one_and_the_others_zero():
    """A pure previous-token, diagonal and sink head, side by side: each measure knows its own."""
    previous, diagonal, sink = np.eye(6, k=-1), np.eye(6), np.zeros((6, 6))
    previous[0, 0] = 1
    sink[:, 0] = 1
    weights = np.stack([previous, diagonal, sink])
    assert previous_token_score(weights).tolist() == [1, 0, 0.2]  # the sink is the key before query 1
    assert diagonal_score(weights).tolist() == pytest.approx([1 / 6, 1, 1 / 6])
    assert sink_score(weights).tolist() == pytest.approx([0.2, 0, 1])
    assert attention_entropy(weights).tolist() == [0, 0, 0]


def test_uniform_causal_attention_is_the_baseline():
    """Query i sees i + 1 keys: mean of 1/(i + 1) over the queries that count, and mean of ln (i + 1)."""
    shares = [1 / (i + 1) for i in range(24)]
    assert previous_token_score(uniform(24)) == pytest.approx([sum(shares[1:]) / 23])
    assert sink_score(uniform(24)) == pytest.approx([sum(shares[1:]) / 23])
    assert diagonal_score(uniform(24)) == pytest.approx([sum(shares) / 24])
    assert attention_entropy(uniform(24)) == pytest.approx([sum(math.log(i + 1) for i in range(24)) / 24])


@pytest.mark.parametrize(("n", "m"), [(1, 5), (3, 5), (5, 5), (5, 3)])
def test_positions_are_aligned_at_the_last_key(n, m):
    """With n queries over m keys the last query stands at the last key, as in causal_mask: a loop over positions agrees."""
    weights = rows_of_weights(2, n, m, seed=n * m)
    place = [i + m - n for i in range(n)]
    before = [weights[:, i, p - 1] for i, p in enumerate(place) if p >= 1]
    own = [weights[:, i, p] for i, p in enumerate(place) if p >= 0]
    first = [weights[:, i, 0] for i, p in enumerate(place) if p != 0]
    np.testing.assert_allclose(previous_token_score(weights), np.mean(before, 0))
    np.testing.assert_allclose(diagonal_score(weights), np.mean(own, 0))
    np.testing.assert_allclose(sink_score(weights), np.mean(first, 0))


def test_sink_can_be_any_key_and_its_own_query_does_not_count():
    """The query that stands on the sink may have no other choice, so it is left out."""
    weights = rows_of_weights(1, 4, 4, seed=1)
    for sink in range(4):
        rows = [i for i in range(4) if i != sink]
        np.testing.assert_allclose(sink_score(weights, sink), weights[:, rows, sink].mean(1))


@pytest.mark.parametrize("measure", POSITIONAL)
@pytest.mark.parametrize("batch", [(), (3,), (2, 3)])
def test_batch_axes_are_kept(measure, batch):
    """Every sequence is measured by itself, for any number of batch axes."""
    weights = rows_of_weights(*batch, 2, 4, 4, seed=2)
    scores = measure(weights)
    assert scores.shape == (*batch, 2)
    for index in np.ndindex(*batch):
        np.testing.assert_allclose(scores[index], measure(weights[index]))


def test_score_on_places_equals_a_loop():
    """Mean over the queries that have a marked key, per sequence and head; places are stretched over heads and batch."""
    weights = rows_of_weights(2, 3, 5, 4, seed=3)
    places = np.random.default_rng(3).random((2, 1, 5, 4)) < 0.3
    places[:, :, 2] = False
    scores = attention_on(weights, places)
    for b in range(2):
        rows = [i for i in range(5) if places[b, 0, i].any()]
        for h in range(3):
            assert scores[b, h] == pytest.approx(np.mean([weights[b, h, i, places[b, 0, i]].sum() for i in rows]))
    np.testing.assert_allclose(attention_on(weights, np.ones((5, 4), dtype=bool)), 1)


def test_induction_places_equal_the_definition():
    """j is marked for i if and only if 1 ≤ j ≤ i and the token before j is the token at i."""
    tokens = np.random.default_rng(4).integers(0, 5, (6, 12))
    places = induction_places(tokens)
    assert places.shape == (6, 1, 12, 12)
    for b, i, j in np.ndindex(6, 12, 12):
        assert places[b, 0, i, j] == (1 <= j <= i and tokens[b, j - 1] == tokens[b, i])


def test_a_repeated_token_may_look_at_itself_only_if_its_twin_stands_before_it():
    """In 5 5 the second 5 is marked: it followed a 5. The first sees nothing, and the last token is no predecessor."""
    assert induction_places(np.array([5, 5]))[0].tolist() == [[False, False], [False, True]]
    assert not induction_places(np.array([1, 2, 3])).any()
    assert not induction_places(np.array([3, 1, 3]))[0, 0].any()


def test_numpy_and_torch_agree():
    """The same numbers from both libraries, for every measure."""
    weights, tokens = rows_of_weights(2, 3, 6, 6, seed=5), np.random.default_rng(5).integers(0, 3, (2, 6))
    places = induction_places(tokens)
    assert (induction_places(torch.tensor(tokens)).numpy() == places).all()
    np.testing.assert_allclose(
        attention_on(torch.tensor(weights), torch.tensor(places)).numpy(), attention_on(weights, places)
    )
    for measure in POSITIONAL:
        np.testing.assert_allclose(measure(torch.tensor(weights)).numpy(), measure(weights))


def test_entropy_lies_between_one_key_and_all_keys():
    """0 for one-hot rows and for empty ones, ln m for uniform ones, in between otherwise."""
    assert attention_entropy(np.eye(5)[None]).tolist() == [0]
    assert attention_entropy(np.zeros((1, 3, 4))).tolist() == [0]
    assert attention_entropy(np.full((1, 3, 4), 0.25)) == pytest.approx([math.log(4)])
    assert (attention_entropy(rows_of_weights(20, 1, 3, 4)) < math.log(4)).all()


WEIGHTS = rows_of_weights(1, 3, 3)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: attention_on(WEIGHTS, np.zeros((3, 3), dtype=bool)),
            ValueError,
            "attention_on: places mark no key for any query of some head, so there is nothing to average.",
        ),
        (
            lambda: previous_token_score(np.ones((1, 1, 1))),
            ValueError,
            "attention_on: places mark no key for any query of some head, so there is nothing to average.",
        ),
        (
            lambda: sink_score(WEIGHTS, 3),
            ValueError,
            "sink_score: sink is 3, but the keys are 0 to 2.",
        ),
        (
            lambda: sink_score(WEIGHTS, -1),
            ValueError,
            "sink_score: sink is -1, but the keys are 0 to 2.",
        ),
        (
            lambda: diagonal_score(np.ones((3, 3))),
            ValueError,
            "diagonal_score: weights has shape (3, 3), but it must be (..., heads, n, m); heads is the number of heads, n is "
            "the number of queries, or of source positions in a recurrent model, m is the number of keys, and of values.",
        ),
        (
            lambda: induction_places(np.array([1.0, 2.0])),
            TypeError,
            "induction_places: tokens has dtype float64, but it must be whole numbers.",
        ),
    ],
)
def test_what_does_not_fit_is_refused(call, error, message):
    """Wrong shapes, dtypes and sinks raise, with a sentence that names the argument."""
    assert message_of(error, call) == message
