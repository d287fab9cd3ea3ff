"""What a right answer may deviate by, computed instead of guessed, and the comparison with what came.

Tolerance = 2 × (the error of an independent computation in the same dtype + how far the result moves when the inputs move
by one rounding + a rounding floor). Comparisons are written so that NaN fails.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from autograder.checking.probe import Crash, Observation, Opaque, Request, is_float_array, leaves_of, observe

EPS = {"float16": 2.0**-10, "bfloat16": 2.0**-7, "float32": 2.0**-23, "float64": 2.0**-52}
FLOOR = {"float16": 5e-3, "bfloat16": 3e-2, "float32": 1e-4, "float64": 1e-9}  # relative to the largest expected value
PERTURBATIONS = 2  # how many rounding-sized moves of the inputs are tried


@dataclass(frozen=True)
class Mismatch:
    """How a result differs from the expected one: a kind ("shape", "value", …) and a sentence."""

    kind: str
    sentence: str
    ratio: float | None = None  # got / expected, where it is the same number everywhere


@dataclass(frozen=True)
class Expectation:
    """An expected result with the deviation allowed to each of its floating arrays."""

    value: Any
    gradients: tuple[Any, ...]
    value_tolerances: tuple[float, ...]
    gradient_tolerances: tuple[float, ...]
    crash: Crash | None = None
    changed: tuple[int, ...] = ()


def dtype_name(array: Any) -> str:
    """ "float32" for an array of either library."""
    return str(array.dtype).removeprefix("torch.")


def precision(request: Request) -> str:
    """The dtype of the request's floating inputs, the coarsest if they differ; float64 where there are none."""
    names = {dtype_name(x) for x in request.inputs if is_float_array(x)}
    return next((name for name in EPS if name in names), "float64")


def expect(function: Callable[..., Any], request: Request) -> Expectation:
    """What `function`, taken as right, gives for this request: computed in float64, with its tolerances."""
    exact = observe(function, _converted(request, "float64"))
    if exact.crash:
        return Expectation(None, (), (), (), exact.crash)
    return _bounded(function, request, exact, observe(function, request))


def imitate(function: Callable[..., Any], request: Request) -> Expectation:
    """What `function`, taken as a mistake, gives: computed in the request's own dtype, where overflows happen."""
    own = observe(function, request)
    if own.crash:
        return Expectation(None, (), (), (), own.crash)
    return _bounded(function, request, own, observe(function, _converted(request, "float64")))


def _bounded(
    function: Callable[..., Any], request: Request, answer: Observation, independent: Observation
) -> Expectation:
    name = precision(request)
    moved = [observe(function, _perturbed(request, EPS[name], seed)) for seed in range(PERTURBATIONS)]
    values, gradients = leaves_of(answer.value), answer.gradients

    def tolerances(leaves: Any, pick: Callable[[Observation], list[Any]], scale: float | None) -> tuple[float, ...]:
        return tuple(_tolerance(x, i, pick, independent, moved, scale, name) for i, x in enumerate(leaves))

    return Expectation(
        answer.value,
        gradients,
        tolerances(values, _values, None),
        tolerances(gradients, _grads, _scale(gradients)),
        changed=answer.changed,
    )


def _values(seen: Observation) -> list[Any]:
    return leaves_of(seen.value)


def _grads(seen: Observation) -> list[Any]:
    return list(seen.gradients)


def _tolerance(
    leaf: Any,
    i: int,
    pick: Callable[[Observation], list[Any]],
    independent: Observation,
    moved: list[Observation],
    scale: float | None,
    name: str,
) -> float:
    if not (is_float_array(leaf) or isinstance(leaf, float)):
        return 0.0
    error = max((_distance(leaf, pick(other)[i]) for other in [independent] if len(pick(other)) > i), default=0.0)
    sensitivity = max((_distance(leaf, pick(other)[i]) for other in moved if len(pick(other)) > i), default=0.0)
    size = _scale([leaf]) if scale is None else scale
    return 2 * (error + 4 * sensitivity + FLOOR[name] * size)


def _scale(leaves: Any) -> float:
    arrays = [np.abs(numpy64(x)) for x in leaves if is_float_array(x) or isinstance(x, float)]
    return max((float(a[np.isfinite(a)].max(initial=0.0)) for a in arrays), default=0.0)


def _distance(a: Any, b: Any) -> float:
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


def _converted(request: Request, dtype: str) -> Request:
    return replace(
        request,
        inputs=tuple(_as(x, dtype) for x in request.inputs),
        cotangents=tuple(_as(c, dtype) for c in request.cotangents),
    )


def _as(value: Any, dtype: str) -> Any:
    if not is_float_array(value):
        return value
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

    wide = _converted(request, "float64")
    return replace(wide, inputs=tuple(move(x) for x in request.inputs))


def compare(seen: Observation, expected: Expectation, dtype: str | None = None) -> Mismatch | None:
    """The first difference in the value, or None. `dtype` is the one of floating outputs (None: as in the expected value)."""
    got, want = leaves_of(seen.value), leaves_of(expected.value)
    if isinstance(expected.value, tuple) and len(got) != len(want):
        return Mismatch(
            "count",
            f"It returned {describe(seen.value)}, but {len(want)} values are asked for: {describe(expected.value)}.",
        )
    if not isinstance(expected.value, tuple) and isinstance(seen.value, tuple):
        return Mismatch(
            "count", f"It returned {describe(seen.value)}, but one value is asked for: {describe(expected.value)}."
        )
    for i, (g, w, tolerance) in enumerate(zip(got, want, expected.value_tolerances, strict=True)):
        where = "The output" if len(want) == 1 else f"Output {i + 1} of {len(want)}"
        if found := compare_leaf(g, w, tolerance, where, dtype):
            return found
    return None


def compare_leaf(got: Any, want: Any, tolerance: float, where: str, dtype: str | None = None) -> Mismatch | None:
    """The difference between one output and the expected one, or None."""
    if found := _compare_form(got, want, where, dtype):
        return found
    x, y = numpy64(got), numpy64(want)
    odd = np.isnan(x) != np.isnan(y)
    odd |= np.where(np.isinf(x) | np.isinf(y), x != y, False) & ~np.isnan(x) & ~np.isnan(y)
    if odd.any():
        at = _first(odd)
        return Mismatch("finite", f"{where} holds {x[at]:.4g}{_at(at)}, where {y[at]:.4g} is right.", None)
    finite = np.isfinite(y)
    gap = np.abs(np.where(finite, x, 0.0) - np.where(finite, y, 0.0))
    if not (gap <= tolerance).all():
        at = tuple(int(i) for i in np.unravel_index(int(gap.argmax()), gap.shape))
        close = f" (off by {gap[at]:.1e}; {tolerance:.1e} is allowed)" if gap[at] < 1e-3 * abs(y[at]) else ""
        sentence = f"{where} holds {x[at]:.6g}{_at(at)}, where {y[at]:.6g} is right{close}."
        return Mismatch("value", sentence, _ratio(x, y, tolerance))
    return None


def _compare_form(got: Any, want: Any, where: str, dtype: str | None) -> Mismatch | None:
    """Type, shape and dtype, before any number is looked at."""
    if got is None and want is not None:
        return Mismatch("none", f"{where} is None, not {describe(want)}: is a `return` missing?")
    if (want is None and got is not None) or isinstance(got, Opaque) or _family(got) != _family(want):
        return Mismatch("type", f"{where} is {describe(got)}, but {describe(want)} is asked for.")
    if _family(want) in ("none", "str"):
        return None if got == want else Mismatch("value", f"{where} is {got!r}, where {want!r} is right.")
    if numpy64(got).shape != numpy64(want).shape:
        return Mismatch("shape", f"{where} has shape {tuple(got.shape)}, but {tuple(want.shape)} is right.")
    if is_float_array(want):
        right = dtype or dtype_name(want)
        if dtype_name(got) != right:
            return Mismatch("dtype", f"{where} is {dtype_name(got)} for {right} inputs: the dtype must be kept.")
    elif not isinstance(want, (bool, int, float)) and dtype_name(got) != dtype_name(want):
        return Mismatch("dtype", f"{where} is of dtype {dtype_name(got)}, but {dtype_name(want)} is asked for.")
    return None


def _family(value: Any) -> str:
    """Which kind of thing it is. A 0-d float64 array and a Python float count as the same: NumPy gives both for a sum."""
    if value is None:
        return "none"
    if isinstance(value, (bool, str)):
        return type(value).__name__
    if isinstance(value, int):
        return "int"
    if isinstance(value, float) or (isinstance(value, np.ndarray) and value.shape == () and value.dtype == np.float64):
        return "float"
    return "array" if isinstance(value, np.ndarray) else type(value).__name__


def _first(mask: np.ndarray[Any, Any]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.argwhere(mask)[0]) if mask.ndim else ()


def _at(index: tuple[int, ...]) -> str:
    return f" at [{', '.join(map(str, index))}]" if index else ""


def _ratio(x: np.ndarray[Any, Any], y: np.ndarray[Any, Any], tolerance: float) -> float | None:
    """The factor between the two, if one factor explains every entry."""
    size = float((y * y).sum())
    factor = float((x * y).sum()) / size if size > 0 else 0.0
    return (
        factor
        if x.size > 1 and factor and bool((np.abs(x - factor * y) <= max(1.0, abs(factor)) * tolerance).all())
        else None
    )


def describe(value: Any) -> str:
    """A result in words: "a float64 array of shape (2, 3)"."""
    if isinstance(value, tuple):
        return f"a tuple of {len(value)} ({', '.join(describe(v) for v in value)})"
    if isinstance(value, Opaque):
        return value.description
    if isinstance(value, np.ndarray):
        return f"a NumPy {dtype_name(value)} array of shape {value.shape}"
    if hasattr(value, "untyped_storage"):
        return f"a {dtype_name(value)} tensor of shape {tuple(value.shape)}"
    return "None" if value is None else f"a {type(value).__name__}"
