r"""Tiled attention reads keys and values block by block and never holds more than one block of scores.

Formula
    per block: s = q k_blockᵀ / √d_k, −∞ where causality forbids; m, l, r = online_update(m, l, s);
    acc = r acc + exp(s − m) v_block
    at the end: out = acc / l, lse = m + ln l = ln Σ_j exp(s_j), the natural logarithm over the scaled scores
Shapes
    q      (..., n, d_k)
    k      (..., m, d_k)
    v      (..., m, d_v)
    out    (..., n, d_v)
    lse    (..., n), −∞ where a query sees no key; its out is 0
Cost
    as many multiply-adds as untiled attention, n m (d_k + d_v); n (d_v + block) numbers at once instead of n m.
    Through autograd the blocks of all steps are kept; flash_backward needs only out and lse.
Errors
    ValueError for shapes that do not fit and for block < 1; TypeError for what is not a floating array of one library
    and one dtype. Half precision is computed in float32, and its lse is float32. NaN gives NaN.
Source
    Dao et al. 2022, FlashAttention, algorithm 1; the order of loops and one division at the end: Dao 2023,
    FlashAttention-2, algorithm 1; causal alignment and empty rows as in attn_core.conventions
"""

import math
from operator import index

from array_api_compat import device

from attn_core.conventions import Array, check_arguments
from attn_core.flash.online_softmax import online_update


def tiled_attention(q: Array, k: Array, v: Array, block: int, causal: bool = False) -> tuple[Array, Array]:
    """Context and log-sum-exp of every query, `block` keys at a time; any block size gives the same numbers.

    >>> import numpy as np
    >>> q, k, v = np.zeros((2, 1)), np.zeros((2, 1)), np.array([[2.0], [6.0]])
    >>> out, lse = tiled_attention(q, k, v, block=1, causal=True)
    >>> out.ravel(), np.exp(lse).round(12)
    (array([2., 4.]), array([1., 2.]))
    """
    function = "tiled_attention"
    xp = check_arguments(function, q=(q, "... n d_k"), k=(k, "... m d_k"), v=(v, "... m d_v"))
    block = check_block(function, block)
    dtype, place = q.dtype, device(q)
    wide = xp.float32 if xp.finfo(dtype).bits < 32 else dtype
    (*batch, n, d_k), (keys, d_v) = q.shape, v.shape[-2:]
    q = xp.astype(q, wide, copy=False) / math.sqrt(d_k or 1)
    last_seen = xp.arange(n, device=place)[:, None] + (keys - n)  # (n, 1): the newest key that each query may see

    peak = xp.full((*batch, n), -math.inf, dtype=wide, device=place)
    total = xp.zeros((*batch, n), dtype=wide, device=place)
    acc = xp.zeros((*batch, n, d_v), dtype=wide, device=place)
    for start in range(0, keys, block):
        stop = min(start + block, keys)
        k_block, v_block = (xp.astype(part[..., start:stop, :], wide, copy=False) for part in (k, v))
        scores = xp.matmul(q, xp.matrix_transpose(k_block))  # (..., n, d_k) @ (..., d_k, b) -> (..., n, b)
        if causal and stop - 1 > keys - n:  # otherwise even the first query sees the whole block
            scores = xp.where(xp.arange(start, stop, device=place) <= last_seen, scores, -math.inf)
        peak, total, rescale = online_update(peak, total, scores)
        weights = xp.exp(scores - xp.where(peak == -math.inf, 0.0, peak)[..., None])
        acc = rescale[..., None] * acc + xp.matmul(weights, v_block)  # (..., n, b) @ (..., b, d_v) -> (..., n, d_v)
    seen = xp.where(total == 0.0, 1.0, total)  # a query that sees no key: 0 / 1, and −∞ + ln 1
    return xp.astype(acc / seen[..., None], dtype, copy=False), peak + xp.log(seen)


def check_block(function: str, block: int) -> int:
    """Check the number of keys that are read at once."""
    try:
        size = index(block)
    except TypeError:
        kind = type(block).__name__
        raise TypeError(f"{function}: block is of type {kind}, but it must be a whole number of keys.") from None
    if size < 1:
        raise ValueError(f"{function}: block is {size}, but at least 1 key must be read at once.")
    return size
