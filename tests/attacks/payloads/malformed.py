"""Malformed notebooks: forged metadata, deleted, copied and retyped cells, old formats, resubmissions."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

from attack import HONEST, INTAKE, SOFTMAX, TEMPLATE, WRITER, Attack, Notebook

CHECK, ANSWER = "scaling-softmax", "scaling-softmax-answer"


def _marks(notebook: Notebook, name: str) -> dict[str, Any]:
    found: dict[str, Any] = _cell(notebook, name)["metadata"]["nbgrader"]
    return found


def _cell(notebook: Notebook, name: str) -> dict[str, Any]:
    return next(c for c in notebook["cells"] if c["metadata"].get("nbgrader", {}).get("grade_id") == name)


def marked(**marks: Any) -> Callable[[Notebook], None]:
    """Change nbgrader's metadata of every check cell."""

    def edit(notebook: Notebook) -> None:
        for cell in notebook["cells"]:
            if cell["metadata"].get("nbgrader", {}).get("grade"):
                cell["metadata"]["nbgrader"].update(marks)

    return edit


def _delete_checks(notebook: Notebook) -> None:
    notebook["cells"] = [c for c in notebook["cells"] if not c["metadata"].get("nbgrader", {}).get("grade")]


def _right_softmax(notebook: Notebook) -> None:
    _cell(notebook, ANSWER)["source"] = SOFTMAX


def _kill(notebook: Notebook) -> None:
    _cell(notebook, ANSWER)["source"] = "import os\nos._exit(9)"


def _retype(notebook: Notebook) -> None:
    for name in (CHECK, "scaling-dot_variance"):
        cell = _cell(notebook, name)
        cell["cell_type"] = "markdown"
        cell.pop("outputs", None)
        cell.pop("execution_count", None)


def _copy_cells(notebook: Notebook) -> None:
    notebook["cells"] += copy.deepcopy(
        [_cell(notebook, CHECK), _cell(notebook, ANSWER), _cell(notebook, "scaling-dot_variance")]
    )


def _extra_graded(notebook: Notebook) -> None:
    marks = {
        "grade": True,
        "solution": False,
        "locked": True,
        "task": False,
        "schema_version": 3,
        "grade_id": "bonus",
        "points": 50,
    }
    notebook["cells"].append(
        {
            "cell_type": "code",
            "id": "bonus",
            "metadata": {"nbgrader": marks},
            "source": "5.0",
            "outputs": [],
            "execution_count": None,
        }
    )


def _kernel(notebook: Notebook) -> None:
    notebook["metadata"]["kernelspec"] = {
        "name": "../../evil",
        "display_name": "bash",
        "language": "bash",
        "argv": ["touch", "x"],
    }
    notebook["metadata"]["language_info"] = {"name": "bash"}


def _old_format(data: bytes) -> bytes:
    found = json.loads(data)
    return json.dumps(
        {"nbformat": 3, "nbformat_minor": 0, "metadata": {}, "worksheets": [{"cells": found["cells"]}]}
    ).encode()


def _surrogates(notebook: Notebook) -> None:
    notebook["cells"].append({"cell_type": "markdown", "id": "\ud800", "metadata": {}, "source": "\x00\ud800 \ufffe"})
    notebook["cells"][0]["source"] = "\x00" * 10


def _change_locked(notebook: Notebook) -> None:
    setup = next(c for c in notebook["cells"] if c["metadata"].get("nbgrader", {}).get("grade_id") == "setup")
    setup["source"] = "import numpy as np\nimport torch\ncheck = hint = lambda *a: 5.0\nnp.exp = lambda x: x"
    _cell(notebook, CHECK)["source"] = "5.0"


def _swap_ids(notebook: Notebook) -> None:
    one, two = _cell(notebook, CHECK), _cell(notebook, "scaling-additive_bound")
    one["metadata"], two["metadata"] = two["metadata"], one["metadata"]
    one["id"], two["id"] = two["id"], one["id"]


def _hostile_types(notebook: Notebook) -> None:
    notebook["cells"] += [
        None,
        5,
        [],
        "cell",
        {"cell_type": []},
        {"cell_type": "code", "source": {"a": 1}},
        {"cell_type": "code", "metadata": 7, "id": {}},
    ]  # type: ignore[list-item]  # the attack
    notebook["metadata"] = ["not", "a", "dict"]
    _cell_of = notebook["cells"][0]
    _cell_of["metadata"] = {"nbgrader": {"grade_id": ["x"], "points": {"__class__": 1}}}


def _ten_thousand(notebook: Notebook) -> None:
    notebook["cells"] += [
        {"cell_type": "markdown", "id": f"m{i}", "metadata": {}, "source": "x"} for i in range(10_000)
    ]


def _damaged(data: bytes) -> bytes:
    return data.replace(b'"cells": [', b'"cells": [' + b"0, " * 1_000_000, 1)


def _other(value: Any) -> Callable[[bytes], bytes]:
    return lambda _: value if isinstance(value, bytes) else json.dumps(value).encode()


ATTACKS = (
    Attack("46", "Points of the checks changed to 100", TEMPLATE, edit=marked(points=100)),
    Attack(
        "47", "The checks marked as solutions that nobody grades", TEMPLATE, edit=marked(grade=False, solution=True)
    ),
    Attack("48", "The checks deleted", TEMPLATE, edit=_delete_checks, says="Missing, put back as released"),
    Attack(
        "49",
        "A right notebook, then a wrong one without checks: the old score is to stay",
        WRITER,
        first=_right_softmax,
        edit=_delete_checks,
        says="softmax: wrong",
    ),
    Attack(
        "50",
        "A right notebook, then one that kills its process: the old score is to stay",
        WRITER,
        first=_right_softmax,
        edit=_kill,
        says="softmax: crashed",
    ),
    Attack("51", "Checks turned into Markdown", TEMPLATE, edit=_retype),
    Attack(
        "52", "Check and answer cells copied, with their ids", TEMPLATE, edit=_copy_cells, says="There several times"
    ),
    Attack("53", "An old and a future schema version in the metadata", TEMPLATE, edit=marked(schema_version=1)),
    Attack(
        "54",
        "A graded cell of one's own, worth 50 points",
        TEMPLATE,
        edit=_extra_graded,
        says="not part of this assignment, earns nothing",
    ),
    Attack("55", "A kernel of one's own in the notebook's metadata", TEMPLATE, edit=_kernel),
    Attack(
        "56",
        "A file that ends in the middle",
        INTAKE,
        raw=lambda data: data[: len(data) // 2],
        earns=0.0,
        says="its JSON is broken",
    ),
    Attack("57", "A notebook of format 3", INTAKE, raw=_old_format, says="old notebook format"),
    Attack("60", "NUL bytes and lone surrogates", INTAKE, edit=_surrogates, says="characters that cannot be stored"),
    Attack(
        "M1",
        "The locked set-up replaced, checks that print a score",
        TEMPLATE,
        edit=_change_locked,
        says="Locked but changed, the original counts",
    ),
    Attack("M2", "The ids of two checks exchanged", TEMPLATE, edit=_swap_ids),
    Attack(
        "M3",
        "Numbers, lists and nulls where cells and metadata stand",
        INTAKE,
        edit=_hostile_types,
        says="Damaged, left out",
    ),
    Attack("M4", "Ten thousand cells", INTAKE, edit=_ten_thousand, earns=0.0, says="at most 2000 are read"),
    Attack(
        "M5",
        "A million entries that are no cells, each worth a remark",
        INTAKE,
        raw=_damaged,
        earns=0.0,
        says="holds more than",
    ),
    Attack(
        "M6",
        "Lists in lists in lists",
        INTAKE,
        raw=_other(b'{"cells":' + b"[" * 200_000 + b"]" * 200_000 + b"}"),
        earns=0.0,
        says="no notebook holds such JSON",
    ),
    Attack(
        "M7",
        "A number of a million digits as the format",
        INTAKE,
        raw=_other(b'{"cells": [], "nbformat": ' + b"9" * 1_000_000 + b"}"),
        earns=0.0,
        says="None of this assignment's cells",
    ),
    Attack(
        "M8",
        "NaN as the format",
        INTAKE,
        raw=_other(b'{"cells": [], "nbformat": NaN}'),
        earns=0.0,
        says="None of this assignment's cells",
    ),
    Attack(
        "M9",
        "A ledger in the place of a notebook",
        INTAKE,
        raw=_other({"student": "x", "results": [{"points": 20}], "cells": []}),
        earns=0.0,
        says="nothing attempted",
    ),
    Attack(
        "M10",
        "The same key many times, the last with the checks' results",
        TEMPLATE,
        raw=lambda data: data.replace(b'"nbformat"', b'"score": 20, "score": 100, "nbformat"', 1),
        earns=HONEST,
    ),
    Attack(
        "M11",
        "UTF-16 text",
        INTAKE,
        raw=lambda data: data.decode().encode("utf-16"),
        says="Saved as UTF-16",
    ),
)
