"""Right and wrong answers to qkv.self_attention."""

import math

import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it
from answers import right, wrong
from torch import nn


def weights_of(x, W_q, W_k):
    """Right weights."""
    return torch.softmax((x @ W_q) @ (x @ W_k).mT / math.sqrt(W_q.shape[1]), dim=-1)


# --- right, in different styles


@right
def five_lines(x, W_q, W_k, W_v):
    q, k, v = x @ W_q, x @ W_k, x @ W_v
    scores = q @ k.transpose(-2, -1) / math.sqrt(k.size(-1))
    weights = F.softmax(scores, dim=-1)
    return weights @ v, weights


@right
def token_by_token(x, W_q, W_k, W_v):
    n, outs, rows = x.shape[-2], [], []
    for i in range(n):
        q = x[..., i, :] @ W_q
        scores = torch.stack([(q * (x[..., j, :] @ W_k)).sum(-1) for j in range(n)], dim=-1) / W_q.shape[1] ** 0.5
        a = scores.softmax(-1)
        rows.append(a)
        outs.append(sum(a[..., j, None] * (x[..., j, :] @ W_v) for j in range(n)))
    return torch.stack(outs, dim=-2), torch.stack(rows, dim=-2)


@right
def einsum(x, W_q, W_k, W_v):
    q, k, v = (torch.einsum("...nd,dk->...nk", x, W) for W in (W_q, W_k, W_v))
    a = torch.einsum("...ik,...jk->...ij", q * q.shape[-1] ** -0.5, k).softmax(-1)
    return torch.einsum("...ij,...jv->...iv", a, v), a


@right
def through_the_bilinear_form(x, W_q, W_k, W_v):
    form = W_q @ W_k.T / math.sqrt(W_q.shape[1])
    weights = torch.softmax(x @ form @ x.mT, -1)
    return weights @ x @ W_v, weights  # (weights x) W_v = weights (x W_v)


@right
def fused(x, W_q, W_k, W_v):
    q, k = x @ W_q, x @ W_k
    return F.scaled_dot_product_attention(q, k, x @ W_v), torch.softmax(q @ k.mT / math.sqrt(q.shape[-1]), -1)


@right
def one_big_projection(x, W_q, W_k, W_v):
    d_k, d_v = W_q.shape[1], W_v.shape[1]
    q, k, v = (x @ torch.cat([W_q, W_k, W_v], dim=1)).split([d_k, d_k, d_v], dim=-1)
    scores = torch.matmul(q, k.transpose(-1, -2)) / d_k**0.5
    weights = torch.exp(scores - torch.logsumexp(scores, -1, keepdim=True))
    return torch.matmul(weights, v), weights


@right
def linear_layers(x, W_q, W_k, W_v):
    q, k, v = (F.linear(x, W.T) for W in (W_q, W_k, W_v))
    weights = nn.Softmax(dim=-1)(q.matmul(k.mT).div(math.sqrt(d)) if (d := q.shape[-1]) else q)
    return [weights.matmul(v), weights]


@right
def flat_batch(x, W_q, W_k, W_v):
    flat = x.reshape(-1, *x.shape[-2:])
    q, k, v = flat @ W_q, flat @ W_k, flat @ W_v
    scores = torch.baddbmm(flat.new_zeros(flat.shape[0], x.shape[-2], x.shape[-2]), q, k.mT, alpha=W_q.shape[1] ** -0.5)
    weights = scores.softmax(2)
    return torch.bmm(weights, v).reshape(*x.shape[:-1], -1), weights.reshape(*x.shape[:-1], -1)


@right
def columns_as_tokens(x, W_q, W_k, W_v):
    """The convention of column vectors: everything transposed, the softmax along the first axis."""
    X = x.mT
    Q, K, V = W_q.T @ X, W_k.T @ X, W_v.T @ X
    A = torch.softmax(K.mT @ Q / Q.shape[-2] ** 0.5, dim=-2)
    return (V @ A).mT, A.mT


@right
def shift_by_hand(x, W_q, W_k, W_v):
    scores = (x @ W_q) @ (x @ W_k).mT / math.sqrt(W_q.shape[1])
    e = torch.exp(scores - scores.max(-1, keepdim=True).values.detach())
    weights = e / e.sum(-1, keepdim=True)
    return weights @ (x @ W_v), weights


@right
def vmap(x, W_q, W_k, W_v):
    if x.ndim > 2:
        return torch.vmap(lambda one: vmap(one, W_q, W_k, W_v))(x)
    weights = weights_of(x, W_q, W_k)
    return weights @ (x @ W_v), weights


# --- wrong, the way learners write it


@wrong("leaves out the scale")
def no_scale(x, W_q, W_k, W_v):
    w = F.softmax((x @ W_q) @ (x @ W_k).mT, dim=-1)
    return w @ (x @ W_v), w


@wrong("divides by d_k instead of its square root")
def both_scaled(x, W_q, W_k, W_v):
    q, k = (x @ W / math.sqrt(W.shape[1]) for W in (W_q, W_k))
    w = F.softmax(q @ k.mT, dim=-1)
    return w @ (x @ W_v), w


@wrong("takes the scale from the tokens' size d")
def model_scale(x, W_q, W_k, W_v):
    w = F.softmax((x @ W_q) @ (x @ W_k).mT / math.sqrt(x.shape[-1]), dim=-1)
    return w @ (x @ W_v), w


@wrong("takes the scale from the values' size d_v")
def value_scale(x, W_q, W_k, W_v):
    q, k, v = x @ W_q, x @ W_k, x @ W_v
    w = F.softmax(q @ k.mT / math.sqrt(v.shape[-1]), dim=-1)
    return w @ v, w


@wrong("takes the scale from the number of tokens")
def length_scale(x, W_q, W_k, W_v):
    s = (x @ W_q) @ (x @ W_k).mT
    w = F.softmax(s / math.sqrt(s.shape[-1]), dim=-1)
    return w @ (x @ W_v), w


@wrong("multiplies by √d_k instead of dividing")
def times_root(x, W_q, W_k, W_v):
    w = F.softmax((x @ W_q) @ (x @ W_k).mT * math.sqrt(W_q.shape[1]), dim=-1)
    return w @ (x @ W_v), w


@wrong("normalises over the queries instead of the keys")
def softmax_over_dim_minus_two(x, W_q, W_k, W_v):
    w = F.softmax((x @ W_q) @ (x @ W_k).mT / math.sqrt(W_q.shape[1]), dim=-2)
    return w @ (x @ W_v), w


@wrong("normalises over the whole table of scores")
def softmax_over_all(x, W_q, W_k, W_v):
    s = (x @ W_q) @ (x @ W_k).mT / math.sqrt(W_q.shape[1])
    e = torch.exp(s - s.amax((-1, -2), keepdim=True))
    w = e / e.sum((-1, -2), keepdim=True)
    return w @ (x @ W_v), w


@wrong("exchanges the roles of W_q and W_k")
def keys_ask(x, W_q, W_k, W_v):
    w = F.softmax((x @ W_k) @ (x @ W_q).mT / math.sqrt(W_q.shape[1]), dim=-1)
    return w @ (x @ W_v), w


@wrong("projects the keys with W_q")
def shared_query_projection(x, W_q, W_k, W_v):
    q = k = x @ W_q
    w = F.softmax(q @ k.mT / math.sqrt(W_q.shape[1]), dim=-1)
    return w @ (x @ W_v), w


@wrong("projects the queries with W_k")
def shared_key_projection(x, W_q, W_k, W_v):
    w = weights_of(x, W_k, W_k)
    return w @ (x @ W_v), w


@wrong("mixes the keys instead of the values")
def keys_for_values(x, W_q, W_k, W_v):
    k = x @ W_k
    w = weights_of(x, W_q, W_k)
    return w @ k, w


@wrong("mixes the tokens themselves instead of their values")
def tokens_for_values(x, W_q, W_k, W_v):
    w = weights_of(x, W_q, W_k)
    return torch.einsum("...ij,...jd->...id", w, x), w


@wrong("compares the raw tokens, without projections")
def raw_similarity(x, W_q, W_k, W_v):
    w = F.softmax(x @ x.mT / W_q.shape[1] ** 0.5, -1)
    return w @ (x @ W_v), w


@wrong("multiplies by the transposed projections, as nn.Linear stores them")
def like_linear(x, W_q, W_k, W_v):
    q, k, v = (F.linear(x, W) for W in (W_q, W_k, W_v))
    w = F.softmax(q @ k.mT / math.sqrt(q.shape[-1]), -1)
    return w @ v, w


@wrong("hides each token from itself")
def others_only(x, W_q, W_k, W_v):
    s = (x @ W_q) @ (x @ W_k).mT / math.sqrt(W_q.shape[1])
    s = s + torch.diag(torch.full((x.shape[-2],), -math.inf, dtype=x.dtype))
    w = F.softmax(s, -1)
    return w @ (x @ W_v), w


@wrong("hides later tokens (a causal mask)")
def causal(x, W_q, W_k, W_v):
    s = (x @ W_q) @ (x @ W_k).mT / math.sqrt(W_q.shape[1])
    future = torch.ones_like(s, dtype=torch.bool).triu(1)
    w = s.masked_fill(future, -math.inf).softmax(-1)
    return w @ (x @ W_v), w


@wrong("exponentiates without subtracting the maximum")
def naive_softmax(x, W_q, W_k, W_v):
    e = ((x @ W_q) @ (x @ W_k).mT / math.sqrt(W_q.shape[1])).exp()
    w = e / e.sum(dim=-1, keepdim=True)
    return w @ (x @ W_v), w


@wrong("applies softmax twice")
def twice(x, W_q, W_k, W_v):
    w = weights_of(x, W_q, W_k).softmax(-1)
    return w @ (x @ W_v), w


@wrong("returns the scores instead of the weights")
def scores_returned(x, W_q, W_k, W_v):
    s = (x @ W_q) @ (x @ W_k).mT / math.sqrt(W_q.shape[1])
    return s.softmax(-1) @ (x @ W_v), s


@wrong("returns the weights first and the output second")
def swapped(x, W_q, W_k, W_v):
    return five_lines(x, W_q, W_k, W_v)[::-1]


@wrong("returns the output without the weights")
def output_only(x, W_q, W_k, W_v):
    return F.scaled_dot_product_attention(x @ W_q, x @ W_k, x @ W_v)


@wrong("uses the transposed weights for the output: what a token receives instead of what it gives")
def weights_turned(x, W_q, W_k, W_v):
    w = weights_of(x, W_q, W_k)
    return torch.einsum("...ij,...iv->...jv", w, x @ W_v), w


@wrong("transposes with fixed axis numbers, which fits three axes only")
def transpose_one_two(x, W_q, W_k, W_v):
    q, k, v = x @ W_q, x @ W_k, x @ W_v
    w = F.softmax(torch.matmul(q, k.transpose(1, 2)) / math.sqrt(k.shape[-1]), dim=-1)
    return torch.matmul(w, v), w


@wrong("is right except with batch axes")
def capital_t(x, W_q, W_k, W_v):
    w = F.softmax((x @ W_q) @ (x @ W_k).T / math.sqrt(W_q.shape[1]), dim=-1)
    return w @ (x @ W_v), w


@wrong("adds the token to its output (the residual connection comes later)")
def residual(x, W_q, W_k, W_v):
    out, w = five_lines(x, W_q, W_k, W_v)
    return (x + out if out.shape == x.shape else out), w


@wrong("averages the weighted values instead of summing them")
def mean_of_weighted(x, W_q, W_k, W_v):
    w = weights_of(x, W_q, W_k)
    return (w[..., None] * (x @ W_v)[..., None, :, :]).mean(-2), w
