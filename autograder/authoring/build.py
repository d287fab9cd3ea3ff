"""Text to executed notebook, and an edit made in JupyterLab back to the text."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from autograder.authoring import execute
from autograder.authoring.notebook import Notebook, difference, dumps, not_executed, read, write
from autograder.authoring.text import cell_lines, to_notebook, to_text
from autograder.curriculum import CurriculumError, Topic, Tree


@dataclass(frozen=True)
class Built:
    """What happened to one notebook."""

    path: Path
    executed: bool  # False: the text is that of the stored, executed notebook, so nothing was run
    changed: bool  # False: the file has the bytes that it had
    seconds: float

    @property
    def state(self) -> str:
        """In words."""
        return f"executed in {self.seconds:.1f} s" if self.executed else "up to date"


@dataclass(frozen=True)
class Pulled:
    """What happened to one text."""

    text: Path
    changed: bool


def build(tree: Tree, slug: str, force: bool = False) -> tuple[Built, ...]:
    """Build and execute the lecture and the solution of a topic.

    A notebook whose text part agrees and that was executed is left alone unless `force`. A text that cannot be read, or
    a cell that fails, raises CurriculumError and leaves the stored notebook as it was.
    """
    texts = [(topic, text, target) for topic, text, target in tree.texts() if topic.slug == slug]
    if not texts:
        tree.topic(slug)  # says which slugs there are
    if not any(text.is_file() for _, text, _ in texts):
        missing = " nor ".join(tree.shown(text) for _, text, _ in texts)
        raise CurriculumError(
            f"There is nothing to build for {slug}: neither {missing} exists. Run `attn new` to start a topic."
        )
    built, problems = [], []
    for topic, text, target in texts:
        if not text.is_file():
            continue
        try:
            built.append(_build_one(tree, topic, text, target, force))
        except CurriculumError as error:  # a lecture in progress does not keep its solution from being built
            problems.append(str(error))
    if problems:
        raise CurriculumError("\n".join(problems))
    return tuple(built)


def planned(tree: Tree, topic: Topic, text: Path) -> Notebook:
    """The unexecuted notebook that `text` describes."""
    return to_notebook(text.read_text(encoding="utf-8"), topic, tree.shown(text))


def up_to_date(nb: Notebook, target: Path) -> bool:
    """Is `target` an executed build of this very text?"""
    if not target.is_file():
        return False
    try:
        stored = read(target)
    except CurriculumError:
        return False
    return difference(nb, stored) is None and not_executed(stored) is None


def _build_one(tree: Tree, topic: Topic, text: Path, target: Path, force: bool) -> Built:
    start = time.perf_counter()
    nb = planned(tree, topic, text)
    if not force and up_to_date(nb, target):
        return Built(target, executed=False, changed=False, seconds=time.perf_counter() - start)
    execute.require_kernel()
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        done = execute.execute(nb, target.parent)
    except execute.ExecutionFailed as error:
        ids = [cell["id"] for cell in nb["cells"]]
        lines = cell_lines(text.read_text(encoding="utf-8"))
        known = error.cell in ids and len(lines) == len(ids)
        line = f" (line {lines[ids.index(error.cell)] + error.line})" if known else ""
        raise CurriculumError(
            f"{tree.shown(text)}, cell {error.cell!r}{line}: {str(error).rstrip('.')}. "
            f"Mend the text and run `attn build {topic.slug}` again."
        ) from None
    changed = write(target, dumps(done))
    return Built(target, executed=True, changed=changed, seconds=time.perf_counter() - start)


def pull(tree: Tree, path: Path, force: bool = False) -> Pulled:
    """Bring an edit of a built notebook back into its text. Run `build` afterwards.

    Only lectures and solutions have a text. A text that is newer than the notebook and says something else would lose
    an edit: that raises CurriculumError unless `force`.
    """
    topic, text = _text_of(tree, path)
    nb, name = read(path), tree.shown(path)
    previous = text.read_text(encoding="utf-8") if text.is_file() else ""
    if previous and difference(to_notebook(previous, topic, tree.shown(text)), nb) is None:
        return Pulled(text, changed=False)
    if previous and text.stat().st_mtime > path.stat().st_mtime and not force:
        raise CurriculumError(
            f"{tree.shown(text)} is newer than {name} and differs from it; pulling would overwrite the newer edit. "
            f"Build to keep the text, or pull with --force to keep the notebook."
        )
    pulled = to_text(nb, topic, name, previous)
    to_notebook(pulled, topic, name)  # what was pulled must build: an unknown role or a copied cell is refused here
    return Pulled(text, changed=write(text, pulled))


def _text_of(tree: Tree, path: Path) -> tuple[Topic, Path]:
    for topic, text, target in tree.texts():
        if path.resolve() == target.resolve():
            return topic, text
    raise CurriculumError(
        f"{tree.shown(path)} is neither a lecture nor a solution, so it has no text to pull into. "
        f"Exercises are released from solutions: edit the solution."
    )
