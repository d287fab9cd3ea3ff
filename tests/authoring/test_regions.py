"""Solution regions: every slip that would publish an answer is named."""

import pytest

from autograder.authoring.regions import secrets, slips, split

ANSWER = {"solution": True, "grade": False}
GOOD = "def double(x):\n    ### BEGIN SOLUTION\n    return 2 * x\n    ### END SOLUTION"


def cell(source: str, nbgrader: dict = ANSWER, cell_type: str = "code") -> dict:
    """A cell with nbgrader metadata."""
    return {"cell_type": cell_type, "source": source, "metadata": {"nbgrader": nbgrader} if nbgrader else {}, "id": "c"}


def test_a_right_region_has_no_slip():
    """Nor have cells without an answer, whatever their prose says about beginnings and ends."""
    assert list(slips(cell(GOOD))) == []
    assert list(slips(cell("The solution begins in the end: begin with the mask.", {}, "markdown"))) == []
    assert list(slips(cell("# begin of the loop\nfor x in y: pass  # end", {}))) == []


@pytest.mark.parametrize(
    "line",
    [
        "### BEGIN SOLUTIONS",
        "### BEGIN SOLUTON",
        "## BEGIN SOLUTION",
        "### BEGIN  SOLUTION",
        "###BEGIN SOLUTION",
        "### Begin Solution",
        "### BEIGN SOLUTION",
        "x = 1  ### BEGIN SOLUTION",
        "### BEGIN HIDDEN TESTS",
        "### BEGIN HIDDEN TEST",
        "### BEGIN MARK SCHEME",
    ],
)
def test_a_misspelt_delimiter_is_named(line: str):
    """nbgrader releases what follows a misspelt delimiter, and says nothing."""
    (problem,) = slips(cell(line, {}))
    assert problem == f"has the line `{line}`, which is not exactly `### BEGIN SOLUTION` or `### END SOLUTION`"


def test_unclosed_nested_and_stray_regions_are_named():
    """What nbgrader reports with a page of traceback, or accepts."""
    assert list(slips(cell("### BEGIN SOLUTION\nx"))) == ["has a `### BEGIN SOLUTION` that is never closed"]
    assert list(slips(cell("### BEGIN SOLUTION\n### BEGIN SOLUTION\n### END SOLUTION"))) == [
        "has a second `### BEGIN SOLUTION` before an `### END SOLUTION`"
    ]
    assert list(slips(cell(GOOD + "\n### END SOLUTION"))) == [
        "has an `### END SOLUTION` without a `### BEGIN SOLUTION`"
    ]


def test_regions_belong_into_answers_and_answers_need_one():
    """Elsewhere nbgrader refuses; an answer without a region loses its signature in the release."""
    assert list(slips(cell(GOOD, {}))) == ["has a solution region but is neither an answer nor a written cell"]
    assert list(slips(cell("def double(x): ..."))) == [
        "is an answer without a solution region, so the release removes its signature too: add `### BEGIN SOLUTION`"
    ]


def test_secrets_are_the_lines_that_only_the_answer_has():
    """A line that learners see anyway, or one too short to tell anything, is no secret; a written answer is one."""
    answer = cell(
        "def f(x):\n    ### BEGIN SOLUTION\n    total = x + x\n    import numpy as np\n    x\n    ### END SOLUTION"
    )
    setup = cell("import numpy as np", {"locked": True})
    proof = cell("By distributivity.", {"solution": True, "grade": True}, "markdown")
    assert split(answer) == (["total = x + x", "import numpy as np", "x"], ["def f(x):"])
    assert secrets({"cells": [setup, answer, proof]}, shortest=10) == {"total = x + x", "By distributivity."}
