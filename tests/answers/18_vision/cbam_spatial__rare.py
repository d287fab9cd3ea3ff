"""Answers to vision.cbam_spatial that are wrong in the backward pass, in manners, or for rare inputs."""

import torch
from answers import wrong
from torch import nn
from torch.nn import functional


def step_by_step(x, kernel):
    maps = torch.cat([x.mean(dim=1, keepdim=True), x.amax(dim=1, keepdim=True)], dim=1)
    return torch.sigmoid(functional.conv2d(maps, kernel, padding=kernel.shape[-1] // 2))


def _maps(x):
    return torch.stack([x.mean(1), x.amax(1)], 1)


def _conv(maps, kernel):
    return functional.conv2d(maps, kernel, padding=kernel.shape[-1] // 2)


# --- wrong in the backward pass, in manners, for rare inputs


@wrong("detaches the maximum")
def frozen_maximum(x, kernel):
    return _conv(torch.stack([x.mean(1), x.detach().amax(1)], 1), kernel).sigmoid()


@wrong("detaches the mean")
def frozen_mean(x, kernel):
    with torch.no_grad():
        average = x.mean(1)
    return _conv(torch.stack([average, x.amax(1)], 1), kernel).sigmoid()


@wrong("detaches x")
def frozen_maps(x, kernel):
    return _conv(_maps(x.data), kernel).sigmoid()


@wrong("cuts the gradient to kernel")
def a_module_with_the_given_weights(x, kernel):
    conv = nn.utils.skip_init(nn.Conv2d, 2, 1, kernel.shape[-1], padding=kernel.shape[-1] // 2, bias=False)
    conv.weight = nn.Parameter(kernel.detach().clone())
    return conv(_maps(x)).sigmoid()


@wrong("touches the global random generator")
def a_fresh_module(x, kernel):
    conv = nn.Conv2d(2, 1, kernel.shape[-1], padding=kernel.shape[-1] // 2, bias=False, dtype=x.dtype)
    return (_conv(_maps(x), kernel) + 0 * conv(_maps(x))).sigmoid()


@wrong("has the right values but wrong gradients")
def the_mean_learns_through_the_maximum(x, kernel):
    peak = x.amax(1)
    average = peak + (x.mean(1) - peak).detach()
    return _conv(torch.stack([average, peak], 1), kernel).sigmoid()


@wrong("does not keep the dtype of its inputs")
def always_double(x, kernel):
    return step_by_step(x.double(), kernel.double())


@wrong("loses precision: its float64 results are only as good as float32")
def single_precision(x, kernel):
    return step_by_step(x.float(), kernel.float()).to(x.dtype)


@wrong("changes its input kernel in place")
def turns_the_callers_kernel(x, kernel):
    gate = step_by_step(x, kernel * 1)
    kernel.mul_(2.0)
    return gate


@wrong("returns the result of an earlier call")
def cached_by_shape(x, kernel, seen={}):  # noqa: B006 - a mutable default is the mistake
    key = tuple(x.shape), tuple(kernel.shape), x.dtype
    if key not in seen:
        seen[key] = step_by_step(x, kernel)
    return seen[key]


@wrong("loses precision: its float64 results are only as good as float32")
def clamped(x, kernel):
    return step_by_step(x, kernel).clamp(1e-6, 1 - 1e-6)


@wrong(None, why="crops kernels to 5 × 5: wrong for k = 7 on maps of more than two rows or columns only")
def at_most_five(x, kernel):
    half = kernel.shape[-1] // 2
    cut = slice(max(0, half - 2), half + 3)
    return _conv(_maps(x), kernel[:, :, cut, cut]).sigmoid()
