"""bahdanau.decoder_step: One step of the decoder, from the last token and state to the new state."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch

from attn_core.seq2seq.bahdanau import additive_attention, additive_scores, decoder_step
from autograder.checking.draw import Draw
from autograder.checking.task import Task
from autograder.tasks.mistakes import Array

task = Task(
    "bahdanau.decoder_step",
    reference=decoder_step,
    kind="torch",
    lecture="02_bahdanau#the-state-update",
    hints=(
        "Three lines: attend with the state you have, join token and context, run the cell. What is the query, if the new state does not exist yet?",
        "torch.nn.GRUCell keeps its 3·d_s rows in the order reset gate, update gate, candidate. Which of the two bias vectors stands inside the product with the reset gate?",
        "`x = torch.cat([y_prev, context], dim=1)`; split `x @ W_ih.T + b_ih` and `s_prev @ W_hh.T + b_hh` in three; r and z are the sigmoids of the "
        "sums of the first and second parts, the candidate is tanh(third + r · third); s = (1 − z) · candidate + z · s_prev.",
    ),
)

Cell = Callable[..., Array]


@task.inputs
def _(draw: Draw) -> tuple[Array, ...]:
    return inputs(draw)


def inputs(draw: Draw, lowest: int = 1) -> tuple[Array, ...]:
    """Everything that one step reads; the parameters keep their size when the inputs grow."""
    draw.size("B", 1, 4)
    y, s = draw.array("B", "d_y", mean=0.3), draw.array("B", "d_s", mean=0.3, scale=0.7)
    H = draw.array("B", "n", "d_h", mean=0.5)
    lengths = draw.integers("B", low=lowest, high=draw.sizes["n"])
    score = [draw.array(*axes, fixed=True) for axes in (("d_a", "d_s"), ("d_a", "d_h"), ("d_a",))]
    d_s, d_x = draw.sizes["d_s"], draw.sizes["d_y"] + draw.sizes["d_h"]
    cell = [
        draw.array(*axes, scale=0.7, fixed=True) for axes in ((3 * d_s, d_x), (3 * d_s, d_s), (3 * d_s,), (3 * d_s,))
    ]
    return y, s, H, lengths, *score, *cell


@task.special("sentences of length 0, 1 and n in one batch", share=0.2)
def _(draw: Draw) -> tuple[Array, ...]:
    draw.size("B", 3, 3)
    draw.size("n", 2, 6)
    y, s, H, lengths, *parameters = inputs(draw)
    lengths[0], lengths[1], lengths[2] = 0, 1, H.shape[1]
    return y, s, H, lengths, *parameters


@task.special("a first step: the state is zero", share=0.2)
def _(draw: Draw) -> tuple[Array, ...]:
    y, s, *rest = inputs(draw)
    return y, s * 0, *rest


@task.special("d_y = d_h = d_s", share=0.3)
def _(draw: Draw) -> tuple[Array, ...]:
    d = draw.size("d_y", 2, 5)
    for letter in ("d_h", "d_s"):
        draw.sizes[letter] = d
    return inputs(draw)


@task.special("gates that are wide open or shut", share=0.2)
def _(draw: Draw) -> tuple[Array, ...]:
    *rest, b_ih, b_hh = inputs(draw)
    return *rest, b_ih * 60, b_hh * 60


@task.special("d_y + d_h = 3 d_s: W_ih is square", share=0.3)
def _(draw: Draw) -> tuple[Array, ...]:
    d_s = draw.size("d_s", 1, 4)
    draw.sizes |= {"d_y": d_s, "d_h": 2 * d_s}
    return inputs(draw)


@task.special("a single word that scores far below zero", share=0.2)
def _(draw: Draw) -> tuple[Array, ...]:
    draw.size("n", 2, 6)
    y, s, H, lengths, W_a, U_a, v_a, *parameters = inputs(draw)
    H = torch.cat([0 * H[:, :1] + 2, 0.1 * H[:, 1:]], 1)
    return y, s, H, lengths * 0 + 1, 0 * W_a, U_a.abs() + 12, 0 * v_a - 2e11, *parameters


def cell(x: Array, s: Array, W_ih: Array, W_hh: Array, b_ih: Array, b_hh: Array, order: str = "rzc") -> Array:
    """A GRU cell that reads its rows in some order of reset (r), update (z) and candidate (c)."""
    of_x = dict(zip(order, (x @ W_ih.T + b_ih).chunk(3, 1), strict=True))
    of_s = dict(zip(order, (s @ W_hh.T + b_hh).chunk(3, 1), strict=True))
    r, z = torch.sigmoid(of_x["r"] + of_s["r"]), torch.sigmoid(of_x["z"] + of_s["z"])
    return (1 - z) * torch.tanh(of_x["c"] + r * of_s["c"]) + z * s


def _step(
    y: Array, s: Array, H: Array, lengths: Array, W_a: Array, U_a: Array, v_a: Array, *parameters: Array, with_: Cell
) -> tuple[Array, Array, Array]:
    """A step with another cell: what many mistakes are."""
    context, weights = additive_attention(s, H, lengths, W_a, U_a, v_a)
    return with_(torch.cat([y, context], 1), s, *parameters), context, weights


def _mistake(name: str, ask: str) -> Callable[[Cell], Cell]:
    """Add the step with this cell as a misconception."""

    def add(wrong_cell: Cell) -> Cell:
        task.misconception(name, ask)(partial(_step, with_=wrong_cell))
        return wrong_cell

    return add


for _order, _names in (
    ("zrc", "update gate, reset gate"),
    ("czr", "candidate, update gate"),
    ("rcz", "reset gate, candidate"),
):
    _mistake(
        f"reads the cell's rows in another order, which begins with {_names}",
        ask="In which order does torch.nn.GRUCell stack the rows of reset gate, update gate and candidate?",
    )(partial(cell, order=_order))


@_mistake(
    "swaps the roles of new and old: z keeps the candidate",
    ask="In torch's cell, what does z = 1 keep: the old state or the candidate?",
)
def _(x: Array, s: Array, W_ih: Array, W_hh: Array, b_ih: Array, b_hh: Array) -> Array:
    xr, xz, xc = (x @ W_ih.T + b_ih).chunk(3, 1)
    hr, hz, hc = (s @ W_hh.T + b_hh).chunk(3, 1)
    z = torch.sigmoid(xz + hz)
    return z * torch.tanh(xc + torch.sigmoid(xr + hr) * hc) + (1 - z) * s


@_mistake(
    "resets the state before the product W_hc s, as the paper does and torch does not",
    ask="Does torch.nn.GRUCell multiply r with s, or with W_hc s + b_hc?",
)
def _(x: Array, s: Array, W_ih: Array, W_hh: Array, b_ih: Array, b_hh: Array) -> Array:
    xr, xz, xc = (x @ W_ih.T + b_ih).chunk(3, 1)
    hr, hz, _ = (s @ W_hh.T + b_hh).chunk(3, 1)
    r, z, d = torch.sigmoid(xr + hr), torch.sigmoid(xz + hz), s.shape[1]
    return (1 - z) * torch.tanh(xc + (r * s) @ W_hh[2 * d :].T + b_hh[2 * d :]) + z * s


@_mistake(
    "leaves the candidate's bias b_hc outside the reset gate", ask="What exactly is multiplied by r in torch's cell?"
)
def _(x: Array, s: Array, W_ih: Array, W_hh: Array, b_ih: Array, b_hh: Array) -> Array:
    xr, xz, xc = (x @ W_ih.T + b_ih).chunk(3, 1)
    hr, hz, hc = (s @ W_hh.T + b_hh).chunk(3, 1)
    r, z, b = torch.sigmoid(xr + hr), torch.sigmoid(xz + hz), b_hh.chunk(3)[2]
    return (1 - z) * torch.tanh(xc + r * (hc - b) + b) + z * s


@_mistake("forgets the reset gate", ask="What does r do, and where did it go?")
def _(x: Array, s: Array, W_ih: Array, W_hh: Array, b_ih: Array, b_hh: Array) -> Array:
    _, xz, xc = (x @ W_ih.T + b_ih).chunk(3, 1)
    _, hz, hc = (s @ W_hh.T + b_hh).chunk(3, 1)
    z = torch.sigmoid(xz + hz)
    return (1 - z) * torch.tanh(xc + hc) + z * s


@_mistake("exchanges b_ih and b_hh", ask="Which bias belongs to the input's product, and which is inside r · (…)?")
def _(x: Array, s: Array, W_ih: Array, W_hh: Array, b_ih: Array, b_hh: Array) -> Array:
    return cell(x, s, W_ih, W_hh, b_hh, b_ih)


@_mistake("multiplies by W_ih untransposed", ask="W_ih is (3 d_s, d_y + d_h). Which of its axes must x meet?")
def _(x: Array, s: Array, W_ih: Array, W_hh: Array, b_ih: Array, b_hh: Array) -> Array:
    return cell(x, s, W_ih.T, W_hh, b_ih, b_hh)


@_mistake(
    "multiplies by each gate's block of W_hh untransposed",
    ask="Each third of W_hh is d_s × d_s, so both ways run. Do its rows belong to the new state, or to the old?",
)
def _(x: Array, s: Array, W_ih: Array, W_hh: Array, b_ih: Array, b_hh: Array) -> Array:
    return cell(x, s, W_ih, torch.cat([block.T for block in W_hh.chunk(3)]), b_ih, b_hh)


for _on_state, _where in ((True, "on the input too"), (False, "on the input instead of the state")):

    @_mistake(f"lets the reset gate act {_where}", ask="Which of the candidate's two sums is multiplied by r?")
    def _(x: Array, s: Array, W_ih: Array, W_hh: Array, b_ih: Array, b_hh: Array, on_state: bool = _on_state) -> Array:
        (xr, xz, xc), (hr, hz, hc) = (x @ W_ih.T + b_ih).chunk(3, 1), (s @ W_hh.T + b_hh).chunk(3, 1)
        r, z = torch.sigmoid(xr + hr), torch.sigmoid(xz + hz)
        return (1 - z) * torch.tanh(r * xc + (r * hc if on_state else hc)) + z * s


@_mistake("leaves out the candidate's tanh", ask="What keeps the state between −1 and 1, step after step?")
def _(x: Array, s: Array, W_ih: Array, W_hh: Array, b_ih: Array, b_hh: Array) -> Array:
    (xr, xz, xc), (hr, hz, hc) = (x @ W_ih.T + b_ih).chunk(3, 1), (s @ W_hh.T + b_hh).chunk(3, 1)
    r, z = torch.sigmoid(xr + hr), torch.sigmoid(xz + hz)
    return (1 - z) * (xc + r * hc) + z * s


@_mistake(
    "takes the tanh of the whole new state instead of the candidate",
    ask="If z = 1, the old state must come through unchanged. Does it?",
)
def _(x: Array, s: Array, W_ih: Array, W_hh: Array, b_ih: Array, b_hh: Array) -> Array:
    (xr, xz, xc), (hr, hz, hc) = (x @ W_ih.T + b_ih).chunk(3, 1), (s @ W_hh.T + b_hh).chunk(3, 1)
    r, z = torch.sigmoid(xr + hr), torch.sigmoid(xz + hz)
    return torch.tanh((1 - z) * (xc + r * hc) + z * s)


@_mistake("forgets b_hh in the candidate", ask="The candidate has two biases. Which of them is multiplied by r?")
def _(x: Array, s: Array, W_ih: Array, W_hh: Array, b_ih: Array, b_hh: Array) -> Array:
    d = 2 * s.shape[1]
    return cell(x, s, W_ih, W_hh, b_ih, torch.cat([b_hh[:d], b_hh[d:] * 0]))


@_mistake(
    "takes the rows of the three gates in turn instead of block by block",
    ask="Are the first three rows of W_ih one row of each gate, or three rows of the reset gate?",
)
def _(x: Array, s: Array, W_ih: Array, W_hh: Array, b_ih: Array, b_hh: Array) -> Array:
    blocks = [torch.cat([p[gate::3] for gate in range(3)]) for p in (W_ih, W_hh, b_ih, b_hh)]
    return cell(x, s, blocks[0], blocks[1], blocks[2], blocks[3])


@_mistake("forgets one of the two biases", ask="torch's cell has b_ih and b_hh. Are both in your sums?")
def _(x: Array, s: Array, W_ih: Array, W_hh: Array, b_ih: Array, b_hh: Array) -> Array:
    return cell(x, s, W_ih, W_hh, b_ih, b_hh * 0)


@_mistake("uses a plain tanh cell instead of the GRU", ask="Which three parts have the 3·d_s rows?")
def _(x: Array, s: Array, W_ih: Array, W_hh: Array, b_ih: Array, b_hh: Array) -> Array:
    return torch.tanh((x @ W_ih.T + b_ih + s @ W_hh.T + b_hh).chunk(3, 1)[2])


@task.misconception(
    "puts the context before the token",
    ask="In which order are y and c joined, and so which columns of W_ih belong to c?",
)
def _(
    y: Array, s: Array, H: Array, lengths: Array, W_a: Array, U_a: Array, v_a: Array, *parameters: Array
) -> tuple[Array, ...]:
    context, weights = additive_attention(s, H, lengths, W_a, U_a, v_a)
    return cell(torch.cat([context, y], 1), s, *parameters), context, weights


@task.misconception(
    "leaves the context out of the state: c is computed and not used",
    ask="What does s_i know of the source, if c_i does not enter it?",
)
def _(
    y: Array, s: Array, H: Array, lengths: Array, W_a: Array, U_a: Array, v_a: Array, *parameters: Array
) -> tuple[Array, ...]:
    context, weights = additive_attention(s, H, lengths, W_a, U_a, v_a)
    return cell(torch.cat([y, context * 0], 1), s, *parameters), context, weights


@task.misconception(
    "leaves the token out of the state", ask="How does the decoder learn which token it has just written?"
)
def _(
    y: Array, s: Array, H: Array, lengths: Array, W_a: Array, U_a: Array, v_a: Array, *parameters: Array
) -> tuple[Array, ...]:
    context, weights = additive_attention(s, H, lengths, W_a, U_a, v_a)
    return cell(torch.cat([y * 0, context], 1), s, *parameters), context, weights


@task.misconception(
    "attends with the new state: that is Luong's order",
    ask="If the query is s_i, what was c_i made of when s_i was computed?",
)
def _(
    y: Array, s: Array, H: Array, lengths: Array, W_a: Array, U_a: Array, v_a: Array, *parameters: Array
) -> tuple[Array, ...]:
    first, _ = additive_attention(s, H, lengths, W_a, U_a, v_a)
    new = cell(torch.cat([y, first], 1), s, *parameters)
    return new, *additive_attention(new, H, lengths, W_a, U_a, v_a)


@task.misconception(
    "updates the state without a context and then attends with it",
    ask="Which comes first in this decoder: reading the source, or updating the state?",
)
def _(
    y: Array, s: Array, H: Array, lengths: Array, W_a: Array, U_a: Array, v_a: Array, *parameters: Array
) -> tuple[Array, ...]:
    empty = H[:, 0] * 0
    new = cell(torch.cat([y, empty], 1), s, *parameters)
    return new, *additive_attention(new, H, lengths, W_a, U_a, v_a)


@task.misconception(
    "gives the cell the mean of the annotations instead of the context",
    ask="Which annotation matters at this step, and which quantity says so?",
)
def _(
    y: Array, s: Array, H: Array, lengths: Array, W_a: Array, U_a: Array, v_a: Array, *parameters: Array
) -> tuple[Array, ...]:
    mean, _ = additive_attention(s, H, lengths, W_a, U_a, v_a * 0)
    return cell(torch.cat([y, mean], 1), s, *parameters), *additive_attention(s, H, lengths, W_a, U_a, v_a)


@task.misconception("ignores the lengths", ask="How much weight may padding get?")
def _(y: Array, s: Array, H: Array, lengths: Array, *rest: Array) -> tuple[Array, ...]:
    return decoder_step(y, s, H, lengths * 0 + H.shape[1], *rest)


def _filled(
    y: Array, s: Array, H: Array, lengths: Array, W_a: Array, U_a: Array, v_a: Array, *parameters: Array, fill: float
) -> tuple[Array, ...]:
    """A step whose hidden scores are this number; NaN stays NaN."""
    mask = torch.arange(H.shape[1]) < lengths[:, None]
    weights = torch.softmax(additive_scores(s, H, W_a, U_a, v_a).masked_fill(~mask, fill), -1)
    return _with(weights, y, s, H, *parameters)


def _with(weights: Array, y: Array, s: Array, H: Array, *parameters: Array) -> tuple[Array, ...]:
    """A step that reads with these weights."""
    context = (weights[:, :, None] * H).sum(1)
    return cell(torch.cat([y, context], 1), s, *parameters), context, weights


task.misconception(
    "gives NaN for a sentence without words", ask="What is softmax of a row of −inf, and what shall such a row give?"
)(partial(_filled, fill=-torch.inf))

task.misconception(
    "reads padding in a sentence without words: a large negative number is not −inf",
    ask="What does softmax give for a row of equal scores, however negative?",
)(partial(_filled, fill=-1e9))

for _fill in (-1e9, -1e4, -1e3, -1e2):

    @task.misconception(
        "fills with a finite number and multiplies by the mask, which fails where every word scores lower",
        ask="Which score may a word never fall below? What do the words get if padding holds the highest score?",
    )
    def _(*arguments: Array, fill: float = _fill) -> tuple[Array, ...]:
        y, s, H, lengths = arguments[:4]
        mask = torch.arange(H.shape[1]) < lengths[:, None]
        return _with(_filled(*arguments, fill=fill)[2] * mask, y, s, H, *arguments[7:])


@task.misconception(
    "returns the context first and the state second", ask="In which order are the three results asked for?"
)
def _(*arguments: Array) -> tuple[Array, ...]:
    state, context, weights = decoder_step(*arguments)
    return context, state, weights


@task.misconception("returns the old state", ask="Which of your variables is the state after the step?")
def _(*arguments: Array) -> tuple[Array, ...]:
    return arguments[1], *decoder_step(*arguments)[1:]


@task.misconception(
    "returns the weights and the context in each other's place", ask="In which order are the three results asked for?"
)
def _(*arguments: Array) -> tuple[Array, ...]:
    state, context, weights = decoder_step(*arguments)
    return state, weights, context


@task.misconception(
    "detaches the context, so that attention learns nothing from the states that follow",
    ask="Through which of its inputs must the gradient of s_i reach the score?",
)
def _(
    y: Array, s: Array, H: Array, lengths: Array, W_a: Array, U_a: Array, v_a: Array, *parameters: Array
) -> tuple[Array, ...]:
    context, weights = additive_attention(s, H, lengths, W_a, U_a, v_a)
    return cell(torch.cat([y, context.detach()], 1), s, *parameters), context, weights


@task.misconception(
    "detaches the state from the graph at every step", ask="Over how many steps can the gradient then flow back?"
)
def _(y: Array, s: Array, *rest: Array) -> tuple[Array, ...]:
    return decoder_step(y, s.detach(), *rest)


@task.misconception(
    "detaches the query: the score's gradient never reaches the state before",
    ask="s_prev is used twice. May either use be cut off?",
)
def _(
    y: Array, s: Array, H: Array, lengths: Array, W_a: Array, U_a: Array, v_a: Array, *parameters: Array
) -> tuple[Array, ...]:
    context, weights = additive_attention(s.detach(), H, lengths, W_a, U_a, v_a)
    return cell(torch.cat([y, context], 1), s, *parameters), context, weights
