"""The README's table of CUDA kernels: the ladder from attn_core, its speed from the newest results of `make gpu`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from attn_core.flash.cuda.kernels import STAGES, Stage
from autograder.authoring import markdown
from autograder.curriculum import CurriculumError, Tree

MARKER = "kernels"
CONFIG = "A"  # benchmarks/gpu/speed.py: no grouped heads, head size 128
LENGTHS = {"float32": 4096, "bfloat16": 8192}
UNKNOWN = "not measured"
HEAD = ("kernel", "idea", "numbers", "head sizes", "TFLOP/s", "causal", "of torch's fastest", "causal")
NOTHING = "Not measured yet: `make gpu` on a machine with an NVIDIA GPU (compute capability 8.0 or newer) fills in the numbers."


def kernel_table(tree: Tree) -> str:
    """One row per stage, and one sentence about where the numbers come from."""
    results = newest(tree)
    rows = [_row(stage, results["speed"] if results else []) for stage in STAGES]
    return f"{markdown.table(HEAD, rows)}\n\n{_about(results)}"


def newest(tree: Tree) -> dict[str, Any] | None:
    """The results of `make gpu` with the latest date; of two of one day the one whose file comes last."""
    found = []
    for file in sorted((tree.root / "benchmarks" / "results").glob("*.json")):
        try:
            results = json.loads(file.read_text(encoding="utf-8"))
        except ValueError:
            raise CurriculumError(f"{tree.shown(file)} is no JSON: run the benchmark again.") from None
        if isinstance(results, dict) and "gpu" in results.get("machine", {}):
            found.append(results)
    return max(reversed(found), key=lambda results: str(results["machine"]["date"]), default=None)


def _row(stage: Stage, speed: Iterable[dict[str, Any]]) -> tuple[str, ...]:
    name = f"`{stage.name}`" + (" (ships)" if stage.ships else "")
    sizes = ", ".join(map(str, stage.head_sizes))
    dtype = stage.dtypes[-1]
    cells = {}
    for row in speed:
        if (row["config"], row["dtype"], row["length"], row["name"]) == (CONFIG, dtype, LENGTHS[dtype], stage.name):
            best = row.get("of_best_backend")
            cells[row["causal"]] = f"{row['tflops']:g}", UNKNOWN if best is None else f"{best:.2f}"
    (full, of_full), (causal, of_causal) = (cells.get(mask, (UNKNOWN, UNKNOWN)) for mask in (False, True))
    return name, stage.idea, ", ".join(stage.dtypes), sizes, full, causal, of_full, of_causal


def _about(results: dict[str, Any] | None) -> str:
    if results is None:
        return NOTHING
    about = results["machine"]
    lengths = ", ".join(f"{dtype} with {length} tokens" for dtype, length in LENGTHS.items())
    return (
        f"Measured on {about['gpu']}, driver {about['driver']}, torch {about['torch']}, {about['date']}, revision "
        f"{about['revision']}: {lengths}, head size 128, 16 heads, 16,384 tokens in all, forward only. Torch's fastest is the "
        "best back-end of `scaled_dot_product_attention` in the same run."
    )
