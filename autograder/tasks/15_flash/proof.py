"""flash.proof: Why tiling is exact, and which of its costs are linear."""

from __future__ import annotations

from autograder.checking.task import Written

task = Written(
    "flash.proof",
    lecture="15_flash#the-online-softmax",
    hints=(
        "Say what m and l are after the first t keys, as a statement about all of these keys. Then show that one step keeps the statement true, and look at the last.",
        "The statement: m is the maximum of the scores so far, l = Σ exp(s_j − m), acc = Σ exp(s_j − m) v_j. Multiply it by exp(m − m'): what does each exponent become? "
        "For the costs, ask of each number: how many are there, how many are alive at once, and in which memory?",
        "exp(m − m') exp(s_j − m) = exp(s_j − m'), so the old sum times the factor plus the block's terms is the same statement for t + b keys. After the last block acc / l is the softmax average: "
        "exp(−m) cancels. The size of the blocks nowhere enters. Multiply-adds stay n²(d_k + d_v); extra memory is one lse per query; traffic is about 2n²d/B_r + 2nd.",
    ),
    rubric=(
        "1 point: the invariant. After any number of blocks m is the maximum of the scores read so far, l = Σ exp(s_j − m) and acc = Σ exp(s_j − m) v_j over exactly those; it is proved by induction, "
        "with exp(m − m')·exp(s_j − m) = exp(s_j − m') in the step and −∞, 0, 0 (and the factor exp(−∞) = 0) at the start.",
        "1 point: the conclusion. acc / l = Σ exp(s_j) v_j / Σ exp(s_j), since exp(−m) cancels; nothing in the invariant names the block size, so any split (and any order, and a merge of parts) gives the same; "
        "m + ln l is the log-sum-exp. Equal in exact arithmetic: with rounding the results differ by rounding only.",
        "1 point: what is O(n) and what is not. Extra memory: one log-sum-exp per query, O(n), instead of n²; the output is O(nd) in any case. Multiply-adds: still about n²(d_k + d_v), quadratic. "
        "Memory traffic: Θ(n²d²/sram), still quadratic, but smaller by about d²/sram than the n² of the untiled one while d² < sram.",
        "1 point: the backward pass. It needs P = exp(S − lse) again, recomputed block by block from q, k and lse, so no n² is stored; that costs one more matrix product (five instead of four), and "
        "δ = rowsum(dO ∘ O) stands for the sum over all keys Σ_j P_ij dP_ij, so that each block can be handled alone.",
    ),
)
