"""Answers to heads.multi_head: unusual right ones, and numbers that stand in the wrong order."""

import math

import torch
from answers import right, wrong

from attn_core.heads import merge_heads, split_heads


def weighted(scores, mask):
    """Right weights."""
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    return torch.softmax(scores, -1).nan_to_num()


@right
def heads_by_vmap(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    d = len(W_q)
    if d % heads:
        raise ValueError("heads must divide d")
    mask = torch.ones((), dtype=torch.bool) if mask is None else mask
    mask = mask.expand(len(x_q), heads, x_q.shape[1], x_kv.shape[1])

    def head(w_q, w_k, w_v, w_o, seen):
        weights = weighted((x_q @ w_q) @ (x_kv @ w_k).mT * (heads / d) ** 0.5, seen)
        return weights @ (x_kv @ w_v) @ w_o, weights

    columns = (W.unflatten(1, (heads, -1)).movedim(1, 0) for W in (W_q, W_k, W_v))
    out, weights = torch.vmap(head)(*columns, W_o.unflatten(0, (heads, -1)), mask.movedim(1, 0))
    return out.sum(0), weights.movedim(0, 1)


@right
def full_width_with_the_other_heads_zeroed(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    """No split: q and v of a head are zero outside its channels. The mask is filled with a finite number, and zeroes again."""
    d = len(W_q)
    if d % heads:
        raise ValueError(f"{d} channels for {heads} heads")
    own = (torch.arange(d) // (d // heads) == torch.arange(heads)[:, None]).to(x_q.dtype)[:, None]
    q, k, v = (x_q @ W_q)[:, None] * own, (x_kv @ W_k)[:, None], (x_kv @ W_v)[:, None] * own
    scores = q @ k.mT / (d / heads) ** 0.5
    if mask is None:
        weights = scores.softmax(-1)
    else:
        weights = scores.masked_fill(~mask, torch.finfo(scores.dtype).min).softmax(-1) * mask
    return (weights @ v).sum(1) @ W_o, weights


@right
def softmax_with_its_own_backward(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    class Softmax(torch.autograd.Function):
        @staticmethod
        def forward(ctx, scores):
            weights = weighted(scores, mask)
            ctx.save_for_backward(weights)
            return weights

        @staticmethod
        def backward(ctx, grad):
            (weights,) = ctx.saved_tensors
            return weights * (grad - (grad * weights).sum(-1, keepdim=True))

    q, k, v = (split_heads(x @ W, heads) for x, W in ((x_q, W_q), (x_kv, W_k), (x_kv, W_v)))
    weights = Softmax.apply(q @ k.mT / math.sqrt(q.shape[-1]))
    return merge_heads(weights @ v) @ W_o, weights


@wrong("reshapes the keys instead of transposing them")
def keys_reshaped(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    q, k, v = (split_heads(x @ W, heads) for x, W in ((x_q, W_q), (x_kv, W_k), (x_kv, W_v)))
    weights = weighted(q @ k.reshape(len(k), heads, -1, k.shape[2]) / math.sqrt(q.shape[-1]), mask)
    return merge_heads(weights @ v) @ W_o, weights


@wrong("compares the heads of a token with each other: the heads still stand behind the tokens")
def transpose_forgotten(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    if len(W_q) % heads:
        raise ValueError("heads must divide d")
    q, k, v = ((x @ W).unflatten(-1, (heads, -1)) for x, W in ((x_q, W_q), (x_kv, W_k), (x_kv, W_v)))
    weights = weighted(q @ k.mT / math.sqrt(q.shape[-1]), mask)
    return (weights @ v).flatten(2) @ W_o, weights


@wrong("splits by a reshape alone, which mixes tokens and channels")
def values_by_a_reshape_alone(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    q, k = split_heads(x_q @ W_q, heads), split_heads(x_kv @ W_k, heads)
    weights = weighted(q @ k.mT / math.sqrt(q.shape[-1]), mask)
    return merge_heads(weights @ (x_kv @ W_v).reshape(k.shape)) @ W_o, weights
