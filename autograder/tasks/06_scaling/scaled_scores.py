"""scaling.scaled_scores: Dot products divided by √d_k."""

from __future__ import annotations

from attn_core.scores import scaled_dot
from attn_core.softmax import softmax
from autograder.checking.draw import Draw
from autograder.checking.task import Task
from autograder.tasks.mistakes import Array, swap

task = Task(
    "scaling.scaled_scores",
    reference=scaled_dot,
    function="scaled_scores",
    kind="torch",
    lecture="06_scaling#scaled-dot-product-attention",
    hints=(
        "Each entry is one dot product between one query and one key, divided so that its standard deviation is 1.",
        "Which two axes of k must change places so that queries meet keys, whatever stands before them? And which size is d_k?",
        "`q @ k.transpose(-2, -1)`, divided by the square root of `q.shape[-1]`.",
    ),
)


@task.inputs
def _(draw: Draw) -> tuple[Array, ...]:
    draw.size("d_k", 1, 64)
    return draw.array(..., "n", "d_k", mean=0.3), draw.array(..., "m", "d_k", mean=0.3)


@task.misconception(
    "leaves out the scale", ask="If the components have variance 1, what is the variance of a sum of d_k products?"
)
def _(q: Array, k: Array) -> Array:
    return q @ swap(k)


@task.misconception(
    "divides by d_k instead of its square root", ask="Is d_k the variance of the sum, or its standard deviation?"
)
def _(q: Array, k: Array) -> Array:
    return q @ swap(k) / k.shape[-1]


@task.misconception(
    "multiplies by √d_k instead of dividing", ask="Should the scores get larger or smaller as d_k grows?"
)
def _(q: Array, k: Array) -> Array:
    return q @ swap(k) * k.shape[-1] ** 0.5


@task.misconception(
    "scales by the number of keys instead of the key size",
    ask="Does the variance of one dot product depend on how many keys there are?",
)
def _(q: Array, k: Array) -> Array:
    return q @ swap(k) / k.shape[-2] ** 0.5


@task.misconception("scales by the number of queries instead of the key size", ask="Which axis of q is summed over?")
def _(q: Array, k: Array) -> Array:
    return q @ swap(k) / q.shape[-2] ** 0.5


@task.misconception("divides by the fourth root of d_k", ask="Is the square root taken twice?")
def _(q: Array, k: Array) -> Array:
    return q @ swap(k) / k.shape[-1] ** 0.25


@task.misconception("applies softmax, which is the next step", ask="Does the task ask for scores or for weights?")
def _(q: Array, k: Array) -> Array:
    return softmax(scaled_dot(q, k))


@task.misconception(
    "normalises queries and keys to length 1 (cosine similarity)",
    ask="Does the formula divide by the vectors' lengths or by a constant?",
)
def _(q: Array, k: Array) -> Array:
    return (q / q.norm(dim=-1, keepdim=True)) @ swap(k / k.norm(dim=-1, keepdim=True))


@task.misconception("detaches the scores from the graph", ask="What gradient do W_Q and W_K receive from these scores?")
def _(q: Array, k: Array) -> Array:
    return scaled_dot(q, k).detach()


@task.misconception("detaches the keys, so that W_K never learns", ask="Along which paths must the gradient flow?")
def _(q: Array, k: Array) -> Array:
    return scaled_dot(q, k.detach())
