"""One grading of a course at a time: a lock that the system takes back when its holder dies, however it dies."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from autograder.curriculum import CurriculumError, Tree

_held: set[Path] = set()  # by this process


@contextmanager
def locked(tree: Tree, doing: str) -> Iterator[None]:
    """Hold the course's lock. CurriculumError names whoever holds it already; inside of itself it does nothing.

    The lock is the system's (`fcntl`), not the file's being there: after kill −9 nothing has to be cleared away. Where the
    system has none (Windows), nothing is locked.
    """
    path = tree.lock
    try:
        import fcntl
    except ImportError:
        yield
        return
    if path in _held:
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            holder = os.pread(file, 300, 0).decode(errors="replace").strip() or "another program"
            raise CurriculumError(
                f"{tree.shown(tree.course)} is being graded already, by {holder}. Wait until it is done, or stop it. "
                f"The lock is {tree.shown(path)}; it needs no clearing away."
            ) from None
        who = f"`{doing}` (process {os.getpid()} on {socket.gethostname()}, since {datetime.now():%H:%M:%S})\n"
        os.ftruncate(file, 0)
        os.pwrite(file, who.encode(), 0)
        _held.add(path)
        try:
            yield
        finally:
            _held.discard(path)
    finally:
        os.close(file)  # lets go of it
