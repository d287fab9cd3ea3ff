"""The journal: one line per graded submission, appended before anything else is written, so that a killed run resumes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from autograder.judge.ledger import Ledger

Key = tuple[str, str, str]  # student, fingerprint of the submission, grader and sandbox
LINE_LIMIT = 32_000_000  # bytes; no ledger comes near it


def key(student: str, fingerprint: str, grader: str) -> Key:
    """What a ledger answers for: the same key never has to be graded twice."""
    return student, fingerprint, grader


def key_of(ledger: Ledger) -> Key:
    """The key that a ledger is found by."""
    return key(ledger.student, ledger.fingerprint, f"{ledger.grader} {ledger.sandbox}")


class Journal:
    """A journal with an index in memory: a ledger stays in the file until it is asked for, however large the class is."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._forget()
        self.refresh()

    def _forget(self) -> None:
        self._end = 0  # up to here the file is indexed
        self._places: dict[Key, tuple[int, int]] = {}
        self._newest: dict[str, Key] = {}

    def refresh(self) -> None:
        """Take in what was appended since, by this process or another."""
        try:
            if self.path.stat().st_size < self._end:  # it was replaced
                self._forget()
            for start, line in _lines(self.path, self._end):
                if ledger := _ledger(line):
                    self._index(ledger, start, len(line))
                elif not line.endswith(b"\n"):
                    return  # cut off, or still being written: it is looked at again
                self._end = start + len(line)
        except FileNotFoundError:
            self._forget()

    def _index(self, ledger: Ledger, start: int, length: int) -> None:
        name = key_of(ledger)
        self._places.pop(name, None)  # so that the order is that of the last time
        self._places[name] = start, length
        self._newest[ledger.student] = name

    def __contains__(self, name: Key) -> bool:
        return name in self._places

    def __len__(self) -> int:
        return len(self._places)

    def keys(self) -> list[Key]:
        """All keys, the oldest first."""
        return list(self._places)

    def students(self) -> list[str]:
        """Everyone who was graded, in alphabetical order."""
        return sorted(self._newest)

    def ledgers(self) -> Iterator[Ledger]:
        """The latest ledger of every key, the oldest first, one in memory at a time."""
        for name in self.keys():
            if ledger := self.get(name):
                yield ledger

    def get(self, name: Key) -> Ledger | None:
        """The latest ledger of a key."""
        if name not in self._places:
            return None
        start, length = self._places[name]
        with self.path.open("rb") as file:
            file.seek(start)
            return _ledger(file.read(length))

    def newest(self, student: str) -> Ledger | None:
        """A student's newest ledger: what the gradebook holds."""
        return self.get(self._newest[student]) if student in self._newest else None

    def is_newest(self, name: Key) -> bool:
        """Is it the key of its student's newest ledger?"""
        return self._newest.get(name[0]) == name

    def add(self, ledger: Ledger) -> None:
        """Append a ledger; it is on the disk when this returns."""
        append(self.path, ledger)
        self.refresh()


def read(path: Path) -> dict[Key, Ledger]:
    """All ledgers of a journal, the oldest first; the latest of a key wins. A line that a crash cut off is ignored."""
    ledgers: dict[Key, Ledger] = {}
    with suppress(FileNotFoundError):
        for _, line in _lines(path, 0):
            if ledger := _ledger(line):
                name = key_of(ledger)
                ledgers.pop(name, None)  # so that the order is that of the last time
                ledgers[name] = ledger
    return ledgers


def latest(ledgers: dict[Key, Ledger]) -> dict[str, Ledger]:
    """The newest ledger of each student: what the gradebook holds."""
    return {ledger.student: ledger for ledger in ledgers.values()}


def append(path: Path, ledger: Ledger) -> None:
    """Add a ledger and force it to the disk. If that fails, as on a full disk, the journal is as it was before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    line = (json.dumps(ledger.to_json(), ensure_ascii=False) + "\n").encode("utf-8", "replace")
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
    try:
        size = os.fstat(file).st_size
        if size and os.pread(file, 1, size - 1) != b"\n":
            line = b"\n" + line  # the line before was cut off by a crash
        try:
            left = memoryview(line)
            while left:
                left = left[os.write(file, left) :]
            os.fsync(file)
        except BaseException:
            with suppress(OSError):
                os.ftruncate(file, size)
            raise
    finally:
        os.close(file)


@dataclass
class Merged:
    """What a merge did. `conflicts` are keys that two journals answer differently; the first answer stays."""

    added: int = 0
    known: int = 0
    unreadable: int = 0  # lines
    conflicts: list[Key] = field(default_factory=list)


def merge(target: Path, sources: Iterable[Path]) -> Merged:
    """Put into `target` every ledger of `sources` whose key it lacks: a union. Missing sources raise FileNotFoundError."""
    merged, into = Merged(), Journal(target)
    for source in sources:
        merged.unreadable += sum(1 for _, line in _lines(source, 0) if line.strip() and not _ledger(line))
        for ledger in Journal(source).ledgers():
            name = key_of(ledger)
            if (here := into.get(name)) is None:
                into.add(ledger)
                merged.added += 1
            elif here == ledger:
                merged.known += 1
            else:
                merged.conflicts.append(name)
    return merged


def _lines(path: Path, start: int) -> Iterator[tuple[int, bytes]]:
    """The lines from a place on, each with where it starts. Only \\n ends a line: other breaks stand in learners' texts."""
    with path.open("rb") as file:
        file.seek(start)
        while line := file.readline(LINE_LIMIT):
            yield start, line
            start += len(line)


def _ledger(line: bytes) -> Ledger | None:
    try:
        return Ledger.from_json(json.loads(line))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None  # an unfinished line: that submission is simply graded again
