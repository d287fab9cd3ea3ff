"""Scores, against decimal arithmetic, torch and the standard library's exact statistics."""

import math
import statistics
from fractions import Fraction

import numpy as np
import pytest
import torch
from oracle import FULL_KINDS, as_float64, assert_close, exact_scores, make, message_of

from attn_core.scores import additive_score_bound, dot, dot_variance, scaled_dot


def random_pair(batch, n, m, d_k, kind, seed=0):
    """Return queries and keys with a mean other than 0."""
    generator = np.random.default_rng(seed)
    q, k = generator.standard_normal((*batch, n, d_k)) + 0.5, generator.standard_normal((*batch, m, d_k)) - 0.3
    return make(q, kind), make(k, kind)


def torch_product(q, k, root=1.0):
    """Return the same scores as torch's einsum makes them, in the same dtype."""
    q, k = (torch.tensor(as_float64(x), dtype=getattr(torch, str(q.dtype).removeprefix("torch."))) for x in (q, k))
    return torch.einsum("...nd,...md->...nm", q, k) / root


def exact_variance(q, k):
    """Return the sample variance of the row-wise dot products, in fractions."""
    rows = zip(as_float64(q).tolist(), as_float64(k).tolist(), strict=True)
    dots = [sum(Fraction(a) * Fraction(b) for a, b in zip(row_q, row_k, strict=True)) for row_q, row_k in rows]
    return float(statistics.variance(dots))


@pytest.mark.parametrize("kind", FULL_KINDS)
def test_two_by_two_by_hand(kind):
    """Whole numbers come out exactly; with d_k = 4 the scale is one half."""
    q, k = make([[1, 2], [3, 4]], kind), make([[5, 6], [7, 8]], kind)
    assert dot(q, k).tolist() == [[17.0, 23.0], [39.0, 53.0]]
    q, k = make([[1, 2, 0, 0], [3, 4, 0, 0]], kind), make([[5, 6, 9, 9], [7, 8, 9, 9]], kind)
    assert scaled_dot(q, k).tolist() == [[8.5, 11.5], [19.5, 26.5]]
    assert dot(q, k).dtype == scaled_dot(q, k).dtype == q.dtype


@pytest.mark.parametrize("kind", FULL_KINDS)
def test_one_feature_needs_no_scale(kind):
    """With d_k = 1 the scaled score is the dot product."""
    q, k = random_pair((2,), 3, 4, 1, kind)
    assert scaled_dot(q, k).tolist() == dot(q, k).tolist()


@pytest.mark.parametrize("kind", FULL_KINDS)
@pytest.mark.parametrize("batch", [(), (2,), (3, 2), (2, 1, 3), (0,)])
@pytest.mark.parametrize(("n", "m", "d_k"), [(1, 1, 1), (2, 3, 5), (4, 2, 3), (3, 3, 16)])
def test_any_shape(kind, batch, n, m, d_k):
    """Zero to three batch axes, n other than m, several d_k."""
    q, k = random_pair(batch, n, m, d_k, kind)
    size = float(np.abs(as_float64(q)).max(initial=0) * np.abs(as_float64(k)).max(initial=0)) * d_k
    root = math.sqrt(d_k)
    assert_close(dot(q, k), exact_scores(q, k, scaled=False), torch_product(q, k), scale=size)
    assert_close(scaled_dot(q, k), exact_scores(q, k, scaled=True), torch_product(q, k, root), scale=size / root)


@pytest.mark.parametrize("function", [dot, scaled_dot])
@pytest.mark.parametrize("kind", FULL_KINDS)
def test_views_work_and_inputs_stay_as_they_are(function, kind):
    """Transposed and strided views give what their copies give, and nothing is written into them."""
    q, k = random_pair((), 6, 6, 6, kind)
    q, k = q.T[:, ::2], k[::2, ::2]
    before = as_float64(q).copy(), as_float64(k).copy()
    copies = make(before[0], kind), make(before[1], kind)
    peer = torch_product(q, k, 1.0 if function is dot else math.sqrt(3))
    assert_close(function(q, k), exact_scores(*copies, scaled=function is scaled_dot), peer, scale=10.0)
    assert (as_float64(q).tolist(), as_float64(k).tolist()) == (before[0].tolist(), before[1].tolist())


@pytest.mark.parametrize("function", [dot, scaled_dot])
def test_gradients_by_finite_differences(function):
    """Gradcheck in float64, with a batch axis and n other than m."""
    q, k = random_pair((2,), 2, 3, 4, "torch float64")
    assert torch.autograd.gradcheck(function, (q.requires_grad_(), k.requires_grad_()))


def test_scaling_first_keeps_half_precision_in_range():
    """64 · 32² = 65536 is too large for float16, its eighth is not."""
    q = torch.full((1, 64), 32.0, dtype=torch.float16)
    assert dot(q, q).isinf().all()
    assert scaled_dot(q, q).tolist() == [[8192.0]]


@pytest.mark.parametrize("kind", FULL_KINDS)
def test_variance_by_hand(kind):
    """The dots 1, 2 and 6 have mean 3 and sample variance (4 + 1 + 9)/2 = 7."""
    q, k = make([[1, 0], [1, 1], [2, 2]], kind), make([[1, 5], [1, 1], [1, 2]], kind)
    variance = dot_variance(q, k)
    assert type(variance) is float
    assert variance == pytest.approx(7.0, rel=1e-15)


@pytest.mark.parametrize("kind", FULL_KINDS)
@pytest.mark.parametrize("mean", [0.0, 1e2, 1e5])
def test_variance_is_accurate_far_from_zero(kind, mean):
    """A mean 1e5 standard deviations away costs only the digits that the dots themselves lose."""
    q, k = random_pair((), 50, 50, 8, kind)
    k[:, 0], q[:, 0] = 1.0, q[:, 0] + mean
    exact = exact_variance(q, k)
    assert exact > 1.0
    assert abs(dot_variance(q, k) - exact) <= 1e-9 * exact


def test_variance_of_equal_products_is_zero():
    """No spread, no variance, however large the products are."""
    assert dot_variance(np.full((5, 2), 1e8), np.full((5, 2), 3e7)) == 0.0


@pytest.mark.parametrize("d_k", [1, 16, 64])
def test_variance_grows_as_d_k_and_the_scale_undoes_it(d_k):
    """Var(q · k) = d_k for standard normal features, within five standard errors of the estimate."""
    samples = 4000
    generator = torch.Generator().manual_seed(0)
    q, k = torch.randn((2, samples, d_k), generator=generator, dtype=torch.float64)
    # a sample variance s² of kurtosis κ has the standard error s² √((κ − 1)/N); a sum of d products has κ = 3 + 6/d
    allowed = 5 * math.sqrt((2 + 6 / d_k) / samples)
    assert abs(dot_variance(q, k) / d_k - 1) <= allowed
    scaled = torch.stack([scaled_dot(q[i : i + 1], k[i : i + 1]).squeeze() for i in range(samples)])
    assert abs(scaled.var().item() - 1) <= allowed


def test_variance_and_bound_of_tensors_with_gradients():
    """They return Python numbers of detached values, without a warning."""
    q = torch.tensor([[1.0, 2.0], [3.0, 5.0]], requires_grad=True)
    assert dot_variance(q, torch.ones(2, 2)) == 12.5
    assert additive_score_bound(q[1]) == 8.0


def test_variance_needs_two_samples():
    """One sample has no sample variance."""
    assert message_of(ValueError, lambda: dot_variance(np.ones((1, 3)), np.ones((1, 3)))) == (
        "dot_variance: q has N=1 in shape (1, 3), but N must be at least 2; the sample variance divides by N - 1."
    )


@pytest.mark.parametrize("kind", FULL_KINDS)
def test_additive_bound_is_the_l1_norm(kind):
    """By hand, and against exact summation; a Python float."""
    assert additive_score_bound(make([3.0, -4.0, 0.5], kind)) == 7.5
    assert additive_score_bound(make([0.0], kind)) == 0.0
    v = make(np.random.default_rng(0).standard_normal(1000), kind)
    bound = additive_score_bound(v)
    assert type(bound) is float
    assert bound == pytest.approx(math.fsum(np.abs(as_float64(v))), rel=1e-14)


def test_additive_bound_is_the_least_upper_bound():
    """No z exceeds it, and z in the direction of the signs of v comes as near as one likes."""
    generator = np.random.default_rng(0)
    v, z = generator.standard_normal(6), 3 * generator.standard_normal((1000, 6))
    bound = additive_score_bound(v)
    assert (np.abs(np.tanh(z) @ v) < bound).all()
    for reach, gap in ((1, 0.3), (5, 1e-3), (15, 1e-12)):
        score = abs(v @ np.tanh(reach * np.sign(v)))
        assert bound * (1 - gap) <= score < bound


@pytest.mark.parametrize(("function", "name"), [(dot, "dot"), (scaled_dot, "scaled_dot")])
def test_scores_name_the_argument_at_fault(function, name):
    """Under the name of the function that was called."""
    assert message_of(ValueError, lambda: function(np.zeros((2, 4)), np.zeros((3, 5)))) == (
        f"{name}: k has d_k=5 in shape (3, 5), but q has d_k=4 in shape (2, 4); "
        "d_k is the number of features of a query and of a key."
    )
    assert message_of(ValueError, lambda: function(np.zeros(4), np.zeros((3, 4)))) == (
        f"{name}: q has shape (4,), but it must be (..., n, d_k); "
        "n is the number of queries, or of source positions in a recurrent model, d_k is the number of features of a query and of a key."
    )


def test_variance_and_bound_name_the_argument_at_fault():
    """Neither takes batch axes; the samples come in pairs."""
    assert message_of(ValueError, lambda: dot_variance(np.zeros((2, 4)), np.zeros((3, 4)))) == (
        "dot_variance: k has N=3 in shape (3, 4), but q has N=2 in shape (2, 4); N is the number of sampled pairs."
    )
    assert message_of(ValueError, lambda: dot_variance(np.zeros((1, 2, 4)), np.zeros((1, 2, 4)))) == (
        "dot_variance: q has shape (1, 2, 4), but it must be (N, d_k); N is the number of sampled pairs, "
        "d_k is the number of features of a query and of a key."
    )
    assert message_of(ValueError, lambda: additive_score_bound(np.zeros((1, 2)))) == (
        "additive_score_bound: v has shape (1, 2), but it must be (d_a,); "
        "d_a is the number of hidden units of an additive score."
    )
