"""How fast a class is graded: stock nbgrader against `attn grade`, on the same submissions, in the same run, on one core.

Both commands are pinned to one core, start to finish, imports included. nbgrader executes the notebooks in its kernel with its
own settings; `attn grade` has its sandbox on and one process. A second part grades a large class and watches the memory.

    python benchmarks/grading.py [--submissions 40] [--large 2000]      writes benchmarks/results/grading.json
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from importlib import metadata
from pathlib import Path

from autograder.classroom.demo import make_sample_class
from autograder.curriculum import Tree

PROJECT = Path(__file__).parents[1]
RESULTS = PROJECT / "benchmarks" / "results" / "grading.json"
SLUG = "06_scaling"
STOCK = "c = get_config()\nc.CourseDirectory.source_directory = 'solutions'\nc.CourseDirectory.release_directory = 'exercises'\n"
BIN = Path(sys.executable).parent


def course(root: Path, config: str) -> Tree:
    """A checkout with all that grading reads, released."""
    here, there = Tree(PROJECT, PROJECT / "course"), Tree(root, root / "course")
    for source, target in ((here.manifest, there.manifest), (here.solution(SLUG), there.solution(SLUG))):
        target.parent.mkdir(parents=True)
        shutil.copyfile(source, target)
    shutil.copytree(here.sample_class(SLUG), there.sample_class(SLUG))
    (root / "nbgrader_config.py").write_text(config, encoding="utf-8")
    there.course.mkdir()
    run(root, "nbgrader", "generate_assignment", SLUG)
    return there


def run(root: Path, *command: str) -> float:
    """Run a command of this environment on one core; the seconds it took."""
    core = min(os.sched_getaffinity(0))
    start = time.perf_counter()
    done = subprocess.run(
        ["taskset", "-c", str(core), str(BIN / command[0]), *command[1:]],
        cwd=root,
        env=os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return seconds


def notebooks(folder: Path) -> list[str]:
    """The sample class's notebooks that both can grade: not the missing one, the cut-off one, and the endless loop."""
    tree = Tree(PROJECT, folder)
    make_sample_class(tree, SLUG)
    found = []
    for student in tree.students(SLUG):
        text = (
            tree.submission(student, SLUG).read_text(encoding="utf-8")
            if tree.submission(student, SLUG).exists()
            else ""
        )
        if text.rstrip().endswith("}") and "while " not in text:
            found.append(text)
    return found


def hand_in(folder: Path, texts: list[str], count: int) -> None:
    """`count` students, each with one of the texts."""
    for i in range(count):
        path = folder / f"student-{i:04}" / SLUG / f"{SLUG}.ipynb"
        path.parent.mkdir(parents=True)
        path.write_text(texts[i % len(texts)], encoding="utf-8")


def memory(pid: int) -> dict[str, float]:
    """MiB of a process and of everything below it, shared pages counted once: conductor, judges, and players with their warm processes."""
    parts = {"conductor": 0.0, "judge": 0.0, "sandbox": 0.0}
    for child in descendants(pid):
        try:
            command = Path(f"/proc/{child}/cmdline").read_text(encoding="utf-8", errors="replace")
            pages = Path(f"/proc/{child}/smaps_rollup").read_text(encoding="utf-8")
        except OSError:
            continue
        kind = "sandbox" if "zygote" in command else "judge" if "spawn_main" in command else "conductor"
        parts[kind] += int(pages.split("Pss:")[1].split()[0]) / 1024
    return {kind: round(mib, 1) for kind, mib in parts.items()}


def descendants(pid: int) -> list[int]:
    """A process and all below it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found = [pid]
    for each in found:
        found += children.get(each, [])
    return found


def large_class(root: Path, texts: list[str], count: int) -> dict[str, object]:
    """Grade a large class on all cores, and look at the memory after each fifth of it."""
    tree = course(root, (PROJECT / "nbgrader_config.py").read_text(encoding="utf-8"))
    hand_in(tree.course / "submitted", texts, count)
    start = time.perf_counter()
    process = subprocess.Popen(
        [str(BIN / "attn"), "grade", SLUG], cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    seen: list[dict[str, float]] = []
    marks = [count * (i + 1) // 5 for i in range(4)] + [count * 49 // 50]
    done = threading.Event()

    def watch() -> None:
        while marks and not done.wait(0.5):
            journal = tree.journal(SLUG)
            if journal.exists() and journal.read_bytes().count(b"\n") >= marks[0]:
                seen.append({"submissions": marks.pop(0), **memory(process.pid)})

    watcher = threading.Thread(target=watch)
    watcher.start()
    _, complaint = process.communicate()
    done.set()
    watcher.join()
    if process.returncode:
        raise SystemExit(f"attn grade failed: {complaint[-2000:]}")
    seconds = time.perf_counter() - start
    return {
        "submissions": count,
        "workers": os.cpu_count(),
        "seconds": round(seconds, 1),
        "per_second": round(count / seconds, 1),
        "memory_mib": seen,
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--submissions", type=int, default=40)
    parser.add_argument("--large", type=int, default=2000, help="submissions of the large class; 0 leaves it out")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        texts = notebooks(root / "sample")
        stock = course(root / "stock", STOCK).root
        hand_in(stock / "submitted", texts, asked.submissions)
        ours = course(root / "ours", (PROJECT / "nbgrader_config.py").read_text(encoding="utf-8"))
        hand_in(ours.course / "submitted", texts, asked.submissions)
        mine = run(ours.root, "attn", "grade", SLUG, "--workers", "1")
        theirs = run(stock, "nbgrader", "autograde", SLUG)
        found = {
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}",
            "versions": {name: metadata.version(name) for name in ("nbgrader", "torch", "numpy")},
            "submissions": asked.submissions,
            "nbgrader_seconds": round(theirs, 1),
            "attn_seconds": round(mine, 1),
            "nbgrader_seconds_per_submission": round(theirs / asked.submissions, 2),
            "attn_seconds_per_submission": round(mine / asked.submissions, 2),
            "throughput_per_core_ratio": round(theirs / mine, 1),
        }
        print(json.dumps(found, indent=1))
        if asked.large:
            found["large_class"] = large_class(root / "large", texts, asked.large)
            print(json.dumps(found["large_class"], indent=1))
    RESULTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
