"""Releasing by nbgrader's own step."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from demo_course import SLUG
from nbgrader.api import Gradebook

from autograder.authoring.build import build
from autograder.authoring.notebook import read
from autograder.authoring.release import fresh_release, release
from autograder.classroom.nbgrader_steps import StepFailed, generate_assignment, settings
from autograder.curriculum import CurriculumError, Tree


def change_text(tree: Tree, old: str, new: str) -> None:
    """Edit the solution's text."""
    text = tree.solution_text(SLUG)
    assert old in text.read_text()
    text.write_text(text.read_text().replace(old, new))


def test_learners_get_stubs_and_no_answers(healthy: Tree):
    """Signature and docstring stay, the region becomes the stub, the proof becomes a place to write."""
    cells = {cell["id"]: cell for cell in read(healthy.exercise(SLUG))["cells"]}
    assert cells["demo-double-answer"]["source"] == (
        'def double(x):\n    """Twice x: `double(3)` is 6."""\n    # YOUR CODE HERE\n    raise NotImplementedError()'
    )
    assert cells["demo-proof"]["source"] == "YOUR ANSWER HERE"
    assert cells["demo-double"]["metadata"]["editable"] is False
    assert not any(cell.get("outputs") for cell in cells.values())


def test_release_is_byte_stable_and_fills_the_gradebook(tree: Tree, monkeypatch: pytest.MonkeyPatch):
    """A second release changes nothing; the gradebook knows both tasks. `alembic` need not be on the caller's path."""
    monkeypatch.setenv("PATH", "/nowhere")
    released = release(tree, SLUG)
    assert (released.changed, released.tasks, released.points) == (False, 2, 5)
    with sqlite3.connect(tree.course / "gradebook.db") as db:
        assert db.execute("select sum(max_score) from grade_cells").fetchone() == (5.0,)
    db.close()


def test_a_fresh_release_touches_nothing(tree: Tree, capfd: pytest.CaptureFixture[str]):
    """The comparison that `attn doctor` makes needs no course and prints nothing."""
    before = tree.exercise(SLUG).stat().st_mtime_ns
    assert fresh_release(tree, SLUG) == tree.exercise(SLUG).read_text()
    assert tree.exercise(SLUG).stat().st_mtime_ns == before
    assert not tree.course.exists()
    assert capfd.readouterr() == ("", "")


def test_the_release_is_nbgraders_own(tree: Tree):
    """The command that nbgrader documents writes the same bytes."""
    ours = tree.exercise(SLUG).read_bytes()
    tree.course.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "nbgrader", "generate_assignment", SLUG, "--force"]
    programs = str(Path(sys.executable).parent) + os.pathsep + os.environ["PATH"]  # it starts alembic by name
    done = subprocess.run(
        command, cwd=tree.root, env=os.environ | {"PATH": programs}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert tree.exercise(SLUG).read_bytes() == ours


def test_an_unbuilt_solution_is_refused(tree: Tree):
    """Otherwise learners would get the assignment of yesterday."""
    change_text(tree, "is linear", "is additive")
    with pytest.raises(
        CurriculumError, match=r"solutions/01_demo/01_demo.ipynb is not built from its text. Run `attn build"
    ):
        release(tree, SLUG)


def test_a_misspelt_delimiter_is_refused_and_the_old_exercise_stays(tree: Tree):
    """nbgrader would have released the answer without a word."""
    before = tree.exercise(SLUG).read_bytes()
    change_text(tree, "### BEGIN SOLUTION", "### BEGIN SOLUTON")
    build(tree, SLUG)
    with pytest.raises(
        CurriculumError, match="cell 'demo-double-answer' has the line `### BEGIN SOLUTON`, which is not"
    ):
        release(tree, SLUG)
    assert tree.exercise(SLUG).read_bytes() == before


def test_nbgraders_traceback_becomes_one_sentence(tree: Tree):
    """File, cause and cure; the exercise that was there stays, although nbgrader deletes it before it fails."""
    before = tree.exercise(SLUG).read_bytes()
    text = tree.solution(SLUG).read_text()
    tree.solution(SLUG).write_text(text.replace('"points": 2,', ""))
    with pytest.raises(CurriculumError) as error:
        fresh_release(tree, SLUG)
    assert str(error.value) == (
        "nbgrader could not release solutions/01_demo/01_demo.ipynb: nbgrader cell 'demo-double' does not have points. "
        "Mend the solution text, build, and release again."
    )
    assert tree.exercise(SLUG).read_bytes() == before


@pytest.mark.filterwarnings("ignore:Object of type <Submitted")  # raised inside nbgrader, by its own add_submission
def test_cells_cannot_change_once_there_are_submissions(tree: Tree):
    """nbgrader protects the grades; the teacher is told what to do instead."""
    release(tree, SLUG)
    with Gradebook(tree.gradebook) as gradebook:
        gradebook.add_student("ada")
        gradebook.add_submission(SLUG, "ada")
    change_text(tree, 'locked="intro"', 'locked="opening"')
    build(tree, SLUG)
    with pytest.raises(CurriculumError, match="The gradebook of course holds submissions for 01_demo with other cells"):
        release(tree, SLUG)


def test_settings_come_from_the_configuration_file(tree: Tree):
    """One place says where the folders are, whatever the working directory is."""
    here = Path.cwd()
    config = settings(tree)
    assert config.CourseDirectory.source_directory == "solutions"
    assert config.CourseDirectory.root == str(tree.root)
    assert Path.cwd() == here


def test_a_missing_solution_is_one_sentence(tree: Tree):
    """nbgrader's log of several lines is reduced to the first."""
    tree.solution(SLUG).unlink()
    with pytest.raises(StepFailed, match="No notebooks were matched by") as error:
        generate_assignment(tree, SLUG, tree.root / "out", f"sqlite:///{tree.root}/temporary.db")
    assert "\n" not in str(error.value)
