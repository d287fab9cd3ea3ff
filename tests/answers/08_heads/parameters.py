"""Right and wrong answers to heads.parameters."""

import numpy as np
import torch
from answers import right, wrong


def head_size(d_model, heads, d_head):
    """The size of a head; the error, right."""
    if d_head is not None:
        return d_head
    if d_model % heads:
        raise ValueError(f"heads={heads} does not divide d_model={d_model}")
    return d_model // heads


# --- right, in different styles


@right
def one_expression(d_model, heads, d_head=None, bias=False):
    if d_head is None:
        if d_model % heads:
            raise ValueError(f"{heads} heads do not divide {d_model}")
        d_head = d_model // heads
    inner = heads * d_head
    return 4 * d_model * inner + (3 * inner + d_model if bias else 0)


@right
def layer_by_layer(d_model, heads, d_head=None, bias=False):
    inner = heads * head_size(d_model, heads, d_head)
    layers = {"q": (d_model, inner), "k": (d_model, inner), "v": (d_model, inner), "o": (inner, d_model)}
    total = 0
    for into, out in layers.values():
        total += into * out
        if bias:
            total += out
    return total


@right
def head_by_head(d_model, heads, d_head=None, bias=False):
    size = head_size(d_model, heads, d_head)
    total = d_model if bias else 0
    for _ in range(heads):
        total += 3 * (d_model * size + (size if bias else 0)) + size * d_model
    return total


@right
def modules_without_memory(d_model, heads, d_head=None, bias=False):
    """Counts the parameters of real layers, which hold no memory on the meta device."""
    inner = heads * head_size(d_model, heads, d_head)
    ways = [(d_model, inner)] * 3 + [(inner, d_model)]
    layers = [torch.nn.Linear(a, b, bias=bias, device="meta") for a, b in ways]
    return sum(p.numel() for layer in layers for p in layer.parameters())


@right
def inputs_plus_one(d_model, heads, d_head=None, bias=False):
    """A bias is the weight of one more input that is always 1."""
    inner, one = heads * head_size(d_model, heads, d_head), int(bias)
    return 3 * (d_model + one) * inner + (inner + one) * d_model


@right
def divmod_and_a_conditional(d_model, heads, d_head=None, bias=False):
    size, rest = divmod(d_model, heads)
    if d_head is None and rest:
        raise ValueError(f"d_model={d_model} leaves {rest} over for heads={heads}")
    width = (size if d_head is None else d_head) * heads
    return sum([d_model * width * 4, bias * 3 * width, bias * d_model])


@right
def shapes_in_a_list(d_model, heads, d_head=None, bias=False):
    width = heads * head_size(d_model, heads, d_head)
    shapes = [(d_model, width)] * 3 + [(width, d_model)]
    shapes += [(width, 1)] * 3 + [(d_model, 1)] if bias else []
    return sum(rows * columns for rows, columns in shapes)


@right
def error_from_a_loop(d_model, heads, d_head=None, bias=False):
    """Without `%`: counts up until the heads fill the width."""
    if d_head is None:
        d_head = d_model // heads
        if d_head * heads < d_model:
            raise ValueError("heads must divide d_model")
    return heads * d_head * (4 * d_model + 3 * int(bias)) + int(bias) * d_model


# --- wrong, the way learners write it


@wrong("leaves out the output projection")
def three_matrices(d_model, heads, d_head=None, bias=False):
    inner = heads * head_size(d_model, heads, d_head)
    return 3 * (d_model + (1 if bias else 0)) * inner


@wrong("denies the output projection to a single head, which then has a quarter less")
def the_thirty_three_percent(d_model, heads, d_head=None, bias=False):
    inner = heads * head_size(d_model, heads, d_head)
    total = 3 * d_model * inner + 3 * inner * bias
    if heads > 1:
        total += inner * d_model + d_model * bias
    return total


@wrong("counts an output projection of d_model × d_model, whatever the head size is")
def square_output(d_model, heads, d_head=None, bias=False):
    inner = heads * head_size(d_model, heads, d_head)
    total = 3 * d_model * inner + d_model * d_model
    return total + 3 * inner + d_model if bias else total


@wrong("ignores d_head: 4 · d_model²")
def four_d_squared(d_model, heads, d_head=None, bias=False):
    head_size(d_model, heads, d_head)
    return 4 * d_model * d_model + (4 * d_model if bias else 0)


@wrong("gives every head matrices of the full width: heads times as many")
def full_width_heads(d_model, heads, d_head=None, bias=False):
    head_size(d_model, heads, d_head)
    return sum(4 * d_model**2 + 4 * d_model * bias for _ in range(heads))


@wrong("counts one head only")
def one_head(d_model, heads, d_head=None, bias=False):
    size = head_size(d_model, heads, d_head)
    return 4 * d_model * size + (3 * size + d_model) * bias


@wrong("counts the queries, keys and values of one head only")
def one_head_in_all_out(d_model, heads, d_head=None, bias=False):
    size = head_size(d_model, heads, d_head)
    return d_model * size * (3 + heads) + (3 * size + d_model if bias else 0)


@wrong("ignores the biases")
def no_bias(d_model, heads, d_head=None, bias=False):
    return 4 * d_model * heads * head_size(d_model, heads, d_head)


@wrong("always counts biases")
def bias_always(d_model, heads, d_head=None, bias=False):
    inner = heads * head_size(d_model, heads, d_head)
    return 4 * d_model * inner + 3 * inner + d_model


@wrong("takes `bias` the wrong way round")
def bias_inverted(d_model, heads, d_head=None, bias=False):
    return one_expression(d_model, heads, d_head, not bias)


@wrong("counts four biases of d_model entries, whatever the head size is")
def biases_of_the_model(d_model, heads, d_head=None, bias=False):
    inner = heads * head_size(d_model, heads, d_head)
    return 4 * d_model * (inner + (1 if bias else 0))


@wrong("counts four biases of heads · d_head entries")
def biases_of_the_heads(d_model, heads, d_head=None, bias=False):
    inner = heads * head_size(d_model, heads, d_head)
    return 4 * (d_model + bias) * inner


@wrong("counts the biases of the inputs, not that of the output")
def no_output_bias(d_model, heads, d_head=None, bias=False):
    inner = heads * head_size(d_model, heads, d_head)
    return 4 * d_model * inner + bias * 3 * inner


@wrong("counts a bias of the queries, keys and values for one head only")
def bias_of_one_head(d_model, heads, d_head=None, bias=False):
    size = head_size(d_model, heads, d_head)
    return 4 * d_model * heads * size + (3 * size + d_model if bias else 0)


@wrong("counts a single number as the bias of each layer")
def one_number_per_layer(d_model, heads, d_head=None, bias=False):
    return 4 * (d_model * heads * head_size(d_model, heads, d_head) + bias)


@wrong("takes d_head for the width of all heads together")
def d_head_is_the_width(d_model, heads, d_head=None, bias=False):
    width = heads * head_size(d_model, heads, None) if d_head is None else d_head
    return 4 * d_model * width + (3 * width + d_model) * bias


@wrong("counts matrices of heads · d_head on both sides")
def inner_squared(d_model, heads, d_head=None, bias=False):
    inner = heads * head_size(d_model, heads, d_head)
    return 4 * inner * inner + (3 * inner + d_model if bias else 0)


@wrong("refuses heads that do not divide d_model although d_head is given")
def checks_too_early(d_model, heads, d_head=None, bias=False):
    if d_model % heads:
        raise ValueError("heads must divide d_model")
    return one_expression(d_model, heads, d_head, bias)


@wrong("replaces the given head size by d_model/heads where that is whole")
def default_wins(d_model, heads, d_head=None, bias=False):
    if d_model % heads == 0:
        d_head = d_model // heads
    return one_expression(d_model, heads, d_head, bias)


@wrong("shares the keys and values of all heads, as multi-query attention does")
def multi_query(d_model, heads, d_head=None, bias=False):
    size = head_size(d_model, heads, d_head)
    layers = [(d_model, heads * size), (d_model, size), (d_model, size), (heads * size, d_model)]
    return sum(a * b + bias * b for a, b in layers)


@wrong("counts the feed-forward layer of the block too")
def whole_block(d_model, heads, d_head=None, bias=False):
    attention = one_expression(d_model, heads, d_head, bias)
    wide = 4 * d_model
    return attention + 2 * d_model * wide + (wide + d_model if bias else 0)


@wrong("returns a float instead of an int")
def true_division(d_model, heads, d_head=None, bias=False):
    size = head_size(d_model, heads, d_head)
    total = 4 * d_model * heads * size + (3 * heads * size + d_model if bias else 0)
    return total / 1


@wrong("computes with floats, which are exact only up to 2**53")
def through_floats(d_model, heads, d_head=None, bias=False):
    size = head_size(d_model, heads, d_head)
    return int(4.0 * d_model * heads * size) + bias * (3 * heads * size + d_model)


@wrong("computes with floats, which are exact only up to 2**53")
def through_numpy_float64(d_model, heads, d_head=None, bias=False):
    size = head_size(d_model, heads, d_head)
    weights = np.prod(np.array([4, d_model, heads, size], dtype=np.float64))
    return int(weights + bias * (3 * heads * size + d_model))


@wrong("does not raise the error that the task asks for")
def rounds_down(d_model, heads, d_head=None, bias=False):
    d_head = d_model // heads if d_head is None else d_head
    return one_expression(d_model, heads, d_head, bias)


@wrong("does not raise the error that the task asks for")
def rounds_to_the_nearest(d_model, heads, d_head=None, bias=False):
    d_head = round(d_model / heads) if d_head is None else d_head
    return one_expression(d_model, heads, d_head, bias)


@wrong("does not raise the error that the task asks for")
def no_need_to_divide(d_model, heads, d_head=None, bias=False):
    """4 d² whatever heads is: right by luck, but there is no such model."""
    inner = d_model if d_head is None else heads * d_head
    return 4 * d_model * inner + (3 * inner + d_model) * bias


@wrong("does not raise the error that the task asks for")
def an_assertion(d_model, heads, d_head=None, bias=False):
    assert d_head is not None or d_model % heads == 0, "heads"
    return one_expression(d_model, heads, d_head, bias)


@wrong("does not raise the error that the task asks for")
def refuses_only_more_heads_than_channels(d_model, heads, d_head=None, bias=False):
    if d_head is None:
        if heads > d_model:
            raise ValueError("more heads than channels")
        d_head = d_model // heads
    return one_expression(d_model, heads, d_head, bias)


@wrong("does not raise the error that the task asks for")
def returns_none_for_what_is_impossible(d_model, heads, d_head=None, bias=False):
    if d_head is None and d_model % heads:
        return None
    return one_expression(d_model, heads, d_head, bias)


@wrong("returns nothing")
def prints(d_model, heads, d_head=None, bias=False):
    print(one_expression(d_model, heads, d_head, bias))


@wrong("is right except when heads = 1")
def single_head_has_no_biases(d_model, heads, d_head=None, bias=False):
    if heads == 1:
        return one_expression(d_model, heads, d_head, False) + (d_model if bias else 0) + 1
    return one_expression(d_model, heads, d_head, bias)


@wrong("gives another result the second time it is called")
def adds_up_all_calls(*arguments, total=[0]):  # noqa: B006 - a mutable default is the mistake
    total[0] += one_expression(*arguments)
    return total[0]


@wrong("returns a bool instead of an int")
def is_it_four_d_squared(d_model, heads, d_head=None, bias=False):
    return one_expression(d_model, heads, d_head, bias) == 4 * d_model**2


@wrong("is right on ordinary inputs, but not for: counts beyond 53 bits")
def in_single_precision(d_model, heads, d_head=None, bias=False):
    return int(np.float32(one_expression(d_model, heads, d_head, bias)))


@wrong("is right on ordinary inputs, but not for: a head size of its own, with heads that do divide d_model")
def a_head_of_one_channel_counts_as_not_given(d_model, heads, d_head=None, bias=False):
    given = d_head != 1 or d_model % heads
    return one_expression(d_model, heads, d_head if given else None, bias)
