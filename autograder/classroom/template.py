"""The released exercise as a sequence of places: what belongs to the course, and where learners fill in."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from autograder.curriculum import CurriculumError, Tree

RELEASE = "Run `attn release {slug}`."


class Role(StrEnum):
    """What a cell of an exercise is for."""

    PLAIN = "plain"  # prose or code that learners may change
    LOCKED = "locked"
    CHECK = "check"
    ANSWER = "answer"
    WRITTEN = "written"


@dataclass(frozen=True)
class Place:
    """A cell of the exercise."""

    id: str
    name: str  # its grade_id, or its cell id
    role: Role
    type: str
    source: str
    cell: dict[str, Any]

    @property
    def fixed(self) -> bool:
        """Does it count as released, whatever a learner does to it?"""
        return self.role in (Role.LOCKED, Role.CHECK)


@dataclass(frozen=True)
class Template:
    """The released exercise."""

    slug: str
    places: tuple[Place, ...]
    metadata: dict[str, Any]
    digest: str

    @property
    def grade_ids(self) -> frozenset[str]:
        """The names that nbgrader knows."""
        return frozenset(p.name for p in self.places if p.role is not Role.PLAIN)


def load_template(tree: Tree, slug: str) -> Template:
    """The released exercise of this slug; CurriculumError says how to get it when it is missing or damaged."""
    path = tree.exercise(slug)
    cure = RELEASE.format(slug=slug)
    try:
        data = path.read_bytes()
        nb = json.loads(data)
        places = tuple(_place(cell) for cell in nb["cells"])
    except FileNotFoundError:
        raise CurriculumError(f"{slug} is not released: there is no {tree.shown(path)}. {cure}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise CurriculumError(f"{tree.shown(path)} is no released exercise. {cure}") from None
    return Template(slug, places, nb["metadata"], hashlib.sha256(data).hexdigest())


def _place(cell: dict[str, Any]) -> Place:
    marks = cell["metadata"].get("nbgrader", {})
    source = cell["source"]
    return Place(
        id=cell["id"],
        name=marks.get("grade_id") or cell["id"],
        role=_role(marks),
        type=cell["cell_type"],
        source=source if isinstance(source, str) else "".join(source),
        cell=cell,
    )


def _role(marks: dict[str, Any]) -> Role:
    match bool(marks.get("grade")), bool(marks.get("solution")):
        case True, True:
            return Role.WRITTEN
        case True, False:
            return Role.CHECK
        case False, True:
            return Role.ANSWER
    return Role.LOCKED if marks.get("locked") else Role.PLAIN
