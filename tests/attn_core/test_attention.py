"""The whole formula, against decimal arithmetic and torch's own scaled dot-product attention."""

import math

import numpy as np
import pytest
import torch
from oracle import FULL_KINDS, HALF_KINDS, as_float64, assert_close, exact_attention, make, message_of
from torch.nn.attention.bias import causal_lower_right

from attn_core.attention import scaled_dot_product_attention
from attn_core.masks import causal_mask, padding_mask

SHAPES = [(1, 1, 1, 1), (2, 3, 4, 5), (5, 2, 3, 1), (3, 3, 8, 2)]  # n, m, d_k, d_v


def random_input(batch, n, m, d_k, d_v, kind, seed=0):
    """Return q, k and v; the mean of the values is not 0."""
    generator = np.random.default_rng(seed)
    shapes = ((*batch, n, d_k), (*batch, m, d_k), (*batch, m, d_v))
    return tuple(make(generator.standard_normal(shape) + 0.5, kind) for shape in shapes)


def like(array, values):
    """Return a mask as an array of the same library."""
    return torch.tensor(values) if isinstance(array, torch.Tensor) else np.asarray(values)


def torch_attention(q, k, v, mask=None, bias=None):
    """Return torch's context, and its weights by way of the unit values, in the dtype of q."""
    dtype = getattr(torch, str(q.dtype).removeprefix("torch."))
    q, k, v = (torch.tensor(as_float64(array), dtype=dtype) for array in (q, k, v))
    added = torch.zeros(*q.shape[:-1], k.shape[-2], dtype=dtype)
    if bias is not None:
        added = added + torch.tensor(as_float64(bias), dtype=dtype)
    if mask is not None:
        added = added.masked_fill(torch.tensor(as_float64(mask)) == 0, -math.inf)
    unit = torch.eye(k.shape[-2], dtype=dtype).expand(*k.shape[:-1], k.shape[-2])
    return tuple(torch.nn.functional.scaled_dot_product_attention(q, k, x, attn_mask=added) for x in (v, unit))


def assert_attention(q, k, v, **extra):
    """Compare context and weights with the exact ones; rounding of a score of size s costs s epsilons of a weight."""
    results = scaled_dot_product_attention(q, k, v, **extra)
    exacts, peers = exact_attention(q, k, v, **extra), torch_attention(q, k, v, **extra)
    largest = [np.abs(as_float64(array)).max(initial=0.0) for array in (q, k, v)]
    condition = 1.0 + largest[0] * largest[1] * math.sqrt(q.shape[-1])
    for result, exact, peer, scale in zip(results, exacts, peers, (condition * largest[2], condition), strict=True):
        assert result.dtype == q.dtype
        assert_close(result, exact, peer, scale=scale)
    return results


@pytest.mark.parametrize("kind", FULL_KINDS)
def test_two_by_two_by_hand(kind):
    """Scores 0 and ln 3 give weights 1/4 and 3/4; equal scores give the mean of the values."""
    q, k = make([[math.log(3)], [0.0]], kind), make([[0.0], [1.0]], kind)
    out, weights = scaled_dot_product_attention(q, k, make([[4.0, 0.0], [8.0, 2.0]], kind))
    assert_close(weights, [[0.25, 0.75], [0.5, 0.5]], make([[0.25, 0.75], [0.5, 0.5]], kind))
    assert_close(out, [[7.0, 1.5], [6.0, 1.0]], make([[7.0, 1.5], [6.0, 1.0]], kind))


@pytest.mark.parametrize("kind", FULL_KINDS)
def test_one_key_is_copied(kind):
    """With a single key every query reads its value, whatever the scores."""
    q, k, v = random_input((2,), 3, 1, 4, 5, kind)
    out, weights = scaled_dot_product_attention(100 * q, k, v)
    assert as_float64(weights).tolist() == np.ones((2, 3, 1)).tolist()
    assert as_float64(out).tolist() == np.repeat(as_float64(v), 3, axis=1).tolist()


@pytest.mark.parametrize("kind", FULL_KINDS)
@pytest.mark.parametrize("batch", [(), (2,), (2, 3), (2, 1, 2)])
@pytest.mark.parametrize("shape", SHAPES)
def test_any_shape(kind, batch, shape):
    """Zero to three batch axes, n other than m, d_v other than d_k."""
    assert_attention(*random_input(batch, *shape, kind))


@pytest.mark.parametrize("kind", FULL_KINDS)
@pytest.mark.parametrize("shape", [(), (3,), (4, 1), (4, 3), (2, 1, 3), (1, 4, 1), (2, 4, 3)])
def test_masks_and_biases_of_every_shape(kind, shape):
    """Alone and together, stretched to (..., n, m); forbidden weights are exactly 0."""
    q, k, v = random_input((2,), 4, 3, 5, 2, kind)
    generator = np.random.default_rng(1)
    mask, bias = like(q, generator.random(shape) < 0.6), make(generator.standard_normal(shape), kind)
    assert_attention(q, k, v, bias=bias)
    for extra in ({"mask": mask}, {"mask": mask, "bias": bias}):
        _, weights = assert_attention(q, k, v, **extra)
        forbidden = ~np.broadcast_to(as_float64(mask) != 0, (2, 4, 3))
        assert (as_float64(weights)[forbidden] == 0.0).all()


@pytest.mark.parametrize("kind", FULL_KINDS)
def test_sequences_with_heads(kind):
    """Causal and padding masks over (B, heads, n, m), with more queries than keys and one sequence without keys."""
    q, k, v = random_input((2, 3), 4, 3, 5, 2, kind)
    mask = causal_mask(4, 3, like=q) & padding_mask(like(q, [2, 0]), 3)[:, None]
    out, weights = assert_attention(q, k, v, mask=mask)
    assert (as_float64(weights)[:, :, 0] == 0.0).all()
    assert (as_float64(out)[1] == 0.0).all()


@pytest.mark.parametrize(("n", "m"), [(3, 3), (2, 5), (1, 4)])
def test_causal_as_torch_aligns_it_for_a_cache(n, m):
    """Our causal mask is torch's `causal_lower_right`."""
    q, k, v = random_input((2, 1), n, m, 4, 4, "torch float64")
    bias = causal_lower_right(n, m)
    peer = torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=bias)
    assert_close(scaled_dot_product_attention(q, k, v, mask=causal_mask(n, m, like=q))[0], peer, peer, scale=5.0)


@pytest.mark.parametrize("kind", FULL_KINDS)
@pytest.mark.parametrize("size", [1e4, 1e30])
def test_huge_scores(kind, size):
    """Scores up to ±1e30 neither overflow nor blur: the best key takes all, ties share."""
    q, k = make([[size], [-size], [0.0]], kind), make([[1.0], [1.0], [-1.0]], kind)
    out, weights = scaled_dot_product_attention(q, k, make([[2.0], [4.0], [6.0]], kind))
    third = 1 / np.array(3, dtype=kind.split()[1])
    assert as_float64(weights).tolist() == [[0.5, 0.5, 0.0], [0.0, 0.0, 1.0], [third, third, third]]
    assert as_float64(out)[:2].tolist() == [[3.0], [6.0]]


@pytest.mark.parametrize("kind", FULL_KINDS)
def test_empty_rows(kind):
    """A query that may attend to nothing gets zeros, and the queries beside it what they get alone."""
    q, k, v = random_input((), 3, 4, 2, 5, kind)
    mask = like(q, [[True, False, True, True], [False] * 4, [True] * 4])
    out, weights = assert_attention(q, k, v, mask=mask)
    assert (as_float64(out)[1] == 0.0).all()
    assert (as_float64(weights)[1] == 0.0).all()


@pytest.mark.parametrize("kind", FULL_KINDS)
def test_no_keys_at_all(kind):
    """With m = 0 every row is empty: zero context."""
    out, weights = scaled_dot_product_attention(*random_input((2,), 3, 0, 4, 5, kind))
    assert tuple(weights.shape) == (2, 3, 0)
    assert as_float64(out).tolist() == np.zeros((2, 3, 5)).tolist()


@pytest.mark.parametrize("kind", FULL_KINDS)
def test_bias_is_added_after_scaling_and_before_the_mask(kind):
    """With zero queries the bias alone makes the scores, whatever d_k; a forbidden key stays forbidden."""
    q, k, v = make(np.zeros((1, 16)), kind), make(np.ones((2, 16)), kind), make([[0.0], [1.0]], kind)
    _, weights = scaled_dot_product_attention(q, k, v, bias=make([0.0, math.log(3)], kind))
    assert_close(weights, [[0.25, 0.75]], make([[0.25, 0.75]], kind))
    _, weights = scaled_dot_product_attention(q, k, v, mask=like(q, [True, False]), bias=make([0.0, 1e30], kind))
    assert as_float64(weights).tolist() == [[1.0, 0.0]]


@pytest.mark.parametrize("kind", FULL_KINDS)
def test_a_bias_of_minus_infinity_is_a_mask(kind):
    """The additive convention gives the very same result, empty rows included."""
    q, k, v = random_input((), 2, 3, 4, 5, kind)
    mask = np.array([[True, False, True], [False, False, False]])
    masked = scaled_dot_product_attention(q, k, v, mask=like(q, mask))
    biased = scaled_dot_product_attention(q, k, v, bias=make(np.where(mask, 0.0, -math.inf), kind))
    assert [x.tolist() for x in masked] == [x.tolist() for x in biased]


@pytest.mark.parametrize("kind", FULL_KINDS)
def test_the_order_of_the_keys_does_not_matter(kind):
    """Permuting keys and values together permutes the weights and leaves the context."""
    q, k, v = random_input((), 2, 4, 3, 5, kind)
    order = [2, 0, 3, 1]
    out, weights = scaled_dot_product_attention(q, k, v)
    out_permuted, weights_permuted = scaled_dot_product_attention(q, k[order], v[order])
    assert_close(out_permuted, out, out, scale=5.0)
    assert_close(weights_permuted, weights[:, order], weights[:, order], scale=5.0)


@pytest.mark.parametrize("kind", FULL_KINDS)
def test_views_work_and_inputs_stay_as_they_are(kind):
    """Heads by transposed views, a strided mask, a stretched bias: as exact as copies, and nothing is written."""
    base = random_input((2,), 4, 4, 6, 6, kind)
    swap = torch.transpose if kind.startswith("torch") else np.swapaxes
    q, k, v = (swap(array, -1, -2)[:, ::2, 1:] for array in base)
    mask = like(q, np.arange(36).reshape(6, 6) % 5 < 3)[::2, ::2]
    before = [as_float64(array).copy() for array in (q, k, v, mask)]
    assert_attention(q, k, v, mask=mask)
    assert [as_float64(array).tolist() for array in (q, k, v, mask)] == [array.tolist() for array in before]


@pytest.mark.parametrize("kind", HALF_KINDS)
def test_half_precision_is_kept(kind):
    """Half precision stays half, and is as accurate as its rounded scores allow."""
    q, k, v = random_input((2,), 3, 4, 8, 5, kind)
    assert_attention(q, k, v)


def test_gradients_by_finite_differences():
    """Gradcheck in float64 with a mask, one of whose rows is empty, and a bias."""
    q, k, v = random_input((2,), 3, 4, 2, 3, "torch float64")
    mask = torch.tensor([[True, False, True, True], [False] * 4, [True] * 4])
    bias = torch.randn(3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    inputs = [tensor.requires_grad_() for tensor in (q, k, v, bias)]
    assert torch.autograd.gradcheck(lambda q, k, v, b: scaled_dot_product_attention(q, k, v, mask, b), inputs)


@pytest.mark.parametrize("kind", ["torch float32", "torch float64"])
@pytest.mark.parametrize("masked", [False, True])
def test_gradients_against_torch(kind, masked):
    """The vector-Jacobian product is that of torch's function in float64."""
    inputs = [tensor.requires_grad_() for tensor in random_input((2,), 3, 4, 5, 2, kind)]
    cotangent = torch.randn(2, 3, 2, generator=torch.Generator().manual_seed(0)).to(inputs[0].dtype)
    mask = torch.tensor([[True, False, True, True], [False, True, False, False], [True] * 4]) if masked else None
    ours = torch.autograd.grad(scaled_dot_product_attention(*inputs, mask=mask)[0], inputs, cotangent)

    def torch_gradients(arrays, cotangent):
        out = torch.nn.functional.scaled_dot_product_attention(*arrays, attn_mask=mask)
        return torch.autograd.grad(out, arrays, cotangent)

    peers = torch_gradients(inputs, cotangent)
    exacts = torch_gradients([tensor.detach().double().requires_grad_() for tensor in inputs], cotangent.double())
    for gradient, exact, peer in zip(ours, exacts, peers, strict=True):
        assert_close(gradient, exact, peer, scale=10.0)


def test_gradients_of_empty_rows_are_finite_and_zero():
    """A query without keys gets and gives no gradient, even for a cotangent on its weights."""
    q, k, v = (tensor.requires_grad_() for tensor in random_input((), 2, 3, 4, 5, "torch float32"))
    mask = torch.tensor([[False, False, False], [True, True, False]])
    out, weights = scaled_dot_product_attention(q, k, v, mask=mask)
    gradients = torch.autograd.grad(out.sum() + (weights * weights).sum(), (q, k, v))
    assert all(torch.isfinite(gradient).all() for gradient in gradients)
    assert (gradients[0][0] == 0).all()
    assert (gradients[0][1] != 0).all()
    assert (gradients[1][2] == 0).all()
    assert (gradients[2][2] == 0).all()


def test_other_devices_are_kept():
    """Nothing is made on the CPU on the way: the meta device, which holds no data, works."""
    q = torch.zeros(2, 3, device="meta")
    out, weights = scaled_dot_product_attention(q, q, q, mask=causal_mask(2, like=q))
    assert out.device.type == weights.device.type == "meta"


def test_arguments_that_do_not_fit_are_named():
    """Features against the queries, values against the keys, batch axes against both."""
    name, q, k, v = "scaled_dot_product_attention", np.zeros((2, 4)), np.zeros((3, 4)), np.zeros((3, 5))
    keys = "m is the number of keys, and of values"
    assert message_of(ValueError, lambda: scaled_dot_product_attention(q, k[:, :2], v)) == (
        f"{name}: k has d_k=2 in shape (3, 2), but q has d_k=4 in shape (2, 4); "
        "d_k is the number of features of a query and of a key."
    )
    assert message_of(ValueError, lambda: scaled_dot_product_attention(q, k, v[:2])) == (
        f"{name}: v has m=2 in shape (2, 5), but k has m=3 in shape (3, 4); {keys}."
    )
    assert message_of(ValueError, lambda: scaled_dot_product_attention(q, k, v.T)) == (
        f"{name}: v has m=5 in shape (5, 3), but k has m=3 in shape (3, 4); {keys}; "
        "v may have been transposed by mistake."
    )
    assert message_of(ValueError, lambda: scaled_dot_product_attention(q, k, v[None])) == (
        f"{name}: v has batch axes (1,) in shape (1, 3, 5), but q has batch axes () in shape (2, 4); "
        "... is any number of batch axes, the same in every argument."
    )
    assert message_of(TypeError, lambda: scaled_dot_product_attention(q, k, v.astype(np.float32))) == (
        f"{name}: v has dtype float32, but q has float64; convert one of them, so that no digits are lost unseen."
    )


def test_masks_and_biases_that_do_not_fit_are_named():
    """A float mask and a boolean bias are told apart; each must broadcast to the scores."""
    name, q, k, v = "scaled_dot_product_attention", np.zeros((2, 4)), np.zeros((3, 4)), np.zeros((3, 5))
    stretch = "counted from the right, each of its sizes is 1 or equal to that of the scores."
    allowed = np.ones((2, 3), dtype=bool)
    assert message_of(TypeError, lambda: scaled_dot_product_attention(q, k, v, mask=allowed * 1.0)) == (
        f'{name}: mask has dtype float64, but it must be boolean, where True means "may attend"; '
        "numbers that are added to the scores (0 where a query may attend, -inf where not) are a bias, "
        "and a mask of ones and zeros becomes boolean by mask != 0."
    )
    assert message_of(TypeError, lambda: scaled_dot_product_attention(q, k, v, bias=allowed)) == (
        f"{name}: bias has dtype bool, but it must be floating point (booleans belong in a mask)."
    )
    assert message_of(TypeError, lambda: scaled_dot_product_attention(q, k, v, bias=np.zeros(3, dtype=np.float32))) == (
        f"{name}: bias has dtype float32, but q has float64; convert one of them, so that no digits are lost unseen."
    )
    assert message_of(ValueError, lambda: scaled_dot_product_attention(q, k, v, mask=allowed.T)) == (
        f"{name}: mask has shape (3, 2), but it must broadcast to the scores' (2, 3); {stretch}"
    )
    assert message_of(ValueError, lambda: scaled_dot_product_attention(q, k, v, bias=np.zeros((1, 2, 3)))) == (
        f"{name}: bias has shape (1, 2, 3), but it must broadcast to the scores' (2, 3); {stretch}"
    )
