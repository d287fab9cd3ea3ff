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
    scores=lambda s, H, lengths, *parameters: additive_scores(s, H, *parameters) * _real(H, lengths),
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


task.inputs(inputs)


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


@task.special("padding that fits far better than the words", share=0.3, gradients=False)  # they are nearly 0: rounding
def _(draw: Draw) -> tuple[Array, ...]:
    draw.size("n", 2, 6)
    s, H, lengths, W_a, U_a, v_a = inputs(draw)
    H = torch.where(_real(H, lengths)[:, :, None], 0.1 * H, 0 * H + 50)
    return s * 0, H, lengths, W_a, U_a.abs(), 0 * v_a + 2000  # beside such scores the words' weights underflow


@task.special("a single word that scores far below zero", share=0.3)
def _(draw: Draw) -> tuple[Array, ...]:
    draw.size("n", 2, 6)
    s, H, lengths, W_a, U_a, v_a = inputs(draw)
    H = torch.cat([0 * H[:, :1] + 50, 0.1 * H[:, 1:]], 1)
    # One word only: of two, float32 could not tell by how little such scores differ.
    return s * 0, H, lengths * 0 + 1, W_a, U_a.abs() + 1, 0 * v_a - 2e11  # below what people fill in for −inf


@task.special("a word with a weight of a hundred-millionth", share=0.2)
def _(draw: Draw) -> tuple[Array, ...]:
    draw.size("n", 2, 6)
    s, H, lengths, W_a, U_a, v_a = inputs(draw, lowest=2)
    H[:, 0], H[:, 1] = 4, -4
    return s * 0, H, lengths, W_a, U_a.abs() + 0.5, 0 * v_a + 9 / len(v_a)  # these two score about 9 and −9


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


for _repair in (lambda total: total.clamp(min=1e-30), lambda total: total.where(total != 0, 1.0)):

    @task.misconception(
        "masks after the softmax and renormalises, which fails where the words' weights have underflowed",
        ask="What is left to renormalise when the padding scores 1000 above every word?",
    )
    def _(s: Array, H: Array, lengths: Array, *parameters: Array, repair: Any = _repair) -> tuple[Array, Array]:
        weights = torch.softmax(additive_scores(s, H, *parameters), -1) * _real(H, lengths)
        return mixed(weights / repair(weights.sum(-1, keepdim=True)), H)

    @task.misconception(
        "subtracts the maximum of the whole batch, so that sentences that score low underflow",
        ask="Softmax is not changed by a number subtracted from a whole row. Which maximum belongs to which row?",
    )
    def _(s: Array, H: Array, lengths: Array, *parameters: Array, repair: Any = _repair) -> tuple[Array, Array]:
        scores = additive_scores(s, H, *parameters).masked_fill(~_real(H, lengths), -torch.inf)
        exp = torch.exp(scores - scores.max().nan_to_num(neginf=0))
        return mixed(exp / repair(exp.sum(-1, keepdim=True)), H)


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


for _fill in (-1e9, -1e4, -1e3, -1e2):

    @task.misconception(
        "fills with a finite number and multiplies by the mask, which fails where every word scores lower",
        ask="Which score may a word never fall below? What do the words get if padding holds the highest score?",
    )
    def _(s: Array, H: Array, lengths: Array, *parameters: Array, fill: float = _fill) -> tuple[Array, Array]:
        return mixed(_attend(s, H, lengths, *parameters, fill=fill)[1] * _real(H, lengths), H)


@task.misconception(
    "counts the length from the end: it reads the last lengths[b] positions",
    ask="On which side of a sentence does this batch have its padding?",
)
def _(s: Array, H: Array, lengths: Array, *parameters: Array) -> tuple[Array, Array]:
    real = _real(H, lengths).flip(1)
    scores = additive_scores(s, H, *parameters).masked_fill(~real, -torch.inf)
    return mixed(torch.softmax(scores, -1).nan_to_num(), H)


@task.misconception("sorts the batch by length and returns it in that order", ask="Whose row comes first?")
def _(s: Array, H: Array, lengths: Array, *parameters: Array) -> tuple[Array, Array]:
    order = lengths.argsort(descending=True, stable=True)
    return additive_attention(s[order], H[order], lengths[order], *parameters)


@task.misconception(
    "sets small weights to 0",
    ask="Does softmax give exactly 0 to a finite score, and which gradient would that word get?",
)
def _(s: Array, H: Array, lengths: Array, *parameters: Array) -> tuple[Array, Array]:
    context, weights = additive_attention(s, H, lengths, *parameters)
    return context, weights.masked_fill(weights < 1e-6, 0.0)


for _in_score, _name in (
    (True, "detaches the annotations in the score, so that the encoder is not taught what to be found by"),
    (False, "detaches the annotations in the context, so that the encoder is not taught what to say"),
):

    @task.misconception(_name, ask="h_j is used twice: in the score and in the context. May either use be cut off?")
    def _(s: Array, H: Array, *rest: Array, in_score: bool = _in_score) -> tuple[Array, Array]:
        weights = additive_attention(s, H.detach() if in_score else H, *rest)[1]
        return mixed(weights, H if in_score else H.detach())


@task.misconception("sets hidden scores to 0 instead of −inf", ask="What weight does a score of 0 get?")
def _(s: Array, H: Array, lengths: Array, *parameters: Array) -> tuple[Array, Array]:
    return _attend(s, H, lengths, *parameters, fill=0.0)


for _more, _name in (
    (1, "is one position too generous: it lets the first padding position in"),
    (-1, "is one position too strict: it hides the last word"),
):

    @task.misconception(_name, ask="If lengths[b] is 3, which is the last index that may be read?")
    def _(s: Array, H: Array, lengths: Array, *parameters: Array, more: int = _more) -> tuple[Array, Array]:
        return _attend(s, H, lengths + more, *parameters)


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


for _late in (False, True):  # whether empty rows are mended before the division, or after it

    @task.misconception(
        "exponentiates without subtracting the maximum", ask="What is exp(1000) in float64, and what is inf / inf?"
    )
    def _(s: Array, H: Array, lengths: Array, *parameters: Array, late: bool = _late) -> tuple[Array, Array]:
        exp = torch.exp(additive_scores(s, H, *parameters)) * _real(H, lengths)
        total = exp.sum(-1, keepdim=True)
        if late:
            return mixed((exp / total).masked_fill((lengths == 0)[:, None], 0.0), H)
        return mixed(exp / torch.where(total == 0, torch.ones_like(total), total), H)


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
