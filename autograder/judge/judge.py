"""The judge: grades one submission through a player, and writes the ledger."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Iterator, Sequence
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
from autograder.judge.zygote import ON_DEMAND

MOST_DEADLY = 3  # cells of a notebook that may end their player before it is given up


@dataclass(frozen=True)
class Remote:
    """A learner's function behind the wire: the engine examines it as if it were here."""

    player: Player
    function: str

    def observe(self, request: Request) -> Observation:
        """Let the player call it."""
        return self.player.observe(self.function, request)

    def observe_all(self, requests: Sequence[Request]) -> Iterator[Observation]:
        """Let the player call it for each request; it goes on while the judge looks at the first results."""
        return self.player.observe_all(self.function, requests)


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
                    else seat.grade(task, entry, *seeds(secret, submission, entry.id))
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


def seeds(secret: bytes, submission: Submission, task: str) -> tuple[int, int]:
    """The seeds of a task's inputs: of those that the whole class is asked, and of the learner's own.

    Nobody without the course's secret can foresee them, and a regrade gets them again. What is the class's is computed
    once; an answer that only knows those inputs by heart fails on the learner's own.
    """
    return _seed(secret, submission.slug, task), _seed(secret, submission.slug, submission.student, task)


def _seed(secret: bytes, *parts: str) -> int:
    return int.from_bytes(hmac.digest(secret, "\0".join(parts).encode(), hashlib.sha256)[:7], "big")


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
    """A player with the submission loaded. When it dies a new one takes its place, so a task or a cell costs only itself."""

    def __init__(self, submission: Submission, sandbox: Sandbox, limits: Limits) -> None:
        self.submission, self.sandbox, self.limits = submission, sandbox, limits
        self.player: Player | None = None
        self.errors: dict[str, str] = {}
        self.deadly: dict[
            str, str
        ] = {}  # cells that ended a player, with what happened: they are left out from then on
        self.until = time.monotonic() + limits.submission_seconds
        self.words = [word for word in ON_DEMAND if any(word in cell.source for cell in submission.cells)]

    def grade(self, task: Task, entry: TaskEntry, seed: int, own: int) -> Result:
        """One task's result."""
        try:
            return _result(self._examine(task, entry, seed, own), entry)
        except PlayerDied as death:
            self.player = None
            return _result(
                Report(task.id, task.function, State.CRASHED, sentences=(str(death),), lecture=task.lecture), entry
            )

    def _examine(self, task: Task, entry: TaskEntry, seed: int, own: int) -> Report:
        player = self._seated()
        player.allow(min(self.limits.task_seconds, self.until - time.monotonic()))
        if player.has(task.function):
            return report(task, Remote(player, task.function), seed, own)
        state, sentence = self._missing(task, entry)
        return Report(task.id, task.function, state, sentences=(sentence,), lecture=task.lecture)

    def _missing(self, task: Task, entry: TaskEntry) -> tuple[State, str]:
        """Why there is no such function."""
        if entry.answer_id in self.deadly:
            return State.CRASHED, self.deadly[entry.answer_id]
        if error := self.errors.get(entry.answer_id):
            return State.CRASHED, f"The cell stopped with {error}"
        first = next(iter([*self.deadly.values(), *self.errors.values()]), "")
        more = f" The first cell that failed: {first}" if first else ""
        return State.NOT_ATTEMPTED, f"No function named {task.function} is defined.{more}"

    def _seated(self) -> Player:
        while self.player is None:
            if len(self.deadly) > MOST_DEADLY:
                raise PlayerDied(f"Running the notebook's cells failed. {next(iter(self.deadly.values()))}")
            if time.monotonic() > self.until:
                limit = f"{self.limits.submission_seconds:g} seconds"
                raise PlayerDied(
                    f"Not examined: the tasks and cells before it took the {limit} that a submission may take."
                )
            player = Player(self.sandbox, self.limits, self.words)
            player.allow(self.limits.load_seconds)
            try:
                self.errors = player.load([(c.id, c.source) for c in self.submission.cells if c.id not in self.deadly])
            except PlayerDied as death:
                self.deadly[player.stopped_at] = str(death)
            else:
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
