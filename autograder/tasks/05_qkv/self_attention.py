"""qkv.self_attention: A sequence that reads itself."""

from __future__ import annotations

from typing import Any

import torch

from attn_core.self_attention import self_attention
from autograder.checking.draw import Draw
from autograder.checking.task import Task
from autograder.tasks.mistakes import Array, squeezes, swap
from autograder.tasks.reading_mistakes import MISTAKES, scaled_scores

task = Task(
    "qkv.self_attention",
    reference=self_attention,
    kind="torch",
    scores=scaled_scores,
    lecture="05_qkv#self-attention",
    hints=(
        "Five lines: three projections of the same x, a table of scores, shares, a mixture.",
        "Write the shape of each line beside it. Which of the two n in the table of scores belongs to those who ask, which to those "
        "who are asked, and along which of them must the shares sum to one? What is the size of one query?",
        "`q, k, v = x @ W_q, x @ W_k, x @ W_v`; `scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5`; "
        "`weights = torch.softmax(scores, dim=-1)`; return `weights @ v` and `weights`.",
    ),
)


@task.inputs
def _(draw: Draw) -> tuple[Array, ...]:
    d, d_k, d_v = draw.size("d", 1, 8), draw.size("d_k", 2, 12), draw.size("d_v", 1, 7)
    x = draw.array(..., "n", "d", mean=0.3)
    W_q, W_k = (draw.array(d, d_k, scale=d**-0.5, fixed=True) for _ in range(2))
    return x, W_q, W_k, draw.array(d, d_v, mean=0.4, scale=d**-0.5, fixed=True)


@task.special("projections that are all square", share=0.25)
def _(draw: Draw) -> tuple[Array, ...]:
    draw.sizes["d_k"] = draw.sizes["d_v"] = draw.size("d", 2, 5)
    return task.draw_inputs(draw)


@task.special("as many tokens as features, and square projections", share=0.25)
def _(draw: Draw) -> tuple[Array, ...]:
    d = draw.size("d", 2, 4)
    draw.sizes |= {"d_k": d, "d_v": d, "n": d}
    return task.draw_inputs(draw)


@task.special("a single token", share=0.25)
def _(draw: Draw) -> tuple[Array, ...]:
    draw.size("n", 1, 1)
    return task.draw_inputs(draw)


@task.special("queries and keys of size 1", share=0.25)
def _(draw: Draw) -> tuple[Array, ...]:
    draw.size("d_k", 1, 1)
    draw.size("n", 2, 6)
    return task.draw_inputs(draw)


@task.special("a token of zeros", share=0.25)
def _(draw: Draw) -> tuple[Array, ...]:
    draw.size("n", 2, 6)
    x, *projections = task.draw_inputs(draw)
    x[..., 0, :] = 0.0
    return x, *projections


@task.special("the same projection for queries and keys", share=0.25)
def _(draw: Draw) -> tuple[Array, ...]:
    draw.size("n", 2, 6)
    x, W_q, _, W_v = task.draw_inputs(draw)
    return x, W_q, W_q.clone(), W_v


@task.special("queries that are all zero", share=0.25)
def _(draw: Draw) -> tuple[Array, ...]:
    draw.size("n", 2, 6)
    x, W_q, W_k, W_v = task.draw_inputs(draw)
    return x, 0 * W_q, W_k, W_v


@task.special("a sequence that contains a token twice", share=0.25)
def _(draw: Draw) -> tuple[Array, ...]:
    draw.size("n", 3, 6)
    x, *projections = task.draw_inputs(draw)
    x[..., -1, :] = x[..., 0, :]
    return x, *projections


@task.special("large scores", share=0.25)
def _(draw: Draw) -> tuple[Array, ...]:
    draw.size("n", 2, 6)
    x, W_q, W_k, W_v = task.draw_inputs(draw)
    return x, 60 * W_q, 60 * W_k, W_v


@task.property("the weights of each token sum to one")
def _(_call: Any, _inputs: tuple[Array, ...], output: Array) -> str | None:
    worst = (output[1].double().sum(-1) - 1).abs().max().item()
    return None if worst <= 1e-3 else f"here a row is off by {worst:.3g}."


@task.property("sequences of a batch do not see each other")
def _(call: Any, inputs: tuple[Array, ...], output: Array) -> str | None:
    x, *projections = inputs
    if x.ndim < 3 or x.shape[0] < 2:
        return None
    other = torch.cat([x[:1], x[1:] + 1])
    moved = (call(other, *projections)[0][0].double() - output[0][0].double()).abs().max().item()
    return None if moved <= 1e-3 * (1 + output[0].abs().max().item()) else f"another one moved it by {moved:.3g}."


def _attend(x: Array, W_q: Array, W_k: Array, W_v: Array, *, scale: float | None = None) -> tuple[Array, Array]:
    """Self-attention, with another scale if one is given."""
    weights = torch.softmax(x @ W_q @ swap(x @ W_k) / (W_q.shape[-1] ** 0.5 if scale is None else scale), -1)
    return weights @ (x @ W_v), weights


for _name, _ask, _scale in (
    (
        "leaves out the scale",
        "What is the standard deviation of a dot product of d_k components?",
        lambda *_: 1.0,
    ),
    (
        "divides by d_k instead of its square root",
        "Is d_k the variance of the sum, or its standard deviation?",
        lambda _x, W_q, _W_v: float(W_q.shape[-1]),
    ),
    (
        "takes the scale from the tokens' size d",
        "Over how many terms does the dot product of a query and a key run: over d, or over d_k?",
        lambda x, _W_q, _W_v: x.shape[-1] ** 0.5,
    ),
    (
        "takes the scale from the values' size d_v",
        "Which vectors are multiplied in a score: queries with keys, or with values?",
        lambda _x, _W_q, W_v: W_v.shape[-1] ** 0.5,
    ),
    (
        "takes the scale from the number of tokens",
        "Does the variance of one dot product depend on how many tokens there are?",
        lambda x, _W_q, _W_v: x.shape[-2] ** 0.5,
    ),
    (
        "multiplies by √d_k instead of dividing",
        "Shall the scale make the scores of large d_k smaller, or larger?",
        lambda _x, W_q, _W_v: W_q.shape[-1] ** -0.5,
    ),
):

    @task.misconception(_name, ask=_ask)
    def _(x: Array, W_q: Array, W_k: Array, W_v: Array, scale: Any = _scale) -> tuple[Array, Array]:
        return _attend(x, W_q, W_k, W_v, scale=scale(x, W_q, W_v))


for _name, _ask, _exchange in (
    (
        "exchanges the roles of W_q and W_k",
        "Row i of the scores belongs to the token that asks. With which projection does it ask?",
        lambda W_q, W_k, W_v: (W_k, W_q, W_v),
    ),
    (
        "projects the keys with W_q",
        "If what I seek is what I advertise, whom does each token find first? Which argument is never used?",
        lambda W_q, _W_k, W_v: (W_q, W_q, W_v),
    ),
    (
        "projects the queries with W_k",
        "If what I seek is what I advertise, whom does each token find first? Which argument is never used?",
        lambda _W_q, W_k, W_v: (W_k, W_k, W_v),
    ),
    (
        "multiplies by the transposed projections, as nn.Linear stores them",
        "Which of x @ W and x @ W.T fits a W of shape (d, d_k)? Try d_k ≠ d.",
        lambda W_q, W_k, W_v: (W_q.T, W_k.T, W_v.T),
    ),
):

    @task.misconception(_name, ask=_ask)
    def _(x: Array, *projections: Array, exchange: Any = _exchange) -> tuple[Array, Array]:
        return _attend(x, *exchange(*projections))


def _alone(scores: Array) -> Array:
    """True where a token meets itself."""
    return torch.eye(scores.shape[-1], dtype=torch.bool)


def _shares(scores: Array, peak: Array) -> Array:
    """A softmax by hand that subtracts `peak`."""
    exp = torch.exp(scores - peak)
    return exp / exp.sum(-1, keepdim=True)


_SELF = (
    "hides each token from itself",
    "Σ_j runs over all tokens. Is j = i one of them, and what would a single token read?",
)
_CLIPS = "clips the scores before the softmax", "Which of two tokens wins whose scores were both cut down to the bound?"

for _name, _ask, _weigh in (
    (
        "normalises over the queries instead of the keys",
        "Whose weights must sum to one: those that one token gives, or those that one token receives?",
        lambda s: s.softmax(-2),
    ),
    (
        "normalises over the whole table of scores",
        "Each token has its own shares. What must its row sum to?",
        lambda s: s.flatten(-2).softmax(-1).reshape(s.shape),
    ),
    (*_SELF, lambda s: s.masked_fill(_alone(s), -torch.inf).softmax(-1)),
    (*_SELF, lambda s: (s.masked_fill(_alone(s), -torch.inf) if len(_alone(s)) > 1 else s).softmax(-1)),
    (*_SELF, lambda s: (s + torch.full_like(s[..., 0], -torch.inf).diag_embed()).softmax(-1)),
    (
        "hides later tokens (a causal mask)",
        "Does the task say that a token may only look back? Encoders look both ways.",
        lambda s: s.masked_fill(torch.ones_like(s, dtype=torch.bool).triu(1), -torch.inf).softmax(-1),
    ),
    (
        "applies softmax twice",
        "What does softmax do to numbers that all lie between 0 and 1?",
        lambda s: s.softmax(-1).softmax(-1),
    ),
    (
        "exponentiates without subtracting the maximum",
        "What is exp(1000) in float64, and what is inf / inf?",
        lambda s: _shares(s, torch.zeros_like(s)),
    ),
    (
        "subtracts the maximum of all scores, so that rows that score low underflow",
        "Softmax is not changed by a number subtracted from a whole row. Which maximum belongs to which row?",
        lambda s: _shares(s, s.max()),
    ),
    (
        "reads the best token only (argmax) instead of mixing all",
        "Which function lets a gradient reach every score?",
        lambda s: torch.nn.functional.one_hot(s.argmax(-1), s.shape[-1]).to(s.dtype),
    ),
    (
        "makes the scores symmetric: it averages the table with its transpose",
        "May token i care for token j more than j cares for i?",
        lambda s: ((s + swap(s)) / 2).softmax(-1),
    ),
    (
        "detaches the weights, so that W_q and W_k never learn",
        "Through which factor must the loss reach W_q and W_k?",
        lambda s: s.softmax(-1).detach(),
    ),
    *((*_CLIPS, lambda s, bound=bound: s.clamp(-bound, bound).softmax(-1)) for bound in (5.0, 10.0, 20.0, 50.0)),
):

    @task.misconception(_name, ask=_ask)
    def _(x: Array, W_q: Array, W_k: Array, W_v: Array, weigh: Any = _weigh) -> tuple[Array, Array]:
        weights = weigh(scaled_scores(x, W_q, W_k, W_v))
        return weights @ (x @ W_v), weights


_ROLE = "Which of the three projections says what a token hands over?"
_RESIDUAL = (
    "adds the token to its output (the residual connection comes later)",
    "Where in the formula does x itself stand, unprojected?",
)

for _name, _ask, _finish in (
    ("mixes the keys instead of the values", _ROLE, lambda _out, w, x, _W_q, W_k, _W_v: (w @ (x @ W_k), w)),
    (
        "mixes the tokens themselves instead of their values",
        "What is summed: the tokens, or their projections by W_v? Which argument is never used?",
        lambda _out, w, x, *_: (w @ x, w),
    ),
    (
        "uses the transposed weights for the output: what a token receives instead of what it gives",
        "Row i of the weights belongs to token i, who asks. Which axis must meet the values?",
        lambda _out, w, x, _W_q, _W_k, W_v: (swap(w) @ (x @ W_v), w),
    ),
    (
        "returns the scores instead of the weights",
        "What must the second output's rows sum to?",
        lambda o, _w, *r: (o, scaled_scores(*r)),
    ),
    (
        "returns the transposed weights",
        "Row i of the weights belongs to token i, who asks. Do your rows sum to one?",
        lambda out, w, *_: (out, swap(w)),
    ),
    (
        "returns the weights first and the output second",
        "In which order does the task ask for them?",
        lambda out, w, *_: (w, out),
    ),
    ("returns the output without the weights", "How many results does the task ask for?", lambda out, *_: out),
    (*_RESIDUAL, lambda out, w, x, *_: (out + x if out.shape == x.shape else out + x.mean(-1, keepdim=True), w)),
    (*_RESIDUAL, lambda out, w, x, *_: (out + x if out.shape == x.shape else out, w)),
    (
        "averages the weighted values instead of summing them",
        "The weights already sum to one. What does dividing by n once more do?",
        lambda out, w, x, *_: (out / x.shape[-2], w),
    ),
    (
        "mixes with detached weights, so that the output does not teach W_q and W_k",
        "The weights that you return learn. Do those that you mix with?",
        lambda _out, w, x, _W_q, _W_k, W_v: (w.detach() @ (x @ W_v), w),
    ),
    (
        "returns detached weights",
        "Somebody may want a loss on the weights. Where do yours leave the graph?",
        lambda out, w, *_: (out, w.detach()),
    ),
):

    @task.misconception(_name, ask=_ask)
    def _(*inputs: Array, finish: Any = _finish) -> Any:
        return finish(*_attend(*inputs), *inputs)


_CUT = "x is used three times. May any of its three gradients be cut off?"

for _name, _ask, _ways in (
    ("detaches the tokens on their way to the queries", _CUT, (0,)),
    ("detaches the tokens on their way to the keys", _CUT, (1,)),
    ("detaches the tokens on their way to the values", _CUT, (2,)),
    (
        "detaches the tokens in the scores, so that x gets its gradient from the values only",
        "x moves the scores too. Where does it leave the graph?",
        (0, 1),
    ),
):

    @task.misconception(_name, ask=_ask)
    def _(x: Array, W_q: Array, W_k: Array, W_v: Array, ways: tuple[int, ...] = _ways) -> tuple[Array, Array]:
        asking, found, read = (x.detach() if way in ways else x for way in range(3))
        weights = torch.softmax(asking @ W_q @ swap(found @ W_k) / W_q.shape[-1] ** 0.5, -1)
        return weights @ (read @ W_v), weights


@task.misconception(
    "compares the raw tokens, without projections",
    ask="What do W_q and W_k do in the formula? Can a fixed similarity learn?",
)
def _(x: Array, W_q: Array, W_k: Array, W_v: Array) -> tuple[Array, Array]:  # noqa: ARG001 - ignoring W_k is the mistake
    weights = torch.softmax(x @ swap(x) / W_q.shape[-1] ** 0.5, -1)
    return weights @ (x @ W_v), weights


@task.misconception(
    "transposes with fixed axis numbers, which fits three axes only",
    ask="Which axes must be exchanged when there are two, or four?",
)
def _(x: Array, W_q: Array, W_k: Array, W_v: Array) -> tuple[Array, Array]:
    weights = torch.softmax(x @ W_q @ (x @ W_k).transpose(1, 2) / W_q.shape[-1] ** 0.5, -1)
    return weights @ (x @ W_v), weights


@task.misconception(
    "lets all sequences of a batch attend to each other",
    ask="Which axes does your reshape melt together? May one sentence read another?",
)
def _(x: Array, W_q: Array, W_k: Array, W_v: Array) -> tuple[Array, Array]:
    n, flat = x.shape[-2], x.reshape(-1, x.shape[-1])
    out, weights = _attend(flat, W_q, W_k, W_v)
    diagonal = weights.unflatten(0, (-1, n)).unflatten(-1, (-1, n))
    own = torch.stack([diagonal[i, :, i] for i in range(diagonal.shape[0])])
    return out.reshape(*x.shape[:-1], -1), own.reshape(*x.shape[:-1], n)


for _name, _ask, _both in (
    (
        "applies the scale to the output instead of the scores",
        "What shall the scale keep small: scores, or values?",
        False,
    ),
    ("applies the scale to the weights, after the softmax", "What do your rows sum to? When must the scale act?", True),
):

    @task.misconception(_name, ask=_ask)
    def _(x: Array, W_q: Array, W_k: Array, W_v: Array, both: bool = _both) -> tuple[Array, Array]:
        out, weights = _attend(x, W_q, W_k, W_v, scale=1.0)
        root = W_q.shape[-1] ** 0.5
        return out / root, weights / root if both else weights


for _name, _ask, _function in MISTAKES:
    task.misconception(_name, ask=_ask)(_function)

squeezes(task)
