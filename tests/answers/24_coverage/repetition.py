"""Right and wrong answers to coverage.repetition."""

from collections import Counter
from fractions import Fraction
from itertools import pairwise

import numpy as np
from answers import right, wrong

# --- right, in different styles


@right
def set_of_tuples(tokens, n):
    grams = [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


@right
def counter(tokens, n):
    counts = Counter(zip(*(tokens[i:] for i in range(n)), strict=False))
    total = sum(counts.values())
    return sum(k - 1 for k in counts.values()) / total if total else 0.0


@right
def looks_back_each_time(tokens, n):
    last = len(tokens) - n
    if last < 0:
        return 0.0
    repeats = 0
    for i in range(last + 1):
        for j in range(i):
            if tokens[j : j + n] == tokens[i : i + n]:
                repeats += 1
                break
    return repeats / (last + 1)


@right
def a_set_that_grows(tokens, n):
    seen, repeats, total = set(), 0, 0
    for gram in zip(*[tokens[i:] for i in range(n)], strict=False):
        repeats += gram in seen
        seen.add(gram)
        total += 1
    return repeats / max(total, 1)


@right
def numpy_unique(tokens, n):
    m = len(tokens) - n + 1
    if m <= 0:
        return 0.0
    windows = np.lib.stride_tricks.sliding_window_view(np.array(tokens), n)
    return float(1 - len(np.unique(windows, axis=0)) / m)


@right
def joined_with_commas(tokens, n):
    grams = [",".join(str(t) for t in tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
    return (len(grams) - len(dict.fromkeys(grams))) / len(grams) if grams else 0.0


@right
def fraction_then_float(tokens, n):
    grams = [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
    return float(Fraction(len(grams) - len(set(grams)), len(grams))) if len(tokens) >= n else 0.0


@right
def int_where_nothing(tokens, n):
    grams = [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
    return 1 - len(set(grams)) / len(grams) if grams else 0


# --- wrong, the way learners write it


@wrong("cuts the text into pieces that do not overlap")
def pieces(tokens, n):
    grams = [tuple(tokens[i : i + n]) for i in range(0, len(tokens) - n + 1, n)]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


@wrong("returns the share of different n-grams")
def distinct_n(tokens, n):
    grams = [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
    return len(set(grams)) / len(grams) if grams else 0.0


@wrong("counts the first occurrence as a repetition too")
def count_above_one(tokens, n):
    grams = [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
    return sum(grams.count(g) > 1 for g in grams) / len(grams) if grams else 0.0


@wrong("counts how many different n-grams are repeated, not how often")
def kinds_of_repetition(tokens, n):
    grams = [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
    return len({g for g in grams if grams.count(g) > 1}) / len(grams) if grams else 0.0


@wrong("returns the share of the different n-grams that are repeated")
def types_of_types(tokens, n):
    grams = [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
    kinds = set(grams)
    return sum(grams.count(g) > 1 for g in kinds) / len(kinds) if kinds else 0.0


@wrong("divides by the number of different n-grams")
def over_types(tokens, n):
    grams = [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
    return len(grams) / len(set(grams)) - 1 if grams else 0.0


@wrong("divides by the number of tokens")
def over_tokens(tokens, n):
    grams = [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
    return (len(grams) - len(set(grams))) / len(tokens) if tokens else 0.0


@wrong("divides by the number of tokens")
def short_pieces_at_the_end(tokens, n):
    grams = [tuple(tokens[i : i + n]) for i in range(len(tokens))]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


@wrong("misses the last n-gram")
def off_by_one(tokens, n):
    grams = [tuple(tokens[i : i + n]) for i in range(len(tokens) - n)]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


@wrong("reads on at the beginning when the end is reached")
def circular(tokens, n):
    m = len(tokens)
    if m < n:
        return 0.0
    grams = [tuple(tokens[(i + j) % m] for j in range(n)) for i in range(m)]
    return 1 - len(set(grams)) / m


@wrong("ignores the order within an n-gram")
def bags(tokens, n):
    grams = [frozenset(Counter(tokens[i : i + n]).items()) for i in range(len(tokens) - n + 1)]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


@wrong("compares each n-gram with the one just before it only")
def stutters(tokens, n):
    grams = [tokens[i : i + n] for i in range(len(tokens) - n + 1)]
    return sum(grams[i] == grams[i - 1] for i in range(1, len(grams))) / len(grams) if grams else 0.0


@wrong("accepts only an earlier occurrence that does not overlap")
def apart(tokens, n):
    m = len(tokens) - n + 1
    if m <= 0:
        return 0.0
    return sum(any(tokens[j : j + n] == tokens[i : i + n] for j in range(i - n + 1)) for i in range(m)) / m


@wrong("returns the number of repetitions instead of their share")
def number(tokens, n):
    grams = [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
    return float(len(grams) - len(set(grams)))


@wrong("returns percent")
def percent(tokens, n):
    grams = [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
    return 100 * (1 - len(set(grams)) / len(grams)) if grams else 0.0


@wrong("looks at single tokens whatever n is")
def words_only(tokens, n):
    return 1 - len(set(tokens)) / len(tokens) if tokens else 0.0


@wrong("looks at bigrams whatever n is")
def pairs_only(tokens, n):
    grams = list(pairwise(tokens))
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


@wrong("returns 1 where there is no n-gram")
def one_minus_nothing(tokens, n):
    grams = [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
    return 1 - len(set(grams)) / max(len(grams), 1)


@wrong("divides by zero where there is no n-gram")
def no_guard(tokens, n):
    grams = [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
    return 1 - len(set(grams)) / len(grams)


@wrong("gives NaN where there is no n-gram")
def numpy_mean_of_nothing(tokens, n):
    seen, again = set(), []
    for i in range(len(tokens) - n + 1):
        gram = tuple(tokens[i : i + n])
        again.append(gram in seen)
        seen.add(gram)
    return float(np.mean(again))


@wrong("joins the numbers without a sign between them")
def digits_run_together(tokens, n):
    grams = ["".join(str(t) for t in tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


@wrong("rounds the share to a whole number")
def floor_division(tokens, n):
    grams = [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
    return float((len(grams) - len(set(grams))) // len(grams)) if grams else 0.0


@wrong("changes its input tokens in place")
def eats_its_input(tokens, n):
    seen, repeats, total = set(), 0, 0
    while len(tokens) >= n:
        gram = tuple(tokens[:n])
        repeats += gram in seen
        seen.add(gram)
        total += 1
        tokens.pop(0)
    return repeats / total if total else 0.0


@wrong("gives another result the second time it is called")
def one_set_for_all_texts(tokens, n, seen=set()):  # noqa: B006 - a mutable default is the mistake
    grams = [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
    repeats = 0
    for gram in grams:
        repeats += gram in seen
        seen.add(gram)
    return repeats / len(grams) if grams else 0.0


@wrong("returns nothing")
def prints(tokens, n):
    grams = [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
    print(1 - len(set(grams)) / max(1, len(grams)))


@wrong("returns a Fraction instead of a float")
def exact_fraction(tokens, n):
    grams = [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
    return Fraction(len(grams) - len(set(grams)), max(1, len(grams)))


LARGE = "is right on ordinary inputs, but not for: token ids up to 50,000"
LONG = "is right on ordinary inputs, but not for: a long text that comes back to its beginning…"


def rate(grams):
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def packed(base):
    """Each n-gram as one number, which is unique only for tokens from 0 to base − 1."""

    def of(tokens, n):
        return rate([sum(x * base**k for k, x in enumerate(tokens[i : i + n])) for i in range(len(tokens) - n + 1)])

    return of


base_31 = wrong("is right on ordinary inputs, but not for: …")(packed(31))
base_100 = wrong(LARGE)(packed(100))
base_256 = wrong(LARGE)(packed(256))
base_1000 = wrong(LARGE)(packed(1000))


@wrong(LARGE)
def base_1000_first_token_first(tokens, n):
    keys = []
    for i in range(len(tokens) - n + 1):
        key = 0
        for x in tokens[i : i + n]:
            key = key * 1000 + x
        keys.append(key)
    return rate(keys)


@wrong(LARGE)
def ids_below_1000(tokens, n):
    return rate([tuple(x % 1000 for x in tokens[i : i + n]) for i in range(len(tokens) - n + 1)])


@wrong(LARGE)
def eight_bits(tokens, n):
    small = np.array(tokens, dtype=np.int64).astype(np.int8).tolist()
    return rate([tuple(small[i : i + n]) for i in range(len(tokens) - n + 1)])


@wrong("compares the hashes of the n-grams instead of the n-grams")
def hashes(tokens, n):
    return rate([hash(tuple(tokens[i : i + n])) for i in range(len(tokens) - n + 1)])


@wrong("is right on ordinary inputs, but not for: five or six tokens in an n-gram")
def at_most_four_tokens(tokens, n):
    k = min(n, 4)
    return rate([tuple(tokens[i : i + k]) for i in range(len(tokens) - k + 1)]) if len(tokens) >= n else 0.0


def looks_back(width):
    def of(tokens, n):
        grams = [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
        return sum(g in grams[max(0, i - width) : i] for i, g in enumerate(grams)) / len(grams) if grams else 0.0

    return of


looks_back_sixteen = wrong(LONG)(looks_back(16))
looks_back_twenty = wrong(LONG)(looks_back(20))


@wrong(LONG)
def the_first_25(tokens, n):
    return rate([tuple(tokens[i : i + n]) for i in range(min(25, len(tokens) - n + 1))])


@wrong("counts the shorter n-grams as well")
def all_orders(tokens, n):
    return rate([tuple(tokens[i : i + k]) for k in range(1, n + 1) for i in range(len(tokens) - k + 1)])


@wrong("looks at the last n-gram only")
def is_the_last_one_old(tokens, n):
    last = tokens[len(tokens) - n :]
    return float(any(tokens[i : i + n] == last for i in range(len(tokens) - n)))


@wrong("drops token 0 as if it were padding")
def without_padding(tokens, n):
    real = [t for t in tokens if t != 0]
    return rate([tuple(real[i : i + n]) for i in range(len(real) - n + 1)])


@wrong("loses precision: its float64 results are only as good as float32")
def single_precision(tokens, n):
    return float(np.float32(rate([tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)])))
