"""Sandboxes: how a player's process is closed in. One small interface, several back-ends.

A back-end turns "run this Python with this library folder" into a command line. `bwrap` (bubblewrap) is the default;
`none` closes nothing in, must be asked for by name, and is stamped into every result.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

HIDDEN = ("attn_core", "autograder")  # packages that a wheel puts beside torch, and that a player must not find there
START = "import sys; sys.path.insert(0, sys.argv[1]); from autograder.judge.player import main; main()"


class SandboxError(Exception):
    """No sandbox can be had, or it leaks; the message says what to install or to change."""


class Sandbox(Protocol):
    """A way to close in a process."""

    @property
    def name(self) -> str:
        """What it is called on the command line and in results."""

    @property
    def layers(self) -> tuple[str, ...]:
        """What it protects with, in words."""

    @property
    def drops_root(self) -> bool:
        """Must the player give up root itself, once it is inside?"""

    def command(self, library: Path) -> list[str]:
        """The command that starts a player whose library folder is `library`."""

    def environment(self) -> dict[str, str]:
        """The environment of that command."""


def player_environment(home: str) -> dict[str, str]:
    """All that a player's environment holds: the same for every learner, and nothing of the teacher's."""
    return {
        "HOME": home,
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "MPLBACKEND": "agg",
        "OMP_NUM_THREADS": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


@dataclass(frozen=True)
class Bubblewrap:
    """Linux namespaces: an own root with read-only libraries, no network, no other processes, an own temporary home."""

    identity: tuple[str, ...]
    layers: tuple[str, ...]
    drops_root: bool = False
    name: str = "bwrap"

    def command(self, library: Path) -> list[str]:
        """Bubblewrap's command line."""
        home = "/tmp/home"
        variables = [part for k, v in player_environment(home).items() for part in ("--setenv", k, v)]
        return [
            "bwrap",
            *self.identity,
            *("--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"),
            *("--die-with-parent", "--new-session", "--clearenv", *variables),
            *_system_binds(),
            *("--proc", "/proc", "--dev", "/dev"),
            *("--perms", "1777", "--tmpfs", "/tmp"),  # before Python, whose environment may itself lie in /tmp
            *_python_binds(),
            *("--ro-bind", str(library), "/player", "--remount-ro", "/", "--chdir", "/tmp"),
            *(sys.executable, "-I", "-c", START, "/player"),
        ]

    def environment(self) -> dict[str, str]:
        """What bubblewrap itself needs."""
        return {"PATH": os.environ.get("PATH", "/usr/bin:/bin")}


@dataclass(frozen=True)
class Unprotected:
    """No sandbox: the player is a process of its own with limits, but it can read and write what the teacher can."""

    name: str = "none"
    layers: tuple[str, ...] = ("NO SANDBOX",)
    drops_root: bool = False

    def command(self, library: Path) -> list[str]:
        """Python itself."""
        return [sys.executable, "-I", "-c", START, str(library)]

    def environment(self) -> dict[str, str]:
        """A minimal environment, with the temporary folder as home."""
        import tempfile

        return player_environment(str(Path(tempfile.gettempdir()) / f"attn-player-{os.getpid()}"))


def _system_binds() -> list[str]:
    """The system's libraries, read-only. /etc, /home, /root, /var and the rest do not exist inside."""
    binds = ["--ro-bind", "/usr", "/usr"]
    for name in ("bin", "lib", "lib32", "lib64"):
        path = Path("/") / name
        if path.is_symlink():
            binds += ["--symlink", os.readlink(path), str(path)]
        elif path.is_dir():
            binds += ["--ro-bind", str(path), str(path)]
    cache_file = Path("/etc/ld.so.cache")
    return [*binds, *(["--ro-bind", str(cache_file), str(cache_file)] if cache_file.exists() else [])]


def _python_binds() -> list[str]:
    """This Python and its packages, read-only, without the project's own packages."""
    binds: list[str] = []
    prefixes = dict.fromkeys((Path(sys.base_prefix).resolve(), Path(sys.base_prefix), Path(sys.prefix)))
    wanted = [prefix / part for prefix in prefixes for part in ("bin", "lib", "lib64", "pyvenv.cfg")]
    for path in (*wanted, *site_folders()):
        if path.exists() and Path("/usr") not in path.parents:
            for folder in reversed(path.parents[:-1]):  # made here, because bubblewrap makes them unreadable
                binds += ["--perms", "0755", "--dir", str(folder)]
            binds += ["--ro-bind", str(path.resolve()), str(path)]
    for folder in site_folders():
        for name in HIDDEN:
            if (folder / name).is_dir():
                binds += ["--tmpfs", str(folder / name), "--remount-ro", str(folder / name)]
    return binds


def site_folders() -> list[Path]:
    """Every folder from which this Python imports installed packages."""
    return [Path(p) for p in dict.fromkeys(sys.path) if p and Path(p).name in ("site-packages", "dist-packages")]


def _candidates() -> list[Bubblewrap]:
    """Ways to get rid of one's own rights, the strongest first."""
    spaces = ("own mount, process, network, IPC and host namespaces", "file system: allow-list, read-only")
    user = ("--unshare-user", "--uid", "65534", "--gid", "65534", "--cap-drop", "ALL")
    ways = [
        Bubblewrap((*user, "--disable-userns"), (*spaces, "own user namespace, further ones disabled")),
        Bubblewrap(user, (*spaces, "own user namespace")),
    ]
    if os.geteuid() == 0:
        keep = ("--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID")
        ways.insert(0, Bubblewrap(keep, (*spaces, "runs as nobody (uid 65534)"), drops_root=True))
    return ways


INSTALL = (
    "bubblewrap is not installed, so learners' code would run with your own rights: it could read and change every file "
    "that you can. Install it (Debian, Ubuntu: `sudo apt install bubblewrap`; Fedora: `sudo dnf install bubblewrap`), or grade "
    "without protection with `--sandbox none`; every result is then stamped with it."
)


@cache
def find_bubblewrap() -> Bubblewrap:
    """Bubblewrap in the strongest form that works on this machine; SandboxError says why there is none."""
    if shutil.which("bwrap") is None:
        raise SandboxError(INSTALL)
    complaint = ""
    for sandbox in _candidates():
        shell = sandbox.command(Path("/usr"))
        trial = subprocess.run(
            [*shell[: shell.index(sys.executable)], sys.executable, "-I", "-c", "pass"],
            env=sandbox.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if trial.returncode == 0:
            return sandbox
        complaint = trial.stderr.strip() or complaint
    raise SandboxError(
        f"bubblewrap is installed but cannot make a sandbox here: {complaint or 'no reason given'}. Inside a container it needs "
        "permission for namespaces; on Ubuntu 24.04 the setting kernel.apparmor_restrict_unprivileged_userns must be 0. "
        "Without it, `--sandbox none` grades unprotected and stamps that into every result."
    )


def find_sandbox(name: str = "bwrap") -> Sandbox:
    """The back-end of this name."""
    if name == "bwrap":
        return find_bubblewrap()
    if name == "none":
        return Unprotected()
    raise SandboxError(f"There is no sandbox {name!r}; there are bwrap (the default) and none.")
