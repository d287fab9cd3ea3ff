"""Right and wrong answers to masks.causal."""

import numpy as np
import torch
from answers import right, wrong

# --- right, in different styles


@right
def compare_positions(n, m):
    return torch.arange(m) <= torch.arange(n)[:, None] + (m - n)


@right
def lower_triangle(n, m):
    return torch.ones(n, m, dtype=torch.bool).tril(diagonal=m - n)


@right
def not_the_upper_triangle(n, m):
    return ~torch.ones(n, m).triu(m - n + 1).bool()


@right
def counted_from_the_end(n, m):
    """The last query and the last key both have position −1."""
    return torch.arange(-n, 0)[:, None] >= torch.arange(-m, 0)


@right
def bottom_corner_of_a_square(n, m):
    size = max(n, m)
    return torch.ones(size, size).tril().bool()[size - n :, size - m :]


@right
def filled_row_by_row(n, m):
    mask = torch.zeros(n, m, dtype=torch.bool)
    for i in range(n):
        mask[i, : max(0, i + m - n + 1)] = True
    return mask


@right
def nested_lists(n, m):
    return torch.tensor([[j - i <= m - n for j in range(m)] for i in range(n)])


@right
def from_numpy(n, m):
    return torch.from_numpy(np.tri(n, m, m - n, dtype=bool))


@right
def additive_then_finite(n, m):
    return torch.full((n, m), -torch.inf).triu(m - n + 1) == 0


@right
def turned_round(n, m):
    return torch.ones(m, n).triu(n - m).T.bool()


@right
def indices_of_the_triangle(n, m):
    mask = torch.zeros(n, m, dtype=torch.bool)
    rows, columns = torch.tril_indices(n, m, offset=m - n)
    mask[rows, columns] = True
    return mask


# --- wrong, the way learners write it

TOP_LEFT = "is aligned at the top left: query i sees keys up to i even where n ≠ m"
WRONG_WAY = "is the wrong way round: True for the future"
NUMBERS = "returns ones and zeros instead of booleans"
ADDED = "returns numbers to add to the scores instead of booleans"


@wrong(TOP_LEFT)
def plain_tril(n, m):
    return torch.ones(n, m).tril().bool()


@wrong(TOP_LEFT)
def rows_and_columns(n, m):
    return torch.arange(n)[:, None] >= torch.arange(m)[None, :]


@wrong("hides the diagonal: a query does not see its own position")
def strictly_lower(n, m):
    return torch.ones(n, m).tril(m - n - 1).bool()


@wrong("hides the diagonal and is aligned at the top left")
def strictly_lower_top_left(n, m):
    return torch.arange(m) < torch.arange(n)[:, None]


@wrong("shows one future key (off by one)")
def one_too_many(n, m):
    return torch.ones(n, m).tril(m - n + 1).bool()


@wrong(WRONG_WAY)
def attn_mask_of_multihead_attention(n, m):
    return torch.ones(n, m).triu(m - n + 1).bool()


@wrong("is the wrong way round, and aligned at the top left")
def textbook_triu(n, m):
    return torch.triu(torch.ones(n, m), diagonal=1).bool()


@wrong("shows the present and the future instead of the past")
def upper_with_diagonal(n, m):
    return torch.ones(n, m).triu(m - n).bool()


@wrong("shows the present and the future, aligned at the top left")
def upper_top_left(n, m):
    return torch.ones(n, m).triu().bool()


@wrong("shifts to the wrong side (n − m instead of m − n)")
def wrong_sign(n, m):
    return torch.arange(m) <= torch.arange(n)[:, None] + n - m


@wrong("never shifts to the left: with more queries than keys it is aligned at the top left")
def offset_of_a_cache(n, m):
    past = max(m - n, 0)
    return torch.arange(m) <= torch.arange(n)[:, None] + past


@wrong("lets queries that see nothing keep the first key")
def first_key_for_all(n, m):
    mask = torch.ones(n, m).tril(m - n).bool()
    mask[:, 0] = True
    return mask


@wrong("lets queries that see nothing keep the first key")
def position_at_least_zero(n, m):
    return torch.arange(m) <= (torch.arange(n)[:, None] + m - n).clamp(min=0)


@wrong("lets queries that see nothing see everything")
def empty_rows_are_opened(n, m):
    mask = torch.ones(n, m).tril(m - n).bool()
    mask[~mask.any(1)] = True
    return mask


@wrong("has a row for each key and a column for each query")
def transposed(n, m):
    return (torch.arange(m)[:, None] <= torch.arange(n) + m - n).contiguous()


@wrong("has a row for each key and a column for each query, aligned at the top left")
def transposed_and_top_left(n, m):
    return torch.arange(m)[:, None] >= torch.arange(n)


@wrong("exchanges n and m")
def exchanged(n, m):
    return torch.ones(m, n).tril(n - m).bool()


@wrong("is always square, n by n")
def square_of_queries(n, m):
    return torch.ones(n, n).tril().bool()


@wrong("is always square, m by m")
def square_of_keys(n, m):
    return torch.ones(m, m).tril().bool()


@wrong("hides nothing")
def nothing_hidden(n, m):
    return torch.zeros(n, m) <= 0


@wrong("hides nothing where n and m differ")
def only_for_squares(n, m):
    return torch.ones(n, m).tril().bool() if n == m else torch.ones(n, m).bool()


@wrong("shows the present only")
def identity(n, m):
    return torch.arange(m) - m == torch.arange(n)[:, None] - n


@wrong("has axes for batch and heads too")
def for_broadcasting(n, m):
    return torch.ones(1, 1, n, m).tril(m - n).bool()


@wrong(NUMBERS)
def floats(n, m):
    return torch.tril(torch.ones(n, m), m - n)


@wrong(NUMBERS)
def ints(n, m):
    return torch.ones(n, m, dtype=torch.long).tril(m - n)


@wrong(TOP_LEFT)
def floats_at_the_top_left(n, m):
    return torch.tril(torch.ones(n, m))


@wrong(ADDED)
def additive_infinity(n, m):
    return torch.full((n, m), -torch.inf).triu(m - n + 1)


@wrong(ADDED)
def additive_minus_1e9(n, m):
    return torch.ones(n, m).triu(m - n + 1) * -1e9


@wrong("multiplies ones by −inf, which makes NaN of the zeros")
def zero_times_infinity(n, m):
    return torch.triu(torch.ones(n, m), m - n + 1) * float("-inf")


@wrong("counts in 8 bits, which end at 255")
def small_integers(n, m):
    key, query = torch.arange(m), torch.arange(n)[:, None] + m - n
    return key % 256 <= query % 256


@wrong("gives another result the second time it is called")
def buffer_that_grows(n, m, kept=[]):  # noqa: B006 - a mutable default is the mistake
    if not kept or kept[0].shape[0] < n or kept[0].shape[1] < m:
        kept[:] = [torch.empty(0)]
        kept[0] = torch.ones(n, m).tril(m - n).bool()
    return kept[0][:n, :m]


@wrong("is right on ordinary inputs, but not for: hundreds of positions")
def buffer_of_256_positions(n, m):
    mask = torch.ones(n, m).tril(m - n).bool()
    mask[:, 256:] = False
    return mask


@wrong("returns nothing")
def printed(n, m):
    print(torch.ones(n, m).tril(m - n).bool())


@wrong("returns a NumPy bool array instead of a bool tensor")
def stays_in_numpy(n, m):
    return np.tri(n, m, m - n, dtype=bool)


@wrong(None, why="is right for one query only if there is one key, or by luck")
def a_single_query_sees_only_the_first_key(n, m):
    return torch.ones(n, m).tril(m - n if n > 1 else 0).bool()


BELOW_0 = "slices each row up to a bound that falls below 0, and so counts from the end, where there are more queries than keys"


@wrong(BELOW_0)
def row_by_row(n, m):
    mask = torch.zeros(n, m, dtype=torch.bool)
    for i in range(n):
        mask[i, : i + 1 + (m - n)] = True
    return mask


@wrong(BELOW_0)
def hidden_row_by_row(n, m):
    mask = torch.ones(n, m, dtype=torch.bool)
    for i in range(n):
        mask[i, m - (n - 1 - i) :] = False
    return mask


@wrong("hides the last entries of each row by a slice from the end, which is everything for the last query")
def hidden_from_the_end(n, m):
    mask = torch.ones(n, m, dtype=torch.bool)
    for i in range(n):
        mask[i, -(n - 1 - i) :] = False
    return mask


@wrong("shifts to the right even with more queries than keys (the absolute value of m − n)")
def absolute_shift(n, m):
    return torch.ones(n, m).tril(diagonal=abs(n - m)).bool()


@wrong("is aligned at the top left, except that a single query sees all keys")
def is_causal_unless_one_query(n, m):
    if n == 1:
        return torch.ones(1, m, dtype=torch.bool)
    return torch.ones(n, m, dtype=torch.bool).tril()


@wrong("stops with an error where there are more queries than keys")
def cache_in_front_of_a_triangle(n, m):
    cached = torch.ones(n, m - n, dtype=torch.bool)
    return torch.cat([cached, torch.ones(n, n, dtype=torch.bool).tril()], dim=1)


@wrong("stops with an error where there are more queries than keys")
def asserts_a_cache(n, m):
    assert m >= n, "fewer keys than queries"
    return torch.ones(n, m, dtype=torch.bool).tril(m - n)


@wrong("hides everything where there are more queries than keys")
def nothing_for_too_many_queries(n, m):
    return torch.zeros(n, m, dtype=torch.bool) if n > m else torch.ones(n, m, dtype=torch.bool).tril(m - n)


@wrong("cuts rows m − n to m out of a square mask, which fails where there are more queries than keys")
def rows_of_a_square(n, m):
    square = torch.ones(max(n, m), max(n, m), dtype=torch.bool).tril()
    return square[m - n : m, :m]


@wrong("sees at most n keys: a square mask behind hidden keys")
def cache_hidden(n, m):
    keys, queries = torch.arange(m), torch.arange(n)[:, None] + (m - n)
    return (keys <= queries) & (keys >= m - n)


@wrong("has a row for each key and a column for each query, and the shift on the wrong side")
def column_of_keys(n, m):
    return torch.arange(n) <= torch.arange(m)[:, None] + (m - n)


@wrong("squeezes away every axis of size 1")
def squeezed(n, m):
    return torch.ones(n, m, dtype=torch.bool).tril(m - n).squeeze()
