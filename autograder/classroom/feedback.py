"""The page that a learner gets back: points, state and named mistake per task, and what a person wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from autograder.checking.report import MARKS, State
from autograder.classroom.files import write_whole
from autograder.classroom.gradebook import Mark, Marks
from autograder.classroom.page import render
from autograder.classroom.settings import load_settings
from autograder.curriculum import Tree
from autograder.judge.ledger import Ledger, Result, Submission

PAGE = "feedback.html.jinja"
LOOKS = {State.RIGHT: "right", State.WRONG: "wrong", State.CRASHED: "crashed"}
WAITS, BY_HAND = "It waits for a person to grade it.", "A person has graded it."


def write_feedback(tree: Tree, ledger: Ledger, marks: Marks, submission: Submission) -> Path:
    """Write the page of one submission and give its path."""
    path = tree.feedback(ledger.student, ledger.slug)
    late = load_settings(tree).late.takes
    write_whole(path, feedback(tree.topic(ledger.slug).title, ledger, marks, submission, before_deduction=late))
    return path


def feedback(title: str, ledger: Ledger, marks: Marks, submission: Submission, before_deduction: bool = False) -> str:
    """The page as HTML. Whatever a learner or their code wrote is escaped; the page forbids scripts and all loading.

    The points are those of the gradebook. What late work costs is reckoned when grades are exported; with
    `before_deduction` the page says that it may still come.
    """
    answers = {task: text for task, text, answered in submission.written if answered}
    tasks = [
        _task(ledger, result, mark, answers.get(mark.task, ""))
        for result, mark in zip(ledger.results, marks.marks, strict=True)
    ]
    if ledger.reason:  # one reason says it all; only what a person did is worth a box then
        tasks = [task for task in tasks if task["state"]]
    return render(PAGE, title=title, ledger=ledger, marks=marks, tasks=tasks, before_deduction=before_deduction)


def _task(ledger: Ledger, result: Result, mark: Mark, answer: str) -> dict[str, Any]:
    report = result.report
    by_person = BY_HAND if mark.by_hand else WAITS if mark.waiting else ""
    state = by_person or f"{MARKS[report.state]} {report.headline.partition(': ')[2]}"
    return {
        "mark": mark,
        "answer": answer,
        "look": "hand" if by_person else LOOKS.get(report.state, "open"),
        "state": "" if ledger.reason and not by_person else state,
        # an answer in prose has no report worth showing, and what was not read has none at all
        "report": None if answer or result.manual or ledger.reason else report,
    }
