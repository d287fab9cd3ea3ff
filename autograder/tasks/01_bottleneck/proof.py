"""bottleneck.proof: The written derivation of the two gradients."""

from __future__ import annotations

from autograder.checking.task import Written

task = Written(
    "bottleneck.proof",
    lecture="01_bottleneck#the-gradient-as-algebra",
    hints=(
        "Begin with one step: what is ∂h_t/∂h_{t−1} for h_t = tanh(W_x x_t + W_h h_{t−1} + b)? Then chain T − 1 of them.",
        "c = Σ_i a_i h_i depends on h_j in two ways: h_j is a term of the sum, and it is in the scores of all weights. "
        "Use ∂a_i/∂e_j = a_i (δ_ij − a_j) for the second.",
        "Σ_i h_i a_i (δ_ij − a_j) = a_j (h_j − c), and ∂e_j/∂h_j = qᵀ. So ∂c/∂h_j = a_j [I + (h_j − c) qᵀ]: put a_j = 0.",
    ),
    rubric=(
        "1 point: last state: J_t = diag(1 − h_t²) W_h, the product of T − 1 of them in the right order, and the bound ρ^(T−1) with what ρ is.",
        "1 point: the two paths from h_j to c are named, and the sum gives ∂c/∂h_j = a_j I + a_j (h_j − c) qᵀ, by the softmax Jacobian.",
        "1 point: no factor depends on the distance, but every term has the factor a_j: with a_j = 0 this path is closed, and what "
        "remains is the recurrence up to the nearest state that is read.",
        "1 point: a limit of the result: h_j itself still depends on x_1 … x_j through the recurrence, or a weight that shrinks as 1/T, "
        "or a long path is not a small code (capacity is another matter).",
    ),
)
