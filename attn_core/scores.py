r"""A score says how well a query fits a key; the dot product is the cheapest one, and needs a scale.

Formula
    dot           s_ij = q_i · k_j
    scaled_dot    s_ij = q_i · k_j / √d_k
    variance      Var(q · k) = d_k, if the 2 d_k entries are independent with mean 0 and variance 1; hence the root
    additive      |vᵀ tanh(z)| ≤ Σ_i |v_i| for every z: tanh bounds the hidden units, v decides how large a score gets
Shapes
    q         (..., n, d_k); (N, d_k) for dot_variance
    k         (..., m, d_k); (N, d_k) for dot_variance
    scores    (..., n, m)
    v         (d_a,)
Cost
    dot, scaled_dot: n m d_k multiply-adds and n m numbers per batch slot. dot_variance: N d_k multiply-adds.
Errors
    ValueError for shapes that do not fit; TypeError for anything but floating arrays of one library and one dtype
Source
    Vaswani et al. 2017, Attention Is All You Need, section 3.2.1 and its footnote on the variance; the additive score:
    Bahdanau, Cho and Bengio 2015, appendix A.1.2
"""

import math

from attn_core.conventions import Array, check_arguments, shape_error


def dot(q: Array, k: Array) -> Array:
    """Dot product of every query with every key.

    >>> import numpy as np
    >>> dot(np.array([[1.0, 2.0]]), np.array([[3.0, 4.0], [5.0, 6.0]]))
    array([[11., 17.]])
    """
    xp = check_arguments("dot", q=(q, "... n d_k"), k=(k, "... m d_k"))
    return xp.matmul(q, xp.matrix_transpose(k))  # (..., n, d_k) @ (..., d_k, m) -> (..., n, m)


def scaled_dot(q: Array, k: Array) -> Array:
    """Dot product over √d_k: under the assumptions above its variance is 1, whatever d_k is."""
    check_arguments("scaled_dot", q=(q, "... n d_k"), k=(k, "... m d_k"))
    # scaling q before the product costs n d_k divisions instead of n m, and keeps half-precision sums in range longer
    return dot(q / math.sqrt(q.shape[-1]), k)


def dot_variance(q: Array, k: Array) -> float:
    """Sample variance (divisor N − 1) of the N row-wise dot products q_i · k_i, computed in float64."""
    xp = check_arguments("dot_variance", q=(q, "N d_k"), k=(k, "N d_k"))
    samples = q.shape[0]
    if samples < 2:
        got, reason = f"N={samples} in shape {tuple(q.shape)}", "the sample variance divides by N - 1"
        raise shape_error("dot_variance", "q", "N must be at least 2", got, reason)
    dots = xp.sum(xp.astype(q, xp.float64) * xp.astype(k, xp.float64), axis=-1)  # (N,)
    # around the mean, not mean of squares minus square of mean: that difference cancels when the mean is large
    deviations = dots - xp.mean(dots)
    return float((xp.sum(deviations * deviations) / (samples - 1)).item())


def additive_score_bound(v: Array) -> float:
    """Least upper bound of |vᵀ tanh(z)| over all z, which no z attains unless v = 0: the L1 norm of v, in float64."""
    xp = check_arguments("additive_score_bound", v=(v, "d_a"))
    return float(xp.sum(xp.abs(xp.astype(v, xp.float64))).item())
