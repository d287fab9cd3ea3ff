"""What people put in place of a mean, a rectifier and a sigmoid: each mistake with its function and the question that leads out."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn import functional

from autograder.tasks.mistakes import Array

Step = Callable[[Array], Array]

SPATIAL = "Which axes of (B, C, H, W) are spatial?"
SQUEEZES: dict[str, tuple[Step, str]] = {
    "takes the maximum of each channel instead of its mean": (
        lambda x: x.amax((2, 3)),
        "Which summary does the squeeze take?",
    ),
    "takes the median instead of the mean": (
        lambda x: x.flatten(2).median(2).values,
        "Which summary does the squeeze take?",
    ),
    "sums over the positions instead of averaging": (
        lambda x: x.sum((2, 3)),
        "Should the gates change when the same image comes at twice the size?",
    ),
    "adds the maximum to the mean, as CBAM does": (
        lambda x: x.mean((2, 3)) + x.amax((2, 3)),
        "Which of the two blocks pools twice?",
    ),
    "rectifies the map before pooling": (
        lambda x: x.relu().mean((2, 3)),
        "Where does the rectifier stand: before the squeeze, or behind the first layer?",
    ),
    "averages over channels and rows": (lambda x: x.mean((1, 2)), SPATIAL),
    "averages over channels and columns": (lambda x: x.mean((1, 3)), SPATIAL),
    "averages over the images of the batch too": (
        lambda x: x.mean((0, 2, 3))[None].expand(x.shape[0], -1),
        "May the gate of one image depend on its neighbours in the batch?",
    ),
    "averages over the channels too, so that all channels are summarised by one number": (
        lambda x: x.mean((1, 2, 3))[:, None].expand(-1, x.shape[1]),
        "How many numbers are there in z, per image?",
    ),
    "drops every axis of size 1, that of a single image or channel too": (
        lambda x: x.mean((2, 3), keepdim=True).squeeze(),
        "What does squeeze() without an argument make of a batch of one image?",
    ),
}

NAMED = "Which nonlinearity does the formula name?"
BETWEEN: dict[str, tuple[Step, str]] = {
    "uses a sigmoid between the layers": (torch.sigmoid, "Which of the two nonlinearities comes first?"),
    "uses tanh between the layers": (torch.tanh, NAMED),
    "uses a GELU between the layers": (functional.gelu, NAMED),
    "uses a SiLU between the layers": (functional.silu, NAMED),
    "uses an ELU between the layers": (functional.elu, NAMED),
    "uses a softplus between the layers": (functional.softplus, NAMED),
    "uses absolute values between the layers": (torch.abs, "What does relu give for −1?"),
    "uses a leaky rectifier between the layers": (
        lambda h: functional.leaky_relu(h, 0.01),
        "What does relu give for −1?",
    ),
    "uses a rectifier that ends at 6 (relu6) between the layers": (functional.relu6, "What does relu give for 7?"),
}

OVERFLOW: dict[str, tuple[Step, str]] = {
    "writes the sigmoid with an exponential that overflows: its gradient is NaN": (
        lambda s: 1 / (1 + torch.exp(-s)),
        "What is exp(3000), and what is ∞ · 0 in the backward pass? Which function of torch avoids it?",
    ),
    "writes the sigmoid as exp(s) / (1 + exp(s)), which is ∞ / ∞ for large s": (
        lambda s: s.exp() / (1 + s.exp()),
        "What is exp(3000)? Which function of torch avoids it?",
    ),
}

AFTER: dict[str, tuple[Step, str]] = {
    "uses tanh instead of the sigmoid": (torch.tanh, "May a gate be negative?"),
    "leaves out the sigmoid": (lambda s: s, "Between which two numbers does a gate lie?"),
    "applies the sigmoid twice": (lambda s: s.sigmoid().sigmoid(), "How often does σ stand in the formula?"),
    "doubles the gate, so that it can amplify": (lambda s: 2 * s.sigmoid(), "What is the largest value of σ?"),
    "uses the complement of the gate": (lambda s: 1 - s.sigmoid(), "Is a large logit to open, or to close?"),
    "divides all gates by the largest": (
        lambda s: s.sigmoid() / s.sigmoid().flatten(1).amax(1).reshape(-1, *[1] * (s.dim() - 1)),
        "Must one gate always be fully open?",
    ),
    "divides the gates by their sum": (
        lambda s: s.sigmoid() / s.sigmoid().flatten(1).sum(1).reshape(-1, *[1] * (s.dim() - 1)),
        "Do the gates of one image have to sum to one?",
    ),
    **OVERFLOW,
}

# more than one function for the same mistake; torch's own hard sigmoid is coarse in float64
SEVERAL: list[tuple[str, Step, str]] = [
    ("uses a hard sigmoid", functional.hardsigmoid, "Which σ does the formula mean?"),
    ("uses a hard sigmoid", lambda s: ((s + 3) / 6).clamp(0, 1), "Which σ does the formula mean?"),
    *(
        (
            "cuts large logits off, so that no gate comes near 0 or 1",
            lambda s, bound=bound: s.clamp(-bound, bound).sigmoid(),
            "How far from 1 is your largest gate? Does torch.sigmoid need protection from large logits?",
        )
        for bound in (5.0, 10.0, 15.0, 20.0)
    ),
]
