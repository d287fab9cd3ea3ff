# %% [markdown]
# # Assignment 03 · Luong: multiplicative scores, input feeding, local windows
#
# **What you will have written at the end:** the three scores of Luong et al. in one function, a decoder step with input
# feeding, and attention through a window whose place is predicted.
#
# - **Before:** the lecture [03 · Luong](../../notebooks/03_luong.ipynb).
# - **Time:** about 75 minutes. **Points:** 22, of which 5 are for a written answer that a person reads.
# - **How it works:** replace `raise NotImplementedError()` with your code, run the cell, run the check below it. The check says
#   within a second whether you are right and, if not, *which* mistake it is. Check as often as you like.
# - **Stuck?** Run `hint("luong.score")` (any task's name) in a cell of your own: three hints each, the first gives a direction,
#   the last almost the code.
#
# **Conventions.** All arrays are torch tensors, and gradients must reach every floating input. `h` holds one decoder state per
# sentence, `(B, d_t)`; `H` all source states, `(B, n, d_s)`; `lengths` (int64) says how many of the n positions are words.
# Padding holds any finite numbers, gets a weight of exactly 0, and must not change anything. A length may be 0: then all weights and
# the context are zero, and gradients stay finite. Keep the dtype (float32 and float64 both occur), never modify your inputs.

# %% locked="setup"
import math

import torch

from autograder import check, hint

# %% [markdown]
# ## 1. Three scores
#
# `luong_score(kind, h, H, W=None, v=None)` returns scores of shape `(B, n)`:
#
# | kind | score of h with a source state h_s | W | v |
# |---|---|---|---|
# | `"dot"` | h · h_s (here d_t = d_s) | ignored | ignored |
# | `"general"` | hᵀ W h_s | `(d_t, d_s)` | ignored |
# | `"concat"` | vᵀ tanh(W [h ; h_s]) | `(d_a, d_t + d_s)` | `(d_a,)` |
#
# Any other kind raises a `ValueError` whose message contains that kind. A W or v that the kind needs and that is `None`
# raises a `ValueError` whose message contains its name; if both are missing, W is the one to name.
#
# By hand: `h = [[1, 2]]`, `H = [[[3, 4], [5, 6]]]` has the dot scores `[[11, 17]]`; with `W = [[2, 0], [0, 1]]` the general ones are
# `[[14, 22]]`; with `W = [[0, 0, 1, 0]]`, `v = [2]` the concat ones are `[[2 tanh 3, 2 tanh 5]]`.


# %% answer="luong.score"
def luong_score(kind, h, H, W=None, v=None):
    """(B, d_t), (B, n, d_s) -> (B, n)."""
    ### BEGIN SOLUTION
    needs = {"dot": {}, "general": {"W": W}, "concat": {"W": W, "v": v}}
    if kind not in needs:
        raise ValueError(f"unknown kind {kind!r}")
    for name, value in needs[kind].items():
        if value is None:
            raise ValueError(f"{kind} needs {name}")
    if kind == "concat":
        d_t = h.shape[1]  # W [h ; h_s] = W_h h + W_s h_s: no need to build the concatenation
        return torch.tanh((h @ W[:, :d_t].T)[:, None] + H @ W[:, d_t:].T) @ v  # (B, n, d_a) @ (d_a,)
    query = h if kind == "dot" else h @ W
    return (H @ query[:, :, None])[:, :, 0]  # (B, n, d) @ (B, d, 1) -> (B, n)
    ### END SOLUTION


# %% check="luong.score"
check("luong.score", luong_score)

# %% [markdown]
# ## 2. Concat, taken apart
#
# `split_concat(W, d_t)` takes the matrix W `(d_a, d_t + d_s)` of a concat score and returns its two blocks: W_h `(d_a, d_t)`, which
# meets h, and W_s `(d_a, d_s)`, which meets h_s. With them, concat *is* Bahdanau's additive score.
#
# By hand: `W = [[1, 2, 3]]`, `d_t = 1` gives `[[1]]` and `[[2, 3]]`.


# %% answer="luong.split_concat"
def split_concat(W, d_t):
    """(d_a, d_t + d_s) -> (d_a, d_t), (d_a, d_s)."""
    ### BEGIN SOLUTION
    return W[:, :d_t], W[:, d_t:]
    ### END SOLUTION


# %% check="luong.split_concat"
check("luong.split_concat", split_concat)

# %% [markdown]
# ## 3. The attentional state
#
# `attentional_state(h, context, W_c)` takes h `(B, d_t)`, the context `(B, d_s)` and W_c `(d_o, d_s + d_t)`, and returns
# h̃ = tanh(W_c [context ; h]) of shape `(B, d_o)`. The context comes first.
#
# By hand: `h = [[5]]`, `context = [[1]]`, `W_c = [[2, 0]]` gives `[[tanh 2]]`.


# %% answer="luong.attentional_state"
def attentional_state(h, context, W_c):
    """(B, d_t), (B, d_s), (d_o, d_s + d_t) -> (B, d_o)."""
    ### BEGIN SOLUTION
    return torch.tanh(torch.cat([context, h], dim=-1) @ W_c.T)
    ### END SOLUTION


# %% check="luong.attentional_state"
check("luong.attentional_state", attentional_state)

# %% [markdown]
# ## 4. One decoder step, with input feeding
#
# `decoder_step(y_prev, h_tilde_prev, h_prev, H, lengths, W_ih, W_hh, b_ih, b_hh, W_a, W_c)` returns `h, h_tilde, weights`:
#
# 1. **cell:** h = GRU(h_prev, [y_prev ; h_tilde_prev]), with the weights of a `torch.nn.GRUCell`: the rows of W_ih `(3 d_t, d_y + d_o)`,
#    W_hh `(3 d_t, d_t)`, b_ih and b_hh `(3 d_t,)` belong to reset gate r, update gate z, candidate n, in this order, and
#    n = tanh(W_in x + b_in + r · (W_hn h_prev + b_hn)), h = (1 − z) · n + z · h_prev. (`torch.gru_cell` is allowed.)
# 2. **scores:** general, with W_a `(d_t, d_s)`, asked by the **new** h;
# 3. **weights** `(B, n)`: softmax over the first lengths[b] positions, zeros elsewhere; **context** `(B, d_s)`;
# 4. **mixture:** h_tilde `(B, d_o)`, as in task 3.
#
# By hand: with all weights of the cell zero, h = h_prev / 2. With W_a zero as well, all words of a sentence get the same weight.


# %% answer="luong.decoder_step"
def decoder_step(y_prev, h_tilde_prev, h_prev, H, lengths, W_ih, W_hh, b_ih, b_hh, W_a, W_c):
    """-> h (B, d_t), h_tilde (B, d_o), weights (B, n)."""
    ### BEGIN SOLUTION
    x = torch.cat([y_prev, h_tilde_prev], dim=-1)  # input feeding
    i_r, i_z, i_n = (x @ W_ih.T + b_ih).chunk(3, dim=-1)
    h_r, h_z, h_n = (h_prev @ W_hh.T + b_hh).chunk(3, dim=-1)
    r, z = torch.sigmoid(i_r + h_r), torch.sigmoid(i_z + h_z)
    h = (1 - z) * torch.tanh(i_n + r * h_n) + z * h_prev
    words = torch.arange(H.shape[1]) < lengths[:, None]  # (B, n), True = may attend
    scores = luong_score("general", h, H, W_a).masked_fill(~words, -math.inf)
    weights = torch.softmax(scores, dim=-1).nan_to_num()  # a sentence without words: NaN becomes 0
    context = (weights[:, None] @ H)[:, 0]  # (B, 1, n) @ (B, n, d_s) -> (B, d_s)
    return h, attentional_state(h, context, W_c), weights
    ### END SOLUTION


# %% check="luong.decoder_step"
check("luong.decoder_step", decoder_step)

# %% [markdown]
# ## 5. A window around a predicted position
#
# `local_p_attention(h, H, W_p, v_p, D, lengths)` takes h `(B, d)`, H `(B, n, d)`, W_p `(d_p, d)`, v_p `(d_p,)`, a whole number D ≥ 1, and
# returns `context (B, d), weights (B, n), p (B,)`. With S = lengths[b]:
#
# 1. p = S · sigmoid(v_pᵀ tanh(W_p h)), a real number, so length 0 gives p = 0; positions s count from 0;
# 2. the window holds the positions with |s − p| ≤ D (both ends belong to it) and s < S;
# 3. softmax of the dot scores h · h_s over the window, zeros elsewhere;
# 4. times exp(−(s − p)² / (2σ²)) with σ = D/2, and **not** normalised again;
# 5. the context is made from these weights, and these are returned.
#
# By hand: v_p zero, S = n = 3, D = 1 gives p = 1.5, so positions 1 and 2 are in the window. If they score alike, each weighs
# 0.5 · exp(−0.25 / 0.5) = 0.303.


# %% answer="luong.local_p"
def local_p_attention(h, H, W_p, v_p, D, lengths):
    """-> context (B, d), weights (B, n), p (B,)."""
    ### BEGIN SOLUTION
    p = lengths.to(h.dtype) * torch.sigmoid(torch.tanh(h @ W_p.T) @ v_p)  # (B, d_p) @ (d_p,) -> (B,)
    s = torch.arange(H.shape[1])
    distance = s - p[:, None]  # (B, n)
    window = (distance.abs() <= D) & (s < lengths[:, None])
    scores = luong_score("dot", h, H).masked_fill(~window, -math.inf)
    weights = torch.softmax(scores, dim=-1).nan_to_num() * torch.exp(-(distance**2) / (2 * (D / 2) ** 2))
    return (weights[:, None] @ H)[:, 0], weights, p
    ### END SOLUTION


# %% check="luong.local_p"
check("luong.local_p", local_p_attention)

# %% [markdown] locked="luong-proof-question"
# ## 6. In writing: what these scores are, and how a window learns
#
# (a) Show that concat is Bahdanau's additive score, and say what the equality does *not* make equal. (b) Why do the weights of local-p
# sum to less than one, and what is the Gaussian's factor at the ends of the window? (c) Derive ∂a_s/∂p for a position inside the
# window, and say where a_s is not differentiable. (d) When would you choose dot or general, when concat, when a local window, and when
# not? Half a page is enough; write formulas between dollar signs. A person grades this with a rubric of five points: two for
# (a), one each for (b), (c) and (d).

# %% [markdown] written="luong.proof"
# ### BEGIN SOLUTION
# **(a)** Let $W=[W_h\;W_s]$, where $W_h$ has the first $d_t$ columns. Then $W[h;\bar h_s]=W_hh+W_s\bar h_s$, so
# $v^\top\tanh(W[h;\bar h_s])=v^\top\tanh(W_hh+W_s\bar h_s)$: the additive score with $W_a=W_h$, $U_a=W_s$. Every pair of blocks is a $W$, so
# both families are the same set of functions. It does not make the *models* equal: Bahdanau asks with the previous state and
# hands the context to the cell; Luong asks with the new state, mixes context and state into $\tilde h$, and hands on only by input feeding.
#
# **(b)** A softmax over the window sums to one; each weight is then multiplied by $g_s=\exp(-(s-p)^2/(2\sigma^2))\le1$, with equality only
# for $s=p$, and nothing is normalised again. At the ends $|s-p|=D=2\sigma$, so $g=e^{-2}\approx0.135$.
#
# **(c)** Inside the window $a_s=\operatorname{softmax}_s\cdot g_s$, and the softmax depends on $p$ only through the window, which is constant as long as no end
# meets a whole number. Hence $\partial a_s/\partial p=a_s\,(s-p)/\sigma^2$; from there the gradient reaches $v_p$ and $W_p$ through the sigmoid. Where $p\pm D$ is
# a whole number of the sentence, a word enters or leaves: the weights jump, and there is no derivative.
#
# **(d)** Dot or general (scaled, if wide): one matrix product, $mn$ numbers kept; general for unequal sizes. Concat: few pairs, since it keeps
# $mnd_a$ numbers. A local window for long sources with a nearly monotonic alignment, such as speech; not for summaries, which jump.
# ### END SOLUTION

# %% [markdown]
# ## Done?
#
# Press **Validate** above (or run *Kernel → Restart and Run All*): every check must be green. Then try, without looking: which line of a
# decoder step tells Luong's design from Bahdanau's? And why does a rounded p never learn? Both are asked.
