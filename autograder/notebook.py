"""What a learner's notebook calls: `check` examines a function, `hint` gives the next hint."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from autograder.checking.diagnose import report
from autograder.checking.engine import Local
from autograder.checking.report import Report, State
from autograder.checking.task import Task, Written, load
from autograder.curriculum import CurriculumError, find_task
from autograder.hints import next_hint


class CheckFailed(AssertionError):  # noqa: N818 - the name that learners see; "Error" would suggest a defect of the grader
    """A check that found a mistake. The report has been shown already, so the traceback would only hide it."""

    def _render_traceback_(self) -> list[str]:
        return [f"CheckFailed: {self}"]


def find(task_id: str) -> Task | Written:
    """The task of this id."""
    topic, entry = find_task(task_id)
    return load(topic.slug)[entry.id]


def examine(task_id: str, function: Callable[..., Any]) -> Report:
    """The report on a function, as data."""
    task = find(task_id)
    if isinstance(task, Written):
        raise CurriculumError(f"{task_id} is answered in prose and graded by a person; there is nothing to check.")
    if not callable(function):
        raise TypeError(
            f'check("{task_id}", …) takes the function itself, `{task.function}`, but got a {type(function).__name__}.'
        )
    return report(task, Local(function))


def check(task_id: str, function: Callable[..., Any]) -> None:
    """Show the report on `function`; raise CheckFailed unless it is right (nbgrader's Validate looks for errors)."""
    result = examine(task_id, function)
    show(result)
    if result.state is not State.RIGHT:
        raise CheckFailed(result.headline)


def hint(task_id: str) -> None:
    """Print the next hint for a task: first a direction, then the insight, then the line of code."""
    print(next_hint(find(task_id)))


def show(result: Report) -> None:
    """HTML in Jupyter, plain text elsewhere."""
    if "IPython" in sys.modules:
        from IPython import get_ipython
        from IPython.display import display

        if hasattr(get_ipython(), "kernel"):
            display(result)  # type: ignore[no-untyped-call]  # IPython does not annotate it
            return
    print(result.text())
