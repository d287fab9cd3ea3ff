"""How exact an answer has to be where a task says more about it: rows that sum to one, a unit, scores."""

import torch

from autograder.checking.diagnose import report
from autograder.checking.engine import Local
from autograder.checking.report import Report, State
from autograder.checking.task import Task


def examine(function, task: Task, seed: int = 0) -> Report:
    """The report on a function."""
    return report(task, Local(function), seed)


def entropy_task(**more) -> Task:
    """A task whose rows sum to one, and whose result is exactly 0 for a single entry."""
    task = Task(
        "demo.entropy", reference=lambda a: 1 - (a * a).sum(-1), arguments=("a",), function="gini", kind="torch",
        hints=("a", "b", "c"), lecture="06_scaling#softmax", **more,
    )  # fmt: skip
    task.inputs(lambda draw: (draw.weights("n", "d"),))
    return task


def on_the_simplex(a):
    """Equal wherever rows sum to one, with another gradient off the simplex."""
    return (a * (a.sum(-1, keepdim=True) - a)).sum(-1)


def test_gradients_are_compared_along_rows_that_sum_to_one_if_the_task_says_so():
    """Two formulas that agree on the simplex are both right there, and only there; a mistake along it is still one."""
    assert examine(on_the_simplex, entropy_task(unit=1.0, simplex=("a",))).state is State.RIGHT
    assert examine(on_the_simplex, entropy_task(unit=1.0)).state is State.WRONG
    halved = examine(lambda a: 1 - (a * a.detach()).sum(-1), entropy_task(unit=1.0, simplex=("a",)))
    assert (halved.state, halved.mistake) == (State.WRONG, "has gradients that are 0.5 times the right ones")


def rest_task(**more) -> Task:
    """A task whose result is exactly 0 for a single entry: nothing is left to be summed."""
    task = Task(
        "demo.rest", reference=lambda a: a[..., 1:].sum(-1), arguments=("a",), function="rest", kind="torch",
        hints=("a", "b", "c"), lecture="06_scaling#softmax", **more,
    )  # fmt: skip
    task.inputs(lambda draw: (draw.weights("n", "d"),))
    return task


def test_an_exact_zero_may_be_missed_by_rounding_of_ordinary_results():
    """1 − 0.3 − 0.7 is not 0 to the last digit: the task says how large its results are; an error is still one."""

    def leaves_dust(a):
        return a[..., 1:].sum(-1) + 1e-8 * (a.dtype == torch.float32 and a.shape[-1] == 1)

    assert examine(leaves_dust, rest_task(unit=1.0, dtypes=("float32",))).state is State.RIGHT
    assert examine(leaves_dust, rest_task(dtypes=("float32",))).state is State.WRONG
    assert examine(lambda a: a[..., 1:].sum(-1) + 1e-5, rest_task(unit=1.0)).state is State.WRONG


def softmax_task(**more) -> Task:
    """A read by a softmax of large scores."""
    task = Task(
        "demo.read", reference=lambda e, v: torch.softmax(e, -1) @ v, function="read", kind="torch",
        hints=("a", "b", "c"), lecture="06_scaling#softmax", **more,
    )  # fmt: skip
    task.inputs(lambda draw: (draw.array("n", "m", mean=1e4, fixed=True), draw.array("m", "d", mean=1.0, fixed=True)))
    return task


def by_log_sum_exp(e, v):
    """Right, and as exact as the log-sum-exp of the scores is."""
    return torch.exp(e - e.logsumexp(-1, keepdim=True)) @ v


def test_a_log_sum_exp_of_large_scores_is_granted_its_rounding():
    """The last digit of a score of 10⁴ is a thousandth in float32; a task that says where its scores are allows for it."""
    granted = softmax_task(scores=lambda e, v: e)
    seeds = range(6)
    assert all(examine(by_log_sum_exp, granted, seed).state is State.RIGHT for seed in seeds)
    assert not all(examine(by_log_sum_exp, softmax_task(), seed).state is State.RIGHT for seed in seeds)
    assert examine(lambda e, v: torch.softmax(2 * e, -1) @ v, granted).state is State.WRONG
    assert examine(lambda e, v: torch.softmax(e, -1).detach() @ v, granted).mistake == "cuts the gradient to e"
