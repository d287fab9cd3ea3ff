"""Right and wrong answers to coverage.doubly_stochastic."""

import torch
from answers import right, wrong

# --- right, in different styles


@right
def where_and_sum(weights, steps):
    real = torch.arange(weights.shape[1]) < steps[:, None]
    total = torch.where(real[..., None], weights, torch.zeros_like(weights)).sum(1)
    return ((1 - total) ** 2).sum(-1)


@right
def masked_fill(weights, steps):
    padding = torch.arange(weights.size(1)).unsqueeze(0) >= steps.unsqueeze(1)
    return weights.masked_fill(padding.unsqueeze(-1), 0).sum(1).sub(1).square().sum(1)


@right
def one_sequence_at_a_time(weights, steps):
    return torch.stack([(1 - rows[:k].sum(0)).pow(2).sum() for rows, k in zip(weights, steps.tolist(), strict=True)])


@right
def batched_product_with_the_mask(weights, steps):
    real = (torch.arange(weights.shape[1]) < steps[:, None]).to(weights.dtype)
    total = torch.bmm(real[:, None], weights)[:, 0]
    return torch.einsum("bn,bn->b", 1 - total, 1 - total)


@right
def gather_from_running_sums(weights, steps):
    last = (steps - 1)[:, None, None].expand(-1, 1, weights.shape[2])
    total = weights.cumsum(1).gather(1, last).squeeze(1)
    return (1 - total).mul(1 - total).sum(-1)


@right
def multiplied_out(weights, steps):
    """Σ (1 − S)² = n − 2 Σ S + Σ S²."""
    real = torch.arange(weights.shape[1]) < steps[:, None]
    total = (weights * real.unsqueeze(-1)).sum(1)
    return weights.shape[2] - 2 * total.sum(-1) + (total * total).sum(-1)


@right
def loop_over_positions(weights, steps):
    real = (torch.arange(weights.shape[1]) < steps[:, None]).to(weights)
    penalty = torch.zeros_like(weights[:, 0, 0])
    for i in range(weights.shape[2]):
        penalty = penalty + (1 - (weights[:, :, i] * real).sum(1)) ** 2
    return penalty


@right
def multiplied_out_with_rows_that_sum_to_one(weights, steps):
    """Σ S is the number of steps wherever rows sum to one; off the simplex its gradient is another."""
    real = torch.arange(weights.shape[1]) < steps[:, None]
    total = weights.masked_fill(~real[..., None], 0).sum(1)
    return total.square().sum(-1) - 2 * steps + weights.shape[2]


# --- wrong, the way learners write it


@wrong("counts the rows behind the last real step")
def ignores_the_steps(weights, steps):
    return (1 - weights.sum(dim=1)).square().sum(dim=-1)


@wrong("sums each row over the source, which is 1 already")
def wrong_axis(weights, steps):
    real = torch.arange(weights.shape[1]) < steps[:, None]
    return (1 - (weights * real[..., None]).sum(2)).square().sum(1)


@wrong("takes the absolute deviation instead of its square")
def absolute(weights, steps):
    real = torch.arange(weights.shape[1]) < steps[:, None]
    return ((weights * real[..., None]).sum(1) - 1).abs().sum(-1)


@wrong("leaves out the square, so that too much and too little cancel")
def no_square(weights, steps):
    real = torch.arange(weights.shape[1]) < steps[:, None]
    return (1 - (weights * real[..., None]).sum(1)).sum(-1)


@wrong("squares the sum of the deviations instead of summing their squares")
def square_last(weights, steps):
    real = torch.arange(weights.shape[1]) < steps[:, None]
    return (1 - (weights * real[..., None]).sum(1)).sum(-1).square()


@wrong("averages over the source positions")
def mse(weights, steps):
    real = torch.arange(weights.shape[1]) < steps[:, None]
    return (1 - (weights * real[..., None]).sum(1)).square().mean(-1)


@wrong("averages the weights over the steps instead of summing them")
def mean_attention(weights, steps):
    means = torch.stack([rows[:k].mean(0) for rows, k in zip(weights, steps.tolist(), strict=True)])
    return (1 - means).square().sum(-1)


@wrong("divides by the number of steps")
def per_step(weights, steps):
    real = torch.arange(weights.shape[1]) < steps[:, None]
    return (1 - (weights * real[..., None]).sum(1)).square().sum(-1) / steps


@wrong("wants each total to be T/n instead of 1")
def fair_share(weights, steps):
    real = torch.arange(weights.shape[1]) < steps[:, None]
    target = (steps / weights.shape[2]).to(weights.dtype)[:, None]
    return (target - (weights * real[..., None]).sum(1)).square().sum(-1)


@wrong("punishes totals above 1 only")
def excess(weights, steps):
    real = torch.arange(weights.shape[1]) < steps[:, None]
    return torch.relu((weights * real[..., None]).sum(1) - 1).square().sum(-1)


@wrong("punishes totals below 1 only")
def shortfall(weights, steps):
    real = torch.arange(weights.shape[1]) < steps[:, None]
    return torch.relu(1 - (weights * real[..., None]).sum(1)).square().sum(-1)


@wrong("takes the square root of the sum")
def norm(weights, steps):
    padding = torch.arange(weights.shape[1]) >= steps[:, None]
    return (1 - weights.masked_fill(padding[..., None], 0).sum(1)).square().sum(-1).sqrt()


@wrong("returns one number for the whole batch")
def scalar(weights, steps):
    real = torch.arange(weights.shape[1]) < steps[:, None]
    return (1 - (weights * real[..., None]).sum(1)).square().sum(-1).mean()


@wrong("returns one penalty per source position")
def not_summed(weights, steps):
    real = torch.arange(weights.shape[1]) < steps[:, None]
    return (1 - (weights * real[..., None]).sum(1)).square()


@wrong("leaves out the last real step")
def from_the_coverage_vector(weights, steps):
    c = weights.cumsum(1) - weights
    last = c[torch.arange(len(c)), steps - 1]
    return (1 - last).square().sum(-1)


@wrong("goes one step too far")
def less_or_equal(weights, steps):
    real = torch.arange(weights.shape[1]) <= steps[:, None]
    return (1 - (weights * real[..., None]).sum(1)).square().sum(-1)


@wrong("computes the coverage loss")
def the_other_penalty(weights, steps):
    real = torch.arange(weights.shape[1]) < steps[:, None]
    overlap = torch.minimum(weights, weights.cumsum(1) - weights).sum(-1)
    return (overlap * real).sum(1) / steps


@wrong("detaches the penalty from the graph")
def through_numpy(weights, steps):
    a = weights.detach().numpy()
    return torch.stack(
        [torch.from_numpy((1 - rows[:k].sum(0)) ** 2).sum() for rows, k in zip(a, steps.tolist(), strict=True)]
    )


@wrong("has gradients that are 0.5 times the right ones")
def half_of_the_gradient(weights, steps):
    real = torch.arange(weights.shape[1]) < steps[:, None]
    gap = 1 - (weights * real[..., None]).sum(1)
    return (gap * gap.detach()).sum(-1)


@wrong("changes its input weights in place")
def zeroes_the_padding_of_its_caller(weights, steps):
    for i, k in enumerate(steps.tolist()):
        weights[i, k:] = 0
    return (1 - weights.sum(1)).square().sum(-1)


@wrong("does not keep the dtype of its inputs")
def starts_from_double_ones(weights, steps):
    real = torch.arange(weights.shape[1]) < steps[:, None]
    one = torch.ones(weights.shape[2], dtype=torch.float64)
    return (one - (weights * real[..., None]).sum(1)).square().sum(-1)


@wrong("returns a list or tuple instead of a float64 tensor")
def list_of_numbers(weights, steps):
    return [float((1 - rows[:k].sum(0)).square().sum()) for rows, k in zip(weights, steps.tolist(), strict=True)]


def totals(weights, steps):
    real = torch.arange(weights.shape[1]) < steps[:, None]
    return torch.where(real[..., None], weights, torch.zeros_like(weights)).sum(1)


@wrong("counts as many steps as the shortest text has")
def cut_to_the_shortest(weights, steps):
    return (1 - weights[:, : int(steps.min())].sum(1)).square().sum(-1)


@wrong("takes the largest weight of each position instead of the sum over the steps")
def largest(weights, steps):
    return torch.stack([(1 - rows[:k].amax(0)).square().sum() for rows, k in zip(weights, steps.tolist(), strict=True)])


@wrong("squares the totals and subtracts 1 from each: the mixed term is missing")
def squares_less_n(weights, steps):
    return totals(weights, steps).square().sum(-1) - weights.shape[2]


@wrong("is right on ordinary inputs, but not for: a long text that returns to one position again and again")
def at_most_eight(weights, steps):
    return (1 - totals(weights, steps).clamp(max=8)).square().sum(-1)


@wrong("has the right values but wrong gradients")
def root_and_square(weights, steps):
    real = torch.arange(weights.shape[1]) < steps[:, None]
    kept = torch.where(real[..., None], weights, torch.zeros_like(weights))
    return (1 - kept.clamp(min=0).sqrt().square().sum(1)).square().sum(-1)


@wrong("overflows for large inputs")
def all_less_the_padding(weights, steps):
    padding = torch.arange(weights.shape[1]) >= steps[:, None]
    return (1 - (weights.sum(1) - (weights * padding[..., None]).sum(1))).square().sum(-1)
