"""Answers to flash.tiled_attention that differ in how they hide keys, and in what they keep per block."""

import math

import torch
from answers import right, wrong


def visible(q, k, start, stop):
    """The causal mask of a block, (n, stop − start)."""
    n, m = q.shape[-2], k.shape[-2]
    return torch.arange(start, stop) <= torch.arange(n)[:, None] + m - n


def attend(q, k, v, block, scores, low=-math.inf, weights=lambda p, start, stop: p):
    """Right attention, if the scores of a block, (start, stop), and its weights are; `low` bounds what is subtracted."""
    top, total = q.new_full(q.shape[:-1], -math.inf), q.new_zeros(q.shape[:-1])
    acc = q.new_zeros(*q.shape[:-1], v.shape[-1])
    for start in range(0, k.shape[-2], block):
        stop = min(start + block, k.shape[-2])
        s = scores(start, stop)
        new = torch.maximum(top, s.amax(-1))
        ref = new.clamp(min=low) if math.isfinite(low) else new.masked_fill(new == -math.inf, 0.0)
        factor, p = torch.exp(top - ref), weights(torch.exp(s - ref[..., None]), start, stop)
        total = factor * total + p.sum(-1)
        acc = factor[..., None] * acc + p @ v[..., start:stop, :]
        top = new
    empty = total == 0
    total = total.masked_fill(empty, 1.0)
    return acc / total[..., None], (top + total.log()).masked_fill(empty, -math.inf)


def product(q, k, start, stop):
    """Scaled scores."""
    return q @ k[..., start:stop, :].mT / math.sqrt(q.shape[-1])


@right
def key_by_key(q, k, v, block, causal=False):
    n, m = q.shape[-2], k.shape[-2]
    q = q * q.shape[-1] ** -0.5
    top, total = q.new_full(q.shape[:-1], -math.inf), q.new_zeros(q.shape[:-1])
    acc = q.new_zeros(*q.shape[:-1], v.shape[-1])
    for j in range(m):
        s = (q * k[..., j : j + 1, :]).sum(-1)
        if causal:
            s = s.masked_fill(torch.arange(n) + m - n < j, -math.inf)
        new = torch.maximum(top, s)
        ref = new.masked_fill(new == -math.inf, 0)
        factor, p = (top - ref).exp(), (s - ref).exp()
        total, acc, top = total * factor + p, acc * factor[..., None] + p[..., None] * v[..., j : j + 1, :], new
    total = total.masked_fill(total == 0, 1)
    return acc / total[..., None], top + total.log()


@right
def halves_of_the_keys(q, k, v, block, causal=False):
    """By recursion: as many results are alive as there are levels."""

    def part(start, stop):
        if stop - start <= block:
            s = product(q, k, start, stop)
            s = s.masked_fill(~visible(q, k, start, stop), -math.inf) if causal else s
            none = (s == -math.inf).all(-1)
            s = s.masked_fill(none[..., None], 0)
            out = s.softmax(-1).masked_fill(none[..., None], 0) @ v[..., start:stop, :]
            return out, s.logsumexp(-1).masked_fill(none, -math.inf)
        middle = start + block * max(1, (stop - start) // block // 2)
        (x, a), (y, b) = part(start, middle), part(middle, stop)
        none = (a == -math.inf) & (b == -math.inf)
        a, b = a.masked_fill(none, 0), b.masked_fill(none, 0)
        lse = torch.logaddexp(a, b)
        out = (a - lse).exp()[..., None] * x + (b - lse).exp()[..., None] * y
        return out.masked_fill(none[..., None], 0), lse.masked_fill(none, -math.inf)

    return part(0, k.shape[-2])


LATE = "hides keys after the maximum has been taken, so that a hidden one may set it"


@wrong(LATE)
def weights_times_the_mask(q, k, v, block, causal=False):
    def weights(p, start, stop):
        return p * visible(q, k, start, stop) if causal else p

    return attend(q, k, v, block, lambda a, b: product(q, k, a, b), weights=weights)


@wrong(LATE)
def weights_filled_with_zeros(q, k, v, block, causal=False):
    def weights(p, start, stop):
        return p.masked_fill(~visible(q, k, start, stop), 0) if causal else p

    return attend(q, k, v, block, lambda a, b: product(q, k, a, b), weights=weights)


@wrong("fills forbidden scores with a number such as −1e9")
def filled_with_the_lowest_number(q, k, v, block, causal=False):
    def scores(start, stop):
        s = product(q, k, start, stop)
        return s.masked_fill(~visible(q, k, start, stop), torch.finfo(s.dtype).min) if causal else s

    return attend(q, k, v, block, scores)


@wrong("is right on ordinary inputs, but not for: causal, scores below every number that could stand for −inf")
def filled_with_minus_1e30_and_masked(q, k, v, block, causal=False):
    def scores(start, stop):
        s = product(q, k, start, stop)
        return s.masked_fill(~visible(q, k, start, stop), -1e30) if causal else s

    def weights(p, start, stop):
        return p * visible(q, k, start, stop) if causal else p

    return attend(q, k, v, block, scores, weights=weights)


@wrong("starts with a maximum such as −1e9 instead of −inf")
def subtracts_minus_1e30_at_least(q, k, v, block, causal=False):
    def scores(start, stop):
        s = product(q, k, start, stop)
        return s.masked_fill(~visible(q, k, start, stop), -math.inf) if causal else s

    return attend(q, k, v, block, scores, low=-1e30)


@wrong("keeps the results of all blocks until the end")
def stacked_results(q, k, v, block, causal=False):
    outs, lses = [], []
    for start in range(0, k.shape[-2], block):
        s = product(q, k, start, min(start + block, k.shape[-2]))
        s = s.masked_fill(~visible(q, k, start, start + s.shape[-1]), -math.inf) if causal else s
        none = (s == -math.inf).all(-1)
        s = s.masked_fill(none[..., None], 0)
        outs.append(s.softmax(-1).masked_fill(none[..., None], 0) @ v[..., start : start + block, :])
        lses.append(s.logsumexp(-1).masked_fill(none, -math.inf))
    lse = torch.stack(lses, -1)
    none = (lse == -math.inf).all(-1, keepdim=True)
    shares = lse.masked_fill(none, 0).softmax(-1).masked_fill(none, 0)
    out = (shares[..., None] * torch.stack(outs, -2)).sum(-2)
    return out, lse.masked_fill(none, 0).logsumexp(-1).masked_fill(none[..., 0], -math.inf)


@wrong("is causal unless it is told not to be")
def causal_by_default(q, k, v, block, causal=True):
    return key_by_key(q, k, v, block, causal)
