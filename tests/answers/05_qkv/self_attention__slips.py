"""More answers to qkv.self_attention: softmax by hand, axes, and what is mixed."""

import math

import torch
from answers import right, wrong
from torch.nn import functional

KEEPDIM = "leaves out keepdim, so that maxima or sums stand in a row beside other tokens' scores"
FRONT = "counts the axis of the softmax from the front"
CONSTANT = "adds a constant to the denominator"
TABLE = "normalises over the whole table of scores"


def projected(x, W_q, W_k, W_v):
    """Queries, keys and values."""
    return x @ W_q, x @ W_k, x @ W_v


def scores_and_values(x, W_q, W_k, W_v):
    """Scaled scores and values, to build answers on."""
    q, k, v = projected(x, W_q, W_k, W_v)
    return q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]), v


@right
def identity_as_values(x, W_q, W_k, W_v):
    q, k, v = projected(x, W_q, W_k, W_v)
    n = x.shape[-2]
    weights = functional.scaled_dot_product_attention(q, k, torch.eye(n, dtype=x.dtype).expand(*x.shape[:-2], n, n))
    return weights @ v, weights


@right
def columns_are_tokens(x, W_q, W_k, W_v):
    x = x.transpose(-1, -2)
    q, k, v = W_q.T @ x, W_k.T @ x, W_v.T @ x
    weights = torch.softmax(k.mT @ q / W_q.shape[1] ** 0.5, dim=-2)
    return (v @ weights).mT, weights.mT


@right
def form_first(x, W_q, W_k, W_v):
    weights = torch.softmax(x @ (W_q @ W_k.T) @ x.mT / math.sqrt(W_q.shape[1]), -1)
    return weights @ x @ W_v, weights


@right
def one_product_for_all_three(x, W_q, W_k, W_v):
    q, k, v = (x @ torch.cat([W_q, W_k, W_v], 1)).split([W_q.shape[1], W_k.shape[1], W_v.shape[1]], -1)
    s = q @ k.mT
    s /= math.sqrt(W_q.shape[1])
    weights = (s - s.logsumexp(-1, keepdim=True)).exp()
    return weights @ v, weights


@wrong(KEEPDIM)
def maximum_without_keepdim(x, W_q, W_k, W_v):
    s, v = scores_and_values(x, W_q, W_k, W_v)
    e = torch.exp(s - s.max(-1).values)
    w = e / e.sum(-1, keepdim=True)
    return w @ v, w


@wrong(KEEPDIM)
def sum_without_keepdim(x, W_q, W_k, W_v):
    s, v = scores_and_values(x, W_q, W_k, W_v)
    e = torch.exp(s - s.amax(-1, keepdim=True))
    w = e / e.sum(dim=-1)
    return w @ v, w


@wrong(FRONT)
def dim_zero(x, W_q, W_k, W_v):
    s, v = scores_and_values(x, W_q, W_k, W_v)
    w = functional.softmax(s, dim=0)
    return w @ v, w


@wrong(FRONT)
def dim_one(x, W_q, W_k, W_v):
    s, v = scores_and_values(x, W_q, W_k, W_v)
    w = functional.softmax(s, dim=1)
    return w @ v, w


@wrong(FRONT)
def dim_two(x, W_q, W_k, W_v):
    s, v = scores_and_values(x, W_q, W_k, W_v)
    w = functional.softmax(s, dim=2)
    return w @ v, w


@wrong(TABLE)
def divided_by_everything(x, W_q, W_k, W_v):
    s, v = scores_and_values(x, W_q, W_k, W_v)
    e = torch.exp(s - s.amax(-1, keepdim=True))
    w = e / e.sum()
    return w @ v, w


@wrong("subtracts the maximum of each key over the queries instead of each query over the keys")
def maximum_of_columns(x, W_q, W_k, W_v):
    s, v = scores_and_values(x, W_q, W_k, W_v)
    e = torch.exp(s - s.amax(-2, keepdim=True))
    w = e / e.sum(-1, keepdim=True)
    return w @ v, w


@wrong("subtracts the maximum of all scores, so that rows that score low underflow")
def maximum_of_a_sequence(x, W_q, W_k, W_v):
    s, v = scores_and_values(x, W_q, W_k, W_v)
    e = torch.exp(s - s.amax(dim=(-1, -2), keepdim=True))
    w = e / e.sum(-1, keepdim=True)
    return w @ v, w


@wrong(CONSTANT)
def epsilon(x, W_q, W_k, W_v):
    s, v = scores_and_values(x, W_q, W_k, W_v)
    e = torch.exp(s - s.amax(-1, keepdim=True))
    w = e / (e.sum(-1, keepdim=True) + 1e-8)
    return w @ v, w


@wrong("leaves out the softmax")
def scores_as_weights(x, W_q, W_k, W_v):
    s, v = scores_and_values(x, W_q, W_k, W_v)
    return s @ v, s


@wrong("takes the absolute value of the scores")
def absolute_scores(x, W_q, W_k, W_v):
    s, v = scores_and_values(x, W_q, W_k, W_v)
    w = s.abs().softmax(-1)
    return w @ v, w


@wrong("replaces negative scores by 0")
def positive_scores(x, W_q, W_k, W_v):
    s, v = scores_and_values(x, W_q, W_k, W_v)
    w = torch.softmax(s.clamp(min=0), -1)
    return w @ v, w


@wrong("compares by the cosine: it divides queries and keys by their lengths")
def normalised(x, W_q, W_k, W_v):
    q, k, v = projected(x, W_q, W_k, W_v)
    w = torch.softmax(functional.normalize(q, dim=-1) @ functional.normalize(k, dim=-1).mT, -1)
    return w @ v, w


@wrong("compares and mixes the raw tokens, without projections")
def no_projections(x, W_q, W_k, W_v):
    w = torch.softmax(x @ x.mT / math.sqrt(x.shape[-1]), -1)
    return w @ x, w


@wrong("reshapes the keys instead of transposing them")
def reshape_for_transpose(x, W_q, W_k, W_v):
    q, k, v = projected(x, W_q, W_k, W_v)
    w = torch.softmax(q @ k.reshape(*k.shape[:-2], k.shape[-1], k.shape[-2]) / math.sqrt(q.shape[-1]), -1)
    return w @ v, w


@wrong("mixes the queries instead of the values")
def queries_are_mixed(x, W_q, W_k, W_v):
    q, k, _ = projected(x, W_q, W_k, W_v)
    w = torch.softmax(q @ k.mT / math.sqrt(q.shape[-1]), -1)
    return w @ q, w


@wrong("returns weights without the scale beside an output with it")
def scale_forgotten_once(x, W_q, W_k, W_v):
    q, k, v = projected(x, W_q, W_k, W_v)
    return functional.scaled_dot_product_attention(q, k, v), torch.softmax(q @ k.mT, -1)


@wrong("squeezes away every axis of size 1")
def squeezed(x, W_q, W_k, W_v):
    s, v = scores_and_values(x, W_q, W_k, W_v)
    w = s.softmax(-1)
    return (w @ v).squeeze(), w.squeeze()
