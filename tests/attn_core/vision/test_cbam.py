"""CBAM against hand-worked numbers, torch's pooling and convolution, loops and limit cases."""

import math

import numpy as np
import pytest
import torch
from oracle import FULL_KINDS, as_float64, make, message_of
from torch.nn import functional

from attn_core.vision.cbam import CBAM, cbam, cbam_channel, cbam_spatial
from attn_core.vision.squeeze_excitation import se_block


def arguments(seed=0, B=2, C=6, hidden=3, H=4, W=5, k=3):
    """A feature map, the shared network and a kernel, all sizes different."""
    rng = np.random.default_rng(seed)
    shapes = (B, C, H, W), (hidden, C), (C, hidden), (1, 2, k, k)
    return [rng.normal(0.2, 0.8, shape) for shape in shapes]


def logistic(s):
    """σ of a float."""
    return 1 / (1 + math.exp(-s))


@pytest.mark.parametrize("kind", FULL_KINDS)
def test_by_hand(kind):
    """One channel: σ(2 + 3). Two channels, mean minus maximum: σ(0), σ(−1). All sizes 1: σ(2) σ(σ(2)). Dtypes are kept."""
    one, x = make([[1]], kind), make([[[[1, 3]]]], kind)
    channel = cbam_channel(x, one, one)
    assert as_float64(channel) == pytest.approx(logistic(5), rel=1e-6)
    maps = make([[[[0, 2]], [[0, 4]]]], kind)
    spatial = cbam_spatial(maps, make([[[[1]], [[-1]]]], kind))
    assert as_float64(spatial).tolist() == [[[pytest.approx([0.5, logistic(-1)])]]]
    both = cbam(make([[[[1]]]], kind), one, one, make([[[[1]], [[0]]]], kind))
    assert as_float64(both) == pytest.approx(logistic(2) * logistic(logistic(2)), rel=1e-6)
    assert channel.dtype == spatial.dtype == both.dtype == one.dtype


@pytest.mark.parametrize("seed", range(3))
def test_channel_gate_equals_pooling_and_convolutions_of_size_one(seed):
    """The form of most implementations: 1 × 1 convolutions on torch's adaptive mean and maximum pooling."""
    x, W_1, W_2, _ = map(torch.tensor, arguments(seed))
    logits = 0
    for pool in (functional.adaptive_avg_pool2d, functional.adaptive_max_pool2d):
        hidden = functional.conv2d(pool(x, 1), W_1[:, :, None, None]).relu()
        logits = logits + functional.conv2d(hidden, W_2[:, :, None, None])
    torch.testing.assert_close(cbam_channel(x, W_1, W_2), logits.sigmoid()[:, :, 0, 0])


def test_maximum_and_mean_of_a_constant_map_agree():
    """A channel that is the same everywhere has equal summaries: SE's gate with doubled second layer and no biases."""
    x, W_1, W_2, _ = arguments(seed=1)
    flat = np.broadcast_to(x[:, :, :1, :1], x.shape).copy()
    gate = se_block(flat, W_1, np.zeros(3), 2 * W_2, np.zeros(6))[1]
    np.testing.assert_allclose(cbam_channel(flat, W_1, W_2), gate)


def test_channel_gate_does_not_see_where_and_spatial_gate_does_not_see_which():
    """Turning the image leaves the channel gate as it is; permuting the channels leaves the spatial gate as it is."""
    x, W_1, W_2, kernel = arguments(seed=2)
    np.testing.assert_allclose(cbam_channel(x[:, :, ::-1, ::-1].copy(), W_1, W_2), cbam_channel(x, W_1, W_2))
    np.testing.assert_allclose(cbam_spatial(x[:, ::-1].copy(), kernel), cbam_spatial(x, kernel))


@pytest.mark.parametrize("k", [1, 3, 5, 7])
@pytest.mark.parametrize("library", [np.asarray, torch.tensor])
def test_spatial_gate_equals_a_loop_over_positions(k, library):
    """Cross-correlation with zeros around, mean first: written down position by position, in both libraries."""
    x, *_, kernel = arguments(seed=k, k=k, H=3)
    maps, half = np.stack([x.mean(1), x.max(1)], 1), k // 2
    got = as_float64(cbam_spatial(library(x), library(kernel)))
    assert got.shape == (2, 1, 3, 5)
    for b, i, j in np.ndindex(2, 3, 5):
        logit = 0.0
        for c, u, v in np.ndindex(2, k, k):
            row, column = i + u - half, j + v - half
            if 0 <= row < 3 and 0 <= column < 5:
                logit += kernel[0, c, u, v] * maps[b, c, row, column]
        assert got[b, 0, i, j] == pytest.approx(logistic(logit))


def test_zero_weights_leave_a_quarter():
    """Both gates are 1/2 everywhere."""
    x, W_1, W_2, kernel = arguments()
    np.testing.assert_array_equal(cbam(x, 0 * W_1, 0 * W_2, 0 * kernel), x / 4)


def test_spatial_gate_is_made_from_the_refined_map_and_multiplies_it():
    """cbam is neither the parallel form, nor the one that multiplies x again, nor spatial first."""
    x, W_1, W_2, kernel = arguments(seed=3)
    channel = cbam_channel(x, W_1, W_2)[:, :, None, None]
    refined, out = channel * x, cbam(x, W_1, W_2, kernel)
    np.testing.assert_allclose(out, refined * cbam_spatial(refined, kernel))
    first = x * cbam_spatial(x, kernel)
    others = (
        refined * cbam_spatial(x, kernel),
        x * cbam_spatial(refined, kernel),
        first * cbam_channel(first, W_1, W_2)[:, :, None, None],
    )
    assert all(abs(out - other).max() > 0.01 for other in others)


def test_no_entry_grows():
    """Two gates attenuate more than one."""
    x, W_1, W_2, kernel = arguments(seed=4)
    assert (abs(cbam(x, W_1, W_2, kernel)) < abs(x * cbam_channel(x, W_1, W_2)[:, :, None, None])).all()


def test_gradients_equal_finite_differences():
    """Autograd through both pools, the shared network and the convolution."""
    inputs = [torch.tensor(a, requires_grad=True) for a in arguments(seed=5, B=1, C=4, hidden=2, H=2, W=3)]
    assert torch.autograd.gradcheck(cbam, inputs)
    assert torch.autograd.gradcheck(cbam_channel, inputs[:3])
    assert torch.autograd.gradcheck(cbam_spatial, (inputs[0], inputs[3]))


def test_numpy_and_torch_agree():
    """The same numbers from both libraries."""
    inputs = arguments(seed=6, k=5)
    np.testing.assert_allclose(cbam(*inputs), cbam(*map(torch.tensor, inputs)).numpy())


def test_module_is_the_function_with_its_own_weights():
    """CBAM returns what cbam returns, and both gates; with k = 7 the spatial branch has 98 weights, and no bias."""
    torch.manual_seed(0)
    made, x = CBAM(8, r=4), torch.randn(2, 8, 5, 6)
    out, channel, spatial = made(x)
    torch.testing.assert_close(out, cbam(x, made.down.weight, made.up.weight, made.conv.weight))
    torch.testing.assert_close(out, x * channel[:, :, None, None] * spatial)
    assert made.conv.weight.numel() == 98
    assert sum(p.numel() for p in made.parameters()) == 2 * 8 * 2 + 98


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda x, *others: cbam_spatial(x, others[-1][:, :1]),
            "cbam_spatial: kernel has shape (1, 1, 3, 3), but it must be (1, 2, k, k); one output, and two inputs, the mean and the "
            "maximum over the channels.",
        ),
        (
            lambda x, *others: cbam_spatial(x, others[-1][:, :, :2, :2]),
            "cbam_spatial: kernel has k=2, but k must be odd; an even kernel has no middle to lay on a position.",
        ),
        (
            lambda x, W_1, W_2, _kernel: cbam_channel(x, W_1, W_2.T),
            "cbam_channel: W_2 has C=3 in shape (3, 6), but x has C=6 in shape (2, 6, 4, 5); C is the number of channels of an image "
            "or a feature map; W_2 may have been transposed by mistake.",
        ),
        (
            lambda x, W_1, W_2, kernel: cbam(x[:, :, :0], W_1, W_2, kernel),
            "cbam_channel: x has shape (2, 6, 0, 5), but it must have a channel and a position at least.",
        ),
        (
            lambda *_: CBAM(16, k=4),
            "CBAM: k=4, but it must be odd; an even kernel has no middle to lay on a position.",
        ),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    """Wrong shapes and even kernels raise, with a sentence that names the argument."""
    assert message_of(ValueError, lambda: call(*arguments())) == message
