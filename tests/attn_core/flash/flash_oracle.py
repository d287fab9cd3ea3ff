"""Inputs and independent results for the tests of attn_core.flash: exact decimals, and torch's own attention."""

import math
from decimal import Decimal, localcontext

import numpy as np
import torch
from oracle import DIGITS, as_float64, decimals, exact_attention, exact_scores
from torch.nn.functional import scaled_dot_product_attention


def inputs(kind="torch float64", n=4, m=5, d=3, d_v=None, batch=(), seed=0):
    """Queries, keys and values of this kind; the values have a mean of 1, so that a lost weight shows."""
    rng = np.random.default_rng(seed)
    shapes = [(*batch, n, d), (*batch, m, d), (*batch, m, d_v or d)]
    library, dtype = kind.split()
    arrays = [rng.standard_normal(shape) + (position == 2) for position, shape in enumerate(shapes)]
    if library == "numpy":
        return [array.astype(dtype) for array in arrays]
    return [torch.tensor(array).to(getattr(torch, dtype)) for array in arrays]


def causal(n, m):
    """The bottom-right causal mask, written from its definition."""
    return np.array([[j <= i + m - n for j in range(m)] for i in range(n)], dtype=bool).reshape(n, m)


def exact(q, k, v, mask=None):
    """Out and lse in exact arithmetic, with 0 and −∞ for a query that sees no key; lse is rounded from 1e-16 relative."""
    arrays = [as_float64(x) for x in (q, k, v)] + ([] if mask is None else [np.asarray(mask)])
    key = tuple((x.shape, x.tobytes()) for x in arrays)
    if key not in _EXACT:  # decimal arithmetic is slow, and the same inputs come with several tiles
        _EXACT[key] = _exact(*arrays)
    return tuple(x.copy() for x in _EXACT[key])


_EXACT = {}


def _exact(q, k, v, mask=None):
    if k.shape[-2] == 0:
        return np.zeros((*q.shape[:-1], v.shape[-1])), np.full(q.shape[:-1], -math.inf)
    out, _ = exact_attention(q, k, v, mask)
    scores = exact_scores(q, k, scaled=True)
    if mask is not None:
        scores = np.where(mask, scores, -math.inf)
    peak = np.max(scores, axis=-1, initial=-math.inf)
    shift = np.where(np.isfinite(peak), peak, 0.0)
    with np.errstate(divide="ignore"):
        return out, shift + np.log(np.exp(scores - shift[..., None]).sum(-1))


def exact_gradients(q, k, v, grad_out, mask=None, grad_lse=None):
    """Gradients of q, k and v in decimal arithmetic, and the largest sum of absolute values that each is made of."""
    weights = decimals(exact_attention(q, k, v, mask)[1])
    with localcontext(prec=DIGITS):
        root = Decimal(q.shape[-1]).sqrt()
        q, k, v, g = (decimals(x) for x in (q, k, v, grad_out))
        rise = g @ np.swapaxes(v, -1, -2)
        mean = (weights * rise).sum(-1, keepdims=True)
        if grad_lse is not None:
            mean = mean - decimals(grad_lse)[..., None]
        slope = weights * (rise - mean) / root
        rough = weights * (np.abs(g) @ np.swapaxes(np.abs(v), -1, -2) + np.abs(mean)) / root
        turned = [np.swapaxes(x, -1, -2) for x in (slope, rough, weights)]
        grads = (slope @ k, turned[0] @ q, turned[2] @ g)
        scales = (rough @ np.abs(k), turned[1] @ np.abs(q), turned[2] @ np.abs(g))
        return [x.astype(np.float64) for x in grads], [float(x.max(initial=Decimal(0))) for x in scales]


def fused(q, k, v, mask=None):
    """Torch's attention in the dtype of q, with zeros for a query that sees no key."""
    tensors = [torch.as_tensor(array) for array in (q, k, v)]
    mask = None if mask is None else torch.as_tensor(mask)
    return scaled_dot_product_attention(*tensors, attn_mask=mask, enable_gqa=q.ndim > 2)


def plain_lse(q, k, mask=None):
    """The log-sum-exp by torch, in the dtype of q but at least float32."""
    q, k = (torch.as_tensor(array) for array in (q, k))
    wide = torch.promote_types(q.dtype, torch.float32)
    scores = (q.to(wide) @ k.to(wide).mT) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~torch.as_tensor(mask), -math.inf)
    return torch.logsumexp(scores, -1)


def finite(array, fill=0.0):
    """The numbers of an array, with `fill` in place of −∞."""
    values = as_float64(array)
    return np.where(np.isneginf(values), fill, values)


def int32(*values):
    """Lengths or offsets as the operators take them."""
    return torch.tensor(values, dtype=torch.int32)


def heads_inputs(dtype="float64", batch=2, heads=4, kv_heads=2, n=5, m=6, d=3, d_v=None, seed=0):
    """Queries (B, H_q, n, d), keys and values (B, H_kv, m, …); the values have a mean of 1."""
    rng = np.random.default_rng(seed)
    shapes = [(batch, heads, n, d), (batch, kv_heads, m, d), (batch, kv_heads, m, d_v or d)]
    arrays = [rng.standard_normal(shape) + (position == 2) for position, shape in enumerate(shapes)]
    return [torch.tensor(array).to(getattr(torch, dtype)) for array in arrays]


def packed_inputs(dtype="float64", queries=(3, 0, 5), keys=(4, 2, 1), heads=4, kv_heads=2, d=3, d_v=None, seed=0):
    """Packed queries, keys and values, and the two tensors of offsets."""
    q, k, v = heads_inputs(dtype, 1, heads, kv_heads, sum(queries), sum(keys), d, d_v, seed)
    offsets = [int32(0, *np.cumsum(lengths).tolist()) for lengths in (queries, keys)]
    return *(x[0].transpose(0, 1).contiguous() for x in (q, k, v)), *offsets


def visible(n, m, lengths, is_causal):
    """Which key each query of each sequence may see, (B, 1, n, m), written from the definition."""
    return np.array(
        [
            [[[j < length and (not is_causal or j <= i + length - n) for j in range(m)] for i in range(n)]]
            for length in lengths
        ],
        dtype=bool,
    ).reshape(len(lengths), 1, n, m)


def repeated(x, heads):
    """Keys or values with each head repeated for the query heads of its group, (B, H_kv, …) -> (B, H_q, …)."""
    return x.repeat_interleave(heads // x.shape[1], 1)
