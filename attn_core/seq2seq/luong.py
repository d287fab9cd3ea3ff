r"""Luong's attention: step first, then ask with the new state; mix answer and state, and remember the mixture.

Formula
    dot          score = hᵀ h_s
    general      score = hᵀ W h_s
    concat       score = vᵀ tanh(W [h ; h_s]) = vᵀ tanh(W_h h + W_s h_s), the additive score: W = [W_h  W_s]
    location     scores = W h, one per position, without a look at the source
    h̃ = tanh(W_c [c ; h]), the attentional state
    step         h = GRU(h_prev, [y_prev ; h̃_prev]); a = softmax(hᵀ W_a h_s); c = Σ_s a_s h_s; h̃ as above
Shapes
    h         (B, d_s), decoder states: d_s is the paper's target size d_t, and h_s, of the size d_h, stands for h̄_s
    H         (B, n, d_h), the h_s of all source positions
    W         (d_s, d_h) for general, (d_a, d_s + d_h) for concat, (n, d_s) for location
    v         (d_a,)
    scores, weights    (B, n)
    context c          (B, d_h)
    W_c, h_tilde       (d_o, d_h + d_s), (B, d_o)
    y_prev             (B, d_y); lengths (B,), whole numbers from 0 to n
    W_ih, W_hh, b_ih, b_hh    (3 d_s, d_y + d_o), (3 d_s, d_s), (3 d_s,), (3 d_s,), as in attn_core.seq2seq.recurrent
Cost
    multiply-adds of one step: dot n d; general d_s d_h + n d_h; concat d_a d_s + n d_a with W_s h_s kept from step to
    step, n d_a d_h more without; concat keeps n d_a hidden units for the backward pass, the others n scores
Errors
    ValueError for shapes that do not fit, an unknown kind, a W or v that the kind needs and did not get; TypeError for
    anything but floating arrays of one library and one dtype
Source
    Luong, Pham and Manning 2015, Effective Approaches to Attention-based Neural Machine Translation, sections 3.1 and
    3.3, with a GRU where the paper stacks LSTMs; empty rows as in attn_core.conventions
"""

from attn_core.conventions import Array, check_arguments, shape_error
from attn_core.masks import apply_mask, padding_mask
from attn_core.seq2seq.recurrent import gru_cell
from attn_core.softmax import softmax

KINDS = {"dot": (), "general": ("W",), "concat": ("W", "v")}  # what each kind needs


def luong_score(kind: str, h: Array, H: Array, W: Array | None = None, v: Array | None = None) -> Array:
    """Scores (B, n) of a decoder state with every source state; a W or v that the kind does not need is ignored.

    >>> import numpy as np
    >>> luong_score("dot", np.array([[1.0, 2.0]]), np.array([[[3.0, 4.0], [5.0, 6.0]]]))
    array([[11., 17.]])
    """
    if kind not in KINDS:
        raise ValueError(f"luong_score: kind is {kind!r}, but it must be one of {', '.join(KINDS)}.")
    for name, given in (("W", W), ("v", v)):
        if name in KINDS[kind] and given is None:
            raise ValueError(f"luong_score: {name} is missing, but kind {kind!r} needs it.")
    if kind == "dot":
        xp = check_arguments("luong_score", h=(h, "B d_h"), H=(H, "B n d_h"))
        return _times(xp, H, h)
    if kind == "general":
        xp = check_arguments("luong_score", h=(h, "B d_s"), H=(H, "B n d_h"), W=(W, "d_s d_h"))
        return _times(xp, H, xp.matmul(h, W))
    xp = check_arguments("luong_score", h=(h, "B d_s"), H=(H, "B n d_h"), W=(W, ""), v=(v, "d_a"))
    W_h, W_s = split_concat(W, h.shape[1])
    check_arguments("luong_score", H=(H, "B n d_h"), W=(W_s, "d_a d_h"), v=(v, "d_a"))
    query = xp.matmul(h, xp.matrix_transpose(W_h))  # (B, d_a): once per step, not once per source position
    keys = xp.matmul(H, xp.matrix_transpose(W_s))  # (B, n, d_a)
    return xp.matmul(xp.tanh(query[:, None, :] + keys), v)  # (B, n, d_a) @ (d_a,) -> (B, n)


def split_concat(W: Array, d_t: int) -> tuple[Array, Array]:
    """The columns of a concat matrix that meet the decoder state, the first d_t, and those that meet a source state."""
    check_arguments("split_concat", W=(W, ""))
    if W.ndim != 2 or not 0 < d_t < W.shape[1]:
        reason = "the first d_t columns belong to the decoder state, the others, at least one, to the source state"
        wanted = f"it must have two axes and more than d_t={d_t} ≥ 1 columns"
        raise shape_error("split_concat", "W", wanted, f"shape {tuple(W.shape)}", reason)
    return W[:, :d_t], W[:, d_t:]


def location_score(h: Array, W: Array) -> Array:
    """One score per position from the decoder state alone: what stands at a position does not matter."""
    xp = check_arguments("location_score", h=(h, "B d_s"), W=(W, "n d_s"))
    return xp.matmul(h, xp.matrix_transpose(W))  # (B, d_s) @ (d_s, n) -> (B, n)


def attentional_state(h: Array, context: Array, W_c: Array) -> Array:
    """The mixture h̃ = tanh(W_c [context ; h]) of what was read and who asked; the context comes first."""
    xp = check_arguments("attentional_state", h=(h, "B d_s"), context=(context, "B d_h"), W_c=(W_c, ""))
    both = h.shape[1] + context.shape[1]
    if W_c.ndim != 2 or W_c.shape[1] != both:
        reason = f"d_h={context.shape[1]} in context and d_s={h.shape[1]} in h"
        raise shape_error("attentional_state", "W_c", f"it must be (d_o, {both})", f"shape {tuple(W_c.shape)}", reason)
    return xp.tanh(xp.matmul(xp.concat([context, h], axis=-1), xp.matrix_transpose(W_c)))  # (B, d_h + d_s) -> (B, d_o)


def decoder_step(
    y_prev: Array,
    h_tilde_prev: Array,
    h_prev: Array,
    H: Array,
    lengths: Array,
    W_ih: Array,
    W_hh: Array,
    b_ih: Array,
    b_hh: Array,
    W_a: Array,
    W_c: Array,
) -> tuple[Array, Array, Array]:
    """New state, attentional state and weights, with input feeding and the general score. The query is the NEW state."""
    xp = check_arguments("decoder_step", y_prev=(y_prev, "B d_y"), h_tilde_prev=(h_tilde_prev, "B d_o"))
    h = gru_cell(xp.concat([y_prev, h_tilde_prev], axis=-1), h_prev, W_ih, W_hh, b_ih, b_hh)
    mask = padding_mask(lengths, H.shape[1])[:, 0, :]  # (B, n)
    weights = softmax(apply_mask(luong_score("general", h, H, W_a), mask))
    context = xp.matmul(weights[:, None, :], H)[:, 0, :]  # (B, 1, n) @ (B, n, d_h) -> (B, d_h)
    return h, attentional_state(h, context, W_c), weights


def _times(xp: Array, H: Array, query: Array) -> Array:
    """Dot products of one query per sequence with all its source states."""
    return xp.matmul(H, query[:, :, None])[:, :, 0]  # (B, n, d) @ (B, d, 1) -> (B, n)
