"""What is generated is fresh, and nothing has outgrown its budget."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from autograder.authoring.rules.base import Remark
from autograder.authoring.tables import stale_tables
from autograder.curriculum import CurriculumError, Tree

MODULE_LINES = 400
NOTEBOOK_BYTES = 3_000_000


def tables(tree: Tree) -> Iterator[Remark]:
    """The generated tables are what their sources say."""
    try:
        for path in stale_tables(tree):
            yield Remark(
                "tables", tree.shown(path), "its generated table is not fresh", "Run `attn build`, which writes it."
            )
    except CurriculumError as error:
        yield Remark("tables", tree.shown(tree.readme), str(error), "Put both markers where the table belongs.")


def sizes(tree: Tree) -> Iterator[Remark]:
    """Modules can be read in one sitting, notebooks opened in a browser."""
    for path in _sources(tree):
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > MODULE_LINES:
            problem = f"it has {lines} lines, more than {MODULE_LINES}"
            yield Remark("budgets", tree.shown(path), problem, "Split it where it changes the subject.")
    for topic in tree.topics():
        for path in (tree.lecture(topic.slug), tree.solution(topic.slug), tree.exercise(topic.slug)):
            size = path.stat().st_size if path.is_file() else 0
            if size > NOTEBOOK_BYTES:
                problem = f"it has {size / 1e6:.1f} MB, more than {NOTEBOOK_BYTES / 1e6:.0f}"
                yield Remark("budgets", tree.shown(path), problem, "Draw fewer or smaller figures.")


def _sources(tree: Tree) -> Iterator[Path]:
    for folder in (*tree.packages, tree.root / "tests"):
        yield from sorted(folder.rglob("*.py"))
