"""The graded notebook: nbgrader reads the ledger's scores out of it, and graders see what they need."""

from dataclasses import replace

import nbformat
import pytest
from makers import cell, exercise, ledger, solved
from nbgrader.utils import determine_grade

from autograder.checking.report import Report, State
from autograder.classroom.graded import RUBRIC, with_results, without_notes
from autograder.judge.ledger import Result


@pytest.mark.parametrize("points", [0, 0.5, 2.25, 3])
def test_nbgrader_reads_the_score_of_the_ledger(points):
    """Its own function finds the same points in the outputs, zero and fractions included."""
    notebook = nbformat.from_dict(with_results(solved(), ledger(softmax=points)))
    assert determine_grade(cell(notebook, "scaling-softmax")) == (points, 3)


def test_all_other_outputs_are_gone():
    """What the learner's notebook showed, forged or not, is not what the grader sees."""
    notebook = exercise()
    forged = [{"output_type": "execute_result", "data": {"text/plain": "3"}, "metadata": {}, "execution_count": 1}]
    for c in notebook["cells"]:
        if c["cell_type"] == "code":
            c["outputs"] = forged
    graded = with_results(notebook, ledger(softmax=1))
    assert cell(graded, "playground")["outputs"] == []
    assert [o["data"]["text/plain"] for o in cell(graded, "scaling-softmax")["outputs"]][1:] == ["1"]


def test_the_report_stands_before_the_score():
    """As HTML for formgrader and as text for everything else; what came from the learner's code is escaped."""
    report = Report("scaling.softmax", "softmax", State.CRASHED, sentences=("It said <script>x</script>",))
    found = ledger()
    found = replace(found, results=(Result(report, 0.0, 3), *found.results[1:]))
    shown, _ = cell(with_results(solved(), found), "scaling-softmax")["outputs"]
    assert "&lt;script&gt;" in shown["data"]["text/html"]
    assert "<script>" not in shown["data"]["text/html"]
    assert "⚡ scaling.softmax: crashed" in shown["data"]["text/plain"]


def test_the_rubric_stands_above_the_written_answer_and_locked_cells_are_untouched():
    """Formgrader shows it there; nbgrader's checksums still hold."""
    graded = with_results(solved(), ledger())
    ids = [c["id"] for c in graded["cells"]]
    assert ids.index("rubric-scaling-proof") == ids.index("scaling-proof") - 1
    rubric = cell(graded, "rubric-scaling-proof")["source"]
    assert rubric.startswith(f"**{RUBRIC}**")
    assert rubric.count("\n- 1 point:") == 5
    assert cell(graded, "scaling-proof-question") == cell(solved(), "scaling-proof-question")


def test_learners_do_not_get_the_notes():
    """Without them the cells are those of the rebuilt notebook."""
    graded = with_results(solved(), replace(ledger(), remarks=("Cell 3 is damaged.",)))
    assert [c["id"] for c in without_notes(graded)["cells"]] == [c["id"] for c in solved()["cells"]]


def test_reasons_and_remarks_stand_on_top_as_plain_text():
    """They may quote a learner's file name, so they are set as code."""
    found = replace(ledger(reason="There is no `x`."), remarks=("Handed in as <b>.",), sandbox="none")
    first = with_results(solved(), found)["cells"][0]
    assert "- `There is no ´x´.`\n- `Handed in as <b>.`\n- `Graded without a sandbox" in first["source"]


def test_the_notebook_is_valid_and_the_original_unchanged():
    """nbformat accepts it; the rebuilt notebook can be used again."""
    notebook = solved()
    nbformat.validate(nbformat.from_dict(with_results(notebook, ledger(softmax=1))))
    assert notebook == solved()
