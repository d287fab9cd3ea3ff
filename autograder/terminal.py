"""`attn check`: the notebook's checks from a terminal, on a whole notebook or on one function in a Python file."""

from __future__ import annotations

import runpy
from pathlib import Path

from autograder.checking.report import Report
from autograder.classroom.grading import closed_sandbox
from autograder.classroom.notebook_file import LearnerNotebook, Unreadable, parse
from autograder.classroom.rebuild import rebuild
from autograder.classroom.template import load_template
from autograder.curriculum import CurriculumError, find_tree
from autograder.judge.judge import grade
from autograder.judge.ledger import Submission
from autograder.notebook import examine, find


def check_notebook(path: Path) -> list[Report]:
    """Run a notebook's cells in a process of their own and check every task of its assignment."""
    try:
        return _check_notebook(path, parse(path.read_bytes(), path.name))
    except OSError as error:
        raise CurriculumError(f"{path} cannot be read: {error.strerror}.") from None
    except Unreadable as error:
        raise CurriculumError(str(error)) from None


def _check_notebook(path: Path, notebook: LearnerNotebook) -> list[Report]:
    tree, ids = find_tree(), {cell.grade_id for cell in notebook.cells}
    for topic in tree.topics():
        if ids & {task.grade_id for task in topic.tasks}:
            cells = rebuild(load_template(tree, topic.slug), notebook).code
            ledger = grade(Submission("", topic.slug, tuple(cells)), closed_sandbox("none"), secret=b"")
            by_hand = {task.id for task in topic.tasks if task.written}
            return [result.report for result in ledger.results if result.report.task not in by_hand]
    raise CurriculumError(
        f"{path} holds no cell of an assignment. Check your copy in work/, or name a task and a Python file."
    )


def check_file(task_id: str, path: Path) -> list[Report]:
    """Check one task in a Python file that defines its function."""
    function = getattr(find(task_id), "function", None)
    try:
        names = runpy.run_path(str(path))
    except OSError as error:
        raise CurriculumError(f"{path} cannot be read: {error.strerror}.") from None
    except Exception as error:  # noqa: BLE001 - whatever a learner's file raises
        raise CurriculumError(f"{path} stopped with {type(error).__name__}: {error}") from None
    if function is not None and function not in names:
        raise CurriculumError(f"{path} defines no function named {function}, which is what {task_id} asks for.")
    return [examine(task_id, names.get(function or "", len))]
