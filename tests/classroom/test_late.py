"""Late work, worked by hand: grace to the second, rates, caps, extensions, the end, and the nights of the clocks."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from autograder.classroom.late import LatePolicy, apply, days_late, due_time

UTC = UTC
DUE = datetime(2026, 11, 30, 23, 59, tzinfo=timezone(timedelta(hours=1)))  # 22:59 UTC
SECOND, MINUTE, HOUR, DAY = (timedelta(**{unit: 1}) for unit in ("seconds", "minutes", "hours", "days"))
TENTH = LatePolicy(grace_minutes=15, per_day=0.1, cap=0.5)  # of 20 points: 2 a day, 10 at most
SLUG = "06_scaling"


def late(policy: LatePolicy, by: timedelta, raw: float = 18.0) -> tuple[float, float, int]:
    """Penalty, final score and days of 18 of 20 points that came so long after the due time."""
    found = apply(policy, raw, 20.0, DUE + by, DUE)
    assert found.raw == raw
    return found.penalty, found.score, found.days


@pytest.mark.parametrize(
    ("by", "penalty", "days"),
    [
        (-30 * DAY, 0, 0),
        (timedelta(), 0, 0),
        (SECOND, 0, 0),
        (15 * MINUTE, 0, 0),  # the last second of the grace
        (15 * MINUTE + SECOND, 2, 1),  # after it the day counts from the due time
        (DAY, 2, 1),
        (DAY + SECOND, 4, 2),
        (2 * DAY, 4, 2),
        (5 * DAY, 10, 5),
        (5 * DAY + SECOND, 10, 6),  # the cap
        (300 * DAY, 10, 300),
    ],
    ids=str,
)
def test_every_started_day_costs_a_tenth_of_the_maximum_up_to_half(by, penalty, days):
    """18 of 20 points: grace forgives, then 2 points a day, at most 10."""
    assert late(TENTH, by) == (penalty, 18 - penalty, days)


def test_a_score_never_falls_below_zero():
    """Who has one point and is five days late has none, not minus nine."""
    assert late(TENTH, 5 * DAY, raw=1.0) == (1.0, 0.0, 5)
    assert late(TENTH, 5 * DAY, raw=0.0) == (0.0, 0.0, 5)


@pytest.mark.parametrize(
    ("policy", "penalty"),
    [
        (LatePolicy(), 0),
        (LatePolicy(per_day=0.1, of="score"), 3.6),  # two days: a fifth of 18
        (LatePolicy(per_day=0.1, of="score", cap=0.15), 2.7),
        (LatePolicy(per_day=1.5, of="points"), 3),
        (LatePolicy(per_day=1.5, of="points", cap=2), 2),
        (LatePolicy(per_day=0.1, cap=0), 0),
        (LatePolicy(per_day=1), 18),
        (LatePolicy(closes_days=2), 0),
    ],
    ids=str,
)
def test_each_unit_is_reckoned_as_it_says(policy, penalty):
    """Two days late with 18 of 20 points."""
    assert late(policy, 2 * DAY)[0] == pytest.approx(penalty)


def test_after_the_end_nothing_counts():
    """To the second: at the end the rate holds, after it the score is zero and the teacher is told."""
    policy = LatePolicy(per_day=0.1, closes_days=3)
    assert late(policy, 3 * DAY) == (6, 12, 3)
    assert late(policy, 3 * DAY + SECOND) == (18, 0, 4)
    assert apply(policy, 18, 20, DUE + 4 * DAY, DUE).note == "handed in after the end"
    assert late(LatePolicy(closes_days=0), SECOND) == (18, 0, 1)


def test_without_a_due_time_or_a_time_of_handing_in_nothing_is_taken():
    """What is not known is not held against a learner, but it is said."""
    assert apply(TENTH, 18, 20, DUE, None).penalty == 0
    unknown = apply(TENTH, 18, 20, None, DUE)
    assert (unknown.penalty, unknown.days) == (0, 0)
    assert unknown.note == "the time of handing in is not known, so nothing was taken off"


def test_the_zone_in_which_a_time_is_written_does_not_matter():
    """The same moment in New York, Berlin and UTC."""
    moment = DUE + 15 * MINUTE + SECOND
    for hours in (-5, 0, 1, 9):
        assert apply(TENTH, 18, 20, moment.astimezone(timezone(timedelta(hours=hours))), DUE).penalty == 2


# In Berlin clocks go back from 3:00 to 2:00 on 25 October 2026, and forward from 2:00 to 3:00 on 28 March 2027.
AUTUMN = datetime(2026, 10, 24, 23, 59, tzinfo=timezone(timedelta(hours=2)))  # 21:59 UTC
SPRING = datetime(2027, 3, 27, 23, 59, tzinfo=timezone(timedelta(hours=1)))  # 22:59 UTC


@pytest.mark.parametrize(
    ("due", "handed_in", "zone", "days"),
    [
        # Sunday 23:30 by the clock is within the first day, although 24.5 hours have passed
        (AUTUMN, datetime(2026, 10, 25, 22, 30, tzinfo=UTC), "Europe/Berlin", 1),
        (AUTUMN, datetime(2026, 10, 25, 22, 30, tzinfo=UTC), "", 2),
        (AUTUMN, datetime(2026, 10, 25, 22, 59, tzinfo=UTC), "Europe/Berlin", 1),
        (AUTUMN, datetime(2026, 10, 25, 22, 59, 1, tzinfo=UTC), "Europe/Berlin", 2),
        # Monday 0:30 by the clock is the second day, although only 23.5 hours have passed
        (SPRING, datetime(2027, 3, 28, 22, 30, tzinfo=UTC), "Europe/Berlin", 2),
        (SPRING, datetime(2027, 3, 28, 22, 30, tzinfo=UTC), "", 1),
        (SPRING, datetime(2027, 3, 28, 21, 59, tzinfo=UTC), "Europe/Berlin", 1),
        # a clock that never changes
        (AUTUMN, datetime(2026, 10, 25, 22, 30, tzinfo=UTC), "Asia/Tokyo", 2),
    ],
    ids=str,
)
def test_a_day_ends_by_the_clock_of_the_zone(due, handed_in, zone, days):
    """The night of the change has 25 or 23 hours; without a zone every day has 24."""
    assert days_late(handed_in, due, zone) == days


def test_days_late_agree_with_counting_hour_by_hour():
    """An independent count: how many due times of the following days lie before the hand-in."""
    for hours in range(0, 24 * 9, 5):
        handed_in = DUE + hours * HOUR
        passed = sum(handed_in > DUE + n * DAY for n in range(20))
        assert days_late(handed_in, DUE, "") == passed


@pytest.mark.parametrize(
    ("mine", "expected"),
    [
        ({}, DUE),
        ({"": 2.0}, DUE + 2 * DAY),
        ({"": 0.5}, DUE + 12 * HOUR),
        ({"": 2.0, SLUG: 7.0}, DUE + 7 * DAY),  # the assignment's own extension replaces the general one
        ({"07_masks": 7.0}, DUE),
        ({SLUG: DUE + 3 * HOUR}, DUE + 3 * HOUR),
        ({SLUG: DUE - DAY}, DUE),  # an extension never takes time away
    ],
    ids=str,
)
def test_extensions_move_the_due_time_of_one_student(mine, expected):
    """Days or a time, for all assignments or one."""
    assert due_time(SLUG, "ada", {SLUG: DUE}, {"ada": mine}, "") == expected
    assert due_time(SLUG, "bob", {SLUG: DUE}, {"ada": mine}, "") == DUE


def test_extensions_without_a_due_time():
    """A time of one's own is a due time; days after nothing are nothing."""
    assert due_time(SLUG, "ada", {}, {"ada": {SLUG: DUE}}, "") == DUE
    assert due_time(SLUG, "ada", {}, {"ada": {"": 2.0}}, "") is None


def test_an_extension_of_days_keeps_the_hour_of_the_clock():
    """One day more over the night of the clocks ends at 23:59 again, not at 22:59."""
    found = due_time(SLUG, "ada", {SLUG: AUTUMN}, {"ada": {"": 1.0}}, "Europe/Berlin")
    assert found == datetime(2026, 10, 25, 22, 59, tzinfo=UTC)


def test_late_work_after_an_extension_is_counted_from_the_extended_time():
    """Due Monday, extended to Wednesday, handed in on Thursday noon: one day."""
    due = due_time(SLUG, "ada", {SLUG: DUE}, {"ada": {"": 2.0}}, "")
    found = apply(TENTH, 18, 20, DUE + 2 * DAY + 12 * HOUR, due)
    assert (found.penalty, found.days) == (2, 1)
