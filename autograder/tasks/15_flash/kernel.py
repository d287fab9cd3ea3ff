"""flash.kernel: Tiled attention as a kernel: threads, tiles in shared memory, barriers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from autograder.checking.draw import Draw
from autograder.checking.task import Task
from autograder.tasks import kernel_parts as parts
from autograder.tasks.kernel_parts import log

Kernel = Iterator[None]


def attention_kernel(thread: Any, q: Any, k: Any, v: Any, out: Any, lse: Any, tile: int) -> Kernel:
    """The reference: one thread per query, tiles of K and V in shared memory, the online softmax in registers."""
    n, m, d, d_v = len(q), len(k), q.shape[1], v.shape[1]
    k_tile, v_tile = thread.shared((tile, d)), thread.shared((tile, d_v))
    i = thread.position
    query = q[i] / math.sqrt(d) if i < n else None
    top, total, mixed = -math.inf, 0.0, np.zeros(d_v, v.dtype)
    for start in range(0, m, tile):
        rows = min(tile, m - start)
        for row in range(thread.index, rows, thread.threads):
            k_tile[row], v_tile[row] = k[start + row], v[start + row]
        yield  # the tile is there
        for row in range(rows if query is not None else 0):
            score = query @ k_tile[row]
            higher = max(top, score)
            rescale, weight = math.exp(top - higher), math.exp(score - higher)
            total = total * rescale + weight
            mixed = mixed * rescale + weight * v_tile[row]
            top = higher
        yield  # everybody has read it
    if i < n:
        out[i], lse[i] = mixed / total, top + math.log(total)


task = Task(
    "flash.kernel",
    reference=attention_kernel,
    arguments=("q", "k", "v", "threads", "tile", "order"),
    kind="np",
    rounds=8,
    through="attn_core.lab.simulator.attention:run_attention",
    scores=lambda q, k, v, threads, tile, order: q @ k.T / math.sqrt(q.shape[-1]),  # noqa: ARG005 - called with all inputs
    lecture="15_flash#a-block-of-gpu-threads-simulated",
    hints=(
        "Write down for one block what happens between two barriers: who writes the tile, and who reads it? Then what one thread keeps in its registers from tile to tile: three things.",
        "Every thread loads every so manieth row of the tile, those without a query too. A barrier, then each thread with a query takes one online-softmax step per row "
        "that exists. Another barrier, because the tile is about to be overwritten. Divide once, at the end.",
        "for start in range(0, m, tile): rows = min(tile, m − start); `for row in range(thread.index, rows, thread.threads)` copy k[start + row] and v[start + row]; `yield`; if "
        "i < n, for each row: higher = max(top, score), rescale = exp(top − higher), weight = exp(score − higher), total = total·rescale + weight, mixed = mixed·rescale + weight·v_tile[row], "
        "top = higher; `yield`. At the end, if i < n: out[i] = mixed / total, lse[i] = top + log(total).",
    ),
)

ORDERS = ("first-in", "last-in", 0, 1, 2, 3)


def _launch(draw: Draw) -> tuple[Any, ...]:
    """Arrays, and a launch whose last block and last tile are rarely full."""
    threads, tile = draw.size("threads", 1, 5), draw.size("tile", 1, 4)
    for letter, most in (("n", 11), ("m", 12), ("d", 8), ("d_v", 6)):  # every element that is read takes microseconds
        draw.size(letter, 1, most)
    q, k, v = draw.array("n", "d"), draw.array("m", "d"), draw.array("m", "d_v", mean=1.0, fixed=True)
    return q, k, v, threads, tile, draw.choice(ORDERS)


@task.inputs
def _(draw: Draw) -> tuple[Any, ...]:
    return _launch(draw)


@task.special("several blocks and several tiles, the last of each not full")
def _(draw: Draw) -> tuple[Any, ...]:
    threads, tile = draw.size("threads", 2, 3), draw.size("tile", 2, 4)
    draw.sizes |= {"n": threads * 2 + 1, "m": tile * 3 - 1}
    return _launch(draw)


@task.special("larger tiles than blocks")
def _(draw: Draw) -> tuple[Any, ...]:
    draw.sizes |= {"threads": 2, "tile": draw.choice([3, 4, 5]), "m": draw.choice([7, 8, 9]), "n": draw.choice([3, 4])}
    return _launch(draw)


@task.special("full tiles and full blocks")
def _(draw: Draw) -> tuple[Any, ...]:
    threads, tile = draw.size("threads", 2, 3), draw.size("tile", 2, 4)
    draw.sizes |= {"n": threads * 2, "m": tile * 3}
    return _launch(draw)


@task.special("scores that are all far below zero")
def _(draw: Draw) -> tuple[Any, ...]:
    draw.size("n", 2, 5)
    q, k, v, *launch = _launch(draw)
    away = np.asarray(40.0, q.dtype)
    return abs(q) * away + away, -abs(k) * away - away, v, *launch


@task.special("many keys in short tiles")
def _(draw: Draw) -> tuple[Any, ...]:
    draw.sizes |= {"threads": draw.choice([2, 3]), "tile": 2, "m": draw.choice([17, 18, 19]), "n": draw.choice([2, 4])}
    return _launch(draw)


def _mistake(name: str, ask: str, **changes: Any) -> None:
    """A misconception: the right kernel with some parts changed."""
    task.misconception(name, ask)(parts.mistaken(**changes))


_mistake(
    "misses the barrier between loading a tile and using it",
    ask="Thread 0 has loaded its row and goes on. Who says that the other rows are there?",
    barriers=(False, True),
)
_mistake(
    "misses the barrier before a tile is overwritten",
    ask="Thread 0 is done with this tile and loads its row of the next one. Who still reads the old row?",
    barriers=(True, False),
)
_mistake(
    "lets threads without a query end before the barriers",
    ask="Who loads the rows of these threads, and whom does the barrier wait for?",
    idle="end",
)
_mistake(
    "lets threads without a query end before the barriers",
    ask="Which threads reach a barrier that stands inside `if i < n`?",
    idle="skip",
)
_mistake(
    "has a barrier inside the loop over the rows that a thread loads",
    ask="With 4 threads and a last tile of 3 rows, how many rows does each thread load, and how often does it wait?",
    barrier_per_row=True,
)
_mistake(
    "reads past the end of K and V in the last tile",
    ask="Five keys in tiles of two: which rows does the last tile load?",
    loads=lambda thread, short, tile: range(thread.index, tile, thread.threads),  # noqa: ARG005 - that is the mistake
)
_mistake(
    "leaves out the last tile where it is not full",
    ask="Five keys in tiles of two: how many tiles are there?",
    last=lambda sizes: sizes.m - sizes.m % sizes.tile,
)
_mistake(
    "uses rows of the last tile that no key was loaded into",
    ask="What lies in the rows behind the last key: this tile's numbers, or those of the tile before?",
    used=lambda short, tile: tile,  # noqa: ARG005 - that is the mistake
)
_mistake(
    "lets rows of zeros behind the last key take part",
    ask="A key of zeros has the score 0. Which weight does that give it, and which score would give none?",
    used=lambda short, tile: tile,  # noqa: ARG005 - that is the mistake
    zeros=True,
)
_mistake(
    "loads one row per thread, although a tile may have more rows than the block has threads",
    ask="Who loads row 4 of a tile of 5 rows if there are 4 threads?",
    loads=lambda thread, short, tile: range(thread.index, min(short, thread.index + 1)),  # noqa: ARG005 - as above
)
_mistake(
    "lets every thread load the whole tile",
    ask="How often is a row of K read from global memory then, and which threads write the same shared element?",
    loads=lambda thread, short, tile: range(short),  # noqa: ARG005 - that is the mistake
)
_mistake(
    "loads the first tile again and again",
    ask="Which row of K belongs in row 0 of the second tile?",
    origin=lambda start, row: row,  # noqa: ARG005 - that is the mistake
)
_mistake(
    "reads K from global memory where it is used, not from the tile",
    ask="What is the tile of K for, if every thread fetches every key itself?",
    from_global="k",
)
_mistake(
    "reads V from global memory where it is used, not from the tile",
    ask="What is the tile of V for, if every thread fetches every value itself?",
    from_global="v",
)
_mistake(
    "reads K and V from global memory where they are used, not from the tiles",
    ask="How often does a block of four threads read each key? How often need it?",
    from_global="kv",
)
_mistake(
    "uses no tiles: every thread reads every key and value from global memory",
    ask="How often does a block of four threads read each key? How often need it?",
    from_global="kv",
    loads=lambda *_: (),
)
_mistake(
    "reads K twice, the first time for the maximum",
    ask="What does the online softmax do when a larger score comes, so that the maximum need not be known before?",
    look_first=True,
)
_mistake(
    "reads its query again for every tile", ask="Where can a thread keep its query all the time?", query="per tile"
)
_mistake("reads its query again for every key", ask="Where can a thread keep its query all the time?", query="per key")
_mistake(
    "holds all of K and V in shared memory",
    ask="How much shared memory does that take with 4096 keys of 128 numbers, and how much does a block have?",
    keep_all=True,
)
_mistake(
    "takes the number of the thread in its block for that of its query",
    ask="Which query belongs to thread 0 of block 1?",
    place=lambda thread, tile: thread.index,  # noqa: ARG005 - that is the mistake
)
_mistake(
    "counts queries in tiles of keys instead of in blocks of threads",
    ask="How many queries does a block have: as many as its tile has rows, or as it has threads?",
    place=lambda thread, tile: thread.block * tile + thread.index,
)
_mistake(
    "reads a query behind the last one",
    ask="Five queries in blocks of two threads: what does the last thread read?",
    idle="read",
)
_mistake("does not scale the scores", ask="What is the standard deviation of q · k?", scale=lambda sizes: 1.0)  # noqa: ARG005 - as above
_mistake("divides by d instead of √d", ask="What is the standard deviation of q · k?", scale=lambda sizes: sizes.d)
_mistake("scales by √d_v", ask="Over which axis does q · k sum?", scale=lambda sizes: math.sqrt(sizes.d_v))
_mistake(
    "scales by the size of the tile", ask="Over which axis does q · k sum?", scale=lambda sizes: math.sqrt(sizes.tile)
)


for _at_once in (False, True):  # a step per key, or one per tile
    _mistake(
        "does not rescale what it has mixed when the maximum grows",
        ask="The old values were weighted with exp(score − old maximum). What turns that into exp(score − new maximum)?",
        step=parts.no_rescale(mixed=False),
        at_once=_at_once,
    )
    _mistake(
        "does not rescale the sum when the maximum grows",
        ask="The sum holds terms exp(score − old maximum). What turns them into exp(score − new maximum)?",
        step=parts.no_rescale(sum_=False),
        at_once=_at_once,
    )
    _mistake(
        "rescales nothing when the maximum grows",
        ask="Two terms of the sum were formed with different maxima. May they be added?",
        step=parts.no_rescale(sum_=False, mixed=False),
        at_once=_at_once,
    )
    _mistake(
        "rescales by exp(new − old) instead of exp(old − new)",
        ask="When the maximum grows, do old terms become smaller or larger?",
        step=parts.inverted,
        at_once=_at_once,
    )
    _mistake(
        "weights the new scores with the old maximum",
        ask="Which maximum do sum and mixture refer to after this step?",
        step=parts.late,
        at_once=_at_once,
    )
    for _kind in (np.float64, None):
        _mistake(
            "takes the newest maximum for the largest so far",
            ask="The scores are 5, then −800: what is exp(5 − (−800))?",
            step=partial(parts.newest, kind=_kind),
            at_once=_at_once,
        )
    _mistake(
        "divides in every step",
        ask="How often is a term of the sum divided then?",
        step=parts.divided,
        out=lambda have, _: have.mixed,
        at_once=_at_once,
    )
    _mistake(
        "writes to the output in every step",
        ask="Where can a thread keep its sums until the end?",
        write_always=True,
        at_once=_at_once,
    )
_mistake(
    "adds up tiles that were each weighted with a maximum of their own",
    ask="Two terms of the sum were formed with different maxima. May they be added?",
    step=parts.unrelated,
    at_once=True,
)
for _kind in (np.float64, None):  # exp in the inputs' dtype overflows earlier than math.exp
    _mistake(
        "exponentiates without subtracting the maximum",
        ask="What is exp(1000), and what is inf / inf?",
        step=partial(parts.naive, kind=_kind),
    )
    for _first in (0.0, 1e-9, 1.0):
        _mistake(
            "begins with a maximum of 0, which is too high where all scores are negative",
            ask="All scores are −1000: what is exp(−1000 − 0), and what is the sum of such terms?",
            first=_first,
            step=partial(parts.online, kind=_kind),
        )
_mistake(
    "begins every tile anew, so that only the last one counts",
    ask="What has to survive from one tile to the next?",
    start_again=True,
)
_mistake("does not divide by the sum", ask="What do the weights of a query sum to?", out=lambda have, _: have.mixed)
_mistake(
    "divides by the number of keys instead of the sum of their weights",
    ask="What do the weights of a query sum to?",
    out=lambda have, sizes: have.mixed / sizes.m,
)


_mistake(
    "returns the log-sum-exp without the maximum",
    ask="The sum holds exp(score − maximum). What is the logarithm of the sum of exp(score)?",
    lse=lambda have: log(have.total),
)
_mistake("returns the maximum as log-sum-exp", ask="What is still to be added?", lse=lambda have: have.top)
_mistake(
    "returns the sum itself as log-sum-exp", ask="Which function stands first in its name?", lse=lambda have: have.total
)
_mistake(
    "subtracts the maximum from the logarithm instead of adding it",
    ask="The sum holds exp(score − maximum). What is the logarithm of the sum of exp(score)?",
    lse=lambda have: log(have.total) - have.top,
)
_mistake(
    "takes the logarithm to base 2",
    ask="Which base has the exponential whose sum it is?",
    lse=lambda have: have.top + log(have.total) / math.log(2.0),
)
_mistake(
    "hides the future, though no mask is asked for",
    ask="Which keys does a query see here?",
    hidden=lambda i, j: j > i,
)
_mistake("holds its tiles in float32", ask="Which dtype do shared arrays have if you give none?", dtype=np.float32)
