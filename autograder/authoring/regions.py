"""Solution regions: which lines the release removes, and the slips that would publish them.

nbgrader looks for `BEGIN SOLUTION` anywhere in a line and knows nothing of a misspelt one: `BEGIN SOLUTIONS` works by
luck, `BEGIN SOLUTON` publishes the answer. So every line that looks like a delimiter has to be one, letter for letter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import SequenceMatcher

from autograder.authoring.notebook import Cell, Notebook

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
DELIMITER = re.compile(r"^#*\s*(BEGIN|END)\s|(BEGIN|END)\s+SOLUTION")
ALIKE = 0.8  # of SequenceMatcher: finds swapped, missing and doubled letters, and not an ordinary comment


def role(cell: Cell) -> str | None:
    """answer, check, written or locked, read from the nbgrader metadata; None for an ordinary cell."""
    nbgrader = cell["metadata"].get("nbgrader", {})
    match bool(nbgrader.get("solution")), bool(nbgrader.get("grade")):
        case True, False:
            return "answer"
        case False, True:
            return "check"
        case True, True:
            return "written"
    return "locked" if nbgrader.get("locked") else None


def slips(cell: Cell) -> Iterator[str]:
    """What is wrong with the regions of a cell, in words."""
    lines = [line.strip() for line in cell["source"].splitlines()]
    misspelt = [line for line in lines if line not in (BEGIN, END) and _looks_like_one(line)]
    if misspelt:  # the rest would only follow from it
        yield f"has the line `{misspelt[0]}`, which is not exactly `{BEGIN}` or `{END}`"
        return
    inside = False
    for line in lines:
        if line == BEGIN and inside:
            yield f"has a second `{BEGIN}` before an `{END}`"
        if line == END and not inside:
            yield f"has an `{END}` without a `{BEGIN}`"
        inside = line == BEGIN or (inside and line != END)
    if inside:
        yield f"has a `{BEGIN}` that is never closed"
    if BEGIN in lines and role(cell) not in ("answer", "written"):
        yield "has a solution region but is neither an answer nor a written cell"
    if BEGIN not in lines and role(cell) == "answer":
        yield f"is an answer without a solution region, so the release removes its signature too: add `{BEGIN}`"


def split(cell: Cell) -> tuple[list[str], list[str]]:
    """The lines of a cell that the release removes, and those that learners see; stripped, delimiters left out."""
    hidden: list[str] = []
    public: list[str] = []
    inside = role(cell) == "written" and BEGIN not in cell["source"]  # without a region all of it is the answer
    for line in cell["source"].splitlines():
        stripped = line.strip()
        if stripped in (BEGIN, END):
            inside = stripped == BEGIN
        else:
            (hidden if inside else public).append(stripped)
    return hidden, public


def secrets(nb: Notebook, shortest: int) -> set[str]:
    """The lines of a solution that must not reach learners: removed by the release, in no public line, not trivial."""
    parts = [split(cell) for cell in nb["cells"]]
    public = [line for _, part in parts for line in part]
    hidden = {line for part, _ in parts for line in part if len(line) >= shortest}
    return {line for line in hidden if not any(line in shown for shown in public)}


def _looks_like_one(line: str) -> bool:
    if DELIMITER.search(line):
        return True
    plain = line.lstrip("# ").upper()
    return any(SequenceMatcher(None, plain, right.lstrip("# ")).ratio() > ALIKE for right in (BEGIN, END))
