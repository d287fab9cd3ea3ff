"""Wrong answers to scaling.softmax whose formula is right: bad manners, and inputs that one does not think of."""

import numpy as np
from answers import wrong

from attn_core.softmax import softmax


@wrong("does not keep the dtype of its inputs")
def always_returns_float64(scores, axis=-1):
    return softmax(scores.astype(np.float64), axis)


@wrong("does not keep the dtype of its inputs")
def always_returns_float32(scores, axis=-1):
    out = np.empty(scores.shape, np.float32)
    out[...] = softmax(scores, axis)
    return out


@wrong("changes its input scores in place")
def writes_into_its_input(scores, axis=-1):
    top = scores.max(axis, keepdims=True)
    scores -= np.where(top == -np.inf, 0, top)
    e = np.exp(scores)
    return e / np.maximum(e.sum(axis, keepdims=True), 1e-30).astype(e.dtype)


@wrong("changes its input scores in place")
def replaces_minus_infinity_in_its_input(scores, axis=-1):
    weights = softmax(scores, axis)
    scores[np.isneginf(scores)] = -1e9
    scores[0] += 0.5
    return weights


@wrong("returns a list or tuple instead of a NumPy float64 array")
def returns_a_list(scores, axis=-1):
    return softmax(scores, axis).tolist()


@wrong("returns nothing")
def prints_instead_of_returning(scores, axis=-1):
    print(softmax(scores, axis))


@wrong("touches the global random generator")
def adds_jitter_against_ties(scores, axis=-1):
    return softmax(scores + np.random.uniform(0, 1e-12, scores.shape).astype(scores.dtype), axis)


@wrong("touches the global random generator")
def seeds_the_generator(scores, axis=-1):
    np.random.seed(0)
    return softmax(scores, axis)


@wrong("is right except when axis is 0 or more")
def only_negative_axes(scores, axis=-1):
    order = [axis] + [i for i in range(-scores.ndim, 0) if i != axis]  # for axis 0 an axis comes twice
    weights = softmax(scores.transpose(order), 0)
    return weights.transpose(np.argsort([i % scores.ndim for i in order]))


@wrong("is right except when m > 6")
def a_buffer_of_eight(scores, axis=-1):
    rows = np.moveaxis(scores, axis, -1)
    out = np.zeros(rows.shape, rows.dtype)
    out[..., :8] = softmax(rows[..., :8])
    return np.moveaxis(out, -1, axis)


@wrong("is right except for non-contiguous inputs")
def reads_the_memory_in_order(scores, axis=-1):
    values = np.frombuffer(scores, scores.dtype)
    return softmax(values.reshape(scores.shape), axis)


@wrong("returns the result of an earlier call")
def caches_by_shape(scores, axis=-1, seen={}):  # noqa: B006 - a mutable default is the mistake
    key = (scores.shape, scores.dtype, axis)
    if key not in seen:
        seen[key] = softmax(scores, axis)
    return seen[key]


@wrong("gives another result the second time it is called")
def running_maximum(scores, axis=-1, seen=[]):  # noqa: B006 - a mutable default is the mistake
    top = scores.max()
    seen.append(float(top) if np.isfinite(top) else 0.0)
    e = np.exp(scores - np.asarray(max(seen), scores.dtype))
    total = e.sum(axis, keepdims=True)
    return e / np.where(total == 0, 1, total)


@wrong("is right on ordinary inputs, but not for: whole numbers, with ties and zeros")
def a_score_of_zero_is_taken_for_masked(scores, axis=-1):
    return softmax(np.where(scores == 0, -np.inf, scores).astype(scores.dtype), axis)


@wrong("is right on ordinary inputs, but not for: whole numbers, with ties and zeros")
def the_first_of_equals_wins(scores, axis=-1):
    rows = np.moveaxis(scores, axis, -1)
    weights = softmax(rows).reshape(-1, rows.shape[-1])
    for row in weights:
        ties = np.flatnonzero(row == row.max())
        if row.any():
            row[ties[0]] += row[ties[1:]].sum()
            row[ties[1:]] = 0
    return np.moveaxis(weights.reshape(rows.shape), -1, axis)


@wrong("is right except when axis = -1")
def slices_the_shape_behind_the_axis(scores, axis=-1):
    shape = (*scores.shape[:axis], 1, *scores.shape[axis + 1 :])  # the whole shape again for axis = -1
    top = scores.max(axis).reshape(shape)
    e = np.exp(scores - np.where(top == -np.inf, 0, top))
    total = e.sum(axis).reshape(shape)
    return e / np.where(total == 0, 1, total)


@wrong("returns the same result whatever its input is")
def hard_coded_for_the_example(scores, axis=-1):
    return np.array([[0.25, 0.75], [0.5, 0.5]])


@wrong("returns a NumPy matrix instead of a NumPy float64 array")
def matrix(scores, axis=-1):
    return np.matrix(softmax(scores, axis)) if scores.ndim == 2 else softmax(scores, axis)
