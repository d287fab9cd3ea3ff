"""The gradients of the operator, against finite differences, decimal arithmetic and torch's autograd."""

import math

import numpy as np
import pytest
import torch
from flash_oracle import exact_gradients, heads_inputs, int32, packed_inputs, repeated, visible
from oracle import assert_close, message_of

from attn_core.flash import cpu, flash_attention, flash_attention_packed, flash_backward


@pytest.fixture(params=[(512, 512, 256, 1 << 18), (2, 3, 1, 6)], ids=["one tile", "tiles of 2×3"])
def tiles(request, monkeypatch):
    """The tiles that ship, which hold all of a small problem, and tiles so small that there are many of them."""
    for name, value in zip(("ROWS", "KEYS", "DIAGONAL", "SCRATCH"), request.param, strict=True):
        monkeypatch.setattr(cpu, name, value)


def seen_lse(out, lse):
    """Out, and the log-sum-exp with a number in place of −∞, which has no finite difference."""
    return out, lse.masked_fill(lse.isneginf(), 0.0)


def leaves(tensors):
    """The same tensors, to be differentiated."""
    return [x.detach().clone().requires_grad_() for x in tensors]


@pytest.mark.usefixtures("tiles")
@pytest.mark.parametrize("is_causal", [False, True])
@pytest.mark.parametrize("kv_heads", [4, 2, 1])
@pytest.mark.parametrize(("n", "m"), [(1, 1), (3, 3), (2, 5), (5, 2)])
def test_finite_differences(is_causal, kv_heads, n, m):
    """Through out and lse, with groups, ragged shapes, and queries that see nothing."""
    q, k, v = leaves(heads_inputs(batch=1, kv_heads=kv_heads, n=n, m=m, d=2))
    assert torch.autograd.gradcheck(lambda q, k, v: seen_lse(*flash_attention(q, k, v, causal=is_causal)), (q, k, v))


@pytest.mark.usefixtures("tiles")
@pytest.mark.parametrize("is_causal", [False, True])
def test_finite_differences_with_lengths(is_causal):
    """Lengths 4, 0 and 2; d_v ≠ d; a scale that is not 1/√d."""
    q, k, v = leaves(heads_inputs(batch=3, heads=2, kv_heads=1, n=3, m=4, d=2, d_v=3))

    def function(q, k, v):
        return seen_lse(*flash_attention(q, k, v, causal=is_causal, scale=-0.8, key_lengths=int32(4, 0, 2)))

    assert torch.autograd.gradcheck(function, (q, k, v))


@pytest.mark.usefixtures("tiles")
@pytest.mark.parametrize("is_causal", [False, True])
@pytest.mark.parametrize("kv_heads", [2, 1])
def test_finite_differences_of_packed_sequences(is_causal, kv_heads):
    """Sequences without queries, without keys, and with more queries than keys."""
    q, k, v, starts_q, starts_k = packed_inputs(queries=(3, 0, 2, 1), keys=(2, 1, 3, 0), heads=2, kv_heads=kv_heads)

    def function(q, k, v):
        return seen_lse(*flash_attention_packed(q, k, v, starts_q, starts_k, causal=is_causal))

    assert torch.autograd.gradcheck(function, tuple(leaves((q, k, v))))


def plain(q, k, v, mask, grad_out, grad_lse):
    """Gradients of untiled attention by torch's autograd, in the dtype of q."""
    q, k, v = leaves((q, k, v))
    wide_k, wide_v = repeated(k, q.shape[1]), repeated(v, q.shape[1])
    scores = (q @ wide_k.mT / math.sqrt(q.shape[-1])).masked_fill(~torch.tensor(mask), -math.inf)
    out, lse = torch.softmax(scores, -1) @ wide_v, torch.logsumexp(scores.to(grad_lse.dtype), -1)
    return torch.autograd.grad((out, lse), (q, k, v), (grad_out, grad_lse))


@pytest.mark.usefixtures("tiles")
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("is_causal", [False, True])
@pytest.mark.parametrize("kv_heads", [2, 1])
def test_equal_exact_gradients(dtype, is_causal, kv_heads):
    """Every dtype against decimal arithmetic, torch's autograd in that dtype being the peer; dtypes and shapes are kept."""
    q, k, v = leaves(heads_inputs(dtype, 2, 2, kv_heads, 4, 5))
    out, lse = flash_attention(q, k, v, causal=is_causal)
    rng = np.random.default_rng(1)
    grad_out = torch.tensor(rng.standard_normal(out.shape) + 0.5).to(out.dtype)
    grad_lse = torch.tensor(rng.standard_normal(lse.shape) + 0.5).to(lse.dtype)
    ours = torch.autograd.grad((out, lse), (q, k, v), (grad_out, grad_lse))
    mask = visible(4, 5, [5, 5], is_causal)
    full = np.broadcast_to(mask, (2, 2, 4, 5))
    targets, scales = exact_gradients(q, repeated(k, 2), repeated(v, 2), grad_out, full, grad_lse)
    targets[1:] = [x.reshape(2, kv_heads, -1, *x.shape[2:]).sum(2) for x in targets[1:]]
    peers = plain(q, k, v, mask, grad_out, grad_lse)
    for result, target, peer, scale, leaf in zip(ours, targets, peers, scales, (q, k, v), strict=True):
        assert (result.dtype, result.shape) == (leaf.dtype, leaf.shape)
        assert_close(result, target, peer, scale)


def test_across_the_tiles_that_ship():
    """700 queries over 1100 keys in float32 against the readable backward pass in float64."""
    q, k, v = leaves(heads_inputs("float32", 1, 2, 2, 700, 1100, 8))
    out, lse = flash_attention(q, k, v, causal=True)
    grad_out = torch.randn(out.shape, generator=torch.Generator().manual_seed(0)) + 0.5
    ours = torch.autograd.grad(out, (q, k, v), grad_out)
    wide = [x.detach().double() for x in (q, k, v)]
    targets = flash_backward(*wide, *flash_attention(*wide, causal=True), grad_out.double(), True)
    peers = plain(q, k, v, np.tri(700, 1100, 400, dtype=bool), grad_out, torch.zeros_like(lse))
    for result, target, peer in zip(ours, targets, peers, strict=True):
        # a weight is exp(s − lse), so that the rounding of lse, epsilon · |lse|, is a relative error of the weight
        assert_close(result, target, peer, (lse.abs().max() * target.abs().max()).item())


@pytest.mark.usefixtures("tiles")
def test_queries_and_keys_that_nobody_meets_have_zero_gradients():
    """Empty queries and keys behind a length: exactly 0, never NaN, whatever the keys hold, and through lse as well."""
    q, k, v = heads_inputs(batch=3, n=4, m=5)
    lengths = (5, 2, 0)
    for sequence, length in enumerate(lengths):
        k[sequence, :, length:], v[sequence, :, length:] = math.nan, math.inf
    q, k, v = leaves((q, k, v))
    out, lse = flash_attention(q, k, v, causal=True, key_lengths=int32(*lengths))
    grads = torch.autograd.grad((out, lse), (q, k, v), (torch.ones_like(out), torch.ones_like(lse)))
    assert all(gradient.isfinite().all() for gradient in grads)
    assert not grads[0][1, :, :2].any()
    assert not grads[0][2].any()
    for sequence, length in enumerate(lengths):
        assert not grads[1][sequence, :, length:].any()
        assert not grads[2][sequence, :, length:].any()
        assert grads[2][sequence, :, :length].all()


def test_only_one_of_the_results_is_used():
    """Through lse alone the gradient of k is the weights' mean of q, and v has none; through out alone lse has no part."""
    q, k, v = leaves(heads_inputs(kv_heads=4))
    out, lse = flash_attention(q, k, v)
    weights = torch.softmax(q @ k.mT / math.sqrt(3), -1)
    of_lse = torch.autograd.grad(lse.sum(), (q, k, v), retain_graph=True)
    torch.testing.assert_close(of_lse[1], weights.mT @ q / math.sqrt(3), rtol=1e-12, atol=1e-14)
    assert not of_lse[2].any()
    of_out = torch.autograd.grad(out.sum(), v)[0]
    torch.testing.assert_close(of_out, weights.sum(-2)[..., None].expand_as(v), rtol=1e-12, atol=0)


def test_only_what_asks_for_a_gradient_gets_one():
    """With q alone to be differentiated k and v are left without; with none, nothing is recorded."""
    q, k, v = heads_inputs()
    q.requires_grad_()
    flash_attention(q, k, v)[0].sum().backward()
    assert q.grad is not None
    assert k.grad is v.grad is None
    assert not flash_attention(q.detach(), k, v)[0].requires_grad


def test_strided_cotangents():
    """A gradient that was expanded or transposed gives what its copy gives."""
    q, k, v = leaves(heads_inputs())
    out, _ = flash_attention(q, k, v)
    expanded = torch.tensor(1.5, dtype=torch.float64).expand(out.shape)
    turned = torch.randn(out.mT.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).mT
    for cotangent in (expanded, turned):
        one, other = (
            torch.autograd.grad(out, (q, k, v), g, retain_graph=True) for g in (cotangent, cotangent.contiguous())
        )
        torch.testing.assert_close(one, other, rtol=1e-13, atol=1e-15)


def test_second_derivatives_are_refused():
    """In a sentence, not as zeros."""
    q, k, v = leaves(heads_inputs())
    (first,) = torch.autograd.grad(flash_attention(q, k, v)[0].sum(), q, create_graph=True)
    assert message_of(NotImplementedError, lambda: first.sum().backward()) == (
        "flash_attention: second derivatives were asked for, but the backward pass has no gradients of its own; "
        "attn_core.scaled_dot_product_attention has them."
    )
