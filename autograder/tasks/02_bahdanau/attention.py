"""bahdanau.attention: Context and weights over the real positions of each sentence."""

from __future__ import annotations

from typing import Any

import torch

from attn_core.seq2seq.bahdanau import additive_attention, additive_scores
from autograder.checking.draw import Draw
from autograder.checking.task import Task
from autograder.tasks.mistakes import Array

task = Task(
    "bahdanau.attention",
    reference=additive_attention,
    kind="torch",
    lecture="02_bahdanau#weights-and-context",
    hints=(
        "Score, hide the padding, normalise, mix. The first step is done; the second must come before the third.",
        "`torch.arange(n) < lengths[:, None]` is True at the real positions. What must the other scores be, so that softmax gives them exactly 0? "
        "And what comes out for a sentence of length 0?",
        "`scores.masked_fill(~mask, -math.inf)`, softmax over the last axis, `nan_to_num` for the empty sentences; "
        "context = `(weights[:, :, None] * H).sum(1)`. Return the context first.",
    ),
)


def inputs(draw: Draw, lowest: int = 1) -> tuple[Array, ...]:
    """State, annotations, lengths and parameters; lengths from `lowest` to n."""
    draw.size("B", 1, 4)
    s, H = draw.array("B", "d_s", mean=0.3), draw.array("B", "n", "d_h", mean=0.7)
    lengths = draw.integers("B", low=lowest, high=draw.sizes["n"])
    parameters = draw.array("d_a", "d_s", fixed=True), draw.array("d_a", "d_h", fixed=True), draw.array("d_a")
    return s, H, lengths, *parameters


@task.inputs
def _(draw: Draw) -> tuple[Array, ...]:
    return inputs(draw)


@task.special("sentences of length 0, 1 and n in one batch", share=0.3)
def _(draw: Draw) -> tuple[Array, ...]:
    draw.size("B", 3, 3)
    draw.size("n", 2, 6)
    s, H, lengths, *parameters = inputs(draw)
    lengths[0], lengths[1], lengths[2] = 0, 1, H.shape[1]
    return s, H, lengths, *parameters


@task.special("a batch of empty sentences", share=0.2)
def _(draw: Draw) -> tuple[Array, ...]:
    s, H, lengths, *parameters = inputs(draw)
    return s, H, lengths * 0, *parameters


@task.special("no padding at all", share=0.2)
def _(draw: Draw) -> tuple[Array, ...]:
    s, H, lengths, *parameters = inputs(draw)
    return s, H, lengths * 0 + H.shape[1], *parameters


@task.special("zeros behind the last word", share=0.3)
def _(draw: Draw) -> tuple[Array, ...]:
    draw.size("n", 2, 6)
    s, H, lengths, *parameters = inputs(draw)
    return s, H * _real(H, lengths)[:, :, None], lengths, *parameters


@task.special("huge numbers behind the last word", share=0.3)
def _(draw: Draw) -> tuple[Array, ...]:
    draw.size("n", 2, 6)
    s, H, lengths, *parameters = inputs(draw)
    return s, torch.where(_real(H, lengths)[:, :, None], H, H * 1e4), lengths, *parameters


@task.special("padding that fits far better than the words", share=0.3)
def _(draw: Draw) -> tuple[Array, ...]:
    draw.size("n", 2, 6)
    s, H, lengths, W_a, U_a, v_a = inputs(draw)
    H = torch.where(_real(H, lengths)[:, :, None], 0.1 * H, 0 * H + 50)
    return s * 0, H, lengths, W_a, U_a.abs(), 0 * v_a + 2000  # beside such scores the words' weights underflow


@task.special("a real annotation of zeros", share=0.2)
def _(draw: Draw) -> tuple[Array, ...]:
    draw.size("n", 2, 6)
    s, H, lengths, *parameters = inputs(draw, lowest=2)
    H[:, 0] = 0
    return s, H, lengths, *parameters


@task.property("weights sum to one in every sentence that has words, and to zero in one that has none")
def _(_call: Any, inputs: tuple[Array, ...], output: Array) -> str | None:
    want = (inputs[2] > 0).double()
    worst = (output[1].double().sum(-1) - want).abs().max().item()
    return None if worst <= 1e-3 else f"here a row is off by {worst:.3g}."


@task.property("a position behind the length gets exactly 0")
def _(_call: Any, inputs: tuple[Array, ...], output: Array) -> str | None:
    hidden = output[1][~_real(inputs[1], inputs[2])]
    worst = hidden.abs().max().item() if hidden.numel() else 0.0
    return None if worst == 0 else f"here one gets {worst:.3g}."


@task.property("what stands behind the length changes nothing")
def _(call: Any, inputs: tuple[Array, ...], output: Array) -> str | None:
    s, H, lengths, *parameters = inputs
    other = torch.where(_real(H, lengths)[:, :, None], H, H.flip(2) + 1)
    moved = (call(s, other, lengths, *parameters)[0].double() - output[0].double()).abs().max().item()
    return None if moved <= 1e-3 * (1 + H.abs().max().item()) else f"here it moves the context by {moved:.3g}."


def _real(H: Array, lengths: Array) -> Array:
    """(B, n), True at the real positions."""
    return torch.arange(H.shape[1]) < lengths[:, None]


def mixed(weights: Array, H: Array) -> tuple[Array, Array]:
    """Context and weights."""
    return (weights[:, :, None] * H).sum(1), weights


def _attend(s: Array, H: Array, lengths: Array, *parameters: Array, fill: float = -torch.inf) -> tuple[Array, Array]:
    """Attention with another number in the hidden places: what many mistakes are."""
    scores = additive_scores(s, H, *parameters).masked_fill(~_real(H, lengths), fill)
    return mixed(torch.softmax(scores, -1).nan_to_num(), H)


@task.misconception("ignores the lengths", ask="How much weight may padding get?")
def _(s: Array, H: Array, _lengths: Array, *parameters: Array) -> tuple[Array, Array]:
    return mixed(torch.softmax(additive_scores(s, H, *parameters), -1), H)


@task.misconception(
    "masks after the softmax and does not renormalise",
    ask="What do the remaining weights sum to once the padding's share is set to 0?",
)
def _(s: Array, H: Array, lengths: Array, *parameters: Array) -> tuple[Array, Array]:
    return mixed(torch.softmax(additive_scores(s, H, *parameters), -1) * _real(H, lengths), H)


@task.misconception(
    "masks after the softmax and renormalises, which fails where the words' weights have underflowed",
    ask="What is left to renormalise when the padding scores 1000 above every word?",
)
def _(s: Array, H: Array, lengths: Array, *parameters: Array) -> tuple[Array, Array]:
    weights = torch.softmax(additive_scores(s, H, *parameters), -1) * _real(H, lengths)
    total = weights.sum(-1, keepdim=True)
    return mixed(weights / torch.where(total == 0, torch.ones_like(total), total), H)


@task.misconception(
    "masks after the softmax and renormalises, which fails where the words' weights have underflowed",
    ask="What is left to renormalise when the padding scores 1000 above every word?",
)
def _(s: Array, H: Array, lengths: Array, *parameters: Array) -> tuple[Array, Array]:
    weights = torch.softmax(additive_scores(s, H, *parameters), -1) * _real(H, lengths)
    return mixed(weights / weights.sum(-1, keepdim=True).clamp(min=1e-30), H)


@task.misconception(
    "gives NaN for a sentence without words", ask="What is softmax of a row of −inf, and what shall such a row give?"
)
def _(s: Array, H: Array, lengths: Array, *parameters: Array) -> tuple[Array, Array]:
    scores = additive_scores(s, H, *parameters).masked_fill(~_real(H, lengths), -torch.inf)
    return mixed(torch.softmax(scores, -1), H)


@task.misconception(
    "reads padding in a sentence without words: a large negative number is not −inf",
    ask="What does softmax give for a row of equal scores, however negative?",
)
def _(s: Array, H: Array, lengths: Array, *parameters: Array) -> tuple[Array, Array]:
    return _attend(s, H, lengths, *parameters, fill=-1e9)


@task.misconception(
    "adds −1e9 to hidden scores, which leaves weights in a sentence without words",
    ask="If every score of a row is lowered by the same amount, what does softmax see?",
)
def _(s: Array, H: Array, lengths: Array, *parameters: Array) -> tuple[Array, Array]:
    return mixed(torch.softmax(additive_scores(s, H, *parameters) - 1e9 * ~_real(H, lengths), -1), H)


@task.misconception("sets hidden scores to 0 instead of −inf", ask="What weight does a score of 0 get?")
def _(s: Array, H: Array, lengths: Array, *parameters: Array) -> tuple[Array, Array]:
    return _attend(s, H, lengths, *parameters, fill=0.0)


@task.misconception(
    "is one position too generous: it lets the first padding position in",
    ask="If lengths[b] is 3, which is the last index that may be read?",
)
def _(s: Array, H: Array, lengths: Array, *parameters: Array) -> tuple[Array, Array]:
    return _attend(s, H, lengths + 1, *parameters)


@task.misconception(
    "is one position too strict: it hides the last word",
    ask="If lengths[b] is 3, which is the last index that may be read?",
)
def _(s: Array, H: Array, lengths: Array, *parameters: Array) -> tuple[Array, Array]:
    return _attend(s, H, lengths - 1, *parameters)


@task.misconception(
    "hides the words and reads the padding", ask="Is your mask True where one may look, or where one may not?"
)
def _(s: Array, H: Array, lengths: Array, *parameters: Array) -> tuple[Array, Array]:
    scores = additive_scores(s, H, *parameters).masked_fill(_real(H, lengths), -torch.inf)
    return mixed(torch.softmax(scores, -1).nan_to_num(), H)


@task.misconception(
    "normalises over the batch instead of the positions", ask="Whose weights must sum to one: those of one sentence?"
)
def _(s: Array, H: Array, lengths: Array, *parameters: Array) -> tuple[Array, Array]:
    scores = additive_scores(s, H, *parameters).masked_fill(~_real(H, lengths), -torch.inf)
    return mixed(torch.softmax(scores, 0).nan_to_num(), H)


@task.misconception(
    "takes every sentence to be as long as the longest", ask="Where does the length of each single sentence enter?"
)
def _(s: Array, H: Array, lengths: Array, *parameters: Array) -> tuple[Array, Array]:
    return _attend(s, H, lengths.max().expand_as(lengths), *parameters)


@task.misconception(
    "takes padding to be where the annotation is zero", ask="Are padded annotations always zero, and real ones never?"
)
def _(s: Array, H: Array, _lengths: Array, *parameters: Array) -> tuple[Array, Array]:
    scores = additive_scores(s, H, *parameters).masked_fill((H == 0).all(-1), -torch.inf)
    return mixed(torch.softmax(scores, -1).nan_to_num(), H)


@task.misconception(
    "exponentiates without subtracting the maximum", ask="What is exp(1000) in float64, and what is inf / inf?"
)
def _(s: Array, H: Array, lengths: Array, *parameters: Array) -> tuple[Array, Array]:
    exp = torch.exp(additive_scores(s, H, *parameters)) * _real(H, lengths)
    total = exp.sum(-1, keepdim=True)
    return mixed(exp / torch.where(total == 0, torch.ones_like(total), total), H)


@task.misconception(
    "exponentiates without subtracting the maximum", ask="What is exp(1000) in float64, and what is inf · 0?"
)
def _(s: Array, H: Array, lengths: Array, *parameters: Array) -> tuple[Array, Array]:
    exp = torch.exp(additive_scores(s, H, *parameters)) * _real(H, lengths)
    return mixed((exp / exp.sum(-1, keepdim=True)).masked_fill((lengths == 0)[:, None], 0.0), H)


@task.misconception("returns the scores instead of the weights", ask="Do your weights sum to one?")
def _(s: Array, H: Array, lengths: Array, *parameters: Array) -> tuple[Array, Array]:
    return additive_attention(s, H, lengths, *parameters)[0], additive_scores(s, H, *parameters)


@task.misconception("returns the weights first and the context second", ask="In which order are the results asked for?")
def _(s: Array, H: Array, lengths: Array, *parameters: Array) -> tuple[Array, Array]:
    return additive_attention(s, H, lengths, *parameters)[::-1]


@task.misconception("returns the context without the weights", ask="How many results does the task ask for?")
def _(s: Array, H: Array, lengths: Array, *parameters: Array) -> Array:
    return additive_attention(s, H, lengths, *parameters)[0]


@task.misconception("applies softmax twice", ask="What does softmax do to numbers that all lie between 0 and 1?")
def _(s: Array, H: Array, lengths: Array, *parameters: Array) -> tuple[Array, Array]:
    weights = additive_attention(s, H, lengths, *parameters)[1].masked_fill(~_real(H, lengths), -torch.inf)
    return mixed(torch.softmax(weights, -1).nan_to_num(), H)


@task.misconception(
    "mixes the projected annotations U_a h_j instead of the annotations",
    ask="What does the formula of the context add up: keys, or annotations?",
)
def _(s: Array, H: Array, lengths: Array, W_a: Array, U_a: Array, v_a: Array) -> tuple[Array, Array]:
    weights = additive_attention(s, H, lengths, W_a, U_a, v_a)[1]
    return mixed(weights, H @ U_a.T)


@task.misconception(
    "reads the best position only (argmax) instead of mixing all", ask="What gradient do the scores get from an argmax?"
)
def _(s: Array, H: Array, lengths: Array, *parameters: Array) -> tuple[Array, Array]:
    weights = additive_attention(s, H, lengths, *parameters)[1]
    best = torch.nn.functional.one_hot(weights.argmax(-1), H.shape[1]).to(H.dtype) * (lengths > 0)[:, None]
    return mixed(best, H)


@task.misconception(
    "averages the weighted annotations instead of summing them",
    ask="The weights already sum to one. What does dividing by n once more do?",
)
def _(s: Array, H: Array, lengths: Array, *parameters: Array) -> tuple[Array, Array]:
    weights = additive_attention(s, H, lengths, *parameters)[1]
    return (weights[:, :, None] * H).mean(1), weights


@task.misconception(
    "detaches the weights, so that the score never learns",
    ask="Through which factor must the loss reach W_a, U_a and v_a?",
)
def _(s: Array, H: Array, lengths: Array, *parameters: Array) -> tuple[Array, Array]:
    return mixed(additive_attention(s, H, lengths, *parameters)[1].detach(), H)


@task.misconception(
    "has NaN gradients for a sentence without words, although the values are right",
    ask="Is −inf added to a score, or put in its place? What does each do in the backward pass?",
)
def _(s: Array, H: Array, lengths: Array, *parameters: Array) -> tuple[Array, Array]:
    hidden = torch.zeros(H.shape[:2], dtype=H.dtype).masked_fill(~_real(H, lengths), -torch.inf)
    weights = torch.softmax(additive_scores(s, H, *parameters) + hidden, -1)
    return mixed(torch.where(weights.isnan(), torch.zeros_like(weights), weights), H)


@task.misconception(
    "takes a sentence without words to have one, and reads its first padding position",
    ask="What do lengths.clamp(min=1) and max(1, length) say about a sentence of length 0?",
)
def _(s: Array, H: Array, lengths: Array, *parameters: Array) -> tuple[Array, Array]:
    return _attend(s, H, lengths.clamp(min=1), *parameters)


@task.misconception(
    "returns masked weights, but mixes with the unmasked ones",
    ask="Does the context equal the weighted sum with the weights that you return?",
)
def _(s: Array, H: Array, lengths: Array, *parameters: Array) -> tuple[Array, Array]:
    scores = additive_scores(s, H, *parameters)
    return mixed(torch.softmax(scores, -1), H)[0], additive_attention(s, H, lengths, *parameters)[1]


@task.misconception(
    "is right except when a sentence has exactly one word",
    ask="What is the softmax of a single score, and which comparison decides whether a sentence is empty?",
)
def _(s: Array, H: Array, lengths: Array, *parameters: Array) -> tuple[Array, Array]:
    weights = additive_attention(s, H, lengths, *parameters)[1] * (lengths > 1)[:, None]
    return mixed(weights, H)
