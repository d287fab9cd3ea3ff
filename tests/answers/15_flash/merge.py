"""Right and wrong answers to flash.merge."""

import torch
from answers import right, wrong

# --- right, in different styles


@right
def a_safe_maximum(out_a, lse_a, out_b, lse_b):
    peak = torch.maximum(lse_a, lse_b)
    peak = peak.masked_fill(peak == -torch.inf, 0.0)
    w_a, w_b = torch.exp(lse_a - peak), torch.exp(lse_b - peak)
    total = w_a + w_b
    empty = total == 0
    safe = total.masked_fill(empty, 1.0)
    out = (w_a / safe).unsqueeze(-1) * out_a + (w_b / safe).unsqueeze(-1) * out_b
    return out, (peak + safe.log()).masked_fill(empty, -torch.inf)


@right
def shares_by_softmax(out_a, lse_a, out_b, lse_b):
    both = torch.stack([lse_a, lse_b], -1)
    nobody = (both == -torch.inf).all(-1, keepdim=True)
    shares = both.masked_fill(nobody, 0.0).softmax(-1).masked_fill(nobody, 0.0)
    out = torch.einsum("...s,...sd->...d", shares, torch.stack([out_a, out_b], -2))
    lse = torch.logsumexp(both.masked_fill(nobody, 0.0), -1)
    return out, torch.where(nobody[..., 0], -torch.inf, lse).to(lse.dtype)


@right
def shares_by_sigmoid(out_a, lse_a, out_b, lse_b):
    nobody = (lse_a == -torch.inf) & (lse_b == -torch.inf)
    a, b = lse_a.masked_fill(nobody, 0.0), lse_b.masked_fill(nobody, 0.0)
    share_a, share_b = torch.sigmoid(a - b), torch.sigmoid(b - a)
    out = (share_a[..., None] * out_a + share_b[..., None] * out_b).masked_fill(nobody[..., None], 0.0)
    return out, torch.logaddexp(a, b).masked_fill(nobody, -torch.inf)


@right
def exponentials_of_the_difference_to_the_new_lse(out_a, lse_a, out_b, lse_b):
    nobody = torch.maximum(lse_a, lse_b) == -torch.inf
    a, b = torch.where(nobody, 0.0, lse_a).to(lse_a.dtype), torch.where(nobody, 0.0, lse_b).to(lse_a.dtype)
    lse = torch.logaddexp(a, b)
    out = (a - lse).exp()[..., None] * out_a + (b - lse).exp()[..., None] * out_b
    seen = (~nobody).to(out.dtype)
    return out * seen[..., None], lse.masked_fill(nobody, -torch.inf)


@right
def empty_parts_replaced_first(out_a, lse_a, out_b, lse_b):
    """An empty part is given the other's lse, a share of 0, and zeros."""
    no_a, no_b = torch.isneginf(lse_a), torch.isneginf(lse_b)
    keep_a, keep_b = (~no_a).to(lse_a.dtype), (~no_b).to(lse_b.dtype)
    a, b = lse_a.masked_fill(no_a, 0.0), lse_b.masked_fill(no_b, 0.0)
    a, b = torch.where(no_a, b.detach(), a), torch.where(no_b, a.detach(), b)
    peak = torch.max(a, b).detach()
    w_a, w_b = keep_a * (a - peak).exp(), keep_b * (b - peak).exp()
    total = w_a + w_b + keep_a.logical_or(keep_b).logical_not().to(w_a.dtype)
    out = ((w_a * keep_a)[..., None] * out_a + (w_b * keep_b)[..., None] * out_b) / total[..., None]
    return out, torch.where(no_a & no_b, -torch.inf, peak + total.log()).to(lse_a.dtype)


@right
def query_by_query(out_a, lse_a, out_b, lse_b):
    rows, lses = [], []
    for x, a, y, b in zip(
        out_a.reshape(-1, out_a.shape[-1]),
        lse_a.reshape(-1),
        out_b.reshape(-1, out_b.shape[-1]),
        lse_b.reshape(-1),
        strict=True,
    ):
        if a == -torch.inf and b == -torch.inf:
            rows.append(torch.zeros_like(x))
            lses.append(torch.full_like(a, -torch.inf))
        elif a == -torch.inf:
            rows.append(y)
            lses.append(b)
        elif b == -torch.inf:
            rows.append(x)
            lses.append(a)
        else:
            lse = torch.logaddexp(a, b)
            rows.append((a - lse).exp() * x + (b - lse).exp() * y)
            lses.append(lse)
    return torch.stack(rows).reshape(out_a.shape), torch.stack(lses).reshape(lse_a.shape)


@right
def through_the_larger_part(out_a, lse_a, out_b, lse_b):
    """With the log-sum-exp of the larger one and the ratio of the smaller to it, which is between 0 and 1."""
    swap = lse_b > lse_a
    high, low = torch.where(swap, lse_b, lse_a), torch.where(swap, lse_a, lse_b)
    nobody = high == -torch.inf
    ratio = (low - high.masked_fill(nobody, 0.0)).exp()
    share = ratio / (1 + ratio)
    large = torch.where(swap[..., None], out_b, out_a)
    small = torch.where(swap[..., None], out_a, out_b)
    out = (1 / (1 + ratio))[..., None] * large + share[..., None] * small
    return out.masked_fill(nobody[..., None], 0), high + torch.log1p(ratio)


@right
def a_custom_use_of_logsumexp_and_index(out_a, lse_a, out_b, lse_b):
    shape, d = lse_a.shape, out_a.shape[-1]
    a, b = lse_a.reshape(-1), lse_b.reshape(-1)
    seen = torch.nonzero((a > -torch.inf) | (b > -torch.inf))[:, 0]
    pair = torch.stack([a[seen], b[seen]])
    lse = torch.logsumexp(pair, 0)
    share = (pair - lse).exp()[..., None]
    mixed = share[0] * out_a.reshape(-1, d)[seen] + share[1] * out_b.reshape(-1, d)[seen]
    out = out_a.new_zeros(len(a), d).index_put((seen,), mixed)
    whole = lse_a.new_full((len(a),), -torch.inf).index_put((seen,), lse)
    return out.reshape(out_a.shape), whole.reshape(shape)


# --- wrong, the way learners write it


def safe(lse_a, lse_b):
    """The right shares, log-sum-exp and empty places, so that each answer below has one mistake."""
    peak = torch.maximum(lse_a, lse_b)
    nobody = peak == -torch.inf
    peak = peak.masked_fill(nobody, 0.0)
    w_a, w_b = (lse_a - peak).exp(), (lse_b - peak).exp()
    total = (w_a + w_b).masked_fill(nobody, 1.0)
    w_a, w_b, lse = (w_a / total)[..., None], (w_b / total)[..., None], peak + total.log()
    return w_a, w_b, lse.masked_fill(nobody, -torch.inf), nobody


@wrong("averages the two outs")
def mean(out_a, lse_a, out_b, lse_b):
    return (out_a + out_b) / 2, safe(lse_a, lse_b)[2]


@wrong("adds the two outs")
def plain_sum(out_a, lse_a, out_b, lse_b):
    return out_a + out_b, safe(lse_a, lse_b)[2]


@wrong("weighs the outs with the log-sum-exps themselves instead of their exponentials")
def weighed_by_logarithms(out_a, lse_a, out_b, lse_b):
    out = (lse_a[..., None] * out_a + lse_b[..., None] * out_b) / (lse_a + lse_b)[..., None]
    return out, safe(lse_a, lse_b)[2]


@wrong("multiplies by the exponentials and does not divide by their sum")
def unnormalised(out_a, lse_a, out_b, lse_b):
    return lse_a.exp()[..., None] * out_a + lse_b.exp()[..., None] * out_b, safe(lse_a, lse_b)[2]


@wrong("multiplies by the exponentials relative to the larger one, and does not divide by their sum")
def rescaled_only(out_a, lse_a, out_b, lse_b):
    peak = torch.maximum(lse_a, lse_b)
    peak = peak.masked_fill(peak == -torch.inf, 0)
    out = (lse_a - peak).exp()[..., None] * out_a + (lse_b - peak).exp()[..., None] * out_b
    return out, safe(lse_a, lse_b)[2]


@wrong("swaps the shares of the two parts")
def crossed(out_a, lse_a, out_b, lse_b):
    w_a, w_b, lse, _ = safe(lse_a, lse_b)
    return w_b * out_a + w_a * out_b, lse


@wrong("keeps the part with the larger log-sum-exp")
def winner_takes_all(out_a, lse_a, out_b, lse_b):
    return torch.where((lse_a >= lse_b)[..., None], out_a, out_b), torch.maximum(lse_a, lse_b)


@wrong("exponentiates without subtracting the larger one first")
def naive(out_a, lse_a, out_b, lse_b):
    w_a, w_b = lse_a.exp()[..., None], lse_b.exp()[..., None]
    return (w_a * out_a + w_b * out_b) / (w_a + w_b), (w_a + w_b).log()[..., 0]


@wrong("exponentiates without subtracting the larger one first")
def naive_but_for_empty_queries(out_a, lse_a, out_b, lse_b):
    w_a, w_b = lse_a.exp()[..., None], lse_b.exp()[..., None]
    empty = w_a + w_b == 0
    total = (w_a + w_b).masked_fill(empty, 1)
    return w_a / total * out_a + w_b / total * out_b, total.log().masked_fill(empty, -torch.inf)[..., 0]


@wrong("returns the sum of the exponentials instead of its logarithm")
def no_logarithm(out_a, lse_a, out_b, lse_b):
    w_a, w_b, lse, _ = safe(lse_a, lse_b)
    return w_a * out_a + w_b * out_b, lse.exp()


@wrong("adds the two log-sum-exps")
def logarithms_added(out_a, lse_a, out_b, lse_b):
    w_a, w_b, _, _ = safe(lse_a, lse_b)
    return w_a * out_a + w_b * out_b, lse_a + lse_b


@wrong("returns the larger log-sum-exp")
def maximum_as_lse(out_a, lse_a, out_b, lse_b):
    w_a, w_b, _, _ = safe(lse_a, lse_b)
    return w_a * out_a + w_b * out_b, torch.maximum(lse_a, lse_b)


@wrong("returns the logarithm without the maximum that was subtracted")
def forgot_the_maximum(out_a, lse_a, out_b, lse_b):
    w_a, w_b, lse, nobody = safe(lse_a, lse_b)
    peak = torch.maximum(lse_a, lse_b).masked_fill(nobody, 0)
    return w_a * out_a + w_b * out_b, lse - peak


@wrong("takes the logarithm to base 2")
def base_two(out_a, lse_a, out_b, lse_b):
    w_a, w_b, _, nobody = safe(lse_a, lse_b)
    peak = torch.maximum(lse_a, lse_b).masked_fill(nobody, 0)
    total = ((lse_a - peak).exp() + (lse_b - peak).exp()).masked_fill(nobody, 1)
    return w_a * out_a + w_b * out_b, (peak + total.log2()).masked_fill(nobody, -torch.inf)


@wrong("gives NaN where neither part saw a key")
def formula_of_the_paper(out_a, lse_a, out_b, lse_b):
    peak = torch.maximum(lse_a, lse_b)
    w_a, w_b = (lse_a - peak).exp(), (lse_b - peak).exp()
    total = w_a + w_b
    return (w_a[..., None] * out_a + w_b[..., None] * out_b) / total[..., None], peak + total.log()


@wrong("gives NaN where neither part saw a key")
def logaddexp_alone(out_a, lse_a, out_b, lse_b):
    lse = torch.logaddexp(lse_a, lse_b)
    return (lse_a - lse).exp()[..., None] * out_a + (lse_b - lse).exp()[..., None] * out_b, lse


@wrong("gives NaN where neither part saw a key")
def softmax_of_both(out_a, lse_a, out_b, lse_b):
    shares = torch.stack([lse_a, lse_b]).softmax(0)[..., None]
    return shares[0] * out_a + shares[1] * out_b, torch.logaddexp(lse_a, lse_b)


@wrong("gives NaN where neither part saw a key")
def sigmoid_of_the_difference(out_a, lse_a, out_b, lse_b):
    w_a, w_b = torch.sigmoid(lse_a - lse_b)[..., None], torch.sigmoid(lse_b - lse_a)[..., None]
    return w_a * out_a + w_b * out_b, torch.logaddexp(lse_a, lse_b)


@wrong("has the right values, but NaN in the gradient where neither part saw a key")
def nan_to_num_at_the_end(out_a, lse_a, out_b, lse_b):
    lse = torch.logaddexp(lse_a, lse_b)
    w_a, w_b = (lse_a - lse).exp().nan_to_num(), (lse_b - lse).exp().nan_to_num()
    return w_a[..., None] * out_a + w_b[..., None] * out_b, lse


@wrong("has the right values, but NaN in the gradient where neither part saw a key")
def where_at_the_end(out_a, lse_a, out_b, lse_b):
    peak = torch.maximum(lse_a, lse_b)
    w_a, w_b = (lse_a - peak).exp(), (lse_b - peak).exp()
    total = w_a + w_b
    out = (w_a[..., None] * out_a + w_b[..., None] * out_b) / total[..., None]
    nobody = torch.isneginf(peak)
    return out.masked_fill(nobody[..., None], 0.0), (peak + total.log()).masked_fill(nobody, -torch.inf)


@wrong("mixes as one out plus a share of the difference, which lets an empty part's numbers through")
def from_a_towards_b(out_a, lse_a, out_b, lse_b):
    _, w_b, lse, nobody = safe(lse_a, lse_b)
    return (out_a + w_b * (out_b - out_a)).masked_fill(nobody[..., None], 0.0), lse


@wrong("mixes as one out plus a share of the difference, which lets an empty part's numbers through")
def from_b_towards_a(out_a, lse_a, out_b, lse_b):
    w_a, _, lse, nobody = safe(lse_a, lse_b)
    return (out_b - w_a * (out_b - out_a)).masked_fill(nobody[..., None], 0.0), lse


@wrong("keeps out_a where neither part saw a key")
def returns_early(out_a, lse_a, out_b, lse_b):
    w_a, w_b, lse, nobody = safe(lse_a, lse_b)
    return torch.where(nobody[..., None], out_a, w_a * out_a + w_b * out_b), lse


@wrong("mixes the two outs half and half where neither part saw a key")
def half_and_half(out_a, lse_a, out_b, lse_b):
    nobody = (lse_a == -torch.inf) & (lse_b == -torch.inf)
    shares = torch.stack([lse_a.masked_fill(nobody, 0.0), lse_b.masked_fill(nobody, 0.0)]).softmax(0)[..., None]
    return shares[0] * out_a + shares[1] * out_b, safe(lse_a, lse_b)[2]


@wrong("replaces a log-sum-exp of −inf by a number such as −1e9")
def clamped(out_a, lse_a, out_b, lse_b):
    w_a, w_b, lse, _ = safe(lse_a.clamp(min=-1e9), lse_b.clamp(min=-1e9))
    return w_a * out_a + w_b * out_b, lse


@wrong("replaces a log-sum-exp of −inf by a number such as −1e9")
def maximum_of_a_low_number(out_a, lse_a, out_b, lse_b):
    low = torch.full_like(lse_a, -1e30)
    lse_a, lse_b = torch.maximum(lse_a, low), torch.maximum(lse_b, low)
    shares = torch.stack([lse_a, lse_b]).softmax(0)[..., None]
    return shares[0] * out_a + shares[1] * out_b, torch.logaddexp(lse_a, lse_b)


@wrong("adds a small number to the sum, or bounds it from below, so that it is never 0")
def a_small_number(out_a, lse_a, out_b, lse_b):
    peak = torch.maximum(lse_a, lse_b)
    peak = peak.masked_fill(peak == -torch.inf, 0)
    w_a, w_b = (lse_a - peak).exp(), (lse_b - peak).exp()
    total = w_a + w_b + 1e-6
    return (w_a / total)[..., None] * out_a + (w_b / total)[..., None] * out_b, peak + total.log()


@wrong("gives the log-sum-exp 0 where neither part saw a key")
def lse_of_zero(out_a, lse_a, out_b, lse_b):
    w_a, w_b, lse, nobody = safe(lse_a, lse_b)
    return w_a * out_a + w_b * out_b, lse.masked_fill(nobody, 0.0)


@wrong("takes one maximum for all queries")
def global_maximum(out_a, lse_a, out_b, lse_b):
    peak = torch.stack([lse_a, lse_b]).max()
    peak = peak if torch.isfinite(peak) else torch.zeros_like(peak)
    w_a, w_b = (lse_a - peak).exp(), (lse_b - peak).exp()
    total = w_a + w_b
    empty = total == 0
    total = total.masked_fill(empty, 1)
    out = (w_a / total)[..., None] * out_a + (w_b / total)[..., None] * out_b
    return out, (peak + total.log()).masked_fill(empty, -torch.inf)


@wrong("detaches the shares: no gradient of out reaches the log-sum-exps")
def shares_without_gradient(out_a, lse_a, out_b, lse_b):
    with torch.no_grad():
        w_a, w_b, _, _ = safe(lse_a, lse_b)
    return w_a * out_a + w_b * out_b, safe(lse_a, lse_b)[2]


@wrong("returns the log-sum-exp first and out second")
def another_order(out_a, lse_a, out_b, lse_b):
    w_a, w_b, lse, _ = safe(lse_a, lse_b)
    return lse, w_a * out_a + w_b * out_b


@wrong("loses precision: its float64 results are only as good as float32")
def in_single_precision(out_a, lse_a, out_b, lse_b):
    w_a, w_b, lse, _ = safe(lse_a.float(), lse_b.float())
    return w_a.to(out_a.dtype) * out_a + w_b.to(out_b.dtype) * out_b, lse.to(lse_a.dtype)


@wrong("changes its input out_a in place")
def into_the_first_part(out_a, lse_a, out_b, lse_b):
    w_a, w_b, lse, _ = safe(lse_a, lse_b)
    out_a.data.mul_(w_a.detach()).add_((w_b * out_b).detach())
    return w_a * 0 + out_a, lse


@wrong("is right on ordinary inputs, but not for: a query of which neither part saw a key, no query …")
def lse_of_minus_1e9_for_nobody(out_a, lse_a, out_b, lse_b):
    w_a, w_b, lse, nobody = safe(lse_a, lse_b)
    return w_a * out_a + w_b * out_b, lse.masked_fill(nobody, -1e9)
