"""The course's settings: a missing file gives the defaults, and every misuse is a sentence with its place."""

from datetime import UTC, datetime, timedelta

import pytest

from autograder.classroom.late import LatePolicy
from autograder.classroom.settings import Settings, load_settings
from autograder.curriculum import CurriculumError
from autograder.judge.limits import Limits

FULL = """
gradebook = "postgresql://grader@db.example/course"

[late]
grace_minutes = 15
per_day = 0.1
cap = 0.5
closes_days = 7
clock = "file"
timezone = "Europe/Berlin"

[due]
"06_scaling" = 2026-11-30T23:59:00+01:00

[extensions]
ada = 2

[extensions.bob]
"06_scaling" = 2026-12-07T12:00:00Z

[canvas]
"06_scaling" = "Scaling (4711)"

[limits]
call_seconds = 20

[limits."06_scaling"]
call_seconds = 30.5
open_files = 128
"""


@pytest.fixture
def settings(tree):
    """Load what a file of this text says; the tree is the small one of the intake's tests."""

    def load(text: str | bytes | None) -> Settings:
        if text is not None:
            tree.settings.parent.mkdir(exist_ok=True)
            tree.settings.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load_settings(tree)

    return load


@pytest.mark.parametrize("text", [None, "", "# only a comment\n", "[late]\n[due]\n[extensions]\n[limits]\n"])
def test_without_a_file_or_a_key_the_defaults_hold(settings, text):
    """Nothing is late, the gradebook is SQLite's, the limits are the project's."""
    found = settings(text)
    assert (found.gradebook, found.late, dict(found.due), dict(found.extensions)) == ("", LatePolicy(), {}, {})
    assert found.limits_for("06_scaling") == Limits()


def test_everything_a_teacher_may_set_is_read(settings):
    """Each table becomes what the modules that use it expect."""
    found = settings(FULL)
    assert found.gradebook == "postgresql://grader@db.example/course"
    assert found.late == LatePolicy(15, 0.1, "max", 0.5, 7, "file", "Europe/Berlin")
    due = found.due["06_scaling"]
    assert (due, due.utcoffset()) == (datetime(2026, 11, 30, 22, 59, tzinfo=UTC), timedelta(hours=1))
    assert found.extensions["ada"] == {"": 2.0}
    assert found.canvas == {"06_scaling": "Scaling (4711)"}
    assert found.extensions["bob"] == {"06_scaling": datetime(2026, 12, 7, 12, tzinfo=UTC)}


def test_limits_of_an_assignment_come_before_those_of_the_course(settings):
    """The defaults, then `[limits]`, then the assignment's own; what none of them says stays."""
    found = settings(FULL)
    mine = found.limits_for("06_scaling")
    assert (mine.call_seconds, mine.open_files, mine.cpu_seconds) == (30.5, 128, Limits().cpu_seconds)
    assert found.limits_for("another") == Limits(call_seconds=20)


def test_a_file_from_windows_is_read(settings):
    """A byte order mark and CRLF are what Notepad writes."""
    assert settings(b'\xef\xbb\xbf[late]\r\nof = "points"\r\nper_day = 2\r\n').late.per_day == 2


MISUSE = {
    'colour = "red"': "course/course.toml: colour is not one of the keys that may stand there. The keys are gradebook, late",
    "[lates]\nper_day = 1": "lates is not one of the keys that may stand there. Did you mean late?",
    "[late]\nper_dya = 0.1": "late.per_dya is not one of the keys that may stand there. Did you mean per_day?",
    '[late]\nper_day = "10%"': 'late.per_day is "10%", expected a number, 0 or above. Change that line.',
    "[late]\nper_day = -0.1": "late.per_day is -0.1, expected a number, 0 or above.",
    "[late]\ngrace_minutes = 1e300": "late.grace_minutes is 1e+300, expected a number, 0 or above, at most 100,000.",
    "[extensions]\nada = 1000000": "extensions.ada is 1000000, expected a number of days, or a table by assignment, at most 100,000.",
    '[due]\n"06_scaling" = 9999-12-31T23:59:00Z': 'due."06_scaling" is 9999-12-31T23:59:00+00:00, expected a year from 1970 to 2999.',
    "[limits]\nmemory_bytes = 1000000000000000000000": "expected a whole number above 0, at most 1,000,000,000,000,000.",
    "[late]\nper_day = nan": "late.per_day is nan, expected a number, 0 or above.",
    "[late]\nper_day = true": "late.per_day is true, expected a number, 0 or above.",
    "[late]\nper_day = 10": 'late.per_day is 10.0, expected a share from 0 to 1 (with of = "max"; points need of = "points")',
    '[late]\nof = "score"\ncap = 2': "late.cap is 2.0, expected a share from 0 to 1",
    '[late]\nof = "percent"': 'late.of is "percent", expected "max" or "score" or "points".',
    '[late]\nclock = "mine"': 'late.clock is "mine", expected "timestamp.txt" or "file".',
    '[late]\ntimezone = "Berlin"': 'late.timezone is "Berlin", expected the name of a time zone, such as "Europe/Berlin"',
    "[late]\ntimezone = 1": "late.timezone is 1, expected the name of a time zone",
    "late = 3": "late is 3, expected a table.",
    '[due]\n"06_scalin" = 2026-11-30T23:59:00Z': 'due."06_scalin" is not one of the assignments that may stand there. Did you mean 06_scaling?',
    '[due]\n"06_scaling" = 2026-11-30T23:59:00': 'due."06_scaling" is 2026-11-30T23:59:00, expected a date and time with its offset',
    '[due]\n"06_scaling" = 2026-11-30': 'due."06_scaling" is 2026-11-30, expected a date and time with its offset',
    '[due]\n"06_scaling" = "tomorrow"': 'due."06_scaling" is "tomorrow", expected a date and time with its offset',
    '[extensions]\nada = "two days"': 'extensions.ada is "two days", expected a number of days, or a table by assignment.',
    "[extensions]\nada = 2026-11-30T23:59:00Z": "extensions.ada is 2026-11-30T23:59:00+00:00, expected a number of days, or a table",
    "[extensions.ada]\n07_x = 1": 'extensions.ada."07_x" is not one of the assignments that may stand there.',
    '[extensions."o\'neil"]\n06_scaling = []': 'extensions."o\'neil"."06_scaling" is a list, expected a number of days, or a date',
    "[extensions.ada]\n06_scaling = 2026-11-30T12:00:00": 'extensions.ada."06_scaling" is 2026-11-30T12:00:00, expected a date and time with its offset',
    "[limits]\ncall_second = 3": "limits.call_second is not one of the keys that may stand there. Did you mean call_seconds?",
    "[limits]\ncall_seconds = 0": "limits.call_seconds is 0, expected a number above 0.",
    "[limits]\nprocesses = 1.5": "limits.processes is 1.5, expected a whole number above 0.",
    "[limits.06_scalin]\nprocesses = 1": 'limits."06_scalin" is not one of the assignments that may stand there.',
    "[limits.06_scaling]\nprocesses = [1]": 'limits."06_scaling".processes is a list, expected a whole number above 0.',
    "[canvas]\n06_scaling = 4711": 'canvas."06_scaling" is 4711, expected the name of a column in Canvas, such as "Scaling (4711)"',
    "gradebook = 5": 'gradebook is 5, expected the address of a database, such as "postgresql://',
    'gradebook = "grades.db"': 'gradebook is "grades.db", expected the address of a database',
    "[late\n": "course/course.toml is not valid TOML: ",
    b"\xff\xfe": "course/course.toml is not UTF-8 text (byte 0). Save it as UTF-8.",
}


@pytest.mark.parametrize(("text", "sentence"), MISUSE.items(), ids=[ascii(text)[:60] for text in MISUSE])
def test_misuse_names_the_file_the_key_and_what_is_expected(settings, text, sentence):
    """A setting that is not understood is never passed over: the grades of a class depend on it."""
    with pytest.raises(CurriculumError) as raised:
        settings(text)
    assert sentence in str(raised.value)
    assert str(raised.value).startswith("course/course.toml")


def test_a_folder_in_the_place_of_the_file_is_a_sentence(tree, settings):
    """What cannot be read is said, not taken for missing."""
    tree.settings.mkdir(parents=True)
    with pytest.raises(CurriculumError, match=r"course/course.toml cannot be read: Is a directory. Make it readable"):
        settings(None)
