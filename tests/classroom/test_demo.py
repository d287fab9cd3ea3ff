"""The sample class, graded for real: each made-up learner gets what their file promises, and plain nbgrader agrees."""

import csv
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from dataclasses import replace
from io import StringIO
from pathlib import Path

import nbgrader as nbgrader_package
import pytest
from makers import SLUG, hand_in
from nbconvert.exporters import HTMLExporter
from rich.console import Console

from autograder.classroom.demo import MARKER, make_sample_class, sample_learners
from autograder.classroom.grading import grade_class
from autograder.classroom.show import run_and_show, verify_and_show
from autograder.curriculum import CurriculumError, Tree
from autograder.judge import journal
from autograder.judge.sandbox import find_sandbox
from tests.durability.classes import PROJECT, copied

EXPECTED = {  # points, and what the reason must name
    "amara_okafor": (8, "scaled_scores: leaves out the scale; attention: leaves out the scale"),
    "dmitri_volkov": (0, "There is no 06_scaling.ipynb. In its place lie: 06_scaling.pdf."),
    "elif_demir": (13, "dot_variance: crashed"),
    "hana_sato": (0, "06_scaling.ipynb is not a notebook: its JSON is broken"),
    "jonas_lindqvist": (0, "nothing attempted"),
    "leo_fontaine": (5, "softmax: crashed"),
    "mira_castellanos": (15, "all right"),
    "noah_brandt": (10, "attention: takes the scale from the number of keys"),
    "priya_raman": (5, "softmax: exponentiates without subtracting the maximum; scaled_scores: divides by d_k"),
    "tomasz_wilk": (13, "attention: fills hidden scores with −1e9"),
}
GRADES = """
    select submitted_assignment.student_id, base_cell.name, auto_score, manual_score, extra_credit, needs_manual_grade
    from grade join base_cell on grade.cell_id = base_cell.id
    join submitted_notebook on grade.notebook_id = submitted_notebook.id
    join submitted_assignment on submitted_notebook.assignment_id = submitted_assignment.id
"""
COMMENTS = GRADES.replace("auto_score, manual_score, extra_credit, needs_manual_grade", "auto_comment, manual_comment")
COMMENTS = COMMENTS.replace("from grade ", "from comment ").replace("grade.", "comment.")


def rows(tree: Tree, query: str) -> set[tuple]:
    """A table of the gradebook."""
    with sqlite3.connect(tree.course / "gradebook.db") as database:
        return set(database.execute(query).fetchall())


@pytest.fixture(scope="module")
def shown(bubblewrap, entered, tmp_path_factory) -> tuple[Tree, str]:
    """The demonstration of `make grade`, and what it printed."""
    tree = copied(entered, tmp_path_factory.mktemp("demonstration"))
    printed = StringIO()
    console = Console(file=printed, width=160)
    assert run_and_show(SLUG, bubblewrap, (), None, demo=True, console=console, tree=tree) == 0
    return tree.demonstration(), printed.getvalue()


AGREE = ("hana_sato", "jonas_lindqvist", "noah_brandt", "tomasz_wilk")  # broken, untouched, renamed, partly right


@pytest.fixture(scope="module")
def plain(shown, entered, tmp_path_factory) -> Tree:
    """Some of the same submissions in another course, and a copied cell, graded by `nbgrader autograde` alone."""
    demonstration, _ = shown
    tree = copied(entered, tmp_path_factory.mktemp("plain"))
    for name in AGREE:
        shutil.copytree(demonstration.submission(name, SLUG).parent, tree.submission(name, SLUG).parent)
    shutil.copyfile(demonstration.secret, tree.secret)
    untouched = json.loads(tree.submission("jonas_lindqvist", SLUG).read_text(encoding="utf-8"))
    hand_in(tree, {**untouched, "cells": untouched["cells"] * 2}, "adam_copy")
    result = nbgrader(tree, "autograde", SLUG)
    assert result.returncode == 0, result.stderr
    assert "SAWarning" not in result.stderr
    return tree


def nbgrader(tree: Tree, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run nbgrader as a teacher does, in the checkout's root."""
    programs = str(Path(sys.executable).parent)
    environment = os.environ | {"PATH": programs + os.pathsep + os.environ["PATH"], "PYTHONPATH": str(PROJECT)}
    environment.pop("ATTN_COURSE", None)
    command = [sys.executable, "-m", "nbgrader", *arguments]
    return subprocess.run(command, cwd=tree.root, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.sandbox
def test_every_learner_gets_points_and_reason(shown):
    """The table of grades agrees with what each file of the sample class promises."""
    with shown[0].export().open(encoding="utf-8", newline="") as file:
        found = {row["student"]: (float(row["total"]), row["summary"]) for row in csv.DictReader(file)}
    assert found.keys() == EXPECTED.keys()
    assert {name: points for name, (points, _) in found.items()} == {name: p for name, (p, _) in EXPECTED.items()}
    for name, (_, reason) in EXPECTED.items():
        assert reason in found[name][1]


@pytest.mark.sandbox
def test_the_table_has_a_reason_per_row_and_says_where_everything_is(shown):
    """Names, reasons, the sandbox's layers, and the paths of pages and grades."""
    tree, text = shown
    for name, (points, _) in EXPECTED.items():
        assert f"│ {name:<16} │ {points:>6} │ 20 │" in text
    assert "all right" in text
    layers = find_sandbox("bwrap").layers
    assert f"Sandbox bwrap: {'; '.join(layers)}; own processes, mounts and IPC; limits; no capabilities" in text
    assert "seccomp. Its self-test found no way out." in text
    assert "course_demo/feedback/STUDENT/06_scaling/06_scaling.html" in text
    assert "course_demo/grades.csv" in text
    assert "ATTN_COURSE=course_demo jupyter lab" in text
    assert all(tree.feedback(name, SLUG).is_file() for name in EXPECTED)


@pytest.mark.sandbox
def test_formgrader_shows_score_fields_reports_and_the_rubric(shown):
    """Its own template renders the graded notebook: a field per graded cell, the rubric above the written answer."""
    templates = Path(nbgrader_package.__file__).parent / "server_extensions" / "formgrader" / "templates"
    exporter = HTMLExporter(template_name="formgrade", extra_template_basedirs=[str(templates)])
    names = ("base_url", "submission_id", "notebook_id", "assignment_id", "student", "first_name", "last_name")
    resources = dict.fromkeys((*names, "notebook_path"), "x") | {"index": 0, "total": 1}
    page, _ = exporter.from_filename(str(shown[0].autograded("tomasz_wilk", SLUG)), resources=resources)
    assert page.count('class="score tabbable"') == 7
    assert "fills hidden scores with −1e9" in page
    rubric, answer = (
        page.index("Rubric, for the grader"),
        page.index("Assume the components of q and k are independent"),
    )
    assert page.index("naming every assumption where you use it") < rubric < answer


@pytest.mark.sandbox
def test_a_second_run_judges_nothing_and_gives_the_same(shown, bubblewrap):
    """The journal stays as it is, and so do gradebook and table."""
    tree, _ = shown
    before = tree.journal(SLUG).read_bytes(), rows(tree, GRADES), tree.export().read_bytes()
    assert len(grade_class(tree, SLUG, bubblewrap)) == len(EXPECTED)
    assert (tree.journal(SLUG).read_bytes(), rows(tree, GRADES), tree.export().read_bytes()) == before


@pytest.mark.sandbox
def test_a_replay_on_the_same_machine_shows_no_difference(shown, bubblewrap):
    """Every learner is judged again with the same secret, and not a byte of the course changes."""
    tree, _ = shown
    before = {path: path.read_bytes() for path in tree.course.rglob("*") if path.is_file()}
    printed = StringIO()
    assert verify_and_show(SLUG, bubblewrap, (), None, Console(file=printed, width=160), tree) == 0
    assert f"{len(EXPECTED)} replayed, 0 differ, 0 not replayed." in printed.getvalue()
    assert {path: path.read_bytes() for path in tree.course.rglob("*") if path.is_file()} == before


@pytest.mark.sandbox
def test_a_real_resubmission_never_keeps_an_old_score(shown, bubblewrap, tmp_path):
    """nbgrader keeps the old score when checks are deleted or the kernel ends; here what runs now decides."""
    tree = copied(Tree(shown[0].root, shown[0].course), tmp_path).demonstration()
    perfect = json.loads(tree.submission("mira_castellanos", SLUG).read_text(encoding="utf-8"))
    checks = {task.grade_id for task in tree.topic(SLUG).tasks}
    unchecked = [c for c in perfect["cells"] if c["metadata"].get("nbgrader", {}).get("grade_id") not in checks]
    hand_in(tree, {**perfect, "cells": unchecked}, "mira_castellanos")
    for cell in perfect["cells"]:
        if cell["metadata"].get("nbgrader", {}).get("grade_id", "").endswith("-answer"):
            cell["source"] = "import os\nos._exit(0)"
    hand_in(tree, perfect, "tomasz_wilk")
    mira, tomasz = grade_class(tree, SLUG, bubblewrap, students=["mira_castellanos", "tomasz_wilk"])
    assert (mira.marks.points, mira.marks.waiting) == (15, ())  # all that was answered, but for the proof
    assert (tomasz.marks.points, tomasz.marks.waiting) == (0, ("scaling.proof",))
    held = {row[1]: row[2] for row in rows(tree, GRADES) if row[0] == "tomasz_wilk"}
    assert held == {task.grade_id: None if task.written else 0 for task in tree.topic(SLUG).tasks}


@pytest.mark.sandbox
def test_plain_nbgrader_fills_the_gradebook_with_the_same_rows(shown, plain):
    """Scores, waiting cells and comments are equal, for mistakes, broken files and renamed ones alike."""
    for query in (GRADES, COMMENTS):
        expected = {row for row in rows(shown[0], query) if row[0] in AGREE}
        assert len(expected) == len(AGREE) * 7
        assert {row for row in rows(plain, query) if row[0] in AGREE} == expected
    here, there = (journal.latest(journal.read(tree.journal(SLUG))) for tree in (plain, shown[0]))
    assert {name: here[name] for name in AGREE} == {name: there[name] for name in AGREE}


@pytest.mark.sandbox
def test_a_copied_cell_does_not_stop_plain_nbgrader(plain):
    """nbgrader alone would give up on everyone who comes after it."""
    found = {row for row in rows(plain, GRADES) if row[0] == "adam_copy"}
    assert len(found) == 7
    assert {row[2:] for row in found} == {(0, None, None, 0)}


@pytest.mark.sandbox
def test_plain_nbgrader_makes_feedback_and_exports(plain):
    """Its pages show the reports and not the rubric; its table lies in the course."""
    result = nbgrader(plain, "generate_feedback", SLUG, "--student=tomasz_wilk")
    assert result.returncode == 0, result.stderr
    page = plain.feedback("tomasz_wilk", SLUG).read_text(encoding="utf-8")
    assert "fills hidden scores with −1e9" in page
    assert "Rubric, for the grader" in plain.autograded("tomasz_wilk", SLUG).read_text(encoding="utf-8")
    assert "Rubric" not in page
    result = nbgrader(plain, "export")
    assert result.returncode == 0, result.stderr
    assert "tomasz_wilk" in (plain.course / "nbgrader_export.csv").read_text(encoding="utf-8")


def test_the_sample_class_holds_every_kind_of_learner(course):
    """Perfect, untouched, mistakes, a crash, broken JSON, a missing file; each says who it is."""
    learners = {learner.name: learner for learner in sample_learners(course, SLUG)}
    assert learners.keys() == EXPECTED.keys()
    states = {learner.hand_in for learner in learners.values()}
    assert states == {"as it should", "untouched", "cut off", "missing", "renamed"}
    assert all(learner.about.endswith(".") for learner in learners.values())
    assert learners["mira_castellanos"].functions == {}


def test_submissions_are_the_exercise_with_the_learners_answers(course):
    """Nothing of the solution's marks is in them, and one learner's functions are only theirs."""
    tree = course.demonstration()
    make_sample_class(tree, SLUG)
    perfect = tree.submission("mira_castellanos", SLUG).read_text(encoding="utf-8")
    assert "    raise NotImplementedError()" not in perfect
    assert "BEGIN SOLUTION" not in perfect
    assert "-1e9" in tree.submission("tomasz_wilk", SLUG).read_text(encoding="utf-8")
    assert "-1e9" not in perfect


def test_a_second_demonstration_starts_afresh_and_a_real_course_is_never_touched(course):
    """Only a course that a demonstration made is removed."""
    tree = course.demonstration()
    make_sample_class(tree, SLUG)
    (tree.course / "old.txt").write_text("x", encoding="utf-8")
    make_sample_class(tree, SLUG)
    assert not (tree.course / "old.txt").exists()
    (tree.course / MARKER).unlink()
    with pytest.raises(CurriculumError, match="course_demo was not made by a demonstration, so it is not touched"):
        make_sample_class(tree, SLUG)
    with pytest.raises(CurriculumError, match="course was not made by a demonstration"):
        make_sample_class(course, SLUG)


FAULTS = {
    "unknown function": ("def foo():\n    pass\n", "new.py defines foo, which no answer cell of 06_scaling does"),
    "unknown state": ('HAND_IN = "late"\n', "HAND_IN is 'late'; there are as it should, untouched"),
}


@pytest.mark.parametrize(("source", "sentence"), FAULTS.values(), ids=FAULTS)
def test_a_fault_in_the_sample_class_names_the_file(course, source, sentence):
    """Nothing is made before all of it is understood."""
    (course.sample_class(SLUG) / "new.py").write_text(source, encoding="utf-8")
    with pytest.raises(CurriculumError) as caught:
        make_sample_class(course.demonstration(), SLUG)
    assert sentence in str(caught.value)
    assert not course.demonstration().course.exists()


def test_what_is_missing_for_the_sample_class_is_said(course):
    """No class, or no solution to make it from."""
    course.solution(SLUG).unlink()
    with pytest.raises(CurriculumError, match=r"solutions/06_scaling/06_scaling\.ipynb is missing"):
        make_sample_class(course.demonstration(), SLUG)
    shutil.rmtree(course.sample_class(SLUG))
    with pytest.raises(CurriculumError, match="There is no sample class for 06_scaling"):
        make_sample_class(course.demonstration(), SLUG)


def test_trees_of_a_demonstration_differ_only_in_the_course(course):
    """The exercise and the manifest are those of the checkout."""
    assert course.demonstration() == replace(course, course=course.root / "course_demo")
