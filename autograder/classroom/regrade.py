"""Grading again what the journal has already: to prove it, or because tests, points or limits changed after the release."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from autograder.checking.report import Report
from autograder.classroom.database import opened, told
from autograder.classroom.files import write_whole
from autograder.classroom.grading import Judge
from autograder.classroom.intake import take_in
from autograder.classroom.lock import locked
from autograder.classroom.nbgrader_steps import StepFailed, generate_assignment
from autograder.classroom.takeover import take_over
from autograder.classroom.template import load_template
from autograder.curriculum import CurriculumError, Tree
from autograder.judge.journal import Journal
from autograder.judge.judge import version
from autograder.judge.ledger import Ledger, Result

ADDRESS = re.compile(r"0x[0-9a-f]{6,}")  # where an object lies in memory: another place in every process


@dataclass
class Replay:
    """What a replay of one submission showed. `skipped` says why there was none."""

    student: str
    differences: list[str] = field(default_factory=list)
    skipped: str = ""


def verify(tree: Tree, slug: str, students: Sequence[str], judge: Judge) -> Iterator[Replay]:
    """Judge again what the journal holds, from the same files with the same secret, and compare. Nothing is written."""
    book, template = Journal(tree.journal(slug)), load_template(tree, slug)
    if len(book) and not tree.secret.exists():
        raise CurriculumError(
            f"{tree.shown(tree.secret)} is missing: a replay would draw other inputs. Restore it from a backup."
        )
    same: list[str] = []
    for student in students:
        known = book.newest(student)
        if known is None:
            yield Replay(student, skipped="not graded yet")
        elif known.grader.startswith("failed"):
            yield Replay(student, skipped="the grader itself failed on it; `attn grade` tries again")
        elif known.fingerprint != take_in(tree, student, template).submission.fingerprint:
            yield Replay(student, skipped="handed in again since, or the exercise was released anew")
        else:
            same.append(student)
    submissions = (take_in(tree, student, template).submission for student in same)
    for ledger in judge.grade(submissions) if same else ():
        known = book.newest(ledger.student)
        assert known is not None  # it was there a moment ago
        yield Replay(ledger.student, list(differences(known, ledger)))


def differences(before: Ledger, now: Ledger) -> Iterator[str]:
    """What two ledgers of one submission say differently, a sentence for each."""
    if before.reason != now.reason:
        yield f"the reason was {before.reason or 'none'!r}, is now {now.reason or 'none'!r}"
    old, new = ({r.report.task: r for r in ledger.results} for ledger in (before, now))
    for task in [*old, *(task for task in new if task not in old)]:
        if task not in new or task not in old:
            yield f"{task}: is no longer a task" if task in old else f"{task}: is a new task"
        elif _verdict(old[task]) != _verdict(new[task]):
            yield f"{task}: {_shown(old[task])} → {_shown(new[task])}"
        elif _words(old[task].report) != _words(new[task].report):
            yield f"{task}: the same points, but the report says something else"
    if before.remarks != now.remarks:
        yield "other remarks on the notebook"


def other_graders(tree: Tree, slug: str) -> list[str]:
    """The graders of the journal's newest ledgers that are not this one: with them a replay may differ rightly."""
    book = Journal(tree.journal(slug))
    found = {ledger.grader for student in book.students() if (ledger := book.newest(student))}
    return sorted(name for name in found if name != version() and not name.startswith("failed"))


def _verdict(result: Result) -> tuple[object, ...]:
    return result.points, result.max_points, result.manual, result.report.state, result.report.mistake


def _words(report: Report) -> str:
    return ADDRESS.sub("0x…", report.text())


def _shown(result: Result) -> str:
    return f"{result.points:g} of {result.max_points:g}, {result.report.mistake or result.report.state}"


def prepare(tree: Tree, slug: str, students: Sequence[str], drop_scores: bool = False) -> Iterator[str]:
    """Make `students` gradable again: new cells and points into the gradebook, their ledgers out of the journal.

    Yields what was done, a sentence for each. The ledgers are set aside in the journal's folder, so that a regrade that is
    stopped is finished by `attn grade`. Scores and comments of persons stay; those for a task that is gone are only
    dropped with `drop_scores`.
    """
    with told(tree), locked(tree, f"attn regrade {slug}"):
        with tempfile.TemporaryDirectory() as folder:
            database = f"sqlite:///{folder}/gradebook.db"
            try:
                fresh = generate_assignment(tree, slug, Path(folder), database).read_text(encoding="utf-8")
            except StepFailed as error:
                raise CurriculumError(
                    f"nbgrader could not release {tree.shown(tree.solution(slug))}: {error}"
                ) from None
            with opened(tree) as gradebook:
                yield from take_over(gradebook, database, slug, drop_scores)
        exercise = tree.exercise(slug)
        if not exercise.exists() or exercise.read_text(encoding="utf-8") != fresh:
            write_whole(exercise, fresh)
            yield f"{tree.shown(exercise)}: released anew."
        yield from _set_aside(tree, slug, set(students))


def _set_aside(tree: Tree, slug: str, students: set[str]) -> Iterator[str]:
    """Take the ledgers of `students` out of the journal; a copy of the whole journal stays beside it."""
    path = tree.journal(slug)
    with suppress(FileNotFoundError):
        book = Journal(path)
        copy = path.parent / "before" / f"{slug}-{datetime.now():%Y%m%d-%H%M%S}.jsonl"
        if not set(book.students()) & students:
            return
        copy.parent.mkdir(exist_ok=True)
        shutil.copyfile(path, copy)
        handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(handle)
        kept = Journal(Path(draft))
        for ledger in book.ledgers():
            if ledger.student not in students:
                kept.add(ledger)
        os.chmod(draft, path.stat().st_mode & 0o777)
        os.replace(draft, path)
        yield f"{len(set(book.students()) & students)} gradings are set aside: {tree.shown(copy)}."
