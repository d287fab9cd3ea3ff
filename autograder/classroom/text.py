"""Text that learners' files and programs send: made fit for a terminal, a table and a database."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")  # colours, window titles
HIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"  # control characters but tab and line ends
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # what turns the reading direction
    "\ud800-\udfff]"  # halves of characters, which no file can hold
)
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
REPLACEMENT = "\ufffd"


def printable(text: str) -> str:
    """`text` without anything that would steer a terminal or hide what it says."""
    return HIDDEN.sub(REPLACEMENT, ESCAPES.sub("", text).replace("\r\n", "\n").replace("\r", "\n"))


def storable(text: str) -> str:
    """`text` without what neither a file nor Python's compiler takes: NUL and lone surrogates."""
    return UNSTORABLE.sub(REPLACEMENT, text)


def one_line(text: str, longest: int = 80) -> str:
    """`text` for the inside of a sentence."""
    line = " ".join(printable(text).split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def all_printable(data: Any) -> Any:
    """The same data with every string in it printable."""
    if isinstance(data, str):
        return printable(data)
    if isinstance(data, dict):
        return {key: all_printable(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return type(data)(all_printable(value) for value in data)
    return data


def count_up(names: Sequence[str], most: int = 8) -> str:
    """The first few of many, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
