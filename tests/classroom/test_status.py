"""`attn status`: the counts are those of the course folder, from the first empty folder to a killed run."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter, process_time

import pytest
from makers import SLUG, hand_in, ledger, solved, write

from autograder.classroom.gradebook import open_gradebook
from autograder.classroom.intake import take_in
from autograder.classroom.status import course_status, lines, show
from autograder.classroom.template import load_template
from autograder.curriculum import CurriculumError, Tree
from autograder.judge import journal

PROJECT = Path(__file__).parents[2]


def grade(tree: Tree, *students: str, **points: float) -> None:
    """What a grading leaves: a line in the journal and the graded notebook, later than what was handed in."""
    for name in students:
        journal.append(tree.journal(SLUG), ledger(name, **points))
        write(tree.autograded(name, SLUG), "{}")
        os.utime(tree.autograded(name, SLUG), (2_000_000_000, 2_000_000_000))


def test_without_a_course_the_first_step_is_named(tree):
    """No folder is made by looking, and no traceback is printed."""
    (line,) = show(tree, None)
    assert line.startswith("There is no course yet: course is made by `attn release`.")
    assert not tree.course.exists()


def test_an_unknown_assignment_is_a_sentence(tree):
    """With the known ones, with and without a course."""
    for _ in range(2):
        with pytest.raises(CurriculumError, match=r"There is no topic '07_nothing'. Known topics: 01_bottleneck"):
            list(show(tree, "07_nothing"))
        tree.course.mkdir(exist_ok=True)


def test_a_course_without_submissions_says_where_they_belong(tree):
    """An empty course is no error; an assignment that is asked for by name is shown with its zeros."""
    tree.course.mkdir()
    (line,) = show(tree, None)
    assert "course/submitted/STUDENT/SLUG/SLUG.ipynb" in line
    shown = list(show(tree, SLUG))
    assert shown[0] == SLUG
    assert [text.split()[-1] for text in shown[1:8]] == ["0"] * 7


def test_every_student_is_counted_where_they_belong(tree):
    """Ada is graded, Bob changed something since, Cyd was killed in between, Dan not graded, Eve unreadable, Fay missing."""
    for name in ("ada", "bob", "cyd", "dan", "eve"):
        hand_in(tree, solved(), name)
    write(tree.submission("fay", "05_other"), b"")
    grade(tree, "ada", "bob")
    os.utime(tree.submission("bob", SLUG), (2_000_000_001, 2_000_000_001))
    journal.append(tree.journal(SLUG), ledger("cyd"))
    journal.append(tree.journal(SLUG), ledger("eve", reason="It is a PDF."))
    write(tree.autograded("eve", SLUG), "{}")
    os.utime(tree.autograded("eve", SLUG), (1_999_999_999, 1_999_999_999))
    (found,) = course_status(tree)
    assert found.handed_in == ("ada", "bob", "cyd", "dan", "eve")
    assert found.graded == ("ada", "bob", "cyd", "eve")
    assert found.ungraded == ("dan",)
    assert found.changed == ("bob", "cyd")
    assert found.unreadable == (("eve", "It is a PDF."),)
    assert found.last.timestamp() == 2_000_000_000
    assert (found.sandboxes, found.graders) == ((("bwrap", 4),), (("grader-1", 4),))


def test_an_unpacked_file_with_an_old_time_is_a_change_all_the_same(tree):
    """`unzip` keeps the learner's own time; the time of the change cannot be set."""
    hand_in(tree, solved())
    journal.append(tree.journal(SLUG), ledger("ada"))
    write(tree.autograded("ada", SLUG), "{}")
    status = tree.submission("ada", SLUG).stat()
    os.utime(tree.autograded("ada", SLUG), (status.st_ctime - 1, status.st_ctime - 1))
    os.utime(tree.submission("ada", SLUG), (1_000_000_000, 1_000_000_000))
    assert course_status(tree)[0].changed == ("ada",)


def test_who_handed_in_something_else_is_missing_here(course):
    """The roster is everyone whom the course knows: by folders of other assignments, or from the gradebook."""
    template = load_template(course, SLUG)
    hand_in(course, solved(), "ada")
    with open_gradebook(course, SLUG) as gradebook:
        gradebook.record(ledger("ada"), take_in(course, "ada", template))
        gradebook.record(ledger("gus"), take_in(course, "gus", template))
    grade(course, "ada")
    (found,) = course_status(course)
    assert (found.missing, found.waiting) == (("gus",), ("ada",))


def test_late_work_is_counted_with_grace_and_extensions(tree):
    """By the file's clock: due a day ago, so all are late but who has two days more; without a due time none is."""
    for name in ("ada", "bob"):
        hand_in(tree, solved(), name)
    grade(tree, "ada", "bob")
    assert course_status(tree)[0].late == ()
    due = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    tree.settings.write_text(f'[late]\nclock = "file"\n[due]\n"06_scaling" = {due}\n[extensions]\nbob = 2\n')
    (found,) = course_status(tree)
    assert found.late == ("ada",)
    assert "  late                  1  ada" in list(lines(tree, [found], "grader-1", in_detail=True))


def test_the_lines_say_what_to_do_next(tree):
    """Grade, grade by hand, grade again with another grader or with a sandbox; misspelled extensions are told."""
    hand_in(tree, solved(), "ada")
    tree.settings.write_text('[due]\n"06_scaling" = 2026-11-30T23:59:00+01:00\n[extensions]\nadda = 1\n')
    journal.append(tree.journal(SLUG), replace(ledger("bob", reason="No \x1b[31mfile\u202e."), sandbox="none"))
    text = "\n".join(lines(tree, course_status(tree), "grader-2", in_detail=True))
    for words in (
        "06_scaling, due 2026-11-30 23:59+01:00",
        "not graded yet        1  ada",
        "bob: No file\ufffd.",
        "→ attn grade 06_scaling",
        "1 of 1 were graded by another version of the grader",
        "→ 1 were graded without a sandbox",
        "[extensions] names adda, whom the course does not know.",
    ):
        assert words in text
    assert "ada" not in " ".join(lines(tree, course_status(tree), "grader-1", in_detail=False)).split()


def test_a_large_class_is_shown_at_once(tree):
    """Two thousand submissions: no notebook is opened."""
    one = ledger("x")
    tree.journal(SLUG).parent.mkdir(parents=True)
    names = [f"s{n:04}" for n in range(2000)]
    tree.journal(SLUG).write_text("".join(json.dumps(replace(one, student=name).to_json()) + "\n" for name in names))
    for name in names:
        tree.submission(name, SLUG).parent.mkdir(parents=True)
        tree.submission(name, SLUG).touch()
    start = process_time()
    (found,) = course_status(tree)
    assert process_time() - start < 10
    assert len(found.graded) == len(found.handed_in) == 2000
    assert "and 1988 more" in "\n".join(lines(tree, [found], "grader-1", in_detail=True))


def test_the_command_loads_nothing_heavy(tmp_path):
    """Neither torch nor nbgrader is imported, so that the answer comes within a second and a half."""
    code = (
        "import sys\nfrom autograder.cli import main\n"
        "try: main(['status'])\nexcept SystemExit as end: assert end.code in (0, None), end.code\n"
        "print([m for m in ('torch', 'nbgrader', 'nbconvert', 'matplotlib', 'IPython') if m in sys.modules])"
    )
    (tmp_path / "submitted").mkdir()
    start = perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=PROJECT,
        env=os.environ | {"ATTN_COURSE": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[]"
    assert perf_counter() - start < 10  # on a busy machine; alone it takes less than one
