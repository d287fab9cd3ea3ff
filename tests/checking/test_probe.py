"""What is seen of one call: its value, its gradients, what it did to its inputs and to the world, how it failed."""

import contextlib
import random
import sys
import warnings

import numpy as np
import pytest
import torch

from autograder.checking.probe import Opaque, Request, generators_kept, observe, one_thread, plain


def seen(function, *inputs, **more):
    """The observation of one call."""
    return observe(function, Request(inputs, **more))


ONES = {"numpy": lambda: np.ones((2, 3)), "torch": lambda: torch.ones(2, 3, dtype=torch.float64)}


def add_one(x):
    """Writes into its input."""
    x += 1
    return x


def turn(x):
    """Swaps the axes of its input itself."""
    if isinstance(x, np.ndarray):
        x.shape = x.shape[::-1]
    else:
        x.transpose_(0, 1)
    return x


@pytest.mark.parametrize("kind", ONES)
@pytest.mark.parametrize("function", [add_one, turn])
def test_an_input_changed_in_place_is_seen_and_the_callers_array_survives(kind, function):
    """Values or shape; the function gets a copy."""
    given = ONES[kind]()
    result = seen(function, given)
    assert result.changed == (0,)
    assert given.shape == (2, 3)
    assert (given == 1).all()


@pytest.mark.parametrize("kind", ONES)
def test_an_input_that_is_only_read_is_not_changed(kind):
    """NaN is equal to itself here, and a view of the input may be returned."""
    given = ONES[kind]()
    given[0, 0] = float("nan")
    assert seen(lambda x: x[:1], given).changed == ()


def test_an_input_changed_in_place_is_seen_when_gradients_are_asked_for():
    """Torch forbids it on leaves; here it is an observation."""
    result = seen(add_one, ONES["torch"](), cotangents=(torch.ones(2, 3),))
    assert result.crash is None
    assert result.changed == (0,)
    assert torch.equal(result.gradients[0], torch.ones(2, 3, dtype=torch.float64))


@pytest.mark.parametrize("shape", [(4,), (2, 3), (2, 3, 4)])
@pytest.mark.parametrize("kind", ONES)
@pytest.mark.parametrize("gradients", [False, True])
def test_strided_inputs_are_equal_but_lie_otherwise_in_memory(kind, shape, gradients):
    """No `view` that joins or splits axes works on them."""
    values = np.arange(np.prod(shape), dtype=float).reshape(shape)
    given = values if kind == "numpy" else torch.from_numpy(values)
    cotangents = (torch.ones(shape),) if gradients and kind == "torch" else ()
    layout = []

    def look(x):
        layout.append(x.flags.c_contiguous if isinstance(x, np.ndarray) else x.is_contiguous())
        return x * 2

    result = seen(look, given, strided=True, cotangents=cotangents)
    assert layout == [False]
    assert np.array_equal(result.value, 2 * values)
    assert result.changed == ()
    if cotangents:
        assert np.array_equal(result.gradients[0], np.full(shape, 2.0))


def test_a_list_of_tuples_is_copied_too():
    """Plain Python inputs belong to the caller as arrays do, down to their inner lists."""
    given = [[64, 2], [128, 2]]

    def shrink(stages):
        stages[0][0] = 1
        return stages.pop()[0]

    assert seen(shrink, given).changed == (0,)
    assert given == [[64, 2], [128, 2]]


DRAWS = {
    "random": lambda: random.random(),
    "numpy": lambda: np.random.rand(),
    "torch": lambda: torch.rand(()).item(),
    "reseeding": lambda: np.random.seed(0),
}


@pytest.mark.parametrize("name", DRAWS)
def test_the_global_random_state_is_watched_and_put_back(name):
    """Drawing and seeding both count; the learner's next cell draws what it would have drawn."""
    before = random.getstate(), np.random.get_state()[1].tobytes(), torch.get_rng_state()
    with generators_kept():
        assert seen(lambda x: DRAWS[name]() and x, 1, seed=7).drew_random
        assert not seen(lambda x: np.random.default_rng(0).random() * x, 1.0, seed=7).drew_random
    assert random.getstate() == before[0]
    assert np.random.get_state()[1].tobytes() == before[1]
    assert torch.equal(torch.get_rng_state(), before[2])


def test_the_seed_decides_what_the_global_generators_give():
    """So a result that depends on them differs between two calls."""
    a, b, c = (seen(lambda x: x + np.random.rand(), 0.0, seed=s).value for s in (1, 1, 2))
    assert a == b
    assert a != c


def test_printing_is_captured_and_noted(capsys):
    """A hundred calls must not flood the notebook."""
    result = seen(lambda x: print("hello") or print("hello", file=sys.stderr) or x, 1)
    assert result.printed
    assert capsys.readouterr() == ("", "")


def test_warnings_and_switched_off_gradients_stay_inside():
    """An overflow warns nobody, and a notebook under no_grad is still checked for gradients."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        seen(lambda x: warnings.warn("no", stacklevel=1) or np.exp(x), np.array([1e9]))
    with torch.no_grad():
        result = seen(lambda x: x * 3, ONES["torch"](), cotangents=(torch.ones(2, 3),))
        assert torch.equal(result.gradients[0], torch.full((2, 3), 3.0, dtype=torch.float64))
        assert not torch.is_grad_enabled()


def crash_in_numpy(x):
    """Fails inside a library."""
    return np.concatenate([x, 3])  # this very line


def test_a_crash_shows_the_learners_line_not_the_librarys():
    """The innermost line that is not of a library or of the grader."""
    crash = seen(crash_in_numpy, np.ones(2)).crash
    assert crash.line == "return np.concatenate([x, 3])  # this very line"
    assert crash.kinds[:2] == ("ValueError", "Exception")
    assert str(crash).startswith("ValueError: all the input arrays must have same number of dimensions")


def test_a_crash_in_the_backward_pass_is_a_crash():
    """Gradients are part of the answer."""

    class Bad(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, grad):
            raise RuntimeError("backward is missing")

    crash = seen(Bad.apply, ONES["torch"](), cotangents=(torch.ones(2, 3),)).crash
    assert crash.kinds[0] == "RuntimeError"
    assert crash.line == 'raise RuntimeError("backward is missing")'


def test_exit_is_a_crash_but_the_interrupt_key_works():
    """Whatever a learner raises is seen, except what the person at the keyboard presses."""

    def interrupt(x):
        raise KeyboardInterrupt

    assert seen(lambda x: sys.exit(3), 1).crash.kinds[0] == "SystemExit"
    with pytest.raises(KeyboardInterrupt):
        seen(interrupt, 1)


def test_a_long_message_is_cut():
    """A report holds no megabytes."""

    def shout(x):
        raise ValueError("a" * 10_000)

    assert len(seen(shout, 1).crash.message) == 500


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (np.True_, True),
        (np.int64(3), 3),
        (2.5, 2.5),
        ("text", "text"),
        ([1, (2.0, None)], (1, (2.0, None))),
        ({1, 2}, Opaque("a set")),
        (np.ones((1, 1)).view(np.matrix), Opaque("a NumPy matrix")),
        (np.ma.masked_array([1.0]), Opaque("a NumPy MaskedArray")),
        (np.array([1 + 2j]), Opaque("a NumPy array of dtype complex128")),
        (np.array([None]), Opaque("a NumPy array of dtype object")),
        (torch.ones(2).to_sparse(), Opaque("a tensor of dtype torch.float32 and layout torch.sparse_coo")),
        (torch.ones(2, dtype=torch.complex64), Opaque("a tensor of dtype torch.complex64 and layout torch.strided")),
    ],
)
def test_results_become_plain_or_opaque(value, expected):
    """Nothing else crosses the wall between judge and player."""
    result = plain(value)
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize("value", [np.float32(2.5), np.float64(2.5)])
def test_numpy_numbers_keep_their_dtype(value):
    """A float32 number is not a Python float."""
    result = plain(value)
    assert (result.shape, result.dtype, float(result)) == ((), value.dtype, 2.5)


def test_a_result_is_a_copy_without_its_graph_and_subclass():
    """What the learner changes afterwards changes nothing, and no learner's class is left in it."""

    class Mine(torch.Tensor):
        pass

    array, tensor = np.ones(2), torch.ones(2).as_subclass(Mine).requires_grad_()
    results = plain((array, tensor))
    array[0] = 5
    assert results[0][0] == 1
    assert type(results[1]) is torch.Tensor
    assert not results[1].requires_grad


def test_gradients_are_the_vector_jacobian_product_and_zero_where_nothing_depends():
    """One per input; None for inputs that are no floating tensors."""
    x, y, ids = torch.tensor([1.0, 2.0]), torch.tensor([3.0]), torch.tensor([1])
    result = seen(lambda x, y, ids: (x**2, ids), x, y, ids, cotangents=(torch.tensor([1.0, 10.0]),))
    assert torch.equal(result.gradients[0], torch.tensor([2.0, 40.0]))
    assert torch.equal(result.gradients[1], torch.tensor([0.0]))
    assert result.gradients[2] is None


def test_torch_uses_one_thread_for_the_time_of_a_check():
    """And as many as before afterwards, whatever happens."""
    torch.set_num_threads(2)
    with contextlib.suppress(KeyError), one_thread():
        assert torch.get_num_threads() == 1
        raise KeyError
    assert torch.get_num_threads() == 2


def test_torch_s_default_dtype_is_the_same_for_everybody():
    """A notebook that has set another one gets the verdict that the teacher's grader gives, and keeps its choice."""
    before = torch.get_default_dtype()
    try:
        torch.set_default_dtype(torch.float64)
        assert observe(lambda x: torch.zeros(1), Request((torch.ones(1),))).value.dtype == torch.float32
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(before)


def test_an_answer_that_sets_the_default_dtype_does_not_change_the_next():
    """What one task does to torch must not reach another."""
    before = torch.get_default_dtype()
    observe(lambda x: torch.set_default_dtype(torch.float64), Request((torch.ones(1),)))
    assert torch.get_default_dtype() == before


def test_something_stored_on_an_input_is_a_change():
    """A cache that hangs on the tensor survives the call, and would be stale in the next."""

    def remembers(x):
        x._seen = x * 2
        return x._seen

    assert observe(remembers, Request((torch.ones(2),))).changed == (0,)
    assert observe(lambda x: x * 2, Request((torch.ones(2),), cotangents=(torch.ones(2),))).changed == ()
