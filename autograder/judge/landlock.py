"""Close files off from the inside, without any rights: Landlock, Linux 5.13 and later.

Source: Linux, Documentation/userspace-api/landlock.rst. Only the standard library is used: this runs inside the player.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from collections.abc import Iterable
from pathlib import Path

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # the same on every architecture
EXECUTE, READ_FILE, READ_DIR = 1 << 0, 1 << 2, 1 << 3
ON_FILES = EXECUTE | 1 << 1 | READ_FILE | 1 << 14 | 1 << 15
RIGHTS_BY_VERSION = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}  # how many rights on files each version knows
READ = EXECUTE | READ_FILE | READ_DIR


def version() -> int:
    """The version of the kernel's Landlock, 0 if there is none."""
    if platform.system() != "Linux":
        return 0
    found: int = ctypes.CDLL(None, use_errno=True).syscall(CREATE_RULESET, None, 0, 1)
    return max(0, found)


def restrict(readable: Iterable[Path], writable: Iterable[Path]) -> None:
    """From now on this process may read `readable` and do everything in `writable`, and nothing else, for good."""
    known = version()
    every = (1 << RIGHTS_BY_VERSION[min(known, 5)]) - 1
    network = 3 if known >= 4 else 0  # binding and connecting by TCP
    scopes = 3 if known >= 6 else 0  # abstract sockets and signals of processes outside
    attributes = struct.pack("QQQ", every, network, scopes)[: 8 if known < 4 else 16 if known < 6 else 24]
    ruleset = _call(CREATE_RULESET, attributes, len(attributes), 0)
    try:
        for rights, paths in ((READ & every, readable), (every, writable)):
            for path in paths:
                _allow(ruleset, path, rights)
        _call(RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: Path, rights: int) -> None:
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # what is not there needs no right
    try:
        if not path.is_dir():
            rights &= ON_FILES
        _call(ADD_RULE, ruleset, 1, struct.pack("=Qi", rights, fd), 0)  # 1: everything beneath a path
    finally:
        os.close(fd)


def _call(number: int, *arguments: int | bytes) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    result: int = libc.syscall(number, *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), "landlock: " + os.strerror(ctypes.get_errno()))
    return result
