r"""Masked softmax normalises over what a query may attend to, and gives zeros to a query that may attend to nothing.

Formula
    a_ij = exp(s_ij) / Σ_{k: mask_ik} exp(s_ik) where mask_ij, exactly 0 elsewhere; a_i = 0 if no mask_ik holds
    With J = diag(a) − aaᵀ as for softmax, no gradient reaches a forbidden score or an empty row, and all of it is finite.
Shapes
    scores, and the weights   any shape, usually (..., n, m)
    mask                      broadcasts to the scores
Cost
    time and memory proportional to the scores
Errors
    ValueError for a mask that does not broadcast to the scores; TypeError for a mask that is not boolean, scores that
    are not floating point, and mixed libraries. What stands in a forbidden place, even NaN or +∞, does not matter.
Source
    Vaswani et al. 2017, Attention Is All You Need, section 3.2.3; empty rows as in attn_core.conventions
"""

from attn_core.conventions import Array, check_arguments
from attn_core.masks import apply_mask, check_mask
from attn_core.softmax import softmax


def masked_softmax(scores: Array, mask: Array) -> Array:
    """Weights along the last axis over what the mask allows, in the dtype of the scores.

    >>> import numpy as np
    >>> masked_softmax(np.zeros((2, 3)), np.array([[True, True, False], [False, False, False]]))
    array([[0.5, 0.5, 0. ],
           [0. , 0. , 0. ]])
    """
    check_arguments("masked_softmax", scores=(scores, ""))
    check_mask("masked_softmax", mask, scores)
    # −∞ is exact: exp(−∞) = 0. It is put in, not added, so that nothing that depends on it is differentiated; and
    # softmax shifts a row of nothing but −∞ by 0 instead of by its maximum, −∞ − (−∞) being NaN.
    return softmax(apply_mask(scores, mask))
