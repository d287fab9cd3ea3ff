"""The nbgrader plug-in: plain `nbgrader autograde` takes submissions in and judges them as `attn grade` does.

`nbgrader_config.py` names what is here. The exporter reads a submission through our intake, so that a copied, deleted or
forged cell, or a file that is no notebook, cannot stop the class; the preprocessor stands where nbgrader would execute
the notebook. nbgrader's own steps around them are unchanged and write the same scores.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
from nbconvert.exporters import NotebookExporter
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import Unicode

from autograder.classroom.gradebook import open_gradebook
from autograder.classroom.graded import with_results, without_notes
from autograder.classroom.grading import judge_one, local_judge
from autograder.classroom.intake import Intake, take_in
from autograder.classroom.template import load_template
from autograder.curriculum import Tree, find_tree

Notebook = Any  # nbformat's NotebookNode, which has no types
Converted = tuple[Notebook, dict[str, Any]]


def one_notebook(notebooks: list[str], **_: Any) -> None:
    """nbgrader's hook before a submission: whatever the notebook is called, it is the one that the intake looks for."""
    folder = Path(notebooks[0]).parent
    notebooks[:] = [str(folder / f"{folder.name}.ipynb")]


class Reader(NotebookExporter):
    """Reads submissions through the intake, and everything else as nbconvert does."""

    def from_filename(self, filename: str, resources: dict[str, Any] | None = None, **options: Any) -> Any:
        """The rebuilt notebook of a submission."""
        tree = find_tree()
        if resources and Path(filename).absolute().is_relative_to(tree.course / "submitted"):
            found = nbformat.from_dict(_intake(tree, resources).notebook)  # type: ignore[no-untyped-call]  # no types
            return self.from_notebook_node(found, resources, **options)  # type: ignore[no-untyped-call]  # no types
        return super().from_filename(filename, resources=resources, **options)


class Judge(NbGraderPreprocessor):  # type: ignore[misc]  # nbgrader has no types
    """Writes the judge's scores and reports where nbgrader would execute the notebook."""

    sandbox = Unicode(
        "auto", help="How learners' code is closed in: auto, bwrap, builtin, or none for no protection."
    ).tag(config=True)

    def preprocess(self, nb: Notebook, resources: dict[str, Any]) -> Converted:
        """Grade the submission that `resources` names; `nb` is what nbgrader made of it."""
        tree = find_tree()
        intake = _intake(tree, resources)
        slug = intake.submission.slug
        ledger = judge_one(tree, intake.submission, local_judge(tree, slug, self.sandbox))
        with open_gradebook(tree, slug) as gradebook:
            gradebook.take_back_stale(intake)
        return nbformat.from_dict(with_results(nb, ledger)), resources  # type: ignore[no-untyped-call]  # no types


class WithoutNotes(NbGraderPreprocessor):  # type: ignore[misc]  # nbgrader has no types
    """Leaves the notes for the grader, such as the rubric, out of what a learner gets back."""

    def preprocess(self, nb: Notebook, resources: dict[str, Any]) -> Converted:
        """The notebook without the notes."""
        return nbformat.from_dict(without_notes(nb)), resources  # type: ignore[no-untyped-call]  # no types


def _intake(tree: Tree, resources: dict[str, Any]) -> Intake:
    names = resources["nbgrader"]
    return take_in(tree, names["student"], load_template(tree, names["assignment"]))
