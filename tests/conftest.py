"""What all tests share: the score of the graders, printed at the end of a run."""

from __future__ import annotations

from dataclasses import dataclass

import pytest


@dataclass
class Score:
    """How one task's grader did on the answers that test it."""

    right: int = 0
    accepted: int = 0
    wrong: int = 0
    caught: int = 0
    named: int = 0


SCORES = pytest.StashKey[dict[str, Score]]()


@pytest.fixture
def score(request):
    """The score of a task, by its id; what a test adds to it is printed at the end of the run."""
    table = request.config.stash.setdefault(SCORES, {})
    return lambda task: table.setdefault(task, Score())


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """With `--dist loadgroup` a file's tests stay together; those of the answers, which take longest, by task."""
    for item in items:
        task = getattr(getattr(item, "callspec", None), "params", {}).get("task")
        group = f"{item.path.name}::{task.id}" if hasattr(task, "id") else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))


def pytest_sessionfinish(session):
    """A worker of pytest-xdist hands its scores to the process that prints them."""
    if hasattr(session.config, "workeroutput"):
        table = session.config.stash.get(SCORES, {})
        session.config.workeroutput["scores"] = {task: vars(score) for task, score in table.items()}


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    """Take the scores of a worker that has ended; one that crashed has none."""
    table = node.config.stash.setdefault(SCORES, {})
    for task, numbers in getattr(node, "workeroutput", {}).get("scores", {}).items():
        table[task] = _total([table.get(task, Score()), Score(**numbers)])


def pytest_terminal_summary(terminalreporter, config):
    """Print the score table, if answers were graded in this run."""
    table = config.stash.get(SCORES, {})
    if not table:
        return
    terminalreporter.section("graders, tested on right and wrong answers")
    terminalreporter.write_line(f"{'task':<28} {'right accepted':>15} {'wrong caught':>13} {'named':>12}")
    rows = [*sorted(table.items()), ("all tasks", _total(table.values()))]
    for task, s in rows:
        share = f" ({s.named / s.wrong:.0%})" if s.wrong else ""
        line = f"{task:<28} {f'{s.accepted}/{s.right}':>15} {f'{s.caught}/{s.wrong}':>13} {f'{s.named}/{s.wrong}{share}':>12}"
        terminalreporter.write_line(line)


def _total(scores):
    total = Score()
    for s in scores:
        for name, value in vars(s).items():
            setattr(total, name, getattr(total, name) + value)
    return total
