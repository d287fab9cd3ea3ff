"""More wrong answers to masks.first_leak: what they return, and what they keep."""

import torch
from answers import wrong

NOTHING = "returns something else than None where nothing leaks"


def future(weights):
    """What a causal mask forbids."""
    n, m = weights.shape
    return torch.ones(n, m).triu(m - n + 1).bool()


def nonzero_places(weights, tolerance=0.0):
    """A right answer to build mistakes on."""
    places = ((weights > tolerance) & future(weights)).nonzero()
    return tuple(places[0].tolist()) if len(places) else None


@wrong("counts from 1")
def from_one(weights, tolerance=0.0):
    found = nonzero_places(weights, tolerance)
    return found and tuple(x + 1 for x in found)


@wrong("returns how far the key lies ahead instead of its index")
def distance(weights, tolerance=0.0):
    found = nonzero_places(weights, tolerance)
    n, m = weights.shape
    return found and (found[0], found[1] - (found[0] + m - n))


@wrong("returns the place as one number, counted through all rows")
def flat(weights, tolerance=0.0):
    places = ((weights > tolerance) & future(weights)).flatten().nonzero()
    return int(places[0]) if len(places) else None


@wrong("returns the query alone")
def row_only(weights, tolerance=0.0):
    rows = ((weights > tolerance) & future(weights)).any(1).nonzero()
    return int(rows[0]) if len(rows) else None


@wrong("returns the weight instead of its place")
def how_much(weights, tolerance=0.0):
    found = nonzero_places(weights, tolerance)
    return weights[found].item() if found else None


@wrong("returns whether there is a leak instead of where")
def whether(weights, tolerance=0.0):
    return bool(((weights > tolerance) & future(weights)).any())


@wrong("returns tensors instead of Python ints")
def unpacked_tensors(weights, tolerance=0.0):
    places = ((weights > tolerance) & future(weights)).nonzero()
    return tuple(places[0]) if len(places) else None


@wrong("returns one tensor instead of two Python ints")
def row_of_nonzero(weights, tolerance=0.0):
    places = ((weights > tolerance) & future(weights)).nonzero()
    return places[0] if len(places) else None


@wrong("returns floats instead of ints")
def float_indices(weights, tolerance=0.0):
    found = nonzero_places(weights, tolerance)
    return found and (float(found[0]), float(found[1]))


@wrong(NOTHING)
def minus_one(weights, tolerance=0.0):
    return nonzero_places(weights, tolerance) or (-1, -1)


@wrong(NOTHING)
def false_for_none(weights, tolerance=0.0):
    return nonzero_places(weights, tolerance) or False


@wrong(NOTHING)
def empty_tuple(weights, tolerance=0.0):
    places = ((weights > tolerance) & future(weights)).nonzero()[:1]
    return tuple(places.flatten().tolist())


@wrong("stops with an error where nothing leaks")
def no_guard(weights, tolerance=0.0):
    return tuple(((weights > tolerance) & future(weights)).nonzero()[0].tolist())


@wrong("lists all leaks")
def every_leak(weights, tolerance=0.0):
    return [tuple(p) for p in ((weights > tolerance) & future(weights)).nonzero().tolist()]


@wrong("looks for leaks in the first row that leaks only if it is the first row")
def returns_inside_the_loop(weights, tolerance=0.0):
    for i, row in enumerate((weights > tolerance) & future(weights)):
        return (i, int(row.int().argmax())) if row.any() else None
    return None


@wrong("looks at the nearest forbidden key of each query only")
def next_key_only(weights, tolerance=0.0):
    n, m = weights.shape
    for i in range(n):
        j = i + m - n + 1
        if 0 <= j < m and weights[i, j] > tolerance:
            return i, j
    return None


@wrong("changes its input weights in place")
def clears_the_past(weights, tolerance=0.0):
    weights[~future(weights)] = 0
    places = (weights > tolerance).nonzero().tolist()
    return tuple(places[0]) if places else None


@wrong("gives another result the second time it is called")
def remembers_the_last_leak(weights, tolerance=0.0, seen=[]):  # noqa: B006 - a mutable default is the mistake
    found = nonzero_places(weights, tolerance)
    seen.append(found)
    return found or (seen[-2] if len(seen) > 100 else None)


@wrong("returns nothing")
def printed(weights, tolerance=0.0):
    print(nonzero_places(weights, tolerance))


@wrong("is right on ordinary inputs, but not for: hundreds of queries")
def first_256_rows(weights, tolerance=0.0):
    found = nonzero_places(weights, tolerance)
    return found if found and found[0] < 256 else None


@wrong("is right on ordinary inputs, but not for: hundreds of keys")
def first_256_keys(weights, tolerance=0.0):
    found = nonzero_places(weights, tolerance)
    return found if found and found[1] < 256 else None
