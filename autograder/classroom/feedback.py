"""The page that a learner gets back: one file that needs nothing else, and that runs nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

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
    waits = "It waits for a person to grade it."
    return {
        "mark": mark,
        "answer": answer,
        "state": "A person has graded it." if mark.by_hand else waits if mark.waiting else "",
        # a written answer has no report worth showing
        "report": "" if answer or result.manual else Markup(result.report.html()),  # it escapes all that it shows
    }
