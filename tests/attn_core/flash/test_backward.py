"""The backward pass by recomputation, against autograd through untiled attention, and limit cases."""

import math

import numpy as np
import pytest
import torch
from flash_oracle import causal, exact_gradients, inputs
from oracle import as_float64, assert_close, message_of

from attn_core.flash.backward import flash_backward
from attn_core.flash.tiled import tiled_attention
from attn_core.masked_softmax import masked_softmax


def autograd(q, k, v, grad_out, mask=None):
    """Gradients of plain attention, by torch."""
    q, k, v = (x.detach().clone().requires_grad_() for x in (q, k, v))
    scores = q @ k.mT / math.sqrt(q.shape[-1])
    mask = torch.ones(scores.shape[-2:], dtype=torch.bool) if mask is None else torch.as_tensor(mask)
    return torch.autograd.grad(masked_softmax(scores, mask) @ v, (q, k, v), grad_out)


def cotangent(out, seed=1):
    """A random gradient of out, with a mean of 1/2."""
    values = np.random.default_rng(seed).standard_normal(tuple(out.shape)) + 0.5
    return torch.tensor(values).to(out.dtype) if isinstance(out, torch.Tensor) else values.astype(out.dtype)


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
@pytest.mark.parametrize("is_causal", [False, True])
@pytest.mark.parametrize("block", [1, 2, 5])
def test_equals_autograd_through_untiled_attention(dtype, is_causal, block):
    """The two-times rule, against decimal arithmetic, with autograd in the same dtype as the peer."""
    q, k, v = inputs(f"torch {dtype}", n=4, m=5, d=3, d_v=2, batch=(2,))
    mask = causal(4, 5) if is_causal else None
    out, lse = tiled_attention(q, k, v, 2, is_causal)
    grad_out = cotangent(out)
    ours = flash_backward(q, k, v, out, lse, grad_out, is_causal, block=block)
    targets, scales = exact_gradients(q, k, v, grad_out, mask)
    peer = autograd(q, k, v, grad_out, mask)
    for result, target, other, scale in zip(ours, targets, peer, scales, strict=True):
        assert result.dtype == q.dtype
        assert_close(result, target, other, scale)


@pytest.mark.parametrize("is_causal", [False, True])
def test_numpy_gets_what_torch_gets(is_causal):
    """The same lines run over NumPy arrays."""
    q, k, v = inputs("numpy float64", n=4, m=3, d_v=2)
    out, lse = tiled_attention(q, k, v, 2, is_causal)
    grad_out = cotangent(out)
    ours = flash_backward(q, k, v, out, lse, grad_out, is_causal, block=2)
    theirs = autograd(*(torch.tensor(x) for x in (q, k, v, grad_out)), causal(4, 3) if is_causal else None)
    for result, target in zip(ours, theirs, strict=True):
        assert isinstance(result, np.ndarray)
        np.testing.assert_allclose(result, as_float64(target), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("block", [1, 2, 3])
def test_a_query_that_sees_nothing_has_zero_gradients(block):
    """Its own gradient is 0 and it gives none to keys and values, whatever finite numbers its out and grad_out hold."""
    q, k, v = inputs(n=4, m=2)
    out, lse = tiled_attention(q, k, v, 1, causal=True)
    grad_out = cotangent(out)
    grads = flash_backward(q, k, v, out, lse, grad_out, True, block=block)
    assert not grads[0][:2].any()
    out[:2], grad_out[:2], q[:2] = 1e30, -1e30, 1e3
    again = flash_backward(q, k, v, out, lse, grad_out, True, block=block)
    assert all(torch.equal(one, other) for one, other in zip(grads, again, strict=True))


@pytest.mark.parametrize("block", [1, 3])
def test_a_log_sum_exp_of_minus_infinity_means_no_weights(block):
    """Where a caller says so without a mask, the query has a gradient of 0 and gives none, as if it were not there."""
    q, k, v = inputs(n=3, m=4)
    out, lse = tiled_attention(q, k, v, 2)
    grad_out = cotangent(out)
    lse[0] = -math.inf
    grads = flash_backward(q, k, v, out, lse, grad_out, block=block)
    others = flash_backward(q[1:], k, v, out[1:], lse[1:], grad_out[1:], block=block)
    assert not grads[0][0].any()
    torch.testing.assert_close((grads[0][1:], *grads[1:]), others, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize(("n", "m"), [(0, 3), (3, 0), (0, 0)])
def test_no_queries_or_no_keys(n, m):
    """Gradients have the shapes of their arguments, and are zeros."""
    q, k, v = inputs(n=n, m=m, d_v=2)
    out, lse = tiled_attention(q, k, v, 1)
    for gradient, argument in zip(flash_backward(q, k, v, out, lse, out), (q, k, v), strict=True):
        assert gradient.shape == argument.shape
        assert not gradient.any()


def test_one_key_gets_no_gradient():
    """A softmax over one key is 1 whatever its score is: q and k have no gradient, v has the sum of grad_out."""
    q, k, v = inputs(n=3, m=1)
    out, lse = tiled_attention(q, k, v, 1)
    grad_out = cotangent(out)
    grad_q, grad_k, grad_v = flash_backward(q, k, v, out, lse, grad_out)
    assert max(grad_q.abs().max(), grad_k.abs().max()) <= 1e-15
    torch.testing.assert_close(grad_v, grad_out.sum(0, keepdim=True), rtol=1e-14, atol=0)


def test_nan_stays_nan():
    """A NaN in what came back from the forward pass is in the gradients that depend on it, and in no other row."""
    q, k, v = inputs(n=3, m=3)
    out, lse = tiled_attention(q, k, v, 1)
    lse[1] = math.nan
    grad_q, grad_k, grad_v = flash_backward(q, k, v, out, lse, cotangent(out))
    assert grad_q.isnan().all(-1).tolist() == [False, True, False]
    assert grad_k.isnan().all()
    assert grad_v.isnan().all()


def test_what_does_not_fit_is_refused():
    """The sentences name this function, the argument and the reason."""
    q, k, v = inputs(n=2, m=3, d=4)
    out, lse = tiled_attention(q, k, v, 2)
    assert message_of(ValueError, lambda: flash_backward(q, k, v, out, lse[:1], out)) == (
        "flash_backward: lse has shape (1,), but it must be q's (2, 4) without the last axis; "
        "each query has one log-sum-exp."
    )
    assert message_of(TypeError, lambda: flash_backward(q, k, v, out, lse.float(), out)) == (
        "flash_backward: lse has dtype torch.float32, but q has torch.float64; "
        "pass the lse that the forward pass returned."
    )
    assert message_of(TypeError, lambda: flash_backward(q, k, v, out, lse.numpy(), out)) == (
        "flash_backward: lse is a NumPy array, but q is a torch tensor; "
        "convert one of them, with torch.from_numpy(...) or tensor.numpy()."
    )
    assert message_of(ValueError, lambda: flash_backward(q, k, v, out, lse, out, block=0)) == (
        "flash_backward: block is 0, but at least 1 key must be read at once."
    )
    assert message_of(ValueError, lambda: flash_backward(q, k, v, out, lse, out[:1])) == (
        "flash_backward: grad_out has n=1 in shape (1, 4), but q has n=2 in shape (2, 4); "
        "n is the number of queries, or of source positions in a recurrent model."
    )
