"""The emulator itself: what its instructions compute, and what it says of kernels that break a rule."""

import ctypes
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from attn_core.flash.cuda import emulator
from attn_core.flash.cuda.emulator import EmulatorError, Memory, build, decode, encode, start
from attn_core.flash.cuda.kernels import FOLDER, STAGES, Launch
from attn_core.flash.cuda.params import Params, Tensor

pytestmark = pytest.mark.skipif(bool(emulator.why_unavailable()), reason=emulator.why_unavailable())


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Kernels of these tests are compiled into a cache that goes away."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def run(
    body: str,
    tmp_path: Path,
    arrays: dict[str, np.ndarray],
    threads: int = 32,
    shared: int = 0,
    blocks: int = 1,
    **schedule,
):
    """Run `body` in every thread. q, k, v and out are pointers to 32-bit numbers; returns what it wrote, and the counters."""
    file = tmp_path / "kernel.cu"
    pointers = "".join(
        f"  [[maybe_unused]] auto *{name} = static_cast<unsigned *>(p.{name}.data);\n"
        for name in ("q", "k", "v", "out")
    )
    file.write_text(
        f'#include "params.cuh"\n__global__ void kernel(const Params p) {{\n{pointers}#line 1\n{body}\n}}\n'
    )
    library = build(file, ["kernel"])
    try:
        memory = Memory(library)
        placed = {name: memory.put(name, array) for name, array in arrays.items()}
        params = Params(**{name: Tensor(array.ctypes.data) for name, array in placed.items()})
        options = {"order": "first in", "seed": 0, "late_copies": False} | schedule
        counters = start(library, 0, Launch("kernel", (blocks, 1, 1), threads, shared), params, *options.values())
        return {name: array.copy() for name, array in placed.items()}, counters
    finally:
        library.delete_regions()


def report(body: str, tmp_path: Path, **options) -> str:
    """What the emulator says of a kernel that breaks a rule."""
    with pytest.raises(EmulatorError) as caught:
        run(body, tmp_path, {"out": np.zeros(64, np.uint32)}, **options)
    return str(caught.value)


def test_all_half_numbers_are_what_numpy_says(tmp_path):
    """widen: every one of the 65,536 patterns of float16, and of bfloat16."""
    bits = np.arange(65536, dtype=np.uint32)
    for name, exact in (
        ("fp16", bits.astype(np.uint16).view(np.float16).astype(np.float32)),
        ("bf16", (bits << 16).view(np.float32)),
    ):
        body = f"int i = blockIdx.x * 32 + threadIdx.x; out[i] = emulator::bits_of(emulator::widen({name}{{static_cast<unsigned short>(q[i])}}));"
        arrays, _ = run(body, tmp_path, {"q": bits, "out": np.zeros_like(bits)}, blocks=2048)
        got = arrays["out"].view(np.float32)
        assert np.array_equal(got, exact, equal_nan=True)


@pytest.mark.parametrize("name", ["fp16", "bf16"])
def test_pack_rounds_to_nearest_even(tmp_path, name):
    """Numbers of all sizes, the halves between two neighbours among them, as NumPy and torch round them."""
    import torch

    rng = np.random.default_rng(0)
    small = np.arange(65536, dtype=np.uint32)[: 1 << 15]
    halves = ((small << 16) | 0x8000).view(np.float32)  # half-way between two bfloat16 numbers
    with np.errstate(invalid="ignore"):  # ∞ and NaN are among them, and left out below
        lower, upper = ((small + step).astype(np.uint16).view(np.float16).astype(np.float32) for step in (0, 1))
        sizes = 10.0 ** rng.integers(-9, 9, 4096)
        numbers = np.concatenate([rng.normal(size=4096) * sizes, halves, (lower + upper) / 2]).astype(np.float32)
    numbers = np.concatenate([numbers[np.isfinite(numbers)], -numbers[np.isfinite(numbers)]])
    numbers = numbers[: len(numbers) // 64 * 64]
    body = f"int i = blockIdx.x * 32 + threadIdx.x; out[i] = pack<{name}>(emulator::float_of(q[2 * i]), emulator::float_of(q[2 * i + 1]));"
    arrays, _ = run(
        body,
        tmp_path,
        {"q": numbers.view(np.uint32), "out": np.zeros(len(numbers) // 2, np.uint32)},
        blocks=len(numbers) // 64,
    )
    dtype = torch.float16 if name == "fp16" else torch.bfloat16
    exact = torch.tensor(numbers).to(dtype).view(torch.int16).numpy()
    assert np.array_equal(arrays["out"].view(np.int16), exact)
    if name == "bf16":  # and the Python side packs alike
        assert np.array_equal(encode(numbers, "bfloat16").view(np.int16), exact)
        assert np.array_equal(
            decode(encode(numbers, "bfloat16"), "bfloat16"), torch.tensor(numbers).to(dtype).double().numpy()
        )


def test_a_shuffle_exchanges(tmp_path):
    """Thread i gets the number of thread i XOR distance of its own warp."""
    body = "out[threadIdx.x] = static_cast<unsigned>(shuffle_xor(static_cast<float>(threadIdx.x), 5));"
    arrays, _ = run(body, tmp_path, {"out": np.zeros(64, np.uint32)}, threads=64, order="random")
    assert np.array_equal(arrays["out"], np.arange(64) ^ 5)


@pytest.mark.parametrize("name", ["fp16", "bf16"])
def test_mma_is_a_matrix_product(tmp_path, name):
    """With fragments laid out as the PTX manual's tables say, sum += a · b."""
    rng = np.random.default_rng(1)
    dtype = "float16" if name == "fp16" else "bfloat16"
    a, b, c = (rng.integers(-8, 9, size).astype(np.float32) for size in ((16, 16), (16, 8), (16, 8)))
    lanes = [(lane // 4, lane % 4) for lane in range(32)]
    halves = lambda array: encode(array, dtype).view(np.uint16).astype(np.uint32)  # noqa: E731  one expression, used twice

    def register(matrix: np.ndarray, first: tuple[int, int], second: tuple[int, int]) -> np.uint32:
        return matrix[first] | matrix[second] << 16

    left, right = halves(a), halves(b)
    q = [register(left, (g + r, 2 * t + s), (g + r, 2 * t + s + 1)) for g, t in lanes for s in (0, 8) for r in (0, 8)]
    k = [register(right, (2 * t + s, g), (2 * t + s + 1, g)) for g, t in lanes for s in (0, 8)]
    v = np.array([c[g + r, 2 * t + s] for g, t in lanes for r in (0, 8) for s in (0, 1)], np.float32)
    body = f"""
  int i = threadIdx.x;
  unsigned a[4] = {{q[4 * i], q[4 * i + 1], q[4 * i + 2], q[4 * i + 3]}};
  float sum[4];
  std::memcpy(sum, v + 4 * i, 16);
  mma<{name}>(sum, a, k[2 * i], k[2 * i + 1]);
  std::memcpy(out + 4 * i, sum, 16);"""
    arrays, counters = run(
        body, tmp_path, {"q": np.array(q), "k": np.array(k), "v": v.view(np.uint32), "out": np.zeros(128, np.uint32)}
    )
    got = arrays["out"].view(np.float32).reshape(32, 2, 2)
    expected = a.astype(np.float64) @ b + c
    for (g, t), numbers in zip(lanes, got, strict=True):
        assert np.array_equal(numbers, expected[[g, g + 8], 2 * t : 2 * t + 2])
    assert counters.mma == 1


@pytest.mark.parametrize("transposed", [False, True])
def test_load_matrices(tmp_path, transposed):
    """Four matrices: a thread gets two neighbours of a row, or of a column, of each; conflicts are counted."""
    numbers = np.arange(4 * 64, dtype=np.uint16).reshape(4, 8, 8)
    suffix = "_transposed" if transposed else ""
    body = f"""
  unsigned char *tile = shared_memory();
  for (int i = threadIdx.x; i < 128; i += 32) std::memcpy(tile + 4 * i, q + i, 4);
  block_barrier();
  unsigned four[4];
  load_matrices{suffix}(four, tile + threadIdx.x * 16);
  for (int i = 0; i < 4; ++i) out[4 * threadIdx.x + i] = four[i];"""
    arrays, counters = run(
        body, tmp_path, {"q": numbers.view(np.uint32).ravel(), "out": np.zeros(128, np.uint32)}, shared=512
    )
    got = arrays["out"].view(np.uint16).reshape(32, 4, 2)
    turned = numbers.swapaxes(1, 2) if transposed else numbers
    for lane in range(32):
        assert np.array_equal(got[lane], turned[:, lane // 4, lane % 4 * 2 : lane % 4 * 2 + 2])
    assert (counters.matrices, counters.wavefronts) == (4, 4)


def test_conflicts_are_counted(tmp_path):
    """Rows 128 bytes apart lie in the same banks: 8 accesses a matrix; one row read by all is one."""
    body = "unsigned four[4]; load_matrices(four, shared_memory() + threadIdx.x % 8 * 128); out[threadIdx.x] = four[0];"
    _, counters = run(body, tmp_path, {"out": np.zeros(32, np.uint32)}, shared=1024)
    assert (counters.matrices, counters.wavefronts) == (4, 32)
    _, counters = run(
        body.replace("threadIdx.x % 8 * 128", "0"), tmp_path, {"out": np.zeros(32, np.uint32)}, shared=1024
    )
    assert (counters.matrices, counters.wavefronts) == (4, 4)


def test_memory_begins_as_nan(tmp_path):
    """Shared memory that was never written is NaN, in every block anew."""
    body = "float *tile = reinterpret_cast<float *>(shared_memory()); out[blockIdx.x * 32 + threadIdx.x] = tile[threadIdx.x] != tile[threadIdx.x]; tile[threadIdx.x] = 1;"
    arrays, _ = run(body, tmp_path, {"out": np.zeros(64, np.uint32)}, shared=128, blocks=2)
    assert arrays["out"].all()


def test_copies_arrive_at_once_or_late(tmp_path):
    """Before the wait the target holds the numbers (early) or NaN (late), after it the numbers; an invalid one brings zeros."""
    body = """
  auto *tile = reinterpret_cast<unsigned *>(shared_memory());
  copy_async(tile, q, true);
  copy_async(tile + 4, nullptr, false);
  out[0] = tile[0];
  wait_for_copies();
  out[1] = tile[0], out[2] = tile[4];"""
    for late, before in ((False, 7), (True, 0xFFFFFFFF)):
        arrays, counters = run(
            body,
            tmp_path,
            {"q": np.full(4, 7, np.uint32), "out": np.zeros(3, np.uint32)},
            threads=1,
            shared=32,
            late_copies=late,
        )
        assert arrays["out"].tolist() == [before, 7, 0]
        assert counters.copied_bytes == 16


def test_orders(tmp_path):
    """First in, last in, and a random order that its seed fixes."""
    body = "out[threadIdx.x] = out[63]++;"
    orders = {}
    for order, seed in (("first in", 0), ("last in", 0), ("random", 1), ("random", 1), ("random", 2)):
        arrays, _ = run(body, tmp_path, {"out": np.zeros(64, np.uint32)}, order=order, seed=seed)
        orders.setdefault((order, seed), []).append(arrays["out"][:32].tolist())
    assert orders["first in", 0] == [list(range(32))]
    assert orders["last in", 0] == [list(range(31, -1, -1))]
    assert orders["random", 1][0] == orders["random", 1][1] != orders["random", 2][0]
    assert sorted(orders["random", 1][0]) == list(range(32))


def test_a_hang_names_barrier_threads_and_lines(tmp_path):
    """Who waits where, and who has ended."""
    body = "if (threadIdx.x < 40) block_barrier();\nelse if (threadIdx.x < 64) shuffle_xor(1, 1);"
    assert report(body, tmp_path, threads=96) == (
        "kernel: block (0, 0, 0) hangs: threads 0–39 wait at the block's barrier in line 1;"
        " threads 40–63 wait at a shuffle in line 2; threads 64–95 have ended."
    )


def test_two_barriers_are_not_one(tmp_path):
    """Threads that meet at different barriers are told so; a GPU lets them pass."""
    body = "if (threadIdx.x < 32) block_barrier();\nelse block_barrier();"
    assert report(body, tmp_path, threads=64) == (
        "kernel: block (0, 0, 0): thread 0 came to the barrier of line 1 and thread 32 to that of line 2;"
        " all threads of a block must come to the same one."
    )


def test_those_who_have_ended_are_not_waited_for(tmp_path):
    """A barrier opens for the threads that are still there."""
    body = "if (threadIdx.x >= 32) return;\nblock_barrier();\nout[threadIdx.x] = 1;"
    arrays, _ = run(body, tmp_path, {"out": np.zeros(64, np.uint32)}, threads=64)
    assert arrays["out"].sum() == 32


def test_a_warp_without_one_of_its_threads(tmp_path):
    """An operation of a warp needs all 32 threads."""
    body = "if (threadIdx.x == 3) return;\nshuffle_xor(1, 1);"
    assert report(body, tmp_path, order="first in") in (
        "kernel: thread 4 came to a shuffle in line 2, but thread 3 of its warp has ended.",
        "kernel: block (0, 0, 0) hangs: threads 0–2, 4–31 wait at a shuffle in line 2; threads 3 have ended.",
    )


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (
            "out[64 + threadIdx.x] = 1;",
            "kernel: block (0, 0, 0), thread 0 touched memory 0 bytes past the end of out (256 bytes).",
        ),
        (
            "if (threadIdx.x == 5) out[80] = out[64];",
            "thread 5 touched memory 0 bytes past the end of out (256 bytes).",
        ),
        (
            "shared_memory()[128 + threadIdx.x] = 1;",
            "touched memory 0 bytes past the end of shared memory (128 bytes).",
        ),
        ("out[-1] = 7;", "a thread wrote beside out."),
        ("*static_cast<unsigned *>(p.k.data) = 7;", "which belongs to no tensor."),
        ("out[0] = 1 / (out[1] - out[1]);", "thread 0 divided by zero."),
        (
            "copy_async(shared_memory(), out, true);",
            "thread 0 ended with 1 asynchronous copies that it did not wait for.",
        ),
        (
            "copy_async(shared_memory() + 4, out, true);",
            "thread 0: cp.async in line 1 needs addresses that are multiples of 16 bytes.",
        ),
        (
            "unsigned four[4]; load_matrices(four, shared_memory() + 2);",
            "ldmatrix in line 1 needs rows that begin at a multiple of 16 bytes.",
        ),
        ("unsigned four[4]; load_matrices(four, out);", "thread 0: ldmatrix in line 1 reads shared memory only."),
    ],
)
def test_rules_that_are_broken(tmp_path, body, says):
    """The report says what happened, where, and in which thread."""
    assert says in report(body, tmp_path, shared=128)


def test_a_loop_without_end(tmp_path, monkeypatch):
    """A thread that never comes to a barrier is stopped."""
    monkeypatch.setattr(emulator, "LIMIT", 1)
    says = "block (0, 0, 0), thread 7 has run on and on without an end; a loop may not stop."
    assert says in report("for (volatile int i = 0; threadIdx.x == 7; ++i);", tmp_path)


def test_after_a_report_the_next_launch_works(tmp_path):
    """A fault leaves nothing behind that would disturb what comes after it."""
    for _ in range(2):
        report("out[64] = 1;", tmp_path)
        arrays, _ = run("out[threadIdx.x] = threadIdx.x;", tmp_path, {"out": np.zeros(64, np.uint32)})
        assert arrays["out"][:32].tolist() == list(range(32))


def test_code_that_does_not_compile(tmp_path):
    """The compiler's own words come along."""
    assert report("nonsense;", tmp_path).startswith("g++ does not compile kernel.cu:\n")


def test_without_a_compiler(monkeypatch):
    """What is missing, and how to get it."""
    monkeypatch.setattr(shutil, "which", lambda _: None)
    says = "The emulator compiles kernels with g++, which is not installed (Debian and Ubuntu: sudo apt install g++)."
    assert emulator.why_unavailable() == says
    with pytest.raises(EmulatorError, match="which is not installed"):
        build(STAGES[0].file, ["scores<64, false>"])


def test_portable_threads_do_the_same(tmp_path, monkeypatch):
    """Where the stack switch is not our assembly but the C library's, the results are the same."""
    monkeypatch.setattr(emulator, "COMPILER", (*emulator.COMPILER, "-DEMULATOR_UCONTEXT"))
    body = (
        "block_barrier();\nout[threadIdx.x] = static_cast<unsigned>(shuffle_xor(static_cast<float>(threadIdx.x), 1));"
    )
    arrays, _ = run(body, tmp_path, {"out": np.zeros(64, np.uint32)}, threads=64, order="last in")
    assert np.array_equal(arrays["out"], np.arange(64) ^ 1)
    assert "hangs" in report("if (threadIdx.x) block_barrier(); else shuffle_xor(1, 1);", tmp_path, threads=32)


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_the_ladder_compiles_without_warnings(stage, tmp_path):
    """g++ has nothing to say about a kernel, its headers and the emulator."""
    program = tmp_path / "program.cpp"
    program.write_text(f'#define ATTN_EMULATOR\n#include "{stage.file.name}"\n#include "emulator/harness.h"\n')
    flags = ["-std=c++17", "-fsyntax-only", "-Wall", "-Wextra", "-Wno-unknown-pragmas", f"-I{FOLDER}"]
    done = subprocess.run(["g++", *flags, program], capture_output=True, text=True, check=False)
    assert done.stderr == ""


def test_the_struct_has_the_same_size_on_both_sides(tmp_path):
    """params.py and params.cuh agree on where each member lies."""
    names = [name for name, _ in Params._fields_]
    body = (
        "int i = 0;\n"
        + "\n".join(f"out[i++] = __builtin_offsetof(Params, {name});" for name in names)
        + "\nout[i] = sizeof(Params);"
    )
    arrays, _ = run(body, tmp_path, {"out": np.zeros(len(names) + 1, np.uint32)}, threads=1)
    assert arrays["out"].tolist() == [*(getattr(Params, name).offset for name in names), ctypes.sizeof(Params)]
