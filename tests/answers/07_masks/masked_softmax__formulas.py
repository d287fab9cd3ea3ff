"""More answers to masks.masked_softmax: softmax written out, axes counted from the front, numbers and masks of other dtypes."""

import torch
from answers import right, wrong

NAIVE = "exponentiates without subtracting the maximum"
FRONT = "counts the axis of the softmax from the front"
CONSTANT = "adds a constant to the denominator"
PROMOTED = "adds a number times the mask, which is float32 for scores of float16"


def shifted(scores, mask):
    """Hidden scores are −inf, and the largest visible one of each row is 0."""
    filled = scores.masked_fill(~mask, -torch.inf)
    top = filled.amax(-1, keepdim=True).detach()
    return filled - top.masked_fill(top == -torch.inf, 0.0)


@right
def own_backward(scores, mask):
    class Softmax(torch.autograd.Function):
        @staticmethod
        def forward(ctx, scores):
            weights = torch.softmax(scores.masked_fill(~mask, -torch.inf), -1).masked_fill(~mask, 0.0)
            ctx.save_for_backward(weights)
            return weights

        @staticmethod
        def backward(ctx, gradient):
            (weights,) = ctx.saved_tensors
            return weights * (gradient - (gradient * weights).sum(-1, keepdim=True))

    return Softmax.apply(scores)


@right
def division_chosen_afterwards(scores, mask):
    exp = shifted(scores, mask).exp()
    total = exp.sum(-1, keepdim=True)
    return torch.where(total > 0, exp / total, 0.0)


@right
def maximum_in_the_graph(scores, mask):
    filled = scores.masked_fill(~mask, -torch.inf)
    exp = (filled - filled.amax(-1, keepdim=True)).exp()
    return (exp / exp.sum(-1, keepdim=True)).nan_to_num()


@right
def pair_by_pair(scores, mask):
    mask = mask.expand_as(scores)
    wide = scores.double()
    gaps = wide.unsqueeze(-2) - wide.unsqueeze(-1)
    gaps = torch.where(mask.unsqueeze(-2) & mask.unsqueeze(-1), gaps, 0.0).clamp(max=700)
    weights = 1 / (gaps.exp() * mask.unsqueeze(-2)).sum(-1).clamp(min=1)
    return torch.where(mask, weights, 0.0).to(scores.dtype)


@wrong("subtracts the log-sum-exp in the dtype of the scores, whose last digit is coarse for large ones")
def log_sum_exp(scores, mask):
    filled = scores.masked_fill(~mask, -torch.inf)
    total = filled.logsumexp(-1, keepdim=True)
    return (filled - total.masked_fill(total == -torch.inf, 0.0)).exp()


@wrong("multiplies exponentials by the mask: an infinite one gives ∞ · 0")
def multiplied_by_the_mask(scores, mask):
    top = scores.masked_fill(~mask, -torch.inf).amax(-1, keepdim=True).detach().nan_to_num(neginf=0.0)
    exp = (scores - top).exp() * mask
    total = exp.sum(-1, keepdim=True)
    return exp / torch.where(total == 0, 1.0, total)


@wrong(NAIVE)
def textbook(scores, mask):
    exp = scores.masked_fill(~mask, -torch.inf).exp()
    return (exp / exp.sum(-1, keepdim=True)).masked_fill(~mask, 0.0)


@wrong(NAIVE)
def textbook_with_where(scores, mask):
    exp = torch.where(mask, scores.exp(), 0.0)
    total = exp.sum(-1, keepdim=True)
    return exp / total.masked_fill(total == 0, 1.0)


@wrong("exponentiates without subtracting the maximum, and hides the NaN that follows")
def textbook_repaired(scores, mask):
    exp = scores.exp() * mask
    return (exp / exp.sum(-1, keepdim=True)).nan_to_num()


@wrong(CONSTANT)
def epsilon(scores, mask):
    exp = shifted(scores, mask).exp()
    return exp / (exp.sum(-1, keepdim=True) + 1e-9)


@wrong(CONSTANT)
def larger_epsilon(scores, mask):
    exp = shifted(scores, mask).exp()
    return exp / (exp.sum(-1, keepdim=True) + 1e-6)


@wrong(FRONT)
def dim_one(scores, mask):
    return torch.softmax(scores.masked_fill(~mask, -torch.inf), dim=1).masked_fill(~mask, 0.0)


@wrong(FRONT)
def dim_two(scores, mask):
    return torch.softmax(scores.masked_fill(~mask, -torch.inf), dim=2).masked_fill(~mask, 0.0)


@wrong("transposes the mask")
def mask_turned(scores, mask):
    mask = mask.transpose(-1, -2) if mask.dim() > 1 else mask
    return torch.softmax(scores.masked_fill(~mask, -torch.inf), -1).masked_fill(~mask, 0.0)


@wrong("hides the future too")
def causal_as_well(scores, mask):
    if scores.dim() > 1:
        n, m = scores.shape[-2:]
        mask = mask & torch.ones(n, m, dtype=torch.bool).tril(m - n)
    return torch.softmax(scores.masked_fill(~mask, -torch.inf), -1).masked_fill(~mask, 0.0)


@wrong("applies softmax twice")
def softmax_of_weights(scores, mask):
    weights = torch.softmax(scores.masked_fill(~mask, -torch.inf), -1)
    return torch.softmax(weights.masked_fill(~mask, -torch.inf), -1).masked_fill(~mask, 0.0)


@wrong("adds the mask to the scores: 1 for what is visible, 0 for what is hidden")
def mask_is_added(scores, mask):
    return (scores + mask.to(scores.dtype)).softmax(-1)


@wrong("fills hidden places with the row's smallest score")
def smallest_of_the_row(scores, mask):
    filled = torch.where(mask, scores, scores.min(-1, keepdim=True).values)
    return filled.softmax(-1).masked_fill(~mask, 0.0)


@wrong("multiplies −∞ by 0 where the mask shows a key, which gives NaN")
def infinity_times_the_mask(scores, mask):
    return (scores + ~mask * -torch.inf).softmax(-1)


@wrong("multiplies −∞ by 0 where the mask shows a key, and hides the NaN that follows")
def infinity_times_the_mask_repaired(scores, mask):
    return (scores + ~mask * float("-inf")).softmax(-1).nan_to_num()


@wrong(PROMOTED + ", and leaves weights in rows that may attend to nothing")
def billion_times_the_mask(scores, mask):
    return (scores + (~mask) * -1e9).softmax(-1)


@wrong(PROMOTED)
def billion_times_the_mask_and_zeros(scores, mask):
    return (scores + (~mask) * -1e9).softmax(-1) * mask


@wrong("adds a number times the mask, which is float32, where the smallest number of float64 is −∞ and 0 · (−∞) is NaN")
def smallest_times_the_mask(scores, mask):
    return (scores + (~mask) * torch.finfo(scores.dtype).min).softmax(-1) * mask


@wrong("uses the smallest number of float32, which float16 does not hold, and stops with an error there")
def smallest_of_float32(scores, mask):
    return scores.masked_fill(~mask, torch.finfo(torch.float32).min).softmax(-1).masked_fill(~mask, 0.0)


@wrong("squeezes away every axis of size 1")
def squeezed(scores, mask):
    return torch.softmax(scores.masked_fill(~mask, -torch.inf), -1).masked_fill(~mask, 0.0).squeeze()


@wrong(None, why="gives less than all to one key whose score is below 0, as softmax with a 1 in the denominator does")
def may_attend_to_nothing(scores, mask):
    filled = scores.masked_fill(~mask, -torch.inf)
    top = filled.amax(-1, keepdim=True).clamp(min=0).detach()
    exp = (filled - top).exp()
    return exp / (exp.sum(-1, keepdim=True) + (-top).exp())
