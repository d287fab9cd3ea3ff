r"""A soft look-up is a dictionary that answers with a mixture: each entry counts by how well its key fits the query.

Formula
    s_ij = query_i · key_j; weights = softmax(s / τ) over the keys; out_i = Σ_j weights_ij value_j
    τ → 0: the value of the best key, or the mean of the values whose keys tie for the best. τ → ∞: the mean of all values
Shapes
    query        (..., n, d)
    keys         (..., m, d)
    values       (..., m, d_v)
    temperature  τ, a Python number > 0
    out          (..., n, d_v)
Cost
    n m (d + d_v) multiply-adds and n m exponentials per batch slot, where a Python dictionary needs one comparison on
    average
Errors
    ValueError for shapes that do not fit, and for a temperature that is not positive or that the dtype cannot hold;
    TypeError for anything but floating arrays of one library and one dtype
Source
    Weston, Chopra and Bordes 2015, Memory Networks (a memory that is searched by scores); Miller et al. 2016, Key-Value
    Memory Networks for Directly Reading Documents, section 3.1 (keys apart from values, read by a softmax)
"""

from attn_core.conventions import Array, check_arguments
from attn_core.scores import dot
from attn_core.softmax import softmax

_NOTHING = 1000.0  # exp(−1000) is 0 in every dtype


def soft_lookup(query: Array, keys: Array, values: Array, temperature: float) -> Array:
    """What each query reads. No temperature is too low: differences of scores are divided, never the scores.

    >>> import numpy as np
    >>> keys, values = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[10.0], [20.0]])
    >>> soft_lookup(np.array([[1.0, 0.0], [1.0, 1.0]]), keys, values, 1e-30)
    array([[10.],
           [15.]])
    >>> soft_lookup(np.array([[np.log(3), 0.0]]), keys, values, 1.0)
    array([[12.5]])
    """
    function = "soft_lookup"
    xp = check_arguments(function, query=(query, "... n d"), keys=(keys, "... m d"), values=(values, "... m d_v"))
    dtype = values.dtype
    if xp.finfo(dtype).bits < 32:  # half precision holds neither such temperatures nor what is divided by them
        query, keys, values = (xp.astype(array, xp.float32) for array in (query, keys, values))
    limits = xp.finfo(query.dtype)
    if not temperature >= float(limits.smallest_normal):  # false for NaN
        reason = f"it must be at least {float(limits.smallest_normal):.3g}, the smallest that {query.dtype} holds"
        raise ValueError(f"{function}: temperature is {temperature}, but {reason} in full.")
    scores = dot(query, keys)  # (..., n, m)
    if scores.shape[-1] > 0:
        # first the maximum, then the division: 4e8 / 1e-30 is ∞ in float32, but a tie stays 0 / 1e-30 = 0
        gaps = scores - xp.max(scores, axis=-1, keepdims=True)
        # below `lowest` a weight is 0, and the quotient may overflow
        lowest = max(-_NOTHING * temperature, float(limits.min))
        scores = xp.clip(gaps, min=lowest) / temperature
    out = xp.matmul(softmax(scores), values)  # (..., n, m) @ (..., m, d_v) -> (..., n, d_v)
    return xp.astype(out, dtype, copy=False)
