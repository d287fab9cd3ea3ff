"""Files that learners hand in are opened with care, and what a grading writes appears whole or not at all."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path


class Refused(Exception):  # noqa: N818 - a verdict on the file, not a defect
    """The file is not opened; the message ends the sentence "NAME …"."""


def read_regular(path: Path, limit: int) -> bytes:
    """The bytes of an ordinary file of at most `limit` bytes. A missing one raises FileNotFoundError, others Refused.

    Links are not followed: one in a submission could point at another learner's work, or at the gradebook.
    """
    try:
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError:
        if path.is_symlink():
            raise Refused("is a link, not a file") from None
        raise
    except OSError as error:
        if path.is_symlink():
            raise Refused("is a link, not a file") from None
        raise Refused(f"cannot be opened ({error.strerror})") from None
    if path.is_symlink() or not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise Refused("is not an ordinary file")
    with os.fdopen(fd, "rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise Refused(f"is larger than {limit / 1e6:g} MB, which no notebook of this course is")
    return data


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
