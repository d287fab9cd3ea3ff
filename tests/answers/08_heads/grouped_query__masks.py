"""Wrong answers to heads.grouped_query: masks, numbers, gradients, and what hides."""

import math

import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it
from answers import wrong


def group_of(q, k):
    """The size of a group; the error, right."""
    if q.shape[1] % k.shape[1]:
        raise ValueError(f"{q.shape[1]} query heads, {k.shape[1]} key-value heads")
    return q.shape[1] // k.shape[1]


def attend(q, k, v, mask=None, scale=None):
    """Right attention, but for the scale."""
    scores = q @ k.mT / (math.sqrt(q.shape[-1]) if scale is None else scale)
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    return torch.softmax(scores, -1).nan_to_num() @ v


def repeat_interleave(q, k, v, mask=None):
    """A right answer, for those that only get one thing wrong."""
    group = group_of(q, k)
    return attend(q, k.repeat_interleave(group, 1), v.repeat_interleave(group, 1), mask)


def shared_scores(q, k):
    """Right scores."""
    return q @ k.repeat_interleave(group_of(q, k), dim=1).mT / math.sqrt(q.shape[-1])


def mixed(weights, q, v):
    """Right from the weights on."""
    return weights @ v.repeat_interleave(group_of(q, v), dim=1)


@wrong("reads the mask the wrong way round: True hides instead of shows")
def inverted(q, k, v, mask=None):
    return repeat_interleave(q, k, v, None if mask is None else mask.logical_not())


@wrong("ignores the mask")
def mask_forgotten(q, k, v, mask=None):
    return repeat_interleave(q, k, v)


@wrong("masks after the softmax and does not renormalise")
def weights_zeroed(q, k, v, mask=None):
    weights = shared_scores(q, k).softmax(-1)
    return mixed(weights if mask is None else weights * mask, q, v)


@wrong("fills hidden scores with −1e9, which leaves weights in rows that may attend to nothing")
def minus_1e9(q, k, v, mask=None):
    scores = shared_scores(q, k)
    return mixed((scores if mask is None else scores.masked_fill(~mask, -1e9)).softmax(-1), q, v)


@wrong("gives NaN for a query that may attend to nothing")
def empty_rows_forgotten(q, k, v, mask=None):
    scores = shared_scores(q, k)
    return mixed((scores if mask is None else scores.masked_fill(~mask, -math.inf)).softmax(-1), q, v)


@wrong("gives NaN gradients where a query may attend to nothing, as an added −inf does")
def additive_mask(q, k, v, mask=None):
    scores = shared_scores(q, k)
    if mask is not None:
        scores = scores + torch.zeros_like(scores).masked_fill(~mask, -math.inf)
    return mixed(scores.softmax(-1).nan_to_num(), q, v)


@wrong("uses the mask of a group's first head for the whole group")
def mask_of_the_group(q, k, v, mask=None):
    group = group_of(q, k)
    if mask is not None and mask.ndim > 2 and mask.shape[-3] > 1:
        mask = mask[..., torch.arange(q.shape[1]) // group * group, :, :]
    return repeat_interleave(q, k, v, mask)


@wrong("is right on ordinary inputs, but not for: a mask that is the same for …")
def mask_must_have_four_axes(q, k, v, mask=None):
    return repeat_interleave(q, k, v, mask if mask is not None and mask.ndim == 4 else None)


@wrong("normalises over the queries instead of the keys")
def softmax_over_queries(q, k, v, mask=None):
    scores = shared_scores(q, k)
    scores = scores if mask is None else scores.masked_fill(~mask, -math.inf)
    return mixed(scores.softmax(2).nan_to_num(), q, v)


@wrong("exponentiates without subtracting the maximum")
def naive_exponentials(q, k, v, mask=None):
    e = shared_scores(q, k).exp()
    e = e if mask is None else e * mask
    return mixed(e / e.sum(-1, keepdim=True), q, v)


# --- wrong: what hides


@wrong("has the right values but wrong gradients")
def shared_heads_detached(q, k, v, mask=None):
    """Only the first copy of each key-value head gets a gradient."""
    group = group_of(q, k)
    k, v = (
        torch.cat([x[:, :, None], x[:, :, None].detach().expand(-1, -1, group - 1, -1, -1)], 2).flatten(1, 2)
        for x in (k, v)
    )
    return attend(q, k, v, mask)


@wrong("has gradients that are 2 times the right ones")
def gradient_doubled(q, k, v, mask=None):
    out = repeat_interleave(q, k, v, mask)
    return out + (out - out.detach())


@wrong("loses precision: its float64 results are only as good as float32")
def float32_inside(q, k, v, mask=None):
    return repeat_interleave(q.float(), k.float(), v.float(), mask).to(q.dtype)


@wrong("does not keep the dtype of its inputs")
def float64_inside(q, k, v, mask=None):
    return repeat_interleave(q.double(), k.double(), v.double(), mask)


@wrong("changes its input q in place")
def scales_in_place(q, k, v, mask=None):
    q /= math.sqrt(q.shape[-1])
    group = group_of(q, k)
    return attend(q * 1, k.repeat_interleave(group, 1), v.repeat_interleave(group, 1), mask, 1.0)


@wrong("returns the result of an earlier call")
def cached_by_shape(q, k, v, mask=None, cache={}):  # noqa: B006 - a mutable default is the mistake
    key = q.shape, k.shape, q.dtype, mask is None
    if key not in cache:
        cache[key] = repeat_interleave(q, k, v, mask)
    return cache[key]


@wrong("touches the global random generator")
def dropout(q, k, v, mask=None):
    return F.dropout(repeat_interleave(q, k, v, mask), 0.1)


@wrong("is right except when n = m > 1")
def causal_when_square(q, k, v, mask=None):
    n, m = q.shape[2], k.shape[2]
    if n == m:
        causal = torch.ones(n, m, dtype=torch.bool).tril()
        mask = causal if mask is None else mask & causal
    return repeat_interleave(q, k, v, mask)


@wrong("is right except when H_q/H_kv > …")
def groups_of_two_at_most(q, k, v, mask=None):
    group = group_of(q, k)
    if group > 2:
        k, v = (x.roll(1, dims=1) for x in (k, v))
        q = q * 0.5
    return repeat_interleave(q, k, v, mask)


@wrong("is right except when H_kv = H_q/H_kv > 1")
def square_groups_are_transposed(q, k, v, mask=None):
    group = group_of(q, k)
    if group == k.shape[1]:
        return attend(q, k.repeat(1, group, 1, 1), v.repeat(1, group, 1, 1), mask)
    return repeat_interleave(q, k, v, mask)


@wrong("fills hidden scores with a number that is not negative enough")
def minus_10_000_with_hidden_weights_zeroed(q, k, v, mask=None):
    scores = shared_scores(q, k)
    if mask is None:
        return mixed(scores.softmax(-1), q, v)
    return mixed(scores.masked_fill(~mask, -1e4).softmax(-1) * mask, q, v)


@wrong("hides the keys behind the query, though no mask says so")
def causal_unless_a_mask_is_given(q, k, v, mask=None):
    n, m = q.shape[2], k.shape[2]
    if mask is None and n == m:
        mask = torch.ones(n, m, dtype=torch.bool).tril()
    return repeat_interleave(q, k, v, mask)


@wrong("is right on ordinary inputs, but not for: as many sequences as query heads, and a mask (H_q, n, m)")
def the_batch_wins_where_both_fit(q, k, v, mask=None):
    if mask is not None and mask.ndim == 3 and len(mask) == len(q):
        mask = mask[:, None]
    return repeat_interleave(q, k, v, mask)


@wrong("is right on ordinary inputs, but not for: a mask that is the same for all sequences, (1, H_q, n, m)")
def takes_the_mask_of_each_sequence(q, k, v, mask=None):
    if mask is None or mask.ndim < 4:
        return repeat_interleave(q, k, v, mask)
    return torch.cat([repeat_interleave(q[b, None], k[b, None], v[b, None], mask[b]) for b in range(len(q))])


@wrong("orders the mask as if query head i belonged to key-value head i % H_kv")
def mask_dealt_out_in_turn(q, k, v, mask=None):
    group, (B, H_q, n, _), (_, H_kv, m, _) = group_of(q, k), q.shape, k.shape
    seen = torch.ones((), dtype=torch.bool) if mask is None else mask
    seen = seen.expand(B, H_q, n, m).reshape(B, group, H_kv, n, m).transpose(1, 2)
    return attend(q.unflatten(1, (H_kv, group)), k[:, :, None], v[:, :, None], seen).flatten(1, 2)


@wrong("returns the query heads in another order: place by place instead of group by group")
def flattened_place_by_place(q, k, v, mask=None):
    out = repeat_interleave(q, k, v, mask)
    return out.unflatten(1, (k.shape[1], -1)).transpose(1, 2).reshape(q.shape)


@wrong("puts the tokens before the heads: (B, n, H_q, d)")
def tokens_before_heads(q, k, v, mask=None):
    return torch.einsum("bhnd->bnhd", repeat_interleave(q, k, v, mask))


@wrong("merges the heads: (B, n, H_q · d)")
def merged(q, k, v, mask=None):
    return torch.cat(repeat_interleave(q, k, v, mask).unbind(1), dim=-1)


@wrong("has the right values but wrong gradients")
def only_the_first_copy_learns(q, k, v, mask=None):
    copies = [torch.cat([x[:, :, None]] + [x[:, :, None].detach()] * (group_of(q, k) - 1), 2) for x in (k, v)]
    return attend(q, *(x.flatten(1, 2) for x in copies), mask)
