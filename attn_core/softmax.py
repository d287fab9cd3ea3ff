r"""Softmax turns a row of scores into weights that are not negative and sum to one.

Formula
    a_i = exp(s_i − max s) / Σ_j exp(s_j − max s), which equals exp(s_i) / Σ_j exp(s_j), as the shift cancels
    ∂a_i/∂s_j = a_i (δ_ij − a_j), that is J = diag(a) − aaᵀ
Shapes
    scores, and the weights   any shape; each slice along `axis` is one row
    weights of the Jacobian   (..., m)
    Jacobian                  (..., m, m), [..., i, j] being ∂a_i/∂s_j
Cost
    softmax: time and memory proportional to the scores. softmax_jacobian: m times that; autograd never forms it, but
    multiplies by it, Jg = a ⊙ (g − aᵀg), at the cost of a softmax.
Errors
    ValueError for an axis that the scores lack; TypeError for what is not a floating array. NaN and +∞ give NaN. NumPy
    warns where a gap between two scores exceeds its dtype; the weights are right all the same.
Source
    Bridle 1990, Probabilistic Interpretation of Feedforward Classification Network Outputs; empty rows as in
    attn_core.conventions
"""

from operator import index

from array_api_compat import device

from attn_core.conventions import Array, check_arguments, shape_error


def softmax(scores: Array, axis: int = -1) -> Array:
    """Weights along `axis`: an entry of −∞ gets exactly 0, a slice without any other entry gets zeros.

    >>> import numpy as np
    >>> softmax(np.log([[1.0, 3.0], [2.0, 2.0]]))
    array([[0.25, 0.75],
           [0.5 , 0.5 ]])
    """
    xp = check_arguments("softmax", scores=(scores, ""))
    if not -scores.ndim <= index(axis) < scores.ndim:
        shape = f"shape {tuple(scores.shape)}"
        raise shape_error(
            "softmax", "scores", f"axis={axis} must be one of its axes", shape, "they count from 0, or from -1"
        )
    if scores.shape[axis] == 0:
        return scores  # no entries, no weights; a maximum would not exist
    # half precision is summed in float32: float16 ends at 65504, and bfloat16 cannot tell 256 from 257
    wide = xp.astype(scores, xp.float32, copy=False) if xp.finfo(scores.dtype).bits < 32 else scores
    peak = xp.max(wide, axis=axis, keepdims=True)
    peak = xp.where(peak == -xp.inf, 0.0, peak)  # an empty slice: −∞ − (−∞) would be NaN
    exponentials = xp.exp(wide - peak)
    total = xp.sum(exponentials, axis=axis, keepdims=True)  # at least exp(0) = 1, except 0 for an empty slice
    weights = exponentials / xp.where(total == 0.0, 1.0, total)
    return xp.astype(weights, scores.dtype, copy=False)


def softmax_jacobian(weights: Array) -> Array:
    """Derivative of a softmax along the last axis, given the weights that it returned.

    >>> import numpy as np
    >>> softmax_jacobian(np.array([0.25, 0.75]))
    array([[ 0.1875, -0.1875],
           [-0.1875,  0.1875]])
    """
    xp = check_arguments("softmax_jacobian", weights=(weights, "... m"))
    position = xp.arange(weights.shape[-1], device=device(weights))
    row, column = weights[..., None, :], weights[..., :, None]  # (..., 1, m) and (..., m, 1)
    # a − a² cancels where a is near 1, a (1 − a) does not
    return xp.where(position[:, None] == position[None, :], column * (1.0 - column), 0.0 - column * row)
