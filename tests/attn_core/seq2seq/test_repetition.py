"""Repetition and omission, against hand-worked cases and a definition written as slowly as possible."""

import random

import pytest
from oracle import message_of

from attn_core.seq2seq.repetition import Tally, repetition_rate, tally


@pytest.mark.parametrize(
    ("tokens", "n", "rate"),
    [
        ([], 1, 0.0),
        ([5], 1, 0.0),
        ([5], 2, 0.0),  # no n-gram at all
        ([1, 2, 3], 3, 0.0),
        ([1, 2, 3, 4], 1, 0.0),
        ([4, 4], 1, 1 / 2),
        ([4, 4, 4, 4], 1, 3 / 4),
        ([4, 4, 4, 4], 2, 2 / 3),  # overlapping bigrams count
        ([7, 8, 7, 8, 7], 2, 2 / 4),
        ([1, 2, 9, 1, 2], 2, 1 / 4),
        ([1, 2, 2, 1], 2, 0.0),  # the order within an n-gram matters
    ],
)
def test_by_hand(tokens, n, rate):
    """Short lists, counted on paper."""
    assert repetition_rate(tokens, n) == pytest.approx(rate)


def test_equals_the_definition():
    """For each n-gram: does any earlier position hold the same? The share of those that do."""
    rng = random.Random(0)
    for _ in range(300):
        tokens, n = [rng.randrange(3) for _ in range(rng.randrange(12))], rng.randrange(1, 5)
        positions = range(len(tokens) - n + 1)
        again = [any(tokens[i : i + n] == tokens[j : j + n] for j in range(i)) for i in positions]
        assert repetition_rate(tokens, n) == (sum(again) / len(again) if again else 0.0)


def test_all_alike_is_the_worst():
    """A list of one token has the highest rate, (m − 1)/m for m n-grams, and never 1: the first is no repetition."""
    for m in range(1, 20):
        assert repetition_rate([3] * m, 1) == (m - 1) / m < 1


def test_tokens_are_left_alone():
    """The list that is counted is not changed, and words do as well as numbers."""
    tokens = ["a", "b", "a"]
    assert repetition_rate(tokens, 1) == repetition_rate(tuple(tokens), 1) == 1 / 3
    assert tokens == ["a", "b", "a"]


def test_an_n_gram_has_a_token():
    """n below 1 is refused with a sentence."""
    expected = "repetition_rate: n is 0, but an n-gram has at least one token."
    assert message_of(ValueError, lambda: repetition_rate([1, 2], 0)) == expected


@pytest.mark.parametrize(
    ("said", "true", "counted"),
    [
        ("", "", Tally()),
        ("", "ab", Tally(true=2, omitted=2)),
        ("ab", "ab", Tally(said=2, true=2)),
        ("ba", "ab", Tally(said=2, true=2)),  # the order does not matter
        ("aaa", "ab", Tally(said=3, true=2, repeated=2, omitted=1)),
        ("xbx", "ab", Tally(said=3, true=2, repeated=1, omitted=1, invented=2)),
        ("a", "aa", Tally(said=1, true=1)),  # what is true twice is one truth
    ],
)
def test_tally_by_hand(said, true, counted):
    """Repeated, omitted and invented items, counted on paper."""
    assert tally(said, true) == counted


def test_rates_are_shares_and_nothing_is_zero():
    """Repetition and invention are shares of what was said, omission of what is true; no items give no division by 0."""
    counted = tally("aaxb", "abcd")
    assert (counted.repetition, counted.omission, counted.invention) == (1 / 4, 2 / 4, 1 / 4)
    assert (Tally().repetition, Tally().omission, Tally().invention) == (0.0, 0.0, 0.0)


def test_a_test_set_is_the_sum_of_its_texts():
    """Tallies add up count by count; the rate of the sum weighs long texts more, as it should."""
    total = tally("aa", "a") + tally("bcd", "bcde")
    assert total == Tally(said=5, true=5, repeated=1, omitted=1)
    assert total.repetition == 1 / 5
