"""A block of random words, said again and again: who has understood that can predict every word from the second round on.

    d b f a e | d b f a e | d b f a …

No word is likelier than another, and the period differs from sequence to sequence. So neither the word before nor the
position tells what comes next: one has to find the place where the present word stood before, and read what came then.

Origin: made up for this course. The same generator state gives the same sequences.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Generator, Tensor


@dataclass(frozen=True)
class Repeated:
    """B sequences of n words, each with its own period."""

    tokens: "Tensor"  # (B, n), int64, from 0 to words − 1
    copied: "Tensor"  # (B, n), boolean: this word stood one period earlier, so it can be known
    periods: "Tensor"  # (B,), int64

    def __len__(self) -> int:
        return len(self.tokens)


def repeated(
    count: int, generator: "Generator", length: int = 24, words: int = 16, periods: tuple[int, int] = (5, 10)
) -> Repeated:
    """Draw `count` sequences; within a period no word occurs twice, so each word has one successor.

    `periods` is (shortest, longest). ValueError if the longest needs more words than there are, or if it is the whole
    length, so that nothing is said twice.
    """
    import torch

    low, high = periods
    if not 1 <= low <= high <= words:
        raise ValueError(f"repeated: periods are {periods}, but they must rise and lie between 1 and words={words}.")
    if high >= length:
        raise ValueError(f"repeated: the longest period is {high}, but nothing is repeated within length={length}.")
    period = torch.randint(low, high + 1, (count,), generator=generator)
    block = torch.rand(count, words, generator=generator).argsort(-1)  # (B, words): an order without repetition
    place = torch.arange(length)
    return Repeated(
        tokens=block.gather(1, place % period[:, None]),
        copied=place >= period[:, None],
        periods=period,
    )
