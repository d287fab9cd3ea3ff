"""flash.tiled_attention: Exact attention, a block of keys at a time."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import torch

from attn_core.flash import tiled_attention
from autograder.checking.draw import Draw
from autograder.checking.task import Task
from autograder.tasks import flash_parts as parts
from autograder.tasks.flash_parts import CAUSAL_MISTAKES, Given, Two, exceeded, large, nonzero, partial_results, tiled
from autograder.tasks.mistakes import Array

task = Task(
    "flash.tiled_attention",
    reference=tiled_attention,
    kind="torch",
    rounds=16,
    scores=lambda q, k, *_: q @ k.mT / math.sqrt(q.shape[-1]),
    lecture="15_flash#tiled-attention",
    hints=(
        "Three numbers per query survive a block: the maximum, the sum, and the accumulated values. Two of them refer to the first. What happens to them when it moves?",
        "Your online_update gives the factor: it multiplies the sum and the accumulator alike. Divide once, at the end. "
        "For the mask of a block you need the positions of its keys only, (n, b). Which rows divide by 0, and what should they get?",
        "for start in range(0, m, block): s = q @ k[start:start+block]ᵀ · scale, masked_fill where start + j > i + m_keys − n; new maximum; factor = exp(old − new), with 0 for a new one of −inf; "
        "sum = factor·sum + exp(s − new).sum(-1); acc = factor·acc + exp(s − new) @ v_block. At the end acc / sum (1 where it is 0), lse = max + log(sum).",
    ),
)


def _block(draw: Draw, k: Array) -> int:
    """From 1 to somewhat more than all keys."""
    m = k.shape[-2]
    return int(draw.rng.integers(max(1, m // 6), m + 3))


@task.inputs
def _(draw: Draw) -> Given:
    parts.sizes(draw)
    q, k, v = parts.arrays(draw, 1.5)
    return q, k, v, _block(draw, k), draw.flag(0.4)


@task.special("blocks of one key", share=0.3)
def _(draw: Draw) -> Given:
    parts.sizes(draw, m=(2, 4))
    return *parts.arrays(draw), 1, draw.flag()


@task.special("a block larger than all keys", share=0.3)
def _(draw: Draw) -> Given:
    parts.sizes(draw)
    q, k, v = parts.arrays(draw)
    return q, k, v, k.shape[-2] + draw.choice([1, 5, 100]), draw.flag()


@task.special("full blocks", share=0.5)
def _(draw: Draw) -> Given:
    block, blocks = draw.size("block", 2, 3), draw.size("blocks", 2, 3)
    draw.sizes["m"] = block * blocks
    parts.sizes(draw)
    return *parts.arrays(draw), block, False


@task.special("a short last block", share=0.5)
def _(draw: Draw) -> Given:
    block, blocks = draw.size("block", 2, 4), draw.size("blocks", 1, 3)
    draw.sizes["m"] = block * blocks + 1
    parts.sizes(draw)
    return *parts.arrays(draw), block, False


@task.special("`causal` is not said: not causal", share=0.4)
def _(draw: Draw) -> tuple[Any, ...]:
    parts.sizes(draw, n=(2, 5), m=(2, 6))
    return *parts.arrays(draw), draw.size("block", 1, 4)


@task.special("causal, as many queries as keys", share=0.4)
def _(draw: Draw) -> Given:
    draw.sizes["n"] = draw.size("m", 3, 7)
    parts.sizes(draw)
    return *parts.arrays(draw), draw.size("block", 1, 4), True


@task.special("causal, fewer queries than keys", share=0.4)
def _(draw: Draw) -> Given:
    draw.sizes["m"] = draw.size("n", 1, 3) + draw.size("more", 1, 3)
    parts.sizes(draw)
    return *parts.arrays(draw), draw.size("block", 1, 3), True


@task.special("causal, more queries than keys: some see nothing", share=0.4)
def _(draw: Draw) -> Given:
    draw.sizes["n"] = draw.size("m", 1, 4) + draw.size("more", 1, 4)
    parts.sizes(draw)
    return *parts.arrays(draw), draw.size("block", 1, 3), True


@task.special("more queries than keys, not causal", share=0.3)
def _(draw: Draw) -> Given:
    draw.sizes["n"] = draw.size("m", 2, 4) + draw.size("more", 1, 4)
    parts.sizes(draw)
    return *parts.arrays(draw), draw.size("block", 1, 3), False


@task.special("scores that rise from block to block", share=0.4)
def _(draw: Draw) -> Given:
    return parts.levels_of(draw, lambda m: 2.0 * torch.arange(m))


@task.special("scores that fall from block to block", share=0.4)
def _(draw: Draw) -> Given:
    return parts.levels_of(draw, lambda m: -2.0 * torch.arange(m))


@task.special("scores far above 0", share=0.4)
def _(draw: Draw) -> Given:
    return parts.levels_of(draw, lambda m: torch.full((m,), 1500.0))


@task.special("scores far below 0", share=0.4)
def _(draw: Draw) -> Given:
    return parts.levels_of(draw, lambda m: torch.full((m,), -1500.0))


@task.special("a first block with scores far above all others", share=0.4)
def _(draw: Draw) -> Given:
    return parts.levels_of(draw, lambda m: torch.where(torch.arange(m) < 1, 1500.0, 0.0))


@task.special("causal, scores below every number that could stand for −inf", share=0.3)
def _(draw: Draw) -> Given:
    """The first key, which every query that sees anything sees, has the largest one."""
    draw.size("n", 2, 4)
    draw.size("m", 2, 3)
    return *parts.levels_of(draw, lambda m: -(2.0**123) * (1 + torch.arange(m)))[:4], True


@task.special("causal, with a hidden key whose scores are far above all visible ones", share=0.4)
def _(draw: Draw) -> Given:
    draw.size("n", 2, 5)
    return *parts.levels_of(draw, lambda m: torch.where(torch.arange(m) < m - 1, 0.0, 1500.0))[:4], True


task.cost(large(causal=False))(exceeded)
task.cost(large(causal=True))(exceeded)


def _mistake(name: str, ask: str, **what: Any) -> None:
    """A misconception that is right attention but for what is named."""
    task.misconception(name, ask)(lambda *given: tiled(*given, **what))


_mistake(
    "rescales the sum, but not the accumulated values",
    "Both were made relative to the old maximum. Which of them does your factor reach?",
    factors=lambda r: (r, torch.ones_like(r)),
)
_mistake(
    "rescales the accumulated values, but not the sum",
    "Both were made relative to the old maximum. Which of them does your factor reach?",
    factors=lambda r: (torch.ones_like(r), r),
)
_mistake(
    "does not rescale when the maximum moves",
    "The old terms were divided by exp of the old maximum, the new ones by exp of the new one. May they be added?",
    factors=lambda r: (torch.ones_like(r), torch.ones_like(r)),
)
_mistake(
    "has the factor the wrong way round: exp(new − old)",
    "The maximum only grows. Must what was summed under the smaller one grow or shrink?",
    factors=lambda r: (1 / r, 1 / r),
)
_mistake(
    "drops the last block where it is short",
    "How many blocks of 4 do 10 keys need? Where does the last one end?",
    blocks=lambda m, block: list(range(0, m - block + 1, block)),
)
for _blocks in (lambda m, block: list(range(0, m, block))[:-1], lambda m, block: list(range(0, m - 1, block))):
    _mistake("drops the last block", "Which key is the last that your loop reads?", blocks=_blocks)
_mistake(
    "reads the first block only", "Does a `return` or a `break` stand inside the loop?", blocks=lambda _m, _block: [0]
)
_mistake(
    "moves on by one key instead of a block",
    "Where does the second block begin? Which key would be counted twice?",
    blocks=lambda m, _block: list(range(m)),
)
_mistake(
    "takes the maximum of the block alone, which overflows once an earlier block had far larger scores",
    "By which factor must the old sum grow if the reference falls by 1500?",
    peak=lambda _, new: new,
)
for _lse in (parts.plain_lse, parts.masked_lse):  # of a query that sees nothing: whatever comes out, or −inf
    _mistake(
        "starts with a maximum of 0 instead of −inf",
        "All scores are −1500: what is left of their exponentials relative to 0? And what is the lse of a query that sees nothing?",
        first=0.0,
        lse=_lse,
    )
    for _first in (-1e9, -1e30):
        _mistake(
            "starts with a maximum such as −1e9 instead of −inf",
            "Which scores lie below that, and what is the lse of a query that sees nothing?",
            first=_first,
            lse=_lse,
        )
    for _divisor in (nonzero, lambda total: total):
        _mistake(
            "exponentiates without subtracting the maximum",
            "What is exp(1500) in float64, and what is inf / inf?",
            peak=lambda old, _: torch.zeros_like(old),
            first=0.0,
            lse=_lse if _divisor is nonzero else lambda _, total: torch.log(total),
            end=_divisor,
        )
_mistake("leaves out the scale", "What is the standard deviation of a sum of d such products?", scale=lambda _d, _: 1.0)
_mistake(
    "divides by d instead of its square root", "Which power of d is the standard deviation?", scale=lambda d, _: 1 / d
)
_mistake("takes the scale from the values' size", "Over which axis does q · k sum?", scale=lambda _, d_v: d_v**-0.5)
_mistake("multiplies by √d instead of dividing", "Must the scores become smaller or larger?", scale=lambda d, _: d**0.5)
for _name, _ask, _mask in CAUSAL_MISTAKES:
    _mistake(_name, _ask, mask=_mask)


@task.misconception(
    "is causal unless it is told not to be", ask="What does the signature say `causal` is where nobody says it?"
)
def _(*given: Any) -> Any:
    return tiled(*given[:4], *(given[4:] or (True,)))


_mistake(
    "counts the keys of a block from 0 in the causal mask",
    "The third block's first key: which position has it in the sequence?",
    local=True,
)
for _fill in (-1e9, -1e4, None):
    _mistake(
        "fills forbidden scores with a number such as −1e9",
        "A query that may see nothing: what are its weights if all scores are −1e9? What is its lse?",
        fill=_fill,
    )
for _times in (False, True):
    task.misconception(
        "hides keys after the maximum has been taken, so that a hidden one may set it",
        "A hidden score of 1500 next to visible ones of 0: what is left of exp(0 − 1500)?",
    )(partial(parts.hidden_afterwards, times=_times))
task.misconception(
    "subtracts one maximum for all queries, so that low ones underflow",
    "What becomes of a query whose scores all lie 1000 below another's?",
)(parts.one_maximum)
_mistake(
    "gives NaN for a query that sees nothing",
    "What is −inf − (−inf), and what is 0 / 0?",
    safe=lambda peak: peak,
    end=lambda total: total,
    lse=lambda peak, total: peak + torch.log(total),
)
_mistake(
    "gives NaN for a query that sees nothing",
    "What is −inf − (−inf), and what is 0 / 0?",
    end=lambda total: total,
    lse=lambda peak, total: peak + torch.log(total),
)


def _hidden_nan(*given: Any) -> Two:
    out, lse = tiled(
        *given, safe=lambda peak: peak, end=lambda total: total, lse=lambda peak, total: peak + torch.log(total)
    )
    return out.nan_to_num(), torch.where(lse.isnan(), -math.inf, lse).to(lse.dtype)


task.misconception(
    "has the right values, but NaN in the gradient where a query sees nothing",
    "nan_to_num and torch.where choose among values. What does the backward pass of the branch that was not chosen hand back?",
)(_hidden_nan)
_mistake("does not divide by the sum at the end", "What do the weights have to sum to?", end=torch.ones_like)
_mistake(
    "returns the logarithm of the sum without the maximum",
    "Relative to which number is that sum?",
    lse=lambda _, total: torch.log(total),
)
_mistake("returns the maximum as lse", "How much does the sum add to it?", lse=lambda peak, _: peak)
_mistake(
    "returns the sum as lse", "Which form does the task ask for: the sum or its logarithm?", lse=lambda _, total: total
)
_mistake(
    "returns the sum of the exponentials instead of its logarithm",
    "What is exp(1500)? Which form survives?",
    lse=lambda peak, total: torch.exp(peak) * total,
)
_mistake(
    "subtracts the logarithm of the sum from the maximum",
    "exp(lse) is exp(max) times the sum: what becomes of a product under the logarithm?",
    lse=lambda peak, total: peak - torch.log(nonzero(total)),
)
_mistake(
    "takes the logarithm to base 2",
    "Which logarithm undoes exp? (Kernels that compute with 2**x keep another number.)",
    lse=lambda peak, total: peak + torch.log2(nonzero(total)),
)
_mistake(
    "gives the lse 0 to a query that sees nothing",
    "The logarithm of which sum is 0, and which sum is it here?",
    lse=lambda peak, total: torch.where(total == 0, 0.0, peak + torch.log(nonzero(total))).to(total.dtype),
)


@task.misconception(
    "takes a softmax in each block and averages the blocks",
    ask="A block of tiny scores: does it deserve as much as the others?",
)
def _(q: Array, k: Array, v: Array, block: int, causal: bool = False) -> Two:
    outs, lses = partial_results(q, k, v, block, causal)
    return torch.stack(outs).mean(0), torch.logsumexp(torch.stack(lses), 0)


@task.misconception(
    "takes a softmax in each block and adds the blocks", ask="Over which keys must the weights of a query sum to one?"
)
def _(q: Array, k: Array, v: Array, block: int, causal: bool = False) -> Two:
    outs, lses = partial_results(q, k, v, block, causal)
    return torch.stack(outs).sum(0), torch.logsumexp(torch.stack(lses), 0)


@task.misconception(
    "returns the unscaled scores' log-sum-exp",
    ask="Which scores does the backward pass recompute: with the scale, or without?",
)
def _(q: Array, k: Array, v: Array, block: int, causal: bool = False) -> Two:
    out = tiled_attention(q, k, v, block, causal)[0]
    return out, tiled_attention(q * math.sqrt(q.shape[-1]), k, v, block, causal)[1]


task.misconception("returns the log-sum-exp first and out second", "In which order does the task ask for the two?")(
    lambda *given: tiled_attention(*given)[::-1]
)
task.misconception("returns out alone", "What does the backward pass recompute the weights from?")(
    lambda *given: tiled_attention(*given)[0]
)


task.misconception("detaches the results", "The forward pass is tested with its gradient: what cuts it?")(
    lambda *given: tuple(x.detach() for x in tiled_attention(*given))
)


@task.misconception("detaches the log-sum-exp", ask="Is the log-sum-exp a function of the scores?")
def _(*given: Any) -> Two:
    out, lse = tiled_attention(*given)
    return out, lse.detach()


@task.misconception(
    "builds an n × m matrix, of scores or of a mask: right, but not tiled",
    ask="How many bytes is that for n = m = 100,000 tokens? Which part of it does one block of keys need?",
)
def _(q: Array, k: Array, v: Array, block: int, causal: bool = False) -> Two:  # noqa: ARG001 - ignoring it is the mistake
    outs, lses = partial_results(q, k, v, k.shape[-2], causal)
    return outs[0], lses[0]


@task.misconception(
    "takes blocks of its own size, larger than `block`",
    ask="Which argument says how many keys may be on the chip at once?",
)
def _(q: Array, k: Array, v: Array, block: int, causal: bool = False) -> Two:  # noqa: ARG001 - ignoring it is the mistake
    return tiled(q, k, v, 64, causal)


task.misconception(
    "keeps the results of all blocks until the end",
    ask="How many blocks are there for 100,000 keys? What is the earliest moment at which two of them can be merged?",
)(parts.merged_at_the_end)
task.misconception(
    "takes a few queries at a time, but all keys at once",
    ask="What has the size of `block` in your code: the number of keys that are read at once, or of queries?",
)(parts.queries_in_blocks)
