"""Every kernel compiles for every GPU that it claims, without a warning, within its budget; by NVRTC and by nvcc."""

import dataclasses
import shutil
import subprocess

import pytest

pytest.importorskip("cuda.core", reason="cuda-core is not installed: pip install 'attn-curriculum[gpu]'")

from cubins import ARCHITECTURES, BUDGETS, MAIN, Entry, matrix, over_budget

from attn_core.flash.cuda.compiler import FOLDER, Compiled, Usage, compile_kernels
from attn_core.flash.cuda.kernels import STAGES, Launch

STAGE = {stage.name: stage for stage in STAGES}
PIPELINE = Entry(STAGE["forward_4_pipeline"], "bfloat16", 64, "sm_80")


@pytest.mark.parametrize("entry", matrix(), ids=str)
def test_it_compiles_without_a_warning_and_within_its_budget(entry):
    """Registers, spills, shared memory and threads; both masks."""
    compiled = entry.compile()
    assert compiled.cubin.startswith(b"\x7fELF")
    assert over_budget(entry, compiled, entry.launches()) == []


def test_the_matrix_has_what_it_promises():
    """Every stage and dtype; of what ships every head size on two architectures and every architecture at the main one."""
    entries = matrix()
    assert {(e.stage.name, e.dtype) for e in entries} == {(s.name, dtype) for s in STAGES for dtype in s.dtypes}
    for stage in STAGES:
        sizes = stage.head_sizes if stage.ships else (MAIN[stage.name],)
        for size in sizes:
            found = {e.architecture for e in entries if e.stage is stage and e.head_size == size}
            assert {"sm_80", "sm_90a"} <= found
            assert found == set(ARCHITECTURES) or not stage.ships or size != MAIN[stage.name]


def test_every_budget_is_used_and_none_is_far_too_wide():
    """A budget that no kernel comes near says nothing: 8 registers are one step of the hardware, 16 bytes of spills four words."""
    for stage in STAGES:
        sizes = {e.head_size for e in matrix() if e.stage is stage}
        assert set(BUDGETS[stage.name]) == {str(size) for size in sizes}
        for size in sizes:
            entries = [e for e in matrix() if (e.stage, e.head_size) == (stage, size)]
            budget = BUDGETS[stage.name][str(size)]
            used = {
                e.architecture: [
                    u for f in entries if f.architecture == e.architecture for u in f.compile().usage.values()
                ]
                for e in entries
            }
            most = max(u.registers for found in used.values() for u in found)
            assert budget["registers"] - 8 < most, (stage.name, size, most)
            for architecture, allowed in budget.get("allowed", {}).items():
                spilled = max(u.spill_bytes for u in used[architecture])
                assert allowed - 16 < spilled, (stage.name, size, architecture, spilled)


# The check itself is checked: each of its numbers has a kernel that is over it.


def planted(tmp_path, *changes, entry=PIPELINE):
    """The kernel with these changes of its text, compiled, and what the check says of it."""
    for header in FOLDER.glob("*.cuh"):
        shutil.copy(header, tmp_path)
    text = entry.stage.file.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    file = tmp_path / "planted.cu"
    file.write_text(text, encoding="utf-8")
    functions = [launch.function for launch in entry.launches()]
    compiled = compile_kernels(file, functions, entry.architecture, folder=tmp_path)
    return over_budget(entry, compiled, entry.launches())


def test_the_unchanged_kernel_is_within_its_budget(tmp_path):
    """Else the next tests would prove nothing."""
    assert planted(tmp_path) == []


def test_a_kernel_that_spills_is_caught(tmp_path):
    """Four blocks on a multiprocessor leave 128 registers a thread."""
    found = planted(tmp_path, ("__launch_bounds__(32 * WARPS)", "__launch_bounds__(32 * WARPS, 4)"))
    assert len(found) == 2
    assert all("spilled bytes, at most 0" in line for line in found)


def test_a_kernel_that_takes_more_registers_is_caught(tmp_path):
    """All queries' fragments kept over the whole loop."""
    hold = "float held[24];\n  for (int i = 0; i < 24; ++i) held[i] = at.lse[i * at.queries];\n  float peak[TALL][2]"
    give_back = "  for (int i = 0; i < 24; ++i) at.lse[i] = held[i];\n  wait_for_copies();  // with no key"
    found = planted(tmp_path, ("float peak[TALL][2]", hold), ("  wait_for_copies();  // with no key", give_back))
    most = BUDGETS[PIPELINE.stage.name]["64"]["registers"]
    assert any(f"registers a thread, at most {most}" in line for line in found), found


def test_a_warning_is_caught(tmp_path):
    """A variable that nobody reads."""
    found = planted(tmp_path, ("int first = tile * ROWS,", "int forgotten; int first = tile * ROWS,"))
    assert found
    assert all(line.startswith("the compiler warns: planted.cu(") for line in found)


def test_what_no_block_can_have_is_caught():
    """Shared memory beyond the architecture's, registers and threads beyond a block's."""
    launch = Launch("f", (1, 1, 1), 1056, 99 * 1024 - 3)
    compiled = Compiled(b"", {"f": "f"}, "")
    usage = {"f": Usage(registers=57, spill_bytes=0, shared_bytes=4)}
    fake = type("Fake", (), {"usage": usage, "warnings": compiled.warnings})()
    assert over_budget(dataclasses.replace(PIPELINE, architecture="sm_89"), fake, [launch]) == [
        "f: 101377 bytes of shared memory, at most 101376",
        "f: 67584 registers a block, at most 65536",
        "f: 1056 threads a block, at most 1024",
    ]
    assert len(over_budget(dataclasses.replace(PIPELINE, architecture="sm_90a"), fake, [launch])) == 2


# nvcc, the other compiler: what a maintainer would use to build the kernels beforehand.

NVCC = shutil.which("nvcc")
NVCC_ENTRIES = [Entry(stage, stage.dtypes[-1], MAIN[stage.name], "sm_90a") for stage in STAGES] + [
    Entry(stage, stage.dtypes[0], 64, architecture)
    for stage, architecture in ((STAGE["forward_2_registers"], "sm_89"), (STAGE["forward_4_pipeline"], "sm_120"))
]


def nvcc(tmp_path, entry, text):
    """What nvcc says of this text, with warnings as errors; `architecture` must be spelled out, or it would add PTX."""
    file = tmp_path / "instances.cu"
    file.write_text(text, encoding="utf-8")
    code = f"arch={entry.architecture.replace('sm', 'compute')},code={entry.architecture}"
    command = [NVCC, "-std=c++17", "-cubin", "-gencode", code, "-Werror", "all-warnings", "-I", FOLDER, "-Xptxas", "-v"]
    return subprocess.run([*command, "-o", tmp_path / "out", file], capture_output=True, text=True, check=False)


@pytest.mark.skipif(NVCC is None or shutil.which("c++") is None, reason="nvcc and a C++ compiler are not both here")
@pytest.mark.parametrize("entry", NVCC_ENTRIES, ids=str)
def test_nvcc_compiles_it_as_well(tmp_path, entry):
    """A toolkit's compiler with a host compiler in front, warnings as errors; the same number of functions comes out."""
    instances = [f"template __global__ void {launch.function}(const Params);" for launch in entry.launches()]
    said = nvcc(tmp_path, entry, f'#include "{entry.stage.file.name}"\n' + "\n".join(instances))
    assert said.returncode == 0, said.stderr
    assert (tmp_path / "out").read_bytes().startswith(b"\x7fELF")
    assert said.stderr.count("Compiling entry function") == len(instances)


@pytest.mark.skipif(NVCC is None or shutil.which("c++") is None, reason="nvcc and a C++ compiler are not both here")
def test_nvcc_refuses_a_warning(tmp_path):
    """The same check on a kernel that fails it."""
    text = "__global__ void idle(float *x) { int forgotten; x[0] = 1; }"
    said = nvcc(tmp_path, PIPELINE, text)
    assert said.returncode != 0
    assert "forgotten" in said.stderr
