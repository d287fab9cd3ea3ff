"""Launch a learner's attention kernel, and say in one line what it moved: what the check of the assignment calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from attn_core.lab.block_simulator import Report, launch
from attn_core.lab.simulator.grid import Order

ARRAYS = ("q", "k", "v", "out", "lse")  # whatever the kernel calls them
STEPS_PER_ELEMENT = 40  # far more than any kernel that ends


def run_attention(
    kernel: Callable[..., Any], q: Any, k: Any, v: Any, threads: int, tile: int, order: Order = "first-in"
) -> tuple[Any, Any, str]:
    """Attention by `kernel(thread, q, k, v, out, lse, tile)`, one thread per query: out, lse, and the global traffic.

    Shapes: q (n, d), k (m, d), v (m, d_v) → out (n, d_v), lse (n,). Blocks have `threads` threads, and as much shared
    memory as `shared_bytes` says.
    """
    (n, d), (m, d_v) = q.shape, v.shape
    out, lse = np.full((n, d_v), np.nan, q.dtype), np.full(n, np.nan, q.dtype)
    report = launch(
        kernel,
        -(-n // threads),
        threads,
        [q, k, v],
        [out, lse],
        order=order,
        shared_bytes=shared_bytes(threads, tile, d, d_v, q.dtype.itemsize),
        most_steps=1000 + STEPS_PER_ELEMENT * (m + tile) * (d + d_v),
        tile=tile,
    )
    return out, lse, traffic(report)


def shared_bytes(threads: int, tile: int, d: int, d_v: int, itemsize: int) -> int:
    """Room for two tiles of K and of V, and for a row of q and of out per thread."""
    return (2 * tile + threads) * (d + d_v) * itemsize


def traffic(report: Report) -> str:
    """The elements that moved between global memory and the blocks: "elements read: q 4, k 12, v 12; written: out 4, lse 2"."""
    rows = [row for row in report.rows if row.space == "global"]
    read = [f"{name} {row.reads}" for name, row in zip(ARRAYS, rows, strict=True) if row.reads]
    written = [f"{name} {row.writes}" for name, row in zip(ARRAYS, rows, strict=True) if row.writes]
    return f"elements read: {', '.join(read) or 'none'}; written: {', '.join(written) or 'none'}"
