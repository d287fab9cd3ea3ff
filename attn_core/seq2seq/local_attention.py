r"""Local attention: look at a window of the source only, around a position that is given or predicted.

Formula
    window     the integers s with |s − p| ≤ D, 0 ≤ s < S, where S is the length of the sentence
    local-m    p = t, the decoder's step; a = softmax of the scores in the window
    local-p    p = S · sigmoid(v_pᵀ tanh(W_p h)); a_s = softmax of the scores in the window, times
               exp(−(s − p)² / (2σ²)), σ = D/2, and not normalised again
    score      h · h_s (dot); positions count from 0
Shapes
    h          (B, d_h); H (B, n, d_h)
    W_p, v_p   (d_p, d_h), (d_p,)
    lengths    (B,), whole numbers from 0 to n
    context    (B, d_h); weights (B, n), zeros outside the window; p (B,)
Cost
    a window has at most 2 D + 1 positions, whatever n is: (2 D + 1) d_h multiply-adds. Here all n scores are computed
    and masked, which is simpler to read and no cheaper than global attention; `window` says what a fast one gathers.
Errors
    ValueError for shapes that do not fit, D < 1, a length outside 0 … n; TypeError for anything but floating arrays of
    one library and one dtype
Source
    Luong, Pham and Manning 2015, section 3.2. A sentence of length 0, and a window that has left the sentence, give
    zeros, as in attn_core.conventions
"""

from operator import index

from array_api_compat import device

from attn_core.conventions import Array, check_arguments, shape_error
from attn_core.masks import apply_mask, padding_mask
from attn_core.seq2seq.luong import luong_score
from attn_core.softmax import softmax


def window(p: Array, D: int, lengths: Array, n: int) -> Array:
    """Mask (B, n) of the positions within D of p and inside the sentence; both ends of the window belong to it.

    >>> import numpy as np
    >>> window(np.array([1.0, 2.5]), 1, np.array([4, 3]), 4).astype(int)
    array([[1, 1, 1, 0],
           [0, 0, 1, 0]])
    """
    xp = check_arguments("window", p=(p, "B"))
    if index(D) < 1:
        raise ValueError(f"window: D is {D}, but it must be 1 or more: half the width of the window.")
    if tuple(lengths.shape) != tuple(p.shape):
        raise shape_error("window", "lengths", f"p has shape {tuple(p.shape)}", f"shape {tuple(lengths.shape)}")
    inside = padding_mask(lengths, n)[:, 0, :]
    return inside & (xp.abs(_positions(xp, p, n) - p[:, None]) <= D)


def predicted_position(h: Array, W_p: Array, v_p: Array, lengths: Array) -> Array:
    """Where local-p looks: p (B,), a real number between 0 and the length of each sentence."""
    xp = check_arguments("predicted_position", h=(h, "B d_h"), W_p=(W_p, "d_p d_h"), v_p=(v_p, "d_p"))
    z = xp.matmul(xp.tanh(xp.matmul(h, xp.matrix_transpose(W_p))), v_p)  # (B, d_p) @ (d_p,) -> (B,)
    small = xp.exp(-xp.abs(z))  # never overflows, and keeps the digits of a sigmoid near 0
    return xp.astype(lengths, h.dtype) * (xp.where(z < 0, small, xp.ones_like(small)) / (1.0 + small))


def gaussian(p: Array, D: int, n: int) -> Array:
    """The factor (B, n) exp(−(s − p)² / (2σ²)) with σ = D/2; at both ends of the window, s = p ± D, it is e⁻²."""
    xp = check_arguments("gaussian", p=(p, "B"))
    steps = (_positions(xp, p, n) - p[:, None]) / (D / 2)
    return xp.exp(-0.5 * steps * steps)


def local_m_attention(h: Array, H: Array, t: int, D: int, lengths: Array) -> tuple[Array, Array]:
    """Context and weights of decoder step t, counted from 0, in the window around source position t."""
    xp = check_arguments("local_m_attention", h=(h, "B d_h"), H=(H, "B n d_h"))
    p = xp.full((h.shape[0],), float(index(t)), dtype=h.dtype, device=device(h))
    weights = _in_window(h, H, p, D, lengths)
    return _read(xp, weights, H), weights


def local_p_attention(h: Array, H: Array, W_p: Array, v_p: Array, D: int, lengths: Array) -> tuple[Array, Array, Array]:
    """Context, weights and position; both context and weights are those after the Gaussian, so they sum to less than 1.

    >>> import numpy as np
    >>> h, H, zero = np.zeros((1, 1)), np.array([[[1.0], [2.0], [3.0]]]), np.zeros((1, 1))
    >>> context, weights, p = local_p_attention(h, H, zero, zero[0], 1, np.array([3]))
    >>> p, weights.round(3)
    (array([1.5]), array([[0.   , 0.303, 0.303]]))
    """
    xp = check_arguments("local_p_attention", h=(h, "B d_h"), H=(H, "B n d_h"), W_p=(W_p, "d_p d_h"), v_p=(v_p, "d_p"))
    check_arguments("local_p_attention", "integral", lengths=(lengths, "B"))
    p = predicted_position(h, W_p, v_p, lengths)
    weights = _in_window(h, H, p, D, lengths) * gaussian(p, D, H.shape[1])
    return _read(xp, weights, H), weights, p


def _in_window(h: Array, H: Array, p: Array, D: int, lengths: Array) -> Array:
    """Softmax of the dot scores over the window."""
    return softmax(apply_mask(luong_score("dot", h, H), window(p, D, lengths, H.shape[1])))


def _positions(xp: Array, like: Array, n: int) -> Array:
    """0 … n − 1 in the dtype of p, so that no digits are promoted or lost."""
    return xp.astype(xp.arange(n, device=device(like)), like.dtype)


def _read(xp: Array, weights: Array, H: Array) -> Array:
    return xp.matmul(weights[:, None, :], H)[:, 0, :]  # (B, 1, n) @ (B, n, d_h) -> (B, d_h)
