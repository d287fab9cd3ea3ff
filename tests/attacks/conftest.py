"""Classes of attackers, each graded once per run. ATTACKED_SANDBOX=builtin tries them on the fallback."""

import os

import pytest
from grading import Class, alone, entered, grade_theme
from payloads import LIMITS_OF, THEMES

from autograder.classroom.grading import Graded
from autograder.curriculum import Tree
from autograder.judge.sandbox import SandboxError, find_sandbox


@pytest.fixture(scope="session")
def sandbox() -> str:
    """The name of the sandbox, or the reason why there is none. Without one no payload is run."""
    try:
        return find_sandbox(os.environ.get("ATTACKED_SANDBOX", "bwrap")).name
    except SandboxError as error:
        pytest.skip(f"needs a sandbox: {error}")


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """A released course that nobody has handed in to. Never written into."""
    return entered(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="session")
def honest(base: Tree, sandbox: str, tmp_path_factory: pytest.TempPathFactory) -> Graded:
    """What the honest learner gets alone in a class."""
    return alone(base, tmp_path_factory.mktemp("alone"), "ada", sandbox)


@pytest.fixture(scope="session")
def classes(base: Tree, sandbox: str, tmp_path_factory: pytest.TempPathFactory):
    """The graded class of a theme."""
    done: dict[str, Class] = {}

    def graded(theme: str) -> Class:
        if theme not in done:
            done[theme] = grade_theme(
                base, tmp_path_factory.mktemp("class"), THEMES[theme], sandbox, LIMITS_OF.get(theme)
            )
        return done[theme]

    return graded
