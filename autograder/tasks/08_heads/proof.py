"""heads.proof: What several heads add to one, in parameters and in rank."""

from __future__ import annotations

from autograder.checking.task import Written

task = Written(
    "heads.proof",
    lecture="08_heads#the-rank-of-a-score-matrix",
    hints=(
        "Write [c_0 ; … ; c_{h−1}] W_o as a product of a row of blocks with a column of blocks.",
        "With one head the values meet W_v and W_o one after the other with nothing but a weighted sum between them. And for the rank: what is the "
        "rank of a product of an n × d_k and a d_k × m matrix at most? Does exp, entry by entry, keep it?",
        "Σ_i c_i W_o^i; for h = 1, A (X W_v) W_o = A X (W_v W_o). For the last part take d_k = 1, q_i = i and k_j = j: the weights are, "
        "up to a positive factor per row, exp(ij) = (eⁱ)ʲ, a Vandermonde matrix.",
    ),
    rubric=(
        "1 point: block multiplication, [c_0 ; … ; c_{h−1}] W_o = Σ_i c_i W_o^i with W_o^i the d_k rows of head i; so each head adds its own term to the "
        "output, and none is changed by another.",
        "1 point: h = 1: A (X W_v) W_o = A X (W_v W_o), and W_v W_o is one d × d matrix, so W_o adds parameters but no functions. For h ≥ 2 not: each head "
        "has its own weights A_i in front of W_v^i W_o^i (rank at most d_k), and no single matrix in the place of W_v with W_o = I does the same in general.",
        "1 point: the count. 4 d² for every h with d_k = d/h (1,048,576 for d = 512); 3 d² = 786,432 leaves out the W_o of the single head. The 33 % are the "
        "matrix W_o and not the heads: at equal structure the counts are equal, and with the redundant W_o taken away from h = 1 what is saved is "
        "an idle matrix.",
        "1 point: rank(Q Kᵀ) ≤ d_k, since the columns of QKᵀ are combinations of the d_k columns of Q; and an example, or an argument, that the weights "
        "can have full rank all the same (d_k = 1 with exp(ij), distinct nodes; dividing rows by positive sums keeps the rank). An example worked out for "
        "2 × 2 with d_k = 1 is enough.",
    ),
)
