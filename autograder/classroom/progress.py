"""How far a grading is: a bar with rate and time left in a terminal, a few plain lines in a log."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from datetime import timedelta
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

WINDOW = 30.0  # seconds over which the rate is measured: what a journal gives at once says nothing about the rest
EVERY_SECONDS, EVERY_SHARE = 1.0, 0.05  # a log gets a line after both, so 2,000 submissions are at most 21 lines


class Rate(ProgressColumn):
    """Submissions per second."""

    def render(self, task: Task) -> Text:
        """The column's text."""
        return Text(f"{task.speed:.1f}/s" if task.speed else "")


class Meter:
    """Counts to `total`. A context manager; `tick` after each submission."""

    def __init__(self, console: Console, total: int, what: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.console, self.total, self.what, self.done = console, total, what, 0
        self._clock = clock
        self._seen: deque[tuple[float, int]] = deque([(clock(), 0)])
        self._printed = self._seen[0]
        left = TimeRemainingColumn()
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            Rate(),
            left,
            TextColumn("left"),
        )
        shown = console.is_terminal
        self._bar = Progress(*columns, console=console, transient=True, disable=not shown, speed_estimate_period=WINDOW)
        self._task = self._bar.add_task(what, total=total)

    def __enter__(self) -> Meter:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def tick(self) -> None:
        """One more is done."""
        self.done += 1
        self._bar.update(self._task, completed=self.done)
        if not self.console.is_terminal:
            self._log()

    def _log(self) -> None:
        now = self._clock()
        self._seen.append((now, self.done))
        while len(self._seen) > 2 and self._seen[0][0] < now - WINDOW:
            self._seen.popleft()
        last, counted = self._printed
        due = now - last >= EVERY_SECONDS and self.done - counted >= EVERY_SHARE * self.total
        if due or self.done == self.total:
            self._printed = now, self.done
            self.console.print(self._line(), markup=False, highlight=False)

    def _line(self) -> str:
        (start, before), (now, done) = self._seen[0], self._seen[-1]
        line = f"{self.what}: {done} of {self.total}"
        if now <= start or done == before:
            return line
        rate = (done - before) / (now - start)
        left = timedelta(seconds=round((self.total - done) / rate))
        return f"{line}, {rate:.1f}/s" + (f", {left} left" if done < self.total else "")
