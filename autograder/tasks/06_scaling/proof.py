"""scaling.proof: The written proof that Var(q·k) = d_k."""

from __future__ import annotations

from autograder.checking.task import Written

task = Written(
    "scaling.proof",
    lecture="06_scaling#the-variance-proof",
    hints=(
        "Write q·k as a sum, and look at one term first: its mean, then its mean square.",
        "Which assumption gives E[q_i k_i] = E[q_i] E[k_i], which makes it 0, and which lets the variances of the terms be added?",
        "E[q_i k_i] = 0; Var(q_i k_i) = E[q_i²] E[k_i²] = 1; covariances vanish; so Var(q·k) = d_k and the spread is √d_k. "
        "Then put gaps of that size into J = diag(a) − aaᵀ.",
    ),
    rubric=(
        "1 point: mean and variance of one term q_i k_i, each with the assumption it uses (independence of q_i and k_i, mean 0, variance 1).",
        "1 point: the variance of the sum is the sum of the variances because different terms are uncorrelated, hence Var(q·k) = d_k.",
        "1 point: names what the assumptions leave out: initialisation only, no normality needed, q and k correlate after training or with shared projections.",
        "1 point: dividing by √d_k gives variance 1 for every d_k (dividing by d_k would give 1/d_k).",
        "1 point: saturation: gaps of size √d_k make a nearly one-hot, J = diag(a) − aaᵀ goes to 0 for the winner too, so the scores "
        "(W_Q, W_K) starve while the value path still learns. Overflow is not the reason.",
    ),
)
