"""Odd files: links, pipes, sockets, devices, archives and names in the place of a notebook, or beside it."""

from __future__ import annotations

import io
import os
import socket
import zipfile
from collections.abc import Mapping
from pathlib import Path

from attack import FILES, INTAKE, PAGES, WRITER, Attack

NAME = "06_scaling.ipynb"
Words = Mapping[str, str]


def _instead(make):
    """A thing in the place of the notebook, made by `make(path, words)`."""

    def folder(path: Path, words: Words) -> None:
        (path / NAME).unlink()
        make(path / NAME, words)

    return folder


def _link_to(target: str):
    return _instead(lambda path, words: path.symlink_to(target.replace("@COURSE@", words["COURSE"])))


def _socket(path: Path, _: Words) -> None:
    """A socket's path may have 108 characters only, so it is made from inside its folder."""
    here = Path.cwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
    finally:
        os.chdir(here)


def _device(path: Path, _: Words) -> None:
    """Only root can make one; a pipe stands in for it elsewhere."""
    try:
        os.mknod(path, 0o020666, os.makedev(1, 5))  # /dev/zero: it has no end
    except PermissionError:
        os.mkfifo(path)


def _linked_folder(path: Path, words: Words) -> None:
    (path / NAME).unlink()
    path.rmdir()
    path.symlink_to(Path(words["COURSE"]) / "submitted" / "00" / path.name)


def _linked_student(path: Path, words: Words) -> None:
    (path / NAME).unlink()
    path.rmdir()
    path.parent.rmdir()
    path.parent.symlink_to(Path(words["COURSE"]) / "submitted" / "00")


def _loop(path: Path, _: Words) -> None:
    (path / NAME).unlink()
    path.rmdir()
    path.symlink_to(path.name)


def _file_for_folder(path: Path, _: Words) -> None:
    data = (path / NAME).read_bytes()
    (path / NAME).unlink()
    path.rmdir()
    path.write_bytes(data)


def _zip_slip(path: Path, words: Words) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name in (f"../../../{words['MARK']}", f"{words['OUTSIDE']}/{words['MARK']}", NAME):
            archive.writestr(name, "{}")


def _zip_bomb(path: Path, words: Words) -> None:
    space = io.BytesIO()
    with zipfile.ZipFile(space, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(words["MARK"], b"\0" * 30_000_000)
    for name in ("bomb.zip", "nested.zip", "06_scaling.zip"):
        (path / name).write_bytes(space.getvalue())


def _sparse(path: Path, _: Words) -> None:
    with path.open("wb") as file:
        file.truncate(10 << 30)


def _renamed(path: Path, _: Words) -> None:
    (path / NAME).rename(path / "06_scaling (1).ipynb")


def _undecodable(path: Path, _: Words) -> None:
    (path / NAME).unlink()
    Path(os.fsdecode(os.fsencode(path) + b"/\xff\xfe\xf0.ipynb")).write_text("{}", encoding="utf-8")


def _two(path: Path, _: Words) -> None:
    data = (path / NAME).read_bytes()
    (path / NAME).unlink()
    (path / "a.ipynb").write_bytes(data)
    (path / "b.ipynb").write_bytes(data.replace(b"np.zeros_like", b"np.ones_like"))


def _decoys(path: Path, _: Words) -> None:
    (path / NAME).unlink()
    for number in range(300):
        (path / f"{number}.ipynb").write_text('{"cells": []}', encoding="utf-8")
    (path / "loop.ipynb").symlink_to("loop.ipynb")
    os.mkfifo(path / "pipe.ipynb")


def _timestamp(path: Path, _: Words) -> None:
    (path / "timestamp.txt").write_text("1970-01-01 00:00:00 UTC\n<script>\x1b[2J", encoding="utf-8")


def _pipes_beside(path: Path, words: Words) -> None:
    os.mkfifo(path / "timestamp.txt")
    os.mkfifo(path / "data.csv")
    (path / "course").symlink_to(words["COURSE"])
    (path / "loop").symlink_to(path)


def odd(id: str, title: str, folder, says: str, **more) -> Attack:
    """Nothing can be read, so nothing is earned."""
    return Attack(id, title, INTAKE, folder=folder, earns=0.0, says=says, **more)


ATTACKS = (
    odd(
        "43",
        "A link to the gradebook in the place of the notebook",
        _link_to("@COURSE@/gradebook.db"),
        "is a link, not a file",
    ),
    odd("44", "An archive whose names climb out of the folder", _instead(_zip_slip), "archive"),
    Attack("45", "Zip bombs beside the notebook", INTAKE, folder=_zip_bomb),
    Attack("58", "A notebook with another name", INTAKE, folder=_renamed, says="ext time call it 06_scaling.ipynb"),
    odd("59", "No notebook at all", lambda path, _: (path / NAME).unlink(), "There is no 06_scaling.ipynb"),
    Attack(
        "73",
        "A time of submission of one's own",
        WRITER,
        folder=_timestamp,
        note="the raw score does not know it; a late policy believes whoever collects the files",
    ),
    odd("O1", "A pipe that never ends", _instead(lambda path, _: os.mkfifo(path)), "is a pipe, not a file"),
    odd("O2", "A socket", _instead(_socket), "06_scaling.ipynb"),
    odd("O3", "A device", _instead(_device), "not a file"),
    odd("O4", "A link to itself", _link_to(NAME), "is a link, not a file"),
    odd(
        "O5",
        "A link to another learner's notebook",
        _link_to("@COURSE@/submitted/00/06_scaling/06_scaling.ipynb"),
        "is a link, not a file",
    ),
    odd("O6", "The whole folder is a link to another learner's", _linked_folder, "is a link, not a folder"),
    odd(
        "O7",
        "A hard link to the gradebook",
        _instead(lambda path, words: os.link(f"{words['COURSE']}/gradebook.db", path)),
        "is a database",
    ),
    odd("O8", "A sparse file of ten gigabytes", _instead(_sparse), "is larger than"),
    odd(
        "O9",
        "A folder with the name of the notebook",
        _instead(lambda path, _: path.mkdir()),
        "is a folder, not a file",
    ),
    Attack(
        "O10",
        "A name with a line end, an escape, HTML and a bidi mark",
        PAGES,
        folder=lambda p, _: (p / NAME).rename(p / "06\nscaling\x1b[2J<b>\u202e.ipynb"),
        says="Handed in as",
    ),
    odd("O11", "A name that is no text", _undecodable, "There is no 06_scaling.ipynb"),
    odd("O12", "Two notebooks, neither with the right name", _two, "but several that could be meant"),
    odd("O13", "Three hundred decoys, a pipe and a loop of links", _decoys, "There is no 06_scaling.ipynb"),
    Attack("O14", "Pipes, links to the course and loops beside the notebook", INTAKE, folder=_pipes_beside),
    odd("O15", "A link to an endless device", _link_to("/dev/zero"), "is a link, not a file"),
    Attack(
        "O16",
        "Programs beside the notebook, executable",
        FILES,
        folder=lambda p, w: [
            (p / n).write_text(f"#!/bin/sh\ntouch {w['OUTSIDE']}/{w['MARK']}\n") and (p / n).chmod(0o755)
            for n in ("autograder.py", "run_autograder", "setup.sh", "Makefile", "pyproject.toml")
        ],
    ),
    odd("O17", "The learner's whole folder is a link to another learner's", _linked_student, "is a link, not a folder"),
    odd("O18", "The assignment's folder is a link to itself", _loop, "link"),
    odd("O19", "A file in the place of the assignment's folder", _file_for_folder, "folder"),
)
