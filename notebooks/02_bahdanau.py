# %% [markdown]
# # 02 · Bahdanau: additive attention, derived and built
#
# - **Time:** 75 minutes, questions included.
# - **Prerequisites:** [01 · Bottleneck](01_bottleneck.ipynb): what an encoder–decoder is, and why one vector is not
#   enough. A recurrent cell, a matrix product, softmax.
# - **Interview kinds:** *derive*, *implement* and *compute*; the classic warm-up of research and applied rounds.
#
# **Objectives.** When you are through, you can
# 1. derive additive attention from the paper's equations, every quantity with its shape;
# 2. write the whole decoder loop, batched and with padding, and mark the line where Luong's differs;
# 3. say why the *previous* state asks, where the context goes, and what is lost if it does not get there;
# 4. read an alignment picture, score it against the truth, and say what it does not prove;
# 5. count the cost of a step with and without the cached projection, and bound the score.

# %% [markdown]
# **How to use this page.** Each idea is a question, a few lines, a measurement, a picture. Lines such as
# `C126 ✓ measured 0, expected 0 ± 1e-12` are assertions: the page cannot be built if one fails. Statements in
# quotation marks are what one hears; many are wrong, and the verdict says so.
#
# Cells with folds are interview questions. Say your answer aloud *before* you open one; the hints come in two steps.
# The assignment that goes with this lecture is [your own copy](../work/02_bahdanau/02_bahdanau.ipynb), which
# `make study` makes, of the [released exercise](../exercises/02_bahdanau/02_bahdanau.ipynb).

# %%
import os

os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy loads: with small matrices, threads only wait for each other

import math
import random
from statistics import median
from time import perf_counter

import numpy as np
import torch
from matplotlib import pyplot as plt
from matplotlib.patches import Rectangle

# %%
from attn_core.lab import claim, fit, heatmap, house_style, show, slider
from attn_core.lab.data import END, START, Pair, Vocabulary, batches, dates, make_batch, names, symbols
from attn_core.seq2seq.alignment import alignment_error_rate, alignment_score, hard_links, uniform_score
from attn_core.seq2seq.bahdanau import (
    additive_attention,
    additive_cost,
    additive_scores,
    decoder_step,
    project,
    projected_scores,
)
from attn_core.seq2seq.bahdanau_decoder import BahdanauDecoder
from attn_core.seq2seq.model import Encoder, Seq2Seq, exact, loss

house_style()
torch.set_num_threads(1)
np.set_printoptions(precision=3, suppress=True)

# %% [markdown]
# ## The task, and the letters
#
# **What shall be translated?** Dates as people write them, in six languages, into the ISO form, character by character.
# The text comes from Unicode's tables of date formats, so there is no end to it; and we *know* which characters carry
# the year, the month and the day. That truth is never shown to the model. It will be used to mark its homework.

# %% tags=["nbval-ignore-output"]
LOCALES = ("en", "de", "fr", "it", "es", "hu")
train = dates(6400, seed=1, locales=LOCALES)
in_training = {pair.source for pair in train}
drawn = dates(510, seed=2, locales=LOCALES)
test = [pair for pair in drawn if pair.source not in in_training][:500]
for pair in train[:5]:
    print(f"{''.join(pair.source):32} → {''.join(pair.target)}")
print(
    sum(p.source in in_training for p in drawn),
    "of",
    len(drawn),
    "drawn for the test occur in training and are dropped",
)
assert len(test) == 500

# %% [markdown]
# | letter | shape | meaning | paper |
# |---|---|---|---|
# | $h_j$, all of them $H$ | $n\times d_h$ | annotation of source position $j$, from both directions | §3.2 |
# | $s_{i-1}$, $s_i$ | $d_s$ | decoder state before and after step $i$ | §3.1 |
# | $y_{i-1}$ | $d_y$ | embedded token that was written last | §3.1 |
# | $e_{ij}$, $a_{ij}$ ($\alpha_{ij}$ in the paper) | $n$ per step | score and weight of position $j$ at step $i$ | eq. 6 |
# | $c_i$ | $d_h$ | context: what step $i$ reads | eq. 5 |
# | $W_a$, $U_a$, $v_a$ | $d_a\times d_s$, $d_a\times d_h$, $d_a$ | two matrices and a **vector**; $d_a$ hidden units | A.1.2 |
#
# In code every array has the batch axis $B$ in front.

# %% [markdown]
# ## Annotations
#
# **What is there to read?** One vector per source position. A forward GRU has read everything up to $j$, a backward
# GRU everything from $j$ to the end; side by side they are the annotation $h_j=[\overrightarrow h_j\,;\overleftarrow h_j]$.
# So $h_j$ is about position $j$, but it has *heard* of the whole source. Keep that in mind for the pictures below.
#
# The cell changes the last character of a source and looks at the annotation of the *first* one.

# %%
torch.manual_seed(0)
letters = Vocabulary("abcdef")
encoder = Encoder(len(letters), 8)  # each direction has 4 units
sources = torch.tensor([letters.encode("abcde"), letters.encode("abcdf")])
H, code = encoder(sources, torch.tensor([5, 5]))
moved = (H[0, 0] - H[1, 0]).abs().detach()
print("annotations (B, n, d_h):", tuple(H.shape), "  code (B, d_h):", tuple(code.shape))
print("the last letter changes h_1: forward half", bool(moved[:4].any()), "· backward half", bool(moved[4:].all()))

# %% [markdown]
# ## The score
#
# **How well does position $j$ fit what the decoder is about to do?** A small network with one hidden layer is asked.
# The state and the annotation are each projected to $d_a$ hidden units, **added**, squashed, and weighed by $v_a$:
#
# $$e_{ij}=v_a^\top\tanh(W_a s_{i-1}+U_a h_j).$$
#
# *By hand.* Let all sizes be 1, $W_a=U_a=1$, $v_a=5$, $s=\ln2$. For $h=0$: $\tanh(\ln 2)=\frac{2-1/2}{2+1/2}=0.6$, so
# $e=3$. For $h=-\ln2$ the sum is $0$, so $e=0$. The tanh is what makes the pair matter: without it
# $e_{ij}=v_a^\top W_as+v_a^\top U_ah_j$, the state would add the same to every position, and softmax would not see it.

# %%
one = np.ones((1, 1))
s, H = np.array([[math.log(2)]]), np.array([[[0.0], [-math.log(2)]]])  # (B, d_s) = (1, 1); (B, n, d_h) = (1, 2, 1)
print("by hand 3 and 0:", additive_scores(s, H, one, one, np.array([5.0])))

rng = np.random.default_rng(0)
B, n, d_s, d_h, d_a = 2, 5, 3, 6, 4
s, H = rng.normal(size=(B, d_s)), rng.normal(size=(B, n, d_h))
W_a, U_a, v_a = rng.normal(size=(d_a, d_s)), rng.normal(size=(d_a, d_h)), rng.normal(size=d_a)
query, keys = s @ W_a.T, H @ U_a.T
print("W_a s", query.shape, "· with an axis for the positions", query[:, None, :].shape, "· U_a h_j", keys.shape)
print("their sum", (query[:, None, :] + keys).shape, "· after v_a", additive_scores(s, H, W_a, U_a, v_a).shape)

linear = [(q[:, None, :] + keys) @ v_a for q in (query, -3 * query)]  # without tanh, two very different states
weights = [np.exp(x) / np.exp(x).sum(-1, keepdims=True) for x in linear]
print("without tanh the weights stay when the state changes:", bool(abs(weights[0] - weights[1]).max() < 1e-12))
assert abs(weights[0] - weights[1]).max() < 1e-12

# %% [markdown] claims="C126 C128"
# **C126 · true.** *“e_ij = v_aᵀ tanh(W_a s_{i−1} + U_a h_j), softmax over j, c_i = Σ_j a_ij h_j.”* With $v_a$ a vector,
# $W_a$ and $U_a$ matrices, and $h_j$ the forward and backward states side by side. The cell writes it out as four
# nested loops and compares.
#
# **C128 · true.** *“Additive attention is useful when query and key sizes differ.”* Each side has its own projection,
# so $d_s\ne d_h$ is no problem. The bilinear score $s^\top Wh$ can do the same; only the bare dot product cannot.

# %%
context, weights = additive_attention(s, H, np.array([5, 3]), W_a, U_a, v_a)
worst = 0.0
for b, length in enumerate((5, 3)):  # sentence b has `length` real positions
    e = []
    for j in range(length):
        units = [math.tanh(sum(W_a[k] * s[b]) + sum(U_a[k] * H[b, j])) for k in range(d_a)]
        e.append(sum(v_a[k] * units[k] for k in range(d_a)))
    a = [math.exp(x) / sum(map(math.exp, e)) for x in e]
    c = sum(a[j] * H[b, j] for j in range(length))
    worst = max(worst, abs(weights[b, :length] - a).max(), abs(context[b] - c).max(), weights[b, length:].sum())
claim("C126", worst, expected=0, tolerance=1e-12, what="formula in loops against the batched function")
claim("C128", additive_scores(s, H, W_a, U_a, v_a).shape, expected=(2, 5), what="scores for d_s = 3 and d_h = 6")
bilinear = np.einsum("bs,sh,bnh->bn", s, rng.normal(size=(d_s, d_h)), H)
claim("C128", bilinear.shape, expected=(2, 5), what="the bilinear score for the same sizes")

# %% [markdown]
# **How large can a score get?** Each hidden unit is a tanh, so it lies strictly between $-1$ and $1$, and
#
# $$|e_{ij}|\;\le\;\sum_k|v_{a,k}|=\lVert v_a\rVert_1 ,$$
#
# whatever the state and the annotation are. The bound is the 1-norm of $v_a$, *not* 1. A dot product has no such bound:
# it grows with the product of the lengths. So additive scores cannot run away, but a large $v_a$ can still saturate the
# softmax ([06 · Scaling](06_scaling.ipynb) has the numbers).

# %%
sizes = np.geomspace(0.1, 100, 13)
bound = abs(v_a).sum()
additive = [abs(additive_scores(size * s, size * H, W_a, U_a, v_a)).max() for size in sizes]
product = [abs(np.einsum("bs,bns->bn", size * s, size * H[..., :d_s])).max() for size in sizes]
print(f"largest |score| with inputs 100 times larger: additive {additive[-1]:.2f} (bound ‖v‖₁ = {bound:.2f}), "
      f"dot {product[-1]:,.0f}")  # fmt: skip
assert max(additive) <= bound

fig, ax = plt.subplots(figsize=(6.5, 3.2))
ax.loglog(sizes, additive, label="additive")
ax.loglog(sizes, product, label="dot product")
ax.axhline(bound, color="black", linestyle=":", label=f"‖v‖₁ = {bound:.2f}")
ax.set(xlabel="factor on state and annotations", ylabel="largest |score|", title="tanh bounds the units, v the score")
ax.legend(fontsize=9)
show(
    fig,
    "Largest score against the size of the inputs: the additive score levels off at the 1-norm of v, the dot product grows as the square.",
)

# %% [markdown]
# ## Weights and context
#
# **How do scores become something to read?** Softmax over the source positions, then a weighted sum:
#
# $$a_{ij}=\frac{e^{e_{ij}}}{\sum_{l\le n}e^{e_{il}}},\qquad c_i=\sum_j a_{ij}h_j .$$
#
# In a batch the sentences have different lengths, and the shorter ones are padded. Padding must get a weight of exactly
# 0, so its score becomes $-\infty$ *before* the softmax; afterwards it would have taken its share already. The test that
# finds every mistake here: put garbage into the padding and see whether the context moves.

# %%
lengths = np.array([5, 3])
garbage = H.copy()
garbage[1, 3:] = 1e6  # sentence 1 has 3 real positions
moved = abs(additive_attention(s, garbage, lengths, W_a, U_a, v_a)[0] - context).max()
print("weights of sentence 1:", weights[1], "· garbage moves the context by", moved)
assert moved == 0

scores = additive_scores(s, garbage, W_a, U_a, v_a)  # the common mistake: mask after the softmax
late = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True) * (np.arange(5) < lengths[:, None])
print(f"masked after the softmax: row sums {late.sum(-1)}")
assert late.sum(-1)[1] < 0.999

# %% [markdown] question="Q008" kind="implement" minutes=6
# ### Implement additive attention with a padding mask, batched.
#
# <details><summary>Hint 1 · direction</summary>
#
# Write the shapes first: s is (B, d_s), H is (B, n, d_h), the scores must be (B, n). Where do B and n meet?
# </details>
# <details><summary>Hint 2 · insight</summary>
#
# The projected state needs an axis of size 1 where the positions are. The mask is `arange(n) < lengths[:, None]` and acts
# between score and softmax. What should a sentence of length 0 give?
# </details>
# <details><summary>Sixty-second answer</summary>
#
# Project the state, B by d_a, and insert an axis: B, 1, d_a. Project the annotations: B, n, d_a. Add with broadcasting,
# tanh, and multiply by the vector v_a: scores B by n. The mask is arange of n less than lengths. Fill the scores outside
# with minus infinity, softmax over the last axis, which is the source axis. Context: weights B, 1, n times H, squeezed:
# B by d_h. A row without any word would be NaN, so I set it to zero. I fill rather than add minus infinity, because
# adding leaves NaN in the backward pass of empty rows. Test: change the padding, nothing may change; rows sum to one;
# equal scores give the mean of the real annotations; compare with a loop over sentences.
# </details>
# <details><summary>Full answer</summary>
#
# ```python
# def additive_attention(s, H, lengths, W_a, U_a, v_a):
#     hidden = torch.tanh((s @ W_a.T)[:, None, :] + H @ U_a.T)        # (B, 1, d_a) + (B, n, d_a)
#     scores = hidden @ v_a                                           # (B, n)
#     real = torch.arange(H.shape[1]) < lengths[:, None]              # (B, n)
#     weights = torch.softmax(scores.masked_fill(~real, -math.inf), dim=-1).nan_to_num()
#     return (weights[:, None, :] @ H)[:, 0, :], weights              # (B, 1, n) @ (B, n, d_h)
# ```
# - `s @ W_a.T` broadcast *without* the new axis pairs sentence $b$ with position $b$, and runs without an error
#   whenever $B=n$ or $B=1$.
# - Filled with $-10^9$ instead, a sentence of length 0 gets uniform weights over its padding; with $-\infty$ it is
#   NaN, made 0 here. The gradient of a *filled* place is 0; of an *added* $-\infty$ in an empty row it is NaN.
# - The largest array is `hidden`, $B\,n\,d_a$ numbers, and the backward pass keeps it for every decoder step.
# - In a decoder, `H @ U_a.T` moves out of the loop (see [What a step costs](#What-a-step-costs)).
# </details>
# <details><summary>How it is scored</summary>
#
# - **Strong hire**: right at once with the new axis, mask before softmax, a stated rule for empty rows, and proposes the
#   padding test unasked.
# - **Lean hire**: right for full sentences; mask or the empty row only when asked.
# - **No hire**: softmax over the batch or the feature axis, or the mask multiplied onto the weights.
# </details>
#
# **Red flag:** multiplying the weights by the mask. The rows then sum to less than one, as measured above.
#
# **Follow-up:** all sentences have the same length. Which lines can go? (The line `real` and, in the next, `masked_fill` and `nan_to_num`; the softmax axis stays.)

# %% [markdown] claims="C205"
# **C205 · true.** *“matmul(query, enc.T) gives weights [1, n], then the context is [1, dim].”* For one sentence without
# a batch axis (and with a softmax between the two products). With a batch, `.T` reverses *all* axes, $(B,n,d)$ becomes $(d,n,B)$: use
# `swapaxes(-1, -2)`. NumPy then complains about the sizes, or, if $B=n=d$, computes nonsense in silence.

# %%
query, enc = rng.normal(size=(1, 6)), rng.normal(size=(5, 6))  # one sentence, 5 positions
scores = query @ enc.T
a = np.exp(scores) / np.exp(scores).sum()
claim("C205", scores.shape, expected=(1, 5), what="2-D: scores [1, n]")
claim("C205", (a @ enc).shape, expected=(1, 6), what="2-D: context [1, dim]")

query, enc = rng.normal(size=(4, 1, 4)), rng.normal(size=(4, 4, 4))  # B = n = d = 4: the trap is silent
right, wrong = query @ enc.swapaxes(-1, -2), query @ enc.T
claim("C205", right[2, 0, 3], query[2, 0] @ enc[2, 3], tolerance=1e-12, what="3-D with swapaxes: a dot product")
claim("C205", abs(right - wrong).max(), at_least=0.1, what="3-D with .T: no error, and a difference of up to")

# %% [markdown]
# ## The state update
#
# **Where does the context go?** Into the state of the same step, next to the last token:
#
# $$s_i=\operatorname{GRU}\big(s_{i-1},\,[y_{i-1}\,;c_i]\big),\qquad p(y_i)=\operatorname{softmax}\big(g(y_{i-1},s_i,c_i)\big).$$
#
# **Why does the previous state ask?** Because $s_i$ is *made from* $c_i$. If $s_i$ were also the query for $c_i$, each
# would need the other first. So $s_{i-1}$ asks, $c_i$ answers, $s_i$ follows. Luong's decoder breaks the circle at the
# other end: it makes $s_i$ without $c_i$, asks with it, and uses the context for the output (and, with input feeding, for
# the next step) only.
#
# **The cell**, with $x=[y_{i-1}\,;c_i]$ and $s=s_{i-1}$, as `torch.nn.GRUCell` computes it. Its weights have $3d_s$ rows: the
# reset gate $r$ first, then the update gate $z$, then the candidate $\tilde s$.
#
# $$r=\sigma(W_{ir}x+b_{ir}+W_{hr}s+b_{hr}),\qquad z=\sigma(W_{iz}x+b_{iz}+W_{hz}s+b_{hz}),$$
# $$\tilde s=\tanh\!\big(W_{ic}x+b_{ic}+r\odot(W_{hc}s+b_{hc})\big),$$
# $$s_i=(1-z)\odot\tilde s+z\odot s .$$
#
# The reset gate acts on the old state's share of the candidate, not on $x$. The paper resets $s$ *before* the
# product with $W_{hc}$, torch *after* it, bias included; and the paper's update gate is torch's $1-z$. Mind which one is meant.
#
# The order can be seen in the gradients: what depends on what, within one call?

# %%
torch.manual_seed(0)
B, n, d_y, d_s, d_h, d_a = 1, 4, 3, 5, 6, 4
y_prev, s_prev, H = (torch.randn(*shape, dtype=torch.float64) for shape in ((B, d_y), (B, d_s), (B, n, d_h)))
score = [torch.randn(*shape, dtype=torch.float64) for shape in ((d_a, d_s), (d_a, d_h), (d_a,))]
cell = [
    torch.randn(*shape, dtype=torch.float64) for shape in ((3 * d_s, d_y + d_h), (3 * d_s, d_s), (3 * d_s,), (3 * d_s,))
]
inputs = {"y_{i-1}": y_prev, "s_{i-1}": s_prev, "h_j": H}
for tensor in inputs.values():
    tensor.requires_grad_()
s_new, c, a = decoder_step(y_prev, s_prev, H, torch.tensor([n]), *score, *cell)
depends = np.array([
    [float(torch.autograd.grad(out.square().sum(), x, retain_graph=True, allow_unused=True)[0] is not None)
     for x in inputs.values()] for out in (a, c, s_new)
])  # fmt: skip
print("shapes: weights", tuple(a.shape), "context", tuple(c.shape), "new state", tuple(s_new.shape))
print(
    "depends on",
    list(inputs),
    *(f"\n{name:10}{row.astype(bool)}" for name, row in zip(("a_i", "c_i", "s_i"), depends, strict=True)),
)

# %% [markdown]
# The weights and the context depend on the old state and the annotations, not on the last token (other than through
# the old state). The new state depends on all three.

# %% [markdown] claims="C132 C204 C127"
# **C132 · imprecise.** *“In Bahdanau the context goes into the NEXT hidden state.”* Into the state $s_i$ of the very step at
# which it was read. It is “next” only seen from $s_{i-1}$, the state that asked.
#
# **C204 · imprecise.** *“Decoder recipe: combine context with state, predict, then feed the combined vector to the next
# step.”* That is Luong's decoder with input feeding. In Bahdanau's the context enters the cell *before* the
# prediction, and nothing that the readout makes is fed back, only the token it chose.
#
# **C127 · imprecise.** *“Bahdanau predicts y_i from the concatenation of c_i, s_{i−1} and the previous word.”* The main
# text has $p(y_i)=g(y_{i-1},s_i,c_i)$. The appendix (A.2.2) does write the readout with $s_{i-1}$, followed by maxout
# and softmax; but in both, $c_i$ also updates the state, and the sentence leaves that out.


# %%
def changes(step, **other):
    """How far each output of a step moves when one of its inputs is exchanged."""
    before, after = (
        decoder_step(x["y"], x["s"], x["H"], torch.tensor([n]), *score, *cell) for x in (step, step | other)
    )
    return [(p - q).abs().max().item() for p, q in zip(before, after, strict=True)]


step = {"y": y_prev.detach(), "s": s_prev.detach(), "H": H.detach()}
same_weights = changes(step, H=step["H"] + 0.1 * torch.linalg.svd(score[1])[2][-1])  # moves h_j where U_a is blind
claim("C132", same_weights[2], 0, 1e-12, what="other annotations, chosen so that the weights stay: change of a_i")
claim("C132", same_weights[0], at_least=1e-3, what="... and the change of s_i, through c_i alone, in the same step")
claim("C204", changes(step, y=step["y"] + 1)[1], 0, what="another last token: change of c_i, which is read before")

without_c = cell[0].clone()
without_c[:, d_y:] = 0  # the columns of W_ih that read the context
s_blind = decoder_step(step["y"], step["s"], step["H"], torch.tensor([n]), *score, without_c, *cell[1:])[0]
claim("C127", (s_blind - s_new).abs().max().item(), at_least=0.1, what="c_i dropped from the cell: change of s_i")

# %%
torch.manual_seed(0)
decoder = BahdanauDecoder(symbols=9, width=8)
memory = decoder.start(torch.randn(1, 5, 8), torch.randn(1, 8), torch.tensor([5]))
before, after, _ = decoder.step(torch.tensor([4]), memory)
decoder.out.weight.data *= 5  # another readout
other, after_other, _ = decoder.step(torch.tensor([4]), memory)
moved = [(p - q).abs().max().item() for p, q in ((before, other), (after.s, after_other.s))]
claim("C204", moved[0], at_least=0.1, what="another readout: change of the logits")
claim("C204", moved[1], 0, what="... and of the state, which is all that the next step gets from this one")

# %% [markdown]
# **The readout** $g$ is a *maxout* layer: project $[s_i\,;y_{i-1}\,;c_i]$ to $2l$ numbers, keep the larger one of each pair,
# then a linear layer and softmax over the vocabulary. Today one would take any small network; the maxout is a detail
# that interviewers like to hear named.

# %% [markdown]
# ## The whole loop
#
# **What does the decoder look like from the outside?** First one step, in both orders. The two lines change places, and with them
# what each can see.


# %%
def bahdanau_step(d, y, memory):
    """Attend, then update: the context is read by the old state and enters the new one."""
    context, _ = d.attend(memory)  # s_{i-1} asks; padding is masked in here
    memory = memory._replace(s=d.update(y, context, memory.s))  # s_i = GRU(s_{i-1}, [y ; c_i])
    return d.readout(y, context, memory.s), memory


def luong_step(d, y, memory):
    """Update, then attend: the new state asks, and the context serves the output (and, with input feeding, the next step)."""
    memory = memory._replace(s=d.update(y, torch.zeros_like(y), memory.s))  # s_i without c_i
    context, _ = d.attend(memory)  # s_i asks
    return d.readout(y, context, memory.s), memory


# %% [markdown]
# Then the loop around it, which both share. Teacher forcing means that in training the *true* last token is fed, whatever the
# decoder would have written.


# %%
def decode(model, source, lengths, step, limit=12, truth=None):
    """The tokens (B, T). With `truth` (B, T) the true token is fed: the training mode."""
    annotations, code = model.encoder(source, lengths)  # once: (B, n, d_h), (B, d_h)
    memory = model.decoder.start(annotations, code, lengths)  # once: mask, U_a h_j, s_0; nothing survives a batch
    token = torch.full((len(source),), START)
    ended, tokens = torch.zeros(len(source), dtype=torch.bool), []
    for i in range(limit if truth is None else truth.shape[1]):
        logits, memory = step(model.decoder, model.decoder.embedding(token), memory)  # (B, V)
        chosen = logits.argmax(-1)
        tokens.append(chosen)
        token = chosen if truth is None else truth[:, i]
        ended |= chosen == END
        if truth is None and ended.all():  # every sentence has written its end mark
            break
    return torch.stack(tokens, 1)


# %%
class Traced(BahdanauDecoder):
    """Writes down the order of what happens."""

    def __getattribute__(self, name):
        if name in ("attend", "update", "readout"):
            events.append(name)
        return super().__getattribute__(name)


sources = Vocabulary(symbols(p.source for p in train + test))
targets = Vocabulary(symbols(p.target for p in train + test))
examination = make_batch(test, sources, targets)
torch.manual_seed(0)
fresh = Seq2Seq(Encoder(len(sources), 16), Traced(len(targets), 16))
for step in (bahdanau_step, luong_step):
    events = []
    written = decode(fresh, examination.source, examination.lengths, step)
    print(f"{step.__name__:14} {' → '.join(events[:6])} …   tokens {tuple(written.shape)}")
library = fresh.translate(examination.source, examination.lengths, 12).tokens
assert torch.equal(decode(fresh, examination.source, examination.lengths, bahdanau_step), library)

# %% [markdown] question="Q014" kind="implement" minutes=8
# ### Write the full decoder loop of an attention RNN and mark where the two classic variants differ.
#
# <details><summary>Hint 1 · direction</summary>
#
# Four things happen in a step: attend, cell, output, choose a token. Which must come before which?
# </details>
# <details><summary>Hint 2 · insight</summary>
#
# Ask for each variant: which state is the query, and which later computation gets the context?
# </details>
# <details><summary>Sixty-second answer</summary>
#
# Before the loop: encode, project the annotations once, build the padding mask, make the first state. In each step of
# Bahdanau: score with the previous state, softmax over the source, context; then the cell with last token and context;
# then the output from token, new state and context. In Luong: first the cell with the last token, then score with the
# new state, context, then the attentional vector, tanh of W times context and state, and the output from that; with
# input feeding this vector goes to the next step. The context is B, 1, n times B, n, d. In training I feed the true last token
# and sum the cross-entropy over real steps; at test time I feed my own token and stop when every sentence has written the
# end mark, or at a limit. State and mask are fresh per batch; inside a sentence nothing is detached.
# </details>
# <details><summary>Full answer</summary>
#
# The code is in the cells above. The two orders, in one table:
#
# | | Bahdanau 2015 | Luong 2015 |
# |---|---|---|
# | query | $s_{i-1}$ | $s_i$ (written $h_t$) |
# | order | score → $c_i$ → cell → output | cell → score → $c_i$ → $\tilde h_i$ → output |
# | context enters | the state $s_i$, and the readout | $\tilde h_i=\tanh(W_c[c_i;s_i])$ only; with input feeding the next step's input |
# | shapes, the same | scores $B\times n$; $(B,1,n)(B,n,d_h)\to(B,1,d_h)$ | |
#
# - **Once per batch**: encoder, $U_ah_j$, mask, $s_0$. Carrying a state over from the last batch would mix strangers.
# - **Training**: teacher forcing, loss over the real steps only (padding ignored), gradients through all steps; *no*
#   detach inside a sentence, or the early decisions never learn from late errors.
# - **Inference**: greedy or beam; stop at END per sentence, and have a limit for the model that never ends.
# - The loop is sequential: $s_i$ needs $c_i$, which needs $s_{i-1}$. That is what the Transformer removed for training.
# </details>
# <details><summary>How it is scored</summary>
#
# - **Strong hire**: both orders right, the projection outside the loop, mask, end mark and teacher forcing in place, and
#   knows where gradients flow.
# - **Lean hire**: one order right from memory, the other after a nudge; mask or stopping rule forgotten at first.
# - **No hire**: queries with a state that does not exist yet, or recomputes the encoder in every step.
# </details>
#
# **Red flag:** "attend with s_i, then compute s_i from the context". That is a circle, not an algorithm.
#
# **Follow-up:** which variant could compute all states of a teacher-forced sentence before attending? (Luong without input feeding.)

# %% [markdown]
# ## Alignments that nobody taught
#
# **Does it learn where to look?** A bidirectional GRU of 64 units, the decoder of this page, 100 batches of 64 dates. The
# loss sees characters only. The share of *exactly* right dates is measured on 500 that the model has not seen.


# %% tags=["nbval-ignore-output"]
def trained(decoder, seed=0, width=64, steps=100):
    torch.manual_seed(seed)
    model = Seq2Seq(Encoder(len(sources), width), decoder(len(targets), width))
    losses = fit(model, loss, batches(train, sources, targets, size=64, seed=seed), steps, learning_rate=0.01)
    return model.eval(), losses, exact(model, examination).double().mean().item()


model, losses, accuracy = trained(BahdanauDecoder)
print(f"loss: first {losses[0]:.2f}, after 50 steps {losses[49]:.2f}, last {losses[-1]:.3f}")
print(f"dates that are right in every character: {accuracy:.1%} of 500")
assert accuracy > 0.9

# %% [markdown]
# **The picture.** One row per character that was written, one column per character of the source, dark where the
# weight is large. The frames are the truth: the characters of the field that the row belongs to. Rows of hyphens have no
# truth and no frame. Check the labels first, always: a picture whose labels are off by one looks just as convincing.

# %% tags=["nbval-ignore-output"]
with torch.no_grad():
    attention = model(examination).weights.numpy()  # (500, T, n), with the true last token fed at every step
maps = [attention[b, : len(p.target), : len(p.source)] for b, p in enumerate(test)]


def draw_alignment(weights, pair, ax):
    """Weights as shades, the true links as frames. Labels that do not fit the weights are an error."""
    assert weights.shape == (len(pair.target), len(pair.source))
    ax.imshow(weights, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for i, j in pair.links:
        ax.add_patch(Rectangle((j - 0.5, i - 0.5), 1, 1, fill=False, edgecolor="#d55e00", linewidth=0.8))
    ax.set_xticks(range(len(pair.source)), ["␣" if x == " " else x for x in pair.source], fontsize=9)
    ax.set_yticks(range(len(pair.target)), pair.target, fontsize=9)
    ax.grid(visible=False)


# %% tags=["nbval-ignore-output"]
shown = [
    dates(1, seed=seed, locales=[locale], styles=["full"])[0] for seed, locale in ((3, "en"), (5, "it"), (11, "hu"))
]
with torch.no_grad():
    drawn = model(make_batch(shown, sources, targets)).weights.numpy()
drawn = [drawn[b, : len(p.target), : len(p.source)] for b, p in enumerate(shown)]
fig, axes = plt.subplots(3, 1, figsize=(9, 8.4))
for ax, weights, pair in zip(axes, drawn, shown, strict=True):
    draw_alignment(weights, pair, ax)
    ax.set(title=f"{''.join(pair.source)} → {''.join(pair.target)}", ylabel="written")
axes[-1].set_xlabel("source characters; framed: the field that the row is about")
show(fig, "Three heat maps of weights, English, Italian and Hungarian: rows of the year look at the year's digits, "
     "rows of the month at the month's name, rows of the day at the day, wherever the language puts them.")  # fmt: skip

# %% [markdown]
# **A number for the picture.** For every row with a true link, add up the weight that lies on the linked characters, then
# average: the *alignment score*, 1 at best. A reader that looks everywhere alike is the baseline; it gets the share of the
# source that the field fills. A stricter question can be put to the year: does the k-th digit written look at the k-th digit
# read? Take the largest weight of each row as a link; digit to digit is a *sure* link, any other place in the year a
# *possible* one, and the *alignment error rate* (Och and Ney 2003) is 0 if all is sure.

# %% tags=["nbval-ignore-output"]
FIELDS = {"year": range(4), "month": range(5, 7), "day": range(8, 10)}


def by_field(score, maps):
    return {
        name: np.mean([score(w, p.links, rows) for w, p in zip(maps, test, strict=True)])
        for name, rows in FIELDS.items()
    }


found, uniform = by_field(alignment_score, maps), by_field(uniform_score, maps)
hit = {name: np.mean([link in p.links for w, p in zip(maps, test, strict=True) for link in hard_links(w) if link[0] in rows])
       for name, rows in FIELDS.items()}  # fmt: skip
print("field   weight on the truth   uniform   largest weight on the truth")
for name in FIELDS:
    print(f"{name:6}{found[name]:20.2f}{uniform[name]:10.2f}{hit[name]:24.0%}")
errors = []
for w, pair in zip(maps, test, strict=True):
    digits = sorted(j for i, j in pair.links if i == 0)  # the four characters of the year
    sure, possible = {(i, digits[i]) for i in range(4)}, {link for link in pair.links if link[0] < 4}
    errors.append(alignment_error_rate({link for link in hard_links(w) if link[0] < 4}, sure, possible))
print(f"alignment error rate of the year, digit by digit: {np.mean(errors):.2f}")
for name in FIELDS:
    assert found[name] > uniform[name] + 0.3

# %% tags=["nbval-ignore-output"]
fig, ax = plt.subplots(figsize=(6, 3.2))
place = np.arange(3)
for shift, values, label, hatch in ((-0.2, found, "learned", ""), (0.2, uniform, "uniform baseline", "///")):
    labelled = ax.bar(
        place + shift, [values[name] for name in FIELDS], 0.38, label=label, hatch=hatch, edgecolor="black"
    )
    ax.bar_label(labelled, fmt="%.2f", fontsize=9)
ax.set_xticks(place, list(FIELDS))
ax.set(ylim=(0, 1.25), ylabel="weight on the true characters", title="The weights find the fields without being told")
ax.legend(fontsize=9, loc="upper right", ncols=2)
show(
    fig,
    "Bars per field: the learned weights put most of their mass on the true characters of year, month and day, far above uniform.",
)

# %% [markdown]
# Why is the score not 1, though the dates are right? Because the annotation of a *neighbour* has heard of the field too (the
# encoder reads both ways), so looking beside it is no mistake. In the pictures above the first digit of the year is
# often read one place further on, which the error rate counts and the translation does not feel. The weights show where the decoder
# reads, not what is stored there. Move the step yourself:

# %% tags=["nbval-ignore-output"]
chosen, chosen_map = shown[0], drawn[0]


def reading(step, ax=None):
    """Where the decoder looks at one step of one date."""
    pair, row = chosen, chosen_map[int(step)]
    ax = ax or plt.subplots(figsize=(8.5, 2.6))[1]
    linked = {j for i, j in pair.links if i == int(step)}
    for j, weight in enumerate(row):
        ax.bar(
            j,
            weight,
            color="#d55e00" if j in linked else "#0173b2",
            hatch="//" if j in linked else "",
            edgecolor="black",
        )
    ax.set_xticks(range(len(row)), ["␣" if x == " " else x for x in pair.source], fontsize=9)
    so_far = "".join(pair.target[: int(step)])
    ax.set(ylim=(0, 1.05), title=f"written: “{so_far}”, now: “{pair.target[int(step)]}” (hatched: the true field)")
    return ax.figure


def describe(step):
    best = chosen_map[int(step)].argmax()
    return f"Step {step:g}, writing {chosen.target[int(step)]}: most weight on source character {best + 1}, {chosen.source[best]}."


# %% tags=["nbval-ignore-output"]
fig, axes = plt.subplots(3, 1, figsize=(8.5, 6.6))
for ax, step in zip(axes, (0, 6, 9), strict=True):
    reading(step, ax)
    print(describe(step))
show(
    fig,
    "Weights over the source characters at three decoder steps: the first digit of the year, the last of the month, the last of the day.",
)

# %% tags=["nbval-ignore-output"]
slider(reading, "decoder step", range(10), alt=describe)

# %% [markdown]
# ## What the context in the state is for
#
# **Drop $c_i$ from the cell: does it hurt?** The equations say that the context enters the state. Let us take it out, keep
# it in the readout, and train again. The new class differs in one line.


# %% tags=["nbval-ignore-output"]
class ReadoutOnly(BahdanauDecoder):
    """c_i reaches the output, but not the state."""

    def update(self, y, context, s):
        return super().update(y, torch.zeros_like(context), s)


blind, _, blind_accuracy = trained(ReadoutOnly)
print(f"dates right: context in state and readout {accuracy:.1%}, in the readout only {blind_accuracy:.1%}")
assert abs(accuracy - blind_accuracy) < 0.08

# %% [markdown]
# On dates it hardly matters! The reason is worth more than the number. Without $c_i$ the state knows only $s_0$ and the
# *written* characters; but after “1993-0” it is clear what comes next and where such a thing stands. **What has been written tells
# where to look.** So look for a task where it does not.
#
# **A treasure hunt.** Five cards lie on the table, in any order. Each has a name (A to E), a colour, and the name of the next card. Begin
# at A and write the colours in the order of the hunt. The colour just written says nothing about the next card; what was
# *read* does. Each card is one symbol, and the encoder is a bare embedding: it cannot solve the hunt in advance, and $s_0$ is the same
# for every hunt.


# %%
def hunts(count, seed):
    """Cards such as "AgC" (name, colour, next; "-" ends the hunt) in random order, and the colours along the path."""
    draw, pairs = random.Random(seed), []
    for _ in range(count):
        path = ["A", *draw.sample("BCDE", 4)]
        following = dict(zip(path, [*path[1:], "-"], strict=True))
        colour = {card: draw.choice("rgb") for card in path}
        cards = [card + colour[card] + following[card] for card in draw.sample(path, 5)]
        links = frozenset((i, [c[0] for c in cards].index(card)) for i, card in enumerate(path))
        pairs.append(Pair(tuple(cards), tuple(colour[card] for card in path), links))
    return pairs


# %%
class Table(torch.nn.Module):
    """An encoder that looks at every card by itself, and gives no summary."""

    def __init__(self, symbols, width):
        super().__init__()
        self.embedding = torch.nn.Embedding(symbols, width)

    def forward(self, source, _lengths):
        annotations = self.embedding(source)
        return annotations, torch.zeros_like(annotations[:, 0])


games, more = hunts(19200, seed=1), hunts(500, seed=2)
print("on the table:", *more[0].source, "  to write:", *more[0].target)

# %% tags=["nbval-ignore-output"]
cards, colours = Vocabulary(symbols(p.source for p in games)), Vocabulary("rgb")
hunting = make_batch(more, cards, colours)
result, looks = {}, {}
for name, kind in (("state and readout", BahdanauDecoder), ("readout only", ReadoutOnly)):
    torch.manual_seed(0)
    player = Seq2Seq(Table(len(cards), 48), kind(len(colours), 48))
    fit(player, loss, batches(games, cards, colours, size=64, seed=0), 300, learning_rate=0.01)
    with torch.no_grad():
        weights = player(hunting).weights[:, :5].numpy()  # (500, 5, 5), columns in the order on the table
    path = np.array([[j for _, j in sorted(p.links)] for p in more])  # (500, 5): where card 1, 2, … of the hunt lies
    looks[name] = np.take_along_axis(weights, path[:, None, :], axis=2).mean(0)  # columns in the order of the hunt
    result[name] = exact(player, hunting).double().mean().item()
    print(
        f"context in {name:18} hunts right {result[name]:.0%}, writing 2: weight on cards 2, 3, 4",
        looks[name][1, 1:4].round(2),
    )

# %% tags=["nbval-ignore-output"]
both, alone = looks["state and readout"], looks["readout only"]
claim("C127", result["state and readout"], at_least=0.85, what="hunts right, c_i in the state and in the readout")
claim("C127", result["readout only"], at_most=0.8, what="hunts right, c_i in the readout only")
claim("C127", both[1, 1], at_least=0.5, what="with c_i in the state: weight on the second card when it is due")
claim("C127", alone[1, 1:4], 0.25, 0.08, what="without: weights of the three middle cards, not told apart")
assert result["state and readout"] > result["readout only"] + 0.1

fig, axes = plt.subplots(1, 2, figsize=(10, 3.6))
for ax, (name, table) in zip(axes, looks.items(), strict=True):
    heatmap(table, rows=[f"write {i}" for i in range(1, 6)], columns=[f"card {i}" for i in range(1, 6)], ax=ax)
    ax.set(title=f"context in {name}: {result[name]:.0%} right", xlabel="cards in the order of the hunt", ylabel="")
show(fig, "Mean weights, steps against cards in the order of the hunt. With the context in the state the second step finds the second card; "
     "without it the three middle cards get the same weight there.")  # fmt: skip

# %% [markdown]
# Look at the row “write 2”. With the context in the state, the decoder knows which card was announced, and finds it. With the
# context in the readout only, the query is a function of the colours written so far, and cards 2, 3 and 4 get *the same* weight: it cannot
# follow. What it still gets right, the readout works out from the blend of all the cards.
#
# And look at the rows below, on the left. The hunts are right, but the weights on the true card are far from 1. The state remembers what
# was read before, so the decoder may read a blend and subtract what it knows. **Where a decoder looks is not all that it knows**: one
# more reason for caution with alignment pictures.

# %% [markdown]
# **Who is right?** (card W10)
#
# - **Anna:** “In Bahdanau's decoder c is fed into the next cell.”
# - **Ben:** “No, c is used together with s_{i−1} to predict y_i.”
#
# Decide before you read on, and name the cell above that proves it. Neither is right as worded. $c_i$ updates the state of *its own*
# step (C132: other annotations with the same weights change $s_i$ at once), **and** it enters the readout. Anna has the right place
# and the wrong time; Ben has one of the two uses, and the appendix's variant of it. The treasure hunt shows what Ben's decoder
# lacks.

# %% [markdown]
# ## Words that change places
#
# **And real reordering?** Names of territories and languages, English to French, word by word: “South Africa” becomes “Afrique du
# Sud”. There are fewer than two hundred such names of two words and more, so the model learns them *by heart*: this is a picture of alignment, not
# a measure of translation. No truth is marked here, but some of it is plain: “Île” must come from “Island”.

# %% tags=["nbval-ignore-output"]
pairs = [p for p in names("en", "fr") if 2 <= len(p.source) <= 3 and 2 <= len(p.target) <= 4]
english, french = Vocabulary(symbols(p.source for p in pairs)), Vocabulary(symbols(p.target for p in pairs))
torch.manual_seed(0)
translator = Seq2Seq(Encoder(len(english), 48), BahdanauDecoder(len(french), 48))
fit(translator, loss, batches(pairs, english, french, size=64, seed=0), 100, learning_rate=0.01)
book = make_batch(pairs, english, french)
with torch.no_grad():
    seen = translator(book).weights.numpy()
islands = [b for b, p in enumerate(pairs) if p.source[-1].startswith("Island") and p.target[0].startswith("Îl")]
on_island = [seen[b, 0, len(pairs[b].source) - 1] for b in islands]
print(f"{len(pairs)} names, {exact(translator, book).double().mean():.0%} reproduced")
even = np.mean([1 / len(pairs[b].source) for b in islands])
print(
    f"“Île(s)” of {len(islands)} names: weight on the English last word {np.mean(on_island):.2f} (uniform {even:.2f})"
)
assert np.mean(on_island) > 0.7

# %% tags=["nbval-ignore-output"]
wanted = [("South", "Africa"), ("Canary", "Islands"), ("Saudi", "Arabia"), ("North", "Macedonia")]
fig, axes = plt.subplots(1, 4, figsize=(12, 2.9))
for ax, source in zip(axes, wanted, strict=True):
    b = next(b for b, p in enumerate(pairs) if p.source == source)
    target = pairs[b].target
    heatmap(seen[b, : len(target), : len(source)], rows=target, columns=source, ax=ax)
    ax.set(xlabel="", ylabel="")
show(fig, "Four heat maps, English columns and French rows: Afrique looks at Africa and du Sud at South, Îles at Islands; "
     "the order is reversed. In some maps a row looks at the neighbour instead.")  # fmt: skip

# %% [markdown]
# Not every row is as a linguist would draw it: “Arabie” looks at both words. In a name of two words either annotation knows both. The translation is right all the same. So: **a right answer does not make the alignment right, and
# the alignment is not the reason for the answer** (lecture 26 returns to that).

# %% [markdown]
# ## What a step costs
#
# **Which product can be saved?** Three things are multiplied: $W_as_{i-1}$ ($d_ad_s$), $U_ah_j$ for all $j$ ($nd_ad_h$), and
# $v_a$ with the hidden units ($nd_a$). Only the first and the last depend on $i$. So $U_ah_j$ is computed **once per
# sentence** and kept: with it, $m$ steps cost
#
# $$\underbrace{n\,d_ad_h}_{\text{once}}+m\,(d_ad_s+n\,d_a)\qquad\text{instead of}\qquad m\,(d_ad_s+n\,d_a+n\,d_ad_h).$$
#
# The result is the same to the last bit. Below the count is compared with torch's own counter of matrix products.

# %%
from torch.utils.flop_counter import FlopCounterMode

n, m, d_s, d_h, d_a = 40, 30, 512, 1024, 512
H = torch.randn(1, n, d_h, generator=torch.Generator().manual_seed(0))
states = torch.randn(m, 1, d_s, generator=torch.Generator().manual_seed(1))
W_a, U_a, v_a = (
    torch.randn(*shape, generator=torch.Generator().manual_seed(2)) / 32 for shape in ((d_a, d_s), (d_a, d_h), (d_a,))
)


def all_scores(cached):
    """The scores of m decoder steps, with U_a h_j kept or not."""
    if cached:
        keys = project(H, U_a)
        return [projected_scores(s, keys, W_a, v_a) for s in states]
    return [additive_scores(s, H, W_a, U_a, v_a) for s in states]


# %%
counts = {}
for cached in (True, False):
    with FlopCounterMode(display=False) as counter:
        all_scores(cached)
    by_torch = (
        counter.get_total_flops() // 2 + m * n * d_a
    )  # it counts two per multiply-add, and no product with a vector
    parameters, counts[cached] = additive_cost(n, m, d_s, d_h, d_a, cached)
    print(f"cached {cached!s:5}: {counts[cached]:12,} multiply-adds by formula, {by_torch:12,} by torch's counter")
    assert by_torch == counts[cached]
print(f"parameters {parameters:,}; the cache saves a factor of {counts[False] / counts[True]:.1f}")


# %% tags=["nbval-ignore-output"]
def timed(call, repeats=5):
    times = []
    for _ in range(repeats):
        start = perf_counter()
        call()
        times.append(perf_counter() - start)
    return median(times)


with torch.no_grad():
    seconds = {cached: timed(lambda cached=cached: all_scores(cached)) for cached in (True, False)}
    same = all(torch.equal(p, q) for p, q in zip(all_scores(True), all_scores(False), strict=True))
print(f"median of 5: cached {seconds[True] * 1e3:.1f} ms, not cached {seconds[False] * 1e3:.1f} ms, "
      f"ratio {seconds[False] / seconds[True]:.1f}; same scores to the last bit: {same}")  # fmt: skip
assert same
assert seconds[False] > 1.5 * seconds[True]

# %% [markdown]
# The time saved is less than the multiplications saved: what remains, tanh and small products, uses the machine poorly.
#
# **Memory is the other bill.** The backward pass keeps the $n\,d_a$ hidden units of *every* step, $m\,n\,d_a$ in all; a dot
# product keeps only the $m\,n$ weights. The next cell counts what autograd keeps.


# %%
def kept(call, size):
    """How many numbers autograd keeps in arrays of this size per call."""
    found = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: found.append(t.numel()) or t, lambda t: t):
        call()
    return sum(x for x in found if x == size)


U_a.requires_grad_()
keys = project(H, U_a)
units = kept(lambda: torch.tanh((states[0] @ W_a.T)[:, None, :] + keys), n * d_a)
print(f"hidden units kept by one additive step: {units:,} = n·d_a; scores of a dot product: {n}")

# %% [markdown] claims="C064"
# **C064 · depends.** *“Additive attention has one cost per decoder step.”* It depends on whether $U_ah_j$ is kept. With the cache a
# step is $O(d_sd_a+n\,d_a)$, without it $O(n\,d_hd_a)$. Either way a step stores $n\,d_a$ activations for the backward pass.

# %%
per_step = {
    c: additive_cost(n, 1001, d_s, d_h, d_a, c)[1] - additive_cost(n, 1000, d_s, d_h, d_a, c)[1] for c in (True, False)
}
claim("C064", per_step[True], d_a * d_s + n * d_a, what="one more step with the cache: d_a·d_s + n·d_a")
claim("C064", per_step[False] / per_step[True], 75.2, 0.1, what="one more step without it, as a multiple")
claim("C064", units, n * d_a, what="numbers kept for the backward pass by one step: n·d_a")
claim("C064", counts[False] / counts[True], 21.65, 0.05, what="all 30 steps, without over with the cache")

# %% [markdown] question="Q007" kind="compute" minutes=5
# ### Why is it called additive, how many parameters does it have, and what does one step cost?
#
# <details><summary>Hint 1 · direction</summary>
#
# Name the three learned arrays and their shapes. Then ask of each product how often it is needed.
# </details>
# <details><summary>Hint 2 · insight</summary>
#
# One of the three products does not contain the decoder's state.
# </details>
# <details><summary>Sixty-second answer</summary>
#
# Because the projected state and the projected annotation are added, inside a tanh, rather than multiplied. Parameters: d_a
# times d_s for the state, d_a times d_h for the annotations, d_a for the vector v: d_a times d_s plus d_h plus one. The projected
# annotations do not depend on the step, so I compute them once per sentence: n d_h d_a. Then a step is d_s d_a plus n d_a. Without
# that cache every step costs n d_h d_a: at 40 positions and sizes 512 and 1024 it is a factor of 75 per step, and 22 over 30 steps.
# The memory is the real price: n times d_a hidden units per step must be kept for the backward pass, while a dot product
# keeps n scores. And all pairs at once are not one big matrix product, a main reason why dot products won.
# </details>
# <details><summary>Full answer</summary>
#
# $e_{ij}=v_a^\top\tanh(W_as_{i-1}+U_ah_j)$.
# - **Parameters** $d_ad_s+d_ad_h+d_a=d_a(d_s+d_h+1)$; 786,944 for $d_s=d_a=512$, $d_h=1024$. Biases, if any, add up to $d_a$ that
#   matter (two of them inside one tanh are one).
# - **Once per sentence**: $nd_ad_h$. **Per step**: $d_ad_s+nd_a$. For $n=40$, $m=30$: 29.5 million multiply-adds with the cache,
#   638 million without (counted above, by formula and by torch).
# - **Activations**: $m\,n\,d_a$ hidden units against $m\,n$ scores of a dot product: $d_a$ times more, 64 times at $d_a=64$. All
#   pairs at once cannot be one matrix product, since the tanh stands between the sum and $v_a$.
# - The cache is **exact** and must stay in the graph in training, or $U_a$ does not learn. It must be recomputed when $U_a$
#   changes, that is after every optimiser step.
# </details>
# <details><summary>How it is scored</summary>
#
# - **Strong hire**: all counts right, finds the cache unasked, and names the $n\,d_a$ activations as the price.
# - **Lean hire**: parameters and uncached cost right; the cache after the second hint.
# - **No hire**: counts a parameter per position, or takes v_a for a matrix.
# </details>
#
# **Red flag:** "additive attention is linear, dot product is quadratic". Both score every pair, $m\,n$ of them.
#
# **Follow-up:** with teacher forcing, can all $m$ steps be scored at once? (Not here: $s_i$ needs $c_i$. In Luong without input feeding, yes.)

# %% [markdown]
# ## From a blank board
#
# Everything above, told in one go. The order is that of the data: annotations → score → weights → context → state → output.

# %% [markdown] question="Q006" kind="derive" minutes=8
# ### Derive Bahdanau (additive) attention completely: encoder, score, weights, context, state update, output.
#
# <details><summary>Hint 1 · direction</summary>
#
# Start from p(y_i | y_1 … y_{i−1}, x) and ask what the decoder has in its hands just before step i.
# </details>
# <details><summary>Hint 2 · insight</summary>
#
# The context of step i is needed to build s_i. Which state can ask for it, then?
# </details>
# <details><summary>Sixty-second answer</summary>
#
# A bidirectional GRU reads the source; the annotation h_j is the forward and the backward state at j, side by side. Before step i the
# decoder has its state s i minus 1 and the last word. It scores every annotation with a small network: v transposed tanh of W times
# the state plus U times h_j. Softmax over j gives weights, the weighted sum of the annotations is the context c_i. Then the state: s_i is a
# GRU of s i minus 1, with the last word and the context as input. The word is predicted from the last word, s_i and c_i, through a maxout
# layer and a softmax. The previous state asks because the new one is made from the context. Everything is differentiable, so the
# alignment is learned from the translation loss alone. U h_j is computed once; scores are bounded by the 1-norm of v.
# </details>
# <details><summary>Full answer</summary>
#
# 1. **Annotations** (§3.2): $\overrightarrow h_j=\operatorname{GRU}(\overrightarrow h_{j-1},x_j)$, $\overleftarrow h_j=\operatorname{GRU}(\overleftarrow h_{j+1},x_j)$,
#    $h_j=[\overrightarrow h_j;\overleftarrow h_j]\in\mathbb R^{d_h}$.
# 2. **Score** (A.1.2): $e_{ij}=v_a^\top\tanh(W_as_{i-1}+U_ah_j)$; $W_a\in\mathbb R^{d_a\times d_s}$, $U_a\in\mathbb R^{d_a\times d_h}$,
#    $v_a\in\mathbb R^{d_a}$. One number for each $j$.
# 3. **Weights** (eq. 6): $a_{ij}=e^{e_{ij}}/\sum_le^{e_{il}}$ over the real source positions.
# 4. **Context** (eq. 5): $c_i=\sum_ja_{ij}h_j\in\mathbb R^{d_h}$, a weighted mean.
# 5. **State** (eq. 4's model, A.2.2): $s_i=\operatorname{GRU}(s_{i-1},[y_{i-1};c_i])$, with $s_0=\tanh(W_s\overleftarrow h_1)$ in the paper. The context is inside
#    both gates and the candidate.
# 6. **Output**: $p(y_i\mid y_{<i},x)=g(y_{i-1},s_i,c_i)$ (eq. 4); in A.2.2 maxout over $U_os_{i-1}+V_oEy_{i-1}+C_oc_i$, then softmax. The main text has
#    $s_i$, the appendix writes $s_{i-1}$.
#
# *Why $s_{i-1}$*: with $s_i$ as its query, $c_i$ would be needed to compute its own query. *What learns the alignment*: $\partial c_i/\partial e_{ij}=a_{ij}(h_j-c_i)$,
# so the loss raises the score of a position whose annotation lies, seen from $c_i$, in the direction that helps.
# </details>
# <details><summary>How it is scored</summary>
#
# - **Strong hire**: six equations with shapes, the reason for the previous state, the context in the state update, and one consequence (cache,
#   bound or gradient).
# - **Lean hire**: score, weights and context right; the state update without $c_i$, or the readout guessed.
# - **No hire**: a dot product with the current state, sold as Bahdanau.
# </details>
#
# **Red flag:** "the context is concatenated to the output". It is, but a state that never gets it cannot remember what was read.
#
# **Follow-up:** derive $\partial c_i/\partial e_{ij}$. When is it zero? (When $a_{ij}=0$, or $h_j=c_i$: for instance when $j$ has all the weight, or all annotations are equal.)

# %% [markdown]
# The formula of the last fold, checked: the derivative of the context by a score is $a_{ij}(h_j-c_i)$.

# %%
e = torch.tensor([0.3, -1.0, 0.8], dtype=torch.float64)
h = torch.tensor([[1.0, 2.0], [0.0, -1.0], [3.0, 0.5]], dtype=torch.float64)
by_autograd = torch.autograd.functional.jacobian(lambda x: torch.softmax(x, 0) @ h, e).T  # (n, d_h)
a = torch.softmax(e, 0)
print("a_j (h_j − c)\n", (a[:, None] * (h - a @ h)).numpy())
assert torch.allclose(by_autograd, a[:, None] * (h - a @ h), atol=1e-14)

# %% [markdown]
# ## Pitfalls
#
# Mistakes that run without an error, each executed here. (Others were taken apart above: the mask after the softmax, `.T` with a
# batch axis, the forgotten tanh.)

# %%
torch.manual_seed(0)
s, H = torch.randn(4, 3), torch.randn(4, 4, 6)  # B = n = 4: the trap is silent
W_a, U_a, v_a = torch.randn(5, 3), torch.randn(5, 6, requires_grad=True), torch.randn(5)
right = additive_scores(s, H, W_a, U_a, v_a)
wrong = torch.tanh(s @ W_a.T + H @ U_a.T) @ v_a  # 1. the new axis is missing: sentence b meets position b
print(f"1. without the new axis: same shape {tuple(wrong.shape)}, off by {(right - wrong).abs().max():.1f}")
assert wrong.shape == right.shape
assert not torch.allclose(wrong, right)

cache = project(H, U_a).detach()  # 2. the cache outside of the graph: U_a never learns
W_a.requires_grad_()
projected_scores(s, cache, W_a, v_a).sum().backward()
print("2. detached cache: gradient of W_a:", W_a.grad is not None, "· of U_a:", U_a.grad is not None)
assert U_a.grad is None

empty = torch.zeros(1, 4).masked_fill(torch.ones(1, 4, dtype=torch.bool), -1e9)  # 3. a sentence of length 0
print("3. length 0, filled with −1e9:", torch.softmax(empty, -1).tolist()[0], "(padding is read); zeros are right")
assert torch.softmax(empty, -1).sum() == 1

try:  # 4. labels of another sentence: some plotting libraries draw it all the same
    heatmap(np.eye(3, 5), rows=["le", "chat", "noir"], columns=["the", "black", "cat"])
except ValueError as error:
    print("4.", error)

# %% [markdown]
# ## An analogy, and where it breaks
#
# A simultaneous interpreter has notes, one line per word (the annotations). Before each word she recalls what she has
# just said and heard ($s_{i-1}$), glances over the notes ($a_i$), takes in a blend of a few lines ($c_i$), updates her train of
# thought ($s_i$), and speaks ($y_i$).
#
# **It breaks here:** she reads one line at a time and knows what she read. The decoder reads a *mean* of all lines; two lines with
# half the weight each give a vector that may stand on no line at all. And each note has been written with the whole
# sentence in mind, so a glance at one line can reveal another.

# %% [markdown]
# ## In practice
#
# | use | query | keys and values | weights |
# |---|---|---|---|
# | translation, RNNsearch (2015): 30 source words, $d_s=1000$, $d_h=2000$, $d_a=1000$ | $1\times1000$ per step | $30\times2000$ (keys projected to $30\times1000$) | $1\times30$ |
# | speech, Tacotron 2: mel frames from characters, location-sensitive additive score | decoder LSTM state | encoder outputs, one per character | 1 per character |
# | pointing (Pointer Networks): the weights *are* the output | $1\times d_s$ | $n\times d_h$ | $1\times n$, no context |
# | pooling the words of a document (hierarchical attention, 2016) | none: $W_as$ is a learned bias | $n\times d_h$ | $1\times n$ |
#
# **What to do (2026), and what it rests on.** For new sequence models take scaled dot products: they run as one matrix product and keep no
# $n\,d_a$ hidden units (measured above). Additive scores still earn their place where sizes differ, $n$ is small, a bound is welcome, or an
# extra feature (coverage, location) has to be *added into* the score: see [24 · Coverage](24_coverage.ipynb). Always cache the projection.
#
# **An incident.** A sentence is translated well alone and badly beside longer ones. Nothing crashed, and the loss looked fine, because
# training batches were sorted by length. Diagnosis: fill the padding with garbage; the context moved, so the mask was missing at
# inference. Cure: one line, and the garbage test of [Weights and context](#Weights-and-context) in the suite.

# %% [markdown]
# ## Takeaways
#
# 1. $e=v_a^\top\tanh(W_as_{i-1}+U_ah_j)$: without the tanh the state would cancel in the softmax ([The score](#The-score)).
# 2. The previous state asks, because the new one is made from the answer; $c_i$ enters $s_i$ in the same step ([The state update](#The-state-update), C132).
# 3. The context in the state carries what was *read*. Where the written words tell the same, it hardly matters (dates); where not, it decides
#    (treasure hunt, [What the context in the state is for](#What-the-context-in-the-state-is-for), C127).
# 4. Alignments are learned without labels: most of the weight lies on the true field, far above uniform
#    ([Alignments that nobody taught](#Alignments-that-nobody-taught)); but a neighbour's annotation may do as well ([Words that change places](#Words-that-change-places)).
# 5. Cache $U_ah_j$: exact, and 22 times fewer multiply-adds in the example; the hidden units remain ([What a step costs](#What-a-step-costs), C064).
# 6. A score never exceeds $\lVert v_a\rVert_1$ ([The score](#The-score)).

# %% [markdown]
# ## Cheat sheet
#
# | concept | formula | in one line | red flag |
# |---|---|---|---|
# | annotation | $h_j=[\overrightarrow h_j;\overleftarrow h_j]$ | about $j$, but has heard of everything | "h_j is word j" |
# | additive score | $v_a^\top\tanh(W_as_{i-1}+U_ah_j)$ | a small network judges each pair | "v_a is a matrix" (C126) |
# | query | $s_{i-1}$ | $s_i$ does not exist yet | "the current state asks" |
# | context | $c_i=\sum_ja_{ij}h_j$ | a mean, of size $d_h$ | "one source word is picked" |
# | state | $s_i=\operatorname{GRU}(s_{i-1},[y_{i-1};c_i])$ | the context enters at its own step | "c goes to the next step" (C132) |
# | output | $g(y_{i-1},s_i,c_i)$, maxout | main text $s_i$, appendix $s_{i-1}$ | "from $c_i$ and $s_{i-1}$, that is all" (C127) |
# | parameters | $d_a(d_s+d_h+1)$ | two matrices, one vector | a count that depends on $n$ |
# | cost | $nd_ad_h$ once, $d_ad_s+nd_a$ per step | project the source once | "one cost per step" (C064) |
# | bound | $\lvert e\rvert\le\lVert v_a\rVert_1$ | tanh bounds units, $v_a$ the score | "tanh bounds the score by 1" |
# | alignment score | mean of $\sum_{j\text{ linked}}a_{ij}$ | compare with uniform | a heat map without a baseline |

# %% [markdown]
# ## Check yourself
#
# Mark each row from 1 (cannot), 2 (vaguely), 3 (can explain), 4 (can derive) to 5 (could teach). Aim at 4; come
# back to what is below in three days.
#
# | I can | 1–5 | if below 4 |
# |---|---|---|
# | explain every letter of the score and its shape | | [The score](#The-score), task `bahdanau.scores` |
# | derive all six equations on a blank board | | [From a blank board](#From-a-blank-board), task `bahdanau.proof` |
# | say why the previous state asks, and where $c_i$ goes | | [The state update](#The-state-update), task `bahdanau.decoder_step` |
# | code it batched, with padding and empty sentences | | [Weights and context](#Weights-and-context), task `bahdanau.attention` |
# | write the loop and mark Luong's order | | [The whole loop](#The-whole-loop) |
# | count parameters and multiply-adds, with and without cache | | [What a step costs](#What-a-step-costs), task `bahdanau.cost` |
# | teach how to read an alignment picture, and what it does not show | | [Alignments that nobody taught](#Alignments-that-nobody-taught) |

# %% [markdown]
# ## Now you
#
# Open [your copy of the assignment](../work/02_bahdanau/02_bahdanau.ipynb) (made by `make study`; the
# [released exercise](../exercises/02_bahdanau/02_bahdanau.ipynb) stays untouched): four small functions and the written
# derivation. A check tells you at once whether you are right and, if not, which mistake it is.
#
# **Sources.** Bahdanau, Cho and Bengio 2015, *Neural Machine Translation by Jointly Learning to Align and Translate*: §3.1 (decoder, eq. 4 to 6),
# §3.2 (annotations), A.1.2 (score), A.2.2 (decoder and readout). Luong, Pham and Manning 2015, *Effective Approaches to Attention-based Neural Machine
# Translation*, §3 (the other order). Cho et al. 2014, *Learning Phrase Representations using RNN Encoder–Decoder* (the GRU). Goodfellow et al. 2013,
# *Maxout Networks*. Och and Ney 2003, *A Systematic Comparison of Various Statistical Alignment Models* (alignment error rate). Vinyals, Fortunato and
# Jaitly 2015, *Pointer Networks*. Shen et al. 2018, *Natural TTS Synthesis* (Tacotron 2). Data: Unicode CLDR by way of Babel.
