"""luong.score: Dot, general and concat in one function."""

from __future__ import annotations

from typing import Any

import torch

from attn_core.seq2seq.luong import luong_score
from autograder.checking.draw import Draw
from autograder.checking.task import Task
from autograder.tasks.mistakes import Array

task = Task(
    "luong.score",
    reference=luong_score,
    kind="torch",
    lecture="03_luong#three-scores-and-a-fourth",
    hints=(
        "Write the shape of every factor below the formula. Each kind ends in one number per source position: (B, n).",
        "dot is general with W = 1, so one line serves both once h has become h W. For concat, which columns of W meet h, "
        "and which meet h_s? And which check comes first: the kind's name, or what it needs?",
        "general: `(H @ (h @ W)[:, :, None])[:, :, 0]`. concat: `torch.tanh((h @ W[:, :d_t].T)[:, None] + H @ W[:, d_t:].T) @ v`. "
        'An unknown kind: `raise ValueError(f"unknown kind {kind!r}")`; W or v None where it is needed: the same, naming it.',
    ),
)


def _arguments(draw: Draw, kind: str) -> tuple[Any, ...]:
    h, H = draw.array("B", "d_t"), draw.array("B", "n", "d_t" if kind == "dot" else "d_s", mean=0.2)
    if kind == "dot":
        return kind, h, H
    if kind == "general":
        return kind, h, H, draw.array("d_t", "d_s", fixed=True)
    W = draw.array("d_a", draw.size("d_t") + draw.size("d_s"), fixed=True)
    return kind, h, H, W, draw.array("d_a", fixed=True)


@task.inputs
def _(draw: Draw) -> tuple[Any, ...]:
    return _arguments(draw, draw.choice(["dot", "general", "concat", "concat"]))


@task.special("concat with d_t = d_s", share=0.5)
def _(draw: Draw) -> tuple[Any, ...]:
    size = draw.size("d_t", 2, 5)
    H, W = draw.array("B", "n", size, mean=0.2), draw.array("d_a", 2 * size, fixed=True)
    return "concat", draw.array("B", "d_t"), H, W, draw.array("d_a", fixed=True)


@task.special("general with d_t = d_s", share=0.5)
def _(draw: Draw) -> tuple[Any, ...]:
    size = draw.size("d_t", 2, 5)
    return "general", draw.array("B", "d_t"), draw.array("B", "n", size), draw.array(size, size, fixed=True)


@task.special("v but no W given although the kind is dot", share=0.3)
def _(draw: Draw) -> tuple[Any, ...]:
    return *_arguments(draw, "dot"), None, draw.array("d_t")


@task.special("W and v given although the kind is dot", share=0.3)
def _(draw: Draw) -> tuple[Any, ...]:
    return *_arguments(draw, "dot"), draw.array("d_t", "d_t"), draw.array("d_t")


@task.special("v given although the kind is general", share=0.3)
def _(draw: Draw) -> tuple[Any, ...]:
    return *_arguments(draw, "general"), draw.array("d_s")


@task.error("A kind that does not exist", ValueError, naming="location")
def _(draw: Draw) -> tuple[Any, ...]:
    return "location", *_arguments(draw, "concat")[1:]


@task.error("A kind that does not exist, without W and v", ValueError, naming="cosine")
def _(draw: Draw) -> tuple[Any, ...]:
    return "cosine", *_arguments(draw, "dot")[1:]


@task.error("A kind in capitals", ValueError, naming="DOT")
def _(draw: Draw) -> tuple[Any, ...]:
    return "DOT", *_arguments(draw, "dot")[1:]


@task.error("A kind that only begins like another", ValueError, naming="dots")
def _(draw: Draw) -> tuple[Any, ...]:
    return "dots", *_arguments(draw, "dot")[1:]


@task.error("A part of a kind's name", ValueError, naming="gen")
def _(draw: Draw) -> tuple[Any, ...]:
    return "gen", *_arguments(draw, "general")[1:]


@task.error("An empty kind", ValueError, naming="")
def _(draw: Draw) -> tuple[Any, ...]:
    return "", *_arguments(draw, "dot")[1:]


@task.error("concat without W and v", ValueError, naming="W")
def _(draw: Draw) -> tuple[Any, ...]:
    return "concat", *_arguments(draw, "concat")[1:3]


@task.error("general without W", ValueError, naming="W")
def _(draw: Draw) -> tuple[Any, ...]:
    return "general", *_arguments(draw, "dot")[1:]


@task.error("concat without W", ValueError, naming="W")
def _(draw: Draw) -> tuple[Any, ...]:
    return "concat", *_arguments(draw, "dot")[1:], None, draw.array("d_a")


@task.error("concat without v", ValueError, naming="v")
def _(draw: Draw) -> tuple[Any, ...]:
    return _arguments(draw, "concat")[:4]


def _checked(kind: str, W: Array, v: Array) -> None:
    """What every answer below has right: the errors."""
    if kind not in ("dot", "general", "concat"):
        raise ValueError(f"unknown kind {kind!r}")
    if kind != "dot" and W is None:
        raise ValueError("W is missing")
    if kind == "concat" and v is None:
        raise ValueError("v is missing")


def _times(H: Array, query: Array) -> Array:
    return (H @ query[:, :, None])[:, :, 0]


def _both(h: Array, H: Array) -> Array:
    return torch.cat([h[:, None, :].expand(-1, H.shape[1], -1), H], -1)


@task.misconception(
    "uses the transpose of W in the general score", ask="Which axis of W has the size of h, and which that of h_s?"
)
def _(kind: str, h: Array, H: Array, W: Array = None, v: Array = None) -> Array:
    _checked(kind, W, v)
    return _times(H, h @ W.T) if kind == "general" else luong_score(kind, h, H, W, v)


@task.misconception(
    "takes the columns of W for [h_s ; h] instead of [h ; h_s]",
    ask="Which of the two states stands first in the concatenation?",
)
def _(kind: str, h: Array, H: Array, W: Array = None, v: Array = None) -> Array:
    _checked(kind, W, v)
    if kind != "concat":
        return luong_score(kind, h, H, W, v)
    return torch.tanh(torch.cat([H, h[:, None, :].expand(-1, H.shape[1], -1)], -1) @ W.T) @ v


@task.misconception(
    "joins h with H without repeating h at every position",
    ask="Which shapes have h[:, None] and H? What must agree before two arrays can be joined on the last axis?",
)
def _(kind: str, h: Array, H: Array, W: Array = None, v: Array = None) -> Array:
    _checked(kind, W, v)
    if kind != "concat":
        return luong_score(kind, h, H, W, v)
    return torch.tanh(torch.cat([h[:, None], H], -1) @ W.T) @ v


@task.misconception(
    "multiplies by the W of concat without transposing it", ask="Which axis of W has d_t + d_s entries?"
)
def _(kind: str, h: Array, H: Array, W: Array = None, v: Array = None) -> Array:
    _checked(kind, W, v)
    return torch.tanh(_both(h, H) @ W) @ v if kind == "concat" else luong_score(kind, h, H, W, v)


@task.misconception(
    "makes W symmetric in the general score",
    ask="Is hᵀ W h_s the same as h_sᵀ W h?",
)
def _(kind: str, h: Array, H: Array, W: Array = None, v: Array = None) -> Array:
    _checked(kind, W, v)
    if kind != "general" or W.shape[0] != W.shape[1]:
        return luong_score(kind, h, H, W, v)
    return luong_score(kind, h, H, (W + W.T) / 2, v)


@task.misconception(
    "splits W in the middle", ask="Are h and h_s always of the same size? How many columns of W meet h?"
)
def _(kind: str, h: Array, H: Array, W: Array = None, v: Array = None) -> Array:
    _checked(kind, W, v)
    if kind != "concat":
        return luong_score(kind, h, H, W, v)
    W_h, W_s = W.chunk(2, dim=1)
    return torch.tanh((h @ W_h.T)[:, None] + H @ W_s.T) @ v


@task.misconception(
    "leaves out the tanh of concat", ask="Without the tanh, does the part that comes from h still change the weights?"
)
def _(kind: str, h: Array, H: Array, W: Array = None, v: Array = None) -> Array:
    _checked(kind, W, v)
    return _both(h, H) @ W.T @ v if kind == "concat" else luong_score(kind, h, H, W, v)


@task.misconception(
    "applies tanh to the finished score of concat", ask="In vᵀ tanh(…), what does the tanh act on: vectors or numbers?"
)
def _(kind: str, h: Array, H: Array, W: Array = None, v: Array = None) -> Array:
    _checked(kind, W, v)
    return torch.tanh(_both(h, H) @ W.T @ v) if kind == "concat" else luong_score(kind, h, H, W, v)


@task.misconception(
    "takes tanh of the two parts of concat separately, and adds then",
    ask="Is tanh(a) + tanh(b) the same as tanh(a + b)?",
)
def _(kind: str, h: Array, H: Array, W: Array = None, v: Array = None) -> Array:
    _checked(kind, W, v)
    if kind != "concat":
        return luong_score(kind, h, H, W, v)
    d = h.shape[1]
    return (torch.tanh(h @ W[:, :d].T)[:, None] + torch.tanh(H @ W[:, d:].T)) @ v


@task.misconception(
    "uses a rectifier instead of tanh in concat", ask="Which non-linearity does the formula name, and what bounds it?"
)
def _(kind: str, h: Array, H: Array, W: Array = None, v: Array = None) -> Array:
    _checked(kind, W, v)
    return (_both(h, H) @ W.T).relu() @ v if kind == "concat" else luong_score(kind, h, H, W, v)


@task.misconception(
    "leaves out v and sums the hidden units of concat", ask="What gives each hidden unit its say in the score?"
)
def _(kind: str, h: Array, H: Array, W: Array = None, v: Array = None) -> Array:
    _checked(kind, W, v)
    return torch.tanh(_both(h, H) @ W.T).sum(-1) if kind == "concat" else luong_score(kind, h, H, W, v)


@task.misconception("leaves out W in the general score", ask="What is the difference between dot and general?")
def _(kind: str, h: Array, H: Array, W: Array = None, v: Array = None) -> Array:
    _checked(kind, W, v)
    return _times(H, h) if kind == "general" else luong_score(kind, h, H, W, v)


@task.misconception(
    "uses W whenever it is given, whatever the kind", ask="Which argument says which formula is asked for?"
)
def _(kind: str, h: Array, H: Array, W: Array = None, v: Array = None) -> Array:
    _checked(kind, W, v)
    return luong_score("general" if kind == "dot" and W is not None else kind, h, H, W, v)


@task.misconception("refuses a W or v that the kind does not need", ask="What should happen to a W that dot ignores?")
def _(kind: str, h: Array, H: Array, W: Array = None, v: Array = None) -> Array:
    _checked(kind, W, v)
    if (kind == "dot" and W is not None) or (kind != "concat" and v is not None):
        raise ValueError(f"{kind} takes no such argument: {'W' if kind == 'dot' else 'v'}")
    return luong_score(kind, h, H, W, v)


@task.misconception("divides the dot products by √d", ask="Is the scale part of these scores, or a later invention?")
def _(kind: str, h: Array, H: Array, W: Array = None, v: Array = None) -> Array:
    _checked(kind, W, v)
    scores = luong_score(kind, h, H, W, v)
    return scores if kind == "concat" else scores / H.shape[-1] ** 0.5


@task.misconception("applies softmax, which is the next step", ask="Does the task ask for scores or for weights?")
def _(kind: str, h: Array, H: Array, W: Array = None, v: Array = None) -> Array:
    _checked(kind, W, v)
    return luong_score(kind, h, H, W, v).softmax(-1)


@task.misconception("applies tanh to every score", ask="Which of the three kinds has a tanh in its formula?")
def _(kind: str, h: Array, H: Array, W: Array = None, v: Array = None) -> Array:
    _checked(kind, W, v)
    scores = luong_score(kind, h, H, W, v)
    return scores if kind == "concat" else scores.tanh()


@task.misconception(
    "normalises both states to length 1 (cosine similarity)", ask="Does the formula divide by the lengths of h and h_s?"
)
def _(kind: str, h: Array, H: Array, W: Array = None, v: Array = None) -> Array:
    _checked(kind, W, v)
    if kind != "dot":
        return luong_score(kind, h, H, W, v)
    return _times(H / H.norm(dim=-1, keepdim=True), h / h.norm(dim=-1, keepdim=True))


@task.misconception(
    "multiplies entry by entry without summing", ask="How many numbers does one source position get as its score?"
)
def _(kind: str, h: Array, H: Array, W: Array = None, v: Array = None) -> Array:
    _checked(kind, W, v)
    if kind == "concat":
        return torch.tanh(_both(h, H) @ W.T) * v
    return H * (h if kind == "dot" else h @ W)[:, None, :]


@task.misconception(
    "detaches the source states, so that the encoder never learns from the scores",
    ask="Along which paths must the gradient flow?",
)
def _(kind: str, h: Array, H: Array, W: Array = None, v: Array = None) -> Array:
    _checked(kind, W, v)
    return luong_score(kind, h, H.detach(), W, v)
