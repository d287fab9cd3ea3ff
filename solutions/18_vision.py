# %% [markdown] locked="intro"
# # Assignment 18 · Vision: gates on channels and positions
#
# **What you will have written at the end:** a Squeeze-and-Excitation block, both gates of CBAM, the module that puts them one behind
# the other, and a count of what such blocks cost.
#
# - **Before:** the lecture [18 · Vision](../../notebooks/18_vision.ipynb).
# - **Time:** about 60 minutes. **Points:** 21, of which 4 are for a written proof that a person reads.
# - **How it works:** replace `raise NotImplementedError()` with your code, run the cell, run the check below it. The check says
#   within a second whether you are right and, if not, *which* mistake it is. Check as often as you like.
# - **Stuck?** Run `hint("vision.cbam")` (any task's name) in a cell of your own: three hints each, the first gives a direction,
#   the last almost the code.
#
# **Conventions.** A feature map `x` has the shape `(B, C, H, W)`: images, channels, rows, columns. A matrix `W` of shape `(out, in)` is
# applied as in `nn.Linear`: $Wz$ for a vector, `z @ W.T` for a batch of rows. Keep the dtype of your inputs (float32 and float64 both
# occur), let gradients through, and never modify an input. You need not check shapes. Logits may be very large, in every gate: the gate may then
# be exactly 0 or 1, but neither it nor a gradient may be NaN.

# %% locked="setup"
import torch

from autograder import check, hint

# %% [markdown]
# ## 1. Squeeze: what is in the image, and how much of it
#
# `squeeze(x)` gives the mean of each channel over all positions, $z_c=\frac1{HW}\sum_{i,j}x_{c,i,j}$: `(B, C, H, W)` → `(B, C)`.
#
# By hand: one image with the two channels `[[1, 2], [3, 6]]` and `[[0, 0], [0, 1]]` gives `[[3, 0.25]]`.


# %% answer="vision.squeeze"
def squeeze(x):
    """(B, C, H, W) -> (B, C): the mean of each channel."""
    ### BEGIN SOLUTION
    return x.mean(dim=(2, 3))
    ### END SOLUTION


# %% check="vision.squeeze"
check("vision.squeeze", squeeze)

# %% [markdown]
# ## 2. Excitation: one gate per channel
#
# `se_block(x, W_1, b_1, W_2, b_2)` returns two things: the gated feature map, and the gate.
#
# $$g=\sigma\big(W_2\,\mathrm{relu}(W_1z+b_1)+b_2\big),\qquad \mathrm{out}_{c,i,j}=g_c\,x_{c,i,j}.$$
#
# | argument | `x` | `W_1` | `b_1` | `W_2` | `b_2` | `out` | `gate` |
# |---|---|---|---|---|---|---|---|
# | shape | `(B, C, H, W)` | `(C/r, C)` | `(C/r,)` | `(C, C/r)` | `(C,)` | `(B, C, H, W)` | `(B, C)` |
#
# By hand, with C = 1 and one row of two positions: `x = [[[[2, 4]]]]`, `W_1 = W_2 = [[1]]`, `b_1 = [0]`, `b_2 = [-3]`. The mean is 3, the logit
# 3 − 3 = 0, the gate ½: `out = [[[[1, 2]]]]`, `gate = [[0.5]]`.


# %% answer="vision.se_block"
def se_block(x, W_1, b_1, W_2, b_2):
    """Feature map, two layers -> the gated feature map (B, C, H, W), the gate (B, C)."""
    ### BEGIN SOLUTION
    hidden = torch.relu(squeeze(x) @ W_1.T + b_1)  # (B, C) @ (C, C/r) -> (B, C/r)
    gate = torch.sigmoid(hidden @ W_2.T + b_2)  # (B, C/r) @ (C/r, C) -> (B, C)
    return x * gate[:, :, None, None], gate
    ### END SOLUTION


# %% check="vision.se_block"
check("vision.se_block", se_block)

# %% [markdown]
# ## 3. The channel gate of CBAM: mean and maximum
#
# `cbam_channel(x, W_1, W_2)` sends two summaries of each channel through *the same* two layers, which have no biases here:
#
# $$M_c=\sigma\big(\mathrm{MLP}(z^{\mathrm{avg}})+\mathrm{MLP}(z^{\max})\big),\qquad \mathrm{MLP}(z)=W_2\,\mathrm{relu}(W_1z).$$
#
# It returns the gate alone, `(B, C)`. By hand: `x = [[[[1, 3]]]]` and `W_1 = W_2 = [[1]]` have the mean 2 and the maximum 3, so the gate is
# σ(2 + 3) = 0.9933.


# %% answer="vision.cbam_channel"
def cbam_channel(x, W_1, W_2):
    """(B, C, H, W), (C/r, C), (C, C/r) -> the gate of each channel, (B, C)."""
    ### BEGIN SOLUTION
    average = torch.relu(x.mean(dim=(2, 3)) @ W_1.T) @ W_2.T
    maximum = torch.relu(x.amax(dim=(2, 3)) @ W_1.T) @ W_2.T
    return torch.sigmoid(average + maximum)
    ### END SOLUTION


# %% check="vision.cbam_channel"
check("vision.cbam_channel", cbam_channel)

# %% [markdown]
# ## 4. The spatial gate of CBAM: where
#
# `cbam_spatial(x, kernel)` pools over the *channels*: the mean and the maximum at each position, in this order, are two maps, and one
# convolution turns them into a map of logits. `kernel` has the shape `(1, 2, k, k)` with k odd. Use `torch.nn.functional.conv2d`, which
# does not flip the kernel, with `k // 2` zeros around the maps, so that the height and the width stay.
#
# $$M_s=\sigma\big(\mathrm{kernel}\ast[\,\mathrm{mean}_c\,x\,;\,\mathrm{max}_c\,x\,]\big)\quad\text{of shape }(B,1,H,W).$$
#
# By hand: two channels, one row of two positions, `x = [[[[0, 2]], [[0, 4]]]]`, and k = 1, `kernel = [[[[1]], [[-1]]]]`, that is mean minus maximum.
# The logits are 0 − 0 and 3 − 4, the gate `[[[[0.5, 0.2689]]]]`.


# %% answer="vision.cbam_spatial"
def cbam_spatial(x, kernel):
    """(B, C, H, W), (1, 2, k, k) -> the gate of each position, (B, 1, H, W)."""
    ### BEGIN SOLUTION
    maps = torch.cat([x.mean(dim=1, keepdim=True), x.amax(dim=1, keepdim=True)], dim=1)  # (B, 2, H, W)
    return torch.sigmoid(torch.nn.functional.conv2d(maps, kernel, padding=kernel.shape[-1] // 2))
    ### END SOLUTION


# %% check="vision.cbam_spatial"
check("vision.cbam_spatial", cbam_spatial)

# %% [markdown]
# ## 5. One behind the other
#
# `cbam(x, W_1, W_2, kernel)` gates the channels first. The spatial gate is made from the result, and multiplies the result:
#
# $$x'=M_c(x)\odot x,\qquad \mathrm{out}=M_s(x')\odot x'.$$
#
# By hand, all sizes 1: `x = [[[[1]]]]`, `W_1 = W_2 = [[1]]`, `kernel = [[[[1]], [[0]]]]` (it reads the mean). $M_c=\sigma(1+1)=0.8808=x'$ and
# $M_s=\sigma(0.8808)=0.7070$, so `out = [[[[0.6227]]]]`.


# %% answer="vision.cbam"
def cbam(x, W_1, W_2, kernel):
    """Feature map and the weights of both gates -> (B, C, H, W)."""
    ### BEGIN SOLUTION
    refined = x * cbam_channel(x, W_1, W_2)[:, :, None, None]
    return refined * cbam_spatial(refined, kernel)
    ### END SOLUTION


# %% check="vision.cbam"
check("vision.cbam", cbam)

# %% [markdown]
# ## 6. What the blocks cost
#
# `se_parameters(stages, r)` is plain Python. `stages` is a list of pairs `(channels, blocks)`: a stage of 4 blocks with 512 channels is `(512, 4)`. Each
# block has its own two matrices. Return the number of their weights over the whole network, without biases, as an exact `int`. If r
# does not divide the channels of a stage, raise `ValueError`.
#
# By hand: `se_parameters([(4, 3)], 2)` has 3 blocks with a matrix (2, 4) and a matrix (4, 2): 3 · 16 = 48. And `se_parameters([(6, 1)], 4)` raises.


# %% answer="vision.se_parameters"
def se_parameters(stages, r):
    """[(channels, blocks), ...], reduction -> the number of extra weights, an int."""
    ### BEGIN SOLUTION
    total = 0
    for channels, blocks in stages:
        if channels % r != 0:
            raise ValueError(f"the reduction r={r} does not divide {channels} channels")
        total += blocks * 2 * channels * (channels // r)
    return total
    ### END SOLUTION


# %% check="vision.se_parameters"
check("vision.se_parameters", se_parameters)

# %% [markdown] locked="vision-proof-question"
# ## 7. In writing: what a gate can do, what it cannot, and what it does not see
#
# 1. Prove that a sigmoid gate with finite logits can only attenuate: $|\mathrm{out}|<|x|$ wherever $x\ne0$. Then show in what sense it can still
#    emphasise one channel against another, and that there is no limit to that.
# 2. Prove that the gate of an SE block does not change when the positions of x are permuted. What does it therefore not know?
# 3. Count: how many multiplications does an SE block add for one image, and how many does a gate near 0 save in this layer and in the next?
#    When would it save some?
# 4. Channel first and spatial first differ. Show it with numbers (all sizes 1 suffice: take $x=1$, all weights 1, and a kernel that reads the
#    mean). Why is "multiplication commutes" no objection?
#
# One point each. Half a page is enough; write formulas between dollar signs.

# %% [markdown] written="vision.proof"
# ### BEGIN SOLUTION
# **1.** $\sigma(s)=1/(1+e^{-s})$ with $0<e^{-s}<\infty$ for finite $s$, so $0<g<1$ and $|\mathrm{out}|=g\,|x|<|x|$ wherever $x\ne0$. But
# $\frac{\mathrm{out}_1}{\mathrm{out}_2}=\frac{g_1}{g_2}\cdot\frac{x_1}{x_2}$, and as the two logits are independent, $g_1/g_2$ takes every positive value ($g_1=\frac12$
# and $g_2\to0$ or $g_2=\frac12$ and $g_1\to0$). Emphasis is relative: the others are turned down. Nothing has to sum to 1.
#
# **2.** Let $\pi$ permute the positions. $z_c(\pi x)=\frac1{HW}\sum_px_{c,\pi(p)}=\frac1{HW}\sum_px_{c,p}=z_c(x)$, since a sum does not depend on the order of its
# terms. All that follows is a function of $z$, so the gate is the same, and the output is the permuted output. The gate knows what is in the image, not where.
#
# **3.** $2C^2/r$ multiplications for the two matrices and $CHW$ for the product with $x$ (and $CHW$ additions for the means). A gate near 0 saves none: it is known only
# when all of $x$ has been computed and read, every product is carried out, and the next layer gets a map of the same shape, full of small
# numbers. Only cutting channels or positions off, so that the next layer gets a smaller map, would save.
#
# **4.** Channel first: $x'=\sigma(1+1)\cdot1=0.8808$, $\mathrm{out}=\sigma(0.8808)\cdot0.8808=0.7070\cdot0.8808=0.6227$. Spatial first: $x'=\sigma(1)=0.7311$,
# $\mathrm{out}=\sigma(2\cdot0.7311)\cdot0.7311=0.8119\cdot0.7311=0.5935$. For two *fixed* gates the products do commute. But each gate is a function of the map it
# gets, and the second one gets another map when the first has been there.
# ### END SOLUTION

# %% [markdown]
# ## Done?
#
# Press **Validate** above (or run *Kernel → Restart and Run All*): every check must be green. Then try, without looking: say in one minute
# how SE and CBAM differ, and why neither saves any computation. Interviewers ask this.
