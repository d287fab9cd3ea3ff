"""luong.split_concat: The two blocks of a concat matrix."""

from __future__ import annotations

from attn_core.seq2seq.luong import split_concat
from autograder.checking.draw import Draw
from autograder.checking.task import Task
from autograder.tasks.mistakes import Array

task = Task(
    "luong.split_concat",
    reference=split_concat,
    kind="torch",
    lecture="03_luong#concat-is-the-additive-score",
    hints=(
        "Write W [h ; h_s] out for W with one row and three columns. Which columns meet h?",
        "h stands first in the concatenation and has d_t entries. Does the split go across rows or columns?",
        "`W[:, :d_t]` and `W[:, d_t:]`, in this order.",
    ),
)


@task.inputs
def _(draw: Draw) -> tuple[Array, int]:
    d_t, d_s = draw.size("d_t"), draw.size("d_s")
    return draw.array("d_a", d_t + d_s), d_t


@task.property("W_h h + W_s h_s is W times [h ; h_s]")
def _(_call: object, inputs: tuple[Array, int], output: tuple[Array, Array]) -> str | None:
    W, d_t = inputs
    both = W.new_ones(W.shape[1]).cumsum(0)
    gap = (output[0] @ both[:d_t] + output[1] @ both[d_t:] - W @ both).abs().max()
    return None if gap <= 1e-3 * (1 + (W.abs() @ both).max()) else f"here they differ by {gap:.3g}."


@task.misconception("returns the blocks in the wrong order", ask="Which state stands first in [h ; h_s]?")
def _(W: Array, d_t: int) -> tuple[Array, Array]:
    return W[:, d_t:], W[:, :d_t]


@task.misconception("splits the rows instead of the columns", ask="Which axis of W is summed over in W [h ; h_s]?")
def _(W: Array, d_t: int) -> tuple[Array, Array]:
    return W[:d_t], W[d_t:]


@task.misconception("splits in the middle, whatever d_t is", ask="Are d_t and d_s always equal?")
def _(W: Array, d_t: int) -> tuple[Array, Array]:  # noqa: ARG001 - ignoring it is the mistake
    half = W.shape[1] // 2
    return W[:, :half], W[:, half:]


@task.misconception("takes the last d_t columns for h", ask="Does h stand at the beginning or at the end of [h ; h_s]?")
def _(W: Array, d_t: int) -> tuple[Array, Array]:
    return W[:, -d_t:], W[:, :-d_t]


@task.misconception("gives d_t columns to h_s instead of to h", ask="Whose size is d_t?")
def _(W: Array, d_t: int) -> tuple[Array, Array]:
    return W[:, :-d_t], W[:, -d_t:]


@task.misconception("leaves out a column between the blocks", ask="How many columns do the two blocks have together?")
def _(W: Array, d_t: int) -> tuple[Array, Array]:
    return W[:, :d_t], W[:, d_t + 1 :]


@task.misconception("gives one column to both blocks", ask="How many columns do the two blocks have together?")
def _(W: Array, d_t: int) -> tuple[Array, Array]:
    return W[:, :d_t], W[:, d_t - 1 :]


@task.misconception("cuts one column too early", ask="How many columns does W[:, :k] have?")
def _(W: Array, d_t: int) -> tuple[Array, Array]:
    return W[:, : d_t - 1], W[:, d_t - 1 :]


@task.misconception("returns both blocks transposed", ask="What shape must W_h have so that W_h h has d_a entries?")
def _(W: Array, d_t: int) -> tuple[Array, Array]:
    return W[:, :d_t].T, W[:, d_t:].T


@task.misconception("deals the columns out in turn", ask="Are the entries of h and h_s interleaved in [h ; h_s]?")
def _(W: Array, d_t: int) -> tuple[Array, Array]:  # noqa: ARG001 - ignoring it is the mistake
    return W[:, ::2], W[:, 1::2]


@task.misconception(
    "keeps the full width, with zeros in the other block's place", ask="What shapes are asked for: how many columns?"
)
def _(W: Array, d_t: int) -> tuple[Array, Array]:
    first = W.clone()
    first[:, d_t:] = 0
    return first, W - first


@task.misconception(
    "detaches the blocks, so that W never learns", ask="Is a detached copy still part of the graph of W?"
)
def _(W: Array, d_t: int) -> tuple[Array, Array]:
    return W[:, :d_t].detach(), W[:, d_t:].detach()
