"""Additive attention against loops, limits, torch's modules and finite differences."""

import math

import numpy as np
import pytest
import torch
from oracle import FULL_KINDS, as_float64, make, message_of

from attn_core.seq2seq.bahdanau import (
    additive_attention,
    additive_cost,
    additive_scores,
    decoder_step,
    project,
    projected_scores,
)
from attn_core.seq2seq.bahdanau_decoder import BahdanauDecoder
from attn_core.seq2seq.model import Encoder, Seq2Seq

B, N, D_S, D_H, D_A, D_Y = 3, 5, 2, 4, 6, 3
TOLERANCE = {"float32": 1e-5, "float64": 1e-12}


def lengths_like(array, values):
    """Return whole numbers in the library of `array`."""
    return torch.tensor(values) if isinstance(array, torch.Tensor) else np.array(values)


def sample(kind, *shapes, seed=0):
    """Return normal arrays of these shapes; their mean is not 0."""
    generator = np.random.default_rng(seed)
    return [make(generator.standard_normal(shape) + 0.2, kind) for shape in shapes]


def attention_input(kind, seed=0):
    """Return s, H, W_a, U_a, v_a; all sizes differ."""
    return sample(kind, (B, D_S), (B, N, D_H), (D_A, D_S), (D_A, D_H), (D_A,), seed=seed)


def scores_by_loops(s, H, W_a, U_a, v_a):
    """Return the scores by the formula, one number at a time, in Python floats."""
    s, H, W_a, U_a, v_a = (as_float64(x).tolist() for x in (s, H, W_a, U_a, v_a))

    def row(matrix, vector, k):
        return sum(a * b for a, b in zip(matrix[k], vector, strict=True))

    return np.array(
        [
            [sum(v_a[k] * math.tanh(row(W_a, s_b, k) + row(U_a, h, k)) for k in range(len(v_a))) for h in H_b]
            for s_b, H_b in zip(s, H, strict=True)
        ]
    )


def near(actual, expected, kind):
    """Assert that `actual` is of this kind and near the expected numbers."""
    assert str(actual.dtype).removeprefix("torch.") == kind.split()[1]
    np.testing.assert_allclose(as_float64(actual), as_float64(expected), rtol=0, atol=TOLERANCE[kind.split()[1]])


@pytest.mark.parametrize("kind", FULL_KINDS)
def test_scores_by_hand(kind):
    """With W_a = U_a = 1 the hidden unit of s = ln 2 and h = 0 is tanh(ln 2) = 3/5; v_a = 5 makes it 3."""
    one = make([[1.0]], kind)
    h = make([[[0.0], [-math.log(2)], [math.log(2)]]], kind)
    scores = additive_scores(make([[math.log(2)]], kind), h, one, one, make([5.0], kind))
    near(scores, [[3.0, 0.0, 5 * 15 / 17]], kind)


@pytest.mark.parametrize("kind", FULL_KINDS)
def test_scores_against_loops(kind):
    """Five different sizes, three sentences."""
    inputs = attention_input(kind)
    near(additive_scores(*inputs), scores_by_loops(*inputs), kind)


@pytest.mark.parametrize("kind", FULL_KINDS)
def test_the_cache_changes_nothing(kind):
    """Keys that were projected once give the scores of every later state, to the last bit."""
    s, H, W_a, U_a, v_a = attention_input(kind)
    keys = project(H, U_a)
    for state in (s, -s, 3 * s):
        cached = projected_scores(state, keys, W_a, v_a)
        assert as_float64(cached).tolist() == as_float64(additive_scores(state, H, W_a, U_a, v_a)).tolist()


@pytest.mark.parametrize("kind", FULL_KINDS)
def test_scores_are_bounded_by_the_l1_norm(kind):
    """However large the state, no score exceeds Σ|v_a|; with saturated units of the right signs it is reached."""
    s, H, W_a, U_a, v_a = attention_input(kind)
    bound = np.abs(as_float64(v_a)).sum()
    assert np.abs(as_float64(additive_scores(1e6 * s, H, W_a, U_a, v_a))).max() <= bound * (1 + 1e-6)
    signs = make(np.sign(as_float64(v_a))[:, None] * 1e6, kind)
    reached = additive_scores(make([[1.0]], kind), H[:1], signs, 0 * U_a, v_a)
    near(reached, np.full((1, N), bound), kind)


@pytest.mark.parametrize("kind", FULL_KINDS)
def test_equal_scores_give_the_mean(kind):
    """With v_a = 0 every real position weighs the same, and the context is the mean of the real annotations."""
    s, H, W_a, U_a, v_a = attention_input(kind)
    context, weights = additive_attention(s, H, lengths_like(H, [5, 2, 1]), W_a, U_a, 0 * v_a)
    near(weights, [[0.2] * 5, [0.5, 0.5, 0, 0, 0], [1, 0, 0, 0, 0]], kind)
    annotations = as_float64(H)
    near(context, [annotations[0].mean(0), annotations[1, :2].mean(0), annotations[2, 0]], kind)


@pytest.mark.parametrize("kind", FULL_KINDS)
def test_a_strong_score_copies_one_annotation(kind):
    """A score far above the others gets all of the weight."""
    H = make([[[0.0, 1.0], [5.0, 2.0], [0.0, 3.0]]], kind)
    context, weights = additive_attention(
        make([[0.0]], kind), H, lengths_like(H, [3]), make([[0.0]], kind), make([[1.0, 0.0]], kind), make([300.0], kind)
    )
    near(weights, [[0, 1, 0]], kind)
    near(context, [[5, 2]], kind)


@pytest.mark.parametrize("kind", FULL_KINDS)
def test_padding_changes_nothing(kind):
    """What stands behind a length has weight 0, however large it is; lengths 0, 1 and all in one batch."""
    s, H, W_a, U_a, v_a = attention_input(kind)
    lengths, parameters = lengths_like(H, [0, 1, N]), (W_a, U_a, v_a)
    context, weights = additive_attention(s, H, lengths, *parameters)
    filled = make(np.where(np.arange(N)[:, None] < np.array([0, 1, N])[:, None, None], as_float64(H), 1e30), kind)
    again, weights_again = additive_attention(s, filled, lengths, *parameters)
    assert as_float64(context).tolist() == as_float64(again).tolist()
    assert as_float64(weights).tolist() == as_float64(weights_again).tolist()
    assert (as_float64(weights)[0] == 0).all()
    assert (as_float64(context)[0] == 0).all()
    assert as_float64(weights)[1].tolist() == [1, 0, 0, 0, 0]
    near(weights.sum(-1), [0, 1, 1], kind)


def step_input(kind="torch float64", lengths=(0, 2, 5)):
    """Return the inputs of one decoder step."""
    s, H, W_a, U_a, v_a = attention_input(kind)
    (y,) = sample(kind, (B, D_Y), seed=1)
    cell = sample(kind, (3 * D_S, D_Y + D_H), (3 * D_S, D_S), (3 * D_S,), (3 * D_S,), seed=2)
    return [y, s, H, lengths_like(H, list(lengths)), W_a, U_a, v_a, *cell]


def test_the_step_is_a_grucell_on_token_and_context():
    """torch.nn.GRUCell with the same weights, fed [y ; c], gives the new state; c was asked for by the OLD state."""
    inputs = step_input()
    y, s, H, lengths, W_a, U_a, v_a, *cell = inputs
    state, context, weights = decoder_step(*inputs)
    asked = additive_attention(s, H, lengths, W_a, U_a, v_a)
    assert torch.equal(context, asked[0])
    assert torch.equal(weights, asked[1])
    peer = torch.nn.GRUCell(D_Y + D_H, D_S, dtype=torch.float64)
    for parameter, values in zip(peer.parameters(), cell, strict=True):
        parameter.data = values
    near(state, peer(torch.cat([y, context], dim=1), s), "torch float64")


def test_the_context_enters_the_state_of_its_own_step():
    """Another annotation under the same old state and token gives another new state, in that very step."""
    inputs = step_input()
    before = decoder_step(*inputs)[0]
    inputs[2] = inputs[2] + 1.0
    after = decoder_step(*inputs)[0]
    assert torch.equal(before[0], after[0])  # length 0: nothing was read
    assert ((before - after)[1:].abs() > 1e-3).all()


@pytest.mark.parametrize("kind", FULL_KINDS)
def test_numpy_and_torch_agree(kind):
    """The same lines give the same numbers in every library and dtype."""
    exact = decoder_step(*step_input())
    for result, expected in zip(decoder_step(*step_input(kind)), exact, strict=True):
        near(result, expected, kind)


def test_gradients_by_finite_differences():
    """Gradcheck of all three outputs with respect to all ten floating inputs, a sentence of length 0 included."""
    inputs = step_input()
    lengths = inputs.pop(3)
    inputs = [tensor.requires_grad_() for tensor in inputs]
    assert torch.autograd.gradcheck(lambda *x: decoder_step(*x[:3], lengths, *x[3:]), inputs)


def test_inputs_stay_as_they_are():
    """Nothing is written into the arguments, and views are as good as copies."""
    inputs = step_input("numpy float64")
    before = [x.copy() for x in inputs]
    spread = [np.repeat(x, 2, axis=-1)[..., ::2] if x.dtype.kind == "f" else x for x in inputs]
    for a, b in zip(decoder_step(*inputs), decoder_step(*spread), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-13)
    assert [x.tolist() for x in inputs] == [x.tolist() for x in before]


def test_cost_by_counting():
    """A loop that counts its multiplications finds the same number, with and without the cache."""
    n, m, d_s, d_h, d_a = 3, 4, 2, 5, 6
    for cached in (False, True):
        count = 0
        for step in range(m):
            count += d_a * d_s  # W_a s
            if step == 0 or not cached:
                count += n * d_a * d_h  # U_a h_j
            count += n * d_a  # v_a
        assert additive_cost(n, m, d_s, d_h, d_a, cached) == (d_a * d_s + d_a * d_h + d_a, count)


def test_one_step_costs_the_same_with_and_without_the_cache():
    """With m = 1 there is nothing to save; from m = 2 on there is."""
    assert additive_cost(7, 1, 2, 3, 4, True) == additive_cost(7, 1, 2, 3, 4, False)
    assert additive_cost(7, 2, 2, 3, 4, True)[1] < additive_cost(7, 2, 2, 3, 4, False)[1]


def test_parameters_are_those_of_three_linear_layers():
    """Two matrices and a vector, without biases, as torch counts them."""
    layers = [torch.nn.Linear(a, b, bias=False) for a, b in ((D_S, D_A), (D_H, D_A), (D_A, 1))]
    assert additive_cost(1, 1, D_S, D_H, D_A, True)[0] == sum(p.numel() for layer in layers for p in layer.parameters())


def module(width=6, symbols=7):
    """Return an encoder, a decoder, and a source with lengths."""
    torch.manual_seed(0)
    source, lengths = torch.randint(3, symbols, (B, N)), torch.tensor([2, 5, 1])
    return Encoder(symbols, width), BahdanauDecoder(symbols, width), source, lengths


def test_the_module_takes_the_functional_step():
    """State, weights and context of the module are those of `decoder_step` with its parameters."""
    encoder, decoder, source, lengths = module()
    annotations, code = encoder(source, lengths)
    memory = decoder.start(annotations, code, lengths)
    token = torch.tensor([1, 4, 5])
    _, after, weights = decoder.step(token, memory)
    expected, _, expected_weights = decoder_step(
        decoder.embedding(token), memory.s, annotations, lengths, decoder.W_a, decoder.U_a, decoder.v_a,
        *decoder.cell.parameters(),
    )  # fmt: skip
    near(after.s, expected, "torch float32")
    near(weights, expected_weights, "torch float32")


def test_the_readout_is_a_maxout():
    """Each unit of the layer before the output is the larger of its two neighbours, written out by hand."""
    _, decoder, _, _ = module()
    y, context, s = torch.randn(3, B, 6, generator=torch.Generator().manual_seed(0))
    both = torch.cat([s, y, context], 1) @ decoder.pairs.weight.T + decoder.pairs.bias
    expected = torch.maximum(both[:, 0::2], both[:, 1::2]) @ decoder.out.weight.T + decoder.out.bias
    near(decoder.readout(y, context, s), expected, "torch float32")


def test_padding_does_not_reach_the_module():
    """A sentence gets the same translation alone and beside longer ones."""
    encoder, decoder, source, lengths = module()
    model = Seq2Seq(encoder, decoder)
    together = model.translate(source, lengths, limit=3)
    for b, length in enumerate(lengths.tolist()):
        alone = model.translate(source[b : b + 1, :length], lengths[b : b + 1], limit=3)
        near(alone.weights[0], together.weights[b, : alone.weights.shape[1], :length], "torch float32")


def test_every_parameter_gets_a_gradient():
    """Two steps reach all parameters: the score's own too, through the state as well as through the readout."""
    encoder, decoder, source, lengths = module()
    memory = decoder.start(*encoder(source, lengths), lengths)
    token = torch.tensor([1, 1, 1])
    for _ in range(2):
        logits, memory, _ = decoder.step(token, memory)
    logits.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in decoder.parameters())


def test_arguments_that_do_not_fit_are_named():
    """Each function names itself, the argument and the letter."""
    s, H, W_a, U_a, v_a = attention_input("numpy float64")
    assert message_of(ValueError, lambda: additive_scores(s, H, W_a, U_a[:, :3], v_a)) == (
        "additive_scores: U_a has d_h=3 in shape (6, 3), but H has d_h=4 in shape (3, 5, 4); "
        "d_h is the number of features of an encoder state."
    )
    assert message_of(ValueError, lambda: additive_attention(s, H, np.array([1]), W_a, U_a, v_a)) == (
        "additive_attention: lengths has shape (1,), but H has B=3; one per sentence."
    )
    assert message_of(ValueError, lambda: additive_attention(s, H, np.array([1, 6, 2]), W_a, U_a, v_a)) == (
        "padding_mask: lengths has an entry 6, but every length must be between 0 and n=5; "
        "n is the length that the batch was padded to."
    )
    assert message_of(ValueError, lambda: additive_cost(0, 1, 1, 1, 1, True)) == (
        "additive_cost: n is 0, but it must be 1 or more."
    )
    with pytest.raises(TypeError):
        additive_cost(1.5, 1, 1, 1, 1, True)
