"""What an export says, gathered once: the judge's findings, the gradebook's points, and what the late policy makes of them."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from autograder.checking.report import Report
from autograder.classroom.late import Final, apply, due_time
from autograder.classroom.records import Person, Record, read_records
from autograder.classroom.settings import Settings
from autograder.curriculum import Topic, Tree
from autograder.judge.journal import Journal
from autograder.judge.ledger import Ledger, Result

UNRECORDED = "not in the gradebook yet; grade again"


@dataclass(frozen=True)
class TaskRow:
    """One task of one submission, with the points of the gradebook."""

    id: str
    points: float
    max_points: float
    manual: bool  # answered in prose: a person gives the points
    waiting: bool  # for that person
    report: Report


@dataclass(frozen=True)
class Row:
    """One submission."""

    person: Person
    slug: str
    ledger: Ledger
    tasks: tuple[TaskRow, ...]
    final: Final
    notes: tuple[str, ...] = ()  # for the teacher

    @property
    def max_points(self) -> float:
        """The points of a perfect submission."""
        return sum(task.max_points for task in self.tasks)

    @property
    def waiting(self) -> tuple[str, ...]:
        """The tasks that a person still has to grade; their points are not in any sum yet."""
        return tuple(task.id for task in self.tasks if task.waiting)


def gather(tree: Tree, settings: Settings, topic: Topic) -> list[Row]:
    """Everyone who was graded in an assignment, by name of the folder. One query, one pass over the journal."""
    graded = Journal(tree.journal(topic.slug))
    names = graded.students()
    records = read_records(tree, topic.slug) if names else {}
    ledgers = (graded.newest(name) for name in names)
    return [_row(tree, settings, topic, ledger, records.get(ledger.student)) for ledger in ledgers if ledger]


def _row(tree: Tree, settings: Settings, topic: Topic, ledger: Ledger, record: Record | None) -> Row:
    results = {result.report.task: result for result in ledger.results}
    known = [(task, results[task.id]) for task in topic.tasks if task.id in results]
    tasks = tuple(_task(task.grade_id, task.points, result, record) for task, result in known)
    raw = round(sum(task.points for task in tasks), 2)
    final = reckoned(tree, settings, topic, ledger.student, record, raw)
    notes = tuple(note for note in (final.note, "" if record else UNRECORDED) if note)
    return Row(record.person if record else Person(ledger.student), topic.slug, ledger, tasks, final, notes)


def reckoned(
    tree: Tree, settings: Settings, topic: Topic, student: str, record: Record | None, raw: float = 0.0
) -> Final:
    """What the late policy makes of a score, by the clock that the settings trust."""
    late = settings.late
    due = due_time(topic.slug, student, settings.due, settings.extensions, late.timezone)
    handed_in = record.handed_in if record else None
    if late.clock == "file":
        handed_in = file_time(tree.submission(student, topic.slug).parent)
    return apply(late, raw, topic.points, handed_in, due)


def _task(cell: str, max_points: float, result: Result, record: Record | None) -> TaskRow:
    """The gradebook's points; the judge's where a killed run had not come to write them."""
    report = result.report
    if record is None or cell not in record.points:
        return TaskRow(report.task, result.points, max_points, result.manual, result.manual, report)
    return TaskRow(report.task, record.points[cell], max_points, result.manual, cell in record.waiting, report)


def file_time(folder: Path) -> datetime | None:
    """When the newest file of a submission was written, as the file system says; links are not followed."""
    try:
        found = [path.lstat() for path in folder.iterdir() if path.name != "timestamp.txt"]
    except OSError:
        return None
    times = [status.st_mtime for status in found if stat.S_ISREG(status.st_mode)]
    return datetime.fromtimestamp(max(times), UTC) if times else None


def warnings(rows: list[Row], settings: Settings, students: set[str]) -> list[str]:
    """What a teacher should know before these rows go into another system. `students` are all whom the course knows."""
    waiting = [row for row in rows if row.waiting]
    unprotected = sum(row.ledger.sandbox == "none" for row in rows)
    strangers = sorted(set(settings.extensions) - students)
    found = []
    if waiting:
        found.append(f"{len(waiting)} of {len(rows)} scores are not final: work in them waits for a person.")
    if unprotected:
        found.append(f"{unprotected} of {len(rows)} submissions were graded without a sandbox.")
    if strangers:
        found.append(
            f"[extensions] names {', '.join(strangers[:5])}, whom the course does not know. Is it spelled right?"
        )
    for note in dict.fromkeys(note for row in rows for note in row.notes):
        names = [row.person.id for row in rows if note in row.notes]
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        found.append(f"{', '.join(names[:5])}{more}: {note}.")
    return found
