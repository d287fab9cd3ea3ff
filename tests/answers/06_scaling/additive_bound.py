"""Right and wrong answers to scaling.additive_bound."""

import math

import numpy as np
import torch
from answers import right, wrong

# --- right, in different styles


@right
def sum_of_absolute_values(v):
    return float(np.abs(v).sum())


@right
def pure_python(v):
    return sum(abs(float(x)) for x in v)


@right
def one_norm(v):
    return float(np.linalg.norm(v, ord=1))


@right
def dot_with_the_signs(v):
    return float(v @ np.sign(v))


@right
def saturated_tanh(v):
    return float(v.astype(float) @ np.tanh(np.sign(v) * 1e3))


@right
def exactly_summed(v):
    return math.fsum(map(abs, v.tolist()))


@right
def positive_and_negative_parts(v):
    return float(v[v > 0].sum(dtype=np.float64) - v[v < 0].sum(dtype=np.float64))


@right
def numpy_float64_is_a_float(v):
    return np.sum(np.abs(v), dtype=np.float64)


@right
def borrowed_from_torch(v):
    return torch.tensor(v).abs().sum().item()


@right
def roots_of_squares(v):
    return float(np.sqrt(v.astype(float) ** 2).sum())


# --- wrong, the way learners write it


@wrong("returns 1: tanh bounds the hidden units, not the score")
def tanh_is_at_most_one(v):
    return math.tanh(math.inf)


@wrong("returns d_a, which is the bound only if every |v_i| is 1")
def number_of_units(v):
    return float(len(v))


@wrong("returns the Euclidean norm")
def two_norm(v):
    return float(np.linalg.norm(v))


@wrong("returns the Euclidean norm")
def cauchy_schwarz(v):
    return math.sqrt(sum(float(x) ** 2 for x in v))


@wrong("sums v with its signs")
def all_units_saturate_upwards(v):
    return float(v @ np.ones_like(v))


@wrong("takes the absolute value of the sum instead of the sum of absolute values")
def absolute_value_outside(v):
    return abs(float(np.sum(v)))


@wrong("returns the largest entry only")
def maximum_norm(v):
    return float(np.linalg.norm(v, np.inf))


@wrong("averages the absolute values instead of summing them")
def mean_absolute_value(v):
    return float(np.mean(np.abs(v)))


@wrong("counts positive entries only")
def positive_entries(v):
    return float(v.clip(min=0).sum())


@wrong("bounds tanh by tanh(1)")
def tanh_of_one(v):
    return float(np.tanh(1) * np.abs(v.astype(float)).sum())


@wrong("squares the entries")
def squared_norm(v):
    return float(v @ v)


@wrong("returns a NumPy float32 number instead of a float")
def keeps_float32(v):
    return np.float32(np.abs(v).sum())


@wrong("returns a NumPy float32 number instead of a float")
def forgets_to_convert(v):
    return np.abs(v).sum()


@wrong("loses precision: its float64 results are only as good as float32")
def float32_inside(v):
    return float(np.abs(v.astype(np.float32)).sum())


@wrong("returns nothing")
def prints(v):
    print(np.abs(v).sum())


@wrong("changes its input v in place")
def absolute_values_in_place(v):
    np.abs(v, out=v)
    return float(v.sum())


@wrong("changes its input v in place")
def sorts_in_place(v):
    v.sort()
    return float(np.abs(v).sum())


@wrong("touches the global random generator")
def tries_at_random(v):
    best = max(float(v @ np.tanh(np.random.normal(0, 100, v.shape))) for _ in range(20))
    return max(best, float(np.abs(v).sum()))


@wrong("returns a list or tuple instead of a float")
def both_bounds(v):
    bound = float(np.abs(v).sum())
    return -bound, bound


@wrong("returns a NumPy float64 array instead of a float")
def keeps_the_axis(v):
    return np.abs(v).sum(keepdims=True)


@wrong("is -1 times the right result")
def lower_bound(v):
    return -float(np.abs(v).sum())


@wrong("is 2 times the right result")
def the_whole_range(v):
    return 2 * float(np.abs(v).sum())


@wrong("returns the result of an earlier call")
def caches_by_size(v, cache={}):  # noqa: B006 - a mutable default is the mistake
    return cache.setdefault((len(v), v.dtype), float(np.abs(v).sum()))


@wrong("gives another result the second time it is called")
def keeps_the_largest(v, best=[0.0]):  # noqa: B006 - a mutable default is the mistake
    best.append(max(best[-1], float(np.abs(v).sum())))
    return best[-1]


@wrong("is right except when v is all zero")
def divides_by_the_length(v):
    norm = np.linalg.norm(v.astype(float))
    return float(np.abs(v / norm).sum() * norm)


@wrong("is right except when d_a > …")
def the_first_thirty_two(v):
    return float(np.abs(v[:32]).sum())


@wrong("is 0.9951 times the right result")
def searches_a_grid(v):
    grid = np.linspace(-3, 3, 61)
    return float(sum(max(float(x) * math.tanh(z) for z in grid) for x in v))


@wrong("returns √d_a times the Euclidean norm, which is a bound but not the least one")
def root_of_the_size_times_the_norm(v):
    return float(np.sqrt(len(v)) * np.linalg.norm(v))


@wrong("returns d_a times the largest |v_i|, which is a bound but not the least one")
def every_unit_like_the_largest(v):
    return len(v) * max(abs(float(x)) for x in v)


@wrong("applies tanh to the weights")
def tanh_of_v(v):
    return float(np.abs(np.tanh(v)).sum())


@wrong("is right except for non-contiguous inputs")
def reads_the_memory(v):
    return float(np.abs(np.frombuffer(v, v.dtype)).sum())
