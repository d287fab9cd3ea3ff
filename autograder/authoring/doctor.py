"""Is the curriculum sound? Every rule looks, none repairs, and each remark names a file and a cure."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from autograder.authoring.rules import derived, exercises, imports, lectures, manifest, notebooks, tasks
from autograder.authoring.rules.base import Remark
from autograder.curriculum import CurriculumError, Tree

Rule = Callable[[Tree], Iterable[Remark]]

RULES: tuple[Rule, ...] = (
    manifest.manifest,
    manifest.files,
    notebooks.agree,
    notebooks.executed,
    notebooks.figures,
    notebooks.machine_paths,
    notebooks.cell_sizes,
    exercises.regions,
    exercises.fresh,
    exercises.leaks,
    lectures.placeholders,
    lectures.questions,
    lectures.claims,
    tasks.tasks,
    imports.imports,
    derived.tables,
    derived.sizes,
)


def doctor(tree: Tree, rules: Iterable[Rule] = RULES) -> list[Remark]:
    """Every remark on this tree, in the order of the rules; an empty list means that it is sound."""
    try:
        tree.topics()
    except CurriculumError as error:
        return [Remark("manifest", tree.shown(tree.manifest), str(error), "Nothing else can be examined before.")]
    return [remark for rule in rules for remark in rule(tree)]
