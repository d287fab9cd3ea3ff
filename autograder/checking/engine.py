"""Examine an answer: values, gradients, properties, manners and cost, from what the task's author wrote down.

The engine does not know where the answer runs. In a notebook it is a function (`Local`); when a teacher grades it is a
player behind the wire (`autograder.judge.judge.Remote`). Both observe the same requests.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Protocol

from autograder.checking.compare import (
    NOTHING,
    Expectation,
    Mismatch,
    compare,
    compare_leaf,
    describe,
    expect,
    precision,
)
from autograder.checking.draw import Case, Draw, plan
from autograder.checking.probe import Crash, Observation, Opaque, Request, is_float_array, leaves_of, observe
from autograder.checking.task import Limit, Task

REMEMBERED = 400  # cases of a task: more than one examination has
SIMPLEX = 1e-4  # how far from one the sum of a row of weights may be in float32
OWN_SHARE = 4  # when a class is graded, one input in so many is the learner's own
BATCH = 32  # inputs that are handed over at once
PROPERTY_TRIALS = 8  # on how many inputs each property is tried
LARGEST_KEPT = 1 << 16  # bytes of a wrong result; a larger one, of a shape far from the right one, is only described
MANNERS_STRIDE = 5  # on every how manieth input the call is repeated


class Answer(Protocol):
    """A learner's function, wherever it runs."""

    def observe(self, request: Request) -> Observation:
        """Call it as the request says."""

    def observe_all(self, requests: Sequence[Request]) -> Iterator[Observation]:
        """Call it for each of several requests, in order."""


@dataclass(frozen=True)
class Local:
    """A function in this process."""

    function: Callable[..., Any]

    def observe(self, request: Request) -> Observation:
        """Call it here."""
        return observe(self.function, request)

    def observe_all(self, requests: Sequence[Request]) -> Iterator[Observation]:
        """Call it here, one after the other."""
        return map(self.observe, requests)


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: its kind and a sentence."""

    kind: str  # a Mismatch's kind, or crash, gradient, property, changed, random, state, error, cost
    sentence: str
    crash: Crash | None = None
    ratio: float | None = None
    argument: int | None = None  # the input it is about


@dataclass(frozen=True)
class Trial:
    """One input, what is right there, what came, and what is wrong with it."""

    case: Case
    request: Request
    expected: Expectation
    seen: Observation
    finding: Finding | None
    sizes: dict[str, int] = field(default_factory=dict)  # by letter, as drawn


def examine(task: Task, answer: Answer, seed: int = 0, own: int | None = None) -> Iterator[Trial]:
    """The trials of one examination, one by one. An answer that is still the stub ends it after the first.

    With `own`, the seed of one learner, about every fourth input is this learner's alone; the others come from `seed`.
    """
    drawn = cases(task, seed, own)
    trials = [try_case(task, answer, next(drawn))]
    yield trials[0]
    if not_attempted(trials[0]):
        return
    while batch := list(islice(drawn, BATCH)):
        for trial in _try_cases(task, answer, batch):
            trials.append(trial)
            yield trial
    yield from _manners(answer, trials)
    yield from _properties(task, answer, trials)
    yield from _errors(task, answer, seed)
    if not any(t.finding and t.case.special is None for t in trials):  # else nothing is left to lose
        yield from _cost(task, answer, seed)


def cases(task: Task, seed: int = 0, own: int | None = None) -> Iterator[Case]:
    """The inputs of an examination, not drawn yet, in the order in which they are tried."""
    for case in plan(seed ^ zlib.crc32(task.id.encode()), task.dtypes, [s.name for s in task.specials], task.rounds):
        if (
            own is not None and case.seed % OWN_SHARE == 0
        ):  # by the seed, so that two cases of the same sizes stay alike
            case = replace(case, seed=case.seed ^ own, own=True)
        yield case


def not_attempted(trial: Trial) -> bool:
    """Is the answer the stub that learners get? (Where torch lacks an operation, the same error has a message.)"""
    crash = trial.seen.crash
    return crash is not None and crash.kinds[0] == "NotImplementedError" and not crash.message


def try_case(task: Task, answer: Answer, case: Case) -> Trial:
    """Draw one input, ask reference and answer, compare."""
    (trial,) = _try_cases(task, answer, [case])
    return trial


def _try_cases(task: Task, answer: Answer, cases: Sequence[Case]) -> Iterator[Trial]:
    """The same for several: all their inputs are handed over at once, so that two processes need not wait for each other."""
    prepared = [_prepared(task, case) for case in cases]
    observations = answer.observe_all([asked for asked, _, _ in prepared])
    for case, (asked, expected, sizes), seen in zip(cases, prepared, observations, strict=True):
        finding = judge(task, asked, expected, seen)
        if finding and _bytes(seen.value) > LARGEST_KEPT + 64 * _bytes(expected.value):
            seen = replace(seen, value=Opaque(describe(seen.value)), gradients=())
        yield Trial(case, asked, expected, seen, finding, sizes)


def _bytes(value: Any) -> int:
    """What the arrays of a result hold in memory."""
    return sum(int(getattr(leaf, "nbytes", 0)) for leaf in leaves_of(value))


def _prepared(task: Task, case: Case) -> tuple[Request, Expectation, dict[str, int]]:
    """Everything about a case that does not depend on the answer; who is asked it again gets it from memory."""
    if case in task.prepared:
        known: tuple[Request, Expectation, dict[str, int]] = task.prepared[case]
        return known
    draw = Draw(case, task.kind)
    asked = Request(tuple(task.inputs_of(case.special)(draw)), strided=case.strided, through=task.through)
    if task.kind == "torch" and task.gradients and all(s.gradients for s in task.specials if s.name == case.special):
        asked = _with_cotangents(task, asked, case.seed)
    found = asked, expect(task.reference, asked, task.unit, task.scores), draw.sizes
    if not case.own:
        if len(task.prepared) >= REMEMBERED:
            task.prepared.clear()
        task.prepared[case] = found
    return found


def _with_cotangents(task: Task, asked: Request, seed: int) -> Request:
    """The request with a random cotangent for every floating output."""
    import torch

    generator = torch.Generator().manual_seed(seed % 2**63)
    outputs = [o for o in leaves_of(observe(task.reference, asked).value) if is_float_array(o)]
    drawn = [(o, torch.randn(o.shape, generator=generator, dtype=torch.float64)) for o in outputs]
    cotangents = tuple(torch.where(o.isfinite(), c, 0.0).to(o.dtype) for o, c in drawn)  # at −inf there is no slope
    return replace(asked, cotangents=cotangents)


def judge(task: Task, asked: Request, expected: Expectation, seen: Observation) -> Finding | None:
    """What is wrong with one observation: its value, its gradients, what it did to its inputs."""
    if expected.crash:
        raise AssertionError(f"{task.id}: the reference fails on inputs that the task draws: {expected.crash}")
    if seen.crash:
        return Finding("crash", f"It stopped with {seen.crash}", crash=seen.crash)
    dtype = precision(asked) if any(is_float_array(x) for x in asked.inputs) else None
    if mismatch := compare(seen, expected, dtype):
        return Finding(mismatch.kind, mismatch.sentence, ratio=mismatch.ratio)
    if seen.changed:
        i = seen.changed[0]
        return Finding("changed", f"It changes its input {task.arguments[i]}, which belongs to the caller.", argument=i)
    for i, mismatch in gradient_mismatches(task, asked, expected, seen):
        return Finding("gradient", mismatch.sentence, ratio=mismatch.ratio, argument=i)
    return None


def gradient_mismatches(
    task: Task, asked: Request, expected: Expectation, seen: Observation
) -> Iterator[tuple[int, Mismatch]]:
    """The inputs whose gradient is wrong. The gradient is that of the outputs times fixed random numbers, summed."""
    for i, (want, tolerance) in enumerate(zip(expected.gradients, expected.gradient_tolerances, strict=True)):
        got = seen.gradients[i] if i < len(seen.gradients) else None
        if task.arguments[i] in task.simplex and want is not None and getattr(got, "shape", None) == want.shape:
            want, got = (_along_simplex(gradient, asked.inputs[i]) for gradient in (want, got))
        if want is not None and (
            found := compare_leaf(
                got,
                want,
                tolerance,
                f"The gradient with respect to {task.arguments[i]}",
                None if got is None else str(got.dtype).removeprefix("torch."),
            )
        ):
            yield i, found


def _along_simplex(gradient: Any, rows: Any) -> Any:
    """The part of a gradient that rows which sum to one can feel: adding a constant to all entries of one changes nothing.

    Formulas that agree wherever rows sum to one, such as Σ min(a, c) and 1 − Σ max(a − c, 0), differ in just that.
    """
    import torch

    on_it = (rows.sum(-1, keepdim=True) - 1).abs() < SIMPLEX
    constant = on_it * gradient.mean(-1, keepdim=True)
    left = gradient - constant
    noise = 8 * torch.finfo(gradient.dtype).eps * constant.abs()  # what rounding leaves of a constant is nothing
    return torch.where(left.abs() <= noise, torch.zeros_like(left), left)


def _manners(answer: Answer, trials: list[Trial]) -> Iterator[Trial]:
    """Call again with the same input and another random seed: the answer must not change, nor the generators move."""
    passed = [t for t in trials if t.finding is None][::MANNERS_STRIDE]
    failed = [t for t in trials if t.finding and t.finding.kind in ("value", "finite", "shape", "crash", "gradient")]
    again = [*passed, *failed[:1]]
    requests = [replace(t.request, cotangents=(), seed=trials[0].case.seed % 2**32) for t in again]
    for trial, asked, seen in zip(again, requests, answer.observe_all(requests), strict=True):
        finding = None
        if seen.drew_random:
            finding = Finding(
                "random", "It uses or sets the global random generator; the result must depend on the inputs alone."
            )
        elif differs := _difference(trial.seen, seen, trial.expected):
            finding = Finding("state", f"A second call with the same input gives another result. {differs}")
        if finding:
            yield replace(trial, request=asked, seen=seen, finding=finding)


def _difference(first: Observation, second: Observation, expected: Expectation) -> str:
    """How the second of two calls with the same input differs from the first, in a sentence."""
    if first.crash or second.crash:
        return "" if first.crash and second.crash else f"One of them stopped with {first.crash or second.crash}"
    if isinstance(first.value, Opaque) or len(leaves_of(first.value)) != len(expected.value_tolerances):
        return ""
    found = compare(second, replace(expected, value=first.value))
    return "" if found is None else found.sentence.replace(" is right", " came first")


def _properties(task: Task, answer: Answer, trials: list[Trial]) -> Iterator[Trial]:
    """Try every property on the outputs that came."""
    chosen = [*trials[:PROPERTY_TRIALS], *(t for t in trials[PROPERTY_TRIALS:] if t.case.special)]
    for trial in chosen:
        if trial.finding is None and (finding := broken_property(task, answer, trial)):
            yield replace(trial, finding=finding)


def broken_property(task: Task, answer: Answer, trial: Trial) -> Finding | None:
    """The first property that an output breaks. Properties may call the answer on other inputs."""

    def call(*inputs: Any) -> Any:
        seen = answer.observe(Request(inputs, through=task.through))
        if seen.crash:
            raise _Stopped(str(seen.crash))
        return seen.value

    for item in task.properties:
        try:
            sentence = item.broken(call, trial.request.inputs, trial.seen.value)
        except _Stopped as stopped:
            sentence = f"on another input it stopped with {stopped}"
        except (TypeError, ValueError, AttributeError, IndexError, RuntimeError) as error:
            sentence = f"on another input its result is of no use ({error})."
        if sentence:
            return Finding("property", f"It must hold that {item.name}: {sentence}")
    return None


class _Stopped(Exception):  # noqa: N818 - an event in the learner's code, not a defect of the grader
    """The answer raised while a property was tried."""


def _errors(task: Task, answer: Answer, seed: int) -> Iterator[Trial]:
    """Inputs that must raise: the right class, and a message that names the culprit."""
    for i, item in enumerate(task.raises):
        case = Case(item.name, seed=seed + i)
        asked = Request(tuple(item.inputs(Draw(case, task.kind))), through=task.through)
        if observe(task.reference, asked).crash is None:
            raise AssertionError(f"{task.id}: the reference raises nothing for {item.name!r}, which must be an error.")
        seen = answer.observe(asked)
        crash, name = seen.crash, item.error.__name__
        finding = None
        if crash is None:
            finding = Finding("error", f"{item.name}: it must raise {name}, but it returned a result.")
        elif name not in crash.kinds:
            finding = Finding("error", f"{item.name}: it must raise {name}, but it raised {crash}.")
        elif item.naming and not re.search(rf"(?<!\w){re.escape(item.naming)}(?!\w)", crash.message):
            finding = Finding(
                "error", f"{item.name}: the message must name {item.naming!r}; it says {crash.message!r}."
            )
        yield Trial(case, asked, NOTHING, seen, finding)


def _cost(task: Task, answer: Answer, seed: int) -> Iterator[Trial]:
    """One call per limit, on its inputs, with the buffers measured, up to the first that costs too much."""
    for i, limit in enumerate(task.limits):
        case = Case("cost", seed=seed + i, dtype=task.dtypes[0], sizes="wide")
        asked = Request(tuple(limit.inputs(Draw(case, task.kind))), cost=True, through=task.through)
        seen = answer.observe(asked)
        found = costs_too_much(limit, asked, seen)
        yield Trial(case, asked, NOTHING, seen, found)
        if found:
            return


def costs_too_much(limit: Limit, asked: Request, seen: Observation) -> Finding | None:
    """What is wrong with a call whose cost was measured."""
    if seen.crash:
        return Finding("crash", f"It stopped with {seen.crash}", crash=seen.crash)
    sentence = limit.exceeded(asked.inputs, seen.cost) if seen.cost else None
    return Finding("cost", sentence) if sentence else None
