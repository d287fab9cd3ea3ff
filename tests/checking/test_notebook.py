"""What a learner's notebook calls: check shows a report and raises, hint gives one hint after the other."""

import os
import stat
import subprocess
import sys
from html.parser import HTMLParser

import pytest

from autograder import check, hint
from autograder.checking.report import Example, Report, State
from autograder.curriculum import CurriculumError
from autograder.hints import forget
from autograder.notebook import CheckFailed, find


def right(v):
    """A right answer."""
    return float(abs(v).sum(dtype=float))


def wrong(v):
    """A typical mistake."""
    return float(len(v))


@pytest.fixture(autouse=True)
def own_memory(monkeypatch, tmp_path):
    """Hints are remembered in the test's folder."""
    monkeypatch.setenv("ATTN_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


def test_a_right_answer_is_shown_and_returns_nothing(capsys):
    """nbgrader takes a returned number for a score, so there is none."""
    assert check("scaling.additive_bound", right) is None
    assert capsys.readouterr().out.startswith("✓ scaling.additive_bound: right on ")


def test_a_wrong_answer_is_shown_and_raises(capsys):
    """nbgrader's Validate and nbval look for the exception; the learner reads the report above it."""
    with pytest.raises(CheckFailed, match=r"✗ scaling\.additive_bound: wrong") as caught:
        check("scaling.additive_bound", wrong)
    assert "The mistake: it returns d_a" in capsys.readouterr().out
    assert caught.value._render_traceback_() == ["CheckFailed: ✗ scaling.additive_bound: wrong"]


@pytest.mark.parametrize(
    ("task", "function", "error", "sentence"),
    [
        ("scaling.sofmax", right, CurriculumError, "There is no task 'scaling.sofmax'. Did you mean scaling.softmax"),
        (
            "scaling.additive_bound",
            3.0,
            TypeError,
            'check("scaling.additive_bound", …) takes the function itself, `additive_score_bound`, but got a float.',
        ),
        (
            "scaling.proof",
            right,
            CurriculumError,
            "scaling.proof is answered in prose and graded by a person; there is nothing to check.",
        ),
    ],
)
def test_misuse_is_explained(task, function, error, sentence):
    """A typing error in the id, the result instead of the function, the written task."""
    with pytest.raises(error) as caught:
        check(task, function)
    assert sentence in str(caught.value)


def test_in_jupyter_the_report_is_html():
    """The display bundle holds both forms."""
    bundle = Report("a.b", "b", State.RIGHT)._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html"}


class Tags(HTMLParser):
    """Collects the tags of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        """Note the tag."""
        self.seen.add(tag)


def test_nothing_from_a_learners_code_becomes_html():
    """Error messages, values and names are escaped."""
    evil = "<script>alert(1)</script>"
    page = Report(
        "a.b",
        evil,
        State.WRONG,
        sentences=(evil,),
        mistake=evil,
        ask=evil,
        example=Example(((evil, evil),), evil, evil),
        lecture=evil,
    ).html()
    assert "script" not in Tags(page).seen
    assert page.count("&lt;script&gt;") >= 6


def test_the_text_shows_headline_mistake_question_and_example():
    """The plain form, line by line."""
    report = Report(
        "a.b",
        "b",
        State.WRONG,
        0.5,
        ("A sentence.",),
        "forgets x",
        "Where is x?",
        Example((("x", "1"),), "2", "3"),
        9,
        "06_scaling#softmax",
    )
    assert report.text().splitlines() == [
        "✗ a.b: wrong, 50% of the points",
        "  The mistake: it forgets x.",
        "  Ask yourself: Where is x?",
        "  A sentence.",
        "  The smallest input that shows it:",
        "    x = 1",
        "    b gave 2",
        "    right is 3",
        '  For a hint: hint("a.b"). Explained in 06_scaling#softmax.',
    ]


def test_a_report_survives_the_journal():
    """Plain data and back."""
    report = Report("a.b", "b", State.CRASHED, 0.25, ("s",), "m", "a", Example((("x", "1"),), "2", "3"), 4, "l")
    assert Report.from_json(report.to_json()) == report


def test_hints_come_one_by_one_and_the_last_one_stays(capsys):
    """Direction, insight, almost the code, and then the last again."""
    texts = []
    for _ in range(4):
        hint("scaling.softmax")
        texts.append(capsys.readouterr().out)
    assert [t.splitlines()[0] for t in texts] == [
        "Hint 1 of 3 · direction",
        "Hint 2 of 3 · insight",
        "Hint 3 of 3 · almost the code",
        "Hint 3 of 3 · almost the code",
    ]
    assert "That was the last hint." in texts[3]
    forget(find("scaling.softmax"))
    hint("scaling.softmax")
    assert capsys.readouterr().out == texts[0]


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"scaling.softmax": "x"}', '{"scaling.softmax": -7}', "\x00"])
def test_a_damaged_memory_starts_again(content, own_memory, capsys):
    """A file that was cut off or edited is never an error."""
    own_memory.mkdir()
    (own_memory / "hints.json").write_text(content)
    hint("scaling.softmax")
    assert capsys.readouterr().out.startswith("Hint 1 of 3")


def test_a_memory_that_cannot_be_written_is_no_error(monkeypatch, tmp_path, capsys):
    """In a read-only home hints still work; they just start again."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ATTN_STATE", str(tmp_path / "file" / "below"))
    for _ in range(2):
        hint("scaling.softmax")
        assert capsys.readouterr().out.startswith("Hint 1 of 3")
    os.chmod(tmp_path, stat.S_IRWXU)


def test_importing_the_grader_is_free():
    """`from autograder import check` is what a notebook does first; NumPy and torch are loaded by the first check."""
    code = "import sys, autograder; print([m for m in ('numpy', 'torch', 'autograder.checking') if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )
