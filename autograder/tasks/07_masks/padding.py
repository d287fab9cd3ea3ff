"""masks.padding: Which keys of a padded batch are real."""

from __future__ import annotations

import torch

from attn_core.masks import padding_mask
from autograder.checking.draw import Draw
from autograder.checking.task import Task
from autograder.tasks.mistakes import Array, squeezes

task = Task(
    "masks.padding",
    reference=padding_mask,
    kind="torch",
    dtypes=("float64",),  # nothing in it is floating point
    lecture="07_masks#ragged-batches",
    hints=(
        "Position j of sequence b is real or not: one comparison of two numbers. Which two, and is it < or ≤ when positions count from 0?",
        "All comparisons at once are one comparison of a row of positions with a column of lengths. Which shapes make them stretch to (B, 1, n)?",
        "`torch.arange(n)` has shape (n,); `lengths[:, None, None]` has shape (B, 1, 1); compare the two with `<`.",
    ),
)


@task.inputs
def _(draw: Draw) -> tuple[Array, ...]:
    """Every length from 0 to n may occur, and the longest is usually shorter than n."""
    n = draw.size("n")
    return draw.integers("B", low=0, high=n), n


@task.special("an empty sequence", share=0.25)
def _(draw: Draw) -> tuple[Array, ...]:
    n = draw.size("n", 2, 6)
    lengths = draw.integers(draw.size("B", 2, 5), low=1, high=n)
    lengths[int(draw.rng.integers(len(lengths)))] = 0
    return lengths, n


@task.special("no padding at all")
def _(draw: Draw) -> tuple[Array, ...]:
    n = draw.size("n", 2, 6)
    return torch.full((draw.size("B", 1, 5),), n), n


@task.special("padding behind the longest sequence", share=0.25)
def _(draw: Draw) -> tuple[Array, ...]:
    n = draw.size("n", 3, 7)
    return draw.integers(draw.size("B", 1, 5), low=1, high=n - 2), n


@task.special("hundreds of positions", share=0.25)
def _(draw: Draw) -> tuple[Array, ...]:
    n = int(draw.rng.integers(300, 600))
    return draw.integers(draw.size("B", 2, 5), low=257, high=n), n


def _longer(lengths: Array, n: int) -> Array:
    """The right mask without its middle axis."""
    return torch.arange(n) < lengths[:, None]


@task.misconception(
    "is the wrong way round: True for padding", ask="What does True mean: may be attended to, or must be hidden?"
)
def _(lengths: Array, n: int) -> Array:
    return ~padding_mask(lengths, n)


@task.misconception(
    "leaves out the query axis: (B, n) instead of (B, 1, n)",
    ask="Against which axis of scores of shape (B, n, m) does a mask of shape (B, n) line up?",
)
def _(lengths: Array, n: int) -> Array:
    return _longer(lengths, n)


@task.misconception(
    "puts the new axis last: it masks queries instead of keys",
    ask="Which axis of the scores holds the keys, and along which one is softmax taken?",
)
def _(lengths: Array, n: int) -> Array:
    return _longer(lengths, n)[:, :, None]


@task.misconception(
    "puts the new axis first: (1, B, n) instead of (B, 1, n)", ask="Which axis of the scores counts the sequences?"
)
def _(lengths: Array, n: int) -> Array:
    return _longer(lengths, n)[None]


@task.misconception("has an axis for the heads too: (B, 1, 1, n)", ask="Which shape does the task ask for?")
def _(lengths: Array, n: int) -> Array:
    return padding_mask(lengths, n)[:, None]


@task.misconception(
    "repeats the mask for every query: (B, n, n) instead of (B, 1, n)",
    ask="Does what is padding depend on who asks, and what does a size of 1 do in broadcasting?",
)
def _(lengths: Array, n: int) -> Array:
    return padding_mask(lengths, n).expand(-1, n, -1)


@task.misconception(
    "hides padded queries as well: (B, n, n) instead of (B, 1, n)",
    ask="Which of the two, query or key, does a padding mask speak about?",
)
def _(lengths: Array, n: int) -> Array:
    return _longer(lengths, n)[:, :, None] & padding_mask(lengths, n)


@task.misconception(
    "takes one position too many for real (≤ instead of <)",
    ask="Positions count from 0: which is the last real one of a sequence of length 3?",
)
def _(lengths: Array, n: int) -> Array:
    return (torch.arange(n) <= lengths[:, None])[:, None]


@task.misconception(
    "takes one position too few for real",
    ask="Positions count from 0: which is the last real one of a sequence of length 3?",
)
def _(lengths: Array, n: int) -> Array:
    return (torch.arange(n) < lengths[:, None] - 1)[:, None]


@task.misconception(
    "expects the padding on the left", ask="Where do the real positions of a sequence stand here: first or last?"
)
def _(lengths: Array, n: int) -> Array:
    return (torch.arange(n) >= n - lengths[:, None])[:, None]


@task.misconception(
    "is the wrong way round, and off by one (> instead of <)",
    ask="What does True mean: may be attended to, or must be hidden?",
)
def _(lengths: Array, n: int) -> Array:
    return (torch.arange(n) > lengths[:, None])[:, None]


@task.misconception(
    "takes the number of padded positions for that of real ones",
    ask="What does a length count: what is real, or what was added?",
)
def _(lengths: Array, n: int) -> Array:
    return (torch.arange(n) < n - lengths[:, None])[:, None]


@task.misconception(
    "cuts off the padding by a slice from the end, which hides everything where nothing is padded",
    ask="Which entries do x[-k:] and x[:-k] name for k = 0?",
)
def _(lengths: Array, n: int) -> Array:
    return padding_mask(torch.where(lengths == n, 0, lengths), n)


@task.misconception("hides the first padded position only", ask="How many positions behind a sequence are padding?")
def _(lengths: Array, n: int) -> Array:
    return (torch.arange(n) != lengths[:, None])[:, None]


@task.misconception("hides nothing", ask="Which line of yours depends on the lengths?")
def _(lengths: Array, n: int) -> Array:
    return torch.ones(len(lengths), 1, n, dtype=torch.bool)


@task.misconception(
    "hides empty sequences only", ask="What does a length of 2 say, beyond that the sequence is not empty?"
)
def _(lengths: Array, n: int) -> Array:
    return (lengths != 0)[:, None, None].expand(-1, 1, n)


@task.misconception(
    "never takes the last position for real",
    ask="How long may a sequence be: n − 1, or n? What does its row hold then?",
)
def _(lengths: Array, n: int) -> Array:
    return padding_mask(lengths.clamp(max=n - 1), n)


@task.misconception(
    "makes one-hot vectors of n classes, in which a length of n has no place",
    ask="How many different lengths are there from 0 to n?",
)
def _(lengths: Array, n: int) -> Array:
    return (torch.nn.functional.one_hot(lengths, n).cumsum(-1) == 0)[:, None]


for _shape in ("n 1 B", "B 1 n"):

    @task.misconception(
        "has a row for each position and a column for each sequence",
        ask="Which of the two is a column when you compare, and which axis of the result does it then become?",
    )
    def _(lengths: Array, n: int, shape: str = _shape) -> Array:
        table = torch.arange(n)[:, None] < lengths
        return table[:, None] if shape == "n 1 B" else table.reshape(len(lengths), 1, n)


@task.misconception(
    "marks where padding begins instead of all that is real",
    ask="How many entries of a row are True for a sequence of length 3?",
)
def _(lengths: Array, n: int) -> Array:
    return (torch.arange(n) == lengths[:, None])[:, None]


@task.misconception(
    "marks only the last real position", ask="How many entries of a row are True for a sequence of length 3?"
)
def _(lengths: Array, n: int) -> Array:
    return (torch.arange(n) == lengths[:, None] - 1)[:, None]


@task.misconception(
    "is as wide as the longest sequence instead of n",
    ask="How many keys do the scores have, if the batch was padded to n?",
)
def _(lengths: Array, n: int) -> Array:  # noqa: ARG001 - ignoring n is the mistake
    return padding_mask(lengths, int(lengths.max()))


@task.misconception(
    "gives every sequence the length of the longest",
    ask="Which number decides what is real in a sequence: its own length, or its neighbour's?",
)
def _(lengths: Array, n: int) -> Array:
    return padding_mask(lengths.max().expand(len(lengths)), n)


@task.misconception(
    "gives every sequence the length of the first",
    ask="Which number decides what is real in a sequence: its own length, or its neighbour's?",
)
def _(lengths: Array, n: int) -> Array:
    return padding_mask(lengths[:1].expand(len(lengths)), n)


@task.misconception(
    "gives every sequence the length of the last",
    ask="Which number decides what is real in a sequence: its own length, or its neighbour's?",
)
def _(lengths: Array, n: int) -> Array:
    return padding_mask(lengths[-1:].expand(len(lengths)), n)


@task.misconception(
    "lets an empty sequence keep one position",
    ask="How many real positions has a sequence of length 0? What becomes of its row is the softmax's affair.",
)
def _(lengths: Array, n: int) -> Array:
    return padding_mask(lengths.clamp(min=1), n)


@task.misconception(
    "lets an empty sequence keep all positions",
    ask="How many real positions has a sequence of length 0? What becomes of its row is the softmax's affair.",
)
def _(lengths: Array, n: int) -> Array:
    return padding_mask(torch.where(lengths == 0, n, lengths), n)


for _dtype in (torch.float32, torch.float64, torch.int64, torch.int32, torch.uint8):

    @task.misconception(
        "returns ones and zeros instead of booleans",
        ask="What do `mask & other`, `~mask` and `scores.masked_fill(mask, …)` need? And what does a comparison return?",
    )
    def _(lengths: Array, n: int, dtype: torch.dtype = _dtype) -> Array:
        return padding_mask(lengths, n).to(dtype)


for _fill in (-torch.inf, -1e9):

    @task.misconception(
        "returns numbers to add to the scores instead of booleans",
        ask="Which of the two kinds of mask is asked for: one that is added, or one that says yes or no?",
    )
    def _(lengths: Array, n: int, fill: float = _fill) -> Array:
        return torch.zeros(len(lengths), 1, n).masked_fill(~padding_mask(lengths, n), fill)


@task.misconception(
    "counts in 8 bits, which end at 255", ask="Which dtype do your positions have, and what is its largest number?"
)
def _(lengths: Array, n: int) -> Array:
    return (torch.arange(n).to(torch.uint8) < lengths[:, None].to(torch.uint8))[:, None]


@task.misconception("sorts the sequences by length", ask="Which row of the mask belongs to sequence b?")
def _(lengths: Array, n: int) -> Array:
    return padding_mask(lengths.sort(descending=True).values, n)


squeezes(task)
