"""vision.cbam_spatial: One gate per position, from the mean and the maximum over the channels around it."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch.nn import functional

from attn_core.vision.cbam import cbam_spatial
from autograder.checking.draw import Draw
from autograder.checking.task import Task
from autograder.tasks.convolution_mistakes import CONVOLUTIONS
from autograder.tasks.feature_maps import bounded, feature_map, spatial_kernel
from autograder.tasks.gate_mistakes import AFTER, SEVERAL
from autograder.tasks.gated_block import convolved as _conv
from autograder.tasks.gated_block import max_at_positions as _max
from autograder.tasks.gated_block import mean_at_positions as _mean
from autograder.tasks.gated_block import spatial_gate as _gate
from autograder.tasks.mistakes import Array

task = Task(
    "vision.cbam_spatial",
    reference=cbam_spatial,
    kind="torch",
    lecture="18_vision#cbam-what-then-where",
    unit=1.0,
    hints=(
        "The channel gate asked what, for each channel over all positions. This one asks where. Over which axis is it pooled now?",
        "Two maps of one channel each become one map of two channels: mean first, maximum second. One convolution turns them into one map "
        "of the same height and width. How many zeros does a kernel of size k need on each side for that?",
        "maps = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1); "
        "return torch.sigmoid(torch.nn.functional.conv2d(maps, kernel, padding=kernel.shape[-1] // 2)).",
    ),
)


def _inputs(draw: Draw, half: int | None = None) -> tuple[Array, ...]:
    kernel = spatial_kernel(draw, half)
    return feature_map(draw), kernel


@task.inputs
def _(draw: Draw) -> tuple[Array, ...]:
    return _inputs(draw)


@task.special("a kernel of size 7, as in the paper")
def _(draw: Draw) -> tuple[Array, ...]:
    draw.sizes |= {"H": draw.choice([5, 6]), "W": draw.choice([4, 7]), "C": draw.choice([2, 3])}
    return _inputs(draw, half=3)


@task.special("a kernel of size 5")
def _(draw: Draw) -> tuple[Array, ...]:
    draw.sizes |= {"H": draw.choice([4, 5]), "W": draw.choice([3, 6]), "C": draw.choice([2, 3])}
    return _inputs(draw, half=2)


@task.special("a kernel of size 3")
def _(draw: Draw) -> tuple[Array, ...]:
    draw.sizes |= {"H": draw.choice([2, 3]), "W": draw.choice([4, 5]), "C": draw.choice([2, 3])}
    return _inputs(draw, half=1)


@task.special("a kernel larger than the map", share=0.25)
def _(draw: Draw) -> tuple[Array, ...]:
    draw.sizes |= {"H": draw.choice([1, 2]), "W": draw.choice([1, 3]), "C": draw.choice([2, 3])}
    return _inputs(draw, half=draw.choice([2, 3]))


@task.special("as many images as channels, rows and columns")
def _(draw: Draw) -> tuple[Array, ...]:
    draw.sizes |= dict.fromkeys("BCHW", draw.choice([2, 3, 4]))
    return _inputs(draw)


@task.special("two channels on a map of two rows and columns")
def _(draw: Draw) -> tuple[Array, ...]:
    draw.sizes |= dict.fromkeys("BCHW", 2)
    return _inputs(draw, half=1)


@task.special("a single channel: its mean and its maximum are equal")
def _(draw: Draw) -> tuple[Array, ...]:
    draw.sizes |= {"C": 1, "H": 3, "W": 4}
    return _inputs(draw)


@task.special("a map without a positive number")
def _(draw: Draw) -> tuple[Array, ...]:
    draw.sizes |= {"C": draw.choice([2, 3]), "H": draw.choice([2, 3]), "W": draw.choice([3, 4])}
    x, kernel = _inputs(draw)
    return x - x.amax() - 0.3 * float(x.abs().max()), kernel


@task.special("gates that are 0 or 1 to the last digit, beside ordinary ones", share=0.25)
def _(draw: Draw) -> tuple[Array, ...]:
    draw.sizes |= {"B": 3, "H": draw.choice([3, 4]), "W": draw.choice([2, 5])}
    x, k = feature_map(draw), draw.choice([1, 3])
    positive = x.abs() + 0.5 + 0.1 * x  # with a positive kernel: nothing cancels
    images = torch.stack([50_000 * positive[0], -50_000 * positive[1], x[2]])
    return images, bounded(draw, 1, 2, k, k, low=0.3, high=1.2) / k**2  # ordinary gates stay near 1/2


@task.property("the order of the channels does not matter")
def _(call: Any, inputs: tuple[Array, ...], output: Array) -> str | None:
    worst = float((call(inputs[0].flip(1), inputs[1]) - output).abs().max())
    return None if worst <= 1e-3 else f"with the channels in reverse order a gate moves by {worst:.3g}."


# --- the gate with parts that can be exchanged: what most mistakes are


def _mistake(name: str, ask: str, **parts: Any) -> None:
    """A gate in which these parts are wrong."""
    task.misconception(name, ask)(partial(_gate, **parts))


_mistake(
    "puts the maximum first and the mean second",
    "Which of the two maps meets kernel[0, 0]?",
    pools=(_max, _mean),
)
_mistake(
    "adds mean and maximum before the convolution",
    "How many maps does the kernel of shape (1, 2, k, k) meet?",
    pools=(lambda x: _mean(x) + _max(x), lambda x: _mean(x) + _max(x)),
)
_mistake("uses the mean twice", "Are your two maps different?", pools=(_mean, _mean))
_mistake("uses the maximum twice", "Are your two maps different?", pools=(_max, _max))
_mistake(
    "sums over the channels instead of averaging",
    "Should the gates change when each channel is there twice?",
    pools=(lambda x: x.sum(1, keepdim=True), _max),
)
_mistake(
    "takes the minimum instead of the maximum",
    "Which second map is asked for?",
    pools=(_mean, lambda x: x.amin(1, keepdim=True)),
)
_mistake(
    "takes the largest absolute value instead of the maximum",
    "Is −5 larger than 2?",
    pools=(_mean, lambda x: x.abs().amax(1, keepdim=True)),
)
_mistake(
    "takes the number of the largest channel instead of its value",
    "x.max(1) gives two results. Which of them holds the values?",
    pools=(_mean, lambda x: x.argmax(1, keepdim=True).to(x.dtype)),
)
_mistake(
    "takes the median instead of the mean",
    "Does the median change when the largest value grows?",
    pools=(lambda x: x.median(1, keepdim=True).values, _max),
)
_mistake(
    "rectifies the two maps",
    "Is there a rectifier in the formula of the spatial gate?",
    pools=(lambda x: _mean(x).relu(), lambda x: _max(x).relu()),
)
_mistake(
    "pools over the positions too, so that all positions look alike",
    "Which question does this gate answer: what, or where?",
    pools=(
        lambda x: x.mean((1, 2, 3), True).expand(-1, 1, *x.shape[2:]),
        lambda x: x.amax((1, 2, 3), True).expand(-1, 1, *x.shape[2:]),
    ),
)
_mistake(
    "starts the maximum from 0, so that a position without positive numbers has the maximum 0",
    "What is the maximum of −3 and −2?",
    pools=(_mean, lambda x: _max(x).clamp(min=0)),
)
_mistake(
    "takes the first two channels instead of mean and maximum",
    "A kernel of shape (1, 2, k, k) meets two maps. Which two?",
    pools=(lambda x: x[:, :1], lambda x: x[:, -1:] if x.shape[1] < 2 else x[:, 1:2]),
)
_mistake(
    "takes the maximum over the images of the batch too",
    "May the gate of one image depend on its neighbours in the batch?",
    pools=(_mean, lambda x: x.amax((0, 1), keepdim=True).expand(x.shape[0], -1, -1, -1)),
)
_mistake(
    "pools over the positions instead of the channels",
    "Which question does this gate answer: what, or where?",
    pools=(
        lambda x: x.mean((2, 3), keepdim=True)[:, :1].expand(-1, 1, *x.shape[2:]),
        lambda x: x.amax((2, 3), keepdim=True)[:, :1].expand(-1, 1, *x.shape[2:]),
    ),
)
_mistake(
    "pools over rows and columns, which leaves one number per channel",
    "Which question does this gate answer: what, or where?",
    pools=(lambda x: x.mean((2, 3), keepdim=True), lambda x: x.amax((2, 3), keepdim=True)),
)
_mistake(
    "pools over the rows",
    "Which axis of (B, C, H, W) holds the channels?",
    pools=(lambda x: x.mean(2)[:, None], lambda x: x.amax(2)[:, None]),
)
_mistake(
    "pools over the columns",
    "Which axis of (B, C, H, W) holds the channels?",
    pools=(lambda x: x.mean(3)[:, None], lambda x: x.amax(3)[:, None]),
)
_mistake(
    "hands all channels to the convolution", "How many inputs has a kernel of shape (1, 2, k, k)?", pools=(lambda x: x,)
)
_mistake(
    "rectifies the map before pooling",
    "Is there a rectifier in the formula of the spatial gate?",
    pools=(lambda x: _mean(x.relu()), lambda x: _max(x.relu())),
)
_mistake(
    "turns the kernel by 180°: a convolution as mathematicians define it",
    "Does conv2d in torch flip the kernel?",
    turn=lambda kernel: kernel.flip(2, 3),
)
_mistake(
    "mirrors the kernel left to right",
    "Which entry of the kernel meets the left neighbour?",
    turn=lambda kernel: kernel.flip(3),
)
_mistake(
    "mirrors the kernel top to bottom",
    "Which entry of the kernel meets the upper neighbour?",
    turn=lambda kernel: kernel.flip(2),
)
_mistake(
    "transposes the kernel",
    "Which axis of the kernel runs down the image, the third or the fourth?",
    turn=lambda kernel: kernel.mT,
)
_mistake(
    "uses the entry in the middle of the kernel only",
    "Do neighbours have a say in the gate of a position?",
    turn=lambda kernel: kernel * functional.pad(kernel.new_ones(1, 1, 1, 1), (kernel.shape[-1] // 2,) * 4),
)
_mistake(
    "divides the kernel by the number of its entries",
    "Is a convolution a mean?",
    turn=lambda kernel: kernel / kernel.shape[-1] ** 2,
)
_mistake(
    "takes the kernel's first map for both",
    "Mean and maximum each have their own weights. Where are those of the maximum?",
    turn=lambda kernel: kernel[:, :1].expand(-1, 2, -1, -1),
)
_mistake(
    "takes the kernel's second map for both",
    "Mean and maximum each have their own weights. Where are those of the mean?",
    turn=lambda kernel: kernel[:, 1:].expand(-1, 2, -1, -1),
)
for _name, (_conv_of, _ask) in CONVOLUTIONS.items():
    _mistake(_name, _ask, conv=_conv_of)
_mistake(
    "takes a softmax over the positions instead of a sigmoid for each",
    "May two positions be open at once? What would all gates sum to?",
    after=lambda s: s.flatten(1).softmax(1).view_as(s),
)
for _name, (_step, _ask) in AFTER.items():
    _mistake(_name, _ask, after=_step)
for _name, _step, _ask in SEVERAL:
    _mistake(_name, _ask, after=_step)
_mistake(
    "applies a rectifier before the sigmoid",
    "What is the smallest gate that is left when no logit is negative?",
    after=lambda s: s.relu().sigmoid(),
)
_mistake(
    "applies the sigmoid to each map's convolution and adds the gates",
    "What comes first: the sum over the two maps, or σ?",
    conv=lambda maps, kernel: _conv(maps[:, :1], kernel[:, :1]).sigmoid() + _conv(maps[:, 1:], kernel[:, 1:]).sigmoid(),
    after=lambda s: s,
)
_mistake(
    "drops the axis of size 1",
    "Which shape is asked for: (B, H, W), or (B, 1, H, W)?",
    after=lambda s: s.sigmoid()[:, 0],
)
_mistake(
    "drops every axis of size 1, that of a single image, row or column too",
    "What does squeeze() without an argument make of a batch of one image?",
    after=lambda s: s.sigmoid().squeeze(),
)
_mistake(
    "pads the gate instead of the maps, so that the rim is always closed",
    "What do the neighbours of a position at the rim say about it?",
    conv=lambda maps, kernel: functional.pad(
        functional.conv2d(maps, kernel), (kernel.shape[-1] // 2,) * 4, value=-torch.inf
    ),
)
_mistake("detaches the maximum", "Can the largest channel learn then?", pools=(_mean, lambda x: _max(x).detach()))
_mistake(
    "detaches the mean",
    "Can the channels that are not the largest learn then?",
    pools=(lambda x: _mean(x).detach(), _max),
)
_mistake(
    "detaches x",
    "Can the layers below learn where to be open?",
    pools=(lambda x: _mean(x).detach(), lambda x: _max(x).detach()),
)


@task.misconception("repeats the gate for every channel", ask="Which shape is asked for: (B, 1, H, W), or that of x?")
def _(x: Array, kernel: Array) -> Array:
    return _gate(x, kernel).expand_as(x)


@task.misconception(
    "returns the gated feature map instead of the gate", ask="Which shape is asked for: that of x, or (B, 1, H, W)?"
)
def _(x: Array, kernel: Array) -> Array:
    return x * _gate(x, kernel)


@task.misconception("returns the feature map and the gate", ask="How many results does this task ask for?")
def _(x: Array, kernel: Array) -> tuple[Array, Array]:
    gate = _gate(x, kernel)
    return x * gate, gate


@task.misconception("exchanges rows and columns of the gate", ask="Which axis is the height?")
def _(x: Array, kernel: Array) -> Array:
    return _gate(x, kernel).mT


@task.misconception(
    "exchanges rows and columns of the map before the convolution",
    ask="Which axis of x is the height, and which axis of your maps?",
)
def _(x: Array, kernel: Array) -> Array:
    return _gate(x.mT, kernel)


@task.misconception(
    "joins the two maps along the images and cuts them anew",
    ask="Along which axis are the two maps of one image joined? Does reshape move an axis?",
)
def _(x: Array, kernel: Array) -> Array:
    maps = torch.cat([x.mean(1), x.amax(1)]).reshape(len(x), 2, *x.shape[2:])
    return torch.sigmoid(_conv(maps, kernel))


@task.misconception(
    "convolves each map on its own and returns both",
    ask="A convolution sums over its input maps. How many gates has a position?",
)
def _(x: Array, kernel: Array) -> Array:
    maps = torch.cat([_mean(x), _max(x)], 1)
    return torch.sigmoid(functional.conv2d(maps, kernel.transpose(0, 1), padding=kernel.shape[-1] // 2, groups=2))
