r"""Query heads in groups that share their keys and values, so that a decoder has fewer of those to keep and to read.

Formula
    out_i = attention(q_i, k_g, v_g) with g = i // (H_q/H_kv): neighbouring query heads form a group
    H_kv = H_q is multi-head attention, H_kv = 1 is multi-query attention
Shapes
    q       (..., H_q, n, d_k)
    k       (..., H_kv, m, d_k)
    v       (..., H_kv, m, d_v)
    mask    boolean, broadcasts to (..., H_q, n, m)
    out     (..., H_q, n, d_v)
Cost
    H_q n m (d_k + d_v) multiply-adds, as many as with H_kv = H_q; but the cache of a decoder holds H_kv m (d_k + d_v)
    numbers, and each step reads them all. Keys and values are not repeated here.
Errors
    ValueError for a number of query heads that H_kv does not divide, and for shapes that do not fit; TypeError for a
    mask that is not boolean, and for anything but floating arrays of one library and one dtype
Source
    Shazeer 2019, Fast Transformer Decoding: One Write-Head is All You Need; Ainslie et al. 2023, GQA: Training
    Generalized Multi-Query Transformer Models from Multi-Head Checkpoints
"""

from attn_core.attention import scaled_dot_product_attention
from attn_core.conventions import Array, check_arguments
from attn_core.masks import check_mask


def grouped_query_attention(q: Array, k: Array, v: Array, mask: Array | None = None) -> Array:
    """Context of every query of every query head.

    >>> import numpy as np
    >>> q, k, v = np.zeros((4, 1, 1)), np.zeros((2, 1, 1)), np.array([[[5.0]], [[7.0]]])
    >>> grouped_query_attention(q, k, v).ravel()
    array([5., 5., 7., 7.])
    """
    function = "grouped_query_attention"
    xp = check_arguments(function, q=(q, "... H_q n d_k"), k=(k, "... H_kv m d_k"), v=(v, "... H_kv m d_v"))
    *batch, H_q, n, d_k = q.shape
    H_kv, m, d_v = v.shape[-3:]
    if H_kv == 0 or H_q % H_kv:
        raise ValueError(
            f"{function}: q has H_q={H_q} heads and k has H_kv={H_kv}, but each key-value head must serve the same "
            "number of query heads, so H_kv must divide H_q."
        )
    group = H_q // H_kv
    if mask is not None:
        scores_shape = (*batch, H_q, n, m)
        check_mask(function, mask, xp.broadcast_to(q[..., :1], scores_shape))  # a view: only its shape is looked at
        mask = xp.reshape(xp.broadcast_to(mask, scores_shape), (*batch, H_kv, group * n, m))
    # the queries of a group one below the other are one attention over their keys: nothing need be repeated
    stacked = xp.reshape(q, (*batch, H_kv, group * n, d_k))
    return xp.reshape(scaled_dot_product_attention(stacked, k, v, mask)[0], (*batch, H_q, n, d_v))
