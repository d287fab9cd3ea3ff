"""What is true, and how near is near enough: exact values in decimal arithmetic, and one comparison for all tests.

The exact values are written in Python's `decimal` with 80 digits, so they share no code and no rounding with NumPy,
torch or attn_core. Arrays come in kinds, "numpy float32" or "torch bfloat16"; `make` turns float64 values into one.
"""

from collections.abc import Callable
from decimal import Decimal, localcontext
from typing import Any

import numpy as np
import pytest
import torch

FULL_KINDS = ["numpy float32", "numpy float64", "torch float32", "torch float64"]
HALF_KINDS = ["numpy float16", "torch float16", "torch bfloat16"]
DIGITS = 80


def make(values: Any, kind: str) -> Any:
    """Return `values` as an array of this kind."""
    library, dtype = kind.split()
    values = np.asarray(values, dtype=np.float64)
    return values.astype(dtype) if library == "numpy" else torch.tensor(values).to(getattr(torch, dtype))


def as_float64(array: Any) -> np.ndarray:
    """Return the numbers of any array in NumPy float64, which holds every smaller dtype exactly."""
    return array.detach().double().numpy() if isinstance(array, torch.Tensor) else np.asarray(array, dtype=np.float64)


def epsilon(array: Any) -> float:
    """Return the gap between 1 and the next number in the dtype of the array."""
    return float((torch.finfo if isinstance(array, torch.Tensor) else np.finfo)(array.dtype).eps)


def assert_close(actual: Any, exact: Any, peer: Any, scale: float | None = None) -> None:
    """Assert that `actual` errs at most 2 × (as much as `peer`, an independent result in the same dtype, + rounding).

    Rounding is one epsilon of `scale`, by default of the largest exact value. Whatever is not finite fails.
    """
    assert epsilon(actual) == epsilon(peer), f"dtype {actual.dtype} is compared with a peer in {peer.dtype}"
    result, target, other = as_float64(actual), as_float64(exact), as_float64(peer)
    assert result.shape == target.shape == other.shape, f"shapes {result.shape}, {target.shape}, {other.shape} differ"
    for name, values in (("result", result), ("exact value", target), ("peer", other)):
        assert np.isfinite(values).all(), f"the {name} is not finite: {values}"
    largest = np.abs(target).max(initial=0.0) if scale is None else scale
    budget = 2 * (np.abs(other - target).max(initial=0.0) + epsilon(actual) * largest)
    error = np.abs(result - target).max(initial=0.0)
    assert error <= budget, f"the error {error:.3g} exceeds {budget:.3g}"


def message_of(kind: type[Exception], call: Callable[[], object]) -> str:
    """Return the message of the error that `call` raises, which must be exactly of this kind."""
    with pytest.raises(kind) as caught:
        call()
    assert caught.type is kind, f"{caught.type.__name__} was raised, which is only a kind of {kind.__name__}"
    return str(caught.value)


def decimals(array: Any) -> np.ndarray:
    """Return the numbers of an array as exact decimals."""
    return np.vectorize(Decimal, otypes=[object])(as_float64(array))


def exact_softmax(scores: Any, axis: int = -1) -> np.ndarray:
    """Softmax in decimal arithmetic, rounded to float64; a slice of −∞ gives zeros."""
    with localcontext(prec=DIGITS):
        return _softmax(decimals(scores), axis).astype(np.float64)


def exact_scores(q: Any, k: Any, scaled: bool) -> np.ndarray:
    """Dot products in decimal arithmetic, over √d_k if `scaled`, rounded to float64."""
    with localcontext(prec=DIGITS):
        return _scores(q, k, scaled).astype(np.float64)


def exact_attention(q: Any, k: Any, v: Any, mask: Any = None, bias: Any = None) -> tuple[np.ndarray, np.ndarray]:
    """Context and weights in decimal arithmetic, rounded to float64."""
    with localcontext(prec=DIGITS):
        scores = _scores(q, k, scaled=True)
        if bias is not None:
            scores = scores + decimals(bias)
        if mask is not None:
            scores = np.where(as_float64(mask) != 0, scores, Decimal("-Infinity"))
        weights = _softmax(scores, -1)
        return (weights @ decimals(v)).astype(np.float64), weights.astype(np.float64)


def _scores(q: Any, k: Any, scaled: bool) -> np.ndarray:
    root = Decimal(q.shape[-1]).sqrt() if scaled else Decimal(1)
    return decimals(q) @ np.swapaxes(decimals(k), -1, -2) / root


def _softmax(scores: np.ndarray, axis: int) -> np.ndarray:
    weights = np.full(scores.shape, Decimal(0), dtype=object)
    rows, results = np.moveaxis(scores, axis, -1), np.moveaxis(weights, axis, -1)
    for place in np.ndindex(rows.shape[:-1]):
        peak = max(rows[place])
        if peak.is_finite():
            exponentials = [(score - peak).exp() for score in rows[place]]
            results[place] = [value / sum(exponentials) for value in exponentials]
    return weights
