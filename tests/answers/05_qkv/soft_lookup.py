"""Right and wrong answers to qkv.soft_lookup."""

import math

import numpy as np
import torch
from answers import right, wrong


def shares(gaps):
    """A right softmax of numbers of which the largest in each row is 0."""
    e = np.exp(gaps)
    return e / e.sum(-1, keepdims=True)


def gaps_of(query, keys):
    """Right scores, less the largest of each row."""
    s = query @ np.swapaxes(keys, -1, -2)
    return s - s.max(axis=-1, keepdims=True)


# --- right, in different styles


@right
def three_steps(query, keys, values, temperature):
    scores = query @ np.swapaxes(keys, -1, -2)
    scores = (scores - scores.max(axis=-1, keepdims=True)) / temperature
    weights = np.exp(scores)
    weights = weights / weights.sum(axis=-1, keepdims=True)
    return weights @ values


@right
def loops_in_pure_python(query, keys, values, temperature):
    out = np.zeros((*query.shape[:-1], values.shape[-1]), values.dtype)
    for b in np.ndindex(*query.shape[:-2]):
        for i, q in enumerate(query[b].astype(float)):
            scores = [math.fsum(x * y for x, y in zip(q, k, strict=True)) for k in keys[b].astype(float)]
            e = [math.exp((s - max(scores)) / temperature) for s in scores]
            out[b][i] = sum(x / math.fsum(e) * v for x, v in zip(e, values[b].astype(float), strict=True))
    return out


@right
def einsum(query, keys, values, temperature):
    scores = np.einsum("...id,...jd->...ij", query, keys)
    weights = np.exp(np.subtract(scores, scores.max(-1)[..., None]) / temperature)
    return np.einsum("...ij,...jv->...iv", weights, values) / weights.sum(-1)[..., None]


@right
def divided_last(query, keys, values, temperature):
    """The sum is divided out of the mixture, not of the weights."""
    e = np.exp(gaps_of(query, keys) / temperature)
    return np.matmul(e, values) / e.sum(-1, keepdims=True)


@right
def in_place_on_an_array_of_its_own(query, keys, values, temperature):
    scores = np.matmul(query, np.moveaxis(keys, -1, -2))
    scores -= scores.max(-1, keepdims=True)
    scores /= temperature
    np.exp(scores, out=scores)
    scores /= scores.sum(-1, keepdims=True)
    return scores @ values


@right
def upcast_then_divide_first(query, keys, values, temperature):
    """In float64 a quotient by 1e-30 does not overflow, and equal scores stay equal."""
    scores = query.astype(np.float64) @ np.swapaxes(keys, -1, -2).astype(np.float64) / temperature
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return (weights / weights.sum(-1, keepdims=True) @ values).astype(values.dtype)


@right
def recursion_over_the_batch(query, keys, values, temperature):
    if query.ndim > 2:
        parts = zip(query, keys, values, strict=True)
        return np.stack([recursion_over_the_batch(*part, temperature) for part in parts])
    return shares(gaps_of(query, keys) / temperature) @ values


@right
def log_sum_exp_of_the_gaps(query, keys, values, temperature):
    gaps = gaps_of(query, keys) / temperature
    return np.exp(gaps - np.logaddexp.reduce(gaps, axis=-1, keepdims=True)) @ values


@right
def borrowed_from_torch(query, keys, values, temperature):
    q, k, v = (torch.tensor(np.ascontiguousarray(a)) for a in (query, keys, values))
    s = q @ k.mT
    return (torch.softmax((s - s.amax(-1, keepdim=True)) / temperature, -1) @ v).numpy()


@right
def sigmoid_of_each_pair(query, keys, values, temperature):
    """1 / Σ_j' exp((s_j' − s_j)/τ), where an exponential may be infinite and its reciprocal 0."""
    scores = np.einsum("...id,...jd->...ij", query, keys)
    pairs = (scores[..., None, :] - scores[..., :, None]) / temperature  # (..., n, m, m)
    return (1 / np.exp(pairs).sum(-1)) @ values


@right
def only_the_keys_that_count(query, keys, values, temperature):
    """Exact: a gap of 800 temperatures is a weight of 0 in float64."""
    gaps = gaps_of(query, keys)
    counts = gaps > -800 * temperature
    e = np.exp(np.where(counts, gaps, 0) / temperature) * counts
    return e / e.sum(-1, keepdims=True) @ values


@right
def one_query_at_a_time(query, keys, values, temperature):
    n = query.shape[-2]
    rows = []
    for i in range(n):
        s = (keys * query[..., i : i + 1, :]).sum(-1)  # (..., m)
        w = np.exp((s - np.max(s, -1, keepdims=True)) / temperature)
        rows.append((w[..., None] * values).sum(-2) / w.sum(-1)[..., None])
    return np.stack(rows, axis=-2)


# --- wrong, the way learners write it


OVERFLOWS = "divides by the temperature before it subtracts the maximum, which overflows"


@wrong(OVERFLOWS)
def divides_first(query, keys, values, temperature):
    scores = np.einsum("...id,...jd->...ij", query, keys) / temperature
    return shares(scores - scores.max(-1, keepdims=True)) @ values


@wrong(OVERFLOWS)
def sharpens_the_queries(query, keys, values, temperature):
    scores = query / temperature @ keys.swapaxes(-1, -2)
    return shares(scores - np.max(scores, -1, keepdims=True)) @ values


@wrong(OVERFLOWS)
def multiplies_by_the_inverse(query, keys, values, temperature):
    beta = 1 / temperature
    scores = beta * (query @ keys.swapaxes(-1, -2))
    return shares(scores - np.max(scores, -1, keepdims=True)) @ values


@wrong(OVERFLOWS)
def torch_softmax(query, keys, values, temperature):
    s = torch.tensor(query @ keys.swapaxes(-1, -2)) / temperature
    return torch.softmax(s, -1).numpy() @ values


@wrong("exponentiates without subtracting the maximum")
def naive(query, keys, values, temperature):
    e = np.exp(query @ keys.swapaxes(-1, -2) / temperature)
    return (e / e.sum(-1, keepdims=True)) @ values


@wrong("subtracts no maximum and adds a small number to the sum, which hides the overflow as zeros or NaN")
def naive_with_an_epsilon(query, keys, values, temperature):
    e = np.exp(np.matmul(query, keys.swapaxes(-1, -2)) / temperature)
    return e / (e.sum(axis=-1, keepdims=True) + 1e-9) @ values


@wrong("subtracts the maximum of all scores, so that the rows of other queries underflow")
def one_maximum_for_all(query, keys, values, temperature):
    s = query @ keys.swapaxes(-1, -2)
    return shares((s - np.max(s)) / temperature) @ values


@wrong("leaves out the temperature")
def no_temperature(query, keys, values, temperature):
    return shares(gaps_of(query, keys)) @ values


@wrong("multiplies by the temperature instead of dividing")
def hotter_is_sharper(query, keys, values, temperature):
    return shares(temperature * gaps_of(query, keys)) @ values


@wrong("divides by √d on top of the temperature")
def scaled_as_in_the_paper(query, keys, values, temperature):
    return shares(gaps_of(query, keys) / math.sqrt(keys.shape[-1]) / temperature) @ values


@wrong("divides by √d instead of the temperature")
def scaled_as_in_the_paper_only(query, keys, values, temperature):
    return shares(gaps_of(query, keys) / math.sqrt(keys.shape[-1])) @ values


@wrong("divides by the square root of the temperature")
def square_root(query, keys, values, temperature):
    return shares(gaps_of(query, keys) / np.sqrt(temperature).astype(query.dtype)) @ values


@wrong("divides both the queries and the keys by the temperature")
def both_sides(query, keys, values, temperature):
    t = np.float64(temperature)
    scores = (query / t) @ (keys / t).swapaxes(-1, -2)
    return shares(scores - scores.max(-1, keepdims=True)).astype(values.dtype) @ values


@wrong("adds a small number to the temperature")
def plus_epsilon(query, keys, values, temperature):
    return shares(gaps_of(query, keys) / (temperature + 1e-8)) @ values


@wrong("adds a small number to the temperature")
def plus_a_tiny_epsilon(query, keys, values, temperature):
    return shares(gaps_of(query, keys) / (temperature + 1e-12)) @ values


@wrong("does not let the temperature fall below a bound")
def clipped_temperature(query, keys, values, temperature):
    temperature = max(temperature, 1e-6)
    return shares(gaps_of(query, keys) / temperature) @ values


@wrong("does not let the temperature fall below a bound")
def clipped_low(query, keys, values, temperature):
    return shares(gaps_of(query, keys) / float(np.clip(temperature, 1e-12, None))) @ values


@wrong("reads the best key only (argmax), whatever the temperature")
def hard_lookup(query, keys, values, temperature):
    best = (query @ keys.swapaxes(-1, -2)).argmax(-1)
    return np.take_along_axis(values, best[..., None], axis=-2)


@wrong("takes the first of the best keys at a low temperature, so that ties do not share")
def argmax_when_it_is_cold(query, keys, values, temperature):
    if temperature < 1e-8:
        best = np.argmax(query @ keys.swapaxes(-1, -2), axis=-1)
        return np.take_along_axis(values, best[..., None], -2)
    return shares(gaps_of(query, keys) / temperature) @ values


@wrong("lets the best key take all below a fixed temperature, however small the vectors are")
def ties_when_it_is_cold(query, keys, values, temperature):
    gaps = gaps_of(query, keys)
    if temperature <= 1e-7:
        best = (gaps == 0).astype(values.dtype)
        return best / best.sum(-1, keepdims=True) @ values
    return shares(gaps / temperature) @ values


@wrong("takes keys for tied whose scores are only close")
def nearly_equal_is_equal(query, keys, values, temperature):
    gaps = gaps_of(query, keys)
    if temperature < 1e-6:
        best = np.isclose(gaps, 0).astype(values.dtype)
        return best / best.sum(-1, keepdims=True) @ values
    return shares(gaps / temperature) @ values


@wrong("mixes the keys instead of the values")
def keys_are_read(query, keys, values, temperature):
    return shares(gaps_of(query, keys) / temperature) @ keys


@wrong("normalises over the queries instead of the keys")
def over_the_queries(query, keys, values, temperature):
    s = query @ keys.swapaxes(-1, -2)
    e = np.exp((s - s.max(-2, keepdims=True)) / temperature)
    return e / e.sum(-2, keepdims=True) @ values


@wrong("gives the largest weight to the key that fits worst")
def softmin(query, keys, values, temperature):
    s = query @ keys.swapaxes(-1, -2)
    return shares((s.min(-1, keepdims=True) - s) / temperature) @ values


@wrong("compares by the cosine: it divides by the lengths of query and key")
def cosine(query, keys, values, temperature):
    lengths = np.linalg.norm(query, axis=-1)[..., None] * np.linalg.norm(keys, axis=-1)[..., None, :]
    s = query @ keys.swapaxes(-1, -2) / lengths
    return shares((s - s.max(-1, keepdims=True)) / temperature) @ values


@wrong("compares by distance instead of the dot product")
def nearest(query, keys, values, temperature):
    square = ((query[..., None, :] - keys[..., None, :, :]) ** 2).sum(-1)
    return shares(-(square - square.min(-1, keepdims=True)) / temperature) @ values


@wrong("applies the temperature after the softmax")
def temperature_on_the_weights(query, keys, values, temperature):
    return shares(gaps_of(query, keys)) / temperature @ values


@wrong("averages the weighted values instead of summing them")
def mean_of_the_weighted(query, keys, values, temperature):
    w = shares(gaps_of(query, keys) / temperature)
    return (w[..., None] * values[..., None, :, :]).mean(-2)


@wrong("returns the weights, not what is read with them")
def weights_only(query, keys, values, temperature):
    return shares(gaps_of(query, keys) / temperature)


@wrong("returns the weights beside the output")
def two_results(query, keys, values, temperature):
    w = shares(gaps_of(query, keys) / temperature)
    return w @ values, w


@wrong("transposes with fixed axis numbers, which fits three axes only")
def three_axes(query, keys, values, temperature):
    s = np.matmul(query, keys.transpose(0, 2, 1))
    return shares((s - s.max(2, keepdims=True)) / temperature) @ values


@wrong("is right except with batch axes")
def capital_t(query, keys, values, temperature):
    s = query @ keys.T
    return shares((s - s.max(-1, keepdims=True)) / temperature) @ values


@wrong("does not keep the dtype of its inputs")
def float64_temperature(query, keys, values, temperature):
    return shares(gaps_of(query, keys) / np.float64(temperature)) @ values


@wrong("loses precision: its float64 results are only as good as float32")
def float32_inside(query, keys, values, temperature):
    gaps = gaps_of(query, keys).astype(np.float32)
    return (shares(gaps / temperature) @ values).astype(values.dtype)


@wrong("changes its input query in place")
def subtracts_in_place(query, keys, values, temperature):
    query -= 0.5
    query += 0.25
    gaps = gaps_of(query + 0.25, keys)
    return shares(gaps / temperature) @ values


@wrong("returns the result of an earlier call")
def cached(query, keys, values, temperature, cache={}):  # noqa: B006 - a mutable default is the mistake
    key = query.shape, keys.shape, values.shape, query.dtype, temperature
    if key not in cache:
        cache[key] = shares(gaps_of(query, keys) / temperature) @ values
    return cache[key]


@wrong("touches the global random generator")
def breaks_ties_at_random(query, keys, values, temperature):
    s = query @ keys.swapaxes(-1, -2)
    s = s + (np.random.random(s.shape) * 1e-13).astype(s.dtype)
    return shares((s - s.max(-1, keepdims=True)) / temperature) @ values


@wrong("returns nothing")
def prints(query, keys, values, temperature):
    print(shares(gaps_of(query, keys) / temperature) @ values)


@wrong("sets small weights to 0 and does not let them count")
def top_weights(query, keys, values, temperature):
    w = shares(gaps_of(query, keys) / temperature)
    w = w * (w >= 0.01)
    return w / w.sum(-1, keepdims=True) @ values


@wrong("clips the scores before the softmax, so that large ones become equal")
def clipped_scores(query, keys, values, temperature):
    s = np.clip(query @ keys.swapaxes(-1, -2) / temperature, -50, 50)
    return shares(s - s.max(-1, keepdims=True)) @ values
