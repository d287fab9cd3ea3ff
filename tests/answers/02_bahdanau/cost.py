"""Right and wrong answers to bahdanau.cost."""

import numpy as np
import torch
from answers import right, wrong

# --- right, in different styles


@right
def one_expression(n, m, d_s, d_h, d_a, cached):
    return d_a * (d_s + d_h + 1), m * d_a * (d_s + n) + (1 if cached else m) * n * d_a * d_h


@right
def step_by_step(n, m, d_s, d_h, d_a, cached):
    parameters = d_a * d_s + d_a * d_h + d_a
    total = n * d_a * d_h if cached else 0
    for _ in range(m):
        total += d_a * d_s
        total += n * d_a
        if not cached:
            total += n * d_a * d_h
    return parameters, total


@right
def two_branches(n, m, d_s, d_h, d_a, cached):
    per_step = d_a * d_s + n * d_a
    if cached:
        return sum([d_a * d_s, d_a * d_h, d_a]), n * d_a * d_h + m * per_step
    return sum([d_a * d_s, d_a * d_h, d_a]), m * (per_step + n * d_a * d_h)


@right
def shapes_of_tensors(n, m, d_s, d_h, d_a, cached):
    """Counts the parameters of real tensors, which hold no memory on the meta device."""
    shapes = [(d_a, d_s), (d_a, d_h), (d_a,)]
    parameters = sum(torch.empty(shape, device="meta").numel() for shape in shapes)
    projections = int(cached) + (1 - int(cached)) * m
    return [parameters, d_a * (m * d_s + m * n + projections * n * d_h)]


@right
def a_product_of_vectors(n, m, d_s, d_h, d_a, cached):
    times = [m, 1 if cached else m, m]
    work = [d_a * d_s, n * d_a * d_h, n * d_a]
    return d_a * (1 + d_h + d_s), sum(a * b for a, b in zip(times, work, strict=True))


# --- wrong, the way learners write it


@wrong("ignores the cache: projects the annotations at every step")
def never_cached(n, m, d_s, d_h, d_a, cached):
    return d_a * (d_s + d_h + 1), m * d_a * (d_s + n * d_h + n)


@wrong("counts the projection once even without a cache")
def always_cached(n, m, d_s, d_h, d_a, cached):
    return d_a * (d_s + d_h + 1), d_a * (m * d_s + n * d_h + m * n)


@wrong("takes the cache the wrong way round")
def inverted(n, m, d_s, d_h, d_a, cached):
    return one_expression(n, m, d_s, d_h, d_a, not cached)


@wrong("counts a cached projection as free")
def free(n, m, d_s, d_h, d_a, cached):
    return d_a * (d_s + d_h + 1), m * (d_a * d_s + n * d_a + (0 if cached else n * d_a * d_h))


@wrong("counts one decoder step instead of m")
def one_step(n, m, d_s, d_h, d_a, cached):
    return d_a * (d_s + d_h + 1), d_a * d_s + n * d_a * d_h + n * d_a


@wrong("forgets v_a among the parameters")
def matrices_only(n, m, d_s, d_h, d_a, cached):
    return d_a * d_s + d_a * d_h, one_expression(n, m, d_s, d_h, d_a, cached)[1]


@wrong("counts biases, which the score does not have here")
def with_a_bias(n, m, d_s, d_h, d_a, cached):
    return d_a * (d_s + d_h) + 2 * d_a, one_expression(n, m, d_s, d_h, d_a, cached)[1]


@wrong("counts a bias for each of the two matrices")
def linear_layers_as_they_come(n, m, d_s, d_h, d_a, cached):
    layers = torch.nn.Linear(d_s, d_a, device="meta"), torch.nn.Linear(d_h, d_a, device="meta")
    parameters = sum(p.numel() for layer in layers for p in layer.parameters()) + d_a
    return parameters, one_expression(n, m, d_s, d_h, d_a, cached)[1]


@wrong("counts v_a as a single parameter")
def v_is_a_number(n, m, d_s, d_h, d_a, cached):
    return d_a * (d_s + d_h) + 1, one_expression(n, m, d_s, d_h, d_a, cached)[1]


@wrong("forgets the products with v_a")
def v_is_free(n, m, d_s, d_h, d_a, cached):
    return d_a * (d_s + d_h + 1), m * d_a * d_s + (1 if cached else m) * n * d_a * d_h


@wrong("forgets the projection of the state")
def query_is_free(n, m, d_s, d_h, d_a, cached):
    return d_a * (d_s + d_h + 1), n * d_a * (m + (1 if cached else m) * d_h)


@wrong("projects the state anew for every source position")
def query_per_position(n, m, d_s, d_h, d_a, cached):
    return d_a * (d_s + d_h + 1), n * d_a * (m * d_s + m + (1 if cached else m) * d_h)


@wrong("projects the state only once")
def query_once(n, m, d_s, d_h, d_a, cached):
    return d_a * (d_s + d_h + 1), d_a * d_s + n * d_a * m + n * d_a * d_h * (1 if cached else m)


@wrong("counts the context too, which is not part of the scores")
def with_the_context(n, m, d_s, d_h, d_a, cached):
    parameters, scores = one_expression(n, m, d_s, d_h, d_a, cached)
    return parameters, scores + m * n * d_h


@wrong("counts multiplications and additions separately")
def flops(n, m, d_s, d_h, d_a, cached):
    parameters, scores = one_expression(n, m, d_s, d_h, d_a, cached)
    return parameters, 2 * scores


@wrong("exchanges n and m")
def source_and_target_mixed_up(n, m, d_s, d_h, d_a, cached):
    return d_a * (d_s + d_h + 1), n * (d_a * d_s + m * d_a) + (1 if cached else n) * m * d_a * d_h


@wrong("exchanges d_s and d_h")
def sizes_mixed_up(n, m, d_s, d_h, d_a, cached):
    return d_a * (d_s + d_h + 1), m * (d_a * d_h + n * d_a) + (1 if cached else m) * n * d_a * d_s


@wrong("counts a dot product: n·d_s per step and no parameters")
def dot_product(n, m, d_s, d_h, d_a, cached):
    return 0, n * d_s * m


@wrong("returns the multiply-adds first and the parameters second")
def swapped(n, m, d_s, d_h, d_a, cached):
    return one_expression(n, m, d_s, d_h, d_a, cached)[::-1]


@wrong("computes with integers of 32 bits, which wrap around")
def thirty_two_bits(n, m, d_s, d_h, d_a, cached):
    with np.errstate(over="ignore"):
        n, m, d_s, d_h, d_a = (np.int32(x) for x in (n, m, d_s, d_h, d_a))
        parameters, total = one_expression(n, m, d_s, d_h, d_a, cached)
    return int(parameters), int(total)


@wrong("returns floats, which are exact only up to 2**53")
def floats(n, m, d_s, d_h, d_a, cached):
    return tuple(float(x) for x in one_expression(n, m, d_s, d_h, d_a, cached))


@wrong("returns nothing")
def prints(n, m, d_s, d_h, d_a, cached):
    print(one_expression(n, m, d_s, d_h, d_a, cached))


@wrong("is right except when d_s = d_h")
def saves_a_matrix(n, m, d_s, d_h, d_a, cached):
    parameters, total = one_expression(n, m, d_s, d_h, d_a, cached)
    return parameters - (d_a * d_h if d_s == d_h else 0), total


FLOATS = "computes with floats, which are exact only up to 2**53"
ONLY_HUGE = "is right on ordinary inputs, but not for: counts beyond 63 bits, with the cache, counts beyond 63 bits, without the cache"


@wrong(FLOATS)
def floats_made_whole(n, m, d_s, d_h, d_a, cached):
    return tuple(int(float(x)) for x in one_expression(n, m, d_s, d_h, d_a, cached))


@wrong(FLOATS)
def float_arithmetic(n, m, d_s, d_h, d_a, cached):
    f = float
    parameters, total = one_expression(f(n), f(m), f(d_s), f(d_h), f(d_a), cached)
    return int(parameters), round(total)


@wrong("computes with integers of 64 bits, which wrap around")
def sixty_four_bits(n, m, d_s, d_h, d_a, cached):
    with np.errstate(over="ignore"):
        return one_expression(*(np.int64(x) for x in (n, m, d_s, d_h, d_a)), cached)


@wrong("computes with integers of 64 bits, which wrap around")
def array_of_int64(n, m, d_s, d_h, d_a, cached):
    products = np.array([[d_a, d_s, m], [n, d_a, m], [n * d_a, d_h, 1 if cached else m]]).prod(1)
    return d_a * (d_s + d_h + 1), int(products.sum())


@wrong("is right on ordinary inputs, but not for: counts beyond …")
def parameters_of_31_bits(n, m, d_s, d_h, d_a, cached):
    parameters, total = one_expression(n, m, d_s, d_h, d_a, cached)
    return parameters & 0x7FFFFFFF, total


@wrong(ONLY_HUGE)
def total_of_52_bits(n, m, d_s, d_h, d_a, cached):
    parameters, total = one_expression(n, m, d_s, d_h, d_a, cached)
    return parameters, total & ((1 << 52) - 1)


@wrong("counts the tanh as multiply-adds")
def tanh_counted(n, m, d_s, d_h, d_a, cached):
    return d_a * (d_s + d_h + 1), d_a * (m * d_s + 2 * m * n + (1 if cached else m) * n * d_h)


@wrong("counts the softmax as multiply-adds")
def softmax_counted(n, m, d_s, d_h, d_a, cached):
    parameters, total = one_expression(n, m, d_s, d_h, d_a, cached)
    return parameters, total + m * n


@wrong("returns the average of a step instead of the sum over all m")
def average_step(n, m, d_s, d_h, d_a, cached):
    parameters, total = one_expression(n, m, d_s, d_h, d_a, cached)
    return parameters, total / m


@wrong("returns the average of a step instead of the sum over all m")
def average_step_as_a_whole_number(n, m, d_s, d_h, d_a, cached):
    parameters, total = one_expression(n, m, d_s, d_h, d_a, cached)
    return parameters, total // m
