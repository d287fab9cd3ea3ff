"""Right and wrong answers to masks.padding."""

import numpy as np
import torch
from answers import right, wrong

# --- right, in different styles


@right
def compare_with_a_column(lengths, n):
    return torch.arange(n) < lengths[:, None, None]


@right
def unsqueezed_twice(lengths, n):
    return torch.arange(n)[None, :].lt(lengths.unsqueeze(1)).unsqueeze(1)


@right
def slices_set_one_by_one(lengths, n):
    mask = torch.zeros(len(lengths), 1, n, dtype=torch.bool)
    for b, length in enumerate(lengths.tolist()):
        mask[b, :, :length] = True
    return mask


@right
def nested_lists(lengths, n):
    return torch.tensor([[[j < length for j in range(n)]] for length in lengths.tolist()])


@right
def not_at_least(lengths, n):
    return ~(torch.arange(n).expand(len(lengths), 1, n) >= lengths.view(-1, 1, 1))


@right
def rows_of_a_triangle(lengths, n):
    return torch.ones(n + 1, n).tril(-1).bool()[lengths][:, None]


@right
def cumulative_count(lengths, n):
    return torch.ones(len(lengths), 1, n, dtype=torch.int64).cumsum(-1) <= lengths[:, None, None]


@right
def one_hot_ends(lengths, n):
    ends = torch.nn.functional.one_hot(lengths, n + 1)[:, :n]
    return (ends.cumsum(1) == 0)[:, None]


@right
def numpy_inside(lengths, n):
    return torch.from_numpy(np.arange(n)[None, None, :] < lengths.numpy()[:, None, None])


@right
def padded_sequences(lengths, n):
    ones = [torch.ones(int(k), dtype=torch.bool) for k in lengths] + [torch.ones(n, dtype=torch.bool)]
    return torch.nn.utils.rnn.pad_sequence(ones, batch_first=True)[:-1, None]


@right
def subtract_and_look_at_the_sign(lengths, n):
    return (lengths[:, None, None] - torch.arange(n)).sign() == 1


# --- wrong, the way learners write it

WRONG_WAY = "is the wrong way round: True for padding"
NUMBERS = "returns ones and zeros instead of booleans"
ADDED = "returns numbers to add to the scores instead of booleans"


@wrong(WRONG_WAY)
def key_padding_mask_of_torch(lengths, n):
    return (torch.arange(n) >= lengths[:, None])[:, None]


@wrong("leaves out the query axis: (B, n) instead of (B, 1, n)")
def two_axes(lengths, n):
    return torch.arange(n)[None] < lengths[:, None]


@wrong("puts the new axis last: it masks queries instead of keys")
def unsqueezed_at_the_end(lengths, n):
    return (torch.arange(n)[None] < lengths[:, None]).unsqueeze(-1)


@wrong("puts the new axis first: (1, B, n) instead of (B, 1, n)")
def unsqueezed_in_front(lengths, n):
    return (torch.arange(n)[None] < lengths[:, None]).unsqueeze(0)


@wrong("has an axis for the heads too: (B, 1, 1, n)")
def with_heads(lengths, n):
    return torch.arange(n) < lengths.view(-1, 1, 1, 1)


@wrong("repeats the mask for every query: (B, n, n) instead of (B, 1, n)")
def stretched_already(lengths, n):
    return (torch.arange(n) < lengths[:, None, None]).repeat(1, n, 1)


@wrong("hides padded queries as well: (B, n, n) instead of (B, 1, n)")
def outer_product(lengths, n):
    real = torch.arange(n) < lengths[:, None]
    return torch.einsum("bi,bj->bij", real.int(), real.int()).bool()


@wrong("takes one position too many for real (≤ instead of <)")
def at_most(lengths, n):
    return torch.arange(n) <= lengths[:, None, None]


@wrong("takes one position too few for real")
def from_one(lengths, n):
    return torch.arange(1, n + 1) < lengths[:, None, None]


@wrong("expects the padding on the left")
def left_padded(lengths, n):
    return (torch.arange(n) < lengths[:, None, None]).flip(-1)


@wrong("marks where padding begins instead of all that is real")
def end_of_sequence(lengths, n):
    return torch.arange(n) == lengths[:, None, None]


@wrong("marks only the last real position")
def last_real(lengths, n):
    return torch.arange(n) == lengths[:, None, None] - 1


@wrong("is as wide as the longest sequence instead of n")
def as_wide_as_needed(lengths, n):
    return torch.arange(int(lengths.max())) < lengths[:, None, None]


@wrong("gives every sequence the length of the longest")
def longest_for_all(lengths, n):
    return (torch.arange(n) < lengths.max()).expand(len(lengths), 1, n)


@wrong("gives every sequence the length of the first")
def first_for_all(lengths, n):
    return (torch.arange(n) < lengths[0]).expand(len(lengths), 1, n)


@wrong("lets an empty sequence keep one position")
def never_empty(lengths, n):
    mask = torch.arange(n) < lengths[:, None, None]
    mask[..., 0] = True
    return mask


@wrong("lets an empty sequence keep all positions")
def zero_means_no_padding(lengths, n):
    mask = torch.arange(n) < lengths[:, None, None]
    return mask | ~mask.any(-1, keepdim=True)


@wrong(NUMBERS)
def floats(lengths, n):
    return (torch.arange(n) < lengths[:, None, None]).float()


@wrong(NUMBERS)
def ints(lengths, n):
    return torch.where(torch.arange(n) < lengths[:, None, None], 1, 0)


@wrong(NUMBERS)
def bytes_as_in_old_torch(lengths, n):
    return (torch.arange(n) < lengths[:, None, None]).byte()


@wrong(ADDED)
def additive_infinity(lengths, n):
    return torch.zeros(len(lengths), 1, n).masked_fill(torch.arange(n) >= lengths[:, None, None], -torch.inf)


@wrong(ADDED)
def additive_minus_1e9(lengths, n):
    return (torch.arange(n) >= lengths[:, None, None]) * -1e9


@wrong(WRONG_WAY)
def floats_the_wrong_way_round(lengths, n):
    return (torch.arange(n) >= lengths[:, None, None]).float()


@wrong("counts in 8 bits, which end at 255")
def small_integers(lengths, n):
    return (torch.arange(n, dtype=torch.int64).byte() < lengths.byte()[:, None])[:, None, :]


@wrong("sorts the sequences by length")
def sorted_like_for_packing(lengths, n):
    return torch.arange(n) < torch.sort(lengths, descending=True)[0][:, None, None]


@wrong("changes its input lengths in place")
def clamps_in_place(lengths, n):
    return torch.arange(n) < lengths.sub_(0).add_(1)[:, None, None] - 1


@wrong(None, why="keeps masks by shape; booleans are too few to prove that they are those of an earlier call")
def cached_by_shape(lengths, n, cache={}):  # noqa: B006 - a mutable default is the mistake
    key = (len(lengths), n)
    if key not in cache:
        cache[key] = torch.arange(n) < lengths[:, None, None]
    return cache[key]


@wrong("returns nothing")
def printed(lengths, n):
    print(torch.arange(n) < lengths[:, None, None])


@wrong("returns a NumPy bool array instead of a bool tensor")
def stays_in_numpy(lengths, n):
    return np.arange(n) < lengths.numpy()[:, None, None]


@wrong("is right on ordinary inputs, but not for: hundreds of positions")
def at_most_256_positions(lengths, n):
    mask = torch.arange(n) < lengths[:, None, None]
    mask[..., 256:] = False
    return mask


@wrong(None, why="returns a mask of another shape where a batch happens to have no padding")
def no_mask_without_padding(lengths, n):
    if (lengths == n).all() and len(lengths) * n > 1:
        return torch.ones(1, 1, n, dtype=torch.bool)
    return torch.arange(n) < lengths[:, None, None]


FROM_THE_END = "cuts off the padding by a slice from the end, which hides everything where nothing is padded"


@wrong(FROM_THE_END)
def hides_from_minus_k(lengths, n):
    mask = torch.ones(len(lengths), 1, n, dtype=torch.bool)
    for b, length in enumerate(lengths.tolist()):
        mask[b, 0, -(n - length) :] = False
    return mask


@wrong(FROM_THE_END)
def shows_up_to_minus_k(lengths, n):
    mask = torch.zeros(len(lengths), 1, n, dtype=torch.bool)
    for b, length in enumerate(lengths.tolist()):
        mask[b, 0, : length - n] = True
    return mask


@wrong("is the wrong way round, and off by one (> instead of <)")
def behind_the_length(lengths, n):
    return torch.arange(n) > lengths[:, None, None]


@wrong("takes the number of padded positions for that of real ones")
def counts_the_padding(lengths, n):
    return torch.arange(n) < (n - lengths)[:, None, None]


@wrong("hides the first padded position only")
def one_place(lengths, n):
    mask = torch.ones(len(lengths), 1, n + 1, dtype=torch.bool)
    mask[torch.arange(len(lengths)), 0, lengths] = False
    return mask[..., :n]


@wrong("hides nothing")
def lengths_forgotten(lengths, n):
    return torch.ones(len(lengths), 1, n, dtype=torch.bool)


@wrong("hides empty sequences only")
def truth_of_a_length(lengths, n):
    return torch.tensor([[[bool(length)] * n] for length in lengths.tolist()])


@wrong("never takes the last position for real")
def one_hot_of_clamped_lengths(lengths, n):
    return (torch.nn.functional.one_hot(lengths.clamp(max=n - 1), n).cumsum(-1) == 0)[:, None]


@wrong("makes one-hot vectors of n classes, in which a length of n has no place")
def one_hot_too_narrow(lengths, n):
    return ~torch.nn.functional.one_hot(lengths, n).cumsum(-1).bool().unsqueeze(1)


@wrong("has a row for each position and a column for each sequence")
def positions_down(lengths, n):
    return torch.arange(n)[:, None, None] < lengths


@wrong("has a row for each position and a column for each sequence")
def reshaped_to_fit(lengths, n):
    return (torch.arange(n)[:, None] < lengths).view(len(lengths), 1, n)


@wrong("gives every sequence the length of the last")
def keeps_the_last_of_a_loop(lengths, n):
    for length in lengths:
        row = torch.arange(n) < length
    return row.expand(len(lengths), 1, n)


@wrong("squeezes away every axis of size 1")
def squeezed(lengths, n):
    return (torch.arange(n) < lengths[:, None, None]).squeeze()


@wrong(None, why="leaves out empty sequences; whether there is one depends on the draw")
def empty_sequences_dropped(lengths, n):
    return torch.arange(n) < lengths[lengths > 0][:, None, None]
