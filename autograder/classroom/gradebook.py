"""The single writer of nbgrader's gradebook.

Every cell of a ledger is written, zeros included, in one transaction per submission, so no score of an earlier one
survives. A score that a person gave stays while what that person read is unchanged; otherwise it is taken back and the
cell waits for a person again. To know that, each graded cell's material is remembered beside nbgrader's own tables.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sql
from nbgrader.api import Comment, Grade, MissingEntry, Student, SubmittedAssignment, SubmittedNotebook
from nbgrader.api import Gradebook as Database
from nbgrader.utils import parse_utc

from autograder.classroom.files import Refused, read_regular
from autograder.classroom.intake import Intake
from autograder.classroom.nbgrader_steps import StepFailed, generate_assignment, programs_on_path
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
    with programs_on_path():  # nbgrader sets up a new database with a program, alembic
        opened = Database(tree.gradebook)
    with opened as database:
        if not _knows(database, slug):
            database.db.rollback()  # lets go of the file before the release step opens it
            _enter(tree, slug)
        _assert_same_cells(database, topic)
        MATERIAL.metadata.create_all(database.engine)
        yield Gradebook(tree, topic, database)


def _knows(database: Any, slug: str) -> bool:
    try:
        database.find_notebook(slug, slug)
    except MissingEntry:
        return False
    return True


def _enter(tree: Tree, slug: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        try:
            generate_assignment(tree, slug, release_dir=Path(folder))
        except StepFailed as error:
            raise CurriculumError(f"nbgrader could not enter {slug} in the gradebook: {error}") from None


def _assert_same_cells(database: Any, topic: Topic) -> None:
    notebook = database.find_notebook(topic.slug, topic.slug)
    known = {cell.name: cell.max_score for cell in notebook.grade_cells}
    expected = {task.grade_id: task.points for task in topic.tasks}
    if known != expected:
        differ = sorted(set(known.items()) ^ set(expected.items()))
        raise CurriculumError(
            f"The gradebook holds another version of {topic.slug}: {differ[0][0]} differs in its points or is missing. "
            f"Run `attn release {topic.slug}`; nbgrader cannot add or remove tasks once there are submissions."
        )


@dataclass(frozen=True)
class Gradebook:
    """One assignment in the gradebook. `database` is nbgrader's; only this class writes into it."""

    tree: Tree
    topic: Topic
    database: Any

    def record(self, ledger: Ledger, intake: Intake) -> Marks:
        """Write every cell of a ledger, and give back what the gradebook holds then."""
        session = self.database.db
        try:
            book = self._submitted(ledger.student)
            kept = self._keep_material(book, intake.submission)
            grades = {grade.name: grade for grade in book.grades}
            for entry, result in zip(self.topic.tasks, ledger.results, strict=True):
                _write(grades[entry.grade_id], result, entry.grade_id in kept)
            for comment in book.comments:
                comment.auto_comment = NO_RESPONSE if comment.name in intake.untouched else None
            session.commit()
        except BaseException:
            session.rollback()
            raise
        return self.marks(ledger.student)

    def take_back_stale(self, intake: Intake) -> None:
        """Take back what a person gave for another submission, before nbgrader's own autograder writes its scores."""
        try:
            self._keep_material(self._submitted(intake.submission.student), intake.submission)
            self.database.db.commit()
        except BaseException:
            self.database.db.rollback()
            raise

    def marks(self, student: str) -> Marks:
        """What the gradebook holds for a student; zeros where it holds nothing."""
        try:
            book = self.database.find_submission_notebook(self.topic.slug, self.topic.slug, student)
        except MissingEntry:
            return Marks(student, self.topic.slug, tuple(Mark(t.id, 0.0, t.points) for t in self.topic.tasks))
        grades = {grade.name: grade for grade in book.grades}
        comments = {comment.name: comment.manual_comment or "" for comment in book.comments}
        return Marks(student, self.topic.slug, tuple(_mark(task, grades, comments) for task in self.topic.tasks))

    def _submitted(self, student: str) -> Any:
        """The student's copy of the notebook in the database, with a row for every cell; made where it is missing."""
        slug = self.topic.slug
        source = self.database.find_notebook(slug, slug)
        session = self.database.db
        if session.get(Student, student) is None:
            self._add(Student(id=student))
        mine = {"assignment_id": source.assignment_id, "student_id": student}
        submission = session.query(SubmittedAssignment).filter_by(**mine).one_or_none()
        submission = submission or self._add(SubmittedAssignment(**mine))
        submission.timestamp = _handed_in(self.tree.submission(student, slug).parent) or submission.timestamp
        mine = {"assignment_id": submission.id, "notebook_id": source.id}
        book = session.query(SubmittedNotebook).filter_by(**mine).one_or_none() or self._add(SubmittedNotebook(**mine))
        for row, cells, rows in (
            (Grade, source.grade_cells, book.grades),
            (Comment, source.solution_cells, book.comments),
        ):
            have = {found.cell_id for found in rows}
            for cell in cells:
                if cell.id not in have:
                    session.add(row(cell_id=cell.id, notebook_id=book.id))
        session.flush()
        session.expire(book)  # so that it sees its new rows
        return book

    def _add(self, row: Any) -> Any:
        self.database.db.add(row)
        self.database.db.flush()  # gives it its id
        return row

    def _keep_material(self, book: Any, submission: Submission) -> set[str]:
        """Remember what each cell's score is for, and take back a person's score for something else. Gives the kept."""
        session = self.database.db
        mine = MATERIAL.c.notebook_id == book.id
        before = {row.cell: row.digest for row in session.execute(sql.select(MATERIAL).where(mine))}
        now = material(self.topic, submission)
        for grade in book.grades:
            if before.get(grade.name, now[grade.name]) != now[grade.name]:
                grade.manual_score = grade.extra_credit = None
        session.execute(sql.delete(MATERIAL).where(mine))
        rows = [{"notebook_id": book.id, "cell": cell, "digest": digest} for cell, digest in now.items()]
        session.execute(sql.insert(MATERIAL), rows)
        return {grade.name for grade in book.grades if grade.manual_score is not None}


def material(topic: Topic, submission: Submission) -> dict[str, str]:
    """For each graded cell a digest of what decides its score: a written answer's own text, or all code that runs."""
    code = json.dumps([(cell.id, cell.source) for cell in submission.cells])
    written = {task: text for task, text, _ in submission.written}
    texts = {task.grade_id: written.get(task.id, "") if task.written else code for task in topic.tasks}
    return {name: hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest() for name, text in texts.items()}


def _write(grade: Any, result: Result, kept: bool) -> None:
    """One score, like nbgrader's own autograder writes it; a cell that a person has graded does not wait again."""
    grade.auto_score = None if result.manual else result.points
    grade.needs_manual_grade = result.manual and not kept


def _mark(task: TaskEntry, grades: dict[str, Any], comments: dict[str, str]) -> Mark:
    grade = grades[task.grade_id]
    by_hand = grade.manual_score is not None
    points = (grade.manual_score if by_hand else grade.auto_score or 0.0) + (grade.extra_credit or 0.0)
    comment = comments.get(task.grade_id) or comments.get(task.answer_id) or ""
    waiting = bool(grade.needs_manual_grade)
    return Mark(task.id, points, task.points, waiting, by_hand, "" if waiting else comment)


def _handed_in(folder: Path) -> datetime | None:
    """The time that nbgrader's collector wrote down."""
    try:
        found: datetime | None = parse_utc(read_regular(folder / "timestamp.txt", 200).decode().strip())
    except (OSError, Refused, ValueError, OverflowError):
        return None
    return found
