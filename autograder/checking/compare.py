"""What a right answer may deviate by, computed instead of guessed, and the comparison with what came.

Tolerance = 2 × (the error of an independent computation in the same dtype + 4 × how far the result moves when the
inputs move by one rounding + a rounding floor). The floor comes first: only where it does not suffice is the rest
computed, which takes three more calls. Comparisons are written so that NaN fails.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from autograder.checking.probe import (
    Crash,
    Observation,
    Opaque,
    Request,
    dtype_name,
    is_float_array,
    leaves_of,
    observe,
)

EPS = {"float16": 2.0**-10, "bfloat16": 2.0**-7, "float32": 2.0**-23, "float64": 2.0**-52}
FLOOR = {"float16": 5e-3, "bfloat16": 3e-2, "float32": 1e-4, "float64": 1e-9}  # relative to the largest expected value
FAR = 100.0  # beyond so many times a rough tolerance the exact one is not computed
PERTURBATIONS = 3  # how many rounding-sized moves of the inputs are tried
LOG_SUM_EXP = 4.0  # a softmax by way of its log-sum-exp loses so many units of the last digit of the largest score
MOST_SLACK = 0.05  # a weight of 0 instead of 1 is a mistake, however large the scores are
GRADIENTS = 2.0  # a backward pass through another right formula, such as a log-sum-exp, rounds so many times as much


@dataclass(frozen=True)
class Mismatch:
    """How a result differs from the expected one: a kind ("shape", "value", …) and a sentence."""

    kind: str
    sentence: str
    ratio: float | None = None  # got / expected, where it is the same number everywhere


class Tolerance:
    """What one array of a result may deviate by: `floor` always, `full` where that does not suffice."""

    def __init__(self, floor: float, moves: Callable[[int], float] = lambda _: 0.0) -> None:
        self.floor = floor
        self._moves = moves  # how much more the problem's condition allows, from this many perturbed calls

    @cached_property
    def rough(self) -> float:
        """An estimate of `full` from a single call."""
        return self.floor + self._moves(1)

    @cached_property
    def full(self) -> float:
        """The floor, and what the problem's own condition adds to it."""
        return self.floor + self._moves(PERTURBATIONS)

    def allows(self, gap: np.ndarray[Any, Any]) -> bool:
        """Is every entry of `gap` small enough? NaN never is."""
        worst = float(gap.max(initial=0.0))
        if worst <= self.floor:
            return True
        if self.rough > self.floor and not worst <= FAR * self.rough:
            return False
        return worst <= self.full


@dataclass(frozen=True)
class Expectation:
    """An expected result with the deviation allowed to each of its arrays."""

    value: Any = None
    gradients: tuple[Any, ...] = ()
    value_tolerances: tuple[Tolerance, ...] = ()
    gradient_tolerances: tuple[Tolerance, ...] = ()
    crash: Crash | None = None
    changed: tuple[int, ...] = ()


NOTHING = Expectation()  # where a trial is not about a value


def precision(request: Request) -> str:
    """The dtype of the request's floating inputs, the coarsest if they differ; float64 where there are none."""
    names = {dtype_name(x.dtype) for x in request.inputs if is_float_array(x)}
    return next((name for name in EPS if name in names), "float64")


def expect(
    function: Callable[..., Any], request: Request, unit: float = 0.0, scores: Callable[..., Any] | None = None
) -> Expectation:
    """What `function`, taken as right, gives for this request: computed in float64, with its tolerances.

    Rounding is counted on results as large as `unit` at least: 1 − 0.3 − 0.7 is not 0 to the last digit. Where a
    softmax is taken of `scores(*inputs)`, the rounding of a log-sum-exp of them is allowed.
    """
    exact = observe(function, converted(request, "float64"))
    if not any(is_float_array(x) or isinstance(x, float) for x in leaves_of(exact.value)):
        # whole numbers and truths have no digits to spare: what is equal in the request's dtype stays equal
        exact = observe(function, request)
    other = _Spread(function, request, lambda: observe(function, request))
    return _bounded(exact, request, other, unit, _largest(scores, request))


def _largest(scores: Callable[..., Any] | None, request: Request) -> float:
    """The size of the scores that a softmax is taken of; 0 where there is none."""
    asked = replace(converted(request, "float64"), cotangents=(), through="")
    return 0.0 if scores is None else _scale(leaves_of(observe(scores, asked).value))


def imitate(function: Callable[..., Any], request: Request, scores: Callable[..., Any] | None = None) -> Expectation:
    """What `function`, taken as a mistake, gives: computed in the request's own dtype, where overflows happen.

    Where a mistake is that digits cancel, two ways to write it agree in size only, so its inputs move further.
    """
    other = _Spread(function, request, lambda: observe(function, converted(request, "float64")), steps=16)
    return _bounded(observe(function, request), request, other, largest=_largest(scores, request))


def _bounded(
    answer: Observation, request: Request, spread: _Spread, unit: float = 0.0, largest: float = 0.0
) -> Expectation:
    if answer.crash:
        return Expectation(crash=answer.crash)
    name = precision(request)
    values, gradients = leaves_of(answer.value), answer.gradients
    size = _scale(gradients)
    slack = min(LOG_SUM_EXP * EPS[name] * largest, MOST_SLACK)  # relative to a weight, and so to what is mixed with it

    def of_value(leaf: Any, i: int) -> Tolerance:
        if not (is_float_array(leaf) or isinstance(leaf, float)):
            return Tolerance(0.0)
        return Tolerance(
            (2 * FLOOR[name] + slack) * max(_scale([leaf]), unit),
            lambda calls: spread.around(leaf, lambda seen: _item(leaves_of(seen.value), i), calls),
        )

    def of_gradient(leaf: Any, i: int) -> Tolerance:
        if leaf is None:
            return Tolerance(0.0)
        return Tolerance(
            (2 * FLOOR[name] + slack) * size,
            lambda calls: noise(i) + GRADIENTS * spread.around(leaf, lambda seen: _item(seen.gradients, i), calls),
        )

    def noise(i: int) -> float:
        """A gradient below this changes no digit of the output when the whole input moves: saturation leaves such."""
        moved, size = _scale(request.cotangents) * _scale(values), _scale([request.inputs[i]])
        return (4 * EPS[name] + slack * largest) * moved / size if size > 0 else 0.0  # zeros do not move

    return Expectation(
        answer.value,
        gradients,
        tuple(of_value(x, i) for i, x in enumerate(values)),
        tuple(of_gradient(x, i) for i, x in enumerate(gradients)),
        changed=answer.changed,
    )


class _Spread:
    """How far a result moves: in another dtype, and when its inputs move by one rounding. Computed when asked for."""

    def __init__(
        self,
        function: Callable[..., Any],
        request: Request,
        independent: Callable[[], Observation],
        steps: int = 1,
    ) -> None:
        self._function, self._request, self._independent = function, request, independent
        self._eps = steps * EPS[precision(request)]
        self._seen: dict[int, Observation] = {}

    @cached_property
    def _other(self) -> Observation:
        return self._independent()

    def _moved(self, i: int) -> Observation:
        if i not in self._seen:
            self._seen[i] = observe(self._function, _perturbed(self._request, self._eps, i))
        return self._seen[i]

    def around(self, leaf: Any, pick: Callable[[Observation], Any], calls: int) -> float:
        """The rounding error of this leaf and its sensitivity, as the module's first lines say."""
        sensitivity = max(_distance(leaf, pick(self._moved(i))) for i in range(calls))
        error = _distance(leaf, pick(self._other)) if calls > 1 else 0.0
        return 2 * (error + 4 * sensitivity)


def _item(leaves: Any, i: int) -> Any:
    return leaves[i] if i < len(leaves) else None


def _scale(leaves: Any) -> float:
    arrays = [np.abs(numpy64(x)) for x in leaves if is_float_array(x) or isinstance(x, float)]
    return max((float(a[np.isfinite(a)].max(initial=0.0)) for a in arrays), default=0.0)


def _distance(a: Any, b: Any) -> float:
    if b is None:
        return 0.0
    x, y = numpy64(a), numpy64(b)
    if x.shape != y.shape:
        return 0.0
    with np.errstate(invalid="ignore"):
        gap = np.abs(x - y)
    return float(gap[np.isfinite(gap)].max(initial=0.0))


def numpy64(value: Any) -> np.ndarray[Any, Any]:
    """Any array or number as a float64 NumPy array."""
    if hasattr(value, "detach"):
        value = value.detach().double().numpy()
    return np.asarray(value, dtype=np.float64)


def converted(request: Request, dtype: str) -> Request:
    """The request with its floating arrays in this dtype."""
    return replace(
        request,
        inputs=tuple(_as(x, dtype) for x in request.inputs),
        cotangents=tuple(_as(c, dtype) for c in request.cotangents),
    )


def _as(value: Any, dtype: str) -> Any:
    if not is_float_array(value):
        return value
    with np.errstate(over="ignore"):  # float64 numbers that float32 cannot hold become infinite
        return value.astype(dtype) if isinstance(value, np.ndarray) else value.to(getattr(_torch_of(value), dtype))


def _torch_of(_: Any) -> Any:
    import torch

    return torch


def _perturbed(request: Request, eps: float, seed: int) -> Request:
    rng = np.random.default_rng(seed)

    def move(value: Any) -> Any:
        wide = _as(value, "float64")
        if not is_float_array(value):
            return value
        factor = 1 + eps * rng.choice([-1.0, 1.0], size=tuple(value.shape))
        return wide * factor if isinstance(wide, np.ndarray) else wide * _torch_of(value).from_numpy(np.asarray(factor))

    wide = converted(request, "float64")
    return replace(wide, inputs=tuple(move(x) for x in request.inputs))


def compare(seen: Observation, expected: Expectation, dtype: str | None = None) -> Mismatch | None:
    """The first difference in the value, or None. `dtype` is that of floating outputs; None: the expected value's."""
    got, want = leaves_of(seen.value), leaves_of(expected.value)
    several = isinstance(expected.value, tuple)
    if len(got) != len(want) if several else isinstance(seen.value, tuple):
        asked = f"{len(want)} values are" if several else "one value is"
        sentence = f"It returned {describe(seen.value)}, but {asked} asked for: {describe(expected.value)}."
        return Mismatch("none" if seen.value is None else "count", sentence)
    for i, (g, w, tolerance) in enumerate(zip(got, want, expected.value_tolerances, strict=True)):
        where = "The output" if len(want) == 1 else f"Output {i + 1} of {len(want)}"
        if found := compare_leaf(g, w, tolerance, where, dtype):
            return found
    return None


def compare_leaf(got: Any, want: Any, tolerance: Tolerance, where: str, dtype: str | None = None) -> Mismatch | None:
    """The difference between one output and the expected one, or None."""
    if found := _compare_form(got, want, where):
        return found
    if _family(want) in ("none", "str"):
        return None if got == want else Mismatch("value", f"{where} is {got!r}, where {want!r} is right.")
    if type(got) is int and type(want) is int:  # to the last digit: float64 has only 53 bits
        if got == want:
            return None
        return Mismatch("value", f"{where} is {got}, where {want} is right.", _ratio(numpy64(got), numpy64(want), 0.0))
    wrong_dtype = _compare_dtype(got, want, where, dtype)
    if wrong_dtype and not _finer(got, want, dtype):
        return wrong_dtype  # a coarser one explains wrong digits; after a finer one the digits still count
    truths = dtype_name(getattr(want, "dtype", None)) == "bool" and wrong_dtype is None
    return _compare_numbers(numpy64(got), numpy64(want), tolerance, where, truths) or wrong_dtype


def _compare_numbers(
    x: np.ndarray[Any, Any], y: np.ndarray[Any, Any], tolerance: Tolerance, where: str, truths: bool = False
) -> Mismatch | None:
    with np.errstate(invalid="ignore"):
        worst = float(np.abs(x - y).max(initial=0.0))
    if worst <= tolerance.floor and worst < np.inf:  # the ordinary case; NaN makes it false
        return None
    odd = np.isnan(x) != np.isnan(y)
    odd |= np.where(np.isinf(x) | np.isinf(y), x != y, False) & ~np.isnan(x) & ~np.isnan(y)
    if odd.any():
        at = _first(odd)
        return Mismatch("finite", f"{where} holds {x[at]:.4g}{_at(at)}, where {y[at]:.4g} is right.", None)
    finite = np.isfinite(y)
    gap = np.abs(np.where(finite, x, 0.0) - np.where(finite, y, 0.0))
    if tolerance.allows(gap):
        return None
    at = tuple(int(i) for i in np.unravel_index(int(gap.argmax()), gap.shape))
    if truths:
        return Mismatch("value", f"{where} holds {bool(x[at])}{_at(at)}, where {bool(y[at])} is right.")
    close = f" (off by {gap[at]:.1e}; {tolerance.full:.1e} is allowed)" if gap[at] < 1e-3 * abs(y[at]) else ""
    digits = 6 if f"{x[at]:.6g}" != f"{y[at]:.6g}" else 17
    sentence = f"{where} holds {x[at]:.{digits}g}{_at(at)}, where {y[at]:.{digits}g} is right{close}."
    return Mismatch("value", sentence, _ratio(x, y, tolerance.rough))


def _compare_form(got: Any, want: Any, where: str) -> Mismatch | None:
    """Type and shape, before any number is looked at."""
    if got is None and want is not None:
        return Mismatch("none", f"{where} is None, not {describe(want)}: is a `return` missing?")
    if isinstance(got, Opaque) or not _alike(got, want):
        return Mismatch("type", f"{where} is {describe(got)}, but {describe(want)} is asked for.")
    if getattr(got, "shape", ()) != getattr(want, "shape", ()):
        return Mismatch("shape", f"{where} has shape {tuple(got.shape)}, but {tuple(want.shape)} is right.")
    return None


def _compare_dtype(got: Any, want: Any, where: str, dtype: str | None) -> Mismatch | None:
    if not hasattr(got, "dtype") or not hasattr(want, "dtype"):
        return None
    if is_float_array(want):
        right = dtype or dtype_name(want.dtype)
        if dtype_name(got.dtype) != right:
            return Mismatch("dtype", f"{where} is {dtype_name(got.dtype)} for {right} inputs: the dtype must be kept.")
    elif dtype_name(got.dtype) != dtype_name(want.dtype):
        return Mismatch(
            "dtype", f"{where} is of dtype {dtype_name(got.dtype)}, but {dtype_name(want.dtype)} is asked for."
        )
    return None


def _finer(got: Any, want: Any, dtype: str | None) -> bool:
    """Can the dtype of `got`, a wrong one, hold the right result to the last digit?"""
    if not is_float_array(want):
        return not is_float_array(got) or dtype_name(want.dtype) == "bool"
    right = dtype or dtype_name(want.dtype)
    return is_float_array(got) and EPS.get(dtype_name(got.dtype), 0.0) < EPS.get(right, 0.0)


def _alike(got: Any, want: Any) -> bool:
    """Are they the same kind of thing? NumPy's float64 numbers are Python floats too, in both directions; 0 is 0.0."""
    if isinstance(want, float) and type(got) is int:
        return True
    if isinstance(want, float) or isinstance(got, float):
        return all(isinstance(x, float) or _float64_number(x) for x in (got, want))
    return _family(got) == _family(want)


def _float64_number(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.shape == () and value.dtype == np.float64


def _family(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, (bool, str)):
        return type(value).__name__
    if isinstance(value, int):
        return "int"
    return "array" if isinstance(value, np.ndarray) else type(value).__name__


def _first(mask: np.ndarray[Any, Any]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.argwhere(mask)[0]) if mask.ndim else ()


def _at(index: tuple[int, ...]) -> str:
    return f" at [{', '.join(map(str, index))}]" if index else ""


def _ratio(x: np.ndarray[Any, Any], y: np.ndarray[Any, Any], tolerance: float) -> float | None:
    """The factor between the two, if one factor explains every entry."""
    with np.errstate(over="ignore", invalid="ignore"):  # a learner's numbers may be of any size
        size = float((y * y).sum())
        factor = float((x * y).sum()) / size if size > 0 else 0.0
        explains = factor and bool((np.abs(x - factor * y) <= max(1.0, abs(factor)) * tolerance).all())
    return factor if explains else None


def describe(value: Any) -> str:
    """A result in words: "a float64 array of shape (2, 3)"."""
    if isinstance(value, tuple):
        words = ", ".join(repr(v) if type(v) is int else describe(v) for v in value[:4])
        return f"a tuple of {len(value)}" + ("" if value[4:] or "tuple" in words else f" ({words})")
    if isinstance(value, Opaque):
        return value.description
    if isinstance(value, np.ndarray):
        return f"a NumPy {dtype_name(value.dtype)} " + (f"array of shape {value.shape}" if value.ndim else "number")
    if hasattr(value, "untyped_storage"):
        return f"a {dtype_name(value.dtype)} tensor of shape {tuple(value.shape)}"
    kind = type(value).__name__
    return "None" if value is None else f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"
