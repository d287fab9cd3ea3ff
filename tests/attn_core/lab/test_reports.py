"""The synthetic reports: what is drawn, what is known about it, and what is refused."""

import re
from collections import Counter

import pytest

from attn_core.lab.data.reports import FACT_WORDS, FINDINGS, NOISE, PLACES, REPORT_WORDS, STOP, facts_of, reports

MANY = reports(300, seed=0, facts=(1, 5), repeats=(0, 4), noise=0.4)


def test_the_same_seed_gives_the_same_reports():
    """A seed fixes the reports; another seed gives others; fewer of them are the first of many."""
    assert reports(20, seed=3) == reports(20, seed=3)
    assert reports(20, seed=3) != reports(20, seed=4)
    assert reports(5, seed=3) == reports(20, seed=3)[:5]


def test_words_are_told_apart_by_their_role():
    """No word is place, finding and noise at once, and the vocabularies hold every word that occurs."""
    assert len({*PLACES, *FINDINGS, *NOISE, STOP}) == len(PLACES) + len(FINDINGS) + len(NOISE) + 1
    assert {word for pair in MANY for word in pair.source} == set(REPORT_WORDS)
    assert {word for pair in MANY for word in pair.target} == set(FACT_WORDS)


def test_target_is_what_a_reader_would_write():
    """Read the source from left to right, note each new fact once: that is the target, for every report."""
    for pair in MANY:
        seen = dict.fromkeys(facts_of(pair.source))
        assert pair.target == tuple(word for fact in seen for word in fact)


def test_source_is_mentions_noise_and_one_stop():
    """A source is place + finding, any number of times, with at most one noise word before each, and a final stop."""
    kind = dict.fromkeys(PLACES, "P") | dict.fromkeys(FINDINGS, "F") | dict.fromkeys(NOISE, "n") | {STOP: "."}
    assert all(re.fullmatch(r"(n?PF)+\.", "".join(kind[word] for word in pair.source)) for pair in MANY)


def test_links_lead_to_every_mention_and_nowhere_else():
    """A target word is linked with exactly the source positions of this word within a mention of its own fact."""
    for pair in MANY:
        said = facts_of(pair.target)
        expected = {
            (2 * row + part, column + part)
            for row, fact in enumerate(said)
            for column in range(len(pair.source) - 1)
            if pair.source[column : column + 2] == fact
            for part in (0, 1)
        }
        assert pair.links == expected
        assert {row for row, _ in pair.links} == set(range(len(pair.target)))


def test_numbers_asked_for_are_numbers_drawn():
    """Numbers of facts and of repeated mentions are as asked for, and every one of the range occurs."""
    facts = Counter(len(pair.target) // 2 for pair in MANY)
    repeats = Counter(len(facts_of(pair.source)) - len(pair.target) // 2 for pair in MANY)
    assert set(facts) == {1, 2, 3, 4, 5}
    assert set(repeats) == {0, 1, 2, 3, 4}
    (exact,) = reports(1, seed=0, facts=3, repeats=2, noise=0)
    assert len(exact.target) == 6
    assert len(exact.source) == 2 * 5 + 1


def test_noise_has_the_share_that_was_asked_for():
    """No noise at 0, one word before every mention at 1, and about the share in between."""
    share = sum(w in NOISE for p in MANY for w in p.source) / sum(len(facts_of(p.source)) for p in MANY)
    assert 0.35 < share < 0.45
    assert not any(w in NOISE for p in reports(50, seed=1, noise=0) for w in p.source)
    assert all(p.source[0] in NOISE for p in reports(50, seed=1, noise=1))


def test_facts_are_read_as_place_and_finding():
    """A place without a finding at once behind it, a finding alone, and noise between the two state no fact."""
    assert facts_of([]) == facts_of(["heart"]) == facts_of(["large", "heart"]) == []
    assert facts_of(["heart", "um", "large"]) == []
    assert facts_of(["heart", "large", "small", "heart", "large"]) == [("heart", "large")] * 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"facts": 13}, "reports: facts goes up to 13, but there are only 12 places to report on."),
        ({"facts": 0}, "reports: facts is 0, but it must be a whole number of at least 1, or two in rising order."),
        (
            {"repeats": (3, 2)},
            "reports: repeats is (3, 2), but it must be a whole number of at least 0, or two in rising order.",
        ),
        ({"noise": 1.5}, "reports: noise is 1.5, but it must be a probability, from 0 to 1."),
    ],
)
def test_what_cannot_be_drawn_is_refused(options, message):
    """Numbers that make no sense are refused with a sentence, before anything is drawn."""
    with pytest.raises(ValueError, match="^" + re.escape(message) + "$"):
        reports(1, seed=0, **options)
