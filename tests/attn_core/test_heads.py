"""Heads: against an index formula, loops over heads, torch.nn.MultiheadAttention, and counted parameters."""

import numpy as np
import pytest
import torch
from oracle import FULL_KINDS, HALF_KINDS, as_float64, assert_close, make, message_of
from torch import nn

from attn_core.attention import scaled_dot_product_attention
from attn_core.heads import merge_heads, multi_head_attention, parameter_count, split_heads
from attn_core.masks import causal_mask, padding_mask

SIZES = [(1, 1, 1), (1, 4, 2), (2, 6, 3), (3, 6, 6), (4, 8, 4), (5, 6, 1)]  # n, d, heads


def numbers(*shape, kind="numpy float64", seed=0):
    """Normal numbers whose mean is not zero."""
    return make(np.random.default_rng(seed).normal(0.3, 1.0, shape), kind)


def random_input(batch=(2,), n=3, m=5, d=6, kind="numpy float64", seed=0):
    """Return x_q, x_kv and four projections that are not symmetric and leave the softmax unsaturated."""
    shapes = [(*batch, n, d), (*batch, m, d)] + [(d, d)] * 4
    arrays = [numbers(*shape, seed=seed + i) for i, shape in enumerate(shapes)]
    return [make(x, kind) for x in arrays[:2]] + [make(W / np.sqrt(d), kind) for W in arrays[2:]]


# --- splitting and merging


@pytest.mark.parametrize("kind", FULL_KINDS + HALF_KINDS)
def test_split_by_hand(kind):
    """Two tokens of four channels and two heads: head 0 gets the first two channels of every token."""
    x = make([[[1, 2, 3, 4], [5, 6, 7, 8]]], kind)
    split = split_heads(x, 2)
    assert split.tolist() == [[[[1, 2], [5, 6]], [[3, 4], [7, 8]]]]
    assert split.dtype == x.dtype
    assert merge_heads(split).tolist() == x.tolist()


@pytest.mark.parametrize("kind", FULL_KINDS)
@pytest.mark.parametrize("batch", [(), (2,), (2, 3), (1, 2, 2)])
@pytest.mark.parametrize(("n", "d", "heads"), SIZES)
def test_each_number_goes_where_the_indices_say(kind, batch, n, d, heads):
    """split[..., h, i, c] = x[..., i, h d/heads + c], one number at a time; merging undoes it to the last bit."""
    x = make(np.arange(float(np.prod((*batch, n, d)))).reshape(*batch, n, d), kind)
    split, size = split_heads(x, heads), d // heads
    assert tuple(split.shape) == (*batch, heads, n, size)
    for place in np.ndindex(*split.shape):
        *slot, h, i, c = place
        assert split[place] == x[(*slot, i, h * size + c)]
    assert (merge_heads(split) == x).all()


@pytest.mark.parametrize(("heads", "n", "d_v"), [(2, 3, 4), (3, 2, 1), (1, 2, 2), (4, 4, 4)])
def test_merging_and_splitting_are_inverse_in_both_orders(heads, n, d_v):
    """split(merge(y)) = y as well, d_v being free of n and heads."""
    y = numbers(2, heads, n, d_v)
    assert (split_heads(merge_heads(y), heads) == y).all()


def test_one_head_and_heads_of_one_channel():
    """heads = 1 inserts an axis; heads = d is the transpose: these two hide a forgotten transpose least and most."""
    x = numbers(2, 3, 4)
    assert (split_heads(x, 1) == x[:, None]).all()
    assert (split_heads(x, 4)[..., 0] == x.swapaxes(1, 2)).all()


def test_a_reshape_alone_mixes_tokens():
    """(B, heads, n, d/heads) by reshape has the right shape and other numbers, except for one head or one token."""
    for n, heads, same in [(3, 2, False), (2, 2, False), (4, 4, False), (3, 1, True), (1, 2, True)]:
        x = numbers(2, n, 4)
        assert (split_heads(x, heads) == x.reshape(2, heads, n, 4 // heads)).all() == same


def test_memory_that_is_not_contiguous():
    """Slices and transposes are split like their copies, in both libraries."""
    for x in (numbers(4, 8, 2).swapaxes(0, 2)[..., ::2], torch.tensor(numbers(4, 8, 2)).permute(2, 1, 0)[..., ::2]):
        copy = x.copy() if isinstance(x, np.ndarray) else x.contiguous()
        assert (split_heads(x, 2) == split_heads(copy, 2)).all()
        assert (merge_heads(split_heads(x, 2)) == copy).all()


# --- multi-head attention


def head_by_head(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    """Each head on its own, with its columns of the projections and its rows of W_o; the heads are summed."""
    size, out, all_weights = x_q.shape[-1] // heads, 0.0, []
    for h in range(heads):
        own = slice(h * size, (h + 1) * size)
        scores = (x_q @ W_q[:, own]) @ (x_kv @ W_k[:, own]).swapaxes(-1, -2) / np.sqrt(size)
        if mask is not None:
            full = np.broadcast_to(mask, (*scores.shape[:-2], heads, *scores.shape[-2:]))
            scores = np.where(full[..., h, :, :], scores, -1e300)
        e = np.exp(scores - scores.max(-1, keepdims=True))
        all_weights.append(e / e.sum(-1, keepdims=True))
        out = out + all_weights[-1] @ (x_kv @ W_v[:, own]) @ W_o[own]
    return out, np.stack(all_weights, -3)


@pytest.mark.parametrize("batch", [(), (2,), (3, 2)])
@pytest.mark.parametrize("heads", [1, 2, 3, 6])
def test_equals_a_sum_over_heads(batch, heads):
    """Concatenation and W_o are a sum of heads, each through its own rows of W_o."""
    arguments = random_input(batch, seed=heads)
    for result, expected in zip(multi_head_attention(*arguments, heads), head_by_head(*arguments, heads), strict=True):
        np.testing.assert_allclose(result, expected, atol=1e-12)


@pytest.mark.parametrize("kind", ["torch float32", "torch float64"])
@pytest.mark.parametrize("heads", [1, 2, 4, 8])
@pytest.mark.parametrize("masked", [False, True])
def test_torch_module_gives_the_same_output_and_weights(kind, heads, masked):
    """torch.nn.MultiheadAttention with our matrices transposed, without biases, its mask inverted."""
    arguments = random_input(n=4, m=7, d=8, kind=kind, seed=3)
    x_q, x_kv, *projections = arguments
    module = nn.MultiheadAttention(8, heads, bias=False, batch_first=True, dtype=x_q.dtype)
    with torch.no_grad():
        module.in_proj_weight.copy_(torch.cat([W.T for W in projections[:3]]))
        module.out_proj.weight.copy_(projections[3].T)
    mask = causal_mask(4, 7, like=x_q) if masked else None
    theirs = module(x_q, x_kv, x_kv, attn_mask=None if mask is None else ~mask, average_attn_weights=False)
    exact = multi_head_attention(*(x.double() for x in arguments), heads, mask)
    for result, expected, peer in zip(multi_head_attention(*arguments, heads, mask), exact, theirs, strict=True):
        assert result.dtype == x_q.dtype
        assert_close(result, expected, peer.detach(), scale=10.0)


def test_one_head_is_plain_attention():
    """heads = 1: scaled dot-product attention of the projections, times W_o; W_v W_o may be one matrix."""
    x_q, x_kv, W_q, W_k, W_v, W_o = random_input(seed=4)
    out, weights = multi_head_attention(x_q, x_kv, W_q, W_k, W_v, W_o, 1)
    context, expected = scaled_dot_product_attention(x_q @ W_q, x_kv @ W_k, x_kv @ W_v)
    np.testing.assert_allclose(out, context @ W_o, atol=1e-12)
    np.testing.assert_allclose(weights[:, 0], expected, atol=1e-12)
    np.testing.assert_allclose(out, multi_head_attention(x_q, x_kv, W_q, W_k, W_v @ W_o, np.eye(6), 1)[0], atol=1e-12)


def test_with_two_heads_the_value_matrix_cannot_swallow_the_output_matrix():
    """The collapse of W_v and W_o into one matrix gives another function as soon as there are two heads."""
    x_q, x_kv, W_q, W_k, W_v, W_o = random_input(seed=5)
    collapsed = multi_head_attention(x_q, x_kv, W_q, W_k, W_v @ W_o, np.eye(6), 2)[0]
    assert np.abs(multi_head_attention(x_q, x_kv, W_q, W_k, W_v, W_o, 2)[0] - collapsed).max() > 0.05


def test_every_head_reads_the_whole_token():
    """Another number in one channel of one key changes the weights of all heads: no head owns a part of the input."""
    x_q, x_kv, *projections = random_input(seed=6)
    other = x_kv.copy()
    other[0, 2, 5] += 1.0
    before, after = (multi_head_attention(x_q, x, *projections, 3)[1] for x in (x_kv, other))
    assert (np.abs(before - after)[0].max((-1, -2)) > 1e-3).all()
    assert (before[1] == after[1]).all()


def test_order_of_the_heads_does_not_matter():
    """Permuting the heads' columns of W_q, W_k, W_v and their rows of W_o permutes the weights and keeps the output."""
    x_q, x_kv, W_q, W_k, W_v, W_o = random_input(seed=7)
    order = np.arange(6).reshape(3, 2)[[2, 0, 1]].ravel()
    out, weights = multi_head_attention(x_q, x_kv, W_q, W_k, W_v, W_o, 3)
    permuted = multi_head_attention(x_q, x_kv, W_q[:, order], W_k[:, order], W_v[:, order], W_o[order], 3)
    np.testing.assert_allclose(permuted[0], out, atol=1e-12)
    np.testing.assert_allclose(permuted[1], weights[:, [2, 0, 1]], atol=1e-12)


@pytest.mark.parametrize(
    "shape", [(5,), (1, 5), (3, 1), (3, 5), (3, 1, 5), (3, 3, 5), (3, 1, 1), (2, 1, 1, 5), (2, 3, 3, 5)]
)
def test_masks_of_every_shape(shape):
    """Whatever broadcasts to (B, heads, n, m): one for all, one per head, one per sequence."""
    mask = np.random.default_rng(8).random(shape) < 0.6
    mask[..., 0] = True
    arguments = random_input(seed=8)
    out, weights = multi_head_attention(*arguments, 3, mask)
    expected = head_by_head(*arguments, 3, mask)
    np.testing.assert_allclose(out, expected[0], atol=1e-12)
    np.testing.assert_allclose(weights, expected[1], atol=1e-12)
    assert not weights[~np.broadcast_to(mask, weights.shape)].any()


def test_a_padding_mask_needs_an_axis_for_the_heads():
    """mask[:, None] hides the padding from all heads; what stands there then changes nothing."""
    x_q, x_kv, *projections = random_input(seed=9)
    mask = padding_mask(np.array([5, 2]), 5)[:, None]
    other = x_kv.copy()
    other[1, 2:] = 7.0
    for one, two in zip(*(multi_head_attention(x_q, x, *projections, 2, mask) for x in (x_kv, other)), strict=True):
        assert (one == two).all()


def test_a_head_that_sees_nothing_adds_nothing():
    """A query whose row is empty in one head gets the other heads' part; empty in all heads, it gets zeros."""
    x_q, x_kv, W_q, W_k, W_v, W_o = (torch.tensor(x, requires_grad=True) for x in random_input(seed=10))
    mask = torch.ones(2, 3, 5, dtype=torch.bool)
    mask[0, 1] = False
    mask[:, 2] = False
    out, weights = multi_head_attention(x_q, x_kv, W_q, W_k, W_v, W_o, 2, mask)
    assert not out[:, 2].any()
    assert not weights[:, 0, 1].any()
    second = weights[:, 1, 1:2] @ (x_kv @ W_v)[..., 3:] @ W_o[3:]
    torch.testing.assert_close(out[:, 1:2], second)
    (out.sum() + weights.square().sum()).backward()
    assert all(torch.isfinite(x.grad).all() for x in (x_q, x_kv, W_q, W_k, W_v, W_o))


def test_gradients_equal_finite_differences():
    """Through both projections of x_kv and through the mask."""
    arguments = [torch.tensor(x, requires_grad=True) for x in random_input(n=2, m=3, d=4, seed=11)]
    mask = causal_mask(2, 3, like=arguments[0])
    assert torch.autograd.gradcheck(lambda *a: multi_head_attention(*a, 2, mask), arguments)


@pytest.mark.parametrize("heads", [1, 3])
def test_numpy_and_torch_agree(heads):
    """The same numbers from both libraries."""
    arguments = random_input(seed=12)
    for ours, theirs in zip(
        multi_head_attention(*arguments, heads),
        multi_head_attention(*map(torch.tensor, arguments), heads),
        strict=True,
    ):
        np.testing.assert_allclose(ours, as_float64(theirs), atol=1e-12)


# --- parameters


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(("d_model", "heads"), [(8, 1), (8, 2), (8, 8), (12, 3), (64, 4)])
def test_count_equals_the_torch_module(d_model, heads, bias):
    """As many as nn.MultiheadAttention registers, with and without biases."""
    module = nn.MultiheadAttention(d_model, heads, bias=bias)
    assert parameter_count(d_model, heads, bias=bias) == sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(("d_model", "heads", "d_head"), [(8, 2, 4), (8, 3, 5), (10, 4, 1), (6, 1, 7), (16, 16, 16)])
def test_count_equals_four_linear_layers(d_model, heads, d_head, bias):
    """With a head size of its own: three layers out of d_model, one back into it."""
    inner = heads * d_head
    layers = [nn.Linear(d_model, inner, bias=bias) for _ in range(3)] + [nn.Linear(inner, d_model, bias=bias)]
    assert parameter_count(d_model, heads, d_head, bias) == sum(
        p.numel() for layer in layers for p in layer.parameters()
    )


def test_known_models():
    """d = 512: 4 · 512²; d = 768 with biases: 2,362,368 for any heads; T5-11B's layer has four times d²·4."""
    assert parameter_count(512, 8) == 1_048_576
    assert {parameter_count(768, heads, bias=True) for heads in (1, 4, 8, 12, 24)} == {2_362_368}
    assert parameter_count(1024, 128, 128) == 16 * parameter_count(1024, 128) == 67_108_864


def test_count_is_a_python_int():
    """Whole numbers of other libraries are taken, and a plain int comes back."""
    assert type(parameter_count(np.int64(8), np.int64(2), np.int64(3), bias=np.True_)) is int
    assert parameter_count(10**12, 1) == 4 * 10**24


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: split_heads(numbers(2, 3, 7), 2),
            ValueError,
            "split_heads: heads=2 does not divide d=7, so the heads cannot share its channels evenly; choose a divisor.",
        ),
        (
            lambda: split_heads(numbers(2, 3, 6), 0),
            ValueError,
            "split_heads: heads is 0, but it must be 1 or more.",
        ),
        (
            lambda: split_heads(numbers(2, 3, 6), 2.0),
            TypeError,
            "split_heads: heads is of type float, but it must be a whole number.",
        ),
        (
            lambda: merge_heads(numbers(3, 6)),
            ValueError,
            "merge_heads: x has shape (3, 6), but it must be (..., heads, n, d_v); heads is the number of heads, "
            "n is the number of queries, or of source positions in a recurrent model, "
            "d_v is the number of features of a value.",
        ),
        (
            lambda: multi_head_attention(*random_input(), 4),
            ValueError,
            "multi_head_attention: heads=4 does not divide d=6, so the heads cannot share its channels evenly; "
            "choose a divisor.",
        ),
        (
            lambda: multi_head_attention(*random_input()[:4], numbers(6, 5), numbers(6, 6), 2),
            ValueError,
            "multi_head_attention: W_v has shape (6, 5), but it must be (d, d) = (6, 6); "
            "d is the number of features of a token.",
        ),
        (
            lambda: multi_head_attention(*random_input()[:5], numbers(6, 6, kind="numpy float32"), 2),
            TypeError,
            "multi_head_attention: W_o has dtype float32, but x_q has float64; "
            "convert one of them, so that no digits are lost unseen.",
        ),
        (
            lambda: multi_head_attention(*random_input(), 3, np.ones((2, 3, 5), bool)),
            ValueError,
            "scaled_dot_product_attention: mask has shape (2, 3, 5), but it must broadcast to the scores' (2, 3, 3, 5); "
            "counted from the right, each of its sizes is 1 or equal to that of the scores.",
        ),
        (
            lambda: parameter_count(512, 7),
            ValueError,
            "parameter_count: heads=7 does not divide d_model=512, so the heads cannot share its channels evenly; "
            "choose a divisor.",
        ),
        (
            lambda: parameter_count(512, 8, 0),
            ValueError,
            "parameter_count: d_head is 0, but it must be 1 or more.",
        ),
        (
            lambda: parameter_count(512.0, 8),
            TypeError,
            "parameter_count: d_model is of type float, but it must be a whole number.",
        ),
    ],
)
def test_what_does_not_fit_is_refused(call, error, message):
    """Heads that do not divide, sizes that are none, shapes and dtypes that differ: a sentence names the argument."""
    assert message_of(error, call) == message


def test_heads_that_do_not_divide_are_fine_with_a_head_size_of_their_own():
    """Then the heads share nothing, and nothing need be divided."""
    assert parameter_count(10, 3, 4) == 4 * 10 * 12
