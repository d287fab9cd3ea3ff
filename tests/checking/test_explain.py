"""What a report says about mistakes that no author foresaw: general rules, and the inputs on which an answer is wrong."""

import math

import numpy as np
import pytest
import torch

from autograder.checking.diagnose import report
from autograder.checking.draw import Draw
from autograder.checking.engine import Local, examine
from autograder.checking.report import State
from autograder.checking.task import Task


def table(x, y, shift=0, mask=None):
    """The reference: x_i + 2 y_j + shift, 0 where the mask is False."""
    total = x[..., :, None] + 2 * y[..., None, :] + shift
    return total if mask is None else np.where(mask, total, 0).astype(x.dtype)


def new_task(**more) -> Task:
    """A made-up NumPy task with an optional number and an optional mask."""
    task = Task("demo.table", table, "np", hints=("a", "b", "c"), lecture="06_scaling#softmax", **more)

    @task.inputs
    def _(draw: Draw):
        x, y = draw.array(..., "n"), draw.array(..., "m")
        if draw.flag(0.3):
            return x, y
        shift = draw.choice([-2, -1, 1, 2])
        return (x, y, shift, draw.mask(..., "n", "m")) if draw.flag() else (x, y, shift)

    @task.special("a mask that hides a row", share=0.25)
    def _(draw: Draw):
        return draw.array(..., "n"), draw.array(..., "m"), 0, draw.mask(..., "n", "m", empty_rows=True)

    @task.special("x holds −inf", share=0.25)
    def _(draw: Draw):
        x = draw.array(..., "n")
        x[..., 0] = -np.inf
        return x, draw.array(..., "m")

    @task.misconception("forgets the factor 2", ask="Which factor does y have?")
    def _(x, y, shift=0, mask=None):
        return table(x, y / 2, shift, mask)

    @task.misconception("gives NaN for −inf", ask="What is −inf − (−inf)?")
    def _(x, y, shift=0, mask=None):
        return table(x - x * 0, y, shift, mask)

    return task


TASK = new_task()


def mistake_of(function, task=TASK, seed=0) -> str | None:
    """The mistake that the report on an answer names."""
    found = report(task, Local(function), seed)
    assert found.state in (State.WRONG, State.CRASHED)
    return found.mistake


def off(condition):
    """An answer that is wrong where `condition(x, y, shift, mask)` holds; None stands for an argument that is not given."""

    def answer(*given):
        right = table(*given)
        if not condition(*(*given, None, None)[:4]):
            return right
        return right + (1 + np.arange(right.size).reshape(right.shape) ** 2).astype(right.dtype)

    return answer


PATTERNS = [
    ("for float32 inputs", lambda x, y, s, mask: x.dtype == np.float32),
    ("for non-contiguous inputs", lambda x, y, s, mask: not (x.flags.c_contiguous and y.flags.c_contiguous)),
    ("without batch axes", lambda x, y, s, mask: x.ndim == 1),
    ("with batch axes", lambda x, y, s, mask: x.ndim > 1),
    ("with two batch axes", lambda x, y, s, mask: x.ndim == 3),
    ("with more than one batch axis", lambda x, y, s, mask: x.ndim > 2),
    ("when the number of batch axes is not 1", lambda x, y, s, mask: x.ndim != 2),
    ("with a batch axis of size 1", lambda x, y, s, mask: 1 in x.shape[:-1]),
    ("when shift is given", lambda x, y, s, mask: s is not None),
    ("when mask is given", lambda x, y, s, mask: mask is not None),
    ("when shift is negative", lambda x, y, s, mask: (s or 0) < 0),
    ("when shift = 2", lambda x, y, s, mask: s == 2),
    ("when n = 1", lambda x, y, s, mask: x.shape[-1] == 1),
    ("when m > 4", lambda x, y, s, mask: y.shape[-1] > 4),
    ("when m < 3", lambda x, y, s, mask: y.shape[-1] < 3),
    ("when n is odd", lambda x, y, s, mask: x.shape[-1] % 2 == 1),
    ("when n > m", lambda x, y, s, mask: x.shape[-1] > y.shape[-1]),
    ("when n = m", lambda x, y, s, mask: x.shape[-1] == y.shape[-1]),
    ("when n = m > 1", lambda x, y, s, mask: x.shape[-1] == y.shape[-1] > 1),
    ("when x holds −inf", lambda x, y, s, mask: np.isneginf(x).any()),
    ("when a row of mask is all False", lambda x, y, s, mask: mask is not None and not mask.any(-1).all()),
]


@pytest.mark.parametrize(("words", "condition"), PATTERNS, ids=[words for words, _ in PATTERNS])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_inputs_on_which_an_answer_is_wrong_are_described(words, condition, seed):
    """A mistake without a name is located: "is right except …"."""
    assert mistake_of(off(condition), seed=seed) == f"is right except {words}"


def test_large_and_tiny_values_are_described_by_the_case():
    """Magnitudes are the engine's to vary, so it knows them."""

    def largest(x, y):
        return max(np.abs(x[np.isfinite(x)]).max(initial=0), np.abs(y).max())

    assert mistake_of(off(lambda x, y, s, mask: largest(x, y) > 10)) == "is right except for large values"
    assert mistake_of(off(lambda x, y, s, mask: largest(x, y) < 1e-3)) == "is right except for tiny values"


def test_a_failure_without_a_pattern_gets_no_name():
    """Better no name than a wrong one."""
    assert mistake_of(off(lambda x, y, s, mask: x.flat[0] > 0)) is None


def test_special_inputs_are_named_when_nothing_else_tells_them_apart():
    """The author's own words for them."""
    task = new_task()

    @task.special("whole numbers")
    def _(draw: Draw):
        return np.round(draw.array(..., "n")) + 3, draw.array(..., "m")

    answer = off(lambda x, y, s, mask: (x == np.round(x)).all() and not np.isinf(x).any() and x.size > 1)
    assert mistake_of(answer, task) == "is right on ordinary inputs, but not for: whole numbers"


def cached(x, y, *more, seen={}):  # noqa: B006 - what it keeps is the mistake
    """Right for the first input of every shape."""
    return seen.setdefault((x.shape, y.shape, x.dtype, len(more)), table(x, y, *more))


def counted(x, y, *more, calls=[]):  # noqa: B006 - what it keeps is the mistake
    """Drifts from call to call."""
    calls.append(0)
    return table(x, y, *more) + np.asarray(1e-3 * (len(calls) - 1), x.dtype)


def loud(x, y, *more):
    """math.exp raises where NumPy's gives inf."""
    return table(x, y, *more) + 0 * np.asarray(math.exp(float(np.abs(x[np.isfinite(x)]).max(initial=0))), x.dtype)


RULES = [
    ("returns nothing", lambda *given: None),
    ("returns the same result whatever its input is", lambda *given: np.zeros((2, 2))),
    ("returns the result of an earlier call", cached),
    ("gives another result the second time it is called", counted),
    ("touches the global random generator", lambda *given: table(*given) + 0 * np.random.rand()),
    ("returns a list or tuple instead of a NumPy float64 array", lambda *given: table(*given).tolist()),
    ("returns a set instead of a NumPy float64 array", lambda *given: set()),
    ("returns a float64 tensor instead of a NumPy float64 array", lambda *given: torch.tensor(table(*given)).double()),
    ("does not keep the dtype of its inputs", lambda *given: table(*given).astype(np.float64)),
    (
        "loses precision: its float64 results are only as good as float32",
        lambda *given: table(*given).astype(np.float32).astype(given[0].dtype),
    ),
    ("is -3 times the right result", lambda *given: -3 * table(*given)),
    ("returns the transpose of the right result", lambda *given: table(*given).swapaxes(-1, -2)),
    ("overflows for large inputs", loud),
]


@pytest.mark.parametrize(("mistake", "function"), RULES, ids=[mistake for mistake, _ in RULES])
def test_mistakes_that_every_task_knows(mistake, function):
    """Named without a word from the author."""
    assert mistake_of(function) == mistake


def test_in_place_changes_name_the_input():
    """Whose array it is, decides."""

    def answer(x, y, *more):
        y *= 2
        return table(x, y / 2, *more)

    assert mistake_of(answer) == "changes its input y in place"


def test_one_of_several_outputs_can_be_transposed():
    """The report says which."""
    task = Task("demo.pair", lambda x: (x, 2 * x), "np", hints=("", "", ""), lecture="x", arguments=("x",))
    task.inputs(lambda draw: (draw.array("n", "m"),))
    assert mistake_of(lambda x: (x, 2 * x.T), task) == "returns the transpose of output 2"
    assert mistake_of(lambda x: (x, 2 * x, x), task) == "returns 3 values instead of 2"
    assert mistake_of(lambda x: x, task) == "returns a NumPy float64 array instead of a list or tuple"


def test_of_two_mistakes_the_one_on_ordinary_inputs_is_named_first():
    """The second one shows once the first is mended."""

    def both(x, y, *more):
        return table(x - x * 0, y / 2, *more)

    assert mistake_of(both) == "forgets the factor 2"


def test_a_wrong_value_is_named_even_if_the_dtype_is_wrong_too():
    """np.eye and friends make float64; the formula is what to mend first."""
    assert mistake_of(lambda x, y, *more: table(x, y / 2, *more).astype(np.float64)) == "forgets the factor 2"


def test_a_right_value_with_bad_manners_is_no_misconception():
    """A misconception that differs only within the tolerance must not be blamed."""
    task = new_task()

    @task.misconception("adds next to nothing", ask="Why?")
    def _(*given):
        return table(*given) + np.asarray(1e-13, given[0].dtype)

    assert (
        mistake_of(lambda *given: table(*given) + 0 * np.random.rand(), task) == "touches the global random generator"
    )


def test_an_error_that_is_missing_and_a_cost_that_is_too_high_have_names():
    """The last two things that an author can ask for."""

    def checked(x, y, shift=0, mask=None):
        if x.dtype != y.dtype:
            raise ValueError("x and y differ in dtype")
        return table(x, y, shift, mask)

    task = new_task()
    task.reference = checked
    task.error("dtypes that differ", ValueError, "dtype")(lambda draw: (np.ones(2), np.ones(2, np.float32)))
    assert mistake_of(table, task) == "does not raise the error that the task asks for"
    task = new_task()
    task.cost(lambda draw: (draw.array(500), draw.array(500)))(
        lambda inputs, cost: "Too large." if cost.largest > 3e6 else None
    )
    assert report(task, Local(table)).state is State.RIGHT
    wasteful = report(
        task, Local(lambda *given: table(*given) + np.zeros((8, *table(*given).shape), given[0].dtype)[0])
    )
    assert wasteful.mistake == "is right, but costs more than it may"
    assert "Too large." in wasteful.sentences


def test_costs_that_are_too_high_for_another_reason_have_another_name():
    """Two mistakes give the right values; which one it is, the words before the limit's colon tell. Each limit is tried."""
    task = new_task()

    def wasteful(times):
        return lambda *given: table(*given) + np.zeros((times, *table(*given).shape), given[0].dtype)[0]

    def limit(inputs, cost):
        if cost.largest > 13e6:
            return f"It is very large: {cost.largest} bytes."
        return f"It is large: {cost.largest} bytes." if cost.largest > 3e6 else None

    task.misconception("makes very large arrays", "Why?")(wasteful(16))
    task.misconception("makes large arrays", "Why?")(wasteful(8))
    task.cost(lambda draw: (draw.array(5), draw.array(5)))(limit)
    task.cost(lambda draw: (draw.array(500), draw.array(500)))(limit)
    assert mistake_of(wasteful(8), task) == "makes large arrays"
    assert mistake_of(wasteful(18), task) == "makes very large arrays"
    assert report(task, Local(table)).state is State.RIGHT


def test_a_property_may_call_the_answer_and_survives_what_it_does():
    """A crash or a useless result on another input is the learner's, not the grader's."""
    task = new_task()

    @task.property("adding a constant to x adds it to the result")
    def _(call, inputs, output):
        moved = call(inputs[0] + 1, *inputs[1:])
        return None if np.allclose(moved, output + 1) or len(inputs) > 2 else "it does not."

    assert report(task, Local(table)).state is State.RIGHT
    for bad, words in ((lambda: 1 / 0, "on another input it stopped with ZeroDivisionError"), (set, "is of no use")):
        calls = []

        def answer(*given, bad=bad, calls=calls):
            calls.append(given[0].tobytes())
            return table(*given) if calls.count(given[0].tobytes()) < 3 and len(calls) < LAST else bad()

        found = [t.finding for t in examine(task, Local(answer)) if t.finding]
        assert any(words in f.sentence for f in found), found[:3]


def test_a_property_that_cannot_compare_a_result_is_broken():
    """torch raises RuntimeError where two dtypes meet; a report must come all the same."""
    task = new_task()

    @task.property("two calls can be compared")
    def _(_call, _inputs, _output):
        raise RuntimeError("Float did not match Double")

    found = [t.finding for t in examine(task, Local(table)) if t.finding]
    assert found
    assert all("is of no use (Float did not match Double)" in f.sentence for f in found)


LAST = 90  # so many calls are made before properties are tried


@pytest.mark.parametrize("seed", range(3))
def test_the_counterexample_has_sizes_up_to_three(seed):
    """And values with one decimal: small enough to compute by hand."""
    example = report(TASK, Local(lambda x, y, *more: table(x, y * y, *more)), seed).example
    sizes = [
        int(n) for _, text in example.inputs if "shape" in text for n in text.split("(")[1].strip("),").split(",") if n
    ]
    assert sizes
    assert max(sizes) <= 3


def test_shares_of_special_inputs_add_up():
    """Half of the points are left when two inputs of a quarter each fail, none when an ordinary one does."""
    answer = off(lambda x, y, s, mask: np.isinf(x).any() or (mask is not None and not mask.any(-1).all()))
    found = report(TASK, Local(answer))
    assert found.credit == 0.5
    assert "50% of the points" in found.headline
    assert report(TASK, Local(off(lambda x, y, s, mask: x.ndim == 1))).credit == 0


def test_the_name_of_a_special_input_is_preferred_to_a_lucky_relation_of_sizes():
    """Its author chose the name for what it holds; sizes in it are chance, or a consequence."""
    task = new_task()

    @task.special("an x of equal numbers")
    def _(draw: Draw):
        draw.size("n", 30, 40)  # longer than any other x, so "when n > 24" would fit as well
        x = draw.array(..., "n")
        return x * 0 + x[..., :1], draw.array(..., "m")

    answer = off(lambda x, y, s, mask: x.shape[-1] > 24 and (x == x[..., :1]).all())
    assert mistake_of(answer, task) == "is right on ordinary inputs, but not for: an x of equal numbers"


def test_writing_in_place_into_what_the_backward_pass_needs_is_named():
    """torch's error speaks of versions of variables; the mistake is an operator."""
    task = Task(
        "demo.exp", lambda x: x.exp(), "torch", hints=("a", "b", "c"), lecture="06_scaling#softmax", function="e"
    )
    task.inputs(lambda draw: (draw.array("n", "m"),))

    def answer(x):
        y = x.exp()
        return y.mul_(1)  # exp keeps its result for the backward pass

    assert mistake_of(answer, task) == "writes in place into a tensor that the backward pass needs"


def test_an_entry_of_the_wrong_type_is_named_with_its_place():
    """Two values came and two are asked for, so their number is not the mistake."""
    task = Task(
        "demo.two", lambda n: (n, 2 * n), "py", hints=("a", "b", "c"), lecture="06_scaling#softmax", function="t"
    )
    task.inputs(lambda draw: (draw.size("n", 1, 9),))
    assert mistake_of(lambda n: (n, 2.0 * n), task) == "returns a float instead of an int as output 2 of 2"


def test_zeros_are_not_an_earlier_result():
    """Zeros come out of many mistakes; only a result that says something can give a cache away."""
    task = Task(
        "demo.floor",
        np.floor,
        "np",
        hints=("a", "b", "c"),
        lecture="06_scaling#softmax",
        function="f",
        arguments=("x",),
    )
    task.inputs(lambda draw: (draw.give(draw.rng.uniform(0, draw.choice([1, 9]), 3), rounded=False),))
    answer = Local(np.zeros_like)
    trials = list(examine(task, answer))
    assert {bool(t.finding) for t in trials} == {True, False}, "zeros are right for some inputs, as a cache would be"
    assert report(task, answer).mistake != "returns the result of an earlier call"


def test_a_broken_property_is_not_an_earlier_result():
    """Where a value is near enough and only a property fails, the result equals itself; that is no cache."""
    task = Task("demo.same", np.copy, "np", hints=("a", "b", "c"), lecture="06_scaling#softmax", arguments=("x",))
    task.inputs(lambda draw: (draw.array("n"),))
    task.property("it holds no rounding error")(
        lambda _call, inputs, output: None if (output == inputs[0]).all() else "it does."
    )
    answer = Local(lambda x: x * np.asarray(1 + 1e-11, x.dtype))
    assert {t.finding.kind for t in examine(task, answer) if t.finding} == {"property"}
    assert report(task, answer).mistake != "returns the result of an earlier call"


def test_an_empty_result_is_not_an_earlier_result():
    """A result without any entry is wrong in shape; it says nothing of a cache, and the report survives it."""
    task = Task("demo.same", np.copy, "np", hints=("a", "b", "c"), lecture="06_scaling#softmax", arguments=("x",))
    task.inputs(lambda draw: (draw.array("n"),))
    found = report(task, Local(lambda x: x.copy() if x.sum() > 0 else x[:0]))
    assert found.state is State.WRONG
    assert found.mistake != "returns the result of an earlier call"
