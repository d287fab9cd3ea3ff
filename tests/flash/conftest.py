"""Compiled kernels are kept for one run of the tests, for all its processes; nobody's own cache is read or filled."""

import os

import pytest


@pytest.fixture(scope="session", autouse=True)
def compiled_once(tmp_path_factory):
    """A cache folder that the processes of pytest-xdist share."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "cuda-cache"
    before = os.environ.get("ATTN_CUDA_CACHE")
    os.environ["ATTN_CUDA_CACHE"] = str(folder)
    yield
    os.environ.pop("ATTN_CUDA_CACHE")
    if before is not None:
        os.environ["ATTN_CUDA_CACHE"] = before
