# %% [markdown]
# # 15 · Flash attention: exact, tiled, fused
#
# - **Time:** 90 minutes, questions included.
# - **Prerequisites:** scaled dot-product attention and the stable softmax ([06 · Scaling](06_scaling.ipynb)), causal masks ([07 ·
#   Masks](07_masks.ipynb)). No CUDA: what a thread, a warp and a barrier are is said where they appear.
# - **Interview kinds:** *explain*, *implement* and *derive*; the standard question wherever models are trained or served.
#
# **Objectives.** When you are through, you can
# 1. say which passes of attention wait for memory and which for arithmetic, from two numbers of a data sheet;
# 2. derive the online softmax, write tiled attention from memory, and prove it exact in any order of blocks;
# 3. count: bytes moved, bytes kept, matrix products forward and backward; and correct the figures one hears;
# 4. say what fusing, tiling and half precision each buy, and which bound each step of a kernel ladder removes.

# %% [markdown]
# **How to use this page.** Each idea is a question, a few lines, a measurement, a picture. Lines such as
# `C233 ✓ measured 0, expected 0 ± 1e-14` are assertions: the page cannot be built if one fails. Statements in quotation marks are what one
# hears; many are wrong, and the verdict says so. Say your answer aloud *before* you open a fold.
#
# Nothing here needs a GPU. What is *measured* was measured on the processor that built the page or on a simulated block of GPU threads.
# What is *computed* for a GPU follows from formulas and data sheets, and says so. Numbers measured on a GPU, if
# there are any, stand in one table near the end.
#
# The assignment is [your own copy](../work/15_flash/15_flash.ipynb), which `make study` makes, of the [released
# exercise](../exercises/15_flash/15_flash.ipynb).

# %%
import functools
import json
import math
import os
import tempfile
import textwrap
import time
import tracemalloc
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy loads: on arrays this small, threads only wait for each other

import numpy as np
import torch
from matplotlib import pyplot as plt
from torch.nn.functional import scaled_dot_product_attention as torch_attention
from torch.utils.flop_counter import FlopCounterMode

from attn_core import causal_mask, scaled_dot_product_attention
from attn_core.flash import flash_attention, flash_backward, hbm_traffic, merge_partials, online_update, tiled_attention
from attn_core.flash.cuda import emulator
from attn_core.flash.cuda.kernels import STAGES, Problem
from attn_core.lab import claim, house_style, show, slider
from attn_core.lab.block_simulator import KernelFault, launch

# %%
torch.set_num_threads(1)
house_style()
np.set_printoptions(precision=3, suppress=True)
SEEDS = (0, 1, 2)


def draw(n, m, d, seed=0):
    """Queries, keys and values of one head; the mean of the values is not 0, or errors would hide behind it."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)), rng.normal(size=(m, d)), rng.normal(size=(m, d)) + 1


# %% [markdown]
# ## Two bounds
#
# **Why is standard attention slow on a GPU?** Not because of its arithmetic. A GPU has a large memory beside the chip (HBM), and small fast
# ones on it: registers and shared memory, a few hundred kilobytes for each of its 100-odd multiprocessors. A number has to come onto the
# chip before it can be used, and standard attention sends $n^2$ numbers back and forth several times.
#
# Two rates of a data sheet decide. A pass over the data takes at least *flops / arithmetic rate* and at least *bytes / bandwidth*; the
# larger one is its **bound**. Divide both by the bytes, and what counts is the **arithmetic intensity**, flops per byte moved. Above
# the ratio of the two rates, the *ridge*, a pass is compute-bound, below it memory-bound. The picture of that is called a *roofline*.

# %%
GPUS = {  # dense rates without sparsity, in 1/s: bytes of HBM, flops of the tensor cores in half precision, flops in float32
    "A100, 40 GB": {"bytes": 1.555e12, "tensor": 312e12, "plain": 19.5e12, "exp": 108 * 16 * 1.41e9},
    "H100 SXM": {"bytes": 3.35e12, "tensor": 989e12, "plain": 67e12, "exp": 132 * 16 * 1.83e9},
}  # exponentials: multiprocessors × 16 in each cycle × clock
for name, gpu in GPUS.items():
    ridge = gpu["tensor"] / gpu["bytes"]
    print(
        f"{name:12} tensor cores {gpu['tensor'] / 1e12:4.0f} Tflop/s, memory {gpu['bytes'] / 1e12:5.3f} TB/s: "
        f"ridge at {ridge:.0f} flops per byte; float32 units at {gpu['plain'] / gpu['bytes']:.1f}; "
        f"exponentials {gpu['exp'] / 1e12:.1f}·10¹²/s"
    )

# %% [markdown]
# *Sources.* NVIDIA's data sheets and architecture whitepapers of A100 (2020) and H100 (2022). They give the A100 108 multiprocessors with
# up to 164 KB of shared memory and 256 KB of registers each, and 40 MB of level-2 cache for all; the H100 132 with up to 228 KB and 256 KB,
# and 50 MB. The CUDA programming guide gives 16 exponentials per cycle and multiprocessor for both.
#
# **Which pass is bound by what?** Written out as separate kernels, attention for one head is four or five passes. Each reads its operands
# from memory and writes its result, in half precision 2 bytes a number. (The level-2 cache is too small to help: the scores of 16
# heads are 537 MB.) Counted for $n=4096$ tokens:


# %%
def passes(n, d, size=2):
    """(flops, bytes, unit) of every pass of standard attention, one head; `size` bytes a number, masks 1 byte."""
    nn, nd = n * n, n * d
    return {
        "QKᵀ": (2 * nn * d, size * (2 * nd + nn), "tensor"),
        "mask": (nn, size * 2 * nn + nn, "plain"),
        "softmax": (5 * nn, size * 2 * nn, "plain"),  # max, subtract, exp, sum, divide; read and written once at best
        "dropout": (2 * nn, size * 2 * nn + nn, "plain"),
        "PV": (2 * nn * d, size * (nn + 2 * nd), "tensor"),
        "fused, tiled": (4 * nn * d, size * 4 * nd, "tensor"),  # Q, K, V and O once: no kernel can move less
        "X·W, 2048 wide": (2 * n * 2048**2, size * (2 * n * 2048 + 2048**2), "tensor"),  # a projection, to compare
    }


def bounds(gpu, flops, size, unit):
    """Least time for the arithmetic and for the memory, in microseconds."""
    return 1e6 * flops / GPUS[gpu][unit], 1e6 * size / GPUS[gpu]["bytes"]


for d in (64, 128):
    print(f"H100 SXM, n = 4096, d = {d}, one head (computed)")
    for name, (flops, size, unit) in passes(4096, d).items():
        compute, memory = bounds("H100 SXM", flops, size, unit)
        bound = "memory" if memory > compute else "compute"
        print(f"  {name:15}{flops / size:8.1f} flops/byte   {compute:6.2f} µs or {memory:6.2f} µs   bound by {bound}")

# %%
fig, ax = plt.subplots(figsize=(8.5, 4.2))
gpu, intensity = GPUS["H100 SXM"], np.geomspace(0.1, 1e4, 200)
for unit, name, line in (("tensor", "tensor cores", "-"), ("plain", "float32 units", "--")):
    roof = np.minimum(gpu[unit], intensity * gpu["bytes"]) / 1e12
    ax.loglog(intensity, roof, color="black", linestyle=line, marker="", label=f"roof: {name}")
offsets = {"mask": (6, -16), "softmax": (6, -14), "dropout": (-64, 2), "fused, tiled": (-10, -18)}
for name, (flops, size, unit) in passes(4096, 64).items():
    reached = min(gpu[unit], flops / size * gpu["bytes"]) / 1e12
    ax.plot(
        flops / size, reached, "s" if unit == "tensor" else "o", markersize=8, color="C0" if unit == "tensor" else "C1"
    )
    where = offsets.get(name, (-30, 8))
    label = "QKᵀ and PV" if name == "QKᵀ" else "" if name == "PV" else name
    ax.annotate(label, (flops / size, reached), xytext=where, textcoords="offset points", fontsize=9)
ax.axvline(gpu["tensor"] / gpu["bytes"], color="grey", linestyle=":", marker="")
ax.set(xlabel="arithmetic intensity, flops per byte", ylabel="Tflop/s at most", ylim=(0.1, 4000))
ax.set_title("H100, n = 4096, d = 64: only the fused pass and the projection reach the flat roof (computed)")
ax.legend(loc="lower right", fontsize=9)
show(
    fig,
    "Roofline of an H100. Mask, dropout and softmax lie at 0.2 to 1.3 flops per byte, the two products at 62, all on the sloping part; "
    "the fused pass at 2048 and a projection at 819 lie on the flat roof.",
)

# %% [markdown]
# **Read it from left to right.** Mask, softmax and dropout do about one operation per byte or less: they run at a few thousandths of the
# chip's speed at most. The two products are better and *still* on the slope: each of the $n^2$ scores is used only $d$ times, so their
# intensity is $d$ at most. The projection $XW$ has no $n^2$ numbers to move and is compute-bound. So is attention as one pass that keeps the scores on the chip.


# %% tags=["nbval-ignore-output"]
def best_of(function, times=7):
    """Shortest of several runs, in seconds: the one that was disturbed least."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        function()
        taken.append(time.perf_counter() - start)
    return min(taken)


def rates(seed, n=2048):
    """Gflop/s of the passes on this processor, float32, one thread; and the share of the time for mask and softmax."""
    q, k, v = (torch.from_numpy(x).float() for x in draw(n, n, 64, seed))
    scores, visible = q @ k.T, torch.from_numpy(causal_mask(n))
    calls = {
        "QKᵀ": lambda: q @ k.T,
        "mask": lambda: torch.where(visible, scores, -math.inf),
        "softmax": lambda: scores.softmax(-1),
        "PV": lambda: scores @ v,
    }
    seconds = {name: best_of(call) for name, call in calls.items()}
    share = (seconds["mask"] + seconds["softmax"]) / sum(seconds.values())
    return {name: passes(n, 64)[name][0] / taken / 1e9 for name, taken in seconds.items()}, share


# %% tags=["nbval-ignore-output"]
for seed in SEEDS:
    measured, share = rates(seed)
    print(
        f"seed {seed}: Gflop/s:",
        ", ".join(f"{name} {rate:.1f}" for name, rate in measured.items()),
        f"· mask and softmax take {share:.0%} of the time for 2 % of the flops",
    )
    assert measured["QKᵀ"] + measured["PV"] > 4 * (measured["mask"] + measured["softmax"])
    assert share > 0.08

# %% [markdown]
# The same gap on an ordinary processor, measured: mask and softmax do 2 % of the flops and take a good part of the time. On a GPU it is
# wider, since tensor cores are 15 times as fast as the units beside them, and the memory is the same for both.

# %% [markdown] claims="C152, C231"
# **C152 · imprecise.** *“Self-attention is extremely efficient on GPUs.”* Its matrix products can be, its softmax, mask and dropout are
# not: they wait for memory. Of the time that standard attention needs at the least on an H100 (table above), the tensor cores are busy for
# a small part. That gap is what Flash attention is about.
#
# **C231 · depends.** *“Standard attention is memory-bound.”* The elementwise passes are. A product $QK^\top$ has
# intensity $d/(1+2d/n)$ in half precision. That is below the ridge of today's tensor cores for $d=64$ and 128, and above it for $d=512$, or
# on float32 units without tensor cores. The projections around it are compute-bound. Say which pass, which $d$, which unit.

# %%
ridges = [gpu["tensor"] / gpu["bytes"] for gpu in GPUS.values()]
table = {d: passes(4096, d) for d in (64, 128, 512)}
intensity = {d: {name: flops / size for name, (flops, size, _) in rows.items()} for d, rows in table.items()}
elementwise = [intensity[64][name] for name in ("mask", "softmax", "dropout")]
claim("C231", elementwise, at_most=2, what="flops per byte of mask, softmax, dropout")
claim(
    "C231",
    [intensity[d]["QKᵀ"] for d in (64, 128)],
    at_most=min(ridges),
    what="of QKᵀ at d = 64 and 128: below both ridges",
)
claim("C231", intensity[512]["QKᵀ"], at_least=max(ridges), what="of QKᵀ at d = 512: above both")
flops, size, _ = passes(4096, 64, size=4)["QKᵀ"]
over = [flops / size / (gpu["plain"] / gpu["bytes"]) for gpu in GPUS.values()]
claim("C231", over, at_least=1, what="float32, d = 64: intensity of QKᵀ over the ridge of the float32 units")
claim("C231", intensity[64]["X·W, 2048 wide"], at_least=max(ridges), what="of a projection")
standard = [bounds("H100 SXM", *table[64][name]) for name in ("QKᵀ", "mask", "softmax", "PV")]
busy = sum(table[64][name][0] / GPUS["H100 SXM"]["tensor"] * 1e6 for name in ("QKᵀ", "PV"))
share = busy / sum(max(pair) for pair in standard)
print(f"tensor cores busy: {busy:.1f} µs of at least {sum(max(pair) for pair in standard):.1f} µs, {share:.0%}")

# %% [markdown]
# ## The online softmax
#
# **How can one avoid writing the scores down?** The products can be cut into blocks of keys without any trick. The softmax seems to forbid
# it: to divide by the sum, and to subtract the maximum, one has to have seen the whole row. Here is the way out, in three steps.
#
# 1. **The sum can wait.** $o=\frac{1}{l}\sum_j e^{s_j-m}v_j$ with $l=\sum_je^{s_j-m}$. Add up numerator and $l$ block by block, divide at
#    the end.
# 2. **Any maximum will do.** $m$ cancels, so the largest score *so far* is as right as the largest of all. But all terms must use the same
#    one.
# 3. **A change of maximum is one factor.** If a new block raises $m$ to $m'$, then $e^{s_j-m'}=e^{m-m'}\,e^{s_j-m}$ for all old terms at
#    once.

# %% [markdown]
# So a row of any length is read with three running quantities: maximum $m$, sum $l$, and accumulator $O$, the numerator. For each block
# with scores $s$ and values $v$:
#
# $$m'=\max(m,\max_js_j),\qquad\alpha=e^{m-m'},\qquad l'=\alpha\,l+\sum_je^{s_j-m'},\qquad O'=\alpha\,O+\sum_je^{s_j-m'}v_j .$$
#
# They start with $m=-\infty$, $l=0$, $O=0$, and end with the output $O/l$. As a by-product there is the logarithm of the sum of all
# exponentials, the **log-sum-exp** $L=m+\ln l$. It will be needed for merging and for the backward pass.
#
# **By hand.** Scores $1,3\mid5,2$ and values $10,0\mid20,10$. First block: $m=3$, $l=e^{-2}+1=1.135$, $O=10e^{-2}=1.353$. Second block:
# $m'=5$, $\alpha=e^{-2}=0.135$, $l'=0.154+1+e^{-3}=1.203$, $O'=0.183+20+10e^{-3}=20.681$. Output $20.681/1.203=17.185$,
# $L=5+\ln1.203=5.185$.

# %%
scores, values = np.array([1.0, 3, 5, 2]), np.array([10.0, 0, 20, 10])
m, total, acc = np.array(-np.inf), np.array(0.0), 0.0
for block in (slice(0, 2), slice(2, 4)):
    m, total, rescale = online_update(m, total, scores[block])
    acc = rescale * acc + (np.exp(scores[block] - m) * values[block]).sum()
    print(f"after scores {scores[block]}: m = {m:g}, factor {rescale:.3f}, l = {total:.3f}, O = {acc:.3f}")

weights = np.exp(scores) / np.exp(scores).sum()
print(f"output {acc / total:.3f}, log-sum-exp {m + np.log(total):.3f}; all at once: {weights @ values:.3f}")
assert abs(acc / total - weights @ values) < 1e-12
assert abs(m + np.log(total) - np.log(np.exp(scores).sum())) < 1e-12

# %% [markdown]
# **What breaks without the factor?** Leave it out, and early blocks count with the maximum of their time, late blocks with a larger one.
# Early keys get too much, by the factor $e^{m_{\text{last}}-m_{\text{then}}}$. Nothing crashes, and nothing looks wrong as long as the first block
# happens to hold the maximum.


# %%
def stream(scores, block, sum_factor=True, out_factor=True, use_maximum=True):
    """Weights that each key ends up with when a row of scores is read in blocks; some steps can be left out."""
    m, total, acc, history = np.array(-np.inf), np.array(0.0), np.zeros(0), []
    for start in range(0, len(scores), block):
        part = scores[start : start + block]
        m, _, rescale = online_update(m, total, part)
        if not use_maximum:
            m, rescale = np.array(0.0), 1.0
        new = np.exp(part - m)
        total = (rescale if sum_factor else 1.0) * total + new.sum()
        acc = np.concatenate([(rescale if out_factor else 1.0) * acc, new])  # as if the values were unit vectors
        history.append((float(m), float(total)))
    return acc / total, np.array(history)


def rising(seed):
    return np.random.default_rng(seed).normal(size=32) * 1.5 + np.arange(32) / 12  # later keys fit better on average


VARIANTS = {
    "right": {},
    "no factor at all": {"sum_factor": False, "out_factor": False},
    "sum rescaled, O not": {"out_factor": False},
}

# %%
for seed in SEEDS:
    right = np.exp(rising(seed)) / np.exp(rising(seed)).sum()
    got = {name: stream(rising(seed), 8, **skip)[0] for name, skip in VARIANTS.items()}
    misplaced = abs(got["no factor at all"] - right).sum() / 2
    row_sum = got["sum rescaled, O not"].sum()
    print(
        f"seed {seed}: no factor: {misplaced:.0%} of the weight on wrong keys; O not rescaled: weights sum to {row_sum:.2f}"
    )
    assert abs(got["right"] - right).max() < 1e-14
    assert misplaced > 0.1
    assert row_sum > 1.1
with np.errstate(over="ignore", invalid="ignore"):
    print("no maximum at all, scores of 800:", stream(np.full(4, 800.0), 2, use_maximum=False)[0])

# %%
fig, axes = plt.subplots(1, 2, figsize=(11, 3.6))
history = stream(rising(1), 8)[1]
axes[0].plot(rising(1), "o", color="0.5", markersize=4, label="scores")
steps = [*history[:, 0], history[-1, 0]]
axes[0].step(range(0, 33, 8), steps, where="post", color="C0", marker="", linestyle="-", label="running maximum m")
for start, (m, total) in zip(range(0, 32, 8), history, strict=True):
    axes[0].annotate(f"l = {total:.2f}", (start + 0.4, m + 0.35), fontsize=9)
    axes[0].axvline(start - 0.5, color="grey", linestyle=":", marker="", linewidth=1)
axes[0].set(xlabel="key", ylabel="score", ylim=(-4, 9), title="Four blocks: m rises, l is rescaled")
axes[0].legend(fontsize=9, loc="lower right")
for place, ((name, skip), hatch) in enumerate(zip(VARIANTS.items(), ["", "//", ".."], strict=True)):
    per_block = stream(rising(1), 8, **skip)[0].reshape(4, 8).sum(1)
    places = np.arange(4) + 0.28 * (place - 1)
    bars = axes[1].bar(places, per_block, 0.27, edgecolor="black", hatch=hatch, label=name)
    axes[1].bar_label(bars, fmt="%.2f", fontsize=8)
axes[1].set_xticks(range(4), [f"keys {s}–{s + 7}" for s in range(0, 32, 8)])
axes[1].set_yscale("log")
axes[1].set(ylabel="weight of the block", ylim=(0.02, 30), title="Without the factor early blocks weigh too much")
axes[1].legend(fontsize=9, ncols=3, loc="upper center", columnspacing=0.8, handlelength=1.5)
show(
    fig,
    "Left: 32 scores in four blocks; the running maximum climbs in steps. Right: weight of each block, right, without any factor, and "
    "with the accumulator not rescaled; in both wrong variants the early blocks weigh too much.",
)

# %% [markdown]
# **Is it exact?** In real numbers every step is an identity. In floating point the order of additions changes, and with it the last digit.
# Tried with blocks of 1, 3, 16 and all keys, and in a random order of blocks.


# %% tags=["nbval-ignore-output"]
def in_blocks(q, k, v, blocks):
    """Attention over blocks of keys, each a list of indices, in the order given."""
    m, total, acc = np.full(len(q), -np.inf), np.zeros(len(q)), np.zeros((len(q), v.shape[1]))
    for block in blocks:
        scores = q @ k[block].T / math.sqrt(q.shape[1])
        m, total, rescale = online_update(m, total, scores)
        acc = rescale[:, None] * acc + np.exp(scores - m[:, None]) @ v[block]
    return acc / total[:, None], m + np.log(total)


def cut(n, size):
    return [np.arange(start, min(start + size, n)) for start in range(0, n, size)]


for seed in SEEDS:
    q, k, v = draw(64, 50, 32, seed)
    right = scaled_dot_product_attention(q, k, v)[0]
    errors = [abs(in_blocks(q, k, v, cut(50, size))[0] - right).max() for size in (1, 3, 16, 50)]
    order = np.random.default_rng(seed).permutation(17)
    shuffled = in_blocks(q, k, v, [cut(50, 3)[i] for i in order])[0]
    claim("C233", errors, 0, 1e-14, what=f"seed {seed}: largest error with blocks of 1, 3, 16, 50 keys")
    claim("C233", abs(shuffled - right).max(), 0, 1e-14, what=f"seed {seed}: blocks of 3 keys in random order")
    print(f"seed {seed}: all of them below 4e-15:", max(errors) < 4e-15, "· any of them above 0:", max(errors) > 0)

# %% [markdown] claims="C233"
# **C233 · true.** *“A running maximum and a running normaliser give the exact softmax.”* The identity is exact, for every block size and
# every order of blocks. “The exact same output” is true up to rounding: about $10^{-15}$ in float64, since sums are taken in another
# order. (Two library kernels on the same GPU differ for the same reason.)
#
# **Why the order cannot matter.** Look at one block as a triple $(m,l,O)$. Two triples are *merged* into
# $(m',\,e^{m_a-m'}l_a+e^{m_b-m'}l_b,\, e^{m_a-m'}O_a+e^{m_b-m'}O_b)$ with $m'=\max(m_a,m_b)$. Multiply sum and accumulator by $e^{m}$:
# merging is then plain addition of $\sum e^{s_j}$ and $\sum e^{s_j}v_j$. Addition is associative and commutative; so is merging, and
# $(-\infty,0,0)$ is its zero.

# %% [markdown]
# In practice one stores the normalised output and the log-sum-exp, two things instead of three, and merges those: weights $e^{L_a-L}$ and
# $e^{L_b-L}$ with $L=\ln(e^{L_a}+e^{L_b})$. It is what lets several processors share the keys of one query (split-KV decoding, sequence
# parallelism).

# %% tags=["nbval-ignore-output"]
q, k, v = draw(64, 48, 32)
right = scaled_dot_product_attention(q, k, v)[0]
partials = [
    tiled_attention(q, k[keys], v[keys], block=16) for keys in np.split(np.arange(48), 6)
]  # six workers, 8 keys each


def tree(parts):
    if len(parts) == 1:
        return parts[0]
    return merge_partials(*tree(parts[: len(parts) // 2]), *tree(parts[len(parts) // 2 :]))


in_a_row = functools.reduce(lambda a, b: merge_partials(*a, *b), partials)
backwards = functools.reduce(lambda a, b: merge_partials(*a, *b), partials[::-1])
for name, (out, _) in (("one after the other", in_a_row), ("backwards", backwards), ("as a tree", tree(partials))):
    claim("C233", abs(out - right).max(), 0, 1e-14, what=f"six partial results merged {name}")
nothing = (np.full((64, 32), 7.0), np.full(64, -np.inf))  # a worker that saw no key: what it holds must not count
assert (merge_partials(*nothing, *in_a_row)[0] == in_a_row[0]).all()

# %% [markdown]
# **What does −∞ do?** A masked score is $-\infty$ and its exponential 0: fine. But if a whole block is masked *before any key was seen*,
# then $m=m'=-\infty$ and the factor is $e^{-\infty-(-\infty)}$, NaN for ever. It happens in causal attention when a tile lies above the
# diagonal, and in windows and padding. The cure: while $m'=-\infty$, subtract 0 instead. A query that never sees a key gets output 0 and
# $L=-\infty$, by convention.

# %%
masked, later = np.array([-np.inf, -np.inf]), np.array([0.0, np.log(3)])
with np.errstate(invalid="ignore"):
    m = np.maximum(-np.inf, masked.max())  # the formula as it is written
    total = np.exp(-np.inf - m) * 0.0 + np.exp(masked - m).sum()
    print(
        "as written: after the masked block l =",
        total,
        "and so it stays:",
        np.exp(m - later.max()) * total + np.exp(later - later.max()).sum(),
    )
m, total, rescale = online_update(np.array(-np.inf), np.array(0.0), masked)
print(f"with the rule: m = {m}, l = {total}, factor {rescale}", end="; ")
m, total, rescale = online_update(m, total, later)
print(f"after the next block m + ln l = {m + np.log(total):.4f} = ln 4 = {np.log(4):.4f}")
q, k, v = draw(5, 3, 4)
out, lse = tiled_attention(q, k, v, block=2, causal=True)  # 5 queries, 3 keys: the first two see nothing
print("causal, 5 queries, 3 keys: outputs", out[:2, 0], "and log-sum-exp", lse[:2], "of the first two")
assert (out[:2] == 0).all()
assert np.isneginf(lse[:2]).all()

# %% [markdown]
# ## Tiled attention
#
# **What is live at any time?** `in_blocks` above is already the forward pass of Flash attention. The reference, `tiled_attention`, adds
# batch axes, causality, empty rows and half precision. On a GPU the queries are cut into tiles too, one for each group of threads.
#
# First the buffers. NumPy reports every allocation to Python's memory tracer, so the peak of a call can be measured exactly. It is given
# *beyond* inputs and output. Three versions: the standard one; blocks of keys; tiles of queries and keys.


# %%
def by_tiles(q, k, v, rows, keys):
    """Both axes cut: one tile of queries after the other, written into its place."""
    out, lse = np.empty_like(q), np.empty_like(q[:, 0])
    for start in range(0, len(q), rows):
        tile = slice(start, start + rows)
        out[tile], lse[tile] = tiled_attention(q[tile], k, v, keys)
    return out, lse


def peak(function):
    """Bytes that a call had allocated at most, and its result."""
    tracemalloc.start()
    result = function()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most, result


# %% tags=["nbval-ignore-output"]
LENGTHS = [256, 512, 1024, 2048]
extra = {"standard": [], "blocks of 64 keys": [], "tiles of 128 × 128": []}
for n in LENGTHS:
    q, k, v = (x.astype(np.float32) for x in draw(n, n, 64))
    calls = [
        lambda a=(q, k, v): scaled_dot_product_attention(*a)[0],
        lambda a=(q, k, v): tiled_attention(*a, 64),
        lambda a=(q, k, v): by_tiles(*a, 128, 128),
    ]
    for name, call in zip(extra, calls, strict=True):
        extra[name].append((peak(call)[0] - q.nbytes) / 1e6)  # the output has the size of q
    print(f"n = {n:5}: " + "; ".join(f"{name} {values[-1]:.3g} MB" for name, values in extra.items()))


# %% tags=["nbval-ignore-output"]
def slope(values):
    """The power p of a law n^p: slope of the best line through the logarithms."""
    return np.polyfit(np.log(LENGTHS), np.log(values), 1)[0]


print("power of n:", "; ".join(f"{name} {slope(values):.2f}" for name, values in extra.items()))
fig, ax = plt.subplots(figsize=(7.5, 3.8))
for name, values in extra.items():
    ax.loglog(LENGTHS, values, label=f"{name}: grows like n^{slope(values):.1f}")
ax.loglog(
    LENGTHS, [4 * n / 1e6 for n in LENGTHS], color="grey", linestyle=":", marker="", label="the log-sum-exp alone"
)
ax.set_xticks(LENGTHS, [str(n) for n in LENGTHS])
ax.minorticks_off()
ax.set(xlabel="tokens n", ylabel="MB beyond inputs and output", title="Memory of one head, d = 64, float32 (measured)")
ax.legend(fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5))
show(
    fig,
    "Peak memory against n, both axes logarithmic: standard attention rises with slope 2 to 50 MB at 2048 tokens, blocks of keys "
    "with slope about 1 to under 3 MB, two-way tiles stay near 0.4 MB.",
)

# %% [markdown]
# Standard attention grows with $n^2$. With blocks of keys the scratch is a few times $n\cdot(\text{block}+d)$ numbers, proportional to $n$. With tiles in both
# directions it hardly grows: what is left per query is its log-sum-exp, 4 bytes, and a little that Python keeps for itself. On a GPU the
# scratch is the registers and the shared memory.
#
# **And the time?** Counted, not timed: the flops of the products, for the standard version and the reference.

# %%
flops = {"standard": [], "tiled": []}
for n in LENGTHS:
    q, k, v = (torch.from_numpy(x).float() for x in draw(n, n, 64))
    for name, function in (
        ("standard", scaled_dot_product_attention),
        ("tiled", functools.partial(tiled_attention, block=64)),
    ):
        with FlopCounterMode(display=False) as counter:
            function(q, k, v)
        flops[name].append(counter.get_total_flops())
print("flops, standard:", flops["standard"], " tiled:", flops["tiled"])
assert flops["tiled"] == [4 * n * n * 64 for n in LENGTHS]

# %% [markdown] claims="C090, C227, C234"
# **C090 · true.** *“Flash attention reduces memory from n² to n without approximation.”* The extra memory: scores and weights are never
# stored, one log-sum-exp per query is. The idea is older than its name: the online softmax is Milakov and Gimelshein 2018, attention with
# it in memory below $n^2$ is Rabe and Staats 2021. Dao et al. made it a fast GPU kernel.
#
# **C227 · false.** *“Flash attention does not reduce theoretical complexity.”* Time: no, the same $4n^2d$ flops. Memory: yes, from $n^2$ to
# $n$, and that *is* a complexity. Whoever says “complexity” has to say which.
#
# **C234 · true.** *“Flash attention needs O(n·d) memory.”* That counts inputs and outputs, which every attention has: $Q,K,V,O$. What it
# needs *in addition* is $O(n)$.

# %% tags=["nbval-ignore-output"]
claim("C090", slope(extra["standard"]), 2, 0.1, what="extra memory, standard: power of n")
claim("C090", slope(extra["blocks of 64 keys"]), 1, 0.15, what="blocks of keys: power of n")
claim("C227", flops["tiled"][-1] / flops["standard"][-1], 1, what="flops of the products, tiled over standard")
claim("C227", slope(flops["tiled"]), 2, 1e-9, what="their power of n")
tiles = extra["tiles of 128 × 128"]
claim("C227", slope(tiles), at_most=0.2, what="extra memory in tiles, from 256 to 2048 tokens: power of n")
per_query = (tiles[-1] - tiles[0]) * 1e6 / (LENGTHS[-1] - LENGTHS[0])
claim("C234", per_query, at_least=4, at_most=64, what="bytes more for one more query; its q, k, v and out are 1024")

# %% [markdown]
# **Who is right?** *A: “The theoretical complexity is unchanged.” B: “Memory goes from n² to linear.”* Decide before you read on, and say
# what A would have to say to be right. (B, by the slopes above. A is right about *time* only.)
#
# **How far does that reach on this processor?** 16,384 tokens, exact, in plain NumPy. The scores alone would take 1.07 GB per head; a few
# gigabytes with the copies that the standard version makes.

# %% tags=["nbval-ignore-output"]
n = 16_384
q, k, v = (x.astype(np.float32) for x in draw(n, n, 64))
start = time.perf_counter()
most, (out, lse) = peak(lambda: by_tiles(q, k, v, 512, 1024))
seconds = time.perf_counter() - start
print(
    f"{n} tokens: {seconds:.1f} s, {4 * n * n * 64 / seconds / 1e9:.0f} Gflop/s; {most / 1e6:.1f} MB with the output of {out.nbytes / 1e6:.1f}"
)
picked = np.random.default_rng(1).integers(0, n, 64)  # checked in float64, query by query
right = scaled_dot_product_attention(*(x.astype(np.float64) for x in (q[picked], k, v)))[0]
error = abs(out[picked] - right).max()
print(f"largest error of 64 random queries against float64: {error:.1e}")

# %% [markdown] claims="C160"
# **C160 · outdated.** *“Standard attention is infeasible beyond 1,024–4,096 tokens.”* True of code that stores $n\times n$ weights, some
# years ago. *Exact* attention over 32k to 128k tokens is routine with tiled kernels, and several machines go further by splitting the keys.
# The time still grows with $n^2$. What was infeasible is the buffer, not the attention.

# %% tags=["nbval-ignore-output"]
claim("C160", error, 0, 1e-4, what="16,384 tokens in float32: largest error of 64 outputs against float64")
claim("C160", most / 1e6, at_most=30, what="MB at the peak, output included; the scores would be 1,074 MB")

# %% [markdown]
# **What does a causal mask save?** A tile whose keys all lie in the future of all its queries is not computed at all. A tile that lies
# wholly in the past needs no mask. Only tiles on the diagonal look at single elements. That is the whole trick, and it halves the work.


# %%
def tile_kinds(n, m, rows, keys):
    """One letter per tile: '·' skipped, '/' masked element by element, '#' full. Bottom-right alignment."""
    visible = np.pad(causal_mask(n, m), ((0, -n % rows), (0, -m % keys)), mode="edge")
    tiles = visible.reshape(len(visible) // rows, rows, -1, keys)
    return np.where(tiles.all((1, 3)), "#", np.where(tiles.any((1, 3)), "/", "·"))


for n, m in ((1024, 1024), (256, 1024), (1000, 1000)):
    kinds = tile_kinds(n, m, 64, 64)
    skipped, masked, full = ((kinds == letter).sum() for letter in "·/#")
    print(
        f"n = {n:4}, m = {m:4}: {kinds.size:3} tiles of 64 × 64, {skipped} skipped, {masked} on the diagonal, {full} full"
    )
kinds = tile_kinds(1024, 1024, 64, 64)
tiles = 1024 // 64
assert (kinds == "·").sum() == tiles * (tiles - 1) // 2
assert (kinds == "/").sum() == tiles
print(f"computed: {(kinds != '·').mean():.3f} of the tiles = (T + 1)/2T with T = {tiles}")

# %%
for seed in SEEDS:  # visiting only the tiles that are not skipped gives the same
    q, k, v = draw(96, 128, 16, seed)
    rows = [slice(i, i + 32) for i in range(0, 96, 32)]
    seen = [
        int((tile_kinds(96, 128, 32, 32)[i] != "·").sum()) * 32 for i in range(3)
    ]  # keys up to the last tile that is not skipped
    parts = [tiled_attention(q[r], k[:s], v[:s], 32, causal=True)[0] for r, s in zip(rows, seen, strict=True)]
    error = abs(np.concatenate(parts) - scaled_dot_product_attention(q, k, v, causal_mask(96, 128))[0]).max()
    assert error < 1e-12, error
print("keys visited by three tiles of queries:", seen, "of 128; outputs equal to the masked ones: True")

# %%
fig, axes = plt.subplots(1, 2, figsize=(10, 3.4), gridspec_kw={"width_ratios": [1, 1.6]})
for ax, (n, m) in zip(axes, ((512, 512), (256, 768)), strict=True):
    kinds = tile_kinds(n, m, 64, 64)
    ax.imshow(np.select([kinds == "#", kinds == "/"], [0.55, 0.3], 0.0), cmap="Blues", vmin=0, vmax=1)
    for (i, j), letter in np.ndenumerate(kinds):
        ax.text(j, i, {"#": "full", "/": "mask", "·": "skip"}[letter], ha="center", va="center", fontsize=8)
    ax.set(
        xlabel="tile of 64 keys",
        ylabel="tile of 64 queries",
        title=f"{n} queries, {m} keys: {(kinds == '·').sum()} of {kinds.size} skipped",
    )
    ax.grid(False)
show(
    fig,
    "Two maps of tiles. Square case: above the diagonal skipped, on it masked, below it full. 256 queries over 768 keys: the diagonal starts "
    "at the ninth tile of keys, so only six of 48 tiles are skipped.",
)

# %% [markdown] question="Q082" kind="implement" minutes=10
# ### Implement online-softmax tiled attention and prove it exact.
#
# <details><summary>Hint 1 · direction</summary>
#
# Three running quantities per query. Write down what each of them *means* after some of the keys; the update follows from the meaning.
# </details>
# <details><summary>Hint 2 · insight</summary>
#
# All exponentials so far are relative to the maximum so far. When it changes, one factor corrects all of them. What is that factor before
# the first key, and what if there is no first key?
# </details>
# <details><summary>Sixty-second answer</summary>
#
# Per query I keep the maximum m, the sum l and the accumulator O, starting at minus infinity, zero, zero. For each block of keys: scores s,
# new maximum m-prime, factor alpha, e to the m minus m-prime. Then l becomes alpha l plus the sum of e to the s minus m-prime, and O
# becomes alpha O plus these exponentials times V. At the end O over l; I also return m plus log l. Proof: after each block l is the sum of
# e to the s minus m over the keys seen, O the same sum with values; multiplying by alpha only changes the reference point. Since e to the m
# times l is a plain sum, the order of blocks does not matter, and partial results can be merged. Causal: skip tiles in the future, mask
# only those on the diagonal. While m is minus infinity subtract zero; empty rows give zero.
# </details>
# <details><summary>Full answer</summary>
#
# ```python
# def tiled_attention(q, k, v, block, causal=False):             # q (n,d), k (m,d), v (m,d_v), torch
#     (n, d), m_keys = q.shape, k.shape[0]
#     m = q.new_full((n,), -math.inf); l = q.new_zeros(n); acc = q.new_zeros(n, v.shape[1])
#     last = torch.arange(n)[:, None] + m_keys - n               # the newest key of each query
#     for start in range(0, m_keys, block):
#         keys = torch.arange(start, min(start + block, m_keys))
#         s = q @ k[keys].T / math.sqrt(d)                       # (n, block): the largest buffer
#         if causal: s = s.masked_fill(keys > last, -math.inf)
#         m_new = torch.maximum(m, s.amax(-1))
#         shift = m_new.masked_fill(m_new == -math.inf, 0.0)     # nothing seen yet: −∞ − (−∞) is NaN
#         alpha, p = torch.exp(m - shift), torch.exp(s - shift[:, None])
#         l, acc, m = alpha * l + p.sum(-1), alpha[:, None] * acc + p @ v[keys], m_new
#     seen = l.masked_fill(l == 0, 1.0)
#     return acc / seen[:, None], m + torch.log(seen)            # empty row: 0 and −∞
# ```
# **Invariant.** Let $J$ be the keys seen. Claim: $m=\max_Js_j$, $l=\sum_Je^{s_j-m}$, $O=\sum_Je^{s_j-m}v_j$. For $J=\emptyset$:
# $-\infty,0,0$. Step with a block $B$: $\alpha l+\sum_Be^{s_j-m'}=\sum_Je^{m-m'}e^{s_j-m}+\sum_Be^{s_j-m'}=\sum_{J\cup B}e^{s_j-m'}$, the
# same for $O$. If $m=-\infty$, then $l=O=0$ and any finite $\alpha$ will do. At the end $O/l=\sum_je^{s_j}v_j/\sum_je^{s_j}$: the softmax.
# $\blacksquare$
#
# **Order.** $(e^ml,\,e^mO)=(\sum e^{s_j},\sum e^{s_j}v_j)$ is additive over disjoint sets of keys, so blocks commute and merge.
# **Skipping.** With the queries in tiles too, a tile of keys that starts beyond `last` of its last query is never visited.
# **Stability.** All exponents are at most 0; $l\ge1$ as soon as a key was seen. **Tests.** Blocks of 1, 3, 16 and $m$ keys (also one
# that does not divide $m$), $n\ne m$, scores in the hundreds with the maximum in the *last* block, empty rows, the largest buffer, the number of tiles
# visited.
# </details>
# <details><summary>How it is scored</summary>
#
# - **Strong hire**: both accumulators rescaled, invariant stated and proved, −∞ and empty rows handled unasked, skips future tiles, and
#   proposes a test with the maximum in the last block.
# - **Lean hire**: right for finite scores, with a reason for the factor; NaN for masked first blocks is found only when asked.
# - **No hire**: rescales the sum but not the accumulator, or takes a softmax per block and averages.
# </details>
#
# **Red flag:** "each block gets its own softmax, and then I average the outputs". The blocks must be weighted by $e^{L}$.
#
# **Follow-up:** how would you use two machines, half of the keys each? (Each returns O/l and m + ln l; merge with weights $e^{L_a-L}$, $e^{L_b-L}$.)

# %% [markdown]
# ## Bytes moved
#
# **In which order should the tiles be visited?** Two loops, over queries and over keys. The first version of Flash attention (2022) has
# keys and values outside: a tile of keys stays on the chip, and all queries pass by, each time with its unfinished output, read and written
# again. The second (2023) has queries outside: their accumulators stay on the chip until they are finished. Both are written out here, and
# count what they move.


# %%
def queries_outside(q, k, v, rows, keys):
    """The order of Flash attention 2; returns output and numbers moved (maxima and sums left out)."""
    out, moved = np.empty_like(q), 0
    for i in range(0, len(q), rows):
        tile = q[i : i + rows]
        m, total, acc = np.full(len(tile), -np.inf), np.zeros(len(tile)), np.zeros_like(tile)
        moved += tile.size
        for j in range(0, len(k), keys):
            k_tile, v_tile = k[j : j + keys], v[j : j + keys]
            moved += k_tile.size + v_tile.size
            scores = tile @ k_tile.T / math.sqrt(q.shape[1])
            m, total, rescale = online_update(m, total, scores)
            acc = rescale[:, None] * acc + np.exp(scores - m[:, None]) @ v_tile
        out[i : i + rows] = acc / total[:, None]
        moved += acc.size
    return out, moved


# %%
def keys_outside(q, k, v, rows, keys):
    """The order of Flash attention 1: the unfinished output of every query is read and written for every tile of keys."""
    m, total, out, moved = np.full(len(q), -np.inf), np.zeros(len(q)), np.zeros_like(q), 0
    for j in range(0, len(k), keys):
        k_tile, v_tile = k[j : j + keys], v[j : j + keys]
        moved += k_tile.size + v_tile.size
        for i in range(0, len(q), rows):
            tile = slice(i, i + rows)
            moved += q[tile].size + 2 * out[tile].size
            scores = q[tile] @ k_tile.T / math.sqrt(q.shape[1])
            m[tile], total[tile], rescale = online_update(m[tile], total[tile], scores)
            out[tile] = rescale[:, None] * out[tile] + np.exp(scores - m[tile][:, None]) @ v_tile
    return out / total[:, None], moved


# %% [markdown] claims="C232"
# **C232 · imprecise.** *“Flash attention loops over blocks of queries, and inside over K and V.”* That is the order of FlashAttention-2.
# The 2022 algorithm has K and V outside. The result is the same; traffic and parallelism are not. With queries outside, tiles of queries do
# not depend on each other, and each can go to a multiprocessor of its own.

# %%
n, d, rows, keys = 512, 64, 64, 128
for seed in SEEDS:
    q, k, v = draw(n, n, d, seed)
    right = scaled_dot_product_attention(q, k, v)[0]
    first, moved_first = keys_outside(q, k, v, rows, keys)
    second, moved_second = queries_outside(q, k, v, rows, keys)
    claim("C232", [abs(x - right).max() for x in (first, second)], 0, 1e-12, what=f"seed {seed}: error of both orders")
print(
    f"numbers moved: keys outside {moved_first:,}, queries outside {moved_second:,}, untiled {4 * n * d + 4 * n * n:,}"
)
claim(
    "C232",
    moved_first,
    2 * n * d + 3 * n * d * (n // keys),
    what="keys outside: 2nd + 3nd·n/B_c, counted and by formula",
)
claim(
    "C232",
    moved_second,
    2 * n * d + 2 * n * d * (n // rows),
    what="queries outside: 2nd + 2nd·n/B_r, counted and by formula",
)

# %% [markdown]
# With these tiles the older order even moves less. What speaks for the newer one: accumulators never leave the chip, tiles of queries do
# not wait for each other, and they may have more rows.
#
# **The formula.** Untiled attention reads $Q,K,V$, writes and reads the scores, writes and reads the weights, writes $O$: $4nd+4n^2$
# numbers. Tiled, with queries outside, it reads $Q$ and writes $O$ once, and reads $K$ and $V$ once per tile of queries:
# $2nd+2nd\lceil n/B_r\rceil$. With room for $M$ numbers on the chip the 2022 paper takes $B_c=\lceil M/4d\rceil$ keys and $B_r=\min(B_c,d)$
# queries. As long as $M\le4d^2$ this is about $8n^2d^2/M$: the famous $\Theta(n^2d^2/M)$.

# %%
n, d = 4096, 64
untiled = hbm_traffic(n, d, 1, tiled=False)
print(f"n = {n}, d = {d}; untiled {untiled:,} numbers")
for sram in (2048, 4096, 8192, 16_384, 98_304):
    tiled = hbm_traffic(n, d, sram, tiled=True)
    queries = min(-(-sram // (4 * d)), d)
    print(
        f"  room for {sram:6} numbers: {queries:2} queries at once, {tiled:12,} numbers, 1/{untiled / tiled:.2f} of untiled"
    )
for rows in (64, 128, 192):
    print(
        f"  {rows:3} queries at once, whatever the rule says: 1/{untiled / (2 * n * d + 2 * n * d * -(-n // rows)):.2f}"
    )
assert hbm_traffic(n, d, 4096, tiled=True) > untiled
assert hbm_traffic(n, d, 16_384, tiled=True) == hbm_traffic(n, d, 98_304, tiled=True) == untiled // 2

# %% [markdown]
# **Three things the formula says when one looks.** (1) With little room tiling moves *more* than not tiling: at 4,096 numbers twice as
# much. (2) From $M=4d^2$ on the rule $B_r\le d$ stops the fall at exactly one half. It is a rule for keys outside; with queries outside one
# takes more rows, and 128 rows give a quarter. (3) So the factor of nine that the paper counts for the attention of GPT-2 medium, forward
# and backward (40.3 GB against 4.4), is not in this formula, which is one forward pass without mask and dropout; each of these adds $2n^2$
# to the untiled side. And most repeated reads of $K$ and $V$ are served by the level-2 cache: those of one head of 4,096 tokens are 1 MB.
# The scores of all heads do not fit into it. Tiling turns traffic with the memory into traffic with the cache.


# %%
def traffic_figure(sram, ax=None):
    """Numbers moved against n, for one size of the chip memory."""
    lengths, d = 2.0 ** np.arange(7, 15), 64
    ax = ax or plt.subplots(figsize=(5.4, 3.6))[1]
    ax.loglog(lengths, [hbm_traffic(int(n), d, 1, tiled=False) for n in lengths], label="untiled")
    ax.loglog(lengths, [hbm_traffic(int(n), d, int(sram), tiled=True) for n in lengths], label="tiled")
    ax.loglog(lengths, 4 * lengths * d, color="black", linestyle=":", marker="", label="Q, K, V, O once")
    ratio = hbm_traffic(8192, d, 1, tiled=False) / hbm_traffic(8192, d, int(sram), tiled=True)
    ax.set(xlabel="tokens n", ylabel="numbers moved, d = 64", title=f"Room for {sram:g} numbers: ratio {ratio:.2f}")
    ax.legend(fontsize=9)
    return ax.figure


def describe(sram):
    rows = min(-(-int(sram) // 256), 64)
    return f"Numbers moved against n with room for {sram:g} numbers, {rows} queries at once: tiled against untiled, and the least possible."


# %%
fig, axes = plt.subplots(1, 3, figsize=(12, 3.5), sharey=True)
for ax, sram in zip(axes, (2048, 8192, 32_768), strict=True):
    traffic_figure(sram, ax)
    ax.label_outer()
    print(describe(sram))
show(
    fig,
    "Numbers moved against n for three sizes of the chip memory: with room for 2048 numbers the tiled line lies above the untiled, "
    "at 8192 on it, at 32768 at one half; the least possible, each operand once, lies far below for long inputs.",
)

# %% [markdown]
# With a running notebook kernel, move the size of the chip memory. At which size does tiling begin to pay? ($M=2d^2=8192$: there $B_r=d/2$, and
# $2n^2d/B_r=4n^2$.)

# %%
slider(traffic_figure, "room for numbers", [1024, 2048, 4096, 8192, 16_384, 32_768, 98_304], alt=describe)

# %% [markdown]
# ## A block of GPU threads, simulated
#
# **What does a kernel really ask for?** A GPU runs a *kernel*, one function for thousands of threads. Threads come in *blocks*; a block has
# a piece of shared memory and a barrier, at which everybody waits for everybody. Thirty-two threads of a block, a *warp*, go in step.
# `attn_core.lab` has a simulator: a kernel is a Python generator, `yield` is the barrier, and every access is checked and counted, as if
# there were no cache.
#
# The same attention three ways, in float32. First the naive way: one launch per formula, one thread per entry of the result.


# %%
def score_kernel(thread, q, k, scores):
    """One thread per score."""
    i, j = divmod(thread.position, len(k))
    total = 0.0
    for x in range(q.shape[1]):
        total += q[i, x] * k[j, x]
    scores[i, j] = total / math.sqrt(q.shape[1])


def softmax_kernel(thread, scores, weights):
    """One thread per row."""
    row = scores[thread.position]
    powers = np.exp(row - row.max())
    weights[thread.position] = powers / powers.sum()


def mix_kernel(thread, weights, v, out):
    """One thread per entry of the output."""
    i, x = divmod(thread.position, v.shape[1])
    total = 0.0
    for j in range(len(v)):
        total += weights[i, j] * v[j, x]
    out[i, x] = total


# %% [markdown]
# Then everything in one kernel, one thread per query, online softmax. Once without tiles, and once with: the threads of a block load a tile
# of keys and values *together* into shared memory, wait, use it all, and wait again before the next tile overwrites it.


# %%
def fused_kernel(thread, q, k, v, out):
    """One launch, no scores in memory, no tiles: every thread reads every key and value itself."""
    query, m, total, acc = q[thread.position], -np.inf, 0.0, 0.0
    for j in range(len(k)):
        score = (query * k[j]).sum() / math.sqrt(len(query))
        m_new = max(m, score)
        rescale, weight = np.exp(m - m_new), np.exp(score - m_new)
        total, acc, m = rescale * total + weight, rescale * acc + weight * v[j], m_new
    out[thread.position] = acc / total


# %%
def tiled_kernel(thread, q, k, v, out, keys, late_barrier=True):
    """The same, but a block reads each key and value once, into shared memory."""
    d = q.shape[1]
    k_tile, v_tile = thread.shared((keys, d)), thread.shared((keys, d))
    query, m, total, acc = q[thread.position], -np.inf, 0.0, 0.0
    for start in range(0, len(k), keys):
        for entry in range(thread.index, keys * d, thread.threads):  # neighbouring threads load neighbouring numbers
            j, x = divmod(entry, d)
            k_tile[j, x], v_tile[j, x] = k[start + j, x], v[start + j, x]
        yield  # the tile is complete
        for j in range(keys):
            score = (query * k_tile[j]).sum() / math.sqrt(d)
            m_new = max(m, score)
            rescale, weight = np.exp(m - m_new), np.exp(score - m_new)
            total, acc, m = rescale * total + weight, rescale * acc + weight * v_tile[j], m_new
        if late_barrier:
            yield  # all are done with it
    out[thread.position] = acc / total


# %%
n, d = 64, 16
q, k, v = (x.astype(np.float32) for x in draw(n, n, d))
right = scaled_dot_product_attention(q, k, v)[0]
scores, weights, naive, fused, tiled = (
    np.full(shape, np.nan, np.float32) for shape in ((n, n), (n, n), (n, d), (n, d), (n, d))
)
reports = {
    "naive: scores": launch(score_kernel, n * n // 64, 64, [q, k], [scores]),
    "naive: softmax": launch(softmax_kernel, 1, n, [scores], [weights]),
    "naive: mix": launch(mix_kernel, n * d // 64, 64, [weights, v], [naive]),
    "fused, no tiles": launch(fused_kernel, 2, 32, [q, k, v], [fused]),
    "fused, tiles": launch(tiled_kernel, 2, 32, [q, k, v], [tiled], keys=16),
}
for name, report in reports.items():
    print(
        f"{name:16}{report.blocks * report.threads:5} threads, {report.global_reads:7,} numbers read, {report.global_writes:5,} written"
    )
totals = {"naive": sum(r.global_reads + r.global_writes for name, r in reports.items() if name.startswith("naive"))}
totals |= {name: r.global_reads + r.global_writes for name, r in reports.items() if name.startswith("fused")}
print("numbers moved:", totals)
for out in (naive, fused, tiled):
    assert abs(out - right).max() < 1e-5
print(reports["fused, tiles"])

# %% [markdown]
# **Why fusing alone is not faster.** Count along one multiply-add. The naive kernels load two numbers for each. The fused one keeps query
# and output in registers and loads one, so it asks for half as much, and it writes no scores. But it is still one number *per
# multiply-add*, $2n^2d$ in all, and $n$ threads do what $n^2$ did before: most of a GPU stands idle. Only the tile changes that: each
# number loaded serves all queries of the block, $2nd\cdot n/B_r$. That is the formula, and the counter agrees with it to the last number.

# %%
products = 2 * n * n * d  # multiply-adds of both products
per_product = {name: total / products for name, total in totals.items()}
print("numbers moved per multiply-add:", ", ".join(f"{name} {value:.3f}" for name, value in per_product.items()))
by_rows = {}
for rows in (8, 16, 32, 64):
    report = launch(tiled_kernel, n // rows, rows, [q, k, v], [np.full_like(q, np.nan)], keys=8)
    by_rows[rows] = report.global_reads + report.global_writes
    assert by_rows[rows] == 2 * n * d + 2 * n * d * (n // rows)
print("tiles, rows in a block: numbers moved", by_rows)
shared = sum(reports["fused, tiles"][name].reads for name in ("k_tile", "v_tile")) / products
print(f"but numbers read from shared memory per multiply-add, with tiles: {shared:.0f}")
assert totals["fused, no tiles"] == 2 * n * d + products
assert 1.9 < per_product["naive"] / per_product["fused, no tiles"] < 2.2

# %%
fig, ax = plt.subplots(figsize=(7.5, 3.6))
ax.loglog(list(by_rows), list(by_rows.values()), label="fused, tiles: counted", linestyle="", markersize=8)
smooth = np.geomspace(1, 64, 50)
ax.loglog(smooth, 2 * n * d * (1 + n / smooth), color="black", linestyle=":", marker="", label="2nd + 2nd·n/B_r")
for (name, line), colour in zip((("naive", "-"), ("fused, no tiles", "--")), ("C3", "C1"), strict=True):
    ax.axhline(totals[name], color=colour, linestyle=line, marker="", label=f"{name}: {totals[name]:,}")
ax.set_xticks([1, 2, 4, 8, 16, 32, 64], [1, 2, 4, 8, 16, 32, 64])
ax.minorticks_off()
ax.set(xlabel="queries that share a tile", ylabel="numbers moved", title=f"Simulated, n = {n}, d = {d}")
ax.legend(fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5))
show(
    fig,
    "Numbers moved against the rows of a block: the counted points lie on the falling line of the formula; the naive kernels and the "
    "fused kernel without tiles are horizontal lines far above, a factor of two apart.",
)

# %% [markdown]
# **What do the barriers guard?** The first one: nobody reads a tile before it is complete. The second one: nobody overwrites it while
# others still read. Take the second one away. On a GPU the result would be right most of the time; the simulator looks at who touched what
# between two barriers, and does not depend on luck.


# %%
wrong = np.full_like(q, np.nan)
try:
    launch(tiled_kernel, 2, 32, [q, k, v], [wrong], keys=16, late_barrier=False)
except KernelFault as fault:
    print(fault)

# %% [markdown]
# **Bank conflicts.** Shared memory has 32 banks; word $w$ lies in bank $w \bmod 32$. In one go each bank hands out one word. All threads
# reading the *same* word costs nothing extra, as in `tiled_kernel`. But let the threads of a warp divide the *keys* of a tile among them, as
# faster kernels do: thread $j$ reads feature $x$ of key $j$. With rows of 32 words all 32 threads hit the same bank, and the read takes 32 rounds. Two
# cures: **padding**, rows of 33 words; or a **swizzle**, which stores column $x$ of row $j$ at $x\oplus j$ (bitwise exclusive or) and needs
# no extra memory.

# %%
LAYOUTS = {
    "plain": (32, lambda _row, column: column),
    "padded": (33, lambda _row, column: column),
    "swizzled": (32, lambda row, column: column ^ row),
}


def column_kernel(thread, k, sums, width, place):
    """Thread j adds up row j of a tile that lies in shared memory: at each step the warp reads one column."""
    tile = thread.shared((32, width))
    for row in range(32):
        tile[row, place(row, thread.index)] = k[row, thread.index]
    yield
    total = 0.0
    for column in range(32):
        total += tile[thread.index, place(thread.index, column)]
    sums[thread.index] = total


# %%
keys_of_tile, rounds = draw(32, 32, 32)[1].astype(np.float32), {}
for name, (width, place) in LAYOUTS.items():
    sums = np.full(32, np.nan, np.float32)
    report = launch(column_kernel, 1, 32, [keys_of_tile], [sums], width=width, place=place)
    rounds[name] = report.bank_conflicts
    assert abs(sums - keys_of_tile.sum(1)).max() < 1e-4
    print(f"{name:9} {report.shared_bytes} bytes of shared memory, extra rounds: {report.bank_conflicts}")
assert rounds == {"plain": 31 * 32, "padded": 0, "swizzled": 0}

# %%
fig, axes = plt.subplots(1, 3, figsize=(12, 3.6), sharey=True)
row, column = np.mgrid[0:8, 0:8]
for ax, (name, (width, place)) in zip(axes, LAYOUTS.items(), strict=True):
    width = 8 if width == 32 else 9  # the same with 8 banks, so that numbers can be read
    bank = (row * width + place(row, column)) % 8
    ax.imshow(np.where(column == 2, bank, np.nan), cmap="tab10", vmin=0, vmax=9, alpha=0.6)
    for i, j in np.ndindex(8, 8):
        ax.text(j, i, bank[i, j], ha="center", va="center", fontsize=9, weight="bold" if j == 2 else "normal")
    touched = len(np.unique(bank[:, 2]))
    ax.set(xlabel="feature", title=f"{name}: column 2 is in {touched} bank" + ("s" if touched > 1 else ""))
    ax.grid(False)
axes[0].set_ylabel("key (thread)")
show(
    fig,
    "Bank of each element of an 8 by 8 tile with 8 banks. Plain: column 2 lies in bank 2 in all rows. Padded and swizzled: column 2 goes "
    "through all 8 banks.",
)

# %% [markdown]
# ## What is kept for the backward pass
#
# **Where do the weights come from in the backward pass, if nobody stored them?** They are computed again. With the log-sum-exp $L_i$ of a
# row in hand, a weight needs no second pass over the row: $P_{ij}=e^{s_{ij}-L_i}$, tile by tile, in any order. So what is kept is $Q,K,V$
# (which any attention keeps), the output $O$, and one number per query and head.
#
# Let $\bar X$ be the gradient of the loss with respect to $X$. From $O=PV$ and $P=\operatorname{softmax}(S)$:
#
# $$\bar V=P^\top\bar O,\quad\bar P=\bar OV^\top,\quad\bar S_{ij}=P_{ij}\big(\bar P_{ij}-\delta_i\big),\quad\bar Q=\tfrac{1}{\sqrt d}\bar SK,\quad\bar K=\tfrac1{\sqrt d}\bar S^\top Q .$$
#
# The row term comes from the Jacobian of the softmax, $\delta_i=\sum_jP_{ij}\bar P_{ij}$: a sum over the whole row, which no tile has. But
# $\sum_jP_{ij}\,\bar o_i\cdot v_j=\bar o_i\cdot o_i$. So **$\delta_i$ is the dot product of output and its gradient**, known before the
# first tile.

# %%
for seed in SEEDS:
    q, k, v = (torch.from_numpy(x).requires_grad_() for x in draw(70, 90, 16, seed))
    grad_out = torch.randn(70, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    right = torch.autograd.grad((scaled_dot_product_attention(q, k, v)[0] * grad_out).sum(), (q, k, v))
    with torch.no_grad():
        out, lse = tiled_attention(q, k, v, block=32)
        ours = flash_backward(q, k, v, out, lse, grad_out)
        weights = torch.exp(q @ k.T / 4 - lse[:, None])
        weights_bar = grad_out @ v.T
        row_sum, delta = (weights * weights_bar).sum(-1), (out * grad_out).sum(-1)
        forgotten = (weights * weights_bar) @ k / 4  # the gradient of q without the row term
    error = max(float((a - b).abs().max()) for a, b in zip(ours, right, strict=True))
    wrong = float((forgotten - right[0]).norm() / right[0].norm())
    print(
        f"seed {seed}: gradients of q, k, v equal autograd's: {error < 1e-12}; the two forms of δ equal: "
        f"{bool((row_sum - delta).abs().max() < 1e-12)}; without δ the gradient of q is off by {wrong:.0%}"
    )
    assert error < 1e-12
    assert wrong > 0.3


# %% [markdown]
# **What does computing again cost?** One matrix product more: $QK^\top$ a second time. Counted by torch, which counts every product that is
# really carried out.


# %%
class Flash(torch.autograd.Function):
    """Attention that keeps its output and the log-sum-exp, and computes the weights again."""

    @staticmethod
    def forward(ctx, q, k, v):
        out, lse = tiled_attention(q, k, v, block=128)
        ctx.save_for_backward(q, k, v, out, lse)
        return out

    @staticmethod
    def backward(ctx, grad_out):
        return flash_backward(*ctx.saved_tensors, grad_out)


# %%
def account(function, n, d=64):
    """Products of n·n·d multiply-adds forward and backward, and the numbers kept in between."""
    inputs = [torch.from_numpy(x).float().requires_grad_() for x in draw(n, n, d)]
    kept = {}  # by address: a view is not kept twice

    def keep(x):
        kept[x.untyped_storage().data_ptr()] = x.untyped_storage().nbytes() // 4
        return x

    with (
        torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x),
        FlopCounterMode(display=False) as forward,
    ):
        out = function(*inputs)
    with FlopCounterMode(display=False) as backward:
        out.sum().backward()
    products = [counter.get_total_flops() / (2 * n * n * d) for counter in (forward, backward)]
    return products, sum(kept.values())


# %%
ways = {
    "standard": lambda q, k, v: scaled_dot_product_attention(q, k, v)[0],
    "tiles, but autograd's backward": lambda q, k, v: tiled_attention(q, k, v, 128)[0],
    "tiles, computed again": Flash.apply,
}
accounts = {name: [account(function, n) for n in (512, 1024)] for name, function in ways.items()}
print("matrix products, and numbers kept in between at n = 512 and n = 1024")
for name, (((forward, backward), first), (_, second)) in accounts.items():
    print(f"  {name:32}{forward:.0f} forward, {backward:.0f} backward; {first:9,} and {second:9,} numbers")

# %% [markdown]
# **Read the middle line.** Tiles in the forward pass are not enough: autograd keeps every tile for the backward pass, $n^2$ numbers and
# more. The backward pass has to be written too. It is the most common mistake of a first implementation.

# %%
fig, axes = plt.subplots(1, 2, figsize=(11, 3.5))
forward, backward = np.array([entries[0][0] for entries in accounts.values()]).T
axes[0].barh(range(3), forward, color="C0", edgecolor="black", label="forward")
axes[0].barh(range(3), backward, left=forward, color="C1", edgecolor="black", hatch="//", label="backward")
for place in range(3):
    axes[0].text(6.2 + place // 2, place, f"{forward[place]:.0f} + {backward[place]:.0f}", va="center", fontsize=10)
axes[0].set_yticks(range(3), list(accounts))
axes[0].invert_yaxis()
axes[0].set(xlabel="matrix products of n·n·d", xlim=(0, 10.5), title="Products")
axes[0].legend(fontsize=9, loc="upper right")
for name, entries in accounts.items():
    axes[1].loglog([512, 1024], [numbers for _, numbers in entries], label=name)
axes[1].minorticks_off()
axes[1].set_xticks([512, 1024], ["512", "1024"])
axes[1].set(xlabel="tokens n", ylabel="numbers kept", ylim=(7e4, 1e8), title="Kept between the passes, d = 64")
axes[1].legend(fontsize=9, loc="upper left")
show(
    fig,
    "Left: products forward and backward: 2 + 4 for standard attention, 2 + 4 for tiles with autograd, 2 + 5 when the weights are computed "
    "again. Right: numbers kept at 512 and 1024 tokens: one to four million for the first two, 0.13 and 0.26 million when computed again.",
)

# %% [markdown] claims="C235, C107, C108, C109"
# **C235 · true.** *“Recomputing in the backward pass is a small cost.”* One product more: 7 instead of $2+4=6$, so 17 % more flops. On a
# GPU it is faster all the same, because those flops are cheap and the $n^2$ weights they replace would come from memory.
#
# **C107 · imprecise.** *“Flash attention stores only the output.”* Also one log-sum-exp per query and head: 4.1 MB for 32,000 tokens and 32
# heads. And $Q,K,V$, as every attention does.
#
# **C108 · depends.** *“Flash attention is 2–4 times as fast and needs 10–20 times less memory.”* The authors give 10 times at 2,048 tokens
# and 20 times at 4,096. The ratio is $n^2/n$: it doubles with $n$ and is no constant of the method, see the measured buffers above. The
# speed depends on the GPU, the head size, the mask, and dropout.
#
# **C109 · imprecise.** *“32,000 tokens and 32 heads need about 2 GB with Flash attention instead of 65.5 GB.”* Two unlike things. 65.5 GB
# are the scores in half precision; what takes their place is the log-sum-exp, 4 MB. 2 GB are $Q,K,V,O$ *and their gradients* at head size
# 128, which standard attention has as well.

# %%
(forward, backward), _ = accounts["tiles, computed again"][0]
claim(
    "C235",
    sum(accounts["standard"][0][0]),
    6,
    what="matrix products of standard attention, forward and backward, counted",
)
claim("C235", forward + backward, 7, what="with the weights computed again")
claim("C235", (forward + backward) / 6 - 1, 0.167, 0.001, what="more flops, as a share")

# %%
n, heads = 32_000, 32
inputs = torch.zeros(1, 8, 16, dtype=torch.float16)
kept = tiled_attention(inputs, inputs, inputs, block=4)[1]
claim(
    "C107",
    [kept.numel(), kept.element_size()],
    [8, 4],
    what="log-sum-exp: numbers for 8 queries, bytes each, half-precision inputs",
)
claim("C107", heads * n * 4 / 1e6, 4.096, 1e-3, what="MB of log-sum-exp, 32,000 tokens, 32 heads")
claim("C109", heads * n * n * 2 / 1e9, 65.54, 0.01, what="GB of scores in half precision")
claim(
    "C109",
    [4 * heads * n * d * 2 / 1e9 for d in (64, 128)],
    [0.52, 1.05],
    0.01,
    what="GB of Q, K, V, O at d = 64 and 128",
)
claim("C109", 8 * heads * n * 128 * 2 / 1e9, 2.10, 0.01, what="GB of Q, K, V, O and their gradients at d = 128")

# %%
counts = {name: [kept for _, kept in entries] for name, entries in accounts.items()}
ratios = [a / b for a, b in zip(counts["standard"], counts["tiles, computed again"], strict=True)]
print(
    f"numbers kept, standard over tiles: {ratios[0]:.1f} at n = 512, {ratios[1]:.1f} at n = 1024: the ratio grows with n"
)
assert 1.8 < ratios[1] / ratios[0] < 2.2
assert counts["tiles, computed again"] == [4 * n * 64 + n for n in (512, 1024)]  # q, k, v, out and the log-sum-exp

# %% [markdown] question="Q081" kind="explain" minutes=6
# ### Why is standard attention slow on a GPU, and what does FlashAttention change?
#
# <details><summary>Hint 1 · direction</summary>
#
# Do not count operations. Count what goes between memory and chip, pass by pass.
# </details>
# <details><summary>Hint 2 · insight</summary>
#
# The n by n scores are written, read, written and read, and each is used only d times. What would have to be known for a tile of scores
# never to leave the chip?
# </details>
# <details><summary>Sixty-second answer</summary>
#
# Scores and weights are n by n, and standard attention writes and reads both: four n squared numbers, plus four n d. Softmax, mask and
# dropout do about one operation per byte, where a GPU needs hundreds; so they wait for memory, and at head sizes of 64 or 128 so do the two
# products. FlashAttention computes the same function tile by tile. The online softmax, running maximum, sum and rescaling, lets a tile of
# scores be used and dropped. Only the output and one log-sum-exp per query are written. The backward pass computes the weights again from
# Q, K and the log-sum-exp: one matrix product more, seven instead of six. So forward flops are unchanged, traffic falls to n squared d
# squared over M for M numbers of chip memory, and extra memory from n squared to n. It is exact up to rounding order. Version one loops
# over keys outside, version two over queries.
# </details>
# <details><summary>Full answer</summary>
#
# **Where the time goes.** Counted above for an H100, one head, $n=4096$, $d=64$: intensities of 0.2 (mask), 1.25 (softmax), 0.4 (dropout)
# and 62 ($QK^\top$, $PV$) flops per byte, ridge at 295. Even without dropout the tensor cores are busy for about 7 % of the least possible
# time.
#
# **What changes.** (1) *Tiling with the online softmax*, $m'=\max(m,\max s)$, $\alpha=e^{m-m'}$, $l'=\alpha l+\sum e^{s-m'}$,
# $O'=\alpha O+e^{s-m'}V$. (2) *One kernel*, so that nothing of size $n^2$ is written. (3) *Recomputation*: $P=e^{S-L}$,
# $\bar S=P\circ(\bar P-\delta)$, $\delta=\operatorname{rowsum}(O\circ\bar O)$.
#
# **Traffic.** Untiled $4nd+4n^2$. Tiled with queries outside $2nd+2nd\lceil n/B_r\rceil$; with $B_r=M/4d$ it is $\Theta(n^2d^2/M)$, against
# $\Theta(nd+n^2)$. It pays if $M$ is several $d^2$. Mask and dropout make the untiled side worse: Dao et al. 2022 (figure 2) count 40.3 GB
# against 4.4 GB for GPT-2 medium on an A100, forward and backward, with *more* flops, 75.2 against 66.6 Gflop, and 7.3 ms instead of 41.7.
#
# **What does not change.** The function, its gradient, $4n^2d$ flops forward. Memory for $Q,K,V,O$ stays $O(nd)$; the extra is $O(n)$.
#
# **Order of loops.** 2022: keys outside, the unfinished output passes by again for each tile of keys. 2023: queries outside, the
# accumulator stays, and tiles of queries run in parallel. Reported gains, 2–4 times the speed, 10 times less memory at 2k and 20 times at
# 4k tokens, depend on length and GPU.
# </details>
# <details><summary>How it is scored</summary>
#
# - **Strong hire**: names the bandwidth-bound passes with a count or an intensity, all three ingredients (tiles, online softmax,
#   recomputation), and separates time, traffic and memory.
# - **Lean hire**: "it avoids writing the n by n matrix" with the online softmax right, but no count, or nothing on the backward pass.
# - **No hire**: calls it an approximation, or says that it makes attention linear in time.
# </details>
#
# **Red flag:** "FlashAttention needs fewer operations". It needs more: one product more in the backward pass.
#
# **Follow-up:** does it help when one new token attends to a long cache? (One query per head: nothing of size n² to save. The cache must be read once anyway; one splits the *keys* among blocks and merges.)

# %% [markdown]
# ## Half precision
#
# **What do fewer bits buy, and what do they cost?** Half the bytes: half the traffic, half the cache, and tensor cores, which take 16-bit
# factors. The two 16-bit formats split their bits differently. float16 has 11 significant bits and ends at 65,504. bfloat16 has the range
# of float32 and only 8 significant bits. Two things go wrong, one for each.
#
# *float16 overflows.* Entries of 30 in $q$ and $k$, head size 128: $128\cdot30\cdot30=115{,}200$. Also a mask constant of $-10^9$ becomes
# $-\infty$.

# %%
q = k = torch.full((1, 128), 30.0)
v = torch.ones(1, 128)
for dtype in (torch.float16, torch.bfloat16, torch.float32):
    score = (q.to(dtype) @ k.to(dtype).T).item()
    weight = torch.softmax((q.to(dtype) @ k.to(dtype).T) / math.sqrt(128), -1).item()
    ours = tiled_attention(q.to(dtype), k.to(dtype), v.to(dtype), 1)[0][0, 0].item()
    print(f"{str(dtype)[6:]:9} score {score:9}, its softmax {weight}; computed inside in float32: output {ours}")
print(
    "−10⁹ as float16:",
    torch.tensor(-1e9).to(torch.float16).item(),
    "· largest float16:",
    torch.finfo(torch.float16).max,
)

# %% [markdown]
# *bfloat16 cannot count.* Above 256 its numbers are 2 apart, so $256+1=256$. A sum of weights that is kept in bfloat16 stops growing, and
# the later keys are no longer heard. Here all scores are equal, the first half of the values is 0 and the second half is 1, so the right
# answer is ½. Keys come one by one.


# %%
def running_mean(n, accumulate):
    """Uniform attention over n keys, one key at a time: the maximum stays 0, every factor and exponential is 1."""
    total, acc = torch.zeros(2, dtype=accumulate)
    one, zero = torch.ones((), dtype=accumulate), torch.zeros((), dtype=accumulate)
    for key in range(n):
        total, acc = total + one, acc + (one if key >= n // 2 else zero)
    return (acc / total).item()


COUNTS = [128, 512, 2048, 4096]
heard = {
    "sums in bfloat16": [running_mean(n, torch.bfloat16) for n in COUNTS],
    "sums in float16": [running_mean(n, torch.float16) for n in COUNTS],
    "sums in float32": [running_mean(n, torch.float32) for n in COUNTS],
}
for name, means in heard.items():
    print(f"{name:26}" + "  ".join(f"n = {n}: {mean:.3f}" for n, mean in zip(COUNTS, means, strict=True)))
assert heard["sums in float32"] == [0.5] * 4
assert heard["sums in bfloat16"][1:] == [1.0] * 3  # l stops at 256 after the zeros, and then the ones add up to 256 too
assert heard["sums in float16"] == [0.5, 0.5, 0.5, 1.0]  # the same above 2048

# %% [markdown]
# **How large are the errors otherwise?** Random inputs, 1,024 keys, against float64 on the same *rounded* inputs, so that only the
# computation is judged. Three ways: everything in 16 bits, block by block; sums and softmax in float32 but the weights rounded to 16 bits
# for the second product, which is what tensor cores get; and everything in float32 inside.


# %% tags=["nbval-ignore-output"]
def in_dtype(q, k, v, inside, weights_in):
    """Blocks of 16 keys; scores, maximum, sum and accumulator in `inside`, weights rounded to `weights_in`."""
    q, k, v = (x.to(inside) for x in (q, k, v))
    m, total, acc = q.new_full((len(q),), -math.inf), q.new_zeros(len(q)), q.new_zeros(len(q), v.shape[1])
    for start in range(0, len(k), 16):
        scores = q @ k[start : start + 16].T / math.sqrt(q.shape[1])
        m, total, rescale = online_update(m, total, scores)
        weights = torch.exp(scores - m[:, None]).to(weights_in).to(inside)
        acc = rescale[:, None] * acc + weights @ v[start : start + 16]
    return acc / total[:, None]


# %% tags=["nbval-ignore-output"]
HALVES = {"float16": torch.float16, "bfloat16": torch.bfloat16}
table = {}
for seed in SEEDS:
    for name, half in HALVES.items():
        rounded = [torch.from_numpy(x).to(half) for x in draw(64, 1024, 64, seed)]
        right = scaled_dot_product_attention(*(x.double() for x in rounded))[0]
        for inside, weights_in in ((half, half), (torch.float32, half), (torch.float32, torch.float32)):
            out = in_dtype(*rounded, inside, weights_in).double()
            way = "all 16 bits" if inside == half else "weights 16 bits" if weights_in == half else "float32 inside"
            table.setdefault((name, way), []).append(float((out - right).norm() / right.norm()))
for (name, way), errors in table.items():
    print(f"inputs {name:9} {way:16} relative error, three seeds: " + ", ".join(f"{error:.0e}" for error in errors))
for name in HALVES:
    assert min(table[name, "all 16 bits"]) > 2 * max(table[name, "weights 16 bits"])
    assert min(table[name, "weights 16 bits"]) > 10 * max(table[name, "float32 inside"])
assert min(table["bfloat16", "all 16 bits"]) > 4 * max(table["float16", "all 16 bits"])

# %%
fig, axes = plt.subplots(1, 2, figsize=(11, 3.6))
for place, (name, means) in enumerate(heard.items()):
    axes[0].plot(np.arange(4) + 0.06 * (place - 1), means, label=name)
axes[0].set_xticks(range(4), COUNTS)
axes[0].set(xlabel="keys", ylabel="output, right is 0.5", ylim=(0.3, 1.25), title="A sum in few bits stops growing")
axes[0].legend(fontsize=9, loc="upper left", ncols=3, columnspacing=0.8, handlelength=1.5)
for place, way in enumerate(("all 16 bits", "weights 16 bits", "float32 inside")):
    heights = [np.mean(table[name, way]) for name in HALVES]
    axes[1].bar(
        np.arange(2) + 0.28 * (place - 1), heights, 0.27, edgecolor="black", hatch=["", "//", ".."][place], label=way
    )
axes[1].set_xticks(range(2), list(HALVES))
axes[1].set_yscale("log")
axes[1].set(xlabel="inputs", ylabel="relative error", ylim=(1e-8, 1), title="1,024 keys, against float64")
axes[1].legend(fontsize=9, ncols=3, loc="upper center", columnspacing=0.8, handlelength=1.5)
show(
    fig,
    "Left: uniform attention over more and more keys; sums in bfloat16 give 1 instead of one half from 512 keys on, in float16 from 4096, in "
    "float32 never. Right: relative errors on a logarithmic axis, largest with all 16 bits, least with float32 inside; bfloat16 is worse than float16.",
)

# %% [markdown] claims="C228"
# **C228 · true.** *“float16 halves the memory, int8 quarters it.”* Against float32, for what is stored: weights of the network, cache,
# activations. The softmax and all sums stay in float32, and they cost no memory, since they live in registers. An int8 cache also needs
# scales, here one number per token and head, and its error has to be looked at.

# %% tags=["nbval-ignore-output"]
sizes = [
    torch.empty(1, dtype=dtype).element_size() for dtype in (torch.float32, torch.float16, torch.bfloat16, torch.int8)
]
claim(
    "C228", [4 / size for size in sizes], [1, 2, 2, 4], what="times less than float32: float32, float16, bfloat16, int8"
)


def quantised(x):
    """int8 with one scale per row, and back."""
    scale = x.abs().amax(-1, keepdim=True) / 127
    return (x / scale).round().to(torch.int8).float() * scale


for seed in SEEDS:
    q, k, v = (torch.from_numpy(x).float() for x in draw(64, 1024, 64, seed))
    right = scaled_dot_product_attention(q, k, v)[0]
    error = (scaled_dot_product_attention(q, quantised(k), quantised(v))[0] - right).norm() / right.norm()
    claim(
        "C228",
        float(error),
        at_least=1e-4,
        at_most=0.02,
        what=f"seed {seed}: relative error with keys and values in int8",
    )

# %% [markdown]
# **And fusing?** It removes launches and round trips through memory, and no arithmetic. Counted with `passes`, for half precision on an
# H100 and 64 heads of 4,096 tokens at $d=64$:

# %%
rows, heads = passes(4096, 64), 64
parts = {
    "five kernels": [rows[name][1] for name in ("QKᵀ", "mask", "softmax", "dropout", "PV")],
    "mask, softmax, dropout as one": [rows["QKᵀ"][1], rows["softmax"][1], rows["PV"][1]],
    "all in one, with tiles": [rows["fused, tiled"][1]],
}
least = {}
for name, moved in parts.items():
    bytes_moved = heads * sum(moved)
    arithmetic = heads * rows["fused, tiled"][0] / GPUS["H100 SXM"]["tensor"]
    exponentials = heads * 4096**2 / GPUS["H100 SXM"]["exp"]
    least[name] = max(bytes_moved / GPUS["H100 SXM"]["bytes"], arithmetic) * 1e3
    print(f"{name:31} {len(moved)} launches, {bytes_moved / 1e9:5.2f} GB, at least {least[name]:.2f} ms")
print(
    f"arithmetic of the products alone {arithmetic * 1e3:.2f} ms; exponentials alone {exponentials * 1e3:.2f} ms (all computed)"
)
assert least["five kernels"] > 1.8 * least["mask, softmax, dropout as one"] > 3 * least["all in one, with tiles"]

# %% [markdown]
# Fusing the three elementwise passes halves the bytes with a few lines of code, or with a compiler. Only tiles make the scores disappear.
# And then a new bound shows: as many exponentials as scores, for which a GPU has few units. At $d=64$ they take as long as both products.

# %% [markdown] question="Q084" kind="explain" minutes=5
# ### What do kernel fusion and low precision each buy, and what can go wrong?
#
# <details><summary>Hint 1 · direction</summary>
#
# One of them changes the numbers, the other does not. Say for each which resource it saves: launches, bytes, arithmetic, memory.
# </details>
# <details><summary>Hint 2 · insight</summary>
#
# Where in attention are large numbers made, and where are many numbers added? One is a question of range, the other of significant bits.
# </details>
# <details><summary>Sixty-second answer</summary>
#
# Fusion does several steps in one kernel. It saves launches and round trips through memory; the mathematics stays the same. For attention,
# fusing mask, softmax and dropout about halves the bytes; fusing everything needs tiles, or each thread reads all keys itself and nothing
# is gained. Low precision halves the bytes against float32, int8 quarters them, and sixteen-bit factors open the tensor cores. What goes
# wrong: float16 ends at 65,504, so raw scores overflow, 128 times 30 times 30 does, and so do mask constants like minus a billion. bfloat16
# has float32's range but eight significant bits, so long sums stall: 256 plus 1 is 256. Therefore: inputs and weights in sixteen bits,
# maximum, sum and accumulator in float32. Quantised caches need scales, and their error must be measured. I compare with float64, with a
# tolerance taken from a standard computation in the same precision.
# </details>
# <details><summary>Full answer</summary>
#
# | | saves | changes numbers | goes wrong |
# |---|---|---|---|
# | fusion of elementwise passes | launches, $4n^2$ of $8n^2$ numbers moved | no | harder to debug; weights cannot be returned |
# | fusion with tiles | all traffic of scores and weights | order of sums | needs a backward pass of its own; registers and shared memory limit the tile |
# | float16 | half the bytes; tensor cores | 11 significant bits | range: 65,504; gradients underflow, so losses are scaled |
# | bfloat16 | the same | 8 significant bits | sums stall; small differences vanish |
# | int8 cache | three quarters of the bytes of float32 | scale per row or group | outliers; error to be measured |
#
# **Measured above.** Everything in 16 bits: relative error $10^{-3}$ (float16) and $10^{-2}$ (bfloat16) at 1,024 keys. Sums and softmax in
# float32, weights rounded for the second product: $10^{-5}$ and $10^{-4}$, below the rounding of the output itself. So float32 inside costs
# no memory (it lives in registers), and tensor cores add in float32 anyway.
#
# **Where the range breaks.** Scale $q$ before the product, $q/\sqrt d$, or accumulate in float32, as tensor cores do. Masks: $-\infty$ with
# a rule for empty rows, or the dtype's own minimum, never $-10^9$.
#
# **How to test.** Reference in float64 on the rounded inputs; error at most twice that of plain attention in the same dtype; values with a
# mean that is not 0; large scores; long rows of equal scores.
# </details>
# <details><summary>How it is scored</summary>
#
# - **Strong hire**: separates the two, says what fusion cannot do without tiles, range against significant bits with an example each, and
#   float32 for softmax and sums with the reason.
# - **Lean hire**: bytes halved and overflow in float16 known; treats the two 16-bit formats alike, or fusion as "fewer launches" only.
# - **No hire**: believes that fusion changes the result by design, or that half precision is safe because training usually works.
# </details>
#
# **Red flag:** "bfloat16 is more accurate than float16". It has more range and three bits fewer.
#
# **Follow-up:** your fused kernel differs from the reference by 2·10⁻³ in bfloat16. Bug or rounding? (Compare with plain bfloat16 attention against float64: the same size means rounding.)

# %% [markdown]
# ## The same function
#
# **Is Flash attention another kind of attention?** A test that settles it: one layer, one set of parameters, four ways to compute the
# attention inside: the formula, torch's fused function, ours with its own backward pass, and the same as an operator of torch. Outputs and
# gradients of all parameters, three seeds.


# %%
def layer(x, W, attend, heads=4):
    """Multi-head self-attention; W holds W_q, W_k, W_v, W_o."""
    q, k, v = (part.unflatten(-1, (heads, -1)).transpose(0, 1) for part in (x @ W[0], x @ W[1], x @ W[2]))
    return attend(q, k, v).transpose(0, 1).flatten(1) @ W[3]


ATTEND = {
    "formula": lambda q, k, v: scaled_dot_product_attention(q, k, v)[0],
    "torch, fused": torch_attention,
    "tiles, computed again": Flash.apply,
    "attn_core's operator": lambda q, k, v: flash_attention(q[None], k[None], v[None])[0][0],
}
distances = []

# %%
for seed in SEEDS:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(100, 64, dtype=torch.float64, generator=generator)
    W = (torch.randn(4, 64, 64, dtype=torch.float64, generator=generator) / 8).requires_grad_()
    outputs = {name: layer(x, W, attend) for name, attend in ATTEND.items()}
    gradients = {name: torch.autograd.grad(out.square().sum(), W)[0] for name, out in outputs.items()}
    pairs = [
        (results[name].detach(), results["formula"].detach()) for results in (outputs, gradients) for name in ATTEND
    ]
    distances.append(max(float((a - b).abs().max() / b.abs().max()) for a, b in pairs))
    print(
        f"seed {seed}: {W.numel():,} parameters in all four; results differ by less than 1e-13: {distances[-1] < 1e-13}"
    )

# %% [markdown] claims="C271, C034, C089"
# **C271 · imprecise.** *“Flash attention is an architectural alternative to standard attention.”* It is the same function with the same
# parameters and the same gradient, computed by another kernel. A model trained with one runs with the other. Architectural alternatives are
# windows, linear attention, state spaces: they change the function.
#
# **C034 · true.** *“Flash attention is a GPU optimisation that reduces memory.”* Exact, with $O(n)$ extra memory. And not on GPUs only: the
# tiles above ran on an ordinary processor, where torch's own fused function uses them too.
#
# **C089 · imprecise.** *“FlashAttention 1, 2 and 3 are all by Dao et al.”* The first (2022) is by Dao, Fu, Ermon, Rudra and Ré. The second
# (2023) is by Dao alone. The third (2024) is by Shah, Bikshandi, Zhang, Thakkar, Ramani and Dao. The online softmax was there before:
# Milakov and Gimelshein 2018.

# %% tags=["nbval-ignore-output"]
claim(
    "C271",
    distances,
    0,
    1e-12,
    what="one layer, four kernels: largest difference of outputs and gradients, three seeds",
)
saving = extra["standard"][-1] / extra["tiles of 128 × 128"][-1]
claim("C034", saving, at_least=50, what="extra memory at 2,048 tokens, measured above: standard over tiles")

# %% [markdown]
# ## The kernel ladder
#
# **How does one get from these formulas to a fast kernel?** In steps, each of which removes the bound of the one before.
# `attn_core/flash/cuda` has one CUDA file for each. Their list says what is new, and their launches how many threads share a tile. For one
# call, a batch of 4 with 16 heads of 4,096 tokens at $d=128$:

# %% tags=["nbval-ignore-output"]
for stage in STAGES:
    problem = Problem(stage.dtypes[-1], 128, batch=4, heads=16, kv_heads=16, queries=4096, keys=4096, causal=False)
    launches = stage.launches(problem)
    blocks = ", ".join(f"{math.prod(one.grid):,} blocks of {one.threads}" for one in launches)
    print(f"{stage.name:24}{'ships' if stage.ships else '':6}{stage.idea}")
    print(
        f"{'':30}{stage.dtypes[-1]}; {blocks}; {max(one.shared_bytes for one in launches) / 1024:.0f} KiB shared; "
        f"workspace {stage.workspace_bytes(problem) / 1e9:.1f} GB"
    )

# %% [markdown]
# | step | what changes | which bound it removes | what binds next |
# |---|---|---|---|
# | 0 naive | three kernels, as the formula is written | | loads: two numbers for each multiply-add |
# | 1 fused | one kernel, online softmax, a thread per query | memory for the scores; half of the loads | loads still, and too few threads |
# | 2 register tiles | 4 × 4 scores per thread, each number loaded is used four times | loads | float32 units (A100), loads still (H100) |
# | 3 tensor cores | `mma.sync`: 2,048 multiply-adds in one instruction of a warp | arithmetic | banks of shared memory |
# | 4 swizzle, `ldmatrix`, `cp.async` | conflict-free tiles; copies in the background | banks; waiting for tiles | tensor cores, and exponentials beside them |
# | to come, Hopper only | TMA and `wgmma`; warps that only load; two groups in turns | the rate of `mma.sync`; exponentials hidden behind products | power |
#
# Why is step 1 not the fast one? The next cells compute it. For *float32 units* the traffic of the scores was never the bound.

# %%
SMS = {
    "A100, 40 GB": (108, 1.41e9, 1),
    "H100 SXM": (132, 1.83e9, 2 / 3),
}  # multiprocessors, clock, share of its peak for mma.sync


def rounds(addresses):
    """Rounds of shared memory for the byte addresses of a warp's 4-byte words: the fullest of 32 banks."""
    words = np.unique(np.asarray(addresses) // 4)
    return np.bincount(words % 32).max()


lane = np.arange(32)
g, t, d = lane // 4, lane % 4, 128
keys_plain = 2 * rounds(2 * (g * d + 2 * t))  # stage 3: two registers of a fragment of keys
values_plain = 4 * rounds(2 * (2 * t * d + g))  # four 16-bit numbers of a fragment of values
chunks = [(row * d + ((step * 2) ^ (row % 8)) * 8) * 2 + 4 * np.arange(4) for step in (3,) for row in range(8)]
matrix = rounds(np.concatenate(chunks))  # stage 4: ldmatrix, 8 rows of 16 bytes, swizzled
unswizzled = rounds(np.concatenate([row * d * 2 + 4 * np.arange(4) for row in range(8)]))
print(
    f"rounds per mma, stage 3: keys {keys_plain}, values {values_plain}; ldmatrix per 8 × 8: {matrix}, without swizzle {unswizzled}"
)

# %%
loads = {
    "0 naive": 2,
    "1 fused": 1,
    "2 registers": (8 * 4 / 64 + 48 / 128) / 2,
}  # numbers loaded per multiply-add, from the source
per_mma = {"3 tensor cores": (keys_plain + values_plain) / 2, "4 pipeline": (4 / 4 + 8 / 16 + 4 / 4) / 2 * matrix}
print("rounds of shared memory per mma:", ", ".join(f"{stage} {count:g}" for stage, count in per_mma.items()))


# %%
def at_most(gpu, stage, n=4096, d=128):
    """Tflop/s that memory, loads, arithmetic and exponentials allow, each alone."""
    (sms, clock, share), plain = SMS[gpu], stage in loads
    numbers = 4 * n * d + (
        4 * n * n if stage == "0 naive" else 0
    )  # with tiles, what is read again comes from the cache
    per_cycle = 2 * 32 / loads[stage] if plain else 4096 / per_mma[stage]  # 32 numbers, or one round, per cycle
    allowed = {
        "memory": 4 * n * n * d / (numbers * (4 if plain else 2)) * GPUS[gpu]["bytes"],
        "loads": per_cycle * sms * clock,
        "units": GPUS[gpu]["plain"] if plain else GPUS[gpu]["tensor"] * share,
        "exponentials": 4 * d * GPUS[gpu]["exp"],  # 4d flops of products for each
    }
    return {name: value / 1e12 for name, value in allowed.items()}


for gpu in GPUS:
    print(f"{gpu}, n = 4096, d = 128: Tflop/s at most (computed)")
    for stage in (*loads, *per_mma):
        allowed = at_most(gpu, stage)
        row = "".join(f"{name} {value:6.1f}   " for name, value in allowed.items())
        print(f"  {stage:15}{row}bound: {min(allowed, key=allowed.get)}")


# %%
steps = [*loads, *per_mma]
for gpu in GPUS:
    assert at_most(gpu, "1 fused")["loads"] == 2 * at_most(gpu, "0 naive")["loads"]
    assert all(at_most(gpu, step)["memory"] > 2 * at_most(gpu, step)["units"] for step in ("1 fused", "2 registers"))
    assert at_most(gpu, "0 naive")["memory"] > 5 * at_most(gpu, "0 naive")["loads"]

# %%
fig, ax = plt.subplots(figsize=(9, 4))
table = [at_most("H100 SXM", step) for step in steps]
for place, (resource, hatch) in enumerate(zip(table[0], ["", "//", "..", "xx"], strict=True)):
    values = [row[resource] for row in table]
    places = np.arange(5) + 0.2 * (place - 1.5)
    bars = ax.bar(places, values, 0.19, edgecolor="black", hatch=hatch, label=resource)
    texts = [f"{row[resource]:.0f}" if row[resource] == min(row.values()) else "" for row in table]
    ax.bar_label(bars, labels=texts, fontsize=10, weight="bold")
ax.set_yscale("log")
ax.set_xticks(range(5), steps)
ax.set(ylabel="Tflop/s at most", ylim=(3, 1e5))
ax.set_title("H100, n = 4096, d = 128: what each resource allows; the lowest is written (computed)")
ax.legend(ncols=4, fontsize=9, loc="upper left")
show(
    fig,
    "Bars of what memory, loads, units and exponentials allow for five stages on an H100. Lowest: loads with 8, 15, 35 and 62 Tflop/s "
    "for stages 0 to 3, and the tensor cores with 659 for stage 4.",
)

# %% [markdown]
# **Read it.** For float32 units, memory allows even the naive kernels 104 Tflop/s: 13 times what their loads allow. Fusing lifts a bound
# that did not bind. What helped a little is that half of the loads are gone, and that is paid for with idle multiprocessors and with more
# numbers per thread than registers can hold. The order of the bounds is the order of the ladder: loads, then float32 units (on the A100;
# the H100 has more of them and is still short of loads), then banks, then tensor cores. Only when products are fast does the traffic of the
# scores bind: at 2 bytes a number and $d=128$ standard attention is held at $d/2$ flops per byte, 214 Tflop/s on an H100.
#
# These are *upper* bounds, each resource alone. The two thirds for `mma.sync` on Hopper are what the authors of FlashAttention-3 report; it
# is why the next steps use other instructions. And what does not overlap adds up: products and exponentials one after the other allow
# $1/(1/659+1/1979)=495$ Tflop/s. Real kernels reach less.
#
# **The decisive lines**, read from the files as they are:


# %% tags=["nbval-ignore-output"]
def excerpt(number, marker, before=0, after=0):
    """Print the lines around the first one with `marker` in the source of a stage."""
    lines = STAGES[number].file.read_text(encoding="utf-8").splitlines()
    found = next((place for place, line in enumerate(lines) if marker in line), None)
    if found is None:
        raise ValueError(f"{STAGES[number].file.name} has no line with {marker!r} any more: choose another one.")
    print(f"{STAGES[number].file.name}, line {found - before + 1}")
    print(textwrap.dedent("\n".join(lines[found - before : found + after + 1])), end="\n\n")


excerpt(0, "dot += at.q")  # two loads per multiply-add
excerpt(1, "float rescale = exp2_approx", before=1, after=4)  # the online softmax of one key
excerpt(2, "score[i][j] += q[i].x", before=3)  # 4 × KEYS/16 scores from numbers that are in registers
excerpt(3, "mma<T>(score[n]", before=1)  # 2,048 multiply-adds of a warp
excerpt(4, "((feature / 8) ^ (row % 8))", before=1, after=1)  # the swizzle
excerpt(4, "the keys are here", before=2, after=1)  # values are on their way while scores are computed

# %% [markdown]
# Exponentials are powers of *two* here, since that is what the hardware has: $e^{s-m}=2^{(s-m)\log_2e}$, with $\log_2e$ folded into the
# scale. The log-sum-exp is multiplied by $\ln2$ on its way out; a kernel that forgets it is right in its output and wrong in its
# log-sum-exp (pitfall 4 below).
#
# **How does one test a kernel without a GPU?** The same files are compiled for an ordinary processor, against a header in which threads are
# fibers that stop at barriers and at warp operations. Every stage runs over ragged shapes, types, masks and groups, with the threads served
# first-in, last-in and in random order, and with memory that is poisoned with NaN. The judge is float64: the error may be twice that of plain
# attention in the same precision. And the tests are tested: bugs are planted in copies of the kernels, and each must be caught. The
# compiler for the GPU needs no GPU either: registers, shared memory and the instructions that must appear are asserted. All of it is in
# `tests/flash`.
#
# Try it: the shipping kernel for 16-bit numbers, as it is, and without the barrier before the values are read.


# %% tags=["nbval-ignore-output"]
def emulated(old="", new=""):
    """Error of stage 4 under three orders of the threads, run on this processor, `old` in its text replaced by `new`."""
    q, k, v = (x.astype(np.float32)[None, None] for x in draw(70, 200, 64))
    right = scaled_dot_product_attention(q.astype(np.float64), k.astype(np.float64), v.astype(np.float64))[0]
    text = STAGES[4].file.read_text(encoding="utf-8")
    assert old in text, f"{STAGES[4].file.name} has no {old!r} any more"
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / STAGES[4].file.name
        source.write_text(text.replace(old, new) if old else text, encoding="utf-8")
        results = [emulator.run(STAGES[4], q, k, v, order=order, source=source) for order in emulator.ORDERS]
    return [abs(result.out - right).max() for result in results], results[0].counters[0]


# %% tags=["nbval-ignore-output"]
if emulator.why_unavailable():
    print("Not run here:", emulator.why_unavailable())
else:
    whole, counters = emulated()
    broken, _ = emulated("block_barrier();  // the values are here", "// the values are here")
    for name, errors in (("as it is", whole), ("without the barrier", broken)):
        row = ", ".join(f"{order} {error:.1e}" for order, error in zip(emulator.ORDERS, errors, strict=True))
        print(f"{name:20} largest error in bfloat16, threads served: {row}")
    print(f"{counters.mma} mma, {counters.wavefronts / counters.mma:g} rounds of shared memory for each")
    assert max(whole) < 0.02
    assert broken[0] == whole[0]  # a test with one order would have seen nothing
    assert not broken[1] < 0.02  # NaN is not below either
    assert counters.wavefronts / counters.mma == per_mma["4 pipeline"]

# %% [markdown]
# Without the barrier the first order gives the right numbers, to the last digit; served last-in, the kernel returns NaN, since it reads
# what nobody has written. A GPU picks its own order, a different one every day. And the emulator counts the rounds of shared memory per `mma`
# of the shipping kernel, the number that was computed above.
#
# What no emulator can show: speed, the real timing of copies in the background, and an instruction that kernel and emulator misunderstand
# in the same way. For these one needs the hardware, once.

# %% [markdown]
# **Measured on a GPU.** `make gpu` checks every kernel on the machine's GPU, measures it beside torch's own in the same run, and writes one
# file for each GPU. What this repository holds is printed here.


# %% tags=["nbval-ignore-output"]
def measured_on(found):
    """The rows for plain attention of 4,096 tokens at d = 128 of one file of results."""
    print(
        f"{found['machine']['gpu']}, {found['machine']['date']}, 16 heads of 128, 16,384 tokens in sequences of 4,096"
    )
    for row in found["speed"]:
        if (row["config"], row["length"]) == ("A", 4096) and "tflops" in row:
            kind = row["dtype"] + (", causal" if row["causal"] else "")
            share = f"{row['of_best_backend']:.2f} of torch's best" if row["of_best_backend"] else ""
            print(f"  {row['name']:24}{kind:18}{row['tflops']:7.1f} Tflop/s  {share}")


folder = STAGES[0].file.parents[3] / "benchmarks" / "results"
files = [json.loads(file.read_text(encoding="utf-8")) for file in sorted(folder.glob("*.json"))]
gpu_results = [found for found in files if isinstance(found.get("machine"), dict) and "gpu" in found["machine"]]
for found in gpu_results:
    measured_on(found)
if not gpu_results:
    print(
        "Not measured yet: this repository holds no results of a GPU. All Tflop/s above are computed bounds, not measurements."
    )

# %% [markdown]
# ## Pitfalls
#
# Mistakes that run without an error. Four are above: a factor left out, tiles in the forward pass only, a missing barrier, a sum in 16
# bits. Five more.

# %%
rng = np.random.default_rng(0)
q, k, v = draw(8, 12, 4)
right, right_lse = in_blocks(q, k, v, cut(12, 3))


def without_factor(q, k, v, size):
    m, total, acc = np.full(len(q), -np.inf), np.zeros(len(q)), np.zeros((len(q), v.shape[1]))
    for block in cut(len(k), size):
        scores = q @ k[block].T / math.sqrt(q.shape[1])
        m = np.maximum(m, scores.max(-1))
        weights = np.exp(scores - m[:, None])
        total, acc = total + weights.sum(-1), acc + weights @ v[block]
    return acc / total[:, None]


order = np.argsort(-(k @ q[0]))  # 1. a test in which the first block holds the largest score finds nothing
errors = [
    abs(without_factor(q[:1], keys, values, 3) - right[0]).max()
    for keys, values in ((k[order], v[order]), (k[order[::-1]], v[order[::-1]]))
]
print(
    f"1. no factor; largest score first: right to 1e-12: {errors[0] < 1e-12}; largest score last: error {errors[1]:.2f}"
)
assert errors[0] < 1e-12 < 0.1 < errors[1]


# %%
softmaxes = [in_blocks(q, k, v, [block])[0] for block in cut(12, 3)]  # 2. each block its own softmax, then the mean
print(f"2. mean of the blocks' outputs: error {abs(np.mean(softmaxes, 0) - right).max():.2f}")

padded_k, padded_v = (np.concatenate([x, np.zeros((4, 4))]) for x in (k, v))  # 3. the last tile is filled up with zeros
print(
    f"3. zeros as keys have score 0, not −∞: error {abs(in_blocks(q, padded_k, padded_v, cut(16, 4))[0] - right).max():.2f}"
)

# %%
parts = [
    tiled_attention(q, k[block], v[block], 4) for block in cut(12, 6)
]  # 4. log-sum-exp to base 2, merged as if to base e
in_base_2 = [(out, lse / math.log(2)) for out, lse in parts]
wrong = merge_partials(*in_base_2[0], *in_base_2[1])[0]
print(f"4. log-sum-exp in base 2: each part right, merged: error {abs(wrong - right).max():.3f}")
assert abs(merge_partials(*parts[0], *parts[1])[0] - right).max() < 1e-12 < abs(wrong - right).max()

new, cached, values = (torch.from_numpy(x).float() for x in draw(2, 6, 4))  # 5. two new queries, six keys
theirs = torch_attention(new[None], cached[None], values[None], is_causal=True)[0]
ours = tiled_attention(new, cached, values, 2, causal=True)[0]
print(
    "5. torch's is_causal=True with fewer queries than keys: query 0 sees key 0 only:",
    torch.allclose(theirs[0], values[0]),
    end="; ",
)
print(
    "ours sees five keys:",
    torch.allclose(ours[0], tiled_attention(new[:1], cached[:5], values[:5], 2)[0][0], atol=1e-6),
)

# %% [markdown]
# ## Analogies, and where they break
#
# | analogy | stands for | where it breaks |
# |---|---|---|
# | a cellar, a fridge, a worktop | HBM, level-2 cache, shared memory and registers | a cook walks once per dish; a GPU has hundreds of cooks who go for the same dish at the same time |
# | a total in a currency that is changed on the way | $\alpha=e^{m-m'}$ | a rate can go up and down; here it is never above 1, and what is far below underflows to 0, rightly |
# | reading a long list with a notepad for three numbers | $m,l,O$ | $O$ is a vector, and every new maximum means going over it once |
# | counting votes by district | merging $(O,L)$ | districts add up as they are; here each must bring its weight $e^L$ |
# | not keeping receipts, since the shop can print them again | recomputation | printing is cheap only because the shop is next door: flops are cheaper than bytes |
#
# ## In practice
#
# | use | queries; keys and values | what binds | note |
# |---|---|---|---|
# | training, $n=4096$, 32 heads of 128, causal | $4096\times128$ | tensor cores | half of the tiles are skipped |
# | packed batch of short texts | lengths 30 to 900, no padding | tails of tiles | one call with cumulative lengths |
# | chat, one new token, 32k in the cache | $1\times128$; $32768\times128$ | memory: the cache is read once | keys split among blocks, partial results merged |
# | image, 197 tokens | $197\times64$ | launches, tails | little to gain: the scores of one head are 78 kB |
#
# **What to do (2026), and what it rests on.** Call your library's fused attention, with `is_causal` or lengths instead of a dense mask,
# since a mask tensor of $n\times n$ brings back the traffic. Check once *which* kernel ran: libraries fall back to the formula in silence.
# Do not ask for the weights; if you need them for a picture, compute them for the rows you look at, from the log-sum-exp. Compare with
# float64, on values whose mean is not 0.
#
# **An incident, as it happens.** A model trains with a hand-written tiled forward pass. It is exact, and it runs out of memory where the
# formula did. Autograd had kept every tile (table above). The cure is a backward pass that computes the weights again.
# Checkpointing helps less: one layer at a time still holds all its tiles.
#
# **What gives a candidate away.** Strong: asks "which pass, which head size" before saying memory-bound; says that flops go *up*. Weak: "it
# is faster because it is fused".

# %% [markdown]
# ## Takeaways
#
# 1. Elementwise passes do about one flop per byte or less; at $d=64$ and 128 the products are below the ridge too ([Two bounds](#Two-bounds),
#    C231).
# 2. The online softmax is exact, in any order of blocks: three numbers, one factor, and a rule for −∞ ([The online
#    softmax](#The-online-softmax), C233).
# 3. Extra memory goes from $n^2$ to $n$, time stays: 16,384 tokens fit into 13 MB here ([Tiled attention](#Tiled-attention), C090, C160).
# 4. Fusing without tiles moves $2n^2d$ numbers; a tile of $B_r$ queries divides that by $B_r$ ([A block of GPU threads,
#    simulated](#A-block-of-GPU-threads,-simulated)).
# 5. Output and log-sum-exp are kept, weights computed again: 7 products instead of 6 ([What is kept for the backward
#    pass](#What-is-kept-for-the-backward-pass), C235).
# 6. Sixteen bits for what is stored and multiplied, float32 for maximum, sum and accumulator ([Half precision](#Half-precision), C228).
# 7. Each step of the ladder removes the bound of the one before: loads, units, banks, waiting ([The kernel ladder](#The-kernel-ladder)).

# %% [markdown]
# ## Cheat sheet
#
# | concept | formula | in one line | red flag |
# |---|---|---|---|
# | intensity | flops / bytes, ridge = flop rate / bandwidth | below the ridge: memory-bound | "attention is memory-bound", without saying which pass |
# | online softmax | $\alpha=e^{m-m'}$, $l'=\alpha l+\sum e^{s-m'}$, $O'=\alpha O+\sum e^{s-m'}v$ | any maximum will do, if all use the same | the sum rescaled, the accumulator not |
# | log-sum-exp | $L=m+\ln l$, $P=e^{S-L}$ | one number replaces a row of weights | base 2 inside, base e outside |
# | merge | weights $e^{L_a-L}$, $e^{L_b-L}$ | associative, zero is $(0,-\infty)$ | averaging the blocks |
# | traffic | $4nd+4n^2$ against $2nd+2nd\lceil n/B_r\rceil$ | pays if $B_r>d/2$ | "fewer operations" |
# | memory | $n^2\to n$ extra; $O(nd)$ in and out | scratch is one tile | "complexity is unchanged" (C227) |
# | backward | $\bar S=P\circ(\bar P-\delta)$, $\delta=\operatorname{rowsum}(O\circ\bar O)$ | 7 products instead of 6 | $\delta$ left out |
# | causal | tiles: skip, mask, full | $(T+1)/2T$ of the work | masking every tile |
# | order of loops | 2022: keys outside; 2023: queries outside | same result, other traffic | "Flash always loops over queries" (C232) |
# | 16 bits | float16: range 65,504; bfloat16: 8 bits | sums in float32 | "bfloat16 is more accurate" |
# | banks | 32 words a round; pad or swizzle | row length multiple of 32: conflicts | a tile read by columns |

# %% [markdown]
# ## Check yourself
#
# Mark each row from 1 (cannot), 2 (vaguely), 3 (can explain), 4 (can derive) to 5 (could teach). Aim at 4; come back to what is below
# in three days.
#
# | I can | 1–5 | if below 4 |
# |---|---|---|
# | say which pass is bound by what, with two numbers of a data sheet | | [Two bounds](#Two-bounds) |
# | write the update of $m,l,O$ and prove its invariant | | [The online softmax](#The-online-softmax), tasks `flash.online_update`, `flash.proof` |
# | merge two partial results, one of them empty | | [The online softmax](#The-online-softmax), task `flash.merge` |
# | code tiled attention, causal, with its largest buffer | | [Tiled attention](#Tiled-attention), task `flash.tiled_attention` |
# | count the numbers moved, for both orders of loops | | [Bytes moved](#Bytes-moved), task `flash.traffic` |
# | write a kernel with a tile and two barriers, and say what each guards | | [A block of GPU threads, simulated](#A-block-of-GPU-threads,-simulated), task `flash.kernel` |
# | derive the backward pass with $\delta$ | | [What is kept for the backward pass](#What-is-kept-for-the-backward-pass), task `flash.backward` |
# | say what goes wrong in float16 and in bfloat16 | | [Half precision](#Half-precision) |

# %% [markdown]
# ## Now you
#
# Open [your copy of the assignment](../work/15_flash/15_flash.ipynb) (made by `make study`; the [released
# exercise](../exercises/15_flash/15_flash.ipynb) stays untouched): the update, the traffic, tiled attention, merging, the backward pass, a
# kernel for the simulator, and a proof. A check tells you at once whether you are right and, if not, which mistake it is.
#
# **Sources.** Milakov and Gimelshein 2018, *Online normalizer calculation for softmax*. Rabe and Staats 2021, *Self-attention Does Not Need
# O(n²) Memory*. Dao, Fu, Ermon, Rudra and Ré 2022, *FlashAttention: Fast and Memory-Efficient Exact Attention with IO-Awareness* (algorithm
# 1, theorem 2, figure 2). Dao 2023, *FlashAttention-2: Faster Attention with Better Parallelism and Work Partitioning*. Shah, Bikshandi,
# Zhang, Thakkar, Ramani and Dao 2024, *FlashAttention-3: Fast and Accurate Attention with Asynchrony and Low-precision*. Williams, Waterman
# and Patterson 2009, *Roofline: An Insightful Visual Performance Model for Multicore Architectures*. NVIDIA: A100 and H100 architecture whitepapers and data sheets;
# CUDA C++ programming guide (throughput of instructions, shared memory); PTX ISA (`mma`, `ldmatrix`, `cp.async`). Vaswani et al. 2017,
# *Attention Is All You Need*, equation 1.
