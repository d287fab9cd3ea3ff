"""What a teacher sees while grading: rate and time left, a short log, how to go on after Ctrl-C, and what is missing."""

import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
from io import StringIO

import pytest
from rich.console import Console

from autograder.classroom import show
from autograder.classroom.grading import Roll
from autograder.classroom.progress import Meter
from autograder.classroom.show import Row, left_out, locations, run_and_show
from autograder.judge import journal
from tests.durability.classes import PROJECT, SLUG, copied, fake_pool, hand_in, hand_in_class, make_course, rows


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    """A released course; tests take copies."""
    return make_course(tmp_path_factory.mktemp("released"))


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """The time."""
        return self.now


def counted(total: int, each: float) -> list[str]:
    """The lines of a log in which a submission takes `each` seconds."""
    clock, printed = Clock(), StringIO()
    with Meter(Console(file=printed, width=200), total, "graded", clock) as meter:
        for _ in range(total):
            clock.now += each
            meter.tick()
    return printed.getvalue().splitlines()


def test_a_log_of_a_large_class_is_short_and_says_rate_and_time_left():
    """2,000 submissions at 25 a second: a line for every 5 %."""
    lines = counted(2000, 0.04)
    assert len(lines) == 20
    assert lines[0] == "graded: 100 of 2000, 25.0/s, 0:01:16 left"
    assert lines[-1] == "graded: 2000 of 2000, 25.0/s"


def test_a_fast_class_prints_at_most_a_line_a_second():
    """2,000 in two seconds are two or three lines."""
    assert len(counted(2000, 0.001)) <= 3
    assert counted(3, 0.0) == ["graded: 3 of 3"]


def test_the_rate_is_that_of_the_last_half_minute():
    """What the journal gives at once says nothing about the rest."""
    clock, printed = Clock(), StringIO()
    with Meter(Console(file=printed, width=200), 2000, "graded", clock) as meter:
        for number in range(1500):
            clock.now += 0.0001 if number < 1000 else 0.5
            meter.tick()
    assert printed.getvalue().splitlines()[-1] == "graded: 1402 of 2000, 2.0/s, 0:04:59 left"


def test_a_terminal_shows_a_bar_with_rate_and_time_left():
    """And prints no line per submission."""
    printed = StringIO()
    with Meter(Console(file=printed, width=100, force_terminal=True), 4, "graded") as meter:
        for _ in range(3):
            time.sleep(0.02)
            meter.tick()
        meter._bar.refresh()
    assert "3/4" in printed.getvalue()
    assert re.search(r"\d+\.\d/s.*0:00:0\d.* left", printed.getvalue())


def text_of(tree, students=()) -> str:
    """What a grading prints."""
    printed = StringIO()
    with fake_pool():
        assert run_and_show(SLUG, "none", students, None, False, Console(file=printed, width=160), tree) == 0
    return printed.getvalue()


def test_whose_folder_is_gone_and_whose_name_is_odd_are_named(released, tmp_path):
    """Nothing is left out in silence; a grading of one student does not mention the others."""
    tree = copied(released, tmp_path)
    hand_in_class(tree, 3)
    assert "folders are gone" not in text_of(tree)
    shutil.rmtree(tree.submission("s0001", SLUG).parent)
    tree.submission("a\x1bb", SLUG).parent.mkdir(parents=True)
    text = text_of(tree)
    assert "Graded before, but their folders are gone: s0001. Their grades stay." in text
    assert "Left out: the folder 'a\\ufffdb' cannot be a student's name" in text
    assert "gone" not in text_of(tree, ["s0000"])


def test_a_large_class_is_summed_up(released, tmp_path, monkeypatch):
    """The table has only those that could not be graded; the rest is in grades.csv."""
    monkeypatch.setattr(show, "LONGEST_TABLE", 5)
    tree = copied(released, tmp_path)
    hand_in_class(tree, 6)
    text = text_of(tree)
    assert "s0005" in text
    assert "s0004" not in text
    assert re.search(r"6 graded: \d+\.\d\d of 20 points on average, 1 could not be graded\.", text)


def test_what_a_row_holds_is_said_once():
    """Where to look next; nothing about sandboxes when there was one."""
    row = Row("ada", 3, 20, 5, True, "why", False, "bwrap")
    from autograder.curriculum import Tree

    lines = locations(Tree(PROJECT, PROJECT / "course"), SLUG, [row])
    assert any("1 submissions hold work that waits" in line for line in lines)
    assert not any("WITHOUT A SANDBOX" in line for line in lines)
    assert list(left_out(Roll(["ada"], []))) == []


SLOW = """
import sys, time
from pathlib import Path
from autograder.classroom import grading
from autograder.classroom.show import run_and_show
from autograder.curriculum import Tree
from tests.durability.classes import SLUG, fake_ledger

def slowly(submissions, *_, **__):
    for submission in submissions:
        time.sleep(0.1)
        yield fake_ledger(submission)

grading.grade_all = slowly
sys.exit(run_and_show(SLUG, "none", (), None, False, tree=Tree(Path(sys.argv[1]), Path(sys.argv[1]) / "course")))
"""


@pytest.mark.parametrize("terminal", [True, False], ids=["terminal", "log"])
def test_ctrl_c_says_how_to_go_on_and_loses_nothing(released, tmp_path, terminal):
    """A real SIGINT in the middle: exit code 130, one sentence, and the next run judges only the rest."""
    tree = copied(released, tmp_path)
    for number in range(30):
        hand_in(tree, f"s{number:02d}", f"{number}")
    leader, follower = pty.openpty()
    running = subprocess.Popen(
        [sys.executable, "-c", SLOW, str(tree.root)],
        cwd=PROJECT,
        env=os.environ | {"PYTHONPATH": str(PROJECT), "COLUMNS": "120", "TERM": "xterm"},
        stdin=subprocess.DEVNULL,
        stdout=follower if terminal else subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    os.close(follower)
    deadline = time.monotonic() + 60
    while len(journal.read(tree.journal(SLUG))) < 4 and time.monotonic() < deadline:
        assert running.poll() is None
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    printed = read_all(leader) if terminal else running.stdout.read().decode()
    assert running.wait(timeout=20) == 130, printed
    os.close(leader)
    if running.stdout:
        running.stdout.close()
    told = re.search(
        r"Stopped: (\d+) of 30 are graded and written\. Nothing is lost: `attn grade 06_scaling --sandbox none` goes on",
        printed,
    )
    assert told, printed
    assert "Traceback" not in printed
    kept = len(journal.read(tree.journal(SLUG)))
    assert 3 <= kept < 30  # the fourth may be seen before it is forced to the disk, and is then taken back
    assert int(told[1]) in (kept - 1, kept)  # one may be judged and not written yet
    other = copied(released, tmp_path / "uninterrupted")
    shutil.copytree(tree.course / "submitted", other.course / "submitted")
    text_of(tree)
    text_of(other)
    assert rows(tree.gradebook) == rows(other.gradebook)
    assert len(tree.journal(SLUG).read_bytes().splitlines()) == 30


def read_all(leader: int) -> str:
    """All that a program wrote into its terminal."""
    found = b""
    while True:
        try:
            part = os.read(leader, 4096)
        except OSError:  # the other side is closed
            return found.decode()
        if not part:
            return found.decode()
        found += part
