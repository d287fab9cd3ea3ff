"""The pool: grades many submissions, each by a player of its own, on all cores.

Judging takes processes, not threads: the engine redirects standard output and seeds the global random generators while it
runs the reference, and both belong to the whole process.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from multiprocessing import get_context

from autograder.judge.judge import failed, grade
from autograder.judge.ledger import Ledger, Submission
from autograder.judge.limits import Limits
from autograder.judge.sandbox import Sandbox


def grade_all(
    submissions: Iterable[Submission],
    sandbox: Sandbox,
    secret: bytes,
    limits: Limits | None = None,
    workers: int | None = None,
) -> Iterator[Ledger]:
    """The ledgers of all submissions, in the order in which they are finished; one alone is graded right here."""
    waiting = list(submissions)
    processes = min(workers or os.cpu_count() or 1, len(waiting))
    if processes <= 1:
        yield from (_guarded(submission, sandbox, secret, limits) for submission in waiting)
        return
    # spawned, not forked: torch has threads by now
    with ProcessPoolExecutor(processes, get_context("spawn"), initializer=_leave_ctrl_c_to_the_parent) as executor:
        yield from grade_on(executor, waiting, sandbox, secret, limits)


def _leave_ctrl_c_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _guarded(submission: Submission, sandbox: Sandbox, secret: bytes, limits: Limits | None) -> Ledger:
    try:
        return grade(submission, sandbox, secret, limits)
    except Exception as error:  # noqa: BLE001 - whatever broke, the others still get their grades
        return failed(submission, sandbox, error)


def grade_on(
    executor: Executor, submissions: Iterable[Submission], sandbox: Sandbox, secret: bytes, limits: Limits | None
) -> Iterator[Ledger]:
    """The same on any executor: the seam for a cluster. A grader that breaks costs one row, not the class."""
    submitted = {executor.submit(_guarded, s, sandbox, secret, limits): s for s in submissions}
    try:
        for done in as_completed(submitted):
            try:
                yield done.result()
            except Exception as error:  # noqa: BLE001 - the worker itself is gone
                yield failed(submitted[done], sandbox, error)
    finally:
        for waiting in submitted:  # Ctrl-C: what has not begun is not begun
            waiting.cancel()
