"""The online softmax and the merge, against decimal arithmetic, numbers worked by hand, and algebra."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from flash_oracle import exact, fused, inputs, plain_lse
from oracle import FULL_KINDS, HALF_KINDS, as_float64, assert_close, epsilon, make, message_of

from attn_core.flash.online_softmax import merge_partials, online_update

INF = math.inf


def start(shape, kind):
    """The maximum and the sum before the first block."""
    return make(np.full(shape, -INF), kind), make(np.zeros(shape), kind)


def read(blocks, kind):
    """Run over blocks of scores; return the last maximum and sum, and what a weight of 1 per score adds up to."""
    m, total = start(blocks[0].shape[:-1], kind)
    count = total
    for block in blocks:
        m, total, rescale = online_update(m, total, block)
        count = rescale * count
    return m, total, count


@pytest.mark.parametrize("kind", FULL_KINDS + HALF_KINDS)
def test_by_hand(kind):
    """Reading (ln 1, ln 1), then ln 4, then ln 2: the sum is 2, then 2/4 + 1, then that + 2/4; the factors 0, 1/4, 1."""
    m, total = start((1,), kind)
    steps = [
        ([0.0, 0.0], 0.0, 2.0, 0.0),
        ([math.log(4)], math.log(4), 1.5, 0.25),
        ([math.log(2)], math.log(4), 2.0, 1.0),
    ]
    for block, maximum, weight, factor in steps:
        block = make([block], kind)
        m, total, rescale = online_update(m, total, block)
        assert m.dtype == total.dtype == rescale.dtype == block.dtype
        assert as_float64(m).item() == pytest.approx(maximum, rel=epsilon(block))
        assert as_float64(total).item() == pytest.approx(weight, rel=4 * epsilon(block))
        assert as_float64(rescale).item() == pytest.approx(factor, rel=4 * epsilon(block))


@pytest.mark.parametrize("kind", FULL_KINDS)
@pytest.mark.parametrize("cut", [1, 2, 3, 7])
def test_any_blocks_give_the_log_sum_exp_of_the_row(kind, cut):
    """m + ln l over blocks of any size equals torch's logsumexp, the last block being shorter where it must."""
    scores = make(3 * np.random.default_rng(cut).standard_normal((2, 3, 7)), kind)
    m, total, _ = read([scores[..., i : i + cut] for i in range(0, 7, cut)], kind)
    result = as_float64(m) + np.log(as_float64(total))
    target = torch.logsumexp(torch.as_tensor(as_float64(scores)), -1).numpy()
    assert np.abs(result - target).max() <= 4 * epsilon(scores) * np.abs(target).max()


@pytest.mark.parametrize("kind", FULL_KINDS)
def test_the_order_of_blocks_does_not_matter(kind):
    """Rising scores, which rescale at every step, and falling ones, which never do, give the same sum."""
    blocks = [make([[3.0 * i, -1.0]], kind) for i in range(5)]
    (m_up, l_up, _), (m_down, l_down, _) = read(blocks, kind), read(blocks[::-1], kind)
    assert as_float64(m_up).item() == as_float64(m_down).item() == 12.0
    assert as_float64(l_up).item() == pytest.approx(as_float64(l_down).item(), rel=4 * epsilon(l_up))


@pytest.mark.parametrize("kind", FULL_KINDS)
def test_a_block_of_minus_infinity(kind):
    """Before any score it leaves m = −∞ and total = 0, with a finite factor; after one it changes nothing; no NaN, no warning."""
    nothing = make([[-INF, -INF]], kind)
    m, total, rescale = online_update(*start((1,), kind), nothing)
    assert (as_float64(m).item(), as_float64(total).item(), as_float64(rescale).item()) == (-INF, 0.0, 0.0)
    m, total, _ = online_update(m, total, make([[2.0, -INF]], kind))
    m, total, rescale = online_update(m, total, nothing)
    assert (as_float64(m).item(), as_float64(total).item(), as_float64(rescale).item()) == (2.0, 1.0, 1.0)


@pytest.mark.parametrize("kind", FULL_KINDS)
def test_a_block_without_scores_changes_nothing(kind):
    """Size 0 is a block too, and its factor is 1."""
    m, total, rescale = online_update(make([2.0], kind), make([3.0], kind), make(np.zeros((1, 0)), kind))
    assert [as_float64(x).item() for x in (m, total, rescale)] == [2.0, 3.0, 1.0]


@pytest.mark.parametrize("kind", FULL_KINDS)
def test_large_scores_do_not_overflow(kind):
    """Scores of 1e4 and −1e4, each way round, leave sums between 1 and 2."""
    for pair in ([1e4, -1e4], [-1e4, 1e4], [1e4, 1e4]):
        m, total, _ = read([make([[score]], kind) for score in pair], kind)
        assert as_float64(m).item() == 1e4
        assert as_float64(total).item() == (2.0 if pair == [1e4, 1e4] else 1.0)


@pytest.mark.parametrize("kind", ["torch float32", "torch float64"])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_nan_stays_nan(kind, place):
    """A NaN in any block is in the sum for ever after; it is not lost to a comparison."""
    blocks = [make([[1.0, 2.0]], kind) for _ in range(3)]
    blocks[place][0, 1] = math.nan
    m, total, _ = read(blocks, kind)
    assert math.isnan(m.item())
    assert math.isnan(total.item())


def parts(q, k, v, cuts):
    """Out and lse over each slice of the keys, in exact arithmetic, as tensors."""
    edges = [0, *cuts, k.shape[-2]]
    return [
        tuple(torch.tensor(array) for array in exact(q, k[..., a:b, :], v[..., a:b, :])) for a, b in pairwise(edges)
    ]


def test_merging_two_halves_gives_the_whole():
    """Every cut of 5 keys, the empty ones included, gives the out and lse of all 5."""
    q, k, v = inputs(n=3, m=5, d_v=2)
    out, lse = exact(q, k, v)
    for cut in range(6):
        (out_a, lse_a), (out_b, lse_b) = parts(q, k, v, [cut])
        merged = merge_partials(out_a, lse_a, out_b, lse_b)
        assert_close(merged[0], out, fused(q, k, v))
        assert_close(merged[1], lse, plain_lse(q, k))


def test_merging_is_associative_and_commutative():
    """(a·b)·c = a·(b·c) = (c·a)·b, up to rounding."""
    q, k, v = inputs(n=3, m=6)
    a, b, c = parts(q, k, v, [1, 4])
    results = [
        merge_partials(*merge_partials(*a, *b), *c),
        merge_partials(*a, *merge_partials(*b, *c)),
        merge_partials(*merge_partials(*c, *a), *b),
    ]
    for result in results:
        assert_close(result[0], exact(q, k, v)[0], fused(q, k, v))
        assert_close(result[1], exact(q, k, v)[1], plain_lse(q, k))


@pytest.mark.parametrize("kind", FULL_KINDS)
def test_a_part_without_keys_counts_for_nothing(kind):
    """Whatever finite numbers its out holds; where neither part saw a key, out is 0 and lse is −∞; no NaN, no warning."""
    out_a, lse_a = make([[5.0], [5.0], [1e30]], kind), make([2.0, -INF, -INF], kind)
    out_b, lse_b = make([[1e30], [7.0], [-1e30]], kind), make([-INF, 1.0, -INF], kind)
    out, lse = merge_partials(out_a, lse_a, out_b, lse_b)
    assert as_float64(out).ravel().tolist() == [5.0, 7.0, 0.0]
    assert as_float64(lse).tolist() == [2.0, 1.0, -INF]


def test_a_shift_of_both_parts_shifts_only_the_log_sum_exp():
    """Adding 1000 to both lse leaves out, and adds 1000 to lse: only the difference weighs."""
    out_a, out_b = torch.tensor([[1.0], [2.0]]).double(), torch.tensor([[5.0], [4.0]]).double()
    lse_a, lse_b = torch.tensor([0.0, 1.0]).double(), torch.tensor([1.0, 0.0]).double()
    out, lse = merge_partials(out_a, lse_a, out_b, lse_b)
    for shift in (1000.0, -1000.0):
        moved = merge_partials(out_a, lse_a + shift, out_b, lse_b + shift)
        torch.testing.assert_close(moved[0], out, rtol=1e-12, atol=0)
        torch.testing.assert_close(moved[1], lse + shift, rtol=1e-15, atol=0)


def test_the_gradients_of_a_merge():
    """They equal finite differences; a part that saw no key gets none through its out, and all are finite."""
    generator = torch.Generator().manual_seed(0)
    out_a, out_b = (torch.randn(3, 2, dtype=torch.float64, generator=generator, requires_grad=True) for _ in "ab")
    lse_a, lse_b = (torch.randn(3, dtype=torch.float64, generator=generator, requires_grad=True) for _ in "ab")
    assert torch.autograd.gradcheck(merge_partials, (out_a, lse_a, out_b, lse_b))
    empty = torch.tensor([-INF, 0.5, -INF], dtype=torch.float64, requires_grad=True)
    full = torch.tensor([0.5, -INF, -INF], dtype=torch.float64, requires_grad=True)
    out, lse = merge_partials(out_a, empty, out_b, full)
    gradients = torch.autograd.grad(out.sum() + lse[:2].sum(), (out_a, empty, out_b, full))
    assert all(gradient.isfinite().all() for gradient in gradients)
    assert gradients[0][0].tolist() == gradients[2][1].tolist() == gradients[0][2].tolist() == [0.0, 0.0]


def test_a_half_precision_out_may_come_with_a_float32_lse():
    """Each keeps its dtype, and the sum is made in float32."""
    out_a, out_b = torch.tensor([[1.0]]).bfloat16(), torch.tensor([[3.0]]).bfloat16()
    out, lse = merge_partials(out_a, torch.tensor([0.0]), out_b, torch.tensor([0.0]))
    assert (out.dtype, lse.dtype) == (torch.bfloat16, torch.float32)
    assert (out.item(), lse.item()) == (2.0, pytest.approx(math.log(2), rel=1e-6))


def test_nan_in_one_part_stays():
    """A NaN in lse or out of a part that saw keys is in the result."""
    one, zero = np.ones((1, 1)), np.zeros(1)
    assert math.isnan(merge_partials(one, zero, one, zero * math.nan)[0].item())
    assert math.isnan(merge_partials(one, zero * math.nan, one, zero)[1].item())
    assert math.isnan(merge_partials(one, zero, one * math.nan, zero)[0].item())


def test_what_does_not_fit_is_refused():
    """The sentences name the function, the argument and the reason."""
    two, row = np.zeros(2), np.zeros((3, 4))
    assert message_of(ValueError, lambda: online_update(two, two, row)) == (
        "online_update: block has batch axes (3,) in shape (3, 4), but m has batch axes (2,) in shape (2,); "
        "... is any number of batch axes, the same in every argument."
    )
    assert message_of(TypeError, lambda: online_update(two, two, np.zeros((2, 4), dtype=np.float32))) == (
        "online_update: block has dtype float32, but m has float64; "
        "convert one of them, so that no digits are lost unseen."
    )
    assert message_of(ValueError, lambda: merge_partials(row, two, row, two)) == (
        "merge_partials: lse_a has shape (2,), but it must be out_a's (3, 4) without the last axis; "
        "each query has one log-sum-exp."
    )
    assert message_of(TypeError, lambda: merge_partials(row, torch.zeros(3), row, torch.zeros(3))) == (
        "merge_partials: lse_a is a torch tensor, but out_a is a NumPy array; "
        "convert one of them, with torch.from_numpy(...) or tensor.numpy()."
    )
