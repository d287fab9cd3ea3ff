r"""The backward pass of attention computes the weights again, block by block, from the log-sum-exp that was kept.

Formula
    P = exp(s − lse) with s = q kᵀ / √d_k, −∞ where causality forbids: the very weights of the forward pass
    δ_i = Σ_c out_ic grad_out_ic, which is Σ_j P_ij (grad_out vᵀ)_ij: the softmax's sum over a row without that row
    grad_v = Pᵀ grad_out; dS = P ⊙ (grad_out vᵀ − δ); grad_q = dS k / √d_k; grad_k = dSᵀ q / √d_k
Shapes
    q, grad_q        (..., n, d_k)
    k, grad_k        (..., m, d_k)
    v, grad_v        (..., m, d_v)
    out, grad_out    (..., n, d_v)
    lse              (..., n), −∞ where a query saw no key: its gradient is 0, and it gives none to keys and values
Cost
    five matrix products of n m d multiply-adds, against two in the forward pass, as s is computed twice;
    n (d_k + block) numbers at once instead of n m
Errors
    ValueError for shapes that do not fit and for block < 1; TypeError for what is not a floating array of one library
    and one dtype (lse may be float32 where the rest is half precision, which is computed in float32). NaN gives NaN.
Source
    Dao et al. 2022, FlashAttention, algorithm 4 and appendix B.2; Dao 2023, FlashAttention-2, section 3.1.2 (lse in place
    of maximum and sum)
"""

import math

from array_api_compat import device

from attn_core.conventions import Array, check_arguments, namespace, shape_error
from attn_core.flash.tiled import check_block


def flash_backward(
    q: Array,
    k: Array,
    v: Array,
    out: Array,
    lse: Array,
    grad_out: Array,
    causal: bool = False,
    *,
    block: int = 128,
) -> tuple[Array, Array, Array]:
    """Gradients of q, k and v from what the forward pass returned and the gradient of its out.

    >>> import numpy as np
    >>> from attn_core.flash.tiled import tiled_attention
    >>> q, k, v = np.ones((1, 1)), np.array([[1.0], [1.0]]), np.array([[0.0], [4.0]])
    >>> out, lse = tiled_attention(q, k, v, block=1)
    >>> grad_q, grad_k, grad_v = flash_backward(q, k, v, out, lse, np.ones((1, 1)))
    >>> grad_k.ravel(), grad_v.ravel()
    (array([-1.,  1.]), array([0.5, 0.5]))
    """
    function = "flash_backward"
    xp = check_arguments(
        function,
        q=(q, "... n d_k"),
        k=(k, "... m d_k"),
        v=(v, "... m d_v"),
        out=(out, "... n d_v"),
        grad_out=(grad_out, "... n d_v"),
    )
    block = check_block(function, block)
    dtype, place = q.dtype, device(q)
    wide = xp.float32 if xp.finfo(dtype).bits < 32 else dtype
    check_lse(function, lse, q, wide)
    n, keys, scale = q.shape[-2], k.shape[-2], 1 / math.sqrt(q.shape[-1] or 1)
    q, out, grad_out = (xp.astype(array, wide, copy=False) for array in (q, out, grad_out))
    delta = xp.sum(out * grad_out, axis=-1)[..., None]
    lse = xp.astype(lse, wide, copy=False)
    shift = xp.where(lse == -math.inf, math.inf, lse)[..., None]  # exp(s − ∞) = 0: such a query has no weights
    last_seen = xp.arange(n, device=place)[:, None] + (keys - n)

    grad_q, grads_k, grads_v = xp.zeros_like(q), [k[..., :0, :]], [v[..., :0, :]]
    for start in range(0, keys, block):
        stop = min(start + block, keys)
        k_block, v_block = (xp.astype(part[..., start:stop, :], wide, copy=False) for part in (k, v))
        scores = xp.matmul(q, xp.matrix_transpose(k_block)) * scale  # (..., n, d_k) @ (..., d_k, b) -> (..., n, b)
        if causal and stop - 1 > keys - n:  # otherwise even the first query sees the whole block
            scores = xp.where(xp.arange(start, stop, device=place) <= last_seen, scores, -math.inf)
        weights = xp.exp(scores - shift)
        grad_scores = weights * (xp.matmul(grad_out, xp.matrix_transpose(v_block)) - delta) * scale
        grad_q = grad_q + xp.matmul(grad_scores, k_block)  # (..., n, b) @ (..., b, d_k) -> (..., n, d_k)
        grads_k.append(xp.astype(xp.matmul(xp.matrix_transpose(grad_scores), q), dtype, copy=False))
        grads_v.append(xp.astype(xp.matmul(xp.matrix_transpose(weights), grad_out), dtype, copy=False))
    return xp.astype(grad_q, dtype, copy=False), xp.concat(grads_k, axis=-2), xp.concat(grads_v, axis=-2)


def check_lse(function: str, lse: Array, q: Array, wide: object) -> None:
    """Check that there is one log-sum-exp for each query, in the dtype of q or in the one that it is computed in."""
    namespace(q, lse, function=function, names=("q", "lse"))
    if lse.dtype not in (q.dtype, wide):
        reason = "pass the lse that the forward pass returned"
        raise TypeError(f"{function}: lse has dtype {lse.dtype}, but q has {q.dtype}; {reason}.")
    if tuple(lse.shape) != tuple(q.shape[:-1]):
        expected, got = f"it must be q's {tuple(q.shape)} without the last axis", f"shape {tuple(lse.shape)}"
        raise shape_error(function, "lse", expected, got, "each query has one log-sum-exp")
