"""The training loop of every notebook: draw a batch, compute the loss, step down."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn


def fit(
    model: "nn.Module",
    loss: Callable[[Any, Any], "Tensor"],
    batches: Iterator[Any],
    steps: int,
    learning_rate: float = 5e-3,
    clip: float = 1.0,
) -> list[float]:
    """Train `model` in place with Adam for `steps` batches; returns the loss of every step.

    `loss(model(batch), batch)` is what falls. `clip` is the largest norm of the gradient, without which recurrent
    networks take leaps. A loss that is not finite raises ArithmeticError, with the step.
    """
    import torch

    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
    losses: list[float] = []
    for step in range(steps):
        batch = next(batches)
        value = loss(model(batch), batch)
        if not torch.isfinite(value):
            raise ArithmeticError(f"fit: the loss is {value.item()} at step {step}; try a smaller learning_rate.")
        optimizer.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]  # torch annotates this method only in part
        torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        losses.append(value.item())
    return losses
