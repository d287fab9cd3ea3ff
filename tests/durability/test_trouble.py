"""A full disk, a read-only folder, a locked database, a second grading: one sentence, nothing half-written, and a way on."""

import contextlib
import errno
import os
import re
import resource
import sqlite3
import subprocess
import sys

import pytest
from sqlalchemy.exc import OperationalError

from autograder.classroom import database, files
from autograder.classroom.database import told
from autograder.classroom.gradebook import open_gradebook
from autograder.classroom.grading import grade_class
from autograder.classroom.lock import locked
from autograder.curriculum import CurriculumError, Tree
from autograder.judge import journal
from tests.durability.classes import PROJECT, SLUG, copied, differing, fake_pool, hand_in_class, state


def grade(tree: Tree) -> None:
    """A grading with the judge that only hashes."""
    with fake_pool():
        grade_class(tree, SLUG, "none")


@pytest.fixture
def expected(released, tmp_path) -> dict:
    """What an uninterrupted grading of twelve leaves."""
    tree = copied(released, tmp_path / "expected")
    hand_in_class(tree, 12)
    grade(tree)
    return state(tree)


@contextlib.contextmanager
def mounted(folder, size: str):
    """A small file system of its own at `folder`, or the reason why there is none."""
    folder.mkdir(parents=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"needs the right to mount: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


def remount(folder, options: str) -> None:
    """Change a mounted file system."""
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)


def test_a_disk_that_is_full_stops_with_a_sentence_and_the_next_run_completes(released, tmp_path, expected):
    """A real small disk, filled up at eight different places of the run; after each, space is made."""
    root = tmp_path / "small"
    with mounted(root, "64m"):
        tree = copied(released, root)
        hand_in_class(tree, 12)
        filler, stopped = root / "filler", 0
        for left in (0, 4096, 20_000, 60_000, 100_000, 160_000, 240_000, 400_000):
            free = os.statvfs(root).f_bavail * 4096
            with filler.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, max(free - left, 1))
            said = complaint(tree)
            stopped += bool(said)
            assert not said or (re.search("full|No space", said) and said.endswith(database.AGAIN)), said
            assert_whole(tree)
            filler.unlink()
        assert stopped >= 4
        grade(tree)
        assert differing(state(tree), expected) == {}


def complaint(tree: Tree) -> str:
    """What a grading stops with; nothing if it ends."""
    try:
        grade(tree)
    except CurriculumError as error:
        return str(error)
    return ""


def assert_whole(tree: Tree) -> None:
    """Every page and notebook that is there is one of a finished write, and the database is sound."""
    for path in tree.course.rglob("*.ipynb"):
        if "submitted" not in path.parts and not path.name.startswith("."):
            assert path.read_text(encoding="utf-8").endswith("}\n"), path
    for path in tree.course.rglob("*.html"):
        if not path.name.startswith("."):
            assert path.read_text(encoding="utf-8").rstrip().endswith("</html>"), path
    with contextlib.closing(sqlite3.connect(tree.gradebook_file)) as found:
        assert found.execute("pragma integrity_check").fetchone() == ("ok",)


def test_a_file_that_may_not_grow_stops_with_a_sentence(released, tmp_path, expected):
    """The same without a disk of one's own: the system's limit on the size of files, in the middle of the journal."""
    tree = copied(released, tmp_path / "limited")
    hand_in_class(tree, 12)
    import signal

    before, ignored = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, before[1]))
    try:
        with pytest.raises(CurriculumError, match="What was graded so far is kept"):
            grade(tree)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert_whole(tree)
    grade(tree)
    assert differing(state(tree), expected) == {}


@pytest.mark.parametrize("number", [1, 2, 3, 11, 19, 27, 28])  # of 28
def test_a_write_that_fails_anywhere_leaves_nothing_half_written(released, tmp_path, expected, monkeypatch, number):
    """The n-th file that is written whole cannot be; then the disk has space again."""
    tree = copied(released, tmp_path / "failing")
    hand_in_class(tree, 12)
    count, real = 0, os.replace

    def replace(source, target):
        nonlocal count
        count += 1
        if count == number:
            raise OSError(errno.ENOSPC, "No space left on device", str(target))
        real(source, target)

    monkeypatch.setattr(files.os, "replace", replace)
    with pytest.raises(CurriculumError, match=r"^The disk is full \(.*: No space left on device\)\. Free some space\."):
        grade(tree)
    assert not [p for p in tree.course.rglob(".*") if p.is_file()]
    assert_whole(tree)
    monkeypatch.undo()
    grade(tree)
    assert differing(state(tree), expected) == {}


def test_a_read_only_course_stops_with_a_sentence(released, tmp_path, expected):
    """A folder on a disk that cannot be written; nothing is judged, and afterwards all is as it should be."""
    root = tmp_path / "readonly"
    with mounted(root, "64m"):
        tree = copied(released, root)
        hand_in_class(tree, 12)
        remount(root, "ro")
        with pytest.raises(CurriculumError, match=r"Read-only file system\. Make the course folder writable for you"):
            grade(tree)
        remount(root, "rw")
        assert journal.read(tree.journal(SLUG)) == {}
        grade(tree)
        assert differing(state(tree), expected) == {}


def test_a_read_only_gradebook_stops_with_a_sentence(released, tmp_path, monkeypatch):
    """The database's own complaint, with what to do; the submission that was judged is in the journal."""
    tree = copied(released, tmp_path)
    hand_in_class(tree, 2)
    real = sqlite3.connect
    monkeypatch.setattr(
        "sqlite3.dbapi2.connect", lambda file, **options: real(f"file:{file}?mode=ro", uri=True, **options)
    )
    with pytest.raises(
        CurriculumError, match=r"The gradebook cannot be written: .*readonly.*Make it, and its folder, writable"
    ):
        grade(tree)
    monkeypatch.undo()
    grade(tree)
    with open_gradebook(tree, SLUG) as gradebook:
        assert gradebook.students() == ["s0000", "s0001"]


@pytest.mark.parametrize("kind", ["immediate", "exclusive"])
def test_a_locked_database_stops_with_a_sentence(released, tmp_path, expected, monkeypatch, kind):
    """Another process holds the lock for longer than a write waits; when it lets go, the rest is graded."""
    monkeypatch.setattr(database, "LOCK_SECONDS", 0.3)
    tree = copied(released, tmp_path / "locked")
    hand_in_class(tree, 12)
    with contextlib.closing(sqlite3.connect(tree.gradebook_file, isolation_level=None)) as holder:
        holder.execute(f"begin {kind}")
        with pytest.raises(CurriculumError, match=r"The gradebook is locked: .* Close formgrader, nbgrader or another"):
            grade(tree)
        holder.execute("rollback")
    grade(tree)
    assert differing(state(tree), expected) == {}


def test_a_reader_does_not_stop_a_grading(released, tmp_path):
    """Formgrader may be open, between its own requests."""
    tree = copied(released, tmp_path)
    hand_in_class(tree, 2)
    with contextlib.closing(sqlite3.connect(tree.gradebook_file)) as reader:
        reader.execute("select count(*) from grade").fetchall()
        grade(tree)
        assert reader.execute("select count(*) from grade").fetchone() == (14,)


HOLD = """
import sys
from pathlib import Path
from autograder.classroom.lock import locked
from autograder.curriculum import Tree
with locked(Tree(Path(sys.argv[1]), Path(sys.argv[1]) / "course"), "attn grade 06_scaling"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_two_gradings_of_one_course_are_kept_apart(released, tmp_path):
    """The sentence names the other one; when that is killed, nothing has to be cleared away."""
    tree = copied(released, tmp_path)
    hand_in_class(tree, 1)
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tree.root)],
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert other.stdout.readline() == b"held\n"
    message = rf"course is being graded already, by `attn grade 06_scaling` \(process {other.pid} on .*\)\. Wait until"
    with pytest.raises(CurriculumError, match=message):
        grade(tree)
    assert journal.read(tree.journal(SLUG)) == {}
    other.kill()
    other.communicate()
    grade(tree)
    with locked(tree, "outer"), locked(tree, "inner"):  # a regrade grades within its own lock
        pass


SENTENCES = {
    "disk I/O error": "could not be written: disk I/O error. Free space on the disk",
    "unable to open database file": "cannot be opened: unable to open database file. Is course there, and yours?",
    "database disk image is malformed": "is damaged: database disk image is malformed. Restore it from a backup",
    "something else": "failed: something else. What was graded so far is kept",
}


@pytest.mark.parametrize(("cause", "sentence"), SENTENCES.items())
def test_what_a_database_complains_about_is_one_sentence(tmp_path, cause, sentence):
    """The cause in the database's words, and what to do about it."""
    with pytest.raises(CurriculumError) as caught, told(Tree(tmp_path, tmp_path / "course")):
        raise OperationalError("select", {}, sqlite3.OperationalError(cause))
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_defect_of_the_program_is_not_dressed_up(tmp_path):
    """Only what a user can mend becomes a sentence."""
    with pytest.raises(FileNotFoundError), told(Tree(tmp_path, tmp_path / "course")):
        raise FileNotFoundError(errno.ENOENT, "No such file", "x")


def test_a_missing_driver_is_said_with_the_extra_that_has_it(released, tmp_path, monkeypatch):
    """A PostgreSQL address without psycopg installed."""
    tree = copied(released, tmp_path)
    tree.settings.write_text('gradebook = "postgresql://teacher:s3cret@db/attn"\n', encoding="utf-8")

    def missing(_):
        raise ModuleNotFoundError("No module named 'psycopg'")

    monkeypatch.setattr(database, "Database", missing)
    message = r"needs the extra `postgres`: pip install 'attn-curriculum\[postgres\]'"
    with pytest.raises(CurriculumError, match=message) as caught, open_gradebook(tree, SLUG):
        pass
    assert "s3cret" not in str(caught.value)
