"""Files that learners hand in are opened with care, and what a grading writes appears whole or not at all."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

KINDS = (
    (stat.S_ISLNK, "a link"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


class Refused(Exception):  # noqa: N818 - a verdict on the file, not a defect
    """The file is not opened; the message ends the sentence "NAME …"."""


def read_regular(path: Path, limit: int) -> bytes:
    """The bytes of an ordinary file of at most `limit` bytes. A missing one raises FileNotFoundError, others Refused.

    Links are not followed: one in a submission could point at another learner's work, or at the gradebook. Pipes,
    sockets and devices are not even opened: opening alone can block, or do something.
    """
    try:
        _assert_ordinary(os.lstat(path), limit)
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Refused(f"cannot be opened ({error.strerror})") from None
    with os.fdopen(fd, "rb") as file:
        before = os.fstat(fd)
        _assert_ordinary(before, limit)
        data = file.read(limit + 1)
        after = os.fstat(fd)
    if len(data) > limit or (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise Refused("was still being written when it was read")
    return data


def _assert_ordinary(found: os.stat_result, limit: int) -> None:
    for is_kind, kind in KINDS:
        if is_kind(found.st_mode):
            raise Refused(f"is {kind}, not a file")
    if not stat.S_ISREG(found.st_mode):
        raise Refused("is not an ordinary file")
    if found.st_size > limit:
        raise Refused(f"is larger than {limit / 1e6:g} MB, which no notebook of this course is")


def write_whole(path: Path, text: str) -> None:
    """Put `text` at `path` in one step, so that nobody ever reads half a file; a read-only one is replaced too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        os.chmod(draft, 0o644)
        os.replace(draft, path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
