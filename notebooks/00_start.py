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
# | [06_scaling](06_scaling.ipynb) | Softmax, the variance proof, scaled dot-product attention | 75 | nothing | 11 |
#
# Together **2 h 15 min** of reading, 15 questions.
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
# | [06_scaling](06_scaling.ipynb) | Softmax, the variance proof, scaled dot-product attention | 75 | nothing | 11 |
#
# Together **4 h 45 min** of reading, 24 questions.
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
# | 2 | [03_luong](03_luong.ipynb) | Luong: multiplicative scores, input feeding, local windows | 75 | 02 | 5 |
# | 3 | [06_scaling](06_scaling.ipynb) | Softmax, the variance proof, scaled dot-product attention | 75 | nothing | 11 |
# | 4 | [24_coverage](24_coverage.ipynb) | Coverage: against repetition and omission | 50 | 02 | 1 |
#
# Together **5 h 35 min** of reading, 25 questions.
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
# | Q104 | Explain coverage: the vector, the change of the score, the loss, and what it cannot fix. | implement | 8 | [24_coverage](24_coverage.ipynb) |
# <!-- questions:end -->
