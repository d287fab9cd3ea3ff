"""Grades a class of attackers the way a teacher does, and looks for what they left behind.

Each theme is one class: after every attacker comes an honest learner, graded by the same worker.
"""

from __future__ import annotations

import contextlib
import copy
import json
import os
import secrets
import shutil
import socket
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from attack import (
    ADDITIVE_BOUND,
    DOT_VARIANCE,
    SCALED_SCORES,
    Attack,
    Notebook,
)

from autograder.classroom.grading import Graded, grade_class
from autograder.classroom.nbgrader_steps import generate_assignment
from autograder.curriculum import Tree
from autograder.judge.sandbox import site_folders

PROJECT = Path(__file__).parents[2]
SLUG = "06_scaling"
SECRET = bytes(range(32))
SHORT = {
    "call_seconds": 2.0,
    "task_seconds": 8.0,
    "cell_seconds": 4.0,
    "load_seconds": 20.0,
    "cpu_seconds": 30,
    "memory_bytes": 2 << 30,
}
HONEST_NEIGHBOUR = {
    "dot_variance": DOT_VARIANCE,
    "scaled_scores": SCALED_SCORES,
    "additive_bound": ADDITIVE_BOUND,
}
NEIGHBOUR_POINTS = 5.0


def entered(root: Path) -> Tree:
    """All of this project that grading reads, released by nbgrader into a gradebook, with the limits set short."""
    found, real = Tree(root, root / "course"), Tree(PROJECT, PROJECT / "course")
    shutil.copyfile(PROJECT / "nbgrader_config.py", root / "nbgrader_config.py")
    for source, target in ((real.manifest, found.manifest), (real.solution(SLUG), found.solution(SLUG))):
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    generate_assignment(found, SLUG)
    found.course.mkdir(exist_ok=True)
    found.secret.write_bytes(SECRET)
    found.secret.chmod(0o600)
    set_limits(found, {})
    return found


def set_limits(tree: Tree, more: Mapping[str, float | int]) -> None:
    """Write the settings of a course: short limits, and what a theme needs."""
    lines = [f"{name} = {value}" for name, value in {**SHORT, **more}.items()]
    (tree.course / "course.toml").write_text("\n".join(["[limits]", *lines, ""]), encoding="utf-8")


def copied(tree: Tree, root: Path) -> Tree:
    """A copy of a checkout and its course."""
    shutil.copytree(tree.root, root, dirs_exist_ok=True)
    return Tree(root, root / "course")


def answered(tree: Tree, answers: Mapping[str, str], before: str = "", after: str = "") -> Notebook:
    """The exercise with these answers (by the last part of the task's id), and a cell before and after them."""
    notebook: Notebook = json.loads(tree.exercise(SLUG).read_text(encoding="utf-8"))
    ids = {task.answer_id: task.id.partition(".")[2] for task in tree.topic(SLUG).tasks}
    for cell in notebook["cells"]:
        name = ids.get(cell["metadata"].get("nbgrader", {}).get("grade_id", ""))
        if name in answers:
            cell["source"] = answers[name]
    setup = next(i for i, c in enumerate(notebook["cells"]) if c["cell_type"] == "code")
    extra = [_code("attack-before", before)] if before else []
    notebook["cells"][setup + 1 : setup + 1] = extra
    notebook["cells"] += [_code("attack-after", after)] if after else []
    return notebook


def _code(id: str, source: str) -> Notebook:
    return {"cell_type": "code", "id": id, "metadata": {}, "source": source, "outputs": [], "execution_count": None}


def filled(source: str, words: Mapping[str, str]) -> str:
    """A payload with its names and folders put in."""
    for name, value in words.items():
        source = source.replace(f"@{name}@", value)
    return source


def attacking(tree: Tree, attack: Attack, words: Mapping[str, str]) -> Notebook:
    """The notebook of an attack, before it is edited."""
    answers = {
        "dot_variance": DOT_VARIANCE,
        "additive_bound": ADDITIVE_BOUND,
        "softmax": attack.softmax,
        **attack.answers,
    }
    answers = {name: filled(source, words) for name, source in answers.items()}
    return answered(tree, answers, filled(attack.before, words), filled(attack.after, words))


def hand_in(tree: Tree, student: str, attack: Attack, words: Mapping[str, str]) -> None:
    """Put an attack into the submitted folder."""
    notebook = attacking(tree, attack, words)
    if attack.edit:
        attack.edit(notebook)
    data = json.dumps(notebook).encode()
    path = tree.submission(student, SLUG)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(attack.raw(data) if attack.raw else data)
    if attack.folder:
        attack.folder(path.parent, words)


def hand_in_first(tree: Tree, student: str, attack: Attack, words: Mapping[str, str]) -> None:
    """Put the notebook into the folder that this learner handed in before the attack."""
    notebook = attacking(tree, attack, words)
    assert attack.first is not None
    attack.first(notebook)
    path = tree.submission(student, SLUG)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(notebook), encoding="utf-8")


@dataclass
class Class:
    """A graded theme."""

    tree: Tree
    rows: dict[str, Graded]  # by student
    students: dict[str, str]  # attack → student
    neighbours: tuple[str, ...]
    mark: str = ""
    traces: list[str] = field(default_factory=list)


def grade_theme(
    base: Tree, root: Path, attacks: Sequence[Attack], sandbox: str, limits: Mapping[str, float | int] | None = None
) -> Class:
    """Hand in all attacks of a theme, each followed by an honest learner, and grade the class with one worker."""
    tree = copied(base, root)
    set_limits(tree, limits or {})
    mark = f"attn{secrets.token_hex(4)}"  # short enough for the name of a process
    outside = root / "outside"
    outside.mkdir()
    students, neighbours = {}, []
    with listening(mark) as (port, received):
        words = {
            "MARK": mark,
            "COURSE": str(tree.course),
            "PROJECT": str(PROJECT),
            "SITE": str(site_folders()[0]),
            "HOME": str(Path.home()),
            "OUTSIDE": str(outside),
            "PORT": str(port),
            "FREE": str(free_port()),
        }
        before = fingerprints(tree)
        for number, attack in enumerate(attacks):
            student = attack.student or f"{number:02d}-{attack.id}"
            students[attack.id] = student
            if attack.first:
                hand_in_first(tree, student, attack, words)
            else:
                hand_in(tree, student, attack, words)
        resubmitting = {students[a.id]: a for a in attacks if a.first}
        if resubmitting:
            grade_class(tree, SLUG, sandbox, students=sorted(resubmitting), workers=1)
        for student, attack in resubmitting.items():
            shutil.rmtree(tree.submission(student, SLUG).parent)
            hand_in(tree, student, attack, words)
        for student in ["", *students.values()]:
            neighbours.append(f"{student}-after" if student else "00")
            path = tree.submission(neighbours[-1], SLUG)
            path.parent.mkdir(parents=True)
            path.write_text(json.dumps(answered(tree, HONEST_NEIGHBOUR)), encoding="utf-8")
        with standing_in(mark):
            graded = grade_class(tree, SLUG, sandbox, workers=1)
        found = [f"connection: {line}" for line in received]
        found += traces(mark, (root, PROJECT, Path.home(), *site_folders()), tree)
        found += [
            f"changed: {name}" for name, digest in fingerprints(tree).items() if before.get(name, digest) != digest
        ]
    return Class(tree, {row.ledger.student: row for row in graded}, students, tuple(neighbours), mark, found)


@contextlib.contextmanager
def standing_in(mark: str) -> Iterator[None]:
    """Something of the teacher's for attacks to find: a variable in the environment."""
    os.environ["TEACHERS_TOKEN"] = mark
    try:
        yield
    finally:
        del os.environ["TEACHERS_TOKEN"]


@contextlib.contextmanager
def listening(mark: str) -> Iterator[tuple[int, list[str]]]:
    """Sockets of the teacher's machine, and what reached them: TCP on all interfaces, and an abstract Unix one."""
    received: list[str] = []
    over_tcp = socket.create_server(("0.0.0.0", 0))
    abstract = socket.socket(socket.AF_UNIX)
    abstract.bind(f"\0{mark}-teacher")
    abstract.listen()

    def accept(server: socket.socket, name: str) -> None:
        with contextlib.suppress(OSError):
            while True:
                server.accept()[0].close()
                received.append(name)

    servers = ((over_tcp, "TCP"), (abstract, "abstract Unix socket"))
    threads = [threading.Thread(target=accept, args=pair, daemon=True) for pair in servers]
    for thread in threads:
        thread.start()
    try:
        yield over_tcp.getsockname()[1], received
    finally:
        for server, _ in servers:
            with contextlib.suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            server.close()
        for thread in threads:
            thread.join()


def free_port() -> int:
    """A port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def fingerprints(tree: Tree) -> dict[str, bytes]:
    """What no submission may change: the exercise, the secret, the settings, the honest learners' files."""
    fixed = [tree.exercise(SLUG), tree.solution(SLUG), tree.secret, tree.course / "course.toml"]
    return {str(path): path.read_bytes() for path in fixed}


def traces(mark: str, roots: Sequence[Path], tree: Tree) -> list[str]:
    """Everything on this machine that carries the mark: files, processes, sockets."""
    shallow = [Path(p) for p in ("/tmp", "/var/tmp", "/dev", "/dev/shm", "/dev/mqueue", "/run", "/usr", "/", "/etc")]
    shallow += [*roots, Path(sys.prefix), Path(sys.base_prefix), PROJECT / "autograder", PROJECT / "attn_core"]
    found = {
        f"file: {entry}" for folder in shallow if folder.is_dir() for entry in folder.iterdir() if mark in entry.name
    }
    for folder, folders, names in os.walk(tree.root):
        found |= {
            f"file: {folder}/{name}" for name in (*folders, *names) if mark in name and "/submitted/" not in folder
        }
    found |= set(processes(mark))
    for table in ("tcp", "unix"):
        text = Path("/proc/net", table).read_text(encoding="utf-8")
        found |= {f"socket: {line}" for line in text.splitlines() if mark in line and "-teacher" not in line}
    return sorted(found)


def processes(mark: str) -> Iterator[str]:
    """The running processes with this mark in their name or command."""
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            with contextlib.suppress(OSError):
                said = (process / "comm").read_bytes() + (process / "cmdline").read_bytes()
                if mark.encode() in said:
                    yield f"process: {process.name} {said!r}"


def alone(base: Tree, root: Path, student: str, sandbox: str) -> Graded:
    """The honest learner as the only one of a class."""
    tree = copied(base, root)
    path = tree.submission(student, SLUG)
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(answered(tree, HONEST_NEIGHBOUR)), encoding="utf-8")
    return copy.deepcopy(grade_class(tree, SLUG, sandbox, workers=1)[0])


def row_text(row: Graded) -> str:
    """All that the row of a submission says."""
    reports = [result.report.text() for result in row.ledger.results]
    return "\n".join([row.ledger.summary, row.ledger.reason, *row.ledger.remarks, *reports])
