"""Grade thousands of mutated hand-ins: `python -m tests.fuzz 10000 --seed 0`. A run that was stopped goes on.

Prints every hand-in whose row is not what it must be, and a table of all mutators by what came of them. `--only N`
grades one hand-in alone and keeps its files.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from autograder.classroom.gradebook import open_gradebook
from autograder.classroom.grading import grade_class
from tests.fuzz.course import PROJECT, SLUG, make, outcome, planned, tree_in, wrong
from tests.fuzz.mutate import MUTATORS

CHUNK = 500
OUTCOMES = ("points", "zero", "reason")


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.partition("\n")[0])
    parser.add_argument("count", type=int, nargs="?", default=1000, help="hand-ins to make and grade")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sandbox", default="bwrap")
    parser.add_argument("--workers", type=int, default=None)
    parser.add_argument("--folder", type=Path, help="where results are kept, to go on from")
    parser.add_argument("--only", type=int, help="the number of one hand-in to look at")
    args = parser.parse_args()
    folder = args.folder or Path(tempfile.gettempdir()) / f"attn-fuzz-{args.seed}-{args.sandbox}"
    if args.only is not None:
        return _look_at(folder, args.seed, args.only, args.sandbox)
    numbers = range(args.count)
    table: Counter[tuple[str, str]] = Counter()
    complaints: list[str] = []
    for start in range(0, len(numbers), CHUNK):
        chunk = numbers[start : start + CHUNK]
        done = folder / f"{_sources()}-{chunk[0]}-{len(chunk)}.json"
        if not done.exists():
            began = time.perf_counter()
            found = graded(folder, args.seed, chunk, args.sandbox, args.workers)
            found["seconds"] = time.perf_counter() - began
            done.write_text(json.dumps(found), encoding="utf-8")
        found = json.loads(done.read_text(encoding="utf-8"))
        complaints += found["wrong"]
        table.update({(name, came): count for name, came, count in found["table"]})
        print(f"{chunk[-1] + 1:>6} · {len(found['wrong'])} wrong · {found['seconds']:.0f} s", flush=True)
    _report(table, complaints, len(numbers))
    return 1 if complaints else 0


@cache
def _sources() -> str:
    """A digest of all code that a result depends on: after an edit, nothing is taken from an earlier run."""
    folders = (PROJECT / "autograder", PROJECT / "attn_core", PROJECT / "tests" / "fuzz")
    files = sorted(path for folder in folders for path in folder.rglob("*.py"))
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in files)).hexdigest()[:12]


def _look_at(folder: Path, seed: int, number: int, sandbox: str) -> int:
    """Grade one hand-in and print all that is known of it."""
    print(planned(seed, [number])[0])
    complaints = graded(folder, seed, [number], sandbox, 1)["wrong"]
    print(f"Its files: {folder / 'course'}", *complaints, sep="\n")
    return 1 if complaints else 0


def graded(folder: Path, seed: int, numbers: Sequence[int], sandbox: str, workers: int | None) -> dict[str, Any]:
    """Grade one class; what was wrong with its rows, and how often each mutator came to what."""
    pristine, course = folder / "pristine", folder / "course"
    shutil.rmtree(course, ignore_errors=True)
    if not pristine.exists():
        draft = folder / "draft"
        shutil.rmtree(draft, ignore_errors=True)
        with open_gradebook(tree_in(draft), SLUG):
            pass
        draft.rename(pristine)
    tree = tree_in(course, pristine)
    made = make(tree, seed, numbers)
    rows = grade_class(tree, SLUG, sandbox, workers=workers)
    if len(numbers) == 1:
        print(rows[0].ledger.summary, *rows[0].ledger.remarks, sep="\n")
    came = {row.ledger.student: outcome(row) for row in rows}
    table = Counter((m.name, came.get(h.student, "no row")) for h in made for m in h.mutators)
    return {"wrong": list(wrong(made, rows)), "table": [(*key, count) for key, count in table.items()]}


def _report(table: Counter[tuple[str, str]], complaints: Sequence[str], count: int) -> None:
    print(f"\n{'mutator':<28} {'must':>6} " + " ".join(f"{name:>7}" for name in OUTCOMES))
    for name, found in sorted(MUTATORS.items(), key=lambda item: (item[1].stage, item[0])):
        print(f"{name:<28} {found.effect:>6} " + " ".join(f"{table[name, came]:>7}" for came in OUTCOMES))
    print(f"\n{count} hand-ins, {len(complaints)} wrong")
    for complaint in complaints:
        print(complaint)


if __name__ == "__main__":
    sys.exit(main())
