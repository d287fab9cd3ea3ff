"""bahdanau.cost: Parameters and multiply-adds of additive scores, with and without the cached projection."""

from __future__ import annotations

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


@task.special("sizes beyond 32 bits", share=0.2)
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
