"""What a launch moved: elements, bytes, and how well the accesses of a warp fitted the hardware.

Two figures look at a warp of 32 threads, which on a GPU run in lock-step. Here the n-th element that each thread of a
warp reads from an array between two barriers is taken as read at the same moment, and so for writes. This is exact for
kernels whose threads all do the same, and an estimate where they take different ways. A row that is read at once counts
as its elements one after the other.

- **Bank conflicts**: shared memory has 32 banks of 4 bytes. Elements of one bank are served one after the other, one
  element asked for by many threads at once. Counted are the extra rounds. (8-byte elements go in half warps.)
- **Transactions**: global memory is read and written in aligned pieces of 32 bytes. Counted are the pieces that each access of a
  warp touches, as if there were no cache; `fewest` is what the same elements need when neighbours lie together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from attn_core.lab.simulator.memory import Access, Array, Memory, Space

WARP, BANKS, WORD, SECTOR = 32, 32, 4, 32


@dataclass
class Row:
    """What happened to one array in a whole launch. Of a shared one, every block had its own copy."""

    name: str
    space: Space
    shape: tuple[int, ...]
    itemsize: int
    memories: list[Memory] = field(default_factory=list, repr=False)

    @classmethod
    def of(cls, memory: Memory) -> Row:
        """The row that this array begins."""
        return cls(memory.name, memory.space, memory.shape, memory.dtype.itemsize)

    @property
    def reads(self) -> int:
        """Elements read, by all threads together."""
        return sum(m.reads for m in self.memories)

    @property
    def writes(self) -> int:
        """Elements written."""
        return sum(m.writes for m in self.memories)

    @property
    def bytes(self) -> int:
        """Bytes read and written."""
        return (self.reads + self.writes) * self.itemsize

    @cached_property
    def bank_conflicts(self) -> int:
        """Extra rounds that accesses to shared memory took; 0 for a global array."""
        if self.space == "global":
            return 0
        lanes = WARP * WORD // max(self.itemsize, WORD)
        return sum(_extra_rounds(*steps, self.itemsize) for steps in self._steps(lanes))

    @cached_property
    def transactions(self) -> int:
        """Pieces of 32 bytes that moved from or to global memory; 0 for a shared array."""
        if self.space == "shared":
            return 0
        return sum(len(_pairs(moment, elements * self.itemsize // SECTOR)[0]) for moment, elements in self._steps(WARP))

    @property
    def fewest(self) -> int:
        """As few transactions as the same elements need if those of a warp always lie side by side."""
        return 0 if self.space == "shared" else -(-self.bytes // SECTOR)

    def _steps(self, lanes: int) -> Iterator[tuple[Array, Array]]:
        """The accesses of each copy of the array: every element, and the number of the moment in which it was asked for."""
        for memory in self.memories:
            if memory.past:
                moments, elements = zip(*(_moments(accesses, lanes) for _, accesses in memory.past), strict=True)
                begins = np.cumsum([0, *(int(m.max(initial=-1)) + 1 for m in moments[:-1])])
                later = [m + begin for m, begin in zip(moments, begins, strict=True)]
                yield np.concatenate(later), np.concatenate(elements)


def _moments(accesses: list[Access], lanes: int) -> tuple[Array, Array]:
    """For every element that was read or written between two barriers: the number of its moment, and the element."""
    sizes = [a.elements.size for a in accesses]
    kind = np.repeat([int(a.write) for a in accesses], sizes)
    thread = np.repeat([a.thread for a in accesses], sizes)
    stream = 2 * thread + kind  # what one thread reads, or writes, in order
    order = np.argsort(stream, kind="stable")
    ordered = stream[order]
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order)) - np.searchsorted(ordered, ordered)
    moment = (2 * (thread // lanes) + kind) * (int(rank.max(initial=0)) + 1) + rank
    return np.unique(moment, return_inverse=True)[1], np.concatenate([a.elements for a in accesses])


def _pairs(moment: Array, place: Array) -> tuple[Array, Array]:
    """Every pair once."""
    width = int(place.max(initial=0)) + 1
    pairs = np.unique(moment * width + place)
    return pairs // width, pairs % width


def _extra_rounds(moment: Array, elements: Array, itemsize: int) -> int:
    """Per moment, the number of different elements in its fullest bank, less one."""
    banks = BANKS * WORD // max(itemsize, WORD)
    when, words = _pairs(moment, elements * itemsize // max(itemsize, WORD))
    load = np.bincount(when * banks + words % banks, minlength=banks * (int(moment.max(initial=-1)) + 1))
    return int((load.reshape(-1, banks).max(axis=1, initial=1) - 1).sum())


def lay_out(arrays: Sequence[Memory]) -> list[Row]:
    """The rows of global arrays."""
    rows = [Row.of(memory) for memory in arrays]
    for row, memory in zip(rows, arrays, strict=True):
        row.memories.append(memory)
    return rows


@dataclass(frozen=True)
class Report:
    """What a launch did. `report["k"]` is the row of the array that the kernel calls k."""

    kernel: str
    blocks: int
    threads: int  # per block
    barriers: int  # that each block waited at
    shared_bytes: int  # that each block used
    rows: tuple[Row, ...]

    def __getitem__(self, name: str) -> Row:
        return next(row for row in self.rows if row.name == name)

    @property
    def global_reads(self) -> int:
        """Elements read from global memory."""
        return sum(r.reads for r in self.rows if r.space == "global")

    @property
    def global_writes(self) -> int:
        """Elements written to global memory."""
        return sum(r.writes for r in self.rows if r.space == "global")

    @property
    def global_bytes(self) -> int:
        """Bytes moved between global memory and the blocks, in both directions."""
        return sum(r.bytes for r in self.rows if r.space == "global")

    @property
    def shared_reads(self) -> int:
        """Elements read from shared memory."""
        return sum(r.reads for r in self.rows if r.space == "shared")

    @property
    def shared_writes(self) -> int:
        """Elements written to shared memory."""
        return sum(r.writes for r in self.rows if r.space == "shared")

    @property
    def bank_conflicts(self) -> int:
        """Extra rounds in shared memory."""
        return sum(r.bank_conflicts for r in self.rows)

    @property
    def transactions(self) -> int:
        """Pieces of 32 bytes moved from and to global memory, if there were no cache."""
        return sum(r.transactions for r in self.rows)

    def __repr__(self) -> str:
        head = (
            f"{self.kernel}: {_count(self.blocks, 'block')} of {_count(self.threads, 'thread')}, "
            f"{_count(self.barriers, 'barrier')} and {self.shared_bytes} bytes of shared memory per block"
        )
        lines = [head, f"{'':8}{'array':10}{'shape':>12}{'reads':>10}{'writes':>10}{'bytes':>12}"]
        for row in self.rows:
            shape = "×".join(map(str, row.shape))
            lines.append(f"{row.space:8}{row.name:10}{shape:>12}{row.reads:>10}{row.writes:>10}{row.bytes:>12}")
        return "\n".join(
            [
                *lines,
                f"global memory: {self.global_bytes} bytes in {self.transactions} transactions of {SECTOR} bytes "
                f"({sum(r.fewest for r in self.rows)} would do); bank conflicts: {self.bank_conflicts}",
            ]
        )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
