"""The gradebook in PostgreSQL, on a real server: the same rows as in SQLite, and nbgrader's own programs work on it."""

import csv
import os
import shutil
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import nbgrader.api
import pytest
import sqlalchemy as sql
from nbgrader.apps.api import NbGraderAPI
from traitlets.config import Config

from autograder.classroom import database
from autograder.classroom.database import masked, opened
from autograder.classroom.gradebook import open_gradebook
from autograder.classroom.grading import grade_class
from autograder.classroom.nbgrader_steps import generate_assignment, programs_on_path
from autograder.classroom.regrade import prepare
from autograder.curriculum import CurriculumError, Tree
from tests.cluster.postgres import PASSWORD, NoServer, Server, server
from tests.durability.classes import PROJECT, SLUG, copied, differing, fake_pool, hand_in_class, rows, state

pytest.importorskip("psycopg", reason="needs the extra `postgres`")


@pytest.fixture(scope="module")
def running():
    """A server, or the reason why there is none."""
    try:
        with server() as found:
            yield found
    except NoServer as reason:
        pytest.skip(str(reason))


@pytest.fixture
def course(released, running: Server, tmp_path, request) -> Tree:
    """Twelve submissions, and an empty database of one's own that `course.toml` names."""
    tree = copied(released, tmp_path)
    tree.gradebook_file.unlink()
    hand_in_class(tree, 12)
    name = request.node.name[:50]
    running.create(name)
    use(tree, running, name)
    return tree


@pytest.fixture(scope="module")
def entered(released, running: Server, tmp_path_factory) -> str:
    """A database in which nbgrader's release step has entered the assignment; tests take copies."""
    tree = copied(released, tmp_path_factory.mktemp("entered"))
    running.create("entered")
    use(tree, running, "entered")
    with open_gradebook(tree, SLUG):
        return "entered"


@pytest.fixture
def entered_course(course, running: Server, entered) -> Tree:
    """The same twelve submissions with a copy of it."""
    running.create(f"{course.root.name}_copy", template=entered)
    use(course, running, f"{course.root.name}_copy")
    return course


def use(tree: Tree, running: Server, name: str) -> None:
    """What a teacher writes into `course.toml`."""
    address = running.address(name, password=True)
    tree.settings.write_text(f'gradebook = "{address}"\n', encoding="utf-8")


def grade(tree: Tree) -> None:
    """A grading with the judge that only hashes."""
    with fake_pool():
        grade_class(tree, SLUG, "none")


@contextmanager
def raw(tree: Tree):
    """A connection of one's own."""
    engine = sql.create_engine(tree.gradebook)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def formgrader(tree: Tree) -> NbGraderAPI:
    """What formgrader's pages are made of."""
    config = Config()
    config.CourseDirectory.root = str(tree.root)
    config.CourseDirectory.db_url = tree.gradebook
    for step in ("submitted", "autograded", "feedback"):
        config.CourseDirectory[f"{step}_directory"] = f"course/{step}"
    config.CourseDirectory.source_directory, config.CourseDirectory.release_directory = "solutions", "exercises"
    with programs_on_path():
        return NbGraderAPI(config=config)


def test_the_same_rows_as_in_sqlite(released, course, tmp_path):
    """A new database, entered by the release step; graded, and graded again; and the same files."""
    other = copied(released, tmp_path / "sqlite")
    shutil.copytree(course.course / "submitted", other.course / "submitted")
    for _ in range(2):
        grade(course)
        grade(other)
        (expected, found) = (state(other), state(course))
        found["files"].pop("course.toml")
        found["gradebook"]["course"].remove(
            str({"id": ""})
        )  # nbgrader's nameless course, which SQLite does not ask for
        assert differing(found, expected) == {}
    assert not course.gradebook_file.exists()


def test_a_persons_score_stays_and_a_regrade_works(entered_course):
    """As in SQLite; the release step may run again over submissions."""
    course = entered_course
    grade(course)
    with programs_on_path(), nbgrader.api.Gradebook(course.gradebook) as found:
        given = found.find_grade("scaling-proof", SLUG, SLUG, "s0000")
        given.manual_score, given.needs_manual_grade = 4.5, False
        found.db.commit()
    generate_assignment(course, SLUG)
    said = list(prepare(course, SLUG, list(course.students(SLUG))))
    assert said[-1].startswith("12 gradings are set aside")
    grade(course)
    with open_gradebook(course, SLUG) as gradebook:
        marks = {marks.student: marks for marks in gradebook.all_marks()}
    assert len(marks) == 12
    assert (marks["s0000"].marks[-1].by_hand, marks["s0000"].marks[-1].points) == (True, 4.5)
    with course.export().open(encoding="utf-8", newline="") as file:
        total = {row["student"]: float(row["total"]) for row in csv.DictReader(file)}
    assert total == {name: found.points for name, found in marks.items()}


def test_formgrader_reads_while_a_grading_writes(entered_course):
    """Its tables of assignments, submissions and students; no reader blocks the writer, none sees half a submission."""
    course = entered_course
    grade(course)
    shutil.rmtree(course.course / "journal")
    stop, seen, errors = threading.Event(), [], []

    def read() -> None:
        try:
            api = formgrader(course)
            while not stop.is_set():
                submitted = api.get_submissions(SLUG)
                seen.append(len(submitted))
                api.get_assignments()
                api.get_students()
                api.get_notebook_submissions(SLUG, SLUG)
        except Exception as error:  # noqa: BLE001 - shown by the assertion below
            errors.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(3):
        grade(course)
        shutil.rmtree(course.course / "journal")
    stop.set()
    reader.join()
    assert errors == []
    assert set(seen) == {12}


def test_plain_nbgrader_makes_its_tables_there_and_exports(course):
    """`nbgrader_config.py` names the same database, and nbgrader's release step may be the first that uses it."""
    programs = str(Path(sys.executable).parent)
    environment = os.environ | {"PATH": programs + os.pathsep + os.environ["PATH"], "PYTHONPATH": str(PROJECT)}
    environment.pop("ATTN_COURSE", None)

    def nbgrader(*arguments: str) -> None:
        command = [sys.executable, "-m", "nbgrader", *arguments]
        done = subprocess.run(command, cwd=course.root, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert PASSWORD not in done.stderr + done.stdout

    nbgrader("generate_assignment", SLUG, "--force")
    grade(course)
    nbgrader("export")
    assert "s0003" in (course.course / "nbgrader_export.csv").read_text(encoding="utf-8")


def test_a_locked_row_stops_with_a_sentence(entered_course, monkeypatch):
    """Another program holds a grade for longer than a write waits."""
    course = entered_course
    monkeypatch.setattr(database, "LOCK_SECONDS", 0.3)
    grade(course)
    shutil.rmtree(course.course / "journal")
    with raw(course) as holder:
        holder.execute(sql.text("select * from grade for update"))
        with pytest.raises(CurriculumError, match=r"is locked: another program has been writing"):
            grade(course)
        holder.rollback()
    grade(course)


def test_a_server_that_goes_away_is_one_sentence_without_the_password(entered_course, running):
    """In mid-run, and at the beginning; afterwards the rest is graded."""
    course = entered_course
    grade(course)
    expected = rows(course.gradebook)
    shutil.rmtree(course.course / "journal")
    with pytest.raises(CurriculumError) as caught:
        lose_the_connection(course)
    assert "What was graded so far is kept" in str(caught.value)
    told = [str(caught.value)]
    course.settings.write_text(course.settings.read_text().replace(str(running.folder), "/nowhere"), encoding="utf-8")
    with pytest.raises(
        CurriculumError, match=r"postgresql\+psycopg://teacher:\*\*\*@/.* failed: .*What was graded so far"
    ) as caught:
        grade(course)
    told.append(str(caught.value))
    assert not [line for line in told if PASSWORD in line or "s3cret" in line or "\n" in line]
    course.settings.write_text(course.settings.read_text().replace("/nowhere", str(running.folder)), encoding="utf-8")
    grade(course)
    assert rows(course.gradebook) == expected


def lose_the_connection(tree: Tree) -> None:
    """The server ends a connection that is in use."""
    with opened(tree) as book, raw(tree) as admin:
        book.db.execute(sql.text("select 1"))
        query = "select pg_terminate_backend(pid) from pg_stat_activity where datname = :d and pid <> pg_backend_pid()"
        admin.execute(sql.text(query), {"d": book.engine.url.database})
        admin.rollback()
        book.db.execute(sql.text("select 1"))


BROKEN = {
    "no address": ("not an address", "is no address of a database"),
    "an unknown kind": ("oracle9://x/y", "is no address of a database"),
}


@pytest.mark.parametrize(("address", "sentence"), BROKEN.values(), ids=BROKEN)
def test_an_address_that_is_none_is_said(released, tmp_path, address, sentence):
    """With examples of right ones."""
    tree = copied(released, tmp_path)
    tree.settings.write_text(f'gradebook = "{address}"\n', encoding="utf-8")
    with pytest.raises(CurriculumError) as caught, open_gradebook(tree, SLUG):
        pass
    assert sentence in str(caught.value) or "gradebook" in str(caught.value)


def test_an_address_is_shown_without_its_password():
    """In every message."""
    assert masked("postgresql+psycopg://ada:s3cret@db/attn") == "postgresql+psycopg://ada:***@db/attn"
    assert masked("::") == "what stands there"
