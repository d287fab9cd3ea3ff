"""A sandbox for the tests of this folder, or the reason why there is none."""

import pytest

from autograder.judge.sandbox import Sandbox, SandboxError, find_sandbox


@pytest.fixture(scope="session")
def sandbox() -> Sandbox:
    """Bubblewrap in the strongest form that works here."""
    try:
        return find_sandbox("bwrap")
    except SandboxError as error:
        pytest.skip(f"needs bubblewrap: {error}")
