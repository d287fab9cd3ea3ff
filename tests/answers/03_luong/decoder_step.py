"""Right and wrong answers to luong.decoder_step."""

import math

import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it
from answers import right, wrong
from torch import nn


def gru(x, s, W_ih, W_hh, b_ih, b_hh):
    """torch's own cell, right: most answers below get that part right."""
    return torch.gru_cell(x, s, W_ih, W_hh, b_ih, b_hh)


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


# --- right, in different styles


@right
def torch_functions(y_prev, h_tilde_prev, h_prev, H, lengths, W_ih, W_hh, b_ih, b_hh, W_a, W_c):
    h = gru(torch.cat([y_prev, h_tilde_prev], -1), h_prev, W_ih, W_hh, b_ih, b_hh)
    scores = torch.bmm(H, (h @ W_a).unsqueeze(-1)).squeeze(-1)
    weights = masked_softmax(scores, words(H, lengths))
    return h, finish(h, H, weights, W_c), weights


@right
def gates_written_out(y_prev, h_tilde_prev, h_prev, H, lengths, W_ih, W_hh, b_ih, b_hh, W_a, W_c):
    d = h_prev.shape[1]
    gi = torch.hstack([y_prev, h_tilde_prev]) @ W_ih.T + b_ih
    gh = h_prev @ W_hh.T + b_hh
    r = torch.tanh((gi[:, :d] + gh[:, :d]) / 2) / 2 + 0.5
    z = torch.sigmoid(gi[:, d : 2 * d] + gh[:, d : 2 * d])
    n = torch.tanh(gi[:, 2 * d :] + r * gh[:, 2 * d :])
    h = n + z * (h_prev - n)
    scores = torch.einsum("bt,ts,bns->bn", h, W_a, H)
    mask = words(H, lengths)
    top = scores.masked_fill(~mask, -math.inf).amax(1, keepdim=True).detach()
    e = torch.where(mask, torch.exp(torch.where(mask, scores - top, 0.0)), 0.0)
    total = e.sum(1, keepdim=True)
    weights = e / torch.where(total == 0, 1.0, total)
    context = torch.einsum("bn,bns->bs", weights, H)
    d_s = H.shape[2]
    return h, torch.tanh(context @ W_c[:, :d_s].T + h @ W_c[:, d_s:].T), weights


@right
def loop_over_sentences(y_prev, h_tilde_prev, h_prev, H, lengths, W_ih, W_hh, b_ih, b_hh, W_a, W_c):
    h = gru(torch.cat([y_prev, h_tilde_prev], 1), h_prev, W_ih, W_hh, b_ih, b_hh)
    rows, mixed = [], []
    for b, length in enumerate(lengths.tolist()):
        a = torch.softmax(H[b, :length] @ W_a.T @ h[b], 0)
        rows.append(F.pad(a, (0, H.shape[1] - length)))
        mixed.append(torch.tanh(W_c @ torch.cat([a @ H[b, :length], h[b]])))
    return h, torch.stack(mixed), torch.stack(rows)


@right
def a_gru_cell_module(y_prev, h_tilde_prev, h_prev, H, lengths, W_ih, W_hh, b_ih, b_hh, W_a, W_c):
    cell = nn.utils.skip_init(nn.GRUCell, W_ih.shape[1], W_hh.shape[1], dtype=H.dtype)
    weights = {"weight_ih": W_ih, "weight_hh": W_hh, "bias_ih": b_ih, "bias_hh": b_hh}
    h = torch.func.functional_call(cell, weights, (torch.cat([y_prev, h_tilde_prev], 1), h_prev))
    a = masked_softmax((H @ (h @ W_a)[:, :, None])[:, :, 0], words(H, lengths))
    return [h, finish(h, H, a, W_c), a]


@right
def finite_fill_and_mask_again(y_prev, h_tilde_prev, h_prev, H, lengths, W_ih, W_hh, b_ih, b_hh, W_a, W_c):
    h = gru(torch.cat([y_prev, h_tilde_prev], 1), h_prev, W_ih, W_hh, b_ih, b_hh)
    mask = words(H, lengths)
    scores = (H @ W_a.T @ h[:, :, None])[:, :, 0]
    a = torch.softmax(scores.masked_fill(~mask, torch.finfo(H.dtype).min), 1) * mask
    return h, finish(h, H, a, W_c), a


@right
def zeroed_padding_first(y_prev, h_tilde_prev, h_prev, H, lengths, W_ih, W_hh, b_ih, b_hh, W_a, W_c):
    mask = words(H, lengths)
    H = H * mask[:, :, None]
    h = gru(torch.cat([y_prev, h_tilde_prev], 1), h_prev, W_ih, W_hh, b_ih, b_hh)
    scores = torch.matmul(H, torch.matmul(W_a.mT, h[..., None])).squeeze(2)
    a = torch.where(mask.any(1, keepdim=True), scores.where(mask, torch.tensor(-math.inf, dtype=H.dtype)), 0.0)
    a = a.softmax(1) * mask
    return h, finish(h, H, a, W_c), a


@right
def attention_from_the_library(y_prev, h_tilde_prev, h_prev, H, lengths, W_ih, W_hh, b_ih, b_hh, W_a, W_c):
    h = gru(torch.cat([y_prev, h_tilde_prev], 1), h_prev, W_ih, W_hh, b_ih, b_hh)
    unit = torch.eye(H.shape[1], dtype=H.dtype).expand(len(H), -1, -1)
    mask = words(H, lengths)
    clean = torch.where(mask[..., None], H, torch.zeros_like(H))
    seen = mask | (lengths == 0)[:, None]
    a = F.scaled_dot_product_attention((h @ W_a)[:, None], clean, unit, attn_mask=seen[:, None], scale=1.0)[:, 0]
    a = a * mask
    return h, finish(h, clean, a, W_c), a


# --- wrong, the way learners write it


@wrong("asks with the old state, as Bahdanau does")
def bahdanau_query(y_prev, h_tilde_prev, h_prev, H, lengths, W_ih, W_hh, b_ih, b_hh, W_a, W_c):
    a = masked_softmax(torch.einsum("bt,ts,bns->bn", h_prev, W_a, H), words(H, lengths))
    h = gru(torch.cat([y_prev, h_tilde_prev], 1), h_prev, W_ih, W_hh, b_ih, b_hh)
    return h, finish(h, H, a, W_c), a


@wrong("feeds the cell [h_tilde_prev ; y_prev] instead of [y_prev ; h_tilde_prev]")
def fed_first(y_prev, h_tilde_prev, h_prev, H, lengths, W_ih, W_hh, b_ih, b_hh, W_a, W_c):
    return torch_functions_with(
        torch.cat([h_tilde_prev, y_prev], 1), h_prev, H, lengths, W_ih, W_hh, b_ih, b_hh, W_a, W_c
    )


def torch_functions_with(x, h_prev, H, lengths, W_ih, W_hh, b_ih, b_hh, W_a, W_c):
    """A right step on a given input of the cell."""
    h = gru(x, h_prev, W_ih, W_hh, b_ih, b_hh)
    a = masked_softmax((H @ (h @ W_a)[:, :, None])[:, :, 0], words(H, lengths))
    return h, finish(h, H, a, W_c), a


@wrong("does not feed the attentional state back")
def no_input_feeding(y_prev, h_tilde_prev, h_prev, H, lengths, W_ih, W_hh, b_ih, b_hh, W_a, W_c):
    d_y = y_prev.shape[1]
    return torch_functions_with(y_prev, h_prev, H, lengths, W_ih[:, :d_y], W_hh, b_ih, b_hh, W_a, W_c)


@wrong("cuts the gradient at the fed-back state")
def feeding_without_gradient(y_prev, h_tilde_prev, h_prev, H, lengths, W_ih, W_hh, b_ih, b_hh, W_a, W_c):
    x = torch.cat([y_prev, h_tilde_prev.data], 1)
    return torch_functions_with(x, h_prev, H, lengths, W_ih, W_hh, b_ih, b_hh, W_a, W_c)


@wrong("puts h first and the context second in the attentional state")
def state_before_context(y_prev, h_tilde_prev, h_prev, H, lengths, W_ih, W_hh, b_ih, b_hh, W_a, W_c):
    x = torch.cat([y_prev, h_tilde_prev], 1)
    h, _, a = torch_functions_with(x, h_prev, H, lengths, W_ih, W_hh, b_ih, b_hh, W_a, W_c)
    return h, torch.tanh(torch.hstack([h, torch.einsum("bn,bns->bs", a, H)]) @ W_c.T), a


@wrong("leaves out the tanh of the attentional state")
def linear_mixture(y_prev, h_tilde_prev, h_prev, H, lengths, W_ih, W_hh, b_ih, b_hh, W_a, W_c):
    x = torch.cat([y_prev, h_tilde_prev], 1)
    h, _, a = torch_functions_with(x, h_prev, H, lengths, W_ih, W_hh, b_ih, b_hh, W_a, W_c)
    return h, torch.hstack([torch.einsum("bn,bns->bs", a, H), h]) @ W_c.T, a


@wrong("mixes the context with the old state")
def mixes_the_old_state(y_prev, h_tilde_prev, h_prev, H, lengths, W_ih, W_hh, b_ih, b_hh, W_a, W_c):
    x = torch.cat([y_prev, h_tilde_prev], 1)
    h, _, a = torch_functions_with(x, h_prev, H, lengths, W_ih, W_hh, b_ih, b_hh, W_a, W_c)
    return h, finish(h_prev, H, a, W_c), a


def with_weights(weigh):
    """A step, wrong in how scores and mask become weights."""

    def step(y_prev, h_tilde_prev, h_prev, H, lengths, W_ih, W_hh, b_ih, b_hh, W_a, W_c):
        h = gru(torch.cat([y_prev, h_tilde_prev], 1), h_prev, W_ih, W_hh, b_ih, b_hh)
        a = weigh((H @ (h @ W_a)[:, :, None])[:, :, 0], words(H, lengths))
        return h, finish(h, H, a, W_c), a

    return step


no_mask = wrong("leaves out the mask")(with_weights(lambda e, mask: F.softmax(e, 1)))
mask_behind = wrong("masks after the softmax, so that the weights no longer sum to one")(
    with_weights(lambda e, mask: F.softmax(e, 1).masked_fill(~mask, 0.0))
)
zero_scores = wrong("sets the scores of padding to 0 instead of −inf")(
    with_weights(lambda e, mask: F.softmax(e.where(mask, torch.zeros_like(e)), 1))
)
uniform_for_nothing = wrong("gives a sentence of length 0 uniform weights")(
    with_weights(lambda e, mask: F.softmax(e.masked_fill(~mask, torch.finfo(e.dtype).min), 1))
)
nan_for_nothing = wrong("gives NaN for a sentence of length 0")(
    with_weights(lambda e, mask: F.softmax(e.masked_fill(mask.logical_not(), -math.inf), 1))
)
added_infinity = wrong("adds −inf to the scores and hides the NaN, which the backward pass still meets")(
    with_weights(lambda e, mask: torch.nan_to_num(F.softmax(e + torch.where(mask, 0.0, -math.inf).to(e.dtype), 1)))
)
small_penalty = wrong(
    "is right on ordinary inputs, but not for: a sentence of length 0, padding that holds huge numbers, "
    "words that all score far below zero"
)(with_weights(lambda e, mask: F.softmax(e - 1e9 * ~mask, 1)))
naive_exponentials = wrong("exponentiates without subtracting the maximum")(
    with_weights(lambda e, mask: e.exp() * mask / (e.exp() * mask).sum(1, keepdim=True))
)
LATE = "gives hidden positions a finite score and multiplies by the mask afterwards"
minus_hundred, minus_thousand, minus_ten_thousand, minus_million, minus_billion = (
    wrong(LATE)(with_weights(lambda e, mask, fill=fill: F.softmax(e.masked_fill(~mask, fill), 1) * mask))
    for fill in (-1e2, -1e3, -1e4, -1e6, -1e9)
)


def one_maximum(e, mask):
    """Softmax with one maximum for all sentences: far below it, every exponential is zero."""
    inside = e.masked_fill(~mask, -math.inf)
    w = torch.exp(inside - inside.max().nan_to_num(neginf=0.0))
    return w / w.sum(1, keepdim=True).clamp(min=1e-30)


batch_maximum = wrong("subtracts the maximum of the whole batch")(with_weights(one_maximum))
over_the_batch = wrong("normalises over the batch instead of the positions")(
    with_weights(lambda e, mask: e.masked_fill(~mask, -math.inf).softmax(0).nan_to_num())
)
weights_cut_off = wrong("detaches the scores or weights, so that attending is never learned")(
    with_weights(lambda e, mask: masked_softmax(e.detach(), mask))
)
epsilon = wrong("loses precision: its float64 results are only as good as float32")(
    with_weights(lambda e, mask: masked_softmax(e, mask) / (masked_softmax(e, mask).sum(1, keepdim=True) + 1e-6))
)


@wrong("masks one position too many")
def last_word_hidden(y_prev, h_tilde_prev, h_prev, H, lengths, W_ih, W_hh, b_ih, b_hh, W_a, W_c):
    x = torch.cat([y_prev, h_tilde_prev], 1)
    return torch_functions_with(x, h_prev, H, lengths - 1, W_ih, W_hh, b_ih, b_hh, W_a, W_c)


@wrong("lets one position of the padding in")
def one_padding_seen(y_prev, h_tilde_prev, h_prev, H, lengths, W_ih, W_hh, b_ih, b_hh, W_a, W_c):
    x = torch.cat([y_prev, h_tilde_prev], 1)
    return torch_functions_with(x, h_prev, H, lengths + 1, W_ih, W_hh, b_ih, b_hh, W_a, W_c)


@wrong("is right on ordinary inputs, but not for: a sentence of length 0")
def at_least_one_word(y_prev, h_tilde_prev, h_prev, H, lengths, W_ih, W_hh, b_ih, b_hh, W_a, W_c):
    x = torch.cat([y_prev, h_tilde_prev], 1)
    return torch_functions_with(x, h_prev, H, lengths.clamp(min=1), W_ih, W_hh, b_ih, b_hh, W_a, W_c)


@wrong("changes its input lengths in place")
def at_least_one_word_in_place(y_prev, h_tilde_prev, h_prev, H, lengths, W_ih, W_hh, b_ih, b_hh, W_a, W_c):
    x = torch.cat([y_prev, h_tilde_prev], 1)
    empty = lengths == 0
    lengths.clamp_(min=1)
    h, _, a = torch_functions_with(x, h_prev, H, lengths, W_ih, W_hh, b_ih, b_hh, W_a, W_c)
    a = a * ~empty[:, None]
    return h, finish(h, H, a, W_c), a


@wrong("changes its input H in place")
def padding_zeroed_in_place(y_prev, h_tilde_prev, h_prev, H, lengths, W_ih, W_hh, b_ih, b_hh, W_a, W_c):
    H.masked_fill_(~words(H, lengths)[:, :, None], 0.0)
    x = torch.cat([y_prev, h_tilde_prev], 1)
    return torch_functions_with(x, h_prev, H, lengths, W_ih, W_hh, b_ih, b_hh, W_a, W_c)


@wrong("detaches the source states in the scores")
def frozen_keys(y_prev, h_tilde_prev, h_prev, H, lengths, W_ih, W_hh, b_ih, b_hh, W_a, W_c):
    h = gru(torch.cat([y_prev, h_tilde_prev], 1), h_prev, W_ih, W_hh, b_ih, b_hh)
    a = masked_softmax((H.detach() @ (h @ W_a)[:, :, None])[:, :, 0], words(H, lengths))
    return h, finish(h, H, a, W_c), a


@wrong("detaches the source states in the context")
def frozen_values(y_prev, h_tilde_prev, h_prev, H, lengths, W_ih, W_hh, b_ih, b_hh, W_a, W_c):
    h, _, a = torch_functions(y_prev, h_tilde_prev, h_prev, H, lengths, W_ih, W_hh, b_ih, b_hh, W_a, W_c)
    return h, finish(h, H.data, a, W_c), a


@wrong("detaches the query, so that scoring never teaches the state what to ask for")
def frozen_query(y_prev, h_tilde_prev, h_prev, H, lengths, W_ih, W_hh, b_ih, b_hh, W_a, W_c):
    h = gru(torch.cat([y_prev, h_tilde_prev], 1), h_prev, W_ih, W_hh, b_ih, b_hh)
    a = masked_softmax((H @ (h.data @ W_a)[:, :, None])[:, :, 0], words(H, lengths))
    return h, finish(h, H, a, W_c), a


@wrong("uses the transpose of W_a")
def turned_matrix(y_prev, h_tilde_prev, h_prev, H, lengths, W_ih, W_hh, b_ih, b_hh, W_a, W_c):
    h = gru(torch.cat([y_prev, h_tilde_prev], 1), h_prev, W_ih, W_hh, b_ih, b_hh)
    a = masked_softmax(torch.einsum("bt,st,bns->bn", h, W_a, H), words(H, lengths))
    return h, finish(h, H, a, W_c), a


@wrong("divides the scores by √d")
def scaled_scores(y_prev, h_tilde_prev, h_prev, H, lengths, W_ih, W_hh, b_ih, b_hh, W_a, W_c):
    h = gru(torch.cat([y_prev, h_tilde_prev], 1), h_prev, W_ih, W_hh, b_ih, b_hh)
    scores = (H @ (h @ W_a)[:, :, None])[:, :, 0] / math.sqrt(h.shape[1])
    a = masked_softmax(scores, words(H, lengths))
    return h, finish(h, H, a, W_c), a


@wrong("returns the context instead of the attentional state")
def context_returned(*inputs):
    h, _, a = torch_functions(*inputs)
    return h, torch.einsum("bn,bns->bs", a, inputs[3]), a


@wrong("returns h_tilde first and h second")
def mixture_first(*inputs):
    h, h_tilde, a = torch_functions(*inputs)
    return h_tilde, h, a


@wrong("returns 2 values instead of 3")
def weights_forgotten(*inputs):
    return torch_functions(*inputs)[:2]


@wrong("detaches the source states, so that the encoder never learns")
def encoder_frozen(*inputs):
    return torch_functions(*inputs[:3], inputs[3].detach(), *inputs[4:])


@wrong("takes the first sentence's length for the whole batch")
def first_length_for_all(*inputs):
    return torch_functions(*inputs[:4], inputs[4][:1].expand(len(inputs[4])), *inputs[5:])


@wrong("gives another result the second time it is called")
def remembers_the_last_mixture(*inputs, kept=[]):  # noqa: B006 - a mutable default is the mistake
    fed = kept[-1] if kept and kept[-1].shape == inputs[1].shape and kept[-1].dtype == inputs[1].dtype else inputs[1]
    result = torch_functions(inputs[0], fed, *inputs[2:])
    kept.append(result[1].detach())
    return result


@wrong("does not keep the dtype of its inputs")
def everything_in_double(*inputs):
    return torch_functions(*(x.double() if x.is_floating_point() else x for x in inputs))


@wrong("is right except when n = 1")
def squeezes_everything(*inputs):
    h, h_tilde, a = torch_functions(*inputs)
    return h, h_tilde, a.squeeze(1)


@wrong("touches the global random generator")
def dropout_on_the_mixture(*inputs):
    h, h_tilde, a = torch_functions(*inputs)
    return h, F.dropout(h_tilde, 0.1), a
