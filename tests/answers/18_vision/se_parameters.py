"""Right and wrong answers to vision.se_parameters."""

from fractions import Fraction

import numpy as np
import torch
from answers import right, wrong

# --- right, in different styles


@right
def loop(stages, r):
    total = 0
    for channels, blocks in stages:
        if channels % r != 0:
            raise ValueError(f"r={r} does not divide {channels} channels")
        total += blocks * 2 * channels * (channels // r)
    return total


@right
def checks_first(stages, r):
    if any(C % r for C, _ in stages):
        raise ValueError("C/r must be whole")
    return sum(2 * n * C**2 // r for C, n in stages)


@right
def divmod_and_nothing_said(stages, r):
    total = 0
    for C, n in stages:
        hidden, rest = divmod(C, r)
        if rest:
            raise ValueError
        total += n * (hidden * C + C * hidden)
    return total


@right
def exact_fractions(stages, r):
    for C, _ in stages:
        if Fraction(C, r).denominator != 1:
            raise ValueError("a reduction that leaves a remainder")
    return int(sum(Fraction(2 * C * C * n, r) for C, n in stages))


@right
def recursion(stages, r):
    if not stages:
        return 0
    (C, n), *others = stages
    if C // r * r != C:
        raise ValueError("not divisible: " + str(C))
    return 2 * n * C * (C // r) + recursion(others, r)


@right
def numpy_with_python_integers(stages, r):
    table = np.array(stages, dtype=object)
    C, n = table[:, 0], table[:, 1]
    if (C % r != 0).any():
        raise ValueError(f"{r} does not divide {C}")
    return int((n * C * (C // r)).sum() * 2)


@right
def shapes_of_tensors(stages, r):
    """Counts the entries of real matrices, which hold no memory on the meta device."""
    total = 0
    for C, n in stages:
        if C % r:
            raise ValueError(f"{C} channels cannot be reduced by {r}")
        W_1, W_2 = torch.empty(C // r, C, device="meta"), torch.empty(C, C // r, device="meta")
        total += n * (W_1.numel() + W_2.numel())
    return total


@right
def block_by_block(stages, r):
    def block(C):
        if C % r:
            raise ValueError("no whole number of hidden units")
        return 2 * C * C // r

    return sum(block(C) for C, blocks in stages for _ in range(blocks))


# --- wrong, the way learners write it


def _refuse(stages, r):
    if any(C % r for C, _ in stages):
        raise ValueError(f"r={r} does not divide all channels")


@wrong("counts one of the two matrices")
def one_matrix(stages, r):
    _refuse(stages, r)
    return sum(n * C * (C // r) for C, n in stages)


@wrong("counts each stage once instead of each block")
def forgot_the_blocks(stages, r):
    _refuse(stages, r)
    return sum(2 * C * C // r for C, _ in stages)


@wrong("counts the biases too")
def with_biases(stages, r):
    _refuse(stages, r)
    layers = [(torch.nn.Linear(C, C // r, device="meta"), n) for C, n in stages]
    layers += [(torch.nn.Linear(C // r, C, device="meta"), n) for C, n in stages]
    return sum(n * sum(p.numel() for p in layer.parameters()) for layer, n in layers)


@wrong("counts the biases of the wide layer")
def one_bias(stages, r):
    _refuse(stages, r)
    return sum(n * (2 * C * C // r + C) for C, n in stages)


@wrong("counts the biases of the narrow layer")
def other_bias(stages, r):
    _refuse(stages, r)
    return sum(n * (C // r) * (2 * C + 1) for C, n in stages)


@wrong("divides by r twice")
def reduced_twice(stages, r):
    _refuse(stages, r)
    return sum(n * 2 * (C // r) * (C // r) for C, n in stages)


@wrong("does not divide by r: counts full matrices")
def no_reduction(stages, r):
    _refuse(stages, r)
    return sum(n * 2 * C * C for C, n in stages)


@wrong("multiplies by r instead of dividing")
def expansion(stages, r):
    _refuse(stages, r)
    return sum(2 * n * C * (C * r) for C, n in stages)


@wrong("forgets the square: 2C/r")
def no_square(stages, r):
    _refuse(stages, r)
    return sum(2 * n * (C // r) for C, n in stages)


@wrong("adds the sizes of the matrices instead of multiplying")
def sides(stages, r):
    _refuse(stages, r)
    return sum(n * (C + C // r + C // r + C) for C, n in stages)


@wrong("squares the number of blocks")
def blocks_squared(stages, r):
    _refuse(stages, r)
    return sum(2 * (n * C) ** 2 // r for C, n in stages)


@wrong("exchanges channels and blocks")
def unpacked_the_wrong_way(stages, r):
    _refuse(stages, r)
    return sum(C * 2 * n * n // r for C, n in stages)


@wrong("doubles the result")
def counted_twice(stages, r):
    _refuse(stages, r)
    return sum(2 * n * (C * (C // r) + (C // r) * C) for C, n in stages)


@wrong("counts the last stage only")
def assigns_instead_of_adding(stages, r):
    _refuse(stages, r)
    total = 0
    for C, n in stages:
        total = 2 * n * C * C // r
    return total


@wrong("counts the first stage only")
def returns_in_the_loop(stages, r):
    _refuse(stages, r)
    for C, n in stages:
        return 2 * n * C * C // r
    return 0


@wrong("leaves out the last stage")
def one_short(stages, r):
    _refuse(stages, r)
    return sum(2 * stages[i][1] * stages[i][0] ** 2 // r for i in range(len(stages) - 1))


@wrong("counts stages that are alike only once")
def a_set_of_results(stages, r):
    _refuse(stages, r)
    return sum(2 * n * C * C // r for C, n in {*stages})


@wrong("keeps one entry per width: a later stage of the same width replaces the earlier one")
def a_dictionary(stages, r):
    _refuse(stages, r)
    blocks_of = dict(stages)
    return sum(2 * n * C * C // r for C, n in blocks_of.items())


@wrong("adds up the channels first and squares the sum")
def square_of_the_sum(stages, r):
    _refuse(stages, r)
    total = sum(n * C for C, n in stages)
    return 2 * total * total // r


@wrong("multiplies the number of all blocks by the squares of all widths")
def two_sums(stages, r):
    _refuse(stages, r)
    return 2 * sum(n for _, n in stages) * sum(C * C for C, _ in stages) // r


@wrong("returns the count of each stage instead of their sum")
def per_stage(stages, r):
    _refuse(stages, r)
    return [2 * n * C * C // r for C, n in stages]


@wrong("returns a float, which is exact only up to 2**53")
def true_division(stages, r):
    _refuse(stages, r)
    return sum(n * 2 * C * C / r for C, n in stages)


@wrong("computes with floats, which are exact only up to 2**53")
def true_division_and_int(stages, r):
    _refuse(stages, r)
    return int(2 / r * sum(n * C**2 for C, n in stages))


@wrong("computes with integers of 64 bits, which wrap around")
def numpy_integers(stages, r):
    _refuse(stages, r)
    table = np.array(stages, dtype=np.int64)
    return int((2 * table[:, 1] * table[:, 0] * (table[:, 0] // r)).sum())


@wrong("computes with integers of 32 bits, which wrap around")
def small_integers(stages, r):
    _refuse(stages, r)
    total = sum(2 * n * C * (C // r) for C, n in stages)
    return (total + 2**31) % 2**32 - 2**31


@wrong("counts the 98 weights of a spatial gate as well")
def as_cbam(stages, r):
    _refuse(stages, r)
    return sum(n * (2 * C * C // r + 2 * 7 * 7) for C, n in stages)


# --- wrong about the error


@wrong("does not raise the error that the task asks for")
def floors_in_silence(stages, r):
    return sum(n * 2 * C * (C // r) for C, n in stages)


@wrong("does not raise the error that the task asks for")
def at_least_one_unit(stages, r):
    return sum(n * 2 * C * max(1, C // r) for C, n in stages)


@wrong("does not raise the error that the task asks for")
def checks_the_square(stages, r):
    if any(C * C % r for C, _ in stages):
        raise ValueError("not whole")
    return sum(n * 2 * C * C // r for C, n in stages)


@wrong("does not raise the error that the task asks for")
def checks_the_result(stages, r):
    twice = sum(2 * n * C * C for C, n in stages)
    if twice % r:
        raise ValueError("not whole")
    return twice // r


@wrong("does not raise the error that the task asks for")
def checks_the_first_stage(stages, r):
    if stages[0][0] % r:
        raise ValueError("not whole")
    return sum(n * 2 * C * C // r for C, n in stages)


@wrong("does not raise the error that the task asks for")
def checks_the_last_stage(stages, r):
    total = 0
    for C, n in stages:
        total += n * 2 * C * C // r
    if C % r:
        raise ValueError("not whole")
    return total


@wrong("does not raise the error that the task asks for")
def asserts(stages, r):
    assert all(C % r == 0 for C, _ in stages), "not whole"
    return sum(n * 2 * C * C // r for C, n in stages)


@wrong("does not raise the error that the task asks for")
def skips_what_does_not_fit(stages, r):
    return sum(n * 2 * C * C // r for C, n in stages if C % r == 0)


@wrong("does not raise the error that the task asks for")
def only_reductions_that_are_too_large(stages, r):
    if any(r > C for C, _ in stages):
        raise ValueError("r is larger than C")
    return sum(n * 2 * C * C // r for C, n in stages)


@wrong("raises where a single hidden unit, or no reduction, is left")
def wants_two_units(stages, r):
    if any(C % r or C // r == 1 for C, _ in stages):
        raise ValueError("not whole")
    return sum(n * 2 * C * C // r for C, n in stages)


@wrong("returns nothing")
def printed(stages, r):
    _refuse(stages, r)
    print(sum(n * 2 * C * C // r for C, n in stages))
