"""Right and wrong answers to bahdanau.decoder_step."""

import math

import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it
from answers import right, wrong
from torch import nn


def attend(s, H, lengths, W_a, U_a, v_a):
    """Right attention."""
    scores = torch.tanh((s @ W_a.T)[:, None] + H @ U_a.T) @ v_a
    mask = torch.arange(H.shape[1]) < lengths[:, None]
    w = torch.softmax(scores.masked_fill(~mask, -math.inf), 1).nan_to_num()
    return torch.einsum("bn,bnd->bd", w, H), w


def gru(x, s, W_ih, W_hh, b_ih, b_hh):
    """Right cell."""
    a, b = (x @ W_ih.T + b_ih).chunk(3, 1), (s @ W_hh.T + b_hh).chunk(3, 1)
    z = torch.sigmoid(a[1] + b[1])
    return (1 - z) * torch.tanh(a[2] + torch.sigmoid(a[0] + b[0]) * b[2]) + z * s


# --- right, in different styles


@right
def by_the_formulas(y_prev, s_prev, H, lengths, W_a, U_a, v_a, W_ih, W_hh, b_ih, b_hh):
    context, weights = attend(s_prev, H, lengths, W_a, U_a, v_a)
    return gru(torch.cat([y_prev, context], 1), s_prev, W_ih, W_hh, b_ih, b_hh), context, weights


@right
def torchs_own_function(y_prev, s_prev, H, lengths, W_a, U_a, v_a, W_ih, W_hh, b_ih, b_hh):
    context, weights = attend(s_prev, H, lengths, W_a, U_a, v_a)
    return torch.gru_cell(torch.cat((y_prev, context), -1), s_prev, W_ih, W_hh, b_ih, b_hh), context, weights


@right
def a_module_with_these_weights(y_prev, s_prev, H, lengths, W_a, U_a, v_a, W_ih, W_hh, b_ih, b_hh):
    context, weights = attend(s_prev, H, lengths, W_a, U_a, v_a)
    cell = nn.GRUCell(W_ih.shape[1], s_prev.shape[1], device="meta")
    parameters = {"weight_ih": W_ih, "weight_hh": W_hh, "bias_ih": b_ih, "bias_hh": b_hh}
    s = torch.func.functional_call(cell, parameters, (torch.cat([y_prev, context], 1), s_prev))
    return s, context, weights


@right
def columns_of_w_ih_split_instead_of_joined_inputs(y_prev, s_prev, H, lengths, W_a, U_a, v_a, W_ih, W_hh, b_ih, b_hh):
    context, weights = attend(s_prev, H, lengths, W_a, U_a, v_a)
    d_y = y_prev.shape[1]
    x = F.linear(y_prev, W_ih[:, :d_y], b_ih) + F.linear(context, W_ih[:, d_y:])
    h = F.linear(s_prev, W_hh, b_hh)
    d = s_prev.shape[1]
    r, z = torch.sigmoid(x[:, :d] + h[:, :d]), torch.sigmoid(x[:, d : 2 * d] + h[:, d : 2 * d])
    candidate = torch.tanh(x[:, 2 * d :] + r * h[:, 2 * d :])
    return candidate + z * (s_prev - candidate), context, weights


@right
def sentence_by_sentence(y_prev, s_prev, H, lengths, W_a, U_a, v_a, W_ih, W_hh, b_ih, b_hh):
    states, contexts, rows = [], [], []
    for y, s, h, k in zip(y_prev, s_prev, H, lengths.tolist(), strict=True):
        a = torch.softmax(torch.tanh(W_a @ s + h[:k] @ U_a.T) @ v_a, 0)
        c = a @ h[:k]
        states.append(gru(torch.cat([y, c])[None], s[None], W_ih, W_hh, b_ih, b_hh)[0])
        contexts.append(c)
        rows.append(F.pad(a, (0, len(h) - k)))
    return torch.stack(states), torch.stack(contexts), torch.stack(rows)


@right
def one_matrix_for_both_gates(y_prev, s_prev, H, lengths, W_a, U_a, v_a, W_ih, W_hh, b_ih, b_hh):
    context, weights = attend(s_prev, H, lengths, W_a, U_a, v_a)
    d = s_prev.shape[1]
    x = torch.cat([y_prev, context], 1)
    joined = torch.cat([x, s_prev], 1) @ torch.cat([W_ih, W_hh], 1)[: 2 * d].T
    r, z = torch.sigmoid(joined + (b_ih + b_hh)[: 2 * d]).split(d, 1)
    new = torch.tanh(F.linear(x, W_ih[2 * d :], b_ih[2 * d :]) + r * F.linear(s_prev, W_hh[2 * d :], b_hh[2 * d :]))
    return [torch.lerp(new, s_prev, z), context, weights]


@right
def einsum_and_gates_by_name(y_prev, s_prev, H, lengths, W_a, U_a, v_a, W_ih, W_hh, b_ih, b_hh):
    context, weights = attend(s_prev, H, lengths, W_a, U_a, v_a)
    x = torch.hstack([y_prev, context])
    W, U = W_ih.reshape(3, -1, x.shape[1]), W_hh.reshape(3, -1, s_prev.shape[1])
    i = torch.einsum("gsx,bx->gbs", W, x) + b_ih.reshape(3, 1, -1)
    h = torch.einsum("gsu,bu->gbs", U, s_prev) + b_hh.reshape(3, 1, -1)
    reset, update = (i[:2] + h[:2]).sigmoid()
    return (1 - update) * (i[2] + reset * h[2]).tanh() + update * s_prev, context, weights


# --- wrong, the way learners write it


def _order(first, second, third):
    def cell(x, s, W_ih, W_hh, b_ih, b_hh):
        a, b = (x @ W_ih.T + b_ih).chunk(3, 1), (s @ W_hh.T + b_hh).chunk(3, 1)
        z = torch.sigmoid(a[second] + b[second])
        return (1 - z) * torch.tanh(a[third] + torch.sigmoid(a[first] + b[first]) * b[third]) + z * s

    return cell


@wrong("reads the cell's rows in another order, which begins with update gate, reset gate")
def update_gate_first(y_prev, s_prev, H, lengths, W_a, U_a, v_a, *cell):
    context, weights = attend(s_prev, H, lengths, W_a, U_a, v_a)
    return _order(1, 0, 2)(torch.cat([y_prev, context], 1), s_prev, *cell), context, weights


@wrong("reads the cell's rows in another order, which begins with candidate, update gate")
def candidate_first(y_prev, s_prev, H, lengths, W_a, U_a, v_a, *cell):
    context, weights = attend(s_prev, H, lengths, W_a, U_a, v_a)
    return _order(2, 1, 0)(torch.cat([y_prev, context], 1), s_prev, *cell), context, weights


@wrong("swaps the roles of new and old: z keeps the candidate")
def update_gate_the_other_way(y_prev, s_prev, H, lengths, W_a, U_a, v_a, W_ih, W_hh, b_ih, b_hh):
    context, weights = attend(s_prev, H, lengths, W_a, U_a, v_a)
    x = torch.cat([y_prev, context], 1)
    a, b = F.linear(x, W_ih, b_ih).chunk(3, 1), F.linear(s_prev, W_hh, b_hh).chunk(3, 1)
    z = torch.sigmoid(a[1] + b[1])
    new = torch.tanh(a[2] + torch.sigmoid(a[0] + b[0]) * b[2])
    return s_prev + z * (new - s_prev), context, weights


@wrong("resets the state before the product W_hc s, as the paper does and torch does not")
def the_papers_reset(y_prev, s_prev, H, lengths, W_a, U_a, v_a, W_ih, W_hh, b_ih, b_hh):
    context, weights = attend(s_prev, H, lengths, W_a, U_a, v_a)
    x, d = torch.cat([y_prev, context], 1), s_prev.shape[1]
    r, z = torch.sigmoid(x @ W_ih[: 2 * d].T + b_ih[: 2 * d] + s_prev @ W_hh[: 2 * d].T + b_hh[: 2 * d]).chunk(2, 1)
    new = torch.tanh(x @ W_ih[2 * d :].T + b_ih[2 * d :] + (r * s_prev) @ W_hh[2 * d :].T + b_hh[2 * d :])
    return (1 - z) * new + z * s_prev, context, weights


@wrong("leaves the candidate's bias b_hc outside the reset gate")
def biases_added_up_front(y_prev, s_prev, H, lengths, W_a, U_a, v_a, W_ih, W_hh, b_ih, b_hh):
    context, weights = attend(s_prev, H, lengths, W_a, U_a, v_a)
    a = (torch.cat([y_prev, context], 1) @ W_ih.T + b_ih + b_hh).chunk(3, 1)
    b = (s_prev @ W_hh.T).chunk(3, 1)
    z = torch.sigmoid(a[1] + b[1])
    return (1 - z) * torch.tanh(a[2] + torch.sigmoid(a[0] + b[0]) * b[2]) + z * s_prev, context, weights


@wrong("forgets the reset gate")
def no_reset(y_prev, s_prev, H, lengths, W_a, U_a, v_a, W_ih, W_hh, b_ih, b_hh):
    context, weights = attend(s_prev, H, lengths, W_a, U_a, v_a)
    _, z, new = (torch.cat([y_prev, context], 1) @ W_ih.T + b_ih + s_prev @ W_hh.T + b_hh).chunk(3, 1)
    z = torch.sigmoid(z)
    return (1 - z) * torch.tanh(new) + z * s_prev, context, weights


@wrong("forgets one of the two biases")
def input_bias_only(y_prev, s_prev, H, lengths, W_a, U_a, v_a, W_ih, W_hh, b_ih, b_hh):
    context, weights = attend(s_prev, H, lengths, W_a, U_a, v_a)
    return torch.gru_cell(torch.cat([y_prev, context], 1), s_prev, W_ih, W_hh, b_ih, 0 * b_hh), context, weights


@wrong("puts the context before the token")
def context_first(y_prev, s_prev, H, lengths, W_a, U_a, v_a, *cell):
    context, weights = attend(s_prev, H, lengths, W_a, U_a, v_a)
    return torch.gru_cell(torch.cat([context, y_prev], 1), s_prev, *cell), context, weights


@wrong("leaves the context out of the state: c is computed and not used")
def context_for_the_readout_only(y_prev, s_prev, H, lengths, W_a, U_a, v_a, W_ih, W_hh, b_ih, b_hh):
    context, weights = attend(s_prev, H, lengths, W_a, U_a, v_a)
    s = torch.gru_cell(y_prev, s_prev, W_ih[:, : y_prev.shape[1]].contiguous(), W_hh, b_ih, b_hh)
    return s, context, weights


@wrong("attends with the new state: that is Luong's order")
def attends_again_with_the_new_state(y_prev, s_prev, H, lengths, W_a, U_a, v_a, *cell):
    context, _ = attend(s_prev, H, lengths, W_a, U_a, v_a)
    s = gru(torch.cat([y_prev, context], 1), s_prev, *cell)
    return s, *attend(s, H, lengths, W_a, U_a, v_a)


@wrong("updates the state without a context and then attends with it")
def state_first(y_prev, s_prev, H, lengths, W_a, U_a, v_a, *cell):
    s = gru(torch.cat([y_prev, H.new_zeros(len(H), H.shape[2])], 1), s_prev, *cell)
    return s, *attend(s, H, lengths, W_a, U_a, v_a)


@wrong("ignores the lengths")
def padding_read(y_prev, s_prev, H, lengths, W_a, U_a, v_a, *cell):
    context, weights = attend(s_prev, H, torch.full_like(lengths, H.shape[1]), W_a, U_a, v_a)
    return gru(torch.cat([y_prev, context], 1), s_prev, *cell), context, weights


@wrong("returns the context first and the state second")
def results_in_the_order_of_computation(y_prev, s_prev, H, lengths, W_a, U_a, v_a, *cell):
    context, weights = attend(s_prev, H, lengths, W_a, U_a, v_a)
    return context, gru(torch.cat([y_prev, context], 1), s_prev, *cell), weights


@wrong("returns the old state")
def old_state(y_prev, s_prev, H, lengths, W_a, U_a, v_a, *cell):
    return s_prev, *attend(s_prev, H, lengths, W_a, U_a, v_a)


@wrong("detaches the context, so that attention learns nothing from the states that follow")
def context_as_data(y_prev, s_prev, H, lengths, W_a, U_a, v_a, *cell):
    context, weights = attend(s_prev, H, lengths, W_a, U_a, v_a)
    return gru(torch.cat([y_prev, context.data], 1), s_prev, *cell), context, weights


@wrong("detaches the state from the graph at every step")
def truncated_at_every_step(y_prev, s_prev, H, lengths, W_a, U_a, v_a, *cell):
    s_prev = s_prev.detach()
    context, weights = attend(s_prev, H, lengths, W_a, U_a, v_a)
    return gru(torch.cat([y_prev, context], 1), s_prev, *cell), context, weights


@wrong("detaches the query: the score's gradient never reaches the state before")
def query_detached(y_prev, s_prev, H, lengths, W_a, U_a, v_a, *cell):
    with torch.no_grad():
        query = s_prev.clone()
    context, weights = attend(query, H, lengths, W_a, U_a, v_a)
    return gru(torch.cat([y_prev, context], 1), s_prev, *cell), context, weights


@wrong("cuts the gradient to H")
def annotations_detached(y_prev, s_prev, H, lengths, W_a, U_a, v_a, *cell):
    context, weights = attend(s_prev, H.detach(), lengths, W_a, U_a, v_a)
    return gru(torch.cat([y_prev, context], 1), s_prev, *cell), context, weights


@wrong("changes its input s_prev in place")
def writes_the_state_over(y_prev, s_prev, H, lengths, W_a, U_a, v_a, *cell):
    s, context, weights = by_the_formulas(y_prev, s_prev.clone(), H, lengths, W_a, U_a, v_a, *cell)
    with torch.no_grad():
        s_prev.copy_(s)
    return s, context, weights


@wrong("gives another result the second time it is called")
def keeps_the_state_itself(y_prev, s_prev, H, lengths, W_a, U_a, v_a, *cell, kept={}):  # noqa: B006 - a mutable default is the mistake
    key = tuple(s_prev.shape), tuple(H.shape), y_prev.shape[1], s_prev.dtype
    start = s_prev + kept.get(key, 0)
    s, context, weights = by_the_formulas(y_prev, start, H, lengths, W_a, U_a, v_a, *cell)
    kept[key] = s.detach()
    return s, context, weights


@wrong("touches the global random generator")
def dropout_on_the_context(y_prev, s_prev, H, lengths, W_a, U_a, v_a, *cell):
    context, weights = attend(s_prev, H, lengths, W_a, U_a, v_a)
    return gru(torch.cat([y_prev, F.dropout(context, 0.2)], 1), s_prev, *cell), context, weights


@wrong("does not keep the dtype of its inputs")
def a_module_of_float32(y_prev, s_prev, H, lengths, W_a, U_a, v_a, *cell):
    s, context, weights = by_the_formulas(
        *(x.float() for x in (y_prev, s_prev, H)), lengths, *(x.float() for x in (W_a, U_a, v_a, *cell))
    )
    return s, context, weights


@wrong("returns 2 values instead of 3")
def no_weights(y_prev, s_prev, H, lengths, W_a, U_a, v_a, *cell):
    return by_the_formulas(y_prev, s_prev, H, lengths, W_a, U_a, v_a, *cell)[:2]


@wrong("gives the cell the mean of the annotations instead of the context")
def mean_annotation(y_prev, s_prev, H, lengths, W_a, U_a, v_a, *cell):
    mask = (torch.arange(H.shape[1]) < lengths[:, None]).to(H.dtype)
    mean = (mask[:, :, None] * H).sum(1) / lengths.clamp(min=1)[:, None]
    return gru(torch.cat([y_prev, mean], 1), s_prev, *cell), *attend(s_prev, H, lengths, W_a, U_a, v_a)


@wrong("uses a plain tanh cell instead of the GRU")
def elman(y_prev, s_prev, H, lengths, W_a, U_a, v_a, W_ih, W_hh, b_ih, b_hh):
    context, weights = attend(s_prev, H, lengths, W_a, U_a, v_a)
    d = s_prev.shape[1]
    x = torch.cat([y_prev, context], 1)
    return (
        torch.tanh(F.linear(x, W_ih, b_ih)[:, 2 * d :] + F.linear(s_prev, W_hh, b_hh)[:, 2 * d :]),
        context,
        weights,
    )


@wrong("gives NaN for a sentence without words")
def nan_for_empty_sentences(y_prev, s_prev, H, lengths, W_a, U_a, v_a, *cell):
    scores = torch.tanh((s_prev @ W_a.T)[:, None] + H @ U_a.T) @ v_a
    weights = torch.softmax(scores.masked_fill(torch.arange(H.shape[1]) >= lengths[:, None], -math.inf), 1)
    context = (weights[:, :, None] * H).sum(1)
    return gru(torch.cat([y_prev, context], 1), s_prev, *cell), context, weights


@wrong("reads padding in a sentence without words: a large negative number is not −inf")
def padding_in_empty_sentences(y_prev, s_prev, H, lengths, W_a, U_a, v_a, *cell):
    scores = torch.tanh((s_prev @ W_a.T)[:, None] + H @ U_a.T) @ v_a
    weights = torch.where(torch.arange(H.shape[1]) < lengths[:, None], scores, -1e9).softmax(1)
    context = (weights[:, None] @ H)[:, 0]
    return gru(torch.cat([y_prev, context], 1), s_prev, *cell), context, weights


def _parts(x, s, W_ih, W_hh, b_ih, b_hh):
    """Both gates and the candidate's two sums."""
    a, b = F.linear(x, W_ih, b_ih).chunk(3, 1), F.linear(s, W_hh, b_hh).chunk(3, 1)
    return (a[0] + b[0]).sigmoid(), (a[1] + b[1]).sigmoid(), a[2], b[2]


@wrong("exchanges b_ih and b_hh")
def biases_exchanged(y_prev, s_prev, H, lengths, W_a, U_a, v_a, W_ih, W_hh, b_ih, b_hh):
    context, weights = attend(s_prev, H, lengths, W_a, U_a, v_a)
    return torch.gru_cell(torch.cat([y_prev, context], 1), s_prev, W_ih, W_hh, b_hh, b_ih), context, weights


@wrong("multiplies by W_ih untransposed")
def input_matrix_untransposed(y_prev, s_prev, H, lengths, W_a, U_a, v_a, W_ih, W_hh, b_ih, b_hh):
    context, weights = attend(s_prev, H, lengths, W_a, U_a, v_a)
    a, b = (torch.cat([y_prev, context], 1) @ W_ih + b_ih).chunk(3, 1), (s_prev @ W_hh.T + b_hh).chunk(3, 1)
    z = torch.sigmoid(a[1] + b[1])
    return (1 - z) * torch.tanh(a[2] + torch.sigmoid(a[0] + b[0]) * b[2]) + z * s_prev, context, weights


@wrong("multiplies by W_ih untransposed")
def transposed_matrix_given_to_torch(y_prev, s_prev, H, lengths, W_a, U_a, v_a, W_ih, W_hh, b_ih, b_hh):
    context, weights = attend(s_prev, H, lengths, W_a, U_a, v_a)
    x = torch.cat([y_prev, context], 1)
    return torch.gru_cell(x, s_prev, W_ih.T.contiguous(), W_hh, b_ih, b_hh), context, weights


@wrong("multiplies by each gate's block of W_hh untransposed")
def state_blocks_untransposed(y_prev, s_prev, H, lengths, W_a, U_a, v_a, W_ih, W_hh, b_ih, b_hh):
    context, weights = attend(s_prev, H, lengths, W_a, U_a, v_a)
    x = torch.cat([y_prev, context], 1) @ W_ih.T + b_ih
    d = s_prev.shape[1]
    h = torch.cat([s_prev @ W_hh[i * d : (i + 1) * d] for i in range(3)], 1) + b_hh
    r, z = (x[:, : 2 * d] + h[:, : 2 * d]).sigmoid().chunk(2, 1)
    return (1 - z) * torch.tanh(x[:, 2 * d :] + r * h[:, 2 * d :]) + z * s_prev, context, weights


@wrong("lets the reset gate act on the input too")
def reset_on_both(y_prev, s_prev, H, lengths, W_a, U_a, v_a, *cell):
    context, weights = attend(s_prev, H, lengths, W_a, U_a, v_a)
    r, z, of_x, of_s = _parts(torch.cat([y_prev, context], 1), s_prev, *cell)
    return torch.lerp(torch.tanh(r * of_x + r * of_s), s_prev, z), context, weights


@wrong("lets the reset gate act on the input instead of the state")
def reset_on_the_input(y_prev, s_prev, H, lengths, W_a, U_a, v_a, *cell):
    context, weights = attend(s_prev, H, lengths, W_a, U_a, v_a)
    r, z, of_x, of_s = _parts(torch.cat([y_prev, context], 1), s_prev, *cell)
    return torch.lerp(torch.tanh(r * of_x + of_s), s_prev, z), context, weights


@wrong("leaves out the candidate's tanh")
def straight_candidate(y_prev, s_prev, H, lengths, W_a, U_a, v_a, *cell):
    context, weights = attend(s_prev, H, lengths, W_a, U_a, v_a)
    r, z, of_x, of_s = _parts(torch.cat([y_prev, context], 1), s_prev, *cell)
    return z * s_prev + (1 - z) * (of_x + r * of_s), context, weights


@wrong("takes the tanh of the whole new state instead of the candidate")
def tanh_at_the_end(y_prev, s_prev, H, lengths, W_a, U_a, v_a, *cell):
    context, weights = attend(s_prev, H, lengths, W_a, U_a, v_a)
    r, z, of_x, of_s = _parts(torch.cat([y_prev, context], 1), s_prev, *cell)
    return torch.tanh(z * s_prev + (1 - z) * (of_x + r * of_s)), context, weights


@wrong("forgets b_hh in the candidate")
def one_bias_in_the_candidate(y_prev, s_prev, H, lengths, W_a, U_a, v_a, W_ih, W_hh, b_ih, b_hh):
    context, weights = attend(s_prev, H, lengths, W_a, U_a, v_a)
    d = s_prev.shape[1]
    r, z, of_x, of_s = _parts(torch.cat([y_prev, context], 1), s_prev, W_ih, W_hh, b_ih, b_hh)
    return (1 - z) * torch.tanh(of_x + r * (of_s - b_hh[2 * d :])) + z * s_prev, context, weights


@wrong("takes the rows of the three gates in turn instead of block by block")
def interleaved_gates(y_prev, s_prev, H, lengths, W_a, U_a, v_a, W_ih, W_hh, b_ih, b_hh):
    context, weights = attend(s_prev, H, lengths, W_a, U_a, v_a)
    x = (torch.cat([y_prev, context], 1) @ W_ih.T + b_ih).unflatten(1, (-1, 3))
    h = (s_prev @ W_hh.T + b_hh).unflatten(1, (-1, 3))
    r, z = torch.sigmoid(x[..., 0] + h[..., 0]), torch.sigmoid(x[..., 1] + h[..., 1])
    return (1 - z) * torch.tanh(x[..., 2] + r * h[..., 2]) + z * s_prev, context, weights


@wrong("fills with a finite number and multiplies by the mask, which fails where every word scores lower")
def minus_1e9_and_masked_again(y_prev, s_prev, H, lengths, W_a, U_a, v_a, *cell):
    scores = torch.tanh((s_prev @ W_a.T)[:, None] + H @ U_a.T) @ v_a
    mask = torch.arange(H.shape[1]) < lengths[:, None]
    weights = torch.where(mask, scores, -1e9).softmax(1) * mask
    context = (weights[:, None] @ H)[:, 0]
    return gru(torch.cat([y_prev, context], 1), s_prev, *cell), context, weights
