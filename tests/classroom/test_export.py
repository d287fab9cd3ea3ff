"""From the course folder to the exports: the gradebook's points, the late policy, and files that say what they hold."""

import csv
import io
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from time import process_time

import pytest
from click.testing import CliRunner
from makers import SLUG, hand_in, ledger, solved
from nbgrader.api import Gradebook as Database

from autograder.classroom.export import FORMATS, export, export_and_tell, rows_of, write
from autograder.classroom.export.rows import file_time, warnings
from autograder.classroom.gradebook import open_gradebook
from autograder.classroom.intake import take_in
from autograder.classroom.records import read_records, read_roster
from autograder.classroom.settings import Settings, load_settings
from autograder.classroom.template import load_template
from autograder.cli import main
from autograder.curriculum import CurriculumError, Tree
from autograder.judge import journal


def read(text: str) -> list[dict[str, str]]:
    """A CSV file as a program reads it."""
    return list(csv.DictReader(io.StringIO(text)))


def test_without_any_grading_the_table_is_a_header(tree):
    """Nothing that was never graded; looking for grades makes no database."""
    assert read(export(tree).read_text(encoding="utf-8")) == []
    assert not tree.gradebook_file.exists()


@pytest.fixture
def graded(course: Tree) -> Tree:
    """Ada and Bob in journal and gradebook; a person has graded Ada's proof with extra credit; Eve only in the journal."""
    template = load_template(course, SLUG)
    for name, points in (("ada", {"softmax": 3, "attention": 2.5}), ("bob", {})):
        path = hand_in(course, solved(), name)
        path.with_name("timestamp.txt").write_text("2026-12-01 08:00:00.000000 UTC\n")
        found = ledger(name, **points)
        journal.append(course.journal(SLUG), found)
        with open_gradebook(course, SLUG) as gradebook:
            gradebook.record(found, take_in(course, name, template))
    with Database(course.gradebook) as database:
        grade = database.find_grade("scaling-proof", SLUG, SLUG, "ada")
        grade.manual_score, grade.extra_credit, grade.needs_manual_grade = 3.5, 0.5, False
        database.find_grade("scaling-softmax", SLUG, SLUG, "ada").manual_score = 2.0
        database.db.commit()
    journal.append(course.journal(SLUG), ledger("eve", softmax=3))
    return course


def of_nbgrader(tree: Tree, student: str) -> tuple[float, float]:
    """Score and late penalty as nbgrader itself reads them."""
    with Database(tree.gradebook) as database:
        submission = database.find_submission(SLUG, student)
        return submission.score, submission.late_submission_penalty


def test_the_rows_agree_with_the_gradebook_itself(graded):
    """One query gives for every student what nbgrader's own objects give, a person's scores and extra credit included."""
    rows = {found.person.id: found for found in rows_of(graded, Settings())}
    with open_gradebook(graded, SLUG) as gradebook:
        for name in ("ada", "bob"):
            marks = gradebook.marks(name)
            assert [(t.id, t.points, t.waiting) for t in rows[name].tasks] == [
                (m.task, m.points, m.waiting) for m in marks.marks
            ]
            assert rows[name].final.raw == marks.points == of_nbgrader(graded, name)[0]
    assert (rows["ada"].final.raw, rows["ada"].waiting) == (2 + 2.5 + 4, ())
    assert (rows["bob"].final.raw, rows["bob"].waiting) == (0, ("scaling.proof",))


def test_a_submission_that_a_killed_run_did_not_record_has_the_judges_points(graded):
    """Never a silent zero: the points stand there, with a note."""
    eve = rows_of(graded, Settings())[-1]
    assert (eve.person.id, eve.final.raw, eve.notes) == ("eve", 3, ("not in the gradebook yet; grade again",))
    assert "eve: not in the gradebook yet; grade again." in warnings([eve], Settings(), {"eve"})


def test_the_late_policy_is_applied_to_exports_only(graded):
    """Nine hours late costs a tenth of 20 points; the gradebook's own score stays as it was."""
    graded.settings.write_text(
        '[late]\nper_day = 0.1\n[due]\n"06_scaling" = 2026-11-30T23:59:00+01:00\n[extensions]\nbob = 1\n'
    )
    before = of_nbgrader(graded, "ada")
    ada, bob, _ = read(export(graded).read_text(encoding="utf-8"))
    assert (ada["total"], ada["penalty"], ada["final"], ada["days_late"]) == ("8.5", "2", "6.5", "1")
    assert (bob["total"], bob["penalty"], bob["final"], bob["days_late"]) == ("0", "0", "0", "0")
    assert of_nbgrader(graded, "ada") == before == (8.5, 0)


def test_a_forged_timestamp_does_not_help_after_the_collection(graded):
    """What counts is what was recorded when it was graded, or, where the file's own time is trusted, that."""
    graded.submission("ada", SLUG).with_name("timestamp.txt").write_text("2026-01-01 08:00:00.000000 UTC\n")
    assert rows_of(graded, Settings())[0].final.handed_in == datetime(2026, 12, 1, 8, tzinfo=UTC)
    graded.settings.write_text('[late]\nclock = "file"\n')
    now = datetime.now(UTC)
    assert abs((rows_of(graded, load_settings(graded))[0].final.handed_in - now).total_seconds()) < 120


def test_the_time_of_a_file_is_not_read_through_a_link(tmp_path):
    """A link could point at an old file of someone else; an empty or missing folder has no time."""
    (tmp_path / "timestamp.txt").write_text("x")
    assert file_time(tmp_path) is None
    (tmp_path / "nb.ipynb").symlink_to("/etc/hostname")
    assert file_time(tmp_path) is None
    assert file_time(tmp_path / "nowhere") is None


def test_every_format_is_written_where_the_message_says(graded):
    """One file each, for Gradescope one per submission; the demonstration's command prints them."""
    lines = export_and_tell(graded, FORMATS)
    assert lines[: len(FORMATS)] == [
        f"3 rows: course/{name}" for name in ("grades.csv", "canvas.csv", "moodle.csv", "junit.xml", "gradescope")
    ]
    assert json.loads(graded.export_of("gradescope", "ada", SLUG).read_text(encoding="utf-8"))["score"] == 8.5
    assert export_and_tell(graded, ["csv"], SLUG)[0] == "3 rows: course/grades-06_scaling.csv"


def test_a_teacher_is_told_what_is_not_final(graded):
    """Scores that wait for a person, results without a sandbox, extensions for nobody."""
    graded.settings.write_text("[extensions]\nadda = 1\n")
    journal.append(graded.journal(SLUG), replace(ledger("eve"), sandbox="none"))
    told = "\n".join(export_and_tell(graded, ["csv"]))
    assert "2 of 3 scores are not final: work in them waits for a person." in told
    assert "1 of 3 submissions were graded without a sandbox." in told
    assert "[extensions] names adda, whom the course does not know. Is it spelled right?" in told


@pytest.mark.parametrize(
    ("formats", "slug", "sentence"),
    [
        (["csv", "excel"], "", "There is no export format 'excel'. There are csv, canvas, moodle, junit, gradescope."),
        (["csv"], "99_nothing", "There is no topic '99_nothing'."),
    ],
)
def test_a_wrong_format_or_slug_is_a_sentence_and_nothing_is_written(graded, formats, slug, sentence):
    """What is misspelled is found before anything is written."""
    with pytest.raises(CurriculumError, match=sentence.replace(".", r"\.")):
        export_and_tell(graded, formats, slug)
    assert not graded.export().exists()


def test_before_any_grading_the_command_says_what_to_do(tree):
    """No empty files for another system."""
    with pytest.raises(CurriculumError, match="Nothing is graded yet"):
        export_and_tell(tree, ["canvas"])


def test_a_database_that_cannot_be_read_is_a_sentence(course):
    """Damaged, of another kind, or at an address that is none; a password is never shown."""
    course.gradebook_file.write_bytes(b"no database, " * 100)
    with pytest.raises(CurriculumError, match="cannot be read: file is not a database"):
        read_records(course, SLUG)
    course.settings.write_text('gradebook = "nothing://ada:geheim@host/x"\n')
    with pytest.raises(CurriculumError, match=r"nothing://ada:\*\*\*@host/x, which is no address of a database"):
        read_roster(course)


def test_two_thousand_submissions_are_exported_in_seconds(graded):
    """No query and no database per student: the same two queries for any number."""
    lines = "".join(json.dumps(ledger(f"s{n:04}", softmax=1).to_json()) + "\n" for n in range(2000))
    graded.journal(SLUG).write_text(lines, encoding="utf-8")
    start = process_time()
    assert len(rows_of(graded, Settings())) == 2000
    list(write(graded, Settings(), rows_of(graded, Settings()), ["csv", "canvas", "moodle", "junit"]))
    assert process_time() - start < 20


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["export"], "attn: Nothing is graded yet. Run `attn grade` first."),
        (["export", "--slug", "07_nothing"], "attn: There is no topic '07_nothing'."),
        (["similarity", "07_nothing"], "attn: There is no topic '07_nothing'."),
        (["status", "07_nothing"], "attn: There is no topic '07_nothing'."),
    ],
)
def test_misuse_of_the_commands_is_a_sentence_and_exit_code_two(monkeypatch, tmp_path, words, sentence):
    """What a teacher can mend is said without a traceback."""
    monkeypatch.chdir(Path(__file__).parents[2])
    monkeypatch.setenv("ATTN_COURSE", str(tmp_path))
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 2
    assert sentence in result.output
    assert "Traceback" not in result.output


def test_the_command_prints_where_the_files_are(monkeypatch, graded):
    """`attn export --format canvas` in the course's own folder."""
    (graded.root / "solutions").mkdir(exist_ok=True)
    monkeypatch.chdir(graded.root)
    monkeypatch.delenv("ATTN_COURSE", raising=False)
    result = CliRunner().invoke(main, ["export", "--format", "canvas", "--format", "junit"])
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[:2] == ["3 rows: course/canvas.csv", "3 rows: course/junit.xml"]
