"""Exercises: exactly what nbgrader releases from the solutions, and nothing of the answers."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator

from autograder.authoring.notebook import Notebook, code_cells
from autograder.authoring.regions import secrets, slips
from autograder.authoring.release import fresh_release
from autograder.authoring.rules.base import Remark, described, stored
from autograder.curriculum import CurriculumError, Tree

MARKS = ("BEGIN SOLUTION", "END SOLUTION", "BEGIN HIDDEN TEST", "BEGIN MARK SCHEME")
TRIVIAL = 10  # characters; a shorter line (`return x`) gives nothing away


def regions(tree: Tree) -> Iterator[Remark]:
    """Solution regions are spelled, closed and placed so that the release finds them."""
    for topic in tree.topics():
        text = tree.solution_text(topic.slug)
        nb = described(tree, topic, text)
        for cell in nb["cells"] if nb else []:
            for problem in slips(cell):
                cure = "Put each answer between `### BEGIN SOLUTION` and `### END SOLUTION`, in an answer cell."
                yield Remark("regions", tree.shown(text), f"cell {cell['id']!r} {problem}", cure)


def fresh(tree: Tree) -> Iterator[Remark]:
    """Every exercise equals a fresh release byte for byte."""
    with tempfile.TemporaryDirectory() as folder:
        for topic in tree.topics():
            solution, exercise = tree.solution(topic.slug), tree.exercise(topic.slug)
            if not solution.is_file() or not exercise.is_file():
                continue  # the rule `tree` says so
            try:
                expected = fresh_release(tree, topic.slug, f"sqlite:///{folder}/gradebook.db")
            except CurriculumError as error:
                yield Remark("release", tree.shown(solution), str(error), f"Then run `attn release {topic.slug}`.")
                continue
            if exercise.read_bytes() != expected.encode():
                problem = f"it is not what nbgrader releases from {tree.shown(solution)}"
                yield Remark(
                    "release", tree.shown(exercise), problem, f"Run `attn release {topic.slug}`; never edit it."
                )


def leaks(tree: Tree) -> Iterator[Remark]:
    """No line of an answer and no output reaches learners."""
    for topic in tree.topics():
        path, solution = tree.exercise(topic.slug), stored(tree.solution(topic.slug))
        exercise = stored(path)
        if exercise is None or solution is None:
            continue
        cure = f"Mend the solution text, then run `attn build {topic.slug}` and `attn release {topic.slug}`."
        for problem in _leaks(exercise, solution):
            yield Remark("leaks", tree.shown(path), problem, cure)


def _leaks(exercise: Notebook, solution: Notebook) -> Iterator[str]:
    hidden = secrets(solution, TRIVIAL)
    for cell in exercise["cells"]:
        shown = cell["source"] + "".join(str(output) for output in cell.get("outputs", []))
        for mark in MARKS:
            if mark in shown:
                yield f"cell {cell['id']!r} holds `{mark}`"
        for line in sorted(hidden):
            if line in shown:
                yield f"cell {cell['id']!r} holds the line `{line}` of the answer"
    for cell in code_cells(exercise):
        if cell["outputs"]:
            yield f"cell {cell['id']!r} holds an output"
