"""Answers to flash.merge that differ in what they do about −inf, and in what they take for nothing."""

import torch
from answers import right, wrong


def finished(out_a, lse_a, out_b, lse_b, peak, exp=torch.exp, log=torch.log):
    """Right, if the peak is."""
    w_a, w_b = exp(lse_a - peak), exp(lse_b - peak)
    total = w_a + w_b
    empty = total == 0
    total = total.masked_fill(empty, 1.0)
    out = (w_a / total)[..., None] * out_a + (w_b / total)[..., None] * out_b
    return out, (peak + log(total)).masked_fill(empty, -torch.inf)


@right
def lowest_number_as_peak(out_a, lse_a, out_b, lse_b):
    """No finite log-sum-exp is lower."""
    peak = torch.maximum(lse_a, lse_b).clamp(min=torch.finfo(lse_a.dtype).min)
    return finished(out_a, lse_a, out_b, lse_b, peak)


@right
def one_share_and_the_rest(out_a, lse_a, out_b, lse_b):
    nobody = (lse_a == -torch.inf) & (lse_b == -torch.inf)
    a, b = lse_a.masked_fill(nobody, 0), lse_b.masked_fill(nobody, 0)
    share = torch.sigmoid(a - b)[..., None]
    out = (share * out_a + (1 - share) * out_b).masked_fill(nobody[..., None], 0)
    return out, torch.logaddexp(a, b).masked_fill(nobody, -torch.inf)


@right
def an_added_minus_infinity(out_a, lse_a, out_b, lse_b):
    """Added to what needs no gradient there."""
    peak = torch.maximum(lse_a, lse_b)
    nobody = peak == -torch.inf
    peak = peak.masked_fill(nobody, 0)
    w_a, w_b = (lse_a - peak).exp(), (lse_b - peak).exp()
    total = (w_a + w_b).masked_fill(nobody, 1)
    out = (w_a / total)[..., None] * out_a + (w_b / total)[..., None] * out_b
    return out, peak + total.log() + torch.where(nobody, -torch.inf, 0.0).to(total.dtype)


LOW = "lets a number such as −1e9 stand for −inf, which fails where all log-sum-exps are lower"


@wrong(LOW)
def peak_of_minus_1e30_at_least(out_a, lse_a, out_b, lse_b):
    return finished(out_a, lse_a, out_b, lse_b, torch.maximum(lse_a, lse_b).clamp(min=-1e30))


@wrong(LOW)
def empty_parts_at_minus_1e30(out_a, lse_a, out_b, lse_b):
    nobody = (lse_a == -torch.inf) & (lse_b == -torch.inf)
    a, b = (x.masked_fill(x == -torch.inf, -1e30) for x in (lse_a, lse_b))
    lse = torch.logaddexp(a, b)
    out = (a - lse).exp()[..., None] * out_a + (b - lse).exp()[..., None] * out_b
    return out.masked_fill(nobody[..., None], 0), lse.masked_fill(nobody, -torch.inf)


@wrong(LOW)
def empty_parts_at_minus_1e9(out_a, lse_a, out_b, lse_b):
    nobody = (lse_a == -torch.inf) & (lse_b == -torch.inf)
    a, b = (x.masked_fill(x == -torch.inf, -1e9) for x in (lse_a, lse_b))
    out, lse = finished(out_a, a, out_b, b, torch.maximum(a, b))
    return out.masked_fill(nobody[..., None], 0), lse.masked_fill(nobody, -torch.inf)


@wrong("gives NaN where neither part saw a key")
def guarded_only_if_nobody_saw_anything(out_a, lse_a, out_b, lse_b):
    if (torch.maximum(lse_a, lse_b) == -torch.inf).all():
        return 0 * (out_a + out_b), lse_a + lse_b
    lse = torch.logaddexp(lse_a, lse_b)
    return (lse_a - lse).exp()[..., None] * out_a + (lse_b - lse).exp()[..., None] * out_b, lse


def peak_of(lse_a, lse_b):
    """The right one."""
    peak = torch.maximum(lse_a, lse_b)
    return peak.masked_fill(peak == -torch.inf, 0.0)


@wrong("loses precision: its float64 results are only as good as float32")
def small_shares_left_out_of_the_lse(out_a, lse_a, out_b, lse_b):
    out, lse = finished(out_a, lse_a, out_b, lse_b, peak_of(lse_a, lse_b))
    return out, torch.where((lse_a - lse_b).abs() > 15, torch.maximum(lse_a, lse_b), lse)


@wrong("exponentiates without subtracting the larger one first")
def naive_lse(out_a, lse_a, out_b, lse_b):
    out, _ = finished(out_a, lse_a, out_b, lse_b, peak_of(lse_a, lse_b))
    return out, (lse_a.exp() + lse_b.exp()).log()


@wrong("takes powers of two where lse is a natural logarithm")
def powers_of_two(out_a, lse_a, out_b, lse_b):
    return finished(out_a, lse_a, out_b, lse_b, peak_of(lse_a, lse_b), torch.exp2)


@wrong("takes powers of two where lse is a natural logarithm")
def logarithms_in_base_two_as_well(out_a, lse_a, out_b, lse_b):
    return finished(out_a, lse_a, out_b, lse_b, peak_of(lse_a, lse_b), torch.exp2, torch.log2)
