"""A tiled attention kernel in exchangeable parts: each mistake of `flash.kernel` is the right kernel with one part changed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np


class Registers(NamedTuple):
    """What a thread keeps from key to key."""

    top: float
    total: float
    mixed: Any  # (d_v,)


class Sizes(NamedTuple):
    """The sizes of one launch."""

    m: int
    d: int
    d_v: int
    tile: int


Step = Callable[[Registers, Any, Any], Registers]


def exp(x: Any, kind: Any = np.float64) -> Any:
    """e^x in float64, or in the dtype of x (None), where it overflows earlier; infinite instead of an error."""
    return np.exp(np.asarray(x, kind))


def log(x: float) -> float:
    """ln x, −inf at 0."""
    return float(np.log(np.float64(x)))


def online(have: Registers, scores: Any, values: Any, kind: Any = np.float64) -> Registers:
    """The right step of the online softmax, for one key or for a whole tile: scores (r,), values (r, d_v)."""
    top = max(have.top, scores.max())
    rescale, weights = exp(have.top - top, kind), exp(scores - top, kind)
    return Registers(top, have.total * rescale + weights.sum(), have.mixed * rescale + weights @ values)


def no_rescale(sum_: bool = True, mixed: bool = True) -> Step:
    """A step that leaves the sum, or the mixture, or both (False) at the scale of an older maximum."""

    def step(have: Registers, scores: Any, values: Any) -> Registers:
        top = max(have.top, scores.max())
        rescale, weights = exp(have.top - top), exp(scores - top)
        total = have.total * (rescale if sum_ else 1.0) + weights.sum()
        return Registers(top, total, have.mixed * (rescale if mixed else 1.0) + weights @ values)

    return step


def inverted(have: Registers, scores: Any, values: Any) -> Registers:
    """Rescales the wrong way."""
    top = max(have.top, scores.max())
    rescale, weights = exp(top - have.top) if have.total else 0.0, exp(scores - top)
    return Registers(top, have.total * rescale + weights.sum(), have.mixed * rescale + weights @ values)


def late(have: Registers, scores: Any, values: Any) -> Registers:
    """Rescales what was, but weights the new with the old maximum."""
    top = max(have.top, scores.max())
    rescale, weights = exp(have.top - top), exp(scores - (have.top if have.total else top))
    return Registers(top, have.total * rescale + weights.sum(), have.mixed * rescale + weights @ values)


def newest(have: Registers, scores: Any, values: Any, kind: Any = np.float64) -> Registers:
    """Takes the newest maximum, right as long as nothing overflows."""
    top = scores.max()
    rescale, weights = exp(have.top - top, kind), exp(scores - top, kind)
    return Registers(top, have.total * rescale + weights.sum(), have.mixed * rescale + weights @ values)


def unrelated(have: Registers, scores: Any, values: Any) -> Registers:
    """Adds terms that refer to different maxima."""
    weights = exp(scores - scores.max())
    return Registers(scores.max(), have.total + weights.sum(), have.mixed + weights @ values)


def divided(have: Registers, scores: Any, values: Any) -> Registers:
    """Divides what it has mixed, and then again."""
    then = online(have, scores, values)
    return then._replace(mixed=then.mixed / then.total)


def naive(have: Registers, scores: Any, values: Any, kind: Any = np.float64) -> Registers:
    """Subtracts nothing."""
    weights = exp(scores, kind)
    return Registers(0.0, have.total + weights.sum(), have.mixed + weights @ values)


def own_rows(thread: Any, short: int, tile: int) -> Iterable[int]:  # noqa: ARG001 - tile is for those who load too much
    """The rows of a tile that a thread loads: every so manieth of those that exist."""
    return range(thread.index, short, thread.threads)


@dataclass(frozen=True)
class Parts:
    """What can be done wrong; the defaults are right."""

    scale: Callable[[Sizes], float] = lambda sizes: math.sqrt(sizes.d)
    first: float = -math.inf  # the running maximum before any key
    step: Step = online
    at_once: bool = False  # one step per tile instead of one per key
    out: Callable[[Registers, Sizes], Any] = lambda have, _: have.mixed / have.total
    lse: Callable[[Registers], float] = lambda have: have.top + log(have.total)
    place: Callable[[Any, int], int] = lambda thread, _: thread.position  # the query of a thread
    idle: Literal["help", "end", "read", "skip"] = "help"  # what threads without a query do
    loads: Callable[[Any, int, int], Iterable[int]] = own_rows
    origin: Callable[[int, int], int] = lambda start, row: start + row  # where the row of a tile comes from
    zeros: bool = False  # written behind the last key
    used: Callable[[int, int], int] = lambda short, _: short  # rows of a tile that are used
    last: Callable[[Sizes], int] = lambda sizes: sizes.m  # where the tiles end
    barriers: tuple[bool, bool] = (True, True)  # after loading, and before the next tile is loaded
    barrier_per_row: bool = False
    from_global: str = ""  # "k", "v" or both: read where they are used, not from the tile
    query: Literal["once", "per tile", "per key"] = "once"
    look_first: bool = False  # a pass over all tiles of K for the maximum
    start_again: bool = False  # with every tile
    keep_all: bool = False  # of K and V in shared memory
    write_always: bool = False
    dtype: Any = None  # of the tiles
    hidden: Callable[[int, int], bool] = lambda i, j: False  # noqa: ARG005 - which keys a query does not see


RIGHT = Parts()


def kernel(thread: Any, q: Any, k: Any, v: Any, out: Any, lse: Any, tile: int, parts: Parts = RIGHT) -> Iterator[None]:
    """One thread per query."""
    n, sizes = len(q), Sizes(len(k), q.shape[1], v.shape[1], tile)
    kept = sizes.m if parts.keep_all else tile
    k_tile, v_tile = thread.shared((kept, sizes.d), parts.dtype), thread.shared((kept, sizes.d_v), parts.dtype)
    i = parts.place(thread, tile)
    live = i < n
    if parts.idle == "end" and not live:
        return
    query = q[i] if live or parts.idle == "read" else None
    scale, fresh = parts.scale(sizes), Registers(parts.first, 0.0, np.zeros(sizes.d_v, v.dtype))
    have = fresh
    for start in range(0, sizes.m if parts.look_first else 0, tile):
        short = min(tile, sizes.m - start)
        for row in parts.loads(thread, short, tile):
            k_tile[row] = k[start + row]
        yield
        for row in range(short if live else 0):
            have = have._replace(top=max(have.top, query @ k_tile[row] / scale))
        yield
    for start in range(0, parts.last(sizes), tile):
        short = min(tile, sizes.m - start)
        for row in parts.loads(thread, short, tile):
            k_tile[row], v_tile[row] = k[parts.origin(start, row)], v[parts.origin(start, row)]
            if parts.barrier_per_row:
                yield
        for row in range(short + thread.index, tile if parts.zeros else 0, thread.threads):
            k_tile[row] = v_tile[row] = 0.0
        if parts.barriers[0]:
            yield
        have = fresh if parts.start_again else have
        scores, values = [], []
        for row in range(parts.used(short, tile) if live else 0):
            if parts.query == "per key" or (parts.query == "per tile" and row == 0):
                query = q[i] if start + row else query
            if not parts.hidden(i, start + row):
                scores.append(query @ (k[start + row] if "k" in parts.from_global else k_tile[row]) / scale)
                values.append(v[start + row] if "v" in parts.from_global else v_tile[row])
        together = max(1, len(scores)) if parts.at_once else 1
        for some in range(0, len(scores), together):
            have = parts.step(have, np.array(scores[some : some + together]), np.array(values[some : some + together]))
            if parts.write_always:
                out[i] = parts.out(have, sizes)
        if parts.barriers[1] and (live or parts.idle != "skip"):
            yield
    if live:
        if not parts.write_always:
            out[i] = parts.out(have, sizes)
        lse[i] = parts.lse(have)


def mistaken(**changes: Any) -> Callable[..., Iterator[None]]:
    """The kernel with some parts changed."""
    return partial(kernel, parts=replace(RIGHT, **changes))
