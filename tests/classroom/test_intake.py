"""Whatever lies in a learner's folder becomes a submission or a sentence; nothing raises."""

import json
import random
from typing import Any

import pytest
from makers import SLUG, cell, code, dump, exercise, hand_in, prose, solved, without_ids, write

from autograder.classroom.handed_in import LARGEST
from autograder.classroom.intake import read_submission, take_in
from autograder.classroom.template import load_template
from autograder.curriculum import CurriculumError, Tree
from autograder.judge.ledger import Submission

NAME = f"{SLUG}.ipynb"


def taken(tree: Tree, notebook: Any) -> Submission:
    """What the intake makes of a notebook."""
    hand_in(tree, notebook)
    return read_submission(tree, "ada", SLUG)


UNREADABLE = {
    "an empty file": (b"", "is empty"),
    "white space": (b" \n\n", "is empty"),
    "a broken upload": (dump(solved())[:700], "JSON is broken in line 1 of 1"),
    "a list": (b"[]", "holds a JSON list"),
    "a number": (b"3", "holds a JSON number"),
    "a text": (b'"hello"', "holds a JSON text"),
    "null": (b"null", "holds a JSON null"),
    "prose": (b"def softmax(): pass", "JSON is broken"),
    "a web page": (b"<!DOCTYPE html><html>", "is a web page"),
    "NUL bytes": (b"\0" * 5000, "is empty"),
    "a broken archive": (b"PK\x03\x04\x00\x00", "is a damaged zip archive"),
    "an empty archive": (b"PK\x05\x06" + b"\0" * 18, "is an empty or damaged zip archive"),
    "a broken gzip": (b"\x1f\x8b\x08garbage", "is a damaged gzip file"),
    "a RAR archive": (b"Rar!\x1a\x07", "is a RAR archive. Unpack it"),
    "a 7-Zip archive": (b"7z\xbc\xaf\x27\x1c", "is a 7-Zip archive. Unpack it"),
    "the gradebook": (b"SQLite format 3\0", "is a database"),
    "a printout": (b"%PDF-1.7", "is a PDF"),
    "a picture": (b"\x89PNG\r\n\x1a\n\xff\xd8", "is not UTF-8 text, and not a notebook"),
    "half of UTF-16": (dump(solved()).decode().encode("utf-16")[:501], "is not UTF-8 text, and not a notebook"),
    "a merge conflict": (b'{\n<<<<<<< HEAD\n"cells": []\n', "unresolved conflict"),
    "no cells": (b'{"nbformat": 4}', "has no list of cells"),
    "worksheets that are no list": (b'{"nbformat": 3, "worksheets": {}}', "has no list of cells"),
    "cells that are no list": (b'{"nbformat": 4, "cells": {"0": {}}}', "has no list of cells"),
    "lists in lists": (b'{"cells": ' + b"[" * 90_000, "no notebook holds such JSON"),
    "a million lists in lists": (b"[" * 1_000_000 + b"]" * 1_000_000, "holds more than 500000 values"),
    "too many cells": ({"nbformat": 4, "cells": [prose(str(i), "x") for i in range(2001)]}, "2001 cells; at most 2000"),
    "too many blank cells": ({"nbformat": 4, "cells": [prose("", "")] * 22_001}, "22001 cells; at most 2000"),
    "too much code": (
        {"nbformat": 4, "cells": [code(str(i), "x = 1\n" * 30_000) for i in range(6)]},
        "more code than is run here",
    ),
    "too large a file": (b" " * (LARGEST + 1), "is larger than 20 MB"),
}


@pytest.mark.parametrize(("content", "sentence"), UNREADABLE.values(), ids=UNREADABLE)
def test_what_is_no_notebook_is_a_row_with_a_reason(tree, content, sentence):
    """Every kind of broken file becomes a submission without cells, and a sentence that says what to do."""
    found = taken(tree, content)
    assert sentence in found.unreadable
    assert found.unreadable.endswith(".")
    assert found.cells == ()
    assert found.written == ()


def test_a_byte_order_mark_is_no_fault(tree):
    """Some editors put one before the JSON."""
    assert taken(tree, b"\xef\xbb\xbf" + dump(solved())).cells == taken(tree, solved()).cells


ODD_CELLS = [7, None, "x", [], {}, {"cell_type": "code"}, {"cell_type": "code", "source": 7}]
ODD_CELLS += [
    {"cell_type": "code", "source": ["x", 7]},
    {"cell_type": ["code"]},
    {"cell_type": "code", "source": {"a": 1}},
]


@pytest.mark.parametrize("odd", ODD_CELLS, ids=repr)
def test_a_damaged_cell_costs_only_itself(tree, odd):
    """The other cells count, and the remark says which one was left out."""
    notebook = solved()
    notebook["cells"].insert(2, odd)
    found = taken(tree, notebook)
    assert found.remarks == ("Damaged, left out: cell 3.",)
    assert found.cells == taken(tree, solved()).cells


@pytest.mark.parametrize("value", [None, 7, [], {"nbgrader": 7}, {"nbgrader": {"grade_id": ["x"]}}], ids=repr)
def test_damaged_metadata_count_as_none(tree, value):
    """A cell with broken metadata is found by its id."""
    notebook = solved()
    cell(notebook, "scaling-softmax-answer")["metadata"] = value
    found = taken(tree, notebook)
    assert found.cells == taken(tree, solved()).cells
    assert found.remarks == ()


def test_characters_that_no_file_can_hold_are_replaced(tree):
    """NUL and lone surrogates would stop the compiler and the database."""
    notebook = solved()
    cell(notebook, "scaling-softmax-answer")["source"] = "softmax = 'a\x00b\ud800'"
    found = taken(tree, notebook)
    assert found.cells[1].source == "softmax = 'a\ufffdb\ufffd'"
    assert found.remarks == ("Held characters that cannot be stored, they were replaced: cell 3.",)


def test_the_fingerprint_changes_with_the_bytes_the_name_and_the_template(tree):
    """Two submissions are graded once only if everything that decides is the same."""
    first = taken(tree, solved()).fingerprint
    assert taken(tree, solved()).fingerprint == first
    assert taken(tree, exercise()).fingerprint != first
    tree.submission("ada", SLUG).rename(tree.submission("ada", SLUG).with_name("x.ipynb"))
    assert read_submission(tree, "ada", SLUG).fingerprint != taken(tree, exercise()).fingerprint
    tree.submission("ada", SLUG).with_name("x.ipynb").unlink()
    changed = exercise()
    changed["cells"][0]["source"] = "# Another"
    write(tree.exercise(SLUG), changed)
    assert taken(tree, solved()).fingerprint != first


def test_an_unreadable_submission_gives_the_untouched_exercise_to_show(tree):
    """Formgrader shows the exercise as it was released."""
    hand_in(tree, b"{")
    found = take_in(tree, "ada", load_template(tree, SLUG))
    assert found.notebook["cells"] == exercise()["cells"]
    assert {"scaling-softmax-answer", "scaling-proof"} <= found.untouched


@pytest.mark.parametrize("content", [b"{", b'{"cells": [{}]}', b'{"cells": 7}', b"[]"])
def test_a_damaged_release_is_the_teachers_error(tree, content):
    """Without a template nobody can be graded: the message says what to run."""
    write(tree.exercise(SLUG), content)
    with pytest.raises(CurriculumError, match=r"is no released exercise\. Run `attn release 06_scaling`"):
        load_template(tree, SLUG)
    tree.exercise(SLUG).unlink()
    with pytest.raises(CurriculumError, match="06_scaling is not released: there is no exercises/06_scaling/"):
        load_template(tree, SLUG)


def test_a_thousand_mangled_notebooks_become_rows(tree):
    """Cut, overwritten, shuffled, with values of the wrong type: nothing raises, and what is read can be stored."""
    chance = random.Random(6)
    template = load_template(tree, SLUG)
    unreadable = 0
    for _ in range(1000):
        hand_in(tree, mangled(chance))
        found = take_in(tree, "ada", template)
        unreadable += bool(found.submission.unreadable)
        json.dumps(found.notebook, ensure_ascii=False).encode()
        assert bool(found.submission.unreadable) == (found.submission.cells == ())
        assert "could not be read (" not in found.submission.unreadable  # that would be a fault nobody thought of
    assert 50 < unreadable < 500  # both kinds were tried


def mangled(chance: random.Random) -> bytes:
    """A solved notebook with a few things wrong."""
    notebook: Any = without_ids(solved()) if chance.random() < 0.2 else solved()
    odd = [None, 7, "x", [], {}, "\ud800", "%%bash", "!ls\n%x", {"nbgrader": {"grade_id": "scaling-softmax"}}]
    for _ in range(chance.randrange(6)):
        target: Any = notebook
        while isinstance(target, (dict, list)) and target and chance.random() < 0.8:
            keys = list(target) if isinstance(target, dict) else range(len(target))
            key = chance.choice(keys)
            if chance.random() < 0.3:
                target[key] = chance.choice(
                    [*odd, notebook["cells"]] if isinstance(notebook.get("cells"), str) else odd
                )
                break
            if isinstance(target, list) and chance.random() < 0.2:
                target.append(target[key])
            target = target[key]
    data = dump(notebook)
    if chance.random() < 0.2:
        position = chance.randrange(len(data))
        data = data[:position] + bytes([chance.randrange(256)]) + data[position + chance.randrange(3) :]
    return data
