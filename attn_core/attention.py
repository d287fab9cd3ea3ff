r"""Attention reads a mixture of values: each query weighs them by how well it fits their keys.

Formula
    scores = q kᵀ / √d_k + bias; −∞ where the mask forbids; weights = softmax(scores) over the keys; out = weights v
Shapes
    q          (..., n, d_k)
    k          (..., m, d_k)
    v          (..., m, d_v)
    mask       boolean, broadcasts to (..., n, m)
    bias       of q's dtype, broadcasts to (..., n, m)
    out        (..., n, d_v)
    weights    (..., n, m)
Cost
    n m (d_k + d_v) multiply-adds and n m exponentials per batch slot; the n m weights are kept for the backward pass
Errors
    ValueError for shapes that do not fit; TypeError for a mask that is not boolean, and for anything but
    floating arrays of one library and one dtype
Source
    Vaswani et al. 2017, Attention Is All You Need, equation 1; the bias: Raffel et al. 2020, Exploring the
    Limits of Transfer Learning with a Unified Text-to-Text Transformer, section 2.1; empty rows as in
    attn_core.conventions
"""

from attn_core.conventions import Array, check_arguments, check_broadcast
from attn_core.masks import apply_mask, check_mask
from attn_core.scores import scaled_dot
from attn_core.softmax import softmax


def scaled_dot_product_attention(
    q: Array, k: Array, v: Array, mask: Array | None = None, bias: Array | None = None
) -> tuple[Array, Array]:
    """Context and weights of every query; a query that may attend to nothing gets zeros in both.

    >>> import numpy as np
    >>> q, k = np.array([[0.0, 0.0]]), np.array([[1.0, 0.0], [0.0, 1.0]])
    >>> v = np.array([[2.0, 4.0], [6.0, 8.0]])
    >>> scaled_dot_product_attention(q, k, v)
    (array([[4., 6.]]), array([[0.5, 0.5]]))
    """
    function = "scaled_dot_product_attention"
    xp = check_arguments(function, q=(q, "... n d_k"), k=(k, "... m d_k"), v=(v, "... m d_v"))
    scores = scaled_dot(q, k)  # (..., n, m)
    if bias is not None:
        check_arguments(function, q=(q, ""), bias=(bias, ""))
        check_broadcast(function, "bias", bias, scores)
        scores = scores + bias
    if mask is not None:
        check_mask(function, mask, scores)
        scores = apply_mask(scores, mask)
    weights = softmax(scores)
    return xp.matmul(weights, v), weights  # (..., n, m) @ (..., m, d_v) -> (..., n, d_v)
