"""A small healthy tree, built once; every test gets its own copy of it to break."""

import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import nbgrader.api
import pytest
from demo_course import SLUG, demo_tasks, plain_tree

from autograder.authoring.build import build
from autograder.authoring.release import fresh_release, release
from autograder.authoring.rules import exercises
from autograder.authoring.tables import write_tables
from autograder.checking import task as checking
from autograder.checking.task import Task, Written
from autograder.curriculum import START, Tree, topics


@pytest.fixture(scope="session", autouse=True)
def _one_alembic() -> Iterator[None]:
    """nbgrader asks a program (1.5 s) for the version of its own schema, for every new gradebook. Once is enough."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nbgrader.api, "get_alembic_version", cache(nbgrader.api.get_alembic_version))
        yield


@pytest.fixture(scope="session")
def released() -> dict[bytes, str]:
    """What nbgrader made of each solution so far: most breakers leave the solution alone."""
    return {}


@pytest.fixture(autouse=True)
def _remember_releases(released: dict[bytes, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The rule `fresh` runs nbgrader once per solution, not once per test."""

    def remembered(tree: Tree, slug: str, gradebook: str) -> str:
        key = tree.solution(slug).read_bytes()
        if key not in released:
            released[key] = fresh_release(tree, slug, gradebook)
        return released[key]

    monkeypatch.setattr(exercises, "fresh_release", remembered)


@pytest.fixture
def demo_loader(monkeypatch: pytest.MonkeyPatch) -> dict[str, Task | Written]:
    """What the loader finds; a test may change it."""
    found = demo_tasks()
    monkeypatch.setattr(checking, "load", lambda slug: found if slug == SLUG else {})
    return found


@pytest.fixture(scope="session")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """The demo, built and released. Tests must not change it: they take `tree`."""
    tree = plain_tree(tmp_path_factory.mktemp("healthy"))
    build(tree, SLUG)
    write_tables(tree)
    build(tree, START.slug)
    release(tree, SLUG)
    shutil.rmtree(tree.course)
    return tree


@pytest.fixture
def tree(healthy: Tree, tmp_path: Path, demo_loader: dict[str, Task | Written]) -> Tree:  # noqa: ARG001  # it patches
    """A copy of the healthy tree that a test may break."""
    shutil.copytree(healthy.root, tmp_path, dirs_exist_ok=True)
    topics.cache_clear()
    return Tree(tmp_path, tmp_path / "course")
