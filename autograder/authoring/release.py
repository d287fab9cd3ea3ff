"""Solution to exercise, by nbgrader's own release step."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from autograder.authoring.build import planned, up_to_date
from autograder.authoring.notebook import read, write
from autograder.authoring.regions import slips
from autograder.classroom.nbgrader_steps import StepFailed, generate_assignment
from autograder.curriculum import CurriculumError, Tree


@dataclass(frozen=True)
class Released:
    """What learners get now."""

    path: Path
    changed: bool  # False: the exercise has the bytes that it had
    tasks: int
    points: float


def release(tree: Tree, slug: str) -> Released:
    """Release an assignment into `exercises/` and enter it in the course's gradebook.

    The solution must be built and its regions must be right; otherwise, or when nbgrader refuses, CurriculumError says
    what to mend, and the exercise that was there stays.
    """
    topic = tree.topic(slug)
    text, solution = tree.solution_text(slug), tree.solution(slug)
    if text.is_file() and not up_to_date(planned(tree, topic, text), solution):
        raise CurriculumError(f"{tree.shown(solution)} is not built from its text. Run `attn build {slug}` first.")
    for cell in read(solution)["cells"]:
        for problem in slips(cell):
            raise CurriculumError(
                f"{tree.shown(text)}: cell {cell['id']!r} {problem}. Mend it, build, and release again."
            )
    changed = write(tree.exercise(slug), fresh_release(tree, slug, tree.gradebook))
    return Released(tree.exercise(slug), changed, len(topic.tasks), topic.points)


def fresh_release(tree: Tree, slug: str, gradebook: str | None = None) -> str:
    """The exercise as nbgrader releases it now. Nothing is touched but `gradebook`, by default a temporary one.

    nbgrader deletes the old release before it makes the new one, and leaves nothing when it fails: hence the temporary
    folder.
    """
    with tempfile.TemporaryDirectory() as folder:
        try:
            path = generate_assignment(tree, slug, Path(folder), gradebook or f"sqlite:///{folder}/gradebook.db")
        except StepFailed as error:
            raise CurriculumError(_refusal(tree, slug, str(error))) from None
        return path.read_text(encoding="utf-8")


def _refusal(tree: Tree, slug: str, cause: str) -> str:
    if "submissions associated with" in cause:
        return (
            f"The gradebook of {tree.shown(tree.course)} holds submissions for {slug} with other cells. "
            f"`attn regrade {slug}` takes the changes over and grades everyone again; or set ATTN_COURSE to the folder of a new course."
        )
    return (
        f"nbgrader could not release {tree.shown(tree.solution(slug))}: {cause}. "
        f"Mend the solution text, build, and release again."
    )
