"""Sandboxes: how learners' code is closed in. One small interface, three back-ends.

A back-end says how to start the warm process (a command), and how the players forked from it close themselves in (a plan,
see enclosure.py). `bwrap` (bubblewrap) is the default; `builtin` needs no package and takes what the kernel offers; `none`
closes nothing in, must be asked for by name, and is stamped into every result.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from autograder.judge import landlock, seccomp
from autograder.judge.enclosure import Plan, Way
from autograder.judge.limits import Limits

HIDDEN = ("attn_core", "autograder")  # packages that a wheel puts beside torch, and that a player must not find there
START = (  # the arguments are the library and the folders of installed packages
    "import sys; sys.path = [sys.argv[1], *dict.fromkeys(sys.path + sys.argv[2:])]; "
    "from autograder.judge.zygote import main; main()"
)
HOME = "/learner"
NAMES = ("auto", "bwrap", "builtin", "none")


class SandboxError(Exception):
    """No sandbox can be had, or it leaks; the message says what to install or to change."""


class Sandbox(Protocol):
    """A way to close in learners' code."""

    @property
    def name(self) -> str:
        """What it is called on the command line and in results."""

    @property
    def layers(self) -> tuple[str, ...]:
        """What it protects with, in words."""

    def command(self, library: Path) -> list[str]:
        """The command that starts a warm process whose library folder is `library`."""

    def environment(self) -> dict[str, str]:
        """The environment of that command."""

    def setup(self, library: Path, scratch: Path) -> dict[str, Any]:
        """What the warm process does to itself first; `scratch` is an empty folder."""

    def plan(self, limits: Limits, namespaces: bool, home: Path | None, library: Path) -> dict[str, Any]:
        """How a player closes itself in; `home` is a folder made for it where it cannot mount one."""


def player_environment(home: str) -> dict[str, str]:
    """All that a player's environment holds: the same for every learner, and nothing of the teacher's."""
    return {
        "HOME": home,
        "TMPDIR": home,
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "MPLBACKEND": "agg",
        "OMP_NUM_THREADS": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def python_command(library: Path) -> list[str]:
    """This Python with the warm process, without user packages and without anything from the working directory."""
    return [sys.executable, "-s", "-P", "-c", START, str(library), *map(str, site_folders())]


def resource_limits(limits: Limits) -> dict[str, int]:
    """The part of the limits that the kernel enforces, by the names of `resource`."""
    return {
        "CPU": limits.cpu_seconds,
        "AS": limits.memory_bytes,
        "NPROC": limits.threads + limits.processes,
        "NOFILE": limits.open_files,
        "FSIZE": limits.file_bytes,
        "CORE": 0,
    }


def _user() -> int | None:
    """Whom root becomes: a number of each judge's own, so that players of two judges do not share their process count.

    It lies where neither Debian nor systemd puts users.
    """
    return 60_706 + os.getpid() % 478 if os.geteuid() == 0 else None


@dataclass(frozen=True)
class Bubblewrap:
    """An own root with read-only libraries around the warm process, and what the kernel offers around each player."""

    layers: tuple[str, ...] = field(default=(), compare=False)
    name: str = "bwrap"

    def command(self, library: Path) -> list[str]:
        """Bubblewrap's command line."""
        variables = [part for k, v in player_environment(HOME).items() for part in ("--setenv", k, v)]
        rights = ["--cap-drop", "ALL", "--cap-add", "CAP_SYS_ADMIN"]  # to give each player its own mounts; it gets none
        if os.geteuid() == 0:
            rights += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--cap-add", "CAP_KILL"]
        else:
            rights += ["--cap-add", "CAP_SETFCAP", "--unshare-user", "--uid", "0", "--gid", "0"]
        return [
            *("bwrap", *rights),
            *("--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"),
            *("--die-with-parent", "--new-session", "--clearenv", *variables),
            *("--proc", "/proc", "--dev", "/dev", "--remount-ro", "/dev"),
            *[part for way in _root(library) for part in _as_arguments(way)],
            *("--remount-ro", "/", "--chdir", "/"),
            *python_command(library),
        ]

    def environment(self) -> dict[str, str]:
        """What bubblewrap itself needs."""
        return {"PATH": os.environ.get("PATH", "/usr/bin:/bin")}

    def setup(self, library: Path, scratch: Path) -> dict[str, Any]:  # noqa: ARG002 - the interface's
        """Nothing: bubblewrap has done it."""
        return {"namespaces": True, "root": [], "scratch": HOME, "home": HOME}

    def plan(self, limits: Limits, namespaces: bool, home: Path | None, library: Path) -> dict[str, Any]:  # noqa: ARG002 - the interface's
        """Own namespaces, limits, another user, seccomp."""
        return asdict(
            Plan(
                home=HOME,
                limits=resource_limits(limits),
                namespaces=namespaces,
                user=_user(),
                nested_user=os.geteuid() != 0,
                processes=limits.processes,
                disk_bytes=limits.disk_bytes,
            )
        )


@dataclass(frozen=True)
class Builtin:
    """Namespaces, Landlock, seccomp and limits without any program: each as far as the kernel allows it here."""

    with_root: bool = True  # try an own root first; off only to test what is left without namespaces
    layers: tuple[str, ...] = field(default=(), compare=False)
    name: str = "builtin"

    def command(self, library: Path) -> list[str]:
        """Python itself: it closes itself in."""
        return python_command(library)

    def environment(self) -> dict[str, str]:
        """The player's."""
        return player_environment(HOME)

    def setup(self, library: Path, scratch: Path) -> dict[str, Any]:
        """The same root as bubblewrap's, if namespaces are allowed."""
        root = _root(library) if self.with_root else []
        return {"namespaces": False, "root": root, "scratch": str(scratch), "home": HOME}

    def plan(self, limits: Limits, namespaces: bool, home: Path | None, library: Path) -> dict[str, Any]:
        """With namespaces like bubblewrap's; without them Landlock guards the files and seccomp the other processes."""
        own_home = str(home or HOME)
        readable = ("/",) if namespaces else _readable(library)
        return asdict(
            Plan(
                home=own_home,
                limits=resource_limits(limits),
                namespaces=namespaces,
                user=_user(),
                nested_user=namespaces and os.geteuid() != 0,
                readable=readable,
                writable=(own_home, "/dev/null", *(("/dev/shm",) if namespaces else ())),
                processes=limits.processes if namespaces else 1,  # without namespaces a child could outlive its player
                shared_host=not namespaces,
                disk_bytes=limits.disk_bytes,
            )
        )


@dataclass(frozen=True)
class Unprotected:
    """No sandbox: players are processes of their own with limits, but they can read and write what the teacher can."""

    name: str = "none"
    layers: tuple[str, ...] = ("NO SANDBOX",)

    def command(self, library: Path) -> list[str]:
        """Python itself."""
        return python_command(library)

    def environment(self) -> dict[str, str]:
        """The player's; its home comes with the plan."""
        return player_environment("/nonexistent")

    def setup(self, library: Path, scratch: Path) -> dict[str, Any]:  # noqa: ARG002 - the interface's
        """A home for the warm process."""
        return {"namespaces": False, "root": [], "scratch": str(scratch), "home": HOME}

    def plan(self, limits: Limits, namespaces: bool, home: Path | None, library: Path) -> dict[str, Any]:  # noqa: ARG002 - the interface's
        """Limits only."""
        return asdict(Plan(home=str(home), limits=resource_limits(limits)))


def _as_arguments(way: Way) -> list[str]:
    """One part of the root, as bubblewrap's arguments."""
    kind, source, target = way
    match kind:
        case "bind":
            return ["--ro-bind", source, target]
        case "link":
            return ["--symlink", source, target]
        case "home":
            return ["--perms", "0700", "--tmpfs", target]
        case "cover":
            return ["--tmpfs", target, "--remount-ro", target]
    return ["--perms", "0755", "--dir", target]


def _root(library: Path) -> list[Way]:
    """What the root of a sandbox holds. /etc, /home, /root, /var and the rest do not exist inside."""
    python = _python()
    ways = [*_system(), ("home", "", HOME)]
    inside_tmp = any(target.startswith("/tmp/") for _, _, target in python) or str(library).startswith("/tmp/")
    ways.append(("folder", "", "/tmp") if inside_tmp else ("link", HOME, "/tmp"))
    return [*ways, *python, *_folders_to(library), ("bind", str(library), str(library))]


def _system() -> list[Way]:
    """The system's libraries."""
    ways: list[Way] = [("bind", "/usr", "/usr")]
    for name in ("bin", "lib", "lib32", "lib64"):
        path = Path("/") / name
        if path.is_symlink():
            ways.append(("link", os.readlink(path), str(path)))
        elif path.is_dir():
            ways.append(("bind", str(path), str(path)))
    cache_file = Path("/etc/ld.so.cache")
    return [*ways, *([("bind", str(cache_file), str(cache_file))] if cache_file.exists() else [])]


def _python() -> list[Way]:
    """This Python and its packages, without the project's own packages."""
    ways: list[Way] = []
    prefixes = dict.fromkeys((Path(sys.base_prefix).resolve(), Path(sys.base_prefix), Path(sys.prefix)))
    wanted = [prefix / part for prefix in prefixes for part in ("bin", "lib", "lib64", "pyvenv.cfg")]
    for path in (*wanted, *site_folders()):
        if path.exists() and Path("/usr") not in path.parents:
            ways += [*_folders_to(path), ("bind", str(path.resolve()), str(path))]
    return ways + [("cover", "", str(folder / n)) for folder in site_folders() for n in HIDDEN if (folder / n).is_dir()]


def _folders_to(path: Path) -> list[Way]:
    """The folders above a bind: made here, because bubblewrap would make them unreadable."""
    return [("folder", "", str(folder)) for folder in reversed(path.parents[:-1])]


def _readable(library: Path) -> tuple[str, ...]:
    """The same as a list for Landlock. The folders with our own packages are named entry by entry, to leave those out."""
    paths = [Path(source) for kind, source, _ in [*_system(), *_python()] if kind == "bind"]
    sites = [folder.resolve() for folder in site_folders()]
    found: list[Path] = [library, Path("/dev/null"), Path("/dev/zero"), Path("/dev/urandom"), Path("/dev/random")]
    while paths:
        path = paths.pop()
        if any(path == site or path in site.parents for site in sites) and path.is_dir():
            paths += [entry for entry in path.iterdir() if not (path in sites and _is_ours(entry.name))]
        else:
            found.append(path)
    return tuple(str(path) for path in found)


def _is_ours(name: str) -> bool:
    """Our packages, and the files by which an editable installation points to them."""
    return name.startswith((*HIDDEN, "attn_curriculum", "__editable__"))


def site_folders() -> list[Path]:
    """Every folder from which this Python imports installed packages."""
    return [Path(p) for p in dict.fromkeys(sys.path) if p and Path(p).name in ("site-packages", "dist-packages")]


INSTALL = (
    "bubblewrap is not installed (Debian, Ubuntu: `sudo apt install bubblewrap`; Fedora: `sudo dnf install bubblewrap`)"
)
FORBIDDEN = (
    "bubblewrap is installed but cannot make a sandbox here: {complaint}. Inside a container it needs permission for "
    "namespaces; on Ubuntu 24.04 the setting kernel.apparmor_restrict_unprivileged_userns must be 0, on other systems "
    "kernel.unprivileged_userns_clone must be 1 and user.max_user_namespaces more than 0"
)
LAST_RESORT = (
    "Without a sandbox learners' code would run with your own rights: it could read and change every file that you can. "
    "`--sandbox none` grades so all the same, and stamps that into every result."
)


@cache
def find_bubblewrap() -> Bubblewrap:
    """Bubblewrap, if it works on this machine; SandboxError says why not."""
    if shutil.which("bwrap") is None:
        raise SandboxError(f"{INSTALL}.")
    found = Bubblewrap(layers=("bubblewrap: an own root with read-only libraries, no network, no other processes",))
    command = found.command(Path("/usr"))
    trial = subprocess.run(
        [*command[: command.index(sys.executable)], sys.executable, "-I", "-c", "pass"],
        env=found.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if trial.returncode == 0:
        return found
    raise SandboxError(FORBIDDEN.format(complaint=trial.stderr.strip() or "it gave no reason") + ".")


def find_builtin() -> Builtin:
    """The fallback, if the kernel has what it takes to guard files; whether that is enough is for the self-test to say."""
    if not sys.platform.startswith("linux"):
        raise SandboxError("The built-in sandbox needs Linux.")
    if not landlock.version() and not seccomp.supported():
        raise SandboxError(
            "The built-in sandbox needs Landlock (Linux 5.13 or newer, with `landlock` in the kernel's list of lsm=) and "
            "seccomp (x86_64 or aarch64); this machine has neither."
        )
    return Builtin(layers=("built-in sandbox",))


def find_sandbox(name: str = "auto") -> Sandbox:
    """The back-end of this name; `auto` is bubblewrap, else the built-in one."""
    match name:
        case "bwrap":
            return find_bubblewrap()
        case "builtin":
            return find_builtin()
        case "none":
            return Unprotected()
        case "auto":
            return _first_that_works()
    raise SandboxError(f"There is no sandbox {name!r}; there are {', '.join(NAMES[:-1])} and {NAMES[-1]}.")


def _first_that_works() -> Sandbox:
    complaints = []
    for find in (find_bubblewrap, find_builtin):
        try:
            return find()
        except SandboxError as error:
            complaints.append(str(error))
    raise SandboxError(" ".join([*complaints, LAST_RESORT]))
