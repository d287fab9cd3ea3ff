"""The command `attn`. Each verb parses, calls one function, prints, and sets the exit code; imports are lazy."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

FAILED, MISUSE, STOPPED = 1, 2, 130


@contextmanager
def explained() -> Iterator[None]:
    """Turn the errors that a user can mend into one sentence on standard error and exit code 2; Ctrl-C into 130."""
    from autograder.curriculum import CurriculumError

    try:
        yield
    except CurriculumError as error:
        click.echo(f"attn: {error}", err=True)
        sys.exit(MISUSE)
    except KeyboardInterrupt:
        click.echo("attn: stopped.", err=True)
        sys.exit(STOPPED)


def timed(verb: Callable[..., Any]) -> Callable[..., Any]:
    """Print the verb's wall time at its end."""
    from functools import wraps

    @wraps(verb)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        start = time.perf_counter()
        try:
            return verb(*args, **kwargs)
        finally:
            click.echo(f"attn {click.get_current_context().info_name}: {time.perf_counter() - start:.1f} s")

    return wrapper


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Learn attention, grade a class, maintain the curriculum."""


@main.command()
@click.argument("jupyter_arguments", nargs=-1, type=click.UNPROCESSED)
def study(jupyter_arguments: tuple[str, ...]) -> None:
    """Open JupyterLab on the curriculum, with your own copies of the exercises in work/."""
    with explained():
        from autograder.curriculum import find_tree
        from autograder.study import has_display, open_lab, prepare

        tree = find_tree()
        for topic in prepare(tree):
            click.echo(f"Your copy of the exercise: {tree.shown(tree.work(topic.slug))}")
        if not has_display():
            click.echo("There is no display here: open the address that JupyterLab prints below in a browser.")
        sys.exit(open_lab(tree, jupyter_arguments))


@main.command()
@click.argument("target")
@click.argument("file", required=False, type=click.Path(path_type=Path))
def check(target: str, file: Path | None) -> None:
    """Check a notebook, or one task in a Python file: `attn check NOTEBOOK`, `attn check TASK FILE.py`."""
    with explained():
        from autograder.terminal import check_file, check_notebook

        reports = check_file(target, file) if file else check_notebook(Path(target))
        for report in reports:
            click.echo(report.text() + "\n")
        right = sum(report.state == "right" for report in reports)
        click.echo(f"{right} of {len(reports)} right.")
        sys.exit(0 if right == len(reports) else FAILED)


@main.command()
@click.argument("task")
@click.option("--again", is_flag=True, help="Start with the first hint again.")
def hint(task: str, again: bool) -> None:
    """Give the next hint for a task, such as scaling.softmax."""
    with explained():
        from autograder.hints import forget, next_hint
        from autograder.notebook import find

        found = find(task)
        if again:
            forget(found)
        click.echo(next_hint(found))


@main.command()
@click.argument("slug")
@click.option(
    "--sandbox", default="auto", show_default=True, help="auto, bwrap, builtin, or none (no protection; stamped)."
)
@click.option("--student", "students", multiple=True, help="Grade only this student; may be given several times.")
@click.option("--workers", type=click.IntRange(min=1), help="Players at work at once; one per core if not given.")
@click.option("--cluster", default="", metavar="ADDRESS", help="Grade on the workers of this Dask scheduler.")
@click.option("--demo", is_flag=True, help="Grade the bundled sample class, in course_demo/.")
@timed
def grade(slug: str, sandbox: str, students: tuple[str, ...], workers: int | None, cluster: str, demo: bool) -> None:
    """Grade all submissions of an assignment: gradebook, feedback pages and grades.csv."""
    with explained():
        from autograder.classroom.show import run_and_show

        step = _release_step() if demo else None
        sys.exit(run_and_show(slug, sandbox, students, workers, demo, release=step, cluster=cluster))


def _release_step() -> Callable[..., object]:
    """Only a demonstration begins with a release, and it takes a second to load."""
    from autograder.authoring.release import release

    return release


@main.command()
@click.argument("slug")
@click.option("--verify", is_flag=True, help="Only replay what was graded and report differences; nothing is written.")
@click.option("--sandbox", default="auto", show_default=True, help="As in `attn grade`.")
@click.option("--student", "students", multiple=True, help="Only this student; may be given several times.")
@click.option("--workers", type=click.IntRange(min=1), help="Players at work at once; one per core if not given.")
@click.option("--cluster", default="", metavar="ADDRESS", help="Grade on the workers of this Dask scheduler.")
@click.option("--drop-scores", is_flag=True, help="Lose what persons gave for a task that is gone.")
@timed
def regrade(
    slug: str,
    verify: bool,
    sandbox: str,
    students: tuple[str, ...],
    workers: int | None,
    cluster: str,
    drop_scores: bool,
) -> None:
    """Grade again what is graded: after tests or points changed, or to prove a grading (--verify; 1 if it differs)."""
    with explained():
        from autograder.classroom.show import regrade_and_show, verify_and_show

        if verify:
            sys.exit(verify_and_show(slug, sandbox, students, workers, cluster=cluster))
        sys.exit(regrade_and_show(slug, sandbox, students, workers, drop_scores, cluster=cluster))


@main.command()
@click.argument("journals", nargs=-1, required=True, type=click.Path(path_type=Path))
def merge(journals: tuple[Path, ...]) -> None:
    """Take over what other machines graded, from their journals; `attn grade` then writes it without judging again."""
    with explained():
        from autograder.classroom.merge import merge_and_tell
        from autograder.curriculum import find_tree

        lines, conflicts = merge_and_tell(find_tree(), journals)
        for line in lines:
            click.echo(line)
        sys.exit(FAILED if conflicts else 0)


@main.command()
@click.argument("slug", required=False)
@click.option("--demo", is_flag=True, help="Look at the made-up class, in course_demo/.")
def status(slug: str | None, demo: bool) -> None:
    """Say how far a course is: handed in, graded, changed since, waiting for a person, unreadable, missing."""
    with explained():
        from autograder.classroom.status import show
        from autograder.curriculum import find_tree

        tree = find_tree()
        for line in show(tree.demonstration() if demo else tree, slug):
            click.echo(line)


@main.command()
@click.option("--format", "formats", multiple=True, help="csv (if none is given), canvas, moodle, gradescope, junit.")
@click.option("--slug", default="", help="Only this assignment.")
@click.option("--demo", is_flag=True, help="Export the made-up class, in course_demo/.")
def export(formats: tuple[str, ...], slug: str, demo: bool) -> None:
    """Write the grades for another system, with the late policy of course.toml applied."""
    with explained():
        from autograder.classroom.export import export_and_tell
        from autograder.curriculum import find_tree

        tree = find_tree()
        for line in export_and_tell(tree.demonstration() if demo else tree, formats or ("csv",), slug):
            click.echo(line)


@main.command()
@click.argument("slug")
@click.option("--threshold", type=click.FloatRange(0, 1), default=0.6, show_default=True, help="List pairs from here.")
@click.option("--demo", is_flag=True, help="Look at the made-up class, in course_demo/.")
@timed
def similarity(slug: str, threshold: float, demo: bool) -> None:
    """Report which solutions look alike: for a person to read, never part of a score."""
    with explained():
        from autograder.classroom.similarity import lines, write_page
        from autograder.classroom.similarity import similarity as compare
        from autograder.curriculum import find_tree

        tree = find_tree()
        tree.topic(slug)
        tree = tree.demonstration() if demo else tree
        found = compare(tree, slug, threshold)
        path = write_page(tree, slug, found, threshold)
        for line in lines(found):
            click.echo(line)
        click.echo(f"The pairs with their code: {tree.shown(path)}")


@main.command()
@click.argument("slug")
@click.argument("title")
def new(slug: str, title: str) -> None:
    """Start a topic: lecture, assignment, tasks, answers, and its row of the manifest."""
    with explained():
        from autograder.authoring.new import new as create
        from autograder.curriculum import find_tree

        tree = find_tree()
        started = create(tree, slug, title)
        for path in started.files:
            click.echo(f"wrote {tree.shown(path)}")
        for number, step in enumerate(started.next_steps, 1):
            click.echo(f"{number}. {step}")


@main.command()
@click.argument("slugs", nargs=-1)
@click.option("--force", is_flag=True, help="Execute again even if nothing changed.")
@click.option(
    "--pull", type=click.Path(exists=True, path_type=Path), help="Bring an edit made in JupyterLab back into the text."
)
@timed
def build(slugs: tuple[str, ...], force: bool, pull: Path | None) -> None:
    """Build and execute the notebooks from their text, then the generated tables."""
    with explained():
        from autograder.authoring.build import build as build_one
        from autograder.authoring.build import pull as pull_one
        from autograder.authoring.tables import write_tables
        from autograder.curriculum import START, find_tree, topics

        tree = find_tree()
        if pull:
            pulled = pull_one(tree, pull)
            click.echo(f"{tree.shown(pulled.text)}: {'changed' if pulled.changed else 'says the same already'}")
            return
        for slug in slugs or [topic.slug for topic in topics()]:
            for built in build_one(tree, slug, force=force) if slug != START.slug else ():
                click.echo(f"{tree.shown(built.path)}: {built.state}")
        for path in write_tables(tree):
            click.echo(f"{tree.shown(path)}: tables written")
        for built in build_one(tree, START.slug, force=force):  # last: its tables name the questions of all lectures
            click.echo(f"{tree.shown(built.path)}: {built.state}")


@main.command()
@click.argument("slugs", nargs=-1)
@timed
def release(slugs: tuple[str, ...]) -> None:
    """Make exercises/ from solutions/ by nbgrader's release step, and register the assignment in the gradebook."""
    with explained():
        from autograder.authoring.release import release as release_one
        from autograder.curriculum import find_topic, find_tree, topics

        tree = find_tree()
        for topic in [find_topic(slug) for slug in slugs] or topics():
            done = release_one(tree, topic.slug)
            state = "released" if done.changed else "unchanged"
            click.echo(f"{tree.shown(done.path)}: {state}, {done.tasks} tasks, {done.points:g} points")


@main.command()
@timed
def doctor() -> None:
    """Check that everything in the curriculum is complete and fits together."""
    with explained():
        from autograder.authoring.doctor import doctor as examine
        from autograder.curriculum import find_tree

        remarks = examine(find_tree())
        for remark in remarks:
            click.echo(str(remark))
        click.echo(f"{len(remarks)} remarks." if remarks else "Everything is in order.")
        sys.exit(FAILED if remarks else 0)
