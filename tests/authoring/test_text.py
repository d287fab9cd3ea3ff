"""Percent text to notebook and back."""

import nbformat
import pytest

from autograder.authoring.notebook import dumps
from autograder.authoring.text import cell_lines, to_notebook, to_text
from autograder.curriculum import CurriculumError, TaskEntry, Topic

TOPIC = Topic(
    slug="01_demo",
    title="Twice",
    minutes=5,
    plan="evening",
    needs=(),
    questions=("Q001",),
    sources=(),
    tasks=(TaskEntry("demo.double", 2), TaskEntry("demo.proof", 3)),
    claims_measured=(),
    claims_stated=(),
)
TEXT = """\
# %% [markdown] question="Q001" kind="derive" minutes=6
# ### Why $\\frac{a}{b}$?

# %% [markdown] claims="C001, C002"
# Claims.

# %% answer="demo.double"
def double(x):
    ### BEGIN SOLUTION
    return 2 * x
    ### END SOLUTION


# %% check="demo.double" tags=["nbval-ignore-output"]
check("demo.double", double)

# %% locked="setup"
# %matplotlib inline
import math

# %% [markdown] written="demo.proof"
# By distributivity.
"""


def one(header: str, source: str = "x = 1") -> dict:
    """The notebook cell of a text with one cell."""
    return to_notebook(f"# %% {header}\n{source}\n", TOPIC, "notebooks/01_demo.py")["cells"][0]


def refused(header: str, source: str = "x = 1") -> str:
    """Why a text with this one cell is refused."""
    with pytest.raises(CurriculumError) as error:
        one(header, source)
    return str(error.value)


def test_round_trip_keeps_every_byte():
    """A text becomes a notebook and the same text again, its LaTeX, magics and metadata included."""
    nb = to_notebook(TEXT, TOPIC, "t.py")
    assert to_text(nb, TOPIC, "t.py") == TEXT


def test_stored_notebook_goes_back_too():
    """The file sorts its keys; the text that comes from it does not depend on that."""
    stored = nbformat.reads(dumps(to_notebook(TEXT, TOPIC, "t.py")), as_version=4)
    assert to_text(dict(stored), TOPIC, "t.py") == TEXT


def test_unusual_blank_lines_survive_when_the_old_text_is_known():
    """Pulling an edit of one cell does not reformat the others."""
    odd = TEXT.replace("\n\n# %% check", "\n# %% check").replace("import math\n\n", "import math\n\n\n\n")
    assert odd != TEXT
    nb = to_notebook(odd, TOPIC, "t.py")
    assert to_text(nb, TOPIC, "t.py", previous=odd) == odd


def test_notebook_is_valid_and_names_no_version_and_no_pairing():
    """nbformat accepts it, and its metadata do not change with the machine that builds it."""
    nb = to_notebook(TEXT, TOPIC, "t.py")
    nbformat.validate(nbformat.from_dict(nb))
    assert set(nb["metadata"]) == {"kernelspec", "language_info"}
    assert nb["metadata"]["kernelspec"]["name"] == "python3"
    assert "version" not in nb["metadata"]["language_info"]
    assert "jupytext" not in dumps(nb)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ('answer="demo.double"', {"grade_id": "demo-double-answer", "grade": False, "solution": True, "locked": False}),
        (
            'check="demo.double"',
            {"grade_id": "demo-double", "grade": True, "solution": False, "locked": True, "points": 2},
        ),
        ('locked="setup"', {"grade_id": "setup", "grade": False, "solution": False, "locked": True}),
        (
            '[markdown] written="demo.proof"',
            {"grade_id": "demo-proof", "grade": True, "solution": True, "locked": False, "points": 3},
        ),
    ],
)
def test_headers_become_what_nbgrader_needs(header: str, expected: dict):
    """Each role has exactly nbgrader's metadata of schema 3, and points come from the manifest."""
    assert one(header)["metadata"] == {"nbgrader": expected | {"schema_version": 3, "task": False}}


def test_nbgrader_accepts_the_metadata():
    """nbgrader's own validator finds nothing to object to."""
    from nbgrader.nbgraderformat.v3 import MetadataValidatorV3

    MetadataValidatorV3().validate_nb(nbformat.from_dict(to_notebook(TEXT, TOPIC, "t.py")))


def test_a_misspelt_key_is_named():
    """`anwser=` must not silently become an ordinary cell, whose answer would be released."""
    assert refused('anwser="demo.double"') == (
        "notebooks/01_demo.py, the cell that begins 'x = 1': unknown key 'anwser' in its header. "
        "Known keys: question, kind, minutes, claims, answer, check, written, locked, tags."
    )


def test_an_unknown_task_is_named_with_the_known_ones():
    """The manifest decides which tasks there are."""
    assert "01_demo has no task 'demo.triple' in the manifest. Its tasks: demo.double, demo.proof." in refused(
        'check="demo.triple"'
    )


def test_a_cell_has_one_role_of_the_right_type():
    """A cell cannot be answered and checked at once, a check is code, and a proof is written, not checked."""
    assert "it is both answer and check. A cell has one role; split it." in refused(
        'answer="demo.double" check="demo.double"'
    )
    assert "a cell with check= must be a code cell, this one is markdown." in refused('[markdown] check="demo.double"')
    assert "demo.proof is used with check=, expected written= for a task of its kind." in refused('check="demo.proof"')
    assert "expected answer= and check= for a task" in refused('[markdown] written="demo.double"')
    assert "it is a raw cell. Only code and [markdown] cells are used here." in refused("[raw]")


def test_a_name_used_twice_is_refused():
    """nbgrader would grade one of the two; which one is nobody's guess."""
    with pytest.raises(
        CurriculumError, match=r"t\.py: two cells are called 'setup'\. Each name may be used once; rename one\."
    ):
        to_notebook('# %% locked="setup"\nx = 1\n\n# %% locked="setup"\nx = 2\n', TOPIC, "t.py")


def test_what_jupyterlab_adds_does_not_reach_the_text():
    """Scrolling, collapsing and execution times belong to a session, not to the source."""
    nb = to_notebook(TEXT, TOPIC, "t.py")
    for cell in nb["cells"]:
        cell["metadata"] |= {
            "scrolled": True,
            "trusted": True,
            "execution": {"iopub.status.busy": "2026"},
            "editable": True,
        }
    assert to_text(nb, TOPIC, "t.py") == TEXT


def test_a_graded_cell_of_no_task_and_a_pasted_image_are_refused():
    """Neither can be written as text, and dropping them would lose work."""
    nb = to_notebook(TEXT, TOPIC, "t.py")
    nb["cells"][3]["metadata"]["nbgrader"]["grade_id"] = "cell-1f2e"
    with pytest.raises(
        CurriculumError, match=r"'cell-1f2e' belongs to no task of 01_demo. Add its task to the manifest."
    ):
        to_text(nb, TOPIC, "t.py")
    nb = to_notebook(TEXT, TOPIC, "t.py")
    nb["cells"][0]["attachments"] = {"image.png": {}}
    with pytest.raises(CurriculumError, match="cell 'Q001' holds a pasted image, which a text cannot keep"):
        to_text(nb, TOPIC, "t.py")


def test_cell_lines_are_where_the_cells_begin():
    """Messages send the author to the right line."""
    lines = TEXT.splitlines()
    found = cell_lines(TEXT)
    assert len(found) == len(to_notebook(TEXT, TOPIC, "t.py")["cells"])
    assert all(lines[number - 1].startswith("# %%") for number in found)
