# %% [markdown] locked="intro"
# # Assignment 05 · Queries, keys, values: a dictionary turned soft
#
# **What you will have written at the end:** a dictionary that answers with a mixture and survives any temperature, self-attention for
# any number of sequences at once, and the one matrix that its scores hide.
#
# - **Before:** the lecture [05 · Queries, keys, values](../../notebooks/05_qkv.ipynb).
# - **Time:** about 45 minutes. **Points:** 13, of which 4 are for a written proof that a person reads.
# - **How it works:** replace `raise NotImplementedError()` with your code, run the cell, run the check below it. The check says
#   within a second whether you are right and, if not, *which* mistake it is. Check as often as you like.
# - **Stuck?** Run `hint("qkv.soft_lookup")` (any task's name) in a cell of your own: three hints each, the first gives a direction,
#   the last almost the code.
#
# **Conventions.** Vectors are *rows*: a projection is `x @ W`. Leading `...` means any number of batch axes, possibly none. Keep the dtype of
# your inputs (float32 and float64 both occur), in torch let gradients through to all of them, and never modify an input. Softmax must
# not overflow, however large the scores. You need not check shapes.

# %% locked="setup"
import numpy as np
import torch

from autograder import check, hint

# %% [markdown]
# ## 1. A dictionary that answers with a mixture
#
# `soft_lookup(query, keys, values, temperature)`, in NumPy, compares every query with every key, turns the comparisons into shares, and
# returns the values mixed in these shares:
#
# $$\text{out}_i=\sum_j a_{ij}\,v_j,\qquad a_i=\operatorname{softmax}_j\!\Big(\frac{q_i\cdot k_j}{\tau}\Big).$$
#
# | argument | `query` | `keys` | `values` | `temperature` | result |
# |---|---|---|---|---|---|
# | shape | `(..., n, d)` | `(..., m, d)` | `(..., m, d_v)` | a Python float > 0 | `(..., n, d_v)` |
#
# The temperature goes down to `1e-30`, in float32 too; the vectors may be large, or so small that the scores themselves are near `1e-30`. Keys that tie for the best share its
# weight; a key that is second, by however little, gets nothing once the temperature is far below the difference.
#
# By hand: `keys = [[1, 0], [0, 1]]`, `values = [[10], [20]]`. The query `[[ln 3, 0]]` at temperature 1 has the shares ¾ and ¼, so it reads
# `[[12.5]]`. At temperature `1e-30` the query `[[1, 0]]` reads `[[10]]`, and `[[1, 1]]` reads `[[15]]`.


# %% answer="qkv.soft_lookup"
def soft_lookup(query, keys, values, temperature):
    """(..., n, d), (..., m, d), (..., m, d_v), a float > 0 -> (..., n, d_v)."""
    ### BEGIN SOLUTION
    scores = query @ np.swapaxes(keys, -1, -2)  # (..., n, m)
    # first subtract, then divide: a tie stays 0 / 1e-30 = 0, while 4e8 / 1e-30 is infinite in float32
    weights = np.exp((scores - scores.max(axis=-1, keepdims=True)) / temperature)
    return weights / weights.sum(axis=-1, keepdims=True) @ values
    ### END SOLUTION


# %% check="qkv.soft_lookup"
check("qkv.soft_lookup", soft_lookup)

# %% [markdown]
# ## 2. Self-attention
#
# `self_attention(x, W_q, W_k, W_v)`, in torch. Queries, keys and values are three projections of the same tokens:
#
# $$Q=xW_q,\quad K=xW_k,\quad V=xW_v,\qquad A=\operatorname{softmax}\!\Big(\frac{QK^\top}{\sqrt{d_k}}\Big),\qquad\text{out}=AV.$$
#
# | argument | `x` | `W_q`, `W_k` | `W_v` | out | weights |
# |---|---|---|---|---|---|
# | shape | `(..., n, d)` | `(d, d_k)` | `(d, d_v)` | `(..., n, d_v)` | `(..., n, n)` |
#
# Return the tuple `(out, weights)`. Each token sees all tokens of its own sequence, itself included, and none of another sequence. Gradients must reach
# all four inputs, through both outputs.
#
# By hand: `x = [[0], [1]]`, `W_q = [[ln 3]]`, `W_k = [[1]]`, `W_v = [[8]]`. The scores are `[[0, 0], [0, ln 3]]`, so the weights are
# `[[½, ½], [¼, ¾]]`, and with the values 0 and 8 the output is `[[4], [6]]`.


# %% answer="qkv.self_attention"
def self_attention(x, W_q, W_k, W_v):
    """(..., n, d), (d, d_k), (d, d_k), (d, d_v) -> out (..., n, d_v), weights (..., n, n)."""
    ### BEGIN SOLUTION
    q, k, v = x @ W_q, x @ W_k, x @ W_v
    scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5  # (..., n, n)
    weights = torch.softmax(scores, dim=-1)
    return weights @ v, weights
    ### END SOLUTION


# %% check="qkv.self_attention"
check("qkv.self_attention", self_attention)

# %% [markdown]
# ## 3. What two projections make together
#
# The score of two tokens, before scaling, is $q_i\cdot k_j=x_i\,M\,x_j^\top$ for one matrix $M$ that depends on `W_q` and `W_k` only.
# `score_form(W_q, W_k)`, in torch, returns it. `W_q` and `W_k` have the shape `(d, d_k)`, the result has `(d, d)`.
#
# By hand: `W_q = [[1], [2]]` and `W_k = [[3], [4]]` give `[[3, 4], [6, 8]]`. Check one entry: the token `[0, 1]` asks the token `[1, 0]` with the
# query 2 and finds the key 3, so the score is 6. The other way round it is 1 · 4 = 4.


# %% answer="qkv.score_form"
def score_form(W_q, W_k):
    """(d, d_k), (d, d_k) -> (d, d), the matrix M of the score x_i M x_j^T."""
    ### BEGIN SOLUTION
    return W_q @ W_k.T
    ### END SOLUTION


# %% check="qkv.score_form"
check("qkv.score_form", score_form)

# %% [markdown] locked="qkv-proof-question"
# ## 4. In writing: what a weighted mean cannot say, and what a shared projection cannot ask
#
# One head, rows as tokens, no mask unless one is named. $s_{ij}=q_i\cdot k_j$ before scaling; $a_{ij}$ are the weights. Prove:
#
# 1. For every vector $u$: $u\cdot\text{out}_i\le\max_j u\cdot v_j$. So the output lies in the convex hull of the values. Name one concrete output that no
#    weights can produce from the values 1 and 2, and say which part of a Transformer block can produce it all the same.
# 2. If all scores over the visible keys are equal, the output is the mean of the *visible* values. What does token $i$ get with $W_q=0$ under a causal mask?
# 3. Let $W_q=W_k$. Then $s_{ij}=s_{ji}$, and the token with the longest query scores no other token above itself. What follows if all queries
#    have the same length?
# 4. Still $W_q=W_k$: the *weights* need not be symmetric. Give two tokens and their weights as numbers.
#
# One point each. Half a page is enough; write formulas between dollar signs.

# %% [markdown] written="qkv.proof"
# ### BEGIN SOLUTION
# **1.** $a_{ij}>0$ and $\sum_ja_{ij}=1$, so $u\cdot\text{out}_i=\sum_ja_{ij}\,(u\cdot v_j)\le\max_ju\cdot v_j\sum_ja_{ij}=\max_ju\cdot v_j$. A point that satisfies this for every
# $u$ lies in the convex hull (else a hyperplane would separate it). From the values 1 and 2 every output lies between 1 and 2: 3 is impossible, though it is their
# sum. What comes after can leave the hull: the output projection $W_O$ (times 2), the residual connection (adds $x_i$), the feed-forward layer.
#
# **2.** With $r$ visible keys, all of score $s$: $a_{ij}=e^s/(re^s)=1/r$ for those, 0 for hidden ones. So the output is $\frac1r\sum_{j\text{ visible}}v_j$. With
# $W_q=0$ all scores are 0. Under a causal mask token $i$ (from 1) sees $1,\dots,i$ and gets $\frac1i(v_1+\dots+v_i)$: the running mean, not the mean of all.
#
# **3.** $s_{ij}=x_iWW^\top x_j^\top=(x_jWW^\top x_i^\top)^\top=s_{ji}$. As $q_j=k_j$, Cauchy and Schwarz give $s_{ij}=q_i\cdot q_j\le\lVert q_i\rVert\lVert q_j\rVert$. If no query is longer
# than $q_i$, this is at most $\lVert q_i\rVert^2=s_{ii}$. If all have the same length this holds for every $i$: every token's best match is itself
# (strictly, unless another has the very same query).
#
# **4.** Take $d=d_k=1$, $W=1$, $x_1=\sqrt2$, $x_2=0$. The scores are $\begin{pmatrix}2&0\\0&0\end{pmatrix}$, symmetric. The softmax of the rows:
# $(0.88,\,0.12)$ and $(0.5,\,0.5)$. So $a_{12}=0.12\ne0.5=a_{21}$: each row is divided by its own sum.
# ### END SOLUTION

# %% [markdown]
# ## Done?
#
# Press **Validate** above (or run *Kernel → Restart and Run All*): every check must be green. Then try, without looking: write down the shapes of
# everything between four tokens and their outputs, and say what breaks when two of the three projections are the same. Interviewers ask this.
