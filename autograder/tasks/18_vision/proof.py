"""vision.proof: What a gate can do, what it cannot, and what it does not see."""

from __future__ import annotations

from autograder.checking.task import Written

task = Written(
    "vision.proof",
    lecture="18_vision#a-gate-only-attenuates",
    hints=(
        "Part 1 needs one property of σ, part 2 one property of a mean, part 3 two lines of counting, part 4 one example with small numbers.",
        "Which bounds has σ(s) for a finite s? What happens to the sum in the mean when its terms change places? For part 4, one channel and "
        "one position suffice: what does each gate see when the other has been there before?",
        "1: out = g x with 0 < g < 1, and out_1/out_2 = (g_1/g_2)(x_1/x_2). 2: z is a sum over all positions, divided by their number. 3: every "
        "product with x is computed whatever the gate is. 4: C = H = W = 1, x = 1, all weights 1 and the kernel (1, 0): "
        "compute σ(2) · σ(σ(2)), and the other order.",
    ),
    rubric=(
        "1 point: for finite logits 0 < g < 1, so |out| < |x| wherever x ≠ 0: only attenuation. Relative emphasis: out_1/out_2 = (g_1/g_2) · x_1/x_2, "
        "and g_1/g_2 can be any positive number, since the two logits are free.",
        "1 point: a permutation of the positions permutes the terms of the mean, which does not change it; so z, the logits and the gate stay, and the output "
        "is permuted like x. Conclusion: the gate knows what is in the image, and not where.",
        "1 point: the gate is known only after all of x has been read, and each of the B·C·H·W products is computed; the layer behind gets "
        "a map of the same shape, so its multiply-adds are the same. Extra per image: H·W·C additions, 2C²/r multiply-adds, H·W·C products. Nothing is saved, "
        "unless channels or positions are cut off.",
        "1 point: an example with numbers (or an argument that yields one) in which channel-then-spatial and spatial-then-channel differ, with "
        'both outputs; or in which the spatial gate made from x differs from that made from x\'. A mere "matrices do not commute" earns nothing: for fixed gates the '
        "products do commute; the answers differ because each gate is computed from its own input.",
    ),
)
