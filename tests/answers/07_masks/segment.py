"""Right and wrong answers to masks.segment."""

import torch
from answers import right, wrong

# --- right, in different styles


@right
def equal_and_real(ids):
    return (ids[:, :, None] == ids[:, None, :]) & (ids != 0)[:, :, None]


@right
def equal_and_both_real(ids):
    real = ids > 0
    return ids.unsqueeze(2).eq(ids.unsqueeze(1)) & real.unsqueeze(1) & real.unsqueeze(2)


@right
def padding_gets_two_numbers(ids):
    """A padded query never equals a padded key."""
    queries, keys = ids.masked_fill(ids == 0, -1), ids.masked_fill(ids == 0, -2)
    return queries[:, :, None] == keys[:, None, :]


@right
def each_id_is_a_block(ids):
    mask = torch.zeros(*ids.shape, ids.shape[1], dtype=torch.bool)
    for segment in ids.unique().tolist():
        if segment:
            own = ids == segment
            mask |= own[:, :, None] & own[:, None, :]
    return mask


@right
def three_loops(ids):
    B, n = ids.shape
    mask = torch.zeros(B, n, n, dtype=torch.bool)
    for b in range(B):
        for i in range(n):
            for j in range(n):
                mask[b, i, j] = ids[b, i] == ids[b, j] and ids[b, i] != 0
    return mask


@right
def one_hot_products(ids):
    names, index = ids.unique(return_inverse=True)
    belongs = torch.nn.functional.one_hot(index, len(names))[..., names != 0].float()
    return torch.einsum("bis,bjs->bij", belongs, belongs) > 0


@right
def difference_is_zero(ids):
    distance = ids[:, :, None] - ids[:, None, :]
    return (distance == 0).logical_and(ids[:, None, :] != 0)


@right
def rows_that_are_cleared(ids):
    mask = ids[:, :, None] == ids[:, None, :]
    mask[ids == 0] = False
    return mask


@right
def both_bits_agree(ids):
    same = torch.bitwise_xor(ids.unsqueeze(-1), ids.unsqueeze(-2)) == 0
    return same & ids.bool().unsqueeze(-2)


@right
def nested_lists(ids):
    return torch.tensor([[[i == j != 0 for j in row] for i in row] for row in ids.tolist()])


# --- wrong, the way learners write it

NUMBERS = "returns ones and zeros instead of booleans"
FLOATING = "compares as floating point, which cannot tell large ids apart"
ADDED = "returns numbers to add to the scores instead of booleans"


def same(ids):
    return ids[:, :, None] == ids[:, None, :]


@wrong("lets padding see padding")
def zero_is_a_segment(ids):
    return ids.unsqueeze(1) == ids.unsqueeze(2)


@wrong("lets every token see itself, padding too")
def diagonal_is_always_open(ids):
    mask = same(ids) & (ids != 0)[:, None, :]
    mask.diagonal(dim1=1, dim2=2).fill_(True)
    return mask


@wrong("hides from every token itself")
def strict(ids):
    mask = same(ids) & (ids != 0)[:, None, :]
    mask.diagonal(dim1=1, dim2=2).fill_(False)
    return mask


@wrong("hides padding as a key but lets it see")
def padding_looks(ids):
    q, k = ids[:, :, None], ids[:, None, :]
    return ((q == k) | (q == 0)) & (k != 0)


@wrong("hides padding as a query but lets it be seen")
def padding_is_looked_at(ids):
    q, k = ids[:, :, None], ids[:, None, :]
    return ((q == k) | (k == 0)) & (q != 0)


@wrong("lets padding be seen by everyone and see everyone")
def padding_is_a_wildcard(ids):
    q, k = ids[:, :, None], ids[:, None, :]
    return (q == k) | (q == 0) | (k == 0)


@wrong("looks at padding only: every real token sees every other")
def both_real(ids):
    return ids[:, :, None] * ids[:, None, :] != 0


@wrong("hides only padded keys: every query sees every real token")
def key_padding(ids):
    return (ids > 0).unsqueeze(1).repeat(1, ids.shape[1], 1)


@wrong("is the wrong way round: True for tokens of other segments")
def true_hides(ids):
    return (ids[:, :, None] != ids[:, None, :]) | (ids == 0)[:, None, :]


@wrong("shows tokens of other segments and hides those of the own")
def other_segments(ids):
    q, k = ids[:, :, None], ids[:, None, :]
    return (q != k) & (q > 0) & (k > 0)


@wrong("takes a segment that comes back for a new one")
def runs(ids):
    start = torch.ones_like(ids, dtype=torch.bool)
    start[:, 1:] = ids[:, 1:] != ids[:, :-1]
    run = start.long().cumsum(1)
    return (run[:, :, None] == run[:, None, :]) & (ids != 0)[:, :, None]


@wrong("takes a segment that comes back for a new one")
def run_by_run(ids):
    B, n = ids.shape
    mask = torch.zeros(B, n, n, dtype=torch.bool)
    for b in range(B):
        first = 0
        for i in range(1, n + 1):
            if i == n or ids[b, i] != ids[b, first]:
                mask[b, first:i, first:i] = ids[b, first] != 0
                first = i
    return mask


@wrong("compares with the neighbouring tokens only")
def band(ids):
    mask = same(ids) & (ids != 0)[:, :, None]
    return mask.triu(-1).tril(1)


@wrong("lets segments see earlier ones (≤ or ≥ instead of ==)")
def document_order(ids):
    q, k = ids[:, :, None], ids[:, None, :]
    return (k <= q) & (k > 0)


@wrong("lets segments see later ones (≤ or ≥ instead of ==)")
def reversed_document_order(ids):
    q, k = ids[:, :, None], ids[:, None, :]
    return (q <= k) & (q > 0)


@wrong("lets segments with neighbouring ids see each other")
def close_ids(ids):
    q, k = ids[:, :, None], ids[:, None, :]
    return (q - k).abs().le(1) & (q != 0) & (k != 0)


@wrong("is causal as well")
def decoder_mask(ids):
    n = ids.shape[1]
    return same(ids) & (ids != 0)[:, None] & (torch.arange(n) <= torch.arange(n)[:, None])


@wrong("takes id 1 for padding")
def special_tokens(ids):
    return same(ids) & (ids >= 2)[:, None]


@wrong("takes id 1 for padding, and 0 for a segment")
def pad_id_of_another_tokenizer(ids):
    return same(ids) & (ids != 1)[:, None]


@wrong("takes the largest id for padding")
def padding_is_last(ids):
    return same(ids) & (ids < ids.max())[:, None]


@wrong("takes only the zeros at the end for padding")
def trailing_zeros(ids):
    n = ids.shape[1]
    lengths = torch.where(ids != 0, torch.arange(1, n + 1), 0).amax(1)
    real = torch.arange(n) < lengths[:, None]
    return same(ids) & real[:, :, None] & real[:, None, :]


@wrong("compares with the first row of the batch")
def one_packing_for_all(ids):
    row = ids[0]
    return ((row[:, None] == row) & (row != 0)).repeat(len(ids), 1, 1)


@wrong("compares each token with the whole batch")
def axes_of_the_batch(ids):
    return ids.unsqueeze(1) == ids.unsqueeze(0)


@wrong("has an axis for the heads too: (B, 1, n, n)")
def with_heads(ids):
    return (same(ids) & (ids != 0)[:, None]).unsqueeze(1)


@wrong("returns what is padding instead: (B, 1, n)")
def padding_mask_only(ids):
    return ids.ne(0).unsqueeze(1)


@wrong(FLOATING)
def distances_in_float32(ids):
    x = ids.float().unsqueeze(-1)
    return (torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist") == 0) & (ids != 0)[:, None]


@wrong(FLOATING)
def distances_in_float64(ids):
    x = ids.double()
    return ((x[:, :, None] - x[:, None, :]).abs() < 0.5) & (ids != 0)[:, None]


@wrong("compares in fewer than 64 bits, which cannot tell large ids apart")
def bytes_of_ids(ids):
    small = ids.byte()
    return (small[:, :, None] == small[:, None, :]) & (ids != 0)[:, None]


@wrong("compares products: two ids whose product is a square number are not the same")
def perfect_squares(ids):
    product = ids[:, :, None] * ids[:, None, :]
    root = product.double().sqrt()
    return (root == root.floor()) & (product != 0)


@wrong(FLOATING)
def squares_of_the_first(ids):
    """i·i + j·j = 2·i·j only for i = j, but squares of document numbers do not fit into float64."""
    x = ids.double()
    q, k = x[:, :, None], x[:, None, :]
    return (q * q + k * k == 2 * q * k) & (q > 0)


@wrong(NUMBERS)
def floats(ids):
    return (same(ids) & (ids != 0)[:, None]).float()


@wrong(NUMBERS)
def product_of_masks(ids):
    return same(ids).int() * (ids != 0).int()[:, None]


@wrong(ADDED)
def additive_infinity(ids):
    return torch.zeros(same(ids).shape).masked_fill(~(same(ids) & (ids != 0)[:, None]), -torch.inf)


@wrong(ADDED)
def additive_minus_1e9(ids):
    return (1.0 - (same(ids) & (ids != 0)[:, None]).float()) * -1e9


@wrong("lets padding see padding")
def floats_that_let_padding_see(ids):
    return same(ids).float()


@wrong("changes its input ids in place")
def marks_padding(ids):
    ids[ids == 0] = -1
    return same(ids) & (ids != -1)[:, None]


@wrong(None, why="keeps masks by shape; booleans are too few to prove that they are those of an earlier call")
def kept_by_shape(ids, known={}):  # noqa: B006 - a mutable default is the mistake
    return known.setdefault(ids.shape, same(ids) & (ids != 0)[:, None])


@wrong("compares in fewer than 64 bits, which cannot tell large ids apart")
def int32_to_save_memory(ids):
    small = ids.int()
    return (small[:, :, None] == small[:, None]) & (small > 0)[:, None]


@wrong("compares with the first row of the batch")
def mask_of_the_first_row(ids):
    return (same(ids[:1]) & (ids[:1] != 0)[:, None]).expand(len(ids), -1, -1)


@wrong("returns one mask for the whole batch")
def the_batch_axis_is_lost(ids):
    return (same(ids) & (ids != 0)[:, None]).all(dim=0)


@wrong("returns nothing")
def printed(ids):
    print(same(ids) & (ids != 0)[:, None])


@wrong(None, why="opens a row of padding only, next to rows that are not, which ordinary batches have too")
def open_rows_without_segments(ids):
    mask = same(ids) & (ids != 0)[:, None]
    if len(ids) > 1 and ids.shape[1] > 1:
        alone = (ids == 0).all(1) & (ids != 0).any()
        mask[alone] = True
    return mask
