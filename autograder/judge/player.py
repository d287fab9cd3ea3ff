"""The player: runs a learner's cells and calls the learner's functions. It is the only process that does.

It knows no reference, no expected value, no test and no grade. It is forked from the warm process (see zygote.py), closes
itself in (see enclosure.py), and then answers the judge's requests.
"""

from __future__ import annotations

import contextlib
import linecache
import socket
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

from autograder.checking.probe import Nowhere, learners_line, observe
from autograder.judge import wire


def serve(descriptor: int, enclose: Callable[[], list[str]]) -> None:
    """Close the process in, then answer requests on the socket of this descriptor until it closes."""
    channel = wire.Channel(socket.socket(fileno=descriptor))
    try:
        layers = enclose()
    except OSError as error:
        channel.send({"id": 0, "failed": str(error)})
        return
    channel.send({"id": 0, "layers": tuple(layers)})
    namespace = types.ModuleType("__main__")
    sys.modules["__main__"] = namespace
    while True:
        try:
            message = channel.receive()
        except EOFError:
            return
        for answer in _answers(message, namespace):
            channel.send({"id": message["id"], **answer})


def _answers(message: dict[str, Any], namespace: types.ModuleType) -> Iterator[dict[str, Any]]:
    match message["op"]:
        case "cell":
            yield {"error": _run_cell(message["cell"], message["source"], namespace)}
        case "has":
            yield {"callable": callable(getattr(namespace, message["function"], None))}
        case "observe":
            function = getattr(namespace, message["function"])
            for request in message["requests"]:
                yield wire.observation_message(observe(function, wire.request_from(request)))
        case unknown:
            raise ValueError(f"unknown request {unknown!r}")


def _run_cell(cell_id: str, source: str, namespace: types.ModuleType) -> str:
    """Run one cell like a notebook would; the error as text, with the learner's own line, or nothing."""
    filename = f"<cell {cell_id}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    try:
        code = compile(source, filename, "exec")
        with contextlib.redirect_stdout(Nowhere()), contextlib.redirect_stderr(Nowhere()):
            exec(code, namespace.__dict__)  # noqa: S102 - running learners' code is what this process is for
    except SyntaxError as error:
        return f"SyntaxError: {error.msg} in line {error.lineno}: {(error.text or '').strip()}"
    except BaseException as error:  # noqa: BLE001 - a learner's SystemExit or KeyboardInterrupt must not end the player
        line, number = learners_line(error)
        return f"{type(error).__name__}: {str(error)[:500]}" + (f" in line {number}: {line}" if line else "")
    return ""
