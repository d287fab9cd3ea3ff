"""Cell ids: the same for the same text, unique, and not all shifted when a cell is inserted."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

from autograder.authoring.notebook import Cell

LONGEST = 60  # nbformat allows 64; the rest is for the number that makes an id unique
HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*\s*$", re.MULTILINE)
FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)


def headings(cell: Cell) -> list[str]:
    """The Markdown headings of a cell; a comment in a code block is none."""
    return HEADING.findall(FENCE.sub("", cell["source"])) if cell["cell_type"] == "markdown" else []


def slugify(title: str) -> str:
    """A heading as an id: `The variance proof` becomes `the-variance-proof`."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain)[:LONGEST].strip("-")


def assign_ids(cells: list[Cell]) -> None:
    """Give every cell its id, in place.

    A cell that names itself (a graded cell, a question, a claim) is called so; one with a heading is called by it; any
    other is numbered within its section, so that an insertion shifts only its own section.
    """
    names = [_own_name(cell) for cell in cells]
    used = {name for name in names if name}  # named cells keep their names whatever stands before them
    section, number = "cell", Counter[str]()
    for cell, name in zip(cells, names, strict=True):
        title = next(iter(headings(cell)), "")
        if name is None and slugify(title):
            name = section = _unused(slugify(title), used)
        elif name is None:
            number[section] += 1
            name = _unused(f"{section}-{number[section]:03d}", used)
        used.add(name)
        cell["id"] = name


def _own_name(cell: Cell) -> str | None:
    metadata = cell["metadata"]
    first_claim = metadata.get("claims", "").replace(",", " ").split()[:1]
    names = (metadata.get("nbgrader", {}).get("grade_id"), metadata.get("question"), *first_claim)
    return next((str(name) for name in names if name), None)


def _unused(name: str, used: set[str]) -> str:
    candidate, copy = name, 1
    while candidate in used:
        copy += 1
        candidate = f"{name}-{copy}"
    return candidate
