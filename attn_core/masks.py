r"""A mask says which keys a query may attend to: True means "may attend".

Formula
    causal     mask_ij = (j ≤ i + m − n), bottom-right aligned
    padding    mask_bj = (j < length_b), the same for every query
    segment    mask_bij = (id_bi = id_bj and id_bi ≠ 0): sequences packed into one row; id 0 is padding, as key and as query
    apply      s_ij where mask_ij, −∞ elsewhere; masks combine by `&`
Shapes
    causal_mask     (n, m)
    lengths         (B,), whole numbers from 0 to n
    padding_mask    (B, 1, n), for n = m keys; with heads insert an axis: mask[:, None] is (B, 1, 1, n)
    ids             (B, n), whole numbers from 0
    segment_mask    (B, n, n)
    scores          any shape, usually (..., n, m); the mask broadcasts to it
Cost
    time and memory proportional to the result
Errors
    ValueError for a mask that does not broadcast to the scores, a negative size or id, a length outside 0 … n;
    TypeError for a mask that is not boolean and for mixed libraries
Source
    Vaswani et al. 2017, Attention Is All You Need, section 3.2.3; Raffel et al. 2020, T5, section 3.1.2 (packing);
    polarity, empty rows and alignment as in attn_core.conventions
"""

from operator import index
from typing import Any

import array_api_compat.numpy
from array_api_compat import device

from attn_core.conventions import Array, check_arguments, check_broadcast, namespace, shape_error


def causal_mask(n: int, m: int | None = None, like: Array | None = None) -> Array:
    """Mask of n queries over m keys (m = n by default) that hides later keys; in NumPy, or as `like` in torch.

    `like` gives the library and the device, and nothing else.
    """
    n = _size("causal_mask", "n", n)
    m = n if m is None else _size("causal_mask", "m", m)
    xp: Any = array_api_compat.numpy
    place = None
    if like is not None:
        xp, place = namespace(like, function="causal_mask", names=("like",)), device(like)
    queries, keys = xp.arange(n, device=place), xp.arange(m, device=place)
    return keys[None, :] <= queries[:, None] + (m - n)  # (1, m) <= (n, 1) -> (n, m)


def padding_mask(lengths: Array, n: int) -> Array:
    """Mask of a batch that was padded to n positions: True for the first `lengths[b]` keys of sequence b."""
    xp = check_arguments("padding_mask", "integral", lengths=(lengths, "B"))
    n = _size("padding_mask", "n", n)
    outside = lengths[(lengths < 0) | (lengths > n)]
    if outside.shape[0] > 0:
        got, reason = f"an entry {outside[0].item()}", "n is the length that the batch was padded to"
        raise shape_error("padding_mask", "lengths", f"every length must be between 0 and n={n}", got, reason)
    keys = xp.arange(n, device=device(lengths))
    return keys[None, None, :] < lengths[:, None, None]  # (1, 1, n) < (B, 1, 1) -> (B, 1, n)


def segment_mask(ids: Array) -> Array:
    """Mask of packed rows: tokens see the tokens of their own segment, wherever these stand; padding (id 0) sees nothing.

    >>> import numpy as np
    >>> segment_mask(np.array([[1, 1, 2, 0]])).astype(int)
    array([[[1, 1, 0, 0],
            [1, 1, 0, 0],
            [0, 0, 1, 0],
            [0, 0, 0, 0]]])
    """
    check_arguments("segment_mask", "integral", ids=(ids, "B n"))
    negative = ids[ids < 0]
    if negative.shape[0] > 0:
        got, reason = f"an entry {negative[0].item()}", "0 is padding, and segments are numbered from 1"
        raise shape_error("segment_mask", "ids", "every id must be 0 or more", got, reason)
    query, key = ids[:, :, None], ids[:, None, :]  # (B, n, 1) and (B, 1, n)
    return (query == key) & (query != 0)


def apply_mask(scores: Array, mask: Array) -> Array:
    """Scores with −∞ in every place that the mask forbids; no gradient flows into those places."""
    xp = check_arguments("apply_mask", scores=(scores, ""))
    check_mask("apply_mask", mask, scores)
    return xp.where(mask, scores, -xp.inf)


def check_mask(function: str, mask: Array, scores: Array) -> None:
    """Check that a mask is boolean, of the library of the scores, and broadcasts to their shape."""
    xp = namespace(scores, mask, function=function, names=("scores", "mask"))
    if not xp.isdtype(mask.dtype, "bool"):
        raise TypeError(
            f'{function}: mask has dtype {mask.dtype}, but it must be boolean, where True means "may attend"; '
            "numbers that are added to the scores (0 where a query may attend, -inf where not) are a bias, "
            "and a mask of ones and zeros becomes boolean by mask != 0."
        )
    check_broadcast(function, "mask", mask, scores)


def _size(function: str, argument: str, value: int) -> int:
    try:
        size = index(value)
    except TypeError:
        reason = f"{function}: {argument} is of type {type(value).__name__}, but it must be a whole number"
        raise TypeError(f"{reason}.") from None
    if size < 0:
        raise ValueError(f"{function}: {argument} is {size}, but it must be 0 or more.")
    return size
