"""Right and wrong answers to scaling.dot_variance."""

import math
import statistics

import numpy as np
import torch
from answers import right, wrong

# --- right, in different styles


@right
def var_of_row_sums(q, k):
    return float((q.astype(np.float64) * k).sum(axis=1).var(ddof=1))


@right
def loops_in_pure_python(q, k):
    dots = [sum(float(a) * float(b) for a, b in zip(x, y, strict=True)) for x, y in zip(q, k, strict=True)]
    mean = sum(dots) / len(dots)
    return sum((d - mean) ** 2 for d in dots) / (len(dots) - 1)


@right
def einsum_and_statistics(q, k):
    return statistics.variance(np.einsum("nd,nd->n", q.astype(float), k.astype(float)).tolist())


@right
def welford(q, k):
    mean = m2 = 0.0
    for count, (x, y) in enumerate(zip(q.astype(float), k.astype(float), strict=True), start=1):
        dot = float(x @ y)
        delta = dot - mean
        mean += delta / count
        m2 += delta * (dot - mean)
    return m2 / (len(q) - 1)


@right
def numpy_float64_is_a_float(q, k):
    dots = np.array([np.dot(a, b) for a, b in zip(q, k, strict=True)], dtype=np.float64)
    return np.var(dots, ddof=1)


@right
def batched_matmul(q, k):
    dots = np.matmul(q[:, None, :], k[:, :, None])[:, 0, 0].astype(np.float64)
    return float(np.sum((dots - dots.mean()) ** 2) / (dots.size - 1))


@right
def cov(q, k):
    return float(np.cov(np.vecdot(q.astype(float), k.astype(float))))


@right
def torch_var(q, k):
    dots = (torch.tensor(q, dtype=torch.float64) * torch.tensor(k, dtype=torch.float64)).sum(-1)
    return torch.var(dots).item()


@right
def computed_in_the_inputs_own_dtype(q, k):
    dots = (q * k).sum(1)
    return float(((dots - dots.mean()) ** 2).sum() / (len(dots) - 1))


@right
def pairwise_differences(q, k):
    dots = (q.astype(float) * k.astype(float)).sum(1)
    n = len(dots)
    return float(((dots[:, None] - dots[None, :]) ** 2).sum() / (2 * n * (n - 1)))


@right
def exactly_summed(q, k):
    dots = [math.fsum(a * b) for a, b in zip(q.astype(float), k.astype(float), strict=True)]
    mean = math.fsum(dots) / len(dots)
    return math.fsum((d - mean) ** 2 for d in dots) / (len(dots) - 1)


@right
def shifted_by_the_first(q, k):
    """Moments around the first dot product cancel nothing."""
    dots = (q.astype(float) * k.astype(float)).sum(1)
    x = dots - dots[0]
    return float(((x**2).sum() - x.sum() ** 2 / len(x)) / (len(x) - 1))


# --- wrong, the way learners write it


@wrong("divides by N instead of N − 1")
def ddof_forgotten(q, k):
    return float(np.var(np.einsum("ij,ij->i", q.astype(float), k.astype(float))))


@wrong("divides by N instead of N − 1")
def loops_over_n(q, k):
    dots = [float(np.dot(a, b)) for a, b in zip(q.astype(float), k.astype(float), strict=True)]
    mean = sum(dots) / len(dots)
    return sum((d - mean) ** 2 for d in dots) / len(dots)


@wrong("returns the standard deviation")
def standard_deviation(q, k):
    return statistics.stdev((q.astype(float) * k).sum(1).tolist())


@wrong("takes the variance of the products before they are summed")
def variance_of_the_products(q, k):
    return float(np.var(np.multiply(q, k, dtype=float).ravel(), ddof=1))


@wrong("takes every query with every key: N² dot products instead of N")
def every_pair(q, k):
    return float(np.var(np.matmul(q.astype(float), k.astype(float).T), ddof=1))


@wrong("sums over the pairs instead of over the components")
def wrong_axis(q, k):
    return float((q.astype(float) * k.astype(float)).sum(axis=0).var(ddof=1))


@wrong("scales the dot products by 1/√d first")
def scaled(q, k):
    d = q.shape[-1]
    dots = np.einsum("nd,nd->n", q.astype(float), k.astype(float)) / math.sqrt(d)
    return float(dots.var(ddof=1))


@wrong("takes the mean square without subtracting the mean")
def assumes_a_mean_of_zero(q, k):
    dots = np.einsum("nd,nd->n", q.astype(float), k.astype(float))
    return float(np.dot(dots, dots) / (len(dots) - 1))


@wrong("averages over the components instead of summing them")
def mean_over_the_components(q, k):
    return float(np.mean(q.astype(float) * k.astype(float), axis=-1).var(ddof=1))


@wrong("returns d, which is what the variance is only for the ideal distribution")
def quotes_the_theorem(q, k):
    return float(q.shape[-1])


@wrong("returns the variance of each component, not one number")
def variance_by_component(q, k):
    return np.var(q * k, 0, ddof=1)


@wrong("subtracts the square of the mean from the mean of the squares, which cancels when the mean is large")
def two_moments(q, k):
    x = np.einsum("nd,nd->n", q.astype(float), k.astype(float))
    n = len(x)
    return float((np.sum(x * x) - n * np.mean(x) ** 2) / (n - 1))


@wrong("subtracts the square of the mean from the mean of the squares, which cancels when the mean is large")
def two_running_sums(q, k):
    s = s2 = 0.0
    for a, b in zip(q.astype(float), k.astype(float), strict=True):
        dot = float((a * b).sum())
        s += dot
        s2 += dot * dot
    n = len(q)
    return (s2 - s * s / n) / (n - 1)


@wrong("loses precision: its float64 results are only as good as float32")
def float32_inside(q, k):
    dots = (q.astype(np.float32) * k.astype(np.float32)).sum(1)
    return float(dots.var(ddof=1, dtype=np.float64))


@wrong("returns nothing")
def prints(q, k):
    print(var_of_row_sums(q, k))


@wrong("returns a list or tuple instead of a float")
def mean_and_variance(q, k):
    dots = (q.astype(float) * k).sum(1)
    return float(dots.mean()), float(dots.var(ddof=1))


@wrong("returns a NumPy float32 number instead of a float")
def numpy_number(q, k):
    return np.float32(var_of_row_sums(q, k))


@wrong("returns a float64 tensor instead of a float")
def tensor_number(q, k):
    return torch.tensor(var_of_row_sums(q, k), dtype=torch.float64)


@wrong("returns a NumPy float64 array instead of a float")
def keeps_an_axis(q, k):
    return np.array([var_of_row_sums(q, k)])


@wrong("changes its input q in place")
def multiplies_in_place(q, k):
    q *= k
    return float(q.sum(1, dtype=float).var(ddof=1))


@wrong("touches the global random generator")
def bootstrap(q, k):
    order = np.random.permutation(len(q))
    return var_of_row_sums(q[order], k[order])


@wrong("returns d, which is what the variance is only for the ideal distribution")
def simulates_instead(q, k):
    """Knows the theorem, ignores the sample."""
    return sum(1.0 for _ in range(q.shape[1]))


@wrong("gives another result the second time it is called")
def accumulates(q, k, seen=[]):  # noqa: B006 - a mutable default is the mistake
    seen.extend((q.astype(float) * k).sum(1).tolist())
    return float(np.var(seen, ddof=1))


@wrong("is right except when N = 2")
def falls_back_to_n_for_small_samples(q, k):
    dots = (q.astype(float) * k).sum(1)
    return float(dots.var(ddof=1 if len(dots) > 2 else 0))


@wrong("multiplies the variances of the entries, as the theorem does, instead of measuring the dot products")
def product_of_the_variances(q, k):
    return float(np.var(q.astype(float), ddof=1) * np.var(k.astype(float), ddof=1) * q.shape[1])


@wrong("adds the variances of the components and leaves out their covariances")
def trace_of_the_covariance(q, k):
    products = q.astype(float) * k
    return float(sum(statistics.variance(column) for column in products.T.tolist()))


@wrong("returns the mean of the dot products")
def returns_the_mean(q, k):
    return float((q.astype(float) * k).sum(1).mean())


@wrong(None, why="the mean absolute deviation is another measure of spread")
def mean_absolute_deviation(q, k):
    dots = (q.astype(float) * k).sum(1)
    return float(np.abs(dots - dots.mean()).sum() / (len(dots) - 1))


@wrong(None, why="the keys are never read")
def query_with_itself(q, k):
    return float((q.astype(float) ** 2).sum(1).var(ddof=1))
