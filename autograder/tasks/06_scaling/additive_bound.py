"""scaling.additive_bound: The least upper bound of an additive score."""

from __future__ import annotations

import numpy as np

from attn_core.scores import additive_score_bound
from autograder.checking.draw import Draw
from autograder.checking.task import Task
from autograder.tasks.mistakes import Array

task = Task(
    "scaling.additive_bound",
    reference=additive_score_bound,
    kind="np",
    lecture="06_scaling#does-additive-attention-need-a-scale",
    hints=(
        "tanh bounds every hidden unit, not their weighted sum.",
        "If you could choose each tanh freely between −1 and 1, which sign would you give it to make the sum as large as possible?",
        "Σ |v_i|, the L1 norm, as a Python float. It is approached, never reached.",
    ),
)


@task.inputs
def _(draw: Draw) -> tuple[Array, ...]:
    draw.size("d_a", 1, 64)
    return (draw.array("d_a", mean=0.2),)


@task.special("v is zero")
def _(draw: Draw) -> tuple[Array, ...]:
    return (draw.give(np.zeros(draw.shape("d_a"))),)


@task.misconception(
    "returns 1: tanh bounds the hidden units, not the score", ask="What is the largest value of 2·tanh(a) + 3·tanh(b)?"
)
def _(_v: Array) -> float:
    return 1.0


@task.misconception(
    "returns d_a, which is the bound only if every |v_i| is 1",
    ask="Does a unit with a small weight contribute as much as one with a large weight?",
)
def _(v: Array) -> float:
    return float(v.shape[-1])


@task.misconception(
    "returns the Euclidean norm", ask="For which z would the score be ‖v‖₂, and can another z do better?"
)
def _(v: Array) -> float:
    return float(np.sqrt((v.astype(np.float64) ** 2).sum()))


@task.misconception(
    "returns √d_a times the Euclidean norm, which is a bound but not the least one",
    ask="For which v is Cauchy–Schwarz exact, and is the v at hand one of them?",
)
def _(v: Array) -> float:
    return float(np.sqrt(v.shape[-1] * (v.astype(np.float64) ** 2).sum()))


@task.misconception(
    "returns d_a times the largest |v_i|, which is a bound but not the least one",
    ask="Does every unit have the largest weight?",
)
def _(v: Array) -> float:
    return float(np.abs(v).max() * v.shape[-1])


@task.misconception("applies tanh to the weights", ask="Which of v and z stands inside the tanh?")
def _(v: Array) -> float:
    return float(np.abs(np.tanh(v.astype(np.float64))).sum())


@task.misconception("sums v with its signs", ask="Can z be chosen so that a negative v_i contributes positively?")
def _(v: Array) -> float:
    return float(v.sum(dtype=np.float64))


@task.misconception(
    "takes the absolute value of the sum instead of the sum of absolute values",
    ask="Can z be chosen separately for every unit?",
)
def _(v: Array) -> float:
    return float(abs(v.sum(dtype=np.float64)))


@task.misconception("returns the largest entry only", ask="Do the other units contribute nothing?")
def _(v: Array) -> float:
    return float(np.abs(v).max())


@task.misconception("averages the absolute values instead of summing them", ask="Is vᵀtanh(z) a sum or a mean?")
def _(v: Array) -> float:
    return float(np.abs(v).astype(np.float64).mean())


@task.misconception("counts positive entries only", ask="What does tanh → −1 do for a negative v_i?")
def _(v: Array) -> float:
    return float(np.maximum(v, 0).astype(np.float64).sum())


@task.misconception("bounds tanh by tanh(1)", ask="Is z limited?")
def _(v: Array) -> float:
    return float(np.abs(v).astype(np.float64).sum() * np.tanh(1.0))


@task.misconception("squares the entries", ask="Which power of v appears in the score?")
def _(v: Array) -> float:
    return float((v.astype(np.float64) ** 2).sum())
