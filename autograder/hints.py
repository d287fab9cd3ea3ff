"""Hints come one at a time; a small file in the user's state folder remembers how many a learner has seen."""

from __future__ import annotations

import json
import os
from pathlib import Path

from platformdirs import user_state_path

from autograder.checking.task import Task, Written

LEVELS = ("direction", "insight", "almost the code")


def _memory() -> Path:
    return Path(os.environ.get("ATTN_STATE", user_state_path("attn-curriculum"))) / "hints.json"


def _seen() -> dict[str, int]:
    try:
        seen = json.loads(_memory().read_text(encoding="utf-8"))
    except (OSError, ValueError):  # no file yet, or one that was cut off: hints start again
        return {}
    return {str(k): v for k, v in seen.items() if isinstance(v, int)} if isinstance(seen, dict) else {}


def next_hint(task: Task | Written) -> str:
    """The next hint with its number; after the last one, the last one again."""
    seen = _seen()
    count = min(max(seen.get(task.id, 0), 0) + 1, len(task.hints))
    _remember(seen | {task.id: count})
    more = (
        "That was the last hint." if count == len(task.hints) else f'{len(task.hints) - count} more: hint("{task.id}")'
    )
    return f"Hint {count} of {len(task.hints)} · {LEVELS[count - 1]}\n{task.hints[count - 1]}\n({more}; explained in {task.lecture})"


def forget(task: Task | Written) -> None:
    """Start again with the first hint."""
    _remember({k: v for k, v in _seen().items() if k != task.id})


def _remember(seen: dict[str, int]) -> None:
    path = _memory()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = path.with_suffix(".new")
        scratch.write_text(json.dumps(seen, indent=1), encoding="utf-8")
        scratch.replace(path)
    except OSError:  # a read-only home: hints still work, they just start again each time
        return
