"""More answers to masks.first_leak: loops that stop early or start too early, and what stands for nothing."""

import torch
from answers import right, wrong

FALSY = "takes the place (0, 0) for none at all: 0 counts as False"


def leaks(weights, tolerance=0.0):
    """Where a weight leaks, as booleans."""
    n, m = weights.shape
    return (weights > tolerance).triu(m - n + 1)


@right
def row_after_row(weights, tolerance=0.0):
    n, m = weights.shape

    def search(i):
        if i == n:
            return None
        start = max(0, i + m - n + 1)
        found = (weights[i, start:] > tolerance).nonzero().flatten()
        return (i, start + int(found[0])) if len(found) else search(i + 1)

    return search(0)


@right
def smallest_pair(weights, tolerance=0.0):
    return min(((i, j) for i, j in leaks(weights, tolerance).nonzero().tolist()), default=None)


@right
def difference_in_the_dtype(weights, tolerance=0.0):
    above = weights - torch.tensor(tolerance, dtype=weights.dtype) > 0
    places = torch.nonzero(above & leaks(weights, -1.0))
    return None if places.numel() == 0 else (places[0, 0].item(), places[0, 1].item())


@right
def not_close_to_zero(weights, tolerance=0.0):
    n, m = weights.shape
    close = torch.isclose(weights, torch.zeros_like(weights), rtol=0.0, atol=tolerance)
    places = (~close).triu(m - n + 1).nonzero().tolist()
    return tuple(places[0]) if places else None


@wrong(FALSY)
def truth_of_a_flat_index(weights, tolerance=0.0):
    place = int(leaks(weights, tolerance).int().argmax())
    return divmod(place, weights.shape[1]) if place else None


@wrong(FALSY)
def any_of_the_indices(weights, tolerance=0.0):
    places = leaks(weights, tolerance).nonzero().tolist()
    return tuple(places[0]) if places and any(places[0]) else None


@wrong("returns something else than None where nothing leaks")
def argmax_of_nothing(weights, tolerance=0.0):
    return divmod(int(leaks(weights, tolerance).int().argmax()), weights.shape[1])


@wrong("starts a row at a key below 0, which counts from the end, where there are more queries than keys")
def negative_keys(weights, tolerance=0.0):
    n, m = weights.shape
    for i in range(n):
        for j in range(i + m - n + 1, m):
            if weights[i, j] > tolerance:
                return i, j
    return None


@wrong("stops at the first forbidden place, leak or not")
def returns_too_early(weights, tolerance=0.0):
    n, m = weights.shape
    for i in range(n):
        for j in range(m):
            if j > i + m - n:
                return (i, j) if weights[i, j] > tolerance else None
    return None


@wrong("divides the weights by the largest first")
def relative_to_the_largest(weights, tolerance=0.0):
    return smallest_pair(weights / weights.max(), tolerance)


@wrong("divides the weights by the sum of their row first")
def normalised_again(weights, tolerance=0.0):
    return smallest_pair(weights / weights.sum(-1, keepdim=True), tolerance)


@wrong("uses a square mask, n by n")
def square_mask(weights, tolerance=0.0):
    n = len(weights)
    allowed = torch.ones(n, n, dtype=torch.bool).tril()
    places = ((weights > tolerance) & ~allowed).nonzero().tolist()
    return tuple(places[0]) if places else None


@wrong("returns the leak that is nearest to the diagonal")
def nearest(weights, tolerance=0.0):
    places = leaks(weights, tolerance).nonzero().tolist()
    return min(map(tuple, places), key=lambda place: place[1] - place[0], default=None)


@wrong("combines the first row that leaks with the first column that leaks")
def row_and_column(weights, tolerance=0.0):
    found = leaks(weights, tolerance)
    rows, columns = found.any(1).nonzero(), found.any(0).nonzero()
    return (int(rows[0]), int(columns[0])) if len(rows) else None
