"""Files made to cost: each is read in less than two seconds and 250 MB, and is a row with a reason or a remark.

Run as a program, this file takes in one such file after the other and prints what each has cost.
"""

import gzip
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from makers import SLUG, exercise, hand_in, solved, write

from autograder.classroom.intake import take_in
from autograder.classroom.template import load_template
from autograder.curriculum import MANIFEST, Tree

MB = 1_000_000
SECONDS, MEGABYTES = 2.0, 250.0
PEAK = "VmHWM:"  # the largest memory so far, in the process's own status; writing 5 to clear_refs resets it


def cells(*raw: object) -> bytes:
    """A notebook with these cells."""
    return json.dumps({"nbformat": 4, "cells": raw}, ensure_ascii=False).encode()


def values(value: bytes, count: int) -> bytes:
    """A list of one value many times over, where the cells should be."""
    return b'{"cells":[' + b",".join([value] * count) + b"]}"


FILES: dict[str, Callable[[], bytes]] = {
    "lists, too many": lambda: values(b"[]", 6 * MB),
    "lists, as many as are read": lambda: values(b"[]", MB // 4 - 2),
    "objects, too many": lambda: values(b'{"a":1}', 2 * MB),
    "objects, as many as are read": lambda: (
        b'{"cells":[], "x":[' + b",".join([b'{"abcdefgh":1}'] * (MB // 4 - 9)) + b"]}"
    ),
    "texts, too many": lambda: values(b'"ab"', 3 * MB),
    "texts, as many as are read": lambda: values(b'"abcdefghijklmnopqrstuvwxyzabcdef"', MB // 2 - 3),
    "keys without values": lambda: b'{"cells":[{' + b'"":' * 6 * MB,
    "numbers": lambda: values(b"123456", 2 * MB),
    "brackets without end": lambda: b"[" * 19 * MB,
    "objects in objects": lambda: b'{"a":' * 3 * MB,
    "a million lists in lists": lambda: b"[" * MB + b"]" * MB,
    "quotes without end": lambda: b'{"cells":["' + b'\\"' * 9 * MB,
    "quotes between commas": lambda: b'{"cells":[' + b'"\\\\",' * 3 * MB,
    "one long text": lambda: cells({"cell_type": "code", "source": "\U0001f600" + "x" * 19 * MB}),
    "one long prose": lambda: cells({"cell_type": "markdown", "source": "\U0001f600\r" + "![" * 9 * MB}),
    "halves of characters": lambda: b'{"cells":[{"cell_type":"raw","source":"' + b"\\ud800" * 3 * MB + b'"}]}',
    "a photograph": lambda: cells(
        {"cell_type": "raw", "source": "", "attachments": {"a": {"image/png": "a" * 19 * MB}}}
    ),
    "commas in an output": lambda: cells(
        *solved()["cells"], {"cell_type": "code", "source": "", "outputs": "," * 19 * MB}
    ),
    "pictures in prose": lambda: cells(*[{"cell_type": "markdown", "source": "![](attachment:" * 600}] * 1900),
    "magics": lambda: cells(*[{"cell_type": "code", "source": "%ls\n" * 2200}] * 90),
    "magics and errors": lambda: cells(*[{"cell_type": "code", "source": "%ls\n" + "(" * 9000}] * 90),
    "magics and signs": lambda: cells(*[{"cell_type": "code", "source": "%ls\n" + "-" * 9000 + "1"}] * 90),
    "blanks before magics": lambda: cells(*[{"cell_type": "code", "source": " " * 190_000 + "%ls\n="}] * 4),
    "two thousand copies of an answer": lambda: cells(*[solved()["cells"][2]] * 2000),
    "two thousand definitions": lambda: cells(*[{"cell_type": "code", "source": "def softmax():\n  %x"}] * 2000),
    "cells without end": lambda: cells(*[{"cell_type": "code", "source": ""}] * 21_999),
    "UTF-16": lambda: ('{"cells":["' + "x" * 9 * MB + '"]}').encode("utf-16"),
    "bytes that are no text": lambda: b"{" + b"\xff" * 19 * MB,
    "NUL bytes": lambda: b"\0" * 19 * MB,
    "line ends": lambda: b"\n" * 19 * MB + b"{",
    "marks of conflicts": lambda: b"\n<<<<<<<" * 2 * MB,
    "a gzip bomb": lambda: gzip.compress(values(b"[]", 6 * MB)),
    "a table of contents without files": lambda: b"PK\x03\x04" + b"PK\x01\x02" * 4 * MB,
}


def costs(root: Path) -> Iterator[tuple[str, float, float, str]]:
    """What each file costs: its name, processor seconds, MB above the memory at the start, and what the learner is told."""
    tree = Tree(root, root / "course")
    write(tree.manifest, MANIFEST.read_bytes())
    write(tree.exercise(SLUG), exercise())
    template = load_template(tree, SLUG)
    before = peak()
    for name, make in FILES.items():
        hand_in(tree, make())
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        start = time.process_time()
        found = take_in(tree, "ada", template).submission
        yield name, time.process_time() - start, peak() - before, found.unreadable or " ".join(found.remarks)


def peak() -> float:
    """The largest memory since the last reset, in MB."""
    status = Path("/proc/self/status").read_text(encoding="ascii").split()
    return int(status[status.index(PEAK) + 1]) / 1000


def test_no_file_costs_more_than_two_seconds_and_250_megabytes(tmp_path):
    """Measured in a process of its own, file by file; what is handed in is smaller than 20 MB, as all that is read."""
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("needs Linux: measures a process's largest memory")
    found = subprocess.run(
        [sys.executable, __file__, str(tmp_path)], capture_output=True, text=True, check=False, timeout=120
    )
    assert found.returncode == 0, found.stderr
    rows = [json.loads(line) for line in found.stdout.splitlines()]
    assert [name for name, *_ in rows] == list(FILES)
    assert [row for row in rows if row[1] > SECONDS or row[2] > MEGABYTES] == []
    for name, _, _, told in rows:
        assert told or name == "commas in an output"
        assert "could not be read (" not in told  # that would be a fault nobody thought of


if __name__ == "__main__":
    for row in costs(Path(sys.argv[1])):
        print(json.dumps(row))
