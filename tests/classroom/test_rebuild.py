"""Only what a learner may change comes from the learner, and all of that does, wherever it stands."""

import contextlib
import copy
from collections.abc import Callable
from typing import Any

import pytest
from makers import PROMPT, SLUG, STUB, cell, code, exercise, hand_in, place, prose, solved, without_ids

from autograder.classroom.intake import Intake, take_in
from autograder.classroom.template import load_template
from autograder.curriculum import Tree

SOFTMAX, SCALED = "def softmax(*a):\n    return 1", "def scaled_scores(*a):\n    return 2"
PLAY = ("playground", "print(softmax)")
SOLVED = (
    ("setup", "import numpy as np"),
    ("scaling-softmax-answer", SOFTMAX),
    PLAY,
    ("scaling-scaled_scores-answer", SCALED),
)


def taken(tree: Tree, notebook: Any) -> Intake:
    """What the intake makes of a notebook."""
    hand_in(tree, notebook)
    return take_in(tree, "ada", load_template(tree, SLUG))


def ran(tree: Tree, notebook: Any) -> tuple[tuple[str, str], ...]:
    """The cells that run, in order."""
    found = taken(tree, notebook).submission
    assert found.unreadable == ""
    return tuple((c.id, c.source) for c in found.cells)


def defined(tree: Tree, notebook: Any) -> dict[str, Any]:
    """What the functions return after the cells have run: what the judge would see."""
    names: dict[str, Any] = {"print": lambda *_: None}
    for _, source in ran(tree, notebook):
        with contextlib.suppress(Exception):
            exec(source.replace("import numpy as np", ""), names)  # noqa: S102 - what a player does, with sources of this file
    found = {}
    for name in ("softmax", "scaled_scores"):
        try:
            found[name] = names[name]()
        except NotImplementedError:
            found[name] = "stub"
        except KeyError:
            found[name] = "undefined"
    return found


def test_the_untouched_exercise_runs_its_stubs_and_answers_nothing(tree):
    """Nothing is remarked, nothing was written, and check cells do not run."""
    found = taken(tree, exercise())
    stubs = (STUB.format("softmax"), STUB.format("scaled_scores"))
    assert [c.source for c in found.submission.cells] == ["import numpy as np", stubs[0], PLAY[1], stubs[1]]
    assert found.submission.written == (("scaling.proof", "", False),)
    assert found.submission.remarks == ()
    assert found.notebook["cells"] == exercise()["cells"]
    assert {"scaling-softmax-answer", "scaling-scaled_scores-answer", "scaling-proof"} <= found.untouched


def test_a_solved_notebook_is_the_template_with_the_learners_sources(tree):
    """Answers and the written text are taken over, all else is the template's."""
    found = taken(tree, solved())
    assert tuple((c.id, c.source) for c in found.submission.cells) == SOLVED
    assert found.submission.written == (("scaling.proof", "Because.", True),)
    assert found.notebook["cells"] == solved()["cells"]
    assert not {"scaling-softmax-answer", "scaling-proof"} & found.untouched


def changed(change: Callable[[Any], Any]) -> Any:
    """The solved notebook after a change."""
    notebook = solved()
    change(notebook)
    return notebook


def delete(id: str) -> Callable[[Any], None]:
    """Remove a cell."""
    return lambda nb: nb["cells"].remove(cell(nb, id))


def insert(id: str, *cells: Any) -> Callable[[Any], None]:
    """Put cells before the cell `id`."""

    def change(nb: Any) -> None:
        position = place(nb, id)
        nb["cells"][position:position] = list(cells)

    return change


def update(id: str, **values: Any) -> Callable[[Any], None]:
    """Change parts of a cell."""
    return lambda nb: cell(nb, id).update(values)


def mark(id: str, **marks: Any) -> Callable[[Any], None]:
    """Change nbgrader's marks of a cell."""
    return lambda nb: cell(nb, id)["metadata"]["nbgrader"].update(marks)


def forget_marks(nb: Any) -> None:
    """Lose all of nbgrader's metadata."""
    for c in nb["cells"]:
        c["metadata"] = {}


FORGED = {
    "locked code changed": update("setup", source="import os"),
    "check changed": update("scaling-softmax", source="print('right')"),
    "check deleted": delete("scaling-softmax"),
    "check turned into prose": update("scaling-softmax", cell_type="markdown"),
    "more points": mark("scaling-softmax", points=100),
    "not graded": mark("scaling-softmax", grade=False, solution=True),
    "old schema": mark("scaling-softmax", schema_version=1),
    "another kernel": lambda nb: nb["metadata"].update(
        kernelspec={"name": "evil", "display_name": "x", "language": "x"}
    ),
    "question deleted": delete("scaling-proof-question"),
    "all marks lost": forget_marks,
    "prose deleted": delete("intro"),
    "other order": lambda nb: nb["cells"].reverse(),
    "outputs": update("scaling-softmax", outputs=[{"output_type": "execute_result", "data": {"text/plain": "3"}}]),
    "answers turned into prose": update("scaling-softmax-answer", cell_type="markdown"),
    "answers turned into raw text": update("scaling-softmax-answer", cell_type="raw"),
    "written answer turned into code": update("scaling-proof", cell_type="code"),
}


@pytest.mark.parametrize("change", FORGED.values(), ids=FORGED)
def test_whatever_happens_to_locked_cells_and_metadata_the_same_is_graded(tree, change):
    """The rebuilt notebook equals the one that was not tampered with, cell by cell."""
    found = taken(tree, changed(change))
    assert tuple((c.id, c.source) for c in found.submission.cells) == SOLVED
    assert found.submission.written == (("scaling.proof", "Because.", True),)
    assert found.notebook["cells"] == solved()["cells"]
    assert found.notebook["metadata"] == exercise()["metadata"]


REMARKS = {
    "missing": (delete("scaling-softmax"), "Missing, put back as released: scaling-softmax."),
    "changed": (update("setup", source="import os"), "Locked but changed, the original counts: setup."),
    "retyped": (
        update("scaling-proof", cell_type="code"),
        "Turned into another type of cell, counts as before: scaling-proof.",
    ),
    "copied": (
        insert("done", code("scaling-softmax-answer", SOFTMAX, solution=True)),
        "There several times, every copy ran: scaling-softmax-answer.",
    ),
    "foreign": (
        insert("done", code("bonus", "1", grade=True, points=50)),
        "Marked as graded but not part of this assignment, earns nothing: bonus.",
    ),
    "magic": (
        update("playground", source="%matplotlib inline\n!ls\nprint(softmax)"),
        "playground: lines for IPython or the shell do not run when grading: `%matplotlib inline`, `!ls`.",
    ),
    "too long": (
        update("scaling-proof", source="x" * 50_001),
        "scaling-proof: only the first 50000 characters are shown.",
    ),
}


@pytest.mark.parametrize(("change", "remark"), REMARKS.values(), ids=REMARKS)
def test_repairs_are_told(tree, change, remark):
    """What had to be repaired is one remark, and nothing else is remarked."""
    assert taken(tree, changed(change)).submission.remarks == (remark,)


def test_a_deleted_answer_is_undefined(tree):
    """It counts as not attempted; the other answers stand."""
    assert defined(tree, changed(delete("scaling-softmax-answer"))) == {"softmax": "undefined", "scaled_scores": 2}


def test_code_in_the_place_of_a_deleted_answer_counts(tree):
    """The learner's new cell runs after the stub that was put back, wherever in that place it stands."""
    new = code("new", SOFTMAX)
    for before in ("scaling-softmax", "playground", "done"):
        notebook = changed(insert(before, new))
        delete("scaling-softmax-answer")(notebook)
        assert defined(tree, notebook)["softmax"] == 1


def test_added_cells_run_where_they_stand(tree):
    """A helper before the answer is there when the answer's cell runs; one at the end runs last."""
    notebook = changed(insert("scaling-softmax-answer", code("h", "helper = 3")))
    update("scaling-softmax-answer", source="value = helper\ndef softmax():\n    return value")(notebook)
    insert("done", code("late", "value = 4"))(notebook)
    assert defined(tree, notebook)["softmax"] == 4
    assert [id for id, _ in ran(tree, notebook)] == [
        *("setup", "added-1", "scaling-softmax-answer", "playground", "scaling-scaled_scores-answer", "added-2")
    ]


@pytest.mark.parametrize("same_id", [True, False])
def test_every_copy_of_an_answer_runs_in_the_learners_order(tree, same_id):
    """The last definition wins, as it did for the learner; nbgrader would give up on the class."""
    other = SOFTMAX.replace("1", "7")
    copied = code("scaling-softmax-answer", other, solution=True) | ({} if same_id else {"id": "copy"})
    assert defined(tree, changed(insert("scaling-softmax", copied)))["softmax"] == 7
    if not same_id:
        assert defined(tree, changed(insert("scaling-softmax-answer", copied)))["softmax"] == 1


@pytest.mark.parametrize("kept", [0, 1], ids=["the first half kept its id", "the second half kept its id"])
@pytest.mark.parametrize("marked", [True, False], ids=["both are marked", "one is marked"])
def test_both_halves_of_a_split_answer_run_in_order(tree, kept, marked):
    """JupyterLab's *Split cell*: the helper in one half and the function in the other."""
    halves = ["def one():\n    return 1", "value = one()\ndef softmax(*a):\n    return value"]
    notebook = solved()
    original = cell(notebook, "scaling-softmax-answer")
    half = copy.deepcopy(original) | {"id": "new"} if marked else code("new", "")
    position = place(notebook, "scaling-softmax-answer")
    notebook["cells"].insert(position + 1 - kept, half)
    for number, source in enumerate(halves):
        notebook["cells"][position + number]["source"] = source
    sources = [source for _, source in ran(tree, notebook)]
    assert sources[1:3] == halves
    assert defined(tree, notebook)["softmax"] == 1


def test_a_split_written_answer_is_read_in_order(tree):
    """Both halves are the answer, whichever kept the mark."""
    for kept in (0, 1):
        notebook = solved()
        update("scaling-proof", source="First." if kept == 0 else "Then.")(notebook)
        half = prose("new", "Then." if kept == 0 else "First.")
        notebook["cells"].insert(place(notebook, "scaling-proof") + 1 - kept, half)
        assert taken(tree, notebook).submission.written == (("scaling.proof", "First.\n\nThen.", True),)


def test_all_answers_in_one_cell_at_the_top_count(tree):
    """Who deletes the cells to fill in and writes all functions elsewhere is not undone by stubs put back."""
    notebook = changed(insert("intro", code("mine", f"{SOFTMAX}\n{SCALED}")))
    for id in ("scaling-softmax-answer", "scaling-scaled_scores-answer"):
        delete(id)(notebook)
    assert defined(tree, notebook) == {"softmax": 1, "scaled_scores": 2}
    assert STUB.format("softmax") in [c["source"] for c in taken(tree, notebook).notebook["cells"]]


def test_an_answer_written_into_a_new_cell_is_shown_in_its_place(tree):
    """The graded notebook shows it under its task, and nothing is called missing."""
    notebook = changed(insert("scaling-softmax", code("draft", "def softmax(*a):\n    return 0"), code("new", SOFTMAX)))
    delete("scaling-softmax-answer")(notebook)
    found = taken(tree, notebook)
    assert cell(found.notebook, "scaling-softmax-answer")["source"] == SOFTMAX
    assert found.submission.remarks == ()
    assert defined(tree, notebook)["softmax"] == 1


def test_an_answer_written_elsewhere_stays_there(tree):
    """Moved to its place it would run before the helper that it needs."""
    notebook = changed(insert("done", code("h", "one = 1"), code("new", "def softmax(a=one):\n    return a")))
    delete("scaling-softmax-answer")(notebook)
    assert defined(tree, notebook)["softmax"] == 1
    assert taken(tree, notebook).submission.remarks == ("Missing, put back as released: scaling-softmax-answer.",)


def test_a_copied_question_is_no_answer(tree):
    """Released text beside the place to write in was written by the course."""
    notebook = changed(insert("scaling-proof", prose("copy", "Prove it."), prose("again", PROMPT)))
    update("scaling-proof", source=PROMPT)(notebook)
    assert taken(tree, notebook).submission.written == (("scaling.proof", "", False),)


def test_a_whole_notebook_pasted_into_itself_is_graded_like_one(tree):
    """Every cell twice, with the same ids: the course's cells stand once, the answers count."""
    notebook = solved()
    notebook["cells"] += copy.deepcopy(notebook["cells"])
    found = taken(tree, notebook)
    assert defined(tree, notebook) == {"softmax": 1, "scaled_scores": 2}
    assert found.submission.written[0][2]


def test_a_copy_in_prose_does_not_replace_the_answer(tree):
    """Of two cells with one id, the one that is still code is the answer."""
    notes = prose("notes", "my notes", solution=True)
    notes["metadata"]["nbgrader"]["grade_id"] = "scaling-softmax-answer"
    assert defined(tree, changed(insert("scaling-softmax-answer", notes)))["softmax"] == 1


def test_without_any_ids_everything_the_learner_wrote_still_counts(tree):
    """Some tools strip ids and metadata: cells are then found by what they say, and the others were added."""
    found = taken(tree, without_ids(solved()))
    assert defined(tree, without_ids(solved())) == {"softmax": 1, "scaled_scores": 2}
    assert found.submission.written == (("scaling.proof", "Because.", True),)
    assert [c["source"] for c in found.notebook["cells"]].count("# The exercise") == 1


WRITTEN = {
    "blank": (update("scaling-proof", source=" \n\n"), "", False),
    "the prompt with other blanks": (update("scaling-proof", source=f"\n{PROMPT} \n"), "", False),
    "deleted": (delete("scaling-proof"), "", False),
    "below the prompt": (
        lambda nb: (
            update("scaling-proof", source=PROMPT)(nb),
            insert("done", prose("p", "First."), prose("q", "Then."))(nb),
        ),
        "First.\n\nThen.",
        True,
    ),
    "above the prompt": (
        lambda nb: (update("scaling-proof", source=PROMPT)(nb), insert("scaling-proof", prose("p", "Above."))(nb)),
        "Above.",
        True,
    ),
    "in place of the deleted cell": (
        lambda nb: (insert("done", prose("p", "Instead."))(nb), delete("scaling-proof")(nb)),
        "Instead.",
        True,
    ),
    "continued below": (insert("done", prose("p", "More.")), "Because.\n\nMore.", True),
    "elsewhere": (
        lambda nb: (update("scaling-proof", source=PROMPT)(nb), insert("playground", prose("p", "A note."))(nb)),
        "",
        False,
    ),
}


@pytest.mark.parametrize(("change", "text", "answered"), WRITTEN.values(), ids=WRITTEN)
def test_a_written_answer_is_what_was_written_in_its_place(tree, change, text, answered):
    """An answer in a cell of its own is not lost, and blanks are no answer."""
    assert taken(tree, changed(change)).submission.written == (("scaling.proof", text, answered),)


def test_an_unanswered_cell_keeps_the_released_text(tree):
    """nbgrader recognises an unanswered cell by its checksum, so blanks must not change it."""
    found = taken(tree, changed(update("scaling-proof", source="\n\n")))
    assert cell(found.notebook, "scaling-proof")["source"] == PROMPT


def test_what_a_learner_writes_is_safe_to_show_and_kept_as_it_is(tree):
    """The notebook for formgrader holds no tag; the submission holds the learner's own words."""
    hostile = "<script>alert(1)</script> if a < b"
    notebook = changed(update("scaling-proof", source=hostile))
    insert("intro", prose("p", hostile), {"cell_type": "raw", "id": "r", "metadata": {}, "source": hostile})(notebook)
    update("done", source=hostile)(notebook)
    found = taken(tree, notebook)
    shown = [c for c in found.notebook["cells"] if c["cell_type"] != "code"]
    assert not any("<script" in c["source"] or "</script" in c["source"] for c in shown)
    assert sum("< script>alert(1)< /script> if a < b" in c["source"] for c in shown) == 4
    assert {c["cell_type"] for c in found.notebook["cells"]} == {"code", "markdown"}
    assert found.submission.written == (("scaling.proof", hostile, True),)


def test_pasted_photographs_stay_and_other_attachments_go(tree):
    """A proof may be a photograph; a script in an attachment, or what is not base64, may not."""
    attachments = {
        "p.png": {"image/png": "aGk="},
        "x.svg": {"image/svg+xml": "PHN2Zz4="},
        "y.png": {"image/png": '"><script>'},
        "z": 7,
    }
    text = "![](attachment:p.png) ![](attachment:x.svg) ![](attachment:y.png)"
    found = taken(tree, changed(update("scaling-proof", source=text, attachments=attachments)))
    shown = cell(found.notebook, "scaling-proof")
    assert shown["attachments"] == {"p.png": {"image/png": "aGk="}}
    assert shown["source"] == "![](attachment:p.png) ! [] (attachment:x.svg) ! [] (attachment:y.png)"


def test_the_template_is_never_changed(tree):
    """The same template serves the whole class."""
    template = load_template(tree, SLUG)
    before = copy.deepcopy(template)
    hand_in(tree, changed(update("scaling-proof", source="x", attachments={"p.png": {"image/png": "aGk="}})))
    take_in(tree, "ada", template)
    assert template == before
