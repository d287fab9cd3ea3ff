r"""The loops of a CPU: tiles of queries against tiles of keys, in place, each thread with a buffer and tiles of its own.

Formula
    as in tiled.py and backward.py, with scores in units of ln 2, so that 2ˣ stands for eˣ. Tiles have ROWS queries,
    KEYS keys and as many heads as fit SCRATCH numbers, which stay in the cache. What lies above the diagonal is skipped;
    on it, DIAGONAL keys at a time are masked, for the queries that see some of them.
Shapes
    q, out, grad_q    (heads, group, n, d), the query heads that share a key-value head forming a group
    k, v, grad_k      (heads, m, d)
    lse               (heads, group, n)
Cost
    n m (d_k + d_v) multiply-adds per query head, half of that if causal; beyond the results SCRATCH numbers per thread,
    twice that in the backward pass, which also keeps grad_k and grad_v in float32 where they are half precision
Errors
    none: ops.py has checked the arguments
Source
    Dao 2023, FlashAttention-2, algorithms 1 and 2; Rabe, Staats 2021, Self-attention Does Not Need O(n²) Memory
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from attn_core.flash.threads import run_each

ROWS, KEYS, DIAGONAL = 256, 512, 256
SCRATCH = 4 * ROWS * KEYS
LN_2 = math.log(2)


def forward(q: Tensor, k: Tensor, v: Tensor, out: Tensor, lse: Tensor, causal: bool, scale: float) -> None:
    """Write attention and its log-sum-exp into `out` and `lse`."""

    def compute(step: tuple[slice, slice]) -> None:
        heads, rows = step
        tile = _stack(q[heads][:, :, rows], lse.dtype) * (scale / LN_2)  # (heads, group · rows, d)
        buffer = tile.new_empty(tile.shape[0] * tile.shape[1] * min(KEYS, k.shape[1]))
        peak, total = tile.new_full((*tile.shape[:2], 1), -math.inf), tile.new_zeros(*tile.shape[:2], 1)
        acc = tile.new_zeros(*tile.shape[:2], v.shape[-1])
        for keys, first, mask in _key_steps(q, k, rows, causal):
            scores = _product(tile[:, first:], k[heads, keys].to(lse.dtype).mT, buffer)
            _hide(scores, q.shape[1], mask)
            before = peak[:, first:]
            highest = torch.maximum(before, scores.amax(-1, keepdim=True))
            shift = highest.masked_fill(highest == -math.inf, 0.0)  # −∞ − (−∞) would be NaN
            rescale = (before - shift).exp2_()
            before.copy_(highest)
            weights = scores.sub_(shift).exp2_()
            total[:, first:].mul_(rescale).add_(weights.sum(-1, keepdim=True))
            acc[:, first:].mul_(rescale).baddbmm_(weights, v[heads, keys].to(lse.dtype))
        seen = total.masked_fill(total == 0.0, 1.0)  # a query that sees no key: 0 / 1, and −∞ + ln 1
        shape = q[heads][:, :, rows].shape[:-1]
        out[heads, :, rows] = acc.div_(seen).view(*shape, -1)
        lse[heads, :, rows] = peak.add_(seen.log2_()).mul_(LN_2).view(shape)

    steps = [(heads, rows) for rows in _row_steps(q) for heads in _head_steps(q, k)]
    run_each(compute, steps[::-1], q.device)  # the last rows see the most keys: the longest work first


def backward(
    inputs: tuple[Tensor, Tensor, Tensor],
    results: tuple[Tensor, Tensor],
    cotangents: tuple[Tensor, Tensor],
    gradients: tuple[Tensor, Tensor, Tensor],
    causal: bool,
    scale: float,
) -> None:
    """Write the gradients of (q, k, v) from (out, lse) and the gradients of these two."""
    (q, k, v), (out, lse), (grad_out, grad_lse) = inputs, results, cotangents
    wide = lse.dtype

    def compute(heads: slice) -> None:
        k_heads, v_heads = k[heads].to(wide), v[heads].to(wide)
        grad_k, grad_v = torch.zeros_like(k_heads), torch.zeros_like(v_heads)
        for rows in _row_steps(q):
            tile, out_tile, grad_tile = (_stack(x[heads][:, :, rows], wide) for x in (q, out, grad_out))
            shift, lse_tile = (_stack(x[heads][:, :, rows, None], wide) for x in (lse, grad_lse))
            shift = (shift / LN_2).masked_fill(shift == -math.inf, math.inf)  # 2 to the −∞: no weights, no gradients
            delta = (out_tile * grad_tile).sum(-1, keepdim=True) - lse_tile
            tile, grad_q = tile * (scale / LN_2), torch.zeros_like(tile)
            buffers = tile.new_empty(2, tile.shape[0] * tile.shape[1] * min(KEYS, k.shape[1]))
            for keys, first, mask in _key_steps(q, k, rows, causal):
                scores = _product(tile[:, first:], k_heads[:, keys].mT, buffers[0])
                _hide(scores, q.shape[1], mask)
                weights = scores.sub_(shift[:, first:]).exp2_()
                slopes = _product(grad_tile[:, first:], v_heads[:, keys].mT, buffers[1])
                slopes.sub_(delta[:, first:]).mul_(weights)
                grad_v[:, keys].baddbmm_(weights.mT, grad_tile[:, first:])
                grad_k[:, keys].baddbmm_(slopes.mT, tile[:, first:])
                grad_q[:, first:].baddbmm_(slopes, k_heads[:, keys])
            gradients[0][heads, :, rows] = grad_q.mul_(scale).view(q[heads][:, :, rows].shape)
        gradients[1][heads], gradients[2][heads] = grad_k.mul_(LN_2), grad_v

    run_each(compute, list(_head_steps(q, k)), q.device)


def group_heads(array: Tensor, kv_heads: int) -> Tensor:
    """A view with the query heads that share a key-value head on an axis of their own."""
    return array.view(kv_heads, array.shape[0] // kv_heads if kv_heads else 1, *array.shape[1:])


def _head_steps(q: Tensor, k: Tensor) -> Iterator[slice]:
    heads, group, n, _ = q.shape
    tile = max(1, min(n * group, max(ROWS, group)) * min(k.shape[1], KEYS))
    scratch = SCRATCH if q.device.type == "cpu" else 64 * SCRATCH  # a GPU wants more at once
    return _steps(0, heads, max(1, scratch // tile))


def _row_steps(q: Tensor) -> Iterator[slice]:
    return _steps(0, q.shape[2], max(1, ROWS // q.shape[1]))


def _steps(start: int, stop: int, step: int) -> Iterator[slice]:
    return (slice(place, min(place + step, stop)) for place in range(start, stop, step))


def _key_steps(q: Tensor, k: Tensor, rows: slice, causal: bool) -> Iterator[tuple[slice, int, Tensor | None]]:
    """Tiles of keys that `rows` may see, the first of the rows that see some of it, and what of it the others may not."""
    m, ahead = k.shape[1], k.shape[1] - q.shape[2]  # query i sees key j if and only if j ≤ i + ahead
    edge = max(0, min(m, rows.start + ahead)) if causal else m
    for keys in _steps(0, edge, KEYS):
        yield keys, 0, None
    for keys in _steps(edge, max(0, min(m, rows.stop + ahead)), min(DIAGONAL, KEYS)):
        first = max(0, keys.start - ahead - rows.start) if q.shape[1] == 1 else 0  # a group is stacked: all or none
        lines = torch.arange(
            rows.start + first, min(rows.stop, keys.stop - ahead), device=q.device
        )  # later rows see all
        yield keys, first, torch.arange(keys.start, keys.stop, device=q.device) > lines[:, None] + ahead


def _stack(tile: Tensor, dtype: torch.dtype) -> Tensor:
    """The queries of a group one below the other: (heads, group, rows, d) -> (heads, group · rows, d)."""
    return tile.flatten(1, 2).to(dtype)


def _hide(scores: Tensor, group: int, mask: Tensor | None) -> None:
    if mask is not None:
        rows = scores.view(scores.shape[0], group, -1, scores.shape[2])
        rows[:, :, : mask.shape[0]].masked_fill_(mask, -math.inf)


def _product(left: Tensor, right: Tensor, buffer: Tensor) -> Tensor:
    """The batched product, in the buffer."""
    shape = (left.shape[0], left.shape[1], right.shape[2])
    result = buffer[: math.prod(shape)].view(shape)
    torch.bmm(left, right, out=result)
    return result
