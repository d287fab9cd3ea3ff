"""The check of each wrapper of ptx.cuh on a GPU: tested with the emulator in the place of the GPU."""

import re

import numpy as np
import pytest

from attn_core.flash.cuda import emulator
from attn_core.flash.cuda.compiler import compile_kernels
from attn_core.flash.cuda.kernels import STAGES
from benchmarks.gpu import conformance

PIPELINE = next(stage for stage in STAGES if stage.name == "forward_4_pipeline")
REGISTERS = next(stage for stage in STAGES if stage.name == "forward_2_registers")
emulated = pytest.mark.skipif(bool(emulator.why_unavailable()), reason=emulator.why_unavailable() or "g++ is here")


@pytest.fixture(scope="module")
def twins():
    """What the emulator makes of every wrapper."""
    return [(wrapper, conformance.in_emulator(wrapper)) for wrapper in conformance.wrappers()]


def find(twins, function):
    """The words in and out of a wrapper, of its first input."""
    return next((wrapper.words, found) for wrapper, found in twins if wrapper.function == function)


def test_the_wrappers_compile_for_every_gpu():
    """With each function of ptx.cuh that a kernel can call."""
    pytest.importorskip("cuda.core", reason="cuda-core is not installed: pip install 'attn-curriculum[gpu]'")
    for architecture in ("sm_80", "sm_90a", "sm_120"):
        assert (
            compile_kernels(conformance.FILE, [w.function for w in conformance.wrappers()], architecture).warnings == ()
        )


@emulated
def test_every_function_of_the_header_has_a_wrapper():
    """A new function in ptx.cuh is conformance-tested, or this test fails."""
    header = (STAGES[0].file.parent / "ptx.cuh").read_text()
    names = set(re.findall(r"^__device__ .*?(\w+)(?:<\w+>)?\(", header, re.MULTILINE))
    assert {
        "exp2_approx",
        "infinity",
        "pack",
        "shuffle_xor",
        "mma",
        "load_matrices",
        "copy_async",
        "wait_for_copies",
    } <= names
    file = conformance.FILE.read_text()
    assert {name for name in names if not re.search(rf"\b{name}\b", file)} == {
        "shared_address"
    }  # ldmatrix and cp.async use it


@emulated
def test_the_twins_are_right_where_numpy_knows(twins):
    """Bit by bit: what a difference on a GPU is measured against."""
    words, found = find(twins, "wrap_exp2")
    with np.errstate(over="ignore"):
        exact = np.exp2(words.view(np.float32).astype(np.float64)).astype(np.float32)
    exact[words.view(np.float32) < -126] = 0
    assert np.allclose(found.view(np.float32), exact, rtol=1e-6, atol=0)
    words, found = find(twins, "wrap_shuffle")
    lanes = np.arange(32)
    assert np.array_equal(found.reshape(5, 32), np.stack([words[lanes ^ distance] for distance in (1, 2, 4, 8, 16)]))
    words, found = find(twins, "wrap_pack<fp16>")
    with np.errstate(over="ignore"):
        halves = words.view(np.float32).astype(np.float16).view(np.uint16).astype(np.uint32).reshape(-1, 2)
    assert np.array_equal(found, halves[:, 0] | halves[:, 1] << 16)
    words, found = find(twins, "wrap_copy")
    valid, rows = words[:64], words[64:].reshape(64, 4)
    assert np.array_equal(found.reshape(64, 4), (rows * (valid[:, None] != 0))[::-1])
    words, found = find(twins, "wrap_matrices<true>")
    halves = words[32:].view(np.uint16).reshape(32, 8)[words[:32]].reshape(4, 8, 8)  # matrix, row, column
    lane = np.arange(32)
    low, high = (halves[:, 2 * (lane % 4) + i, lane // 4] for i in (0, 1))
    assert np.array_equal(found.reshape(32, 4), (low.astype(np.uint32) | high.astype(np.uint32) << 16).T)


@emulated
def test_a_gpu_that_agrees_is_told_nothing_and_one_that_does_not_is_told_where(twins):
    """One bit in one word is enough where every bit counts; elsewhere what is more than rounding."""
    results = iter([found for _, found in twins])
    assert conformance.compare(lambda _: next(results).copy()) == []
    for wrapper, found in twins:
        wrong = found.copy()
        wrong[1] ^= 1 << (0 if wrapper.tolerance == 0 else 12)
        said = conformance.difference(wrapper, wrong, found)
        assert said.startswith(f"{wrapper.function}: 1 of {found.size} words differ; word 1 is "), said
        if wrapper.tolerance:
            near = found.copy()
            near[1] ^= 1
            assert conformance.difference(wrapper, near, found) == ""
            nan = found.copy()
            nan[1] = 0x7FC00000
            assert conformance.difference(wrapper, nan, found)
