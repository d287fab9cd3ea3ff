# %% [markdown] locked="intro"
# # Assignment 07 · Masks: padding, causality, leaks and empty rows
#
# **What you will have written at the end:** the three masks that models are trained with, a softmax that obeys any of them in any
# precision, and a test that finds the first place where a model reads the future.
#
# - **Before:** the lecture [07 · Masks](../../notebooks/07_masks.ipynb).
# - **Time:** about 60 minutes. **Points:** 19, of which 4 are for a written proof that a person reads.
# - **How it works:** replace `raise NotImplementedError()` with your code, run the cell, run the check below it. The check says
#   within a second whether you are right and, if not, *which* mistake it is. Check as often as you like.
# - **Stuck?** Run `hint("masks.causal")` (any task's name) in a cell of your own: three hints each, the first gives a direction,
#   the last almost the code.
#
# **Conventions.** A mask is boolean, and True means *may attend*. Rows are queries, columns are keys. A query that may attend to
# nothing gets zeros, and finite gradients. Hidden places hold any finite numbers. Keep the dtype of your inputs, let gradients through,
# and never modify an input. You need not check shapes.

# %% locked="setup"
import torch

from autograder import check, hint

# %% [markdown]
# ## 1. Which keys are real
#
# `padding_mask(lengths, n)` takes the lengths `(B,)` of B sequences, int64 from 0 to n, that were padded at the end to n positions. It
# returns a boolean tensor of shape `(B, 1, n)`: True for real keys, the same for every query.
#
# By hand: `lengths = [1, 2]`, `n = 2` give `[[[True, False]], [[True, True]]]`. A length of 0 gives a row of False.


# %% answer="masks.padding"
def padding_mask(lengths, n):
    """(B,) lengths, an int -> (B, 1, n) booleans, True for real keys."""
    ### BEGIN SOLUTION
    return torch.arange(n) < lengths[:, None, None]
    ### END SOLUTION


# %% check="masks.padding"
check("masks.padding", padding_mask)

# %% [markdown]
# ## 2. Not the future
#
# `causal_mask(n, m)` returns the boolean `(n, m)` mask of n queries over m keys. The *last* query stands at the *last* key, as it does
# behind a cache, so query i sees key j if and only if $j\le i+(m-n)$. With more queries than keys the first rows are empty.
#
# By hand: `causal_mask(2, 2)` is `[[True, False], [True, True]]`, `causal_mask(1, 2)` is `[[True, True]]`, and `causal_mask(2, 1)` is `[[False], [True]]`.


# %% answer="masks.causal"
def causal_mask(n, m):
    """n queries, m keys -> (n, m) booleans, aligned at the bottom right."""
    ### BEGIN SOLUTION
    return torch.arange(m) <= torch.arange(n)[:, None] + (m - n)  # (1, m) against (n, 1)
    ### END SOLUTION


# %% check="masks.causal"
check("masks.causal", causal_mask)

# %% [markdown]
# ## 3. Several sequences in one row
#
# Packing puts short sequences one behind the other, so that no place is wasted. `ids` of shape `(B, n)`, int64, says which segment each
# token belongs to. `segment_mask(ids)` returns `(B, n, n)`: True where query and key carry the same id, wherever they stand. Id 0 is
# padding: it is not seen, and it sees nothing. Every other id is positive, and it may be very large.
#
# By hand: `ids = [[7, 0]]` gives `[[[True, False], [False, False]]]`, and `ids = [[7, 7]]` gives all True.


# %% answer="masks.segment"
def segment_mask(ids):
    """(B, n) segment ids, 0 for padding -> (B, n, n) booleans."""
    ### BEGIN SOLUTION
    query, key = ids[:, :, None], ids[:, None, :]
    return (query == key) & (query != 0)
    ### END SOLUTION


# %% check="masks.segment"
check("masks.segment", segment_mask)

# %% [markdown]
# ## 4. Softmax over what is left
#
# `masked_softmax(scores, mask)` takes scores of any shape `(..., n, m)` (or a single row) and a boolean mask that broadcasts to them, and
# returns weights over the last axis:
#
# $$a_{ij}=\frac{\exp s_{ij}}{\sum_{k:\,\mathrm{mask}_{ik}}\exp s_{ik}}\ \text{ where the mask is True},\qquad a_{ij}=0\ \text{ elsewhere.}$$
#
# It must work, and keep the dtype, in float16, bfloat16, float32 and float64. Rows that may attend to nothing are zeros, with finite
# gradients. Large scores must not overflow, and what stands in hidden places, be it 60000 in float16, must not matter.
#
# By hand: scores `[[0, ln 3], [5, 5]]` with the mask `[[True, True], [False, False]]` give `[[0.25, 0.75], [0, 0]]`.


# %% answer="masks.masked_softmax"
def masked_softmax(scores, mask):
    """(..., n, m) scores, a mask that broadcasts to them -> (..., n, m) weights of the same dtype."""
    ### BEGIN SOLUTION
    weights = torch.softmax(scores.masked_fill(~mask, -torch.inf), dim=-1)  # NaN in rows without any key
    return weights.masked_fill(~mask, 0.0)
    ### END SOLUTION


# %% check="masks.masked_softmax"
check("masks.masked_softmax", masked_softmax)

# %% [markdown]
# ## 5. Where is the leak?
#
# `first_leak(weights, tolerance=0.0)` takes weights `(n, m)`, which are not negative, and returns the first place `(i, j)`, row by row,
# that your `causal_mask(n, m)` forbids and whose weight is above the tolerance: two Python ints, or `None` if there is no such place. Compare in the
# dtype of the weights: a float32 weight of 0.1 is not above a tolerance of 0.1. (`weights > tolerance` does just that.)
#
# By hand: `[[0.9, 0.1], [0.5, 0.5]]` gives `(0, 1)`; with `tolerance=0.1` it gives `None`.


# %% answer="masks.first_leak"
def first_leak(weights, tolerance=0.0):
    """(n, m) weights -> (i, j) of the first leak as Python ints, or None."""
    ### BEGIN SOLUTION
    n, m = weights.shape
    places = ((weights > tolerance) & ~causal_mask(n, m)).nonzero().tolist()
    return tuple(places[0]) if places else None
    ### END SOLUTION


# %% check="masks.first_leak"
check("masks.first_leak", first_leak)

# %% [markdown] locked="masks-proof-question"
# ## 6. In writing: what leaks, and what an added number hides
#
# A causal model is a stack of layers; each is causal self-attention with a residual connection, followed by maps that work on every
# position separately. The diagonal is visible.
#
# 1. Prove that output $i$ depends on tokens $0,\dots,i$ only.
# 2. Conclude that one pass over n tokens gives the same outputs as n passes over the prefixes, and that predicting token $i+1$ from output $i$
#    leaks nothing. What goes wrong if output $i$ is trained to predict token $i$?
# 3. A query has no key that it may attend to, and somebody *adds* $-10^9$ to all its scores, which are between −3 and 3. What are its weights in exact arithmetic,
#    in float64 and in float32, and why?
# 4. `masked_fill(-inf)`, softmax, `nan_to_num` has finite gradients in that row. The same with an *added* $-\infty$ does not. Why?
#
# One point each. Half a page is enough; write formulas between dollar signs.

# %% [markdown] written="masks.proof"
# ### BEGIN SOLUTION
# **1.** Induction over the layers; let $h_i$ be row $i$ before a layer. Before the first layer $h_i$ depends on token $i$ alone. Suppose each $h_j$
# depends on tokens $0,\dots,j$ only. The layer's attention gives $\sum_{j\le i}a_{ij}v_j$: the $v_j$ with $j\le i$ depend on tokens up to $j\le i$; the weights
# $a_{ij}=e^{s_{ij}}/\sum_{k\le i}e^{s_{ik}}$ use $q_i$ and $k_0,\dots,k_i$, so they depend on tokens up to $i$; forbidden scores are neither in the sum nor mixed.
# Adding $h_i$ and mapping position $i$ alone bring in nothing else. So the claim holds after the layer, and by induction after the last.
#
# **2.** Output $i$ is a function of the prefix $0,\dots,i$, and the run on that prefix computes the same function (same formulas, same rows), so its last
# output is output $i$ of the long run. One pass thus gives n predictions, each as if the future did not exist yet: token $i+1$ is not among its inputs. Token $i$
# is among them: trained to predict it, the model only has to copy its input. The loss goes to 0 and nothing is learned that could generate text.
#
# **3.** Softmax does not feel a number $c$ that is added to a whole row: $e^{s_j+c}/\sum_ke^{s_k+c}=e^{s_j}/\sum_ke^{s_k}$. So in exact arithmetic the weights are those of
# *no mask*. In float64 neighbours near $10^9$ lie $1.2\cdot10^{-7}$ apart, so the scores survive to about $10^{-7}$: again the weights of no mask. In float32 they
# lie 64 apart; $-10^9+s$ rounds to $-10^9$ for every $|s|\le3$, all scores become equal, the weights uniform. Zeros come out nowhere.
#
# **4.** In a row of nothing but $-\infty$ softmax computes $-\infty-(-\infty)$: NaN. Its backward pass is $a\odot(g-a^\top g)$, NaN too, even for $g=0$, which is what `nan_to_num` hands back.
# `masked_fill` replaced the score by a constant: the gradient of a replaced place with respect to the score is 0, whatever comes back, and the NaN ends there. A
# sum $s+b$ has the derivative 1 with respect to $s$: the NaN is handed on to the score, and from there into every weight of the model.
# ### END SOLUTION

# %% [markdown]
# ## Done?
#
# Press **Validate** above (or run *Kernel → Restart and Run All*): every check must be green. Then try, without looking: say in one minute which of −10⁹,
# `finfo.min` and −∞ you use, what each does to a row without any key in float16, float32 and float64, and how you would prove that a model leaks nothing. Interviewers ask this.
