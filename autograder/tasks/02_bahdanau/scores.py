"""bahdanau.scores: Additive scores of one decoder state with every annotation."""

from __future__ import annotations

import torch

from attn_core.seq2seq.bahdanau import additive_scores
from autograder.checking.draw import Draw
from autograder.checking.task import Task
from autograder.tasks.mistakes import Array

task = Task(
    "bahdanau.scores",
    reference=additive_scores,
    kind="torch",
    lecture="02_bahdanau#the-score",
    hints=(
        "Two projections, one sum, one tanh, one dot product with v_a. Write down the shape after each.",
        "W_a s is one vector per sentence, U_a h_j one per position. On which axis must the first be repeated so that they can be added?",
        "`(s @ W_a.T)[:, None, :] + H @ U_a.T` has shape (B, n, d_a); then tanh, then `@ v_a`.",
    ),
)


def inputs(draw: Draw, d_a: str = "d_a") -> tuple[Array, ...]:
    """State, annotations and the three parameters of the score."""
    draw.size("B", 1, 4)
    s, H = draw.array("B", "d_s", mean=0.3), draw.array("B", "n", "d_h", mean=0.3)
    return s, H, draw.array(d_a, "d_s", fixed=True), draw.array(d_a, "d_h", fixed=True), draw.array(d_a)


@task.inputs
def _(draw: Draw) -> tuple[Array, ...]:
    return inputs(draw)


@task.special("small hidden units, where tanh is nearly straight", share=0.2)
def _(draw: Draw) -> tuple[Array, ...]:
    s, H, *parameters = inputs(draw)
    return s * 0.1, H * 0.1, *parameters


@task.special("a state of zeros", share=0.2)
def _(draw: Draw) -> tuple[Array, ...]:
    s, *rest = inputs(draw)
    return s * 0, *rest


@task.special("one annotation", share=0.2)
def _(draw: Draw) -> tuple[Array, ...]:
    draw.size("n", 1, 1)
    draw.size("B", 2, 4)
    return inputs(draw)


@task.special("one hidden unit", share=0.2)
def _(draw: Draw) -> tuple[Array, ...]:
    draw.size("d_a", 1, 1)
    return inputs(draw)


@task.special("24 hidden units or more", share=0.2)
def _(draw: Draw) -> tuple[Array, ...]:
    draw.size("d_a", 24, 40)
    return inputs(draw)


@task.special("scores of a million and more", share=0.2)
def _(draw: Draw) -> tuple[Array, ...]:
    *rest, v_a = inputs(draw)
    return *rest, v_a.sign() * (v_a.abs() + 1) * 1e8


def hidden(s: Array, H: Array, W_a: Array, U_a: Array) -> Array:
    """What stands inside the tanh, (B, n, d_a)."""
    return (s @ W_a.T)[:, None, :] + H @ U_a.T


@task.misconception(
    "multiplies by W_a and U_a untransposed",
    ask="W_a is (d_a, d_s) and s is a row of d_s numbers. Which axis of W_a must s meet?",
)
def _(s: Array, H: Array, W_a: Array, U_a: Array, v_a: Array) -> Array:
    return torch.tanh((s @ W_a)[:, None, :] + H @ U_a) @ v_a


@task.misconception(
    "multiplies by W_a untransposed",
    ask="W_a is (d_a, d_s) and s is a row of d_s numbers. Which axis of W_a must s meet?",
)
def _(s: Array, H: Array, W_a: Array, U_a: Array, v_a: Array) -> Array:
    return torch.tanh((s @ W_a)[:, None, :] + H @ U_a.T) @ v_a


@task.misconception(
    "multiplies by U_a untransposed",
    ask="U_a is (d_a, d_h) and each row of H has d_h numbers. Which axis of U_a must it meet?",
)
def _(s: Array, H: Array, W_a: Array, U_a: Array, v_a: Array) -> Array:
    return torch.tanh((s @ W_a.T)[:, None, :] + H @ U_a) @ v_a


@task.misconception("clamps the scores", ask="What bounds |e_ij|: a constant of yours, or Σ_k |v_k|?")
def _(s: Array, H: Array, W_a: Array, U_a: Array, v_a: Array) -> Array:
    return additive_scores(s, H, W_a, U_a, v_a).clamp(-1e4, 1e4)


@task.misconception("leaves out the tanh", ask="Without tanh, does the state still change which annotation wins?")
def _(s: Array, H: Array, W_a: Array, U_a: Array, v_a: Array) -> Array:
    return hidden(s, H, W_a, U_a) @ v_a


@task.misconception(
    "takes the tanh of the finished score instead of the hidden units",
    ask="Which vector does v_a weigh: the hidden units before tanh, or after?",
)
def _(s: Array, H: Array, W_a: Array, U_a: Array, v_a: Array) -> Array:
    return torch.tanh(hidden(s, H, W_a, U_a) @ v_a)


@task.misconception(
    "takes tanh of each projection and then adds", ask="Is it the sum that goes through tanh, or each summand?"
)
def _(s: Array, H: Array, W_a: Array, U_a: Array, v_a: Array) -> Array:
    return (torch.tanh(s @ W_a.T)[:, None, :] + torch.tanh(H @ U_a.T)) @ v_a


@task.misconception("multiplies the two projections instead of adding them", ask="Why is this score called additive?")
def _(s: Array, H: Array, W_a: Array, U_a: Array, v_a: Array) -> Array:
    return torch.tanh((s @ W_a.T)[:, None, :] * (H @ U_a.T)) @ v_a


@task.misconception("forgets the state: only U_a h_j is scored", ask="Would every decoder step read the same then?")
def _(_s: Array, H: Array, _W_a: Array, U_a: Array, v_a: Array) -> Array:
    return torch.tanh(H @ U_a.T) @ v_a


@task.misconception(
    "forgets the annotations: only W_a s is scored", ask="How can one position score higher than another?"
)
def _(s: Array, H: Array, W_a: Array, _U_a: Array, v_a: Array) -> Array:
    return (torch.tanh(s @ W_a.T) @ v_a)[:, None].expand(-1, H.shape[1])


@task.misconception("sums the hidden units and leaves out v_a", ask="What turns d_a hidden units into one number?")
def _(s: Array, H: Array, W_a: Array, U_a: Array, _v_a: Array) -> Array:
    return torch.tanh(hidden(s, H, W_a, U_a)).sum(-1)


@task.misconception("averages over the hidden units instead of summing", ask="Is vᵀx a sum or a mean?")
def _(s: Array, H: Array, W_a: Array, U_a: Array, v_a: Array) -> Array:
    return (torch.tanh(hidden(s, H, W_a, U_a)) * v_a).mean(-1)


@task.misconception(
    "divides by √d_a, which belongs to dot products", ask="Where in the additive score would a root come from?"
)
def _(s: Array, H: Array, W_a: Array, U_a: Array, v_a: Array) -> Array:
    return torch.tanh(hidden(s, H, W_a, U_a)) @ v_a / v_a.shape[0] ** 0.5


@task.misconception("applies softmax, which is the next step", ask="Does the task ask for scores or for weights?")
def _(s: Array, H: Array, W_a: Array, U_a: Array, v_a: Array) -> Array:
    return torch.softmax(torch.tanh(hidden(s, H, W_a, U_a)) @ v_a, -1)


@task.misconception(
    "uses the logistic function instead of tanh", ask="Which squashing function has values on both sides of 0?"
)
def _(s: Array, H: Array, W_a: Array, U_a: Array, v_a: Array) -> Array:
    return torch.sigmoid(hidden(s, H, W_a, U_a)) @ v_a


@task.misconception("uses ReLU instead of tanh", ask="Which function does the formula name, and what bounds it?")
def _(s: Array, H: Array, W_a: Array, U_a: Array, v_a: Array) -> Array:
    return torch.relu(hidden(s, H, W_a, U_a)) @ v_a


@task.misconception("subtracts the two projections", ask="Which sign stands between W_a s and U_a h_j?")
def _(s: Array, H: Array, W_a: Array, U_a: Array, v_a: Array) -> Array:
    return torch.tanh((s @ W_a.T)[:, None, :] - H @ U_a.T) @ v_a


@task.misconception(
    "scores every annotation with the state of the first sentence",
    ask="Which axis of W_a s tells the sentences apart?",
)
def _(s: Array, H: Array, W_a: Array, U_a: Array, v_a: Array) -> Array:
    return torch.tanh(s[:1] @ W_a.T + H @ U_a.T) @ v_a


@task.misconception(
    "detaches the state from the graph", ask="How shall the decoder learn to ask, if no gradient reaches s?"
)
def _(s: Array, H: Array, W_a: Array, U_a: Array, v_a: Array) -> Array:
    return additive_scores(s.detach(), H, W_a, U_a, v_a)


@task.misconception(
    "detaches the projected annotations: a cache may be reused, but must stay in the graph",
    ask="Which of the learned matrices gets no gradient when U_a h_j is detached?",
)
def _(s: Array, H: Array, W_a: Array, U_a: Array, v_a: Array) -> Array:
    return torch.tanh((s @ W_a.T)[:, None, :] + (H @ U_a.T).detach()) @ v_a


@task.misconception(
    "matches sentence b with position b: the state lands on the position axis",
    ask="After W_a s has shape (B, d_a), which axis must be inserted, and where?",
)
def _(s: Array, H: Array, W_a: Array, U_a: Array, v_a: Array) -> Array:
    return torch.tanh(s @ W_a.T + H @ U_a.T) @ v_a


@task.misconception(
    "keeps the axis that v_a has summed over", ask="Which shape must the scores have, and how many axes has yours?"
)
def _(s: Array, H: Array, W_a: Array, U_a: Array, v_a: Array) -> Array:
    return torch.tanh(hidden(s, H, W_a, U_a)) @ v_a[:, None]


@task.misconception(
    "squeezes every axis of size 1, the batch or the positions too",
    ask="What does squeeze() without an axis do to a batch of one sentence?",
)
def _(s: Array, H: Array, W_a: Array, U_a: Array, v_a: Array) -> Array:
    return (torch.tanh(hidden(s, H, W_a, U_a)) @ v_a).squeeze()
