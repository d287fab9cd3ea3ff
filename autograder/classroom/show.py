"""Grading as a teacher sees it in a terminal: progress, a table with a reason per row, and where everything is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from autograder.classroom.demo import make_sample_class
from autograder.classroom.grading import (
    Graded,
    Judge,
    Roll,
    call_roll,
    closed_sandbox,
    cluster_judge,
    gone,
    grade_each,
    local_judge,
)
from autograder.classroom.lock import locked
from autograder.classroom.progress import Meter
from autograder.classroom.regrade import Replay, other_graders, prepare, verify
from autograder.classroom.text import one_line
from autograder.curriculum import Tree, find_tree
from autograder.judge.judge import version

LONGEST_REASON = 400
LONGEST_TABLE = 200  # rows; a larger class shows only those that could not be graded, grades.csv has them all
STOPPED = 130  # the exit code of a program that Ctrl-C ended


@dataclass(frozen=True)
class Row:
    """What the table shows of one submission, and no more: a large class has many of them."""

    student: str
    points: float
    max_points: float
    open_points: float
    waits: bool
    why: str
    ungraded: bool  # nothing could be graded
    sandbox: str

    @classmethod
    def of(cls, graded: Graded) -> Row:
        """The row of a graded submission."""
        ledger, marks = graded.ledger, graded.marks
        why = one_line(ledger.summary, LONGEST_REASON)
        sums = (marks.points, marks.max_points, marks.open_points)
        return cls(ledger.student, *sums, bool(marks.waiting), why, bool(ledger.reason), ledger.sandbox)


def run_and_show(
    slug: str,
    sandbox: str,
    students: Sequence[str],
    workers: int | None,
    demo: bool,
    console: Console | None = None,
    tree: Tree | None = None,
    release: Callable[[Tree, str], object] | None = None,
    cluster: str = "",
) -> int:
    """Grade a class (or the sample class) and print the result. The exit code is 0: a bad notebook is a row, no failure.

    `release` is the release step, with which a demonstration begins. `cluster` is the address of a Dask scheduler, whose
    workers grade then. Ctrl-C gives 130.
    """
    console = console or Console()
    tree = tree or find_tree()
    tree.topic(slug)  # an unknown slug ends here, with the known ones
    if demo:
        tree = tree.demonstration()
        made = make_sample_class(tree, slug)
        if release:
            release(tree, slug)
            console.print(f"Released {slug}: {tree.shown(tree.exercise(slug))}")
        console.print(f"A made-up class of {len(made)} has handed in {slug}: {tree.shown(tree.course / 'submitted')}")
    roll = call_roll(tree, slug, students or None)
    judge = _judge(tree, slug, sandbox, workers, cluster, console)
    command = _shown_course(tree) + _command(slug, sandbox, students, cluster)
    return _grade(tree, slug, roll, judge, console, command, everyone=not students)


def regrade_and_show(
    slug: str,
    sandbox: str,
    students: Sequence[str],
    workers: int | None,
    drop_scores: bool,
    console: Console | None = None,
    tree: Tree | None = None,
    cluster: str = "",
) -> int:
    """Grade again what the journal has already, after taking over what changed in the assignment."""
    console, tree = console or Console(), tree or find_tree()
    tree.topic(slug)
    roll = call_roll(tree, slug, students or None)
    judge = _judge(tree, slug, sandbox, workers, cluster, console)
    with locked(tree, f"attn regrade {slug}"):
        for line in prepare(tree, slug, roll.students, drop_scores):
            console.print(line, soft_wrap=True, highlight=False, markup=False)
        command = _shown_course(tree) + _command(slug, sandbox, students, cluster)
        return _grade(tree, slug, roll, judge, console, command, everyone=not students)


def verify_and_show(
    slug: str,
    sandbox: str,
    students: Sequence[str],
    workers: int | None,
    console: Console | None = None,
    tree: Tree | None = None,
    cluster: str = "",
) -> int:
    """Replay a grading and print what differs. The exit code is 1 if anything does; nothing is written."""
    console, tree = console or Console(), tree or find_tree()
    tree.topic(slug)
    roll = call_roll(tree, slug, students or None)
    judge = _judge(tree, slug, sandbox, workers, cluster, console)

    def say(line: str) -> None:
        console.print(line, soft_wrap=True, highlight=False, markup=False)

    for grader in other_graders(tree, slug):
        say(
            f"The journal was written by another grader, so results may differ rightly: {grader}. This one is {version()}."
        )
    replays: list[Replay] = []
    try:
        with Meter(console, len(roll.students), "replayed") as meter:
            for replay in verify(tree, slug, roll.students, judge):
                replays.append(replay)
                meter.tick()
    except KeyboardInterrupt:
        say("Stopped. A replay writes nothing, so nothing is lost.")
        return STOPPED
    for replay in sorted(replays, key=lambda replay: replay.student):
        for line in replay.differences or ([f"not replayed: {replay.skipped}"] if replay.skipped else []):
            say(f"{one_line(replay.student)}: {one_line(line, LONGEST_REASON)}")
    differ = sum(bool(replay.differences) for replay in replays)
    skipped = sum(bool(replay.skipped) for replay in replays)
    say(f"{len(replays) - skipped} replayed, {differ} differ, {skipped} not replayed.")
    return 1 if differ else 0


def _command(slug: str, sandbox: str, students: Sequence[str], cluster: str) -> str:
    options = [f"--sandbox {sandbox}"] if sandbox != "auto" else []
    options += [f"--student {name}" for name in students] + ([f"--cluster {cluster}"] if cluster else [])
    return " ".join(["attn grade", slug, *options])


def _grade(tree: Tree, slug: str, roll: Roll, judge: Judge, console: Console, command: str, everyone: bool) -> int:
    rows = graded_rows(tree, slug, roll, judge, console, command)
    if rows is None:
        return STOPPED
    _print_result(tree, slug, roll, rows, console, everyone)
    return 0


def graded_rows(tree: Tree, slug: str, roll: Roll, judge: Judge, console: Console, command: str) -> list[Row] | None:
    """Grade with a progress bar. After Ctrl-C it says how to go on, and gives None."""
    meter = Meter(console, len(roll.students), "graded")
    rows: list[Row] = []
    try:
        with meter:
            for graded in grade_each(tree, slug, roll.students, judge):
                rows.append(Row.of(graded))
                meter.tick()
    except KeyboardInterrupt:
        console.print(
            f"Stopped: {meter.done} of {meter.total} are graded and written. Nothing is lost: `{command}` goes on from there.",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
        return None
    return sorted(rows, key=lambda row: row.student)


def _judge(tree: Tree, slug: str, sandbox: str, workers: int | None, cluster: str, console: Console) -> Judge:
    if cluster:
        return cluster_judge(tree, slug, sandbox, cluster, lambda line: console.print(Text(line)))
    chosen = closed_sandbox(sandbox)
    found = "" if chosen.name == "none" else " Its self-test found no way out."
    console.print(Text(f"Sandbox {chosen.name}: {'; '.join(chosen.layers)}.{found}"), soft_wrap=True)
    return local_judge(tree, slug, sandbox, workers)


def _print_result(tree: Tree, slug: str, roll: Roll, rows: Sequence[Row], console: Console, everyone: bool) -> None:
    if len(rows) <= LONGEST_TABLE:
        console.print(table(slug, rows))
    else:
        ungraded = [row for row in rows if row.ungraded]
        if ungraded:
            console.print(table(f"{slug}: could not be graded", ungraded[:LONGEST_TABLE]))
        mean = sum(row.points for row in rows) / len(rows)
        line = f"{len(rows)} graded: {mean:.2f} of {rows[0].max_points:g} points on average, {len(ungraded)} could not be graded."
        console.print(line, highlight=False)
    lines = [*locations(tree, slug, rows), *left_out(roll), *(_gone(tree, slug) if everyone else ())]
    for line in lines:
        console.print(line, soft_wrap=True, highlight=False, markup=False)


def left_out(roll: Roll) -> Iterator[str]:
    """Folders that cannot be students."""
    for name in roll.left_out[:20]:
        yield (
            f"Left out: the folder {one_line(name, 40)!a} cannot be a student's name (at most 128 printable characters). "
            "Rename it and grade again."
        )


def _gone(tree: Tree, slug: str) -> Iterator[str]:
    if names := gone(tree, slug):
        shown = ", ".join(one_line(name, 40) for name in names[:20]) + (
            f" and {len(names) - 20} more" if names[20:] else ""
        )
        where = tree.shown(tree.submission("STUDENT", slug).parent)
        yield (
            f"Graded before, but their folders are gone: {shown}. Their grades stay. For zero points make {where}/ "
            "again, empty, and grade again."
        )


def table(slug: str, rows: Sequence[Row]) -> Table:
    """One row per learner. What learners' files and programs say is shown as plain text."""
    found = Table(title=slug, show_lines=False)
    for name, side in (("student", "left"), ("points", "right"), ("of", "right"), ("waits", "right"), ("why", "left")):
        found.add_column(name, justify=side, overflow="fold")  # type: ignore[arg-type]  # a str, not its Literal
    for row in rows:
        found.add_row(
            Text(one_line(row.student)),
            f"{row.points:g}",
            f"{row.max_points:g}",
            f"{row.open_points:g}" if row.waits else "",
            Text(row.why),
        )
    return found


def locations(tree: Tree, slug: str, rows: Sequence[Row]) -> list[str]:
    """Where to look next."""
    course = _shown_course(tree)
    waiting = sum(row.waits for row in rows)
    lines = [
        f"Feedback pages: {tree.shown(tree.feedback('STUDENT', slug))}",
        f"Grades: {tree.shown(tree.export())}",
    ]
    if waiting:
        lines.append(
            f"{waiting} submissions hold work that waits for a person: start `{course}jupyter lab`, then Formgrader, Manual Grading; "
            "the rubric stands above each answer. Afterwards grade again: nothing is judged twice."
        )
    if any(row.sandbox == "none" for row in rows):
        lines.append("GRADED WITHOUT A SANDBOX: every result says so. Use bwrap for a real class.")
    return lines


def _shown_course(tree: Tree) -> str:
    """The variable that points nbgrader at a course with another name than the usual one."""
    return "" if tree.course == tree.root / "course" else f"ATTN_COURSE={Path(tree.shown(tree.course))} "
