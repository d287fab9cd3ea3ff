"""What an attack is: data. How it is run stands in `grading.py`, what must hold afterwards in `test_attacks.py`.

Every attack is one learner's submission. It answers two tasks rightly (its honest part, worth HONEST points), and tries
with the rest to earn more, to look where it must not, to leave something behind, or to stop the class.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Notebook = dict[str, Any]

HONEST = 3.0  # points of the two right answers below

DOT_VARIANCE = """
def dot_variance(q, k):
    dots = (q.astype(np.float64) * k).sum(axis=1)
    return float(dots.var(ddof=1))
"""
ADDITIVE_BOUND = """
def additive_score_bound(v):
    return float(np.abs(v.astype(np.float64)).sum())
"""
SOFTMAX = """
def softmax(scores, axis=-1):
    peak = scores.max(axis=axis, keepdims=True)
    peak = np.where(np.isfinite(peak), peak, np.zeros_like(peak))
    exp = np.exp(scores - peak)
    total = exp.sum(axis=axis, keepdims=True)
    return exp / np.where(total == 0, np.ones_like(total), total)
"""
SCALED_SCORES = """
def scaled_scores(q, k):
    return q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5
"""
WRONG_SOFTMAX = "def softmax(scores, axis=-1):\n    return np.zeros_like(scores)"
# A probe collects in `got` whatever it managed to do; its function says so, and the row must say that it was nothing.
SAY_GOT = "def softmax(scores, axis=-1):\n    raise RuntimeError(f'got {got} {how}')"
NOTHING_GOT = "got [] after all attempts"


@dataclass(frozen=True)
class Layer:
    """Something that stops attacks."""

    name: str
    sentence: str


JUDGE = Layer("judge", "expected values, tests and scores live in another process, which a learner's code never enters")
CODEC = Layer(
    "wire",
    "a reply is JSON and raw arrays with caps; nothing in it is executed, unpickled or asked whether it is equal",
)
TEMPLATE = Layer("template", "the notebook is rebuilt from the released one; of the learner's file only sources count")
FILES = Layer("file system", "the player sees an allow-list, read-only, and an own temporary home")
PROCESSES = Layer("processes", "the player sees and can signal its own processes only, and all of them die with it")
NETWORK = Layer("network", "the player has no network but an empty one of its own")
RIGHTS = Layer(
    "rights", "the player is an unprivileged user without capabilities, and dangerous system calls are refused"
)
LIMITS = Layer("limits", "time, memory, processes, open files and file sizes are limited, per player")
WRITER = Layer("single writer", "only the judge's ledger is written, every cell of it, at every grading")
INTAKE = Layer(
    "intake", "only ordinary files of a plausible size are opened; what cannot be read is zero points with a reason"
)
PAGES = Layer("pages", "all that learners' files and programs say is escaped, made printable and cut")
SEEDS = Layer(
    "fresh inputs", "the judge draws the inputs from the course's secret; a quarter of them anew for each learner"
)
LAYERS = (JUDGE, CODEC, TEMPLATE, FILES, PROCESSES, NETWORK, RIGHTS, LIMITS, WRITER, INTAKE, PAGES, SEEDS)


@dataclass(frozen=True)
class Attack:
    """One hostile or broken submission.

    In all code `@MARK@` is a name that nothing else on the machine has (canary files, processes and sockets carry it),
    `@COURSE@`, `@PROJECT@`, `@SITE@`, `@HOME@` and `@OUTSIDE@` are folders, `@PORT@` is a port on which the test listens,
    `@FREE@` one that is free.
    """

    id: str  # a number is a row of the catalogue of known attacks, a letter with a number is one of ours
    title: str
    layer: Layer
    before: str = ""  # a cell that runs before the answers
    softmax: str = WRONG_SOFTMAX  # the answer that is to earn points it does not deserve
    after: str = ""  # a cell that runs after the answers
    answers: Mapping[str, str] = field(default_factory=dict)  # further answers, by the last part of the task's id
    edit: Callable[[Notebook], None] | None = None  # changes the notebook
    raw: Callable[[bytes], bytes] | None = None  # changes the bytes of the file
    folder: Callable[[Path, Mapping[str, str]], None] | None = None  # changes what lies in the submitted folder
    first: Callable[[Notebook], None] | None = None  # the notebook that was handed in and graded before this one
    earns: float = HONEST  # what its honest part earns
    breaks_itself: bool = False  # it may lose points of its own honest part
    says: str = "softmax: wrong"  # what the row must say
    student: str = ""  # the name of the submitted folder, where that is the attack
    note: str = ""  # for the table: why its honest part is worth what it is


# Outside of a sandbox some payloads would hurt a machine. A player is the first process of its own namespace.
INSIDE_ONLY = "import os\nassert os.getpid() == 1, 'this payload runs inside a sandbox only'\n"


def probe(id: str, title: str, layer: Layer, code: str, **more: Any) -> Attack:
    """An attack that looks for something or tries to do something, and tells what it got: nothing, or it fails."""
    before = f"got, how = [], 'after a part'\n{code}\nhow = 'after all attempts'"
    return Attack(id, title, layer, before=before, softmax=SAY_GOT, says=NOTHING_GOT, **more)


def attempts(*actions: str, setup: str = "") -> str:
    """Code that tries each expression and notes in `got` those that did not raise, and those that are no code."""
    lines = [setup, "import os"]
    for action in actions:
        lines += ["try:", f"    {action}"]
        lines += ["except (NameError, TypeError, AttributeError) as wrong: got.append(f'no attempt: {wrong}')"]
        lines += ["except BaseException: pass", f"else: got.append({action!r}[:60])"]
    return "\n".join(lines)


@dataclass(frozen=True)
class Inexpressible:
    """A row of the catalogue that cannot be tried against us, and why."""

    id: str
    title: str
    reason: str
