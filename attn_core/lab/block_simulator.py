"""A GPU for people who have none: run a kernel thread by thread, and be told what a real GPU would keep quiet about.

A **kernel** is a function that every thread runs. Its first argument says which thread it is; then come the arrays, which
lie in *global* memory, and the constants. `thread.shared(shape)` is memory that the threads of one *block* share, and
`yield` is their barrier (`__syncthreads` in CUDA): nobody goes on before all threads of the block are there.

Here four threads per block add up numbers. Each loads one; after the barrier the first of each block adds what all have loaded:

>>> import numpy as np
>>> def block_sums(thread, x, sums):
...     loaded = thread.shared(thread.threads)
...     loaded[thread.index] = x[thread.position]
...     yield
...     if thread.index == 0:
...         total = 0.0
...         for i in range(thread.threads):
...             total += loaded[i]
...         sums[thread.block] = total
>>> x, sums = np.arange(8.0), np.zeros(2)
>>> report = launch(block_sums, blocks=2, threads=4, inputs=[x], outputs=[sums])
>>> sums
array([ 6., 22.])

The report counts what was moved, element by element:

>>> report
block_sums: 2 blocks of 4 threads, 1 barrier and 32 bytes of shared memory per block
        array            shape     reads    writes       bytes
global  x                    8         8         0          64
global  sums                 2         0         2          16
shared  loaded               4         8         8         128
global memory: 80 bytes in 4 transactions of 32 bytes (3 would do); bank conflicts: 0
>>> report["x"].reads, report.global_bytes
(8, 80)

Without the barrier, the first thread would add what the others may not have loaded yet. A GPU would sometimes give the
right sum, on a good day always; here it is an error, under any order of the threads:

>>> def hasty(thread, x, sums):
...     loaded = thread.shared(thread.threads)
...     loaded[thread.index] = x[thread.position]
...     if thread.index == 0:
...         sums[thread.block] = sum(loaded[i] for i in range(thread.threads))
>>> launch(hasty, blocks=2, threads=4, inputs=[x], outputs=[sums])  # doctest: +ELLIPSIS
Traceback (most recent call last):
attn_core.lab.simulator.faults.KernelFault: read too early: ...

**What is checked.** Indexes outside an array, negative ones too · reads of shared memory that nobody has written · two
threads of a block at one element without a barrier between, one of them writing · two blocks at one element of an output ·
barriers that only some threads reach · writes to inputs · more shared memory than a block has · endless loops.

**What it is not.** Threads take turns, from barrier to barrier; a warp does not run in lock-step and has no shuffles or
atomic operations. Nothing is said about time. A loop that touches no array and no barrier is not stopped. A thread
that ends while others still wait at barriers is a fault here; newer hardware only waits for those that have not ended.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from attn_core.lab.simulator.faults import KernelFault
from attn_core.lab.simulator.grid import Grid, Order, Thread
from attn_core.lab.simulator.memory import Memory
from attn_core.lab.simulator.report import Report, Row

__all__ = ["KernelFault", "Memory", "Report", "Row", "Thread", "launch"]

SHARED_BYTES = 48 * 1024  # what a CUDA block gets without asking for more
MOST_STEPS = 200_000  # accesses and barriers of one thread


def launch(
    kernel: Callable[..., Any],
    blocks: int,
    threads: int,
    inputs: Sequence[Any] = (),
    outputs: Sequence[Any] = (),
    *,
    order: Order = "first-in",
    shared_bytes: int = SHARED_BYTES,
    most_steps: int = MOST_STEPS,
    **constants: Any,
) -> Report:
    """Run `kernel(thread, *inputs, *outputs, **constants)` once per thread, for `blocks` blocks of `threads` threads.

    Inputs are NumPy arrays that it may only read; outputs are NumPy arrays that it writes, in place. An output's NaN counts
    as not yet written. `order` is that in which blocks and threads take turns: "first-in", "last-in", or a whole number,
    the seed of a random one. Raises KernelFault at the first fault; whatever else the kernel raises comes through.
    """
    if not callable(kernel):
        raise TypeError(f"launch: the kernel must be a function, not a {type(kernel).__name__}.")
    for name, count in (("blocks", blocks), ("threads", threads)):
        if type(count) is not int or count < 1:
            raise ValueError(f"launch: {name} is {count!r}, but it must be a whole number, 1 or more.")
    for name, arrays in (("inputs", inputs), ("outputs", outputs)):
        for i, array in enumerate(arrays):
            if not isinstance(array, np.ndarray):
                raise TypeError(f"launch: {name}[{i}] is a {type(array).__name__}, but it must be a NumPy array.")
    if isinstance(order, bool) or not (isinstance(order, int) or order in ("first-in", "last-in")):
        raise ValueError(f'launch: order is {order!r}, but it must be "first-in", "last-in" or a whole number, a seed.')
    return Grid(kernel, blocks, threads, order, shared_bytes, most_steps).run(inputs, outputs, constants)
