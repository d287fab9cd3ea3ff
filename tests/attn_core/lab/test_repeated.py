"""The repeated blocks: what can be known, and that nothing else can."""

import re
from collections import Counter
from itertools import pairwise

import pytest
import torch

from attn_core.lab.data import repeated


def generator(seed=0):
    """A seeded generator."""
    return torch.Generator().manual_seed(seed)


MANY = repeated(600, generator())


def test_every_word_stood_one_period_earlier():
    """From the second round on each word is the one that stood a period before; `copied` marks exactly these."""
    for tokens, copied, period in zip(MANY.tokens.tolist(), MANY.copied.tolist(), MANY.periods.tolist(), strict=True):
        assert tokens[period:] == tokens[:-period]
        assert copied == [False] * period + [True] * (24 - period)


def test_within_a_period_no_word_occurs_twice():
    """So every word has one successor, and finding it once is enough."""
    for tokens, period in zip(MANY.tokens.tolist(), MANY.periods.tolist(), strict=True):
        assert len(set(tokens[:period])) == period


def test_all_periods_and_all_words_occur_about_equally_often():
    """Periods 5 to 10 and words 0 to 15 are drawn evenly, so neither can be guessed."""
    periods, words = Counter(MANY.periods.tolist()), Counter(MANY.tokens.flatten().tolist())
    assert set(periods) == set(range(5, 11))
    assert set(words) == set(range(16))
    assert min(periods.values()) > 70
    assert max(words.values()) < 1.3 * min(words.values())


def test_the_word_before_does_not_tell_the_next_one():
    """Over many sequences every word is followed by every other one: no fixed table of successors helps."""
    pairs = {(a, b) for row in MANY.tokens.tolist() for a, b in pairwise(row)}
    assert len(pairs) == 16 * 15


def test_the_same_generator_state_gives_the_same_sequences():
    """A seed fixes the draw, another gives another; torch's global state is not touched."""
    before = torch.random.get_rng_state()
    assert torch.equal(repeated(9, generator(4)).tokens, repeated(9, generator(4)).tokens)
    assert not torch.equal(repeated(9, generator(4)).tokens, repeated(9, generator(5)).tokens)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_sizes_are_those_asked_for():
    """Length, number of words and a single period come out as asked for."""
    batch = repeated(7, generator(), length=9, words=3, periods=(3, 3))
    assert batch.tokens.shape == batch.copied.shape == (7, 9)
    assert len(batch) == 7
    assert set(batch.tokens.flatten().tolist()) == {0, 1, 2}
    assert set(batch.periods.tolist()) == {3}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"periods": (5, 17)}, "repeated: periods are (5, 17), but they must rise and lie between 1 and words=16."),
        ({"periods": (6, 5)}, "repeated: periods are (6, 5), but they must rise and lie between 1 and words=16."),
        ({"periods": (0, 5)}, "repeated: periods are (0, 5), but they must rise and lie between 1 and words=16."),
        ({"length": 10}, "repeated: the longest period is 10, but nothing is repeated within length=10."),
    ],
)
def test_what_cannot_be_drawn_is_refused(options, message):
    """Periods that make no sense are refused with a sentence."""
    with pytest.raises(ValueError, match="^" + re.escape(message) + "$"):
        repeated(1, generator(), **options)
