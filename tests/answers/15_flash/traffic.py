"""Right and wrong answers to flash.traffic."""

import math
from fractions import Fraction

from answers import right, wrong

# --- right, in different styles


@right
def formula(n, d, sram, tiled):
    if not tiled:
        return 4 * n * d + 4 * n * n
    rows = min(-(-sram // (4 * d)), d)
    return 2 * n * d + 2 * n * d * -(-n // rows)


@right
def item_by_item(n, d, sram, tiled):
    if tiled:
        b_c = (sram + 4 * d - 1) // (4 * d)
        b_r = b_c if b_c < d else d
        passes = (n + b_r - 1) // b_r
        read_q = write_o = n * d
        read_k = read_v = n * d * passes
        return read_q + read_k + read_v + write_o
    read_q = read_k = read_v = write_o = n * d
    write_s = read_s = write_p = read_p = n * n
    return read_q + read_k + read_v + write_o + write_s + read_s + write_p + read_p


@right
def factored(n, d, sram, tiled):
    return (
        2 * n * d * (1 + math.ceil(Fraction(n, min(math.ceil(Fraction(sram, 4 * d)), d)))) if tiled else 4 * n * (d + n)
    )


@right
def divmod_everywhere(n, d, sram, tiled):
    def ceil(a, b):
        whole, rest = divmod(a, b)
        return whole + (rest > 0)

    blocks = ceil(n, min(ceil(sram, 4 * d), d))
    return 2 * n * d + 2 * n * d * blocks if tiled else 4 * n * d + 4 * n**2


@right
def by_counting_blocks(n, d, sram, tiled):
    if tiled:
        rows = min((sram - 1) // (4 * d) + 1, d)
        full, rest = n // rows, n % rows
        moved = full * (rows * d + 2 * n * d + rows * d)
        if rest:
            moved += rest * d + 2 * n * d + rest * d
        return moved
    return sum((3 * n * d, n * n, n * n, n * n, n * n, n * d))


@right
def a_table(n, d, sram, tiled):
    rows = min(math.ceil(sram / (4 * d)), d)
    counts = {False: {n * d: 4, n * n: 4}, True: {n * d: 2 + 2 * len(range(0, n, rows))}}
    if n == d and not tiled:
        return 8 * n * n
    return sum(size * times for size, times in counts[bool(tiled)].items())


# --- wrong, the way learners write it


def ceil(a, b):
    return -(-a // b)


@wrong("ignores `tiled`: gives the untiled count")
def never_tiled(n, d, sram, tiled):
    return 4 * n * d + 4 * n * n


@wrong("ignores `tiled`: gives the tiled count")
def always_tiled(n, d, sram, tiled):
    return 2 * n * d * (1 + ceil(n, min(ceil(sram, 4 * d), d)))


@wrong("takes `tiled` the wrong way round")
def inverted(n, d, sram, tiled):
    return 4 * n * (d + n) if tiled else 2 * n * d * (1 + ceil(n, min(ceil(sram, 4 * d), d)))


@wrong("does not count four passes over n × n: writing and reading the scores, writing and reading the weights")
def scores_only(n, d, sram, tiled):
    return 2 * n * d * (1 + ceil(n, min(ceil(sram, 4 * d), d))) if tiled else 4 * n * d + 2 * n * n


@wrong("does not count four passes over n × n: writing and reading the scores, writing and reading the weights")
def written_once(n, d, sram, tiled):
    return 2 * n * d * (1 + ceil(n, min(ceil(sram, 4 * d), d))) if tiled else 4 * n * d + n * n


@wrong("does not count four passes over n × n: writing and reading the scores, writing and reading the weights")
def scores_read_in_place(n, d, sram, tiled):
    return 2 * n * d * (1 + ceil(n, min(ceil(sram, 4 * d), d))) if tiled else 4 * n * d + 3 * n * n


@wrong("forgets some of Q, K, V and O when it does not tile")
def reads_only(n, d, sram, tiled):
    return 2 * n * d * (1 + ceil(n, min(ceil(sram, 4 * d), d))) if tiled else 3 * n * d + 4 * n * n


@wrong("forgets some of Q, K, V and O when it does not tile")
def squares_only(n, d, sram, tiled):
    return 2 * n * d * (1 + ceil(n, min(ceil(sram, 4 * d), d))) if tiled else 4 * n * n


@wrong("counts bytes instead of elements")
def bytes_of_float32(n, d, sram, tiled):
    return 4 * (2 * n * d * (1 + ceil(n, min(ceil(sram, 4 * d), d))) if tiled else 4 * n * d + 4 * n * n)


@wrong("counts bytes of 16-bit numbers instead of elements")
def bytes_of_half(n, d, sram, tiled):
    return 2 * (2 * n * d * (1 + ceil(n, min(ceil(sram, 4 * d), d))) if tiled else 4 * n * d + 4 * n * n)


@wrong("rounds the size of a block of keys down")
def floor_of_the_block(n, d, sram, tiled):
    return 2 * n * d * (1 + ceil(n, min(max(sram // (4 * d), 1), d))) if tiled else 4 * n * d + 4 * n * n


@wrong("rounds the size of a block of keys down, so that little memory gives blocks of no keys")
def division_by_zero(n, d, sram, tiled):
    return 2 * n * d * (1 + ceil(n, min(sram // (4 * d), d))) if tiled else 4 * n * d + 4 * n * n


@wrong("rounds the number of blocks of queries down")
def floor_of_the_blocks(n, d, sram, tiled):
    return 2 * n * d * (1 + n // min(ceil(sram, 4 * d), d)) if tiled else 4 * n * d + 4 * n * n


@wrong("adds a block where the last one is full")
def always_one_more(n, d, sram, tiled):
    return 2 * n * d * (2 + n // min(ceil(sram, 4 * d), d)) if tiled else 4 * n * d + 4 * n * n


@wrong("divides n by B_c: forgets that a block has d queries at most, or goes over blocks of keys on the outside")
def square_blocks(n, d, sram, tiled):
    return 2 * n * d * (1 + ceil(n, ceil(sram, 4 * d))) if tiled else 4 * n * d + 4 * n * n


@wrong("always takes blocks of d queries")
def d_queries(n, d, sram, tiled):
    return 2 * n * d * (1 + ceil(n, d)) if tiled else 4 * n * d + 4 * n * n


@wrong("takes the larger of B_c and d")
def maximum(n, d, sram, tiled):
    return 2 * n * d * (1 + ceil(n, max(ceil(sram, 4 * d), d))) if tiled else 4 * n * d + 4 * n * n


@wrong("shares the memory by d instead of 4d")
def all_memory_for_the_keys(n, d, sram, tiled):
    return 2 * n * d * (1 + ceil(n, min(ceil(sram, d), d))) if tiled else 4 * n * d + 4 * n * n


@wrong("forgets to count Q and O when it tiles")
def keys_and_values_only(n, d, sram, tiled):
    return 2 * n * d * ceil(n, min(ceil(sram, 4 * d), d)) if tiled else 4 * n * d + 4 * n * n


@wrong("reads only the keys in the inner loop, not the values")
def keys_only(n, d, sram, tiled):
    return n * d * (2 + ceil(n, min(ceil(sram, 4 * d), d))) if tiled else 4 * n * d + 4 * n * n


@wrong("reads keys and values once only, as if all of them fitted on the chip")
def everything_once(n, d, sram, tiled):
    return 4 * n * d if tiled else 4 * n * d + 4 * n * n


@wrong("divides n by B_c: forgets that a block has d queries at most, or goes over blocks of keys on the outside")
def outer_loop_over_keys(n, d, sram, tiled):
    return 2 * n * d + 2 * n * d * ceil(n, ceil(sram, 4 * d)) if tiled else 4 * n * d + 4 * n * n


@wrong("has the outer loop over the keys, and reads and writes the output each time")
def first_paper(n, d, sram, tiled):
    return 2 * n * d + 3 * n * d * ceil(n, ceil(sram, 4 * d)) if tiled else 4 * n * d + 4 * n * n


@wrong("moves Q and O once per block as well")
def everything_per_block(n, d, sram, tiled):
    return 4 * n * d * ceil(n, min(ceil(sram, 4 * d), d)) if tiled else 4 * n * d + 4 * n * n


@wrong("writes the n × n scores although it tiles")
def scores_are_kept(n, d, sram, tiled):
    return 2 * n * d * (1 + ceil(n, min(ceil(sram, 4 * d), d))) + 2 * n * n if tiled else 4 * n * d + 4 * n * n


@wrong("divides without rounding up")
def no_ceil(n, d, sram, tiled):
    return 2 * n * d * (1 + n / min(sram / (4 * d), d)) if tiled else 4 * n * d + 4 * n * n


@wrong("gives the order of growth, n²d²/sram, instead of the count")
def theta(n, d, sram, tiled):
    return n**2 * d**2 // sram if tiled else n * d + n**2


@wrong("computes with floats, which are exact only up to 2**53")
def through_a_float(n, d, sram, tiled):
    rows = min(math.ceil(sram / (4 * d)), d)
    return int(2.0 * n * d * (1 + math.ceil(n / rows))) if tiled else int(4.0 * n * (d + n))


@wrong("is right on ordinary inputs, but not for: counts beyond 53 bits, untiled")
def power_of_floats(n, d, sram, tiled):
    rows = min(math.ceil(sram / (4 * d)), d)
    return 2 * n * d * (1 + math.ceil(n / rows)) if tiled else 4 * n * d + 4 * int(math.pow(n, 2))
