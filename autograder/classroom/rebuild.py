"""A learner's notebook rebuilt from the released exercise.

Locked cells, checks and all metadata come from the exercise; from the learner come the sources of the cells to fill
in, and the cells they added, in their places. So deleted, copied, retyped or forged cells change only their own code.
"""

from __future__ import annotations

import copy
import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from autograder.classroom.defuse import defused
from autograder.classroom.magics import without_magics
from autograder.classroom.notebook_file import LearnerCell, LearnerNotebook, Unreadable
from autograder.classroom.template import Place, Role, Template
from autograder.classroom.text import one_line
from autograder.judge.ledger import Cell

MOST_CELLS = 2000
MOST_CODE = 900_000  # bytes of all code cells together: what one message to the player may hold
MOST_PROSE = 50_000  # characters of one Markdown cell

Filled = dict[int, LearnerCell]  # by number of the place
Added = dict[int, list[LearnerCell]]  # by number of the place that they stand before


@dataclass
class Rebuilt:
    """The rebuilt notebook, and what of it is run and read."""

    notebook: dict[str, Any]
    code: list[Cell] = field(default_factory=list)
    written: dict[str, tuple[str, bool]] = field(default_factory=dict)  # grade id → text, was anything written?
    untouched: set[str] = field(default_factory=set)  # grade ids of the cells that were left as released
    remarks: list[str] = field(default_factory=list)
    added: int = 0  # cells that the learner added


def untouched(template: Template) -> Rebuilt:
    """What is graded when nothing can be read: the exercise as it was released."""
    as_released = tuple(LearnerCell(p.type, p.source, p.id) for p in template.places)
    return rebuild(template, LearnerNotebook(as_released))


def rebuild(template: Template, learner: LearnerNotebook) -> Rebuilt:
    """Put a learner's cells into the exercise. More cells, or more code, than a notebook can have raise Unreadable."""
    if len(learner.cells) > MOST_CELLS:
        raise Unreadable(f"The notebook has {len(learner.cells)} cells; at most {MOST_CELLS} are read. Shorten it.")
    filled, added = _align(template, learner.cells)
    built = Rebuilt(_empty(template), remarks=list(learner.remarks))
    _remark_repairs(template, filled, learner.cells, built)
    for number, place in enumerate(template.places):
        if place.role is Role.WRITTEN:
            parts = _written_parts(number, filled, added, len(template.places))
            _add_all(added[number], built)
            _put_written(place, parts, built)
        else:
            _add_all(added[number], built)
            _put(place, filled.get(number), built)
    _add_all(added[len(template.places)], built)
    if len(json.dumps([(cell.id, cell.source) for cell in built.code])) > MOST_CODE:
        raise Unreadable(f"The notebook holds more code than is run here (at most {MOST_CODE // 1000} kB). Shorten it.")
    return built


def _empty(template: Template) -> dict[str, Any]:
    return {"cells": [], "metadata": copy.deepcopy(template.metadata), "nbformat": 4, "nbformat_minor": 5}


def _align(template: Template, cells: Sequence[LearnerCell]) -> tuple[Filled, Added]:
    """Which learner's cell fills which place, and which cells were added before which place.

    A cell belongs to a place by nbgrader's id; else by the cell's id; else because it says the same. Of several with
    one nbgrader id, the one that kept its type and cell id is it, and the others were added. An added cell stands
    before the next cell that has a place, so code that replaces a deleted cell runs after that cell's stub.
    """
    places = template.places
    filled: Filled = {}
    taken: dict[int, int] = {}  # number of the learner's cell → number of the place
    claims: dict[str, list[int]] = defaultdict(list)
    for i, cell in enumerate(cells):
        claims[cell.grade_id if cell.grade_id in template.grade_ids else ""].append(i)
    for number, place in enumerate(places):
        if place.role is not Role.PLAIN and claims.get(place.name):
            best = max(claims[place.name], key=lambda i: (cells[i].type == place.type, cells[i].id == place.id, -i))
            filled[number], taken[best] = cells[best], number
    for sign in (_id_of, _says):
        for number, place in enumerate(places):
            if number not in filled:
                mine = sign(place)
                match = next((i for i in claims[""] if i not in taken and mine and sign(cells[i]) == mine), None)
                if match is not None:
                    filled[number], taken[match] = cells[match], number
    added: Added = defaultdict(list)
    following = len(places)
    for i in reversed(range(len(cells))):
        following = taken.get(i, following)
        if i not in taken and cells[i].source.strip():
            added[following].insert(0, cells[i])
    return filled, added


def _id_of(cell: Place | LearnerCell) -> str:
    return cell.id


def _says(cell: Place | LearnerCell) -> str:
    return cell.type + cell.source.strip()


def _remark_repairs(template: Template, filled: Filled, cells: Sequence[LearnerCell], built: Rebuilt) -> None:
    def say(names: Sequence[str], sentence: str) -> None:
        if names:
            more = f" and {len(names) - 8} more" if len(names) > 8 else ""
            built.remarks.append(f"{sentence}: {', '.join(names[:8])}{more}.")

    named = [(place, filled.get(n)) for n, place in enumerate(template.places) if place.role is not Role.PLAIN]
    missing = [place.name for place, cell in named if cell is None]
    changed = [p.name for p, cell in named if p.fixed and cell and cell.source.strip() != p.source.strip()]
    retyped = [p.name for p, cell in named if not p.fixed and cell and cell.type != p.type]
    copies = [id for id, count in Counter(c.grade_id for c in cells).items() if count > 1 and id in template.grade_ids]
    foreign = [one_line(c.grade_id, 40) for c in cells if c.grade_id and c.grade_id not in template.grade_ids]
    say(missing, "Missing, put back as released")
    say(changed, "Locked but changed, the original counts")
    say(retyped, "Turned into another type of cell, counts as before")
    say(copies, "There several times, every copy ran")
    say(foreign, "Marked as graded but not part of this assignment, earns nothing")


def _written_parts(written: int, filled: Filled, added: Added, end: int) -> list[LearnerCell]:
    """The cells that hold a written answer: its own, and prose that was added right before or after it."""
    following = min((n for n in filled if n > written), default=end)
    own = filled.get(written)
    parts: list[LearnerCell] = []
    for number in (written, following):
        parts += [cell for cell in added[number] if cell.type != "code"]
        added[number] = [cell for cell in added[number] if cell.type == "code"]
        if number == written and own is not None:
            parts.append(own)
    return parts


def _put_written(place: Place, parts: list[LearnerCell], built: Rebuilt) -> None:
    texts = [part.source for part in parts if part.source.split() not in ([], place.source.split())]
    cell = copy.deepcopy(place.cell)
    if texts:
        text = _cut("\n\n".join(texts), place.name, built)
        images = {name: kinds for part in reversed(parts) for name, kinds in part.attachments.items()}
        cell["source"] = defused(text, images)
        if images:
            cell["attachments"] = images
    else:
        text = ""
        built.untouched.add(place.name)
    built.written[place.name] = (text, bool(texts))
    built.notebook["cells"].append(cell)


def _put(place: Place, theirs: LearnerCell | None, built: Rebuilt) -> None:
    """A place that is not a written answer: the released cell with the learner's source where they may change it."""
    cell = copy.deepcopy(place.cell)
    source, type = place.source, place.type
    if theirs is not None and not place.fixed:
        source = theirs.source
        type = place.type if place.role is Role.ANSWER else theirs.type
    if source.strip() == place.source.strip() and type == place.type:
        source = place.source
        built.untouched.add(place.name)
    elif type != place.type:
        cell = _new_cell(type, cell["id"])
    _show(cell, source, built, theirs if source != place.source else None)
    if cell["cell_type"] == "code" and place.role is not Role.CHECK:
        _run(place.name, source, built)


def _add_all(cells: Sequence[LearnerCell], built: Rebuilt) -> None:
    for theirs in cells:
        built.added += 1
        name = f"added-{built.added}"
        cell = _new_cell(theirs.type, name)
        _show(cell, theirs.source, built, theirs)
        if cell["cell_type"] == "code":
            _run(name, theirs.source, built)


def _new_cell(type: str, name: str) -> dict[str, Any]:
    if type == "code":
        return {"cell_type": "code", "id": name, "metadata": {}, "source": "", "outputs": [], "execution_count": None}
    return {"cell_type": "markdown", "id": name, "metadata": {}, "source": ""}  # raw HTML would be shown as it is


def _show(cell: dict[str, Any], source: str, built: Rebuilt, theirs: LearnerCell | None) -> None:
    """Put a source into a cell of the notebook; what a learner wrote in Markdown is made safe to show."""
    if theirs is not None and cell["cell_type"] != "code":
        source = defused(_cut(source, cell["id"], built), theirs.attachments)
        if theirs.attachments:
            cell["attachments"] = theirs.attachments
    cell["source"] = source
    built.notebook["cells"].append(cell)


def _run(name: str, source: str, built: Rebuilt) -> None:
    python, magics = without_magics(source)
    if magics:
        shown = ", ".join(f"`{one_line(line, 40)}`" for line in magics[:3])
        built.remarks.append(f"{name}: lines for IPython or the shell do not run when grading: {shown}.")
    built.code.append(Cell(name, python))


def _cut(text: str, name: str, built: Rebuilt) -> str:
    if len(text) <= MOST_PROSE:
        return text
    built.remarks.append(f"{name}: only the first {MOST_PROSE} characters are shown.")
    return text[:MOST_PROSE]
