"""The soft look-up, against a Python dictionary, decimal arithmetic and torch, from the lowest temperature to the highest."""

import math
from decimal import Decimal, localcontext

import numpy as np
import pytest
import torch
from oracle import DIGITS, FULL_KINDS, HALF_KINDS, as_float64, assert_close, decimals, make, message_of

from attn_core import scaled_dot_product_attention, soft_lookup

TEMPERATURES = [1e-30, 1e-12, 0.3, 1.0, 7.0, 1e6]


def random_input(batch, n, m, d, d_v, kind, seed=0):
    """Query, keys and values; the mean of the values is not 0."""
    generator = np.random.default_rng(seed)
    return tuple(make(generator.normal(size=(*batch, *s)) + 0.5, kind) for s in [(n, d), (m, d), (m, d_v)])


def whole_numbers(kind, batch=(2,), n=4, m=9, d=2, seed=1):
    """Query, keys and values whose dot products are exact, with many ties."""
    generator = np.random.default_rng(seed)
    return (make(generator.integers(-2, 3, (*batch, *s)), kind) for s in [(n, d), (m, d), (m, 3)])


def exact_lookup(query, keys, values, temperature):
    """The same in decimal arithmetic with 80 digits, rounded to float64."""
    with localcontext(prec=DIGITS):
        scores = decimals(query) @ np.swapaxes(decimals(keys), -1, -2) / Decimal(temperature)
        gaps = scores - scores.max(-1, keepdims=True)
        exponentials = np.vectorize(lambda gap: gap.exp(), otypes=[object])(np.maximum(gaps, Decimal(-2000)))
        return (exponentials @ decimals(values) / exponentials.sum(-1)[..., None]).astype(np.float64)


def torch_lookup(query, keys, values, temperature):
    """torch's own attention with the inverse temperature as its scale."""
    arrays = [torch.as_tensor(array) for array in (query, keys, values)]
    return torch.nn.functional.scaled_dot_product_attention(*arrays, scale=1 / temperature)


@pytest.mark.parametrize("kind", FULL_KINDS)
def test_low_temperature_is_a_dictionary(kind):
    """With one-hot keys and a temperature near 0 every word reads what a Python dictionary has under it, exactly."""
    table = {"un": 1.0, "deux": 2.0, "trois": 3.0, "quatre": 4.0}
    words = ["trois", "un", "quatre", "trois"]
    one_hot = dict(zip(table, np.eye(4), strict=True))
    query, keys = make([one_hot[w] for w in words], kind), make(list(one_hot.values()), kind)
    out = soft_lookup(query, keys, make([[v] for v in table.values()], kind), 1e-30)
    assert out.dtype == keys.dtype
    assert as_float64(out)[:, 0].tolist() == [table[w] for w in words]


@pytest.mark.parametrize("kind", FULL_KINDS)
@pytest.mark.parametrize("temperature", [1e-30, 1.0, 1e6])
def test_keys_that_tie_for_the_best_share(kind, temperature):
    """A query that fits three keys equally well reads the mean of their values, at every temperature."""
    keys = make([[1.0, 0.0], [-9e6, -9e6], [0.0, 1.0], [0.5, 0.5]], kind)
    out = soft_lookup(make([[3.0, 3.0]], kind), keys, make([[1.0], [500.0], [2.0], [6.0]], kind), temperature)
    assert_close(out, [[3.0]], make([[3.0]], kind))


@pytest.mark.parametrize("kind", FULL_KINDS)
@pytest.mark.parametrize("size", [1.0, 2.0**15])
def test_near_ties_are_no_ties(kind, size):
    """A gap of a millionth of the score decides alone, when the temperature is lower still."""
    keys = make([[1.0, 0.0], [1.0, -(2.0**-19)]], kind)
    out = soft_lookup(make([[4.0, 1.0]], kind) * size, keys * size, make([[5.0], [7.0]], kind), 1e-30)
    assert as_float64(out).tolist() == [[5.0]]


@pytest.mark.parametrize("kind", FULL_KINDS)
def test_two_by_two_by_hand(kind):
    """Scores ln 3 and 0 give 3/4 and 1/4; at twice the temperature √3 : 1."""
    query, keys = make([[math.log(3)]], kind), make([[1.0], [0.0]], kind)
    values = make([[4.0, 0.0], [8.0, 2.0]], kind)
    assert_close(soft_lookup(query, keys, values, 1.0), [[5.0, 0.5]], make([[5.0, 0.5]], kind))
    share = math.sqrt(3) / (1 + math.sqrt(3))
    expected = [[8.0 - 4.0 * share, 2.0 - 2.0 * share]]
    assert_close(soft_lookup(query, keys, values, 2.0), expected, make(expected, kind))


@pytest.mark.parametrize("kind", FULL_KINDS)
def test_high_temperature_is_the_mean(kind):
    """An infinite temperature, and any that dwarfs the scores, reads the mean of all values."""
    query, keys, values = random_input((2,), 3, 5, 4, 2, kind)
    mean = np.repeat(as_float64(values).mean(-2, keepdims=True), 3, axis=-2)
    for temperature in (math.inf, 3e38):
        assert_close(soft_lookup(query, keys, values, temperature), mean, make(mean, kind), scale=4.0)


@pytest.mark.parametrize("kind", FULL_KINDS)
@pytest.mark.parametrize("batch", [(), (2,), (2, 1, 3)])
@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_any_shape_and_temperature(kind, batch, temperature):
    """Equal to decimal arithmetic, with n other than m and d_v other than d; whole numbers have no rounding in a score."""
    query, keys, values = whole_numbers(kind, batch)
    exact = exact_lookup(query, keys, values, temperature)
    assert_close(soft_lookup(query, keys, values, temperature), exact, make(exact, kind), scale=4.0)


@pytest.mark.parametrize("kind", FULL_KINDS)
@pytest.mark.parametrize("power", [-49, -20, 15, 30])
def test_only_the_ratio_of_scores_to_temperature_matters(kind, power):
    """Query and keys times 2^p and the temperature times 4^p change nothing, down to 1e-30 and up to 1e18."""
    query, keys, values = whole_numbers(kind)
    plain = soft_lookup(query, keys, values, 1.25)
    scaled = soft_lookup(query * 2.0**power, keys * 2.0**power, values, 1.25 * 4.0**power)
    assert as_float64(scaled).tolist() == as_float64(plain).tolist()


@pytest.mark.parametrize("kind", ["torch float32", "torch float64"])
@pytest.mark.parametrize("temperature", [0.2, 1.0, 5.0])
def test_against_torch(kind, temperature):
    """torch's scaled_dot_product_attention with scale = 1/τ, values and gradients."""
    inputs = [tensor.requires_grad_() for tensor in random_input((2,), 3, 5, 4, 2, kind)]
    wide = [tensor.detach().double().requires_grad_() for tensor in inputs]
    results = [
        (out, *torch.autograd.grad(out.square().sum(), leaves))
        for out, leaves in (
            (soft_lookup(*inputs, temperature), inputs),
            (torch_lookup(*wide, temperature), wide),
            (torch_lookup(*inputs, temperature), inputs),
        )
    ]
    for ours, exact, peer in zip(*results, strict=True):
        assert_close(ours, exact, peer, scale=20.0 / temperature)


def test_gradients_survive_a_low_temperature():
    """At 1e-30 the winner takes all: the values get its gradient, and nothing is NaN."""
    query, keys, values = (tensor.requires_grad_() for tensor in random_input((), 2, 4, 3, 2, "torch float32"))
    gradients = torch.autograd.grad(soft_lookup(query, keys, values, 1e-30).sum(), (query, keys, values))
    assert all(torch.isfinite(gradient).all() for gradient in gradients)
    assert gradients[2].sum() == 4


@pytest.mark.parametrize("kind", FULL_KINDS)
def test_root_d_is_attention(kind):
    """At the temperature √d it is scaled dot-product attention."""
    query, keys, values = random_input((2,), 3, 5, 4, 2, kind)
    peer = scaled_dot_product_attention(query, keys, values)[0]
    assert_close(soft_lookup(query, keys, values, 2.0), peer, peer)


@pytest.mark.parametrize("kind", HALF_KINDS)
def test_half_precision_is_kept(kind):
    """Half precision holds no 1e-30, yet looks up as at 1e-30; scores above 65504 are no trouble."""
    query, keys = make([[300.0, 300.0]], kind), make([[300.0, 0.0], [0.0, 300.0], [296.0, 0.0]], kind)
    out = soft_lookup(query, keys, make([[1.0], [2.0], [9.0]], kind), 1e-30)
    assert out.dtype == keys.dtype
    assert as_float64(out).tolist() == [[1.5]]


@pytest.mark.parametrize("kind", FULL_KINDS)
def test_no_entries(kind):
    """An empty dictionary gives zeros; no query gives no row."""
    query, keys, values = random_input((2,), 3, 5, 4, 2, kind)
    assert as_float64(soft_lookup(query, keys[:, :0], values[:, :0], 1.0)).tolist() == np.zeros((2, 3, 2)).tolist()
    assert tuple(soft_lookup(query[:, :0], keys, values, 1.0).shape) == (2, 0, 2)


def test_views_work_and_inputs_stay_as_they_are():
    """Transposed and strided inputs give what copies give, and nothing is written."""
    query, keys, values = (array.swapaxes(-1, -2)[:, ::2] for array in random_input((), 6, 6, 6, 6, "numpy float64"))
    before = [array.copy() for array in (query, keys, values)]
    assert soft_lookup(query, keys, values, 0.7).tolist() == soft_lookup(*before, 0.7).tolist()
    assert all((a == b).all() for a, b in zip(before, (query, keys, values), strict=True))


def test_nothing_is_made_on_another_device():
    """The meta device, which holds no data, works."""
    q = torch.zeros(2, 3, device="meta")
    assert soft_lookup(q, q, q, 1.0).device.type == "meta"


@pytest.mark.filterwarnings("error")
def test_low_temperatures_warn_of_nothing():
    """The quotient never overflows on the way."""
    query, keys, values = random_input((), 2, 4, 3, 2, "numpy float32")
    for temperature in (1.2e-38, 1e-30, 3e38, math.inf):
        assert np.isfinite(soft_lookup(1e4 * query, 1e4 * keys, values, temperature)).all()


def test_arguments_that_do_not_fit_are_named():
    """Keys against the query, values against the keys; a temperature that is 0, negative, NaN or too small."""
    query, keys, values = np.zeros((2, 4)), np.zeros((3, 4)), np.zeros((3, 5))
    assert message_of(ValueError, lambda: soft_lookup(query, keys[:, :2], values, 1.0)) == (
        "soft_lookup: keys has d=2 in shape (3, 2), but query has d=4 in shape (2, 4); "
        "d is the number of features of a token."
    )
    assert message_of(ValueError, lambda: soft_lookup(query, keys, values[:2], 1.0)) == (
        "soft_lookup: values has m=2 in shape (2, 5), but keys has m=3 in shape (3, 4); "
        "m is the number of keys, and of values."
    )
    for bad in (0.0, -1.0, math.nan):
        assert message_of(ValueError, lambda bad=bad: soft_lookup(query, keys, values, bad)) == (
            f"soft_lookup: temperature is {bad}, but it must be at least 2.23e-308, the smallest that float64 holds "
            "in full."
        )
    single = [array.astype(np.float32) for array in (query, keys, values)]
    assert message_of(ValueError, lambda: soft_lookup(*single, 1e-40)) == (
        "soft_lookup: temperature is 1e-40, but it must be at least 1.18e-38, the smallest that float32 holds in full."
    )
    assert message_of(TypeError, lambda: soft_lookup([[1.0]], keys, values, 1.0)) == (
        "soft_lookup: query is of type list, but it must be an array; numpy.asarray(...) or torch.as_tensor(...) makes one."
    )
