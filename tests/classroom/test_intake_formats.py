"""The same notebook as other programs, other systems and other years write it: it is graded like our own."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from makers import SLUG, cell, code, dump, exercise, hand_in, place, prose, solved, without_ids

from autograder.classroom.intake import read_submission
from autograder.classroom.notebook_file import MOST_SOURCE
from autograder.curriculum import Tree
from autograder.judge.ledger import Submission


def taken(tree: Tree, notebook: Any) -> Submission:
    """What the intake makes of a notebook."""
    hand_in(tree, notebook)
    return read_submission(tree, "ada", SLUG)


def edited(change: Callable[[Any], Any]) -> Any:
    """The solved notebook after a change."""
    notebook = solved()
    change(notebook)
    return notebook


def each(change: Callable[[Any], Any]) -> Any:
    """The solved notebook after the same change of every cell."""
    return edited(lambda nb: [change(c) for c in nb["cells"]])


def text(**options: Any) -> str:
    """The solved notebook as JSON of another style."""
    return json.dumps(solved(), **options)


def before_4(notebook: Any) -> Any:
    """The notebook in format 3: cells in worksheets, code in `input`."""
    cells = []
    for c in notebook["cells"]:
        old = {k: v for k, v in c.items() if k not in ("source", "id", "execution_count")}
        cells.append(old | ({"input": c["source"]} if c["cell_type"] == "code" else {"source": c["source"]}))
    return {"nbformat": 3, "nbformat_minor": 0, "metadata": {"name": ""}, "worksheets": [{"cells": cells}]}


def keys_twice() -> str:
    """Every answer's source stands twice in its cell, first a wrong one."""
    return text().replace('"source": "def', '"source": "wrong", "source": "def')


def surroundings(value: str) -> str:
    """The solved notebook with a value of this JSON in its metadata and in an output."""
    return text().replace('"metadata": {"kernelspec"', f'"metadata": {{"x": {value}, "kernelspec"', 1)


def as_colab(c: Any) -> None:
    """Colab: the id lies in the metadata, the source is a list of lines."""
    c["metadata"] = {"id": c.pop("id"), "colab": {"base_uri": "https://localhost:8080/"}}
    c["source"] = c["source"].splitlines(keepends=True)


NUL, BOM = "\0", "\ufeff"
OLD = "Saved in an old notebook format (before 4); its cells were taken. Save it in JupyterLab."
REPLACED = "Holds bytes that are not UTF-8 text; they were replaced. Save it in JupyterLab next time."
SAME: dict[str, tuple[Any, str]] = {
    "a byte order mark": (BOM + text(), ""),
    "Windows line ends in the file": (text(indent=1).replace("\n", "\r\n"), ""),
    "Windows line ends in the cells": (each(lambda c: c.update(source=c["source"].replace("\n", "\r\n"))), ""),
    "old Mac line ends in the cells": (each(lambda c: c.update(source=c["source"].replace("\n", "\r"))), ""),
    "sources as lists of lines": (each(lambda c: c.update(source=c["source"].splitlines(keepends=True))), ""),
    "blanks around the JSON": ("\n\n " + text() + " \n", ""),
    "no escapes": (text(ensure_ascii=False), ""),
    "sorted and indented": (text(sort_keys=True, indent=4), ""),
    "UTF-16 of PowerShell": (text().encode("utf-16"), "Saved as UTF-16, not as UTF-8; read all the same."),
    "UTF-16 without a mark": (text().encode("utf-16-be"), "Saved as UTF-16, not as UTF-8; read all the same."),
    "UTF-32": (text().encode("utf-32"), "Saved as UTF-32, not as UTF-8; read all the same."),
    "one byte of Latin-1": (text().replace("Done?", "Don\xe9?").encode("latin-1"), REPLACED),
    "format 3": (before_4(solved()), OLD),
    "format 3 and no metadata": (before_4(without_ids(solved()) | {"id": 1}), OLD),
    "format 5": (solved() | {"nbformat": 5}, "Saved in notebook format 5; read as format 4, the newest known."),
    "a format that is text": (solved() | {"nbformat": "four"}, ""),
    "no format": (edited(lambda nb: nb.pop("nbformat")), ""),
    "a kind of notebook metadata that is a list": (solved() | {"metadata": []}, ""),
    "keys twice": (keys_twice(), ""),
    "NaN": (surroundings("NaN"), ""),
    "Infinity": (surroundings("-Infinity"), ""),
    "a number without end": (surroundings("9" * 10_000), ""),
    "a number beyond floats": (surroundings("1e999999"), ""),
    "no cell ids": (each(lambda c: c.pop("id")), ""),
    "cell ids that are numbers": (each(lambda c: c.update(id=7)), ""),
    "one id for all cells": (each(lambda c: c.update(id="same")), ""),
    "no nbgrader marks": (each(lambda c: c.update(metadata={})), ""),
    "marks of schema 1": (each(lambda c: c["metadata"].get("nbgrader", {}).update(schema_version=1)), ""),
    "marks of schema 99": (each(lambda c: c["metadata"].get("nbgrader", {}).update(schema_version=99)), ""),
    "checksums that do not fit": (each(lambda c: c["metadata"].get("nbgrader", {}).update(checksum="0")), ""),
    "Colab": (each(as_colab), ""),
    "VS Code": (each(lambda c: c["metadata"].update(vscode={"languageId": "python"})), ""),
    "Kaggle": (each(lambda c: (c.pop("id"), c.update(metadata={"_uuid": "1", "trusted": True}))), ""),
    "Deepnote": (each(lambda c: c.update(metadata={"cell_id": c.pop("id"), "deepnote_cell_type": "code"})), ""),
    "a type of cell that nobody knows": (
        edited(lambda nb: nb["cells"].insert(3, {"cell_type": "sql", "source": ""})),
        "",
    ),
}


@pytest.mark.parametrize(("notebook", "remark"), SAME.values(), ids=SAME)
def test_other_ways_to_save_a_notebook_cost_nothing(tree, notebook, remark):
    """Cells, answers and order are those of the notebook as JupyterLab saves it; only what is odd is remarked."""
    right = taken(tree, solved())
    found = taken(tree, notebook)
    assert (found.unreadable, found.cells, found.written) == ("", right.cells, right.written)
    assert found.remarks == ((remark,) if remark else ())


def test_headings_of_old_formats_are_markdown(tree):
    """They were cells of their own; the sharp signs come back."""
    old = before_4(exercise())
    old["worksheets"][0]["cells"].insert(0, {"cell_type": "heading", "level": 2, "source": "The exercise"})
    old["worksheets"].append({"cells": 7})
    old["worksheets"].append("x")
    assert taken(tree, old).remarks == (OLD,)


def test_a_cell_too_long_costs_only_itself(tree):
    """A table pasted into the notebook does not cost the answers."""
    notebook = solved()
    notebook["cells"].append(code("data", "x = '" + "1" * 10_000_000 + "'"))
    found = taken(tree, notebook)
    assert found.cells == taken(tree, solved()).cells
    assert found.remarks == ("Longer than the 200 kB of code that are run, left out: cell 11.",)
    cell(notebook, "data")["source"] = "#" * MOST_SOURCE
    assert taken(tree, notebook).remarks == ()


def test_blank_cells_do_not_count(tree):
    """What a stuck key leaves is not held against the notebook."""
    notebook = solved()
    notebook["cells"] += [code(f"c{i}", " \n") for i in range(9000)]
    found = taken(tree, notebook)
    assert (found.unreadable, found.remarks) == ("", ())
    assert found.cells == taken(tree, solved()).cells


def test_an_answer_of_a_type_that_nobody_knows_counts(tree):
    """The place says that it is code."""
    notebook = solved()
    cell(notebook, "scaling-softmax-answer")["cell_type"] = "python"
    found = taken(tree, notebook)
    assert found.cells == taken(tree, solved()).cells
    assert found.remarks == ("Turned into another type of cell, counts as before: scaling-softmax-answer.",)


def test_the_wrong_notebook_is_told_so(tree):
    """A notebook without any of our cells is zero points, and the sentence asks the right question."""
    wrong = {"cells": [prose("a", "# Another course"), code("b", "x = 1")], "nbformat": 4}
    assert taken(tree, wrong).remarks == ("None of this assignment's cells is in it. Is it the right notebook?",)
    assert taken(tree, {"cells": [], "nbformat": 4}).remarks == taken(tree, wrong).remarks


def test_remarks_are_few_however_much_is_wrong(tree):
    """Two thousand damaged cells are one sentence, and a page of sentences ends."""
    notebook = solved()
    notebook["cells"] += [7] * 1000 + [code(f"m{i}", "%ls") for i in range(500)]
    found = taken(tree, notebook)
    assert found.remarks[0] == f"Damaged, left out: {', '.join(f'cell {i}' for i in range(11, 19))} and 992 more."
    assert len(found.remarks) == 21
    assert found.remarks[-1] == "And 481 more remarks of this kind."


def test_the_order_of_the_cells_is_the_learners(tree):
    """In a notebook without ids the rewritten answers run where they stand, between the helpers around them."""
    notebook = without_ids(solved())
    position = place(solved(), "scaling-scaled_scores-answer")
    notebook["cells"][position : position + 1] = [
        {"cell_type": "code", "source": source, "metadata": {}}
        for source in ("d = 2", "def scaled_scores(*a):\n    return d", "d = 3")
    ]
    sources = [c.source for c in taken(tree, notebook).cells]
    assert sources[-3:] == ["d = 2", "def scaled_scores(*a):\n    return d", "d = 3"]


def test_what_is_saved_is_dumped_as_ascii():
    """The makers of this file write what JupyterLab reads."""
    assert json.loads(dump(solved())) == solved()
