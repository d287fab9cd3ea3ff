"""Every stage and every back-end of torch's scaled_dot_product_attention, interleaved in one run; medians of CUDA events.

FLOPs are 4 · batch · heads · queries · keys · head size, half of that with a causal mask (both products, nothing else).
"""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from attn_core.flash.cuda import launch
from attn_core.flash.cuda.kernels import STAGES

BACKENDS = {
    "cuDNN": SDPBackend.CUDNN_ATTENTION,
    "flash": SDPBackend.FLASH_ATTENTION,
    "efficient": SDPBackend.EFFICIENT_ATTENTION,
    "math": SDPBackend.MATH,
}
TOKENS = 16384  # batch · length
WARM_UP, REPEATS = 3, 20
SLOW = 0.1  # seconds: what takes longer is measured a few times only
FEW = 3

Attention = Callable[[], Any]


@dataclass(frozen=True)
class Setting:
    """One shape: A is plain, B has 8 query heads per key-value head, C has head size 64; all 2048 features wide."""

    config: str
    dtype: str
    head_size: int
    heads: int
    kv_heads: int
    length: int
    causal: bool

    @property
    def batch(self) -> int:
        """So that the number of tokens is always the same."""
        return TOKENS // self.length

    @property
    def flops(self) -> float:
        """Of the two products."""
        whole = 4.0 * self.batch * self.heads * self.length**2 * self.head_size
        return whole / 2 if self.causal else whole


def settings() -> Iterator[Setting]:
    """Sixteen-bit numbers at three lengths; float32, where the first stages are slow, at one."""
    for causal in (False, True):
        for length in (4096, 8192, 16384):
            yield Setting("A", "bfloat16", 128, 16, 16, length, causal)
            yield Setting("B", "bfloat16", 128, 16, 2, length, causal)
            yield Setting("C", "bfloat16", 64, 32, 32, length, causal)
        yield Setting("A", "float32", 128, 16, 16, 4096, causal)


def contestants(setting: Setting, device: str = "cuda") -> dict[str, Attention]:
    """By name: a call for every stage that is written for this dtype and head size, and for every back-end."""
    shape = {"dtype": getattr(torch, setting.dtype), "device": device}
    q = torch.randn(setting.batch, setting.heads, setting.length, setting.head_size, **shape)
    k, v = (torch.randn(setting.batch, setting.kv_heads, setting.length, setting.head_size, **shape) for _ in range(2))
    grouped = setting.heads != setting.kv_heads

    def stage(name: str) -> Attention:
        return lambda: launch.forward(q, k, v, causal=setting.causal, scale=setting.head_size**-0.5, stage=name)

    def backend(chosen: SDPBackend) -> Attention:
        def call() -> torch.Tensor:
            with sdpa_kernel(chosen):
                return torch.nn.functional.scaled_dot_product_attention(
                    q, k, v, is_causal=setting.causal, enable_gqa=grouped
                )

        return call

    written = [s.name for s in STAGES if setting.dtype in s.dtypes and setting.head_size in s.head_sizes]
    return {name: stage(name) for name in written} | {f"SDPA {name}": backend(b) for name, b in BACKENDS.items()}


def able(calls: dict[str, Attention]) -> tuple[dict[str, Attention], dict[str, str]]:
    """Warm up; who can do it, and why the others cannot. A back-end that lacks this case raises, with warnings."""
    found, why = {}, {}
    for name, call in calls.items():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                for _ in range(WARM_UP):
                    call()
                torch.cuda.synchronize()
            found[name] = call
        except torch.cuda.OutOfMemoryError:
            why[name] = "does not fit into memory"
            torch.cuda.empty_cache()
        except RuntimeError as error:
            if name in {stage.name for stage in STAGES}:
                raise  # a kernel of ours must not fail
            why[name] = str(error).partition(".")[0]
    return found, why


def seconds(calls: dict[str, Attention], timer: Callable[[Attention], float]) -> dict[str, list[float]]:
    """Turn by turn one call of each, so that heat and clocks are the same for all."""
    found: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(REPEATS):
        for name, call in calls.items():
            if turn < FEW or found[name][0] < SLOW:
                found[name].append(timer(call))
    return found


def by_events(call: Attention) -> float:
    """What one call takes on the GPU, between two events of its stream. The queue is never empty before: see `busy`."""
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    busy()
    begin.record()
    call()
    end.record()
    end.synchronize()
    return begin.elapsed_time(end) / 1000


def busy() -> None:
    """Work of about a millisecond, so that the host has queued the whole call before the GPU comes to it."""
    torch.cuda._sleep(2_000_000)  # cycles; torch's own benchmarks use it


def measure(setting: Setting) -> list[dict[str, Any]]:
    """One row per contestant: milliseconds, TFLOP/s, ratio to the fastest back-end; or why there is no number."""
    calls, why = able(contestants(setting))
    times = {name: statistics.median(found) for name, found in seconds(calls, by_events).items()}
    return rows(setting, times, why)


def rows(setting: Setting, times: dict[str, float], why: dict[str, str]) -> list[dict[str, Any]]:
    """The table's rows from median seconds."""
    best = min((time for name, time in times.items() if name.startswith("SDPA")), default=None)
    shape = {
        key: getattr(setting, key) for key in ("config", "dtype", "head_size", "heads", "kv_heads", "length", "causal")
    }
    found: list[dict[str, Any]] = [
        {
            **shape,
            "name": name,
            "milliseconds": round(1000 * time, 4),
            "tflops": round(setting.flops / time / 1e12, 1),
            "of_best_backend": None if best is None else round(best / time, 3),
        }
        for name, time in times.items()
    ]
    return found + [{**shape, "name": name, "why_not": reason} for name, reason in why.items()]


def host_microseconds() -> float:
    """What Python takes to launch one small call, beside the GPU's own time."""
    q = torch.randn(1, 16, 512, 128, dtype=torch.bfloat16, device="cuda")
    times = []
    for _ in range(100):
        torch.cuda.synchronize()
        start = time.perf_counter()
        launch.forward(q, q, q, causal=True, scale=0.1)
        times.append(time.perf_counter() - start)
    return round(1e6 * statistics.median(times[10:]), 1)
