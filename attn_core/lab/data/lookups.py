"""Look-ups whose truth is known: a query names items, and the answer is what these items hold.

    query   "b, g"      items   a 0.3 · g −1.2 · b 0.7 · …      answer   0.7, −1.2

A name is one-hot and what an item holds is a vector of random numbers, so that no answer can be guessed. Items may have
several names, of different *kinds* (a letter, a colour, a place): `by=(0, 0)` asks for two items by the same kind of
name, `by=(0, 1)` for one by its first kind and for one by its second. The two are never the same item.

Origin: made up for this course. The same generator state gives the same look-ups.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Generator, Tensor


@dataclass(frozen=True)
class Lookups:
    """B queries side by side, each over its own items; all but `chosen` are float32."""

    query: "Tensor"  # (B, 1, width): the names asked for, one behind the other, then zeros
    items: "Tensor"  # (B, items, width): the names of an item, what it holds, then zeros
    answer: "Tensor"  # (B, asked, size): what the items asked for hold
    chosen: "Tensor"  # (B, asked), int64: where they stand

    def __len__(self) -> int:
        return len(self.query)


def lookups(
    count: int,
    generator: "Generator",
    by: Sequence[int] = (0, 0),
    items: int = 8,
    size: int = 4,
    width: int = 24,
) -> Lookups:
    """Draw `count` queries over `items` items that hold `size` numbers each; `by` gives the kind of each name asked for.

    Every kind has as many names as there are items, and every item has one of each. ValueError if more items are asked
    for than there are, or if names and numbers do not fit into `width` channels.
    """
    import torch

    asked, kinds = len(by), max(by) + 1
    if asked > items:
        raise ValueError(f"lookups: by asks for {asked} different items, but there are only {items}.")
    needed = max(kinds * items + size, asked * items)
    if needed > width:
        raise ValueError(f"lookups: width is {width}, but the names and numbers need {needed} channels.")

    def shuffled(rows: int) -> "Tensor":
        return torch.rand(count, rows, items, generator=generator).argsort(-1)

    names = shuffled(kinds)  # (B, kinds, items): the name that item j has in each kind
    held = torch.randn(count, items, size, generator=generator)
    chosen = shuffled(1)[:, 0, :asked]  # (B, asked)
    said = torch.stack([names[:, kind].gather(1, chosen[:, [slot]])[:, 0] for slot, kind in enumerate(by)], 1)
    letters = torch.eye(items)
    return Lookups(
        query=_padded(letters[said].flatten(1)[:, None], width),
        items=_padded(torch.cat([*letters[names].unbind(1), held], -1), width),
        answer=held[torch.arange(count)[:, None], chosen],
        chosen=chosen,
    )


def _padded(x: "Tensor", width: int) -> "Tensor":
    import torch

    return torch.nn.functional.pad(x, (0, width - x.shape[-1]))
