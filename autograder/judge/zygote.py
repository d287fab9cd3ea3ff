"""The warm process: it has imported what learners import, and forks one isolated player after the other.

No learner's code ever runs in it. The judge asks it, over a socket, to fork a player (and hands over that player's end of a
channel) or to end one. It knows no reference, no test and no grade.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import signal
import socket
import sys
from collections.abc import Iterable
from typing import Any

from autograder.judge.enclosure import NEW_PROCESSES, Plan, enclose, enter_root, join, unshare
from autograder.judge.player import serve

WARM = (
    *("numpy", "numpy.random", "torch", "attn_core.lab"),
    "torch.fx.experimental.symbolic_shapes",  # torch.autograd.grad imports it, and sympy with it, at its first call
)
ON_DEMAND = {  # by a word in the notebook
    "matplotlib": "matplotlib.pyplot",
    "attn_core.lab": "matplotlib.pyplot",
    "seaborn": "seaborn",
}
CHANNEL = 3  # the one descriptor that a player has besides the standard ones


def main() -> None:
    """Serve the judge on the socket that is standard input, until it closes."""
    control = socket.socket(fileno=os.dup(0))
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    namespaces = _settle(json.loads(_line(control)[0]))
    _warm_up(WARM)
    _reply(control, {"namespaces": namespaces})
    home_of_processes = os.open("/proc/self/ns/pid", os.O_RDONLY) if namespaces else -1
    while True:
        line, fds = _line(control)
        if not line:
            return
        message = json.loads(line)
        if message["op"] == "fork":
            _warm_up(ON_DEMAND[word] for word in message["words"])
            plan = Plan(**message["plan"])
            _reply(control, {"pid": _fork(plan, fds[0], home_of_processes)})
            os.close(fds[0])
        else:
            _reply(control, _end(message["pid"]))


def _warm_up(modules: Iterable[str]) -> None:
    """Import what players will want, once for all of them."""
    missing = [name for name in modules if name not in sys.modules]
    for name in missing:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    if missing:
        gc.collect()
        gc.freeze()  # so that a player's collections do not touch, and thereby copy, the shared pages


def _line(control: socket.socket) -> tuple[bytes, list[int]]:
    """The next message, a line of JSON, and the descriptors that came with it; empty at the end."""
    line = b""
    fds: list[int] = []
    while not line.endswith(b"\n"):
        part, more, _, _ = socket.recv_fds(control, 1 << 20, 1)
        if not part:
            return b"", []
        line, fds = line + part, fds + list(more)
    return line, fds


def _settle(setup: dict[str, Any]) -> bool:
    """Enter the root that is asked for. Can players have namespaces of their own?"""
    namespaces = bool(setup["namespaces"])
    if setup["root"]:
        try:
            enter_root([tuple(way) for way in setup["root"]], setup["scratch"])
        except OSError:
            pass  # they are not allowed here: the other layers have to do
        else:
            namespaces = True
    os.environ["HOME"] = os.environ["TMPDIR"] = setup["home"] if namespaces else setup["scratch"]
    return namespaces


def _reply(control: socket.socket, message: dict[str, Any]) -> None:
    control.sendall(json.dumps(message).encode() + b"\n")


def _fork(plan: Plan, channel: int, home_of_processes: int) -> int:
    """Fork a player; with namespaces it is the first process of its own."""
    if plan.namespaces:
        unshare(NEW_PROCESSES)
    pid = os.fork()
    if pid == 0:
        _be_a_player(plan, channel)
    if plan.namespaces:
        join(home_of_processes, NEW_PROCESSES)
    return pid


def _be_a_player(plan: Plan, channel: int) -> None:
    """Never returns."""
    status = 1
    try:
        os.dup2(0, 1)
        os.dup2(0, 2)  # the warm process says on it what keeps it from starting
        os.dup2(channel, CHANNEL)
        os.closerange(CHANNEL + 1, os.sysconf("SC_OPEN_MAX"))
        sys.modules.pop("__main__")
        serve(CHANNEL, lambda: enclose(plan))
        status = 0
    finally:
        os._exit(status)


def _end(pid: int) -> dict[str, Any]:
    """Kill a player and all that it started; how it ended, and what it used."""
    for kill in (
        os.killpg,
        os.kill,
    ):  # its session's group first: without namespaces that is all there is to its children
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)
    _, status, used = os.wait4(pid, 0)
    return {"status": status, "memory": used.ru_maxrss * 1024, "cpu": used.ru_utime + used.ru_stime}
