"""The same pool on the workers of a Dask cluster that is there already.

The conductor hands out batches, each to one worker that it has examined: the worker's sandbox must hold against the
self-test, and its grader must be this very version. A worker that dies gives its batches back to the queue; a result
counts once, from whichever worker it came. Learners' code runs in players that the worker starts, never in the worker.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from itertools import islice
from queue import Empty, SimpleQueue
from typing import Any

from autograder.judge.journal import key_of
from autograder.judge.judge import failed, version
from autograder.judge.ledger import Cell, Ledger, Submission
from autograder.judge.limits import Limits
from autograder.judge.pool import grade_all
from autograder.judge.sandbox import SandboxError, Unprotected, find_sandbox
from autograder.judge.selftest import assert_closed

BATCH = 8  # submissions in one task: Dask's own part of its cost is then below a hundredth
AHEAD = 2  # batches that a worker holds: one at work, one waiting
PATIENCE = 30.0  # seconds without a worker, or without the scheduler, before giving up
CONNECT = 10.0  # seconds to find the scheduler
FETCH = 10.0  # seconds for a result to come over; when its worker died meanwhile it never comes

_one_at_a_time = threading.Lock()  # in a worker with several threads: judging changes what belongs to the process


class ClusterError(Exception):
    """The cluster cannot be used, or is gone; the message says what to do."""


# ---- on a worker ----


@cache
def examined(sandbox: str) -> tuple[str, str]:
    """This worker's grader, and why it must not grade ("" if it may)."""
    try:
        assert_closed(find_sandbox(sandbox))
    except SandboxError as error:
        return version(), str(error)
    return version(), ""


def grade_batch(
    batch: list[dict[str, Any]], sandbox: str, secret: bytes, limits: dict[str, Any]
) -> list[dict[str, Any]]:
    """Grade submissions here. Plain data comes in and goes out."""
    with _one_at_a_time:
        submissions = [_submission(data) for data in batch]
        ledgers = grade_all(submissions, find_sandbox(sandbox), secret, Limits(**limits), workers=1)
        return [ledger.to_json() for ledger in ledgers]


def _submission(data: dict[str, Any]) -> Submission:
    cells = tuple(Cell(**cell) for cell in data["cells"])
    written = tuple((task, text, done) for task, text, done in data["written"])
    return Submission(**data | {"cells": cells, "written": written, "remarks": tuple(data["remarks"])})


# ---- on the conductor ----


def grade_on_cluster(
    address: str,
    submissions: Iterable[Submission],
    sandbox: str,
    secret: bytes,
    limits: Limits,
    say: Callable[[str], None] = lambda _: None,
) -> Iterator[Ledger]:
    """The ledgers of all submissions, in the order in which they are finished. `say` is told of workers that are refused.

    Submissions are taken as workers need them. Raises ClusterError when there is no scheduler or no worker any more.
    """
    run = _Run(address, iter(submissions), sandbox, secret, limits, say)
    try:
        yield from run.ledgers()
    finally:
        run.close()


@dataclass
class _Batch:
    submissions: list[Submission]
    suspect: bool = False  # a worker died with it: it is next graded alone, so that it is known who was to blame


@dataclass
class _Job:
    worker: str
    batch: _Batch | None  # None: an examination


class _Run:
    """One use of a cluster. Every task is pinned to a worker that was examined."""

    def __init__(
        self,
        address: str,
        submissions: Iterator[Submission],
        sandbox: str,
        secret: bytes,
        limits: Limits,
        say: Callable[[str], None],
    ) -> None:
        self.address, self.submissions, self.say = address, submissions, say
        self.sandbox, self.secret, self.limits = sandbox, secret, asdict(limits)
        self.client = _client(address)
        self.jobs: dict[Any, _Job] = {}  # by Dask's future
        self.done: SimpleQueue[Any] = SimpleQueue()
        self.lost: deque[_Batch] = deque()
        self.given_up: list[Submission] = []  # workers died on them, and on nothing else
        self.fit: set[str] = set()
        self.refused: dict[str, str] = {}
        self.last_seen = time.monotonic()  # when there was last a worker, or one being examined

    def ledgers(self) -> Iterator[Ledger]:
        """Hand out batches until none is left."""
        while True:
            self._look_around()
            while self.given_up:
                yield self._failed(self.given_up.pop(), "two workers died on it")
            more = self._hand_out()
            if not more and not any(job.batch for job in self.jobs.values()):
                return
            with suppress(Empty):
                future = self.done.get(timeout=1)
                job = self.jobs.pop(future, None)
                if job is not None:  # else it was given up before
                    yield from self._take(future, job)

    def close(self) -> None:
        """Drop what has not begun, and leave the cluster as it was."""
        logging.getLogger("distributed").setLevel(logging.CRITICAL)  # it would complain about its own end
        with suppress(Exception):
            self.client.cancel(list(self.jobs), force=True)
        with suppress(Exception):
            self.client.close(timeout=5)

    def _look_around(self) -> None:
        """Examine workers that came, and take back the batches of those that went."""
        there = self._workers()
        known = self.fit | set(self.refused) | {job.worker for job in self.jobs.values()}
        for future, job in list(self.jobs.items()):
            if job.worker not in there:
                del self.jobs[future]
                future.cancel()
                if job.batch:
                    self._lose(job.batch)
        self.fit &= there
        self.refused = {worker: why for worker, why in self.refused.items() if worker in there}
        for worker in there - known:
            self._submit(_Job(worker, None), examined, self.sandbox)
        if self.fit or self.jobs:
            self.last_seen = time.monotonic()
        elif self.refused and len(self.refused) == len(there):
            raise ClusterError(f"No worker of {self.address} may grade. {_listed(self.refused)}")
        elif time.monotonic() - self.last_seen > PATIENCE:
            raise ClusterError(
                f"The scheduler {self.address} has had no worker for {PATIENCE:g} s. Start some: `dask worker {self.address} "
                "--nthreads 1`, in an environment with this version of the curriculum."
            )

    def _workers(self) -> set[str]:
        """The addresses of all workers; ClusterError when the scheduler does not come back."""
        since = time.monotonic()
        while True:
            if self.client.status == "running":
                with suppress(OSError, TimeoutError, RuntimeError):
                    return set(self.client.nthreads())
            if self.client.status == "closed" or time.monotonic() - since > PATIENCE:
                raise ClusterError(f"The scheduler {self.address} is gone. Start it and its workers again.")
            time.sleep(0.5)

    def _hand_out(self) -> bool:
        """Give every fit worker its batches. False when there is nothing left to give."""
        for worker in sorted(self.fit):
            held = [job.batch for job in self.jobs.values() if job.worker == worker and job.batch]
            while len(held) < AHEAD and not any(batch.suspect for batch in held):
                suspect = bool(self.lost) and self.lost[0].suspect
                if suspect and held:
                    break
                batch = self.lost.popleft() if self.lost else _Batch(list(islice(self.submissions, BATCH)))
                if not batch.submissions:
                    return False
                data = [asdict(submission) for submission in batch.submissions]
                self._submit(_Job(worker, batch), grade_batch, data, self.sandbox, self.secret, self.limits)
                held.append(batch)
        return True

    def _submit(self, job: _Job, function: Callable[..., Any], *arguments: Any) -> None:
        future = self.client.submit(function, *arguments, workers=[job.worker], allow_other_workers=False, pure=False)
        self.jobs[future] = job
        future.add_done_callback(self.done.put)

    def _take(self, future: Any, job: _Job) -> Iterator[Ledger]:
        """What came of a task."""
        try:
            found = future.result(timeout=FETCH)
        except Exception as error:  # noqa: BLE001 - whatever happened to the worker or on it
            if job.batch is None:
                self._refuse(job.worker, f"cannot grade ({type(error).__name__}: {error})")
            else:
                self._lose(job.batch)
            return
        finally:
            future.release()
        if job.batch is None:
            self._admit(job.worker, *found)
            return
        yield from self._checked(job.batch, [Ledger.from_json(data) for data in found])

    def _checked(self, batch: _Batch, ledgers: list[Ledger]) -> Iterator[Ledger]:
        """A worker answers for exactly what it was given."""
        asked = {(s.student, s.fingerprint): s for s in batch.submissions}
        for ledger in ledgers:
            if asked.pop(key_of(ledger)[:2], None):
                yield ledger
        for submission in asked.values():
            yield self._failed(submission, "the worker did not answer for it")

    def _failed(self, submission: Submission, why: str) -> Ledger:
        return failed(submission, Unprotected(name=self.sandbox), RuntimeError(why))

    def _admit(self, worker: str, grader: str, complaint: str) -> None:
        if complaint:
            self._refuse(worker, complaint)
        elif grader != version():
            self._refuse(worker, f"its grader is {grader}, this one is {version()}. Install the same version there")
        else:
            self.fit.add(worker)

    def _refuse(self, worker: str, why: str) -> None:
        self.refused[worker] = why
        self.say(f"Refused the worker {worker}: {why.rstrip('.')}.")

    def _lose(self, batch: _Batch) -> None:
        """Back into the queue: first to be graded alone, then one by one; one that was alone again is given up."""
        if not batch.suspect:
            self.lost.append(_Batch(batch.submissions, suspect=True))
        elif len(batch.submissions) > 1:
            self.lost.extend(_Batch([submission], suspect=True) for submission in batch.submissions)
        else:
            self.given_up.extend(batch.submissions)


def _client(address: str) -> Any:
    try:
        from distributed import Client
    except ModuleNotFoundError:
        raise ClusterError(
            "Grading on a cluster needs the extra `cluster`: pip install 'attn-curriculum[cluster]'."
        ) from None
    try:
        return Client(address, timeout=CONNECT, name="attn-grade", set_as_default=False)  # type: ignore[no-untyped-call]  # it has no types
    except (OSError, TimeoutError, ValueError) as error:
        raise ClusterError(
            f"There is no Dask scheduler at {address}: {error}. Start one with `dask scheduler`, and give the address that it "
            "prints, such as tcp://10.0.0.1:8786."
        ) from None


def _listed(refused: dict[str, str]) -> str:
    return " ".join(f"{worker}: {why.rstrip('.')}." for worker, why in sorted(refused.items())[:5])
