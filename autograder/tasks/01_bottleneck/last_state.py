"""bottleneck.last_state: The state at each sequence's own last real step."""

from __future__ import annotations

from typing import Any

import torch

from attn_core.seq2seq.recurrent import last_state
from autograder.checking.draw import Draw
from autograder.checking.task import Task
from autograder.tasks.mistakes import Array

task = Task(
    "bottleneck.last_state",
    reference=last_state,
    kind="torch",
    lecture="01_bottleneck#one-vector-for-a-whole-source",
    hints=(
        "Every sequence of the batch ends somewhere else. Behind its end there is padding, and h goes on there all the same.",
        "Positions count from 0: at which one does a sequence of length 1 end? And how do you pick one position per row of the batch?",
        "Index with two vectors of size B: h[torch.arange(B), lengths - 1].",
    ),
)


@task.inputs
def _(draw: Draw) -> tuple[Array, ...]:
    draw.size("d_h", 1, 12)
    h = draw.array("B", "T", "d_h", mean=0.3)
    return h, draw.integers("B", low=1, high=draw.size("T"))


@task.special("every sequence has its full length")
def _(draw: Draw) -> tuple[Array, ...]:
    h = draw.array("B", "T", "d_h")
    return h, torch.full((draw.size("B"),), draw.size("T"))


@task.special("every sequence has length 1")
def _(draw: Draw) -> tuple[Array, ...]:
    draw.size("T", 2, 6)
    return draw.array("B", "T", "d_h"), torch.ones(draw.size("B"), dtype=torch.int64)


@task.special("the states behind the end are large", share=0.2)
def _(draw: Draw) -> tuple[Array, ...]:
    steps = draw.size("T", 2, 6)
    h, lengths = draw.array("B", "T", "d_h"), draw.integers("B", low=1, high=steps - 1)
    padding = torch.arange(steps) >= lengths[:, None]
    return h + padding[:, :, None] * draw.choice([1e3, 1e20]), lengths


@task.special("a state that is zero, inside and at the end", share=0.2)
def _(draw: Draw) -> tuple[Array, ...]:
    steps = draw.size("T", 2, 6)
    h, lengths = draw.array("B", "T", "d_h"), draw.integers("B", low=1, high=steps)
    h[:, draw.rng.integers(steps)] = 0.0
    if draw.flag():
        h[torch.arange(len(h)), lengths - 1] = 0.0
    return h, lengths


@task.property("what stands behind the length has no effect")
def _(call: Any, inputs: tuple[Array, ...], output: Array) -> str | None:
    h, lengths = inputs
    padding = torch.arange(h.shape[1]) >= lengths[:, None]
    changed = call(torch.where(padding[:, :, None], h + 7.0, h), lengths)
    return None if torch.equal(changed, output) else "here the result changes when the padding changes."


def _rows(h: Array) -> Array:
    return torch.arange(h.shape[0])


@task.misconception(
    "takes the state at the last step of the padded batch, h[:, -1]",
    ask="What does the state at step T − 1 hold for a sequence of length 2?",
)
def _(h: Array, _lengths: Array) -> Array:
    return h[:, -1]


@task.misconception(
    "takes the step before the last one", ask="Counting from 0, at which position does a sequence of length 2 end?"
)
def _(h: Array, lengths: Array) -> Array:
    return h[_rows(h), (lengths - 2).clamp(min=0)]


@task.misconception(
    "takes the step before the last one, and for length 1 wraps around to the end",
    ask="What is h[:, -1], and how did you get an index of −1?",
)
def _(h: Array, lengths: Array) -> Array:
    return h[_rows(h), lengths - 2]


@task.misconception(
    "takes the first step of the padding", ask="Counting from 0, at which position does a sequence of length 2 end?"
)
def _(h: Array, lengths: Array) -> Array:
    return h[_rows(h), lengths.clamp(max=h.shape[1] - 1)]


@task.misconception(
    "indexes with the length itself, which runs off the end of a full sequence",
    ask="Counting from 0, what is the largest index along T steps?",
)
def _(h: Array, lengths: Array) -> Array:
    return h[_rows(h), lengths]


@task.misconception("takes the first state", ask="Which state has read the whole sequence?")
def _(h: Array, _lengths: Array) -> Array:
    return h[:, 0]


@task.misconception(
    "counts the length from the end, as if the padding stood on the left", ask="On which side does the padding stand?"
)
def _(h: Array, lengths: Array) -> Array:
    return h[_rows(h), h.shape[1] - lengths]


@task.misconception("uses one length for all sequences", ask="Does every sequence of the batch end at the same step?")
def _(h: Array, lengths: Array) -> Array:
    return h[:, int(lengths[0]) - 1]


@task.misconception("uses one length for all sequences", ask="Does every sequence of the batch end at the same step?")
def _(h: Array, lengths: Array) -> Array:
    return h[:, int(lengths.max()) - 1]


@task.misconception("uses one length for all sequences", ask="Does every sequence of the batch end at the same step?")
def _(h: Array, lengths: Array) -> Array:
    return h[:, int(lengths.min()) - 1]


@task.misconception(
    "pairs every sequence with every length: the result has one axis too many",
    ask="What shape has h[:, lengths], and which index must be a vector beside it?",
)
def _(h: Array, lengths: Array) -> Array:
    return h[:, lengths - 1]


@task.misconception("keeps the step axis with size 1", ask="Which shape does gather leave, and which one is asked for?")
def _(h: Array, lengths: Array) -> Array:
    return h[_rows(h), lengths - 1][:, None]


@task.misconception("adds up the real states", ask="Is the last state a sum over the steps?")
def _(h: Array, lengths: Array) -> Array:
    return h.masked_fill((torch.arange(h.shape[1]) >= lengths[:, None])[:, :, None], 0.0).sum(1)


@task.misconception("takes the mean of the real states", ask="Which single state has read everything?")
def _(h: Array, lengths: Array) -> Array:
    total = h.masked_fill((torch.arange(h.shape[1]) >= lengths[:, None])[:, :, None], 0.0).sum(1)
    return total / lengths[:, None].to(h.dtype)


@task.misconception("takes the largest entry over the steps", ask="Is the last state a maximum over the steps?")
def _(h: Array, _lengths: Array) -> Array:
    return h.amax(1)


@task.misconception(
    "mixes up the batch axis and the time axis", ask="Which axis of h is the batch, and which the time?"
)
def _(h: Array, lengths: Array) -> Array:
    return h.transpose(0, 1)[_rows(h), lengths - 1]


@task.misconception(
    "takes the last state that is not zero", ask="Can a real state be zero, or the padding hold something else?"
)
def _(h: Array, _lengths: Array) -> Array:
    used = (h != 0).any(-1)
    last = (used * torch.arange(1, h.shape[1] + 1)).argmax(1)
    return h[_rows(h), last]


@task.misconception("sorts the batch by length and does not undo it", ask="In which order must the results come back?")
def _(h: Array, lengths: Array) -> Array:
    order = lengths.argsort(descending=True, stable=True)
    return h[order, lengths[order] - 1]


@task.misconception(
    "detaches the state, so that the encoder gets no gradient",
    ask="How shall the encoder learn from what the decoder does with its code?",
)
def _(h: Array, lengths: Array) -> Array:
    return h[_rows(h), lengths - 1].detach()


@task.misconception(
    "packs without enforce_sorted=False, which needs the longest sequence first",
    ask="In which order of lengths does pack_padded_sequence expect the batch, unless it is told otherwise?",
)
def _(h: Array, lengths: Array) -> Array:
    packed = torch.nn.utils.rnn.pack_padded_sequence(h, lengths, batch_first=True)
    states, ends = torch.nn.utils.rnn.pad_packed_sequence(packed, batch_first=True)
    return states[_rows(h), ends - 1]


@task.misconception(
    "reads all lengths from the first sequence",
    ask="h[:, lengths - 1] pairs every sequence with every length. Which entries of it belong together?",
)
def _(h: Array, lengths: Array) -> Array:
    return h[0, lengths - 1]
