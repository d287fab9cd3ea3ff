"""Grading a class: submissions in, grades out. Each step is a function, and no step is entered twice.

intake → judge (skipping what the journal has already) → journal → gradebook → graded notebook → feedback → export

One submission at a time is in memory, and each is written whole before the next: a run can be killed anywhere, and the
next one goes on from the journal and ends with the same files.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from autograder.classroom.database import AGAIN, told
from autograder.classroom.export import export
from autograder.classroom.feedback import write_feedback
from autograder.classroom.files import Refused, read_regular, write_whole
from autograder.classroom.gradebook import Gradebook, Marks, open_gradebook
from autograder.classroom.graded import with_results
from autograder.classroom.intake import Intake, take_in
from autograder.classroom.lock import locked
from autograder.classroom.settings import load_settings
from autograder.classroom.template import load_template
from autograder.classroom.text import all_printable, printable
from autograder.curriculum import CurriculumError, Tree
from autograder.judge import journal
from autograder.judge.journal import Journal
from autograder.judge.judge import version
from autograder.judge.ledger import Ledger, Submission
from autograder.judge.pool import grade_all
from autograder.judge.sandbox import Sandbox, SandboxError, find_sandbox
from autograder.judge.selftest import assert_closed

SECRET_BYTES = 32
LONGEST_NAME = 128  # what the gradebook holds
DRAFT = re.compile(r"\..+\.[a-z0-9_]{8}")  # how `write_whole` calls a file that is not whole yet


@dataclass(frozen=True)
class Graded:
    """One row of the class: what the judge found and what the gradebook holds."""

    ledger: Ledger
    marks: Marks


@dataclass(frozen=True)
class Judge:
    """Whoever grades: `grade` turns submissions into ledgers, in any order; `sandboxes` are the protections it may use."""

    sandboxes: tuple[str, ...]
    grade: Callable[[Iterable[Submission]], Iterator[Ledger]]

    def known(self, book: Journal, submission: Submission) -> Ledger | None:
        """What the journal holds of a submission by a judge like this one; it is the student's newest from now on."""
        for sandbox in self.sandboxes:
            key = journal.key(submission.student, submission.fingerprint, f"{version()} {sandbox}")
            if (found := book.get(key)) is not None:
                if not book.is_newest(key):  # an earlier version was handed in again
                    book.add(found)
                return found
        return None


@dataclass(frozen=True)
class Roll:
    """Who is graded, and the folders whose names no gradebook can hold."""

    students: list[str]
    left_out: list[str]


Progress = Callable[[int, int, Graded], None]  # how many are done, how many there are, the latest


def grade_class(
    tree: Tree,
    slug: str,
    sandbox_name: str = "auto",
    students: Sequence[str] | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> list[Graded]:
    """Grade everyone who handed in `slug`, or only `students`, and write all that follows from it. Rows by student.

    Raises CurriculumError for what concerns the whole class: no submissions, no release, no sandbox, a full disk. One
    submission, however broken, is one row. Ctrl-C loses nothing: what is in the journal is not graded again.
    """
    chosen = call_roll(tree, slug, students).students
    rows: list[Graded] = []
    for row in grade_each(tree, slug, chosen, local_judge(tree, slug, sandbox_name, workers)):
        rows.append(row)
        if progress:
            progress(len(rows), len(chosen), row)
    return sorted(rows, key=lambda row: row.ledger.student)


def grade_each(tree: Tree, slug: str, students: Sequence[str], judge: Judge) -> Iterator[Graded]:
    """The same one by one, so that a large class need not fit into memory; the export comes after the last."""
    with told(tree), locked(tree, f"attn grade {slug}"), open_gradebook(tree, slug) as gradebook:
        _sweep(tree.course)
        template, book = load_template(tree, slug), Journal(tree.journal(slug))
        waiting: list[str] = []
        for student in students:
            intake = take_in(tree, student, template)
            if (known := judge.known(book, intake.submission)) is None:
                waiting.append(student)
            else:
                yield _settle(tree, gradebook, known, intake)
        changed: dict[str, Intake] = {}
        submissions = (take_in(tree, student, template).submission for student in waiting)
        for ledger in judge.grade(submissions) if waiting else ():
            intake = take_in(tree, ledger.student, template)  # again: what was judged need not wait in memory
            ledger = into_journal(book, ledger)
            if ledger.fingerprint == intake.submission.fingerprint:
                yield _settle(tree, gradebook, ledger, intake)
            else:  # handed in again while it was judged: no score is written for other bytes
                changed[ledger.student] = intake
        for ledger in judge.grade([intake.submission for intake in changed.values()]) if changed else ():
            yield _settle(tree, gradebook, into_journal(book, ledger), changed[ledger.student])
        export(tree)


def local_judge(tree: Tree, slug: str, sandbox_name: str, workers: int | None = None) -> Judge:
    """The pool of this machine, after the sandbox's self-test."""
    sandbox, limits = closed_sandbox(sandbox_name), load_settings(tree).limits_for(slug)
    return Judge(
        (sandbox.name,),
        lambda submissions: grade_all(submissions, sandbox, secret(tree), limits=limits, workers=workers),
    )


def cluster_judge(tree: Tree, slug: str, sandbox_name: str, address: str, say: Callable[[str], None]) -> Judge:
    """The workers of a Dask cluster, each of which runs the sandbox's self-test itself."""
    from autograder.judge.cluster import ClusterError, grade_on_cluster

    limits = load_settings(tree).limits_for(slug)

    def grade(submissions: Iterable[Submission]) -> Iterator[Ledger]:
        try:
            yield from grade_on_cluster(address, submissions, sandbox_name, secret(tree), limits, say)
        except ClusterError as error:
            raise CurriculumError(f"{error} {AGAIN}") from None

    return Judge(("bwrap", "builtin") if sandbox_name == "auto" else (sandbox_name,), grade)


def judge_one(tree: Tree, submission: Submission, judge: Judge) -> Ledger:
    """The ledger of one submission, from the journal or from the judge and then into the journal."""
    book = _journal(tree.journal(submission.slug))
    book.refresh()
    if known := judge.known(book, submission):
        return known
    (ledger,) = judge.grade([submission])
    return into_journal(book, ledger)


def into_journal(book: Journal, ledger: Ledger) -> Ledger:
    """Append a ledger, without anything in it that could steer a terminal or break a line."""
    ledger = Ledger.from_json(all_printable(ledger.to_json()))
    book.add(ledger)
    return ledger


@cache
def _journal(path: Path) -> Journal:
    return Journal(path)


def _settle(tree: Tree, gradebook: Gradebook, ledger: Ledger, intake: Intake) -> Graded:
    """Everything that is written for one submission, in the order in which a killed run can repeat it."""
    marks = gradebook.record(ledger, intake)
    notebook = with_results(intake.notebook, ledger)
    target = tree.autograded(ledger.student, ledger.slug)
    _sweep(target.parent)
    write_whole(target, json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n")
    _copy_timestamp(tree.submission(ledger.student, ledger.slug).parent, target.parent)
    _sweep(tree.feedback(ledger.student, ledger.slug).parent)
    write_feedback(tree, ledger, marks, intake.submission)
    return Graded(ledger, marks)


def _sweep(folder: Path) -> None:
    """Remove the drafts that a killed run left in a folder, and nothing else."""
    with suppress(FileNotFoundError, NotADirectoryError):
        for path in folder.iterdir():
            if DRAFT.fullmatch(path.name) and path.is_file():
                path.unlink()


def _copy_timestamp(source: Path, target: Path) -> None:
    """nbgrader compares the two to see whether something newer was handed in."""
    with suppress(FileNotFoundError, NotADirectoryError, Refused, ValueError):
        write_whole(target / "timestamp.txt", read_regular(source / "timestamp.txt", 200).decode())


def call_roll(tree: Tree, slug: str, students: Sequence[str] | None = None) -> Roll:
    """Everyone who handed in `slug`, or only `students`; those without a folder raise CurriculumError."""
    there = list(tree.students(slug))
    odd = [name for name in there if printable(name) != name or len(name) > LONGEST_NAME]
    named = [name for name in there if name not in set(odd)]
    if not named:
        where = tree.shown(tree.submission("STUDENT", slug))
        why = f" (the folder {printable(odd[0])!r} cannot be a student's name)" if odd else ""
        raise CurriculumError(f"Nobody has handed in {slug}: there is no {where}{why}. Collect the submissions first.")
    missing = sorted(set(students or ()) - set(named))
    if missing:
        raise CurriculumError(f"{missing[0]} has no folder for {slug}. Those who have: {', '.join(named[:20])}.")
    return Roll(sorted(set(students)) if students else named, [] if students else odd)


def gone(tree: Tree, slug: str) -> list[str]:
    """Who has a grade for `slug` but no folder any more: nothing says what they should have, so the grade stays."""
    with open_gradebook(tree, slug) as gradebook:
        return sorted(set(gradebook.students()) - set(tree.students(slug)))


@cache
def closed_sandbox(name: str) -> Sandbox:
    """The sandbox of this name, after its self-test has found no way out. CurriculumError says why there is none."""
    try:
        sandbox = find_sandbox(name)
        return replace(sandbox, layers=assert_closed(sandbox))  # type: ignore[type-var]  # every sandbox is a dataclass
    except SandboxError as error:
        raise CurriculumError(str(error)) from None


def secret(tree: Tree) -> bytes:
    """The course's secret, made at the first use and readable by its owner only."""
    tree.course.mkdir(parents=True, exist_ok=True)
    if not tree.secret.exists():
        handle, draft = tempfile.mkstemp(dir=tree.course, prefix=".secret.")  # readable by its owner only
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(SECRET_BYTES))
        try:  # in one step, so that a killed run leaves no half of it
            with suppress(FileExistsError):  # another process was faster
                os.link(draft, tree.secret)
            os.unlink(draft)
        except OSError:  # a file system without links
            os.replace(draft, tree.secret)
    found = tree.secret.read_bytes()
    if len(found) != SECRET_BYTES:
        raise CurriculumError(
            f"{tree.shown(tree.secret)} is damaged: {len(found)} bytes, expected {SECRET_BYTES}. Restore it from a "
            "backup, or delete it: then a new one is made and a regrade draws other inputs."
        )
    return found
