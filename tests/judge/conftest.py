"""Sandboxes for the tests of this folder, or the reason why one cannot be had."""

import pytest

from autograder.judge.process import cool
from autograder.judge.sandbox import Sandbox, SandboxError, find_sandbox


@pytest.fixture(scope="session", params=["bwrap", "builtin"])
def sandbox(request) -> Sandbox:
    """Every back-end that protects, one after the other."""
    try:
        return find_sandbox(request.param)
    except SandboxError as error:
        pytest.skip(f"needs another system: {error}")


@pytest.fixture(scope="session", autouse=True)
def _end_warm_processes():
    """None of them outlives the tests."""
    yield
    cool()
