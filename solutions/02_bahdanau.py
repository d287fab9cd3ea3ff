# %% [markdown]
# # Assignment 02 · Additive attention, one step at a time
#
# **What you will have written at the end:** one full step of the decoder of Bahdanau, Cho and Bengio (2015), batched, with
# padding, in torch: score, weights, context, new state. And you will know what it costs.
#
# - **Before:** the lecture [02 · Bahdanau](../../notebooks/02_bahdanau.ipynb).
# - **Time:** about 75 minutes. **Points:** 19, of which 4 are for a written derivation that a person reads.
# - **How it works:** replace `raise NotImplementedError()` with your code, run the cell, run the check below it. The check says
#   within a second whether you are right and, if not, *which* mistake it is. Check as often as you like.
# - **Stuck?** Run `hint("bahdanau.scores")` (any task's name) in a cell of your own: three hints each, the first gives a
#   direction, the last almost the code.
#
# **Conventions.** $B$ sentences in a batch, each padded to $n$ source positions. Sizes: state $d_s$, annotation $d_h$, hidden
# units of the score $d_a$, embedded token $d_y$. Keep the dtype of your inputs (float32 and float64 both occur), let gradients
# reach every floating input, and never modify an input. You need not check shapes.

# %% locked="setup"
import math

import torch

from autograder import check, hint

# %% [markdown]
# ## 1. The score
#
# `additive_scores(s, H, W_a, U_a, v_a)` scores one decoder state per sentence against all annotations of that sentence:
#
# $$e_{bj} = v_a^\top \tanh(W_a s_b + U_a h_{bj}).$$
#
# Shapes: `s` $(B, d_s)$, `H` $(B, n, d_h)$, `W_a` $(d_a, d_s)$, `U_a` $(d_a, d_h)$, `v_a` $(d_a,)$; result $(B, n)$.
#
# By hand, with every size 1 except $n = 2$: `s = [[ln 2]]`, `H = [[[0], [-ln 2]]]`, `W_a = U_a = [[1]]`, `v_a = [5]` gives
# `[[3, 0]]`, because $\tanh(\ln 2) = 3/5$.


# %% answer="bahdanau.scores"
def additive_scores(s, H, W_a, U_a, v_a):
    """(B, d_s), (B, n, d_h) and parameters -> scores (B, n)."""
    ### BEGIN SOLUTION
    query = s @ W_a.T  # (B, d_a)
    keys = H @ U_a.T  # (B, n, d_a)
    return torch.tanh(query[:, None, :] + keys) @ v_a  # (B, n, d_a) @ (d_a,) -> (B, n)
    ### END SOLUTION


# %% check="bahdanau.scores"
check("bahdanau.scores", additive_scores)

# %% [markdown]
# ## 2. Weights and context
#
# `additive_attention(s, H, lengths, W_a, U_a, v_a)` turns the scores into weights and reads. `lengths` $(B,)$ holds int64
# numbers: sentence $b$ has `lengths[b]` real positions, from 0 to $n$. What stands behind them is padding and may hold any
# finite numbers.
#
# - Return the context $c_b = \sum_j a_{bj} h_{bj}$ of shape $(B, d_h)$ **and** the weights of shape $(B, n)$, in this order.
# - The weights of the real positions sum to one; padding gets exactly 0.
# - A real position may score anything finite, $-10^{12}$ as well.
# - A sentence of length 0 gets zero weights and a zero context, and its gradients are finite.
#
# By hand: with `v_a = [0]` all scores are equal. Then `H = [[[2], [4], [9]]]` and `lengths = [2]` give the context `[[3]]` and
# the weights `[[0.5, 0.5, 0]]`.


# %% answer="bahdanau.attention"
def additive_attention(s, H, lengths, W_a, U_a, v_a):
    """State, annotations, lengths and parameters -> context (B, d_h), weights (B, n)."""
    ### BEGIN SOLUTION
    scores = additive_scores(s, H, W_a, U_a, v_a)
    real = torch.arange(H.shape[1]) < lengths[:, None]  # (B, n)
    # masked_fill replaces the score, so nothing flows back there; an added −inf would give NaN gradients in an empty row
    weights = torch.softmax(scores.masked_fill(~real, -math.inf), dim=-1).nan_to_num()
    context = (weights[:, :, None] * H).sum(1)  # (B, n, 1) * (B, n, d_h) -> (B, d_h)
    return context, weights
    ### END SOLUTION


# %% check="bahdanau.attention"
check("bahdanau.attention", additive_attention)

# %% [markdown]
# ## 3. One step of the decoder
#
# `decoder_step(y_prev, s_prev, H, lengths, W_a, U_a, v_a, W_ih, W_hh, b_ih, b_hh)` takes the embedded last token `y_prev`
# $(B, d_y)$ and the last state `s_prev` $(B, d_s)$ and returns the new state $(B, d_s)$, the context $(B, d_h)$ and the weights
# $(B, n)$, in this order.
#
# - The **previous** state asks the question.
# - The new state is a GRU cell on $x = [y_{prev}\,;\,c]$, token first. The weights are laid out as in `torch.nn.GRUCell`:
#   `W_ih` $(3d_s, d_y+d_h)$, `W_hh` $(3d_s, d_s)$, `b_ih` and `b_hh` $(3d_s,)$, whose rows are those of the reset gate $r$, the
#   update gate $z$ and the candidate $\tilde s$, in this order:
#
# $$r=\sigma(W_{ir}x+b_{ir}+W_{hr}s+b_{hr}),\quad z=\sigma(W_{iz}x+b_{iz}+W_{hz}s+b_{hz}),$$
# $$\tilde s=\tanh\!\big(W_{ic}x+b_{ic}+r\odot(W_{hc}s+b_{hc})\big),\qquad s_{new}=(1-z)\odot\tilde s+z\odot s .$$
#
# Write the cell yourself once, even though torch has one. By hand: with all cell weights and biases 0, both gates are ½ and the
# candidate is 0, so `s_prev = [[4]]` becomes `[[2]]`.


# %% answer="bahdanau.decoder_step"
def decoder_step(y_prev, s_prev, H, lengths, W_a, U_a, v_a, W_ih, W_hh, b_ih, b_hh):
    """Last token, last state, source and parameters -> state (B, d_s), context (B, d_h), weights (B, n)."""
    ### BEGIN SOLUTION
    context, weights = additive_attention(s_prev, H, lengths, W_a, U_a, v_a)
    x = torch.cat([y_prev, context], dim=1)  # (B, d_y + d_h)
    from_x = (x @ W_ih.T + b_ih).chunk(3, dim=1)  # three times (B, d_s): reset, update, candidate
    from_s = (s_prev @ W_hh.T + b_hh).chunk(3, dim=1)
    reset = torch.sigmoid(from_x[0] + from_s[0])
    update = torch.sigmoid(from_x[1] + from_s[1])
    candidate = torch.tanh(from_x[2] + reset * from_s[2])
    return (1 - update) * candidate + update * s_prev, context, weights
    ### END SOLUTION


# %% check="bahdanau.decoder_step"
check("bahdanau.decoder_step", decoder_step)

# %% [markdown]
# ## 4. What it costs
#
# `additive_cost(n, m, d_s, d_h, d_a, cached)` takes whole numbers and a boolean and returns two Python ints:
#
# 1. the number of parameters of the score ($W_a$, $U_a$, $v_a$; no biases);
# 2. the multiply-adds of **all scores** for $m$ decoder steps over $n$ source positions. A matrix of $a$ rows and $b$ columns
#    times a vector costs $ab$ multiply-adds; sums, tanh and softmax count nothing, nor does the context.
#
# Both are exact, however large the sizes.
#
# With `cached=True` the products $U_a h_j$ are computed once for the whole sentence, otherwise anew at every step.
#
# By hand: `n = 2`, `m = 3`, `d_s = d_h = d_a = 1` has 3 parameters. Each step costs $1 + 2$ for $W_a s$ and $v_a$, and the
# projection of the source costs 2: together $9 + 2 = 11$ with the cache, $9 + 6 = 15$ without.


# %% answer="bahdanau.cost"
def additive_cost(n, m, d_s, d_h, d_a, cached):
    """Sizes, and whether U_a h_j is kept -> (parameters, multiply-adds), two ints."""
    ### BEGIN SOLUTION
    parameters = d_a * (d_s + d_h + 1)
    per_step = d_a * d_s + n * d_a  # W_a s, then v_a with the hidden units of every position
    projections = 1 if cached else m
    return parameters, m * per_step + projections * n * d_a * d_h
    ### END SOLUTION


# %% check="bahdanau.cost"
check("bahdanau.cost", additive_cost)

# %% [markdown] locked="bahdanau-proof-question"
# ## 5. In writing: derive it
#
# Derive one decoder step of additive attention for somebody who knows recurrent networks. Half a page; formulas between dollar
# signs. A person grades it with a rubric of four points:
#
# 1. all equations in order, from the annotations to the output, with shapes;
# 2. why the query is the *previous* state, and where the context goes;
# 3. the cost of a step with and without keeping $U_a h_j$, and why keeping it changes nothing;
# 4. a bound for $|e_{ij}|$ that holds for every state and annotation, with its reason.

# %% [markdown] written="bahdanau.proof"
# ### BEGIN SOLUTION
# **Equations.** The encoder reads the source in both directions; the annotation $h_j = [\overrightarrow h_j; \overleftarrow h_j]$ ($d_h$)
# knows what stands before and behind word $j$. A decoder step has $s_{i-1}$ ($d_s$) and the embedded token $y_{i-1}$ ($d_y$).
# Score: $e_{ij} = v_a^\top \tanh(W_a s_{i-1} + U_a h_j)$ with $W_a$ ($d_a \times d_s$), $U_a$ ($d_a \times d_h$) and the vector $v_a$ ($d_a$).
# Weights: $a_i = \operatorname{softmax}_j(e_{ij})$ ($n$ numbers, sum 1, padding exactly 0). Context: $c_i = \sum_j a_{ij} h_j$ ($d_h$).
# State: $s_i = \operatorname{GRU}(s_{i-1}, [y_{i-1}; c_i])$. Output: $p(y_i) = \operatorname{softmax}(g(y_{i-1}, s_i, c_i))$.
#
# **Why the previous state.** $s_i$ is computed *from* $c_i$. If $c_i$ were asked for by $s_i$, each would need the other first. So
# $s_{i-1}$ asks, and the answer enters the state of the same step. It also enters the readout. A decoder that gives $c_i$ to the readout
# only has a state that knows nothing of what was read, unless the written words tell it.
#
# **Cost.** Per step $W_a s_{i-1}$ costs $d_a d_s$ and $v_a$ costs $n d_a$. $U_a h_j$ costs $n d_a d_h$ and does not depend on $i$: computed once
# per sentence it gives the very same numbers, so the cache is exact. With it $m$ steps cost $m(d_a d_s + n d_a) + n d_a d_h$, without it
# $m(d_a d_s + n d_a + n d_a d_h)$.
#
# **Bound.** Every hidden unit is a tanh, so it lies between $-1$ and $1$, and $|e_{ij}| \le \sum_k |v_{a,k}|$, the 1-norm of $v_a$. That is 1 only if
# the entries of $v_a$ happen to be that small.
# ### END SOLUTION

# %% [markdown]
# ## Done?
#
# Press **Validate** above (or run *Kernel → Restart and Run All*): every check must be green. Then try, without looking: write the
# whole decoder loop on one page, and mark the line that would move in Luong's decoder. Both are asked.
