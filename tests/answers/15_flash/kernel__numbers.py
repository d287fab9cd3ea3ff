"""Answers to flash.kernel: softmax, scale and log-sum-exp."""

import math

import numpy as np
from answers import right, wrong
from answers.kernel_steps import Sums, tiles


@right
def sums_in_an_object(thread, q, k, v, out, lse, tile):
    sums = Sums(thread, q, v)
    yield from tiles(thread, q, k, v, tile, sums.add)
    sums.write(thread, out, lse)


@right
def scores_kept_for_the_whole_row(thread, q, k, v, out, lse, tile):
    """No online softmax: registers hold what is needed, and the traffic is the same."""
    live, scores, values = thread.position < len(q), [], []
    query = q[thread.position] / math.sqrt(q.shape[1]) if live else None

    def keep(rows, k_tile, v_tile):
        scores.extend(k_tile[0:rows] @ query)
        values.extend(v_tile[0:rows])

    yield from tiles(thread, q, k, v, tile, keep)
    if live:
        weights = np.exp(np.array(scores) - max(scores))
        out[thread.position] = weights @ np.array(values) / weights.sum()
        lse[thread.position] = max(scores) + np.log(weights.sum())


# --- wrong: the softmax


@wrong("does not rescale what it has mixed when the maximum grows")
def mixture_not_rescaled(thread, q, k, v, out, lse, tile):
    class Mine(Sums):
        def one(self, score, value):
            higher = max(self.top, score)
            weight = np.exp(score - higher)
            self.total = self.total * np.exp(self.top - higher) + weight
            self.mixed += weight * value
            self.top = higher

    sums = Mine(thread, q, v)
    yield from tiles(thread, q, k, v, tile, sums.add)
    sums.write(thread, out, lse)


@wrong("does not rescale what it has mixed when the maximum grows")
def mixture_not_rescaled_between_tiles(thread, q, k, v, out, lse, tile):
    class Mine(Sums):
        def add(self, rows, k_tile, v_tile):
            scores = k_tile[0:rows] @ self.query
            old, self.top = self.top, max(self.top, scores.max())
            weights = np.exp(scores - self.top)
            self.total = self.total * np.exp(old - self.top) + weights.sum()
            self.mixed = self.mixed + weights @ v_tile[0:rows]

    sums = Mine(thread, q, v)
    yield from tiles(thread, q, k, v, tile, sums.add)
    sums.write(thread, out, lse)


@wrong("does not rescale the sum when the maximum grows")
def sum_not_rescaled(thread, q, k, v, out, lse, tile):
    class Mine(Sums):
        def one(self, score, value):
            old, self.top = self.top, max(self.top, score)
            weight = math.exp(score - self.top)
            self.total += weight
            self.mixed = self.mixed * math.exp(old - self.top) + weight * value

    sums = Mine(thread, q, v)
    yield from tiles(thread, q, k, v, tile, sums.add)
    sums.write(thread, out, lse)


@wrong("does not rescale the sum when the maximum grows")
def sum_not_rescaled_between_tiles(thread, q, k, v, out, lse, tile):
    class Mine(Sums):
        def add(self, rows, k_tile, v_tile):
            scores = [self.query @ k_tile[row] for row in range(rows)]
            old, self.top = self.top, max(self.top, *scores)
            self.mixed = self.mixed * math.exp(old - self.top)
            for row, score in enumerate(scores):
                self.total += math.exp(score - self.top)
                self.mixed += math.exp(score - self.top) * v_tile[row]

    sums = Mine(thread, q, v)
    yield from tiles(thread, q, k, v, tile, sums.add)
    sums.write(thread, out, lse)


@wrong("rescales nothing when the maximum grows")
def the_factor_is_always_one(thread, q, k, v, out, lse, tile):
    class Mine(Sums):
        def one(self, score, value):
            self.top = max(self.top, score)
            rescale, weight = np.exp(self.top - self.top), np.exp(score - self.top)  # the old one is gone
            self.total = self.total * rescale + weight
            self.mixed = self.mixed * rescale + weight * value

    sums = Mine(thread, q, v)
    yield from tiles(thread, q, k, v, tile, sums.add)
    sums.write(thread, out, lse)


@wrong("rescales by exp(new − old) instead of exp(old − new)")
def the_factor_upside_down(thread, q, k, v, out, lse, tile):
    class Mine(Sums):
        def one(self, score, value):
            higher = max(self.top, score)
            weight = np.exp(score - higher)
            if self.total > 0:
                self.total *= np.exp(higher - self.top)
                self.mixed = self.mixed * np.exp(higher - self.top)
            self.total, self.mixed, self.top = self.total + weight, self.mixed + weight * value, higher

    sums = Mine(thread, q, v)
    yield from tiles(thread, q, k, v, tile, sums.add)
    sums.write(thread, out, lse)


@wrong("adds up tiles that were each weighted with a maximum of their own")
def a_softmax_per_tile(thread, q, k, v, out, lse, tile):
    class Mine(Sums):
        def add(self, rows, k_tile, v_tile):
            scores = k_tile[0:rows] @ self.query
            self.top = scores.max()
            weights = np.exp(scores - self.top)
            self.total += weights.sum()
            self.mixed = self.mixed + weights @ v_tile[0:rows]

    sums = Mine(thread, q, v)
    yield from tiles(thread, q, k, v, tile, sums.add)
    sums.write(thread, out, lse)


@wrong("takes the newest maximum for the largest so far")
def maximum_of_this_tile(thread, q, k, v, out, lse, tile):
    class Mine(Sums):
        def add(self, rows, k_tile, v_tile):
            scores = k_tile[0:rows] @ self.query
            top = scores.max()
            rescale, weights = np.exp(self.top - top), np.exp(scores - top)
            self.top, self.total = top, self.total * rescale + weights.sum()
            self.mixed = self.mixed * rescale + weights @ v_tile[0:rows]

    sums = Mine(thread, q, v)
    yield from tiles(thread, q, k, v, tile, sums.add)
    sums.write(thread, out, lse)


@wrong("exponentiates without subtracting the maximum")
def no_maximum(thread, q, k, v, out, lse, tile):
    class Mine(Sums):
        def one(self, score, value):
            weight = np.exp(score)
            self.total, self.mixed = self.total + weight, self.mixed + weight * value

    sums = Mine(thread, q, v, top=0.0)
    yield from tiles(thread, q, k, v, tile, sums.add)
    sums.write(thread, out, lse)


@wrong("begins with a maximum of 0, which is too high where all scores are negative")
def maximum_begins_at_zero(thread, q, k, v, out, lse, tile):
    sums = Sums(thread, q, v, top=0.0)
    yield from tiles(thread, q, k, v, tile, sums.add)
    sums.write(thread, out, lse)


@wrong("begins with a maximum of 0, which is too high where all scores are negative")
def maximum_begins_at_the_smallest_positive_number(thread, q, k, v, out, lse, tile):
    sums = Sums(thread, q, v, top=np.finfo(q.dtype).tiny)
    yield from tiles(thread, q, k, v, tile, sums.add)
    sums.write(thread, out, lse)


@wrong("divides in every step")
def divides_after_every_tile(thread, q, k, v, out, lse, tile):
    class Mine(Sums):
        def add(self, rows, k_tile, v_tile):
            scores = k_tile[0:rows] @ self.query
            old, self.top = self.top, max(self.top, scores.max())
            rescale, weights = np.exp(old - self.top), np.exp(scores - self.top)
            self.total = self.total * rescale + weights.sum()
            self.mixed = (self.mixed * rescale + weights @ v_tile[0:rows]) / self.total

        def write(self, thread, out, lse):
            if self.live:
                out[thread.position], lse[thread.position] = self.mixed, self.top + np.log(self.total)

    sums = Mine(thread, q, v)
    yield from tiles(thread, q, k, v, tile, sums.add)
    sums.write(thread, out, lse)


@wrong("does not divide by the sum")
def unnormalised(thread, q, k, v, out, lse, tile):
    sums = Sums(thread, q, v)
    yield from tiles(thread, q, k, v, tile, sums.add)
    if sums.live:
        out[thread.position], lse[thread.position] = sums.mixed, sums.top + np.log(sums.total)


@wrong("begins every tile anew, so that only the last one counts")
def sums_begin_in_the_loop(thread, q, k, v, out, lse, tile):
    class Mine(Sums):
        def add(self, rows, k_tile, v_tile):
            self.top, self.total, self.mixed = -math.inf, 0.0, 0.0
            super().add(rows, k_tile, v_tile)

    sums = Mine(thread, q, v)
    yield from tiles(thread, q, k, v, tile, sums.add)
    sums.write(thread, out, lse)


# --- wrong: the scale and the log-sum-exp


@wrong("does not scale the scores")
def no_scale(thread, q, k, v, out, lse, tile):
    sums = Sums(thread, q, v, scale=1.0)
    yield from tiles(thread, q, k, v, tile, sums.add)
    sums.write(thread, out, lse)


@wrong("divides by d instead of √d")
def scale_without_the_root(thread, q, k, v, out, lse, tile):
    sums = Sums(thread, q, v, scale=q.shape[1])
    yield from tiles(thread, q, k, v, tile, sums.add)
    sums.write(thread, out, lse)


@wrong("returns the log-sum-exp without the maximum")
def lse_without_maximum(thread, q, k, v, out, lse, tile):
    sums = Sums(thread, q, v)
    yield from tiles(thread, q, k, v, tile, sums.add)
    if sums.live:
        out[thread.position], lse[thread.position] = sums.mixed / sums.total, np.log(sums.total)


@wrong("takes the logarithm to base 2")
def lse_in_powers_of_two(thread, q, k, v, out, lse, tile):
    sums = Sums(thread, q, v)
    yield from tiles(thread, q, k, v, tile, sums.add)
    if sums.live:
        out[thread.position], lse[thread.position] = sums.mixed / sums.total, sums.top + np.log2(sums.total)


@wrong("returns the sum itself as log-sum-exp")
def the_sum_for_its_logarithm(thread, q, k, v, out, lse, tile):
    sums = Sums(thread, q, v)
    yield from tiles(thread, q, k, v, tile, sums.add)
    if sums.live:
        out[thread.position], lse[thread.position] = sums.mixed / sums.total, sums.total
