"""The ladder: which kernels there are, what they can do, and how they are launched. One list, read by all else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
HEAD_SIZES = (64, 96, 128, 192, 256)
CPP_TYPES = {"float32": "float", "float16": "fp16", "bfloat16": "bf16"}
BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}


@dataclass(frozen=True)
class Problem:
    """One call: sizes of the longest sequence, and what the kernel is specialised for."""

    dtype: str
    head_size: int
    batch: int
    heads: int
    kv_heads: int
    queries: int
    keys: int
    causal: bool


@dataclass(frozen=True)
class Launch:
    """One kernel to start: its name as C++ writes it, blocks, threads a block, bytes of shared memory a block."""

    function: str
    grid: tuple[int, int, int]
    threads: int
    shared_bytes: int


@dataclass(frozen=True)
class Stage:
    """One file of the ladder."""

    name: str
    idea: str
    dtypes: tuple[str, ...]
    head_sizes: tuple[int, ...]
    oldest: tuple[int, int]  # compute capability
    launches: Callable[[Problem], tuple[Launch, ...]]
    ships: bool = False
    keeps_scores: bool = False

    @property
    def file(self) -> Path:
        """Its source."""
        return FOLDER / f"{self.name}.cu"

    def workspace_bytes(self, problem: Problem) -> int:
        """Bytes of memory that it needs beside its inputs and outputs: all scores, or nothing."""
        scores = problem.batch * problem.heads * problem.queries * problem.keys
        return 4 * scores if self.keeps_scores else 0


def _blocks(items: int, per_block: int) -> int:
    return max(1, -(-items // per_block))


def _cpp(*arguments: str | int | bool) -> str:
    return ", ".join(str(a).lower() if isinstance(a, bool) else str(a) for a in arguments)


def _grid(problem: Problem, rows: int) -> tuple[int, int, int]:
    return _blocks(problem.queries, rows), problem.heads, problem.batch


def _naive(problem: Problem) -> tuple[Launch, ...]:
    def step(name: str, items: int, per_block: int) -> Launch:
        grid = (_blocks(items, per_block), problem.heads, problem.batch)
        return Launch(f"{name}<{_cpp(problem.head_size, problem.causal)}>", grid, 256, 0)

    return (
        step("scores", problem.queries * problem.keys, 256),
        step("softmax", problem.queries, 8),
        step("weigh", problem.queries * problem.head_size, 256),
    )


def _fused(problem: Problem) -> tuple[Launch, ...]:
    rows, keys, d = 64, 32, problem.head_size
    function = f"forward<{_cpp(d, rows, keys, problem.causal)}>"
    return (Launch(function, _grid(problem, rows), rows, 2 * keys * d * 4),)


def _registers(problem: Problem) -> tuple[Launch, ...]:
    d = problem.head_size
    rows, keys = (64, 64) if d <= 128 else (32, 32)  # so that a block fits into 99 KiB
    shared = ((rows + keys) * (d + 4) + rows * (keys + 4)) * 4
    function = f"forward<{_cpp(d, rows, keys, problem.causal)}>"
    return (Launch(function, _grid(problem, rows), rows * 4, shared),)


def _tensor_cores(problem: Problem) -> tuple[Launch, ...]:
    rows, keys, d = 64, 64, problem.head_size
    function = f"forward<{_cpp(CPP_TYPES[problem.dtype], d, rows, keys, problem.causal)}>"
    return (Launch(function, _grid(problem, rows), rows * 2, 2 * keys * d * 2),)


# (fragments of 16 queries a warp, warps, keys of a tile): as large as registers and 99 KiB of shared memory allow
PIPELINE_TILES = {64: (2, 4, 64), 96: (2, 4, 48), 128: (2, 4, 64), 192: (1, 8, 64), 256: (1, 4, 64)}


def _pipeline(problem: Problem) -> tuple[Launch, ...]:
    d = problem.head_size
    tall, warps, keys = PIPELINE_TILES[d]
    rows, width = 16 * tall * warps, -(-d // 64) * 64
    function = f"forward<{_cpp(CPP_TYPES[problem.dtype], d, tall, warps, keys, problem.causal)}>"
    return (Launch(function, _grid(problem, rows), 32 * warps, (rows + 2 * keys) * width * 2),)


HALF = ("float16", "bfloat16")
STAGES = (
    Stage(
        "forward_0_naive",
        "three kernels; every score goes to memory and back, twice",
        ("float32",),
        HEAD_SIZES,
        (8, 0),
        _naive,
        keeps_scores=True,
    ),
    Stage(
        "forward_1_fused",
        "one kernel with an online softmax, a thread per query",
        ("float32",),
        (64, 128),
        (8, 0),
        _fused,
    ),
    Stage(
        "forward_2_registers",
        "tiles of scores and output in registers",
        ("float32",),
        HEAD_SIZES,
        (8, 0),
        _registers,
        ships=True,
    ),
    Stage("forward_3_tensor_cores", "both products by mma.sync", HALF, (64, 128), (8, 0), _tensor_cores),
    Stage(
        "forward_4_pipeline",
        "swizzled tiles, ldmatrix, copies in the background",
        HALF,
        HEAD_SIZES,
        (8, 0),
        _pipeline,
        ships=True,
    ),
)


def pick(dtype: str, head_size: int, capability: tuple[int, int]) -> Stage:
    """The kernel that ships for this call, or ValueError with the reason why there is none."""
    shipping = [stage for stage in STAGES if stage.ships]
    able = [stage for stage in shipping if dtype in stage.dtypes]
    if not able:
        known = ", ".join(name for stage in shipping for name in stage.dtypes)
        raise ValueError(f"flash_attention: no CUDA kernel computes in {dtype}; there are kernels for {known}.")
    if not any(head_size in stage.head_sizes for stage in able):
        sizes = ", ".join(str(size) for size in sorted({size for stage in able for size in stage.head_sizes}))
        cure = "pad q, k and v with zeros up to one of them and pass scale=1/√(the true size)"
        raise ValueError(f"flash_attention: no CUDA kernel has head size {head_size}, only {sizes}; {cure}.")
    able = [stage for stage in able if head_size in stage.head_sizes and stage.oldest <= capability]
    if not able:
        got = ".".join(str(part) for part in capability)
        raise ValueError(f"flash_attention: this GPU has compute capability {got}, but the kernels need 8.0 or newer.")
    return able[-1]
