"""The journal: one line per graded submission, appended before anything else is written, so that a killed run resumes."""

from __future__ import annotations

import json
import os
from pathlib import Path

from autograder.judge.ledger import Ledger

Key = tuple[str, str, str]  # student, fingerprint of the submission, grader and sandbox


def key(student: str, fingerprint: str, grader: str) -> Key:
    """What a ledger answers for: the same key never has to be graded twice."""
    return student, fingerprint, grader


def read(path: Path) -> dict[Key, Ledger]:
    """All ledgers of a journal, the oldest first; the latest of a key wins. A line that a crash cut off is ignored."""
    ledgers: dict[Key, Ledger] = {}
    if not path.exists():
        return ledgers
    # not splitlines(): it also breaks at characters that stand inside a learner's text
    for line in path.read_text(encoding="utf-8", errors="replace").split("\n"):
        try:
            ledger = Ledger.from_json(json.loads(line))
        except (ValueError, KeyError, TypeError):
            continue  # an unfinished line: that submission is simply graded again
        name = key(ledger.student, ledger.fingerprint, f"{ledger.grader} {ledger.sandbox}")
        ledgers.pop(name, None)  # so that the order is that of the last time
        ledgers[name] = ledger
    return ledgers


def latest(ledgers: dict[Key, Ledger]) -> dict[str, Ledger]:
    """The newest ledger of each student: what the gradebook holds."""
    return {ledger.student: ledger for ledger in ledgers.values()}


def append(path: Path, ledger: Ledger) -> None:
    """Add a ledger and force it to the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps(ledger.to_json(), ensure_ascii=False) + "\n"
    with path.open("a", encoding="utf-8") as file:
        if file.tell() and not _ends_with_newline(path):
            line = "\n" + line
        file.write(line)
        file.flush()
        os.fsync(file.fileno())


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
