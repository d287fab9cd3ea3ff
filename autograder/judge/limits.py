"""What a learner's code may use, in one place."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True)
class Limits:
    """Limits of one player. Seconds are wall-clock unless they say CPU."""

    call_seconds: float = 10.0  # one call of one function
    load_seconds: float = 60.0  # running the notebook's cells, imports included
    cpu_seconds: int = 300  # of the whole player
    memory_bytes: int = 4096 * MIB  # address space; importing torch alone maps 0.7 GiB
    processes: int = 64
    open_files: int = 256
    file_bytes: int = 64 * MIB
