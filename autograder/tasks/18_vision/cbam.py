"""vision.cbam: Both gates, one behind the other."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from attn_core.vision.cbam import cbam, cbam_channel, cbam_spatial
from autograder.checking.draw import Draw
from autograder.checking.task import Task
from autograder.tasks.cbam_mistakes import INSIDE
from autograder.tasks.cbam_mistakes import broad_channel_gate as _channel
from autograder.tasks.cbam_mistakes import module as _module
from autograder.tasks.feature_maps import channels, equal_axes, feature_map, gate_weights, spatial_kernel
from autograder.tasks.gate_mistakes import OVERFLOW
from autograder.tasks.gated_block import convolved, max_at_positions, mean_at_positions
from autograder.tasks.gated_block import spatial_gate as _spatial
from autograder.tasks.mistakes import Array

task = Task(
    "vision.cbam",
    reference=cbam,
    kind="torch",
    lecture="18_vision#cbam-what-then-where",
    hints=(
        "Two gates that you have written, two products. Which feature map does the second gate look at, and which one does it multiply?",
        "Give the result of the first product a name. From there on the original x is not needed any more.",
        "refined = x * cbam_channel(x, W_1, W_2)[:, :, None, None]; return refined * cbam_spatial(refined, kernel).",
    ),
)


def _inputs(draw: Draw, half: int | None = None) -> tuple[Array, ...]:
    W_1, W_2 = gate_weights(draw)
    kernel = spatial_kernel(draw, half)
    return feature_map(draw), W_1, W_2, kernel


@task.inputs
def _(draw: Draw) -> tuple[Array, ...]:
    return _inputs(draw)


equal_axes(task, _inputs, crowded=partial(_inputs, half=1))


@task.special("a kernel of size 7, as in the paper")
def _(draw: Draw) -> tuple[Array, ...]:
    channels(draw, r=2, hidden=draw.choice([1, 2]))
    draw.sizes |= {"H": draw.choice([5, 6]), "W": draw.choice([4, 7])}
    return _inputs(draw, half=3)


@task.special("a map without a positive number")
def _(draw: Draw) -> tuple[Array, ...]:
    channels(draw, r=2, hidden=draw.choice([1, 2]))
    draw.sizes |= {"H": draw.choice([2, 3]), "W": draw.choice([3, 4])}
    x, *weights = _inputs(draw)
    return x - x.amax() - 0.3 * float(x.abs().max()), *weights


@task.special("gates that are 0 or 1 to the last digit, beside ordinary ones", share=0.25)
def _(draw: Draw) -> tuple[Array, ...]:
    channels(draw, r=2, hidden=2)
    draw.sizes |= {"B": 3, "H": draw.choice([2, 3]), "W": draw.choice([3, 4])}
    x, W_1, W_2, kernel = _inputs(draw, half=draw.choice([0, 1]))
    positive = (x.abs() + 0.5 + 0.1 * x) / max(1.0, draw.case.magnitude)
    W_1 = (W_1.abs() + 0.3) / 8  # all positive with positive x: nothing cancels
    W_2 = torch.stack([W_2[0].abs() + 20_000, -W_2[1].abs() - 20_000, *W_2[2:]])
    kernel = (kernel.abs() + 0.3) / 4
    return torch.stack([positive[0], 50_000 * positive[1], -50_000 * positive[2]]), W_1, W_2, kernel


@task.property("no entry grows, and none changes its sign")
def _(_call: Any, inputs: tuple[Array, ...], output: Array) -> str | None:
    x = inputs[0]
    slack = 1e-5 * float(x.abs().max())
    if bool((output.abs() > x.abs() + slack).any()):
        return "here one does grow."
    return "here one does change." if bool((output * x.sign() < -slack).any()) else None


# --- the module with parts that can be exchanged: what most mistakes are


@task.misconception("gates the positions first and the channels second", ask="In which order do the two gates come?")
def _(x: Array, W_1: Array, W_2: Array, kernel: Array) -> Array:
    refined = x * _spatial(x, kernel)
    return refined * _channel(refined, W_1, W_2)


@task.misconception(
    "makes both gates from the original x: the spatial gate does not see what the channel gate has done",
    ask="Of which feature map does the spatial gate take mean and maximum: x, or x'?",
)
def _(x: Array, W_1: Array, W_2: Array, kernel: Array) -> Array:
    return x * _channel(x, W_1, W_2) * _spatial(x, kernel)


@task.misconception(
    "multiplies the original x by the spatial gate: the channel gate acts through it only",
    ask="Which feature map does the spatial gate multiply: x, or x'?",
)
def _(x: Array, W_1: Array, W_2: Array, kernel: Array) -> Array:
    return x * _spatial(x * _channel(x, W_1, W_2), kernel)


@task.misconception(
    "makes the channel gate from the spatially gated map, and multiplies x by it alone",
    ask="In which order do the two gates come?",
)
def _(x: Array, W_1: Array, W_2: Array, kernel: Array) -> Array:
    return x * _channel(x * _spatial(x, kernel), W_1, W_2)


@task.misconception(
    "adds the two gates, each made from x", ask="Do the gates come one behind the other, or in parallel?"
)
def _(x: Array, W_1: Array, W_2: Array, kernel: Array) -> Array:
    return x * (_channel(x, W_1, W_2) + _spatial(x, kernel))


@task.misconception(
    "averages the two gates, each made from x", ask="Do the gates come one behind the other, or in parallel?"
)
def _(x: Array, W_1: Array, W_2: Array, kernel: Array) -> Array:
    return x * (_channel(x, W_1, W_2) + _spatial(x, kernel)) / 2


@task.misconception(
    "adds the logits of the two gates, as BAM does", ask="Do the gates come one behind the other, or in parallel?"
)
def _(x: Array, W_1: Array, W_2: Array, kernel: Array) -> Array:
    logits = _channel(x, W_1, W_2, after=lambda s: s) + _spatial(x, kernel, after=lambda s: s)
    return x * torch.sigmoid(logits)


@task.misconception(
    "adds the two gates, the second made from the refined map", ask="What does the second product multiply?"
)
def _(x: Array, W_1: Array, W_2: Array, kernel: Array) -> Array:
    channel = _channel(x, W_1, W_2)
    return x * (channel + _spatial(x * channel, kernel))


@task.misconception("adds the spatial gate instead of multiplying by it", ask="Which operation is ⊙?")
def _(x: Array, W_1: Array, W_2: Array, kernel: Array) -> Array:
    refined = x * _channel(x, W_1, W_2)
    return refined + _spatial(refined, kernel)


@task.misconception("adds the channel gate instead of multiplying by it", ask="Which operation is ⊙?")
def _(x: Array, W_1: Array, W_2: Array, kernel: Array) -> Array:
    refined = x + _channel(x, W_1, W_2)
    return refined * _spatial(refined, kernel)


@task.misconception("gates the channels only", ask="How many gates has CBAM?")
def _(x: Array, W_1: Array, W_2: Array, kernel: Array) -> Array:  # noqa: ARG001 - ignoring the kernel is the mistake
    return x * _channel(x, W_1, W_2)


@task.misconception("gates the positions only", ask="How many gates has CBAM?")
def _(x: Array, W_1: Array, W_2: Array, kernel: Array) -> Array:  # noqa: ARG001 - ignoring them is the mistake
    return x * _spatial(x, kernel)


@task.misconception("returns the spatial gate instead of the feature map", ask="Which shape is asked for?")
def _(x: Array, W_1: Array, W_2: Array, kernel: Array) -> Array:
    return _spatial(x * _channel(x, W_1, W_2), kernel)


@task.misconception("returns the product of the two gates, without x in it", ask="What is multiplied by the gates?")
def _(x: Array, W_1: Array, W_2: Array, kernel: Array) -> Array:
    channel = _channel(x, W_1, W_2)
    return channel * _spatial(x * channel, kernel)


@task.misconception("returns the feature map and the two gates", ask="How many results does this task ask for?")
def _(x: Array, W_1: Array, W_2: Array, kernel: Array) -> tuple[Array, Array, Array]:
    channel = _channel(x, W_1, W_2)
    spatial = _spatial(x * channel, kernel)
    return x * channel * spatial, channel[:, :, 0, 0], spatial


@task.misconception(
    "adds x to the result", ask="Where does the residual connection belong: in this module, or around it?"
)
def _(x: Array, W_1: Array, W_2: Array, kernel: Array) -> Array:
    return x + cbam(x, W_1, W_2, kernel)


@task.misconception("multiplies by the channel gate twice", ask="Is the channel gate already in the refined map?")
def _(x: Array, W_1: Array, W_2: Array, kernel: Array) -> Array:
    channel = _channel(x, W_1, W_2)
    return x * channel**2 * _spatial(x * channel, kernel)


@task.misconception("multiplies by the spatial gate twice", ask="How many products has the module?")
def _(x: Array, W_1: Array, W_2: Array, kernel: Array) -> Array:
    refined = x * _channel(x, W_1, W_2)
    return refined * _spatial(refined, kernel) ** 2


@task.misconception(
    "makes the spatial gate from the channel gate alone",
    ask="Of which feature map does the spatial gate take mean and maximum?",
)
def _(x: Array, W_1: Array, W_2: Array, kernel: Array) -> Array:
    channel = _channel(x, W_1, W_2)
    return x * channel * _spatial(channel.expand_as(x), kernel)


@task.misconception("applies a rectifier to the result", ask="Is there a rectifier behind the products?")
def _(x: Array, W_1: Array, W_2: Array, kernel: Array) -> Array:
    return torch.relu(cbam(x, W_1, W_2, kernel))


@task.misconception("applies a rectifier between the two gates", ask="Is there a rectifier between the gates?")
def _(x: Array, W_1: Array, W_2: Array, kernel: Array) -> Array:
    refined = torch.relu(x * _channel(x, W_1, W_2))
    return refined * _spatial(refined, kernel)


@task.misconception(
    "applies the sigmoid to gates that are gates already", ask="What do your two functions return: logits, or gates?"
)
def _(x: Array, W_1: Array, W_2: Array, kernel: Array) -> Array:
    refined = x * _channel(x, W_1, W_2).sigmoid()
    return refined * _spatial(refined, kernel).sigmoid()


@task.misconception("exchanges W_1 and W_2", ask="Which of the two layers is narrow?")
def _(x: Array, W_1: Array, W_2: Array, kernel: Array) -> Array:
    return cbam(x, W_2, W_1, kernel)


_BROADCAST: dict[str, Callable[[Array], Array]] = {
    "lays the channel gate along the rows": lambda gate: gate[:, None, :, None],
    "lays the channel gate along the columns": lambda gate: gate[:, None, None, :],
    "multiplies without new axes: the channel gate lies along rows and columns": lambda gate: gate,
    "exchanges images and channels of the channel gate": lambda gate: gate.T[:, :, None, None],
}
for _name, _spread in _BROADCAST.items():

    @task.misconception(_name, ask="x is (B, C, H, W), the gate (B, C). With which axes of x must its two be lined up?")
    def _(x: Array, W_1: Array, W_2: Array, kernel: Array, spread: Callable[[Array], Array] = _spread) -> Array:
        refined = x * spread(cbam_channel(x, W_1, W_2))
        return refined * cbam_spatial(refined, kernel)


# --- mistakes inside one of the gates, which appear here if it is written anew

for _name, (_function, _ask) in INSIDE.items():
    task.misconception(_name, _ask)(_function)
for _name, (_step, _ask) in OVERFLOW.items():
    task.misconception(_name, _ask)(
        partial(_module, channel=partial(_channel, after=_step), spatial=partial(_spatial, after=_step))
    )


@task.misconception("adds both gates instead of multiplying by them", ask="Which operation is ⊙?")
def _(x: Array, W_1: Array, W_2: Array, kernel: Array) -> Array:
    refined = x + _channel(x, W_1, W_2)
    return refined + _spatial(refined, kernel)


@task.misconception("gates the channels twice, the second time from the refined map", ask="How many gates has CBAM?")
def _(x: Array, W_1: Array, W_2: Array, kernel: Array) -> Array:
    return _module(x * _channel(x, W_1, W_2), W_1, W_2, kernel)


for _original in (0, 1):

    @task.misconception(
        "takes one of the spatial gate's two maps from the original x",
        ask="Of which feature map does the spatial gate take the mean, and of which the maximum?",
    )
    def _(x: Array, W_1: Array, W_2: Array, kernel: Array, original: int = _original) -> Array:
        refined = x * _channel(x, W_1, W_2)
        seen = (x, refined) if original == 0 else (refined, x)
        maps = torch.cat([mean_at_positions(seen[0]), max_at_positions(seen[1])], 1)
        return refined * torch.sigmoid(convolved(maps, kernel))
