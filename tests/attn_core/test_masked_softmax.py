"""Masked softmax, against decimal arithmetic, torch's fused attention, and sequences run without padding."""

import math

import numpy as np
import pytest
import torch
from oracle import FULL_KINDS, HALF_KINDS, as_float64, assert_close, epsilon, exact_softmax, make, message_of
from torch.nn.functional import scaled_dot_product_attention as fused

from attn_core.masked_softmax import masked_softmax
from attn_core.masks import causal_mask, padding_mask, segment_mask

KINDS = FULL_KINDS + HALF_KINDS
TORCH_KINDS = [kind for kind in KINDS if kind.startswith("torch")]


def in_library(mask, kind):
    """The mask as an array of the library of this kind."""
    return torch.from_numpy(mask) if kind.startswith("torch") else mask


@pytest.mark.parametrize("kind", KINDS)
def test_by_hand(kind):
    """(ln 1, ln 3, 7) without the 7 gives (1/4, 3/4, 0); a row that sees nothing gives zeros, one that sees one, 1."""
    scores = make([[0.0, math.log(3), 7.0]] * 3, kind)
    mask = np.array([[True, True, False], [False, False, False], [False, False, True]])
    weights = masked_softmax(scores, in_library(mask, kind))
    assert weights.dtype == scores.dtype
    assert weights[1].tolist() == [0.0, 0.0, 0.0]
    assert weights[2].tolist() == [0.0, 0.0, 1.0]
    assert np.abs(as_float64(weights)[0] - [0.25, 0.75, 0.0]).max() <= 2 * epsilon(weights)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(), (1,), (5,), (4, 1), (1, 5), (4, 5), (2, 1, 5), (2, 4, 5), (1, 1, 1)])
def test_equals_the_exact_softmax_of_what_is_seen(kind, shape):
    """Every mask that broadcasts, against decimal arithmetic; forbidden weights are exactly 0."""
    rng = np.random.default_rng(len(shape))
    scores, mask = make(3 * rng.standard_normal((2, 4, 5)), kind), np.asarray(rng.random(shape) < 0.6)
    weights = masked_softmax(scores, in_library(mask, kind))
    filled = np.where(mask, as_float64(scores), -math.inf)
    peer = torch.softmax(torch.from_numpy(filled).to(torch.float32), -1).nan_to_num(0.0)
    exact = exact_softmax(filled)
    if kind.split()[1] in ("float64", "float32"):
        peer = torch.softmax(torch.from_numpy(filled), -1).nan_to_num(0.0)
    assert_close(weights, exact, peer.to(getattr(torch, kind.split()[1])))
    assert not as_float64(weights)[~np.broadcast_to(mask, filled.shape)].any()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [6e4, -6e4])
def test_scores_at_the_end_of_float16(kind, size):
    """Neither 60000 nor −60000 overflows, seen or not; what is hidden may be far larger than what is seen."""
    scores = make([[size, size, -size], [0.0, 1.0, size]], kind)
    weights = as_float64(masked_softmax(scores, in_library(np.array([[True, True, False]] * 2), kind)))
    assert weights[0].tolist() == [0.5, 0.5, 0.0]
    assert weights[1] == pytest.approx([1 / (1 + math.e), math.e / (1 + math.e), 0.0], abs=2 * epsilon(scores))


@pytest.mark.parametrize("kind", TORCH_KINDS)
@pytest.mark.parametrize("rubbish", [0.0, 1e4, -1e4, math.inf, -math.inf, math.nan])
def test_what_is_hidden_changes_neither_value_nor_gradient(kind, rubbish):
    """Forbidden scores do not matter, not even NaN, and get no gradient; an empty row gets none, and nothing is NaN."""
    mask = torch.tensor([[True, False, True], [False, False, False]])
    scores = make([[1.0, rubbish, 2.0], [rubbish] * 3], kind).requires_grad_()
    weights = masked_softmax(scores, mask)
    (gradient,) = torch.autograd.grad(weights, scores, make([[1.0, 5.0, -2.0], [3.0, 4.0, 5.0]], kind))
    p = 1 / (1 + math.e)
    assert as_float64(weights)[0] == pytest.approx([p, 0.0, 1 - p], abs=2 * epsilon(scores))
    assert weights[1].tolist() == [0.0, 0.0, 0.0]
    assert as_float64(gradient)[0] == pytest.approx([3 * p * (1 - p), 0.0, -3 * p * (1 - p)], abs=8 * epsilon(scores))
    assert gradient[1].tolist() == [0.0, 0.0, 0.0]
    assert gradient[0, 1].item() == 0.0


@pytest.mark.parametrize("seed", range(3))
def test_gradients_equal_finite_differences(seed):
    """Autograd agrees with finite differences, in rows that see something, one thing, and nothing."""
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(3, 4, dtype=torch.float64, generator=generator, requires_grad=True)
    mask = torch.tensor([[True, False, True, True], [False, True, False, False], [False] * 4])
    assert torch.autograd.gradcheck(lambda s: masked_softmax(s, mask), scores)


def random_qkv(n, m, seed=0):
    """Queries, keys and values of 2 sequences in float64."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(2, size, 3, dtype=torch.float64, generator=generator) for size in (n, m, m)]


@pytest.mark.parametrize("mask", ["causal", "padding", "segments", "random with an empty row"])
def test_attention_equals_torchs_fused_one(mask):
    """With every kind of mask the mix of values is that of torch's attention, empty rows included."""
    q, k, v = random_qkv(4, 4)
    mask = {
        "causal": causal_mask(4, like=q),
        "padding": padding_mask(torch.tensor([3, 1]), 4),
        "segments": segment_mask(torch.tensor([[1, 1, 2, 0], [4, 2, 2, 4]])),
        "random with an empty row": torch.tensor([[True, False, True, False]] * 2 + [[False] * 4] * 2),
    }[mask]
    ours = masked_softmax(q @ k.mT / math.sqrt(3), mask) @ v
    torch.testing.assert_close(ours, fused(q, k, v, attn_mask=mask))


def test_causal_square_equals_is_causal():
    """For n = m torch's own causal flag means the same mask; for n ≠ m torch aligns at the top left, we do not."""
    q, k, v = random_qkv(4, 4)
    torch.testing.assert_close(
        masked_softmax(q @ k.mT / math.sqrt(3), causal_mask(4, like=q)) @ v, fused(q, k, v, is_causal=True)
    )
    q, k, v = random_qkv(2, 4)
    ours = masked_softmax(q @ k.mT / math.sqrt(3), causal_mask(2, 4, like=q)) @ v
    assert not torch.allclose(ours, fused(q, k, v, is_causal=True))
    torch.testing.assert_close(ours[:, -1:], fused(q[:, -1:], k, v))  # the newest query sees everything


def test_a_padded_batch_equals_single_runs():
    """Each sequence of a padded batch gets what it gets alone, whatever its padding holds."""
    q, k, v = random_qkv(3, 5)
    lengths = [5, 2]
    k[1, 2:], v[1, 2:] = 1e3, -1e3
    weights = masked_softmax(q @ k.mT, padding_mask(torch.tensor(lengths), 5))
    for b, length in enumerate(lengths):
        alone = torch.softmax(q[b] @ k[b, :length].T, -1)
        torch.testing.assert_close(weights[b, :, :length], alone)
        torch.testing.assert_close((weights @ v)[b], alone @ v[b, :length])


def test_packed_segments_equal_single_runs():
    """Two sequences packed into one row do not see each other: each gets what it gets alone."""
    q, k, _ = random_qkv(5, 5)
    weights = masked_softmax(q @ k.mT, segment_mask(torch.tensor([[1, 1, 2, 2, 2]] * 2)))
    for part in (slice(0, 2), slice(2, 5)):
        torch.testing.assert_close(weights[:, part, part], torch.softmax(q[:, part] @ k[:, part].mT, -1))


def test_one_causal_pass_equals_prefix_runs():
    """Row i of the causal weights is the last row of a run on the first i + 1 tokens."""
    q, k, _ = random_qkv(5, 5)
    weights = masked_softmax(q @ k.mT, causal_mask(5, like=q))
    for i in range(5):
        torch.testing.assert_close(weights[:, i, : i + 1], torch.softmax(q[:, i : i + 1] @ k[:, : i + 1].mT, -1)[:, 0])


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
def test_limit_cases(shape):
    """No rows, or no keys: nothing comes back, in the same shape."""
    assert masked_softmax(np.zeros(shape), np.ones(shape, dtype=bool)).shape == shape


def test_all_allowed_is_the_plain_softmax():
    """A mask that allows everything changes nothing."""
    scores = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    assert torch.equal(masked_softmax(scores, torch.tensor(True)), masked_softmax(scores, torch.ones(3, 4).bool()))
    torch.testing.assert_close(masked_softmax(scores, torch.tensor(True)), torch.softmax(scores, -1))


def test_what_does_not_fit_is_refused():
    """The sentences name this function, the argument and the cure."""
    assert message_of(TypeError, lambda: masked_softmax(np.zeros((2, 2)), np.ones((2, 2)))) == (
        'masked_softmax: mask has dtype float64, but it must be boolean, where True means "may attend"; '
        "numbers that are added to the scores (0 where a query may attend, -inf where not) are a bias, "
        "and a mask of ones and zeros becomes boolean by mask != 0."
    )
    assert message_of(ValueError, lambda: masked_softmax(np.zeros((2, 3)), np.ones((3, 2), dtype=bool))) == (
        "masked_softmax: mask has shape (3, 2), but it must broadcast to the scores' (2, 3); "
        "counted from the right, each of its sizes is 1 or equal to that of the scores."
    )
    assert message_of(TypeError, lambda: masked_softmax(np.zeros(2, dtype=int), np.ones(2, dtype=bool))) == (
        "masked_softmax: scores has dtype int64, but it must be floating point (booleans belong in a mask)."
    )
