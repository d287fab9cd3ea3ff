"""kill −9 at any moment, then the same command again: the result is that of a run that nobody interrupted."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest

from autograder.classroom.demo import make_sample_class
from autograder.classroom.grading import grade_class
from autograder.curriculum import Tree
from autograder.judge import journal
from autograder.judge.sandbox import SandboxError, find_sandbox
from tests.durability.classes import PROJECT, SLUG, copied, differing, fake_pool, hand_in_class, make_course, state

MOMENTS = 25
IN_THE_RELEASE = 4  # of them begin without a gradebook, so that nbgrader's release step is killed too
CLASS = 12
LEARNERS = ("dmitri_volkov", "elif_demir", "hana_sato", "mira_castellanos", "noah_brandt", "tomasz_wilk")  # real ones


class Killer:
    """The program that grades and kills."""

    def __init__(self) -> None:
        environment = os.environ | {"PYTHONPATH": str(PROJECT)}
        command = [sys.executable, "-m", "tests.durability.killer"]
        self.process = subprocess.Popen(
            command, cwd=PROJECT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __call__(self, tree: Tree, seconds: float | None = None) -> dict:
        """Grade in `tree` and kill after `seconds`."""
        print(json.dumps({"root": str(tree.root), "seconds": seconds}), file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())

    def close(self) -> None:
        """End it."""
        self.process.communicate()


@pytest.fixture(scope="module")
def killer():
    """One for all moments: its start costs seconds."""
    found = Killer()
    yield found
    found.close()


@pytest.mark.parametrize("begins", ["with a gradebook", "without a gradebook"])
def test_a_killed_run_ends_like_an_uninterrupted_one(released, killer, tmp_path, begins):
    """At seeded random moments the whole process group is killed; gradebook, pages, notebooks and exports are equal."""
    draw = random.Random(20_260 + len(begins))
    fresh = released
    if begins == "without a gradebook":
        (tmp_path / "fresh").mkdir()
        fresh = make_course(tmp_path / "fresh", release=False)
    start = copied(fresh, tmp_path / "start")
    hand_in_class(start, CLASS)
    reference = copied(start, tmp_path / "reference")
    timed = killer(reference)
    assert timed["ended"] == "done"
    expected = state(reference)
    assert len(expected["journal"]) == CLASS
    killed = 0
    for moment in range(MOMENTS - IN_THE_RELEASE if begins == "with a gradebook" else IN_THE_RELEASE):
        tree = copied(start, tmp_path / f"moment{moment}")
        seconds = draw.uniform(0, timed["seconds"])
        killed += killer(tree, seconds)["ended"] == "killed"
        assert killer(tree)["ended"] == "done", seconds
        assert state(tree) == expected, seconds
        shutil.rmtree(tree.root)
    assert killed > 0


def test_a_journal_that_was_cut_anywhere_is_completed(released, tmp_path):
    """What a killed append can leave: any number of the last bytes is missing."""
    draw = random.Random(3)
    tree = copied(released, tmp_path)
    hand_in_class(tree, 6)
    with fake_pool():
        grade_class(tree, SLUG, "none")
        expected, whole = state(tree), tree.journal(SLUG).read_bytes()
        for cut in (0, 1, len(whole) - 1, *(draw.randrange(len(whole)) for _ in range(8))):
            tree.journal(SLUG).write_bytes(whole[:cut])
            grade_class(tree, SLUG, "none")
            assert differing(state(tree), expected) == {}, cut


@pytest.mark.sandbox
def test_the_real_command_resumes_after_being_killed(tmp_path):
    """`attn grade` with its pool and its sandbox, killed twice in a row while players are at work."""
    try:
        find_sandbox("bwrap")
    except SandboxError as error:
        pytest.skip(f"needs bubblewrap: {error}")
    start = make_course(tmp_path)
    shutil.copytree(Tree(PROJECT, PROJECT).sample_class(SLUG), start.sample_class(SLUG))
    make_sample_class(start.demonstration(), SLUG)
    for name in LEARNERS:
        shutil.copytree(start.demonstration().course / "submitted" / name, start.course / "submitted" / name)
    shutil.rmtree(start.demonstration().course)
    start, interrupted = Tree(tmp_path, tmp_path / "course"), Tree(tmp_path, tmp_path / "interrupted")
    shutil.copytree(start.course, interrupted.course)
    assert attn(start).wait(timeout=120) == 0
    for already in (1, 3):
        running = attn(interrupted)
        deadline = time.monotonic() + 90
        while len(journal.read(interrupted.journal(SLUG))) < already and time.monotonic() < deadline:
            assert running.poll() is None
            time.sleep(0.02)
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
    between = len(journal.read(interrupted.journal(SLUG)))
    assert 3 <= between < len(LEARNERS)
    assert attn(interrupted).wait(timeout=120) == 0
    assert differing(state(interrupted), state(start)) == {}


def attn(tree: Tree) -> subprocess.Popen:
    """`attn grade` as a teacher starts it, in a process group of its own."""
    environment = os.environ | {"PYTHONPATH": str(PROJECT), "ATTN_COURSE": str(tree.course)}
    command = [sys.executable, "-m", "autograder", "grade", SLUG, "--workers", "2"]
    return subprocess.Popen(command, cwd=tree.root, env=environment, stdout=subprocess.DEVNULL, start_new_session=True)
