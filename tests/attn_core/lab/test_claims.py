"""claim() asserts, prints one line, and parse_claim_line() reads that line back."""

import doctest

import numpy as np
import pytest
import torch

from attn_core.lab import ClaimLine, claim, parse_claim_line
from attn_core.lab import claims as module

NAN, INF = float("nan"), float("inf")


def printed(capsys):
    """The one line that was printed."""
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1
    return lines[0]


@pytest.mark.parametrize(
    ("measured", "expected", "tolerance"),
    [
        (8, 8, 0),
        (8.1, 8, 0.2),
        (7.75, 8, 0.25),  # exactly at the edge: binary fractions, so no rounding decides
        (True, True, 0),
        (INF, INF, 0),
        ([1, 2], [1, 2], 0),
        ((5, 7), (5, 7), 0),
        ([0.9, 1.1], 1, 0.2),  # one expectation for all
        (np.float32(2), 2, 0),
        (np.array([True, False]), [True, False], 0),
        ([np.True_, np.float32(2)], [True, 2], 0),
        (torch.tensor([1.0, 2.0], dtype=torch.bfloat16), [1, 2], 0),
        (torch.tensor(3.0, requires_grad=True), 3, 0),
    ],
)
def test_met_expectations_pass(measured, expected, tolerance, capsys):
    """Numbers, booleans, tuples, NumPy and torch pass if each entry is within the tolerance, its edge included."""
    claim("C024", measured, expected, tolerance)
    assert parse_claim_line(printed(capsys)) is not None


@pytest.mark.parametrize(
    ("measured", "expected", "tolerance"),
    [
        (8.3, 8, 0.25),
        (7.7, 8, 0.25),
        (NAN, 8, 0.25),
        (NAN, NAN, 0.25),
        (8, NAN, 0.25),
        ([1, NAN], 1, 0.25),
        (INF, 8, 1e300),
        (INF, -INF, 1),
        (False, True, 0),
        ([1, 2], [1, 3], 0.5),
        ([1, 1, 1], [1, 1], 0),  # another shape
    ],
)
def test_missed_expectations_raise_and_print_nothing(measured, expected, tolerance, capsys):
    """One entry outside the tolerance, NaN anywhere, or another length: AssertionError, and no line for the table."""
    with pytest.raises(AssertionError, match="C024: measured"):
        claim("C024", measured, expected, tolerance)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("measured", "bounds", "met"),
    [
        (3, {"at_least": 3}, True),
        (2.99, {"at_least": 3}, False),
        (3, {"at_most": 3}, True),
        (3.01, {"at_most": 3}, False),
        ([1, 2, 3], {"at_least": 1, "at_most": 3}, True),
        ([1, 2, 4], {"at_least": 1, "at_most": 3}, False),
        ([0, 2, 3], {"at_least": 1, "at_most": 3}, False),
        (NAN, {"at_least": 0}, False),
        ([1, NAN], {"at_most": 2}, False),
        (0, {"at_least": 0}, True),  # a bound of 0 is a bound
        (-1, {"at_least": 0}, False),
    ],
)
def test_bounds_include_their_ends_and_no_nan(measured, bounds, met):
    """Bounds hold for every entry, ends included; NaN is within none."""
    if met:
        claim("C025", measured, **bounds)
    else:
        with pytest.raises(AssertionError, match="C025: measured"):
            claim("C025", measured, **bounds)


def test_the_message_gives_all_digits_and_says_what_to_do():
    """Where four digits would look equal, the message shows the difference."""
    with pytest.raises(AssertionError) as raised:
        claim("C024", 8.00004, 8, 1e-5, what="spread")
    assert str(raised.value) == (
        "C024: measured 8.00004, expected 8 ± 1e-05 · spread. "
        "Either the statement or its measurement is wrong: mend that one, not the tolerance."
    )


@pytest.mark.parametrize(
    ("call", "line"),
    [
        ({"measured": 7.98063, "expected": 8, "tolerance": 0.1}, "C024 ✓ measured 7.98, expected 8 ± 0.1"),
        ({"measured": 7.98063, "expected": 8, "tolerance": 5}, "C024 ✓ measured 8, expected 8 ± 5"),
        ({"measured": 1.1e-16, "expected": 0, "tolerance": 1e-12}, "C024 ✓ measured 0, expected 0 ± 1e-12"),
        ({"measured": -1e-16, "expected": 0, "tolerance": 1e-12}, "C024 ✓ measured 0, expected 0 ± 1e-12"),
        ({"measured": 2 / 3, "at_least": 0.5}, "C024 ✓ measured 0.6667, expected at least 0.5"),
        ({"measured": 2 / 3, "at_most": 1}, "C024 ✓ measured 0.6667, expected at most 1"),
        ({"measured": 2, "at_least": 0, "at_most": 3}, "C024 ✓ measured 2, expected between 0 and 3"),
        ({"measured": np.array([0.525, 0.475]), "at_most": 1}, "C024 ✓ measured [0.525, 0.475], expected at most 1"),
        ({"measured": np.True_, "expected": True}, "C024 ✓ measured True, expected True"),
        ({"measured": 115200.0, "expected": 115200}, "C024 ✓ measured 115200, expected 115200"),
        ({"measured": INF, "expected": INF}, "C024 ✓ measured inf, expected inf"),
        ({"measured": 1, "expected": 1, "what": "sum · n = 3"}, "C024 ✓ measured 1, expected 1 · sum · n = 3"),
    ],
)
def test_the_line_is_short_and_the_same_everywhere(call, line, capsys):
    """Four digits at most, none behind the tolerance's: rounding noise never reaches the stored output."""
    claim("C024", **call)
    assert printed(capsys) == line


@pytest.mark.parametrize(
    ("line", "parsed"),
    [
        ("C024 ✓ measured 8, expected 8 ± 0.1", ClaimLine("C024", "8", "8 ± 0.1")),
        ("  C024 ✓ measured 8, expected 8 ± 0.1\n", ClaimLine("C024", "8", "8 ± 0.1")),
        ("C142 ✓ measured True, expected True", ClaimLine("C142", "True", "True")),
        ("C025 ✓ measured [1, 2], expected at least 0.7", ClaimLine("C025", "[1, 2]", "at least 0.7")),
        (
            "C025 ✓ measured 1, expected between 0 and 3 · sum, expected · n = 3",
            ClaimLine("C025", "1", "between 0 and 3", "sum, expected · n = 3"),
        ),
        ("C24 ✓ measured 8, expected 8", None),
        ("C024 ✗ measured 8, expected 8", None),
        ("see C024 ✓ measured 8, expected 8", None),
        ("C024 ✓ measured 8", None),
        ("entropy 3.69", None),
        ("", None),
    ],
)
def test_lines_are_parsed_and_other_text_is_not(line, parsed):
    """The parser takes the four parts apart and leaves ordinary output alone."""
    assert parse_claim_line(line) == parsed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"id": "C24", "measured": 1, "expected": 1},
            "claim: the id is 'C24', but it must be the letter C and three digits, such as \"C024\".",
        ),
        (
            {"id": "C024", "measured": 1},
            "claim C024: give either expected or at_least/at_most; this call has neither.",
        ),
        (
            {"id": "C024", "measured": 1, "expected": 1, "at_most": 2},
            "claim C024: give either expected or at_least/at_most; this call has both.",
        ),
        (
            {"id": "C024", "measured": 1, "expected": 1, "tolerance": -0.1},
            "claim C024: tolerance is -0.1, but it must be finite, 0 or more, and goes with expected, not with bounds.",
        ),
        (
            {"id": "C024", "measured": 1, "expected": 1, "tolerance": NAN},
            "claim C024: tolerance is nan, but it must be finite, 0 or more, and goes with expected, not with bounds.",
        ),
        (
            {"id": "C024", "measured": 1, "expected": 1, "tolerance": INF},
            "claim C024: tolerance is inf, but it must be finite, 0 or more, and goes with expected, not with bounds.",
        ),
        (
            {"id": "C024", "measured": 1, "at_most": 2, "tolerance": 0.1},
            "claim C024: tolerance is 0.1, but it must be finite, 0 or more, and goes with expected, not with bounds.",
        ),
        (
            {"id": "C024", "measured": 1, "expected": 1, "what": "two\nlines"},
            "claim C024: what holds a line break, but a claim is printed on one line.",
        ),
        (
            {"id": "C024", "measured": range(9), "expected": 1},
            "claim C024: got an object of type range, but it must be a number, a boolean or a row of them.",
        ),
        (
            {"id": "C024", "measured": "eight", "expected": 8},
            "claim C024: got an object of type str, but it must be a number, a boolean or a row of them.",
        ),
        *(
            (
                {"id": "C024", "measured": measured, "expected": 1},
                "claim C024: got an array that is not one row of 1 to 8 numbers; "
                "reduce it to what a reader can check, such as its largest error.",
            )
            for measured in (np.ones(9), np.ones((2, 2)), [])
        ),
    ],
)
def test_calls_that_cannot_be_read_back_are_refused(arguments, message):
    """A wrong id, no or two expectations, a bad tolerance, a line break, too many numbers: ValueError says which."""
    with pytest.raises(ValueError, match=r"^claim") as raised:
        claim(**arguments)
    assert str(raised.value) == message


def test_the_examples_in_the_docstrings_are_true():
    """The docstrings' examples print what they say."""
    outcome = doctest.testmod(module)
    assert outcome.attempted >= 2
    assert outcome.failed == 0
