"""Right and wrong answers to heads.grouped_query."""

import math

import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it
from answers import right, wrong


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


# --- right, in different styles


@right
def repeat_interleave(q, k, v, mask=None):
    H_q, H_kv = q.shape[1], k.shape[1]
    if H_q % H_kv != 0:
        raise ValueError(f"H_q={H_q} query heads cannot be shared by H_kv={H_kv} key-value heads")
    k, v = (x.repeat_interleave(H_q // H_kv, dim=1) for x in (k, v))
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = torch.where(mask, scores, -torch.inf)
    weights = torch.nan_to_num(torch.softmax(scores, dim=-1))
    return weights @ v


@right
def groups_as_an_axis(q, k, v, mask=None):
    """Keys and values get an axis of size 1 and are broadcast."""
    group = group_of(q, k)
    grouped = q.unflatten(1, (k.shape[1], group))  # (B, H_kv, group, n, d)
    scores = grouped @ k[:, :, None].mT * q.shape[-1] ** -0.5
    if mask is not None:
        seen = mask.expand(*q.shape[:3], k.shape[2]).unflatten(1, (k.shape[1], group))
        scores = scores.masked_fill(~seen, -math.inf)
    return (torch.softmax(scores, -1).nan_to_num() @ v[:, :, None]).flatten(1, 2)


@right
def queries_of_a_group_stacked(q, k, v, mask=None):
    (B, H_q, n, d), (H_kv, m) = q.shape, k.shape[1:3]
    group = group_of(q, k)
    if mask is not None:
        mask = mask.expand(B, H_q, n, m).reshape(B, H_kv, group * n, m)
    return attend(q.reshape(B, H_kv, group * n, d), k, v, mask).reshape(B, H_q, n, d)


@right
def a_loop_over_query_heads(q, k, v, mask=None):
    group, out = group_of(q, k), torch.empty_like(q)
    masks = None if mask is None else mask.expand(*q.shape[:3], k.shape[2])
    for i in range(q.shape[1]):
        out[:, i] = attend(q[:, i], k[:, i // group], v[:, i // group], None if masks is None else masks[:, i])
    return out


@right
def index_select(q, k, v, mask=None):
    shared = torch.arange(q.shape[1]) // group_of(q, k)
    return attend(q, k[:, shared], v.index_select(1, shared), mask)


@right
def einsum(q, k, v, mask=None):
    group = group_of(q, k)
    grouped = q.reshape(q.shape[0], k.shape[1], group, *q.shape[2:])
    scores = torch.einsum("bhgnd,bhmd->bhgnm", grouped, k).flatten(1, 2) / q.shape[-1] ** 0.5
    scores = scores if mask is None else scores.masked_fill(~mask, -math.inf)
    weights = scores.softmax(-1).nan_to_num().unflatten(1, (k.shape[1], group))
    return torch.einsum("bhgnm,bhmd->bhgnd", weights, v).flatten(1, 2)


@right
def fused_and_grouped_by_torch(q, k, v, mask=None):
    """torch's own; rows that see nothing are shown everything and set to zero afterwards."""
    group_of(q, k)
    if mask is None:
        return F.scaled_dot_product_attention(q, k, v, enable_gqa=True)
    mask = mask.expand(*q.shape[:3], k.shape[2])
    some = mask.any(-1, keepdim=True)
    out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask | ~some, enable_gqa=True)
    return torch.where(some, out, torch.zeros_like(out))


@right
def one_call_of_torch(q, k, v, mask=None):
    """Rows that see nothing get zeros from torch as well, and zero gradients."""
    if q.shape[1] % k.shape[1]:
        raise ValueError(f"{q.shape[1]} query heads do not divide by {k.shape[1]}")
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=True)


@right
def expanded_and_flattened(q, k, v, mask=None):
    group = group_of(q, k)
    k, v = (x.unsqueeze(2).expand(-1, -1, group, -1, -1).flatten(1, 2) for x in (k, v))
    return attend(q, k, v, mask)


@right
def group_by_group(q, k, v, mask=None):
    group, parts = group_of(q, k), []
    for g in range(k.shape[1]):
        own = slice(g * group, (g + 1) * group)
        seen = mask
        if mask is not None and mask.ndim > 2 and mask.shape[-3] > 1:
            seen = mask[..., own, :, :]
        parts.append(attend(q[:, own], k[:, g : g + 1], v[:, g : g + 1], seen))
    return torch.cat(parts, dim=1)


@right
def copies_by_a_matrix(q, k, v, mask=None):
    """Which query head reads which key-value head, as a matrix of zeros and ones."""
    share = torch.eye(k.shape[1], dtype=q.dtype).repeat_interleave(group_of(q, k), dim=0)  # (H_q, H_kv)
    k, v = (torch.einsum("ih,bhmd->bimd", share, x) for x in (k, v))
    return attend(q, k, v, mask)


@right
def kronecker_copies_and_own_softmax(q, k, v, mask=None):
    group = group_of(q, k)
    k, v = (torch.stack([x] * group, dim=2).flatten(1, 2) for x in (k, v))
    scores = (q / math.sqrt(q.shape[-1])) @ k.mT
    seen = torch.ones_like(scores, dtype=torch.bool) if mask is None else mask.expand_as(scores)
    hidden = scores.masked_fill(~seen, -math.inf)
    top = hidden.amax(-1, keepdim=True).detach()
    e = torch.exp(hidden - top.masked_fill(top == -math.inf, 0))
    total = e.sum(-1, keepdim=True)
    return e / total.masked_fill(total == 0, 1) @ v


# --- wrong, the way learners write it


@wrong("gives query head i the key-value head i % H_kv: repeats where it should repeat each")
def repeat(q, k, v, mask=None):
    group = group_of(q, k)
    return attend(q, k.repeat(1, group, 1, 1), v.repeat(1, group, 1, 1), mask)


@wrong("gives query head i the key-value head i % H_kv: repeats where it should repeat each")
def concatenated_copies(q, k, v, mask=None):
    group = group_of(q, k)
    return attend(q, torch.cat([k] * group, dim=1), torch.cat([v] * group, dim=1), mask)


@wrong("gives query head i the key-value head i % H_kv: repeats where it should repeat each")
def the_axis_of_the_group_on_the_wrong_side(q, k, v, mask=None):
    group = group_of(q, k)
    k, v = (x[:, None].expand(-1, group, -1, -1, -1).flatten(1, 2) for x in (k, v))
    return attend(q, k, v, mask)


@wrong("deals the values out in turn, but not the keys")
def values_repeated_otherwise(q, k, v, mask=None):
    group = group_of(q, k)
    return attend(q, k.repeat_interleave(group, 1), v.repeat(1, group, 1, 1), mask)


@wrong("deals the keys out in turn, but not the values")
def keys_repeated_otherwise(q, k, v, mask=None):
    group = group_of(q, k)
    return attend(q, torch.cat([k] * group, 1), v.repeat_interleave(group, 1), mask)


@wrong("averages the key-value heads into one")
def averaged(q, k, v, mask=None):
    group_of(q, k)
    return attend(q, k.mean(1, keepdim=True), v.mean(1, keepdim=True), mask)


@wrong("gives every query head the first key-value head")
def multi_query_always(q, k, v, mask=None):
    group_of(q, k)
    return attend(q, k[:, :1], v[:, :1], mask)


@wrong("gives query head i the key-value head i % (H_q/H_kv)")
def modulo_the_group(q, k, v, mask=None):
    group = group_of(q, k)
    own = [i % group for i in range(q.shape[1])]
    return attend(q, k[:, own], v[:, own], mask)


@wrong("numbers the groups from the end")
def groups_reversed(q, k, v, mask=None):
    group = group_of(q, k)
    k, v = (x.flip(1).repeat_interleave(group, dim=1) for x in (k, v))
    return attend(q, k, v, mask)


@wrong("works only where nothing is shared: as many key-value heads as query heads, or one")
def plain_attention(q, k, v, mask=None):
    group_of(q, k)
    return attend(q, k, v, mask)


@wrong("leaves out the scale")
def no_scale(q, k, v, mask=None):
    group = group_of(q, k)
    return attend(q, k.repeat_interleave(group, 1), v.repeat_interleave(group, 1), mask, 1.0)


@wrong("divides by d instead of its square root")
def no_root(q, k, v, mask=None):
    group = group_of(q, k)
    return attend(q, k.repeat_interleave(group, 1), v.repeat_interleave(group, 1), mask, q.shape[-1])


@wrong("scales by √(d/H_q): the heads have been split already")
def scale_of_a_part(q, k, v, mask=None):
    group = group_of(q, k)
    scale = math.sqrt(q.shape[-1] / q.shape[1])
    return attend(q, k.repeat_interleave(group, 1), v.repeat_interleave(group, 1), mask, scale)


@wrong("averages the query heads of a group, so that only H_kv heads come out")
def queries_averaged(q, k, v, mask=None):
    group = group_of(q, k)
    pooled = torch.stack([q[:, g * group : (g + 1) * group].mean(1) for g in range(k.shape[1])], dim=1)
    if mask is not None and mask.ndim > 2:
        mask = mask[..., ::group, :, :]
    return attend(pooled, k, v, mask)


@wrong("leaves the groups as an axis of their own: (B, H_kv, H_q/H_kv, n, d)")
def not_flattened(q, k, v, mask=None):
    return groups_as_an_axis(q, k, v, mask).reshape(q.shape[0], k.shape[1], -1, *q.shape[2:])


@wrong("returns the weights as well")
def weights_too(q, k, v, mask=None):
    group = group_of(q, k)
    scores = q @ k.repeat_interleave(group, 1).mT / math.sqrt(q.shape[-1])
    scores = scores if mask is None else scores.masked_fill(~mask, -math.inf)
    weights = scores.softmax(-1).nan_to_num()
    return weights @ v.repeat_interleave(group, 1), weights


@wrong("mixes the keys instead of the values")
def keys_for_values(q, k, v, mask=None):
    shared = k.repeat_interleave(group_of(q, k), 1)
    return attend(q, shared, shared, mask)


@wrong("does not raise the error that the task asks for")
def left_over_query_heads_read_the_last(q, k, v, mask=None):
    group = max(1, q.shape[1] // k.shape[1])
    own = (torch.arange(q.shape[1]) // group).clamp(max=k.shape[1] - 1)
    return attend(q, k[:, own], v[:, own], mask)


@wrong("does not raise the error that the task asks for")
def more_key_heads_are_cut_off(q, k, v, mask=None):
    """Refuses what does not divide, but not more key-value heads than query heads."""
    if q.shape[1] > k.shape[1] and q.shape[1] % k.shape[1]:
        raise ValueError(f"{q.shape[1]} heads")
    group = max(1, q.shape[1] // k.shape[1])
    k, v = (x[:, : q.shape[1]].repeat_interleave(group, 1) for x in (k, v))
    return attend(q, k, v, mask)


@wrong("does not raise the error that the task asks for")
def only_fewer_query_heads_are_refused(q, k, v, mask=None):
    if q.shape[1] < k.shape[1]:
        raise ValueError("there are more key-value heads than query heads")
    group = -(-q.shape[1] // k.shape[1])
    k, v = (x.repeat_interleave(group, 1)[:, : q.shape[1]] for x in (k, v))
    return attend(q, k, v, mask)


@wrong("does not raise the error that the task asks for")
def leaves_the_error_to_torch(q, k, v, mask=None):
    group = q.shape[1] // k.shape[1]
    return attend(q, k.repeat_interleave(group, 1), v.repeat_interleave(group, 1), mask)


@wrong("does not raise the error that the task asks for")
def an_assertion(q, k, v, mask=None):
    assert q.shape[1] % k.shape[1] == 0, "heads"
    return leaves_the_error_to_torch(q, k, v, mask)


@wrong("uses view on a tensor that does not lie in memory row by row")
def stacked_by_view(q, k, v, mask=None):
    (B, H_q, n, d), group = q.shape, group_of(q, k)
    if mask is not None:
        mask = mask.expand(B, H_q, n, k.shape[2]).reshape(B, k.shape[1], group * n, k.shape[2])
    return attend(q.view(B, k.shape[1], group * n, d), k, v, mask).view(B, H_q, n, d)
