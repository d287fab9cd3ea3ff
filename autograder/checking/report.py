"""The result of an examination, and how it is shown: plain text, HTML in Jupyter, plain data in the judge's ledger."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from html import escape
from typing import Any


class State(StrEnum):
    """The five states of a task."""

    NOT_ATTEMPTED = "not attempted"
    CRASHED = "crashed"
    WRONG = "wrong"
    RIGHT = "right"
    NOT_VERIFIABLE = "not verifiable here"


MARKS = {State.RIGHT: "✓", State.WRONG: "✗", State.CRASHED: "⚡", State.NOT_ATTEMPTED: "○", State.NOT_VERIFIABLE: "?"}
COLOURS = {
    State.RIGHT: "#2e7d32",
    State.WRONG: "#c62828",
    State.CRASHED: "#ad5700",
    State.NOT_ATTEMPTED: "#616161",
    State.NOT_VERIFIABLE: "#4527a0",
}


@dataclass(frozen=True)
class Example:
    """The smallest input that shows the mistake, as text."""

    inputs: tuple[tuple[str, str], ...]
    got: str
    expected: str

    def rows(self, function: str) -> list[tuple[str, str]]:
        """The lines to show: the inputs, what `function` gave, and what is right."""
        inputs = [(f"{name} =", value) for name, value in self.inputs]
        return [*inputs, (f"{function} gave", self.got), ("right is", self.expected)]


@dataclass(frozen=True)
class Report:
    """What a learner is told about one task. `credit` is the share of the points that was earned."""

    task: str
    function: str
    state: State
    credit: float = 0.0
    sentences: tuple[str, ...] = ()
    mistake: str | None = None
    ask: str | None = None
    example: Example | None = None
    checked: int = 0
    lecture: str = ""

    @property
    def headline(self) -> str:
        """The first line: "✗ scaling.softmax: wrong"."""
        share = f", {self.credit:.0%} of the points" if 0 < self.credit < 1 else ""
        checked = f" on {self.checked} inputs" if self.state is State.RIGHT and self.checked else ""
        return f"{MARKS[self.state]} {self.task}: {self.state}{checked}{share}"

    def text(self) -> str:
        """The report as plain text."""
        lines = [self.headline]
        if self.mistake:
            lines += [f"  The mistake: it {self.mistake}."]
        if self.ask:
            lines += [f"  Ask yourself: {self.ask}"]
        lines += [f"  {sentence}" for sentence in self.sentences]
        if self.example:
            lines += ["  The smallest input that shows it:"]
            for name, value in self.example.rows(self.function):
                several = value.splitlines() if "\n" in value else []
                lines += [f"    {name}" if several else f"    {name} {value}", *(f"      {line}" for line in several)]
        return "\n".join([*lines, *([f"  {self.help}"] if self.help else [])])

    @property
    def help(self) -> str:
        """Where to go from here, for a task that is not right yet."""
        return "" if self.state is State.RIGHT else f'For a hint: hint("{self.task}"). Explained in {self.lecture}.'

    def html(self) -> str:
        """The report as HTML; all that comes from a learner's code is escaped."""
        colour = COLOURS[self.state]
        rows = [f"<strong style='color:{colour}'>{escape(self.headline)}</strong>"]
        if self.mistake:
            rows.append(f"<b>The mistake:</b> it {escape(self.mistake)}.")
        if self.ask:
            rows.append(f"<b>Ask yourself:</b> {escape(self.ask)}")
        rows += [escape(sentence) for sentence in self.sentences]
        if self.example:
            table = "".join(
                f"<tr><th scope='row' style='text-align:left;vertical-align:top;padding-right:1em'>{escape(name)}</th>"
                f"<td style='text-align:left'><pre style='margin:0'>{escape(value)}</pre></td></tr>"
                for name, value in self.example.rows(self.function)
            )
            rows.append(f"The smallest input that shows it:<table>{table}</table>")
        if self.help:
            rows.append(f"<small>{escape(self.help)}</small>")
        body = "".join(f"<div style='margin:.2em 0'>{row}</div>" for row in rows)
        return f"<div class='attn-report' style='border-left:4px solid {colour};padding-left:.8em'>{body}</div>"

    def to_json(self) -> dict[str, Any]:
        """Plain data for the journal."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Report:
        """The inverse of to_json."""
        example = data["example"]
        if example:
            example = Example(
                tuple((name, value) for name, value in example["inputs"]), example["got"], example["expected"]
            )
        return cls(**data | {"state": State(data["state"]), "sentences": tuple(data["sentences"]), "example": example})

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:  # noqa: ARG002 - Jupyter's signature
        return {"text/plain": self.text(), "text/html": self.html()}
