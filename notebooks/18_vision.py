# %% [markdown]
# # 18 · Vision: channel and spatial gates, CBAM, the Vision Transformer
#
# - **Time:** 75 minutes, questions of the page included; the assignment takes another 60.
# - **Prerequisites:** scaled dot-product attention ([06 · Scaling](06_scaling.ipynb)) and several heads ([08 · Heads](08_heads.ipynb)); convolution, batch norm.
# - **Interview kinds:** *explain* and *implement*; asked for computer vision and multimodal roles.
#
# **Objectives.** When you are through, you can
# 1. tell three mechanisms apart that are all called attention, by the shape of their weights and by what these sum to;
# 2. write Squeeze-and-Excitation and CBAM from memory, and count what they cost;
# 3. say what a gate can do (attenuate, in a learned place) and what it cannot (amplify, save compute, know where from a mean);
# 4. turn an image into tokens and back, say why it needs positions, and why a Vision Transformer needs more data than a convolutional net.

# %% [markdown]
# **How to use this page.** Each idea is a question, a few lines, a measurement, a picture. Lines such as
# `C189 ✓ measured 196, expected 196` are assertions: the page cannot be built if one fails. Statements in quotation marks are what one
# hears; some are wrong, and the verdict says so. Say your answer aloud *before* you open a fold.
#
# The assignment is [your own copy](../work/18_vision/18_vision.ipynb), which `make study` makes, of the
# [released exercise](../exercises/18_vision/18_vision.ipynb).

# %%
import os

os.environ["OMP_NUM_THREADS"] = "1"  # before torch loads: on arrays this small, threads only wait for each other

import numpy as np
import torch
from matplotlib import pyplot as plt
from sklearn.datasets import load_sample_image
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.flop_counter import FlopCounterMode

from attn_core import scaled_dot_product_attention
from attn_core.lab import claim, house_style, show, slider
from attn_core.lab.data.digits import digits, scenes
from attn_core.vision.cbam import CBAM, cbam, cbam_channel, cbam_spatial
from attn_core.vision.gated_cnn import GatedCNN, gate_mass, points_into
from attn_core.vision.patches import interpolate_positions, patchify, token_count, unpatchify
from attn_core.vision.squeeze_excitation import se_block, se_parameters, squeeze
from attn_core.vision.vit import ViT

torch.set_num_threads(1)
house_style()
np.set_printoptions(precision=2, suppress=True)

# %% [markdown]
# ## Three mechanisms, one name
#
# **What do people mean by attention in an image?** A feature map has the shape $(C,H,W)$: at each of $H\cdot W$ positions, $C$ numbers. One can weigh
#
# | mechanism | asks | weights | made by | they sum to |
# |---|---|---|---|---|
# | channel gate (SE, CBAM) | *what* matters | $C$ | sigmoid, one per channel | anything from 0 to $C$ |
# | spatial gate (CBAM) | *where* | $H\times W$ | sigmoid, one per position | anything from 0 to $HW$ |
# | self-attention over positions (ViT) | *who reads from whom* | $HW\times HW$ per head | softmax over each row | 1 in each row |
#
# The first two multiply the map and leave its shape as it is. The third *moves* content: each position gets a mixture of all positions.

# %%
rng = np.random.default_rng(0)
x = rng.normal(size=(1, 16, 10, 10))  # one feature map: 16 channels, 10 × 10 positions
W_1, W_2, kernel = rng.normal(size=(4, 16)), rng.normal(size=(16, 4)), 0.3 * rng.normal(size=(1, 2, 7, 7))
tokens = x.reshape(1, 16, 100).swapaxes(1, 2)  # the same map as 100 tokens of 16 numbers
kinds = {
    "channel gate": cbam_channel(x, W_1, W_2),
    "spatial gate": cbam_spatial(x, kernel),
    "self-attention": scaled_dot_product_attention(tokens, tokens, tokens)[1],
}
for name, weights in kinds.items():
    total = weights.sum(-1) if name == "self-attention" else weights.sum()
    print(
        f"{name:15} shape {weights.shape!s:18} sum {total.min():6.2f} to {total.max():6.2f}, largest {weights.max():.2f}"
    )

# %% [markdown] question="Q090" kind="explain" minutes=4
# ### Which kinds of attention are there in vision, and how do their weights differ?
#
# <details><summary>Hint 1 · direction</summary>
#
# A feature map is a box of C by H by W numbers. Along which sides of it can one put weights?
# </details>
# <details><summary>Hint 2 · insight</summary>
#
# For each kind say two things: the shape of the weights, and whether one weight going up forces another one down.
# </details>
# <details><summary>Sixty-second answer</summary>
#
# Three. A channel gate, as in Squeeze-and-Excitation, weighs what: one number per channel, made from a mean over all positions. A spatial gate, as in the
# second half of CBAM, weighs where: one number per position, made from what the channels say there and nearby. Both are sigmoids. Each number lies between zero and one by itself;
# they need not sum to one, several may be fully open, and since none exceeds one they can only attenuate. To amplify means: to attenuate the rest. The third kind is
# self-attention among tokens, as in the Vision Transformer: a matrix of positions by positions, each row a softmax that sums to one. It does not scale a map, it moves
# content between places. None of the soft kinds saves compute, because everything is computed before it is multiplied by a small number. You find them in
# classification, detection, captioning and fine-grained recognition.
# </details>
# <details><summary>Full answer</summary>
#
# | | weights | normalised | input of the weights | effect |
# |---|---|---|---|---|
# | SE | $s\in(0,1)^C$ | no: sigmoid each | $\operatorname{mean}_{HW}x$ | $\tilde x_c=s_cx_c$ |
# | CBAM channel | $M_c\in(0,1)^C$ | no | mean and max over $HW$, one shared MLP | $x'=M_c\odot x$ |
# | CBAM spatial | $M_s\in(0,1)^{H\times W}$ | no | mean and max over $C$, a 7 × 7 convolution | $M_s\odot x'$ |
# | ViT | $A\in[0,1]^{n\times n}$ per head | rows sum to 1 | $QK^\top/\sqrt{d_k}$ | $AV$: mixes positions |
#
# - **Sigmoid or softmax?** Use a softmax if the choices compete (which position to read), a sigmoid if they do not (several channels may be
#   useful at once). With 2048 channels a softmax would leave 1/2048 each on average, and the map would all but vanish.
# - **Only attenuates.** $|s_cx_c|<|x_c|$ wherever $x_c\ne0$. The following layer, or a batch norm, can undo a common factor; so only the *ratio* of two gates matters.
# - **No compute saved.** The gate is multiplied at the end; a value of 0.001 costs as much as 0.999 (counted below).
# - **What each can know.** A channel gate is computed from a mean and a maximum over positions: permute the positions and it stays the same. It cannot say where. A CBAM spatial gate sees two numbers per
#   position: it cannot say which channel.
# </details>
# <details><summary>How it is scored</summary>
#
# - **Strong hire**: three kinds with shapes and normalisation, and says unasked that gates attenuate only or that they save nothing, with the reason.
# - **Lean hire**: three kinds with the right shapes, but has to be asked about sums and about cost.
# - **No hire**: knows one kind only, or calls a gate a probability distribution over positions.
# </details>
#
# **Red flag:** "the network does not have to process the unimportant regions".
#
# **Follow-up:** could you replace the sigmoid by a softmax over channels? (You could; the channels would compete, and the output would shrink by a factor of about C.)

# %% [markdown]
# ## A gate only attenuates
#
# **Can a gate amplify?** No. $\sigma(e)=1/(1+e^{-e})$ lies between 0 and 1. At a logit of 10 it is 0.99995, and no logit takes it past 1. What people call
# *amplifying* is relative: everything else was turned down, and a later layer (a batch norm, a large weight) brings the whole back up.


# %%
def opened(logit, ax=None):
    """Three channels before and after gates with the logits (logit, 0, −2)."""
    ax = ax or plt.subplots(figsize=(5.2, 2.8))[1]
    before, gate = np.array([1.0, 2.0, 1.5]), 1 / (1 + np.exp(-np.array([logit, 0, -2])))
    places = np.arange(3)
    ax.bar(places - 0.2, before, width=0.4, color="white", edgecolor="black", hatch="//", label="before")
    ax.bar(places + 0.2, gate * before, width=0.4, color="C0", edgecolor="black", label="after")
    ax.set_xticks(places, [f"gate {g:.5f}" for g in gate])
    ax.set(ylim=(0, 2.6), title=f"first logit {logit:g}: share {gate[0] / (gate @ before):.0%} of what is left")
    ax.legend(ncols=2, fontsize=9, loc="upper right")
    return ax.figure


fig, axes = plt.subplots(1, 3, figsize=(12, 2.8), sharey=True)
for ax, logit in zip(axes, (-4, 0, 10), strict=True):
    opened(logit, ax)
show(
    fig,
    "Three channels before and after their gates, for a first logit of −4, 0 and 10: no bar grows, only the shares change.",
)

# %% [markdown]
# With a running kernel, move the logit. From where on does a further step change nothing you can see? (About 6: $1-\sigma(6)=0.0025$. There the gradient, $\sigma(1-\sigma)$, is gone too.)


# %%
def describe(logit):
    return f"First gate at logit {logit:g}: {1 / (1 + np.exp(-logit)):.5f}; the bar behind it is no higher than the one before."


slider(opened, "logit", [-10, -6, -4, -2, -1, 0, 1, 2, 4, 6, 10], alt=describe)

# %% [markdown] claims="C187"
# **C187 · imprecise.** *“Spatial and channel gates amplify the important parts.”* A sigmoid is below 1, so a gate can only attenuate; emphasis is relative. And gates are independent:
# nothing makes them sum to one, all may be open.

# %%
largest = float(1 / (1 + np.exp(-10.0)))
claim("C187", 1 - largest, 4.5e-5, 1e-6, what="what a gate lacks to 1 at a logit of 10: it is 0.99995")
huge = 100 * rng.normal(size=(8, 16, 10, 10))  # whatever comes in
through = cbam(huge, W_1, W_2, kernel)
claim(
    "C187",
    float((np.abs(through) / np.abs(huge)).max()),
    at_most=1,
    what="largest |after| / |before| of 12,800 features",
)
claim(
    "C187",
    float(cbam_channel(np.abs(huge), np.abs(W_1), np.abs(W_2)).sum(1).min()),
    16,
    1e-6,
    what="all 16 channel gates open: their sum",
)

# %% [markdown]
# ## Squeeze-and-Excitation
#
# **How does a network find out which channels matter?** It looks at what the image holds on the whole (*squeeze*: the mean of each channel), lets all channels talk to each other in a
# small bottleneck (*excite*), and scales each channel by the result:
#
# $$z_c=\frac1{HW}\sum_{i,j}x_{c,i,j},\qquad s=\sigma\big(W_2\operatorname{relu}(W_1z+b_1)+b_2\big),\qquad\tilde x_c=s_c\,x_c .$$
#
# $W_1$ has the shape $(C/r,C)$, $W_2$ the shape $(C,C/r)$, with $r=16$. In a ResNet the block stands at the end of the residual branch, *before* the addition: the skip stays ungated.

# %%
b_1, b_2 = np.zeros(4), np.zeros(16)
out, gate = se_block(x, W_1, b_1, W_2, b_2)
print("x", x.shape, " z", squeeze(x).shape, " gate", gate.shape, " out", out.shape)
print("gate", gate[0, :8], "…  sum", gate.sum().round(2))
order = rng.permutation(100)
shuffled = x.reshape(1, 16, 100)[:, :, order].reshape(x.shape)  # every position somewhere else
moved = np.abs(se_block(shuffled, W_1, b_1, W_2, b_2)[1] - gate).max()
print(f"positions shuffled: the gate moves by {'less than 1e-12' if moved < 1e-12 else moved}")
assert moved < 1e-12

# %% [markdown] claims="C195"
# The last line is the limit of every channel gate: it is made from a mean, so it *cannot know where* anything is. Two images with the same features in other places get the same gate.
#
# **C195 · true.** *“SE is from 2017, won ILSVRC classification, with r = 16.”* Hu, Shen and Sun (CVPR 2018, on arXiv since 2017): first place in 2017 with 2.251 % top-5 error on the test set, from an
# ensemble of SENets. This is history and cannot be measured here.

# %% [markdown]
# ## What SE costs
#
# **"About one percent"?** Count it. ResNet-50 has four stages of bottleneck blocks; the branch ends with 256, 512, 1024 and 2048 channels. SE adds $2C^2/r$ weights to each block, and its matrices see *one* vector per
# image, not one per position. So weights and compute grow by very different shares. The multiply-adds of ResNet-50 follow from its layer table (He et al. 2016, table 1); here each stage halves
# the resolution in its first 1 × 1 convolution, as in the original.

# %%
STAGES = [(256, 3, 56), (512, 4, 28), (1024, 6, 14), (2048, 3, 7)]  # channels at the end of the branch, blocks, side

base = 3 * 64 * 7**2 * 112**2 + 2048 * 1000  # the first convolution and the classifier
weights = 3 * 64 * 7**2 + 2 * 64 + 2048 * 1000 + 1000
entering = 64
for channels, blocks, side in STAGES:
    inner = channels // 4
    for block in range(blocks):
        filters = entering * inner + 9 * inner**2 + inner * channels + (block == 0) * entering * channels
        base += filters * side**2
        weights += filters + 4 * inner + 2 * channels * (1 + (block == 0))  # batch norms: scale and shift
        entering = channels
matrices = sum(blocks * 2 * channels**2 // 16 for channels, blocks, _ in STAGES)
numbers = sum(blocks * channels * side**2 for channels, blocks, side in STAGES)  # averaged once, multiplied once
print(f"ResNet-50: {weights:,} weights, {base / 1e9:.3f} billion multiply-adds")
print(f"SE adds:   {matrices:,} weights, {matrices / weights:+.1%}")
print(f"           {matrices / 1e6:.1f} million multiply-adds in its matrices, {matrices / base:+.2%}")
print(f"           {2 * numbers / 1e6:.1f} million to average and to multiply the maps, {2 * numbers / base:+.2%}")
print(f"together   {(base + matrices + 2 * numbers) / 1e9:.3f} billion, {(matrices + 2 * numbers) / base:+.2%}")

# %% [markdown] claims="C196"
# **C196 · imprecise.** *“SE costs about 1 % more compute.”* SE-ResNet-50 goes from 3.86 to 3.87 GFLOPs (the paper counts a multiply-add as one). From these rounded figures comes the +0.26 % of the paper; counted exactly it is
# between 0.07 % (matrices alone) and 0.35 % (averaging and rescaling too). What does grow is memory: 2.51 million weights, about 9.8 %. Nearly two thirds of them sit in the last stage.

# %%
extra = se_parameters([(channels, blocks) for channels, blocks, _ in STAGES], r=16)
claim("C196", extra - 2_514_944, 0, what="extra weights with r = 16, less 2,514,944")
claim("C196", 100 * matrices / weights, 9.8, 0.05, what="percent of the weights of ResNet-50")
claim(
    "C196",
    [base / 1e9, (base + matrices + 2 * numbers) / 1e9],
    [3.86, 3.87],
    0.005,
    what="billion multiply-adds without and with SE",
)
claim("C196", 100 * (3.87 / 3.86 - 1), 0.26, 0.005, what="percent, from the rounded figures")
claim("C196", 100 * (matrices + 2 * numbers) / base, at_most=0.4, what="percent, counted exactly")
share = {channels: blocks * 2 * channels**2 // 16 / matrices for channels, blocks, _ in STAGES}
print("\nshare of the extra weights by stage:", {channels: f"{part:.0%}" for channels, part in share.items()})

# %% [markdown] question="Q091" kind="implement" minutes=6
# ### Explain and implement a Squeeze-and-Excitation block. What does it cost?
#
# <details><summary>Hint 1 · direction</summary>
#
# Three steps: one number per channel; numbers that know of each other; a product. Write the shape behind each.
# </details>
# <details><summary>Hint 2 · insight</summary>
#
# Its matrices work on one vector per image. A convolution of the same size works at every position. What does that do to weights and to multiply-adds?
# </details>
# <details><summary>Sixty-second answer</summary>
#
# Squeeze: average each channel over all positions, which gives a vector z of C numbers. Excite: s is the sigmoid of W two times relu of W one z, with a bottleneck of C over r units, r being sixteen.
# Scale: multiply channel c by s c. It sits at the end of the residual branch, before the addition, so the skip is not gated. A sigmoid and not a softmax, because several channels may be needed at
# once. The cost: two C squared over r weights per block. In SE-ResNet-50 that is two point five million, nearly ten percent more weights, but only a fraction of a percent more compute, three point
# eight six to three point eight seven gigaflops, as the matrices see one vector per image. It won the ImageNet classification challenge of 2017. What it cannot do is tell where: shuffle the positions
# and the gate is the same.
# </details>
# <details><summary>Full answer</summary>
#
# $$z=\tfrac1{HW}\sum_{ij}x_{:,i,j},\qquad s=\sigma(W_2\operatorname{relu}(W_1z+b_1)+b_2),\qquad\tilde x=s\odot x.$$
#
# ```python
# def se_block(x, W_1, b_1, W_2, b_2):                       # (B, C, H, W)
#     z = x.mean((2, 3))                                     # (B, C)
#     s = torch.sigmoid(F.relu(z @ W_1.T + b_1) @ W_2.T + b_2)
#     return x * s[:, :, None, None], s                      # not s[:, None, None]: that meets the wrong axes
# ```
# - **Weights**: $2C^2/r$ per block; over the stages $\frac2r\sum_sN_sC_s^2=\frac18(3\cdot256^2+4\cdot512^2+6\cdot1024^2+3\cdot2048^2)=2{,}514{,}944$, on 25.56 million: 9.8 %. $C_s$ is the width at the *end* of the branch, four times that of the 3 × 3 convolution.
# - **Compute**: as many multiply-adds as weights (2.5 million), plus $2HWC$ per block to average and to scale (11 million): 3.858 → 3.872 billion.
# - **Without the last stage** nearly two thirds of the added weights are saved; the paper reports only little loss of accuracy from it.
# - **Gradient**: $\partial\tilde x_c/\partial x_c$ has two paths, through $x_c$ and through $s$. Detaching $s$ trains a net whose gates never learn.
# - **Invariant** to any permutation of the positions of $x$ (as a gate), *equivariant* as a block.
# </details>
# <details><summary>How it is scored</summary>
#
# - **Strong hire**: correct code with shapes, weights apart from compute with the reason (one vector per image), placement before the addition.
# - **Lean hire**: correct code, knows $2C^2/r$, but gives one figure for weights and compute alike.
# - **No hire**: a softmax over channels and no reason for it, or a mean over the channels instead of the positions.
# </details>
#
# **Red flag:** "it adds ten percent compute", or "it tells the network where to look".
#
# **Follow-up:** batch size 1 on a phone: is +0.26 % what you will measure? (No: the pooling reads the whole map before anything may be scaled, so it is a barrier, and it is bound by memory, not by arithmetic.)

# %% [markdown]
# ## CBAM: what, then where
#
# **What does CBAM add to SE?** Two things. The channel gate also sees the *maximum* of each channel, through the same MLP. And there is a second gate, over positions:
#
# $$M_c=\sigma\big(\mathrm{MLP}(\operatorname{mean}_{HW}x)+\mathrm{MLP}(\max_{HW}x)\big),\quad x'=M_c\odot x,\qquad
#   M_s=\sigma\big(\mathrm{conv}_{7\times7}[\operatorname{mean}_Cx'\,;\max_Cx']\big),\quad x''=M_s\odot x'.$$
#
# The spatial gate reads two maps and writes one, so its convolution has $2\cdot7\cdot7=98$ weights, whatever $C$ is. (The authors' code has a batch norm behind it; the formula of the paper has none, and neither have we.)

# %%
speck = np.zeros((1, 16, 10, 10))
speck[0, 6, 4, 6] = 1.0  # one small thing in one channel
wide = np.zeros_like(speck)
wide[0, 6] = 0.01  # the same amount, spread thin
print(
    "squeeze of channel 6:",
    squeeze(speck)[0, 6],
    "and",
    squeeze(wide)[0, 6].round(4),
    " maximum:",
    speck[0, 6].max(),
    "and",
    wide[0, 6].max(),
)
se_gap = np.abs(se_block(speck, W_1, b_1, W_2, b_2)[1] - se_block(wide, W_1, b_1, W_2, b_2)[1]).max()
cbam_gap = np.abs(cbam_channel(speck, W_1, W_2) - cbam_channel(wide, W_1, W_2)).max()
print(f"the two gates differ by {se_gap:.4f} in SE, by {cbam_gap:.4f} in CBAM")
assert se_gap < 1e-12
assert cbam_gap > 0.05

# %% [markdown] claims="C191, C192, C193"
# **C191 · true.** *“CBAM's spatial gate: mean and max over the channels, a 7 × 7 convolution, a sigmoid.”* It has 98 weights.
#
# **C192 · imprecise.** *“The spatial map multiplies the original features.”* In CBAM it multiplies $x'$, the features that the channel gate has left; and it is computed from $x'$ too. The product of all three
# has another value if $M_s$ was made from $x$.
#
# **C193 · imprecise.** *“Channel attention uses average pooling.”* SE does. CBAM puts mean *and* maximum through one shared MLP and adds them before the sigmoid. A mean of 100 positions cannot tell one bright spot from a
# faint veil; the maximum can (above).

# %%
claim("C191", CBAM(64).conv.weight.numel(), 98, what="weights of the spatial gate, 64 channels")
claim("C191", CBAM(512).conv.weight.numel(), 98, what="weights of the spatial gate, 512 channels")
M_c = cbam_channel(x, W_1, W_2)[:, :, None, None]
ours = cbam(x, W_1, W_2, kernel)
claim("C192", np.abs(ours - cbam_spatial(M_c * x, kernel) * (M_c * x)).max(), 0, 1e-12, what="cbam − M_s(x') x'")
claim(
    "C192",
    np.abs(ours - cbam_spatial(M_c * x, kernel) * x).max(),
    at_least=0.1,
    what="cbam − M_s(x') x, the original features",
)
claim(
    "C192",
    np.abs(ours - cbam_spatial(x, kernel) * M_c * x).max(),
    at_least=0.1,
    what="cbam − M_s(x) x', a gate from the original features",
)
only_mean = se_block(x, W_1, b_1, W_2, b_2)[1]
claim(
    "C193",
    np.abs(cbam_channel(x, W_1, W_2) - only_mean).max(),
    at_least=0.1,
    what="gate with mean and max − gate with the mean",
)

# %% [markdown]
# ### Does the order matter?
#
# As functions, yes. *Parallel* means that both gates are made from $x$, and $x$ is multiplied by both. Three arrangements, the same weights, the same $x$:


# %%
def apart(a, b):
    """The norm of the difference, relative to the norm of the first."""
    return np.linalg.norm(a - b) / np.linalg.norm(a)


M_s = cbam_spatial(x, kernel)
arranged = {
    "channel, then spatial": ours,
    "spatial, then channel": cbam_channel(M_s * x, W_1, W_2)[:, :, None, None] * M_s * x,
    "parallel": M_c * M_s * x,
}
names = list(arranged)
for i, j in ((0, 1), (0, 2), (1, 2)):
    difference = apart(arranged[names[i]], arranged[names[j]])
    print(f"{names[i]} against {names[j]}: {difference:.0%} apart")
    assert difference > 0.05

# %% [markdown]
# ## Gates that look in the right place
#
# **Does a gate find the object if nobody tells it where it is?** Take scikit-learn's handwritten digits, put one at a random place of a 20 × 20 image, and strew pieces of other digits and noise around it. The network is told the
# digit, never the place. But *we* know the place.
#
# The network is three small convolutions, a gate, a mean over all positions, a linear layer. The mean is where clutter does harm: what the pieces add at their positions goes into the same sum.

# %%
TRAIN, TEST = scenes(6000, seed=1), scenes(1000, seed=2, part="test")
X, y = torch.from_numpy(TRAIN.images), torch.from_numpy(TRAIN.labels)
X_test, y_test = torch.from_numpy(TEST.images), torch.from_numpy(TEST.labels)
BOXES = torch.from_numpy(TEST.boxes())
AREA = BOXES.float().mean().item()
print(
    f"{len(y)} training scenes, {len(y_test)} test scenes from other digits; the digit's box has {AREA:.0%} of the area"
)

fig, axes = plt.subplots(1, 6, figsize=(11, 2.2))
for ax, image, label, (row, column) in zip(axes, *TEST, strict=False):
    ax.imshow(image, cmap="gray_r", vmin=0, vmax=1)
    ax.add_patch(plt.Rectangle((column - 0.5, row - 0.5), 8, 8, fill=False, edgecolor="C3", linewidth=2))
    ax.set(xticks=[], yticks=[], title=f"a {label}")
show(fig, "Six scenes: a handwritten digit, framed, among pieces of other digits. The network never sees the frame.")


# %%
class SpatialFirst(CBAM):
    """The other order: the spatial gate reads x, the channel gate what it has left."""

    def forward(self, x):
        spatial = cbam_spatial(x, self.conv.weight)
        channel = cbam_channel(spatial * x, self.down.weight, self.up.weight)
        return channel[:, :, None, None] * spatial * x, channel, spatial


class Parallel(CBAM):
    """Both gates read x; both are multiplied."""

    def forward(self, x):
        spatial = cbam_spatial(x, self.conv.weight)
        channel = cbam_channel(x, self.down.weight, self.up.weight)
        return channel[:, :, None, None] * spatial * x, channel, spatial


# %%
def train(model, logits, X, y, steps, seed, rate, size=32):
    """Adam with a learning rate that falls to zero; every model of this page is trained by these lines."""
    optimizer = torch.optim.Adam(model.parameters(), lr=rate, fused=True)  # fused: one call for all weights
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1, 0.02, steps)
    draw = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        some = torch.randint(len(X), (size,), generator=draw)
        optimizer.zero_grad()
        cross_entropy(logits(X[some]), y[some]).backward()
        optimizer.step()
        schedule.step()
    return model.eval()


# %% tags=["nbval-ignore-output"]
SEEDS = (0, 1, 2)
GATES = {
    "no gate": None,
    "channel, then spatial": CBAM,
    "spatial, then channel": SpatialFirst,
    "parallel": Parallel,
}


def gated(seed, gate):
    torch.manual_seed(seed)
    model = GatedCNN(gate and gate(16, r=4))
    return train(model, lambda x: model(x).logits, X, y, steps=200, seed=seed, rate=0.015)


nets = {name: [gated(seed, gate) for seed in SEEDS] for name, gate in GATES.items()}
with torch.no_grad():
    seen = {name: [net(X_test) for net in trained] for name, trained in nets.items()}
right = {name: [(s.logits.argmax(1) == y_test).float().mean().item() for s in all_of] for name, all_of in seen.items()}
for name, accuracy in right.items():
    print(f"{name:24} accuracy, three seeds: " + " ".join(f"{a:5.0%}" for a in accuracy))
assert min(right["channel, then spatial"]) > max(right["no gate"]) + 0.05

# %% [markdown]
# **With gates it reads far better** than the same network without (226 more weights, 3,906 without). So the gates do something. But do they look at the digit? Two scores, each with what chance gives:
#
# - *gate mass*: the share of the spatial gate that lies in the digit's box. A gate that is the same everywhere scores the box's share of the area, 16 %;
# - *pointing*: how often the largest gate lies in the box. Chance is 16 % too.

# %% tags=["nbval-ignore-output"]
looks = {}
for name in list(GATES)[1:]:
    looks[name] = [
        (gate_mass(s.spatial, BOXES).mean(), points_into(s.spatial, BOXES).float().mean()) for s in seen[name]
    ]
    print(f"{name:24}" + "   ".join(f"mass {mass:.0%}, pointing {point:.0%}" for mass, point in looks[name]))
print(f"{'the same everywhere':24}mass {AREA:.0%}, pointing {AREA:.0%}")
assert min(mass for scores in looks.values() for mass, _ in scores) > 1.4 * AREA
assert min(point for scores in looks.values() for _, point in scores) > 0.7


# %% tags=["nbval-ignore-output"]
def look(index, axes=None):
    """One scene, and the spatial gate over it; the digit's box is framed."""
    if axes is None:
        axes = plt.subplots(1, 2, figsize=(5.5, 2.9))[1]
    s, (row, column) = seen["channel, then spatial"][0], TEST.corners[index]
    mass = gate_mass(s.spatial[[index]], BOXES[[index]]).item()
    says = s.logits[index].argmax().item()
    axes[0].imshow(TEST.images[index], cmap="gray_r", vmin=0, vmax=1)
    axes[0].set_title(f"a {TEST.labels[index]}, read as {says}")
    axes[1].imshow(s.spatial[index, 0], cmap="Blues", vmin=0, vmax=1, extent=(-0.5, 19.5, 19.5, -0.5))
    axes[1].set_title(f"gate: {mass:.0%} in the box")
    for ax in axes:
        ax.add_patch(plt.Rectangle((column - 0.5, row - 0.5), 8, 8, fill=False, edgecolor="C3", linewidth=2))
        ax.set(xticks=[], yticks=[])
    return axes[0].figure


fig, axes = plt.subplots(2, 6, figsize=(13, 4.8))
for index in range(6):
    look(index, axes[:, index])
show(
    fig,
    "Above six scenes, below the spatial gate of each, dark where it is open. It is mostly open at the framed digit, sometimes at a piece of clutter too.",
)

# %% [markdown]
# With a running kernel, go through the scenes yourself. Find one that is misread although the gate is open at the right place: the gate says where to read, not what is there.


# %% tags=["nbval-ignore-output"]
def describe_scene(index):
    mass = gate_mass(seen["channel, then spatial"][0].spatial[[index]], BOXES[[index]]).item()
    return f"Scene {index}: a {TEST.labels[index]} among pieces; {mass:.0%} of the gate lies in the digit's box."


slider(look, "scene", list(range(30)), alt=describe_scene)

# %% [markdown]
# The gate has 98 weights and was never told a place. It learned to look for much ink at once, since that is what a whole digit has and a piece has not. That is a cue, not an understanding:
# where pieces lie close together it opens too, and at the rim, where zeros come in from outside, it never quite closes. A gate map is a hint at what the network uses, not a proof (lecture 26 takes that apart).
#
# ### What the channel gate knows
#
# It cannot know where. Can it know *what*? Read both off it with a linear model, fitted on 500 scenes and scored on 500 others: the digit (chance is 10 %), and the row and column of its box ($R^2$, 0 for a guess at the mean).


# %% tags=["nbval-ignore-output"]
def readable(gate):
    """How well the digit (accuracy) and its place (R²) can be read off a gate by least squares."""
    inputs = np.c_[gate.flatten(1).numpy().astype(float), np.ones(len(gate))]
    targets = np.c_[np.eye(10)[TEST.labels], TEST.corners]
    fitted = np.linalg.lstsq(
        inputs[:500].T @ inputs[:500] + 0.1 * np.eye(inputs.shape[1]), inputs[:500].T @ targets[:500]
    )[0]
    found, truth = (inputs @ fitted)[500:], targets[500:]
    place = 1 - ((found - truth)[:, 10:] ** 2).sum() / ((truth - truth.mean(0))[:, 10:] ** 2).sum()
    return (found[:, :10].argmax(1) == TEST.labels[500:]).mean(), place


probes = {
    "channel gate": [readable(s.channel) for s in seen["channel, then spatial"]],
    "spatial gate": [readable(s.spatial) for s in seen["channel, then spatial"]],
}
for name, scores in probes.items():
    print(f"{name}:  " + "   ".join(f"digit {what:.0%}, place R² {where:+.2f}" for what, where in scores))
assert all(what > 0.15 and where < 0.1 for what, where in probes["channel gate"])
assert all(where > 0.4 for _, where in probes["spatial gate"])

# %% [markdown]
# The 16 numbers of the channel gate say something about the digit and nothing about its place. The 100 numbers of the spatial gate say where it is, and hardly which it is. That is how the two divide the work, and it follows from what they are
# computed from: a mean and a maximum over positions cannot hold a position.
#
# ### The order, measured
#
# Back to the accuracies above. Woo et al. put the channel gate first because it was best on ImageNet. Is it best here?

# %% tags=["nbval-ignore-output"]
fig, ax = plt.subplots(figsize=(7.5, 2.6))
for place, accuracy in enumerate(right.values()):
    ax.barh(place, np.mean(accuracy), color="0.8", edgecolor="black", height=0.6)
    ax.plot(accuracy, [place - 0.15, place, place + 0.15], "ko", markersize=5, linestyle="")
ax.set(
    yticks=range(4),
    yticklabels=list(right),
    xlim=(0, 1),
    xlabel="accuracy on 1000 test scenes (bar: mean, dots: three seeds)",
)
ax.invert_yaxis()
show(
    fig,
    "Accuracy of the network without a gate and with three orders of the gates: a clear step from none to any, little among the orders.",
)
means = {name: np.mean(accuracy) for name, accuracy in right.items()}
ordered = [means[name] for name in list(GATES)[1:]]
print(
    f"any gate against none: {100 * (min(ordered) - means['no gate']):+.0f} points at least; among the orders: {100 * np.ptp(ordered):.1f} at most"
)
assert min(ordered) - means["no gate"] > 0.08

# %% [markdown] claims="C194"
# **Here the order hardly matters**, and channel-first is not ahead. What helps is to have the gates, in whatever order. Three seeds of a toy say nothing against ImageNet; but they say that "channel first" is a finding about a network and a data set, not a law.
#
# **C194 · true.** *“Channel then spatial beats parallel.”* So it was in the ablation of Woo et al. (2018), with ResNet-50 on ImageNet, by a few tenths of a point of top-1 error. It is an experiment of theirs, and ours above does not show it.

# %% [markdown] question="Q092" kind="implement" minutes=7
# ### Explain and implement CBAM. How do its two gates differ from each other and from SE?
#
# <details><summary>Hint 1 · direction</summary>
#
# Two gates, two questions. For each: over which axes does it pool, and with which two kinds of pooling?
# </details>
# <details><summary>Hint 2 · insight</summary>
#
# Write down what the second gate reads, and what it multiplies. Neither is the input of the block.
# </details>
# <details><summary>Sixty-second answer</summary>
#
# CBAM is two gates in a row. First what: pool the map over positions twice, by mean and by maximum, send both vectors through one shared two-layer MLP, add, take the sigmoid. That is a gate per channel. SE has the mean only, so it
# cannot tell one bright spot from a faint veil. Multiply: that is F prime. Then where: pool F prime over the channels, again by mean and by maximum, stack the two maps, a seven by seven convolution, a sigmoid. That is a gate per position. It is computed from F prime
# and multiplies F prime, not the original. The spatial part has ninety-eight weights. In the paper, channel first beat spatial first and parallel, by one to three tenths of a point. Both gates are sigmoids: they attenuate, they do not sum to one, they save no compute.
# The channel gate is blind to where, the spatial gate to which channel.
# </details>
# <details><summary>Full answer</summary>
#
# ```python
# def cbam(x, W_1, W_2, kernel):                                       # (B, C, H, W); (C/r, C); (C, C/r); (1, 2, 7, 7)
#     mlp = lambda z: F.relu(z @ W_1.T) @ W_2.T                        # one, shared
#     M_c = torch.sigmoid(mlp(x.mean((2, 3))) + mlp(x.amax((2, 3))))   # (B, C)
#     x = M_c[:, :, None, None] * x                                    # from here on x is F'
#     maps = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1)          # (B, 2, H, W)
#     M_s = torch.sigmoid(F.conv2d(maps, kernel, padding=kernel.shape[-1] // 2))       # (B, 1, H, W)
#     return M_s * x
# ```
# - **Two pools of the channel gate, one MLP.** Two MLPs would double the weights; concatenation would let mean and maximum be weighed apart. The sum stands *inside* the sigmoid; $\sigma(a)+\sigma(b)$ may exceed 1.
# - **Why 7 × 7?** Where something is cannot be told from one position. A large kernel compares a place with its surroundings (above: much ink at once). With padding $k//2$ the map keeps its size, but zeros come in at the rim.
# - **Weights**: $2C^2/r+98$. For $C=512$, $r=16$: 32,768 + 98.
# - **Order.** Parallel means $M_c(x)\,M_s(x)\,x$; sequential $M_s(x')$. Different functions of the same weights (above). Which is better is an empirical question: channel first in the paper, no difference in our toy.
# - **Without position.** The channel gate is invariant to shuffled positions, so its $R^2$ for the place is about 0 (above); the spatial gate is invariant to shuffled channels.
# </details>
# <details><summary>How it is scored</summary>
#
# - **Strong hire**: code with the shared MLP, the sum inside the sigmoid and $F'$ in both roles; says what each gate cannot know.
# - **Lean hire**: both gates right, but the spatial one applied to the original map, or the maximum forgotten until asked.
# - **No hire**: pools over the wrong axes, or believes that the gates sum to one.
# </details>
#
# **Red flag:** "CBAM is SE plus a mask on the input image".
#
# **Follow-up:** at test time images are twice as wide and twice as high. Which of the two gates notices? (Neither has a weight that depends on the size. But 7 × 7 now covers a quarter of the share of the image that it did, and a maximum over four times as many positions tends to be larger.)

# %% [markdown]
# ## Gates save no compute
#
# **A gate of 0.001: is the region skipped?** No. All convolutions have run before the gate is known, and the product with 0.001 is computed like any other. Count the multiply-adds with PyTorch's own counter: once with untrained gates, once
# with gates that are shut everywhere, once without gates. Then crop.


# %%
def multiply_adds(model, images):
    """Multiply-adds per image of convolutions and matrix products, by torch's counter of floating point operations."""
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        model(images)
    return counter.get_total_flops() // 2 // len(images)


torch.manual_seed(0)
plain, with_gates = GatedCNN().eval(), GatedCNN(CBAM(16, r=4)).eval()
shut = GatedCNN(CBAM(16, r=4)).eval()
nn.init.constant_(shut.third[1].bias, 1.0)  # features about 1, and a kernel far below zero: σ(−98 · …) ≈ 0
nn.init.constant_(shut.gate.conv.weight, -1.0)
with torch.no_grad():
    print(f"largest gate of the shut network: {shut(X_test[:100]).spatial.max():.0e}")
dense = {
    "no gates": multiply_adds(plain, X_test[:8]),
    "gates": multiply_adds(with_gates, X_test[:8]),
    "gates shut everywhere": multiply_adds(shut, X_test[:8]),
    "hard crop of 12 × 12, then no gates": multiply_adds(plain, X_test[:8, :12, :12]),
}
for name, count in dense.items():
    print(f"{name:38}{count:9,} multiply-adds per image, {count / dense['no gates']:.0%}")

# %% [markdown] claims="C188"
# **C188 · imprecise.** *“Attention focuses the compute on candidate regions.”* Soft gates process everything, and add their own cost on top. Only what is *not computed* is saved: a crop (above, 36 % of the area and about as much of the
# work), a hard choice of patches, an early exit. And somebody has to choose the crop before the expensive part runs; our gate is known only afterwards.

# %%
claim(
    "C188",
    dense["gates shut everywhere"] - dense["gates"],
    0,
    what="multiply-adds saved by gates that are shut everywhere",
)
claim("C188", dense["gates"] / dense["no gates"], at_least=1.0, what="multiply-adds with gates / without")
claim(
    "C188",
    dense["hard crop of 12 × 12, then no gates"] / dense["no gates"],
    0.36,
    0.01,
    what="cropped / whole; area (12/20)² = 0.36",
)

# %% [markdown]
# ## An image as a sequence
#
# **How does a Transformer read an image?** Cut it into squares of $P\times P$ pixels and read these row by row. Each square, flattened, is a vector of $3P^2$ numbers; a linear layer makes a token of it. From there on it is the encoder of text: every
# token may read from every other, from the first layer on. A photograph that comes with scikit-learn, cut to 224 × 224:

# %%
photo = load_sample_image("china.jpg")[100:324, 100:324].transpose(2, 0, 1)[None] / 255.0  # (1, 3, 224, 224)
patches = patchify(photo, 16)
back = unpatchify(patches, 16, 224, 224)
print(
    "image",
    photo.shape,
    "→ patches",
    patches.shape,
    "→ image",
    back.shape,
    " largest error:",
    np.abs(back - photo).max(),
)
scrambled = (
    patches.reshape(1, 196, 16, 16, 3).transpose(0, 1, 4, 2, 3).reshape(1, 196, 768)
)  # the usual slip: channels last
print(
    f"channels read in the wrong order: back to an image with an error of up to {np.abs(unpatchify(scrambled, 16, 224, 224) - photo).max():.2f}"
)

# %%
fig, axes = plt.subplots(1, 3, figsize=(12, 4))
axes[0].imshow(photo[0].transpose(1, 2, 0))
axes[0].set(
    xticks=np.arange(0, 225, 16) - 0.5,
    yticks=np.arange(0, 225, 16) - 0.5,
    xticklabels=[],
    yticklabels=[],
    title="14 × 14 patches of 16 × 16",
)
axes[0].grid(visible=True, color="white", linewidth=1)
for ax, order, title in zip(
    axes[1:], (np.arange(196), rng.permutation(196)), ("put together again", "the same tokens, shuffled"), strict=True
):
    ax.imshow(unpatchify(patches[:, order], 16, 224, 224)[0].transpose(1, 2, 0))
    ax.set(xticks=[], yticks=[], title=title)
show(
    fig,
    "A photograph of a Chinese roof with a grid of 14 by 14 patches, put together again from its tokens, and with the tokens shuffled.",
)
print("photograph: danielbuechele (Flickr), CC BY 2.0, from scikit-learn")

# %% [markdown]
# **How many tokens?** $n=HW/P^2$, and one more for the class token that collects the answer. Attention compares all pairs: its cost grows with $n^2=(HW/P^2)^2$, so with the *fourth* power of the side of the image and of
# the fineness of the patches.

# %%
print(f"{'image':>9}{'patch':>7}{'tokens':>8}{'pairs':>14}{'against 224/16':>16}")
for side, size in ((224, 32), (224, 16), (224, 8), (384, 16), (512, 16), (1024, 16)):
    n = token_count(side, side, size)
    print(f"{side:6}²{size:7}²{n:8,}{n**2:14,}{n**2 / 196**2:15.1f}×")
windows = {
    side: token_count(side, side, 4) * 7**2 for side in (224, 448)
}  # Swin: patches of 4, windows of 7 × 7 tokens
print(
    f"windows of 7 × 7 tokens: {windows[224]:,} pairs at 224², {windows[448]:,} at 448²: {windows[448] / windows[224]:.0f} times for 4 times the pixels"
)

# %% [markdown] claims="C189"
# **C189 · true.** *“A ViT cuts the image into 16 × 16 patches and attends globally from the first layer on.”* 196 tokens at 224 × 224, of 768 numbers each. What is often left out: a class token (197 in all) and positions. And *may* attend globally is not *does*.

# %%
claim("C189", list(patches.shape[1:]), [196, 768], what="224²: tokens, numbers in a patch")
claim(
    "C189",
    [token_count(224, 224, 16) + 1, token_count(512, 512, 16)],
    [197, 1024],
    what="with class token at 224²; without at 512²",
)
claim("C189", float(np.abs(back - photo).max()), 0, what="patchify and back: largest error")
claim("C189", token_count(448, 448, 16) ** 2 / token_count(224, 224, 16) ** 2, 16, what="pairs, when the side doubles")
torch.manual_seed(0)
probe = torch.rand(1, 1, 8, 8, requires_grad=True)
vit = ViT((1, 8, 8), size=2, d=28, heads=4, depth=1, symbols=10)
vit(probe)[0, 0].backward()
claim("C189", int((probe.grad != 0).sum()), 64, what="pixels of 64 that reach the class token in one block")

# %% [markdown]
# ## Without positions, a bag of patches
#
# **Would a Transformer notice that the patches are shuffled?** Self-attention has no order: permute its input and its output is permuted alike. Take the mean over the tokens, or a class token, and the answer stays the same, unless positions are added to the tokens. To
# such a network the left photograph and the right one above are the same image.


# %%
def shuffle(images, size, order):
    tokens = patchify(images, size)
    return unpatchify(tokens[:, order], size, *images.shape[2:])


order = np.random.default_rng(3).permutation(16)
images = torch.from_numpy(digits("test").images[:50, None])
for pooling in ("mean", "class"):
    for positions in (False, True):
        torch.manual_seed(1)
        vit = ViT((1, 8, 8), 2, d=28, heads=4, depth=2, symbols=10, pooling=pooling, positions=positions).eval()
        with torch.no_grad():
            change = (vit(images) - vit(shuffle(images, 2, order))).abs().max().item()
        known = "with" if positions else "without"
        print(
            f"pooling {pooling:6} {known:8} positions: the logits move by {'less than 1e-5' if change < 1e-5 else f'{change:.2f}'}"
        )
        assert (change > 0.05) if positions else (change < 1e-5)

# %% [markdown]
# ### Another resolution
#
# **The image is larger than in training. What now?** Patches and blocks do not mind, but there are more tokens than positions: 1,024 against 196. The learned vectors form a grid, 14 × 14; interpolate it to 32 × 32, each of the $d$ features as if it were a picture (Dosovitskiy et al., section 3.2). The class token
# keeps its vector.
#
# To see what interpolation keeps, take smooth positions whose truth is known on every grid: $\sin$ and $\cos$ of the row and the column.


# %%
def smooth(side, d=8):
    """Vectors for a grid of side × side places: waves along rows and along columns, (side², d)."""
    at = (np.arange(side) + 0.5) / side
    waves = [f(np.pi * k * at) for k in range(1, d // 4 + 1) for f in (np.sin, np.cos)]
    return np.concatenate([np.repeat(waves, side, 1), np.tile(waves, side)]).T


trained, truth = smooth(14), smooth(32)
stretched = interpolate_positions(trained, (14, 14), (32, 32))
padded = np.concatenate([trained, np.zeros((1024 - 196, 8))])  # the tempting alternative: old ones first, then zeros
for name, guess in (("interpolated", stretched), ("the first 196, then zeros", padded)):
    print(f"{name:28}{guess.shape} mean error {np.abs(guess - truth).mean():.3f}")
assert np.abs(stretched - truth).mean() < 0.02 < 0.3 < np.abs(padded - truth).mean()

# %%
fig, axes = plt.subplots(1, 4, figsize=(12, 3.1))
shown = (
    ("trained, 14 × 14", trained, 14),
    ("interpolated, 32 × 32", stretched, 32),
    ("the truth, 32 × 32", truth, 32),
    ("padded with zeros", padded, 32),
)
for ax, (title, vectors, side) in zip(axes, shown, strict=True):
    near = vectors @ vectors[side // 8 * side + side // 4]  # which places are like this one?
    ax.imshow(near.reshape(side, side) / near.max(), cmap="Blues", vmin=-1, vmax=1)
    ax.plot(side // 4, side // 8, "kx", markersize=9, markeredgewidth=2)
    ax.set(xticks=[], yticks=[], title=title)
show(
    fig,
    "Similarity of all positions with one marked place: alike on the trained grid, the interpolated one and the true one; padded with zeros, stripes above and nothing below.",
)

# %% [markdown]
# ## Little data, much data
#
# **Why did Vision Transformers need so many images?** A convolution is told two things before it sees one image: near pixels belong together, and what holds here holds there. A Transformer is told almost nothing of either; it has to learn both from examples. So with few examples it should be worse, and the gap should shrink with more.
#
# The same digits (centred, 8 × 8), about 10,000 weights in each network, and from 50 to 1200 examples. The convolutional net trains for 80 steps, the Transformer, which learns more slowly, for 200.


# %%
def convolutional():
    """Three convolutions and a mean over positions."""
    widths, layers = (1, 16, 24, 24), []
    for i in range(3):
        layers += [nn.Conv2d(widths[i], widths[i + 1], 3, padding=1), nn.BatchNorm2d(widths[i + 1]), nn.ReLU()]
    return nn.Sequential(
        *layers[:3], nn.MaxPool2d(2), *layers[3:], nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(24, 10)
    )


def transformer():
    """16 patches of 2 × 2, a class token, one block with four heads."""
    return ViT((1, 8, 8), size=2, d=28, heads=4, depth=1, symbols=10)


for make in (convolutional, transformer):
    print(f"{make.__name__:14}{sum(p.numel() for p in make().parameters()):7,} weights")

# %% tags=["nbval-ignore-output"]
pool, held_out = digits("train"), digits("test")
D, D_test = ((torch.from_numpy(part.images)[:, None] - 0.3) / 0.38 for part in (pool, held_out))  # mean 0, spread 1
labels = torch.from_numpy(pool.labels)
AMOUNTS = (50, 200, 1200)


def learn(make, amount, seed, steps, rate):
    torch.manual_seed(seed)
    some = torch.randperm(len(D))[:amount]
    model = make()
    train(model, model, D[some], labels[some], steps=steps, seed=seed, rate=rate)
    with torch.no_grad():
        return (model(D_test).argmax(1).numpy() == held_out.labels).mean()


# %% tags=["nbval-ignore-output"]
curves = {
    make.__name__: np.array([[learn(make, amount, seed, steps, rate) for seed in SEEDS] for amount in AMOUNTS])
    for make, steps, rate in ((convolutional, 80, 0.02), (transformer, 200, 0.01))
}
gaps = curves["convolutional"] - curves["transformer"]
for name, table in {**curves, "gap": gaps}.items():
    print(
        f"{name:14}"
        + "     ".join(
            f"{n} examples: " + " ".join(f"{a:4.0%}" for a in row) for n, row in zip(AMOUNTS, table, strict=True)
        )
    )
assert (gaps[0] > 0.1).all()
assert (gaps[-1] < gaps[0] - 0.05).all()

# %% tags=["nbval-ignore-output"]
fig, ax = plt.subplots(figsize=(6.5, 3.4))
for name, table in curves.items():
    ax.plot(AMOUNTS, table.mean(1), label=name)
    ax.fill_between(AMOUNTS, table.min(1), table.max(1), alpha=0.2)
ax.set(
    xscale="log",
    xticks=AMOUNTS,
    xticklabels=AMOUNTS,
    xlabel="training examples",
    ylabel="accuracy on 500 test digits",
    ylim=(0.3, 1),
)
ax.minorticks_off()
ax.legend(loc="lower right")
show(
    fig,
    "Accuracy against the number of examples: the convolutional net is ahead everywhere, far ahead with 50, less with 1200.",
)
print(f"mean gap: {gaps[0].mean():.0%} with {AMOUNTS[0]} examples, {gaps[-1].mean():.0%} with {AMOUNTS[-1]}")

# %% [markdown] claims="C190"
# **What this shows, and what not.** The gap is large with few examples and shrinks with more, with each of three seeds. It does not close here: 1200 images are still few, and 200 steps are few for a Transformer. And digits that lie in the middle of the image are the easiest case for it: where objects move about, it has to learn every place by itself.
#
# **C190 · imprecise.** *“ViT showed that convolutions are unnecessary; it is the state of the art.”* In Dosovitskiy et al. (2021), trained on ImageNet-1k alone, ViT stayed below comparable ResNets; after pretraining on 300 million images (JFT) it was ahead. DeiT (Touvron et al. 2021) got there with
# ImageNet alone, by heavy augmentation, regularisation and distillation. Windows (Swin) and modern convolutional nets (ConvNeXt) put locality back in. The right sentence: with enough data *or* a strong recipe, convolution is not needed. History, so no cell measures it.

# %% [markdown] question="Q093" kind="implement" minutes=7
# ### How does a Vision Transformer turn an image into tokens, and what follows for cost, data and resolution?
#
# <details><summary>Hint 1 · direction</summary>
#
# Count: how many squares of 16 × 16 are in 224 × 224, and how many numbers does each hold? Then ask what the encoder does not know.
# </details>
# <details><summary>Hint 2 · insight</summary>
#
# It knows neither where a patch was nor that neighbours belong together. Which part of the model tells it the first, and what has to tell it the second?
# </details>
# <details><summary>Sixty-second answer</summary>
#
# Cut the image into patches of sixteen by sixteen: at two hundred twenty-four that is fourteen by fourteen, one hundred ninety-six patches of seven hundred sixty-eight numbers. A linear layer embeds each, a class token goes in front, learned positions are added; then it is
# the encoder of text, and every token may read from every other in layer one. Positions are needed, since without them shuffled patches give the same answer. The cost is quadratic in tokens, so twice the side costs sixteen times the attention; Swin uses windows, which makes it linear in
# pixels. There is little built-in locality, so with little data it loses: on ImageNet alone below comparable ResNets in the paper, ahead after pretraining on three hundred million images; DeiT closed much of that by training recipe. At five hundred twelve there are one thousand twenty-four tokens, and
# the positions must be interpolated.
# </details>
# <details><summary>Full answer</summary>
#
# ```python
# def patchify(x, P):                                        # (B, C, H, W) -> (B, HW/P², C P²)
#     B, C, H, W = x.shape
#     x = x.reshape(B, C, H // P, P, W // P, P)
#     return x.permute(0, 2, 4, 1, 3, 5).reshape(B, (H // P) * (W // P), C * P * P)
# ```
# The permutation is the point: rows and columns of the *grid* first, then channel, row and column *inside* the patch. A bare `reshape(B, n, -1)` runs and mixes patches. Patches times $E$ are a convolution with kernel and stride $P$, flattened.
# $$z_0=[z_\text{class};E p_1;\dots;E p_n]+E_\text{pos},\quad z\leftarrow z+\operatorname{MSA}(\operatorname{LN}z),\quad z\leftarrow z+\operatorname{MLP}(\operatorname{LN}z),\quad \text{logits}=W\operatorname{LN}(z)_0 .$$
# - **Cost** per block: $12nd^2+2n^2d$; the second term wins from $n=6d$ on. With $n=196$, $d=768$ it is 4 % of the first: at 224² the *projections* cost, not the attention. At 1024² ($n=4096$) it is 89 %.
# - **Without positions** the map is permutation equivariant, its pooled output invariant (measured: logits move by less than 1e-5).
# - **Resolution**: same $P$, more tokens; interpolate $E_\text{pos}$ as a grid, leave the class vector out of it.
# - **Data**: measured here, with about 10,000 weights each: a gap of about 25 points with 50 digits, about 10 with 1200. Convolution has locality and shared weights built in; the Transformer has only the shared $E$.
# - **Windows** (Swin): attention within $M\times M$ tokens, $nM^2$ pairs; shifted windows connect neighbours.
# </details>
# <details><summary>How it is scored</summary>
#
# - **Strong hire**: 196 (197) and 768 without hesitation, correct permutation, quartic growth with the side, and what replaces missing locality (data or recipe).
# - **Lean hire**: tokens and encoder right, but no reason for positions, or only "needs much data" without the why.
# - **No hire**: treats pixels as tokens without noticing 50,176 of them, or a plain reshape and no suspicion.
# </details>
#
# **Red flag:** "ViT understands 2-D structure through its positions". The learned ones are just vectors; that neighbours resemble each other has to be learned.
#
# **Follow-up:** halve the patch size. What changes in weights, tokens, attention? ($E$ shrinks to a quarter, positions times four, tokens times four, pairs times sixteen.)

# %% [markdown]
# **Three more that interviewers ask here**, with the answer in a line each.
#
# - *Where in a ResNet block does the gate go?* On the residual branch, before the addition: $x+s\odot f(x)$. Gate the sum, and the skip path is attenuated in every block: with $s=0.5$ in 16 blocks, by $0.5^{16}=1.5\cdot10^{-5}$.
# - *Class token or mean of the tokens?* Both work; the mean needs no extra token, and the paper's appendix finds them equal once the learning rate is tuned.
# - *Why is SE's bottleneck needed, why not one matrix?* One matrix has $C^2$ weights instead of $2C^2/r$, eight times as many as with $r=16$; and without the relu between two layers the channels interact only linearly.

# %% [markdown]
# ## Pitfalls
#
# Mistakes that run without an error.

# %%
a = torch.from_numpy(x)
square = a[:, :10]  # C = H = W = 10: nothing stops you
s = torch.sigmoid(square.mean((2, 3)))
print(
    "1. gate on the last axis instead of the channels:",
    tuple((square * s).shape),
    "and off by up to",
    round((square * s - square * s[:, :, None, None]).abs().max().item(), 2),
)
assert not torch.allclose(square * s, square * s[:, :, None, None])

soft = torch.softmax(a.mean((2, 3)), 1)[:, :, None, None] * a
print(
    f"2. softmax over 16 channels: the map keeps {soft.norm() / a.norm():.0%} of its norm; with sigmoids {(torch.sigmoid(a.mean((2, 3)))[:, :, None, None] * a).norm() / a.norm():.0%}"
)
assert soft.norm() < 0.1 * a.norm()

down, up = torch.from_numpy(W_1).T, torch.from_numpy(W_2).T
outside = sum(torch.sigmoid(torch.relu(z @ down) @ up) for z in (a.mean((2, 3)), a.amax((2, 3))))
print(f"3. CBAM with the sum outside of the sigmoid: largest gate {outside.max():.2f}")
assert outside.max() > 1

# %%
naive = photo.reshape(1, 196, 768)  # 4. no permutation: strips of one channel, not squares
print(f"4. reshape alone as patchify: {np.mean(naive == patches):.0%} of the numbers where they belong")
assert np.mean(naive == patches) < 0.2

faint = GatedCNN(CBAM(16, r=4))
start = faint(X_test[:200]).spatial
print(
    f"5. a spatial gate before training: mean {start.mean():.2f}, so a net that gets it added sees its features halved at once"
)
assert abs(start.mean().item() - 0.5) < 0.1

skip = 0.5 ** np.array([1, 4, 16])
print(
    "6. gates on the sum instead of the branch, 0.5 each: the skip path after 1, 4, 16 blocks:",
    ", ".join(f"{s:.2g}" for s in skip),
)

# %% [markdown]
# ## Analogies, and where they break
#
# | analogy | stands for | where it breaks |
# |---|---|---|
# | a mixing desk: one fader per microphone | channel gate | faders can also boost; these stop at 1 |
# | a dimmer over a stage, spot by spot | spatial gate | the actors in the dark play on: nothing is saved |
# | a jigsaw in its box | tokens without positions | a child sees which pieces fit; the encoder must learn even that |
# | re-hanging curtains on a wider rail | interpolated positions | only smooth ones stretch without a crease |
#
# ## In practice
#
# | use (typical sizes) | mechanism | weights | advice |
# |---|---|---|---|
# | classifier on a phone, $C$ = 16–960 | SE in most blocks (MobileNetV3) | $2C^2/r$, $r=4$ | hard sigmoid; mind the memory traffic |
# | detector, maps 80² × 256 | CBAM or a spatial gate | $2C^2/r+98$ | measure against plain convolutions of equal time |
# | backbone at 224², 197 × 768 | ViT-B/16, 12 heads | 86 million | pretrained; fine-tune at a higher resolution with interpolated positions |
# | dense prediction at 1024², 65,536 patches of 4² | windows (Swin) | $nM^2$ pairs | full attention at the last stages only |
#
# **What to do (2026), and what it rests on.** Pretrained weights decide more than the mechanism. With little data and no pretraining, convolution (measured above). Add a gate if the measured time allows it, and look at it on images where you know the answer (measured above), before
# you call it an explanation.
#
# **What gives a candidate away.** Strong: asks "sigmoid or softmax, over which axis?" before drawing anything. Weak: shows a heat map and says that the network saves work there.

# %% [markdown]
# ## Takeaways
#
# 1. Channel gate, spatial gate, self-attention: $C$, $HW$ and $HW\times HW$ weights; only the last sum to one, row by row ([Three mechanisms, one name](#Three-mechanisms,-one-name)).
# 2. A gate only attenuates, and saves nothing ([A gate only attenuates](#A-gate-only-attenuates), C187; [Gates save no compute](#Gates-save-no-compute), C188).
# 3. SE-ResNet-50: 2,514,944 more weights, 9.8 %, but less than half a percent more compute ([What SE costs](#What-SE-costs), C196).
# 4. CBAM: mean and maximum, channel first, and the spatial gate reads and multiplies what is left ([CBAM: what, then where](#CBAM:-what,-then-where), C191 to C193).
# 5. A gate trained on labels alone finds the digit; the channel gate knows what and not where; the order did not matter in our toy ([Gates that look in the right place](#Gates-that-look-in-the-right-place)).
# 6. 224² in patches of 16² is 196 tokens; twice the side, 16 times the pairs; without positions a bag of patches ([An image as a sequence](#An-image-as-a-sequence), C189).
# 7. Less is built in, so more must be learned: the gap to a convolutional net is large with 50 examples and shrinks with more ([Little data, much data](#Little-data,-much-data)).

# %% [markdown]
# ## Cheat sheet
#
# | concept | formula | in one line | red flag |
# |---|---|---|---|
# | squeeze | $z_c=\operatorname{mean}_{HW}x_c$ | what is in the image, not where | mean over channels |
# | excitation | $s=\sigma(W_2\operatorname{relu}(W_1z))$ | channels talk to each other | softmax |
# | cost of SE | $2C^2/r$ weights per block | +9.8 % weights, +0.26 % compute | one figure for both (C196) |
# | CBAM channel | $\sigma(\mathrm{MLP}(\text{mean})+\mathrm{MLP}(\max))$ | one MLP, sum inside | average only (C193) |
# | CBAM spatial | $\sigma(\mathrm{conv}_{7\times7}[\text{mean};\max])$ | 98 weights, on $x'$ | on the original $x$ (C192) |
# | gate | $0<\sigma<1$ | attenuates | "amplifies", "saves compute" (C187, C188) |
# | patches | $n=HW/P^2$ | 196 of 768 | reshape without permutation |
# | attention | $n^2=(HW/P^2)^2$ | side × 2, pairs × 16 | "linear in pixels" without windows |
# | positions | grid, interpolated | 14² → 32²; class token apart | padding with zeros |
# | data | little built in | pretraining or recipe | "CNNs are obsolete" (C190) |

# %% [markdown]
# ## Check yourself
#
# Mark each row from 1 (cannot), 2 (vaguely), 3 (can explain), 4 (can derive) to 5 (could teach). Aim at 4; come back to what is below in three days.
#
# | I can | 1–5 | if below 4 |
# |---|---|---|
# | draw three mechanisms with the shapes of their weights | | [Three mechanisms, one name](#Three-mechanisms,-one-name) |
# | code SE and count its weights in any network | | tasks `vision.squeeze`, `vision.se_block`, `vision.se_parameters` |
# | code CBAM from memory | | tasks `vision.cbam_channel`, `vision.cbam_spatial`, `vision.cbam` |
# | say what each gate cannot know, and prove it | | [What the channel gate knows](#What-the-channel-gate-knows), task `vision.proof` |
# | write patchify and say what positions are for | | [An image as a sequence](#An-image-as-a-sequence), [Without positions, a bag of patches](#Without-positions,-a-bag-of-patches) |
# | explain when a ViT beats a convolutional net | | [Little data, much data](#Little-data,-much-data) |

# %% [markdown]
# ## Now you
#
# Open [your copy of the assignment](../work/18_vision/18_vision.ipynb) (made by `make study`; the [released exercise](../exercises/18_vision/18_vision.ipynb) stays untouched): six small functions and a written question. A check tells you at once whether you
# are right and, if not, which mistake it is.
#
# **Sources.** Hu, Shen and Sun 2018, *Squeeze-and-Excitation Networks*: equations 2 to 5, the cost in section 4. Woo, Park, Lee and Kweon 2018, *CBAM: Convolutional Block Attention Module*: equations 1 to 3, the ablations in section 4. Dosovitskiy et al. 2021, *An Image is Worth 16x16 Words*:
# equations 1 to 4, sections 3.2 and 4. Touvron et al. 2021, *Training data-efficient image transformers* (DeiT). Liu et al. 2021, *Swin Transformer*. He et al. 2016, *Deep Residual Learning*, table 1. Digits: Alpaydin and Kaynak 1998, UCI, CC BY 4.0, from scikit-learn.
