"""From trials to a report: which mistake it is, and the smallest input that shows it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from autograder.checking.compare import FLOOR, Expectation, compare, describe, imitate, numpy64
from autograder.checking.draw import smaller
from autograder.checking.engine import (
    Answer,
    Finding,
    Local,
    Trial,
    broken_property,
    costs_too_much,
    examine,
    gradient_mismatches,
    not_attempted,
    try_case,
)
from autograder.checking.explain import explain
from autograder.checking.pattern import equal_pairs, pattern
from autograder.checking.probe import Crash, dtype_name, generators_kept, leaves_of, one_thread
from autograder.checking.report import Example, Report, State
from autograder.checking.task import Misconception, Task

IMITATIONS = 4000  # results of mistakes that are kept per task
FAULT = "KernelFault"  # what a launch of attn_core.lab.block_simulator raises
WORST_FIRST = ("none", "crash", "type", "count", "shape", "finite", "value", "dtype", "changed", "gradient")


def report(task: Task, answer: Answer, seed: int = 0, own: int | None = None) -> Report:
    """Examine an answer and say what came of it. `seed` and `own` say which inputs are drawn, as for `examine`."""
    if why := task.unavailable():
        return Report(task.id, task.function, State.NOT_VERIFIABLE, sentences=(why,), lecture=task.lecture)
    with one_thread(), generators_kept():
        return conclude(task, answer, list(examine(task, answer, seed, own)))


def conclude(task: Task, answer: Answer, trials: list[Trial]) -> Report:
    """What the trials of an examination say of the answer. It may be called again, for smaller inputs."""
    if not_attempted(trials[0]):
        sentence = "Write your code in place of `raise NotImplementedError()`, run the cell, then run this one again."
        return Report(task.id, task.function, State.NOT_ATTEMPTED, sentences=(sentence,), lecture=task.lecture)
    failed = [t for t in trials if t.finding]
    if not failed:
        return Report(task.id, task.function, State.RIGHT, credit=1.0, checked=_inputs(trials), lecture=task.lecture)
    mistake, ask = _named(task, answer, trials)
    shown = _smallest(task, answer, failed[0])
    finding = shown.finding or failed[0].finding
    assert finding is not None  # a failed trial has a finding
    sentences = [_extent(trials, failed), finding.sentence]
    if finding.kind in ("value", "finite") and (broken := broken_property(task, answer, shown)):
        sentences.append(broken.sentence)
    return Report(
        task.id,
        task.function,
        State.CRASHED if finding.kind == "crash" else State.WRONG,
        credit=_credit(task, failed),
        sentences=tuple(sentences),
        mistake=mistake,
        ask=ask,
        example=_example(task, shown, finding),
        checked=_inputs(trials),
        lecture=task.lecture,
    )


def _credit(task: Task, failed: list[Trial]) -> float:
    """All or nothing, except where only special inputs fail whose share of the points the author has set."""
    shares = {s.name: s.share for s in task.specials}
    lost = {t.case.special: shares.get(t.case.special or "") for t in failed}
    known = [share for share in lost.values() if share is not None]
    return max(0.0, 1.0 - sum(known)) if len(known) == len(lost) else 0.0


def _named(task: Task, answer: Answer, trials: list[Trial]) -> tuple[str | None, str | None]:
    """The misconception that gives the learner's result on every draw; else what the pattern of failures tells.

    Where two mistakes meet, the one that explains the first failures is named; the other shows once it is mended.
    """
    telling = [t for t in trials if t.expected.value_tolerances]
    telling.sort(key=lambda t: t.finding is None)  # a failure refutes most misconceptions at once
    first = telling[0].case.special if telling else None
    ordinary = [t for t in telling if t.case.special in (None, first)]
    costly = [t for t in trials if t.finding and t.finding.kind == "cost"]
    return (
        _imitated(task, telling, costly)
        or explain(task, trials)
        or (_imitated(task, ordinary, costly) if len(ordinary) < len(telling) else None)
        or pattern(task, [*trials, *_experiments(task, answer, trials)])
        or (None, None)
    )


def _experiments(task: Task, answer: Answer, trials: list[Trial]) -> list[Trial]:
    """Where several sizes are equal in every failure: trials that have each pair equal alone, to see which one it is."""
    pairs = equal_pairs(trials)
    cases = [replace(t.case, sizes="ragged", same=pair) for t in trials if t.finding for pair in pairs]
    return [try_case(task, answer, case) for case in cases[: len(pairs)] if len(pairs) > 1]


def _imitated(task: Task, trials: list[Trial], costly: list[Trial]) -> tuple[str, str] | None:
    """The misconception that gives the learner's result on all of these, and costs too much for the same reason."""
    kinds = {t.finding.kind for t in (*trials, *costly) if t.finding}
    if kinds & {"random", "state"}:  # no misconception is a function that does this
        return None
    any_dtype = bool(kinds & {"value", "finite"})  # worse than a dtype, which can be mended afterwards
    for misconception in task.misconceptions if kinds else ():
        if all(_agrees(misconception, trial, task, any_dtype) for trial in trials) and all(
            _reason(_cost_of(misconception, trial, task)) == _reason(trial.finding) for trial in costly
        ):
            return misconception.name, misconception.ask
    return None


def _cost_of(misconception: Misconception, trial: Trial, task: Task) -> Finding | None:
    """What is wrong with the mistake's cost on the inputs of this trial, in whose place no other limit comes."""
    seen = Local(misconception.function).observe(trial.request)
    return next((found for limit in task.limits if (found := costs_too_much(limit, trial.request, seen))), None)


def _reason(finding: Finding | None) -> str:
    """What stands before the colon."""
    return finding.sentence.partition(":")[0] if finding else ""


def _agrees(misconception: Misconception, trial: Trial, task: Task, any_dtype: bool) -> bool:
    """Did the learner's function do here what this mistake does?"""
    imitation = _imitation(task, misconception, trial)
    if imitation.crash or trial.seen.crash:
        return bool(imitation.crash and trial.seen.crash) and _same_fault(imitation.crash, trial.seen.crash)
    kind = trial.finding.kind if trial.finding else ""
    differs = compare(trial.seen, imitation)
    if differs and not (differs.kind == "dtype" and any_dtype and _same_digits(trial, imitation)):
        return False
    if kind == "changed" and trial.seen.changed != imitation.changed:
        return False
    if kind == "property" and not broken_property(task, Local(misconception.function), _as_trial(trial, imitation)):
        return False
    return not trial.request.cotangents or not any(
        True for _ in gradient_mismatches(task, trial.request, imitation, trial.seen)
    )


def _same_fault(a: Crash | None, b: Crash | None) -> bool:
    """Where the simulator found a fault: is it the same, as far as the words before the first colon tell?"""
    faults = [crash.message.partition(":")[0] if crash and FAULT in crash.kinds else "" for crash in (a, b)]
    return faults[0] == faults[1]


def _same_digits(trial: Trial, imitation: Expectation) -> bool:
    """Where dtypes differ: are the numbers the same, as far as the coarser one can tell?"""
    for got, want in zip(leaves_of(trial.seen.value), leaves_of(imitation.value), strict=True):
        if not (hasattr(got, "dtype") and hasattr(want, "dtype")):
            continue
        x, y, floor = numpy64(got), numpy64(want), 2 * max(FLOOR.get(dtype_name(v.dtype), 0.0) for v in (got, want))
        largest = float(np.abs(y[np.isfinite(y)]).max(initial=0.0))
        if x.shape != y.shape or not np.allclose(x, y, rtol=0.0, atol=floor * largest, equal_nan=True):
            return False
    return True


def _imitation(task: Task, misconception: Misconception, trial: Trial) -> Expectation:
    """What the mistake gives on a trial's input; on inputs that a class shares it is computed once."""
    if trial.case.own:
        return imitate(misconception.function, trial.request, task.scores)
    key = misconception.function, trial.case, bool(trial.request.cotangents)
    if key not in task.imitated:
        if len(task.imitated) >= IMITATIONS:
            task.imitated.clear()
        task.imitated[key] = imitate(misconception.function, trial.request, task.scores)
    found: Expectation = task.imitated[key]
    return found


def _as_trial(trial: Trial, imitation: Expectation) -> Trial:
    """The trial as it would be if the learner had written the imitation."""
    return replace(trial, seen=replace(trial.seen, value=imitation.value))


def _extent(trials: list[Trial], failed: list[Trial]) -> str:
    """On how many inputs it is wrong."""
    return f"Not right on {_inputs(failed)} of {_inputs(trials)} inputs."


def _inputs(trials: list[Trial]) -> int:
    """On how many inputs: one may have been tried for its value, its manners and its properties."""
    return len({t.case for t in trials})


def _smallest(task: Task, answer: Answer, failed: Trial) -> Trial:
    """The smallest variant of a failed trial that still fails in the same way."""
    assert failed.finding is not None  # only failed trials are shrunk
    if failed.finding.kind not in WORST_FIRST:
        return failed
    best, size = failed, 1 << 30
    for case in smaller(failed.case):
        if best is not failed and case.limit != best.case.limit:
            break
        trial = try_case(task, answer, case)
        if trial.finding and trial.finding.kind == failed.finding.kind and _elements(trial) < size:
            best, size = trial, _elements(trial)
            if size <= 4:
                break
    return best


def _elements(trial: Trial) -> int:
    return sum(int(numpy64(x).size) for x in trial.request.inputs if hasattr(x, "shape"))


def _example(task: Task, trial: Trial, finding: Finding) -> Example | None:
    """The trial as text, if numbers show what is wrong and are few enough to read."""
    if (
        finding.kind not in ("value", "finite", "shape", "crash", "gradient", "state")
        or _elements(trial) > 60
        or not trial.expected.value_tolerances
    ):
        return None
    inputs = tuple(zip(task.arguments, (_handed_over(x, trial) for x in trial.request.inputs), strict=False))
    if finding.kind == "gradient" and finding.argument is not None:
        name, i = task.arguments[finding.argument], finding.argument
        got, want = trial.seen.gradients[i], trial.expected.gradients[i]
        return Example(inputs, f"a gradient for {name} of {show(got)}", f"{show(want)}")
    got, want = trial.seen.value, trial.expected.value
    if isinstance(got, float) and isinstance(want, float) and show(got) == show(want):
        return Example(inputs, repr(got), repr(want))  # the difference lies in later digits
    return Example(inputs, "an error" if trial.seen.crash else show(got), show(want))


def _handed_over(value: Any, trial: Trial) -> str:
    """An input as text; whoever copies it out of a report would otherwise get one that lies in memory row by row."""
    scattered = trial.request.strided and hasattr(value, "shape") and numpy64(value).size > 1
    return show(value) + (", not contiguous in memory" if scattered else "")


def show(value: Any) -> str:
    """A value as a learner would write it, four digits."""
    if isinstance(value, tuple):
        return "(" + ",\n ".join(show(v) for v in value) + ")"
    if isinstance(value, float):
        return f"{value:.6g}"
    if not hasattr(value, "shape"):
        return describe(value) if hasattr(value, "description") else repr(value)
    array = value.detach().cpu().numpy() if hasattr(value, "detach") and str(value.dtype) != "torch.bfloat16" else value
    array = numpy64(array) if hasattr(array, "detach") else np.asarray(array)
    if array.size > 40:
        return describe(value)
    text = np.array2string(
        array,
        separator=", ",
        precision=4,
        suppress_small=bool(np.abs(array).max(initial=0) > 1e-3) if array.dtype.kind == "f" else True,
    )
    return f"{text}   shape {tuple(array.shape)}"
