"""The notebook in a learner's folder, under whatever name and in whatever wrapping it was handed in.

What lies under the right name counts. Only when that is missing, unreadable, as it was released or another assignment's,
another file is taken: one that holds cells of this assignment, if there is exactly one.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from autograder.classroom.archive import Closed, is_archive, notebooks_in
from autograder.classroom.files import Refused, read_regular
from autograder.classroom.notebook_file import LearnerNotebook, Unreadable, parse
from autograder.classroom.rebuild import Rebuilt, rebuild
from autograder.classroom.template import Role, Template
from autograder.classroom.text import count_up, one_line

LARGEST = 20_000_000  # bytes of a notebook; the outputs of ours are far smaller
MOST_READ = 2 * LARGEST  # bytes of all files that are looked into
MOST_OTHERS = 20  # files that are looked into
MOST_LISTED = 500
SKIPPED = ("__MACOSX", "timestamp.txt")


@dataclass(frozen=True)
class HandedIn:
    """A notebook that was found, rebuilt; `digest` is that of its bytes."""

    built: Rebuilt
    digest: str
    ours: bool  # does it hold cells of this assignment?
    remarks: tuple[str, ...] = ()


def find(path: Path, template: Template) -> HandedIn:
    """The notebook that belongs at `path`. Unreadable says why there is none, and what to do."""
    _assert_folders(path)
    reason, found = "", None
    try:
        found = _open(path, path.name, template)
        if found.ours and not found.built.as_released:
            return found
    except FileNotFoundError:
        pass
    except Unreadable as error:
        reason = str(error)
    others, listed = _others(path, template)
    taken = others[0] if len({other.digest for _, other in others}) == 1 else None
    names = count_up([name for name, _ in others], 5)
    if found is not None:
        flaw = "is as it was released" if found.ours else "holds no cell of this assignment"
        if taken is not None and not taken[1].built.as_released:
            return _instead(taken, f"{path.name} {flaw}; {taken[0]} was taken instead.")
        if others and taken is None:
            return replace(found, remarks=(f"{path.name} {flaw}; one of these may have been meant: {names}.",))
        return found
    if taken is not None:
        told = f"{reason} {taken[0]} was taken instead." if reason else f"Handed in as {taken[0]}."
        return _instead(taken, f"{told} Next time call it {path.name}.")
    if reason:
        raise Unreadable(reason)
    if others:
        raise Unreadable(f"There is no {path.name}, but several that could be meant: {names}. Hand in one of them.")
    there = f"In its place lie: {count_up(listed, 5)}." if listed else "The folder is empty."
    raise Unreadable(f"There is no {path.name}. {there} Hand in the notebook under its own name.")


def _instead(taken: tuple[str, HandedIn], remark: str) -> HandedIn:
    return replace(taken[1], remarks=(remark, *taken[1].remarks))


def _assert_folders(path: Path) -> None:
    """No link on the way is followed: a learner cannot hand in somebody else's folder."""
    for folder in (path.parent.parent, path.parent):
        try:
            mode = os.lstat(folder).st_mode
        except FileNotFoundError:
            raise Unreadable(f"There is no folder {_shown(folder.name)}. Hand in {path.name} in it.") from None
        except OSError as error:
            raise Unreadable(f"The folder {_shown(folder.name)} cannot be opened ({error.strerror}).") from None
        if stat.S_ISLNK(mode):
            raise Unreadable(f"The folder {_shown(folder.name)} is a link, not a folder. Hand in the notebook itself.")
        if not stat.S_ISDIR(mode):
            raise Unreadable(f"{_shown(folder.name)} is not a folder. Hand in a folder with {path.name} in it.")


def _open(path: Path, name: str, template: Template) -> HandedIn:
    """The notebook in a file. FileNotFoundError where there is none, Unreadable where it is no notebook."""
    try:
        data = read_regular(path, LARGEST)
    except Refused as error:
        raise Unreadable(f"{name} {error}. Hand in the notebook itself.") from None
    if not is_archive(data):
        return _read(data, name, template)
    try:
        notebooks = notebooks_in(data, LARGEST)
    except Closed as error:
        raise Unreadable(f"{name} {error}.") from None
    ours = list(_ours_in(name, notebooks, template))
    if len({found.digest for found in ours}) != 1:
        held = "several notebooks that could be meant" if ours else "no notebook of this assignment"
        raise Unreadable(f"{name} is an archive that holds {held}. Hand in the notebook itself.")
    return ours[0]


def _ours_in(archive: str, notebooks: list[tuple[str, bytes]], template: Template) -> Iterator[HandedIn]:
    for name, data in notebooks:
        try:
            found = _read(data, name, template)
        except Unreadable:
            continue
        if found.ours:
            remark = f"{archive} is an archive; {name} was taken. Next time hand in the notebook itself."
            yield replace(found, remarks=(remark,))


def _read(data: bytes, name: str, template: Template) -> HandedIn:
    notebook = parse(data, name)
    return HandedIn(rebuild(template, notebook), hashlib.sha256(data).hexdigest(), _is_ours(notebook, template))


def _others(path: Path, template: Template) -> tuple[list[tuple[str, HandedIn]], list[str]]:
    """Names and contents of the other files that hold our cells, and the names of all files. Notebooks by name first."""
    names = _names(path.parent)  # what it raises is told: this is the learner's own folder
    folders = [name for name in names if _is_folder(path.parent / name)][:MOST_OTHERS]
    listed = [name for name in names if name != path.name]
    files = list(listed)
    for folder in folders:
        with suppress(Unreadable):
            files += [f"{folder}/{name}" for name in _names(path.parent / folder)]
    files.sort(key=lambda name: (not name.lower().endswith(".ipynb"), name))
    ours: list[tuple[str, HandedIn]] = []
    left = MOST_READ
    for name in files[:MOST_OTHERS]:
        if ours and not name.lower().endswith(".ipynb"):
            break  # a backup beside a notebook does not compete with it
        try:
            size = os.lstat(path.parent / name).st_size
            if size > min(LARGEST, left):
                continue
            left -= size
            found = _open(path.parent / name, _shown(name), template)
        except (Unreadable, OSError):
            continue
        if found.ours:
            ours.append((_shown(name), found))
    return ours, [_shown(name) for name in listed]


def _names(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in islice(entries, MOST_LISTED))
    except OSError as error:
        raise Unreadable(f"The folder {_shown(folder.name)} cannot be opened ({error.strerror}).") from None
    return [name for name in names if not name.startswith(".") and name not in SKIPPED]


def _is_folder(path: Path) -> bool:
    return stat.S_ISDIR(os.lstat(path).st_mode)


def _is_ours(notebook: LearnerNotebook, template: Template) -> bool:
    """Does it hold a cell that only this assignment has, by its mark, its id or what it says?"""
    places = [place for place in template.places if place.role in (Role.ANSWER, Role.CHECK, Role.WRITTEN)]
    names = {place.name for place in places} | {place.id for place in places}
    says = {place.source.strip() for place in places if place.role is not Role.WRITTEN}
    return any(cell.grade_id in names or cell.id in names or cell.source.strip() in says for cell in notebook.cells)


def _shown(name: str) -> str:
    return one_line(name, 60)
