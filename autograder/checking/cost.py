"""What a call allocates and which operations it uses: for tasks whose point is their cost.

Torch's operations are seen by a dispatch mode, NumPy's memory by tracemalloc, so a tiled kernel that hides its n×n
array in the other library is seen as well: whenever an array enters torch, what NumPy holds then is noted.
"""

from __future__ import annotations

import contextlib
import math
import sys
import tracemalloc
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

AUTOGRAD = "autograd"  # among the calls: operations that a backward pass of torch ran
SHAPES = 500  # how many different shapes of new tensors are kept
ARRAYS = 100  # and how many sizes of NumPy's arrays, the largest first


@dataclass(frozen=True)
class Made:
    """New tensors of one shape: how many were made, and how many of them were alive at once."""

    shape: tuple[int, ...]
    made: int
    alive: int


@dataclass(frozen=True)
class Cost:
    """Bytes of the largest new buffer, of all buffers alive at once, how often each torch operation ran, what it made."""

    largest: int
    peak: int
    calls: dict[str, int] = field(default_factory=dict)
    tensors: tuple[Made, ...] = ()  # torch's only; views are not new
    arrays: tuple[int, ...] = ()  # bytes of each of NumPy's that was alive when one entered torch, where it held most


@contextlib.contextmanager
def measured(wanted: bool = True, given: Any = ()) -> Iterator[Callable[[], Cost | None]]:
    """Measure the block, to which the tensors in `given` belong already.

    The function it gives returns the Cost (None when not `wanted`) once the block has ended.
    """
    if not wanted:
        yield lambda: None
        return
    result: list[Cost] = []
    counter = _torch_counter(given)  # first: what torch imports here must not be traced
    was_tracing = tracemalloc.is_tracing()
    if not was_tracing:
        tracemalloc.start()
    tracemalloc.reset_peak()
    base = tracemalloc.get_traced_memory()[0]
    try:
        with counter or contextlib.nullcontext():
            yield lambda: result[0] if result else None
    finally:
        traced = max(0, tracemalloc.get_traced_memory()[1] - base)
        if not was_tracing:
            tracemalloc.stop()
        # Python's own objects are small; what is traced beyond them is NumPy's buffers, of which only the sum is known.
        seen = counter.cost() if counter else Cost(0, 0)
        result.append(replace(seen, largest=max(seen.largest, traced), peak=max(seen.peak, traced)))


def _torch_counter(given: Any) -> Any:
    """A dispatch mode that follows every new storage; None when torch is not loaded."""
    if "torch" not in sys.modules:
        return None
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    class Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch does not annotate it
        """In short methods: to trace an allocation, Python searches the line that it came from in its whole function."""

        def __init__(self) -> None:
            super().__init__()  # type: ignore[no-untyped-call]  # the same
            self.calls: Counter[str] = Counter()
            self.sizes: dict[int, int] = {}  # the storages alive, by address; those that were given count for nothing
            self.living: set[Any] = set()  # what says that one of them is gone
            self.total = self.largest = self.peak = 0
            self.made: Counter[tuple[int, ...]] = Counter()
            self.alive: Counter[tuple[int, ...]] = Counter()
            self.most: Counter[tuple[int, ...]] = Counter()
            self.arrays: list[int] = []
            self.sizes = dict.fromkeys((t.untyped_storage().data_ptr() for t in self._new(given)), 0)

        def cost(self) -> Cost:
            """What was seen so far."""
            shapes = sorted(self.made, key=math.prod, reverse=True)[:SHAPES]
            made = tuple(Made(shape, self.made[shape], self.most[shape]) for shape in shapes)
            return Cost(self.largest, self.peak, dict(self.calls), made, tuple(self.arrays[:ARRAYS]))

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            self._enter(self._new((args, kwargs) if kwargs else args))
            out = func(*args, **(kwargs or {}))
            self._ran(func.overloadpacket.__name__)
            self._made(self._new((out,)))
            return out

        def _new(self, tree: Any) -> list[Any]:
            """The tensors in a tree of lists, tuples and dicts whose memory is not known yet."""
            found = []
            for item in tree.values() if isinstance(tree, dict) else tree:
                if isinstance(item, torch.Tensor):
                    if item.untyped_storage().data_ptr() not in self.sizes:
                        found.append(item)
                elif isinstance(item, (tuple, list, dict)):
                    found += self._new(item)
            return found

        def _enter(self, new: list[Any]) -> None:
            """They come from NumPy, a list, a file."""
            for tensor in new:
                self._note(tensor)
            if any(tensor.ndim for tensor in new):
                self.arrays = max(self.arrays, _arrays(), key=sum)

        def _ran(self, name: str) -> None:
            self.calls[name] += 1
            self.calls[AUTOGRAD] += torch._C._current_autograd_node() is not None  # nothing public says it

        def _made(self, new: list[Any]) -> None:
            """They are results of an operation, and no views."""
            for tensor in new:
                self.largest = max(self.largest, self._note(tensor))
            self.peak = max(self.peak, self.total)

        def _note(self, tensor: Any) -> int:
            """Follow a storage as long as it lives; its bytes."""
            storage = tensor.untyped_storage()
            address, size = storage.data_ptr(), int(storage.nbytes())
            if address in self.sizes:
                return 0
            self.sizes[address] = size
            self.total += size
            self.living.add(weakref.ref(storage, self._counted(address, tuple(tensor.shape))))
            return size

        def _counted(self, address: int, shape: tuple[int, ...]) -> Callable[[Any], None]:
            """Count a tensor of this shape, and give what is to be called when it is gone."""
            self.made[shape] += 1
            self.alive[shape] += 1
            self.most[shape] = max(self.most[shape], self.alive[shape])

            def gone(reference: Any) -> None:
                self.living.discard(reference)
                self.total -= self.sizes.pop(address, 0)
                self.alive[shape] -= 1

            return gone

    with Watch():
        torch.zeros(1) + 1  # the first operation under a dispatch mode imports a lot; that must not be counted either
    return Watch()


def _arrays() -> list[int]:
    """The bytes of every array that NumPy holds, of those that were made while memory is traced, the largest first."""
    traces = tracemalloc.take_snapshot().traces
    return sorted((t.size for t in traces if t.domain == np.lib.tracemalloc_domain), reverse=True)
