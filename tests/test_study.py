"""`attn study` makes copies that it never overwrites, and starts JupyterLab so that it works where it is."""

import shutil
from pathlib import Path

import pytest

from autograder.curriculum import CurriculumError, Tree, find_tree
from autograder.study import has_display, lab_command, prepare


@pytest.fixture
def tree(tmp_path) -> Tree:
    """A copy of the exercises."""
    ours = find_tree(Path(__file__))
    shutil.copytree(ours.root / "exercises", tmp_path / "exercises")
    return Tree(tmp_path, tmp_path / "course")


def test_the_first_call_copies_every_exercise(tree):
    """The copy has the bytes of the release."""
    assert "06_scaling" in [topic.slug for topic in prepare(tree)]
    assert tree.work("06_scaling").read_bytes() == tree.exercise("06_scaling").read_bytes()


def test_a_learners_work_is_never_touched_again(tree):
    """A second call, also after a new release, leaves what the learner wrote."""
    prepare(tree)
    tree.work("06_scaling").write_text("my work")
    assert prepare(tree) == []
    assert tree.work("06_scaling").read_text() == "my work"


def test_a_missing_release_says_how_to_make_it(tree):
    """The sentence names the file and the cure."""
    tree.exercise("06_scaling").unlink()
    with pytest.raises(
        CurriculumError, match=r"06_scaling.ipynb is missing: run `attn release 06_scaling`, or restore it with git\."
    ):
        prepare(tree)


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {}, False),
        ("linux", {"DISPLAY": ":0"}, True),
        ("linux", {"WAYLAND_DISPLAY": "wayland-0"}, True),
        ("linux", {"DISPLAY": ""}, False),
        ("win32", {}, True),
        ("darwin", {}, True),
    ],
)
def test_a_display_is_recognised(platform, variables, expected):
    """Without one JupyterLab must not try to open a browser."""
    assert has_display(platform, variables) is expected


def test_the_command_opens_the_map_and_passes_arguments_on(tree):
    """The address without a display, the map as first page, the user's own arguments last."""
    command = lab_command(tree, browser=False, extra=["--port=9999"])
    assert "--no-browser" in command
    assert "--LabApp.default_url=/lab/tree/notebooks/00_start.ipynb" in command
    assert command[-1] == "--port=9999"
    assert "--no-browser" not in lab_command(tree, browser=True)
