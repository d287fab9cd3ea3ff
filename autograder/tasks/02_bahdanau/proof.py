"""bahdanau.proof: The written derivation of additive attention."""

from __future__ import annotations

from autograder.checking.task import Written

task = Written(
    "bahdanau.proof",
    lecture="02_bahdanau#from-a-blank-board",
    hints=(
        "Follow one decoder step from what it knows (s_{i-1}, y_{i-1}, the annotations) to what it makes (e, a, c, s_i, y_i). Write the shape beside each.",
        "Suppose the query were s_i. Which quantity would you need to compute s_i, and what would you need to compute that?",
        "e_ij = v_aᵀ tanh(W_a s_{i-1} + U_a h_j) → softmax over j → c_i = Σ_j a_ij h_j → s_i = GRU(s_{i-1}, [y_{i-1}; c_i]) → y_i from (y_{i-1}, s_i, c_i). "
        "U_a h_j does not depend on i. |e_ij| ≤ Σ_k |v_k|, since |tanh| < 1.",
    ),
    rubric=(
        "1 point: the five equations in order (annotations from both directions, score, softmax over the source, context, state update, output), with shapes; v_a a vector, W_a and U_a matrices.",
        "1 point: why the previous state: c_i is needed to compute s_i, so s_i cannot be its query; and c_i enters the state of its own step, not only the output.",
        "1 point: the cost per step with and without caching U_a h_j, and why the cache is exact (the product does not depend on i).",
        "1 point: the bound |e_ij| ≤ ‖v_a‖₁ with its reason (each hidden unit lies between −1 and 1), and that it is not a bound of 1.",
    ),
)
