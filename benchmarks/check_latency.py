"""How long a warm check takes: the median per task, for a right answer and for some of its misconceptions.

Writes benchmarks/results/check_latency.json. The bar is 0.5 s per check on two cores.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

from autograder.checking.diagnose import report
from autograder.checking.engine import Local
from autograder.checking.task import Task, load
from autograder.curriculum import topics

RESULTS = Path(__file__).parent / "results" / "check_latency.json"
REPEATS = 3
MISTAKES = 6  # of each task, at even distances in their list: all of them would take an hour


def median_seconds(task: Task, function: Callable[..., Any]) -> float:
    """The median time of a check; the first call, which loads libraries, is not counted."""
    times = []
    for _ in range(REPEATS + 1):
        start = time.perf_counter()
        report(task, Local(function))
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def measure() -> dict[str, dict[str, float]]:
    """By task: milliseconds for the reference, and for the median and the slowest of MISTAKES misconceptions."""
    found = {}
    for topic in topics():
        for task in load(topic.slug).values():
            if isinstance(task, Task):
                some = task.misconceptions[:: max(1, len(task.misconceptions) // MISTAKES)][:MISTAKES]
                wrong = [median_seconds(task, m.function) for m in some]
                seconds = {
                    "right": median_seconds(task, task.reference),
                    "wrong, median": statistics.median(wrong),
                    "wrong, slowest": max(wrong),
                }
                found[task.id] = {name: round(1000 * value, 1) for name, value in seconds.items()}
    return found


def main() -> None:
    """Measure, print, write."""
    table = measure()
    for task, row in table.items():
        print(f"{task:28}" + "".join(f"  {name} {value:6.1f} ms" for name, value in row.items()))
    RESULTS.parent.mkdir(exist_ok=True)
    machine = {
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "numpy": metadata.version("numpy"),
        "torch": metadata.version("torch"),
        "date": datetime.date.today().isoformat(),
        "load": round(os.getloadavg()[0], 2),
    }
    RESULTS.write_text(json.dumps({"machine": machine, "milliseconds": table}, indent=1) + "\n", encoding="utf-8")
    print(f"{RESULTS.relative_to(Path.cwd())} written")


if __name__ == "__main__":
    main()
