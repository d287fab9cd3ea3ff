"""Building, and pulling an edit back."""

import json
import os
from pathlib import Path

import pytest
from demo_course import SLUG, plain_tree

from autograder.authoring.build import build, pull
from autograder.authoring.notebook import code_cells, not_executed, read
from autograder.curriculum import CurriculumError, Tree


@pytest.fixture
def bare(tmp_path: Path) -> Tree:
    """A tree whose solution is a few lines, so that a build takes a second."""
    tree = plain_tree(tmp_path)
    tree.lecture_text(SLUG).unlink()
    return tree


def test_built_notebooks_are_executed_in_order(healthy: Tree):
    """Counts run from 1 to n, outputs are kept, and nothing failed."""
    for path in (healthy.lecture(SLUG), healthy.solution(SLUG)):
        assert not_executed(read(path)) is None
    (measured,) = [cell for cell in code_cells(read(healthy.lecture(SLUG))) if cell["source"].startswith("claim(")]
    assert measured["outputs"][0]["text"] == "C001 ✓ measured 4, expected 4\n"


def test_an_unchanged_text_is_not_run_again(tree: Tree):
    """A build that has nothing to do takes no time and touches nothing."""
    before = tree.lecture(SLUG).stat().st_mtime_ns
    assert [(built.executed, built.changed) for built in build(tree, SLUG)] == [(False, False), (False, False)]
    assert tree.lecture(SLUG).stat().st_mtime_ns == before


def test_two_forced_builds_give_the_same_bytes(bare: Tree):
    """No times, no random ids: what reviewers see is what the author changed. Widgets and streams are hard cases."""
    bare.solution_text(SLUG).write_text(
        "# %%\nimport sys\nfrom ipywidgets import IntSlider\n\n"
        "# %%\nprint(1)\nprint('noise', file=sys.stderr)\nprint(2)\nIntSlider()\n\n# %%\n"
    )
    (first,) = build(bare, SLUG)
    bytes_then = bare.solution(SLUG).read_bytes()
    (second,) = build(bare, SLUG, force=True)
    assert first.executed
    assert second.executed
    assert not second.changed
    assert bare.solution(SLUG).read_bytes() == bytes_then
    assert b"widget-view" not in bytes_then
    cells = code_cells(json.loads(bytes_then))
    assert [output.get("name") for output in cells[1]["outputs"]] == ["stdout", "stderr", None]
    assert [cell["execution_count"] for cell in cells] == [1, 2, 3]


def test_figures_are_drawn_whatever_the_author_has_set(bare: Tree, monkeypatch: pytest.MonkeyPatch):
    """MPLBACKEND=agg, which every CI sets, must not empty the figures of a build; programs come from this Python."""
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setenv("PATH", "/nowhere")
    bare.solution_text(SLUG).write_text(
        "# %%\nimport os, shutil\nprint(os.environ.get('MPLBACKEND'), shutil.which('jupyter'))\n"
    )
    build(bare, SLUG)
    printed = code_cells(read(bare.solution(SLUG)))[0]["outputs"][0]["text"]
    assert "agg" not in printed
    assert "None" not in printed.split()[1]


def test_a_failing_cell_is_named_with_its_line_and_error(bare: Tree):
    """The author is sent to the cell, and the notebook that was there stays."""
    bare.solution(SLUG).parent.mkdir()
    bare.solution(SLUG).write_text("what was there")
    bare.solution_text(SLUG).write_text("# %%\nx = 1\n\n# %% [markdown]\n# ## Ratios\n\n# %%\ny = 0\nx / y\n")
    with pytest.raises(CurriculumError) as error:
        build(bare, SLUG)
    assert str(error.value) == (
        "solutions/01_demo.py, cell 'ratios-001' (line 9): ZeroDivisionError: division by zero. "
        "Mend the text and run `attn build 01_demo` again."
    )
    bare.solution_text(SLUG).write_text("# %%\nassert False\n")
    with pytest.raises(CurriculumError, match=r"cell 'cell-001' \(line 2\): AssertionError. Mend the text"):
        build(bare, SLUG)
    assert bare.solution(SLUG).read_text() == "what was there"
    assert len(list(bare.solution(SLUG).parent.iterdir())) == 1


def test_a_lecture_that_fails_does_not_keep_its_solution_from_being_built(bare: Tree):
    """Both are built as far as they go; every problem is named."""
    bare.lecture_text(SLUG).write_text("# %% titel\n1\n")
    with pytest.raises(CurriculumError, match=r"^notebooks/01_demo.py, .*: unknown key 'title' in its header[^\n]*$"):
        build(bare, SLUG)
    assert not_executed(read(bare.solution(SLUG))) is None


def test_a_topic_without_texts_or_without_a_row_is_refused(bare: Tree):
    """Both sentences say what to do."""
    bare.solution_text(SLUG).unlink()
    with pytest.raises(
        CurriculumError, match=r"There is nothing to build for 01_demo: neither notebooks/01_demo.py nor"
    ):
        build(bare, SLUG)
    with pytest.raises(CurriculumError, match=r"There is no topic '02_stray'. Known topics: 01_demo."):
        build(bare, "02_stray")


def edit(path: Path, old: str, new: str) -> None:
    """Edit a stored notebook as JupyterLab would, a moment later than its text."""
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    os.utime(path, (path.stat().st_atime, path.stat().st_mtime + 10))


def test_pull_brings_an_edit_into_the_text_and_nothing_else(tree: Tree):
    """One line changes; then a build has something to do."""
    before = tree.solution_text(SLUG).read_text(encoding="utf-8")
    edit(tree.solution(SLUG), "Prove that double is linear.", "Prove that `double` is linear.")
    assert pull(tree, tree.solution(SLUG)).changed
    after = tree.solution_text(SLUG).read_text(encoding="utf-8")
    assert after == before.replace("Prove that double is linear.", "Prove that `double` is linear.")


def test_pull_of_an_unedited_notebook_changes_nothing(tree: Tree):
    """Pulling is safe to repeat."""
    before = tree.lecture_text(SLUG).read_bytes()
    assert not pull(tree, tree.lecture(SLUG)).changed
    assert tree.lecture_text(SLUG).read_bytes() == before


def test_pull_does_not_overwrite_a_newer_edit_of_the_text(tree: Tree):
    """Two edits, one of which would be lost: the author decides."""
    edit(tree.lecture(SLUG), "doubles it.", "makes it twice as large.")
    text = tree.lecture_text(SLUG)
    edit(text, "The sum of a number", "A number plus a number")
    os.utime(text, (0, tree.lecture(SLUG).stat().st_mtime + 10))
    with pytest.raises(
        CurriculumError, match=r"is newer than notebooks/01_demo.ipynb and differs from it; pulling would"
    ):
        pull(tree, tree.lecture(SLUG))
    assert pull(tree, tree.lecture(SLUG), force=True).changed
    assert "makes it twice as large." in text.read_text()


def test_pull_refuses_what_has_no_text_and_what_would_not_build(tree: Tree):
    """An exercise is derived from its solution; a copied check cell would be graded twice."""
    with pytest.raises(CurriculumError, match="is neither a lecture nor a solution, so it has no text to pull into"):
        pull(tree, tree.exercise(SLUG))
    nb = json.loads(tree.solution(SLUG).read_text())
    (check,) = [cell for cell in nb["cells"] if cell["id"] == "demo-double"]
    nb["cells"].append({**check, "id": "pasted"})
    tree.solution(SLUG).write_text(json.dumps(nb))
    os.utime(tree.solution(SLUG), (0, tree.solution_text(SLUG).stat().st_mtime + 10))
    before = tree.solution_text(SLUG).read_bytes()
    with pytest.raises(CurriculumError, match="two cells are called 'demo-double'"):
        pull(tree, tree.solution(SLUG))
    assert tree.solution_text(SLUG).read_bytes() == before


def test_a_file_that_is_no_notebook_is_named(tree: Tree):
    """Half a file, say after a full disk."""
    tree.solution(SLUG).write_text("{")
    with pytest.raises(
        CurriculumError, match=r"is not a notebook: its JSON cannot be read. Build or release it again."
    ):
        read(tree.solution(SLUG))
    with pytest.raises(CurriculumError, match=r"is missing: .* does not exist. Run `attn build`."):
        read(tree.root / "nothing.ipynb")
