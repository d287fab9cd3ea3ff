"""The comparison: NaN fails, sentences say what differs, tolerances are computed from the problem."""

import numpy as np
import pytest
import torch

from autograder.checking.compare import FLOOR, Tolerance, compare, compare_leaf, describe, expect, imitate
from autograder.checking.probe import Observation, Opaque, Request

NAN, INF = float("nan"), float("inf")


def differ(got, want, tolerance: float = 1e-6) -> str | None:
    """The sentence on one output, or None."""
    found = compare_leaf(got, want, Tolerance(tolerance), "The output")
    return found.sentence if found else None


@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_a_value_that_is_not_finite_never_passes_for_a_number(value):
    """However large the tolerance is."""
    assert differ(np.array([1.0, value]), np.array([1.0, 2.0]), tolerance=INF) is not None
    assert differ(np.array([1.0, 2.0]), np.array([1.0, value]), tolerance=INF) is not None


@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_the_same_infinity_in_the_same_place_is_equal(value):
    """−inf is a right result for some tasks; the finite rest is still compared."""
    assert differ(np.array([1.0, value]), np.array([1.0, value])) is None
    assert differ(np.array([1.1, value]), np.array([1.0, value])) is not None


def test_opposite_infinities_differ():
    """The sign counts."""
    assert differ(np.array([INF]), np.array([-INF])) == "The output holds inf at [0], where -inf is right."


@pytest.mark.parametrize(
    ("got", "want", "sentence"),
    [
        (np.zeros((2, 3)), np.zeros((3, 2)), "The output has shape (2, 3), but (3, 2) is right."),
        (np.zeros(2, np.float32), np.zeros(2), "The output is float32 for float64 inputs: the dtype must be kept."),
        (np.array([1.0, 3.0]), np.array([1.0, 2.0]), "The output holds 3 at [1], where 2 is right."),
        (None, np.zeros(2), "The output is None, not a NumPy float64 array of shape (2,): is a `return` missing?"),
        (Opaque("a set"), np.zeros(2), "The output is a set, but a NumPy float64 array of shape (2,) is asked for."),
        (
            np.zeros(2),
            torch.zeros(2),
            "The output is a NumPy float64 array of shape (2,), but a float32 tensor of shape (2,) is asked for.",
        ),
        (2, 2.5, "The output holds 2, where 2.5 is right."),
        (True, 1.0, "The output is a bool, but a float is asked for."),
        (2.0, 2, "The output is a float, but an int is asked for."),
    ],
)
def test_the_sentence_says_what_came_and_what_is_right(got, want, sentence):
    """These are what learners read, so they are pinned."""
    assert differ(got, want) == sentence


def test_a_whole_number_is_a_float_too():
    """In Python 0 is 0.0, and a function that returns either is right."""
    assert differ(2, 2.0) is None


def test_a_difference_within_the_tolerance_is_none_and_just_outside_is_one():
    """The bound itself is allowed."""
    want = np.array([1.0])
    assert differ(want + 1e-6, want, 1.1e-6) is None
    assert differ(want + 1e-6, want, 0.9e-6) is not None


def test_several_outputs_are_counted():
    """A tuple where one value is asked for, and the other way round."""
    one, two = Observation(np.zeros(2)), Observation((np.zeros(2), np.zeros(2)))
    want_one = expect(lambda x: x, Request((np.zeros(2),)))
    want_two = expect(lambda x: (x, x), Request((np.zeros(2),)))
    assert compare(one, want_one) is None
    assert compare(two, want_two) is None
    assert compare(two, want_one).kind == "count"
    assert compare(one, want_two).kind == "count"


def test_the_floor_is_relative_to_the_largest_expected_value():
    """Float64 results must be good to about 1e-9 of the result's size, float32 ones to 1e-4."""
    for dtype in ("float32", "float64"):
        x = np.array([1000.0, 1e-3], dtype=dtype)
        (tolerance,) = expect(lambda x: x, Request((x,))).value_tolerances
        assert tolerance.floor == pytest.approx(2 * FLOOR[dtype] * 1000)


def test_an_ill_conditioned_problem_is_allowed_more():
    """Where one rounding of the inputs moves the result, no answer can be held to the floor alone."""
    x = np.array([1e8, 1e8 - 8], np.float32)
    (well,) = expect(lambda x: x * 2, Request((x,))).value_tolerances
    (ill,) = expect(lambda x: x[:1] - x[1:], Request((x,))).value_tolerances
    assert ill.full > 10 * ill.floor
    assert well.full < 2 * well.floor


def test_the_expected_value_is_computed_in_float64():
    """The reference never suffers from the inputs' own dtype."""
    x = np.full(1000, 0.1, np.float32)
    value = expect(lambda x: x.sum(), Request((x,))).value
    assert abs(float(value) - 1000 * float(np.float32(0.1))) < 1e-9


def test_whole_numbers_are_compared_to_the_last_digit():
    """float64 cannot tell 2⁶⁰ + 1 from 2⁶⁰; a count is right or wrong."""
    assert differ(2**60, 2**60) is None
    assert differ(2**60 + 1, 2**60) == f"The output is {2**60 + 1}, where {2**60} is right."


def test_the_gradient_of_an_input_of_zeros_is_compared():
    """Zeros do not move, so no rounding of them excuses a wrong gradient."""
    request = Request((torch.zeros(3, dtype=torch.float64),), cotangents=(torch.ones(3, dtype=torch.float64),))
    (tolerance,) = expect(lambda x: 2 * x + 1, request).gradient_tolerances
    assert tolerance.full < 1e-6


def test_a_result_without_digits_is_expected_in_the_dtype_of_the_inputs():
    """float32(0.1) is not above 0.1 in float32, though it is in float64: a truth or a place is that of the inputs' dtype."""

    def above(x):
        return bool(x[0] > 0.1)

    def first_above(x):
        return 0 if x[0] > 0.1 else None

    for function, want in ((above, False), (first_above, None)):
        assert expect(function, Request((torch.tensor([0.1]),))).value == want
    assert expect(above, Request((torch.tensor([0.1], dtype=torch.float32).double(),))).value is True


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.float32])
def test_numbers_instead_of_booleans_are_looked_at_before_their_dtype(dtype):
    """Ones and zeros that are wrong are wrong in value; those that are right are only of the wrong dtype."""
    want = torch.tensor([True, False])
    assert compare_leaf(want.to(dtype), want, Tolerance(0.0), "The output").kind == "dtype"
    assert compare_leaf((~want).to(dtype), want, Tolerance(0.0), "The output").kind == "value"


def test_wrong_booleans_read_like_booleans():
    """True and False, not 1 and 0."""
    found = compare_leaf(torch.tensor([True, True]), torch.tensor([True, False]), Tolerance(0.0), "The output")
    assert found.sentence == "The output holds True at [1], where False is right."


def test_a_mistake_is_imitated_with_the_slack_of_the_scores():
    """What a right answer may lose by a log-sum-exp of large scores, a mistake may lose too."""
    asked = Request((torch.tensor([300.0, 0.0]),))
    strict, loose = (
        imitate(lambda s: s.softmax(-1), asked, scores).value_tolerances[0] for scores in (None, lambda s: s)
    )
    assert loose.floor > strict.floor


def test_whole_numbers_in_a_tuple_are_shown():
    """A place is worth more than its type."""
    assert describe((0, 2)) == "a tuple of 2 (0, 2)"
    assert describe((0, 1.5)) == "a tuple of 2 (0, a float)"
    assert describe(((0, 1), (1, 2))) == "a tuple of 2"
    assert describe((1, 2, 3, 4, 5)) == "a tuple of 5"
