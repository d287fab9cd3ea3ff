"""What answers to flash.kernel share: the steps of a tiled kernel that a mistake elsewhere leaves alone."""

import math

import numpy as np


def load(thread, source, target, start, rows):
    """Every thread copies every so manieth row."""
    for row in range(thread.index, rows, thread.threads):
        target[row] = source[start + row]


def update(state, score, value):
    """One step of the online softmax."""
    top, total, mixed = state
    higher = max(top, score)
    rescale, weight = math.exp(top - higher), math.exp(score - higher)
    return higher, total * rescale + weight, mixed * rescale + weight * value


def begin(v):
    """What a thread knows before it has seen a key."""
    return -math.inf, 0.0, np.zeros(v.shape[1], v.dtype)


def finish(i, state, out, lse):
    """Write one query's results."""
    top, total, mixed = state
    out[i] = mixed / total
    lse[i] = top + math.log(total)


def tiles(thread, q, k, v, tile, use, dtype=None):
    """Load tile by tile and let `use(rows, k_tile, v_tile)` read each."""
    m, d, d_v = len(k), q.shape[1], v.shape[1]
    k_tile, v_tile = thread.shared((tile, d), dtype), thread.shared((tile, d_v), dtype)
    for start in range(0, m, tile):
        rows = min(tile, m - start)
        for row in range(thread.index, rows, thread.threads):
            k_tile[row] = k[start + row]
            v_tile[row] = v[start + row]
        yield
        if thread.position < len(q):
            use(rows, k_tile, v_tile)
        yield


class Sums:
    """What a thread keeps. Each wrong answer changes a line of it."""

    def __init__(self, thread, q, v, scale=None, top=-math.inf):
        self.live = thread.position < len(q)
        self.query = q[thread.position] / (scale or math.sqrt(q.shape[1])) if self.live else None
        self.top, self.total, self.mixed = top, 0.0, np.zeros(v.shape[1], v.dtype)

    def add(self, rows, k_tile, v_tile):
        """Take in a tile."""
        for row in range(rows):
            self.one(self.query @ k_tile[row], v_tile[row])

    def one(self, score, value):
        """Take in one key."""
        old, self.top = self.top, max(self.top, score)
        rescale, weight = np.exp(old - self.top), np.exp(score - self.top)
        self.total = self.total * rescale + weight
        self.mixed = self.mixed * rescale + weight * value

    def write(self, thread, out, lse):
        """Write out and log-sum-exp."""
        if self.live:
            out[thread.position] = self.mixed / self.total
            lse[thread.position] = self.top + np.log(self.total)
