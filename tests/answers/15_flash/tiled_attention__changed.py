"""A right answer to flash.tiled_attention, and wrong ones that are this one with one thing changed."""

import math

import torch
from answers import right, wrong

RIGHT = """
def answer(q, k, v, block, causal=False):
    n, m = q.shape[-2], k.shape[-2]
    top = q.new_full(q.shape[:-1], -math.inf)
    total = q.new_zeros(q.shape[:-1])
    acc = q.new_zeros(*q.shape[:-1], v.shape[-1])
    for start in range(0, m, block):
        stop = min(start + block, m)
        s = q @ k[..., start:stop, :].mT / math.sqrt(q.shape[-1])
        if causal:
            hidden = torch.arange(start, stop) > torch.arange(n)[:, None] + (m - n)
            s = s.masked_fill(hidden, -math.inf)
        new = torch.maximum(top, s.amax(-1))
        safe = new.masked_fill(new == -math.inf, 0.0)
        factor, p = torch.exp(top - safe), torch.exp(s - safe[..., None])
        total = factor * total + p.sum(-1)
        acc = factor[..., None] * acc + p @ v[..., start:stop, :]
        top = new
    empty = total == 0
    total = total.masked_fill(empty, 1.0)
    return acc / total[..., None], (top + total.log()).masked_fill(empty, -math.inf)
"""


def changed(*pairs):
    """The right answer with texts replaced."""
    text = RIGHT
    for old, new in pairs:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    names = {"math": math, "torch": torch}
    exec(text, names)  # noqa: S102 - our own text
    return names["answer"]


online_softmax = right(changed())
no_rescale_of_the_values = wrong("rescales the sum, but not the accumulated values")(
    changed(("factor[..., None] * acc", "acc"))
)
no_rescale_of_the_sum = wrong("rescales the accumulated values, but not the sum")(changed(("factor * total", "total")))
no_rescale = wrong("does not rescale when the maximum moves")(
    changed(("factor, p = torch.exp(top - safe), ", "factor, p = torch.ones_like(top), "))
)
inverse_factor = wrong("has the factor the wrong way round: exp(new − old)")(
    changed(("torch.exp(top - safe)", "torch.exp(safe - top)"))
)
short_block_dropped = wrong("drops the last block where it is short")(
    changed(("range(0, m, block)", "range(0, m // block * block, block)"))
)
last_block_dropped = wrong("drops the last block")(changed(("range(0, m, block)", "list(range(0, m, block))[:-1]")))
last_key_missing = wrong("drops the last block")(changed(("range(0, m, block)", "range(0, m - 1, block)")))
return_inside_the_loop = wrong("reads the first block only")(
    changed(("        top = new\n", "        top = new\n        break\n"))
)
every_key_begins_a_block = wrong("moves on by one key instead of a block")(changed(("range(0, m, block)", "range(m)")))
maximum_of_the_block = wrong(
    "takes the maximum of the block alone, which overflows once an earlier block had far larger scores"
)(changed(("torch.maximum(top, s.amax(-1))", "s.amax(-1)")))
starts_at_zero = wrong("starts with a maximum of 0 instead of −inf")(
    changed(("q.new_full(q.shape[:-1], -math.inf)", "q.new_zeros(q.shape[:-1])"))
)
starts_at_minus_1e9 = wrong("starts with a maximum such as −1e9 instead of −inf")(
    changed(("q.new_full(q.shape[:-1], -math.inf)", "q.new_full(q.shape[:-1], -1e9)"))
)
no_maximum = wrong("exponentiates without subtracting the maximum")(
    changed(
        ("torch.maximum(top, s.amax(-1))", "torch.zeros_like(top)"),
        ("q.new_full(q.shape[:-1], -math.inf)", "q.new_zeros(q.shape[:-1])"),
    )
)
no_scale = wrong("leaves out the scale")(changed((" / math.sqrt(q.shape[-1])", "")))
divided_by_d = wrong("divides by d instead of its square root")(changed(("math.sqrt(q.shape[-1])", "q.shape[-1]")))
scale_of_the_values = wrong("takes the scale from the values' size")(
    changed(("math.sqrt(q.shape[-1])", "math.sqrt(v.shape[-1])"))
)
scale_of_the_keys = wrong(None, why="the scale is that of the number of keys, which no misconception describes")(
    changed(("math.sqrt(q.shape[-1])", "math.sqrt(k.shape[-2])"))
)
multiplied = wrong("multiplies by √d instead of dividing")(changed(("/ math.sqrt", "* math.sqrt")))
causal_ignored = wrong("ignores `causal`")(changed(("if causal:", "if False:")))
top_left = wrong("aligns the causal mask at the top left")(
    changed(("torch.arange(n)[:, None] + (m - n)", "torch.arange(n)[:, None]"))
)
strict = wrong("hides the diagonal: a query does not see its own key")(changed(("stop) > torch", "stop) >= torch")))
one_too_many = wrong("shows one key too many")(changed(("+ (m - n)", "+ (m - n) + 1")))
wrong_sign = wrong("has the offset n − m where it must be m − n")(changed(("+ (m - n)", "+ (n - m)")))
future_only = wrong("hides the past and shows the future")(changed(("stop) > torch", "stop) < torch")))
local_positions = wrong("counts the keys of a block from 0 in the causal mask")(
    changed(("torch.arange(start, stop)", "torch.arange(stop - start)"))
)
filled_with_minus_1e9 = wrong("fills forbidden scores with a number such as −1e9")(
    changed(("s.masked_fill(hidden, -math.inf)", "s.masked_fill(hidden, -1e9)"))
)
nan_for_empty_queries = wrong("gives NaN for a query that sees nothing")(
    changed(
        ("new.masked_fill(new == -math.inf, 0.0)", "new"),
        ("empty = total == 0", "empty = torch.zeros_like(total, dtype=torch.bool)"),
    )
)
zero_by_zero = wrong("gives NaN for a query that sees nothing")(
    changed(("    total = total.masked_fill(empty, 1.0)\n", ""))
)
nan_in_the_gradient = wrong("has the right values, but NaN in the gradient where a query sees nothing")(
    changed(
        ("new.masked_fill(new == -math.inf, 0.0)", "new"),
        ("empty = total == 0", "empty = top == -math.inf"),
        ("return acc / total[..., None]", "return (acc / total[..., None]).nan_to_num()"),
    )
)
not_divided = wrong("does not divide by the sum at the end")(changed(("acc / total[..., None]", "acc")))
lse_without_the_maximum = wrong("returns the logarithm of the sum without the maximum")(
    changed(("(top + total.log()).masked_fill(empty, -math.inf)", "total.log().masked_fill(empty, -math.inf)"))
)
lse_is_the_maximum = wrong("returns the maximum as lse")(changed(("(top + total.log())", "top")))
lse_is_the_sum = wrong("returns the sum as lse")(
    changed(("(top + total.log()).masked_fill(empty, -math.inf)", "total.masked_fill(empty, 0.0)"))
)
lse_in_base_2 = wrong("takes the logarithm to base 2")(changed(("total.log()", "total.log2()")))
lse_minus = wrong("subtracts the logarithm of the sum from the maximum")(
    changed(("(top + total.log())", "(top - total.log())"))
)
lse_zero_for_nobody = wrong("gives the lse 0 to a query that sees nothing")(
    changed((".masked_fill(empty, -math.inf)", ".masked_fill(empty, 0.0)"))
)
lse_detached = wrong("detaches the log-sum-exp")(changed(("(top + total.log())", "(top + total.log()).detach()")))
weights_detached = wrong("cuts the gradient to q…")(  # "q and k", or where that of k is 0 anyhow, "q"
    changed(("s = q @ k[..., start:stop, :].mT", "s = q.detach() @ k[..., start:stop, :].mT.detach()"))
)
out_alone = wrong("returns out alone")(changed((", (top + total.log()).masked_fill(empty, -math.inf)", "")))
wide_inside = wrong("does not keep the dtype of its inputs")(
    changed(("    n, m =", "    q, k, v = q.double(), k.double(), v.double()\n    n, m ="))
)
narrow_inside = wrong("loses precision: its float64 results are only as good as float32")(
    changed(
        ("    n, m =", "    q, k, v, dtype = q.float(), k.float(), v.float(), q.dtype\n    n, m ="),
        ("acc / total[..., None], (top", "(acc / total[..., None]).to(dtype), (top"),
        (".masked_fill(empty, -math.inf)", ".masked_fill(empty, -math.inf).to(dtype)"),
    )
)
in_place_accumulator = right(  # torch keeps a copy of what mul_ overwrites, where a gradient needs it
    changed(
        (
            "acc = factor[..., None] * acc + p @ v[..., start:stop, :]",
            "acc.mul_(factor[..., None]).add_(p @ v[..., start:stop, :])",
        )
    )
)
scales_the_callers_queries = wrong("changes its input q in place")(
    changed(
        ("    n, m =", "    q.data.div_(math.sqrt(q.shape[-1]))\n    n, m ="),
        (" / math.sqrt(q.shape[-1])\n        if", "\n        if"),
    )
)
UNTILED = "builds an n × m matrix, of scores or of a mask: right, but not tiled"
mask_of_all_positions = wrong(UNTILED)(
    changed(
        (
            "    top = q.new_full",
            "    whole = torch.arange(m) > torch.arange(n)[:, None] + (m - n)\n    top = q.new_full",
        ),
        ("            hidden = torch.arange(start, stop) > torch.arange(n)[:, None] + (m - n)\n", ""),
        ("masked_fill(hidden,", "masked_fill(whole[:, start:stop],"),
    )
)
mask_from_numpy = wrong(UNTILED)(
    changed(
        (
            "    top = q.new_full",
            "    import numpy as np\n    whole = torch.from_numpy(~np.tri(n, m, m - n, dtype=bool))\n    top = q.new_full",
        ),
        ("            hidden = torch.arange(start, stop) > torch.arange(n)[:, None] + (m - n)\n", ""),
        ("masked_fill(hidden,", "masked_fill(whole[:, start:stop],"),
    )
)
untiled_unless_causal = wrong(UNTILED)(
    changed(("    n, m =", "    block = block if causal else k.shape[-2]\n    n, m ="))
)
blocks_of_128 = wrong("takes blocks of its own size, larger than `block`")(
    changed(("    n, m =", "    block = 128\n    n, m ="))
)
