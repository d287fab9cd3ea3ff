# %% [markdown] locked="intro"
# # Assignment 08 · Heads: several look-ups at once
#
# **What you will have written at the end:** multi-head attention as it stands in every Transformer, from the split of the
# projections to the output; the variant that today's language models use to keep their caches small; and the count of its parameters.
#
# - **Before:** the lecture [08 · Heads](../../notebooks/08_heads.ipynb).
# - **Time:** about 75 minutes. **Points:** 19, of which 4 are for a written proof that a person reads.
# - **How it works:** replace `raise NotImplementedError()` with your code, run the cell, run the check below it. The check says
#   within a second whether you are right and, if not, *which* mistake it is. Check as often as you like.
# - **Stuck?** Run `hint("heads.multi_head")` (any task's name) in a cell of your own: three hints each, the first gives a direction,
#   the last almost the code.
#
# **Conventions.** A batch has B sequences; `n` tokens ask, `m` tokens are asked, each of d features. A mask is boolean and **True means
# "may attend"**; it broadcasts to the scores. A query that may attend to nothing gets zeros, in the weights and in the context, and
# finite gradients. Keep the dtype of your inputs (float32 and float64 both occur), let gradients through, and never modify an input.
# You need not check shapes, except where a task asks for a `ValueError`; its message must hold the word `heads`.

# %% locked="setup"
import math

import torch

from autograder import check, hint

# %% [markdown]
# ## 1. Split
#
# `split_heads(x, heads)` turns `(B, n, d)` into `(B, heads, n, d/heads)`. Head h (from 0) owns d/heads consecutive channels, from channel
# h · d/heads on, **of every token**. If heads does not divide d, raise a `ValueError` whose message holds the word `heads`.
#
# By hand, with `heads = 2`: the two tokens `[1, 2, 3, 4]` and `[5, 6, 7, 8]` give head 0 `[[1, 2], [5, 6]]` and head 1 `[[3, 4], [7, 8]]`.


# %% answer="heads.split"
def split_heads(x, heads):
    """(B, n, d) -> (B, heads, n, d/heads); ValueError if heads does not divide d."""
    ### BEGIN SOLUTION
    B, n, d = x.shape
    if d % heads:
        raise ValueError(f"heads={heads} does not divide d={d}")
    return x.reshape(B, n, heads, d // heads).transpose(1, 2)
    ### END SOLUTION


# %% check="heads.split"
check("heads.split", split_heads)

# %% [markdown]
# ## 2. Merge
#
# `merge_heads(x)` is the inverse: `(B, heads, n, d/heads)` becomes `(B, n, d)`, the heads of a token one after the other.
#
# By hand: head 0 with `[[1, 2], [5, 6]]` and head 1 with `[[3, 4], [7, 8]]` give the tokens `[1, 2, 3, 4]` and `[5, 6, 7, 8]`.


# %% answer="heads.merge"
def merge_heads(x):
    """(B, heads, n, d/heads) -> (B, n, d), the inverse of split_heads."""
    ### BEGIN SOLUTION
    B, heads, n, size = x.shape
    return x.transpose(1, 2).reshape(B, n, heads * size)
    ### END SOLUTION


# %% check="heads.merge"
check("heads.merge", merge_heads)

# %% [markdown]
# ## 3. Multi-head attention
#
# `multi_head_attention(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None)` projects, attends in every head, and mixes the heads:
#
# $$\mathrm{out}=[\mathrm{head}_0;\dots]\,W_o,\qquad
# \mathrm{head}_h=\mathrm{softmax}\Big(\frac{q_hk_h^\top}{\sqrt{d/\mathrm{heads}}}\Big)v_h,$$
#
# where $q_h$, $k_h$, $v_h$ are the parts of `x_q @ W_q`, `x_kv @ W_k` and `x_kv @ W_v` that belong to head h. No biases, no dropout.
# If heads does not divide d, raise a `ValueError` whose message holds `heads`. You may use your functions from above.
#
# | argument | `x_q` | `x_kv` | `W_q`, `W_k`, `W_v`, `W_o` | `mask` | first result | second result |
# |---|---|---|---|---|---|---|
# | what | who asks | who is asked | used as `x @ W` | `True`: may attend | the output | the weights |
# | shape | `(B, n, d)` | `(B, m, d)` | `(d, d)` each | broadcasts to `(B, heads, n, m)` | `(B, n, d)` | `(B, heads, n, m)` |
#
# By hand, with d = 2, heads = 2 (so each head has one channel) and all four matrices the identity: `x_q = [[[1, 0]]]`, `x_kv = [[[ln 3, 0], [0, 4]]]`.
# Head 0 has the query 1, the keys ln 3 and 0, so the scores ln 3 and 0, the weights 3/4 and 1/4, and with the values ln 3 and 0 the context ¾ ln 3.
# Head 1 has the query 0, so the weights 1/2 and 1/2, and with the values 0 and 4 the context 2. The output is `[[[¾ ln 3, 2]]]`.


# %% answer="heads.multi_head"
def multi_head_attention(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    """Tokens that ask, tokens that are asked, four matrices -> output (B, n, d), weights (B, heads, n, m)."""
    ### BEGIN SOLUTION
    q = split_heads(x_q @ W_q, heads)  # (B, heads, n, d/heads)
    k = split_heads(x_kv @ W_k, heads)  # (B, heads, m, d/heads)
    v = split_heads(x_kv @ W_v, heads)
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])  # (B, heads, n, m)
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    weights = torch.softmax(scores, dim=-1).nan_to_num()  # a row without any key is 0/0: it gets zeros
    return merge_heads(weights @ v) @ W_o, weights
    ### END SOLUTION


# %% check="heads.multi_head"
check("heads.multi_head", multi_head_attention)

# %% [markdown]
# ## 4. Groups that share keys and values
#
# A decoder keeps the keys and values of all earlier tokens. `grouped_query_attention(q, k, v, mask=None)` lets several query heads share one
# key-value head: query head i reads key-value head `i // (H_q // H_kv)`, both counted from 0. The heads are split already, and nothing is projected.
#
# | argument | `q` | `k`, `v` | `mask` | result |
# |---|---|---|---|---|
# | shape | `(B, H_q, n, d)` | `(B, H_kv, m, d)` | broadcasts to `(B, H_q, n, m)` | `(B, H_q, n, d)` |
#
# Scores are divided by √d, d being the size of one head. If H_kv does not divide H_q, raise a `ValueError` whose message holds `heads`.
# Return the context only.
#
# By hand, with one key each: 4 query heads and the 2 key-value heads with the values `[[5]]` and `[[7]]` give `5, 5, 7, 7`, not `5, 7, 5, 7`.


# %% answer="heads.grouped_query"
def grouped_query_attention(q, k, v, mask=None):
    """(B, H_q, n, d), (B, H_kv, m, d) twice -> (B, H_q, n, d); ValueError if H_kv does not divide H_q."""
    ### BEGIN SOLUTION
    H_q, H_kv = q.shape[1], k.shape[1]
    if H_q % H_kv:
        raise ValueError(f"{H_q} query heads cannot be shared out to {H_kv} key-value heads")
    k, v = (x.repeat_interleave(H_q // H_kv, dim=1) for x in (k, v))  # (B, H_q, m, d)
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])  # (B, H_q, n, m)
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    return torch.softmax(scores, dim=-1).nan_to_num() @ v
    ### END SOLUTION


# %% check="heads.grouped_query"
check("heads.grouped_query", grouped_query_attention)

# %% [markdown]
# ## 5. How many parameters?
#
# `parameter_count(d_model, heads, d_head=None, bias=False)` counts the entries of the four projections of multi-head attention, in plain
# Python: three lead from `d_model` to `heads · d_head`, one leads back. With `bias=True` each of the four has a bias as well, one number per output channel. If `d_head` is not
# given it is `d_model / heads`; where that is not whole, raise a `ValueError` whose message holds `heads`. Return an `int`, exact for any size.
#
# By hand: `parameter_count(2, 1)` is 4 · 2 · 2 = 16, and so is `parameter_count(2, 2)`. `parameter_count(2, 2, 3, True)` has heads 6 wide together:
# 4 · 2 · 6 = 48 weights and 6 + 6 + 6 + 2 = 20 biases, 68 in all.


# %% answer="heads.parameters"
def parameter_count(d_model, heads, d_head=None, bias=False):
    """Whole numbers -> the number of entries of the q, k, v and o projections, an int."""
    ### BEGIN SOLUTION
    if d_head is None:
        if d_model % heads:
            raise ValueError(f"heads={heads} does not divide d_model={d_model}")
        d_head = d_model // heads
    inner = heads * d_head
    return 4 * d_model * inner + (3 * inner + d_model if bias else 0)
    ### END SOLUTION


# %% check="heads.parameters"
check("heads.parameters", parameter_count)

# %% [markdown] locked="heads-proof-question"
# ## 6. In writing: what several heads add to one
#
# Let $A_i$ be the weights of head $i$, $c_i=A_iXW_v^i$ its context ($W_v^i$: the head's $d_k$ columns of $W_v$), and $h$ the number of heads. Prove or settle:
#
# 1. $[c_0;\dots;c_{h-1}]\,W_o=\sum_i c_iW_o^i$, where $W_o^i$ are the $d_k$ rows of $W_o$ that belong to head $i$.
# 2. For $h=1$ a matrix $W_o$ of its own is redundant: some other $W_v$ gives the same output without it. Why does your argument fail for $h\ge2$?
# 3. "At d = 512 multi-head attention has 33 % more parameters than a single head, 1,049K against 786K." Which two counts are these, what is right about
#    the sentence, and what is wrong?
# 4. The score matrix $QK^\top$ of a head has rank at most $d_k$. Give an example in which its softmax has a larger rank.
#
# One point each. Half a page is enough; write formulas between dollar signs.

# %% [markdown] written="heads.proof"
# ### BEGIN SOLUTION
# **1.** A product of a row of blocks with a column of blocks is the sum of the products of the blocks: entry $(t,j)$ of the left side is
# $\sum_r[c_0;\dots;c_{h-1}]_{t,r}(W_o)_{r,j}$. Sort the sum over $r$ by the head that owns channel $r$: each head contributes $\sum_{r'}(c_i)_{t,r'}(W_o^i)_{r',j}$.
#
# **2.** For $h=1$, $A(XW_v)W_o=AX(W_vW_o)$, as matrix products are associative. $W_vW_o$ is a $d\times d$ matrix; used as $W_v$, with nothing behind it, it gives the same
# output for every $X$. For $h\ge2$ the output is $\sum_iA_iX(W_v^iW_o^i)$: there is no single $A$ behind which the matrices could be multiplied. And without $W_o$ each channel of the
# output comes from one head, so it depends on the weights of that head only; with $W_o$ it depends on those of all heads. No $W_v$ makes up for that.
#
# **3.** $1{,}048{,}576=4\cdot512^2$ counts $W_q,W_k,W_v,W_o$; it is the same for every number of heads with $d_k=d/h$, one head included. $786{,}432=3\cdot512^2$ is
# one head without $W_o$. The arithmetic is right ($4/3$), and so is that one head can do without $W_o$ (by 2). Wrong is the conclusion: the difference is the
# output matrix, not the number of heads. At equal structure the counts are equal.
#
# **4.** Every column of $QK^\top$ is a combination of the $d_k$ columns of $Q$. For an example take $d_k=1$, queries $0$ and $1$, keys $0$ and $\ln3$: the scores are
# $\begin{pmatrix}0&0\\0&\ln3\end{pmatrix}$, of rank 1, and the weights $\begin{pmatrix}1/2&1/2\\1/4&3/4\end{pmatrix}$ have the determinant $3/8-1/8=1/4$, so rank 2. In
# general $q_i=i$ and $k_j=j$ give $e^{ij}=(e^i)^j$, a Vandermonde matrix with distinct nodes, of full rank; dividing its rows by their sums does not change that.
# ### END SOLUTION

# %% [markdown]
# ## Done?
#
# Press **Validate** above (or run *Kernel → Restart and Run All*): every check must be green. Then try, without looking: write the shapes of every
# step of multi-head attention on paper, from `(B, n, d)` to `(B, n, d)`, and say at which one a forgotten transpose would go unnoticed. Interviewers ask this.
