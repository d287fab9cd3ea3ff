"""Refuse system calls that a learner's function has no use for, with a filter that the kernel runs (seccomp, BPF).

It is a second wall: namespaces and limits stand without it. Refused calls fail with "Operation not permitted", so honest
code that probes for a feature goes on. Only the standard library is used, because this runs inside the player.
Source: Linux, Documentation/userspace-api/seccomp_filter.rst; the numbers are those of asm/unistd.h.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Iterator

ARCHITECTURES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}  # audit number, column of NUMBERS
NUMBERS: dict[str, tuple[int, int]] = {  # x86_64, aarch64; -1 where there is no such call
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51), "move_mount": (429, 429),
    "open_tree": (428, 428), "fsopen": (430, 430), "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433),
    "mount_setattr": (442, 442), "unshare": (272, 97), "setns": (308, 268), "bpf": (321, 280),
    "perf_event_open": (298, 241), "userfaultfd": (323, 282), "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426), "io_uring_register": (427, 427), "keyctl": (250, 219), "add_key": (248, 217),
    "request_key": (249, 218), "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106),
    "kexec_load": (246, 104), "kexec_file_load": (320, 294), "reboot": (169, 142), "swapon": (167, 224),
    "swapoff": (168, 225), "acct": (163, 89), "quotactl": (179, 60), "settimeofday": (164, 170),
    "clock_settime": (227, 112), "adjtimex": (159, 171), "clock_adjtime": (305, 266), "sethostname": (170, 161),
    "setdomainname": (171, 162), "syslog": (103, 116), "open_by_handle_at": (304, 265), "mknod": (133, -1),
    "mknodat": (259, 33), "personality": (135, 92), "fanotify_init": (300, 262), "vhangup": (153, 58),
    "lookup_dcookie": (212, 18), "nfsservctl": (180, 42), "memfd_secret": (447, 447), "pidfd_getfd": (438, 438),
    # memory that no limit of ours counts
    "memfd_create": (319, 279), "shmget": (29, 194), "semget": (64, 190), "msgget": (68, 186), "mq_open": (240, 180),
}  # fmt: skip
FORKS = {"fork": (57, -1), "vfork": (58, -1)}
SHARED_HOST: dict[str, tuple[int, int]] = {  # refused where other processes or the teacher's files are in sight
    "tkill": (200, 130), "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240), "pidfd_open": (434, 434),
    "pidfd_send_signal": (424, 424), "process_madvise": (440, 440), "setpriority": (141, 140),
    "sched_setscheduler": (144, 119), "sched_setattr": (314, 274), "chmod": (90, -1), "fchmod": (91, 52),
    "fchmodat": (268, 53), "fchmodat2": (452, 452), "chown": (92, -1), "lchown": (94, -1), "fchown": (93, 55),
    "fchownat": (260, 54), "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7), "removexattr": (197, 14),
    "lremovexattr": (198, 15), "fremovexattr": (199, 16), "utime": (132, -1), "utimes": (235, -1),
    "futimesat": (261, -1), "utimensat": (280, 88), "truncate": (76, 45),
}  # fmt: skip
SOCKET, CLONE, CLONE3, IOCTL, OPENAT2 = (41, 198), (56, 220), (435, 435), (16, 29), (437, 437)
KILL, TGKILL, PRLIMIT, OPENAT, OPEN, PRCTL = (62, 129), (234, 131), (302, 261), (257, 56), (2, -1), (157, 167)
NEW_NAMESPACES = 0x7E020000  # CLONE_NEW*
THREAD = 0x00010000
INJECTIONS = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX: would type into the teacher's terminal

LOAD, EQUAL, GREATER_EQUAL, ANY_BIT, AND, RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
ALLOW, REFUSE = 0x7FFF0000, 0x00050000  # the latter with the error number
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16  # offsets in the kernel's seccomp_data
Instruction = tuple[int, int, int, int]  # code, jump if true, jump if false, constant


def supported() -> bool:
    """Is there a filter for this machine?"""
    return platform.system() == "Linux" and platform.machine() in ARCHITECTURES


def install(processes: int, shared_host: bool) -> None:
    """Put the filter on this process for good. `processes` = 1 refuses new ones; threads are never refused."""
    filters = list(_program(processes, shared_host))
    code = b"".join(struct.pack("HBBI", *instruction) for instruction in filters)
    buffer = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("HxxxxxxP", len(filters), ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(22, 2, program, 0, 0) != 0:  # PR_SET_SECCOMP, SECCOMP_MODE_FILTER
        raise OSError(ctypes.get_errno(), "seccomp: " + os.strerror(ctypes.get_errno()))


def _program(processes: int, shared_host: bool) -> Iterator[Instruction]:
    audit, column = ARCHITECTURES[platform.machine()]
    yield from [(LOAD, 0, 0, ARCHITECTURE), (EQUAL, 1, 0, audit), _refuse()]
    yield from [(LOAD, 0, 0, NUMBER), (GREATER_EQUAL, 0, 1, 0x40000000), _refuse()]  # the x32 calls of x86_64
    refused = {**NUMBERS, **(FORKS if processes == 1 else {}), **(SHARED_HOST if shared_host else {})}
    for numbers in refused.values():
        if numbers[column] >= 0:
            yield from [(EQUAL, 0, 1, numbers[column]), _refuse()]
    for call in (
        CLONE3,
        OPENAT2,
    ):  # their flags lie in memory, where no filter can look; libraries use the older calls then
        yield from [(EQUAL, 0, 1, call[column]), _refuse(errno.ENOSYS)]
    yield from _when(SOCKET[column], [*_argument(0), (EQUAL, 1, 0, 1), _refuse()])  # AF_UNIX only
    thread = [(ANY_BIT, 1, 0, THREAD), _refuse()] if processes == 1 else []
    yield from _when(CLONE[column], [*_argument(0), (ANY_BIT, 0, 1, NEW_NAMESPACES), _refuse(), *thread])
    yield from _when(PRCTL[column], [*_argument(0), (EQUAL, 0, 1, 4), _refuse()])  # PR_SET_DUMPABLE: no stored crashes
    for code in INJECTIONS:
        yield from _when(IOCTL[column], [*_argument(1), (EQUAL, 0, 1, code), _refuse()])
    if shared_host:
        yield from _only_itself(column)
    yield (RETURN, 0, 0, ALLOW)


def _only_itself(column: int) -> Iterator[Instruction]:
    """Signals and limits reach this process alone, and reading a file never empties it (older Landlocks allow that)."""
    own = os.getpid()
    for call in (KILL, TGKILL):
        yield from _when(call[column], [*_argument(0), (EQUAL, 1, 0, own), _refuse()])
    yield from _when(PRLIMIT[column], [*_argument(0), (EQUAL, 2, 0, 0), (EQUAL, 1, 0, own), _refuse()])
    for call, flags in ((OPENAT, 2), (OPEN, 1)):
        if call[column] >= 0:
            emptied_by_a_reader = [(AND, 0, 0, os.O_TRUNC | os.O_ACCMODE), (EQUAL, 0, 1, os.O_TRUNC), _refuse()]
            yield from _when(call[column], [*_argument(flags), *emptied_by_a_reader])


def _when(number: int, body: list[Instruction]) -> list[Instruction]:
    """`body` for this call only; the call's number is loaded again at its end."""
    again = (LOAD, 0, 0, NUMBER)
    return [(EQUAL, 0, len(body) + 1, number), *body, again]


def _argument(index: int) -> list[Instruction]:
    return [(LOAD, 0, 0, ARGUMENTS + 8 * index)]  # its lower half, on the little-endian machines that we know


def _refuse(error: int = errno.EPERM) -> Instruction:
    return (RETURN, 0, 0, REFUSE | error)
