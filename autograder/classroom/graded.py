"""The graded notebook: the judge's findings as outputs of the check cells, and what a grading person has to know."""

from __future__ import annotations

import copy
from typing import Any

from autograder.checking.task import Written, load
from autograder.curriculum import find_topic
from autograder.judge.ledger import Ledger, Result

NOTE = "attn_note"  # marks the cells that were written for whoever grades by hand
RUBRIC = "Rubric, for the grader"
UNPROTECTED = "Graded without a sandbox: this result is only as honest as the submission."


def with_results(notebook: dict[str, Any], ledger: Ledger) -> dict[str, Any]:
    """A copy of the rebuilt notebook that holds the ledger's results. All other outputs are gone.

    nbgrader reads the score of a cell from its first `execute_result`; the report stands before it, as display data.
    """
    entries = {task.id: task for task in find_topic(ledger.slug).tasks}
    results = {entries[result.report.task].grade_id: result for result in ledger.results}
    tasks = load(ledger.slug)
    rubrics = {entries[id].grade_id: task.rubric for id, task in tasks.items() if isinstance(task, Written)}
    cells: list[dict[str, Any]] = list(_notes(ledger))
    count = 0
    for cell in copy.deepcopy(notebook["cells"]):
        name = cell["metadata"].get("nbgrader", {}).get("grade_id")
        if cell["cell_type"] == "code":
            cell |= {"outputs": [], "execution_count": None}
            if name in results:
                count += 1
                cell |= {"outputs": _outputs(results[name], count), "execution_count": count}
        elif name in rubrics:
            cells.append(_note(f"rubric-{name}", f"**{RUBRIC}**\n\n" + "\n".join(f"- {r}" for r in rubrics[name])))
        cells.append(cell)
    return {**notebook, "cells": cells}


def without_notes(notebook: dict[str, Any]) -> dict[str, Any]:
    """The graded notebook as its author may see it."""
    return {**notebook, "cells": [cell for cell in notebook["cells"] if not cell["metadata"].get(NOTE)]}


def _outputs(result: Result, count: int) -> list[dict[str, Any]]:
    data = {"text/plain": result.report.text(), "text/html": result.report.html()}
    score = {"text/plain": f"{result.points:g}"}
    return [
        {"output_type": "display_data", "data": data, "metadata": {}},
        {"output_type": "execute_result", "data": score, "metadata": {}, "execution_count": count},
    ]


def _notes(ledger: Ledger) -> list[dict[str, Any]]:
    said = [ledger.reason, *ledger.remarks, UNPROTECTED if ledger.sandbox == "none" else ""]
    lines = [f"- `{line.replace('`', '´')}`" for line in said if line]  # as code: it may quote the learner's own words
    return [_note("grader-remarks", "**On this submission, for the grader**\n\n" + "\n".join(lines))] if lines else []


def _note(id: str, text: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "id": id, "metadata": {NOTE: True}, "source": text}
