"""Right and wrong answers to luong.local_p."""

import math

import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it
from answers import right, wrong


def place(h, W_p, v_p, lengths):
    """The predicted position, right."""
    return lengths * torch.sigmoid(torch.tanh(h @ W_p.T) @ v_p)


def steps(p, n):
    """s − p for all positions, (B, n)."""
    return torch.arange(n).to(p.dtype) - p[:, None]


def seen(p, D, lengths, n):
    """The window, right."""
    return (steps(p, n).abs() <= D) & (torch.arange(n) < lengths[:, None])


def bell(p, D, n):
    """The Gaussian, right."""
    return torch.exp(-(steps(p, n) ** 2) / (2 * (D / 2) ** 2))


def soft(h, H, mask):
    """Softmax of the dot scores in the window, right."""
    scores = (H @ h[:, :, None])[:, :, 0]
    return scores.masked_fill(~mask, -math.inf).softmax(1).nan_to_num(0.0)


def read(weights, H):
    """The context."""
    return (weights[:, None] @ H)[:, 0]


# --- right, in different styles


@right
def four_steps(h, H, W_p, v_p, D, lengths):
    p = lengths.to(h.dtype) * torch.sigmoid(torch.tanh(h @ W_p.T) @ v_p)
    s = torch.arange(H.shape[1], dtype=h.dtype)
    inside = ((s - p[:, None]).abs() <= D) & (s < lengths[:, None])
    scores = torch.bmm(H, h[:, :, None]).squeeze(2).masked_fill(~inside, -torch.inf)
    weights = torch.softmax(scores, 1).nan_to_num() * torch.exp(-((s - p[:, None]) ** 2) / (2 * (D / 2) ** 2))
    return torch.bmm(weights[:, None], H).squeeze(1), weights, p


@right
def loop_over_sentences(h, H, W_p, v_p, D, lengths):
    contexts, rows, ps = [], [], []
    for x, states, length in zip(h, H, lengths.tolist(), strict=True):
        p = length * torch.sigmoid(v_p @ torch.tanh(W_p @ x))
        inside = [s for s in range(length) if abs(s - p.item()) <= D]
        row = x.new_zeros(len(states)) + 0 * p
        if inside:
            index = torch.tensor(inside)
            a = torch.softmax(states[index] @ x, 0) * torch.exp(-2 * ((index - p) / D) ** 2)
            row = row.index_put((index,), a)
        contexts.append(torch.where((row != 0)[:, None], row[:, None] * states, 0.0).sum(0))
        rows.append(row)
        ps.append(p)
    return torch.stack(contexts), torch.stack(rows), torch.stack(ps)


@right
def integer_bounds_of_the_window(h, H, W_p, v_p, D, lengths):
    p = place(h, W_p, v_p, lengths)
    first = torch.ceil(p - D).clamp(min=0).detach()
    last = torch.minimum(torch.floor(p + D).detach(), lengths - 1)
    s = torch.arange(H.shape[1])
    mask = (s >= first[:, None]) & (s <= last[:, None])
    weights = soft(h, H, mask) * bell(p, D, H.shape[1])
    return torch.einsum("bn,bnd->bd", weights, H), weights, p


@right
def own_stable_softmax(h, H, W_p, v_p, D, lengths):
    p = place(h, W_p, v_p, lengths)
    mask = seen(p, D, lengths, H.shape[1])
    scores = torch.einsum("bd,bnd->bn", h, H)
    top = scores.masked_fill(~mask, -math.inf).amax(1, keepdim=True)
    e = torch.where(mask, torch.exp(torch.where(mask, scores - top.nan_to_num(neginf=0.0), 0.0)), 0.0)
    weights = e / e.sum(1, keepdim=True).clamp(min=1e-30) * bell(p, D, H.shape[1])
    return read(weights, H), weights, p


@right
def finite_fill_and_mask_again(h, H, W_p, v_p, D, lengths):
    p = torch.nn.functional.linear(torch.tanh(F.linear(h, W_p)), v_p[None])[:, 0].sigmoid() * lengths
    mask = seen(p, D, lengths, H.shape[1])
    scores = (h.unsqueeze(1) @ H.mT).squeeze(1).masked_fill(~mask, torch.finfo(h.dtype).min)
    weights = scores.softmax(-1) * mask * torch.exp(-0.5 * (steps(p, H.shape[1]) / (D / 2)).square())
    return read(weights, H), weights, p


@right
def clean_padding_first(h, H, W_p, v_p, D, lengths):
    s = torch.arange(H.shape[1])
    words = s[None] < lengths[:, None]
    H = torch.where(words[..., None], H, torch.zeros((), dtype=H.dtype))
    p = (torch.tanh(h @ W_p.mT) @ v_p).sigmoid().mul(lengths)
    near = words & (p[:, None] - D <= s) & (s <= p[:, None] + D)
    scores = torch.where(near, (H * h[:, None]).sum(-1), torch.tensor(-math.inf, dtype=h.dtype))
    scores = torch.where(near.any(1, keepdim=True), scores, torch.zeros_like(scores))
    weights = scores.softmax(1) * near * bell(p, D, H.shape[1])
    return (weights[..., None] * H).sum(1), weights, p


@right
def upcast_and_cast_back(h, H, W_p, v_p, D, lengths):
    result = four_steps(h.double(), H.double(), W_p.double(), v_p.double(), D, lengths)
    return [x.to(h.dtype) for x in result]


# --- wrong, the way learners write it


def local(position=place, window=seen, weigh=lambda a, g: a * g, curve=bell, soften=soft):
    """local-p with one part exchanged."""

    def answer(h, H, W_p, v_p, D, lengths):
        p = position(h, W_p, v_p, lengths)
        mask = window(p, D, lengths, H.shape[1])
        weights = weigh(soften(h, H, mask), curve(p, D, H.shape[1]))
        return read(weights, H), weights, p

    return answer


sums_to_one_again = wrong("normalises again after the Gaussian, or has the Gaussian inside the softmax")(
    local(weigh=lambda a, g: F.normalize(a * g, p=1.0, dim=1, eps=1e-30))
)
sigma_is_d = wrong("takes σ = D instead of D/2")(local(curve=lambda p, D, n: bell(p, 2 * D, n)))
variance_is_half_d = wrong("takes σ² = D/2 instead of σ = D/2")(
    local(curve=lambda p, D, n: torch.exp(-(steps(p, n) ** 2) / (2 * (D / 2))))
)
no_two = wrong("leaves out the 2 in the Gaussian's denominator")(
    local(curve=lambda p, D, n: torch.exp(-((steps(p, n) / (D / 2)) ** 2)))
)
density = wrong("scales the Gaussian like a density")(
    local(curve=lambda p, D, n: torch.exp(-0.5 * (steps(p, n) * 2 / D) ** 2) * (2 / D) / math.sqrt(2 * math.pi))
)
no_gaussian = wrong("leaves out the Gaussian")(local(weigh=lambda a, g: a))
whole_number = wrong("rounds the position")(local(position=lambda *x: torch.round(place(*x))))
no_sigmoid = wrong("leaves out the sigmoid of the position")(
    local(position=lambda h, W, v, lengths: lengths * (torch.tanh(h @ W.T) @ v))
)
no_tanh = wrong("leaves out the tanh of the position")(
    local(position=lambda h, W, v, lengths: lengths * torch.sigmoid(h @ W.T @ v))
)
last_index = wrong("multiplies by S − 1 instead of S")(
    local(position=lambda h, W, v, lengths: (lengths - 1) * torch.sigmoid(torch.tanh(h @ W.T) @ v))
)
detached = wrong("detaches p, so that W_p and v_p never learn")(local(position=lambda *x: place(*x).detach()))
detached_curve = wrong("detaches p in the Gaussian, so that attending never teaches where to look")(
    local(curve=lambda p, D, n: bell(p.data, D, n))
)
open_window = wrong("excludes the ends of the window")(
    local(window=lambda p, D, S, n: (steps(p, n).abs() < D) & (torch.arange(n) < S[:, None]))
)
rounded_window = wrong("lays the window around the rounded position")(
    local(window=lambda p, D, S, n: seen(p.round(), D, S, n))
)
floor_window = wrong("lays the window around the position rounded down")(
    local(window=lambda p, D, S, n: seen(p.long().to(p.dtype), D, S, n))
)
narrow_window = wrong("makes the window half as wide")(local(window=lambda p, D, S, n: seen(p, D / 2, S, n)))
no_window = wrong("leaves out the window")(
    local(window=lambda p, D, S, n: (torch.arange(n) < S[:, None]).expand(len(p), n))
)
into_the_padding = wrong("lets the window reach into the padding")(
    local(window=lambda p, D, S, n: steps(p, n).abs() <= D)
)
nan_without_words = wrong("gives NaN for a sentence of length 0")(
    local(soften=lambda h, H, mask: (H @ h[..., None])[..., 0].masked_fill(~mask, -math.inf).softmax(1))
)
uniform_without_words = wrong("gives a sentence of length 0 uniform weights")(
    local(soften=lambda h, H, mask: (H @ h[..., None])[..., 0].masked_fill(~mask, -1e30).softmax(1))
)
added_infinity = wrong("adds −inf to the scores and hides the NaN, which the backward pass still meets")(
    local(
        soften=lambda h, H, mask: (
            ((H @ h[..., None])[..., 0] + torch.zeros(mask.shape, dtype=h.dtype).masked_fill(~mask, -math.inf))
            .softmax(1)
            .nan_to_num()
        )
    )
)
scores_of_zero = wrong("gives positions outside the window the score 0 instead of −inf")(
    local(soften=lambda h, H, mask: ((H @ h[..., None])[..., 0] * mask).softmax(1))
)
LATE = "gives hidden positions a finite score and multiplies by the mask afterwards"
minus_hundred, minus_thousand, minus_ten_thousand, minus_billion = (
    wrong(LATE)(
        local(
            soften=lambda h, H, mask, fill=fill: (H @ h[..., None])[..., 0].masked_fill(~mask, fill).softmax(1) * mask
        )
    )
    for fill in (-1e2, -1e3, -1e4, -1e9)
)


def one_maximum(h, H, mask):
    """Softmax with one maximum for all sentences: far below it, every exponential is zero."""
    inside = (H @ h[..., None])[..., 0].masked_fill(~mask, -math.inf)
    w = torch.exp(inside - inside.max().nan_to_num(neginf=0.0))
    return w / w.sum(1, keepdim=True).clamp(min=1e-30)


batch_maximum = wrong("subtracts the maximum of the whole batch")(local(soften=one_maximum))
whole_sigma = wrong("takes σ = D // 2, which drops a half")(
    local(curve=lambda p, D, n: torch.exp(-(steps(p, n) ** 2) / (2 * (D // 2) ** 2)))
)
ceiling_window = wrong("lays the window around the position rounded up")(
    local(window=lambda p, D, S, n: seen(p.ceil(), D, S, n))
)
open_on_the_left = wrong("excludes the left end of the window")(
    local(window=lambda p, D, S, n: seen(p, D, S, n) & (steps(p, n) != -D))
)
open_on_the_right = wrong("excludes the right end of the window")(
    local(window=lambda p, D, S, n: seen(p, D, S, n) & (steps(p, n) != D))
)
generous_window = wrong("lets positions just outside the window in")(
    local(window=lambda p, D, S, n: seen(p, D + 1e-3, S, n))
)
generous_by_less = wrong("lets positions just outside the window in")(
    local(window=lambda p, D, S, n: seen(p, D + 1e-4, S, n))
)
frozen_query = wrong("detaches the query in the scores")(local(soften=lambda h, H, mask: soft(h.detach(), H, mask)))
frozen_keys = wrong("detaches the source states in the scores")(
    local(soften=lambda h, H, mask: soft(h, H.detach(), mask))
)
scaled = wrong("divides the scores by √d")(local(soften=lambda h, H, mask: soft(h / math.sqrt(h.shape[1]), H, mask)))


@wrong("detaches the source states in the context")
def frozen_values(h, H, W_p, v_p, D, lengths):
    _, weights, p = four_steps(h, H, W_p, v_p, D, lengths)
    return read(weights, H.detach()), weights, p


@wrong("detaches the p that it returns")
def position_as_data(h, H, W_p, v_p, D, lengths):
    context, weights, p = four_steps(h, H, W_p, v_p, D, lengths)
    return context, weights, p.data


@wrong("takes the padded length n instead of the sentence's own")
def padded_length(h, H, W_p, v_p, D, lengths):
    n = H.shape[1]
    p = n * torch.sigmoid(torch.tanh(h @ W_p.T) @ v_p)
    weights = soft(h, H, seen(p, D, lengths, n)) * bell(p, D, n)
    return read(weights, H), weights, p


@wrong("counts the positions from 1")
def counted_from_one(h, H, W_p, v_p, D, lengths):
    p, n = place(h, W_p, v_p, lengths), H.shape[1]
    gap = torch.arange(1, n + 1) - p[:, None]
    mask = (gap.abs() <= D) & (torch.arange(n) < lengths[:, None])
    weights = soft(h, H, mask) * torch.exp(-2 * (gap / D) ** 2)
    return read(weights, H), weights, p


@wrong("normalises again after the Gaussian, or has the Gaussian inside the softmax")
def inside_the_softmax(h, H, W_p, v_p, D, lengths):
    p, n = place(h, W_p, v_p, lengths), H.shape[1]
    scores = (H @ h[..., None])[..., 0] - 2 * (steps(p, n) / D) ** 2
    weights = scores.masked_fill(~seen(p, D, lengths, n), -math.inf).softmax(1).nan_to_num()
    return read(weights, H), weights, p


@wrong("multiplies the scores by the Gaussian instead of the weights")
def scores_times_gaussian(h, H, W_p, v_p, D, lengths):
    p, n = place(h, W_p, v_p, lengths), H.shape[1]
    scores = (H @ h[..., None])[..., 0] * bell(p, D, n)
    weights = scores.masked_fill(~seen(p, D, lengths, n), -math.inf).softmax(1).nan_to_num()
    return read(weights, H), weights, p


@wrong("cuts the window out after the softmax")
def window_last(h, H, W_p, v_p, D, lengths):
    p, n = place(h, W_p, v_p, lengths), H.shape[1]
    words = torch.arange(n) < lengths[:, None]
    weights = soft(h, H, words) * bell(p, D, n) * (steps(p, n).abs() <= D)
    return read(weights, H), weights, p


@wrong("makes the context from the weights before the Gaussian")
def context_too_early(h, H, W_p, v_p, D, lengths):
    p, n = place(h, W_p, v_p, lengths), H.shape[1]
    a = soft(h, H, seen(p, D, lengths, n))
    return read(a, H), a * bell(p, D, n), p


@wrong("returns the weights before the Gaussian")
def weights_too_early(h, H, W_p, v_p, D, lengths):
    p, n = place(h, W_p, v_p, lengths), H.shape[1]
    a = soft(h, H, seen(p, D, lengths, n))
    return read(a * bell(p, D, n), H), a, p


@wrong("takes the first sentence's window for the whole batch")
def one_window(h, H, W_p, v_p, D, lengths):
    p, n = place(h, W_p, v_p, lengths), H.shape[1]
    mask = (steps(p, n)[:1].abs() <= D) & (torch.arange(n) < lengths[:, None])
    weights = soft(h, H, mask) * bell(p, D, n)
    return read(weights, H), weights, p


@wrong("returns p as a share of the sentence")
def share(h, H, W_p, v_p, D, lengths):
    context, weights, _ = four_steps(h, H, W_p, v_p, D, lengths)
    return context, weights, torch.sigmoid(torch.tanh(h @ W_p.T) @ v_p)


@wrong("computes the sigmoid so that exp overflows, and the gradient is NaN")
def sigmoid_by_hand(h, H, W_p, v_p, D, lengths):
    return local(position=lambda h, W, v, S: S / (1 + torch.exp(-(torch.tanh(h @ W.T) @ v))))(
        h, H, W_p, v_p, D, lengths
    )


@wrong("changes its input H in place")
def padding_zeroed_in_place(h, H, W_p, v_p, D, lengths):
    H[torch.arange(H.shape[1]) >= lengths[:, None]] = 0.0
    return four_steps(h, H, W_p, v_p, D, lengths)


@wrong("does not keep the dtype of its inputs")
def positions_in_double(h, H, W_p, v_p, D, lengths):
    context, weights, p = four_steps(h, H, W_p, v_p, D, lengths)
    return context, weights, p * torch.ones(1, dtype=torch.float64)


@wrong("loses precision: its float64 results are only as good as float32")
def positions_in_single(h, H, W_p, v_p, D, lengths):
    result = four_steps(h.float(), H.float(), W_p.float(), v_p.float(), D, lengths)
    return tuple(x.to(h.dtype) for x in result)


@wrong("returns 2 values instead of 3")
def position_forgotten(h, H, W_p, v_p, D, lengths):
    return four_steps(h, H, W_p, v_p, D, lengths)[:2]


@wrong("gives another result the second time it is called")
def smooths_the_position(h, H, W_p, v_p, D, lengths, last={}):  # noqa: B006 - a mutable default is the mistake
    context, weights, p = four_steps(h, H, W_p, v_p, D, lengths)
    key = (tuple(H.shape), h.dtype, p.detach().sum().item())
    count = last[key] = last.get(key, 0) + 1
    return context, weights, p + 0.25 * (count - 1)
