"""Right and wrong answers to bottleneck.attend."""

import math

import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it
from answers import right, wrong

# --- right, in different styles


@right
def masked_fill_and_bmm(h, query, lengths):
    scores = torch.bmm(h, query.unsqueeze(-1)).squeeze(-1)
    padding = torch.arange(h.size(1)).unsqueeze(0) >= lengths.unsqueeze(1)
    weights = F.softmax(scores.masked_fill(padding, float("-inf")), dim=1)
    return torch.bmm(weights.unsqueeze(1), h).squeeze(1), weights


@right
def einsum(h, query, lengths):
    scores = torch.einsum("bth,bh->bt", h, query)
    real = torch.arange(h.shape[1])[None] < lengths[:, None]
    weights = torch.softmax(torch.where(real, scores, -torch.inf), -1)
    return torch.einsum("bt,bth->bh", weights, h), weights


@right
def loop_over_the_batch(h, query, lengths):
    contexts, rows = [], []
    for states, q, n in zip(h, query, lengths.tolist(), strict=True):
        shares = torch.softmax(states[:n] @ q, 0)
        contexts.append(shares @ states[:n])
        rows.append(F.pad(shares, (0, h.shape[1] - n)))
    return torch.stack(contexts), torch.stack(rows)


@right
def softmax_by_hand(h, query, lengths):
    real = (torch.arange(h.shape[1]) < lengths[:, None]).to(h.dtype)
    scores = (h * query[:, None]).sum(-1)
    peak = torch.where(real > 0, scores, -math.inf).max(1, keepdim=True).values
    exp = torch.exp(torch.where(real > 0, scores - peak, torch.zeros_like(scores))) * real
    weights = exp / exp.sum(1, keepdim=True)
    return (weights[..., None] * h).sum(1), weights


@right
def log_sum_exp(h, query, lengths):
    scores = (h @ query[..., None])[..., 0]
    scores = scores.masked_fill(~(torch.arange(h.shape[1]) < lengths[:, None]), -torch.inf)
    weights = torch.exp(scores - torch.logsumexp(scores, -1, keepdim=True))
    return (weights[:, None] @ h)[:, 0], weights


@right
def torchs_fused_attention(h, query, lengths):
    """The library's attention without its scale, and once more over unit values for the weights.

    It turns a mask into numbers that are added, so the padding is cleared first.
    """
    h = h.masked_fill(padding_of(h, lengths)[..., None], 0.0)
    mask = (torch.arange(h.shape[1]) < lengths[:, None])[:, None]
    unit = torch.eye(h.shape[1], dtype=h.dtype).expand(h.shape[0], -1, -1)
    context, weights = (
        F.scaled_dot_product_attention(query[:, None], h, v, attn_mask=mask, scale=1.0)[:, 0] for v in (h, unit)
    )
    return context, weights


@right
def nan_to_num_after_masked_fill(h, query, lengths):
    scores = (h * query.unsqueeze(1)).sum(2)
    scores = scores.masked_fill(torch.arange(h.shape[1]) >= lengths.unsqueeze(1), -math.inf)
    weights = torch.nan_to_num(torch.softmax(scores, dim=1))
    return (weights.unsqueeze(2) * h).sum(dim=1), weights


@right
def padding_cut_off_first(h, query, lengths):
    """Only as many steps as the longest sequence has; the rest is padded again at the end."""
    longest = int(lengths.max())
    h_real = h[:, :longest]
    scores = torch.matmul(h_real, query[:, :, None]).squeeze(2)
    scores = torch.where(torch.arange(longest) < lengths[:, None], scores, scores.new_tensor(-torch.inf))
    weights = scores.softmax(1)
    return torch.einsum("bt,bth->bh", weights, h_real), F.pad(weights, (0, h.shape[1] - longest))


# --- wrong, the way learners write it


def scores_of(h, query):
    return (h * query[:, None, :]).sum(-1)


def padding_of(h, lengths):
    return torch.arange(h.shape[1]) >= lengths[:, None]


def read(weights, h):
    return torch.einsum("bt,bth->bh", weights, h), weights


@wrong("attends to the padding too: it ignores the lengths")
def forgets_the_lengths(h, query, lengths):
    return read(torch.softmax(scores_of(h, query), 1), h)


@wrong("scales the scores by 1/√d_h, which this task does not ask for")
def from_the_transformer_paper(h, query, lengths):
    scores = scores_of(h, query) / math.sqrt(h.shape[2])
    return read(torch.softmax(scores.masked_fill(padding_of(h, lengths), -torch.inf), 1), h)


@wrong("masks after the softmax and does not renormalise")
def mask_times_weights(h, query, lengths):
    return read(torch.softmax(scores_of(h, query), 1).masked_fill(padding_of(h, lengths), 0.0), h)


@wrong("masks after the softmax and renormalises, which fails where all real weights have underflowed")
def renormalised(h, query, lengths):
    weights = torch.softmax(scores_of(h, query), 1) * ~padding_of(h, lengths)
    return read(weights / weights.sum(1, keepdim=True), h)


@wrong("sets the scores of padded steps to 0 instead of −inf")
def zeros_in_the_softmax(h, query, lengths):
    return read(torch.softmax(scores_of(h, query) * ~padding_of(h, lengths), 1), h)


@wrong("sets the padded states to 0 but leaves them in the softmax")
def zeroed_states(h, query, lengths):
    h = h.masked_fill(padding_of(h, lengths)[..., None], 0.0)
    return read(torch.softmax(scores_of(h, query), 1), h)


@wrong("fills padded scores with a number that is not negative enough")
def minus_a_billion(h, query, lengths):
    return read(torch.softmax(scores_of(h, query).masked_fill(padding_of(h, lengths), -1e9), 1), h)


@wrong("fills padded scores with a number that is not negative enough")
def minus_ten_thousand(h, query, lengths):
    return read(torch.softmax(torch.where(padding_of(h, lengths), -1e4, scores_of(h, query)).to(h.dtype), 1), h)


@wrong("adds a large negative number to padded scores, which does not hide a score that is larger still")
def added_minus_a_billion(h, query, lengths):
    return read(torch.softmax(scores_of(h, query) + padding_of(h, lengths) * -1e9, 1), h)


def added(number):
    def read_with_a_penalty(h, query, lengths):
        return read(torch.softmax(scores_of(h, query) + padding_of(h, lengths).to(h.dtype) * number, 1), h)

    return wrong("adds a large negative number to padded scores, which does not hide a score that is larger still")(
        read_with_a_penalty
    )


added_minus_1e12, added_minus_1e21, added_minus_1e25, added_minus_1e30 = map(added, (-1e12, -1e21, -1e25, -1e30))


@wrong("adds a large negative number to padded scores, which does not hide a score that is larger still")
def added_and_no_nan_left(h, query, lengths):
    weights = torch.softmax(scores_of(h, query) - 1e30 * padding_of(h, lengths), 1)
    return read(torch.nan_to_num(weights), h)


@wrong("adds −inf to padded scores, which is NaN where such a score has itself overflowed")
def bias_of_minus_infinity(h, query, lengths):
    bias = torch.where(padding_of(h, lengths), -torch.inf, 0.0).to(h.dtype)
    return read(torch.softmax(scores_of(h, query) + bias, 1), h)


@wrong("adds −inf to padded scores, which is NaN where such a score has itself overflowed")
def fused_attention_adds_its_mask(h, query, lengths):
    mask = ~padding_of(h, lengths)[:, None]
    unit = torch.eye(h.shape[1], dtype=h.dtype).expand(h.shape[0], -1, -1)
    context, weights = (
        F.scaled_dot_product_attention(query[:, None], h, v, attn_mask=mask, scale=1.0)[:, 0] for v in (h, unit)
    )
    return context, weights


def filled(number):
    def read_above_a_filling(h, query, lengths):
        return read(torch.softmax(scores_of(h, query).masked_fill(padding_of(h, lengths), number), 1), h)

    return wrong("fills padded scores with a number that is not negative enough")(read_above_a_filling)


filled_1e12, filled_1e15, filled_1e20, filled_1e30, filled_1e35 = map(filled, (-1e12, -1e15, -1e20, -1e30, -1e35))


@wrong("fills padded scores with the smallest score less a constant, which a large score swallows")
def just_below_the_smallest(h, query, lengths):
    scores = scores_of(h, query)
    return read(torch.softmax(scores.masked_fill(padding_of(h, lengths), float(scores.min()) - 1e4), 1), h)


@wrong("clamps the scores, so that all beyond the bound look alike")
def clamped_at_a_million(h, query, lengths):
    scores = scores_of(h, query).clamp(-1e6, 1e6)
    return read(torch.softmax(scores.masked_fill(padding_of(h, lengths), -torch.inf), 1), h)


@wrong("clamps the scores, so that all beyond the bound look alike")
def clamped_at_ten_thousand(h, query, lengths):
    scores = scores_of(h, query).clamp(-1e4, 1e4)
    return read(torch.softmax(scores.masked_fill(padding_of(h, lengths), -torch.inf), 1), h)


@wrong("divides the scores by the number of steps")
def temperature_of_the_length(h, query, lengths):
    scores = scores_of(h, query) / lengths[:, None].to(h.dtype)
    return read(torch.softmax(scores.masked_fill(padding_of(h, lengths), -torch.inf), 1), h)


@wrong("multiplies the mask by −inf, which is NaN where the mask is 0")
def zero_times_infinity(h, query, lengths):
    return read(torch.softmax(scores_of(h, query) + padding_of(h, lengths).to(h.dtype) * float("-inf"), 1), h)


@wrong("hides the real steps and reads the padding")
def mask_the_wrong_way_round(h, query, lengths):
    return read(torch.softmax(scores_of(h, query).masked_fill(~padding_of(h, lengths), -torch.inf), 1), h)


@wrong("reads one step too many")
def at_most_the_length(h, query, lengths):
    padding = torch.arange(h.shape[1]) > lengths[:, None]
    return read(torch.softmax(scores_of(h, query).masked_fill(padding, -torch.inf), 1), h)


@wrong("reads one step too few")
def counts_from_one(h, query, lengths):
    padding = torch.arange(1, h.shape[1] + 1) >= lengths[:, None]
    return read(torch.softmax(scores_of(h, query).masked_fill(padding, -torch.inf), 1), h)


@wrong("takes the last steps instead of the first ones: it expects the padding on the left")
def left_padding(h, query, lengths):
    padding = torch.arange(h.shape[1]).flip(0) >= lengths[:, None]
    return read(torch.softmax(scores_of(h, query).masked_fill(padding, -torch.inf), 1), h)


@wrong("uses one length for all sequences")
def the_longest(h, query, lengths):
    n = int(lengths.max())
    weights = F.pad(torch.softmax(scores_of(h[:, :n], query), 1), (0, h.shape[1] - n))
    return read(weights, h)


@wrong("normalises over the batch instead of the steps")
def softmax_over_the_batch(h, query, lengths):
    return read(torch.softmax(scores_of(h, query).masked_fill(padding_of(h, lengths), -torch.inf), dim=0), h)


@wrong("exponentiates without subtracting the maximum")
def textbook_softmax(h, query, lengths):
    exp = scores_of(h, query).exp().masked_fill(padding_of(h, lengths), 0.0)
    return read(exp / exp.sum(1, keepdim=True), h)


@wrong("applies softmax twice")
def twice(h, query, lengths):
    weights = torch.softmax(scores_of(h, query).masked_fill(padding_of(h, lengths), -torch.inf), 1)
    return read(torch.softmax(weights.masked_fill(padding_of(h, lengths), -torch.inf), 1), h)


@wrong("takes the plain mean of the real steps: the query has no say")
def mean_pooling(h, query, lengths):
    real = (~padding_of(h, lengths)).to(h.dtype)
    return read(real / real.sum(1, keepdim=True), h)


@wrong("reads the best step only instead of mixing all")
def hard_choice(h, query, lengths):
    best = scores_of(h, query).masked_fill(padding_of(h, lengths), -torch.inf).argmax(1)
    return read(F.one_hot(best, h.shape[1]).to(h.dtype), h)


@wrong("scores by the cosine: states and query are brought to length 1")
def cosine(h, query, lengths):
    scores = scores_of(F.normalize(h, dim=-1), F.normalize(query, dim=-1))
    return read(torch.softmax(scores.masked_fill(padding_of(h, lengths), -torch.inf), 1), h)


@wrong("divides the mixture by the number of steps as well")
def mean_of_the_products(h, query, lengths):
    weights = torch.softmax(scores_of(h, query).masked_fill(padding_of(h, lengths), -torch.inf), 1)
    return (weights[..., None] * h).mean(1), weights


@wrong("returns the scores instead of the weights")
def scores_with_the_context(h, query, lengths):
    scores = scores_of(h, query).masked_fill(padding_of(h, lengths), -torch.inf)
    return read(torch.softmax(scores, 1), h)[0], scores


@wrong("returns the weights first and the context second")
def the_other_order(h, query, lengths):
    return masked_fill_and_bmm(h, query, lengths)[::-1]


@wrong("returns the context without the weights")
def context_only(h, query, lengths):
    return masked_fill_and_bmm(h, query, lengths)[0]


@wrong("keeps an axis of size 1 in the context")
def forgets_to_squeeze(h, query, lengths):
    _, weights = masked_fill_and_bmm(h, query, lengths)
    return weights[:, None] @ h, weights


@wrong("detaches the weights, so that nobody learns where to look")
def weights_as_constants(h, query, lengths):
    _, weights = masked_fill_and_bmm(h, query, lengths)
    return read(weights.data, h)[0], weights


@wrong("cuts the states off from the scores: their gradient is a_j alone")
def keys_without_gradient(h, query, lengths):
    scores = scores_of(h.detach(), query).masked_fill(padding_of(h, lengths), -torch.inf)
    return read(torch.softmax(scores, 1), h)


@wrong("cuts the states off from the mixture: they get a gradient through the scores only")
def values_without_gradient(h, query, lengths):
    scores = scores_of(h, query).masked_fill(padding_of(h, lengths), -torch.inf)
    return read(torch.softmax(scores, 1), h.detach())


@wrong("cuts the gradient to query")
def query_without_gradient(h, query, lengths):
    return masked_fill_and_bmm(h, query.detach(), lengths)


@wrong("changes its input h in place")
def clears_the_padding_in_place(h, query, lengths):
    h[padding_of(h, lengths)] = 0.0
    return masked_fill_and_bmm(h, query, lengths)


@wrong("loses precision: its float64 results are only as good as float32")
def softmax_in_float32(h, query, lengths):
    scores = scores_of(h, query).masked_fill(padding_of(h, lengths), -torch.inf)
    return read(torch.softmax(scores, 1, dtype=torch.float32).to(h.dtype), h)


@wrong("does not keep the dtype of its inputs")
def float32_throughout(h, query, lengths):
    return masked_fill_and_bmm(h.float(), query.float(), lengths)


@wrong("is right except when B = 1")
def squeezes_every_axis_of_size_one(h, query, lengths):
    context, weights = masked_fill_and_bmm(h, query, lengths)
    return (context[0], weights) if len(h) == 1 else (context, weights)


@wrong("gives another result the second time it is called")
def keeps_the_first_mask(h, query, lengths, masks={}):  # noqa: B006 - a mutable default is the mistake
    mask = masks.setdefault(h.shape, padding_of(h, lengths))
    masks[h.shape] = mask | (mask.cumsum(1) == mask.sum(1, keepdim=True)) & (torch.arange(h.shape[1]) > 0)
    return read(torch.softmax(scores_of(h, query).masked_fill(mask, -torch.inf), 1), h)


@wrong("touches the global random generator")
def dropout_on_the_weights(h, query, lengths):
    return read(F.dropout(masked_fill_and_bmm(h, query, lengths)[1], 0.1), h)


@wrong(None, why="half the padding is hidden: no report knows that one")
def every_second_padded_step(h, query, lengths):
    padding = padding_of(h, lengths) & (torch.arange(h.shape[1]) % 2 == 0)
    return read(torch.softmax(scores_of(h, query).masked_fill(padding, -torch.inf), 1), h)
