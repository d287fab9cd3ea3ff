"""Grading a class: every folder is a row, nothing is judged twice, and what stops the whole class says how to mend it."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
from makers import SLUG, hand_in, ledger

from autograder.classroom import grading
from autograder.classroom.gradebook import open_gradebook
from autograder.classroom.grading import Roll, call_roll, gone, grade_class, local_judge, secret
from autograder.classroom.template import load_template
from autograder.curriculum import CurriculumError, Tree
from autograder.judge import journal
from autograder.judge.judge import version
from autograder.judge.ledger import Ledger, Submission
from autograder.judge.sandbox import SandboxError


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
def test_a_folder_that_cannot_be_a_name_costs_nobody_else_their_grade(course):
    """The gradebook cannot hold such a name: it is left out and said, and the others are graded."""
    hand_in(course, notebook(course), "ada")
    for name in ("a\x1bb", "x" * 129):
        folder(name)(course)
    assert [row.ledger.student for row in grade_class(course, SLUG, "none")] == ["ada"]
    assert call_roll(course, SLUG) == Roll(["ada"], ["a\x1bb", "x" * 129])


RESUBMISSIONS = {
    "unreadable": lambda path: path.write_bytes(b"{"),
    "empty file": lambda path: path.write_bytes(b""),
    "no cells": lambda path: path.write_text(
        json.dumps({"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    ),
    "removed": lambda path: path.unlink(),
}


@pytest.mark.parametrize("again", RESUBMISSIONS.values(), ids=RESUBMISSIONS)
def test_a_resubmission_never_keeps_an_old_score(course, pool, monkeypatch, again):
    """Whatever lies there now decides: every row is written again, in the gradebook, on the page and in the table."""
    empty = lambda s: {} if s.unreadable or not any("a note" in c.source for c in s.cells) else {"softmax": 3}  # noqa: E731 - one expression
    monkeypatch.setattr(
        pool,
        "ledger",
        lambda s: replace(
            ledger(s.student, s.fingerprint, False, s.unreadable, **empty(s)), grader=version(), sandbox="none"
        ),
    )
    path = hand_in(course, notebook(course))
    code = {"cell_type": "code", "source": "# a note", "metadata": {}, "outputs": [], "execution_count": None}
    hand_in(course, {**notebook(course), "cells": [*notebook(course)["cells"], code]})
    assert grade_class(course, SLUG, "none")[0].marks.points == 3
    again(path)
    assert grade_class(course, SLUG, "none")[0].marks.points == 0
    assert "ada,06_scaling,0,20" in course.export().read_text(encoding="utf-8")
    assert "0 of 20 points" in course.feedback("ada", SLUG).read_text(encoding="utf-8")
    with open_gradebook(course, SLUG) as gradebook:
        assert gradebook.marks("ada").points == 0


@pytest.mark.usefixtures("pool")
def test_whose_folder_is_gone_keeps_the_grade_and_is_named(course):
    """Nothing says what they should have, so nothing is changed in silence."""
    for student in ("ada", "ben"):
        hand_in(course, notebook(course), student)
    grade_class(course, SLUG, "none")
    assert gone(course, SLUG) == []
    shutil.rmtree(course.submission("ben", SLUG).parent)
    assert [row.ledger.student for row in grade_class(course, SLUG, "none")] == ["ada"]
    assert gone(course, SLUG) == ["ben"]
    with open_gradebook(course, SLUG) as gradebook:
        assert gradebook.marks("ben").points == 3


def test_no_score_is_written_for_bytes_that_are_gone(course, pool, monkeypatch):
    """A notebook that is handed in again while it is judged gets the score of the bytes that the row is for."""

    def meanwhile(submissions, *_, **__):
        for submission in submissions:
            found = pool.ledger(submission)
            if len(pool.seen) == 0:
                hand_in(course, b"{")
            pool.seen.append(submission.student)
            yield found

    monkeypatch.setattr(grading, "grade_all", meanwhile)
    hand_in(course, notebook(course))
    (row,) = grade_class(course, SLUG, "none")
    assert (row.marks.points, "JSON is broken" in row.ledger.summary) == (0, True)
    assert pool.seen == ["ada", "ada"]


def test_a_draft_of_a_killed_run_is_removed_and_a_teachers_file_is_not(course, pool):  # noqa: ARG001 - it replaces the pool
    """Only what our own writer leaves behind."""
    hand_in(course, notebook(course))
    drafts = [
        course.course / ".grades.csv.ab12_xyz",
        course.feedback("ada", SLUG).with_name(".06_scaling.html.abcdefgh"),
    ]
    kept = course.course / ".gitignore"
    for path in (*drafts, kept):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x", encoding="utf-8")
    grade_class(course, SLUG, "none")
    assert [path.exists() for path in (*drafts, kept)] == [False, False, True]


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
    assert list(local_judge(course, SLUG, "none").grade([Submission("ada", SLUG, ())])) == []
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
    "nobody with a name": (folder("a\x1bb"), None, "the folder 'a\ufffdb' cannot be a student's name"),
    "a name of nobody": (folder("a" * 129), None, "cannot be a student's name"),
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
