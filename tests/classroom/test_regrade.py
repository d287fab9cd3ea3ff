"""A grading can be proved by a replay, and what changed after the release can be graded again without losing a person's work."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from io import StringIO

import nbgrader.api
import pytest
from click.testing import CliRunner
from rich.console import Console

from autograder.classroom import show
from autograder.classroom.grading import Judge, grade_class, grade_each, into_journal
from autograder.classroom.merge import merge_and_tell
from autograder.classroom.nbgrader_steps import StepFailed, generate_assignment, programs_on_path
from autograder.classroom.regrade import differences, prepare, verify
from autograder.classroom.show import regrade_and_show, verify_and_show
from autograder.cli import main
from autograder.curriculum import CurriculumError, Tree
from autograder.judge import journal
from autograder.judge.journal import Journal
from tests.durability.classes import (
    PROJECT,
    SLUG,
    copied,
    fake_ledger,
    fake_pool,
    hand_in,
    hand_in_class,
    make_course,
    rows,
    state,
)


@pytest.fixture(scope="module")
def graded(tmp_path_factory) -> Tree:
    """A course of four whose grading is done."""
    tree = make_course(tmp_path_factory.mktemp("graded"))
    hand_in_class(tree, 4)
    with fake_pool():
        grade_class(tree, SLUG, "none")
    return tree


@pytest.fixture
def tree(graded, tmp_path) -> Tree:
    """A copy of it."""
    return copied(graded, tmp_path)


NAMES = ["s0000", "s0001", "s0002", "s0003"]


def judge(change=lambda ledger: ledger) -> Judge:
    """The judge that only hashes, with one thing changed."""
    return Judge(("none",), lambda submissions: (change(fake_ledger(s)) for s in submissions))


def replayed(tree: Tree, change=lambda ledger: ledger) -> dict[str, list[str]]:
    """What a replay says of each student."""
    return {
        r.student: r.differences or [r.skipped]
        for r in verify(tree, SLUG, NAMES, judge(change))
        if r.differences or r.skipped
    }


def of(student: str, **changes):
    """A change of one student's first result."""

    def change(ledger):
        if ledger.student != student:
            return ledger
        first = ledger.results[0]
        report = replace(first.report, **{k: v for k, v in changes.items() if hasattr(first.report, k)})
        own = {k: v for k, v in changes.items() if not hasattr(first.report, k)}
        return replace(ledger, results=(replace(first, report=report, **own), *ledger.results[1:]))

    return change


def test_a_replay_of_the_same_shows_nothing_and_writes_nothing(tree):
    """Not a byte of the course changes."""
    before = {p: p.read_bytes() for p in tree.course.rglob("*") if p.is_file()}
    assert replayed(tree) == {}
    assert {p: p.read_bytes() for p in tree.course.rglob("*") if p.is_file()} == before


CHANGES = {
    "points": ({"points": 2.75}, r"scaling\.softmax: .* of 3, .* → 2\.75 of 3, .*"),
    "the mistake": ({"mistake": "forgets the scale"}, r"scaling\.softmax: .* → .*, forgets the scale"),
    "words": (
        {"sentences": ("Something else.",)},
        r"scaling\.softmax: the same points, but the report says something else",
    ),
}


@pytest.mark.parametrize(("changes", "sentence"), CHANGES.values(), ids=CHANGES)
def test_any_difference_is_told_by_student_and_task(tree, changes, sentence):
    """In points, in the diagnosis, or only in words."""
    ((student, (line,)),) = replayed(tree, of("s0002", **changes)).items()
    assert student == "s0002"
    assert re.fullmatch(sentence, line), line


def test_where_an_object_lies_in_memory_is_no_difference(tree):
    """It is elsewhere in every process."""
    before = of("s0000", sentences=("<f at 0x7f001122> is no array.",))(fake_ledger_of(tree, "s0000"))
    now = of("s0000", sentences=("<f at 0x7fabcdef> is no array.",))(fake_ledger_of(tree, "s0000"))
    assert list(differences(before, now)) == []


def fake_ledger_of(tree: Tree, student: str):
    """What the journal holds of a student."""
    return Journal(tree.journal(SLUG)).newest(student)


def test_tasks_that_came_or_went_and_reasons_are_differences(tree):
    """Whatever else a ledger says."""
    ledger = fake_ledger_of(tree, "s0000")
    fewer = replace(ledger, results=ledger.results[1:], remarks=("new",), reason="broken")
    assert list(differences(ledger, fewer)) == [
        "the reason was 'none', is now 'broken'",
        "scaling.softmax: is no longer a task",
        "other remarks on the notebook",
    ]
    assert list(differences(fewer, replace(fewer, results=ledger.results))) == ["scaling.softmax: is a new task"]


def test_what_cannot_be_replayed_is_named(tree):
    """Handed in again, never graded, or a fault of ours."""
    hand_in(tree, "s0000", "another")
    book = Journal(tree.journal(SLUG))
    into_journal(book, replace(book.newest("s0001"), grader="failed grader"))
    tree.journal(SLUG).write_bytes(
        b"".join(line for line in tree.journal(SLUG).read_bytes().splitlines(True) if b'"s0002"' not in line)
    )
    assert replayed(tree) == {
        "s0000": ["handed in again since, or the exercise was released anew"],
        "s0001": ["the grader itself failed on it; `attn grade` tries again"],
        "s0002": ["not graded yet"],
    }


def test_without_the_secret_there_is_no_replay(tree):
    """Another secret draws other inputs, so a difference would mean nothing."""
    tree.secret.unlink()
    with pytest.raises(CurriculumError, match="course/secret is missing: a replay would draw other inputs"):
        replayed(tree)
    assert not tree.secret.exists()


def shown(action, tree: Tree, *arguments, change=None, monkeypatch=None) -> tuple[int, str]:
    """The exit code and what was printed."""
    printed = StringIO()
    if change:
        monkeypatch.setattr(show, "local_judge", lambda *_: judge(change))
    with fake_pool():
        code = action(SLUG, "none", (), None, *arguments, Console(file=printed, width=160), tree)
    return code, printed.getvalue()


def test_the_exit_code_of_a_replay_says_whether_anything_differs(tree, monkeypatch):
    """0 and a count; 1 and the lines; another grader is said."""
    code, text = shown(verify_and_show, tree)
    assert (code, "4 replayed, 0 differ, 0 not replayed." in text, "another grader" in text) == (0, True, False)
    code, text = shown(verify_and_show, tree, change=of("s0003", points=2.75), monkeypatch=monkeypatch)
    assert (code, "4 replayed, 1 differ, 0 not replayed." in text) == (1, True)
    assert "s0003: scaling.softmax:" in text
    book = Journal(tree.journal(SLUG))
    into_journal(book, replace(book.newest("s0000"), grader="grader-0"))
    assert (
        "The journal was written by another grader, so results may differ rightly: grader-0."
        in shown(verify_and_show, tree)[1]
    )


def test_a_regrade_judges_again_what_the_journal_has(tree, monkeypatch):
    """The old ledgers are set aside, the new ones are everywhere, and a second `attn grade` changes nothing."""
    old = tree.journal(SLUG).read_bytes()
    code, text = shown(regrade_and_show, tree, False, change=of("s0000", points=2.75), monkeypatch=monkeypatch)
    assert (code, "4 gradings are set aside: course/journal/before/06_scaling-" in text) == (0, True)
    (aside,) = (tree.course / "journal" / "before").iterdir()
    assert aside.read_bytes() == old
    assert fake_ledger_of(tree, "s0000").results[0].points == 2.75
    with programs_on_path(), nbgrader.api.Gradebook(tree.gradebook) as found:
        assert found.find_grade("scaling-softmax", SLUG, SLUG, "s0000").auto_score == 2.75
    before = state(tree)
    with fake_pool():
        grade_class(tree, SLUG, "none")
    assert state(tree) == before


def test_a_regrade_of_one_leaves_the_others_ledgers(tree):
    """And one that is stopped after setting aside is finished by `attn grade`."""
    expected = state(tree)
    said = list(prepare(tree, SLUG, ["s0001"]))
    assert said[-1].startswith("1 gradings are set aside")
    assert Journal(tree.journal(SLUG)).students() == ["s0000", "s0002", "s0003"]
    with fake_pool():
        grade_class(tree, SLUG, "none")
    assert state(tree) == expected


def merged(tree: Tree, *paths) -> tuple[str, int]:
    """What a merge prints, and how many results disagree."""
    lines, conflicts = merge_and_tell(tree, paths)
    return "\n".join(lines), conflicts


def test_what_another_machine_graded_is_written_without_judging(graded, tmp_path):
    """Half the class there, all of it here: one journal, and the same gradebook."""
    here = make_course(tmp_path)
    shutil.copytree(graded.course / "submitted", here.course / "submitted")
    text, conflicts = merged(here, graded.journal(SLUG))
    assert (f"{graded.journal(SLUG)}: 4 added, 0 known already." in text, conflicts) == (True, 0)
    assert "Now `attn grade 06_scaling` writes them into the gradebook, without judging again." in text
    grade_class(here, SLUG, "none")  # with the real pool, which has nothing to do
    assert state(here) == state(graded)
    assert "0 added, 4 known already." in merged(here, graded.journal(SLUG))[0]


def test_two_results_for_one_submission_are_told(tree, tmp_path):
    """With the command that settles it; the exit code of `attn merge` is 1 then."""
    other = tmp_path / "other.jsonl"
    journal.append(other, of("s0002", points=2.75)(fake_ledger_of(tree, "s0002")))
    text, conflicts = merged(tree, other)
    assert conflicts == 1
    assert "s0002 has another result there" in text
    assert (
        "The one in course/journal/06_scaling.jsonl stays; `attn regrade 06_scaling --student s0002` settles it."
        in text
    )


def test_what_is_no_journal_is_refused_before_anything_is_merged(tree, tmp_path):
    """A missing file, an empty one, and two assignments in one."""
    before = tree.journal(SLUG).read_bytes()
    (tmp_path / "empty.jsonl").touch()
    mixed = tmp_path / "mixed.jsonl"
    for slug in (SLUG, "other"):
        journal.append(mixed, replace(fake_ledger_of(tree, "s0000"), student=slug, slug=slug))
    for path, sentence in (
        (tmp_path / "none.jsonl", "There is no journal"),
        (tmp_path / "empty.jsonl", "holds no grading; a journal is of one assignment"),
        (mixed, f"holds gradings of {SLUG}, other; a journal"),
    ):
        with pytest.raises(CurriculumError, match=re.escape(sentence)):
            merged(tree, tree.journal(SLUG), path)
    assert tree.journal(SLUG).read_bytes() == before


def test_the_verbs_exit_with_what_happened(tree, tmp_path, monkeypatch):
    """`attn merge`: 0, 1 when results disagree, 2 for misuse; `attn regrade --verify`: 1 when results differ; Ctrl-C: 130."""
    monkeypatch.chdir(tree.root)
    monkeypatch.delenv("ATTN_COURSE", raising=False)

    def attn_here(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(main, words)
        return done.exit_code, done.output

    same, other = tmp_path / "same.jsonl", tmp_path / "other.jsonl"
    shutil.copyfile(tree.journal(SLUG), same)
    journal.append(other, of("s0002", points=2.75)(fake_ledger_of(tree, "s0002")))
    assert attn_here("merge", str(same))[0] == 0
    assert attn_here("merge", str(other))[0] == 1
    assert attn_here("merge", "nowhere.jsonl") == (
        2,
        "attn: There is no journal nowhere.jsonl. One lies in a course's folder, as journal/SLUG.jsonl.\n",
    )
    code, text = attn_here("grade", "00_none", "--cluster", "tcp://127.0.0.1:1")
    assert (code, "There is no topic '00_none'" in text) == (2, True)
    monkeypatch.setattr(show, "local_judge", lambda *_: judge(of("s0003", points=2.75)))
    assert attn_here("regrade", SLUG, "--verify", "--sandbox", "none")[0] == 1
    monkeypatch.setattr(show, "call_roll", stopped)
    assert attn_here("grade", SLUG)[0] == 130


def stopped(*_):
    """Ctrl-C."""
    raise KeyboardInterrupt


# ---- an assignment that changed after its release, with the real command, judge and nbgrader ----

GONE = "additive_bound"


def changed(tree: Tree, without: str = "", **points: float) -> None:
    """Make the manifest and the built solution say so."""
    text = (PROJECT / "autograder" / "curriculum.toml").read_text(encoding="utf-8")
    notebook = json.loads(Tree(PROJECT, PROJECT).solution(SLUG).read_text(encoding="utf-8"))
    if without:
        text = re.sub(rf'"scaling\.{without}" = .*\n', "", text)
        notebook["cells"] = [
            c for c in notebook["cells"] if without not in c["metadata"].get("nbgrader", {}).get("grade_id", "")
        ]
    for name, number in points.items():
        text = re.sub(rf'"scaling\.{name}" = .*', f'"scaling.{name}" = {number}', text)
        for cell in notebook["cells"]:
            if cell["metadata"].get("nbgrader", {}).get("grade_id") == f"scaling-{name}":
                cell["metadata"]["nbgrader"]["points"] = number
    tree.manifest.write_text(text, encoding="utf-8")
    tree.solution(SLUG).write_text(json.dumps(notebook), encoding="utf-8")


def attn(tree: Tree, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command, in a checkout with its own manifest."""
    environment = os.environ | {"PYTHONPATH": str(tree.root)}
    environment.pop("ATTN_COURSE", None)
    command = [sys.executable, "-m", "autograder", *arguments, "--sandbox", "none", "--workers", "1"]
    return subprocess.run(command, cwd=tree.root, env=environment, capture_output=True, text=True, check=False)


def gradebook(tree: Tree, student: str) -> dict[str, tuple]:
    """A student's rows: automatic score, a person's, maximum."""
    with programs_on_path(), nbgrader.api.Gradebook(tree.gradebook) as found:
        book = found.find_submission_notebook(SLUG, SLUG, student)
        return {g.name.removeprefix("scaling-"): (g.auto_score, g.manual_score, g.max_score) for g in book.grades}


def given(tree: Tree, name: str, points: float) -> None:
    """A person grades a cell of ada's in formgrader."""
    with programs_on_path(), nbgrader.api.Gradebook(tree.gradebook) as found:
        grade = found.find_grade(f"scaling-{name}", SLUG, SLUG, "ada")
        grade.manual_score, grade.needs_manual_grade = points, False
        found.db.commit()


def test_a_changed_assignment_is_regraded_and_persons_scores_stay(tmp_path):
    """A task more, a task less, other points: nbgrader refuses the first two once there are submissions."""
    for package in ("autograder", "attn_core"):
        shutil.copytree(PROJECT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "without").mkdir()
    tree = make_course(tmp_path / "without", release=False)
    changed(tree, without=GONE)
    generate_assignment(tree, SLUG)
    for student in ("ada", "ben"):
        path = tree.submission(student, SLUG)
        path.parent.mkdir(parents=True)
        shutil.copyfile(tree.solution(SLUG), path)
    before = Judge(("none",), lambda submissions: (fake_ledger(s, tree=tree) for s in submissions))
    assert len(list(grade_each(tree, SLUG, ["ada", "ben"], before))) == 2
    assert GONE not in gradebook(tree, "ada")
    given(tree, "proof", 4.5)
    tree = copied(tree, tmp_path)
    changed(tree, softmax=4)  # and the task that was left out is there
    with pytest.raises(StepFailed, match="submissions associated"):
        generate_assignment(tree, SLUG, tmp_path / "elsewhere")
    done = attn(tree, "regrade", SLUG)
    assert done.returncode == 0, done.stdout + done.stderr
    for said in (
        "scaling-softmax: 3 points are now 4.",
        f"scaling-{GONE}: added to the gradebook, 1 points.",
        "released anew",
    ):
        assert said in done.stdout
    ada = gradebook(tree, "ada")
    assert (ada["softmax"], ada[GONE], ada["proof"]) == ((4, None, 4), (0, None, 1), (None, 4.5, 5))
    assert gradebook(tree, "ben")["proof"] == (None, None, 5)

    given(tree, GONE, 1)
    changed(tree, without=GONE, proof=4)
    message = rf"scaling-{GONE} is no longer a part of 06_scaling, but persons gave 1 scores for it.*--drop-scores"
    with pytest.raises(CurriculumError, match=message):
        list(prepare(tree, SLUG, ["ada", "ben"]))
    assert gradebook(tree, "ada") == ada | {GONE: (0, 1, 1)}
    said = list(prepare(tree, SLUG, ["ada", "ben"], drop_scores=True))
    assert f"scaling-{GONE}: removed from the gradebook, with 1 scores of persons." in said
    assert "scaling-proof: a person gave more than that to ada; this stays until you change it in formgrader." in said
    expected = ada | {"softmax": (4, None, 3), "proof": (None, 4.5, 4)}
    assert gradebook(tree, "ada") == {name: row for name, row in expected.items() if name != GONE}
    for left in ("grade", "comment", "source_cell", "base_cell", "attn_material"):
        assert not [row for row in rows(tree.gradebook)[left] if GONE in row], left
