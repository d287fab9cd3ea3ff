"""Grading as a teacher sees it in a terminal: progress, a table with a reason per row, and where everything is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from autograder.classroom.demo import make_sample_class
from autograder.classroom.grading import Graded, closed_sandbox, grade_class
from autograder.classroom.text import one_line
from autograder.curriculum import Tree, find_tree

LONGEST_REASON = 400


def run_and_show(
    slug: str,
    sandbox: str,
    students: Sequence[str],
    workers: int | None,
    demo: bool,
    console: Console | None = None,
    tree: Tree | None = None,
    release: Callable[[Tree, str], object] | None = None,
) -> int:
    """Grade a class (or the sample class) and print the result. The exit code is 0: a bad notebook is a row, no failure.

    `release` is the release step, with which a demonstration begins.
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
    layers = "; ".join(closed_sandbox(sandbox).layers)
    console.print(
        Text(f"Sandbox {sandbox}: {layers}. " + ("" if sandbox == "none" else "Its self-test found no way out."))
    )
    rows = _grade(tree, slug, sandbox, students, workers, console)
    console.print(table(slug, rows))
    for line in locations(tree, slug, rows):
        console.print(line, soft_wrap=True, highlight=False, markup=False)
    return 0


def table(slug: str, rows: Sequence[Graded]) -> Table:
    """One row per learner. What learners' files and programs say is shown as plain text."""
    found = Table(title=slug, show_lines=False)
    for name, side in (("student", "left"), ("points", "right"), ("of", "right"), ("waits", "right"), ("why", "left")):
        found.add_column(name, justify=side, overflow="fold")  # type: ignore[arg-type]  # a str, not its Literal
    for row in rows:
        found.add_row(
            Text(one_line(row.ledger.student)),
            f"{row.marks.points:g}",
            f"{row.marks.max_points:g}",
            f"{row.marks.open_points:g}" if row.marks.waiting else "",
            Text(one_line(row.ledger.summary, LONGEST_REASON)),
        )
    return found


def locations(tree: Tree, slug: str, rows: Sequence[Graded]) -> list[str]:
    """Where to look next."""
    course = _shown_course(tree)
    waiting = sum(bool(row.marks.waiting) for row in rows)
    lines = [
        f"Feedback pages: {tree.shown(tree.feedback('STUDENT', slug))}",
        f"Grades: {tree.shown(tree.export())}",
    ]
    if waiting:
        lines.append(
            f"{waiting} submissions hold work that waits for a person: start `{course}jupyter lab`, then Formgrader, Manual Grading; "
            "the rubric stands above each answer. Afterwards grade again: nothing is judged twice."
        )
    if any(row.ledger.sandbox == "none" for row in rows):
        lines.append("GRADED WITHOUT A SANDBOX: every result says so. Use bwrap for a real class.")
    return lines


def _shown_course(tree: Tree) -> str:
    """The variable that points nbgrader at a course with another name than the usual one."""
    return "" if tree.course == tree.root / "course" else f"ATTN_COURSE={Path(tree.shown(tree.course))} "


def _grade(
    tree: Tree, slug: str, sandbox: str, students: Sequence[str], workers: int | None, console: Console
) -> list[Graded]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("grading", total=None)

        def report(done: int, total: int, latest: Graded) -> None:
            bar.update(task, completed=done, total=total)
            if not console.is_terminal:
                line = f"{done}/{total} {one_line(latest.ledger.student)}: {latest.marks.points:g}"
                console.print(line, markup=False, highlight=False)

        return grade_class(tree, slug, sandbox, students or None, workers, report)
