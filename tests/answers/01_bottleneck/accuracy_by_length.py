"""Right and wrong answers to bottleneck.accuracy_by_length."""

import bisect
import math
from itertools import pairwise

import numpy as np
import torch
from answers import right, wrong

# --- right, in different styles


@right
def loop_over_the_buckets(lengths, correct, edges):
    shares = np.full(len(edges) - 1, np.nan)
    for k in range(len(edges) - 1):
        inside = (edges[k] <= lengths) & (lengths < edges[k + 1])
        if inside.any():
            shares[k] = correct[inside].mean()
    return shares


@right
def broadcast(lengths, correct, edges):
    inside = (lengths >= edges[:-1, None]) & (lengths < edges[1:, None])
    with np.errstate(invalid="ignore"):
        return (inside & correct).sum(1) / inside.sum(1)


@right
def digitize_and_bincount(lengths, correct, edges):
    where = np.digitize(lengths, edges) - 1
    kept = (where >= 0) & (where < len(edges) - 1)
    total = np.bincount(where[kept], minlength=len(edges) - 1)
    hits = np.bincount(where[kept], weights=correct[kept], minlength=len(edges) - 1)
    return np.divide(hits, total, out=np.full(len(total), np.nan), where=total > 0)


@right
def pure_python(lengths, correct, edges):
    hits, total = [0] * (len(edges) - 1), [0] * (len(edges) - 1)
    for length, hit in zip(lengths.tolist(), correct.tolist(), strict=True):
        k = bisect.bisect_right(edges.tolist(), length) - 1
        if 0 <= k < len(total):
            hits[k] += hit
            total[k] += 1
    return np.array([h / t if t else math.nan for h, t in zip(hits, total, strict=True)])


@right
def histogram_with_an_open_end(lengths, correct, edges):
    """np.histogram closes its last bin, so it gets one more bin to close."""
    wide = np.append(edges, np.inf)
    total, hits = np.histogram(lengths, wide)[0][:-1], np.histogram(lengths[correct], wide)[0][:-1]
    return np.where(total > 0, hits / np.maximum(total, 1), np.nan)


@right
def sorted_and_cumulated(lengths, correct, edges):
    order = np.argsort(lengths, kind="stable")
    cut = np.searchsorted(lengths[order], edges, side="left")
    hits = np.concatenate([[0], np.cumsum(correct[order])])[cut]
    return np.diff(hits) / np.diff(cut)


@right
def through_torch(lengths, correct, edges):
    lengths, correct, edges = (torch.from_numpy(np.ascontiguousarray(a)) for a in (lengths, correct, edges))
    shares = [correct[(lengths >= a) & (lengths < b)].double().mean() for a, b in pairwise(edges)]
    return torch.stack(shares).numpy()


@right
def a_table_of_all_lengths(lengths, correct, edges):
    """It must fit into memory, however long the lengths that are drawn."""
    size = max(lengths.max(), edges.max()) + 1
    count = np.bincount(lengths, minlength=size)
    hits = np.bincount(lengths, weights=correct, minlength=size)
    start, stop = edges[:-1].clip(0), edges[1:].clip(0)
    return np.array(
        [
            hits[a:b].sum() / max(1, count[a:b].sum()) if count[a:b].any() else np.nan
            for a, b in zip(start, stop, strict=True)
        ]
    )


# --- wrong, the way learners write it


def inside_of(lengths, edges):
    return [(lengths >= a) & (lengths < b) for a, b in pairwise(edges)]


def mean_or(correct, inside, empty):
    return np.array([correct[i].mean() if i.any() else empty for i in inside])


@wrong("counts the upper edge too, so that a length on an edge is in two buckets")
def both_edges(lengths, correct, edges):
    return mean_or(correct, [(a <= lengths) & (lengths <= b) for a, b in pairwise(edges)], np.nan)


@wrong("puts a length on an edge into the lower bucket")
def digitize_right(lengths, correct, edges):
    where = np.digitize(lengths, edges, right=True) - 1
    return mean_or(correct, [where == k for k in range(len(edges) - 1)], np.nan)


@wrong("leaves out both edges")
def strictly_between(lengths, correct, edges):
    return mean_or(correct, [(a < lengths) & (lengths < b) for a, b in pairwise(edges)], np.nan)


@wrong("counts the last edge in the last bucket, as np.histogram does")
def plain_histogram(lengths, correct, edges):
    total, hits = np.histogram(lengths, edges)[0], np.histogram(lengths[correct], edges)[0]
    return np.where(total > 0, hits / np.maximum(total, 1), np.nan)


@wrong("gives an empty bucket the accuracy 0")
def nan_to_num(lengths, correct, edges):
    return np.nan_to_num(mean_or(correct, inside_of(lengths, edges), np.nan))


@wrong("gives an empty bucket the accuracy 0")
def at_least_one_member(lengths, correct, edges):
    return np.array([correct[i].sum() / max(i.sum(), 1) for i in inside_of(lengths, edges)])


@wrong("gives an empty bucket the accuracy 1")
def innocent_until_proven_guilty(lengths, correct, edges):
    return mean_or(correct, inside_of(lengths, edges), 1.0)


@wrong("leaves out empty buckets")
def only_what_exists(lengths, correct, edges):
    return np.array([correct[i].mean() for i in inside_of(lengths, edges) if i.any()])


@wrong("divides by the number of all answers")
def share_of_everything(lengths, correct, edges):
    return np.array([(correct & i).mean() for i in inside_of(lengths, edges)])


@wrong("counts the correct answers instead of dividing")
def counts(lengths, correct, edges):
    return np.array([float(correct[i].sum()) for i in inside_of(lengths, edges)])


@wrong("gives the share of wrong answers")
def error_rate(lengths, correct, edges):
    return 1 - mean_or(correct, inside_of(lengths, edges), np.nan)


@wrong("returns percent")
def percent(lengths, correct, edges):
    return 100.0 * mean_or(correct, inside_of(lengths, edges), np.nan)


@wrong("ignores the lower edge: each bucket holds all shorter lengths too")
def cumulative(lengths, correct, edges):
    return mean_or(correct, [lengths < b for b in edges[1:]], np.nan)


@wrong("puts lengths outside all buckets into the first and the last one")
def clipped(lengths, correct, edges):
    where = np.clip(np.digitize(lengths, edges) - 1, 0, len(edges) - 2)
    return mean_or(correct, [where == k for k in range(len(edges) - 1)], np.nan)


@wrong("puts lengths above the last edge into the last bucket")
def open_at_the_top(lengths, correct, edges):
    upper = [*edges[1:-1], np.inf]
    return mean_or(correct, [(a <= lengths) & (lengths < b) for a, b in zip(edges, upper, strict=False)], np.nan)


@wrong("puts lengths below the first edge into the first bucket")
def open_at_the_bottom(lengths, correct, edges):
    where = np.maximum(np.searchsorted(edges, lengths, side="right") - 1, 0)
    return mean_or(correct, [where == k for k in range(len(edges) - 1)], np.nan)


@wrong("lets lengths below the first edge wrap around into the last bucket")
def negative_index(lengths, correct, edges):
    hits, total = np.zeros(len(edges) - 1), np.zeros(len(edges) - 1)
    for length, hit in zip(lengths, correct, strict=True):
        k = np.searchsorted(edges, length, side="right") - 1
        if k < len(total):
            hits[k] += hit
            total[k] += 1
    return hits / total


@wrong("is off by one bucket: np.digitize and np.searchsorted count from 1 here")
def digitize_counts_from_one(lengths, correct, edges):
    where = np.digitize(lengths, edges)
    return mean_or(correct, [where == k for k in range(len(edges) - 1)], np.nan)


@wrong("returns one number per edge, one too many")
def one_bucket_per_edge(lengths, correct, edges):
    where = np.searchsorted(edges, lengths, side="right") - 1
    return mean_or(correct, [where == k for k in range(len(edges))], np.nan)


@wrong("makes buckets of equal width between the first and the last edge")
def equal_widths(lengths, correct, edges):
    return mean_or(correct, inside_of(lengths, np.linspace(edges.min(), edges.max(), edges.size)), np.nan)


@wrong("returns a list or tuple instead of a NumPy float64 array")
def a_list(lengths, correct, edges):
    return mean_or(correct, inside_of(lengths, edges), np.nan).tolist()


@wrong("does not keep the dtype of its inputs")
def single_precision(lengths, correct, edges):
    return mean_or(correct, inside_of(lengths, edges), np.nan).astype(np.float32)


@wrong("returns nothing")
def prints(lengths, correct, edges):
    print(mean_or(correct, inside_of(lengths, edges), np.nan))


@wrong("changes its input lengths in place")
def shifts_in_place(lengths, correct, edges):
    lengths -= edges[0]
    return mean_or(correct, inside_of(lengths, edges - edges[0]), np.nan)


@wrong("changes its input edges in place")
def opens_the_last_bin_in_place(lengths, correct, edges):
    edges[-1] -= 1
    total, hits = np.zeros(len(edges) - 1), np.zeros(len(edges) - 1)
    for k in range(len(total)):
        inside = (edges[k] <= lengths) & (lengths < edges[k + 1] + (k == len(total) - 1))
        total[k], hits[k] = inside.sum(), correct[inside].sum()
    return hits / total


@wrong("touches the global random generator")
def bootstrap(lengths, correct, edges):
    order = np.random.permutation(len(lengths))
    return mean_or(correct[order], inside_of(lengths[order], edges), np.nan)


@wrong("gives another result the second time it is called")
def accumulates(lengths, correct, edges, seen={}):  # noqa: B006 - a mutable default is the mistake
    key = edges.tobytes()
    old_lengths, old_correct = seen.get(key, (lengths[:0], correct[:0]))
    seen[key] = np.append(old_lengths, lengths + 1), np.append(old_correct, ~correct)
    return mean_or(np.append(old_correct, correct), inside_of(np.append(old_lengths, lengths), edges), np.nan)


@wrong("is right except when K = 1")
def squeezes_a_single_bucket(lengths, correct, edges):
    shares = mean_or(correct, inside_of(lengths, edges), np.nan)
    return shares if len(shares) > 1 else np.array(shares[0])


@wrong(None, why="the median of a row of booleans is 0, ½ or 1; no report knows that one")
def median(lengths, correct, edges):
    return np.array([np.median(correct[i].astype(float)) if i.any() else np.nan for i in inside_of(lengths, edges)])


@wrong("gives NaN where no answer is correct")
def only_buckets_with_a_hit(lengths, correct, edges):
    return np.array([correct[i].mean() if (correct & i).any() else np.nan for i in inside_of(lengths, edges)])


@wrong("takes the mean over the lengths of a bucket, whatever the number of answers of each length")
def mean_of_means(lengths, correct, edges):
    shares = []
    for i in inside_of(lengths, edges):
        of_length = [correct[lengths == n].mean() for n in set(lengths[i].tolist())]
        shares.append(sum(of_length) / len(of_length) if of_length else np.nan)
    return np.array(shares)


@wrong("searches the edges among lengths that are not sorted")
def forgets_to_sort(lengths, correct, edges):
    cut = np.searchsorted(lengths, edges)
    return np.array([correct[a:b].mean() if b > a else np.nan for a, b in pairwise(cut)])


@wrong("sorts the lengths but not the answers that belong to them")
def sorts_one_of_two(lengths, correct, edges):
    cut = np.searchsorted(np.sort(lengths), edges)
    return np.array([correct[a:b].mean() if b > a else np.nan for a, b in pairwise(cut)])


@wrong("lists the buckets from the last to the first")
def inserted_in_front(lengths, correct, edges):
    shares = []
    for i in inside_of(lengths, edges):
        shares.insert(0, correct[i].mean() if i.any() else np.nan)
    return np.array(shares)


@wrong("counts every length once, however many answers have it")
def through_a_dictionary(lengths, correct, edges):
    known = {}
    for length, hit in zip(lengths.tolist(), correct.tolist(), strict=True):
        known.setdefault(length, hit)
    return loop_over_the_buckets(np.array(list(known)), np.array(list(known.values())), edges)


def narrow(dtype):
    def casts(lengths, correct, edges):
        return loop_over_the_buckets(lengths.astype(dtype), correct, edges.astype(dtype))

    return wrong("squeezes the lengths into a dtype that does not hold them all")(casts)


int8, uint8, int16, float32 = map(narrow, ("int8", "uint8", "int16", "float32"))


@wrong("squeezes the lengths into a dtype that does not hold them all")
def table_of_65536(lengths, correct, edges):
    return loop_over_the_buckets(lengths % 65536, correct, edges % 65536)


def small_sum(dtype):
    def sums(lengths, correct, edges):
        return np.array(
            [correct[i].sum(dtype=dtype) / i.sum() if i.any() else np.nan for i in inside_of(lengths, edges)]
        )

    return wrong("counts in a dtype that overflows when a bucket holds many answers")(sums)


sum_in_int8, sum_in_uint8 = map(small_sum, ("int8", "uint8"))
