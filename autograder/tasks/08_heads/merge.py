"""heads.merge: The heads of a token one behind the other again."""

from __future__ import annotations

import torch

from attn_core.heads import merge_heads
from autograder.checking.draw import Draw
from autograder.checking.task import Task
from autograder.tasks.mistakes import Array

task = Task(
    "heads.merge",
    reference=merge_heads,
    kind="torch",
    lecture="08_heads#split-and-merge",
    hints=(
        "Undo the split backwards: which of its two steps came last?",
        "Before two axes can become one, they must be neighbours, in the right order: which axis has to stand between n and the channels of a head?",
        "`x.transpose(1, 2)` is (B, n, heads, d/heads); then `.reshape(B, n, -1)`. A view will not do: after a transpose the numbers "
        "no longer lie in the order of the axes.",
    ),
)


@task.inputs
def _(draw: Draw) -> tuple[Array]:
    draw.size("B", 1, 4)
    draw.size("heads", 1, 8)
    draw.size("d/heads", 1, 8)
    return (draw.array("B", "heads", "n", "d/heads"),)


def _of_sizes(draw: Draw, **fixed: int) -> tuple[Array]:
    """An ordinary input, some of whose sizes are fixed."""
    draw.sizes |= {name.replace("size", "d/heads"): size for name, size in fixed.items()}
    for letter in ("B", "heads", "n", "d/heads"):
        draw.size(letter, 2, 5)
    return (draw.array("B", "heads", "n", "d/heads"),)


@task.special("one head", share=0.2)
def _(draw: Draw) -> tuple[Array]:
    return _of_sizes(draw, heads=1)


@task.special("heads of one channel each", share=0.2)
def _(draw: Draw) -> tuple[Array]:
    return _of_sizes(draw, size=1)


@task.special("one token", share=0.2)
def _(draw: Draw) -> tuple[Array]:
    return _of_sizes(draw, n=1)


@task.special("as many heads as tokens", share=0.2)
def _(draw: Draw) -> tuple[Array]:
    size = draw.size("heads", 2, 5)
    return _of_sizes(draw, n=size)


@task.special("as many heads as channels per head", share=0.2)
def _(draw: Draw) -> tuple[Array]:
    size = draw.size("heads", 2, 5)
    return _of_sizes(draw, size=size)


@task.property("another number in one token changes that token of the result, and no other")
def _(call: Array, inputs: tuple[Array], _output: Array) -> str | None:
    (x,) = inputs
    other = x.clone()
    other[:, :, -1] += 1
    moved = (call(other) != call(x)).any(dim=-1)  # (B, n)
    return "here a change of the last token reaches an earlier one." if moved[..., :-1].any() else None


@task.misconception(
    "reshapes without bringing heads and channels together, which mixes tokens",
    ask="Which two axes become one? Are they neighbours in (B, heads, n, d/heads)?",
)
def _(x: Array) -> Array:
    B, heads, n, size = x.shape
    return x.reshape(B, n, heads * size)


@task.misconception(
    "deals the channels out in turn: first channel 0 of every head, then channel 1",
    ask="In the result, which number follows the first channel of head 0: its second one, or the first of head 1?",
)
def _(x: Array) -> Array:
    return x.permute(0, 2, 3, 1).flatten(2)


@task.misconception(
    "exchanges tokens and channels instead of heads and tokens",
    ask="Which two axes did the split exchange?",
)
def _(x: Array) -> Array:
    B, heads, n, size = x.shape
    return x.transpose(2, 3).reshape(B, n, heads * size)


@task.misconception(
    "exchanges heads and channels instead of heads and tokens", ask="Which two axes did the split exchange?"
)
def _(x: Array) -> Array:
    B, heads, n, size = x.shape
    return x.transpose(1, 3).reshape(B, n, heads * size)


@task.misconception("adds the heads up", ask="How many numbers per token go in, and how many must come out?")
def _(x: Array) -> Array:
    return x.sum(1)


@task.misconception("averages the heads", ask="How many numbers per token go in, and how many must come out?")
def _(x: Array) -> Array:
    return x.mean(1)


@task.misconception(
    "sets the heads one behind the other along the tokens: (B, heads · n, d/heads)",
    ask="Along which axis are the heads of one token joined?",
)
def _(x: Array) -> Array:
    return x.flatten(1, 2)


@task.misconception(
    "moves the tokens to the front, but leaves heads and channels as two axes",
    ask="How many axes had x before it was split?",
)
def _(x: Array) -> Array:
    return x.transpose(1, 2)


@task.misconception("joins the heads from the last to the first", ask="Which head owned the first channels?")
def _(x: Array) -> Array:
    return merge_heads(x.flip(1))


@task.misconception("puts the tokens last: (B, heads · d/heads, n)", ask="Which axis comes last in (B, n, d)?")
def _(x: Array) -> Array:
    return merge_heads(x).transpose(1, 2)


@task.misconception("keeps the first head only", ask="How many channels did a token have before it was split?")
def _(x: Array) -> Array:
    return x[:, 0]


@task.misconception(
    "divides by the number of heads", ask="The split changed no number. Does its inverse have to change any?"
)
def _(x: Array) -> Array:
    return merge_heads(x) / x.shape[1]


@task.misconception(
    "mixes the sequences of a batch",
    ask="Which axis of the result comes first, the batch or the tokens?",
)
def _(x: Array) -> Array:
    B, heads, n, size = x.shape
    return x.permute(2, 0, 1, 3).reshape(B, n, heads * size)


@task.misconception("puts the tokens before the batch: (n, B, d)", ask="Which axis of the result comes first?")
def _(x: Array) -> Array:
    return merge_heads(x).transpose(0, 1)


@task.misconception(
    "gives every sequence the heads of the first one", ask="Which sequence of the batch does x[0] belong to?"
)
def _(x: Array) -> Array:
    return merge_heads(x[:1].expand_as(x))


@task.misconception("detaches the heads from the graph", ask="How would a gradient then reach W_v?")
def _(x: Array) -> Array:
    return merge_heads(x).detach()


@task.misconception(
    "keeps the largest head of each channel", ask="How many numbers per token go in, and how many must come out?"
)
def _(x: Array) -> Array:
    return torch.amax(x, 1)
