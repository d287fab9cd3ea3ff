"""Results per task: Gradescope's results.json, and JUnit XML for continuous integration.

Sources: Gradescope's autograder specification ("Output format"); the common JUnit format as github.com/testmoapp/junitxml
describes it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree as Xml

from autograder.checking.report import State
from autograder.classroom.export.rows import Row, TaskRow
from autograder.classroom.export.tables import late_words, number
from autograder.classroom.settings import Settings

ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # in XML 1.0
UNPROTECTED = "Graded without a sandbox: this result is only as honest as the submission."


def gradescope(row: Row) -> str:
    """One submission's results.json: a test per task, and a total that the late policy has seen."""
    said = [
        row.ledger.reason,
        *row.ledger.remarks,
        late_words(row),
        UNPROTECTED if row.ledger.sandbox == "none" else "",
    ]
    found = {
        "score": row.final.score,
        "output": "\n".join(text for text in said if text),
        "output_format": "text",
        "test_output_format": "text",
        "stdout_visibility": "hidden",
        "tests": [_test(number, task) for number, task in enumerate(row.tasks, start=1)],
        "extra_data": {
            "raw_score": row.final.raw,
            "late_penalty": row.final.penalty,
            "submission": row.ledger.fingerprint,
        },
    }
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"


def _test(position: int, task: TaskRow) -> dict[str, Any]:
    found: dict[str, Any] = {
        "number": str(position),
        "name": task.id,
        "score": round(task.points, 2),
        "max_score": task.max_points,
        "output": "It waits for a person to grade it." if task.waiting else _said(task),
        "visibility": "visible",
    }
    if not task.waiting:  # without a status Gradescope goes by the score, and this has none yet
        found["status"] = "passed" if task.points >= task.max_points else "failed"
    return found


def _said(task: TaskRow) -> str:
    """The judge's report, where the judge is who gave the points."""
    return "A person has graded it." if task.manual else task.report.text()


def junit(rows: Sequence[Row], settings: Settings) -> str:  # noqa: ARG001 - every format is called alike
    """A suite per submission, a case per task.

    Full points pass; what crashed, or could not be read, is an error; other wrong answers are failures. Skipped is what
    was not attempted, and what waits for a person.
    """
    root = Xml.Element("testsuites", {"name": "attn", **_counts(rows), "time": "0"})
    for row in rows:
        root.append(_suite(row))
    Xml.indent(root, " ")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + Xml.tostring(root, encoding="unicode") + "\n"


def _suite(row: Row) -> Xml.Element:
    name = legal(f"{row.slug}.{row.person.id}")
    suite = Xml.Element("testsuite", {"name": name, **_counts([row]), "time": "0"})
    properties = Xml.SubElement(suite, "properties")
    final = row.final
    facts = {"score": number(final.score), "raw_score": number(final.raw), "late_penalty": number(final.penalty)}
    facts |= {"max_score": number(row.max_points), "sandbox": row.ledger.sandbox, "grader": row.ledger.grader}
    for key, value in facts.items():
        Xml.SubElement(properties, "property", name=key, value=legal(value))
    for task in row.tasks:
        case = Xml.SubElement(suite, "testcase", classname=name, name=legal(task.id), time="0")
        if (kind := _kind(row, task)) != "right":
            message = legal(row.ledger.reason or _message(task))
            outcome = Xml.SubElement(case, kind, message=message, type=str(task.report.state))
            outcome.text = legal(_said(task)) if kind != "skipped" else None
    if said := "\n".join((row.ledger.reason, *row.ledger.remarks, late_words(row))).strip():
        Xml.SubElement(suite, "system-out").text = legal(said)
    return suite


def _kind(row: Row, task: TaskRow) -> str:
    if row.ledger.reason and not task.points:
        return "error"
    if task.waiting or (task.report.state is State.NOT_ATTEMPTED and not task.points):
        return "skipped"
    if task.points >= task.max_points:
        return "right"
    return "error" if task.report.state is State.CRASHED else "failure"


def _message(task: TaskRow) -> str:
    if task.waiting:
        return "waits for a person"
    report = task.report
    said = f"it {report.mistake}" if report.mistake else (report.sentences or (str(report.state),))[0]
    return f"{number(task.points)} of {number(task.max_points)} points: {said}"


def _counts(rows: Sequence[Row]) -> dict[str, str]:
    kinds = [_kind(row, task) for row in rows for task in row.tasks]
    names = {"failures": "failure", "errors": "error", "skipped": "skipped"}
    return {"tests": str(len(kinds))} | {name: str(kinds.count(kind)) for name, kind in names.items()}


def legal(text: str) -> str:
    """`text` with what XML cannot hold replaced."""
    return ILLEGAL.sub("\ufffd", text)
