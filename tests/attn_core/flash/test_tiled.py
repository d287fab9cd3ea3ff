"""Tiled attention, against decimal arithmetic, torch's fused attention, and untiled attention."""

import math

import numpy as np
import pytest
import torch
from flash_oracle import causal, exact, finite, fused, inputs, plain_lse
from oracle import FULL_KINDS, HALF_KINDS, as_float64, assert_close, message_of

from attn_core.flash.tiled import tiled_attention

KINDS = FULL_KINDS + HALF_KINDS


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("is_causal", [False, True])
@pytest.mark.parametrize("block", [1, 2, 3, 5, 100])
def test_equals_exact_attention_for_any_block(kind, is_causal, block):
    """Out and lse against decimal arithmetic, with torch's attention in the same dtype as the peer."""
    q, k, v = inputs(kind, n=4, m=5, d=3, d_v=2, batch=(2,))
    mask = causal(4, 5) if is_causal else None
    out, lse = tiled_attention(q, k, v, block, is_causal)
    assert out.dtype == q.dtype
    assert lse.dtype == (
        (torch if "torch" in kind else np).float64 if "64" in kind else (torch if "torch" in kind else np).float32
    )
    target_out, target_lse = exact(q, k, v, mask)
    peer = fused(q, k, v, mask).to(getattr(torch, kind.split()[1]))
    assert_close(torch.as_tensor(out), target_out, peer)
    assert_close(torch.as_tensor(lse), target_lse, plain_lse(q, k, mask))


@pytest.mark.parametrize("kind", FULL_KINDS)
def test_one_block_over_one_key_is_that_value(kind):
    """The weight of the only key is 1, and lse is its score."""
    q, k, v = inputs(kind, n=3, m=1, d=4)
    out, lse = tiled_attention(q, k, v, block=1)
    np.testing.assert_array_equal(as_float64(out), np.repeat(as_float64(v), 3, axis=0))
    assert as_float64(lse) == pytest.approx(as_float64(q) @ as_float64(k)[0] / 2, rel=1e-5)


@pytest.mark.parametrize("kind", ["torch float32", "torch float64"])
@pytest.mark.parametrize("is_causal", [False, True])
def test_the_order_of_keys_does_not_matter_without_causality(kind, is_causal):
    """Turning keys and values round changes nothing but rounding; with causality it must change something."""
    q, k, v = inputs(kind, n=4, m=4)
    straight, turned = (tiled_attention(q, *pair, 2, is_causal)[0] for pair in ((k, v), (k.flip(0), v.flip(0))))
    assert torch.allclose(straight, turned, rtol=1e-5) is not is_causal


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("block", [1, 2, 3])
def test_a_query_before_the_first_key_gets_zeros(kind, block):
    """With 4 queries over 2 keys the first 2 see nothing: out is exactly 0 and lse −∞, without a warning."""
    q, k, v = inputs(kind, n=4, m=2)
    out, lse = tiled_attention(q, k, v, block, causal=True)
    assert not as_float64(out)[:2].any()
    assert as_float64(lse)[:2].tolist() == [-math.inf, -math.inf]
    np.testing.assert_array_equal(as_float64(out)[2], as_float64(v)[0])
    assert np.isfinite(as_float64(lse)[2:]).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("n", "m"), [(0, 3), (3, 0), (0, 0)])
def test_no_queries_or_no_keys(kind, n, m):
    """No keys: zeros and −∞ for every query; no queries: nothing, in the right shapes."""
    q, k, v = inputs(kind, n=n, m=m, d=2, d_v=3, batch=(2,))
    out, lse = tiled_attention(q, k, v, 4, causal=True)
    assert (tuple(out.shape), tuple(lse.shape)) == ((2, n, 3), (2, n))
    assert not as_float64(out).any()
    assert np.isneginf(as_float64(lse)).all()


@pytest.mark.parametrize("kind", FULL_KINDS)
def test_large_scores_rise_block_by_block(kind):
    """Scores of 0, 1000, 2000, 3000 in blocks of one: the last key has all the weight, and lse is its score."""
    q, k = make_row([[1.0]], kind), make_row([[0.0], [1e3], [2e3], [3e3]], kind)
    out, lse = tiled_attention(q, k, make_row([[1.0], [2.0], [3.0], [4.0]], kind), 1)
    assert (as_float64(out).item(), as_float64(lse).item()) == (4.0, 3000.0)


def make_row(values, kind):
    """An array of this kind."""
    return inputs_as(np.asarray(values), kind)


def inputs_as(array, kind):
    """A NumPy array as an array of this kind."""
    library, dtype = kind.split()
    return array.astype(dtype) if library == "numpy" else torch.tensor(array).to(getattr(torch, dtype))


@pytest.mark.parametrize("block", [1, 2, 7])
def test_nan_stays_nan_and_in_its_row(block):
    """A NaN query spoils its own row; a NaN key every row that may see it, and no other."""
    q, k, v = inputs(n=4, m=4)
    q[1] = math.nan
    out, lse = tiled_attention(q, k, v, block, causal=True)
    assert out.isnan().all(-1).tolist() == lse.isnan().tolist() == [False, True, False, False]
    q, k, v = inputs(n=4, m=4)
    k[2] = math.nan
    out, lse = tiled_attention(q, k, v, block, causal=True)
    assert out.isnan().all(-1).tolist() == lse.isnan().tolist() == [False, False, True, True]


@pytest.mark.parametrize("is_causal", [False, True])
def test_gradients_equal_finite_differences(is_causal):
    """Through out and lse, with a query that sees nothing where there is causality (lse of such a query left out)."""
    q, k, v = (x.requires_grad_() for x in inputs(n=4, m=3, d_v=2))

    def function(q, k, v):
        out, lse = tiled_attention(q, k, v, 2, is_causal)
        return out, lse[1:]

    assert torch.autograd.gradcheck(function, (q, k, v))


def test_lse_of_an_empty_row_has_a_finite_gradient():
    """−∞ does not depend on anything: its gradient is 0, not NaN."""
    q, k, v = (x.requires_grad_() for x in inputs(n=3, m=1))
    _, lse = tiled_attention(q, k, v, 1, causal=True)
    gradients = torch.autograd.grad(lse, (q, k), torch.ones(3, dtype=torch.float64))
    assert all(gradient.isfinite().all() for gradient in gradients)
    assert not gradients[0][:2].any()


def test_inputs_are_left_alone_and_may_be_strided():
    """A transposed view gives what its copy gives, and the inputs are as before."""
    q, k, v = inputs(n=3, m=3)
    copies = [x.clone() for x in (q, k, v)]
    strided = [x.T.contiguous().T for x in (q, k, v)]
    torch.testing.assert_close(tiled_attention(*strided, 2)[0], tiled_attention(q, k, v, 2)[0])
    assert all(torch.equal(x, copy) for x, copy in zip((q, k, v), copies, strict=True))


def test_what_does_not_fit_is_refused():
    """The sentences name this function, the argument and the reason."""
    q, k, v = inputs(n=2, m=3, d=4)
    assert message_of(ValueError, lambda: tiled_attention(q, k, v, 0)) == (
        "tiled_attention: block is 0, but at least 1 key must be read at once."
    )
    assert message_of(TypeError, lambda: tiled_attention(q, k, v, 1.5)) == (
        "tiled_attention: block is of type float, but it must be a whole number of keys."
    )
    assert message_of(ValueError, lambda: tiled_attention(q, k, v[:2], 2)) == (
        "tiled_attention: v has m=2 in shape (2, 4), but k has m=3 in shape (3, 4); m is the number of keys, and of values."
    )


def test_the_oracle_agrees_with_itself():
    """Exact lse and torch's logsumexp agree where both are exact enough, empty rows included."""
    q, k, v = inputs(n=4, m=2)
    mask = causal(4, 2)
    np.testing.assert_allclose(finite(exact(q, k, v, mask)[1], -9.0), finite(plain_lse(q, k, mask), -9.0), rtol=1e-14)
