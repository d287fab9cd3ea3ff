"""A class of mutated hand-ins: made from a seed, graded end to end, and compared with what must come of each."""

from __future__ import annotations

import copy
import json
import random
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autograder.classroom.grading import Graded
from autograder.curriculum import Tree, find_topic
from tests.fuzz import files, notebooks
from tests.fuzz.mutate import DAMAGE, ENCODING, FOLDER, SHAPE, TEXT, WRAPPING, Effect, Mutator, effect, pick

SLUG = "06_scaling"
PROJECT = Path(__file__).parents[2]
Notebook = dict[str, Any]
# the tasks that are solved in the notebooks before they are mutated; few, because each is judged in full
BASES: tuple[tuple[str, ...], ...] = (
    (),
    ("scaling.additive_bound",),
    ("scaling.additive_bound",),
    ("scaling.additive_bound", "scaling.proof"),
    ("scaling.dot_variance",),
    ("scaling.softmax", "scaling.proof"),
)


@dataclass(frozen=True)
class HandIn:
    """One learner: what was solved, what happened to it, and what must come of it."""

    student: str
    solved: tuple[str, ...]
    mutators: tuple[Mutator, ...]

    @property
    def effect(self) -> Effect:
        """What must come of all mutators together."""
        return effect(self.mutators)

    @property
    def base(self) -> float:
        """The points of the notebook before; a written answer waits for a person."""
        return sum(t.points for t in find_topic(SLUG).tasks if t.id in self.solved and not t.written)

    def __str__(self) -> str:
        return f"{self.student}: {', '.join(m.name for m in self.mutators)} on {', '.join(self.solved) or 'nothing'}"


def planned(seed: int, numbers: Sequence[int]) -> list[HandIn]:
    """The hand-ins of these numbers. Each depends on the seed and its number alone."""
    return [_hand_in(seed, number)[0] for number in numbers]


def _hand_in(seed: int, number: int) -> tuple[HandIn, random.Random]:
    rng = random.Random(f"{seed} {number}")
    return HandIn(f"s{number:05d}", rng.choice(BASES), tuple(pick(rng))), rng


def make(tree: Tree, seed: int, numbers: Sequence[int]) -> list[HandIn]:
    """Fill the course with these hand-ins."""
    released, solution = (_notebook(path) for path in (tree.exercise(SLUG), tree.solution(SLUG)))
    made = []
    for number in numbers:
        hand_in, rng = _hand_in(seed, number)
        _write(hand_in, rng, solved(released, solution, hand_in.solved), tree.submission(hand_in.student, SLUG))
        made.append(hand_in)
    return made


def solved(released: Notebook, solution: Notebook, tasks: Sequence[str]) -> Notebook:
    """The exercise with the sample solution's answers to these tasks."""
    answers = {notebooks.marks(c).get("grade_id"): c["source"] for c in solution["cells"]}
    wanted = {id for task in find_topic(SLUG).tasks if task.id in tasks for id in (task.grade_id, task.answer_id)}
    notebook = copy.deepcopy(released)
    for cell in notebook["cells"]:
        id = notebooks.marks(cell).get("grade_id")
        if id in wanted and notebooks.marks(cell).get("solution"):
            cell["source"] = answers[id].replace("### BEGIN SOLUTION", "#").replace("### END SOLUTION", "#")
    return notebook


def _notebook(path: Path) -> Notebook:
    found: Notebook = json.loads(path.read_text(encoding="utf-8"))
    for cell in found["cells"]:
        cell["source"] = "".join(cell["source"])
    return found


def _write(hand_in: HandIn, rng: random.Random, notebook: Notebook, path: Path) -> None:
    by_stage = {m.stage: m.change for m in hand_in.mutators}
    for m in hand_in.mutators:
        if m.stage <= SHAPE:
            m.change(rng, notebook)
    text = json.dumps(notebook)
    if TEXT in by_stage:
        text = by_stage[TEXT](rng, text)
    data = text.encode()
    for stage in (DAMAGE, ENCODING, WRAPPING):
        if stage in by_stage:
            data = by_stage[stage](rng, data)
    by_stage.get(FOLDER, lambda _, path, data: files.put(path, data))(rng, path, data)


def wrong(made: Sequence[HandIn], rows: Sequence[Graded]) -> Iterator[str]:
    """Every way in which the rows are not what they must be."""
    by_student = {row.ledger.student: row for row in rows}
    if len(rows) != len(made) or set(by_student) != {hand_in.student for hand_in in made}:
        yield f"{len(made)} hand-ins gave {len(rows)} rows, those of {len(by_student)} students"
    for hand_in in made:
        row = by_student.get(hand_in.student)
        complaint = "no row" if row is None else _wrong(hand_in, row)
        if complaint:
            yield f"{hand_in}: {complaint}"


def _wrong(hand_in: HandIn, row: Graded) -> str:
    ledger, points = row.ledger, row.marks.points
    told = " ".join((ledger.summary, *ledger.remarks))
    waits = any(result.manual for result in ledger.results)
    if points != ledger.points or not 0 <= points <= hand_in.base:
        return f"{points:g} points in the gradebook, {ledger.points:g} in the ledger, {hand_in.base:g} earned: {told}"
    if "grader itself failed" in told or "could not be read (" in told:
        return f"a fault of ours: {told}"
    if points == 0 and not told.strip():
        return "zero without a reason"
    match hand_in.effect:
        case Effect.KEEPS if points != hand_in.base or (waits < ("scaling.proof" in hand_in.solved)):
            return f"{points:g} points instead of {hand_in.base:g}: {told}"
        case Effect.KILLS if points or waits or not ledger.reason.endswith("."):
            return f"{points:g} points, and the reason {ledger.reason!r}"
    return ""


def outcome(row: Graded) -> str:
    """A row in one word, for the table."""
    if row.ledger.reason:
        return "reason"
    return "points" if row.marks.points else "zero"


def tree_in(folder: Path, pristine: Path | None = None) -> Tree:
    """A course of this project in a folder, with a copy of a gradebook that knows the assignment already."""
    if pristine is not None:
        shutil.copytree(pristine, folder, dirs_exist_ok=True)
    return Tree(PROJECT, folder)
