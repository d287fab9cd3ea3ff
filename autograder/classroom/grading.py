"""Grading a class: submissions in, grades out. Each step is a function, and no step is entered twice.

intake → judge (skipping what the journal has already) → journal → gradebook → graded notebook → feedback → export
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from autograder.classroom.export import export
from autograder.classroom.feedback import write_feedback
from autograder.classroom.files import Refused, read_regular, write_whole
from autograder.classroom.gradebook import Gradebook, Marks, open_gradebook
from autograder.classroom.graded import with_results
from autograder.classroom.intake import Intake, take_in
from autograder.classroom.template import load_template
from autograder.classroom.text import all_printable, printable
from autograder.curriculum import CurriculumError, Tree
from autograder.judge import journal
from autograder.judge.judge import version
from autograder.judge.ledger import Ledger, Submission
from autograder.judge.pool import grade_all
from autograder.judge.sandbox import Sandbox, SandboxError, find_sandbox
from autograder.judge.selftest import assert_closed

SECRET_BYTES = 32
LONGEST_NAME = 128  # what the gradebook holds


@dataclass(frozen=True)
class Graded:
    """One row of the class: what the judge found and what the gradebook holds."""

    ledger: Ledger
    marks: Marks


Progress = Callable[[int, int, Graded], None]  # how many are done, how many there are, the latest


def grade_class(
    tree: Tree,
    slug: str,
    sandbox_name: str = "bwrap",
    students: Sequence[str] | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> list[Graded]:
    """Grade everyone who handed in `slug`, or only `students`, and write all that follows from it. Rows by student.

    Raises CurriculumError for what concerns the whole class: no submissions, no release, no sandbox. One submission,
    however broken, is one row. Ctrl-C loses nothing: what is in the journal is not graded again.
    """
    template = load_template(tree, slug)
    intakes = {student: take_in(tree, student, template) for student in _chosen(tree, slug, students)}
    sandbox = closed_sandbox(sandbox_name)
    rows: list[Graded] = []
    with open_gradebook(tree, slug) as gradebook:
        for ledger in judged(tree, slug, [intake.submission for intake in intakes.values()], sandbox, workers):
            rows.append(_settle(tree, gradebook, ledger, intakes[ledger.student]))
            if progress:
                progress(len(rows), len(intakes), rows[-1])
    export(tree)
    return sorted(rows, key=lambda row: row.ledger.student)


def judged(
    tree: Tree, slug: str, submissions: Iterable[Submission], sandbox: Sandbox, workers: int | None = None
) -> Iterator[Ledger]:
    """The ledgers of submissions, from the journal where it has them, else from the pool and then into the journal."""
    path = tree.journal(slug)
    finished = journal.read(path)
    newest = journal.latest(finished)
    waiting: list[Submission] = []
    for submission in submissions:
        known = finished.get(journal.key(submission.student, submission.fingerprint, f"{version()} {sandbox.name}"))
        if known is None:
            waiting.append(submission)
            continue
        if newest[submission.student] != known:  # an earlier version was handed in again
            journal.append(path, known)
        yield known
    if waiting:
        for found in grade_all(waiting, sandbox, secret(tree), workers=workers):
            ledger = Ledger.from_json(all_printable(found.to_json()))
            journal.append(path, ledger)
            yield ledger


def _settle(tree: Tree, gradebook: Gradebook, ledger: Ledger, intake: Intake) -> Graded:
    """Everything that is written for one submission, in the order in which a killed run can repeat it."""
    marks = gradebook.record(ledger, intake)
    notebook = with_results(intake.notebook, ledger)
    target = tree.autograded(ledger.student, ledger.slug)
    write_whole(target, json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n")
    _copy_timestamp(tree.submission(ledger.student, ledger.slug).parent, target.parent)
    write_feedback(tree, ledger, marks, intake.submission)
    return Graded(ledger, marks)


def _copy_timestamp(source: Path, target: Path) -> None:
    """nbgrader compares the two to see whether something newer was handed in."""
    try:
        write_whole(target / "timestamp.txt", read_regular(source / "timestamp.txt", 200).decode())
    except (FileNotFoundError, NotADirectoryError, Refused, ValueError):
        return


def _chosen(tree: Tree, slug: str, students: Sequence[str] | None) -> list[str]:
    there = list(tree.students(slug))
    if not there:
        where = tree.shown(tree.submission("STUDENT", slug))
        raise CurriculumError(f"Nobody has handed in {slug}: there is no {where}. Collect the submissions first.")
    for name in there:
        if printable(name) != name or len(name) > LONGEST_NAME:
            raise CurriculumError(
                f"The folder {printable(name)!r} cannot be a student's name: a name has at most {LONGEST_NAME} printable "
                "characters. Rename the folder; nothing was graded."
            )
    missing = sorted(set(students or ()) - set(there))
    if missing:
        raise CurriculumError(f"{missing[0]} has no folder for {slug}. Those who have: {', '.join(there[:20])}.")
    return sorted(set(students)) if students else there


@cache
def closed_sandbox(name: str) -> Sandbox:
    """The sandbox of this name, after its self-test has found no way out. CurriculumError says why there is none."""
    try:
        sandbox = find_sandbox(name)
        assert_closed(sandbox)
    except SandboxError as error:
        raise CurriculumError(str(error)) from None
    return sandbox


def secret(tree: Tree) -> bytes:
    """The course's secret, made at the first use and readable by its owner only."""
    tree.course.mkdir(parents=True, exist_ok=True)
    try:
        fd = os.open(tree.secret, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        found = tree.secret.read_bytes()
        if len(found) != SECRET_BYTES:
            raise CurriculumError(
                f"{tree.shown(tree.secret)} is damaged: {len(found)} bytes, expected {SECRET_BYTES}. Restore it from a "
                "backup, or delete it: then a new one is made and a regrade draws other inputs."
            ) from None
        return found
    with os.fdopen(fd, "wb") as file:
        made = secrets.token_bytes(SECRET_BYTES)
        file.write(made)
    return made
