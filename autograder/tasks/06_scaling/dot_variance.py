"""scaling.dot_variance: The sample variance of dot products."""

from __future__ import annotations

import numpy as np

from attn_core.scores import dot_variance
from autograder.checking.draw import Draw
from autograder.checking.task import Task
from autograder.tasks.mistakes import Array

task = Task(
    "scaling.dot_variance",
    reference=dot_variance,
    kind="np",
    lecture="06_scaling#the-variance-proof",
    hints=(
        "There are N pairs of vectors, so there are N dot products, and they are one sample of numbers.",
        "Row i of q meets row i of k only. Which sum gives N numbers from two (N, d) arrays? And which divisor makes a sample variance unbiased?",
        "`(q * k).sum(axis=1)`, then `var(ddof=1)`, as a Python float. Subtract the mean before squaring: E[x²] − E[x]² cancels.",
    ),
)


@task.inputs
def _(draw: Draw) -> tuple[Array, ...]:
    draw.size("N", 2, 40)
    draw.size("d", 1, 64)
    return draw.array("N", "d"), draw.array("N", "d")


@task.special("the mean is far from 0", share=0.5)
def _(draw: Draw) -> tuple[Array, ...]:
    draw.size("N", 2, 40)
    draw.size("d", 1, 8)
    far = 1e6 if draw.case.dtype == "float64" else 30.0
    return draw.array("N", "d", mean=far), draw.array("N", "d", mean=far)


@task.special("two pairs")
def _(draw: Draw) -> tuple[Array, ...]:
    draw.size("N", 2, 2)
    draw.size("d", 1, 6)
    return draw.array("N", "d", mean=1.0), draw.array("N", "d", mean=1.0)


@task.misconception(
    "divides by N instead of N − 1", ask="Which divisor is right when the mean is estimated from the same sample?"
)
def _(q: Array, k: Array) -> float:
    return float((q * k).sum(1, dtype=np.float64).var())


@task.misconception(
    "subtracts the square of the mean from the mean of the squares, which cancels when the mean is large",
    ask="How many of float64's 16 digits are left when 1000000000002 − 1000000000001 is formed from rounded numbers?",
)
def _(q: Array, k: Array) -> float:
    dots = (q * k).sum(1, dtype=np.float64)
    return float(((dots**2).mean() - dots.mean() ** 2) * len(dots) / (len(dots) - 1))


@task.misconception("returns the standard deviation", ask="Of the two, which one grows in proportion to d?")
def _(q: Array, k: Array) -> float:
    return float((q * k).sum(1, dtype=np.float64).std(ddof=1))


@task.misconception(
    "takes the variance of the products before they are summed", ask="How many numbers does the sample have: N, or N·d?"
)
def _(q: Array, k: Array) -> float:
    return float((q * k).astype(np.float64).var(ddof=1))


@task.misconception(
    "takes every query with every key: N² dot products instead of N",
    ask="Are the entries of one row of q kᵀ independent of each other?",
)
def _(q: Array, k: Array) -> float:
    return float((q.astype(np.float64) @ k.astype(np.float64).T).var(ddof=1))


@task.misconception("sums over the pairs instead of over the components", ask="Over which axis does a dot product sum?")
def _(q: Array, k: Array) -> float:
    return float((q * k).sum(0, dtype=np.float64).var(ddof=1))


@task.misconception(
    "scales the dot products by 1/√d first", ask="Is it the raw or the scaled product whose variance is asked for?"
)
def _(q: Array, k: Array) -> float:
    return float((q * k).sum(1, dtype=np.float64).var(ddof=1) / q.shape[1])


@task.misconception(
    "takes the mean square without subtracting the mean", ask="Is the mean of the dot products zero in this sample?"
)
def _(q: Array, k: Array) -> float:
    dots = (q * k).sum(1, dtype=np.float64)
    return float((dots**2).sum() / (len(dots) - 1))


@task.misconception(
    "averages over the components instead of summing them", ask="Is q·k a sum or a mean over the components?"
)
def _(q: Array, k: Array) -> float:
    return float((q * k).mean(1, dtype=np.float64).var(ddof=1))


@task.misconception(
    "adds the variances of the components and leaves out their covariances",
    ask="Are the d products uncorrelated in this sample?",
)
def _(q: Array, k: Array) -> float:
    return float((q * k).var(axis=0, ddof=1, dtype=np.float64).sum())


@task.misconception(
    "multiplies the variances of the entries, as the theorem does, instead of measuring the dot products",
    ask="Is the sample's variance the same as the one that the theorem predicts?",
)
def _(q: Array, k: Array) -> float:
    return float(q.var(ddof=1, dtype=np.float64) * k.var(ddof=1, dtype=np.float64) * q.shape[1])


@task.misconception("returns the mean of the dot products", ask="Does the mean say how far the dot products spread?")
def _(q: Array, k: Array) -> float:
    return float((q * k).sum(1, dtype=np.float64).mean())


@task.misconception(
    "returns d, which is what the variance is only for the ideal distribution",
    ask="What if the sample's components do not have variance 1?",
)
def _(q: Array, _k: Array) -> float:
    return float(q.shape[1])


@task.misconception(
    "returns the variance of each component, not one number", ask="How many dot products does one pair give?"
)
def _(q: Array, k: Array) -> Array:
    return (q * k).var(axis=0, ddof=1)
