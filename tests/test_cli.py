"""The command `attn`: every verb is documented, misuse is a sentence with exit code 2, and starting it is cheap."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from autograder.cli import main

ROOT = Path(__file__).parents[1]
RIGHT = "def additive_score_bound(v):\n    return float(abs(v).sum(dtype=float))\n"


@pytest.fixture
def attn(monkeypatch, tmp_path):
    """Run `attn` in the project's folder, with hints remembered in a folder of the test."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("ATTN_STATE", str(tmp_path / "state"))
    return lambda *words: CliRunner().invoke(main, [str(w) for w in words])


@pytest.mark.parametrize("verb", sorted(main.commands))
def test_every_verb_has_a_help_text(attn, verb):
    """`attn VERB --help` says in a sentence what it does."""
    result = attn(verb, "--help")
    assert result.exit_code == 0
    assert len(main.commands[verb].help or "") > 20


@pytest.mark.parametrize("verb", sorted(main.commands))
def test_every_verb_is_documented_where_its_user_looks(verb):
    """Learners' verbs stand in the README, teachers' in docs/teaching.md, maintainers' in CONTRIBUTING."""
    text = "".join((ROOT / name).read_text() for name in ("README.md", "CONTRIBUTING.md", "docs/teaching.md"))
    assert f"attn {verb}" in text or f"autograder {verb}" in text


def test_check_of_a_file_says_right_and_exits_with_zero(attn, tmp_path):
    """One task in a Python file."""
    path = tmp_path / "mine.py"
    path.write_text(RIGHT)
    result = attn("check", "scaling.additive_bound", path)
    assert (result.exit_code, result.output.splitlines()[-1]) == (0, "1 of 1 right.")


def test_check_of_a_wrong_file_names_the_mistake_and_exits_with_one(attn, tmp_path):
    """The exit code can be used in scripts."""
    path = tmp_path / "mine.py"
    path.write_text("def additive_score_bound(v):\n    return float(len(v))\n")
    result = attn("check", "scaling.additive_bound", path)
    assert result.exit_code == 1
    assert "The mistake: it returns d_a, which is the bound only if every |v_i| is 1." in result.output


def test_check_of_a_notebook_that_is_too_large_is_a_sentence(attn, tmp_path):
    """What the intake refuses when grading is refused here as well, without a traceback."""
    notebook = json.loads((ROOT / "exercises/06_scaling/06_scaling.ipynb").read_text())
    extra = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None, "source": "x = 1\n" * 30_000}
    path = tmp_path / "large.ipynb"
    path.write_text(json.dumps(notebook | {"cells": notebook["cells"] + [extra] * 9}))
    result = attn("check", path)
    assert (result.exit_code, result.exception.__class__) == (2, SystemExit)
    assert result.output.startswith("attn: ")


def test_check_of_a_notebook_checks_every_task_of_it(attn):
    """The solution is right in all tasks, the released exercise is not attempted in any."""
    solved = attn("check", "solutions/06_scaling/06_scaling.ipynb")
    assert (solved.exit_code, solved.output.splitlines()[-1]) == (0, "6 of 6 right.")
    empty = attn("check", "exercises/06_scaling/06_scaling.ipynb")
    assert (empty.exit_code, empty.output.splitlines()[-1], empty.output.count("not attempted")) == (
        1,
        "0 of 6 right.",
        6,
    )


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("check", "scaling.softmx", "x.py"), "There is no task 'scaling.softmx'. Did you mean scaling.softmax"),
        (("check", "scaling.softmax", "nowhere.py"), "nowhere.py cannot be read: No such file or directory."),
        (("check", "nowhere.ipynb"), "nowhere.ipynb cannot be read: No such file or directory."),
        (
            ("check", "scaling.softmax", "MINE"),
            "defines no function named softmax, which is what scaling.softmax asks for.",
        ),
        (("check", "scaling.softmax", "BROKEN"), "stopped with SyntaxError: "),
        (
            ("check", "scaling.proof", "MINE"),
            "scaling.proof is answered in prose and graded by a person; there is nothing to check.",
        ),
        (("check", "README.md"), "README.md is not a notebook"),
        (("check", "notebooks/06_scaling.ipynb"), "holds no cell of an assignment. Check your copy in work/"),
        (("hint", "softmax"), "There is no task 'softmax'. Did you mean scaling.softmax"),
        (("grade", "06_scalin"), "There is no topic '06_scalin'. Known topics: 01_bottleneck"),
        (("build", "07_nothing"), "There is no topic '07_nothing'. Known topics: 01_bottleneck"),
        (("release", "07_nothing"), "There is no topic '07_nothing'. Known topics: 01_bottleneck"),
    ],
)
def test_misuse_is_a_sentence_and_exit_code_two(attn, tmp_path, words, sentence):
    """No traceback reaches a user; what was wrong and what there is instead does."""
    (tmp_path / "mine.py").write_text(RIGHT)
    (tmp_path / "broken.py").write_text("def softmax(:\n")
    files = {"MINE": tmp_path / "mine.py", "BROKEN": tmp_path / "broken.py"}
    result = attn(*(files.get(word, word) for word in words))
    assert result.exit_code == 2
    assert sentence in result.output
    assert "Traceback" not in result.output


def test_outside_the_curriculum_the_error_says_what_is_missing(monkeypatch, tmp_path):
    """A verb that needs the project's files says how it looks for them."""
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["doctor"])
    assert result.exit_code == 2
    assert "is not inside the curriculum" in result.output


def test_hints_come_one_after_the_other_and_again_starts_over(attn):
    """Three calls give three hints; `--again` the first one."""
    first, second = attn("hint", "scaling.softmax").output, attn("hint", "scaling.softmax").output
    assert first.startswith("Hint 1 of 3")
    assert second.startswith("Hint 2 of 3")
    assert attn("hint", "scaling.softmax", "--again").output == first


def test_starting_attn_loads_no_heavy_package():
    """`attn --help` imports neither NumPy nor torch nor nbgrader."""
    code = "import sys, autograder.cli; print([m for m in ('numpy', 'torch', 'nbgrader', 'matplotlib', 'IPython') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_python_m_autograder_is_the_same_command():
    """For Windows, where scripts may not be on the path."""
    done = subprocess.run(
        [sys.executable, "-m", "autograder", "hint", "--help"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ,
    )
    assert "Usage: attn hint" in done.stdout
