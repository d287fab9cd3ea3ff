"""Lectures: the questions and claims of the manifest, each once, each in its fixed shape."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from autograder.authoring import claims as claim_cells
from autograder.authoring import questions as question_cells
from autograder.authoring.claims import asserted, measured_lines
from autograder.authoring.rules.base import Remark, lectures, stored
from autograder.curriculum import Tree


def placeholders(tree: Tree) -> Iterator[Remark]:
    """Nothing that `attn new` asked the author to write is left."""
    for topic in tree.topics():
        for text in filter(Path.is_file, (tree.lecture_text(topic.slug), tree.solution_text(topic.slug))):
            lines = text.read_text(encoding="utf-8").splitlines()
            left = [number for number, line in enumerate(lines, start=1) if "TODO" in line]
            if left:
                problem = f"it still says TODO, first in line {left[0]} ({len(left)} in all)"
                yield Remark("placeholders", tree.shown(text), problem, "Write what is asked for there.")


def questions(tree: Tree) -> Iterator[Remark]:
    """Every question of the manifest stands once in its lecture, in the fixed shape, and no other does."""
    for topic, text, nb in lectures(tree):
        file = tree.shown(text)
        found = question_cells.questions(nb)
        ids = [question.id for question in found]
        for id in topic.questions:
            if id not in ids:
                cure = f'Add its cell: # %% [markdown] question="{id}" kind="…" minutes=…'
                yield Remark("questions", file, f"the question {id} of the manifest is missing", cure)
        for question in found:
            if question.id not in topic.questions:
                cure = f"Add it to the questions of {topic.slug} in the manifest, or move it to its lecture."
                yield Remark("questions", file, f"the question {question.id} is not in the manifest", cure)
            for fault in question_cells.faults(question):
                cure = "Give it the fixed shape; CONTRIBUTING.md shows one."
                yield Remark("questions", file, f"the question {question.id} {fault}", cure)


def claims(tree: Tree) -> Iterator[Remark]:
    """Every claim of the manifest is stated once in its lecture; the measured ones are asserted by a cell that ran."""
    for topic, text, nb in lectures(tree):
        file = tree.shown(text)
        known = (*topic.claims_measured, *topic.claims_stated)
        cells = [cell for cell in nb["cells"] if "claims" in cell["metadata"]]
        announced = [id for cell in cells for id in claim_cells.announced(cell)]
        for cell in cells:
            for fault in claim_cells.faults(cell):
                cure = f"Write one paragraph per claim of the header: {claim_cells.SHAPE}"
                yield Remark("claims", file, f"cell {cell['id']!r}: {fault}", cure)
        for id in known:
            if announced.count(id) != 1:
                problem = f"the claim {id} of the manifest is announced {announced.count(id)} times, expected once"
                yield Remark("claims", file, problem, f'Give it one cell: # %% [markdown] claims="{id}"')
        for id in sorted(asserted(nb).union(announced) - set(known)):
            cure = f"Add it to the claims of {topic.slug} in the manifest, or move it to its lecture."
            yield Remark("claims", file, f"the claim {id} is not in the manifest", cure)
        for id in topic.claims_measured:
            if id not in asserted(nb):
                problem = f"the manifest says that {id} is measured, but no cell asserts it"
                cure = f'Assert it: claim("{id}", measured=…, expected=…, tolerance=…), or list it under `stated`.'
                yield Remark("claims", file, problem, cure)
        for id in topic.claims_stated:
            if id in asserted(nb):
                problem = f"a cell asserts {id}, which the manifest lists as only stated"
                yield Remark("claims", file, problem, "Move it to `measured` in the manifest.")
        yield from _outcomes(tree, topic.slug, asserted(nb))


def _outcomes(tree: Tree, slug: str, ids: set[str]) -> Iterator[Remark]:
    """The cell that asserts a claim has its line among the stored outputs."""
    path = tree.lecture(slug)
    nb = stored(path)
    if nb is None:
        return
    for id in sorted(ids - set(measured_lines(nb))):
        problem = f"no stored output shows what was measured for {id}"
        yield Remark("claims", tree.shown(path), problem, f"Run `attn build {slug} --force`.")
