"""coverage.scores: Additive scores that know what has been read."""

from __future__ import annotations

import torch

from attn_core.seq2seq.coverage import coverage_scores
from autograder.checking.draw import Draw
from autograder.checking.task import Task
from autograder.tasks.mistakes import Array

task = Task(
    "coverage.scores",
    reference=coverage_scores,
    kind="torch",
    lecture="24_coverage#coverage-in-the-score",
    hints=(
        "It is the additive score with one more feature per position. Write down the shape of each of the four terms inside the tanh.",
        "W_h h_i is (B, n, d_a), W_s s only (B, d_a), c only (B, n), b only (d_a,). Which axis of size 1 does each need so that all four add up?",
        "`torch.tanh(H @ W_h.T + (s @ W_s.T)[:, None, :] + c[:, :, None] * w_c + b) @ v`.",
    ),
)


@task.inputs
def _(draw: Draw) -> tuple[Array, ...]:
    draw.size("B", 1, 4)
    d_a = draw.size("d_a", 1, 12)
    s, H = draw.array("B", "d_s", mean=0.2), draw.array("B", "n", "d_h", mean=0.2)
    c = draw.weights("B", "n") * draw.choice([0.0, 0.9, 2.5, 6.0])  # the sum of any number of earlier steps
    W_s = draw.array(d_a, "d_s", scale=draw.sizes["d_s"] ** -0.5, fixed=True)
    W_h = draw.array(d_a, "d_h", scale=draw.sizes["d_h"] ** -0.5, fixed=True)
    w_c, b, v = (draw.array(d_a, mean=mean, fixed=True) for mean in (-0.5, 0.3, 0.2))
    return s, H, c, W_s, W_h, w_c, b, v


@task.special("nothing covered yet", share=0.25)
def _(draw: Draw) -> tuple[Array, ...]:
    s, H, c, *parameters = task.draw_inputs(draw)
    return s, H, 0 * c, *parameters


@task.special("coverage after many steps", share=0.25)
def _(draw: Draw) -> tuple[Array, ...]:
    s, H, _, W_s, W_h, w_c, b, v = task.draw_inputs(draw)
    return s, H, 200 * draw.weights("B", "n"), W_s, W_h, 0.03 * w_c, b, v  # a small w_c, or else tanh is saturated


@task.special("a single source position", share=0.25)
def _(draw: Draw) -> tuple[Array, ...]:
    draw.size("n", 1, 1)
    draw.size("B", 2, 4)
    return task.draw_inputs(draw)


@task.special("as many sequences as source positions", share=0.25)
def _(draw: Draw) -> tuple[Array, ...]:
    draw.sizes["n"] = draw.size("B", 2, 4)
    return task.draw_inputs(draw)


@task.property("without a coverage weight the coverage has no effect")
def _(call: Array, inputs: tuple[Array, ...], _output: Array) -> str | None:
    s, H, c, W_s, W_h, w_c, b, v = inputs
    without, other = (call(s, H, other, W_s, W_h, 0 * w_c, b, v) for other in (c, c + 1))
    return None if torch.equal(without, other) else "with w_c = 0, another coverage gives another score."


def _hidden(s: Array, H: Array, c: Array, W_s: Array, W_h: Array, w_c: Array, b: Array) -> Array:
    """What stands inside the tanh, (B, n, d_a)."""
    return H @ W_h.T + (s @ W_s.T)[:, None] + c[..., None] * w_c + b


@task.misconception("leaves out the coverage", ask="Which argument does your result not depend on?")
def _(s: Array, H: Array, c: Array, W_s: Array, W_h: Array, w_c: Array, b: Array, v: Array) -> Array:
    return torch.tanh(_hidden(s, H, 0 * c, W_s, W_h, w_c, b)) @ v


@task.misconception("leaves out the bias", ask="Which argument does your result not depend on?")
def _(s: Array, H: Array, c: Array, W_s: Array, W_h: Array, w_c: Array, b: Array, v: Array) -> Array:
    return torch.tanh(_hidden(s, H, c, W_s, W_h, w_c, 0 * b)) @ v


@task.misconception("leaves out the decoder state", ask="Who is asking? Which argument does your result not depend on?")
def _(s: Array, H: Array, c: Array, W_s: Array, W_h: Array, w_c: Array, b: Array, v: Array) -> Array:
    return torch.tanh(_hidden(0 * s, H, c, W_s, W_h, w_c, b)) @ v


@task.misconception("leaves out the tanh", ask="Without tanh, can the state still change which position wins?")
def _(s: Array, H: Array, c: Array, W_s: Array, W_h: Array, w_c: Array, b: Array, v: Array) -> Array:
    return _hidden(s, H, c, W_s, W_h, w_c, b) @ v


@task.misconception(
    "takes the tanh of the finished score instead of the hidden units",
    ask="Which vector does v weigh: the hidden units before tanh, or after?",
)
def _(s: Array, H: Array, c: Array, W_s: Array, W_h: Array, w_c: Array, b: Array, v: Array) -> Array:
    return torch.tanh(_hidden(s, H, c, W_s, W_h, w_c, b) @ v)


@task.misconception(
    "adds the coverage outside the tanh",
    ask="Is the coverage a feature of the position, like h_i, or a correction of the finished score?",
)
def _(s: Array, H: Array, c: Array, W_s: Array, W_h: Array, w_c: Array, b: Array, v: Array) -> Array:
    return torch.tanh(_hidden(s, H, 0 * c, W_s, W_h, w_c, b)) @ v + c * (w_c @ v)


@task.misconception(
    "adds the bias twice", ask="How often does b stand in the formula, and how often do your layers add it?"
)
def _(s: Array, H: Array, c: Array, W_s: Array, W_h: Array, w_c: Array, b: Array, v: Array) -> Array:
    return torch.tanh(_hidden(s, H, c, W_s, W_h, w_c, 2 * b)) @ v


@task.misconception(
    "uses what is still uncovered, 1 − c, in place of the coverage",
    ask="Is c in the formula what has been read, or what has not been read yet?",
)
def _(s: Array, H: Array, c: Array, W_s: Array, W_h: Array, w_c: Array, b: Array, v: Array) -> Array:
    return torch.tanh(_hidden(s, H, 1 - c, W_s, W_h, w_c, b)) @ v


@task.misconception("takes the logarithm of the coverage first", ask="Does the formula change c before w_c weighs it?")
def _(s: Array, H: Array, c: Array, W_s: Array, W_h: Array, w_c: Array, b: Array, v: Array) -> Array:
    return torch.tanh(_hidden(s, H, torch.log1p(c), W_s, W_h, w_c, b)) @ v


@task.misconception(
    "keeps an axis of size 1 at the end", ask="What is the shape of a product with v, and what with v as a column?"
)
def _(s: Array, H: Array, c: Array, W_s: Array, W_h: Array, w_c: Array, b: Array, v: Array) -> Array:
    return coverage_scores(s, H, c, W_s, W_h, w_c, b, v)[..., None]


@task.misconception("adds the bias outside the tanh", ask="How far does the bracket of the tanh reach?")
def _(s: Array, H: Array, c: Array, W_s: Array, W_h: Array, w_c: Array, b: Array, v: Array) -> Array:
    return (torch.tanh(_hidden(s, H, c, W_s, W_h, w_c, 0 * b)) + b) @ v


@task.misconception(
    "subtracts the coverage instead of adding it",
    ask="Is the sign of the effect fixed by the formula, or learned with w_c?",
)
def _(s: Array, H: Array, c: Array, W_s: Array, W_h: Array, w_c: Array, b: Array, v: Array) -> Array:
    return torch.tanh(_hidden(s, H, -c, W_s, W_h, w_c, b)) @ v


@task.misconception(
    "gives every position the same coverage: the sum over all positions",
    ask="Must position i know how much *it* has been read, or how much was read in all?",
)
def _(s: Array, H: Array, c: Array, W_s: Array, W_h: Array, w_c: Array, b: Array, v: Array) -> Array:
    return torch.tanh(_hidden(s, H, c.sum(-1, keepdim=True).expand_as(c), W_s, W_h, w_c, b)) @ v


@task.misconception("applies softmax, which is the next step", ask="Does the task ask for scores or for weights?")
def _(s: Array, H: Array, c: Array, W_s: Array, W_h: Array, w_c: Array, b: Array, v: Array) -> Array:
    return torch.softmax(coverage_scores(s, H, c, W_s, W_h, w_c, b, v), -1)


@task.misconception("averages over the hidden units instead of summing", ask="Is vᵀtanh(…) a sum or a mean?")
def _(s: Array, H: Array, c: Array, W_s: Array, W_h: Array, w_c: Array, b: Array, v: Array) -> Array:
    return coverage_scores(s, H, c, W_s, W_h, w_c, b, v) / len(v)


@task.misconception("leaves out v and sums the hidden units", ask="What does v do in the formula?")
def _(s: Array, H: Array, c: Array, W_s: Array, W_h: Array, w_c: Array, b: Array, v: Array) -> Array:  # noqa: ARG001 - ignoring v is the mistake
    return torch.tanh(_hidden(s, H, c, W_s, W_h, w_c, b)).sum(-1)


@task.misconception("has a sigmoid in place of the tanh", ask="Which function of the formula has values from −1 to 1?")
def _(s: Array, H: Array, c: Array, W_s: Array, W_h: Array, w_c: Array, b: Array, v: Array) -> Array:
    return torch.sigmoid(_hidden(s, H, c, W_s, W_h, w_c, b)) @ v


@task.misconception("has a ReLU in place of the tanh", ask="Which function of the formula has values from −1 to 1?")
def _(s: Array, H: Array, c: Array, W_s: Array, W_h: Array, w_c: Array, b: Array, v: Array) -> Array:
    return torch.relu(_hidden(s, H, c, W_s, W_h, w_c, b)) @ v


@task.misconception("takes the tanh of each term on its own", ask="Is tanh(x + y) the same as tanh(x) + tanh(y)?")
def _(s: Array, H: Array, c: Array, W_s: Array, W_h: Array, w_c: Array, b: Array, v: Array) -> Array:
    terms = H @ W_h.T, (s @ W_s.T)[:, None], c[..., None] * w_c
    return (sum(torch.tanh(term) for term in terms) + torch.tanh(b)) @ v


@task.misconception(
    "multiplies the annotations by their coverage",
    ask="Is the coverage a feature beside h_i, or a factor of h_i?",
)
def _(s: Array, H: Array, c: Array, W_s: Array, W_h: Array, w_c: Array, b: Array, v: Array) -> Array:
    return torch.tanh(_hidden(s, H * c[..., None], 0 * c, W_s, W_h, w_c, b)) @ v


@task.misconception(
    "limits the coverage to 1 first", ask="May a position be read twice, and should the score be able to tell?"
)
def _(s: Array, H: Array, c: Array, W_s: Array, W_h: Array, w_c: Array, b: Array, v: Array) -> Array:
    return coverage_scores(s, H, c.clamp(max=1), W_s, W_h, w_c, b, v)


@task.misconception("scales by 1/√d_a", ask="Does the formula divide by anything?")
def _(s: Array, H: Array, c: Array, W_s: Array, W_h: Array, w_c: Array, b: Array, v: Array) -> Array:
    return coverage_scores(s, H, c, W_s, W_h, w_c, b, v) / len(v) ** 0.5


@task.misconception(
    "detaches the coverage, so that no gradient reaches earlier steps",
    ask="Can a later step then tell an earlier one to look elsewhere?",
)
def _(s: Array, H: Array, c: Array, W_s: Array, W_h: Array, w_c: Array, b: Array, v: Array) -> Array:
    return coverage_scores(s, H, c.detach(), W_s, W_h, w_c, b, v)


@task.misconception(
    "shows every sequence the state of the first one",
    ask="Along which axis must the state be repeated: batch or source?",
)
def _(s: Array, H: Array, c: Array, W_s: Array, W_h: Array, w_c: Array, b: Array, v: Array) -> Array:
    return coverage_scores(s[:1].expand_as(s), H, c, W_s, W_h, w_c, b, v)


@task.misconception(
    "broadcasts the state along the batch instead of the source positions",
    ask="The state is (B, d_a): where does the axis of size 1 belong so that it lines up with (B, n, d_a)?",
)
def _(s: Array, H: Array, c: Array, W_s: Array, W_h: Array, w_c: Array, b: Array, v: Array) -> Array:
    return torch.tanh(H @ W_h.T + s @ W_s.T + c[..., None] * w_c + b) @ v
