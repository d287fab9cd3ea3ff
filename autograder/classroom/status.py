"""How far a course is: per assignment who handed in, who is graded, what changed since, and what waits for a person.

It looks at names, times and the journal only; no notebook is opened, nothing heavy is imported.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from autograder.classroom.export.rows import reckoned
from autograder.classroom.late import due_time
from autograder.classroom.records import read_records, read_roster
from autograder.classroom.settings import Settings, load_settings
from autograder.classroom.text import one_line
from autograder.curriculum import Topic, Tree
from autograder.judge.journal import Journal

MOST_NAMED = 12


@dataclass(frozen=True)
class Status:
    """One assignment. Every tuple holds students in alphabetical order."""

    slug: str
    handed_in: tuple[str, ...]
    graded: tuple[str, ...]
    changed: tuple[str, ...]  # something in their folder is newer than their grading
    waiting: tuple[str, ...]  # for a person
    unreadable: tuple[tuple[str, str], ...]  # with the reason
    late: tuple[str, ...]  # after the grace and their extension, by the time that was recorded at the grading
    missing: tuple[str, ...]  # handed in another assignment, or are in the gradebook
    last: datetime | None = None  # grading
    sandboxes: tuple[tuple[str, int], ...] = ()
    graders: tuple[tuple[str, int], ...] = ()
    due: datetime | None = None

    @property
    def ungraded(self) -> tuple[str, ...]:
        """Those who handed in and were not graded yet."""
        return tuple(student for student in self.handed_in if student not in set(self.graded))


def course_status(tree: Tree, slug: str | None = None) -> list[Status]:
    """The status of one assignment, or of all that anybody handed in or that were graded."""
    settings = load_settings(tree)
    chosen = [tree.topic(slug)] if slug else tree.topics()
    roster = read_roster(tree)
    for topic in tree.topics():
        roster |= set(tree.students(topic.slug))
    found = [_status(tree, settings, topic, roster) for topic in chosen]
    return found if slug else [one for one in found if one.handed_in or one.graded]


def _status(tree: Tree, settings: Settings, topic: Topic, roster: set[str]) -> Status:
    slug = topic.slug
    handed_in = sorted(tree.students(slug))
    book = Journal(tree.journal(slug))
    ledgers = {student: ledger for student in book.students() if (ledger := book.newest(student))}
    times = {student: _time(tree.autograded(student, slug)) for student in ledgers}
    done = [time for time in times.values() if time is not None]
    records = read_records(tree, slug) if ledgers else {}
    return Status(
        slug=slug,
        handed_in=tuple(handed_in),
        graded=tuple(ledgers),
        changed=tuple(s for s in handed_in if s in ledgers and _newer(tree.submission(s, slug).parent, times[s])),
        waiting=tuple(s for s in ledgers if s in records and records[s].waiting),
        unreadable=tuple((s, ledger.reason) for s, ledger in ledgers.items() if ledger.reason),
        late=tuple(s for s in ledgers if reckoned(tree, settings, topic, s, records.get(s)).days),
        missing=tuple(sorted(roster - set(handed_in))),
        last=datetime.fromtimestamp(max(done), UTC) if done else None,
        sandboxes=_counted(ledger.sandbox for ledger in ledgers.values()),
        graders=_counted(ledger.grader for ledger in ledgers.values()),
        due=due_time(slug, "", settings.due, {}, settings.late.timezone),
    )


def _counted(names: Iterable[str]) -> tuple[tuple[str, int], ...]:
    return tuple(Counter(names).most_common())


def _time(path: Path) -> float | None:
    try:
        return path.lstat().st_mtime
    except OSError:
        return None


def _newer(folder: Path, graded: float | None) -> bool:
    """Was anything put there after the grading? The time of the change counts, too: unpacking keeps a file's own time."""
    if graded is None:
        return True  # judged, and then the run was killed
    try:
        with os.scandir(folder) as entries:
            found = [entry.stat(follow_symlinks=False) for entry in entries]
        return any(max(status.st_mtime, status.st_ctime) > graded for status in found)
    except OSError:
        return False


def lines(tree: Tree, found: list[Status], version: str, in_detail: bool) -> Iterator[str]:
    """The status in a terminal. `version` is that of the grader which is installed now; names come with `in_detail`."""
    if not found:
        where = tree.shown(tree.submission("STUDENT", "SLUG"))
        yield f"Nobody has handed in anything yet: there is no {where}. Collect the submissions there."
        return
    for one in found:
        yield from _one(one, version, in_detail)
    strangers = sorted(
        set(load_settings(tree).extensions) - {s for one in found for s in (*one.handed_in, *one.missing)}
    )
    if strangers:
        yield f"[extensions] names {_named(strangers)}, whom the course does not know. Is it spelled right?"


def _one(one: Status, version: str, in_detail: bool) -> Iterator[str]:
    due = f", due {one.due.isoformat(sep=' ', timespec='minutes')}" if one.due else ""
    yield f"{one.slug}{due}"
    rows = {
        "handed in": one.handed_in,
        "graded": one.graded,
        "not graded yet": one.ungraded,
        "changed since": one.changed,
        "wait for a person": one.waiting,
        "unreadable": tuple(student for student, _ in one.unreadable),
        "late": one.late,
        "not handed in": one.missing,
    }
    if not one.due:
        del rows["late"]
    for name, students in rows.items():
        names = f"  {_named(students)}" if students and in_detail and name not in ("handed in", "graded") else ""
        yield f"  {name:<18}{len(students):>5}{names}"
    if in_detail:
        for student, reason in one.unreadable[:MOST_NAMED]:
            yield f"    {one_line(student)}: {one_line(reason, 200)}"
    if one.last:
        sandboxes = ", ".join(f"{name} ({count})" for name, count in one.sandboxes)
        yield f"  last graded {one.last.astimezone().isoformat(sep=' ', timespec='minutes')}, sandbox {sandboxes}"
    yield from _advice(one, version)


def _advice(one: Status, version: str) -> Iterator[str]:
    """What to do next."""
    old = sum(count for grader, count in one.graders if grader != version)
    if one.ungraded or one.changed:
        yield f"  → attn grade {one.slug}"
    if one.waiting:
        yield "  → formgrader, Manual Grading; then grade again for the pages"
    if old:
        yield f"  → {old} of {len(one.graded)} were graded by another version of the grader; attn grade {one.slug} grades them again"
    if dict(one.sandboxes).get("none"):
        yield f"  → {dict(one.sandboxes)['none']} were graded without a sandbox; attn grade {one.slug} grades them with one"


def _named(students: Iterable[str]) -> str:
    names = [one_line(student) for student in students]
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more


def show(tree: Tree, slug: str | None) -> Iterator[str]:
    """What `attn status` prints."""
    if not tree.course.is_dir():
        if slug:
            tree.topic(slug)
        yield f"There is no course yet: {tree.shown(tree.course)} is made by `attn release`. `make grade` shows a made-up class."
        return
    from autograder.judge.judge import version

    yield from lines(tree, course_status(tree, slug), version(), bool(slug))
