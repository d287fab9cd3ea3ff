"""flash.merge: Attention over two disjoint sets of keys, from the attention over each."""

# ruff: noqa: ARG005 - a mistake ignores what it must not ignore

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch

from attn_core.flash import merge_partials
from autograder.checking.draw import Draw
from autograder.checking.task import Task
from autograder.tasks.flash_merging import (
    Four,
    Two,
    by_finite_peak,
    by_infinite_peak,
    by_logaddexp,
    hidden_by_nan_to_num,
    hidden_by_where,
    lifted_peak,
    merged,
    powers_of_two,
    shares,
    some_empty,
    stand_in,
    two_parts,
)
from autograder.tasks.mistakes import Array

task = Task(
    "flash.merge",
    reference=merge_partials,
    kind="torch",
    scores=lambda _a, lse_a, _b, lse_b: torch.stack([lse_a, lse_b]),
    lecture="15_flash#the-online-softmax",
    hints=(
        "out_a is a weighted mean over the keys of a, and exp(lse_a) is the sum of its weights before they were divided. How are two means of different weight put together?",
        "The weight of a is exp(lse_a − lse). Compute it without overflow: subtract the larger lse from both. Which number may be subtracted where both are −inf, "
        "and which is the logarithm of the sum there, so that no NaN is ever made, not even on the way back?",
        "peak = torch.maximum(lse_a, lse_b), 0 where that is −inf; w_a = exp(lse_a − peak), w_b likewise; total = w_a + w_b, 1 where it is 0; "
        "out = (w_a/total)[..., None] · out_a + the same for b; lse = peak + log(total), −inf where nothing was seen.",
    ),
)


@task.inputs
def _(draw: Draw) -> Four:
    return two_parts(draw, 1.5)


@task.special("a part that saw no key, with zeros in its out", share=0.4)
def _(draw: Draw) -> Four:
    return some_empty(draw, 0.4, 0.4, 0.0)


@task.special("only the first part saw no key", share=0.3)
def _(draw: Draw) -> Four:
    return some_empty(draw, 1.1, 0.0, 3.0)


@task.special("only the second part saw no key", share=0.3)
def _(draw: Draw) -> Four:
    return some_empty(draw, 0.0, 1.1, 3.0)


@task.special("a part that saw no key, with enormous numbers in its out", share=0.3)
def _(draw: Draw) -> Four:
    return some_empty(draw, 0.4, 0.4, 1e30)


@task.special("a query of which neither part saw a key", share=0.4)
def _(draw: Draw) -> Four:
    """Next to ordinary ones; anything stands in both outs."""
    draw.size("n", 2, 6)
    out_a, lse_a, out_b, lse_b = two_parts(draw)
    nobody = ~draw.mask(..., "n", keep=0.6, empty_rows=False)
    nobody[..., 0] = True
    return out_a, lse_a.masked_fill(nobody, -torch.inf), out_b, lse_b.masked_fill(nobody, -torch.inf)


@task.special("no query of which any part saw a key", share=0.2)
def _(draw: Draw) -> Four:
    out_a, lse_a, out_b, lse_b = two_parts(draw)
    return out_a, lse_a - torch.inf, out_b, lse_b - torch.inf


@task.special("a log-sum-exp far above 0", share=0.4)
def _(draw: Draw) -> Four:
    """Whole numbers, so that their differences are exact."""
    out_a, _, out_b, _ = two_parts(draw)
    far = 2000.0 + draw.choice([0, 1 << 14])
    lse_a, lse_b = (draw.give(far + draw.rng.integers(-2, 3, draw.shape(..., "n")), rounded=False) for _ in range(2))
    return out_a, lse_a, out_b, lse_b


@task.special("a log-sum-exp far below 0", share=0.4)
def _(draw: Draw) -> Four:
    out_a, _, out_b, _ = two_parts(draw)
    low = -2000.0 if draw.case.dtype == "float32" else draw.choice([-2000.0, -(2.0**34)])  # both bear a log-sum-exp
    lse_a, lse_b = (draw.give(low + draw.rng.integers(-2, 3, draw.shape(..., "n")), rounded=False) for _ in range(2))
    return out_a, lse_a, out_b, lse_b


@task.special("log-sum-exps below every number that could stand for −inf", share=0.3)
def _(draw: Draw) -> Four:
    """So far from each other that one part outweighs the other; for the first query one part is empty."""
    draw.size("n", 2, 6)
    out_a, lse_a, out_b, _ = two_parts(draw)
    far = draw.rng.integers(1, 4, tuple(lse_a.shape)) * draw.rng.choice([-1, 1], tuple(lse_a.shape))
    lse_a, lse_b = (draw.give(-(2.0**127) - 2.0**108 * (4 + x), rounded=False) for x in (far, -far))
    draw.choice([lse_a, lse_b])[..., 0] = -torch.inf
    return out_a, lse_a, out_b, lse_b


@task.special("a part that has less than a millionth of the weight", share=0.3)
def _(draw: Draw) -> Four:
    """Little, but not nothing in float64."""
    out_a, lse_a, out_b, _ = two_parts(draw)
    return out_a, lse_a, out_b, lse_a + draw.choice([-1.0, 1.0]) * 17.0


@task.special("parts of which one outweighs the other by far", share=0.4)
def _(draw: Draw) -> Four:
    out_a, lse_a, out_b, lse_b = two_parts(draw)
    gap = draw.choice([-1.0, 1.0]) * draw.choice([200.0, 3000.0])
    return out_a, lse_a + gap, out_b, lse_b


@task.special("two parts of the same weight", share=0.4)
def _(draw: Draw) -> Four:
    out_a, lse_a, out_b, _ = two_parts(draw)
    return out_a, lse_a, out_b, lse_a.clone()


@task.property("the order of the two parts does not matter")
def _(call: Array, inputs: Four, output: Two) -> str | None:
    out_a, lse_a, out_b, lse_b = inputs
    other = call(out_b, lse_b, out_a, lse_a)
    same = all(torch.allclose(x, y, rtol=1e-4, atol=1e-4) for x, y in zip(output, other, strict=True))
    return None if same else "here it does."


@task.misconception(
    "averages the two outs", ask="Part a saw 1000 keys, part b saw one. Which of them should count for more?"
)
def _(out_a: Array, lse_a: Array, out_b: Array, lse_b: Array) -> Two:
    return merged(out_a, lse_a, out_b, lse_b, lambda a, b: (0.5 + 0 * shares(a, b)[0], 0.5 + 0 * shares(a, b)[1]))


@task.misconception(
    "adds the two outs",
    ask="Each out has been divided by its own sum. Do the weights in their sum still add up to one?",
)
def _(out_a: Array, lse_a: Array, out_b: Array, lse_b: Array) -> Two:
    return out_a + out_b, merge_partials(out_a, lse_a, out_b, lse_b)[1]


@task.misconception(
    "weighs the outs with the log-sum-exps themselves instead of their exponentials",
    ask="lse is a logarithm. Of which number, and which number counts?",
)
def _(out_a: Array, lse_a: Array, out_b: Array, lse_b: Array) -> Two:
    return merged(out_a, lse_a, out_b, lse_b, lambda a, b: (a / (a + b), b / (a + b)))


@task.misconception(
    "multiplies by the exponentials and does not divide by their sum",
    ask="What do the shares of the two parts have to sum to?",
)
def _(out_a: Array, lse_a: Array, out_b: Array, lse_b: Array) -> Two:
    return merged(out_a, lse_a, out_b, lse_b, lambda a, b: (a.exp(), b.exp()))


@task.misconception(
    "multiplies by the exponentials relative to the larger one, and does not divide by their sum",
    ask="What do the shares of the two parts have to sum to?",
)
def _(out_a: Array, lse_a: Array, out_b: Array, lse_b: Array) -> Two:
    def weigh(a: Array, b: Array) -> Two:
        peak = torch.maximum(a, b)
        peak = torch.where(peak == -torch.inf, 0.0, peak).to(a.dtype)
        return (a - peak).exp(), (b - peak).exp()

    return merged(out_a, lse_a, out_b, lse_b, weigh)


@task.misconception("swaps the shares of the two parts", ask="Which part does exp(lse_a) weigh?")
def _(out_a: Array, lse_a: Array, out_b: Array, lse_b: Array) -> Two:
    return merged(out_a, lse_a, out_b, lse_b, lambda a, b: shares(b, a))


@task.misconception(
    "keeps the part with the larger log-sum-exp", ask="What becomes of the keys of the other part? Are theirs nothing?"
)
def _(out_a: Array, lse_a: Array, out_b: Array, lse_b: Array) -> Two:
    first = lse_a >= lse_b
    return torch.where(first[..., None], out_a, out_b), torch.maximum(lse_a, lse_b)


@task.misconception(
    "exponentiates without subtracting the larger one first",
    ask="What is exp(2000) in float64, and what is inf / inf? And exp(−2000), and 0 / 0?",
)
def _(out_a: Array, lse_a: Array, out_b: Array, lse_b: Array) -> Two:
    w_a, w_b = lse_a.exp(), lse_b.exp()
    total = w_a + w_b
    return merged(out_a, lse_a, out_b, lse_b, lambda a, b: (w_a / total, w_b / total), lambda a, b: total.log())


@task.misconception(
    "exponentiates without subtracting the larger one first",
    ask="What is exp(2000) in float64, and what is inf / inf? And exp(−2000), and 0 / 0?",
)
def _(out_a: Array, lse_a: Array, out_b: Array, lse_b: Array) -> Two:
    w_a, w_b = lse_a.exp(), lse_b.exp()
    total = w_a + w_b
    some = torch.where(total == 0, 1.0, total).to(total.dtype)
    lse = torch.where(total == 0, -torch.inf, some.log()).to(total.dtype)
    return merged(out_a, lse_a, out_b, lse_b, lambda a, b: (w_a / some, w_b / some), lambda a, b: lse)


@task.misconception(
    "returns the sum of the exponentials instead of its logarithm",
    ask="Which form must the result have to be merged again?",
)
def _(out_a: Array, lse_a: Array, out_b: Array, lse_b: Array) -> Two:
    out, lse = merge_partials(out_a, lse_a, out_b, lse_b)
    return out, lse.exp()


@task.misconception("adds the two log-sum-exps", ask="Which numbers are added: the sums, or their logarithms?")
def _(out_a: Array, lse_a: Array, out_b: Array, lse_b: Array) -> Two:
    return merge_partials(out_a, lse_a, out_b, lse_b)[0], lse_a + lse_b


@task.misconception(
    "returns the larger log-sum-exp", ask="Two sums of the same size are added: how much does the logarithm grow?"
)
def _(out_a: Array, lse_a: Array, out_b: Array, lse_b: Array) -> Two:
    return merge_partials(out_a, lse_a, out_b, lse_b)[0], torch.maximum(lse_a, lse_b)


@task.misconception(
    "returns the logarithm without the maximum that was subtracted", ask="Relative to which number is that sum?"
)
def _(out_a: Array, lse_a: Array, out_b: Array, lse_b: Array) -> Two:
    out, lse = merge_partials(out_a, lse_a, out_b, lse_b)
    peak = torch.maximum(lse_a, lse_b)
    return out, torch.where(peak == -torch.inf, lse, lse - peak)


@task.misconception(
    "takes the logarithm to base 2", ask="Which logarithm undoes exp? (Kernels that use 2**x keep another number.)"
)
def _(out_a: Array, lse_a: Array, out_b: Array, lse_b: Array) -> Two:
    peak = torch.maximum(lse_a, lse_b)
    peak = torch.where(peak == -torch.inf, 0.0, peak).to(lse_a.dtype)
    total = (lse_a - peak).exp() + (lse_b - peak).exp()
    lse = torch.where(total == 0, -torch.inf, peak + torch.where(total == 0, 1.0, total).log2())
    return merge_partials(out_a, lse_a, out_b, lse_b)[0], lse.to(lse_a.dtype)


NOBODY = "gives NaN where neither part saw a key"
NOBODY_ASK = "What is −inf − (−inf), and what is 0 / 0? Which number can stand in for each?"


for _function in (by_logaddexp, by_infinite_peak, by_finite_peak):
    task.misconception(NOBODY, NOBODY_ASK)(_function)

HIDDEN = "has the right values, but NaN in the gradient where neither part saw a key"
HIDDEN_ASK = "nan_to_num and torch.where choose among values. What does the backward pass of the branch that was not chosen hand back?"
for _function in (hidden_by_nan_to_num, hidden_by_where):
    task.misconception(HIDDEN, HIDDEN_ASK)(_function)


def _from_a(out_a: Array, out_b: Array, _share_a: Array, share_b: Array) -> Array:
    return out_a + share_b * (out_b - out_a)


def _from_b(out_a: Array, out_b: Array, share_a: Array, _share_b: Array) -> Array:
    return out_b + share_a * (out_a - out_b)


for _mixed in (_from_a, _from_b):

    @task.misconception(
        "mixes as one out plus a share of the difference, which lets an empty part's numbers through",
        ask="With share = 1 and 1e30 in out_a: what is left of out_b in 1e30 + (out_b − 1e30)?",
    )
    def _(out_a: Array, lse_a: Array, out_b: Array, lse_b: Array, mixed: Callable[..., Array] = _mixed) -> Two:
        share_a, share_b = shares(lse_a, lse_b)
        lse = merge_partials(out_a, lse_a, out_b, lse_b)[1]
        seen = (share_a + share_b > 0)[..., None]
        return torch.where(seen, mixed(out_a, out_b, share_a[..., None], share_b[..., None]), 0.0).to(out_a.dtype), lse


@task.misconception(
    "keeps out_a where neither part saw a key",
    ask="What does a query get that may attend to nothing, whatever stands in out?",
)
def _(out_a: Array, lse_a: Array, out_b: Array, lse_b: Array) -> Two:
    out, lse = merge_partials(out_a, lse_a, out_b, lse_b)
    return torch.where((lse == -torch.inf)[..., None], out_a, out), lse


@task.misconception(
    "mixes the two outs half and half where neither part saw a key",
    ask="What does a query get that may attend to nothing, whatever stands in out?",
)
def _(out_a: Array, lse_a: Array, out_b: Array, lse_b: Array) -> Two:
    out, lse = merge_partials(out_a, lse_a, out_b, lse_b)
    return torch.where((lse == -torch.inf)[..., None], (out_a + out_b) / 2, out), lse


for _low in (-1e9, -1e30, -1e4):

    @task.misconception(
        "replaces a log-sum-exp of −inf by a number such as −1e9",
        ask="Which lse has a query of which nobody saw a key? And what if the other part's lse lies even lower?",
    )
    def _(out_a: Array, lse_a: Array, out_b: Array, lse_b: Array, low: float = _low) -> Two:
        lse_a, lse_b = (x.clamp(min=low) for x in (lse_a, lse_b))
        return merge_partials(out_a, lse_a, out_b, lse_b)


LOW = "lets a number such as −1e9 stand for −inf, which fails where all log-sum-exps are lower"
LOW_ASK = "What is left of exp(lse − peak) where lse lies far below that number? And which part wins if that number stands for the empty one?"
for _low in (-1e9, -1e30):
    task.misconception(LOW, LOW_ASK)(partial(lifted_peak, low=_low))
    for _all in (False, True):
        task.misconception(LOW, LOW_ASK)(partial(stand_in, low=_low, of_all=_all))

for _log in (torch.log, torch.log2):
    task.misconception("takes powers of two where lse is a natural logarithm", "Which exponential undoes ln?")(
        partial(powers_of_two, log=_log)
    )


@task.misconception(
    "exponentiates without subtracting the larger one first",
    ask="What is exp(2000) in float64, and what its logarithm? And exp(−2000)?",
)
def _(out_a: Array, lse_a: Array, out_b: Array, lse_b: Array) -> Two:
    return merged(out_a, lse_a, out_b, lse_b, shares, lambda a, b: (a.exp() + b.exp()).log())


@task.misconception(
    "adds a small number to the sum, or bounds it from below, so that it is never 0",
    ask="How much does a share of 1/(1 + 1e-6) miss? And which logarithm does a sum of 0 get?",
)
def _(out_a: Array, lse_a: Array, out_b: Array, lse_b: Array) -> Two:
    peak = torch.maximum(lse_a, lse_b)
    peak = torch.where(peak == -torch.inf, 0.0, peak).to(lse_a.dtype)
    w_a, w_b = (lse_a - peak).exp(), (lse_b - peak).exp()
    total = w_a + w_b + 1e-6
    return merged(out_a, lse_a, out_b, lse_b, lambda a, b: (w_a / total, w_b / total), lambda a, b: peak + total.log())


@task.misconception(
    "gives the log-sum-exp 0 where neither part saw a key",
    ask="The logarithm of which sum is 0, and which sum is it here?",
)
def _(out_a: Array, lse_a: Array, out_b: Array, lse_b: Array) -> Two:
    out, lse = merge_partials(out_a, lse_a, out_b, lse_b)
    return out, torch.where(lse == -torch.inf, 0.0, lse).to(lse.dtype)


@task.misconception(
    "takes one maximum for all queries",
    ask="A query whose sums are tiny next to those of another: what is left of both?",
)
def _(out_a: Array, lse_a: Array, out_b: Array, lse_b: Array) -> Two:
    peak = torch.maximum(lse_a.max(), lse_b.max())
    peak = torch.where(peak == -torch.inf, 0.0, peak).to(lse_a.dtype)
    w_a, w_b = (lse_a - peak).exp(), (lse_b - peak).exp()
    total = w_a + w_b
    some = torch.where(total == 0, 1.0, total).to(total.dtype)
    lse = torch.where(total == 0, -torch.inf, peak + some.log()).to(total.dtype)
    return merged(out_a, lse_a, out_b, lse_b, lambda a, b: (w_a / some, w_b / some), lambda a, b: lse)


@task.misconception(
    "detaches the shares: no gradient of out reaches the log-sum-exps",
    ask="If a key of part a scores higher, does out change only through out_a?",
)
def _(out_a: Array, lse_a: Array, out_b: Array, lse_b: Array) -> Two:
    return merged(out_a, lse_a, out_b, lse_b, lambda a, b: tuple(x.detach() for x in shares(a, b)))


task.misconception("returns the log-sum-exp first and out second", "In which order does the task ask for the two?")(
    lambda *given: merge_partials(*given)[::-1]
)
task.misconception("returns out alone", "What does somebody need who merges a third part?")(
    lambda *given: merge_partials(*given)[0]
)
