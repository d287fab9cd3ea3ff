"""Grouped queries: against a loop over heads, torch's enable_gqa, and the limits multi-head and multi-query."""

import numpy as np
import pytest
import torch
from oracle import FULL_KINDS, as_float64, assert_close, make, message_of
from torch.nn.functional import scaled_dot_product_attention as torch_attention

from attn_core.attention import scaled_dot_product_attention
from attn_core.grouped_query import grouped_query_attention
from attn_core.masks import causal_mask

GROUPS = [(1, 1), (2, 1), (4, 1), (4, 2), (4, 4), (6, 2), (6, 3)]  # H_q, H_kv


def random_input(H_q, H_kv, batch=(2,), n=3, m=5, d_k=4, d_v=4, kind="numpy float64", seed=0):
    """Return q, k and v; the mean of the values is not 0."""
    rng = np.random.default_rng(seed)
    shapes = [(*batch, H_q, n, d_k), (*batch, H_kv, m, d_k), (*batch, H_kv, m, d_v)]
    return [make(rng.normal(0.4, 1.0, shape), kind) for shape in shapes]


def head_by_head(q, k, v, mask=None):
    """Query head i with key-value head i // group, one after the other."""
    group, outputs = q.shape[-3] // k.shape[-3], []
    for i in range(q.shape[-3]):
        own = None
        if mask is not None:
            own = np.broadcast_to(mask, (*q.shape[:-1], k.shape[-2]))[..., i, :, :]
        arguments = (x[..., j, :, :] for x, j in ((q, i), (k, i // group), (v, i // group)))
        outputs.append(scaled_dot_product_attention(*arguments, own)[0])
    return np.stack(outputs, -3)


@pytest.mark.parametrize("kind", FULL_KINDS)
def test_by_hand(kind):
    """Two groups of two heads over a single key each: heads 0 and 1 read the first value, 2 and 3 the second."""
    q, k, v = random_input(4, 2, n=1, m=1, kind=kind)
    out = grouped_query_attention(q, k, v)
    assert [out[0, i].tolist() for i in range(4)] == [v[0, g].tolist() for g in (0, 0, 1, 1)]
    assert out.dtype == q.dtype


@pytest.mark.parametrize("batch", [(), (2,), (2, 3)])
@pytest.mark.parametrize("heads", GROUPS)
def test_equals_a_loop_over_the_heads(batch, heads):
    """For any groups and batch axes, d_v other than d_k."""
    arguments = random_input(*heads, batch, d_v=3, seed=1)
    np.testing.assert_allclose(grouped_query_attention(*arguments), head_by_head(*arguments), atol=1e-12)


@pytest.mark.parametrize("kind", ["torch float32", "torch float64"])
@pytest.mark.parametrize("heads", GROUPS)
@pytest.mark.parametrize("masked", [False, True])
def test_torch_groups_the_same_heads(kind, heads, masked):
    """torch's scaled_dot_product_attention with enable_gqa."""
    arguments = random_input(*heads, d_v=6, kind=kind, seed=2)
    mask = causal_mask(3, 5, like=arguments[0]) if masked else None
    peer = torch_attention(*arguments, attn_mask=mask, enable_gqa=True)
    exact = grouped_query_attention(*(x.double() for x in arguments), mask)
    assert_close(grouped_query_attention(*arguments, mask), exact, peer, scale=10.0)


def test_as_many_key_value_heads_as_query_heads_is_multi_head_attention():
    """H_kv = H_q: the heads are a batch axis, nothing is shared."""
    arguments = random_input(3, 3, seed=3)
    np.testing.assert_allclose(
        grouped_query_attention(*arguments), scaled_dot_product_attention(*arguments)[0], atol=1e-12
    )


def test_one_key_value_head_is_multi_query_attention():
    """H_kv = 1: every query head reads the same keys and values."""
    q, k, v = random_input(4, 1, seed=4)
    for i, out in enumerate(np.moveaxis(grouped_query_attention(q, k, v), 1, 0)):
        np.testing.assert_allclose(out, scaled_dot_product_attention(q[:, i], k[:, 0], v[:, 0])[0], atol=1e-12)


def test_repeated_key_value_heads_change_nothing():
    """Grouping equals multi-head attention over keys and values repeated head by head, not tiled."""
    q, k, v = random_input(6, 3, seed=5)
    repeated = scaled_dot_product_attention(q, np.repeat(k, 2, axis=1), np.repeat(v, 2, axis=1))[0]
    tiled = scaled_dot_product_attention(q, np.tile(k, (1, 2, 1, 1)), np.tile(v, (1, 2, 1, 1)))[0]
    np.testing.assert_allclose(grouped_query_attention(q, k, v), repeated, atol=1e-12)
    assert np.abs(repeated - tiled).max() > 0.1


def test_a_key_value_head_reaches_its_group_only():
    """Another value in head 1 of 3 changes query heads 2 and 3 of 6, and no other."""
    q, k, v = random_input(6, 3, seed=6)
    other = v.copy()
    other[:, 1] += 1.0
    changed = (grouped_query_attention(q, k, other) != grouped_query_attention(q, k, v)).any((0, 2, 3))
    assert changed.tolist() == [False, False, True, True, False, False]


@pytest.mark.parametrize(
    "shape", [(5,), (3, 1), (3, 5), (1, 3, 5), (4, 1, 1), (4, 1, 5), (4, 3, 5), (2, 1, 1, 5), (2, 4, 3, 5)]
)
def test_masks_of_every_shape(shape):
    """Whatever broadcasts to (B, H_q, n, m); heads of one group may see different keys."""
    mask = np.random.default_rng(7).random(shape) < 0.6
    mask[..., 0] = True
    arguments = random_input(4, 2, seed=7)
    np.testing.assert_allclose(grouped_query_attention(*arguments, mask), head_by_head(*arguments, mask), atol=1e-12)


def test_empty_rows_give_zeros_and_finite_gradients():
    """A query head that may attend to nothing gets zeros, its neighbours in the group do not."""
    q, k, v = (torch.tensor(x, requires_grad=True) for x in random_input(4, 2, seed=8))
    mask = torch.ones(4, 3, 5, dtype=torch.bool)
    mask[1, 2] = False
    out = grouped_query_attention(q, k, v, mask)
    assert not out[:, 1, 2].any()
    assert out[:, 0, 2].all()
    out.square().sum().backward()
    assert all(torch.isfinite(x.grad).all() for x in (q, k, v))


def test_gradients_equal_finite_differences():
    """The gradients of the heads of a group add up in their keys and values."""
    arguments = [torch.tensor(x, requires_grad=True) for x in random_input(4, 2, n=2, m=3, d_k=2, d_v=3, seed=9)]
    assert torch.autograd.gradcheck(grouped_query_attention, arguments)


def test_keys_and_values_are_not_repeated():
    """No buffer is as large as the repeated keys: 1 token over a long cache, 16 query heads, 1 key-value head."""
    q, k, v = (torch.tensor(x) for x in random_input(16, 1, (1,), n=1, m=512, d_k=64, d_v=64))
    largest = 0

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            nonlocal largest
            out = function(*args, **(kwargs or {}))
            if isinstance(out, torch.Tensor):
                largest = max(largest, out.untyped_storage().nbytes())
            return out

    with Watch():
        grouped_query_attention(q, k, v)
    assert (
        largest <= k.untyped_storage().nbytes()
    )  # a view or a copy of what there is; repeated it would be 16 times that


def test_numpy_and_torch_agree():
    """The same numbers from both libraries, with a mask."""
    arguments, mask = random_input(4, 2, seed=10), causal_mask(3, 5)
    theirs = grouped_query_attention(*map(torch.tensor, arguments), torch.tensor(mask))
    np.testing.assert_allclose(grouped_query_attention(*arguments, mask), as_float64(theirs), atol=1e-12)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: grouped_query_attention(*random_input(4, 3)),
            ValueError,
            "grouped_query_attention: q has H_q=4 heads and k has H_kv=3, but each key-value head must serve the same "
            "number of query heads, so H_kv must divide H_q.",
        ),
        (
            lambda: grouped_query_attention(*random_input(2, 4)),
            ValueError,
            "grouped_query_attention: q has H_q=2 heads and k has H_kv=4, but each key-value head must serve the same "
            "number of query heads, so H_kv must divide H_q.",
        ),
        (
            lambda: grouped_query_attention(*random_input(4, 2)[:2], random_input(4, 4)[2]),
            ValueError,
            "grouped_query_attention: v has H_kv=4 in shape (2, 4, 5, 4), but k has H_kv=2 in shape (2, 2, 5, 4); "
            "H_kv is the number of key-value heads.",
        ),
        (
            lambda: grouped_query_attention(*random_input(4, 2), np.ones((2, 3, 5), bool)),
            ValueError,
            "grouped_query_attention: mask has shape (2, 3, 5), but it must broadcast to the scores' (2, 4, 3, 5); "
            "counted from the right, each of its sizes is 1 or equal to that of the scores.",
        ),
    ],
)
def test_what_does_not_fit_is_refused(call, error, message):
    """Groups that are not whole, sizes that differ, a mask that does not broadcast: a sentence names the argument."""
    assert message_of(error, call) == message
