# %% [markdown]
# # Start here
#
# This course walks through what an interviewer can ask about attention: where it comes from, what every formula says and why, how to
# write it, how it fails. **You read, you say your answer aloud, you write the function, and you are told which mistake it is.**
#
# - **Lectures** (`notebooks/`) explain one idea after the other. What they measure, the cell beside it prints; what they cannot, has its source.
# - **Question cells** hold the interview questions: two hints, an answer for sixty seconds, a full answer, and how it is scored.
# - **Assignments** (`work/`, your own copies) are functions with a check. The check tells you within a second whether you are right.
#
# How much time do you have?

# %% [markdown]
# ## One evening
#
# For the interview tomorrow. Read the lecture, but cover each answer until you have said yours. Leave the assignments, except the
# one whole mechanism at the end: write it on paper, then check it.
#
# <!-- evening:begin -->
# | lecture | what it covers | minutes | builds on | questions |
# | --- | --- | --- | --- | --- |
# | [01_bottleneck](01_bottleneck.ipynb) | The bottleneck, and why attention | 60 | nothing | 4 |
# | [05_qkv](05_qkv.ipynb) | Queries, keys, values: a dictionary turned soft | 55 | nothing | 5 |
# | [06_scaling](06_scaling.ipynb) | Softmax, the variance proof, scaled dot-product attention | 75 | nothing | 11 |
#
# Together **3 h 10 min** of reading, 20 questions.
# <!-- evening:end -->

# %% [markdown]
# ## One weekend
#
# Read in this order, and do each assignment right after its lecture: it takes about as long again. Before you go to sleep on
# Saturday, say the sixty-second answers of the day once more without looking.
#
# <!-- weekend:begin -->
# | lecture | what it covers | minutes | builds on | questions |
# | --- | --- | --- | --- | --- |
# | [01_bottleneck](01_bottleneck.ipynb) | The bottleneck, and why attention | 60 | nothing | 4 |
# | [02_bahdanau](02_bahdanau.ipynb) | Bahdanau: additive attention, derived and built | 75 | 01 | 4 |
# | [03_luong](03_luong.ipynb) | Luong: multiplicative scores, input feeding, local windows | 75 | 02 | 5 |
# | [05_qkv](05_qkv.ipynb) | Queries, keys, values: a dictionary turned soft | 55 | nothing | 5 |
# | [06_scaling](06_scaling.ipynb) | Softmax, the variance proof, scaled dot-product attention | 75 | nothing | 11 |
# | [07_masks](07_masks.ipynb) | Masks: padding, causality, leaks and empty rows | 75 | 06 | 8 |
# | [08_heads](08_heads.ipynb) | Heads: several look-ups at once | 75 | 06, 07 | 5 |
#
# Together **8 h 10 min** of reading, 42 questions.
# <!-- weekend:end -->

# %% [markdown]
# ## Four weeks
#
# All lectures and all assignments, half an hour on most days. Come back to the questions of a lecture 3, 7, 14 and 21 days after you read it, and
# answer those first that you missed the last time: what one forgets and finds again is what stays.
#
# <!-- month:begin -->
# | week | lecture | what it covers | minutes | builds on | questions |
# | --- | --- | --- | --- | --- | --- |
# | 1 | [01_bottleneck](01_bottleneck.ipynb) | The bottleneck, and why attention | 60 | nothing | 4 |
# | 1 | [02_bahdanau](02_bahdanau.ipynb) | Bahdanau: additive attention, derived and built | 75 | 01 | 4 |
# | 1 | [03_luong](03_luong.ipynb) | Luong: multiplicative scores, input feeding, local windows | 75 | 02 | 5 |
# | 2 | [05_qkv](05_qkv.ipynb) | Queries, keys, values: a dictionary turned soft | 55 | nothing | 5 |
# | 2 | [06_scaling](06_scaling.ipynb) | Softmax, the variance proof, scaled dot-product attention | 75 | nothing | 11 |
# | 2 | [07_masks](07_masks.ipynb) | Masks: padding, causality, leaks and empty rows | 75 | 06 | 8 |
# | 3 | [08_heads](08_heads.ipynb) | Heads: several look-ups at once | 75 | 06, 07 | 5 |
# | 3 | [15_flash](15_flash.ipynb) | Flash attention: exact, tiled, fused | 90 | 06, 07 | 3 |
# | 4 | [18_vision](18_vision.ipynb) | Vision: channel and spatial gates, CBAM, the Vision Transformer | 75 | 08 | 4 |
# | 4 | [21_graphs](21_graphs.ipynb) | Graphs: GCN, GAT, GATv2 | 65 | 07 | 2 |
# | 4 | [24_coverage](24_coverage.ipynb) | Coverage: against repetition and omission | 50 | 02 | 1 |
#
# Together **12 h 50 min** of reading, 52 questions.
# <!-- month:end -->

# %% [markdown]
# ## How a check answers
#
# Here somebody has written softmax as the textbook has it. Run the cell: the check does not only say that it is wrong, it says
# what is wrong, and asks the question that leads out of it.

# %%
from contextlib import suppress

import numpy as np

from autograder import check


def softmax(scores, axis=-1):
    exponentials = np.exp(scores)
    return exponentials / exponentials.sum(axis=axis, keepdims=True)


with suppress(AssertionError):  # a failed check raises; this page goes on
    check("scaling.softmax", softmax)

# %% [markdown]
# In your own notebook the failed check ends in an error, so that nothing below it runs on a wrong function. When you are stuck, run
# `hint("scaling.softmax")`, with any task's name, in a cell of your own: three hints, the first a direction, the last almost the code.

# %% [markdown]
# ## Where do you stand?
#
# Every lecture ends with rows to mark: 1 cannot · 2 vaguely · 3 can explain · 4 can derive · 5 could teach. Mark them before you read and
# again after, honestly, and aim at 4: an interviewer hears the difference between 3 and 4. Come back to what is below in three days.
#
# ## Every question
#
# The number of minutes is what an interviewer gives you. *Kinds:* explain, derive, compare, compute, implement, debug, design.
#
# <!-- questions:begin -->
# | id | question | kind | minutes | answered in |
# | --- | --- | --- | --- | --- |
# | Q001 | In plain terms, what does an attention layer compute, and which three stages does every variant share? | explain | 3 | [01_bottleneck](01_bottleneck.ipynb) |
# | Q002 | What failure of fixed-code encoder–decoders led to attention? | explain | 4 | [01_bottleneck](01_bottleneck.ipynb) |
# | Q003 | How would you demonstrate, rather than assert, that quality falls with source length without attention? | compare | 5 | [01_bottleneck](01_bottleneck.ipynb) |
# | Q004 | How does attention change gradient flow compared with a plain recurrent decoder? | derive | 7 | [01_bottleneck](01_bottleneck.ipynb) |
# | Q006 | Derive Bahdanau (additive) attention completely: encoder, score, weights, context, state update, output. | derive | 8 | [02_bahdanau](02_bahdanau.ipynb) |
# | Q007 | Why is it called additive, how many parameters does it have, and what does one step cost? | compute | 5 | [02_bahdanau](02_bahdanau.ipynb) |
# | Q008 | Implement additive attention with a padding mask, batched. | implement | 6 | [02_bahdanau](02_bahdanau.ipynb) |
# | Q014 | Write the full decoder loop of an attention RNN and mark where the two classic variants differ. | implement | 8 | [02_bahdanau](02_bahdanau.ipynb) |
# | Q009 | State Luong's three content scores, the attentional vector and input feeding. | derive | 5 | [03_luong](03_luong.ipynb) |
# | Q010 | Compare Bahdanau and Luong attention point by point. Which detail do interviewers probe? | compare | 5 | [03_luong](03_luong.ipynb) |
# | Q011 | Is Luong's concat score a different class of functions from Bahdanau's score? | derive | 4 | [03_luong](03_luong.ipynb) |
# | Q012 | Additive against multiplicative scoring: cost, memory, behaviour as d grows. When do you choose which? | compare | 5 | [03_luong](03_luong.ipynb) |
# | Q013 | Explain global against local attention, local-m and local-p, and write the predicted position. | derive | 5 | [03_luong](03_luong.ipynb) |
# | Q020 | What are queries, keys and values? Give the retrieval analogy and the algebra. | explain | 4 | [05_qkv](05_qkv.ipynb) |
# | Q021 | Why three different projections? What breaks if Q = K, if K = V, or if raw X is used? | explain | 6 | [05_qkv](05_qkv.ipynb) |
# | Q022 | Define self-attention, write the per-token algorithm and its matrix form. | implement | 5 | [05_qkv](05_qkv.ipynb) |
# | Q023 | In what sense is attention a weighted mean, and when is it exactly the plain mean? | derive | 5 | [05_qkv](05_qkv.ipynb) |
# | Q024 | How does attention differ from a dense all-to-all layer over the sequence? | compare | 4 | [05_qkv](05_qkv.ipynb) |
# | Q026 | Describe the softmax in attention: what it is, which properties it has, and why not another normaliser? | explain | 4 | [06_scaling](06_scaling.ipynb) |
# | Q027 | Implement a numerically stable softmax, and say when the naive one fails. | implement | 6 | [06_scaling](06_scaling.ipynb) |
# | Q028 | Derive the softmax Jacobian, and use it to explain saturation. | derive | 6 | [06_scaling](06_scaling.ipynb) |
# | Q029 | What does temperature do to attention, and in which sense is √d_k a temperature? | explain | 4 | [06_scaling](06_scaling.ipynb) |
# | Q030 | State scaled dot-product attention with all shapes, and say what each step is for. | derive | 5 | [06_scaling](06_scaling.ipynb) |
# | Q031 | Prove that Var(q·k) = d_k, and state every assumption. | derive | 6 | [06_scaling](06_scaling.ipynb) |
# | Q032 | What happens without scaling, and can it be skipped? | explain | 5 | [06_scaling](06_scaling.ipynb) |
# | Q033 | Why is "to prevent overflow" a weak answer to "why divide by √d_k"? | explain | 3 | [06_scaling](06_scaling.ipynb) |
# | Q034 | Does additive attention need a √d factor? | derive | 5 | [06_scaling](06_scaling.ipynb) |
# | Q035 | From a blank board: derive scaled dot-product attention from the sequence-to-sequence problem, then extend it to heads. (5 + 3 minutes) | derive | 8 | [06_scaling](06_scaling.ipynb) |
# | Q127 | Implement scaled dot-product attention in NumPy from memory: optional mask, numerically stable, any number of leading axes. | implement | 12 | [06_scaling](06_scaling.ipynb) |
# | Q036 | What kinds of attention mask exist, and where exactly do they enter? | explain | 4 | [07_masks](07_masks.ipynb) |
# | Q037 | Build a causal mask, apply it, and prove that nothing leaks from the future. | implement | 8 | [07_masks](07_masks.ipynb) |
# | Q038 | Why do causal language models need masked attention, and what does it buy at training time? | explain | 4 | [07_masks](07_masks.ipynb) |
# | Q039 | Position i: which tokens may it see, and which token does it predict? | debug | 5 | [07_masks](07_masks.ipynb) |
# | Q040 | How do you batch sequences of different lengths? | implement | 6 | [07_masks](07_masks.ipynb) |
# | Q041 | Why not zero the weights after the softmax, or multiply the scores by the 0/1 mask? | debug | 5 | [07_masks](07_masks.ipynb) |
# | Q042 | −1e9, −∞ or finfo.min? Treat float16, float64 and rows in which everything is masked. | debug | 6 | [07_masks](07_masks.ipynb) |
# | Q043 | Upper or lower triangular? Say it precisely, library conventions included. | explain | 4 | [07_masks](07_masks.ipynb) |
# | Q044 | Why several heads instead of one wide head? | explain | 4 | [08_heads](08_heads.ipynb) |
# | Q045 | Write and implement multi-head attention: projections, split, concatenation, output. | implement | 8 | [08_heads](08_heads.ipynb) |
# | Q046 | How many parameters does multi-head attention have, and does h change it? Resolve the claim that it has 33 % more than a single head (786K against 1,049K at d = 512). | compute | 4 | [08_heads](08_heads.ipynb) |
# | Q047 | d_model = 768: choose among 4, 8, 12 and 24 heads and a minimum d_k; defend it. | design | 6 | [08_heads](08_heads.ipynb) |
# | Q048 | What have studies found heads doing, and how solid is it? | explain | 5 | [08_heads](08_heads.ipynb) |
# | Q081 | Why is standard attention slow on a GPU, and what does FlashAttention change? | explain | 6 | [15_flash](15_flash.ipynb) |
# | Q082 | Implement online-softmax tiled attention and prove it exact. | implement | 10 | [15_flash](15_flash.ipynb) |
# | Q084 | What do kernel fusion and low precision each buy, and what can go wrong? | explain | 5 | [15_flash](15_flash.ipynb) |
# | Q090 | Which kinds of attention are there in vision, and how do their weights differ? | explain | 4 | [18_vision](18_vision.ipynb) |
# | Q091 | Explain and implement a Squeeze-and-Excitation block. What does it cost? | implement | 6 | [18_vision](18_vision.ipynb) |
# | Q092 | Explain and implement CBAM. How do its two gates differ from each other and from SE? | implement | 7 | [18_vision](18_vision.ipynb) |
# | Q093 | How does a Vision Transformer turn an image into tokens, and what follows for cost, data and resolution? | implement | 7 | [18_vision](18_vision.ipynb) |
# | Q099 | Derive a graph attention layer, with heads and self-loops. | implement | 8 | [21_graphs](21_graphs.ipynb) |
# | Q100 | What is the known weakness of that GAT score and how is it fixed? | derive | 6 | [21_graphs](21_graphs.ipynb) |
# | Q104 | Explain coverage: the vector, the change of the score, the loss, and what it cannot fix. | implement | 8 | [24_coverage](24_coverage.ipynb) |
# <!-- questions:end -->
