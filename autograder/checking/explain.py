"""What the pattern of failures tells when no misconception of the task fits: mistakes that every task knows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from autograder.checking.compare import FLOOR, describe, numpy64, precision
from autograder.checking.engine import Trial
from autograder.checking.probe import leaves_of
from autograder.checking.task import Task

Explanation = tuple[str, str]  # the mistake ("changes its input…") and the question that leads out of it


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
    if _kinds(seen) <= {"none"}:
        return "returns nothing", "Is there a `return` on every path, and is a value printed instead of returned?"
    return None


def _changes_input(seen: Evidence) -> Explanation | None:
    changed = next((t.seen.changed for t in seen.failed if t.seen.changed), ())
    if changed and all(t.seen.changed for t in seen.failed):
        return (
            f"changes its input {seen.task.arguments[changed[0]]} in place",
            "Which of your operators write into the array they are given (+=, -=, [...] =)?",
        )
    return None


def _uses_random_state(seen: Evidence) -> Explanation | None:
    if "random" in _kinds(seen):
        return "touches the global random generator", "Does the formula have anything random in it?"
    return None


def _keeps_state(seen: Evidence) -> Explanation | None:
    if "state" in _kinds(seen):
        return (
            "gives another result the second time it is called",
            "What survives a call (a global, a mutable default argument, a cache), or is drawn at random?",
        )
    return None


def _returns_wrong_type(seen: Evidence) -> Explanation | None:
    trial = seen.failed[0]
    if not _kinds(seen) <= {"type", "count"}:
        return None
    got, want = _kind(trial.seen.value), _kind(trial.expected.value)
    if got == want:
        return None
    return f"returns {got} instead of {want}", "What type does the task ask for, and what does your last line make?"


def _kind(value: object) -> str:
    """A result's type in words, without the shape."""
    if isinstance(value, tuple):
        return f"a list or tuple of {len(value)}" if len(value) == 2 else "a list or tuple"
    return describe(value).partition(" of shape")[0]


def _cuts_gradient(seen: Evidence) -> Explanation | None:
    if _kinds(seen) != {"gradient"}:
        return None
    ratios = [t.finding.ratio for t in seen.failed if t.finding]
    known = [r for r in ratios if r is not None]
    if all(_dead(t) for t in seen.failed):
        name = seen.task.arguments[seen.failed[0].finding.argument or 0] if seen.failed[0].finding else ""
        return (
            f"cuts the gradient to {name}",
            "Where does the tensor leave the graph: detach, no_grad, .data, .item(), numpy(), torch.tensor(...)?",
        )
    if known and max(known) - min(known) < 1e-3 * abs(known[0]):
        return (
            f"has gradients that are {known[0]:.3g} times the right ones",
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
    if (
        _kinds(seen) <= {"value", "gradient", "dtype"}
        and seen.passed
        and all(precision(t.request) == "float64" for t in seen.failed)
    ):
        errors = [_relative_error(t) for t in seen.failed]
        if max(errors) < 30 * FLOOR["float32"] and any(precision(t.request) == "float32" for t in seen.passed):
            return (
                "loses precision: its float64 results are only as good as float32",
                "Which step converts to float32 (torch.tensor of a number does), or adds a constant such as 1e-6?",
            )
    return None


def _relative_error(trial: Trial) -> float:
    pairs = zip(leaves_of(trial.seen.value), leaves_of(trial.expected.value), strict=False)
    errors = [
        float(abs(numpy64(a) - numpy64(b)).max() / max(abs(numpy64(b)).max(), 1e-300))
        for a, b in pairs
        if numpy64(b).size
    ]
    return max(errors, default=0.0)


def _overflows(seen: Evidence) -> Explanation | None:
    if _kinds(seen) == {"finite"} and all(t.case.magnitude > 1 for t in seen.failed):
        return "overflows for large inputs", "Which step grows without bound although the result does not?"
    return None


def _batch_axes(seen: Evidence) -> Explanation | None:
    with_batch = {len(t.case.batch) for t in seen.failed}
    without = {len(t.case.batch) for t in seen.passed}
    if not without or with_batch & without:
        return None
    words = {0: "without batch axes", 1: "with exactly one batch axis", 2: "with two batch axes", 3: "with three"}
    works = " or ".join(words[n] for n in sorted(without))
    return f"works only {works}", "Does any axis number count from the front instead of from the back?"


def _memory_layout(seen: Evidence) -> Explanation | None:
    if all(t.case.strided for t in seen.failed) and len(seen.failed) > 1:
        return "needs contiguous memory", "Does `view` or `reshape` assume an order of the elements in memory?"
    return None


def _transposed(seen: Evidence) -> Explanation | None:
    for trial in seen.failed:
        got, want = numpy64_or_none(trial.seen.value), numpy64_or_none(trial.expected.value)
        if got is None or want is None or got.ndim < 2 or want.ndim < 2:
            return None
        turned = got.swapaxes(-1, -2)
        if turned.shape != want.shape or not trial.expected.value_tolerances[0].allows(abs(turned - want)):
            return None
    return "returns the transpose of the right result", "Which of the last two axes belongs to the queries?"


def numpy64_or_none(value: object) -> Any:
    """A single array as float64, None for everything else."""
    return numpy64(value) if hasattr(value, "shape") else None


def _constant_factor(seen: Evidence) -> Explanation | None:
    ratios = [t.finding.ratio for t in seen.failed if t.finding and t.finding.kind == "value"]
    known = [r for r in ratios if r is not None]
    if known and len(known) == len(seen.failed) and max(known) - min(known) < 1e-3 * abs(known[0]):
        return f"is {known[0]:.4g} times the right result", "Which constant of the formula differs?"
    return None


_RULES: tuple[Callable[[Evidence], Explanation | None], ...] = (
    _returns_nothing,
    _changes_input,
    _uses_random_state,
    _keeps_state,
    _returns_wrong_type,
    _cuts_gradient,
    _loses_dtype,
    _computes_in_float32,
    _overflows,
    _batch_axes,
    _memory_layout,
    _transposed,
    _constant_factor,
)
