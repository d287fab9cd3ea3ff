"""masks.segment: Which tokens of packed sequences may see each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from attn_core.masks import segment_mask
from autograder.checking.draw import Draw
from autograder.checking.task import Task
from autograder.tasks.mistakes import Array, squeezes

task = Task(
    "masks.segment",
    reference=segment_mask,
    kind="torch",
    dtypes=("float64",),  # nothing in it is floating point
    lecture="07_masks#packing",
    hints=(
        "Two tokens may see each other if a comparison of their two ids says so. Then padding: its ids are equal to each other too.",
        "Ids in a column, (B, n, 1), against ids in a row, (B, 1, n). Which entries of the result would still let padding see, or be seen?",
        "`same = ids[:, :, None] == ids[:, None, :]`, and then `same & (ids != 0)[:, :, None]`: if the ids are equal and one is not 0, neither is.",
    ),
)


@task.inputs
def _(draw: Draw) -> tuple[Array, ...]:
    """Few ids, in any order: equal ones next to each other and apart, padding at any place."""
    B, n = draw.size("B"), draw.size("n", 1, None)
    if n == 1 or draw.flag(0.5):
        return (draw.integers("B", "n", low=0, high=draw.choice([1, 2, 3])),)
    return (_packed(draw, B, n),)


def _packed(draw: Draw, B: int, n: int) -> Array:
    """Rows as a packer writes them: 1 1 1 2 2 3 0 0."""
    rows = np.sort(draw.rng.integers(0, 3, (B, n)), axis=1) + 1
    lengths = draw.rng.integers(1, n + 1, B)
    return draw.give(np.where(np.arange(n) < lengths[:, None], rows, 0))


@task.special("as a packer writes them")
def _(draw: Draw) -> tuple[Array, ...]:
    return (_packed(draw, draw.size("B", 1, 4), draw.size("n", 5, 8)),)


@task.special("padding in front and in between", share=0.25)
def _(draw: Draw) -> tuple[Array, ...]:
    B = draw.size("B", 1, 4)
    rows = [draw.rng.permutation([0, 1, 1, 0, 2, 2]) for _ in range(B)]
    return (draw.give(np.stack([np.concatenate([[0], row, [1]]) for row in rows])),)


@task.special("a segment that comes back", share=0.25)
def _(draw: Draw) -> tuple[Array, ...]:
    a, b = draw.choice([(1, 2), (2, 1), (3, 7)])
    rows = [[a, *[b] * k, a, a, b] for k in draw.rng.integers(1, 3, draw.size("B", 1, 4))]
    width = max(map(len, rows))
    return (draw.give(np.array([row + [0] * (width - len(row)) for row in rows])),)


@task.special("no padding")
def _(draw: Draw) -> tuple[Array, ...]:
    return (draw.integers(draw.size("B", 1, 4), draw.size("n", 3, 7), low=1, high=3),)


@task.special("nothing but padding", share=0.25)
def _(draw: Draw) -> tuple[Array, ...]:
    ids = draw.integers(draw.size("B", 2, 4), draw.size("n", 2, 6), low=0, high=2)
    ids[int(draw.rng.integers(len(ids)))] = 0
    return (ids,)


@task.special("a batch of nothing but padding", share=0.25)
def _(draw: Draw) -> tuple[Array, ...]:
    return (torch.zeros(draw.size("B", 1, 3), draw.size("n", 1, 5), dtype=torch.int64),)


@task.special("ids that are no neighbours", share=0.25)
def _(draw: Draw) -> tuple[Array, ...]:
    ids = draw.integers(draw.size("B", 1, 4), draw.size("n", 4, 7), low=0, high=3)
    return (torch.tensor(draw.choice([[0, 2, 9, 300], [0, 256, 512, 257], [0, 5, 10, 40]]))[ids],)


@task.special("ids as large as document numbers", share=0.25)
def _(draw: Draw) -> tuple[Array, ...]:
    """Neighbours that float64 cannot tell apart, nor float32; 0, 1, 0 and 1 in 32 bits; 0 if two of them are multiplied."""
    ids = draw.integers(draw.size("B", 1, 4), draw.size("n", 5, 8), low=0, high=4)
    ids[:, 1:5] = torch.tensor([1, 2, 3, 4])
    return (torch.tensor([0, 2**53, 2**53 + 1, 2**54, 2**32 + 1])[ids],)


def _same(ids: Array) -> Array:
    return ids[:, :, None] == ids[:, None, :]


def _real(ids: Array) -> Array:
    """Neither is padding."""
    return (ids != 0)[:, :, None] & (ids != 0)[:, None, :]


PADDING = "Which ids are equal to 0? May padding see padding?"


@task.misconception("lets padding see padding", ask=PADDING)
def _(ids: Array) -> Array:
    return _same(ids)


@task.misconception(
    "lets every token see itself, padding too", ask="What shall a padded query see, and what shall it get?"
)
def _(ids: Array) -> Array:
    return segment_mask(ids) | torch.eye(ids.shape[1], dtype=torch.bool)


@task.misconception(
    "hides from every token itself",
    ask="May a token attend to its own position? What is left in a segment of one token?",
)
def _(ids: Array) -> Array:
    return segment_mask(ids) & ~torch.eye(ids.shape[1], dtype=torch.bool)


@task.misconception(
    "hides padding as a key but lets it see",
    ask="Which row of the mask belongs to a padded query, and what should stand in it?",
)
def _(ids: Array) -> Array:
    return (_same(ids) | (ids == 0)[:, :, None]) & (ids != 0)[:, None, :]


@task.misconception(
    "hides padding as a query but lets it be seen",
    ask="Which column of the mask belongs to a padded key, and what should stand in it?",
)
def _(ids: Array) -> Array:
    return (_same(ids) | (ids == 0)[:, None, :]) & (ids != 0)[:, :, None]


@task.misconception("lets padding be seen by everyone and see everyone", ask=PADDING)
def _(ids: Array) -> Array:
    return _same(ids) | ~_real(ids)


@task.misconception("lets everyone see padding", ask=PADDING)
def _(ids: Array) -> Array:
    return _same(ids) | (ids == 0)[:, None, :]


@task.misconception("lets padding see everyone", ask=PADDING)
def _(ids: Array) -> Array:
    return _same(ids) | (ids == 0)[:, :, None]


@task.misconception(
    "looks at padding only: every real token sees every other",
    ask="May a token see a token of another sequence in the same row?",
)
def _(ids: Array) -> Array:
    return _real(ids)


@task.misconception(
    "hides only padded keys: every query sees every real token",
    ask="May a token see a token of another sequence in the same row?",
)
def _(ids: Array) -> Array:
    return (ids != 0)[:, None, :].expand(-1, ids.shape[1], -1)


@task.misconception(
    "is the wrong way round: True for tokens of other segments",
    ask="What does True mean: may be attended to, or must be hidden?",
)
def _(ids: Array) -> Array:
    return ~segment_mask(ids)


OTHERS = (
    "shows tokens of other segments and hides those of the own",
    "What does True mean: may be attended to, or must be hidden?",
)


@task.misconception(OTHERS[0], ask=OTHERS[1])
def _(ids: Array) -> Array:
    return ~_same(ids) & _real(ids)


@task.misconception(OTHERS[0], ask=OTHERS[1])
def _(ids: Array) -> Array:
    return ~_same(ids) & (ids != 0)[:, None, :]


@task.misconception(OTHERS[0], ask=OTHERS[1])
def _(ids: Array) -> Array:
    return ~_same(ids) & (ids != 0)[:, :, None]


@task.misconception(
    "takes a segment that comes back for a new one",
    ask="The ids are 1, 2, 1: are the first and the last token of one segment or of two?",
)
def _(ids: Array) -> Array:
    runs = torch.cat([torch.zeros_like(ids[:, :1]), (ids.diff() != 0).cumsum(1)], 1)
    return _same(runs) & _real(ids)


@task.misconception(
    "compares with the neighbouring tokens only", ask="May the first token of a segment of five see the last?"
)
def _(ids: Array) -> Array:
    near = (torch.arange(ids.shape[1])[:, None] - torch.arange(ids.shape[1])).abs() <= 1
    return segment_mask(ids) & near


@task.misconception(
    "lets segments see earlier ones (≤ or ≥ instead of ==)",
    ask="Does the number of a segment say anything but which one it is?",
)
def _(ids: Array) -> Array:
    return (ids[:, :, None] >= ids[:, None, :]) & _real(ids)


@task.misconception(
    "lets segments see later ones (≤ or ≥ instead of ==)",
    ask="Does the number of a segment say anything but which one it is?",
)
def _(ids: Array) -> Array:
    return (ids[:, :, None] <= ids[:, None, :]) & _real(ids)


@task.misconception("lets segments with neighbouring ids see each other", ask="Are segments 1 and 2 one sequence?")
def _(ids: Array) -> Array:
    return ((ids[:, :, None] - ids[:, None, :]).abs() <= 1) & _real(ids)


@task.misconception(
    "is causal as well",
    ask="Does the task ask that the future be hidden? How do you combine two masks where both are wanted?",
)
def _(ids: Array) -> Array:
    return segment_mask(ids).tril()


@task.misconception("takes id 1 for padding", ask="Which id is padding?")
def _(ids: Array) -> Array:
    return _same(ids) & (ids > 1)[:, :, None]


@task.misconception("takes id 1 for padding, and 0 for a segment", ask="Which id is padding?")
def _(ids: Array) -> Array:
    return _same(ids) & (ids != 1)[:, :, None]


@task.misconception("takes the largest id for padding", ask="Which id is padding?")
def _(ids: Array) -> Array:
    return _same(ids) & (ids != ids.max())[:, :, None]


@task.misconception("takes the smallest id for padding", ask="Which id is padding? Must it occur?")
def _(ids: Array) -> Array:
    return _same(ids) & (ids != ids.min())[:, :, None]


@task.misconception("takes the id of the last token for padding", ask="Which id is padding? Must every row have some?")
def _(ids: Array) -> Array:
    return _same(ids) & (ids != ids[:, -1:])[:, :, None]


@task.misconception(
    "takes only the zeros at the end for padding", ask="May padding stand in front, or between two segments?"
)
def _(ids: Array) -> Array:
    before_end = ids.flip(1).cumsum(1).flip(1) > 0
    return _same(ids) & before_end[:, :, None] & before_end[:, None, :]


@task.misconception("compares with the first row of the batch", ask="Whose ids decide what a token of row b may see?")
def _(ids: Array) -> Array:
    return segment_mask(ids[:1]).expand(len(ids), -1, -1)


@task.misconception(
    "compares each token with the whole batch", ask="Which axes has the result, and which of them is the batch?"
)
def _(ids: Array) -> Array:
    return ids[:, None, :] == ids[None, :, :]


@task.misconception(
    "compares each token with the whole batch", ask="Which axes has the result, and which of them is the batch?"
)
def _(ids: Array) -> Array:
    return (ids[:, None, :] == ids[None, :, :]) & (ids != 0)


@task.misconception(
    "flattens the batch: every token meets the tokens of all rows", ask="Which shape is asked for? May rows meet?"
)
def _(ids: Array) -> Array:
    return segment_mask(ids.reshape(1, -1))[0]


@task.misconception("returns one mask for the whole batch", ask="Are all rows of a batch packed alike?")
def _(ids: Array) -> Array:
    return segment_mask(ids).all(0)


@task.misconception("has an axis for the heads too: (B, 1, n, n)", ask="Which shape does the task ask for?")
def _(ids: Array) -> Array:
    return segment_mask(ids)[:, None]


@task.misconception(
    "returns what is padding instead: (B, 1, n)",
    ask="How many rows has the mask of n queries that may not all see the same?",
)
def _(ids: Array) -> Array:
    return (ids != 0)[:, None]


for _square in (True, False):

    @task.misconception(
        "multiplies ids, which overflows 64 bits", ask="What is 2⁵³ · 2⁵³ in int64? Which operators cannot overflow?"
    )
    def _(ids: Array, square: bool = _square) -> Array:
        product = ids[:, :, None] * ids[:, None, :]
        if square:
            return (product == ids[:, :, None] ** 2) & (ids != 0)[:, :, None]
        return _same(ids) & (product != 0)


NARROW = (
    "compares in fewer than 64 bits, which cannot tell large ids apart",
    "What is 2⁵³ in 32 bits, and 257 in 8? Why convert whole numbers at all?",
)

for _bits in (torch.int32, torch.int16, torch.int8, torch.uint8):

    @task.misconception(NARROW[0], ask=NARROW[1])
    def _(ids: Array, bits: torch.dtype = _bits) -> Array:
        return segment_mask(ids.to(bits).clamp(min=0))

    for _padded in (slice(None), None), (None, slice(None)):

        @task.misconception(NARROW[0], ask=NARROW[1])
        def _(ids: Array, bits: torch.dtype = _bits, padded: Any = _padded) -> Array:
            return _same(ids.to(bits)) & (ids != 0)[:, *padded]


for _real_of in (torch.Tensor.double, torch.Tensor.float):

    @task.misconception(
        "compares as floating point, which cannot tell large ids apart",
        ask="What is float64(2⁵³ + 1), and float32(2²⁴ + 1)? Why convert whole numbers at all?",
    )
    def _(ids: Array, convert: Any = _real_of) -> Array:
        return _same(convert(ids)) & (ids != 0)[:, :, None]


@task.misconception(
    "compares products: two ids whose product is a square number are not the same",
    ask="Which two different ids have the same product with each other as 2 · 2?",
)
def _(ids: Array) -> Array:
    product = ids[:, :, None] * ids[:, None, :]
    return (product.double().sqrt() % 1 == 0) & (product != 0)


for _dtype in (torch.float32, torch.float64, torch.int64, torch.int32, torch.uint8):

    @task.misconception(
        "returns ones and zeros instead of booleans",
        ask="What do `mask & other`, `~mask` and `scores.masked_fill(mask, …)` need? And what does a comparison return?",
    )
    def _(ids: Array, dtype: torch.dtype = _dtype) -> Array:
        return segment_mask(ids).to(dtype)


for _fill in (-torch.inf, -1e9):

    @task.misconception(
        "returns numbers to add to the scores instead of booleans",
        ask="Which of the two kinds of mask is asked for: one that is added, or one that says yes or no?",
    )
    def _(ids: Array, fill: float = _fill) -> Array:
        return torch.zeros(segment_mask(ids).shape).masked_fill(~segment_mask(ids), fill)


squeezes(task)
