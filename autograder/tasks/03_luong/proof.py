"""luong.proof: What concat is, why local-p learns, and what each is good for, in writing."""

from __future__ import annotations

from autograder.checking.task import Written

task = Written(
    "luong.proof",
    lecture="03_luong#concat-is-the-additive-score",
    hints=(
        "For the first part, write W as two blocks side by side and multiply by a vector that is two vectors on top of each other.",
        "For the second, at which s does |s − p| ≤ D change when p moves a little? Everywhere else, which factor of a weight depends on p?",
        "W [h ; h_s] = W_h h + W_s h_s. The window is constant between its jumps, so ∂a_s/∂p = a_s (s − p)/σ², which reaches W_p "
        "through p. The softmax sums to one; each factor is at most 1, and 1 only at s = p.",
    ),
    rubric=(
        "1 point: concat is additive: splits W into the columns of h and of h_s, and names W_h as W_a and W_s as U_a (or the other way about).",
        "1 point: says what the equality leaves different: which state asks, where the context goes, and input feeding.",
        "1 point: local-p's weights sum to less than one: softmax times factors exp(−(s−p)²/(2σ²)) of at most 1, not normalised again; "
        "with σ = D/2 the factor at the ends of the window is e⁻².",
        "1 point: the gradient with respect to p: zero through the window (a step function), a_s (s − p)/σ² through the Gaussian, hence to W_p "
        "and v_p; not differentiable only where an end of the window meets an integer.",
        "1 point: when to choose which: a reason for dot or general against concat (cost, memory, unequal sizes), and for or against local "
        "(near-monotonic alignment, long sources).",
    ),
)
