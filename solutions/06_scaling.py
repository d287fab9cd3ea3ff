# %% [markdown]
# # Assignment 06 · Softmax, the variance proof, scaled dot-product attention
#
# **What you will have written at the end:** the formula of *Attention Is All You Need*, from an empty page, in NumPy, so
# that it survives large scores, masks, and queries that may look at nothing.
#
# - **Before:** the lecture [06 · Scaling](../../notebooks/06_scaling.ipynb).
# - **Time:** about 75 minutes. **Points:** 20, of which 5 are for a written proof that a person reads.
# - **How it works:** replace `raise NotImplementedError()` with your code, run the cell, run the check below it. The check says
#   within a second whether you are right and, if not, *which* mistake it is. Check as often as you like.
# - **Stuck?** Run `hint("scaling.softmax")` (any task's name) in a cell of your own: three hints each, the first gives a direction,
#   the last almost the code.
#
# **Conventions.** `...` means any number of batch axes, possibly none. A mask is boolean and **True means "may attend"**. A
# query that may attend to nothing gets zeros. Keep the dtype of your inputs (float32 and float64 both occur), and never modify
# them. You need not check shapes.

# %% locked="setup"
import numpy as np
import torch

from autograder import check, hint

# %% [markdown]
# ## 1. Softmax that never overflows
#
# `softmax(scores, axis=-1)` turns scores into weights along one axis. Scores are finite or −inf.
#
# - A score of −inf gets exactly the weight 0.
# - A slice that holds nothing but −inf gets zeros: there is nothing to attend to.
# - It never overflows, however large the scores are.
#
# By hand: `softmax([[0, 0], [0, ln 3]])` is `[[0.5, 0.5], [0.25, 0.75]]`.


# %% answer="scaling.softmax"
def softmax(scores, axis=-1):
    """Weights that sum to one along `axis`; same shape and dtype as `scores`."""
    ### BEGIN SOLUTION
    peak = scores.max(axis=axis, keepdims=True)
    peak = np.where(np.isfinite(peak), peak, np.zeros_like(peak))  # a slice of nothing but −inf has no finite maximum
    exp = np.exp(scores - peak)
    total = exp.sum(axis=axis, keepdims=True)
    return exp / np.where(total == 0, np.ones_like(total), total)
    ### END SOLUTION


# %% check="scaling.softmax"
check("scaling.softmax", softmax)

# %% [markdown]
# ## 2. Its Jacobian
#
# `softmax_jacobian(a)` takes **weights** `a` of shape `(..., n)`, as softmax returns them, and gives the matrices
# $J_{ij} = \partial a_i / \partial e_j$ of shape `(..., n, n)`. Only the weights are needed, not the scores.
#
# By hand: `a = [0.5, 0.5]` gives `[[0.25, -0.25], [-0.25, 0.25]]`.


# %% answer="scaling.softmax_jacobian"
def softmax_jacobian(a):
    """(..., n) weights -> (..., n, n) derivatives of weight i with respect to score j."""
    ### BEGIN SOLUTION
    identity = np.eye(a.shape[-1], dtype=a.dtype)
    return a[..., :, None] * (identity - a[..., None, :])  # a_i (δ_ij − a_j)
    ### END SOLUTION


# %% check="scaling.softmax_jacobian"
check("scaling.softmax_jacobian", softmax_jacobian)

# %% [markdown]
# ## 3. How far do dot products spread?
#
# `dot_variance(q, k)` takes N queries and N keys, both of shape `(N, d)`, and returns the **sample variance** (divisor N − 1, N ≥ 2) of
# the N dot products of row i with row i, as a Python float. It must stay accurate when the mean of the products is far from 0.
#
# By hand: `q = [[1, 0], [0, 2]]`, `k = [[1, 5], [5, 3]]` has the dot products 1 and 6, so the variance is 12.5.


# %% answer="scaling.dot_variance"
def dot_variance(q, k):
    """(N, d), (N, d) -> the sample variance of the N row-wise dot products, a float."""
    ### BEGIN SOLUTION
    dots = (q.astype(np.float64) * k).sum(axis=1)  # (N, d) -> (N,)
    return float(dots.var(ddof=1))
    ### END SOLUTION


# %% check="scaling.dot_variance"
check("scaling.dot_variance", dot_variance)

# %% [markdown]
# ## 4. Scores of unit variance
#
# `scaled_scores(q, k)` takes **torch** tensors `q` of shape `(..., n, d_k)` and `k` of shape `(..., m, d_k)` and returns
# $q k^\top / \sqrt{d_k}$ of shape `(..., n, m)`. Gradients must reach both.
#
# By hand, with $d_k = 4$: `q = [[2, 0, 0, 0], [0, 2, 0, 0]]`, `k = [[3, 1, 0, 0], [5, 0, 0, 0]]` gives `[[3, 5], [1, 0]]`.


# %% answer="scaling.scaled_scores"
def scaled_scores(q, k):
    """(..., n, d_k), (..., m, d_k) -> (..., n, m), torch."""
    ### BEGIN SOLUTION
    return q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5
    ### END SOLUTION


# %% check="scaling.scaled_scores"
check("scaling.scaled_scores", scaled_scores)

# %% [markdown]
# ## 5. The whole formula
#
# `scaled_dot_product_attention(q, k, v, mask=None)` in NumPy: `q` of shape `(..., n, d_k)`, `k` of shape `(..., m, d_k)`, `v` of shape
# `(..., m, d_v)`, and a boolean mask that can be broadcast to `(..., n, m)`. Return the output `(..., n, d_v)` **and** the weights
# `(..., n, m)`, in this order. A query that may attend to nothing gets zero weights and a zero output.
#
# By hand, with $d_k = 1$: `q = [[0], [ln 3]]`, `k = [[0], [1]]`, `v = [[4], [8]]` gives the weights `[[0.5, 0.5], [0.25, 0.75]]` and the
# output `[[6], [7]]`.


# %% answer="scaling.attention"
def scaled_dot_product_attention(q, k, v, mask=None):
    """(..., n, d_k), (..., m, d_k), (..., m, d_v), mask -> output (..., n, d_v), weights (..., n, m)."""
    ### BEGIN SOLUTION
    root = np.sqrt(
        np.asarray(q.shape[-1], dtype=q.dtype)
    )  # in q's dtype: NumPy would turn float32 / float64 into float64
    scores = q @ np.swapaxes(k, -1, -2) / root  # (..., n, d_k) @ (..., d_k, m) -> (..., n, m)
    if mask is not None:
        scores = np.where(mask, scores, np.asarray(-np.inf, dtype=scores.dtype))
    weights = softmax(scores)
    return weights @ v, weights  # (..., n, m) @ (..., m, d_v) -> (..., n, d_v)
    ### END SOLUTION


# %% check="scaling.attention"
check("scaling.attention", scaled_dot_product_attention)

# %% [markdown]
# ## 6. How large can an additive score get?
#
# Additive attention scores a pair by $v^\top \tanh(z)$, where $z \in \mathbb{R}^{d_a}$ depends on query and key.
# `additive_score_bound(v)` returns the least upper bound of $|v^\top \tanh(z)|$ over **all** z, as a Python float.
#
# By hand: for `v = [1, 0]` it is 1. What is it for `v = [1, -1]`?


# %% answer="scaling.additive_bound"
def additive_score_bound(v):
    """(d_a,) -> the smallest number that no |v · tanh(z)| exceeds, a float."""
    ### BEGIN SOLUTION
    return float(np.abs(v.astype(np.float64)).sum())  # each tanh can come as close to the sign of its v_i as one likes
    ### END SOLUTION


# %% check="scaling.additive_bound"
check("scaling.additive_bound", additive_score_bound)

# %% [markdown] locked="scaling-proof-question"
# ## 7. In writing: why the square root?
#
# Prove that $\operatorname{Var}(q \cdot k) = d_k$, **naming every assumption where you use it**. Then say what these assumptions leave
# out, why the divisor is $\sqrt{d_k}$ and not $d_k$, and why saturated weights starve the *scores* of gradient (and what they do not
# starve). Half a page is enough; write formulas between dollar signs. A person grades this with a rubric of five points, one
# for each of these parts and one for each half of the proof.

# %% [markdown] written="scaling.proof"
# ### BEGIN SOLUTION
# **One term.** Let $q_i, k_i$ have mean 0 and variance 1, and let $q_i$ be independent of $k_i$. By independence
# $E[q_i k_i] = E[q_i]\,E[k_i] = 0$ and $E[(q_i k_i)^2] = E[q_i^2]\,E[k_i^2] = 1$ (mean 0 makes the second moments the variances). So each
# term has mean 0 and variance 1.
#
# **The sum.** $q \cdot k = \sum_{i=1}^{d_k} q_i k_i$. If different components are independent too, then
# $\operatorname{Cov}(q_i k_i, q_j k_j) = E[q_i q_j]\,E[k_i k_j] - 0 = 0$ for $i \ne j$, so the variances add: $\operatorname{Var}(q \cdot k) = d_k$, and a
# typical score has size $\sqrt{d_k}$ (8 for $d_k = 64$). Nothing here needs a normal distribution; uncorrelated terms are enough.
#
# **What is left out.** The assumptions describe initialisation with normalised inputs. Training makes q and k correlate, which
# is its purpose, and a shared projection makes $q \cdot q$ have mean $d_k$. Another initialisation gives another constant.
#
# **Why the root.** $\operatorname{Var}(c\,X) = c^2 \operatorname{Var}(X)$: dividing by $\sqrt{d_k}$ gives variance 1 for every $d_k$; dividing by $d_k$ gives
# $1/d_k$, almost uniform weights in wide heads.
#
# **Why it matters.** Scores with spread $\sqrt{d_k}$ have gaps of that size, and softmax sees gaps only: $a_i/a_j = e^{e_i - e_j}$. Nearly one-hot
# weights make $J = \operatorname{diag}(a) - a a^\top$ nearly zero in *every* entry, the winner's $a_i(1 - a_i)$ included. The gradient reaches the scores, hence
# $W_Q$ and $W_K$, only through J, so they starve. The values, $W_V$, $W_O$ and the residual path do not pass through J and still learn. Overflow
# is another matter: subtracting the maximum removes it at any scale.
# ### END SOLUTION

# %% [markdown]
# ## Done?
#
# Press **Validate** above (or run *Kernel → Restart and Run All*): every check must be green. Then try, without looking: derive the
# Jacobian on paper, and say in one minute why "to prevent overflow" is a weak answer. Both are asked.
