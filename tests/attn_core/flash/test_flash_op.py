"""The operator on a CPU, against decimal arithmetic, torch's attention, single runs, and itself with other tiles."""

import math

import numpy as np
import pytest
import torch
from flash_oracle import exact, fused, heads_inputs, int32, packed_inputs, plain_lse, repeated, visible
from oracle import assert_close
from torch.nn.functional import scaled_dot_product_attention

from attn_core.flash import cpu, flash_attention, flash_attention_packed, tiled_attention

DTYPES = ["float16", "bfloat16", "float32", "float64"]


@pytest.fixture(
    params=[(512, 512, 256, 1 << 18), (2, 3, 1, 6), (3, 5, 2, 1)], ids=["one tile", "tiles of 2×3", "tiles of 3×5"]
)
def tiles(request, monkeypatch):
    """The tiles that ship, which hold all of a small problem, and tiles so small that there are many of them."""
    for name, value in zip(("ROWS", "KEYS", "DIAGONAL", "SCRATCH"), request.param, strict=True):
        monkeypatch.setattr(cpu, name, value)


def check(result, q, k, v, mask=None, rows=None):
    """Out and lse against decimal arithmetic, torch's attention in the same dtype being the peer."""
    rows = slice(None) if rows is None else rows
    k, v = repeated(k, q.shape[1]), repeated(v, q.shape[1])
    full = None if mask is None else np.broadcast_to(mask, (*q.shape[:-1], k.shape[2])).copy()
    out, lse = exact(q, k, v, full)
    assert result[0].dtype == q.dtype
    assert result[1].dtype == torch.promote_types(q.dtype, torch.float32)
    empty = np.isneginf(lse)
    assert torch.equal(result[1].isneginf(), torch.tensor(empty))
    assert not result[0][torch.tensor(empty)].any()
    assert_close(result[0], out, fused(q, k, v, full))
    assert_close(
        result[1].masked_fill(torch.tensor(empty), 0),
        np.where(empty, 0, lse),
        plain_lse(q, k, full).masked_fill(torch.tensor(empty), 0),
    )


@pytest.mark.usefixtures("tiles")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("is_causal", [False, True])
@pytest.mark.parametrize("kv_heads", [4, 2, 1])
@pytest.mark.parametrize(("n", "m"), [(1, 1), (4, 4), (2, 5), (5, 2), (7, 4)])
def test_equals_exact_attention(dtype, is_causal, kv_heads, n, m):
    """Every dtype, group size and ragged shape; queries before the first key get zeros and −∞."""
    q, k, v = heads_inputs(dtype, 2, 4, kv_heads, n, m)
    check(flash_attention(q, k, v, causal=is_causal), q, k, v, visible(n, m, [m, m], is_causal))


@pytest.mark.usefixtures("tiles")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("is_causal", [False, True])
def test_keys_behind_a_length_do_not_exist(dtype, is_causal):
    """Whatever they hold, NaN included; causality is aligned to the last key that exists; length 0 gives zeros and −∞."""
    q, k, v = heads_inputs(dtype, 4, 2, 1, 3, 5)
    lengths = [5, 0, 2, 3]
    clean = flash_attention(q, k, v, causal=is_causal, key_lengths=int32(*lengths))
    check(clean, q, k, v, visible(3, 5, lengths, is_causal))
    for sequence, length in enumerate(lengths):
        k[sequence, :, length:], v[sequence, :, length:] = math.nan, math.inf
    again = flash_attention(q, k, v, causal=is_causal, key_lengths=int32(*lengths))
    assert torch.equal(clean[0], again[0])
    assert torch.equal(clean[1], again[1])


@pytest.mark.usefixtures("tiles")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("is_causal", [False, True])
@pytest.mark.parametrize("kv_heads", [4, 1])
def test_packed_sequences_equal_single_runs(dtype, is_causal, kv_heads):
    """Each sequence gets what it gets alone; one without queries gets nothing, one without keys zeros and −∞."""
    queries, keys = (3, 0, 5, 2), (4, 2, 1, 0)
    q, k, v, starts_q, starts_k = packed_inputs(dtype, queries, keys, kv_heads=kv_heads)
    out, lse = flash_attention_packed(q, k, v, starts_q, starts_k, causal=is_causal)
    assert (out.shape, lse.shape) == (q.shape, (4, 10))
    for a, b, c, d in zip(starts_q[:-1], starts_q[1:], starts_k[:-1], starts_k[1:], strict=True):
        single = [x.transpose(0, 1)[None] for x in (q[a:b], k[c:d], v[c:d])]
        result = out[a:b].transpose(0, 1)[None], lse[None, :, a:b]
        if b > a and d > c:
            check(result, *single, visible(b - a, d - c, [d - c], is_causal))
        else:
            assert not result[0].any()
            assert result[1].isneginf().all()


@pytest.mark.parametrize("is_causal", [False, True])
@pytest.mark.parametrize("kv_heads", [4, 2])
def test_across_the_tiles_that_ship(is_causal, kv_heads):
    """700 queries over 1100 keys, more than one tile each way, in float32 against torch in float64."""
    q, k, v = heads_inputs("float32", 1, 4, kv_heads, 700, 1100, 16)
    mask = torch.tensor(np.tri(700, 1100, 400, dtype=bool)) if is_causal else None
    out, lse = flash_attention(q, k, v, causal=is_causal)
    target = scaled_dot_product_attention(q.double(), k.double(), v.double(), attn_mask=mask, enable_gqa=True)
    assert_close(out, target, scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=True))
    wide = plain_lse(q.double(), repeated(k, 4).double(), mask)
    assert_close(lse, wide, plain_lse(q, repeated(k, 4), mask))


@pytest.mark.usefixtures("tiles")
def test_equals_the_readable_reference():
    """The operator and tiled_attention agree to rounding, d_v ≠ d_k included."""
    q, k, v = heads_inputs(kv_heads=4, n=6, m=7, d_v=5)
    for is_causal in (False, True):
        ours, readable = flash_attention(q, k, v, causal=is_causal), tiled_attention(q, k, v, 2, is_causal)
        for one, other in zip(ours, readable, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("scale", [0.5, 0, -2.0, 3])
def test_the_scale_multiplies_the_scores(scale):
    """Any finite number: 0 averages the values, a negative one turns the order round; left out it is 1/√d."""
    q, k, v = heads_inputs(kv_heads=4)
    target = scaled_dot_product_attention(q, k, v, scale=scale)
    out, lse = flash_attention(q, k, v, scale=scale)
    torch.testing.assert_close(out, target, rtol=1e-13, atol=1e-14)
    torch.testing.assert_close(lse, torch.logsumexp(scale * q @ k.mT, -1), rtol=1e-13, atol=1e-14)
    assert torch.equal(flash_attention(q, k, v)[0], flash_attention(q, k, v, scale=1 / math.sqrt(3))[0])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_large_scores(dtype):
    """Scores of 0, 1000, −1000: the largest has all the weight, lse is it, and nothing overflows."""
    k = torch.tensor([[[[0.0], [1e3], [-1e3]]]]).to(getattr(torch, dtype))
    out, lse = flash_attention(torch.ones_like(k[:, :, :1]), k, torch.tensor([[[[1.0], [2.0], [3.0]]]]).to(k.dtype))
    assert out.item() == 2.0
    assert lse.item() == pytest.approx(1000.0, rel=2e-7)


def test_a_shift_of_all_keys_shifts_only_the_log_sum_exp():
    """Keys moved along a query's own direction get equal extra scores: out stays, lse grows by them."""
    q, k, v = heads_inputs(batch=1, heads=1, kv_heads=1, n=1)
    step = 7 * q / (q * q).sum() * math.sqrt(3)
    (out, lse), (moved, higher) = flash_attention(q, k, v), flash_attention(q, k + step, v)
    torch.testing.assert_close(moved, out, rtol=1e-12, atol=0)
    torch.testing.assert_close(higher, lse + 7, rtol=1e-13, atol=0)


@pytest.mark.usefixtures("tiles")
@pytest.mark.parametrize("name", ["q", "k", "v"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_nan_and_infinity_do_not_turn_into_numbers(name, value):
    """What is not finite in a row that is read leaves NaN in the results that depend on it, and in no other head."""
    tensors = dict(zip("qkv", heads_inputs(batch=1, heads=2, kv_heads=2), strict=True))
    tensors["q"][:] = tensors["q"].abs() + 1
    tensors[name][0, 1, 0] = value
    out, lse = flash_attention(**tensors)
    rows = out[0, 1, 0] if name == "q" else out[0, 1]
    assert not rows.isfinite().any()
    assert out[0, 0].isfinite().all()
    assert lse[0, 0].isfinite().all()
    if name != "v":
        assert not (lse[0, 1, 0] if name == "q" else lse[0, 1]).isfinite().any()


def layouts(x):
    """The same numbers in other layouts: tokens before heads, the last axis not contiguous, every second row."""
    yield x.transpose(1, 2).contiguous().transpose(1, 2)
    yield x.mT.contiguous().mT
    wide = torch.full((*x.shape[:2], 2 * x.shape[2], x.shape[3]), math.nan, dtype=x.dtype)
    wide[:, :, ::2] = x
    yield wide[:, :, ::2]


@pytest.mark.usefixtures("tiles")
def test_any_strides_give_the_same_and_inputs_are_left_alone():
    """Each layout of q, k and v; the results are contiguous, and nothing is written into what came in."""
    tensors = heads_inputs()
    target = flash_attention(*tensors, causal=True)
    for strided in zip(*(layouts(x) for x in tensors), strict=True):
        out, lse = flash_attention(*strided, causal=True)
        torch.testing.assert_close((out, lse), target, rtol=1e-14, atol=1e-15)
        assert out.is_contiguous()
        assert lse.is_contiguous()
        assert all(torch.equal(x, y) for x, y in zip(strided, tensors, strict=True))
    torch.testing.assert_close(
        flash_attention(*tensors, key_lengths=int32(1, 9, 6)[::2].clamp(max=6))[0],
        flash_attention(*tensors, key_lengths=int32(1, 6))[0],
    )


@pytest.mark.parametrize(("batch", "n", "m"), [(0, 3, 4), (2, 0, 4), (2, 3, 0), (2, 0, 0)])
@pytest.mark.parametrize("is_causal", [False, True])
def test_nothing_to_do(batch, n, m, is_causal):
    """No sequences, queries or keys: zeros and −∞ in the right shapes."""
    q, k, v = heads_inputs(batch=batch, n=n, m=m)
    out, lse = flash_attention(q, k, v, causal=is_causal)
    assert (out.shape, lse.shape) == ((batch, 4, n, 3), (batch, 4, n))
    assert not out.any()
    assert lse.isneginf().all()
    out, lse = flash_attention_packed(*(x.new_empty(0, 4, 3) for x in (q, k, v)), int32(0), int32(0))
    assert (out.shape, lse.shape) == ((0, 4, 3), (4, 0))


def test_the_batch_does_not_matter():
    """Each sequence of a batch gets what it gets alone, bit for bit where the tiles are the same."""
    q, k, v = heads_inputs(batch=3)
    out, lse = flash_attention(q, k, v, causal=True)
    for sequence in range(3):
        alone = flash_attention(*(x[sequence : sequence + 1] for x in (q, k, v)), causal=True)
        torch.testing.assert_close((out[sequence], lse[sequence]), (alone[0][0], alone[1][0]), rtol=1e-14, atol=1e-15)
