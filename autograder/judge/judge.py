"""The judge: grades one submission through a player, and writes the ledger."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

from autograder.checking.diagnose import report
from autograder.checking.probe import Observation, Request
from autograder.checking.report import Report, State
from autograder.checking.task import Task, Written, load
from autograder.curriculum import TaskEntry, find_topic
from autograder.judge.ledger import Ledger, Result, Submission
from autograder.judge.limits import Limits
from autograder.judge.process import Player, PlayerDied
from autograder.judge.sandbox import Sandbox


@dataclass(frozen=True)
class Remote:
    """A learner's function behind the wire: the engine examines it as if it were here."""

    player: Player
    function: str

    def observe(self, request: Request) -> Observation:
        """Let the player call it."""
        return self.player.observe(self.function, request)


def grade(submission: Submission, sandbox: Sandbox, secret: bytes, limits: Limits | None = None) -> Ledger:
    """Grade one submission. Whatever its code does becomes a row; only a broken grader raises."""
    tasks = load(submission.slug)
    entries = find_topic(submission.slug).tasks
    results: dict[str, Result] = {}
    if not submission.unreadable:
        seat = _Seat(submission, sandbox, limits or Limits())
        try:
            for entry in entries:
                task = tasks[entry.id]
                results[entry.id] = (
                    _written(task, entry, submission)
                    if isinstance(task, Written)
                    else seat.grade(task, entry, seed(secret, submission, entry.id))
                )
        finally:
            seat.leave()
    return Ledger(
        student=submission.student,
        slug=submission.slug,
        fingerprint=submission.fingerprint,
        grader=version(),
        sandbox=sandbox.name,
        results=tuple(results.get(e.id) or _nothing(e) for e in entries),
        remarks=submission.remarks,
        reason=submission.unreadable,
    )


def failed(submission: Submission, sandbox: Sandbox, error: Exception) -> Ledger:
    """The row of a submission on which the grader itself broke: no score, all of it waits for a person.

    Its grader is not `version()`, so the next run tries again.
    """
    rows = (
        Result(_nothing(entry).report, 0.0, entry.points, manual=True) for entry in find_topic(submission.slug).tasks
    )
    reason = f"The grader itself failed here, nothing was scored. Please report it: {type(error).__name__}: {error}"
    return Ledger(
        submission.student,
        submission.slug,
        submission.fingerprint,
        grader=f"failed {version()}",
        sandbox=sandbox.name,
        results=tuple(rows),
        remarks=submission.remarks,
        reason=reason,
    )


def seed(secret: bytes, submission: Submission, task: str) -> int:
    """The seed of a task's inputs: nobody without the course's secret can foresee it, and a regrade gets it again."""
    text = "\0".join((submission.slug, submission.student, task))
    return int.from_bytes(hmac.digest(secret, text.encode(), hashlib.sha256)[:7], "big")


@cache
def version() -> str:
    """What decides a result besides the submission: the grader, down to its sources, and the numerical libraries."""
    names = ("attn-curriculum", "numpy", "torch")
    return " ".join([f"sources-{_digest()}", *(f"{name}-{metadata.version(name)}" for name in names)])


def _digest() -> str:
    """A digest of all code that has a say in a score: after an edit of a task, the journal's old ledgers no longer count."""
    grader = Path(__file__).parents[1]
    folders = (grader / "checking", grader / "tasks", grader / "judge", grader.parent / "attn_core")
    files = sorted(p for folder in folders for p in folder.rglob("*.py") if "lab" not in p.parts)
    return hashlib.sha256(b"\0".join(p.read_bytes() for p in files)).hexdigest()[:12]


class _Seat:
    """A player with the submission loaded; a new one takes its place when it dies, so one task costs only itself."""

    def __init__(self, submission: Submission, sandbox: Sandbox, limits: Limits) -> None:
        self.submission, self.sandbox, self.limits = submission, sandbox, limits
        self.player: Player | None = None
        self.errors: dict[str, str] = {}
        self.hopeless = ""  # why even loading the cells kills a player

    def grade(self, task: Task, entry: TaskEntry, seed: int) -> Result:
        """One task's result."""
        try:
            return _result(self._examine(task, entry, seed), entry)
        except PlayerDied as death:
            self.player = None
            return _result(
                Report(task.id, task.function, State.CRASHED, sentences=(str(death),), lecture=task.lecture), entry
            )

    def _examine(self, task: Task, entry: TaskEntry, seed: int) -> Report:
        player = self._seated()
        if not player.has(task.function):
            error = self.errors.get(entry.answer_id)
            state = State.CRASHED if error else State.NOT_ATTEMPTED
            sentence = f"The cell stopped with {error}" if error else f"No function named {task.function} is defined."
            if not error and self.errors:
                sentence += f" The first cell that failed: {next(iter(self.errors.values()))}"
            return Report(task.id, task.function, state, sentences=(sentence,), lecture=task.lecture)
        return report(task, Remote(player, task.function), seed)

    def _seated(self) -> Player:
        if self.hopeless:
            raise PlayerDied(self.hopeless)
        if self.player is None:
            player = Player(self.sandbox, self.limits)
            try:
                self.errors = player.load([(c.id, c.source) for c in self.submission.cells])
            except PlayerDied as death:
                self.hopeless = f"Running the notebook's cells failed. {death}"
                raise PlayerDied(self.hopeless) from death
            self.player = player
        return self.player

    def leave(self) -> None:
        """End the player."""
        if self.player is not None:
            self.player.close()


def _result(seen: Report, entry: TaskEntry) -> Result:
    return Result(seen, points=round(seen.credit * entry.points, 2), max_points=entry.points)


def _written(task: Written, entry: TaskEntry, submission: Submission) -> Result:
    """A written answer waits for a person, unless nothing was written: that is zero points."""
    answered = any(id == entry.id and done for id, _, done in submission.written)
    state = State.NOT_VERIFIABLE if answered else State.NOT_ATTEMPTED
    sentence = "Waits for a person to grade it with the rubric." if answered else "Nothing was written."
    return Result(
        Report(task.id, task.id, state, sentences=(sentence,), lecture=task.lecture), 0.0, entry.points, manual=answered
    )


def _nothing(entry: TaskEntry) -> Result:
    return Result(Report(entry.id, entry.id, State.NOT_ATTEMPTED), 0.0, entry.points)
