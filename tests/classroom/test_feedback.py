"""The learner's page says everything once, runs nothing, and shows hostile text as text."""

import base64
import hashlib
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from makers import SLUG, ledger

from autograder.checking.report import Example, Report, State
from autograder.classroom.feedback import feedback, write_feedback
from autograder.classroom.gradebook import Mark, Marks
from autograder.classroom.text import printable
from autograder.curriculum import find_topic
from autograder.judge.ledger import Ledger, Result, Submission

HOSTILE = "</pre><script>alert(1)</script><img src=x onerror=alert(1)>'\"{{ 7 * 7 }}"
NOTHING = Submission("ada", SLUG, ())


def marks(found: Ledger, **last) -> Marks:
    """What the gradebook holds after a ledger; `last` changes the written task."""
    rows = [Mark(r.report.task, r.points, r.max_points, waiting=r.manual) for r in found.results]
    return Marks(found.student, SLUG, (*rows[:-1], replace(rows[-1], **last)))


WRITTEN = Submission("ada", SLUG, (), (("scaling.proof", "Because.", True),))


def with_report(example: Example) -> Ledger:
    """A ledger whose first task is wrong in every respect that a report can show."""
    report = Report("scaling.softmax", "f", State.WRONG, sentences=("s",), mistake="m", ask="a", example=example)
    found = ledger()
    return replace(found, results=(Result(report, 0.0, 3), *found.results[1:]))


class Tags(HTMLParser):
    """All tags and attributes of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        """Collect."""
        self.seen |= {tag, *(name for name, _ in attrs)}


def test_the_page_names_points_states_and_the_mistake():
    """A learner sees what was earned, what is wrong and why, and what still waits."""
    wrong = Report("scaling.softmax", "softmax", State.WRONG, mistake="forgets the shift", ask="What is exp(1000)?")
    found = ledger(softmax_jacobian=2)
    found = replace(found, results=(Result(wrong, 0.0, 3), *found.results[1:]))
    page = feedback("Softmax", found, marks(found), Submission("ada", SLUG, (), (("scaling.proof", "Because.", True),)))
    for text in (
        "2 of 20 points; 5 more are still",
        "it <bdi>forgets the shift</bdi>.",
        "✗ wrong",
        "○ not attempted",
        "What is exp(1000)?",
        "Because.",
        "0 / 3",
    ):
        assert text in page
    assert "It waits for a person to grade it." in page
    assert "– / 5" in page


def test_a_persons_points_and_comment_are_shown():
    """After manual grading the page says so."""
    found = ledger()
    page = feedback(
        "Softmax", found, marks(found, waiting=False, by_hand=True, points=4.5, comment="Well said."), NOTHING
    )
    for text in ("4.5 of 20 points", "A person has graded it.", "Well said.", "4.5 / 5"):
        assert text in page


def test_hostile_text_stays_text_wherever_it_comes_from():
    """Names, reasons, remarks, crash messages, printed values, answers and comments are escaped."""
    example = Example(((HOSTILE, HOSTILE),), HOSTILE, HOSTILE)
    report = Report(
        "scaling.softmax", HOSTILE, State.WRONG, sentences=(HOSTILE,), mistake=HOSTILE, ask=HOSTILE, example=example
    )
    found = replace(ledger(HOSTILE, HOSTILE), remarks=(HOSTILE,), grader=HOSTILE, sandbox=HOSTILE)
    found = replace(found, results=(Result(report, 0.0, 3), *found.results[1:]))
    submission = Submission(HOSTILE, SLUG, (), (("scaling.proof", HOSTILE, True),))
    page = feedback(HOSTILE, found, marks(found, comment=HOSTILE), submission)
    plain = feedback("t", with_report(example), marks(ledger(), comment="c"), WRITTEN)
    assert Tags(page).seen <= Tags(plain).seen | {"ul", "li"}
    assert page.count("&lt;script&gt;") >= 14
    assert "49" not in page


def test_the_page_forbids_scripts_and_loads_nothing():
    """One file that can be mailed: no address in it, and a policy that lets nothing in."""
    page = feedback("Softmax", ledger(), marks(ledger()), NOTHING)
    policy = "default-src 'none'; style-src 'sha256-{}'; img-src data:; base-uri 'none'; form-action 'none'"
    style = page.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy.format(digest) in page
    assert not {"script", "src", "href", "link", "img", "style="} & Tags(page).seen
    assert "http" not in page.replace("http-equiv", "")


def test_a_submission_that_could_not_be_read_says_why():
    """The reason instead of seven reports about nothing."""
    found = ledger(reason="There is no 06_scaling.ipynb.", manual=False)
    page = feedback("Softmax", found, marks(found), NOTHING)
    assert "<strong>Not graded.</strong> <bdi>There is no 06_scaling.ipynb.</bdi>" in page
    assert "scaling.softmax" not in page


def test_a_course_with_a_late_policy_says_that_a_deduction_may_come():
    """The page has the gradebook's points; what late work costs is reckoned at export, with the extensions of that day."""
    words = "These are the points before any deduction for late work."
    assert words not in feedback("t", ledger(), marks(ledger()), NOTHING)
    assert words in feedback("t", ledger(), marks(ledger()), NOTHING, before_deduction=True)


def test_the_settings_of_the_course_decide_about_that_line(tree):
    """Without a policy that takes anything nothing is said."""
    page = write_feedback(tree, ledger(), marks(ledger()), NOTHING)
    assert "deduction" not in page.read_text(encoding="utf-8")
    tree.settings.write_text("[late]\nper_day = 0.1\n")
    assert "before any deduction" in write_feedback(tree, ledger(), marks(ledger()), NOTHING).read_text(
        encoding="utf-8"
    )


def test_repaired_notebooks_are_told_what_was_repaired():
    """Every remark stands on the page, in a list of its own."""
    found = replace(ledger(), remarks=("Missing, put back as released: scaling-softmax.", "Handed in as x.ipynb."))
    page = feedback("t", found, marks(found), NOTHING)
    assert page.count('<li dir="auto">') == 2
    assert "Missing, put back as released: scaling-softmax." in page


@pytest.mark.parametrize(("sandbox", "stamped"), [("none", True), ("bwrap", False)])
def test_a_result_without_a_sandbox_is_stamped(sandbox, stamped):
    """Nobody takes an unprotected result for a protected one."""
    page = feedback("Softmax", replace(ledger(), sandbox=sandbox), marks(ledger()), NOTHING)
    assert ("Graded without a sandbox" in page) is stamped


def test_the_page_lies_where_nbgrader_looks_for_it(tree):
    """nbgrader's release of feedback finds it in its own folder structure."""
    path = write_feedback(tree, ledger(), marks(ledger()), NOTHING)
    assert path == tree.course / "feedback" / "ada" / SLUG / f"{SLUG}.html"
    assert find_topic(SLUG).title.split(",")[0] in path.read_text(encoding="utf-8")


STEERING = {
    "\x1b[31mred\x1b[0m": "red",
    "\x1b]0;title\x07after": "after",
    "a\x00b\x07c": "a\ufffdb\ufffdc",
    "\u202eevil": "\ufffdevil",
    "\ud800": "\ufffd",
    "line\r\nline\rline": "line\nline\nline",
    "tab\tand − and ✓": "tab\tand − and ✓",
}


@pytest.mark.parametrize(("text", "shown"), STEERING.items(), ids=[ascii(t) for t in STEERING])
def test_text_from_learners_cannot_steer_a_terminal(text, shown):
    """Escape sequences, reading direction and characters that cannot be stored are gone; everything else stays."""
    assert printable(text) == shown
