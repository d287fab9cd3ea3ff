"""graphs.gatv2_scores: The score that lets a query change its mind about which neighbour is best."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it

from attn_core.graphs.gatv2 import gatv2_scores
from autograder.checking.draw import Draw
from autograder.checking.task import Task
from autograder.tasks.edge_score_mistakes import score_mistakes
from autograder.tasks.graph_inputs import edge_list, edges_alike, settings
from autograder.tasks.mistakes import Array

task = Task(
    "graphs.gatv2_scores",
    reference=gatv2_scores,
    kind="torch",
    lecture="21_graphs#gatv2-moves-one-bracket",
    hints=(
        "Write both formulas under each other. Only one thing has moved: what is LeakyReLU taken of here, and which shape has it?",
        "W[h_i ‖ h_j] is a vector per edge, of size F'. LeakyReLU acts on each of its entries, and only then does a weigh them. The first F columns of W meet "
        "the target.",
        "pair = torch.cat([h[edges[1]], h[edges[0]]], dim=1) has shape (E, 2F); then F.leaky_relu(pair @ W.T, slope) @ a.",
    ),
)


def inputs(draw: Draw) -> tuple[Array, ...]:
    """Node features, one head's parameters, edges, and the slope half of the time."""
    edges = edge_list(draw)
    h = draw.array("V", "F", mean=0.2)
    W = draw.array("F'", 2 * draw.sizes["F"], scale=draw.sizes["F"] ** -0.5, fixed=True)
    a = draw.array("F'", mean=0.1, fixed=True)
    return h, W, a, edges, *settings(draw)


task.inputs(inputs)
edges_alike(task, inputs)


def _parts(h: Array, W: Array, edges: Array) -> tuple[Array, Array]:
    """What target and source put into the hidden units, (E, F') each."""
    size = h.shape[1]
    return (h @ W[:, :size].T)[edges[1]], (h @ W[:, size:].T)[edges[0]]


def _hidden(h: Array, W: Array, edges: Array) -> Array:
    """What LeakyReLU is taken of, (E, F')."""
    target, source = _parts(h, W, edges)
    return target + source


@task.misconception(
    "puts the source first in the concatenation",
    ask="Row 0 of edges holds the sources j, row 1 the targets i. Which of the two meets the first F columns of W?",
)
def _(h: Array, W: Array, a: Array, edges: Array, slope: float = 0.2) -> Array:
    return gatv2_scores(h, W, a, edges.flip(0), slope)


@task.misconception(
    "applies LeakyReLU after a: this is GAT's score in new clothes, and static again",
    ask="Without a non-linearity between W and a, what does aᵀW amount to? Can two targets then rank their neighbours differently?",
)
def _(h: Array, W: Array, a: Array, edges: Array, slope: float = 0.2) -> Array:
    return F.leaky_relu(_hidden(h, W, edges) @ a, slope)


@task.misconception(
    "applies LeakyReLU both before and after a", ask="How often does LeakyReLU stand in the formula, and around what?"
)
def _(h: Array, W: Array, a: Array, edges: Array, slope: float = 0.2) -> Array:
    return F.leaky_relu(gatv2_scores(h, W, a, edges, slope), slope)


@task.misconception("applies LeakyReLU twice", ask="By what is a negative hidden unit multiplied then?")
def _(h: Array, W: Array, a: Array, edges: Array, slope: float = 0.2) -> Array:
    return F.leaky_relu(F.leaky_relu(_hidden(h, W, edges), slope), slope) @ a


@task.misconception(
    "leaves out the LeakyReLU",
    ask="Without it, what is the difference between the scores of two neighbours, for each target?",
)
def _(h: Array, W: Array, a: Array, edges: Array, _slope: float = 0.2) -> Array:
    return _hidden(h, W, edges) @ a


@task.misconception(
    "applies LeakyReLU to the parts of target and source on their own",
    ask="Then the score is again a sum of a number of i and a number of j. Which ranking follows?",
)
def _(h: Array, W: Array, a: Array, edges: Array, slope: float = 0.2) -> Array:
    target, source = _parts(h, W, edges)
    return (F.leaky_relu(target, slope) + F.leaky_relu(source, slope)) @ a


@task.misconception(
    "applies LeakyReLU to the features, before W", ask="Is there anything between the features and W in the formula?"
)
def _(h: Array, W: Array, a: Array, edges: Array, slope: float = 0.2) -> Array:
    return _hidden(F.leaky_relu(h, slope), W, edges) @ a


@task.misconception(
    "has torch's default slope of 0.01", ask="Which slope does F.leaky_relu use if you do not tell it one?"
)
def _(h: Array, W: Array, a: Array, edges: Array, _slope: float = 0.2) -> Array:
    return gatv2_scores(h, W, a, edges, 0.01)


@task.misconception(
    "has the slope 0.2, whatever it is called with", ask="Which argument does your result not depend on?"
)
def _(h: Array, W: Array, a: Array, edges: Array, _slope: float = 0.2) -> Array:
    return gatv2_scores(h, W, a, edges)


@task.misconception(
    "has a ReLU in place of the LeakyReLU", ask="What happens to a negative hidden unit, and to its gradient?"
)
def _(h: Array, W: Array, a: Array, edges: Array, _slope: float = 0.2) -> Array:
    return torch.relu(_hidden(h, W, edges)) @ a


@task.misconception(
    "has an ELU in place of the LeakyReLU", ask="Which non-linearity belongs to the scores, which to the output?"
)
def _(h: Array, W: Array, a: Array, edges: Array, _slope: float = 0.2) -> Array:
    return F.elu(_hidden(h, W, edges)) @ a


@task.misconception(
    "has a tanh in place of the LeakyReLU: this is Bahdanau's score", ask="Which non-linearity do Brody et al. use?"
)
def _(h: Array, W: Array, a: Array, edges: Array, _slope: float = 0.2) -> Array:
    return torch.tanh(_hidden(h, W, edges)) @ a


@task.misconception("multiplies what is positive by the slope", ask="On which side of zero is LeakyReLU the identity?")
def _(h: Array, W: Array, a: Array, edges: Array, slope: float = 0.2) -> Array:
    return -F.leaky_relu(-_hidden(h, W, edges), slope) @ a


@task.misconception("turns negative hidden units positive", ask="Is LeakyReLU increasing on both sides of zero?")
def _(h: Array, W: Array, a: Array, edges: Array, slope: float = 0.2) -> Array:
    return F.leaky_relu(_hidden(h, W, edges), -slope) @ a


@task.misconception("leaves out the target", ask="Which columns of W does your result not depend on? Who is asking?")
def _(h: Array, W: Array, a: Array, edges: Array, slope: float = 0.2) -> Array:
    return F.leaky_relu(_parts(h, W, edges)[1], slope) @ a


@task.misconception("leaves out the source", ask="Which columns of W does your result not depend on? Who is asked?")
def _(h: Array, W: Array, a: Array, edges: Array, slope: float = 0.2) -> Array:
    return F.leaky_relu(_parts(h, W, edges)[0], slope) @ a


@task.misconception(
    "uses the first half of W for both ends",
    ask="Has W one matrix in it, or two? PyTorch Geometric shares them only if asked to.",
)
def _(h: Array, W: Array, a: Array, edges: Array, slope: float = 0.2) -> Array:
    return gatv2_scores(h, W[:, : h.shape[1]].repeat(1, 2), a, edges, slope)


@task.misconception(
    "uses the second half of W for both ends",
    ask="Has W one matrix in it, or two? PyTorch Geometric shares them only if asked to.",
)
def _(h: Array, W: Array, a: Array, edges: Array, slope: float = 0.2) -> Array:
    return gatv2_scores(h, W[:, h.shape[1] :].repeat(1, 2), a, edges, slope)


@task.misconception(
    "takes W's columns by turns for target and source instead of in two halves",
    ask="After a concatenation, where do the entries of the second vector stand?",
)
def _(h: Array, W: Array, a: Array, edges: Array, slope: float = 0.2) -> Array:
    return F.leaky_relu(h[edges[1]] @ W[:, 0::2].T + h[edges[0]] @ W[:, 1::2].T, slope) @ a


@task.misconception(
    "multiplies the parts of target and source instead of adding them",
    ask="What is a product of a matrix with a concatenation?",
)
def _(h: Array, W: Array, a: Array, edges: Array, slope: float = 0.2) -> Array:
    target, source = _parts(h, W, edges)
    return F.leaky_relu(target * source, slope) @ a


@task.misconception(
    "subtracts the source's part from the target's", ask="What is a product of a matrix with a concatenation?"
)
def _(h: Array, W: Array, a: Array, edges: Array, slope: float = 0.2) -> Array:
    target, source = _parts(h, W, edges)
    return F.leaky_relu(target - source, slope) @ a


@task.misconception("leaves out a and sums the hidden units", ask="What does a do in the formula?")
def _(h: Array, W: Array, a: Array, edges: Array, slope: float = 0.2) -> Array:
    return gatv2_scores(h, W, torch.ones_like(a), edges, slope)


@task.misconception("scales by 1/√F'", ask="Does the formula divide by anything?")
def _(h: Array, W: Array, a: Array, edges: Array, slope: float = 0.2) -> Array:
    return gatv2_scores(h, W, a, edges, slope) / len(a) ** 0.5


@task.misconception(
    "averages over the hidden units instead of summing", ask="Is a product of two vectors a sum or a mean?"
)
def _(h: Array, W: Array, a: Array, edges: Array, slope: float = 0.2) -> Array:
    return gatv2_scores(h, W, a, edges, slope) / len(a)


@task.misconception(
    "scores all pairs of nodes instead of the given edges", ask="What is the shape of the result: (E,) or (V, V)?"
)
def _(h: Array, W: Array, a: Array, _edges: Array, slope: float = 0.2) -> Array:
    size = h.shape[1]
    return F.leaky_relu((h @ W[:, :size].T)[:, None] + h @ W[:, size:].T, slope) @ a


@task.misconception("detaches the target's part", ask="Which nodes can still learn from an error in this score?")
def _(h: Array, W: Array, a: Array, edges: Array, slope: float = 0.2) -> Array:
    target, source = _parts(h, W, edges)
    return F.leaky_relu(target.detach() + source, slope) @ a


@task.misconception("detaches the hidden units", ask="What can W learn from the scores then?")
def _(h: Array, W: Array, a: Array, edges: Array, slope: float = 0.2) -> Array:
    return F.leaky_relu(_hidden(h, W, edges).detach(), slope) @ a


for _name, (_function, _ask) in score_mistakes(gatv2_scores).items():
    task.misconception(_name, _ask)(_function)


@task.misconception(
    "weighs the hidden units by a before LeakyReLU",
    ask="A negative entry of a turns the sign of its unit. Does LeakyReLU see it before or behind?",
)
def _(h: Array, W: Array, a: Array, edges: Array, slope: float = 0.2) -> Array:
    return F.leaky_relu(_hidden(h, W, edges) * a, slope).sum(1)


@task.misconception("does not sum over the hidden units", ask="How many numbers are asked for per edge?")
def _(h: Array, W: Array, a: Array, edges: Array, slope: float = 0.2) -> Array:
    return F.leaky_relu(_hidden(h, W, edges), slope) * a


@task.misconception("takes the absolute values of the hidden units", ask="What is LeakyReLU of −1?")
def _(h: Array, W: Array, a: Array, edges: Array, _slope: float = 0.2) -> Array:
    return _hidden(h, W, edges).abs() @ a


@task.misconception("has a GELU in place of the LeakyReLU", ask="Which non-linearity does the formula name?")
def _(h: Array, W: Array, a: Array, edges: Array, _slope: float = 0.2) -> Array:
    return F.gelu(_hidden(h, W, edges)) @ a


@task.misconception(
    "applies LeakyReLU with the slope 0.2 behind a as well",
    ask="How often does LeakyReLU stand in the formula, and around what?",
)
def _(h: Array, W: Array, a: Array, edges: Array, slope: float = 0.2) -> Array:
    return F.leaky_relu(gatv2_scores(h, W, a, edges, slope), 0.2)
