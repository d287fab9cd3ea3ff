"""vision.squeeze: The mean of each channel over all positions."""

from __future__ import annotations

import torch

from attn_core.vision.squeeze_excitation import squeeze
from autograder.checking.draw import Draw
from autograder.checking.task import Task
from autograder.tasks.feature_maps import feature_map
from autograder.tasks.mistakes import Array

task = Task(
    "vision.squeeze",
    reference=squeeze,
    kind="torch",
    lecture="18_vision#squeeze-and-excitation",
    hints=(
        "One number per channel of each image. Which axes of (B, C, H, W) have to go?",
        "A mean over both spatial axes at once: every position counts the same, wherever it stands.",
        "x.mean(dim=(2, 3)), of shape (B, C).",
    ),
)


@task.inputs
def _(draw: Draw) -> tuple[Array, ...]:
    return (feature_map(draw),)


@task.special("a square map with as many channels and images as rows")
def _(draw: Draw) -> tuple[Array, ...]:
    n = draw.choice([2, 3, 4])
    draw.sizes |= dict.fromkeys("BCHW", n)
    return (feature_map(draw),)


@task.special("a map behind a rectifier: no negative numbers, many zeros")
def _(draw: Draw) -> tuple[Array, ...]:
    draw.sizes |= {"H": draw.choice([3, 4, 5]), "W": draw.choice([2, 6])}
    return (torch.relu(feature_map(draw, mean=0.0)),)


@task.special("a single position")
def _(draw: Draw) -> tuple[Array, ...]:
    draw.sizes |= {"H": 1, "W": 1}
    return (feature_map(draw),)


@task.special("an empty image beside a full one")
def _(draw: Draw) -> tuple[Array, ...]:
    draw.sizes |= {"B": 2, "H": 3, "W": 4}
    x = feature_map(draw)
    return (torch.stack([x[0], 0 * x[1]]),)


@task.property("the order of the positions does not matter")
def _(call: Array, inputs: tuple[Array, ...], output: Array) -> str | None:
    turned = call(inputs[0].flip(2, 3).transpose(2, 3))
    close = torch.allclose(turned, output, rtol=1e-3, atol=1e-5 * float(inputs[0].abs().max()))
    return None if close else "turned and mirrored, the map has other means."


@task.misconception(
    "sums over the positions instead of averaging",
    ask="Should an image of twice the size give a number twice as large?",
)
def _(x: Array) -> Array:
    return x.sum((2, 3))


@task.misconception(
    "takes the maximum of each channel instead of its mean",
    ask="How many positions have a say in a maximum, and in a mean?",
)
def _(x: Array) -> Array:
    return x.amax((2, 3))


@task.misconception(
    "takes the minimum of each channel instead of its mean", ask="Which summary of a channel is asked for?"
)
def _(x: Array) -> Array:
    return x.amin((2, 3))


@task.misconception(
    "adds the maximum to the mean, as CBAM does later", ask="How many summaries of a channel does a squeeze take?"
)
def _(x: Array) -> Array:
    return x.mean((2, 3)) + x.amax((2, 3))


@task.misconception(
    "averages over channels and rows instead of rows and columns", ask="Which axes of (B, C, H, W) are spatial?"
)
def _(x: Array) -> Array:
    return x.mean((1, 2))


@task.misconception(
    "averages over channels and columns instead of rows and columns", ask="Which axes of (B, C, H, W) are spatial?"
)
def _(x: Array) -> Array:
    return x.mean((1, 3))


@task.misconception(
    "averages over the images of the batch and the channels", ask="Which axes of (B, C, H, W) must be left?"
)
def _(x: Array) -> Array:
    return x.mean((0, 1))


@task.misconception(
    "averages over the images of the batch too",
    ask="May the summary of one image depend on its neighbours in the batch?",
)
def _(x: Array) -> Array:
    return x.mean((0, 2, 3))


@task.misconception(
    "averages over the images of the batch too, and repeats the result",
    ask="May the summary of one image depend on its neighbours in the batch?",
)
def _(x: Array) -> Array:
    return x.mean((0, 2, 3)).expand(x.shape[0], -1)


@task.misconception(
    "averages over the channels too", ask="How many numbers are asked for per image: one, or one per channel?"
)
def _(x: Array) -> Array:
    return x.mean((1, 2, 3))


@task.misconception(
    "averages over the channels too, and repeats the result",
    ask="Can a gate that is the same for all channels prefer one of them?",
)
def _(x: Array) -> Array:
    return x.mean((1, 2, 3))[:, None].expand(-1, x.shape[1])


@task.misconception(
    "averages over the channels, which leaves a map", ask="Which question does the squeeze answer: what, or where?"
)
def _(x: Array) -> Array:
    return x.mean(1)


@task.misconception("averages over the columns only", ask="How many axes has (B, C), and how many has your result?")
def _(x: Array) -> Array:
    return x.mean(3)


@task.misconception("averages over the rows only", ask="How many axes has (B, C), and how many has your result?")
def _(x: Array) -> Array:
    return x.mean(2)


@task.misconception("keeps the spatial axes with size 1", ask="Which shape is asked for? What is `keepdim` for?")
def _(x: Array) -> Array:
    return x.mean((2, 3), keepdim=True)


@task.misconception("divides by H² instead of H·W", ask="How many positions has a map of 2 rows and 3 columns?")
def _(x: Array) -> Array:
    return x.sum((2, 3)) / x.shape[2] ** 2


@task.misconception("divides by W² instead of H·W", ask="How many positions has a map of 2 rows and 3 columns?")
def _(x: Array) -> Array:
    return x.sum((2, 3)) / x.shape[3] ** 2


@task.misconception("divides by H instead of H·W", ask="How many positions has a map of 2 rows and 3 columns?")
def _(x: Array) -> Array:
    return x.sum((2, 3)) / x.shape[2]


@task.misconception("divides by W instead of H·W", ask="How many positions has a map of 2 rows and 3 columns?")
def _(x: Array) -> Array:
    return x.sum((2, 3)) / x.shape[3]


@task.misconception("divides by C·H·W instead of H·W", ask="Over how many numbers is the mean of one channel taken?")
def _(x: Array) -> Array:
    return x.sum((2, 3)) / (x.shape[1] * x.shape[2] * x.shape[3])


@task.misconception("divides by H·W − 1", ask="Is this a mean, or the estimate of a variance?")
def _(x: Array) -> Array:
    return x.sum((2, 3)) / max(1, x.shape[2] * x.shape[3] - 1)


@task.misconception(
    "takes the mean of each row and then the largest of them", ask="Which of the two reductions is a mean?"
)
def _(x: Array) -> Array:
    return x.mean(3).amax(2)


@task.misconception("takes the largest of each row and then their mean", ask="Which of the two reductions is a mean?")
def _(x: Array) -> Array:
    return x.amax(3).mean(2)


@task.misconception("takes the median instead of the mean", ask="Does the median change when the largest value grows?")
def _(x: Array) -> Array:
    return x.flatten(2).median(2).values


@task.misconception("averages the absolute values", ask="What is the mean of −1 and 1?")
def _(x: Array) -> Array:
    return x.abs().mean((2, 3))


@task.misconception("averages what is left behind a rectifier", ask="Do negative features count in a mean?")
def _(x: Array) -> Array:
    return torch.relu(x).mean((2, 3))


@task.misconception("takes the root of the mean square", ask="Can a mean be negative? Can your result?")
def _(x: Array) -> Array:
    return x.square().mean((2, 3)).sqrt()


@task.misconception("takes the standard deviation", ask="What is the squeeze of a channel that is 5 everywhere?")
def _(x: Array) -> Array:
    return x.flatten(2).std(2, correction=0)


@task.misconception(
    "averages over the positions that are not zero only", ask="Is a position at which a feature is absent no position?"
)
def _(x: Array) -> Array:
    return x.sum((2, 3)) / (x != 0).sum((2, 3)).clamp(min=1)


@task.misconception("reads the position in the middle only", ask="Which positions have a say in a global average?")
def _(x: Array) -> Array:
    return x[:, :, x.shape[2] // 2, x.shape[3] // 2]


@task.misconception("reads the first position only", ask="Which positions have a say in a global average?")
def _(x: Array) -> Array:
    return x[:, :, 0, 0]


@task.misconception("turns the result into probabilities", ask="Is there a softmax in a mean?")
def _(x: Array) -> Array:
    return x.mean((2, 3)).softmax(1)


@task.misconception("applies the sigmoid already", ask="In which step do the gates come: squeeze, or excitation?")
def _(x: Array) -> Array:
    return x.mean((2, 3)).sigmoid()


@task.misconception(
    "averages over the positions that are not zero only", ask="Is a position at which a feature is absent no position?"
)
def _(x: Array) -> Array:
    present = (x != 0).to(x.dtype)
    return (x * present).sum((2, 3)) / present.sum((2, 3)).clamp(min=1)


@task.misconception(
    "drops every axis of size 1, that of a single image or channel too",
    ask="What does squeeze() without an argument make of a batch of one image? Which axes may it take?",
)
def _(x: Array) -> Array:
    return x.mean((2, 3), keepdim=True).squeeze()


@task.misconception("squeezes the first image only", ask="How many images does x hold, and how many rows your result?")
def _(x: Array) -> Array:
    return x[0].mean((1, 2))


@task.misconception("divides by C instead of H·W", ask="Over how many numbers is the mean of one channel taken?")
def _(x: Array) -> Array:
    return x.sum((2, 3)) / x.shape[1]


@task.misconception(
    "puts a rectifier behind the mean", ask="Does the squeeze have a nonlinearity? May a mean be negative?"
)
def _(x: Array) -> Array:
    return torch.relu(x.mean((2, 3)))


@task.misconception(
    "reads the map as if its channels came last",
    ask="In memory x lies as (B, C, H, W). Does reshape move an axis, or only cut the row of numbers anew?",
)
def _(x: Array) -> Array:
    return x.reshape(len(x), -1, x.shape[1]).mean(1)


@task.misconception(
    "subtracts the mean of the image, so that all means are relative to it",
    ask="What is the squeeze of an image that is 5 everywhere?",
)
def _(x: Array) -> Array:
    return x.mean((2, 3)) - x.mean((1, 2, 3))[:, None]


for _low in (torch.float16, torch.bfloat16):

    @task.misconception("computes in half precision", ask="How many digits has float16, and how many has your input?")
    def _(x: Array, low: torch.dtype = _low) -> Array:
        return x.to(low).mean((2, 3)).to(x.dtype)
