"""What the pattern of failures tells when no misconception of the task fits: mistakes that every task knows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from autograder.checking.compare import (
    Tolerance,
    compare,
    compare_leaf,
    converted,
    describe,
    expect,
    numpy64,
    precision,
)
from autograder.checking.engine import Trial, gradient_mismatches
from autograder.checking.probe import dtype_name, is_float_array, leaves_of
from autograder.checking.task import Task

Explanation = tuple[str, str]  # the mistake ("changes its input…") and the question that leads out of it

LARGE = 20.0  # entries of ordinary draws are smaller


@dataclass(frozen=True)
class Evidence:
    """The trials of one examination, sorted."""

    task: Task
    failed: list[Trial]
    passed: list[Trial]


def explain(task: Task, trials: list[Trial]) -> Explanation | None:
    """The first general mistake that fits all failures."""
    evidence = Evidence(task, [t for t in trials if t.finding], [t for t in trials if not t.finding])
    return next((found for rule in _RULES if (found := rule(evidence))), None)


def _kinds(seen: Evidence) -> set[str]:
    return {t.finding.kind for t in seen.failed if t.finding}


def _returns_nothing(seen: Evidence) -> Explanation | None:
    # where None is sometimes right, an answer that found something elsewhere does not lack a `return`
    sometimes = any(t.expected.value_tolerances and t.expected.value is None for t in seen.passed)
    if _kinds(seen) <= {"none"} and not (sometimes and any(t.seen.value is not None for t in seen.passed)):
        return "returns nothing", "Is there a `return` on every path, and is a value printed instead of returned?"
    return None


def _changes_input(seen: Evidence) -> Explanation | None:
    changed = next((t.seen.changed for t in seen.failed if t.seen.changed), ())
    if changed and all(t.seen.changed for t in seen.failed):
        return (
            f"changes its input {seen.task.arguments[changed[0]]} in place",
            "Which of your operators write into the array they are given (+=, -=, [...] =)? Is something stored on it?",
        )
    return None


def _overwrites_what_the_backward_pass_needs(seen: Evidence) -> Explanation | None:
    crashes = [t.seen.crash for t in seen.failed if t.seen.crash]
    if any("modified by an inplace operation" in crash.message for crash in crashes):
        return (
            "writes in place into a tensor that the backward pass needs",
            "Which of your operators write into an array (+=, -=, [...] =, a name that ends in _)? What makes a new one?",
        )
    return None


def _views_scattered_memory(seen: Evidence) -> Explanation | None:
    crashes = [t.seen.crash for t in seen.failed if t.seen.crash]
    if crashes and all("view size is not compatible" in crash.message for crash in crashes):
        return (
            "uses view on a tensor that does not lie in memory row by row",
            "Which of view and reshape copies where it has to? When does a slice or a transpose need it?",
        )
    return None


def _uses_random_state(seen: Evidence) -> Explanation | None:
    if "random" in _kinds(seen):
        return "touches the global random generator", "Does the formula have anything random in it?"
    return None


def _raises_no_error(seen: Evidence) -> Explanation | None:
    if _kinds(seen) == {"error"}:
        return "does not raise the error that the task asks for", "Which inputs are wrong, and which line notices it?"
    return None


def _costs_too_much(seen: Evidence) -> Explanation | None:
    if _kinds(seen) == {"cost"}:
        return "is right, but costs more than it may", "Which of your arrays is the largest, and do you need all of it?"
    return None


def _keeps_state(seen: Evidence) -> Explanation | None:
    if "state" in _kinds(seen):
        return (
            "gives another result the second time it is called",
            "What survives a call (a global, a mutable default argument, a cache), or is drawn at random?",
        )
    return None


def _returns_a_constant(seen: Evidence) -> Explanation | None:
    values = [t for t in (*seen.failed, *seen.passed) if t.expected.value_tolerances and not t.seen.crash]
    if len(values) > 2 and not seen.passed and all(_equal(t.seen.value, values[0].seen.value) for t in values):
        return "returns the same result whatever its input is", "Which part of the input does your last line look at?"
    return None


def _returns_an_earlier_result(seen: Evidence) -> Explanation | None:
    # a result that only breaks a property stands among the passed ones as well: it says nothing about a cache
    wrong = [t for t in seen.failed if t.finding and t.finding.kind != "property"]
    if (
        wrong
        and seen.task.kind != "py"
        and all(
            _says_something(t.seen.value) and any(_equal(t.seen.value, other.seen.value) for other in seen.passed)
            for t in wrong
        )
    ):
        return (
            "returns the result of an earlier call",
            "What does your cache compare: the arrays' values, or only their shapes?",
        )
    return None


def _says_something(value: Any) -> bool:
    """Is it more than one number everywhere? Zeros are equal to other zeros without any cache."""
    arrays = [numpy64(x) for x in leaves_of(value) if hasattr(x, "shape") or isinstance(x, float)]
    with np.errstate(invalid="ignore"):  # a learner's numbers may all be infinite
        return any(np.ptp(x) > 0 if x.size > 1 else x.any() for x in arrays)


def _equal(a: Any, b: Any) -> bool:
    """Are the two results the same to the last bit?"""
    pairs = list(zip(leaves_of(a), leaves_of(b), strict=False))
    return len(leaves_of(a)) == len(leaves_of(b)) and all(
        (hasattr(x, "shape") or isinstance(x, float))
        and (hasattr(y, "shape") or isinstance(y, float))
        and np.array_equal(numpy64(x), numpy64(y), equal_nan=True)
        for x, y in pairs
    )


def _returns_wrong_type(seen: Evidence) -> Explanation | None:
    trial = seen.failed[0]
    if not _kinds(seen) <= {"type", "count"}:
        return None
    got, want = trial.seen.value, trial.expected.value
    if isinstance(got, tuple) and isinstance(want, tuple) and len(got) == len(want):
        i = next((i for i, (g, w) in enumerate(zip(got, want, strict=True)) if _kind(g) != _kind(w)), 0)
        return (
            f"returns {_kind(got[i])} instead of {_kind(want[i])} as output {i + 1} of {len(want)}",
            "What type does the task ask for, and which of your operators makes another one?",
        )
    if isinstance(got, tuple) and isinstance(want, tuple):
        return (
            f"returns {len(got)} values instead of {len(want)}",
            "Which values does the task ask for, in which order?",
        )
    got, want = _kind(got), _kind(want)
    return f"returns {got} instead of {want}", "What type does the task ask for, and what does your last line make?"


def _kind(value: object) -> str:
    """A result's type in words, without the shape."""
    if isinstance(value, tuple):
        return "a list or tuple"
    return describe(value).partition(" of shape")[0]


def _cuts_gradient(seen: Evidence) -> Explanation | None:
    if _kinds(seen) != {"gradient"}:
        return None
    if all(_dead(t) for t in seen.failed):
        name = seen.task.arguments[seen.failed[0].finding.argument or 0] if seen.failed[0].finding else ""
        return (
            f"cuts the gradient to {name}",
            "Where does the tensor leave the graph: detach, no_grad, .data, .item(), numpy(), torch.tensor(...)?",
        )
    if factor := _common_factor(seen.failed):
        return (
            f"has gradients that are {factor:.3g} times the right ones",
            "Is something added to itself for the backward pass only?",
        )
    return (
        "has the right values but wrong gradients",
        "Which step is not the same function in the backward pass: a detach, an in-place write, a custom backward?",
    )


def _dead(trial: Trial) -> bool:
    i = trial.finding.argument if trial.finding else None
    return i is not None and trial.seen.gradients[i] is not None and not numpy64(trial.seen.gradients[i]).any()


def _loses_dtype(seen: Evidence) -> Explanation | None:
    if _kinds(seen) == {"dtype"}:
        return "does not keep the dtype of its inputs", "Which constant or new array has a dtype of its own?"
    return None


def _computes_in_float32(seen: Evidence) -> Explanation | None:
    exact = _kinds(seen) <= {"value", "gradient"} and all(precision(t.request) == "float64" for t in seen.failed)
    single = any(precision(t.request) == "float32" for t in seen.passed)
    whole = not any(is_float_array(x) for t in seen.failed for x in t.request.inputs)  # then nothing is in float32
    if exact and (
        (single and all(_good_in_float32(seen.task, t) for t in seen.failed))
        or (whole and all(_equal(_rounded(t.seen.value), _rounded(t.expected.value)) for t in seen.failed))
    ):
        return (
            "loses precision: its float64 results are only as good as float32",
            "Which step converts to float32 (torch.tensor of a number does), or adds a constant such as 1e-6?",
        )
    return None


def _rounded(value: Any) -> Any:
    """A result with the digits that float32 has."""
    return tuple(
        numpy64(x).astype(np.float32) if hasattr(x, "shape") or isinstance(x, float) else x for x in leaves_of(value)
    )


def _good_in_float32(task: Task, trial: Trial) -> bool:
    """Would this result be right if the inputs were float32?"""
    coarse = expect(task.reference, converted(trial.request, "float32"))
    return compare(trial.seen, coarse, precision(trial.request)) is None and not any(
        True for _ in gradient_mismatches(task, trial.request, coarse, trial.seen) if trial.request.cotangents
    )


def _overflows(seen: Evidence) -> Explanation | None:
    crashes = [t.seen.crash for t in seen.failed if t.seen.crash]
    if (
        _kinds(seen) <= {"finite", "crash", "value"}
        and ("finite" in _kinds(seen) or crashes)
        and all("OverflowError" in crash.kinds for crash in crashes)
        and all(_largest(t) > LARGE for t in seen.failed)
    ):
        return "overflows for large inputs", "Which step grows without bound although the result does not?"
    return None


def _largest(trial: Trial) -> float:
    arrays = [np.abs(numpy64(x)) for x in trial.request.inputs if is_float_array(x)]
    return max((float(a[np.isfinite(a)].max(initial=0.0)) for a in arrays), default=0.0)


def _transposed(seen: Evidence) -> Explanation | None:
    if all(_square(t.expected.value) for t in seen.failed):
        return None
    turned = {_turned(t) for t in seen.failed}
    if len(turned) > 1 or None in turned:
        return None
    which = "the right result" if len(leaves_of(seen.failed[0].expected.value)) == 1 else f"output {turned.pop()}"
    return f"returns the transpose of {which}", "Which of the last two axes belongs to the queries?"


def _turned(trial: Trial) -> int | None:
    """The number of the output that is the transpose of the right one, if the others are right."""
    pairs = list(zip(leaves_of(trial.seen.value), leaves_of(trial.expected.value), strict=False))
    found = [i for i, (got, want) in enumerate(pairs) if not _near(got, want, trial.expected.value_tolerances[i])]
    if len(found) != 1 or len(pairs) != len(trial.expected.value_tolerances):
        return None
    got, want = pairs[found[0]]
    if getattr(got, "ndim", 0) < 2 or not _near(got.swapaxes(-1, -2), want, trial.expected.value_tolerances[found[0]]):
        return None
    return found[0] + 1


def _near(got: Any, want: Any, tolerance: Tolerance) -> bool:
    return compare_leaf(got, want, tolerance, "", dtype_name(got.dtype) if hasattr(got, "dtype") else None) is None


def _square(value: Any) -> bool:
    shapes = [tuple(getattr(x, "shape", ())) for x in leaves_of(value)]
    return all(len(shape) < 2 or shape[-1] == shape[-2] for shape in shapes)


def _constant_factor(seen: Evidence) -> Explanation | None:
    if any(_is_not_zero(t.expected.value) for t in seen.passed):
        return None
    numbers = [t for t in seen.failed if t.finding and t.finding.kind == "value"]
    if _kinds(seen) <= {"value", "finite"} and (factor := _common_factor(numbers)):
        return f"is {factor:.4g} times the right result", "Which constant of the formula differs?"
    return None


def _is_not_zero(value: object) -> bool:
    return any(numpy64(x).any() for x in leaves_of(value) if is_float_array(x) or isinstance(x, float))


def _common_factor(failed: list[Trial]) -> float | None:
    """The factor between what came and what is right, if it is the same in all of at least three trials."""
    ratios = [t.finding.ratio for t in failed if t.finding and t.finding.ratio is not None]
    if len(ratios) < max(3, len(failed)) or max(ratios) - min(ratios) > 1e-3 * abs(ratios[0]):
        return None
    return ratios[0] if abs(ratios[0] - 1) > 1e-3 else None  # "1 times the right result" helps nobody: it is rounding


_RULES: tuple[Callable[[Evidence], Explanation | None], ...] = (
    _returns_nothing,
    _changes_input,
    _overwrites_what_the_backward_pass_needs,
    _views_scattered_memory,
    _uses_random_state,
    _keeps_state,
    _raises_no_error,
    _costs_too_much,
    _returns_a_constant,
    _returns_an_earlier_result,
    _returns_wrong_type,
    _cuts_gradient,
    _loses_dtype,
    _computes_in_float32,
    _overflows,
    _transposed,
    _constant_factor,
)
