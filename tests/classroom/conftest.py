"""Courses to grade in: one made by hand for the intake, one of the real assignment with nbgrader's gradebook."""

import shutil
from pathlib import Path

import pytest
from makers import SLUG, exercise, write

from autograder.classroom.nbgrader_steps import generate_assignment
from autograder.curriculum import MANIFEST, Tree
from autograder.judge.sandbox import SandboxError, find_sandbox
from tests.durability.classes import PROJECT, copied


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """A checkout that holds the small exercise and no submission."""
    found = Tree(tmp_path, tmp_path / "course")
    found.manifest.parent.mkdir()
    shutil.copyfile(MANIFEST, found.manifest)
    write(found.exercise(SLUG), exercise())
    return found


@pytest.fixture(scope="session")
def entered(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """All of this project that grading 06_scaling reads, released by nbgrader into a gradebook. Never written into."""
    root = tmp_path_factory.mktemp("entered")
    found, real = Tree(root, root / "course"), Tree(PROJECT, PROJECT / "course")
    shutil.copyfile(PROJECT / "nbgrader_config.py", root / "nbgrader_config.py")
    for source, target in ((real.manifest, found.manifest), (real.solution(SLUG), found.solution(SLUG))):
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    shutil.copytree(real.sample_class(SLUG), found.sample_class(SLUG))
    generate_assignment(found, SLUG)
    return found


@pytest.fixture
def course(entered: Tree, tmp_path: Path) -> Tree:
    """A private copy of it."""
    return copied(entered, tmp_path)


@pytest.fixture(scope="session")
def bubblewrap() -> str:
    """The name of the sandbox, or the reason why there is none."""
    try:
        return find_sandbox("bwrap").name
    except SandboxError as error:
        pytest.skip(f"needs bubblewrap: {error}")
