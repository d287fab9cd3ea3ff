"""What the threads of a block did between two barriers, checked as if they had run at the same time.

The simulator runs them one after the other, so a race need not give a wrong number. It is found all the same, under any
order of the threads: two threads touched the same element, at least one wrote it, and no barrier came between.
"""

from __future__ import annotations

import numpy as np

from attn_core.lab.simulator.faults import KernelFault
from attn_core.lab.simulator.memory import Access, Array, Memory

NOBODY, SEVERAL = -1, -2  # instead of the number of a block


class History:
    """What is known of an array's elements from before the last barrier: which were written, and by which blocks."""

    def __init__(self, memory: Memory, written: Array) -> None:
        self.written = written.ravel()
        self.complete = bool(written.all())
        self.writers = np.full(memory.size, NOBODY)  # blocks, for arrays that all blocks share
        self.readers = np.full(memory.size, NOBODY)


def check_epoch(memory: Memory, history: History, block: int) -> None:
    """Check what happened to `memory` since the last barrier: KernelFault, or it goes into the history."""
    accesses, memory.pending = memory.pending, []
    if not memory.writable or not accesses:
        return
    written = [a for a in accesses if a.write]
    if written:
        _check_threads(memory, written, accesses, block)
    if memory.space == "global":
        _check_blocks(memory, history, accesses, block)
    if not history.complete:
        _check_written(memory, history, accesses, block)
        history.complete = bool(history.written.all())


def _check_threads(memory: Memory, written: list[Access], accesses: list[Access], block: int) -> None:
    """Two threads, one element, at least one write."""
    writer = np.full(memory.size, NOBODY)
    for access in written:
        if (element := _foreign(writer, access, access.thread)) is not None:
            first = _writing(written, element)
            raise KernelFault(
                "two writers",
                f"threads {first.thread} and {access.thread} of block {block} both write {memory.element(element)}, "
                f"and no barrier stands between ({lines(first, access)}). Nobody knows which of them comes last.",
            )
        writer[access.elements] = access.thread
    for access in accesses:
        if not access.write and (element := _foreign(writer, access, access.thread)) is not None:
            raise _read_and_written(memory, _writing(written, element), access, accesses, element, block)


def _foreign(owner: Array, access: Access, me: int) -> int | None:
    """The first element of an access that belongs to somebody else."""
    owners = owner[access.elements]
    foreign = (owners != NOBODY) & (owners != me)
    return int(access.elements[foreign.argmax()]) if foreign.any() else None


def _writing(written: list[Access], element: int) -> Access:
    return next(a for a in written if element in a.elements)


def _read_and_written(
    memory: Memory, writing: Access, reading: Access, accesses: list[Access], element: int, block: int
) -> KernelFault:
    """A race of a read and a write. Which of the two came too early, the other accesses of the two threads tell."""
    what = (
        f"thread {reading.thread} of block {block} reads {memory.element(element)}, which thread {writing.thread} "
        f"writes, and no barrier stands between ({lines(reading, writing)}):"
    )
    wrote_before = any(a.write and a.thread == reading.thread for a in accesses[: _position(accesses, reading)])
    read_before = any(not a.write and a.thread == writing.thread for a in accesses[: _position(accesses, writing)])
    if read_before and not wrote_before:
        return KernelFault(
            "overwritten too early",
            f"{what} thread {writing.thread} may write the new value before thread {reading.thread} has read the old one.",
        )
    return KernelFault(
        "read too early", f"{what} thread {reading.thread} may read before thread {writing.thread} has written."
    )


def _position(accesses: list[Access], access: Access) -> int:
    return next(i for i, a in enumerate(accesses) if a is access)


def _check_blocks(memory: Memory, history: History, accesses: list[Access], block: int) -> None:
    """Two blocks, one element, at least one write: no barrier can stand between blocks."""
    for access in accesses:
        element = _foreign(history.writers, access, block)
        if element is None and access.write:
            element = _foreign(history.readers, access, block)
        if element is not None:
            other = max(int(history.writers[element]), int(history.readers[element]))
            raise KernelFault(
                "race between blocks",
                f"block {block} {'writes' if access.write else 'reads'} {memory.element(element)}, which "
                f"{f'block {other}' if other >= 0 else 'another block'} has {_did(history, element)} ({access.place}). "
                "Blocks run in any order, and no barrier reaches across them.",
            )
        touched = history.writers if access.write else history.readers
        before = touched[access.elements]
        touched[access.elements] = np.where((before == NOBODY) | (before == block), block, SEVERAL)


def _did(history: History, element: int) -> str:
    return "written" if history.writers[element] != NOBODY else "read"


def _check_written(memory: Memory, history: History, accesses: list[Access], block: int) -> None:
    """Nobody reads what was not written, before the barrier or by the thread itself; and note what is written now."""
    for access in accesses:
        known = history.written[access.elements]
        if access.write:
            history.written[access.elements] = True
        elif not known.all():
            element = int(access.elements[known.argmin()])
            raise KernelFault(
                "never written",
                f"thread {access.thread} of block {block} reads {memory.element(element)}, which nobody has written "
                f"({access.place}). On a GPU it holds whatever lay there before.",
            )


def lines(first: Access, second: Access) -> str:
    """The lines of two accesses."""
    return str(first.place) if first.place == second.place else f"{first.place} and {second.place}"
