"""qkv.proof: What a weighted mean cannot say, and what a shared projection cannot ask."""

from __future__ import annotations

from autograder.checking.task import Written

task = Written(
    "qkv.proof",
    lecture="05_qkv#queries-and-keys-from-one-projection",
    hints=(
        "Two facts carry everything: the weights of a row are positive and sum to one; and a shared projection makes the table of scores "
        "the table of dot products of one set of vectors with itself.",
        "For the hull: apply any linear function to the output, and compare with its largest value on the v_j. For the shared projection: what "
        "does the inequality of Cauchy and Schwarz say about the row of the token with the longest query? For the last part two tokens "
        "suffice, one of them zero.",
        "u·out = Σ_j a_j (u·v_j) ≤ max_j u·v_j for every u, strictly if a v_j with positive weight has less. With q_i = k_i: s_ij = q_i·q_j ≤ "
        "‖q_i‖‖q_j‖ ≤ ‖q_i‖² = s_ii if no query is longer than q_i. Scores [[2, 0], [0, 0]]: the softmax of each row gives 0.12 in one corner and 0.5 in the other.",
    ),
    rubric=(
        "1 point: the output is a convex combination (weights positive, sum one), hence no linear function of it exceeds its largest value among the v_j; "
        "one concrete output that no weights can give (such as 3 from the values 1 and 2, the sum v_1 + v_2 = 3, or 2·max v), and what in a block can "
        "give it (W_O, the residual connection, the feed-forward layer).",
        "1 point: equal scores over a visible set of size r give each visible key exp(s)/(r exp(s)) = 1/r; so W_q = 0 under a causal mask makes out_i the "
        "mean of v_1 … v_i, not of all n values.",
        "1 point: with W_q = W_k = W: s_ij = x_i W Wᵀ x_jᵀ = s_ji; and by Cauchy and Schwarz s_ij ≤ ‖q_i‖‖q_j‖, so the token with the longest query scores no "
        "other token above itself, and if all are equally long nobody does.",
        "1 point: the weights need not be symmetric, because each row is divided by its own sum: a correct 2×2 example with numbers (scores "
        "[[2, 0], [0, 0]] give weights 0.12 and 0.5), which comes from real vectors (√2 and 0).",
    ),
)
