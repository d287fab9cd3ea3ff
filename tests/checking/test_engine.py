"""The engine on a small task made up here: an author writes a task without touching it, and every stage can fail."""

import random

import numpy as np
import pytest
import torch

from autograder.checking.compare import converted
from autograder.checking.diagnose import report
from autograder.checking.draw import Draw
from autograder.checking.engine import REMEMBERED, Local
from autograder.checking.engine import examine as trials_of
from autograder.checking.probe import Opaque, Request
from autograder.checking.report import Report, State
from autograder.checking.task import Task, load

MIB = 1 << 20


def product(x, w):
    """The reference of the made-up task: a row of dot products."""
    return x @ w


def new_task(reference=product, kind="torch", **more) -> Task:
    """A task as an author writes it."""
    task = Task(
        "demo.product", reference=reference, kind=kind, hints=("a", "b", "c"), lecture="06_scaling#softmax", **more
    )

    @task.inputs
    def _(draw: Draw):
        return draw.array(..., "n", "d"), draw.array("d")

    @task.misconception("sums without the weights", ask="What are the weights for?")
    def _(x, w):
        return x.sum(-1)

    return task


def examine(function, task: Task | None = None, seed: int = 0) -> Report:
    """The report on a function."""
    return report(task or new_task(), Local(function), seed)


def test_the_reference_is_right_in_every_kind_of_array():
    """The same reference serves NumPy and torch."""
    for kind in ("np", "torch"):
        found = examine(product, new_task(kind=kind))
        assert (found.state, found.credit, found.mistake) == (State.RIGHT, 1.0, None)
        assert found.checked > 30


def test_a_misconception_is_named_and_its_question_asked():
    """Written in another way than in the task, the mistake is still recognised."""
    found = examine(lambda x, w: torch.einsum("...d->...", x))
    assert (found.state, found.credit) == (State.WRONG, 0.0)
    assert (found.mistake, found.ask) == ("sums without the weights", "What are the weights for?")


def test_the_counterexample_is_small_and_shows_inputs_got_and_expected():
    """Sizes shrink to one to three, values to one decimal."""
    example = examine(lambda x, w: x.sum(-1)).example
    assert [name for name, _ in example.inputs] == ["x", "w"]
    assert "shape (1, 1)" in example.inputs[0][1]
    assert example.got != example.expected


def test_the_stub_is_not_attempted_and_earns_nothing():
    """NotImplementedError from the first call on is the released stub."""

    def stub(x, w):
        raise NotImplementedError()

    found = examine(stub)
    assert (found.state, found.credit) == (State.NOT_ATTEMPTED, 0.0)
    assert found.sentences == (
        "Write your code in place of `raise NotImplementedError()`, run the cell, then run this one again.",
    )


def test_a_crash_shows_the_learners_own_line():
    """Not the grader's frames, and not the library's."""

    def crashes(x, w):
        return x.transposed() @ w

    found = examine(crashes)
    assert found.state is State.CRASHED
    assert "return x.transposed() @ w" in found.sentences[1]


def test_a_task_that_cannot_be_verified_here_is_never_right():
    """The fifth state, with the author's reason."""
    found = examine(product, new_task(unavailable=lambda: "It needs a GPU."))
    assert (found.state, found.credit, found.sentences) == (State.NOT_VERIFIABLE, 0.0, ("It needs a GPU.",))


@pytest.mark.parametrize(
    ("function", "mistake"),
    [
        (lambda x, w: x.detach() @ w, "cuts the gradient to x"),
        (lambda x, w: 2 * (x @ w) - (x @ w).detach(), "has gradients that are 2 times the right ones"),
        (lambda x, w: 3 * (x @ w), "is 3 times the right result"),
        (
            lambda x, w: (x.float() @ w.float()).to(x.dtype),
            "loses precision: its float64 results are only as good as float32",
        ),
        (lambda x, w: (x @ w).double(), "does not keep the dtype of its inputs"),
        (lambda x, w: x.mul_(w).sum(-1), "changes its input x in place"),
        (lambda x, w: x @ w + 0 * torch.rand(()), "touches the global random generator"),
        (lambda x, w: print(x @ w), "returns nothing"),
        (lambda x, w: x @ w * ((x @ w).abs().exp() / (x @ w).abs().exp()).detach(), "overflows for large inputs"),
        (lambda x, w: torch.mv(x, w), "is right except with batch axes"),
    ],
    ids=[
        "detached",
        "doubled gradient",
        "factor",
        "float32",
        "dtype",
        "in place",
        "random",
        "prints",
        "overflow",
        "batch",
    ],
)
def test_mistakes_that_every_task_knows_are_named(function, mistake):
    """Without a word from the author."""
    found = examine(function)
    assert found.state is not State.RIGHT
    assert found.mistake == mistake, found.text()


def test_an_answer_that_keeps_state_is_wrong():
    """The second call with the same input must give the same."""
    calls = []

    def counts(x, w):
        calls.append(1)
        return x @ w if len(calls) < 60 else x @ w + 1e-3

    found = examine(counts)
    assert found.state is State.WRONG


def test_a_property_that_breaks_is_told():
    """A property holds for every right answer; its sentence is shown with the counterexample."""
    task = new_task()

    @task.property("the product of a zero row is zero")
    def _(call, inputs, output):
        zero = call(torch.zeros_like(inputs[0]), inputs[1])
        return None if not zero.any() else "here it is not."

    assert examine(product, task).state is State.RIGHT
    found = examine(lambda x, w: x @ w + 1, task)
    assert "It must hold that the product of a zero row is zero: here it is not." in found.sentences


def test_a_property_alone_can_fail_an_answer():
    """What values cannot see, a property can."""
    task = new_task()

    @task.property("it was called from a test that says so")
    def _(call, inputs, output):
        return "it was not."

    assert examine(product, task).state is State.WRONG


def test_an_error_that_the_task_names_must_be_raised_and_name_its_culprit():
    """No error, another error, and an error without the name all fail; the right one passes."""

    def guarded(x, w):
        if w.shape[-1] != x.shape[-1]:
            raise ValueError(f"w has {w.shape[-1]} entries, but x has {x.shape[-1]} columns")
        return x @ w

    task = new_task(reference=guarded)

    @task.error("sizes that do not fit", ValueError, naming="w has 3")
    def _(draw: Draw):
        return draw.array("n", 2), draw.array(3)

    def silent(x, w):
        return x @ w if w.shape[-1] == x.shape[-1] else x.sum(-1)

    def vague(x, w):
        if w.shape[-1] != x.shape[-1]:
            raise ValueError("bad input")
        return x @ w

    assert examine(guarded, task).state is State.RIGHT
    assert "it must raise ValueError, but it returned a result." in examine(silent, task).sentences[1]
    assert "it must raise ValueError, but it raised RuntimeError" in examine(product, task).sentences[1]
    assert "the message must name 'w has 3'; it says 'bad input'." in examine(vague, task).sentences[1]


def test_cost_tells_a_tiled_answer_from_one_that_builds_the_whole_matrix():
    """The largest buffer decides, in torch and when the matrix is hidden in NumPy."""

    def row_sums(x, y):
        return torch.stack([(row @ y.mT).sum() for row in x])

    task = Task("demo.cost", reference=row_sums, kind="torch", hints=("", "", ""), lecture="x")
    task.inputs(lambda draw: (draw.array("n", "d"), draw.array("m", "d")))

    def large(draw: Draw):
        return draw.array(512, 8), draw.array(512, 8)

    @task.cost(large)
    def _(inputs, cost):
        return None if cost.largest < MIB // 2 else f"Its largest buffer holds {cost.largest} bytes."

    assert examine(row_sums, task).state is State.RIGHT
    whole = examine(lambda x, y: (x @ y.mT).sum(-1), task)
    hidden = examine(lambda x, y: torch.from_numpy((x.detach().numpy() @ y.detach().numpy().T).sum(-1)), task)
    assert whole.state is State.WRONG
    assert "Its largest buffer holds 1048576 bytes." in whole.sentences
    assert hidden.state is State.WRONG


def test_a_share_of_the_points_survives_when_only_that_special_input_fails():
    """Partial credit is the author's decision; an ordinary failure loses all."""
    task = new_task()

    @task.special("a zero weight", share=0.25)
    def _(draw: Draw):
        x, w = draw.array(..., "n", "d"), draw.array("d")
        return x, w * 0

    def odd(x, w):
        return x @ w + (w == 0).all()

    found = examine(odd, task)
    assert (found.state, found.credit) == (State.WRONG, 0.75)
    assert found.mistake == "is right except when w is all zero"
    assert examine(lambda x, w: x.sum(-1), task).credit == 0


def test_an_empty_input_is_not_called_zero():
    """A special input without entries is named as empty, since "all zero" would send the learner astray."""
    task = new_task()

    @task.special("nothing to weigh", share=0.25)
    def _(draw: Draw):
        return draw.array(3, 0), draw.array(0)

    found = examine(lambda x, w: x @ w + (len(w) == 0), task)
    assert found.mistake == "is right except when x is empty"


def test_float64_numbers_beyond_float32_raise_no_warning():
    """Whether a wrong result would be right in float32 is asked of any input: the largest numbers become infinite."""
    (value,) = converted(Request((np.array([1e300, 1.0]),)), "float32").inputs
    assert value.tolist() == [np.inf, 1.0]


def test_an_examination_leaves_the_callers_random_state_alone():
    """A check in a notebook must not change what the learner's next cell draws."""
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    before = random.getstate(), np.random.get_state()[1].tobytes(), torch.get_rng_state().numpy().tobytes()
    examine(lambda x, w: x @ w + torch.rand(()))
    after = random.getstate(), np.random.get_state()[1].tobytes(), torch.get_rng_state().numpy().tobytes()
    assert after[:2] == before[:2]


def test_the_same_seed_gives_the_same_report_and_another_seed_other_inputs():
    """Reports are reproducible, and inputs are not fixed."""

    def wrong(x, w):
        return x.sum(-1)

    assert examine(wrong, seed=3) == examine(wrong, seed=3)
    assert examine(wrong, seed=3).example != examine(wrong, seed=4).example


def test_a_reference_that_fails_on_its_own_inputs_is_an_error_of_the_author():
    """Not a result of the learner."""

    def broken(x, w):
        raise KeyError("oops")

    with pytest.raises(
        AssertionError, match=r"demo\.product: the reference fails on inputs that the task draws: KeyError: 'oops'"
    ):
        examine(product, new_task(reference=broken))


def test_a_second_examination_prepares_nothing_again_and_says_the_same():
    """A learner who mends a line and checks again does not wait for the reference; the memory is bounded."""
    calls = []

    def counted(x, w):
        calls.append(0)
        return x @ w

    task = new_task(reference=counted)
    first = examine(lambda x, w: 3 * (x @ w), task)
    before = len(calls)
    assert examine(lambda x, w: 3 * (x @ w), task) == first
    assert len(calls) == before
    for seed in range(9):
        examine(product, task, seed)
    assert len(task.prepared) <= REMEMBERED


def test_an_error_that_the_reference_does_not_raise_is_an_error_of_the_author():
    """Otherwise no answer could be right."""
    task = new_task()
    task.error("nothing wrong", ValueError, naming="x")(lambda draw: (draw.array("n", 2), draw.array(2)))
    with pytest.raises(AssertionError, match=r"demo\.product: the reference raises nothing for 'nothing wrong'"):
        examine(product, task)


def test_an_operation_that_torch_lacks_is_a_crash_and_not_the_stub():
    """Both raise NotImplementedError; only the stub's has no message."""

    def lacking(x, w):
        raise NotImplementedError("'addmv' is not implemented for this dtype")

    assert examine(lacking).state is State.CRASHED


def test_failures_are_counted_by_input():
    """An input that fails for its value and for a property is one input."""
    task = new_task()
    task.property("it is never right")(lambda call, inputs, output: "it is not.")
    found = examine(product, task)
    assert found.checked == examine(product).checked
    assert found.sentences[0] == f"Not right on 8 of {found.checked} inputs."


def test_a_huge_wrong_result_is_described_and_not_kept():
    """A result of the wrong shape may be as large as it likes: the trials of an examination still fit into memory."""
    task = load("06_scaling")["scaling.softmax"]
    trials = list(trials_of(task, Local(lambda scores, axis=-1: np.zeros(1_000_000))))
    assert all(isinstance(t.seen.value, Opaque) for t in trials if t.finding)
    told = report(task, Local(lambda scores, axis=-1: np.zeros(1_000_000)))
    assert told.mistake is None or "second time" not in told.mistake
    assert "The output has shape (1000000,), but (1, 1) is right." in told.text()


def test_the_name_in_an_error_is_a_whole_word():
    """A message that happens to hold the letter W does not name W."""
    task = new_task()

    @task.error("w is missing", ValueError, naming="W")
    def _(draw):
        return torch.ones(1, 1), None

    def answer(message):
        def product_or_error(x, w):
            if w is None:
                raise ValueError(message)
            return x @ w

        return product_or_error

    task.reference = answer("W is missing")
    assert examine(answer("the argument W is missing"), task).state is State.RIGHT
    assert examine(answer("Wrong call"), task).state is State.WRONG


@pytest.mark.parametrize("message", ["", "sizes do not fit", "no"])
def test_any_message_will_do_where_no_name_is_asked_for(message):
    """An error that must name nothing is right with every message, and still has to be raised."""
    task = new_task()

    @task.error("w is missing", ValueError, naming="")
    def _(draw):
        return torch.ones(1, 1), None

    def raising(x, w):
        if w is None:
            raise ValueError(message)
        return x @ w

    task.reference = raising
    assert examine(raising, task).state is State.RIGHT
    assert examine(lambda x, w: x if w is None else x @ w, task).state is State.WRONG
