"""More wrong answers to bahdanau.attention: finite numbers instead of −inf, masks and rows at the wrong place, detaching."""

import math

import torch
from answers import wrong


def scores_of(s, H, W_a, U_a, v_a):
    """Right scores."""
    return torch.tanh((s @ W_a.T)[:, None] + H @ U_a.T) @ v_a


def real(H, lengths):
    """Right mask."""
    return torch.arange(H.shape[1]) < lengths[:, None]


def mix(w, H):
    """Right context."""
    return torch.einsum("bn,bnd->bd", w, H)


def attend(s, H, lengths, W_a, U_a, v_a):
    """Right context and weights."""
    w = scores_of(s, H, W_a, U_a, v_a).masked_fill(~real(H, lengths), -math.inf).softmax(1).nan_to_num()
    return mix(w, H), w


def _filled_and_masked_again(s, H, lengths, parameters, fill):
    mask = real(H, lengths)
    w = torch.softmax(torch.where(mask, scores_of(s, H, *parameters), fill), 1) * mask
    return mix(w, H), w


FINITE = "fills with a finite number and multiplies by the mask, which fails where every word scores lower"


@wrong(FINITE)
def minus_1e9_and_masked_again(s, H, lengths, *parameters):
    return _filled_and_masked_again(s, H, lengths, parameters, -1e9)


@wrong(FINITE)
def minus_1e6_and_masked_again(s, H, lengths, *parameters):
    return _filled_and_masked_again(s, H, lengths, parameters, -1e6)


@wrong(FINITE)
def minus_1e5_and_masked_again(s, H, lengths, *parameters):
    return _filled_and_masked_again(s, H, lengths, parameters, -1e5)


@wrong(FINITE)
def minus_1e4_and_masked_again(s, H, lengths, *parameters):
    return _filled_and_masked_again(s, H, lengths, parameters, -1e4)


@wrong(FINITE)
def minus_1000_and_masked_again(s, H, lengths, *parameters):
    return _filled_and_masked_again(s, H, lengths, parameters, -1e3)


@wrong(FINITE)
def minus_100_and_masked_again(s, H, lengths, *parameters):
    return _filled_and_masked_again(s, H, lengths, parameters, -1e2)


@wrong("sets small weights to 0")
def small_weights_dropped(s, H, lengths, W_a, U_a, v_a):
    context, w = attend(s, H, lengths, W_a, U_a, v_a)
    return context, torch.where(w < 1e-6, torch.zeros_like(w), w)


@wrong("subtracts the maximum of the whole batch, so that sentences that score low underflow")
def one_maximum_for_all(s, H, lengths, W_a, U_a, v_a):
    scores = scores_of(s, H, W_a, U_a, v_a).masked_fill(~real(H, lengths), -math.inf)
    top = scores.max()
    e = torch.exp(scores - (top if top.isfinite() else 0.0))
    w = e / e.sum(1, keepdim=True).clamp(min=1e-30)
    return mix(w, H), w


@wrong("counts the length from the end: it reads the last lengths[b] positions")
def padding_expected_on_the_left(s, H, lengths, W_a, U_a, v_a):
    mask = torch.arange(H.shape[1], 0, -1) <= lengths[:, None]
    w = scores_of(s, H, W_a, U_a, v_a).masked_fill(~mask, -math.inf).softmax(1).nan_to_num()
    return mix(w, H), w


@wrong("sorts the batch by length and returns it in that order")
def sorted_and_not_restored(s, H, lengths, W_a, U_a, v_a):
    lengths, order = lengths.sort(descending=True, stable=True)
    return attend(s[order], H[order], lengths, W_a, U_a, v_a)


@wrong("detaches the annotations in the score, so that the encoder is not taught what to be found by")
def keys_as_data(s, H, lengths, W_a, U_a, v_a):
    with torch.no_grad():
        keys = H.clone()
    w = scores_of(s, keys, W_a, U_a, v_a).masked_fill(~real(H, lengths), -math.inf).softmax(1).nan_to_num()
    return mix(w, H), w


@wrong("detaches the annotations in the context, so that the encoder is not taught what to say")
def values_as_data(s, H, lengths, W_a, U_a, v_a):
    _, w = attend(s, H, lengths, W_a, U_a, v_a)
    return (w[:, :, None] * H.detach()).sum(1), w
