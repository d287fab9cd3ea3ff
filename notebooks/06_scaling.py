# %% [markdown]
# # 06 · Softmax, the variance proof, scaled dot-product attention
#
# - **Time:** 75 minutes, questions included.
# - **Prerequisites:** the matrix product, the derivative of $e^x$, and what a mean is. Everything else is introduced
#   here.
# - **Interview kinds:** *explain*, *derive* and *implement*; asked for research, applied and engineering roles alike.
#
# **Objectives.** When you are through, you can
# 1. write down scaled dot-product attention with every shape, and code it from memory;
# 2. compute a softmax that never overflows, derive its derivative, and say what "saturated" means in numbers;
# 3. prove $\operatorname{Var}(q\cdot k)=d_k$, name each assumption where it is used, and say what happens without it;
# 4. show what goes wrong without the scale, which popular reasons for it are wrong, and what can replace it.

# %% [markdown]
# **How to use this page.** Each idea is a question, a few lines, a measurement, a picture. Lines such as
# `C024 ✓ measured 7.99, expected 8 ± 0.1` are assertions: the page cannot be built if one fails. Statements in
# quotation marks are what one hears; many are wrong, and the verdict says so.
#
# Cells with folds are interview questions. Say your answer aloud *before* you open one; the hints come in two steps.
# The assignment that goes with this lecture is [your own copy](../work/06_scaling/06_scaling.ipynb), which
# `make study` makes, of the [released exercise](../exercises/06_scaling/06_scaling.ipynb).

# %%
import math
import os
from functools import cache

os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy loads: with small matrices, threads only wait for each other

import numpy as np
import torch
from matplotlib import pyplot as plt

from attn_core import (
    additive_score_bound,
    causal_mask,
    dot,
    dot_variance,
    scaled_dot,
    scaled_dot_product_attention,
    softmax,
    softmax_jacobian,
)
from attn_core.lab import claim, heatmap, house_style, show, slider

house_style()
np.set_printoptions(precision=3, suppress=True)

# %% [markdown]
# ## Scaled dot-product attention
#
# **What does one attention step compute?** A Python dictionary compares your key with the stored keys and returns the
# one value whose key is equal. Attention does the same softly: it compares a *query* with every *key*, turns the
# comparisons into shares that sum to one, and returns the *values* mixed in these shares.
#
# - a **query** $q$ says what one position is looking for;
# - a **key** $k_j$ says what position $j$ offers to be found by;
# - a **value** $v_j$ is what position $j$ hands over when it is read.

# %% [markdown]
# All three are vectors that the network computes from its inputs with learned matrices, $q = W_Q^\top x$ and so on.
# How well $q$ and $k_j$ fit is their dot product. A model runs several such attentions side by side, called *heads*,
# each with its own matrices; here is one head. With $n$ queries as the rows of $Q$, and $m$ keys and values as the
# rows of $K$, $V$:
#
# $$A=\operatorname{softmax}\!\Big(\frac{QK^\top}{\sqrt{d_k}}+M\Big),\qquad O=AV .$$
#
# | symbol | shape | meaning |
# |---|---|---|
# | $Q$, $K$, $V$ | $n\times d_k$, $m\times d_k$, $m\times d_v$ | queries, keys, values; $d_k$ is the key size of one head |
# | $M$ | $n\times m$ | mask: $0$ where a query may look, $-\infty$ where it may not; added *before* the softmax |
# | $A$ | $n\times m$ | weights, one row per query; the softmax runs along the keys |
# | $O$ | $n\times d_v$ | one mixture of values per query |

# %% [markdown]
# **By hand.** Three keys, $d_k=4$, so $\sqrt{d_k}=2$. The query $(1,1,1,1)$ has dot products $4, 2, 0$ with the keys
# below; halved they are $2,1,0$. Exponentials: $7.389,\ 2.718,\ 1$, together $11.107$. Shares:
# $0.665,\ 0.245,\ 0.090$. With values $(10,0),(0,10),(10,10)$ the output is
# $(10\cdot0.755,\ 10\cdot0.335)=(7.55,\ 3.35)$. The second query finds the same in mirror image. The words are only
# there to have something to point at.

# %%
q = np.array([[1.0, 1, 1, 1], [1, -1, 1, -1]])  # 2 queries
k = np.array([[1.0, 1, 1, 1], [1, 1, 1, -1], [1, -1, 1, -1]])  # 3 keys
v = np.array([[10.0, 0], [0, 10], [10, 10]])  # 3 values, d_v = 2

out, weights = scaled_dot_product_attention(q, k, v)
print("scores\n", q @ k.T / 2)
print("output\n", out)

ax = heatmap(weights, rows=["eat", "drink"], columns=["bread", "soup", "milk"], title="weights: each row sums to 1")
show(ax.figure, "Heat map of two rows of weights: eat gives 0.67, 0.24, 0.09 to bread, soup, milk; drink the reverse.")

# %% [markdown] claims="C156"
# **C156 · true.** *“The score matrix is n×n, every softmax row sums to one, and the output is n×d_v.”* Right for
# self-attention, where queries and keys come from the same $n$ positions. In general there are $n$ queries and $m$
# keys, so scores and weights are $n\times m$: cross-attention, or one new token against a cache of old keys.

# %%
rng = np.random.default_rng(0)
out, weights = scaled_dot_product_attention(*(rng.normal(size=s) for s in [(5, 8), (7, 8), (7, 3)]))
claim("C156", measured=weights.shape, expected=(5, 7), what="shape of the weights for 5 queries and 7 keys")
claim("C156", measured=out.shape, expected=(5, 3), what="shape of the output for d_v = 3")
claim("C156", measured=abs(weights.sum(-1) - 1).max(), expected=0, tolerance=1e-12, what="row sums, distance from 1")

# %% [markdown] question="Q030" kind="derive" minutes=5
# ### State scaled dot-product attention with all shapes, and say what each step is for.
#
# <details><summary>Hint 1 · direction</summary>
#
# Five steps. Begin with the shapes of the three inputs; each later shape then follows from a matrix product.
# </details>
# <details><summary>Hint 2 · insight</summary>
#
# Which axis of the score matrix belongs to the keys? The mixture is over values, and there is one value per key.
# </details>
# <details><summary>Sixty-second answer</summary>
#
# I have n queries and m keys of size d_k, and m values of size d_v. Score: Q times K transposed, n by m, one number
# for how well each query fits each key. Scale: divide by the root of d_k, so that the spread of the scores does not
# depend on the key size. Mask: add minus infinity where a query must not look, before the softmax, so that these
# weights are exactly zero and the others still sum to one. Normalise: softmax along the keys, so every row is a set
# of shares. Mix: weights times V, n by d_v. d_k is the size per head, not the model width. Cost: n·m·(d_k + d_v)
# multiply-adds, and n·m weights to keep.
# </details>
# <details><summary>Full answer</summary>
#
# $$S=\tfrac{1}{\sqrt{d_k}}QK^\top\;(n\times m),\quad A=\operatorname{softmax}_{\text{keys}}(S+M)\;(n\times m),\quad O=AV\;(n\times d_v).$$
# 1. **Score** $q_i\cdot k_j$: the dot product is the cheapest learned similarity, one matrix product for all pairs,
#    and with $q=W_Q^\top x$, $k=W_K^\top y$ it is the bilinear form $x^\top W_QW_K^\top y$ of rank at most $d_k$.
# 2. **Scale** by $1/\sqrt{d_k}$: at initialisation the dot product has variance $d_k$ (proof below); afterwards it is
#    one.
# 3. **Mask**: $M_{ij}\in\{0,-\infty\}$. After the softmax would be too late: the forbidden keys have then taken their
#    share.
# 4. **Normalise** each *row*: the shares of one query over all keys. Over columns, queries would compete for keys
#    instead.
# 5. **Mix**: row $i$ of $O$ is $\sum_j A_{ij}v_j$, a weighted mean, so it lies within the convex hull of the values.
#
# Batch and head axes stand in front, unchanged. With $h$ heads and width $d$, usually $d_k=d_v=d/h$: the root is of
# $d/h$.
# </details>
# <details><summary>How it is scored</summary>
#
# - **Strong hire**: all shapes with $n\ne m$ and $d_v\ne d_k$, mask before softmax, softmax over keys, $d_k$ per
#   head, and a reason for every step.
# - **Lean hire**: the formula is right and the steps are named, but shapes only for $n=m$, or one reason is missing.
# - **No hire**: softmax over the wrong axis, mask after the softmax, or no idea what the three inputs are.
# </details>
#
# **Red flag:** dividing by $\sqrt{d_{model}}$ when there are heads.
#
# **Follow-up:** write the shapes for one new token against a cache of 1,000 keys. What does the causal mask look like there? (One row, all allowed.)

# %% [markdown]
# ## Softmax
#
# **How do scores become shares?** Softmax exponentiates and divides by the sum:
#
# $$a_i=\frac{e^{s_i}}{\sum_j e^{s_j}},\qquad \frac{a_i}{a_j}=e^{\,s_i-s_j}.$$
#
# The second formula is the one to remember. Two weights are related by the *gap* between their scores and by nothing
# else. Hence: positive, sum one, the order of the scores is kept, and adding a constant to all scores changes
# nothing.

# %%
gaps = np.array([0.1, 1.0, 5.0, 10.0])
for gap in gaps:
    winner, other = softmax(np.array([gap, 0.0]))
    print(
        f"gap {gap:4.1f}: the larger weight is {winner / other:9,.2f} times the smaller, {winner:.6f} against {other:.6f}"
    )

fig, axes = plt.subplots(1, 3, figsize=(9, 2.7), sharey=True)
for ax, gap in zip(axes, gaps, strict=False):
    bars = ax.bar(
        ["45", f"{45 - gap:g}"], softmax(np.array([45.0, 45.0 - gap])), color="C0", edgecolor="black", width=0.6
    )
    ax.bar_label(bars, fmt="%.3f")
    ax.set(title=f"gap {gap:g}", xlabel="score", ylim=(0, 1.15))
axes[0].set_ylabel("weight")
show(
    fig, "Weights of two scores, 45 and less. Gap 0.1: 0.525 and 0.475; gap 1: 0.731 and 0.269; gap 5: 0.993 and 0.007."
)

# %% [markdown] claims="C121, C141, C094, C157"
# **C121 · true.** *“Attention weights lie between 0 and 1 and sum to 1.”* In exact arithmetic they lie strictly
# between. In float32 a weight is exactly 0 when its score is about 104 below the top, and the winner is exactly 1
# from a gap of 17 on. Dropout on the weights and gates break the sum, and so does rounding, a little.
#
# **C141 · imprecise.** *“Softmax gives a slightly larger score far more weight.”* The ratio is $e^{\text{gap}}$. A
# gap of 0.1 makes it 1.105, that is 0.525 against 0.475; a gap of 5 makes it 148. Softmax amplifies large gaps only.
#
# **C094 · imprecise.** *“At score magnitudes around 45, softmax is practically one-hot.”* The magnitude has no effect
# at all. The scores 45 and 44.9 get 0.525 and 0.475. Large *variance* matters, since it makes large *gaps* likely.
#
# **C157 · true.** *“softmax([1, 2, 100]) is about [0, 0, 1].”* The two small weights are $1.0\cdot10^{-43}$ and
# $2.7\cdot10^{-43}$.

# %%
single = np.float32
with np.errstate(under="ignore"):
    claim("C121", softmax(single([0, 104]))[0], 0, what="float32, gap 104: the smaller weight is exactly 0")
    claim("C121", softmax(single([0, 100]))[0], at_least=1e-45, at_most=1e-43, what="gap 100: tiny, not 0")
    claim("C121", softmax(single([0, 17]))[1], 1, what="float32, gap 17: the larger weight is exactly 1")
claim("C141", math.exp(0.1), 1.105, 0.001, what="ratio of two weights whose scores differ by 0.1")
claim("C141", math.exp(5), 148.4, 0.1, what="the same for 5")
claim("C094", softmax(np.array([45, 44.9])), [0.525, 0.475], 0.001, what="weights of the scores 45 and 44.9")
claim("C157", softmax(np.array([1.0, 2, 100]))[:2] * 1e43, [1.01, 2.75], 0.01, what="small weights, times 1e43")

# %% [markdown]
# **Why not another normaliser?** Every row below turns scores into something to mix with. None is wrong; each changes
# what the mixture can express.
#
# | normaliser | weights | what changes |
# |---|---|---|
# | softmax | $e^{s_i}/\sum_j e^{s_j}$ | positive, sums to 1, smooth; needs the whole row |
# | sparsemax | projection of $s$ onto the simplex | sums to 1 with exact zeros; gradient zero outside its support |
# | sigmoid | $1/(1+e^{-s_i})$ | each key alone, no competition; the sum grows with $m$ unless a bias corrects it |
# | kernel features | $\phi(q)\cdot\phi(k_i)$ over their sum | linear time in $m$; another function, not a cheap softmax |
# | none (as in DIN) | $s_i$ itself | the *amount* of evidence survives; scale is unbounded |

# %% [markdown] question="Q026" kind="explain" minutes=4
# ### Describe the softmax in attention: what it is, which properties it has, and why not another normaliser?
#
# <details><summary>Hint 1 · direction</summary>
#
# Write down the ratio of two weights. Most properties can be read off it.
# </details>
# <details><summary>Hint 2 · insight</summary>
#
# The ratio depends on the difference of two scores only. What does adding a constant do? What does doubling all
# scores do?
# </details>
# <details><summary>Sixty-second answer</summary>
#
# Softmax exponentiates the scores of one query and divides by their sum over the keys. The weights are positive, sum
# to one, and keep the order of the scores. The ratio of two weights is e to the gap of their scores, so a constant
# added to all changes nothing, while a factor changes the sharpness. A gap of 0.1 means ten percent more, a gap of 5
# means 148 times more. It is never exactly zero on paper; in float32 it is from a gap of about 104 on. It must run
# along the keys. Alternatives exist: sparsemax gives exact zeros, sigmoids drop the competition, kernel features make
# the cost linear, and some recommenders skip normalising to keep the total strength. Softmax is smooth,
# differentiable everywhere, and makes the output a weighted mean.
# </details>
# <details><summary>Full answer</summary>
#
# $a_i=e^{s_i}/\sum_je^{s_j}$. From $a_i/a_j=e^{s_i-s_j}$ follow: positivity, order, **shift invariance**
# ($s+c\mathbf 1$ gives the same $a$), and *no* scale invariance: $\operatorname{softmax}(s/\tau)$ goes to the arg max
# as $\tau\to0$ and to uniform as $\tau\to\infty$. Gaps of 0.1, 1, 5 give ratios 1.105, 2.72, 148 (printed above).
# - It is exact-zero-free in exact arithmetic. In float32 the weight underflows beyond a gap of about 104; in practice
#   masked keys are set to $-\infty$, which gives exactly 0.
# - It normalises per query, along the keys. Along the queries, rows no longer sum to one (a pitfall cell below shows
#   it).
# - It is the gradient of $\log\sum_j e^{s_j}$, and the maximiser of $\langle a,s\rangle+H(a)$ over the simplex:
#   shares that follow the scores, but as spread as possible. Swap the entropy for $-\tfrac12\lVert a\rVert^2$ and you
#   get sparsemax.
# - Sum one forces a query to put its weight somewhere even if nothing fits; sigmoid or an added "no match" slot
#   avoids it.
# </details>
# <details><summary>How it is scored</summary>
#
# - **Strong hire**: ratio formula with a number, shift invariance, the key axis, and two alternatives with what each
#   changes.
# - **Lean hire**: definition and sum-to-one are right, the gap-not-magnitude point or the alternatives are missing.
# - **No hire**: "it turns numbers into probabilities", and believes that larger scores as such make it sharper.
# </details>
#
# **Red flag:** "softmax picks the maximum". For a gap of 0.1 it hardly prefers it.
#
# **Follow-up:** what if no key is relevant? (The weights still sum to one; models learn a key to dump them on, see *Other scales*.)

# %% [markdown]
# ## Softmax without overflow
#
# **When does the textbook formula fail?** $e^s$ leaves float16 above $s=11.09$, float32 above 88.72, float64 above
# 709.78. Then infinity over infinity is NaN. If all scores lie far below zero, all exponentials round to 0, and 0/0
# is NaN too. The cure uses the shift invariance: subtract the largest score first. The largest exponent is then $0$,
# every other is negative, and the denominator is at least $1$. Nothing can overflow, and the factor $e^{-\max s}$
# cancels, so the result is the same.


# %%
def naive_softmax(scores):
    """The formula as it is written: right on paper, not in floating point."""
    return np.exp(scores) / np.exp(scores).sum()


with np.errstate(over="ignore", invalid="ignore"):
    for scores in (np.array([1000.0, 1000.0]), np.array([-1000.0, -1000.0]), np.array([0.0, 1.0, -np.inf])):
        print(f"{scores!s:20} naive {naive_softmax(scores)}, stable {softmax(scores)}")
    for dtype, last in ((np.float16, 11.08), (np.float32, 88.72), (np.float64, 709.78)):
        fits = np.isfinite(np.exp(dtype(last))), np.isfinite(np.exp(dtype(last + 0.02)))
        print(f"{dtype.__name__}: exp({last}) is finite: {fits[0]}; exp({last + 0.02:.2f}): {fits[1]}")
    nothing = np.array([-np.inf, -np.inf])
    print("a row without any allowed key: naive", np.exp(nothing - nothing.max()), "ours", softmax(nothing))

# %% [markdown] claims="C142, C113"
# **C142 · true.** *“Subtracting the maximum leaves the softmax unchanged and prevents overflow.”* With one exception:
# a row that is $-\infty$ throughout, where $-\infty-(-\infty)$ is NaN. It needs a rule of its own; here an empty row
# gets zeros.
#
# **C113 · imprecise.** *“Subtracting the maximum is the log-sum-exp trick.”* A relative of it. Log-sum-exp is the
# function $\log\sum_j e^{s_j}=\max s+\log\sum_j e^{s_j-\max s}$: the maximum has to be *added back*. In the softmax
# it cancels, so nothing is added back. Same shift, two different reasons why it is allowed.

# %%
scores = np.random.default_rng(0).normal(size=(1000, 20)) * 8
shift = abs(softmax(scores + 500) - softmax(scores)).max()
claim("C142", shift, expected=0, tolerance=1e-12, what="change of the weights when 500 is added to every score")
claim("C142", np.isfinite(softmax(scores * 1e6)).all(), True, what="finite for scores in the millions")
claim("C142", softmax(np.array([-np.inf, -np.inf])), [0, 0], what="a row of −∞ only gets zeros, by rule")

# %% [markdown] question="Q027" kind="implement" minutes=6
# ### Implement a numerically stable softmax, and say when the naive one fails.
#
# <details><summary>Hint 1 · direction</summary>
#
# The exponential of the largest score is the problem. Which transformation of the scores leaves the result alone?
# </details>
# <details><summary>Hint 2 · insight</summary>
#
# Subtract the row maximum. Then ask what the maximum of a row of minus infinities is.
# </details>
# <details><summary>Sixty-second answer</summary>
#
# Subtract the row maximum, exponentiate, divide by the sum. It changes nothing because the common factor cancels. The
# largest exponent is zero and the denominator at least one, so neither overflow nor division by zero can occur. The
# naive version gives NaN as soon as one exponential overflows: above 88.7 in float32, above 11.1 in float16, above
# 710 in float64; or when all underflow. Minus infinity for masked keys is fine, it becomes exactly zero. One case
# remains: a row with nothing but minus infinity, where the subtraction itself is NaN. I decide on a policy, zeros for
# instance, and implement it before the division. It is related to log-sum-exp, but that is another function.
# </details>
# <details><summary>Full answer</summary>
#
# ```python
# def softmax(scores, axis=-1):
#     peak = scores.max(axis=axis, keepdims=True)
#     peak = np.where(np.isneginf(peak), 0.0, peak)      # an empty row: −∞ − (−∞) would be NaN
#     weights = np.exp(scores - peak)                    # largest exponent 0
#     total = weights.sum(axis=axis, keepdims=True)      # ≥ 1, or 0 for an empty row
#     return weights / np.where(total == 0, 1.0, total)
# ```
# - `keepdims=True`, so that any axis and any rank works. The maximum is *per row*: one global maximum would let a row
#   whose scores are all far below it underflow to 0/0.
# - Overflow limits: $\ln(\text{largest number})$, 11.09 / 88.72 / 709.78 for float16 / 32 / 64. The naive formula
#   also fails at the other end: if every exponential of a row underflows, it is 0/0. The shift cures both.
# - Small exponents may underflow to 0. That is harmless: the true weight is below anything the sum could notice.
# - In half precision the sum should be accumulated in float32; bfloat16 cannot even tell 256 from 257.
# - $\log\operatorname{softmax}$ must be computed as $s-\max s-\log\sum e^{s-\max s}$, not as the log of a softmax,
#   which may be $\log 0$.
# </details>
# <details><summary>How it is scored</summary>
#
# - **Strong hire**: per-row maximum with keepdims, says why it is exact, names an overflow limit, and handles the
#   empty row unasked.
# - **Lean hire**: subtracts the maximum and knows why; the empty row only when asked.
# - **No hire**: naive exponentials, or clips the scores, which changes the answer.
# </details>
#
# **Red flag:** adding a small epsilon to the denominator. It does not stop the overflow, and rows no longer sum to one.
#
# **Follow-up:** compute it in one pass over a stream of scores. (Keep a running maximum and rescale the sum: the core of Flash attention.)

# %% [markdown]
# ## The Jacobian and saturation
#
# **How much do the weights move when a score moves?** The table of all these derivatives is the Jacobian,
# $J_{ij}=\partial a_i/\partial s_j$. Take the logarithm, $\log a_i=s_i-\log\sum_l e^{s_l}$, and differentiate by
# $s_j$: the first term gives $1$ if $i=j$ (written $\delta_{ij}$), the second gives $-a_j$. Since
# $\partial\log a_i=\partial a_i/a_i$,
#
# $$J_{ij}=a_i(\delta_{ij}-a_j),\qquad J=\operatorname{diag}(a)-aa^\top .$$

# %% [markdown]
# Now let one weight approach $1$. The winner's own entry is $a(1-a)\to0$. Every other entry has a losing weight as a
# factor, so it goes to $0$ as well. **The whole table vanishes, winner included.** This is saturation: the weights
# have stopped listening to the scores. With two keys: gap 1 gives $a(1-a)=0.197$, gap 5 gives $0.0066$, gap 10 gives
# $4.5\cdot10^{-5}$.
#
# A bound says it for any number of keys. For a vector $u$ of length 1, $u^\top Ju=\sum_ja_ju_j^2-(\sum_ja_ju_j)^2$ is
# the *variance* of $u_j$ when $j$ is drawn with the probabilities $a$. A variance is at most the mean squared
# distance from any point, here from the winner's $u_w$: $u^\top Ju\le\sum_ja_j(u_j-u_w)^2\le2(1-a_w)$. It also is at
# most $\sum_ja_ju_j^2\le a_w$, and never above $\tfrac12$ (proof in the question below). The largest $u^\top Ju$ is
# the *norm* of $J$: how far a step of length 1 in the scores can move the weights.

# %%
scores = torch.tensor([0.3, -1.2, 2.0, 0.5], dtype=torch.float64)
by_formula = softmax_jacobian(softmax(scores))
by_autograd = torch.autograd.functional.jacobian(lambda s: torch.softmax(s, -1), scores)
print("formula against autograd, largest difference below 1e-15:", bool((by_formula - by_autograd).abs().max() < 1e-15))

# %%
rng = np.random.default_rng(0)
top, norm = [], []
for spread in np.repeat([0.3, 1, 2, 4, 8], 60):
    a = softmax(rng.normal(size=rng.integers(2, 40)) * spread)
    top.append(a.max())
    norm.append(np.linalg.norm(softmax_jacobian(a), 2))
top, norm = np.array(top), np.array(norm)
print(
    f"largest norm of 300 Jacobians: {norm.max():.3f};  where the top weight exceeds 0.99: {norm[top > 0.99].max():.4f}"
)

fig, ax = plt.subplots(figsize=(6.5, 3.4))
grid = np.linspace(0, 1, 200)
ax.plot(
    grid, np.minimum(np.minimum(grid, 0.5), 2 - 2 * grid), "k--", marker="", label="bound: min(top, 1/2, 2 − 2 top)"
)
ax.plot(top, norm, "o", markersize=4, alpha=0.6, label="300 random rows, 2 to 39 keys")
ax.set(xlabel="top weight of the row", ylabel="norm of the Jacobian", title="A row that is sure no longer listens")
ax.legend(loc="lower center", fontsize=9)
show(
    fig,
    "Norm of the softmax Jacobian against the top weight: rising to about one half in the middle, falling to zero near 1.",
)

# %% [markdown]
# Both ends are small, for different reasons. On the left the weights themselves are small, spread over many keys, and
# the norm is nearly as large as it can be, the top weight: such a row listens fully. On the right one weight is large
# and does not move.

# %% [markdown] claims="C073"
# **C073 · imprecise.** *“In a saturated softmax the losing positions get almost no gradient.”* Nobody does, the
# winner included: its entry is $a(1-a)$, which is $4.5\cdot10^{-5}$ at a gap of 10 and $2\cdot10^{-9}$ at 20. So a
# *wrong* winner cannot be talked down either, and that is what hurts.

# %%
for gap, value in ((10.0, 4.54e-5), (20.0, 2.06e-9)):
    winner = softmax_jacobian(softmax(np.array([gap, 0.0])))[0, 0]
    claim(
        "C073",
        winner / value,
        expected=1,
        tolerance=0.01,
        what=f"the winner's own derivative at gap {gap:g}, over {value:g}",
    )
claim("C073", norm.max(), at_most=0.5, what="largest norm of any Jacobian above")
bounded = norm <= np.minimum(top, 2 * (1 - top)) + 1e-12
claim("C073", bounded.all(), True, what="norm at most the top weight, and at most 2 − 2 · top weight, in all 300 rows")

# %% [markdown] question="Q028" kind="derive" minutes=6
# ### Derive the softmax Jacobian, and use it to explain saturation.
#
# <details><summary>Hint 1 · direction</summary>
#
# Differentiate the logarithm of a weight; it is shorter than the quotient rule.
# </details>
# <details><summary>Hint 2 · insight</summary>
#
# Look at the diagonal entry a(1 − a) when a goes to 1. Then ask which parameters get their gradient through this
# matrix.
# </details>
# <details><summary>Sixty-second answer</summary>
#
# The log of a weight is its score minus log-sum-exp. Differentiating by score j gives delta i j minus a j. Times a i:
# a i times delta minus a j. As a matrix, diag of a minus a a transposed. It is symmetric, its rows sum to zero
# because shifting all scores changes nothing, and its norm is at most one half, reached when two keys share the
# weight equally. When the row becomes one-hot every entry goes to zero, also the winner's, a times one minus a. With
# a gap of ten that is 4.5e-5. The gradient that reaches the scores is J times the gradient at the weights, so the
# scores, and with them W_Q and W_K, starve. The values still learn, because their gradient is the weights, not J.
# </details>
# <details><summary>Full answer</summary>
#
# $\log a_i=s_i-\log\sum_le^{s_l}$, so $\dfrac1{a_i}\dfrac{\partial a_i}{\partial s_j}=\delta_{ij}-a_j$, that is
# $J=\operatorname{diag}(a)-aa^\top$.
# - $J\mathbf 1=a-a\,(a^\top\mathbf1)=0$: the derivative of shift invariance. $J$ is symmetric and positive
#   semidefinite, since $u^\top Ju=\operatorname{Var}_{j\sim a}(u_j)\ge0$.
# - **Bound.** A variance is at most a quarter of the squared range, and for $\lVert u\rVert=1$ the range satisfies
#   $(u_i-u_j)^2\le2$: hence $\lVert J\rVert_2\le\frac12$, attained at $a=(\frac12,\frac12)$, $u=(1,-1)/\sqrt2$. Also
#   $\lVert J\rVert_2\le2(1-\max a)$, since a variance is at most the mean squared distance from the winner's $u_w$.
# - **Saturation.** As $a\to e_w$, $J\to0$ in *every* entry: $J_{ww}=a_w(1-a_w)$, $J_{ij}=-a_ia_j$. For two keys with
#   gap $\Delta$, $J_{ww}\approx e^{-\Delta}$.
# - **Who starves.** With $o=\sum_ja_jv_j$ and $g=\partial L/\partial o$: $\partial L/\partial s=J\,(Vg)$, which
#   carries the gradient of $W_Q$ and $W_K$, goes to zero. $\partial L/\partial v_j=a_j\,g$ does not: the winner's
#   value gets all of $g$.
# - The product needs no matrix: $Jx=a\odot(x-a^\top x)$.
# - A loss can cancel $J$: cross-entropy *on the weights* has gradient $a-y$ at the scores. Attention has no such
#   loss; its loss comes after $AV$.
# </details>
# <details><summary>How it is scored</summary>
#
# - **Strong hire**: derives J, says that the winner's entry vanishes too, and separates the score path from the value
#   path.
# - **Lean hire**: the right matrix, but saturation only for the losers, or only "gradients vanish" without saying
#   whose.
# - **No hire**: treats the softmax as elementwise and gives a diagonal Jacobian.
# </details>
#
# **Red flag:** "the derivative is a(1 − a)", as for a sigmoid, with nothing off the diagonal.
#
# **Follow-up:** why does a softmax *classifier* not suffer from this when it is confidently wrong? (Its loss cancels J: gradient a − y.)

# %% [markdown]
# ## The variance proof
#
# **How large are dot products of random vectors?** Three words first. The *expectation* $E[X]$ is the mean over many
# draws; it is linear: $E[X+Y]=E[X]+E[Y]$. The *variance* $\operatorname{Var}X=E[X^2]-E[X]^2$ is the mean squared
# distance from that mean; its root is the *standard deviation* (sd), the typical distance. The *covariance*
# $\operatorname{Cov}(X,Y)=E[XY]-E[X]E[Y]$ is zero if $X$ and $Y$ are independent, and
# $\operatorname{Var}(\sum_iX_i)=\sum_i\operatorname{Var}X_i+2\sum_{i<j}\operatorname{Cov}(X_i,X_j)$, always.

# %% [markdown]
# **Theorem.** Let $q$ and $k$ be random vectors with $d_k$ components such that
#
# - **A1** $q$ and $k$ are independent of each other;
# - **A2** every component has mean $0$;
# - **A3** every component has variance $1$;
# - **A4** the components of $q$ are uncorrelated, or those of $k$ are (one of the two is enough).
#
# Then $E[q\cdot k]=0$ and $\operatorname{Var}(q\cdot k)=d_k$.

# %% [markdown]
# **Proof.** Write $q\cdot k=\sum_{i=1}^{d_k}X_i$ with $X_i=q_ik_i$.
#
# 1. *Mean of one term.* $E[X_i]=E[q_i]\,E[k_i]$ by A1, and this is $0$ by A2.
# 2. *Variance of one term.* $E[X_i^2]=E[q_i^2]\,E[k_i^2]$ by A1. By A2 and A3,
#    $E[q_i^2]=\operatorname{Var}q_i+E[q_i]^2=1$, and the same for $k_i$. So $\operatorname{Var}X_i=1-0^2=1$.
# 3. *Two terms,* $i\ne j$. $\operatorname{Cov}(X_i,X_j)=E[q_iq_j\,k_ik_j]-0=E[q_iq_j]\,E[k_ik_j]$ by A1. By A4 (and
#    A2) one of the two factors is $0$.
# 4. *Sum.* The covariances are gone, so $\operatorname{Var}(q\cdot k)=\sum_i1=d_k$. $\;\blacksquare$

# %% [markdown]
# The standard deviation is $\sqrt{d_k}$: 8 at $d_k=64$, 22.6 at 512. Dividing a variable by $c$ divides its variance
# by $c^2$, so $c=\sqrt{d_k}$ brings it to $1$ for every $d_k$, and $c=d_k$ would bring it to $1/d_k$, nearly uniform
# weights.
#
# **Why would A1 to A4 hold?** Because of the initialisation. Say $q=W_Q^\top x$ and $k=W_K^\top y$, where the entries
# of both matrices are drawn independently with mean $0$ and variance $1/d_{model}$, and a normalisation layer has
# made $\lVert x\rVert^2=\lVert y\rVert^2=d_{model}$. Then for *any fixed* $x,y$: A1 holds as the two matrices are
# independent, A2 as their entries have mean 0, A3 as $\operatorname{Var}q_i=\sum_ax_a^2/d_{model}=1$, A4 as different
# columns are independent. Nothing was assumed about the data, nor normality.

# %%
SIZES = [16, 32, 64, 128, 256, 512, 1024]
SAMPLERS = {  # mean 0, variance 1, and very different shapes
    "Gaussian": lambda rng, shape: rng.normal(size=shape),
    "uniform on ±√3": lambda rng, shape: rng.uniform(-math.sqrt(3), math.sqrt(3), size=shape),
    "signs ±1": lambda rng, shape: rng.choice([-1.0, 1.0], size=shape),
}


def measured_variance(sample, seed, pairs=2000):
    rng = np.random.default_rng(seed)
    return [dot_variance(sample(rng, (pairs, d)), sample(rng, (pairs, d))) for d in SIZES]


def slope(values):
    """Exponent p of a power law d^p: the slope of the best line through the logarithms."""
    return np.polyfit(np.log(SIZES), np.log(values), 1)[0]


variances = {name: [measured_variance(sample, seed) for seed in range(3)] for name, sample in SAMPLERS.items()}
for name, runs in variances.items():
    print(
        f"{name:15} at d = 64, 512: {runs[0][2]:5.1f}, {runs[0][5]:5.1f};  slope for three seeds:",
        *(f"{slope(r):.3f}" for r in runs),
    )

# %%
fig, ax = plt.subplots(figsize=(6.5, 3.6))
for name, runs in variances.items():
    ax.loglog(SIZES, np.mean(runs, 0), linestyle="", markersize=9, fillstyle="none", markeredgewidth=1.6, label=name)
ax.loglog(SIZES, SIZES, "k--", marker="", label="theorem: variance = d")
ax.set_xticks(SIZES, [str(d) for d in SIZES])
ax.minorticks_off()
ax.set(xlabel="key size d", ylabel="variance of q·k", title="Variance d, whatever the distribution of the entries")
ax.legend(fontsize=9)
show(
    fig,
    "Variance of the dot product against key size, both logarithmic: three kinds of entries lie on the line variance = d.",
)

# %% [markdown] claims="C001, C093, C023, C117, C072, C024"
# **C001 · true.** *“With unit-variance q and k, the dot product has variance d_k.”* Under A1 to A4; unit variance
# alone is not enough, see the next section.
#
# **C093 · true.** *“It follows from independence: the covariances vanish and the variances add up.”* Normality is not
# needed. Even independence of the terms is more than needed: that they are uncorrelated is enough.
#
# **C023 · true.** *“The variance of the scores grows in proportion to d.”* The log-log slope is 1, measured above
# three times.
#
# **C117 · imprecise.** *“Without scaling, dot products grow with the dimension.”* Three growths are mixed up here.
# The typical size grows as $\sqrt d$, the variance as $d$, and the largest possible value,
# $\lVert q\rVert\lVert k\rVert\approx d$, as $d$.
#
# **C072 · true.** *“The sd is 8 at d = 64 and 22.6 at d = 512, so values up to about ±45 are ordinary there.”*
# $2\cdot22.6=45.3$.
#
# **C024 · false.** *“At d = 64 raw scores range from −64 to 64, scaled ones from −8 to 8.”* ±64 is the Cauchy-Schwarz
# *bound* for vectors of length 8. It is eight standard deviations away: a million scores come to about ±42 (scaled:
# ±5), and 95 % stay within ±16 (scaled: ±2).

# %%
slopes = {name: [slope(run) for run in runs] for name, runs in variances.items()}
claim(
    "C001",
    np.mean(variances["Gaussian"], 0)[[2, 3, 5]] / [64, 128, 512],
    1,
    0.05,
    what="variance over d, d = 64, 128, 512",
)
claim("C093", slopes["uniform on ±√3"], 1, 0.03, what="log-log slope for uniform entries, three seeds")
claim("C023", slopes["Gaussian"], 1, 0.03, what="log-log slope for Gaussian entries, three seeds")
rng = np.random.default_rng(0)
pairs = [(rng.normal(size=(2000, d)), rng.normal(size=(2000, d))) for d in SIZES]
claim("C117", slope([abs((q * k).sum(-1)).mean() for q, k in pairs]), 0.5, 0.02, what="exponent of the mean of |q·k|")
lengths = [(np.linalg.norm(q, axis=-1) * np.linalg.norm(k, axis=-1)).mean() for q, k in pairs]
claim("C117", slope(lengths), 1, 0.01, what="exponent of the mean of ‖q‖‖k‖, the largest possible value")
claim("C072", np.sqrt(np.mean(variances["Gaussian"], 0)[[2, 5]]), [8, 22.63], 0.5, what="sd at d = 64 and 512")

raw = dot(rng.normal(size=(1000, 64)), rng.normal(size=(1000, 64))).ravel()  # a million scores
claim("C024", raw.std(), 8, 0.1, what="sd of a million raw scores, d = 64")
claim("C024", (abs(raw) < 16).mean(), 0.95, 0.01, what="share of them within ±16")
claim("C024", [-raw.min(), raw.max()], 42, 4, what="their extremes, far from 64")

# %%
fig, ax = plt.subplots(figsize=(7.5, 3.2))
ax.hist(raw, bins=200, histtype="stepfilled", color="C0", label="a million raw scores, d = 64")
ax.axvspan(-16, 16, color="0.85", zorder=0, label="±2 sd = ±16 (scaled: ±2)")
for side in (-1, 1):
    ax.axvline(
        side * 64, color="black", linestyle="--", label="‖q‖‖k‖ ≈ 64: possible, never seen" if side > 0 else None
    )
ax.set(
    xlabel="raw score (a scaled score is an eighth of it)", ylabel="count", title="Typical is 8, not 64", xlim=(-70, 70)
)
ax.legend(fontsize=8, loc="upper right", bbox_to_anchor=(0.93, 1))
show(
    fig,
    "Histogram of a million raw scores at d = 64: a bell of sd 8, nearly all within 16, with the bound 64 far outside.",
)

# %% [markdown] question="Q031" kind="derive" minutes=6
# ### Prove that Var(q·k) = d_k, and state every assumption.
#
# <details><summary>Hint 1 · direction</summary>
#
# Look at a single term of the sum first: its mean, then its mean square.
# </details>
# <details><summary>Hint 2 · insight</summary>
#
# Two facts are needed: the mean of a product of independent variables factorises, and variances add when covariances
# are zero. Say which assumption gives which.
# </details>
# <details><summary>Sixty-second answer</summary>
#
# Let q and k be independent of each other, with uncorrelated components of mean zero and variance one. One term, q_i
# k_i, has mean zero, because independence lets the mean factorise. Its mean square is the product of the mean
# squares, one times one. Different terms have covariance zero, since the mean of q_i q_j times the mean of k_i k_j is
# zero. So the variances add: d_k, standard deviation root d_k, 8 at 64 and 22.6 at 512. Dividing by root d_k gives
# variance one at any size; dividing by d_k would give one over d_k. Normality plays no role. It is a statement about
# initialisation with normalised inputs. Other initial scales give other constants, and after training, or with W_Q
# equal to W_K, q and k are correlated and the mean itself can be of order d.
# </details>
# <details><summary>Full answer</summary>
#
# With $X_i=q_ik_i$: $E[X_i]=E[q_i]E[k_i]=0$ (independence of $q$ and $k$; mean 0). $E[X_i^2]=E[q_i^2]E[k_i^2]=1$
# (independence; variance 1 and mean 0). For $i\ne j$, $\operatorname{Cov}(X_i,X_j)=E[q_iq_j]E[k_ik_j]=0$
# (independence; components of one of the two uncorrelated). Hence $\operatorname{Var}\sum_iX_i=d_k$ and
# $\operatorname{Var}(q\cdot k/\sqrt{d_k})=1$.
#
# **What breaks it** (each measured in the next section):
# - variance $\sigma_q^2,\sigma_k^2$ instead of 1: $d_k\sigma_q^2\sigma_k^2$. GPT-style init with sd 0.02 and
#   $d_{model}=768$ has $\sigma^2=0.31$; the raw sd is then 2.5, not 8;
# - mean 1 on both sides: variance $3d_k$, and mean $d_k$;
# - both sides correlated, covariances $\Sigma_q,\Sigma_k$: $\operatorname{tr}(\Sigma_q\Sigma_k)$, which can grow as
#   $d_k^2$;
# - $q$ and $k$ correlated, $E[q_ik_i]=\rho$: mean $\rho d_k$. The extreme case is $W_Q=W_K$ on the same token:
#   $E[q\cdot q]=d_k$.
# </details>
# <details><summary>How it is scored</summary>
#
# - **Strong hire**: proof complete, each assumption named where it is used, plus one case in which it fails and what
#   the variance is then.
# - **Lean hire**: right result and the idea of adding variances, but the assumptions are a list that is never used,
#   or the covariances are forgotten.
# - **No hire**: "dot products get bigger, so we divide", or concludes that one has to divide by d_k.
# </details>
#
# **Red flag:** "because q and k are Gaussian". Nothing in the proof is.
#
# **Follow-up:** only the components of k are correlated, those of q are not. What is the variance? (Still d_k, by step 3.)

# %% [markdown]
# ## When the assumptions fail
#
# **What is the variance then?** Drop one assumption at a time and redo the step of the proof that used it.
#
# | what is different | mean of $q\cdot k$ | variance | step |
# |---|---|---|---|
# | every component has mean 1 (A2) | $d$ | $3d$: steps 1 and 2 give $\operatorname{Var}X_i=2\cdot2-1$ | 1, 2 |
# | only the components of $k$ correlate (A4) | $0$ | $d$: one factor in step 3 is still $0$ | 3 |
# | both sides correlate, $E[q_iq_j]=E[k_ik_j]=\rho$ (A4) | $0$ | $d+d(d-1)\rho^2$: grows as $d^2$ | 3 |
# | $q$ and $k$ correlate, $E[q_ik_i]=\rho$, Gaussian (A1) | $\rho d$ | $d(1+\rho^2)$ | 1, 2 |
# | $q=k$, Gaussian: the case $\rho=1$ | $d$ | $2d$ | 1, 2 |
#
# Below, $\rho=0.3$. From 2,000 pairs a variance is known to a few percent, and to about ten where both sides
# correlate.


# %%
def correlated(rng, shape, rho):
    """Unit variance, and every two components of a row share the correlation rho."""
    return math.sqrt(rho) * rng.normal(size=(shape[0], 1)) + math.sqrt(1 - rho) * rng.normal(size=shape)


def broken(case, rng, shape, rho=0.3):
    q, k = rng.normal(size=shape), rng.normal(size=shape)
    match case:
        case "mean 1":
            return q + 1, k + 1
        case "k correlates":
            return q, correlated(rng, shape, rho)
        case "both correlate":
            return correlated(rng, shape, rho), correlated(rng, shape, rho)
        case "q with k":
            return q, rho * q + math.sqrt(1 - rho**2) * k
        case "q is k":
            return q, q


theory = {  # the variances of the table
    "mean 1": lambda d: 3 * d, "k correlates": lambda d: d, "both correlate": lambda d: d + d * (d - 1) * 0.09,
    "q with k": lambda d: d * 1.09, "q is k": lambda d: 2 * d,
}  # fmt: skip

# %%
fig, ax = plt.subplots(figsize=(6.5, 3.8))
for case, formula in theory.items():
    rng = np.random.default_rng(0)
    found = [broken(case, rng, (2000, d)) for d in SIZES]
    spread = [dot_variance(q, k) for q, k in found]
    ratio = np.array(spread) / [formula(d) for d in SIZES]
    mean = np.mean((found[2][0] * found[2][1]).sum(-1))
    print(f"{case:15} d = 64: mean {mean:5.1f}, variance {spread[2]:6.1f}, theory {formula(64):6.1f}; slope {slope(spread):.2f}; "
          f"measured/theory between {ratio.min():.2f} and {ratio.max():.2f}")  # fmt: skip
    ax.loglog(SIZES, spread, markersize=6, label=f"{case} (slope {slope(spread):.2f})")
ax.loglog(SIZES, SIZES, "k--", marker="", label="theorem")
ax.set_xticks(SIZES, [str(d) for d in SIZES])
ax.minorticks_off()
ax.set(xlabel="key size d", ylabel="variance of q·k", title="Only correlation on both sides changes the exponent")
ax.legend(fontsize=8)
show(
    fig,
    "Variance against key size when an assumption fails: four cases stay parallel to the line d, both-correlate rises nearly as d squared.",
)

# %% [markdown] claims="C071"
# **C071 · imprecise.** *“After a standard initialisation, the entries of Q and K have about unit variance.”* True for
# initial weights of variance $1/d_{model}$ (LeCun; Xavier for square matrices) on normalised inputs. GPT-2 and BERT
# draw theirs with sd 0.02: at width 768 an entry of $q$ then has variance $768\cdot0.02^2=0.31$, a raw score has sd
# $8\cdot0.31=2.5$, a scaled one 0.31. PyTorch's `nn.Linear` draws variance $1/(3\,d_{model})$, so a third. Such heads
# start *flatter* than the theorem's case.

# %%
rng = np.random.default_rng(0)
x = rng.normal(size=(500, 768))
x *= math.sqrt(768) / np.linalg.norm(x, axis=-1, keepdims=True)  # what a normalisation layer hands over
small = [x @ rng.normal(size=(768, 64)) * 0.02 for _ in range(2)]
usual = [x @ rng.normal(size=(768, 64)) / math.sqrt(768) for _ in range(2)]
claim("C071", usual[0].var(), 1, 0.05, what="variance of an entry of q, weights of variance 1/768")
claim("C071", small[0].var(), 0.307, 0.02, what="the same for weights of sd 0.02")
torch.manual_seed(0)
default = torch.nn.Linear(768, 64, bias=False).weight.detach().numpy().T
claim("C071", (x @ default).var(), 1 / 3, 0.02, what="the same for torch's nn.Linear as it comes")
claim(
    "C071", [dot(*small).std(), scaled_dot(*small).std()], [2.46, 0.307], 0.15, what="sd of raw and scaled scores there"
)

# %% [markdown]
# **And on real text?** The words of a text are far from independent: *list* and *tuple* stand near each other. But
# the theorem with random matrices holds for any fixed inputs, so it has to hold here. What does change is the spread
# *within a row*, which is all that the softmax sees: two keys with cosine $c$ get scores that correlate by $c$, so
# they share a part, and shift invariance throws it away. If $\bar c$ is the mean cosine of all pairs of keys (each
# with itself too), the spread left within a row is $1-\bar c$.
#
# The text is the reference manual that comes with every Python; word vectors are made from which words stand near
# which.

# %% tags=["nbval-ignore-output"]
import re
from collections import Counter
from pydoc_data.topics import topics  # the text behind help("LISTS"); it differs a little between Python versions

words = re.findall("[a-z]+", " ".join(topics.values()).lower())
place = {word: i for i, (word, _) in enumerate(Counter(words).most_common(600))}
text = np.array([place[word] for word in words if word in place])
near = np.zeros((600, 600))
for distance in range(1, 5):
    np.add.at(near, (text[:-distance], text[distance:]), 1)
u, s, _ = np.linalg.svd(np.log1p(near + near.T))
vectors = u[:, :64] * np.sqrt(s[:64])
vectors *= 8 / np.linalg.norm(vectors, axis=1, keepdims=True)  # ‖x‖² = 64, as after a normalisation layer


def likest(word):
    order = np.argsort(-vectors @ vectors[place[word]])
    return [list(place)[i] for i in order[1:4]]


print(f"{len(words)} words; nearest to list: {likest('list')}; nearest to float: {likest('float')}")

# %% tags=["nbval-ignore-output"]
found = {"separate": [], "shared": []}
for seed in range(300):  # 300 passages of 64 words, each under its own random head
    rng = np.random.default_rng(seed)
    start = rng.integers(len(text) - 64)
    x = vectors[text[start : start + 64]]
    alike = (x @ x.T / 64).mean()
    wq, wk = rng.normal(size=(2, 64, 64)) / 8
    for name, other in (("separate", wk), ("shared", wq)):
        scores = scaled_dot(x @ wq, x @ other)
        found[name].append([(scores**2).mean(), scores.var(-1).mean(), 1 - alike, np.diag(scores).mean()])
separate, shared = (np.mean(found[name], 0) for name in ("separate", "shared"))
print(
    f"separate W_Q, W_K: variance (mean square) {separate[0]:.2f}; within a row {separate[1]:.2f}, predicted 1 - cosine = {separate[2]:.2f}"
)
print(f"W_Q = W_K: a word's score with itself {shared[3]:.1f} on average (separate: {separate[3]:.1f})")
claim("C001", separate[0], 1, 0.05, what="variance of scaled scores on real text, 300 random heads")
claim("C001", separate[1] / separate[2], 1, 0.05, what="spread within a row over its prediction 1 − mean cosine")
claim("C071", shared[3], 8, 0.2, what="mean scaled score of a word with itself when W_Q = W_K: √64")

# %% [markdown]
# So the theorem survives real text, as it must, and the spread within a row is about 0.7 instead of 1, because words
# of one passage resemble each other. With $W_Q=W_K$ assumption A1 is gone: every word scores $\sqrt{d_k}=8$ with
# itself, and looks at itself before any training. That is one reason for two separate matrices (the other: "who looks
# at whom" need not be symmetric).

# %% [markdown]
# ## What the scale does to the weights
#
# **How one-hot is an unscaled softmax, really?** Stories here are often exaggerated. Below: Gaussian queries and
# keys, the top weight of each row with and without the scale. Look at the quantiles, not at one number: at $d_k=64$
# without the scale some rows are all but one-hot and others split evenly. What grows with $d_k$ is the *share* of
# rows that are gone.


# %%
@cache
def random_scores(d, keys, seed):
    """Raw and scaled scores of 2048 rows: 32 draws of 64 queries and their own keys, all Gaussian."""
    rng = np.random.default_rng(seed)
    q, k = rng.normal(size=(32, 64, d)), rng.normal(size=(32, keys, d))
    return dot(q, k).reshape(-1, keys), scaled_dot(q, k).reshape(-1, keys)


print("top weight, 64 keys         raw: mean   median   above 0.999 |  scaled: mean   entropy (ln 64 = 4.16)")
quantiles = {}
for d in (16, 64, 128, 512):
    raw_rows, rows = (softmax(s) for s in random_scores(d, 64, seed=0))
    tops, entropy = raw_rows.max(-1), -(rows * np.log(rows)).sum(-1).mean()
    quantiles[d] = [np.quantile(w.max(-1), [0.1, 0.5, 0.9]) for w in (raw_rows, rows)]
    gone = (tops > 0.999).mean()
    print(f"d = {d:3}                         {tops.mean():.2f}   {np.median(tops):.3f}    {gone:11.0%} |"
          f"          {rows.max(-1).mean():.2f}   {entropy:.2f}")  # fmt: skip

# %%
fig, ax = plt.subplots(figsize=(6.5, 3.6))
for i, (name, colour) in enumerate((("raw", "C0"), ("scaled by 1/√d", "C1"))):
    low, middle, high = np.array([quantiles[d][i] for d in quantiles]).T
    ax.plot(
        list(quantiles), middle, color=colour, linestyle=["-", "--"][i], marker="os"[i], label=f"{name}: median row"
    )
    ax.fill_between(
        list(quantiles), low, high, color=colour, alpha=0.2, hatch=["", "///"][i], label=f"{name}: 80 % of the rows"
    )
ax.axhline(1 / 64, color="black", linestyle=":", label="uniform: 1/64")
ax.set_xscale("log", base=2)
ax.set_xticks(list(quantiles), [str(d) for d in quantiles])
ax.minorticks_off()
ax.set(
    xlabel="key size d",
    ylabel="top weight of 64",
    ylim=(0, 1.03),
    title="Raw scores sharpen with d, scaled ones do not",
)
ax.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
show(
    fig,
    "Top weight against key size: raw rows climb from 0.55 to almost 1 with a wide band; scaled rows stay near 0.1 throughout.",
)

# %% [markdown] claims="C002, C004, C025"
# **C002 · imprecise.** *“At d_k = 512 the unscaled softmax is practically one-hot.”* On average it is peaky: with 64
# keys the mean top weight is 0.93, the median 0.998. But only about 46 % of the rows exceed 0.999, and more keys mean
# more rivals.
#
# **C004 · true.** *“Divided by √512 the variance is 1 and the softmax is well spread.”* At initialisation: mean top
# weight 0.11 of 64 keys, entropy 3.69 of at most 4.16 nats. Training may sharpen it again, and should, where a sharp
# choice is right.
#
# **C025 · imprecise.** *“Unscaled with d = 64, the winner gets 0.999.”* The mean top weight is 0.88, 0.79, 0.72 for
# 8, 64, 512 keys; 0.999 is exceeded in only 21 %, 8 %, 4 % of the rows.


# %%
def tops(d, keys, which=0):
    """Top weights of raw (0) or scaled (1) scores, three seeds."""
    return np.array([softmax(random_scores(d, keys, seed)[which]).max(-1) for seed in range(3)])


unscaled, scaled = tops(512, 64), tops(512, 64, which=1)
claim("C002", unscaled.mean(-1), 0.93, 0.015, what="mean top weight, d = 512, 64 keys, raw, three seeds")
claim("C002", np.median(unscaled, -1), 0.998, 0.002, what="median of the same")
claim("C002", (unscaled > 0.999).mean(-1), 0.46, 0.03, what="share of rows above 0.999")
claim("C004", random_scores(512, 64, seed=0)[1].var(), 1, 0.02, what="variance of scaled scores at d = 512")
claim("C004", scaled.mean(-1), 0.107, 0.005, what="mean top weight after scaling, three seeds")
by_keys = [tops(64, keys) for keys in (8, 64, 512)]
claim(
    "C025", [t.mean() for t in by_keys], [0.88, 0.79, 0.72], 0.015, what="mean top weight, d = 64, raw; 8, 64, 512 keys"
)
claim("C025", [(t > 0.999).mean() for t in by_keys], [0.21, 0.08, 0.04], 0.015, what="share of rows above 0.999")

# %% [markdown]
# **The scale is a temperature.** In $\operatorname{softmax}(s/\tau)$ the number $\tau$ is called temperature:
# $\tau\to0$ freezes the row into its arg max, $\tau\to\infty$ melts it into the uniform row. Dividing by $\sqrt{d_k}$
# is the choice $\tau=\sqrt{d_k}$, made so that a fresh network starts in between. It is a starting point, not a
# limit: multiply $W_Q$ by 2 and you have halved the temperature. Training does just that where it helps.

# %%
five = np.random.default_rng(3).normal(size=5) * 8  # five raw scores, as at d = 64


def bars(temperature, ax=None):
    """The weights of the five scores at one temperature."""
    ax = ax or plt.subplots(figsize=(4.5, 2.8))[1]
    drawn = ax.bar([f"{score:.0f}" for score in five], softmax(five / temperature), color="C0", edgecolor="black")
    ax.bar_label(drawn, fmt="%.2f", fontsize=9)
    ax.set(ylim=(0, 1.12), xlabel="raw score", title=f"temperature {temperature:g}")
    return ax.figure


def describe(temperature):
    return f"Weights at temperature {temperature:g}: " + ", ".join(f"{w:.2f}" for w in softmax(five / temperature))


fig, axes = plt.subplots(1, 3, figsize=(10, 2.8), sharey=True)
for ax, temperature in zip(axes, (1, 8, 64), strict=True):
    bars(temperature, ax)
    print(describe(temperature))
axes[0].set_ylabel("weight")
show(fig, "Five raw scores at three temperatures: one-hot at 1, graded at 8 = √64, almost uniform at 64.")

# %% [markdown]
# With a running kernel, move the temperature yourself. Where does the second-best key get half of the winner's
# weight? (Where the gap between the two, divided by $\tau$, is $\ln2=0.69$.)

# %%
slider(bars, "temperature", [0.5, 1, 2, 4, 8, 16, 32, 64], alt=describe)

# %%
rng = np.random.default_rng(0)
raw_scores = rng.normal(size=(500, 64)) * 8
temperatures = np.geomspace(0.1, 1000, 25)
entropies = []
for temperature in temperatures:
    a = softmax(raw_scores / temperature)
    entropies.append(-(a * np.log(np.maximum(a, 1e-300))).sum(-1).mean())
print(f"entropy at temperature 0.1: {entropies[0]:.2f}; at 1000: {entropies[-1]:.2f}; ln 64 = {math.log(64):.2f}")

fig, ax = plt.subplots(figsize=(6.5, 3))
ax.semilogx(temperatures, entropies, markersize=5, label="mean entropy of 500 rows, d = 64, 64 keys")
for position, name in ((1, "no scale"), (8, "√64"), (64, "64")):
    ax.axvline(position, color="black", linestyle=":")
    ax.annotate(name, (position, 0.1), xytext=(4, 0), textcoords="offset points", fontsize=9)
ax.axhline(math.log(64), color="C1", linestyle="--", label="uniform: ln 64")
ax.set(xlabel="temperature", ylabel="entropy (nats)", title="√d starts the softmax between frozen and molten")
ax.legend(fontsize=8, loc=(0.49, 0.3))
show(fig, "Entropy of the weights against temperature: zero when cold, ln 64 when hot; 0.6 at 1, 3.7 at 8, 4.15 at 64.")

# %% [markdown] question="Q029" kind="explain" minutes=4
# ### What does temperature do to attention, and in which sense is √d_k a temperature?
#
# <details><summary>Hint 1 · direction</summary>
#
# Divide all scores by τ and let τ go to 0 and to infinity. Think in gaps.
# </details>
# <details><summary>Hint 2 · insight</summary>
#
# Could the network undo a temperature by itself? Then what is left of its effect?
# </details>
# <details><summary>Sixty-second answer</summary>
#
# Temperature divides all gaps. Towards zero the softmax becomes the arg max, towards infinity it becomes uniform;
# entropy grows in between. Root d_k is the temperature that gives the scores of a freshly initialised head unit
# variance, whatever the head size, so the softmax starts neither frozen nor flat. It restricts nothing: W_Q and W_K
# can absorb any factor, so the trained head chooses its own sharpness. What the constant changes is where training
# starts and how large the gradients are, that is conditioning. So there are other choices: T5 has no root and starts
# W_Q smaller, QK-norm normalises queries and keys and learns the temperature, and muP divides by d_k, since after
# training queries and keys are aligned and their dot product grows like d.
# </details>
# <details><summary>Full answer</summary>
#
# $\operatorname{softmax}(s/\tau)$ has weight ratios $e^{(s_i-s_j)/\tau}$. $\tau\to0$: arg max (shared equally among
# ties); $\tau\to\infty$: uniform. The entropy is monotone: with $\beta=1/\tau$,
# $\frac{dH}{d\beta}=-\beta\operatorname{Var}_a(s)\le0$.
#
# Raw scores have sd $\sqrt{d_k}$ at initialisation, so $\tau=\sqrt{d_k}$ brings every head size to the same start:
# entropy 3.7 of 4.16 nats for 64 keys; $\tau=1$ gives about 0.6 at $d_k=64$, $\tau=d_k$ gives 4.15, nearly uniform
# (figure above).
#
# Since $(cW_Q)^\top x=c\,q$, the set of functions that a head can express is the same for every $\tau$. But with
# plain SGD the trajectory is not: without the root, the gradient of $W_Q$ is $\sqrt{d_k}$ times larger for the same
# function, and the start is sharper. Hence the alternatives: folding the root into the initialisation (T5), QK-norm
# (normalise $q$ and $k$, learn $\tau$), $1/d_k$ (µP). At *inference* the temperature is also a tool: contexts longer
# than those of training flatten the softmax, and some models then raise the scores by a factor that grows with
# $\log n$.
# </details>
# <details><summary>How it is scored</summary>
#
# - **Strong hire**: both limits, unit variance at the start as the reason for the root, *and* that the weights can
#   absorb it, so it is conditioning.
# - **Lean hire**: both limits and the link to the root, but believes that the root limits how sharp a trained head
#   can get.
# - **No hire**: mixes it up with the sampling temperature of the output layer, or has the direction wrong.
# </details>
#
# **Red flag:** "a higher temperature makes attention more focused".
#
# **Follow-up:** why does a head need sharper scores when the context gets longer? (With more rivals the same gap buys a smaller share.)

# %% [markdown] claims="C074"
# **C074 · true.** *“Answering ‘to prevent overflow’ misses the point.”* A stable softmax has no overflow at any
# scale. It stays finite for scores 80 times too large, and has no derivative left. The scale is about conditioning.

# %%
scores = random_scores(64, 64, seed=0)[1]
for factor in (1, 8, 80):
    a = softmax(scores[:300] * factor)
    norm = np.linalg.norm(softmax_jacobian(a), 2, axis=(-2, -1))
    left = np.median(norm / a.max(-1))  # 1 is the most that is possible: the norm never exceeds the top weight
    print(
        f"scaled scores × {factor:2}: all weights finite: {np.isfinite(a).all()}; Jacobian, share of its largest possible {left:.2g}"
    )
claim("C074", np.isfinite(a).all(), True, what="weights finite at 80 times the scaled scores")
claim(
    "C074",
    round(left, 6),
    at_most=1e-3,
    what="norm of the Jacobian there, as a share of its largest possible, median row",
)
half = np.full((1, 128), 30, dtype=np.float16)  # a separate matter: products in half precision
with np.errstate(over="ignore"):
    products = dot(half, half).item(), scaled_dot(half, half).item()
print(f"float16, 128 entries of 30: q·k = {products[0]}; scaled before the product: {products[1]:,.0f}")

# %% [markdown] question="Q033" kind="explain" minutes=3
# ### Why is "to prevent overflow" a weak answer to "why divide by √d_k"?
#
# <details><summary>Hint 1 · direction</summary>
#
# What does any serious softmax do with its scores before it exponentiates?
# </details>
# <details><summary>Hint 2 · insight</summary>
#
# Take overflow away. Is anything still wrong with scores of standard deviation 22?
# </details>
# <details><summary>Sixty-second answer</summary>
#
# Because overflow is solved elsewhere: every softmax subtracts the row maximum, so it is finite for scores of any
# size. And overflow would not explain the constant; any large divisor would do. The real chain is: the variance of a
# dot product is d_k, so gaps are of the order of root d_k; large gaps saturate the softmax; its Jacobian goes to
# zero; the gradient to the scores, and so to W_Q and W_K, starves. Dividing by the standard deviation, root d_k,
# restores unit variance at any head size. There is a real overflow issue in half precision, where the product Q K
# transposed itself can pass 65504. But this is a separate engineering matter: one scales the queries before the
# product, or accumulates in float32.
# </details>
# <details><summary>Full answer</summary>
#
# Three arguments against it:
# 1. **It is already solved.** With $s-\max s$ the exponents are at most 0. Measured above: at 80 times the scaled
#    scores all weights are finite and the Jacobian of the median row is far below a thousandth of its possible size.
# 2. **It does not give the constant.** Overflow asks for "small enough". Only the variance argument singles out
#    $\sqrt{d_k}$: the sd of a sum of $d_k$ uncorrelated unit-variance terms.
# 3. **It predicts the wrong symptom.** Overflow shows as NaN at once. Missing scale shows as a loss that falls slowly
#    or stalls, with one-hot maps in the first steps, and no NaN anywhere.
#
# What is true: $q\cdot k$ in float16 overflows beyond 65504, for instance with 128 entries of 30 on both sides.
# Scaling $q$ *before* the product helps there, float32 accumulation solves it for the sum (though not for storing the
# result in float16), and bfloat16 has the range of float32.
# </details>
# <details><summary>How it is scored</summary>
#
# - **Strong hire**: names max subtraction, gives the variance-saturation-gradient chain, and keeps the half-precision
#   product apart as its own issue.
# - **Lean hire**: knows that it is about gradients rather than overflow, but cannot say why the root of d_k and not
#   another constant.
# - **No hire**: defends overflow as the reason.
# </details>
#
# **Red flag:** "without it the exponentials explode".
#
# **Follow-up:** you see NaN in a float16 run. How do you tell whether it comes from QKᵀ, from the softmax or from an empty row? (Look at the first non-finite tensor: inf scores; finite scores but NaN weights; a row of −∞ only.)

# %% [markdown]
# ## Saturation starves the scores
#
# **Which gradients vanish, and which do not?** Let $L$ be the loss and $g=\partial L/\partial o$ its gradient at the
# output $o=\sum_ja_jv_j$ of one query. (The layer then multiplies $o$ by an output matrix $W_O$ and, through the
# *residual connection*, adds the layer's own input.) Backwards there are two paths:
#
# - to the **values**: $\partial L/\partial v_j=a_j\,g$, from there to $W_V$ and the layers below. A one-hot row
#   passes *all* of $g$ to one value;
# - to the **scores**: $\partial L/\partial s=J\,(Vg)$ with $(Vg)_j=v_j\cdot g$, from there to $W_Q$, $W_K$. If
#   $J\approx0$ nothing passes.
#
# Below, $g$ and $V$ are Gaussian, and each row's gradient at its scores is measured.


# %%
def score_gradients(d, seed):
    """Norm of the gradient at the scores of each of 2048 rows, raw and scaled, for random values and random g."""
    g_values = random_scores(d, 64, seed + 100)[0]  # g · v_j, with g and v_j Gaussian of size d
    norms = []
    for scores in random_scores(d, 64, seed):
        a = softmax(scores)
        norms.append(np.linalg.norm(a * (g_values - (a * g_values).sum(-1, keepdims=True)), axis=-1))
    return norms


gradients = {d: [score_gradients(d, seed) for seed in range(3)] for d in (64, 512)}
for d, seeds in gradients.items():
    for name, which in (("raw", 0), ("scaled", 1)):
        rows = [norms[which] for norms in seeds]
        print(f"d = {d:3}, {name:6}: median row", *(f"{np.median(r):6.3f}" for r in rows), " mean row",
              *(f"{r.mean():5.2f}" for r in rows), " top 1 % from", f"{np.quantile(rows[0], 0.99):.1f}")  # fmt: skip

# %%
fig, axes = plt.subplots(1, 2, figsize=(9, 3.2), sharey=True)
for ax, (d, seeds) in zip(axes, gradients.items(), strict=True):
    for name, norms, line in zip(("raw", "scaled"), seeds[0], ("-", "--"), strict=True):
        ax.plot(
            np.sort(np.maximum(norms, 1e-6)), np.linspace(0, 1, len(norms)), line, marker="", label=name, linewidth=2
        )
    ax.axhline(0.5, color="black", linestyle=":", linewidth=1)
    ax.set(xscale="log", xlabel="norm of a row's gradient (or less than 1e-6)", title=f"d = {d}")
axes[0].set_ylabel("share of rows below")
axes[1].legend(loc="upper left")
show(
    fig,
    "Distribution of row gradients. At d = 64 raw and scaled overlap; at 512 half of the raw rows lie below 0.06, scaled near 4.",
)

# %% [markdown]
# Read the picture from the left. At $d=512$ the median raw row gets a hundredth of the gradient of a scaled one. But
# the raw curve also reaches further to the *right*: in a few rows the two best keys nearly tie, there $J$ is as large
# as it can be, and the gradient several times that of a scaled row. Most rows are deaf and a few shout: a noisy
# signal, not a small one. On the way from the scores to $W_Q$ the factor $1/\sqrt d$ is missing, too. **So the norm
# of the gradient of $W_Q$ proves nothing:** it is *larger* without the scale.


# %%
def parameter_gradients(factor, seed, d=512, n=64):
    """Norms of the gradients of W_Q, W_K, W_V, W_O in one attention layer, for scores q·k times `factor`."""
    rng = np.random.default_rng(seed)
    x, g = (torch.from_numpy(rng.normal(size=(n, d))) for _ in range(2))
    w = [torch.from_numpy(rng.normal(size=(d, d)) / math.sqrt(d)).requires_grad_() for _ in range(4)]
    weights = torch.softmax((x @ w[0]) @ (x @ w[1]).T * factor, -1)
    loss = (weights @ (x @ w[2]) @ w[3] * g).sum()  # g is then the gradient at the output
    return [grad.norm().item() for grad in torch.autograd.grad(loss, w)]


print("norm of the gradient of      W_Q       W_K       W_V       W_O")
for name, factor in (("scaled, 1/√512", 512**-0.5), ("raw", 1.0), ("one-hot (raw × 100,000)", 1e5)):
    by_seed = [parameter_gradients(factor, seed) for seed in range(3)]
    print(f"{name:24}" + "".join(f"{np.mean(norms):10.0f}" for norms in zip(*by_seed, strict=True)))
frozen = by_seed  # of the last line: weights exactly one-hot
larger = [parameter_gradients(1.0, seed)[0] / parameter_gradients(512**-0.5, seed)[0] for seed in range(3)]
print("W_Q: gradient norm raw over scaled, three seeds:", *(f"{ratio:.1f}" for ratio in larger))

# %% [markdown] claims="C003, C158, C135, C159"
# **C003 · imprecise.** *“A one-hot softmax means that gradients vanish and training stops.”* Only the path through
# the scores starves. The values, the output projection and the residual stream learn on. And "vanish" is true of the
# *median row*, 0.03 to 0.06 against 3.8 at $d=512$, not of the norm of the gradient of $W_Q$, which is about 16 times
# larger without the scale.
#
# **C158 · false.** *“Near-zero softmax gradients propagate back, so all weight updates vanish.”* With exactly one-hot
# weights the gradients of $W_Q$ and $W_K$ are 0, those of $W_V$ and $W_O$ are as large as ever, and so are those of
# all lower layers, through the values and the residual.
#
# **C135 · true.** *“The scaling factor prevents vanishing gradients when the dimension is large.”* Of the scores, to
# be exact (C003), and at initialisation.
#
# **C159 · imprecise.** *“Scaling is a key reason why very deep Transformers train.”* Depth is the business of
# residual connections and normalisation, which keep the signal alive from layer to layer. The scale conditions each
# single softmax, in a network of one layer just as well.

# %%
medians = np.array([[np.median(r) for r in norms] for norms in gradients[512]])
claim("C003", medians[:, 0], at_most=0.1, what="median row gradient, d = 512, raw, three seeds")
claim("C003", medians[:, 1], 3.8, 0.2, what="the same after scaling")
claim("C003", larger, at_least=10, what="gradient norm of W_Q, raw over scaled: larger, not smaller")
claim(
    "C158", [max(norms[:2]) for norms in frozen], 0, what="one-hot weights: gradient norm of W_Q and W_K, three seeds"
)
claim("C158", [min(norms[2:]) for norms in frozen], at_least=1000, what="the same for W_V and W_O")

# %% [markdown]
# ## Can the scale be skipped?
#
# **Let us train and see.** A tiny dictionary task. There are 64 words; each has a *question vector* and an unrelated
# *card vector*. In front of the model lie 32 cards, each showing a word and one of 8 labels (the vectors of both are
# added). Asked a word, it must give the label on that word's card. So $W_QW_K^\top$ has to learn which question means
# which card, while $W_V$ and $W_O$ learn to read labels. Chance is $1/8$.
#
# The loss is cross-entropy on the output, *after* $AV$: only so does the gradient go through the Jacobian.

# %%
SEEDS, WORDS, LABELS, CARDS, WIDTH = 3, 64, 8, 32, 64


def stack(rngs, copies, draw):
    """One draw per seed along a first axis, repeated for every setting: (settings · SEEDS, ...)."""
    drawn = torch.from_numpy(np.stack([draw(rng) for rng in rngs]))
    return drawn.float().repeat(copies, 1, 1) if drawn.is_floating_point() else drawn.repeat(copies, 1, 1)


def start(rngs, copies, query_factor):
    """The fixed vectors of questions, cards and labels; and W_Q, W_K, W_V, W_O of variance 1/WIDTH, W_Q times its factor."""
    sizes = [(WORDS, WIDTH), (WORDS, WIDTH), (LABELS, WIDTH)] + [(WIDTH, WIDTH)] * 3 + [(WIDTH, LABELS)]
    question, card, label, *w = (stack(rngs, copies, lambda rng, size=size: rng.normal(size=size)) for size in sizes)
    w = [matrix / math.sqrt(WIDTH) for matrix in w]
    w[0] = w[0] * query_factor
    half = math.sqrt(0.5)  # a card's word and label are added: together of variance 1
    return (question, card * half, label * half), [matrix.requires_grad_() for matrix in w]


def deal(rngs, copies, cards, size=64):
    """Words and labels on the cards of `size` exercises; the word on card 0 is asked for. The model cannot see the order."""
    words = stack(rngs, copies, lambda rng: rng.random((size, WORDS)).argsort(-1)[:, :cards])
    return words, stack(rngs, copies, lambda rng: rng.integers(LABELS, size=(size, cards)))


# %% [markdown]
# A card's vector is word plus label, and before the softmax all is linear. So a score is the question's score with
# the word plus that with the label. Both are computed once for all words and labels, and then looked up; the mixture
# is gathered likewise. This is ordinary attention, arranged so that all settings and seeds train side by side in
# seconds.


# %%
def forward(w, world, words, labels, scale):
    """Scores of the cards (runs, B, cards) and logits of the answer (runs, B, LABELS)."""
    (question, card, label), (w_q, w_k, w_v, w_o) = world, w
    asked = words[..., :1].expand(-1, -1, WIDTH)
    q = torch.gather(question, 1, asked) @ w_q  # (runs, B, WIDTH)
    by_word, by_label = q @ (card @ w_k).mT, q @ (label @ w_k).mT  # (runs, B, WORDS) and (runs, B, LABELS)
    scores = scale * (by_word.gather(-1, words) + by_label.gather(-1, labels))
    weights = torch.softmax(scores, -1)
    on_words = torch.zeros_like(by_word).scatter_add(-1, words, weights)  # how much weight each word got
    on_labels = torch.zeros_like(by_label).scatter_add(-1, labels, weights)
    return scores, (on_words @ card + on_labels @ label) @ w_v @ w_o


# %%
def train(settings, cards=CARDS, on_weights=False, method=lambda w: torch.optim.SGD(w, lr=1)):
    """Train settings {name: (scale, rate, factor of W_Q)}; per name and seed: accuracy, sd of the scores, losses."""
    rngs, copies = [np.random.default_rng(seed) for seed in range(SEEDS)], len(settings)
    columns = zip(*settings.values(), strict=True)
    scale, rate, factor = (torch.tensor(column).float().repeat_interleave(SEEDS)[:, None, None] for column in columns)
    world, w = start(rngs, copies, factor)
    optimizer, losses = method(w), []
    for _ in range(300):
        words, labels = deal(rngs, copies, cards)
        scores, out = forward(w, world, words, labels, scale)
        answer = labels[..., 0]
        guess, target = (scores, torch.zeros_like(answer)) if on_weights else (out, answer)
        loss = torch.nn.functional.cross_entropy(guess.mT, target, reduction="none").mean(-1)  # (runs,)
        optimizer.zero_grad()
        (rate.flatten() * loss).sum().backward()  # SGD of rate 1 then steps by each run's own rate
        optimizer.step()
        losses.append(loss.detach())
    words, labels = deal(rngs, copies, cards, size=1000)
    scores, out = forward(w, world, words, labels, scale)
    right = scores.argmax(-1) == 0 if on_weights else out.argmax(-1) == labels[..., 0]
    table = right.double().mean(-1), scores.detach().std((1, 2)), torch.stack(losses, -1)
    return {name: [column[SEEDS * i :][:SEEDS].numpy() for column in table] for i, name in enumerate(settings)}


# %% tags=["nbval-ignore-output"]
runs = train({
    "scaled, rate 1": (1 / 8, 1, 1),
    "raw, rate 1": (1, 1, 1),
    "raw, rate 0.1": (1, 0.1, 1),
    "raw, rate 0.03": (1, 0.03, 1),
    "raw, rate 0.01": (1, 0.01, 1),
    "raw, W_Q / 8 at the start, rate 0.1": (1, 0.1, 1 / 8),
})  # fmt: skip
adam = {"scaled, Adam, rate 0.003": (1 / 8, 1, 1), "raw, Adam, rate 0.003": (1, 1, 1)}
runs |= train(adam, method=lambda w: torch.optim.Adam(w, lr=0.003))
runs |= train({"raw, rate 0.1, only 8 cards": (1, 0.1, 1)}, cards=8)
print(f"{'accuracy for seeds 0, 1, 2':38}               sd of the scores after training")
for name, (accuracy, spread, _) in runs.items():
    print(f"{name:38}", *(f"{a:4.0%}" for a in accuracy), "       ", *(f"{s:6.1f}" for s in spread))

# %% tags=["nbval-ignore-output"]
fig, ax = plt.subplots(figsize=(7.5, 3.6))
shown = ["scaled, rate 1", "raw, W_Q / 8 at the start, rate 0.1", "raw, rate 0.1", "raw, rate 0.01"]
for name, colour, line in zip(shown, ("C0", "C1", "C2", "C3"), ("-", "--", "-.", ":"), strict=True):
    for seed, loss in enumerate(runs[name][2]):
        smooth = np.convolve(loss, np.ones(10) / 10, "valid")
        ax.plot(smooth, color=colour, linestyle=line, marker="", linewidth=1.5, label=name if seed == 0 else None)
ax.axhline(math.log(LABELS), color="black", linewidth=0.8, label="guessing: ln 8")
ax.set(xlabel="step", ylabel="loss (mean of 10 steps)", ylim=(0, 2.8), title="Dictionary task, three seeds each")
ax.legend(fontsize=8, loc=(0.55, 0.24))
show(
    fig,
    "Training loss over 300 steps, three seeds each: scaled and small-W_Q runs fall to zero, raw runs stay near guessing.",
)

# %% [markdown]
# Read the last column, too. Scaled scores start with sd 1 and end at about 2: where sharp weights were needed,
# training made them, from a start at which it could still be told what to change. The scale fixes the start, not the
# end.

# %% [markdown] claims="C026"
# **C026 · imprecise.** *“The scaling can be skipped at the price of a smaller learning rate.”* It can be skipped if
# it is put elsewhere: T5 has no root and draws $W_Q$ with a standard deviation smaller by $\sqrt{d_k}$. In the task
# above a model that starts so learns as well. A smaller rate alone did not help: raw scores got about half right at
# most, at any of four rates; nor did Adam, at a rate at which the scaled model learns. A smaller rate takes smaller
# steps from the same saturated start. But this is one task: with 8 cards instead of 32, that is fewer rivals, a tenth
# of the rate is enough for nine in ten.

# %% tags=["nbval-ignore-output"]
accuracy = {name: result[0] for name, result in runs.items()}
claim("C026", accuracy["scaled, rate 1"], at_least=0.99, what="accuracy with the scale, three seeds")
claim(
    "C026",
    accuracy["raw, W_Q / 8 at the start, rate 0.1"],
    at_least=0.8,
    what="without it, but W_Q drawn 8 times smaller",
)
for rate in (1, 0.1, 0.03, 0.01):
    claim("C026", accuracy[f"raw, rate {rate}"], at_most=0.67, what=f"raw, rate {rate}")

claim("C026", accuracy["raw, Adam, rate 0.003"], at_most=0.67, what="raw, Adam")
claim("C026", accuracy["raw, rate 0.1, only 8 cards"], at_least=0.8, what="raw, rate 0.1, with 8 cards instead of 32")

rngs = [np.random.default_rng(seed) for seed in range(SEEDS)]
world, w = start(rngs, 1, 1.0)
exercises = deal(rngs, 1, CARDS)
one, other = forward(w, world, *exercises, 1 / 8)[1], forward([w[0] / 8, *w[1:]], world, *exercises, 1)[1]
claim("C026", (one - other).abs().max().item(), 0, 1e-6, what="scale 1/8, or W_Q / 8: the same function")

# %% [markdown]
# **A trap in the demonstration.** Had we put the loss on the *weights* ("cross-entropy, the right card is card 0"),
# raw scores would have trained well. The gradient at the scores is then $a-y$: the logarithm in the loss cancels the
# Jacobian, exactly as in a classifier. Real attention has no label for its weights. A demo like this measures the
# wrong thing, and so does a supervised alignment loss if you use it to argue about scaling.

# %% tags=["nbval-ignore-output"]
easy = train({"raw": (1, 0.1, 1)}, on_weights=True)["raw"][0]
hard = runs["raw, rate 0.1"][0]
print(
    "raw scores, rate 0.1: loss on the weights",
    *(f"{a:.0%}" for a in easy),
    "; loss after A·V",
    *(f"{a:.0%}" for a in hard),
)
assert min(easy) > 0.9 > 0.67 > max(hard)

# %% [markdown] question="Q032" kind="explain" minutes=5
# ### What happens without scaling, and can it be skipped?
#
# <details><summary>Hint 1 · direction</summary>
#
# Give numbers for the top weight at two key sizes. Then follow the gradient backwards.
# </details>
# <details><summary>Hint 2 · insight</summary>
#
# Could another part of the network do the dividing? Would a smaller learning rate be such a part?
# </details>
# <details><summary>Sixty-second answer</summary>
#
# Raw scores have standard deviation root d_k. With 64 random keys the top weight is then about 0.8 at d_k 64 and 0.93
# at 512, against 0.11 with scaling: peaky, though not one-hot in every row. The gradient at the scores collapses for
# the median row, a hundredfold at 512, while a few near-tie rows get huge ones. So the score path learns from noise,
# or stalls; the values, the output projection and the residual still learn. It can be skipped if something else does
# its job: T5 folds the root into the initial W_Q, QK-norm bounds the scores and learns the temperature, muP divides
# by d_k. A smaller learning rate is no substitute: in a retrieval toy scaled models reached 100 percent, raw ones at
# most about half, at four rates and with Adam.
# </details>
# <details><summary>Full answer</summary>
#
# **At initialisation** (64 keys): mean top weight 0.58 / 0.79 / 0.85 / 0.93 at $d_k=16/64/128/512$, always 0.11 with
# the scale. Share of rows above 0.999: 0, 8, 19, 46 %. "Everything is one-hot" is an exaggeration at $d_k=64$.
#
# **Gradients** (512): median row norm at the scores 0.03 to 0.06 raw, 3.8 scaled; but the raw *top* percent is above
# 16, so the norm of $\partial L/\partial W_Q$ is larger without scaling. Most rows are silent, a few shout.
# $\partial L/\partial v_j=a_jg$ is unharmed.
#
# **Training** (dictionary task, three seeds): scaled 100 %; raw 10 to 55 % over four rates and Adam; raw with
# $W_Q/\sqrt{d_k}$ at the start 92 to 100 %.
#
# **Why the start can replace the scale:** scale $1/\sqrt{d_k}$ with $W_Q$, or no scale with $W_Q/\sqrt{d_k}$, is the
# same function. The gradients differ: with respect to the small $W_Q$ they are $\sqrt{d_k}$ times larger, so SGD
# needs another rate for it, and an optimiser with step sizes relative to the weights (T5 used Adafactor) adapts by
# itself.
#
# **Limits.** One toy. With 8 cards instead of 32, raw scores at a tenth of the rate reach nine in ten; with 32
# neither four rates nor Adam help. The claim is about conditioning, not about possibility.
# </details>
# <details><summary>How it is scored</summary>
#
# - **Strong hire**: numbers or a derivation for the sharpness, median versus norm of the gradient, intact value path,
#   and one working substitute with its mechanism.
# - **Lean hire**: saturation and starving scores, but thinks that all gradients vanish, or knows no substitute.
# - **No hire**: "training diverges because scores are big", or proposes a lower learning rate as the cure.
# </details>
#
# **Red flag:** "every row is one-hot and nothing learns".
#
# **Follow-up:** your colleague shows that the norm of the gradient of W_Q is larger without scaling, and concludes that scaling is harmful. What do you plot instead? (The distribution of row norms at the scores, with its median; and the training curve.)

# %% [markdown]
# ### Other scales
#
# Four ideas that come up as follow-ups. All control the same quantity, the spread of the scores.
#
# | idea | formula | what it buys, what it costs |
# |---|---|---|
# | QK-norm | $g\,\hat q\cdot\hat k$, with $\hat q=q/\lVert q\rVert$ (or a layer norm) | scores within $\pm g$ however $W_Q$, $W_K$ grow; one learned $g$ |
# | soft-capping | $c\tanh(s/c)$, Gemma 2: $c=50$ | scores within $\pm c$; derivative $1-\tanh^2$, so it saturates itself |
# | µP | $q\cdot k/d_k$ | right once training has aligned $q$ and $k$: then $q\cdot k$ grows as $d$, not as $\sqrt d$ |
# | softmax with a sink | $e^{s_i}/(1+\sum_je^{s_j})$ | a query may attend to nothing: weights sum to less than 1 |

# %%
rng = np.random.default_rng(0)
q, k = rng.normal(size=(2, 1000, 64)) * 5  # both grown five-fold, as may happen in training
unit = [x / np.linalg.norm(x, axis=-1, keepdims=True) for x in (q, k)]
print(
    f"largest |score|: scaled {abs(scaled_dot(q, k)).max():.0f}, QK-norm with g = 10: {10 * abs(dot(*unit)).max():.1f}"
)
capped, slope_left = 50 * np.tanh(np.array([10, 50, 150]) / 50), 1 - np.tanh(np.array([10, 50, 150]) / 50) ** 2
print("soft-capping the scores 10, 50, 150 at 50:", capped, "; derivative left:", slope_left)

print("Components of q and k with correlation 0.3, as after training. Mean score, divided by")
for d in (64, 256, 1024):
    q, k = broken("q with k", rng, (2000, d))
    mean = (q * k).sum(-1).mean()
    print(f"   d = {d:4}:  √d {mean / math.sqrt(d):5.2f}   d {mean / d:.2f}")

nothing_fits = np.array([-4.0, -5.0, -6.0])
with_sink = softmax(np.append(nothing_fits, 0.0))[:-1]  # the 1 in the denominator is a further key with score 0
print("no key fits, scores -4, -5, -6: softmax", softmax(nothing_fits), "; with a sink", with_sink)

# %% [markdown]
# ## Does additive attention need a scale?
#
# **Bahdanau's score** is $s=v^\top\tanh(z)$ with $z=W_aq+U_ak$ and $d_a$ hidden units. Each hidden unit lies in
# $(-1,1)$. So is the score bounded by 1? No: it is a sum of $d_a$ such units with weights $v_i$, so
# $|s|<\sum_i|v_i|=\lVert v\rVert_1$, and no smaller bound holds, since $z$ can push each unit towards the sign of its
# $v_i$.
#
# The typical size follows as in the proof. Let the $v_i$ be independent with mean 0 and variance $\sigma_v^2$,
# independent of $z$: then $\operatorname{Var}s=d_a\,\sigma_v^2\,E[\tanh^2z]$. For $W_aq$ and $U_ak$ of variance 1
# each, $z\sim\mathcal N(0,2)$ and $E[\tanh^2z]=0.52=0.72^2$.


# %%
def additive_scores(d_a, sd_v, seed, pairs=1500):
    """Scores of random pairs, each with its own v: W_a q and U_a k are Gaussian of variance 1."""
    rng = np.random.default_rng(seed)
    hidden = np.tanh(rng.normal(size=(pairs, d_a)) + rng.normal(size=(pairs, d_a)))
    return (hidden * rng.normal(size=(pairs, d_a)) * sd_v).sum(-1)


HIDDEN = np.array([16, 64, 256, 1024])
plain = np.array([[additive_scores(d, 1, seed).std() for d in HIDDEN] for seed in range(3)])
small = np.array([additive_scores(d, d**-0.5, seed=3).std() for d in HIDDEN])
print("d_a                      ", HIDDEN)
print("sd of the score, v ~ N(0, 1)    ", plain.mean(0).round(1))
print("sd of the score, v ~ N(0, 1/d_a)", small.round(2))

# %%
fig, ax = plt.subplots(figsize=(6.5, 3.3))
ax.loglog(HIDDEN, plain.mean(0), label="v ~ N(0, 1)", markersize=8)
ax.loglog(HIDDEN, small, label="v ~ N(0, 1/d_a)", markersize=8)
ax.loglog(HIDDEN, 0.72 * np.sqrt(HIDDEN), "k:", marker="", label="0.72 √d_a")
ax.set_xticks(HIDDEN, [str(d) for d in HIDDEN])
ax.minorticks_off()
ax.set(
    xlabel="hidden units d_a", ylabel="sd of the additive score", title="Not tanh but a small v keeps the score small"
)
ax.legend(fontsize=9)
show(
    fig,
    "Spread of additive scores against hidden units: grows as 0.72 root d_a for unit-variance v, stays at 0.72 for small v.",
)

# %% [markdown] claims="C075"
# **C075 · false.** *“Additive attention needs no scaling, as tanh keeps the scores within −1 and 1.”* It keeps the
# *hidden units* there. The score is bounded by $\lVert v\rVert_1$, and with $v\sim\mathcal N(0,1)$ its sd is 2.9,
# 5.8, 11.5, 23 for $d_a=16,64,256,1024$: the same $\sqrt{d_a}$ growth as for the dot product. What keeps it small in
# practice is a small initial $v$, of variance $1/d_a$: then the sd is 0.72 at every size. That is the scale, folded
# into the initialisation.

# %%
claim("C075", plain.mean(0), 0.7211 * np.sqrt(HIDDEN), 0.6, what="sd for d_a = 16, 64, 256, 1024, v of variance 1")
growth = [np.polyfit(np.log(HIDDEN), np.log(row), 1)[0] for row in plain]
claim("C075", growth, 0.5, 0.02, what="exponent of the growth, three seeds")
claim("C075", small, 0.72, 0.03, what="sd with v of variance 1/d_a: the same at every size")
v = np.random.default_rng(0).normal(size=64)
reached = float(v @ np.tanh(20 * np.sign(v)))
claim(
    "C075", reached / additive_score_bound(v), 1, 1e-9, what="score over its bound ‖v‖₁ when z follows the signs of v"
)

# %% [markdown] question="Q034" kind="derive" minutes=5
# ### Does additive attention need a √d factor?
#
# <details><summary>Hint 1 · direction</summary>
#
# Write the score as a sum over hidden units. What exactly does tanh bound?
# </details>
# <details><summary>Hint 2 · insight</summary>
#
# Repeat the variance proof with q_i k_i replaced by v_i tanh(z_i). Which factor decides?
# </details>
# <details><summary>Sixty-second answer</summary>
#
# Tanh bounds each hidden unit by one, not the score. The score is v transposed tanh, a sum of d_a units weighted by
# v, so its bound is the L1 norm of v, which grows with d_a. Its typical size follows from the variance argument: d_a
# times the variance of v times the mean of tanh squared, about 0.52 for usual inputs. With unit-variance v the
# standard deviation is 0.72 root d_a, 23 at 1024, so it saturates the softmax just like a raw dot product. With v of
# variance one over d_a it is 0.72 for every size. So additive attention carries its scale in the initialisation of v.
# It is not the tanh that does the job. Whether one writes a factor or a small v is a matter of parametrisation.
# </details>
# <details><summary>Full answer</summary>
#
# $s=\sum_{i=1}^{d_a}v_i\tanh z_i$.
# - **Bound.** $|s|\le\sum_i|v_i||\tanh z_i|<\lVert v\rVert_1$ for $v\neq0$. It is the least upper bound:
#   $z_i\to\pm\infty$ with the sign of $v_i$ comes arbitrarily near.
# - **Variance.** For $v_i$ with mean 0, variance $\sigma_v^2$, uncorrelated, independent of $z$: $E[s]=0$, and the
#   covariances of different terms vanish through $E[v_iv_j]=0$, whatever the correlations of the hidden units.
#   $\operatorname{Var}s=\sigma_v^2\sum_iE[\tanh^2z_i]$.
# - **Numbers.** For $z\sim\mathcal N(0,2)$, $E[\tanh^2z]=0.520$, root 0.721. So sd $=0.72\,\sigma_v\sqrt{d_a}$: 2.9,
#   5.8, 11.5, 23.1 for $d_a=16,64,256,1024$ at $\sigma_v=1$.
# - **Initialisation.** $\sigma_v^2=1/d_a$, the usual fan-in rule, gives 0.72 at every size. Bahdanau's paper even
#   started $v$ at zero: uniform weights at first, and no factor needed.
# - For one fixed $v$ and uncorrelated hidden units the spread over inputs is about $0.72\lVert v\rVert_2$; the bound
#   is $\lVert v\rVert_1$, larger by up to $\sqrt{d_a}$. After training $v$ may grow, and then the softmax sharpens as
#   anywhere else.
# </details>
# <details><summary>How it is scored</summary>
#
# - **Strong hire**: bound by the L1 norm of v, sd proportional to root d_a for fixed-variance v, and initialisation
#   named as what replaces the factor.
# - **Lean hire**: sees that only the hidden units are bounded, but gives no growth rate.
# - **No hire**: "tanh bounds the scores to ±1, so no scaling is needed".
# </details>
#
# **Red flag:** quoting the 2017 remark that additive attention beats unscaled dot products for large $d_k$ as a proof that tanh does the scaling.
#
# **Follow-up:** is it still true for v = (1, 1, …, 1)? (The bound is d_a. The sd over inputs grows as √d_a only if the hidden units are uncorrelated; else up to d_a.)

# %% [markdown]
# ## From memory
#
# **Who is right?** A colleague's function says in its docstring "puts −∞ above the diagonal" and adds $-10^9$ in its
# code. Is the docstring wrong, or the code? *Either* choice works under a causal mask, where the diagonal is always
# visible, so no row is empty and $-\infty$ is safe. But text and code must agree, since the two differ exactly where
# somebody will reuse the function: in empty rows. Below is a typical answer from memory. Find its five weak points
# before you read on.


# %%
def from_memory(q, k, v, causal=False):
    """Attention for batches; puts -inf above the diagonal if causal."""
    scores = q @ k.transpose(0, 2, 1) / np.sqrt(q.shape[-1])
    if causal:
        n = q.shape[1]
        scores = scores + np.triu(np.ones((n, n)), 1) * -1e9
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    return weights @ v, weights


def attempt(what, *shapes, **options):
    """Run both functions on random arrays of these shapes and say what happened."""
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=shape) for shape in shapes]
    mask = causal_mask(shapes[0][-2], shapes[1][-2]) if options else None
    try:
        same = np.allclose(from_memory(*arrays, **options)[0], scaled_dot_product_attention(*arrays, mask)[0])
        print(f"{what:44} from memory: {'right' if same else 'WRONG'}")
    except ValueError as error:
        print(f"{what:44} from memory: ValueError, {error}")
        same = False
    return same


# %%
three = attempt("3-D, 4 queries, 4 keys, causal", (2, 4, 8), (2, 4, 8), (2, 4, 3), causal=True)
four = attempt("4-D, with a head axis", (2, 3, 4, 8), (2, 3, 4, 8), (2, 3, 4, 8))
two = attempt("2-D, a single sequence", (4, 8), (4, 8), (4, 8))
cached = attempt("3-D, 2 new queries over 5 keys, causal", (2, 2, 8), (2, 5, 8), (2, 5, 8), causal=True)

for dtype in (np.float32, np.float64):  # a row in which nothing is allowed, by adding −1e9 everywhere
    print(f"empty row by -1e9, {dtype.__name__}: {softmax(np.array([1, 2, 3], dtype) + dtype(-1e9))}")
print("empty row by the rule of attn_core: ", softmax(np.array([1.0, 2, 3]) - np.inf))
kept = from_memory(*[np.ones((1, 2, 2), np.float32)] * 3)[0].dtype == np.float32
print("float32 in, float32 out:", kept)

# %% [markdown] claims="C112"
# **C112 · imprecise.** *“The usual NumPy solution from memory, with transpose(0, 2, 1) and −1e9 above the diagonal,
# is correct.”* It is, for 3-D arrays with $n=m$. The fixed transpose fails with a head axis and without a batch axis;
# the $n\times n$ mask fails for a cache; the docstring promises −∞ and the code adds −1e9; and if such a mask covers
# a whole row, float64 returns the weights *as if nothing were masked* (float32 rounds them to uniform). Last,
# `np.sqrt` of an integer is a float64 scalar and turns float32 input into float64. The cures: swap the last two axes,
# a boolean mask with $j\le i+m-n$, a rule for empty rows, `math.sqrt`.

# %%
claim("C112", [three, four, two, cached], [True, False, False, False], what="right for: 3-D, 4-D, 2-D, a cache")
leaked = softmax(np.array([1.0, 2, 3]) - 1e9)
claim("C112", kept, False, what="keeps float32")
claim("C112", leaked, softmax(np.array([1.0, 2, 3])), 1e-6, what="−1e9 on a whole row, float64: as if unmasked")

# %% [markdown] question="Q127" kind="implement" minutes=12
# ### Implement scaled dot-product attention in NumPy from memory: optional mask, numerically stable, any number of leading axes.
#
# <details><summary>Hint 1 · direction</summary>
#
# Four lines: scores, mask, softmax, mixture. Write the shape behind each. Which transpose works for any number of
# axes?
# </details>
# <details><summary>Hint 2 · insight</summary>
#
# `np.swapaxes(k, -1, -2)`, `np.where(mask, scores, -np.inf)`. Then think of a row without a single True.
# </details>
# <details><summary>Sixty-second answer</summary>
#
# Scores are q times k with its last two axes swapped, divided by the root of the key size, taken from the last axis
# of q. If there is a mask, I use a boolean one, true means may attend, broadcast to n by m, and put minus infinity
# where it is false. Stable softmax over the last axis: subtract the row maximum, but zero where the maximum is minus
# infinity; exponentiate; divide by the sum, or by one where it is zero. So an empty row gives zeros rather than NaN.
# Output: weights times v. I return output and weights. The causal mask for n queries over m keys is j at most i plus
# m minus n, aligned at the bottom right, so that it also works with a cache. Tests: rows sum to one, d_v different
# from d_k, n different from m, huge scores, an empty row, and changing a future key must not change the output.
# </details>
# <details><summary>Full answer</summary>
#
# ```python
# def scaled_dot_product_attention(q, k, v, mask=None):
#     scores = q @ np.swapaxes(k, -1, -2) / math.sqrt(q.shape[-1])     # (..., n, m)
#     if mask is not None:                                             # boolean, True = may attend
#         scores = np.where(mask, scores, -np.inf)
#     peak = scores.max(-1, keepdims=True)                             # (..., n, 1)
#     weights = np.exp(scores - np.where(np.isneginf(peak), 0.0, peak))
#     total = weights.sum(-1, keepdims=True)
#     weights = weights / np.where(total == 0, 1.0, total)             # empty row: 0 / 1 = 0
#     return weights @ v, weights                                      # (..., n, d_v), (..., n, m)
#
# def causal_mask(n, m):
#     return np.arange(m) <= np.arange(n)[:, None] + (m - n)
# ```
# - `swapaxes` instead of `transpose(0, 2, 1)` or `.T`: one function for 2-D, 3-D and 4-D input.
# - `math.sqrt` gives a Python float, which keeps float32 input float32; `np.sqrt` of an integer gives a float64
#   *scalar*, which in NumPy 2 promotes the result to float64.
# - A boolean mask cannot be added by mistake; an additive one (0 or −∞) is a *bias*. If both kinds are accepted, tell
#   them apart by dtype.
# - Cost: $nm(d_k+d_v)$ multiply-adds and an $n\times m$ array, which is what a fused kernel avoids.
# </details>
# <details><summary>How it is scored</summary>
#
# - **Strong hire**: runs at once for 2-D to 4-D and n ≠ m, stable, empty-row policy stated, and proposes the leak
#   test (change a future key) unasked.
# - **Lean hire**: right for one rank, stable; mask or n ≠ m needs a hint.
# - **No hire**: unstable softmax or wrong axis, and does not notice when the rows are checked.
# </details>
#
# **Red flag:** multiplying the *weights* by the mask after the softmax. Forbidden keys have then taken their share, and the rows sum to less than one.
#
# **Follow-up:** which of your lines would a fused kernel not have? (The one that stores n × m scores.)

# %% [markdown]
# ## From a blank board
#
# Everything above, told in one go, is the classic opening question. The order of the argument matters more than its
# length:
#
# problem → weighted read → learned score → query, key, value → variance → scale → mask → heads → cost and limit.

# %% [markdown] question="Q035" kind="derive" minutes=8
# ### From a blank board: derive scaled dot-product attention from the sequence-to-sequence problem, then extend it to heads. (5 + 3 minutes)
#
# <details><summary>Hint 1 · direction</summary>
#
# Start with what one fixed vector cannot do. Each later piece should answer a problem that the piece before it leaves
# open.
# </details>
# <details><summary>Hint 2 · insight</summary>
#
# The chain: bottleneck, weighted read, score, separate roles (query, key, value), variance and root, mask, then "one
# softmax gives only one kind of look" and heads.
# </details>
# <details><summary>Sixty-second answer</summary>
#
# A recurrent encoder squeezes a whole sentence into one vector, so long sentences lose. Instead, let the decoder read
# all encoder states, as a weighted mean, with weights from a softmax over scores. The score is a learned similarity;
# the cheapest is a dot product. One vector playing three roles is too tight, so three projections: query, key, value.
# Random dot products have variance d_k, so divide by the root, or the softmax saturates and its scores starve.
# Queries from the same sequence: self-attention; from another: cross-attention. Forbidden positions get minus
# infinity before the softmax. One softmax gives one pattern per position; so h heads of size d over h, each in its
# own subspace, concatenated and mixed by W_O, at the same cost. Time n squared d, memory n squared, path length one.
# Limitation: quadratic in length, and blind to order without positions.
# </details>
# <details><summary>Full answer</summary>
#
# **First five minutes.**
# 1. *Problem.* Encoder states $h_1,\dots,h_m$, decoder state $s$. A fixed-size summary is a bottleneck: its capacity
#    does not grow with $m$.
# 2. *Weighted read.* $c=\sum_ja_jh_j$, $a=\operatorname{softmax}(e)$, $e_j=\text{score}(s,h_j)$. Differentiable, so
#    it is learned end to end.
# 3. *Score.* Additive $v^\top\tanh(W s+Uh_j)$, or bilinear $s^\top Wh_j$. The second is a matrix product for all
#    pairs at once.
# 4. *Roles.* $W=W_QW_K^\top$ of rank at most $d_k$: $q=W_Q^\top s$, $k_j=W_K^\top h_j$; and what is read need not be
#    what is matched: $v_j=W_V^\top h_j$. So $O=\operatorname{softmax}(QK^\top)V$.
# 5. *Scale.* $\operatorname{Var}(q\cdot k)=d_k$ for independent, centred, unit-variance components; gaps of
#    $\sqrt{d_k}$ saturate; $J=\operatorname{diag}(a)-aa^\top\to0$ starves $W_Q,W_K$. Divide by $\sqrt{d_k}$.
# 6. *Self or cross* is only where $Q$ and $K,V$ come from. *Mask*: $+M$ before the softmax; causal $j\le i+m-n$.
#
# **Last three minutes.** One row of weights is one compromise between all reasons to look. Heads: $h$ projections to
# $d_k=d_v=d/h$, each with its own softmax; concatenate to $n\times d$, multiply by $W_O$ ($d\times d$). Four
# $d\times d$ matrices whatever $h$ is, and $n^2d$ multiply-adds for scores and for mixing, each, whatever $h$ is; the
# scale is now $\sqrt{d/h}$. Costs: time $n^2d+nd^2$, weights $hn^2$ numbers, path length 1, no sequential steps.
# Limits: quadratic in $n$; permutation-equivariant, so positions must be added.
# </details>
# <details><summary>How it is scored</summary>
#
# - **Strong hire**: every step is motivated by the one before, the variance argument is derived rather than quoted,
#   shapes are right through the heads, one limitation named, in time.
# - **Lean hire**: all pieces in a sensible order, but the root or the heads are quoted without a derivation, or the
#   time runs out before the heads.
# - **No hire**: writes the final formula first and cannot say why any part is there.
# </details>
#
# **Red flag:** "heads add parameters, that is why they help". At $d_k=d/h$ the count is the same.
#
# **Follow-up:** remove the softmax. What can you now reorder, and what do you lose? (Q(KᵀV), linear time; no competition, unbounded scale.)

# %% [markdown]
# ## Pitfalls
#
# Mistakes that run without an error. Three are executed here; three more were taken apart above: the norm of the
# gradient of $W_Q$, the loss on the weights, and $W_Q=W_K$.

# %%
rng = np.random.default_rng(0)
scores = scaled_dot(rng.normal(size=(5, 64)), rng.normal(size=(8, 64)))  # 5 queries, 8 keys

over_queries = softmax(scores, axis=-2)  # 1. the wrong axis: columns sum to 1, rows do not
sums = over_queries.sum(-1)
print(f"softmax over the queries: row sums {sums}, mean m/n = {sums.mean():.2f}")
assert abs(over_queries.sum(-2) - 1).max() < 1e-12 < abs(sums - 1).max()

by_d = softmax(scores / math.sqrt(64))  # 2. dividing by d instead of its root, here by √d a second time
print(f"divided by d_k: top weights {by_d.max(-1)}, near 1/8 = 0.125; by its root: {softmax(scores).max(-1)}")
assert by_d.max() < softmax(scores).max(-1).min()

try:  # 3. labels that do not fit: seaborn would draw the picture all the same
    heatmap(softmax(scores), rows=list("abcde"), columns=list("ABCDE"))
except ValueError as error:
    print(error)

# %% [markdown]
# ## Analogies, and where they break
#
# | analogy | stands for | where it breaks |
# |---|---|---|
# | a dictionary that answers with a blend | $O=AV$ | a dictionary wants an equal key; here each key contributes, however poor its fit |
# | dividing a cake by enthusiasm | softmax | a louder voice for all changes nothing; only differences do, and exponentially |
# | a thermostat on the choice | temperature $\sqrt{d_k}$ | a thermostat regulates; this is set once, and the weights can override it |
# | a drunkard's walk of $d_k$ steps | $\operatorname{sd}(q\cdot k)=\sqrt{d_k}$ | steps must be uncorrelated; trained $q$ and $k$ march together, as $d_k$ |
# | a jury whose mind is made up | saturation, $J\to0$ | near a tie it overreacts: a few rows get huge gradients |
# | a volume knob before a clipping amplifier | the scale | a knob stays where it is put; a network may turn it back by training $W_Q$ |

# %% [markdown]
# ## In practice
#
# | use | queries, keys and values | scores | scale |
# |---|---|---|---|
# | translation, cross-attention, 30 target and 40 source tokens, $d=512$, 8 heads | $30\times64$; $40\times64$ | $30\times40$ per head | 8 |
# | vision, 196 patches and one class token, $d=768$, 12 heads | all $197\times64$ | $197\times197$ | 8 |
# | chat, one new token over a cache of 4,096, head size 128 | $1\times128$; $4096\times128$ | $1\times4096$ | 11.3 |
#
# **What to do (2026), and what it rests on.**
# - Call the library's fused attention and leave its default scale, $1/\sqrt{d_k}$ with $d_k$ of the head. Set it
#   yourself only if your initialisation or µP asks for it; never do both.
# - Log the largest score and the entropy of a few heads. Scores that keep growing went before diverging losses in
#   published runs (Dehghani et al. 2023, Wortsman et al. 2023); QK-norm or a cap is the usual cure (bounded, as
#   measured above).
# - Judge saturation by the *median* gradient of the scores, not by the norm of a weight's gradient (C003).
#
# **An incident.** Float16, head size 128, NaN after a day. The entries of some q and k had grown to 30:
# $128\cdot30\cdot30=115{,}200>65{,}504$. Scaling q before the product gives about 10,180 (computed above), and the
# run continues. The cause was growth, so a cap or a norm on q and k is the cure; bfloat16 only removes the symptom.

# %% [markdown]
# ## Takeaways
#
# 1. Softmax sees gaps and nothing else: 45 against 44.9 is 0.525 against 0.475 ([Softmax](#Softmax), C094).
# 2. $\operatorname{Var}(q\cdot k)=d_k$ needs independence of $q$ and $k$, mean 0, variance 1, and uncorrelated
#    components on one side; no normality, and nothing about the data ([The variance proof](#The-variance-proof),
#    [When the assumptions fail](#When-the-assumptions-fail)).
# 3. A saturated row is deaf in *every* entry, the winner's too: norm of $J$ at most $2(1-\max a)$
#    ([The Jacobian and saturation](#The-Jacobian-and-saturation)).
# 4. What starves is the score path of most rows. Values and residual learn on, and the norm of $W_Q$'s gradient
#    misleads ([Saturation starves the scores](#Saturation-starves-the-scores)).
# 5. The scale can live elsewhere, in $W_Q$, in $v$, in a norm, but a small learning rate is not such a place
#    ([Can the scale be skipped?](#Can-the-scale-be-skipped?)).

# %% [markdown]
# ## Cheat sheet
#
# | concept | formula | in one line | red flag |
# |---|---|---|---|
# | attention | $\operatorname{softmax}(QK^\top/\sqrt{d_k}+M)V$ | score, scale, mask, normalise, mix | scale by $\sqrt{d_{model}}$ with heads |
# | softmax | $a_i/a_j=e^{s_i-s_j}$ | only gaps count | "large scores are one-hot" (C094) |
# | stable softmax | $e^{s-\max s}$, normalised | shift by the row maximum; empty rows need a rule | an epsilon in the denominator |
# | Jacobian | $\operatorname{diag}(a)-aa^\top$ | norm at most ½, zero when one-hot | "only losers lose gradient" (C073) |
# | variance | $\operatorname{Var}(q\cdot k)=d_k$ | uncorrelated terms add | "because they are Gaussian" (C093) |
# | range at $d=64$ | sd 8, extremes ±42, bound ±64 | typical is not maximal | "from −64 to 64" (C024) |
# | temperature | $\operatorname{softmax}(s/\tau)$, $\tau=\sqrt{d_k}$ | a start, not a limit | "for overflow" (C074) |
# | saturation | $\partial L/\partial s=J\,Vg$ | scores starve, values do not | "all updates vanish" (C158) |
# | without scale | fold $1/\sqrt{d_k}$ into $W_Q$ | same function, other gradients | "just lower the rate" (C026) |
# | additive score | sd $0.72\,\sigma_v\sqrt{d_a}$, bound $\lVert v\rVert_1$ | a small $v$ does the scaling | "tanh bounds the score" (C075) |

# %% [markdown]
# ## Check yourself
#
# Mark each row from 1 (cannot), 2 (vaguely), 3 (can explain), 4 (can derive) to 5 (could teach). Aim at 4; come
# back to what is below in three days.
#
# | I can | 1–5 | if below 4 |
# |---|---|---|
# | state attention with all shapes, $n\ne m$, $d_v\ne d_k$ | | [Scaled dot-product attention](#Scaled-dot-product-attention) |
# | write a softmax that survives 1000, −∞ and an empty row | | [Softmax without overflow](#Softmax-without-overflow), task `scaling.softmax` |
# | derive $J$ and say who starves | | [The Jacobian and saturation](#The-Jacobian-and-saturation), task `scaling.softmax_jacobian` |
# | prove the variance, naming each assumption where it is used | | [The variance proof](#The-variance-proof), tasks `scaling.dot_variance`, `scaling.proof` |
# | say what happens without the scale, with numbers and the limits of the claim | | [Can the scale be skipped?](#Can-the-scale-be-skipped?), task `scaling.scaled_scores` |
# | do the same for additive attention | | [Does additive attention need a scale?](#Does-additive-attention-need-a-scale?), task `scaling.additive_bound` |
# | code the whole thing from memory in ten minutes | | [From memory](#From-memory), task `scaling.attention` |

# %% [markdown]
# ## Now you
#
# Open [your copy of the assignment](../work/06_scaling/06_scaling.ipynb) (made by `make study`; the
# [released exercise](../exercises/06_scaling/06_scaling.ipynb) stays untouched): six small functions and the written
# proof. A check tells you at once whether you are right and, if not, which mistake it is.
#
# **Sources.** Vaswani et al. 2017, *Attention Is All You Need*, section 3.2.1 and footnote 4 (formula, variance).
# Bahdanau, Cho and Bengio 2015, appendix A.1.2 (additive score) and B.1 (its initialisation). Raffel et al. 2020
# (T5). Dehghani et al. 2023, *Scaling Vision Transformers to 22 Billion Parameters*, and Wortsman et al. 2023,
# *Small-scale proxies for large-scale Transformer training instabilities* (growing scores, QK-norm). Henry et al.
# 2020, *Query-Key Normalization for Transformers*. Yang et al. 2022, *Tensor Programs V* (µP). Gemma Team 2024,
# *Gemma 2* (soft-capping). Xiao et al. 2024, *Efficient Streaming Language Models with Attention Sinks*. Martins and
# Astudillo 2016, *From Softmax to Sparsemax*. Zhou et al. 2018, *Deep Interest Network* (no normalisation).
