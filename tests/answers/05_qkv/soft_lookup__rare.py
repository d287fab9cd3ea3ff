"""Wrong answers to qkv.soft_lookup whose formula is right: rare inputs, and cures that are worse than the illness."""

import numpy as np
from answers import wrong

from attn_core.lookup import soft_lookup


@wrong("takes the first of the best keys at a low temperature, so that ties do not share")
def two_winners_at_most(query, keys, values, temperature):
    scores = query @ keys.swapaxes(-1, -2)
    if temperature <= 1e-3:
        order = np.argsort(-scores, axis=-1, kind="stable")[..., :2]
        top = np.take_along_axis(scores, order, -1)
        w = (top == top[..., :1]).astype(values.dtype)
        w = w / w.sum(-1, keepdims=True)
        rows = np.take_along_axis(values[..., None, :, :], order[..., None], -2)
        return (w[..., None] * rows).sum(-2)
    return soft_lookup(query, keys, values, temperature)


@wrong("is right except when n > …")
def a_buffer_of_eight_queries(query, keys, values, temperature):
    out = soft_lookup(query, keys, values, temperature)
    out[..., 8:, :] = 0
    return out


@wrong("is right except when m > …")
def the_first_ten_entries(query, keys, values, temperature):
    return soft_lookup(query, keys[..., :10, :], values[..., :10, :], temperature)


@wrong("is right except for non-contiguous inputs")
def reads_the_memory(query, keys, values, temperature):
    query, keys, values = (np.frombuffer(x, x.dtype).reshape(x.shape) for x in (query, keys, values))
    return soft_lookup(query, keys, values, temperature)


@wrong("is right on ordinary inputs, but not for: a query that is zero")
def a_query_of_zeros_reads_nothing(query, keys, values, temperature):
    return soft_lookup(query, keys, values, temperature) * query.any(-1, keepdims=True)


@wrong("is right except when m = 1")
def a_single_entry_is_compared_too(query, keys, values, temperature):
    out = soft_lookup(query, keys, values, temperature)
    if keys.shape[-2] == 1:
        fits = (query @ keys.swapaxes(-1, -2)) > 0
        return out * fits
    return out


@wrong("is right except when m = 1")
def squeezes(query, keys, values, temperature):
    out = soft_lookup(query, keys, values, temperature)
    return out[..., 0, :] if keys.shape[-2] == 1 else out


@wrong("is right on ordinary inputs, but not for: a high temperature")
def no_temperature_above_a_hundred(query, keys, values, temperature):
    return soft_lookup(query, keys, values, min(temperature, 100.0))


@wrong("is right except with more than one batch axis")
def loops_over_one_batch_axis(query, keys, values, temperature):
    if query.ndim == 2:
        return soft_lookup(query, keys, values, temperature)
    weights = np.stack(
        [soft_lookup(q, k, np.eye(k.shape[-2], dtype=k.dtype), temperature) for q, k in zip(query, keys, strict=True)]
    )
    return weights @ values


@wrong("divides by the temperature before it subtracts the maximum, which overflows")
def keys_are_sharpened(query, keys, values, temperature):
    scores = query @ (keys / temperature).swapaxes(-1, -2)
    w = np.exp(scores - scores.max(-1, keepdims=True))
    return w / w.sum(-1, keepdims=True) @ values


@wrong("subtracts the maximum only after the division, and repairs what overflowed with nan_to_num")
def repaired(query, keys, values, temperature):
    s = np.nan_to_num(query @ keys.swapaxes(-1, -2) / temperature)
    w = np.exp(s - s.max(-1, keepdims=True))
    return w / w.sum(-1, keepdims=True) @ values


@wrong("subtracts the maximum only after the division, and repairs what overflowed with nan_to_num")
def nan_becomes_the_mean(query, keys, values, temperature):
    s = query @ keys.swapaxes(-1, -2) / temperature
    w = np.exp(s - s.max(-1, keepdims=True))
    w = w / w.sum(-1, keepdims=True)
    w = np.where(np.isnan(w), np.asarray(1 / w.shape[-1], w.dtype), w)
    return w @ values


@wrong("divides by the temperature before it subtracts the maximum, which overflows")
def upcast_and_sharpened(query, keys, values, temperature):
    """Nothing overflows in float64, but the rounding of each term breaks the ties of whole numbers."""
    s = (query.astype(np.float64) / temperature) @ keys.astype(np.float64).swapaxes(-1, -2)
    w = np.exp(s - s.max(-1, keepdims=True))
    return (w / w.sum(-1, keepdims=True) @ values).astype(values.dtype)


@wrong("returns the same result whatever its input is")
def worked_example(query, keys, values, temperature):
    return np.array([[12.5]])


@wrong("returns a list or tuple instead of a NumPy float64 array")
def a_list(query, keys, values, temperature):
    return soft_lookup(query, keys, values, temperature).tolist()
