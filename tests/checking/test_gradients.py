"""Which gradients are compared: not those of gradients, and not those of a result of −inf."""

import torch

from autograder.checking.diagnose import report
from autograder.checking.engine import Local
from autograder.checking.report import State
from autograder.checking.task import Task


def examine(function, task):
    """The report on an answer."""
    return report(task, Local(function))


def test_gradients_are_not_asked_for_where_results_are_gradients():
    """A task may say that derivatives of its results do not matter: a detached answer is then right."""

    def doubled(x):
        return 2 * x.detach()

    task = Task("demo.plain", reference=doubled, kind="torch", hints=("", "", ""), lecture="x", gradients=False)
    task.inputs(lambda draw: (draw.array("n"),))
    assert examine(doubled, task).state is State.RIGHT
    assert examine(lambda x: x + x, task).state is State.RIGHT
    assert examine(lambda x: 3 * x, task).state is State.WRONG


def test_a_result_of_minus_infinity_has_no_gradient_to_compare():
    """The logarithm of an empty sum: any finite gradient will do there, but not NaN."""

    def total(x):
        return torch.where(x == -torch.inf, -torch.inf, x)

    task = Task("demo.empty", reference=total, kind="torch", hints=("", "", ""), lecture="x")
    task.inputs(lambda draw: (draw.array("n"),))
    task.special("nothing")(lambda draw: (draw.array("n") - torch.inf,))
    assert examine(total, task).state is State.RIGHT
    assert examine(lambda x: x + 0, task).state is State.RIGHT
    assert examine(lambda x: torch.where(x == -torch.inf, x, x - x.exp() + x.exp() + 0 * x), task).state is State.WRONG
