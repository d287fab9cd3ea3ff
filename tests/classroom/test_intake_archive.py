"""An archive with one notebook of ours is taken; no archive writes a file, or costs more than a notebook may."""

import gzip
import io
import time
import zipfile
import zlib
from typing import Any

import pytest
from makers import SLUG, dump, exercise, hand_in, prose, solved, write

from autograder.classroom.archive import MOST_ENTRIES, Closed, notebooks_in
from autograder.classroom.handed_in import LARGEST
from autograder.classroom.intake import read_submission
from autograder.curriculum import Tree
from autograder.judge.ledger import Submission

NAME = f"{SLUG}.ipynb"


def zipped(method: int = zipfile.ZIP_DEFLATED, **files: bytes) -> bytes:
    """A zip archive; `files` by name."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def taken(tree: Tree, content: bytes) -> Submission:
    """What the intake makes of an archive in the notebook's place."""
    hand_in(tree, content)
    return read_submission(tree, "ada", SLUG)


def noted(note: str) -> bytes:
    """The solved notebook with a note in it."""
    notebook = solved()
    notebook["cells"].append(prose("note", note))
    return dump(notebook)


OURS = {
    "alone": (zipped(**{NAME: dump(solved())}), NAME),
    "stored": (zipped(zipfile.ZIP_STORED, **{NAME: dump(solved())}), NAME),
    "in a folder": (zipped(**{f"me/{NAME}": dump(solved()), "me/data.csv": b"1"}), f"me/{NAME}"),
    "with what a Mac adds": (zipped(**{NAME: dump(solved()), f"__MACOSX/._{NAME}": b"\0"}), NAME),
    "with a checkpoint": (zipped(**{NAME: dump(solved()), ".ipynb_checkpoints/a.ipynb": dump(exercise())}), NAME),
    "with another course's": (zipped(**{NAME: dump(solved()), "x.ipynb": b'{"cells": []}'}), NAME),
    "twice the same": (zipped(a=b"", **{"a.ipynb": dump(solved()), "b.ipynb": dump(solved())}), "a.ipynb"),
    "a path out of the folder": (zipped(**{f"../../../{NAME}": dump(solved())}), f"../../../{NAME}"),
    "an absolute path": (zipped(**{f"/etc/{NAME}": dump(solved())}), f"/etc/{NAME}"),
    "gzip": (gzip.compress(dump(solved())), "the file in it"),
}


@pytest.mark.parametrize(("content", "name"), OURS.values(), ids=OURS)
def test_an_archive_with_one_notebook_of_ours_is_taken(tree, content, name):
    """It is graded like the notebook itself, the learner is told, and nothing but the archive lies on the disk."""
    before = sorted(tree.root.rglob("*"))
    right = taken(tree, dump(solved()))
    found = taken(tree, content)
    assert (found.unreadable, found.cells, found.written) == ("", right.cells, right.written)
    assert found.remarks == (f"{NAME} is an archive; {name} was taken. Next time hand in the notebook itself.",)
    path = tree.submission("ada", SLUG)
    assert sorted(tree.root.rglob("*")) == sorted({*before, path, *path.parents[:3], tree.course})


def test_an_archive_under_its_own_name_is_taken_too(tree):
    """What a learning platform hands over."""
    write(tree.submission("ada", SLUG).with_name("submission.zip"), zipped(**{NAME: dump(solved())}))
    found = read_submission(tree, "ada", SLUG)
    assert found.unreadable == ""
    assert found.remarks[0] == f"Handed in as submission.zip. Next time call it {NAME}."


def locked() -> bytes:
    """An archive that says it has a password: the bit that says so is set in both of its headers."""
    data = bytearray(zipped(**{NAME: dump(solved())}))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


CLOSED = {
    "no notebook": (zipped(**{"a.txt": b"x"}), "is a zip archive without a notebook"),
    "nothing": (zipped(), "is an empty or damaged zip archive"),
    "only another notebook": (zipped(**{"a.ipynb": b'{"cells": []}'}), "an archive that holds no notebook of this"),
    "two that differ": (zipped(**{"a.ipynb": noted("1"), "b.ipynb": noted("2")}), "holds several notebooks"),
    "an archive in an archive": (zipped(**{"a.zip": zipped(**{NAME: dump(solved())})}), "without a notebook"),
    "an archive called a notebook": (zipped(**{NAME: zipped(**{NAME: b"x"})}), "holds no notebook of this assignment"),
    "many files": (zipped(**{f"{i}.txt": b"" for i in range(MOST_ENTRIES + 1)}), "holds more than 1000 files"),
    "many notebooks": (zipped(**{f"{i}.ipynb": b"" for i in range(11)}), "holds 11 notebooks"),
    "a bomb": (zipped(**{NAME: b" " * (LARGEST + 1)}), "holds more than the 20 MB that are read"),
    "a bomb in parts": (
        zipped(**{f"{i}.ipynb": b" " * (LARGEST // 5) for i in range(6)}),
        "holds more than the",
    ),
    "a gzip bomb": (gzip.compress(b" " * 200_000_000), "holds more than 20 MB"),
    "a bomb of another method": (
        zipped(zipfile.ZIP_LZMA, **{NAME: b" " * 1000}),
        "is packed in a way that is not opened here",
    ),
    "a password": (locked(), "is locked with a password"),
    "cut off": (zipped(**{NAME: dump(solved())})[:-30], "is a damaged zip archive"),
}


@pytest.mark.parametrize(("content", "sentence"), CLOSED.values(), ids=CLOSED)
def test_any_other_archive_is_a_row_with_a_reason(tree, content, sentence):
    """The sentence says why, in less than a second."""
    start = time.process_time()
    found = taken(tree, content)
    assert time.process_time() - start < 2
    assert sentence in found.unreadable
    assert found.unreadable.endswith("Hand in the notebook itself.")
    assert found.cells == ()


def test_a_false_size_is_not_believed():
    """What is read counts, not what the archive says of itself."""
    data = bytearray(zipped(**{NAME: b"x" * 5000}))
    entry = data.index(b"PK\x01\x02")
    for at in (22, entry + 24):  # the size in both headers
        data[at : at + 4] = (10).to_bytes(4, "little")
    with pytest.raises(Closed):
        notebooks_in(bytes(data), 100)


def test_damage_anywhere_in_an_archive_raises_nothing_else():
    """Every byte overwritten in turn: a verdict or the files, never another error."""
    data = zipped(**{NAME: b"hello"})
    outcomes: set[Any] = set()
    for position in range(len(data)):
        for value in (0, 1, 255):
            try:
                outcomes.add(tuple(notebooks_in(data[:position] + bytes([value]) + data[position + 1 :], 1000)))
            except Closed:
                outcomes.add(None)
    assert {None, ((NAME, b"hello"),)} <= outcomes
    with pytest.raises(Closed, match="damaged gzip"):
        notebooks_in(b"\x1f\x8b" + zlib.compress(b"x"), 10)
