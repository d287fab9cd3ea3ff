"""Right and wrong answers to coverage.vectors."""

import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it
from answers import right, wrong

# --- right, in different styles


@right
def cumulative_sum_less_the_row(weights):
    return weights.cumsum(dim=1) - weights


@right
def zeros_then_cumulative_sum(weights):
    return torch.cat([torch.zeros_like(weights[:, :1]), weights[:, :-1].cumsum(1)], dim=1)


@right
def loop_over_the_steps(weights):
    rows, c = [], torch.zeros_like(weights[:, 0])
    for a in weights.unbind(1):
        rows.append(c)
        c = c + a
    return torch.stack(rows, 1)


@right
def strictly_lower_triangular_matrix(weights):
    T = weights.shape[1]
    earlier = torch.ones(T, T, dtype=weights.dtype).tril(-1)
    return earlier @ weights


@right
def einsum(weights):
    T = weights.size(1)
    earlier = torch.arange(T)[:, None] > torch.arange(T)
    return torch.einsum("ts,bsn->btn", earlier.to(weights), weights)


@right
def padded_at_the_front(weights):
    return F.pad(weights, (0, 0, 1, 0))[:, :-1].cumsum(1)


@right
def slices_summed_one_by_one(weights):
    return torch.stack([weights[:, :t].sum(1) for t in range(weights.shape[1])], dim=1)


@right
def filled_in_place_on_its_own_array(weights):
    c = torch.zeros_like(weights)
    for t in range(1, weights.shape[1]):
        c[:, t] = c[:, t - 1].clone() + weights[:, t - 1]
    return c


@right
def from_the_end(weights):
    total = weights.sum(1, keepdim=True)
    return total - weights.flip(1).cumsum(1).flip(1)


# --- wrong, the way learners write it


@wrong("counts the current step as already covered")
def plain_cumsum(weights):
    return torch.cumsum(weights, dim=1)


@wrong("counts the current step as already covered")
def adds_before_it_stores(weights):
    rows, c = [], torch.zeros_like(weights[:, 0])
    for a in weights.unbind(1):
        c = c + a
        rows.append(c)
    return torch.stack(rows, 1)


@wrong("counts the current step as already covered")
def triangular_with_the_diagonal(weights):
    T = weights.shape[1]
    return torch.tril(weights.new_ones(T, T)) @ weights


@wrong("remembers the previous step only")
def shifted(weights):
    return F.pad(weights, (0, 0, 1, 0))[:, :-1]


@wrong("averages over the earlier steps instead of summing them")
def running_mean(weights):
    rows = [torch.zeros_like(weights[:, 0])]
    rows += [weights[:, :t].mean(1) for t in range(1, weights.shape[1])]
    return torch.stack(rows, 1)


@wrong("sums along the source positions instead of the decoder steps")
def last_axis(weights):
    return weights.cumsum(dim=-1) - weights


@wrong("sums along the batch")
def first_axis(weights):
    return weights.cumsum(dim=0) - weights


@wrong("gives every step the total over all steps")
def total(weights):
    return torch.zeros_like(weights) + weights.sum(dim=1, keepdim=True)


@wrong("sums the later steps instead of the earlier ones")
def upper_triangle(weights):
    T = weights.shape[1]
    return weights.new_ones(T, T).triu(1) @ weights


@wrong("rolls the sums by one row, so that the first row holds the total")
def rolled(weights):
    return torch.roll(weights.cumsum(1), shifts=1, dims=1)


@wrong("starts from the uniform distribution")
def starts_uniform(weights):
    rows, c = [], torch.full_like(weights[:, 0], 1 / weights.shape[2])
    for a in weights.unbind(1):
        rows.append(c)
        c = c + a
    return torch.stack(rows, 1)


@wrong("limits the coverage to 1")
def a_share_at_most_one(weights):
    c = weights.cumsum(1) - weights
    return torch.where(c > 1, torch.ones_like(c), c)


@wrong("keeps the largest earlier weight instead of the sum")
def running_maximum(weights):
    earlier = F.pad(weights, (0, 0, 1, 0))[:, :-1]
    return earlier.cummax(dim=1)[0]


@wrong("leaves out the first step's row of zeros")
def one_row_short(weights):
    return weights[:, :-1].cumsum(1)


@wrong("has one row too many: the coverage after the last step")
def one_row_too_many(weights):
    return F.pad(weights.cumsum(1), (0, 0, 1, 0))


@wrong("detaches the coverage from the graph")
def history_without_gradient(weights):
    with torch.no_grad():
        return weights.cumsum(1) - weights


@wrong("detaches the coverage from the graph")
def buffer_of_data(weights):
    c = torch.zeros_like(weights)
    for t in range(1, weights.shape[1]):
        c[:, t] = c[:, t - 1] + weights[:, t - 1].detach()
    return c


@wrong("has the right values but wrong gradients")
def only_the_last_step_is_attached(weights):
    rows, c = [], torch.zeros_like(weights[:, 0])
    for a in weights.unbind(1):
        rows.append(c)
        c = c.detach() + a
    return torch.stack(rows, 1)


@wrong("changes its input weights in place")
def cumsum_in_place(weights):
    first = weights.clone()
    return weights.cumsum_(1) - first


@wrong("changes its input weights in place")
def loop_in_place(weights):
    out = torch.zeros_like(weights)
    for t in range(1, weights.shape[1]):
        out[:, t] = weights[:, t - 1]
        weights[:, t] += weights[:, t - 1]
    return out


@wrong("does not keep the dtype of its inputs")
def zeros_of_the_default_dtype(weights):
    B, T, n = weights.shape
    c = torch.zeros(B, T, n)
    for t in range(1, T):
        c[:, t] = c[:, t - 1].clone() + weights[:, t - 1]
    return c


@wrong("loses precision: its float64 results are only as good as float32")
def summed_in_float32(weights):
    return (weights.float().cumsum(1) - weights.float()).to(weights.dtype)


@wrong("gives another result the second time it is called")
def remembers_the_last_batch(weights, kept={}):  # noqa: B006 - a mutable default is the mistake
    c = weights.cumsum(1) - weights + kept.get(weights.shape, 0)
    kept[weights.shape] = weights.detach().sum(1, keepdim=True)
    return c


@wrong("returns a list or tuple instead of a float64 tensor")
def list_of_rows(weights):
    c = weights.cumsum(1) - weights
    return [list(c)]


@wrong("returns nothing")
def prints(weights):
    print(weights.cumsum(1) - weights)


@wrong("is right except when T > 2")
def unrolled_by_hand(weights):
    c = torch.zeros_like(weights)
    c[:, 1:] = weights[:, :1]
    return c


@wrong("is right except when n = 1")
def squeezes(weights):
    w = weights.squeeze(-1)
    return w.cumsum(1) - w


# --- wrong only where a weight is no ordinary weight, or the text is long


def before(weights):
    return torch.cat([torch.zeros_like(weights[:, :1]), weights[:, :-1].cumsum(1)], 1)


PADDING = "is right on ordinary inputs, but not for: rows of padding that hold any numbers"


@wrong(PADDING)
def nothing_below_zero(weights):
    return before(weights.clamp(min=0))


@wrong("is right …")  # weights of exactly 0 fail as well
def sizes_only(weights):
    return before(weights.abs())


@wrong(PADDING)
def clamped_to_shares(weights):
    return before(weights.clamp(0, 1))


@wrong(PADDING)
def normalised_first(weights):
    return before(weights / weights.sum(-1, keepdim=True).detach())


@wrong("is right …")  # weights of exactly 0 fail as well
def through_the_logarithm(weights):
    sums = torch.logcumsumexp(weights[:, :-1].log(), 1).exp()
    return torch.cat([torch.zeros_like(weights[:, :1]), sums], 1)


@wrong("has the right values but wrong gradients")
def zeros_are_constants(weights):
    return before(torch.where(weights == 0, weights.detach(), weights))


@wrong("has the right values but wrong gradients")
def root_and_square(weights):
    return before(torch.where(weights >= 0, weights.clamp(min=0).sqrt() ** 2, weights))


@wrong("is right except when T > …")
def remembers_eight_steps(weights):
    T = weights.shape[1]
    return torch.ones(T, T, dtype=weights.dtype).tril(-1).triu(-8) @ weights


@wrong("is right except when T > …")
def remembers_sixteen_steps(weights):
    T = weights.shape[1]
    return torch.ones(T, T, dtype=weights.dtype).tril(-1).triu(-16) @ weights
