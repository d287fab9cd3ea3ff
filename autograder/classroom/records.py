"""What the gradebook holds, read in one query per question and without importing nbgrader, which takes seconds.

The writer is gradebook.py; this module only looks.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import sqlalchemy as sql
from sqlalchemy import column, table
from sqlalchemy.exc import SQLAlchemyError

from autograder.curriculum import CurriculumError, Tree

STUDENT = table("student", *(column(c) for c in ("id", "first_name", "last_name", "email", "lms_user_id")))
ASSIGNMENT = table("assignment", column("id"), column("name"))
SUBMITTED = table(
    "submitted_assignment",
    column("id"),
    column("assignment_id"),
    column("student_id"),
    column("timestamp", sql.DateTime),
)
NOTEBOOK = table("submitted_notebook", column("id"), column("assignment_id"))
GRADE = table(
    "grade",
    column("notebook_id"),
    column("cell_id"),
    column("auto_score", sql.Float),
    column("manual_score", sql.Float),
    column("extra_credit", sql.Float),
    column("needs_manual_grade", sql.Boolean),
)
CELL = table("base_cell", column("id"), column("name"))


@dataclass(frozen=True)
class Person:
    """A student as the gradebook knows them. Only the id, the name of their folder, is always there."""

    id: str
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    lms_user_id: str = ""

    @property
    def name(self) -> str:
        """ "Lovelace, Ada" where the names are known, the id otherwise."""
        return ", ".join(part for part in (self.last_name, self.first_name) if part) or self.id


@dataclass
class Record:
    """One student's submission in the gradebook: points by the name of the graded cell."""

    person: Person
    handed_in: datetime | None = None
    points: dict[str, float] = field(default_factory=dict)
    waiting: set[str] = field(default_factory=set)


def read_records(tree: Tree, slug: str) -> dict[str, Record]:
    """Everyone's record of an assignment by student; empty where there is no gradebook yet.

    A database that cannot be read raises CurriculumError. The score of a cell is a person's where there is one.
    """
    score = sql.func.coalesce(GRADE.c.manual_score, GRADE.c.auto_score, 0.0) + sql.func.coalesce(
        GRADE.c.extra_credit, 0.0
    )
    joined = (
        SUBMITTED.join(ASSIGNMENT, ASSIGNMENT.c.id == SUBMITTED.c.assignment_id)
        .join(STUDENT, STUDENT.c.id == SUBMITTED.c.student_id)
        .outerjoin(NOTEBOOK, NOTEBOOK.c.assignment_id == SUBMITTED.c.id)
        .outerjoin(GRADE, GRADE.c.notebook_id == NOTEBOOK.c.id)
        .outerjoin(CELL, CELL.c.id == GRADE.c.cell_id)
    )
    wanted = (*STUDENT.c, SUBMITTED.c.timestamp, CELL.c.name, score, GRADE.c.needs_manual_grade)
    query = sql.select(*wanted).select_from(joined).where(ASSIGNMENT.c.name == slug)
    found: dict[str, Record] = {}
    with _connected(tree) as connection:
        for *person, handed_in, cell, points, waits in connection.execute(query) if connection is not None else ():
            known = Person(*(text or "" for text in person))
            record = found.setdefault(known.id, Record(known, handed_in.replace(tzinfo=UTC) if handed_in else None))
            if cell is not None:
                record.points[cell] = points
                if waits:
                    record.waiting.add(cell)
    return found


def read_roster(tree: Tree) -> set[str]:
    """The ids of all students whom the gradebook knows."""
    with _connected(tree) as connection:
        return set(connection.execute(sql.select(STUDENT.c.id)).scalars()) if connection is not None else set()


@contextmanager
def _connected(tree: Tree) -> Iterator[sql.Connection | None]:
    """A connection, or None where there is no database yet: looking must not make one."""
    address = tree.gradebook
    if address.endswith(str(tree.gradebook_file)) and not tree.gradebook_file.is_file():
        yield None
        return
    try:
        engine = sql.create_engine(address)
    except ModuleNotFoundError:
        raise CurriculumError(
            f"The gradebook {_shown(address)} needs the extra `postgres`: pip install 'attn-curriculum[postgres]'."
        ) from None
    except SQLAlchemyError:
        raise CurriculumError(
            f"{tree.shown(tree.settings)}: gradebook is {_shown(address)}, which is no address of a database. One looks like "
            "postgresql://user@host/name."
        ) from None
    try:
        with engine.connect() as connection:
            yield connection
    except SQLAlchemyError as error:
        cause = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        raise CurriculumError(f"The gradebook {_shown(address)} cannot be read: {cause}.") from None
    finally:
        engine.dispose()


def _shown(address: str) -> str:
    """An address without its password."""
    try:
        return sql.make_url(address).render_as_string(hide_password=True)
    except SQLAlchemyError:
        return "something else"
