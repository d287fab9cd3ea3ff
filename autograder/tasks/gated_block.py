"""The gates of Squeeze-and-Excitation and CBAM with parts that can be exchanged: what most mistakes are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional

from autograder.tasks.mistakes import Array

Pair = tuple[Array, Array]
Step = Callable[[Array], Array]


def linear(z: Array, W: Array, b: Array) -> Array:
    """A layer with its bias."""
    return z @ W.mT + b


def gate_of(
    x: Array,
    W_1: Array,
    b_1: Array,
    W_2: Array,
    b_2: Array,
    *,
    pool: Callable[[Array], Array] = lambda x: x.mean((2, 3)),
    between: Callable[[Array], Array] = torch.relu,
    after: Callable[[Array], Array] = torch.sigmoid,
    first: Callable[[Array, Array, Array], Array] = linear,
    second: Callable[[Array, Array, Array], Array] = linear,
) -> Array:
    """The gate (B, C): pool, first layer, what stands between the layers, second layer, and what comes after."""
    return after(second(between(first(pool(x), W_1, b_1)), W_2, b_2))


def gated_block(x: Array, *weights: Array, **parts: Any) -> Pair:
    """x times the gate, and the gate, with some parts exchanged."""
    gate = gate_of(x, *weights, **parts)
    return x * gate[:, :, None, None], gate


def mean_of_channels(x: Array) -> Array:
    """(B, C): the mean of each channel."""
    return x.mean((2, 3))


def max_of_channels(x: Array) -> Array:
    """(B, C): the maximum of each channel."""
    return x.amax((2, 3))


def mlp(z: Array, W_1: Array, W_2: Array, between: Step = torch.relu) -> Array:
    """Two layers without biases."""
    return between(z @ W_1.mT) @ W_2.mT


def channel_gate(
    x: Array,
    W_1: Array,
    W_2: Array,
    *,
    pools: tuple[Step, ...] = (mean_of_channels, max_of_channels),
    between: Step = torch.relu,
    join: Callable[[list[Array]], Array] = lambda parts: sum(parts),
    after: Step = torch.sigmoid,
) -> Array:
    """CBAM's gate (B, C): every summary through the same layers, the paths joined, and what comes after."""
    return after(join([mlp(pool(x), W_1, W_2, between) for pool in pools]))


def mean_at_positions(x: Array) -> Array:
    """(B, 1, H, W): the mean over the channels."""
    return x.mean(1, keepdim=True)


def max_at_positions(x: Array) -> Array:
    """(B, 1, H, W): the maximum over the channels."""
    return x.amax(1, keepdim=True)


def convolved(maps: Array, kernel: Array) -> Array:
    """The maps under the kernel, with zeros around them."""
    return functional.conv2d(maps, kernel, padding=kernel.shape[-1] // 2)


def spatial_gate(
    x: Array,
    kernel: Array,
    *,
    pools: tuple[Step, ...] = (mean_at_positions, max_at_positions),
    turn: Step = lambda kernel: kernel,
    conv: Callable[[Array, Array], Array] = convolved,
    after: Step = torch.sigmoid,
) -> Array:
    """CBAM's gate (B, 1, H, W): the maps side by side, the kernel as it is turned, the convolution, and what comes after."""
    return after(conv(torch.cat([pool(x) for pool in pools], 1), turn(kernel)))
