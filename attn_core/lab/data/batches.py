"""Pairs as padded tensors: the lengths say where the padding begins."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from attn_core.lab.data.pairs import Pair
from attn_core.lab.data.vocabulary import END, PAD, START, Vocabulary

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """B pairs side by side, all int64. Decoder step t reads target_in[:, t] and has to write target_out[:, t]."""

    source: "Tensor"  # (B, n), padded with PAD
    lengths: "Tensor"  # (B,), real source positions
    target_in: "Tensor"  # (B, T), START and then the target
    target_out: "Tensor"  # (B, T), the target and then END
    steps: "Tensor"  # (B,), real decoder steps, END included

    def __len__(self) -> int:
        return len(self.lengths)


def make_batch(pairs: Sequence[Pair], sources: Vocabulary, targets: Vocabulary) -> Batch:
    """All pairs in one batch, in their order. No pairs, or an empty source, raise ValueError."""
    if not pairs or not all(pair.source for pair in pairs):
        raise ValueError("make_batch: there must be at least one pair, and every source at least one symbol.")
    import torch

    source = [sources.encode(pair.source) for pair in pairs]
    target = [targets.encode(pair.target) for pair in pairs]
    return Batch(
        source=_padded(source),
        lengths=torch.tensor([len(row) for row in source]),
        target_in=_padded([[START, *row] for row in target]),
        target_out=_padded([[*row, END] for row in target]),
        steps=torch.tensor([len(row) + 1 for row in target]),
    )


def batches(
    pairs: Sequence[Pair], sources: Vocabulary, targets: Vocabulary, size: int = 128, seed: int = 0
) -> Iterator[Batch]:
    """Batches of `size` pairs without end: every pair once in a seeded order, then all again in another one.

    The rest of a round that does not fill a batch is left out of that round. Fewer pairs than `size` raise ValueError.
    """
    if not 1 <= size <= len(pairs):
        raise ValueError(f"batches: size is {size}, but it must be between 1 and the number of pairs, {len(pairs)}.")
    order, generator = list(range(len(pairs))), random.Random(seed)
    while True:
        generator.shuffle(order)
        for first in range(0, len(order) - size + 1, size):
            yield make_batch([pairs[i] for i in order[first : first + size]], sources, targets)


def _padded(rows: Sequence[Sequence[int]]) -> "Tensor":
    import torch

    width = max(len(row) for row in rows)
    return torch.tensor([[*row, *[PAD] * (width - len(row))] for row in rows])
