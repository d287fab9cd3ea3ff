"""Right answers to flash.tiled_attention, in different styles."""

import math

import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it
from answers import right

# --- right, in different styles


@right
def partial_results_merged_one_by_one(q, k, v, block, causal=False):
    """Each block gives finished attention; out stays divided all the way."""
    n, m, d = q.shape[-2], k.shape[-2], q.shape[-1]
    out = q.new_zeros(*q.shape[:-1], v.shape[-1])
    lse = q.new_full(q.shape[:-1], -math.inf)
    for start, (k_b, v_b) in zip(
        range(0, m, block), zip(k.split(block, -2), v.split(block, -2), strict=True), strict=True
    ):
        s = torch.einsum("...nd,...bd->...nb", q, k_b) * d**-0.5
        if causal:
            j = start + torch.arange(k_b.shape[-2])
            s = torch.where(j[None] <= torch.arange(n)[:, None] + m - n, s, torch.tensor(-math.inf, dtype=s.dtype))
        here = torch.logsumexp(
            s.masked_fill((s == -math.inf).all(-1, keepdim=True), -1e300 if s.dtype == torch.float64 else -1e37), -1
        )
        here = torch.where((s == -math.inf).all(-1), torch.full_like(here, -math.inf), here)
        nobody = torch.isneginf(lse) & torch.isneginf(here)
        a, b = lse.masked_fill(nobody, 0), here.masked_fill(nobody, 0)
        both = torch.logaddexp(a, b)
        p = torch.exp(s - both[..., None])
        out = torch.exp(a - both).masked_fill(nobody, 0)[..., None] * out + p.masked_fill(nobody[..., None], 0) @ v_b
        lse = both.masked_fill(nobody, -math.inf)
    return out, lse


@right
def tiles_of_queries_and_keys(q, k, v, block, causal=False):
    """The order of the second paper: outer loop over queries. Blocks that nobody may see are left out."""
    n, m, scale = q.shape[-2], k.shape[-2], 1 / math.sqrt(q.shape[-1])
    outs, lses = [], []
    for low in range(0, n, block):
        high = min(low + block, n)
        tile = q[..., low:high, :] * scale
        top, total = tile.new_full(tile.shape[:-1], -math.inf), tile.new_zeros(tile.shape[:-1])
        acc = tile.new_zeros(*tile.shape[:-1], v.shape[-1])
        for start in range(0, m, block):
            if causal and start > high - 1 + m - n:
                break
            s = tile @ k[..., start : start + block, :].transpose(-1, -2)
            if causal:
                i, j = torch.arange(low, high)[:, None], torch.arange(start, min(start + block, m))
                s = s.masked_fill(j - i > m - n, -math.inf)
            new = torch.max(top, s.max(-1).values)
            ref = torch.where(torch.isinf(new), torch.zeros_like(new), new)
            p, alpha = (s - ref.unsqueeze(-1)).exp(), (top - ref).exp()
            total, acc, top = (
                total * alpha + p.sum(-1),
                acc * alpha.unsqueeze(-1) + p @ v[..., start : start + block, :],
                new,
            )
        some = torch.where(total > 0, total, torch.ones_like(total))
        outs.append(acc / some.unsqueeze(-1))
        lses.append(top + some.log())
    return torch.cat(outs, -2), torch.cat(lses, -1)


@right
def from_the_last_block_to_the_first(q, k, v, block, causal=False):
    n, m = q.shape[-2], k.shape[-2]
    top, total, acc = None, None, None
    for start in reversed(range(0, m, block)):
        s = q @ k[..., start : start + block, :].mT * q.shape[-1] ** -0.5
        if causal:
            s = s.masked_fill(torch.arange(m)[start : start + block] > torch.arange(n)[:, None] + m - n, -math.inf)
        peak = s.amax(-1, keepdim=True) if top is None else torch.maximum(top, s.amax(-1, keepdim=True))
        ref = peak.clamp(min=torch.finfo(s.dtype).min)
        p = torch.exp(s - ref)
        if top is None:
            total, acc = p.sum(-1, keepdim=True), p @ v[..., start : start + block, :]
        else:
            factor = torch.exp(top - ref)
            total = total * factor + p.sum(-1, keepdim=True)
            acc = acc * factor + p @ v[..., start : start + block, :]
        top = peak
    seen = total.clamp(min=torch.finfo(total.dtype).tiny)
    lse = torch.where(total > 0, top + seen.log(), torch.full_like(total, -math.inf))
    return acc / seen, lse.squeeze(-1)


@right
def maximum_without_gradient(q, k, v, block, causal=False):
    """The result does not depend on the reference, so no gradient need go through it."""
    n, m = q.shape[-2], k.shape[-2]
    q = q / q.shape[-1] ** 0.5
    top, total, acc = torch.tensor(-math.inf, dtype=q.dtype), 0.0, 0.0
    for start in range(0, m, block):
        s = q @ k[..., start : start + block, :].mT
        if causal:
            visible = torch.arange(start, start + s.shape[-1]).unsqueeze(0) - torch.arange(n).unsqueeze(1) <= m - n
            s = s.masked_fill(visible.logical_not(), -math.inf)
        with torch.no_grad():
            new = torch.maximum(top, s.amax(-1, keepdim=True))
            ref = torch.nan_to_num(new, neginf=0.0)
            factor = torch.exp(top - ref)
        p = torch.exp(s - ref)
        total, acc, top = (
            factor * total + p.sum(-1, keepdim=True),
            factor * acc + p @ v[..., start : start + block, :],
            new,
        )
    none = total == 0
    total = total + none.to(total.dtype)
    return acc / total, torch.where(none, -math.inf, ref + total.log()).to(q.dtype)[..., 0]


@right
def two_passes(q, k, v, block, causal=False):
    """The log-sum-exp first, then the mixture with finished weights: twice the scores, no rescaling of values."""
    n, m = q.shape[-2], k.shape[-2]

    def scores(start):
        s = q @ k[..., start : start + block, :].mT / math.sqrt(q.shape[-1])
        j = torch.arange(start, start + s.shape[-1])
        return s.masked_fill(j > torch.arange(n)[:, None] + (m - n), -math.inf) if causal else s

    top = q.new_full(q.shape[:-1], -math.inf)
    for start in range(0, m, block):
        top = torch.maximum(top, scores(start).amax(-1))
    ref = torch.where(top == -math.inf, 0.0, top).to(q.dtype).detach()
    total = sum(torch.exp(scores(start) - ref[..., None]).sum(-1) for start in range(0, m, block))
    empty = total == 0
    lse = ref + torch.log(total.masked_fill(empty, 1.0))
    out = sum(
        torch.exp(scores(start) - lse[..., None]) @ v[..., start : start + block, :] for start in range(0, m, block)
    )
    return out, lse.masked_fill(empty, -math.inf)


@right
def padded_to_full_blocks(q, k, v, block, causal=False):
    n, m = q.shape[-2], k.shape[-2]
    pad = -m % block
    k, v = F.pad(k, (0, 0, 0, pad)), F.pad(v, (0, 0, 0, pad))
    top = q.new_full((*q.shape[:-1], 1), -math.inf)
    acc = q.new_zeros(*q.shape[:-1], v.shape[-1] + 1)  # the last column sums the weights
    for b in range((m + pad) // block):
        at = slice(b * block, (b + 1) * block)
        j = torch.arange(b * block, (b + 1) * block)
        last = torch.arange(n)[:, None] + m - n if causal else torch.full((n, 1), m - 1)
        hidden = (j > last) | (j >= m)
        s = (q @ k[..., at, :].mT / math.sqrt(q.shape[-1])).masked_fill(hidden, -math.inf)
        new = torch.maximum(top, s.max(-1, keepdim=True)[0])
        ref = new.masked_fill(torch.isneginf(new), 0)
        with_one = torch.cat([v[..., at, :], torch.ones_like(v[..., at, :1])], -1)
        acc = acc * (top - ref).exp() + (s - ref).exp() @ with_one
        top = new
    out, total = acc[..., :-1], acc[..., -1:]
    safe = total.masked_fill(total == 0, 1)
    return out / safe, (top + safe.log())[..., 0]


@right
def divided_after_each_block(q, k, v, block, causal=False):
    """As the first paper has it."""
    n, m = q.shape[-2], k.shape[-2]
    out = torch.zeros(*q.shape[:-1], v.shape[-1], dtype=q.dtype)
    top = torch.full((*q.shape[:-1], 1), -math.inf, dtype=q.dtype)
    total = torch.zeros_like(top)
    for start in range(0, m, block):
        k_b, v_b = k.narrow(-2, start, min(block, m - start)), v.narrow(-2, start, min(block, m - start))
        s = torch.matmul(q, k_b.transpose(-2, -1)).div(math.sqrt(k.size(-1)))
        if causal:
            keep = torch.ones(n, s.size(-1), dtype=torch.bool).tril(m - n - start)
            s = s.masked_fill(~keep, -math.inf)
        new = torch.maximum(top, s.amax(-1, keepdim=True))
        ref = torch.where(new.isneginf(), torch.zeros_like(new), new)
        p = torch.exp(s - ref)
        grown = torch.exp(top - ref) * total + p.sum(-1, keepdim=True)
        safe = torch.where(grown == 0, torch.ones_like(grown), grown)
        out = (torch.exp(top - ref) * total * out + p @ v_b) / safe
        top, total = new, grown
    return out, (top + torch.where(total == 0, torch.ones_like(total), total).log()).squeeze(-1)


@right
def powers_of_two(q, k, v, block, causal=False):
    """As kernels do: log2(e) is folded into the scale, and undone in the log-sum-exp."""
    n, m = q.shape[-2], k.shape[-2]
    q = q * (math.log2(math.e) / math.sqrt(q.shape[-1]))
    top, total = q.new_full(q.shape[:-1], -math.inf), q.new_zeros(q.shape[:-1])
    acc = q.new_zeros(*q.shape[:-1], v.shape[-1])
    for start in range(0, m, block):
        s = q @ k[..., start : start + block, :].mT
        if causal:
            s = s.masked_fill(torch.arange(start, min(start + block, m)) > torch.arange(n)[:, None] + m - n, -math.inf)
        new = torch.maximum(top, s.amax(-1))
        ref = new.masked_fill(new.isinf(), 0.0)
        total = total * torch.exp2(top - ref) + torch.exp2(s - ref[..., None]).sum(-1)
        acc = acc * torch.exp2(top - ref)[..., None] + torch.exp2(s - ref[..., None]) @ v[..., start : start + block, :]
        top = new
    total = total.masked_fill(total == 0, 1.0)
    return acc / total[..., None], (top + total.log2()) * math.log(2)
