"""Right answers to flash.tiled_attention: merges with many temporaries, a loop over the batch, one softmax with the old sum."""

import math

import numpy as np
import torch
from answers import right


def merged(q, k, v, block, causal=False):
    """Finished attention per block, merged one by one; every name lives until it is given again."""
    n, m, out, lse = q.shape[-2], k.shape[-2], None, None
    for start in range(0, m, block):
        k_b, v_b = k[..., start : start + block, :], v[..., start : start + block, :]
        s = torch.einsum("...id,...jd->...ij", q, k_b) / q.shape[-1] ** 0.5
        none = torch.zeros(n, dtype=torch.bool)
        if causal:
            hidden = torch.ones(n, k_b.shape[-2], dtype=torch.bool).triu(m - n + 1 - start)
            s, none = s.masked_fill(hidden, -math.inf), hidden.all(-1)
        some = s.masked_fill(none[:, None], 0.0)
        weights = torch.softmax(some, -1).masked_fill(none[:, None], 0.0)
        lse_b = torch.logsumexp(some, -1).masked_fill(none, -math.inf)
        out_b = torch.einsum("...ij,...je->...ie", weights, v_b)
        if out is None:
            out, lse = out_b, lse_b
            continue
        nobody = torch.isneginf(lse) & torch.isneginf(lse_b)
        x, y = lse.masked_fill(nobody, 0.0), lse_b.masked_fill(nobody, 0.0)
        new = torch.logaddexp(x, y)
        out = (x - new).exp().unsqueeze(-1) * out + (y - new).exp().unsqueeze(-1) * out_b
        out = out.masked_fill(nobody[..., None], 0.0)
        lse = new.masked_fill(nobody, -math.inf)
    return out, lse


@right
def many_temporaries(q, k, v, block, causal=False):
    return merged(q, k, v, block, causal)


@right
def head_by_head(q, k, v, block, causal=False):
    pairs = zip(*(x.reshape(-1, *x.shape[-2:]) for x in (q, k, v)), strict=True)
    outs, lses = zip(*(merged(*heads, block, causal) for heads in pairs), strict=True)
    return torch.stack(outs).reshape(*q.shape[:-1], v.shape[-1]), torch.stack(lses).reshape(q.shape[:-1])


@right
def one_softmax_over_the_old_lse_and_the_new_scores(q, k, v, block, causal=False):
    n, m = q.shape[-2], k.shape[-2]
    lse, out = q.new_full(q.shape[:-1], -math.inf), q.new_zeros(*q.shape[:-1], v.shape[-1])
    for start in range(0, m, block):
        s = q @ k[..., start : start + block, :].mT / math.sqrt(q.shape[-1])
        if causal:
            visible = np.arange(start, min(start + block, m)) <= np.arange(n)[:, None] + m - n
            s = torch.where(torch.from_numpy(visible), s, -math.inf)
        s = torch.cat([lse[..., None], s], -1)
        none = (s == -math.inf).all(-1, keepdim=True)
        weights = s.masked_fill(none, 0.0).softmax(-1).masked_fill(none, 0.0)
        out = weights[..., :1] * out + weights[..., 1:] @ v[..., start : start + block, :]
        lse = s.masked_fill(none, 0.0).logsumexp(-1).masked_fill(none[..., 0], -math.inf)
    return out, lse
