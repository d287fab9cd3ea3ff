"""Tests of the tests: a judge or a sandbox that is broken on purpose must let attacks succeed, and that must be seen.

Only harmless payloads run here without a sandbox: they read the test's own course, write a marked file into the test's own
folder, or return arrays.
"""

import os
import signal
import socket
import subprocess
import sys

import numpy as np
import pytest
from attack import FILES, NOTHING_GOT, Attack
from grading import Class, entered, grade_theme, listening, row_text, traces
from pages_seen import Tags
from payloads import THEMES
from payloads.pages import EVIL

from autograder.checking import engine
from autograder.checking.engine import Local
from autograder.curriculum import Tree
from autograder.judge import judge, process

WRITES = Attack("T1", "Write a file", FILES, before="open('@OUTSIDE@/@MARK@', 'w').close()")


def attack(id: str) -> Attack:
    """The attack of this number."""
    return next(a for attacks in THEMES.values() for a in attacks if a.id == id)


@pytest.fixture
def broken(tmp_path):
    """A class of these attacks, graded without a sandbox, by whatever has been broken before."""

    def run(*attacks: Attack) -> Class:
        (tmp_path / "base").mkdir()
        (tmp_path / "class").mkdir()
        return grade_theme(entered(tmp_path / "base"), tmp_path / "class", attacks, "none")

    return run


def text_of(class_: Class, id: str) -> str:
    """What the row of an attack says."""
    return row_text(class_.rows[class_.students[id]])


def test_without_a_sandbox_probes_find_the_secret_and_files_are_left(broken):
    """What the sandbox stops is real: without it the same payloads succeed, and rows and traces show it."""
    class_ = broken(attack("P1"), attack("17"), WRITES)
    for id in ("P1", "17"):
        assert NOTHING_GOT not in text_of(class_, id)
        assert "read(" in text_of(class_, id)
    assert [trace.partition(":")[0] for trace in class_.traces] == ["file"]
    assert class_.mark in class_.traces[0]


def test_a_daemon_is_seen_when_nothing_stops_it(broken):
    """Row 29 without a sandbox: its process is found by its name; it is then ended here."""
    class_ = broken(attack("29"))
    pids = [int(trace.split()[1]) for trace in class_.traces if trace.startswith("process:")]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    assert pids


class InProcess(Local):
    """A judge without a wall: it runs the learner's function in its own process."""

    def __init__(self, _: process.Player, function: str) -> None:
        space: dict[str, object] = {"np": np}
        exec(attack("12").softmax, space)  # noqa: S102 - the harmless payload of row 12
        super().__init__(space[function] if function in space else space["softmax"])  # type: ignore[arg-type]  # a function


def test_a_judge_in_the_learners_process_gives_its_knowledge_away(broken, monkeypatch):
    """Row 12 finds the task and its reference in the frames of its callers as soon as they share a process."""
    monkeypatch.setattr(judge, "Remote", InProcess)
    class_ = broken(attack("12"))
    assert "got ['task'" in text_of(class_, "12")


def test_a_comparison_that_lets_nan_pass_is_seen(broken, monkeypatch):
    """A25 returns nothing but NaN and infinity; with the classic wrong comparison it earns points."""

    def classic(seen, expected, _dtype=None):
        with np.errstate(all="ignore"):
            gap = np.abs(np.asarray(seen.value, float) - np.asarray(expected.value, float))
        return engine.compare_leaf if (gap[np.isfinite(gap)] > 1e-6).any() else None

    monkeypatch.setattr(engine, "compare", classic)
    monkeypatch.setattr(engine, "_properties", lambda *_: iter(()))
    class_ = broken(attack("A25"))
    assert class_.rows[class_.students["A25"]].ledger.points > attack("A25").earns


class Shared:
    """A pool that saves the time of a new process: all learners get the same player."""

    player: process.Player | None = None

    def __new__(cls, sandbox, limits, words=()):
        """The one player, which nobody can close."""
        if cls.player is None:
            cls.player = process.Player(sandbox, limits, words)
            cls.player.close = dict  # type: ignore[method-assign]  # that is how it is broken
        return cls.player


def test_a_shared_process_affects_the_next_learner(broken, monkeypatch):
    """L11 patches the libraries in memory; in a shared process L12 and the honest learners notice."""
    monkeypatch.setattr(judge, "Player", Shared)
    class_ = broken(attack("L11"), attack("L12"))
    assert NOTHING_GOT not in text_of(class_, "L12")
    assert class_.rows["00"].ledger.points > class_.rows[class_.neighbours[-1]].ledger.points


def test_the_search_for_traces_sees_files_processes_sockets_and_connections(tmp_path):
    """One of each, made here."""
    tree, mark = Tree(tmp_path, tmp_path / "course"), "attn-trace-test"
    (tmp_path / "course").mkdir()
    assert traces(mark, (), tree) == []
    (tmp_path / "course" / f"{mark}.txt").touch()
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", mark])
    with socket.socket(socket.AF_UNIX) as server, listening(mark) as (port, received):
        server.bind(f"\0{mark}")
        found = traces(mark, (), tree)
        with socket.create_connection(("127.0.0.1", port)), socket.socket(socket.AF_UNIX) as client:
            client.connect(f"\0{mark}-teacher")
            client.recv(1)
    sleeper.kill()
    sleeper.wait()
    assert [trace.partition(":")[0] for trace in found] == ["file", "process", "socket"]
    assert "abstract Unix socket" in received


def test_the_reader_of_pages_sees_scripts_handlers_and_links():
    """What it must find in a page that escapes nothing."""
    seen = Tags()
    seen.feed(f"<p>{EVIL}<a href=' JavaScript:alert(1)'>x</a></p>")
    assert [found.partition("=")[0] for found in seen.suspicious] == [
        "<script>",
        "<img>",
        "img src",
        "img onerror",
        "<svg>",
        "svg onload",
        "a href",
    ]
