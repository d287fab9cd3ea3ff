"""Every stage on the GPU against float64: flash-attention's grid of shapes, causal or not, grouped heads, lengths, packed.

The rule is that of the project's tests: an error of at most twice that of the formula in the kernel's dtype, and rounding.
`python -m benchmarks.gpu.correctness` runs a small part once, for compute-sanitizer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from attn_core.flash.cuda import launch
from attn_core.flash.cuda.kernels import STAGES, Stage

# (queries, keys): of FlashAttention's own tests, and around the tiles' 32, 64 and 128 rows
SHAPES = (
    (1, 1), (64, 128), (128, 192), (256, 256), (239, 1), (799, 3), (113, 203), (113, 128), (128, 217), (113, 211), (108, 256),
    (256, 512), (384, 256), (640, 128), (512, 256), (1024, 1024), (1023, 1024), (1024, 1023), (4096, 4096), (4224, 4224),
    (1, 70), (70, 1), (33, 0), (65, 129), (130, 67),
)  # fmt: skip
FEW = ((1, 1), (113, 203), (239, 1), (1023, 1024), (33, 0))
REPEATS = 20
USUAL = {torch.float32: 1e-5, torch.float16: 2e-3, torch.bfloat16: 1e-2}  # relative errors


@dataclass(frozen=True)
class Case:
    """One call. `ragged` is "lengths", "packed" or nothing; of ragged sequences `shape` is the longest."""

    stage: Stage
    dtype: str
    head_size: int
    shape: tuple[int, int]
    causal: bool
    batch: int = 2
    heads: int = 2
    group: int = 1
    ragged: str = ""

    def __str__(self) -> str:
        """For a sentence about it."""
        words = [self.stage.name, self.dtype, f"d={self.head_size}", "{}×{}".format(*self.shape)]
        words += (
            ["causal"] * self.causal
            + [f"groups of {self.group}"] * (self.group > 1)
            + [self.ragged] * bool(self.ragged)
        )
        return " ".join(words)


def cases() -> Iterator[Case]:
    """Shipping kernels on everything; the other stages on a few shapes."""
    for stage in STAGES:
        for dtype in stage.dtypes:
            for size in stage.head_sizes:
                for causal in (False, True):
                    for shape in _shapes(stage, size):
                        yield Case(stage, dtype, size, shape, causal)
                    for ragged in ("", "lengths", "packed"):
                        yield Case(stage, dtype, size, (300, 430), causal, batch=5, heads=6, group=3, ragged=ragged)


def _shapes(stage: Stage, head_size: int) -> tuple[tuple[int, int], ...]:
    if not stage.ships:
        return FEW
    return tuple(shape for shape in SHAPES if max(shape) < 4096 or head_size == 128)


def few_cases() -> list[Case]:
    """Enough for a tool that makes everything a hundred times slower: each stage once packed, once ragged and causal."""
    return [
        Case(stage, stage.dtypes[-1], 64, (150, 140), causal, batch=3, ragged=ragged)
        for stage in STAGES
        for causal, ragged in ((True, "lengths"), (False, "packed"))
    ]


@dataclass(frozen=True)
class Inputs:
    """What the kernel gets, and the sequences in it: (batch index, queries, keys) as slices of rows."""

    q: torch.Tensor
    k: torch.Tensor
    v: torch.Tensor
    options: dict[str, torch.Tensor]
    sizes: list[tuple[int, int]]


def draw(case: Case, device: str = "cuda", seed: int = 0) -> Inputs:
    """Normal queries and keys, values with a mean that is not zero; what is padding holds NaN."""
    generator = torch.Generator().manual_seed(seed)
    n, m = case.shape
    sizes = [(n, m)] * case.batch
    if case.ragged:
        shares = torch.linspace(1, 0, case.batch).tolist()  # the last sequence has no keys, or nothing at all
        sizes = [(round(share * n) if case.ragged == "packed" else n, round(share * m)) for share in shares]

    def rows(heads: int, counts: list[int], longest: int, mean: float) -> torch.Tensor:
        parts = [torch.randn(heads, count, case.head_size, generator=generator) + mean for count in counts]
        if case.ragged == "packed":
            return torch.cat(parts, 1).transpose(0, 1).contiguous()
        return torch.stack(
            [torch.nn.functional.pad(part, (0, 0, 0, longest - part.shape[1]), value=torch.nan) for part in parts]
        )

    kind = {"dtype": getattr(torch, case.dtype), "device": device}
    queries, keys = [n for n, _ in sizes], [m for _, m in sizes]
    kv_heads = case.heads // case.group
    q, k = rows(case.heads, queries, n, 0.0).to(**kind), rows(kv_heads, keys, m, 0.0).to(**kind)
    v = rows(kv_heads, keys, m, 1.0).to(**kind)
    options = {}
    if case.ragged == "lengths":
        options = {"key_lengths": torch.tensor(keys, dtype=torch.int32, device=device)}
    if case.ragged == "packed":
        starts = [
            torch.tensor([0, *counts]).cumsum(0).to(device=device, dtype=torch.int32) for counts in (queries, keys)
        ]
        options = {"cu_seqlens_q": starts[0], "cu_seqlens_k": starts[1]}
    return Inputs(q, k, v, options, sizes)


def formula(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, causal: bool, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor]:
    """Output and log-sum-exp of one sequence (heads, rows, features) in this dtype; empty rows are 0 and −∞."""
    group = q.shape[0] // k.shape[0]
    q, k, v = q.to(dtype), k.to(dtype).repeat_interleave(group, 0), v.to(dtype).repeat_interleave(group, 0)
    scores = (q @ k.transpose(1, 2)) * q.shape[-1] ** -0.5
    if causal:
        n, m = scores.shape[1:]
        hidden = torch.ones(n, m, dtype=torch.bool, device=q.device).tril(m - n).logical_not()
        scores = scores.masked_fill(hidden, -torch.inf)
    lse = torch.logsumexp(scores, -1)
    weights = torch.exp(scores - torch.where(lse.isinf(), 0, lse)[..., None])
    return weights @ v, lse


def sequences(case: Case, data: Inputs, *results: torch.Tensor) -> Iterator[list[torch.Tensor]]:
    """For each sequence its q, k, v and each result, as (heads, rows, …)."""
    packed, begin_q, begin_k = case.ragged == "packed", 0, 0
    for batch, (n, m) in enumerate(data.sizes):
        if packed:
            q = data.q[begin_q : begin_q + n].transpose(0, 1)
            k, v = (x[begin_k : begin_k + m].transpose(0, 1) for x in (data.k, data.v))
            out, lse = results[0][begin_q : begin_q + n].transpose(0, 1), results[1][:, begin_q : begin_q + n]
            begin_q, begin_k = begin_q + n, begin_k + m
        else:
            q, k, v = data.q[batch, :, :n], data.k[batch, :, :m], data.v[batch, :, :m]
            out, lse = results[0][batch, :, :n], results[1][batch, :, :n]
        yield [q, k, v, out, lse]


def excess(actual: torch.Tensor, exact: torch.Tensor, peer: torch.Tensor, largest: float) -> float:
    """The error over its budget: right is at most 1. Whatever is not finite is infinitely wrong."""
    if not torch.isfinite(actual).all():
        return float("inf")
    if actual.numel() == 0:
        return 0.0
    error, other = ((x.double() - exact).abs().max().item() for x in (actual, peer))
    return error / (2 * (other + torch.finfo(actual.dtype).eps * largest))


def distance(actual: torch.Tensor, exact: torch.Tensor) -> float:
    """The length of the error over that of the result, and that over what is usual: right is at most 1."""
    error, length = (actual.double() - exact).norm().item(), exact.norm().item()
    return error / (length * USUAL[actual.dtype]) if length else float(error > 0)


def check(case: Case, device: str = "cuda") -> tuple[float, float]:
    """Error over budget of the output and of the log-sum-exp; the worst sequence counts."""
    data = draw(case, device)
    out, lse = launch.forward(
        data.q, data.k, data.v, causal=case.causal, scale=case.head_size**-0.5, stage=case.stage.name, **data.options
    )
    return judge(case, data, out, lse)


def judge(case: Case, data: Inputs, out: torch.Tensor, lse: torch.Tensor) -> tuple[float, float]:
    """Compare every sequence with float64."""
    worst_out = worst_lse = 0.0
    for q, k, v, got, got_lse in sequences(case, data, out, lse):
        exact, exact_lse = formula(q, k, v, case.causal, torch.float64)
        peer, _ = formula(q, k, v, case.causal, out.dtype)
        _, peer_lse = formula(q, k, v, case.causal, torch.float32)
        empty = exact_lse.isneginf()
        if not torch.equal(got_lse.isneginf(), empty):
            return worst_out, float("inf")
        largest = float(v.abs().max()) if v.numel() else 1.0
        worst_out = max(worst_out, excess(got, exact, peer, largest), distance(got, exact))
        finite = [x.masked_fill(empty, 0) for x in (got_lse, exact_lse, peer_lse)]
        worst_lse = max(worst_lse, excess(finite[0], finite[1], finite[2], _largest_terms(q, k)))
    return worst_out, worst_lse


def _largest_terms(q: torch.Tensor, k: torch.Tensor) -> float:
    """The largest Σ |q_i k_i| · scale, to which the rounding of a score is relative; at least 1."""
    if not (q.numel() and k.numel()):
        return 1.0
    k = k.repeat_interleave(q.shape[0] // k.shape[0], 0)
    return max(1.0, (q.double().abs() @ k.double().abs().transpose(1, 2)).max().item() * q.shape[-1] ** -0.5)


def differs(stage: Stage) -> str:
    """Run one large call many times, on another stream every second time: every result must be the same, bit by bit."""
    case = Case(stage, stage.dtypes[-1], stage.head_sizes[0], (513, 515), True, batch=30, heads=4, group=2)
    data = draw(case)
    first, side = None, torch.cuda.Stream()
    for turn in range(REPEATS):
        torch.cuda.synchronize()
        with torch.cuda.stream(side if turn % 2 else torch.cuda.current_stream()):
            found = launch.forward(data.q, data.k, data.v, causal=True, scale=0.125, stage=stage.name)
        torch.cuda.synchronize()
        first = first or found
        if not (torch.equal(first[0], found[0]) and torch.equal(first[1], found[1])):
            return f"{case}: call {turn} differs from the first."
    return ""


def main() -> int:
    """A small part of the grid, once; 1 if anything is wrong."""
    wrong = [str(case) for case in few_cases() if max(check(case)) > 1]
    print("\n".join(wrong) or f"{len(few_cases())} calls are right.")
    return int(bool(wrong))


if __name__ == "__main__":
    raise SystemExit(main())
