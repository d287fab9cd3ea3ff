"""Whatever lies in a learner's folder: the notebook is found if it is there, no link is followed, nothing blocks."""

import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from makers import SLUG, cell, dump, exercise, hand_in, prose, solved, write

from autograder.classroom.files import Refused, read_regular
from autograder.classroom.intake import read_submission, take_in
from autograder.classroom.template import load_template
from autograder.curriculum import Tree
from autograder.judge.ledger import Submission

NAME = f"{SLUG}.ipynb"


def filled(tree: Tree, fill: Callable[[Path], Any]) -> Submission:
    """What the intake makes of ada's folder; `fill` gets the path of the notebook that belongs there."""
    path = tree.submission("ada", SLUG)
    path.parent.mkdir(parents=True)
    fill(path)
    return read_submission(tree, "ada", SLUG)


def same(tree: Tree, found: Submission) -> bool:
    """Is it graded like the solved notebook under its right name?"""
    hand_in(tree, solved(), "grace")
    right = read_submission(tree, "grace", SLUG)
    return found.unreadable == "" and (found.cells, found.written) == (right.cells, right.written)


def a_link(path: Path) -> None:
    """A link to somebody else's file."""
    path.symlink_to(write(path.parents[2] / "secret.ipynb", solved()))


def a_socket(path: Path) -> None:
    """A socket that somebody listens at."""
    here = os.open(".", os.O_RDONLY)
    os.chdir(path.parent)  # the path of a socket is short
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path.name)
    finally:
        os.fchdir(here)
        os.close(here)


def a_device(path: Path) -> None:
    """The device that never ends."""
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))
    except PermissionError as error:
        pytest.skip(f"needs the right to make devices: {error}")


def several(*names: str) -> Callable[[Path], None]:
    """Notebooks that differ, under these names."""

    def fill(path: Path) -> None:
        for name in names:
            notebook = solved()
            notebook["cells"].append(prose("note", name))
            write(path.with_name(name), notebook)

    return fill


FOLDERS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "nothing": (lambda _: None, f"There is no {NAME}. The folder is empty."),
    "a hidden folder only": (lambda p: write(p.parent / ".ipynb_checkpoints" / NAME, solved()), "The folder is empty."),
    "what a Mac adds": (lambda p: write(p.parent / "__MACOSX" / f"._{NAME}", solved()), "The folder is empty."),
    "the collector's time only": (lambda p: write(p.with_name("timestamp.txt"), "2026"), "The folder is empty."),
    "a printout": (lambda p: write(p.with_name("proof.pdf"), "%PDF"), "In its place lie: proof.pdf."),
    "another notebook": (lambda p: write(p.with_name("x.ipynb"), b'{"cells": []}'), "In its place lie: x.ipynb."),
    "a broken notebook": (lambda p: write(p.with_name("x.ipynb"), b"{"), "In its place lie: x.ipynb."),
    "many files": (lambda p: [write(p.with_name(f"{i}.txt"), "x") for i in range(9)], "3.txt, 4.txt and 4 more"),
    "two that could be meant": (several("a.ipynb", "b.ipynb"), "several that could be meant: a.ipynb, b.ipynb"),
    "a terminal's colours in a name": (
        lambda p: write(p.with_name("\x1b[31mx\n.txt"), "x"),
        "In its place lie: x .txt.",
    ),
    "a name that is not UTF-8": (
        lambda p: write(p.with_name(os.fsdecode(b"caf\xe9.txt")), "x"),
        "In its place lie: caf\ufffd.txt.",
    ),
    "a link": (a_link, f"{NAME} is a link"),
    "a link to nothing": (lambda p: p.symlink_to("/nowhere"), f"{NAME} is a link"),
    "a link to itself": (lambda p: p.symlink_to(p), f"{NAME} is a link"),
    "a link to the gradebook": (lambda p: p.symlink_to("../../../gradebook.db"), f"{NAME} is a link"),
    "a link under another name": (lambda p: a_link(p.with_name("x.ipynb")), "In its place lie: x.ipynb."),
    "a linked folder in it": (lambda p: p.with_name("x").symlink_to(p.parents[2]), "In its place lie: x."),
    "a folder": (lambda p: p.mkdir(), f"{NAME} is a folder, not a file"),
    "a pipe": (lambda p: os.mkfifo(p), f"{NAME} is a pipe, not a file"),
    "a socket": (a_socket, f"{NAME} is a socket, not a file"),
    "a device": (a_device, f"{NAME} is a device, not a file"),
    "a pipe under another name": (lambda p: os.mkfifo(p.with_name("x.ipynb")), "In its place lie: x.ipynb."),
    "a sparse file": (lambda p: os.truncate(write(p, b"{"), 1 << 40), "is larger than 20 MB"),
}


@pytest.mark.parametrize(("fill", "sentence"), FOLDERS.values(), ids=FOLDERS)
def test_a_folder_without_the_notebook_is_a_row_that_says_what_lies_there(tree, fill, sentence):
    """Missing, misnamed, linked, of another kind: the reason names it, no link is followed, and nothing blocks."""
    found = filled(tree, fill)
    assert sentence in found.unreadable
    assert found.unreadable.endswith(".")
    assert found.cells == ()


PLACES: dict[str, tuple[str, str]] = {
    "a browser's second download": ("06_scaling (1).ipynb", "Handed in as 06_scaling (1).ipynb."),
    "Jupyter's copy": ("06_scaling-Copy1.ipynb", "Handed in as 06_scaling-Copy1.ipynb."),
    "other letter case": ("06_Scaling.IPYNB", "Handed in as 06_Scaling.IPYNB."),
    "an ending more": (f"{NAME}.txt", f"Handed in as {NAME}.txt."),
    "another ending": ("06_scaling.json", "Handed in as 06_scaling.json."),
    "no ending": ("06_scaling", "Handed in as 06_scaling."),
    "blanks and accents": ("mon été \n n°6.ipynb", "Handed in as mon été n°6.ipynb."),
    "a folder deeper": (f"{SLUG}/{NAME}", f"Handed in as {SLUG}/{NAME}."),
    "in a folder of the notebook's name": (
        f"{NAME}/{NAME}",
        f"{NAME} is a folder, not a file. Hand in the notebook itself. {NAME}/{NAME} was taken instead.",
    ),
}


@pytest.mark.parametrize(("name", "remark"), PLACES.values(), ids=PLACES)
def test_the_only_notebook_with_our_cells_is_taken_wherever_it_lies(tree, name, remark):
    """It is graded like the right name, and the learner is told; files that are not ours do not stand in the way."""

    def fill(path: Path) -> None:
        write(path.parent / name, solved())
        write(path.with_name("notes.ipynb"), b'{"cells": []}')
        write(path.with_name("data.csv"), b"1,2")
        write(path.parent / ".ipynb_checkpoints" / "06_scaling-checkpoint.ipynb", exercise())

    found = filled(tree, fill)
    assert same(tree, found)
    assert found.remarks == (f"{remark} Next time call it {NAME}.",)


def test_a_notebook_without_any_metadata_is_recognised_by_its_cells(tree):
    """Colab and Kaggle drop ids and marks: the checks say the same."""

    def fill(path: Path) -> None:
        bare = {"nbformat": 4, "cells": [c | {"metadata": {}, "id": ""} for c in solved()["cells"]]}
        write(path.with_name("colab.ipynb"), bare)

    assert same(tree, filled(tree, fill))


def test_the_notebook_of_another_assignment_is_not_ours(tree):
    """That it has a locked cell called setup, too, does not make it one."""
    other = exercise()
    other["cells"] = [cell(other, "setup"), prose("bahdanau-proof", "x", grade=True, solution=True)]
    found = filled(tree, lambda p: write(p.with_name("x.ipynb"), other))
    assert "In its place lie: x.ipynb." in found.unreadable


def test_the_right_name_wins(tree):
    """A copy that lies beside it is not looked at, whatever it holds."""

    def fill(path: Path) -> None:
        write(path, solved())
        several("06_scaling-Copy1.ipynb", "06_Scaling.ipynb")(path)

    found = filled(tree, fill)
    assert same(tree, found)
    assert found.remarks == ()


def test_twice_the_same_is_no_question(tree):
    """Two files with the same bytes are one notebook."""
    found = filled(tree, lambda p: [write(p.with_name(n), solved()) for n in ("a.ipynb", "b.ipynb")])
    assert same(tree, found)


def test_a_backup_does_not_compete_with_a_notebook(tree):
    """An editor's copy with another ending is older by habit."""

    def fill(path: Path) -> None:
        write(path.with_name("x.ipynb"), solved())
        write(path.with_name("x.ipynb.bak"), exercise())

    assert same(tree, filled(tree, fill))


def test_work_in_a_copy_beside_the_released_notebook_counts(tree):
    """Who fills in a copy and leaves the original as it was has not handed in nothing."""

    def fill(path: Path) -> None:
        write(path, exercise())
        write(path.with_name("06_scaling-Copy1.ipynb"), solved())

    found = filled(tree, fill)
    assert same(tree, found)
    told = f"{NAME} is as it was released; 06_scaling-Copy1.ipynb was taken instead."
    assert found.remarks == (told,)


def test_which_copy_was_meant_is_asked_when_there_are_several(tree):
    """The released notebook is graded, and the remark names the copies."""

    def fill(path: Path) -> None:
        write(path, exercise())
        several("a.ipynb", "b.ipynb")(path)

    found = filled(tree, fill)
    told = f"{NAME} is as it was released; one of these may have been meant: a.ipynb, b.ipynb."
    assert (found.unreadable, found.remarks) == ("", (told,))


def test_another_assignment_under_the_right_name_does_not_hide_the_right_one(tree):
    """Two notebooks with their names exchanged."""

    def fill(path: Path) -> None:
        write(path, {"cells": [prose("a", "# Another")], "nbformat": 4})
        write(path.with_name("05_luong.ipynb"), solved())

    found = filled(tree, fill)
    assert same(tree, found)
    assert found.remarks == (f"{NAME} holds no cell of this assignment; 05_luong.ipynb was taken instead.",)


def test_a_huge_or_closed_neighbour_does_not_hide_the_notebook(tree, monkeypatch):
    """Each file and folder beside it costs only itself."""
    scandir = os.scandir

    def fill(path: Path) -> None:
        write(path.with_name("x.ipynb"), solved())
        os.truncate(write(path.with_name("a.ipynb"), b"{"), 1 << 40)
        write(path.with_name("closed") / "y.ipynb", exercise())

    monkeypatch.setattr(
        "autograder.classroom.handed_in.os.scandir",
        lambda path: denied() if Path(path).name == "closed" else scandir(path),
    )
    assert same(tree, filled(tree, fill))


def test_of_two_untouched_notebooks_the_right_name_counts(tree):
    """There is nothing to choose."""

    def fill(path: Path) -> None:
        write(path, exercise())
        write(path.with_name("copy.ipynb"), dump(exercise()) + b"\n")

    found = filled(tree, fill)
    assert (found.unreadable, found.remarks) == ("", ())


def test_a_readable_copy_beside_a_broken_notebook_counts(tree):
    """An upload that broke off, and the second try under a browser's name."""

    def fill(path: Path) -> None:
        write(path, dump(solved())[:700])
        write(path.with_name("06_scaling (1).ipynb"), solved())

    found = filled(tree, fill)
    assert same(tree, found)
    assert "JSON is broken" in found.remarks[0]
    assert found.remarks[0].endswith(f"06_scaling (1).ipynb was taken instead. Next time call it {NAME}.")


def test_a_hard_link_is_an_ordinary_file(tree):
    """Backups and collectors make them; a grade never goes through one, since files are replaced, not written."""

    def fill(path: Path) -> None:
        os.link(write(path.parents[2] / "x.ipynb", solved()), path)

    assert same(tree, filled(tree, fill))


def test_thousands_of_files_are_not_all_opened(tree, monkeypatch):
    """A folder full of notebooks costs a bounded number of looks."""
    opened = []
    monkeypatch.setattr(
        "autograder.classroom.handed_in.read_regular",
        lambda path, limit: opened.append(path) or read_regular(path, limit),
    )
    found = filled(tree, lambda p: [write(p.with_name(f"{i}.ipynb"), b"{") for i in range(600)])
    assert len(opened) <= 21
    assert "and 495 more" in found.unreadable


def test_a_linked_folder_is_not_entered(tree):
    """A learner cannot hand in somebody else's folder, nor somebody else's student folder."""
    hand_in(tree, solved(), "grace")
    tree.submission("ada", SLUG).parent.parent.mkdir(parents=True)
    tree.submission("ada", SLUG).parent.symlink_to(tree.submission("grace", SLUG).parent)
    assert "06_scaling is a link, not a folder" in read_submission(tree, "ada", SLUG).unreadable
    (tree.course / "submitted" / "eve").symlink_to(tree.course / "submitted" / "grace")
    assert "eve is a link, not a folder" in read_submission(tree, "eve", SLUG).unreadable


def test_everything_in_the_place_of_the_folder_is_a_row(tree):
    """A file, a pipe or a link where the folder belongs is a student with a reason, not a student who is skipped."""
    students = tree.course / "submitted"
    for name in ("ada", "ben", "cyd", "dan", "fay"):
        (students / name).mkdir(parents=True)
    write(students / "ada" / SLUG, "x")
    os.mkfifo(students / "ben" / SLUG)
    (students / "cyd" / SLUG).symlink_to("/nowhere")
    (students / "eve").symlink_to("/nowhere")
    (students / "dan" / SLUG).mkdir()
    write(students / ".DS_Store", "x")
    assert list(tree.students(SLUG)) == ["ada", "ben", "cyd", "dan", "eve"]
    for name in ("ada", "ben"):
        assert "06_scaling is not a folder" in read_submission(tree, name, SLUG).unreadable
    assert "06_scaling is a link" in read_submission(tree, "cyd", SLUG).unreadable
    assert "eve is a link" in read_submission(tree, "eve", SLUG).unreadable


def denied(*_: Any) -> Any:
    """What the system says to an ordinary user."""
    raise PermissionError(13, "Permission denied")


def test_a_student_whose_folder_is_closed_is_a_row(tree, monkeypatch):
    """What cannot be looked into is not skipped: the row says that it cannot be opened."""
    tree.submission("ada", SLUG).parent.mkdir(parents=True)
    template = load_template(tree, SLUG)
    monkeypatch.setattr("autograder.curriculum.os.lstat", denied)
    assert list(tree.students(SLUG)) == ["ada"]
    reason = take_in(tree, "ada", template).submission.unreadable
    assert reason == "The folder ada cannot be opened (Permission denied)."


@pytest.mark.parametrize("call", ["open", "lstat"])
def test_a_file_without_permission_is_a_row(tree, monkeypatch, call):
    """The system's own words say why it cannot be opened."""
    hand_in(tree, solved())
    template = load_template(tree, SLUG)
    monkeypatch.setattr(f"autograder.classroom.files.os.{call}", denied)
    assert "cannot be opened (Permission denied)" in take_in(tree, "ada", template).submission.unreadable


def test_a_folder_without_permission_is_a_row(tree, monkeypatch):
    """It is not called empty."""
    tree.submission("ada", SLUG).parent.mkdir(parents=True)
    template = load_template(tree, SLUG)
    monkeypatch.setattr("autograder.classroom.handed_in.os.scandir", denied)
    reason = take_in(tree, "ada", template).submission.unreadable
    assert reason == "The folder 06_scaling cannot be opened (Permission denied)."


def test_permissions_that_are_really_missing_are_rows(tree):
    """The same with a real file, where the tests do not run as root."""
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    hand_in(tree, solved()).chmod(0)
    assert "Permission denied" in read_submission(tree, "ada", SLUG).unreadable


def test_a_file_that_grows_while_it_is_read_is_refused(tmp_path, monkeypatch):
    """Half a notebook is not graded; the sentence says what happened."""
    path = write(tmp_path / "x", b"{}")
    assert read_regular(path, 1000) == b"{}"
    real = os.fstat
    looks = []

    def growing(fd: int) -> os.stat_result:
        looks.append(real(fd))
        if len(looks) == 1:  # between the first look and the reading
            path.write_bytes(b"{}" + b" " * 100)
        return looks[-1]

    monkeypatch.setattr("autograder.classroom.files.os.fstat", growing)
    with pytest.raises(Refused, match="was still being written when it was read"):
        read_regular(path, 1000)
