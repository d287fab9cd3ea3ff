"""qkv.score_form: The score of two tokens as a bilinear form."""

from __future__ import annotations

from typing import Any

import torch

from attn_core.self_attention import score_form
from autograder.checking.draw import Draw
from autograder.checking.task import Task
from autograder.tasks.mistakes import Array, squeezes

task = Task(
    "qkv.score_form",
    reference=score_form,
    kind="torch",
    lecture="05_qkv#the-score-is-a-bilinear-form",
    hints=(
        "Write out q_i · k_j with q_i = x_i W_q and k_j = x_j W_k, both as rows. What stands between x_i and x_j?",
        "A dot product of two rows is the first times the second transposed, and (x W)ᵀ turns the order round. What shape has the "
        "matrix in the middle?",
        "q_i k_jᵀ = x_i W_q (x_j W_k)ᵀ = x_i (W_q W_kᵀ) x_jᵀ: `W_q @ W_k.T`, of shape (d, d). No scale.",
    ),
)


@task.inputs
def _(draw: Draw) -> tuple[Array, ...]:
    return draw.array("d", "d_k", mean=0.3), draw.array("d", "d_k", mean=-0.2)


@task.special("as many features in a query as in a token", share=0.25)
def _(draw: Draw) -> tuple[Array, ...]:
    draw.sizes["d_k"] = draw.size("d", 2, 6)
    return task.draw_inputs(draw)


@task.special("queries and keys of size 1", share=0.25)
def _(draw: Draw) -> tuple[Array, ...]:
    draw.size("d", 2, 6)
    draw.size("d_k", 1, 1)
    return task.draw_inputs(draw)


@task.special("more features in a query than in a token", share=0.25)
def _(draw: Draw) -> tuple[Array, ...]:
    draw.size("d", 1, 3)
    draw.size("d_k", 4, 9)
    return task.draw_inputs(draw)


@task.special("the same projection for queries and keys", share=0.25)
def _(draw: Draw) -> tuple[Array, ...]:
    draw.size("d", 2, 6)
    W_q, _ = task.draw_inputs(draw)
    return W_q, W_q.clone()


@task.special("a projection that is zero", share=0.25)
def _(draw: Draw) -> tuple[Array, ...]:
    W_q, W_k = task.draw_inputs(draw)
    return (0 * W_q, W_k) if draw.flag() else (W_q, 0 * W_k)


@task.special("columns that are orthogonal", share=0.25)
def _(draw: Draw) -> tuple[Array, ...]:
    d = draw.size("d", 2, 6)
    draw.sizes["d_k"] = d
    W_q, W_k = task.draw_inputs(draw)
    return torch.linalg.qr(W_q.double()).Q.to(W_q.dtype), W_k


@task.property("the score of two tokens is x_i M x_jᵀ")
def _(_call: Any, inputs: tuple[Array, ...], output: Array) -> str | None:
    W_q, W_k = (matrix.double() for matrix in inputs)
    x_i = torch.arange(1.0, len(W_q) + 1, dtype=torch.float64)
    x_j = x_i.flip(0) - 0.5
    wanted, got = (x_i @ W_q) @ (x_j @ W_k), x_i @ output.double() @ x_j
    size = (x_i.abs() @ W_q.abs()) @ (x_j.abs() @ W_k.abs())
    return None if abs(got - wanted) <= 1e-3 * size else f"here it is {wanted:.4g}, but x_i M x_jᵀ is {got:.4g}."


@task.misconception(
    "gives the transpose, W_k W_qᵀ: the score of x_j asking x_i",
    ask="In x_i M x_jᵀ the asking token stands on the left. Which projection must it meet first?",
)
def _(W_q: Array, W_k: Array) -> Array:
    return W_k @ W_q.T


@task.misconception(
    "multiplies the wrong axes, W_qᵀ W_k: that is a (d_k, d_k) matrix",
    ask="Over which of its letters must the sum run, d or d_k? The form takes two tokens: what size has a token?",
)
def _(W_q: Array, W_k: Array) -> Array:
    return W_q.T @ W_k


@task.misconception(
    "multiplies the wrong axes, W_qᵀ W_k: that is a (d_k, d_k) matrix",
    ask="Over which of its letters must the sum run, d or d_k? The form takes two tokens: what size has a token?",
)
def _(W_q: Array, W_k: Array) -> Array:
    return W_k.T @ W_q


@task.misconception("divides by √d_k", ask="The task asks for the form before scaling. Is the scale part of M here?")
def _(W_q: Array, W_k: Array) -> Array:
    return W_q @ W_k.T / W_q.shape[-1] ** 0.5


@task.misconception("divides by √d", ask="The task asks for the form before scaling. Is any scale part of M here?")
def _(W_q: Array, W_k: Array) -> Array:
    return W_q @ W_k.T / W_q.shape[0] ** 0.5


@task.misconception("divides by d_k", ask="Is the dot product over d_k features a sum, or a mean?")
def _(W_q: Array, W_k: Array) -> Array:
    return W_q @ W_k.T / W_q.shape[-1]


@task.misconception(
    "uses W_q for both sides", ask="Which argument does your result not depend on? What would it mean for the scores?"
)
def _(W_q: Array, W_k: Array) -> Array:  # noqa: ARG001 - ignoring W_k is the mistake
    return W_q @ W_q.T


@task.misconception(
    "uses W_k for both sides", ask="Which argument does your result not depend on? What would it mean for the scores?"
)
def _(W_q: Array, W_k: Array) -> Array:  # noqa: ARG001 - ignoring W_q is the mistake
    return W_k @ W_k.T


@task.misconception(
    "makes the form symmetric", ask="May token i care for token j more than j cares for i? What would M = Mᵀ say?"
)
def _(W_q: Array, W_k: Array) -> Array:
    form = W_q @ W_k.T
    return (form + form.T) / 2


@task.misconception(
    "adds the form to its transpose", ask="May token i care for token j more than j cares for i? What would M = Mᵀ say?"
)
def _(W_q: Array, W_k: Array) -> Array:
    form = W_q @ W_k.T
    return form + form.T


@task.misconception("keeps the antisymmetric part only", ask="What is the score of a token with itself under M − Mᵀ?")
def _(W_q: Array, W_k: Array) -> Array:
    form = W_q @ W_k.T
    return form - form.T


@task.misconception(
    "multiplies entry by entry instead of row by row", ask="What shape must M have, and which product gives it?"
)
def _(W_q: Array, W_k: Array) -> Array:
    return W_q * W_k


@task.misconception(
    "keeps the diagonal only: the score of each feature with itself",
    ask="M_ab says how feature a of the asking token meets feature b of the other. Is b always a?",
)
def _(W_q: Array, W_k: Array) -> Array:
    return torch.diag((W_q * W_k).sum(-1))


@task.misconception(
    "multiplies without transposing, which needs d = d_k",
    ask="Which shapes does W_q @ W_k need? What are they here?",
)
def _(W_q: Array, W_k: Array) -> Array:
    return W_q @ W_k


@task.misconception(
    "compares by the cosine: it divides the rows by their lengths", ask="Does the dot product divide by lengths?"
)
def _(W_q: Array, W_k: Array) -> Array:
    norm = torch.nn.functional.normalize
    return norm(W_q, dim=-1) @ norm(W_k, dim=-1).T


@task.misconception(
    "compares by the cosine: it divides the rows by their lengths", ask="Does the dot product divide by lengths?"
)
def _(W_q: Array, W_k: Array) -> Array:
    return torch.nn.functional.cosine_similarity(W_q[:, None], W_k[None], dim=-1)


@task.misconception(
    "applies softmax", ask="The form belongs to the score, which comes before the shares. What may a score be?"
)
def _(W_q: Array, W_k: Array) -> Array:
    return torch.softmax(W_q @ W_k.T, -1)


@task.misconception(
    "leaves out the sum over d_k and returns one matrix per feature",
    ask="A score is one number. Over which axis of your result is there still to be summed?",
)
def _(W_q: Array, W_k: Array) -> Array:
    return torch.einsum("ac,bc->abc", W_q, W_k)


@task.misconception(
    "leaves out the sum over d_k and returns one matrix per feature",
    ask="A score is one number. Over which axis of your result is there still to be summed?",
)
def _(W_q: Array, W_k: Array) -> Array:
    return torch.einsum("ac,bc->cab", W_q, W_k)


@task.misconception(
    "sums over everything and returns one number", ask="M takes two tokens and gives one number. Is M itself a number?"
)
def _(W_q: Array, W_k: Array) -> Array:
    return (W_q * W_k).sum()


for _cut, _name in enumerate(("W_q", "W_k")):

    @task.misconception(
        f"detaches {_name}, so that it never learns",
        ask="Where does the tensor leave the graph: detach, .data, no_grad?",
    )
    def _(W_q: Array, W_k: Array, cut: int = _cut) -> Array:
        return score_form(W_q if cut else W_q.detach(), W_k.detach() if cut else W_k)


@task.misconception(
    "computes with the first feature of query and key only", ask="Over which features does the dot product run?"
)
def _(W_q: Array, W_k: Array) -> Array:
    return torch.outer(W_q[:, 0], W_k[:, 0])


@task.misconception(
    "uses the inverse instead of the transpose",
    ask="When is the inverse of a matrix its transpose? Is W_k such a matrix?",
)
def _(W_q: Array, W_k: Array) -> Array:
    return W_q @ torch.linalg.pinv(W_k)


@task.misconception(
    "uses the inverse instead of the transpose",
    ask="When is the inverse of a matrix its transpose? Is W_k such a matrix?",
)
def _(W_q: Array, W_k: Array) -> Array:
    return W_q @ torch.linalg.inv(W_k)


@task.misconception(
    "reshapes W_k instead of transposing it",
    ask="[[1, 2], [3, 4], [5, 6]]: what is its transpose, and what does reshape(2, 3) make of it?",
)
def _(W_q: Array, W_k: Array) -> Array:
    return W_q @ W_k.reshape(W_k.shape[::-1])


@task.misconception(
    "sums each projection over d_k before it multiplies",
    ask="Is Σ_c a_c b_c the same as Σ_c a_c times Σ_c b_c? Which letter occurs twice in your einsum?",
)
def _(W_q: Array, W_k: Array) -> Array:
    return torch.outer(W_q.sum(-1), W_k.sum(-1))


@task.misconception("adds the projections", ask="A score is a product of query and key. Where is yours?")
def _(W_q: Array, W_k: Array) -> Array:
    return W_q + W_k


@task.misconception(
    "keeps one triangle only",
    ask="May token i find token j by a feature that comes before its own? Is any entry of M 0?",
)
def _(W_q: Array, W_k: Array) -> Array:
    return (W_q @ W_k.T).triu()


@task.misconception(
    "returns the scores of each feature with itself as a vector", ask="M takes two tokens: how many axes has it?"
)
def _(W_q: Array, W_k: Array) -> Array:
    return (W_q * W_k).sum(-1)


@task.misconception("flattens the matrix", ask="Which shape is asked for?")
def _(W_q: Array, W_k: Array) -> Array:
    return (W_q @ W_k.T).flatten()


@task.misconception("adds an axis for a batch", ask="Which shape is asked for?")
def _(W_q: Array, W_k: Array) -> Array:
    return (W_q @ W_k.T)[None]


squeezes(task)
