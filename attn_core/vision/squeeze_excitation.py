r"""Squeeze-and-Excitation: each channel of a feature map is multiplied by one number that depends on all channels.

Formula
    z_c = mean over the positions of x_c, the squeeze; gate = σ(W_2 relu(W_1 z + b_1) + b_2), the excitation
    out_c = gate_c x_c; σ, and no softmax: each gate is between 0 and 1 by itself, several channels may stay open
Shapes
    x, out         (B, C, H, W)
    W_1, b_1       (C/r, C), (C/r): r is the reduction, 16 in the paper
    W_2, b_2       (C, C/r), (C)
    squeeze, gate  (B, C)
Cost
    2 C²/r weights and C + C/r biases; H W C additions, 2 C²/r multiply-adds and H W C multiplications per image
Errors
    ValueError for shapes that do not fit, a feature map without positions, and a reduction that does not divide the
    channels; TypeError for anything but floating arrays of one library and one dtype
Source
    Hu, Shen and Sun 2018, Squeeze-and-Excitation Networks, equations 2 to 4; weights of all blocks: equation 5
"""

from collections.abc import Iterable

from torch import Tensor, nn

from attn_core.conventions import Array, check_arguments, shape_error


def squeeze(x: Array) -> Array:
    """The mean of each channel over all positions, (B, C, H, W) → (B, C).

    >>> import numpy as np
    >>> squeeze(np.array([[[[1.0, 2.0], [3.0, 6.0]], [[0.0, 0.0], [0.0, 1.0]]]]))
    array([[3.  , 0.25]])
    """
    xp = check_arguments("squeeze", x=(x, "B C H W"))
    check_positions("squeeze", x)
    return xp.mean(x, axis=(2, 3))


def se_block(x: Array, W_1: Array, b_1: Array, W_2: Array, b_2: Array) -> tuple[Array, Array]:
    """The gated feature map (B, C, H, W), and the gate (B, C).

    >>> import numpy as np
    >>> x, one, zero = np.array([[[[2.0, 4.0]]]]), np.ones((1, 1)), np.zeros(1)
    >>> se_block(x, one, zero, one, zero - 3)  # σ(3 − 3) = 1/2
    (array([[[[1., 2.]]]]), array([[0.5]]))
    """
    xp = check_arguments(
        "se_block",
        x=(x, "B C H W"),
        W_1=(W_1, "C/r C"),
        b_1=(b_1, "C/r"),
        W_2=(W_2, "C C/r"),
        b_2=(b_2, "C"),
    )
    check_positions("se_block", x)
    hidden = relu(xp.matmul(squeeze(x), xp.matrix_transpose(W_1)) + b_1)  # (B, C) @ (C, C/r) -> (B, C/r)
    gate = sigmoid(xp.matmul(hidden, xp.matrix_transpose(W_2)) + b_2)  # (B, C/r) @ (C/r, C) -> (B, C)
    return gate[:, :, None, None] * x, gate


def se_parameters(stages: Iterable[tuple[int, int]], r: int) -> int:
    """Weights, without biases, that SE blocks add to a network: Σ blocks · 2 C²/r over its stages (channels, blocks).

    >>> se_parameters([(256, 3), (512, 4), (1024, 6), (2048, 3)], r=16)  # the stages of ResNet-50
    2514944
    """
    return sum(blocks * 2 * channels * hidden_units("se_parameters", channels, r) for channels, blocks in stages)


class SqueezeExcitation(nn.Module):
    """The block as a layer; both of its matrices have biases."""

    def __init__(self, channels: int, r: int = 16) -> None:
        super().__init__()
        hidden = hidden_units("SqueezeExcitation", channels, r)
        self.down = nn.Linear(channels, hidden)
        self.up = nn.Linear(hidden, channels)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The gated feature map (B, C, H, W), and the gate (B, C)."""
        return se_block(x, self.down.weight, self.down.bias, self.up.weight, self.up.bias)


def relu(x: Array) -> Array:
    """max(x, 0) with the gradient 0 at 0, as torch has it."""
    xp = check_arguments("relu", x=(x, ""))
    return xp.where(x > 0, x, xp.zeros_like(x))


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(−x)), written so that nothing overflows and a gate near 0 keeps its digits."""
    xp = check_arguments("sigmoid", x=(x, ""))
    return xp.exp(-xp.logaddexp(xp.zeros_like(x), -x))


def hidden_units(function: str, channels: int, r: int) -> int:
    """C/r, or an error if the reduction leaves a remainder."""
    if r < 1 or channels % r != 0:
        raise ValueError(f"{function}: the reduction r={r} does not divide C={channels}; C/r is {_HIDDEN}.")
    return channels // r


_HIDDEN = "the number of hidden units of a channel gate, so it must be whole"


def check_positions(function: str, x: Array) -> None:
    """A mean, or a maximum, over no positions is nothing."""
    if 0 in x.shape[1:]:
        expected = "it must have a channel and a position at least"
        raise shape_error(function, "x", expected, f"shape {tuple(x.shape)}")
