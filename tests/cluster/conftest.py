"""A released course for the tests of this folder. Never written into: each test takes a copy."""

import pytest

from autograder.curriculum import Tree
from tests.durability.classes import make_course


@pytest.fixture(scope="session")
def released(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """All of this project that grading 06_scaling reads, in a gradebook."""
    return make_course(tmp_path_factory.mktemp("released"))
