# %% [markdown]
# # 08 · Heads: several look-ups at once
#
# - **Time:** 75 minutes, questions included.
# - **Prerequisites:** scaled dot-product attention with shapes ([06 · Scaling](06_scaling.ipynb)) and masks
#   ([07 · Masks](07_masks.ipynb)). Singular values are explained where they are used.
# - **Interview kinds:** *explain*, *implement*, *compute* and *design*; a standard subject wherever Transformers are asked for.
#
# **Objectives.** When you are through, you can
# 1. say what one head cannot do, prove it in four lines, and name the tricks that get round it;
# 2. write multi-head attention with every shape, and catch the reshape that mixes tokens and channels;
# 3. settle how many parameters and operations it has, with and without a head size of its own;
# 4. say what a small head gives up and what it does not, and what shared keys and values save and cost;
# 5. measure what heads do, remove them one by one, and say what such a test proves.

# %% [markdown]
# **How to use this page.** Each idea is a question, a few lines, a measurement, a picture. Lines such as `C099 ✓ measured 64, expected 64`
# are assertions: the page cannot be built if one fails. Statements in quotation marks are what one hears; many are wrong, and the verdict
# says so. Say your answer aloud *before* you open a fold.
#
# The assignment is [your own copy](../work/08_heads/08_heads.ipynb), which `make study` makes, of the [released
# exercise](../exercises/08_heads/08_heads.ipynb).

# %%
import math
import os
from dataclasses import replace

os.environ["OMP_NUM_THREADS"] = "1"  # before torch loads: on arrays this small, threads only wait for each other

import numpy as np
import torch
from matplotlib import pyplot as plt
from torch import nn

from attn_core import causal_mask, scaled_dot_product_attention, softmax
from attn_core.grouped_query import grouped_query_attention
from attn_core.head_measures import attention_entropy, attention_on, induction_places, previous_token_score, sink_score
from attn_core.heads import merge_heads, multi_head_attention, parameter_count, split_heads
from attn_core.lab import claim, fit, house_style, show, slider
from attn_core.lab.data import lookups, repeated
from attn_core.transformer import Transformer, losses_without, next_token_loss

torch.set_num_threads(1)
house_style()
np.set_printoptions(precision=3, suppress=True)

# %% [markdown]
# ## One distribution per query
#
# **What can one head not do?** Read two things at once. Here is the smallest task that asks for it. There are 8 items; each has a name and
# holds 4 random numbers. A query gives two names, say "b, g". The answer is what item b holds, and then what item g holds.
#
# One look-up is what attention was made for. Two look-ups with the same query are another matter: a head has *one* row of weights per
# query. It can put all of it on b, or all on g, or half and half.

# %%
batch = lookups(2000, torch.Generator().manual_seed(99))
names = "abcdefgh"
said = [names[batch.query[0, 0, i : i + 8].argmax()] for i in (0, 8)]
print("query:", " and ".join(said))
for item in batch.items[0]:
    name = names[item[:8].argmax()]
    print(f"  item {name} holds", item[8:12].numpy(), "← asked for" if name in said else "")
print("answer:", batch.answer[0].numpy().ravel())


# %%
class LookUp(nn.Module):
    """Attention from the query to the items, added to the query; the last channels are the answer."""

    def __init__(self, heads, width=24, layers=1, hidden=0):
        super().__init__()
        self.heads = heads
        self.W = nn.Parameter(torch.randn(layers, 4, width, width) / math.sqrt(width))  # W_q, W_k, W_v, W_o per layer
        self.read_out = nn.Identity()
        if hidden:
            self.read_out = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, width))

    def forward(self, batch):
        x = batch.query
        for W in self.W:
            x = x + multi_head_attention(x, batch.items, *W, self.heads)[0]
        return self.read_out(x)[:, 0, -batch.answer[0].numel() :].reshape(batch.answer.shape)


def squared_error(answer, batch):
    return (answer - batch.answer).square().mean()


# %% [markdown]
# Width 24, four 24×24 matrices, whatever the number of heads: the same 2,304 parameters. What an item holds has variance 1, so a network
# that knows nothing has an error of 1, and one that answers only one of the two names has ½.


# %% tags=["nbval-ignore-output"]
def train(seed, steps=200, rate=0.02, draw=lookups, **model):
    """A trained model and its error for each answer, on queries it has not seen."""
    torch.manual_seed(seed)
    generator, made = torch.Generator().manual_seed(seed), LookUp(**model)
    width = {"width": model.get("width", 24)}
    fit(made, squared_error, (draw(64, generator, **width) for _ in range(steps)), steps, rate)
    test = draw(2000, torch.Generator().manual_seed(99), **width)
    with torch.no_grad():
        return made, (made(test) - test.answer).square().mean((0, 2)).numpy()


SEEDS = (0, 1, 2)
one, two = ([train(seed, heads=heads) for seed in SEEDS] for heads in (1, 2))
print(f"parameters: {one[0][0].W.numel()} with 1 head, {two[0][0].W.numel()} with 2")
for name, runs in (("1 head", one), ("2 heads", two)):
    for seed, (_, errors) in zip(SEEDS, runs, strict=True):
        print(f"{name:8} seed {seed}: error of the two answers {errors.round(4)}, mean {errors.mean():.4f}")
assert min(errors.mean() for _, errors in one) > 0.45
assert max(errors.mean() for _, errors in two) < 0.01

# %% [markdown]
# **Why ½, and never less?** Let the head put the weights $\alpha$ and $\beta$ on the two items, $v_a$ and $v_b$ being what they hold. All
# it hands on is $c=\alpha v_a+\beta v_b$ (plus what else it reads). $W_O$ can scale this for either answer, $s\,c$ and $t\,c$, but it is
# the same $c$. The best $s$ leaves
#
# $$\min_s\;(s\alpha-1)^2+s^2\beta^2=1-\frac{\alpha^2}{\alpha^2+\beta^2},\qquad\text{and for the other answer}\qquad 1-\frac{\beta^2}{\alpha^2+\beta^2}.$$
#
# The two sum to exactly 1, for *every* mixture. The head may choose or average; it loses one answer of two. (In matrices:
# $\begin{pmatrix}s\alpha&s\beta\\t\alpha&t\beta\end{pmatrix}$ has rank 1, and the identity that it should be has rank 2.)
#
# *The small print.* The proof takes the weights as set by the names. Weights that also react to what the items hold could smuggle a little
# more through. In none of the trainings here did that happen to a degree one could measure.


# %% tags=["nbval-ignore-output"]
@torch.no_grad()
def weights_on_asked(model):
    """Mean weight of each head on the two items asked for, (heads, 2)."""
    weights = multi_head_attention(batch.query, batch.items, *model.W[0], model.heads)[1][:, :, 0]
    return weights.gather(2, batch.chosen[:, None].expand(-1, model.heads, -1)).mean(0).numpy()


on_asked = [weights_on_asked(model)[0] for model, _ in one]
for (alpha, beta), (_, errors) in zip(on_asked, one, strict=True):
    print(f"one head: weights {alpha:.2f} and {beta:.2f}, errors {errors.round(2)}")
table = weights_on_asked(two[0][0])
print("two heads, seed 0: weights of head 0", table[0], " of head 1", table[1])

# %% tags=["nbval-ignore-output"]
fig, axes = plt.subplots(1, 2, figsize=(10, 3.6))
share = np.linspace(0, 1, 101)
first = 1 - share**2 / (share**2 + (1 - share) ** 2)
axes[0].plot(share, first, marker="", label="first answer, by the formula")
axes[0].plot(share, 1 - first, marker="", label="second answer")
for (alpha, beta), (_, errors) in zip(on_asked, one, strict=True):
    axes[0].plot([alpha / (alpha + beta)] * 2, errors, "ks", linestyle="", markersize=6)
axes[0].set(
    xlabel="share of the first item, α/(α+β)", ylabel="squared error", ylim=(-0.05, 1.35), title="One head: a see-saw"
)
axes[0].legend(fontsize=9, loc="upper center", ncols=2)
for head, hatch in enumerate(["", "//"]):
    places = np.arange(2) + 0.2 * (2 * head - 1)
    bars = axes[1].bar(places, table[head], 0.38, edgecolor="black", hatch=hatch, label=f"head {head}")
    axes[1].bar_label(bars, fmt="%.2f")
axes[1].set_xticks([0, 1], ["first item", "second item"])
axes[1].set(ylabel="mean weight", ylim=(0, 1.35), title="Two heads: one each (seed 0)")
axes[1].legend(loc="upper center", ncols=2, fontsize=9)
show(
    fig,
    "Left: errors of both answers against the mixture; three trained networks (squares) lie on the curves. "
    "Right: each of two heads reads one item.",
)

# %% [markdown]
# The squares are the three trained networks. Each found a different mixture, and all lie on the curves or a hair above: that is the whole freedom of one head.
# With two heads each takes one name. Nobody told them to.
#
# **Who is to blame?** The head, not its size and not the read-out. Before you believe it, try to break it.

# %% tags=["nbval-ignore-output"]
tricks = {
    "one head": one[0],
    "one head, twice as wide": train(0, heads=1, width=48),
    "one head, then a network with 96 hidden units": train(0, heads=1, hidden=96, steps=300, rate=0.01),
    "two heads, then the same network": train(0, heads=2, hidden=96, steps=300, rate=0.01),
    "one head, two layers": train(0, heads=1, layers=2),
}
for name, (model, errors) in tricks.items():
    count = sum(p.numel() for p in model.parameters())
    print(f"{name:46}{count:7} parameters   error {errors.mean():.4f}")
found = [errors.mean() for _, errors in tricks.values()]
assert min(found[:3]) > 0.45
assert max(found[3:]) < 0.02

# %% [markdown]
# **Width does not help, nor a clever read-out: what was mixed stays mixed. Depth does help:** a second layer asks again. So "impossible
# with one head" means: within one layer. A second query position would do too, since each position has weights of its own.
#
# And one honest exception. If the items held *symbols*, not numbers, a head could mix them unevenly, ⅔ and ⅓, and a non-linear read-out
# could tell the larger from the smaller. Built by hand, it always works:

# %%
rng = np.random.default_rng(0)
a, b = rng.integers(0, 5, (2, 1000))  # what the two items hold: one of 5 symbols each, also twice the same
mixed = np.eye(5)[a] * 2 / 3 + np.eye(5)[b] / 3  # one head, weights ⅔ and ⅓
got_a = mixed.argmax(-1)
got_b = (mixed - np.eye(5)[got_a] * 2 / 3).argmax(-1)  # subtract, and look again: not linear
print("symbols, one head, uneven mixture: both right in", np.mean((got_a == a) & (got_b == b)))
assert (got_a == a).all()
assert (got_b == b).all()


# %% [markdown] claims="C153, C029"
# **C153 · true.** *“A single head is forced to average.”* So Vaswani et al. 2017 put it (section 3.2.2): with one head, averaging inhibits
# attending to different places at once. Measured here: whatever mixture it takes, half of the variance is lost, and two heads lose next to nothing.
#
# **C029 · imprecise.** *“One head can capture only one type of relationship.”* One distribution per *query*. Different queries may use the
# same head differently. Give each item two names, a letter and a colour, and let each query use one of them: one head learns both
# relations.


# %% tags=["nbval-ignore-output"]
def one_of_two(count, generator, width):
    """Look-ups by letter *or* by colour: the query has one name, in the slot of its kind."""
    both = lookups(count, generator, by=(0, 1), items=6, width=width)
    kind = torch.randint(2, (count,), generator=generator)
    slot = torch.arange(width) // 6  # channels 0–5 of the query name a letter, 6–11 a colour
    query = torch.where((slot < 2) & (slot != kind[:, None]), 0, both.query[:, 0])
    return replace(both, query=query[:, None], answer=both.answer[torch.arange(count), kind][:, None])


errors = [train(seed, heads=1, draw=one_of_two)[1][0] for seed in SEEDS]
claim("C029", errors, at_most=0.02, what="one head, two relations, one per query: error, three seeds")
claim("C153", [e.mean() for _, e in one], at_least=0.45, what="one head, two look-ups per query: error, three seeds")
claim("C153", [e.mean() for _, e in two], at_most=0.01, what="two heads, same parameters")

# %% [markdown] question="Q044" kind="explain" minutes=4
# ### Why several heads instead of one wide head?
#
# <details><summary>Hint 1 · direction</summary>
#
# Count, for one query, how many numbers say where a head looks. How many channels of the value do they apply to?
# </details>
# <details><summary>Hint 2 · insight</summary>
#
# A wide head has a richer score, but still one row of weights, the same for all channels. What happens if the query needs two different
# tokens?
# </details>
# <details><summary>Sixty-second answer</summary>
#
# A head has one distribution per query, and it applies to all channels of the value. If a query needs two tokens for two purposes, one head
# must choose or average. I can show it: two look-ups with one query, one head loses exactly half of the variance, however wide; two heads
# of half the width lose nothing. Each head has its own projections, so it can look at other features and other places; W_O combines them.
# The price is small: the same parameters, the same matrix products, but h score maps, so h n squared exponentials. What is given up: each
# score matrix has rank at most d over h, so too many heads hurt. In Vaswani's table one head is 0.9 BLEU below the best, and 32 are below
# eight. Depth is an alternative: two layers of one head can look twice. And after training many heads can be removed, so "each head one
# relation" is a tendency.
# </details>
# <details><summary>Full answer</summary>
#
# **What one head can hand on.** $o=\big(\sum_ja_jx_j\big)W_VW_O$: one convex mixture of the tokens, then a linear map. Ask for $v_a$ *and*
# $v_b$, independent with variance 1. With $c=\alpha v_a+\beta v_b$ the best linear answers $(sc,tc)$ have the errors
# $\beta^2/(\alpha^2+\beta^2)$ and $\alpha^2/(\alpha^2+\beta^2)$, sum 1 of 2, for all $\alpha,\beta$. Two heads: errors 0 and 0. Width is no
# way out, since it enlarges $d_k$ and $d_v$ but not the number of mixtures.
#
# **What h heads cost.** $W_Q,W_K,W_V$ are $d\times d$ in both cases, cut into $h$ column blocks; scores are $h\cdot n^2\cdot d/h=n^2d$
# multiply-adds. What grows: $hn^2$ exponentials, and $hn^2$ weights to keep for the backward pass.
#
# **What they give up.** Each score matrix has rank at most $d/h$. A single relation that needs a rich comparison suffers.
#
# **Evidence.** Vaswani et al. 2017, table 3 (A), English–German, $d=512$: 24.9, 25.5, 25.8, 25.8, 25.4 BLEU for 1, 4, 8, 16, 32 heads.
# After training most of the heads of a layer are dispensable one at a time (Michel et al. 2019), and 38 of 48 encoder heads could be pruned
# for 0.15 BLEU (Voita et al. 2019).
#
# **Ways round.** Another layer; another position that asks; a gate that makes the mixture depend on the channel. With symbols instead of
# numbers, an uneven mixture can be decoded by a non-linear network.
# </details>
# <details><summary>How it is scored</summary>
#
# - **Strong hire**: one distribution per query with a case in which it fails, equal parameters and products but h maps, the rank that is
#   given up, and a limit of the argument (depth, pruning).
# - **Lean hire**: "different heads look at different places" and the equal cost, without a case that fails and without what is given up.
# - **No hire**: heads add parameters, or each head gets its own slice of the embedding.
# </details>
#
# **Red flag:** "heads help because there are more parameters".
#
# **Follow-up:** could one head with d_k = d and two *queries* per position do it? (Yes: that is two heads that share keys and values, multi-query attention.)

# %% [markdown]
# ## Multi-head attention
#
# **What exactly is computed?** Each head projects the *whole* token with its own matrices, attends, and hands on its context; the contexts
# stand side by side and $W_O$ mixes them:
#
# $$\text{head}_i=\operatorname{softmax}\!\Big(\tfrac{1}{\sqrt{d_k}}\,XW_Q^i\,(YW_K^i)^\top\Big)YW_V^i,\qquad
#   O=[\text{head}_1;\dots;\text{head}_h]\,W_O=\sum_i\text{head}_i\,W_O^i .$$
#
# | symbol | shape | meaning |
# |---|---|---|
# | $X$, $Y$ | $n\times d$, $m\times d$ | tokens that ask, tokens that are read; $X=Y$ in self-attention |
# | $W_Q^i,W_K^i,W_V^i$ | $d\times d_k$ | column block $i$ of one $d\times d$ matrix; usually $d_k=d/h$ |
# | $\text{head}_i$ | $n\times d_k$ | its context; its weights are $n\times m$ |
# | $W_O^i$ | $d_k\times d$ | row block $i$ of $W_O$ |
#
# The last sum is the way to think of it: heads *add up*, each writes into the full width through its own rows of $W_O$. Concatenation is
# only how it is stored.

# %%
rng = np.random.default_rng(0)
n, d, h = 5, 12, 3
x, (W_q, W_k, W_v, W_o) = rng.normal(size=(n, d)), rng.normal(size=(4, d, d)) / math.sqrt(d)
out, weights = multi_head_attention(x, x, W_q, W_k, W_v, W_o, heads=h)
parts = []
for block in np.split(np.arange(d), h):  # head by head, with its own columns and rows
    context, a = scaled_dot_product_attention(x @ W_q[:, block], x @ W_k[:, block], x @ W_v[:, block])
    parts.append(context @ W_o[block])
assert abs(out - sum(parts)).max() < 1e-12
print("one call, and the sum over the heads: equal to 1e-12")
peer = nn.MultiheadAttention(d, h, bias=False, batch_first=True, dtype=torch.float64)
with torch.no_grad():  # torch keeps the transposes, the first three in one matrix
    peer.in_proj_weight.copy_(torch.tensor(np.concatenate([W_q.T, W_k.T, W_v.T])))
    peer.out_proj.weight.copy_(torch.tensor(W_o.T))
    theirs, their_weights = peer(*[torch.tensor(x[None])] * 3, average_attn_weights=False)
assert abs(theirs[0].numpy() - out).max() < 1e-12
assert abs(their_weights[0].numpy() - weights).max() < 1e-12
print("torch.nn.MultiheadAttention: the same output and weights, to 1e-12; weights", weights.shape)

# %% [markdown]
# ## Split and merge
#
# **How are the blocks cut?** The projections of all heads are one product, $XW_Q$, $n\times d$. Head $i$ owns its columns
# $i\,d_k,\dots,(i+1)d_k-1$. In memory a token's channels lie side by side, so the only correct way is: first $(n,d)\to(n,h,d_k)$, which
# moves nothing, *then* swap the axes to $(h,n,d_k)$. To ask for $(h,n,d_k)$ at once gives the right shape and runs without an error. It cuts
# the table into horizontal strips. To see it, number the entries: the tens are the token, the ones are the channel.

# %%
table = np.arange(4)[:, None] * 10 + np.arange(6)  # 4 tokens, 6 channels
right = split_heads(table.astype(float), 2).astype(int)
wrong = table.reshape(2, 4, 3)
print("right, head 0:\n", right[0], "\nwrong, head 0:\n", wrong[0])
own = [[row // 10 == token for token, row in enumerate(head)] for head in wrong]
print(
    "rows of the wrong split that hold their own token, and only it:",
    sum(bool(r.all()) for head in own for r in head),
    "of 8",
)

fig, axes = plt.subplots(1, 5, figsize=(11, 3), width_ratios=(6, 3, 3, 3, 3))
titles = ("the projection, 4 × 6", "right: head 0", "right: head 1", "wrong: head 0", "wrong: head 1")
for ax, values, title in zip(axes, (table, *right, *wrong), titles, strict=True):
    ax.imshow(values // 10, cmap="Blues", vmin=-1, vmax=5, aspect="auto")
    for (i, j), value in np.ndenumerate(values):
        ax.text(j, i, f"{value:02d}", ha="center", va="center", fontsize=11)
    ax.set(title=title, xticks=[], yticks=range(4), yticklabels=[f"row {i}" for i in range(4)] if ax is axes[0] else [])
    ax.grid(visible=False)
show(
    fig,
    "Numbered entries: the right split gives each head three columns of every token; the wrong one gives head 0 all of tokens 0 and 1, cut in halves.",
)

# %% [markdown]
# **What does the mistake do?** Two variants, both with a causal mask, both with the right shapes. Change one token and see which outputs
# move.


# %%
def attend(x, split, merge):
    q, k, v = (split(x @ W) for W in (W_q, W_k, W_v))
    return merge(scaled_dot_product_attention(q, k, v, causal_mask(len(x)))[0]) @ W_o


def influence(split, merge, tokens=6):
    """Does output i (row) depend on token j (column)?"""
    x = np.random.default_rng(1).normal(size=(tokens, 12))
    moved = [
        abs(attend(x + np.eye(tokens)[:, [j]], split, merge) - attend(x, split, merge)).max(-1) for j in range(tokens)
    ]
    return np.stack(moved, 1) > 1e-9


# %%
right, strips = lambda x: split_heads(x, 2), lambda x: x.reshape(2, 6, 6)
maps = {
    "right": influence(right, merge_heads),
    "both wrong: ? unseen past": influence(strips, lambda x: x.reshape(6, 12)),
    "split wrong: × seen future": influence(strips, merge_heads),
}
for name, seen in maps.items():
    print(
        f"{name:30} sees the future: {np.triu(seen, 1).sum():2} pairs; blind to the past: {(~seen & np.tri(6, dtype=bool)).sum():2} of 21"
    )
x = np.random.default_rng(2).normal(size=(6, 12))
print("strips and back is the identity:", bool((strips(x).reshape(6, 12) == x).all()), "— a round trip finds nothing")

# %%
fig, axes = plt.subplots(1, 3, figsize=(10, 3.3))
for ax, (name, seen) in zip(axes, maps.items(), strict=True):
    causal = np.tri(6, dtype=bool)
    ax.imshow(np.where(seen, 0.55, 0.05), cmap="Greys", vmin=0, vmax=1)
    for i, j in np.ndindex(6, 6):
        mark = "×" if seen[i, j] and not causal[i, j] else "?" if causal[i, j] and not seen[i, j] else ""
        ax.text(j, i, mark, ha="center", va="center", fontsize=13, weight="bold")
    ax.set(
        title=name,
        xlabel="token changed",
        ylabel="output that moves" if ax is axes[0] else "",
        xticks=range(6),
        yticks=range(6),
    )
    ax.grid(visible=False)
show(
    fig,
    "Which outputs depend on which tokens. Right: the lower triangle. Both wrong: two blocks, the later half does not see the earlier one (question marks). Split wrong: crosses above the diagonal, a leak of the future.",
)

# %% [markdown] question="Q045" kind="implement" minutes=8
# ### Write and implement multi-head attention: projections, split, concatenation, output.
#
# <details><summary>Hint 1 · direction</summary>
#
# Four matrices, three of them before the split. Write the shape behind every line; there is one axis that must move.
# </details>
# <details><summary>Hint 2 · insight</summary>
#
# The channels of one token lie side by side in memory. A reshape may only cut the *last* axis in two; swapping axes is a second step. And
# which size goes under the root?
# </details>
# <details><summary>Sixty-second answer</summary>
#
# Input B by n by d, h heads, d_k is d over h. Project with three d by d matrices; each head thereby reads the full token, only the product
# is split. Reshape the last axis to h by d_k, so B, n, h, d_k, then swap to B, h, n, d_k. Never reshape directly to B, h, n, d_k: the shape
# is right, and tokens are mixed with channels. Scores are q times k transposed, divided by the root of d_k, not of d. The mask gets an axis
# for the heads. Softmax over the keys, times v. Swap back, reshape to B, n, d, multiply by W_O. Equivalently, the output is the sum over
# heads of each context times its rows of W_O. I test against a loop over heads, against torch's module, and with a numbered array, because
# split and merge, both wrong, are still inverse to each other.
# </details>
# <details><summary>Full answer</summary>
#
# ```python
# def multi_head_attention(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
#     B, n, d = x_q.shape
#     if d % heads:
#         raise ValueError(f"heads={heads} does not divide d={d}")
#     split = lambda x: x.reshape(B, -1, heads, d // heads).transpose(1, 2)    # (B, heads, n, d_k)
#     q, k, v = split(x_q @ W_q), split(x_kv @ W_k), split(x_kv @ W_v)
#     scores = q @ k.transpose(-1, -2) / math.sqrt(d // heads)                 # (B, heads, n, m)
#     if mask is not None:
#         scores = scores.masked_fill(~mask, -torch.inf)                       # (B, 1, n, m) or (B, heads, n, m)
#     weights = scores.softmax(-1).nan_to_num()                                # an empty row gives zeros
#     return (weights @ v).transpose(1, 2).reshape(B, n, d) @ W_o, weights
# ```
# - $W_Q^i$ is column block $i$ of `W_q`: one product for all heads. Slicing $X$ instead would be block-diagonal projections, with $1/h$ of
#   the parameters.
# - $[\text{head}_1;\dots;\text{head}_h]W_O=\sum_i\text{head}_iW_O^i$: heads add up.
# - `transpose` makes the array non-contiguous: `.view` fails on it, `.reshape` copies. A failing `.view(B, n, d)` is a warning, not
#   something to silence by leaving out the transpose.
# - A mask of shape $(B,n,m)$ needs `mask[:, None]`. Without it, it is aligned with the heads, and if $B=h$ nothing complains.
# - Cost: $2(n+m)d^2+2nmd$ multiply-adds, and $h\,nm$ exponentials.
# </details>
# <details><summary>How it is scored</summary>
#
# - **Strong hire**: right at once with the shapes said aloud, root of $d_k$, mask with its head axis, names the reshape trap and a test
#   that finds it.
# - **Lean hire**: right after a hint on the transpose or on the root.
# - **No hire**: reshapes directly to (B, h, n, d_k) and sees nothing wrong in it, or forgets $W_O$.
# </details>
#
# **Red flag:** testing split and merge only by their round trip.
#
# **Follow-up:** make it serve n = 1 new token against a cache. What do you keep? (k and v after the split, per head; q is not kept.)

# %% [markdown]
# ## Every head reads the whole token
#
# **Is the embedding cut into pieces?** No; what is cut is the *projection*. Test: change one channel of the input, and see which heads'
# contexts change. Beside it, what many drawings show: every head gets its own slice of the embedding. That is the same function with
# block-diagonal matrices.


# %%
def reaction(W_q, W_k, W_v, heads=4):
    """How much the context of each head (column) moves when one input channel (row) does."""
    x = np.random.default_rng(3).normal(size=(6, 8))

    def contexts(x):
        q, k, v = (split_heads(x @ W, heads) for W in (W_q, W_k, W_v))
        return scaled_dot_product_attention(q, k, v)[0]  # (heads, n, d_k)

    return np.stack([abs(contexts(x + step) - contexts(x)).max((1, 2)) for step in np.eye(8)])


full = np.random.default_rng(4).normal(size=(3, 8, 8)) / math.sqrt(8)
blocks = np.kron(np.eye(4), np.ones((2, 2)))  # ones in four 2 × 2 blocks
reactions = {"full projections": reaction(*full), "sliced input": reaction(*(full * blocks))}

# %%
fig, axes = plt.subplots(1, 2, figsize=(8, 3.6))
for ax, (name, moved) in zip(axes, reactions.items(), strict=True):
    print(f"{name}: heads that react to a channel: {(moved > 1e-9).sum(1)}")
    ax.imshow(moved, cmap="Blues", vmin=0, vmax=4, aspect="auto")
    for (i, j), value in np.ndenumerate(moved):
        ax.text(j, i, f"{value:.2f}" if value > 1e-9 else "0", ha="center", va="center", fontsize=9)
    ax.set(title=name, xlabel="head", ylabel="input channel changed", xticks=range(4), yticks=range(8))
    ax.grid(visible=False)
show(
    fig,
    "Change of each of 4 heads for each of 8 input channels: with full projections every head reacts to every channel, with sliced input only one does.",
)

# %% [markdown] claims="C028"
# **C028 · false.** *“Multi-head attention splits the embedding into h parts, one per head.”* Every head projects the full $d$ channels with
# its own $d\times d_k$ matrix. Slicing the input would be block-diagonal: $d^2/h$ parameters instead of $d^2$ per projection, and a head
# would never learn what stands in the other channels.

# %%
claim("C028", (reactions["full projections"] > 1e-9).sum(1), 4, what="heads that react to each of 8 channels, of 4")
claim("C028", (reactions["sliced input"] > 1e-9).sum(1), 1, what="the same if the input were sliced")
claim("C028", [full[0].size, (full * blocks)[0].astype(bool).sum()], [64, 16], what="parameters of W_Q: d², and d²/h")

# %% [markdown]
# ## Parameters and work
#
# **Does the number of heads change the number of parameters?** With $d_k=d/h$, no: $W_Q$ is $h$ blocks of $d\times d/h$, which is
# $d\times d$. Four such matrices, $4d^2$; with biases $4d$ more. If the head size is set independently, $h\,d_k$ need not be $d$, and
# the count is $4d\,h\,d_k$: it grows with $h$.

# %% [markdown] claims="C078, C079, C095, C100"
# **C078 · imprecise.** *“Multi-head attention has 33 % more parameters than a single head: 1,049K instead of 786K at d = 512.”* The sums
# are right, the comparison is not. $4\cdot512^2$ counts $W_O$ and $3\cdot512^2$ does not: $W_O$ was denied to the single head. Give it one
# and it has as many. One can also say why it was left out: for $h=1$ the output is $A\,X\,W_VW_O$, and $W_VW_O$ is one $d\times d$ matrix.
# There $W_O$ is *redundant*; with more heads it is not, since each head has an $A_i$ of its own.
#
# **C079 · depends.** *“The parameter count never depends on the number of heads.”* Only if $d_k=d/h$. T5-11B (Raffel et al. 2020) has
# $d=1024$ and 128 heads of size 128: 16 times $4d^2$.
#
# **C095 · true.** *“At d = 768, 4, 8, 12 and 24 heads have size 192, 96, 64 and 32.”* A division.
#
# **C100 · true.** *“Attention with d = 768 has 4·768² parameters, for 12 and for 24 heads.”* 2,359,296, plus 3,072 biases.

# %%
heads = (1, 4, 8, 12, 24)
with torch.device("meta"):  # shapes without memory
    modules = [nn.MultiheadAttention(768, h) for h in heads]
counts = [sum(p.numel() for p in module.parameters()) for module in modules]
claim(
    "C078", [parameter_count(512, h) / 512**2 for h in (1, 8)], 4, what="W_O for both, 1 head and 8: parameters over d²"
)
claim("C078", 4 * 512**2 / (3 * 512**2), 4 / 3, 1e-9, what="the 33 %: W_O counted on one side only")
x, (W_q, W_k, W_v, W_o) = rng.normal(size=(6, 16)), rng.normal(size=(4, 16, 16)) / 4
single = multi_head_attention(x, x, W_q, W_k, W_v, W_o, heads=1)[0]
collapsed = multi_head_attention(x, x, W_q, W_k, W_v @ W_o, np.eye(16), heads=1)[0]
claim("C078", abs(single - collapsed).max(), 0, 1e-12, what="h = 1: W_V W_O as one matrix, difference of the outputs")
several = multi_head_attention(x, x, W_q, W_k, W_v, W_o, heads=4)[0]
forced = multi_head_attention(x, x, W_q, W_k, W_v @ W_o, np.eye(16), heads=4)[0]
claim("C078", abs(several - forced).max(), at_least=0.1, what="h = 4: the same replacement changes the output")
claim("C079", parameter_count(1024, 128, d_head=128) / parameter_count(1024, 128), 16, what="T5-11B, against 4d²")
claim("C095", [768 / h for h in heads[1:]], [192, 96, 64, 32], what="768 / h")
print(f"d = 512: {parameter_count(512, 8):,}   d = 768: {parameter_count(768, 12):,}; torch, with biases: {counts}")
claim("C100", [parameter_count(768, h) - 2_359_296 for h in (12, 24)], 0, what="12 and 24 heads, minus 2,359,296")
claim("C100", [count - 2_359_296 for count in counts], 3072, what="torch, h = 1, 4, 8, 12, 24: the same and the biases")

# %% [markdown] claims="C077"
# **C077 · imprecise.** *“The total computation equals that of one full-width head.”* For the matrix products, yes: $h\cdot n^2\cdot d/h$.
# But there are $h$ score maps, so the softmax works on $h\,n^2$ numbers instead of $n^2$, and as many weights are kept for the backward
# pass. Counted by torch on a real call:

# %%
from torch.utils.flop_counter import FlopCounterMode

x, W = torch.randn(1, 64, 48), torch.randn(4, 48, 48)
flops, maps = [], []
for h in (1, 4, 12):
    with FlopCounterMode(display=False) as counter:
        weights = multi_head_attention(x, x, *W, h)[1]
    flops.append(counter.get_total_flops())
    maps.append(weights.numel())
    print(f"{h:2} heads: {flops[-1]:,} operations in matrix products, {maps[-1]:6,} weights in the softmax")
claim("C077", np.array(flops) / flops[0], 1, what="operations of 1, 4, 12 heads, relative to one head")
claim("C077", flops[0] / (2 * (4 * 64 * 48**2 + 2 * 64**2 * 48)), 1, what="against 2 (4nd² + 2n²d)")
claim("C077", np.array(maps) / 64**2, [1, 4, 12], what="softmax entries, relative to n²")

# %% [markdown] question="Q046" kind="compute" minutes=4
# ### How many parameters does multi-head attention have, and does h change it? Resolve the claim that it has 33 % more than a single head (786K against 1,049K at d = 512).
#
# <details><summary>Hint 1 · direction</summary>
#
# Write down the shape of each projection for one head, multiply by h, and only then cancel. Then ask which matrices stand in either of the
# two numbers.
# </details>
# <details><summary>Hint 2 · insight</summary>
#
# 786K is three matrices, 1,049K is four. What would the fourth do in a single head, between V and the output?
# </details>
# <details><summary>Sixty-second answer</summary>
#
# Per head three matrices of d by d_k, and its d_k rows of W_O: four d d_k. Times h, with d_k equal to d over h: four d squared, whatever h
# is. At 512 that is 1,048,576; at 768 it is 2,359,296, plus 3,072 biases. The 33 percent compares four matrices with three: W_O was given
# to one side only. With one head W_O is redundant, because A X W_V W_O is A X times one d by d matrix, identical output. With several heads
# it is not redundant, because every head has its own A. So the honest statement is: at equal structure h does not matter; a single head can
# do without W_O. And h does matter if the head size is decoupled from d: T5-11B is 1,024 wide and has 128 heads of 128: sixteen times four
# d squared. Shared keys and values lower the count.
# </details>
# <details><summary>Full answer</summary>
#
# $$\underbrace{h\cdot3\cdot d\,d_k}_{W_Q,W_K,W_V}+\underbrace{h\,d_k\cdot d}_{W_O}=4d\,(h\,d_k)\;=\;4d^2\quad\text{if }d_k=d/h;\qquad\text{biases: }3hd_k+d=4d.$$
#
# | $d$ | $h$ | $d_k$ | weights | with biases |
# |---|---|---|---|---|
# | 512 | any | $512/h$ | 1,048,576 | 1,050,624 |
# | 768 | 1, 4, 8, 12, 24 | 768, 192, 96, 64, 32 | 2,359,296 | 2,362,368 |
# | 1024 | 128 | 128 | 67,108,864 | (T5 has none) |
#
# **The 33 %.** $3\cdot512^2=786{,}432$ leaves $W_O$ out. For $h=1$: $O=A(XW_V)W_O=AX(W_VW_O)$. Replace $W_V$ by the product and $W_O$ by
# the identity, and the output is the same to rounding (measured above). The *function class* of the single head therefore needs $3d^2$; the
# *usual module* has $4d^2$. For $h>1$: $O=\sum_iA_iX\,W_V^iW_O^i$, $h$ products of rank at most $d_k$ behind $h$ different $A_i$; no single
# $d\times d$ matrix replaces them.
#
# The same view shows more redundancy: only $W_Q^iW_K^{i\top}$ and $W_V^iW_O^i$ matter, so inserting $M$ and $M^{-1}$ between the factors
# changes nothing; and a bias of the keys cancels in the softmax.
# </details>
# <details><summary>How it is scored</summary>
#
# - **Strong hire**: $4d\cdot hd_k$ first, then the special case; finds the missing $W_O$ and shows the collapse for one head and why it
#   fails for more.
# - **Lean hire**: $4d^2$ for every h, and suspects the comparison, but does not say where the third comes from.
# - **No hire**: more heads, more parameters.
# </details>
#
# **Red flag:** quoting 33 % as the price of multi-head attention.
#
# **Follow-up:** how many with 32 query heads and 8 key-value heads at d = 4096? ($2d^2+2d^2/4=2.5\,d^2=41.9$ million.)

# %% [markdown]
# ## The rank of a score matrix
#
# **How small may a head be?** A head compares through $QK^\top$ with $Q,K$ of $d_k$ columns: a matrix of rank at most $d_k$. Take a table
# of scores one would like to have, 64 × 64, and ask how near a head of size $d_k$ can come. The best approximation of rank $d_k$ keeps the
# $d_k$ largest singular values $\sigma_i$ (Eckart and Young 1936); what remains is $\sqrt{\sum_{i>d_k}\sigma_i^2\,/\sum_i\sigma_i^2}$. We
# compute that, and also let Adam fit $Q$ and $K$, to be sure that the optimum can be found.

# %%
n = 64
rng = np.random.default_rng(0)
position, kind = np.arange(n), rng.integers(0, 8, n)
TARGETS = {
    "random numbers": rng.normal(size=(n, n)),
    "near the token before": 4 * np.exp(-0.5 * ((position[:, None] - 1 - position) / 2) ** 2),
    "one of 8 kinds, the same": 4.0 * (kind[:, None] == kind),
}


def left_over(target):
    """Relative error of the best approximation, for every rank from 0 to n."""
    energy = np.linalg.svd(target, compute_uv=False) ** 2
    return np.sqrt(np.append(energy[::-1].cumsum()[::-1], 0) / energy.sum())


RANKS = (4, 8, 16, 32, 64)
optimum = {name: left_over(target) for name, target in TARGETS.items()}
print(f"{'target':26}" + "".join(f"  d_k={d_k:2}" for d_k in RANKS) + "   size for 5 %")
for name, errors in optimum.items():
    print(f"{name:26}" + "".join(f"{errors[d_k]:8.3f}" for d_k in RANKS) + f"{(errors <= 0.05).argmax():12}")


# %% tags=["nbval-ignore-output"]
def fitted(target, d_k, steps=250):
    """The same by gradient descent on Q and K."""
    torch.manual_seed(0)
    q, k = (torch.randn(n, d_k, dtype=torch.float64, requires_grad=True) for _ in range(2))
    adam, target = torch.optim.Adam([q, k], lr=0.05), torch.tensor(target)
    for _ in range(steps):
        error = (q @ k.T / math.sqrt(d_k) - target).square().sum() / target.square().sum()
        adam.zero_grad()
        error.backward()
        adam.step()
    return error.item() ** 0.5


reached = [fitted(TARGETS["random numbers"], d_k) for d_k in RANKS]
print("random numbers, Adam minus optimum:", np.array(reached) - optimum["random numbers"][list(RANKS)])
assert max(abs(np.array(reached) - optimum["random numbers"][list(RANKS)])) < 0.02

# %% tags=["nbval-ignore-output"]
fig, ax = plt.subplots(figsize=(8, 3.4))
for name, errors in optimum.items():
    ax.plot(range(n + 1), errors, markevery=8, markersize=5, label=name)
ax.plot(RANKS, reached, "kx", linestyle="", markersize=9, markeredgewidth=2, label="random numbers, fitted by Adam")
ax.set(xlabel="head size d_k", ylabel="relative error", title="What a head cannot score, 64 tokens")
ax.legend(fontsize=9)
show(
    fig,
    "Relative error against head size for three targets: random numbers fall slowly to zero at 64, nearness to zero at about 30, eight kinds at 8; Adam reaches the optimum.",
)

# %% [markdown]
# **But attention is not the score matrix.** Softmax comes behind it, entry by entry, and the exponential lifts the rank. Random scores of
# rank 16 give weights of rank 64. And the extreme case, by hand: put the 64 positions on a circle, one *two*-dimensional key each, and let
# query $i$ point at key $i-1$. Two numbers per head suffice for a perfect look at the token before. The price is the length of the vectors:
# neighbours on the circle differ little, so the scores must be large.

# %%
q, k = rng.normal(size=(2, n, 16))
scores = q @ k.T / 4
ranks = np.linalg.matrix_rank(scores), np.linalg.matrix_rank(softmax(scores))
angle = 2 * np.pi * position / n
circle = np.stack([np.cos(angle), np.sin(angle)], 1)
turned = np.roll(circle, 1, 0) @ circle.T  # query i points at key i − 1; rank 2
for length in (10, 100, 1000, 2000):
    on_target = softmax(length * turned)[position, position - 1].min()
    print(f"circle, |q||k|/√d_k = {length:4}: weight on the token before {on_target:.3f}")

# %% [markdown] claims="C098, C099"
# **C098 · depends.** *“d_k ≥ 32 is generally required.”* It depends on what is compared. Equality of 8 kinds needs $d_k=8$; nearness, 23
# for 5 %; arbitrary scores among $n$ tokens need $d_k=n$ (Bhojanapalli et al. 2020 take that as a reason to decouple $d_k$ from $d/h$). In
# Vaswani et al. 2017, table 3 (B), $d_k=16$, 32, 64 give 25.1, 25.4, 25.8 BLEU. A sound habit, not a theorem.
#
# **C099 · imprecise.** *“A head with small d_k represents only d_k independent criteria.”* True of the scores: rank at most $d_k$. After
# the softmax the weights can have full rank: 64 from $d_k=16$, and even from $d_k=2$.

# %%
sizes = [int((errors <= 0.05).argmax()) for errors in optimum.values()]
claim("C098", optimum["random numbers"][[32, 64]], [0.32, 0], 0.01, what="random scores: error left at d_k = 32 and 64")
claim("C098", optimum["one of 8 kinds, the same"][8], 0, 1e-6, what="eight kinds: error left at d_k = 8")
claim("C098", sizes, [55, 23, 8], 1, what="head size for an error of 5 %: random, near, kinds")
claim("C099", ranks, [16, 64], what="rank of the scores, and of their softmax")
claim("C099", np.linalg.matrix_rank(turned), 2, what="circle: rank of the scores")
claim("C099", np.linalg.matrix_rank(softmax(1000 * turned)), 64, what="circle: rank of the weights")
claim("C099", on_target, at_least=0.99, what="circle: smallest weight on the right key, d_k = 2")

# %% [markdown] claims="C096, C097"
# **C096 · imprecise.** *“Eight heads are common in base models of width 768.”* Eight heads of 64 were the base model of 2017, at $d=512$.
# BERT-base and GPT-2 (small) have $d=768$ and 12 heads of 64.
#
# **C097 · depends.** *“Eight to 16 heads are best; above 16 the returns diminish.”* At $d=512$, yes: 24.9, 25.5, 25.8, 25.8, 25.4 BLEU for
# 1, 4, 8, 16, 32 heads (Vaswani et al. 2017, table 3 A, at constant computation). There $h=32$ means $d_k=16$. Wide models have 64 to 128
# heads; what stays about the same is the *size* of a head, 64 to 128.

# %% [markdown] question="Q047" kind="design" minutes=6
# ### d_model = 768: choose among 4, 8, 12 and 24 heads and a minimum d_k; defend it.
#
# <details><summary>Hint 1 · direction</summary>
#
# First list what does not change, so that you need not argue about it. Then there are two things left that pull in opposite directions.
# </details>
# <details><summary>Hint 2 · insight</summary>
#
# Number of patterns per layer against the rank of each score matrix. And which of your reasons are theorems, which are tables, which are
# habits?
# </details>
# <details><summary>Sixty-second answer</summary>
#
# Sizes are 192, 96, 64 and 32. Parameters and matrix products are the same for all four, so these do not decide. More heads give more
# distributions per query; each costs another n squared weights, and each head's score matrix has rank at most d_k. I take twelve heads of
# 64: BERT-base and GPT-2 do, 64 suits the kernels, and Vaswani's ablation at 512 lost 0.4 BLEU at d_k 32 and 0.7 at 16. That is a habit
# with a little evidence, not a theorem: after the softmax even a small head can have full-rank weights, and how much rank a relation needs
# depends on the relation. With long sequences or memory-bound serving I would rather share keys and values than cut heads. To defend it on
# my data I would train 8, 12, 24 with three seeds, compare the loss, and then prune to see how many heads do anything.
# </details>
# <details><summary>Full answer</summary>
#
# | heads | 4 | 8 | 12 | 24 |
# |---|---|---|---|---|
# | $d_k$ | 192 | 96 | 64 | 32 |
# | parameters | 2.36 M | 2.36 M | 2.36 M | 2.36 M |
# | score maps kept, $n=512$, float32 | 4.2 MB | 8.4 MB | 12.6 MB | 25.2 MB |
# | rank bound of each score matrix | 192 | 96 | 64 | 32 |
#
# - **Theorems.** rank$(QK^\top)\le d_k$; if $d_k<n$, not every score matrix is reachable (Bhojanapalli et al. 2020). One distribution per
#   head and query.
# - **Not a theorem.** "Therefore $d_k\ge32$." The measured error depends on the target (above): 8 kinds are exact at $d_k=8$, random scores
#   still err by 0.32 at 32. And softmax lifts the rank.
# - **Tables.** Vaswani et al. 2017, 3 (A) and (B): both too few and too many heads lose, and $d_k$ of 16 or 32 lose 0.7 and 0.4 BLEU at 8
#   heads.
# - **Hardware.** Tensor cores want multiples of 8 or 16; 64 and 128 are what fused kernels are tuned for.
# - **Memory.** $h\,n^2$ if weights are materialised; a fused kernel keeps none of them, so there the argument vanishes. The cache of keys
#   and values does not depend on $h$ at $d_k=d/h$, but on the number of *key-value* heads.
# - **Decision.** 12 × 64. Change it if a loss curve, not a slogan, says so.
# </details>
# <details><summary>How it is scored</summary>
#
# - **Strong hire**: separates theorem, table and habit; knows what is invariant; names rank against number of patterns, memory and
#   hardware; proposes the experiment.
# - **Lean hire**: picks 12 × 64 with the rank or the precedent as the reason, and knows that parameters do not change.
# - **No hire**: chooses by the number of parameters, or states a minimum d_k as a law.
# </details>
#
# **Red flag:** "d_k must be at least 32, otherwise it cannot learn".
#
# **Follow-up:** what changes if n is 32,000 and weights are never stored? (The memory argument goes; the cache and the number of key-value heads decide.)

# %% [markdown]
# ## Sharing keys and values
#
# **Must every head have its own keys and values?** When a model generates, each new token reads the keys and values of all earlier ones, in
# every layer. With long texts, or many at once, this *cache* can need more memory than the parameters. *Multi-query* attention (Shazeer 2019) keeps one
# key-value head for all query heads; *grouped-query* attention (Ainslie et al. 2023) one per group. Heads keep their own queries, so they
# still look at different places; they choose among the same keys.
#
# Here are the numbers for a real configuration: 80 layers, 64 query heads of size 128, as in Llama 2 70B, which has 8 key-value heads. The bytes are
# those of actual tensors (on torch's device without memory).


# %%
def cache_bytes(kv_heads, tokens, layers=80, d_head=128, dtype=torch.float16):
    """Keys and values of all layers for one sequence."""
    return sum(torch.empty(layers, kv_heads, tokens, d_head, dtype=dtype, device="meta").nbytes for _ in ("k", "v"))


print(f"{'':24}{'per token':>14}{'4,096 tokens':>16}{'32 such sequences':>20}   W_K and W_V per layer")
for name, kv_heads in (("multi-head, 64", 64), ("grouped, 8", 8), ("multi-query, 1", 1)):
    token, text = cache_bytes(kv_heads, 1), cache_bytes(kv_heads, 4096)
    print(
        f"{name:24}{token / 1e3:11,.0f} kB{text / 1e9:13.2f} GB{32 * text / 1e9:17.1f} GB{2 * 8192 * kv_heads * 128 / 1e6:14.1f} M"
    )
assert cache_bytes(8, 4096) == 2 * 80 * 8 * 128 * 4096 * 2 == cache_bytes(64, 4096) // 8

# %% [markdown]
# **What does it cost?** Back to the look-ups, now four at once, with 4 heads of size 8. First all four names are of one kind: the heads
# want to compare the same thing. Then each look-up goes by another kind of name (letter, colour, place, day): the heads want to compare
# different things, and a shared key must have room for all of them.


# %%
class SharedLookUp(nn.Module):
    """Four query heads over `kv_heads` key-value heads, all of size d_head."""

    def __init__(self, kv_heads, d_head=8, width=32):
        super().__init__()
        sizes = {"q": 4 * d_head, "k": kv_heads * d_head, "v": kv_heads * d_head}
        self.W = nn.ParameterDict({name: torch.randn(width, size) / math.sqrt(width) for name, size in sizes.items()})
        self.W_o, self.kv_heads = nn.Parameter(torch.randn(4 * d_head, width) / math.sqrt(4 * d_head)), kv_heads

    def forward(self, batch):
        q = split_heads(batch.query @ self.W["q"], 4)
        k, v = (split_heads(batch.items @ self.W[name], self.kv_heads) for name in "kv")
        return (merge_heads(grouped_query_attention(q, k, v)) @ self.W_o)[:, 0, -8:].reshape(batch.answer.shape)


def shared_error(by, seed=0, steps=220, **model):
    torch.manual_seed(seed)
    generator, made, task = (
        torch.Generator().manual_seed(seed),
        SharedLookUp(**model),
        {"by": by, "items": 6, "size": 2, "width": 32},
    )
    fit(made, squared_error, (lookups(64, generator, **task) for _ in range(steps)), steps, 0.04)
    with torch.no_grad():
        return squared_error(made(test := lookups(2000, generator, **task)), test).item()


# %% tags=["nbval-ignore-output"]
WAYS = {
    "4 heads of 8": {"kv_heads": 4},
    "2 heads of 8": {"kv_heads": 2},
    "1 head of 8": {"kv_heads": 1},
    "1 head of 32": {"kv_heads": 1, "d_head": 32},
}
SAME, DIFFERENT = (0, 0, 0, 0), (0, 1, 2, 3)
same = {name: shared_error(SAME, **WAYS[name]) for name in ("4 heads of 8", "1 head of 8")}
different = {name: shared_error(DIFFERENT, **way) for name, way in WAYS.items()}
print(f"{'4 query heads over':20}{'cache per item':>16}{'one kind of name':>20}{'four kinds':>14}")
for name, way in WAYS.items():
    numbers, shown = 2 * way["kv_heads"] * way.get("d_head", 8), f"{same[name]:.4f}" if name in same else "–"
    print(f"{name:20}{numbers:16}{shown:>20}{different[name]:14.4f}")
assert max(same.values()) < 0.02  # one kind: sharing is free
assert different["1 head of 8"] > 0.1  # four kinds: one small shared key is too narrow
assert max(error for name, error in different.items() if name != "1 head of 8") < 0.05  # the others are not

# %% [markdown]
# **Sharing is free where heads compare the same features, and it costs where they do not:** four kinds of names do not fit into one key of
# size 8, though they fit into two. The last row says what the cost was: not the sharing but the *room*. One shared head of size 32 takes as
# much cache as four of 8, and does as well. (Its queries and its $W_O$ are larger.) At scale: Ainslie et al. 2023 find grouped models near multi-head quality and
# near multi-query speed, and convert a trained model by averaging its key and value heads, with about 5 % of the training on top.

# %% [markdown]
# ## What heads do
#
# **Can we see heads at work?** Train the smallest language model in which heads must cooperate: two layers of 4 heads, width 32, no
# feed-forward network. Its text is a block of random words, said again and again, with a period that differs from text to text. To predict
# the next word it must find where the present word stood before, and read what came *next*.
#
# One layer does it badly: it would have to look for the word *before* the one it reads. With two layers the known solution (Olsson et al.
# 2022) is: a head of the first layer copies the **previous token** into each position; a head of the second, an **induction head**, looks
# for positions into which its own word has been copied.


# %%
class RepeatModel(Transformer):
    """Reads a batch of `repeated`, so that `fit` can train it."""

    def forward(self, batch, keep=None):
        return super().forward(getattr(batch, "tokens", batch), keep)


def repeat_loss(run, batch):
    return next_token_loss(run, batch.tokens, batch.copied)  # only words that can be known


def train_transformer(seed, steps=260, layers=2):
    torch.manual_seed(seed)
    generator, model = torch.Generator().manual_seed(seed), RepeatModel(vocabulary=16, length=24, layers=layers)
    fit(model, repeat_loss, (repeated(24, generator) for _ in range(steps)), steps, 0.01)
    return model.requires_grad_(False)


texts = repeated(120, torch.Generator().manual_seed(99))
for tokens, period in zip(texts.tokens[:3], texts.periods, strict=False):
    print("".join("abcdefghijklmnop"[t] for t in tokens), f" period {period}")

# %% tags=["nbval-ignore-output"]
models = [train_transformer(seed) for seed in SEEDS]
runs = [model(texts) for model in models]
whole = [repeat_loss(run, texts).item() for run in runs]
right = [
    (run.logits.argmax(-1)[:, :-1] == texts.tokens[:, 1:])[texts.copied[:, 1:]].float().mean().item() for run in runs
]
print(
    "two layers, three seeds: loss",
    np.round(whole, 3),
    " next word right",
    np.round(right, 3),
    f" (guessing: loss {math.log(16):.2f})",
)
shallow = train_transformer(0, layers=1)
print(f"one layer, as many steps: loss {repeat_loss(shallow(texts), texts).item():.2f}")
assert max(whole) < 0.15
assert repeat_loss(shallow(texts), texts) > 1

# %% [markdown]
# **Measure, do not look.** Each habit is a share of attention on marked places: on the token before; on the places behind earlier
# occurrences of the present word (induction); on position 0 (*sink*). Plus the entropy. A share means nothing without a baseline, so the
# same measures are taken of *uniform* causal attention.


# %% tags=["nbval-ignore-output"]
places = induction_places(texts.tokens)[:, None]  # (B, 1, 1, n, n), for all layers and heads


def measures(weights):
    """Mean over the texts: previous token, induction, sink, entropy, each (layers, heads)."""
    scores = (
        previous_token_score(weights),
        attention_on(weights, places),
        sink_score(weights),
        attention_entropy(weights),
    )
    return np.stack([score.mean(0).numpy() for score in scores])


# %% tags=["nbval-ignore-output"]
uniform = softmax(torch.where(causal_mask(24, like=texts.tokens), 0.0, -torch.inf))
chance = measures(uniform.expand(len(texts), 1, 1, 24, 24))[:, 0, 0]
habits = [measures(run.weights) for run in runs]  # per seed (4, layers, heads)
print("seed 0        " + "".join(f"{name:>12}" for name in ("previous", "induction", "sink", "entropy")))
print("uniform       " + "".join(f"{value:12.2f}" for value in chance))
for layer, head in np.ndindex(2, 4):
    print(f"layer {layer} head {head}" + "".join(f"{value:12.2f}" for value in habits[0][:, layer, head]))
for seed, (previous, induction, _, _) in zip(SEEDS, habits, strict=True):
    print(
        f"seed {seed}: best previous-token head {previous[0].max():.2f}; induction, layer 0 at most {induction[0].max():.2f}, layer 1 at least {induction[1].min():.2f}"
    )
    assert previous[0].max() > 2 * chance[0] > 3 * previous[1].max()
    assert induction[1].min() > 0.3 > 0.2 > induction[0].max()

# %% [markdown]
# All four heads of layer 1 became induction heads, in all three runs. In layer 0 some heads look at the token before, but with 0.4 of their
# attention at best. Why so little? Look at the maps before you read on.


# %% tags=["nbval-ignore-output"]
example = "".join("abcdefghijklmnop"[t] for t in texts.tokens[0])


def head_map(head, ax=None):
    """Weights of head 0 to 7 (layer by layer) of the first model on the first text."""
    (layer, head), alone = divmod(int(head), 4), ax is None
    ax = ax or plt.subplots(figsize=(5.4, 5))[1]
    weights = runs[0].weights[0, layer, head].numpy()
    ax.imshow(weights, cmap="Blues", vmin=0, vmax=1)
    ax.grid(visible=False)
    look = weights > 0.3
    ax.plot(*np.nonzero(look)[::-1], "k.", linestyle="", markersize=3)  # the large ones are dotted, too
    ax.set(title=f"layer {layer}, head {head}", xticks=[], yticks=[])
    if alone or head == 0:
        ax.set_yticks(range(24), list(example), fontsize=7)
    if alone or layer == 1:
        ax.set_xticks(range(24), list(example), fontsize=7)
    return ax.figure


# %% tags=["nbval-ignore-output"]
fig, axes = plt.subplots(2, 4, figsize=(13, 6.8))
for head, ax in enumerate(axes.flat):
    head_map(head, ax)
show(
    fig,
    "Eight weight maps on one text. Layer 0: in some heads a line just below the diagonal that ends after ten rows, blurs elsewhere. Layer 1: lines parallel to the diagonal, one row short of one or two periods below it, and column 0 in the first rows.",
)

# %% [markdown]
# **An average hides where a head works.** The line below the diagonal in layer 0 ends after about ten rows. Ten is the longest period:
# after it every word has been said, the induction heads read the first copies, and nobody needs the later ones. So measure the first ten
# rows and the others apart.

# %% tags=["nbval-ignore-output"]
for seed, run, scores in zip(SEEDS, runs, habits, strict=True):
    head = scores[0, 0].argmax()
    early = previous_token_score(run.weights[:, 0, :, :10, :10]).mean(0)[head]
    late = run.weights[:, 0, head, 10:].diagonal(9, -2, -1).mean()
    print(f"seed {seed}: head {head} of layer 0 on the token before: {early:.2f} up to position 9, {late:.2f} after it")
    assert early > 0.6 > 0.3 > late

# %% [markdown]
# With a running kernel, go through the heads one by one. In layer 1, what do the rows of the *first* period do, where nothing has been said
# before? (They rest on position 0.)


# %% tags=["nbval-ignore-output"]
def describe(head):
    previous, induction, sink, _ = habits[0][:, int(head) // 4, int(head) % 4]
    return f"Head {head}: {previous:.2f} on the token before, {induction:.2f} on induction places, {sink:.2f} on position 0."


slider(head_map, "head", range(8), alt=describe)

# %% tags=["nbval-ignore-output"]
nothing = ~places[:, 0, 0].any(-1)  # (B, n): the present word has not been said before
nothing[:, 0] = False
rest = []
for run in runs:
    on_first = run.weights[:, 1, :, :, 0].transpose(1, 2)  # (B, n, heads): weight of layer 1 on position 0
    rest.append([on_first[nothing].mean().item(), on_first[places[:, 0, 0].any(-1)].mean().item()])
print(
    "layer 1, weight on position 0, three seeds: nothing to find",
    np.round([r[0] for r in rest], 2),
    " something to find",
    np.round([r[1] for r in rest], 2),
)
assert min(r[0] for r in rest) > 0.5 > 0.2 > max(r[1] for r in rest)

# %% [markdown]
# **A sink is a place to rest.** Weights must sum to one, even where there is nothing to read. These heads then look at position 0, which
# does no harm. Clark et al. 2019 read BERT's attention to [SEP] in this way, as a no-op. A high sink score is no defect.

# %% [markdown] claims="C030, C039, C076"
# **C030 · imprecise.** *“Heads specialise into syntax, semantics, position and coreference.”* Some do: Clark et al. 2019 and Voita et al.
# 2019 found heads for positions, single syntactic relations, rare words. Many others have no describable role, and most can be removed one
# at a time (Michel et al. 2019). Above, four heads share one role.
#
# **C039 · false.** *“The study ‘What do attention heads do?’ catalogued the types of heads.”* No paper of that title could be found. The
# findings quoted from it are those of Clark et al. 2019 (*What Does BERT Look At?*) and Voita et al. 2019; copying by induction is Olsson
# et al. 2022.
#
# **C076 · imprecise.** *“The link from ‘it’ to ‘animal’ shows that a head has learned syntax.”* It is coreference: which thing is meant, a
# matter of discourse and meaning. Syntax alone does not decide it: “the animal didn't cross the street because it was too tired / too
# wide”.

# %% [markdown]
# ## Removing heads
#
# **Which heads does the model need?** A map shows where a head looks, not whether anybody listens. The test is to take it out: multiply its
# context by 0 and measure the loss again (Michel et al. 2019).

# %% tags=["nbval-ignore-output"]
without = [losses_without(model, texts.tokens, texts.copied).numpy() for model in models]
for seed, loss, table in zip(SEEDS, whole, without, strict=True):
    print(
        f"seed {seed}: whole {loss:.2f}   without one head of layer 0 {table[0].round(2)}   of layer 1 {table[1].round(2)}"
    )


def loss_of(model, keep):
    return repeat_loss(model(texts, torch.as_tensor(keep, dtype=torch.float32)), texts).item()


no_second = [loss_of(model, [[1] * 4, [0] * 4]) for model in models]
print("without all four heads of layer 1:", np.round(no_second, 2))
singles = [(table[1] - loss).sum() for table, loss in zip(without, whole, strict=True)]
print("sum of their four single losses: ", np.round(singles, 2))
for table, loss, joint, single in zip(without, whole, no_second, singles, strict=True):
    assert (table[0] - loss).max() > 2 * (table[1] - loss).max()  # the costliest head is in layer 0
    assert joint - loss > 8 * single  # the four are each other's spare

# %% [markdown]
# **Each induction head is dispensable, all together are not.** Removing one costs little, about 0.1 at most, since three others do the same; without
# all four, everything is lost. So "removing it changed nothing" does not mean "it does nothing". It may mean that *something else does it too*.
#
# In layer 0 the best previous-token head is the costliest of all. Let us now remove one head after the other, at each step the one that
# hurts least.


# %% tags=["nbval-ignore-output"]
def prune(model):
    """Losses with 0, 1, … 8 heads removed, at each step the one that hurts least."""
    keep, path = torch.ones(2, 4), [loss_of(model, torch.ones(2, 4))]
    while keep.any():
        trials = {}
        for layer, head in keep.nonzero().tolist():
            keep[layer, head] = 0
            trials[layer, head] = loss_of(model, keep)
            keep[layer, head] = 1
        layer, head = min(trials, key=trials.get)
        keep[layer, head] = 0
        path.append(trials[layer, head])
    return path


paths = np.array([prune(model) for model in models])
for seed, path in zip(SEEDS, paths, strict=True):
    print(f"seed {seed}: loss with 0, 1, … 8 heads removed", path.round(2))
assert paths[:, 3].max() < 0.3  # three of eight go almost unnoticed
assert paths[:, 7].min() > 1.5

# %% tags=["nbval-ignore-output"]
fig, axes = plt.subplots(1, 2, figsize=(11, 3.6))
for place, (seed, table) in enumerate(zip(SEEDS, without, strict=True)):
    axes[0].bar(
        np.arange(8) + 0.27 * (place - 1),
        table.ravel(),
        0.25,
        edgecolor="black",
        hatch=["", "//", ".."][place],
        label=f"seed {seed}",
    )
axes[0].set_xticks(range(8), [f"{layer}.{head}" for layer, head in np.ndindex(2, 4)])
axes[0].set(xlabel="head removed (layer.head)", ylabel="loss", title="One head removed")
axes[0].legend(fontsize=9)
for seed, path in zip(SEEDS, paths, strict=True):
    axes[1].plot(range(9), path, label=f"seed {seed}")
axes[1].axhline(math.log(16), color="black", linestyle=":", marker="")
axes[1].text(0, math.log(16) + 0.1, "guessing", fontsize=9)
axes[1].set(xlabel="heads removed, the least harmful first", ylabel="loss", title="One after the other")
show(
    fig,
    "Left: loss after removing each of eight heads, three seeds: high for one head of layer 0, near zero for all of layer 1. Right: loss while heads are removed: flat at first, steep from the sixth on.",
)

# %% [markdown] claims="C154"
# **C154 · imprecise.** *“Multi-head attention acts as an ensemble, which makes it robust.”* The members of an ensemble are predictors: each
# alone is better than guessing, and losing any one of them costs little. Heads are trained together and mixed by $W_O$. Measured here:
# with all others set to zero, no head alone beats guessing; and one head of layer 0 cannot be spared. What is true of it: heads with the same
# role are spares for each other.

# %% tags=["nbval-ignore-output"]
alone = [min(loss_of(model, np.eye(8)[i].reshape(2, 4)) for i in range(8)) for model in models]
claim("C154", alone, at_least=math.log(16), what="best head alone, three seeds: loss; guessing has ln 16 = 2.77")
costliest = [table.max() - loss for table, loss in zip(without, whole, strict=True)]
claim("C154", costliest, at_least=0.25, what="added loss without the costliest head")
spares = [(table[1] - loss).max() for table, loss in zip(without, whole, strict=True)]
claim("C154", spares, at_most=0.25, what="added loss without one head of layer 1, the costliest")
claim("C154", [a - b for a, b in zip(no_second, whole, strict=True)], at_least=2.5, what="added loss without all four")

# %% [markdown] question="Q048" kind="explain" minutes=5
# ### What have studies found heads doing, and how solid is it?
#
# <details><summary>Hint 1 · direction</summary>
#
# Sort what you know by the kind of evidence: somebody looked at maps; somebody compared maps with annotations; somebody removed the head.
# </details>
# <details><summary>Hint 2 · insight</summary>
#
# A head that looks at something need not be listened to, and a head that can be removed need not be idle. Which experiment tells these
# apart?
# </details>
# <details><summary>Sixty-second answer</summary>
#
# Found again and again: positional heads, previous or next token; heads that follow one syntactic relation; rare-word heads; heads on
# delimiters or the first token, as a no-op; and copying pairs, a previous-token head and an induction head. The sources: Clark 2019 for
# BERT, where over half of the attention of layers six to ten is on SEP; Voita 2019 for translation; Vig and Belinkov for GPT-2,
# dependencies mostly in the middle layers; Olsson 2022 for induction. How solid? Positions and sinks are easy to measure. Syntax is a
# correlation, with single heads and single relations. Importance needs ablation: Michel could remove most heads one at a time, Voita 38 of
# 48 encoder heads for 0.15 BLEU. Ablation misleads too: in our model each of four induction heads was dispensable, all four together were
# not. So I say: some heads have clear roles, many are redundant, and I ask what was removed, together with what.
# </details>
# <details><summary>Full answer</summary>
#
# | finding | evidence | limits |
# |---|---|---|
# | previous and next token | share of attention on $i\pm1$, against a baseline | none to speak of; easy to measure |
# | delimiters, first token (sink) | over half of BERT's attention in layers 6–10 is on [SEP] (Clark 2019); gradients there are small | a no-op reading, supported by the gradients |
# | one syntactic relation per head | agreement with a parser, single heads (Clark, Voita 2019) | correlation; no head does syntax as a whole |
# | rare words | one head of the first layer (Voita 2019) | one kind of model and task |
# | dependencies in *middle* layers, deepest layers most distant | GPT-2 small (Vig and Belinkov 2019) | one model |
# | copying, induction | prefix-matching score, ablation, sudden rise in training (Olsson 2022) | clearest in attention-only models; strong but indirect in large ones |
# | most heads dispensable | removal one at a time (Michel 2019); pruning with training (Voita 2019: 38 of 48, −0.15 BLEU) | one at a time hides spares |
#
# **Measured on this page** (2 layers, 4 heads, 3 seeds): a head of layer 0 has 0.9 of its attention on the token before, as far as that is
# needed; all four heads of layer 1 look at induction places; removing one of them costs little, all four more than 2.5 nats; three of eight
# heads, well chosen, can go almost unnoticed; after that the loss climbs.
#
# **Rules.** (1) A share needs a baseline. (2) A map is not a cause: remove the head, or replace its output by its mean, which disturbs less than zero. (3) Remove
# groups, not only singles. (4) More than one seed: which head does it is chance. (5) Quote a paper by its real title.
# </details>
# <details><summary>How it is scored</summary>
#
# - **Strong hire**: at least four kinds of heads with their sources, separates maps from ablation, and says why single ablations mislead.
# - **Lean hire**: the kinds with one or two sources, and "many can be pruned", without a word on the kind of evidence.
# - **No hire**: "head 3 does syntax", from one picture.
# </details>
#
# **Red flag:** citing a paper "What do attention heads do?". None of that title could be found.
#
# **Follow-up:** you remove a head and the loss does not change. Name three explanations. (Nobody listens; a spare does the same; your test data does not need it.)

# %% [markdown]
# ## Pitfalls
#
# Mistakes that can run without an error. The reshape was executed above; four more. (The second raises one, unless sizes happen to agree.)

# %%
rng = np.random.default_rng(5)
q, k, v = rng.normal(size=(3, 2, 4, 5, 8))  # batch 2, 4 heads, 5 tokens, size 8
right, weights = scaled_dot_product_attention(q, k, v)
by_d = softmax(q @ np.swapaxes(k, -1, -2) / math.sqrt(32))  # 1. the root of d instead of d/h
print(f"1. root of d: mean top weight {by_d.max(-1).mean():.2f}, of d/h: {weights.max(-1).mean():.2f}")

padding = np.array([[True] * 5, [True] * 3 + [False] * 2])  # 2. (B, m) without axes for heads and queries
try:
    scaled_dot_product_attention(q, k, v, padding)
except ValueError as error:
    print("2.", str(error).split(";")[0])

# %%
alive = np.ones((4, 5, 5), dtype=bool)  # the same with B = heads = 4 and a (B, n, m) mask: nothing complains
alive[0] = False  # sequence 0 is all padding
four = rng.normal(size=(3, 4, 4, 5, 8))
for mask, name in ((alive[:, None], "mask[:, None]"), (alive, "mask as it is")):
    empty = (scaled_dot_product_attention(*four, mask)[1] == 0).all((2, 3))  # (B, heads)
    print(f"   {name}: empty in sequence 0: {empty[0].sum()} of 4 heads; empty in the others: {empty[1:].sum()} of 12")

heads_of = np.arange(4) // 2  # 3. which key-value head serves query head i? Neighbours share: 0 0 1 1
grouped = grouped_query_attention(q, k[:, :2], v[:, :2])
neighbours = scaled_dot_product_attention(q, k[:, heads_of], v[:, heads_of])[0]
interleaved = scaled_dot_product_attention(q, np.tile(k[:, :2], (1, 2, 1, 1)), np.tile(v[:, :2], (1, 2, 1, 1)))[0]
equal = [bool(np.allclose(grouped, other)) for other in (neighbours, interleaved)]
print(f"3. equals the grouped result: each repeated (0 0 1 1) {equal[0]}, tiled (0 1 0 1) {equal[1]}")

average = weights.mean(1)  # 4. the mean over the heads is the pattern of no head
spread, of_mean = attention_entropy(weights).mean(), attention_entropy(average[:, None]).mean()
print(f"4. mean entropy of the heads {spread:.2f}, of their averaged map {of_mean:.2f}")
assert of_mean > spread

# %% [markdown]
# ## Analogies, and where they break
#
# | analogy | stands for | where it breaks |
# |---|---|---|
# | one torch, or several small ones | heads | a torch lights what it points at; a head can also spread over everything |
# | a panel of experts | heads and $W_O$ | experts can answer alone; a head alone is worse than guessing (C154) |
# | a book cut into $h$ parts, one for each reader | sliced embedding | here every reader has the whole book and writes a summary of it (C028) |
# | one catalogue for all readers of a library | shared keys and values | free if all look for the same thing, too small if not |
# | a shadow on the wall | a score matrix of rank $d_k$ | the softmax behind it makes details the shadow does not have (C099) |
#
# ## In practice
#
# | use | queries; keys and values | heads | note |
# |---|---|---|---|
# | translation, 2017 base model | $30\times64$; $40\times64$ | 8 of 64, $d=512$ | 6 layers, three kinds of attention |
# | image, 196 patches and a class token, $d=768$ | $197\times64$ each | 12 of 64 | no mask; in the first layers some heads look nearby, others far |
# | chat, one new token over 4,096 cached, 70B | $1\times128$; $4096\times128$ | 64 query, 8 key-value heads | cache 1.34 GB instead of 10.7 (counted above) |
#
# **What to do (2026), and what it rests on.** Take a head size of 64 to 128 and let the number follow from the width (habit, kernels,
# tables). For serving, share keys and values in groups (bytes counted above; quality: Ainslie et al. 2023). Test the split on a numbered
# array. Before you call a head important or idle, remove it, alone and with its likes, on more than one seed.
#
# **An incident, as it happens.** A model is trained from scratch with a bare `view` in each direction, `view(B, h, n, d_k)` and back. All shapes agree,
# `split` and `merge` are inverse to each other, and the loss falls. It stops too high, and nothing said early in a text is ever used late:
# every head sees a strip of consecutive tokens, the picture "both wrong" above. A test with a numbered array takes one line.
#
# **What gives a candidate away.** Strong: writes $4d\cdot hd_k$ and *then* puts $d_k=d/h$; says "the projection is split". Weak: draws the
# embedding cut into eight pieces.

# %% [markdown]
# ## Takeaways
#
# 1. One head, one distribution per query: two look-ups cost it exactly half, at any width; two heads, or two layers, lose nothing ([One
#    distribution per query](#One-distribution-per-query), C153).
# 2. Heads add up, $\sum_i\text{head}_iW_O^i$; first reshape to $(n,h,d_k)$, then swap ([Split and merge](#Split-and-merge)).
# 3. Every head reads the whole token; the projection is what is cut ([Every head reads the whole token](#Every-head-reads-the-whole-token),
#    C028).
# 4. $4d\cdot hd_k$ parameters, $4d^2$ whatever $h$ is; $h\,n^2$ softmax entries ([Parameters and work](#Parameters-and-work), C077, C078).
# 5. Scores have rank at most $d_k$, weights need not ([The rank of a score matrix](#The-rank-of-a-score-matrix), C099).
# 6. Sharing keys and values divides the cache by the size of the group; it costs where heads compare different things ([Sharing keys and
#    values](#Sharing-keys-and-values)).
# 7. Some heads have roles, several can share one; remove groups, not only singles ([Removing heads](#Removing-heads), C154).

# %% [markdown]
# ## Cheat sheet
#
# | concept | formula | in one line | red flag |
# |---|---|---|---|
# | multi-head | $\sum_i\operatorname{softmax}(Q_iK_i^\top/\sqrt{d_k})V_iW_O^i$ | several look-ups per query | root of $d$ instead of $d_k$ |
# | split | $(B,n,d)\to(B,n,h,d_k)\to(B,h,n,d_k)$ | cut the last axis, then swap | `view(B, h, n, d_k)` |
# | parameters | $4d\,h\,d_k$; $=4d^2$ | h cancels | "33 % more" (C078) |
# | work | $n^2d$ per product, $hn^2$ exponentials | products equal, maps are not | "exactly the same cost" (C077) |
# | one head, two look-ups | errors sum to 1 of 2 | choose or average | "just make it wider" |
# | rank | rank$(QK^\top)\le d_k$; softmax lifts it | scores are low-rank, weights need not be | "d_k ≥ 32 is a law" (C098) |
# | grouped-query | head $i$ reads key-value head $\lfloor i\,H_{kv}/H_q\rfloor$ | cache divided by $H_q/H_{kv}$ | tile instead of repeat |
# | induction | layer 0 copies the token before, layer 1 looks for it | two heads, two layers | reading roles off one map |
# | ablation | loss without the head − loss | cause, not correlation | only singles, only one seed |

# %% [markdown]
# ## Check yourself
#
# Mark each row from 1 (cannot), 2 (vaguely), 3 (can explain), 4 (can derive) to 5 (could teach). Aim at 4; come back to what is below
# in three days.
#
# | I can | 1–5 | if below 4 |
# |---|---|---|
# | prove that one head loses half on two look-ups, and name three ways round | | [One distribution per query](#One-distribution-per-query) |
# | code multi-head attention from memory, with a test for the split | | [Split and merge](#Split-and-merge), tasks `heads.split`, `heads.merge`, `heads.multi_head` |
# | settle the 33 % and the case of T5-11B | | [Parameters and work](#Parameters-and-work), task `heads.parameters` |
# | say what $d_k$ limits and what it does not | | [The rank of a score matrix](#The-rank-of-a-score-matrix), task `heads.proof` |
# | count a cache in bytes, and say what sharing costs | | [Sharing keys and values](#Sharing-keys-and-values), task `heads.grouped_query` |
# | explain an induction circuit, and what ablation proves | | [Removing heads](#Removing-heads) |

# %% [markdown]
# ## Now you
#
# Open [your copy of the assignment](../work/08_heads/08_heads.ipynb) (made by `make study`; the [released
# exercise](../exercises/08_heads/08_heads.ipynb) stays untouched): five small functions and a written proof. A check tells you at once
# whether you are right and, if not, which mistake it is.
#
# **Sources.** Vaswani et al. 2017, *Attention Is All You Need*, section 3.2.2 (heads), table 3 A and B (ablations). Shazeer 2019, *Fast
# Transformer Decoding: One Write-Head is All You Need*. Ainslie et al. 2023, *GQA*. Michel, Levy and Neubig 2019, *Are Sixteen Heads Really
# Better than One?* Voita et al. 2019, *Analyzing Multi-Head Self-Attention*. Clark et al. 2019, *What Does BERT Look At?* Vig and Belinkov
# 2019, *Analyzing the Structure of Attention in a Transformer Language Model*. Olsson et al. 2022, *In-context Learning and Induction
# Heads*. Bhojanapalli et al. 2020, *Low-Rank Bottleneck in Multi-head Attention Models*. Raffel et al. 2020 (T5). Touvron et al. 2023,
# *Llama 2* (grouped-query attention). Eckart and Young 1936, *The approximation of one matrix by another of lower rank*.
