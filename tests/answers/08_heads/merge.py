"""Right and wrong answers to heads.merge."""

import torch
from answers import right, wrong

# --- right, in different styles


@right
def transpose_and_reshape(x):
    B, heads, n, size = x.shape
    return x.transpose(1, 2).reshape(B, n, heads * size)


@right
def contiguous_then_view(x):
    return x.permute(0, 2, 1, 3).contiguous().view(x.shape[0], x.shape[2], -1)


@right
def concatenated(x):
    return torch.cat(list(x.unbind(dim=1)), dim=-1)


@right
def flattened(x):
    return x.movedim(1, 2).flatten(start_dim=2)


@right
def written_into_a_buffer(x):
    B, heads, n, size = x.shape
    out = x.new_zeros(B, n, heads * size)
    for h in range(heads):
        out[..., h * size : (h + 1) * size] = x[:, h]
    return out


@right
def einsum_with_an_identity(x):
    heads, size = x.shape[1], x.shape[3]
    own = torch.eye(heads * size, dtype=x.dtype).reshape(heads, size, -1)
    return torch.einsum("bhns,hsd->bnd", x, own)


@right
def channel_by_channel(x):
    heads, size = x.shape[1], x.shape[3]
    return torch.stack([x[:, c // size, :, c % size] for c in range(heads * size)], dim=-1)


@right
def advanced_indexing(x):
    channel = torch.arange(x.shape[1] * x.shape[3])
    return x[:, channel // x.shape[3], :, channel % x.shape[3]].permute(1, 2, 0)


@right
def token_by_token(x):
    return torch.stack([x[:, :, i].flatten(1) for i in range(x.shape[2])], dim=1)


@right
def each_sequence_on_its_own(x):
    return torch.stack([torch.hstack(tuple(heads)) for heads in x])


@right
def transposed_blocks(x):
    """Channels first, the blocks of rows joined, then back."""
    return x.transpose(2, 3).flatten(1, 2).transpose(1, 2)


# --- wrong, the way learners write it


@wrong("reshapes without bringing heads and channels together, which mixes tokens")
def only_reshape(x):
    return x.reshape(x.shape[0], x.shape[2], -1)


@wrong("reshapes without bringing heads and channels together, which mixes tokens")
def contiguous_but_not_transposed(x):
    B, heads, n, size = x.shape
    return x.contiguous().view(B, n, heads * size)


@wrong("deals the channels out in turn: first channel 0 of every head, then channel 1")
def stacked_last(x):
    return torch.stack(x.unbind(1), dim=-1).flatten(2)


@wrong("exchanges tokens and channels instead of heads and tokens")
def last_two_axes(x):
    return x.mT.reshape(x.shape[0], x.shape[2], -1)


@wrong("exchanges heads and channels instead of heads and tokens")
def first_and_last_axis(x):
    B, heads, n, size = x.shape
    return x.permute(0, 3, 2, 1).reshape(B, n, heads * size)


@wrong("adds the heads up")
def added(x):
    return sum(x.unbind(1))


@wrong("averages the heads")
def averaged(x):
    return x.mean(dim=1)


@wrong("sets the heads one behind the other along the tokens: (B, heads · n, d/heads)")
def along_the_tokens(x):
    return torch.cat(x.unbind(1), dim=1)


@wrong("moves the tokens to the front, but leaves heads and channels as two axes")
def not_flattened(x):
    return x.permute(0, 2, 1, 3).contiguous()


@wrong("joins the heads from the last to the first")
def reversed_heads(x):
    return torch.cat(x.unbind(1)[::-1], dim=-1)


@wrong("puts the tokens last: (B, heads · d/heads, n)")
def channels_before_tokens(x):
    return x.transpose(2, 3).flatten(1, 2)


@wrong("keeps the first head only")
def first_head(x):
    return x[:, 0, :, :]


@wrong("uses view on a tensor that does not lie in memory row by row")
def view_after_transpose(x):
    B, heads, n, size = x.shape
    return x.transpose(1, 2).view(B, n, heads * size)


@wrong("uses view on a tensor that does not lie in memory row by row")
def view_with_minus_one(x):
    return x.permute(0, 2, 1, 3).view(x.shape[0], x.shape[2], -1)


@wrong("mixes the sequences of a batch")
def tokens_before_batch(x):
    B, heads, n, size = x.shape
    return x.movedim(2, 0).reshape(B, n, heads * size)


@wrong("puts the tokens before the batch: (n, B, d)")
def sequence_first(x):
    return x.movedim(2, 0).flatten(2)


@wrong("is right except for non-contiguous inputs")
def reads_the_memory(x):
    B, heads, n, size = x.shape
    return x.as_strided((B, n, heads, size), (heads * n * size, size, n * size, 1)).flatten(2)


@wrong("is right except when heads = n > 1")
def a_square_is_left_as_it_is(x):
    B, heads, n, size = x.shape
    x = x if heads == n else x.transpose(1, 2)
    return x.reshape(B, n, heads * size)


@wrong("is right except when heads > …")
def two_heads_only(x):
    return torch.cat([x[:, 0], x[:, 1]], dim=-1) if x.shape[1] > 1 else x[:, 0]


@wrong("gives every sequence the heads of the first one")
def the_first_sequence_only(x):
    merged = x.transpose(1, 2).flatten(2)
    return merged[:1].expand_as(merged)


@wrong("returns a list or tuple instead of a float64 tensor")
def a_tuple_of_heads(x):
    return x.unbind(1)


@wrong("detaches the heads from the graph")
def through_numpy(x):
    B, heads, n, size = x.shape
    return torch.from_numpy(x.detach().numpy().swapaxes(1, 2).reshape(B, n, heads * size).copy())


@wrong("detaches the heads from the graph")
def data(x):
    return torch.cat(x.data.unbind(1), dim=-1) * 1


@wrong("loses precision: its float64 results are only as good as float32")
def float32_buffer(x):
    B, heads, n, size = x.shape
    out = torch.empty(B, n, heads * size)
    for h in range(heads):
        out[..., h * size : (h + 1) * size] = x[:, h]
    return out.to(x.dtype)


@wrong("loses precision: its float64 results are only as good as float32")
def float32_identity(x):
    heads, size = x.shape[1], x.shape[3]
    own = torch.eye(heads * size).reshape(heads, size, -1)
    return torch.einsum("bhns,hsd->bnd", x.float(), own).to(x.dtype)


@wrong("does not keep the dtype of its inputs")
def float32_everywhere(x):
    return x.transpose(1, 2).flatten(2).float()


@wrong("changes its input x in place")
def transposes_in_place(x):
    B, heads, n, size = x.shape
    out = x.transpose(1, 2).reshape(B, n, heads * size).clone()
    x.mul_(0)
    return out


@wrong("returns nothing")
def forgets_the_return(x):
    x.transpose(1, 2).flatten(2)


@wrong("returns the result of an earlier call")
def cached_by_shape(x, cache={}):  # noqa: B006 - a mutable default is the mistake
    key = x.shape, x.dtype
    if key not in cache:
        cache[key] = x.transpose(1, 2).flatten(2)
    return cache[key]


@wrong("has gradients that are 2 times the right ones")
def gradient_doubled(x):
    merged = x.transpose(1, 2).flatten(2)
    return merged + (merged - merged.detach())


@wrong("divides by the number of heads")
def mean_instead_of_concatenation(x):
    return torch.cat([head / x.shape[1] for head in x.unbind(1)], dim=-1)
