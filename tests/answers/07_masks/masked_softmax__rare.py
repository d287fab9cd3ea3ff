"""Wrong answers to masks.masked_softmax that look right: renormalising, precision, gradients, shapes of masks, state."""

import torch
from answers import wrong

RENORMALISES = "masks after the exponentials and renormalises, which fails where all visible ones have underflowed"


def right_answer(scores, mask):
    """A right answer to build mistakes on."""
    return scores.masked_fill(~mask, -torch.inf).softmax(-1).masked_fill(~mask, 0.0)


@wrong("masks after the softmax and renormalises, which divides 0 by 0 in rows that may attend to nothing")
def renormalises(scores, mask):
    w = scores.softmax(-1) * mask
    return w / w.sum(-1, keepdim=True)


@wrong(RENORMALISES)
def renormalises_with_epsilon(scores, mask):
    w = scores.softmax(-1) * mask
    return w / (w.sum(-1, keepdim=True) + 1e-9)


@wrong(RENORMALISES)
def renormalises_and_guards(scores, mask):
    w = scores.softmax(-1).masked_fill(~mask, 0.0)
    total = w.sum(-1, keepdim=True)
    return w / total.masked_fill(total == 0, 1.0)


@wrong(RENORMALISES)
def maximum_over_hidden_scores(scores, mask):
    e = torch.exp(scores - scores.max(-1, keepdim=True).values).masked_fill(~mask, 0.0)
    total = e.sum(-1, keepdim=True)
    return e / torch.where(total > 0, total, torch.ones_like(total))


@wrong("exponentiates without subtracting the maximum")
def naive(scores, mask):
    e = scores.masked_fill(~mask, -torch.inf).exp()
    total = e.sum(-1, keepdim=True)
    return e / total.masked_fill(total == 0, 1.0)


@wrong("exponentiates without subtracting the maximum, and hides the NaN that follows")
def naive_and_nan_to_num(scores, mask):
    e = scores.masked_fill(~mask, -torch.inf).exp()
    return torch.nan_to_num(e / e.sum(-1, keepdim=True))


@wrong("multiplies exponentials by the mask: an infinite one gives ∞ · 0")
def naive_times_mask(scores, mask):
    e = torch.exp(scores) * mask
    total = e.sum(-1, keepdim=True)
    return e / total.masked_fill(total == 0, 1.0)


@wrong("subtracts one maximum of all rows, so that low rows underflow")
def one_maximum(scores, mask):
    s = scores.masked_fill(~mask, -torch.inf)
    top = s.max()
    e = (s - torch.where(top.isinf(), 0.0, top)).exp()
    total = e.sum(-1, keepdim=True)
    return e / total.masked_fill(total == 0, 1.0)


@wrong("adds a constant to the denominator")
def epsilon_in_the_denominator(scores, mask):
    s = scores.masked_fill(~mask, -torch.inf)
    top = s.amax(-1, keepdim=True)
    e = (s - top.masked_fill(top == -torch.inf, 0)).exp()
    return e / (e.sum(-1, keepdim=True) + 1e-6)


@wrong("normalises over the queries instead of the keys")
def over_the_queries(scores, mask):
    s = scores.masked_fill(~mask, -torch.inf)
    return s.softmax(max(-2, -s.ndim)).nan_to_num()


@wrong("normalises over all rows at once")
def over_everything(scores, mask):
    s = scores.masked_fill(~mask, -torch.inf).flatten()
    return s.softmax(0).nan_to_num().view(scores.shape)


@wrong("divides by √m or another scale, which is not asked for here")
def scaled_by_the_keys(scores, mask):
    return right_answer(scores / scores.shape[-1] ** 0.5, mask)


@wrong("returns the masked scores without a softmax")
def only_the_mask(scores, mask):
    return scores.masked_fill(~mask, -torch.inf)


@wrong("returns exponentials without dividing by their sum")
def not_normalised(scores, mask):
    s = scores.masked_fill(~mask, -torch.inf)
    top = s.amax(-1, keepdim=True)
    return (s - top.masked_fill(top == -torch.inf, 0)).exp()


@wrong("returns logarithms of the weights")
def logarithms(scores, mask):
    return torch.log_softmax(scores.masked_fill(~mask, -torch.inf), -1)


@wrong("gives all the weight to the largest visible score")
def hard(scores, mask):
    s = scores.masked_fill(~mask, -torch.inf)
    return torch.nn.functional.one_hot(s.argmax(-1), s.shape[-1]).to(s.dtype) * mask


@wrong("spreads the weight evenly over what may be attended to")
def even(scores, mask):
    counts = mask.expand(scores.shape).to(scores.dtype)
    return counts / counts.sum(-1, keepdim=True).clamp(min=1) + 0 * scores.clamp(-1, 1)


# --- precision


@wrong("does not keep the dtype of its inputs")
def returns_float32(scores, mask):
    return right_answer(scores.float() if scores.dtype.itemsize == 2 else scores, mask)


@wrong("does not keep the dtype of its inputs")
def always_float64(scores, mask):
    return right_answer(scores.double(), mask)


@wrong("does not keep the dtype of its inputs")
def softmax_with_a_dtype(scores, mask):
    s = scores.masked_fill(~mask, -torch.inf)
    return torch.softmax(s, -1, dtype=torch.promote_types(s.dtype, torch.float32)).nan_to_num()


@wrong("loses precision: its float64 results are only as good as float32")
def through_float32(scores, mask):
    return right_answer(scores.float(), mask).to(scores.dtype)


@wrong("is right on ordinary inputs, but not for: …")
def minus_1e9_in_float64_only(scores, mask):
    if scores.dtype == torch.float64:
        return scores.masked_fill(~mask, -1e9).softmax(-1)
    return right_answer(scores, mask)


@wrong("is right on ordinary inputs, but not for: a single key to attend to, with a score far below 0")
def fill_of_float16_in_bfloat16(scores, mask):
    fill = -65504.0 if scores.dtype == torch.bfloat16 else -torch.inf
    return scores.masked_fill(~mask, fill).softmax(-1).masked_fill(~mask, 0)


@wrong(
    "fills hidden scores with a number such as −1e9 and then masks the weights, which fails where all visible scores are lower"
)
def smallest_number_of_float16_everywhere(scores, mask):
    return scores.masked_fill(~mask, torch.finfo(torch.float16).min).softmax(-1) * mask


@wrong(None, why="computes in float16, whose range ends at 65504")
def through_float16(scores, mask):
    return right_answer(scores.half(), mask).to(scores.dtype)


@wrong("clips the scores, so that large ones become equal")
def clipped(scores, mask):
    return right_answer(scores.clamp(-50, 50), mask)


@wrong("loses precision: its float64 results are only as good as float32")
def small_weights_dropped(scores, mask):
    w = right_answer(scores, mask)
    return torch.where(w < 1e-6, 0.0, w)


# --- gradients


@wrong("cuts the gradient to scores")
def detached(scores, mask):
    return right_answer(scores.detach(), mask)


@wrong("has the right values but wrong gradients")
def doubled(scores, mask):
    twice = scores.clone()
    if twice.requires_grad:
        twice.register_hook(lambda gradient: 2 * gradient)
    return right_answer(twice, mask)


@wrong("has the right values but wrong gradients")
def sum_is_detached(scores, mask):
    s = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    e = torch.where(mask, (s - s.amax(-1, keepdim=True)).exp(), 0.0)
    return e / e.sum(-1, keepdim=True).clamp(min=1).detach()


@wrong("has the right values but wrong gradients")
def guards_the_quotient_only(scores, mask):
    """0 / 0 behind torch.where is 0, its gradient is NaN."""
    s = scores.masked_fill(~mask, -torch.inf)
    top = s.amax(-1, keepdim=True)
    e = (s - top.masked_fill(top == -torch.inf, 0.0)).exp()
    e = e + 0 * scores.clamp(-1, 1)
    total = e.sum(-1, keepdim=True)
    return torch.where(total > 0, e / total, 0.0)


@wrong("exponentiates hidden scores and replaces them afterwards: where one is infinite, the gradients are ∞ · 0")
def infinities_behind_where(scores, mask):
    """exp of an enormous hidden score is ∞; torch.where hides it forward, and ∞ · 0 = NaN comes back."""
    top = scores.masked_fill(~mask, torch.finfo(scores.dtype).min).amax(-1, keepdim=True).detach()
    e = torch.where(mask, (scores - top).exp(), 0.0)
    return e / e.sum(-1, keepdim=True).clamp(min=1)


# --- shapes of masks


@wrong("is right on ordinary inputs, but not for: a mask with a batch axis of size 1")
def takes_the_first_mask_of_the_batch(scores, mask):
    if mask.ndim == scores.ndim and mask.shape[:-2] != scores.shape[:-2]:
        return right_answer(scores[..., :1, :] * 0 + scores, mask.flatten(0, -3)[0] & mask.flatten(0, -3)[-1].flip(-1))
    return right_answer(scores, mask)


@wrong("indexes the scores with the mask, which does not broadcast as it should")
def boolean_indexing_needs_the_full_shape(scores, mask):
    s = scores.clone()
    s[~mask] = -torch.inf
    return s.softmax(-1).nan_to_num()


@wrong("is right on ordinary inputs, but not for: a mask without a query axis, a single row of scores")
def mask_needs_two_axes(scores, mask):
    empty = ~mask.any(-1)
    return torch.where(empty[..., :, None] & (mask.shape[-2] > 0), 0.0, right_answer(scores, mask))


@wrong("is right on ordinary inputs, but not for: a mask with one column for all keys")
def counts_the_columns_of_the_mask(scores, mask):
    w = scores.masked_fill(~mask, -torch.inf).softmax(-1)
    return w.masked_fill(
        mask.sum(-1, keepdim=True) * 2 <= 1 - (mask.shape[-1] > 1), 1.0 / 3 if mask.shape[-1] == 1 else 0
    )


@wrong("is right on ordinary inputs, but not for: a single row of scores")
def queries_are_expected(scores, mask):
    return right_answer(scores, mask) if scores.ndim > 1 else torch.ones_like(scores) / len(scores) + 0 * scores


# --- manners


@wrong("changes its input scores in place")
def fills_in_place(scores, mask):
    return scores.masked_fill_(~mask, -torch.inf).softmax(-1).nan_to_num()


@wrong("changes its input mask in place")
def inverts_in_place(scores, mask):
    hidden = mask.logical_not_()
    return scores.masked_fill(hidden, -torch.inf).softmax(-1).masked_fill(hidden, 0)


@wrong("touches the global random generator")
def noise_against_ties(scores, mask):
    return right_answer(scores + 1e-12 * torch.rand(1).to(scores.dtype) * 0, mask)


@wrong("gives another result the second time it is called")
def remembers_the_mask_of_a_shape(scores, mask, last={}):  # noqa: B006 - a mutable default is the mistake
    key = (*scores.shape, *mask.shape)
    mask, last[key] = last.get(key, mask), mask
    return right_answer(scores, mask)


@wrong("returns nothing")
def printed(scores, mask):
    print(right_answer(scores, mask))


@wrong("returns a list or tuple instead of a float64 tensor")
def weights_and_mask(scores, mask):
    return right_answer(scores, mask), mask
