"""Grades for other systems: each format is a function from rows to text. Late work is reckoned here and only here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from autograder.classroom.export.reports import gradescope, junit
from autograder.classroom.export.rows import Row, gather, warnings
from autograder.classroom.export.tables import canvas, generic, moodle
from autograder.classroom.files import write_whole
from autograder.classroom.records import read_roster
from autograder.classroom.settings import Settings, load_settings
from autograder.curriculum import CurriculumError, Tree

__all__ = ["FORMATS", "Row", "export", "export_and_tell", "gather", "rows_of", "write"]

ONE_FILE: dict[str, tuple[str, Callable[[list[Row], Settings], str]]] = {
    "csv": ("grades.csv", generic),
    "canvas": ("canvas.csv", canvas),
    "moodle": ("moodle.csv", moodle),
    "junit": ("junit.xml", junit),
}
GRADESCOPE = "gradescope"  # one file per submission
FORMATS = (*ONE_FILE, GRADESCOPE)


def export(tree: Tree) -> Path:
    """Write `grades.csv`: one row per submission of every assignment that was graded here. Gives its path."""
    settings = load_settings(tree)
    return next(write(tree, settings, rows_of(tree, settings), ["csv"]))


def rows_of(tree: Tree, settings: Settings, slug: str | None = None) -> list[Row]:
    """The rows of one assignment, or of all that were graded here, in the order of teaching."""
    chosen = [tree.topic(slug)] if slug else tree.topics()
    return [row for topic in chosen for row in gather(tree, settings, topic)]


def write(tree: Tree, settings: Settings, rows: list[Row], formats: Iterable[str], slug: str = "") -> Iterator[Path]:
    """Write the rows in each format and give the paths: the file, or for many files the folder. `slug` names the file.

    An unknown format raises CurriculumError.
    """
    formats = list(formats)
    if unknown := [name for name in formats if name not in FORMATS]:
        raise CurriculumError(f"There is no export format {unknown[0]!r}. There are {', '.join(FORMATS)}.")
    for name in formats:
        if name == GRADESCOPE:
            for row in rows:
                write_whole(tree.export_of(name, row.person.id, row.slug), gradescope(row))
            yield tree.export(name)
        else:
            file, text = ONE_FILE[name]
            path = tree.export(f"{Path(file).stem}-{slug}{Path(file).suffix}" if slug else file)
            write_whole(path, text(rows, settings))
            yield path


def export_and_tell(tree: Tree, formats: Iterable[str], slug: str = "") -> list[str]:
    """Write the exports, and say where they are and what a teacher should know before using them."""
    settings = load_settings(tree)
    rows = rows_of(tree, settings, slug)
    if not rows:
        raise CurriculumError(f"Nothing is graded yet{f' in {slug}' if slug else ''}. Run `attn grade` first.")
    students = read_roster(tree) | {row.person.id for row in rows}
    paths = list(write(tree, settings, rows, formats, slug))
    return [f"{len(rows)} rows: {tree.shown(path)}" for path in paths] + warnings(rows, settings, students)
