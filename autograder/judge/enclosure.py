"""Close a process in from the inside: what a player does to itself before any of the learner's code runs in it.

Every step is taken by the player, in this order: namespaces with an own home, limits, another user, no capabilities,
Landlock, seccomp. Only the standard library is used. What a machine does not offer is left out and not in the list of layers
that comes back; the self-test then decides whether the rest is enough.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from autograder.judge import landlock, seccomp

NEW_MOUNTS, NEW_HOST, NEW_IPC, NEW_USER, NEW_PROCESSES, NEW_NETWORK = (
    0x00020000,
    0x04000000,
    0x08000000,
    0x10000000,
    0x20000000,
    0x40000000,
)
READ_ONLY, NO_SETUID, NO_DEVICES, NO_PROGRAMS, REMOUNT, BIND, ALL_BELOW, PRIVATE = 1, 2, 4, 8, 32, 4096, 16384, 1 << 18
DETACH = 2
KEPT_FLAGS = 2 | 4 | 8 | 1024 | 2048 | 4096  # of statvfs: a remount may not drop those of the original
NOBODY = 65534
DEVICES = ("null", "zero", "full", "random", "urandom")
Way = tuple[str, str, str]  # what (bind, link, folder, home, cover), source, target


@dataclass(frozen=True)
class Plan:
    """How one player is closed in. It travels as JSON, so its parts are plain."""

    home: str  # the folder that it may write in
    limits: dict[str, int]  # resource's names without RLIMIT_
    namespaces: bool = False  # own processes, mounts and System V objects
    user: int | None = None  # the user that root becomes
    nested_user: bool = False  # a user namespace of its own, in which it is nobody
    readable: Sequence[str] = ()  # what Landlock lets it read; empty: no Landlock
    writable: Sequence[str] = ()
    processes: int = 0  # 1: seccomp refuses new ones; 0: no seccomp
    shared_host: bool = False  # other processes and the teacher's files are in sight
    disk_bytes: int = 0


def enclose(plan: Plan) -> list[str]:
    """Do all of it to this process; gives the layers that are in force now."""
    layers = []
    os.setsid()
    with contextlib.suppress(OSError):  # should the machine run out of memory, the kernel takes this process first
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    if plan.namespaces:
        _own_mounts(plan)
        layers.append("own processes, mounts and IPC")
    for name, value in plan.limits.items():
        _limit(name, value)
    layers.append("limits")
    if plan.user is not None:
        os.setgroups([])
        os.setresgid(plan.user, plan.user, plan.user)
        os.setresuid(plan.user, plan.user, plan.user)
    if plan.nested_user:
        _own_user(NOBODY)
    if plan.namespaces or plan.processes:
        _no_capabilities()
        layers.append(f"no capabilities, no new privileges, user {os.getuid()}")
    os.environ["HOME"] = os.environ["TMPDIR"] = plan.home
    os.chdir(plan.home)
    if plan.readable and landlock.version():
        landlock.restrict([Path(p) for p in plan.readable], [Path(p) for p in plan.writable])
        layers.append(f"Landlock {landlock.version()}")
    if plan.processes and seccomp.supported():
        seccomp.install(plan.processes, plan.shared_host)
        layers.append("seccomp")
    die_with_parent()  # last, because a change of user undoes it
    return layers


def _own_mounts(plan: Plan) -> None:
    """Mounts that no other process sees: an empty home, empty shared memory, and the own processes in /proc."""
    unshare(NEW_MOUNTS | NEW_IPC)
    mount("none", "/", "", ALL_BELOW | PRIVATE)
    owner = "" if plan.user is None else f",uid={plan.user},gid={plan.user}"
    for folder in (plan.home, "/dev/shm"):
        if os.path.isdir(folder):
            size = f"size={plan.disk_bytes},nr_inodes={plan.disk_bytes >> 13},mode=0700{owner}"
            mount("tmpfs", folder, "tmpfs", NO_SETUID | NO_DEVICES, size)
    try:
        mount("proc", "/proc", "proc", NO_SETUID | NO_DEVICES | NO_PROGRAMS)
    except OSError:  # in a container whose own /proc is partly covered, nobody may mount another: then there is none
        mount("tmpfs", "/proc", "tmpfs", READ_ONLY, "mode=0555")


def _limit(name: str, value: int) -> None:
    import resource  # here, because the judge reads this module too, and Windows has no such limits

    kind = getattr(resource, f"RLIMIT_{name}")
    hard = resource.getrlimit(kind)[1]
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    # one second more of CPU time until the signal that cannot be caught
    resource.setrlimit(kind, (value, value + 1 if name == "CPU" else value))


def _own_user(inside: int) -> None:
    """A user namespace in which this process is the user `inside`; outside it stays who it is."""
    user, group = os.getuid(), os.getgid()
    unshare(NEW_USER)
    with contextlib.suppress(FileNotFoundError):
        Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"{inside} {user} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"{inside} {group} 1", encoding="ascii")


def _no_capabilities() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    _checked(libc.prctl(38, 1, 0, 0, 0), "no new privileges")
    libc.prctl(4, 0, 0, 0, 0)  # its crashes are not stored, and nobody else's process looks into it
    libc.prctl(47, 4, 0, 0, 0)  # the ambient ones; an old kernel has none
    header = struct.pack("Ii", 0x20080522, 0)
    _checked(libc.capset(header, bytes(24)), "capset")


def unshare(flags: int) -> None:
    """Leave namespaces for new ones; OSError if it is not allowed."""
    _checked(ctypes.CDLL(None, use_errno=True).unshare(flags), "unshare")


def die_with_parent() -> None:
    """The kernel kills this process when its parent ends."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)


def join(namespace: int, kind: int) -> None:
    """Enter the namespace of an open file."""
    _checked(ctypes.CDLL(None, use_errno=True).setns(namespace, kind), "setns")


def mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    """The system call mount."""
    libc = ctypes.CDLL(None, use_errno=True)
    texts = (source.encode(), target.encode(), kind.encode() or None, ctypes.c_ulong(flags), options.encode() or None)
    _checked(libc.mount(*texts), f"mount on {target}")


def _checked(result: int, what: str) -> None:
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")


def enter_root(ways: Sequence[Way], scratch: str) -> None:
    """Leave the machine's namespaces and its root for one that holds `ways` only, as bubblewrap would. OSError if not allowed.

    `scratch` is an empty folder. Mounted there in passing, it is gone from sight afterwards.
    """
    if os.geteuid() != 0:
        _own_user(0)
    unshare(NEW_MOUNTS | NEW_IPC | NEW_NETWORK | NEW_HOST | NEW_PROCESSES)
    if child := os.fork():  # only a child is in the new namespace of processes
        os._exit(os.waitpid(child, 0)[1] >> 8)
    die_with_parent()
    mount("none", "/", "", ALL_BELOW | PRIVATE)
    mount("tmpfs", scratch, "tmpfs", NO_SETUID | NO_DEVICES, "mode=0755")
    for kind, source, target in (*ways, *_devices(), ("folder", "", "/proc"), ("folder", "", "/dev/shm")):
        _make(kind, source, scratch + target)
    mount("proc", f"{scratch}/proc", "proc", NO_SETUID | NO_DEVICES | NO_PROGRAMS)
    os.mkdir(f"{scratch}/old")
    libc = ctypes.CDLL(None, use_errno=True)
    _checked(libc.pivot_root(scratch.encode(), f"{scratch}/old".encode()), "pivot_root")
    os.chdir("/")
    _checked(libc.umount2(b"/old", DETACH), "umount2")
    os.rmdir("/old")
    mount("none", "/", "", REMOUNT | BIND | READ_ONLY | NO_SETUID | NO_DEVICES)


def _devices() -> Iterator[Way]:
    yield from (("bind", f"/dev/{name}", f"/dev/{name}") for name in DEVICES)


def _make(kind: str, source: str, target: str) -> None:
    if kind == "link":
        os.symlink(source, target)
    elif kind == "folder":
        os.makedirs(target, exist_ok=True)
    elif kind == "home":
        os.makedirs(target)
        mount("tmpfs", target, "tmpfs", NO_SETUID | NO_DEVICES, "mode=0700")
    elif kind == "cover":
        mount("tmpfs", target, "tmpfs", READ_ONLY | NO_SETUID | NO_DEVICES, "mode=0755")
    else:
        if os.path.isdir(source):
            os.makedirs(target, exist_ok=True)
        else:
            os.makedirs(os.path.dirname(target), exist_ok=True)
            Path(target).touch()
        mount(source, target, "", BIND | ALL_BELOW)
        if not source.startswith("/dev/"):
            kept = os.statvfs(source).f_flag & KEPT_FLAGS
            mount("none", target, "", REMOUNT | BIND | READ_ONLY | NO_SETUID | kept & ~4096)
