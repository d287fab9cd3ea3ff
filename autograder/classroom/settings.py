"""`course.toml` in the course folder: what a teacher may set. Without the file, or a key of it, the defaults hold."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import date, datetime, time
from difflib import get_close_matches
from typing import Any, Never, get_type_hints
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from autograder.classroom.late import CLOCKS, UNITS, Extension, LatePolicy
from autograder.curriculum import CurriculumError, Tree
from autograder.judge.limits import Limits

TABLES = ("gradebook", "late", "due", "extensions", "canvas", "limits")
MOST = 100_000  # days or minutes: more would leave the calendar
MOST_LIMIT = 10**15  # bytes or seconds: more than any machine has
AWARE = "a date and time with its offset, such as 2026-11-30T23:59:00+01:00"


@dataclass(frozen=True)
class Settings:
    """What the course's file says."""

    gradebook: str = ""  # the address of the database; "" is SQLite in the course folder
    late: LatePolicy = field(default_factory=LatePolicy)
    due: Mapping[str, datetime] = field(default_factory=dict)  # by slug
    extensions: Mapping[str, Mapping[str, Extension]] = field(default_factory=dict)  # student → slug, or "" for all
    canvas: Mapping[str, str] = field(default_factory=dict)  # slug → how Canvas calls it, "Scaling (4711)"
    limits: Mapping[str, Mapping[str, float | int]] = field(default_factory=dict)  # by slug, "" for all

    def limits_for(self, slug: str) -> Limits:
        """The limits of an assignment: the defaults, then `[limits]`, then `[limits."slug"]`."""
        merged = {**self.limits.get("", {}), **self.limits.get(slug, {})}
        return replace(Limits(), **merged)  # type: ignore[arg-type]  # the values were checked against its fields


@dataclass(frozen=True)
class _At:
    """A place in the file, for messages."""

    file: str
    key: str = ""

    def below(self, key: str) -> _At:
        name = key if key.replace("_", "").isalnum() and key.isascii() and not key[0].isdigit() else f'"{key}"'
        return replace(self, key=f"{self.key}.{name}" if self.key else name)

    def wrong(self, expected: str, found: object) -> Never:
        shown = type(found).__name__.replace("dict", "a table") if isinstance(found, dict) else _shown(found)
        raise CurriculumError(f"{self.file}: {self.key} is {shown}, expected {expected}. Change that line.")


def load_settings(tree: Tree) -> Settings:
    """The settings of a course. A file that says something else than it may raises CurriculumError with the place."""
    at, data = _At(tree.shown(tree.settings)), tree.course_file()
    slugs = [topic.slug for topic in tree.topics()]
    _known(at, data, TABLES)
    return Settings(
        gradebook=_address(at.below("gradebook"), data.get("gradebook", "")),
        late=_late(at.below("late"), data.get("late", {})),
        due=_due(at.below("due"), data.get("due", {}), slugs),
        extensions=_extensions(at.below("extensions"), data.get("extensions", {}), slugs),
        canvas=_canvas(at.below("canvas"), data.get("canvas", {}), slugs),
        limits=_limits(at.below("limits"), data.get("limits", {}), slugs),
    )


def _address(at: _At, found: object) -> str:
    if not isinstance(found, str) or (found and "://" not in found):
        at.wrong('the address of a database, such as "postgresql://user@host/name"', found)
    return found


def _late(at: _At, found: object) -> LatePolicy:
    table = _table(at, found)
    _known(at, table, [f.name for f in fields(LatePolicy)])
    chosen: dict[str, Any] = {}
    for key, value in table.items():
        if key in ("of", "clock"):
            chosen[key] = _one_of(at.below(key), value, UNITS if key == "of" else CLOCKS)
        elif key == "timezone":
            chosen[key] = _zone(at.below(key), value)
        else:
            chosen[key] = _number(at.below(key), value)
    policy = LatePolicy(**chosen)
    if policy.of != "points":
        for key in ("per_day", "cap"):
            if chosen.get(key, 0) > 1:
                at.below(key).wrong(
                    f'a share from 0 to 1 (with of = "{policy.of}"; points need of = "points")', chosen[key]
                )
    return policy


def _due(at: _At, found: object, slugs: list[str]) -> dict[str, datetime]:
    table = _table(at, found)
    _known(at, table, slugs, "assignments")
    return {slug: _aware(at.below(slug), value) for slug, value in table.items()}


def _extensions(at: _At, found: object, slugs: list[str]) -> dict[str, dict[str, Extension]]:
    """A number of days for all assignments of a student, or a table by assignment of days or times."""
    result: dict[str, dict[str, Extension]] = {}
    for student, value in _table(at, found).items():
        mine = at.below(student)
        if not isinstance(value, dict):
            result[student] = {"": _number(mine, value, "a number of days, or a table by assignment")}
            continue
        _known(mine, value, slugs, "assignments")
        result[student] = {slug: _extension(mine.below(slug), extension) for slug, extension in value.items()}
    return result


def _canvas(at: _At, found: object, slugs: list[str]) -> dict[str, str]:
    table = _table(at, found)
    _known(at, table, slugs, "assignments")
    for slug, name in table.items():
        if not isinstance(name, str) or not name.strip():
            at.below(slug).wrong('the name of a column in Canvas, such as "Scaling (4711)"', name)
    return table


def _extension(at: _At, found: object) -> Extension:
    if isinstance(found, (date, time)):  # a datetime is a date
        return _aware(at, found)
    return _number(at, found, f"a number of days, or {AWARE}")


def _limits(at: _At, found: object, slugs: list[str]) -> dict[str, dict[str, float | int]]:
    table = _table(at, found)
    kinds = get_type_hints(Limits)
    for_all = {key: value for key, value in table.items() if not isinstance(value, dict)}
    by_slug = {key: value for key, value in table.items() if isinstance(value, dict)}
    _known(at, by_slug, slugs, "assignments")
    result = {}
    for slug, values in {"": for_all, **by_slug}.items():
        here = at.below(slug) if slug else at
        _known(here, values, kinds)
        result[slug] = {key: _limit(here.below(key), value, kinds[key]) for key, value in values.items()}
    return result


def _limit(at: _At, found: object, kind: type) -> float | int:
    whole = kind is int
    expected = "a whole number above 0" if whole else "a number above 0"
    number = _number(at, found, expected, MOST_LIMIT)
    if number <= 0 or (whole and not isinstance(found, int)):
        at.wrong(expected, found)
    return int(number) if whole else number


def _table(at: _At, found: object) -> dict[str, Any]:
    if not isinstance(found, dict):
        at.wrong("a table", found)
    return found


def _known(at: _At, table: Mapping[str, object], names: Iterable[str], what: str = "keys") -> None:
    names = list(names)
    for key in table:
        if key not in names:
            near = get_close_matches(key, names, n=1)
            advice = f"Did you mean {near[0]}?" if near else f"The {what} are {', '.join(names)}."
            raise CurriculumError(
                f"{at.file}: {at.below(key).key} is not one of the {what} that may stand there. {advice}"
            )


def _number(at: _At, found: object, expected: str = "a number, 0 or above", most: float = MOST) -> float:
    if isinstance(found, bool) or not isinstance(found, (int, float)) or not math.isfinite(found) or found < 0:
        at.wrong(expected, found)
    if found > most:
        at.wrong(f"{expected}, at most {most:,}", found)
    return float(found)


def _one_of(at: _At, found: object, names: tuple[str, ...]) -> str:
    if not isinstance(found, str) or found not in names:
        at.wrong(" or ".join(f'"{name}"' for name in names), found)
    return found


def _zone(at: _At, found: object) -> str:
    expected = 'the name of a time zone, such as "Europe/Berlin"'
    if not isinstance(found, str):
        at.wrong(expected, found)
    try:
        ZoneInfo(found)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        at.wrong(f"{expected} (on Windows zones need the package tzdata)", found)
    return found


def _aware(at: _At, found: object) -> datetime:
    if not isinstance(found, datetime) or found.tzinfo is None:
        at.wrong(f"{AWARE}: without the offset it would be another time on another machine", found)
    if not 1970 <= found.year < 3000:
        at.wrong("a year from 1970 to 2999", found)
    return found


def _shown(value: object) -> str:
    """A value as the file writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, str):
        return f'"{value}"'
    return "a list" if isinstance(value, list) else str(value)
