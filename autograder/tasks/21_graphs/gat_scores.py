"""graphs.gat_scores: How much each node of an edge list wants to read the other, by GAT's score."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it

from attn_core.graphs.gat import gat_scores
from autograder.checking.draw import Draw
from autograder.checking.task import Task
from autograder.tasks.edge_score_mistakes import score_mistakes
from autograder.tasks.graph_inputs import edge_list, edges_alike, settings
from autograder.tasks.mistakes import Array

task = Task(
    "graphs.gat_scores",
    reference=gat_scores,
    kind="torch",
    lecture="21_graphs#gat-lets-the-nodes-choose",
    hints=(
        "The product of a with a concatenation is a sum of two products. How many different numbers are there per node, before any edge is looked at?",
        "The first half of a meets the target, the second half the source. Compute both products for all nodes, then look them up: which row of "
        "edges says whose first number, and which whose second? LeakyReLU comes last, on one number per edge.",
        "Wh = h @ W.T; size = len(W); u = Wh @ a[:size]; w = Wh @ a[size:]; then F.leaky_relu(u[edges[1]] + w[edges[0]], slope).",
    ),
)


def inputs(draw: Draw) -> tuple[Array, ...]:
    """Node features, one head's parameters, edges, and the slope half of the time."""
    edges = edge_list(draw)
    h = draw.array("V", "F", mean=0.2)
    W = draw.array("F'", "F", scale=draw.sizes["F"] ** -0.5, fixed=True)
    a = draw.array(2 * draw.sizes["F'"], mean=0.1, fixed=True)
    return h, W, a, edges, *settings(draw)


task.inputs(inputs)
edges_alike(task, inputs)


def _halves(h: Array, W: Array, a: Array, edges: Array) -> tuple[Array, Array]:
    """aᵀ's first half times W h_i, and its second half times W h_j, per edge."""
    Wh, size = h @ W.T, len(W)
    return (Wh @ a[:size])[edges[1]], (Wh @ a[size:])[edges[0]]


def _before(h: Array, W: Array, a: Array, edges: Array) -> Array:
    """What LeakyReLU is taken of, (E,)."""
    target, source = _halves(h, W, a, edges)
    return target + source


def _pairs(h: Array, W: Array, edges: Array) -> Array:
    """[W h_i ‖ W h_j] per edge, (E, 2F')."""
    Wh = h @ W.T
    return torch.cat([Wh[edges[1]], Wh[edges[0]]], dim=1)


@task.misconception(
    "puts the source first in the concatenation",
    ask="Row 0 of edges holds the sources j, row 1 the targets i. Which of the two meets the first half of a?",
)
def _(h: Array, W: Array, a: Array, edges: Array, slope: float = 0.2) -> Array:
    return gat_scores(h, W, a, edges.flip(0), slope)


@task.misconception(
    "applies LeakyReLU before a, as GATv2 does in its own way",
    ask="In GAT's formula, is LeakyReLU taken of a vector per edge, or of one number per edge?",
)
def _(h: Array, W: Array, a: Array, edges: Array, slope: float = 0.2) -> Array:
    return F.leaky_relu(_pairs(h, W, edges), slope) @ a


@task.misconception(
    "applies LeakyReLU both before and after a", ask="How often does LeakyReLU stand in the formula, and around what?"
)
def _(h: Array, W: Array, a: Array, edges: Array, slope: float = 0.2) -> Array:
    return F.leaky_relu(F.leaky_relu(_pairs(h, W, edges), slope) @ a, slope)


@task.misconception("applies LeakyReLU twice", ask="By what is a negative score multiplied then?")
def _(h: Array, W: Array, a: Array, edges: Array, slope: float = 0.2) -> Array:
    return F.leaky_relu(gat_scores(h, W, a, edges, slope), slope)


@task.misconception(
    "leaves out the LeakyReLU",
    ask="What does a softmax over the neighbours of i see of a term that depends on i alone?",
)
def _(h: Array, W: Array, a: Array, edges: Array, _slope: float = 0.2) -> Array:
    return _before(h, W, a, edges)


@task.misconception(
    "has torch's default slope of 0.01", ask="Which slope does F.leaky_relu use if you do not tell it one?"
)
def _(h: Array, W: Array, a: Array, edges: Array, _slope: float = 0.2) -> Array:
    return gat_scores(h, W, a, edges, 0.01)


@task.misconception(
    "has the slope 0.2, whatever it is called with", ask="Which argument does your result not depend on?"
)
def _(h: Array, W: Array, a: Array, edges: Array, _slope: float = 0.2) -> Array:
    return gat_scores(h, W, a, edges)


@task.misconception(
    "has a ReLU in place of the LeakyReLU", ask="What happens to a negative score, and to its gradient?"
)
def _(h: Array, W: Array, a: Array, edges: Array, _slope: float = 0.2) -> Array:
    return torch.relu(_before(h, W, a, edges))


@task.misconception(
    "has an ELU in place of the LeakyReLU", ask="Which non-linearity belongs to the scores, which to the output?"
)
def _(h: Array, W: Array, a: Array, edges: Array, _slope: float = 0.2) -> Array:
    return F.elu(_before(h, W, a, edges))


@task.misconception("has a tanh in place of the LeakyReLU", ask="Whose score has a tanh: Bahdanau's or GAT's?")
def _(h: Array, W: Array, a: Array, edges: Array, _slope: float = 0.2) -> Array:
    return torch.tanh(_before(h, W, a, edges))


@task.misconception(
    "applies LeakyReLU to the two halves on their own",
    ask="Is LeakyReLU(x + y) the same as LeakyReLU(x) + LeakyReLU(y)?",
)
def _(h: Array, W: Array, a: Array, edges: Array, slope: float = 0.2) -> Array:
    target, source = _halves(h, W, a, edges)
    return F.leaky_relu(target, slope) + F.leaky_relu(source, slope)


@task.misconception("multiplies what is positive by the slope", ask="On which side of zero is LeakyReLU the identity?")
def _(h: Array, W: Array, a: Array, edges: Array, slope: float = 0.2) -> Array:
    return -gat_scores(h, W, -a, edges, slope)


@task.misconception("turns negative scores positive", ask="Is LeakyReLU increasing on both sides of zero?")
def _(h: Array, W: Array, a: Array, edges: Array, slope: float = 0.2) -> Array:
    return F.leaky_relu(_before(h, W, a, edges), -slope)


@task.misconception(
    "leaves out the target", ask="Which half of a does your result not depend on? Whose features does it weigh?"
)
def _(h: Array, W: Array, a: Array, edges: Array, slope: float = 0.2) -> Array:
    return F.leaky_relu(_halves(h, W, a, edges)[1], slope)


@task.misconception(
    "leaves out the source",
    ask="Which half of a does your result not depend on? Can a target then prefer any neighbour?",
)
def _(h: Array, W: Array, a: Array, edges: Array, slope: float = 0.2) -> Array:
    return F.leaky_relu(_halves(h, W, a, edges)[0], slope)


@task.misconception(
    "multiplies the two halves instead of adding them", ask="What is a product of a vector with a concatenation?"
)
def _(h: Array, W: Array, a: Array, edges: Array, slope: float = 0.2) -> Array:
    target, source = _halves(h, W, a, edges)
    return F.leaky_relu(target * source, slope)


@task.misconception("subtracts the source from the target", ask="What is a product of a vector with a concatenation?")
def _(h: Array, W: Array, a: Array, edges: Array, slope: float = 0.2) -> Array:
    target, source = _halves(h, W, a, edges)
    return F.leaky_relu(target - source, slope)


@task.misconception(
    "takes a by turns for target and source instead of in two halves",
    ask="After a concatenation, where do the entries of the second vector stand?",
)
def _(h: Array, W: Array, a: Array, edges: Array, slope: float = 0.2) -> Array:
    Wh = h @ W.T
    return F.leaky_relu((Wh @ a[0::2])[edges[1]] + (Wh @ a[1::2])[edges[0]], slope)


@task.misconception(
    "uses the first half of a for both ends", ask="How many entries has a, and how many of them do you use?"
)
def _(h: Array, W: Array, a: Array, edges: Array, slope: float = 0.2) -> Array:
    return gat_scores(h, W, a[: len(W)].repeat(2), edges, slope)


@task.misconception(
    "uses the second half of a for both ends", ask="How many entries has a, and how many of them do you use?"
)
def _(h: Array, W: Array, a: Array, edges: Array, slope: float = 0.2) -> Array:
    return gat_scores(h, W, a[len(W) :].repeat(2), edges, slope)


@task.misconception("scales by 1/√F'", ask="Does GAT's score divide by anything?")
def _(h: Array, W: Array, a: Array, edges: Array, slope: float = 0.2) -> Array:
    return gat_scores(h, W, a, edges, slope) / len(W) ** 0.5


@task.misconception("averages instead of summing", ask="Is a product of two vectors a sum or a mean?")
def _(h: Array, W: Array, a: Array, edges: Array, slope: float = 0.2) -> Array:
    return gat_scores(h, W, a, edges, slope) / len(a)


@task.misconception(
    "scores all pairs of nodes instead of the given edges", ask="What is the shape of the result: (E,) or (V, V)?"
)
def _(h: Array, W: Array, a: Array, _edges: Array, slope: float = 0.2) -> Array:
    Wh, size = h @ W.T, len(W)
    return F.leaky_relu((Wh @ a[:size])[:, None] + Wh @ a[size:], slope)


@task.misconception("detaches the target's half", ask="Which nodes can still learn from an error in this score?")
def _(h: Array, W: Array, a: Array, edges: Array, slope: float = 0.2) -> Array:
    target, source = _halves(h, W, a, edges)
    return F.leaky_relu(target.detach() + source, slope)


@task.misconception("detaches W h", ask="What can W learn from the scores then?")
def _(h: Array, W: Array, a: Array, edges: Array, slope: float = 0.2) -> Array:
    return F.leaky_relu(_pairs(h, W, edges).detach() @ a, slope)


for _name, (_function, _ask) in score_mistakes(gat_scores).items():
    task.misconception(_name, _ask)(_function)


@task.misconception(
    "does not transpose W",
    ask="W is (F', F) and h is (V, F). Which axis of W must meet the features, the first or the last?",
)
def _(h: Array, W: Array, a: Array, edges: Array, slope: float = 0.2) -> Array:
    Wh = h @ W
    return F.leaky_relu(torch.cat([Wh[edges[1]], Wh[edges[0]]], dim=1) @ a, slope)


@task.misconception(
    "multiplies W h_i with W h_j instead of weighing both by a", ask="Whose score is a product of two nodes?"
)
def _(h: Array, W: Array, _a: Array, edges: Array, slope: float = 0.2) -> Array:
    Wh = h @ W.T
    return F.leaky_relu((Wh[edges[1]] * Wh[edges[0]]).sum(1), slope)


@task.misconception(
    "applies LeakyReLU with the slope 0.2 to W h, and nothing behind a",
    ask="What is LeakyReLU taken of in the formula?",
)
def _(h: Array, W: Array, a: Array, edges: Array, _slope: float = 0.2) -> Array:
    return F.leaky_relu(_pairs(h, W, edges), 0.2) @ a


@task.misconception("takes the absolute value", ask="What is LeakyReLU of −1?")
def _(h: Array, W: Array, a: Array, edges: Array, _slope: float = 0.2) -> Array:
    return _before(h, W, a, edges).abs()


@task.misconception("has a GELU in place of the LeakyReLU", ask="Which non-linearity does the formula name?")
def _(h: Array, W: Array, a: Array, edges: Array, _slope: float = 0.2) -> Array:
    return F.gelu(_before(h, W, a, edges))


@task.misconception("multiplies negative scores by 1 − slope", ask="What is LeakyReLU of −1 with the slope 0.2?")
def _(h: Array, W: Array, a: Array, edges: Array, slope: float = 0.2) -> Array:
    return F.leaky_relu(_before(h, W, a, edges), 1 - slope)


for _bound in (5.0, 10.0, 50.0):

    @task.misconception("cuts large scores off", ask="Which two scores can your function no longer tell apart?")
    def _(h: Array, W: Array, a: Array, edges: Array, slope: float = 0.2, bound: float = _bound) -> Array:
        return gat_scores(h, W, a, edges, slope).clamp(-bound, bound)
