"""Right and wrong answers to scaling.softmax."""

import math

import numpy as np
import torch
from answers import right, wrong

# --- right, in different styles


@right
def textbook(scores, axis=-1):
    top = np.max(scores, axis=axis, keepdims=True)
    top = np.where(np.isneginf(top), 0, top)
    e = np.exp(scores - top)
    total = e.sum(axis=axis, keepdims=True)
    return e / np.where(total > 0, total, 1)


@right
def loops_in_pure_python(scores, axis=-1):
    result = np.zeros_like(scores)
    rows, weights = np.moveaxis(scores, axis, -1), np.moveaxis(result, axis, -1)
    for place in np.ndindex(*rows.shape[:-1]):
        row = [float(s) for s in rows[place]]
        top = max(row)
        if top == -math.inf:
            continue
        exponentials = [math.exp(s - top) for s in row]
        total = sum(exponentials)
        for j, e in enumerate(exponentials):
            weights[(*place, j)] = e / total
    return result


@right
def through_the_log_sum_exp(scores, axis=-1):
    lse = np.logaddexp.reduce(scores, axis=axis, keepdims=True)
    return np.exp(scores - np.where(lse == -np.inf, 0, lse))


@right
def in_place_on_a_private_copy(scores, axis=-1):
    out = np.array(scores)
    top = out.max(axis=axis, keepdims=True)
    top[top == -np.inf] = 0.0
    out -= top
    np.exp(out, out=out)
    total = out.sum(axis=axis, keepdims=True)
    total[total == 0] = 1.0
    out /= total
    return out


@right
def rows_one_by_one(scores, axis=-1):
    def one(row):
        if np.all(row == -np.inf):
            return np.zeros_like(row)
        e = np.exp(row - row.max())
        return e / e.sum()

    return np.apply_along_axis(one, axis, scores)


@right
def list_comprehension_over_a_flat_batch(scores, axis=-1):
    moved = np.swapaxes(scores, axis, -1)
    flat = moved.reshape(-1, moved.shape[-1])
    rows = [np.exp(r - r.max()) if np.isfinite(r).any() else np.zeros_like(r) for r in flat]
    rows = [r / (r.sum() or 1.0) for r in rows]
    return np.stack(rows).astype(scores.dtype).reshape(moved.shape).swapaxes(axis, -1)  # a view


@right
def upcast_and_cast_back(scores, axis=-1):
    wide = scores.astype(np.float64)
    e = np.exp(wide - wide.max(axis, keepdims=True, initial=np.finfo(np.float64).min))
    total = e.sum(axis, keepdims=True)
    return np.divide(e, total, out=np.zeros_like(e), where=total > 0).astype(scores.dtype)


@right
def borrowed_from_torch(scores, axis=-1):
    weights = torch.softmax(torch.from_numpy(np.ascontiguousarray(scores)), dim=axis)
    return torch.nan_to_num(weights).numpy()


@right
def shift_then_nan_to_num(scores, axis=-1):
    e = np.exp(scores - scores.max(axis=axis, keepdims=True))
    return np.nan_to_num(e / e.sum(axis=axis, keepdims=True), nan=0.0)


@right
def tiny_floor_under_the_sum(scores, axis=-1):
    top = scores.max(axis=axis, keepdims=True)
    e = np.exp(scores - np.maximum(top, np.finfo(scores.dtype).min))
    return e / np.maximum(e.sum(axis=axis, keepdims=True), np.finfo(scores.dtype).tiny)


@right
def matmul_with_ones(scores, axis=-1):
    last = np.moveaxis(scores, axis, -1)
    top = np.nan_to_num(last.max(-1), neginf=0.0)[..., None]
    e = np.exp(last - top)
    total = e @ np.ones((e.shape[-1], 1), e.dtype)
    return np.moveaxis(e / (total + (total == 0)), -1, axis)


@right
def recursion_over_the_batch(scores, axis=-1):
    axis = axis % scores.ndim
    if axis > 0:
        return np.array([recursion_over_the_batch(s, axis - 1) for s in scores])
    top = scores.max(0)
    e = np.exp(scores - np.where(top == -np.inf, 0, top))
    total = e.sum(0)
    return e / np.where(total == 0, 1, total)


# --- wrong, the way learners write it


@wrong("exponentiates without subtracting the maximum")
def naive(scores, axis=-1):
    numerator = np.exp(scores)
    denominator = np.sum(numerator, axis=axis, keepdims=True)
    return numerator / denominator


@wrong("exponentiates without subtracting the maximum")
def naive_by_rows(scores, axis=-1):
    return np.apply_along_axis(lambda row: np.exp(row) / np.exp(row).sum(), axis, scores)


@wrong("overflows for large inputs")
def naive_with_math_exp(scores, axis=-1):
    moved = np.moveaxis(scores, axis, -1)
    out = np.zeros_like(moved)
    for place in np.ndindex(*moved.shape[:-1]):
        e = [math.exp(s) for s in moved[place]]
        out[place] = np.array(e) / (sum(e) or 1.0)
    return np.moveaxis(out, -1, axis)


@wrong("exponentiates without subtracting the maximum, and hides the NaN that follows")
def naive_and_swept_under_the_rug(scores, axis=-1):
    e = np.exp(scores)
    weights = e / e.sum(axis, keepdims=True)
    weights[np.isnan(weights)] = 0
    return weights


@wrong("gives NaN for a slice that is all −inf")
def stable_but_no_empty_slices(scores, axis=-1):
    z = scores - np.max(scores, axis, keepdims=True)
    return np.exp(z) / np.sum(np.exp(z), axis, keepdims=True)


@wrong("gives a slice that is all −inf the uniform weights")
def clips_minus_infinity(scores, axis=-1):
    s = np.clip(scores, -1e30, None)
    s = s - s.max(axis, keepdims=True)
    e = np.exp(s)
    return e / e.sum(axis, keepdims=True)


@wrong("gives a slice that is all −inf the uniform weights")
def uniform_where_nothing_is_left(scores, axis=-1):
    e = np.exp(scores - scores.max(axis, keepdims=True))
    weights = e / e.sum(axis, keepdims=True)
    return np.where(np.isnan(weights), np.asarray(1 / scores.shape[axis], scores.dtype), weights)


@wrong("subtracts the maximum of the whole array instead of each slice's own")
def global_maximum(scores, axis=-1):
    finite = scores[np.isfinite(scores)]
    e = np.exp(scores - (finite.max() if finite.size else 0))
    s = e.sum(axis, keepdims=True)
    s[s == 0] = 1
    return e / s


@wrong("ignores `axis` and always normalises along the last one")
def axis_hard_coded(scores, axis=-1):
    top = scores.max(-1)[..., None]
    e = np.exp(scores - np.where(top == -np.inf, 0, top))
    total = e.sum(-1)[..., None]
    return e / np.where(total, total, 1)


@wrong("normalises along the first axis")
def axis_zero_hard_coded(scores, axis=-1):
    return textbook(scores, 0)


@wrong("normalises over all entries of the array at once")
def no_axis_at_all(scores, axis=-1):
    top = scores.max()
    e = np.exp(scores - (top if top > -np.inf else 0))
    return e / (e.sum() or 1)


@wrong("adds a small constant to the denominator")
def epsilon_in_the_denominator(scores, axis=-1):
    top = scores.max(axis, keepdims=True)
    e = np.exp(scores - np.where(top == -np.inf, 0, top))
    return e / (e.sum(axis, keepdims=True) + 1e-6)


@wrong("loses precision: its float64 results are only as good as float32")
def smaller_epsilon(scores, axis=-1):
    top = scores.max(axis, keepdims=True)
    e = np.exp(scores - np.where(top == -np.inf, 0, top))
    return e / (e.sum(axis, keepdims=True) + 1e-8)


@wrong("divides by the maximum instead of subtracting it")
def divides_by_the_maximum(scores, axis=-1):
    e = np.exp(scores / scores.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


@wrong("returns the exponentials without dividing by their sum")
def forgets_to_divide(scores, axis=-1):
    top = scores.max(axis, keepdims=True)
    top[top == -np.inf] = 0
    return np.exp(scores - top)


@wrong("returns the logarithm of the weights")
def log_softmax(scores, axis=-1):
    return torch.log_softmax(torch.from_numpy(scores.copy()), axis).numpy()


@wrong("drops the axis it sums over, so that slices and sums no longer line up")
def no_keepdims(scores, axis=-1):
    top = scores.max(axis, keepdims=True)
    top = np.where(np.isneginf(top), 0, top)
    e = np.exp(scores - top)
    s = np.sum(e, axis=axis)
    return e / s


@wrong("loses precision: its float64 results are only as good as float32")
def computes_in_float32(scores, axis=-1):
    return textbook(scores.astype(np.float32), axis).astype(scores.dtype)


@wrong("applies a sigmoid to each score on its own")
def sigmoid(scores, axis=-1):
    return 1 / (1 + np.exp(-scores))


@wrong("takes powers of 2 instead of e")
def base_two(scores, axis=-1):
    top = scores.max(axis, keepdims=True)
    e = np.exp2(scores - np.where(top == -np.inf, 0, top))
    total = e.sum(axis, keepdims=True)
    return e / np.where(total == 0, 1, total)


@wrong("adds the maximum instead of subtracting it")
def shift_has_the_wrong_sign(scores, axis=-1):
    top = scores.max(axis, keepdims=True)
    e = np.exp(scores + np.where(top == -np.inf, 0, top))
    return e / e.sum(axis, keepdims=True)


@wrong("gives all the weight to the largest score (argmax)")
def hard_maximum(scores, axis=-1):
    weights = np.zeros_like(scores)
    np.put_along_axis(weights, scores.argmax(axis, keepdims=True), 1, axis)
    return weights


@wrong("gives the largest weight to the smallest score")
def softmin(scores, axis=-1):
    e = np.exp(scores.min(axis, keepdims=True) - scores)
    return e / e.sum(axis, keepdims=True)


@wrong("divides the scores by their sum without exponentiating")
def plain_normalisation(scores, axis=-1):
    return scores / np.add.reduce(scores, axis, keepdims=True)


@wrong("gives a slice that is all −inf the uniform weights")
def minus_infinity_gets_a_tiny_weight(scores, axis=-1):
    return textbook(np.where(np.isneginf(scores), np.asarray(-60.0, scores.dtype), scores), axis)


@wrong(None, why="two mistakes at once, both on ordinary inputs: no shift, and always the last axis")
def ignores_axis_and_naive(scores, axis=-1):
    e = np.exp(scores)
    return e / e.sum(-1, keepdims=True)


@wrong(None, why="divides by the root of the sum of squares, as one normalises a vector")
def divides_by_the_euclidean_norm(scores, axis=-1):
    e = np.exp(scores - np.where(np.isneginf(scores), 0, scores).max(axis, keepdims=True))
    return e / np.sqrt((e**2).sum(axis, keepdims=True))
