"""Synthetic reports: somebody dictates facts, repeats some of them and says words that mean nothing; what is it in short?

    heart large um liver clear heart large .   →   heart large liver clear

The target names each fact once, in the order of the first mention. So the truth is known: which facts there are, and
every place in the source where each of them stands. What a model repeats, omits or invents can be counted.

Origin: made up for this course; drawn from the small vocabulary below, no real report is behind it. The same seed
gives the same reports. Words of the source: `REPORT_WORDS`; of the target: `FACT_WORDS`.
"""

import random
from collections.abc import Sequence
from itertools import pairwise

from attn_core.lab.data.pairs import Pair

PLACES = ("heart", "liver", "spleen", "lung", "kidney", "spine", "knee", "hip", "skull", "bowel", "hand", "neck")
FINDINGS = ("large", "small", "clear", "dark")
NOISE = ("um", "well", "see", "also", "now", "right", "so", "then")
STOP = "."  # the last word of every source

FACT_WORDS = (*PLACES, *FINDINGS)
REPORT_WORDS = (*FACT_WORDS, *NOISE, STOP)


def reports(
    count: int,
    seed: int,
    facts: int | tuple[int, int] = (2, 4),
    repeats: int | tuple[int, int] = (0, 2),
    noise: float = 0.25,
) -> list[Pair]:
    """Draw `count` reports of so many different facts, so many mentions that repeat one, and a share of noise words.

    A fact is a place and a finding; no report has one place twice with different findings. `facts` and `repeats` are
    numbers, or (lowest, highest) to draw from. `noise` is the probability of a noise word before each mention. The
    links of a target word lead to all source positions where its fact is mentioned.
    """
    low, high = _range("facts", facts, 1)
    if high > len(PLACES):
        raise ValueError(f"reports: facts goes up to {high}, but there are only {len(PLACES)} places to report on.")
    fewest, most = _range("repeats", repeats, 0)
    if not 0 <= noise <= 1:
        raise ValueError(f"reports: noise is {noise}, but it must be a probability, from 0 to 1.")
    rng = random.Random(seed)
    return [_report(rng, rng.randint(low, high), rng.randint(fewest, most), noise) for _ in range(count)]


def facts_of(words: Sequence[str]) -> list[tuple[str, str]]:
    """The facts that a target states, in order: each place that is followed at once by a finding.

    >>> facts_of(["heart", "large", "liver", "liver", "clear"])
    [('heart', 'large'), ('liver', 'clear')]
    """
    return [(a, b) for a, b in pairwise(words) if a in PLACES and b in FINDINGS]


def _range(name: str, value: int | tuple[int, int], least: int) -> tuple[int, int]:
    low, high = (value, value) if isinstance(value, int) else value
    if not least <= low <= high:
        raise ValueError(
            f"reports: {name} is {value}, but it must be a whole number of at least {least}, or two in rising order."
        )
    return low, high


def _report(rng: random.Random, facts: int, repeats: int, noise: float) -> Pair:
    stated = [(place, rng.choice(FINDINGS)) for place in rng.sample(PLACES, facts)]
    mentions = list(range(facts))
    for _ in range(repeats):  # anywhere behind the first mention, so the order of first mentions stays
        repeated = rng.randrange(facts)
        mentions.insert(rng.randint(mentions.index(repeated) + 1, len(mentions)), repeated)
    source: list[str] = []
    links = set()
    for fact in mentions:
        if rng.random() < noise:
            source.append(rng.choice(NOISE))
        links |= {(2 * fact, len(source)), (2 * fact + 1, len(source) + 1)}
        source.extend(stated[fact])
    return Pair((*source, STOP), tuple(word for fact in stated for word in fact), frozenset(links))
