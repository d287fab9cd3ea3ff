r"""Does a text repeat itself, and does it leave out what it should say? Two ways to count.

Formula
    repetition rate = n-grams that already occurred at an earlier position / (len(tokens) − n + 1)
    against a known truth, with `said` and `true` lists of items (facts, for example):
        repeated = items said that were said before,   their share of all items said
        omitted  = true items that were never said,    their share of all true items
        invented = items said that are not true,       their share of all items said
Shapes
    tokens, said, true: sequences of anything that can be compared and hashed
Cost
    one pass over the tokens with a set of what was seen
Errors
    ValueError if n is below 1
Source
    counts of duplicate n-grams as in See, Liu and Manning 2017, Get To The Point, figure 4
"""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass


def repetition_rate(tokens: Sequence[Hashable], n: int) -> float:
    """The share of the overlapping n-grams that already occurred at an earlier position; 0.0 if there are none.

    >>> repetition_rate([7, 8, 7, 8, 7], 2)
    0.5
    """
    if n < 1:
        raise ValueError(f"repetition_rate: n is {n}, but an n-gram has at least one token.")
    grams = [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
    return (len(grams) - len(set(grams))) / len(grams) if grams else 0.0


@dataclass(frozen=True)
class Tally:
    """What one text, or several together, said of what was true. Add tallies to count a whole test set."""

    said: int = 0
    true: int = 0
    repeated: int = 0
    omitted: int = 0
    invented: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.said + other.said,
            self.true + other.true,
            self.repeated + other.repeated,
            self.omitted + other.omitted,
            self.invented + other.invented,
        )

    @property
    def repetition(self) -> float:
        """The share of what was said that had been said before."""
        return self.repeated / self.said if self.said else 0.0

    @property
    def omission(self) -> float:
        """The share of what is true that was never said."""
        return self.omitted / self.true if self.true else 0.0

    @property
    def invention(self) -> float:
        """The share of what was said that is not true."""
        return self.invented / self.said if self.said else 0.0


def tally(said: Sequence[Hashable], true: Iterable[Hashable]) -> Tally:
    """Count what was said against what is true. An item that is not true counts as invented each time it is said.

    >>> tally(["a", "b", "a"], ["a", "b", "c", "d"])
    Tally(said=3, true=4, repeated=1, omitted=2, invented=0)
    """
    truth, spoken = set(true), set(said)
    return Tally(
        said=len(said),
        true=len(truth),
        repeated=len(said) - len(spoken),
        omitted=len(truth - spoken),
        invented=sum(item not in truth for item in said),
    )
