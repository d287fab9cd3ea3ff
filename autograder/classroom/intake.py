"""Intake: what a learner handed in, as data. Whatever lies in the folder becomes a Submission; nothing raises."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from autograder.classroom.files import Refused, read_regular
from autograder.classroom.notebook_file import LearnerNotebook, Unreadable, parse
from autograder.classroom.rebuild import Rebuilt, rebuild, untouched
from autograder.classroom.template import Template, load_template
from autograder.classroom.text import one_line
from autograder.curriculum import Tree
from autograder.judge.ledger import Submission

LARGEST = 20_000_000  # bytes of a notebook; the outputs of ours are far smaller


@dataclass(frozen=True)
class Intake:
    """A submission for the judge, and the rebuilt notebook into which its results will be written."""

    submission: Submission
    notebook: dict[str, Any]
    untouched: frozenset[str]  # grade ids of the cells that are as they were released


def read_submission(tree: Tree, student: str, slug: str) -> Submission:
    """What `student` handed in for `slug`. What cannot be read has `unreadable` set to a sentence that says why."""
    return take_in(tree, student, load_template(tree, slug)).submission


def take_in(tree: Tree, student: str, template: Template) -> Intake:
    """The same with the rebuilt notebook; the untouched exercise where nothing can be read."""
    remarks: tuple[str, ...] = ()
    reason = ""
    try:
        data, remarks = _find(tree, student, template)
        built = rebuild(template, parse(data, tree.submission(student, template.slug).name))
    except Unreadable as error:
        data, reason, built = b"", str(error), untouched(template)
    except Exception as error:  # noqa: BLE001 - a file that we did not think of is a row with a reason, too
        reason = f"The notebook could not be read ({type(error).__name__}). Save it in JupyterLab and hand it in again."
        data, built = b"", untouched(template)
    remarks += tuple(built.remarks)
    submission = _submission(tree, student, template, built)
    submission = replace(submission, fingerprint=_fingerprint(data, template, remarks, reason), remarks=remarks)
    if reason:
        submission = replace(submission, cells=(), written=(), unreadable=reason)
    return Intake(submission, built.notebook, frozenset(built.untouched))


def _submission(tree: Tree, student: str, template: Template, built: Rebuilt) -> Submission:
    tasks = {task.grade_id: task.id for task in tree.topic(template.slug).tasks}
    written = tuple((tasks[name], *answer) for name, answer in built.written.items() if name in tasks)
    return Submission(student, template.slug, tuple(built.code), written)


def _fingerprint(data: bytes, template: Template, remarks: tuple[str, ...], reason: str) -> str:
    """Two submissions with the same fingerprint are graded alike, and told the same."""
    parts = (template.digest, hashlib.sha256(data).hexdigest(), *remarks, reason)
    return hashlib.sha256("\0".join(parts).encode("utf-8", "backslashreplace")).hexdigest()


def _find(tree: Tree, student: str, template: Template) -> tuple[bytes, tuple[str, ...]]:
    """The bytes of the notebook. One with another name is taken if it is the only one and holds cells of ours."""
    path = tree.submission(student, template.slug)
    for folder in (path.parent, path.parent.parent):
        if folder.is_symlink():
            raise Unreadable(f"The folder {folder.name} is a link, not a folder. Hand in the notebook itself.")
    data = _read(path)
    if data is not None:
        return data, ()
    others = sorted(_others(path.parent))
    ours = [other for other in others if _is_ours(other, template)]
    if len(ours) == 1 and (data := _read(ours[0])) is not None:
        return data, (f"Handed in as {_shown(ours[0])}; next time call it {path.name}.",)
    if ours:
        names = _listed(ours)
        raise Unreadable(f"There is no {path.name}, but several that could be meant: {names}. Hand in one of them.")
    there = f"In its place lie: {_listed(others)}." if others else "The folder is empty."
    raise Unreadable(f"There is no {path.name}. {there} Hand in the notebook under its own name.")


def _listed(paths: list[Path]) -> str:
    more = f" and {len(paths) - 5} more" if len(paths) > 5 else ""
    return ", ".join(_shown(path) for path in paths[:5]) + more


def _read(path: Path) -> bytes | None:
    try:
        return read_regular(path, LARGEST)
    except FileNotFoundError:
        return None
    except Refused as error:
        raise Unreadable(f"{_shown(path)} {error}. Hand in the notebook itself.") from None


def _others(folder: Path) -> Iterator[Path]:
    try:
        yield from (path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError:
        return


def _is_ours(path: Path, template: Template) -> bool:
    if path.suffix != ".ipynb":
        return False
    try:
        return _has_our_cells(parse(_read(path) or b"", path.name), template)
    except Unreadable:
        return False


def _has_our_cells(notebook: LearnerNotebook, template: Template) -> bool:
    return any(cell.grade_id in template.grade_ids for cell in notebook.cells)


def _shown(path: Path) -> str:
    return one_line(path.name, 60)
