"""Recurrent cells, against torch's own."""

import copy

import numpy as np
import pytest
import torch
from oracle import FULL_KINDS, as_float64, assert_close, make, message_of

from attn_core.seq2seq.recurrent import gru_cell, last_state, rnn_states

B, T, D_X, D_H = 3, 5, 4, 6


def peers(module, kind):
    """The module with fixed random weights, in the dtype of this kind and in float64."""
    generator = torch.Generator().manual_seed(0)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, generator=generator)
    exact = copy.deepcopy(module).double()
    return (copy.deepcopy(exact).float() if "float32" in kind else exact), exact


def arguments(module, names, kind):
    """The module's parameters by name, as arrays of this kind."""
    return [make(getattr(module, name).detach().double().numpy(), kind) for name in names]


@pytest.mark.parametrize("kind", FULL_KINDS)
def test_gru_cell_equals_torch(kind):
    """The cell has the layout, gate order and result of torch.nn.GRUCell."""
    module, exact = peers(torch.nn.GRUCell(D_X, D_H), kind)
    rng = np.random.default_rng(1)
    x, state = make(rng.normal(size=(B, D_X)), kind), make(rng.normal(size=(B, D_H)), kind)
    ours = gru_cell(x, state, *arguments(exact, ["weight_ih", "weight_hh", "bias_ih", "bias_hh"], kind))
    dtype = next(module.parameters()).dtype
    peer = module(torch.tensor(as_float64(x)).to(dtype), torch.tensor(as_float64(state)).to(dtype))
    truth = exact(torch.tensor(as_float64(x)), torch.tensor(as_float64(state)))
    assert_close(ours, truth, peer)


@pytest.mark.parametrize("kind", FULL_KINDS)
@pytest.mark.parametrize("steps", [1, T])
def test_rnn_states_equal_torch(kind, steps):
    """All states equal those of torch.nn.RNN with tanh, from one step on."""
    module, exact = peers(torch.nn.RNN(D_X, D_H, batch_first=True), kind)
    x = make(np.random.default_rng(2).normal(size=(B, steps, D_X)), kind)
    W_x, W_h = arguments(exact, ["weight_ih_l0", "weight_hh_l0"], kind)
    b = make((exact.bias_ih_l0 + exact.bias_hh_l0).detach().numpy(), kind)
    dtype = next(module.parameters()).dtype
    peer, truth = (net(torch.tensor(as_float64(x)).to(d))[0] for net, d in ((module, dtype), (exact, torch.float64)))
    # in float64 the exact value is a peer too, and its rounding adds up over the steps
    assert_close(rnn_states(x, W_x, W_h, b), truth, peer, scale=float(steps))


def test_extreme_inputs_saturate_and_stay_finite():
    """Gates saturate at 0 and 1, without a warning from exp: an update gate of 1 keeps the state, of 0 replaces it."""
    state = np.array([[0.25, -0.5]])
    for drive, expected in ((1e6, state), (-1e6, np.tanh([[0.3, 0.3]]))):
        b_ih = np.array([0.0, 0.0, drive, drive, 0.3, 0.3])
        new = gru_cell(np.zeros((1, 1)), state, np.zeros((6, 1)), np.zeros((6, 2)), b_ih, np.zeros(6))
        np.testing.assert_allclose(new, expected, rtol=0, atol=1e-15)


@pytest.mark.parametrize("kind", FULL_KINDS)
def test_last_state_is_each_sequence_s_own(kind):
    """Length 1 gives the first state, length T the last one, whatever stands in the padding."""
    h = np.arange(24.0).reshape(3, 4, 2)
    lengths = np.array([1, 4, 2])
    own = make(h, kind)
    lengths = lengths if "numpy" in kind else torch.tensor(lengths)
    assert as_float64(last_state(own, lengths)).tolist() == [[0, 1], [14, 15], [18, 19]]


def test_the_gradient_of_last_state_stops_at_the_length():
    """Nothing flows into the padding."""
    h = torch.randn(2, 3, 2, requires_grad=True)
    last_state(h, torch.tensor([2, 3])).sum().backward()
    assert h.grad.abs().sum(-1).tolist() == [[0, 2, 0], [0, 0, 2]]


def test_errors_name_the_argument():
    """Each misuse is answered with a sentence."""
    h = np.zeros((2, 3, 4))
    assert message_of(ValueError, lambda: last_state(h, np.array([1, 4]))) == (
        "last_state: lengths has an entry 4, but every length must be between 1 and T=3."
    )
    assert message_of(ValueError, lambda: last_state(h, np.array([1]))) == (
        "last_state: lengths has shape (1,), but h has B=2 sequences."
    )
    assert "W_hh has shape (2, 6), but it must be (6, 2)" in message_of(
        ValueError,
        lambda: gru_cell(
            np.zeros((1, 3)), np.zeros((1, 2)), np.zeros((6, 3)), np.zeros((2, 6)), np.zeros(6), np.zeros(6)
        ),
    )
    assert "W_h has d_h=" in message_of(
        ValueError, lambda: rnn_states(np.zeros((1, 2, 3)), np.zeros((4, 3)), np.zeros((5, 5)), np.zeros(4))
    )
