"""The judge's end of things: a warm process per sandbox, players forked from it, questions with a deadline, the end.

A warm process is started once for each sandbox and stays until this process ends.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from autograder.checking.probe import Observation, Request
from autograder.judge import wire
from autograder.judge.limits import Limits
from autograder.judge.sandbox import Sandbox, SandboxError
from autograder.judge.stage import build_stage

START_SECONDS = 120.0  # importing torch from a cold disk
FORK_SECONDS = 20.0
PREFIX = "attn-player-"  # of the folders that hold a player's library


class PlayerDied(Exception):  # noqa: N818 - an event, not a defect
    """The player is gone; the message says, to the learner, what happened."""


def _outside_tmp() -> str | None:
    """Where the library lies, if possible: a player's /tmp is its own, and must not hide it."""
    return "/var/tmp" if os.access("/var/tmp", os.W_OK) else None


def _remove_leftovers(parent: Path) -> None:
    """Folders of judges that were killed: their names say which process made them."""
    for folder in parent.glob(f"{PREFIX}*-*"):
        process = folder.name.removeprefix(PREFIX).split("-")[0]
        if process.isdigit() and not _runs(int(process)):
            shutil.rmtree(folder, ignore_errors=True)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


class Zygote:
    """The warm process of one sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        parent = _outside_tmp()
        _remove_leftovers(Path(parent or tempfile.gettempdir()))
        self._folder = tempfile.TemporaryDirectory(prefix=f"{PREFIX}{os.getpid()}-", dir=parent)
        self.folder = Path(self._folder.name)
        self.folder.chmod(0o755)
        stage = build_stage(self.folder / "library")
        self._control, theirs = socket.socketpair()
        self._process = subprocess.Popen(
            sandbox.command(stage),
            stdin=theirs.fileno(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=sandbox.environment(),
            start_new_session=True,
        )
        theirs.close()
        scratch = self.folder / "root"
        scratch.mkdir()
        self.namespaces = bool(self._ask(sandbox.setup(stage, scratch), START_SECONDS)["namespaces"])

    def fork(
        self, limits: Limits, words: Sequence[str] = ()
    ) -> tuple[int, wire.Channel, tempfile.TemporaryDirectory[str] | None]:
        """A new player: its number, the judge's end of its channel, and its home where that is a real folder."""
        home = None if self.namespaces else tempfile.TemporaryDirectory(prefix="attn-home-")
        plan = self.sandbox.plan(limits, self.namespaces, Path(home.name) if home else None, self.folder / "library")
        if home and plan["user"] is not None:
            os.chown(home.name, plan["user"], plan["user"])
        ours, theirs = socket.socketpair()
        try:
            reply = self._ask({"op": "fork", "plan": plan, "words": words}, FORK_SECONDS, theirs.fileno())
        except SandboxError:
            ours.close()
            raise
        finally:
            theirs.close()
        return int(reply["pid"]), wire.Channel(ours), home

    def end(self, player: int) -> dict[str, Any]:
        """Kill a player; how it ended."""
        return self._ask({"op": "end", "pid": player}, FORK_SECONDS)

    def _ask(self, message: dict[str, Any], seconds: float, *fds: int) -> dict[str, Any]:
        self._control.settimeout(seconds)
        try:
            line = memoryview(json.dumps(message).encode() + b"\n")
            self._control.sendall(line[socket.send_fds(self._control, [line], fds) :])
            data = self._control.recv(1 << 16)  # its answers are short
            if not data:
                raise EOFError
        except (OSError, EOFError):
            raise SandboxError(f"The sandbox {self.sandbox.name} does not run a player: {self.close()}") from None
        reply: dict[str, Any] = json.loads(data)
        return reply

    def close(self) -> str:
        """End it with all its players; gives the last thing that it complained about."""
        self._control.close()
        self._process.kill()
        complaint = self._process.communicate()[1].decode(errors="replace").strip()
        self._folder.cleanup()
        if _warm.get(self.sandbox) is self:
            del _warm[self.sandbox]
        return complaint.splitlines()[-1] if complaint else "it ended without a word"


_warm: dict[Sandbox, Zygote] = {}


def warm(sandbox: Sandbox) -> Zygote:
    """The warm process of this sandbox, started where there is none."""
    if sandbox not in _warm:
        _warm[sandbox] = Zygote(sandbox)
    return _warm[sandbox]


@atexit.register
def cool() -> None:
    """End all warm processes."""
    for zygote in list(_warm.values()):
        zygote.close()


class Player:
    """One player in its sandbox. A reply that does not come in time, or is no reply, ends it."""

    def __init__(self, sandbox: Sandbox, limits: Limits, words: Sequence[str] = ()) -> None:
        """`words` of the notebook say which libraries are to be warm besides the usual ones."""
        self.limits = limits
        self._count = 0
        self._until = float("inf")
        self._zygote = warm(sandbox)
        try:
            self._pid, self._channel, self._home = self._zygote.fork(limits, words)
        except SandboxError:  # it was killed from outside: once more with a new one
            self._zygote = warm(sandbox)
            self._pid, self._channel, self._home = self._zygote.fork(limits, words)
        hello = self._receive(limits.load_seconds)  # the answer to no question: its number is 0
        if "layers" not in hello:
            reason = hello.get("failed")
            self.close()
            raise SandboxError(f"The sandbox {sandbox.name} could not close a player in: {reason}.")
        self.layers = tuple(str(layer) for layer in hello["layers"])

    def allow(self, seconds: float) -> None:
        """From now on, all questions together may take this long."""
        self._until = time.monotonic() + seconds

    def load(self, cells: Sequence[tuple[str, str]]) -> dict[str, str]:
        """Run cells in order; the errors by cell id. A cell that ends the player is `stopped_at`."""
        errors: dict[str, str] = {}
        for self.stopped_at, source in cells:
            error = self._ask(
                {"op": "cell", "cell": self.stopped_at, "source": source}, self.limits.cell_seconds, "The cell"
            ).get("error")
            if error:
                errors[self.stopped_at] = str(error)[:1000]
        self.stopped_at = ""
        return errors

    stopped_at = ""

    def has(self, function: str) -> bool:
        """Did the cells define a function of this name?"""
        return bool(self._ask({"op": "has", "function": function}, self.limits.call_seconds).get("callable"))

    def observe(self, function: str, request: Request) -> Observation:
        """Call a function."""
        (seen,) = self.observe_all(function, [request])
        return seen

    def observe_all(self, function: str, requests: Sequence[Request]) -> Iterator[Observation]:
        """Call a function for each request: one question, and an answer for each as it is ready."""
        messages = tuple(wire.request_message(request) for request in requests)
        self._send({"op": "observe", "function": function, "requests": messages}, self.limits.call_seconds)
        for request in requests:
            reply = self._receive(self.limits.call_seconds)
            try:
                yield wire.observation_from(reply, len(request.inputs))
            except wire.WireError as error:
                raise self._end(f"The reply could not be used: {error}.") from error

    def _ask(self, message: dict[str, Any], seconds: float, what: str = "It") -> dict[str, Any]:
        self._send(message, seconds, what)
        return self._receive(seconds, what)

    def _send(self, message: dict[str, Any], seconds: float, what: str = "It") -> None:
        self._count += 1
        try:
            self._channel.send(message | {"id": self._count}, self._deadline(seconds))
        except TimeoutError:
            raise self._end(f"{what} did not finish {self._in_time(seconds)}.") from None
        except OSError:
            raise self._dead(what) from None

    def _deadline(self, seconds: float) -> float:
        return min(self._until, time.monotonic() + seconds)

    def _receive(self, seconds: float, what: str = "It") -> dict[str, Any]:
        try:
            reply = self._channel.receive(self._deadline(seconds), self.limits.reply_bytes)
        except TimeoutError:
            raise self._end(f"{what} did not finish {self._in_time(seconds)}.") from None
        except (EOFError, OSError):
            raise self._dead(what) from None
        except wire.WireError as error:
            raise self._end(f"The reply could not be used: {error}.") from error
        if reply.get("id") != self._count:
            raise self._end("The reply does not belong to the question.")
        return reply

    def _in_time(self, seconds: float) -> str:
        if time.monotonic() >= self._until:
            return f"in time: all its calls together may take {self.limits.task_seconds:g} seconds"
        return f"within {seconds:g} seconds"

    def _dead(self, what: str) -> PlayerDied:
        ended = self.close()
        return PlayerDied(f"{what} {_how(ended.get('status', 0), ended.get('cpu', 0.0), self.limits)}")

    def _end(self, reason: str) -> PlayerDied:
        self.close()
        return PlayerDied(reason)

    def close(self) -> dict[str, Any]:
        """Kill the process and all that it started; how it ended."""
        if self._channel.closed:
            return {}
        self._channel.close()
        try:
            return self._zygote.end(self._pid)
        except SandboxError:
            return {}
        finally:
            if self._home:
                self._home.cleanup()

    def __enter__(self) -> Player:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _how(status: int, cpu: float, limits: Limits) -> str:
    """How a process ended, as the end of a sentence whose subject is the learner's code."""
    if cpu >= limits.cpu_seconds:
        return f"used more than {limits.cpu_seconds} seconds of processor time."
    if os.WIFEXITED(status):
        return f"ended its own process (os._exit or similar, code {os.WEXITSTATUS(status)})."
    number = os.WTERMSIG(status)
    if number == signal.SIGKILL:
        gib = limits.memory_bytes / (1 << 30)
        return f"was killed, most likely because it used more memory than there is (limit {gib:g} GiB)."
    return f"crashed the Python interpreter ({signal.Signals(number).name})."
