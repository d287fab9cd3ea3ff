"""Percent text and notebooks: the only module that knows jupytext.

The text is the source. Its cell headers are short (`answer="scaling.softmax"`); the notebook has what nbgrader needs.
`to_notebook` expands them, `to_text` reduces them again.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from autograder.authoring.ids import assign_ids
from autograder.authoring.notebook import Cell, Notebook, notebook
from autograder.curriculum import CurriculumError, TaskEntry, Topic

try:
    import jupytext
except ModuleNotFoundError:  # learners and teachers do not have it
    raise CurriculumError("Building notebooks needs jupytext, which is missing. Run `pip install -e .[dev]`.") from None

PERCENT = "py:percent"
ROLES = {"answer": "code", "check": "code", "written": "markdown", "locked": None}  # role → the type its cell must have
LABELS = ("question", "kind", "minutes", "claims", "tags")  # kept in the notebook as they are
HEADER_KEYS = (*LABELS[:4], *ROLES, "tags")  # in the order in which `to_text` writes them
LAYOUT = "lines_to_next_cell"  # jupytext's note of unusual blank lines


def to_notebook(text: str, topic: Topic, name: str) -> Notebook:
    """The unexecuted notebook of a percent text.

    `name` is the file in messages. An unknown header key, an unknown task, a wrong cell type or a name used twice
    raises CurriculumError.
    """
    cells = [_expand(cell, topic, name) for cell in _parse(text)]
    assign_ids(cells)
    twice = [id for id, count in Counter(cell["id"] for cell in cells).items() if count > 1]
    if twice:
        raise CurriculumError(f"{name}: two cells are called {twice[0]!r}. Each name may be used once; rename one.")
    return notebook(cells)


def to_text(nb: Notebook, topic: Topic, name: str, previous: str = "") -> str:
    """The percent text of a notebook; cells that `previous` has too keep their blank lines from there."""
    layout = {}
    if previous:
        layout = {
            built["id"]: parsed["metadata"][LAYOUT]
            for built, parsed in zip(to_notebook(previous, topic, name)["cells"], _parse(previous), strict=True)
            if LAYOUT in parsed["metadata"]
        }
    cells = []
    for cell in nb["cells"]:
        metadata = _reduce(cell, topic, name)
        if cell["id"] in layout:
            metadata[LAYOUT] = layout[cell["id"]]
        new = {"cell_type": cell["cell_type"], "source": cell["source"], "metadata": metadata, "id": cell["id"]}
        cells.append(new | ({"outputs": [], "execution_count": None} if cell["cell_type"] == "code" else {}))
    filters = {"cell_metadata_filter": "all", "notebook_metadata_filter": "-all"}
    plain = {**notebook(cells), "metadata": {"jupytext": filters}}
    return jupytext.writes(jupytext.reads(json.dumps(plain), fmt="ipynb"), fmt=PERCENT)  # type: ignore[no-any-return]  # untyped


def cell_lines(text: str) -> list[int]:
    """The line on which each cell of a percent text starts, in order."""
    return [number for number, line in enumerate(text.splitlines(), start=1) if line.startswith("# %%")]


def _parse(text: str) -> list[Cell]:
    return [dict(cell) for cell in jupytext.reads(text, fmt=PERCENT).cells]


def _expand(cell: Cell, topic: Topic, name: str) -> Cell:
    header = {key: value for key, value in cell["metadata"].items() if key != LAYOUT}
    where = f"{name}, the cell that begins {cell['source'].partition(chr(10))[0][:40]!r}"
    if cell["cell_type"] not in ("code", "markdown"):
        raise CurriculumError(
            f"{where}: it is a {cell['cell_type']} cell. Only code and [markdown] cells are used here."
        )
    for key in header:
        if key not in HEADER_KEYS:
            raise CurriculumError(f"{where}: unknown key {key!r} in its header. Known keys: {', '.join(HEADER_KEYS)}.")
    metadata: dict[str, Any] = {key: header[key] for key in LABELS if key in header}
    roles = [role for role in ROLES if role in header]
    if len(roles) > 1:
        raise CurriculumError(f"{where}: it is both {roles[0]} and {roles[1]}. A cell has one role; split it.")
    if roles:
        (role,) = roles
        if ROLES[role] not in (None, cell["cell_type"]):
            raise CurriculumError(
                f"{where}: a cell with {role}= must be a {ROLES[role]} cell, this one is {cell['cell_type']}."
            )
        metadata["nbgrader"] = _nbgrader(role, str(header[role]), topic, where)
    expanded = {"cell_type": cell["cell_type"], "id": "", "metadata": metadata, "source": cell["source"]}
    return expanded | ({"outputs": [], "execution_count": None} if cell["cell_type"] == "code" else {})


def _nbgrader(role: str, value: str, topic: Topic, where: str) -> dict[str, Any]:
    """What nbgrader wants to know of a cell (its metadata schema 3)."""
    graded = role in ("check", "written")
    metadata: dict[str, Any] = {
        "schema_version": 3,
        "grade": graded,
        "solution": role in ("answer", "written"),
        "locked": role in ("check", "locked"),
        "task": False,
    }
    if role == "locked":
        return metadata | {"grade_id": value}
    task = _task(value, topic, where)
    if task.written != (role == "written"):
        right = "written=" if task.written else "answer= and check="
        raise CurriculumError(f"{where}: {value} is used with {role}=, expected {right} for a task of its kind.")
    metadata["grade_id"] = task.answer_id if role == "answer" else task.grade_id
    return metadata | ({"points": task.points} if graded else {})


def _task(task_id: str, topic: Topic, where: str) -> TaskEntry:
    for task in topic.tasks:
        if task.id == task_id:
            return task
    known = ", ".join(task.id for task in topic.tasks) or "none yet"
    raise CurriculumError(f"{where}: {topic.slug} has no task {task_id!r} in the manifest. Its tasks: {known}.")


def _reduce(cell: Cell, topic: Topic, name: str) -> dict[str, Any]:
    """The header of a cell; what JupyterLab adds (scrolled, trusted, execution times…) is dropped."""
    if cell.get("attachments"):
        raise CurriculumError(
            f"{name}: cell {cell['id']!r} holds a pasted image, which a text cannot keep. Draw it with code instead."
        )
    header = {key: cell["metadata"][key] for key in LABELS if cell["metadata"].get(key)}
    nbgrader = cell["metadata"].get("nbgrader")
    if nbgrader:
        role, value = _role(nbgrader, topic, name)
        header[role] = value
    return {key: header[key] for key in HEADER_KEYS if key in header}


def _role(nbgrader: dict[str, Any], topic: Topic, name: str) -> tuple[str, str]:
    grade_id = nbgrader.get("grade_id", "")
    if not nbgrader.get("grade") and not nbgrader.get("solution"):
        return "locked", grade_id
    for task in topic.tasks:
        if grade_id == task.answer_id:
            return "answer", task.id
        if grade_id == task.grade_id:
            return ("written" if task.written else "check"), task.id
    raise CurriculumError(
        f"{name}: the graded cell {grade_id!r} belongs to no task of {topic.slug}. Add its task to the manifest."
    )
