"""The gradebook's database: its address, how it is opened, and in one sentence what is wrong when it, or the disk, fails."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sql
from nbgrader import api
from nbgrader.api import Gradebook as Database
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from autograder.classroom.nbgrader_steps import StepFailed, programs_on_path
from autograder.classroom.text import one_line
from autograder.curriculum import CurriculumError, Tree

LOCK_SECONDS = 10.0  # how long a write waits for another program that is writing
AGAIN = "What was graded so far is kept: run the same command again, and it goes on from there."
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
FORBIDDEN = {errno.EROFS, errno.EACCES, errno.EPERM}

# Two things that SQLite does not look at and PostgreSQL refuses: nbgrader asks for a number of 0 bits, and it enters
# assignments in a course without a name, which is not in its table of courses.
api.SubmittedNotebook.__table__.c.late_submission_penalty.type = sql.Float()


@sql.event.listens_for(api.Course.__table__, "after_create")
def _nameless_course(table: sql.Table, connection: sql.Connection, **_: Any) -> None:
    if connection.dialect.name != "sqlite":
        connection.execute(sql.insert(table), [{"id": ""}])


@contextmanager
def opened(tree: Tree) -> Iterator[Any]:
    """nbgrader's gradebook of this course, with all its tables. What fails in the block is told as by `told`."""
    with told(tree):
        address = tree.gradebook
        try:
            with programs_on_path():  # nbgrader sets up a new database with a program, alembic
                database = Database(address)
        except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
            raise CurriculumError(_no_such_database(address, error)) from None
        with database:
            _stamp(database)
            yield database


def _stamp(database: Any) -> None:
    """Write down the version of the tables, where a killed run has made the tables and not got to it."""
    there = sql.inspect(database.engine).has_table("alembic_version")
    with database.engine.begin() as connection:
        if not there:
            connection.execute(sql.text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)"))
        if connection.execute(sql.text("SELECT count(*) FROM alembic_version")).scalar() == 0:
            with programs_on_path():
                version = api.get_alembic_version()
            connection.execute(sql.text("INSERT INTO alembic_version VALUES (:version)"), {"version": version})


def _no_such_database(address: str, error: Exception) -> str:
    where = "course.toml, [gradebook]"
    if isinstance(error, ModuleNotFoundError) and "psycopg" in str(error):
        return f"{where}: a PostgreSQL gradebook needs the extra `postgres`: pip install 'attn-curriculum[postgres]'."
    shown = masked(address)
    return (
        f"{where}: {shown} is no address of a database. One looks like postgresql://user@host/name, or sqlite:////path."
    )


def masked(address: str) -> str:
    """An address without its password."""
    try:
        return sql.make_url(address).render_as_string(hide_password=True)
    except ArgumentError:
        return "what stands there"


def password(address: str) -> str:
    """The password in an address, which no message may show."""
    try:
        return str(sql.make_url(address).password or "")
    except ArgumentError:
        return ""


@contextmanager
def told(tree: Tree) -> Iterator[None]:
    """Turn what stops a whole class (full disk, read-only folder, locked database) into a CurriculumError."""
    try:
        yield
    except (OSError, SQLAlchemyError, api.InvalidEntry, StepFailed) as error:
        if sentence := _sentence(tree, error):
            raise CurriculumError(sentence) from error
        raise


def _sentence(tree: Tree, error: Exception) -> str:
    if isinstance(error, OSError):
        return _of_system(tree, error)
    text = one_line(str(getattr(error, "orig", None) or error), 300)
    if secret := password(tree.gradebook):
        text = text.replace(secret, "***")
    name = masked(tree.gradebook) if not tree.gradebook.startswith("sqlite") else "The gradebook"
    low = text.lower()
    if "locked" in low or "lock timeout" in low:
        return (
            f"{name} is locked: another program has been writing into it for {LOCK_SECONDS:g} s. Close formgrader, nbgrader or "
            f"another grading of this course. {AGAIN}"
        )
    if "readonly" in low or "read-only" in low or "permission denied" in low:
        return f"{name} cannot be written: {text}. Make it, and its folder, writable. {AGAIN}"
    if "disk is full" in low or "no space left" in low or "disk i/o error" in low:
        return f"{name} could not be written: {text}. Free space on the disk of {tree.shown(tree.course)}. {AGAIN}"
    if "unable to open" in low:
        return f"{name} cannot be opened: {text}. Is {tree.shown(tree.course)} there, and yours? {AGAIN}"
    if "malformed" in low or "not a database" in low:
        return f"{name} is damaged: {text}. Restore it from a backup, or move it away: grading writes it again, without what persons gave."
    if isinstance(error, SQLAlchemyError):
        return f"{name} failed: {text}. {AGAIN}"
    return ""


def _of_system(tree: Tree, error: OSError) -> str:
    where = tree.shown(tree.course) if error.filename is None else str(error.filename)
    if error.errno in FULL:
        return f"The disk is full ({where}: {error.strerror}). Free some space. {AGAIN}"
    if error.errno in FORBIDDEN:
        return f"{where} cannot be written: {error.strerror}. Make the course folder writable for you. {AGAIN}"
    return ""
