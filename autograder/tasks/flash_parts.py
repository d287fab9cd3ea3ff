"""Tiled attention, right and with the mistakes that people make in it, and what it may allocate: for flash.tiled_attention."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from autograder.checking.cost import Cost
from autograder.checking.draw import Draw
from autograder.tasks.mistakes import Array

Two = tuple[Array, Array]
Given = tuple[Array, Array, Array, int, bool]

N, M, BLOCK, D, D_V = 13, 193, 8, 2, 3  # n is no multiple of the block, and no other size comes near it
# Tensors of one shape with the query axis that may be alive at once, and NumPy arrays as large as a block's mask (there
# are 25 blocks); tensors over all keys that may be made.
ALIVE, ROWS = 18, 20


def large(causal: bool) -> Callable[[Draw], Given]:
    """Inputs on which the tensors are counted."""
    return lambda draw: (draw.array(2, N, D), draw.array(2, M, D), draw.array(2, M, D_V), BLOCK, causal)


def exceeded(inputs: tuple[Any, ...], cost: Cost) -> str | None:
    """What the task forbids: tensors with more than block entries per query beyond d and d_v, or too many of them."""
    causal = "causal" if inputs[-1] else "not causal"
    on = f"a batch of 2, {N} queries, {M} keys, d = {D}, d_v = {D_V}, blocks of {BLOCK}, {causal}"
    of_queries = [t for t in cost.tensors if any(N <= size < N + BLOCK for size in t.shape)]
    for made in cost.tensors:
        of_one_sequence = made.shape[1:] if made.shape[:1] == (2,) else made.shape
        if math.prod(of_one_sequence) >= N * M:
            return f"It makes an n × m matrix: on {on}, one tensor has the shape {made.shape}."
    # One byte per entry at least; a block in float64 for both sequences has less.
    if cost.arrays and cost.arrays[0] >= N * M:
        return f"It makes an n × m matrix: on {on}, NumPy holds one array of {cost.arrays[0]} bytes."
    for made in of_queries:
        if math.prod(made.shape) > 2 * N * (BLOCK + D + D_V):
            if -(-M // BLOCK) in made.shape:
                return f"It keeps what comes out of every block: on {on}, one tensor has the shape {made.shape}."
            return f"It makes a tensor with more than block entries per query: on {on}, one has the shape {made.shape}."
    most = max(of_queries, key=lambda t: t.alive, default=None)
    if most and most.alive > ALIVE:
        return f"It keeps what comes out of every block: on {on}, {most.alive} tensors of shape {most.shape} are alive at once."
    if (alive := sum(size >= N * BLOCK for size in cost.arrays)) > ALIVE:
        return f"It keeps what comes out of every block: on {on}, {alive} NumPy arrays are alive at once."
    # positions of all keys, (m,), may be made as often as somebody likes: scores have the batch axis of 2 as well
    over_keys = [t for t in cost.tensors if max(t.shape, default=0) > M - BLOCK and math.prod(t.shape) > M + BLOCK]
    slab = next((t.shape for t in over_keys if math.prod(t.shape) > 2 * (M + BLOCK) * (D + D_V + 1)), None)
    if slab or sum(t.made for t in over_keys) > ROWS:
        shape = slab or max(over_keys, key=lambda t: t.made).shape
        return f"It takes some queries at a time, but all keys at once: on {on}, it makes tensors of shape {shape}."
    return None


def bottom_right(i: Array, j: Array, n: int, m: int) -> Array:
    """Bottom right."""
    return j <= i + (m - n)


# What people take for the causal mask: name, question, mask.
CAUSAL_MISTAKES: tuple[tuple[str, str, Callable[[Array, Array, int, int], Array]], ...] = (
    ("ignores `causal`", "Which argument does your result not depend on?", lambda i, j, _n, _m: (i >= 0) & (j >= 0)),
    (
        "aligns the causal mask at the top left",
        "Which key does the *last* query stand at, when there are more keys than queries?",
        lambda i, j, _n, _m: j <= i,
    ),
    (
        "hides the diagonal: a query does not see its own key",
        "May a token attend to itself?",
        lambda i, j, n, m: j < i + (m - n),
    ),
    (
        "shows one key too many",
        "Which is the first key that the last query may not see?",
        lambda i, j, n, m: j <= i + (m - n) + 1,
    ),
    (
        "has the offset n − m where it must be m − n",
        "With one query and five keys: which may it see?",
        lambda i, j, n, m: j <= i + (n - m),
    ),
    (
        "hides the past and shows the future",
        "Which tokens exist when a query is computed?",
        lambda i, j, n, m: j >= i + (m - n),
    ),
)


def nonzero(total: Array) -> Array:
    """The sums, 1 where one is 0."""
    return torch.where(total == 0, 1.0, total).to(total.dtype)


def plain_lse(peak: Array, total: Array) -> Array:
    """Maximum and logarithm of the sum, where a query that sees nothing keeps its first maximum."""
    return peak + torch.log(nonzero(total))


def masked_lse(peak: Array, total: Array) -> Array:
    """The same, but −inf for a query that sees nothing."""
    return torch.where(total == 0, -math.inf, plain_lse(peak, total)).to(total.dtype)


def tiled(
    q: Array,
    k: Array,
    v: Array,
    block: int,
    causal: bool = False,
    *,
    scale: Callable[[int, int], float] = lambda d, _: d**-0.5,
    blocks: Callable[[int, int], list[int]] = lambda m, block: list(range(0, m, block)),
    mask: Callable[[Array, Array, int, int], Array] = bottom_right,
    local: bool = False,
    fill: float | None = -math.inf,  # None: the lowest number of the dtype
    first: float = -math.inf,
    peak: Callable[[Array, Array], Array] = torch.maximum,
    factors: Callable[[Array], tuple[Array, Array]] = lambda rescale: (rescale, rescale),
    weigh: Callable[[Array], Array] = torch.exp,
    safe: Callable[[Array], Array] = lambda peak: torch.where(peak == -math.inf, 0.0, peak).to(peak.dtype),
    end: Callable[[Array], Array] = nonzero,
    lse: Callable[[Array, Array], Array] = plain_lse,
) -> Two:
    """Right, but for what is named."""
    (n, d), (m, d_v) = q.shape[-2:], v.shape[-2:]
    top, total, acc = q.new_full(q.shape[:-1], first), q.new_zeros(q.shape[:-1]), q.new_zeros(*q.shape[:-1], d_v)
    for start in blocks(m, block):
        k_block, v_block = k[..., start : start + block, :], v[..., start : start + block, :]
        scores = q @ k_block.mT * scale(d, d_v)
        if causal:
            keys = torch.arange(k_block.shape[-2]) + (0 if local else start)
            scores = scores.masked_fill(
                ~mask(torch.arange(n)[:, None], keys, n, m), torch.finfo(q.dtype).min if fill is None else fill
            )
        top_new = peak(top, scores.amax(-1))
        rescale = torch.exp(top - safe(top_new))
        p = weigh(scores - safe(top_new)[..., None])
        of_sum, of_values = factors(rescale)
        total = of_sum * total + p.sum(-1)
        acc = of_values[..., None] * acc + p @ v_block
        top = top_new
    return acc / end(total)[..., None], lse(top, total)


def partial_results(q: Array, k: Array, v: Array, block: int, causal: bool) -> tuple[list[Array], list[Array]]:
    """Attention over each block alone."""
    n, m = q.shape[-2], k.shape[-2]
    outs, lses = [], []
    for start in range(0, m, block):
        scores = q @ k[..., start : start + block, :].mT / math.sqrt(q.shape[-1])
        if causal:
            keys = torch.arange(start, min(start + block, m))
            scores = scores.masked_fill(~bottom_right(torch.arange(n)[:, None], keys, n, m), -math.inf)
        empty = (scores == -math.inf).all(-1, keepdim=True)
        weights = torch.softmax(scores.masked_fill(empty, 0.0), -1).masked_fill(empty, 0.0)
        outs.append(weights @ v[..., start : start + block, :])
        lse = torch.logsumexp(scores.masked_fill(empty, 0.0), -1)
        lses.append(lse.masked_fill(empty[..., 0], -math.inf))
    return outs, lses


def sizes(draw: Draw, n: tuple[int, int] = (1, 6), m: tuple[int, int] = (1, 6)) -> None:
    """Heads small enough for a softmax that is not saturated."""
    draw.size("d", 1, 5)
    draw.size("d_v", 1, 4)
    if not draw.case.sizes.endswith("wide"):
        draw.size("n", *n)
        draw.size("m", *m)


def arrays(draw: Draw, scale: float = 1.0) -> tuple[Array, Array, Array]:
    """Queries, keys, values."""
    q, k = draw.array(..., "n", "d", mean=0.2, scale=scale), draw.array(..., "m", "d", mean=0.1)
    return q, k, draw.array(..., "m", "d_v", mean=0.5)


def levels_of(draw: Draw, levels: Callable[[int], Any]) -> Given:
    """The first feature alone decides by how much the scores of a key are shifted; blocks of one or two keys."""
    draw.size("d", 2, 4)
    sizes(draw, m=(3, 4))
    q, k, v = arrays(draw)
    q[..., 0] = math.sqrt(q.shape[-1])
    k[..., 0] = torch.as_tensor(levels(k.shape[-2]), dtype=k.dtype)
    return q, k, v, draw.choice([1, 2]), False


def merged_at_the_end(q: Array, k: Array, v: Array, block: int, causal: bool = False) -> Two:
    """The results of all blocks in two lists, and then one sum."""
    outs, lses = partial_results(q, k, v, block, causal)
    lse = torch.full_like(lses[0], -math.inf)
    for part in lses:
        lse = torch.logaddexp(lse, part)
    ref = torch.where(lse == -math.inf, 0.0, lse).to(lse.dtype)
    return sum(torch.exp(part - ref)[..., None] * out for out, part in zip(outs, lses, strict=True)), lse


def hidden_afterwards(q: Array, k: Array, v: Array, block: int, causal: bool = False, times: bool = False) -> Two:
    """The maximum is taken over hidden scores too; their exponentials are filled with 0, or multiplied by it."""
    n, m = q.shape[-2], k.shape[-2]
    top, total, acc = q.new_full(q.shape[:-1], -math.inf), q.new_zeros(q.shape[:-1]), 0.0
    for start in range(0, m, block):
        scores = q @ k[..., start : start + block, :].mT / math.sqrt(q.shape[-1])
        top_new = torch.maximum(top, scores.amax(-1))
        p, rescale = torch.exp(scores - top_new[..., None]), torch.exp(top - top_new)
        if causal:
            seen = bottom_right(torch.arange(n)[:, None], torch.arange(start, min(start + block, m)), n, m)
            p = p * seen if times else p.masked_fill(~seen, 0.0)
        total, acc = rescale * total + p.sum(-1), rescale[..., None] * acc + p @ v[..., start : start + block, :]
        top = top_new
    return acc / nonzero(total)[..., None], masked_lse(top, total)


def one_maximum(q: Array, k: Array, v: Array, block: int, causal: bool = False) -> Two:
    """The largest of all scores that somebody sees is subtracted from all, in a second pass over the blocks."""
    n, m = q.shape[-2], k.shape[-2]

    def scores(start: int) -> Array:
        found = q @ k[..., start : start + block, :].mT / math.sqrt(q.shape[-1])
        keys = torch.arange(start, min(start + block, m))
        return found.masked_fill(~bottom_right(torch.arange(n)[:, None], keys, n, m), -math.inf) if causal else found

    peak = torch.stack([scores(start).amax() for start in range(0, m, block)]).amax().detach()
    weights = [torch.exp(scores(start) - peak) for start in range(0, m, block)]
    total = sum(p.sum(-1) for p in weights)
    acc = sum(p @ v[..., i * block : (i + 1) * block, :] for i, p in enumerate(weights))
    return acc / nonzero(total)[..., None], masked_lse(peak, total)


def queries_in_blocks(q: Array, k: Array, v: Array, block: int, causal: bool = False) -> Two:
    """A few queries at a time, all keys at once."""
    n, m = q.shape[-2], k.shape[-2]
    rows = []
    for start in range(0, n, block):
        scores = q[..., start : start + block, :] @ k.mT / math.sqrt(q.shape[-1])
        if causal:
            queries = torch.arange(start, min(start + block, n))[:, None]
            scores = scores.masked_fill(~bottom_right(queries, torch.arange(m), n, m), -math.inf)
        empty = (scores == -math.inf).all(-1, keepdim=True)
        weights = torch.softmax(scores.masked_fill(empty, 0.0), -1).masked_fill(empty, 0.0)
        lse = torch.logsumexp(scores.masked_fill(empty, 0.0), -1).masked_fill(empty[..., 0], -math.inf)
        rows.append((weights @ v, lse))
    return torch.cat([out for out, _ in rows], -2), torch.cat([lse for _, lse in rows], -1)
