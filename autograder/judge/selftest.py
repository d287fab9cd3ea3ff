"""Look for a way out of the sandbox before any learner's code runs in it. Grading refuses to start if one is found.

Each probe is code that runs in a player like a learner's cell and raises unless it was stopped. They look for what must
not be there: the reference, the tasks, the teacher's files, a writable library, a network, other processes, root.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from autograder.judge.limits import Limits
from autograder.judge.process import Player, PlayerDied
from autograder.judge.sandbox import HIDDEN, Sandbox, SandboxError, site_folders

PROJECT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Probe:
    """Something that must be impossible: a name, and code that raises when it is possible."""

    name: str
    code: str


def _unreadable(name: str, paths: list[Path]) -> Probe:
    code = f"""
import os
for path in {[str(p) for p in paths]!r}:
    try:
        found = os.listdir(path) if os.path.isdir(path) else open(path, "rb").read(1)
    except OSError:
        continue
    if found:
        raise RuntimeError(f"can read {{path}}")
"""
    return Probe(name, code)


def _cannot(name: str, action: str, setup: str = "import os") -> Probe:
    """`action` must raise OSError."""
    return Probe(
        name, f"{setup}\ntry:\n    {action}\nexcept OSError:\n    pass\nelse:\n    raise RuntimeError({name!r})\n"
    )


def probes() -> list[Probe]:
    """All that must be impossible for a player on this machine."""
    secret_modules = (
        "attn_core.softmax",
        "attn_core.attention",
        "autograder.tasks.mistakes",
        "autograder.checking.engine",
        "autograder.judge.judge",
    )
    imports = f"""
import importlib
for name in {secret_modules!r}:
    try:
        importlib.import_module(name)
    except ImportError:
        continue
    raise RuntimeError(f"can import {{name}}")
"""
    files = [
        PROJECT / name
        for name in ("attn_core", "autograder", "solutions", "tests", "course", "nbgrader_config.py", ".git")
    ]
    files += [folder / name for folder in site_folders() for name in HIDDEN]
    return [
        Probe("import the reference, the tasks or the judge", imports),
        _unreadable("read the reference, the solutions or the gradebook", files),
        _unreadable(
            "read the teacher's files", [Path("/etc/passwd"), Path("/etc/shadow"), Path("/var/log"), Path("/home")]
        ),
        _cannot("write into the library", "open('/player/autograder/__init__.py', 'a')"),
        _cannot("write into the system", "open('/usr/attn-probe', 'w')"),
        _cannot("write beside torch", f"open({str(site_folders()[0] / 'attn-probe.pth')!r}, 'w')"),
        _cannot("open a connection", "socket.create_connection(('127.0.0.1', 22), 1)", "import socket"),
        _cannot("leave a file for the next player", "open('/player/note', 'w')"),
        Probe("be root", "import os\nif os.geteuid() == 0: raise RuntimeError('runs as root')\n"),
        Probe(
            "see other processes",
            "import os\nif len([p for p in os.listdir('/proc') if p.isdigit()]) > 2: raise RuntimeError('sees other processes')\n",
        ),
        Probe("see the teacher's environment", _environment_code()),
    ]


def _environment_code() -> str:
    names = sorted(
        set(os.environ)
        - {"PATH", "HOME", "LANG", "PWD", "SHLVL", "_", "OMP_NUM_THREADS", "MPLBACKEND", "PYTHONHASHSEED"}
    )
    return f"import os\nseen = set(os.environ) & set({names!r}) - {{'PYTHONDONTWRITEBYTECODE', 'LC_CTYPE'}}\nif seen: raise RuntimeError(f'sees {{seen}}')\n"


def leaks(sandbox: Sandbox) -> dict[str, str]:
    """The probes that were not stopped, with what they managed to do."""
    found = probes()
    cells = [(f"probe-{i}", probe.code) for i, probe in enumerate(found)]
    try:
        with Player(sandbox, Limits()) as player:
            errors = player.load(cells)
    except PlayerDied as death:
        raise SandboxError(f"The sandbox {sandbox.name} does not run a player: {death}") from death
    return {probe.name: errors[f"probe-{i}"] for i, probe in enumerate(found) if f"probe-{i}" in errors}


def assert_closed(sandbox: Sandbox) -> None:
    """Raise SandboxError if a probe got through. `none` is not probed: it protects from nothing, and says so."""
    if sandbox.name == "none":
        return
    if found := leaks(sandbox):
        what = "; ".join(f"{name} ({error})" for name, error in found.items())
        raise SandboxError(
            f"The sandbox {sandbox.name} leaks, so nothing was graded. A player could: {what}. Please report this with the "
            "output of `bwrap --version` and `uname -a`."
        )
