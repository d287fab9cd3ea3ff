"""The oracle itself: wrong results must fail, above all those that are not numbers."""

import math

import numpy as np
import pytest
import torch
from oracle import assert_close, epsilon, exact_attention, exact_scores, exact_softmax, make, message_of

EXACT = np.array([1.0, 2.0])


@pytest.mark.parametrize("position", [0, 1, 2])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_fails_wherever_it_stands(position, bad):
    """NaN and ±∞ fail in the result, in the exact value and in the peer, although no comparison with NaN is true."""
    arrays = [EXACT.copy(), EXACT.copy(), EXACT.copy()]
    arrays[position][1] = bad
    with pytest.raises(AssertionError, match="is not finite"):
        assert_close(*arrays)


def test_an_error_of_twice_the_peers_passes_and_more_fails():
    """The budget is 2 × (the peer's error + one epsilon of the largest value)."""
    unit = 2.0**-40
    peer, epsilons = EXACT + unit, 2 * 2 * np.finfo(np.float64).eps
    assert_close(EXACT + 2 * unit, EXACT, peer)
    assert_close(EXACT - 2 * unit - epsilons, EXACT, peer)
    with pytest.raises(AssertionError, match=r"the error .* exceeds"):
        assert_close(EXACT + 2 * unit + 2 * epsilons, EXACT, peer)
    assert_close(EXACT + 4e-16, EXACT, EXACT)
    with pytest.raises(AssertionError, match="exceeds"):
        assert_close(EXACT + 4e-15, EXACT, EXACT)
    assert_close(EXACT + 4e-15, EXACT, EXACT, scale=20.0)


def test_another_shape_or_dtype_fails():
    """A result that would broadcast, or that came in another precision than its peer, is wrong."""
    with pytest.raises(AssertionError, match=r"shapes \(1, 2\), \(2,\), \(2,\) differ"):
        assert_close(EXACT[None], EXACT, EXACT)
    with pytest.raises(AssertionError, match="dtype float64 is compared with a peer in float32"):
        assert_close(EXACT, EXACT, EXACT.astype(np.float32))


def test_every_kind_of_array_is_made_and_measured():
    """Kinds name library and dtype, and the comparison reads both libraries."""
    assert make([1], "torch bfloat16").dtype == torch.bfloat16
    assert make([1], "numpy float16").dtype == np.float16
    assert epsilon(make([1], "torch bfloat16")) == 2.0**-7
    assert_close(make([1, 2], "torch float32"), EXACT, make([1, 2], "numpy float32"))


def test_exact_values_agree_with_hand_work():
    """softmax(ln 1, ln 3) = (1/4, 3/4); one query between two keys; −∞ and empty rows."""
    assert exact_softmax([0.0, math.log(3)]) == pytest.approx([0.25, 0.75], abs=1e-16)
    assert exact_softmax([[0.0, -math.inf], [-math.inf, -math.inf]]).tolist() == [[1.0, 0.0], [0.0, 0.0]]
    assert exact_softmax([[1.0, 5.0], [1.0, 5.0]], axis=0).tolist() == [[0.5, 0.5], [0.5, 0.5]]
    assert exact_softmax([1e300, -1e300]).tolist() == [1.0, 0.0]
    q, k, v = np.array([[3.0, 4.0, 0.0, 0.0]]), np.array([[1.0, 1, 9, 9], [3.0, 1, 9, 9]]), np.array([[1.0], [2.0]])
    assert exact_scores(q, k, scaled=False).tolist() == [[7.0, 13.0]]
    assert exact_scores(q, k, scaled=True).tolist() == [[3.5, 6.5]]
    out, weights = exact_attention(q, k, v, bias=np.array([3.0, 0.0]))
    assert (out.tolist(), weights.tolist()) == ([[1.5]], [[0.5, 0.5]])
    out, weights = exact_attention(q, k, v, mask=np.array([[True, False]]))
    assert (out.tolist(), weights.tolist()) == ([[1.0]], [[1.0, 0.0]])


def test_the_message_of_an_error_needs_the_right_kind_of_error():
    """No error, an error of another kind, and one of a narrower kind fail."""
    assert message_of(KeyError, lambda: {}["x"]) == "'x'"
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        message_of(KeyError, lambda: 1)
    with pytest.raises(IndexError):
        message_of(KeyError, lambda: [][0])
    with pytest.raises(AssertionError, match="KeyError was raised, which is only a kind of LookupError"):
        message_of(LookupError, lambda: {}["x"])
