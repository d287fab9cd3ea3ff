"""Right and wrong answers to graphs.is_static."""

from functools import cmp_to_key
from itertools import combinations, pairwise

import numpy as np
from answers import right, wrong


def fits(scores, order):
    """Does no row fall along this order?"""
    ranked = scores[:, order]
    return bool((ranked[:, :-1] <= ranked[:, 1:]).all())


# --- right, in different styles


@right
def no_pair_in_both_directions(scores):
    better = (scores[:, :, None] > scores[:, None, :]).any(axis=0)
    return not (better & better.T).any()


@right
def loops_over_pairs_of_columns(scores):
    for j, k in combinations(range(len(scores)), 2):
        if (scores[:, j] > scores[:, k]).any() and (scores[:, j] < scores[:, k]).any():
            return False
    return True


@right
def loops_over_pairs_of_rows(scores):
    for one, other in combinations(scores, 2):
        for j, k in combinations(range(len(scores)), 2):
            if one[j] > one[k] and other[j] < other[k]:
                return False
            if one[j] < one[k] and other[j] > other[k]:
                return False
    return True


@right
def lexicographic_order(scores):
    return fits(scores, np.lexsort(scores))


@right
def columns_sorted_as_lists(scores):
    columns = sorted(scores.T.tolist())
    return all(a <= b for low, high in pairwise(columns) for a, b in zip(low, high, strict=True))


@right
def takes_the_worst_column_again_and_again(scores):
    left = list(range(len(scores)))
    while left:
        part = scores[:, left]
        worst = (part == part.min(axis=1, keepdims=True)).all(axis=0)
        if not worst.any():
            return False
        left = [j for j, gone in zip(left, worst, strict=True) if not gone]
    return True


@right
def acyclic_by_removing_sinks(scores):
    above = {j: set() for j in range(len(scores))}
    for row in scores:
        for j, k in np.argwhere(row[:, None] > row[None, :]):
            above[int(j)].add(int(k))
    while above:
        free = [j for j, below in above.items() if not below & above.keys()]
        if not free:
            return False
        for j in free:
            del above[j]
    return True


@right
def sum_of_ranks(scores):
    ranks = (scores[:, :, None] > scores[:, None, :]).sum(axis=2)
    return fits(scores, ranks.sum(axis=0).argsort())


@right
def signs_of_comparisons(scores):
    sign = np.greater(scores[:, :, None], scores[:, None]).astype(int) - np.less(scores[:, :, None], scores[:, None])
    return np.all((sign.max(0) < 1) | (sign.min(0) > -1))  # a numpy.bool_, which is a bool to everybody


@right
def one_column_dominates_of_every_two(scores):
    at_least = (scores[:, :, None] >= scores[:, None, :]).all(axis=0)
    return bool((at_least | at_least.T).all())


@right
def sorted_with_a_comparison(scores):
    def compare(j, k):
        return int((scores[:, j] > scores[:, k]).any()) - int((scores[:, j] < scores[:, k]).any())

    return fits(scores, sorted(range(len(scores)), key=cmp_to_key(compare)))


# --- wrong, the way learners write it


@wrong("compares the best column only")
def shares_the_top(scores):
    top = scores == scores.max(1, keepdims=True)
    return bool(top.all(0).any())


@wrong("compares the first best column only, and that of argmax")
def same_argmax(scores):
    return bool((scores.argmax(axis=1) == scores[0].argmax()).all())


@wrong("compares the best and the worst column only")
def best_and_worst(scores):
    top, bottom = scores == scores.max(1, keepdims=True), scores == scores.min(1, keepdims=True)
    return bool(top.all(0).any() and bottom.all(0).any())


@wrong("wants the same argsort in every row, which ties upset")
def same_argsort(scores):
    order = np.argsort(scores, axis=-1, kind="stable")
    return len({tuple(row) for row in order.tolist()}) == 1


@wrong("wants the same ties in every row")
def same_ranks(scores):
    ranks = np.array([[int((row < x).sum()) for x in row] for row in scores])
    return bool((ranks == ranks[:1]).all())


@wrong("tries the order of the first row only")
def order_of_the_first_row(scores):
    return fits(scores, np.argsort(scores[0], kind="stable"))


@wrong("tries the order of the last row only")
def order_of_the_last_row(scores):
    return fits(scores, np.argsort(scores[-1], kind="stable"))


@wrong("compares each row with the next one only")
def consecutive_rows(scores):
    return all(not ((one[:, None] > one) & (other[:, None] < other)).any() for one, other in pairwise(scores))


@wrong("compares each row with the first one only")
def first_row_as_the_yardstick(scores):
    first = scores[0][:, None] > scores[0][None, :]
    return not any((first & (row[:, None] < row[None, :])).any() for row in scores)


@wrong("compares each column with the one beside it only")
def neighbouring_columns(scores):
    steps = scores[:, 1:] > scores[:, :-1], scores[:, 1:] < scores[:, :-1]
    return not bool((steps[0].any(0) & steps[1].any(0)).any())


@wrong("leaves out the diagonal")
def without_itself(scores):
    V = len(scores)
    for j, k in combinations(range(V), 2):
        rows = [i for i in range(V) if i not in (j, k)]
        if (scores[rows, j] > scores[rows, k]).any() and (scores[rows, j] < scores[rows, k]).any():
            return False
    return True


@wrong("ranks the rows instead of the columns")
def transposed(scores):
    return no_pair_in_both_directions(scores.T)


@wrong("wants rows that differ by a constant")
def additive(scores):
    centred = scores - scores[:, :1]
    return bool(np.allclose(centred, centred[0]))


@wrong("wants all rows to be equal")
def equal_rows(scores):
    return bool((scores == scores[:1]).all())


@wrong("allows no ties")
def strictly_increasing(scores):
    ranked = scores[:, np.lexsort(scores)]
    return bool((np.diff(ranked, axis=1) > 0).all())


@wrong("takes scores that are close for equal")
def with_a_tolerance(scores):
    ranked = scores[:, np.lexsort(scores)]
    return bool((np.diff(ranked, axis=1) >= -1e-9).all())


@wrong("multiplies differences to see whether their signs differ: tiny ones vanish")
def product_of_differences(scores):
    for one, other in combinations(scores, 2):
        if ((one[:, None] - one) * (other[:, None] - other) < 0).any():
            return False
    return True


@wrong("ranks the columns by their mean, in which the last digit is lost")
def order_of_the_means(scores):
    return fits(scores, scores.mean(axis=0).argsort(kind="stable"))


@wrong("says True for dynamic attention")
def inverted(scores):
    return not no_pair_in_both_directions(scores)


@wrong("always says True")
def always_true(scores):
    return True


@wrong("says False except for a single node")
def hardly_ever(scores):
    return scores.size == 1


@wrong("returns as soon as the first pair of rows agrees")
def return_inside_the_loop(scores):
    for one, other in pairwise(scores):
        return not ((one[:, None] > one) & (other[:, None] < other)).any()
    return True


@wrong("returns a NumPy bool number instead of a bool")
def zero_dimensional_array(scores):
    return np.asarray(no_pair_in_both_directions(scores))


@wrong("returns an int instead of a bool")
def zero_or_one(scores):
    return int(no_pair_in_both_directions(scores))


@wrong("returns a str instead of a bool")
def in_words(scores):
    return "static" if no_pair_in_both_directions(scores) else "dynamic"


@wrong("returns a list or tuple instead of a bool")
def with_the_order(scores):
    return no_pair_in_both_directions(scores), np.lexsort(scores)


@wrong("changes its input scores in place")
def sorts_the_columns_in_place(scores):
    scores[:] = scores[:, np.lexsort(scores)]
    return bool((scores[:, :-1] <= scores[:, 1:]).all())


@wrong("returns nothing")
def prints(scores):
    print(no_pair_in_both_directions(scores))


@wrong("gives another result the second time it is called")
def every_other_call(scores, calls=[]):  # noqa: B006 - a mutable default is the mistake
    calls.append(1)
    return no_pair_in_both_directions(scores) if len(calls) < 140 else True


@wrong("loses precision: its float64 results are only as good as float32")
def rounded_to_float32(scores):
    return no_pair_in_both_directions(scores.astype(np.float32))


@wrong(
    "is right on ordinary inputs, but not for: scores that differ in their last digit, scores whose differences overflow"
)
def order_of_the_sums(scores):
    return fits(scores, sorted(range(len(scores)), key=lambda j: sum(scores[:, j].tolist())))


@wrong("is content if most rows agree")
def majority(scores):
    order = np.lexsort(scores)
    return sum(fits(row[None], order) for row in scores) * 2 > len(scores)
