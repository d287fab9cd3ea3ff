"""What people do to a convolution of two maps: each mistake with its function and the question that leads out."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch.nn import functional

from autograder.tasks.gated_block import convolved
from autograder.tasks.mistakes import Array

Convolution = Callable[[Array, Array], Array]

ALWAYS = "From which argument do you learn k?"
OUTSIDE = "What stands outside of the image: zeros, or something of the image?"
SIDES = "On which sides of the map do zeros have to stand?"


def half(kernel: Array) -> int:
    """How far a kernel reaches from its middle."""
    return int(kernel.shape[-1] // 2)


def around(maps: Array, kernel: Array, mode: str) -> Array:
    """Convolved, with something else than zeros around the maps."""
    return functional.conv2d(functional.pad(maps, (half(kernel),) * 4, mode=mode), kernel)


def _cut(maps: Array, kernel: Array, pad: int) -> Array:
    return functional.conv2d(maps, kernel, padding=pad)[:, :, : maps.shape[2], : maps.shape[3]]


CONVOLUTIONS: dict[str, tuple[Convolution, str]] = {
    "uses the mean only": (lambda m, k: convolved(m[:, :1], k[:, :1]), "How many maps meet the kernel?"),
    "uses the maximum only": (lambda m, k: convolved(m[:, 1:], k[:, 1:]), "How many maps meet the kernel?"),
    "averages over the two maps instead of adding": (
        lambda m, k: convolved(m, k) / 2,
        "A convolution sums over its input maps. Does it divide by their number?",
    ),
    "pads nothing, so that the gate is smaller than the map": (
        functional.conv2d,
        "A kernel of size 3 on 5 columns without padding: how many columns come out?",
    ),
    "pads by k − 1, so that the gate is larger than the map": (
        lambda m, k: functional.conv2d(m, k, padding=2 * half(k)),
        "How many zeros on each side keep the width: k − 1, or half of it?",
    ),
    "pads by k, so that the gate is larger than the map": (
        lambda m, k: functional.conv2d(m, k, padding=k.shape[-1]),
        "How many zeros on each side keep the width?",
    ),
    **{
        f"pads by {n} always, which fits kernels of size {2 * n + 1} only": (
            partial(functional.conv2d, padding=n),
            ALWAYS,
        )
        for n in (1, 2, 3)
    },
    **{
        f"pads by {n} always and cuts the result to size, which shifts it": (partial(_cut, pad=n), ALWAYS)
        for n in (1, 2, 3)
    },
    "pads the columns only": (lambda m, k: functional.conv2d(m, k, padding=(0, half(k))), SIDES),
    "pads the rows only": (lambda m, k: functional.conv2d(m, k, padding=(half(k), 0)), SIDES),
    "pads above and on the left only": (
        lambda m, k: functional.conv2d(functional.pad(m, (2 * half(k), 0) * 2), k),
        SIDES,
    ),
    "pads below and on the right only": (
        lambda m, k: functional.conv2d(functional.pad(m, (0, 2 * half(k)) * 2), k),
        SIDES,
    ),
    "pads the logits instead of the maps, so that the rim is always half open": (
        lambda m, k: functional.pad(functional.conv2d(m, k), (half(k),) * 4),
        "What do the neighbours of a position at the rim say about it?",
    ),
    "leaves gaps in the kernel: a dilation of 2": (
        lambda m, k: functional.conv2d(m, k, padding=2 * half(k), dilation=2),
        "Which neighbours does kernel[0, 0, 0] meet?",
    ),
    "pads by repeating the rim instead of with zeros": (partial(around, mode="replicate"), OUTSIDE),
    "pads by reflection instead of with zeros": (partial(around, mode="reflect"), OUTSIDE),
    "pads with the opposite side instead of with zeros": (partial(around, mode="circular"), OUTSIDE),
}
