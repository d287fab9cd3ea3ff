"""The table of grades is data for any spreadsheet, never a formula."""

import csv

import pytest
from makers import SLUG, ledger

from autograder.classroom.export import export, guarded, row
from autograder.classroom.gradebook import Mark, Marks
from autograder.curriculum import find_topic
from autograder.judge import journal

TASKS = [task.id for task in find_topic(SLUG).tasks]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"])
def test_what_begins_like_a_formula_is_a_text(text):
    """A spreadsheet shows it instead of calculating it."""
    assert guarded(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "ada", "1+1", "a=b", "é, ü"])
def test_ordinary_text_is_not_changed(text):
    """Only the first character makes a formula."""
    assert guarded(text) == text


def test_every_text_field_is_guarded():
    """Names and reasons come from learners' files."""
    found = ledger("=cmd()", reason="=HYPERLINK(1)")
    line = row(found, Marks("=cmd()", SLUG, (Mark(TASKS[0], -0.5, 3),)), TASKS[:1])
    assert line == ["'=cmd()", SLUG, "-0.5", "3", "", "'=HYPERLINK(1)", "-0.5"]


def test_the_table_has_a_row_per_student_and_says_what_waits(course):
    """Total, maximum, summary, points per task; a comma or a quotation mark in a name survives."""
    for name, points in (("grace", {"softmax": 3, "attention": 2.5}), ('o"neil, b', {})):
        journal.append(course.journal(SLUG), ledger(name, **points))
    journal.append(course.journal(SLUG), ledger("grace", "g", softmax=1))
    journal.append(course.journal(SLUG), ledger("grace", softmax=3, attention=2.5))
    with export(course).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [r["student"] for r in rows] == ["grace", 'o"neil, b']
    assert rows[0]["max"] == "20"
    assert list(rows[0])[:6] == ["student", "assignment", "total", "max", "manual", "summary"]
    assert list(rows[0])[6:] == TASKS


def test_without_any_grading_the_table_is_empty(tree):
    """A header, and nothing that was never graded."""
    assert export(tree).read_text(encoding="utf-8") == "student,assignment,total,max,manual,summary\n"
