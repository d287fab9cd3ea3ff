"""What a kernel can do wrong on a real GPU without anybody noticing, as sentences."""

from __future__ import annotations

import linecache
from dataclasses import dataclass
from types import CodeType
from typing import Any

KINDS = (
    "out of bounds",  # an index outside its array
    "never written",  # a read of shared memory, or of an output, that nobody has written
    "read too early",  # another thread writes it, and no barrier stands between the write and the read
    "overwritten too early",  # another thread may not have read it yet
    "two writers",  # threads of one block write the same element, and no barrier stands between
    "race between blocks",  # blocks run in any order, and nothing but the end of the launch synchronises them
    "barrier not reached by all",  # some threads wait, others have ended or wait elsewhere
    "a barrier with a value",  # `yield something`
    "too much shared memory",
    "different shared memory",  # the threads of a block do not ask for the same arrays
    "read-only",  # a write to an input
    "not an index",  # a way to use an array that a kernel does not have
    "endless",  # more steps than a kernel of this size needs
)


class KernelFault(Exception):  # noqa: N818 - the word of the field; it is raised where a GPU would go on
    """A kernel's mistake. `kind` is one of KINDS; the message begins with it and is a sentence."""

    def __init__(self, kind: str, details: str) -> None:
        assert kind in KINDS, kind
        super().__init__(f"{kind}: {details}")
        self.kind = kind


@dataclass(frozen=True)
class Place:
    """A line of a kernel."""

    code: CodeType
    line: int

    def __str__(self) -> str:
        text = linecache.getline(self.code.co_filename, self.line).strip()
        function = "" if self.code.co_name.startswith("<") else f" of {self.code.co_name}"
        return f"line {self.line}{function}" + (f", `{text}`" if text else "")


def key_text(key: Any) -> str:
    """An index as a learner writes it: "3, 0:4"."""
    return ", ".join(_part(k) for k in (key if isinstance(key, tuple) else (key,)))


def _part(key: Any) -> str:
    if not isinstance(key, slice):
        return str(key)
    ends = ["" if x is None else str(x) for x in (key.start, key.stop)]
    return ":".join([*ends, str(key.step)] if key.step is not None else ends)


def threads_text(threads: list[int]) -> str:
    """ "thread 3" or "threads 0, 1, 2, … (16 of them)"."""
    if len(threads) == 1:
        return f"thread {threads[0]}"
    if len(threads) <= 4:
        return f"threads {', '.join(map(str, threads))}"
    return f"threads {', '.join(map(str, threads[:3]))}, … ({len(threads)} of them)"
