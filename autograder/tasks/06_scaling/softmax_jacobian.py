"""scaling.softmax_jacobian: The Jacobian of softmax, from its output."""

from __future__ import annotations

from typing import Any

import numpy as np

from attn_core.softmax import softmax, softmax_jacobian
from autograder.checking.draw import Draw
from autograder.checking.task import Task
from autograder.tasks.mistakes import Array

task = Task(
    "scaling.softmax_jacobian",
    reference=softmax_jacobian,
    arguments=("a",),
    kind="np",
    lecture="06_scaling#the-jacobian-and-saturation",
    hints=(
        "Differentiate a_i = exp(e_i) / Σ exp(e_k) with respect to e_j, once for i = j and once for i ≠ j.",
        "Both cases together are a_i (δ_ij − a_j). Which matrix has a_i on its diagonal, and which has a_i a_j everywhere?",
        "With a leading batch: `a[..., :, None] * (np.eye(n) - a[..., None, :])`, in the dtype of `a`.",
    ),
)


@task.inputs
def _(draw: Draw) -> tuple[Array, ...]:
    return (draw.weights(..., "n", sharpness=1.5),)


@task.special("weights that are one-hot")
def _(draw: Draw) -> tuple[Array, ...]:
    n = draw.size("n", 2, 5)
    weights = np.zeros(draw.shape(..., "n"))
    weights[..., draw.rng.integers(n)] = 1.0
    return (draw.give(weights, rounded=False),)


@task.special("weights of a query that sees nothing: all zero")
def _(draw: Draw) -> tuple[Array, ...]:
    return (draw.give(np.zeros(draw.shape(..., "n"))),)


@task.property("every row sums to zero, because the weights sum to one")
def _(_call: Any, _inputs: tuple[Array, ...], output: Array) -> str | None:
    worst = np.abs(output.sum(-1, dtype=np.float64)).max()
    return None if worst <= 1e-3 else f"here a row sums to {worst:.3g}."


@task.misconception(
    "keeps only the diagonal a(1 − a)", ask="If e_j rises, what happens to the weight of every other position?"
)
def _(a: Array) -> Array:
    return (a * (1 - a))[..., None] * np.eye(a.shape[-1], dtype=a.dtype)


@task.misconception(
    "returns each weight's derivative by its own score only, as a vector",
    ask="Every weight depends on every score: how many derivatives are that?",
)
def _(a: Array) -> Array:
    return a * (1 - a)


@task.misconception(
    "has the sign of the off-diagonal terms wrong", ask="When one score rises, do the other weights rise or fall?"
)
def _(a: Array) -> Array:
    return (
        a[..., None] * np.eye(a.shape[-1], dtype=a.dtype) * 2
        - (a[..., None] * np.eye(a.shape[-1], dtype=a.dtype) - a[..., None] * a[..., None, :])
        - 2 * (a[..., None] * np.eye(a.shape[-1], dtype=a.dtype) * a[..., None, :])
    )


@task.misconception(
    "adds the outer product instead of subtracting it",
    ask="What must each row of the Jacobian sum to, if the weights always sum to one?",
)
def _(a: Array) -> Array:
    return a[..., None] * np.eye(a.shape[-1], dtype=a.dtype) + a[..., None] * a[..., None, :]


@task.misconception("has the opposite sign", ask="Does a weight rise or fall when its own score rises?")
def _(a: Array) -> Array:
    return -softmax_jacobian(a)


@task.misconception(
    "leaves out the diagonal matrix", ask="What is the derivative of a_i with respect to its own score?"
)
def _(a: Array) -> Array:
    return -(a[..., None] * a[..., None, :])


@task.misconception("leaves out the outer product", ask="Does the denominator not depend on the scores?")
def _(a: Array) -> Array:
    return a[..., None] * np.eye(a.shape[-1], dtype=a.dtype)


@task.misconception(
    "subtracts a aᵀ from the identity instead of from diag(a)",
    ask="Which factor do both cases of a_i(δ_ij − a_j) share?",
)
def _(a: Array) -> Array:
    return np.eye(a.shape[-1], dtype=a.dtype) - a[..., None] * a[..., None, :]


@task.misconception(
    "subtracts a_j from the identity without the factor a_i", ask="Where did the factor a_i of a_i(δ_ij − a_j) go?"
)
def _(a: Array) -> Array:
    return np.eye(a.shape[-1], dtype=a.dtype) - a[..., None, :] * np.ones_like(a)[..., None]


@task.misconception(
    "applies softmax to the weights, which are already normalised", ask="Does the argument hold scores or weights?"
)
def _(a: Array) -> Array:
    return softmax_jacobian(softmax(a))
