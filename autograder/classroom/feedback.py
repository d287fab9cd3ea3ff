"""The page that a learner gets back: one file that needs nothing else, and that runs nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from autograder.checking.report import COLOURS, MARKS
from autograder.classroom.files import write_whole
from autograder.classroom.gradebook import Mark, Marks
from autograder.curriculum import Tree
from autograder.judge.ledger import Ledger, Result, Submission

PAGE = "feedback.html.jinja"
PAGES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def write_feedback(tree: Tree, ledger: Ledger, marks: Marks, submission: Submission) -> Path:
    """Write the page of one submission and give its path."""
    path = tree.feedback(ledger.student, ledger.slug)
    write_whole(path, feedback(tree.topic(ledger.slug).title, ledger, marks, submission))
    return path


def feedback(title: str, ledger: Ledger, marks: Marks, submission: Submission) -> str:
    """The page as HTML. Whatever a learner or their code wrote is escaped; the page forbids scripts and all loading."""
    answers = {task: text for task, text, answered in submission.written if answered}
    tasks = [
        _task(result, mark, answers.get(mark.task, ""))
        for result, mark in zip(ledger.results, marks.marks, strict=True)
    ]
    return PAGES.get_template(PAGE).render(
        title=title,
        ledger=ledger,
        marks=marks,
        tasks=tasks,
        unprotected=ledger.sandbox == "none",
    )


def _task(result: Result, mark: Mark, answer: str) -> dict[str, Any]:
    report = result.report
    return {
        "id": mark.task,
        "state": "graded by a person" if mark.by_hand else "waits for a person" if mark.waiting else str(report.state),
        "sign": MARKS[report.state],
        "colour": COLOURS[report.state],
        "mark": mark,
        "answer": answer,
        # Report.html escapes all that comes from a learner; a written answer has no report worth showing
        "report": None if result.manual or answer else Markup(report.html()),
    }
