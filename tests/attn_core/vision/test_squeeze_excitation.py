"""Squeeze-and-Excitation against hand-worked numbers, torch's layers, loops and limit cases."""

import math

import numpy as np
import pytest
import torch
from oracle import FULL_KINDS, as_float64, make, message_of
from torch import nn
from torch.nn import functional

from attn_core.vision.squeeze_excitation import (
    SqueezeExcitation,
    relu,
    se_block,
    se_parameters,
    sigmoid,
    squeeze,
)


def arguments(seed=0, B=2, C=6, hidden=3, H=4, W=5):
    """A feature map and the two layers, all sizes different."""
    rng = np.random.default_rng(seed)
    return [rng.normal(0.3, 1, shape) for shape in ((B, C, H, W), (hidden, C), (hidden,), (C, hidden), (C,))]


@pytest.mark.parametrize("kind", FULL_KINDS)
def test_by_hand(kind):
    """Two channels with the means 3 and 1/4; a block of one channel whose logit is 3 − 3; the dtype is kept."""
    x = make([[[[1, 2], [3, 6]], [[0, 0], [0, 1]]]], kind)
    assert squeeze(x).tolist() == [[3.0, 0.25]]
    weights = [make(w, kind) for w in ([[1]], [0], [[1]], [-3])]
    out, gate = se_block(make([[[[2, 4]]]], kind), *weights)
    assert gate.tolist() == [[pytest.approx(0.5)]]
    assert out.tolist() == [[[[pytest.approx(1), pytest.approx(2)]]]]
    assert out.dtype == gate.dtype == squeeze(x).dtype == x.dtype


def test_squeeze_of_a_single_position_is_that_position():
    """With H = W = 1 there is nothing to average."""
    x = np.random.default_rng(0).normal(size=(2, 3, 1, 1))
    np.testing.assert_array_equal(squeeze(x), x[:, :, 0, 0])


def test_squeeze_equals_adaptive_pooling():
    """The same numbers as torch's global average pooling."""
    x = torch.tensor(arguments()[0])
    torch.testing.assert_close(squeeze(x), functional.adaptive_avg_pool2d(x, 1)[:, :, 0, 0])


@pytest.mark.parametrize("seed", range(3))
def test_block_equals_layers_of_torch(seed):
    """Global pooling, two nn.Linear with the same weights, ReLU and Sigmoid in between: values and gradients agree."""
    inputs = [torch.tensor(a, requires_grad=True) for a in arguments(seed)]
    x, W_1, b_1, W_2, b_2 = inputs
    gate = functional.linear(functional.linear(x.mean((2, 3)), W_1, b_1).relu(), W_2, b_2).sigmoid()
    expected = x * gate[:, :, None, None]
    got, got_gate = se_block(*inputs)
    torch.testing.assert_close(got, expected)
    torch.testing.assert_close(got_gate, gate)
    weights = torch.randn(got.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    for ours, theirs in zip(
        torch.autograd.grad((got * weights).sum(), inputs),
        torch.autograd.grad((expected * weights).sum(), inputs),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs)


def test_block_equals_the_formula_image_by_image():
    """W_2 relu(W_1 z + b_1) + b_2 for each image alone, in plain Python floats."""
    x, W_1, b_1, W_2, b_2 = arguments(seed=1)
    out, gate = se_block(x, W_1, b_1, W_2, b_2)
    for i in range(2):
        z = [sum(float(v) for v in channel.flat) / channel.size for channel in x[i]]
        hidden = [
            max(0.0, b + sum(w * v for w, v in zip(row, z, strict=True))) for row, b in zip(W_1, b_1, strict=True)
        ]
        for c in range(6):
            logit = b_2[c] + sum(w * h for w, h in zip(W_2[c], hidden, strict=True))
            assert gate[i, c] == pytest.approx(1 / (1 + math.exp(-logit)))
            np.testing.assert_allclose(out[i, c], x[i, c] * gate[i, c])


def test_zero_weights_halve_everything():
    """With zero matrices and biases every gate is 1/2; a large bias opens it, a very negative one closes it."""
    x, W_1, b_1, W_2, b_2 = arguments()
    out, gate = se_block(x, 0 * W_1, 0 * b_1, 0 * W_2, 0 * b_2)
    assert (gate == 0.5).all()
    np.testing.assert_array_equal(out, x / 2)
    assert (se_block(x, 0 * W_1, 0 * b_1, 0 * W_2, 0 * b_2 + 800)[0] == x).all()
    assert not se_block(x, 0 * W_1, 0 * b_1, 0 * W_2, 0 * b_2 - 800)[1].any()


def test_a_gate_only_attenuates():
    """Every gate lies between 0 and 1, so no entry grows and none changes its sign."""
    x, *weights = arguments(seed=2)
    out, gate = se_block(x, *weights)
    assert ((gate > 0) & (gate < 1)).all()
    assert (abs(out) < abs(x)).all()
    assert (np.sign(out) == np.sign(x)).all()


def test_where_something_is_does_not_matter():
    """Any permutation of the positions leaves the gate as it is, and permutes the output."""
    x, *weights = arguments(seed=3)
    order = np.random.default_rng(0).permutation(20)
    moved = x.reshape(2, 6, 20)[..., order].reshape(x.shape)
    out, gate = se_block(x, *weights)
    moved_out, moved_gate = se_block(moved, *weights)
    np.testing.assert_allclose(moved_gate, gate)
    np.testing.assert_allclose(moved_out, out.reshape(2, 6, 20)[..., order].reshape(x.shape))


def test_images_do_not_see_each_other():
    """An image gets the same gate alone and in a batch."""
    x, *weights = arguments(seed=4)
    np.testing.assert_allclose(se_block(x[:1], *weights)[1], se_block(x, *weights)[1][:1])


def test_numpy_and_torch_agree():
    """The same numbers from both libraries."""
    inputs = arguments(seed=5)
    for ours, theirs in zip(se_block(*inputs), se_block(*map(torch.tensor, inputs)), strict=True):
        np.testing.assert_allclose(ours, theirs.numpy())


@pytest.mark.parametrize("kind", FULL_KINDS)
def test_sigmoid_neither_overflows_nor_loses_digits(kind):
    """It equals torch's, ±3000 included, with a relative error of a few roundings also where it is nearly 0."""
    values = np.array([-3000.0, -700.0, -80.0, -1.0, 0.0, 1.0, 80.0, 3000.0])
    with np.errstate(all="raise", under="ignore"):
        got = as_float64(sigmoid(make(values, kind)))
    expected = as_float64(torch.sigmoid(make(values, kind.replace("numpy", "torch"))))
    np.testing.assert_allclose(got, expected, rtol=2e-5 if "32" in kind else 1e-12, atol=1e-44)


def test_gradients_at_the_kink_and_far_out_are_those_of_torch():
    """The rectifier has the gradient 0 at 0, the sigmoid 1/4; far out it is 0 and not NaN."""
    x = torch.tensor([-3000.0, 0.0, 3000.0], requires_grad=True)
    assert torch.autograd.grad(relu(x).sum(), x)[0].tolist() == [0.0, 0.0, 1.0]
    assert torch.autograd.grad(sigmoid(x).sum(), x)[0].tolist() == [0.0, 0.25, 0.0]


def test_resnet_50_gets_two_and_a_half_million_weights():
    """3, 4, 6 and 3 blocks of 256 to 2048 channels with r = 16: 2,514,944, as in the paper's table of model sizes."""
    stages = [(256, 3), (512, 4), (1024, 6), (2048, 3)]
    assert se_parameters(stages, 16) == 2_514_944
    assert se_parameters(iter(stages), 8) == 2 * 2_514_944
    assert type(se_parameters(stages, 16)) is int
    assert se_parameters([], 16) == 0


def test_parameters_of_a_module_are_those_counted():
    """Blocks of real layers hold so many weights; their biases, C + C/r per block, come on top."""
    stages, r = [(8, 2), (12, 3)], 4
    blocks = [SqueezeExcitation(C, r) for C, count in stages for _ in range(count)]
    weights = sum(p.numel() for block in blocks for p in block.parameters() if p.ndim == 2)
    assert weights == se_parameters(stages, r)
    assert sum(p.numel() for block in blocks for p in block.parameters()) == weights + 2 * (8 + 2) + 3 * (12 + 3)


def test_counts_are_exact_beyond_float64():
    """Python's integers: 6 h² has 82 binary digits that matter, a float has 53."""
    h = 2**40 + 1
    assert se_parameters([(3 * h, 1)], 3) == 6 * h * h


def test_module_is_the_function_with_its_own_weights():
    """SqueezeExcitation holds the four parameters and calls se_block."""
    torch.manual_seed(0)
    made, x = SqueezeExcitation(6, r=2), torch.randn(2, 6, 3, 4)
    out, gate = made(x)
    expected = nn.Sequential(made.down, nn.ReLU(), made.up, nn.Sigmoid())(x.mean((2, 3)))
    torch.testing.assert_close(gate, expected)
    torch.testing.assert_close(out, x * expected[:, :, None, None])
    assert made.down.weight.shape == (3, 6)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: squeeze(np.ones((2, 3, 4))),
            ValueError,
            "squeeze: x has shape (2, 3, 4), but it must be (B, C, H, W); B is the number of sequences in a batch, C is the number of "
            "channels of an image or a feature map, H is the height of an image or a feature map, W is the width of an image or a feature map.",
        ),
        (
            lambda: squeeze(np.ones((2, 3, 0, 4))),
            ValueError,
            "squeeze: x has shape (2, 3, 0, 4), but it must have a channel and a position at least.",
        ),
        (
            lambda: se_block(*arguments()[:1], arguments()[1].T, *arguments()[2:]),
            ValueError,
            "se_block: W_1 has C=3 in shape (6, 3), but x has C=6 in shape (2, 6, 4, 5); C is the number of channels of an image or a feature map; "
            "W_1 may have been transposed by mistake.",
        ),
        (
            lambda: se_block(*arguments()[:2], *(a.astype(np.float32) for a in arguments()[2:])),
            TypeError,
            "se_block: b_1 has dtype float32, but x has float64; convert one of them, so that no digits are lost unseen.",
        ),
        (
            lambda: se_parameters([(8, 1), (6, 2)], 4),
            ValueError,
            "se_parameters: the reduction r=4 does not divide C=6; C/r is the number of hidden units of a channel gate, so it must be whole.",
        ),
        (
            lambda: SqueezeExcitation(20),
            ValueError,
            "SqueezeExcitation: the reduction r=16 does not divide C=20; C/r is the number of hidden units of a channel gate, "
            "so it must be whole.",
        ),
        (
            lambda: se_parameters([(8, 1)], 0),
            ValueError,
            "se_parameters: the reduction r=0 does not divide C=8; C/r is the number of hidden units of a channel gate, so it must be whole.",
        ),
    ],
)
def test_what_does_not_fit_is_refused(call, error, message):
    """Wrong shapes, dtypes and reductions raise, with a sentence that names the argument."""
    assert message_of(error, call) == message
