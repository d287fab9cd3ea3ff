"""Every limit is an error where it happens, or ends the player with the reason; the judge goes on."""

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from autograder.checking.probe import Request
from autograder.judge.limits import Limits
from autograder.judge.process import Player, PlayerDied

pytestmark = pytest.mark.sandbox
SHORT = Limits(call_seconds=2.0, load_seconds=30.0)


@pytest.fixture
def player(sandbox):
    """A fresh player."""
    with Player(sandbox, SHORT) as player:
        yield player


def test_memory_has_a_limit(sandbox):
    """A memory bomb is an error in the learner's line, not a problem of the machine."""
    with Player(sandbox, Limits(memory_bytes=2 << 30)) as player:
        player.load([("f", "def f(x):\n    return b'x' * (4 << 30)")])
        assert player.observe("f", Request((1,))).crash.kinds[0] == "MemoryError"


def test_new_processes_are_refused_unless_the_course_allows_them(sandbox):
    """Threads are no processes; a fork is an error in the learner's line, not a bomb."""
    fork = [("fork", "import subprocess\nsubprocess.run(['true'])")]
    threads = [("threads", "import threading\nt = threading.Thread(target=int)\nt.start(); t.join()")]
    with Player(sandbox, SHORT) as player:
        assert "Operation not permitted" in player.load(fork)["fork"]
        assert player.load(threads) == {}
    with Player(sandbox, replace(SHORT, processes=4)) as player:
        assert player.load(fork) == {}


def test_a_child_process_does_not_outlive_the_player(sandbox):
    """Where processes are allowed, killing the player kills all that it started."""
    command = ["sleep", f"4321.{os.getpid()}"]  # no other process of this machine has the same

    def running():
        return [p for p in Path("/proc").iterdir() if p.name.isdigit() and _command(p) == command]

    with Player(sandbox, replace(SHORT, processes=4)) as player:
        assert player.load([("bg", f"import subprocess\nsubprocess.Popen({command}, start_new_session=True)")]) == {}
        assert _soon(lambda: len(running()) == 1)
    assert _soon(lambda: running() == [])


@pytest.mark.parametrize(
    ("limits", "code", "error"),
    [
        (
            {"threads": 8},
            "import threading\nfor _ in range(50): threading.Thread(target=e.wait, daemon=True).start()",
            "RuntimeError",
        ),
        ({"open_files": 32}, "kept = [open('/dev/null') for _ in range(50)]", "OSError"),
        ({"file_bytes": 1 << 20}, "with open('big', 'wb') as f: f.write(bytes(1 << 21))", "OSError"),
        ({"disk_bytes": 1 << 20}, "for i in range(9): open(f'{i}', 'wb').write(bytes(1 << 18))", "OSError"),
    ],
    ids=["threads", "open files", "file size", "disk"],
)
def test_every_limit_is_an_error_in_the_learners_own_line(sandbox, limits, code, error):
    """Threads, open files, one large file and a full home: each raises where it happens, and the player goes on."""
    with Player(sandbox, replace(SHORT, **limits)) as player:
        errors = player.load([("hit", f"import threading\ne = threading.Event()\n{code}")])
        assert errors["hit"].startswith(error)
        assert player.load([("after", "def f(x): return x")]) == {}


def test_processor_time_has_a_limit(sandbox):
    """More CPU seconds than allowed end the player, with the reason."""
    with Player(sandbox, replace(SHORT, call_seconds=20.0, cpu_seconds=1)) as player:
        player.load(
            [("f", "import signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\ndef f(x):\n    while True: pass")]
        )
        with pytest.raises(PlayerDied, match=r"It used more than 1 seconds of processor time\."):
            player.observe("f", Request((1,)))


def test_all_calls_of_a_task_share_a_time_limit(sandbox):
    """A function that always takes almost as long as a call may take costs a minute, not an hour."""
    with Player(sandbox, replace(SHORT, task_seconds=1.0)) as player:
        player.load([("f", "import time\ndef f(x): time.sleep(0.4); return x")])
        player.allow(1.0)
        assert player.observe("f", Request((1,))).value == player.observe("f", Request((1,))).value == 1
        with pytest.raises(PlayerDied, match="It did not finish in time: all its calls together may take 1 seconds"):
            player.observe("f", Request((1,)))


def test_a_flood_of_output_is_not_kept(player):
    """What a learner prints costs time, never memory."""
    player.load([("f", "import sys\ndef f(x):\n    for _ in range(300): print('x' * 10_000_000)\n    return x")])
    assert player.observe("f", Request((1,))).printed


def _soon(holds, seconds: float = 5.0) -> bool:
    """Wait for it: a process shows its command line a moment after it starts, and is gone a moment after it ends."""
    end = time.monotonic() + seconds
    while not holds() and time.monotonic() < end:
        time.sleep(0.02)
    return holds()


def _command(process: Path) -> list[str]:
    try:
        return (process / "cmdline").read_text(errors="replace").split("\0")[:-1]
    except OSError:
        return []
