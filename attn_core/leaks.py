r"""A leak is an output that depends on a token it must not see; three tests look for one, each in its own way.

Formula
    first_leak            the first (i, j), row by row, with j > i + m − n and weight_ij > tolerance
    leak_by_perturbation  depends_ij = (output i changes, by more than the tolerance, when token j is exchanged)
    leak_by_gradient      depends_ij = (some ∂ output_i / ∂ token_j is not 0)
Shapes
    weights  (n, m)
    x        (m, ...)  one token per entry of the first axis; a model that wants a batch gets one in a lambda
    output   (n, ...)  what the model gives, one output per entry of the first axis; n = m except behind a cache
    depends  (n, m)    boolean, row i and column j as in a mask: no leak if it is True only where causal_mask is
Cost
    first_leak: n m comparisons. leak_by_perturbation: m + 1 calls of the model. leak_by_gradient: one call, and a
    backward pass for each number of its output.
Errors
    ValueError for outputs that are not finite (empty rows with −∞ give NaN), or that have no axis of positions;
    TypeError for what is not floating point: token ids need `other`, and their gradient is taken in their embeddings
Source
    alignment as in attn_core.conventions. What each test misses: weights say nothing of leaks past attention, such as
    a norm over positions; one perturbation may go unnoticed by rounding, by a dead ReLU, or by chance; a gradient is
    0 behind an argmax, a detach(), or a saturated unit.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from array_api_compat import device

from attn_core.conventions import Array, check_arguments, namespace, shape_error
from attn_core.masks import causal_mask

if TYPE_CHECKING:
    import torch


def first_leak(weights: Array, tolerance: float = 0.0) -> tuple[int, int] | None:
    """Query and key of the first weight above the tolerance that a causal mask forbids; None if there is none.

    Compared in the dtype of the weights. NaN counts as a leak, as nobody can say that it is none.

    >>> import numpy as np
    >>> first_leak(np.array([[1.0, 0.0], [0.5, 0.5]]))
    >>> first_leak(np.array([[0.9, 0.1], [0.5, 0.5]]))
    (0, 1)
    """
    xp = check_arguments("first_leak", weights=(weights, "n m"))
    n, m = weights.shape
    hidden = ~causal_mask(n, m, like=weights)
    rows, columns = xp.nonzero(hidden & ~(weights <= tolerance))
    return (int(rows[0]), int(columns[0])) if rows.shape[0] else None


def leak_by_perturbation(
    model: Callable[[Array], Array], x: Array, other: Array | None = None, tolerance: float = 0.0
) -> Array:
    """Which output depends on which token, seen by exchanging one token after the other; (n, m), boolean.

    Token j becomes other[j]; without `other` it gets normal noise added, the same in every call. Equal shapes are computed
    in the same order, so what does not depend on a token usually stays the same to the last bit: tolerance 0 is a fair one.

    >>> import numpy as np
    >>> leak_by_perturbation(lambda x: np.cumsum(x, axis=0), np.ones((3, 2))).astype(int)
    array([[1, 0, 0],
           [1, 1, 0],
           [1, 1, 1]])
    """
    xp: Any = namespace(x, function="leak_by_perturbation", names=("x",))
    if other is None:
        check_arguments("leak_by_perturbation", x=(x, ""))
        noise = np.random.default_rng(0).standard_normal(tuple(x.shape))
        other = x + xp.asarray(noise, dtype=x.dtype, device=device(x))
    elif tuple(other.shape) != tuple(x.shape):
        shape, expected = f"shape {tuple(other.shape)}", f"x has shape {tuple(x.shape)}"
        raise shape_error("leak_by_perturbation", "other", expected, shape, "it gives each token its replacement")
    position = xp.reshape(xp.arange(x.shape[0], device=device(x)), (-1, *(1 for _ in x.shape[1:])))
    before = _outputs("leak_by_perturbation", xp, model(x))
    columns = []
    for j in range(x.shape[0]):
        after = _outputs("leak_by_perturbation", xp, model(xp.where(position == j, other, x)))
        columns.append(xp.any(xp.abs(after - before) > tolerance, axis=1))
    return xp.stack(columns, axis=1)


def leak_by_gradient(model: Callable[["torch.Tensor"], "torch.Tensor"], x: "torch.Tensor") -> "torch.Tensor":
    """Which output depends on which token, seen in the Jacobian; (n, m), boolean. In torch only.

    An entry that is exactly 0 is the only one that says "no": NaN, as an empty row with an added −∞ gives, says "yes".

    >>> import torch
    >>> leak_by_gradient(lambda x: x.cumsum(0), torch.ones(3, 2)).int()
    tensor([[1, 0, 0],
            [1, 1, 0],
            [1, 1, 1]], dtype=torch.int32)
    """
    import torch

    xp: Any = check_arguments("leak_by_gradient", x=(x, ""))
    jacobian: Any = torch.autograd.functional.jacobian(  # type: ignore[no-untyped-call]  # torch has no types there
        lambda x: _outputs("leak_by_gradient", xp, model(x)), x
    )
    jacobian = jacobian.reshape(*jacobian.shape[:2], x.shape[0], -1)  # (n, outputs, m, features)
    depends: torch.Tensor = (jacobian != 0).any(-1).any(1)  # NaN ≠ 0
    return depends


def _outputs(function: str, xp: Any, outputs: Array) -> Array:
    """The outputs of a model as (n, numbers), all of them finite."""
    if outputs.ndim == 0:
        reason = "n is the number of queries, the first axis of what the model returns"
        raise shape_error(function, "model(x)", "it must be (n, ...)", "shape ()", reason)
    flat = xp.reshape(outputs, (outputs.shape[0], -1))
    broken = ~xp.all(xp.isfinite(flat), axis=1)
    if xp.any(broken):
        i = int(xp.nonzero(broken)[0][0])
        raise ValueError(
            f"{function}: output {i} of the model is not finite, so it cannot be compared; "
            "a row that may attend to nothing gives NaN unless it is given zeros."
        )
    return flat
