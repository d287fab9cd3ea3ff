"""Right answers to flash.kernel, in different styles."""

import math

import numpy as np
from answers import right
from answers.kernel_steps import begin, finish, load, update


@right
def row_by_row(thread, q, k, v, out, lse, tile):
    n, m, d = len(q), len(k), q.shape[1]
    k_tile, v_tile = thread.shared((tile, d)), thread.shared((tile, v.shape[1]))
    i, state = thread.position, begin(v)
    query = q[i] / math.sqrt(d) if i < n else None
    for start in range(0, m, tile):
        rows = min(tile, m - start)
        load(thread, k, k_tile, start, rows)
        load(thread, v, v_tile, start, rows)
        yield
        if i < n:
            for row in range(rows):
                state = update(state, query @ k_tile[row], v_tile[row])
        yield
    if i < n:
        finish(i, state, out, lse)


@right
def number_by_number(thread, q, k, v, out, lse, tile):
    """Neighbours load neighbouring numbers, as a GPU likes it, and nothing but single numbers is read."""
    n, m, d, d_v = len(q), len(k), q.shape[1], v.shape[1]
    k_tile, v_tile = thread.shared((tile, d)), thread.shared((tile, d_v))
    i = thread.block * thread.threads + thread.index
    query = [float(q[i, c]) / math.sqrt(d) for c in range(d)] if i < n else []
    top, total, mixed = -math.inf, 0.0, [0.0] * d_v
    for start in range(0, m, tile):
        rows = min(tile, m - start)
        for source, target, width in ((k, k_tile, d), (v, v_tile, d_v)):
            for place in range(thread.index, rows * width, thread.threads):
                target[place // width, place % width] = source[start + place // width, place % width]
        yield
        for row in range(rows):
            if not query:
                continue
            score = sum(query[c] * float(k_tile[row, c]) for c in range(d))
            old, top = top, max(top, score)
            total = total * math.exp(old - top) + math.exp(score - top)
            mixed = [x * math.exp(old - top) + math.exp(score - top) * v_tile[row, c] for c, x in enumerate(mixed)]
        yield
    if i < n:
        for c in range(d_v):
            out[i, c] = mixed[c] / total
        lse[i] = top + math.log(total)


@right
def one_rescale_per_tile(thread, q, k, v, out, lse, tile):
    n, m, d = len(q), len(k), q.shape[1]
    keys, values = thread.shared((tile, d)), thread.shared((tile, v.shape[1]))
    i = thread.position
    if i < n:
        query, top, total, mixed = q[i], -np.inf, 0.0, 0.0
    for start in range(0, m, tile):
        stop = min(start + tile, m)
        load(thread, k, keys, start, stop - start)
        load(thread, v, values, start, stop - start)
        yield
        if i < n:
            scores = keys[: stop - start] @ query / np.sqrt(np.asarray(d, q.dtype))
            old, top = top, max(top, scores.max())
            weights = np.exp(scores - top)
            total = total * np.exp(old - top) + weights.sum()
            mixed = mixed * np.exp(old - top) + weights @ values[0 : stop - start]
        yield
    if i < n:
        out[i], lse[i] = mixed / total, top + np.log(total)


@right
def two_buffers_and_one_barrier(thread, q, k, v, out, lse, tile):
    """The next tile is loaded into the other buffer while this one is used, so one barrier per tile is enough."""
    n, m, d = len(q), len(k), q.shape[1]
    k_tiles, v_tiles = thread.shared((2, tile, d)), thread.shared((2, tile, v.shape[1]))
    i, state = thread.position, begin(v)
    query = q[i] / math.sqrt(d) if i < n else None

    def fetch(number):
        for row in range(thread.index, min(tile, m - number * tile), thread.threads):
            k_tiles[number % 2, row] = k[number * tile + row]
            v_tiles[number % 2, row] = v[number * tile + row]

    fetch(0)
    yield
    for number in range(math.ceil(m / tile)):
        fetch(number + 1)
        for row in range(min(tile, m - number * tile) if i < n else 0):
            state = update(state, query @ k_tiles[number % 2, row], v_tiles[number % 2, row])
        yield
    if i < n:
        finish(i, state, out, lse)


@right
def last_tile_first(thread, q, k, v, out, lse, tile):
    n, m, d = len(q), len(k), q.shape[1]
    k_tile, v_tile = thread.shared((tile, d)), thread.shared((tile, v.shape[1]))
    i, state = thread.position, begin(v)
    query = q[i] if i < n else None
    for start in reversed(range(0, m, tile)):
        rows = min(tile, m - start)
        load(thread, v, v_tile, start, rows)
        load(thread, k, k_tile, start, rows)
        yield
        for row in reversed(range(rows)):
            if query is not None:
                state = update(state, k_tile[row] @ query / d**0.5, v_tile[row])
        yield
    if query is not None:
        finish(i, state, out, lse)


@right
def barriers_in_a_helper(thread, q, k, v, out, lse, tile):
    n, m, d = len(q), len(k), q.shape[1]
    k_tile, v_tile = thread.shared((tile, d)), thread.shared((tile, v.shape[1]))

    def fetched(start, rows):
        yield  # everybody is done with the tile before
        load(thread, k, k_tile, start, rows)
        load(thread, v, v_tile, start, rows)
        yield

    i, state, start = thread.position, begin(v), 0
    query = q[i] / math.sqrt(d) if i < n else None
    while start < m:
        rows = min(tile, m - start)
        yield from fetched(start, rows)
        if i < n:
            for row in range(rows):
                state = update(state, query @ k_tile[row], v_tile[row])
        start += rows
    if i < n:
        finish(i, state, out, lse)


@right
def idle_threads_compute_with_zeros(thread, q, k, v, out, lse, tile):
    (n, d), (m, d_v) = q.shape, v.shape
    k_tile, v_tile = thread.shared((tile, d)), thread.shared((tile, d_v))
    live = thread.position < n
    query = q[thread.position] if live else np.zeros(d, q.dtype)
    state = begin(v)
    for start in range(0, m, tile):
        rows = min(tile, m - start)
        load(thread, k, k_tile, start, rows)
        load(thread, v, v_tile, start, rows)
        yield
        for row in range(rows):
            state = update(state, query @ k_tile[row] / math.sqrt(d), v_tile[row])
        yield
    if live:
        finish(thread.position, state, out, lse)


@right
def always_normalised(thread, q, k, v, out, lse, tile):
    """The mixture stays an average: the log-sum-exp does the work of maximum and sum."""
    n, m, d = len(q), len(k), q.shape[1]
    k_tile, v_tile = thread.shared((tile, d)), thread.shared((tile, v.shape[1]))
    i = thread.position
    query = q[i] / math.sqrt(d) if i < n else None
    level, average = -math.inf, np.zeros(v.shape[1], v.dtype)
    for start in range(0, m, tile):
        rows = min(tile, m - start)
        load(thread, k, k_tile, start, rows)
        load(thread, v, v_tile, start, rows)
        yield
        for row in range(rows if i < n else 0):
            score = query @ k_tile[row]
            before, level = level, np.logaddexp(level, score)
            average = average * math.exp(before - level) + v_tile[row] * math.exp(score - level)
        yield
    if i < n:
        out[i] = average
        lse[i] = level


@right
def the_first_thread_loads(thread, q, k, v, out, lse, tile):
    """Slow, but right: the others wait."""
    n, m, d = len(q), len(k), q.shape[1]
    k_tile, v_tile = thread.shared((tile, d)), thread.shared((tile, v.shape[1]))
    i, state = thread.position, begin(v)
    query = q[i] / math.sqrt(d) if i < n else None
    for start in range(0, m, tile):
        rows = min(tile, m - start)
        if thread.index == 0:
            k_tile[0:rows] = k[start : start + rows]
            v_tile[0:rows] = v[start : start + rows]
        yield
        if i < n:
            for key, value in zip(k_tile[0:rows], v_tile[0:rows], strict=True):
                state = update(state, query @ key, value)
        yield
    if i < n:
        finish(i, state, out, lse)


@right
def keys_as_columns(thread, q, k, v, out, lse, tile):
    n, m, d = len(q), len(k), q.shape[1]
    k_tile, v_tile = thread.shared((d, tile)), thread.shared((tile, v.shape[1]))
    i, state = thread.position, begin(v)
    query = q[i] / math.sqrt(d) if i < n else None
    for start in range(0, m, tile):
        rows = min(tile, m - start)
        for row in range(thread.index, rows, thread.threads):
            k_tile[:, row] = k[start + row]
            v_tile[row, :] = v[start + row, :]
        yield
        for row in range(rows if i < n else 0):
            state = update(state, query @ k_tile[:, row], v_tile[row])
        yield
    if i < n:
        finish(i, state, out, lse)


@right
def one_array_for_keys_and_values(thread, q, k, v, out, lse, tile):
    n, m, d = len(q), len(k), q.shape[1]
    both = thread.shared((tile, d + v.shape[1]))
    i, state = thread.position, begin(v)
    query = q[i] / math.sqrt(d) if i < n else None
    for start in range(0, m, tile):
        rows = min(tile, m - start)
        for row in range(thread.index, rows, thread.threads):
            both[row] = np.concatenate([k[start + row], v[start + row]])
        yield
        for row in range(rows if i < n else 0):
            pair = both[row]
            state = update(state, query @ pair[:d], pair[d:])
        yield
    if i < n:
        finish(i, state, out, lse)


@right
def powers_of_two(thread, q, k, v, out, lse, tile):
    """As real kernels do: log2(e) goes into the scale, and the logarithm comes back at the end."""
    n, m, d = len(q), len(k), q.shape[1]
    k_tile, v_tile = thread.shared((tile, d)), thread.shared((tile, v.shape[1]))
    i = thread.position
    query = q[i] * (math.log2(math.e) / math.sqrt(d)) if i < n else None
    top, total, mixed = -math.inf, 0.0, np.zeros(v.shape[1], v.dtype)
    for start in range(0, m, tile):
        rows = min(tile, m - start)
        load(thread, k, k_tile, start, rows)
        load(thread, v, v_tile, start, rows)
        yield
        for row in range(rows if i < n else 0):
            score = query @ k_tile[row]
            higher = max(top, score)
            rescale, weight = np.exp2(top - higher), np.exp2(score - higher)
            top, total, mixed = higher, total * rescale + weight, mixed * rescale + weight * v_tile[row]
        yield
    if i < n:
        out[i] = mixed / total
        lse[i] = (top + np.log2(total)) * math.log(2)


@right
def query_and_sums_in_shared_memory(thread, q, k, v, out, lse, tile):
    n, m, d, t = len(q), len(k), q.shape[1], thread.index
    k_tile, v_tile = thread.shared((tile, d)), thread.shared((tile, v.shape[1]))
    queries, sums = thread.shared((thread.threads, d)), thread.shared((thread.threads, v.shape[1]))
    i, top, total = thread.position, -math.inf, 0.0
    if i < n:
        queries[t] = q[i]
        sums[t] = 0.0
    for start in range(0, m, tile):
        rows = min(tile, m - start)
        load(thread, k, k_tile, start, rows)
        load(thread, v, v_tile, start, rows)
        yield
        for row in range(rows if i < n else 0):
            score = queries[t] @ k_tile[row] / math.sqrt(d)
            top, total, sums[t] = update((top, total, sums[t]), score, v_tile[row])
        yield
    if i < n:
        finish(i, (top, total, sums[t]), out, lse)


@right
def a_maximum_that_only_moves_up_when_it_must(thread, q, k, v, out, lse, tile):
    n, m, d = len(q), len(k), q.shape[1]
    k_tile, v_tile = thread.shared((tile, d)), thread.shared((tile, v.shape[1]))
    i, state = thread.position, None
    query = q[i] / math.sqrt(d) if i < n else None
    for start in range(0, m, tile):
        rows = min(tile, m - start)
        load(thread, k, k_tile, start, rows)
        load(thread, v, v_tile, start, rows)
        yield
        for row in range(rows if i < n else 0):
            score, value = query @ k_tile[row], v_tile[row]
            if state is None:
                state = (score, 1.0, value)
            elif score <= state[0]:
                weight = math.exp(score - state[0])
                state = (state[0], state[1] + weight, state[2] + weight * value)
            else:
                shrink = math.exp(state[0] - score)
                state = (score, state[1] * shrink + 1.0, state[2] * shrink + value)
        yield
    if i < n:
        finish(i, state, out, lse)
