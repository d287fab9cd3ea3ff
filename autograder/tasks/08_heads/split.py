"""heads.split: Every head gets its own channels of every token."""

from __future__ import annotations

import torch

from attn_core.heads import split_heads
from autograder.checking.draw import Draw
from autograder.checking.task import Task
from autograder.tasks.mistakes import Array

task = Task(
    "heads.split",
    reference=split_heads,
    kind="torch",
    lecture="08_heads#split-and-merge",
    hints=(
        "Write the two tokens [1, 2, 3, 4] and [5, 6, 7, 8] one below the other. Which four numbers belong to head 0?",
        "The d channels of a token lie next to each other in memory, so they can be split where they stand: first one axis becomes two. "
        "Only then may axes change places. And what if heads does not divide d?",
        "`x.reshape(B, n, heads, d // heads).transpose(1, 2)`; before it, `if d % heads: raise ValueError(...)` with `heads` in the message.",
    ),
)


@task.inputs
def _(draw: Draw) -> tuple[Array, int]:
    draw.size("B", 1, 4)
    return _tokens(draw, heads=draw.size("heads", 1, 8))


def _tokens(draw: Draw, heads: int) -> tuple[Array, int]:
    return draw.array("B", "n", heads * draw.size("d/heads", 1, 8)), heads


@task.special("one head", share=0.2)
def _(draw: Draw) -> tuple[Array, int]:
    draw.size("B", 2, 4)
    return _tokens(draw, heads=1)


@task.special("heads of one channel each", share=0.2)
def _(draw: Draw) -> tuple[Array, int]:
    draw.size("B", 2, 4)
    draw.size("n", 2, 5)
    draw.sizes["d/heads"] = 1
    return _tokens(draw, heads=draw.size("heads", 2, 7))


@task.special("one token", share=0.2)
def _(draw: Draw) -> tuple[Array, int]:
    draw.sizes["n"] = 1
    return _tokens(draw, heads=draw.size("heads", 2, 5))


@task.special("as many heads as tokens", share=0.2)
def _(draw: Draw) -> tuple[Array, int]:
    heads = draw.sizes["n"] = draw.size("heads", 2, 5)
    draw.size("d/heads", 2, 6)
    return _tokens(draw, heads)


@task.special("as many heads as channels per head", share=0.2)
def _(draw: Draw) -> tuple[Array, int]:
    heads = draw.sizes["d/heads"] = draw.size("heads", 2, 5)
    return _tokens(draw, heads)


@task.error("7 channels for 2 heads", ValueError, naming="heads")
def _(draw: Draw) -> tuple[Array, int]:
    return draw.array(2, 3, 7), 2


@task.error("6 channels for 4 heads", ValueError, naming="heads")
def _(draw: Draw) -> tuple[Array, int]:
    return draw.array(2, 4, 6), 4


@task.error("3 channels for 5 heads, more than there are channels", ValueError, naming="heads")
def _(draw: Draw) -> tuple[Array, int]:
    return draw.array(1, 5, 3), 5


@task.error(
    "9 channels for 6 heads, and twice as many tokens, so that the numbers could be shared out", ValueError, "heads"
)
def _(draw: Draw) -> tuple[Array, int]:
    return draw.array(2, 12, 9), 6


@task.property("another number in one token changes what the heads hold of that token, and of no other")
def _(call: Array, inputs: tuple[Array, int], _output: Array) -> str | None:
    x, heads = inputs
    other = x.clone()
    other[:, -1] += 1
    moved = (call(other, heads) != call(x, heads)).any(dim=-1)  # (B, heads, n)
    strangers = moved[..., :-1].any()
    return "here a change of the last token reaches the place of an earlier one." if strangers else None


def _sizes(x: Array, heads: int) -> tuple[int, int, int]:
    """B, n and d/heads; the error, which every mistake below but its own gets right."""
    B, n, d = x.shape
    if d % heads:
        raise ValueError(f"heads={heads} does not divide d={d}")
    return B, n, d // heads


@task.misconception(
    "reshapes straight to (B, heads, n, d/heads), which mixes tokens and channels",
    ask="In which order does reshape read the numbers: does it finish one token before it begins the next? Whose numbers are the first n · d/heads?",
)
def _(x: Array, heads: int) -> Array:
    B, n, size = _sizes(x, heads)
    return x.reshape(B, heads, n, size)


@task.misconception(
    "deals the channels out in turn: head h gets the channels h, h + heads, …",
    ask="Which channels does head 0 own: the first d/heads in a row, or every heads-th one?",
)
def _(x: Array, heads: int) -> Array:
    B, n, size = _sizes(x, heads)
    return x.reshape(B, n, size, heads).permute(0, 3, 1, 2)


@task.misconception(
    "leaves the heads behind the tokens: (B, n, heads, d/heads)",
    ask="Over which two axes will q @ kᵀ multiply? Which axis must therefore stand with the batch?",
)
def _(x: Array, heads: int) -> Array:
    B, n, size = _sizes(x, heads)
    return x.reshape(B, n, heads, size)


@task.misconception(
    "puts the tokens last: (B, heads, d/heads, n), as keys are used later",
    ask="Which axis comes last in the shape that the task asks for?",
)
def _(x: Array, heads: int) -> Array:
    return split_heads(x, heads).transpose(2, 3)


@task.misconception("puts the heads before the batch", ask="In the result, which axis comes first: B or heads?")
def _(x: Array, heads: int) -> Array:
    return split_heads(x, heads).transpose(0, 1)


@task.misconception(
    "folds the heads into the batch: (B · heads, n, d/heads)",
    ask="How many axes has the result that the task asks for?",
)
def _(x: Array, heads: int) -> Array:
    return split_heads(x, heads).flatten(0, 1)


@task.misconception("splits the tokens instead of the channels", ask="How many tokens must each head see?")
def _(x: Array, heads: int) -> Array:
    B, n, _ = x.shape
    return x.reshape(B, heads, n // heads, x.shape[2])


@task.misconception(
    "transposes first and reshapes then, which mixes tokens and channels",
    ask="After the transpose, which number stands next to the first: the token's next channel, or the next token's first?",
)
def _(x: Array, heads: int) -> Array:
    B, n, size = _sizes(x, heads)
    return x.transpose(1, 2).reshape(B, heads, n, size)


@task.misconception(
    "gives every head the whole token", ask="How many channels does one head get if d channels are shared by all?"
)
def _(x: Array, heads: int) -> Array:
    _sizes(x, heads)
    return x[:, None].expand(-1, heads, -1, -1)


@task.misconception(
    "takes the number of heads for the size of a head", ask="With d = 6 and heads = 2: how many heads, of which size?"
)
def _(x: Array, heads: int) -> Array:
    return split_heads(x, _sizes(x, heads)[2])


@task.misconception("numbers the heads from the end", ask="Which head owns the first channel?")
def _(x: Array, heads: int) -> Array:
    return split_heads(x, heads).flip(1)


@task.misconception(
    "scales what it splits, by 1/√(d/heads)", ask="Does splitting change any number? Where does the scale belong?"
)
def _(x: Array, heads: int) -> Array:
    return split_heads(x, heads) / _sizes(x, heads)[2] ** 0.5


@task.misconception(
    "leaves gaps: zeroes what belongs to the other heads instead of dropping it",
    ask="What is the last size of the result: d, or d/heads?",
)
def _(x: Array, heads: int) -> Array:
    size = _sizes(x, heads)[2]
    own = torch.arange(x.shape[2]) // size == torch.arange(heads)[:, None]  # (heads, d)
    return torch.where(own[None, :, None], x[:, None], torch.zeros_like(x)[:, None])


@task.misconception("gives the first head only", ask="How many heads are there in the result?")
def _(x: Array, heads: int) -> Array:
    return x[..., : _sizes(x, heads)[2]]


@task.misconception(
    "mixes the sequences of a batch",
    ask="Which axis of x comes first, the batch or the tokens? Who reads B as n gets other numbers.",
)
def _(x: Array, heads: int) -> Array:
    B, n, size = _sizes(x, heads)
    return x.reshape(n, B, heads, size).permute(1, 2, 0, 3)


@task.misconception(
    "gives every sequence the heads of the first one", ask="Which sequence of the batch does x[0] belong to?"
)
def _(x: Array, heads: int) -> Array:
    return split_heads(x[:1].expand_as(x), heads)


@task.misconception("detaches the heads from the graph", ask="What would the projections before the split then learn?")
def _(x: Array, heads: int) -> Array:
    return split_heads(x, heads).detach()
