"""The traffic of attention, against a count of what a simulated run moves, and numbers worked by hand."""

import pytest
from oracle import message_of

from attn_core.flash.traffic import hbm_traffic


def count(n, d, sram, tiled):
    """Walk through the run, and add up what each step moves."""
    if not tiled:
        matrix, scores = n * d, n * n
        return (matrix + matrix + scores) + (scores + scores) + (scores + matrix + matrix)  # QKᵀ, softmax, PV
    keys = 1
    while keys * 4 * d < sram:
        keys += 1
    rows, moved, first = min(keys, d), 0, 0
    while first < n:
        moved += 2 * d * min(rows, n - first)  # queries in, out out
        moved += 2 * d * n  # every block of keys and values, once per block of queries
        first += rows
    return moved


@pytest.mark.parametrize("tiled", [False, True])
@pytest.mark.parametrize("n", [1, 2, 63, 64, 65, 1000])
@pytest.mark.parametrize("d", [1, 8, 64])
@pytest.mark.parametrize("sram", [1, 100, 32767, 32768, 32769, 10**6])
def test_equals_a_count_of_the_run(n, d, sram, tiled):
    """The formula is what a walk through the loops adds up to."""
    assert hbm_traffic(n, d, sram, tiled) == count(n, d, sram, tiled)


def test_by_hand():
    """1024 tokens of 64 features: 4.5 million numbers untiled, half of that with blocks of 64 queries."""
    assert hbm_traffic(1024, 64, 100_000, False) == 4 * 1024 * 64 + 4 * 1024**2
    assert hbm_traffic(1024, 64, 100_000, True) == 2 * 1024 * 64 * (1 + 16)


def test_sizes_below_one_and_fractions_are_refused():
    """The sentences name the argument."""
    assert (
        message_of(ValueError, lambda: hbm_traffic(0, 64, 100, True))
        == "hbm_traffic: n is 0, but it must be 1 or more."
    )
    assert (
        message_of(ValueError, lambda: hbm_traffic(4, 64, -1, True))
        == "hbm_traffic: sram is -1, but it must be 1 or more."
    )
    assert message_of(TypeError, lambda: hbm_traffic(4, 64.0, 100, True)) == (
        "hbm_traffic: d is of type float, but it must be a whole number."
    )
