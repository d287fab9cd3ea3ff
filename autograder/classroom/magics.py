"""IPython's magics and shell lines. The judge runs Python, so these lines are taken out, and the learner is told."""

from __future__ import annotations

import ast
import re
import warnings
from dataclasses import dataclass

SUSPECT = re.compile(r"^[ \t]*[%!?]|=[ \t]*[%!]|\?[ \t]*$", re.MULTILINE)
CELL = re.compile(r"[ \t]*%%(\w+)")
TIMED = re.compile(r"([ \t]*)%(?:time|timeit)\b(?:[ \t]+-\w+(?:[ \t]+\d+)?)*[ \t]*(.*)")
ASSIGNED = re.compile(r"([ \t]*)(\w[\w., \t]*=)[ \t]*[%!].*")
LINE = re.compile(r"([ \t]*)(?:[%!?].*|.*\?[ \t]*)")
AROUND_PYTHON = ("time", "timeit", "capture", "prun")  # cell magics whose body is Python that must run
LONGEST = 500  # characters of a magic line
WORK = 1_000_000  # characters that the parser may read for one notebook, however many magics it holds


@dataclass
class Effort:
    """What is left of the work that one notebook may cause."""

    left: int = WORK


def without_magics(source: str, effort: Effort | None = None) -> tuple[str, tuple[str, ...]]:
    """The cell as Python, and the lines that were taken out. Line numbers stay; Python itself is never touched.

    With no effort left a cell stays as it is: its magics are then the syntax errors that they are in Python.
    """
    effort = effort or Effort()
    if not SUSPECT.search(source):
        return source, ()
    lines = source.split("\n")
    taken: list[str] = []
    first = next(i for i, line in enumerate(lines) if line.strip())
    if magic := CELL.match(lines[first][:LONGEST]):
        taken.append(lines[first].strip()[:LONGEST])
        end = first + 1 if magic[1] in AROUND_PYTHON else len(lines)
        lines[first:end] = [f"# {line}" for line in lines[first:end]]
    while effort.left > 0:
        effort.left -= len(source)
        number = _broken_line("\n".join(lines))
        if number is None or not 1 <= number <= len(lines):
            break
        line = lines[number - 1]
        python = _python_for(line)
        if python is None:
            break
        taken.append(line.strip())
        lines[number - 1] = python
        while line.endswith("\\") and number < len(lines):  # a shell line that goes on in the next one
            line = lines[number]
            lines[number] = f"# {line}"
            number += 1
    return "\n".join(lines), tuple(taken)


def _python_for(line: str) -> str | None:
    """What runs instead of a magic line; None if it is none."""
    if len(line) > LONGEST:
        return None
    if (timed := TIMED.fullmatch(line)) and timed[2]:
        return timed[1] + timed[2]
    if assigned := ASSIGNED.fullmatch(line):
        return f"{assigned[1]}{assigned[2]} []  # {line.strip()}"
    if magic := LINE.fullmatch(line):
        return f"{magic[1]}pass  # {line.strip()}"
    return None


def _broken_line(source: str) -> int | None:
    """The line of the first syntax error. A line such as `% b` that goes on an expression is Python, and none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the learner's own warnings, such as an invalid escape
        try:
            ast.parse(source)
        except SyntaxError as error:
            return error.lineno
        except (ValueError, RecursionError, MemoryError):  # nested too deep for the parser: the player will say so
            return None
    return None
