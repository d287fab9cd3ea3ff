"""Late work: what a policy takes away from a score. It is applied to exports only; the gradebook's score never changes.

A submission is late when it came after its due time plus the grace. From then on every started day after the due time
costs `per_day`, up to `cap`. With a `timezone` a day ends at the due time's hour on that zone's clocks, also in the
night in which they change; without one it has 24 hours.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

CLOCKS = ("timestamp.txt", "file")
UNITS = ("max", "score", "points")
Extension = float | datetime  # so many days more, or until then


@dataclass(frozen=True)
class LatePolicy:
    """What late work costs. The default costs nothing."""

    grace_minutes: float = 0.0
    per_day: float = 0.0  # for every started day: a share of what `of` says, or points
    of: str = "max"  # a share of the maximum ("max") or of what was earned ("score"), or "points"
    cap: float | None = None  # the most that is taken, in the same unit
    closes_days: float | None = None  # what comes later than so many days counts zero
    clock: str = CLOCKS[0]  # what the collector wrote down, or the time of the file itself
    timezone: str = ""  # such as Europe/Berlin; its clocks say when a day is over

    @property
    def takes(self) -> bool:
        """Does it ever take anything?"""
        return self.per_day > 0 or self.closes_days is not None


@dataclass(frozen=True)
class Final:
    """A score after the policy. `raw` is the gradebook's."""

    raw: float
    penalty: float = 0.0
    days: int = 0  # started days late; 0 is in time
    due: datetime | None = None
    handed_in: datetime | None = None
    note: str = ""  # for the teacher: what could not be known

    @property
    def score(self) -> float:
        """What counts."""
        return round(self.raw - self.penalty, 2)


def due_time(
    slug: str, student: str, due: Mapping[str, datetime], extensions: Mapping[str, Mapping[str, Extension]], zone: str
) -> datetime | None:
    """When a student has to hand in, with their extension; None if the assignment has no due time.

    An extension for the assignment replaces the student's general one. One that ends before the due time changes nothing.
    """
    general = due.get(slug)
    mine = extensions.get(student, {})
    extension = mine.get(slug, mine.get(""))
    if extension is None:
        return general
    if isinstance(extension, datetime):
        return extension if general is None else max(general, extension)
    return None if general is None else later(general, extension, zone)


def later(time: datetime, days: float, zone: str) -> datetime:
    """So many days after `time`: by the clocks of `zone`, or 24 hours each."""
    if not zone:
        return time + timedelta(days=days)
    return (time.astimezone(ZoneInfo(zone)) + timedelta(days=days)).astimezone(UTC)


def days_late(handed_in: datetime, due: datetime, zone: str) -> int:
    """The started days between the due time and the hand-in; 0 when it is not late. The due second itself is in time."""
    if handed_in <= due:
        return 0
    days = max(1, math.ceil((handed_in - due) / timedelta(days=1)) - 1)  # a change of clocks moves it by one at most
    while later(due, days, zone) < handed_in:
        days += 1
    return days


def apply(policy: LatePolicy, raw: float, max_points: float, handed_in: datetime | None, due: datetime | None) -> Final:
    """What a score of `raw` of `max_points` counts. Both times are aware; an unknown one costs nothing, with a note."""
    if due is None:
        return Final(raw, handed_in=handed_in)
    if handed_in is None:
        return Final(raw, due=due, note="the time of handing in is not known, so nothing was taken off")
    if handed_in <= due + timedelta(minutes=policy.grace_minutes):
        return Final(raw, due=due, handed_in=handed_in)
    days = days_late(handed_in, due, policy.timezone)
    closed = policy.closes_days is not None and handed_in > later(due, policy.closes_days, policy.timezone)
    unit = {"max": max_points, "score": raw, "points": 1.0}[policy.of]
    share = days * policy.per_day
    if policy.cap is not None:
        share = min(share, policy.cap)
    penalty = raw if closed else min(max(raw, 0.0), round(share * unit, 2))
    return Final(raw, penalty, days, due, handed_in, note="handed in after the end" if closed else "")
