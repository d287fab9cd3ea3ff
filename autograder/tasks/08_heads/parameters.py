"""heads.parameters: How many numbers the four projections hold."""

from __future__ import annotations

from collections.abc import Callable

from attn_core.heads import parameter_count
from autograder.checking.draw import Draw
from autograder.checking.task import Task

Given = tuple[int | bool | None, ...]

task = Task(
    "heads.parameters",
    reference=parameter_count,
    kind="py",
    lecture="08_heads#parameters-and-work",
    hints=(
        "There are four matrices. For each, write down its two sizes: out of what into what does it lead?",
        "All heads together are heads · d_head wide. Three matrices lead from d_model into that width, one leads back; so their biases do not all have the same length.",
        "inner = heads * d_head, where d_head is d_model // heads if it is not given (and ValueError if that leaves a remainder); "
        "4 * d_model * inner, and 3 * inner + d_model more with biases.",
    ),
)


@task.inputs
def _(draw: Draw) -> Given:
    high = 24 if draw.case.sizes in ("wide", "odd wide", "even wide") else 9
    heads, size = draw.size("heads", 1, high), draw.size("d_head", 1, high)
    if draw.flag(0.4):
        return draw.size("d_model", 1, 40), heads, size, *_bias(draw)
    draw.sizes["d_model"] = heads * size
    return (heads * size, heads, None, True) if draw.flag(0.4) else (heads * size, heads)


def _bias(draw: Draw) -> Given:
    """Nothing, False or True as the last argument."""
    return draw.choice([(), (False,), (True,)])  # type: ignore[no-any-return]  # `choice` gives one of its options


@task.special("without d_head, without biases", share=0.5)
def _(draw: Draw) -> Given:
    heads = draw.size("heads", 2, 9)
    return heads * draw.size("d_head", 2, 9), heads


@task.special("without d_head, with biases", share=0.5)
def _(draw: Draw) -> Given:
    heads = draw.size("heads", 2, 9)
    return heads * draw.size("d_head", 2, 9), heads, None, True


@task.special("a head size of its own, without biases", share=0.5)
def _(draw: Draw) -> Given:
    return draw.size("d_model", 10, 40), draw.size("heads", 2, 9), draw.size("d_head", 2, 9)


@task.special("a head size of its own, with biases", share=0.5)
def _(draw: Draw) -> Given:
    return draw.size("d_model", 10, 40), draw.size("heads", 2, 9), draw.size("d_head", 2, 9), True


@task.special("a head size of its own, with heads that do not divide d_model", share=0.25)
def _(draw: Draw) -> Given:
    heads = draw.size("heads", 2, 9)
    return heads * draw.size("d_model", 2, 6) + 1, heads, draw.size("d_head", 2, 9), *_bias(draw)


@task.special("a head size of its own, with heads that do divide d_model", share=0.25)
def _(draw: Draw) -> Given:
    heads, size = draw.size("heads", 2, 9), draw.size("d_head", 1, draw.choice([1, 6]))
    return heads * (size + draw.choice([1, 2, 5])), heads, size, *_bias(draw)


@task.special("a single head", share=0.25)
def _(draw: Draw) -> Given:
    return draw.size("d_model", 2, 12), 1, *draw.choice([(), (None,), (None, True), (5, True), (13, False)])


@task.special("heads of one channel", share=0.25)
def _(draw: Draw) -> Given:
    heads = draw.size("heads", 2, 12)
    return heads, heads, *draw.choice([(), (1,), (None, True), (1, True)])


@task.special("models as they are built", share=0.25)
def _(draw: Draw) -> Given:
    known = [(512, 8), (768, 12, None, True), (1024, 128, 128), (4096, 32), (12288, 96, None, True), (768, 24)]
    return draw.choice(known)  # type: ignore[no-any-return]  # `choice` gives one of its options


@task.special("counts beyond 53 bits", share=0.2)
def _(draw: Draw) -> Given:
    """Odd sizes: d_model · heads · d_head is odd and above 2⁵³, so no float is exactly that, nor four times that."""
    d_model, heads, size = (int(x) | 1 for x in draw.rng.integers((10**9, 1001, 900_001), (15 * 10**8, 1100, 10**6)))
    return d_model, heads, size, *_bias(draw)


@task.error("512 features for 7 heads", ValueError, naming="heads")
def _(_draw: Draw) -> Given:
    return 512, 7


@task.error("10 features for 4 heads, with biases", ValueError, naming="heads")
def _(_draw: Draw) -> Given:
    return 10, 4, None, True


@task.error("3 features for 5 heads", ValueError, naming="heads")
def _(_draw: Draw) -> Given:
    return 3, 5


def _sizes(d_model: int, heads: int, d_head: int | None) -> tuple[int, int]:
    """The size of a head and of all heads; the error, which every mistake below gets right."""
    if d_head is None:
        if d_model % heads:
            raise ValueError("heads must divide d_model")
        d_head = d_model // heads
    return d_head, heads * d_head


@task.misconception("leaves out the output projection", ask="What mixes the heads once they have been joined?")
def _(d_model: int, heads: int, d_head: int | None = None, bias: bool = False) -> int:
    _, inner = _sizes(d_model, heads, d_head)
    return 3 * d_model * inner + 3 * inner * bias


@task.misconception(
    "denies the output projection to a single head, which then has a quarter less",
    ask="Is W_o absent with one head, or only redundant? Does the task make an exception?",
)
def _(d_model: int, heads: int, d_head: int | None = None, bias: bool = False) -> int:
    _, inner = _sizes(d_model, heads, d_head)
    return parameter_count(d_model, heads, d_head, bias) - (heads == 1) * (inner * d_model + bias * d_model)


@task.misconception(
    "counts an output projection of d_model × d_model, whatever the head size is",
    ask="How wide is what the heads give when they are joined?",
)
def _(d_model: int, heads: int, d_head: int | None = None, bias: bool = False) -> int:
    _, inner = _sizes(d_model, heads, d_head)
    return 3 * d_model * inner + d_model**2 + bias * (3 * inner + d_model)


@task.misconception("ignores d_head: 4 · d_model²", ask="Which argument does your result not depend on?")
def _(d_model: int, heads: int, d_head: int | None = None, bias: bool = False) -> int:
    _sizes(d_model, heads, d_head)
    return 4 * d_model**2 + 4 * bias * d_model


@task.misconception(
    "gives every head matrices of the full width: heads times as many",
    ask="If d channels are shared by the heads, how many are there for one head?",
)
def _(d_model: int, heads: int, d_head: int | None = None, bias: bool = False) -> int:
    _sizes(d_model, heads, d_head)
    return heads * parameter_count(d_model, 1, d_model, bias)


@task.misconception("counts one head only", ask="How wide are all heads together?")
def _(d_model: int, heads: int, d_head: int | None = None, bias: bool = False) -> int:
    size, _ = _sizes(d_model, heads, d_head)
    return parameter_count(d_model, 1, size, bias)


@task.misconception("counts the queries, keys and values of one head only", ask="How wide are all heads together?")
def _(d_model: int, heads: int, d_head: int | None = None, bias: bool = False) -> int:
    size, inner = _sizes(d_model, heads, d_head)
    return 3 * d_model * size + inner * d_model + bias * (3 * size + d_model)


@task.misconception(
    "gives the output projection a row for one head only", ask="How wide is what the heads give when they are joined?"
)
def _(d_model: int, heads: int, d_head: int | None = None, bias: bool = False) -> int:
    size, inner = _sizes(d_model, heads, d_head)
    return 3 * d_model * inner + size * d_model + bias * (3 * inner + d_model)


@task.misconception("ignores the biases", ask="Which argument does your result not depend on?")
def _(d_model: int, heads: int, d_head: int | None = None, bias: bool = False) -> int:  # noqa: ARG001 - ignoring it is the mistake
    return parameter_count(d_model, heads, d_head)


@task.misconception("always counts biases", ask="What does `bias=False` mean?")
def _(d_model: int, heads: int, d_head: int | None = None, bias: bool = False) -> int:  # noqa: ARG001 - ignoring it is the mistake
    return parameter_count(d_model, heads, d_head, True)


@task.misconception("takes `bias` the wrong way round", ask="What does `bias=False` mean?")
def _(d_model: int, heads: int, d_head: int | None = None, bias: bool = False) -> int:
    return parameter_count(d_model, heads, d_head, not bias)


@task.misconception(
    "counts four biases of d_model entries, whatever the head size is",
    ask="How many outputs has the projection of the queries, and how many biases does it need?",
)
def _(d_model: int, heads: int, d_head: int | None = None, bias: bool = False) -> int:
    return parameter_count(d_model, heads, d_head) + 4 * d_model * bias


@task.misconception(
    "counts four biases of heads · d_head entries",
    ask="How many outputs has the output projection, and how many biases does it need?",
)
def _(d_model: int, heads: int, d_head: int | None = None, bias: bool = False) -> int:
    return parameter_count(d_model, heads, d_head) + 4 * _sizes(d_model, heads, d_head)[1] * bias


@task.misconception("counts the biases of the inputs, not that of the output", ask="How many layers have a bias?")
def _(d_model: int, heads: int, d_head: int | None = None, bias: bool = False) -> int:
    return parameter_count(d_model, heads, d_head) + 3 * _sizes(d_model, heads, d_head)[1] * bias


@task.misconception("counts the bias of the output only", ask="How many layers have a bias?")
def _(d_model: int, heads: int, d_head: int | None = None, bias: bool = False) -> int:
    return parameter_count(d_model, heads, d_head) + d_model * bias


@task.misconception("counts a single number as the bias of each layer", ask="How many outputs does a layer have?")
def _(d_model: int, heads: int, d_head: int | None = None, bias: bool = False) -> int:
    return parameter_count(d_model, heads, d_head) + 4 * bias


@task.misconception(
    "counts a bias of the queries, keys and values for one head only", ask="How many outputs do all heads have?"
)
def _(d_model: int, heads: int, d_head: int | None = None, bias: bool = False) -> int:
    return parameter_count(d_model, heads, d_head) + bias * (3 * _sizes(d_model, heads, d_head)[0] + d_model)


@task.misconception(
    "takes d_head for the width of all heads together", ask="With 8 heads of 64 channels: how wide are all of them?"
)
def _(d_model: int, heads: int, d_head: int | None = None, bias: bool = False) -> int:
    return parameter_count(d_model, 1, d_head, bias) if d_head else parameter_count(d_model, heads, None, bias)


@task.misconception(
    "counts matrices of heads · d_head on both sides", ask="Which size does a token have before it is projected?"
)
def _(d_model: int, heads: int, d_head: int | None = None, bias: bool = False) -> int:
    _, inner = _sizes(d_model, heads, d_head)
    return 4 * inner**2 + bias * (3 * inner + d_model)


@task.misconception(
    "refuses heads that do not divide d_model although d_head is given",
    ask="If the head size is given, what is there left to divide?",
)
def _(d_model: int, heads: int, d_head: int | None = None, bias: bool = False) -> int:
    _sizes(d_model, heads, None)
    return parameter_count(d_model, heads, d_head, bias)


@task.misconception(
    "replaces the given head size by d_model/heads where that is whole", ask="For which calls is d_head the default?"
)
def _(d_model: int, heads: int, d_head: int | None = None, bias: bool = False) -> int:
    return parameter_count(d_model, heads, d_head if d_model % heads else None, bias)


@task.misconception(
    "counts the feed-forward layer of the block too",
    ask="Which layers are a part of attention, and which come after it?",
)
def _(d_model: int, heads: int, d_head: int | None = None, bias: bool = False) -> int:
    return parameter_count(d_model, heads, d_head, bias) + 8 * d_model**2 + 5 * d_model * bias


@task.misconception(
    "shares the keys and values of all heads, as multi-query attention does",
    ask="How many key-value heads has multi-head attention?",
)
def _(d_model: int, heads: int, d_head: int | None = None, bias: bool = False) -> int:
    size, inner = _sizes(d_model, heads, d_head)
    return 2 * d_model * (inner + size) + bias * (inner + 2 * size + d_model)


def _weights_and_biases(d_model: int, heads: int, d_head: int | None, bias: bool) -> tuple[int, int]:
    weights = parameter_count(d_model, heads, d_head)
    return weights, parameter_count(d_model, heads, d_head, bias) - weights


for _total in (  # rounded at the end, before the biases are added, or both before and after
    lambda weights, biases: int(float(weights + biases)),
    lambda weights, biases: int(float(weights)) + biases,
    lambda weights, biases: int(float(weights) + biases),
):

    @task.misconception(
        "computes with floats, which are exact only up to 2**53",
        ask="Is int(float(2**53 + 1)) still 2**53 + 1? Which of your operations turns whole numbers into floats?",
    )
    def _(
        d_model: int,
        heads: int,
        d_head: int | None = None,
        bias: bool = False,
        *,
        total: Callable[[int, int], int] = _total,
    ) -> int:
        return total(*_weights_and_biases(d_model, heads, d_head, bias))
