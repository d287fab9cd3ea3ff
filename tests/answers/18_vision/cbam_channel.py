"""Right and wrong answers to vision.cbam_channel."""

import torch
from answers import right, wrong
from torch import nn
from torch.nn import functional

# --- right, in different styles


@right
def step_by_step(x, W_1, W_2):
    average = torch.relu(x.mean(dim=(2, 3)) @ W_1.T) @ W_2.T
    maximum = torch.relu(x.amax(dim=(2, 3)) @ W_1.T) @ W_2.T
    return torch.sigmoid(average + maximum)


@right
def one_function_for_both(x, W_1, W_2):
    def mlp(z):
        return functional.linear(functional.linear(z, W_1).relu(), W_2)

    flat = x.flatten(2)
    return (mlp(flat.mean(-1)) + mlp(flat.max(-1).values)).sigmoid()


@right
def both_summaries_in_one_batch(x, W_1, W_2):
    z = torch.stack([x.mean((2, 3)), x.amax((2, 3))])  # (2, B, C)
    return torch.sigmoid((torch.relu(z @ W_1.mT) @ W_2.mT).sum(0))


@right
def the_second_layer_once(x, W_1, W_2):
    """The second layer is linear, so the hidden units may be added before it."""
    hidden = (x.mean((2, 3)) @ W_1.T).relu() + (x.amax((2, 3)) @ W_1.T).relu()
    return (hidden @ W_2.T).sigmoid()


@right
def adaptive_pooling_and_convolutions(x, W_1, W_2):
    """The form of the paper's own code: 1 × 1 convolutions on pooled maps."""

    def path(pooled):
        return functional.conv2d(functional.conv2d(pooled, W_1[..., None, None]).relu(), W_2[..., None, None])

    logits = path(functional.adaptive_avg_pool2d(x, 1)) + path(functional.adaptive_max_pool2d(x, 1))
    return logits.sigmoid()[:, :, 0, 0]


@right
def einsum(x, W_1, W_2):
    z = torch.stack([x.mean((-1, -2)), x.amax((-1, -2))], -1)
    hidden = torch.einsum("hc,bcp->bhp", W_1, z).clamp_min(0)
    return torch.einsum("ch,bhp->bc", W_2, hidden).sigmoid()


@right
def image_by_image(x, W_1, W_2):
    gates = []
    for image in x:
        logits = torch.zeros(len(image), dtype=x.dtype)
        for z in (torch.stack([c.mean() for c in image]), torch.stack([c.max() for c in image])):
            logits = logits + W_2 @ torch.relu(W_1 @ z)
        gates.append(logits.sigmoid())
    return torch.stack(gates)


@right
def maximum_by_sorting(x, W_1, W_2):
    ordered = x.flatten(2).sort(-1, descending=True).values
    total = sum((z @ W_1.T).relu() @ W_2.T for z in (ordered.mean(-1), ordered[..., 0]))
    return 1 - torch.sigmoid(-total)


@right
def maximum_by_index(x, W_1, W_2):
    flat = x.reshape(*x.shape[:2], -1)
    peak = flat.gather(-1, flat.argmax(-1, keepdim=True)).squeeze(-1)
    z = torch.cat([flat.mean(-1), peak])
    average, maximum = (functional.relu(z @ W_1.T) @ W_2.T).chunk(2)
    return torch.sigmoid(average + maximum)


@right
def one_axis_after_the_other(x, W_1, W_2):
    columns = W_2 @ ((W_1 @ x.mean(2).mean(2).T).relu() + (W_1 @ x.amax(3).amax(2).T).relu())
    return 0.5 * (1 + torch.tanh(columns.T / 2))


@right
def a_window_as_large_as_the_map(x, W_1, W_2):
    size = tuple(x.shape[2:])
    pooled = functional.avg_pool2d(x, size), functional.max_pool2d(x, size)
    return torch.sigmoid(sum(functional.linear(functional.linear(p.flatten(1), W_1).relu(), W_2) for p in pooled))


# --- wrong, the way learners write it


def _mlp(z, W_1, W_2):
    return torch.relu(z @ W_1.T) @ W_2.T


def _pools(x):
    return x.mean((2, 3)), x.amax((2, 3))


@wrong("uses the mean only, as Squeeze-and-Excitation does")
def squeeze_and_excitation(x, W_1, W_2):
    return _mlp(x.flatten(2).mean(-1), W_1, W_2).sigmoid()


@wrong("uses the maximum only")
def max_only(x, W_1, W_2):
    return _mlp(functional.adaptive_max_pool2d(x, 1).flatten(1), W_1, W_2).sigmoid()


@wrong("uses the mean twice")
def copied_line(x, W_1, W_2):
    average = _mlp(x.mean((2, 3)), W_1, W_2)
    maximum = _mlp(x.mean((2, 3)), W_1, W_2)
    return torch.sigmoid(average + maximum)


@wrong("uses the maximum twice")
def other_copied_line(x, W_1, W_2):
    return torch.sigmoid(2 * _mlp(x.amax((2, 3)), W_1, W_2))


@wrong("adds mean and maximum before the network instead of behind it")
def added_too_early(x, W_1, W_2):
    average, maximum = _pools(x)
    return torch.sigmoid(functional.linear(torch.relu(functional.linear(average + maximum, W_1)), W_2))


@wrong("adds mean and maximum before the network instead of behind it")
def added_before_the_rectifier(x, W_1, W_2):
    average, maximum = _pools(x)
    return torch.sigmoid(torch.relu(average @ W_1.T + maximum @ W_1.T) @ W_2.T)


@wrong("averages mean and maximum before the network")
def averaged_too_early(x, W_1, W_2):
    return torch.sigmoid(_mlp(torch.stack(_pools(x)).mean(0), W_1, W_2))


@wrong("averages the two paths instead of adding them")
def averaged(x, W_1, W_2):
    return torch.stack([_mlp(z, W_1, W_2) for z in _pools(x)]).mean(0).sigmoid()


@wrong("multiplies the two paths")
def multiplied(x, W_1, W_2):
    average, maximum = (_mlp(z, W_1, W_2) for z in _pools(x))
    return torch.sigmoid(average * maximum)


@wrong("takes the larger of the two paths")
def larger(x, W_1, W_2):
    return torch.stack([_mlp(z, W_1, W_2) for z in _pools(x)]).amax(0).sigmoid()


@wrong("applies the sigmoid to each path and adds the gates")
def gates_added(x, W_1, W_2):
    return sum(_mlp(z, W_1, W_2).sigmoid() for z in _pools(x))


@wrong("applies the sigmoid to each path and averages the gates")
def gates_averaged(x, W_1, W_2):
    return 0.5 * sum(_mlp(z, W_1, W_2).sigmoid() for z in _pools(x))


@wrong("applies the sigmoid to each path and multiplies the gates")
def gates_multiplied(x, W_1, W_2):
    average, maximum = (_mlp(z, W_1, W_2).sigmoid() for z in _pools(x))
    return average * maximum


@wrong("applies the sigmoid to each path and to the sum")
def sigmoid_in_the_network(x, W_1, W_2):
    return torch.sigmoid(sum(_mlp(z, W_1, W_2).sigmoid() for z in _pools(x)))


@wrong("returns the two gates, one per path, instead of one")
def concatenated(x, W_1, W_2):
    return torch.cat([_mlp(z, W_1, W_2).sigmoid() for z in _pools(x)], dim=-1)


@wrong("sums over the positions instead of averaging")
def summed(x, W_1, W_2):
    return torch.sigmoid(_mlp(x.sum((2, 3)), W_1, W_2) + _mlp(x.amax((2, 3)), W_1, W_2))


@wrong("takes the minimum instead of the maximum")
def minimum(x, W_1, W_2):
    return torch.sigmoid(_mlp(x.mean((2, 3)), W_1, W_2) + _mlp(-(-x).amax((2, 3)), W_1, W_2))


@wrong("takes the largest absolute value instead of the maximum")
def strongest(x, W_1, W_2):
    return torch.sigmoid(_mlp(x.mean((2, 3)), W_1, W_2) + _mlp(x.abs().flatten(2).max(-1).values, W_1, W_2))


@wrong("starts the maximum from 0, so that a channel without positive numbers has the maximum 0")
def running_maximum(x, W_1, W_2):
    best = torch.zeros_like(x[:, :, 0, 0])
    for i in range(x.shape[2]):
        for j in range(x.shape[3]):
            best = torch.maximum(best, x[:, :, i, j])
    return torch.sigmoid(_mlp(x.mean((2, 3)), W_1, W_2) + _mlp(best, W_1, W_2))


@wrong("takes the maximum over the rows and the mean over the columns")
def half_a_maximum(x, W_1, W_2):
    return torch.sigmoid(_mlp(x.mean((2, 3)), W_1, W_2) + _mlp(x.max(2).values.mean(-1), W_1, W_2))


@wrong("takes the maximum over the columns and the mean over the rows")
def other_half_of_a_maximum(x, W_1, W_2):
    return torch.sigmoid(_mlp(x.mean((2, 3)), W_1, W_2) + _mlp(x.max(-1)[0].mean(-1), W_1, W_2))


@wrong("takes the maximum over the images of the batch too")
def maximum_of_the_batch(x, W_1, W_2):
    peak = x.transpose(0, 1).flatten(1).max(1).values
    return torch.sigmoid(_mlp(x.mean((2, 3)), W_1, W_2) + _mlp(peak, W_1, W_2))


@wrong("takes the maximum over the channels too")
def maximum_of_the_image(x, W_1, W_2):
    peak = x.flatten(1).amax(1, keepdim=True).repeat(1, x.shape[1])
    return torch.sigmoid(_mlp(x.mean((2, 3)), W_1, W_2) + _mlp(peak, W_1, W_2))


@wrong("pools over channels and rows")
def wrong_axes(x, W_1, W_2):
    return torch.sigmoid(_mlp(x.mean((1, 2)), W_1, W_2) + _mlp(x.amax((1, 2)), W_1, W_2))


@wrong("rectifies the map before pooling")
def rectified_map(x, W_1, W_2):
    return torch.sigmoid(sum(_mlp(z, W_1, W_2) for z in _pools(functional.relu(x))))


@wrong("leaves out the rectifier between the layers")
def linear(x, W_1, W_2):
    return torch.sigmoid(sum(z @ (W_2 @ W_1).T for z in _pools(x)))


@wrong("leaves out the rectifier on the path of the maximum")
def rectified_on_one_side(x, W_1, W_2):
    average, maximum = _pools(x)
    return torch.sigmoid(_mlp(average, W_1, W_2) + maximum @ W_1.T @ W_2.T)


@wrong("uses tanh between the layers")
def tanh_inside(x, W_1, W_2):
    return torch.sigmoid(sum(torch.tanh(z @ W_1.T) @ W_2.T for z in _pools(x)))


@wrong("uses a sigmoid between the layers")
def sigmoid_inside(x, W_1, W_2):
    return torch.sigmoid(sum(torch.sigmoid(z @ W_1.T) @ W_2.T for z in _pools(x)))


@wrong("uses a GELU between the layers")
def gelu_inside(x, W_1, W_2):
    return torch.sigmoid(sum(functional.gelu(z @ W_1.T) @ W_2.T for z in _pools(x)))


@wrong("uses a leaky rectifier between the layers")
def leaky(x, W_1, W_2):
    return torch.sigmoid(sum(nn.LeakyReLU(0.01)(z @ W_1.T) @ W_2.T for z in _pools(x)))


@wrong("applies a rectifier behind the second layer of each path")
def rectified_twice(x, W_1, W_2):
    return torch.sigmoid(sum(_mlp(z, W_1, W_2).relu() for z in _pools(x)))


@wrong("applies a rectifier to the sum of the paths")
def rectified_sum(x, W_1, W_2):
    return torch.sigmoid(sum(_mlp(z, W_1, W_2) for z in _pools(x)).clamp(min=0))


@wrong("takes a softmax over the channels instead of a sigmoid for each")
def channels_compete(x, W_1, W_2):
    return sum(_mlp(z, W_1, W_2) for z in _pools(x)).softmax(-1)


@wrong("uses tanh instead of the sigmoid")
def signed(x, W_1, W_2):
    return sum(_mlp(z, W_1, W_2) for z in _pools(x)).tanh()


@wrong("uses a hard sigmoid")
def hard(x, W_1, W_2):
    return nn.Hardsigmoid()(sum(_mlp(z, W_1, W_2) for z in _pools(x)))


@wrong("leaves out the sigmoid")
def logits(x, W_1, W_2):
    return sum(_mlp(z, W_1, W_2) for z in _pools(x))


@wrong("applies the sigmoid twice")
def squashed_twice(x, W_1, W_2):
    return step_by_step(x, W_1, W_2).sigmoid()


@wrong("uses the complement of the gate")
def inverted(x, W_1, W_2):
    return 1 - step_by_step(x, W_1, W_2)


@wrong("writes the sigmoid with an exponential that overflows: its gradient is NaN")
def textbook_sigmoid(x, W_1, W_2):
    return 1 / (1 + torch.exp(-sum(_mlp(z, W_1, W_2) for z in _pools(x))))


@wrong("writes the sigmoid as exp(s) / (1 + exp(s)), which is ∞ / ∞ for large s")
def other_textbook_sigmoid(x, W_1, W_2):
    e = torch.exp(sum(_mlp(z, W_1, W_2) for z in _pools(x)))
    return e / (1 + e)


@wrong("keeps the two axes of size 1")
def four_axes(x, W_1, W_2):
    return step_by_step(x, W_1, W_2).view(*x.shape[:2], 1, 1)


@wrong("does not transpose W_1")
def first_matrix_turned(x, W_1, W_2):
    return torch.sigmoid(sum(torch.relu(z @ W_1) @ W_2.T for z in _pools(x)))


@wrong("does not transpose W_2")
def second_matrix_turned(x, W_1, W_2):
    return torch.sigmoid(sum(torch.relu(z @ W_1.T) @ W_2 for z in _pools(x)))


@wrong("does not transpose the two matrices")
def both_matrices_turned(x, W_1, W_2):
    return torch.sigmoid(sum(torch.relu(z @ W_1) @ W_2 for z in _pools(x)))


@wrong("applies W_2 first and W_1 second")
def layers_exchanged(x, W_1, W_2):
    return torch.sigmoid(sum(_mlp(z, W_2, W_1) for z in _pools(x)))


@wrong("returns the gated feature map instead of the gate")
def gated_map(x, W_1, W_2):
    return x * step_by_step(x, W_1, W_2)[..., None, None]


@wrong("returns the feature map and the gate")
def as_in_the_task_before(x, W_1, W_2):
    gate = step_by_step(x, W_1, W_2)
    return x * gate[:, :, None, None], gate
