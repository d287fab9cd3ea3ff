"""A grid of thread blocks: threads are generators that take turns, and every `yield` is the block's barrier."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from types import GeneratorType
from typing import Any

import numpy as np

from attn_core.lab.simulator.faults import KernelFault, Place, threads_text
from attn_core.lab.simulator.memory import BARRIER, Array, Memory, Running
from attn_core.lab.simulator.races import History, check_epoch
from attn_core.lab.simulator.report import Report, Row, lay_out

Order = str | int


class Thread:
    """One thread of a kernel: where it is, and the shared memory of its block."""

    def __init__(self, index: int, block: Block) -> None:
        self.index = index  # 0 … threads − 1, in its block (CUDA: threadIdx.x)
        self.threads = block.grid.threads  # per block (blockDim.x)
        self.block = block.number  # 0 … blocks − 1 (blockIdx.x)
        self.blocks = block.grid.blocks  # in the grid (gridDim.x)
        self._block, self._asked = block, 0

    @property
    def position(self) -> int:
        """The number of the thread in the whole grid: block · threads + index."""
        return self.block * self.threads + self.index

    def shared(self, shape: int | tuple[int, ...], dtype: Any = None) -> Memory:
        """An array that all threads of the block see. The first call of every thread gives the same one, and so on.

        Nothing is in it before a thread writes. Without `dtype` it holds numbers like those of the kernel's first array.
        """
        self._asked += 1
        return self._block.shared(self._asked - 1, shape, dtype)


class Grid:
    """One launch: what all blocks have in common."""

    def __init__(
        self,
        kernel: Callable[..., Any],
        blocks: int,
        threads: int,
        order: Order,
        shared_bytes: int,
        most_steps: int,
    ) -> None:
        self.kernel, self.blocks, self.threads, self.shared_bytes = kernel, blocks, threads, shared_bytes
        self.name = getattr(kernel, "__name__", "the kernel")
        self.running = Running(self.name, most_steps)
        self.order = order
        self.rng = np.random.default_rng(order if isinstance(order, int) else 0)
        self.arrays: list[Memory] = []
        self.histories: list[History] = []
        self.epochs = 0  # of all blocks so far: everything between two barriers is one
        self.rows: list[Row] = []
        self.used_bytes = 0  # of shared memory, by the block that asked for most
        self.barriers = 0  # that the block with the most of them has waited at

    def ordered(self, count: int) -> list[int]:
        """0 … count − 1 in the order in which they take turns."""
        if self.order == "first-in":
            return list(range(count))
        if self.order == "last-in":
            return list(range(count))[::-1]
        return [int(i) for i in self.rng.permutation(count)]

    def run(self, inputs: Sequence[Array], outputs: Sequence[Array], constants: dict[str, Any]) -> Report:
        """Run all blocks."""
        names = _names(self.kernel, len(inputs) + len(outputs))
        for i, data in enumerate([*inputs, *outputs]):
            memory = Memory(data, names[i], "global", self.running, writable=i >= len(inputs))
            self.arrays.append(memory)
            self.histories.append(History(memory, ~np.isnan(data) if data.dtype.kind == "f" else data == data))
        self.rows = lay_out(self.arrays)
        for number in self.ordered(self.blocks):
            Block(self, number).run(constants)
        return Report(self.name, self.blocks, self.threads, self.barriers, self.used_bytes, tuple(self.rows))


class Block:
    """The threads of one block, and their shared memory."""

    def __init__(self, grid: Grid, number: int) -> None:
        self.grid, self.number = grid, number
        self.arrays: list[Memory] = []
        self.histories: list[History] = []
        self.bytes = 0

    def shared(self, place: int, shape: int | tuple[int, ...], dtype: Any) -> Memory:
        """The array that threads get at their call number `place`."""
        sizes = (shape,) if isinstance(shape, int) else tuple(shape)
        kind = np.dtype(dtype or (self.grid.arrays[0].dtype if self.grid.arrays else np.float32))
        if place < len(self.arrays):
            found = self.arrays[place]
            if (found.shape, found.dtype) != (sizes, kind):
                raise KernelFault(
                    "different shared memory",
                    f"{self.grid.running} asks for a shared array of shape {sizes} and {kind} where another thread has "
                    f"asked for {found.shape} and {found.dtype}. All threads of a block must ask for the same arrays.",
                )
            return found
        self.bytes += int(np.prod(sizes)) * kind.itemsize
        if self.bytes > self.grid.shared_bytes:
            raise KernelFault(
                "too much shared memory",
                f"with an array of shape {sizes}, {self.grid.name} asks for {self.bytes} bytes per block, and a block "
                f"of this launch has {self.grid.shared_bytes}.",
            )
        data = np.full(sizes, np.nan, kind) if kind.kind == "f" else np.zeros(sizes, kind)
        memory = Memory(data, "", "shared", self.grid.running)
        self.arrays.append(memory)
        self.histories.append(History(memory, np.zeros(sizes, bool)))
        return memory

    def run(self, constants: dict[str, Any]) -> None:
        """Let the threads take turns from barrier to barrier until all have ended."""
        grid = self.grid
        grid.running.block, grid.running.steps = self.number, [0] * grid.threads
        self.threads: dict[int, GeneratorType[Any, Any, Any] | None] = {}
        barriers = 0
        while True:
            waiting = self._epoch(constants)
            if not waiting:
                break
            self._check_barrier(waiting)
            barriers += 1
        grid.barriers = max(grid.barriers, barriers)
        grid.used_bytes = max(grid.used_bytes, self.bytes)
        for i, memory in enumerate(self.arrays):
            if i == len(grid.rows) - len(grid.arrays):
                grid.rows.append(Row.of(memory))
            grid.rows[len(grid.arrays) + i].memories.append(memory)

    def _epoch(self, constants: dict[str, Any]) -> dict[int, Place]:
        """Let every thread run to its next barrier or its end, and check what they did; who waits, and where."""
        waiting = {}
        try:
            for index in self.grid.ordered(self.grid.threads):
                self.grid.running.thread = index
                if (place := self._advance(index, constants)) is not None:
                    waiting[index] = place
        except KernelFault:
            raise
        except Exception:
            self._check_memory()  # a race may be the cause
            raise
        self._check_memory()
        return waiting

    def _advance(self, index: int, constants: dict[str, Any]) -> Place | None:
        """Run one thread to its next barrier; where that is, or None if it has ended."""
        if index not in self.threads:
            started = self.grid.kernel(Thread(index, self), *self.grid.arrays, **constants)
            self.threads[index] = started if inspect.isgenerator(started) else None  # without a barrier it has ended
        generator = self.threads[index]
        if generator is None:
            return None
        try:
            value = next(generator)
        except StopIteration:
            self.threads[index] = None
            return None
        self.grid.running.step(BARRIER)
        place = _innermost(generator)
        if value is not None:
            raise KernelFault(
                "a barrier with a value",
                f"{self.grid.running} yields a {type(value).__name__} ({place}). In a kernel `yield` stands alone: it is "
                "the barrier of the block. Results are written to an output.",
            )
        return place

    def _check_memory(self) -> None:
        grid = self.grid
        for memory, history in zip([*grid.arrays, *self.arrays], [*grid.histories, *self.histories], strict=True):
            if memory.pending:
                memory.past.append((grid.epochs, memory.pending))
                check_epoch(memory, history, self.number)
        grid.epochs += 1

    def _check_barrier(self, waiting: dict[int, Place]) -> None:
        """Every thread of the block must wait at the same barrier."""
        ended = sorted(set(range(self.grid.threads)) - set(waiting))
        first = min(waiting)
        if ended:
            raise KernelFault(
                "barrier not reached by all",
                f"in block {self.number}, {threads_text(sorted(waiting))} {_waits(waiting)} at a barrier "
                f"({waiting[first]}) that {threads_text(ended)} will never reach, having ended. Every thread of a "
                "block must reach every barrier, also one that has nothing else to do.",
            )
        other = next((i for i in sorted(waiting) if waiting[i] != waiting[first]), None)
        if other is not None:
            raise KernelFault(
                "barrier not reached by all",
                f"in block {self.number}, thread {first} waits at one barrier ({waiting[first]}) and thread {other} at "
                f"another ({waiting[other]}). All threads of a block must reach the same one.",
            )


def _waits(waiting: dict[int, Place]) -> str:
    return "waits" if len(waiting) == 1 else "wait"


def _names(kernel: Callable[..., Any], count: int) -> list[str]:
    """The names of a kernel's arrays, which are its parameters after the thread."""
    try:
        names = list(inspect.signature(kernel).parameters)[1:]
    except (TypeError, ValueError):
        names = []
    return [names[i] if i < len(names) else f"array {i}" for i in range(count)]


def _innermost(generator: GeneratorType[Any, Any, Any]) -> Place:
    """Where a thread waits, in a function that it called by `yield from` too."""
    while inspect.isgenerator(inner := generator.gi_yieldfrom):
        generator = inner
    frame = generator.gi_frame
    assert frame is not None  # only a thread that has ended has none
    return Place(frame.f_code, frame.f_lineno)
