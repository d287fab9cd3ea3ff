"""Inputs of flash.merge, and the merge with other shares: what its special inputs and its mistakes are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from attn_core.flash import merge_partials
from autograder.checking.draw import Draw
from autograder.tasks.mistakes import Array

Two = tuple[Array, Array]
Four = tuple[Array, Array, Array, Array]


def two_parts(draw: Draw, spread: float = 1.0) -> Four:
    """Two parts with sums of ordinary size: neither outweighs the other."""
    out_a, out_b = draw.array(..., "n", "d", mean=0.4), draw.array(..., "n", "d", mean=-0.6)
    lse_a, lse_b = draw.array(..., "n", mean=0.5, scale=spread), draw.array(..., "n", mean=1.0, scale=spread)
    return out_a, lse_a, out_b, lse_b


def some_empty(draw: Draw, a: float, b: float, garbage: float = 1.0) -> Four:
    """Where a, or b, saw no key with this probability; never both. There `out` holds anything."""
    out_a, lse_a, out_b, lse_b = two_parts(draw)
    shape = tuple(lse_a.shape)
    one = torch.from_numpy(draw.rng.random(shape))
    no_a, no_b = one < a, one > 1 - b
    out_a = torch.where(no_a[..., None], garbage * out_a, out_a)
    out_b = torch.where(no_b[..., None], garbage * out_b, out_b)
    return out_a, lse_a.masked_fill(no_a, -torch.inf), out_b, lse_b.masked_fill(no_b, -torch.inf)


def merged(
    out_a: Array,
    lse_a: Array,
    out_b: Array,
    lse_b: Array,
    weigh: Callable[[Array, Array], Two],
    sums: Callable[[Array, Array], Array] | None = None,
) -> Two:
    """Merged with the shares that `weigh` gives, and the log-sum-exp that `sums` gives (the right one, if None)."""
    share_a, share_b = weigh(lse_a, lse_b)
    lse = merge_partials(out_a, lse_a, out_b, lse_b)[1] if sums is None else sums(lse_a, lse_b)
    return share_a[..., None] * out_a + share_b[..., None] * out_b, lse


def shares(lse_a: Array, lse_b: Array) -> Two:
    """The right ones: 0 and 0 where nobody saw a key."""
    peak = torch.maximum(lse_a, lse_b)
    peak = torch.where(peak == -torch.inf, 0.0, peak).to(lse_a.dtype)
    w_a, w_b = (lse_a - peak).exp(), (lse_b - peak).exp()
    total = w_a + w_b
    total = torch.where(total == 0, 1.0, total).to(lse_a.dtype)
    return w_a / total, w_b / total


def _from_peak(out_a: Array, lse_a: Array, out_b: Array, lse_b: Array, peak: Array, exp: Any, log: Any) -> Two:
    """Right for any finite peak near the larger one, with exp and log."""
    w_a, w_b = exp(lse_a - peak), exp(lse_b - peak)
    total = w_a + w_b
    empty = total == 0
    total = total.masked_fill(empty, 1.0)
    lse = (peak + log(total)).masked_fill(empty, -torch.inf)
    return (w_a / total)[..., None] * out_a + (w_b / total)[..., None] * out_b, lse


def lifted_peak(out_a: Array, lse_a: Array, out_b: Array, lse_b: Array, low: float) -> Two:
    """Subtracts `low` where both log-sum-exps are lower."""
    peak = torch.maximum(lse_a, lse_b).clamp(min=low)
    return _from_peak(out_a, lse_a, out_b, lse_b, peak, torch.exp, torch.log)


def powers_of_two(out_a: Array, lse_a: Array, out_b: Array, lse_b: Array, log: Any) -> Two:
    """2**x instead of e**x."""
    peak = torch.maximum(lse_a, lse_b)
    peak = peak.masked_fill(peak == -torch.inf, 0.0)
    return _from_peak(out_a, lse_a, out_b, lse_b, peak, torch.exp2, log)


def stand_in(out_a: Array, lse_a: Array, out_b: Array, lse_b: Array, low: float, of_all: bool) -> Two:
    """`low` instead of −inf, or also of whatever is lower; what no part saw a key for is put right at the end."""
    nobody = (lse_a == -torch.inf) & (lse_b == -torch.inf)
    if of_all:
        lse_a, lse_b = lse_a.clamp(min=low), lse_b.clamp(min=low)
    else:
        lse_a, lse_b = (x.masked_fill(x == -torch.inf, low) for x in (lse_a, lse_b))
    out, lse = merge_partials(out_a, lse_a, out_b, lse_b)
    return out.masked_fill(nobody[..., None], 0.0), lse.masked_fill(nobody, -torch.inf)


def by_logaddexp(out_a: Array, lse_a: Array, out_b: Array, lse_b: Array) -> Two:
    """exp(−inf − (−inf)) for a query of which nobody saw a key."""
    lse = torch.logaddexp(lse_a, lse_b)
    return (lse_a - lse).exp()[..., None] * out_a + (lse_b - lse).exp()[..., None] * out_b, lse


def by_infinite_peak(out_a: Array, lse_a: Array, out_b: Array, lse_b: Array) -> Two:
    """The same with the larger one subtracted."""
    peak = torch.maximum(lse_a, lse_b)
    w_a, w_b = (lse_a - peak).exp(), (lse_b - peak).exp()
    total = w_a + w_b
    return (w_a / total)[..., None] * out_a + (w_b / total)[..., None] * out_b, peak + total.log()


def by_finite_peak(out_a: Array, lse_a: Array, out_b: Array, lse_b: Array) -> Two:
    """0 / 0 alone is left, and the logarithm of 0."""
    peak = torch.maximum(lse_a, lse_b)
    peak = peak.masked_fill(peak == -torch.inf, 0.0)
    w_a, w_b = (lse_a - peak).exp(), (lse_b - peak).exp()
    total = w_a + w_b
    return (w_a / total)[..., None] * out_a + (w_b / total)[..., None] * out_b, peak + total.log()


def hidden_by_nan_to_num(out_a: Array, lse_a: Array, out_b: Array, lse_b: Array) -> Two:
    """NaN among the weights becomes 0."""
    lse = torch.logaddexp(lse_a, lse_b)
    w_a, w_b = ((x - lse).exp().nan_to_num() for x in (lse_a, lse_b))
    return w_a[..., None] * out_a + w_b[..., None] * out_b, lse


def hidden_by_where(out_a: Array, lse_a: Array, out_b: Array, lse_b: Array) -> Two:
    """NaN in both results is replaced at the end."""
    out, lse = by_infinite_peak(out_a, lse_a, out_b, lse_b)
    nobody = torch.maximum(lse_a, lse_b) == -torch.inf
    return out.masked_fill(nobody[..., None], 0.0), lse.masked_fill(nobody, -torch.inf)
