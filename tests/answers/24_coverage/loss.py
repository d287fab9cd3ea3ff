"""Right and wrong answers to coverage.loss."""

import torch
from answers import right, wrong

# --- right, in different styles


@right
def minimum_and_where(weights, steps):
    c = weights.cumsum(1) - weights
    overlap = torch.minimum(weights, c).sum(-1)
    real = torch.arange(weights.shape[1]) < steps[:, None]
    return torch.where(real, overlap, torch.zeros_like(overlap)).sum(1) / steps


@right
def masked_fill(weights, steps):
    T = weights.shape[1]
    padding = torch.arange(T)[None, :, None] >= steps[:, None, None]
    a = weights.masked_fill(padding, 0.0)
    c = torch.cat([torch.zeros_like(a[:, :1]), a[:, :-1].cumsum(1)], 1)
    return torch.minimum(a, c).sum(dim=(1, 2)) / steps


@right
def loop_over_the_steps(weights, steps):
    c, total = torch.zeros_like(weights[:, 0]), torch.zeros_like(weights[:, 0, 0])
    for t, a in enumerate(weights.unbind(1)):
        overlap = torch.min(a, c).sum(-1)
        total = total + overlap.masked_fill(steps <= t, 0.0)
        c = c + a
    return total / steps


@right
def one_sequence_at_a_time(weights, steps):
    losses = []
    for rows, count in zip(weights, steps.tolist(), strict=True):
        a = rows[:count]
        losses.append(torch.minimum(a, a.cumsum(0) - a).sum(1).mean())
    return torch.stack(losses)


@right
def half_of_sum_less_distance(weights, steps):
    """Padding is multiplied away before anything is summed; afterwards it would be too late."""
    real = (torch.arange(weights.shape[1]).unsqueeze(0) < steps.unsqueeze(1)).to(weights.dtype)
    a = weights * real.unsqueeze(2)
    c = a.cumsum(1) - a
    overlap = ((a + c - (a - c).abs()) / 2).sum(2)
    return (overlap * real).sum(1).div(real.sum(1))


@right
def one_less_what_is_new(weights, steps):
    """Equal wherever rows sum to one; off the simplex its gradient is another."""
    new = torch.relu(weights - (weights.cumsum(1) - weights)).sum(-1)
    real = torch.arange(weights.shape[1]) < steps[:, None]
    return torch.where(real, 1 - new, torch.zeros_like(new)).sum(1) / steps


@right
def where_instead_of_minimum(weights, steps):
    T = weights.shape[1]
    c = torch.ones(T, T, dtype=weights.dtype).tril(-1) @ weights
    smaller = torch.where(weights < c, weights, c)
    return torch.stack([smaller[i, :k].sum() / k for i, k in enumerate(steps.tolist())])


@right
def gather_from_running_sums(weights, steps):
    c = weights.cumsum(1) - weights
    running = torch.minimum(weights, c).sum(-1).cumsum(1)
    return running.gather(1, steps[:, None] - 1).squeeze(1) / steps


@right
def nanmean_of_what_is_real(weights, steps):
    overlap = torch.minimum(weights, (weights.cumsum(1) - weights).clamp(max=1)).sum(-1)
    return overlap.masked_fill(torch.arange(weights.shape[1]) >= steps[:, None], torch.nan).nanmean(1)


# --- wrong, the way learners write it


OVERFLOWS = "multiplies by 0 what may have overflowed: 0 · ∞ is NaN"


@wrong(OVERFLOWS)
def masks_after_the_sums(weights, steps):
    overlap = torch.minimum(weights, weights.cumsum(1) - weights).sum(-1)
    return (overlap * (torch.arange(weights.shape[1]) < steps[:, None])).sum(1) / steps


@wrong(OVERFLOWS)
def half_of_sum_less_distance_masked_last(weights, steps):
    c = weights.cumsum(1) - weights
    overlap = ((weights + c - (weights - c).abs()) / 2).sum(2)
    real = (torch.arange(weights.shape[1]).unsqueeze(0) < steps.unsqueeze(1)).to(weights.dtype)
    return (overlap * real).sum(1).div(real.sum(1))


@wrong(OVERFLOWS)
def product_with_the_mask(weights, steps):
    real = (torch.arange(weights.shape[1]) < steps[:, None]).to(weights.dtype)
    overlap = torch.minimum(weights, weights.cumsum(1) - weights).sum(-1)
    return torch.einsum("bt,bt->b", overlap, real) / steps


@wrong("sums over the steps instead of averaging")
def sum_over_steps(weights, steps):
    c = weights.cumsum(1) - weights
    overlap = torch.minimum(weights, c).sum(-1)
    return (overlap * (torch.arange(weights.shape[1]) < steps[:, None])).sum(1)


@wrong("counts the rows behind the last real step")
def ignores_the_steps(weights, steps):
    c = weights.cumsum(1) - weights
    return torch.minimum(weights, c).sum(-1).mean(-1)


@wrong("adds up the rows behind the last real step too")
def divides_right_but_sums_all(weights, steps):
    c = weights.cumsum(1) - weights
    return torch.minimum(weights, c).sum((1, 2)) / steps


@wrong("divides by T instead of the number of real steps")
def mean_of_the_masked(weights, steps):
    c = weights.cumsum(1) - weights
    overlap = torch.minimum(weights, c).sum(-1)
    return overlap.masked_fill(torch.arange(weights.shape[1]) >= steps[:, None], 0).mean(1)


@wrong("counts the current step as already covered")
def inclusive_coverage(weights, steps):
    overlap = torch.minimum(weights, weights.cumsum(1)).sum(-1)
    return (overlap * (torch.arange(weights.shape[1]) < steps[:, None])).sum(1) / steps


@wrong("takes the larger of the two instead of the smaller")
def maximum(weights, steps):
    overlap = torch.max(weights, weights.cumsum(1) - weights).sum(-1)
    return (overlap * (torch.arange(weights.shape[1]) < steps[:, None])).sum(1) / steps


@wrong("multiplies weight and coverage instead of taking the minimum")
def product(weights, steps):
    overlap = torch.einsum("btn,btn->bt", weights, weights.cumsum(1) - weights)
    return (overlap * (torch.arange(weights.shape[1]) < steps[:, None])).sum(1) / steps


@wrong("averages over the source positions too")
def mean_over_the_source(weights, steps):
    overlap = torch.minimum(weights, weights.cumsum(1) - weights).mean(-1)
    return (overlap * (torch.arange(weights.shape[1]) < steps[:, None])).sum(1) / steps


@wrong("returns one number for the whole batch")
def scalar(weights, steps):
    overlap = torch.minimum(weights, weights.cumsum(1) - weights).sum(-1)
    return ((overlap * (torch.arange(weights.shape[1]) < steps[:, None])).sum(1) / steps).mean()


@wrong("compares with the previous step only")
def neighbours(weights, steps):
    overlap = torch.zeros_like(weights[..., 0])
    overlap[:, 1:] = torch.minimum(weights[:, 1:], weights[:, :-1]).sum(-1)
    return (overlap * (torch.arange(weights.shape[1]) < steps[:, None])).sum(1) / steps


@wrong("leaves the first step out of the mean")
def mean_from_the_second_step(weights, steps):
    overlap = torch.minimum(weights, weights.cumsum(1) - weights).sum(-1)
    total = (overlap * (torch.arange(weights.shape[1]) < steps[:, None])).sum(1)
    return total / torch.clamp(steps - 1, min=1)


@wrong("stops one step too early")
def forgets_the_last(weights, steps):
    overlap = torch.minimum(weights, weights.cumsum(1) - weights).sum(-1)
    return (overlap * (torch.arange(1, weights.shape[1] + 1) < steps[:, None])).sum(1) / steps


@wrong("goes one step too far")
def less_or_equal(weights, steps):
    overlap = torch.minimum(weights, weights.cumsum(1) - weights).sum(-1)
    return (overlap * (torch.arange(weights.shape[1]) <= steps[:, None])).sum(1) / steps


@wrong("compares with the average of the earlier steps")
def mean_attention_so_far(weights, steps):
    total = torch.zeros_like(weights[:, 0, 0])
    for t in range(1, weights.shape[1]):
        overlap = torch.minimum(weights[:, t], weights[:, :t].mean(1)).sum(-1)
        total = total + torch.where(t < steps, overlap, torch.zeros_like(overlap))
    return total / steps


@wrong("detaches the coverage, so that earlier steps are never told")
def coverage_as_a_buffer(weights, steps):
    c = (weights.cumsum(1) - weights).detach()
    overlap = torch.minimum(weights, c).sum(-1)
    return (overlap * (torch.arange(weights.shape[1]) < steps[:, None])).sum(1) / steps


@wrong("has the right values but wrong gradients")
def only_the_coverage_learns(weights, steps):
    c = weights.cumsum(1) - weights
    overlap = torch.minimum(weights.detach(), c).sum(-1)
    return overlap.masked_fill(torch.arange(weights.shape[1]) >= steps[:, None], 0).sum(1) / steps


@wrong("returns the overlap of every step")
def one_per_step(weights, steps):
    overlap = torch.minimum(weights, weights.cumsum(1) - weights).sum(-1)
    return overlap * (torch.arange(weights.shape[1]) < steps[:, None])


@wrong("computes the doubly stochastic penalty")
def totals(weights, steps):
    real = torch.arange(weights.shape[1]) < steps[:, None]
    return (1 - (weights * real[..., None]).sum(1)).square().sum(-1)


@wrong("takes the smallest overlap of any position instead of their sum")
def reduces_with_min(weights, steps):
    overlap = torch.minimum(weights, weights.cumsum(1) - weights).min(-1).values
    return (overlap * (torch.arange(weights.shape[1]) < steps[:, None])).sum(1) / steps


@wrong("changes its input weights in place")
def zeroes_the_padding_of_its_caller(weights, steps):
    weights[torch.arange(weights.shape[1]) >= steps[:, None]] = 0
    return torch.minimum(weights, weights.cumsum(1) - weights).sum((1, 2)) / steps


@wrong("does not keep the dtype of its inputs")
def mean_in_double(weights, steps):
    overlap = torch.minimum(weights, weights.cumsum(1) - weights).sum(-1)
    return overlap.masked_fill(torch.arange(weights.shape[1]) >= steps[:, None], 0).sum(1) / steps.double()


@wrong("loses precision: its float64 results are only as good as float32")
def epsilon_in_the_mean(weights, steps):
    overlap = torch.minimum(weights, weights.cumsum(1) - weights).sum(-1)
    return overlap.masked_fill(torch.arange(weights.shape[1]) >= steps[:, None], 0).sum(1) / (steps + 1e-6)


@wrong("cuts the gradient to weights")
def a_number_for_the_log(weights, steps):
    with torch.no_grad():
        overlap = torch.minimum(weights, weights.cumsum(1) - weights).sum(-1)
        return overlap.masked_fill(torch.arange(weights.shape[1]) >= steps[:, None], 0).sum(1) / steps


@wrong("counts the rows behind the last real step")
def cut_at_the_longest(weights, steps):
    longest = int(steps.max())
    a = weights[:, :longest]
    return torch.minimum(a, a.cumsum(1) - a).sum((1, 2)) / longest


@wrong("divides by the mean number of steps of the batch")
def normalised_over_the_batch(weights, steps):
    overlap = torch.minimum(weights, weights.cumsum(1) - weights).sum(-1)
    real = torch.arange(weights.shape[1]) < steps[:, None]
    return (overlap * real).sum(1) * len(steps) / real.sum()


def real_overlaps(weights, steps, c):
    overlap = torch.minimum(weights, c).sum(-1)
    return overlap.masked_fill(torch.arange(weights.shape[1]) >= steps[:, None], 0)


@wrong("gives all sequences the mean over all real steps of the batch")
def pooled(weights, steps):
    total = real_overlaps(weights, steps, weights.cumsum(1) - weights).sum() / steps.sum()
    return total.repeat(len(weights))


@wrong("returns one mean over all real steps of the batch")
def pooled_into_one_number(weights, steps):
    overlap = torch.minimum(weights, weights.cumsum(1) - weights).sum(-1)
    return torch.cat([row[:k] for row, k in zip(overlap, steps.tolist(), strict=True)]).mean()


@wrong("divides every sequence by the steps of the first one")
def steps_of_the_first(weights, steps):
    return real_overlaps(weights, steps, weights.cumsum(1) - weights).sum(1) / int(steps[0])


@wrong("takes the largest overlap of any position instead of their sum")
def reduces_with_max(weights, steps):
    overlap = torch.minimum(weights, weights.cumsum(1) - weights).max(-1).values
    return overlap.masked_fill(torch.arange(weights.shape[1]) >= steps[:, None], 0).sum(1) / steps


@wrong("compares with the largest earlier weight instead of the sum")
def running_maximum(weights, steps):
    rows = [torch.zeros_like(weights[:, 0])]
    rows += [weights[:, :t].amax(1) for t in range(1, weights.shape[1])]
    return real_overlaps(weights, steps, torch.stack(rows, 1)).sum(1) / steps


@wrong("takes 1 less what the coverage has too much, max(c − a, 0), instead of what the weights have too much")
def difference_the_wrong_way_round(weights, steps):
    left = (weights.cumsum(1) - 2 * weights).clamp(min=0).sum(-1)
    return (1 - left).masked_fill(torch.arange(weights.shape[1]) >= steps[:, None], 0).sum(1) / steps
