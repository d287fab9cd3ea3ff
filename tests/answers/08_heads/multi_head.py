"""Right and wrong answers to heads.multi_head: projections, heads, outputs."""

import math

import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it
from answers import right, wrong


def split(x, heads):
    """Right, the error included."""
    if x.shape[-1] % heads:
        raise ValueError(f"heads={heads} does not divide {x.shape[-1]}")
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def merge(x):
    """Right."""
    return x.transpose(1, 2).flatten(2)


def weights_of(scores, mask):
    """Right weights."""
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    return torch.softmax(scores, dim=-1).nan_to_num()


# --- right, in different styles


@right
def step_by_step(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    (B, n, d), m = x_q.shape, x_kv.shape[1]
    if d % heads:
        raise ValueError(f"heads={heads} must divide d={d}")
    size = d // heads
    q = (x_q @ W_q).reshape(B, n, heads, size).transpose(1, 2)
    k = (x_kv @ W_k).reshape(B, m, heads, size).transpose(1, 2)
    v = (x_kv @ W_v).reshape(B, m, heads, size).transpose(1, 2)
    scores = q @ k.transpose(2, 3) / size**0.5
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    weights = torch.nan_to_num(torch.softmax(scores, dim=-1))
    return (weights @ v).transpose(1, 2).reshape(B, n, d) @ W_o, weights


@right
def a_loop_over_heads_summed(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    """No split, no merge: each head has its columns of the projections and its rows of W_o."""
    B, n, d = x_q.shape
    if d % heads:
        raise ValueError("the number of heads must divide d")
    size, out, maps = d // heads, 0, []
    full = None if mask is None else mask.expand(B, heads, n, x_kv.shape[1])
    for h in range(heads):
        own = slice(h * size, (h + 1) * size)
        scores = (x_q @ W_q[:, own]) @ (x_kv @ W_k[:, own]).mT / math.sqrt(size)
        maps.append(weights_of(scores, None if full is None else full[:, h]))
        out = out + maps[-1] @ (x_kv @ W_v[:, own]) @ W_o[own]
    return out, torch.stack(maps, dim=1)


@right
def einsum_over_blocks_of_the_matrices(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    d = x_q.shape[-1]
    if d % heads:
        raise ValueError(f"{heads} heads for d = {d}")
    W_q, W_k, W_v = (W.view(d, heads, -1) if W.is_contiguous() else W.reshape(d, heads, -1) for W in (W_q, W_k, W_v))
    q = torch.einsum("bnd,dhe->bhne", x_q, W_q)
    k = torch.einsum("bmd,dhe->bhme", x_kv, W_k)
    v = torch.einsum("bmd,dhe->bhme", x_kv, W_v)
    weights = weights_of(torch.einsum("bhne,bhme->bhnm", q, k) * q.shape[-1] ** -0.5, mask)
    return torch.einsum("bhnm,bhme,hed->bnd", weights, v, W_o.reshape(heads, -1, d)), weights


@right
def linear_layers(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    q = split(F.linear(x_q, W_q.T), heads) * (heads / x_q.shape[-1]) ** 0.5
    k, v = (split(F.linear(x_kv, W.T), heads) for W in (W_k, W_v))
    weights = weights_of(torch.matmul(q, k.mT), mask)
    return F.linear(merge(torch.matmul(weights, v)), W_o.T), weights


@right
def heads_folded_into_the_batch(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    B = len(x_q)
    q, k, v = (split(x @ W, heads).flatten(0, 1) for x, W in ((x_q, W_q), (x_kv, W_k), (x_kv, W_v)))
    scores = torch.bmm(q, k.transpose(1, 2)) / math.sqrt(q.shape[-1])
    weights = weights_of(scores.unflatten(0, (B, heads)), mask)
    context = torch.bmm(weights.flatten(0, 1), v).unflatten(0, (B, heads))
    return merge(context) @ W_o, weights


@right
def keys_and_values_in_one_product(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    k, v = (x_kv @ torch.cat([W_k, W_v], dim=1)).chunk(2, dim=-1)
    q, k, v = split(x_q @ W_q, heads), split(k, heads), split(v, heads)
    scores = q @ k.mT / math.sqrt(k.shape[-1])
    seen = torch.ones_like(scores, dtype=torch.bool) if mask is None else mask.expand_as(scores)
    top = scores.masked_fill(~seen, -math.inf).amax(-1, keepdim=True).detach()
    e = torch.exp((scores - top.masked_fill(top == -math.inf, 0)).masked_fill(~seen, -math.inf))
    total = e.sum(-1, keepdim=True)
    weights = e / total.masked_fill(total == 0, 1)
    return merge(weights @ v) @ W_o, weights


@right
def context_from_the_fused_function(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    """torch's own function for the context, the weights from unit values; a finite fill, empty rows set to zero after."""
    q, k, v = split(x_q @ W_q, heads), split(x_kv @ W_k, heads), split(x_kv @ W_v, heads)
    unit = torch.eye(k.shape[2], dtype=k.dtype).expand(*k.shape[:2], -1, -1)
    seen = torch.ones(q.shape[2], k.shape[2], dtype=torch.bool) if mask is None else mask
    seen = seen.expand(*q.shape[:3], k.shape[2])
    some = seen.any(-1, keepdim=True)
    weights = F.scaled_dot_product_attention(q, k, unit, attn_mask=seen | ~some)
    weights = torch.where(some, weights, torch.zeros_like(weights))
    return merge(weights @ v) @ W_o, weights


@right
def heads_collected_in_lists(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    d = x_q.shape[-1]
    if d // heads * heads != d:
        raise ValueError(f"d = {d}, heads = {heads}")
    size = d // heads
    qs, ks, vs = ((x @ W).split(size, dim=-1) for x, W in ((x_q, W_q), (x_kv, W_k), (x_kv, W_v)))
    scores = torch.stack([q @ k.mT for q, k in zip(qs, ks, strict=True)], dim=1) / math.sqrt(size)
    scores = scores if mask is None else torch.where(mask, scores, -torch.inf)
    weights = torch.softmax(scores, -1)
    weights = torch.where(weights.isnan(), torch.zeros_like(weights), weights)
    return torch.cat([weights[:, h] @ v for h, v in enumerate(vs)], dim=-1) @ W_o, weights


@right
def scores_through_one_matrix_per_head(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    """What a head computes depends on two d × d matrices only: W_q W_kᵀ and W_v W_o of the head."""
    Q, K, V = (split(W[None], heads)[0] for W in (W_q, W_k, W_v))  # (heads, d, size)
    scores = x_q[:, None] @ (Q @ K.mT) @ x_kv[:, None].mT / math.sqrt(Q.shape[-1])
    weights = weights_of(scores, mask)
    return (weights @ (x_kv[:, None] @ (V @ W_o.unflatten(0, (heads, -1))))).sum(1), weights


@right
def each_sequence_on_its_own(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    masks = [None] * len(x_q)
    if mask is not None:
        masks = mask.expand(len(x_q), heads, x_q.shape[1], x_kv.shape[1])[:, None]
    parts = [
        step_by_step(x_q[i : i + 1], x_kv[i : i + 1], W_q, W_k, W_v, W_o, heads, own) for i, own in enumerate(masks)
    ]
    return torch.cat([out for out, _ in parts]), torch.cat([weights for _, weights in parts])


@right
def softmax_by_log_sum_exp(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    q, k, v = split(x_q @ W_q, heads), split(x_kv @ W_k, heads), split(x_kv @ W_v, heads)
    scores = q @ k.mT / math.sqrt(q.shape[-1])
    seen = torch.ones((), dtype=torch.bool) if mask is None else mask
    some = seen.expand(scores.shape).any(-1, keepdim=True)
    hidden = scores.masked_fill(~(seen | ~some), -math.inf)
    weights = torch.exp(hidden - hidden.logsumexp(-1, keepdim=True)) * some
    return merge(weights @ v) @ W_o, weights


# --- wrong, the way learners write it


def attend(q, k, v, W_o, mask=None, scale=None):
    """Right from the split heads on, but for the scale."""
    weights = weights_of(q @ k.mT / (math.sqrt(q.shape[-1]) if scale is None else scale), mask)
    return merge(weights @ v) @ W_o, weights


@wrong("splits by a reshape alone, which mixes tokens and channels")
def view_without_transpose(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    B, n, d = x_q.shape
    split(x_q, heads)
    q, k, v = ((x @ W).view(B, heads, x.shape[1], d // heads) for x, W in ((x_q, W_q), (x_kv, W_k), (x_kv, W_v)))
    weights = weights_of(q @ k.mT / math.sqrt(d // heads), mask)
    return (weights @ v).reshape(B, n, d) @ W_o, weights


@wrong("splits by a reshape alone, which mixes tokens and channels")
def view_without_transpose_but_merged_right(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    B, _, d = x_q.shape
    split(x_q, heads)
    q, k, v = ((x @ W).reshape(B, heads, -1, d // heads) for x, W in ((x_q, W_q), (x_kv, W_k), (x_kv, W_v)))
    return attend(q, k, v, W_o, mask)


@wrong("merges the heads by a reshape alone, which mixes tokens and channels")
def merge_without_transpose(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    q, k, v = split(x_q @ W_q, heads), split(x_kv @ W_k, heads), split(x_kv @ W_v, heads)
    weights = weights_of(q @ k.mT / math.sqrt(q.shape[-1]), mask)
    return (weights @ v).reshape(x_q.shape) @ W_o, weights


@wrong("uses view on a tensor that does not lie in memory row by row")
def merge_with_view(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    q, k, v = split(x_q @ W_q, heads), split(x_kv @ W_k, heads), split(x_kv @ W_v, heads)
    weights = weights_of(q @ k.mT / math.sqrt(q.shape[-1]), mask)
    return (weights @ v).transpose(1, 2).view(x_q.shape) @ W_o, weights


@wrong("deals the channels out in turn: head h gets the channels h, h + heads, …")
def interleaved(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    split(x_q, heads)
    q, k, v = (
        torch.stack([(x @ W)[..., h::heads] for h in range(heads)], dim=1)
        for x, W in ((x_q, W_q), (x_kv, W_k), (x_kv, W_v))
    )
    return attend(q, k, v, W_o, mask)


@wrong("deals the channels out in turn: head h gets the channels h, h + heads, …")
def interleaved_both_ways(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    split(x_q, heads)
    q, k, v = (
        (x @ W).unflatten(-1, (-1, heads)).permute(0, 3, 1, 2) for x, W in ((x_q, W_q), (x_kv, W_k), (x_kv, W_v))
    )
    weights = weights_of(q @ k.mT / math.sqrt(q.shape[-1]), mask)
    return (weights @ v).permute(0, 2, 3, 1).flatten(2) @ W_o, weights


@wrong("merges the heads channel by channel instead of head by head")
def merged_channel_by_channel(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    q, k, v = split(x_q @ W_q, heads), split(x_kv @ W_k, heads), split(x_kv @ W_v, heads)
    weights = weights_of(q @ k.mT / math.sqrt(q.shape[-1]), mask)
    return torch.stack((weights @ v).unbind(1), dim=-1).flatten(2) @ W_o, weights


@wrong("scales by √d instead of √(d/heads)")
def scale_of_the_model(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    q, k, v = split(x_q @ W_q, heads), split(x_kv @ W_k, heads), split(x_kv @ W_v, heads)
    return attend(q, k, v, W_o, mask, math.sqrt(x_q.shape[-1]))


@wrong("leaves out the scale")
def no_scale(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    q, k, v = split(x_q @ W_q, heads), split(x_kv @ W_k, heads), split(x_kv @ W_v, heads)
    return attend(q, k, v, W_o, mask, 1.0)


@wrong("divides by d/heads instead of its square root")
def no_root(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    q, k, v = split(x_q @ W_q, heads), split(x_kv @ W_k, heads), split(x_kv @ W_v, heads)
    return attend(q / q.shape[-1], k, v, W_o, mask, 1.0)


@wrong("scales by √heads")
def scale_from_the_wrong_axis(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    q, k, v = split(x_q @ W_q, heads), split(x_kv @ W_k, heads), split(x_kv @ W_v, heads)
    return attend(q, k, v, W_o, mask, math.sqrt(q.shape[1]))


@wrong("takes the scale from the number of keys")
def scale_from_the_keys(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    q, k, v = split(x_q @ W_q, heads), split(x_kv @ W_k, heads), split(x_kv @ W_v, heads)
    return attend(q, k, v, W_o, mask, x_kv.shape[1] ** 0.5)


@wrong("uses every matrix transposed, x @ W.T")
def linear_without_transposing(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    q, k, v = (split(F.linear(x, W), heads) for x, W in ((x_q, W_q), (x_kv, W_k), (x_kv, W_v)))
    return attend(q, k, v, W_o.T, mask)


@wrong("uses the input projections transposed, x @ W.T")
def inputs_transposed(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    q, k, v = (split(x @ W.mT, heads) for x, W in ((x_q, W_q), (x_kv, W_k), (x_kv, W_v)))
    return attend(q, k, v, W_o, mask)


@wrong("uses W_o transposed")
def output_transposed(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    q, k, v = split(x_q @ W_q, heads), split(x_kv @ W_k, heads), split(x_kv @ W_v, heads)
    return attend(q, k, v, W_o.T, mask)


@wrong("leaves out W_o")
def no_output_projection(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    q, k, v = split(x_q @ W_q, heads), split(x_kv @ W_k, heads), split(x_kv @ W_v, heads)
    weights = weights_of(q @ k.mT / math.sqrt(q.shape[-1]), mask)
    return merge(weights @ v), weights


@wrong("mixes x_kv itself: W_v is left out")
def values_not_projected(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    return attend(split(x_q @ W_q, heads), split(x_kv @ W_k, heads), split(x_kv, heads), W_o, mask)


@wrong("gives every head only its own part of the token: the input is split before it is projected")
def input_split_first(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    size = x_q.shape[-1] // heads
    parts_q, parts_kv = split(x_q, heads), split(x_kv, heads)

    def own(W):
        return torch.stack([W[h * size : (h + 1) * size, h * size : (h + 1) * size] for h in range(heads)])

    return attend(parts_q @ own(W_q), parts_kv @ own(W_k), parts_kv @ own(W_v), W_o, mask)


@wrong("mixes the keys instead of the values")
def keys_for_values(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    q, k = split(x_q @ W_q, heads), split(x_kv @ W_k, heads)
    return attend(q, k, k, W_o, mask)


@wrong("projects the queries with W_k and the keys with W_q")
def matrices_swapped(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    return attend(split(x_q @ W_k, heads), split(x_kv @ W_q, heads), split(x_kv @ W_v, heads), W_o, mask)


@wrong("projects the keys with W_q too")
def one_matrix_for_queries_and_keys(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    return attend(split(x_q @ W_q, heads), split(x_kv @ W_q, heads), split(x_kv @ W_v, heads), W_o, mask)


@wrong("takes keys and values from x_q: attends to itself")
def self_attention(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    q, k, v = (split(x_q @ W, heads) for W in (W_q, W_k, W_v))
    return attend(q, k, v, W_o, mask)


@wrong("takes the keys from x_q")
def keys_from_the_asker(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    return attend(split(x_q @ W_q, heads), split(x_q @ W_k, heads), split(x_kv @ W_v, heads), W_o, mask)


@wrong("takes the values from x_q")
def values_from_the_asker(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    return attend(split(x_q @ W_q, heads), split(x_kv @ W_k, heads), split(x_q @ W_v, heads), W_o, mask)


@wrong("takes the queries from x_kv, and keys and values from x_q")
def roles_exchanged(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    return step_by_step(x_kv, x_q, W_q, W_k, W_v, W_o, heads, mask)


@wrong("averages the weights over the heads, as torch's module does unless it is told not to")
def averaged_weights(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    out, weights = step_by_step(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask)
    return out, weights.sum(dim=1) / heads


@wrong("computes one head over all features, whatever heads is")
def heads_ignored(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    split(x_q, heads)
    own = mask if mask is None or mask.ndim < 3 else mask[..., :1, :, :]
    out, weights = step_by_step(x_q, x_kv, W_q, W_k, W_v, W_o, 1, own)
    return out, weights.repeat(1, heads, 1, 1)


@wrong("adds x_q to the output")
def with_residual(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    out, weights = step_by_step(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask)
    return x_q + out, weights


@wrong("returns the output without the weights")
def output_only(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    return step_by_step(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask)[0]


@wrong("returns the weights first and the output second")
def weights_first(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    out, weights = step_by_step(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask)
    return weights, out


@wrong("does not raise the error that the task asks for")
def truncates_what_is_left_over(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    B, size = len(x_q), x_q.shape[-1] // heads
    q, k, v = (
        (x @ W)[..., : size * heads].reshape(B, x.shape[1], heads, size).transpose(1, 2)
        for x, W in ((x_q, W_q), (x_kv, W_k), (x_kv, W_v))
    )
    weights = weights_of(q @ k.mT / math.sqrt(max(size, 1)), mask)
    return merge(weights @ v) @ W_o[: size * heads], weights


@wrong("does not raise the error that the task asks for")
def leaves_the_error_to_reshape(x_q, x_kv, W_q, W_k, W_v, W_o, heads, mask=None):
    q, k, v = ((x @ W).unflatten(-1, (heads, -1)).transpose(1, 2) for x, W in ((x_q, W_q), (x_kv, W_k), (x_kv, W_v)))
    return attend(q, k, v, W_o, mask)
