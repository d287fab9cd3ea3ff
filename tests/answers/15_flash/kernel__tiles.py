"""Wrong answers to flash.kernel: barriers, and which rows are loaded and used."""

import math

import numpy as np
from answers import wrong
from answers.kernel_steps import begin, finish, load, update

# --- wrong: barriers


@wrong("misses the barrier between loading a tile and using it")
def no_barrier_at_all(thread, q, k, v, out, lse, tile):
    n, m, d = len(q), len(k), q.shape[1]
    k_tile, v_tile = thread.shared((tile, d)), thread.shared((tile, v.shape[1]))
    i, state = thread.position, begin(v)
    query = q[i] / math.sqrt(d) if i < n else None
    for start in range(0, m, tile):
        rows = min(tile, m - start)
        load(thread, k, k_tile, start, rows)
        load(thread, v, v_tile, start, rows)
        for row in range(rows if i < n else 0):
            state = update(state, query @ k_tile[row], v_tile[row])
    if i < n:
        finish(i, state, out, lse)


@wrong("misses the barrier between loading a tile and using it")
def barrier_only_at_the_end_of_a_tile(thread, q, k, v, out, lse, tile):
    n, m, d, d_v = len(q), len(k), q.shape[1], v.shape[1]
    k_tile, v_tile = thread.shared((tile, d)), thread.shared((tile, d_v))
    i, state = thread.position, begin(v)
    query = q[i] / math.sqrt(d) if i < n else None
    for start in range(0, m, tile):
        rows = min(tile, m - start)
        for place in range(thread.index, rows * d, thread.threads):
            k_tile[place // d, place % d] = k[start + place // d, place % d]
        for place in range(thread.index, rows * d_v, thread.threads):
            v_tile[place // d_v, place % d_v] = v[start + place // d_v, place % d_v]
        for row in range(rows if i < n else 0):
            state = update(state, query @ k_tile[row], v_tile[row])
        yield
    if i < n:
        finish(i, state, out, lse)


@wrong("misses the barrier before a tile is overwritten")
def barrier_only_after_loading(thread, q, k, v, out, lse, tile):
    n, m, d = len(q), len(k), q.shape[1]
    k_tile, v_tile = thread.shared((tile, d)), thread.shared((tile, v.shape[1]))
    i, state = thread.position, begin(v)
    query = q[i] / math.sqrt(d) if i < n else None
    for start in range(0, m, tile):
        rows = min(tile, m - start)
        load(thread, k, k_tile, start, rows)
        load(thread, v, v_tile, start, rows)
        yield
        scores = [query @ k_tile[row] for row in range(rows)] if i < n else []
        for row, score in enumerate(scores):
            state = update(state, score, v_tile[row])
    if i < n:
        finish(i, state, out, lse)


@wrong("lets threads without a query end before the barriers")
def early_return(thread, q, k, v, out, lse, tile):
    n, m, d = len(q), len(k), q.shape[1]
    i, state = thread.position, begin(v)
    if i >= n:
        return
    k_tile, v_tile = thread.shared((tile, d)), thread.shared((tile, v.shape[1]))
    query = q[i] / math.sqrt(d)
    for start in range(0, m, tile):
        rows = min(tile, m - start)
        load(thread, k, k_tile, start, rows)
        load(thread, v, v_tile, start, rows)
        yield
        for row in range(rows):
            state = update(state, query @ k_tile[row], v_tile[row])
        yield
    finish(i, state, out, lse)


@wrong("lets threads without a query end before the barriers")
def everything_under_one_if(thread, q, k, v, out, lse, tile):
    n, m, d = len(q), len(k), q.shape[1]
    k_tile, v_tile = thread.shared((tile, d)), thread.shared((tile, v.shape[1]))
    i, state = thread.position, begin(v)
    if i < n:
        query = q[i] / math.sqrt(d)
        for start in range(0, m, tile):
            rows = min(tile, m - start)
            load(thread, k, k_tile, start, rows)
            load(thread, v, v_tile, start, rows)
            yield
            for row in range(rows):
                state = update(state, query @ k_tile[row], v_tile[row])
            yield
        finish(i, state, out, lse)


@wrong("has a barrier inside the loop over the rows that a thread loads")
def barrier_after_every_row(thread, q, k, v, out, lse, tile):
    n, m, d = len(q), len(k), q.shape[1]
    k_tile, v_tile = thread.shared((tile, d)), thread.shared((tile, v.shape[1]))
    i, state = thread.position, begin(v)
    query = q[i] / math.sqrt(d) if i < n else None
    for start in range(0, m, tile):
        rows = min(tile, m - start)
        for row in range(thread.index, rows, thread.threads):
            k_tile[row], v_tile[row] = k[start + row], v[start + row]
            yield
        yield
        for row in range(rows if i < n else 0):
            state = update(state, query @ k_tile[row], v_tile[row])
        yield
    if i < n:
        finish(i, state, out, lse)


# --- wrong: which rows


@wrong("reads past the end of K and V in the last tile")
def always_a_whole_tile(thread, q, k, v, out, lse, tile):
    n, m, d = len(q), len(k), q.shape[1]
    k_tile, v_tile = thread.shared((tile, d)), thread.shared((tile, v.shape[1]))
    i, state = thread.position, begin(v)
    query = q[i] / math.sqrt(d) if i < n else None
    for start in range(0, m, tile):
        load(thread, k, k_tile, start, tile)
        load(thread, v, v_tile, start, tile)
        yield
        for row in range(min(tile, m - start) if i < n else 0):
            state = update(state, query @ k_tile[row], v_tile[row])
        yield
    if i < n:
        finish(i, state, out, lse)


@wrong("leaves out the last tile where it is not full")
def whole_tiles_only(thread, q, k, v, out, lse, tile):
    n, m, d = len(q), len(k), q.shape[1]
    k_tile, v_tile = thread.shared((tile, d)), thread.shared((tile, v.shape[1]))
    i, state = thread.position, begin(v)
    query = q[i] / math.sqrt(d) if i < n else None
    for number in range(m // tile):
        load(thread, k, k_tile, number * tile, tile)
        load(thread, v, v_tile, number * tile, tile)
        yield
        for row in range(tile if i < n else 0):
            state = update(state, query @ k_tile[row], v_tile[row])
        yield
    if i < n:
        top, total, mixed = state
        out[i] = np.divide(mixed, total)
        lse[i] = top + np.log(total)


@wrong("uses rows of the last tile that no key was loaded into")
def guarded_load_unguarded_use(thread, q, k, v, out, lse, tile):
    n, m, d = len(q), len(k), q.shape[1]
    k_tile, v_tile = thread.shared((tile, d)), thread.shared((tile, v.shape[1]))
    i, state = thread.position, begin(v)
    query = q[i] / math.sqrt(d) if i < n else None
    for start in range(0, m, tile):
        for row in range(thread.index, tile, thread.threads):
            if start + row < m:
                k_tile[row], v_tile[row] = k[start + row], v[start + row]
        yield
        for row in range(tile):
            if i < n:
                state = update(state, query @ k_tile[row], v_tile[row])
        yield
    if i < n:
        finish(i, state, out, lse)


@wrong("lets rows of zeros behind the last key take part")
def padded_with_zeros(thread, q, k, v, out, lse, tile):
    n, m, d = len(q), len(k), q.shape[1]
    k_tile, v_tile = thread.shared((tile, d)), thread.shared((tile, v.shape[1]))
    i, state = thread.position, begin(v)
    query = q[i] / math.sqrt(d) if i < n else None
    for start in range(0, m, tile):
        for row in range(thread.index, tile, thread.threads):
            inside = start + row < m
            k_tile[row] = k[start + row] if inside else 0.0
            v_tile[row] = v[start + row] if inside else 0.0
        yield
        for row in range(tile if i < n else 0):
            state = update(state, query @ k_tile[row], v_tile[row])
        yield
    if i < n:
        finish(i, state, out, lse)


@wrong("loads one row per thread, although a tile may have more rows than the block has threads")
def tile_as_large_as_the_block(thread, q, k, v, out, lse, tile):
    n, m, d, t = len(q), len(k), q.shape[1], thread.index
    k_tile, v_tile = thread.shared((tile, d)), thread.shared((tile, v.shape[1]))
    i, state = thread.position, begin(v)
    query = q[i] / math.sqrt(d) if i < n else None
    for start in range(0, m, tile):
        if t < tile and start + t < m:
            k_tile[t] = k[start + t]
            v_tile[t] = v[start + t]
        yield
        for row in range(min(tile, m - start) if i < n else 0):
            state = update(state, query @ k_tile[row], v_tile[row])
        yield
    if i < n:
        finish(i, state, out, lse)


@wrong("loads the first tile again and again")
def forgets_where_the_tile_starts(thread, q, k, v, out, lse, tile):
    n, m, d = len(q), len(k), q.shape[1]
    k_tile, v_tile = thread.shared((tile, d)), thread.shared((tile, v.shape[1]))
    i, state = thread.position, begin(v)
    query = q[i] / math.sqrt(d) if i < n else None
    for start in range(0, m, tile):
        rows = min(tile, m - start)
        load(thread, k, k_tile, 0, rows)
        load(thread, v, v_tile, 0, rows)
        yield
        if i < n:
            for row in range(rows):
                state = update(state, query @ k_tile[row], v_tile[row])
        yield
    if i < n:
        finish(i, state, out, lse)


@wrong("takes the number of the thread in its block for that of its query")
def every_block_does_the_first_queries(thread, q, k, v, out, lse, tile):
    n, m, d = len(q), len(k), q.shape[1]
    k_tile, v_tile = thread.shared((tile, d)), thread.shared((tile, v.shape[1]))
    i, state = thread.index, begin(v)
    query = q[i] / math.sqrt(d) if i < n else None
    for start in range(0, m, tile):
        rows = min(tile, m - start)
        load(thread, k, k_tile, start, rows)
        load(thread, v, v_tile, start, rows)
        yield
        for row in range(rows if i < n else 0):
            state = update(state, query @ k_tile[row], v_tile[row])
        yield
    if i < n:
        finish(i, state, out, lse)


@wrong("reads a query behind the last one")
def no_guard_for_the_last_block(thread, q, k, v, out, lse, tile):
    m, d = len(k), q.shape[1]
    k_tile, v_tile = thread.shared((tile, d)), thread.shared((tile, v.shape[1]))
    i, state = thread.position, begin(v)
    query = q[i] / math.sqrt(d)
    for start in range(0, m, tile):
        rows = min(tile, m - start)
        load(thread, k, k_tile, start, rows)
        load(thread, v, v_tile, start, rows)
        yield
        for row in range(rows):
            state = update(state, query @ k_tile[row], v_tile[row])
        yield
    finish(i, state, out, lse)
