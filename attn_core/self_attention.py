r"""In self-attention a sequence reads itself: each token asks, is found and is read by three projections of its own.

Formula
    Q = x W_q, K = x W_k, V = x W_v; weights = softmax(Q Kᵀ / √d_k) over the keys; out = weights V
    one token: out_i = Σ_j softmax_j(q_i · k_j / √d_k) v_j, where j runs over all tokens, i included
    the score before scaling is bilinear: q_i · k_j = x_i M x_jᵀ with M = W_q W_kᵀ, whose rank is at most d_k
Shapes
    x          (..., n, d)
    W_q, W_k   (d, d_k)
    W_v        (d, d_v)
    out        (..., n, d_v)
    weights    (..., n, n)
    M          (d, d)
Cost
    n d (2 d_k + d_v) multiply-adds for the projections, n² (d_k + d_v) for scores and mixture, per batch slot; n² weights
    are kept for the backward pass. d (2 d_k + d_v) parameters, whatever n is. The form M costs d² d_k.
Errors
    ValueError for shapes that do not fit; TypeError for anything but floating arrays of one library and one dtype
Source
    Vaswani et al. 2017, Attention Is All You Need, sections 3.2.1 to 3.2.3, for one head and without its output
    projection; named intra-attention by Cheng, Dong and Lapata 2016, Long Short-Term Memory-Networks for Machine Reading
"""

from attn_core.attention import scaled_dot_product_attention
from attn_core.conventions import Array, check_arguments


def self_attention(x: Array, W_q: Array, W_k: Array, W_v: Array) -> tuple[Array, Array]:
    """Output and weights of every token; any number of sequences at once, none of which sees another.

    >>> import numpy as np
    >>> x, one = np.array([[0.0], [1.0]]), np.array([[1.0]])
    >>> out, weights = self_attention(x, np.log(3) * one, one, 8 * one)
    >>> weights
    array([[0.5 , 0.5 ],
           [0.25, 0.75]])
    >>> out
    array([[4.],
           [6.]])
    """
    function = "self_attention"
    xp = check_arguments(function, x=(x, "... n d"), W_q=(W_q, "d d_k"), W_k=(W_k, "d d_k"), W_v=(W_v, "d d_v"))
    # (..., n, d) @ (d, d_k) -> (..., n, d_k)
    return scaled_dot_product_attention(xp.matmul(x, W_q), xp.matmul(x, W_k), xp.matmul(x, W_v))


def score_form(W_q: Array, W_k: Array) -> Array:
    """The (d, d) matrix M of the score x_i M x_jᵀ, before scaling; symmetric if W_q = W_k, seldom otherwise.

    >>> import numpy as np
    >>> score_form(np.array([[1.0], [2.0]]), np.array([[3.0], [4.0]]))
    array([[3., 4.],
           [6., 8.]])
    """
    xp = check_arguments("score_form", W_q=(W_q, "d d_k"), W_k=(W_k, "d d_k"))
    return xp.matmul(W_q, xp.matrix_transpose(W_k))  # (d, d_k) @ (d_k, d) -> (d, d)
