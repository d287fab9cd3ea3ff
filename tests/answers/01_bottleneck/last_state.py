"""Right and wrong answers to bottleneck.last_state."""

import torch
from answers import right, wrong
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

# --- right, in different styles


@right
def two_index_vectors(h, lengths):
    return h[torch.arange(h.shape[0]), lengths - 1]


@right
def gather_along_the_steps(h, lengths):
    index = (lengths - 1)[:, None, None].expand(-1, 1, h.shape[-1])
    return h.gather(1, index).squeeze(1)


@right
def loop_and_stack(h, lengths):
    return torch.stack([row[int(n) - 1] for row, n in zip(h, lengths, strict=True)])


@right
def one_hot_selection(h, lengths):
    steps = torch.arange(h.shape[1])
    return torch.where((steps == lengths[:, None] - 1)[:, :, None], h, torch.zeros_like(h)).sum(1)


@right
def one_hot_product(h, lengths):
    chosen = torch.nn.functional.one_hot(lengths - 1, h.shape[1]).to(h.dtype)
    return torch.einsum("bt,bth->bh", chosen, h)


@right
def flat_index(h, lengths):
    batch, steps, width = h.shape
    return h.reshape(batch * steps, width)[torch.arange(batch) * steps + lengths - 1]


@right
def take_along_dim(h, lengths):
    return torch.take_along_dim(h, (lengths - 1).view(-1, 1, 1), dim=1)[:, 0]


@right
def boolean_mask(h, lengths):
    return h[torch.arange(h.shape[1]) == (lengths - 1)[:, None]]


@right
def packed(h, lengths):
    """The last steps of a packed batch, put back into the batch's order."""
    data, sizes, order, back = pack_padded_sequence(h, lengths, batch_first=True, enforce_sorted=False)
    starts = torch.cat([torch.zeros(1, dtype=torch.int64), sizes.cumsum(0)])
    return torch.stack([data[starts[int(lengths[order[i]]) - 1] + i] for i in range(len(order))])[back]


# --- wrong, the way learners write it


@wrong("takes the state at the last step of the padded batch, h[:, -1]")
def ignores_the_lengths(h, lengths):
    return h[:, -1, :]


@wrong("takes the state at the last step of the padded batch, h[:, -1]")
def unpacks_the_time_axis(h, lengths):
    *_, final = h.unbind(1)
    return final


@wrong("takes the step before the last one, and for length 1 wraps around to the end")
def two_off(h, lengths):
    return h[torch.arange(len(h)), lengths - 2]


@wrong("takes the step before the last one")
def counts_the_end_mark(h, lengths):
    return torch.stack([row[max(int(n) - 2, 0)] for row, n in zip(h, lengths, strict=True)])


@wrong("takes the first step of the padding")
def clamped(h, lengths):
    index = lengths.clamp(max=h.shape[1] - 1)[:, None, None].expand(-1, 1, h.shape[-1])
    return h.gather(1, index)[:, 0]


@wrong("indexes with the length itself, which runs off the end of a full sequence")
def off_by_one(h, lengths):
    return h[range(len(h)), lengths]


@wrong("takes the first state")
def first(h, lengths):
    return h[:, 0, :]


@wrong("counts the length from the end, as if the padding stood on the left")
def from_the_end(h, lengths):
    return h[torch.arange(h.size(0)), -lengths]


@wrong("uses one length for all sequences")
def the_longest(h, lengths):
    return h[:, lengths.max() - 1]


@wrong("uses one length for all sequences")
def the_first_ones(h, lengths):
    return h[:, lengths[0].item() - 1]


@wrong("pairs every sequence with every length: the result has one axis too many")
def index_select(h, lengths):
    return h.index_select(1, lengths - 1)


@wrong("keeps the step axis with size 1")
def gather_without_squeeze(h, lengths):
    return h.gather(1, (lengths - 1)[:, None, None].expand(-1, 1, h.shape[-1]))


@wrong("adds up the real states")
def masked_sum(h, lengths):
    return torch.stack([row[: int(n)].sum(0) for row, n in zip(h, lengths, strict=True)])


@wrong("takes the mean of the real states")
def masked_mean(h, lengths):
    return torch.stack([row[: int(n)].mean(0) for row, n in zip(h, lengths, strict=True)])


@wrong("takes the largest entry over the steps")
def max_pooling(h, lengths):
    return h.max(dim=1).values


@wrong("mixes up the batch axis and the time axis")
def time_first(h, lengths):
    return h[lengths - 1, torch.arange(len(lengths))]


@wrong("takes the last state that is not zero")
def until_the_zeros(h, lengths):
    rows = []
    for row in h:
        used = row.abs().sum(-1).nonzero()
        rows.append(row[int(used[-1])] if len(used) else row[0])
    return torch.stack(rows)


@wrong("sorts the batch by length and does not undo it")
def sorted_for_packing(h, lengths):
    lengths, order = torch.sort(lengths, descending=True, stable=True)
    return h[order].gather(1, (lengths - 1)[:, None, None].expand(-1, 1, h.shape[-1])).squeeze(1)


@wrong("detaches the state, so that the encoder gets no gradient")
def through_numpy(h, lengths):
    return torch.from_numpy(h.detach().numpy()[range(len(h)), lengths.numpy() - 1])


@wrong("detaches the state, so that the encoder gets no gradient")
def copies_values(h, lengths):
    return torch.tensor([row[int(n) - 1].tolist() for row, n in zip(h, lengths, strict=True)], dtype=h.dtype)


@wrong("changes its input lengths in place")
def counts_down_in_place(h, lengths):
    lengths -= 1
    return h[torch.arange(len(h)), lengths]


@wrong("changes its input h in place")
def clears_the_padding(h, lengths):
    h[torch.arange(h.shape[1]) >= lengths[:, None]] = 0.0
    return h[torch.arange(len(h)), lengths - 1]


@wrong("is right except when B = 1")
def squeezes_everything(h, lengths):
    state = h[torch.arange(len(h)), lengths - 1]
    return state.squeeze(0) if len(h) == 1 else state


@wrong("has gradients that are 2 times the right ones")
def doubled(h, lengths):
    state = h[torch.arange(len(h)), lengths - 1]
    return 2 * state - state.detach()


@wrong("does not keep the dtype of its inputs")
def one_hot_as_float32(h, lengths):
    chosen = torch.nn.functional.one_hot(lengths - 1, h.shape[1]).float()
    return (chosen[:, :, None] * h.float()).sum(1)


@wrong("returns nothing")
def prints(h, lengths):
    print(h[torch.arange(len(h)), lengths - 1])


@wrong("gives another result the second time it is called")
def remembers_the_batch(h, lengths, seen=[]):  # noqa: B006 - a mutable default is the mistake
    seen.append(None)
    return h[torch.arange(len(h)), (lengths - len(seen)) % h.shape[1]]


@wrong(None, why="reads a position of the batch's mean length; no report knows that one")
def the_mean_length(h, lengths):
    return h[:, int(lengths.double().mean()) - 1]


@wrong("packs without enforce_sorted=False, which needs the longest sequence first")
def packed_as_it_comes(h, lengths):
    states, ends = pad_packed_sequence(pack_padded_sequence(h, lengths, batch_first=True), batch_first=True)
    return states[torch.arange(len(h)), ends - 1]


@wrong("reads all lengths from the first sequence")
def first_row_of_all_pairs(h, lengths):
    return h[:, lengths - 1][0]
