"""Right and wrong answers to bahdanau.attention."""

import math

import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it
from answers import right, wrong


def scores_of(s, H, W_a, U_a, v_a):
    """Right scores."""
    return torch.tanh((s @ W_a.T)[:, None] + H @ U_a.T) @ v_a


def real(H, lengths):
    """Right mask."""
    return torch.arange(H.shape[1]) < lengths[:, None]


def mix(w, H):
    """Right context."""
    return torch.einsum("bn,bnd->bd", w, H)


# --- right, in different styles


@right
def masked_fill_and_nan_to_num(s, H, lengths, W_a, U_a, v_a):
    scores = scores_of(s, H, W_a, U_a, v_a).masked_fill(~real(H, lengths), -math.inf)
    weights = F.softmax(scores, dim=-1).nan_to_num()
    return torch.bmm(weights[:, None], H)[:, 0], weights


@right
def loop_over_the_sentences(s, H, lengths, W_a, U_a, v_a):
    contexts, rows = [], []
    for b, length in enumerate(lengths.tolist()):
        h = H[b, :length]
        a = torch.softmax(torch.tanh(W_a @ s[b] + h @ U_a.T) @ v_a, 0)
        contexts.append((a[:, None] * h).sum(0))
        rows.append(F.pad(a, (0, H.shape[1] - length)))
    return torch.stack(contexts), torch.stack(rows)


@right
def shifted_exponentials(s, H, lengths, W_a, U_a, v_a):
    mask = real(H, lengths)
    scores = scores_of(s, H, W_a, U_a, v_a)
    top = scores.masked_fill(~mask, -math.inf).amax(1, keepdim=True).clamp(min=-1e30).detach()
    e = torch.exp(torch.where(mask, scores - top, -math.inf))
    weights = e / e.sum(1, keepdim=True).clamp(min=1e-30)
    return mix(weights, H), weights


@right
def smallest_number_of_the_dtype(s, H, lengths, W_a, U_a, v_a):
    mask = real(H, lengths)
    scores = scores_of(s, H, W_a, U_a, v_a)
    weights = scores.masked_fill(~mask, torch.finfo(scores.dtype).min).softmax(1) * (lengths > 0)[:, None]
    return (weights.unsqueeze(-1) * H).sum(1), weights


@right
def empty_rows_set_to_zero_before_the_softmax(s, H, lengths, W_a, U_a, v_a):
    mask = real(H, lengths)
    empty = (lengths == 0)[:, None]
    scores = scores_of(s, H, W_a, U_a, v_a).masked_fill(~mask & ~empty, -math.inf)
    weights = torch.softmax(scores, 1).masked_fill(empty, 0.0)
    return (weights[:, None] @ H).squeeze(1), weights


@right
def through_the_log_softmax(s, H, lengths, W_a, U_a, v_a):
    masked = scores_of(s, H, W_a, U_a, v_a).masked_fill(~real(H, lengths), -1e30)
    weights = torch.exp(F.log_softmax(masked, 1)) * real(H, lengths)
    return torch.matmul(H.mT, weights.unsqueeze(2)).squeeze(2), weights


@right
def nested_by_hand_and_a_list_returned(s, H, lengths, W_a, U_a, v_a):
    weights = H.new_zeros(H.shape[:2])
    scores = scores_of(s, H, W_a, U_a, v_a)
    for b in range(len(H)):
        k = int(lengths[b])
        if k:
            weights[b, :k] = scores[b, :k].softmax(0)
    return [mix(weights, H), weights]


@right
def packed_positions(s, H, lengths, W_a, U_a, v_a):
    """Only the real positions are scored at all, in one flat row."""
    mask = real(H, lengths)
    owner = torch.repeat_interleave(torch.arange(len(H)), lengths)
    flat = H[mask]
    scores = torch.tanh((s @ W_a.T)[owner] + flat @ U_a.T) @ v_a
    top = H.new_full((len(H),), -math.inf).scatter_reduce(0, owner, scores.detach(), "amax")
    e = torch.exp(scores - top[owner])
    share = e / H.new_zeros(len(H)).index_add(0, owner, e)[owner]
    context = H.new_zeros(len(H), H.shape[2]).index_add(0, owner, share[:, None] * flat)
    return context, H.new_zeros(H.shape[:2]).masked_scatter(mask, share)


@right
def padding_removed_first(s, H, lengths, W_a, U_a, v_a):
    mask = real(H, lengths)
    clean = H.masked_fill(~mask[:, :, None], 0.0)
    weights = scores_of(s, clean, W_a, U_a, v_a).masked_fill(~mask, -math.inf).softmax(1).nan_to_num(0.0)
    return mix(weights, clean), weights


# --- wrong, the way learners write it


@wrong("ignores the lengths")
def no_mask(s, H, lengths, W_a, U_a, v_a):
    w = F.softmax(scores_of(s, H, W_a, U_a, v_a), 1)
    return mix(w, H), w


@wrong("masks after the softmax and does not renormalise")
def masked_too_late(s, H, lengths, W_a, U_a, v_a):
    w = F.softmax(scores_of(s, H, W_a, U_a, v_a), 1).masked_fill(~real(H, lengths), 0)
    return mix(w, H), w


@wrong("masks after the softmax and renormalises, which fails where the words' weights have underflowed")
def masked_too_late_and_renormalised(s, H, lengths, W_a, U_a, v_a):
    w = F.softmax(scores_of(s, H, W_a, U_a, v_a), 1) * real(H, lengths)
    w = w / w.sum(1, keepdim=True).clamp(min=1e-30)
    return mix(w, H), w


@wrong("gives NaN for a sentence without words")
def nan_in_empty_rows(s, H, lengths, W_a, U_a, v_a):
    scores = torch.where(real(H, lengths), scores_of(s, H, W_a, U_a, v_a), -math.inf)
    w = scores.softmax(-1)
    return mix(w, H), w


@wrong("reads padding in a sentence without words: a large negative number is not −inf")
def minus_1e9(s, H, lengths, W_a, U_a, v_a):
    w = torch.softmax(torch.where(real(H, lengths), scores_of(s, H, W_a, U_a, v_a), -1e9), 1)
    return (w[:, None] @ H)[:, 0], w


@wrong("adds −1e9 to hidden scores, which leaves weights in a sentence without words")
def minus_1e9_added(s, H, lengths, W_a, U_a, v_a):
    w = torch.softmax(scores_of(s, H, W_a, U_a, v_a) + (~real(H, lengths)).to(H.dtype) * -1e9, 1)
    return (w[:, None] @ H)[:, 0], w


@wrong("sets hidden scores to 0 instead of −inf")
def zero_scores(s, H, lengths, W_a, U_a, v_a):
    w = torch.softmax(scores_of(s, H, W_a, U_a, v_a) * real(H, lengths), 1)
    return mix(w * (lengths > 0)[:, None] + w * (lengths == 0)[:, None], H), w


@wrong("is one position too generous: it lets the first padding position in")
def less_or_equal(s, H, lengths, W_a, U_a, v_a):
    mask = torch.arange(H.shape[1]) <= lengths[:, None]
    w = scores_of(s, H, W_a, U_a, v_a).masked_fill(~mask, -math.inf).softmax(1).nan_to_num()
    return mix(w, H), w


@wrong("is one position too strict: it hides the last word")
def last_word_hidden(s, H, lengths, W_a, U_a, v_a):
    mask = torch.arange(1, H.shape[1] + 1) < lengths[:, None]
    w = scores_of(s, H, W_a, U_a, v_a).masked_fill(~mask, -math.inf).softmax(1).nan_to_num()
    return mix(w, H), w


@wrong("hides the words and reads the padding")
def inverted_mask(s, H, lengths, W_a, U_a, v_a):
    w = scores_of(s, H, W_a, U_a, v_a).masked_fill(real(H, lengths), -math.inf).softmax(1).nan_to_num()
    return mix(w, H), w


@wrong("normalises over the batch instead of the positions")
def wrong_axis(s, H, lengths, W_a, U_a, v_a):
    w = scores_of(s, H, W_a, U_a, v_a).masked_fill(~real(H, lengths), -math.inf).softmax(0).nan_to_num()
    return mix(w, H), w


@wrong("takes every sentence to be as long as the longest")
def longest_for_all(s, H, lengths, W_a, U_a, v_a):
    mask = torch.arange(H.shape[1]) < lengths.max()
    w = scores_of(s, H, W_a, U_a, v_a).masked_fill(~mask, -math.inf).softmax(1).nan_to_num()
    return mix(w, H), w


@wrong("takes padding to be where the annotation is zero")
def mask_from_the_values(s, H, lengths, W_a, U_a, v_a):
    w = scores_of(s, H, W_a, U_a, v_a).masked_fill(H.abs().sum(-1) == 0, -math.inf).softmax(1).nan_to_num()
    return mix(w, H), w


@wrong("exponentiates without subtracting the maximum")
def naive_softmax(s, H, lengths, W_a, U_a, v_a):
    e = scores_of(s, H, W_a, U_a, v_a).exp() * real(H, lengths)
    w = (e / e.sum(1, keepdim=True)).masked_fill((lengths == 0)[:, None], 0)
    return mix(w, H), w


@wrong("returns the scores instead of the weights")
def energies(s, H, lengths, W_a, U_a, v_a):
    return masked_fill_and_nan_to_num(s, H, lengths, W_a, U_a, v_a)[0], scores_of(s, H, W_a, U_a, v_a)


@wrong("returns the weights first and the context second")
def swapped(s, H, lengths, W_a, U_a, v_a):
    context, w = masked_fill_and_nan_to_num(s, H, lengths, W_a, U_a, v_a)
    return w, context


@wrong("returns the context without the weights")
def context_only(s, H, lengths, W_a, U_a, v_a):
    return masked_fill_and_nan_to_num(s, H, lengths, W_a, U_a, v_a)[0]


@wrong("mixes the projected annotations U_a h_j instead of the annotations")
def mixes_the_keys(s, H, lengths, W_a, U_a, v_a):
    keys = H @ U_a.T
    w = (torch.tanh((s @ W_a.T)[:, None] + keys) @ v_a).masked_fill(~real(H, lengths), -math.inf).softmax(1)
    w = w.nan_to_num()
    return mix(w, keys), w


@wrong("averages the weighted annotations instead of summing them")
def mean_instead_of_sum(s, H, lengths, W_a, U_a, v_a):
    _, w = masked_fill_and_nan_to_num(s, H, lengths, W_a, U_a, v_a)
    return (w[..., None] * H).mean(1), w


@wrong("reads the best position only (argmax) instead of mixing all")
def hard_attention(s, H, lengths, W_a, U_a, v_a):
    scores = scores_of(s, H, W_a, U_a, v_a).masked_fill(~real(H, lengths), -math.inf)
    w = torch.zeros_like(scores).scatter(1, scores.argmax(1, keepdim=True), 1.0) * real(H, lengths)
    return mix(w, H), w


@wrong("detaches the weights, so that the score never learns")
def weights_detached(s, H, lengths, W_a, U_a, v_a):
    _, w = masked_fill_and_nan_to_num(s, H, lengths, W_a, U_a, v_a)
    return mix(w.detach(), H), w.detach()


@wrong("has the right values but wrong gradients")
def weights_detached_for_the_context_only(s, H, lengths, W_a, U_a, v_a):
    _, w = masked_fill_and_nan_to_num(s, H, lengths, W_a, U_a, v_a)
    return mix(w.detach(), H), w


@wrong("has NaN gradients for a sentence without words, although the values are right")
def minus_infinity_added(s, H, lengths, W_a, U_a, v_a):
    bias = torch.zeros(H.shape[:2], dtype=H.dtype).masked_fill(~real(H, lengths), -math.inf)
    w = torch.softmax(scores_of(s, H, W_a, U_a, v_a) + bias, -1)
    w = torch.where(w != w, 0.0, w)
    return mix(w, H), w


@wrong("changes its input lengths in place")
def clamps_the_lengths(s, H, lengths, W_a, U_a, v_a):
    context, w = masked_fill_and_nan_to_num(s, H, lengths, W_a, U_a, v_a)
    lengths.clamp_(min=1).sub_(1)
    return context, w


@wrong("changes its input H in place")
def wipes_the_padding(s, H, lengths, W_a, U_a, v_a):
    H.masked_fill_(~real(H, lengths)[:, :, None], 0)
    return masked_fill_and_nan_to_num(s, H, lengths, W_a, U_a, v_a)


@wrong("loses precision: its float64 results are only as good as float32")
def epsilon_in_the_denominator(s, H, lengths, W_a, U_a, v_a):
    scores = scores_of(s, H, W_a, U_a, v_a).masked_fill(~real(H, lengths), -math.inf)
    top = scores.amax(1, keepdim=True)
    e = torch.exp(scores - torch.where(top.isinf(), 0.0, top))
    w = e / (e.sum(1, keepdim=True) + 1e-8)
    return mix(w, H), w


@wrong("does not keep the dtype of its inputs")
def mask_of_float64(s, H, lengths, W_a, U_a, v_a):
    _, w = masked_fill_and_nan_to_num(s, H, lengths, W_a, U_a, v_a)
    w = w * real(H, lengths).double()
    return (w[..., None] * H).sum(1), w


@wrong("returns the result of an earlier call")
def cached_by_shape(s, H, lengths, W_a, U_a, v_a, cache={}):  # noqa: B006 - a mutable default is the mistake
    key = tuple(H.shape), tuple(W_a.shape), H.dtype
    if key not in cache:
        cache[key] = masked_fill_and_nan_to_num(s, H, lengths, W_a, U_a, v_a)
    return cache[key]


@wrong("touches the global random generator")
def dropout_on_the_weights(s, H, lengths, W_a, U_a, v_a):
    _, w = masked_fill_and_nan_to_num(s, H, lengths, W_a, U_a, v_a)
    w = F.dropout(w, 0.1)
    return mix(w, H), w


@wrong("applies softmax twice")
def softmax_twice(s, H, lengths, W_a, U_a, v_a):
    _, w = masked_fill_and_nan_to_num(s, H, lengths, W_a, U_a, v_a)
    w = w.masked_fill(~real(H, lengths), -math.inf).softmax(1).nan_to_num()
    return mix(w, H), w


@wrong("is right except when n > …")
def at_most_eight_positions(s, H, lengths, W_a, U_a, v_a):
    mask = real(H, lengths) & (torch.arange(H.shape[1]) < 8)
    w = scores_of(s, H, W_a, U_a, v_a).masked_fill(~mask, -math.inf).softmax(1).nan_to_num()
    return mix(w, H), w


@wrong("returns nothing")
def prints(s, H, lengths, W_a, U_a, v_a):
    print(masked_fill_and_nan_to_num(s, H, lengths, W_a, U_a, v_a))


@wrong("takes a sentence without words to have one, and reads its first padding position")
def at_least_one_word(s, H, lengths, W_a, U_a, v_a):
    return masked_fill_and_nan_to_num(s, H, torch.clamp(lengths, min=1), W_a, U_a, v_a)


@wrong("returns masked weights, but mixes with the unmasked ones")
def two_softmaxes(s, H, lengths, W_a, U_a, v_a):
    scores = scores_of(s, H, W_a, U_a, v_a)
    context = scores.softmax(1)[:, None] @ H
    return context[:, 0], scores.masked_fill(~real(H, lengths), -math.inf).softmax(1).nan_to_num()


@wrong("is right except when a sentence has exactly one word")
def squeezes_short_sentences(s, H, lengths, W_a, U_a, v_a):
    """Takes a length of 1 for an empty sentence: `lengths > 1` where `lengths > 0` was meant."""
    context, w = masked_fill_and_nan_to_num(s, H, lengths, W_a, U_a, v_a)
    keep = (lengths > 1)[:, None]
    return context * keep, w * keep
