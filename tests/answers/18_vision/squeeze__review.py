"""Answers to vision.squeeze that a reviewer wrote from the text alone."""

import torch.nn.functional as F  # noqa: N812 - everybody's name for it
from answers import wrong

_cache = {}


@wrong("returns the result of an earlier call")
def kept_by_shape(x):
    """Found: its result has another dtype than the map a property compares it with, and the report stopped with a traceback."""
    if x.shape not in _cache:
        _cache[x.shape] = x.mean((2, 3))
    return _cache[x.shape]


@wrong("drops every axis of size 1, that of a single image or channel too")
def pooled_and_squeezed(x):
    return F.adaptive_avg_pool2d(x, 1).squeeze()


@wrong("computes in half precision")
def in_half(x):
    return x.half().mean((2, 3)).to(x.dtype)


@wrong("reads the map as if its channels came last")
def viewed(x):
    B, C, H, W = x.shape
    return x.reshape(B, H * W, C).mean(1)
