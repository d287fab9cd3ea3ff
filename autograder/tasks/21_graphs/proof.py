"""graphs.proof: GAT ranks the neighbours alike for every node; why GATv2 need not."""

from __future__ import annotations

from autograder.checking.task import Written

task = Written(
    "graphs.proof",
    lecture="21_graphs#static-attention",
    hints=(
        "Split a into its two halves. Which part of the score depends on the query alone, and which on the neighbour alone?",
        "An increasing function never changes an order. What is left of the comparison of two neighbours once the query's part cancels? And for GATv2: "
        "which step of this argument can no longer be made when the non-linearity stands between W and a?",
        "GAT: e_ij ≥ e_ik if and only if u_i + w_j ≥ u_i + w_k if and only if w_j ≥ w_k. GATv2: two hidden units, x − y and y − x, both weighed by −1: the score is "
        "−(1 − slope)·|x − y|, largest where y = x. Put in two queries.",
    ),
    rubric=(
        "1 point: the split. a = [a_1; a_2] gives aᵀ[W h_i ‖ W h_j] = u_i + w_j with u_i = a_1ᵀ W h_i and w_j = a_2ᵀ W h_j: one number of the query, one of "
        "the neighbour.",
        "1 point: the ranking. LeakyReLU with a positive slope is strictly increasing, so e_ij ≥ e_ik if and only if w_j ≥ w_k, for every i; softmax keeps the order. "
        "It is said that the weights may still differ between queries.",
        "1 point: a consequence with its condition. All queries that have the same neighbours prefer the same one, so a task in which two such queries need different "
        "neighbours cannot be solved by one such head (a lookup); or: with different neighbourhoods, each ranks by the same w.",
        "1 point: GATv2. LeakyReLU stands between W and a, so the sum over hidden units no longer splits into a part of i and a part of j; and a concrete example "
        "with numbers in which two queries rank two neighbours differently.",
    ),
)
