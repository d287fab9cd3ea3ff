"""More answers to qkv.soft_lookup: softmax by hand, axes, and ways round the temperature."""

import math

import numpy as np
from answers import right, wrong

KEEPDIMS = "leaves out keepdims, so that maxima or sums stand in a row beside other queries' scores"
FRONT = "counts the axis of the softmax from the front"
CONSTANT = "adds a constant to the denominator"
HALF = "divides only the scores or only their maximum by the temperature (a pair of brackets is missing)"


def scores_of(query, keys):
    """(..., n, m)."""
    return query @ keys.swapaxes(-1, -2)


@right
def ratios_of_all_pairs(query, keys, values, temperature):
    s = scores_of(query, keys)
    with np.errstate(over="ignore"):
        weights = 1 / np.exp((s[..., None, :] - s[..., :, None]) / temperature).sum(-1)
    return weights @ values


@right
def one_key_at_a_time(query, keys, values, temperature):
    top = np.full((*query.shape[:-1], 1), -np.inf, query.dtype)
    total, out = np.zeros_like(top), np.zeros((*query.shape[:-1], values.shape[-1]), values.dtype)
    for j in range(keys.shape[-2]):
        score = (query * keys[..., j : j + 1, :]).sum(-1, keepdims=True)
        new = np.maximum(top, score)
        old, now = np.exp((top - new) / temperature), np.exp((score - new) / temperature)
        total, out, top = total * old + now, out * old + now * values[..., j : j + 1, :], new
    return out / total


@right
def base_two(query, keys, values, temperature):
    s = scores_of(query, keys)
    powers = np.exp2((s - s.max(-1, keepdims=True)) / temperature * math.log2(math.e))
    return powers / powers.sum(-1, keepdims=True) @ values


@right
def reciprocal_and_late_division(query, keys, values, temperature):
    s = scores_of(query, keys)
    e = np.exp((s - np.max(s, -1, keepdims=True)) * (1 / temperature))
    return e @ values / e.sum(-1)[..., None]


@wrong(KEEPDIMS)
def maxima_in_a_row(query, keys, values, temperature):
    s = scores_of(query, keys)
    e = np.exp((s - s.max(axis=-1)) / temperature)
    return e / e.sum(axis=-1, keepdims=True) @ values


@wrong(KEEPDIMS)
def sums_in_a_row(query, keys, values, temperature):
    s = scores_of(query, keys)
    e = np.exp((s - s.max(axis=-1, keepdims=True)) / temperature)
    return e / e.sum(axis=-1) @ values


@wrong(HALF)
def peak_not_divided(query, keys, values, temperature):
    s = scores_of(query, keys)
    e = np.exp(s / temperature - s.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True) @ values


@wrong(HALF)
def scores_not_divided(query, keys, values, temperature):
    s = scores_of(query, keys)
    e = np.exp(s - s.max(-1, keepdims=True) / temperature)
    return e / e.sum(-1, keepdims=True) @ values


@wrong(FRONT)
def axis_zero(query, keys, values, temperature):
    s = scores_of(query, keys)
    e = np.exp((s - s.max(axis=0)) / temperature)
    return e / e.sum(axis=0) @ values


@wrong(FRONT)
def axis_one(query, keys, values, temperature):
    s = scores_of(query, keys)
    e = np.exp((s - s.max(axis=1, keepdims=True)) / temperature)
    return e / e.sum(axis=1, keepdims=True) @ values


@wrong("subtracts the maximum of all scores, so that the rows of other queries underflow")
def maximum_of_a_table(query, keys, values, temperature):
    s = scores_of(query, keys)
    e = np.exp((s - s.max(axis=(-2, -1), keepdims=True)) / temperature)
    return e / e.sum(-1, keepdims=True) @ values


@wrong("subtracts the minimum of each row instead of its maximum, so that the exponentials overflow")
def minimum(query, keys, values, temperature):
    s = scores_of(query, keys)
    e = np.exp((s - s.min(-1, keepdims=True)) / temperature)
    return e / e.sum(-1, keepdims=True) @ values


@wrong("exponentiates without subtracting the maximum, and hides the NaN that follows")
def nan_to_zero(query, keys, values, temperature):
    with np.errstate(all="ignore"):
        e = np.exp(scores_of(query, keys) / temperature)
        return np.nan_to_num(e / e.sum(-1, keepdims=True)) @ values


@wrong("does not divide by the sum of the exponentials")
def exponentials_as_weights(query, keys, values, temperature):
    s = scores_of(query, keys)
    return np.exp((s - s.max(-1, keepdims=True)) / temperature) @ values


@wrong(CONSTANT)
def epsilon(query, keys, values, temperature):
    s = scores_of(query, keys)
    e = np.exp((s - s.max(-1, keepdims=True)) / temperature)
    return e / (e.sum(-1, keepdims=True) + 1e-8) @ values


@wrong(CONSTANT)
def larger_epsilon(query, keys, values, temperature):
    s = scores_of(query, keys)
    e = np.exp((s - s.max(-1, keepdims=True)) / temperature)
    return e / (e.sum(-1, keepdims=True) + 1e-6) @ values


@wrong("sharpens the weights by a power, after those of the weaker keys have been rounded to 0")
def power_of_the_weights(query, keys, values, temperature):
    s = scores_of(query, keys)
    e = np.exp(s - s.max(-1, keepdims=True))
    powers = (e / e.sum(-1, keepdims=True)) ** (1 / temperature)
    return powers / powers.sum(-1, keepdims=True) @ values


@wrong("ignores the query and the keys: all values count the same")
def plain_mean(query, keys, values, temperature):
    return np.repeat(values.mean(-2, keepdims=True), query.shape[-2], axis=-2)


@wrong("takes keys for tied whose scores are only close")
def within_a_millionth(query, keys, values, temperature):
    s = scores_of(query, keys)
    gaps = s - s.max(-1, keepdims=True)
    e = (gaps >= -1e-6).astype(query.dtype) if temperature < 1e-8 else np.exp(gaps / temperature)
    return e / e.sum(-1, keepdims=True) @ values


@wrong("exponentiates with the base 2")
def wrong_base(query, keys, values, temperature):
    s = scores_of(query, keys)
    powers = np.exp2((s - s.max(-1, keepdims=True)) / temperature)
    return powers / powers.sum(-1, keepdims=True) @ values


@wrong("squeezes away every axis of size 1")
def squeezed(query, keys, values, temperature):
    s = scores_of(query, keys)
    e = np.exp((s - s.max(-1, keepdims=True)) / temperature)
    return (e / e.sum(-1, keepdims=True) @ values).squeeze()
