# %% [markdown] locked="intro"
# # Assignment 24 · Coverage: against repetition and omission
#
# **What you will have written at the end:** the memory that keeps a decoder from reading the same place twice, as a vector, as a
# term of the score and as a loss; its rival, the doubly stochastic penalty; and a counter that says whether any of it helped.
#
# - **Before:** the lecture [24 · Coverage](../../notebooks/24_coverage.ipynb).
# - **Time:** about 60 minutes. **Points:** 18, of which 4 are for a written proof that a person reads.
# - **How it works:** replace `raise NotImplementedError()` with your code, run the cell, run the check below it. The check says
#   within a second whether you are right and, if not, *which* mistake it is. Check as often as you like.
# - **Stuck?** Run `hint("coverage.loss")` (any task's name) in a cell of your own: three hints each, the first gives a direction,
#   the last almost the code.
#
# **Conventions.** A batch has B sequences, T decoder steps and n source positions; `weights` of shape `(B, T, n)` has one row per
# step. Sequences end at different steps: `steps` of shape `(B,)`, int64, from 1 to T, says how many rows are real. Real rows sum to
# 1; rows behind them hold any finite numbers. Keep the dtype of your inputs (float32 and float64 both occur), let gradients through, and
# never modify an input. You need not check shapes.

# %% locked="setup"
import torch

from autograder import check, hint

# %% [markdown]
# ## 1. What has been read before each step
#
# `coverage_vectors(weights)` gives $c_t=\sum_{t'<t}a_{t'}$ for every step, with shape `(B, T, n)` like `weights`. Before the first step
# nothing has been read. (Sum whatever stands there; which rows are real does not matter yet.)
#
# By hand: the rows `[0.5, 0.5]`, `[1, 0]`, `[0, 1]` give `[0, 0]`, `[0.5, 0.5]`, `[1.5, 0.5]`.


# %% answer="coverage.vectors"
def coverage_vectors(weights):
    """(B, T, n) weights -> (B, T, n): the attention each position has had before each step."""
    ### BEGIN SOLUTION
    before = weights[:, :-1].cumsum(dim=1)  # (B, T - 1, n)
    return torch.cat([torch.zeros_like(weights[:, :1]), before], dim=1)
    ### END SOLUTION


# %% check="coverage.vectors"
check("coverage.vectors", coverage_vectors)

# %% [markdown]
# ## 2. Scores that know it
#
# `coverage_scores(s, H, c, W_s, W_h, w_c, b, v)` is the additive score with the coverage of each position as one more feature:
#
# $$e_i=v^\top\tanh(W_hh_i+W_ss+w_c\,c_i+b).$$
#
# | argument | `s` | `H` | `c` | `W_s` | `W_h` | `w_c`, `b`, `v` | result |
# |---|---|---|---|---|---|---|---|
# | shape | `(B, d_s)` | `(B, n, d_h)` | `(B, n)` | `(d_a, d_s)` | `(d_a, d_h)` | `(d_a,)` each | `(B, n)` |
#
# By hand, all sizes 1 but n = 2: `s = [[0]]`, `H = [[[1], [1]]]`, `c = [[0, 1]]`, `W_s = W_h = [[1]]`, `w_c = [-1]`, `b = [0]`, `v = [2]` give
# `[[2 tanh 1, 0]]`: the second position, read before, now scores lower.


# %% answer="coverage.scores"
def coverage_scores(s, H, c, W_s, W_h, w_c, b, v):
    """One decoder state, n annotations and their coverage -> (B, n) scores."""
    ### BEGIN SOLUTION
    hidden = H @ W_h.T + (s @ W_s.T)[:, None, :] + c[:, :, None] * w_c + b  # (B, n, d_a)
    return torch.tanh(hidden) @ v
    ### END SOLUTION


# %% check="coverage.scores"
check("coverage.scores", coverage_scores)

# %% [markdown]
# ## 3. A loss for looking twice
#
# `coverage_loss(weights, steps)` gives one number per sequence: the mean, over its real steps, of $\sum_i\min(a_{t,i},c_{t,i})$. Use the
# formula as it stands, since its gradient is checked too: it flows through the weights of the step *and* through those of earlier steps.
#
# By hand: the rows `[0.5, 0.5]`, `[1, 0]` with `steps = 2` overlap by 0 and by 0.5, so the loss is 0.25. With `steps = 1` it is 0.


# %% answer="coverage.loss"
def coverage_loss(weights, steps):
    """(B, T, n) weights, (B,) numbers of real steps -> (B,) mean overlaps."""
    ### BEGIN SOLUTION
    overlap = torch.minimum(weights, coverage_vectors(weights)).sum(dim=-1)  # (B, T)
    real = torch.arange(weights.shape[1]) < steps[:, None]  # (B, T)
    return torch.where(real, overlap, torch.zeros_like(overlap)).sum(dim=1) / steps
    ### END SOLUTION


# %% check="coverage.loss"
check("coverage.loss", coverage_loss)

# %% [markdown]
# ## 4. The rival: every column should sum to one
#
# `doubly_stochastic_penalty(weights, steps)` gives $\sum_i(1-\sum_ta_{t,i})^2$ per sequence, where $t$ runs over the real steps.
#
# By hand: the rows `[0.5, 0.5]`, `[1, 0]` with `steps = 2` have the totals 1.5 and 0.5, so the penalty is 0.25 + 0.25 = 0.5.


# %% answer="coverage.doubly_stochastic"
def doubly_stochastic_penalty(weights, steps):
    """(B, T, n) weights, (B,) numbers of real steps -> (B,) penalties."""
    ### BEGIN SOLUTION
    real = torch.arange(weights.shape[1]) < steps[:, None]  # (B, T)
    total = torch.where(real[:, :, None], weights, torch.zeros_like(weights)).sum(dim=1)  # (B, n)
    return ((1 - total) ** 2).sum(dim=-1)
    ### END SOLUTION


# %% check="coverage.doubly_stochastic"
check("coverage.doubly_stochastic", doubly_stochastic_penalty)

# %% [markdown]
# ## 5. Did it help?
#
# `repetition_rate(tokens, n)` takes a list of whole numbers and n ≥ 1, in plain Python. Of its `len(tokens) - n + 1` overlapping n-grams it
# returns the share that already occurred at an earlier position, as a float; `0.0` if there is no n-gram.
#
# By hand: `[7, 8, 7, 8, 7]` has the bigrams 78, 87, 78, 87. The last two were there before: `0.5`.


# %% answer="coverage.repetition"
def repetition_rate(tokens, n):
    """A list of ints, n >= 1 -> the share of n-grams that occurred before, a float."""
    ### BEGIN SOLUTION
    grams = [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
    return (len(grams) - len(set(grams))) / len(grams) if grams else 0.0
    ### END SOLUTION


# %% check="coverage.repetition"
check("coverage.repetition", repetition_rate)

# %% [markdown] locked="coverage-proof-question"
# ## 6. In writing: what the loss punishes, and what it does not
#
# Let $o_t=\sum_i\min(a_{t,i},c_{t,i})$ be the overlap of step $t$, and $S_i=\sum_ta_{t,i}$ the total of position $i$. Prove:
#
# 1. $0\le o_t\le1$, and $o_0=0$.
# 2. $\sum_to_t=0$ if and only if no position gets weight at two different steps. Conclude that leaving out half of the source is free.
# 3. Uniform attention with $T=n$ costs $n-1$ in sum over the steps, although every $S_i=1$.
# 4. $\sum_t\min(a_{t,i},c_{t,i})\ge S_i-1$: too much is punished, too little is not. Then say in one sentence for which kind of task
#    you would prefer the doubly stochastic penalty, and for which not.
#
# One point each. Half a page is enough; write formulas between dollar signs.

# %% [markdown] written="coverage.proof"
# ### BEGIN SOLUTION
# **1.** $a,c\ge0$, so every minimum is at least 0; and $\min(a,c)\le a$, so $o_t\le\sum_ia_{t,i}=1$. As $c_0=0$, all minima of the first step
# are 0.
#
# **2.** A sum of non-negative numbers is 0 if and only if each is. $\min(a_{t,i},c_{t,i})>0$ means that $a_{t,i}>0$ and that some earlier $a_{t',i}>0$:
# the position got weight at two steps. Reading 4 of 8 positions once each has no such position, so it costs 0, and the other four are never read.
#
# **3.** $a_{t,i}=1/n$ and $c_{t,i}=t/n\ge1/n$ for $t\ge1$. So $o_t=n\cdot\frac1n=1$ for each of the $n-1$ later steps, and $o_0=0$: in sum $n-1$, that is 7 for
# $n=8$. Yet $S_i=n\cdot\frac1n=1$: the doubly stochastic penalty is 0.
#
# **4.** For one position, $a_t-\min(a_t,c_t)=\max(0,a_t-c_t)$. Let $m_t$ be the largest of $a_0,\dots,a_t$ ($m_{-1}=0$). As $c_t\ge m_{t-1}$,
# $\max(0,a_t-c_t)\le\max(0,a_t-m_{t-1})=m_t-m_{t-1}$. The sum telescopes to the largest weight, which is at most 1. So
# $\sum_t\min(a_t,c_t)\ge S-1$. If $S<1$ the bound says nothing, and by 2 the cost may be 0. The doubly stochastic penalty suits tasks in which all of the source
# must be said (translation, a caption of all parts of an image), not a summary, whose purpose is to leave most of it out.
# ### END SOLUTION

# %% [markdown]
# ## Done?
#
# Press **Validate** above (or run *Kernel → Restart and Run All*): every check must be green. Then try, without looking: say in one minute
# what the coverage loss cannot do, with the example of eight positions. Interviewers ask this.
