"""Wrong answers to heads.multi_head: masks, numbers, gradients, and what hides."""

import math

import torch
from answers import wrong

from attn_core.heads import merge_heads, multi_head_attention, split_heads


def scores_of(x_q, x_kv, W_q, W_k, heads):
    """Right scores."""
    q, k = split_heads(x_q @ W_q, heads), split_heads(x_kv @ W_k, heads)
    return q @ k.mT / math.sqrt(q.shape[-1])


def mixed(weights, x_kv, W_v, W_o):
    """Right from the weights on."""
    return merge_heads(weights @ split_heads(x_kv @ W_v, weights.shape[1])) @ W_o, weights


@wrong("reads the mask the wrong way round: True hides instead of shows")
def polarity_of_the_torch_module(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    scores = scores_of(x_q, x_kv, W_q, W_k, heads)
    if mask is not None:
        scores = scores.masked_fill(mask, -math.inf)
    return mixed(torch.softmax(scores, -1).nan_to_num(), x_kv, W_v, W_o)


@wrong("ignores the mask")
def mask_forgotten(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    return mixed(scores_of(x_q, x_kv, W_q, W_k, heads).softmax(-1), x_kv, W_v, W_o)


@wrong("masks after the softmax and does not renormalise")
def weights_zeroed(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    weights = scores_of(x_q, x_kv, W_q, W_k, heads).softmax(-1)
    if mask is not None:
        weights = weights.masked_fill(~mask, 0)
    return mixed(weights, x_kv, W_v, W_o)


@wrong("masks after the softmax and renormalises, which fails where all visible weights have underflowed")
def weights_zeroed_and_renormalised(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    weights = scores_of(x_q, x_kv, W_q, W_k, heads).softmax(-1)
    if mask is not None:
        weights = weights * mask
        total = weights.sum(-1, keepdim=True)
        weights = weights / total.masked_fill(total == 0, 1)
    return mixed(weights, x_kv, W_v, W_o)


@wrong("fills hidden scores with −1e9, which leaves weights in rows that may attend to nothing")
def minus_1e9(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    scores = scores_of(x_q, x_kv, W_q, W_k, heads)
    if mask is not None:
        scores = scores.masked_fill(mask == 0, -1e9)
    return mixed(scores.softmax(dim=-1), x_kv, W_v, W_o)


@wrong("fills hidden scores with −1e9, which leaves weights in rows that may attend to nothing")
def smallest_number(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    scores = scores_of(x_q, x_kv, W_q, W_k, heads)
    if mask is not None:
        scores = torch.where(mask, scores, torch.finfo(scores.dtype).min)
    return mixed(scores.softmax(dim=-1), x_kv, W_v, W_o)


@wrong("sets hidden scores to 0 instead of −inf")
def scores_times_mask(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    scores = scores_of(x_q, x_kv, W_q, W_k, heads)
    return mixed((scores if mask is None else scores * mask).softmax(-1), x_kv, W_v, W_o)


@wrong("fills hidden scores with a number that is not negative enough")
def minus_hundred(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    scores = scores_of(x_q, x_kv, W_q, W_k, heads)
    return mixed((scores if mask is None else torch.where(mask, scores, -100.0)).softmax(-1), x_kv, W_v, W_o)


@wrong("gives NaN for a query that may attend to nothing")
def empty_rows_forgotten(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    scores = scores_of(x_q, x_kv, W_q, W_k, heads)
    scores = scores if mask is None else scores.masked_fill(~mask, float("-inf"))
    return mixed(torch.softmax(scores, dim=-1), x_kv, W_v, W_o)


@wrong("gives NaN gradients where a query may attend to nothing, as an added −inf does")
def additive_mask(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    scores = scores_of(x_q, x_kv, W_q, W_k, heads)
    if mask is not None:
        scores = scores + torch.where(mask, 0.0, -math.inf).to(scores.dtype)
    return mixed(torch.softmax(scores, dim=-1).nan_to_num(0.0), x_kv, W_v, W_o)


@wrong("gives NaN gradients where a query may attend to nothing, as an added −inf does")
def output_repaired_but_not_the_gradient(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    """torch.where picks the right numbers forward; 0 · NaN is NaN backward."""
    scores = scores_of(x_q, x_kv, W_q, W_k, heads)
    if mask is None:
        return mixed(scores.softmax(-1), x_kv, W_v, W_o)
    e = torch.exp(scores - scores.amax(-1, keepdim=True).detach()) * mask
    e = e / e.sum(-1, keepdim=True)
    weights = torch.where(mask.expand_as(e).any(-1, keepdim=True), e, torch.zeros_like(e))
    hidden = torch.softmax(scores.masked_fill(~mask, -math.inf), -1).nan_to_num()
    return mixed(hidden + (weights - weights.detach()) * 0, x_kv, W_v, W_o)


@wrong("normalises over the queries instead of the keys")
def softmax_over_queries(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    scores = scores_of(x_q, x_kv, W_q, W_k, heads)
    scores = scores if mask is None else scores.masked_fill(~mask, -math.inf)
    return mixed(scores.softmax(2).nan_to_num(), x_kv, W_v, W_o)


@wrong("normalises over the heads instead of the keys")
def softmax_over_heads(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    scores = scores_of(x_q, x_kv, W_q, W_k, heads)
    scores = scores if mask is None else scores.masked_fill(~mask, -math.inf)
    return mixed(scores.softmax(1).nan_to_num(), x_kv, W_v, W_o)


@wrong("exponentiates without subtracting the maximum")
def naive_exponentials(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    e = scores_of(x_q, x_kv, W_q, W_k, heads).exp()
    e = e if mask is None else torch.where(mask, e, 0)
    return mixed(e / e.sum(-1, keepdim=True), x_kv, W_v, W_o)


@wrong("returns the scores instead of the weights")
def scores_returned(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    out, _ = multi_head_attention(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask)
    return out, scores_of(x_q, x_kv, W_q, W_k, heads)


@wrong(
    "is right on ordinary inputs, but not for: a mask that switches heads off, (heads, 1, 1), as many sequences as heads, and a mask (heads, n, m)"
)
def three_axes_are_taken_for_the_batch(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    if mask is not None and mask.ndim == 3:
        mask = mask[:, None]
    return multi_head_attention(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask)


@wrong("is right on ordinary inputs, but not for: as many sequences as heads, and a mask (heads, n, m)")
def the_batch_wins_where_both_fit(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    """(heads, 1, 1) is right, and (B, n, m) is guessed for three axes of which the first is B."""
    if mask is not None and mask.ndim == 3 and mask.shape[0] == len(x_q) and mask.shape[1] > 1:
        mask = mask.unsqueeze(1)
    return multi_head_attention(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask)


@wrong("is right on ordinary inputs, but not for: a mask that is the same for …")
def mask_must_have_four_axes(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    if mask is not None and mask.ndim != 4:
        mask = None
    return multi_head_attention(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask)


@wrong("is right on ordinary inputs, but not for: a padding mask, (B, 1, 1, m)")
def padding_hides_rows_too(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    """Treats a padding mask as one for queries as well."""
    if mask is not None and mask.ndim == 4 and mask.shape[2] == 1 and mask.shape[1] == 1:
        seen = mask[:, :, 0, : x_q.shape[1]]
        seen = torch.nn.functional.pad(seen, (0, x_q.shape[1] - seen.shape[-1]), value=True)
        mask = mask & seen[..., None]
    return multi_head_attention(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask)


@wrong("uses the mask of the first head for all heads")
def mask_of_the_first_head(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    if mask is not None and mask.ndim > 2:
        mask = mask.narrow(-3, 0, 1)
    return multi_head_attention(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask)


@wrong("is right except when n = m > 1")
def causal_when_square(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    n, m = x_q.shape[1], x_kv.shape[1]
    if n == m:
        causal = torch.ones(n, m, dtype=torch.bool).tril()
        mask = causal if mask is None else mask & causal
    return multi_head_attention(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask)


@wrong("touches the global random generator")
def dropout(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    _, weights = multi_head_attention(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask)
    return mixed(torch.nn.functional.dropout(weights, 0.1), x_kv, W_v, W_o)


@wrong("has the right values but wrong gradients")
def weights_detached(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    _, weights = multi_head_attention(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask)
    return mixed(weights.detach(), x_kv, W_v, W_o)[0], weights


@wrong("has gradients that are 2 times the right ones")
def gradient_doubled(*arguments):
    out, weights = multi_head_attention(*arguments)
    return tuple(x + (x - x.detach()) for x in (out, weights))


@wrong("loses precision: its float64 results are only as good as float32")
def float32_inside(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    arrays = (x.float() for x in (x_q, x_kv, W_q, W_k, W_v, W_o))
    return tuple(x.to(x_q.dtype) for x in multi_head_attention(*arrays, heads, mask))


@wrong("loses precision: its float64 results are only as good as float32")
def epsilon_in_the_denominator(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    scores = scores_of(x_q, x_kv, W_q, W_k, heads)
    seen = torch.ones_like(scores, dtype=torch.bool) if mask is None else mask.expand_as(scores)
    top = scores.masked_fill(~seen, -1e30).amax(-1, keepdim=True)
    e = torch.exp((scores - top).masked_fill(~seen, -math.inf))
    return mixed(e / (e.sum(-1, keepdim=True) + 1e-8), x_kv, W_v, W_o)


@wrong("changes its input x_q in place")
def scales_the_queries_in_place(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    x_q *= (heads / x_q.shape[-1]) ** 0.5
    weights = (split_heads(x_q @ W_q, heads) @ split_heads(x_kv @ W_k, heads).mT).clone()
    weights = torch.softmax(weights if mask is None else weights.masked_fill(~mask, -math.inf), -1).nan_to_num()
    return mixed(weights, x_kv, W_v, W_o)


@wrong("changes its input mask in place")
def inverts_the_mask_in_place(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    scores = scores_of(x_q, x_kv, W_q, W_k, heads)
    if mask is not None:
        scores = scores.masked_fill(mask.logical_not_(), -math.inf)
    return mixed(torch.softmax(scores, -1).nan_to_num(), x_kv, W_v, W_o)


@wrong("returns the result of an earlier call")
def cached_by_shape(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None, cache={}):  # noqa: B006 - a mutable default is the mistake
    key = x_q.shape, x_kv.shape, heads, x_q.dtype, mask is None
    if key not in cache:
        cache[key] = multi_head_attention(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask)
    return cache[key]


@wrong("gives another result the second time it is called")
def counts_its_calls(*arguments, calls=[]):  # noqa: B006 - a mutable default is the mistake
    calls.append(None)
    out, weights = multi_head_attention(*arguments)
    return (out, weights) if len(calls) < 60 else (out * 1.01, weights)


@wrong("shows every query the first sequence of the batch")
def one_sequence_for_all(x_q, x_kv, *others):
    return multi_head_attention(x_q, x_kv[:1].repeat(len(x_q), 1, 1), *others)


@wrong("does not keep the dtype of its inputs")
def always_float64(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    return multi_head_attention(*(x.double() for x in (x_q, x_kv, W_q, W_k, W_v, W_o)), heads, mask)


@wrong("is right except when heads > …")
def at_most_three_heads(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    if heads <= 3:
        return multi_head_attention(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask)
    _, weights = multi_head_attention(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask)
    kept = torch.arange(heads) < 3
    return mixed(weights * kept[:, None, None], x_kv, W_v, W_o)[0], weights


@wrong("reads the best key only (argmax) instead of mixing all")
def hard_choice(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    scores = scores_of(x_q, x_kv, W_q, W_k, heads)
    scores = scores if mask is None else scores.masked_fill(~mask, -math.inf)
    best = torch.zeros_like(scores).scatter(-1, scores.argmax(-1, keepdim=True), 1.0)
    return mixed(best if mask is None else best * mask.expand_as(best), x_kv, W_v, W_o)


@wrong("fills hidden scores with a number that is not negative enough")
def minus_10_000_with_hidden_weights_zeroed(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    """Empty rows come out right, and so does everything whose scores stay above −10000."""
    scores = scores_of(x_q, x_kv, W_q, W_k, heads)
    if mask is None:
        return mixed(scores.softmax(-1), x_kv, W_v, W_o)
    return mixed(scores.masked_fill(~mask, -1e4).softmax(-1) * mask, x_kv, W_v, W_o)


@wrong("hides the keys behind the query, though no mask says so")
def causal_unless_a_mask_is_given(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    n, m = x_q.shape[1], x_kv.shape[1]
    if mask is None and n == m:
        mask = torch.ones(n, m, dtype=torch.bool).tril()
    return multi_head_attention(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask)


@wrong("is right on ordinary inputs, but not for: a mask that is the same for all sequences, (1, heads, n, m)")
def takes_the_mask_of_each_sequence(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    if mask is None or mask.ndim < 4:
        return multi_head_attention(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask)
    each = [
        multi_head_attention(x_q[b : b + 1], x_kv[b : b + 1], W_q, W_k, W_v, W_o, heads, mask[b])
        for b in range(len(x_q))
    ]
    return tuple(torch.cat(parts) for parts in zip(*each, strict=True))


@wrong("loses precision: its float64 results are only as good as float32")
def the_scale_is_a_float32_tensor(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    q, k = split_heads(x_q @ W_q, heads), split_heads(x_kv @ W_k, heads)
    scores = q @ k.mT / torch.sqrt(torch.tensor(q.shape[-1], dtype=torch.float32))
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    return mixed(torch.softmax(scores, -1).nan_to_num(), x_kv, W_v, W_o)
