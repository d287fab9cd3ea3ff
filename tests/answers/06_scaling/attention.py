"""Right and wrong answers to scaling.attention."""

import math

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it
from answers import right, wrong


def softmax(x, axis=-1):
    """A right softmax: most answers below get that part right."""
    top = x.max(axis, keepdims=True)
    e = np.exp(x - np.where(top == -np.inf, 0, top))
    total = e.sum(axis, keepdims=True)
    return e / np.where(total == 0, 1, total)


def scores_of(q, k):
    """Right scores."""
    return q @ k.swapaxes(-1, -2) / math.sqrt(q.shape[-1])


# --- right, in different styles


@right
def five_steps(q, k, v, mask=None):
    scores = np.matmul(q, np.swapaxes(k, -1, -2)) / np.sqrt(k.shape[-1]).astype(q.dtype)
    if mask is not None:
        scores = np.where(mask, scores, -np.inf)
    weights = softmax(scores)
    return weights @ v, weights


@right
def loops_in_pure_python(q, k, v, mask=None):
    batch, n, m, d = q.shape[:-2], q.shape[-2], k.shape[-2], q.shape[-1]
    seen = np.ones((*batch, n, m), bool) if mask is None else np.broadcast_to(mask, (*batch, n, m))
    weights, out = np.zeros((*batch, n, m), q.dtype), np.zeros((*batch, n, v.shape[-1]), q.dtype)
    for b in np.ndindex(*batch):
        for i in range(n):
            keys = [j for j in range(m) if seen[(*b, i, j)]]
            if not keys:
                continue
            scores = [float(q[b][i].astype(float) @ k[b][j].astype(float)) / math.sqrt(d) for j in keys]
            e = [math.exp(s - max(scores)) for s in scores]
            for j, x in zip(keys, e, strict=True):
                weights[(*b, i, j)] = x / sum(e)
                out[(*b, i)] += x / sum(e) * v[b][j]
    return out, weights


@right
def einsum_and_masked_max(q, k, v, mask=None):
    scores = np.einsum("...id,...jd->...ij", q, k) / math.sqrt(q.shape[-1])
    seen = np.broadcast_to(True if mask is None else mask, scores.shape)
    top = np.max(scores, axis=-1, keepdims=True, where=seen, initial=np.finfo(scores.dtype).min)
    e = np.exp(np.where(seen, scores - top, -np.inf))
    total = e.sum(-1, keepdims=True)
    weights = np.divide(e, total, out=np.zeros_like(e), where=total > 0)
    return np.einsum("...ij,...jv->...iv", weights, v), weights


@right
def minus_infinity_added(q, k, v, mask=None):
    """In NumPy there is no backward pass that an added −inf could spoil."""
    bias = 0.0 if mask is None else np.where(mask, 0.0, -np.inf).astype(q.dtype)
    weights = softmax(scores_of(q, k) + bias)
    return weights @ v, weights


@right
def queries_scaled_first_and_a_list_returned(q, k, v, mask=None):
    scores = (q / math.sqrt(q.shape[-1])) @ np.moveaxis(k, -1, -2)
    if mask is not None:
        scores[~np.broadcast_to(mask, scores.shape)] = -np.inf
    weights = softmax(scores)
    return [weights @ v, weights]


@right
def through_the_log_sum_exp(q, k, v, mask=None):
    scores = scores_of(q, k)
    if mask is not None:
        scores = np.where(mask, scores, -np.inf)
    lse = np.logaddexp.reduce(scores, axis=-1, keepdims=True)
    weights = np.exp(scores - np.where(np.isinf(lse), 0, lse))
    return np.matmul(weights, v), weights


@right
def nan_to_num_after_a_shifted_softmax(q, k, v, mask=None):
    scores = scores_of(q, k)
    if mask is not None:
        scores = np.where(mask, scores, -np.inf)
    e = np.exp(scores - scores.max(-1, keepdims=True))
    weights = np.nan_to_num(e / e.sum(-1, keepdims=True))
    return weights @ v, weights


@right
def masked_again_after_minus_1e9(q, k, v, mask=None):
    scores = scores_of(q, k)
    if mask is None:
        weights = softmax(scores)
    else:
        weights = softmax(np.where(mask, scores, np.asarray(-1e9, scores.dtype))) * mask
    return weights @ v, weights


@right
def upcast_and_cast_back(q, k, v, mask=None):
    scores = scores_of(q.astype(np.float64), k.astype(np.float64))
    weights = softmax(scores if mask is None else np.where(mask, scores, -np.inf))
    return (weights @ v).astype(q.dtype), weights.astype(q.dtype)


@right
def recursion_over_the_batch(q, k, v, mask=None):
    if q.ndim == 2:
        return five_steps(q, k, v, mask)
    masks = [None] * len(q)
    if mask is not None:
        masks = np.broadcast_to(mask, (*q.shape[:-2], q.shape[-2], k.shape[-2]))
    outs, weights = zip(*map(recursion_over_the_batch, q, k, v, masks), strict=True)
    return np.stack(outs), np.stack(weights)


@right
def borrowed_from_torch(q, k, v, mask=None):
    a, b, c = (torch.tensor(x) for x in (q, k, v))
    scores = a @ b.mT / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~torch.tensor(mask), -math.inf)
    weights = F.softmax(scores, -1).nan_to_num()
    return (weights @ c).numpy(), weights.numpy()


@right
def transposed_views(q, k, v, mask=None):
    scores = (
        scores_of(k, q)
        if mask is None
        else np.where(np.swapaxes(np.atleast_2d(mask), -1, -2), scores_of(k, q), -np.inf)
    )
    weights = softmax(scores, -2).swapaxes(-1, -2)
    return np.swapaxes(v.swapaxes(-1, -2) @ weights.swapaxes(-1, -2), -1, -2), weights


# --- wrong, the way learners write it


@wrong("leaves out the scale")
def no_scale(q, k, v, mask=None):
    s = np.einsum("...id,...jd->...ij", q, k)
    if mask is not None:
        s[np.broadcast_to(~mask, s.shape)] = -np.inf
    w = softmax(s)
    return w @ v, w


@wrong("divides by d_k instead of its square root")
def divides_by_the_size(q, k, v, mask=None):
    s = np.einsum("...id,...jd->...ij", q, k / k.shape[-1])
    w = softmax(s if mask is None else np.where(mask, s, -np.inf))
    return w @ v, w


@wrong("takes the scale from the values' size d_v")
def scale_from_the_values(q, k, v, mask=None):
    s = q @ k.swapaxes(-1, -2) / math.sqrt(v.shape[-1])
    w = softmax(s if mask is None else np.where(mask, s, -np.inf))
    return w @ v, w


@wrong("takes the scale from the number of keys")
def scale_from_the_keys(q, k, v, mask=None):
    s = q @ k.swapaxes(-1, -2)
    s = s / math.sqrt(s.shape[-1])
    w = softmax(s if mask is None else np.where(mask, s, -np.inf))
    return w @ v, w


@wrong("normalises over the queries instead of the keys")
def wrong_axis(q, k, v, mask=None):
    s = scores_of(q, k)
    w = softmax(s if mask is None else np.where(mask, s, -np.inf), axis=-2)
    return w @ v, w


@wrong("exponentiates without subtracting the maximum")
def naive_exponentials(q, k, v, mask=None):
    e = np.exp(scores_of(q, k))
    if mask is not None:
        e = e * mask
    w = e / e.sum(-1, keepdims=True)
    return w @ v, w


@wrong("overflows for large inputs")
def naive_exponentials_with_a_guard(q, k, v, mask=None):
    e = np.exp(scores_of(q, k)) * (True if mask is None else mask)
    w = e / np.maximum(e.sum(-1, keepdims=True), 1e-30)
    return w @ v, w


@wrong("returns the scores instead of the weights")
def second_output_is_the_scores(q, k, v, mask=None):
    return five_steps(q, k, v, mask)[0], q @ k.swapaxes(-1, -2) / math.sqrt(q.shape[-1])


@wrong("returns the weights first and the output second")
def swapped_outputs(q, k, v, mask=None):
    return five_steps(q, k, v, mask)[::-1]


@wrong("returns the output without the weights")
def output_only(q, k, v, mask=None):
    return five_steps(q, k, v, mask)[0]


@wrong("transposes with fixed axis numbers, which fits three axes only")
def swapaxes_one_two(q, k, v, mask=None):
    s = np.matmul(q, np.swapaxes(k, 1, 2)) / math.sqrt(q.shape[-1])
    w = softmax(s if mask is None else np.where(mask, s, -np.inf))
    return w @ v, w


@wrong("is right except with batch axes")
def capital_t(q, k, v, mask=None):
    s = q @ k.T / math.sqrt(q.shape[-1])
    w = softmax(s if mask is None else np.where(mask, s, -np.inf))
    return w @ v, w


@wrong("loses precision: its float64 results are only as good as float32")
def float32_inside(q, k, v, mask=None):
    out, w = five_steps(*(x.astype(np.float32) for x in (q, k, v)), mask)
    return out.astype(q.dtype), w.astype(q.dtype)


@wrong("does not keep the dtype of its inputs")
def float64_scale(q, k, v, mask=None):
    s = q @ k.swapaxes(-1, -2) / np.sqrt(np.float64(q.shape[-1]))
    w = softmax(s if mask is None else np.where(mask, s, -np.inf))
    return w @ v, w


@wrong("loses precision: its float64 results are only as good as float32")
def epsilon_in_the_denominator(q, k, v, mask=None):
    s = scores_of(q, k)
    s = s if mask is None else np.where(mask, s, -np.inf)
    top = s.max(-1, keepdims=True)
    e = np.exp(s - np.where(top == -np.inf, 0, top))
    w = e / (e.sum(-1, keepdims=True) + 1e-8)
    return w @ v, w


@wrong("changes its input q in place")
def scales_the_queries_in_place(q, k, v, mask=None):
    q *= q.shape[-1] ** -0.5
    s = q @ k.swapaxes(-1, -2)
    w = softmax(s if mask is None else np.where(mask, s, -np.inf))
    return w @ v, w


@wrong("touches the global random generator")
def dropout(q, k, v, mask=None):
    _, w = five_steps(q, k, v, mask)
    keep = np.random.random(w.shape) > 0.1
    return (w * keep / 0.9) @ v, w


@wrong("returns nothing")
def prints(q, k, v, mask=None):
    print(five_steps(q, k, v, mask))


@wrong("returns 3 values instead of 2")
def returns_the_scores_too(q, k, v, mask=None):
    return *five_steps(q, k, v, mask), scores_of(q, k)


@wrong("returns the result of an earlier call")
def caches_by_shape(q, k, v, mask=None, cache={}):  # noqa: B006 - a mutable default is the mistake
    key = q.shape, k.shape, v.shape, q.dtype, mask is None
    if key not in cache:
        cache[key] = five_steps(q, k, v, mask)
    return cache[key]


@wrong("is right except when n = m > 1")
def square_scores_are_causal(q, k, v, mask=None):
    s = scores_of(q, k)
    n, m = s.shape[-2:]
    if n == m:
        s = np.where(np.tri(n, dtype=bool), s, -np.inf)
    w = softmax(s if mask is None else np.where(mask, s, -np.inf))
    return w @ v, w


@wrong("is right except when m > …")
def at_most_eight_keys(q, k, v, mask=None):
    s = scores_of(q, k)
    s[..., 8:] = -np.inf
    w = softmax(s if mask is None else np.where(mask, s, -np.inf))
    return w @ v, w


@wrong("is right on ordinary inputs, but not for: a query that is zero")
def a_score_of_zero_is_taken_for_masked(q, k, v, mask=None):
    s = scores_of(q, k)
    s = np.where(s == 0, -np.inf, s)
    w = softmax(s if mask is None else np.where(mask, s, -np.inf))
    return w @ v, w


@wrong("is right except for non-contiguous inputs")
def reads_the_memory(q, k, v, mask=None):
    q, k, v = (np.frombuffer(x, x.dtype).reshape(x.shape) for x in (q, k, v))
    return five_steps(q, k, v, mask)


@wrong("mixes the keys instead of the values")
def values_from_the_keys(q, k, v, mask=None):
    _, w = five_steps(q, k, v, mask)
    return w @ k, w


@wrong("returns the transpose of output 2")
def weights_transposed(q, k, v, mask=None):
    out, w = five_steps(q, k, v, mask)
    return out, w.swapaxes(-1, -2)


@wrong("applies softmax twice")
def softmax_twice(q, k, v, mask=None):
    _, w = five_steps(q, k, v, mask)
    w = softmax(w)
    return w @ v, w


@wrong("reads the best key only (argmax) instead of mixing all")
def argmax(q, k, v, mask=None):
    s = scores_of(q, k)
    s = s if mask is None else np.where(mask, s, -np.inf)
    w = np.zeros_like(s)
    np.put_along_axis(w, s.argmax(-1, keepdims=True), 1, -1)
    return w @ v, w
