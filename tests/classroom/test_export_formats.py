"""Grades for other systems: the right numbers in the format that each reads, and text that stays text in all of them."""

import csv
import io
import json
import math
import xml.etree.ElementTree as Xml
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from makers import SLUG, ledger

from autograder.checking.report import Report, State
from autograder.classroom.export import ONE_FILE
from autograder.classroom.export.reports import gradescope, junit, legal
from autograder.classroom.export.rows import Row, TaskRow
from autograder.classroom.export.tables import canvas, generic, guarded, moodle, number
from autograder.classroom.late import Final
from autograder.classroom.records import Person
from autograder.classroom.settings import Settings
from autograder.curriculum import find_topic
from autograder.judge.ledger import Ledger

TASKS = [task.id for task in find_topic(SLUG).tasks]
SIGNS = "=+-@＝＋－＠﹦﹢﹣﹫−"
HOSTILE = '=HYPERLINK("http://x","y");@SUM(1)\x00\x1b[31m\ufffe<script>alert(1)</script>&amp;]]>\n=2'


def row(found: Ledger | None = None, raw: float | None = None, **final) -> Row:
    """A row made by hand; the gradebook holds what the judge found."""
    found = found or ledger(softmax=3, attention=2.5)
    tasks = tuple(TaskRow(r.report.task, r.points, r.max_points, r.manual, r.manual, r.report) for r in found.results)
    person = Person(found.student, "Ada", "Lovelace", "ada@example.org", "4711")
    return Row(person, SLUG, found, tasks, Final(found.points if raw is None else raw, **final))


def read(text: str) -> list[dict[str, str]]:
    """A CSV file as a program reads it."""
    return list(csv.DictReader(io.StringIO(text)))


# --- text stays text


@pytest.mark.parametrize(
    "before", ["", " ", "  \t", "\t", "\r", "\n", "\u00a0", "\u200b", "\ufeff", "\u2003", '"', "a;", "a; ", "a\n"]
)
@pytest.mark.parametrize("sign", SIGNS)
def test_what_begins_like_a_formula_is_a_text(before, sign):
    """At the beginning of a cell, whatever stands invisibly before the sign, and at a separator of other languages."""
    found = guarded(f"{before}{sign}1+1")
    cells = found.replace("\n", ";").split(";") if before.startswith("a") else [found]
    assert all(not cell.lstrip('\t\r\n \u00a0\u200b\ufeff\u2003"').startswith(tuple(SIGNS)) for cell in cells)
    assert found.replace("'", "") == f"{before}{sign}1+1"


@pytest.mark.parametrize("text", ["\tx", "\rx", "\nx"])
def test_what_begins_with_a_control_character_is_a_text(text):
    """Tab, carriage return and line feed are dangerous alone, says OWASP."""
    assert guarded(text) == f"'{text}"


@pytest.mark.parametrize(
    "text", ["", "ada", "1+1", "a=b", "é, ü", "Anna-Lena", "softmax: wrong; attention: wrong", "a, -1", "O'Neil"]
)
def test_ordinary_text_is_not_changed(text):
    """Only the beginning of a cell makes a formula."""
    assert guarded(text) == text


@pytest.mark.parametrize("name", ["csv", "canvas", "moodle"])
def test_no_text_field_of_any_table_is_a_formula(name):
    """Names, logins, addresses and reasons: whatever a field holds, pandas and a spreadsheet read it as text."""
    pandas = pytest.importorskip("pandas")
    found = replace(row(ledger(HOSTILE, reason=HOSTILE)), person=Person(*[HOSTILE] * 5), notes=(HOSTILE,))
    text = ONE_FILE[name][1]([found], Settings(canvas={SLUG: "=1"}))
    frame = pandas.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)
    cells = [*frame.columns, *frame.to_numpy().ravel()]
    assert len(cells) > 10
    for cell in cells:
        for part in cell.replace("\n", ";").split(";"):
            assert not part.strip().startswith(tuple(SIGNS)) or part in ("-",), cell


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (-0.0, "0"),
        (-0.001, "0"),
        (3, "3"),
        (2.5, "2.5"),
        (0.1 + 0.2, "0.3"),
        (10, "10"),
        (1234567.891, "1234567.89"),
        (-0.5, "-0.5"),
    ],
)
def test_points_are_short_and_exact_to_two_decimals(value, shown):
    """No 0.30000000000000004, no 1.23457e+06, no minus before a zero."""
    assert number(value) == shown


# --- our own table


def test_raw_score_penalty_and_final_score_are_columns_of_their_own():
    """5.5 raw, 2 taken off, 3.5 counts; the points of the tasks are those of the gradebook."""
    due, came = datetime(2026, 11, 30, 22, 59, tzinfo=UTC), datetime(2026, 12, 1, 8, tzinfo=UTC)
    (line,) = read(generic([row(penalty=2.0, days=1, due=due, handed_in=came)], Settings()))
    assert [line[name] for name in ("student", "assignment", "total", "max", "penalty", "final", "days_late")] == [
        "ada",
        SLUG,
        "5.5",
        "20",
        "2",
        "3.5",
        "1",
    ]
    assert (line["handed_in"], line["due"]) == ("2026-12-01 08:00:00+00:00", "2026-11-30 22:59:00+00:00")
    assert (line["manual"], line["scaling.softmax"], line["scaling.attention"]) == ("scaling.proof", "3", "2.5")
    assert list(line)[-len(TASKS) :] == TASKS


# --- Canvas, by the rules of its importer


def canvas_import(text: str) -> tuple[dict[str, float], dict[str, dict[str, str]]]:
    """Maxima and scores by login, read as Canvas's importer reads a file; it refuses what Canvas refuses."""
    lines = list(csv.reader(io.StringIO(text)))
    head = lines[0]
    assert "Student" in head[0]
    assert "ID" in head[1]
    assert head[2:5] == ["SIS User ID", "SIS Login ID", "Section"]
    maxima, scores = {}, {}
    for line in lines[1:]:
        assert len(line) == len(head)
        if "Points Possible" in line[0]:
            maxima |= {title: float(value) for title, value in zip(head[5:], line[5:], strict=True)}
        else:
            scores[line[3]] = {
                "ID": line[1],
                "SIS": line[2],
                "name": line[0],
                **dict(zip(head[5:], line[5:], strict=True)),
            }
    return maxima, scores


def test_canvas_reads_maxima_and_final_scores_by_login():
    """What counts is the score after the policy; the column has the name that the course's file gives it."""
    other = replace(row(ledger("bob", softmax=1)), person=Person("bob"))
    maxima, scores = canvas_import(canvas([row(penalty=2.0, days=1), other], Settings(canvas={SLUG: "Scaling (42)"})))
    assert maxima == {"Scaling (42)": 20}
    assert scores["ada"] == {"ID": "4711", "SIS": "", "name": "Lovelace, Ada", "Scaling (42)": "3.5"}
    assert scores["bob"] == {"ID": "", "SIS": "", "name": "bob", "Scaling (42)": "1"}


def test_canvas_has_one_row_per_student_over_all_assignments():
    """Who did not hand in an assignment has an empty cell there, which Canvas takes for no score."""
    second = replace(row(), slug="07_masks")
    maxima, scores = canvas_import(
        canvas([row(), replace(row(ledger("bob")), person=Person("bob")), second], Settings())
    )
    assert set(maxima) == {SLUG, "07_masks"}
    assert (scores["ada"]["07_masks"], scores["bob"]["07_masks"]) == ("5.5", "")


@pytest.mark.parametrize("name", ["Points Possible", "a    Points Possible"])
def test_no_student_can_pass_for_the_row_of_the_maxima(name):
    """Canvas would set the points of the assignment to such a student's score."""
    found = replace(row(ledger(name)), person=Person(name))
    maxima, scores = canvas_import(canvas([found], Settings()))
    assert (maxima, len(scores)) == ({SLUG: 20}, 1)


def test_an_id_that_only_begins_with_digits_is_no_canvas_id():
    """Canvas would read 12 in "12ab" and give the score to another student."""
    found = replace(row(), person=Person("ada", lms_user_id="12ab"))
    scores = canvas_import(canvas([found], Settings()))[1]
    assert (scores["ada"]["ID"], scores["ada"]["SIS"]) == ("", "12ab")


# --- Moodle, by the rules of its importer


def test_moodle_gets_who_in_four_ways_and_grade_with_feedback():
    """A grade is a number or "-"; grade and feedback stand together, as a lone feedback would delete the grade."""
    late = row(penalty=2.0, days=1)
    second = replace(row(ledger("bob@example.org")), person=Person("bob@example.org"), slug="07_masks")
    ada, bob = read(moodle([late, second], Settings()))
    assert [ada[name] for name in ("Username", "ID number", "Email address", "First name", "Last name")] == [
        "ada",
        "4711",
        "ada@example.org",
        "Ada",
        "Lovelace",
    ]
    assert bob["Email address"] == "bob@example.org"
    assert (ada[f"{SLUG} (Real)"], ada["07_masks (Real)"], bob[f"{SLUG} (Real)"]) == ("3.5", "-", "-")
    assert "1 day late: 2 of 5.5 points were taken off" in ada[f"{SLUG} (Feedback)"]
    assert "still to be graded by a person: scaling.proof" in ada[f"{SLUG} (Feedback)"]
    assert bob[f"{SLUG} (Feedback)"] == ""


def test_moodle_shows_no_html_of_a_learner():
    """Moodle renders a feedback as HTML."""
    (line,) = read(moodle([row(ledger(reason=HOSTILE))], Settings()))
    assert "<" not in line[f"{SLUG} (Feedback)"]
    assert "&lt;script&gt;" in line[f"{SLUG} (Feedback)"]


# --- Gradescope

TOP = {
    "score",
    "execution_time",
    "output",
    "output_format",
    "test_output_format",
    "test_name_format",
    "visibility",
    "stdout_visibility",
    "extra_data",
    "tests",
    "leaderboard",
}
TEST = {
    "score",
    "max_score",
    "status",
    "name",
    "name_format",
    "number",
    "output",
    "output_format",
    "tags",
    "visibility",
    "extra_data",
}


def test_gradescope_reads_a_test_per_task_and_the_final_score():
    """Only keys of the specification, with its values; the total has seen the late policy, the tests have not."""
    found = json.loads(gradescope(row(penalty=2.0, days=1)))
    assert set(found) <= TOP
    assert (found["score"], found["stdout_visibility"], found["output_format"]) == (3.5, "hidden", "text")
    assert "1 day late" in found["output"]
    assert [t["name"] for t in found["tests"]] == TASKS
    assert sum(t["score"] for t in found["tests"]) == 5.5
    for test in found["tests"]:
        assert set(test) <= TEST
        assert test["visibility"] == "visible"
        assert 0 <= test["score"] <= test["max_score"]
        assert test.get("status") in ("passed", "failed", None)
    assert found["tests"][0]["status"] == "passed"
    assert "status" not in found["tests"][-1]
    assert "waits for a person" in found["tests"][-1]["output"]


def test_gradescope_is_told_what_stands_on_the_feedback_page():
    """Why nothing could be graded, what had to be repaired, and that there was no sandbox."""
    found = replace(ledger(reason="There is no notebook."), remarks=("Missing, put back.",), sandbox="none")
    output = json.loads(gradescope(row(found)))["output"]
    assert output.splitlines() == [
        "There is no notebook.",
        "Missing, put back.",
        "Graded without a sandbox: this result is only as honest as the submission.",
    ]


def test_gradescopes_json_holds_no_number_that_is_none():
    """NaN is no JSON; the file is UTF-8 with names as they are."""
    text = gradescope(row(ledger("Zoë")))
    assert not any(word in text for word in ("NaN", "Infinity"))
    assert all(math.isfinite(t["score"]) for t in json.loads(text)["tests"])


# --- JUnit


def mixed() -> list[Row]:
    """Two submissions that hold every outcome."""
    first = ledger(softmax=3, attention=2.5)
    states = {
        "scaling.attention": State.WRONG,
        "scaling.dot_variance": State.CRASHED,
        "scaling.scaled_scores": State.WRONG,
    }
    results = tuple(
        replace(r, report=Report(r.report.task, "f", states[r.report.task], sentences=("It says <&> \x00\ufffe]]>.",)))
        if r.report.task in states
        else r
        for r in first.results
    )
    return [row(replace(first, results=results)), row(ledger("bob", reason="No notebook."))]


def test_junit_is_read_by_a_parser_of_that_format():
    """junitparser finds every suite and case with its outcome, and the counts agree with what it counts itself."""
    junitparser = pytest.importorskip("junitparser", reason="needs junitparser, the parser of that format")
    found = junitparser.JUnitXml.fromstring(junit(mixed(), Settings()).encode())
    written = (found.tests, found.failures, found.errors, found.skipped)
    assert written == (14, 2, 8, 3)
    found.update_statistics()
    assert (found.tests, found.failures, found.errors, found.skipped) == written
    ada, bob = found
    assert (ada.name, bob.name) == (f"{SLUG}.ada", f"{SLUG}.bob")
    outcome = {case.name: [type(result).__name__ for result in case.result] for case in ada}
    assert outcome["scaling.softmax"] == []
    assert outcome["scaling.attention"] == ["Failure"]
    assert outcome["scaling.dot_variance"] == ["Error"]
    assert outcome["scaling.additive_bound"] == ["Skipped"]
    assert outcome["scaling.proof"] == ["Skipped"]
    assert {p.name: p.value for p in ada.properties()}["max_score"] == "20"
    assert {case.result[0].message for case in bob} == {"No notebook."}


def test_junit_says_what_the_report_says():
    """The message has the points and the first sentence; the text is the whole report."""
    suite = Xml.fromstring(junit(mixed(), Settings())).find("testsuite")
    failure = suite.find("testcase[@name='scaling.attention']/failure")
    assert failure.get("message") == "2.5 of 5 points: It says <&> \ufffd\ufffd]]>."
    assert "✗ scaling.attention: wrong" in failure.text


def test_every_text_in_junit_is_legal_xml():
    """Control characters, halves of characters and non-characters are replaced, everything else stays."""
    codes = [*range(0x300), 0xD7FF, 0xD800, 0xDFFF, 0xE000, 0xFFFD, 0xFFFE, 0xFFFF, 0x1F600, 0x10FFFF]
    illegal = {*range(0x20), 0xD800, 0xDFFF, 0xFFFE, 0xFFFF} - {0x9, 0xA, 0xD}  # the production Char of XML 1.0
    for code in codes:
        assert (legal(chr(code)) == "\ufffd") is (code in illegal or code == 0xFFFD)
        Xml.fromstring(f'<a b="{legal(chr(code)).translate({38: "&amp;", 60: "&lt;", 34: "&quot;"})}"/>')
    assert legal("tab\tline\n\U0001f600") == "tab\tline\n\U0001f600"
    hostile = replace(ledger(HOSTILE, reason=HOSTILE), sandbox=HOSTILE, grader=HOSTILE, remarks=(HOSTILE,))
    assert len(Xml.fromstring(junit([row(hostile)], Settings()))) == 1
