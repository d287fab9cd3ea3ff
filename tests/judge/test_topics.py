"""Every assignment, handed in solved and untouched, through the sandbox: all the points that a machine gives, and none."""

import time
from pathlib import Path

import pytest

from autograder.checking.report import State
from autograder.classroom.notebook_file import parse
from autograder.classroom.rebuild import rebuild
from autograder.classroom.template import load_template
from autograder.curriculum import Tree, find_tree
from autograder.judge.judge import grade
from autograder.judge.ledger import Ledger, Submission
from autograder.judge.sandbox import SandboxError, find_sandbox

TREE = find_tree()
SLUGS = [topic.slug for topic in TREE.topics()]


@pytest.fixture(scope="module")
def sandbox():
    """The one that a teacher gets who asks for none."""
    try:
        return find_sandbox("auto")
    except SandboxError as error:
        pytest.skip(f"needs another system: {error}")


def graded(tree: Tree, slug: str, notebook: Path, sandbox) -> Ledger:
    """The ledger of a learner who hands in this notebook."""
    cells = rebuild(load_template(tree, slug), parse(notebook.read_bytes(), notebook.name)).code
    return grade(Submission("ada", slug, tuple(cells)), sandbox, b"secret")


@pytest.mark.sandbox
@pytest.mark.parametrize("slug", SLUGS)
def test_the_solution_gets_every_point_that_a_machine_gives(slug, sandbox):
    """Behind the wall the solution is as right as in its own notebook; prose waits for a person."""
    start = time.perf_counter()
    ledger = graded(TREE, slug, TREE.solution(slug), sandbox)
    print(f"{slug}: {time.perf_counter() - start:.1f} s")  # shown by pytest -rP
    entries = {task.id: task for task in TREE.topic(slug).tasks}
    assert [r.report.task for r in ledger.results] == list(entries)
    for result in ledger.results:
        task = entries[result.report.task]
        assert result.points == (0 if task.written else task.points), result.report.text()


@pytest.mark.sandbox
@pytest.mark.parametrize("slug", SLUGS)
def test_an_untouched_notebook_gets_nothing(slug, sandbox):
    """Every task says that it was not attempted, and the points are exactly zero."""
    results = graded(TREE, slug, TREE.exercise(slug), sandbox).results
    assert sum(r.points for r in results) == 0
    assert {r.report.state for r in results} == {State.NOT_ATTEMPTED}
