"""masks.proof: Why a causal model leaks nothing, and what an added number does to an empty row."""

from __future__ import annotations

from autograder.checking.task import Written

task = Written(
    "masks.proof",
    lecture="07_masks#one-masked-pass-instead-of-n",
    hints=(
        "For the first part, go through the layers one by one: on which tokens does row i depend before a layer, and on which after it? "
        "For the second, ask what softmax does not feel.",
        "Only attention mixes positions; norms, projections and residual connections work on each alone. "
        "For the numbers: how far apart are two neighbouring floats near 10⁹, in float32 and in float64?",
        "Induction over the layers: row i of layer l is a function of tokens 0 … i. Neighbours near 10⁹ lie 64 (float32) and 1.2·10⁻⁷ (float64) apart. "
        "Softmax's backward pass gives NaN for a row of NaN; a replaced place passes its gradient on to nobody, a sum passes it to both terms.",
    ),
    rubric=(
        "1 point: by induction over the layers, output i depends on tokens 0 … i only: attention mixes rows j ≤ i with weights that depend on rows ≤ i "
        "(forbidden weights are exactly 0 and forbidden scores are not in the sum), and all else works position by position.",
        "1 point: so output i equals the last output of a run on the prefix 0 … i, one pass gives all n predictions, and predicting token i + 1 from it leaks nothing; "
        "predicting token i from it does, since token i is among the inputs (the loss can go to 0).",
        "1 point: softmax is invariant to adding one number to a whole row, so an added −10⁹ leaves the unmasked softmax; that is what float64 gives (up to 10⁻⁷), "
        "while float32, whose numbers lie 64 apart there, rounds moderate scores away and gives nearly uniform weights. Neither is zero.",
        "1 point: with −∞ in the whole row softmax and its backward pass give NaN. Where −∞ replaced the score, that gradient ends at the constant, and the score gets 0; "
        "where −∞ was added, the sum hands the NaN on to the score, though nan_to_num has made the output 0.",
    ),
)
