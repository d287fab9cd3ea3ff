"""luong.attentional_state: What was read and who asked, mixed."""

from __future__ import annotations

import torch

from attn_core.seq2seq.luong import attentional_state
from autograder.checking.draw import Draw
from autograder.checking.task import Task
from autograder.tasks.mistakes import Array

task = Task(
    "luong.attentional_state",
    reference=attentional_state,
    kind="torch",
    lecture="03_luong#the-attentional-state",
    hints=(
        "Three steps: put two vectors side by side, multiply by one matrix, squash.",
        "W_c has d_s + d_t columns, and the context's come first. With batch rows, on which side of the product does W_c stand?",
        "`torch.tanh(torch.cat([context, h], dim=-1) @ W_c.T)`.",
    ),
)


@task.inputs
def _(draw: Draw) -> tuple[Array, Array, Array]:
    h, context = draw.array("B", "d_t"), draw.array("B", "d_s", mean=0.3)
    return h, context, draw.array("d_o", draw.size("d_s") + draw.size("d_t"), scale=0.7, fixed=True)


@task.special("a context of zeros, as a sentence without words gives", share=0.3)
def _(draw: Draw) -> tuple[Array, Array, Array]:
    h, context = draw.array("B", "d_t"), draw.array("B", "d_s")
    return h, context * 0, draw.array("d_o", draw.size("d_s") + draw.size("d_t"), scale=0.7, fixed=True)


@task.property("every entry lies between −1 and 1")
def _(_call: object, _inputs: tuple[Array, ...], output: Array) -> str | None:
    worst = output.abs().max()
    return None if worst <= 1 else f"here one is {worst:.3g} in size."


def _both(context: Array, h: Array) -> Array:
    return torch.cat([context, h], dim=-1)


@task.misconception("puts h first and the context second", ask="Whose columns come first in W_c?")
def _(h: Array, context: Array, W_c: Array) -> Array:
    return torch.tanh(_both(h, context) @ W_c.T)


@task.misconception("leaves out the tanh", ask="Without it, can the output depend on a pair of c and h together?")
def _(h: Array, context: Array, W_c: Array) -> Array:
    return _both(context, h) @ W_c.T


@task.misconception("applies tanh before W_c instead of after", ask="What stands inside the tanh?")
def _(h: Array, context: Array, W_c: Array) -> Array:
    return torch.tanh(_both(context, h)) @ W_c.T


@task.misconception("applies tanh on both sides of W_c", ask="How many tanh does the formula have?")
def _(h: Array, context: Array, W_c: Array) -> Array:
    return torch.tanh(torch.tanh(_both(context, h)) @ W_c.T)


@task.misconception("uses a sigmoid instead of tanh", ask="Can an entry of the attentional state be negative?")
def _(h: Array, context: Array, W_c: Array) -> Array:
    return torch.sigmoid(_both(context, h) @ W_c.T)


@task.misconception("uses a rectifier instead of tanh", ask="Can an entry of the attentional state be negative?")
def _(h: Array, context: Array, W_c: Array) -> Array:
    return torch.relu(_both(context, h) @ W_c.T)


@task.misconception("ignores the decoder state", ask="The context says what was read. Who knows what was asked?")
def _(h: Array, context: Array, W_c: Array) -> Array:  # noqa: ARG001 - ignoring it is the mistake
    return torch.tanh(context @ W_c[:, : context.shape[1]].T)


@task.misconception("ignores the context", ask="Without the context, what has attention contributed?")
def _(h: Array, context: Array, W_c: Array) -> Array:
    return torch.tanh(h @ W_c[:, context.shape[1] :].T)


@task.misconception(
    "takes tanh of the two parts separately, and adds then", ask="Is tanh(a) + tanh(b) the same as tanh(a + b)?"
)
def _(h: Array, context: Array, W_c: Array) -> Array:
    d = context.shape[1]
    return torch.tanh(context @ W_c[:, :d].T) + torch.tanh(h @ W_c[:, d:].T)


@task.misconception(
    "adds context and state instead of putting them side by side", ask="How many columns does W_c have?"
)
def _(h: Array, context: Array, W_c: Array) -> Array:
    return torch.tanh((context + h) @ W_c.T)


@task.misconception("multiplies by W_c without transposing it", ask="Which axis of W_c has d_s + d_t entries?")
def _(h: Array, context: Array, W_c: Array) -> Array:
    return torch.tanh(_both(context, h) @ W_c)


@task.misconception(
    "returns the transpose of the right result", ask="Which axis comes first in the result, the batch or d_o?"
)
def _(h: Array, context: Array, W_c: Array) -> Array:
    return torch.tanh(W_c @ _both(context, h).T)


@task.misconception("turns the result into probabilities", ask="Is h̃ already the prediction, or what it is made from?")
def _(h: Array, context: Array, W_c: Array) -> Array:
    return attentional_state(h, context, W_c).softmax(-1)


@task.misconception(
    "detaches the context, so that the attention never learns", ask="Along which path does the loss reach the scores?"
)
def _(h: Array, context: Array, W_c: Array) -> Array:
    return attentional_state(h, context.detach(), W_c)
