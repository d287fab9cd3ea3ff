"""Attention with heads, right and with the mistakes that people make in its core: several tasks share them.

A core takes q (…, n, d), k (…, m, d), v (…, m, d) and a mask that broadcasts to (…, n, m), or None; it gives the context
and the weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial

import torch

from attn_core.heads import merge_heads
from autograder.checking.draw import Draw
from autograder.tasks.mistakes import Array

Core = Callable[[Array, Array, Array, Array], tuple[Array, Array]]


def attend(
    q: Array, k: Array, v: Array, mask: Array, scale: float | None = None, axis: int = -1, fill: float = -math.inf
) -> tuple[Array, Array]:
    """Right attention, but for what is named."""
    scores = q @ k.mT / (math.sqrt(q.shape[-1]) if scale is None else scale)
    scores = scores if mask is None else scores.masked_fill(~mask, fill)
    weights = torch.softmax(scores, axis).nan_to_num()
    return weights @ v, weights


def depths(draw: Draw, scores: Array, mask: Array) -> tuple[Array, Array]:
    """By how much to stretch the queries of each sequence, (B, 1, 1), and the mask: scores of 80, 1600, or four million.

    The last is for float64 alone, whose precision bears it, and for the last sequence. There a query sees the keys with
    negative scores where it has any: −10000, to which people set what is forbidden, is not low enough for these.
    """
    depth = torch.full((len(scores), 1, 1), 40 * draw.choice([2.0, 40.0]), dtype=scores.dtype)
    if scores.dtype == torch.float64:
        depth[-1] = 4e6
        below = torch.where((scores < 0).any(-1, keepdim=True), scores < 0, mask)
        mask = torch.cat([mask[:-1], below[-1:]])
    return depth, mask


def scaled(scale: Callable[[Array, Array], float]) -> Core:
    """Right, but for the scale, which is computed from q and k."""
    return lambda q, k, v, mask: attend(q, k, v, mask, scale(q, k))


def split_straight(x: Array, heads: int) -> Array:
    """(B, n, d) -> (B, heads, n, d/heads) by a reshape alone."""
    return x.reshape(x.shape[0], heads, x.shape[1], x.shape[2] // heads)


def split_dealt(x: Array, heads: int) -> Array:
    """Head h gets the channels h, h + heads, …"""
    return x.reshape(*x.shape[:2], -1, heads).permute(0, 3, 1, 2)


def merged_straight(x: Array) -> Array:
    """(B, heads, n, d/heads) -> (B, n, d) by a reshape alone."""
    return x.reshape(x.shape[0], x.shape[2], -1)


def merged_dealt(x: Array) -> Array:
    """First channel 0 of every head, then channel 1."""
    return x.permute(0, 2, 3, 1).flatten(2)


def mixed(x: Array) -> Array:
    """What a reshape alone would have made of the same numbers."""
    return split_straight(merge_heads(x), x.shape[1])


def _inverted(q: Array, k: Array, v: Array, mask: Array) -> tuple[Array, Array]:
    return attend(q, k, v, None if mask is None else ~mask)


def _ignored(q: Array, k: Array, v: Array, _mask: Array) -> tuple[Array, Array]:
    return attend(q, k, v, None)


def _late(q: Array, k: Array, v: Array, mask: Array) -> tuple[Array, Array]:
    weights = attend(q, k, v, None)[1]
    weights = weights if mask is None else weights * mask
    return weights @ v, weights


def _late_and_renormalised(q: Array, k: Array, v: Array, mask: Array) -> tuple[Array, Array]:
    weights = _late(q, k, v, mask)[1]
    total = weights.sum(-1, keepdim=True)
    weights = weights / torch.where(total == 0, torch.ones_like(total), total)
    return weights @ v, weights


def _nan(q: Array, k: Array, v: Array, mask: Array) -> tuple[Array, Array]:
    scores = q @ k.mT / math.sqrt(q.shape[-1])
    weights = torch.softmax(scores if mask is None else scores.masked_fill(~mask, -math.inf), -1)
    return weights @ v, weights


def _nan_in_the_backward_pass(q: Array, k: Array, v: Array, mask: Array) -> tuple[Array, Array]:
    scores = q @ k.mT / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores + torch.zeros_like(scores).masked_fill(~mask, -math.inf)
    weights = torch.softmax(scores, -1).nan_to_num()
    return weights @ v, weights


def _filled_and_emptied(q: Array, k: Array, v: Array, mask: Array, fill: float) -> tuple[Array, Array]:
    """A row that sees nothing gets zeros, so that only scores below the fill tell."""
    weights = attend(q, k, v, mask, fill=fill)[1]
    weights = weights if mask is None else weights * mask
    return weights @ v, weights


def _added(q: Array, k: Array, v: Array, mask: Array) -> tuple[Array, Array]:
    scores = q @ k.mT / math.sqrt(q.shape[-1])
    weights = torch.softmax(scores if mask is None else scores + torch.where(mask, 0.0, -1e9).to(scores.dtype), -1)
    return weights @ v, weights


def _naive(q: Array, k: Array, v: Array, mask: Array) -> tuple[Array, Array]:
    exp = torch.exp(q @ k.mT / math.sqrt(q.shape[-1]))
    exp = exp if mask is None else exp * mask
    weights = exp / exp.sum(-1, keepdim=True)
    return weights @ v, weights


def _twice(q: Array, k: Array, v: Array, mask: Array) -> tuple[Array, Array]:
    weights = torch.softmax(attend(q, k, v, mask)[1], -1)
    return weights @ v, weights


def _against_reshaped_keys(q: Array, k: Array, v: Array, mask: Array) -> tuple[Array, Array]:
    """The shape of the transpose, but the numbers in the old order; what is left is right."""
    shuffled = k.reshape(*k.shape[:-2], k.shape[-1], k.shape[-2]).mT
    return attend(q, shuffled, v, mask)


def _causal(q: Array, k: Array, v: Array, mask: Array, always: bool) -> tuple[Array, Array]:
    n, m = q.shape[-2], k.shape[-2]
    if always or (mask is None and n == m):
        past = torch.ones(n, m, dtype=torch.bool).tril()
        mask = past if mask is None else past & mask
    return attend(q, k, v, mask)


def _hard(q: Array, k: Array, v: Array, mask: Array) -> tuple[Array, Array]:
    weights = attend(q, k, v, mask)[1]
    best = torch.nn.functional.one_hot(weights.argmax(-1), k.shape[-2]).to(weights.dtype)
    best = best * (weights.sum(-1, keepdim=True) > 0)
    return best @ v, best


def core_mistakes() -> Iterator[tuple[str, str, Core]]:
    """Every mistake: its name, the question that leads out of it, and the core."""
    yield "reads the mask the wrong way round: True hides instead of shows", "What does True in a mask mean?", _inverted
    yield "ignores the mask", "What weight must a key get that the query may not attend to?", _ignored
    yield (
        "masks after the softmax and does not renormalise",
        "What do the remaining weights sum to once some are set to 0?",
        _late,
    )
    yield (
        "masks after the softmax and renormalises, which fails where all visible weights have underflowed",
        "What is left to renormalise when a hidden score lies 1000 above the visible ones?",
        _late_and_renormalised,
    )
    name = "fills hidden scores with −1e9, which leaves weights in rows that may attend to nothing"
    ask = "What does softmax give for a row of equal scores, however negative?"
    yield name, ask, partial(attend, fill=-1e9)
    ask = "If every score of a row is lowered by the same amount, what does softmax see?"
    yield "adds −1e9 to hidden scores, which leaves weights in rows that may attend to nothing", ask, _added
    yield "sets hidden scores to 0 instead of −inf", "What weight does a score of 0 get?", partial(attend, fill=0.0)
    name = "fills hidden scores with a number that is not negative enough"
    ask = "What if the visible scores lie even lower?"
    for fill in (-10.0, -100.0, -1000.0, -1e4):
        yield name, ask, partial(attend, fill=fill)
    for fill in (-1e4, -1e5):
        yield name, ask, partial(_filled_and_emptied, fill=fill)
    ask = "What is −inf − (−inf)? What should such a query receive?"
    yield "gives NaN for a query that may attend to nothing", ask, _nan
    name = "gives NaN gradients where a query may attend to nothing, as an added −inf does"
    ask = "Through which operation does no gradient flow into a hidden score: an addition, or masked_fill?"
    yield name, ask, _nan_in_the_backward_pass
    ask = "What is exp(1000) in float64, and what is inf / inf?"
    yield "exponentiates without subtracting the maximum", ask, _naive
    ask = "Whose weights must sum to one: those that one query gives, or those that one key receives?"
    yield "normalises over the queries instead of the keys", ask, partial(attend, axis=-2)
    ask = "Do the heads compete with each other, or the keys of one head?"
    yield "normalises over the heads instead of the keys", ask, partial(attend, axis=-3)
    yield "applies softmax twice", "What does softmax do to numbers that all lie between 0 and 1?", _twice
    for always in (True, False):
        ask = "Does every query come before the keys behind it, or does the mask alone say what is forbidden?"
        yield "hides the keys behind the query, though no mask says so", ask, partial(_causal, always=always)
    name, ask = "reshapes the keys instead of transposing them", "Which numbers of k stand in one column of kᵀ?"
    yield name, ask, _against_reshaped_keys
    ask = "Which function lets a gradient reach every score?"
    yield "reads the best key only (argmax) instead of mixing all", ask, _hard
