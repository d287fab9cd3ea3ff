"""bahdanau.cost: Parameters and multiply-adds of additive scores, with and without the cached projection."""

from __future__ import annotations

from typing import Any

from attn_core.seq2seq.bahdanau import additive_cost
from autograder.checking.draw import Draw
from autograder.checking.task import Task

Pair = tuple[float, float]

task = Task(
    "bahdanau.cost",
    reference=additive_cost,
    kind="py",
    lecture="02_bahdanau#what-a-step-costs",
    hints=(
        "Three things are multiplied: W_a with s, U_a with every h_j, v_a with every hidden unit. Which of them change from one decoder step to the next?",
        "A d×e matrix times a vector costs d·e multiply-adds. U_a h_j does not depend on the decoder step: how often is it needed at all?",
        "Parameters d_a·(d_s + d_h + 1). Multiply-adds m·(d_a·d_s + n·d_a) plus n·d_a·d_h, the latter times m if nothing is cached.",
    ),
)


@task.inputs
def _(draw: Draw) -> tuple[object, ...]:
    high = 60 if draw.case.sizes in ("wide", "odd wide", "even wide") else 9
    sizes = [draw.size(letter, 1, high) for letter in ("n", "m", "d_s", "d_h", "d_a")]
    return *sizes, draw.flag()


@task.special("with the cache", share=0.5)
def _(draw: Draw) -> tuple[object, ...]:
    return *(draw.size(letter, 2, 9) for letter in ("n", "m", "d_s", "d_h", "d_a")), True


@task.special("without the cache", share=0.5)
def _(draw: Draw) -> tuple[object, ...]:
    return *(draw.size(letter, 2, 9) for letter in ("n", "m", "d_s", "d_h", "d_a")), False


@task.special("a single decoder step", share=0.3)
def _(draw: Draw) -> tuple[object, ...]:
    n, d_s, d_h, d_a = (draw.size(letter, 2, 9) for letter in ("n", "d_s", "d_h", "d_a"))
    return n, 1, d_s, d_h, d_a, draw.flag()


@task.special("counts beyond 63 bits, with the cache", share=0.2)
def _(draw: Draw) -> tuple[object, ...]:
    n, d_s, d_h, d_a = _odd(draw, 2_100_001, 2_500_000, 4)
    return n, int(draw.rng.integers(2, 9)), d_s, d_h, d_a, True


@task.special("counts beyond 63 bits, without the cache", share=0.2)
def _(draw: Draw) -> tuple[object, ...]:
    return *_odd(draw, 56_001, 60_000, 5), False


def _odd(draw: Draw, low: int, high: int, count: int) -> list[int]:
    """Odd sizes: the number of multiply-adds is then odd too, and no float is exactly that.

    Bounds are such that it lies between 2**63, where int64 ends, and 2**64, the largest count that the checks compare.
    """
    return [int(x) | 1 for x in draw.rng.integers(low, high, count)]


@task.special("counts beyond 32 bits", share=0.2)
def _(draw: Draw) -> tuple[object, ...]:
    return (
        *(int(x) for x in draw.rng.integers(3_000, 9_000, 2)),
        *(int(x) for x in draw.rng.integers(1_001, 3_000, 3)),
        draw.flag(),
    )


def _count(n: float, m: float, d_s: float, d_h: float, d_a: float, projections: float) -> Pair:
    """The right counts, with U_a applied so many times."""
    return d_a * (d_s + d_h + 1), m * (d_a * d_s + n * d_a) + projections * n * d_a * d_h


@task.misconception(
    "ignores the cache: projects the annotations at every step",
    ask="Which product has the same value at every decoder step?",
)
def _(n: int, m: int, d_s: int, d_h: int, d_a: int, cached: bool) -> Pair:  # noqa: ARG001 - ignoring it is the mistake
    return _count(n, m, d_s, d_h, d_a, m)


@task.misconception(
    "counts the projection once even without a cache",
    ask="What does `cached=False` mean for U_a h_j at the second step?",
)
def _(n: int, m: int, d_s: int, d_h: int, d_a: int, cached: bool) -> Pair:  # noqa: ARG001 - ignoring it is the mistake
    return _count(n, m, d_s, d_h, d_a, 1)


@task.misconception(
    "takes the cache the wrong way round", ask="With a cache, is the projection computed once or m times?"
)
def _(n: int, m: int, d_s: int, d_h: int, d_a: int, cached: bool) -> Pair:
    return _count(n, m, d_s, d_h, d_a, m if cached else 1)


@task.misconception("counts a cached projection as free", ask="Who fills the cache, and what does that cost?")
def _(n: int, m: int, d_s: int, d_h: int, d_a: int, cached: bool) -> Pair:
    return _count(n, m, d_s, d_h, d_a, 0 if cached else m)


@task.misconception(
    "computes with floats, which are exact only up to 2**53",
    ask="Is int(float(2**53 + 1)) still 2**53 + 1? Which of your operations turns whole numbers into floats?",
)
def _(n: int, m: int, d_s: int, d_h: int, d_a: int, cached: bool) -> Pair:
    parameters, multiply_adds = additive_cost(n, m, d_s, d_h, d_a, cached)
    return int(float(parameters)), int(float(multiply_adds))


@task.misconception(
    "computes with floats, which are exact only up to 2**53",
    ask="Is int(float(2**53 + 1)) still 2**53 + 1? Which of your operations turns whole numbers into floats?",
)
def _(n: int, m: int, d_s: int, d_h: int, d_a: int, cached: bool) -> Pair:
    parameters, multiply_adds = _count(float(n), float(m), float(d_s), float(d_h), float(d_a), 1 if cached else m)
    return int(parameters), int(multiply_adds)


for _bits in (32, 64):

    @task.misconception(
        f"computes with integers of {_bits} bits, which wrap around",
        ask=f"What is the largest number that an int{_bits} holds, and what has Python's own int instead?",
    )
    def _(n: int, m: int, d_s: int, d_h: int, d_a: int, cached: bool, bits: int = _bits) -> Pair:
        half = 1 << (bits - 1)
        parameters, multiply_adds = additive_cost(n, m, d_s, d_h, d_a, cached)
        return (parameters + half) % (2 * half) - half, (multiply_adds + half) % (2 * half) - half


@task.misconception(
    "counts the tanh as multiply-adds", ask="Is tanh a multiplication and an addition? What does the task ask to count?"
)
def _(n: int, m: int, d_s: int, d_h: int, d_a: int, cached: bool) -> Pair:
    parameters, multiply_adds = additive_cost(n, m, d_s, d_h, d_a, cached)
    return parameters, multiply_adds + m * n * d_a


@task.misconception(
    "counts the softmax as multiply-adds", ask="Where do the scores end, and is exp a multiplication and an addition?"
)
def _(n: int, m: int, d_s: int, d_h: int, d_a: int, cached: bool) -> Pair:
    parameters, multiply_adds = additive_cost(n, m, d_s, d_h, d_a, cached)
    return parameters, multiply_adds + m * n


for _divide in (int.__floordiv__, int.__truediv__):

    @task.misconception(
        "returns the average of a step instead of the sum over all m",
        ask="For how many decoder steps are the multiply-adds asked for?",
    )
    def _(n: int, m: int, d_s: int, d_h: int, d_a: int, cached: bool, divide: Any = _divide) -> Pair:
        parameters, multiply_adds = additive_cost(n, m, d_s, d_h, d_a, cached)
        return parameters, divide(multiply_adds, m)


@task.misconception("counts one decoder step instead of m", ask="How often does the state change in one translation?")
def _(n: int, m: int, d_s: int, d_h: int, d_a: int, cached: bool) -> Pair:  # noqa: ARG001 - ignoring them is the mistake
    return _count(n, 1, d_s, d_h, d_a, 1)


@task.misconception("forgets v_a among the parameters", ask="Which vector turns d_a hidden units into a score?")
def _(n: int, m: int, d_s: int, d_h: int, d_a: int, cached: bool) -> Pair:
    return d_a * (d_s + d_h), additive_cost(n, m, d_s, d_h, d_a, cached)[1]


@task.misconception(
    "counts biases, which the score does not have here", ask="Which constants does the formula add inside the tanh?"
)
def _(n: int, m: int, d_s: int, d_h: int, d_a: int, cached: bool) -> Pair:
    return d_a * (d_s + d_h + 2), additive_cost(n, m, d_s, d_h, d_a, cached)[1]


@task.misconception(
    "counts a bias for each of the two matrices", ask="Which constants does the formula add inside the tanh?"
)
def _(n: int, m: int, d_s: int, d_h: int, d_a: int, cached: bool) -> Pair:
    return d_a * (d_s + d_h + 3), additive_cost(n, m, d_s, d_h, d_a, cached)[1]


@task.misconception("counts v_a as a single parameter", ask="How many numbers has the vector v_a?")
def _(n: int, m: int, d_s: int, d_h: int, d_a: int, cached: bool) -> Pair:
    return d_a * (d_s + d_h) + 1, additive_cost(n, m, d_s, d_h, d_a, cached)[1]


@task.misconception("multiplies the parameters by the sentence length", ask="Has every position its own U_a?")
def _(n: int, m: int, d_s: int, d_h: int, d_a: int, cached: bool) -> Pair:
    return d_a * (d_s + n * d_h + 1), additive_cost(n, m, d_s, d_h, d_a, cached)[1]


@task.misconception(
    "forgets the products with v_a", ask="After the tanh there are n·d_a hidden units. What happens to them?"
)
def _(n: int, m: int, d_s: int, d_h: int, d_a: int, cached: bool) -> Pair:
    return d_a * (d_s + d_h + 1), m * d_a * d_s + (1 if cached else m) * n * d_a * d_h


@task.misconception("forgets the projection of the state", ask="W_a s_{i-1} changes at every step. What does it cost?")
def _(n: int, m: int, d_s: int, d_h: int, d_a: int, cached: bool) -> Pair:
    return d_a * (d_s + d_h + 1), m * n * d_a + (1 if cached else m) * n * d_a * d_h


@task.misconception("projects the state anew for every source position", ask="Does W_a s_{i-1} depend on j?")
def _(n: int, m: int, d_s: int, d_h: int, d_a: int, cached: bool) -> Pair:
    return d_a * (d_s + d_h + 1), m * n * (d_a * d_s + d_a) + (1 if cached else m) * n * d_a * d_h


@task.misconception("projects the state only once", ask="Is s_{i-1} the same at every decoder step?")
def _(n: int, m: int, d_s: int, d_h: int, d_a: int, cached: bool) -> Pair:
    return d_a * (d_s + d_h + 1), d_a * d_s + m * n * d_a + (1 if cached else m) * n * d_a * d_h


@task.misconception(
    "counts the context too, which is not part of the scores",
    ask="What is asked for: the scores, or everything a step does?",
)
def _(n: int, m: int, d_s: int, d_h: int, d_a: int, cached: bool) -> Pair:
    return d_a * (d_s + d_h + 1), additive_cost(n, m, d_s, d_h, d_a, cached)[1] + m * n * d_h


@task.misconception("counts multiplications and additions separately", ask="How many operations is one multiply-add?")
def _(n: int, m: int, d_s: int, d_h: int, d_a: int, cached: bool) -> Pair:
    return d_a * (d_s + d_h + 1), 2 * additive_cost(n, m, d_s, d_h, d_a, cached)[1]


@task.misconception("exchanges n and m", ask="Which of the two counts source positions?")
def _(n: int, m: int, d_s: int, d_h: int, d_a: int, cached: bool) -> Pair:
    return additive_cost(m, n, d_s, d_h, d_a, cached)


@task.misconception("exchanges d_s and d_h", ask="Which of the two sizes has the annotation?")
def _(n: int, m: int, d_s: int, d_h: int, d_a: int, cached: bool) -> Pair:
    return additive_cost(n, m, d_h, d_s, d_a, cached)


@task.misconception(
    "counts a dot product: n·d_s per step and no parameters", ask="Which score is meant: additive, or dot?"
)
def _(n: int, m: int, d_s: int, d_h: int, d_a: int, cached: bool) -> Pair:  # noqa: ARG001 - ignoring them is the mistake
    return 0, m * n * d_s


@task.misconception(
    "returns the multiply-adds first and the parameters second", ask="In which order are the two numbers asked for?"
)
def _(n: int, m: int, d_s: int, d_h: int, d_a: int, cached: bool) -> Pair:
    return additive_cost(n, m, d_s, d_h, d_a, cached)[::-1]


@task.misconception(
    "returns floats, which are exact only up to 2**53", ask="Which of your operations turns whole numbers into floats?"
)
def _(n: int, m: int, d_s: int, d_h: int, d_a: int, cached: bool) -> Pair:
    parameters, multiply_adds = additive_cost(n, m, d_s, d_h, d_a, cached)
    return float(parameters), float(multiply_adds)
