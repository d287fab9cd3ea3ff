r"""Reading all encoder states instead of the last one; and the curve that shows what the difference is worth.

Formula
    attend      e_j = h_j · query for the real steps; a = softmax(e); context = Σ_j a_j h_j. No scale.
    accuracy    bucket k holds the lengths with edges[k] ≤ length < edges[k + 1]; the share of them that is correct
Shapes
    h                (B, T, d_h)
    query, context   (B, d_h)
    lengths          (B,), whole numbers from 0 to T; what h holds behind them does not matter
    weights          (B, T), exactly 0 behind the length
    accuracy         lengths (N,), correct (N,) boolean, edges (K + 1,) increasing, result (K,) in float64
Cost
    attend: 2 T d_h multiply-adds per sequence, and T weights. accuracy_by_length: K N comparisons.
Errors
    ValueError for shapes that do not fit, for lengths outside 0 … T, and for edges that do not increase; TypeError for
    wrong dtypes and mixed libraries. A sequence of length 0 gets zeros, an empty bucket NaN.
Source
    Bahdanau, Cho and Bengio 2015, section 3.1, with the score of Luong, Pham and Manning 2015, section 3.1 (dot);
    accuracy against length: Cho et al. 2014, On the Properties of Neural Machine Translation
"""

from attn_core.conventions import Array, check_arguments, namespace, shape_error
from attn_core.masks import apply_mask, padding_mask
from attn_core.softmax import softmax


def attend(h: Array, query: Array, lengths: Array) -> tuple[Array, Array]:
    """Context and weights of one query per sequence, over the first lengths[b] states.

    >>> import numpy as np
    >>> h = np.array([[[2.0, 0.0], [0.0, 4.0], [9.0, 9.0]]])
    >>> attend(h, np.array([[0.0, 0.0]]), np.array([2]))
    (array([[1., 2.]]), array([[0.5, 0.5, 0. ]]))
    """
    xp = check_arguments("attend", h=(h, "B T d_h"), query=(query, "B d_h"))
    namespace(h, lengths, function="attend", names=("h", "lengths"))
    batch, steps, _ = h.shape
    if tuple(lengths.shape) != (batch,):
        raise shape_error("attend", "lengths", f"h has B={batch}", f"shape {tuple(lengths.shape)}", "one per sequence")
    mask = padding_mask(lengths, steps)[:, 0, :]  # (B, 1, T) -> (B, T)
    scores = xp.matmul(h, query[:, :, None])[:, :, 0]  # (B, T, d_h) @ (B, d_h, 1) -> (B, T)
    weights = softmax(apply_mask(scores, mask))
    return xp.matmul(weights[:, None, :], h)[:, 0, :], weights  # (B, 1, T) @ (B, T, d_h) -> (B, d_h)


def accuracy_by_length(lengths: Array, correct: Array, edges: Array) -> Array:
    """Share of correct answers among the lengths from edges[k] to edges[k + 1] − 1; lengths outside are ignored.

    >>> import numpy as np
    >>> accuracy_by_length(np.array([3, 5, 5, 9]), np.array([True, True, False, True]), np.array([3, 5, 7, 9]))
    array([1. , 0.5, nan])
    """
    function = "accuracy_by_length"
    xp = check_arguments(function, "integral", lengths=(lengths, "N"))
    namespace(lengths, correct, edges, function=function, names=("lengths", "correct", "edges"))
    if not xp.isdtype(correct.dtype, "bool") or not xp.isdtype(edges.dtype, "integral"):
        found = f"correct has dtype {correct.dtype} and edges {edges.dtype}"
        raise TypeError(f"{function}: {found}, but they must be boolean and whole numbers.")
    if correct.shape != lengths.shape:
        expected = f"lengths has shape {tuple(lengths.shape)}"
        raise shape_error(function, "correct", expected, f"shape {tuple(correct.shape)}", "one entry per answer")
    if edges.ndim != 1 or edges.shape[0] < 2 or bool(xp.any(edges[1:] <= edges[:-1])):
        raise ValueError(f"{function}: edges is {edges}, but it must be a row of at least two increasing numbers.")
    inside = (edges[:-1, None] <= lengths[None, :]) & (lengths[None, :] < edges[1:, None])  # (K, N)
    members = xp.astype(xp.sum(xp.astype(inside, xp.int64), axis=1), xp.float64)  # (K,)
    hits = xp.astype(xp.sum(xp.astype(inside & correct[None, :], xp.int64), axis=1), xp.float64)
    return xp.where(members == 0, xp.nan, hits / xp.where(members == 0, 1.0, members))
