"""Grading a class: every folder is a row, nothing is judged twice, and what stops the whole class says how to mend it."""

import json
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
from makers import SLUG, hand_in, ledger

from autograder.classroom import grading
from autograder.classroom.grading import grade_class, judged, secret
from autograder.classroom.template import load_template
from autograder.curriculum import CurriculumError, Tree
from autograder.judge import journal
from autograder.judge.judge import version
from autograder.judge.ledger import Ledger, Submission
from autograder.judge.sandbox import SandboxError, Unprotected


class FakePool:
    """Grades without a player: 3 points for softmax to everyone who can be read."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def __call__(self, submissions, *_, **__):
        """The pool's own signature."""
        for submission in submissions:
            self.seen.append(submission.student)
            yield self.ledger(submission)

    def ledger(self, submission: Submission) -> Ledger:
        """One ledger."""
        points = {} if submission.unreadable else {"softmax": 3}
        found = ledger(submission.student, submission.fingerprint, manual=False, reason=submission.unreadable, **points)
        return replace(found, grader=version(), sandbox="none", remarks=submission.remarks)


@pytest.fixture
def pool(monkeypatch) -> FakePool:
    """The fake instead of the pool."""
    found = FakePool()
    monkeypatch.setattr(grading, "grade_all", found)
    return found


def notebook(tree: Tree, note: str = "") -> dict:
    """The exercise, with something of one's own in it."""
    cells = [dict(place.cell) for place in load_template(tree, SLUG).places]
    return {"cells": [*cells, {"cell_type": "markdown", "source": note, "metadata": {}}], "nbformat": 4, "metadata": {}}


@pytest.mark.usefixtures("pool")
def test_everyone_with_a_folder_is_a_row(course):
    """A missing or broken file is zero points with its reason; the others are not concerned."""
    hand_in(course, notebook(course), "ada")
    hand_in(course, b"{", "ben")
    course.submission("eve", SLUG).parent.mkdir(parents=True)
    (course.course / "submitted" / "fay").mkdir()
    rows = grade_class(course, SLUG, "none")
    assert [(row.ledger.student, row.marks.points) for row in rows] == [("ada", 3), ("ben", 0), ("eve", 0)]
    assert "JSON is broken" in rows[1].ledger.summary
    assert "There is no 06_scaling.ipynb" in rows[2].ledger.summary


@pytest.mark.usefixtures("pool")
def test_all_files_of_a_course_are_written(course):
    """The graded notebook, the page, the table, and nbgrader's copy of the time of submission."""
    path = hand_in(course, notebook(course))
    path.with_name("timestamp.txt").write_text("2026-03-01 12:30:00 UTC", encoding="utf-8")
    grade_class(course, SLUG, "none")
    graded = nbformat.read(course.autograded("ada", SLUG), as_version=4)
    nbformat.validate(graded)
    assert (
        course.autograded("ada", SLUG).with_name("timestamp.txt").read_text(encoding="utf-8").startswith("2026-03-01")
    )
    assert "3 of 20 points" in course.feedback("ada", SLUG).read_text(encoding="utf-8")
    assert "ada,06_scaling,3,20" in course.export().read_text(encoding="utf-8")


def test_what_is_in_the_journal_is_not_judged_again(course, pool):
    """A second run only writes; a killed run goes on where it was."""
    for student in ("ada", "ben"):
        hand_in(course, notebook(course), student)
    first = grade_class(course, SLUG, "none", students=["ada"])
    assert grade_class(course, SLUG, "none")[0] == first[0]
    assert pool.seen == ["ada", "ben"]


def test_a_new_submission_is_judged_under_a_key_of_its_own(course, pool):
    """The journal's entry counts for exactly these bytes, this grader and this protection."""
    hand_in(course, notebook(course))
    grade_class(course, SLUG, "none")
    hand_in(course, notebook(course, "a note"))
    grade_class(course, SLUG, "none")
    assert pool.seen == ["ada", "ada"]
    for _, _, grader in journal.read(course.journal(SLUG)):
        assert grader == f"{version()} none"


def test_an_earlier_version_handed_in_again_is_the_latest_again(course, pool):
    """The table shows what the gradebook holds, not what was judged last."""
    hand_in(course, notebook(course))
    grade_class(course, SLUG, "none")
    hand_in(course, b"{")
    grade_class(course, SLUG, "none")
    hand_in(course, notebook(course))
    grade_class(course, SLUG, "none")
    assert pool.seen == ["ada", "ada"]
    assert "ada,06_scaling,3,20" in course.export().read_text(encoding="utf-8")


@pytest.mark.usefixtures("pool")
def test_a_read_only_graded_notebook_of_nbgrader_is_replaced(course):
    """Plain `nbgrader autograde` leaves its files read-only."""
    hand_in(course, notebook(course))
    old = course.autograded("ada", SLUG)
    old.parent.mkdir(parents=True)
    old.write_text("old", encoding="utf-8")
    old.chmod(0o444)
    grade_class(course, SLUG, "none")
    assert json.loads(old.read_text(encoding="utf-8"))["cells"]


def test_what_a_player_says_is_stored_printable(course, pool, monkeypatch):
    """A crash message can neither break the journal's lines nor steer the teacher's terminal."""
    said = "\x1b[2Jgone\ud800 and \u2028 new \x85 line"
    monkeypatch.setattr(pool, "ledger", lambda s: replace(FakePool.ledger(pool, s), remarks=(said,)))
    hand_in(course, notebook(course))
    row = grade_class(course, SLUG, "none")[0]
    assert row.ledger.remarks == ("gone\ufffd and \u2028 new \ufffd line",)
    assert list(journal.read(course.journal(SLUG)).values()) == [row.ledger]


@pytest.mark.usefixtures("pool")
def test_progress_is_told_row_by_row(course):
    """How many are done, of how many, and the latest one."""
    for student in ("ada", "ben"):
        hand_in(course, notebook(course), student)
    told: list[tuple[int, int, str]] = []
    grade_class(course, SLUG, "none", progress=lambda done, total, row: told.append((done, total, row.ledger.student)))
    assert told == [(1, 2, "ada"), (2, 2, "ben")]


def test_the_secret_is_made_once_and_only_its_owner_can_read_it(course):
    """The same inputs on a regrade; nobody else can foresee them."""
    made = secret(course)
    assert len(made) == 32
    assert course.secret.stat().st_mode & 0o777 == 0o600
    assert secret(course) == made
    assert secret(Tree(course.root, course.root / "another")) != made
    course.secret.write_bytes(b"")
    with pytest.raises(CurriculumError, match="course/secret is damaged: 0 bytes, expected 32"):
        secret(course)


def test_the_secret_reaches_the_judge(course, monkeypatch):
    """Inputs are drawn from it."""
    given = []
    monkeypatch.setattr(grading, "grade_all", lambda _s, _b, secret, **_: given.append(secret) or iter(()))
    assert list(judged(course, SLUG, [Submission("ada", SLUG, ())], Unprotected())) == []
    assert given == [course.secret.read_bytes()]


def leaking(_: str) -> None:
    """A sandbox that cannot be had."""
    raise SandboxError("bubblewrap is not installed.")


def test_without_a_sandbox_nothing_is_graded(course, pool, monkeypatch):
    """The message is the sandbox's own; no row was written."""
    hand_in(course, notebook(course))
    monkeypatch.setattr(grading, "find_sandbox", leaking)
    grading.closed_sandbox.cache_clear()
    with pytest.raises(CurriculumError, match="bubblewrap is not installed"):
        grade_class(course, SLUG, "bwrap")
    assert pool.seen == []
    assert not course.journal(SLUG).exists()


def test_a_leaking_sandbox_stops_everything(course, pool, monkeypatch):
    """The self-test runs before any learner's code."""
    hand_in(course, notebook(course))
    monkeypatch.setattr(grading, "assert_closed", leaking)
    grading.closed_sandbox.cache_clear()
    with pytest.raises(CurriculumError, match="bubblewrap is not installed"):
        grade_class(course, SLUG, "none")
    grading.closed_sandbox.cache_clear()
    assert pool.seen == []


def folder(name: str):
    """Make the folder of a student with this name."""
    return lambda tree: tree.submission(name, SLUG).parent.mkdir(parents=True)


STOPPED = {
    "nobody": (
        lambda _: None,
        None,
        "Nobody has handed in 06_scaling: there is no course/submitted/STUDENT/06_scaling/",
    ),
    "unknown student": (folder("ada"), ["bob"], "bob has no folder for 06_scaling. Those who have: ada."),
    "a name of control characters": (folder("a\x1bb"), None, "cannot be a student's name"),
    "a name too long": (folder("a" * 129), None, "cannot be a student's name: a name has at most 128 printable"),
}


@pytest.mark.parametrize(("make", "students", "sentence"), STOPPED.values(), ids=STOPPED)
def test_what_concerns_the_whole_class_is_one_sentence(course, pool, make, students, sentence):
    """Nothing is graded, and the message says what to do."""
    make(course)
    with pytest.raises(CurriculumError) as caught:
        grade_class(course, SLUG, "none", students=students)
    assert sentence in str(caught.value)
    assert pool.seen == []


@pytest.mark.usefixtures("pool")
def test_nothing_is_written_outside_the_course(course):
    """The exercise, the solution and the rest of the checkout keep their bytes."""

    def files() -> dict[Path, bytes]:
        return {p: p.read_bytes() for p in course.root.rglob("*") if p.is_file() and course.course not in p.parents}

    before = files()
    hand_in(course, notebook(course))
    grade_class(course, SLUG, "none")
    assert files() == before
