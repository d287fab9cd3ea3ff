"""A small released exercise, the notebooks that learners make of it, and ledgers, all made by hand."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from autograder.checking.report import Report, State
from autograder.curriculum import Tree, find_topic
from autograder.judge.ledger import Ledger, Result

SLUG = "06_scaling"
STUB = "def {0}(*a):\n    raise NotImplementedError()"
PROMPT = "YOUR ANSWER HERE"
Notebook = dict[str, Any]


def code(id: str, source: str, **marks: Any) -> dict[str, Any]:
    """A code cell; `marks` is nbgrader's metadata."""
    return {"cell_type": "code", "id": id, "source": source, "outputs": [], "execution_count": None} | _metadata(
        id, marks
    )


def prose(id: str, source: str, **marks: Any) -> dict[str, Any]:
    """A Markdown cell."""
    return {"cell_type": "markdown", "id": id, "source": source} | _metadata(id, marks)


def _metadata(id: str, marks: dict[str, Any]) -> dict[str, Any]:
    if not marks:
        return {"metadata": {}}
    known = {"grade": False, "solution": False, "locked": False, "task": False, "schema_version": 3, "grade_id": id}
    return {"metadata": {"nbgrader": known | marks}}


def exercise() -> Notebook:
    """The released exercise: two functions, a cell to play in, and a written question."""
    return {
        "cells": [
            prose("intro", "# The exercise"),
            code("setup", "import numpy as np", locked=True),
            code("scaling-softmax-answer", STUB.format("softmax"), solution=True),
            code("scaling-softmax", 'check("scaling.softmax", softmax)', grade=True, locked=True, points=3),
            code("playground", "print(softmax)"),
            code("scaling-scaled_scores-answer", STUB.format("scaled_scores"), solution=True),
            code(
                "scaling-scaled_scores",
                'check("scaling.scaled_scores", scaled_scores)',
                grade=True,
                locked=True,
                points=2,
            ),
            prose("scaling-proof-question", "Prove it.", locked=True),
            prose("scaling-proof", PROMPT, grade=True, solution=True, points=5),
            prose("done", "Done?"),
        ],
        "metadata": {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def cell(notebook: Notebook, id: str) -> dict[str, Any]:
    """The cell of this id."""
    return next(c for c in notebook["cells"] if c["id"] == id)


def place(notebook: Notebook, id: str) -> int:
    """Where it stands."""
    return notebook["cells"].index(cell(notebook, id))


def solved() -> Notebook:
    """The exercise with everything filled in."""
    notebook = exercise()
    cell(notebook, "scaling-softmax-answer")["source"] = "def softmax(*a):\n    return 1"
    cell(notebook, "scaling-scaled_scores-answer")["source"] = "def scaled_scores(*a):\n    return 2"
    cell(notebook, "scaling-proof")["source"] = "Because."
    return notebook


def write(path: Path, notebook: Any) -> Path:
    """Write a notebook, or bytes, or text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = (
        notebook if isinstance(notebook, bytes) else notebook.encode() if isinstance(notebook, str) else dump(notebook)
    )
    path.write_bytes(data)
    return path


def dump(notebook: Notebook) -> bytes:
    """The bytes of an .ipynb file."""
    return json.dumps(notebook).encode()


def hand_in(tree: Tree, notebook: Any, student: str = "ada") -> Path:
    """Collect a notebook."""
    return write(tree.submission(student, SLUG), notebook)


def without_ids(notebook: Notebook) -> Notebook:
    """What some tools leave of a notebook: no cell ids, no metadata."""
    stripped = copy.deepcopy(notebook)
    for c in stripped["cells"]:
        del c["id"]
        c["metadata"] = {}
    return stripped


def ledger(
    student: str = "ada", fingerprint: str = "f", manual: bool = True, reason: str = "", **points: float
) -> Ledger:
    """A ledger of 06_scaling; `points` by the last part of a task's name, 0 where it is not given."""
    results = []
    for task in find_topic(SLUG).tasks:
        earned = float(points.get(task.id.partition(".")[2], 0.0))
        waits = task.written and manual
        state = State.RIGHT if earned == task.points else State.NOT_VERIFIABLE if waits else State.NOT_ATTEMPTED
        results.append(Result(Report(task.id, task.id, state, earned / task.points), earned, task.points, manual=waits))
    return Ledger(student, SLUG, fingerprint, "grader-1", "bwrap", tuple(results), reason=reason)
