"""Tables of grades as CSV: our own, and those that Canvas and Moodle import.

Sources: for Canvas its lib/gradebook_exporter.rb and lib/gradebook_importer.rb; for Moodle its page "Grade import" and
grade/import/csv/classes/load_data.php; for the guard the OWASP page "CSV Injection".
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from html import escape

from autograder.classroom.export.rows import Row
from autograder.classroom.settings import Settings
from autograder.classroom.text import one_line

# A spreadsheet calculates a cell that begins so. A cell also begins at a semicolon where the machine's language makes
# that the separator; full-width and small forms, and what stands invisibly before the sign, count too.
FORMULA = re.compile(r"(^|[;\t\r\n])(?=[\s\u200b-\u200f\u2060\ufeff\"']*[=+\-@−＝＋－＠﹦﹢﹣﹫])")
BLANK = ("\t", "\r", "\n")  # alone at the beginning they are dangerous, too
POINTS_POSSIBLE = "    Points Possible"  # Canvas takes a row with these words for that of the maxima
LONGEST_FEEDBACK = 2000


def guarded(text: str) -> str:
    """A text that no spreadsheet takes for a formula: an apostrophe stands before what would begin one."""
    found = FORMULA.sub(r"\1'", text)
    return f"'{found}" if found.startswith(BLANK) else found


def number(value: float) -> str:
    """Points with at most two decimals, as every system reads them."""
    return f"{round(value, 2) + 0.0:.2f}".rstrip("0").rstrip(".")  # + 0.0: no minus before a zero


def generic(rows: Sequence[Row], settings: Settings) -> str:  # noqa: ARG001 - every format is called alike
    """Our own table. `total` is the gradebook's; `final` is what counts after the late policy.

    `manual` names the tasks that wait for a person; then come the points of every task.
    """
    tasks = list(dict.fromkeys(task.id for row in rows for task in row.tasks))
    header = ["student", "assignment", "total", "max", "penalty", "final", "days_late", "handed_in", "due"]
    return _csv([[*header, "manual", "summary", *tasks], *(_generic(row, tasks) for row in rows)])


def _generic(row: Row, tasks: list[str]) -> list[str]:
    points = {task.id: number(task.points) for task in row.tasks}
    final = row.final
    numbers = [number(value) for value in (final.raw, row.max_points, final.penalty, final.score, final.days)]
    summary = "; ".join((row.ledger.summary, *row.notes))
    texts = [guarded(text) for text in (", ".join(row.waiting), summary)]
    who = [guarded(row.person.id), guarded(row.slug)]
    return [*who, *numbers, _time(final.handed_in), _time(final.due), *texts, *(points.get(task, "") for task in tasks)]


def canvas(rows: Sequence[Row], settings: Settings) -> str:
    """The table that Canvas imports: one row per student, a column per assignment, the maxima in the second line.

    Canvas finds a student by its own ID, else by the login, and an assignment by "Title (ID)" or by its title.
    """
    slugs = list(dict.fromkeys(row.slug for row in rows))
    titles = [guarded(settings.canvas.get(slug, slug)) for slug in slugs]
    maxima = {row.slug: number(row.max_points) for row in rows}
    by_student: dict[str, dict[str, Row]] = {}
    for row in rows:
        by_student.setdefault(row.person.id, {})[row.slug] = row
    header = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", *titles]
    table = [header, [POINTS_POSSIBLE, "", "", "", "", *(maxima[slug] for slug in slugs)]]
    for mine in by_student.values():
        scores = [number(mine[slug].final.score) if slug in mine else "" for slug in slugs]
        table.append([*_canvas_student(next(iter(mine.values()))), "", *scores])
    return _csv(table)


def _canvas_student(row: Row) -> list[str]:
    """Name, ID, SIS user ID, login. Canvas reads the digits at the beginning of an ID, so only whole numbers stand there."""
    known = row.person.lms_user_id
    is_number = known.isascii() and known.isdigit()
    name = row.person.name.replace("Points Possible", "Points_Possible")  # see POINTS_POSSIBLE
    return [guarded(name), known if is_number else "", "" if is_number else guarded(known), guarded(row.person.id)]


def moodle(rows: Sequence[Row], settings: Settings) -> str:  # noqa: ARG001 - every format is called alike
    """The table that Moodle imports: who in four ways (one is mapped at import), then grade and feedback per assignment.

    Moodle shows a feedback as HTML, so what learners' programs say is escaped in it.
    """
    slugs = list(dict.fromkeys(row.slug for row in rows))
    by_student: dict[str, dict[str, Row]] = {}
    for row in rows:
        by_student.setdefault(row.person.id, {})[row.slug] = row
    header = ["Username", "ID number", "Email address", "First name", "Last name"]
    table = [[*header, *(f"{slug} ({what})" for slug in slugs for what in ("Real", "Feedback"))]]
    for mine in by_student.values():
        person = next(iter(mine.values())).person
        email = person.email or (person.id if "@" in person.id else "")
        who = [person.id, person.lms_user_id, email, person.first_name, person.last_name]
        fields = [field for slug in slugs for field in _moodle(mine.get(slug))]
        table.append([*map(guarded, who), *fields])
    return _csv(table)


def _moodle(row: Row | None) -> tuple[str, str]:
    """Grade and feedback; "-" is Moodle's sign for no grade."""
    if row is None:
        return "-", ""
    return number(row.final.score), guarded(escape(_feedback(row)))


def _feedback(row: Row) -> str:
    """A few words on a submission; the feedback page says all."""
    parts = [row.ledger.summary, late_words(row)]
    if row.waiting:
        parts.append(f"still to be graded by a person: {', '.join(row.waiting)}")
    return one_line(". ".join(part for part in parts if part), LONGEST_FEEDBACK)


def late_words(row: Row) -> str:
    """What the late policy took, in words; nothing where it took nothing."""
    final = row.final
    if not final.days:
        return ""
    days = f"{final.days} day{'s' if final.days > 1 else ''} late"
    taken = (
        f"{number(final.penalty)} of {number(final.raw)} points were taken off"
        if final.penalty
        else "nothing was taken off"
    )
    return f"{days}: {taken}"


def _time(time: datetime | None) -> str:
    return time.isoformat(sep=" ", timespec="seconds") if time else ""


def _csv(table: Iterable[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(table)
    return text.getvalue()
