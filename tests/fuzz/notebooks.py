"""Mutators of the notebook as data. `ids` and `marks` are how cells are recognised, `order` is that of the cells."""

from __future__ import annotations

import copy
import random
import re
import zlib
from typing import Any

from tests.fuzz.mutate import NOTEBOOK, SHAPE, Effect, mutator

KEEPS, LOSES = Effect.KEEPS, Effect.LOSES
Notebook = Cell = dict[str, Any]
JUNK: tuple[Any, ...] = (None, True, 7, -1.5, "", "x", [], {}, [[]], {"x": {}}, "\ud800", "\0", "<script>", 10**30)


def marks(cell: Cell) -> dict[str, Any]:
    """nbgrader's metadata of a cell."""
    return cell["metadata"].get("nbgrader", {})  # itself: it is changed through this


def answers(notebook: Notebook) -> list[Cell]:
    """The cells that learners fill in, whatever became of their types and marks."""
    return [c for c in notebook["cells"] if re.match(r"def \w", c["source"])] or notebook["cells"][:1]


def fixed(notebook: Notebook) -> list[Cell]:
    """The cells that learners cannot change, whatever their marks say by now: setup, checks, the question."""
    named = ((c, marks(c).get("grade_id", "scaling-proof")) for c in notebook["cells"])
    return [c for c, id in named if not id.endswith(("-answer", "-proof"))]


def code(source: str) -> Cell:
    """A new code cell, as JupyterLab makes it."""
    return {
        "cell_type": "code",
        "id": f"{zlib.crc32(source.encode('utf-8', 'backslashreplace')):08x}",
        "metadata": {},
        "source": source,
        "outputs": [],
        "execution_count": None,
    }


def insert(rng: random.Random, notebook: Notebook, *cells: Any) -> None:
    """Put cells anywhere."""
    for cell in cells:
        notebook["cells"].insert(rng.randint(0, len(notebook["cells"])), cell)


def after(notebook: Notebook, cell: Cell) -> int:
    """The position behind a cell."""
    return next(i for i, c in enumerate(notebook["cells"]) if c is cell) + 1


@mutator(NOTEBOOK, KEEPS)
def as_it_is(_: random.Random, __: Notebook) -> None:
    """Nothing happens: the notebooks to compare with."""


@mutator(NOTEBOOK, KEEPS, breaks="ids")
def no_cell_ids(_: random.Random, nb: Notebook) -> None:
    """A notebook of format 4.4."""
    for cell in nb["cells"]:
        cell.pop("id", None)


@mutator(NOTEBOOK, KEEPS, breaks="ids")
def odd_cell_ids(rng: random.Random, nb: Notebook) -> None:
    """Ids of any type."""
    for cell in nb["cells"]:
        cell["id"] = rng.choice(JUNK)


@mutator(NOTEBOOK, KEEPS, breaks="ids")
def one_cell_id(_: random.Random, nb: Notebook) -> None:
    """All cells have the same id."""
    for cell in nb["cells"]:
        cell["id"] = "same"


@mutator(NOTEBOOK, KEEPS, breaks="marks")
def no_marks(_: random.Random, nb: Notebook) -> None:
    """All metadata of cells are gone."""
    for cell in nb["cells"]:
        cell["metadata"] = {}


@mutator(NOTEBOOK, KEEPS, breaks="marks ids")
def kaggle(rng: random.Random, nb: Notebook) -> None:
    """Neither ids nor marks."""
    no_cell_ids(rng, nb)
    for cell in nb["cells"]:
        cell["metadata"] = {"_uuid": f"{rng.getrandbits(64):x}", "trusted": True}


@mutator(NOTEBOOK, KEEPS, breaks="marks ids")
def colab(rng: random.Random, nb: Notebook) -> None:
    """New ids, in the metadata."""
    nb["metadata"] = {"colab": {"provenance": []}, "kernelspec": {"name": "python3"}}
    for cell in nb["cells"]:
        cell.pop("id", None)
        cell["metadata"] = {"id": f"{rng.getrandbits(48):x}", "outputId": "x"}


@mutator(NOTEBOOK, KEEPS)
def vs_code(_: random.Random, nb: Notebook) -> None:
    """Metadata of its own beside ours."""
    for cell in nb["cells"]:
        cell["metadata"]["vscode"] = {"languageId": "python"}


@mutator(NOTEBOOK, KEEPS)
def forged_marks(rng: random.Random, nb: Notebook) -> None:
    """More points, other schemas, other flags, in any cell."""
    for cell in rng.sample(nb["cells"], 6):
        marks(cell).update(
            points=rng.choice((0, 100, -3, "x", None)),
            schema_version=rng.choice((0, 1, 2, 3, 99, "3")),
            grade=rng.random() < 0.5,
            solution=rng.random() < 0.5,
            locked=rng.random() < 0.5,
            task=rng.random() < 0.5,
            checksum="0",
        )


@mutator(NOTEBOOK, KEEPS)
def odd_notebook_metadata(rng: random.Random, nb: Notebook) -> None:
    """Another kernel, another language, another type, another format."""
    nb["metadata"] = rng.choice((*JUNK, {"kernelspec": {"name": "evil"}}, {"language_info": 7}))
    nb["nbformat_minor"] = rng.choice(JUNK)
    nb["nbformat"] = rng.choice((4, 4, 5, 99, "four", None, 4.5))


@mutator(SHAPE, KEEPS)
def format_3(_: random.Random, nb: Notebook) -> None:
    """Cells in worksheets, code in `input`."""
    cells = nb.pop("cells")
    for cell in cells:
        if cell["cell_type"] == "code":
            cell["input"] = cell.pop("source")
    nb |= {"nbformat": 3, "nbformat_minor": 0, "worksheets": [{"cells": cells[:5]}, {"cells": cells[5:]}]}


@mutator(NOTEBOOK, KEEPS)
def odd_outputs(rng: random.Random, nb: Notebook) -> None:
    """What ran before: errors, pages, streams, a score, the wrong types."""
    odd = [
        {"output_type": "error", "ename": "E", "evalue": "x", "traceback": ["\x1b[31m"]},
        {"output_type": "execute_result", "data": {"text/plain": "100"}, "metadata": {}, "execution_count": 1},
        {"output_type": "display_data", "data": {"text/html": "<script>alert(1)</script>"}, "metadata": {}},
        {"output_type": "stream", "name": "stderr", "text": ["warning\n"] * 500},
        *JUNK,
    ]
    for cell in nb["cells"]:
        cell["outputs"] = rng.choice((rng.choices(odd, k=3), rng.choice(JUNK)))
        cell["execution_count"] = rng.choice(JUNK)


@mutator(NOTEBOOK, KEEPS)
def more_prose(rng: random.Random, nb: Notebook) -> None:
    """Notes anywhere."""
    for text in ("# Notes", "<img src=x onerror=alert(1)>", "[a](javascript:x)", "\u202etxt", "$x$" * 200):
        insert(rng, nb, {"cell_type": rng.choice(("markdown", "raw")), "metadata": {}, "source": text})


@mutator(NOTEBOOK, KEEPS)
def more_code(rng: random.Random, nb: Notebook) -> None:
    """Trials anywhere: magics, errors, broken lines."""
    sources = (
        "x = 1",
        "%matplotlib inline",
        "!ls -la",
        "1 / 0",
        "def (",
        "%%bash\nexit 1",
        "?np",
        "raise SystemExit",
        "",
    )
    insert(rng, nb, *(code(source) for source in rng.sample(sources, 4)))


@mutator(NOTEBOOK, KEEPS)
def many_empty_cells(rng: random.Random, nb: Notebook) -> None:
    """What a stuck key leaves."""
    nb["cells"] += [code(" \n") for _ in range(rng.choice((50, 1900)))]


@mutator(NOTEBOOK, KEEPS)
def a_huge_cell(rng: random.Random, nb: Notebook) -> None:
    """A table pasted into code, or an essay into prose."""
    cell = code("data = '" + "1," * 150_000 + "'")
    insert(rng, nb, rng.choice((cell, cell | {"cell_type": "markdown"})))


@mutator(SHAPE, KEEPS)
def damaged_cells(rng: random.Random, nb: Notebook) -> None:
    """Cells of the wrong type and shape between the others."""
    shapes = [*JUNK, {"cell_type": "code"}, {"cell_type": 7, "source": "x"}, {"cell_type": "code", "source": {"a": 1}}]
    nb["cells"] += rng.sample(shapes, 5)


@mutator(NOTEBOOK, KEEPS)
def foreign_grades(rng: random.Random, nb: Notebook) -> None:
    """A graded cell of one's own."""
    cell = code("'bonus'")
    cell["metadata"]["nbgrader"] = {"grade_id": "bonus", "grade": True, "points": 50, "schema_version": 3}
    insert(rng, nb, cell)


@mutator(NOTEBOOK, KEEPS)
def copied_answer(rng: random.Random, nb: Notebook) -> None:
    """An answer twice in a row, with the same marks."""
    cell = rng.choice(answers(nb))
    nb["cells"].insert(after(nb, cell), copy.deepcopy(cell))


@mutator(NOTEBOOK, KEEPS)
def copied_fixed_cells(rng: random.Random, nb: Notebook) -> None:
    """Checks and questions twice."""
    for cell in fixed(nb):
        if rng.random() < 0.5:
            nb["cells"].insert(after(nb, cell), copy.deepcopy(cell))


@mutator(NOTEBOOK, KEEPS)
def pasted_into_itself(_: random.Random, nb: Notebook) -> None:
    """The whole notebook twice."""
    nb["cells"] += copy.deepcopy(nb["cells"])


@mutator(NOTEBOOK, KEEPS, needs="ids marks")
def deleted_fixed_cells(rng: random.Random, nb: Notebook) -> None:
    """Checks, questions and the setup are gone."""
    gone = [cell for cell in fixed(nb) if rng.random() < 0.5]
    nb["cells"] = [cell for cell in nb["cells"] if not any(cell is other for other in gone)]


@mutator(NOTEBOOK, KEEPS, needs="ids marks")
def edited_fixed_cells(rng: random.Random, nb: Notebook) -> None:
    """Checks that always say yes, a setup that does not import."""
    for cell in fixed(nb):
        cell["source"] = rng.choice(("", "print('right')", "raise ValueError"))


@mutator(NOTEBOOK, KEEPS, needs="ids marks")
def retyped_cells(rng: random.Random, nb: Notebook) -> None:
    """Answers and checks as prose, as raw text, as a type of the future."""
    for cell in (*answers(nb), *fixed(nb)):
        if rng.random() < 0.5:
            cell["cell_type"] = rng.choice(("markdown", "raw", "python"))


@mutator(NOTEBOOK, KEEPS, needs="ids marks order")
def notes_with_an_answers_mark(rng: random.Random, nb: Notebook) -> None:
    """A copy of an answer, turned into notes before it."""
    cell = rng.choice(answers(nb))
    notes = copy.deepcopy(cell) | {"cell_type": "markdown", "id": "notes", "source": "my notes"}
    nb["cells"].insert(after(nb, cell) - 1, notes)


@mutator(NOTEBOOK, KEEPS, needs="ids marks order", breaks="order")
def shuffled_cells(rng: random.Random, nb: Notebook) -> None:
    """Another order."""
    rng.shuffle(nb["cells"])


@mutator(NOTEBOOK, KEEPS, needs="order")
def split_answer(rng: random.Random, nb: Notebook) -> None:
    """A helper in a cell of its own before the function; the second half may carry the mark, or both."""
    cell = rng.choice(answers(nb))
    half = copy.deepcopy(cell) | {"id": "half"} if rng.random() < 0.5 else code("")
    half["source"] = "def a_helper(x):\n    return x\n"
    cell["source"] = "used = a_helper(1)\n" + cell["source"]
    nb["cells"].insert(after(nb, cell) - 1, half)


@mutator(NOTEBOOK, KEEPS, needs="order")
def helpers_in_new_cells(rng: random.Random, nb: Notebook) -> None:
    """Cells before an answer, each of which needs the one before it; one after it that would break it."""
    cell = rng.choice(answers(nb))
    position = after(nb, cell)
    cell["source"] = "assert second_step == 2\n" + cell["source"]
    nb["cells"].insert(position, code("second_step = 'too late'"))
    for source in ("second_step = first_step + 1", "first_step = 1"):
        nb["cells"].insert(position - 1, code(source))


@mutator(NOTEBOOK, KEEPS, breaks="ids marks")
def answers_in_new_cells(_: random.Random, nb: Notebook) -> None:
    """Each cell to fill in deleted, and the function written into a new one there."""
    for cell in answers(nb):
        nb["cells"][after(nb, cell) - 1] = code(cell["source"])


@mutator(NOTEBOOK, KEEPS, breaks="ids marks order")
def answers_in_one_cell(rng: random.Random, nb: Notebook) -> None:
    """All functions in one cell, at the top or at the end."""
    found = answers(nb)
    nb["cells"] = [cell for cell in nb["cells"] if not any(cell is other for other in found)]
    position = rng.choice((0, len(nb["cells"])))
    nb["cells"].insert(position, code("\n\n".join(cell["source"] for cell in found)))


@mutator(SHAPE, KEEPS)
def sources_as_lists(_: random.Random, nb: Notebook) -> None:
    """As nbformat writes them."""
    for cell in nb["cells"]:
        cell["source"] = cell["source"].splitlines(keepends=True)


@mutator(NOTEBOOK, KEEPS)
def other_line_ends(rng: random.Random, nb: Notebook) -> None:
    """Windows, or a Mac of the last century, inside the cells."""
    end = rng.choice(("\r\n", "\r"))
    for cell in nb["cells"]:
        cell["source"] = cell["source"].replace("\n", end)


@mutator(NOTEBOOK, KEEPS)
def odd_characters(rng: random.Random, nb: Notebook) -> None:
    """In comments: NUL, halves of characters, marks that turn the reading direction, emoji."""
    for cell in answers(nb):
        cell["source"] = (
            cell["source"] + "\n# " + rng.choice(("\0", "\ud83d", "\u202e", "\U0001f600", "\x1b[2J", "\u2028"))
        )


@mutator(NOTEBOOK, KEEPS)
def odd_attachments(rng: random.Random, nb: Notebook) -> None:
    """Pasted pictures and what is none."""
    for cell in nb["cells"]:
        cell["attachments"] = rng.choice((*JUNK, {"a.png": {"image/png": "aGk="}}, {"<x>": {"text/html": "<b>"}}))


@mutator(NOTEBOOK, KEEPS)
def odd_values(rng: random.Random, nb: Notebook) -> None:
    """Numbers that JSON does not know, one without end, lists in lists as deep as Python writes them."""
    deep: Any = []
    for _ in range(300):
        deep = [deep]
    nb["x"] = rng.choice((float("nan"), float("inf"), 10**400, -(10**301), deep))


@mutator(SHAPE, LOSES)
def deleted_cells(rng: random.Random, nb: Notebook) -> None:
    """Any cells are gone, up to all."""
    nb["cells"] = rng.sample(nb["cells"], rng.randint(0, len(nb["cells"])))


@mutator(NOTEBOOK, LOSES)
def stub_after_answer(rng: random.Random, nb: Notebook) -> None:
    """The released stub pasted behind the answer: the last definition counts, as in the notebook."""
    cell = rng.choice(answers(nb))
    stub = cell["source"].split("\n")[0] + "\n    raise NotImplementedError()"
    nb["cells"].insert(after(nb, cell), code(stub))


@mutator(NOTEBOOK, LOSES)
def cut_answer(rng: random.Random, nb: Notebook) -> None:
    """An answer that ends in the middle."""
    cell = rng.choice(answers(nb))
    source = cell["source"]
    cell["source"] = source[: rng.randrange(len(source))]


@mutator(NOTEBOOK, LOSES)
def swapped_sources(rng: random.Random, nb: Notebook) -> None:
    """The contents of two cells change places."""
    a, b = rng.sample(nb["cells"], 2)
    a["source"], b["source"] = b["source"], a["source"]


@mutator(NOTEBOOK, LOSES)
def code_that_ends_the_player(rng: random.Random, nb: Notebook) -> None:
    """A cell that kills its own process."""
    insert(
        rng,
        nb,
        code(rng.choice(("import os\nos._exit(0)", "import os\nos.kill(os.getpid(), 9)", "import sys\nsys.exit()"))),
    )


@mutator(SHAPE, LOSES)
def random_values(rng: random.Random, nb: Notebook) -> None:
    """Any value anywhere is replaced by junk."""
    for _ in range(rng.randint(1, 4)):
        target: Any = nb
        while True:
            keys = list(target) if isinstance(target, dict) else list(range(len(target)))
            key = rng.choice(keys)
            if rng.random() < 0.25 or not isinstance(target[key], dict | list) or not target[key]:
                target[key] = rng.choice(JUNK)
                break
            target = target[key]
        if not isinstance(nb.get("cells"), list) or not nb["cells"]:
            return
