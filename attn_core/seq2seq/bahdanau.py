r"""Additive attention: the decoder's previous state asks every source position, and what it reads makes the next state.

Formula
    e_ij = v_aᵀ tanh(W_a s_{i−1} + U_a h_j); a_i = softmax(e_i) over the first `length` positions; c_i = Σ_j a_ij h_j
    s_i = GRU(s_{i−1}, [y_{i−1} ; c_i]): the context enters the state of its own step
    U_a h_j does not depend on i: `project` computes it once per sentence, `projected_scores` then needs only s_{i−1}
Shapes
    s, s_prev    (B, d_s)
    y_prev       (B, d_y), the embedded token that was written last
    H            (B, n, d_h), the annotations h_j of the source
    lengths      (B,), whole numbers from 0 to n
    W_a, U_a, v_a              (d_a, d_s), (d_a, d_h), (d_a,)
    W_ih, W_hh, b_ih, b_hh     (3 d_s, d_y + d_h), (3 d_s, d_s), (3 d_s,), (3 d_s,), as in attn_core.seq2seq.recurrent
    keys         (B, n, d_a), the projected annotations
    scores, weights    (B, n)
    context      (B, d_h)
Cost
    `additive_cost` counts it: d_a d_s + n d_a multiply-adds per step, and n d_a d_h once (cached) or at each step;
    a step keeps n d_a hidden units for the backward pass, where a dot product keeps n scores
Errors
    ValueError for shapes that do not fit, a length outside 0 … n, a size below 1; TypeError for anything but floating
    arrays of one library and one dtype, and whole numbers for lengths and sizes
Source
    Bahdanau, Cho and Bengio 2015, Neural Machine Translation by Jointly Learning to Align and Translate, section 3.1
    and appendix A.1.2 and A.2.2; empty rows as in attn_core.conventions
"""

from operator import index
from typing import Any

from attn_core.conventions import Array, check_arguments, namespace, shape_error
from attn_core.masks import apply_mask, padding_mask
from attn_core.seq2seq.recurrent import gru_cell
from attn_core.softmax import softmax


def project(H: Array, U_a: Array) -> Array:
    """Keys U_a h_j of a sentence, the half of the score that all decoder steps share."""
    xp = check_arguments("project", H=(H, "B n d_h"), U_a=(U_a, "d_a d_h"))
    return xp.matmul(H, xp.matrix_transpose(U_a))  # (B, n, d_h) @ (d_h, d_a) -> (B, n, d_a)


def projected_scores(s: Array, keys: Array, W_a: Array, v_a: Array) -> Array:
    """Scores from keys that are already projected: what one decoder step costs with the cache."""
    xp = check_arguments(
        "projected_scores", s=(s, "B d_s"), keys=(keys, "B n d_a"), W_a=(W_a, "d_a d_s"), v_a=(v_a, "d_a")
    )
    query = xp.matmul(s, xp.matrix_transpose(W_a))  # (B, d_s) @ (d_s, d_a) -> (B, d_a)
    return xp.matmul(xp.tanh(query[:, None, :] + keys), v_a)  # (B, n, d_a) @ (d_a,) -> (B, n)


def additive_scores(s: Array, H: Array, W_a: Array, U_a: Array, v_a: Array) -> Array:
    """Scores v_aᵀ tanh(W_a s + U_a h_j) of one state with every annotation.

    >>> import numpy as np
    >>> one = np.array([[1.0]])
    >>> additive_scores(np.array([[0.5]]), np.array([[[-0.5], [0.0]]]), one, one, np.array([2.0])).round(3)
    array([[0.   , 0.924]])
    """
    _check("additive_scores", s, H, W_a, U_a, v_a)
    return projected_scores(s, project(H, U_a), W_a, v_a)


def read(scores: Array, H: Array, mask: Array) -> tuple[Array, Array]:
    """Context and weights from scores, annotations and a mask (B, n) that is True at real positions."""
    xp = check_arguments("read", scores=(scores, "B n"), H=(H, "B n d_h"))
    weights = softmax(apply_mask(scores, mask))
    return xp.matmul(weights[:, None, :], H)[:, 0, :], weights  # (B, 1, n) @ (B, n, d_h) -> (B, 1, d_h) -> (B, d_h)


def additive_attention(s: Array, H: Array, lengths: Array, W_a: Array, U_a: Array, v_a: Array) -> tuple[Array, Array]:
    """Context and weights over the first lengths[b] positions; a sentence of length 0 gets zeros in both."""
    _check("additive_attention", s, H, W_a, U_a, v_a)
    namespace(H, lengths, function="additive_attention", names=("H", "lengths"))
    B, n, _ = H.shape
    if tuple(lengths.shape) != (B,):
        raise shape_error(
            "additive_attention", "lengths", f"H has B={B}", f"shape {tuple(lengths.shape)}", "one per sentence"
        )
    mask = padding_mask(lengths, n)[:, 0, :]  # (B, 1, n) -> (B, n)
    return read(projected_scores(s, project(H, U_a), W_a, v_a), H, mask)


def decoder_step(
    y_prev: Array,
    s_prev: Array,
    H: Array,
    lengths: Array,
    W_a: Array,
    U_a: Array,
    v_a: Array,
    W_ih: Array,
    W_hh: Array,
    b_ih: Array,
    b_hh: Array,
) -> tuple[Array, Array, Array]:
    """New state, context and weights. The query is the previous state: the new one needs the context to exist."""
    context, weights = additive_attention(s_prev, H, lengths, W_a, U_a, v_a)
    xp = check_arguments("decoder_step", s_prev=(s_prev, "B d_s"), y_prev=(y_prev, "B d_y"))
    x = xp.concat([y_prev, context], axis=-1)  # (B, d_y + d_h)
    return gru_cell(x, s_prev, W_ih, W_hh, b_ih, b_hh), context, weights


def additive_cost(n: int, m: int, d_s: int, d_h: int, d_a: int, cached: bool) -> tuple[int, int]:
    """Parameters, and multiply-adds of all scores for m decoder steps over n source positions.

    >>> additive_cost(n=40, m=30, d_s=512, d_h=1024, d_a=512, cached=True)
    (786944, 29450240)
    """
    sizes = {"n": n, "m": m, "d_s": d_s, "d_h": d_h, "d_a": d_a}
    for name, size in sizes.items():
        if index(size) < 1:
            raise ValueError(f"additive_cost: {name} is {size}, but it must be 1 or more.")
    parameters = d_a * (d_s + d_h + 1)
    projections = 1 if cached else m
    return parameters, m * (d_a * d_s + n * d_a) + projections * n * d_a * d_h


def _check(function: str, s: Array, H: Array, W_a: Array, U_a: Array, v_a: Array) -> Any:
    return check_arguments(
        function, s=(s, "B d_s"), H=(H, "B n d_h"), W_a=(W_a, "d_a d_s"), U_a=(U_a, "d_a d_h"), v_a=(v_a, "d_a")
    )
