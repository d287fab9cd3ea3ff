"""Wrong answers to flash.kernel: traffic, memory, and what is rarely seen."""

import math

import numpy as np
from answers import wrong
from answers.kernel_steps import Sums, tiles

# --- wrong: traffic and memory


@wrong("reads K from global memory where it is used, not from the tile")
def keys_past_the_tile(thread, q, k, v, out, lse, tile):
    sums = Sums(thread, q, v)
    done = 0

    def use(rows, k_tile, v_tile):
        nonlocal done
        for row in range(rows):
            sums.one(sums.query @ k[done + row], v_tile[row])
        done += rows

    yield from tiles(thread, q, k, v, tile, use)
    sums.write(thread, out, lse)


@wrong("uses no tiles: every thread reads every key and value from global memory")
def no_tiles(thread, q, k, v, out, lse, tile):
    sums = Sums(thread, q, v)
    if sums.live:
        for j in range(len(k)):
            sums.one(sums.query @ k[j], v[j])
        sums.write(thread, out, lse)


@wrong("lets every thread load the whole tile")
def everybody_loads_everything(thread, q, k, v, out, lse, tile):
    k_tile, v_tile = thread.shared((tile, q.shape[1])), thread.shared((tile, v.shape[1]))
    sums = Sums(thread, q, v)
    for start in range(0, len(k), tile):
        rows = min(tile, len(k) - start)
        k_tile[0:rows], v_tile[0:rows] = k[start : start + rows], v[start : start + rows]
        yield
        if sums.live:
            sums.add(rows, k_tile, v_tile)
        yield
    sums.write(thread, out, lse)


@wrong("reads K twice, the first time for the maximum")
def two_passes(thread, q, k, v, out, lse, tile):
    sums = Sums(thread, q, v)

    def look(rows, k_tile, v_tile):
        sums.top = max(sums.top, *(sums.query @ k_tile[row] for row in range(rows)))

    keys = thread.shared((tile, q.shape[1]))
    for start in range(0, len(k), tile):
        rows = min(tile, len(k) - start)
        for row in range(thread.index, rows, thread.threads):
            keys[row] = k[start + row]
        yield
        if sums.live:
            look(rows, keys, None)
        yield
    values = thread.shared((tile, v.shape[1]))
    for start in range(0, len(k), tile):
        rows = min(tile, len(k) - start)
        for row in range(thread.index, rows, thread.threads):
            keys[row], values[row] = k[start + row], v[start + row]
        yield
        if sums.live:
            sums.add(rows, keys, values)
        yield
    sums.write(thread, out, lse)


@wrong("reads its query again for every tile")
def query_in_the_loop(thread, q, k, v, out, lse, tile):
    class Mine(Sums):
        def add(self, rows, k_tile, v_tile):
            if self.total:
                self.query = q[thread.position] / math.sqrt(q.shape[1])
            super().add(rows, k_tile, v_tile)

    sums = Mine(thread, q, v)
    yield from tiles(thread, q, k, v, tile, sums.add)
    sums.write(thread, out, lse)


@wrong("writes to the output in every step")
def output_after_every_tile(thread, q, k, v, out, lse, tile):
    class Mine(Sums):
        def add(self, rows, k_tile, v_tile):
            super().add(rows, k_tile, v_tile)
            out[thread.position] = self.mixed / self.total

    sums = Mine(thread, q, v)
    yield from tiles(thread, q, k, v, tile, sums.add)
    if sums.live:
        lse[thread.position] = sums.top + np.log(sums.total)


@wrong("holds all of K and V in shared memory")
def everything_in_shared_memory(thread, q, k, v, out, lse, tile):
    sums = Sums(thread, q, v)
    yield from tiles(thread, q, k, v, len(k), sums.add)
    sums.write(thread, out, lse)


@wrong("holds its tiles in float32")
def tiles_in_float32(thread, q, k, v, out, lse, tile):
    sums = Sums(thread, q, v)
    yield from tiles(thread, q, k, v, tile, sums.add, dtype=np.float32)
    sums.write(thread, out, lse)


@wrong("hides the future, though no mask is asked for")
def causal(thread, q, k, v, out, lse, tile):
    class Mine(Sums):
        seen = 0

        def one(self, score, value):
            if self.seen <= thread.position:
                super().one(score, value)
            self.seen += 1

    sums = Mine(thread, q, v)
    yield from tiles(thread, q, k, v, tile, sums.add)
    sums.write(thread, out, lse)


# --- wrong: rare


@wrong("gives another result the second time it is called")
def keeps_a_maximum(thread, q, k, v, out, lse, tile, known=[-math.inf]):  # noqa: B006 - what survives the call is the mistake
    sums = Sums(thread, q, v, top=known[0])
    yield from tiles(thread, q, k, v, tile, sums.add)
    if sums.live:
        known[0] = max(known[0], sums.top)
    sums.write(thread, out, lse)


@wrong(None, why="counts on the threads taking turns from the first to the last")
def only_first_in_first_out(thread, q, k, v, out, lse, tile):
    sums = Sums(thread, q, v)
    yield from tiles(thread, q, k, v, tile, sums.add)
    if sums.live and thread.index:
        lse[thread.position - 1] = lse[thread.position - 1] * 1.0  # "was written by the thread before me"
    sums.write(thread, out, lse)
