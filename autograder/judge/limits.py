"""What a learner's code may use, in one place. A course can change any of it, for all assignments or for one."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True)
class Limits:
    """Limits of one player. Seconds are wall-clock unless they say CPU."""

    call_seconds: float = 10.0  # one call of one function
    task_seconds: float = 60.0  # all calls of one task
    cell_seconds: float = 30.0  # running one cell of the notebook
    load_seconds: float = 60.0  # running all of them
    submission_seconds: float = 300.0  # everything together
    cpu_seconds: int = 120  # of the whole player
    memory_bytes: int = 4096 * MIB  # address space; torch alone maps 0.7 GiB
    processes: int = 1  # itself; threads are counted apart
    threads: int = 64
    open_files: int = 256
    file_bytes: int = 64 * MIB  # one file
    disk_bytes: int = 128 * MIB  # all files in its home, and as much shared memory
    reply_bytes: int = 16 * MIB  # the arrays that one call returns; what it prints is not kept at all
