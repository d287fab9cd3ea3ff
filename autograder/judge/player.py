"""The player: runs a learner's cells and calls the learner's functions. It is the only process that does.

It knows no reference, no expected value, no test and no grade. It runs inside a sandbox (see sandbox.py) in which this
file, `wire` and `probe` are all there is of the grader.
"""

from __future__ import annotations

import contextlib
import io
import linecache
import os
import resource
import sys
import types
from typing import Any

from autograder.checking.probe import learners_line, observe
from autograder.judge import wire

NOBODY = 65534


def main() -> None:
    """Serve requests on standard input until it closes."""
    receiver, sender = _private_channel()
    namespace = types.ModuleType("__main__")
    sys.modules["__main__"] = namespace
    while True:
        try:
            message = wire.receive(receiver)
        except EOFError:
            return
        wire.send(sender, {"id": message["id"], **_answer(message, namespace)})


def _answer(message: dict[str, Any], namespace: types.ModuleType) -> dict[str, Any]:
    match message["op"]:
        case "settle":
            _settle(message["limits"], message["drop_root"])
            return {}
        case "load":
            return {
                "errors": {id: text for id, source in message["cells"] if (text := _run_cell(id, source, namespace))}
            }
        case "has":
            return {"callable": callable(getattr(namespace, message["function"], None))}
        case "observe":
            function = getattr(namespace, message["function"])
            return wire.observation_message(observe(function, wire.request_from(message["request"])))
        case unknown:
            raise ValueError(f"unknown request {unknown!r}")


def _private_channel() -> tuple[int, int]:
    """The judge's pipes, moved away from 0 and 1: what the learner's code prints must not reach the wire."""
    receiver, sender = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    return receiver, sender


def _settle(limits: dict[str, int], drop_root: bool) -> None:
    """Drop root, take a private home, and put on the limits. Nothing of the learner's has run yet."""
    if drop_root:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    os.makedirs(os.environ["HOME"], exist_ok=True)
    os.chdir(os.environ["HOME"])
    for name, value in limits.items():
        kind = getattr(resource, f"RLIMIT_{name}")
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))


def _run_cell(cell_id: str, source: str, namespace: types.ModuleType) -> str:
    """Run one cell like a notebook would; the error as text, with the learner's own line, or nothing."""
    filename = f"<cell {cell_id}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    out = io.StringIO()
    try:
        code = compile(source, filename, "exec")
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            exec(code, namespace.__dict__)  # noqa: S102 - running learners' code is what this process is for
    except SyntaxError as error:
        return f"SyntaxError: {error.msg} in line {error.lineno}: {(error.text or '').strip()}"
    except BaseException as error:  # noqa: BLE001 - a learner's SystemExit or KeyboardInterrupt must not end the player
        line, number = learners_line(error)
        return f"{type(error).__name__}: {str(error)[:500]}" + (f" in line {number}: {line}" if line else "")
    return ""


if __name__ == "__main__":
    main()
