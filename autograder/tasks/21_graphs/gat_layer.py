"""graphs.gat_layer: A whole graph attention layer, with heads and self-loops."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it

from attn_core.graphs.edges import edge_softmax, with_self_loops
from attn_core.graphs.gat import gat_layer
from attn_core.graphs.gcn import gcn_weights
from autograder.checking.draw import Draw
from autograder.checking.task import Task
from autograder.tasks.gat_layer_mistakes import LAYERS
from autograder.tasks.gat_layer_mistakes import join as _join
from autograder.tasks.gat_layer_mistakes import layer as _layer
from autograder.tasks.gat_layer_mistakes import mix as _mix
from autograder.tasks.gat_layer_mistakes import parts as _parts
from autograder.tasks.graph_inputs import edge_list
from autograder.tasks.graph_mistakes import EDGES, SOFTMAX
from autograder.tasks.mistakes import Array

Call = Any  # a misconception takes what the task hands over: h, W, a, edges, heads, and perhaps concat and slope


def _scores(h: Array, W: Array, a: Array, edges: Array, heads: int, _concat: bool = True, slope: float = 0.2) -> Array:
    """The scores that the softmax is taken of; their rounding is allowed to a log-sum-exp."""
    return _parts(h, W, a, with_self_loops(edges, len(h)), heads, slope)[1]


task = Task(
    "graphs.gat_layer",
    reference=gat_layer,
    kind="torch",
    lecture="21_graphs#heads-and-self-loops",
    scores=_scores,
    hints=(
        "Five steps: mend the edges, transform the nodes, score the edges, softmax per target, mix. Do it for one head first; what is mixed has been transformed.",
        "With heads, W h becomes (V, heads, F'): head k owns the k-th block of F' rows of W. Then every step of one head works with a heads axis behind the edges. "
        "Concatenating is a reshape of (V, heads, F'), averaging a mean over its middle axis.",
        "edges = cat of edges[:, edges[0] != edges[1]] and arange(V) twice; Wh = (h @ W.T).view(V, heads, -1); u, w = (Wh * a[:, :size]).sum(-1), (Wh * a[:, size:]).sum(-1); "
        "leaky_relu(u[target] + w[source]); softmax per target and head; zeros(V, heads, size).index_add(0, target, weight[..., None] * Wh[source]).",
    ),
)


def inputs(draw: Draw) -> tuple[Any, ...]:
    """A layer of one to three heads over a graph with self-loops and repeated edges; concat and slope may be left out."""
    edges = edge_list(draw, loops=0.25, repeats=0.25)
    heads, size = draw.size("heads", 1, 3), draw.size("F'", 1, 5)
    h = draw.array("V", "F", mean=0.3)
    W = draw.array(heads * size, "F", mean=0.1, scale=draw.sizes["F"] ** -0.5, fixed=True)
    a = draw.array(heads, 2 * size, mean=0.1, scale=1.5 * size**-0.5, fixed=True)
    slope = float(draw.choice([0.05, 0.1, 0.4]))
    rest = draw.choice([(), (True,), (False,), (False,), (True, slope), (False, slope)])
    return h, W, a, edges, heads, *rest


task.inputs(inputs)


def _with_edges(draw: Draw, change: Any, low: int = 2, high: int = 6, few: int = 2) -> tuple[Any, ...]:
    """An ordinary input whose edges are changed."""
    draw.size("V", low, high)
    draw.size("E", few, 12)
    h, W, a, edges, *rest = inputs(draw)
    return h, W, a, change(edges), *rest


@task.special("no self-loop is given", share=0.25)
def _(draw: Draw) -> tuple[Any, ...]:
    return _with_edges(draw, lambda e: torch.stack([(e[1] + 1 + e[0] % (draw.sizes["V"] - 1)) % draw.sizes["V"], e[1]]))


@task.special("no edges at all", share=0.25)
def _(draw: Draw) -> tuple[Any, ...]:
    return _with_edges(draw, lambda e: e[:, :0], low=1)


@task.special("self-loops only", share=0.25)
def _(draw: Draw) -> tuple[Any, ...]:
    return _with_edges(draw, lambda e: e[1:].repeat(2, 1))


@task.special("every node has its self-loop already, some twice")
def _(draw: Draw) -> tuple[Any, ...]:
    def change(e: Array) -> Array:
        loops = torch.arange(draw.sizes["V"]).repeat(2, 1)
        return torch.cat([loops[:, :1], e, loops, loops[:, -1:]], dim=1)

    return _with_edges(draw, change)


@task.special("nodes that no edge touches", share=0.25)
def _(draw: Draw) -> tuple[Any, ...]:
    return _with_edges(draw, lambda e: e % (draw.sizes["V"] - 2), low=4, high=7)


@task.special("one edge, given many times")
def _(draw: Draw) -> tuple[Any, ...]:
    return _with_edges(draw, lambda _: torch.tensor([[0], [1]]).repeat(1, 4))


@task.special("a star: one node reads all others, which read nobody", share=0.25)
def _(draw: Draw) -> tuple[Any, ...]:
    return _with_edges(draw, lambda _: torch.tensor([range(1, draw.sizes["V"]), [0] * (draw.sizes["V"] - 1)]), low=3)


@task.special("a crowd: hundreds of edges", share=0.25)
def _(draw: Draw) -> tuple[Any, ...]:
    return _with_edges(draw, lambda _: torch.from_numpy(draw.rng.integers(0, draw.sizes["V"], (2, 200))), low=3)


@task.special("nodes that differ so much that their largest scores lie thousands apart", share=0.5)
def _(draw: Draw) -> tuple[Any, ...]:
    draw.size("V", 4, 7)
    draw.size("E", 8, 14)
    h, W, a, edges, *rest = inputs(draw)
    return h * draw.give(10.0 ** draw.rng.uniform(0, 4, (len(h), 1)), rounded=False), W, a, edges, *rest


@task.property("the order of the edges does not matter")
def _(call: Call, inputs: tuple[Any, ...], output: Array) -> str | None:
    h, W, a, edges, *rest = inputs
    gap = float((call(h, W, a, edges.flip(1), *rest) - output).abs().max())
    return (
        None if gap <= 1e-3 * max(1.0, float(output.abs().max())) else "with the edges in reverse the result changes."
    )


@task.property("a self-loop that is given changes nothing")
def _(call: Call, inputs: tuple[Any, ...], output: Array) -> str | None:
    h, W, a, edges, *rest = inputs
    gap = float((call(h, W, a, torch.cat([edges, torch.zeros_like(edges[:, :1])], dim=1), *rest) - output).abs().max())
    return None if gap <= 1e-3 * max(1.0, float(output.abs().max())) else "an edge 0 → 0 more, and the result changes."


for _name, (_change, _ask) in EDGES.items():
    task.misconception(_name, _ask)(partial(_layer, loops=_change))


for _name, (_change, _ask) in SOFTMAX.items():
    task.misconception(_name, _ask)(partial(_layer, weigh=_change))

task.misconception(
    "normalises over the edges out of each source",
    "Who decides how much is read: the node that reads, or the one that is read?",
)(partial(_layer, group=0))
task.misconception(
    "sums the messages at their source", "A message goes from j, in row 0, to i, in row 1. Where is it added up?"
)(partial(_layer, into=0))
task.misconception(
    "sums the messages at their source, and normalises there too",
    "A message goes from j, in row 0, to i, in row 1. Who is reading?",
)(partial(_layer, group=0, into=0))


@task.misconception(
    "swaps source and target altogether", ask="Row 0 holds the sources j, row 1 the targets i. Which one reads?"
)
def _(h: Array, W: Array, a: Array, edges: Array, *rest: Any) -> Array:
    return gat_layer(h, W, a, edges.flip(0), *rest)


@task.misconception(
    "puts the source first in the concatenation", ask="Which of the two ends of an edge meets the first half of a?"
)
def _(h: Array, W: Array, a: Array, *rest: Any) -> Array:
    return gat_layer(h, W, a.roll(a.shape[1] // 2, 1), *rest)


@task.misconception("leaves out the LeakyReLU", ask="Is the score linear in the features of the neighbour?")
def _(h: Array, W: Array, a: Array, edges: Array, heads: int, concat: bool = True, _slope: float = 0.2) -> Array:
    return _layer(h, W, a, edges, heads, concat, slope=1.0)


@task.misconception(
    "has the slope 0.2, whatever it is called with", ask="Which argument does your result not depend on?"
)
def _(h: Array, W: Array, a: Array, edges: Array, heads: int, concat: bool = True, _slope: float = 0.2) -> Array:
    return gat_layer(h, W, a, edges, heads, concat)


@task.misconception(
    "has torch's default slope of 0.01", ask="Which slope does F.leaky_relu use if you do not tell it one?"
)
def _(h: Array, W: Array, a: Array, edges: Array, heads: int, concat: bool = True, _slope: float = 0.2) -> Array:
    return gat_layer(h, W, a, edges, heads, concat, 0.01)


@task.misconception(
    "has a ReLU in place of the LeakyReLU", ask="What happens to a negative score, and to its gradient?"
)
def _(h: Array, W: Array, a: Array, edges: Array, heads: int, concat: bool = True, _slope: float = 0.2) -> Array:
    return gat_layer(h, W, a, edges, heads, concat, 0.0)


@task.misconception(
    "mixes h_j instead of W h_j",
    ask="Which features are transformed: only those that are scored, or those that are read too?",
)
def _(h: Array, W: Array, a: Array, edges: Array, heads: int, concat: bool = True, slope: float = 0.2) -> Array:
    loops = with_self_loops(edges, len(h))
    weights = edge_softmax(_parts(h, W, a, loops, heads, slope)[1], loops[1], len(h))
    return _join(_mix(h[:, None].expand(-1, heads, -1), weights, loops), concat)


@task.misconception(
    "mixes the target's features instead of the sources'",
    ask="The weights of one target sum to 1. What is Σ_j α_ij W h_i?",
)
def _(h: Array, W: Array, _a: Array, _edges: Array, heads: int, concat: bool = True, _slope: float = 0.2) -> Array:
    return _join((h @ W.T).reshape(len(h), heads, -1), concat)


@task.misconception(
    "gives head k every heads-th row of W instead of a block",
    ask="Which rows of W does the first head own: the first F', or every heads-th?",
)
def _(h: Array, W: Array, a: Array, edges: Array, heads: int, *rest: Any) -> Array:
    size = len(W) // heads
    return gat_layer(h, W.reshape(size, heads, -1).transpose(0, 1).flatten(0, 1), a, edges, heads, *rest)


@task.misconception(
    "interleaves the heads in the output",
    ask="Which entries of the output belong to the first head: the first F', or every heads-th?",
)
def _(h: Array, W: Array, a: Array, edges: Array, heads: int, concat: bool = True, slope: float = 0.2) -> Array:
    mixed = gat_layer(h, W, a, edges, heads, True, slope).reshape(len(h), heads, -1)
    return mixed.transpose(1, 2).flatten(1) if concat else mixed.mean(1)


@task.misconception(
    "averages the heads where they should be concatenated, and the other way round",
    ask="What does concat=True ask for?",
)
def _(h: Array, W: Array, a: Array, edges: Array, heads: int, concat: bool = True, slope: float = 0.2) -> Array:
    return gat_layer(h, W, a, edges, heads, not concat, slope)


@task.misconception("always concatenates the heads", ask="Which argument does your result not depend on?")
def _(h: Array, W: Array, a: Array, edges: Array, heads: int, _concat: bool = True, slope: float = 0.2) -> Array:
    return gat_layer(h, W, a, edges, heads, True, slope)


@task.misconception(
    "sums the heads instead of averaging them", ask="Should a layer of eight heads give eight times as much?"
)
def _(h: Array, W: Array, a: Array, edges: Array, heads: int, concat: bool = True, slope: float = 0.2) -> Array:
    out = gat_layer(h, W, a, edges, heads, concat, slope)
    return out if concat else out * heads


@task.misconception(
    "averages over the features of a head instead of over the heads",
    ask="What is the shape of an average over heads: (V, F') or (V, heads)?",
)
def _(h: Array, W: Array, a: Array, edges: Array, heads: int, concat: bool = True, slope: float = 0.2) -> Array:
    out = gat_layer(h, W, a, edges, heads, True, slope)
    return out if concat else out.reshape(len(h), heads, -1).mean(2)


@task.misconception(
    "averages every heads-th feature: the heads were concatenated, not interleaved",
    ask="Which entries of the concatenation are the same feature of different heads?",
)
def _(h: Array, W: Array, a: Array, edges: Array, heads: int, concat: bool = True, slope: float = 0.2) -> Array:
    out = gat_layer(h, W, a, edges, heads, True, slope)
    return out if concat else out.reshape(len(h), -1, heads).mean(2)


@task.misconception(
    "uses the first head's a for all heads", ask="How many rows has a, and how many of them do you use?"
)
def _(h: Array, W: Array, a: Array, *rest: Any) -> Array:
    return gat_layer(h, W, a[:1].expand_as(a), *rest)


@task.misconception("applies an ELU at the end", ask="Does the task ask for a non-linearity at the output?")
def _(*given: Any) -> Array:
    return F.elu(gat_layer(*given))


@task.misconception("applies a ReLU at the end", ask="Does the task ask for a non-linearity at the output?")
def _(*given: Any) -> Array:
    return torch.relu(gat_layer(*given))


@task.misconception("applies LeakyReLU at the end", ask="Does the task ask for a non-linearity at the output?")
def _(*given: Any) -> Array:
    return F.leaky_relu(gat_layer(*given), 0.2)


@task.misconception("scales the scores by 1/√F'", ask="Does GAT's score divide by anything?")
def _(h: Array, W: Array, a: Array, edges: Array, heads: int, *rest: Any) -> Array:
    return gat_layer(h, W, a / (len(W) // heads) ** 0.5, edges, heads, *rest)


@task.misconception(
    "has the fixed weights of a graph convolution", ask="Which argument does your result not depend on?"
)
def _(h: Array, W: Array, _a: Array, edges: Array, heads: int, concat: bool = True, _slope: float = 0.2) -> Array:
    loops = with_self_loops(edges, len(h))
    weights = gcn_weights(loops, len(h), like=h)[:, None]
    return _join(_mix((h @ W.T).reshape(len(h), heads, -1), weights, loops), concat)


@task.misconception(
    "adds the node's own features once more, as a residual",
    ask="How does a node's own message reach it in the formula?",
)
def _(h: Array, W: Array, a: Array, edges: Array, heads: int, concat: bool = True, slope: float = 0.2) -> Array:
    return gat_layer(h, W, a, edges, heads, concat, slope) + _join((h @ W.T).reshape(len(h), heads, -1), concat)


@task.misconception(
    "writes the messages by indexed assignment, which keeps one per target",
    ask="What does x[[0, 0]] += 1 make of x[0]: 1, or 2?",
)
def _(h: Array, W: Array, a: Array, edges: Array, heads: int, concat: bool = True, slope: float = 0.2) -> Array:
    loops = with_self_loops(edges, len(h))
    values, scores = _parts(h, W, a, loops, heads, slope)
    messages = values[loops[0]] * edge_softmax(scores, loops[1], len(h))[..., None]
    out = torch.zeros_like(values)
    out[loops[1]] += messages
    return _join(out, concat)


@task.misconception(
    "counts the nodes by the largest number in edges", ask="How many rows has h? Must the last node have an edge?"
)
def _(h: Array, W: Array, a: Array, edges: Array, *rest: Any) -> Array:
    return gat_layer(h[: int(edges.max()) + 1], W, a, edges, *rest)


@task.misconception("returns the weights as well", ask="How many results does the task ask for?")
def _(
    h: Array, W: Array, a: Array, edges: Array, heads: int, concat: bool = True, slope: float = 0.2
) -> tuple[Array, Array]:
    loops = with_self_loops(edges, len(h))
    values, scores = _parts(h, W, a, loops, heads, slope)
    weights = edge_softmax(scores, loops[1], len(h))
    return _join(_mix(values, weights, loops), concat), weights


@task.misconception("keeps the heads as an axis of their own", ask="What is the shape of a concatenation of heads?")
def _(h: Array, W: Array, a: Array, edges: Array, heads: int, concat: bool = True, slope: float = 0.2) -> Array:
    out = gat_layer(h, W, a, edges, heads, True, slope).reshape(len(h), heads, -1)
    return out if concat else out.mean(1)


for _name, _function, _ask in LAYERS:
    task.misconception(_name, _ask)(_function)
