r"""A number in the prose is measured by a cell: `claim` asserts it and prints one line that programs can read.

The line, with what stands in brackets optional:

    C024 ✓ measured 7.98, expected 8 ± 0.1[ · spread of the raw scores]
    C025 ✓ measured 0.81, expected at least 0.7
    C025 ✓ measured 0.81, expected at most 0.9
    C025 ✓ measured 0.81, expected between 0.7 and 0.9
    C142 ✓ measured True, expected True

A number has at most four significant digits, and a measured one only one decimal more than its tolerance. So rounding
errors, which differ between machines, are not printed. Several numbers stand in square brackets, separated by ", ".
`parse_claim_line` reads a line back, for the table of claims.
"""

import re
from dataclasses import dataclass
from math import floor, inf, log10
from typing import Any

MOST_NUMBERS = 8  # what a reader can still check with the eye

_ID = re.compile(r"C\d{3}")
_LINE = re.compile(r"(?P<id>C\d{3}) ✓ measured (?P<measured>.+?), expected (?P<expected>.+?)(?: · (?P<what>.+))?")


@dataclass(frozen=True)
class ClaimLine:
    """One printed measurement, in the words of the line."""

    id: str
    measured: str
    expected: str
    what: str = ""


def claim(
    id: str,
    measured: Any,
    expected: Any = None,
    tolerance: float = 0.0,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    what: str = "",
) -> None:
    """Assert a measured claim and print its line; `what` says in a few words what was measured.

    Give either `expected`, met if |measured − expected| ≤ tolerance, or bounds. Numbers, booleans and rows of at most
    8 of them are allowed; every entry has to meet its expectation, and NaN meets none. AssertionError if it is not met;
    ValueError for a call that cannot be read back.

    >>> claim("C024", measured=7.9806, expected=8, tolerance=0.1, what="spread of the raw scores")
    C024 ✓ measured 7.98, expected 8 ± 0.1 · spread of the raw scores
    """
    _check_call(id, expected, tolerance, at_least is not None or at_most is not None, what)
    numbers = _numbers(id, measured)
    if expected is not None:
        target = _numbers(id, expected)
        met = _close(numbers, target, tolerance)
        wanted = _written(expected) + (f" ± {_digits(tolerance)}" if tolerance else "")
    else:
        low = -inf if at_least is None else at_least
        high = inf if at_most is None else at_most
        met = all(low <= x <= high for x in numbers)  # false for NaN
        wanted = _bounds(at_least, at_most)
    suffix = f" · {what}" if what else ""
    if not met:
        raise AssertionError(
            f"{id}: measured {_written(measured, exact=True)}, expected {wanted}{suffix}. "
            "Either the statement or its measurement is wrong: mend that one, not the tolerance."
        )
    print(f"{id} ✓ measured {_written(_rounded(measured, tolerance))}, expected {wanted}{suffix}")


def parse_claim_line(line: str) -> ClaimLine | None:
    """Read one line that `claim` printed; any other text gives None.

    >>> parse_claim_line("C025 ✓ measured 0.81, expected at least 0.7")
    ClaimLine(id='C025', measured='0.81', expected='at least 0.7', what='')
    """
    found = _LINE.fullmatch(line.strip())
    return ClaimLine(**found.groupdict(default="")) if found else None


def _check_call(id: str, expected: Any, tolerance: float, bounded: bool, what: str) -> None:
    if not _ID.fullmatch(id):
        raise ValueError(f'claim: the id is {id!r}, but it must be the letter C and three digits, such as "C024".')
    if (expected is None) != bounded:
        found = "both" if bounded else "neither"
        raise ValueError(f"claim {id}: give either expected or at_least/at_most; this call has {found}.")
    if not 0 <= tolerance < inf or (bounded and tolerance):
        reason = "it must be finite, 0 or more, and goes with expected, not with bounds"
        raise ValueError(f"claim {id}: tolerance is {tolerance}, but {reason}.")
    if "\n" in what:
        raise ValueError(f"claim {id}: what holds a line break, but a claim is printed on one line.")


def _numbers(id: str, value: Any) -> list[float]:
    row = _row(value)
    if any(isinstance(entry, list) for entry in row) or not 0 < len(row) <= MOST_NUMBERS:
        raise ValueError(
            f"claim {id}: got an array that is not one row of 1 to {MOST_NUMBERS} numbers; "
            "reduce it to what a reader can check, such as its largest error."
        )
    strange = [entry for entry in row if not isinstance(entry, bool | int | float)]
    if strange:
        kind = type(strange[0]).__name__
        raise ValueError(
            f"claim {id}: got an object of type {kind}, but it must be a number, a boolean or a row of them."
        )
    return [float(entry) for entry in row]


def _row(value: Any) -> list[Any]:
    plain = _plain(value)
    return [_plain(entry) for entry in plain] if isinstance(plain, list | tuple) else [plain]


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else value  # NumPy and torch, without importing either


def _close(numbers: list[float], target: list[float], tolerance: float) -> bool:
    if len(target) == 1:
        target = target * len(numbers)
    if len(target) != len(numbers):
        return False
    # the first comparison lets equal infinities pass; both are false for NaN
    return all(x == y or abs(x - y) <= tolerance for x, y in zip(numbers, target, strict=True))


def _rounded(value: Any, tolerance: float) -> list[Any]:
    """Keep one decimal more than the tolerance has: what lies behind it decides nothing."""
    if not tolerance:
        return _row(value)
    places = 1 - floor(log10(tolerance))
    return [round(float(entry), places) for entry in _row(value)]


def _written(value: Any, exact: bool = False) -> str:
    entries = [_digits(entry, exact) for entry in _row(value)]
    return entries[0] if len(entries) == 1 else f"[{', '.join(entries)}]"


def _digits(value: Any, exact: bool = False) -> str:
    if isinstance(value, bool):
        return str(value)
    number = float(value)
    if number.is_integer() and abs(number) < 1e6:
        return str(int(number))
    return repr(number) if exact else f"{number:.4g}"


def _bounds(at_least: float | None, at_most: float | None) -> str:
    if at_most is None:
        return f"at least {_digits(at_least)}"
    if at_least is None:
        return f"at most {_digits(at_most)}"
    return f"between {_digits(at_least)} and {_digits(at_most)}"
