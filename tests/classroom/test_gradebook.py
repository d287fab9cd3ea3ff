"""nbgrader's gradebook holds exactly what the latest ledger says, and a person's score only for what the person read."""

import sqlite3
from contextlib import contextmanager
from dataclasses import replace

import nbgrader.api
import pytest
from makers import SLUG, cell, hand_in, ledger

from autograder.classroom.gradebook import Marks, open_gradebook
from autograder.classroom.intake import Intake, take_in
from autograder.classroom.nbgrader_steps import programs_on_path
from autograder.classroom.template import load_template
from autograder.curriculum import CurriculumError, Tree
from autograder.judge.judge import failed
from autograder.judge.ledger import Ledger
from autograder.judge.sandbox import Unprotected

POINTS = {"softmax": 3, "softmax_jacobian": 2, "attention": 2.25}


def took(tree: Tree, **sources: str) -> Intake:
    """A submission; `sources` by the last part of a task's name, `proof` among them."""
    template = load_template(tree, SLUG)
    notebook = {"cells": [dict(p.cell) for p in template.places], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    for name, source in sources.items():
        cell(notebook, f"scaling-{name}" + ("" if name == "proof" else "-answer"))["source"] = source
    hand_in(tree, notebook)
    return take_in(tree, "ada", template)


def record(tree: Tree, found: Ledger, intake: Intake) -> Marks:
    """Write a ledger into the gradebook."""
    with open_gradebook(tree, SLUG) as gradebook:
        return gradebook.record(found, intake)


@contextmanager
def person(tree: Tree):
    """The gradebook as formgrader opens it: a function that finds a grade, and one that finds a comment."""
    with programs_on_path(), nbgrader.api.Gradebook(tree.gradebook) as found:
        yield (
            lambda name: found.find_grade(name, SLUG, SLUG, "ada"),
            lambda name: found.find_comment(name, SLUG, SLUG, "ada"),
        )
        found.db.commit()


def scores(tree: Tree) -> dict[str, tuple[float | None, float | None, bool]]:
    """Every row of the gradebook as nbgrader gives it: automatic score, a person's score, does it wait?"""
    with programs_on_path(), nbgrader.api.Gradebook(tree.gradebook) as found:
        book = found.find_submission_notebook(SLUG, SLUG, "ada")
        return {g.name: (g.auto_score, g.manual_score, g.needs_manual_grade) for g in book.grades}


def give(tree: Tree, name: str, points: float, comment: str = "") -> None:
    """What formgrader does when a person grades a cell."""
    with person(tree) as (grade, note):
        grade(name).manual_score = points
        grade(name).needs_manual_grade = False
        if comment:
            note(name).manual_comment = comment


def test_every_cell_of_a_ledger_is_a_row_zeros_included(course):
    """Scores are those of the ledger; the written answer waits for a person."""
    record(course, ledger(**POINTS), took(course, proof="Because."))
    assert scores(course) == {
        "scaling-softmax": (3, None, False),
        "scaling-softmax_jacobian": (2, None, False),
        "scaling-dot_variance": (0, None, False),
        "scaling-scaled_scores": (0, None, False),
        "scaling-attention": (2.25, None, False),
        "scaling-additive_bound": (0, None, False),
        "scaling-proof": (None, None, True),
    }


def test_marks_are_what_the_gradebook_holds(course):
    """Points so far, points of a perfect submission, and what waits."""
    marks = record(course, ledger(**POINTS), took(course, proof="Because."))
    assert (marks.points, marks.max_points, marks.open_points) == (7.25, 20, 5)
    assert marks.waiting == ("scaling.proof",)


@pytest.mark.parametrize("second", [{}, {"softmax": 1}], ids=["nothing right", "less right"])
def test_a_resubmission_never_keeps_an_old_score(course, second):
    """nbgrader keeps the score of a cell that is missing from the second submission; here every cell is written."""
    record(course, ledger(**POINTS), took(course, softmax="x = 1", proof="Because."))
    record(course, ledger(manual=False, **second), took(course, softmax="x = 2"))
    assert scores(course) == {
        f"scaling-{name}": (second.get(name, 0), None, False)
        for name in (*POINTS, "dot_variance", "scaled_scores", "additive_bound", "proof")
    }


def test_a_persons_score_stays_while_the_answer_is_the_same(course):
    """Mended code does not send the proof back to the person who has read it."""
    record(course, ledger(softmax=1), took(course, softmax="x = 1", proof="Because."))
    give(course, "scaling-proof", 4.5, "Name the assumptions.")
    marks = record(course, ledger(softmax=3), took(course, softmax="x = 2", proof="Because."))
    assert scores(course)["scaling-proof"] == (None, 4.5, False)
    assert marks.points == 7.5
    assert (marks.marks[-1].by_hand, marks.marks[-1].comment) == (True, "Name the assumptions.")


def test_a_persons_score_is_taken_back_when_the_answer_changes(course):
    """The new text waits again, and the old comment is not shown for it, though nobody deletes it."""
    record(course, ledger(), took(course, proof="Because."))
    give(course, "scaling-proof", 4.5, "Name the assumptions.")
    marks = record(course, ledger(), took(course, proof="Because of this."))
    assert scores(course)["scaling-proof"] == (None, None, True)
    assert marks.marks[-1].comment == ""
    with person(course) as (_, note):
        assert note("scaling-proof").manual_comment == "Name the assumptions."


def test_a_persons_score_is_taken_back_when_the_answer_is_withdrawn(course):
    """An empty answer is zero points, whatever stood there before."""
    record(course, ledger(), took(course, proof="Because."))
    give(course, "scaling-proof", 4.5)
    assert record(course, ledger(manual=False), took(course)).points == 0


def test_a_persons_correction_of_a_check_stays_while_the_code_is_the_same(course):
    """A teacher may overrule the judge; new code is judged anew."""
    record(course, ledger(), took(course, softmax="x = 1", proof="a"))
    give(course, "scaling-softmax", 2.5)
    assert record(course, ledger(), took(course, softmax="x = 1", proof="b")).marks[0].points == 2.5
    assert record(course, ledger(), took(course, softmax="x = 2", proof="b")).marks[0].points == 0


def test_plain_nbgrader_loses_a_stale_score_too(course):
    """Before nbgrader's own autograder writes, the score for another answer is taken back."""
    record(course, ledger(), took(course, proof="Because."))
    give(course, "scaling-proof", 4.5)
    with open_gradebook(course, SLUG) as gradebook:
        gradebook.take_back_stale(took(course, proof="Another."))
    assert scores(course)["scaling-proof"][1] is None


def test_what_the_grader_itself_failed_on_waits_for_a_person(course):
    """No zero is given for a fault of ours, and no old score stays."""
    intake = took(course, softmax="x = 1", proof="Because.")
    record(course, ledger(**POINTS), intake)
    record(course, failed(intake.submission, Unprotected(), RuntimeError("oh")), intake)
    assert set(scores(course).values()) == {(None, None, True)}


def test_an_untouched_cell_is_commented_as_nbgrader_does(course):
    """`No response.` stands at exactly the cells that are as they were released."""
    record(course, ledger(), took(course, softmax="x = 1"))
    with person(course) as (_, note):
        assert note("scaling-softmax-answer").auto_comment is None
        assert note("scaling-attention-answer").auto_comment == "No response."
        assert note("scaling-proof").auto_comment == "No response."


def test_a_submission_is_written_whole_or_not_at_all(course):
    """A failure in the middle leaves the rows as they were."""
    record(course, ledger(**POINTS), took(course, softmax="x = 1"))
    before = scores(course)
    broken = replace(ledger(), results=ledger().results[:3])
    with pytest.raises(ValueError, match="shorter"):
        record(course, broken, took(course, softmax="x = 2"))
    assert scores(course) == before


def test_the_time_of_the_collector_is_taken_over(course):
    """nbgrader's timestamp file decides about lateness; a damaged one is ignored."""
    intake = took(course)
    stamp = course.submission("ada", SLUG).with_name("timestamp.txt")
    for text in ("2026-03-01 12:30:00 UTC", "not a time", "9" * 300):
        stamp.write_text(text, encoding="utf-8")
        record(course, ledger(), intake)
        with programs_on_path(), nbgrader.api.Gradebook(course.gradebook) as found:
            assert found.find_submission(SLUG, "ada").timestamp.isoformat() == "2026-03-01T12:30:00"


def test_a_missing_assignment_is_entered_by_the_release_step(course):
    """A new course needs no command before the first grading."""
    other = Tree(course.root, course.root / "another_course")
    with open_gradebook(other, SLUG) as gradebook:
        assert gradebook.record(ledger("grace", **POINTS), took(course)).points == 7.25
    assert (other.course / "gradebook.db").is_file()


def change_points(tree: Tree) -> None:
    """What another version of the assignment leaves in the gradebook."""
    with programs_on_path(), nbgrader.api.Gradebook(tree.gradebook) as found:
        found.find_grade_cell("scaling-softmax", SLUG, SLUG).max_score = 9
        found.db.commit()


def test_a_gradebook_of_another_version_is_the_teachers_error(course):
    """Scores are never written beside tasks that the gradebook does not know."""
    record(course, ledger(), took(course))
    change_points(course)
    message = r"another version of 06_scaling: scaling-softmax differs .* `attn release .* `attn regrade 06_scaling`"
    with pytest.raises(CurriculumError, match=message), open_gradebook(course, SLUG):
        pass


@pytest.mark.parametrize("table", ["source_cell", "all of a cell", "points"])
def test_an_assignment_that_was_half_entered_is_entered_again(course, table):
    """A run that was killed in nbgrader's release step needs no repair by hand; nobody has handed in yet."""
    expected = cells(course)
    if table == "points":
        change_points(course)
    else:
        with sqlite3.connect(course.gradebook_file) as database:
            for part in ("source_cell",) if table == "source_cell" else ("base_cell", "source_cell"):
                done = database.execute(f"delete from {part} where name = 'scaling-attention-answer'")
                assert done.rowcount == 1
            database.execute("delete from solution_cells where id not in (select id from base_cell)")
        database.close()
    with open_gradebook(course, SLUG) as gradebook:
        assert gradebook.students() == []
    assert cells(course) == expected


def cells(tree: Tree) -> set[tuple]:
    """All that the release step writes, without its random ids."""
    with sqlite3.connect(tree.gradebook_file) as database:
        graded = "select b.name, b.type, g.max_score from base_cell b left join grade_cells g on b.id = g.id"
        rows = {
            *database.execute(graded),
            *database.execute("select name, cell_type, locked, checksum from source_cell"),
        }
    database.close()
    return rows


def test_a_database_whose_version_was_not_written_is_mended(course):
    """A run that was killed while nbgrader made the tables."""
    query = "select version_num from alembic_version"
    with sqlite3.connect(course.gradebook_file) as database:
        expected = database.execute(query).fetchall()
        database.execute("drop table alembic_version")
    database.close()
    record(course, ledger(), took(course))
    with sqlite3.connect(course.gradebook_file) as database:
        assert database.execute(query).fetchall() == expected
    database.close()


def test_the_marks_of_a_class_are_read_at_once(course):
    """By student, comments included, the same as one by one; whoever has no row is not among them."""
    for student in ("ben", "ada"):
        intake = took(course, proof="Because.")
        record(
            course, ledger(student, **POINTS), replace(intake, submission=replace(intake.submission, student=student))
        )
    give(course, "scaling-proof", 4.5, "Name the assumptions.")
    with open_gradebook(course, SLUG) as gradebook:
        found = list(gradebook.all_marks())
        assert found == [gradebook.marks("ada"), gradebook.marks("ben")]
        assert [marks.points for marks in found] == [11.75, 7.25]
        assert [marks.marks[-1].comment for marks in found] == ["Name the assumptions.", ""]
        assert gradebook.students() == ["ada", "ben"]
        assert gradebook.marks("eve").points == 0
