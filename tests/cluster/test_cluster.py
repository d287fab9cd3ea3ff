"""A real Dask cluster grades: the same results as here, whatever happens to its workers and its scheduler."""

import builtins
import logging
import os
import random
import signal
import time
from collections import Counter
from io import StringIO

import pytest
from rich.console import Console

from autograder.classroom.grading import cluster_judge, grade_class, grade_each
from autograder.classroom.show import run_and_show
from autograder.curriculum import CurriculumError, Tree
from autograder.judge import cluster, journal
from autograder.judge.cluster import ClusterError, grade_on_cluster
from autograder.judge.judge import version
from autograder.judge.ledger import Submission
from autograder.judge.limits import Limits
from tests.durability.classes import SLUG, copied, differing, fake_ledger, fake_pool, hand_in_class, state

distributed = pytest.importorskip("distributed", reason="needs the extra `cluster`")
pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::DeprecationWarning"
)  # Dask's own, at its end


def fake_batch(batch, sandbox, *_):
    """What a worker does, without players: slowly enough to be killed in the middle. Pickled by value."""
    from autograder.judge import cluster as on_worker
    from tests.durability.classes import fake_ledger as fake

    time.sleep(0.05)
    return [fake(on_worker._submission(data), sandbox).to_json() for data in batch]


def poisoned(batch, sandbox, *_):
    """A submission that ends every worker that touches it."""
    if any(data["student"] == "s0003" for data in batch):
        os._exit(1)
    return fake_batch(batch, sandbox)


@pytest.fixture(scope="module")
def dask():
    """Two workers, each a process with one thread, on this machine."""
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", silence_logs=logging.CRITICAL
    ) as found:
        yield found


@pytest.fixture
def course(released, tmp_path) -> Tree:
    """Forty submissions."""
    tree = copied(released, tmp_path / "course")
    hand_in_class(tree, 40)
    return tree


@pytest.fixture
def expected(released, tmp_path) -> dict:
    """What one machine makes of them."""
    tree = copied(released, tmp_path / "expected")
    hand_in_class(tree, 40)
    with fake_pool():
        grade_class(tree, SLUG, "none")
    return state(tree)


@pytest.fixture
def fake(monkeypatch):
    """The workers hash instead of judging."""
    monkeypatch.setattr(cluster, "grade_batch", fake_batch)
    monkeypatch.setattr(cluster, "examined", answering((version(), "")))
    monkeypatch.setattr(cluster, "BATCH", 3)


def students(tree: Tree) -> list[str]:
    """Everyone."""
    return list(tree.students(SLUG))


def grade(tree: Tree, address: str) -> list:
    """A grading on the cluster."""
    return list(grade_each(tree, SLUG, students(tree), cluster_judge(tree, SLUG, "none", address, print)))


def lines(tree: Tree) -> int:
    """How often anything was written into the journal."""
    return len(tree.journal(SLUG).read_bytes().splitlines())


def kill_a_worker(dask) -> None:
    """kill −9 a worker's process."""
    with distributed.Client(dask.scheduler_address, set_as_default=False) as client:
        process = random.choice(sorted(client.run(os.getpid).values()))
        os.kill(process, signal.SIGKILL)


@pytest.mark.usefixtures("fake")
def test_a_cluster_gives_what_one_machine_gives(dask, course, expected):
    """Gradebook, pages, notebooks and exports are equal; every key stands in the journal once."""
    assert len(grade(course, dask.scheduler_address)) == 40
    assert differing(state(course), expected) == {}
    assert lines(course) == 40
    assert grade(course, "tcp://127.0.0.1:1")  # all is in the journal, so no cluster is asked


@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize("after", [1, 17])
def test_a_worker_that_is_killed_loses_nothing_and_nothing_counts_twice(dask, course, expected, monkeypatch, after):
    """A real SIGKILL in mid-run; what that worker held, at work or done, goes to another one."""
    lost, real = [], cluster._Run._lose
    monkeypatch.setattr(cluster._Run, "_lose", lambda self, batch: (lost.append(batch), real(self, batch)))
    monkeypatch.setattr(cluster, "FETCH", 1.0)
    judge = cluster_judge(course, SLUG, "none", dask.scheduler_address, print)
    for number, _ in enumerate(grade_each(course, SLUG, students(course), judge), 1):
        if number == after:
            kill_a_worker(dask)
    assert lost
    assert differing(state(course), expected) == {}
    assert Counter(found.student for found in journal.read(course.journal(SLUG)).values()) == Counter(students(course))
    assert lines(course) == 40


@pytest.mark.usefixtures("fake")
def test_what_kills_every_worker_costs_one_row(dask, course, monkeypatch):
    """The others are graded; that one waits for a person, and the next run tries again."""
    monkeypatch.setattr(cluster, "grade_batch", poisoned)
    rows = {row.ledger.student: row for row in grade(course, dask.scheduler_address)}
    assert len(rows) == 40
    assert {name for name, row in rows.items() if row.ledger.grader.startswith("failed")} == {"s0003"}
    assert "The grader itself failed here" in rows["s0003"].ledger.reason
    monkeypatch.setattr(cluster, "grade_batch", fake_batch)
    again = {row.ledger.student: row.ledger.grader for row in grade(course, dask.scheduler_address)}
    assert not [name for name, grader in again.items() if grader.startswith("failed")]


@pytest.mark.usefixtures("fake")
def test_a_scheduler_that_goes_is_said_and_the_rest_is_graded_later(course, expected, monkeypatch):
    """One sentence; what came back before is in the journal."""
    monkeypatch.setattr(cluster, "PATIENCE", 1.0)
    options = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": ":0", "silence_logs": logging.CRITICAL}
    other = distributed.LocalCluster(processes=True, **options)
    graded = grade_each(
        course, SLUG, students(course), cluster_judge(course, SLUG, "none", other.scheduler_address, print)
    )
    for _ in range(5):
        next(graded)
    other.close()
    with pytest.raises(CurriculumError, match=r"The scheduler tcp://.* is gone\. .*run the same command again"):
        list(graded)
    assert 5 <= lines(course) < 40
    with fake_pool():
        grade_class(course, SLUG, "none")
    assert differing(state(course), expected) == {}
    assert lines(course) == 40


@pytest.mark.sandbox
def test_the_real_judge_on_a_worker_gives_the_ledgers_that_it_gives_here(dask, bubblewrap):
    """Plain data crosses, the sandbox and its self-test run there, and the learner's code runs in a player."""
    from autograder.judge.judge import grade as grade_here
    from autograder.judge.ledger import Cell
    from autograder.judge.sandbox import find_sandbox

    source = "import os\nimport numpy as np\ndef softmax(scores, axis=-1):\n    e = np.exp(scores)\n    return e / e.sum(axis, keepdims=True)\n"
    sent = [Submission(name, SLUG, (Cell("a", source),), (("scaling.proof", "Because.", True),), name) for name in "ab"]
    found = list(grade_on_cluster(dask.scheduler_address, iter(sent), bubblewrap, bytes(32), Limits()))
    expected = [grade_here(submission, find_sandbox(bubblewrap), bytes(32)) for submission in sent]
    assert sorted(found, key=lambda ledger: ledger.student) == expected
    assert expected[0].results[0].report.mistake == "exponentiates without subtracting the maximum"


REFUSALS = {
    "a sandbox that leaks": (
        ("g1", "The sandbox bwrap leaks, so nothing was graded. A player could: read"),
        "could: read.",
    ),
    "another version": (("g0", ""), "its grader is g0, this one is g1. Install the same version there."),
}


@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize(("answer", "sentence"), REFUSALS.values(), ids=REFUSALS)
def test_an_unfit_worker_is_refused_with_a_sentence(dask, course, monkeypatch, answer, sentence):
    """No batch goes to it; when none is left, nothing is graded."""
    monkeypatch.setattr(cluster, "version", lambda: "g1")
    monkeypatch.setattr(cluster, "examined", answering(answer))
    said: list[str] = []
    judge = cluster_judge(course, SLUG, "none", dask.scheduler_address, said.append)
    with pytest.raises(CurriculumError, match=r"No worker of tcp://.* may grade") as caught:
        list(grade_each(course, SLUG, students(course), judge))
    assert sentence in str(caught.value)
    assert said
    assert all(line.startswith("Refused the worker tcp://") and sentence in line for line in said)
    assert not course.journal(SLUG).exists()


def answering(answer):
    """An examination with this result."""
    return lambda _sandbox: answer


def test_a_worker_without_the_curriculum_is_refused(dask, course, monkeypatch):
    """Whatever it raises is its reason."""

    def missing(_sandbox):
        raise ModuleNotFoundError("No module named 'autograder'")

    monkeypatch.setattr(cluster, "examined", missing)
    with pytest.raises(CurriculumError, match=r"cannot grade \(ModuleNotFoundError: No module named 'autograder'\)"):
        grade(course, dask.scheduler_address)


def test_a_cluster_without_workers_is_said(course, monkeypatch):
    """After a while, with the command that starts one."""
    monkeypatch.setattr(cluster, "PATIENCE", 0.5)
    options = {"n_workers": 0, "dashboard_address": ":0", "silence_logs": logging.CRITICAL}
    message = r"has had no worker for 0\.5 s\. Start some: `dask worker tcp://"
    with distributed.LocalCluster(processes=True, **options) as empty, pytest.raises(CurriculumError, match=message):
        grade(course, empty.scheduler_address)


@pytest.mark.usefixtures("fake")
def test_submissions_are_taken_as_workers_need_them(dask, monkeypatch):
    """A class is never in memory as a whole: at most what the workers hold is ahead of the results."""
    monkeypatch.setattr(cluster, "BATCH", 2)
    taken = 0

    def endless():
        nonlocal taken
        while True:
            taken += 1
            yield Submission(f"s{taken}", SLUG, (), fingerprint=str(taken))

    graded = grade_on_cluster(dask.scheduler_address, endless(), "none", bytes(32), Limits())
    for number in range(1, 60):
        found = next(graded)
        assert found == fake_ledger(Submission(found.student, SLUG, (), fingerprint=found.student[1:]))
        assert taken - number <= 2 * 2 * cluster.AHEAD
    graded.close()


def test_no_scheduler_and_no_package_are_said(monkeypatch):
    """With what to do."""
    monkeypatch.setattr(cluster, "CONNECT", 0.5)
    submissions = iter([Submission("ada", SLUG, ())])
    with pytest.raises(
        ClusterError, match=r"There is no Dask scheduler at nowhere:99999: .*Start one with `dask scheduler`"
    ):
        list(grade_on_cluster("nowhere:99999", submissions, "none", bytes(32), Limits()))
    real = builtins.__import__

    def without(name, *arguments, **options):
        if name == "distributed":
            raise ModuleNotFoundError(name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ClusterError, match=r"needs the extra `cluster`: pip install 'attn-curriculum\[cluster\]'"):
        list(grade_on_cluster("tcp://127.0.0.1:1", submissions, "none", bytes(32), Limits()))


@pytest.mark.usefixtures("fake")
def test_the_command_grades_on_a_cluster(dask, course):
    """`attn grade --cluster`: the same table, and nothing about a sandbox of this machine."""
    printed = StringIO()
    console = Console(file=printed, width=160)
    assert run_and_show(SLUG, "none", (), None, False, console, course, cluster=dask.scheduler_address) == 0
    assert "s0001" in printed.getvalue()
    assert "Sandbox none" not in printed.getvalue()


@pytest.fixture(scope="session")
def bubblewrap() -> str:
    """The name of the sandbox, or the reason why there is none."""
    from autograder.judge.sandbox import SandboxError, find_sandbox

    try:
        return find_sandbox("bwrap").name
    except SandboxError as error:
        pytest.skip(f"needs bubblewrap: {error}")
