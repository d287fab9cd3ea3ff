"""The made-up class of `make grade`: submissions made from the released exercise and the answers in `sample_class/`.

A file there is one learner. Its functions replace those of the sample solution; `PROOF` is the written answer; `HAND_IN`
says in which state the notebook arrives, if not as it should.
"""

from __future__ import annotations

import ast
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autograder.classroom.files import write_whole
from autograder.classroom.template import Role, Template, load_template
from autograder.curriculum import CurriculumError, Tree

STATES = ("as it should", "untouched", "cut off", "missing", "renamed")
MARKER = "made_up_class"  # the file that marks a course as made up: only such a one is ever cleared


@dataclass(frozen=True)
class SampleLearner:
    """One file of the sample class."""

    name: str
    about: str
    functions: dict[str, str] = field(default_factory=dict)  # name → source
    proof: str | None = None  # None: the sample solution's
    hand_in: str = STATES[0]


def make_sample_class(tree: Tree, slug: str) -> list[SampleLearner]:
    """Fill the course of `tree` with the sample class's submissions; what an earlier demonstration left is removed.

    A course that was not made here, an unknown function, or a missing solution raises CurriculumError.
    """
    learners = list(sample_learners(tree, slug))
    template, answers = load_template(tree, slug), _answers(tree, slug)
    made = [(learner, _text(_notebook(tree, template, answers, learner))) for learner in learners]
    _clear(tree)
    for learner, text in made:
        _hand_in(tree.submission(learner.name, slug), text, learner.hand_in)
    return learners


def sample_learners(tree: Tree, slug: str) -> Iterator[SampleLearner]:
    """The class as its files describe it."""
    paths = sorted(tree.sample_class(slug).glob("*.py"))
    if not paths:
        raise CurriculumError(f"There is no sample class for {slug}: {tree.shown(tree.sample_class(slug))} is empty.")
    for path in paths:
        source = path.read_text(encoding="utf-8")
        module = ast.parse(source)
        constants = {
            node.targets[0].id: node.value.value
            for node in module.body
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
            if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        }
        hand_in = constants.get("HAND_IN", STATES[0])
        if hand_in not in STATES:
            raise CurriculumError(f"{tree.shown(path)}: HAND_IN is {hand_in!r}; there are {', '.join(STATES)}.")
        proof = constants.get("PROOF")
        functions = {
            n.name: ast.get_source_segment(source, n) or "" for n in module.body if isinstance(n, ast.FunctionDef)
        }
        yield SampleLearner(
            path.stem, ast.get_docstring(module) or "", functions, proof.strip() if proof is not None else None, hand_in
        )


def _answers(tree: Tree, slug: str) -> dict[str, str]:
    """The sample solution's cells by grade id, without the marks around the solutions."""
    path = tree.solution(slug)
    if not path.is_file():
        raise CurriculumError(f"{tree.shown(path)} is missing. Run `attn build {slug}`.")
    found = {}
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        if name := cell["metadata"].get("nbgrader", {}).get("grade_id"):
            lines = "".join(cell["source"]).splitlines()
            found[name] = "\n".join(
                line for line in lines if "### BEGIN SOLUTION" not in line and "### END SOLUTION" not in line
            )
    return found


def _notebook(tree: Tree, template: Template, answers: dict[str, str], learner: SampleLearner) -> dict[str, Any]:
    left = dict(learner.functions)
    cells = []
    for place in template.places:
        source = place.source
        if learner.hand_in != "untouched":
            if place.role is Role.ANSWER:
                source = _replaced(answers[place.name], left)
            elif place.role is Role.WRITTEN:
                source = answers[place.name] if learner.proof is None else learner.proof or place.source
        cells.append({**place.cell, "source": source.splitlines(keepends=True)})
    if left:
        where = tree.shown(tree.sample_class(template.slug) / f"{learner.name}.py")
        raise CurriculumError(f"{where} defines {', '.join(left)}, which no answer cell of {template.slug} does.")
    return {"cells": cells, "metadata": template.metadata, "nbformat": 4, "nbformat_minor": 5}


def _replaced(answer: str, functions: dict[str, str]) -> str:
    """An answer cell with the learner's functions in place of the solution's; those are taken out of `functions`."""
    lines = answer.splitlines()
    for node in reversed(ast.parse(answer).body):
        if isinstance(node, ast.FunctionDef) and node.name in functions:
            lines[node.lineno - 1 : node.end_lineno] = functions.pop(node.name).splitlines()
    return "\n".join(lines)


def _text(notebook: dict[str, Any]) -> str:
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def _hand_in(path: Path, text: str, state: str) -> None:
    if state == "missing":
        write_whole(path.with_suffix(".pdf"), "%PDF-1.7\n")
    elif state == "renamed":
        write_whole(path.with_stem(f"{path.stem} (1)"), text)
    else:
        write_whole(path, text[: len(text) // 2] if state == "cut off" else text)


def _clear(tree: Tree) -> None:
    marker = tree.course / MARKER
    if tree.course.exists() and not marker.exists():
        raise CurriculumError(
            f"{tree.shown(tree.course)} was not made by a demonstration, so it is not touched. Move it away."
        )
    if tree.course.exists():
        shutil.rmtree(tree.course)
    write_whole(marker, "The course of a made-up class. `make grade` removes it and makes it again.\n")
