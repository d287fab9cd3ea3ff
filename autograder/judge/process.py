"""A player's process as the judge holds it: start, ask with a deadline, kill."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from autograder.checking.probe import Observation, Request
from autograder.judge import wire
from autograder.judge.limits import Limits
from autograder.judge.sandbox import Sandbox
from autograder.judge.stage import build_stage


class PlayerDied(Exception):  # noqa: N818 - an event, not a defect
    """The player is gone; the message says, to the learner, what happened."""


class Player:
    """One player in its sandbox. A reply that does not come in time, or is no reply, ends it."""

    def __init__(self, sandbox: Sandbox, limits: Limits) -> None:
        self.limits = limits
        self._count = 0
        self._folder = tempfile.TemporaryDirectory(prefix="attn-player-")
        Path(self._folder.name).chmod(0o755)
        stage = build_stage(Path(self._folder.name) / "library")
        self._process = subprocess.Popen(
            sandbox.command(stage),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=sandbox.environment(),
            start_new_session=True,
            close_fds=True,
        )
        rlimits = {
            "CPU": limits.cpu_seconds,
            "AS": limits.memory_bytes,
            "NPROC": limits.processes,
            "NOFILE": limits.open_files,
            "FSIZE": limits.file_bytes,
            "CORE": 0,
        }
        self._ask({"op": "settle", "limits": rlimits, "drop_root": sandbox.drops_root}, limits.load_seconds)

    def load(self, cells: Sequence[tuple[str, str]]) -> dict[str, str]:
        """Run cells in order; the errors by cell id."""
        errors = self._ask({"op": "load", "cells": tuple(tuple(c) for c in cells)}, self.limits.load_seconds).get(
            "errors"
        )
        if not isinstance(errors, dict):
            raise self._end("The notebook's code answered with something that is not a reply.")
        return {str(k): str(v)[:1000] for k, v in errors.items()}

    def has(self, function: str) -> bool:
        """Did the cells define a function of this name?"""
        return bool(self._ask({"op": "has", "function": function}, self.limits.call_seconds).get("callable"))

    def observe(self, function: str, request: Request) -> Observation:
        """Call a function."""
        reply = self._ask(
            {"op": "observe", "function": function, "request": wire.request_message(request)}, self.limits.call_seconds
        )
        try:
            return wire.observation_from(reply, len(request.inputs))
        except wire.WireError as error:
            raise self._end(f"The reply could not be used: {error}.") from error

    def _ask(self, message: dict[str, Any], seconds: float) -> dict[str, Any]:
        self._count += 1
        assert self._process.stdin is not None  # both pipes were asked for
        assert self._process.stdout is not None
        try:
            wire.send(self._process.stdin.fileno(), message | {"id": self._count})
            reply = wire.receive(self._process.stdout.fileno(), time.monotonic() + seconds)
        except TimeoutError:
            raise self._end(f"It did not finish within {seconds:g} seconds.") from None
        except (EOFError, OSError):
            raise self._end(
                "It ended its own process (os._exit, a crash of the interpreter, or more memory than it may have)."
            ) from None
        except wire.WireError as error:
            raise self._end(f"The reply could not be used: {error}.") from error
        if reply.get("id") != self._count:
            raise self._end("The reply does not belong to the question.")
        return reply

    def _end(self, reason: str) -> PlayerDied:
        self.close()
        return PlayerDied(reason)

    def close(self) -> None:
        """Kill the process and all that it started."""
        self._process.kill()
        self._process.communicate()
        self._folder.cleanup()

    def __enter__(self) -> Player:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
