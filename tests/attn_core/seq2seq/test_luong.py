"""Luong's scores, attentional state and decoder step, against torch's layers, hand-worked numbers and limits."""

import math

import numpy as np
import pytest
import torch
from oracle import FULL_KINDS, as_float64, assert_close, make, message_of
from torch import nn

from attn_core.lab.data import Batch
from attn_core.seq2seq.bahdanau import additive_scores
from attn_core.seq2seq.luong import attentional_state, decoder_step, location_score, luong_score, split_concat
from attn_core.seq2seq.luong_decoder import LuongDecoder, Score
from attn_core.seq2seq.model import Encoder, Seq2Seq, loss

B, N, D_T, D_S, D_A, D_Y, D_O = 3, 4, 2, 5, 6, 3, 7


def arrays(kind, *shapes, seed=0):
    """Return one random array per shape, of this kind."""
    generator = np.random.default_rng(seed)
    return [make(generator.standard_normal(shape) + 0.1, kind) for shape in shapes]


def like(array, values):
    """Return whole numbers in the library of the array."""
    return torch.tensor(values) if isinstance(array, torch.Tensor) else np.asarray(values)


def step_arrays(kind, seed=0):
    """Return all floating arguments of decoder_step; H and the lengths follow h_prev."""
    shapes = [(B, D_Y), (B, D_O), (B, D_T), (B, N, D_S), (3 * D_T, D_Y + D_O), (3 * D_T, D_T), (3 * D_T,), (3 * D_T,)]
    made = arrays(kind, *shapes, (D_T, D_S), (D_O, D_S + D_T), seed=seed)
    return (*made[:4], like(made[0], [4, 2, 0]), *made[4:])


# --- scores


@pytest.mark.parametrize("kind", FULL_KINDS)
def test_dot_and_general_by_hand(kind):
    """h = (1, 2) meets (3, 4) and (5, 6) with 11 and 17; W doubles the first and swaps nothing."""
    h, H, W = make([[1, 2]], kind), make([[[3, 4], [5, 6]]], kind), make([[2, 0], [0, 1]], kind)
    assert as_float64(luong_score("dot", h, H)).tolist() == [[11, 17]]
    assert as_float64(luong_score("general", h, H, W)).tolist() == [[14, 22]]


@pytest.mark.parametrize("kind", FULL_KINDS)
def test_dot_is_general_with_the_identity(kind):
    """With W = I, the general score is the dot product."""
    h, H = arrays(kind, (B, D_T), (B, N, D_T))
    eye = make(np.eye(D_T), kind)
    assert as_float64(luong_score("dot", h, H)).tolist() == as_float64(luong_score("general", h, H, eye)).tolist()


def test_concat_is_a_linear_layer_on_the_concatenation():
    """The split is only a way to compute vᵀ tanh(W [h ; h_s]): torch's own concatenation and layer give the same."""
    h, H, W, v = arrays("torch float64", (B, D_T), (B, N, D_S), (D_A, D_T + D_S), (D_A,))
    both = torch.cat([h[:, None, :].expand(B, N, D_T), H], dim=-1)
    expected = torch.tanh(nn.functional.linear(both, W)) @ v
    assert (luong_score("concat", h, H, W, v) - expected).abs().max() < 1e-12


def test_concat_is_the_additive_score():
    """With W split into its two blocks, concat and Bahdanau's score differ by rounding only."""
    h, H, W, v = arrays("numpy float64", (B, D_T), (B, N, D_S), (D_A, D_T + D_S), (D_A,))
    W_h, W_s = split_concat(W, D_T)
    assert W_h.shape == (D_A, D_T)
    assert W_s.shape == (D_A, D_S)
    assert np.abs(luong_score("concat", h, H, W, v) - additive_scores(h, H, W_h, W_s, v)).max() < 1e-12


@pytest.mark.parametrize("kind", FULL_KINDS)
def test_scores_keep_library_and_dtype(kind):
    """NumPy and torch, float32 and float64 give the same numbers, each in its own dtype."""
    h, H, W, v = arrays(kind, (B, D_T), (B, N, D_S), (D_A, D_T + D_S), (D_A,))
    G = arrays(kind, (D_T, D_S))[0]
    exact = [as_float64(x) for x in (h, H, W, v, G)]
    for name, extra, in_64 in (("general", (G,), exact[4:]), ("concat", (W, v), exact[2:4])):
        result, expected = luong_score(name, h, H, *extra), luong_score(name, *exact[:2], *in_64)
        assert result.dtype == h.dtype
        assert_close(result, expected, expected.astype(str(h.dtype).removeprefix("torch.")), scale=20.0)


def test_what_a_kind_does_not_need_is_ignored():
    """A W of any shape may be handed to dot, a v to general."""
    h, H, W = arrays("numpy float64", (B, D_T), (B, N, D_T), (9, 9))
    assert (luong_score("dot", h, H, W, W) == luong_score("dot", h, H)).all()
    assert (luong_score("general", h, H, W[:2, :2], W) == luong_score("general", h, H, W[:2, :2])).all()


def test_errors_name_what_is_missing():
    """An unknown kind, a missing W and a missing v are named."""
    h, H, W = arrays("numpy float64", (B, D_T), (B, N, D_T), (D_A, 2 * D_T))
    assert "'cosine'" in message_of(ValueError, lambda: luong_score("cosine", h, H))
    assert "W is missing" in message_of(ValueError, lambda: luong_score("general", h, H))
    assert "W is missing" in message_of(ValueError, lambda: luong_score("concat", h, H))
    assert "v is missing" in message_of(ValueError, lambda: luong_score("concat", h, H, W))


def test_errors_name_the_argument_that_does_not_fit():
    """Unequal sizes under dot, a transposed W, a W_c of the wrong width and an impossible split are refused."""
    h, H, W = arrays("numpy float64", (B, D_T), (B, N, D_S), (D_S, D_T))
    assert "H has" in message_of(ValueError, lambda: luong_score("dot", h, H))
    assert "W has" in message_of(ValueError, lambda: luong_score("general", h, H, W))
    assert "W_c has" in message_of(ValueError, lambda: attentional_state(h, H[:, 0], W))
    assert "d_t=2" in message_of(ValueError, lambda: split_concat(W, 2))


def test_a_location_score_does_not_see_the_source():
    """Location scores are the decoder state times a matrix: one row per position, and no source in the call."""
    h, W = arrays("torch float64", (B, D_T), (N, D_T))
    assert (location_score(h, W) - nn.functional.linear(h, W)).abs().max() < 1e-15


# --- attentional state and step


def test_attentional_state_puts_the_context_first():
    """W_c = [1 0 | 0] reads the context alone: tanh of its first entry, whatever the state is."""
    h, context = np.array([[9.0]]), np.array([[0.5, -3.0]])
    assert attentional_state(h, context, np.array([[1.0, 0.0, 0.0]])).tolist() == [[math.tanh(0.5)]]


def peer_step(y, h_tilde, h_prev, H, lengths, W_ih, W_hh, b_ih, b_hh, W_a, W_c):
    """Return the step by torch's GRUCell, and one softmax per sentence over its real positions."""
    cell = nn.GRUCell(W_ih.shape[1], W_hh.shape[1], dtype=y.dtype)
    cell.load_state_dict({"weight_ih": W_ih, "weight_hh": W_hh, "bias_ih": b_ih, "bias_hh": b_hh})
    h = cell(torch.cat([y, h_tilde], -1), h_prev)
    weights, contexts = torch.zeros(H.shape[:2], dtype=y.dtype), torch.zeros(len(H), H.shape[2], dtype=y.dtype)
    for b, length in enumerate(lengths.tolist()):
        weights[b, :length] = torch.softmax(H[b, :length] @ W_a.T @ h[b], 0)
        contexts[b] = weights[b] @ H[b]
    return h, torch.tanh(nn.functional.linear(torch.cat([contexts, h], -1), W_c)), weights


def test_step_matches_the_grucell_of_torch():
    """State, attentional state and weights agree with torch's cell and a loop over sentences, length 0 included."""
    inputs = step_arrays("torch float64")
    for result, expected in zip(decoder_step(*inputs), peer_step(*inputs), strict=True):
        assert (result - expected).abs().max() < 1e-12


@pytest.mark.parametrize("kind", FULL_KINDS)
def test_step_keeps_library_and_dtype(kind):
    """All kinds give the float64 result to their own precision."""
    inputs = step_arrays(kind)
    exact = decoder_step(*(as_float64(x) if i != 4 else np.asarray(x) for i, x in enumerate(inputs)))
    for result, expected in zip(decoder_step(*inputs), exact, strict=True):
        assert result.dtype == inputs[0].dtype
        assert_close(result, expected, expected.astype(str(result.dtype).removeprefix("torch.")), scale=20.0)


def test_no_preference_reads_the_mean_of_the_real_positions():
    """With W_a = 0 all real positions share alike, so the context is their mean; one position is copied."""
    inputs = list(step_arrays("numpy float64"))
    inputs[9] = np.zeros_like(inputs[9])
    h, h_tilde, weights = decoder_step(*inputs)
    H, W_c = inputs[3], inputs[10]
    assert weights[1].tolist() == [0.5, 0.5, 0, 0]
    assert np.abs(h_tilde[1] - np.tanh(W_c @ np.concatenate([H[1, :2].mean(0), h[1]]))).max() < 1e-12
    inputs[4] = np.array([1, 1, 1])
    _, h_tilde, weights = decoder_step(*inputs)
    assert weights[:, 0].tolist() == [1, 1, 1]
    assert np.abs(h_tilde[2] - np.tanh(W_c @ np.concatenate([H[2, 0], h[2]]))).max() < 1e-12


def test_padding_changes_nothing():
    """Garbage behind the lengths changes no bit."""
    inputs = list(step_arrays("numpy float64"))
    before = decoder_step(*inputs)
    inputs[3] = inputs[3].copy()
    inputs[3][1, 2:], inputs[3][2] = 1e6, -1e6
    for one, other in zip(before, decoder_step(*inputs), strict=True):
        assert (one == other).all()


def test_the_new_state_asks():
    """Another last token gives another state and other weights at once; with the old state asking it could not."""
    inputs = list(step_arrays("numpy float64"))
    before = decoder_step(*inputs)[2]
    inputs[0] = inputs[0] + 1.0
    assert np.abs(decoder_step(*inputs)[2] - before)[0].max() > 1e-3


def test_step_gradients():
    """Autograd agrees with finite differences in every floating argument, with a sentence of length 0 in the batch."""
    inputs = [x.requires_grad_() if x.is_floating_point() else x for x in step_arrays("torch float64")]
    assert torch.autograd.gradcheck(decoder_step, inputs)


# --- the module

SWITCHES = [(True, True), (True, False), (False, True), (False, False)]


def toy(attentional=True, feeding=True, kind="general"):
    """Return a model of width 8 over 10 symbols, and a batch of three sentences."""
    torch.manual_seed(0)
    decoder = LuongDecoder(10, 8, Score(kind, 8), attentional_state=attentional, input_feeding=feeding)
    source, target = torch.randint(3, 10, (3, 5)), torch.randint(3, 10, (3, 4))
    return Seq2Seq(Encoder(10, 8), decoder), Batch(
        source, torch.tensor([5, 2, 1]), target, target, torch.tensor([4] * 3)
    )


def test_the_module_takes_the_step_of_the_function():
    """One step of LuongDecoder is `decoder_step` with the module's weights."""
    model, batch = toy()
    decoder = model.decoder
    with torch.no_grad():
        annotations, code = model.encoder(batch.source, batch.lengths)
        memory = decoder.start(annotations, code, batch.lengths)
        memory = decoder.step(batch.target_in[:, 0], memory)[1]  # so that h̃ is no longer zero
        logits, after, weights = decoder.step(batch.target_in[:, 1], memory)
        cell = decoder.cell
        y = decoder.embedding(batch.target_in[:, 1])
        gru = (cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.bias_hh)
        fixed = (annotations, batch.lengths, *gru, decoder.score.W, decoder.mix.weight)
        h, h_tilde, expected = decoder_step(y, memory.h_tilde, memory.h, *fixed)
    for one, other in ((after.h, h), (after.h_tilde, h_tilde), (weights, expected), (logits, decoder.out(h_tilde))):
        assert (one - other).abs().max() < 1e-6


@pytest.mark.parametrize(("attentional", "feeding"), SWITCHES)
@pytest.mark.parametrize("kind", ["dot", "general", "concat"])
def test_every_parameter_learns(kind, attentional, feeding):
    """Whatever is switched off, the loss reaches every parameter that is left."""
    model, batch = toy(attentional, feeding, kind)
    loss(model(batch), batch).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize(("attentional", "feeding"), SWITCHES)
def test_without_input_feeding_the_past_alignment_is_forgotten(attentional, feeding):
    """What was read at one step changes the state of the next one if, and only if, it is fed back."""
    model, batch = toy(attentional, feeding)
    annotations, code = model.encoder(batch.source, batch.lengths)
    memory = model.decoder.start(annotations, code, batch.lengths)
    after = model.decoder.step(batch.target_in[:, 0], memory._replace(h_tilde=memory.h_tilde + 1.0))[1]
    assert torch.equal(after.h, model.decoder.step(batch.target_in[:, 0], memory)[1].h) != feeding


def test_without_the_attentional_state_logits_are_a_sum():
    """Logits of [c ; h] are a part from c plus a part from h: mixed differences vanish, with tanh they do not."""
    for attentional in (False, True):
        decoder = toy(attentional)[0].decoder
        c, h = torch.randn(2, 1, 8), torch.randn(2, 1, 8)

        def logits(i, j, decoder=decoder, c=c, h=h):
            both = torch.cat([c[i], h[j]], -1)
            return decoder.out(both if decoder.mix is None else torch.tanh(decoder.mix(both)))

        mixed = (logits(0, 0) + logits(1, 1) - logits(0, 1) - logits(1, 0)).abs().max()
        assert (mixed > 1e-3) == attentional
