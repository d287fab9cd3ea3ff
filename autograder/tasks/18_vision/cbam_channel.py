"""vision.cbam_channel: One gate per channel, from the mean and the maximum of each."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

from attn_core.vision.cbam import cbam_channel
from autograder.checking.draw import Draw
from autograder.checking.task import Task
from autograder.tasks.feature_maps import bounded, channels, equal_axes, feature_map, gate_weights
from autograder.tasks.gate_mistakes import AFTER, BETWEEN, SEVERAL
from autograder.tasks.gated_block import channel_gate as _gate
from autograder.tasks.gated_block import max_of_channels as _max
from autograder.tasks.gated_block import mean_of_channels as _mean
from autograder.tasks.gated_block import mlp as _mlp
from autograder.tasks.mistakes import Array

task = Task(
    "vision.cbam_channel",
    reference=cbam_channel,
    kind="torch",
    lecture="18_vision#cbam-what-then-where",
    unit=1.0,
    hints=(
        "Two summaries of each channel, one small network for both, one gate. Where do the two paths meet?",
        "They meet behind the second layer and in front of the sigmoid. A rectifier does not treat a sum as the sum of its parts: "
        "so it is not the same to add the two summaries first.",
        "mlp = lambda z: torch.relu(z @ W_1.T) @ W_2.T; return torch.sigmoid(mlp(x.mean((2, 3))) + mlp(x.amax((2, 3)))).",
    ),
)


def _inputs(draw: Draw) -> tuple[Array, ...]:
    W_1, W_2 = gate_weights(draw)
    return feature_map(draw), W_1, W_2


@task.inputs
def _(draw: Draw) -> tuple[Array, ...]:
    return _inputs(draw)


equal_axes(task, _inputs)


@task.special("a map without a positive number")
def _(draw: Draw) -> tuple[Array, ...]:
    draw.sizes |= {"H": draw.choice([2, 3]), "W": draw.choice([3, 4])}
    x, W_1, W_2 = _inputs(draw)
    return x - x.amax() - 0.3 * float(x.abs().max()), W_1, W_2


@task.special("a single position: its mean and its maximum are equal")
def _(draw: Draw) -> tuple[Array, ...]:
    draw.sizes |= {"H": 1, "W": 1}
    return _inputs(draw)


@task.special("gates that are 0 or 1 to the last digit, beside ordinary ones", share=0.25)
def _(draw: Draw) -> tuple[Array, ...]:
    C, hidden = channels(draw, r=3, hidden=draw.choice([1, 2]))
    draw.sizes |= {"H": draw.choice([2, 3]), "W": draw.choice([3, 4])}
    x, W_2 = feature_map(draw), gate_weights(draw)[1]
    W_1 = bounded(draw, hidden, C, low=0.3, high=1.2) / (4 * C)  # the ordinary gates stay near 1/2
    W_2[0], W_2[1] = 20_000 + W_2[0], W_2[1] - 20_000  # all positive with positive hidden units: nothing cancels
    return x.abs() + 0.5 + 0.1 * x, W_1, W_2


@task.property("turning and mirroring the image leaves the gate as it is")
def _(call: Any, inputs: tuple[Array, ...], output: Array) -> str | None:
    x, *weights = inputs
    worst = float((call(x.flip(2, 3).transpose(2, 3), *weights) - output).abs().max())
    return None if worst <= 1e-3 else f"here a gate moves by {worst:.3g}."


# --- the gate with parts that can be exchanged: what most mistakes are


def _mistake(name: str, ask: str, **parts: Any) -> None:
    """A gate in which these parts are wrong."""
    task.misconception(name, ask)(partial(_gate, **parts))


_mistake(
    "uses the mean only, as Squeeze-and-Excitation does",
    "Which second summary has CBAM, and SE has not?",
    pools=(_mean,),
)
_mistake("uses the maximum only", "How many summaries of a channel are there?", pools=(_max,))
_mistake("uses the mean twice", "Are your two summaries different?", pools=(_mean, _mean))
_mistake("uses the maximum twice", "Are your two summaries different?", pools=(_max, _max))
_mistake(
    "adds mean and maximum before the network instead of behind it",
    "What is relu(−1) + relu(2), and what is relu(−1 + 2)?",
    pools=(lambda x: _mean(x) + _max(x),),
)
_mistake(
    "averages mean and maximum before the network",
    "What is relu(−1) + relu(2), and what is relu(−1 + 2)?",
    pools=(lambda x: (_mean(x) + _max(x)) / 2,),
)
_mistake(
    "averages the two paths instead of adding them",
    "Is there a mean in the formula, between the network and σ?",
    join=lambda parts: (parts[0] + parts[1]) / 2,
)
_mistake("multiplies the two paths", "Which operation joins the two paths?", join=lambda parts: parts[0] * parts[1])
_mistake(
    "subtracts the path of the maximum", "Which operation joins the two paths?", join=lambda parts: parts[0] - parts[1]
)
_mistake(
    "subtracts the path of the mean", "Which operation joins the two paths?", join=lambda parts: parts[1] - parts[0]
)
_mistake(
    "takes the larger of the two paths",
    "Which operation joins the two paths?",
    join=lambda parts: torch.maximum(*parts),
)
_mistake(
    "applies the sigmoid to each path and adds the gates",
    "Between which two numbers does the sum of two gates lie?",
    join=lambda parts: parts[0].sigmoid() + parts[1].sigmoid(),
    after=lambda s: s,
)
_mistake(
    "applies the sigmoid to each path and averages the gates",
    "What comes first: the sum, or σ?",
    join=lambda parts: (parts[0].sigmoid() + parts[1].sigmoid()) / 2,
    after=lambda s: s,
)
_mistake(
    "applies the sigmoid to each path and multiplies the gates",
    "What comes first: the sum, or σ?",
    join=lambda parts: parts[0].sigmoid() * parts[1].sigmoid(),
    after=lambda s: s,
)
_mistake(
    "applies the sigmoid to each path and to the sum",
    "How often does σ stand in the formula?",
    join=lambda parts: parts[0].sigmoid() + parts[1].sigmoid(),
)
_mistake(
    "returns the two gates, one per path, instead of one",
    "How many gates has a channel?",
    join=lambda parts: torch.cat(parts, 1),
)
_mistake(
    "sums over the positions instead of averaging",
    "Should the gates change when the same image comes at twice the size?",
    pools=(lambda x: x.sum((2, 3)), _max),
)
_mistake(
    "takes the minimum instead of the maximum",
    "Which second summary is asked for?",
    pools=(_mean, lambda x: x.amin((2, 3))),
)
_mistake(
    "takes the largest absolute value instead of the maximum",
    "Is −5 larger than 2?",
    pools=(_mean, lambda x: x.abs().amax((2, 3))),
)
_mistake(
    "takes the entry that is largest in absolute value instead of the maximum",
    "Is −5 larger than 2?",
    pools=(_mean, lambda x: x.flatten(2).gather(2, x.flatten(2).abs().argmax(2, keepdim=True))[:, :, 0]),
)
_mistake(
    "takes the place of the maximum instead of its value",
    "x.flatten(2).max(2) gives two results. Which of them holds the values?",
    pools=(_mean, lambda x: x.flatten(2).argmax(2).to(x.dtype)),
)
_mistake(
    "takes a log-sum-exp instead of the maximum",
    "What is the maximum of a channel that is 5 everywhere?",
    pools=(_mean, lambda x: x.flatten(2).logsumexp(2)),
)
_mistake(
    "reads the first position instead of the maximum",
    "Which positions have a say in a maximum?",
    pools=(_mean, lambda x: x[:, :, 0, 0]),
)
_mistake(
    "takes the median instead of the mean",
    "Does the median change when the largest value grows?",
    pools=(lambda x: x.flatten(2).median(2).values, _max),
)
_mistake(
    "drops every axis of size 1, that of a single image or channel too",
    "What does squeeze() without an argument make of a batch of one image?",
    pools=(lambda x: x.mean((2, 3), True).squeeze(), lambda x: x.amax((2, 3), True).squeeze()),
)
_mistake(
    "starts the maximum from 0, so that a channel without positive numbers has the maximum 0",
    "What is the maximum of −3 and −2?",
    pools=(_mean, lambda x: x.amax((2, 3)).clamp(min=0)),
)
_mistake(
    "takes the standard deviation instead of the maximum",
    "Which second summary is asked for?",
    pools=(_mean, lambda x: x.flatten(2).std(2, correction=0)),
)
_mistake(
    "takes the maximum over the rows and the mean over the columns",
    "Over how many axes is the maximum taken?",
    pools=(_mean, lambda x: x.amax(2).mean(2)),
)
_mistake(
    "takes the maximum over the columns and the mean over the rows",
    "Over how many axes is the maximum taken?",
    pools=(_mean, lambda x: x.amax(3).mean(2)),
)
_mistake(
    "takes the maximum over the images of the batch too",
    "May the gate of one image depend on its neighbours in the batch?",
    pools=(_mean, lambda x: x.amax((0, 2, 3))[None].expand(x.shape[0], -1)),
)
_mistake(
    "takes the mean and the maximum over the images of the batch too",
    "May the gate of one image depend on its neighbours in the batch?",
    pools=(
        lambda x: x.mean((0, 2, 3))[None].expand(x.shape[0], -1),
        lambda x: x.amax((0, 2, 3))[None].expand(x.shape[0], -1),
    ),
)
_mistake(
    "takes the maximum over the channels too",
    "How many maxima are there per image?",
    pools=(_mean, lambda x: x.amax((1, 2, 3))[:, None].expand(-1, x.shape[1])),
)
_mistake(
    "pools over channels and rows",
    "Which axes of (B, C, H, W) are spatial?",
    pools=(lambda x: x.mean((1, 2)), lambda x: x.amax((1, 2))),
)
_mistake(
    "pools over channels and columns",
    "Which axes of (B, C, H, W) are spatial?",
    pools=(lambda x: x.mean((1, 3)), lambda x: x.amax((1, 3))),
)
_mistake(
    "rectifies the map before pooling",
    "Where does the rectifier stand: before the network, or in it?",
    pools=(lambda x: _mean(x.relu()), lambda x: _max(x.relu())),
)
_mistake(
    "leaves out the rectifier between the layers",
    "Without it, could the two paths not be added first?",
    between=lambda h: h,
)
_mistake(
    "applies a rectifier behind the second layer of each path",
    "How many rectifiers has the network?",
    join=lambda parts: parts[0].relu() + parts[1].relu(),
)
_mistake(
    "applies a rectifier to the sum of the paths",
    "What is the smallest gate that is left when no logit is negative?",
    after=lambda s: s.relu().sigmoid(),
)
_mistake(
    "takes a softmax over the channels instead of a sigmoid for each",
    "May two channels be open at once? What would their gates sum to?",
    after=lambda s: s.softmax(1),
)
for _name, (_step, _ask) in BETWEEN.items():
    _mistake(_name, _ask, between=_step)
for _name, (_step, _ask) in AFTER.items():
    _mistake(_name, _ask, after=_step)
for _name, _step, _ask in SEVERAL:
    _mistake(_name, _ask, after=_step)
_mistake(
    "keeps the two axes of size 1",
    "Which shape is asked for: (B, C), or (B, C, 1, 1)?",
    after=lambda s: s.sigmoid()[:, :, None, None],
)
_mistake(
    "detaches the maximum", "Can the feature at the maximum learn then?", pools=(_mean, lambda x: _max(x).detach())
)
_mistake(
    "detaches the mean",
    "Can the features that are not the largest learn then?",
    pools=(lambda x: _mean(x).detach(), _max),
)


@task.misconception("does not transpose W_1", ask="W_1 is (C/r, C). Which of its axes must meet z?")
def _(x: Array, W_1: Array, W_2: Array) -> Array:
    return _gate(x, W_1.mT, W_2)


@task.misconception("does not transpose W_2", ask="W_2 is (C, C/r). Which of its axes must meet the hidden units?")
def _(x: Array, W_1: Array, W_2: Array) -> Array:
    return _gate(x, W_1, W_2.mT)


@task.misconception("does not transpose the two matrices", ask="Which axis of W_1 of shape (C/r, C) must meet z?")
def _(x: Array, W_1: Array, W_2: Array) -> Array:
    return _gate(x, W_1.mT, W_2.mT)


@task.misconception("applies W_2 first and W_1 second", ask="Which of the two layers is narrow?")
def _(x: Array, W_1: Array, W_2: Array) -> Array:
    return _gate(x, W_2, W_1)


@task.misconception(
    "returns the gated feature map instead of the gate", ask="Which shape is asked for: that of x, or (B, C)?"
)
def _(x: Array, W_1: Array, W_2: Array) -> Array:
    return x * _gate(x, W_1, W_2)[:, :, None, None]


@task.misconception("returns the feature map and the gate", ask="How many results does this task ask for?")
def _(x: Array, W_1: Array, W_2: Array) -> tuple[Array, Array]:
    gate = _gate(x, W_1, W_2)
    return x * gate[:, :, None, None], gate


@task.misconception(
    "leaves out the rectifier on the path of the maximum",
    ask="Do both summaries go through the same network?",
)
def _(x: Array, W_1: Array, W_2: Array) -> Array:
    return torch.sigmoid((torch.relu(_mean(x) @ W_1.mT) + _max(x) @ W_1.mT) @ W_2.mT)


@task.misconception(
    "leaves out the rectifier on the path of the mean",
    ask="Do both summaries go through the same network?",
)
def _(x: Array, W_1: Array, W_2: Array) -> Array:
    return torch.sigmoid((_mean(x) @ W_1.mT + torch.relu(_max(x) @ W_1.mT)) @ W_2.mT)


@task.misconception(
    "rectifies the summaries instead of the hidden units",
    ask="Where does the rectifier stand in MLP(z) = W_2 relu(W_1 z)?",
)
def _(x: Array, W_1: Array, W_2: Array) -> Array:
    return _gate(x, W_1, W_2, pools=(lambda x: _mean(x).relu(), lambda x: _max(x).relu()), between=lambda h: h)


@task.misconception(
    "takes W_2 for the first layer and W_1 for the second, untransposed: the shapes fit, the weights do not",
    ask="Which matrix meets z, and which of its axes?",
)
def _(x: Array, W_1: Array, W_2: Array) -> Array:
    return _gate(x, W_2.mT, W_1.mT)


@task.misconception(
    "gives each path a network of its own: the second one runs through W_2 first",
    ask="Which matrices does the maximum meet, and in which order?",
)
def _(x: Array, W_1: Array, W_2: Array) -> Array:
    return torch.sigmoid(_mlp(_mean(x), W_1, W_2) + _mlp(_max(x), W_2.mT, W_1.mT))


@task.misconception(
    "stops behind the first layer", ask="How many layers has the network, and how many entries the gate?"
)
def _(x: Array, W_1: Array, W_2: Array) -> Array:  # noqa: ARG001 - ignoring the second layer is the mistake
    return torch.sigmoid(torch.relu(_mean(x) @ W_1.mT) + torch.relu(_max(x) @ W_1.mT))
