"""What a report says about results of another kind: other memory, fewer digits, None, and another dtype."""

import numpy as np
import pytest
import torch

from autograder.checking.diagnose import report
from autograder.checking.engine import Local
from autograder.checking.report import State
from autograder.checking.task import Task


def named(function, task) -> str | None:
    """The mistake that the report on a wrong answer names."""
    found = report(task, Local(function))
    assert found.state is State.WRONG
    return found.mistake


def test_view_on_scattered_memory_is_named_and_the_example_says_so():
    """What is copied out of a report lies in memory row by row, and would work."""
    task = Task(
        "demo.flat", lambda x: x.reshape(-1), "torch", hints=("a", "b", "c"), lecture="06_scaling#softmax", function="f"
    )
    task.inputs(lambda draw: (draw.array("n", "m"),))
    found = report(task, Local(lambda x: x.view(-1)))
    assert found.mistake == "uses view on a tensor that does not lie in memory row by row"
    assert "not contiguous in memory" in found.text()


def test_single_precision_is_named_where_the_inputs_are_whole_numbers():
    """A rate of counts in float32: six equal digits are not enough, so the report shows the others."""
    task = Task(
        "demo.rate", lambda a, n: a / n, "py", hints=("a", "b", "c"), lecture="06_scaling#softmax", function="r"
    )
    task.inputs(lambda draw: (int(draw.rng.integers(1, 9)), draw.size("n", 1, 30)))
    found = report(task, Local(lambda a, n: float(np.float32(a) / np.float32(n))))
    assert found.mistake == "loses precision: its float64 results are only as good as float32"
    assert found.example is not None
    assert float(found.example.got) == pytest.approx(float(found.example.expected), rel=1e-6)
    assert found.example.got != found.example.expected


def first_negative(x):
    """The index of the first negative entry, or None."""
    places = np.flatnonzero(x < 0)
    return int(places[0]) if len(places) else None


def test_an_answer_that_overlooks_something_does_not_lack_a_return():
    """Where None is sometimes right, only who never returns anything else "returns nothing"."""
    task = Task("demo.first", first_negative, "np", hints=("a", "b", "c"), lecture="06_scaling#softmax")
    task.inputs(lambda draw: (draw.array("n"),))
    assert report(task, Local(lambda x: None)).mistake == "returns nothing"
    assert report(task, Local(lambda x: first_negative(x[:2]))).mistake != "returns nothing"


def test_another_dtype_does_not_make_two_mistakes_one():
    """An imitation in another dtype must have the numbers that came; then the mistake is named all the same."""
    task = Task("demo.positive", lambda x: x > 0, "torch", hints=("a", "b", "c"), lecture="06_scaling#softmax")
    task.inputs(lambda draw: (draw.array("n"),))
    task.misconception("is the wrong way round", ask="Which sign?")(lambda x: x <= 0)
    task.misconception("returns numbers", ask="Which dtype?")(lambda x: (x > 0).float())
    task.misconception("returns infinities", ask="Which dtype?")(lambda x: torch.where(x > 0, 0.0, -torch.inf))
    assert named(lambda x: (x > 0).float(), task) == "returns numbers"
    assert named(lambda x: (x <= 0).double(), task) == "is the wrong way round"
    assert named(lambda x: torch.where(x > 0, 0.0, -torch.inf), task) == "returns infinities"
    assert named(lambda x: x > 0.5, task) not in (
        "returns numbers",
        "returns infinities",
        "is the wrong way round",
    )
    thirds = Task("demo.thirds", lambda x: x / 3, "np", hints=("a", "b", "c"), lecture="06_scaling#softmax")
    thirds.inputs(lambda draw: (draw.array("n"),))
    thirds.misconception("has the opposite sign", ask="Which sign?")(lambda x: -x / 3)
    for dtype in (np.float32, np.float64):
        assert named(lambda x, dtype=dtype: -x.astype(dtype) / 3, thirds) == "has the opposite sign"


def test_a_factor_of_one_is_no_explanation():
    """Counts that have been rounded are 1.00000001 times the right ones: true, and no help."""
    task = Task("demo.count", lambda a: 3 * a, "py", hints=("a", "b", "c"), lecture="06_scaling#softmax", function="c")
    task.inputs(lambda draw: (int(draw.rng.integers(10**12, 10**15)),))
    found = report(task, Local(lambda a: int(np.float32(3 * a))))
    assert found.state is not State.RIGHT
    assert found.mistake is None or "times the right result" not in found.mistake
