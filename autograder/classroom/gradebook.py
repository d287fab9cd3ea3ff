"""The single writer of nbgrader's gradebook.

Every cell of a ledger is written, zeros included, in one transaction per submission, so no score of an earlier one
survives. A score that a person gave stays while what that person read is unchanged; otherwise it is taken back and the
cell waits for a person again. To know that, each graded cell's material is remembered beside nbgrader's own tables.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import sqlalchemy as sql
from nbgrader import api
from nbgrader.api import MissingEntry
from nbgrader.utils import parse_utc

from autograder.classroom import database
from autograder.classroom.database import opened
from autograder.classroom.files import Refused, read_regular
from autograder.classroom.intake import Intake
from autograder.classroom.nbgrader_steps import StepFailed, generate_assignment
from autograder.classroom.template import Role, load_template
from autograder.curriculum import CurriculumError, TaskEntry, Topic, Tree
from autograder.judge.ledger import Ledger, Result, Submission

NO_RESPONSE = "No response."  # what nbgrader's own autograder says of an untouched cell
MATERIAL = sql.Table(  # what the score of a cell was given for
    "attn_material",
    sql.MetaData(),
    sql.Column("notebook_id", sql.String(32), primary_key=True),
    sql.Column("cell", sql.String(128), primary_key=True),
    sql.Column("digest", sql.String(64), nullable=False),
)
STUDENT, SUBMITTED, BOOK = (t.__table__ for t in (api.Student, api.SubmittedAssignment, api.SubmittedNotebook))
GRADE, COMMENT = api.Grade.__table__, api.Comment.__table__
WRITTEN = {  # the columns that are written once a row is there
    GRADE: ("auto_score", "manual_score", "extra_credit", "needs_manual_grade"),
    COMMENT: ("auto_comment",),
}
NEW: dict[sql.Table, dict[str, Any]] = {GRADE: {"needs_manual_grade": True}, COMMENT: {}}  # nbgrader's defaults
NO_GRADE = dict.fromkeys(WRITTEN[GRADE])
TAKEN_BACK = {"manual_score": None, "extra_credit": None}
FILLED_IN = (Role.ANSWER, Role.WRITTEN)
Row = dict[str, Any]


@dataclass(frozen=True)
class Mark:
    """What the gradebook holds for one task."""

    task: str
    points: float
    max_points: float
    waiting: bool = False  # for a person
    by_hand: bool = False
    comment: str = ""  # a person's; one on an answer that has changed since is not shown


@dataclass(frozen=True)
class Marks:
    """What the gradebook holds for one submission."""

    student: str
    slug: str
    marks: tuple[Mark, ...]

    @property
    def points(self) -> float:
        """The sum; what waits for a person is not in it."""
        return round(sum(mark.points for mark in self.marks), 2)

    @property
    def max_points(self) -> float:
        """The points of a perfect submission."""
        return sum(mark.max_points for mark in self.marks)

    @property
    def open_points(self) -> float:
        """The points that a person still has to give or not."""
        return sum(mark.max_points for mark in self.marks if mark.waiting)

    @property
    def waiting(self) -> tuple[str, ...]:
        """The tasks that a person still has to grade."""
        return tuple(mark.task for mark in self.marks if mark.waiting)


@contextmanager
def open_gradebook(tree: Tree, slug: str) -> Iterator[Gradebook]:
    """The gradebook of this course; nbgrader's release step enters the assignment where it is missing."""
    tree.course.mkdir(parents=True, exist_ok=True)
    topic = tree.topic(slug)
    with opened(tree) as database:
        if not _complete(tree, database, slug):
            _enter(tree, slug)
        _assert_same_cells(database, topic)
        MATERIAL.metadata.create_all(database.engine)
        with database.engine.connect() as connection:
            yield Gradebook(tree, topic, connection, _places(database, slug))


def _complete(tree: Tree, database: Any, slug: str) -> bool:
    """Is the assignment in the gradebook as it was released? Once there are submissions, nbgrader keeps what it has."""
    try:
        notebook = database.find_notebook(slug, slug)
        if notebook.submissions:
            return True
        places = load_template(tree, slug).places
        points = {task.grade_id: task.points for task in tree.topic(slug).tasks}
        return (
            {cell.name: cell.max_score for cell in notebook.grade_cells} == points
            and {c.name for c in notebook.solution_cells} == {p.name for p in places if p.role in FILLED_IN}
            and {c.name for c in notebook.source_cells} == {p.name for p in places if p.role is not Role.PLAIN}
        )
    except MissingEntry:
        return False
    finally:
        database.db.rollback()  # lets go of the file before the release step opens it


def _enter(tree: Tree, slug: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        try:
            generate_assignment(tree, slug, release_dir=Path(folder))
        except StepFailed as error:
            raise CurriculumError(f"nbgrader could not enter {slug} in the gradebook: {error}") from None


def _assert_same_cells(database: Any, topic: Topic) -> None:
    notebook = database.find_notebook(topic.slug, topic.slug)
    known = {cell.name: cell.max_score for cell in notebook.grade_cells}
    database.db.rollback()
    expected = {task.grade_id: task.points for task in topic.tasks}
    if known != expected:
        differ = sorted(set(known.items()) ^ set(expected.items()))
        raise CurriculumError(
            f"The gradebook holds another version of {topic.slug}: {differ[0][0]} differs in its points or is missing. "
            f"Run `attn release {topic.slug}`, or once there are submissions `attn regrade {topic.slug}`, which keeps them "
            "and what persons gave."
        )


@dataclass(frozen=True)
class Places:
    """The ids of an assignment's rows in nbgrader's tables."""

    assignment: str
    notebook: str
    grade_cells: dict[str, str]  # id → name
    solution_cells: dict[str, str]


def _places(database: Any, slug: str) -> Places:
    notebook = database.find_notebook(slug, slug)
    cells = ({cell.id: cell.name for cell in kind} for kind in (notebook.grade_cells, notebook.solution_cells))
    found = Places(notebook.assignment_id, notebook.id, *cells)
    database.db.rollback()
    return found


@dataclass(frozen=True)
class Gradebook:
    """One assignment in the gradebook. While grading, only this class writes into nbgrader's tables.

    It writes them in SQL: through nbgrader's objects one submission takes 25 ms, most of it in reading back.
    """

    tree: Tree
    topic: Topic
    connection: sql.Connection
    places: Places

    def record(self, ledger: Ledger, intake: Intake) -> Marks:
        """Write every cell of a ledger, and give back what the gradebook holds then."""
        results = {
            entry.grade_id: result for entry, result in zip(self.topic.tasks, ledger.results, strict=True)
        }  # more or fewer results than tasks raise ValueError
        with self._transaction():
            book = self._book(ledger.student)
            grades = self._rows(GRADE, book, self.places.grade_cells)
            comments = self._rows(COMMENT, book, self.places.solution_cells)
            stale = self._keep_material(book, intake.submission)
            new_grades = {name: _scored(row, results[name], name in stale) for name, row in grades.items()}
            new_comments = {
                name: row | {"auto_comment": NO_RESPONSE if name in intake.untouched else None}
                for name, row in comments.items()
            }
            self._put(GRADE, grades, new_grades)
            self._put(COMMENT, comments, new_comments)
        return self._marks(ledger.student, new_grades, {n: row["manual_comment"] for n, row in new_comments.items()})

    def take_back_stale(self, intake: Intake) -> None:
        """Take back what a person gave for another submission, before nbgrader's own autograder writes its scores."""
        with self._transaction():
            book = self._book(intake.submission.student)
            grades = self._rows(GRADE, book, self.places.grade_cells)
            self._rows(COMMENT, book, self.places.solution_cells)
            stale = self._keep_material(book, intake.submission)
            self._put(GRADE, grades, {n: row | TAKEN_BACK if n in stale else row for n, row in grades.items()})

    def marks(self, student: str) -> Marks:
        """What the gradebook holds for a student; zeros where it holds nothing."""
        return next(self.all_marks(student), self._marks(student, {}, {}))

    def all_marks(self, student: str | None = None) -> Iterator[Marks]:
        """What the gradebook holds for everyone with a submission, by student, in two queries."""
        mine = [SUBMITTED.c.assignment_id == self.places.assignment]
        if student is not None:
            mine.append(SUBMITTED.c.student_id == student)
        books = SUBMITTED.join(BOOK, BOOK.c.assignment_id == SUBMITTED.c.id)
        said = sql.select(SUBMITTED.c.student_id, COMMENT.c.cell_id, COMMENT.c.manual_comment)
        said = said.select_from(books.join(COMMENT, COMMENT.c.notebook_id == BOOK.c.id))
        grades = sql.select(SUBMITTED.c.student_id, GRADE).select_from(
            books.outerjoin(GRADE, GRADE.c.notebook_id == BOOK.c.id)
        )
        with self.connection.begin():
            comments: dict[str, dict[str, str]] = defaultdict(dict)
            for row in self.connection.execute(said.where(*mine, COMMENT.c.manual_comment.is_not(None))):
                comments[row.student_id][self.places.solution_cells.get(row.cell_id, "")] = row.manual_comment
            rows = self.connection.execute(grades.where(*mine).order_by(SUBMITTED.c.student_id)).mappings()
            for name, group in groupby(rows, key=lambda row: str(row["student_id"])):
                found = {self.places.grade_cells.get(row["cell_id"], ""): dict(row) for row in group}
                yield self._marks(name, found, comments.get(name, {}))

    def students(self) -> list[str]:
        """Everyone whose submission the gradebook holds, in alphabetical order."""
        query = sql.select(SUBMITTED.c.student_id).where(SUBMITTED.c.assignment_id == self.places.assignment)
        with self.connection.begin():
            return sorted(self.connection.execute(query).scalars())

    def _marks(self, student: str, grades: dict[str, Row], comments: dict[str, str]) -> Marks:
        return Marks(student, self.topic.slug, tuple(_mark(task, grades, comments) for task in self.topic.tasks))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All of a submission or nothing. On SQLite the lock is taken before reading, so nobody writes in between."""
        with self.connection.begin():
            wait = int(database.LOCK_SECONDS * 1000)
            if self.connection.dialect.name == "sqlite":
                self.connection.exec_driver_sql(f"PRAGMA busy_timeout = {wait}")
                self.connection.exec_driver_sql("BEGIN IMMEDIATE")
            elif self.connection.dialect.name == "postgresql":
                self.connection.exec_driver_sql(f"SET LOCAL lock_timeout = {wait}")
            yield

    def _book(self, student: str) -> str:
        """The id of the student's copy of the notebook in the database; made where it is missing."""
        mine = (SUBMITTED.c.assignment_id == self.places.assignment) & (SUBMITTED.c.student_id == student)
        books = SUBMITTED.outerjoin(
            BOOK, (BOOK.c.assignment_id == SUBMITTED.c.id) & (BOOK.c.notebook_id == self.places.notebook)
        )
        query = (
            sql.select(SUBMITTED.c.id, SUBMITTED.c.timestamp, BOOK.c.id.label("book")).select_from(books).where(mine)
        )
        found = self.connection.execute(query).first()
        time = _handed_in(self.tree.submission(student, self.topic.slug).parent)
        if found is None:
            if not self.connection.execute(sql.select(STUDENT.c.id).where(STUDENT.c.id == student)).first():
                self._insert(STUDENT, {"id": student})
            new: Row = {"assignment_id": self.places.assignment, "student_id": student, "timestamp": time}
            submission = self._insert(SUBMITTED, {"id": api.new_uuid(), **new})
        else:
            submission = found.id
            if time is not None and time != found.timestamp:
                change = sql.update(SUBMITTED).where(SUBMITTED.c.id == submission).values(timestamp=time)
                self.connection.execute(change)
        if found is not None and found.book:
            return str(found.book)
        new = {"assignment_id": submission, "notebook_id": self.places.notebook, "flagged": False}
        return self._insert(BOOK, {"id": api.new_uuid(), **new})

    def _insert(self, table: sql.Table, row: Row) -> str:
        self.connection.execute(sql.insert(table), [row])
        return str(row["id"])

    def _rows(self, table: sql.Table, book: str, cells: dict[str, str]) -> dict[str, Row]:
        """The rows of a copy of the notebook, one for every cell, by the cell's name; made where they are missing."""
        query = sql.select(table).where(table.c.notebook_id == book).with_for_update()
        rows: dict[str, Row] = {row["cell_id"]: dict(row) for row in self.connection.execute(query).mappings()}
        fresh = [
            dict.fromkeys(table.c.keys()) | NEW[table] | {"id": api.new_uuid(), "cell_id": cell, "notebook_id": book}
            for cell in cells
            if cell not in rows
        ]
        if fresh:
            self.connection.execute(sql.insert(table), fresh)
        rows |= {str(row["cell_id"]): row for row in fresh}
        return {name: rows[cell] for cell, name in cells.items()}

    def _put(self, table: sql.Table, before: dict[str, Row], after: dict[str, Row]) -> None:
        """Write the rows that differ."""
        changed = [{"row": row["id"], **row} for name, row in after.items() if row != before[name]]
        if changed:
            columns: Row = {name: sql.bindparam(name) for name in WRITTEN[table]}
            change = sql.update(table).where(table.c.id == sql.bindparam("row")).values(columns)
            self.connection.execute(change, [{name: row[name] for name in ("row", *columns)} for row in changed])

    def _keep_material(self, book: str, submission: Submission) -> set[str]:
        """Remember what each cell's score is for. Gives the cells whose score by a person was for something else."""
        mine = MATERIAL.c.notebook_id == book
        before = {row.cell: row.digest for row in self.connection.execute(sql.select(MATERIAL).where(mine))}
        now = material(self.topic, submission)
        if before != now:
            self.connection.execute(sql.delete(MATERIAL).where(mine))
            rows = [{"notebook_id": book, "cell": cell, "digest": digest} for cell, digest in now.items()]
            self.connection.execute(sql.insert(MATERIAL), rows)
        return {name for name, digest in now.items() if before.get(name, digest) != digest}


def material(topic: Topic, submission: Submission) -> dict[str, str]:
    """For each graded cell a digest of what decides its score: a written answer's own text, or all code that runs."""
    code = json.dumps([(cell.id, cell.source) for cell in submission.cells])
    written = {task: text for task, text, _ in submission.written}
    texts = {task.grade_id: written.get(task.id, "") if task.written else code for task in topic.tasks}
    return {name: hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest() for name, text in texts.items()}


def _scored(row: Row, result: Result, stale: bool) -> Row:
    """One score, as nbgrader's own autograder writes it; a cell that a person has graded does not wait again."""
    row = row | TAKEN_BACK if stale else row
    kept = row["manual_score"] is not None
    return row | {
        "auto_score": None if result.manual else float(result.points),
        "needs_manual_grade": result.manual and not kept,
    }


def _mark(task: TaskEntry, grades: dict[str, Row], comments: dict[str, str]) -> Mark:
    grade = grades.get(task.grade_id, NO_GRADE)
    by_hand = grade["manual_score"] is not None
    points = (grade["manual_score"] if by_hand else grade["auto_score"] or 0.0) + (grade["extra_credit"] or 0.0)
    comment = comments.get(task.grade_id) or comments.get(task.answer_id) or ""
    waiting = bool(grade["needs_manual_grade"])
    return Mark(task.id, points, task.points, waiting, by_hand, "" if waiting else comment)


def _handed_in(folder: Path) -> datetime | None:
    """The time that nbgrader's collector wrote down."""
    try:
        found: datetime | None = parse_utc(read_regular(folder / "timestamp.txt", 200).decode().strip())
    except (OSError, Refused, ValueError, OverflowError):
        return None
    return found
