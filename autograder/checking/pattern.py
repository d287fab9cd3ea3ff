"""On which inputs is an answer wrong? The simplest feature that all failures have and hardly any success.

It names mistakes that nobody foresaw: "is right except when n = m > 1", "… when axis is negative", "… for tiny values".
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Collection, Iterator
from itertools import combinations
from typing import Any

import numpy as np

from autograder.checking.compare import numpy64, precision
from autograder.checking.engine import Trial
from autograder.checking.probe import is_float_array
from autograder.checking.task import Task

ASK = "Which line of your code treats this case differently, or does not think of it?"
ASK_BATCH = "Does any axis number count from the front instead of from the back?"
SPECIAL = "for: "  # how the name of a task's special input begins as a feature
LEAST_FAILED, LEAST_PASSED = 2, 4  # fewer inputs than that prove no pattern
LUCKY = (
    0.1  # the share of the successes that may have the feature all the same: a slice of one entry hides many mistakes
)
BATCH_WORDS = {1: "one batch axis", 2: "two batch axes", 3: "three batch axes"}


def pattern(task: Task, trials: list[Trial]) -> tuple[str, str] | None:
    """The mistake as "is right except …", with a question; None if no single feature separates wrong from right."""
    failed = {id(t.request): t for t in trials if t.finding and t.expected.value_tolerances}
    passed = {id(t.request): t for t in trials if not t.finding and t.expected.value_tolerances}
    innocent = [
        t for key, t in passed.items() if key not in failed
    ]  # a property may have failed where the value passed
    if len(failed) < LEAST_FAILED or len(innocent) < LEAST_PASSED:
        return _special(failed.values())
    first, *rest = (list(_features(task, t)) for t in failed.values())
    shared = set(first).intersection(*rest)
    luck = Counter(feature for t in innocent for feature in _features(task, t) if feature in shared)
    allowed = min(LUCKY * len(innocent), LUCKY * 2 * len(failed))
    likely = [feature for feature in first if feature in shared and luck[feature] <= allowed]
    if likely:
        feature = min(likely, key=luck.__getitem__)
        if feature.startswith(SPECIAL):
            return _special(failed.values())
        return f"is right except {feature}", ASK_BATCH if "batch ax" in feature else ASK
    return _special(failed.values())


def _special(failed: Collection[Trial]) -> tuple[str, str] | None:
    """Which of the task's special inputs fail, if no ordinary one does."""
    names = sorted({t.case.special or "" for t in failed})
    return (f"is right on ordinary inputs, but not for: {', '.join(names)}", ASK) if names and all(names) else None


def equal_pairs(trials: list[Trial]) -> list[tuple[str, str]]:
    """The pairs of letters that stand for the same size in every failure: one of them may be to blame."""
    failed = [t.sizes for t in trials if t.finding and t.expected.value_tolerances]
    letters = list(failed[0]) if failed else []
    return [(a, b) for a, b in combinations(letters, 2) if all(s.get(a) == s.get(b, 0) for s in failed)]


def _features(task: Task, trial: Trial) -> Iterator[str]:
    """What can be said about one input, simple things first; each continues "is right except"."""
    yield from _of_the_case(trial)
    yield from _of_the_arguments(task, trial)
    yield from _of_the_values(task, trial)
    if trial.case.special:
        yield f"{SPECIAL}{trial.case.special}"
    yield from _of_the_sizes(trial.sizes)


def _of_the_case(trial: Trial) -> Iterator[str]:
    case = trial.case
    yield f"for {precision(trial.request)} inputs"
    if any(_scattered(x, case.strided) for x in trial.request.inputs):
        yield "for non-contiguous inputs"
    yield "with batch axes" if case.batch else "without batch axes"
    if case.batch:
        yield f"with {BATCH_WORDS.get(len(case.batch), 'many batch axes')}"
    if len(case.batch) > 1:
        yield "with more than one batch axis"
    yield from (f"when the number of batch axes is not {n}" for n in range(4) if n != len(case.batch))
    if 1 in case.batch:
        yield "with a batch axis of size 1"
    if case.magnitude != 1:
        yield "for large values" if case.magnitude > 1 else "for tiny values"


def _scattered(value: Any, strided: bool) -> bool:
    """Does this array lie in memory otherwise than row by row?"""
    if isinstance(value, np.ndarray) and not value.flags.c_contiguous:
        return True
    return strided and hasattr(value, "shape") and numpy64(value).size > 1


def _of_the_arguments(task: Task, trial: Trial) -> Iterator[str]:
    inputs = list(trial.request.inputs)
    for i, name in enumerate(task.arguments):
        yield f"when {name} is {'given' if i < len(inputs) else 'not given'}"
    inputs += [p.default for p in inspect.signature(task.reference).parameters.values()][len(inputs) :]
    for name, value in zip(task.arguments, inputs, strict=False):
        if isinstance(value, (bool, int, float, str)):
            yield f"when {name} = {value!r}"
        if isinstance(value, int) and not isinstance(value, bool):
            yield f"when {name} is {'negative' if value < 0 else '0 or more'}"


def _of_the_sizes(sizes: dict[str, int]) -> Iterator[str]:
    for letter, size in sizes.items():
        yield f"when {letter} = {size}"
        yield f"when {letter} is {'odd' if size % 2 else 'even'}"
        yield from (f"when {letter} > {bound}" for bound in range(2, size))
        yield from (f"when {letter} < {bound}" for bound in range(size + 1, 8))
    for (a, n), (b, m) in combinations(sizes.items(), 2):
        if n == m:
            yield f"when {a} = {b}"
            if n > 1:
                yield f"when {a} = {b} > 1"
        else:
            yield f"when {a} ≠ {b}"
            yield f"when {a} {'<' if n < m else '>'} {b}"


def _of_the_values(task: Task, trial: Trial) -> Iterator[str]:
    for name, value in zip(task.arguments, trial.request.inputs, strict=False):
        if is_float_array(value):
            gone = np.isneginf(numpy64(value))
            if gone.any():
                yield f"when {name} holds −inf"
            if not numpy64(value).any():
                yield f"when {name} is {'all zero' if numpy64(value).size else 'empty'}"
        elif str(getattr(value, "dtype", "")).endswith("bool") and not numpy64(value).any(-1).all():
            yield f"when a row of {name} is all False"
