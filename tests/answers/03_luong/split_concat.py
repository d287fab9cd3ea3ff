"""Right and wrong answers to luong.split_concat."""

import torch
from answers import right, wrong

# --- right, in different styles


@right
def slices(W, d_t):
    return W[:, :d_t], W[:, d_t:]


@right
def torch_split(W, d_t):
    return W.split([d_t, W.shape[1] - d_t], dim=1)


@right
def tensor_split_as_a_list(W, d_t):
    return list(torch.tensor_split(W, [d_t], dim=-1))


@right
def narrow_and_copy(W, d_t):
    return W.narrow(1, 0, d_t).clone(), W.narrow(1, d_t, W.size(1) - d_t).clone()


@right
def products_with_unit_columns(W, d_t):
    eye = torch.eye(W.shape[1], dtype=W.dtype)
    return W @ eye[:, :d_t], W @ eye[:, d_t:]


@right
def column_by_column(W, d_t):
    columns = W.unbind(1)
    return torch.stack(columns[:d_t], 1), torch.stack(columns[d_t:], 1)


@right
def index_select(W, d_t):
    index = torch.arange(W.shape[1])
    return W[:, index < d_t], W[:, index >= d_t]


# --- wrong, the way learners write it


@wrong("returns the blocks in the wrong order")
def source_block_first(W, d_t):
    W_h, W_s = W.split([d_t, W.shape[1] - d_t], 1)
    return W_s, W_h


@wrong("splits the rows instead of the columns")
def split_without_dim(W, d_t):
    return W[:d_t, :], W[d_t:, :]


@wrong("splits in the middle, whatever d_t is")
def chunked(W, d_t):
    half = W.shape[1] // 2
    return W[:, :half], W[:, half:]


@wrong("takes the last d_t columns for h")
def counted_from_the_end(W, d_t):
    return W[:, W.shape[1] - d_t :], W[:, : W.shape[1] - d_t]


@wrong("gives d_t columns to h_s instead of to h")
def d_t_is_taken_for_d_s(W, d_t):
    d = W.shape[1] - d_t
    return W[:, :d], W[:, d:]


@wrong("leaves out a column between the blocks")
def off_by_one(W, d_t):
    return W[:, :d_t], W[:, 1 + d_t :]


@wrong("gives one column to both blocks")
def off_by_one_the_other_way(W, d_t):
    return W[:, :d_t], W[:, max(d_t - 1, 0) :]


@wrong("cuts one column too early")
def last_index_included(W, d_t):
    return W[:, 0 : d_t - 1], W[:, d_t - 1 :]


@wrong("returns both blocks transposed")
def ready_for_batch_rows(W, d_t):
    return W.T[:d_t], W.T[d_t:]


@wrong("deals the columns out in turn")
def interleaved(W, d_t):
    return W[:, 0::2], W[:, 1::2]


@wrong("detaches the blocks, so that W never learns")
def through_data(W, d_t):
    return W.data[:, :d_t], W.data[:, d_t:]


@wrong("detaches the blocks, so that W never learns")
def wrapped_as_parameters(W, d_t):
    return torch.nn.Parameter(W[:, :d_t].detach()), torch.nn.Parameter(W[:, d_t:].detach())


@wrong("keeps the full width, with zeros in the other block's place")
def masked(W, d_t):
    mine = torch.arange(W.shape[1]) < d_t
    return W * mine, W * ~mine


@wrong("changes its input W in place")
def zeroes_what_it_took(W, d_t):
    W_h = W[:, :d_t].clone()
    W[:, :d_t] = 0
    return W_h, W[:, d_t:]


@wrong("returns a float64 tensor instead of a list or tuple")
def only_the_first(W, d_t):
    return W[:, :d_t]


@wrong("returns nothing")
def prints_the_shapes(W, d_t):
    print(W[:, :d_t].shape, W[:, d_t:].shape)


@wrong("does not keep the dtype of its inputs")
def single_precision(W, d_t):
    return W[:, :d_t].float(), W[:, d_t:].float()


@wrong("returns the result of an earlier call")
def remembers_by_shape(W, d_t, seen={}):  # noqa: B006 - a mutable default is the mistake
    return seen.setdefault((tuple(W.shape), d_t, W.dtype), (W[:, :d_t] * 1, W[:, d_t:] * 1))


@wrong("is right except for non-contiguous inputs")
def reads_memory_row_by_row(W, d_t):
    rows = torch.as_strided(W, W.shape, (W.shape[1], 1))
    return rows[:, :d_t], rows[:, d_t:]
