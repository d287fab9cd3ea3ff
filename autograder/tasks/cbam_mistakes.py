"""CBAM with gates that can be exchanged, and what goes wrong inside of one of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from autograder.tasks.convolution_mistakes import around
from autograder.tasks.gated_block import (
    channel_gate,
    max_at_positions,
    max_of_channels,
    mean_at_positions,
    mean_of_channels,
    spatial_gate,
)
from autograder.tasks.mistakes import Array


def broad_channel_gate(x: Array, W_1: Array, W_2: Array, **parts: Any) -> Array:
    """CBAM's channel gate with the axes of a feature map, (B, C, 1, 1)."""
    return channel_gate(x, W_1, W_2, **parts)[:, :, None, None]


def module(
    x: Array,
    W_1: Array,
    W_2: Array,
    kernel: Array,
    channel: Callable[..., Array] = broad_channel_gate,
    spatial: Callable[..., Array] = spatial_gate,
) -> Array:
    """Both gates, one behind the other, each exchangeable."""
    refined = x * channel(x, W_1, W_2)
    return refined * spatial(refined, kernel)


OWN_CHANNEL = "Is your own cbam_channel at work here?"
OWN_SPATIAL = "Is your own cbam_spatial at work here?"


def _first(**parts: Any) -> Callable[..., Array]:
    """The module with a wrong channel gate."""
    return partial(module, channel=partial(broad_channel_gate, **parts))


def _second(**parts: Any) -> Callable[..., Array]:
    """The module with a wrong spatial gate."""
    return partial(module, spatial=partial(spatial_gate, **parts))


INSIDE: dict[str, tuple[Callable[..., Array], str]] = {
    "leaves out the sigmoid of the channel gate": (
        _first(after=lambda s: s),
        "Between which two numbers does a gate lie?",
    ),
    "leaves out the sigmoid of the spatial gate": (
        _second(after=lambda s: s),
        "Between which two numbers does a gate lie?",
    ),
    "takes a softmax over the channels": (_first(after=lambda s: s.softmax(1)), "May two channels be open at once?"),
    "takes a softmax over the positions": (
        _second(after=lambda s: s.flatten(1).softmax(1).view_as(s)),
        "May two positions be open at once?",
    ),
    "uses the mean only in the channel gate, as Squeeze-and-Excitation does": (
        _first(pools=(mean_of_channels,)),
        OWN_CHANNEL,
    ),
    "uses the maximum only in the channel gate": (_first(pools=(max_of_channels,)), OWN_CHANNEL),
    "adds mean and maximum before the network of the channel gate": (
        _first(pools=(lambda x: mean_of_channels(x) + max_of_channels(x),)),
        OWN_CHANNEL,
    ),
    "applies the sigmoid to each path of the channel gate and adds": (
        _first(join=lambda parts: parts[0].sigmoid() + parts[1].sigmoid(), after=lambda s: s),
        OWN_CHANNEL,
    ),
    "sums over the positions instead of averaging": (
        _first(pools=(lambda x: x.sum((2, 3)), max_of_channels)),
        OWN_CHANNEL,
    ),
    "leaves out the rectifier of the channel gate": (_first(between=lambda h: h), OWN_CHANNEL),
    "puts the maximum first and the mean second in the spatial gate": (
        _second(pools=(max_at_positions, mean_at_positions)),
        "Which map meets kernel[0, 0]?",
    ),
    "sums over the channels instead of averaging": (
        _second(pools=(lambda x: x.sum(1, keepdim=True), max_at_positions)),
        OWN_SPATIAL,
    ),
    "turns the kernel by 180°": (_second(turn=lambda kernel: kernel.flip(2, 3)), OWN_SPATIAL),
    "transposes the kernel": (_second(turn=lambda kernel: kernel.mT), OWN_SPATIAL),
    "pads nothing before the convolution": (
        _second(conv=torch.nn.functional.conv2d),
        "Which height and width must the spatial gate have?",
    ),
    "pads by repeating the rim": (_second(conv=partial(around, mode="replicate")), OWN_SPATIAL),
    "drops the axis of size 1 of the spatial gate": (
        partial(module, spatial=lambda x, kernel: spatial_gate(x, kernel)[:, 0]),
        "x is (B, C, H, W). With which of its axes does a gate of shape (B, H, W) line up?",
    ),
    "starts the maxima from 0": (
        partial(
            module,
            channel=partial(broad_channel_gate, pools=(mean_of_channels, lambda x: max_of_channels(x).clamp(min=0))),
            spatial=partial(spatial_gate, pools=(mean_at_positions, lambda x: max_at_positions(x).clamp(min=0))),
        ),
        "What is the maximum of −3 and −2?",
    ),
    "detaches the channel gate": (
        partial(module, channel=lambda *of: broad_channel_gate(*of).detach()),
        "Which tensor leaves the graph before the first product?",
    ),
    "detaches the spatial gate": (
        partial(module, spatial=lambda *of: spatial_gate(*of).detach()),
        "Which tensor leaves the graph before the second product?",
    ),
    "detaches both gates": (
        partial(
            module, channel=lambda *of: broad_channel_gate(*of).detach(), spatial=lambda *of: spatial_gate(*of).detach()
        ),
        "Can the weights of the gates learn anything then?",
    ),
    "detaches the refined map that the spatial gate looks at": (
        partial(module, spatial=lambda x, kernel: spatial_gate(x.detach(), kernel)),
        "Does the channel gate learn what it does to the spatial one?",
    ),
    "rectifies the map before the gates": (
        lambda x, *weights: module(x.relu(), *weights),
        "Is there a rectifier in front of the module?",
    ),
    "adds x to what the channel gate lets through": (
        partial(module, channel=lambda *of: 1 + broad_channel_gate(*of)),
        "Where does the residual connection belong: in this module, or around it?",
    ),
    "adds the refined map to what the spatial gate lets through": (
        partial(module, spatial=lambda *of: 1 + spatial_gate(*of)),
        "Where does the residual connection belong: in this module, or around it?",
    ),
}
