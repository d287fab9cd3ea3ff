"""Right answers to masks.masked_softmax, and the wrong ones that people write first."""

import math

import torch
from answers import right, wrong
from torch.nn.functional import scaled_dot_product_attention

# --- right, in different styles


@right
def fill_softmax_fill(scores, mask):
    return torch.softmax(scores.masked_fill(~mask, -torch.inf), dim=-1).masked_fill(~mask, 0.0)


@right
def where_and_nan_to_num(scores, mask):
    """Right, gradients included: the NaN of an empty row ends at the places that were replaced."""
    return torch.where(mask, scores, -math.inf).softmax(-1).nan_to_num(0.0)


@right
def smallest_number_then_mask(scores, mask):
    filled = torch.where(mask, scores, torch.finfo(scores.dtype).min)
    return torch.softmax(filled, -1) * mask


@right
def by_hand_in_float32_at_least(scores, mask):
    wide = scores.float() if scores.dtype in (torch.float16, torch.bfloat16) else scores
    filled = wide.masked_fill(~mask, -torch.inf)
    peak = filled.amax(-1, keepdim=True)
    exp = (filled - peak.masked_fill(peak == -torch.inf, 0.0)).exp()
    total = exp.sum(-1, keepdim=True)
    return (exp / total.masked_fill(total == 0, 1.0)).to(scores.dtype)


@right
def by_hand_in_the_dtype_itself(scores, mask):
    shown = torch.where(mask, scores, torch.finfo(scores.dtype).min)
    exp = torch.where(mask, (shown - shown.amax(-1, keepdim=True)).exp(), 0.0)
    return exp / exp.sum(-1, keepdim=True).clamp(min=1.0)


@right
def log_sum_exp(scores, mask):
    wide = scores.to(torch.promote_types(scores.dtype, torch.float32))
    filled = torch.where(mask, wide, -torch.inf)
    lse = torch.logsumexp(filled, -1, keepdim=True)
    return torch.where(mask, (filled - lse).exp(), 0.0).to(scores.dtype)


@right
def torchs_fused_attention(scores, mask):
    """Queries are the scores, keys and values the identity: what comes out are the weights."""
    shape, m = scores.shape, scores.shape[-1]
    eye, rows = torch.eye(m, dtype=scores.dtype), scores.reshape(-1, 1, m)
    allowed = mask.expand(shape).reshape(-1, 1, m)
    eyes = eye.expand(len(rows), m, m)
    return scaled_dot_product_attention(rows, eyes, eyes, attn_mask=allowed, scale=1.0).reshape(shape)


@right
def row_by_row(scores, mask):
    """Only what is visible ever meets a softmax."""
    flat, shown = scores.reshape(-1, scores.shape[-1]), mask.expand(scores.shape).reshape(-1, scores.shape[-1])
    rows = []
    for row, seen in zip(flat, shown, strict=True):
        places = seen.nonzero()[:, 0]
        rows.append(torch.zeros_like(row).index_put((places,), row[places].softmax(0)))
    return torch.stack(rows).reshape(scores.shape)


@right
def sums_over_the_visible_places(scores, mask):
    m = scores.shape[-1]
    row, column = mask.expand(scores.shape).reshape(-1, m).nonzero(as_tuple=True)
    seen = scores.reshape(-1, m)[row, column].to(torch.promote_types(scores.dtype, torch.float32))
    rows = scores.numel() // m
    peak = seen.new_full((rows,), -torch.inf).scatter_reduce(0, row, seen.detach(), "amax")
    exp = (seen - peak[row]).exp()
    weights = exp / exp.new_zeros(rows).index_add(0, row, exp)[row]
    return weights.new_zeros(rows, m).index_put((row, column), weights).reshape(scores.shape).to(scores.dtype)


@right
def added_infinity_where_a_row_keeps_something(scores, mask):
    """An added −inf is harmless as long as no row is all of it."""
    kept = mask.expand(scores.shape).any(-1, keepdim=True)
    bias = torch.zeros(scores.shape, dtype=scores.dtype).masked_fill(kept & ~mask, -torch.inf)
    return torch.where(mask, torch.softmax(scores + bias, -1), 0.0)


@right
def in_place_on_a_copy(scores, mask):
    copy = scores.clone()
    copy[~mask.expand_as(copy)] = -torch.inf
    weights = copy.softmax(-1)
    empty = ~mask.expand_as(copy).any(-1)
    return weights.masked_fill(empty.unsqueeze(-1), 0)


class _MaskedSoftmax(torch.autograd.Function):
    @staticmethod
    def forward(ctx, scores, mask):
        weights = torch.softmax(scores.masked_fill(~mask, -torch.inf), -1).nan_to_num(0.0)
        ctx.save_for_backward(weights)
        return weights

    @staticmethod
    def backward(ctx, gradient):
        (weights,) = ctx.saved_tensors
        return weights * (gradient - (gradient * weights).sum(-1, keepdim=True)), None


@right
def own_backward_pass(scores, mask):
    return _MaskedSoftmax.apply(scores, mask)


@right
def an_extra_key_that_wins_empty_rows(scores, mask):
    """One more column, which is open only in rows that see nothing."""
    shown = mask.expand(scores.shape)
    empty = ~shown.any(-1, keepdim=True)
    filled = torch.cat([scores.masked_fill(~shown, -torch.inf), torch.where(empty, 0.0, -torch.inf).to(scores)], -1)
    return filled.softmax(-1)[..., :-1]


# --- wrong, the way learners write it

UNIFORM = (
    "leaves uniform weights in rows that may attend to nothing, as filling with the smallest number of the dtype does"
)


@wrong("reads the mask the wrong way round: True hides instead of shows")
def masked_fill_polarity(scores, mask):
    return scores.masked_fill(mask, -torch.inf).softmax(-1).masked_fill(mask, 0.0)


@wrong("reads the mask the wrong way round, and gives NaN where it then sees nothing")
def masked_fill_polarity_and_nan(scores, mask):
    return torch.softmax(scores.masked_fill(mask, float("-inf")), dim=-1)


@wrong("ignores the mask")
def forgotten(scores, mask):
    return scores.softmax(-1)


@wrong("gives NaN for a query that may attend to nothing")
def textbook(scores, mask):
    return torch.softmax(scores.masked_fill(~mask, float("-inf")), dim=-1)


@wrong("adds −inf, which gives NaN for a query that may attend to nothing")
def additive_infinity(scores, mask):
    bias = torch.zeros_like(scores).masked_fill(~mask, -torch.inf)
    return torch.softmax(scores + bias, -1)


NAN_GRADIENTS = "adds −inf: the zeros of an empty row are right, but their gradients are NaN"


@wrong(NAN_GRADIENTS)
def additive_infinity_and_nan_to_num(scores, mask):
    bias = torch.zeros_like(scores).masked_fill(~mask, -torch.inf)
    return torch.nan_to_num(torch.softmax(scores + bias, -1))


@wrong(NAN_GRADIENTS)
def additive_infinity_and_where(scores, mask):
    bias = torch.where(mask, 0.0, -torch.inf).to(scores.dtype)
    weights = torch.softmax(scores + bias, -1)
    return torch.where(mask.any(-1, keepdim=True), weights, torch.zeros_like(weights))


@wrong(NAN_GRADIENTS)
def log_of_the_mask(scores, mask):
    return torch.softmax(scores + mask.to(scores.dtype).log(), -1).masked_fill(~mask, 0)


@wrong("uses −1e9, which float16 does not hold, and stops with an error there")
def textbook_1e9(scores, mask):
    return scores.masked_fill(mask == 0, -1e9).softmax(-1)


@wrong("uses −1e9, which float16 does not hold, and stops with an error there; zeros for empty rows do not mend that")
def textbook_1e9_and_zeros(scores, mask):
    return scores.masked_fill(~mask, -1e9).softmax(-1) * mask


@wrong("fills hidden scores with a number such as −1e9, which leaves weights in rows that may attend to nothing")
def where_1e9(scores, mask):
    return torch.where(mask, scores, torch.tensor(-1e9).to(scores.dtype)).softmax(-1)


@wrong("adds a number such as −1e9 to hidden scores, which leaves weights in rows that may attend to nothing")
def additive_1e9(scores, mask):
    return torch.softmax(scores + torch.where(mask, 0.0, -1e9).to(scores.dtype), -1)


@wrong("fills hidden scores with a number such as −1e4, which leaves weights in rows that may attend to nothing")
def fill_1e4_for_float16(scores, mask):
    return scores.masked_fill(~mask, -1e4).softmax(-1)


@wrong("adds a number such as −1e4 to hidden scores, which leaves weights in rows that may attend to nothing")
def bert_style(scores, mask):
    return torch.softmax(scores + (1 - mask.to(scores.dtype)) * -1e4, -1)


@wrong(
    "fills hidden scores with a number such as −1e4 and then masks the weights, which fails where all visible scores are lower"
)
def fill_1e4_and_zeros(scores, mask):
    return scores.masked_fill(~mask, -1e4).softmax(-1).masked_fill(~mask, 0.0)


@wrong(
    "adds a number such as −1e4 to hidden scores and then masks the weights, which fails where a hidden score is larger than that"
)
def bert_style_and_zeros(scores, mask):
    return torch.softmax(scores + (~mask).to(scores.dtype) * -10000.0, -1) * mask


@wrong("fills hidden scores with a number that is not negative enough")
def minus_hundred(scores, mask):
    return scores.masked_fill(~mask, -100).softmax(-1)


@wrong("fills with a number that is not negative enough, and then masks the weights")
def minus_thousand_and_zeros(scores, mask):
    return torch.where(mask, scores.masked_fill(~mask, -1000).softmax(-1), 0)


@wrong(UNIFORM)
def smallest_number(scores, mask):
    return scores.masked_fill(~mask, torch.finfo(scores.dtype).min).softmax(-1)


@wrong(
    "adds the smallest number of the dtype to hidden scores, which leaves weights or NaN in rows that may attend to nothing"
)
def hugging_face_style(scores, mask):
    return torch.softmax(scores + (1.0 - mask.to(scores.dtype)) * torch.finfo(scores.dtype).min, -1)


@wrong(
    "adds the smallest number of the dtype to hidden scores and zeroes the rest: where the sum overflows, gradients are NaN"
)
def hugging_face_style_and_zeros(scores, mask):
    weights = torch.softmax(scores + (~mask).to(scores.dtype) * torch.finfo(scores.dtype).min, -1)
    return torch.where(mask, weights, 0.0)


@wrong(UNIFORM)
def mean_where_nothing_is_seen(scores, mask):
    weights = scores.masked_fill(~mask, -torch.inf).softmax(-1)
    return torch.where(weights.isnan(), 1.0 / scores.shape[-1], weights)


@wrong("gives a query that may attend to nothing the weights of no mask")
def opens_empty_rows(scores, mask):
    return scores.masked_fill(~(mask | ~mask.any(-1, keepdim=True)), -torch.inf).softmax(-1)


@wrong("gives a query that may attend to nothing the whole weight at the first key")
def first_key_is_always_open(scores, mask):
    opened = mask.expand(scores.shape).clone()
    opened[..., 0] |= ~opened.any(-1)
    return scores.masked_fill(~opened, -torch.inf).softmax(-1)


@wrong("multiplies the scores by the mask: hidden scores become 0, not −inf")
def scores_times_mask(scores, mask):
    return (scores * mask).softmax(-1)


@wrong("multiplies the scores by the mask and then masks the weights")
def scores_times_mask_twice(scores, mask):
    return (scores * mask).softmax(-1) * mask


@wrong("masks after the softmax and does not renormalise")
def weights_times_mask(scores, mask):
    return scores.softmax(-1).masked_fill(~mask, 0)
