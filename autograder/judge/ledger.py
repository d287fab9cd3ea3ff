"""What goes into the judge and what comes out, as plain data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from autograder.checking.report import Report, State


@dataclass(frozen=True)
class Cell:
    """A code cell to run: its id and its source."""

    id: str
    source: str


@dataclass(frozen=True)
class Submission:
    """A learner's notebook, rebuilt from the released template. `remarks` say what had to be repaired."""

    student: str
    slug: str
    cells: tuple[Cell, ...]
    written: tuple[tuple[str, str, bool], ...] = ()  # task id, text, was anything written?
    fingerprint: str = ""  # of the file as it was handed in
    remarks: tuple[str, ...] = ()
    unreadable: str = ""  # why there is nothing to grade; cells is empty then


@dataclass(frozen=True)
class Result:
    """One task's report and points."""

    report: Report
    points: float
    max_points: float
    manual: bool = False  # a person still has to grade it


@dataclass(frozen=True)
class Ledger:
    """All that a grading found: the only source of scores."""

    student: str
    slug: str
    fingerprint: str
    grader: str  # version of the grader and of what decides numbers
    sandbox: str
    results: tuple[Result, ...]
    remarks: tuple[str, ...] = ()
    reason: str = ""  # why nothing could be graded

    @property
    def points(self) -> float:
        """The points so far; what a person still has to grade is not in it."""
        return sum(r.points for r in self.results)

    @property
    def max_points(self) -> float:
        """The points of a perfect submission."""
        return sum(r.max_points for r in self.results)

    @property
    def summary(self) -> str:
        """One line for the teacher's table."""
        if self.reason:
            return self.reason
        parts = [r.report for r in self.results if r.report.state not in (State.RIGHT,) and not r.manual]
        if len(parts) == sum(not r.manual for r in self.results) and all(p.state is State.NOT_ATTEMPTED for p in parts):
            return "nothing attempted"
        return "; ".join(f"{p.task.partition('.')[2]}: {p.mistake or _why(p)}" for p in parts) or "all right"

    def to_json(self) -> dict[str, Any]:
        """Plain data for the journal."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Ledger:
        """The inverse of to_json."""
        results = tuple(Result(**r | {"report": Report.from_json(r["report"])}) for r in data["results"])
        return cls(**data | {"results": results, "remarks": tuple(data["remarks"])})


def _why(report: Report) -> str:
    """The state, and for a crash or an unnamed mistake the last sentence of the report, cut to a table's width."""
    if report.state is State.NOT_ATTEMPTED or not report.sentences:
        return str(report.state)
    sentence = report.sentences[-1]
    return f"{report.state}, {sentence if len(sentence) <= 120 else sentence[:119] + '…'}"
