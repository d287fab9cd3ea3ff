"""What every rule uses: the remark, and readers that leave what cannot be read to the rule whose subject it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from autograder.authoring.build import planned
from autograder.authoring.notebook import Notebook, read
from autograder.curriculum import CurriculumError, Topic, Tree


@dataclass(frozen=True)
class Remark:
    """Something that `attn doctor` found: which rule, in which file, what is wrong, and how to mend it."""

    rule: str
    file: str
    problem: str
    cure: str

    def __str__(self) -> str:
        return f"{self.file}: {self.problem} [{self.rule}]\n    → {self.cure}"


def stored(path: Path) -> Notebook | None:
    """The notebook at `path`, or None where there is none that can be read (the rules `tree` and `built` say so)."""
    try:
        return read(path)
    except CurriculumError:
        return None


def described(tree: Tree, topic: Topic, text: Path) -> Notebook | None:
    """The notebook that a text describes, or None where it describes none (the rule `built` says so)."""
    try:
        return planned(tree, topic, text) if text.is_file() else None
    except CurriculumError:
        return None


def lectures(tree: Tree) -> Iterator[tuple[Topic, Path, Notebook]]:
    """Every topic whose lecture has a readable text: topic, text file, and the notebook that it describes."""
    for topic in tree.topics():
        text = tree.lecture_text(topic.slug)
        nb = described(tree, topic, text)
        if nb is not None:
            yield topic, text, nb


def built(tree: Tree) -> Iterator[tuple[Topic, Path, Path, Notebook]]:
    """Every readable built notebook: topic, text file, notebook file, notebook."""
    for topic, text, path in tree.texts():
        nb = stored(path)
        if nb is not None:
            yield topic, text, path, nb
