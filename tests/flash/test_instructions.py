"""The machine code has the instructions that each stage is about, and no spilled registers. Read by nvdisasm, without a GPU."""

import shutil

import pytest

pytest.importorskip("cuda.core", reason="cuda-core is not installed: pip install 'attn-curriculum[gpu]'")

from cubins import REQUIRED, Entry, disassembler, instructions, products, wrong_instructions

from attn_core.flash.cuda.compiler import FOLDER, compile_kernels
from attn_core.flash.cuda.kernels import STAGES

pytestmark = pytest.mark.skipif(disassembler() is None, reason="nvdisasm is not here: pip install nvidia-cuda-nvdisasm")
STAGE = {stage.name: stage for stage in STAGES}
ENTRIES = [
    Entry(stage, dtype, 64, architecture)
    for stage in STAGES
    for dtype in stage.dtypes
    for architecture in (("sm_80", "sm_90a", "sm_120") if stage.ships else ("sm_80",))
]


def test_every_stage_is_looked_at():
    """A new stage must say what it is about."""
    assert set(REQUIRED) == set(STAGE)


@pytest.mark.parametrize("entry", ENTRIES, ids=str)
def test_the_stage_is_made_of_its_instructions(entry, tmp_path):
    """All kernels of a stage together; those of the tensor cores for this dtype."""
    compiled = entry.compile()
    found = instructions(compiled.cubin, tmp_path)
    assert set(found) == set(compiled.names.values())
    assert wrong_instructions(entry.stage.name, sum(found.values(), start=type(found.popitem()[1])())) == []


@pytest.mark.parametrize("entry", [e for e in ENTRIES if "HMMA.16816.F32" in REQUIRED[e.stage.name][0]], ids=str)
def test_each_tensor_core_kernel_does_all_its_products(entry, tmp_path):
    """As many mma as the tile's arithmetic says, none left out by the compiler; for bfloat16 in bfloat16."""
    compiled = entry.compile()
    found = instructions(compiled.cubin, tmp_path)
    name = "HMMA.16816.F32.BF16" if entry.dtype == "bfloat16" else "HMMA.16816.F32"
    for launch in entry.launches():
        assert found[compiled.names[launch.function]][name] >= products(launch, entry.stage)


# Each requirement has a kernel that fails it.


def planted(tmp_path, stage, dtype, *changes, header=()):
    """What the check says of a stage with these changes of its text or of ptx.cuh."""
    entry = Entry(STAGE[stage], dtype, 64, "sm_80")
    for path in FOLDER.glob("*.cuh"):
        shutil.copy(path, tmp_path)
    texts = {
        tmp_path / "planted.cu": entry.stage.file.read_text(),
        tmp_path / "ptx.cuh": (FOLDER / "ptx.cuh").read_text(),
    }
    for path, edits in zip(texts, (changes, header), strict=True):
        for old, new in edits:
            assert old in texts[path]
            texts[path] = texts[path].replace(old, new)
        path.write_text(texts[path], encoding="utf-8")
    functions = [launch.function for launch in entry.launches()]
    compiled = compile_kernels(tmp_path / "planted.cu", functions, "sm_80", folder=tmp_path)
    found = instructions(compiled.cubin, tmp_path)
    return wrong_instructions(stage, sum(found.values(), start=type(found.popitem()[1])()))


SLOW_MMA = """
#define mma mma_by_hand
template <typename T> __device__ void mma_by_hand(float (&sum)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
  for (int i = 0; i < 4; ++i) sum[i] += __int_as_float(a[i]) * __int_as_float(b0 ^ b1);
}
"""
HEADER_EDITS = {
    "LDSM.16.M88.4": (
        '"ldmatrix.sync.aligned.m8n8.x4.shared.b16',
        '"ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16',
    ),
    "LDSM.16.MT88.4": (
        '"ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16',
        '"ldmatrix.sync.aligned.m8n8.x4.shared.b16',
    ),
    "LDGSTS.E.BYPASS.128": (
        'asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"',
        'asm volatile("{ .reg .u32 r; cvt.u32.u64 r, %1; add.u32 r, r, %2; st.shared.u32 [%0], r; }"',
    ),
    "MUFU.EX2": ('asm("ex2.approx.ftz.f32 %0, %1;"', 'asm("add.f32 %0, %1, %1;"'),
    "SHFL.BFLY": ("return __shfl_xor_sync(0xffffffffu, value, distance)", "return value * float(distance)"),
}


@pytest.mark.parametrize("missing", HEADER_EDITS)
def test_a_pipeline_without_one_of_its_instructions_is_caught(tmp_path, missing):
    """The wrapper does something else: the check names the instruction."""
    found = planted(tmp_path, "forward_4_pipeline", "bfloat16", header=[HEADER_EDITS[missing]])
    assert f"{missing} does not appear" in found


def test_tensor_core_stages_without_tensor_cores_are_caught(tmp_path):
    """A product by hand in place of mma."""
    for stage in ("forward_3_tensor_cores", "forward_4_pipeline"):
        folder = tmp_path / stage
        folder.mkdir()
        edit = ('#include "params.cuh"', f'#include "params.cuh"\n{SLOW_MMA}')
        assert "HMMA.16816.F32 does not appear" in planted(folder, stage, "float16", edit)


def test_spilled_registers_are_caught(tmp_path):
    """Too many blocks are asked for on one multiprocessor."""
    edit = ("__launch_bounds__(32 * WARPS)", "__launch_bounds__(32 * WARPS, 4)")
    found = planted(tmp_path, "forward_4_pipeline", "bfloat16", edit)
    assert {line.split()[0] for line in found} == {"LDL", "STL"}


def test_narrow_loads_are_caught(tmp_path):
    """The register-tile kernel, told that addresses are multiples of 4 bytes only."""
    found = planted(
        tmp_path, "forward_2_registers", "float32", header=[("16", "16")]
    )  # unchanged: the base of the test
    assert found == []
    narrow = "\nstruct Narrow4 { float x, y, z, w; };\n#define float4 Narrow4\n"
    folder = tmp_path / "narrow"
    folder.mkdir()
    found = planted(
        folder, "forward_2_registers", "float32", ('#include "params.cuh"', f'#include "params.cuh"{narrow}')
    )
    assert {"LDG.E.128 does not appear", "LDS.128 does not appear", "STS.128 does not appear"} & set(found)


def test_what_must_not_appear_is_caught():
    """By name; a prefix of a name is another instruction."""
    assert wrong_instructions("forward_0_naive", {"FFMA": 3, "MUFU.EX2": 1, "SHFL.BFLY": 1, "LDSM.16.M88.4": 2}) == []
    assert wrong_instructions(
        "forward_0_naive", {"FFMA": 3, "MUFU.EX2": 1, "SHFL.BFLY": 1, "LDS.128": 2, "STL": 1}
    ) == [
        "LDS appears 2 times",
        "STL appears 1 times",
    ]
    assert wrong_instructions("forward_3_tensor_cores", {}) == [
        "HMMA.16816.F32 does not appear",
        "MUFU.EX2 does not appear",
        "SHFL.BFLY does not appear",
    ]
