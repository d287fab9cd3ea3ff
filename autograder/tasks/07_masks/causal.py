"""masks.causal: Which keys a query may see when it must not see the future."""

from __future__ import annotations

import torch

from attn_core.masks import causal_mask as either_library
from autograder.checking.draw import Draw
from autograder.checking.task import Task
from autograder.tasks.mistakes import Array, squeezes


def causal_mask(n: int, m: int) -> Array:
    """The reference, in torch."""
    return either_library(n, m, like=torch.zeros(0))


task = Task(
    "masks.causal",
    reference=causal_mask,
    kind="torch",
    dtypes=("float64",),  # nothing in it is floating point
    lecture="07_masks#the-causal-mask-and-how-to-make-nan-with-it",
    hints=(
        "The last query stands at the last key. Where among the m keys does query i of n stand then?",
        "Query i stands at key i + (m − n), and sees it and all before. How can all positions be compared at once, rows for queries and columns for keys?",
        "Compare `torch.arange(m)`, a row, with `torch.arange(n)[:, None] + (m - n)`, a column, by `<=`; or call `tril` with `diagonal=m - n` on ones.",
    ),
)


@task.inputs
def _(draw: Draw) -> tuple[int, int]:
    return draw.size("n"), draw.size("m")


@task.special("as many queries as keys")
def _(draw: Draw) -> tuple[int, int]:
    n = draw.size("n", 2, 7)
    return n, n


@task.special("more keys than queries", share=0.5)
def _(draw: Draw) -> tuple[int, int]:
    n = draw.size("n", 2, 5)
    return n, n + int(draw.rng.integers(1, 6))


@task.special("more queries than keys", share=0.5)
def _(draw: Draw) -> tuple[int, int]:
    m = draw.size("m", 1, 5)
    return m + int(draw.rng.integers(1, 6)), m


@task.special("a single query", share=0.25)
def _(draw: Draw) -> tuple[int, int]:
    return 1, draw.size("m", 2, 7)


@task.special("hundreds of positions", share=0.25)
def _(draw: Draw) -> tuple[int, int]:
    n = int(draw.rng.integers(260, 300))
    return n, n + int(draw.rng.integers(-20, 21))


def _places(n: int, m: int, offset: int) -> Array:
    """How far each key lies behind the place of its query: positive is the future."""
    return torch.arange(m) - (torch.arange(n)[:, None] + offset)


@task.misconception(
    "is aligned at the top left: query i sees keys up to i even where n ≠ m",
    ask="Two new queries over a cache of four keys: which keys may the newest see?",
)
def _(n: int, m: int) -> Array:
    return _places(n, m, 0) <= 0


@task.misconception(
    "hides the diagonal: a query does not see its own position",
    ask="What is left for query 0 to see when n = m? Whose next token does it predict?",
)
def _(n: int, m: int) -> Array:
    return _places(n, m, m - n) < 0


@task.misconception(
    "hides the diagonal and is aligned at the top left", ask="What is left for query 0 to see when n = m?"
)
def _(n: int, m: int) -> Array:
    return _places(n, m, 0) < 0


@task.misconception(
    "shows one future key (off by one)", ask="What is the newest key that the last query but one may see?"
)
def _(n: int, m: int) -> Array:
    return _places(n, m, m - n) <= 1


@task.misconception(
    "is the wrong way round: True for the future", ask="What does True mean: may be attended to, or must be hidden?"
)
def _(n: int, m: int) -> Array:
    return _places(n, m, m - n) > 0


@task.misconception(
    "is the wrong way round, and aligned at the top left",
    ask="What does True mean: may be attended to, or must be hidden?",
)
def _(n: int, m: int) -> Array:
    return _places(n, m, 0) > 0


@task.misconception(
    "shows the present and the future instead of the past",
    ask="Which triangle is it: are keys, the columns, to the right of the diagonal earlier or later?",
)
def _(n: int, m: int) -> Array:
    return _places(n, m, m - n) >= 0


@task.misconception(
    "shows the present and the future, aligned at the top left",
    ask="Which triangle is it: are keys, the columns, to the right of the diagonal earlier or later?",
)
def _(n: int, m: int) -> Array:
    return _places(n, m, 0) >= 0


@task.misconception(
    "shifts to the wrong side (n − m instead of m − n)",
    ask="With more keys than queries, does a query see more keys, or fewer?",
)
def _(n: int, m: int) -> Array:
    return _places(n, m, n - m) <= 0


@task.misconception(
    "never shifts to the left: with more queries than keys it is aligned at the top left",
    ask="The last of 4 queries stands at the last of 2 keys. Where does the first query stand?",
)
def _(n: int, m: int) -> Array:
    return _places(n, m, max(0, m - n)) <= 0


@task.misconception(
    "shifts to the right even with more queries than keys (the absolute value of m − n)",
    ask="The last of 4 queries stands at the last of 2 keys. Where does the first query stand?",
)
def _(n: int, m: int) -> Array:
    return _places(n, m, abs(m - n)) <= 0


@task.misconception(
    "is aligned at the top left, except that a single query sees all keys",
    ask="A single query stands at the last key. Where do two queries stand?",
)
def _(n: int, m: int) -> Array:
    return _places(n, m, m - n if n == 1 else 0) <= 0


@task.misconception(
    "stops with an error where there are more queries than keys",
    ask="What does each of your sizes and bounds become for n = 3 and m = 2?",
)
def _(n: int, m: int) -> Array:
    return torch.cat([torch.ones(n, m - n, dtype=torch.bool), _places(n, n, 0) <= 0], 1)


@task.misconception(
    "hides everything where there are more queries than keys",
    ask="The last of 4 queries stands at the last of 2 keys. What may it see?",
)
def _(n: int, m: int) -> Array:
    return causal_mask(n, m) & torch.tensor(n <= m)


def _sliced(n: int, m: int, shown: bool) -> Array:
    """Row by row, with a slice whose bound falls below 0 where a query sees nothing."""
    mask = torch.full((n, m), not shown)
    for i in range(n):
        end = i + 1 + m - n
        mask[i, slice(end) if shown else slice(end, None)] = shown
    return mask


for _shown in (True, False):

    @task.misconception(
        "slices each row up to a bound that falls below 0, and so counts from the end, where there are more queries than keys",
        ask="Which entries does row[:-1] name? What should a query see that stands before the first key?",
    )
    def _(n: int, m: int, shown: bool = _shown) -> Array:
        return _sliced(n, m, shown)


@task.misconception(
    "hides the last entries of each row by a slice from the end, which is everything for the last query",
    ask="Which entries does row[-k:] name for k = 0?",
)
def _(n: int, m: int) -> Array:
    mask = torch.ones(n, m, dtype=torch.bool)
    for i in range(n):
        mask[i, -(n - 1 - i) :] = False
    return mask


@task.misconception(
    "cuts rows m − n to m out of a square mask, which fails where there are more queries than keys",
    ask="What do your slice's bounds become for n = 3 and m = 2?",
)
def _(n: int, m: int) -> Array:
    size = max(n, m)
    return (_places(size, size, 0) <= 0)[m - n : m, :m]


@task.misconception(
    "sees at most n keys: a square mask behind hidden keys", ask="May a new query see what the cache holds?"
)
def _(n: int, m: int) -> Array:
    return causal_mask(n, m) & (torch.arange(m) >= m - n)


@task.misconception(
    "lets queries that see nothing keep the first key",
    ask="The first of 4 queries over 2 keys stands before the first key. Which keys are not its future?",
)
def _(n: int, m: int) -> Array:
    return causal_mask(n, m) | (torch.arange(m) == 0)


@task.misconception(
    "lets queries that see nothing see everything",
    ask="The first of 4 queries over 2 keys stands before the first key. Which keys are not its future?",
)
def _(n: int, m: int) -> Array:
    mask = causal_mask(n, m)
    return mask | ~mask.any(-1, keepdim=True)


@task.misconception(
    "has a row for each key and a column for each query", ask="Which axis of the scores holds the queries?"
)
def _(n: int, m: int) -> Array:
    return causal_mask(n, m).T


@task.misconception(
    "has a row for each key and a column for each query, aligned at the top left",
    ask="Which axis of the scores holds the queries?",
)
def _(n: int, m: int) -> Array:
    return causal_mask(m, m)[:, :n] if n <= m else causal_mask(n, n)[:m]


@task.misconception(
    "has a row for each key and a column for each query, and the shift on the wrong side",
    ask="Which axis of the scores holds the queries, and which of the two is shifted?",
)
def _(n: int, m: int) -> Array:
    return torch.arange(n) <= torch.arange(m)[:, None] + (m - n)


@task.misconception(
    "exchanges n and m", ask="Which of the two counts queries, and which axis of the scores holds them?"
)
def _(n: int, m: int) -> Array:
    return causal_mask(m, n)


@task.misconception("is always square, n by n", ask="How many columns do the scores of n queries over m keys have?")
def _(n: int, m: int) -> Array:  # noqa: ARG001 - ignoring m is the mistake
    return causal_mask(n, n)


@task.misconception("is always square, m by m", ask="How many rows do the scores of n queries over m keys have?")
def _(n: int, m: int) -> Array:  # noqa: ARG001 - ignoring n is the mistake
    return causal_mask(m, m)


@task.misconception("hides nothing", ask="Which key must the first of n = m queries not see?")
def _(n: int, m: int) -> Array:
    return torch.ones(n, m, dtype=torch.bool)


@task.misconception(
    "hides nothing where n and m differ",
    ask="Two new queries over a cache of four keys: may the first of them see the last key?",
)
def _(n: int, m: int) -> Array:
    return causal_mask(n, m) | torch.tensor(n != m)


@task.misconception("shows the present only", ask="What may a query see besides its own position?")
def _(n: int, m: int) -> Array:
    return _places(n, m, m - n) == 0


for _shape in ((1,), (1, 1)):

    @task.misconception(
        "has axes for batch and heads too",
        ask="Which shape does the task ask for, and what does broadcasting add on the left?",
    )
    def _(n: int, m: int, shape: tuple[int, ...] = _shape) -> Array:
        return causal_mask(n, m).reshape(*shape, n, m)


for _dtype in (torch.float32, torch.float64, torch.int64, torch.int32, torch.uint8):

    @task.misconception(
        "returns ones and zeros instead of booleans",
        ask="What do `mask & other`, `~mask` and `scores.masked_fill(mask, …)` need? And what does a comparison return?",
    )
    def _(n: int, m: int, dtype: torch.dtype = _dtype) -> Array:
        return causal_mask(n, m).to(dtype)


for _fill in (-torch.inf, -1e9):

    @task.misconception(
        "returns numbers to add to the scores instead of booleans",
        ask="Which of the two kinds of mask is asked for: one that is added, or one that says yes or no?",
    )
    def _(n: int, m: int, fill: float = _fill) -> Array:
        return torch.zeros(n, m).masked_fill(~causal_mask(n, m), fill)


@task.misconception("multiplies ones by −inf, which makes NaN of the zeros", ask="What is 0 · (−inf)?")
def _(n: int, m: int) -> Array:
    return torch.ones(n, m).triu(m - n + 1) * -torch.inf


@task.misconception(
    "counts in 8 bits, which end at 255", ask="Which dtype do your positions have, and what is its largest number?"
)
def _(n: int, m: int) -> Array:
    return torch.arange(m).to(torch.uint8) <= (torch.arange(n)[:, None] + (m - n)).to(torch.uint8)


squeezes(task)
