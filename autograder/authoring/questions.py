"""Interview questions, read from the lecture cells that hold them: the shape is fixed, so no second copy is needed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from autograder.authoring.notebook import Cell, Notebook

KINDS = ("explain", "derive", "implement", "compute", "design", "debug", "compare")
FOLDS = ("Hint 1 · direction", "Hint 2 · insight", "Sixty-second answer", "Full answer", "How it is scored")
VERDICTS = ("Strong hire", "Lean hire", "No hire")
CLOSINGS = ("Red flag", "Follow-up")
SPOKEN_WORDS = 160  # what one says in a minute

FOLD = re.compile(r"<details><summary>(.*?)</summary>\n(.*?)</details>", re.DOTALL)
BULLET = re.compile(r"^- \*\*(.+?)\*\*:\s*(.*(?:\n(?!- ).*)*)", re.MULTILINE)


@dataclass(frozen=True)
class Question:
    """One question cell, taken apart but not judged; `faults` judges it."""

    id: str
    kind: str
    minutes: object  # an int in a sound cell
    level: int  # of its heading; 0 if it does not begin with one
    title: str
    folds: tuple[tuple[str, str], ...]  # (name, Markdown), in order
    closings: dict[str, str]  # "Red flag" and "Follow-up"

    def fold(self, name: str) -> str:
        """The Markdown of one fold, empty if there is none of this name."""
        return dict(self.folds).get(name, "")

    @property
    def scoring(self) -> tuple[tuple[str, str], ...]:
        """(verdict, criterion) per bullet of the last fold."""
        return tuple((name, text.strip()) for name, text in BULLET.findall(self.fold("How it is scored")))


def questions(nb: Notebook) -> list[Question]:
    """All questions of a lecture, in order."""
    return [parse(cell) for cell in nb["cells"] if "question" in cell["metadata"]]


def parse(cell: Cell) -> Question:
    """Take a question cell apart."""
    source, metadata = cell["source"], cell["metadata"]
    heading = re.match(r"(#+)\s+(.+)", source)
    outside = FOLD.sub("", source)
    return Question(
        id=str(metadata["question"]),
        kind=str(metadata.get("kind", "")),
        minutes=metadata.get("minutes"),
        level=len(heading.group(1)) if heading else 0,
        title=heading.group(2).strip() if heading else "",
        folds=tuple((name.strip(), body.strip()) for name, body in FOLD.findall(source)),
        closings={
            name: found.group(1).strip()
            for name in CLOSINGS
            if (found := re.search(rf"^\*\*{name}:\*\*[ \t]*(.*)$", outside, re.MULTILINE))
        },
    )


def faults(question: Question) -> Iterator[str]:
    """What is wrong with the shape of a question, each as the end of a sentence that begins with its id."""
    if question.level != 3:
        yield "does not begin with a level-3 heading (`### …`)"
    if question.kind not in KINDS:
        yield f"has kind {question.kind!r}, expected one of {', '.join(KINDS)}"
    if type(question.minutes) is not int or question.minutes < 1:
        yield f"has minutes={question.minutes!r}, expected a whole number"
    names = tuple(name for name, _ in question.folds)
    if names != FOLDS:
        yield f"has the folds {', '.join(names) or 'none'}; expected {', '.join(FOLDS)}, in this order"
    for name, body in question.folds:
        if not body:
            yield f"has nothing in the fold {name!r}"
    words = len(question.fold("Sixty-second answer").split())
    if words > SPOKEN_WORDS:
        yield f"has a sixty-second answer of {words} words, more than the {SPOKEN_WORDS} one can say"
    criteria = question.scoring
    if tuple(name for name, _ in criteria) != VERDICTS or not all(text for _, text in criteria):
        yield "is not scored by exactly three bullets, " + ", ".join(f"`- **{name}**: …`" for name in VERDICTS)
    elif len({text for _, text in criteria}) < len(VERDICTS):
        yield "has the same criterion under two verdicts; a candidate must fit exactly one"
    for name in CLOSINGS:
        if not question.closings.get(name):
            yield f"has no line `**{name}:** …` after its folds"
