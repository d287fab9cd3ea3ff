"""Answers to flash.tiled_attention whose causal mask comes from NumPy: a block of it at a time is right, all of it is not tiled."""

import math

import numpy as np
import torch
from answers import right, wrong


def with_mask(q, k, v, block, hide):
    """Right attention; `hide(s, start, stop)` gives the scores of a block with those of hidden keys at −inf."""
    top, total = q.new_full(q.shape[:-1], -math.inf), q.new_zeros(q.shape[:-1])
    acc = q.new_zeros(*q.shape[:-1], v.shape[-1])
    for start in range(0, k.shape[-2], block):
        stop = min(start + block, k.shape[-2])
        s = hide(q @ k[..., start:stop, :].mT / math.sqrt(q.shape[-1]), start, stop)
        new = torch.maximum(top, s.amax(-1))
        safe = new.masked_fill(new == -math.inf, 0.0)
        factor, p = torch.exp(top - safe), torch.exp(s - safe[..., None])
        total = factor * total + p.sum(-1)
        acc = factor[..., None] * acc + p @ v[..., start:stop, :]
        top = new
    total = total.masked_fill(total == 0, 1.0)
    return acc / total[..., None], top + total.log()


def visible(n, m):
    """All of the mask, (n, m)."""
    return np.arange(m) <= np.arange(n)[:, None] + m - n


@right
def positions_and_a_bias_of_one_block(q, k, v, block, causal=False):
    n, m = q.shape[-2], k.shape[-2]
    kind = np.float64 if q.dtype == torch.float64 else np.float32
    kept = {}

    def hide(s, start, stop):
        kept["ahead"] = np.subtract.outer(np.arange(start, stop), np.arange(n)).T - (m - n)
        kept["bias"] = np.where(kept["ahead"] > 0, 1.0, 0.0).astype(kind)
        kept["bias"][kept["bias"] > 0] = -np.inf
        seen = torch.from_numpy(kept["bias"]) == 0
        return s.masked_fill(~seen, -math.inf)

    return with_mask(q, k, v, block, hide if causal else lambda s, *_: s)


@right
def positions_of_all_keys(q, k, v, block, causal=False):
    n, m = q.shape[-2], k.shape[-2]
    keys, last = np.arange(m), np.arange(n)[:, None] + m - n

    def hide(s, start, stop):
        return s.masked_fill(torch.tensor(keys[start:stop] > last), -math.inf) if causal else s

    return with_mask(q, k, v, block, hide)


UNTILED = "builds an n × m matrix, of scores or of a mask: right, but not tiled"


@wrong(UNTILED)
def slices_of_a_mask(q, k, v, block, causal=False):
    hidden = ~visible(q.shape[-2], k.shape[-2])
    return with_mask(
        q, k, v, block,
        lambda s, a, b: s.masked_fill(torch.from_numpy(hidden[:, a:b]), -math.inf) if causal else s,
    )  # fmt: skip


@wrong(UNTILED)
def copies_of_slices(q, k, v, block, causal=False):
    hidden = ~visible(q.shape[-2], k.shape[-2])
    return with_mask(
        q, k, v, block, lambda s, a, b: s.masked_fill(torch.tensor(hidden[:, a:b]), -math.inf) if causal else s
    )


@wrong(UNTILED)
def rows_of_a_transposed_mask(q, k, v, block, causal=False):
    n, m = q.shape[-2], k.shape[-2]
    hidden = np.arange(m)[:, None] > np.arange(n) + m - n
    return with_mask(
        q, k, v, block, lambda s, a, b: s.masked_fill(torch.from_numpy(hidden[a:b]).mT, -math.inf) if causal else s
    )


@wrong(UNTILED)
def slices_of_an_index_grid(q, k, v, block, causal=False):
    n, m = q.shape[-2], k.shape[-2]
    i, j = np.indices((n, m))
    ahead = j - i

    def hide(s, start, stop):
        return torch.where(torch.from_numpy(ahead[:, start:stop]) > m - n, -math.inf, s) if causal else s

    return with_mask(q, k, v, block, hide)


@wrong(UNTILED)
def a_slice_turned_round(q, k, v, block, causal=False):
    seen = visible(q.shape[-2], k.shape[-2])

    def hide(s, start, stop):
        return s.masked_fill(torch.tensor(~seen[:, start:stop]), -math.inf) if causal else s

    return with_mask(q, k, v, block, hide)


@wrong(UNTILED)
def a_list_of_views(q, k, v, block, causal=False):
    n, m = q.shape[-2], k.shape[-2]
    tiles = np.split(np.triu(np.ones((n, m), dtype=bool), m - n + 1), range(block, m, block), axis=1)
    return with_mask(
        q, k, v, block,
        lambda s, a, _: s.masked_fill(torch.from_numpy(tiles[a // block]), -math.inf) if causal else s,
    )  # fmt: skip


@wrong("keeps the results of all blocks until the end")
def a_list_of_masks(q, k, v, block, causal=False):
    n, m = q.shape[-2], k.shape[-2]
    last = np.arange(n)[:, None] + m - n
    tiles = [np.arange(a, min(a + block, m)) > last for a in range(0, m, block)]
    return with_mask(
        q, k, v, block,
        lambda s, a, _: s.masked_fill(torch.from_numpy(tiles[a // block]), -math.inf) if causal else s,
    )  # fmt: skip
