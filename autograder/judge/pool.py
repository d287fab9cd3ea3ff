"""The pool: grades many submissions, each by a player of its own, on all cores.

Judging takes processes, not threads: the engine redirects standard output and seeds the global random generators while it
runs the reference, and both belong to the whole process. Each process keeps a warm process from which its players are forked.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager, suppress
from itertools import chain, islice
from multiprocessing import active_children, get_context

from autograder.judge.judge import failed, grade
from autograder.judge.ledger import Ledger, Submission
from autograder.judge.limits import Limits
from autograder.judge.process import cool, warm
from autograder.judge.sandbox import Sandbox, SandboxError

AHEAD = 3  # submissions per process that are handed out before their turn, so that no process waits for one


def grade_all(
    submissions: Iterable[Submission],
    sandbox: Sandbox,
    secret: bytes,
    limits: Limits | None = None,
    workers: int | None = None,
) -> Iterator[Ledger]:
    """The ledgers of all submissions, in the order in which they are finished; one alone is graded right here.

    Submissions are taken as they are needed, so that a class of any size fits into memory.
    """
    source = iter(submissions)
    first = list(islice(source, workers or os.cpu_count() or 1))
    gc.freeze()  # what is loaded by now stays; looking through it again and again takes a tenth of the time
    if len(first) <= 1:
        yield from (guarded(submission, sandbox, secret, limits) for submission in chain(first, source))
        return
    cool()  # what served the self-test here: each process has a warm one of its own
    processes = len(first)
    source = chain(first, source)
    while (
        processes
    ):  # a killed process takes its whole pool along: what was handed out is graded one by one, then it goes on
        lost: list[Submission] = []
        with _processes(processes, sandbox) as executor:
            yield from grade_on(executor, source, sandbox, secret, limits, processes * AHEAD, lost)
        yield from _one_by_one(lost, sandbox, secret, limits)
        processes = processes if lost else 0


def _one_by_one(suspects: list[Submission], sandbox: Sandbox, secret: bytes, limits: Limits | None) -> Iterator[Ledger]:
    """Grade submissions of which one may have killed its process: it costs its own row."""
    source = iter(suspects)
    while suspects:
        killed: list[Submission] = []
        with _processes(1, sandbox) as executor:
            yield from grade_on(executor, source, sandbox, secret, limits, 1, killed)
        yield from (failed(submission, sandbox, ChildProcessError("its process was killed")) for submission in killed)
        suspects = killed  # if none was, all are done


@contextmanager
def _processes(count: int, sandbox: Sandbox) -> Iterator[Executor]:
    """A pool of processes, spawned and not forked: torch has threads by now. After Ctrl-C nobody waits for it."""
    executor = ProcessPoolExecutor(count, get_context("spawn"), initializer=_begin, initargs=(sandbox,))
    try:
        yield executor
    except BaseException:
        executor.shutdown(wait=False, cancel_futures=True)
        for process in active_children():
            process.terminate()
        raise
    executor.shutdown()


def _begin(sandbox: Sandbox) -> None:
    """What a process of the pool does first: it leaves Ctrl-C to its parent, and warms up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that it takes its players and their folder along
    with suppress(SandboxError):  # every submission will say so
        warm(sandbox)
    gc.freeze()


def guarded(submission: Submission, sandbox: Sandbox, secret: bytes, limits: Limits | None) -> Ledger:
    """The ledger, whatever breaks: the others still get their grades."""
    try:
        return grade(submission, sandbox, secret, limits)
    except Exception as error:  # noqa: BLE001 - see above
        return failed(submission, sandbox, error)


def grade_on(
    executor: Executor,
    submissions: Iterable[Submission],
    sandbox: Sandbox,
    secret: bytes,
    limits: Limits | None,
    ahead: int,
    lost: list[Submission] | None = None,
) -> Iterator[Ledger]:
    """The same on any executor, with at most `ahead` submissions handed out at a time.

    A process that is killed costs one row, or, where there is a list for the `lost`, none: the run ends there and leaves in it
    what was handed out.
    """
    source = iter(submissions)
    running: dict[Future[Ledger], Submission] = {}
    try:
        while True:
            for submission in islice(source, 0 if lost else ahead - len(running)):
                running[executor.submit(guarded, submission, sandbox, secret, limits)] = submission
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                submission = running.pop(future)
                try:
                    yield future.result()
                except Exception as error:  # noqa: BLE001 - the process itself is gone
                    if lost is None:
                        yield failed(submission, sandbox, error)
                    else:
                        lost.append(submission)
    finally:
        for future in running:  # Ctrl-C: what has not begun is not begun
            future.cancel()
