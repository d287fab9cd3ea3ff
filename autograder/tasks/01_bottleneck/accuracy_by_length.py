"""bottleneck.accuracy_by_length: Accuracy per bucket of source lengths."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from attn_core.seq2seq.bottleneck import accuracy_by_length
from autograder.checking.draw import Draw
from autograder.checking.task import Task
from autograder.tasks.mistakes import Array

task = Task(
    "bottleneck.accuracy_by_length",
    reference=accuracy_by_length,
    kind="np",
    dtypes=("float64",),  # there are no floating inputs; the result is always float64
    lecture="01_bottleneck#accuracy-against-length",
    hints=(
        "Two edges make one bucket. Which lengths belong to it, and how many of those are correct?",
        "The lower edge belongs to the bucket, the upper one to the next. What is a share of nothing: 0, or not a number?",
        "For each k: inside = (edges[k] <= lengths) & (lengths < edges[k + 1]); the mean of correct[inside], or NaN if nothing is inside.",
    ),
)


def _case(draw: Draw, low: int = 1, high: int = 14, gap: int = 4) -> tuple[Array, ...]:
    """Lengths from low to high and edges in between, so that many lengths fall on an edge and some outside."""
    buckets = draw.size("K", 1, 6)
    edges = np.cumsum(draw.rng.integers(1, gap + 1, buckets + 1)) + draw.choice([-1, 0, 1, 2])
    draw.size("N", 1, 40)
    lengths = draw.rng.integers(low, high + 1, draw.shape("N"))
    on_edge = draw.rng.random(lengths.shape) < 0.3
    lengths = np.where(on_edge, draw.rng.choice(edges, lengths.shape), lengths)
    return lengths.clip(1).astype(np.int64), draw.rng.random(lengths.shape) < 0.6, edges.astype(np.int64)


@task.inputs
def _(draw: Draw) -> tuple[Array, ...]:
    return _case(draw)


@task.special("no length is in any bucket")
def _(draw: Draw) -> tuple[Array, ...]:
    lengths, correct, edges = _case(draw)
    below = (draw.rng.random(lengths.shape) < 0.5) & (edges[0] > 1)  # no sequence is shorter than 1
    return np.where(below, edges[0] - 1, edges[-1] + 2), correct, edges


@task.special("some buckets are empty", share=0.5)
def _(draw: Draw) -> tuple[Array, ...]:
    draw.size("K", 3, 6)
    lengths, correct, edges = _case(draw)
    return np.clip(lengths, edges[0], edges[1]), correct, edges


@task.special("a length on the last edge", share=0.2)
def _(draw: Draw) -> tuple[Array, ...]:
    lengths, correct, edges = _case(draw)
    return np.append(lengths, edges[-1]), np.append(correct, draw.flag()), edges


@task.special("every answer is correct", share=0.2)
def _(draw: Draw) -> tuple[Array, ...]:
    lengths, correct, edges = _case(draw)
    return lengths, np.ones_like(correct), edges


@task.special("no answer is correct", share=0.2)
def _(draw: Draw) -> tuple[Array, ...]:
    lengths, correct, edges = _case(draw)
    return lengths, np.zeros_like(correct), edges


def _around(draw: Draw, number: int) -> tuple[Array, ...]:
    """Edges on both sides of a number (the middle one is the number plus one), and lengths at and beside all of them."""
    steps = draw.rng.integers(1, 4, 2 * draw.size("half", 1, 3))
    edges = np.concatenate([[0], np.cumsum(steps)])
    edges = (edges - edges[len(steps) // 2] + number + 1).astype(np.int64)
    lengths = draw.rng.permutation(np.concatenate([edges - 1, edges, edges + 1]))
    return lengths, draw.rng.random(lengths.shape) < 0.6, edges


@task.special("lengths around 2²⁴ + 2¹⁵, odd ones among them", share=0.2)
def _(draw: Draw) -> tuple[Array, ...]:
    # no larger: a table with one entry per length is right, and must fit into memory
    return _around(draw, 2**24 + 2**15)  # float32 holds every second one; int16 turns negative in between


@task.special("lengths around 2¹⁶", share=0.2)
def _(draw: Draw) -> tuple[Array, ...]:
    return _around(draw, 2**16)  # 16 bits begin again in between


@task.special("hundreds of answers in one bucket, and lengths beyond 255", share=0.2)
def _(draw: Draw) -> tuple[Array, ...]:
    buckets = draw.size("K", 3, 5)
    edges = np.cumsum(draw.rng.integers(80, 121, buckets + 1)).astype(np.int64)
    k = draw.rng.integers(buckets)
    anywhere = draw.rng.integers(edges[0] - 5, edges[-1] + 6, 100)
    lengths = draw.rng.permutation(np.concatenate([anywhere, draw.rng.integers(edges[k], edges[k + 1], 400)]))
    return lengths, draw.rng.random(lengths.shape) < 0.8, edges


@task.property("every share lies between 0 and 1, or is NaN")
def _(_call: Any, _inputs: tuple[Array, ...], output: Array) -> str | None:
    outside = output[~np.isnan(output) & ((output < 0) | (output > 1))]
    return None if not outside.size else f"here one is {outside[0]:.3g}."


@task.property("the order of the answers does not matter")
def _(call: Any, inputs: tuple[Array, ...], output: Array) -> str | None:
    lengths, correct, edges = inputs
    turned = call(lengths[::-1].copy(), correct[::-1].copy(), edges)
    return (
        None if np.allclose(turned, output, equal_nan=True) else "here the same answers in reverse give another result."
    )


def _inside(lengths: Array, edges: Array) -> Array:
    return (edges[:-1, None] <= lengths) & (lengths < edges[1:, None])  # (K, N)


def _share(inside: Array, correct: Array, empty: float = np.nan) -> Array:
    count = inside.sum(1)
    return np.where(count == 0, empty, (inside & correct).sum(1) / np.maximum(count, 1))


@task.misconception(
    "counts the upper edge too, so that a length on an edge is in two buckets",
    ask="In how many buckets is a length that lies on an edge?",
)
def _(lengths: Array, correct: Array, edges: Array) -> Array:
    return _share((edges[:-1, None] <= lengths) & (lengths <= edges[1:, None]), correct)


@task.misconception("puts a length on an edge into the lower bucket", ask="Which of the two edges belongs to a bucket?")
def _(lengths: Array, correct: Array, edges: Array) -> Array:
    return _share((edges[:-1, None] < lengths) & (lengths <= edges[1:, None]), correct)


@task.misconception("leaves out both edges", ask="To which bucket does a length on its lower edge belong?")
def _(lengths: Array, correct: Array, edges: Array) -> Array:
    return _share((edges[:-1, None] < lengths) & (lengths < edges[1:, None]), correct)


@task.misconception(
    "counts the last edge in the last bucket, as np.histogram does",
    ask="What does np.histogram say about its last bin?",
)
def _(lengths: Array, correct: Array, edges: Array) -> Array:
    inside = _inside(lengths, edges)
    inside[-1] |= lengths == edges[-1]
    return _share(inside, correct)


@task.misconception("gives an empty bucket the accuracy 0", ask="Is a model that was never asked always wrong?")
def _(lengths: Array, correct: Array, edges: Array) -> Array:
    return _share(_inside(lengths, edges), correct, empty=0.0)


@task.misconception("gives an empty bucket the accuracy 1", ask="Is a model that was never asked always right?")
def _(lengths: Array, correct: Array, edges: Array) -> Array:
    return _share(_inside(lengths, edges), correct, empty=1.0)


@task.misconception("gives an empty bucket −1", ask="What would a mean over the buckets make of a −1?")
def _(lengths: Array, correct: Array, edges: Array) -> Array:
    return _share(_inside(lengths, edges), correct, empty=-1.0)


@task.misconception("leaves out empty buckets", ask="How many numbers does the task ask for, whatever the lengths are?")
def _(lengths: Array, correct: Array, edges: Array) -> Array:
    shares = _share(_inside(lengths, edges), correct)
    return shares[~np.isnan(shares)]


@task.misconception(
    "divides by the number of all answers", ask="Of what is it the share: of all answers, or of those in the bucket?"
)
def _(lengths: Array, correct: Array, edges: Array) -> Array:
    inside = _inside(lengths, edges)
    return np.where(inside.any(1), (inside & correct).sum(1) / len(lengths), np.nan)


@task.misconception(
    "divides by the number of all answers", ask="Of what is it the share: of all answers, or of those in the bucket?"
)
def _(lengths: Array, correct: Array, edges: Array) -> Array:
    return (_inside(lengths, edges) & correct).sum(1) / len(lengths)


@task.misconception(
    "gives the share of the correct answers that fall into the bucket",
    ask="Which number stands below the fraction line?",
)
def _(lengths: Array, correct: Array, edges: Array) -> Array:
    return (_inside(lengths, edges) & correct).sum(1) / np.float64(correct.sum())


@task.misconception("counts the correct answers instead of dividing", ask="Is the result a count or a share?")
def _(lengths: Array, correct: Array, edges: Array) -> Array:
    return (_inside(lengths, edges) & correct).sum(1).astype(np.float64)


@task.misconception("gives the share of wrong answers", ask="What does True mean in `correct`?")
def _(lengths: Array, correct: Array, edges: Array) -> Array:
    return _share(_inside(lengths, edges), ~correct)


@task.misconception("returns percent", ask="Which number is a share of one half?")
def _(lengths: Array, correct: Array, edges: Array) -> Array:
    return 100 * _share(_inside(lengths, edges), correct)


@task.misconception(
    "ignores the lower edge: each bucket holds all shorter lengths too", ask="May one answer count in two buckets?"
)
def _(lengths: Array, correct: Array, edges: Array) -> Array:
    return _share(lengths < edges[1:, None], correct)


@task.misconception(
    "ignores the upper edge: each bucket holds all longer lengths too", ask="May one answer count in two buckets?"
)
def _(lengths: Array, correct: Array, edges: Array) -> Array:
    return _share(lengths >= edges[:-1, None], correct)


def _clipped(lengths: Array, correct: Array, edges: Array, low: bool, high: bool) -> Array:
    inside = _inside(lengths, edges)
    inside[0] |= low & (lengths < edges[0])
    inside[-1] |= high & (lengths >= edges[-1])
    return _share(inside, correct)


@task.misconception(
    "puts lengths outside all buckets into the first and the last one",
    ask="What shall happen to a length that no bucket covers?",
)
def _(lengths: Array, correct: Array, edges: Array) -> Array:
    return _clipped(lengths, correct, edges, low=True, high=True)


@task.misconception(
    "puts lengths above the last edge into the last bucket", ask="What shall happen to a length that no bucket covers?"
)
def _(lengths: Array, correct: Array, edges: Array) -> Array:
    return _clipped(lengths, correct, edges, low=False, high=True)


@task.misconception(
    "puts lengths below the first edge into the first bucket",
    ask="What shall happen to a length that no bucket covers?",
)
def _(lengths: Array, correct: Array, edges: Array) -> Array:
    return _clipped(lengths, correct, edges, low=True, high=False)


@task.misconception(
    "lets lengths below the first edge wrap around into the last bucket", ask="What does index −1 mean in Python?"
)
def _(lengths: Array, correct: Array, edges: Array) -> Array:
    inside = _inside(lengths, edges)
    inside[-1] |= lengths < edges[0]
    return _share(inside, correct)


@task.misconception(
    "is off by one bucket: np.digitize and np.searchsorted count from 1 here",
    ask="Which number does np.digitize give a length below all edges?",
)
def _(lengths: Array, correct: Array, edges: Array) -> Array:
    where = np.digitize(lengths, edges)
    return _share(where == np.arange(len(edges) - 1)[:, None], correct)


@task.misconception("returns one number per edge, one too many", ask="How many buckets do three edges make?")
def _(lengths: Array, correct: Array, edges: Array) -> Array:
    return _share(_inside(lengths, np.append(edges, np.iinfo(np.int64).max)), correct)


@task.misconception("returns one number for all buckets together", ask="How many numbers does the task ask for?")
def _(lengths: Array, correct: Array, edges: Array) -> Array:
    inside = _inside(lengths, edges).any(0)
    return np.full(len(edges) - 1, correct[inside].mean() if inside.any() else np.nan)


@task.misconception(
    "makes buckets of equal width between the first and the last edge", ask="Are the edges in between used at all?"
)
def _(lengths: Array, correct: Array, edges: Array) -> Array:
    return _share(_inside(lengths, np.linspace(edges[0], edges[-1], len(edges))), correct)


@task.misconception(
    "makes buckets of equal width between the shortest and the longest length", ask="Are the edges used at all?"
)
def _(lengths: Array, correct: Array, edges: Array) -> Array:
    return _share(_inside(lengths, np.linspace(lengths.min(), lengths.max(), len(edges))), correct)


@task.misconception("divides whole numbers by //", ask="What is 2 // 3?")
def _(lengths: Array, correct: Array, edges: Array) -> Array:
    inside = _inside(lengths, edges)
    count = inside.sum(1)
    return np.where(count == 0, np.nan, (inside & correct).sum(1) // np.maximum(count, 1))


@task.misconception(
    "gives NaN where no answer is correct", ask="A bucket with three wrong answers: is its accuracy unknown?"
)
def _(lengths: Array, correct: Array, edges: Array) -> Array:
    shares = _share(_inside(lengths, edges), correct)
    return np.where(shares == 0, np.nan, shares)


@task.misconception(
    "takes the mean over the lengths of a bucket, whatever the number of answers of each length",
    ask="Nine answers have length 5 and one has length 6. How much should that one count?",
)
def _(lengths: Array, correct: Array, edges: Array) -> Array:
    values = np.unique(lengths)
    of_length = np.array([correct[lengths == value].mean() for value in values])
    inside = _inside(values, edges)
    count = inside.sum(1)
    return np.where(count == 0, np.nan, (inside * of_length).sum(1) / np.maximum(count, 1))


@task.misconception(
    "searches the edges among lengths that are not sorted",
    ask="What does np.searchsorted assume of its first argument?",
)
def _(lengths: Array, correct: Array, edges: Array) -> Array:
    cut: Array = np.searchsorted(lengths, edges)
    inside = (cut[:-1, None] <= np.arange(len(lengths))) & (np.arange(len(lengths)) < cut[1:, None])
    return _share(inside, correct)


@task.misconception(
    "sorts the lengths but not the answers that belong to them",
    ask="Which answer belongs to which length after the sort?",
)
def _(lengths: Array, correct: Array, edges: Array) -> Array:
    return _share(_inside(np.sort(lengths), edges), correct)


@task.misconception("lists the buckets from the last to the first", ask="Which bucket is number 0?")
def _(lengths: Array, correct: Array, edges: Array) -> Array:
    return _share(_inside(lengths, edges), correct)[::-1]


@task.misconception(
    "counts every length once, however many answers have it", ask="Two answers of the same length: do both count?"
)
def _(lengths: Array, correct: Array, edges: Array) -> Array:
    values, first = np.unique(lengths, return_index=True)
    return _share(_inside(values, edges), correct[first])


def _narrow(lengths: Array, correct: Array, edges: Array, dtype: str) -> Array:
    return _share(_inside(lengths.astype(dtype), edges.astype(dtype)), correct)


for _dtype in ("int8", "uint8", "int16", "uint16", "float16", "float32"):
    task.misconception(
        "squeezes the lengths into a dtype that does not hold them all",
        ask="Up to which number does your dtype hold every whole number?",
    )(partial(_narrow, dtype=_dtype))


def _small_sums(lengths: Array, correct: Array, edges: Array, dtype: str) -> Array:
    inside = _inside(lengths, edges)
    count = inside.sum(1)
    hits = (inside & correct).sum(1, dtype=dtype)
    return np.where(count == 0, np.nan, hits / np.maximum(count, 1))


for _dtype in ("int8", "uint8"):
    task.misconception(
        "counts in a dtype that overflows when a bucket holds many answers", ask="What is 127 + 1 in int8?"
    )(partial(_small_sums, dtype=_dtype))
