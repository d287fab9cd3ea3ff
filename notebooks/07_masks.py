# %% [markdown]
# # 07 · Masks: padding, causality, leaks and empty rows
#
# - **Time:** 75 minutes, questions included.
# - **Prerequisites:** scaled dot-product attention and softmax ([06 · Scaling](06_scaling.ipynb)).
# - **Interview kinds:** *debug*, *implement* and *explain*. Masks are where most real attention bugs live, so expect code with a mistake in it.
#
# **Objectives.** When you are through, you can
# 1. build padding, causal and segment masks, combine them, and say what each library means by True;
# 2. predict what −∞, −1e9 and `finfo.min` do in four dtypes, in a normal row and in an empty one, forwards and backwards;
# 3. hunt a leak with four tests, and say which kind of leak each of them cannot see;
# 4. say which tokens position $i$ sees and which one it predicts, and recognise the loss curve of a model that reads its own labels;
# 5. prove that a batch is right: padded, packed or cached, it must equal the single runs.

# %% [markdown]
# **How to use this page.** Lines such as
# `C114 ✓ measured 0, expected 0` are assertions: the page cannot be built if one fails. Statements in quotation marks are what one
# hears; some are wrong, and the verdict says so. Say your answer aloud *before* you open a fold.
#
# The assignment is [your own copy](../work/07_masks/07_masks.ipynb), which `make study` makes, of the
# [released exercise](../exercises/07_masks/07_masks.ipynb).

# %%
import itertools
import math
import os

os.environ["OMP_NUM_THREADS"] = "1"  # before torch loads: on arrays this small, threads only wait for each other

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  # the name that everybody uses
from matplotlib import pyplot as plt
from torch import nn
from torch.nn.attention.bias import causal_lower_right

from attn_core.attention import scaled_dot_product_attention
from attn_core.lab import claim, fit, heatmap, house_style, show, slider
from attn_core.lab.data import END, PAD, START, Vocabulary, names, symbols
from attn_core.leaks import first_leak, leak_by_gradient, leak_by_perturbation
from attn_core.masked_softmax import masked_softmax
from attn_core.masks import causal_mask, padding_mask, segment_mask

torch.set_num_threads(1)
torch.set_printoptions(precision=3, sci_mode=False)
house_style()
SEEDS = (0, 1, 2)

# %% [markdown]
# ## What a mask says
#
# **Who may read whom?** A mask answers with a table: one row per query, one column per key, yes or no. In this course a mask is boolean
# and **True means "may attend"**. Four reasons to say no:
#
# - *padding*: the key is not a token, it only fills the batch. Depends on the sequence, not on the query;
# - *causality*: the key comes later. Depends on the two positions, not on the sequence;
# - *segment*: the key belongs to another document that was packed into the same row;
# - *structure*: a window, blocks, a prefix that everybody may read (prefix language model).
#
# Reasons add up: a key is visible if *no* reason forbids it. So masks combine by `&`.

# %%
n = 6
i, j = torch.arange(n)[:, None], torch.arange(n)[None, :]
causal = causal_mask(n, like=i)
masks = {
    "padding: length 4": padding_mask(torch.tensor([4]), n)[0].expand(n, n),
    "causal": causal,
    "causal & padding": causal & padding_mask(torch.tensor([4]), n)[0],
    "prefix of 3, then causal": causal | (j < 3),
    "causal window of 3": causal & (j > i - 3),
    "two packed segments, causal": causal & segment_mask(torch.tensor([[1, 1, 1, 2, 2, 0]]))[0],
}
fig, axes = plt.subplots(2, 3, figsize=(9.5, 6.2))
for ax, (name, mask) in zip(axes.flat, masks.items(), strict=True):
    heatmap(mask, [str(t) for t in range(n)], [str(t) for t in range(n)], ax=ax, title=name, digits=0)
    empty = (~mask.any(-1)).sum()
    print(f"{name:30} {int(mask.sum()):3} of {n * n} pairs visible, empty rows: {int(empty)}")
show(
    fig,
    "Six masks of six queries over six keys as tables of 1 and 0: padding hides columns, causal the upper triangle, packed segments give blocks.",
)

# %% [markdown]
# **Shapes do the combining.** A padding mask has a batch axis and one row for all queries, $(B,1,m)$; a causal mask has none and a row for
# each query, $(n,m)$. `&` stretches both to $(B,n,m)$. With heads, insert an axis: $(B,1,1,m)$ & $(1,1,n,m)$.
#
# A mask on keys says nothing about *queries*. The rows of padded queries remain and produce numbers: drop them in the loss and in the pooling.

# %%
lengths = torch.tensor([4, 2])
padding = padding_mask(lengths, 4)  # (2, 1, 4)
both = padding & causal_mask(4, like=lengths)  # (2, 1, 4) & (4, 4) -> (2, 4, 4)
print("padding", tuple(padding.shape), " causal", (4, 4), " together", tuple(both.shape))
print(both.int())
with_heads = padding[:, None] & causal_mask(4, like=lengths)[None, None]
print("with a head axis:", tuple(with_heads.shape))
as_bias = torch.zeros(2, 1, 4).masked_fill(~padding, -math.inf) + torch.zeros(4, 4).masked_fill(
    ~causal_mask(4, like=lengths), -math.inf
)
print("adding two masks of 0 and −∞ hides the same places:", bool(((as_bias == 0) == both).all()))

# %% [markdown] claims="C219"
# **C219 · true.** *“With padding id 0, the tokens [5, 8, 1, 0, 0] have the mask [1, 1, 1, 0, 0], and exp(−1e9) is 0.”* Provided that id 0 is
# reserved: if a real token has id 0, it vanishes without an error. And it is a mask of *keys*: the two padded queries still get an output, here a
# mixture of the three real values.

# %%
ids = torch.tensor([5, 8, 1, 0, 0])
torch.manual_seed(0)
x = torch.randn(5, 4, dtype=torch.float64)
out, weights = scaled_dot_product_attention(x, x, x, (ids != 0)[None])
claim("C219", (ids != 0).int(), [1, 1, 1, 0, 0], what="mask of the ids 5, 8, 1, 0, 0")
claim("C219", math.exp(-1e9), 0, what="exp(−1e9) in float64, where exp is 0 from −746 on")
claim("C219", weights[:, 3:].max(), 0, what="largest weight on padding")
claim("C219", out[3:].abs().amax(-1).min(), at_least=0.1, what="and yet the padded queries have an output")

# %% [markdown] claims="C031, C222"
# **C031 · true.** *“The causal mask holds −∞ strictly above the diagonal and 0 elsewhere, and is added to the scores before the softmax.”* That is
# the additive form. In code two things around it are easily forgotten: the factor $1/\sqrt{d_k}$ and the axis of the softmax.
#
# **C222 · true.** *“The look-ahead mask is 1 above the diagonal; where it is 1, −1e9 is added.”* Right for a causal mask in float32 (where not:
# [Which number stands for −∞?](#Which-number-stands-for-−∞?)). Note the polarity: here 1 means *blocked*, the opposite of our True.

# %%
torch.manual_seed(0)
q, k, v = (torch.randn(1, 5, 16, dtype=torch.float64) * 2 for _ in range(3))
truth = F.scaled_dot_product_attention(q, k, v, is_causal=True)
upper = torch.ones(5, 5, dtype=torch.float64).triu(1)  # 1 strictly above the diagonal
raw = q @ k.mT
by_infinity = torch.zeros(5, 5, dtype=torch.float64).masked_fill(upper == 1, -math.inf)


def distance(scores, bias, axis=-1):
    return ((scores + bias).softmax(axis) @ v - truth).abs().max()


claim(
    "C031",
    distance(raw / 4, by_infinity),
    0,
    1e-12,
    what="−∞ above the diagonal: distance from PyTorch's causal attention",
)
claim("C222", distance(raw / 4, upper * -1e9), 0, 1e-12, what="ones above the diagonal, times −1e9: the same")
claim("C031", distance(raw, by_infinity), at_least=0.1, what="−∞, but without 1/√d_k: distance")
claim("C222", distance(raw, upper * -1e9), at_least=0.1, what="−1e9, but without 1/√d_k: distance")
claim(
    "C222", distance(raw / 4, upper * -1e9, axis=-2), at_least=0.1, what="−1e9, but the softmax runs over the queries"
)

# %% [markdown] question="Q036" kind="explain" minutes=4
# ### What kinds of attention mask exist, and where exactly do they enter?
#
# <details><summary>Hint 1 · direction</summary>
#
# Sort them by what they depend on: the sample, the pair of positions, or both. That also gives you the shapes.
# </details>
# <details><summary>Hint 2 · insight</summary>
#
# All of them end up in one boolean table that broadcasts to the scores. Where in the formula must it stand so that each row still sums to one? And
# what does a mask of keys not say?
# </details>
# <details><summary>Sixty-second answer</summary>
#
# Padding masks hide keys that are not tokens; they depend on the sample and are the same for all queries, B by 1 by 1 by m. Causal masks hide later
# keys; they depend on the pair of positions, 1 by 1 by n by m. Segment masks keep packed documents apart, block-diagonal. Windows, blocks and
# prefixes are structure. I keep all of them boolean, true means may attend, and combine with logical and; or, as additive masks of zero and minus
# infinity, by adding. They enter once, on the scores, before the softmax, so that what is left is normalised to one. Two things people forget. A mask
# of keys does not remove padded queries: those rows produce numbers, which I drop in the loss and in pooling. And every row needs at least one visible
# key, or a rule for when it has none; left padding with a causal mask makes such rows.
# </details>
# <details><summary>Full answer</summary>
#
# $$A=\operatorname{softmax}_{\text{keys}}\!\Big(\tfrac{1}{\sqrt{d_k}}QK^\top+M\Big),\qquad M_{ij}=\begin{cases}0&\text{query } i \text{ may attend to key } j\\-\infty&\text{else.}\end{cases}$$
#
# | mask | depends on | shape with heads | True where |
# |---|---|---|---|
# | padding | sample, key | $(B,1,1,m)$ | $j<\text{length}_b$ |
# | causal | query, key | $(1,1,n,m)$ | $j\le i+m-n$ |
# | segment | sample, query, key | $(B,1,n,m)$ | $\text{id}_i=\text{id}_j\ne0$ |
# | prefix | sample, query, key | $(B,1,n,m)$ | $j\le i$ or $j<\text{prefix}_b$ |
# | window, block | query, key | $(1,1,n,m)$ | $\lvert i-j\rvert\le w$, same block, … |
#
# - **Combine.** "May attend" combines by `&` (prefix: `|` before it). Additive masks add, since $-\infty+0=-\infty$. `finfo.min` + `finfo.min`
#   is −∞ again, by overflow.
# - **Where.** On the scores, before the softmax: neither on the weights nor by multiplying (Q041).
# - **Cross-attention** takes the padding mask of the *source*, and no causal mask: its queries and keys are different sequences.
# - **A mask is not sparsity.** A dense kernel computes all $nm$ scores and throws some away. Time is saved only by a kernel that skips blocks.
# - **Oracle.** Every sequence of the batch must come out as it does alone. That one test covers all of the above.
# </details>
# <details><summary>How it is scored</summary>
#
# - **Strong hire**: kinds sorted by what they depend on, shapes that broadcast, `&`, before the softmax, and unasked: padded queries remain, empty rows
#   need a rule.
# - **Lean hire**: padding and causal with the right place and shapes; queries or empty rows only when asked.
# - **No hire**: masks after the softmax, or along the queries' axis instead of the keys'.
# </details>
#
# **Red flag:** "the padding mask removes the padded tokens". It hides them as keys. As queries they are still there.
#
# **Follow-up:** which of these masks does the cross-attention of a translation model get? (Padding of the source. A causal one would be meaningless.)

# %% [markdown]
# ## Before the softmax, not after
#
# **Why not simply set the unwanted weights to zero?** Take the scores 1, 2, 3 and hide the third key. Predict the three row sums, and who gets how
# much, before you run the cell.
#
# 1. zero the weight *after* the softmax;
# 2. the same, then divide by the sum;
# 3. multiply the *scores* by the 0/1 mask, then softmax.

# %%
scores, keep = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64), torch.tensor([True, True, False])
zeroed = scores.softmax(-1) * keep
ways = {
    "−∞ before the softmax": masked_softmax(scores, keep),
    "1. zeroed after it": zeroed,
    "2. … and renormalised": zeroed / zeroed.sum(),
    "3. scores times mask": (scores * keep).softmax(-1),
}
for name, w in ways.items():
    print(f"{name:24}", w, f"sum {w.sum():.3f}")

fig, axes = plt.subplots(1, 4, figsize=(10, 2.6), sharey=True)
for ax, (name, w) in zip(axes, ways.items(), strict=True):
    bars = ax.bar(["key 0", "key 1", "hidden"], w, color=["C0", "C0", "white"], edgecolor="black", hatch=["", "", "//"])
    ax.bar_label(bars, fmt="%.2f")
    ax.set(title=name, ylim=(0, 1))
    ax.title.set_fontsize(10)
show(
    fig,
    "Weights of two visible keys and a hidden one: right 0.27, 0.73, 0; zeroed after 0.09, 0.24, 0; renormalised as right; multiplied 0.24, 0.67, 0.09.",
)

# %% [markdown]
# Zeroing leaves a row that sums to 0.335: the hidden key has taken the rest with it. *Renormalised*, the result is right, and that is no accident:
# in $\frac{e^{s_i}/Z}{\sum_{\text{visible}}e^{s_j}/Z}$ the $Z$ cancels. Numerically the two differ: if the hidden score is far above the visible ones, the visible
# weights underflow, and 0/0 is NaN.
#
# Multiplying is the worst. A hidden score becomes 0, and $e^0=1$ is a share like any other; among negative scores it *wins*.

# %%
rng = torch.Generator().manual_seed(0)
s = torch.randn(1000, 8, generator=rng, dtype=torch.float64) * 3
mask = torch.rand(1000, 8, generator=rng) < 0.6
mask[:, 0] = True
zeroed = s.softmax(-1) * mask
print("largest row sum after zeroing:", f"{zeroed.sum(-1).max():.3f}", " smallest:", f"{zeroed.sum(-1).min():.1e}")
difference = (zeroed / zeroed.sum(-1, keepdim=True) - masked_softmax(s, mask)).abs().max()
print("renormalised against masked, 1000 rows in float64: below 1e-14:", bool(difference < 1e-14))
assert zeroed.sum(-1).max() <= 1 + 1e-12
assert difference < 1e-14

far = torch.tensor([0.0, 1.0, 120.0])  # float32; the hidden third score is 119 above the visible ones
late = far.softmax(-1) * keep
print("float32, scores 0, 1, 120: renormalised", late / late.sum(), " masked", masked_softmax(far, keep))
negative = (torch.tensor([-1.0, -2.0, 3.0]) * keep).softmax(-1)
print("scores −1, −2 and a hidden one, times mask:", negative, "the hidden key wins")
assert (late / late.sum()).isnan().any()
assert negative.argmax() == 2

# %% [markdown] claims="C220"
# **C220 · true.** *“Multiplying the scores by the mask still leaves weight on padding.”* Scores $(1,2,-1,5,5)$ with two paddings become
# $(1,2,-1,0,0)$, and each padding gets $e^0/12.5=0.08$.

# %%
mask = torch.tensor([1.0, 1, 1, 0, 0])
multiplied = (torch.tensor([1.0, 2, -1, 5, 5]) * mask).softmax(-1)
claim("C220", multiplied[3:], [0.080, 0.080], 0.001, what="weights of the two paddings")
right = masked_softmax(torch.tensor([1.0, 2, -1, 5, 5]), mask != 0)
claim("C220", right[3:], [0, 0], what="masked before the softmax")

# %% [markdown] question="Q041" kind="debug" minutes=5
# ### Why not zero the weights after the softmax, or multiply the scores by the 0/1 mask?
#
# <details><summary>Hint 1 · direction</summary>
#
# Compute both by hand for the scores 1, 2, 3 with the third key hidden. What do the rows sum to, and what weight does the hidden key have?
# </details>
# <details><summary>Hint 2 · insight</summary>
#
# What has the denominator of the softmax seen, in the first case? What is $e^0$, in the second?
# </details>
# <details><summary>Sixty-second answer</summary>
#
# After the softmax it is too late: the hidden keys have already taken their share of the denominator. The row then sums to less than one, never more; by
# how much depends on hidden scores, so hidden content still scales the output. That is a leak. If I renormalise, the common factor cancels and it
# is algebraically the same as masking before; measured, equal to rounding. Numerically, masking before is better, since with a dominant hidden score the
# visible weights underflow and I divide zero by zero. Multiplying the scores is simply wrong. A hidden score becomes zero, not minus infinity; e to the
# zero is one, so it keeps weight, and among negative scores it wins. The mask must make the exponential zero: minus infinity, or where, before the
# softmax.
# </details>
# <details><summary>Full answer</summary>
#
# With $Z=\sum_je^{s_j}$ over all keys and $V$ the visible ones:
# - **Zeroed after:** $a_i=e^{s_i}/Z$ for $i\in V$. Sum $=\sum_{V}e^{s_j}/Z\le1$, with equality only if nothing is hidden (or what is hidden underflows). The
#   sum depends on the hidden scores: exchanging a future token changes past outputs.
# - **Renormalised:** $\frac{e^{s_i}/Z}{\sum_Ve^{s_j}/Z}=\frac{e^{s_i}}{\sum_Ve^{s_j}}$. The same function. In floating point the shift by the maximum is taken
#   over hidden keys too: visible weights underflow when the hidden score leads by more than 104 (float32), then 0/0.
# - **Multiplied:** hidden scores are 0, so the hidden keys get $1/Z'$ each. They win whenever all visible scores are negative.
# - **Which symptom?** A row sum below 1 points at "after"; weight on padding with row sum 1 at "multiplied", or at a mask value that is not negative
#   enough. A row sum *above* 1 is neither: look for dropout in training mode or the wrong axis.
# </details>
# <details><summary>How it is scored</summary>
#
# - **Strong hire**: ≤ 1 with its reason, renormalising is algebraically equal and why, $e^0=1$ with negative scores, and sees that the first is a leak.
# - **Lean hire**: both called wrong for the right reason; thinks that renormalising is wrong too, or cannot say what the sums are.
# - **No hire**: "after masking the rows sum to more than one", or finds multiplying acceptable.
# </details>
#
# **Red flag:** "zero times the score is zero weight".
#
# **Follow-up:** zeroed after, not renormalised: does a causal language model that does this leak, although all its weights on the future are 0? (Yes: the
# denominator has seen the future. It is in the zoo of leaks further down.)

# %% [markdown]
# ## Which number stands for −∞?
#
# **Does it matter?** Three numbers are in use: −∞, −1e9, and the lowest finite number of the dtype (`torch.finfo(dtype).min`). Each can be *filled in*
# (`masked_fill`) or *added*; and a key may be hidden by two masks at once. With the two wrong ways from above that makes nine styles, in four
# dtypes, for a normal row and for an **empty** one, in which every key is hidden: 72 cells. The tenth style, `masked_softmax`, has a rule for empty rows.
#
# **Predict first.** For the scores 1, 2, 3 with the third hidden, and for the same with all three hidden, write one word each:
# *right* (for an empty row: zeros), *NaN*, *error*, *uniform*, *unmasked* (as if there were no mask), *short* (sum below 1), *leak*.

# %% [markdown]
# | no. | question | your word |
# |---|---|---|
# | 1 | −∞ filled in, normal row, float16 | |
# | 2 | −1e9 filled in, normal row, float16 | |
# | 3 | −1e9 *added*, normal row, float16 | |
# | 4 | −∞ filled in, empty row, float32 | |
# | 5 | −1e9 filled in, empty row, float32 | |
# | 6 | −1e9 *added*, empty row, float32 | |
# | 7 | −1e9 *added*, empty row, float64 | |
# | 8 | `finfo.min` added, by *two* masks that hide the same keys, empty row, float32 | |
# | 9 | weights zeroed after the softmax, normal row | |
# | 10 | scores times the 0/1 mask, empty row, float32 | |
#
# Write your ten words into `MINE`. What stands there now is common folklore: "−1e9 is safe, −∞ is dangerous, zeroing and multiplying come to the same".

# %%
MINE = ["NaN", "right", "right", "NaN", "right", "right", "right", "right", "right", "right"]

# %%
NUMBERS = ("−∞", "−1e9", "finfo.min")


def lowest(number, dtype):
    return {"−∞": -math.inf, "−1e9": -1e9, "finfo.min": torch.finfo(dtype).min}[number]


def filled(number):
    return lambda s, mask: s.masked_fill(~mask, lowest(number, s.dtype)).softmax(-1)


def added(number, times=1):
    def style(s, mask):
        bias = torch.where(mask, 0.0, torch.tensor(lowest(number, s.dtype), dtype=torch.float64)).to(s.dtype)
        for _ in range(times):
            s = s + bias
        return s.softmax(-1)

    return style


# %%
STYLES = {f"{number} filled in": filled(number) for number in NUMBERS}
STYLES |= {f"{number} added": added(number) for number in NUMBERS}
STYLES["finfo.min added twice"] = added("finfo.min", times=2)
STYLES["weights zeroed after"] = lambda s, mask: s.softmax(-1) * mask
STYLES["scores times mask"] = lambda s, mask: (s * mask).softmax(-1)
STYLES["masked_softmax"] = masked_softmax

# %%
DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
ROWS = {"normal row": torch.tensor([True, True, False]), "empty row": torch.tensor([False, False, False])}


def verdict(style, dtype, mask):
    """One word for what a style makes of the scores 1, 2, 3, and the weight of the hidden third key."""
    s = torch.tensor([1.0, 2.0, 3.0], dtype=dtype)
    try:
        w = style(s, mask).double()
    except RuntimeError:
        return "error", math.nan
    near = 4 * torch.finfo(dtype).eps
    cases = {
        "NaN": w.isnan().any(),
        "right": (w - masked_softmax(s, mask).double()).abs().max() <= near and not w[~mask].any(),
        "uniform": (w - 1 / 3).abs().max() <= near,
        "unmasked": (w - s.double().softmax(-1)).abs().max() <= near,
        "short": not w[~mask].any(),
    }
    return next((word for word, fits in cases.items() if fits), "leak"), w[2].item()


# %%
TABLE = {
    (name, row, dtype): verdict(style, dtype, mask)
    for name, style in STYLES.items()
    for row, mask in ROWS.items()
    for dtype in DTYPES
}
for row in ROWS:
    print(f"{row:24}" + "".join(f"{str(dtype).removeprefix('torch.'):>18}" for dtype in DTYPES))
    for name in STYLES:
        cells = [TABLE[name, row, dtype] for dtype in DTYPES]
        print(f"{name:24}" + "".join(f"{word:>12}" + (" " * 6 if math.isnan(w) else f"{w:6.3f}") for word, w in cells))

# %% [markdown]
# **The prediction against the table.** Folklore gets two of ten right. And you?

# %%
ASKED = [
    ("−∞ filled in", "normal row", torch.float16),
    ("−1e9 filled in", "normal row", torch.float16),
    ("−1e9 added", "normal row", torch.float16),
    ("−∞ filled in", "empty row", torch.float32),
    ("−1e9 filled in", "empty row", torch.float32),
    ("−1e9 added", "empty row", torch.float32),
    ("−1e9 added", "empty row", torch.float64),
    ("finfo.min added twice", "empty row", torch.float32),
    ("weights zeroed after", "normal row", torch.float32),
    ("scores times mask", "empty row", torch.float32),
]
for number, (cell, word) in enumerate(zip(ASKED, MINE, strict=True), start=1):
    found = TABLE[cell][0]
    name, row, dtype = cell
    print(
        f"{number:2} {'✓' if word == found else '✗'} {name}, {row}, {str(dtype)[6:]}: predicted {word}, measured {found}"
    )
print("predicted rightly:", sum(word == TABLE[cell][0] for cell, word in zip(ASKED, MINE, strict=True)), "of 10")

# %%
SHADES = {"right": "white", "short": "0.88", "error": "0.25", "NaN": "0.25"}  # all else: "0.72"
fig, ax = plt.subplots(figsize=(10, 4.6))
for y, name in enumerate(STYLES):
    for x, (row, dtype) in enumerate(itertools.product(ROWS, DTYPES)):
        word = TABLE[name, row, dtype][0]
        shade, shown = SHADES.get(word, "0.72"), "zeros" if word == "right" and row == "empty row" else word
        ax.add_patch(plt.Rectangle((x, y), 1, 1, facecolor=shade, edgecolor="black"))
        ink = "white" if shade == "0.25" else "black"
        ax.text(x + 0.5, y + 0.5, shown, ha="center", va="center", fontsize=10, color=ink)
ax.axvline(4, color="black", linewidth=4)
labels = [str(dtype).removeprefix("torch.") for dtype in DTYPES]
ax.set_xticks(np.arange(8) + 0.5, labels * 2, fontsize=9)
ax.set_yticks(np.arange(len(STYLES)) + 0.5, STYLES)
ax.set(xlim=(0, 8), ylim=(len(STYLES), 0), title="normal row" + " " * 75 + "empty row: every key hidden")
ax.grid(visible=False)
show(
    fig,
    "Table of ten styles by four dtypes: in a normal row nearly all are right; in an empty row they give NaN, uniform or unmasked weights; zeros come only from zeroing after and from masked_softmax.",
)
counts = {row: sum(TABLE[name, row, dtype][0] == "right" for name in STYLES for dtype in DTYPES) for row in ROWS}
print("right, of 40 cells each:", counts)
assert all(TABLE["masked_softmax", row, dtype][0] == "right" for row in ROWS for dtype in DTYPES)

# %% [markdown]
# **Read it in columns, then in rows.**
#
# - *Normal row*: −∞ is right everywhere. The softmax subtracts the row maximum, which is finite, and $e^{-\infty}=0$ exactly. −1e9 does not fit into
#   float16, which ends at 65504: `masked_fill` refuses, adding makes it −∞.
# - *Empty row*: the maximum is −∞, and $-\infty-(-\infty)$ is NaN. A finite number *hides* that: all scores are equal, so the padding is read
#   **uniformly**. It looks healthy, and is nothing but padding.
# - *−1e9 added, float64*: softmax does not notice a constant. Where the dtype resolves $-10^9+1$, what comes out is the softmax **without any mask**.
# - In float32 the spacing of numbers near $10^9$ is 64: scores round away, unless they are large (next cell).

# %%
print("spacing of floats at 1e9:", {str(d)[6:]: float(torch.finfo(d).eps * 2**29) for d in DTYPES[1:]})
empty = torch.tensor([False, False, False])
for s in ([1.0, 2, 3], [-30.0, 0, 30], [-100.0, 0, 100]):
    print(f"−1e9 added to an empty row, float32, scores {s}:", added("−1e9")(torch.tensor(s), empty))
smallest = torch.tensor(torch.finfo(torch.float32).min)
print("finfo.min + finfo.min =", smallest + smallest)
print(
    "torch.tensor(finfo(float64).min) =", torch.tensor(torch.finfo(torch.float64).min), "because its dtype is float32"
)

# %% [markdown]
# **How negative is negative enough?** A hidden score filled with $c$ keeps a weight of at most $e^{c-\max}$. Some code says −10, "since that is small
# after the exponential". The figure shows the weight that remains beside a visible score of 0, and where each dtype makes it exactly 0 (float64 from −746 on, off the page).


# %%
def left_over(value, dtype):
    return torch.tensor([0.0, value], dtype=dtype).softmax(-1)[1].item()


zero_from = {dtype: next(c for c in range(1, 1000) if left_over(-float(c), dtype) == 0) for dtype in DTYPES}
for dtype, first in zero_from.items():
    print(f"{str(dtype)[6:]:9} weight kept at −10: {left_over(-10.0, dtype):.1e}; exactly 0 from −{first} on")

# %%
fig, ax = plt.subplots(figsize=(8.5, 3.6))
depth = np.arange(0.0, 116)
ax.semilogy(depth, np.exp(-depth), marker="")
ax.plot([10], [math.exp(-10)], "ko", markersize=8)
line = {"arrowstyle": "-", "color": "black"}
ax.annotate("−10 keeps 4.5e−05", (10, math.exp(-10)), (22, 1e-3), fontsize=9, arrowprops=line)
places = ((19.5, 1e-46, "left"), (91.5, 1e-12, "right"), (105.5, 1e-24, "left"))
for dtype, style, (x, y, side) in zip(DTYPES, (":", "--", "-"), places, strict=False):  # float64 lies off the page
    ax.axvline(zero_from[dtype], color="black", linestyle=style, marker="")
    ax.annotate(f"{str(dtype)[6:]}: exactly\n0 from −{zero_from[dtype]} on", (x, y), fontsize=9, ha=side)
ax.set(xlim=(0, 135), ylim=(1e-50, 10), yticks=[10.0**-k for k in range(0, 51, 10)])
ax.set(xlabel="minus the mask value", ylabel="weight of the hidden key")
ax.set_title("A finite mask value leaks until its weight underflows")
show(
    fig,
    "Weight that a hidden key keeps, a straight line falling from 1 to below 1e-45 on a logarithmic axis; vertical lines at 18, 93 and 104 where float16, bfloat16 and float32 make it exactly zero.",
)

# %% [markdown]
# So −1e4 would do in any dtype, *for scores near zero*. What counts is the gap to the visible scores. If those lie around −100, or a hidden score
# lies at +100 when the constant is *added*, then −104 is not enough. −∞ always is.

# %% [markdown] claims="C010, C046"
# **C010 · depends.** *“Filling masked scores with −1e9 before the softmax is the correct fix.”* In float32, float64 and bfloat16, for rows that keep a key:
# yes, exactly. In float16 `masked_fill` raises, and arithmetic gives −∞. In an empty row the padding is read uniformly. Prefer a boolean mask with a
# rule for empty rows.
#
# **C046 · false.** *“Use −1e9 and never −∞, to avoid NaN.”* −∞ is safe wherever a row keeps one key. Where none is left, −1e9 does not cure the
# row; it hides it. NaN at least says that something is wrong.


# %%
def said_of(name, row):
    return [TABLE[name, row, dtype][0] for dtype in DTYPES]


normal = [word == "right" for word in said_of("−1e9 filled in", "normal row")]
claim(
    "C010",
    normal,
    [False, True, True, True],
    what="−1e9 filled in, normal row: right in float16, bfloat16, float32, float64?",
)
uniform = said_of("−1e9 filled in", "empty row").count("uniform")
claim("C010", uniform, 3, what="−1e9 filled in, empty row: dtypes with uniform weights on padding")
claim("C010", torch.tensor(-1e9).half().isneginf(), True, what="−1e9 in float16 is −∞")
claim(
    "C046", said_of("−∞ filled in", "normal row").count("right"), 4, what="−∞, normal row: dtypes in which it is right"
)
s = torch.tensor([1.0, 2, 3], dtype=torch.float64)
change = ((s - 1e9).softmax(-1) - s.softmax(-1)).abs().max()
claim("C046", change, 0, 1e-6, what="float64: softmax(s − 1e9) against softmax(s)")
claim("C046", (s - 1e9).float().softmax(-1), [0.3333, 0.3333, 0.3333], 0.001, what="float32: softmax(s − 1e9)")

# %% [markdown]
# ## NaN comes back through the backward pass
#
# **Is it enough to clean up after the softmax?** A batch has an empty row, so somebody writes `torch.where(mask, weights, 0)` behind the
# softmax, or `nan_to_num`. The output is fine. Then, after the first step of the optimiser, the model has NaN weights.
#
# The softmax's derivative is $\partial L/\partial s_i=a_i(g_i-\sum_ja_jg_j)$. The guard makes $g=0$, but $a$ is still NaN, and $\text{NaN}\cdot0=\text{NaN}$. So
# the scores of that row have NaN gradients, whatever stands behind. What stands *before* decides: an **added** mask passes the gradient on unchanged;
# a **filled** one (`masked_fill`, `where`) replaces it by 0 in every hidden place, and in an empty row all places are hidden.


# %%
def add_inf(s, mask):
    return s + torch.zeros_like(s).masked_fill(~mask, -math.inf)


def fill_inf(s, mask):
    return s.masked_fill(~mask, -math.inf)


GUARDS = {
    "nothing": lambda w, _: w,
    "where(mask, w, 0)": lambda w, mask: torch.where(mask, w, 0.0),
    "nan_to_num": lambda w, _: w.nan_to_num(0.0),
    "times mask": lambda w, mask: w * mask,
}


def finite_share(weigh, seed, dtype=torch.float32):
    """Is the output finite, and what shares of the gradients of W_K and W_V? Query 2 of 6 may attend to nothing."""
    torch.manual_seed(seed)
    x, (W_Q, W_K, W_V) = torch.randn(6, 8, dtype=dtype), torch.randn(3, 8, 8, dtype=dtype).requires_grad_()
    mask = torch.ones(6, 6, dtype=torch.bool).tril()
    mask[2] = False
    out = weigh((x @ W_Q) @ (x @ W_K).T / 8**0.5, mask) @ (x @ W_V)
    gradients = torch.autograd.grad(out.square().sum(), (W_K, W_V))
    return bool(out.isfinite().all()), *(g.isfinite().double().mean().item() for g in gradients)


# %%
print(f"{'':36}{'output finite':>14}{'gradient of W_K':>17}{'of W_V':>9}")
for before, mask_scores in {"−∞ added": add_inf, "−∞ filled in": fill_inf}.items():
    for guard, clean in GUARDS.items():
        results = [finite_share(lambda s, m, a=mask_scores, b=clean: b(a(s, m).softmax(-1), m), seed) for seed in SEEDS]
        forward, of_keys, of_values = results[0]
        print(f"{before:13} then {guard:18}{forward!s:>14}{of_keys:17.0%}{of_values:9.0%}")
        cured = guard in ("where(mask, w, 0)", "nan_to_num")
        assert results == [(cured, float(before == "−∞ filled in"), float(cured))] * 3  # the same for every seed
results = [finite_share(masked_softmax, seed) for seed in SEEDS]
print(f"{'masked_softmax':36}{results[0][0]!s:>14}{results[0][1]:17.0%}{results[0][2]:9.0%}")
assert results == [(True, 1.0, 1.0)] * 3

# %% [markdown]
# One empty row among six, and with an added mask *no* entry of the gradient of $W_K$ is finite: the NaN row scores all keys, and $W_K$ sums over all of
# them. A filled mask keeps $W_K$ clean in any case; with a guard behind the softmax, $W_V$ and the output as well. The last guard, multiplying by the
# mask, cleans nothing, since $\text{NaN}\cdot0=\text{NaN}$. So `masked_fill`, softmax, `nan_to_num` is right, and the same with an added mask is a trap.
#
# **Dropping the row from the loss does not help either.** And in a model with layers, NaN does not stay in its row: in the next layer it is a *key*,
# hidden or not, and its weight 0 is multiplied by a value of NaN.

# %%
torch.manual_seed(0)
x, tokens = torch.randn(6, 8), causal_mask(6, like=torch.zeros(1)).clone()
tokens[:, :2] = False  # two paddings on the left: queries 0 and 1 see nothing
real = torch.arange(6) >= 2


def layers(x, weigh, count):
    for _ in range(count):
        x = x + weigh(x @ x.T / 8**0.5, tokens) @ x
    return x


for count in (1, 2):
    naive = layers(x, lambda s, m: fill_inf(s, m).softmax(-1), count).isnan().any(-1)
    print(f"after layer {count}: NaN in rows {naive.nonzero().flatten().tolist()}")
assert naive.all()
print("masked_softmax, 2 layers: NaN rows", int(layers(x, masked_softmax, 2).isnan().any(-1).sum()))

# %%
x.requires_grad_()
out = layers(x, lambda s, m: add_inf(s, m).softmax(-1), 1)
loss = torch.where(real, out.square().sum(-1), 0.0).sum()  # the loss looks at the real rows only
(gradient,) = torch.autograd.grad(loss, x)
finite = int(gradient.isfinite().all(-1).sum())
print(f"padded queries left out of the loss: loss {loss.item():.1f}, gradient finite in {finite} of 6 rows")
assert loss.isfinite()
assert not gradient.isfinite().any()

# %% [markdown] claims="C047"
# **C047 · false.** *“Use scaled_dot_product_attention with −1e9 instead of −∞, then nothing can go wrong.”* It is the other way round. PyTorch's function (SDPA)
# turns a boolean mask into −∞ by itself and returns **zeros** for an empty row, with finite gradients, in every dtype; an additive −∞ gets the same
# care. A float mask of −1e9 is what goes wrong: in float32 the empty row gets the mean of all values, padding included; in float64 the unmasked result.
# (Measured on a CPU with the version printed below. In 2023 it still gave NaN: PyTorch's issue 103963; the
# change came in 2024: pull requests 131060 and 133882.)


# %%
def empty_row(kind, dtype):
    """Output of an empty row from PyTorch, the mean of the values, the unmasked output, and whether gradients are finite."""
    torch.manual_seed(1)
    q, k, v = (torch.randn(1, size, 4, dtype=torch.float64).to(dtype).requires_grad_() for size in (2, 3, 3))
    mask = torch.tensor([[True, True, False], [False, False, False]])
    if kind != "boolean":
        mask = torch.where(mask, 0.0, torch.tensor(lowest(kind, dtype), dtype=torch.float64)).to(dtype)
    out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    gradients = torch.autograd.grad(out.sum(), (q, k, v))
    unmasked = F.scaled_dot_product_attention(q, k, v)[0, 1]
    return out[0, 1].double(), v[0].mean(0).double(), unmasked.double(), all(g.isfinite().all() for g in gradients)


print(f"torch {torch.__version__.split('+')[0]:10}" + "".join(f"{str(dtype)[6:]:>18}" for dtype in DTYPES))
for kind in ("boolean", "−∞", "−1e9", "finfo.min"):
    said = []
    for dtype in DTYPES:
        row, mean, unmasked, finite = empty_row(kind, dtype)
        near = 8 * torch.finfo(dtype).eps
        options = {"zeros": row, "mean of values": row - mean, "unmasked": row - unmasked}
        said.append(
            next(name for name, gap in options.items() if gap.abs().max() < max(near, 1e-6))
            + ("" if finite else " (NaN gradient)")
        )
    print(f"{kind:16}" + "".join(f"{word:>18}" for word in said))

# %%
row, *_, finite = empty_row("boolean", torch.float32)
claim("C047", row.abs().max(), 0, what="boolean mask, empty row: largest entry of the output")
claim("C047", finite, True, what="boolean mask, empty row: are all gradients finite?")
row, mean, *_ = empty_row("−1e9", torch.float32)
claim("C047", (row - mean).abs().max(), 0, 1e-5, what="−1e9, float32: output minus mean of all values")
row, mean, unmasked, _ = empty_row("−1e9", torch.float64)
claim("C047", (row - unmasked).abs().max(), 0, 1e-5, what="−1e9, float64: output minus the one without a mask")
claim("C047", (row - mean).abs().max(), at_least=0.01, what="and its distance from the mean")

# %% [markdown]
# The surprise is the bottom left corner. `finfo.min` of float16 is $-65504$. That the unmasked result comes out means that the scores survived beside it: the kernel adds in a wider
# dtype, float32, whose spacing there is 0.004. Again a constant that does not know in which dtype it will be used.

# %% [markdown] question="Q042" kind="debug" minutes=6
# ### −1e9, −∞ or finfo.min? Treat float16, float64 and rows in which everything is masked.
#
# <details><summary>Hint 1 · direction</summary>
#
# Two kinds of rows. First a row that keeps a key: follow the maximum through the softmax. Then one that keeps none.
# </details>
# <details><summary>Hint 2 · insight</summary>
#
# The softmax does not notice a constant that is added to all scores. What is the constant in the empty row, and does the dtype still see the scores beside it?
# </details>
# <details><summary>Sixty-second answer</summary>
#
# If a row keeps one key, minus infinity is exact and safe: the maximum is finite, and e to minus infinity is zero. Minus 1e9 does the same, except in
# float16, where masked_fill raises and adding overflows to minus infinity. The difference is the fully masked row. Minus infinity gives NaN, since
# infinity minus infinity. Filling in any finite number gives uniform weights over all keys, padding included: no error, just wrong. Adding minus 1e9
# is uniform in float32, by rounding, but in float64 the constant cancels and I get the unmasked softmax. finfo.min added by two masks overflows to
# minus infinity. So: a boolean mask, minus infinity filled in, and an explicit rule, zeros, for empty rows. PyTorch's SDPA does that, with finite
# gradients. Never add infinity and clean up afterwards: the forward pass looks fine and the backward pass is NaN.
# </details>
# <details><summary>Full answer</summary>
#
# | | normal row | empty row, filled in | empty row, added |
# |---|---|---|---|
# | −∞ | exact | NaN | NaN, and NaN gradients even behind a guard |
# | −1e9, float16 | filled in: error; added: exact, as −∞ | error | NaN |
# | −1e9, bfloat16, float32 | exact | uniform over padding | uniform if scores are small beside the spacing (64 in float32, 4 million in bfloat16) |
# | −1e9, float64 | exact | uniform | **unmasked softmax** |
# | finfo.min | exact | uniform | uniform once, NaN if two masks overlap |
# | boolean, with a rule | exact | zeros | (does not exist) |
#
# - *Why exact*: with $\max s$ finite, $e^{-\infty-\max s}=0$, and so is $e^{-10^9-\max s}$, by underflow. A mask value of −10 is not exact: it keeps $4.5\cdot10^{-5}$.
# - *Why unmasked*: $\operatorname{softmax}(s+c\mathbf 1)=\operatorname{softmax}(s)$. The lower the precision, the less of $s$ survives beside $c$.
# - *Where do empty rows come from?* Left padding with a causal mask, a sequence of length 0, more queries than keys, a window that holds only padding,
#   packed rows with a filler at the end.
# - *Backward*: $a(g-\sum ag)$ with $a=\text{NaN}$ is NaN even for $g=0$. `masked_fill` and `where` *before* the softmax stop it, guards behind do not.
#
# ```python
# def masked_softmax(s, mask):                                  # mask: True = may attend
#     w = s.masked_fill(~mask, -torch.inf).softmax(-1)          # exact zeros; NaN in empty rows
#     return w.masked_fill(~mask.any(-1, keepdim=True), 0.0)    # the rule; gradients finite, as the mask was filled in
# ```
# </details>
# <details><summary>How it is scored</summary>
#
# - **Strong hire**: separates normal from empty rows at once, shift invariance for float64, float16's range, a rule for empty rows, and the backward pass.
# - **Lean hire**: knows that −∞ is safe with one visible key and NaN without; uniform weights or float16 after a hint.
# - **No hire**: "always −1e9, to be safe", with no idea what an empty row does.
# </details>
#
# **Red flag:** "with −1e9 a fully masked row gets zero weights".
#
# **Follow-up:** your loss is NaN from step 1 on, although every output of step 0 was finite. Where do you look? (Empty row, added −∞, a `where` behind the softmax: the
# NaN is born in the backward pass. `torch.autograd.detect_anomaly` names the softmax.)

# %% [markdown]
# **Who is right?** A: "the mask holds −∞." B: "never use −∞." **A**, with a rule for empty rows. With B's finite number the row is still empty, only nobody is told.

# %% [markdown]
# ## The causal mask, and how to make NaN with it
#
# **Does a causal mask of −∞ give NaN?** Never by itself: every query sees at least itself, so no row is empty. NaN comes from three places around it:
#
# - the construction `triu(ones, 1) * -inf`: on and below the diagonal stands $0\cdot(-\infty)=\text{NaN}$;
# - `triu(..., k=0)`: the diagonal is hidden as well, and query 0 has nothing left;
# - a second mask on top, for example **left padding**: the first real token is not at position 0, and the padded queries before it see only padding.

# %%
ones = torch.ones(4, 4)
constructions = {
    "triu(full(−inf), 1)": torch.full((4, 4), -math.inf).triu(1),
    "triu(full(−inf), 0)": torch.full((4, 4), -math.inf).triu(0),
    "triu(ones, 1) * −inf": ones.triu(1) * -math.inf,
    "zeros.masked_fill(triu(ones, 1) == 1, −inf)": torch.zeros(4, 4).masked_fill(ones.triu(1) == 1, -math.inf),
    "(1 − tril(ones)) * −1e9": (1 - ones.tril()) * -1e9,
}
torch.manual_seed(0)
s = torch.randn(4, 4)
for name, bias in constructions.items():
    w = (s + bias).softmax(-1)
    broken = w.isnan().any(-1)
    print(
        f"{name:46} NaN in the mask: {int(bias.isnan().sum()):2}   rows of weights with NaN: {broken.nonzero().flatten().tolist()}"
    )

# %% [markdown] claims="C114, C115"
# **C114 · false.** *“The causal mask needs a large negative number in place of −∞, to avoid NaN.”* The diagonal is visible, so every row has a finite
# maximum. What makes NaN is $0\cdot(-\infty)$ in a clumsy construction, or an empty row.
#
# **C115 · true.** *“`k=1` in `triu` leaves the diagonal visible.”* And `k=0` hides it: row 0 is then empty, which is NaN with −∞, and with −1e9 a query that
# reads everything evenly, all of the future included.

# %%
worst = 0
for seed in SEEDS:
    torch.manual_seed(seed)
    s = torch.randn(100, 16, 16) * 10
    worst += int((s + torch.full((16, 16), -math.inf).triu(1)).softmax(-1).isnan().sum())
claim("C114", worst, 0, what="NaN among the weights of 300 causal maps with −∞")
claim("C114", int((ones.triu(1) * -math.inf).isnan().sum()), 10, what="NaN in triu(ones(4, 4), 1) * −inf")
w = (s[0] + torch.full((16, 16), -math.inf).triu(1)).softmax(-1)
claim("C115", (w.diagonal() > 0).all(), True, what="k=1: is every diagonal weight positive?")
w = (s[0] + torch.full((16, 16), -math.inf).triu(0)).softmax(-1)
claim("C115", w.isnan().any(-1).nonzero().flatten(), [0], what="k=0: rows with NaN")
w = (s[0] / 10 + torch.full((16, 16), -1e9).triu(0)).softmax(-1)
claim("C115", [w[0].min(), w[0].max()], 1 / 16, 1e-6, what="k=0 with −1e9: smallest and largest weight of row 0")

# %% [markdown]
# ### Fewer queries than keys
#
# **Two new tokens arrive, four keys are there (two of them from a cache). What does the mask look like?** The last query stands at the last key. Query $i$ of $n$
# has the position $i+(m-n)$, so it sees $j\le i+m-n$: aligned at the **bottom right**. PyTorch's `is_causal=True` draws $j\le i$ instead, aligned at the **top
# left**, whatever $m$ is. Then the newest token sees two keys out of four, and no error is raised.

# %%
print("bottom right (ours)\n", causal_mask(2, 4).astype(int))
torch.manual_seed(0)
q, k, v = (torch.randn(1, 4, 8, dtype=torch.float64) for _ in range(3))
full = F.scaled_dot_product_attention(q, k, v, is_causal=True)  # all four tokens at once
new = q[:, 2:]  # the two newest queries, with all four keys
answers = {
    "bottom-right mask": F.scaled_dot_product_attention(new, k, v, attn_mask=causal_mask(2, 4, like=k)),
    "is_causal=True": F.scaled_dot_product_attention(new, k, v, is_causal=True),
    "no mask": F.scaled_dot_product_attention(new, k, v),
    "causal_lower_right": F.scaled_dot_product_attention(new, k, v, attn_mask=causal_lower_right(2, 4)),
}
for name, out in answers.items():
    gap = (out - full[:, 2:]).abs().amax(-1)[0]
    print(f"{name:20} distance from the full run: query 0 {gap[0]:.3f}, query 1 {gap[1]:.3f}")
assert (
    (answers["bottom-right mask"] - full[:, 2:]).abs().max()
    < 1e-12
    < (answers["is_causal=True"] - full[:, 2:]).abs().max() / 1e3
)

# %% [markdown]
# *Without* any mask (third of the four lines), the last query is right, and the one before it leaks. For a single new query, the usual case of decoding, the right mask is no
# mask, and `is_causal=True` is the worst choice: it leaves key 0 only. Token by token, with a growing cache:

# %%
for way, options in {"no mask": {}, "is_causal=True": {"is_causal": True}}.items():
    steps = [F.scaled_dot_product_attention(q[:, t : t + 1], k[:, : t + 1], v[:, : t + 1], **options) for t in range(4)]
    gaps = (torch.cat(steps, 1) - full).abs().amax(-1)[0]
    print(f"one query at a time, {way:15} distance from the full run:", *(f"{gap:.3f}" for gap in gaps))
    assert (gaps.max() < 1e-12) == (way == "no mask")

# %% [markdown]
# **Which of the two do you need?** Draw it. Below, three queries over $m$ keys.


# %%
def alignments(m, axes=None):
    """Three queries over m keys: which keys they see, bottom-right and with PyTorch's is_causal."""
    m = int(m)
    if axes is None:
        axes = plt.subplots(1, 2, figsize=(9.5, 2.9))[1]
    eye = torch.eye(m)[None]  # values that say which key they belong to
    torchs = F.scaled_dot_product_attention(torch.zeros(1, 3, m), eye, eye, is_causal=True)[0] > 0
    rows, columns = [f"query {i}" for i in range(3)], [str(j) for j in range(m)]
    for ax, mask, name in zip(axes, (causal_mask(3, m), torchs), ("bottom right", "top left (is_causal)"), strict=True):
        heatmap(mask, rows, columns, ax=ax, title=f"{name}, m = {m}", digits=0)
        ax.set(ylabel="")
    return axes[0].figure


def say_alignments(m):
    hidden = int(causal_mask(3, int(m)).sum() - np.tril(np.ones((3, int(m)))).sum())
    return f"3 queries over {m:g} keys: bottom-right alignment shows {hidden:+d} pairs compared with top-left."


# %%
fig, axes = plt.subplots(2, 2, figsize=(9.5, 5))
for row, m in zip(axes, (5, 2), strict=True):
    alignments(m, row)
    print(say_alignments(m), "empty rows:", int((~causal_mask(3, m).any(-1)).sum()))
show(
    fig,
    "Three queries over five keys and over two: bottom right, all see the cache and, with two keys, query 0 sees nothing; top left, query i sees keys 0 to i.",
)

# %% [markdown]
# Move the slider with a running kernel. Left and right agree at exactly one value; which? And below it, what happens to the first rows? (At $m=3$; with more
# queries than keys the first $n-m$ rows are empty on the left.)

# %%
slider(alignments, "keys", [1, 2, 3, 4, 5, 6, 8], alt=say_alignments)

# %% [markdown]
# ### One library, two meanings of True
#
# **What does `mask=tril` mean in PyTorch?** It depends on the function. In `F.scaled_dot_product_attention`, True means *attend*. In `nn.MultiheadAttention`,
# `nn.Transformer` and their `key_padding_mask`, True means *block*. Both take the same tensor without a word. Predict the two pictures before you look: three
# tokens, values that say which key they come from, all scores equal.


# %%
def both_apis(mask):
    """Weights of one head on 3 tokens with equal scores, from both functions, for the same boolean mask."""
    x = torch.eye(3)[None]
    by_function = F.scaled_dot_product_attention(torch.zeros(1, 3, 3), torch.zeros(1, 3, 3), x, attn_mask=mask)[0]
    module = nn.MultiheadAttention(3, 1, bias=False, batch_first=True).eval()
    with torch.no_grad():
        module.in_proj_weight.copy_(torch.cat([torch.zeros(6, 3), torch.eye(3)]))  # W_Q = W_K = 0, W_V = 1
        module.out_proj.weight.copy_(torch.eye(3))
        fast, _ = module(x, x, x, attn_mask=mask, need_weights=False)
        slow, _ = module(x, x, x, attn_mask=mask, need_weights=True)
    return by_function, fast[0], slow[0]


# %%
lower = torch.ones(3, 3, dtype=torch.bool).tril()
fig, axes = plt.subplots(1, 3, figsize=(9.5, 2.7))
labels = ["0", "1", "2"]
results = both_apis(lower)
titles = ("SDPA: True = attend", "MultiheadAttention: True = block", "… with need_weights=True")
for ax, weights, title in zip(axes, results, titles, strict=True):
    heatmap(weights.nan_to_num(-1), labels, labels, ax=ax, title=title)
    for text, value in zip(ax.texts, weights.flatten(), strict=True):
        text.set_text("NaN" if value.isnan() else f"{value:.2f}")
    ax.title.set_fontsize(10)
    print(f"{title:34}", [[round(value, 2) for value in row] for row in weights.tolist()])
show(
    fig,
    "The same lower triangular mask in both functions: the first gives lower triangular weights, the second strictly upper ones and a last row of zeros or NaN.",
)

# %% [markdown]
# The rows are complementary. In the second picture the last query has lost all its keys. It gets zeros or NaN depending on `need_weights`, since that switches
# between two implementations: a debugging flag that changes the result. The cure is one line, `attn_mask=~mask`, and a test on a $3\times3$ identity like this one.

# %% [markdown] claims="C081"
# **C081 · true.** *“The mask is upper-triangular, −∞ above the diagonal, and the weights are lower-triangular; to say just “triangular” is wrong.”* Strictly upper, in
# the additive convention, with rows as queries. For a boolean mask one has to say which way True points.

# %%
torch.manual_seed(0)
w = (torch.randn(6, 6) + torch.full((6, 6), -math.inf).triu(1)).softmax(-1)
claim("C081", w.triu(1).abs().max(), 0, what="weights strictly above the diagonal: largest")
claim("C081", w[torch.ones(6, 6, dtype=torch.bool).tril()].min(), at_least=1e-6, what="on and below it: smallest")
by_function, by_module, _ = both_apis(lower)
claim(
    "C081",
    ((by_function > 0) ^ (by_module > 0)).all(),
    True,
    what="same mask: does each pair appear in exactly one of the two APIs?",
)
flipped = both_apis(~lower)
claim(
    "C081", (flipped[1] - by_function).abs().max(), 0, 1e-6, what="MultiheadAttention with ~mask against SDPA with mask"
)

# %% [markdown] question="Q043" kind="explain" minutes=4
# ### Upper or lower triangular? Say it precisely, library conventions included.
#
# <details><summary>Hint 1 · direction</summary>
#
# There are two tables, the mask and the weights, and at least two ways to write the mask. Say first what the rows are.
# </details>
# <details><summary>Hint 2 · insight</summary>
#
# Take the last query. What does it see, which number stands in its row of an additive mask, and which truth value in each of PyTorch's two APIs?
# </details>
# <details><summary>Sixty-second answer</summary>
#
# Rows are queries, columns are keys. An additive causal mask has minus infinity strictly above the diagonal and zero elsewhere, so the mask is upper
# triangular in its infinities, and the weights are lower triangular, diagonal included. A boolean mask can mean two things. In
# scaled_dot_product_attention true means attend, so I pass tril. In nn.MultiheadAttention and nn.Transformer, also for key_padding_mask, true means
# ignore, so I pass triu with diagonal one. Passing the same tensor to both gives complementary weights and no error. With fewer queries than keys I
# align at the bottom right, j at most i plus m minus n, because the last query belongs to the last key; PyTorch's is_causal aligns top left. I test the
# convention on a three by three identity of values before I trust it.
# </details>
# <details><summary>Full answer</summary>
#
# | where | True, or 1, means | causal mask |
# |---|---|---|
# | additive bias | (0: attend, −∞: block) | `full(-inf).triu(1)` |
# | `F.scaled_dot_product_attention(attn_mask=…)`, this course | attend | `ones(n, n).tril()` |
# | `nn.MultiheadAttention(attn_mask=…, key_padding_mask=…)`, `nn.Transformer*` | block | `ones(n, n).triu(1)` |
# | `attention_mask` of Hugging Face's tokenizers (their glossary) | real token | padding only; a causal model adds its own part |
#
# - **Strictly** upper: with the diagonal in it, query 0 sees nothing.
# - $n\ne m$: `tril(diagonal=m - n)`, that is $j\le i+m-n$. `is_causal=True` and `torch.nn.attention.bias.causal_upper_left` align top left,
#   `causal_lower_right` bottom right. FlashAttention went from top left to bottom right in version 2.1, with zeros for empty rows (its README). The two corners agree for $n=m$ only.
# - Transposed conventions exist: some papers write keys as rows. Then everything above is mirrored. So say what the rows are first.
# - Signs of a flipped mask: a loss near 0 at once (the future is visible), or NaN or zeros in the last row (it has lost all its keys).
# </details>
# <details><summary>How it is scored</summary>
#
# - **Strong hire**: rows and columns named first, *strictly* upper against lower, both meanings of True with the API names, and $n\ne m$.
# - **Lean hire**: mask and weights the right way round; polarity only when asked.
# - **No hire**: "triangular", with no idea which half is which.
# </details>
#
# **Red flag:** passing `tril` to everything because "True is what you keep".
#
# **Follow-up:** your model's loss falls to 0.01 after you moved from nn.MultiheadAttention to SDPA. First suspicion? (The mask kept its polarity: it now shows exactly
# the future.)

# %% [markdown]
# ## One masked pass instead of n
#
# **What does the causal mask buy in training?** A language model needs $p(x_{t+1}\mid x_1,\dots,x_t)$ for every $t$. Without a mask that takes $n$ runs, one per
# prefix. With it, row $t$ of *one* run equals the last row of the run on prefix $t$: the row never saw anything else. So one pass trains $n$ predictions,
# with the true tokens as input (*teacher forcing*). The same statement is the strongest correctness test there is: **one masked pass = n prefix passes**.
#
# Two of PyTorch's *encoder* layers with a causal mask make a small GPT. (Its `mask` means True = block.)

# %%
torch.manual_seed(0)
layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True, norm_first=True, dtype=torch.float64)
gpt = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).eval()


def blocked(n):
    return torch.ones(n, n, dtype=torch.bool).triu(1)


n = 16
x = torch.randn(1, n, 16, dtype=torch.float64)
with torch.no_grad():
    one_pass = gpt(x, mask=blocked(n))[0]
    prefixes = torch.stack([gpt(x[:, : t + 1], mask=blocked(t + 1))[0, -1] for t in range(n)])
    unmasked = gpt(x)[0]
print("one masked pass against 16 prefix passes: equal to 1e-12:", bool((one_pass - prefixes).abs().max() < 1e-12))
wrong = (unmasked - prefixes).abs().amax(-1)
print(f"one unmasked pass against them: distance up to {wrong.max():.2f}, and {wrong[-1]:.2f} even in the last row")
assert (one_pass - prefixes).abs().max() < 1e-12
assert wrong.min() > 0.01
for n in (16, 1024):
    pairs = sum(t * t for t in range(1, n + 1))
    print(
        f"n = {n}: query-key pairs per layer, one pass {n * n:,}, all prefixes {pairs:,}: {pairs / n**2:.0f} times as many"
    )

# %% [markdown]
# Look at the last row. It may see everything, so why does it need the mask? Because of the *other* rows: in layer 2 its keys are outputs of layer 1, and without
# a mask these have seen later tokens.

# %% [markdown] claims="C223"
# **C223 · imprecise.** *“Masked attention is what distinguishes a decoder block from an encoder block.”* The decoder block of the original Transformer has a
# whole sub-layer more: cross-attention to the encoder, with its own four matrices. A *decoder-only* block (GPT) has none, and there the sentence is
# right: it is an encoder block with a causal mask, and a mask has no parameters.

# %%
d = 16
encoder, decoder = (
    kind(d, 2, 32, dropout=0.0, batch_first=True) for kind in (nn.TransformerEncoderLayer, nn.TransformerDecoderLayer)
)
sizes = [sum(p.numel() for p in block.parameters()) for block in (encoder, decoder)]
claim(
    "C223",
    sizes[1] - sizes[0],
    4 * d * d + 4 * d + 2 * d,
    what="parameters that a decoder layer has more: cross-attention and its norm",
)
x = torch.randn(8, d)
encoder.eval()
depends = leak_by_perturbation(
    lambda x: encoder(x[None], src_mask=blocked(8))[0].detach(), x, torch.randn(8, d), tolerance=1e-6
)
claim(
    "C223",
    (depends & ~causal_mask(8, like=x)).sum(),
    0,
    what="encoder layer with a causal mask: outputs that depend on later tokens",
)
depends = leak_by_perturbation(lambda x: encoder(x[None])[0].detach(), x, torch.randn(8, d), tolerance=1e-6)
claim("C223", (depends & ~causal_mask(8, like=x)).sum(), 28, what="the same layer without the mask")

# %% [markdown] question="Q038" kind="explain" minutes=4
# ### Why do causal language models need masked attention, and what does it buy at training time?
#
# <details><summary>Hint 1 · direction</summary>
#
# Write down the factorisation of $p(x_1,\dots,x_n)$. What may each factor be computed from?
# </details>
# <details><summary>Hint 2 · insight</summary>
#
# How many forward passes would all $n$ factors take without a mask? And what would the unmasked model learn in one?
# </details>
# <details><summary>Sixty-second answer</summary>
#
# A causal model factorises the probability of a text into p of x_t given everything before. Each factor may use the prefix only, because at generation
# time nothing else exists. The mask enforces that inside one forward pass: row t of the attention is renormalised over the visible prefix, so it is exactly what a run
# on that prefix alone gives. Hence one pass over n tokens yields n training signals, in parallel, with the true tokens as input; without a mask I would need n
# passes, about n over three times the attention work. Remove the mask and keep the one pass, and the model copies the label from the next position:
# a loss near zero, and nonsense when it generates. The decoder of an encoder-decoder needs it in its self-attention for the same reason. Architecturally a
# decoder-only block is an encoder block plus this mask.
# </details>
# <details><summary>Full answer</summary>
#
# $$p(x_1,\dots,x_n)=\prod_{t=1}^{n}p(x_t\mid x_{<t}),\qquad L=-\tfrac1n\sum_t\log p_\theta(x_t\mid x_{<t}).$$
# - **Exactness.** By induction over the layers: if layer $l$ at position $t$ is a function of $x_{\le t}$, then so are its queries, and with the mask its keys and values
#   of positions $\le t$; everything else in the block (norm over features, MLP, residual) acts on one position. So row $t$ of the masked pass *is* the last
#   row of the pass on $x_{\le t}$, to rounding (measured: below $10^{-12}$). The weights are lower triangular, each row renormalised over its prefix.
# - **Cost.** One pass scores $n^2$ pairs per layer (half of them thrown away by a dense kernel), the prefixes $\sum t^2\approx n^3/3$: 342 times as many for
#   $n=1024$. A key-value cache gets the same saving at generation: old rows never change, because they never saw what came later.
# - **What breaks the induction** is anything that mixes positions: a norm over time, a convolution that is centred, a per-tensor quantisation scale.
# - **Not everybody needs it.** BERT predicts *hidden* tokens from both sides; the input does not contain the answer, so a full matrix is right. In an encoder-decoder the
#   encoder is unmasked, the decoder's self-attention is causal, its cross-attention sees all of the source.
# - **The price.** In training all inputs are true tokens, in generation they are the model's own (exposure bias). And each token is encoded without its right
#   context.
# </details>
# <details><summary>How it is scored</summary>
#
# - **Strong hire**: factorisation, equality with prefix passes and why it holds through the layers, the factor in cost, cross-attention in the classic
#   decoder.
# - **Lean hire**: "so that it cannot cheat, and all positions train in parallel", without the equality.
# - **No hire**: believes that the mask is for efficiency of generation, or that training runs token by token.
# </details>
#
# **Red flag:** "the mask is only needed at inference". There it is hardly needed: the future does not exist yet.
#
# **Follow-up:** at generation with a cache, one new token: which mask? (None: one query, all keys visible.)

# %% [markdown]
# ## Hunting leaks
#
# **How do you prove that no output depends on a later token?** Not by reading the code. Ask the function itself. Three tests, all in this course's package:
#
# - **weights**: `first_leak` looks for a weight above the diagonal. Cheap, and sees attention only;
# - **perturbation**: `leak_by_perturbation` exchanges one token after the other and notes which outputs change at all;
# - **gradient**: `leak_by_gradient` asks whether $\partial\,\text{out}_i/\partial x_j$ is exactly 0.
#
# The last two return a table of "output $i$ depends on token $j$". It must lie *inside* the mask. Below is one attention layer, and a *zoo*: a collection of eight leaky
# variants of it. The last variant is a *sleeping gate*: a term that is exactly 0 until the features of some token sum to more than 20, which ordinary inputs never reach; then
# all outputs see it. Which test catches which variant? Predict each row before you look.

# %%
n, d = 8, 8
causal = causal_mask(n, like=torch.zeros(1))


def maker(seed):
    """A function that makes models x (n, d) -> (outputs (n, d), weights (n, n)) in float32, with the same parameters."""
    torch.manual_seed(seed)
    W_Q, W_K, W_V, W_O = (torch.randn(d, d) / d**0.5 for _ in range(4))

    def model(weigh=lambda s: masked_softmax(s, causal), after=lambda _, h: h):
        def run(x):
            weights = weigh((x @ W_Q) @ (x @ W_K).T / d**0.5)
            return after(x, x + weights @ (x @ W_V) @ W_O), weights

        return run

    return model


def eight_bits(_, h):
    scale = h.detach().abs().max() / 127  # one scale for all tokens, as in dynamic quantisation
    return h + ((h / scale).round() * scale - h).detach()  # straight-through: the rounding has gradient 1


# %%
def make_zoo(seed):
    """Nine models; the first is honest, the others leak."""
    model = maker(seed)
    one_ahead = torch.ones(n, n, dtype=torch.bool).tril(1)
    return {
        "honest": model(),
        "mask off by one": model(lambda s: masked_softmax(s, one_ahead)),
        "mask value −30": model(lambda s: (s - 30.0 * ~causal).softmax(-1)),
        "weights zeroed after": model(lambda s: s.softmax(-1) * causal),
        "norm over time": model(after=lambda _, h: (h - h.mean(0)) / h.std(0)),
        "centred convolution": model(after=lambda x, h: h + 0.1 * F.pad(x, (0, 0, 0, 1))[1:]),
        "argmax of all tokens": model(after=lambda x, h: h + 0.1 * F.one_hot(x[:, 0].argmax(), d)),
        "8-bit scale": model(after=eight_bits),
        "sleeping gate": model(after=lambda x, h: h + (x.sum(-1).amax() - 20).relu()),
    }


# %%
def caught(run, seed, draws=3):
    """How many of the 28 forbidden pairs each test finds with any of three random inputs."""
    torch.manual_seed(seed + 100)
    outputs = lambda x: run(x)[0]  # noqa: E731  # the tests want a function of x alone
    in_weights = gradient = exchanged = torch.zeros(n, n, dtype=torch.bool)
    for _ in range(draws):
        x, other = torch.randn(2, n, d)
        if first_leak(run(x)[1]):
            in_weights = in_weights | (run(x)[1] > 0) & ~causal
        gradient = gradient | leak_by_gradient(outputs, x) & ~causal
        exchanged = exchanged | leak_by_perturbation(outputs, x, other) & ~causal
    found = {"weights": in_weights, "gradient": gradient, "exchange all": exchanged}
    found["exchange last"] = exchanged[:, -1]  # the lazy test exchanges the last token only
    return {test: int(pairs.sum()) for test, pairs in found.items()}


# %% tags=["nbval-ignore-output"]
zoo = {seed: {name: caught(run, seed) for name, run in make_zoo(seed).items()} for seed in SEEDS}
TESTS = list(zoo[SEEDS[0]]["honest"])
print(f"{'forbidden pairs found, 3 seeds':32}" + "".join(f"{test:>16}" for test in TESTS))
for name in zoo[SEEDS[0]]:
    print(f"{name:32}" + "".join(f"{' '.join(str(zoo[seed][name][test]) for seed in SEEDS):>16}" for test in TESTS))

# %% [markdown]
# **Every test has a blind spot, and no two have the same.**
#
# - *Weights* are blind to everything outside the weights, "zeroed after" included: there all forbidden weights *are* 0, and the denominator has seen the future.
# - *Gradient* is blind to what has no gradient: an argmax, a `detach()`, rounding. The 8-bit scale is a real one: activations quantised with one scale
#   for all tokens.
# - *Exchange* is blind to what rounds away. A mask value of −30 leaves a weight of $10^{-13}$, below the resolution of float32; the gradient still shows it.
# - *Exchanging the last token only*, the test that most people write, finds argmax and scale only if that token happens to be the largest, before or after. At best it sees 7 of 28 pairs.
# - The *sleeping gate* escapes all of them, until the inputs wake it (next cell). A test shows that there is a leak, never that there is none.

# %% tags=["nbval-ignore-output"]
for name in ("mask off by one", "weights zeroed after", "norm over time", "centred convolution"):
    for seed in SEEDS:
        assert zoo[seed][name]["gradient"] == zoo[seed][name]["exchange all"] > 0
for seed, found in zoo.items():
    assert not any(found["honest"].values())
    assert found["mask value −30"] == {"weights": 28, "gradient": 28, "exchange all": 0, "exchange last": 0}
    for name in ("argmax of all tokens", "8-bit scale"):
        assert found[name]["gradient"] == found[name]["weights"] == 0 < found[name]["exchange all"]
    assert not any(found["sleeping gate"].values())
    gate = make_zoo(seed)["sleeping gate"]
    awake = caught(lambda x, gate=gate: gate(20 * x), seed)["exchange all"]
    print(f"seed {seed}: the sleeping gate on inputs 20 times as large: {awake} forbidden pairs")
    assert awake

# %%
models = make_zoo(0)
torch.manual_seed(100)
x, other = torch.randn(n, d), torch.randn(n, d)
panels = [
    ("mask off by one", "exchange"),
    ("norm over time", "exchange"),
    ("8-bit scale", "exchange"),
    ("8-bit scale", "gradient"),
]
fig, axes = plt.subplots(1, 4, figsize=(11, 3.6))
for ax, (name, test) in zip(axes, panels, strict=True):
    outputs = lambda x, run=models[name]: run(x)[0]  # noqa: E731  # one line per panel
    depends = leak_by_perturbation(outputs, x, other) if test == "exchange" else leak_by_gradient(outputs, x)
    ax.imshow(depends, cmap="Greys", vmin=0, vmax=1.6)
    for row, column in (depends & ~causal).nonzero().tolist():
        ax.text(column, row, "×", ha="center", va="center", fontsize=13, color="C3", fontweight="bold")
    ax.set(title=f"{name}\n{test}: {int((depends & ~causal).sum())} leaks", xlabel="token j", ylabel="output i")
    ax.title.set_fontsize(10)
    ax.grid(visible=False)
show(
    fig,
    "Which output depends on which token. Off by one: crosses just above the diagonal; norm over time: above it everywhere; 8-bit scale: some crosses by exchange, none by gradient.",
)

# %% [markdown]
# **A perturbation can be invisible, too.** Adding 1 to all features of a token is undone by a LayerNorm at the entrance, which subtracts their mean. So exchange the token for a
# *different random one*. (The model here has no mask at all.)

# %%
for seed in SEEDS:
    torch.manual_seed(seed)
    x, other = torch.randn(2, n, d, dtype=torch.float64)

    def unmasked(x):
        z = F.layer_norm(x, (d,))
        return z + (z @ z.T / d**0.5).softmax(-1) @ z

    plus_one = leak_by_perturbation(unmasked, x, x + 1, tolerance=1e-12) & ~causal
    random = leak_by_perturbation(unmasked, x, other, tolerance=1e-12) & ~causal
    print(
        f"seed {seed}: no mask, LayerNorm in front. Add 1 to a token: {int(plus_one.sum())} leaks found; a random token: {int(random.sum())}"
    )
    assert not plus_one.any()
    assert random.sum() == 28

# %% [markdown]
# **The same test, another table.** Causality is one thing to ask. Give it any table of what is *allowed*: padding (nobody may depend on a filler), or the batch (sequence
# $b$ may depend on nothing but itself). Two leaks that no causal test can see:

# %%
torch.manual_seed(0)
x, other = torch.randn(6, d), torch.randn(6, d)
real = torch.arange(6) >= 3  # three fillers on the left, three tokens on the right
wrong_side = padding_mask(torch.tensor([3]), 6)[0] & causal_mask(6, like=x)  # built as if the fillers were on the right
depends = leak_by_perturbation(lambda x: x + masked_softmax(x @ x.T / d**0.5, wrong_side) @ x, x, other)
print("padding on the wrong side: forbidden by causality", int((depends & ~causal_mask(6, like=x)).sum()), end="; ")
print("real outputs that depend on fillers", int(depends[real][:, ~real].sum()), "of 9")
assert depends[real][:, ~real].all()

batch, others = torch.randn(4, 6, d), torch.randn(4, 6, d)  # the first axis is the batch now


def batch_norm(batch):
    out = torch.stack([x + masked_softmax(x @ x.T / d**0.5, causal_mask(6, like=x)) @ x for x in batch])
    return (out - out.mean(0)) / out.std(0)  # over the batch, separately for each position


across = leak_by_perturbation(batch_norm, batch, others)
alone = leak_by_perturbation(lambda x: batch_norm(torch.stack([x, *batch[1:]]))[0], batch[0], others[0])
print("norm over the batch: forbidden by causality", int((alone & ~causal_mask(6, like=x)).sum()), end="; ")
print("sequences that depend on another one", int((across & ~torch.eye(4, dtype=torch.bool)).sum()), "of 12")
assert not (alone & ~causal_mask(6, like=x)).any()
assert (across.sum() == 16).all()

# %% [markdown] question="Q037" kind="implement" minutes=8
# ### Build a causal mask, apply it, and prove that nothing leaks from the future.
#
# <details><summary>Hint 1 · direction</summary>
#
# Three parts: the mask for $n$ queries and $m$ keys, its place, and a test that treats the model as a black box.
# </details>
# <details><summary>Hint 2 · insight</summary>
#
# If token $t$ is exchanged for another one, which outputs must stay the same *to the last bit*? And what should the derivative of output $i$ with respect to input $j>i$ be?
# </details>
# <details><summary>Sixty-second answer</summary>
#
# For n queries over m keys, query i sees key j if j is at most i plus m minus n: tril with diagonal m minus n, aligned bottom right so that it works with a cache. I
# apply it with where before the softmax, minus infinity where it is false; the diagonal is visible, so no row is empty. As an additive mask it is triu, k equal to one, of a full
# minus infinity matrix, never ones times minus infinity: zero times infinity is NaN. Then I test the whole model, not the mask. I replace each token by
# a random one and compare earlier outputs bit for bit; and the Jacobian must be exactly zero above the diagonal. Perturbation also finds argmax and
# quantisation scales, which have no gradient; the gradient finds what rounds away. Last, one masked pass must equal the prefix passes, and
# no loss on fresh coin flips may fall below the entropy.
# </details>
# <details><summary>Full answer</summary>
#
# ```python
# def causal_mask(n, m):                                             # True = may attend
#     return torch.arange(m) <= torch.arange(n)[:, None] + (m - n)   # n > m: the first n − m rows are empty
#
# def attend(q, k, v):
#     s = q @ k.mT / q.shape[-1] ** 0.5
#     s = s.masked_fill(~causal_mask(s.shape[-2], s.shape[-1]), -torch.inf)
#     return s.softmax(-1) @ v
#
# def leaks(model, x, other):                                        # x: (n, d), another random input as `other`
#     before, found = model(x), []
#     for t in range(len(x)):
#         after = model(torch.where(torch.arange(len(x))[:, None] == t, other, x))
#         found += [(i, t) for i in range(t) if not torch.equal(before[i], after[i])]
#     return found
#
# J = torch.autograd.functional.jacobian(model, x)                   # (n, d, n, d)
# assert not J.abs().sum((1, 3)).triu(1).any()                       # exactly 0: e^-∞ is exactly 0
# ```
# - Additive, for $n=m$: 0 on and below the diagonal, −∞ above, `torch.full((n, n), -torch.inf).triu(1)`.
# - `torch.equal`, without a tolerance: the same shapes are computed in the same order, and a weight of 0 contributes exactly nothing. If your kernel is not that
#   regular, use a tolerance far below the smallest leak you fear.
# - **Blind spots**: weights (norms, convolutions), gradient (argmax, detach), exchange (below rounding; a constant shift behind LayerNorm; only one token),
#   all (gates that the input does not open). So use several inputs, all tokens, both tests.
# - Test also that it *does* see: output $i$ depends on every $j\le i$. A mask that hides the diagonal as well passes all leak tests.
# - NaN: `NaN != NaN`, so an empty row looks like a leak to one comparison and like none to another. Check for finite first.
# </details>
# <details><summary>How it is scored</summary>
#
# - **Strong hire**: rectangular mask right at once, tests the black box with exchange *and* gradient, names a leak that each of them misses.
# - **Lean hire**: square mask right and one of the two tests; $n\ne m$ with a hint.
# - **No hire**: "I would look at the attention map", and nothing else; or a mask that empties the first row.
# </details>
#
# **Red flag:** proving causality by printing the mask.
#
# **Follow-up:** your test finds no leak, yet the validation loss is below the entropy of the data. Which leaks are left? (The data: the label is among the inputs. Next
# section.)

# %% [markdown]
# ## Which token does position i predict?
#
# **Is it a leak that position $i$ sees token $i$?** No, it has to: token $i$ is its *input*. It is a leak if token $i$ is also its *label*. Position $i$ sees inputs
# up to $i$, itself included, and predicts token $i+1$. Equivalently: token $i$ is predicted from tokens before $i$.
#
# The classic bug is to forget the shift between inputs and labels. Nothing crashes, and the loss falls.
#
# **The coin-flip test.** Train on *random* tokens, $V=20$ of them. Nothing can be predicted, so no honest model gets below $\ln20=2.996$ on fresh data. Whatever gets below it
# reads the answer somewhere. Predict the final loss of four models: (a) causal, labels not shifted; (b) causal, shifted; (c) shifted, but with a mask that is off by one; (d) shifted, causal,
# with a norm over time.

# %%
V = 20


class Reader(nn.Module):
    """One causal attention layer over tokens and positions; `ahead` shifts the diagonal of its mask, `norm` is over time."""

    def __init__(self, size, longest, ahead=0, norm=False, width=32):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(size, width), nn.Parameter(torch.randn(longest, width) / 2)
        self.qkv, self.mix = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width, bias=False)
        self.out = nn.Sequential(nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, size))
        self.ahead, self.norm = ahead, norm

    def forward(self, ids):  # (B, n) -> (B, n, V)
        n = ids.shape[1]
        h = self.tokens(ids) + self.positions[:n]
        q, k, v = self.qkv(h).chunk(3, -1)
        mask = torch.ones(n, n, dtype=torch.bool).tril(self.ahead)
        h = h + self.mix(F.scaled_dot_product_attention(q, k, v, attn_mask=mask))
        if self.norm and n > 1:
            h = (h - h.mean(1, keepdim=True)) / (h.std(1, keepdim=True) + 1e-3)
        return self.out(h)


# %%
def next_token(logits, ids):
    return F.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten(), ignore_index=PAD)


def same_token(logits, ids):
    return F.cross_entropy(logits.flatten(0, 1), ids.flatten(), ignore_index=PAD)


# %% tags=["nbval-ignore-output"]
def coin_flips(seed, size=32, length=16):
    generator = torch.Generator().manual_seed(seed)
    while True:
        yield torch.randint(1, V + 1, (size, length), generator=generator)


CASES = {
    "(a) labels not shifted": (same_token, {}),
    "(b) labels shifted": (next_token, {}),
    "(c) shifted, mask off by one": (next_token, {"ahead": 1}),
    "(d) shifted, norm over time": (next_token, {"norm": True}),
}
curves, models, final = {}, {}, {}
for name, (objective, options) in CASES.items():
    for seed in SEEDS:
        torch.manual_seed(seed)
        models[name, seed] = Reader(V + 1, 16, **options)
        curves[name, seed] = fit(models[name, seed], objective, coin_flips(seed), steps=120, learning_rate=0.01)
    fresh = next(coin_flips(99, size=500))
    with torch.no_grad():
        final[name] = [objective(models[name, seed](fresh), fresh).item() for seed in SEEDS]
    print(f"{name:30} loss on fresh coin flips, three seeds:", *(f"{loss:.4f}" for loss in final[name]))
print(f"ln 20 = {math.log(20):.3f}")

# %% tags=["nbval-ignore-output"]
fig, ax = plt.subplots(figsize=(7.5, 3.4))
for name in CASES:
    middle = np.mean([curves[name, seed] for seed in SEEDS], 0)
    ax.plot(middle, markevery=12, label=name)
ax.axhline(math.log(V), color="black", linewidth=1, linestyle=":", marker="")
ax.annotate("ln 20, the honest floor", (119, 3.22), fontsize=9, ha="right")
ax.set(
    xlabel="step", ylabel="loss", title="On coin flips, whoever falls below ln 20 has seen the answer", ylim=(-0.1, 3.6)
)
ax.legend(fontsize=9)
show(
    fig,
    "Loss on random tokens, mean of three seeds: honest training stays at 3.0; unshifted labels and the mask off by one fall to zero; the norm over time sinks to about 2.5.",
)
assert max(final["(a) labels not shifted"]) < 0.01
assert max(final["(c) shifted, mask off by one"]) < 0.1
assert max(final["(d) shifted, norm over time"]) < 2.8
assert min(final["(b) labels shifted"]) > 2.97

# %% [markdown]
# (a) and (c) are the same mistake: the label is visible. (d) is the interesting one. No query sees a token of the future, only a mean and a spread over all positions, and
# yet after 120 steps about half a nat per token was stolen when this page was built. Where? One would guess at the end of the sequence, where all tokens but one are known.

# %% tags=["nbval-ignore-output"]
for seed in SEEDS:
    with torch.no_grad():
        logits = models["(d) shifted, norm over time", seed](fresh)
    by_position = (
        F.cross_entropy(logits[:, :-1].flatten(0, 1), fresh[:, 1:].flatten(), reduction="none").view(500, 15).mean(0)
    )
    print(
        f"seed {seed}: loss of the first three predictions {by_position[:3].mean():.2f}, of the last three {by_position[-3:].mean():.2f}"
    )
    assert by_position[:3].mean() < by_position[-3:].mean() - 0.5

# %% [markdown]
# The other way round: the *first* predictions are the stolen ones. A likely reason: every later position reads the early tokens through its attention, so the mean over time is full of
# them, while the last token enters it once. A leak has a shape, and a loss per position shows it.

# %% [markdown] claims="C221"
# **C221 · false.** *“When it predicts word $i$, the model may see the words $1,\dots,i$.”* Only $1,\dots,i-1$. Position $i$ sees the words up to $i$, and predicts word $i+1$.
# That one token is the difference between a loss of 0 and one of $\ln20$ on random tokens.

# %% tags=["nbval-ignore-output"]
claim(
    "C221",
    max(final["(a) labels not shifted"]),
    at_most=0.01,
    what="labels not shifted: loss on random tokens, worst of 3 seeds",
)
claim("C221", final["(b) labels shifted"], math.log(20), 0.02, what="shifted: loss of 3 seeds, expected ln 20")

# %% [markdown]
# **Who is right?** A: "to predict word $i$, the model uses the words $1,\dots,i$." B: "it uses only the words before." **B.** Count for the first word: A would let the model
# see that very word.
#
# ### A leak looks like success
#
# **Would a held-out test set show it?** No: the labels leak there as well. Here are real names, of countries and languages (from Unicode's CLDR), written letter by letter. The same model, once with
# the right mask, once with the mask off by one. The loss on names that were held out is measured in two ways: as usual, in one pass; and *prefix by prefix*, as in use, where
# the future does not exist.

# %%
words = sorted({" ".join(pair.source) for pair in names("en", "fr")})
words = [word for word in words if len(word) <= 14]
LETTERS = Vocabulary(symbols(words))
rows = torch.tensor([[START, *LETTERS.encode(word), END] + [PAD] * (14 - len(word)) for word in words])
order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))
held_out, known = rows[order[:100]], rows[order[100:]]
print(len(known), "names to learn from, 100 held out; examples:", *words[::170])
print(f"{len(LETTERS)} symbols; guessing among them costs ln {len(LETTERS)} = {math.log(len(LETTERS)):.1f}")


def name_batches(seed):
    generator = torch.Generator().manual_seed(seed)
    while True:
        yield known[torch.randint(len(known), (64,), generator=generator)]


# %%
@torch.no_grad()
def prefix_logits(model, ids):
    return torch.stack([model(ids[:, : t + 1])[:, -1] for t in range(ids.shape[1])], 1)


@torch.no_grad()
def write(model, seed, count=5):
    torch.manual_seed(seed)
    ids = torch.full((count, 1), START)
    for _ in range(14):
        ids = torch.cat([ids, model(ids)[:, -1].softmax(-1).multinomial(1)], 1)
    return ["".join(LETTERS.decode(row[1:].tolist())) for row in ids]


# %% tags=["nbval-ignore-output"]
writers, losses = {}, {}
for name, ahead in (("right mask", 0), ("off by one", 1)):
    for seed in SEEDS:
        torch.manual_seed(seed)
        writers[name, seed] = Reader(len(LETTERS), 16, ahead)
        fit(writers[name, seed], next_token, name_batches(seed), steps=150, learning_rate=0.01)
        with torch.no_grad():
            one_pass = next_token(writers[name, seed](held_out), held_out).item()
        losses[name, seed] = one_pass, next_token(prefix_logits(writers[name, seed], held_out), held_out).item()
    print(f"{name}: held-out loss in one pass", *(f"{losses[name, seed][0]:.2f}" for seed in SEEDS), end="")
    print("   prefix by prefix", *(f"{losses[name, seed][1]:.2f}" for seed in SEEDS))
    print("   it writes:", write(writers[name, SEEDS[0]], seed=1))
for seed in SEEDS:
    honest, cheat = losses["right mask", seed], losses["off by one", seed]
    assert abs(honest[0] - honest[1]) < 1e-4
    assert cheat[0] < 0.5 < 2 < honest[0] < math.log(len(LETTERS)) < 6 < cheat[1]

# %% [markdown]
# Thirty times better on held-out data, or more, when this page was built; and worthless: its real loss is far above that of guessing among all symbols (printed above). So when a change makes your model *much* better, compare one pass with
# prefixes before you celebrate. The honest model gives the same number both ways.

# %% [markdown] question="Q039" kind="debug" minutes=5
# ### Position i: which tokens may it see, and which token does it predict?
#
# <details><summary>Hint 1 · direction</summary>
#
# Write the inputs in one row and the labels in a second one below. By how much is the second row shifted?
# </details>
# <details><summary>Hint 2 · insight</summary>
#
# What would the loss be on completely random tokens if everything were right? And what if position $i$ were asked for token $i$?
# </details>
# <details><summary>Sixty-second answer</summary>
#
# Position i gets token i as its input, sees inputs up to and including i, and predicts token i plus one. Put the other way: token i is predicted from tokens before i. Both say the same;
# mixing them up makes the bug. If position i sees token i and is also asked for token i, it copies, and the loss goes to zero; so it does if the mask shows one
# token ahead. I know two tests. Train on random tokens: with a vocabulary of twenty, an honest loss is the log of twenty, three point zero; mine was three point zero with
# shifted labels and below 0.01 without. And compare one masked pass with the prefix passes. A held-out set does not help, its labels leak too. The fix is one line: logits up to
# minus one against labels from one on, and exactly once: many libraries shift inside the model.
# </details>
# <details><summary>Full answer</summary>
#
# | position | 0 | 1 | 2 | 3 |
# |---|---|---|---|---|
# | input | `<s>` | the | cat | sat |
# | sees | 0 | 0–1 | 0–2 | 0–3 |
# | label | the | cat | sat | `</s>` |
#
# ```python
# loss = F.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten(), ignore_index=PAD)
# ```
# - **Three ways to be off by one:** labels not shifted (loss → 0 at once), mask with `tril(1)` (loss → 0, a little slower), labels shifted *twice*, once in the
#   data and once in the model (loss too high: it predicts the token after the next; no alarm goes off).
# - **The floor.** On tokens drawn uniformly from $V$, $E[-\log p]\ge\ln V$ for every predictor that does not see the label (Gibbs' inequality). Below it on fresh data: a leak. On real
#   text the floor is the unknown entropy, so the test needs coin flips.
# - **Why the diagonal may be seen:** it is the input of the position. Hiding it, `tril(-1)`, loses the best evidence and empties the first row.
# - **Encoder-decoder:** the decoder's input is `<s>` and the target without its end; the shift sits in the data (`target_in`, `target_out`), not in the loss.
# - **Symptoms in use:** brilliant loss, also on held-out data; generation repeats one letter (measured above).
# </details>
# <details><summary>How it is scored</summary>
#
# - **Strong hire**: sees ≤ i, predicts i + 1, draws the two rows, names the floor $\ln V$ on random tokens and knows that a held-out set is blind to the leak.
# - **Lean hire**: the rule is right and the symptom (loss near zero) recognised; no test that would prove it.
# - **No hire**: "position i must not see token i", or shifts inputs and labels by one each.
# </details>
#
# **Red flag:** "the loss is 0.001, so the model has converged nicely".
#
# **Follow-up:** the loss on coin flips is 2.99 as it should be, but the model is far worse than its predecessor. What would a double shift look like? (The honest floor
# holds; on text the loss is that of predicting two ahead. Overfit one sentence and look at which token comes out.)

# %% [markdown]
# ## Ragged batches
#
# **How do sequences of different lengths share a tensor, so that each comes out as if it were alone?** That equality is the whole specification. Pad to a rectangle, and hide
# the padding wherever positions meet: as keys in attention, in the loss, in pooling, in every statistic over the batch. Or *pack* several sequences into one row, with a segment mask.
#
# Below: three sequences of lengths 5, 3 and 2 through two attention layers with positions, padded on the right or on the left, with seven choices of masks and positions, each compared with the single runs.

# %%
torch.manual_seed(0)
d, lengths = 8, torch.tensor([5, 3, 2])
W = torch.randn(2, 3, d, d, dtype=torch.float64) / d**0.5
table = torch.randn(16, d, dtype=torch.float64)  # one vector per position
texts = [torch.randn(size, d, dtype=torch.float64) for size in lengths.tolist()]


def network(x, mask, positions):
    """Two layers of attention with residuals: (B, n, d), a mask that broadcasts to (B, n, n), positions (B, n)."""
    x = x + table[positions]
    for W_Q, W_K, W_V in W:
        x = x + scaled_dot_product_attention(x @ W_Q, x @ W_K, x @ W_V, mask.expand(*x.shape[:2], x.shape[1]))[0]
    return x


def causal_of(n):
    return causal_mask(n, like=table)


# %%
def singles(mask_of):
    return [network(x[None], mask_of(len(x)), torch.arange(len(x))[None])[0] for x in texts]


causal_alone, encoder_alone = singles(causal_of), singles(lambda n: torch.ones(n, n, dtype=torch.bool))


def worst(batch, places, alone=causal_alone):
    """Largest distance from the single runs; places[b] says where in the batch text b stands."""
    return max((batch[place] - single).abs().max().item() for place, single in zip(places, alone, strict=True))


# %%
n = 5
filler = torch.full((1, d), 7.0, dtype=torch.float64)  # padding is loud, so that a leak shows
right = torch.stack([torch.cat([x, filler.expand(n - len(x), d)]) for x in texts])
left = torch.stack([torch.cat([filler.expand(n - len(x), d), x]) for x in texts])
count = torch.arange(n).expand(3, n)
on_right = [(b, slice(0, len(x))) for b, x in enumerate(texts)]
on_left = [(b, slice(n - len(x), n)) for b, x in enumerate(texts)]
left_mask = count[:, None] >= (n - lengths)[:, None, None]  # (B, 1, n): True on the real keys
shifted = (count - (n - lengths)[:, None]).clamp(min=0)  # positions that begin at the first real token

# %%
keys, none = padding_mask(lengths, n), torch.ones(1, 1, n, dtype=torch.bool)
on_left_both = causal_of(n) & left_mask
RUNS = [  # what is done, whether it should be exact, and what comes out
    ("right padding, causal, no padding mask", True, worst(network(right, causal_of(n), count), on_right)),
    ("right padding, causal, padding mask", True, worst(network(right, causal_of(n) & keys, count), on_right)),
    ("right padding, encoder, no padding mask", False, worst(network(right, none, count), on_right, encoder_alone)),
    ("right padding, encoder, padding mask", True, worst(network(right, keys, count), on_right, encoder_alone)),
    ("left padding, causal, no padding mask", False, worst(network(left, causal_of(n), shifted), on_left)),
    ("left padding, both masks, positions 0 … 4", False, worst(network(left, on_left_both, count), on_left)),
    ("left padding, both masks, shifted positions", True, worst(network(left, on_left_both, shifted), on_left)),
]
for name, exact, gap in RUNS:
    print(f"{name:46} distance from the single runs: {gap:6.3f}")
    assert (gap < 1e-12) if exact else (gap > 1)
print("empty rows, left padding and causal:", int((~on_left_both.any(-1)).sum()), "of", 3 * n)

# %% [markdown]
# Three things to read off.
#
# - *Right padding with a causal mask needs no padding mask*: padding lies in the future. (In the loss it must still be left out.)
# - *Left padding needs both masks, and positions that skip the padding.* It is used for generation, since all sequences then end in the same column. Its price is empty rows, here
#   5 of 15: every padded query.
# - The padding here is a loud vector. With zeros in its place the distances would be smaller, and the bug would pass more tests.
#
# **And behind the attention?** Padding still sits in the tensor. A mean over positions, or a loss over all tokens, counts it.

# %%
out = network(right, padding_mask(lengths, n), count)
real = padding_mask(lengths, n)[:, 0, :, None].double()  # (B, n, 1)
ways = {"out.mean(1)": out.mean(1), "(out * real).sum(1) / lengths": (out * real).sum(1) / lengths[:, None]}
for name, pooled in ways.items():
    gap = max((row - single.mean(0)).abs().max().item() for row, single in zip(pooled, encoder_alone, strict=True))
    print(f"pooled by {name:30} distance from the single runs: {gap:.3f}")
assert gap < 1e-12

# %%
torch.manual_seed(0)
logits, labels = torch.randn(3, n, 7), torch.randint(1, 7, (3, n)).masked_fill(~padding_mask(lengths, n)[:, 0], PAD)
logits[..., PAD] += 6 * (labels == PAD)  # a model learns quickly to predict padding after padding
each = F.cross_entropy(logits.mT, labels, reduction="none", ignore_index=PAD)  # (B, n), 0 on padding
ways = {
    "mean over everything, padding as a label": F.cross_entropy(logits.mT, labels),
    "sum over real tokens / all 15 places": each.sum() / 15,
    "mean over real tokens": each.sum() / lengths.sum(),
    "mean of the means of the sequences": (each.sum(1) / lengths).mean(),
}
for name, value in ways.items():
    print(f"loss as {name:42} {value:.3f}")
assert torch.allclose(ways["mean over real tokens"], F.cross_entropy(logits.mT, labels, ignore_index=PAD))

# %% [markdown]
# The first two are wrong: they flatter, and the more padding there is, the more they do. The last two are both defensible, and they are *different* objectives: by token, or by
# sequence. Say which one you report.
#
# ### Packing
#
# **Why compute on padding at all?** Put several sequences behind one another into one row. The segment mask keeps them apart, and positions start anew in each. Then the packed row must
# equal the single runs, too.

# %%
ids = torch.tensor([[1] * 5 + [2] * 3 + [3] * 2 + [0] * 2])  # 12 places, 10 real
packed = torch.cat([*texts, filler.expand(2, d)])[None]
restart = torch.cat([torch.arange(size) for size in (5, 3, 2, 2)])[None]
places = [(0, slice(0, 5)), (0, slice(5, 8)), (0, slice(8, 10))]
own = segment_mask(ids)
for name, mask, positions in (
    ("causal only", causal_of(12), restart),
    ("segments and causal, positions 0 … 11", own & causal_of(12), torch.arange(12)[None]),
    ("segments and causal, positions restart", own & causal_of(12), restart),
):
    gap = worst(network(packed, mask, positions), places)
    print(f"packed, {name:40} distance from the single runs: {gap:.3f}")
    assert (gap < 1e-12) == ("restart" in name)

# %%
fig, axes = plt.subplots(1, 2, figsize=(9.5, 4))
tables = ((causal_of(n) & keys).flatten(0, 1), (own & causal_of(12))[0])
titles = ("three padded sequences: 75 pairs", "packed into one row: 144 pairs")
for ax, mask, title in zip(axes, tables, titles, strict=True):
    print(f"{title}, {int(mask.sum())} visible")
    ax.imshow(mask, cmap="Greys", vmin=0, vmax=1.5, aspect="auto")
    ax.set(title=f"{title}, {int(mask.sum())} visible", xlabel="key", ylabel="query")
    ax.set_xticks(range(mask.shape[1]))
    ax.grid(visible=False)
axes[0].hlines([4.5, 9.5], -0.5, 4.5, colors="black")
show(
    fig,
    "Visible pairs of three padded sequences, stacked, and of the same packed into one row: three triangles along the diagonal.",
)

# %% [markdown]
# Packing saves places, not pairs: here a dense kernel scores $12\times12=144$ pairs for one row, against $3\cdot5^2=75$ before, and throws most away. Real packing comes with a kernel that takes
# lengths ("variable length") and never touches the blocks between segments. How much is there to save? The names again, in random batches, sorted by length, and packed.

# %%
sizes = np.array([len(word) for word in words])


def padded_share(sizes, batch=32):
    cut = sizes[: len(sizes) // batch * batch].reshape(-1, batch)
    return 1 - cut.sum() / (cut.max(1) * batch).sum()


def packed_share(sizes, row=64):
    """First fit: each name goes into the first row that has room."""
    room = []
    for size in sizes:
        k = next((k for k, left in enumerate(room) if left >= size), None)
        if k is None:
            room.append(row)
            k = len(room) - 1
        room[k] -= size
    return sum(room) / (row * len(room))


# %%
for seed in SEEDS:
    shuffled = np.random.default_rng(seed).permutation(sizes)
    shares = padded_share(shuffled), padded_share(np.sort(shuffled)), packed_share(shuffled)
    print(
        f"seed {seed}: share of padding in random batches {shares[0]:.0%}, sorted by length {shares[1]:.1%}, packed {shares[2]:.1%}"
    )
    assert shares[0] > 0.3 > 0.03 > max(shares[1:])

# %% [markdown] question="Q040" kind="implement" minutes=6
# ### How do you batch sequences of different lengths?
#
# <details><summary>Hint 1 · direction</summary>
#
# Name the specification first: what should be equal to what? Then list every place in the network where two positions, or two sequences, meet.
# </details>
# <details><summary>Hint 2 · insight</summary>
#
# Attention, loss, pooling, positions, statistics over the batch. And what if the padding is on the left?
# </details>
# <details><summary>Sixty-second answer</summary>
#
# The specification: every sequence must come out as in a run of its own. I pad to the longest, build a boolean mask from the lengths, B by 1 by n, and hide padded keys
# before the softmax. Wherever positions meet again I mask as well: the loss, averaged over real tokens; pooling, divided by real lengths; batch statistics. Padded queries still produce
# numbers; nobody reads them. With right padding a causal mask already hides the padding. Left padding, used for generation, needs both masks, position ids that start at the
# first real token, and a rule for empty rows, since padded queries see nothing. To save compute I sort by length or pack several sequences into one row: block-diagonal
# segment mask, positions restart, and a kernel that skips the blocks. The test is always the same: batched equals alone.
# </details>
# <details><summary>Full answer</summary>
#
# ```python
# n = lengths.max()
# keys = torch.arange(n) < lengths[:, None]                       # (B, n), True = real; or ids != PAD if PAD is reserved
# mask = keys[:, None, None, :] & causal                          # (B, 1, 1, n) & (n, n) -> (B, 1, n, n)
# out = merge_heads(attend(q, k, v, mask))                        # (B, h, n, d_v) -> (B, n, h·d_v)
# pooled = (out * keys[..., None]).sum(1) / lengths[:, None]      # a sequence of length 0 needs a rule, too
# loss = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=PAD)
# positions = (keys.cumsum(1) - 1).clamp(min=0)                   # right for padding on either side
# packed = (segment[:, :, None] == segment[:, None, :]) & (segment != 0)[:, None, :]   # & causal; positions restart
# ```
# - **Mask the keys, drop the queries.** Hiding the *queries* of padding makes empty rows for nothing; hiding the keys is what protects the others.
# - **Right or left?** Right for training. Left for generation, because the next token is then in the same column for all; costs: empty rows, shifted positions.
# - **Mean by token or by sequence?** Different objectives; across several devices, sum first and divide once.
# - **Compute.** 821 names in random batches of 32: 45 % padding; sorted by length: 3 %; packed into rows of 64: 2 %. Sorting makes batches of equal lengths, so shuffle the batches. Packing
#   without a segment mask lets documents read each other: some systems accept that, but say so.
# - **Statistics over the batch** (BatchNorm) see padding and other sequences; LayerNorm is per token and safe.
# - **Fill with zeros, not NaN or uninitialised memory:** the weight is 0, but $0\cdot\text{NaN}=\text{NaN}$.
# </details>
# <details><summary>How it is scored</summary>
#
# - **Strong hire**: states "batched = alone" and tests it, keys before softmax, loss and pooling, left padding with positions and empty rows, packing with its mask.
# - **Lean hire**: padding mask on keys and in the loss; left padding or packing only when asked.
# - **No hire**: relies on padding embeddings of zero ("zeros contribute nothing").
# </details>
#
# **Red flag:** "the padding vector is zero, so it has no influence". Its score is 0, and $e^0=1$.
#
# **Follow-up:** batch of one works, batch of eight gives other answers for the same prompt. Where do you look first? (Left padding without shifted positions; then the mask; then
# batch-dependent kernels, whose differences are tiny.)

# %% [markdown]
# ## Pitfalls
#
# Mistakes that run without an error, all but the third. Those of the sections above are not repeated. (The third: combine both masks by `&` yourself.)

# %%
torch.manual_seed(0)
q, k, v = torch.randn(3, 1, 4, 8)
mask = torch.tensor([True, True, True, False])[None]

poison = v.clone()
poison[0, 3] = math.nan  # 1. uninitialised memory under the padding: its weight is exactly 0
out, weights = scaled_dot_product_attention(q, k, poison, mask)
print(
    f"weight on the hidden key {weights[..., 3].max():g}, outputs that are NaN: {int(out.isnan().any(-1).sum())} of 4"
)
assert not weights[..., 3].any()
assert out.isnan().all()

numbers = torch.zeros(1, 4).masked_fill(mask, 1.0)  # 2. a mask of ones and zeros, as floats: it is *added*
added_mask = F.scaled_dot_product_attention(q, k, v, attn_mask=numbers)
right = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
gap = (added_mask - right).abs().max()
print(f"a float mask of 1 and 0 is a bias: distance from the boolean mask {gap:.2f}, and no error")
assert gap > 0.05

try:  # 3. a padding mask and the causal flag together
    F.scaled_dot_product_attention(q, k, v, attn_mask=mask.expand(4, 4), is_causal=True)
except RuntimeError as error:
    print("attn_mask and is_causal=True:", str(error).split(": ")[-1])

# %%
flat = torch.tensor(
    [[True, True, True, False], [True, False, False, False]]
)  # 4. (B, m) instead of (B, 1, m), B = n = 2
weights = masked_softmax(torch.zeros(2, 2, 4), flat)
print("sequence 0 has 3 real keys; its query 1 gets", weights[0, 1].tolist(), "by the mask of sequence 1")
assert (weights[0, 1] > 0).sum() == 1

inverted = ~causal_mask(4).astype(np.int8)  # 5. ~ on integers: ~1 = −2, ~0 = −1, all of them "true"
print("~ of an integer mask:", inverted.tolist()[0], " as booleans:", inverted.astype(bool).tolist()[0])
assert inverted.astype(bool).all()

# %% [markdown]
# **A case (invented, but each step is measured above).** A chat model is served in batches. Alone, every prompt is answered well; in a batch, short prompts get strange answers. No NaN, no
# error. *Estimate*: short prompts are the ones with padding, on the left. *Diagnosis*: run one prompt alone and in a batch, compare the outputs of the last token. They differ by far more
# than rounding, so it is not the kernel; the masks are right; the *positions* count the padding (our network: distance 5.293, and 0 once shifted). *Cure*: positions from the cumulative
# sum of the mask; and the test "batched = alone", with a loud filler, joins the suite.
#
# ## Analogies, and where they break
#
# | analogy | stands for | where it breaks |
# |---|---|---|
# | blinkers on a horse | the causal mask | blinkers hide what is there; the mask also renormalises what is left to 1 |
# | an exam with the solution sheet in the same booklet | labels not shifted | pupils can be asked not to look; gradients look wherever they can |
# | empty chairs at a dinner | padding keys | an empty chair takes no food; a padding key with score 0 takes its share |
# | asking nobody | an empty row | if nobody is asked, nothing is said; softmax insists on shares that sum to 1, and 0/0 is its answer |
# | walls in an open-plan office | segment masks | sound goes through thin walls; a weight of exactly 0 lets nothing through, except NaN |

# %% [markdown]
# ## In practice
#
# | use (typical sizes) | queries × keys | mask | watch |
# |---|---|---|---|
# | training a language model, rows of 4,096 packed tokens, 16 heads of 64 | 4096 × 4096 per head | causal & segments, in the kernel | positions restart; a stored mask would have 16.8 million entries per row |
# | generation with a cache, batch 8, 1 new token over 900 | 1 × 900 | left padding only | no `is_causal`; positions |
# | translation, decoder over source, 30 and 40 tokens | 30 × 40 | padding of the source | not causal; length-0 sources |
# | image encoder, 196 patches and a class token | 197 × 197 | none | variable image sizes bring padding back |
# | speech, 800 frames, in chunks | 800 × 800 | block-causal window | look-ahead counts as latency |
#
# **What to do (2026), and what it rests on.**
# - One boolean mask, True = may attend, made in one place; translate at the border of each library (measured above: two meanings in one library).
# - Let the fused kernel do causality (`is_causal` for $n=m$, bottom-right bias for a cache), and give it lengths instead of masks where it takes them.
# - An explicit rule for empty rows. PyTorch's SDPA returns zeros (measured above); do not rely on it in other versions without the test.
# - Three tests in every suite: exchange every token, batched = alone, one pass = prefixes. All are black-box and take milliseconds. And once per change of architecture: coin flips.
#
# **What gives a candidate away.** Strong: asks "which way does True point here, and are there empty rows?" before writing a line. Weak: writes −1e9 and cannot say what an empty row does.

# %% [markdown]
# ## Takeaways
#
# 1. −∞ before the softmax is exact and safe in every dtype while one key is visible; everything else about mask values is about **empty rows** ([Which number stands for −∞?](#Which-number-stands-for-−∞?), C010, C046, C114).
# 2. Fill in, do not add: an added −∞ brings NaN back through the backward pass, behind any guard ([NaN comes back](#NaN-comes-back-through-the-backward-pass), C047).
# 3. True has two meanings and alignment two corners; both mistakes run without an error ([The causal mask](#The-causal-mask,-and-how-to-make-NaN-with-it), C081).
# 4. Weights, gradient, exchange: each test misses a leak that another one catches; coin flips have a floor of $\ln V$ ([Hunting leaks](#Hunting-leaks), [Which token does position i predict?](#Which-token-does-position-i-predict?), C221).
# 5. Masks have one specification: batched, packed or cached equals alone ([One masked pass instead of n](#One-masked-pass-instead-of-n), [Ragged batches](#Ragged-batches)).

# %% [markdown]
# ## Cheat sheet
#
# | concept | formula | in one line | red flag |
# |---|---|---|---|
# | mask | $\operatorname{softmax}(S+M)$, $M\in\{0,-\infty\}$ | before the softmax, combine by & | "multiply by the mask" (C220) |
# | causal | $j\le i+m-n$ | bottom right; strictly upper −∞, lower weights | "triangular" (C081) |
# | padding | $j<\text{length}$, $(B,1,1,m)$ | hides keys; queries remain | "removes the padding" (C219) |
# | segment | $\text{id}_i=\text{id}_j\ne0$ | packed = alone, positions restart | causal only |
# | empty row | zeros, by rule | left padding, $n>m$, length 0 | "−1e9 makes it zero" (C046) |
# | −1e9 added, float64 | $\operatorname{softmax}(s+c\mathbf1)=\operatorname{softmax}(s)$ | the mask cancels | "always −1e9" |
# | NaN factories | $0\cdot(-\infty)$, $-\infty+\infty$, NaN · 0 | construction, empty row, guard too late | "−∞ is dangerous" (C114) |
# | shift | logits $[:-1]$, labels $[1:]$ | position $i$ sees $\le i$, predicts $i+1$ | loss 0.001 (C221) |
# | floor | $E[-\log p]\ge\ln V$ on coin flips | below it: a leak | "it converged nicely" |
# | exactness | row $t$ = run on prefix $t$ | n predictions in one pass | "needed at inference only" |
# | polarity | SDPA: True = attend; `nn.MultiheadAttention`: True = block | test on a 3 × 3 identity | the same tensor for both |
# | decoder block | encoder + causal (+ cross-attention) | a mask has no parameters | (C223) |

# %% [markdown]
# ## Check yourself
#
# Mark each row from 1 (cannot), 2 (vaguely), 3 (can explain), 4 (can derive) to 5 (could teach). Aim at 4; come back to what is below in three days.
#
# | I can | 1–5 | if below 4 |
# |---|---|---|
# | build and combine padding, causal and segment masks for any $n$, $m$ | | [What a mask says](#What-a-mask-says), tasks `masks.padding`, `masks.causal`, `masks.segment` |
# | fill the table of mask values by heart | | [Which number stands for −∞?](#Which-number-stands-for-−∞?) |
# | write a masked softmax that survives float16, empty rows and the backward pass | | [NaN comes back](#NaN-comes-back-through-the-backward-pass), task `masks.masked_softmax` |
# | find a planted leak, and say what each test misses | | [Hunting leaks](#Hunting-leaks), task `masks.first_leak` |
# | say what position $i$ sees and predicts, with the test that proves it | | [Which token does position i predict?](#Which-token-does-position-i-predict?) |
# | prove that row $t$ of the masked pass is the run on prefix $t$ | | [One masked pass instead of n](#One-masked-pass-instead-of-n), task `masks.proof` |
# | batch, left-pad and pack so that all equals the single runs | | [Ragged batches](#Ragged-batches) |

# %% [markdown]
# ## Now you
#
# Open [your copy of the assignment](../work/07_masks/07_masks.ipynb) (made by `make study`; the
# [released exercise](../exercises/07_masks/07_masks.ipynb) stays untouched): five small functions and a written proof. A check tells you at once whether you are right and, if not,
# which mistake it is.
#
# **Sources.** Vaswani et al. 2017, *Attention Is All You Need*, section 3.2.3 (masking by −∞ before the softmax) and 3.1 (shifted outputs). Radford et al. 2018, *Improving Language Understanding by
# Generative Pre-Training*, section 3.1 (the decoder-only model and its objective). PyTorch's documentation of `scaled_dot_product_attention`, `nn.MultiheadAttention` and
# `torch.nn.attention.bias` (polarity, alignment), and its issue 103963 (2023, NaN in empty rows) and pull requests 131060 and 133882 (2024, zeros); behaviour measured with the version installed here. FlashAttention's README,
# changelog of 2.1 (alignment). Hugging Face's *Transformers* glossary, “attention mask”. Unicode's Common Locale Data Repository, as shipped by Babel (names).
