"""Classes to grade without players: a course, cheap submissions, a judge that only hashes, and all that a grading wrote."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sql

from autograder.checking.report import Report, State
from autograder.classroom import grading
from autograder.classroom.nbgrader_steps import generate_assignment
from autograder.classroom.template import load_template
from autograder.curriculum import Tree
from autograder.judge import journal
from autograder.judge.judge import version
from autograder.judge.ledger import Ledger, Result, Submission

PROJECT = Path(__file__).parents[2]
SLUG = "06_scaling"
NOT_COMPARED = (
    "submitted",
    "journal",
    "gradebook.db",
    "grading.lock",
)  # inputs; compared by what they mean; who held it


def make_course(root: Path, release: bool = True) -> Tree:
    """All of this project that grading reads, released into a gradebook, with a secret."""
    found, real = Tree(root, root / "course"), Tree(PROJECT, PROJECT / "course")
    for name in ("nbgrader_config.py",):
        shutil.copyfile(PROJECT / name, root / name)
    for source, target in (
        (real.manifest, found.manifest),
        (real.solution(SLUG), found.solution(SLUG)),
        (real.exercise(SLUG), found.exercise(SLUG)),
    ):
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    if release:
        generate_assignment(found, SLUG)
    found.course.mkdir(exist_ok=True)
    found.secret.write_bytes(bytes(32))
    return found


def copied(tree: Tree, root: Path) -> Tree:
    """A copy of a checkout and its course."""
    shutil.copytree(tree.root, root, dirs_exist_ok=True)
    return Tree(root, root / "course")


def hand_in(tree: Tree, student: str, note: str = "", proof: str = "") -> Path:
    """One submission: the exercise with a line of one's own, and a proof."""
    cells = []
    for place in load_template(tree, SLUG).places:
        source = proof if proof and place.name == "scaling-proof" else place.source
        cells.append({**place.cell, "source": source + (f"\n# {note}" if place.name == "setup" else "")})
    added = {
        "cell_type": "code",
        "source": f"# {note}",
        "metadata": {},
        "outputs": [],
        "execution_count": None,
        "id": "a",
    }
    path = tree.submission(student, SLUG)
    path.parent.mkdir(parents=True, exist_ok=True)
    notebook = {"cells": [*cells, added], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(notebook), encoding="utf-8")
    return path


def hand_in_class(tree: Tree, count: int) -> None:
    """A class in which some hand in nothing, something broken, a proof, or the time of their submission."""
    for number in range(count):
        name = f"s{number:04d}"
        path = hand_in(tree, name, f"by {name}", proof="Because." if number % 3 == 0 else "")
        if number % 11 == 5:
            path.write_text("{", encoding="utf-8")
        if number % 11 == 7:
            path.unlink()
        if number % 4 == 0:
            path.with_name("timestamp.txt").write_text(f"2026-03-01 12:{number % 60:02d}:00 UTC", encoding="utf-8")


def fake_ledger(submission: Submission, sandbox: str = "none", tree: Tree = Tree(PROJECT, PROJECT)) -> Ledger:  # noqa: B008 - frozen
    """Points that depend on the fingerprint only, and a report that says so."""
    digest = hashlib.sha256(submission.fingerprint.encode()).digest()
    results = []
    for number, task in enumerate(tree.topic(submission.slug).tasks):
        waits = task.written and any(done for _, _, done in submission.written)
        share = 0.0 if submission.unreadable or task.written else digest[number] % 3 / 2
        state = State.RIGHT if share == 1 else State.NOT_VERIFIABLE if waits else State.WRONG
        report = Report(task.id, task.id, state, share, sentences=(f"Digest {digest.hex()}.",))
        results.append(Result(report, share * task.points, task.points, manual=waits))
    return Ledger(
        submission.student,
        submission.slug,
        submission.fingerprint,
        version(),
        sandbox,
        tuple(results),
        submission.remarks,
        submission.unreadable,
    )


def fake_grade_all(submissions: Iterable[Submission], *_: Any, **__: Any) -> Iterator[Ledger]:
    """The pool's own signature; one submission in memory at a time."""
    for submission in submissions:
        yield fake_ledger(submission)


@contextlib.contextmanager
def fake_pool() -> Iterator[None]:
    """The fake instead of the pool."""
    real = grading.grade_all
    grading.grade_all = fake_grade_all
    try:
        yield
    finally:
        grading.grade_all = real


def state(tree: Tree) -> dict[str, Any]:
    """All that a grading left: the gradebook's rows without random ids, the journal, and every file byte for byte."""
    files = {
        p.relative_to(tree.course).as_posix(): p.read_bytes()
        for p in sorted(tree.course.rglob("*"))
        if p.is_file() and p.relative_to(tree.course).parts[0] not in NOT_COMPARED
    }
    return {"files": files, "journal": journal.read(tree.journal(SLUG)), "gradebook": rows(tree.gradebook)}


def rows(address: str) -> dict[str, list[str]]:
    """All tables of a gradebook; a random id is replaced by what it is the id of."""
    engine = sql.create_engine(address)
    tables: dict[str, list[dict[str, Any]]] = {}
    with engine.connect() as connection:
        for name in sql.inspect(engine).get_table_names():
            table = sql.Table(name, sql.MetaData(), autoload_with=engine)
            tables[name] = [dict(row) for row in connection.execute(sql.select(table)).mappings()]
    engine.dispose()
    names: dict[str, str] = {}
    for name in ("assignment", "notebook", "base_cell", "source_cell"):
        names |= {row["id"]: f"{name} {row['name']} {row.get('type', '')}" for row in tables[name]}
    for row in tables["submitted_assignment"]:
        names[row["id"]] = f"submission of {row['student_id']}"
    for row in tables["submitted_notebook"]:
        names[row["id"]] = f"notebook in the {names[row['assignment_id']]}"
    for name in ("grade", "comment"):
        for row in tables[name]:
            names[row["id"]] = f"{name} of {names[row['cell_id']]} in {names[row['notebook_id']]}"
    return {
        name: sorted(str({key: names.get(value, value) for key, value in row.items()}) for row in found)
        for name, found in tables.items()
    }


def differing(found: dict[str, Any], expected: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """The parts in which two states differ: files, tables, ledgers."""
    return {
        f"{part} {name}": (found[part].get(name), expected[part].get(name))
        for part in expected
        for name in {**expected[part], **found[part]}
        if found[part].get(name) != expected[part].get(name)
    }
