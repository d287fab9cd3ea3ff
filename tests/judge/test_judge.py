"""The judge grades through the player exactly as a notebook's check does, and every death costs one task only."""

import importlib
import json
import os
import shutil
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from autograder.checking.diagnose import report
from autograder.checking.engine import Local
from autograder.checking.report import Report, State
from autograder.checking.task import load
from autograder.judge import journal
from autograder.judge.judge import grade, seeds
from autograder.judge.ledger import Cell, Ledger, Result, Submission
from autograder.judge.limits import Limits
from autograder.judge.pool import grade_all, grade_on
from autograder.judge.process import warm
from autograder.judge.sandbox import find_sandbox

SETUP = Cell("setup", "import numpy as np\nimport torch\nfrom autograder import check, hint")
SOFTMAX = """
def softmax(scores, axis=-1):
    peak = scores.max(axis=axis, keepdims=True)
    peak = np.where(np.isfinite(peak), peak, np.zeros_like(peak))
    exp = np.exp(scores - peak)
    total = exp.sum(axis=axis, keepdims=True)
    return exp / np.where(total == 0, np.ones_like(total), total)
"""
UNSCALED = "def scaled_scores(q, k):\n    return q @ k.transpose(-2, -1)"
SECRET = b"secret"


def submission(*sources: str, student: str = "ada", **more) -> Submission:
    """A submission of 06_scaling with these cells."""
    cells = tuple(Cell(f"cell-{i}", source) for i, source in enumerate(sources))
    return Submission(student, "06_scaling", (SETUP, *cells), fingerprint="f", **more)


def by_task(ledger: Ledger) -> dict[str, Result]:
    """The results by the last part of their task's name."""
    return {r.report.task.partition(".")[2]: r for r in ledger.results}


@pytest.mark.sandbox
def test_right_wrong_and_missing_answers_are_graded_and_named(sandbox):
    """One player, one submission: full points, a named mistake, and zero for what is not there."""
    results = by_task(grade(submission(SOFTMAX, UNSCALED), sandbox, SECRET))
    assert (results["softmax"].report.state, results["softmax"].points) == (State.RIGHT, 3)
    assert (results["scaled_scores"].report.mistake, results["scaled_scores"].points) == ("leaves out the scale", 0)
    assert results["attention"].report.state is State.NOT_ATTEMPTED
    assert results["attention"].report.sentences == ("No function named scaled_dot_product_attention is defined.",)


@pytest.mark.sandbox
def test_a_task_that_kills_its_player_costs_only_itself(sandbox):
    """After os._exit and after an endless loop the remaining tasks are graded by a new player."""
    exits = "def softmax_jacobian(a):\n    import os; os._exit(1)"
    loops = "def dot_variance(q, k):\n    while True: pass"
    ledger = grade(submission(SOFTMAX, exits, loops, UNSCALED), sandbox, SECRET, Limits(call_seconds=1.5))
    results = by_task(ledger)
    assert [results[n].report.state for n in ("softmax", "softmax_jacobian", "dot_variance", "scaled_scores")] == [
        "right",
        "crashed",
        "crashed",
        "wrong",
    ]
    assert results["dot_variance"].report.sentences == ("It did not finish within 1.5 seconds.",)
    assert results["softmax"].points == 3


@pytest.mark.sandbox
def test_a_cell_that_kills_its_player_costs_only_itself(sandbox):
    """It is left out from then on; the learner reads which one it was where its function is missing."""
    loops = "def softmax_jacobian(a): return a\nwhile True: pass"
    ledger = grade(submission("import os\nos._exit(1)", SOFTMAX, loops), sandbox, SECRET, Limits(cell_seconds=1.0))
    results = by_task(ledger)
    assert (results["softmax"].points, ledger.points) == (3, 3)
    assert results["softmax_jacobian"].report.sentences == (
        "No function named softmax_jacobian is defined. The first cell that failed: "
        "The cell ended its own process (os._exit or similar, code 1).",
    )


@pytest.mark.sandbox
def test_a_deadly_answer_cell_is_named_as_the_reason(sandbox):
    """The task whose own cell ended the player is crashed, not missing."""
    cells = (SETUP, Cell("scaling-softmax-answer", SOFTMAX + "\nwhile True: pass"))
    ledger = grade(Submission("ada", "06_scaling", cells), sandbox, SECRET, Limits(cell_seconds=1.0))
    report = by_task(ledger)["softmax"].report
    assert (report.state, report.sentences) == (State.CRASHED, ("The cell did not finish within 1 seconds.",))


@pytest.mark.sandbox
def test_a_notebook_full_of_deadly_cells_is_given_up(sandbox):
    """There is a row with the reason, and no endless series of players."""
    ledger = grade(submission(*["import os\nos._exit(1)"] * 9), sandbox, SECRET)
    assert ledger.points == 0
    assert {r.report.sentences[0][:60] for r in ledger.results if not r.report.task.endswith("proof")} == {
        "Running the notebook's cells failed. The cell ended its own "
    }


@pytest.mark.sandbox
def test_a_submission_has_a_time_limit_as_a_whole(sandbox):
    """Slowness that no single limit catches ends here; what was examined before keeps its points."""
    slow = "import time\ndef softmax_jacobian(a): time.sleep(0.3); return a"
    ledger = grade(submission(SOFTMAX, slow, UNSCALED), sandbox, SECRET, Limits(submission_seconds=4.0))
    results = by_task(ledger)
    assert results["softmax"].points == 3
    assert "all its calls together may take 60 seconds" in results["softmax_jacobian"].report.sentences[0]
    assert "Not examined: " in results["attention"].report.sentences[0]


@pytest.mark.sandbox
def test_a_failed_cell_is_named_where_its_function_is_missing(sandbox):
    """The learner learns why the function is not there."""
    results = by_task(grade(submission("import nump\n" + SOFTMAX), sandbox, SECRET))
    assert (
        "ModuleNotFoundError: No module named 'nump' in line 1: import nump" in results["softmax"].report.sentences[0]
    )


@pytest.mark.sandbox
def test_state_that_a_cheat_keeps_or_patches_gains_nothing(sandbox):
    """Patched assertions, comparisons that are always true, and objects that claim equality stay on the player's side."""
    cheat = """
import builtins
class Yes(np.ndarray):
    def __eq__(self, other): return True
np.allclose = np.array_equal = lambda *a, **k: True
builtins.abs = lambda x: 0
def softmax(scores, axis=-1):
    return scores.view(Yes)
"""
    results = by_task(grade(submission(cheat), sandbox, SECRET))
    assert (results["softmax"].report.state, results["softmax"].points) == (State.WRONG, 0)


@pytest.mark.sandbox
def test_the_pool_grades_all_and_one_bad_submission_stops_nobody(sandbox):
    """Three submissions, one unreadable, one deadly: three ledgers."""
    class_ = [
        submission(SOFTMAX, student="ada"),
        Submission("bob", "06_scaling", (), unreadable="The file is not a notebook."),
        submission("import os\nos.kill(os.getpid(), 9)", student="cy"),
    ]
    ledgers = {ledger.student: ledger for ledger in grade_all(class_, sandbox, SECRET)}
    assert {name: ledger.points for name, ledger in ledgers.items()} == {"ada": 3, "bob": 0, "cy": 0}
    assert ledgers["bob"].summary == "The file is not a notebook."


class Killer(str):
    """A fingerprint that kills the process which reads it, once: what the kernel does when memory runs out."""

    def __reduce__(self):
        """Unpickling it in a process of the pool ends that process."""
        return _die_once, (str(self),)


def _die_once(path: str) -> str:
    if os.path.isdir(os.path.dirname(path)):
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return "f"
    os.kill(os.getpid(), signal.SIGKILL)
    return ""


@pytest.mark.sandbox
@pytest.mark.parametrize("sandbox", ["bwrap"], indirect=True)  # the pool is the same for every one
def test_a_killed_process_of_the_pool_costs_no_row(sandbox, tmp_path):
    """What it had in its hands, and all that was waiting, is graded by others."""
    class_ = [submission(student=f"student-{i}") for i in range(6)]
    class_[1] = replace(class_[1], fingerprint=Killer(tmp_path / "killed"))
    ledgers = list(grade_all(class_, sandbox, SECRET, workers=2))
    assert (tmp_path / "killed").exists()
    assert sorted(ledger.student for ledger in ledgers) == [f"student-{i}" for i in range(6)]
    assert {ledger.reason for ledger in ledgers} == {""}


@pytest.mark.sandbox
@pytest.mark.parametrize("sandbox", ["bwrap"], indirect=True)  # the pool is the same for every one
def test_a_submission_that_always_kills_its_process_costs_its_own_row(sandbox, tmp_path):
    """After two tries it is a row that waits for a person; everybody else is graded."""
    class_ = [submission(student=f"student-{i}") for i in range(4)]
    class_[1] = replace(class_[1], fingerprint=Killer(tmp_path / "no such folder" / "killed"))
    ledgers = {ledger.student: ledger for ledger in grade_all(class_, sandbox, SECRET, workers=2)}
    assert set(ledgers) == {f"student-{i}" for i in range(4)}
    assert [name for name, ledger in ledgers.items() if ledger.reason] == ["student-1"]
    assert "its process was killed" in ledgers["student-1"].reason


@pytest.mark.sandbox
def test_a_warm_process_that_was_killed_is_started_again(sandbox):
    """Somebody killed it between two submissions: nobody notices."""
    grade(submission(), sandbox, SECRET)
    zygote = warm(sandbox)
    zygote._process.kill()
    zygote._control.settimeout(10)
    assert zygote._control.recv(1, socket.MSG_PEEK) == b""  # what ran inside the sandbox has gone as well
    assert grade(submission(SOFTMAX), sandbox, SECRET).points == 3


def test_submissions_are_taken_only_as_they_are_needed():
    """A class of any size is graded without holding all of it: never more than `ahead` are out at a time."""
    taken = []

    def class_():
        for i in range(50):
            taken.append(i)
            yield Submission(f"student-{i}", "06_scaling", (), unreadable="No file.")

    with ThreadPoolExecutor(1) as executor:
        ledgers = grade_on(executor, class_(), find_sandbox("none"), SECRET, None, ahead=4)
        next(ledgers)
        assert len(taken) <= 5
        assert len(list(ledgers)) == 49


@pytest.mark.sandbox
def test_the_same_submission_gives_the_same_ledger_twice(sandbox):
    """Inputs come from a keyed hash: a regrade sees the same ones."""
    first, second = (grade(submission(SOFTMAX, UNSCALED), sandbox, SECRET) for _ in range(2))
    assert first == second


def test_without_a_sandbox_the_result_is_stamped():
    """`none` works by name only, and every ledger says so."""
    ledger = grade(submission(SOFTMAX), find_sandbox("none"), SECRET)
    assert (ledger.sandbox, ledger.points) == ("none", 3)


def test_own_seeds_differ_by_student_and_all_by_task_and_secret():
    """Nobody can foresee a seed without the course's secret; a regrade gets it again."""
    ada, bob = submission(student="ada"), submission(student="bob")
    found = [seeds(SECRET, ada, "a"), seeds(SECRET, bob, "a"), seeds(SECRET, ada, "b"), seeds(b"other", ada, "a")]
    assert len({own for _, own in found}) == 4
    assert found[0][0] == found[1][0]
    assert len({shared for shared, _ in found}) == 3
    assert seeds(SECRET, ada, "a") == found[0]
    assert all(0 <= seed < 2**56 for pair in found for seed in pair)


@pytest.mark.sandbox
@pytest.mark.parametrize("sandbox", ["bwrap"], indirect=True)
def test_an_answer_that_knows_the_inputs_of_another_learner_by_heart_fails(sandbox):
    """Most inputs are the whole class's, and somebody may get hold of all of them: a learner's own still tell."""
    task = load("06_scaling")["scaling.additive_bound"]
    known = {}

    def remembers(v):
        known[v.tobytes()] = float(abs(v).sum(dtype=float))
        return known[v.tobytes()]

    shared, own = seeds(SECRET, submission(student="ada"), task.id)
    assert report(task, Local(remembers), shared, own).state is State.RIGHT
    table = f"known = {known!r}\ndef additive_score_bound(v):\n    return known.get(v.tobytes(), 0.0)"
    ada, bob = (grade(submission(table, student=name), sandbox, SECRET) for name in ("ada", "bob"))
    assert by_task(ada)["additive_bound"].points == 1
    assert by_task(bob)["additive_bound"].points == 0


def test_a_written_answer_waits_for_a_person_and_an_empty_one_is_zero():
    """Only an answer that was written needs manual grading."""
    sandbox = find_sandbox("none")
    written = by_task(grade(submission(written=(("scaling.proof", "text", True),)), sandbox, SECRET))["proof"]
    empty = by_task(grade(submission(written=(("scaling.proof", "", False),)), sandbox, SECRET))["proof"]
    assert (written.manual, written.points, written.report.state) == (True, 0, State.NOT_VERIFIABLE)
    assert (empty.manual, empty.points, empty.report.state) == (False, 0, State.NOT_ATTEMPTED)


def a_ledger(student: str, fingerprint: str = "f", points: float = 1.0) -> Ledger:
    """A ledger with one result."""
    return Ledger(
        student,
        "06_scaling",
        fingerprint,
        "g-1",
        "bwrap",
        (Result(Report("t.a", "a", State.RIGHT, 1.0), points, 2.0),),
        ("a remark",),
    )


def test_the_journal_gives_back_what_was_appended(tmp_path):
    """Ledgers survive JSON, the latest of a key wins, and the order is that of the last time."""
    path = tmp_path / "journal" / "x.jsonl"
    for ledger in (a_ledger("ada"), a_ledger("bob"), a_ledger("ada", points=2.0)):
        journal.append(path, ledger)
    assert list(journal.read(path).values()) == [a_ledger("bob"), a_ledger("ada", points=2.0)]


def test_a_journal_cut_off_in_the_middle_of_a_line_loses_that_line_only(tmp_path):
    """What a kill leaves behind is read, and the next append starts on a line of its own."""
    path = tmp_path / "x.jsonl"
    journal.append(path, a_ledger("ada"))
    whole = json.dumps(a_ledger("bob").to_json())
    with path.open("a", encoding="utf-8") as file:
        file.write(whole[: len(whole) // 2])
    assert list(journal.read(path).values()) == [a_ledger("ada")]
    journal.append(path, a_ledger("cy"))
    assert list(journal.read(path).values()) == [a_ledger("ada"), a_ledger("cy")]


def test_a_missing_journal_is_empty(tmp_path):
    """The first run starts from nothing."""
    assert journal.read(tmp_path / "none.jsonl") == {}


def test_an_edited_task_makes_another_version_of_the_grader(monkeypatch, tmp_path):
    """Old lines of the journal must not answer for a grader that has changed."""
    judge = importlib.import_module("autograder.judge.judge")
    package = Path(judge.__file__).parents[1]
    for folder in ("autograder/checking", "autograder/tasks", "autograder/judge", "attn_core"):
        shutil.copytree(package.parent / folder, tmp_path / folder)
    monkeypatch.setattr(judge, "__file__", str(tmp_path / "autograder/judge/judge.py"))
    before = judge._digest()
    assert judge._digest() == before
    task = tmp_path / "autograder/tasks/06_scaling/softmax.py"
    task.write_text(task.read_text() + "# a word more\n")
    assert judge._digest() != before
