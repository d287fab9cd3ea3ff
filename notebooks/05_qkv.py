# %% [markdown]
# # 05 · Queries, keys, values: a dictionary turned soft
#
# - **Time:** 55 minutes, questions included.
# - **Prerequisites:** the matrix product and softmax, $a_i=e^{s_i}/\sum_je^{s_j}$. Why scores are divided by $\sqrt{d_k}$ is the
#   topic of [06 · Scaling](06_scaling.ipynb); here we just do it.
# - **Interview kinds:** *explain*, *implement* and *derive*; the opening question of most interviews on Transformers.
#
# **Objectives.** When you are through, you can
# 1. explain query, key and value with one analogy, say where it breaks, and write the algebra with every shape;
# 2. write self-attention token by token and as three matrix products, and show that they agree;
# 3. say exactly what breaks when two of the three projections are the same, and what does *not* break;
# 4. prove which outputs attention can never produce, and count what it costs against a dense layer.

# %% [markdown]
# **How to use this page.** Each idea is a question, a few lines, a measurement, a picture. Lines such as
# `C070 ✓ measured 1, expected 1` are assertions: the page cannot be built if one fails. Statements in quotation marks are what one
# hears; many are imprecise, and the verdict says where. Say your answer aloud *before* you open a fold.
#
# The assignment is [your own copy](../work/05_qkv/05_qkv.ipynb), which `make study` makes, of the
# [released exercise](../exercises/05_qkv/05_qkv.ipynb).

# %%
import os

os.environ["OMP_NUM_THREADS"] = "1"  # before torch loads: on arrays this small, threads only wait for each other

import numpy as np
import torch
from matplotlib import pyplot as plt
from torch import nn

from attn_core import causal_mask, scaled_dot_product_attention, score_form, self_attention, soft_lookup, softmax
from attn_core.lab import claim, heatmap, house_style, show, slider
from attn_core.lab.data.spoken import letter_pairs, spoken
from attn_core.lab.matrices import arrow, box, matrix
from attn_core.lab.training import fit

torch.set_num_threads(1)
house_style()
np.set_printoptions(precision=3, suppress=True)
SEEDS = (0, 1, 2)

# %% [markdown]
# ## A dictionary that answers with a mixture
#
# **What does a dictionary do when the key is nearly right?** It fails. Here is a real one: for 258 territories, what percentage of the
# people speaks English, and what percentage French (estimates of Unicode's CLDR). Ask it with a typing error, and it raises `KeyError`.
#
# To be forgiving, it has to *compare* instead of testing for equality. Let every name be a vector of length 1, with one feature for each pair of neighbouring
# letters. The dot product of two names is then 1 if they have the same pairs, and 0 if they share none.

# %%
table = spoken(["en", "fr"])  # name -> (percent English, percent French)
names, values = list(table), np.array(list(table.values()))
try:
    table["Nigera"]
except KeyError as error:
    print("KeyError:", error)

keys = letter_pairs(names, known=names)
query = letter_pairs(["Nigera"], known=names)
scores = (query @ keys.T)[0]
for i in np.argsort(-scores)[:4]:
    print(f"{names[i]:10} scores {scores[i]:.3f}   English {values[i, 0]:4.0f} %   French {values[i, 1]:4.0f} %")
print("shapes: query", query.shape, "keys", keys.shape, "values", values.shape)

# %% [markdown]
# Two candidates are close: *Nigeria* and *Niger*. A soft dictionary does not choose. It turns the scores into shares and returns the values mixed in
# these shares, **every** entry included:
#
# $$\text{out}=\sum_j a_j v_j,\qquad a_j=\operatorname{softmax}_j(q\cdot k_j/\tau).$$
#
# The **query** is what you ask with, the **key** is what an entry is found by, the **value** is what it hands over. The temperature $\tau$
# says how picky you are.

# %%
for temperature in (1e-30, 0.01, 0.03, 0.3, 1e6):
    english, french = soft_lookup(query, keys, values, temperature)[0]
    weights = softmax((scores - scores.max()) / temperature)
    print(
        f"τ = {temperature:<6g} English {english:5.1f} %  French {french:5.1f} %   largest weight {weights.max():.4f}, "
        f"entries with more than 1 % of it: {(weights > 0.01 * weights.max()).sum()}"
    )
print("Nigeria alone:", values[names.index("Nigeria")], " mean of all:", values.mean(0))

everyone = soft_lookup(keys, keys, values, 1e-30)  # every correct name as a query
assert (everyone == values).all()
print(f"at τ = 1e-30 all {len(names)} correct names read exactly what the Python dictionary has under them")

# %% [markdown]
# So one formula has two limits. As $\tau\to0$ it is a Python dictionary that forgives typing errors (entries that tie for the best share). As $\tau\to\infty$
# it is the plain mean, whatever you ask. In between it is useful, because it is *differentiable*: a small change of a key changes the answer a
# little, so keys and queries can be learned. In a Transformer $\tau=\sqrt{d_k}$, and the network sets its own sharpness by the length of its
# queries and keys.

# %%
temperatures = np.logspace(-2.6, 1, 60)
paths = np.array([softmax((scores - scores.max()) / t) for t in temperatures])
top = np.argsort(-scores)[:4]
fig, axes = plt.subplots(1, 2, figsize=(11, 3.6))
for i, marker in zip(top, "os^D", strict=True):
    axes[0].plot(temperatures, paths[:, i], marker=marker, markevery=12, label=names[i])
axes[0].axhline(1 / len(names), color="black", linewidth=1, linestyle=":", marker="", label="1/258")
axes[0].set(xscale="log", xlabel="temperature τ", ylabel="weight", title="Who is read for “Nigera”")
axes[0].legend(fontsize=9)
read = paths @ values
for column, label in enumerate(("English", "French")):
    axes[1].plot(temperatures, read[:, column], marker="os"[column], markevery=12, label=f"{label} read")
    axes[1].axhline(values[:, column].mean(), color="black", linewidth=1, linestyle=":", marker="")
axes[1].set(xscale="log", xlabel="temperature τ", ylabel="percent", title="What is read (dotted: mean of all)")
axes[1].legend(fontsize=9)
show(
    fig,
    "Left: from low to high temperature the weight of Nigeria falls from 1 and Niger's rises to 0.4, then all "
    "approach 1/258. Right: the percentages read go from Nigeria's to the means of all entries.",
)

# %% [markdown]
# With a running kernel, turn the temperature yourself. From which one on does *Niger* get more than a tenth of *Nigeria*'s weight? (The gap of the scores is 0.030,
# and the ratio of two weights is $e^{-\text{gap}/\tau}$: it passes a tenth at $\tau=0.030/\ln10=0.013$.)


# %%
def bars(temperature, ax=None):
    ax = ax or plt.subplots(figsize=(6.5, 2.6))[1]
    weights = softmax((scores - scores.max()) / temperature)
    shown = np.argsort(-scores)[:6]
    drawn = ax.barh([names[i] for i in shown], weights[shown], color="C0", edgecolor="black")
    ax.bar_label(drawn, fmt="%.3f", padding=3, fontsize=9)
    english, french = weights @ values
    ax.set(
        xlim=(0, 1.2),
        title=f"τ = {temperature:g}: English {english:.0f} %, French {french:.0f} %",
        xlabel="weight",
    )
    ax.invert_yaxis()
    return ax.figure


fig, axes = plt.subplots(1, 3, figsize=(13, 2.7))
for ax, temperature in zip(axes, (0.005, 0.03, 1.0), strict=True):
    bars(temperature, ax)
show(
    fig, "Weights of the six best names at three temperatures: all on Nigeria; Nigeria and Niger; hardly any on anyone."
)
slider(
    bars, "temperature", [0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.3, 1, 3], alt=lambda t: f"Weights at τ = {t:g}."
)

# %% [markdown]
# **Where the analogy breaks.** In a dictionary somebody wrote the keys. In attention the network makes queries, keys and values itself, from the
# same tokens, by learned matrices. Nothing tells a query what it "means"; training only rewards what helps later. Also, a dictionary may say "not found".
# Softmax cannot: the weights sum to one even if nothing fits.
#
# **Pitfall: subtract first, divide last.** At $\tau=10^{-30}$ a score of $4\cdot10^8$ becomes infinite in float32, and $\infty-\infty$ is not a number. Subtract the
# row's maximum *first*. The assignment checks it.

# %%
single = np.float32
large = single([4e8, 4e8, 1e8])  # the first two tie for the best
with np.errstate(all="ignore"):
    divided_first = large / single(1e-30)
    bad = np.exp(divided_first - divided_first.max())
    good = np.exp((large - large.max()) / single(1e-30))
print("divided first:   ", bad / bad.sum())
print("subtracted first:", good / good.sum())
assert np.isnan(bad / bad.sum()).all()
assert (good / good.sum() == [0.5, 0.5, 0]).all()

# %% [markdown] claims="C139"
# **C139 · imprecise.** *“The weights measure the relevance of each value.”* They measure how well each *key* fits the query. What the value
# says never enters. Exchange all values, even for noise: the weights stay the same to the last bit, and only what is read changes.

# %%
rng = np.random.default_rng(0)
q, k, v = rng.normal(size=(5, 8)), rng.normal(size=(7, 8)), rng.normal(size=(7, 3))
out, weights = scaled_dot_product_attention(q, k, v)
noise_out, noise_weights = scaled_dot_product_attention(q, k, 100 * rng.normal(size=v.shape))
claim("C139", abs(noise_weights - weights).max(), 0, what="change of the weights when every value is replaced by noise")
claim("C139", abs(noise_out - out).max(), at_least=10, what="change of the output")
_, other_weights = scaled_dot_product_attention(q, k[::-1], v)
claim("C139", abs(other_weights - weights).max(), at_least=0.1, what="change of the weights when the keys are reversed")

# %% [markdown] claims="C134"
# **C134 · true.** *“The words query, key and value were made popular by the paper of 2017.”* Popular, not new: memory networks had searched by
# scores since 2014, Miller et al. 2016 gave every memory a *key* to be found by and another vector, the *value*, to be read, and Daniluk et al. 2017 split
# the states of a language model into key, value and a part for prediction.

# %% [markdown] question="Q020" kind="explain" minutes=4
# ### What are queries, keys and values? Give the retrieval analogy and the algebra.
#
# <details><summary>Hint 1 · direction</summary>
#
# Begin with a Python dictionary. Which of its parts is compared, and which is returned?
# </details>
# <details><summary>Hint 2 · insight</summary>
#
# Replace "equal or not" by a score and softmax. Then say from which sequence each of the three comes; it need not be the same.
# </details>
# <details><summary>Sixty-second answer</summary>
#
# Attention is a dictionary that answers with a mixture. The query says what a position needs. Each entry has a key, what it advertises, and a
# value, what it hands over. I compare the query with every key by a dot product, turn the scores into shares with softmax, and return the
# values mixed in these shares. All three are learned projections: Q is X_q times W_Q, K and V are X_kv times W_K and W_V. In self-attention both are the
# same sequence; in cross-attention the queries come from the decoder, keys and values from the encoder. Shapes: n by d_k, m by d_k, m by d_v. Query and key
# must have the same size, the value is free. At temperature zero it is a hard look-up, at infinity the plain mean. Unlike a dictionary it
# always answers, and what a value says does not influence how much it is read.
# </details>
# <details><summary>Full answer</summary>
#
# $$Q=X_qW_Q\;(n\times d_k),\quad K=X_{kv}W_K\;(m\times d_k),\quad V=X_{kv}W_V\;(m\times d_v),\qquad O=\operatorname{softmax}\!\Big(\tfrac{QK^\top}{\sqrt{d_k}}\Big)V\;(n\times d_v).$$
# - **Query**: what this position needs. **Key**: what a position can be found by. **Value**: what it contributes when found.
# - There are as many queries as asking positions ($n$), and as many keys as values ($m$). $d_q=d_k$ because they meet in a dot product; $d_v$ is free.
# - Hard look-up is the limit $\tau\to0$ of $\operatorname{softmax}(s/\tau)$: above, all 258 names read their own entry exactly at $\tau=10^{-30}$, and ties share.
# - The separation pays because *what one is found by* and *what one says* differ: a determiner is found as a determiner, and may report the gender of its noun.
# - Where it breaks: keys are learned, not written; there is no "not found", as the weights sum to one; the weights come from queries and keys, never from values (C139).
# - The names: key-value memory networks (Miller et al. 2016), popular since Vaswani et al. 2017.
# </details>
# <details><summary>How it is scored</summary>
#
# - **Strong hire**: analogy *and* algebra with all shapes for n ≠ m and d_v ≠ d_k, both limits of the temperature, and one point where the analogy breaks.
# - **Lean hire**: analogy and formula are right, but only for one sequence, or without the limits.
# - **No hire**: cannot say which of the three is compared and which is returned, or calls the weights the relevance of the values.
# </details>
#
# **Red flag:** "Q, K and V are three copies of the input". They are three *projections*, and in cross-attention not even of the same input.
#
# **Follow-up:** which of the three may be computed once and kept while a model writes text? (Keys and values: the cache. A query is used once.)

# %% [markdown]
# ## Self-attention
#
# **Who asks, and who is asked?** In self-attention each token does everything. It asks with $q_i=x_iW_Q$, is found by $k_i=x_iW_K$, and hands over
# $v_i=x_iW_V$. Token by token:
#
# $$\text{out}_i=\sum_{j=1}^{n}\operatorname{softmax}_j\!\Big(\frac{q_i\cdot k_j}{\sqrt{d_k}}\Big)\,v_j\qquad(j=i\text{ included}).$$
#
# Tokens are rows, so a projection is `x @ W`. The loop below says this literally. The matrix form says it for all tokens at once, as
# $\operatorname{softmax}(QK^\top/\sqrt{d_k})\,V$. No token waits for another, unlike in a recurrent network: the number of sequential steps does not grow with $n$.


# %%
def token_by_token(x, W_q, W_k, W_v):
    """The definition, with loops; each line for one token or one pair."""
    outs = []
    for x_i in x:
        q_i = x_i @ W_q
        scores = np.array([q_i @ (x_j @ W_k) for x_j in x]) / np.sqrt(len(q_i))
        a_i = np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum()
        outs.append(sum(a * (x_j @ W_v) for a, x_j in zip(a_i, x, strict=True)))
    return np.array(outs)


worst = 0.0
for seed in SEEDS:
    rng = np.random.default_rng(seed)
    x, W_q, W_k, W_v = (rng.normal(size=s) for s in [(9, 6), (6, 4), (6, 4), (6, 5)])
    out, weights = self_attention(x, W_q, W_k, W_v)
    worst = max(worst, abs(out - token_by_token(x, W_q, W_k, W_v)).max())
assert worst < 1e-12
print("out", out.shape, "weights", weights.shape, "row sums", weights.sum(-1).round(12)[:3], "…")
print("loop and matrix form agree: worst difference below 1e-12 on three seeds")

# %% [markdown]
# ### Four tokens, every shape
#
# The whole computation for four tokens with $d=6$, $d_k=3$, $d_v=2$. Grey boxes are learned; everything else is computed. Read along the arrows: each
# carries the shape of what flows.

# %%
tokens = ["the", "cat", "sat", "down"]
rng = np.random.default_rng(8)
x, W_q, W_k, W_v = (rng.normal(size=s) for s in [(4, 6), (6, 3), (6, 3), (6, 2)])
W_q, W_k, W_v = 0.45 * W_q, 0.45 * W_k, 0.6 * W_v
q, k, v = x @ W_q, x @ W_k, x @ W_v
out, weights = self_attention(x, W_q, W_k, W_v)


def projections(ax):
    """The left half: tokens, three learned projections, and what they give."""
    matrix(ax, x, (3, 2), "X", rows=tokens)
    for y, name, projected, letter in ((9, "W_Q", q, "Q"), (2, "W_K", k, "K"), (-6.5, "W_V", v, "V")):
        width = projected.shape[1]
        leaves = (6.2, 2 + np.sign(y - 2) * 1.2)
        arrow(ax, leaves, (9.1, y), label="4×6", at=(7.7, (leaves[1] + y) / 2 + (0.3 if y == 2 else 0)))
        box(ax, (10.3, y), f"× ${name}$\n6×{width}", learned=True)
        arrow(ax, (11.6, y), (15.3 - width / 2, y), label=f"4×{width}")
        matrix(ax, projected, (15.5, y), letter)


# %%
fig, ax = plt.subplots(figsize=(13, 6.9))
ax.set(xlim=(-2.2, 43.8), ylim=(-10.2, 13.4), aspect="equal")
ax.axis("off")
projections(ax)
box(ax, (20.6, 5.5), "$Q\\,K^\\top$")
arrow(ax, (17.2, 9), (20.6, 9), (20.6, 6.5), label="Q: 4×3", at=(19.0, 9.2))
arrow(ax, (17.2, 2), (20.6, 2), (20.6, 4.5), label="$K^\\top$: 3×4", at=(19.0, 2.2))
arrow(ax, (22.0, 5.5), (24.3, 5.5), label="4×4")
matrix(ax, q @ k.T, (26.5, 5.5), "scores", columns=tokens)
ax.text(26.5, 3.2, "row: who asks\ncolumn: who is asked", ha="center", va="top", fontsize=9)
arrow(ax, (28.7, 5.5), (30.6, 5.5), label="4×4")
box(ax, (32.3, 5.5), "÷ √3, then\nsoftmax\nper row")
arrow(ax, (34.1, 5.5), (36.8, 5.5), label="4×4")
matrix(ax, weights, (39, 5.5), "A", columns=tokens, cmap="Blues")
ax.text(39, 3.2, "each row\nsums to 1", ha="center", va="top", fontsize=9)
box(ax, (32.3, -6.5), "$A\\,V$")
arrow(ax, (41.2, 5.5), (43, 5.5), (43, -0.9), (32.3, -0.9), (32.3, -5.6), label="A: 4×4", at=(37.5, -0.8))
arrow(ax, (16.7, -6.5), (31.2, -6.5), label="V: 4×2")
arrow(ax, (33.4, -6.5), (37.8, -6.5), label="4×2")
matrix(ax, out, (39, -6.5), "out")
show(
    fig,
    "Diagram of self-attention for four tokens. X, 4×6, goes through three learned matrices to Q and K, 4×3, and V, 4×2. "
    "Q times K transposed gives scores, 4×4; divided by √3 and softmaxed per row they are A, 4×4; A times V is the output, 4×2.",
)

# %%
print(f"row of “cat”: scores {(q @ k.T)[1]}, weights {weights[1]}, output {out[1]}")

# %% [markdown] claims="C022, C048"
# **C022 · imprecise.** *“Q, K and V are all linear projections of the same input.”* In self-attention, yes. In cross-attention the queries come from one
# sequence and the keys and values from another, of another length and even another width.
#
# **C048 · imprecise.** *“Each token attends to every other token and sums their representations.”* Three corrections. It attends to *itself* too. It sums
# *values*, that is projections of the tokens, not the tokens. And it sees only what the mask leaves visible.

# %%
rng = np.random.default_rng(0)
target, source = rng.normal(size=(5, 6)), rng.normal(size=(9, 8))  # 5 tokens of width 6 read 9 of width 8
W_q, W_k, W_v = rng.normal(size=(6, 4)), rng.normal(size=(8, 4)), rng.normal(size=(8, 3))
out, weights = scaled_dot_product_attention(target @ W_q, source @ W_k, source @ W_v)
claim("C022", weights.shape, (5, 9), what="cross-attention: one row per target token, one column per source token")
claim("C022", out.shape, (5, 3), what="shape of its output")

x, W_v = target, rng.normal(size=(6, 3))
q, k = x @ W_q, x @ rng.normal(size=(6, 4))
_, weights = scaled_dot_product_attention(q, k, x @ W_v)
claim("C048", np.diag(weights).min(), at_least=1e-9, what="smallest weight of a token on itself")
alone, _ = scaled_dot_product_attention(q, k, x @ W_v, mask=np.eye(5, dtype=bool))
claim("C048", abs(alone - x @ W_v).max(), 0, 1e-12, what="a token that sees only itself: output minus its own value")
_, weights = scaled_dot_product_attention(q, k, x @ W_v, mask=causal_mask(5))
claim("C048", abs(np.triu(weights, 1)).max(), 0, what="under a causal mask: largest weight on a later token")

# %% [markdown] claims="C136"
# **C136 · imprecise.** *“The score matrix is QᵀK, which is also written QKᵀ.”* These are two conventions, and they must not be mixed. With tokens as
# *rows* ($Q$ is $n\times d_k$) the table of all scores is $QK^\top$, and the score of one pair is $q_ik_j^\top$. With tokens as *columns* ($Q$ is
# $d_k\times n$) it is $Q^\top K$ and $q_i^\top k_j$. Mix them, and you get a $d_k\times d_k$ matrix, which runs without an error whenever shapes happen to fit.

# %%
rows_q, rows_k = rng.normal(size=(5, 3)), rng.normal(size=(5, 3))  # 5 tokens as rows, d_k = 3
columns_q, columns_k = rows_q.T, rows_k.T  # the same tokens as columns
claim("C136", (rows_q @ rows_k.T).shape, (5, 5), what="rows: shape of Q Kᵀ, one number per pair")
claim("C136", (rows_q.T @ rows_k).shape, (3, 3), what="rows: shape of Qᵀ K, which is no table of scores")
claim(
    "C136",
    abs(columns_q.T @ columns_k - rows_q @ rows_k.T).max(),
    0,
    1e-12,
    what="columns: Qᵀ K minus the table of scores",
)

# %% [markdown] question="Q022" kind="implement" minutes=5
# ### Define self-attention, write the per-token algorithm and its matrix form.
#
# <details><summary>Hint 1 · direction</summary>
#
# Write what one token does, as three steps. Only then replace the loops by matrix products.
# </details>
# <details><summary>Hint 2 · insight</summary>
#
# All queries together are one product, all scores together another. Which axis of the scores does the softmax run along, and is j = i allowed?
# </details>
# <details><summary>Sixty-second answer</summary>
#
# Self-attention lets a sequence read itself: the same X makes queries, keys and values by three learned matrices. Token i scores its query against the key of
# every token, itself included, divides by the root of d_k, takes softmax over these n scores, and returns the weighted sum of the n values. In matrices:
# Q, K, V are X times W_Q, W_K, W_V; the output is softmax of Q K transposed over root d_k, row by row, times V. Scores are n by n. The loop
# and the matrix form give the same numbers, but the matrix form computes all tokens at once, so there are no sequential steps as in an RNN. It costs order n squared
# d, plus the projections n d squared. It does not know the order of the tokens: shuffle them and the outputs are shuffled alike.
# </details>
# <details><summary>Full answer</summary>
#
# ```python
# def self_attention(x, W_q, W_k, W_v):          # x (..., n, d)
#     q, k, v = x @ W_q, x @ W_k, x @ W_v        # (..., n, d_k) twice, (..., n, d_v)
#     scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5   # (..., n, n)
#     weights = torch.softmax(scores, dim=-1)    # along the keys
#     return weights @ v, weights
# ```
# - Per token: $z_i=\sum_j\operatorname{softmax}_j(q_i\cdot k_j/\sqrt{d_k})\,v_j$, with $j=i$ included.
# - `transpose(-1, -2)` works for any number of batch axes; `.T` does not. The scale uses $d_k$, the size of a query, not $d$ and not $d_v$.
# - Cost: projections $nd(2d_k+d_v)$, scores and mixture $n^2(d_k+d_v)$ multiply-adds; $n^2$ weights are kept for the backward pass. Sequential depth $O(1)$, path length between
#   any two tokens 1.
# - Order-blind: $f(PX)=Pf(X)$ for a permutation $P$: the weights become $PAP^\top$, the values $PV$, and $P^\top P=I$. Positions must be added.
# - Also called intra-attention; it is older than the Transformer (Cheng et al. 2016, Parikh et al. 2016, Lin et al. 2017). New in 2017 was to do without recurrence and convolution.
# </details>
# <details><summary>How it is scored</summary>
#
# - **Strong hire**: both forms with shapes, softmax along the keys, $j=i$ included, costs, and order-blindness named unasked.
# - **Lean hire**: the matrix form is right; the loop, the cost or the order needs a question.
# - **No hire**: softmax along the wrong axis, no scale and no idea of one, or "every token is compared with every *other* token" defended.
# </details>
#
# **Red flag:** scaling by $\sqrt d$ of the model when $d_k\ne d$.
#
# **Follow-up:** show that shuffled tokens give shuffled outputs. (Rows of Q, K, V are shuffled; the scores on both sides; softmax is per row; the product with V undoes the inner shuffle.)

# %% [markdown]
# ## The score is a bilinear form
#
# **What do two projections make together?** Write the score of two tokens out:
#
# $$q_i\cdot k_j=(x_iW_Q)(x_jW_K)^\top=x_i\,\underbrace{W_QW_K^\top}_{M\;(d\times d)}\,x_j^\top .$$
#
# So a head has *one* matrix $M$ that says how the features of the asking token meet the features of the other. The two thin matrices are a way to store it: $2dd_k$
# numbers instead of $d^2$. The price is its rank, at most $d_k$. In general $M\ne M^\top$: "$i$ looks for $j$" says nothing about "$j$ looks for $i$".
# And $(W_Q,W_K)$ are not unique: $(W_QG,\,W_KG^{-\top})$ gives the same $M$ for any invertible $G$. So do not read meaning into a single coordinate of a query.

# %%
rng = np.random.default_rng(0)
d, d_k = 32, 4
x, W_q, W_k = rng.normal(size=(50, d)), rng.normal(size=(d, d_k)), rng.normal(size=(d, d_k))
form = score_form(W_q, W_k)
scores = (x @ W_q) @ (x @ W_k).T
print(f"M is {form.shape}: {form.size} numbers stored as {W_q.size + W_k.size}; rank {np.linalg.matrix_rank(form)}")
print(f"largest |x M xᵀ − q·k| is below 1e-11: {abs(x @ form @ x.T - scores).max() < 1e-11}")
print("score of tokens 0 → 1:", scores[0, 1].round(2), "  of 1 → 0:", scores[1, 0].round(2))
G = rng.normal(size=(d_k, d_k))
same = score_form(W_q @ G, W_k @ np.linalg.inv(G).T)
print(f"other projections, same M: difference below 1e-10: {abs(same - form).max() < 1e-10}")
spectrum = np.linalg.svd(scores, compute_uv=False)
print("singular values of the 50×50 scores:", spectrum[:6].round(1))

# %% [markdown] claims="C049"
# **C049 · true.** *“Separate projections give matching and content spaces of their own.”* Matching happens in $M=W_QW_K^\top$, content passes through $W_V$, and neither sees
# the other. The size of the matching space is $d_k$: the scores of $n$ tokens are a table of rank at most $d_k$, however long the sequence is. The *weights* are not bound
# by it, since softmax acts on each entry: 50×50 weights from scores of rank 4 have full rank.

# %%
for seed in SEEDS:
    rng = np.random.default_rng(seed)
    x, W_q, W_k = rng.normal(size=(50, 32)), rng.normal(size=(32, 4)) / 32**0.5, rng.normal(size=(32, 4)) / 32**0.5
    scores = (x @ W_q) @ (x @ W_k).T / 2
    claim("C049", np.linalg.matrix_rank(scores), 4, what=f"seed {seed}: rank of the scores of 50 tokens, d_k = 4")
    rank = np.linalg.matrix_rank(softmax(3 * scores), tol=1e-9)
    claim("C049", rank, at_least=25, what=f"seed {seed}: rank of their weights (tolerance 1e-9)")

# %% [markdown]
# ## Queries and keys from one projection
#
# **Why not save a matrix and let $W_K=W_Q$?** Then $M=WW^\top$, and two things follow at once.
# 1. *Symmetry*: $s_{ij}=s_{ji}$. What I seek is what I advertise.
# 2. *Self-match*: $s_{ii}=\lVert q_i\rVert^2$ is a sum of squares, and $s_{ij}\le\lVert q_i\rVert\lVert q_j\rVert$ (Cauchy, Schwarz). The token with the longest query scores *nobody* above itself. With
#    random tokens $s_{ii}$ is about $d_k$, while $s_{ij}$ has mean 0 and a spread of about $\sqrt{d_k}$.
#
# A verb that looks for its subject asks "noun, singular?" and advertises "verb". With one projection it can only look for verbs, and the best verb it knows is
# itself. Raw tokens ($q=k=x$) have the same illness, and cannot even learn.

# %%
self_matches = {}
for seed in SEEDS:
    rng = np.random.default_rng(seed)
    for d_k in (4, 16, 64, 256):
        x, W_q, W_k = rng.normal(size=(500, 64)), rng.normal(size=(64, d_k)) / 8, rng.normal(size=(64, d_k)) / 8
        ways = {"separate": (x @ W_q, x @ W_k), "shared": (x @ W_q, x @ W_q), "raw": (x, x)}
        for name, (q, k) in ways.items():
            found = (q @ k.T).argmax(1) == np.arange(500)
            self_matches.setdefault((name, d_k), []).append(found.mean())
print("share of 500 tokens whose best match is themselves, three seeds")
for name in ("separate", "shared", "raw"):
    rates = {d_k: self_matches[name, d_k] for d_k in (4, 16, 64, 256)}
    print(f"{name:9}", "   ".join(f"d_k={d_k}: " + " ".join(f"{r:6.1%}" for r in rate) for d_k, rate in rates.items()))

# %%
rng = np.random.default_rng(3)
x, W_q, W_k = rng.normal(size=(8, 64)), rng.normal(size=(64, 64)) / 8, rng.normal(size=(64, 64)) / 8
labels = [str(i) for i in range(8)]
fig, axes = plt.subplots(1, 3, figsize=(13.5, 4.2))
for ax, (title, q, k) in zip(
    axes, [("separate", x @ W_q, x @ W_k), ("shared W", x @ W_q, x @ W_q), ("raw X", x, x)], strict=True
):
    weights = scaled_dot_product_attention(q, k, x)[1]
    own = np.diag(weights).mean()
    heatmap(weights, labels, labels, ax=ax, title=f"{title}: mean weight on itself {own:.2f}", digits=1)
    print(f"{title:9} mean weight on itself {own:.3f}, largest |s_ij − s_ji| {abs(q @ k.T - k @ q.T).max():.1f}")
show(
    fig,
    "Weights of 8 random tokens. With separate projections they lie anywhere; with a shared projection and with raw tokens almost "
    "all weight is on the diagonal.",
)

# %% [markdown] claims="C070, C056"
# **C070 · true.** *“Sharing $W_Q$ and $W_K$ forces 'what I seek' to be 'what I advertise'.”* The scores are symmetric, and at $d_k=64$ all of 500 random tokens find themselves first, against at most
# one in 500 with separate projections. At $d_k=4$ it is a tendency, not a rule (first column above). The *weights* are not symmetric: each row is divided by its own sum. And it is
# a handicap, not a death sentence: Reformer (Kitaev et al. 2020) ties queries and keys, hides each token from itself unless it sees no other, and reports no loss of quality.
#
# **C056 · true.** *“Comparing raw vectors means a fixed similarity.”* Also a symmetric, self-dominated one: $E[x\cdot x]=d$ against $E[x\cdot y]=0$. Nothing about it can be learned.

# %%
claim("C070", self_matches["shared", 64], 1, what="shared, d_k = 64: share of tokens that find themselves, three seeds")
claim("C070", self_matches["separate", 64], at_most=0.02, what="separate: the same")
x, W = np.random.default_rng(0).normal(size=(500, 64)), np.random.default_rng(1).normal(size=(64, 64)) / 8
scores = (x @ W) @ (x @ W).T
claim("C070", abs(scores - scores.T).max(), 0, 1e-12, what="shared: distance of the scores from symmetric")
two = softmax(np.array([[2.0, 0.0], [0.0, 0.0]]))  # the symmetric scores of the tokens √2 and 0
claim("C070", [two[0, 1], two[1, 0]], [0.119, 0.5], 0.001, what="weights 1 → 2 and 2 → 1 from symmetric scores")
similarity = x @ x.T
claim("C056", np.diag(similarity).mean(), 64, 2, what="raw: mean score of a token with itself, d = 64")
claim("C056", (similarity.sum() - np.trace(similarity)) / (500 * 499), 0, 0.2, what="raw: mean score with another")
claim("C056", self_matches["raw", 64], 1, what="raw: share of tokens that find themselves, three seeds")

# %% [markdown]
# ### A task that a shared projection cannot solve
#
# **Does it matter after training?** Take a directed relation: *who comes after me*. Four teams of three stand in random order, each player with one of four marks. A1 must say the mark of A2, A2 that of A3, and
# A3 that of A1; likewise B, C and D. One head, no positions, 250 steps.
#
# **No symmetric score can do it**, not even with the self-match hidden. Say each player of a team prefers its successor: $s(1,2)>s(1,3)$, $s(2,3)>s(2,1)$, $s(3,1)>s(3,2)$. By symmetry the right sides are $s(3,1)$, $s(1,2)$ and $s(2,3)$. So
# $s(1,2)>s(3,1)>s(2,3)>s(1,2)$, a number larger than itself. In each team at least one of three finds the wrong player, whatever is learned. (Any directed cycle will do; the longer it is, the smaller the share of it that must fail.)

# %%
PLAYERS = [team + place for team in "ABCD" for place in "123"]


def line_ups(count, generator):
    """Shuffled players, their marks, where each one's successor stands, and its mark: four tensors (count, 12)."""
    order = torch.rand(count, 12, generator=generator).argsort(1)
    marks = torch.randint(0, 4, (count, 12), generator=generator)
    after = order // 3 * 3 + (order + 1) % 3  # 0 → 1 → 2 → 0 within each team
    place = order.argsort(1).gather(1, after)
    return order, marks, place, marks.gather(1, place)


def batches(seed):
    generator = torch.Generator().manual_seed(seed)
    while True:
        yield line_ups(16, generator)


order, marks, place, answers = line_ups(1, torch.Generator().manual_seed(0))
print(" ".join(f"{PLAYERS[p]}:{mark}" for p, mark in zip(order[0].tolist(), marks[0].tolist(), strict=True)))
print("must say " + "    ".join(map(str, answers[0].tolist())))
assert [PLAYERS[order[0, i]] for i in place[0]][order[0].tolist().index(2)] == "A1"


# %%
class Head(nn.Module):
    """One head over tokens that are a player plus a mark; `way` says which projections are shared."""

    def __init__(self, way, size, seed, d=32):
        super().__init__()
        torch.manual_seed(seed)
        self.way = way
        self.player, self.mark = nn.Embedding(12, d), nn.Embedding(4, d)
        self.q, self.k, self.v = (nn.Linear(d, size, bias=False) for _ in range(3))
        self.say = nn.Linear(size, 4, bias=False)

    def forward(self, batch):
        x = self.player(batch[0]) + self.mark(batch[1])
        q, k, v = self.q(x), self.k(x), self.v(x)
        if self.way.startswith("Q = K"):
            k = q
        elif self.way == "raw X":
            q = k = x
        elif self.way == "K = V":
            v = k
        mask = ~torch.eye(12, dtype=torch.bool) if self.way.endswith("hidden") else None
        context, weights = scaled_dot_product_attention(q, k, v, mask=mask)
        return self.say(context), weights


# %% tags=["nbval-ignore-output"]
def error(output, batch):
    return nn.functional.cross_entropy(output[0].flatten(0, 1), batch[3].flatten())


def trained(way, size, seed):
    head = Head(way, size, seed)
    fit(head, error, batches(seed), steps=250, learning_rate=0.02)
    return head


WAYS = ("separate", "Q = K", "Q = K, self hidden", "raw X", "K = V")
heads = {(way, 16): [trained(way, 16, seed) for seed in SEEDS] for way in WAYS}
heads |= {(way, 2): [trained(way, 2, seed) for seed in SEEDS] for way in ("separate", "K = V")}


# %% tags=["nbval-ignore-output"]
TEST = line_ups(500, torch.Generator().manual_seed(99))
right, found, on_self = {}, {}, {}
print(f"{'three seeds each':27}{'marks right':>21}{'successor found':>24}{'weight on itself':>23}")
with torch.no_grad():
    for key, models in heads.items():
        runs = [model(TEST) for model in models]
        right[key] = [(say.argmax(-1) == TEST[3]).float().mean().item() for say, _ in runs]
        found[key] = [(w.argmax(-1) == TEST[2]).float().mean().item() for _, w in runs]
        on_self[key] = [w.diagonal(dim1=1, dim2=2).mean().item() for _, w in runs]
        columns = "".join("".join(f"{r:7.0%}" for r in row[key]) + "   " for row in (right, found, on_self))
        print(f"{key[0]:20} size {key[1]:<2}{columns}")
print("chance: 25 % of the marks; bound for a symmetric score: two successors of three")
assert min(right["separate", 16] + right["K = V", 16] + right["separate", 2]) > 0.95
assert max(right["Q = K", 16] + right["Q = K, self hidden", 16]) < 0.72
assert max(found["Q = K", 16] + found["Q = K, self hidden", 16] + found["raw X", 16]) <= 2 / 3 + 1e-6
assert max(right["raw X", 16]) < 0.45
assert max(right["K = V", 2]) < 0.6

# %% tags=["nbval-ignore-output"]
line = torch.arange(12)[None], torch.zeros(1, 12, dtype=torch.long)  # the players in order, all with the mark 0
fig, axes = plt.subplots(1, 2, figsize=(13.5, 5))
for ax, way in zip(axes, ("separate", "Q = K"), strict=True):
    with torch.no_grad():
        weights = heads[way, 16][0](line)[1][0]
    players = torch.arange(12)
    hits = int((weights.argmax(-1) == players // 3 * 3 + (players + 1) % 3).sum())
    heatmap(weights, PLAYERS, PLAYERS, ax=ax, title=f"{way}: {hits} of 12 find their successor", digits=1)
    print(f"{way:9} {hits} of 12 find their successor")
show(
    fig,
    "Weights of two trained heads for the players in order. Separate projections: one dark cell per row, on the successor. "
    "Shared projection: each row spreads its weight evenly over the three players of its team, itself included.",
)

# %% [markdown]
# **Read the table.** Separate projections solve it. One projection for both fails with every seed, with the self-match hidden as well: the symmetry stays. It learns the *team*, not the direction: about a third of the weight on each of the three, itself included (picture). Nobody with a symmetric score finds more than two
# successors of three, as proved. Raw tokens stay near chance: they read themselves.
#
# **K = V is another matter.** With 16 features it works: the key has room for the player, to be found by, *and* for the mark, to be read; queries just ignore the mark. With 2 features
# it fails, while a separate value of size 2 is enough. What you match on must then be what you pass, and there is no room for both. (Some models share keys and values to
# save cache. What it costs is room.)

# %% [markdown] question="Q021" kind="explain" minutes=6
# ### Why three different projections? What breaks if Q = K, if K = V, or if raw X is used?
#
# <details><summary>Hint 1 · direction</summary>
#
# Take a sentence. What does a verb look for, and what is it found by? Are these the same?
# </details>
# <details><summary>Hint 2 · insight</summary>
#
# Put $W_Q=W_K=W$ into the score of $i$ with $j$, of $j$ with $i$, and of $i$ with itself. Which of the three is a sum of squares?
# </details>
# <details><summary>Sixty-second answer</summary>
#
# A token has three roles: it seeks, it is found, it hands something over. With one matrix for query and key the score is x W W-transpose x: symmetric, so i scores j as j scores i, and
# the self-score is a squared norm, which dominates. At size 64, all of 500 random tokens find themselves first, against one in 500 with separate matrices. A directed relation such as
# “who comes after me” in a circle cannot be expressed: around the circle the inequalities contradict each other. With K equal to V, what you match on is what you pass; that works if there is room for
# both and fails if not. Raw X is worst: a fixed similarity, symmetric, self-dominated, nothing to learn. With separate matrices the score is a bilinear form of rank d_k, asymmetric
# if needed. Nuance: Reformer shares Q and K, hiding the self-match, without loss of quality; sharing K and V exists too.
# </details>
# <details><summary>Full answer</summary>
#
# Score: $s_{ij}=x_iW_QW_K^\top x_j^\top=x_iMx_j^\top$, rank at most $d_k$, in general $M\ne M^\top$.
# - **Q = K**: $M=WW^\top$. Symmetric; $s_{ii}=\lVert q_i\rVert^2\approx d_k$ against $s_{ij}\approx0\pm\sqrt{d_k}$ for random tokens; by Cauchy and Schwarz the token with the longest query never prefers another. Measured: 100 % of 500 tokens
#   find themselves at $d_k=64$, against 0.2 % (one in 500) expected with separate ones. Softmax does not keep the symmetry (rows have different sums).
# - **Directed relations**: "who comes after me" needs $s(i,i+1)>s(i,i-1)$ for all $i$ of a cycle; symmetry makes this a number larger than itself. Trained on cycles of three: 100 % with separate projections; with shared ones at most two
#   successors of three are found, also if the self-match is hidden.
# - **K = V**: matching and content share $d_k$ features. With 16 it learned the task, with 2 it did not, where a separate value of size 2 did.
# - **raw X**: $M=I$: no learned metric, $E[x\cdot x]=d$ against 0, near chance in the task.
# - **Sentence**: in "the keys to the cabinet *are*", the verb asks "plural noun, head of the subject?" and advertises "verb". The noun advertises its number, and may ask for its determiner.
# - **Nuance**: Reformer ties Q and K, hides the self-match and reports no loss of quality; under a causal mask each pair meets in one direction only, so no cycle arises.
# </details>
# <details><summary>How it is scored</summary>
#
# - **Strong hire**: symmetry *and* the dominating diagonal with their reasons, K = V kept apart from Q = K, one example of a directed relation, and the nuance that sharing can work.
# - **Lean hire**: symmetry with its reason; the diagonal or K = V only after a question.
# - **No hire**: "more parameters, more capacity", with nothing about what the roles are.
# </details>
#
# **Red flag:** "with W_Q = W_K the *weights* are symmetric". The scores are; the softmax divides each row by its own sum.
#
# **Follow-up:** can you repair Q = K by hiding the diagonal? (The self-match, yes. The symmetry, no: see the row "self hidden".)

# %% [markdown]
# ## Attention is a weighted mean
#
# **What can attention never say?** The weights of a row are positive and sum to one. So the output is a *convex combination* of the values: it lies in their convex hull, the
# smallest rubber band around them. For every direction $u$:
#
# $$u\cdot\text{out}=\sum_ja_j\,(u\cdot v_j)\;\le\;\max_j u\cdot v_j .$$
#
# It can average, and it can select. It cannot add (the sum of 1 and 2 is outside), cannot amplify, cannot take a difference. What comes after it can: $W_O$ stretches and turns, the
# residual connection adds, the feed-forward layer bends.

# %%
corners = np.array(
    [[0.0, 0.0], [4.0, 0.3], [5.0, 3.0], [2.2, 4.4], [-0.6, 2.4]]
)  # five values in the plane, counterclockwise
edges = np.roll(corners, -1, 0) - corners


def outside(points):
    """How far beyond the nearest edge line each point lies; negative inside."""
    normals = np.stack([edges[:, 1], -edges[:, 0]], 1) / np.linalg.norm(edges, axis=1, keepdims=True)
    return ((points[:, None] - corners) * normals).sum(-1).max(1)


wanted = corners[1] + corners[2]  # the sum of two values
outputs = {}
for seed in SEEDS:
    rng = np.random.default_rng(seed)
    query, key = rng.normal(size=(2000, 8)), rng.normal(size=(5, 8))
    for temperature in (0.3, 2.0, 8.0):
        outputs[seed, temperature] = soft_lookup(query, key, corners, temperature)
furthest = max(outside(points).max() for points in outputs.values())
print(
    f"18,000 random look-ups beyond the hull by more than 1e-9: {sum((outside(p) > 1e-9).sum() for p in outputs.values())}"
)
print("the sum of two values lies beyond it:", bool(outside(wanted[None])[0] > 1))
assert furthest < 1e-9

# %%
scores = torch.zeros(5, dtype=torch.float64, requires_grad=True)  # free scores: better than any query and keys
goal, hull = torch.tensor(wanted), torch.tensor(corners)
optimizer = torch.optim.Adam([scores], lr=0.1)
for _ in range(400):
    distance = (torch.softmax(scores, 0) @ hull - goal).norm()
    optimizer.zero_grad()
    distance.backward()
    optimizer.step()
reached = (torch.softmax(scores, 0) @ hull).detach().numpy()
print(
    f"best that 400 steps of training find: {reached}, {distance.item():.2f} away; distance to the hull {np.linalg.norm(corners[2] - wanted):.2f}"
)

# %%
fig, ax = plt.subplots(figsize=(9, 3.4))
ax.fill(*corners.T, facecolor="0.93", edgecolor="black", linewidth=1.5)
for temperature, marker, colour in ((0.3, "^", "C1"), (2.0, "o", "C0"), (8.0, "s", "C2")):
    points = outputs[0, temperature][:150]
    ax.plot(
        *points.T, marker, color=colour, markersize=4, alpha=0.6, linestyle="", label=f"outputs at τ = {temperature:g}"
    )
ax.plot(*corners.T, "kD", markersize=9, linestyle="", label="the five values")
ax.plot(*corners.mean(0), "P", color="black", markersize=11, linestyle="", label="their mean")
ax.plot(*wanted, "X", color="C3", markersize=12, linestyle="", label="wanted: a sum of two values")
ax.plot(*np.stack([reached, wanted]).T, color="C3", linestyle="--", marker="")
ax.set(title="Outputs stay inside the hull of the values", aspect="equal", xlim=(-1.2, 15))
ax.legend(loc="center right", fontsize=9)
show(
    fig,
    "A pentagon of five values. Outputs lie near its edges when cold, in its middle when warm; the wanted sum lies outside.",
)

# %% [markdown]
# ### When is it exactly the plain mean?
#
# If all scores over the *visible* keys are equal, each of them gets the same share. That happens for $W_Q=0$, for $W_K=0$, and in the limit of an infinite temperature. Then the mask alone decides:
# without one every token reads the mean of all values, with a causal mask token $i$ reads the mean of $v_1,\dots,v_i$.

# %% [markdown] claims="C050"
# **C050 · imprecise.** *“Equal scores make attention a simple mean of all V.”* Of all *visible* V. Set $W_Q=0$ under a causal mask: the output is a running mean, and its first row is $v_1$ itself.

# %%
rng = np.random.default_rng(0)
x, W_k, W_v = rng.normal(size=(6, 4)), rng.normal(size=(4, 3)), rng.normal(size=(4, 2))
v, silent = x @ W_v, np.zeros((6, 3))  # silent: the queries of W_q = 0
out, _ = scaled_dot_product_attention(silent, x @ W_k, v)
claim("C050", abs(out - v.mean(0)).max(), 0, 1e-12, what="no mask: distance from the mean of all values")
out, weights = scaled_dot_product_attention(silent, x @ W_k, v, mask=causal_mask(6))
running = v.cumsum(0) / np.arange(1, 7)[:, None]
claim("C050", abs(out - running).max(), 0, 1e-12, what="causal mask: distance from the running mean")
claim("C050", abs(out[:-1] - v.mean(0)).max(), at_least=0.1, what="causal mask: distance from the mean of all values")
claim("C050", weights[2], [1 / 3, 1 / 3, 1 / 3, 0, 0, 0], 1e-9, what="weights of the third token")

# %% [markdown] question="Q023" kind="derive" minutes=5
# ### In what sense is attention a weighted mean, and when is it exactly the plain mean?
#
# <details><summary>Hint 1 · direction</summary>
#
# Which two properties of a softmax row make a mean of the sum over values?
# </details>
# <details><summary>Hint 2 · insight</summary>
#
# Apply a linear function to the output. How large can it get? Then set all scores equal, first without a mask, then with one.
# </details>
# <details><summary>Sixty-second answer</summary>
#
# Each output is a sum of values with weights that are positive and sum to one, so it is a convex combination: it lies in the convex hull of the values, and no linear function of it exceeds its largest
# value over the v_j. It can select and average, but not add, amplify or subtract; W_O, the residual connection and the feed-forward layer do that. It is exactly the plain mean when all scores over the
# visible keys are equal: zero W_Q or W_K, or infinite temperature. The mask decides over what: with a causal mask, row i is the mean of v_1 to v_i, a running mean, not the mean of all. That is also
# roughly the state at initialisation with small weights. Rows that see nothing give zero by our convention, which is the one exception to the hull.
# </details>
# <details><summary>Full answer</summary>
#
# $a_{ij}=e^{s_{ij}}/\sum_{l\in S_i}e^{s_{il}}$ over the visible set $S_i$: positive, sum one. For every $u$:
# $u\cdot\text{out}_i=\sum_{j\in S_i}a_{ij}\,u\cdot v_j\le\max_{j\in S_i}u\cdot v_j$, so $\text{out}_i\in\operatorname{conv}\{v_j:j\in S_i\}$. In exact arithmetic it never sits on a corner (unless all visible values are equal), as no weight is 0; saturation comes close.
# - **Plain mean**: $s_{ij}=c$ for all $j\in S_i$ gives $a_{ij}=1/|S_i|$. The converse holds too: equal weights mean equal scores, since $a_{ij}/a_{il}=e^{s_{ij}-s_{il}}$. (The *mean itself* may come from other weights, if the values are affinely dependent.)
# - **Ways there**: $W_Q=0$ or $W_K=0$; $\tau\to\infty$; all keys equal.
# - **Causal**: row $i$ is $\frac1i\sum_{j\le i}v_j$, measured above to 1e-12.
# - **Outside the hull**: from the values 1 and 2 never 3. 18,000 random look-ups stayed inside, and training towards a point outside stopped at the nearest point of the hull.
# - **Who leaves the hull**: $W_O$ (linear: scales, turns, mixes heads), the residual $x_i+\text{out}_i$, the feed-forward layer. A stack of attention alone keeps averaging: tokens become alike.
# </details>
# <details><summary>How it is scored</summary>
#
# - **Strong hire**: convexity with its consequence (an impossible output), the visible set, the running mean, and who leaves the hull.
# - **Lean hire**: convex combination and "equal scores give the mean", the mask only after a question.
# - **No hire**: "it sums the values", with no idea that the weights sum to one or what follows.
# </details>
#
# **Red flag:** "with zero scores every token gets zero". Softmax of zeros is uniform, not zero.
#
# **Follow-up:** what does a head learn if the best answer is "nothing"? (It needs a value near zero to put its weight on: often the first token.)

# %% [markdown]
# ## Attention against a dense layer
#
# **Why not simply connect everything with everything?** A dense layer over the whole sequence takes $n\cdot d$ numbers to $n\cdot d$ numbers. It has $(nd)^2$ weights, $d^2$ for each *pair of places*. They
# are fixed after training, and so is $n$. Attention has $4d^2$ parameters ($W_Q,W_K,W_V$ and the output projection $W_O$), whatever $n$ is. Its $n^2$ weights are *computed* from the content, anew for each sequence.
#
# In between lies token mixing, as in MLP-Mixer. As one linear layer it has $n^2$ learned, static weights, the same for each feature.


# %%
class Attention(nn.Module):
    """One head of full width, with an output projection: 4 d² parameters."""

    def __init__(self, d):
        super().__init__()
        self.q, self.k, self.v, self.o = (nn.Linear(d, d, bias=False) for _ in range(4))

    def forward(self, x):
        return self.o(scaled_dot_product_attention(self.q(x), self.k(x), self.v(x))[0])


# %%
torch.manual_seed(0)
d = 8
attention, dense = Attention(d), nn.Linear(16 * d, 16 * d, bias=False)  # dense: for sequences of 16
print(
    "parameters, d = 8: attention",
    sum(p.numel() for p in attention.parameters()),
    " dense for n = 16",
    dense.weight.numel(),
)
for n in (16, 64):
    x = torch.randn(2, n, d)
    print(f"n = {n}: attention {tuple(attention(x).shape)}, the same 256 parameters", end="; ")
    try:
        print("dense", tuple(dense(x.flatten(1)).shape))
    except RuntimeError as error:
        print("dense fails:", str(error).partition("(")[0].strip())

# %%
sizes = [16, 64, 128, 512, 2048]
print(
    f"{'n':>5} {'dense (nd)²':>14} {'token mixing n²':>16} {'attention 4d²':>14} {'scores n² per sequence':>23}    (d = 768)"
)
for n in sizes:
    print(f"{n:5} {(n * 768) ** 2:14.3g} {n**2:16,} {4 * 768**2:14,} {n**2:23,}")

fig, ax = plt.subplots(figsize=(7.5, 3.6))
ax.plot(sizes, [(n * 768) ** 2 for n in sizes], label="dense layer, (nd)²")
ax.plot(sizes, [4 * 768**2 for _ in sizes], label="attention, 4d²")
ax.plot(sizes, [n**2 for n in sizes], label="token mixing, n²")
ax.set(
    xscale="log", yscale="log", xlabel="length n of the sequence", ylabel="learned numbers", title="Parameters, d = 768"
)
ax.set_xticks(sizes, [str(n) for n in sizes])
ax.minorticks_off()
ax.legend()
show(
    fig,
    "Log-log plot: the dense layer needs 1.5e8 to 2.5e12 learned numbers, attention 2.4e6 at any length, token mixing n².",
)

# %% [markdown] claims="C060"
# **C060 · imprecise.** *“Self-attention is more efficient than dense pairwise interaction.”* It *is* dense pairwise interaction: every token meets every token, $n^2$ scores. What it saves is **parameters**: for $n=512$ and $d=768$
# they are 2.36 million against $1.5\cdot10^{11}$, a factor of $n^2/4=65{,}536$. It saves by sharing: one rule for all pairs of places.

# %%
n, d = 512, 768
claim("C060", (n * d) ** 2 / 1e11, 1.546, 0.001, what="weights of a dense layer over 512 tokens of width 768, in 1e11")
claim("C060", 4 * d**2, 2359296, what="parameters of attention, for any n")
claim("C060", (n * d) ** 2 / (4 * d**2), 65536, what="their ratio, n²/4")
x = torch.randn(1, 16, 8, generator=torch.Generator().manual_seed(1))
swapped = x[:, [1, 0, *range(2, 16)]]  # the first two tokens change places
with torch.no_grad():
    followed = (attention(swapped)[:, [1, 0]] - attention(x)[:, [0, 1]]).abs().max()
    before, after = (dense(y.flatten(1)).unflatten(1, (16, 8)) for y in (x, swapped))
claim("C060", followed, 0, 1e-5, what="attention: two tokens swap places, and so do their outputs; difference")
claim("C060", (after[:, [1, 0]] - before[:, [0, 1]]).abs().max(), at_least=0.1, what="dense: the same difference")

# %% [markdown] question="Q024" kind="compare" minutes=4
# ### How does attention differ from a dense all-to-all layer over the sequence?
#
# <details><summary>Hint 1 · direction</summary>
#
# Count the learned numbers of both for n tokens of width d. Which count contains n?
# </details>
# <details><summary>Hint 2 · insight</summary>
#
# Both connect all pairs. In which of them does the strength of a connection depend on *what* stands there, and in which on *where*?
# </details>
# <details><summary>Sixty-second answer</summary>
#
# A dense layer over the flattened sequence has n times d, squared, weights: 1.5 times ten to the eleventh for 512 tokens of width 768. They are fixed after training, tied to places, and to one n. Attention has 4 d squared parameters,
# 2.4 million, for any n, because one rule serves all pairs: the strength of a connection is computed from the content of the two tokens. So the mixing matrix is different for every input. It generalises over places, runs on other
# lengths, and is equivariant: swap two tokens and the outputs swap. It is not cheaper in pairs: it still computes n squared scores. A token-mixing layer lies between: n squared static weights. The price of sharing is that attention
# does not know the order; the dense layer does. And attention's mixing weights are positive and sum to one.
# </details>
# <details><summary>Full answer</summary>
#
# | | learned numbers | mixing weights | other $n$ | order |
# |---|---|---|---|---|
# | dense on $n\cdot d$ | $(nd)^2$ | learned, one per pair of places and features | no | known |
# | token mixing | $n^2$ | learned, one per pair of places | no | known |
# | attention | $4d^2$ | computed from content, $n^2$ per sequence | yes | unknown, positions must be added |
#
# $n=512$, $d=768$: $1.546\cdot10^{11}$ against $2{,}359{,}296$, a factor $n^2/4=65{,}536$. Measured above: the same 256 parameters run at $n=16$ and $n=64$, the dense layer fails at the second length; swapped tokens give
# swapped outputs for attention to $10^{-5}$, and other outputs for the dense layer.
# - Multiply-adds: dense $(nd)^2$; attention about $4nd^2+2n^2d$. So it is also cheaper in arithmetic; but the pairs remain, $n^2$ scores, which is what limits long sequences.
# - Neither contains the other: a dense layer is linear and can do things that a convex mixture cannot (a difference of two places); attention is not linear in $x$, and its mixing reacts to content.
# - A convolution is another way to share: by *offset* instead of by content.
# </details>
# <details><summary>How it is scored</summary>
#
# - **Strong hire**: both counts, "content instead of place", other lengths, and that the n² pairs remain.
# - **Lean hire**: dynamic against static weights; a count only with help.
# - **No hire**: "attention is sparse" or "attention is linear in n".
# </details>
#
# **Red flag:** "attention is cheaper because it does not look at all pairs". It does.
#
# **Follow-up:** what does a dense layer know that attention does not? (The places. Hence positional encodings.)

# %% [markdown]
# ## Analogies, and where they break
#
# | analogy | stands for | where it breaks |
# |---|---|---|
# | a dictionary that forgives typing errors | query, key, value | nobody writes the keys, and there is no "not found" |
# | a library: request, catalogue card, book | key and value differ | you take home a *mixture* of all books, in shares |
# | a rubber band around the values | the convex hull | the band moves with each input, and $W_O$ and the residual leave it |
# | a dating agency with one form for both questions | $W_Q=W_K$ | everybody's best match is themselves |
# | a switchboard | a dense layer | attention plugs the wires anew for each sentence |

# %% [markdown]
# ## Takeaways
#
# 1. One formula, two limits: at $\tau\to0$ a dictionary (all 258 names exact), at $\tau\to\infty$ the mean ([A dictionary that answers with a mixture](#A-dictionary-that-answers-with-a-mixture)).
# 2. Weights come from queries and keys, content from values; neither sees the other (C139).
# 3. Self-attention is three products of the same $X$; the loop over tokens gives the same numbers ([Self-attention](#Self-attention)).
# 4. A head's matching is one matrix $M=W_QW_K^\top$ of rank at most $d_k$, and it may be asymmetric ([The score is a bilinear form](#The-score-is-a-bilinear-form), C049).
# 5. $W_Q=W_K$ makes scores symmetric and self-matches dominant, and no directed cycle can be learned; $K=V$ costs room ([Queries and keys from one projection](#Queries-and-keys-from-one-projection), C070).
# 6. The output lies in the hull of the visible values; equal scores give *their* mean ([Attention is a weighted mean](#Attention-is-a-weighted-mean), C050).
# 7. $4d^2$ parameters for any length against $(nd)^2$; the $n^2$ pairs remain ([Attention against a dense layer](#Attention-against-a-dense-layer), C060).

# %% [markdown]
# ## Cheat sheet
#
# | concept | formula | in one line | red flag |
# |---|---|---|---|
# | soft look-up | $\operatorname{softmax}(qK^\top/\tau)\,V$ | subtract the maximum, then divide by $\tau$ | $\tau+10^{-8}$ |
# | self-attention | $Q,K,V=XW_Q,XW_K,XW_V$ | every token asks, is found, is read, itself included | "every *other* token" (C048) |
# | cross-attention | $Q$ from one sequence, $K,V$ from another | weights are $n\times m$ | "the same input" (C022) |
# | rows or columns | $QK^\top$, or $Q^\top K$ | choose one | mixing them (C136) |
# | bilinear form | $M=W_QW_K^\top$ | rank at most $d_k$ | meaning of a single coordinate of $q$ |
# | shared $W_Q=W_K$ | $s_{ii}=\lVert q_i\rVert^2$ | symmetric scores, self-match | "symmetric weights" |
# | hull | $u\cdot\text{out}\le\max_ju\cdot v_j$ | averages and selects, never adds | "it sums the values" |
# | parameters | $4d^2$ against $(nd)^2$ | independent of $n$ | "fewer pairs" (C060) |

# %% [markdown]
# ## Check yourself
#
# Mark each row from 1 (cannot) to 5 (could teach). Aim at 4; come back to what is below in three days.
#
# | I can | 1–5 | if below 4 |
# |---|---|---|
# | explain query, key, value in a minute, with the point where the analogy breaks | | [A dictionary that answers with a mixture](#A-dictionary-that-answers-with-a-mixture), task `qkv.soft_lookup` |
# | write self-attention with all shapes for any batch | | [Self-attention](#Self-attention), task `qkv.self_attention` |
# | derive the bilinear form and its rank | | [The score is a bilinear form](#The-score-is-a-bilinear-form), task `qkv.score_form` |
# | say what breaks for Q = K, K = V, raw X, and prove the cycle argument | | [Queries and keys from one projection](#Queries-and-keys-from-one-projection), task `qkv.proof` |
# | name an output that attention cannot produce, and who can | | [Attention is a weighted mean](#Attention-is-a-weighted-mean), task `qkv.proof` |
# | count parameters against a dense layer | | [Attention against a dense layer](#Attention-against-a-dense-layer) |

# %% [markdown]
# ## Now you
#
# Open [your copy of the assignment](../work/05_qkv/05_qkv.ipynb) (made by `make study`; the
# [released exercise](../exercises/05_qkv/05_qkv.ipynb) stays untouched): three functions and the written proof. A check tells you at once whether you are right and, if not, which mistake it
# is.
#
# **Sources.** Vaswani et al. 2017, *Attention Is All You Need*, sections 3.2.1 and 3.2.3. Weston, Chopra and Bordes 2015, *Memory Networks* (first posted in 2014). Miller et al. 2016, *Key-Value Memory Networks for Directly
# Reading Documents*. Daniluk et al. 2017, *Frustratingly Short Attention Spans in Neural Language Modeling*. Cheng, Dong and Lapata 2016, *Long Short-Term Memory-Networks for Machine Reading*; Parikh et al. 2016, *A Decomposable
# Attention Model*; Lin et al. 2017, *A Structured Self-attentive Sentence Embedding* (self-attention before the Transformer). Kitaev, Kaiser and Levskaya 2020, *Reformer*, section 2 (shared queries and keys). Tolstikhin et al. 2021,
# *MLP-Mixer* (token mixing). Language shares: Unicode CLDR, by way of the package Babel.
