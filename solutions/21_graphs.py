# %% [markdown] locked="intro"
# # Assignment 21 · Graphs: GCN, GAT, GATv2
#
# **What you will have written at the end:** a graph attention layer over an edge list, in three steps; the score of GATv2; a test that tells static attention
# from dynamic; and a proof of what that test finds.
#
# - **Before:** the lecture [21 · Graphs](../../notebooks/21_graphs.ipynb).
# - **Time:** about 75 minutes. **Points:** 22, of which 4 are for a written proof that a person reads.
# - **How it works:** replace `raise NotImplementedError()` with your code, run the cell, run the check below it. The check says
#   within a second whether you are right and, if not, *which* mistake it is. Check as often as you like.
# - **Stuck?** Run `hint("graphs.gat_layer")` (any task's name) in a cell of your own: three hints each, the first gives a direction,
#   the last almost the code.
#
# **Conventions.** A graph has V nodes with F features each, `h` of shape `(V, F)`, and E edges, `edges` of shape `(2, E)`, int64: row 0 holds the **sources** j, row 1 the
# **targets** i. A message goes from j to i. The edges come in no particular order; the same edge may be given several times. Keep the dtype of your inputs (float32 and float64 both
# occur), let gradients through, and never modify an input. You need not check shapes.

# %% locked="setup"
import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it

from autograder import check, hint

# %% [markdown]
# ## 1. How well an edge fits
#
# `gat_scores(h, W, a, edges, slope=0.2)` gives one score per edge, in the order of the edges:
#
# $$e_{ij}=\operatorname{LeakyReLU}\big(a^\top[Wh_i\,\Vert\,Wh_j]\big),$$
#
# the target first. Score the edges as they are given, self-loops too.
#
# | argument | `h` | `W` | `a` | `edges` | result |
# |---|---|---|---|---|---|
# | shape | `(V, F)` | `(F', F)` | `(2F',)` | `(2, E)` | `(E,)` |
#
# By hand: `h = [[1, 1], [3, 0]]`, `W = [[1, 0], [0, -2]]`, `a = [1, 0, 0, 2]`. Then $Wh_0=(1,-2)$, $Wh_1=(3,0)$. With `edges = [[0, 1], [1, 0]]` the edge 0 → 1 has
# $3+2\cdot(-2)=-1$, and so the score −0.2; the edge 1 → 0 has $1+0=1$.


# %% answer="graphs.gat_scores"
def gat_scores(h, W, a, edges, slope=0.2):
    """(V, F) nodes, (F', F) W, (2F',) a, (2, E) edges -> (E,) scores."""
    ### BEGIN SOLUTION
    source, target = edges
    Wh, size = h @ W.T, len(W)
    u, w = Wh @ a[:size], Wh @ a[size:]  # two numbers per node
    return F.leaky_relu(u[target] + w[source], slope)
    ### END SOLUTION


# %% check="graphs.gat_scores"
check("graphs.gat_scores", gat_scores)

# %% [markdown]
# ## 2. A softmax per target
#
# `edge_softmax(scores, targets, nodes)` turns scores `(E,)` into weights `(E,)`: a softmax among the edges that share a target. `targets` is `(E,)`, int64, from 0 to `nodes - 1`, in no particular
# order; some nodes may have no edge, and there may be no edge at all. It must be stable, however far apart the scores of two targets are.
#
# By hand: `scores = [0, 5, log 3]`, `targets = [1, 0, 1]`, `nodes = 3` give `[0.25, 1, 0.75]`.


# %% answer="graphs.edge_softmax"
def edge_softmax(scores, targets, nodes):
    """(E,) scores, (E,) targets, the number of nodes -> (E,) weights that sum to one per target."""
    ### BEGIN SOLUTION
    lowest = torch.full((nodes,), -torch.inf, dtype=scores.dtype)
    peak = lowest.scatter_reduce(0, targets, scores.detach(), "amax")  # cancels, so it needs no gradient
    exp = (scores - peak[targets]).exp()
    return exp / torch.zeros_like(lowest).index_add(0, targets, exp)[targets]
    ### END SOLUTION


# %% check="graphs.edge_softmax"
check("graphs.edge_softmax", edge_softmax)

# %% [markdown]
# ## 3. The whole layer
#
# `gat_layer(h, W, a, edges, heads, concat=True, slope=0.2)`:
#
# 1. **edges:** drop the self-loops that are given, then add one per node; an edge that is given twice counts twice; there may be no edge at all;
# 2. **heads:** head k owns the rows $kF'\dots(k+1)F'-1$ of `W` and row k of `a`;
# 3. scores and softmax as above, then $h_i'=\sum_j\alpha_{ij}Wh_j$ for each head;
# 4. the heads side by side, head 0 first (`concat=True`), or their mean (`concat=False`). No non-linearity at the end.
#
# | argument | `h` | `W` | `a` | `edges` | result |
# |---|---|---|---|---|---|
# | shape | `(V, F)` | `(heads·F', F)` | `(heads, 2F')` | `(2, E)` | `(V, heads·F')` or `(V, F')` |
#
# By hand: `h = [[2], [4]]`, `W = [[1]]`, `a = [[0, 0]]`, `edges = [[0], [1]]`, one head. All scores are 0, so node 0 reads itself, 2, and node 1 reads the mean of 2 and 4: `[[2], [3]]`.


# %% answer="graphs.gat_layer"
def gat_layer(h, W, a, edges, heads, concat=True, slope=0.2):
    """(V, F) nodes, (heads·F', F) W, (heads, 2F') a, (2, E) edges -> (V, heads·F'), or (V, F') averaged."""
    ### BEGIN SOLUTION
    V = len(h)
    loops = torch.arange(V).expand(2, -1)
    source, target = torch.cat([edges[:, edges[0] != edges[1]], loops], dim=1)
    Wh = (h @ W.T).reshape(V, heads, -1)
    a_target, a_source = a.chunk(2, dim=1)
    scores = F.leaky_relu((Wh * a_target).sum(-1)[target] + (Wh * a_source).sum(-1)[source], slope)  # (E + V, heads)
    weights = torch.stack([edge_softmax(one_head, target, V) for one_head in scores.T], dim=1)
    out = torch.zeros_like(Wh).index_add(0, target, weights[..., None] * Wh[source])
    return out.flatten(1) if concat else out.mean(dim=1)
    ### END SOLUTION


# %% check="graphs.gat_layer"
check("graphs.gat_layer", gat_layer)

# %% [markdown]
# ## 4. One bracket moved
#
# `gatv2_scores(h, W, a, edges, slope=0.2)` gives $e_{ij}=a^\top\operatorname{LeakyReLU}\big(W[h_i\,\Vert\,h_j]\big)$, the target first again. Now `W` is `(F', 2F)` and `a` is `(F',)`.
#
# By hand: `h = [[1], [3]]`, `W = [[1, -1], [-1, 1]]`, `a = [1, 2]`. For the edge 0 → 1 the hidden units are $3-1=2$ and $-2$; LeakyReLU makes them 2 and −0.4, so the score is $2-0.8=1.2$.
# For 1 → 0 they are −2 and 2, so $-0.4+4=3.6$.


# %% answer="graphs.gatv2_scores"
def gatv2_scores(h, W, a, edges, slope=0.2):
    """(V, F) nodes, (F', 2F) W, (F',) a, (2, E) edges -> (E,) scores."""
    ### BEGIN SOLUTION
    source, target = edges
    pair = torch.cat([h[target], h[source]], dim=1)  # (E, 2F)
    return F.leaky_relu(pair @ W.T, slope) @ a
    ### END SOLUTION


# %% check="graphs.gatv2_scores"
check("graphs.gatv2_scores", gatv2_scores)

# %% [markdown]
# ## 5. Static, or not?
#
# `is_static(scores)` takes a NumPy table `(V, V)`, the score of node i (row) for neighbour j (column). It returns `True` if **one order of the columns fits every row**: walking along it, no row ever
# falls. Ties may break either way, values are compared exactly, and all columns count, j = i too. (A shared favourite is not enough.) Return a bool.
#
# By hand: `[[1, 2], [0, 0]]` is static, since the order 0, 1 fits both rows. `[[1, 2], [2, 1]]` is not.


# %% answer="graphs.is_static"
def is_static(scores):
    """(V, V) scores -> does one order of the columns fit every row?"""
    ### BEGIN SOLUTION
    better = (scores[:, :, None] > scores[:, None, :]).any(axis=0)  # some row ranks column j above column k
    return not bool((better & better.T).any())
    ### END SOLUTION


# %% check="graphs.is_static"
check("graphs.is_static", is_static)

# %% [markdown] locked="graphs-proof-question"
# ## 6. In writing: what GAT cannot prefer
#
# Let $s>0$ be the slope of LeakyReLU. Prove, and answer:
#
# 1. GAT's score is $\operatorname{LeakyReLU}(u_i+w_j)$ with one number $u_i$ of the query and one number $w_j$ of the neighbour.
# 2. So all nodes rank any set of neighbours alike. Say what may still differ between two nodes.
# 3. Give a task that a single GAT head cannot solve, and the condition under which your argument holds.
# 4. At which step does this proof fail for GATv2? Give weights and features, with numbers, for which two queries rank two neighbours differently.
#
# One point each. Half a page is enough; write formulas between dollar signs.

# %% [markdown] written="graphs.proof"
# ### BEGIN SOLUTION
# **1.** Write $a=[a_1;a_2]$. Then $a^\top[Wh_i\Vert Wh_j]=a_1^\top Wh_i+a_2^\top Wh_j=u_i+w_j$.
#
# **2.** LeakyReLU has the slopes 1 and $s>0$, so it is strictly increasing: $e_{ij}\ge e_{ik}\iff u_i+w_j\ge u_i+w_k\iff w_j\ge w_k$. The right side does not name $i$. Softmax keeps the order. The
# *weights* may differ: where $u_i+w_j>0$ for all j the gaps are $w_j-w_k$, where all are negative they are $s(w_j-w_k)$, so one node is sharper than the other.
#
# **3.** A lookup: queries $i_1,i_2$ read the same entries, and each must read mostly the entry with its own key, a different one for each. Both have the same favourite, so at least one of them gives its own entry no more weight than
# another one, at most a half. The condition is that they have the same neighbours (or both of these entries among them) and that one head must do it.
#
# **4.** In $a^\top\operatorname{LeakyReLU}(W[h_i\Vert h_j])$ the non-linearity stands between $a$ and $W$, so the sum over hidden units does not split into a part of i and a part of j: step 1 fails. Example: features are
# numbers, $W=\begin{pmatrix}1&-1\\-1&1\end{pmatrix}$, $a=(-1,-1)$, $s=0.2$. The hidden units are $h_i-h_j$ and $h_j-h_i$, so $e_{ij}=-0.8\,|h_i-h_j|$. Neighbours with $h=1$ and $h=3$: the query $h=1$ scores
# 0 and −1.6, the query $h=3$ scores −1.6 and 0. They rank them differently.
# ### END SOLUTION

# %% [markdown]
# ## Done?
#
# Press **Validate** above (or run *Kernel → Restart and Run All*): every check must be green. Then try, without looking: derive in one minute why GAT is static, and say what is *not* the same for all
# nodes. Interviewers ask this.
