"""The table of all grades, for a spreadsheet or another system."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from autograder.classroom.files import write_whole
from autograder.classroom.gradebook import Marks, open_gradebook
from autograder.curriculum import Topic, Tree
from autograder.judge import journal
from autograder.judge.ledger import Ledger

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")  # a spreadsheet would calculate a field that begins so


def export(tree: Tree) -> Path:
    """Write `grades.csv`: one row per submission of every assignment that was graded here. Gives its path."""
    graded = [topic for topic in tree.topics() if tree.journal(topic.slug).exists()]
    tasks = [task.id for topic in graded for task in topic.tasks]
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["student", "assignment", "total", "max", "manual", "summary", *tasks])
    for topic in graded:
        for ledger, marks in _rows(tree, topic):
            table.writerow(row(ledger, marks, tasks))
    write_whole(tree.export(), text.getvalue())
    return tree.export()


def row(ledger: Ledger, marks: Marks, tasks: list[str]) -> list[str]:
    """One line; `manual` names the tasks that wait for a person, `tasks` orders the points."""
    points = {mark.task: f"{mark.points:g}" for mark in marks.marks}
    waiting = ", ".join(marks.waiting)
    texts = [guarded(text) for text in (ledger.student, ledger.slug)]
    numbers = [f"{marks.points:g}", f"{marks.max_points:g}"]
    return [*texts, *numbers, guarded(waiting), guarded(ledger.summary), *(points.get(task, "") for task in tasks)]


def guarded(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(FORMULA) else text


def _rows(tree: Tree, topic: Topic) -> list[tuple[Ledger, Marks]]:
    newest = journal.latest(journal.read(tree.journal(topic.slug)))
    with open_gradebook(tree, topic.slug) as gradebook:
        return [(newest[student], gradebook.marks(student)) for student in sorted(newest)]
