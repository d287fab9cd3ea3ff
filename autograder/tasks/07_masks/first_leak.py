"""masks.first_leak: The first weight that reads the future."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from attn_core.leaks import first_leak
from autograder.checking.draw import Draw
from autograder.checking.task import Task
from autograder.tasks.leak_mistakes import MISTAKES, Place
from autograder.tasks.mistakes import Array

task = Task(
    "masks.first_leak",
    reference=first_leak,
    kind="torch",
    lecture="07_masks#hunting-leaks",
    hints=(
        "Two conditions at one place: the weight is above the tolerance, and a causal mask forbids it. Which function of yours knows the second?",
        "Put both into one boolean tensor of shape (n, m). How are all its True places listed, and in which order?",
        "`places = ((weights > tolerance) & ~causal_mask(n, m)).nonzero()` lists them row by row; return `tuple(places[0].tolist())`, or None if there is none.",
    ),
)


def _causal(draw: Draw, n: int, m: int) -> np.ndarray[Any, Any]:
    """Weights without a leak: rows that sum to one over what is seen, or zeros."""
    seen = np.arange(m) <= np.arange(n)[:, None] + m - n
    weights: np.ndarray[Any, Any] = draw.rng.uniform(0.05, 1.0, (n, m)) * seen
    weights /= np.maximum(weights.sum(1, keepdims=True), 1e-9)
    return weights


def _future(n: int, m: int) -> np.ndarray[Any, Any]:
    """The places that are forbidden, row by row."""
    return np.argwhere(np.arange(m) > np.arange(n)[:, None] + m - n)


def _leaky(draw: Draw, n: int, m: int, sizes: tuple[float, ...]) -> Array:
    """Causal weights with one leak of each size, at random places of the future."""
    weights, places = _causal(draw, n, m), _future(n, m)
    for size, place in zip(sizes, draw.rng.permutation(places), strict=False):
        weights[tuple(place)] = size
    return draw.give(weights, rounded=False)


@task.inputs
def _(draw: Draw) -> tuple[Any, ...]:
    n, m = draw.size("n"), draw.size("m")
    sizes = tuple(draw.rng.uniform(0.01, 0.9, draw.choice([0, 1, 2, 4])))
    weights = _leaky(draw, n, m, sizes)
    return (weights,) if draw.flag(0.4) else (weights, draw.choice([0.0, 0.0625, 0.25, 0.5]))


@task.special("no leak")
def _(draw: Draw) -> tuple[Any, ...]:
    return (draw.give(_causal(draw, draw.size("n", 2, 6), draw.size("m", 2, 6)), rounded=False),)


@task.special("weights without any mask")
def _(draw: Draw) -> tuple[Any, ...]:
    return (draw.weights("n", "m"),)


@task.special("as many queries as keys, with several leaks")
def _(draw: Draw) -> tuple[Any, ...]:
    """One in an early row and a late column, one in a later row and an earlier column."""
    n = draw.size("n", 4, 7)
    weights, middle = _causal(draw, n, n), int(draw.rng.integers(1, n - 2))
    weights[middle - 1, n - 1], weights[middle, middle + 1] = draw.rng.uniform(0.1, 0.9, 2)
    return (draw.give(weights, rounded=False),)


@task.special("two leaks in one row, the second of which is larger")
def _(draw: Draw) -> tuple[Any, ...]:
    n = draw.size("n", 3, 6)
    weights = _causal(draw, n, n)
    weights[0, n - 2 :] = draw.rng.uniform(0.1, 0.4), draw.rng.uniform(0.5, 0.9)
    return (draw.give(weights, rounded=False),)


@task.special("more keys than queries", share=0.5)
def _(draw: Draw) -> tuple[Any, ...]:
    n = draw.size("n", 2, 5)
    m = n + int(draw.rng.integers(1, 5))
    return (_leaky(draw, n, m, draw.choice([(), (0.2,), (0.7, 0.3)])),)


@task.special("more queries than keys", share=0.5)
def _(draw: Draw) -> tuple[Any, ...]:
    """The first queries see nothing: any weight of theirs leaks, that of key 0 too."""
    m = draw.size("m", 1, 4)
    n = m + int(draw.rng.integers(1, 5))
    weights = _causal(draw, n, m)
    weights[int(draw.rng.integers(n - m)), 0] = draw.choice([0.0, 0.3, 1.0])
    return (draw.give(weights, rounded=False),)


@task.special("leaks below the tolerance", share=0.5)
def _(draw: Draw) -> tuple[Any, ...]:
    n = draw.size("n", 4, 7)
    sizes = (0.1, 0.05, 0.2, *draw.choice([(), (0.3,), (0.9, 0.4)]))
    return _leaky(draw, n, n, sizes), 0.25


@task.special("small weights everywhere", share=0.5)
def _(draw: Draw) -> tuple[Any, ...]:
    """Below the tolerance, but not in sum, nor once they are divided by the largest of all or by the sum of their row."""
    n = draw.size("n", 4, 7)
    weights = 0.3 * _causal(draw, n, n)
    weights[0, n - 2 :] = 0.2, 0.1
    weights[1, n - 1] = draw.choice([0.15, 0.5])
    return draw.give(weights, rounded=False), 0.25


@task.special("a weight that equals the tolerance", share=0.25)
def _(draw: Draw) -> tuple[Any, ...]:
    """In float32, all three are larger than in float64. It stands in front of a leak, if there is one."""
    n, tolerance = draw.size("n", 3, 6), draw.choice([0.1, 0.2, 0.3])
    weights, places = _causal(draw, n, n), _future(n, n)
    weights[tuple(places[0])], weights[tuple(places[-1])] = tolerance, draw.choice([0.0, 0.9])
    return draw.give(weights, rounded=False), tolerance


@task.special("a weight one digit above the tolerance", share=0.25)
def _(draw: Draw) -> tuple[Any, ...]:
    n, tolerance = draw.size("n", 3, 6), draw.choice([0.1, 0.3, 0.7, 0.25])
    kind = np.dtype(draw.case.dtype).type
    above = float(np.nextafter(kind(tolerance), kind(1)))
    return _leaky(draw, n, n, (above,)), tolerance


@task.special("a very small leak", share=0.25)
def _(draw: Draw) -> tuple[Any, ...]:
    n = draw.size("n", 3, 6)
    tiny = {"float32": (1e-30, 1e-9), "float64": (1e-300, 1e-17)}[draw.case.dtype]
    return (_leaky(draw, n, n, (draw.choice(tiny),)),)


@task.special("hundreds of keys", share=0.25)
def _(draw: Draw) -> tuple[Any, ...]:
    n, m = draw.size("n", 2, 4), int(draw.rng.integers(270, 300))
    weights = _causal(draw, n, m)
    weights[0, m - 1] = 0.5
    return (draw.give(weights, rounded=False),)


@task.special("hundreds of queries", share=0.25)
def _(draw: Draw) -> tuple[Any, ...]:
    n, m = int(draw.rng.integers(270, 300)), draw.size("m", 2, 4)
    weights = _causal(draw, n, m)
    weights[n - m, m - 1] = 0.5
    return (draw.give(weights, rounded=False),)


TWO = "Which two numbers are asked for?"
TENSOR = "What do .item(), .tolist() and int(…) make of a tensor with one number?"


def _hidden(weights: Array) -> Array:
    """Places that a causal mask forbids."""
    n, m = weights.shape
    return torch.arange(m) > torch.arange(n)[:, None] + (m - n)


def _first(bad: Array) -> Place:
    places = bad.nonzero()
    return (int(places[0, 0]), int(places[0, 1])) if len(places) else None


@task.misconception("looks column by column", ask="Two leaks, (0, 3) and (1, 2): which of them comes first row by row?")
def _(weights: Array, tolerance: float = 0.0) -> Place:
    found = _first(((weights > tolerance) & _hidden(weights)).T)
    return found and (found[1], found[0])


@task.misconception("returns (key, query) instead of (query, key)", ask="Which index is the row?")
def _(weights: Array, tolerance: float = 0.0) -> Place:
    found = first_leak(weights, tolerance)
    return found and (found[1], found[0])


@task.misconception(
    "looks column by column, and returns (key, query)",
    ask="Which index is the row, and in which order are rows searched?",
)
def _(weights: Array, tolerance: float = 0.0) -> Place:
    return _first(((weights > tolerance) & _hidden(weights)).T)


@task.misconception(
    "is aligned at the top left: j > i even where n ≠ m",
    ask="Two new queries over a cache of four keys: which keys may the newest see?",
)
def _(weights: Array, tolerance: float = 0.0) -> Place:
    return _first((weights > tolerance).triu(1))


@task.misconception(
    "shifts to the wrong side (n − m instead of m − n)",
    ask="With more keys than queries, does a query see more keys, or fewer?",
)
def _(weights: Array, tolerance: float = 0.0) -> Place:
    n, m = weights.shape
    return _first((weights > tolerance).triu(n - m + 1))


@task.misconception(
    "never shifts to the left: with more queries than keys it is aligned at the top left",
    ask="The last of 4 queries stands at the last of 2 keys. Where does the first query stand?",
)
def _(weights: Array, tolerance: float = 0.0) -> Place:
    n, m = weights.shape
    return _first((weights > tolerance).triu(max(m - n, 0) + 1))


for _more, _name, _ask in (
    (0, "takes the diagonal for a leak", "May a query see its own position?"),
    (2, "forgives one key too many", "Which is the first key that query i may not see?"),
):

    @task.misconception(_name, ask=_ask)
    def _(weights: Array, tolerance: float = 0.0, more: int = _more) -> Place:
        n, m = weights.shape
        return _first((weights > tolerance).triu(m - n + more))


@task.misconception(
    "looks at the past instead of the future",
    ask="Which triangle is it: are keys, the columns, to the right of the diagonal earlier or later?",
)
def _(weights: Array, tolerance: float = 0.0) -> Place:
    return _first((weights > tolerance) & ~_hidden(weights))


@task.misconception(
    "looks before the diagonal instead of behind it",
    ask="Which triangle is it: are keys, the columns, to the right of the diagonal earlier or later?",
)
def _(weights: Array, tolerance: float = 0.0) -> Place:
    n, m = weights.shape
    return _first((weights > tolerance).tril(m - n - 1))


@task.misconception(
    "looks everywhere, not only at what is forbidden", ask="Is every weight above the tolerance a leak?"
)
def _(weights: Array, tolerance: float = 0.0) -> Place:
    return _first(weights > tolerance)


@task.misconception(
    "takes a weight that equals the tolerance for a leak (≥ instead of >)",
    ask="With the tolerance 0 and a weight of 0: is that a leak?",
)
def _(weights: Array, tolerance: float = 0.0) -> Place:
    return _first((weights >= tolerance) & _hidden(weights))


@task.misconception(
    "takes a weight that equals a tolerance other than 0 for a leak", ask="What does “above” say of equal numbers?"
)
def _(weights: Array, tolerance: float = 0.0) -> Place:
    bad = (weights >= tolerance) if tolerance > 0 else (weights > 0)
    return _first(bad & _hidden(weights))


@task.misconception("ignores the tolerance", ask="Which line of yours depends on the tolerance?")
def _(weights: Array, tolerance: float = 0.0) -> Place:  # noqa: ARG001 - ignoring it is the mistake
    return first_leak(weights)


@task.misconception("finds what is below the tolerance", ask="Is a leak a weight that is large, or one that is small?")
def _(weights: Array, tolerance: float = 0.0) -> Place:
    return _first((weights < tolerance) & _hidden(weights))


@task.misconception(
    "compares in float64 although the weights are float32",
    ask="Is float32(0.1) equal to 0.1, smaller or larger? What dtype have numbers that left the tensor by .tolist() or .double()?",
)
def _(weights: Array, tolerance: float = 0.0) -> Place:
    return _first((weights.double() > tolerance) & _hidden(weights))


@task.misconception(
    "compares in float32 although the weights are float64",
    ask="What is 1e-300 in float32? Which dtype have the weights?",
)
def _(weights: Array, tolerance: float = 0.0) -> Place:
    return first_leak(weights.float(), tolerance)


for _small in (1e-12, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4):

    @task.misconception(
        "overlooks small leaks: it has a tolerance of its own", ask="With the tolerance 0, is a weight of 1e-30 a leak?"
    )
    def _(weights: Array, tolerance: float = 0.0, small: float = _small) -> Place:
        return first_leak(weights, max(tolerance, small))

    @task.misconception(
        "overlooks small leaks: it adds something to the tolerance",
        ask="With the tolerance 0, is a weight of 1e-30 a leak?",
    )
    def _(weights: Array, tolerance: float = 0.0, small: float = _small) -> Place:
        return first_leak(weights, tolerance + small)


@task.misconception(
    "returns the largest leak instead of the first", ask="Which one is asked for: the worst, or the first?"
)
def _(weights: Array, tolerance: float = 0.0) -> Place:
    leaks = torch.where(_hidden(weights), weights, 0.0)
    i, j = divmod(int(leaks.argmax()), weights.shape[1])
    return (i, j) if leaks[i, j] > tolerance else None


@task.misconception("returns the last leak instead of the first", ask="Which one is asked for: the last, or the first?")
def _(weights: Array, tolerance: float = 0.0) -> Place:
    places = ((weights > tolerance) & _hidden(weights)).nonzero()
    return (int(places[-1, 0]), int(places[-1, 1])) if len(places) else None


@task.misconception(
    "returns the first row that leaks with its largest leak", ask="Which of the leaks of a row is the first?"
)
def _(weights: Array, tolerance: float = 0.0) -> Place:
    found = first_leak(weights, tolerance)
    return found and (found[0], int(torch.where(_hidden(weights), weights, 0.0)[found[0]].argmax()))


@task.misconception(
    "compares the sum of a row's forbidden weights with the tolerance",
    ask="Are ten weights of 0.01 one leak above 0.05?",
)
def _(weights: Array, tolerance: float = 0.0) -> Place:
    leaks = torch.where(_hidden(weights), weights, 0.0)
    rows = (leaks.sum(1) > tolerance).nonzero()
    return (int(rows[0, 0]), int((leaks[rows[0, 0]] > 0).nonzero()[0, 0])) if len(rows) else None


for _name, _ask, _of in (
    ("counts from 1", "What is the index of the first row in Python?", lambda i, j, w: (i + 1, j + 1)),  # noqa: ARG005 - all have the same arguments
    ("returns how far the key lies ahead instead of its index", TWO, lambda i, j, w: (i, j - i - w.shape[1] + len(w))),
    ("returns the place as one number, counted through all rows", TWO, lambda i, j, w: i * w.shape[1] + j),
    ("returns the query alone", TWO, lambda i, j, w: i),  # noqa: ARG005 - all have the same arguments
    ("returns the weight instead of its place", TWO, lambda i, j, w: float(w[i, j])),
    ("returns tensors instead of Python ints", TENSOR, lambda i, j, w: (torch.tensor(i), torch.tensor(j))),  # noqa: ARG005 - likewise
    ("returns one tensor instead of two Python ints", TENSOR, lambda i, j, w: torch.tensor([i, j])),  # noqa: ARG005 - likewise
    ("returns floats instead of ints", "Can a float be an index?", lambda i, j, w: (float(i), float(j))),  # noqa: ARG005 - likewise
):

    @task.misconception(_name, ask=_ask)
    def _(weights: Array, tolerance: float = 0.0, of: Callable[[int, int, Array], Any] = _of) -> Any:
        found = first_leak(weights, tolerance)
        return found and of(*found, weights)


@task.misconception("returns whether there is a leak instead of where", ask=TWO)
def _(weights: Array, tolerance: float = 0.0) -> Any:
    return first_leak(weights, tolerance) is not None


for _nothing in ((-1, -1), (), False, -1, (None, None), (0, 0)):

    @task.misconception(
        "returns something else than None where nothing leaks", ask="What does the task ask for if there is no leak?"
    )
    def _(weights: Array, tolerance: float = 0.0, nothing: Any = _nothing) -> Any:
        return first_leak(weights, tolerance) or nothing


@task.misconception(
    "stops with an error where nothing leaks",
    ask="What does the list of all leaks hold if there are none, and what is its first entry?",
)
def _(weights: Array, tolerance: float = 0.0) -> Any:
    i, j = ((weights > tolerance) & _hidden(weights)).nonzero()[0].tolist()
    return i, j


@task.misconception("lists all leaks", ask="How many are asked for?")
def _(weights: Array, tolerance: float = 0.0) -> Any:
    return tuple(map(tuple, ((weights > tolerance) & _hidden(weights)).nonzero().tolist()))


for _name, _ask, _function in MISTAKES:
    task.misconception(_name, ask=_ask)(_function)
