r"""Several small look-ups at once: each head attends with its own projection of the whole token, then all are mixed.

Formula
    head_h = attention(x_q W_q^h, x_kv W_k^h, x_kv W_v^h), where W^h are the columns h d_k … (h + 1) d_k − 1 of W
    out    = [head_0 ; … ; head_{heads−1}] W_o = Σ_h head_h W_o^h, where W_o^h are the same rows of W_o
    count  = 4 d heads d_head weights, and 3 heads d_head + d biases if there are any
Shapes
    x          (..., n, d) for split_heads; head h owns d_k = d/heads channels in a row, from channel h d_k on
    split      (..., heads, n, d_k)
    x          (..., heads, n, d_v) for merge_heads
    merged     (..., n, d), where d is heads times d_v
    x_q        (..., n, d)
    x_kv       (..., m, d); x_q again for self-attention
    W_q W_k W_v W_o    (d, d), used as x @ W; torch.nn.Linear keeps their transposes
    mask       boolean, broadcasts to (..., heads, n, m); one that is the same for all heads needs an axis: mask[:, None]
    out        (..., n, d)
    weights    (..., heads, n, m)
Cost
    2 (n + m) d² + 2 n m d multiply-adds per batch slot, whatever the number of heads; but heads n m exponentials, and as
    many weights that are kept for the backward pass. split_heads is a view; merge_heads copies.
Errors
    ValueError for heads that do not divide d, sizes below 1, and shapes that do not fit; TypeError for sizes that are no
    whole numbers, and for anything but floating arrays of one library and one dtype
Source
    Vaswani et al. 2017, Attention Is All You Need, section 3.2.2; head sizes that are free of d: Raffel et al. 2020,
    Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer, section 2.1
"""

from operator import index

from attn_core.attention import scaled_dot_product_attention
from attn_core.conventions import Array, check_arguments, shape_error


def split_heads(x: Array, heads: int) -> Array:
    """Head h gets d/heads channels in a row of every token: no number is changed, and no token meets another.

    >>> import numpy as np
    >>> split_heads(np.array([[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]]), heads=2)
    array([[[1., 2.],
            [5., 6.]],
    <BLANKLINE>
           [[3., 4.],
            [7., 8.]]])
    """
    xp = check_arguments("split_heads", x=(x, "... n d"))
    *batch, n, d = x.shape
    d_k = _head_size("split_heads", "d", d, heads)
    # first (n, heads, d_k), which is how the numbers lie in memory; only then may heads and tokens change places
    return xp.moveaxis(xp.reshape(x, (*batch, n, heads, d_k)), -2, -3)


def merge_heads(x: Array) -> Array:
    """The inverse of split_heads: the heads of a token one behind the other."""
    xp = check_arguments("merge_heads", x=(x, "... heads n d_v"))
    *batch, heads, n, d_v = x.shape
    return xp.reshape(xp.moveaxis(x, -3, -2), (*batch, n, heads * d_v))


def multi_head_attention(
    x_q: Array,
    x_kv: Array,
    W_q: Array,
    W_k: Array,
    W_v: Array,
    W_o: Array,
    heads: int,
    mask: Array | None = None,
) -> tuple[Array, Array]:
    """Output and weights of every head; where a head may attend to nothing, it adds nothing to the output."""
    function = "multi_head_attention"
    projections = {"W_q": W_q, "W_k": W_k, "W_v": W_v, "W_o": W_o}
    inputs = {"x_q": (x_q, "... n d"), "x_kv": (x_kv, "... m d")}
    xp = check_arguments(function, **inputs, **{name: (W, "") for name, W in projections.items()})
    d = x_q.shape[-1]
    for name, W in projections.items():
        if tuple(W.shape) != (d, d):
            reason = "d is the number of features of a token"
            raise shape_error(function, name, f"it must be (d, d) = ({d}, {d})", f"shape {tuple(W.shape)}", reason)
    _head_size(function, "d", d, heads)
    # each head projects the whole token: what is split is the product, never x
    q, k, v = (split_heads(xp.matmul(x, W), heads) for x, W in ((x_q, W_q), (x_kv, W_k), (x_kv, W_v)))
    context, weights = scaled_dot_product_attention(q, k, v, mask)  # scaled by √d_k, d_k being the size of one head
    return xp.matmul(merge_heads(context), W_o), weights


def parameter_count(d_model: int, heads: int, d_head: int | None = None, bias: bool = False) -> int:
    """Entries of the four projections; without `d_head` the heads share d_model, and their number drops out.

    >>> parameter_count(512, 8), parameter_count(512, 1), parameter_count(512, 8, d_head=128)
    (1048576, 1048576, 2097152)
    """
    d_model, heads = (_positive("parameter_count", *pair) for pair in (("d_model", d_model), ("heads", heads)))
    if d_head is None:
        d_head = _head_size("parameter_count", "d_model", d_model, heads)
    inner = heads * _positive("parameter_count", "d_head", d_head)  # the width of all heads together
    return 4 * d_model * inner + (3 * inner + d_model if bias else 0)


def _head_size(function: str, name: str, d: int, heads: int) -> int:
    if d % _positive(function, "heads", heads):
        raise ValueError(
            f"{function}: heads={heads} does not divide {name}={d}, so the heads cannot share its channels evenly; "
            "choose a divisor."
        )
    return d // heads


def _positive(function: str, argument: str, value: int) -> int:
    try:
        number = index(value)
    except TypeError:
        kind = type(value).__name__
        raise TypeError(f"{function}: {argument} is of type {kind}, but it must be a whole number.") from None
    if number < 1:
        raise ValueError(f"{function}: {argument} is {number}, but it must be 1 or more.")
    return number
