"""nbgrader's own steps, run in this process: the only module that imports nbgrader's converters.

nbgrader reports a failure as a page of traceback in its log. Here it becomes one exception with the cause.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path

from nbgrader.converters import GenerateAssignment
from nbgrader.converters.base import NbGraderException
from nbgrader.coursedir import CourseDirectory
from traitlets.config import Config
from traitlets.config.loader import PyFileConfigLoader

from autograder.curriculum import Tree


class StepFailed(Exception):  # noqa: N818  # it says what happened, like ExecutionFailed
    """A step of nbgrader failed; the message is its cause in one line."""


class _Log(logging.Handler):
    """Keeps what nbgrader logs, and the exception that it was handling then."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []
        self.cause: BaseException | None = None

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())
        self.cause = self.cause or sys.exc_info()[1]

    def sentence(self, error: Exception) -> str:
        """The cause in one line: the first exception that nbgrader was handling when it logged an error."""
        text = str(self.cause or "") or (self.messages or [str(error)])[0]
        return text.strip().splitlines()[0]


def settings(tree: Tree) -> Config:
    """What `nbgrader_config.py` says about this tree."""
    with chdir(tree.root):  # the file finds its tree from the working directory
        return Config(PyFileConfigLoader("nbgrader_config.py", path=str(tree.root)).load_config())


@contextmanager
def programs_on_path() -> Iterator[None]:
    """nbgrader starts `alembic` by name: this Python's own programs come first while a step runs."""
    before = os.environ.get("PATH", "")
    os.environ["PATH"] = str(Path(sys.executable).parent) + os.pathsep + before
    try:
        yield
    finally:
        os.environ["PATH"] = before


def generate_assignment(tree: Tree, slug: str, release_dir: Path | None = None, db: str | None = None) -> Path:
    """Run nbgrader's release step and return the released notebook.

    `release_dir` and `db` (a database address) replace the exercises and the course's gradebook. Raises StepFailed;
    then nbgrader has removed what it was about to replace.
    """
    config = settings(tree)
    config.CourseDirectory.db_url = db or tree.gradebook
    config.CourseDirectory.release_directory = str((release_dir or tree.exercise(slug).parent.parent).resolve())
    config.CourseDirectory.assignment_id = slug
    config.GenerateAssignment.force = True
    if config.CourseDirectory.db_url == tree.gradebook:
        tree.course.mkdir(parents=True, exist_ok=True)
    log = logging.Logger(f"{__name__}.{slug}")  # not in the logging tree: nothing is printed
    heard = _Log()
    log.addHandler(heard)
    with programs_on_path():
        try:
            course = CourseDirectory(config=config, log=log)
            GenerateAssignment(coursedir=course, config=config, log=log).start()
        except NbGraderException as error:
            raise StepFailed(heard.sentence(error)) from None
    return Path(str(config.CourseDirectory.release_directory)) / slug / f"{slug}.ipynb"
