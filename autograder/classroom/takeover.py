"""A changed assignment in a gradebook that holds submissions: nbgrader refuses it, so its rows are changed here.

Added tasks get rows, removed ones lose them, points and sources become those of the new release. Submissions, scores and
comments that persons gave stay.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sql
from nbgrader import api
from nbgrader.api import Gradebook as Database
from nbgrader.api import MissingEntry

from autograder.classroom.gradebook import MATERIAL
from autograder.classroom.nbgrader_steps import programs_on_path
from autograder.curriculum import CurriculumError


def take_over(gradebook: Any, released: str, slug: str, drop_scores: bool = False) -> Iterator[str]:
    """Bring `slug` in `gradebook` to the release in the database at `released`, in one transaction.

    Yields what changed, a sentence for each. A person's score for a task that is gone raises CurriculumError unless
    `drop_scores`: then it is removed.
    """
    MATERIAL.metadata.create_all(gradebook.engine)
    with programs_on_path():
        source = Database(released)
    with source:
        new = source.find_notebook(slug, slug)
        try:
            old = gradebook.find_notebook(slug, slug)
        except MissingEntry:
            return  # nothing is entered yet: opening the gradebook does that
        session = gradebook.db
        try:
            said = [*_removed(session, old, new, slug, drop_scores), *_points(old, new), *_added(session, old, new)]
            _sources(session, old, new)
            old.kernelspec = new.kernelspec
            session.commit()
        except BaseException:
            session.rollback()
            raise
    yield from said


def _by_name(cells: Any) -> dict[str, Any]:
    return {cell.name: cell for cell in cells}


def _removed(session: Any, old: Any, new: Any, slug: str, drop_scores: bool) -> Iterator[str]:
    for kind in ("grade_cells", "solution_cells"):
        still = _by_name(getattr(new, kind))
        for cell in [cell for cell in getattr(old, kind) if cell.name not in still]:
            given = [grade for grade in cell.grades if grade.manual_score is not None or grade.extra_credit is not None]
            if given and not drop_scores:
                raise CurriculumError(
                    f"{cell.name} is no longer a part of {slug}, but persons gave {len(given)} scores for it. Put it back, or "
                    f"lose these scores with `attn regrade {slug} --drop-scores`."
                )
            if kind == "grade_cells":
                yield f"{cell.name}: removed from the gradebook" + (
                    f", with {len(given)} scores of persons." if given else "."
                )
            session.execute(
                sql.delete(MATERIAL).where(MATERIAL.c.cell == cell.name, MATERIAL.c.notebook_id.in_(_books(old)))
            )
            for row in (*cell.grades, *cell.comments):
                session.delete(row)
            session.flush()
            session.delete(cell)
    session.flush()
    session.expire(old)


def _books(notebook: Any) -> list[str]:
    return [book.id for book in notebook.submissions]


def _points(old: Any, new: Any) -> Iterator[str]:
    now = _by_name(new.grade_cells)
    for cell in old.grade_cells:
        if cell.name not in now:
            continue
        if cell.max_score != now[cell.name].max_score:
            yield f"{cell.name}: {cell.max_score:g} points are now {now[cell.name].max_score:g}."
            above = [g for g in cell.grades if g.manual_score is not None and g.manual_score > now[cell.name].max_score]
            if above:
                names = ", ".join(sorted(g.student.id for g in above)[:20])
                yield f"{cell.name}: a person gave more than that to {names}; this stays until you change it in formgrader."
        cell.max_score, cell.cell_type = now[cell.name].max_score, now[cell.name].cell_type


def _added(session: Any, old: Any, new: Any) -> Iterator[str]:
    """New cells, and rows for them in every submission; they wait for a person until the submission is graded again."""
    had = {kind: _by_name(getattr(old, kind)) for kind in ("grade_cells", "solution_cells")}
    for cell in new.grade_cells:
        if cell.name not in had["grade_cells"]:
            fresh = api.GradeCell(name=cell.name, notebook=old, max_score=cell.max_score, cell_type=cell.cell_type)
            session.add_all([fresh, *(api.Grade(cell=fresh, notebook=book) for book in old.submissions)])
            yield f"{cell.name}: added to the gradebook, {cell.max_score:g} points."
    for cell in new.solution_cells:
        if cell.name not in had["solution_cells"]:
            fresh = api.SolutionCell(name=cell.name, notebook=old)
            session.add_all([fresh, *(api.Comment(cell=fresh, notebook=book) for book in old.submissions)])


def _sources(session: Any, old: Any, new: Any) -> None:
    """The released text of every cell: nbgrader restores locked cells from it."""
    have, now = _by_name(old.source_cells), _by_name(new.source_cells)
    for name in have.keys() - now.keys():
        session.delete(have[name])
    for name, cell in now.items():
        values = {key: getattr(cell, key) for key in ("cell_type", "locked", "source", "checksum")}
        if name in have:
            for key, value in values.items():
                setattr(have[name], key, value)
        else:
            session.add(api.SourceCell(name=name, notebook=old, **values))
