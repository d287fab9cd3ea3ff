"""The graders, tested like any other program: right answers are accepted, wrong ones caught and their mistake named.

A topic adds a folder under tests/answers and is tested from then on.
"""

import answers
import pytest

from autograder.checking import engine
from autograder.checking.diagnose import conclude, report
from autograder.checking.engine import Local, examine, try_case
from autograder.checking.probe import one_thread
from autograder.checking.report import State
from autograder.checking.task import Task, load
from autograder.curriculum import find_tree

RIGHT_SEEDS = range(20)
OTHER_SEEDS = range(1, 6)  # under which a wrong answer must be caught as well
OF_SEVERAL_CALLS = {
    "random",
    "state",
    "property",
    "error",
    "cost",
}  # kinds of findings that no single ordinary call shows
LEAST_RIGHT, LEAST_WRONG = 3, 10  # answers per task
NAMED = 0.9  # the least share of wrong answers whose mistake is named

TREE = find_tree()


@pytest.fixture(autouse=True)
def _fast(monkeypatch):
    """All answers to a task meet the same inputs, which are prepared once; torch uses one thread, as in every report."""
    monkeypatch.setattr(engine, "REMEMBERED", 10_000)
    with one_thread():
        yield


def is_caught(task, path, name, seed, failed):
    """Is an answer caught under another seed? Inputs like those that it failed on before come first, to save time."""
    telling = {trial.case.special for trial in failed}
    if not {trial.finding.kind for trial in failed} & OF_SEVERAL_CALLS:
        answer = Local(answers.load(path)[name])
        cases_alike = (case for case in engine.cases(task, seed) if case.special in telling)
        if any(try_case(task, answer, case).finding for case in cases_alike):
            return True
    return any(trial.finding for trial in examine(task, Local(answers.load(path)[name]), seed))


def cases(right):
    """One parameter per right, or wrong, answer of every topic."""
    for topic in TREE.topics():
        tasks = {id.rpartition(".")[2]: task for id, task in load(topic.slug).items()}
        for task, path in answers.modules(TREE.answers(topic.slug)):
            for name, function in answers.load(path).items():
                if function.verdict.right == right:
                    yield pytest.param(tasks[task], path, name, id=f"{tasks[task].id}-{name}")


@pytest.mark.parametrize(("task", "path", "name"), list(cases(right=True)))
def test_right_answer_is_accepted(task, path, name, score):
    """A right answer is accepted under every seed, whatever its style."""
    score(task.id).right += 1
    for seed in RIGHT_SEEDS:
        result = report(task, Local(answers.load(path)[name]), seed)
        assert result.state is State.RIGHT, f"seed {seed}\n{result.text()}"
        assert result.credit == 1.0
    score(task.id).accepted += 1


@pytest.mark.parametrize(("task", "path", "name"), list(cases(right=False)))
def test_wrong_answer_is_caught_and_named(task, path, name, score):
    """A wrong answer is caught under every seed, earns less than everything, and its report names the mistake."""
    verdict = answers.load(path)[name].verdict
    score(task.id).wrong += 1
    answer = Local(answers.load(path)[name])
    trials = list(examine(task, answer))
    result = conclude(task, answer, trials)
    assert result.state in (State.WRONG, State.CRASHED)
    assert result.credit < 1.0
    failed = [trial for trial in trials if trial.finding]
    for seed in OTHER_SEEDS:
        assert is_caught(task, path, name, seed, failed), f"accepted under seed {seed}"
    score(task.id).caught += 1
    if result.mistake is not None:
        score(task.id).named += 1
    assert verdict.names(result.mistake), (
        f"named {result.mistake!r}, but it must be {verdict.mistake!r}\n{result.text()}"
    )


@pytest.mark.parametrize("topic", TREE.topics(), ids=lambda topic: topic.slug)
def test_every_task_has_answers(topic):
    """Every task has enough right and wrong answers, nine in ten of the wrong ones with a name for their mistake."""
    tasks = {id.rpartition(".")[2] for id, task in load(topic.slug).items() if isinstance(task, Task)}
    verdicts_of = {}
    for name, path in answers.modules(TREE.answers(topic.slug)):
        verdicts_of.setdefault(name, []).extend(f.verdict for f in answers.load(path).values())
    assert set(verdicts_of) == tasks
    for name, verdicts in verdicts_of.items():
        wrong = [v for v in verdicts if not v.right]
        assert len(verdicts) - len(wrong) >= LEAST_RIGHT, name
        assert len(wrong) >= LEAST_WRONG, name
        assert sum(v.mistake is not None for v in wrong) >= NAMED * len(wrong), name


def task_mistakes():
    """One parameter per misconception of every task."""
    for topic in TREE.topics():
        for task in load(topic.slug).values():
            for i, misconception in enumerate(task.misconceptions if isinstance(task, Task) else ()):
                yield pytest.param(task, misconception, id=f"{task.id}-{i}-{misconception.name}")


@pytest.mark.parametrize(("task", "misconception"), list(task_mistakes()))
def test_misconception_is_a_wrong_answer(task, misconception):
    """Every misconception of a task is itself caught, and named with its own name."""
    result = report(task, Local(misconception.function))
    assert result.state is not State.RIGHT
    assert result.mistake == misconception.name


@pytest.mark.parametrize("topic", TREE.topics(), ids=lambda topic: topic.slug)
def test_reference_is_right(topic):
    """The answer key passes its own checks."""
    for task in load(topic.slug).values():
        if isinstance(task, Task):
            assert report(task, Local(task.reference)).state is State.RIGHT, task.id
