"""Look for a way out of the sandbox before any learner's code runs in it. Grading refuses to start if one is found.

Each probe is code that runs in a player like a learner's cell and raises unless it was stopped. They look for what must
not be there: the reference, the tasks, the teacher's files, a writable library, a network, other processes, root.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from autograder.judge.limits import Limits
from autograder.judge.process import Player, PlayerDied
from autograder.judge.sandbox import HIDDEN, Sandbox, SandboxError, site_folders

PROJECT = Path(__file__).parents[2]
UNREADABLE_PYTHON = (
    "The sandbox {name} cannot read this Python from inside ({error}). It runs learners' code as a user without rights, so "
    "the environment must lie where every user may read, for example under /opt and not in /root; or use bubblewrap."
)
SCATTER = """
import os
for folder in ("/tmp", "/var/tmp", "/dev/shm", "/dev", "/run", os.path.expanduser("~"), os.environ["TMPDIR"]):
    try:
        open(os.path.join(folder, "attn-probe-note"), "w").close()
    except OSError:
        pass
"""
COLLECT = """
import os
for folder in ("/tmp", "/var/tmp", "/dev/shm", "/dev", "/run", os.path.expanduser("~"), os.environ["TMPDIR"]):
    if os.path.exists(os.path.join(folder, "attn-probe-note")):
        raise RuntimeError(f"found a note of another player in {folder}")
"""


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


def _cannot(name: str, action: str, setup: str = "import os", error: str = "OSError") -> Probe:
    """`action` must raise."""
    return Probe(
        name, f"{setup}\ntry:\n    {action}\nexcept {error}:\n    pass\nelse:\n    raise RuntimeError({name!r})\n"
    )


def probes(limits: Limits, port: int, address: str) -> list[Probe]:
    """All that must be impossible for a player on this machine; at `port` and `address` a socket is listening."""
    libc = (
        "import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)\ndef call(result):\n    if result: raise OSError"
    )
    return [
        Probe("import the reference, the tasks or the judge", _imports_code()),
        _unreadable("read the reference, the solutions or the gradebook", _our_files()),
        _unreadable(
            "read the teacher's files", [Path("/etc/passwd"), Path("/etc/shadow"), Path("/var/log"), Path("/home")]
        ),
        _cannot("write into the library", "open(autograder.__file__, 'a')", "import autograder"),
        _cannot("write into the system", "open('/usr/attn-probe', 'w')"),
        _cannot("write beside torch", f"open({str(site_folders()[0] / 'attn-probe.pth')!r}, 'w')"),
        _cannot("open a connection", f"socket.socket().connect(('127.0.0.1', {port}))", "import socket"),
        _cannot(
            "talk to a program of the teacher's",
            f"socket.socket(socket.AF_UNIX).connect('\\0' + {address!r})",
            "import socket",
        ),
        Probe("be root", "import os\nif os.geteuid() == 0: raise RuntimeError('runs as root')\n"),
        _cannot("become another user", "os.setuid(0 if os.getuid() else 1)"),
        Probe("see other processes", _processes_code()),
        _cannot("reach the judge's process", f"os.kill({os.getpid()}, 0)"),
        _cannot("make a namespace", "call(libc.unshare(0x10000000))", libc),
        _cannot("mount something", "call(libc.mount(b'tmpfs', b'/usr', b'tmpfs', 0, None))", libc),
        _cannot("take more memory than it may", f"bytearray({limits.memory_bytes})", error="(MemoryError, OSError)"),
        _cannot(
            "raise its own limits",
            "resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))",
            "import resource",
            "(OSError, ValueError)",
        ),
        Probe("see the teacher's environment", _environment_code()),
        Probe("leave a file for the next player", SCATTER),  # what the next player sees of it decides
    ]


def _our_files() -> list[Path]:
    names = ("attn_core", "autograder", "solutions", "tests", "course", "nbgrader_config.py", ".git")
    return [PROJECT / name for name in names] + [folder / name for folder in site_folders() for name in HIDDEN]


def _imports_code() -> str:
    names = ("attn_core.softmax", "attn_core.attention", "autograder.tasks.mistakes", "autograder.checking.engine")
    return f"""
import importlib
for name in {(*names, "autograder.judge.judge")!r}:
    try:
        importlib.import_module(name)
    except ImportError:
        continue
    raise RuntimeError(f"can import {{name}}")
"""


def _processes_code() -> str:
    return """
import os
try:
    seen = [p for p in os.listdir("/proc") if p.isdigit()]
except OSError:
    seen = []
if len(seen) > 2:
    raise RuntimeError("sees other processes")
"""


def _environment_code() -> str:
    own = {"PATH", "HOME", "TMPDIR", "LANG", "PWD", "SHLVL", "_", "OMP_NUM_THREADS", "MPLBACKEND", "PYTHONHASHSEED"}
    names = sorted(set(os.environ) - own - {"PYTHONDONTWRITEBYTECODE", "LC_CTYPE"})
    return f"import os\nseen = set(os.environ) & set({names!r})\nif seen: raise RuntimeError(f'sees {{seen}}')\n"


@contextmanager
def _listening() -> Iterator[tuple[int, str]]:
    """Two sockets that somebody outside could be reached by: a port, and an abstract address."""
    address = f"attn-probe-{os.getpid()}"
    with socket.socket() as port, socket.socket(socket.AF_UNIX) as unix:
        port.bind(("127.0.0.1", 0))
        port.listen(8)
        if os.uname().sysname == "Linux":
            unix.bind("\0" + address)
            unix.listen(8)
        yield port.getsockname()[1], address


def examine(sandbox: Sandbox) -> tuple[dict[str, str], tuple[str, ...]]:
    """The probes that were not stopped, with what they managed to do; and the layers that players have."""
    try:
        with _listening() as (port, address):
            found = probes(limits := Limits(), port, address)
            cells = [(f"probe-{i}", probe.code) for i, probe in enumerate(found)]
            with Player(sandbox, limits) as player:
                inside = player.load([("imports", "import colorsys, encodings.idna, xml.dom.minidom")])
                if inside:
                    raise SandboxError(UNREADABLE_PYTHON.format(name=sandbox.name, error=inside["imports"]))
                errors = player.load(cells)
        with Player(sandbox, limits) as following:
            left = following.load([("collect", COLLECT)])
    except PlayerDied as death:
        raise SandboxError(f"The sandbox {sandbox.name} does not run a player: {death}") from death
    leaks = {probe.name: errors[f"probe-{i}"] for i, probe in enumerate(found) if f"probe-{i}" in errors}
    return leaks | ({found[-1].name: left["collect"]} if left else {}), player.layers


def assert_closed(sandbox: Sandbox) -> tuple[str, ...]:
    """The layers in force; SandboxError if a probe got through. `none` is not probed: it protects from nothing, and says so."""
    if sandbox.name == "none":
        return sandbox.layers
    leaks, layers = examine(sandbox)
    if leaks:
        what = "; ".join(f"{name} ({error})" for name, error in leaks.items())
        raise SandboxError(
            f"The sandbox {sandbox.name} leaks, so nothing was graded. A player could: {what}. Please report this with the "
            "output of `bwrap --version` and `uname -a`."
        )
    return (*sandbox.layers, *layers)
