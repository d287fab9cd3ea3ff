"""Answers to vision.se_block that a reviewer wrote from the text alone."""

import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it
from answers import right, wrong


def _block(x, W_1, b_1, W_2, b_2, act=F.relu, gate=torch.sigmoid):
    g = gate(F.linear(act(F.linear(x.mean((2, 3)), W_1, b_1)), W_2, b_2))
    return x * g[:, :, None, None], g


@right
def an_exponential_kept_from_overflowing(x, W_1, b_1, W_2, b_2):
    """A gate of 1e-35 instead of 0 is as good, and neither it nor a gradient is NaN."""
    return _block(x, W_1, b_1, W_2, b_2, gate=lambda s: 1 / (1 + torch.exp(-s.clamp(-80, 80))))


@right
def two_class_softmax(x, W_1, b_1, W_2, b_2):
    return _block(x, W_1, b_1, W_2, b_2, gate=lambda s: torch.stack([torch.zeros_like(s), s]).softmax(0)[1])


@wrong("uses a rectifier that ends at 6 (relu6) between the layers")
def relu6(x, W_1, b_1, W_2, b_2):
    return _block(x, W_1, b_1, W_2, b_2, act=F.relu6)


@wrong("takes W_2 for the first layer and W_1 for the second, untransposed: the shapes fit, the weights do not")
def what_fits_untransposed(x, W_1, b_1, W_2, b_2):
    g = torch.sigmoid(torch.relu(x.mean((2, 3)) @ W_2 + b_1) @ W_1 + b_2)
    return x * g[:, :, None, None], g
