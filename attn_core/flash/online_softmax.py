r"""The online softmax reads a row of scores block by block and keeps two numbers: the largest score, and the sum so far.

Formula
    m' = max(m, max_j s_j); r = exp(m − m'); l' = r l + Σ_j exp(s_j − m'); what was accumulated under m is multiplied by r
    After the last block Σ_j exp(s_j) = l exp(m), so lse = m + ln l, the log-sum-exp of the row.
    Two disjoint sets of keys: lse = ln(exp(lse_a) + exp(lse_b)); out = exp(lse_a − lse) out_a + exp(lse_b − lse) out_b
Shapes
    m, l, rescale    (...), before the first block m = −∞ and l = 0
    block            (..., b)
    out_a, out_b     (..., n, d_v)
    lse_a, lse_b     (..., n), −∞ where a query saw no key
Cost
    one exponential per score and one more per row and block; nothing of the size of a row is kept
Errors
    ValueError for shapes that do not fit; TypeError for what is not floating point, and for mixed libraries or dtypes;
    out and lse may have different dtypes, as a half-precision out comes with a float32 lse. NaN and +∞ give NaN.
Source
    Milakov, Gimelshein 2018, Online normalizer calculation for softmax, algorithm 3; merging: Dao et al. 2022,
    FlashAttention, section 3.1; empty rows as in attn_core.conventions
"""

from attn_core.conventions import Array, check_arguments, namespace, shape_error


def online_update(m: Array, l: Array, block: Array) -> tuple[Array, Array, Array]:  # noqa: E741 - the papers' letter
    """One step: the new maximum, the new sum, and the factor for what was accumulated under the old maximum.

    A row that has seen only −∞ keeps m = −∞ and l = 0; its factor is 0, and nothing was accumulated yet.

    >>> import numpy as np
    >>> m, l, rescale = online_update(np.array([-np.inf]), np.array([0.0]), np.array([[0.0, 0.0]]))
    >>> online_update(m, l, np.array([[np.log(2.0)]]))
    (array([0.69314718]), array([2.]), array([0.5]))
    """
    xp = check_arguments("online_update", m=(m, "..."), l=(l, "..."), block=(block, "... b"))
    if block.shape[-1] == 0:
        return m, l, xp.ones_like(m)  # no scores: nothing changes, and a maximum would not exist
    m_new = xp.maximum(m, xp.max(block, axis=-1))
    shift = xp.where(m_new == -xp.inf, 0.0, m_new)  # nothing seen yet: −∞ − (−∞) would be NaN
    rescale = xp.exp(m - shift)
    return m_new, rescale * l + xp.sum(xp.exp(block - shift[..., None]), axis=-1), rescale


def merge_partials(out_a: Array, lse_a: Array, out_b: Array, lse_b: Array) -> tuple[Array, Array]:
    """Attention over two disjoint sets of keys, from the attention over each; out has out's dtype and lse has lse's.

    A part that saw no key (lse = −∞) counts for nothing, whatever finite numbers its out holds. Where neither saw
    one, out is 0 and lse is −∞.

    >>> import numpy as np
    >>> out, lse = merge_partials(np.array([[4.0]]), np.array([0.0]), np.array([[8.0]]), np.array([np.log(3.0)]))
    >>> out, np.exp(lse).round(12)
    (array([[7.]]), array([4.]))
    """
    function = "merge_partials"
    xp = check_arguments(function, out_a=(out_a, "... n d_v"), out_b=(out_b, "... n d_v"))
    check_arguments(function, lse_a=(lse_a, "... n"), lse_b=(lse_b, "... n"))
    namespace(out_a, lse_a, function=function, names=("out_a", "lse_a"))
    if tuple(lse_a.shape) != tuple(out_a.shape[:-1]):
        expected = f"it must be out_a's {tuple(out_a.shape)} without the last axis"
        raise shape_error(function, "lse_a", expected, f"shape {tuple(lse_a.shape)}", "each query has one log-sum-exp")
    peak = xp.maximum(lse_a, lse_b)
    peak = xp.where(peak == -xp.inf, 0.0, peak)
    weight_a, weight_b = xp.exp(lse_a - peak), xp.exp(lse_b - peak)  # (..., n), the larger of the two is 1
    total = weight_a + weight_b  # at least 1, except 0 where nobody saw a key
    seen = xp.where(total == 0.0, 1.0, total)
    wide_a, wide_b = (xp.astype(out, xp.result_type(out, lse_a), copy=False) for out in (out_a, out_b))
    out = (weight_a / seen)[..., None] * wide_a + (weight_b / seen)[..., None] * wide_b
    return xp.astype(out, out_a.dtype, copy=False), xp.where(total == 0.0, -xp.inf, peak + xp.log(seen))
