"""The flash operator on a CPU against torch's scaled_dot_product_attention: time, interleaved, and memory.

Writes benchmarks/results/flash_cpu.json. The bars, in float32 at 1×8×4096×64, full and causal: at least 0.7 of the speed of
torch's fused attention, medians of one run; and memory beyond the results that does not grow with the square of n.
"""

from __future__ import annotations

import datetime
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from attn_core.flash import flash_attention

RESULTS = Path(__file__).parent / "results" / "flash_cpu.json"
REPEATS = 7
SHAPES = [  # name, (batch, heads, tokens, features), dtype, causal, with the backward pass
    ("forward", (1, 8, 4096, 64), torch.float32, False, False),
    ("forward, causal", (1, 8, 4096, 64), torch.float32, True, False),
    ("forward, 128 features", (1, 8, 2048, 128), torch.float32, False, False),
    ("forward, causal, 128 features", (1, 8, 2048, 128), torch.float32, True, False),
    ("forward, bfloat16", (1, 8, 2048, 64), torch.bfloat16, False, False),
    ("forward and backward, causal", (1, 8, 2048, 64), torch.float32, True, True),
]
TOKENS = (4096, 16384)  # of the memory measurement, one head of 64 features


def inputs(shape: tuple[int, ...], dtype: torch.dtype, requires_grad: bool) -> list[Tensor]:
    """Queries, keys and values."""
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(shape, generator=generator).to(dtype).requires_grad_(requires_grad) for _ in "qkv"]


def compare(shape: tuple[int, ...], dtype: torch.dtype, causal: bool, backward: bool) -> dict[str, object]:
    """Medians of both in one interleaved run; the first round, which warms up, is not counted."""
    q, k, v = inputs(shape, dtype, backward)

    def flash() -> Tensor:
        return flash_attention(q, k, v, causal=causal)[0]

    def fused() -> Tensor:
        return scaled_dot_product_attention(q, k, v, is_causal=causal)

    error = (flash() - fused()).abs().max().item()
    times: dict[str, list[float]] = {"flash": [], "fused": []}
    for _ in range(REPEATS + 1):
        for name, function in (("flash", flash), ("fused", fused)):
            start = time.perf_counter()
            out = function()
            if backward:
                torch.autograd.grad(out, (q, k, v), torch.ones_like(out))
            times[name].append(time.perf_counter() - start)
    ours, theirs = (statistics.median(times[name][1:]) for name in ("flash", "fused"))
    products = (7 if backward else 2) * (0.5 if causal else 1)  # forward two, backward five
    operations = 2 * products * math.prod(shape) * shape[2]
    return {
        "shape": list(shape),
        "dtype": str(dtype).removeprefix("torch."),
        "milliseconds": round(1000 * ours, 1),
        "torch milliseconds": round(1000 * theirs, 1),
        "fastest": [round(1000 * min(times[name][1:]), 1) for name in ("flash", "fused")],
        "gigaflop per second": round(operations / ours / 1e9, 1),
        "ratio of speeds": round(theirs / ours, 2),
        "largest difference": float(f"{error:.2g}"),
    }


def untiled(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attention that holds all scores at once."""
    return torch.softmax(q @ k.mT / math.sqrt(q.shape[-1]), -1) @ v


PATHS: dict[str, Callable[[Tensor, Tensor, Tensor], object]] = {
    "flash": flash_attention,
    "fused": scaled_dot_product_attention,
    "untiled": untiled,
}


def peak_megabytes(path: str, tokens: int) -> float:
    """How far one call raises the peak of a fresh process, its result included."""
    command = [sys.executable, __file__, "--peak", path, str(tokens)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def print_peak(path: str, tokens: int) -> None:
    """Run once on few tokens, so that libraries are loaded, then on all; print what the second run added in MB."""
    PATHS[path](*inputs((1, 1, 1024, 64), torch.float32, False))
    q, k, v = inputs((1, 1, tokens, 64), torch.float32, False)
    Path("/proc/self/clear_refs").write_text(
        "5", encoding="ascii"
    )  # Linux: the peak starts again from what is held now
    before = peak_kilobytes()
    PATHS[path](q, k, v)
    print((peak_kilobytes() - before) / 1024)


def peak_kilobytes() -> int:
    """The largest resident size so far."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))


def main() -> None:
    """Measure, print, write."""
    speed = {}
    for name, *case in SHAPES:
        speed[name] = compare(*case)
        print(f"{name:32}" + "  ".join(f"{key} {value}" for key, value in speed[name].items()), flush=True)
    memory = {path: {str(n): round(peak_megabytes(path, n), 1) for n in TOKENS} for path in PATHS}
    print(f"megabytes at {TOKENS} tokens: {memory}")
    machine = {
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "machine": platform.machine(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "python": platform.python_version(),
        "torch": metadata.version("torch"),
        "date": datetime.date.today().isoformat(),
        "load": round(os.getloadavg()[0], 2),
    }
    result = {"machine": machine, "repeats": REPEATS, "speed": speed, "megabytes of one call": memory}
    RESULTS.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"{RESULTS.relative_to(Path.cwd())} written")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--peak"]:
        print_peak(sys.argv[2], int(sys.argv[3]))
    else:
        main()
