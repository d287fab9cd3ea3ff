"""Runs `attn grade` in a process group of its own and kills it after a while, again and again. A program: see test_kill.

It imports everything once and forks, so that a moment is one of grading and not of importing.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from pathlib import Path

from rich.console import Console

from autograder.classroom.show import run_and_show
from autograder.curriculum import Tree
from tests.durability.classes import SLUG, fake_pool


def grade(root: Path) -> None:
    """What the child does: the command's own function, with the judge that only hashes."""
    with fake_pool(), open(os.devnull, "w") as nothing:
        console = Console(file=nothing)
        run_and_show(SLUG, "none", (), None, False, console=console, tree=Tree(root, root / "course"))


def run(root: Path, seconds: float | None) -> dict[str, float | str]:
    """Start it, kill its whole group after `seconds` (None: let it end), and say how it ended and when."""
    start = time.perf_counter()
    child = os.fork()
    if child == 0:
        os.setsid()
        try:
            grade(root)
        except BaseException:  # noqa: BLE001 - a child that was forked ends here, whatever happened
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    if seconds is not None:
        time.sleep(seconds)
        try:
            os.killpg(child, signal.SIGKILL)
        except ProcessLookupError:
            os.kill(child, signal.SIGKILL)  # it had not made its group yet
    _, status = os.waitpid(child, 0)
    ended = "killed" if os.WIFSIGNALED(status) else "done" if os.WEXITSTATUS(status) == 0 else "failed"
    return {"ended": ended, "seconds": time.perf_counter() - start}


if __name__ == "__main__":
    for line in sys.stdin:
        order = json.loads(line)
        print(json.dumps(run(Path(order["root"]), order["seconds"])), flush=True)
