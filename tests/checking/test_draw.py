"""What inputs an examination draws: sizes, layouts and values that make mistakes show."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from autograder.checking.draw import BATCHES, HIGH, WIDE, Case, Draw, plan, smaller

SEEDS = range(30)


def draw(kind="np", **traits) -> Draw:
    """The draw of a case with these traits."""
    return Draw(Case("case", **traits), kind)


@pytest.mark.parametrize("seed", SEEDS)
def test_different_letters_get_different_sizes(seed):
    """A transposed axis must not pass because two sizes happen to agree."""
    d = draw(seed=seed)
    sizes = d.shape("n", "m", "d_k", "d_v")
    assert len(set(sizes)) == 4
    assert all(1 <= n <= HIGH for n in sizes)
    assert d.shape("m", "n") == (sizes[1], sizes[0])


def test_the_same_case_gives_the_same_draw_and_another_seed_another():
    """A report can be reproduced from its case."""
    one, same, other = (draw(seed=s).array("n", "m") for s in (1, 1, 2))
    assert np.array_equal(one, same)
    assert one.shape != other.shape or not np.array_equal(one, other)


def test_a_case_drawn_again_has_other_values_of_the_same_sizes():
    """What catches a cache that looks at shapes only."""
    one, other = (draw(seed=3, again=again).array("n", "m") for again in (0, 1))
    assert one.shape == other.shape
    assert not np.array_equal(one, other)


def test_one_element_means_the_least_size_of_every_letter():
    """The simplest case comes first."""
    d = draw(sizes="one")
    d.size("N", 2, 9)
    assert d.shape("N", "n", "m") == (2, 1, 1)


@pytest.mark.parametrize("seed", SEEDS)
def test_equal_sizes_are_above_one_and_within_the_tasks_bounds(seed):
    """Where n = m > 1 a wrong transpose keeps the shape."""
    d = draw(sizes="equal", seed=seed)
    d.size("d_k", 1, 64)
    n, m, d_k = d.shape("n", "m", "d_k")
    assert n == m == d_k
    assert 2 <= n <= HIGH
    bounded = draw(sizes="equal", seed=seed)
    assert bounded.shape("n") != (1,)
    assert bounded.size("small", 1, 1) == 1


@pytest.mark.parametrize("seed", SEEDS)
def test_two_letters_can_be_made_equal_alone(seed):
    """The experiment that tells n = m from d_k = m."""
    d = draw(same=("d_k", "m"), seed=seed)
    d.size("d_k", 1, 64)
    d_k, n, m = d.shape("d_k", "n", "m")
    assert d_k == m >= 2
    assert n != m


def test_wide_sizes_are_beyond_every_ordinary_one_unless_the_task_bounds_them():
    """A buffer of eight or sixteen entries must not do."""
    d = draw(sizes="wide")
    d.size("d", 1, 64)
    n, m, bounded = d.shape("n", "m", "d")
    assert n != m
    assert WIDE[0] <= min(n, m) <= max(n, m) <= WIDE[1]
    assert bounded == 64
    first, second = (draw(sizes=s).shape("n", "m") for s in ("odd wide", "even wide"))
    assert [n > HIGH for n in (*first, *second)] == [True, False, False, True]


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_a_limit_shrinks_all_sizes_but_never_below_the_least(limit):
    """Counterexamples are small, and still valid inputs."""
    d = draw(limit=limit)
    d.size("N", 4, 9)
    assert max(d.shape("n", "m")) <= limit
    assert d.size("N") == 4


def test_batch_axes_stand_where_the_dots_are():
    """None, one or many."""
    assert draw(batch=(2, 3)).shape(..., "n", 7)[:2] == (2, 3)
    assert draw().shape(..., 7) == (7,)


def test_arrays_have_the_cases_dtype_and_the_tasks_kind():
    """float32 and float64, NumPy and torch; masks and integers are what they are."""
    assert draw(dtype="float32").array("n").dtype == np.float32
    assert draw("torch", dtype="float32").array("n").dtype == torch.float32
    assert draw("torch").mask("n", "m").dtype == torch.bool
    assert draw("torch").integers("n", low=0, high=3).dtype == torch.int64


def test_the_magnitude_scales_values_except_fixed_ones():
    """Large scores, ordinary values."""
    plain, large = draw(seed=5), draw(seed=5, magnitude=60.0)
    assert np.allclose(large.array("n", "m"), 60 * plain.array("n", "m"))
    assert np.array_equal(large.array("n", fixed=True), plain.array("n"))


def test_rounded_values_have_one_decimal_but_weights_keep_their_sum():
    """For people to read; rows of weights must still sum to one."""
    d = draw(rounded=True)
    x = d.array("n", "m")
    assert np.array_equal(x, np.round(x, 1))
    assert np.allclose(d.weights("n", "m").sum(-1), 1)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_row_of_a_mask_sees_something_unless_one_is_to_be_empty(seed):
    """Empty rows are a special input of their own."""
    assert draw(seed=seed).mask(..., "n", "m", keep=0.05).any(-1).all()
    assert (~draw(seed=seed, batch=(2,)).mask(..., "n", "m", empty_rows=True).any(-1)).sum() == 1


def test_integers_include_both_ends():
    """low and high can both come."""
    assert set(draw().integers(200, low=1, high=3)) == {1, 2, 3}


def test_choices_come_from_the_options_and_flags_follow_their_probability():
    """The two ways to draw something else than an array."""
    d = draw()
    assert {d.choice("abc") for _ in range(50)} == set("abc")
    assert 20 < sum(d.flag(0.2) for _ in range(200)) < 70


def test_a_plan_varies_everything_that_hides_mistakes():
    """Both dtypes with every batch shape, every magnitude, every layout, every special input; simplest first."""
    cases = list(plan(0, ("float32", "float64"), ["special"]))
    assert cases[0].sizes == "one"
    ordinary = [c for c in cases if c.special is None]
    assert {(c.dtype, c.batch) for c in ordinary} == {(d, b) for d in ("float32", "float64") for b in set(BATCHES)}
    assert {1e-4, 1.0, 60.0, 3e3} == {c.magnitude for c in ordinary}
    assert {c.sizes for c in ordinary} >= {"one", "ragged", "equal", "some equal", "wide", "odd wide", "even wide"}
    assert sum(c.strided for c in ordinary) >= 4
    assert sum(c.again for c in ordinary) >= 4
    assert {(c.dtype, len(c.batch)) for c in cases if c.special} == {
        (d, n) for d in ("float32", "float64") for n in (0, 1, 2)
    }
    assert len({(c.seed, c.again) for c in cases}) == len(cases)


def test_a_plan_depends_on_its_seed_alone():
    """The judge's secret seed decides every input."""
    one, same, other = (list(plan(seed, ("float32", "float64"), [])) for seed in (1, 1, 2))
    assert one == same
    assert {c.seed for c in one}.isdisjoint(c.seed for c in other)


def test_smaller_cases_grow_from_one_to_three_and_keep_what_may_matter():
    """Special input, dtype, magnitude and layout stay; sizes, batch and digits shrink."""
    case = Case("c", seed=1, dtype="float32", batch=(2, 3), magnitude=60.0, strided=True, special="s")
    cases = list(smaller(case))
    assert [c.limit for c in cases] == sorted(c.limit for c in cases)
    assert {c.limit for c in cases} == {1, 2, 3}
    assert {c.batch for c in cases} == {(), (2,)}
    kept = {(c.dtype, c.magnitude, c.strided, c.special) for c in cases}
    assert kept == {("float32", 60.0, True, "s")}
    assert {c.sizes for c in smaller(replace(case, sizes="equal"))} == {"equal"}
