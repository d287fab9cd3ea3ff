# %% [markdown]
# # Assignment 01 · The bottleneck, and why attention
#
# **What you will have written at the end:** a recurrent encoder with its last state, the read that replaced it, and the measurement
# that shows what the difference is worth.
#
# - **Before:** the lecture [01 · The bottleneck](../../notebooks/01_bottleneck.ipynb).
# - **Time:** about 60 minutes. **Points:** 16, of which 4 are for a written derivation that a person reads.
# - **How it works:** replace `raise NotImplementedError()` with your code, run the cell, run the check below it. The check says
#   within a second whether you are right and, if not, *which* mistake it is. Check as often as you like.
# - **Stuck?** Run `hint("bottleneck.attend")` (any task's name) in a cell of your own: three hints each, the first gives a direction,
#   the last almost the code.
#
# **Conventions.** Batches come first: `B` sequences, padded on the right to `T` steps. `lengths` of shape `(B,)`, int64, says how many
# steps of each sequence are real, 1 ≤ length ≤ T; what stands behind them may be any finite number and must not matter. Keep the dtype
# of your inputs (float32 and float64 both occur), and never modify them. Gradients have to flow through: `last_state` and `attend` are
# checked for them too. You need not check shapes.

# %% locked="setup"
import numpy as np
import torch

from autograder import check, hint

# %% [markdown]
# ## 1. An encoder
#
# `rnn_states(x, W_x, W_h, b)` runs a tanh network over a batch of sequences and returns **all** states:
#
# $$h_t = \tanh(W_x x_t + W_h h_{t-1} + b), \qquad h_0 = 0.$$
#
# Shapes: `x` is `(B, T, D)`, `W_x` is `(H, D)`, `W_h` is `(H, H)`, `b` is `(H,)`; the result is `(B, T, H)`, and $h_0$ is not part of it.
# Gradients must reach all four inputs, through all steps.
#
# By hand, with all sizes 1 but T = 2, and W_x = W_h = 1, b = 0: `x = [[[0.5], [0]]]` gives `[[[0.462], [0.432]]]`, since
# tanh(0.5) = 0.462 and tanh(0 + 0.462) = 0.432.


# %% answer="bottleneck.rnn_states"
def rnn_states(x, W_x, W_h, b):
    """(B, T, D), (H, D), (H, H), (H,) -> (B, T, H), torch."""
    ### BEGIN SOLUTION
    state = x.new_zeros(x.shape[0], W_h.shape[0])  # h_0, in x's dtype
    states = []
    for t in range(x.shape[1]):
        state = torch.tanh(x[:, t] @ W_x.T + state @ W_h.T + b)  # rows instead of columns: W x becomes x Wᵀ
        states.append(state)
    return torch.stack(states, dim=1)  # T times (B, H) -> (B, T, H)
    ### END SOLUTION


# %% check="bottleneck.rnn_states"
check("bottleneck.rnn_states", rnn_states)

# %% [markdown]
# ## 2. The code
#
# `last_state(h, lengths)` takes states `(B, T, H)` and returns, as `(B, H)`, the state at each sequence's **own last real step**.
#
# By hand: `h = [[[1], [2], [3]], [[4], [5], [6]]]` with lengths `[2, 3]` gives `[[2], [6]]`.


# %% answer="bottleneck.last_state"
def last_state(h, lengths):
    """(B, T, H), (B,) -> (B, H), torch."""
    ### BEGIN SOLUTION
    return h[torch.arange(h.shape[0]), lengths - 1]  # one pair (sequence, step) per sequence
    ### END SOLUTION


# %% check="bottleneck.last_state"
check("bottleneck.last_state", last_state)

# %% [markdown]
# ## 3. The read
#
# `attend(h, query, lengths)` lets one query per sequence read all its **real** states: score $e_j = h_j \cdot q$ (**no** scale),
# $a = \operatorname{softmax}(e)$ over the real steps, $c = \sum_j a_j h_j$. `query` is `(B, H)`. Return the context `(B, H)` **and** the
# weights `(B, T)`, in this order.
#
# - The weight of a step behind the length is exactly 0; those of the real steps sum to one.
# - Finite scores of any size must do no harm; those of padding may even overflow to ±∞.
#
# By hand, with H = 1: `h = [[[0], [1], [7]]]`, `query = [[ln 3]]`, lengths `[2]` gives the scores 0 and ln 3, the weights
# `[[0.25, 0.75, 0]]` and the context `[[0.75]]`.


# %% answer="bottleneck.attend"
def attend(h, query, lengths):
    """(B, T, H), (B, H), (B,) -> context (B, H), weights (B, T), torch."""
    ### BEGIN SOLUTION
    scores = (h @ query[:, :, None])[:, :, 0]  # (B, T, H) @ (B, H, 1) -> (B, T)
    padding = torch.arange(h.shape[1]) >= lengths[:, None]  # (B, T)
    weights = torch.softmax(scores.masked_fill(padding, -torch.inf), dim=-1)
    return (weights[:, None, :] @ h)[:, 0, :], weights  # (B, 1, T) @ (B, T, H) -> (B, H)
    ### END SOLUTION


# %% check="bottleneck.attend"
check("bottleneck.attend", attend)

# %% [markdown]
# ## 4. The measurement
#
# `accuracy_by_length(lengths, correct, edges)` works on **NumPy** arrays: N source lengths (whole numbers), N booleans, and K + 1
# increasing whole numbers, K ≥ 1. Return K float64 numbers: the share of correct answers among the lengths with
# `edges[k] <= length < edges[k + 1]`. An empty bucket gives NaN. Lengths outside all buckets are ignored.
#
# By hand: lengths `[3, 5, 5, 9]`, correct `[True, True, False, True]`, edges `[3, 5, 7, 9]` gives `[1, 0.5, nan]`.


# %% answer="bottleneck.accuracy_by_length"
def accuracy_by_length(lengths, correct, edges):
    """(N,) int, (N,) bool, (K + 1,) int -> (K,) float64, NumPy."""
    ### BEGIN SOLUTION
    shares = np.full(len(edges) - 1, np.nan)
    for k in range(len(edges) - 1):
        inside = (edges[k] <= lengths) & (lengths < edges[k + 1])
        if inside.any():
            shares[k] = correct[inside].mean()
    return shares
    ### END SOLUTION


# %% check="bottleneck.accuracy_by_length"
check("bottleneck.accuracy_by_length", accuracy_by_length)

# %% [markdown] locked="bottleneck-proof-question"
# ## 5. In writing: two paths for the gradient
#
# Let $h_t = \tanh(W_x x_t + W_h h_{t-1} + b)$. Derive $\partial h_T / \partial h_1$ and bound its norm. Then let
# $c = \sum_i a_i h_i$ with $a = \operatorname{softmax}(e)$, $e_i = q \cdot h_i$, and derive $\partial c / \partial h_j$, the other states
# held fixed; say **where each of its two terms comes from**. When is this path closed, and what is then left? End with one thing that
# the result does *not* say. Half a page is enough; write formulas between dollar signs. A person grades this with a rubric of four
# points: the product and its bound, the two terms, the gate, the limit.

# %% [markdown] written="bottleneck.proof"
# ### BEGIN SOLUTION
# **Last state.** With $s_t = W_x x_t + W_h h_{t-1} + b$ and $\tanh' = 1 - \tanh^2$, one step has the Jacobian
# $J_t = \partial h_t / \partial h_{t-1} = \operatorname{diag}(1 - h_t \odot h_t)\, W_h$. The chain rule gives
# $\partial h_T / \partial h_1 = J_T J_{T-1} \cdots J_2$, later steps to the left. The diagonal entries are at most 1, so
# $\lVert \partial h_T / \partial h_1 \rVert \le \rho^{T-1}$ with $\rho = \lVert W_h \rVert_2$: for $\rho < 1$ it vanishes exponentially with
# the distance.
#
# **Attention.** The state $h_j$ is a term of the sum, and it is in the score $e_j$. By the product rule
# $\partial c / \partial h_j = a_j I + \sum_i h_i\, \partial a_i / \partial h_j$. The first term is the value path, the second the score path.
# Only $e_j$ depends on $h_j$, with $\partial e_j / \partial h_j = q^\top$, and $\partial a_i / \partial e_j = a_i (\delta_{ij} - a_j)$, so the second
# term is $\sum_i h_i a_i (\delta_{ij} - a_j)\, q^\top = (a_j h_j - a_j c)\, q^\top$. Together
# $\partial c / \partial h_j = a_j [\, I + (h_j - c)\, q^\top ]$.
#
# **The gate.** Nothing in it depends on the distance between $j$ and the reader, but every term has the factor $a_j$. With $a_j = 0$ this
# path is closed, and what is left is the recurrence: $h_1$ reaches $c$ only through later states that are read, by
# $\sum_{i > j} a_i [I + (h_i - c) q^\top] J_i \cdots J_{j+1}$. If the nearest of them is $k$ steps away, at least $k$ Jacobians stand in each
# term.
#
# **What it does not say.** It is about the state $h_j$, not about the inputs before it: $h_j$ depends on $x_1$ through $J_j \cdots J_2$ as
# before. And $a_j$ may itself shrink with the length, as $1/T$ for an even spread. (Nor does a short path make a code large enough:
# capacity is another matter.)
# ### END SOLUTION

# %% [markdown]
# ## Done?
#
# Press **Validate** above (or run *Kernel → Restart and Run All*): every check must be green. Then try, without looking: derive
# $\partial c / \partial h_j$ on paper, and say in one minute what a length curve must control to be believed. Both are asked.
