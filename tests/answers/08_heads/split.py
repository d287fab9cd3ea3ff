"""Right and wrong answers to heads.split."""

import torch
from answers import right, wrong


def checked(x, heads):
    """The error, right: most answers below get that part right."""
    if x.shape[-1] % heads != 0:
        raise ValueError(f"d = {x.shape[-1]} channels cannot be split into {heads} heads")
    return x.shape[-1] // heads


# --- right, in different styles


@right
def reshape_and_transpose(x, heads):
    B, n, d = x.shape
    if d % heads:
        raise ValueError(f"heads={heads} must divide d={d}")
    return x.reshape(B, n, heads, d // heads).transpose(1, 2)


@right
def unflatten(x, heads):
    size = checked(x, heads)
    return x.unflatten(-1, (heads, size)).movedim(2, 1).contiguous()


@right
def chunks_stacked(x, heads):
    checked(x, heads)
    return torch.stack(torch.chunk(x, heads, dim=2), dim=1)


@right
def slices_in_a_loop(x, heads):
    size = checked(x, heads)
    out = x.new_empty(x.shape[0], heads, x.shape[1], size)
    for h in range(heads):
        out[:, h] = x[:, :, h * size : (h + 1) * size]
    return out


@right
def every_number_on_its_own(x, heads):
    size = checked(x, heads)
    channel = torch.arange(heads)[:, None] * size + torch.arange(size)  # (heads, size)
    return x[:, :, channel].permute(0, 2, 1, 3)


@right
def unfolded_windows(x, heads):
    """Windows of d/heads channels that do not overlap."""
    size = checked(x, heads)
    return x.unfold(-1, size, size).transpose(-3, -2)


@right
def einsum_with_an_identity(x, heads):
    size = checked(x, heads)
    own = torch.eye(x.shape[-1], dtype=x.dtype).reshape(-1, heads, size)
    return torch.einsum("bnd,dhs->bhns", x, own)


@right
def as_strided_on_a_copy(x, heads):
    """Strides written by hand, on memory of its own."""
    size, (B, n, d) = checked(x, heads), x.shape
    return x.contiguous().as_strided((B, heads, n, size), (n * d, size, d, 1))


@right
def gather_with_an_index(x, heads):
    size, (B, n, _) = checked(x, heads), x.shape
    index = torch.arange(heads * size).reshape(1, heads, 1, size).expand(B, heads, n, size)
    return torch.gather(x.unsqueeze(1).expand(-1, heads, -1, -1), 3, index)


@right
def by_way_of_the_transpose(x, heads):
    """Channels first: then the channels of a head are whole blocks of rows."""
    size, (B, n, _) = checked(x, heads), x.shape
    return x.transpose(1, 2).reshape(B, heads, size, n).transpose(2, 3)


@right
def error_raised_by_an_inner_function(x, heads):
    def size_of(d):
        if heads * (d // heads) != d:
            raise ValueError("the number of heads must divide d")
        return d // heads

    return torch.cat([part[:, None] for part in x.split(size_of(x.shape[2]), dim=2)], dim=1)


# --- wrong, the way learners write it


@wrong("reshapes straight to (B, heads, n, d/heads), which mixes tokens and channels")
def straight_to_the_shape(x, heads):
    return x.reshape(x.shape[0], heads, x.shape[1], checked(x, heads))


@wrong("reshapes straight to (B, heads, n, d/heads), which mixes tokens and channels")
def straight_with_minus_one(x, heads):
    checked(x, heads)
    return x.contiguous().view(x.shape[0], heads, -1, x.shape[2] // heads)


@wrong("deals the channels out in turn: head h gets the channels h, h + heads, …")
def every_heads_th_channel(x, heads):
    checked(x, heads)
    return torch.stack([x[:, :, h::heads] for h in range(heads)], dim=1)


@wrong("leaves the heads behind the tokens: (B, n, heads, d/heads)")
def no_transpose(x, heads):
    return x.unflatten(2, (heads, checked(x, heads)))


@wrong("puts the tokens last: (B, heads, d/heads, n), as keys are used later")
def transposed_like_keys(x, heads):
    return x.transpose(1, 2).reshape(x.shape[0], heads, checked(x, heads), x.shape[1])


@wrong("puts the heads before the batch")
def heads_first(x, heads):
    checked(x, heads)
    return torch.stack(x.chunk(heads, dim=-1))


@wrong("folds the heads into the batch: (B · heads, n, d/heads)")
def one_large_batch(x, heads):
    B, n, _ = x.shape
    return x.reshape(B, n, heads, checked(x, heads)).transpose(1, 2).reshape(B * heads, n, -1)


@wrong("folds the heads into the batch: (B · heads, n, d/heads)")
def concatenated_heads(x, heads):
    size = checked(x, heads)
    return torch.cat([x[b : b + 1, :, h * size : (h + 1) * size] for b in range(len(x)) for h in range(heads)])


@wrong("splits the tokens instead of the channels")
def chunks_of_tokens(x, heads):
    checked(x, heads)
    return torch.stack(x.tensor_split(heads, dim=1), dim=1) if x.shape[1] % heads == 0 else x.view(0, -1, 7)


@wrong("transposes first and reshapes then, which mixes tokens and channels")
def transpose_too_early(x, heads):
    B, n, _ = x.shape
    return x.mT.reshape(B, heads, n, checked(x, heads))


@wrong("gives every head the whole token")
def repeats_the_token(x, heads):
    checked(x, heads)
    return x.unsqueeze(1).repeat(1, heads, 1, 1)


@wrong("takes the number of heads for the size of a head")
def sizes_swapped(x, heads):
    B, n, d = x.shape
    checked(x, heads)
    return x.reshape(B, n, d // heads, heads).transpose(1, 2)


@wrong("numbers the heads from the end")
def heads_reversed(x, heads):
    checked(x, heads)
    return torch.stack(x.chunk(heads, dim=-1)[::-1], dim=1)


@wrong("gives the first head only")
def the_first_chunk(x, heads):
    return x[:, :, : checked(x, heads)]


@wrong("returns a list or tuple instead of a float64 tensor")
def a_list_of_heads(x, heads):
    checked(x, heads)
    return list(x.chunk(heads, dim=-1))


@wrong("does not raise the error that the task asks for")
def truncates(x, heads):
    B, n, d = x.shape
    size = d // heads
    return x[:, :, : size * heads].reshape(B, n, heads, size).transpose(1, 2)


@wrong("does not raise the error that the task asks for")
def leaves_the_error_to_reshape(x, heads):
    B, n, d = x.shape
    return x.reshape(B, n, heads, d // heads).transpose(1, 2)


@wrong("does not raise the error that the task asks for")
def an_assertion(x, heads):
    assert x.shape[2] % heads == 0, "heads must divide d"
    return x.unflatten(2, (heads, -1)).transpose(1, 2)


@wrong("does not raise the error that the task asks for")
def an_error_without_the_culprit(x, heads):
    if x.shape[2] % heads:
        raise ValueError("bad size")
    return x.unflatten(2, (heads, -1)).transpose(1, 2)


@wrong("does not raise the error that the task asks for")
def pads_with_zeros(x, heads):
    x = torch.nn.functional.pad(x, (0, -x.shape[2] % heads))
    return x.unflatten(2, (heads, -1)).transpose(1, 2)


@wrong("does not raise the error that the task asks for")
def only_too_many_heads_are_refused(x, heads):
    B, n, d = x.shape
    if heads > d:
        raise ValueError(f"{heads} heads are more than d = {d} channels")
    return x[..., : d // heads * heads].reshape(B, n, heads, -1).transpose(1, 2)


@wrong("does not raise the error that the task asks for")
def only_odd_sizes_are_refused(x, heads):
    """Looks at the number of all entries, as reshape does."""
    B, n, d = x.shape
    if (n * d) % heads:
        raise ValueError(f"{heads} heads")
    size = d // heads
    return x[..., : size * heads].reshape(B, n, heads, size).transpose(1, 2)


@wrong("uses view on a tensor that does not lie in memory row by row")
def a_view(x, heads):
    B, n, _ = x.shape
    return x.view(B, n, heads, checked(x, heads)).transpose(1, 2) if x.is_contiguous() else x.mT.view(-1)


@wrong("is right except for non-contiguous inputs")
def reads_the_memory(x, heads):
    """Strides of a contiguous tensor, whatever x has."""
    size, (B, n, d) = checked(x, heads), x.shape
    return x.as_strided((B, heads, n, size), (n * d, size, d, 1))


@wrong("is right except when heads = n > 1")
def a_square_is_left_as_it_is(x, heads):
    """Wants to spare the transpose where the shape is already right."""
    B, n, _ = x.shape
    split = x.reshape(B, n, heads, checked(x, heads))
    return split if split.shape[1] == heads else split.transpose(1, 2)


@wrong("detaches the heads from the graph")
def through_numpy(x, heads):
    size, (B, n, _) = checked(x, heads), x.shape
    return torch.tensor(x.detach().numpy().reshape(B, n, heads, size).swapaxes(1, 2))


@wrong("detaches the heads from the graph")
def with_no_grad(x, heads):
    checked(x, heads)
    with torch.no_grad():
        return torch.stack(x.chunk(heads, dim=2), dim=1) * 1


@wrong("loses precision: its float64 results are only as good as float32")
def buffer_in_float32(x, heads):
    size = checked(x, heads)
    out = torch.zeros(x.shape[0], heads, x.shape[1], size)
    for h in range(heads):
        out[:, h] = x[:, :, h * size : (h + 1) * size]
    return out.to(x.dtype)


@wrong("loses precision: its float64 results are only as good as float32")
def matrix_in_float32(x, heads):
    own = torch.eye(x.shape[-1]).reshape(-1, heads, checked(x, heads))
    return torch.einsum("bnd,dhs->bhns", x.float(), own).to(x.dtype)


@wrong("does not keep the dtype of its inputs")
def always_float64(x, heads):
    return x.double().unflatten(2, (heads, checked(x, heads))).transpose(1, 2)


@wrong("changes its input x in place")
def sorts_the_heads_of_the_input(x, heads):
    size = checked(x, heads)
    out = x.clone().unflatten(2, (heads, size)).transpose(1, 2)
    x.zero_()
    return out


@wrong("returns nothing")
def prints_the_shape(x, heads):
    print(x.unflatten(2, (heads, checked(x, heads))).transpose(1, 2).shape)


@wrong("returns the result of an earlier call")
def cached_by_shape(x, heads, cache={}):  # noqa: B006 - a mutable default is the mistake
    key = x.shape, heads, x.dtype
    if key not in cache:
        cache[key] = x.unflatten(2, (heads, checked(x, heads))).transpose(1, 2)
    return cache[key]


@wrong("is right except when heads > …")
def at_most_four_heads(x, heads):
    size = checked(x, heads)
    out = x.new_zeros(x.shape[0], heads, x.shape[1], size)
    for h in range(min(heads, 4)):
        out[:, h] = x[:, :, h * size : (h + 1) * size]
    return out


@wrong("gives every sequence the heads of the first one")
def the_first_sequence_for_all(x, heads):
    split = x.unflatten(2, (heads, checked(x, heads))).transpose(1, 2)
    return split[:1].expand_as(split)


@wrong("mixes the sequences of a batch")
def tokens_read_as_batch(x, heads):
    B, n, _ = x.shape
    return x.reshape(n, B, heads, checked(x, heads)).permute(1, 2, 0, 3)


@wrong("has gradients that are 2 times the right ones")
def gradient_doubled(x, heads):
    split = x.unflatten(2, (heads, checked(x, heads))).transpose(1, 2)
    return split + (split - split.detach())
