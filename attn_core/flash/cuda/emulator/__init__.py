"""Runs the ladder's kernels on any machine with g++: the same source, with threads as fibers instead of a GPU.

    from attn_core.flash.cuda import emulator, kernels
    result = emulator.run(kernels.STAGES[4], q, k, v, causal=True)      # float32 arrays (batch, heads, rows, features)
    result.out, result.lse, result.counters

A block runs under a chosen order of its threads: a missing barrier shows when a thread runs ahead of the others. Memory is
poisoned with NaN and fenced in; a hang is reported with barrier and threads. What is not modelled: speed, caches, and
orders of memory that only a real GPU shows.
"""

from __future__ import annotations

import ctypes
import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from platformdirs import user_cache_path

from attn_core.flash.cuda.kernels import FOLDER, Launch, Problem, Stage
from attn_core.flash.cuda.params import Layout, Params, make_params

ORDERS = ("first in", "last in", "random")
LIMIT = 60  # seconds of processor time that a launch may take
# Hidden, as inline variables would otherwise be shared by all libraries of the process.
COMPILER = ("g++", "-std=c++17", "-O1", "-shared", "-fPIC", "-fvisibility=hidden", "-w")
_NUMPY_TYPES: dict[str, Any] = {"float32": np.float32, "float16": np.float16, "bfloat16": np.uint16}


class EmulatorError(RuntimeError):
    """A kernel hung, touched memory that is not its own, or broke another rule; the message says which thread and line."""


@dataclass(frozen=True)
class Counters:
    """What a launch did. A fragment read without bank conflicts costs one wavefront per matrix."""

    blocks: int
    barriers: int
    mma: int
    matrices: int
    wavefronts: int
    copied_bytes: int


@dataclass(frozen=True)
class Result:
    """Output (rounded to the kernel's dtype, as float64), log-sum-exp, counters of each launch."""

    out: np.ndarray
    lse: np.ndarray
    counters: tuple[Counters, ...]


def why_unavailable() -> str:
    """What is missing on this machine, as a sentence; empty if nothing is."""
    if shutil.which("g++") is None:
        return (
            "The emulator compiles kernels with g++, which is not installed (Debian and Ubuntu: sudo apt install g++)."
        )
    return ""


def build(source: Path, functions: Iterable[str]) -> ctypes.CDLL:
    """Compile a kernel's file for the CPU; `functions` are kernels as C++ writes them. Cached by everything that went in.

    Headers beside the file come before those of the ladder.
    """
    missing = why_unavailable()
    if missing:
        raise EmulatorError(missing)
    lines = ["#define ATTN_EMULATOR", f'#include "{source.name}"', '#include "emulator/harness.h"']
    lines += [f"EMULATOR_LAUNCH(launch_{i}, {function})" for i, function in enumerate(functions)]
    text = "\n".join(lines) + "\n"
    folders = [source.parent, FOLDER]
    parts = [
        source,
        *(part for folder in folders for part in sorted([*folder.glob("*.cuh"), *folder.glob("emulator/*.h")])),
    ]
    key = hashlib.sha256(text.encode() + b"".join(part.read_bytes() for part in parts) + repr(COMPILER).encode())
    library = user_cache_path("attn-curriculum") / "emulator" / f"{source.stem}-{key.hexdigest()[:20]}.so"
    if not library.exists():
        library.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=library.parent) as place:
            made, program = Path(place) / "kernel.so", Path(place) / "kernel.cpp"
            program.write_text(text, encoding="utf-8")
            done = subprocess.run(
                [*COMPILER, *(f"-I{folder}" for folder in folders), "-o", made, program],
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                raise EmulatorError(f"g++ does not compile {source.name}:\n{done.stderr}")
            made.replace(library)  # in one step: another process may want the same
    return ctypes.CDLL(str(library))


def run(
    stage: Stage,
    q: np.ndarray,
    k: np.ndarray,
    v: np.ndarray,
    *,
    dtype: str = "",
    causal: bool = False,
    scale: float | None = None,
    key_lengths: np.ndarray | None = None,
    cu_seqlens: tuple[np.ndarray, np.ndarray] | None = None,
    order: str = "first in",
    seed: int = 0,
    late_copies: bool = False,
    source: Path | None = None,
) -> Result:
    """Run one stage on arrays (batch, heads, rows, features), or packed (rows, heads, features) with cu_seqlens.

    `source` is another version of the stage's file, e.g. one with a planted bug.
    """
    dtype = dtype or stage.dtypes[-1]
    problem = _problem(dtype, q, k, causal, cu_seqlens)
    variants = [stage.launches(replace(problem, causal=either)) for either in (False, True)]  # one library has both
    library = build(source or stage.file, [launch.function for launches in variants for launch in launches])
    first = len(variants[0]) if causal else 0
    try:
        memory = Memory(library)
        inputs = [memory.put(name, encode(array, dtype)) for name, array in (("q", q), ("k", k), ("v", v))]
        out = memory.empty("out", q.shape, _NUMPY_TYPES[dtype])
        lse_shape = (q.shape[1], q.shape[0]) if cu_seqlens else q.shape[:3]
        lse = memory.empty("lse", lse_shape, np.float32)
        params = make_params(
            *(_layout(array) for array in (*inputs, out, lse)),
            queries=problem.queries,
            keys=problem.keys,
            heads=problem.heads,
            kv_heads=problem.kv_heads,
            scale=problem.head_size**-0.5 if scale is None else scale,
            scores=memory.empty("scores", (stage.workspace_bytes(problem),), np.uint8).ctypes.data,
            key_lengths=memory.address("key_lengths", key_lengths),
            cu_queries=memory.address("cu_queries", cu_seqlens and cu_seqlens[0]),
            cu_keys=memory.address("cu_keys", cu_seqlens and cu_seqlens[1]),
        )
        counters = tuple(
            start(library, i, launch, params, order, seed, late_copies)
            for i, launch in enumerate(variants[causal], first)
        )
        return Result(decode(out, dtype), lse.astype(np.float64), counters)
    finally:
        library.delete_regions()


def _problem(
    dtype: str, q: np.ndarray, k: np.ndarray, causal: bool, cu_seqlens: tuple[np.ndarray, np.ndarray] | None
) -> Problem:
    batch, queries, keys = q.shape[0], q.shape[-2], k.shape[-2]
    if cu_seqlens:
        batch = len(cu_seqlens[0]) - 1
        queries, keys = (int(np.diff(starts).max(initial=0)) for starts in cu_seqlens)
    return Problem(dtype, q.shape[-1], batch, q.shape[1], k.shape[1], queries, keys, causal)


def encode(array: np.ndarray, dtype: str) -> np.ndarray:
    """The array as a kernel finds it in memory; bfloat16, which NumPy lacks, as the bits of each number."""
    if dtype != "bfloat16":
        return np.ascontiguousarray(array, _NUMPY_TYPES[dtype])
    bits = np.ascontiguousarray(array, np.float32).view(np.uint32)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16  # to nearest, ties to even
    return np.where(np.isnan(array), 0x7FFF, rounded).astype(np.uint16)


def decode(array: np.ndarray, dtype: str) -> np.ndarray:
    """The numbers in float64."""
    if dtype == "bfloat16":
        array = (array.astype(np.uint32) << 16).view(np.float32)
    return np.asarray(array, np.float64)


def _layout(array: np.ndarray) -> Layout:
    return Layout(array.ctypes.data, [stride // array.itemsize for stride in array.strides])


def start(
    library: ctypes.CDLL, number: int, launch: Launch, params: Params, order: str, seed: int, late_copies: bool
) -> Counters:
    """Run function `number` of a library; EmulatorError carries the report of a launch that broke a rule."""
    call = getattr(library, f"launch_{number}")
    call.restype = ctypes.c_char_p
    grid = (ctypes.c_uint * 3)(*launch.grid)
    report = call(
        ctypes.byref(params),
        grid,
        launch.threads,
        launch.shared_bytes,
        ORDERS.index(order),
        seed,
        int(late_copies),
        LIMIT,
    ).decode()
    if report:
        raise EmulatorError(f"{launch.function}: {report}")
    numbers = (ctypes.c_longlong * 6)()
    library.read_counters(numbers)
    return Counters(*numbers)


class Memory:
    """Arrays in the emulator's fenced memory, which lives until delete_regions()."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self.new_region = library.new_region
        self.new_region.restype = ctypes.c_void_p
        self.new_region.argtypes = (ctypes.c_char_p, ctypes.c_longlong)

    def empty(self, name: str, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        """An array whose every byte is 255: NaN in every float, so that what is never written shows."""
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        raw = (ctypes.c_byte * size).from_address(self.new_region(name.encode(), size))
        return np.ndarray(shape, dtype, buffer=raw)

    def put(self, name: str, array: np.ndarray) -> np.ndarray:
        """A copy of the array."""
        copy = self.empty(name, array.shape, array.dtype)
        copy[...] = array
        return copy

    def address(self, name: str, numbers: np.ndarray | None) -> int:
        """Where a copy of these whole numbers lies; 0 where there are none."""
        return 0 if numbers is None else self.put(name, numbers.astype(np.int32)).ctypes.data
