"""Lines for IPython are taken out, Python is not touched, and no cell keeps the intake busy."""

import ast
import time

import pytest

from autograder.classroom.magics import Effort, without_magics

TAKEN = {
    "line": ("%matplotlib inline\nx = 1", "pass  # %matplotlib inline\nx = 1"),
    "shell": ("x = 1\n!ls -la 'a", "x = 1\npass  # !ls -la 'a"),
    "continued shell": ("!pip install \\\n  numpy\nx = 1", "pass  # !pip install \\\n#   numpy\nx = 1"),
    "assigned": ("files = !ls\nx = 1", "files = []  # files = !ls\nx = 1"),
    "timed statement": ("def f():\n    %time y = 3\n    return y", "def f():\n    y = 3\n    return y"),
    "timed with options": ("%timeit -n 10 -r 3 abs(1)", "abs(1)"),
    "only in a block": ("if 1:\n    !ls\n", "if 1:\n    pass  # !ls\n"),
    "help": ("abs?\n?abs\nx = 1", "pass  # abs?\npass  # ?abs\nx = 1"),
    "timed cell": ("%%time\nx = 1", "# %%time\nx = 1"),
    "shell cell": ("\n%%bash\necho 'x\nls", "\n# %%bash\n# echo 'x\n# ls"),
    "file cell": ("%%writefile a.py\nx = 1", "# %%writefile a.py\n# x = 1"),
    "magic in a timed cell": ("%%time\n%pwd\nx = 1", "# %%time\npass  # %pwd\nx = 1"),
}


@pytest.mark.parametrize(("source", "python"), TAKEN.values(), ids=TAKEN)
def test_magics_are_taken_out_line_by_line(source, python):
    """What remains is Python with the same line numbers, and the lines are reported."""
    found, taken = without_magics(source)
    assert found == python
    assert found.count("\n") == source.count("\n")
    ast.parse(found)
    assert taken
    assert all(line in source for line in taken)


PYTHON = [
    "x = (7\n  % 4)",
    "s = '''\n%time x\n!ls\n'''",
    "y = 7 \\\n% 4",
    "'really?'",
    "x = 5 % 3",
    "a = b != c",
    "",
    "\n\n",
]
BROKEN = ["def f(:\n", "x = ?\\", "return 1", "((((", "x = 1 %"]


@pytest.mark.parametrize("source", PYTHON + BROKEN)
def test_what_is_no_magic_stays_as_it_is(source):
    """Modulo, strings that look like magics, and ordinary syntax errors are the learner's own."""
    assert without_magics(source) == (source, ())


HOSTILE = {
    "deep brackets": "%ls\n" + "(" * 200_000,
    "many signs": "%ls\n" + "-" * 400_000 + "1",
    "many magics": "%ls\n" * 40_000,
    "many blank lines": "\n" * 800_000 + "%ls (",
    "one long line": "%" + " " * 800_000 + "?",
    "spaces before an assignment": " " * 800_000 + "x = !",
    "NUL": "%ls\n\x00",
}


@pytest.mark.parametrize("source", HOSTILE.values(), ids=HOSTILE)
def test_no_cell_keeps_the_intake_busy(source):
    """The work is bounded however the cell is built."""
    start = time.perf_counter()
    without_magics(source)
    assert time.perf_counter() - start < 5


def test_all_cells_of_a_notebook_share_one_effort():
    """A hundred cells full of magics cost no more than one; those that come too late stay as they are."""
    source, effort = "%ls\nx = 1\n" * 1000, Effort(300_000)
    found = [without_magics(source, effort) for _ in range(100)]
    assert effort.left <= 0
    assert found[0][1]
    assert found[-1] == (source, ())
    assert without_magics("%ls", Effort()) == ("pass  # %ls", ("%ls",))
