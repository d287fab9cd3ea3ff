"""Notebooks as plain dictionaries: read, write, and compare without what a run leaves behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat

from autograder.classroom.files import write_whole
from autograder.curriculum import CurriculumError

Notebook = dict[str, Any]
Cell = dict[str, Any]

KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
LANGUAGE = {  # what GitHub and JupyterLab need to colour a cell, and no version: a rebuild elsewhere changes nothing
    "file_extension": ".py",
    "mimetype": "text/x-python",
    "name": "python",
    "nbconvert_exporter": "python",
    "pygments_lexer": "ipython3",
}


def notebook(cells: list[Cell]) -> Notebook:
    """A notebook of these cells with the metadata that all of ours have."""
    metadata = {"kernelspec": dict(KERNEL), "language_info": dict(LANGUAGE)}
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def read(path: Path) -> Notebook:
    """The notebook at `path`; a missing or unreadable one raises CurriculumError."""
    try:
        # not nbformat.read: it repairs what is broken (and warns), and here what is broken has to be seen
        text = path.read_text(encoding="utf-8")
        found = nbformat.reads(text, as_version=nbformat.NO_CONVERT)  # type: ignore[no-untyped-call]  # it has no types
    except FileNotFoundError:
        raise CurriculumError(f"{path.name} is missing: {path} does not exist. Run `attn build`.") from None
    except (ValueError, AttributeError, nbformat.ValidationError):
        raise CurriculumError(
            f"{path} is not a notebook: its JSON cannot be read. Build or release it again."
        ) from None
    return dict(found)


def dumps(nb: Notebook) -> str:
    """The text of an .ipynb file: sorted keys and one source line per line, so that equal notebooks are equal bytes."""
    node = nbformat.from_dict(nb)  # type: ignore[no-untyped-call]  # nbformat has no types
    return str(nbformat.writes(node, version=nbformat.NO_CONVERT)) + "\n"  # type: ignore[no-untyped-call]  # the same


def write(path: Path, text: str) -> bool:
    """Put `text` at `path` in one step, so that nobody ever reads half a file. False if it was there already."""
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return False
    write_whole(path, text)
    return True


def code_cells(nb: Notebook) -> list[Cell]:
    """The cells that run."""
    return [cell for cell in nb["cells"] if cell["cell_type"] == "code"]


def text_part(nb: Notebook) -> Notebook:
    """Everything that an author wrote: the notebook without outputs and execution counts."""
    cells = [{key: cell[key] for key in cell if key not in ("outputs", "execution_count")} for cell in nb["cells"]]
    return {**nb, "cells": cells}


def not_executed(nb: Notebook) -> str | None:
    """Why this notebook does not count as run from top to bottom without an error, or None if it does."""
    for expected, cell in enumerate(code_cells(nb), start=1):
        for output in cell["outputs"]:
            if output["output_type"] == "error":
                return f"cell {cell['id']!r} holds the error {output['ename']}: {output['evalue']}"
        if cell["execution_count"] != expected:
            return f"cell {cell['id']!r} has execution count {cell['execution_count']}, expected {expected}"
    return None


def difference(built: Notebook, stored: Notebook) -> str | None:
    """The first difference between the text parts of two notebooks, in words, or None."""
    ours, theirs = text_part(built), text_part(stored)
    for number, (a, b) in enumerate(zip(ours["cells"], theirs["cells"], strict=False), start=1):
        for key in ("id", "cell_type", "source", "metadata"):
            if a.get(key) != b.get(key):
                return f"cell {number} ({a['id']}) has another {key.replace('_', ' ')}"
    if len(ours["cells"]) != len(theirs["cells"]):
        return f"the text has {len(ours['cells'])} cells and the notebook {len(theirs['cells'])}"
    if ours != theirs:
        return "the notebook's own metadata differ"
    return None
