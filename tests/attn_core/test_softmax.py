"""Softmax and its Jacobian, against decimal arithmetic, torch and autograd."""

import math
from decimal import Decimal, localcontext

import numpy as np
import pytest
import torch
from oracle import FULL_KINDS, HALF_KINDS, as_float64, assert_close, decimals, epsilon, exact_softmax, make, message_of

from attn_core.softmax import softmax, softmax_jacobian

INF = math.inf
KINDS = FULL_KINDS + HALF_KINDS


def torch_twin(array):
    """Return the same numbers in the same dtype as a torch tensor."""
    return array if isinstance(array, torch.Tensor) else torch.from_numpy(np.ascontiguousarray(array))


def random_scores(shape, kind, spread=3.0, seed=0):
    """Return scores that leave the softmax unsaturated."""
    return make(spread * np.random.default_rng(seed).standard_normal(shape), kind)


@pytest.mark.parametrize("kind", KINDS)
def test_two_by_two_by_hand(kind):
    """(ln 1, ln 3) gives (1/4, 3/4), equal scores give equal weights."""
    weights = softmax(make([[0.0, math.log(3)], [7.0, 7.0]], kind))
    expected = make([[0.25, 0.75], [0.5, 0.5]], kind)
    assert weights.dtype == expected.dtype
    assert np.abs(as_float64(weights) - as_float64(expected)).max() <= 2 * epsilon(weights)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [0.0, -1e4, 6e4])
def test_one_score_gets_all_the_weight(kind, value):
    """A slice of one entry has weight 1, whatever the score."""
    assert as_float64(softmax(make([[value], [value]], kind))).tolist() == [[1.0], [1.0]]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(5,), (2, 5), (3, 2, 5), (2, 1, 3, 5)])
def test_any_batch_axes(kind, shape):
    """Zero to three batch axes, in every dtype, which is kept."""
    scores = random_scores(shape, kind)
    weights = softmax(scores)
    assert (type(weights), weights.dtype) == (type(scores), scores.dtype)
    assert_close(weights, exact_softmax(scores), torch.softmax(torch_twin(scores), -1))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2, -3])
def test_any_axis(kind, axis):
    """Every axis, counted from either end."""
    scores = random_scores((2, 3, 4), kind)
    assert_close(softmax(scores, axis=axis), exact_softmax(scores, axis), torch.softmax(torch_twin(scores), axis))


@pytest.mark.parametrize("kind", KINDS)
def test_minus_infinity_gets_exactly_zero(kind):
    """Entries of −∞ count for nothing: the others get what they get without them."""
    scores = make([[1.0, -INF, 2.0, -INF], [-INF, -INF, -INF, 0.5]], kind)
    weights = as_float64(softmax(scores))
    assert (weights[np.isneginf(as_float64(scores))] == 0.0).all()
    assert weights[0, [0, 2]].tolist() == as_float64(softmax(make([1.0, 2.0], kind))).tolist()
    assert weights[1].tolist() == [0.0, 0.0, 0.0, 1.0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("axis", [0, 1])
def test_an_empty_slice_gets_zeros(kind, axis):
    """A slice of nothing but −∞ has no weight to give; its neighbours are not touched."""
    scores = np.array([[-INF, -INF, -INF], [1.0, 1.0, -INF]])
    expected = np.array([[0.0, 0.0, 0.0], [0.5, 0.5, 0.0]])
    weights = softmax(make(scores if axis == 1 else scores.T, kind), axis=axis)
    assert as_float64(weights).tolist() == (expected if axis == 1 else expected.T).tolist()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [1e4, 3e4, 1e30, 1e38, 1e300])
def test_huge_scores_do_not_overflow(kind, size):
    """Gaps matter, not magnitudes: the larger one gets everything, equal ones share."""
    size = min(size, {"float16": 3e4, "float64": 1e300}.get(kind.split()[1], 1e38))  # what the dtype can hold
    scores = make([[size, 0.0, -size], [size, size, -INF], [-size, -size, -size / 2]], kind)
    assert as_float64(softmax(scores)).tolist() == [[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]


@pytest.mark.parametrize("kind", FULL_KINDS)
@pytest.mark.parametrize("shift", [1e4, -1e4, 1e6])
def test_large_scores_keep_small_gaps(kind, shift):
    """Scores of magnitude 1e4 and 1e6 with gaps of about 1 are as accurate as torch makes them."""
    scores = make(shift + np.array([0.0, 1.0, 2.5, -0.75]), kind)
    assert_close(softmax(scores), exact_softmax(scores), torch.softmax(torch_twin(scores), -1))


@pytest.mark.parametrize("kind", HALF_KINDS)
def test_half_precision_sums_more_terms_than_it_can_count(kind):
    """70000 equal scores share the weight, although float16 ends at 65504 and bfloat16 stops counting at 256."""
    weights = softmax(make(np.zeros(70000), kind))
    expected = make(1 / 70000, kind)
    assert as_float64(weights).min() == as_float64(weights).max() == float(expected)


def test_a_gap_beyond_the_dtype_is_right_although_numpy_warns():
    """−3e38 − 3e38 overflows float32 to −∞, and exp(−∞) = 0 is the right weight."""
    scores = np.array([3e38, -3e38], dtype=np.float32)
    with pytest.warns(RuntimeWarning, match="overflow encountered in subtract"):
        weights = softmax(scores)
    assert weights.tolist() == softmax(torch.from_numpy(scores)).tolist() == [1.0, 0.0]


@pytest.mark.parametrize("kind", KINDS)
def test_nan_is_not_hidden(kind):
    """A slice with a NaN comes out as NaN, its neighbours do not."""
    weights = as_float64(softmax(make([[math.nan, 1.0, -INF], [1.0, 1.0, -INF]], kind)))
    assert np.isnan(weights[0]).all()
    assert weights[1].tolist() == [0.5, 0.5, 0.0]


def test_plus_infinity_is_not_hidden():
    """No limit exists for a score of +∞, so the slice comes out as NaN."""
    assert torch.isnan(softmax(torch.tensor([INF, 0.0]))).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("shape", "axis"), [((0,), -1), ((3, 0), 1), ((0, 3), 0), ((0, 3), 1), ((2, 0, 3), 2)])
def test_an_axis_of_length_zero_gives_an_empty_result(kind, shape, axis):
    """No entries, no weights, whether the empty axis is the normalised one or another."""
    weights = softmax(make(np.zeros(shape), kind), axis=axis)
    assert tuple(weights.shape) == shape
    assert weights.dtype == make(0, kind).dtype


@pytest.mark.parametrize("kind", FULL_KINDS)
def test_views_work_and_inputs_stay_as_they_are(kind):
    """Transposed, strided and repeated views give what their copies give, and nothing is written into them."""
    base = random_scores((6, 4), kind)
    broadcast = torch.broadcast_to if isinstance(base, torch.Tensor) else np.broadcast_to
    for view in (base.T, base[::2, ::3], broadcast(base[0], (3, 4))):
        before = as_float64(view).copy()
        weights = softmax(view)
        assert_close(
            weights, exact_softmax(before), torch.softmax(torch.tensor(before, dtype=torch_twin(base).dtype), -1)
        )
        assert as_float64(view).tolist() == before.tolist()


def test_backwards_and_read_only_numpy_arrays():
    """Negative strides, which torch does not have, and arrays that cannot be written to."""
    scores = np.random.default_rng(0).standard_normal((2, 4))
    scores.flags.writeable = False
    assert softmax(scores[::-1, ::-1]).tolist() == softmax(scores[::-1, ::-1].copy()).tolist()


def test_gradients_by_finite_differences():
    """Gradcheck in float64, along either axis, with ties for the maximum."""
    scores = random_scores((3, 4), "torch float64")
    scores[0, 1] = scores[0, 2] = 5.0
    for axis in (0, 1):
        assert torch.autograd.gradcheck(lambda x, axis=axis: softmax(x, axis=axis), scores.clone().requires_grad_())


def test_gradients_with_minus_infinity_and_empty_slices():
    """Where there is −∞ the gradient is exactly 0, in an empty slice too; elsewhere that of the remaining entries."""
    scores = torch.tensor([[1.0, -INF, 2.0], [-INF, -INF, -INF]], dtype=torch.float64, requires_grad=True)
    cotangent = torch.tensor([[3.0, 5.0, -2.0], [1.0, 2.0, 3.0]], dtype=torch.float64)
    (gradient,) = torch.autograd.grad(softmax(scores), scores, cotangent)
    rest = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    (expected,) = torch.autograd.grad(torch.softmax(rest, -1), rest, torch.tensor([3.0, -2.0], dtype=torch.float64))
    assert_close(gradient[0, [0, 2]], expected, expected)
    assert gradient[0, 1] == 0.0
    assert gradient[1].tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.startswith("torch")])
@pytest.mark.parametrize("spread", [1.0, 1e4])
def test_gradients_in_every_dtype(kind, spread):
    """Against torch.softmax's in float64, also where huge scores saturate."""
    scores, cotangent = random_scores((4, 6), kind, spread).requires_grad_(), random_scores((4, 6), kind, seed=1)
    (ours,) = torch.autograd.grad(softmax(scores), scores, cotangent)
    (peer,) = torch.autograd.grad(torch.softmax(scores, -1), scores, cotangent)
    wide = scores.detach().double().requires_grad_()
    (exact,) = torch.autograd.grad(torch.softmax(wide, -1), wide, cotangent.double())
    assert ours.dtype == scores.dtype
    assert_close(ours, exact, peer, scale=float(cotangent.abs().max()))


def test_the_axis_must_exist():
    """The sentence names the axis and the shape."""
    tail = "but axis={} must be one of its axes; they count from 0, or from -1."
    for axis in (2, -3):
        assert message_of(ValueError, lambda axis=axis: softmax(np.zeros((2, 3)), axis=axis)) == (
            "softmax: scores has shape (2, 3), " + tail.format(axis)
        )
    assert message_of(ValueError, lambda: softmax(np.zeros(()))) == "softmax: scores has shape (), " + tail.format(-1)


def test_scores_must_be_a_floating_array():
    """Lists and whole numbers are refused by name."""
    assert message_of(TypeError, lambda: softmax([1.0, 2.0])) == (
        "softmax: scores is of type list, but it must be an array; "
        "numpy.asarray(...) or torch.as_tensor(...) makes one."
    )
    assert message_of(TypeError, lambda: softmax(torch.tensor([1, 2]))) == (
        "softmax: scores has dtype torch.int64, but it must be floating point (booleans belong in a mask)."
    )


@pytest.mark.parametrize("kind", KINDS)
def test_jacobian_by_hand(kind):
    """For weights (1/4, 3/4): a(1 − a) = 3/16 on the diagonal, −3/16 beside it, exactly."""
    jacobian = softmax_jacobian(make([0.25, 0.75], kind))
    assert jacobian.dtype == make(0, kind).dtype
    assert as_float64(jacobian).tolist() == [[0.1875, -0.1875], [-0.1875, 0.1875]]


@pytest.mark.parametrize("kind", FULL_KINDS)
def test_jacobian_of_one_hot_and_empty_rows_is_zero(kind):
    """A saturated or empty row passes no gradient; no entry is −0, which would print as such."""
    jacobian = as_float64(softmax_jacobian(make([[0.0, 1.0, 0.0], [0.0, 0.0, 0.0], [1.0, 0.0, 0.0]], kind)))
    assert (jacobian == 0.0).all()
    assert not np.signbit(jacobian).any()


@pytest.mark.parametrize("kind", FULL_KINDS)
@pytest.mark.parametrize("shape", [(4,), (2, 4), (3, 2, 4), (1, 2, 3, 4), (0, 4), (1,)])
def test_jacobian_against_autograd(kind, shape):
    """The derivative that torch finds for its own softmax, for zero to three batch axes."""
    scores = random_scores(shape, kind)
    jacobian = softmax_jacobian(softmax(scores))
    assert tuple(jacobian.shape) == (*shape, shape[-1])

    def autograd_jacobian(rows):
        each = [torch.autograd.functional.jacobian(lambda row: torch.softmax(row, -1), row) for row in rows]
        return torch.stack(each) if each else rows.new_zeros((0, shape[-1], shape[-1]))

    twin = torch_twin(scores).reshape(-1, shape[-1])
    peer, exact = autograd_jacobian(twin), autograd_jacobian(twin.double())
    assert_close(jacobian.reshape((-1, shape[-1], shape[-1])), exact, peer, scale=1.0)


@pytest.mark.parametrize("kind", FULL_KINDS)
def test_jacobian_does_not_cancel_near_saturation(kind):
    """Each entry is right to a few epsilons of itself, also a(1 − a) for a near 1, where a − a² has lost its digits."""
    gap = 2.0**-20
    weights = make([1.0 - gap, gap], kind)
    with localcontext(prec=80):
        first, second = decimals(weights)
        exact = np.array([[first * (1 - first), -first * second], [-first * second, second * (1 - second)]])
        error = max(abs(decimals(softmax_jacobian(weights)) / exact - Decimal(1)).ravel())
    assert error <= 2 * epsilon(weights)


def test_jacobian_has_gradients():
    """The Jacobian is differentiable in the weights."""
    weights = softmax(random_scores((2, 3), "torch float64")).requires_grad_()
    assert torch.autograd.gradcheck(softmax_jacobian, weights)


def test_jacobian_needs_an_axis():
    """A single number is no row of weights."""
    assert message_of(ValueError, lambda: softmax_jacobian(np.zeros(()))) == (
        "softmax_jacobian: weights has shape (), but it must be (..., m); m is the number of keys, and of values."
    )


def test_other_devices_are_kept():
    """Nothing is made on the CPU on the way: the meta device, which holds no data, works."""
    scores = torch.zeros(2, 3, device="meta", dtype=torch.bfloat16)
    assert softmax(scores).device.type == softmax_jacobian(scores).device.type == "meta"
