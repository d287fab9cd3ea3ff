"""Wrong answers to luong.decoder_step: mistakes in the cell."""

import math

import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it
from answers import wrong


def words(H, lengths):
    """True at the words of each sentence."""
    return torch.arange(H.shape[1]) < lengths[:, None]


def masked_softmax(scores, mask):
    """Right weights, zeros where nothing may be attended to."""
    return scores.masked_fill(~mask, -math.inf).softmax(1).nan_to_num(0.0)


def finish(h, H, weights, W_c):
    """Context and attentional state, right."""
    context = (weights[:, None] @ H)[:, 0]
    return torch.tanh(F.linear(torch.cat([context, h], 1), W_c))


def with_cell(cell):
    """A step, wrong in its cell."""

    def step(y_prev, h_tilde_prev, h_prev, H, lengths, W_ih, W_hh, b_ih, b_hh, W_a, W_c):
        h = cell(torch.cat([y_prev, h_tilde_prev], 1), h_prev, W_ih, W_hh, b_ih, b_hh)
        a = masked_softmax((H @ (h @ W_a)[:, :, None])[:, :, 0], words(H, lengths))
        return h, finish(h, H, a, W_c), a

    return step


def gates(x, s, W_ih, W_hh, b_ih, b_hh):
    """The six parts of a GRU, in torch's order."""
    return (*F.linear(x, W_ih, b_ih).chunk(3, 1), *F.linear(s, W_hh, b_hh).chunk(3, 1))


@wrong("reads the gates in the order update, reset, new")
@with_cell
def update_gate_first(x, s, W_ih, W_hh, b_ih, b_hh):
    i_z, i_r, i_n, h_z, h_r, h_n = gates(x, s, W_ih, W_hh, b_ih, b_hh)
    z = torch.sigmoid(i_z + h_z)
    return (1 - z) * torch.tanh(i_n + torch.sigmoid(i_r + h_r) * h_n) + z * s


@wrong("swaps what the update gate keeps and what it replaces")
@with_cell
def cho_2014_update(x, s, W_ih, W_hh, b_ih, b_hh):
    i_r, i_z, i_n, h_r, h_z, h_n = gates(x, s, W_ih, W_hh, b_ih, b_hh)
    z = torch.sigmoid(i_z + h_z)
    return torch.lerp(s, torch.tanh(i_n + torch.sigmoid(i_r + h_r) * h_n), z)


@wrong("applies the reset gate before the product with W_hh, not behind it")
@with_cell
def cho_2014_reset(x, s, W_ih, W_hh, b_ih, b_hh):
    i_r, i_z, i_n, h_r, h_z, _ = gates(x, s, W_ih, W_hh, b_ih, b_hh)
    z, d = torch.sigmoid(i_z + h_z), s.shape[1]
    new = torch.tanh(i_n + F.linear(torch.sigmoid(i_r + h_r) * s, W_hh[2 * d :], b_hh[2 * d :]))
    return (1 - z) * new + z * s


@wrong("adds the third part of b_hh outside the reset gate")
@with_cell
def one_sum_of_biases(x, s, W_ih, W_hh, b_ih, b_hh):
    i_r, i_z, i_n = F.linear(x, W_ih, b_ih + b_hh).chunk(3, 1)
    h_r, h_z, h_n = F.linear(s, W_hh).chunk(3, 1)
    z = torch.sigmoid(i_z + h_z)
    return (1 - z) * torch.tanh(i_n + torch.sigmoid(i_r + h_r) * h_n) + z * s


@wrong("leaves out b_hh")
@with_cell
def one_bias(x, s, W_ih, W_hh, b_ih, b_hh):
    return torch.gru_cell(x, s, W_ih, W_hh, b_ih, torch.zeros_like(b_hh))


@wrong("computes the gates by 1/(1 + exp(−x)), whose gradient is NaN where exp overflows")
@with_cell
def sigmoid_by_hand(x, s, W_ih, W_hh, b_ih, b_hh):
    i_r, i_z, i_n, h_r, h_z, h_n = gates(x, s, W_ih, W_hh, b_ih, b_hh)
    r, z = (1 / (1 + torch.exp(-a)) for a in (i_r + h_r, i_z + h_z))
    return (1 - z) * torch.tanh(i_n + r * h_n) + z * s


@wrong("computes the gates by exp(x)/(1 + exp(x)), which is NaN where exp overflows")
@with_cell
def sigmoid_as_a_softmax(x, s, W_ih, W_hh, b_ih, b_hh):
    i_r, i_z, i_n, h_r, h_z, h_n = gates(x, s, W_ih, W_hh, b_ih, b_hh)
    r, z = (a.exp() / (a.exp() + 1) for a in (i_r + h_r, i_z + h_z))
    return (1 - z) * torch.tanh(i_n + r * h_n) + z * s


@wrong("lets the reset gate act on the input as well")
@with_cell
def resets_the_input(x, s, W_ih, W_hh, b_ih, b_hh):
    i_r, i_z, i_n, h_r, h_z, h_n = gates(x, s, W_ih, W_hh, b_ih, b_hh)
    z = torch.sigmoid(i_z + h_z)
    return (1 - z) * torch.tanh(torch.sigmoid(i_r + h_r) * (i_n + h_n)) + z * s


@wrong("leaves out the tanh of the candidate")
@with_cell
def linear_candidate(x, s, W_ih, W_hh, b_ih, b_hh):
    i_r, i_z, i_n, h_r, h_z, h_n = gates(x, s, W_ih, W_hh, b_ih, b_hh)
    return torch.lerp(i_n + torch.sigmoid(i_r + h_r) * h_n, s, torch.sigmoid(i_z + h_z))


@wrong("exchanges b_ih and b_hh")
@with_cell
def biases_exchanged(x, s, W_ih, W_hh, b_ih, b_hh):
    return torch.gru_cell(x, s, W_ih, W_hh, b_hh, b_ih)


@wrong("transposes W_hh gate by gate")
@with_cell
def blocks_transposed(x, s, W_ih, W_hh, b_ih, b_hh):
    return torch.gru_cell(x, s, W_ih, torch.cat([block.T for block in W_hh.chunk(3)]), b_ih, b_hh)


@wrong("hands the cell transposed weights")
@with_cell
def weights_transposed(x, s, W_ih, W_hh, b_ih, b_hh):
    return torch.gru_cell(x, s, W_ih.T, W_hh, b_ih, b_hh)
