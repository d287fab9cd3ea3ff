"""What every kernel is tried on, what is right, and how near is near enough.

The oracle is attention by its formula in float64, on the numbers as the kernel gets them. The budget is the two-times rule
of tests/attn_core/oracle.py; its peer is the same formula in torch, in the kernel's dtype.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import torch
from oracle import assert_close

from attn_core.flash.cuda import emulator
from attn_core.flash.cuda.kernels import Stage

# order of the threads, copies as late as possible, random seed
SCHEDULES = (("first in", True, 0), ("last in", False, 0), ("last in", True, 0), ("random", True, 1))


@dataclass(frozen=True)
class Case:
    """One call. `sizes` are (queries, keys) of each sequence of the batch."""

    sizes: tuple[tuple[int, int], ...]
    causal: bool = False
    heads: int = 1
    group: int = 1
    packed: bool = False
    padded: bool = False  # key_lengths are given, and the padding holds NaN
    spread: float = 1.0  # of the scores
    shift: float = 0.0  # of all scores
    scale: float | None = None

    def __str__(self) -> str:
        """A name for the test's id."""
        sizes = "+".join(f"{n}x{m}" for n, m in self.sizes)
        words = [word for word in ("causal", "packed", "padded") if getattr(self, word)]
        words += [f"{self.heads}heads"] * (self.heads > 1) + [f"group{self.group}"] * (self.group > 1)
        words += [f"spread{self.spread:g}"] * (self.spread != 1) + [f"shift{self.shift:g}"] * (self.shift != 0)
        return "-".join([sizes, *words, *([] if self.scale is None else [f"scale{self.scale:g}"])])


# Ragged sizes around the tiles' 32, 64 and 128 rows; limit cases first.
CASES = (
    Case(((1, 1),)),
    Case(((1, 70),), causal=True),
    Case(((70, 1),), causal=True),  # 69 queries see nothing
    Case(((3, 0),)),
    Case(((64, 64),), causal=True),
    Case(((65, 129),), heads=2, group=2),
    Case(((130, 67),), causal=True),
    Case(((63, 200),), causal=True, heads=4, group=4),
    Case(((129, 65), (129, 65)), heads=2),
    Case(((40, 150), (40, 64), (40, 0), (40, 1)), padded=True),
    Case(((40, 150), (40, 64), (40, 30), (40, 1)), padded=True, causal=True, heads=2, group=2),
    Case(((70, 33), (1, 1), (0, 5), (5, 0), (129, 129)), packed=True),
    Case(((70, 33), (1, 90), (0, 5), (129, 129)), packed=True, causal=True, heads=4, group=2),
    Case(((33, 100),), spread=20.0),  # nearly a hard choice: the running maximum jumps
    Case(((33, 100),), shift=-300.0),  # no score is anywhere near 0
    Case(((33, 100),), scale=0.5, causal=True),
)


@dataclass(frozen=True)
class Data:
    """Inputs of a case, in float64 but with the digits of the kernel's dtype; sequences are apart."""

    q: list[np.ndarray]
    k: list[np.ndarray]
    v: list[np.ndarray]


def draw(case: Case, dtype: str, head_size: int, seed: int = 0) -> Data:
    """Random inputs: values have a mean that is not zero, so that a lost row shows."""
    rng = np.random.default_rng(seed)
    kv_heads = case.heads // case.group

    def digits(array: np.ndarray) -> np.ndarray:
        return emulator.decode(emulator.encode(array, dtype), dtype)

    q, k, v = [], [], []
    for n, m in case.sizes:
        query, key = (rng.normal(size=(heads, rows, head_size)) for heads, rows in ((case.heads, n), (kv_heads, m)))
        query, key = query * case.spread, key
        if case.shift:
            query[..., 0], key[..., 0] = (
                abs(case.shift) ** 0.5,
                np.sign(case.shift) * abs(case.shift) ** 0.5 * head_size**0.5,
            )
        q.append(digits(query)), k.append(digits(key))
        v.append(digits(rng.normal(size=(kv_heads, m, head_size)) + rng.normal(size=(kv_heads, 1, head_size)) + 1))
    return Data(q, k, v)


def attention(
    case: Case, q: np.ndarray, k: np.ndarray, v: np.ndarray, dtype: torch.dtype
) -> tuple[np.ndarray, np.ndarray]:
    """Output and log-sum-exp of one sequence by the formula, computed in `dtype`; empty rows are 0 and −∞."""
    q, k, v = (torch.tensor(array).to(dtype) for array in (q, k, v))
    k, v = (tensor.repeat_interleave(case.group, 0) for tensor in (k, v))
    n, m = q.shape[1], k.shape[1]
    scores = (q @ k.transpose(1, 2)) * (q.shape[-1] ** -0.5 if case.scale is None else case.scale)
    if case.causal:
        scores = scores.masked_fill(~torch.ones(n, m, dtype=torch.bool).tril(m - n), float("-inf"))
    lse = torch.logsumexp(scores, -1)
    weights = torch.exp(scores - torch.where(lse.isinf(), 0, lse)[..., None])
    return (weights @ v).double().numpy(), lse.double().numpy()


def run(
    stage: Stage, case: Case, data: Data, dtype: str, **options: object
) -> tuple[list[np.ndarray], list[np.ndarray], emulator.Result]:
    """What the kernel gives for each sequence: outputs and log-sum-exps (heads, queries, …)."""
    if case.packed:
        starts = tuple(np.cumsum([0, *(size[i] for size in case.sizes)]) for i in (0, 1))
        arrays = [np.concatenate(parts, axis=1).swapaxes(0, 1) for parts in (data.q, data.k, data.v)]
        result = emulator.run(
            stage, *arrays, dtype=dtype, causal=case.causal, scale=case.scale, cu_seqlens=starts, **options
        )
        outs = np.split(result.out.swapaxes(0, 1), starts[0][1:-1], axis=1)
        return outs, np.split(result.lse, starts[0][1:-1], axis=1), result
    longest = max(m for _, m in case.sizes)

    def padded(parts: list[np.ndarray]) -> np.ndarray:
        return np.stack(
            [np.pad(part, ((0, 0), (0, longest - part.shape[1]), (0, 0)), constant_values=np.nan) for part in parts]
        )

    lengths = np.array([m for _, m in case.sizes]) if case.padded else None
    q, k, v = np.stack(data.q), padded(data.k), padded(data.v)
    result = emulator.run(
        stage, q, k, v, dtype=dtype, causal=case.causal, scale=case.scale, key_lengths=lengths, **options
    )
    return list(result.out), list(result.lse), result


def assert_right(case: Case, data: Data, dtype: str, outs: Iterable[np.ndarray], lses: Iterable[np.ndarray]) -> None:
    """Compare every sequence with float64, with a budget of twice the error of the formula in the same dtype."""
    low = getattr(torch, dtype)
    for q, k, v, out, lse in zip(data.q, data.k, data.v, outs, lses, strict=True):
        exact, exact_lse = attention(case, q, k, v, torch.float64)
        peer, _ = attention(case, q, k, v, low)
        _, peer_lse = attention(case, q, k, v, torch.float32)
        if exact.size == 0:
            assert out.shape == exact.shape
            continue
        scale = float(np.abs(v).max(initial=0.0))  # an output is a mean of values
        assert_close(
            *(torch.tensor(array).to(kind) for array, kind in ((out, low), (exact, torch.float64), (peer, low))), scale
        )
        empty = np.isneginf(exact_lse)
        assert np.array_equal(np.isneginf(lse), empty), "−∞ belongs to the queries that see nothing, and to no other"
        finite = [np.where(empty, 0, array) for array in (lse, exact_lse, peer_lse)]
        assert_close(
            *(
                torch.tensor(array).to(kind)
                for array, kind in zip(finite, (torch.float32, torch.float64, torch.float32), strict=True)
            ),
            _largest_terms(case, q, k),
        )


def packed_twin(case: Case) -> Case:
    """The same sequences without padding."""
    return replace(case, packed=True, padded=False)


def _largest_terms(case: Case, q: np.ndarray, k: np.ndarray) -> float:
    """The largest Σ |q_i k_i| · scale: the size of what is summed up in a score, to which its rounding is relative."""
    sums = np.abs(q) @ np.abs(np.repeat(k, case.group, axis=0)).swapaxes(1, 2)
    return float(sums.max(initial=1.0) * (q.shape[-1] ** -0.5 if case.scale is None else case.scale))
