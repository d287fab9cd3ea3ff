"""coverage.proof: What the coverage loss punishes, and what it does not."""

from __future__ import annotations

from autograder.checking.task import Written

task = Written(
    "coverage.proof",
    lecture="24_coverage#what-the-loss-does-not-punish",
    hints=(
        "Everything follows from two facts: min(a, c) ≤ a, and the weights of a step sum to one.",
        "When is a sum of minima zero? And for one position: how much of its weights a_0, a_1, … can escape the minimum with the sum before them?",
        "a − min(a, c) = max(0, a − c), and c_t is at least the largest earlier weight: so these remainders sum to at most the largest weight "
        "of that position, which is at most 1. Hence a position with the total S pays at least S − 1.",
    ),
    rubric=(
        "1 point: bounds. Σ_i min(a_i, c_i) lies between 0 and Σ_i a_i = 1, and is 0 at the first step because c_0 = 0.",
        "1 point: zero if and only if no position gets weight at two different steps; so leaving positions out is free "
        "(4 of 8 read once each cost 0).",
        "1 point: uniform attention with T = n: c_t = t/n ≥ 1/n from the second step on, so each later step costs 1, n − 1 in sum (7 for 8), although "
        "every total is 1 and the doubly stochastic penalty is 0.",
        "1 point: a position with total S costs at least S − 1 in sum over the steps (too much is punished, too little is not), "
        "or another correct argument for the same asymmetry; and which of the two penalties suits a task in which parts of the source must be left out.",
    ),
)
