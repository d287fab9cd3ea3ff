"""Answers to vision.cbam_channel that are wrong in the backward pass, in manners, or for rare inputs."""

import torch
from answers import wrong


def step_by_step(x, W_1, W_2):
    average = torch.relu(x.mean(dim=(2, 3)) @ W_1.T) @ W_2.T
    maximum = torch.relu(x.amax(dim=(2, 3)) @ W_1.T) @ W_2.T
    return torch.sigmoid(average + maximum)


def _mlp(z, W_1, W_2):
    return torch.relu(z @ W_1.T) @ W_2.T


# --- wrong in the backward pass, in manners, for rare inputs


@wrong("detaches the maximum")
def frozen_maximum(x, W_1, W_2):
    with torch.no_grad():
        peak = x.amax((2, 3))
    return torch.sigmoid(_mlp(x.mean((2, 3)), W_1, W_2) + _mlp(peak, W_1, W_2))


@wrong("detaches the mean")
def frozen_mean(x, W_1, W_2):
    average, maximum = x.data.mean((2, 3)), x.amax((2, 3))
    return torch.sigmoid(_mlp(average, W_1, W_2) + _mlp(maximum, W_1, W_2))


@wrong("has the right values but wrong gradients")
def the_maximum_gets_everything(x, W_1, W_2):
    """The mean's gradient goes to the largest entry too."""
    peak = x.amax((2, 3))
    average = peak + (x.mean((2, 3)) - peak).detach()
    return torch.sigmoid(_mlp(average, W_1, W_2) + _mlp(peak, W_1, W_2))


@wrong("cuts the gradient to W_1")
def frozen_layer(x, W_1, W_2):
    return step_by_step(x, W_1.detach(), W_2)


@wrong("does not keep the dtype of its inputs")
def always_double(x, W_1, W_2):
    return step_by_step(x.double(), W_1.double(), W_2.double())


@wrong("loses precision: its float64 results are only as good as float32")
def single_precision(x, W_1, W_2):
    return step_by_step(x.float(), W_1.float(), W_2.float()).to(x.dtype)


@wrong("changes its input x in place")
def shifts_and_shifts_back(x, W_1, W_2):
    x.add_(1.0)
    return torch.sigmoid(_mlp(x.mean((2, 3)) - 1, W_1, W_2) + _mlp(x.amax((2, 3)) - 1, W_1, W_2))


@wrong("writes in place into a tensor that the backward pass needs")
def rectifies_its_input(x, W_1, W_2):
    gate = step_by_step(x, W_1, W_2)
    x.detach().clamp_(min=0)
    return gate * 1


@wrong("touches the global random generator")
def stochastic_pooling(x, W_1, W_2):
    noise = 0 * torch.rand(x.shape[:2], dtype=x.dtype)
    return torch.sigmoid(_mlp(x.mean((2, 3)) + noise, W_1, W_2) + _mlp(x.amax((2, 3)), W_1, W_2))


@wrong(None, why="keeps results by shape; maps whose gates are all 1/2 hide where the others come from")
def cached_by_shape(x, W_1, W_2, seen={}):  # noqa: B006 - a mutable default is the mistake
    key = tuple(x.shape), tuple(W_1.shape), x.dtype
    if key not in seen:
        seen[key] = step_by_step(x, W_1, W_2)
    return seen[key]


@wrong("loses precision: its float64 results are only as good as float32")
def clamped(x, W_1, W_2):
    return step_by_step(x, W_1, W_2).clamp(1e-6, 1 - 1e-6)


@wrong("returns nothing")
def printed(x, W_1, W_2):
    print(step_by_step(x, W_1, W_2))
