"""Intake: what a learner handed in, as data. Whatever lies in the folder becomes a Submission; nothing raises."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any

from autograder.classroom.handed_in import find
from autograder.classroom.notebook_file import AGAIN, Unreadable
from autograder.classroom.rebuild import untouched
from autograder.classroom.template import Template, load_template
from autograder.curriculum import Tree
from autograder.judge.ledger import Submission


@dataclass(frozen=True)
class Intake:
    """A submission for the judge, and the rebuilt notebook into which its results will be written."""

    submission: Submission
    notebook: dict[str, Any]
    untouched: frozenset[str]  # grade ids of the cells that are as they were released


def read_submission(tree: Tree, student: str, slug: str) -> Submission:
    """What `student` handed in for `slug`. What cannot be read has `unreadable` set to a sentence that says why."""
    return take_in(tree, student, load_template(tree, slug)).submission


def take_in(tree: Tree, student: str, template: Template) -> Intake:
    """The same with the rebuilt notebook; the untouched exercise where nothing can be read."""
    try:
        found = find(tree.submission(student, template.slug), template)
    except Unreadable as error:
        return _nothing(student, template, str(error))
    except Exception as error:  # noqa: BLE001 - a file that we did not think of is a row with a reason, too
        return _nothing(student, template, f"The notebook could not be read ({type(error).__name__}). {AGAIN}")
    built = found.built
    tasks = {task.grade_id: task.id for task in tree.topic(template.slug).tasks}
    submission = Submission(
        student,
        template.slug,
        cells=tuple(built.code),
        written=tuple((tasks[name], *answer) for name, answer in built.written.items() if name in tasks),
        remarks=(*found.remarks, *built.remarks),
    )
    submission = replace(submission, fingerprint=_fingerprint(submission, template, found.digest))
    return Intake(submission, built.notebook, frozenset(built.untouched))


def _nothing(student: str, template: Template, reason: str) -> Intake:
    built = untouched(template)
    submission = Submission(student, template.slug, cells=(), unreadable=reason)
    submission = replace(submission, fingerprint=_fingerprint(submission, template, ""))
    return Intake(submission, built.notebook, frozenset(built.untouched))


def _fingerprint(submission: Submission, template: Template, digest: str) -> str:
    """Two submissions with the same fingerprint are graded alike, and told the same.

    What the intake made of the bytes is in it too, so that a change of the intake's rules is a new submission.
    """
    parts = (template.digest, digest, submission.cells, submission.written, submission.remarks, submission.unreadable)
    return hashlib.sha256(repr(parts).encode("utf-8", "backslashreplace")).hexdigest()
