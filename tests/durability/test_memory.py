"""A large class needs no more memory than a small one, and its gradebook is written in milliseconds."""

import json
import os
import subprocess
import sys
import time

from autograder.classroom.gradebook import open_gradebook
from autograder.classroom.intake import take_in
from autograder.classroom.template import load_template
from tests.durability.classes import PROJECT, SLUG, copied, fake_ledger, hand_in

GROWTH = 16  # MiB that ten times the class may need more: names, the journal's index, the rows of the tables
LONG = 60_000  # characters in each notebook, so that whoever holds a class of them needs more than that
EACH = 0.010  # seconds of processor time for a submission's rows; the disk's own time depends on who else writes

MEASURE = """
import json, resource, sys, time
from io import StringIO
from pathlib import Path
from rich.console import Console
from autograder.classroom.show import run_and_show
from autograder.curriculum import Tree
from tests.durability.classes import SLUG, fake_pool

tree = Tree(Path(sys.argv[1]), Path(sys.argv[1]) / "course")
with fake_pool():
    run_and_show(SLUG, "none", ["s0000"], None, False, Console(file=StringIO()), tree)  # imports, templates, tables
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    run_and_show(SLUG, "none", (), None, False, Console(file=StringIO()), tree)
    seconds = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"before": before / 1024, "peak": peak / 1024, "seconds": seconds}))
"""


def measured(released, folder, count: int) -> dict[str, float]:
    """The conductor's memory in MiB, and its time, for a class of `count`."""
    tree = copied(released, folder)
    for number in range(count):
        hand_in(tree, f"s{number:04d}", f"{number}" * (LONG // len(str(number))))
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tree.root)],
        cwd=PROJECT,
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_ten_times_the_class_needs_no_more_memory(released, tmp_path, record_property):
    """The conductor's peak for 40 and for 400 submissions; a submission held in memory would show in it."""
    small, large = measured(released, tmp_path / "small", 40), measured(released, tmp_path / "large", 400)
    record_property("memory", {"small": small, "large": large})
    assert large["peak"] - small["peak"] < GROWTH, (small, large)


def test_the_limit_on_growth_would_be_passed_by_a_class_that_is_held(released, tmp_path):
    """360 submissions are larger than the growth that is allowed, so the test above can fail."""
    tree = copied(released, tmp_path)
    hand_in(tree, "s0000", "x" * LONG)
    submission = take_in(tree, "s0000", load_template(tree, SLUG)).submission
    assert 360 * sum(len(cell.source) for cell in submission.cells) > GROWTH * 2**20


def test_a_submission_is_written_into_the_gradebook_in_milliseconds(released, tmp_path):
    """Through nbgrader's own objects it takes 25 ms; the best of three rounds."""
    tree = copied(released, tmp_path)
    template, best = load_template(tree, SLUG), float("inf")
    with open_gradebook(tree, SLUG) as gradebook:
        for number in range(3):
            intakes = []
            for student in range(20):
                hand_in(tree, f"s{student}", note=f"{number}")
                intakes.append(take_in(tree, f"s{student}", template))
            start = time.process_time()
            for intake in intakes:
                gradebook.record(fake_ledger(intake.submission), intake)
            best = min(best, (time.process_time() - start) / len(intakes))
    assert best < EACH
