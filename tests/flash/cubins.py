"""What is compiled and looked at: which kernels for which GPUs, what they may take, and what must be in their machine code."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from attn_core.flash.cuda.compiler import Compiled, compile_kernels
from attn_core.flash.cuda.kernels import STAGES, Launch, Problem, Stage

ARCHITECTURES = ("sm_80", "sm_89", "sm_90a", "sm_100a", "sm_120")
MAIN = {stage.name: 128 if stage.ships or 128 in stage.head_sizes else stage.head_sizes[0] for stage in STAGES}
BUDGETS = tomllib.loads(Path(__file__).with_name("budgets.toml").read_text(encoding="utf-8"))
WHOLE = {"registers": 65536, "threads": 1024}  # of a block, on every architecture

# Of every stage: what must appear in its machine code, and what must not. LDL and STL are spilled registers.
NO_SPILLS = ("LDL", "STL")
REQUIRED: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "forward_0_naive": (("FFMA", "MUFU.EX2", "SHFL.BFLY"), ("HMMA", "LDS", *NO_SPILLS)),
    "forward_1_fused": (("FFMA", "MUFU.EX2", "LDS", "BAR.SYNC"), ("HMMA", *NO_SPILLS)),
    "forward_2_registers": (("FFMA", "MUFU.EX2", "LDG.E.128", "LDS.128", "STS.128", "SHFL.BFLY"), ("HMMA", *NO_SPILLS)),
    "forward_3_tensor_cores": (("HMMA.16816.F32", "MUFU.EX2", "SHFL.BFLY"), ("LDSM", "LDGSTS", *NO_SPILLS)),
    "forward_4_pipeline": (
        ("HMMA.16816.F32", "LDSM.16.M88.4", "LDSM.16.MT88.4", "LDGSTS.E.BYPASS.128", "MUFU.EX2", "SHFL.BFLY"),
        ("LDG.E.U16", "LDS", *NO_SPILLS),
    ),
}


@dataclass(frozen=True)
class Entry:
    """One cell of the matrix: both masks of a stage, for one dtype, head size and architecture."""

    stage: Stage
    dtype: str
    head_size: int
    architecture: str

    def __str__(self) -> str:
        """A name for the test's id."""
        return f"{self.stage.name}-{self.dtype}-{self.head_size}-{self.architecture}"

    def launches(self) -> list[Launch]:
        """Every kernel that a call may start."""
        sizes = {"dtype": self.dtype, "head_size": self.head_size, "queries": 4096, "keys": 4096}
        masks = [Problem(batch=1, heads=1, kv_heads=1, causal=causal, **sizes) for causal in (False, True)]
        return [launch for problem in masks for launch in self.stage.launches(problem)]

    def compile(self) -> Compiled:
        """All of them in one cubin."""
        return compile_kernels(self.stage.file, [launch.function for launch in self.launches()], self.architecture)


def matrix() -> list[Entry]:
    """Shipping kernels: all head sizes on two architectures, the main one on all; the others on two, at the main one.

    bfloat16 and float16 differ in two instructions: of the head sizes that are not the main one, float16 is compiled once.
    """
    found = []
    for stage in STAGES:
        for dtype in stage.dtypes:
            for size in stage.head_sizes if stage.ships else (MAIN[stage.name],):
                every = stage.ships and size == MAIN[stage.name] and dtype != "float16"
                chosen = ARCHITECTURES if every else ("sm_80",) if dtype == "float16" else ("sm_80", "sm_90a")
                found += [Entry(stage, dtype, size, architecture) for architecture in chosen]
    return found


def over_budget(entry: Entry, compiled: Compiled, launches: Iterable[Launch]) -> list[str]:
    """What a kernel takes beyond its budget and beyond what a block can have at all; empty if it keeps to it."""
    found = [f"the compiler warns: {line}" for line in compiled.warnings]
    budget = BUDGETS[entry.stage.name][str(entry.head_size)]
    allowed = budget.get("allowed", {}).get(entry.architecture, 0)
    most_shared = 1024 * BUDGETS["shared_kib"][entry.architecture]
    for launch in launches:
        used = compiled.usage[launch.function]
        allocated = -(-used.registers // 8) * 8 * launch.threads
        numbers = (
            ("registers a thread", used.registers, budget["registers"]),
            ("spilled bytes", used.spill_bytes, allowed),
            ("bytes of shared memory", used.shared_bytes + launch.shared_bytes, most_shared),
            ("registers a block", allocated, WHOLE["registers"]),
            ("threads a block", launch.threads, WHOLE["threads"]),
        )
        found += [
            f"{launch.function}: {number} {what}, at most {most}" for what, number, most in numbers if number > most
        ]
    return found


def instructions(cubin: bytes, folder: Path) -> dict[str, Counter[str]]:
    """By function: how often each instruction appears in the machine code. What is never executed (@!PT) is left out."""
    file = folder / "kernel.cubin"
    file.write_bytes(cubin)
    command = [str(disassembler()), "-c", str(file)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    parts = re.split(r"^//-+ \.text\.(\S+) -+$", text, flags=re.MULTILINE)
    line = re.compile(r"^\s*/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\d+\s+)?([A-Z][A-Z0-9_.]+)", re.MULTILINE)
    return {name: Counter(line.findall(body)) for name, body in zip(parts[1::2], parts[2::2], strict=True)}


def wrong_instructions(stage: str, found: Counter[str]) -> list[str]:
    """What a stage's idea needs and does not have, or has and must not have; a name stands for all that begin with it."""
    needed, forbidden = REQUIRED[stage]

    def count(name: str) -> int:
        return sum(n for instruction, n in found.items() if f"{instruction}.".startswith(f"{name}."))

    return [f"{name} does not appear" for name in needed if not count(name)] + [
        f"{name} appears {count(name)} times" for name in forbidden if count(name)
    ]


def products(launch: Launch, stage: Stage) -> int:
    """How many mma.m16n8k16 a warp does per tile of keys, at least, by arithmetic: both products."""
    numbers: list[Any] = [int(part) for part in re.findall(r"\b\d+\b", launch.function)]
    size, keys = numbers[0], numbers[-1]
    tall = numbers[1] if stage.name == "forward_4_pipeline" else 1
    return int(2 * tall * (size // 16) * (keys // 8))


def disassembler() -> Path | None:
    """nvdisasm of its PyPI package, or of a CUDA toolkit."""
    try:
        listed = metadata.files("nvidia-cuda-nvdisasm") or []
    except metadata.PackageNotFoundError:
        listed = []
    paths = [Path(str(file.locate())) for file in listed if file.name in ("nvdisasm", "nvdisasm.exe")]
    on_path = shutil.which("nvdisasm")
    return paths[0] if paths else Path(on_path) if on_path else None
