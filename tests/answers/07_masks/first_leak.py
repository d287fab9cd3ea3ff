"""Right and wrong answers to masks.first_leak."""

import torch
from answers import right, wrong

# --- right, in different styles


def future(weights):
    """What a causal mask forbids."""
    n, m = weights.shape
    return torch.ones(n, m).triu(m - n + 1).bool()


@right
def nonzero_places(weights, tolerance=0.0):
    n, m = weights.shape
    hidden = torch.arange(m) > torch.arange(n)[:, None] + (m - n)
    places = ((weights > tolerance) & hidden).nonzero()
    return tuple(places[0].tolist()) if len(places) else None


@right
def two_loops(weights, tolerance=0.0):
    n, m = weights.shape
    for i in range(n):
        for j in range(max(0, i + m - n + 1), m):
            if weights[i, j] > tolerance:
                return i, j
    return None


@right
def upper_triangle_of_truths(weights, tolerance=0.0):
    n, m = weights.shape
    leaks = (weights > tolerance).triu(m - n + 1)
    if not leaks.any():
        return None
    return divmod(int(leaks.flatten().int().argmax()), m)


@right
def tolerance_as_a_tensor(weights, tolerance=0.0):
    leaks = weights.gt(torch.tensor(tolerance, dtype=weights.dtype)) & future(weights)
    rows, columns = leaks.nonzero(as_tuple=True)
    return (rows[0].item(), columns[0].item()) if rows.numel() else None


@right
def filled_with_minus_infinity(weights, tolerance=0.0):
    places = torch.where(future(weights), weights, -torch.inf).gt(tolerance).nonzero().tolist()
    return tuple(places[0]) if places else None


@right
def next_of_a_generator(weights, tolerance=0.0):
    n, m = weights.shape
    above = (weights > tolerance).tolist()
    return next(((i, j) for i in range(n) for j in range(m) if above[i][j] and j - i > m - n), None)


@right
def numpy_argwhere(weights, tolerance=0.0):
    import numpy as np

    values = weights.numpy()
    n, m = values.shape
    places = np.argwhere(np.triu(values > values.dtype.type(tolerance), m - n + 1))
    return tuple(map(int, places[0])) if len(places) else None


@right
def as_a_list(weights, tolerance=0.0):
    """A list of two ints says the same."""
    places = torch.argwhere((weights > tolerance) & future(weights)).tolist()
    return places[0] if places else None


@right
def absolute_values(weights, tolerance=0.0):
    """Weights are not negative."""
    places = ((weights.abs() > tolerance) & future(weights)).nonzero().tolist()
    return tuple(places[0]) if places else None


@right
def smallest_flat_index(weights, tolerance=0.0):
    n, m = weights.shape
    flat = torch.arange(n * m).view(n, m)[(weights > tolerance) & future(weights)]
    return None if flat.numel() == 0 else (int(flat.min()) // m, int(flat.min()) % m)


# --- wrong, the way learners write it

TOP_LEFT = "is aligned at the top left: j > i even where n ≠ m"
FLOAT64 = "compares in float64 although the weights are float32"


@wrong("looks column by column")
def columns_first(weights, tolerance=0.0):
    leaks = (weights > tolerance) & future(weights)
    for j in range(weights.shape[1]):
        for i in range(weights.shape[0]):
            if leaks[i, j]:
                return i, j
    return None


@wrong("returns (key, query) instead of (query, key)")
def key_and_query(weights, tolerance=0.0):
    found = nonzero_places(weights, tolerance)
    return found[::-1] if found else None


@wrong("looks column by column, and returns (key, query)")
def transposed(weights, tolerance=0.0):
    places = ((weights > tolerance) & future(weights)).T.nonzero().tolist()
    return tuple(places[0]) if places else None


@wrong(TOP_LEFT)
def triu_one(weights, tolerance=0.0):
    places = (torch.triu(weights, 1) > tolerance).nonzero().tolist()
    return tuple(places[0]) if places else None


@wrong(TOP_LEFT)
def loop_from_the_next_key(weights, tolerance=0.0):
    for i in range(weights.shape[0]):
        for j in range(i + 1, weights.shape[1]):
            if weights[i, j] > tolerance:
                return i, j
    return None


@wrong("shifts to the wrong side (n − m instead of m − n)")
def wrong_sign(weights, tolerance=0.0):
    n, m = weights.shape
    places = (weights > tolerance).triu(1 + n - m).nonzero().tolist()
    return tuple(places[0]) if places else None


@wrong("never shifts to the left: with more queries than keys it is aligned at the top left")
def only_a_cache_shifts(weights, tolerance=0.0):
    n, m = weights.shape
    places = (weights > tolerance).triu(1 + max(0, m - n)).nonzero().tolist()
    return tuple(places[0]) if places else None


@wrong("takes the diagonal for a leak")
def diagonal_too(weights, tolerance=0.0):
    n, m = weights.shape
    places = (weights > tolerance).triu(m - n).nonzero().tolist()
    return tuple(places[0]) if places else None


@wrong("forgives one key too many")
def one_too_far(weights, tolerance=0.0):
    n, m = weights.shape
    places = (weights > tolerance).triu(m - n + 2).nonzero().tolist()
    return tuple(places[0]) if places else None


@wrong("looks at the past instead of the future")
def where_the_mask_is_true(weights, tolerance=0.0):
    places = ((weights > tolerance) & ~future(weights)).nonzero().tolist()
    return tuple(places[0]) if places else None


@wrong("looks before the diagonal instead of behind it")
def lower_triangle(weights, tolerance=0.0):
    n, m = weights.shape
    places = torch.tril(weights > tolerance, m - n - 1).nonzero().tolist()
    return tuple(places[0]) if places else None


@wrong("looks everywhere, not only at what is forbidden")
def no_mask(weights, tolerance=0.0):
    places = (weights > tolerance).nonzero().tolist()
    return tuple(places[0]) if places else None


@wrong("takes a weight that equals the tolerance for a leak (≥ instead of >)")
def at_least(weights, tolerance=0.0):
    places = ((weights >= tolerance) & future(weights)).nonzero().tolist()
    return tuple(places[0]) if places else None


@wrong("takes a weight that equals a tolerance other than 0 for a leak")
def at_least_but_not_zero(weights, tolerance=0.0):
    places = ((weights >= tolerance) & (weights != 0) & future(weights)).nonzero().tolist()
    return tuple(places[0]) if places else None


@wrong("ignores the tolerance")
def not_zero(weights, tolerance=0.0):
    places = ((weights != 0) & future(weights)).nonzero().tolist()
    return tuple(places[0]) if places else None


@wrong("finds what is below the tolerance")
def below(weights, tolerance=0.0):
    places = ((weights < tolerance) & future(weights)).nonzero().tolist()
    return tuple(places[0]) if places else None


@wrong(FLOAT64)
def python_floats(weights, tolerance=0.0):
    n, m = weights.shape
    for i, row in enumerate(weights.tolist()):
        for j, weight in enumerate(row):
            if j > i + m - n and weight > tolerance:
                return i, j
    return None


@wrong(FLOAT64)
def item_by_item(weights, tolerance=0.0):
    n, m = weights.shape
    for i in range(n):
        for j in range(m):
            if j > i + m - n and weights[i, j].item() > tolerance:
                return i, j
    return None


@wrong(FLOAT64)
def double_for_safety(weights, tolerance=0.0):
    return nonzero_places(weights.double(), tolerance)


@wrong(FLOAT64)
def tolerance_in_double(weights, tolerance=0.0):
    places = ((weights > torch.tensor([tolerance], dtype=torch.float64)) & future(weights)).nonzero().tolist()
    return tuple(places[0]) if places else None


@wrong("compares in float32 although the weights are float64")
def single_precision(weights, tolerance=0.0):
    return nonzero_places(weights.to(torch.float32), tolerance)


@wrong("overlooks small leaks: it has a tolerance of its own")
def never_below_1e_8(weights, tolerance=0.0):
    return nonzero_places(weights, max(tolerance, 1e-8))


@wrong("overlooks small leaks: it has a tolerance of its own")
def isclose_to_zero(weights, tolerance=0.0):
    leaks = (weights > tolerance) & ~torch.isclose(weights, torch.zeros_like(weights)) & future(weights)
    places = leaks.nonzero().tolist()
    return tuple(places[0]) if places else None


@wrong("overlooks small leaks: it adds something to the tolerance")
def tolerance_plus_epsilon(weights, tolerance=0.0):
    return nonzero_places(weights, tolerance + 1e-6)


@wrong("returns the largest leak instead of the first")
def worst(weights, tolerance=0.0):
    leaks = weights.masked_fill(~future(weights), -1.0)
    i, j = divmod(leaks.argmax().item(), weights.shape[1])
    return (i, j) if leaks.max() > tolerance else None


@wrong("returns the last leak instead of the first")
def last(weights, tolerance=0.0):
    found = None
    for i, j in ((weights > tolerance) & future(weights)).nonzero().tolist():
        found = i, j
    return found


@wrong("returns the first row that leaks with its largest leak")
def largest_of_the_row(weights, tolerance=0.0):
    leaks = weights * future(weights)
    for i, row in enumerate(leaks):
        if row.max() > tolerance:
            return i, int(row.argmax())
    return None


@wrong("compares the sum of a row's forbidden weights with the tolerance")
def row_sums(weights, tolerance=0.0):
    leaks = weights * future(weights)
    for i, row in enumerate(leaks):
        if row.sum() > tolerance:
            return i, row.nonzero()[0].item()
    return None
