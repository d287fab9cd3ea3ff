"""Wrong answers to flash.tiled_attention that take another way, many of which cost too much memory."""

import math

import torch
from answers import wrong


@wrong("takes a softmax in each block and averages the blocks")
def mean_of_softmaxes(q, k, v, block, causal=False):
    outs, lses = [], []
    for start in range(0, k.shape[-2], block):
        out, lse = part(q, k, v, start, block, causal)
        outs.append(out)
        lses.append(lse)
    return torch.stack(outs).mean(0), torch.stack(lses).logsumexp(0)


def part(q, k, v, start, block, causal):
    """Attention over one block alone, right also where nothing is visible."""
    n, m = q.shape[-2], k.shape[-2]
    s = q @ k[..., start : start + block, :].mT / math.sqrt(q.shape[-1])
    if causal:
        s = s.masked_fill(torch.arange(start, min(start + block, m)) > torch.arange(n)[:, None] + m - n, -math.inf)
    none = (s == -math.inf).all(-1)
    weights = s.masked_fill(none[..., None], 0).softmax(-1).masked_fill(none[..., None], 0)
    lse = s.masked_fill(none[..., None], 0).logsumexp(-1).masked_fill(none, -math.inf)
    return weights @ v[..., start : start + block, :], lse


@wrong("takes a softmax in each block and adds the blocks")
def sum_of_softmaxes(q, k, v, block, causal=False):
    parts = [part(q, k, v, start, block, causal) for start in range(0, k.shape[-2], block)]
    return sum(out for out, _ in parts), torch.stack([lse for _, lse in parts]).logsumexp(0)


UNTILED = "builds an n × m matrix, of scores or of a mask: right, but not tiled"


@wrong(UNTILED)
def all_at_once(q, k, v, block, causal=False):
    return part(q, k, v, 0, k.shape[-2], causal)


@wrong(UNTILED)
def all_scores_then_blocks(q, k, v, block, causal=False):
    n, m = q.shape[-2], k.shape[-2]
    s = q @ k.mT / math.sqrt(q.shape[-1])
    if causal:
        s = s.masked_fill(torch.ones(n, m, dtype=torch.bool).triu(m - n + 1), -math.inf)
    top = s.amax(-1)
    safe = top.masked_fill(top == -math.inf, 0.0)
    total, acc = 0.0, 0.0
    for start in range(0, m, block):
        p = torch.exp(s[..., start : start + block] - safe[..., None])
        total, acc = total + p.sum(-1), acc + p @ v[..., start : start + block, :]
    none = total == 0
    total = total.masked_fill(none, 1)
    return acc / total[..., None], (safe + total.log()).masked_fill(none, -math.inf)


@wrong(UNTILED)
def list_of_blocks_joined(q, k, v, block, causal=False):
    n, m = q.shape[-2], k.shape[-2]
    blocks = []
    for start in range(0, m, block):
        s = q @ k[..., start : start + block, :].mT / math.sqrt(q.shape[-1])
        if causal:
            s = s.masked_fill(torch.arange(start, min(start + block, m)) > torch.arange(n)[:, None] + m - n, -math.inf)
        blocks.append(s)
    s = torch.cat(blocks, -1)
    none = (s == -math.inf).all(-1)
    safe = s.masked_fill(none[..., None], 0)
    return safe.softmax(-1).masked_fill(none[..., None], 0) @ v, safe.logsumexp(-1).masked_fill(none, -math.inf)


KEPT = "keeps the results of all blocks until the end"


@wrong(KEPT)
def list_of_partial_results(q, k, v, block, causal=False):
    parts = [part(q, k, v, start, block, causal) for start in range(0, k.shape[-2], block)]
    top = parts[0][1]
    for _, lse in parts[1:]:
        top = torch.maximum(top, lse)
    safe = top.masked_fill(top == -math.inf, 0.0)
    total = sum(torch.exp(lse - safe) for _, lse in parts)
    out = sum(torch.exp(lse - safe)[..., None] * out for out, lse in parts)
    none = total == 0
    total = total.masked_fill(none, 1)
    return out / total[..., None], (safe + total.log()).masked_fill(none, -math.inf)


@wrong(KEPT)
def list_of_score_blocks(q, k, v, block, causal=False):
    n, m = q.shape[-2], k.shape[-2]
    blocks, top = [], q.new_full(q.shape[:-1], -math.inf)
    for start in range(0, m, block):
        s = q @ k[..., start : start + block, :].mT / math.sqrt(q.shape[-1])
        if causal:
            s = s.masked_fill(torch.arange(start, min(start + block, m)) > torch.arange(n)[:, None] + m - n, -math.inf)
        blocks.append(s)
        top = torch.maximum(top, s.amax(-1))
    safe = top.masked_fill(top == -math.inf, 0.0)
    total = sum(torch.exp(s - safe[..., None]).sum(-1) for s in blocks)
    acc = sum(torch.exp(s - safe[..., None]) @ v_b for s, v_b in zip(blocks, v.split(block, -2), strict=True))
    none = total == 0
    total = total.masked_fill(none, 1)
    return acc / total[..., None], (safe + total.log()).masked_fill(none, -math.inf)


@wrong("takes a few queries at a time, but all keys at once")
def row_by_row(q, k, v, block, causal=False):
    n, m = q.shape[-2], k.shape[-2]
    outs, lses = [], []
    for i in range(n):
        seen = max(0, min(m, i + 1 + m - n)) if causal else m
        s = (q[..., i : i + 1, :] @ k.mT / math.sqrt(q.shape[-1])).masked_fill(torch.arange(m) >= seen, -math.inf)
        empty = seen == 0
        s = torch.zeros_like(s) if empty else s
        outs.append(
            torch.zeros_like(q[..., :1, :1]).expand(*q.shape[:-2], 1, v.shape[-1]) if empty else s.softmax(-1) @ v
        )
        lses.append(torch.full_like(s[..., 0], -math.inf) if empty else s.logsumexp(-1))
    return torch.cat(outs, -2), torch.cat(lses, -1)


@wrong("takes a few queries at a time, but all keys at once")
def blocks_of_queries(q, k, v, block, causal=False):
    n, m = q.shape[-2], k.shape[-2]
    outs, lses = [], []
    for start in range(0, n, block):
        s = q[..., start : start + block, :] @ k.mT / math.sqrt(q.shape[-1])
        if causal:
            s = s.masked_fill(torch.arange(m) > torch.arange(start, min(start + block, n))[:, None] + m - n, -math.inf)
        none = (s == -math.inf).all(-1)
        safe = s.masked_fill(none[..., None], 0)
        outs.append(safe.softmax(-1).masked_fill(none[..., None], 0) @ v)
        lses.append(safe.logsumexp(-1).masked_fill(none, -math.inf))
    return torch.cat(outs, -2), torch.cat(lses, -1)
