"""Answers to flash.backward that differ in how they hide keys."""

import math

import torch
from answers import right, wrong


def visible(q, k, causal):
    """The mask, (n, m)."""
    n, m = q.shape[-2], k.shape[-2]
    return torch.arange(m) <= torch.arange(n)[:, None] + m - n if causal else torch.ones(n, m, dtype=torch.bool)


def gradients(p, q, k, v, out, grad_out):
    """Right, if the weights are."""
    ds = p * (grad_out @ v.mT - (grad_out * out).sum(-1, keepdim=True)) / math.sqrt(q.shape[-1])
    return ds @ k, ds.mT @ q, p.mT @ grad_out


def scores(q, k):
    """Scaled."""
    return q @ k.mT / math.sqrt(q.shape[-1])


@right
def filled_after_the_exponential(q, k, v, out, lse, grad_out, causal=False):
    """An infinite weight of a hidden key is replaced, not multiplied."""
    p = torch.exp(scores(q, k) - lse[..., None]).masked_fill(~visible(q, k, causal), 0)
    return gradients(p.masked_fill((lse == -math.inf)[..., None], 0), q, k, v, out, grad_out)


@right
def powers_of_two(q, k, v, out, lse, grad_out, causal=False):
    none = (lse == -math.inf)[..., None]
    p = torch.exp2((scores(q, k) - lse[..., None].masked_fill(none, 0)) / math.log(2))
    return gradients(p.masked_fill(none | ~visible(q, k, causal), 0), q, k, v, out, grad_out)


@right
def all_in_double(q, k, v, out, lse, grad_out, causal=False):
    dtype = q.dtype
    q, k, v, out, lse, grad_out = (x.double() for x in (q, k, v, out, lse, grad_out))
    s = scores(q, k).masked_fill(~visible(q, k, causal), -math.inf)
    p = (s - torch.where(lse == -math.inf, 0.0, lse)[..., None]).exp() * (lse > -math.inf)[..., None]
    return tuple(x.to(dtype) for x in gradients(p, q, k, v, out, grad_out))


@wrong("multiplies the weights by the mask, where that of a hidden key may be infinite")
def weights_times_the_mask(q, k, v, out, lse, grad_out, causal=False):
    p = torch.exp(scores(q, k) - lse.masked_fill(lse == -math.inf, math.inf)[..., None]) * visible(q, k, causal)
    return gradients(p, q, k, v, out, grad_out)


RENORMALISED = "takes a softmax over hidden keys too, hides their weights and divides again"


@wrong(RENORMALISED)
def softmax_of_all_keys(q, k, v, out, lse, grad_out, causal=False):
    p = scores(q, k).softmax(-1) * visible(q, k, causal)
    total = p.sum(-1, keepdim=True)
    return gradients(p / total.masked_fill(total == 0, 1), q, k, v, out, grad_out)


@wrong(RENORMALISED)
def maximum_of_all_keys(q, k, v, out, lse, grad_out, causal=False):
    s = scores(q, k)
    p = torch.exp(s - s.amax(-1, keepdim=True)) * visible(q, k, causal)
    total = p.sum(-1, keepdim=True)
    return gradients(p / total.masked_fill(total == 0, 1), q, k, v, out, grad_out)


@wrong("fills forbidden scores with a number such as −1e9")
def filled_with_minus_1e9(q, k, v, out, lse, grad_out, causal=False):
    s = scores(q, k).masked_fill(~visible(q, k, causal), -1e9)
    p = torch.exp(s - lse.masked_fill(lse == -math.inf, math.inf)[..., None])
    return gradients(p, q, k, v, out, grad_out)


@wrong("gives NaN where a query saw nothing")
def guarded_only_if_no_query_saw_anything(q, k, v, out, lse, grad_out, causal=False):
    if (lse == -math.inf).all():
        return 0 * q, 0 * k, 0 * v
    s = scores(q, k).masked_fill(~visible(q, k, causal), -math.inf)
    return gradients(torch.exp(s - lse[..., None]), q, k, v, out, grad_out)
