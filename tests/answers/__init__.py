"""Answers that test the graders: a folder per topic, a module per task, a function per answer.

A module has the name of its task's module; a second one of the same task adds two underscores and a word.

`@right` marks an answer that must be accepted under every seed. `@wrong(mistake)` marks one that must be caught, with the
mistake that its report must name ("n > …" stands for any number). `@wrong(None, why=…)` marks one that must be caught, but that no report can name yet.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

Function = Callable[..., Any]


@dataclass(frozen=True)
class Verdict:
    """What the grader must say about an answer."""

    right: bool
    mistake: str | None = None
    why: str = ""  # what is wrong with it, where no report can name it

    def names(self, mistake: str | None) -> bool:
        """Is this the mistake that the report must name?"""
        if self.mistake and self.mistake.endswith("…"):
            return (mistake or "").startswith(self.mistake[:-1])
        return mistake == self.mistake


def right(function: Function) -> Function:
    """Mark a right answer."""
    function.verdict = Verdict(True)  # type: ignore[attr-defined]  # functions take attributes
    return function


def wrong(mistake: str | None, why: str = "") -> Callable[[Function], Function]:
    """Mark a wrong answer with the mistake that its report must name."""
    assert mistake or why, "an answer whose mistake is not named must say why it is wrong"

    def mark(function: Function) -> Function:
        function.verdict = Verdict(False, mistake, why)  # type: ignore[attr-defined]  # functions take attributes
        return function

    return mark


@cache
def _code(path: Path) -> types.CodeType:
    return compile(path.read_text(encoding="utf-8"), str(path), "exec")


def load(path: Path) -> dict[str, Function]:
    """The answers of one task by name, fresh: what an answer kept from earlier calls is gone."""
    module = types.ModuleType(path.stem)
    exec(_code(path), module.__dict__)  # noqa: S102 - the project's own files
    return {name: f for name, f in vars(module).items() if hasattr(f, "verdict")}


def modules(folder: Path) -> Iterator[tuple[str, Path]]:
    """The modules of answers of one topic, each with the name of its task."""
    yield from ((path.stem.partition("__")[0], path) for path in sorted(folder.glob("[a-z]*.py")))
