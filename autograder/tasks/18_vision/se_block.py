"""vision.se_block: One gate per channel, from the means of all channels."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from attn_core.vision.squeeze_excitation import se_block
from autograder.checking.draw import Draw
from autograder.checking.task import Task
from autograder.tasks.feature_maps import channels, equal_axes, feature_map, gate_biases, gate_weights
from autograder.tasks.gate_mistakes import AFTER, BETWEEN, SEVERAL, SQUEEZES
from autograder.tasks.gated_block import Pair, gate_of, gated_block
from autograder.tasks.mistakes import Array

task = Task(
    "vision.se_block",
    reference=se_block,
    kind="torch",
    lecture="18_vision#squeeze-and-excitation",
    hints=(
        "Four steps: squeeze, a narrow layer with a rectifier, a wide layer with a sigmoid, and a product with x. You have written the first.",
        "A matrix of shape (out, in) meets rows from the right when it is transposed, as in nn.Linear. The gate is (B, C), x is (B, C, H, W): "
        "which axes does the gate lack, and on which side do they have to come?",
        "hidden = relu(squeeze(x) @ W_1.T + b_1); gate = sigmoid(hidden @ W_2.T + b_2); out = x * gate[:, :, None, None]; return out, gate.",
    ),
)


def _inputs(draw: Draw) -> tuple[Array, ...]:
    W_1, W_2 = gate_weights(draw)
    hidden, C = W_1.shape
    b_1, b_2 = gate_biases(draw, hidden, C)
    return feature_map(draw), W_1, b_1, W_2, b_2


@task.inputs
def _(draw: Draw) -> tuple[Array, ...]:
    return _inputs(draw)


equal_axes(task, _inputs)


@task.special("an image that is empty")
def _(draw: Draw) -> tuple[Array, ...]:
    x, *weights = _inputs(draw)
    return 0 * x, *weights


@task.special("gates that are 0 or 1 to the last digit, beside ordinary ones", share=0.25)
def _(draw: Draw) -> tuple[Array, ...]:
    channels(draw, r=draw.choice([2, 3]), hidden=2)
    x, W_1, b_1, W_2, b_2 = _inputs(draw)
    b_2[0], b_2[1] = 3000 + b_2[0], b_2[1] - 3000
    return x, W_1, b_1, W_2, b_2


@task.special("hidden units far above 1", share=0.5)
def _(draw: Draw) -> tuple[Array, ...]:
    channels(draw, r=2, hidden=draw.choice([1, 2]))
    x, W_1, b_1, W_2, b_2 = _inputs(draw)
    return x, W_1, b_1 + 12, W_2 / 8, b_2  # the gates stay ordinary


@task.property("every gate lies between 0 and 1")
def _(_call: Any, _inputs: tuple[Array, ...], output: Pair) -> str | None:
    gate = output[1]
    worst = float(torch.maximum(gate - 1, -gate).max())
    return None if worst <= 1e-6 else f"here one lies outside by {worst:.3g}."


@task.property("turning and mirroring the image leaves the gate as it is")
def _(call: Any, inputs: tuple[Array, ...], output: Pair) -> str | None:
    x, *weights = inputs
    gate = call(x.flip(2, 3).transpose(2, 3), *weights)[1]
    worst = float((gate - output[1]).abs().max())
    return None if worst <= 1e-3 else f"here a gate moves by {worst:.3g}."


# --- the block with parts that are exchanged: what most mistakes are

DIVIDED = "Over how many positions is the mean taken?"


def _mistake(name: str, ask: str, **parts: Any) -> None:
    """A block in which these parts are wrong."""
    task.misconception(name, ask)(partial(gated_block, **parts))


_mistake(
    "leaves out the rectifier between the layers",
    "What are two linear layers with nothing between them?",
    between=lambda h: h,
)
_mistake(
    "takes a softmax over the channels instead of a sigmoid for each",
    "May two channels be open at once? What would their gates sum to?",
    after=lambda s: s.softmax(1),
)
_mistake(
    "takes a softmax over the images of the batch", "Do the gates of a batch compete?", after=lambda s: s.softmax(0)
)
for _name, (_step, _ask) in SQUEEZES.items():
    _mistake(_name, _ask, pool=_step)
_mistake("leaves the squeeze's division out in one direction", DIVIDED, pool=lambda x: x.sum(2).mean(2))
_mistake("leaves the squeeze's division out in one direction", DIVIDED, pool=lambda x: x.sum(3).mean(2))
for _name, (_step, _ask) in BETWEEN.items():
    _mistake(_name, _ask, between=_step)
for _name, (_step, _ask) in AFTER.items():
    _mistake(_name, _ask, after=_step)
for _name, _step, _ask in SEVERAL:
    _mistake(_name, _ask, after=_step)
_mistake("uses a rectifier instead of the sigmoid", "May a gate be larger than 1?", after=torch.relu)
_mistake(
    "applies a rectifier before the sigmoid too",
    "What is the smallest gate that is left when no logit is negative?",
    after=lambda s: s.relu().sigmoid(),
)
_mistake("rounds the gate to 0 or 1", "Which gradient has a step?", after=lambda s: (s > 0).to(s.dtype))
_mistake("forgets b_1", "What does the first layer add?", first=lambda z, W, _b: z @ W.mT)
_mistake("forgets b_2", "What does the second layer add?", second=lambda z, W, _b: z @ W.mT)
_mistake(
    "forgets both biases", "What do the layers add?", first=lambda z, W, _b: z @ W.mT, second=lambda z, W, _b: z @ W.mT
)
_mistake(
    "adds b_1 twice", "Does nn.functional.linear with a bias add it already?", first=lambda z, W, b: z @ W.mT + 2 * b
)
_mistake(
    "adds b_2 twice", "Does nn.functional.linear with a bias add it already?", second=lambda z, W, b: z @ W.mT + 2 * b
)
_mistake(
    "adds both biases twice",
    "Does nn.functional.linear with a bias add it already?",
    first=lambda z, W, b: z @ W.mT + 2 * b,
    second=lambda z, W, b: z @ W.mT + 2 * b,
)
_mistake(
    "subtracts the biases", "Which sign has b?", first=lambda z, W, b: z @ W.mT - b, second=lambda z, W, b: z @ W.mT - b
)
_mistake("does not transpose W_1", "W_1 is (C/r, C). Which of its axes must meet z?", first=lambda z, W, b: z @ W + b)
_mistake(
    "does not transpose W_2",
    "W_2 is (C, C/r). Which of its axes must meet the hidden units?",
    second=lambda z, W, b: z @ W + b,
)
_mistake(
    "does not transpose the two matrices",
    "Which axis of W_1 of shape (C/r, C) must meet z?",
    first=lambda z, W, b: z @ W + b,
    second=lambda z, W, b: z @ W + b,
)


@task.misconception("adds b_1 behind the rectifier", ask="Which comes first: the bias, or the rectifier?")
def _(x: Array, W_1: Array, b_1: Array, W_2: Array, b_2: Array) -> Pair:
    gate = torch.sigmoid((torch.relu(x.mean((2, 3)) @ W_1.T) + b_1) @ W_2.T + b_2)
    return x * gate[:, :, None, None], gate


@task.misconception("adds b_2 behind the sigmoid", ask="May a gate be larger than 1?")
def _(x: Array, W_1: Array, b_1: Array, W_2: Array, b_2: Array) -> Pair:
    gate = gate_of(x, W_1, b_1, W_2, 0 * b_2) + b_2
    return x * gate[:, :, None, None], gate


@task.misconception("applies W_2 first and W_1 second", ask="Which of the two layers is narrow?")
def _(x: Array, W_1: Array, b_1: Array, W_2: Array, b_2: Array) -> Pair:
    return gated_block(x, W_2, b_2, W_1, b_1)


@task.misconception("exchanges the two biases", ask="Which bias has as many entries as W_1 has rows?")
def _(x: Array, W_1: Array, b_1: Array, W_2: Array, b_2: Array) -> Pair:
    return gated_block(x, W_1, b_2, W_2, b_1)


@task.misconception(
    "returns the logits instead of the gate", ask="Between which two numbers does the second output lie?"
)
def _(x: Array, *weights: Array) -> Pair:
    return gated_block(x, *weights)[0], gate_of(x, *weights, after=lambda s: s)


@task.misconception(
    "returns the gate first and the feature map second", ask="In which order does the task ask for them?"
)
def _(x: Array, *weights: Array) -> Pair:
    return gated_block(x, *weights)[::-1]


@task.misconception("returns the feature map without the gate", ask="How many results does the task ask for?")
def _(x: Array, *weights: Array) -> Array:
    return gated_block(x, *weights)[0]


@task.misconception("returns the gate without the feature map", ask="How many results does the task ask for?")
def _(x: Array, *weights: Array) -> Array:
    return gate_of(x, *weights)


@task.misconception(
    "returns the gate with its two axes of size 1", ask="Which shape is asked for: (B, C), or (B, C, 1, 1)?"
)
def _(x: Array, *weights: Array) -> Pair:
    out, gate = gated_block(x, *weights)
    return out, gate[:, :, None, None]


@task.misconception("returns a gate for every position", ask="How many gates has a channel?")
def _(x: Array, *weights: Array) -> Pair:
    out, gate = gated_block(x, *weights)
    return out, gate[:, :, None, None].expand_as(x)


@task.misconception("returns the spread gate without x in it", ask="What is multiplied by the gate?")
def _(x: Array, *weights: Array) -> Pair:
    gate = gate_of(x, *weights)
    return gate[:, :, None, None].expand_as(x), gate


@task.misconception(
    "multiplies the means by the gate instead of the feature map", ask="Which shape has the first output?"
)
def _(x: Array, *weights: Array) -> Pair:
    gate = gate_of(x, *weights)
    return x.mean((2, 3)) * gate, gate


@task.misconception(
    "spreads the gated means over the map, so that all positions are alike",
    ask="What is multiplied by the gate: x, or its mean?",
)
def _(x: Array, *weights: Array) -> Pair:
    gate = gate_of(x, *weights)
    return (x.mean((2, 3)) * gate)[:, :, None, None].expand_as(x), gate


@task.misconception("adds the gate instead of multiplying by it", ask="Which operation is ⊙?")
def _(x: Array, *weights: Array) -> Pair:
    gate = gate_of(x, *weights)
    return x + gate[:, :, None, None], gate


@task.misconception(
    "adds x to the gated map", ask="Where does the residual connection belong: in this block, or around it?"
)
def _(x: Array, *weights: Array) -> Pair:
    out, gate = gated_block(x, *weights)
    return x + out, gate


@task.misconception("returns x as it is", ask="What does the gate do to x?")
def _(x: Array, *weights: Array) -> Pair:
    return x * 1, gate_of(x, *weights)


@task.misconception("multiplies by the gate twice", ask="How often does the gate stand in the formula?")
def _(x: Array, *weights: Array) -> Pair:
    gate = gate_of(x, *weights)
    return x * gate[:, :, None, None] ** 2, gate


@task.misconception("multiplies by the logits instead of the gate", ask="What is multiplied by x: s, or σ(s)?")
def _(x: Array, *weights: Array) -> Pair:
    return x * gate_of(x, *weights, after=lambda s: s)[:, :, None, None], gate_of(x, *weights)


@task.misconception("applies a rectifier to the result", ask="Is there a rectifier behind the product?")
def _(x: Array, *weights: Array) -> Pair:
    out, gate = gated_block(x, *weights)
    return torch.relu(out), gate


@task.misconception("divides x by the gate", ask="Does a gate of 0.1 let much through, or little?")
def _(x: Array, *weights: Array) -> Pair:
    gate = gate_of(x, *weights)
    return x / gate[:, :, None, None], gate


_BROADCAST: dict[str, Callable[[Array], Array]] = {
    "lays the gate along the rows instead of the channels": lambda gate: gate[:, None, :, None],
    "lays the gate along the columns instead of the channels": lambda gate: gate[:, None, None, :],
    "multiplies without new axes: the gate lies along rows and columns": lambda gate: gate,
    "exchanges images and channels of the gate": lambda gate: gate.T[:, :, None, None],
    "lays the gate along the images and the rows": lambda gate: gate.T[:, None, :, None],
}
for _name, _spread in _BROADCAST.items():

    @task.misconception(_name, ask="x is (B, C, H, W), the gate (B, C). With which axes of x must its two be lined up?")
    def _(x: Array, *weights: Array, spread: Callable[[Array], Array] = _spread) -> Pair:
        gate = gate_of(x, *weights)
        return x * spread(gate), gate


@task.misconception("takes one gate for all channels", ask="How many gates are there per image?")
def _(x: Array, *weights: Array) -> Pair:
    gate = gate_of(x, *weights).mean(1, keepdim=True).expand(-1, x.shape[1])
    return x * gate[:, :, None, None], gate


@task.misconception("takes the gate of the first image for all", ask="Does each image have its own gate?")
def _(x: Array, *weights: Array) -> Pair:
    gate = gate_of(x, *weights)
    return x * gate[:1, :, None, None], gate


@task.misconception(
    "excites every position by itself and averages the gates then",
    ask="What comes first: the mean, or the layers? Is σ of a mean the mean of σ?",
)
def _(x: Array, W_1: Array, b_1: Array, W_2: Array, b_2: Array) -> Pair:
    places = x.movedim(1, -1)
    gate = torch.sigmoid(torch.relu(places @ W_1.T + b_1) @ W_2.T + b_2).mean((1, 2))
    return x * gate[:, :, None, None], gate


@task.misconception(
    "cuts the gradient through the gate: x learns as if the gate were constant",
    ask="Which tensor leaves the graph before the product?",
)
def _(x: Array, *weights: Array) -> Pair:
    gate = gate_of(x, *weights)
    return x * gate.detach()[:, :, None, None], gate


@task.misconception("detaches the squeezed means", ask="Can the layers below learn from the gate then?")
def _(x: Array, *weights: Array) -> Pair:
    return gated_block(x, *weights, pool=lambda x: x.detach().mean((2, 3)))


@task.misconception("detaches x in the product", ask="Can the layers below learn from the feature map then?")
def _(x: Array, *weights: Array) -> Pair:
    gate = gate_of(x, *weights)
    return x.detach() * gate[:, :, None, None], gate


@task.misconception(
    "takes W_2 for the first layer and W_1 for the second, untransposed: the shapes fit, the weights do not",
    ask="Which matrix meets z, and which of its axes?",
)
def _(x: Array, W_1: Array, b_1: Array, W_2: Array, b_2: Array) -> Pair:
    return gated_block(x, W_2.mT, b_1, W_1.mT, b_2)


@task.misconception(
    "reshapes the matrices instead of transposing them",
    ask="Where does the entry (0, 1) of a matrix go when it is transposed, and where when it is reshaped?",
)
def _(x: Array, W_1: Array, b_1: Array, W_2: Array, b_2: Array) -> Pair:
    return gated_block(x, W_1.reshape(W_1.shape[::-1]).mT, b_1, W_2.reshape(W_2.shape[::-1]).mT, b_2)


@task.misconception(
    "rectifies the means instead of the hidden units", ask="Where does the rectifier stand in the formula?"
)
def _(x: Array, *weights: Array) -> Pair:
    return gated_block(x, *weights, pool=lambda x: x.mean((2, 3)).relu(), between=lambda h: h)


@task.misconception(
    "leaves the squeeze out: every position gets a gate of its own",
    ask="Which shape has the gate: (B, C), or that of x? What does it have to know about the other positions?",
)
def _(x: Array, W_1: Array, b_1: Array, W_2: Array, b_2: Array) -> Pair:
    gate = torch.sigmoid(torch.relu(x.movedim(1, -1) @ W_1.T + b_1) @ W_2.T + b_2).movedim(-1, 1)
    return x * gate, gate


@task.misconception(
    "gates every position by itself and returns the mean of these gates",
    ask="How many gates has a channel? What comes first: the mean, or the layers?",
)
def _(x: Array, W_1: Array, b_1: Array, W_2: Array, b_2: Array) -> Pair:
    gate = torch.sigmoid(torch.relu(x.movedim(1, -1) @ W_1.T + b_1) @ W_2.T + b_2).movedim(-1, 1)
    return x * gate, gate.mean((2, 3))


@task.misconception(
    "drops every axis of size 1, that of a single image or channel too",
    ask="What does squeeze() without an argument make of a batch of one image?",
)
def _(x: Array, *weights: Array) -> Pair:
    gate = gate_of(x, *weights, pool=lambda x: x.mean((2, 3), keepdim=True).squeeze())
    return x * gate[..., None, None], gate
