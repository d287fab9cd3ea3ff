"""A pair to translate: a source, its target, and, where the truth is known, which source positions carry which target."""

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Pair:
    """Source and target as symbols (characters or words), and the true links (target position, source position).

    `links` is empty where nobody knows the truth. A link outside source or target raises ValueError.
    """

    source: tuple[str, ...]
    target: tuple[str, ...]
    links: frozenset[tuple[int, int]] = field(default=frozenset())

    def __post_init__(self) -> None:
        for row, column in self.links:
            if not (0 <= row < len(self.target) and 0 <= column < len(self.source)):
                raise ValueError(
                    f"Pair: the link ({row}, {column}) points outside {len(self.target)} target and "
                    f"{len(self.source)} source symbols; a link is (target position, source position), both from 0."
                )


def symbols(sequences: Iterable[Iterable[str]]) -> list[str]:
    """Every symbol that occurs, once and sorted: what a vocabulary is made of."""
    return sorted({symbol for sequence in sequences for symbol in sequence})
