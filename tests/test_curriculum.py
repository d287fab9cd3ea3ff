"""The manifest and the path rules."""

import inspect
import re
from pathlib import Path

import pytest

from autograder.curriculum import CurriculumError, TaskEntry, Tree, find_task, find_topic, find_tree, topics

ROOT = Path(__file__).parents[1]
ROW = """
[[topics]]
slug = "01_demo"
title = "Demo"
minutes = 5
plan = "evening"
needs = []
questions = ["Q001"]
sources = ["A book"]
[topics.tasks]
"demo.double" = 2
"demo.proof" = 1.5
[topics.claims]
measured = ["C001"]
stated = []
"""


def test_a_row_becomes_a_topic(tmp_path: Path):
    """Every key of a row arrives, tasks keep their order, and points add up."""
    manifest = tmp_path / "curriculum.toml"
    manifest.write_text(ROW)
    (topic,) = topics(manifest)
    assert (topic.slug, topic.title, topic.minutes, topic.needs) == ("01_demo", "Demo", 5, ())
    assert topic.tasks == (TaskEntry("demo.double", 2), TaskEntry("demo.proof", 1.5))
    assert (topic.questions, topic.sources, topic.claims_measured, topic.claims_stated) == (
        ("Q001",), ("A book",), ("C001",), ()
    )  # fmt: skip
    assert topic.points == 3.5
    assert topic.task_module == "autograder.tasks.01_demo"


def test_grade_ids_are_what_nbgrader_allows():
    """nbgrader allows letters, digits, _ and - only, and every id of the manifest is used once."""
    entries = [task for topic in topics() for task in topic.tasks]
    ids = [id for task in entries for id in (task.grade_id, task.answer_id)]
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]+", id) for id in ids)
    assert len(set(ids)) == len(ids)
    assert TaskEntry("scaling.softmax_jacobian", 2).grade_id == "scaling-softmax_jacobian"
    assert TaskEntry("scaling.proof", 2).written
    assert not TaskEntry("scaling.proof_reading", 2).written


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[topics]", "curriculum.toml is not valid TOML: .* Mend that line."),
        (ROW.replace('title = "Demo"\n', ""), "curriculum.toml: topic 01_demo lacks the key 'title'. Add it."),
        (ROW.replace('slug = "01_demo"\n', ""), "curriculum.toml: topic number 1 lacks the key 'slug'. Add it."),
        (ROW.replace("stated = []\n", ""), "curriculum.toml: topic 01_demo lacks the key 'stated'. Add it."),
    ],
)
def test_a_manifest_that_cannot_be_read_says_where(tmp_path: Path, text: str, says: str):
    """The author is told the topic and the key, not shown a traceback."""
    manifest = tmp_path / "curriculum.toml"
    manifest.write_text(text)
    with pytest.raises(CurriculumError, match=says):
        topics(manifest)


def test_unknown_names_are_answered_with_known_ones(tmp_path: Path):
    """A typing error is one look away from its cure."""
    with pytest.raises(CurriculumError, match=r"There is no topic '6_scaling'. Known topics: .*06_scaling"):
        find_topic("6_scaling")
    with pytest.raises(CurriculumError, match=r"There is no task 'scaling.sofmax'. Did you mean scaling.softmax"):
        find_task("scaling.sofmax")
    with pytest.raises(CurriculumError, match=r"There is no manifest at .*; restore it from git"):
        topics(tmp_path / "curriculum.toml")
    assert find_task("scaling.softmax") == (find_topic("06_scaling"), TaskEntry("scaling.softmax", 3))


def test_the_slug_is_the_join_key():
    """Every path of a topic holds its slug, and no two paths are the same."""
    tree = Tree(ROOT, ROOT / "course")
    rules = [
        method
        for name, method in inspect.getmembers(tree, inspect.ismethod)
        if list(inspect.signature(method).parameters) in (["slug"], ["student", "slug"])
        and name not in ("topic", "files", "students")
    ]
    assert len(rules) > 10
    paths = [rule(*["ada", "06_scaling"][-len(inspect.signature(rule).parameters) :]) for rule in rules]
    assert all("06_scaling" in path.name or path.parent.name == "06_scaling" for path in paths)
    assert len(set(paths)) == len(paths)
    assert set(tree.files("06_scaling").values()) < set(paths)


def test_assignment_folders_hold_one_notebook_each():
    """nbgrader copies everything beside a solution into the release, so the text lies outside."""
    tree = Tree(ROOT, ROOT / "course")
    assert tree.solution_text("06_scaling").parent != tree.solution("06_scaling").parent


def test_the_tree_is_found_from_any_folder_inside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Commands work from anywhere in the checkout; elsewhere they say what they look for."""
    monkeypatch.delenv("ATTN_COURSE", raising=False)
    (tmp_path / "solutions" / "deep").mkdir(parents=True)
    (tmp_path / "nbgrader_config.py").touch()
    assert find_tree(tmp_path / "solutions" / "deep") == Tree(tmp_path, tmp_path / "course")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ATTN_COURSE", "course_demo")
    assert find_tree().gradebook == f"sqlite:///{tmp_path}/course_demo/gradebook.db"
    with pytest.raises(
        CurriculumError, match=r"is not inside the curriculum: no folder above it holds nbgrader_config.py"
    ):
        find_tree(Path("/"))


def test_paths_are_shown_and_linked_relatively(tmp_path: Path):
    """Messages and pages must not depend on where the checkout lies."""
    tree = Tree(tmp_path, tmp_path / "course")
    assert tree.shown(tree.lecture("06_scaling")) == "notebooks/06_scaling.ipynb"
    assert tree.link(tree.claims_page, tree.lecture("06_scaling")) == "../notebooks/06_scaling.ipynb"
    assert (
        tree.link(tree.lecture("06_scaling"), tree.exercise("06_scaling")) == "../exercises/06_scaling/06_scaling.ipynb"
    )


def test_students_are_those_with_a_folder_for_the_assignment(tmp_path: Path):
    """In alphabetical order; no course, no students."""
    tree = Tree(tmp_path, tmp_path / "course")
    assert list(tree.students("06_scaling")) == []
    for student, slug in (("bo", "06_scaling"), ("ada", "06_scaling"), ("cy", "07_masks")):
        tree.submission(student, slug).parent.mkdir(parents=True)
    assert list(tree.students("06_scaling")) == ["ada", "bo"]
