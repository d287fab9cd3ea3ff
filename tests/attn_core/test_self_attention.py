"""Self-attention and its bilinear form, against torch's modules, loops in decimal-free Python and algebra."""

import math

import numpy as np
import pytest
import torch
from oracle import FULL_KINDS, HALF_KINDS, as_float64, assert_close, exact_attention, make, message_of

from attn_core import score_form, self_attention
from attn_core.scores import dot

SHAPES = [(1, 1, 1, 1), (3, 4, 2, 5), (5, 2, 6, 1), (4, 4, 4, 4)]  # n, d, d_k, d_v


def random_input(batch, n, d, d_k, d_v, kind, seed=0):
    """Tokens and three projections; the mean of the tokens is not 0."""
    generator = np.random.default_rng(seed)
    tokens = generator.normal(size=(*batch, n, d)) + 0.5
    return make(tokens, kind), *(make(generator.normal(size=(d, k)), kind) for k in (d_k, d_k, d_v))


def token_by_token(x, W_q, W_k, W_v):
    """The definition, one token and one number at a time, in Python floats."""
    x, W_q, W_k, W_v = (as_float64(array) for array in (x, W_q, W_k, W_v))
    out, weights = [], []
    for i in range(len(x)):
        q = [math.fsum(x[i, a] * W_q[a, c] for a in range(len(W_q))) for c in range(W_q.shape[1])]
        scores = []
        for j in range(len(x)):
            k = [math.fsum(x[j, a] * W_k[a, c] for a in range(len(W_k))) for c in range(W_k.shape[1])]
            scores.append(math.fsum(a * b for a, b in zip(q, k, strict=True)) / math.sqrt(len(q)))
        e = [math.exp(s - max(scores)) for s in scores]
        weights.append([value / math.fsum(e) for value in e])
        out.append(sum(w * (x[j] @ W_v) for j, w in enumerate(weights[-1])))
    return np.array(out), np.array(weights)


def torch_attention(x, W_q, W_k, W_v):
    """torch's fused attention of the three projections, and its weights by way of unit values."""
    x, W_q, W_k, W_v = (torch.as_tensor(array) for array in (x, W_q, W_k, W_v))
    unit = torch.eye(x.shape[-2], dtype=x.dtype).expand(*x.shape[:-1], x.shape[-2])
    fused = torch.nn.functional.scaled_dot_product_attention
    return fused(x @ W_q, x @ W_k, x @ W_v), fused(x @ W_q, x @ W_k, unit)


@pytest.mark.parametrize("kind", FULL_KINDS)
def test_two_tokens_by_hand(kind):
    """Tokens 0 and 1 with W_q = ln 3: scores 0, 0 and 0, ln 3; weights ½, ½ and ¼, ¾; values 0 and 8."""
    one = make([[1.0]], kind)
    out, weights = self_attention(make([[0.0], [1.0]], kind), make([[math.log(3)]], kind), one, 8 * one)
    assert_close(weights, [[0.5, 0.5], [0.25, 0.75]], make([[0.5, 0.5], [0.25, 0.75]], kind))
    assert_close(out, [[4.0], [6.0]], make([[4.0], [6.0]], kind))


@pytest.mark.parametrize("kind", FULL_KINDS)
def test_one_token_reads_itself(kind):
    """A sequence of one token returns its own value, whatever the scores."""
    x, W_q, W_k, W_v = random_input((2,), 1, 4, 3, 2, kind)
    out, weights = self_attention(x, 100 * W_q, W_k, W_v)
    assert as_float64(weights).tolist() == [[[1.0]], [[1.0]]]
    assert_close(out, as_float64(x) @ as_float64(W_v), x @ W_v)


@pytest.mark.parametrize("kind", FULL_KINDS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("batch", [(), (2,), (2, 1, 3)])
def test_any_shape(kind, shape, batch):
    """Equal to exact arithmetic from the projections on, for zero to three batch axes."""
    x, *W = random_input(batch, *shape, kind)
    wide = [as_float64(array) for array in (x, *W)]
    exacts = exact_attention(*(wide[0] @ matrix for matrix in wide[1:]))
    scale = 20.0 * np.abs(wide[0]).max() ** 2 * shape[1] ** 2
    for ours, exact, peer in zip(self_attention(x, *W), exacts, torch_attention(x, *W), strict=True):
        assert ours.dtype == x.dtype
        assert_close(ours, exact, peer.numpy() if isinstance(x, np.ndarray) else peer, scale=scale)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_matrix_form_is_the_loop_over_tokens(shape):
    """All rows at once give what the definition gives token by token."""
    inputs = random_input((), *shape, "numpy float64")
    for ours, loop in zip(self_attention(*inputs), token_by_token(*inputs), strict=True):
        np.testing.assert_allclose(ours, loop, atol=1e-12)


def test_torch_multihead_attention_with_one_head():
    """torch.nn.MultiheadAttention with one head, no bias and an identity behind it; its weights are stored transposed."""
    x, W_q, W_k, W_v = random_input((2,), 5, 4, 4, 4, "torch float64")
    module = torch.nn.MultiheadAttention(4, 1, bias=False, batch_first=True, dtype=torch.float64)
    with torch.no_grad():
        module.in_proj_weight.copy_(torch.cat([W_q.T, W_k.T, W_v.T]))
        module.out_proj.weight.copy_(torch.eye(4))
    for ours, theirs in zip(self_attention(x, W_q, W_k, W_v), module(x, x, x), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-12, rtol=0)


def test_a_permutation_of_the_tokens_permutes_everything():
    """Order-blind: shuffled tokens give shuffled outputs, and weights shuffled on both sides."""
    x, *W = random_input((), 5, 3, 2, 4, "numpy float64")
    order = np.array([3, 0, 4, 1, 2])
    (out, weights), (shuffled, theirs) = self_attention(x, *W), self_attention(x[order], *W)
    np.testing.assert_allclose(shuffled, out[order], atol=1e-12)
    np.testing.assert_allclose(theirs, weights[order][:, order], atol=1e-12)


def test_sequences_of_a_batch_do_not_see_each_other():
    """Each sequence gets what it gets alone."""
    x, *W = random_input((2, 3), 4, 3, 2, 5, "numpy float64")
    out, weights = self_attention(x, *W)
    for place in np.ndindex(2, 3):
        alone = self_attention(x[place], *W)
        np.testing.assert_allclose(out[place], alone[0], atol=1e-12)
        np.testing.assert_allclose(weights[place], alone[1], atol=1e-12)


def test_zero_queries_or_keys_give_the_mean():
    """Equal scores, from W_q = 0 or W_k = 0: every token reads the mean of all values."""
    x, W_q, W_k, W_v = random_input((), 4, 3, 2, 5, "numpy float64")
    for pair in ((0 * W_q, W_k), (W_q, 0 * W_k)):
        out, weights = self_attention(x, *pair, W_v)
        assert (weights == 0.25).all()
        np.testing.assert_allclose(out, np.tile((x @ W_v).mean(0), (4, 1)), atol=1e-12)


def test_values_do_not_enter_the_weights():
    """Another W_v changes the output and not one bit of the weights."""
    x, W_q, W_k, W_v = random_input((), 4, 3, 2, 5, "numpy float64")
    (out, weights), (other, same) = self_attention(x, W_q, W_k, W_v), self_attention(x, W_q, W_k, W_v + 1)
    assert (weights == same).all()
    assert (out != other).all()


@pytest.mark.parametrize("kind", FULL_KINDS)
def test_huge_scores(kind):
    """Scores of 1e30 neither overflow nor blur: the best token takes all, equal tokens share."""
    x, one = make([[1e15], [1e15], [-1e15]], kind), make([[1.0]], kind)
    _, weights = self_attention(x, one, one, one)
    assert as_float64(weights).tolist() == [[0.5, 0.5, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]


@pytest.mark.parametrize("kind", HALF_KINDS)
def test_half_precision_is_kept(kind):
    """Half precision stays half."""
    out, weights = self_attention(*random_input((2,), 3, 4, 5, 2, kind))
    assert out.dtype == weights.dtype == make([0.0], kind).dtype


def test_gradients_by_finite_differences():
    """Gradcheck in float64 of both outputs with respect to all four inputs, and of the form."""
    inputs = [tensor.requires_grad_() for tensor in random_input((2,), 3, 2, 4, 3, "torch float64")]
    assert torch.autograd.gradcheck(self_attention, inputs)
    assert torch.autograd.gradcheck(score_form, inputs[1:3])


@pytest.mark.parametrize("kind", FULL_KINDS)
def test_the_form_by_hand(kind):
    """A product of a column and a row: [1, 2] and [3, 4]."""
    form = score_form(make([[1.0], [2.0]], kind), make([[3.0], [4.0]], kind))
    assert as_float64(form).tolist() == [[3.0, 4.0], [6.0, 8.0]]
    assert form.dtype == make([0.0], kind).dtype


@pytest.mark.parametrize("shape", SHAPES)
def test_the_form_gives_the_scores(shape):
    """x_i M x_jᵀ is the dot product of query and key, for any tokens."""
    x, W_q, W_k, _ = random_input((3,), *shape, "numpy float64")
    np.testing.assert_allclose(x @ score_form(W_q, W_k) @ x.swapaxes(-1, -2), dot(x @ W_q, x @ W_k), atol=1e-12)


@pytest.mark.parametrize(("d", "d_k"), [(6, 1), (6, 3), (3, 6)])
def test_the_rank_of_the_form(d, d_k):
    """Random projections give the rank min(d, d_k), exactly."""
    _, W_q, W_k, _ = random_input((), 1, d, d_k, 1, "numpy float64")
    assert np.linalg.matrix_rank(score_form(W_q, W_k)) == min(d, d_k)


def test_a_shared_projection_makes_the_form_symmetric():
    """W_q = W_k gives M = Mᵀ without negative eigenvalues; exchanged projections give the transpose."""
    _, W_q, W_k, _ = random_input((), 1, 5, 3, 1, "numpy float64")
    shared = score_form(W_q, W_q)
    assert (shared == shared.T).all()
    assert np.linalg.eigvalsh(shared).min() > -1e-12
    assert (score_form(W_q, W_k) == score_form(W_k, W_q).T).all()
    assert not np.allclose(score_form(W_q, W_k), score_form(W_k, W_q))


def test_views_work_and_inputs_stay_as_they_are():
    """Transposed inputs give what copies give, and nothing is written."""
    inputs = [array.swapaxes(-1, -2) for array in random_input((), 4, 4, 4, 4, "numpy float64")]
    before = [array.copy() for array in inputs]
    for view, copy in zip(self_attention(*inputs), self_attention(*before), strict=True):
        np.testing.assert_allclose(view, copy, atol=1e-12)
    assert all((a == b).all() for a, b in zip(inputs, before, strict=True))


def test_other_devices_are_kept():
    """The meta device, which holds no data, works."""
    x, W = torch.zeros(2, 3, device="meta"), torch.zeros(3, 3, device="meta")
    out, weights = self_attention(x, W, W, W)
    assert out.device.type == weights.device.type == score_form(W, W).device.type == "meta"


def test_arguments_that_do_not_fit_are_named():
    """Each projection against the tokens, W_k against W_q."""
    x, W = np.zeros((2, 4)), np.zeros((4, 3))
    assert message_of(ValueError, lambda: self_attention(x, W.T, W, W)) == (
        "self_attention: W_q has d=3 in shape (3, 4), but x has d=4 in shape (2, 4); "
        "d is the number of features of a token; W_q may have been transposed by mistake."
    )
    assert message_of(ValueError, lambda: self_attention(x, W, W[:, :2], W)) == (
        "self_attention: W_k has d_k=2 in shape (4, 2), but W_q has d_k=3 in shape (4, 3); "
        "d_k is the number of features of a query and of a key."
    )
    assert message_of(ValueError, lambda: self_attention(x, W[None], W, W)) == (
        "self_attention: W_q has shape (1, 4, 3), but it must be (d, d_k); "
        "d is the number of features of a token, d_k is the number of features of a query and of a key."
    )
    assert message_of(ValueError, lambda: score_form(W, W[:2])) == (
        "score_form: W_k has d=2 in shape (2, 3), but W_q has d=4 in shape (4, 3); "
        "d is the number of features of a token."
    )
    assert message_of(TypeError, lambda: score_form(W, W.astype(np.float32))) == (
        "score_form: W_k has dtype float32, but W_q has float64; convert one of them, so that no digits are lost unseen."
    )
