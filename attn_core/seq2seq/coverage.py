r"""Coverage remembers how much attention each source position has had, so that the decoder need not read it again.

Formula
    c_t = Σ_{t'<t} a_{t'}, so c_0 = 0
    e_{t,i} = vᵀ tanh(W_h h_i + W_s s_t + w_c c_{t,i} + b)
    covloss = mean over the real steps of Σ_i min(a_{t,i}, c_{t,i}), each term from 0 to 1
    doubly stochastic penalty = Σ_i (1 − Σ_t a_{t,i})², over the real steps
Shapes
    weights  (..., T, n)  a: one row per decoder step, one column per source position
    steps    (...)        int64, from 1 to T: how many of the T rows are real; the others may hold anything finite
    s, H, c  (B, d_s), (B, n, d_h), (B, n)
    W_s, W_h (d_a, d_s), (d_a, d_h)
    w_c, b, v (d_a)
Cost
    T n additions for all coverage vectors; n d_a more multiply-adds per step than additive scores without coverage
Errors
    ValueError for shapes that do not fit; TypeError for anything but floating arrays of one library and dtype,
    and for steps that are no whole numbers
Source
    See, Liu and Manning 2017, Get To The Point, section 2.3, equations 10 to 12, with the mean over steps of their
    equation 7; Xu et al. 2015, Show, Attend and Tell, section 4.2.1
"""

from attn_core.conventions import Array, check_arguments, shape_error


def coverage_vectors(weights: Array) -> Array:
    """The attention that each position has had before each step, (..., T, n) → (..., T, n); zeros before the first.

    >>> import numpy as np
    >>> coverage_vectors(np.array([[0.5, 0.5], [1.0, 0.0], [0.0, 1.0]]))
    array([[0. , 0. ],
           [0.5, 0.5],
           [1.5, 0.5]])
    """
    xp = check_arguments("coverage_vectors", weights=(weights, "... T n"))
    before = xp.cumulative_sum(weights[..., :-1, :], axis=-2)  # (..., T - 1, n)
    return xp.concat([xp.zeros_like(weights[..., :1, :]), before], axis=-2)


def coverage_scores(s: Array, H: Array, c: Array, W_s: Array, W_h: Array, w_c: Array, b: Array, v: Array) -> Array:
    """Additive scores of all positions with the coverage c as one more feature of each: (B, n)."""
    xp = check_arguments(
        "coverage_scores",
        s=(s, "B d_s"),
        H=(H, "B n d_h"),
        c=(c, "B n"),
        W_s=(W_s, "d_a d_s"),
        W_h=(W_h, "d_a d_h"),
        w_c=(w_c, "d_a"),
        b=(b, "d_a"),
        v=(v, "d_a"),
    )
    state = xp.matmul(s, W_s.T)[..., None, :]  # (..., 1, d_a)
    hidden = xp.tanh(xp.matmul(H, W_h.T) + state + c[..., None] * w_c + b)  # (..., n, d_a)
    return xp.matmul(hidden, v)


def coverage_loss(weights: Array, steps: Array) -> Array:
    """How much each sequence looks again at what it has seen: a mean over its real steps, from 0 to 1.

    >>> import numpy as np
    >>> coverage_loss(np.array([[[0.5, 0.5], [1.0, 0.0]]]), np.array([2]))
    array([0.25])
    """
    xp = check_arguments("coverage_loss", weights=(weights, "... T n"))
    real = _real_steps("coverage_loss", xp, weights, steps)  # (..., T)
    kept = xp.where(real[..., None], weights, xp.zeros_like(weights))  # first: sums of what lies behind may overflow
    overlap = xp.sum(xp.minimum(kept, coverage_vectors(kept)), axis=-1)  # (..., T)
    return xp.sum(xp.where(real, overlap, xp.zeros_like(overlap)), axis=-1) / xp.astype(steps, weights.dtype)


def doubly_stochastic_penalty(weights: Array, steps: Array) -> Array:
    """How far the attention that each source position got in all is from one; squared, summed over the positions.

    >>> import numpy as np
    >>> doubly_stochastic_penalty(np.array([[[0.5, 0.5], [1.0, 0.0]]]), np.array([2]))
    array([0.5])
    """
    xp = check_arguments("doubly_stochastic_penalty", weights=(weights, "... T n"))
    real = _real_steps("doubly_stochastic_penalty", xp, weights, steps)
    kept = xp.where(real[..., None], weights, xp.zeros_like(weights))
    return xp.sum((1 - xp.sum(kept, axis=-2)) ** 2, axis=-1)


def _real_steps(function: str, xp: Array, weights: Array, steps: Array) -> Array:
    """Which rows are real, (..., T)."""
    check_arguments(function, "integral", steps=(steps, "..."))
    if tuple(steps.shape) != tuple(weights.shape[:-2]):
        expected = f"weights have the batch axes {tuple(weights.shape[:-2])}"
        raise shape_error(function, "steps", expected, f"shape {tuple(steps.shape)}", "one number per sequence")
    rows = xp.arange(weights.shape[-2], device=weights.device)
    return rows < steps[..., None]
