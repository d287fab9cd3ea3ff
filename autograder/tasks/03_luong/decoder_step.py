"""luong.decoder_step: One step of the decoder, with input feeding."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from attn_core.seq2seq.luong import decoder_step
from autograder.checking.draw import Draw
from autograder.checking.task import Task
from autograder.tasks.mistakes import Array

task = Task(
    "luong.decoder_step",
    reference=decoder_step,
    kind="torch",
    lecture="03_luong#one-step-and-its-order",
    hints=(
        "Four actions in a fixed order: cell, scores, context, mixture. What does each of them need that the one before made?",
        "The cell reads [y_prev ; h_tilde_prev] and knows nothing of the context yet. The NEW h asks. Positions from lengths[b] on "
        "must get exactly 0, and a sentence of length 0 all zeros.",
        "Gates: split `x @ W_ih.T + b_ih` and `h_prev @ W_hh.T + b_hh` in three (r, z, n); n = tanh(i_n + r·h_n); "
        "h = (1 − z)·n + z·h_prev. scores = H · (h W_a); `masked_fill(~mask, -inf)`, softmax, `nan_to_num`; context; "
        "tanh of W_c on [context ; h]. Return h, h_tilde, weights.",
    ),
)


def _step(draw: Draw, low: int = 1, mean: float = 0.2) -> tuple[Array, ...]:
    """All arguments; lengths from `low` to n. Parameters and states keep their size, so that gates do not saturate."""
    B, n = draw.size("B", 1, 4), draw.size("n", 1, 7)
    d_t, d_s = draw.size("d_t"), draw.size("d_s")
    d_y, d_o = draw.size("d_y"), draw.size("d_o")
    lengths = draw.integers(B, low=low, high=n)
    lengths[int(draw.rng.integers(B))] = n
    return (
        draw.array(B, d_y, fixed=True),
        draw.array(B, d_o, scale=0.6, fixed=True),
        draw.array(B, d_t, scale=0.6, fixed=True),
        draw.array(B, n, d_s, mean=mean),
        lengths,
        draw.array(3 * d_t, d_y + d_o, scale=0.7, fixed=True),
        draw.array(3 * d_t, d_t, scale=0.7, fixed=True),
        draw.array(3 * d_t, fixed=True),
        draw.array(3 * d_t, fixed=True),
        draw.array(d_t, d_s, fixed=True),
        draw.array(d_o, d_s + d_t, scale=0.5, fixed=True),
    )


@task.inputs
def _(draw: Draw) -> tuple[Array, ...]:
    return _step(draw)


@task.special("a sentence of length 0", share=0.2)
def _(draw: Draw) -> tuple[Array, ...]:
    inputs = _step(draw)
    inputs[4][int(draw.rng.integers(len(inputs[4])))] = 0
    return inputs


@task.special("padding that holds huge numbers", share=0.4)
def _(draw: Draw) -> tuple[Array, ...]:
    draw.size("n", 2, 7)
    inputs = _step(draw)
    H, lengths = inputs[3], inputs[4]
    hidden = torch.arange(H.shape[1]) >= lengths[:, None]
    return *inputs[:3], torch.where(hidden[..., None], H.new_tensor(draw.choice([-1e12, 1e12])), H), *inputs[4:]


@task.special("words that all score far below zero", share=0.2, gradients=False)  # they would be rounding errors · 1e12
def _(draw: Draw) -> tuple[Array, ...]:
    draw.size("n", 2, 7)
    y, h_tilde, h, H, lengths, *cell, W_a, W_c = _step(draw)
    W_a = W_a * 1e12
    query = _cell(torch.cat([y, h_tilde], -1), h, *cell) @ W_a / 1e12
    words = -query / (query**2).sum(-1, keepdim=True).clamp(min=1e-6)  # each scores −1e12
    return y, h_tilde, h, torch.cat([words[:, None], 0 * H[:, 1:]], 1), lengths.clamp(max=1), *cell, W_a, W_c


@task.special("gates wide open or shut", share=0.2)
def _(draw: Draw) -> tuple[Array, ...]:
    inputs = _step(draw)
    return *inputs[:7], 200 * inputs[7], 200 * inputs[8], *inputs[9:]


@task.special("the first step: nothing has been read or fed back yet", share=0.3)
def _(draw: Draw) -> tuple[Array, ...]:
    y, h_tilde, h, *rest = _step(draw)
    return y, h_tilde * 0, h * 0, *rest


@task.property("weights sum to one over the words of a sentence")
def _(_call: object, inputs: tuple[Array, ...], output: tuple[Array, ...]) -> str | None:
    worst = (output[2].sum(-1) - (inputs[4] > 0).to(output[2].dtype)).abs().max()
    return None if worst <= 1e-3 else f"here a sum is off by {worst:.3g}."


@task.property("padding gets a weight of exactly 0")
def _(_call: object, inputs: tuple[Array, ...], output: tuple[Array, ...]) -> str | None:
    hidden = torch.arange(output[2].shape[1]) >= inputs[4][:, None]
    worst = output[2][hidden].abs().sum()
    return None if worst == 0 else f"here padding gets {worst:.3g}."


# --- a step whose parts can be exchanged: what most mistakes are


def _cell(x: Array, s: Array, W_ih: Array, W_hh: Array, b_ih: Array, b_hh: Array) -> Array:
    i_r, i_z, i_n = (x @ W_ih.T + b_ih).chunk(3, -1)
    h_r, h_z, h_n = (s @ W_hh.T + b_hh).chunk(3, -1)
    r, z = torch.sigmoid(i_r + h_r), torch.sigmoid(i_z + h_z)
    return (1 - z) * torch.tanh(i_n + r * h_n) + z * s


def _mask(H: Array, lengths: Array) -> Array:
    return torch.arange(H.shape[1]) < lengths[:, None]


def _weights(scores: Array, mask: Array) -> Array:
    return scores.masked_fill(~mask, -torch.inf).softmax(-1).nan_to_num()


def _general(h: Array, H: Array, W_a: Array) -> Array:
    return torch.einsum("bt,ts,bns->bn", h, W_a, H)


def _built(
    feed: Callable[..., Array] = lambda y, fed: torch.cat([y, fed], -1),
    cell: Callable[..., Array] = _cell,
    query: Callable[..., Array] = lambda h, h_prev: h,  # noqa: ARG005 - the others use it
    score: Callable[..., Array] = _general,
    weigh: Callable[..., Array] = _weights,
    mask: Callable[..., Array] = _mask,
    read: Callable[..., Array] = lambda a, H: torch.einsum("bn,bns->bs", a, H),
    mix: Callable[..., Array] = lambda c, h, W: torch.tanh(torch.cat([c, h], -1) @ W.T),
    give: Callable[..., tuple[Array, ...]] = lambda h, h_tilde, a, c: (h, h_tilde, a),  # noqa: ARG005 - likewise
) -> Callable[..., Any]:
    def step(*inputs: Array) -> Any:
        y_prev, h_tilde_prev, h_prev, H, lengths, W_ih, W_hh, b_ih, b_hh, W_a, W_c = inputs
        h = cell(feed(y_prev, h_tilde_prev), h_prev, W_ih, W_hh, b_ih, b_hh)
        weights = weigh(score(query(h, h_prev), H, W_a), mask(H, lengths))
        context = read(weights, H)
        return give(h, mix(context, h, W_c), weights, context)

    return step


def _gates(order: str) -> Callable[..., Array]:
    """The cell with its three blocks of rows read in this order."""

    def cell(x: Array, s: Array, W_ih: Array, W_hh: Array, b_ih: Array, b_hh: Array) -> Array:
        rows = torch.cat([torch.arange(s.shape[1]) + "rzn".index(gate) * s.shape[1] for gate in order])
        return _cell(x, s, W_ih[rows], W_hh[rows], b_ih[rows], b_hh[rows])

    return cell


def _reset_first(x: Array, s: Array, W_ih: Array, W_hh: Array, b_ih: Array, b_hh: Array) -> Array:
    i, d = x @ W_ih.T + b_ih, s.shape[1]
    r, z = torch.sigmoid(i[:, : 2 * d] + s @ W_hh[: 2 * d].T + b_hh[: 2 * d]).chunk(2, -1)
    return (1 - z) * torch.tanh(i[:, 2 * d :] + (r * s) @ W_hh[2 * d :].T + b_hh[2 * d :]) + z * s


def _bias_behind_the_gate(x: Array, s: Array, W_ih: Array, W_hh: Array, b_ih: Array, b_hh: Array) -> Array:
    d = s.shape[1]
    moved = torch.cat([b_hh[: 2 * d], torch.zeros_like(b_hh[2 * d :])])
    return _cell(x, s, W_ih, W_hh, b_ih + b_hh - moved, moved)


def _kept_and_new_swapped(x: Array, s: Array, W_ih: Array, W_hh: Array, b_ih: Array, b_hh: Array) -> Array:
    i_r, i_z, i_n = (x @ W_ih.T + b_ih).chunk(3, -1)
    h_r, h_z, h_n = (s @ W_hh.T + b_hh).chunk(3, -1)
    z = torch.sigmoid(i_z + h_z)
    return z * torch.tanh(i_n + torch.sigmoid(i_r + h_r) * h_n) + (1 - z) * s


def _gated(sigmoid: Callable[[Array], Array], reset_input: bool = False, squash: bool = True) -> Callable[..., Array]:
    """The cell with another sigmoid, a reset gate that acts on the input as well, or a candidate without tanh."""

    def cell(x: Array, s: Array, W_ih: Array, W_hh: Array, b_ih: Array, b_hh: Array) -> Array:
        i_r, i_z, i_n = (x @ W_ih.T + b_ih).chunk(3, -1)
        h_r, h_z, h_n = (s @ W_hh.T + b_hh).chunk(3, -1)
        r, z = sigmoid(i_r + h_r), sigmoid(i_z + h_z)
        new = r * (i_n + h_n) if reset_input else i_n + r * h_n
        return (1 - z) * (torch.tanh(new) if squash else new) + z * s

    return cell


def _turned_per_gate(x: Array, s: Array, W_ih: Array, W_hh: Array, b_ih: Array, b_hh: Array) -> Array:
    d = s.shape[1]
    return _cell(x, s, W_ih, W_hh.reshape(3, d, d).mT.reshape(3 * d, d), b_ih, b_hh)


def _batch_maximum(scores: Array, mask: Array) -> Array:
    e = scores.masked_fill(~mask, -torch.inf)
    w = (e - e.max().nan_to_num(neginf=0.0)).exp()
    return w / w.sum(-1, keepdim=True).clamp(min=1e-30)


_MISTAKES: dict[tuple[str, str], Callable[..., Any]] = {
    (
        "asks with the old state, as Bahdanau does",
        "Whose query is it: h_prev's or h's? What does the step compute first?",
    ): _built(query=lambda h, h_prev: h_prev),  # noqa: ARG005 - ignoring the new state is the mistake
    (
        "feeds the cell [h_tilde_prev ; y_prev] instead of [y_prev ; h_tilde_prev]",
        "Which columns of W_ih meet y_prev: the first or the last?",
    ): _built(feed=lambda y, fed: torch.cat([fed, y], -1)),
    (
        "does not feed the attentional state back",
        "If h_tilde_prev does not reach the cell, how can the decoder know where it looked last?",
    ): _built(feed=lambda y, fed: torch.cat([y, torch.zeros_like(fed)], -1)),
    (
        "cuts the gradient at the fed-back state",
        "Should a later loss be able to correct an earlier alignment?",
    ): _built(feed=lambda y, fed: torch.cat([y, fed.detach()], -1)),
    (
        "puts h first and the context second in the attentional state",
        "Whose columns come first in W_c?",
    ): _built(mix=lambda c, h, W: torch.tanh(torch.cat([h, c], -1) @ W.T)),
    (
        "leaves out the tanh of the attentional state",
        "What keeps h̃, which is fed back at every step, from growing?",
    ): _built(mix=lambda c, h, W: torch.cat([c, h], -1) @ W.T),
    ("mixes the context with the old state", "Which state belongs to the context of this step?"): lambda *x: (
        decoder_step(*x)[0],
        torch.tanh(torch.cat([torch.einsum("bn,bns->bs", decoder_step(*x)[2], x[3]), x[2]], -1) @ x[10].T),
        decoder_step(*x)[2],
    ),
    (
        "leaves out the mask",
        "Which positions of H are no words at all?",
    ): _built(weigh=lambda e, mask: e.softmax(-1)),  # noqa: ARG005 - ignoring the mask is the mistake
    (
        "masks after the softmax, so that the weights no longer sum to one",
        "Who gets the share that the padding had?",
    ): _built(weigh=lambda e, mask: e.softmax(-1) * mask),
    (
        "sets the scores of padding to 0 instead of −inf",
        "Is a score of 0 small? What is exp(0)?",
    ): _built(weigh=lambda e, mask: (e * mask).softmax(-1)),
    (
        "gives hidden positions a finite score and multiplies by the mask afterwards",
        "What if all words of a sentence score below that number? Which score is below every other?",
    ): _built(weigh=lambda e, mask: e.masked_fill(~mask, -1e9).softmax(-1) * mask),
    (
        "subtracts the maximum of the whole batch",
        "What is left of exp(score − maximum) in a sentence whose scores are all far below another sentence's?",
    ): _built(weigh=_batch_maximum),
    (
        "gives a sentence of length 0 uniform weights",
        "What should a query read that may attend to nothing?",
    ): _built(weigh=lambda e, mask: e.masked_fill(~mask, -1e30).softmax(-1)),
    (
        "gives NaN for a sentence of length 0",
        "What is a softmax over nothing but −inf?",
    ): _built(weigh=lambda e, mask: e.masked_fill(~mask, -torch.inf).softmax(-1)),
    (
        "adds −inf to the scores and hides the NaN, which the backward pass still meets",
        "What is the derivative of −inf + x − max at a sentence of length 0? Which operation never computes it?",
    ): _built(weigh=lambda e, mask: (e + torch.where(mask, 0.0, -torch.inf).to(e.dtype)).softmax(-1).nan_to_num()),
    (
        "normalises over the batch instead of the positions",
        "Should the sentences of a batch know of each other?",
    ): _built(weigh=lambda e, mask: e.masked_fill(~mask, -torch.inf).softmax(0).nan_to_num()),
    (
        "takes the first sentence's length for the whole batch",
        "How many lengths does a batch have?",
    ): _built(mask=lambda H, lengths: _mask(H, lengths[:1].expand(len(lengths)))),
    (
        "exponentiates without subtracting the maximum",
        "What is exp(1000), and what is inf / inf?",
    ): _built(weigh=lambda e, mask: e.exp() * mask / (e.exp() * mask).sum(-1, keepdim=True)),
    (
        "masks one position too many",
        "Which index has the last word of a sentence of length 3?",
    ): _built(mask=lambda H, lengths: torch.arange(H.shape[1]) < lengths[:, None] - 1),
    (
        "lets one position of the padding in",
        "Which index has the last word of a sentence of length 3?",
    ): _built(mask=lambda H, lengths: torch.arange(H.shape[1]) <= lengths[:, None]),
    (
        "reads the padding and hides the words",
        'Does True in your mask mean "may attend" or "hide"?',
    ): _built(mask=lambda H, lengths: torch.arange(H.shape[1]) >= lengths[:, None]),
    (
        "reads the gates in the order update, reset, new",
        "Which rows of W_ih belong to which gate in torch.nn.GRUCell?",
    ): _built(cell=_gates("zrn")),
    (
        "reads the gates in the order new, reset, update",
        "Which rows of W_ih belong to which gate in torch.nn.GRUCell?",
    ): _built(cell=_gates("nrz")),
    (
        "swaps what the update gate keeps and what it replaces",
        "In torch's cell, does z = 1 keep the old state or take the new one?",
    ): _built(cell=_kept_and_new_swapped),
    (
        "applies the reset gate before the product with W_hh, not behind it",
        "Does r multiply the state, or the product with its bias? (cuDNN and the first paper differ here.)",
    ): _built(cell=_reset_first),
    (
        "adds the third part of b_hh outside the reset gate",
        "What does r multiply in torch's cell: the product alone, or the product and its bias?",
    ): _built(cell=_bias_behind_the_gate),
    (
        "lets the reset gate act on the input as well",
        "In the candidate, does r multiply i_n too, or h_n alone?",
    ): _built(cell=_gated(torch.sigmoid, reset_input=True)),
    (
        "leaves out the tanh of the candidate",
        "What keeps the new state between −1 and 1?",
    ): _built(cell=_gated(torch.sigmoid, squash=False)),
    (
        "computes the gates by 1/(1 + exp(−x)), whose gradient is NaN where exp overflows",
        "What is exp(200) in float32, and what is its share of the derivative? Does torch have the whole function?",
    ): _built(cell=_gated(lambda x: 1 / (1 + torch.exp(-x)))),
    (
        "computes the gates by exp(x)/(1 + exp(x)), which is NaN where exp overflows",
        "What is exp(200) in float32, and what is inf / inf? Does torch have the whole function?",
    ): _built(cell=_gated(lambda x: torch.exp(x) / (1 + torch.exp(x)))),
    (
        "exchanges b_ih and b_hh",
        "Which of the two biases stands inside the product with the reset gate?",
    ): _built(cell=lambda x, s, W_ih, W_hh, b_ih, b_hh: _cell(x, s, W_ih, W_hh, b_hh, b_ih)),
    (
        "transposes W_hh gate by gate",
        "Each gate has a square block of W_hh. Is it multiplied as s @ block or as s @ block.T?",
    ): _built(cell=_turned_per_gate),
    (
        "hands the cell transposed weights",
        "Which shape does torch.gru_cell want W_ih to have? (Look at the sizes in the task.)",
    ): _built(cell=lambda x, s, W_ih, W_hh, b_ih, b_hh: torch.gru_cell(x, s, W_ih.T, W_hh, b_ih, b_hh)),
    (
        "leaves out b_hh",
        "How many biases has torch.nn.GRUCell?",
    ): _built(cell=lambda x, s, W_ih, W_hh, b_ih, b_hh: _cell(x, s, W_ih, W_hh, b_ih, b_hh * 0)),
    (
        "uses the transpose of W_a",
        "Which axis of W_a has the size of h?",
    ): _built(score=lambda h, H, W: torch.einsum("bt,st,bns->bn", h, W, H)),
    (
        "divides the scores by √d",
        "Is the scale part of the general score?",
    ): _built(score=lambda h, H, W: _general(h, H, W) / h.shape[1] ** 0.5),
    (
        "applies tanh to the scores",
        "Which of Luong's scores has a tanh?",
    ): _built(score=lambda h, H, W: torch.tanh(_general(h, H, W))),
    (
        "leaves out W_a (dot instead of general)",
        "Can h and h_s be multiplied directly when their sizes differ?",
    ): _built(score=lambda h, H, W: torch.einsum("bt,bnt->bn", h, H)),  # noqa: ARG005 - likewise
    (
        "returns the context instead of the attentional state",
        "Which of the two is fed back and predicted from?",
    ): _built(give=lambda h, h_tilde, a, c: (h, c, a)),  # noqa: ARG005 - likewise
    (
        "returns the scores instead of the weights",
        "Do your third outputs sum to one?",
    ): lambda *x: (*decoder_step(*x)[:2], _general(decoder_step(*x)[0], x[3], x[9])),
    (
        "returns h_tilde first and h second",
        "In which order does the task ask for the outputs?",
    ): _built(give=lambda h, h_tilde, a, c: (h_tilde, h, a)),  # noqa: ARG005 - likewise
    (
        "returns the old state as the new one",
        "What must the caller hand over as h_prev at the next step?",
    ): lambda *x: (x[2], *decoder_step(*x)[1:]),
    (
        "detaches the source states in the scores",
        "The source states reach the output along two paths. Which?",
    ): _built(score=lambda h, H, W: _general(h, H.detach(), W)),
    (
        "detaches the source states in the context",
        "The source states reach the output along two paths. Which?",
    ): _built(read=lambda a, H: torch.einsum("bn,bns->bs", a, H.detach())),
    (
        "detaches the query, so that scoring never teaches the state what to ask for",
        "Along which path does the loss change what h asks for?",
    ): _built(score=lambda h, H, W: _general(h.detach(), H, W)),
    (
        "detaches the scores or weights, so that attending is never learned",
        "Which path leads from the loss to W_a?",
    ): _built(weigh=lambda e, mask: _weights(e, mask).detach()),
    (
        "detaches the source states, so that the encoder never learns",
        "Along which paths does the gradient reach the encoder?",
    ): lambda *x: decoder_step(*(one.detach() if i == 3 else one for i, one in enumerate(x))),
}

for (_name, _ask), _function in _MISTAKES.items():
    task.misconception(_name, _ask)(_function)
