r"""CBAM: a gate per channel, made from the mean and the maximum, and on its result a gate per position.

Formula
    channel gate  M_c = σ(MLP(mean over positions) + MLP(max over positions)), MLP(z) = W_2 relu(W_1 z), one for both
    spatial gate  M_s = σ(kernel ∗ [mean over channels ; max over channels]), a cross-correlation with zeros around
    cbam          x' = M_c ⊙ x; out = M_s(x') ⊙ x': the spatial gate looks at x' and multiplies x', not x
Shapes
    x, out        (B, C, H, W)
    W_1, W_2      (C/r, C), (C, C/r), without biases
    kernel        (1, 2, k, k), k odd: 7 in the paper; its first map meets the mean, its second the maximum
    channel gate  (B, C); spatial gate (B, 1, H, W)
Cost
    2 C²/r + 2 k² weights; 4 C²/r + 2 k² H W multiply-adds and 2 H W C multiplications per image
Errors
    ValueError for shapes that do not fit and an even kernel; TypeError for anything but floating arrays of one library
    and one dtype
Source
    Woo, Park, Lee and Kweon 2018, CBAM: Convolutional Block Attention Module, equations 1 to 3
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from attn_core.conventions import Array, check_arguments, shape_error
from attn_core.vision.squeeze_excitation import check_positions, hidden_units, relu, sigmoid, squeeze


def cbam_channel(x: Array, W_1: Array, W_2: Array) -> Array:
    """The gate of each channel, (B, C).

    >>> import numpy as np
    >>> x, one = np.array([[[[1.0, 3.0]]]]), np.ones((1, 1))
    >>> cbam_channel(x, one, one).round(4)  # σ(2 + 3)
    array([[0.9933]])
    """
    xp = check_arguments("cbam_channel", x=(x, "B C H W"), W_1=(W_1, "C/r C"), W_2=(W_2, "C C/r"))
    check_positions("cbam_channel", x)
    # relu first and then the sum: the shared second layer is linear, so it is needed only once
    hidden = sum(relu(xp.matmul(z, xp.matrix_transpose(W_1))) for z in (squeeze(x), xp.max(x, axis=(2, 3))))
    return sigmoid(xp.matmul(hidden, xp.matrix_transpose(W_2)))  # (B, C/r) @ (C/r, C) -> (B, C)


def cbam_spatial(x: Array, kernel: Array) -> Array:
    """The gate of each position, (B, 1, H, W).

    >>> import numpy as np
    >>> x = np.array([[[[0.0, 2.0]], [[0.0, 4.0]]]])  # two channels, one row of two positions
    >>> cbam_spatial(x, np.array([[[[1.0]], [[-1.0]]]])).round(4)  # σ(mean − max): σ(0 − 0), σ(3 − 4)
    array([[[[0.5   , 0.2689]]]])
    """
    xp = check_arguments("cbam_spatial", x=(x, "B C H W"))
    check_positions("cbam_spatial", x)
    check_arguments("cbam_spatial", x=(x, ""), kernel=(kernel, ""))
    if kernel.ndim != 4 or tuple(kernel.shape[:2]) != (1, 2) or kernel.shape[2] != kernel.shape[3]:
        reason = "one output, and two inputs, the mean and the maximum over the channels"
        raise shape_error("cbam_spatial", "kernel", "it must be (1, 2, k, k)", f"shape {tuple(kernel.shape)}", reason)
    if kernel.shape[2] % 2 == 0:
        reason = "an even kernel has no middle to lay on a position"
        raise shape_error("cbam_spatial", "kernel", "k must be odd", f"k={kernel.shape[2]}", reason)
    maps = xp.concat([xp.mean(x, axis=1, keepdims=True), xp.max(x, axis=1, keepdims=True)], axis=1)
    return sigmoid(_correlate(maps, kernel))


def cbam(x: Array, W_1: Array, W_2: Array, kernel: Array) -> Array:
    """The feature map (B, C, H, W) behind both gates: first the channels, then the positions of what they left."""
    refined = cbam_channel(x, W_1, W_2)[:, :, None, None] * x
    return cbam_spatial(refined, kernel) * refined


class CBAM(nn.Module):
    """Both gates as one layer, without biases."""

    def __init__(self, channels: int, r: int = 16, k: int = 7) -> None:
        super().__init__()
        if k % 2 == 0:
            raise ValueError(f"CBAM: k={k}, but it must be odd; an even kernel has no middle to lay on a position.")
        hidden = hidden_units("CBAM", channels, r)
        self.down = nn.Linear(channels, hidden, bias=False)
        self.up = nn.Linear(hidden, channels, bias=False)
        self.conv = nn.Conv2d(2, 1, k, padding=k // 2, bias=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The gated feature map (B, C, H, W), the channel gate (B, C) and the spatial gate (B, 1, H, W)."""
        channel = cbam_channel(x, self.down.weight, self.up.weight)
        refined = channel[:, :, None, None] * x
        spatial = cbam_spatial(refined, self.conv.weight)
        return spatial * refined, channel, spatial


def _correlate(maps: Array, kernel: Array) -> Array:
    """Σ over maps, rows and columns of kernel[0, c, i, j] · maps[b, c, y + i − k//2, x + j − k//2], 0 outside."""
    half = kernel.shape[2] // 2
    if isinstance(maps, torch.Tensor):
        return conv2d(maps, kernel, padding=half)
    padded = np.pad(maps, ((0, 0), (0, 0), (half, half), (half, half)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape[2:], axis=(2, 3))
    return np.einsum("bchwij,ocij->bohw", windows, kernel)
