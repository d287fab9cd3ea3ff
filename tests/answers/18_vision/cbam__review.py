"""Answers to vision.cbam that a reviewer wrote from the text alone."""

import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it
from answers import wrong


def _written_anew(x, W_1, W_2, kernel, sigma=torch.sigmoid, act=torch.relu):
    y = x * sigma(sum(act(z @ W_1.T) @ W_2.T for z in (x.mean((2, 3)), x.amax((2, 3)))))[:, :, None, None]
    maps = torch.stack([y.mean(1), y.amax(1)], 1)
    return y * sigma(F.conv2d(maps, kernel, padding=kernel.shape[-1] // 2))


@wrong("writes the sigmoid with an exponential that overflows: its gradient is NaN")
def overflowing(*given):
    return _written_anew(*given, sigma=lambda s: 1 / (1 + (-s).exp()))


@wrong("writes the sigmoid as exp(s) / (1 + exp(s)), which is ∞ / ∞ for large s")
def quotient(*given):
    return _written_anew(*given, sigma=lambda s: s.exp() / (1 + s.exp()))


@wrong("leaves out the rectifier of the channel gate")
def linear(*given):
    return _written_anew(*given, act=lambda h: h)
