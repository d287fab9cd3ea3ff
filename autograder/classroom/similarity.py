"""Which solutions of a task look alike: a report for a person to read, never a part of a score.

Winnowing (Schleimer, Wilkerson and Aiken 2003) as copydetect does it: names become V, strings S, comments vanish, and
what two solutions share in runs of at least RUN characters is counted. What the released stub holds, and what many
share, does not count. Learners' text is only read: nothing is executed or written into a file but the report.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

from autograder.classroom.files import write_whole
from autograder.classroom.intake import take_in
from autograder.classroom.page import render
from autograder.classroom.template import Role, load_template
from autograder.classroom.text import printable
from autograder.curriculum import CurriculumError, Tree

RUN = 20  # characters after tokenising; shorter matches happen by themselves
SHORTEST = 60  # characters that must be left to compare two solutions at all
MOST_CODE = 20_000  # characters of a solution that are looked at
COMMON = 10  # what more than so many, and more than a quarter of the class, share is no sign of copying
MOST_SHOWN = 100  # pairs per task
THRESHOLD = 0.6

Slice = tuple[str, bool]  # a piece of code: does the other solution hold it, too?


@dataclass(frozen=True)
class Pair:
    """Two solutions of one task."""

    students: tuple[str, str]
    shares: tuple[float, float]  # how much of the first is in the second, and the other way round
    code: tuple[tuple[Slice, ...], ...] = ()  # of both, in pieces; only where it is shown

    @property
    def similarity(self) -> float:
        """The mean of the two shares."""
        return sum(self.shares) / 2


@dataclass(frozen=True)
class Compared:
    """One task: the pairs above the threshold, the most alike first, and who could not be compared."""

    task: str
    compared: int
    too_short: tuple[str, ...]
    pairs: tuple[Pair, ...]
    more: int = 0  # pairs above the threshold that are not shown


def similarity(tree: Tree, slug: str, threshold: float = THRESHOLD) -> list[Compared]:
    """Compare what the class wrote into the cells to fill in, task by task. CurriculumError says what is missing."""
    _copydetect()
    template = load_template(tree, slug)
    stubs = {place.name: place.source for place in template.places if place.role is Role.ANSWER}
    answers: dict[str, dict[str, str]] = {name: {} for name in stubs}
    for student in tree.students(slug):
        intake = take_in(tree, student, template)
        for cell in intake.submission.cells:
            if cell.id in answers and cell.id not in intake.untouched:
                answers[cell.id][student] = cell.source
    tasks = {task.answer_id: task.id for task in tree.topic(slug).tasks}
    return [compare(tasks.get(name, name), stub, answers[name], threshold) for name, stub in stubs.items()]


def compare(task: str, stub: str, answers: Mapping[str, str], threshold: float = THRESHOLD) -> Compared:
    """The solutions of one task by student, pair by pair."""
    prints = {student: _fingerprint(code) for student, code in answers.items()}
    _leave_out(prints.values(), _fingerprint(stub).hashes | _common(prints.values()))
    long_enough = {student: found for student, found in prints.items() if found.token_coverage >= SHORTEST}
    pairs = [pair for pair in _pairs(long_enough) if pair.similarity >= threshold]
    pairs.sort(key=lambda pair: (-pair.similarity, pair.students))
    too_short = tuple(student for student in prints if student not in long_enough)
    shown = tuple(_with_code(pair, prints) for pair in pairs[:MOST_SHOWN])
    return Compared(task, len(long_enough), too_short, shown, len(pairs) - len(shown))


def _copydetect() -> Any:
    try:
        import copydetect  # type: ignore[import-untyped]  # it has no types
    except ModuleNotFoundError:
        raise CurriculumError(
            "Comparing solutions needs the extra `similarity`: pip install 'attn-curriculum[similarity]'."
        ) from None
    return copydetect


def _fingerprint(code: str) -> Any:
    """copydetect's fingerprint of a text. Every run is kept (window 1), so that the result is the same each time."""
    text = printable(code[:MOST_CODE]).strip("\n") + "\n"
    return _copydetect().CodeFingerprint("answer.py", RUN, 1, language="python", fp=io.StringIO(text))


def _common(prints: Iterable[Any]) -> set[int]:
    """The runs that many solutions hold: the usual way to write it."""
    prints = list(prints)
    counts = Counter(run for found in prints for run in found.hashes)
    return {run for run, count in counts.items() if count > max(COMMON, len(prints) / 4)}


def _leave_out(prints: Iterable[Any], runs: set[int]) -> None:
    """Take runs out of fingerprints. copydetect's own way of doing so miscounts runs that a solution holds twice."""
    from copydetect.utils import get_token_coverage  # type: ignore[import-untyped]  # it has no types

    for found in prints:
        found.hashes = found.hashes - runs
        found.hash_idx = {run: places for run, places in found.hash_idx.items() if run in found.hashes}
        found.token_coverage = get_token_coverage(found.hash_idx, found.k, len(found.filtered_code))


def _pairs(prints: Mapping[str, Any]) -> Iterator[Pair]:
    compare_files = _copydetect().compare_files
    for (first, one), (second, other) in combinations(sorted(prints.items()), 2):
        if not one.hashes.isdisjoint(other.hashes):
            _, shares, _ = compare_files(one, other)
            yield Pair((first, second), (min(1.0, float(shares[0])), min(1.0, float(shares[1]))))


def _with_code(pair: Pair, prints: Mapping[str, Any]) -> Pair:
    one, other = (prints[student] for student in pair.students)
    _, _, slices = _copydetect().compare_files(one, other)
    return replace(pair, code=(_cut(one.raw_code, slices[0]), _cut(other.raw_code, slices[1])))


def _cut(code: str, slices: Any) -> tuple[Slice, ...]:
    """The code in pieces, those that the other holds marked."""
    pieces: list[Slice] = []
    at = 0
    for start, end in sorted((int(start), int(end)) for start, end in zip(*slices, strict=True)):
        start = max(start, at)
        if end > start:
            pieces += [(code[at:start], False), (code[start:end], True)]
            at = end
    return tuple((text, marked) for text, marked in [*pieces, (code[at:], False)] if text)


def write_page(tree: Tree, slug: str, found: Sequence[Compared], threshold: float = THRESHOLD) -> Path:
    """Write the report, a page that needs nothing else, and give its path."""
    path = tree.similarity(slug)
    text = render("similarity.html.jinja", slug=slug, tasks=found, threshold=threshold, run=RUN, common=COMMON)
    write_whole(path, text)
    return path


def lines(found: Sequence[Compared], most: int = 20) -> Iterator[str]:
    """The report in a terminal: the pairs of each task, the most alike first."""
    for task in found:
        short = len(task.too_short)
        compared = f"{task.compared} of {task.compared + short} solutions compared"
        rest = f" ({short} too short to compare)" if short else ""
        yield f"{task.task}: {compared}{rest}, pairs alike: {len(task.pairs) + task.more}"
        for pair in task.pairs[:most]:
            first, second = (printable(name) for name in pair.students)
            yield f"  {pair.similarity:4.0%}  {first} ({pair.shares[0]:.0%}), {second} ({pair.shares[1]:.0%})"
        if len(task.pairs) > most:
            yield f"  … and {len(task.pairs) + task.more - most} more on the page"
