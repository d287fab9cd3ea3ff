"""Arrays in the memories of a GPU: every access is checked, counted and kept for the checks at the next barrier."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from types import CodeType, FrameType
from typing import Any, Literal, NamedTuple

import numpy as np

from attn_core.lab.simulator.faults import KernelFault, Place, key_text

Array = np.ndarray[Any, Any]
Space = Literal["global", "shared"]


BARRIER = 20  # steps that waiting at a barrier counts for, since every thread of the block takes part


class Access(NamedTuple):
    """One read or write of one thread: which elements, by their place in memory, and from which line."""

    thread: int
    elements: Array
    write: bool
    code: CodeType
    line: int

    @property
    def place(self) -> Place:
        """The line it stands in."""
        return Place(self.code, self.line)


@dataclass
class Running:
    """Which thread is running: threads take turns, so there is one at a time."""

    kernel: str
    most_steps: int
    block: int = 0
    thread: int = 0
    steps: list[int] = field(default_factory=list)  # of each thread of the block

    def step(self, weight: int = 1) -> None:
        """Count an access of the running thread, or with more weight a barrier."""
        self.steps[self.thread] += weight
        if self.steps[self.thread] > self.most_steps:
            raise KernelFault(
                "endless",
                f"{self} has read, written and waited more than {self.most_steps} times (a barrier "
                f"counts as {BARRIER}) and goes on. Does a loop of {self.kernel} never end? If it only takes long, launch "
                "it with a larger most_steps.",
            )

    def __str__(self) -> str:
        return f"thread {self.thread} of block {self.block}"


class Memory:
    """An array that a kernel reads and writes by index: an element `x[i, j]`, a row `x[i]`, a slice `x[i, 0:4]`.

    What is read is a copy, in the thread's registers: `x[i][j] = 1` changes the copy, `x[i, j] = 1` the memory. An index below 0 or a slice past the end is a fault, not a feature.
    """

    __array_ufunc__ = None  # `numbers @ memory` is no read: let it fail
    __hash__ = None  # type: ignore[assignment]  # nor is `memory == numbers` a comparison of numbers

    def __init__(self, data: Array, name: str, space: Space, running: Running, writable: bool = True) -> None:
        self.name, self.space, self.writable = name, space, writable
        self.reads = self.writes = 0  # elements, by all threads
        self.pending: list[Access] = []  # what happened since the last barrier
        self.past: list[tuple[int, list[Access]]] = []  # and before, with the number of the epoch, for the counters
        self._data, self._running = data, running
        self._places = np.arange(data.size).reshape(data.shape)
        self._flat = self._places.reshape(-1)
        self._rows = list(self._places.reshape(len(data), -1)) if data.ndim and data.size else []
        self._sizes: tuple[int, ...] = data.shape

    @property
    def shape(self) -> tuple[int, ...]:
        """The size of each axis; asking costs no access."""
        return self._sizes

    @property
    def size(self) -> int:
        """How many elements it has."""
        return self._data.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """The kind of number that lies in it."""
        kind: np.dtype[Any] = self._data.dtype
        return kind

    def element(self, place: int) -> str:
        """An element as a learner writes it: "k_tile[0, 3]"."""
        return f"{self.name}[{', '.join(str(i) for i in np.unravel_index(place, self.shape))}]"

    def __len__(self) -> int:
        return len(self._data)

    def __getitem__(self, key: Any) -> Any:
        frame = sys._getframe(1)  # the line that reads
        elements = self._elements(key, "reads", frame)
        self.reads += elements.size
        self.pending.append(Access(self._running.thread, elements, False, frame.f_code, frame.f_lineno))
        found = self._data[key]
        return found.copy() if found.ndim else found

    def __setitem__(self, key: Any, value: Any) -> None:
        frame = sys._getframe(1)
        elements = self._elements(key, "writes", frame)
        if not self.writable:
            raise KernelFault(
                "read-only",
                f"{self._running} writes {self.name}[{key_text(key)}], but {self.name} is an input ({_place(frame)}). "
                "Other blocks may still read it.",
            )
        self.writes += elements.size
        self.pending.append(Access(self._running.thread, elements, True, frame.f_code, frame.f_lineno))
        self._data[key] = value

    def __iter__(self) -> Any:
        raise self._no_index("a loop over it", sys._getframe(1))

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise self._no_index("NumPy's functions", sys._getframe(1))

    def _no_index(self, what: str, frame: FrameType) -> KernelFault:
        return KernelFault(
            "not an index",
            f"{self._running} hands {self.name} to {what} ({_place(frame)}). {self.name} lies in {self.space} memory: "
            f"read a number, {self.name}[i, j], or a row, {self.name}[i], and compute with that.",
        )

    def _elements(self, key: Any, verb: str, frame: FrameType) -> Array:
        """The elements that an index names, by their place in memory; KernelFault if it is no valid index."""
        if not self.name:
            self.name = _variable(self, frame) or "a shared array"
        self._running.step()
        if type(key) is int and 0 <= key < len(self._rows):  # the two ordinary cases, for speed
            return self._rows[key]
        if type(key) is tuple and len(key) == 2 == len(self._sizes) and type(key[0]) is type(key[1]) is int:
            place = key[0] * self._sizes[1] + key[1]
            if 0 <= key[0] < self._sizes[0] and 0 <= key[1] < self._sizes[1]:
                return self._flat[place : place + 1]
        parts = key if type(key) is tuple else (key,)
        if len(parts) > len(self.shape):
            raise KernelFault(
                "not an index",
                f"{self._running} {verb} {self.name}[{key_text(key)}], but {self.name} has only {len(self.shape)} "
                f"{'axis' if len(self.shape) == 1 else 'axes'} ({_place(frame)}).",
            )
        for axis, (part, size) in enumerate(zip(parts, self.shape, strict=False)):
            if type(part) is int or isinstance(part, np.integer):
                inside = 0 <= part < size
            elif type(part) is slice:
                start, stop = part.start or 0, size if part.stop is None else part.stop
                inside = 0 <= start <= size and 0 <= stop <= size and (part.step or 1) > 0
            else:
                raise KernelFault(
                    "not an index",
                    f"{self._running} {verb} {self.name}[{key_text(key)}], but an index is a whole number or a slice, "
                    f"not a {type(part).__name__} ({_place(frame)}).",
                )
            if not inside:
                raise self._outside(key, axis, size, verb, frame)
        found: Array = self._places[key].ravel()
        return found

    def _outside(self, key: Any, axis: int, size: int, verb: str, frame: FrameType) -> KernelFault:
        along = f" along axis {axis}" if len(self.shape) > 1 else ""
        return KernelFault(
            "out of bounds",
            f"{self._running} {verb} {self.name}[{key_text(key)}], but {self.name} has shape {self.shape}: its "
            f"indexes{along} go from 0 to {size - 1} ({_place(frame)}).",
        )


def _variable(memory: Memory, frame: FrameType) -> str:
    """What the kernel calls this array; else what a function that the kernel has called does."""
    name, caller = "", frame
    while not caller.f_globals.get("__name__", "").startswith(__package__ or "?"):
        name = next((name for name, value in caller.f_locals.items() if value is memory), name)
        if caller.f_back is None:
            break
        caller = caller.f_back
    return name


def _place(frame: FrameType) -> Place:
    return Place(frame.f_code, frame.f_lineno)
