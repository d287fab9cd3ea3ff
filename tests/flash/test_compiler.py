"""From source to machine code, without a GPU: what NVRTC makes, what it refuses, and a cache that never lies."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("cuda.core", reason="cuda-core is not installed: pip install 'attn-curriculum[gpu]'")

from attn_core.flash.cuda import compiler
from attn_core.flash.cuda.compiler import Compiled, CompileError, Usage, compile_kernels

KERNEL = """
#include "double.cuh"
template <typename T, int N>
__global__ void scale(T *values) {
  __shared__ T part[N];
  part[threadIdx.x] = twice(values[threadIdx.x]);
  __syncthreads();
  values[threadIdx.x] = part[N - 1 - threadIdx.x];
}
"""
HEADER = """
#pragma once
#include "factor.cuh"
template <typename T>
__device__ T twice(T x) { return T(FACTOR) * x; }
"""
FUNCTION = "scale<float, 32>"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A kernel with a header that has a header, and a cache of its own."""
    (tmp_path / "kernel.cu").write_text(KERNEL)
    (tmp_path / "double.cuh").write_text(HEADER)
    (tmp_path / "factor.cuh").write_text("#pragma once\n#define FACTOR 2\n")
    monkeypatch.setenv("ATTN_CUDA_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture
def made(monkeypatch):
    """How often the compiler itself is asked."""
    calls, original = [], compiler._compile
    monkeypatch.setattr(compiler, "_compile", lambda *asked: calls.append(asked) or original(*asked))
    return calls


def build(folder: Path, functions: tuple[str, ...] = (FUNCTION,), architecture: str = "sm_90a") -> Compiled:
    """Compile the kernel of this folder."""
    return compile_kernels(folder / "kernel.cu", functions, architecture, folder=folder)


def entries(folder: Path) -> list[Path]:
    """The files of the cache."""
    return sorted((folder / "cache").iterdir())


def test_the_result_is_machine_code_with_names_and_usage(folder):
    """An ELF file, not PTX; each function by the name it was asked for, with registers and shared memory."""
    found = build(folder, (FUNCTION, "scale<double, 64>"))
    assert found.cubin.startswith(b"\x7fELF")
    assert found.names[FUNCTION].encode() in found.cubin
    assert set(found.usage) == {FUNCTION, "scale<double, 64>"}
    assert found.usage[FUNCTION].shared_bytes == 128
    assert found.usage["scale<double, 64>"].shared_bytes == 512
    assert 0 < found.usage[FUNCTION].registers < 32
    assert found.usage[FUNCTION].spill_bytes == 0
    assert found.warnings == ()


def test_a_second_call_is_served_from_the_cache(folder, made):
    """Also in another process: the entry holds everything, names and log included."""
    first = build(folder)
    assert build(folder) == first
    assert len(made) == 1
    code = (
        "import sys; from pathlib import Path; from attn_core.flash.cuda import compiler\n"
        "compiler._compile = None\n"
        f"found = compiler.compile_kernels(Path('kernel.cu'), [{FUNCTION!r}], 'sm_90a', folder=Path('.').resolve())\n"
        "sys.stdout.write(repr(found.usage))"
    )
    printed = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    assert printed.stdout == repr(first.usage)


@pytest.mark.parametrize("name", ["kernel.cu", "double.cuh", "factor.cuh"])
def test_a_change_in_the_source_or_any_header_is_compiled(folder, made, name):
    """The key is made of all the texts, however far down they are included."""
    before = build(folder)
    path = folder / name
    path.write_text(
        path.read_text().replace("FACTOR 2", "FACTOR 3").replace("T(FACTOR)", "T(4)").replace("N - 1", "N - 2")
    )
    assert build(folder).cubin != before.cubin
    assert len(made) == 2


def test_architecture_functions_options_and_versions_are_part_of_the_key(folder, made, monkeypatch):
    """Whatever decides the result decides the name of the entry."""
    build(folder)
    build(folder, architecture="sm_80")
    build(folder, ("scale<float, 64>",))
    monkeypatch.setattr(compiler, "OPTIONS", {**compiler.OPTIONS, "use_fast_math": True})
    build(folder)
    monkeypatch.setattr(compiler, "versions", lambda: {"NVRTC": "13.9"})
    build(folder)
    assert len(made) == len(entries(folder)) == 5


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-1],
        lambda data: data[: len(data) // 2],
        lambda data: data[:-100] + b"\0" * 100,
        lambda data: data.replace(b"\x7fELF", b"\x7fELf"),
        lambda _: b"",
        lambda _: b"\n\n\n",
        lambda data: data.replace(b"cubin 1", b"cubin 0"),
    ],
)
def test_a_damaged_entry_is_compiled_anew_and_replaced(folder, made, damage):
    """Cut short, zeroed, one letter changed, empty, of another format."""
    whole = build(folder)
    (entry,) = entries(folder)
    entry.write_bytes(damage(entry.read_bytes()))
    again = build(folder)
    assert (again.cubin, again.names) == (whole.cubin, whole.names)
    assert build(folder) == again
    assert len(made) == 2


def test_an_entry_about_other_functions_is_not_believed(folder, made):
    """A file that was renamed to another's name is noticed."""
    build(folder)
    build(folder, ("scale<float, 64>",))
    first, second = entries(folder)
    first.write_bytes(second.read_bytes())
    second.write_bytes(first.read_bytes())
    assert set(build(folder).names) == {FUNCTION}
    assert set(build(folder, ("scale<float, 64>",)).names) == {"scale<float, 64>"}
    assert len(made) == 3


def test_a_cache_that_cannot_be_written_or_read_costs_only_time(folder, made, monkeypatch):
    """The cache folder is a file; its parent does not exist for anyone; an entry is a folder."""
    (folder / "cache").write_text("in the way")
    assert build(folder).cubin == build(folder).cubin
    monkeypatch.setenv("ATTN_CUDA_CACHE", "/proc/none/cache")
    assert build(folder).names
    monkeypatch.setenv("ATTN_CUDA_CACHE", str(folder / "other"))
    build(folder)
    (entry,) = (folder / "other").iterdir()
    entry.unlink()
    entry.mkdir()
    assert build(folder).names
    assert len(made) == 5
    assert list((folder / "other").iterdir()) == [entry]  # no half-written file stays


def test_a_full_disk_leaves_nothing_behind(folder, made, monkeypatch):
    """What could not be moved into place is taken away again."""

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(compiler.os, "replace", full)
    assert build(folder).names
    assert entries(folder) == []
    assert len(made) == 1


def test_a_file_that_changes_while_it_is_compiled_is_not_cached(folder, monkeypatch):
    """What was hashed may not be what was compiled."""
    original = compiler._compile

    def slow(*asked):
        found = original(*asked)
        (folder / "factor.cuh").write_text("#define FACTOR 5\n")
        return found

    monkeypatch.setattr(compiler, "_compile", slow)
    build(folder)
    assert not (folder / "cache").exists()


def test_a_header_in_the_current_folder_does_not_shadow_the_packages(folder, monkeypatch, tmp_path_factory):
    """NVRTC would look in the current folder first; the key would not know of that file."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    for name in ("factor.cuh", "double.cuh"):
        (elsewhere / name).write_text("#error shadowed\n")
    monkeypatch.chdir(elsewhere)
    assert build(folder).names


def test_what_the_compiler_refuses_is_told_with_its_log(folder):
    """File, architecture and version in one sentence; then where in the file, and why."""
    (folder / "kernel.cu").write_text(KERNEL.replace("threadIdx.x]);", "threadIdx.x])"))
    with pytest.raises(
        CompileError,
        match=r"^kernel.cu cannot be compiled for sm_90a by NVRTC \d+\.\d+ \(scale<float, 32>\)\. The compiler says:",
    ) as told:
        build(folder)
    assert 'kernel.cu(7): error: expected a ";"' in str(told.value)
    assert told.value.__suppress_context__
    assert not (folder / "cache").exists()


def test_an_unknown_architecture_function_or_header_is_refused(folder):
    """Whatever is wrong, it is said by the same sentence, with the compiler's reason."""
    with pytest.raises(CompileError, match=r"compiled for sm_77 (.|\n)*invalid value for --gpu-architecture"):
        build(folder, architecture="sm_77")
    with pytest.raises(CompileError, match=r"identifier \"resize\" is undefined"):
        build(folder, ("resize<float>",))
    (folder / "factor.cuh").unlink()
    with pytest.raises(CompileError, match=r"cannot open source file \"factor.cuh\""):
        build(folder)


def test_a_warning_is_found_in_the_log(folder):
    """Tests of the ladder allow none."""
    (folder / "kernel.cu").write_text(KERNEL.replace("__syncthreads", "int forgotten; __syncthreads"))
    (warning,) = build(folder).warnings
    assert 'kernel.cu(7): warning #177-D: variable "forgotten" was declared but never referenced' in warning


def test_usage_is_read_from_the_assemblers_report():
    """With spills, stack and several functions; one without shared memory has 0."""
    log = """ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function 'first' for 'sm_80'
ptxas info    : Function properties for first
ptxas         .     24 bytes stack frame, 120 bytes spill stores, 96 bytes spill loads
ptxas info    : Used 255 registers, used 1 barriers, 24 bytes cumulative stack size, 4096 bytes smem
ptxas info    : Compiling entry function 'second' for 'sm_80'
ptxas info    : Function properties for second
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 16 registers, used 0 barriers
"""
    assert compiler.usage(log) == {"first": Usage(255, 216, 4096), "second": Usage(16, 0, 0)}


def test_the_cache_is_in_the_users_cache_folder(monkeypatch):
    """Unless ATTN_CUDA_CACHE says otherwise."""
    monkeypatch.delenv("ATTN_CUDA_CACHE")
    monkeypatch.setattr(compiler.platformdirs, "user_cache_path", lambda name: Path("/home/me") / name)
    assert compiler.cache_folder() == Path("/home/me/attn-curriculum/cuda")


def test_importing_the_package_loads_no_cuda_and_no_torch():
    """A machine without a GPU pays nothing."""
    code = (
        "import sys, attn_core.flash.cuda.compiler\n"
        "print([name for name in sys.modules if name.split('.')[0] in ('torch', 'numpy', 'cuda')])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
