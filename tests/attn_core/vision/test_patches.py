"""Patches against hand-worked numbers, torch's unfold, strided convolution and interpolation, and round trips."""

import numpy as np
import pytest
import torch
from oracle import FULL_KINDS, make, message_of
from torch.nn import functional

from attn_core.vision.patches import interpolate_positions, patchify, token_count, unpatchify


@pytest.mark.parametrize("kind", FULL_KINDS)
def test_by_hand(kind):
    """A 2 × 4 image of two channels in patches of 2: two tokens, channel by channel, row by row."""
    x = make(np.arange(16.0).reshape(1, 2, 2, 4), kind)
    tokens = patchify(x, 2)
    assert tokens.tolist() == [[[0, 1, 4, 5, 8, 9, 12, 13], [2, 3, 6, 7, 10, 11, 14, 15]]]
    assert tokens.dtype == x.dtype
    assert unpatchify(tokens, 2, 2, 4).tolist() == x.tolist()


def test_the_numbers_of_the_vision_transformer():
    """224² in patches of 16 is 14 × 14 = 196 tokens of 768 numbers; 512² is 1,024."""
    assert token_count(224, 224, 16) == 196
    assert token_count(512, 512, 16) == 1024
    assert patchify(np.zeros((1, 3, 224, 224), np.float32), 16).shape == (1, 196, 768)


def test_patches_of_one_pixel_and_of_the_whole_image():
    """Size 1 makes every position a token of C numbers; one patch is the flattened image."""
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 4))
    np.testing.assert_array_equal(patchify(x, 1), x.reshape(2, 3, 16).swapaxes(1, 2))
    np.testing.assert_array_equal(patchify(x, 4), x.reshape(2, 1, 48))


@pytest.mark.parametrize(("C", "H", "W", "size"), [(1, 6, 9, 3), (3, 8, 4, 2), (4, 5, 5, 5), (2, 3, 2, 1)])
def test_patches_equal_unfold_and_come_back(C, H, W, size):
    """The same tokens as torch's unfold, and unpatchify undoes them exactly."""
    x = torch.randn(2, C, H, W, generator=torch.Generator().manual_seed(0))
    tokens = patchify(x, size)
    torch.testing.assert_close(tokens, functional.unfold(x, size, stride=size).mT, rtol=0, atol=0)
    assert tokens.shape[1] == token_count(H, W, size)
    assert torch.equal(unpatchify(tokens, size, H, W), x)


def test_linear_embedding_of_patches_is_a_strided_convolution():
    """tokens @ kernelᵀ is a convolution with kernel size and stride equal to the patch size."""
    generator = torch.Generator().manual_seed(1)
    x, kernel = torch.randn(2, 3, 6, 4, generator=generator), torch.randn(5, 3, 2, 2, generator=generator)
    expected = functional.conv2d(x, kernel, stride=2).flatten(2).mT
    torch.testing.assert_close(patchify(x, 2) @ kernel.flatten(1).T, expected)


@pytest.mark.parametrize("old", [(1, 1), (3, 4), (14, 14)])
def test_the_same_grid_changes_nothing(old):
    """Interpolation onto the grid itself is the identity."""
    positions = np.random.default_rng(0).normal(size=(old[0] * old[1], 3))
    np.testing.assert_allclose(interpolate_positions(positions, old, old), positions)


@pytest.mark.parametrize(("old", "new"), [((3, 4), (6, 8)), ((3, 4), (5, 2)), ((1, 4), (3, 9)), ((7, 7), (16, 10))])
def test_interpolation_equals_that_of_torch(old, new):
    """Bilinear, corners not aligned, as torch.nn.functional.interpolate has it, in both libraries."""
    positions = torch.randn(old[0] * old[1], 5, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    grid = positions.reshape(1, *old, 5).permute(0, 3, 1, 2)
    expected = functional.interpolate(grid, new, mode="bilinear", align_corners=False)[0].permute(1, 2, 0).flatten(0, 1)
    torch.testing.assert_close(interpolate_positions(positions, old, new), expected)
    np.testing.assert_allclose(interpolate_positions(positions.numpy(), old, new), expected.numpy())


def test_rows_and_columns_are_not_exchanged():
    """Vectors that hold their own row and column still do so, halfway between, on a grid of twice the size."""
    rows, columns = np.meshgrid(np.arange(3.0), np.arange(5.0), indexing="ij")
    positions = np.stack([rows.ravel(), columns.ravel()], 1)
    wide = interpolate_positions(positions, (3, 5), (6, 10)).reshape(6, 10, 2)
    np.testing.assert_allclose(wide[:, 0, 0], [0, 0.25, 0.75, 1.25, 1.75, 2])
    np.testing.assert_allclose(wide[0, :, 1], [0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3.25, 3.75, 4])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: patchify(np.ones((1, 3, 30, 32)), 16),
            "patchify: patches of size 16 do not fill an image of 30 × 32; it must divide both; crop, pad or resize the image.",
        ),
        (
            lambda: token_count(224, 220, 16),
            "token_count: patches of size 16 do not fill an image of 224 × 220; it must divide both; crop, pad or resize the image.",
        ),
        (
            lambda: unpatchify(np.ones((1, 5, 12)), 2, 4, 4),
            "unpatchify: patches has shape (1, 5, 12), but it must be (B, 4, C · 4); the image is 4 × 4, a patch 2 × 2.",
        ),
        (
            lambda: interpolate_positions(np.ones((197, 8)), (14, 14), (16, 16)),
            "interpolate_positions: positions has shape (197, 8), but the old grid of 14 × 14 has 196 places; one vector per place, "
            "no class token.",
        ),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    """Sizes that leave a rest, and a class token among the positions, raise with a sentence that says what to do."""
    assert message_of(ValueError, call) == message
