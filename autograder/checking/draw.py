"""Inputs for a task: an author says what one valid input looks like, the engine varies everything else.

A `Case` fixes what is varied (sizes, batch axes, dtype, magnitude, memory layout, seed); a `Draw` gives a task's input
function its arrays under that case. `plan` lists the cases of one examination, the simplest first.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from types import EllipsisType
from typing import Any, Literal

import numpy as np

Kind = Literal["np", "torch", "py"]
Sizes = Literal["one", "ragged", "some equal", "equal", "wide", "odd wide", "even wide"]  # wide: all, every second
Axis = str | int | EllipsisType  # a letter, a fixed size, or ... for the batch axes


@dataclass(frozen=True)
class Case:
    """What the engine varies from one draw to the next."""

    name: str
    seed: int = 0
    dtype: str = "float64"
    batch: tuple[int, ...] = ()
    sizes: Sizes = "ragged"
    same: tuple[str, str] | None = None  # two letters whose sizes are equal, and above 1 where the task allows it
    limit: int | None = None  # no size above this, where the task allows it: counterexamples are shrunk with it
    magnitude: float = 1.0
    strided: bool = False
    rounded: bool = False  # values with one decimal, for people to read
    special: str | None = None  # the name of the task's special input, None for an ordinary one
    again: int = 0  # other values in arrays of the same sizes
    own: bool = False  # drawn for one learner, so that nobody else's will be asked again


HIGH, WIDE = 6, (17, 24)  # the largest ordinary size, and the sizes of a wide case, where the task sets no bound


class Draw:
    """Gives a task's input function its sizes and arrays. The same case gives the same draw."""

    def __init__(self, case: Case, kind: Kind) -> None:
        self.case = case
        self.kind = kind
        self.rng = np.random.default_rng([case.seed, case.again])
        self._size_rng = random.Random(case.seed)
        self.sizes: dict[str, int] = {}  # what was drawn so far, by letter

    def size(self, letter: str, low: int = 1, high: int | None = None) -> int:
        """The size of an axis: the same for the same letter, different for different letters where that is possible.

        It is never below `low`. Without `high`, one case has much larger sizes than the others.
        """
        if letter not in self.sizes:
            self.sizes[letter] = self._size_rng.choice(self._options(letter, low, high))
        return self.sizes[letter]

    def _options(self, letter: str, low: int, high: int | None) -> list[int]:
        top = max(low, HIGH if high is None else high)
        if self.case.limit is not None:
            top = max(low, min(top, self.case.limit))
        if self.case.sizes == "one":
            return [low]
        if self.case.sizes == "equal" and self.sizes:
            return [min(max(low, next(iter(self.sizes.values()))), top)]
        if self.case.sizes == "equal":
            low, top = max(low, min(2, top)), max(low, min(top, HIGH))
        if self.case.sizes in ("wide", ("odd wide", "even wide")[len(self.sizes) % 2]):
            low, top = (high, high) if high else (max(low, WIDE[0]), max(low, WIDE[1]))
        if self.case.same and letter in self.case.same:
            low, top = max(low, min(2, top)), max(low, min(top, HIGH))
            twin = next((n for other, n in self.sizes.items() if other in self.case.same), None)
            if twin is not None and low <= twin <= top:
                return [twin]
        options = list(range(low, top + 1))
        if self.case.sizes == "some equal" and self.sizes and self._size_rng.random() < 0.5:
            return [n for n in self.sizes.values() if n in options] or options
        return [n for n in options if n not in self.sizes.values()] or options

    def shape(self, *axes: Axis) -> tuple[int, ...]:
        """The shape that these axes have in this case."""
        parts = (
            self.case.batch if axis is ... else (self.size(axis) if isinstance(axis, str) else axis,) for axis in axes
        )
        return tuple(n for part in parts for n in part)

    def array(self, *axes: Axis, mean: float = 0.0, scale: float = 1.0, fixed: bool = False) -> Any:
        """Normal values in the task's kind of array and the case's dtype; `fixed` keeps the magnitude at 1."""
        values = self.rng.normal(mean, scale, self.shape(*axes))
        return self.give(values if fixed else values * self.case.magnitude)

    def weights(self, *axes: Axis, sharpness: float = 1.0) -> Any:
        """Rows that are positive and sum to one along the last axis, as softmax gives them."""
        logits = self.rng.normal(0.0, sharpness, self.shape(*axes))
        exp = np.exp(logits - logits.max(-1, keepdims=True))
        return self.give(exp / exp.sum(-1, keepdims=True), rounded=False)

    def mask(self, *axes: Axis, keep: float = 0.7, empty_rows: bool = False) -> Any:
        """A boolean mask, True = may attend. Every row sees something; with `empty_rows` one row sees nothing."""
        shape = self.shape(*axes)
        mask = self.rng.random(shape) < keep
        rows = mask.reshape(-1, shape[-1])
        rows[np.arange(len(rows)), self.rng.integers(0, shape[-1], len(rows))] = True
        if empty_rows:
            rows[self.rng.integers(0, len(rows))] = False
        return self.give(rows.reshape(shape))

    def integers(self, *axes: Axis, low: int, high: int) -> Any:
        """Whole numbers from low to high, both included, as int64."""
        return self.give(self.rng.integers(low, high + 1, self.shape(*axes)))

    def choice(self, options: Sequence[Any]) -> Any:
        """One of the options."""
        return options[int(self.rng.integers(len(options)))]

    def flag(self, probability: float = 0.5) -> bool:
        """True with this probability."""
        return bool(self.rng.random() < probability)

    def give(self, values: np.ndarray[Any, Any], rounded: bool = True) -> Any:
        """A NumPy array as the task's kind of array; floating values in the case's dtype."""
        if values.dtype.kind == "f":
            if self.case.rounded and rounded and self.case.magnitude == 1.0:
                values = np.round(values, 1) + 0.0  # no -0.0, which reads like a misprint
            if self.kind == "np":
                return values.astype(self.case.dtype)
        if self.kind != "torch":
            return values
        import torch

        tensor = torch.from_numpy(np.ascontiguousarray(values))
        return tensor.to(getattr(torch, self.case.dtype)) if values.dtype.kind == "f" else tensor


InputFunction = Callable[[Draw], tuple[Any, ...]]

# Seven, so that each meets both dtypes when cases take turns.
BATCHES: tuple[tuple[int, ...], ...] = ((), (2,), (2, 3), (1,), (), (2, 1, 3), (3,))


def plan(seed: int, dtypes: Sequence[str], specials: Iterable[str], rounds: int = 24) -> Iterator[Case]:
    """The cases of one examination, the simplest first; every seed is derived from `seed`."""
    seeds = np.random.default_rng(seed)
    exact = dtypes[-1]  # the most precise dtype, by convention the last one named

    def case(name: str, **traits: Any) -> Case:
        return Case(name, seed=int(seeds.integers(2**62)), **({"dtype": exact} | traits))

    yield case("one element", sizes="one")
    for batch in BATCHES[:3]:
        yield case(f"{len(batch)} batch axes", batch=batch)
    for dtype in dtypes:
        yield case(f"{dtype}", dtype=dtype)
        yield case(f"{dtype}, large values", dtype=dtype, magnitude=60.0, batch=(2,))
        yield case(f"{dtype}, tiny values", dtype=dtype, magnitude=1e-4)
        yield case(f"{dtype}, equal sizes", dtype=dtype, sizes="equal")
        yield case(f"{dtype}, equal sizes, batched", dtype=dtype, sizes="equal", batch=(2,))
        yield case(f"{dtype}, wide", dtype=dtype, sizes="wide")
    yield case("every second size wide", sizes="odd wide")
    yield case("every other size wide", sizes="even wide")
    yield case("huge values", magnitude=3e3)
    yield case("huge values, batched", magnitude=3e3, batch=(2,))
    yield case("non-contiguous memory", strided=True)
    yield case("non-contiguous memory, batched", strided=True, batch=(2, 3))
    for round_ in range(rounds):
        dtype, batch = dtypes[round_ % len(dtypes)], BATCHES[round_ % len(BATCHES)]
        sizes: Sizes = "some equal" if round_ % 3 == 2 else "ragged"
        one = case(f"random {round_}", dtype=dtype, batch=batch, sizes=sizes, strided=round_ % 5 == 4)
        yield one
        if round_ % 4 == 0:  # a cache that looks at shapes only gives itself away
            yield replace(one, name=f"{one.name}, other values", again=1)
    for special in specials:
        for dtype in dtypes:
            for batch in BATCHES[:3]:
                yield case(f"{special}, {dtype}", special=special, dtype=dtype, batch=batch)


def smaller(case: Case, tries: int = 60) -> Iterator[Case]:
    """Simpler variants of a failing case: sizes up to 1, then 2, then 3, at most one batch axis, round values."""
    for limit in (1, 2, 3):
        for attempt in range(tries // 3):
            batch = () if attempt % 3 else case.batch[:1]
            sizes: Sizes = case.sizes if case.sizes in ("equal", "some equal") else "ragged"
            yield replace(case, sizes=sizes, limit=limit, batch=batch, seed=case.seed + attempt + 1, rounded=True)
