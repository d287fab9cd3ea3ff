"""Wrong answers to scaling.attention: what people do to masks."""

import math

import numpy as np
from answers import wrong

from attn_core.attention import scaled_dot_product_attention as right_answer
from attn_core.softmax import softmax


def scores_of(q, k):
    """Right scores."""
    return q @ k.swapaxes(-1, -2) / math.sqrt(q.shape[-1])


@wrong("reads the mask the wrong way round: True hides instead of shows")
def masked_fill_polarity(q, k, v, mask=None):
    s = scores_of(q, k)
    if mask is not None:
        s = np.where(mask, -np.inf, s)
    w = softmax(s)
    return w @ v, w


@wrong("ignores the mask")
def mask_is_forgotten(q, k, v, mask=None):
    w = softmax(scores_of(q, k))
    return w @ v, w


@wrong("masks after the softmax and does not renormalise")
def zeroes_the_weights(q, k, v, mask=None):
    w = softmax(scores_of(q, k))
    if mask is not None:
        w = np.where(mask, w, 0)
    return np.einsum("...ij,...jv->...iv", w, v), w


@wrong("fills hidden scores with −1e9, which leaves weights in rows that may attend to nothing")
def fill_minus_1e9(q, k, v, mask=None):
    s = scores_of(q, k)
    if mask is not None:
        s[~np.broadcast_to(mask, s.shape)] = -1e9
    e = np.exp(s - s.max(-1, keepdims=True))
    w = e / e.sum(-1, keepdims=True)
    return w @ v, w


@wrong("fills hidden scores with −1e9, which leaves weights in rows that may attend to nothing")
def fill_with_the_smallest_number(q, k, v, mask=None):
    s = scores_of(q, k)
    if mask is not None:
        s = np.where(mask, s, np.finfo(s.dtype).min)
    w = softmax(s)
    return w @ v, w


@wrong("adds −1e9 to hidden scores, which leaves weights in rows that may attend to nothing")
def additive_mask(q, k, v, mask=None):
    s = scores_of(q, k)
    if mask is not None:
        s = s + (~mask) * np.asarray(-1e9, s.dtype)
    w = softmax(s)
    return w @ v, w


@wrong("sets hidden scores to 0 instead of −inf")
def multiplies_the_scores_by_the_mask(q, k, v, mask=None):
    s = scores_of(q, k)
    w = softmax(s if mask is None else s * mask)
    return w @ v, w


@wrong("fills hidden scores with a number that is not negative enough")
def minus_hundred(q, k, v, mask=None):
    s = scores_of(q, k)
    if mask is not None:
        s[~np.broadcast_to(mask, s.shape)] = -100
    w = softmax(s)
    return w @ v, w


@wrong("fills hidden scores with a number that is not negative enough")
def minus_thirty(q, k, v, mask=None):
    s = scores_of(q, k)
    w = softmax(s if mask is None else np.where(mask, s, np.asarray(-30, s.dtype)))
    return w @ v, w


@wrong("gives NaN for a query that may attend to nothing")
def no_empty_rows(q, k, v, mask=None):
    s = scores_of(q, k)
    s = s if mask is None else np.where(mask, s, -np.inf)
    e = np.exp(s - s.max(axis=-1, keepdims=True))
    w = e / e.sum(axis=-1, keepdims=True)
    return w @ v, w


@wrong("changes its input mask in place")
def inverts_the_mask_in_place(q, k, v, mask=None):
    s = scores_of(q, k)
    if mask is not None:
        np.logical_not(mask, out=mask)
        s = np.where(mask, -np.inf, s)
    w = softmax(s)
    return w @ v, w


@wrong("gives another result the second time it is called")
def remembers_the_mask(q, k, v, mask=None, last={}):  # noqa: B006 - a mutable default is the mistake
    shape = (q.shape[-2], k.shape[-2])
    if mask is None:
        mask = last.get(shape)
    elif mask.shape == shape:
        last[shape] = mask
    return right_answer(q, k, v, mask)


@wrong("is right on ordinary inputs, but not for: a mask that is the same for every batch entry")
def mask_without_the_batch_is_dropped(q, k, v, mask=None):
    if mask is not None and mask.ndim == 2 < q.ndim:
        mask = None
    return right_answer(q, k, v, mask)


@wrong("is right on ordinary inputs, but not for: a mask with one row for all queries, a mask without a query axis")
def the_mask_must_have_every_row(q, k, v, mask=None):
    s = scores_of(q, k)
    if mask is not None:
        full = np.zeros(s.shape, bool)
        full[..., : mask.shape[-2], :] = mask if mask.ndim > 1 else mask[None]
        s = np.where(full if mask.shape[-2:-1] != () else mask, s, -np.inf)
    w = softmax(s)
    return w @ v, w


@wrong("is right on ordinary inputs, but not for: a mask without a query axis")
def mask_needs_two_axes(q, k, v, mask=None):
    if mask is not None:
        n, m = mask.shape[-2], mask.shape[-1]
        assert m > 0
        assert n > 0
    return right_answer(q, k, v, mask)


@wrong("is right except when a row of mask is all False")
def mean_of_the_values_for_empty_rows(q, k, v, mask=None):
    out, w = right_answer(q, k, v, mask)
    empty = ~w.any(-1, keepdims=True)
    return np.where(empty, v.mean(-2, keepdims=True), out), w


@wrong("fills hidden scores with −1e9, which leaves weights in rows that may attend to nothing")
def uniform_weights_for_empty_rows(q, k, v, mask=None):
    _, w = right_answer(q, k, v, mask)
    w = np.where(w.any(-1, keepdims=True), w, np.asarray(1 / k.shape[-2], w.dtype))
    return w @ v, w


@wrong("is right on ordinary inputs, but not for: a mask with a batch axis of size 1")
def stretched_axes_are_dropped(q, k, v, mask=None):
    if mask is not None and mask.ndim > 2 and mask.shape[:-2] != q.shape[:-2]:
        mask = mask[tuple(0 if n == 1 else slice(None) for n in mask.shape[:-2])]
    return right_answer(q, k, v, mask)


@wrong("masks after the softmax and renormalises, which fails where all visible weights have underflowed")
def renormalises_after_the_softmax(q, k, v, mask=None):
    """Right, except where everything that may be seen has underflowed."""
    w = softmax(scores_of(q, k))
    if mask is not None:
        w = w * mask
        w = w / np.maximum(w.sum(-1, keepdims=True), 1e-30)
    return w @ v, w


@wrong("leaves out the scale")
def no_scale_and_nan_for_empty_rows(q, k, v, mask=None):
    s = q @ k.swapaxes(-1, -2)
    s = s if mask is None else np.where(mask, s, -np.inf)
    e = np.exp(s - s.max(axis=-1, keepdims=True))
    w = e / e.sum(axis=-1, keepdims=True)
    return w @ v, w
