"""The pool: grades many submissions, each by a player of its own. Threads suffice: the work is in the players' processes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor, as_completed

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
    """The ledgers of all submissions, in the order in which they are finished."""
    with ThreadPoolExecutor(workers or os.cpu_count() or 1) as executor:
        yield from grade_on(executor, submissions, sandbox, secret, limits)


def grade_on(
    executor: Executor, submissions: Iterable[Submission], sandbox: Sandbox, secret: bytes, limits: Limits | None
) -> Iterator[Ledger]:
    """The same on any executor: the seam for a cluster. A grader that breaks costs one row, not the class."""
    submitted = {executor.submit(grade, s, sandbox, secret, limits): s for s in submissions}
    try:
        for done in as_completed(submitted):
            try:
                yield done.result()
            except Exception as error:  # noqa: BLE001 - whatever broke, the others still get their grades
                yield failed(submitted[done], sandbox, error)
    finally:
        for waiting in submitted:  # Ctrl-C: what has not begun is not begun
            waiting.cancel()
