"""What a call allocates and which operations it uses: for tasks whose point is their cost.

Torch's operations are seen by a dispatch mode, NumPy's memory by tracemalloc, so a tiled kernel that hides its n×n
array in the other library is seen as well.
"""

from __future__ import annotations

import contextlib
import sys
import tracemalloc
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Cost:
    """Bytes of the largest new buffer, of all buffers alive at once, and how often each torch operation ran."""

    largest: int
    peak: int
    calls: dict[str, int] = field(default_factory=dict)


@contextlib.contextmanager
def measured(wanted: bool = True) -> Iterator[Callable[[], Cost | None]]:
    """Measure the block; the given function returns the Cost (None when not `wanted`) once the block has ended."""
    if not wanted:
        yield lambda: None
        return
    result: list[Cost] = []
    counter = _torch_counter()  # first: what torch imports here must not be traced
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
        largest, peak, calls = (counter.largest, counter.peak, dict(counter.calls)) if counter else (0, 0, {})
        result.append(Cost(largest=max(largest, traced), peak=max(peak, traced), calls=calls))


def _torch_counter() -> Any:
    """A dispatch mode that follows every new storage; None when torch is not loaded."""
    if "torch" not in sys.modules:
        return None
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    class Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch does not annotate it
        def __init__(self) -> None:
            super().__init__()  # type: ignore[no-untyped-call]  # the same
            self.calls: Counter[str] = Counter()
            self.sizes: dict[int, int] = {}  # the storages alive, by address
            self.largest = self.peak = 0

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            given = {t.untyped_storage().data_ptr() for t in _tensors((args, kwargs or {}), torch.Tensor)}
            out = func(*args, **(kwargs or {}))
            self.calls[func.overloadpacket.__name__] += 1
            for tensor in _tensors(out, torch.Tensor):
                storage = tensor.untyped_storage()
                address = storage.data_ptr()
                if address not in given and address not in self.sizes:
                    self.sizes[address] = storage.nbytes()
                    weakref.finalize(storage, self.sizes.pop, address, None)
                    self.largest = max(self.largest, storage.nbytes())
            self.peak = max(self.peak, sum(self.sizes.values()))
            return out

    with Watch():
        torch.zeros(1) + 1  # the first operation under a dispatch mode imports a lot; that must not be counted either
    return Watch()


def _tensors(tree: Any, kind: type) -> Iterator[Any]:
    if isinstance(tree, kind):
        yield tree
    elif isinstance(tree, dict):
        for value in tree.values():
            yield from _tensors(value, kind)
    elif isinstance(tree, (tuple, list)):
        for value in tree:
            yield from _tensors(value, kind)
