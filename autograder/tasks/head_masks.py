"""Masks for several heads: every shape that may be broadcast to (B, heads, n, m)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from autograder.checking.draw import Draw
from autograder.checking.task import Task

Inputs = tuple[Any, ...]


def broadcast_masks(task: Task, masked: Callable[..., Inputs], axis: str, head: str) -> None:
    """Special inputs with a mask of each shape, by `masked(draw, *axes)`; `axis` is that of the heads, `head` its word."""

    def shaped(name: str, share: float, *axes: str | int, keep: float = 0.6) -> None:
        task.special(name, share=share)(lambda draw: masked(draw, *axes, keep=keep))

    shaped(f"a mask for each {head}", 0.5, "B", axis, "n", "m", keep=0.5)
    shaped("a mask that is the same for all heads, (B, 1, n, m)", 0.2, "B", 1, "n", "m")
    shaped("a mask that is the same for all heads and sequences, (n, m)", 0.2, "n", "m")
    shaped(f"a mask that is the same for all sequences, (1, {axis}, n, m)", 0.1, 1, axis, "n", "m")
    # torch's own attention takes no mask (m,)
    shaped("a mask that is the same for all queries too, (1, m)", 0.1, 1, "m")
    shaped("a padding mask, (B, 1, 1, m)", 0.2, "B", 1, 1, "m")

    @task.special(f"a mask that switches {head}s off, ({axis}, 1, 1)", share=0.2)
    def _(draw: Draw) -> Inputs:
        *arguments, mask = masked(draw, axis, 1, 1)
        on = torch.tensor(draw.rng.random(len(mask)) < 0.5)
        on[0], on[1] = True, False
        return *arguments, on[:, None, None]
