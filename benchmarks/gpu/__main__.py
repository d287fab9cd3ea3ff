"""`make gpu`: is every kernel right on this machine's GPU, and how fast is it beside torch's own? Under eight minutes.

Nothing of the GPU is changed, no clock and no limit. The results are written to benchmarks/results/<gpu>.json only if
everything is right; the exit code is 1 if something is wrong, and 2 where there is no GPU to ask.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

from attn_core.flash.cuda import compiler, emulator, launch
from attn_core.flash.cuda.kernels import STAGES

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results"
MEMCHECK_SECONDS = 100


def main(arguments: list[str] | None = None) -> int:
    """Check, then measure, then write; see the module."""
    parser = argparse.ArgumentParser(
        prog="make gpu", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="check the kernels, measure nothing")
    asked = parser.parse_args(arguments)
    why = launch.why_unavailable()
    if why:
        print(why, file=sys.stderr)
        return 2
    about = machine()
    print("\n".join(f"{name:12} {value}" for name, value in about.items()))
    start = time.perf_counter()
    found: dict[str, Any] = {}
    for name, step in {"wrappers": wrappers, "grid": grid, "determinism": determinism, "memcheck": memcheck}.items():
        before = time.perf_counter()
        found[name] = survived(step)
        print(f"{name}: {found[name]['said']} ({time.perf_counter() - before:.0f} s)", flush=True)
    wrong = [line for part in found.values() for line in part["wrong"]]
    if wrong:
        print("\n".join(["", "WRONG:", *wrong]), file=sys.stderr)
        return 1
    if asked.check:
        return 0
    rows, host = speed()
    file = RESULTS / f"{slug(about['gpu'])}.json"
    RESULTS.mkdir(exist_ok=True)
    said = {name: part["said"] for name, part in found.items()}
    whole = {"machine": about, "checks": said, "host_microseconds": host, "speed": rows}
    file.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    print(
        f"{host} µs of Python per small call\n{file.relative_to(ROOT)} written, after {time.perf_counter() - start:.0f} s"
    )
    return 0


def machine() -> dict[str, str]:
    """What the numbers depend on."""
    import torch

    driver = launch.call("cuDriverGetVersion")
    properties = torch.cuda.get_device_properties(torch.cuda.current_device())
    return {
        "gpu": properties.name,
        "capability": f"{properties.major}.{properties.minor}",
        "processors": str(properties.multi_processor_count),
        "memory": f"{properties.total_memory / 2**30:.0f} GiB",
        "driver": f"{_driver_name()}, CUDA {driver // 1000}.{driver % 1000 // 10}",
        "torch": f"{torch.__version__}, CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}",
        "compiler": ", ".join(f"{name} {version}" for name, version in compiler.versions().items()),
        "bindings": _version("cuda-bindings"),
        "python": platform.python_version(),
        "date": datetime.date.today().isoformat(),
        "revision": _revision(),
    }


def survived(step: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What a step found, or that it failed: after an illegal access each one does, and what came before must still be said."""
    try:
        return step()
    except RuntimeError as failure:
        return {"said": "failed", "wrong": [f"{step.__name__}: {failure}"]}


def wrappers() -> dict[str, Any]:
    """Each function of ptx.cuh against its emulator twin."""
    from benchmarks.gpu import conformance

    if why := emulator.why_unavailable():
        return {"said": f"not compared. {why}", "wrong": []}
    wrong = conformance.compare()
    return {"said": f"{len(conformance.wrappers())} compared with the emulator, {len(wrong)} differ", "wrong": wrong}


def grid() -> dict[str, Any]:
    """Every stage on its shapes; the worst error, as a part of what is allowed."""
    from benchmarks.gpu import correctness

    return gather({str(case): (lambda case=case: max(correctness.check(case))) for case in correctness.cases()})


def gather(checks: dict[str, Callable[[], float]]) -> dict[str, Any]:
    """Run all; an error over its budget is wrong, and so is a call that fails."""
    wrong, worst = [], 0.0
    for name, check in checks.items():
        try:
            error = check()
        except RuntimeError as failure:
            wrong.append(f"{name}: {failure}")
            if "CUDA" in str(failure):  # after an illegal access every later call fails as well
                break
            continue
        worst = max(worst, error)
        if not error <= 1:
            wrong.append(f"{name}: {error:.3g} times the error that is allowed")
    return {
        "said": f"{len(checks)} calls, {len(wrong)} wrong, largest error {worst:.2f} of what is allowed",
        "wrong": wrong,
    }


def determinism() -> dict[str, Any]:
    """The same call many times on two streams."""
    from benchmarks.gpu import correctness

    wrong = [said for stage in STAGES if (said := correctness.differs(stage))]
    return {
        "said": f"{len(STAGES)} stages, {correctness.REPEATS} calls each on two streams, {len(wrong)} differ",
        "wrong": wrong,
    }


def memcheck() -> dict[str, Any]:
    """A small part of the grid under compute-sanitizer, where it is installed."""
    tool = _sanitizer()
    if tool is None:
        return {
            "said": "not done: compute-sanitizer is neither in a CUDA toolkit nor installed by pip install nvidia-cuda-sanitizer-api",
            "wrong": [],
        }
    options = ["--tool", "memcheck", "--error-exitcode", "9", "--report-api-errors", "no"]  # torch asks what may fail
    command = [tool, *options, sys.executable, "-m", "benchmarks.gpu.correctness"]
    status, said = within(command, MEMCHECK_SECONDS)
    if status is None:
        return {"said": f"not finished after {MEMCHECK_SECONDS} s", "wrong": []}
    if status == 0:
        return {"said": "no error", "wrong": []}
    return {"said": f"exit code {status}", "wrong": [f"memcheck: {line}" for line in said.splitlines()[-30:]]}


def within(command: list[str], limit: float) -> tuple[int | None, str]:
    """Exit code and output of a command; None for one that took longer, which is ended with all that it started."""
    with tempfile.TemporaryFile("w+") as output:
        # every tensor in memory of its own: torch's pool would hide an access beyond its end
        environment = {**os.environ, "PYTORCH_NO_CUDA_MEMORY_CACHING": "1"}
        child = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            status = child.wait(limit)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
        output.seek(0)
        return status, output.read()


def speed() -> tuple[list[dict[str, Any]], float]:
    """All settings, each with its part of the table as soon as it is known."""
    import torch

    from benchmarks.gpu import speed as timing

    found = []
    for setting in timing.settings():
        rows = timing.measure(setting)
        found += rows
        print(
            "\n".join(["", heading(rows[0]), *map(line, sorted(rows, key=lambda row: -row.get("tflops", 0)))]),
            flush=True,
        )
        torch.cuda.empty_cache()
        time.sleep(0.5)  # the power that one setting draws should not slow the next
    return found, timing.host_microseconds()


def heading(row: dict[str, Any]) -> str:
    """Which setting a part of the table is about."""
    mask = "causal" if row["causal"] else "full"
    return f"{row['config']}: {row['dtype']}, head size {row['head_size']}, heads {row['heads']}/{row['kv_heads']}, length {row['length']}, {mask}"


def line(row: dict[str, Any]) -> str:
    """One row as text."""
    if "why_not" in row:
        return f"  {row['name']:24} {row['why_not']}"
    part = "" if row["of_best_backend"] is None else f"{row['of_best_backend']:8.2f} of the best back-end"
    return f"  {row['name']:24} {row['milliseconds']:9.3f} ms {row['tflops']:7.1f} TFLOP/s {part}"


def slug(name: str) -> str:
    """A file's name for this GPU."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _driver_name() -> str:
    try:
        command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return ran.stdout.split("\n")[0].strip()


def _revision() -> str:
    """The commit, with a + where files differ from it."""
    try:
        ran = subprocess.run(
            ["git", "describe", "--always", "--dirty=+", "--abbrev=12"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return ran.stdout.strip()


def _sanitizer() -> str | None:
    """compute-sanitizer on the path, of a toolkit, or of its PyPI package."""
    usual = Path("/usr/local/cuda/bin/compute-sanitizer")
    if found := shutil.which("compute-sanitizer") or (str(usual) if usual.exists() else None):
        return found
    try:
        listed = metadata.files("nvidia-cuda-sanitizer-api") or []
    except metadata.PackageNotFoundError:
        return None
    return next((str(file.locate()) for file in listed if file.as_posix().endswith("/bin/compute-sanitizer")), None)


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "unknown"


if __name__ == "__main__":
    sys.exit(main())
