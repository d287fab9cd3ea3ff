# %% [markdown]
# # 21 · Graphs: GCN, GAT, GATv2
#
# - **Time:** 65 minutes, questions included.
# - **Prerequisites:** softmax and scaled dot-product attention ([06 · Scaling](06_scaling.ipynb)), and what a boolean mask does to it
#   ([07 · Masks](07_masks.ipynb)).
# - **Interview kinds:** *implement* and *derive*; asked for recommendation, fraud, chemistry and search roles.
#
# **Objectives.** When you are through, you can
# 1. derive a graph attention layer with heads and self-loops, and write it over an edge list and as masked attention;
# 2. say what a graph convolution does instead, and when its fixed weights are not enough;
# 3. prove that GAT ranks the neighbours alike for every node, and say how GATv2 escapes;
# 4. choose between the three, with the cost of each in numbers.

# %% [markdown]
# **How to use this page.** Each idea is a question, a few lines, a measurement, a picture. Lines such as
# `C238 ✓ measured 1, expected 1` are assertions: the page cannot be built if one fails. Statements in quotation marks are what one
# hears; some are wrong, and the verdict says so. Say your answer aloud *before* you open a fold.
#
# The assignment is [your own copy](../work/21_graphs/21_graphs.ipynb), which `make study` makes, of the
# [released exercise](../exercises/21_graphs/21_graphs.ipynb).

# %%
import os

os.environ["OMP_NUM_THREADS"] = "1"  # before torch loads: on arrays this small, threads only wait for each other

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it
from matplotlib import pyplot as plt
from torch import nn

from attn_core import scaled_dot_product_attention
from attn_core.graphs.edges import edge_softmax, scatter_sum, with_self_loops
from attn_core.graphs.gat import GATLayer, gat_attention, gat_dense, gat_layer, gat_scores
from attn_core.graphs.gatv2 import GATv2Layer, gatv2_attention, gatv2_scores
from attn_core.graphs.gcn import GCNLayer, adjacency_of, gcn_dense, gcn_layer, gcn_weights
from attn_core.graphs.static_attention import is_static, shares_its_top
from attn_core.lab import claim, heatmap, house_style, show, slider
from attn_core.lab.data.graphs import karate_club, lookup, noisy_neighbours, positions

torch.set_num_threads(1)
house_style()
np.set_printoptions(precision=3, suppress=True)
SEEDS = (0, 1, 2)

# %% [markdown]
# ## A graph is a list of who reads whom
#
# **What replaces the sequence?** Nodes have no order, and each sees only its neighbours. A graph of $V$ nodes and $E$ edges is kept as an
# *edge list* of shape $2\times E$: row 0 holds the **source** $j$, which is read, row 1 the **target** $i$, which reads. An edge $j\to i$ carries a
# message from $j$ to $i$. "They know each other" is two edges.
#
# Our real graph is Zachary's karate club (1977): 34 members, 78 pairs who met outside the club. Then the club split in two, one half
# with the instructor (node 0), one with the officers (node 33). Can the split be told from who met whom?

# %%
club = karate_club()
PLACES = positions(club, seed=3)
print(
    "edge list",
    club.edges.shape,
    " first three:",
    club.edges[:, :3].T.tolist(),
    " members per side:",
    np.bincount(club.labels),
)
across = (club.labels[club.edges[0]] != club.labels[club.edges[1]]).mean()
print(f"{across:.0%} of the edges lead to the other side: friends tend to choose alike (homophily)")


# %%
def draw_club(ax, strong=()):
    """The club on white: circles went with the instructor, squares with the officers; nodes in `strong` have a thick rim."""
    for j, i in club.edges.T:
        if j < i:
            ax.plot(*PLACES[[j, i]].T, color="0.8", linewidth=0.8, marker="", linestyle="-", zorder=1)
    for label, marker, face in ((0, "o", "#bfe3f7"), (1, "s", "#fde0b2")):
        for v in np.flatnonzero(club.labels == label):
            ax.plot(
                *PLACES[v],
                marker,
                markersize=15,
                color=face,
                markeredgecolor="black",
                markeredgewidth=2.5 if v in strong else 0.7,
            )
            ax.annotate(v, PLACES[v], ha="center", va="center", fontsize=8, zorder=4)
    ax.set_axis_off()


# %%
fig, ax = plt.subplots(figsize=(7.5, 5))
draw_club(ax, strong=(0, 33))
ax.set_title("Karate club: ○ with the instructor, □ with the officers; thick: the two we are told")
show(fig, "34 nodes in two crowds, circles around node 0 and squares around node 33, a few edges between them.")

# %% [markdown]
# ## Message passing with fixed weights
#
# **What can a node learn from its neighbours?** Three steps, the same in every layer on this page: *transform* each node, $Wh_j$; *weigh* each
# edge; *sum* into the target. The self-loop $i\to i$ is one of the edges, or else a node would forget itself. A graph convolution (Kipf and Welling 2017)
# weighs by degree alone. With $A_{ij}=1$ for an edge $j\to i$:
#
# $$H'=\hat D^{-1/2}\hat A\hat D^{-1/2}HW^\top,\qquad \hat A=A+I,\quad \hat D=\operatorname{diag}(\hat A\mathbf 1).$$
#
# Multiplying by a diagonal matrix from the left scales rows, from the right scales columns. So the entry $(i,j)$ is
# $\hat A_{ij}/(\sqrt{d_i}\sqrt{d_j})$: node by node, $h_i'=\sum_{j\in N(i)\cup\{i\}}\frac1{\sqrt{d_id_j}}Wh_j$.

# %%
path = np.array([[0, 1, 1, 2], [1, 0, 2, 1]])  # 0 – 1 – 2: degrees with self-loops 2, 3, 2
loops = with_self_loops(path, 3)
table = np.zeros((3, 3))
table[loops[1], loops[0]] = gcn_weights(loops, 3, like=np.zeros(1))
print(
    "weights of the path 0 – 1 – 2\n",
    table,
    "\nby hand: 1/2, 1/√6 =",
    round(6**-0.5, 3),
    ", 1/3; row sums",
    table.sum(1),
)

h, W = np.random.default_rng(0).normal(size=(34, 5)), np.random.default_rng(1).normal(size=(3, 5))
matrix = gcn_dense(h, W, adjacency_of(club.edges, 34, like=h))
gap = abs(matrix - gcn_layer(h, W, club.edges)).max()
print("matrix form and edge list on the club: largest difference below 1e-12:", gap < 1e-12)
assert gap < 1e-12

# %% [markdown]
# The rows do not sum to one. Why not simply the mean, $\hat D^{-1}\hat A$? Both have the same eigenvalues, in $(-1,1]$ for an undirected
# graph, so repeating the mixture cannot blow up. But the symmetric form keeps the matrix symmetric; and a hub's message counts less for everybody who reads it. Both are fixed before training. No
# neighbour can be *ignored*.

# %% [markdown]
# ## GAT lets the nodes choose
#
# **How does a node weigh a neighbour by what it says?** Veličković et al. 2018 score every edge $j\to i$ with one learned vector $a$ of size $2F'$:
#
# $$e_{ij}=\operatorname{LeakyReLU}\big(a^\top[Wh_i\,\Vert\,Wh_j]\big),\qquad \alpha_{ij}=\operatorname*{softmax}_{j\in N(i)\cup\{i\}}e_{ij},\qquad
# h_i'=\sigma\Big(\sum_j\alpha_{ij}\,Wh_j\Big).$$
#
# | symbol | shape | meaning |
# |---|---|---|
# | $h$, $W$ | $V\times F$, $F'\times F$ | node features; one transformation for targets, sources and values |
# | $a=[a_1;a_2]$ | $2F'$ | $a_1$ meets the target $i$ (who asks), $a_2$ the source $j$ (who is asked) |
# | $e$, $\alpha$ | one per edge | scores and weights; LeakyReLU has the slope 0.2 |

# %% [markdown]
# In the words of attention: the target is the query, the sources are the keys *and* the values, and the graph is the mask. The product with a
# concatenation splits: $a^\top[Wh_i\Vert Wh_j]=a_1^\top Wh_i+a_2^\top Wh_j=u_i+w_j$. So compute **two numbers per node**, then one sum per edge.
#
# **By hand.** $Wh_0=(1,-2)$, $Wh_1=(3,0)$, $a=(1,0\,|\,0,2)$. Edge $0\to1$: $u_1+w_0=3-4=-1$, LeakyReLU gives $-0.2$. Edge $1\to0$: $1+0=1$.

# %%
h = np.array([[1.0, 1.0], [3.0, 0.0]])
W, a = np.array([[1.0, 0.0], [0.0, -2.0]]), np.array([1.0, 0, 0, 2])
edges = np.array([[0, 1, 0], [1, 0, 0]])
print("scores of 0→1, 1→0, 0→0:", gat_scores(h, W, a, edges))
print("with the edges read the wrong way round:", gat_scores(h, W, a, edges[::-1]))
assert np.allclose(gat_scores(h, W, a, edges), [-0.2, 1.0, -0.6])

# %% [markdown]
# ## A softmax over edges
#
# **How does each target normalise its own edges, when the list has no order?** Three passes over the edges: the largest score per target, the
# exponentials, their sum per target. "Per target" is a *scatter*: add (or take the maximum) into a table with one place per node, then look it up again by `targets`.
#
# The maximum must be the target's own. One maximum for the whole graph does not overflow, but a target whose best score lies 800 below it
# gets $0/0$.

# %%
scores, targets = np.array([801.0, 0.0, 800.0, 1.0]), np.array([0, 1, 0, 1])
shifted = np.exp(scores - scores.max())  # one maximum for all
with np.errstate(invalid="ignore"):
    one_peak = shifted / scatter_sum(shifted, targets, 2)[targets]
print("one maximum for all:", one_peak, "\none per target:     ", edge_softmax(scores, targets, 2))
total = np.zeros(2)
total[targets] += 1.0  # four edges
print("counting edges by total[targets] += 1:", total, " by scatter:", scatter_sum(np.ones(4), targets, 2))
assert np.isnan(one_peak[[1, 3]]).all()
assert total.tolist() == [1, 1]

# %% [markdown] claims="C236"
# **C236 · true.** *“e_ij = LeakyReLU(aᵀ[Wh_i ‖ Wh_j]), then softmax over the neighbours.”* Say the two things that are often left out: the neighbourhood
# contains the node itself, and the slope is 0.2 (PyTorch's LeakyReLU defaults to 0.01).

# %%
rng = np.random.default_rng(0)
h, W, a = rng.normal(size=(34, 6)), rng.normal(size=(4, 6)) / 6**0.5, rng.normal(size=(1, 8))
loops, weights, values = gat_attention(h, W, a, club.edges, heads=1)
worst = 0.0
for i in range(34):
    into = [int(j) for j, t in club.edges.T if t == i] + [i]
    e = np.array([a[0] @ np.concatenate([W @ h[i], W @ h[j]]) for j in into])
    e = np.exp(np.where(e > 0, e, 0.2 * e))
    row = weights[loops[1] == i, 0]
    worst = max(worst, abs(np.sort(row) - np.sort(e / e.sum())).max())
claim("C236", worst, 0, 1e-12, what="edge list against the formula, node by node, with self-loops and slope 0.2")
claim(
    "C236",
    abs(scatter_sum(weights, loops[1], 34) - 1).max(),
    0,
    1e-12,
    what="sums of the weights per target, distance from 1",
)
claim("C236", len(weights), 156 + 34, what="weights on the karate club: edges and self-loops, and nothing else")

# %% [markdown] claims="C237"
# **C237 · false.** *“The layer sums $\alpha_{ij}h_j$, the features of the previous layer.”* It sums $\alpha_{ij}Wh_j$. The same $Wh_j$ that was scored is
# what is read: keys and values are one thing here. A formula without $W$ has the wrong size already.

# %%
out = gat_layer(h, W, a, club.edges, heads=1)
raw = scatter_sum(h[loops[0]] * weights, loops[1], 34)
claim("C237", [raw.shape[1], out.shape[1]], [6, 4], what="features per node: Σ α h, and the layer (F = 6, F' = 4)")
claim("C237", abs(raw @ W.T - out).max(), 0, 1e-12, what="transforming afterwards repairs it, as W is linear")

# %% [markdown]
# ## Heads and self-loops
#
# **What makes it a layer?** $K$ heads, each with its own $W$ and $a$, run side by side. Hidden layers **concatenate** their outputs
# ($V\times KF'$), the last layer **averages** them ($V\times F'$), since there the features are class scores. Self-loops: drop those in the data, add one per node; else a
# node that lists itself would count itself twice. The same layer has a dense twin: scores for all $V^2$ pairs, $-\infty$ where there is no edge.

# %%
K, out_size = 3, 2
h, W, a = rng.normal(size=(34, 6)), rng.normal(size=(K * out_size, 6)) / 6**0.5, rng.normal(size=(K, 2 * out_size))
mask = adjacency_of(with_self_loops(club.edges, 34), 34, like=h) > 0
for concat in (True, False):
    sparse, dense = gat_layer(h, W, a, club.edges, K, concat), gat_dense(h, W, a, mask, K, concat)
    print(
        f"concat={concat!s:5}: shape {sparse.shape}, edge list − dense below 1e-12: {abs(sparse - dense).max() < 1e-12}"
    )
    assert abs(sparse - dense).max() < 1e-12
print("scores kept per head: dense", 34**2, " edge list", club.edges.shape[1] + 34)
V, E = 10_000, 100_000
print(f"for {V:,} nodes with {E // V} edges each: dense {V**2:,}, edge list {E + V:,}, {V**2 // (E + V)} times fewer")

# %% [markdown]
# **Is attention on graphs just masked self-attention?** Yes: the adjacency is the mask, and only the score is a different one. Give
# [scaled dot-product attention](06_scaling.ipynb) the mask of the graph, and GAT's scores as a bias on queries that are zero: it returns GAT. And a Transformer without
# positions is a graph network on the complete graph. What a graph adds is the sparsity; what it lacks is an order.

# %%
values = (h @ W[:out_size].T)[None]  # head 0: keys and values
nothing = np.zeros_like(values)
u, w = values[0] @ a[0, :out_size], values[0] @ a[0, out_size:]
bias = u[:, None] + w
bias = np.where(bias > 0, bias, 0.2 * bias)
as_attention, _ = scaled_dot_product_attention(nothing, nothing, values, mask=mask, bias=bias[None])
gap = abs(as_attention[0] - gat_layer(h, W, a, club.edges, K)[:, :out_size]).max()
print("masked attention with GAT's score − first head of the layer: below 1e-12:", gap < 1e-12)
q, k = h @ rng.normal(size=(6, 4)), h @ rng.normal(size=(6, 4))
dots, _ = scaled_dot_product_attention(q, k, h, mask=mask)
loops = with_self_loops(club.edges, 34)
weights = edge_softmax((q[loops[1]] * k[loops[0]]).sum(1) / 2, loops[1], 34)
gap_dots = abs(dots - scatter_sum(h[loops[0]] * weights[:, None], loops[1], 34)).max()
print("dot-product attention with the mask − over the edge list: below 1e-12:", gap_dots < 1e-12)
assert gap_dots < 1e-12
assert gap < 1e-12


# %% [markdown]
# ## Two labels, thirty-four members
#
# **Does it work on a real graph?** We tell each network the side of two members, 0 and 33. The features are one-hot, so a network knows of a member only
# who it is and whom it met. Two layers, a hundred steps; then count how many of the other 32 are right.


# %%
class Net(nn.Module):
    """Layers of one kind with an ELU between them; the attentive ones have two heads, averaged in the last layer."""

    def __init__(self, kind, features, hidden, classes, depth=2, heads=2):
        super().__init__()
        self.layers = nn.ModuleList()
        for i in range(depth):
            last, size = i == depth - 1, features if i == 0 else hidden * heads
            if kind == "GCN":
                self.layers.append(GCNLayer(size, classes if last else hidden * heads))
            else:
                layer = {"GAT": GATLayer, "GATv2": GATv2Layer}[kind]
                self.layers.append(layer(size, classes if last else hidden, heads, concat=not last))

    def forward(self, h, edges):
        for layer in self.layers[:-1]:
            h = F.elu(layer(h, edges))
        return self.layers[-1](h, edges)


def tensors(graph):
    return torch.tensor(graph.features, dtype=torch.float32), *(torch.tensor(x) for x in graph[1:])


# %%
def train(model, graphs, steps, learning_rate, known=None):
    """Cross-entropy at the nodes that are known, one graph per step in turn."""
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
    data = [tensors(graph) for graph in graphs]
    for step in range(steps):
        h, edges, labels, asked = data[step % len(data)]
        where = asked if known is None else known
        loss = F.cross_entropy(model(h, edges)[where], labels[where])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model


@torch.no_grad()
def accuracy(model, graph, where=None):
    h, edges, labels, asked = tensors(graph)
    where = asked if where is None else where
    return (model(h, edges)[where].argmax(1) == labels[where]).double().mean().item()


def report(name, rates):
    print(f"{name:24}" + " ".join(f"{rate:5.0%}" for rate in rates))


# %% tags=["nbval-ignore-output"]
KINDS = ("GCN", "GAT", "GATv2")
told = torch.zeros(34, dtype=torch.bool)
told[[0, 33]] = True
members = {}
print("right among the other 32, three seeds")
for kind in KINDS:
    nets = []
    for seed in SEEDS:
        torch.manual_seed(seed)
        nets.append(train(Net(kind, 34, 4, 2), [club], 100, 0.02, known=told))
    members[kind] = nets
    report(kind, [accuracy(net, club, ~told) for net in nets])
    assert min(accuracy(net, club, ~told) for net in nets) > 0.7  # guessing gives a half

# %% [markdown]
# About nine in ten from two labels, and **no winner**: where friends choose alike, averaging them is right already, and one-hot features tell attention
# nothing about what kind of neighbour it reads. Say so in an interview: attention pays where neighbours *differ in use*, where some help and others mislead.
#
# What do the weights look like? Node 8 has friends on both sides. Below: what it reads in the first layer of the
# first network of each kind, mean of the heads. (GCN's weights do not sum to one; the others' do.)


# %% tags=["nbval-ignore-output"]
def weights_of(kind, node):
    """(source, weight) of every edge into a node in the first layer, mean over the heads; the node itself comes last."""
    layer = members[kind][0].layers[0]
    h, edges, *_ = tensors(club)
    if kind == "GCN":
        loops = with_self_loops(edges, 34)
        weights = gcn_weights(loops, 34, like=h)[:, None]
    else:
        attention = gat_attention if kind == "GAT" else gatv2_attention
        loops, weights, _ = attention(h, layer.W, layer.a, edges, layer.heads)
    into = loops[1] == node
    return loops[0][into].tolist(), weights[into].mean(1).tolist()


for kind in KINDS:
    sources, weights = weights_of(kind, 8)
    print(
        f"{kind:6} node 8 reads",
        ", ".join(f"{j}: {w:.2f}" for j, w in zip(sources, weights, strict=True)),
        f"; sum {sum(weights):.2f}",
    )


# %%
def draw_node(ax, node, place, strong=False):
    """A circle for the instructor's side, a square for the officers'."""
    marker, face = (("o", "#bfe3f7"), ("s", "#fde0b2"))[club.labels[node]]
    ax.plot(*place, marker, markersize=20, color=face, markeredgecolor="black", markeredgewidth=2.5 if strong else 0.7)
    ax.annotate(node, place, ha="center", va="center", zorder=3)


def draw_reads(ax, sources, weights):
    """The node that reads, which comes last, amid those it reads; width and number of a bar are the weight."""
    box = {"facecolor": "white", "edgecolor": "0.6", "pad": 1}
    for position, (j, weight) in enumerate(zip(sources[:-1], weights[:-1], strict=True)):
        angle = 2 * np.pi * position / (len(sources) - 1) + 0.3
        x, y = np.cos(angle), np.sin(angle)
        ax.plot([0, x], [0, y], "-", color="#b03060", alpha=0.6, linewidth=30 * weight, marker="", zorder=1)
        draw_node(ax, j, (x, y))
        ax.annotate(f"{weight:.2f}", (0.6 * x, 0.6 * y), ha="center", va="center", fontsize=9, bbox=box)
    draw_node(ax, sources[-1], (0, 0), strong=True)
    ax.set(xlim=(-1.25, 1.25), ylim=(-1.25, 1.6), aspect="equal")
    ax.set_axis_off()


# %%
def draw_attention(node):
    fig, axes = plt.subplots(1, 3, figsize=(12, 4.2))
    for ax, kind in zip(axes, KINDS, strict=True):
        sources, weights = weights_of(kind, int(node))
        draw_reads(ax, sources, weights)
        ax.text(-1.2, 1.4, f"{kind}: node {node:g} reads (itself {weights[-1]:.2f})")
    return fig


# %% tags=["nbval-ignore-output"]
show(
    draw_attention(8),
    "Node 8 in the middle of its five friends, for GCN, GAT and GATv2: bars whose widths and numbers are the weights.",
)

# %% tags=["nbval-ignore-output"]
slider(
    draw_attention,
    "who reads",
    [1.0, 2.0, 8.0, 13.0, 19.0, 27.0, 31.0],
    alt=lambda node: (
        f"Node {node:g} in the middle of its friends, with bars whose widths and numbers are the weights of GCN, GAT and GATv2."
    ),
)

# %% [markdown]
# ## When neighbours differ in use
#
# **Where do fixed weights fail?** In a graph built for it: 120 nodes know nothing of their class. Each reads 2 *friends*, who show the right class,
# and 10 *strangers*, who show a random one. One feature says which is which: 1 for a friend, −1 for a stranger. All twelve have the same degree, so a
# convolution must weigh them alike. We train on one such graph and test on another one: other nodes, other edges.

# %% tags=["nbval-ignore-output"]
print("accuracy on a new graph, three seeds (guessing: 33%)")
readers, clean = {}, {}
for kind in KINDS:
    readers[kind] = []
    for seed in SEEDS:
        torch.manual_seed(seed)
        net = Net(kind, 4, 8, 3, depth=1, heads=1)
        readers[kind].append(train(net, [noisy_neighbours(seed)], 100, 0.05))
    clean[kind] = [accuracy(net, noisy_neighbours(seed + 100)) for net, seed in zip(readers[kind], SEEDS, strict=True)]
    report(kind, clean[kind])
assert min(clean["GAT"] + clean["GATv2"]) > 0.95
assert max(clean["GCN"]) < 0.8


# %% tags=["nbval-ignore-output"]
def on_friends(net, graph):
    """Share of the attention of the nodes that are asked that goes to friends."""
    h, edges, _, asked = tensors(graph)
    layer = net.layers[0]
    attention = gat_attention if isinstance(layer, GATLayer) else gatv2_attention
    loops, weights, _ = attention(h, layer.W, layer.a, edges, layer.heads)
    friendly = asked[loops[1]] & (h[loops[0], -1] == 1)
    return (weights[friendly].sum() / asked.sum()).item()


# %% tags=["nbval-ignore-output"]
test = noisy_neighbours(100)
fixed = np.array([1 / 13**0.5] * 12 + [1 / 13])  # degrees 13 and 1: twelve neighbours, and itself
shares = {"GCN": fixed[:2].sum() / fixed.sum()}
shares |= {kind: np.mean([on_friends(net, test) for net in readers[kind]]) for kind in ("GAT", "GATv2")}
for kind, share in shares.items():
    print(f"{kind:6} {share:.0%} of the weight on the 2 friends among 13 edges")
fig, axes = plt.subplots(1, 2, figsize=(9, 3))
axes[0].bar(KINDS, [np.mean(clean[kind]) for kind in KINDS], color="0.85", edgecolor="black")
for x, kind in enumerate(KINDS):
    axes[0].plot([x - 0.15, x, x + 0.15], clean[kind], "ko", markersize=4, linestyle="")
axes[0].axhline(1 / 3, color="black", linestyle=":", marker="")
axes[0].set(title="Accuracy on a new graph (dots: seeds)", ylim=(0, 1.08))
bars = axes[1].bar(KINDS, list(shares.values()), color="0.85", edgecolor="black", hatch="//")
axes[1].bar_label(bars, fmt="%.2f")
axes[1].set(title="Share of weight on friends", ylim=(0, 1.12))
show(
    fig,
    "Left: GCN well below GAT and GATv2, which are near 1. Right: the weight on friends, about one sixth for GCN, about three quarters for GAT, and more for GATv2.",
)
assert min(shares["GAT"], shares["GATv2"]) > 3 * shares["GCN"]

# %% [markdown] claims="C239"
# **C239 · true.** *“GAT is inductive.”* Its parameters belong to features, not to nodes or to a graph: $W$ and $a$ are shared and local. So a layer trained on one graph runs
# on any other, of any size. (GCN's layer does too; what is transductive is a *setting*, such as the club above, whose one-hot features are node numbers.)

# %% tags=["nbval-ignore-output"]
larger = noisy_neighbours(7, nodes=400, friends=3, strangers=15)  # other numbers of nodes and neighbours
trained_on = noisy_neighbours(0)
print(f"trained on {len(trained_on.labels):,} nodes, run on {len(larger.labels):,}")
moved = {kind: [accuracy(net, larger) for net in readers[kind]] for kind in KINDS}
for kind in KINDS:
    report(kind, moved[kind])
claim("C239", min(moved["GAT"]), at_least=0.95, what="GAT on a larger graph that it never saw, worst of three seeds")

# %% [markdown] question="Q099" kind="implement" minutes=8
# ### Derive a graph attention layer, with heads and self-loops.
#
# <details><summary>Hint 1 · direction</summary>
#
# Attention with queries, keys, values. Who is the query, who are the keys, and what plays the mask?
# </details>
# <details><summary>Hint 2 · insight</summary>
#
# A product with a concatenation is a sum of two products: two numbers per node, one sum per edge. Then: over which edges does the softmax run, what is summed, and does a node
# read itself?
# </details>
# <details><summary>Sixty-second answer</summary>
#
# Transform every node by a shared W. An edge from j to i has the score LeakyReLU, slope 0.2, of a transposed times the concatenation of W h_i and W h_j. Since a splits in two, that is
# one number per target plus one per source. The neighbourhood includes the node itself: given self-loops are dropped, one per node is added. Softmax over the edges into each target, with that
# target's maximum subtracted. The new feature is the weighted sum of the transformed neighbours, W h_j, not of h_j, then a non-linearity. Heads have their own W and a; hidden layers
# concatenate them, the last averages. Cost: V times F times F prime for the transformation plus E times F prime for the edges; a dense version with a mask gives the same but keeps V squared
# scores. GCN's weights are fixed, one over root d_i d_j; these depend on content. Parameters are shared and local, so it is inductive.
# </details>
# <details><summary>Full answer</summary>
#
# $$e_{ij}=\mathrm{LeakyReLU}_{0.2}(\underbrace{a_1^\top Wh_i}_{u_i}+\underbrace{a_2^\top Wh_j}_{w_j}),\quad
# \alpha_{ij}=\frac{e^{e_{ij}-m_i}}{\sum_{k\in N(i)\cup\{i\}}e^{e_{ik}-m_i}},\quad h_i'=\sigma\Big(\sum_j\alpha_{ij}Wh_j\Big),\quad m_i=\max_ke_{ik}.$$
#
# ```python
# def gat_layer(h, W, a, edges, heads, concat=True, slope=0.2):       # W (heads·F', F), a (heads, 2F'), edges (2, E)
#     V = len(h)
#     loops = torch.arange(V).expand(2, -1)
#     j, i = torch.cat([edges[:, edges[0] != edges[1]], loops], dim=1)  # source, target
#     Wh = (h @ W.T).view(V, heads, -1)
#     a_i, a_j = a.chunk(2, dim=1)
#     e = F.leaky_relu((Wh * a_i).sum(-1)[i] + (Wh * a_j).sum(-1)[j], slope)             # (E + V, heads)
#     peak = torch.full((V, heads), -torch.inf, dtype=e.dtype)
#     peak = peak.scatter_reduce(0, i[:, None].expand_as(e), e.detach(), "amax")
#     e = (e - peak[i]).exp()
#     alpha = e / torch.zeros_like(peak).index_add(0, i, e)[i]
#     out = torch.zeros_like(Wh).index_add(0, i, alpha[..., None] * Wh[j])
#     return out.flatten(1) if concat else out.mean(1)
# ```
# - **Dense twin**: scores $u_i+w_j$ for all pairs, $-\infty$ off the graph, softmax along $j$, times $Wh$. Equal to rounding (above). Weights of pairs that are no
#   edge are exactly 0. A boolean mask cannot count an edge twice; the list can.
# - **Self-loops**: without them a node forgets itself, and a node without neighbours has an empty softmax. If the data list some, drop them first.
# - **Heads**: concatenate in hidden layers, $KF'$ features; average in the last, and apply the final non-linearity after the mean.
# - **Cost** per head: $VFF'$ to transform, $2VF'$ for $u,w$, $E$ scores, $EF'$ to mix: $O(VFF'+EF')$. The paper: $O(|V|FF'+|E|F')$.
# - **GCN**: the same with $\alpha_{ij}=1/\sqrt{d_id_j}$, known before training. It cannot ignore a neighbour (measured above).
# - **Inductive**: no parameter belongs to a node, an edge or a size.
# - **Not a detail**: without LeakyReLU the softmax over $j$ would cancel $u_i$ altogether: $e_{ij}=u_i+w_j$ gives the same weights for any $u_i$.
# </details>
# <details><summary>How it is scored</summary>
#
# - **Strong hire**: all of score, self-loops, per-target softmax with its own maximum, transformed values, concat and mean of heads; gives both forms and the cost, and says what a GCN fixes.
# - **Lean hire**: score and softmax are right and the values are transformed, but self-loops, the stable scatter or the cost come only when asked.
# - **No hire**: softmax over all edges or over the sources, sums untransformed features and does not notice, or cannot say what the graph does.
# </details>
#
# **Red flag:** "attention over all nodes, weighted by the adjacency": multiplying after the softmax leaves rows that do not sum to one.
#
# **Follow-up:** your graph has a billion edges and hubs with a million neighbours. What changes? (Sample a fixed number of neighbours per node and layer, as GraphSAGE does; the softmax then runs over the sample.)

# %% [markdown]
# ## Static attention
#
# **Can two nodes prefer different neighbours?** Look at the split again: $e_{ij}=\operatorname{LeakyReLU}(u_i+w_j)$. LeakyReLU is strictly increasing (slope $>0$), and adding $u_i$
# changes no order. So $e_{ij}\ge e_{ik}$ if and only if $w_j\ge w_k$, **for every $i$**. The query decides how sharply it prefers, never whom. Brody, Alon and Yahav 2022 call this *static*
# attention. The test: is there one order of the columns along which no row of scores ever falls?

# %%
rng = np.random.default_rng(50)
V = 8
pairs = np.stack([np.tile(np.arange(V), V), np.repeat(np.arange(V), V)])  # every node reads every node


def random_tables(size=8):
    """Scores of GAT and GATv2 for random features and weights, (V, V) each."""
    h, scale = rng.normal(size=(V, size)), size**-0.5  # keeps the softmax from saturating; no ranking depends on it
    W, a = scale * rng.normal(size=(size, size)), scale * rng.normal(size=2 * size)
    one = gat_scores(h, W, a, pairs)
    two = gatv2_scores(h, scale * rng.normal(size=(size, 2 * size)), 2 * scale * rng.normal(size=size), pairs)
    return one.reshape(V, V), two.reshape(V, V)


# %%
one, two = random_tables()
fig, axes = plt.subplots(1, 2, figsize=(9.5, 4.2))
for ax, scores, name in zip(
    axes, (one, two), ("GAT: one column wins every row", "GATv2: the winner changes"), strict=True
):
    e = np.exp(scores - scores.max(1, keepdims=True))
    names = [str(i) for i in range(V)]
    heatmap(e / e.sum(1, keepdims=True), names, names, ax=ax, title=name)
show(
    fig,
    "Two heat maps of 8 queries over 8 keys. For GAT the same column is largest in every row, for GATv2 it differs.",
)
print("best neighbour of nodes 0 … 7:  GAT", one.argmax(1), "  GATv2", two.argmax(1))
print(
    "the whole order of node 0 and node 1 is the same: GAT",
    (one[0].argsort() == one[1].argsort()).all(),
    ", GATv2",
    (two[0].argsort() == two[1].argsort()).all(),
)

# %% [markdown] claims="C238"
# **C238 · imprecise.** *“GAT lets each node weigh its own neighbours differently, so its attention is dynamic.”* The weights do differ, the ranking does not. With random weights and 8 nodes, all nodes
# share one favourite in 100% of the graphs; with GATv2 in about 35%. (That share depends on the sizes, and not on the scale of the weights: it is about 30% with 16 features, 46% with 4.)

# %%
counts = np.zeros((2, 2))
for _ in range(3000):
    counts += [[shares_its_top(scores), is_static(scores)] for scores in random_tables()]
share = counts / 3000
print(f"{'3000 random graphs':22}{'one favourite':>15}{'one order':>12}")
for name, row in zip(("GAT", "GATv2"), share, strict=True):
    print(f"{name:22}{row[0]:15.1%}{row[1]:12.1%}")
claim("C238", share[0, 0], 1, what="GAT: all 8 nodes share one favourite")
claim("C238", share[0, 1], 1, what="GAT: one order fits all rows, compared exactly")
claim("C238", share[1, 0], 0.35, 0.05, what="GATv2: all 8 nodes share one favourite (8 features)")
claim("C238", share[1, 1], at_most=0.01, what="GATv2: one order fits all rows")
for size, expected in ((4, 0.46), (16, 0.30)):
    found = np.mean([shares_its_top(random_tables(size=size)[1]) for _ in range(1500)])
    claim("C238", found, expected, 0.04, what=f"GATv2: all 8 nodes share one favourite ({size} features)")
spread = np.ptp(np.exp(one) / np.exp(one).sum(1, keepdims=True), axis=0).max()
claim("C238", spread, at_least=0.02, what="GAT: largest difference between two nodes' weights for one neighbour")

# %% [markdown]
# ## GATv2 moves one bracket
#
# **What is the smallest change that helps?** Put the non-linearity *between* the two linear maps:
#
# $$\text{GAT: } \operatorname{LeakyReLU}\big(a^\top W[\cdot]\big)\qquad\longrightarrow\qquad
# \text{GATv2: } e_{ij}=a^\top\operatorname{LeakyReLU}\big(W[h_i\Vert h_j]\big),\quad W\in\mathbb R^{F'\times2F}.$$
#
# In GAT, $a^\top$ and $W$ are neighbours and collapse into one vector. In GATv2 the score is a small network with a hidden layer of $F'$ units: additive attention ([02 · Bahdanau](02_bahdanau.ipynb)) with LeakyReLU in place of tanh. It
# no longer splits into a part of $i$ and a part of $j$. $W=[W_1\,W_2]$ has one block per end; the values are $W_2h_j$.
#
# **By hand.** $h$ a number, $W=\begin{pmatrix}1&-1\\-1&1\end{pmatrix}$, $a=(-1,-1)$: $e_{ij}=-(1-0.2)\,|h_i-h_j|$. Every node prefers the neighbour that is most like it.

# %%
h = np.array([[1.0], [2.0], [3.0]])
W, a = np.array([[1.0, -1.0], [-1.0, 1.0]]), np.array([-1.0, -1.0])
triple = np.stack([np.tile(np.arange(3), 3), np.repeat(np.arange(3), 3)])
near = gatv2_scores(h, W, a, triple).reshape(3, 3)
print(near, "\nfavourites", near.argmax(1), " static:", is_static(near))
print("LeakyReLU outside again, aᵀW[h_i ‖ h_j] = 0 · h_i + 0 · h_j: nothing is left of it", (a @ W))
assert near.argmax(1).tolist() == [0, 1, 2]
assert not (a @ W).any()

# %% [markdown]
# **Does it matter in training?** A task that needs it, after Brody et al.: a dictionary as a graph. Each of $k$ entries holds a key and a value; each of $k$ queries holds a key and reads *all* entries. Its
# answer is the value of its own entry. (The values are drawn independently. Were they a permutation, a network could also answer by reading all *but* its own: ours did.) All queries have the same neighbours, so a static head must give them all the same favourite entry. One layer, one head, 64 hidden units, 150 steps on 20 batches of
# random dictionaries; tested on new ones.


# %%
class Lookup(nn.Module):
    """One attention layer and a linear read-out."""

    def __init__(self, layer, size):
        super().__init__()
        self.attend, self.out = layer(3 * size, 64), nn.Linear(64, size)

    def forward(self, h, edges):
        return self.out(self.attend(h, edges))


SIZES = (4, 6, 8)


def look_up(kind, size, seed):
    torch.manual_seed(seed)
    graphs = [lookup(1000 * seed + k, size, copies=16) for k in range(20)]
    return train(Lookup({"GAT": GATLayer, "GATv2": GATv2Layer}[kind], size), graphs, 150, 0.01)


# %% tags=["nbval-ignore-output"]
found, solvers, frequent = {}, {}, {}
print("new dictionaries answered, three seeds")
for size in SIZES:
    for kind in ("GAT", "GATv2"):
        solvers[kind, size] = [look_up(kind, size, seed) for seed in SEEDS]
        found[kind, size] = [accuracy(net, lookup(99_000 + size, size, copies=32)) for net in solvers[kind, size]]
        report(f"{size} entries, {kind}", found[kind, size])
    dictionaries = lookup(99_000 + size, size, copies=32)
    values = dictionaries.labels[dictionaries.asked].reshape(32, size)
    frequent[size] = np.mean([np.bincount(row).max() / size for row in values])
    print(f"{'':4}one answer for all queries, the most frequent value: {frequent[size]:.0%}")
assert min(min(found["GATv2", size]) for size in SIZES) > 0.95
assert all(max(found["GAT", size]) < frequent[size] + 0.2 for size in SIZES)


# %% tags=["nbval-ignore-output"]
def read_weights(net, attention, size=6):
    h, edges, *_ = tensors(lookup(5, size))
    loops, weights, _ = attention(h, net.attend.W, net.attend.a, edges, 1)
    table = torch.zeros(2 * size, 2 * size)
    table[loops[1], loops[0]] = weights[:, 0].detach()
    return table[size:, :size].numpy()


# %% tags=["nbval-ignore-output"]
fig, axes = plt.subplots(1, 3, figsize=(12.5, 3.9))
names = [f"key {k}" for k in range(6)]
for ax, kind, attention in zip(axes, ("GAT", "GATv2"), (gat_attention, gatv2_attention), strict=False):
    heatmap(
        read_weights(solvers[kind, 6][0], attention),
        [f"ask {k}" for k in range(6)],
        names,
        ax=ax,
        title=f"{kind}: weights of the queries",
    )
    ax.tick_params(labelsize=8)
for kind, marker, line in (("GAT", "o", "--"), ("GATv2", "s", "-")):
    axes[2].plot(SIZES, [np.mean(found[kind, size]) for size in SIZES], marker=marker, linestyle=line, label=kind)
axes[2].plot(SIZES, list(frequent.values()), ":", color="black", marker="", label="most frequent value")
axes[2].set(title="Answered (mean of three seeds)", xlabel="entries", ylim=(0, 1.05), xticks=SIZES)
axes[2].legend()
show(
    fig,
    "GAT ranks the six entries alike for every query, some rows flatter than others; GATv2 has a bright diagonal. GATv2 answers everything, GAT hardly more than the most frequent value.",
)
# %% tags=["nbval-ignore-output"]
diagonal = [
    np.diag(read_weights(solvers[kind, 6][0], f)).mean()
    for kind, f in (("GAT", gat_attention), ("GATv2", gatv2_attention))
]
print(f"weight of a query on its own entry: GAT {diagonal[0]:.2f}, GATv2 {diagonal[1]:.2f}")
for kind, attention in (("GAT", gat_attention), ("GATv2", gatv2_attention)):
    favourites = [read_weights(net, attention).argmax(1).tolist() for net in solvers[kind, 6]]
    print(f"favourite entry of queries 0 … 5, three seeds: {kind}", *favourites)
    assert all(len(set(row)) == 1 if kind == "GAT" else row == list(range(6)) for row in favourites)
assert diagonal[1] > 0.7 > 0.4 > diagonal[0]

# %% [markdown]
# GAT does not fail at generalising: it cannot even fit. Why did it do well among friends and strangers? There the right preference is the *same* for everybody, "friends first", which a static ranking can express.
# More heads help a little (each has one favourite), and a second layer may move information around; the single head cannot.
#
# **The price.** GATv2 scores an edge with $F'$ multiply-adds, where GAT takes one addition, and keeps $F'$ hidden units per edge. With $W=[W_1\,W_2]$ it has about twice the parameters; sharing
# $W_1=W_2$ is common.

# %%
V, E, F_in, F_out = 10_000, 100_000, 64, 64
edges_all = E + V
costs = {
    "GCN": (V * F_in * F_out + edges_all * F_out, F_in * F_out),
    "GAT": (V * F_in * F_out + 2 * V * F_out + edges_all * F_out, F_in * F_out + 2 * F_out),
    "GATv2": (2 * V * F_in * F_out + 2 * edges_all * F_out, 2 * F_in * F_out + F_out),
    "GAT dense": (V * F_in * F_out + 2 * V * F_out + V * V * F_out, F_in * F_out + 2 * F_out),
}
for name, (multiply_adds, parameters) in costs.items():
    print(f"{name:10} {multiply_adds / 1e6:9,.0f} million multiply-adds, {parameters:6,} parameters")
layers = GCNLayer(F_in, F_out), GATLayer(F_in, F_out), GATv2Layer(F_in, F_out)
counted = [sum(p.numel() for p in layer.parameters()) - F_out for layer in layers]  # without the bias
assert counted == [costs[kind][1] for kind in KINDS]

# %% [markdown] question="Q100" kind="derive" minutes=6
# ### What is the known weakness of that GAT score and how is it fixed?
#
# <details><summary>Hint 1 · direction</summary>
#
# Split $a$ into its two halves. Which part of the score does the query control?
# </details>
# <details><summary>Hint 2 · insight</summary>
#
# LeakyReLU is increasing. Compare $e_{ij}$ with $e_{ik}$: what is left of the query? Then ask where the non-linearity must stand so that this argument breaks.
# </details>
# <details><summary>Sixty-second answer</summary>
#
# The attention is static. The vector a splits, so the score is LeakyReLU of u_i plus w_j: one number for the query, one for the neighbour. LeakyReLU is increasing, and adding u_i to all
# keeps their order. So every node ranks by the same w_j. Weights may be sharper or flatter, but nodes with the same neighbours always have the same favourite. A single
# head cannot solve a lookup, where each query needs its own key. GATv2 moves the bracket: a transposed times LeakyReLU of W times the concatenation. Now the non-linearity stands between
# two linear maps, the score is a small network of the pair, and the ranking can depend on the query. You can test it: with random weights and eight nodes, all have the same favourite
# in one hundred percent of the graphs with GAT, in about thirty-five with GATv2. The price is F prime multiply-adds per edge, and a second W unless it is shared.
# </details>
# <details><summary>Full answer</summary>
#
# **Claim.** For any $W$, $a=[a_1;a_2]$ and slope $s>0$: $e_{ij}\ge e_{ik}\iff w_j\ge w_k$, for every $i$.
#
# **Proof.** $a^\top[Wh_i\Vert Wh_j]=a_1^\top Wh_i+a_2^\top Wh_j=u_i+w_j$. $\operatorname{LeakyReLU}$ is strictly increasing: its slopes are 1 and $s>0$. So
# $e_{ij}\ge e_{ik}\iff u_i+w_j\ge u_i+w_k\iff w_j\ge w_k$. Softmax keeps order. Hence among any set of neighbours the favourite is $\arg\max_jw_j$, whoever asks. ∎
# - What **can** depend on $i$: the weights. If $u_i+w_j>0$ for all $j$, gaps are $w_j-w_k$; if all are below zero, gaps shrink to $s(w_j-w_k)$. The query chooses between sharp and flat.
# - **Consequence.** If two nodes share a neighbourhood and need different neighbours, one head cannot serve both. With $K$ heads there are at most $K$ favourites. Measured: in the
#   dictionary GAT does hardly better than naming the most frequent value, GATv2 answers everything.
# - **Fix.** $e_{ij}=a^\top\operatorname{LeakyReLU}(W[h_i\Vert h_j])$. The sum over hidden units, $\sum_ma_m\operatorname{LeakyReLU}(x_m(i)+y_m(j))$, does not split. Example: hidden units $h_i-h_j$ and $h_j-h_i$ with $a=(-1,-1)$ give
#   $-(1-s)|h_i-h_j|$: each prefers its like. Brody et al. prove more: with a wide enough hidden layer *any* choice of favourites is possible (dynamic attention).
# - Other fixes: dot-product scores $h_i^\top W_Q^\top W_Kh_j$ are dynamic too (a Transformer's attention never had the weakness).
# - **Test.** 3000 random graphs of 8 nodes, 8 features: all share one favourite in 100% (GAT) and about 35% (GATv2). The stronger test, one *order* fits all rows, holds in 100% and under 1%.
# - **When it does not matter**: if what is worth reading is the same for everybody, as with friends and strangers above.
# </details>
# <details><summary>How it is scored</summary>
#
# - **Strong hire**: proves the ranking with monotonicity, separates weights from ranking, gives a task that fails and why, writes GATv2's score and shows with an example that the argument breaks.
# - **Lean hire**: knows that GAT is static and that the LeakyReLU moves inside, but has no proof, or believes that the *weights* are equal for all nodes.
# - **No hire**: "GATv2 has more parameters" or "GAT needs more heads", with no word about the query.
# </details>
#
# **Red flag:** "in GAT all nodes have the same attention weights". Only the order is the same.
#
# **Follow-up:** is $q^\top k$ static? (No: the order of $q\cdot k_j$ depends on the direction of $q$. It would be with $d=1$ and queries of one sign.)

# %% [markdown]
# ## What interviewers ask next
#
# **Why are graph networks so shallow?** Each layer replaces a node by a mixture of its neighbours. Repeat that, and all nodes of a connected graph become alike: *over-smoothing*. We measure the mean cosine similarity
# of all pairs of nodes on the karate club after $d$ layers without weights ($W=I$, no non-linearity), for GCN and for GAT with random $a$. Attention does not prevent it: any mixture of neighbours with positive weights smooths.


# %%
def smoothness(kind, seed, depths=(0, 1, 2, 4, 8, 16, 32)):
    rng = np.random.default_rng(seed)
    h, found = rng.normal(size=(34, 8)), []
    for depth in range(max(depths) + 1):
        if depth in depths:
            unit = h / np.linalg.norm(h, axis=1, keepdims=True)
            found.append(((unit @ unit.T).sum() - 34) / (34 * 33))
        a = 0.3 * rng.normal(size=(1, 16))
        h = gcn_layer(h, np.eye(8), club.edges) if kind == "GCN" else gat_layer(h, np.eye(8), a, club.edges, 1)
    return found


# %%
DEPTHS = (0, 1, 2, 4, 8, 16, 32)
alike = {kind: np.array([smoothness(kind, seed) for seed in SEEDS]) for kind in ("GCN", "GAT")}
fig, ax = plt.subplots(figsize=(7, 3))
for kind, rows in alike.items():
    print(f"{kind}: depth {DEPTHS}: similarity", rows.mean(0))
    ax.plot(range(len(DEPTHS)), rows.mean(0), label=kind)
ax.set(
    xticks=range(len(DEPTHS)),
    xticklabels=DEPTHS,
    xlabel="layers",
    ylabel="mean cosine similarity",
    title="Over-smoothing: all nodes become alike",
)
ax.legend()
show(fig, "Similarity of nodes against depth: from 0 without a layer to nearly 1 after 32, for GCN and GAT alike.")
assert all((rows[:, -1] > 0.95).all() and (rows[:, 0] < 0.1).all() for rows in alike.values())

# %% [markdown]
# Remedies: few layers (two or three reach most of a small world), residual connections, or attention over the outputs of all layers.
#
# **Short answers to six more.**
#
# - *Edge features?* Add a third part to the score, $a^\top[Wh_i\Vert Wh_j\Vert W_ex_{ij}]$, and if they matter for the message, to the value too.
# - *Directed or typed edges?* An edge list is directed already. With types: one $W$ per type, or a type embedding as edge feature.
# - *When GCN, when GAT?* Neighbours alike in use (homophily, citation graphs): GCN is cheap and as good. Neighbours that differ: attention.
# - *Are the weights explanations?* They say what was read in one layer, not why the answer came; after two layers a node has read itself through others.
# - *Why no positional encoding?* Node order means nothing; but two nodes with the same surroundings cannot be told apart. Graph Transformers add structural encodings (Laplacian eigenvectors, degrees, distances).
# - *Batching graphs?* Put them side by side as one graph without edges between them (as the dictionaries above). No padding, no mask.

# %% [markdown]
# ## Pitfalls
#
# Mistakes that run without an error.

# %%
rng = np.random.default_rng(3)
h, W, a = rng.normal(size=(5, 3)), rng.normal(size=(2, 3)), rng.normal(size=(1, 4))
one_way = np.array([[0, 1, 2, 3], [1, 2, 3, 4]])
right = gat_layer(h, W, a, one_way, 1)

flipped = gat_layer(h, W, a, one_way[::-1], 1)  # 1. rows of the edge list swapped
print(f"edges flipped: off by {abs(flipped - right).max():.2f}; on an undirected graph nobody would notice")

scores = gat_scores(h, W, a[0], with_self_loops(one_way, 5))  # 2. softmax over all edges
everything = np.exp(scores) / np.exp(scores).sum()
print(
    "one softmax for all: sums per target", scatter_sum(everything, with_self_loops(one_way, 5)[1], 5), "instead of 1"
)

# %%
twice = np.concatenate([one_way, [[4], [4]]], axis=1)  # 3. a self-loop in the data
both = np.concatenate([twice, np.tile(np.arange(5), (2, 1))], axis=1)
weight = edge_softmax(gat_scores(h, W, a[0], both), both[1], 5)[(both == 4).all(0)].sum()
once = edge_softmax(scores, with_self_loops(one_way, 5)[1], 5)[-1]
print(f"self-loop kept and added: node 4 gives itself {weight:.2f} instead of {once:.2f}")
assert weight > once

alone = edge_softmax(gat_scores(h, W, a[0], one_way), one_way[1], 5)  # 4. no self-loops
print(
    "no self-loops: every node but 0 has one neighbour, so every weight is",
    alone,
    ": attention without a choice; node 0 gets nothing",
)
assert (alone == 1).all()

# %% [markdown]
# ## Analogies, and where they break
#
# | analogy | stands for | where it breaks |
# |---|---|---|
# | asking your friends | message passing | friends answer you; here everybody speaks once, to all, at the same time |
# | a show of hands, popular people count less | GCN's $1/\sqrt{d_id_j}$ | nobody looks at what is said |
# | a critic with one list of favourites | GAT: one ranking for all | the critic can still speak louder to some: weights differ, order does not |
# | a matchmaker | GATv2: the pair decides | a matchmaker pairs one to one; here each reads a mixture |
#
# ## In practice
#
# | use (typical sizes) | query; keys = values | advice |
# |---|---|---|
# | citation graph, 2.7k papers, 5k links | a paper; its ≈ 4 neighbours and itself | two layers, 8 heads of 8 features, strong dropout (Veličković et al. 2018, Cora) |
# | recommendation, 10⁸ users and items | a user; 10–25 sampled items | neighbour sampling; edge features such as time |
# | molecules, 25 atoms, batches of 128 | an atom; its ≤ 4 bonded neighbours | bond types as edge features; a read-out over all atoms |
# | fraud, payments with hubs | an account; thousands of payments | weights that can ignore: attention; cap the hubs |
#
# **What to do (2026), and what it rests on.** Start with GCN or a mean: two layers. If neighbours differ in use, take GATv2 rather than GAT: for about twice the cost it can do more (measured above; Brody et al. 2022
# find it equal or better on their benchmarks). Always report a baseline without the graph.
#
# **What gives a candidate away.** Strong: says "the order, not the weights" and derives it in two lines. Weak: recites the formula with $h_j$ in the sum, and takes $N(i)$ without $i$.

# %% [markdown]
# ## Takeaways
#
# 1. One layer is transform, weigh, sum; GCN's weights are fixed by degree: $1/\sqrt{d_id_j}$ ([Message passing with fixed weights](#Message-passing-with-fixed-weights)).
# 2. GAT scores with two numbers per node, normalises per target, and mixes *transformed* features; edge list and masked dense form are equal
#    ([Heads and self-loops](#Heads-and-self-loops), C236, C237).
# 3. Attention pays where neighbours differ in use; on the karate club it does not ([When neighbours differ in use](#When-neighbours-differ-in-use)).
# 4. GAT's ranking is static, for all weights; GATv2's is not, and only GATv2 looks things up
#    ([Static attention](#Static-attention), [GATv2 moves one bracket](#GATv2-moves-one-bracket), C238).
# 5. Layers are inductive: trained on one graph, run on another (C239). Deep stacks smooth, with attention too ([What interviewers ask next](#What-interviewers-ask-next)).

# %% [markdown]
# ## Cheat sheet
#
# | concept | formula | in one line | red flag |
# |---|---|---|---|
# | edge list | $(2,E)$: sources, targets | a message goes from row 0 to row 1 | swapped rows, hidden by undirected graphs |
# | GCN | $\sum_j Wh_j/\sqrt{d_id_j}$ | fixed weights, self-loop in the degree | "it learns which neighbour matters" |
# | GAT score | $\mathrm{LeakyReLU}_{0.2}(u_i+w_j)$ | two numbers per node | slope 0.01; $a$ the wrong way round |
# | edge softmax | per target, own maximum | scatter max, exp, scatter sum | one maximum for all: 0/0 |
# | GAT output | $\sum_j\alpha_{ij}Wh_j$ | values are transformed | $\sum_j\alpha_{ij}h_j$ (C237) |
# | heads | concat inside, mean at the end | head $k$ owns a block of rows | a reshape that mixes heads |
# | static | order by $w_j$ for every $i$ | weights differ, ranking does not | "all weights are equal" |
# | GATv2 | $a^\top\mathrm{LeakyReLU}(W[h_i\Vert h_j])$ | non-linearity before $a$ | LeakyReLU outside again |
# | cost | $O(VFF'+EF')$ | dense: $V^2$ scores | building the $V\times V$ table |

# %% [markdown]
# ## Check yourself
#
# Mark each row from 1 (cannot), 2 (vaguely), 3 (can explain), 4 (can derive) to 5 (could teach). Aim at 4; come back to what is below in three days.
#
# | I can | 1–5 | if below 4 |
# |---|---|---|
# | explain message passing and derive GCN's weights from the matrix form | | [Message passing with fixed weights](#Message-passing-with-fixed-weights) |
# | code GAT over an edge list, heads and self-loops included | | tasks `graphs.gat_scores`, `graphs.edge_softmax`, `graphs.gat_layer` |
# | prove that GAT is static, and test it | | [Static attention](#Static-attention), tasks `graphs.is_static`, `graphs.proof` |
# | write GATv2 and say what it costs | | [GATv2 moves one bracket](#GATv2-moves-one-bracket), task `graphs.gatv2_scores` |
# | teach when attention on a graph pays, and when not | | [When neighbours differ in use](#When-neighbours-differ-in-use) |

# %% [markdown]
# ## Now you
#
# Open [your copy of the assignment](../work/21_graphs/21_graphs.ipynb) (made by `make study`; the
# [released exercise](../exercises/21_graphs/21_graphs.ipynb) stays untouched): five functions and a written proof. A check tells you at once whether you
# are right and, if not, which mistake it is.
#
# **Sources.** Kipf and Welling 2017, *Semi-Supervised Classification with Graph Convolutional Networks*, section 2 (equation 2; the karate club in their appendix). Veličković et al. 2018, *Graph Attention
# Networks*, section 2 (equations 1 to 6). Brody, Alon and Yahav 2022, *How Attentive are Graph Attention Networks?*, sections 3 and 4.1 (static and dynamic attention, the dictionary lookup).
# Hamilton, Ying and Leskovec 2017, *Inductive Representation Learning on Large Graphs* (GraphSAGE). Zachary 1977, *An Information Flow Model for Conflict and Fission in Small Groups* (the club).
