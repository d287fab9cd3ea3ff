"""A learner's notebook rebuilt from the released exercise.

Locked cells, checks and all metadata come from the exercise; from the learner come the sources of the cells to fill
in, and the cells they added, in their places. So deleted, copied, retyped or forged cells change only their own code.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from autograder.classroom.defuse import defused
from autograder.classroom.magics import Effort, without_magics
from autograder.classroom.notebook_file import MOST_PROSE, LearnerCell, LearnerNotebook, Unreadable
from autograder.classroom.template import Place, Role, Template
from autograder.classroom.text import count_up, one_line
from autograder.judge.ledger import Cell

MOST_CODE = 900_000  # bytes of all code cells together: what one message to the player may hold
MOST_REMARKS = 20
FUNCTION = re.compile(r"^def[ \t]+(\w+)", re.MULTILINE)

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
    places: int = 0  # cells of the exercise
    effort: Effort = field(default_factory=Effort)

    @property
    def as_released(self) -> bool:
        """Is there nothing in it of the learner's own?"""
        return not self.added and len(self.untouched) == self.places


def untouched(template: Template) -> Rebuilt:
    """What is graded when nothing can be read: the exercise as it was released."""
    as_released = tuple(LearnerCell(p.type, p.source, p.id) for p in template.places)
    return rebuild(template, LearnerNotebook(as_released))


def rebuild(template: Template, learner: LearnerNotebook) -> Rebuilt:
    """Put a learner's cells into the exercise. More code than a player takes raises Unreadable."""
    filled, added = _align(template, learner.cells)
    built = Rebuilt(_empty(template), places=len(template.places))
    released = [place.source.split() for place in template.places]
    for number, place in enumerate(template.places):
        if place.role is Role.WRITTEN:
            parts = _written_parts(number, filled, added, len(template.places))
            _add_all(added[number], built)
            _put_written(place, [part for part in parts if part.source.split() not in ([], *released)], built)
        else:
            _add_all(added[number], built)
            _put(place, filled.get(number), built)
    _add_all(added[len(template.places)], built)
    built.remarks = [*learner.remarks, *_repairs(template, filled, learner.cells, built), *built.remarks]
    if len(built.remarks) > MOST_REMARKS:
        built.remarks[MOST_REMARKS:] = [f"And {len(built.remarks) - MOST_REMARKS} more remarks of this kind."]
    if len(json.dumps([(cell.id, cell.source) for cell in built.code])) > MOST_CODE:
        raise Unreadable(f"The notebook holds more code than is run here (at most {MOST_CODE // 1000} kB). Shorten it.")
    return built


def _empty(template: Template) -> dict[str, Any]:
    return {"cells": [], "metadata": template.metadata, "nbformat": 4, "nbformat_minor": 5}


def _align(template: Template, cells: Sequence[LearnerCell]) -> tuple[Filled, Added]:
    """Which learner's cell fills which place, and which cells were added before which place.

    A cell belongs to a place by nbgrader's id; else by the cell's id; else because it says the same; else because it
    stands there and defines the function. Of several with one nbgrader id, the one that kept its type and cell id is
    it, and the others were added. An added cell stands before the next cell that has a place: all code runs in the
    order in which it was handed in.
    """
    places = template.places
    filled: Filled = {}
    taken: dict[int, int] = {}  # number of the learner's cell → number of the place
    claims: dict[str, list[int]] = defaultdict(list)
    known = template.grade_ids
    for i, cell in enumerate(cells):
        claims[cell.grade_id if cell.grade_id in known else ""].append(i)
    for number, place in enumerate(places):
        if place.role is not Role.PLAIN and claims.get(place.name):
            best = max(claims[place.name], key=lambda i: (cells[i].type == place.type, cells[i].id == place.id, -i))
            filled[number], taken[best] = cells[best], number
    for sign in (_id_of, _says):
        signed: dict[str, list[int]] = defaultdict(list)
        for i in claims[""]:
            signed[sign(cells[i])].append(i)
        for number, place in enumerate(places):
            if number not in filled and (mine := sign(place)):
                match = next((i for i in signed[mine] if i not in taken), None)
                if match is not None:
                    filled[number], taken[match] = cells[match], number
    for number, place in enumerate(places):
        if place.role is Role.ANSWER and number not in filled:
            match = _rewritten(place, number, cells, taken)
            if match is not None:
                filled[number], taken[match] = cells[match], number
    added: Added = defaultdict(list)
    following = len(places)
    for i in reversed(range(len(cells))):
        following = taken.get(i, following)
        if i not in taken and cells[i].source.strip():
            added[following].insert(0, cells[i])
    return filled, added


def _rewritten(place: Place, number: int, cells: Sequence[LearnerCell], taken: dict[int, int]) -> int | None:
    """The last cell that defines the place's function between the cells of the places before and after it, if any.

    Only there, because a cell that moved past another could miss what that one defines.
    """
    name = FUNCTION.search(place.source)
    if name is None:
        return None
    first = max((i for i, n in taken.items() if n < number), default=-1) + 1
    end = min((i for i, n in taken.items() if n > number), default=len(cells))
    if any(i in taken for i in range(first, end)):
        return None
    defines = re.compile(rf"^(?:def[ \t]+)?{name[1]}[ \t]*[(=]", re.MULTILINE)
    fitting = (i for i in reversed(range(first, end)) if cells[i].type == "code" and not cells[i].grade_id)
    return next((i for i in fitting if defines.search(cells[i].source)), None)


def _id_of(cell: Place | LearnerCell) -> str:
    return cell.id


def _says(cell: Place | LearnerCell) -> str:
    return cell.type + cell.source.strip()


def _repairs(template: Template, filled: Filled, cells: Sequence[LearnerCell], built: Rebuilt) -> Iterator[str]:
    """What had to be repaired, in sentences."""
    named = [(place, filled.get(n)) for n, place in enumerate(template.places) if place.role is not Role.PLAIN]
    missing = [p.name for p, cell in named if cell is None and not built.written.get(p.name, ("", False))[1]]
    changed = [p.name for p, cell in named if p.fixed and cell and cell.source.strip() != p.source.strip()]
    retyped = [p.name for p, cell in named if not p.fixed and cell and cell.type != p.type]
    known = template.grade_ids
    copies = [id for id, count in Counter(c.grade_id for c in cells).items() if count > 1 and id in known]
    foreign = [one_line(c.grade_id, 40) for c in cells if c.grade_id and c.grade_id not in known]
    if all(cell is None for _, cell in named):
        yield "None of this assignment's cells is in it. Is it the right notebook?"
        missing = []
    for names, sentence in (
        (missing, "Missing, put back as released"),
        (changed, "Locked but changed, the original counts"),
        (retyped, "Turned into another type of cell, counts as before"),
        (copies, "There several times, every copy ran"),
        (foreign, "Marked as graded but not part of this assignment, earns nothing"),
    ):
        if names:
            yield f"{sentence}: {count_up(names)}."


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
    cell = dict(place.cell)  # only its own keys are set: what lies in them belongs to the template
    if parts:
        text = _cut("\n\n".join(part.source for part in parts), place.name, built)
        images = {name: kinds for part in reversed(parts) for name, kinds in part.attachments.items()}
        cell["source"] = defused(text, images)
        if images:
            cell["attachments"] = images
    else:
        text = ""
        built.untouched.add(place.name)
    built.written[place.name] = (text, bool(parts))
    built.notebook["cells"].append(cell)


def _put(place: Place, theirs: LearnerCell | None, built: Rebuilt) -> None:
    """A place that is not a written answer: the released cell with the learner's source where they may change it."""
    cell = dict(place.cell)  # only its own keys are set: what lies in them belongs to the template
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
    mine = theirs is not None or place.role is Role.LOCKED  # a deleted stub must not undo what was written elsewhere
    if cell["cell_type"] == "code" and place.role is not Role.CHECK and mine:
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
    python, magics = without_magics(source, built.effort)
    if magics:
        shown = ", ".join(f"`{one_line(line, 40)}`" for line in magics[:3])
        built.remarks.append(f"{name}: lines for IPython or the shell do not run when grading: {shown}.")
    built.code.append(Cell(name, python))


def _cut(text: str, name: str, built: Rebuilt) -> str:
    if len(text) <= MOST_PROSE:
        return text
    built.remarks.append(f"{name}: only the first {MOST_PROSE} characters are shown.")
    return text[:MOST_PROSE]
