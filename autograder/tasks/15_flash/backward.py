"""flash.backward: The gradients of attention from what the forward pass kept."""

# ruff: noqa: ARG005 - a mistake ignores what it must not ignore

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from attn_core import flash
from autograder.checking.cost import AUTOGRAD, Cost
from autograder.checking.draw import Draw
from autograder.checking.task import Task
from autograder.tasks.flash_parts import CAUSAL_MISTAKES
from autograder.tasks.mistakes import Array

Three = tuple[Array, Array, Array]
Given = tuple[Array, Array, Array, Array, Array, Array, bool]


def flash_backward(
    q: Array, k: Array, v: Array, out: Array, lse: Array, grad_out: Array, causal: bool = False
) -> Three:
    """The reference, without its block size, which is not part of the task."""
    return flash.flash_backward(q, k, v, out, lse, grad_out, causal)


task = Task(
    "flash.backward",
    reference=flash_backward,
    kind="torch",
    rounds=16,
    gradients=False,
    unit=4.0,  # a row of dS sums to 0, so that zeros come out of differences of this size
    scores=lambda q, k, *_: q @ k.mT / math.sqrt(q.shape[-1]),
    lecture="15_flash#what-is-kept-for-the-backward-pass",
    hints=(
        "First get the weights back: what is exp(score − lse)? Then go backwards through three steps: the mixture with v, the softmax, the scaled product.",
        "dV = Pᵀ dO and dP = dO Vᵀ. The softmax gives dS = P ∘ (dP − δ), where δ is one number per query: Σ_j P_ij dP_ij, which is the row sum of dO ∘ O. "
        "And where a score was multiplied by 1/√d on the way there, the gradient is on the way back. What is exp(−∞ − (−∞)), and what should it be?",
        "p = exp(q kᵀ·scale − lse[..., None]), 0 where hidden and where lse is −inf; delta = (grad_out * out).sum(-1, keepdim=True); ds = p * (grad_out @ v.mT − delta) * scale; "
        "return ds @ k, ds.mT @ q, p.mT @ grad_out.",
    ),
)


def _saved(draw: Draw, causal: bool, scale: float = 1.0, level: float = 0.0, loud: bool = False) -> Given:
    """Inputs, and what the forward pass makes of them (in float64, then rounded). `loud`: only the last key has the level."""
    draw.size("d", 1, 5)
    draw.size("d_v", 1, 4)
    q = draw.array(
        ..., "n", "d", mean=0.2, scale=scale, fixed=True
    )  # only v is large: a saturated softmax has no gradient
    k = draw.array(..., "m", "d", mean=0.1, fixed=True)
    v, grad_out = draw.array(..., "m", "d_v", mean=0.5), draw.array(..., "n", "d_v", mean=0.3, fixed=True)
    if level:
        if draw.case.dtype == "float32":
            level = math.copysign(120.0, level)  # overflows there, and its rounding is bearable
        q[..., 0], k[..., 0] = math.sqrt(abs(level) * q.shape[-1]), math.copysign(math.sqrt(abs(level)), level)
        k[..., : -1 if loud else 0, 0] = 0.0
    return _with_results(q, k, v, grad_out, causal)


def _with_results(q: Array, k: Array, v: Array, grad_out: Array, causal: bool) -> Given:
    out, lse = flash.tiled_attention(q.double(), k.double(), v.double(), max(k.shape[-2], 1), causal)
    return q, k, v, out.to(q.dtype), lse.to(q.dtype), grad_out, causal


@task.inputs
def _(draw: Draw) -> Given:
    return _saved(draw, draw.flag(0.4), 1.5)


@task.special("not causal", share=0.5)
def _(draw: Draw) -> Given:
    draw.size("n", 2, 5)
    draw.size("m", 2, 5)
    return _saved(draw, False)


@task.special("`causal` is not said: not causal", share=0.4)
def _(draw: Draw) -> tuple[Array, ...]:
    draw.size("n", 2, 5)
    draw.size("m", 2, 5)
    *given, _ = _saved(draw, False)
    return tuple(given)


@task.special("causal, as many queries as keys", share=0.4)
def _(draw: Draw) -> Given:
    draw.sizes["m"] = draw.size("n", 3, 6)
    return _saved(draw, True)


@task.special("causal, fewer queries than keys", share=0.4)
def _(draw: Draw) -> Given:
    draw.sizes["m"] = draw.size("n", 1, 4) + draw.size("more", 1, 4)
    return _saved(draw, True)


@task.special("causal, more queries than keys: some see nothing", share=0.4)
def _(draw: Draw) -> Given:
    draw.sizes["n"] = draw.size("m", 1, 4) + draw.size("more", 1, 4)
    return _saved(draw, True)


@task.special("scores far above 0", share=0.4)
def _(draw: Draw) -> Given:
    draw.size("m", 2, 5)
    draw.size("d", 2, 4)
    return _saved(draw, draw.flag(), level=1500.0)


@task.special("scores far below 0", share=0.4)
def _(draw: Draw) -> Given:
    draw.size("m", 2, 5)
    draw.size("d", 2, 4)
    return _saved(draw, draw.flag(), level=-1500.0)


@task.special("causal, scores far below numbers such as −1e9", share=0.3)
def _(draw: Draw) -> Given:
    """All products are powers of two and each weight is 0 or 1: nothing is lost to rounding, in float64 at −2**34."""
    draw.sizes["n"] = draw.size("m", 2, 5)
    draw.sizes["d"], root = 4, 2.0 ** (17 if draw.case.dtype == "float64" else 3)
    draw.size("d_v", 1, 4)
    q, k, v, *_, grad_out, causal = _saved(draw, True)
    q, k = torch.zeros_like(q), torch.zeros_like(k)
    q[..., 0], k[..., 0], q[..., 1] = 2 * root, -root, 8.0
    k[..., 1] = -8.0 * torch.arange(k.shape[-2])
    return _with_results(q, k, v, grad_out, causal)


@task.special("causal, with a hidden key whose scores are far above all visible ones", share=0.4)
def _(draw: Draw) -> Given:
    draw.size("n", 2, 5)
    draw.size("m", 2, 5)
    draw.size("d", 2, 4)
    return _saved(draw, True, level=1500.0, loud=True)


@task.special("a single key: nothing to choose, no gradient for q and k", share=0.3)
def _(draw: Draw) -> Given:
    draw.sizes["m"] = 1
    return _saved(draw, False)


@task.cost(lambda draw: _saved(draw, True))
def _(_inputs: Given, cost: Cost) -> str | None:
    if not cost.calls.get(AUTOGRAD):
        return None
    return "It lets torch differentiate: a backward pass of autograd ran inside. Write its formulas down, with +, *, @ and exp."


@task.property("a constant that is added to all values changes no gradient but leaves that of v as it is")
def _(call: Array, inputs: Given, output: Three) -> str | None:
    q, k, v, out, lse, grad_out, *causal = inputs
    if v.abs().max() > 20 or lse.masked_fill(lse == -math.inf, 0.0).abs().max() > 20:
        return None  # too large: the weights sum to one only roughly
    seen = (lse != -math.inf)[..., None].to(out.dtype)
    other = call(q, k, v + 1, out + seen, lse, grad_out, *causal)
    gap = max(float((a - b).abs().max()) for a, b in zip(other, output, strict=True))
    size = max(1.0, *(float(x.abs().max()) for x in output))
    return None if gap <= 1e-3 * size else f"here one moves by {gap:.3g}."


def _backward(
    q: Array,
    k: Array,
    v: Array,
    out: Array,
    lse: Array,
    grad_out: Array,
    causal: bool = False,
    *,
    mask: Callable[[Array, Array, int, int], Array] = lambda i, j, n, m: j <= i + (m - n),
    scale: Callable[[int, int], float] = lambda d, _: d**-0.5,
    outer: Callable[[int, int], float] | None = None,
    weigh: Callable[[Array, Array], Array] = lambda s, lse: torch.exp(
        s - torch.where(lse == -math.inf, math.inf, lse)[..., None].to(s.dtype)
    ),
    delta: Callable[..., Array] = lambda grad_out, out, **_: (grad_out * out).sum(-1, keepdim=True),
    through: Callable[[Array, Array, Array], Array] = lambda p, dp, delta: p * (dp - delta),
    ends: Callable[[Three], Any] = lambda grads: grads,
    of_v: Callable[[Array, Array], Array] = lambda p, _ds: p,
    fill: float = -math.inf,
    hide: Callable[[Array, Array], Array] | None = None,
) -> Any:
    """Right, but for what is named; the whole matrix at once."""
    (n, d), m, d_v = q.shape[-2:], k.shape[-2], v.shape[-1]
    s = q @ k.mT * scale(d, d_v)
    seen = mask(torch.arange(n)[:, None], torch.arange(m), n, m) if causal else torch.ones(n, m, dtype=torch.bool)
    p = weigh(s.masked_fill(~seen, fill), lse) if hide is None else hide(weigh(s, lse), seen)
    dp = grad_out @ v.mT
    ds = through(p, dp, delta(grad_out, out, p=p, dp=dp)) * (outer or scale)(d, d_v)
    return ends((ds @ k, ds.mT @ q, of_v(p, ds).mT @ grad_out))


def _mistake(name: str, ask: str, **what: Any) -> None:
    """A misconception that is right but for what is named."""
    task.misconception(name, ask)(lambda *given: _backward(*given, **what))


_mistake(
    "leaves out the row term δ in the gradient of the softmax",
    "If all scores of a row grow by the same amount, the weights stay. Which sum over a row of dS must then be 0?",
    through=lambda p, dp, _: p * dp,
)
_mistake(
    "adds the row term δ instead of subtracting it",
    "Which sum over a row of dS must be 0, as a constant added to the scores changes nothing?",
    through=lambda p, dp, delta: p * (dp + delta),
)
_mistake(
    "subtracts δ outside the product with P",
    "Does a key whose weight is 0 get a gradient?",
    through=lambda p, dp, delta: p * dp - delta,
)
_mistake(
    "takes the row sum of dO instead of dO ∘ O for δ",
    "δ must be Σ_j P_ij dP_ij. Which sum over the features is that?",
    delta=lambda grad_out, **_: grad_out.sum(-1, keepdim=True),
)
_mistake(
    "takes the row sum of dO instead of dO ∘ O for δ",
    "δ must be Σ_j P_ij dP_ij. Which sum over the features is that?",
    delta=lambda grad_out, out, **_: grad_out.sum(-1, keepdim=True) + 0 * out.sum(-1, keepdim=True),
)
_mistake(
    "takes the row sum of O for δ", "Where does dO come in?", delta=lambda grad_out, out, **_: out.sum(-1, keepdim=True)
)
_mistake(
    "takes the mean over the features for δ, not the sum",
    "Σ_j P_ij dP_ij: which sum over the features is that?",
    delta=lambda grad_out, out, **_: (grad_out * out).mean(-1, keepdim=True),
)
_mistake(
    "sums dP over the keys for δ, without the weights",
    "A weighted mean is taken off each row. With which weights?",
    delta=lambda grad_out, out, dp, **_: dp.sum(-1, keepdim=True),
)
_mistake(
    "averages dP over the keys for δ, without the weights",
    "A weighted mean is taken off each row. With which weights?",
    delta=lambda grad_out, out, dp, **_: dp.mean(-1, keepdim=True),
)
_mistake(
    "takes the softmax's derivative entry by entry: p (1 − p)",
    "Does a score change its own weight only, or those of the others too?",
    through=lambda p, dp, _: p * (1 - p) * dp,
)
_mistake(
    "takes δ once per key instead of once per query",
    "Over which axis does a softmax sum to one?",
    delta=lambda grad_out, out, p, dp, **_: (p * dp).sum(-2, keepdim=True),
)
_mistake(
    "leaves out the scale on the way back",
    "S = q kᵀ / √d: which factor has the derivative of S with respect to q?",
    outer=lambda _d, _: 1.0,
)
_mistake(
    "leaves out the scale on the way there, in the weights",
    "lse belongs to the scaled scores. To which scores does exp(S − lse) give weights that sum to one?",
    scale=lambda _d, _: 1.0,
    outer=lambda d, _: d**-0.5,
)
_mistake("leaves out the scale altogether", "Where does 1/√d stand in the forward pass?", scale=lambda _d, _: 1.0)
_mistake(
    "applies the scale twice on the way back",
    "How often does 1/√d stand in the forward pass?",
    outer=lambda d, _: 1 / d,
)
_mistake(
    "divides by d instead of its square root", "Which power of d is in the forward pass?", scale=lambda d, _: 1 / d
)
_mistake("takes the scale from the values' size", "Over which axis does q · k sum?", scale=lambda _, d_v: d_v**-0.5)
for _name, _ask, _mask in CAUSAL_MISTAKES:
    _mistake(_name, _ask, mask=_mask)


@task.misconception(
    "is causal unless it is told not to be", ask="What does the signature say `causal` is where nobody says it?"
)
def _(*given: Any) -> Any:
    return _backward(*given[:6], *(given[6:] or (True,)))


_mistake(
    "fills forbidden scores with a number such as −1e9",
    "What is exp(−1e9 − lse) where the lse lies lower still?",
    fill=-1e9,
)
_mistake(
    "multiplies the weights by the mask, where that of a hidden key may be infinite",
    "What is exp(1500) · 0?",
    hide=lambda p, seen: p * seen,
)
_mistake(
    "takes a softmax over hidden keys too, hides their weights and divides again",
    "A hidden score of 1500 next to visible ones of 0: what is left of the visible ones?",
    weigh=lambda s, _: torch.softmax(s, -1),
    hide=lambda p, seen: p * seen / (p * seen).sum(-1, keepdim=True).masked_fill(~seen.any(-1, keepdim=True), 1.0),
)
_mistake(
    "takes a softmax over hidden keys too, hides their weights and divides again",
    "A hidden score of 1500 next to visible ones of 0: what is left of the visible ones?",
    weigh=lambda s, _: torch.softmax(s, -1),
    hide=lambda p, seen: p * seen / torch.where((p * seen).any(-1), (p * seen).sum(-1), 1.0)[..., None].to(p.dtype),
)
EMPTY_ASK = "What is −inf − (−inf)? What should a query that saw nothing hand back?"
_mistake("gives NaN where a query saw nothing", EMPTY_ASK, weigh=lambda s, lse: torch.exp(s - lse[..., None]))
_mistake(
    "gives the keys of a query that saw nothing a weight of 1",
    EMPTY_ASK,
    weigh=lambda s, lse: torch.exp(s - lse[..., None]).nan_to_num(nan=1.0),
)
_mistake(
    "does not subtract the log-sum-exp: the weights are not normalised",
    "exp(S) is not P yet. By what is it divided?",
    weigh=lambda s, _: torch.exp(s),
)
_mistake(
    "divides by lse instead of subtracting it under the exponential",
    "lse is a logarithm. Of what?",
    weigh=lambda s, lse: torch.exp(s) / lse[..., None],
)
_mistake(
    "exponentiates the scores and the log-sum-exp apart, which overflows",
    "What is exp(1500) / exp(1500)? Which form never leaves the range?",
    weigh=lambda s, lse: torch.exp(s) / torch.exp(lse)[..., None],
)
_mistake(
    "exponentiates the scores and the log-sum-exp apart, which overflows",
    "What is exp(1500) / exp(1500)? Which form never leaves the range?",
    weigh=lambda s, lse: torch.exp(s) / torch.where(lse == -math.inf, 1.0, torch.exp(lse))[..., None].to(s.dtype),
)
_mistake(
    "takes powers of two where lse is a natural logarithm",
    "Which exponential undoes ln?",
    weigh=lambda s, lse: torch.exp2(s - torch.where(lse == -math.inf, math.inf, lse)[..., None].to(s.dtype)),
)
_mistake(
    "swaps the gradients of q and k", "Which of dS K and dSᵀ Q has a row per query?", ends=lambda g: (g[1], g[0], g[2])
)
_mistake(
    "returns the gradients in the order v, k, q", "In which order does the task ask for them?", ends=lambda g: g[::-1]
)
_mistake("has the wrong sign", "Is a gradient or a step against it asked for?", ends=lambda g: tuple(-x for x in g))
_mistake(
    "takes dS instead of P for the gradient of v",
    "out = P V: what is the derivative with respect to V?",
    of_v=lambda _p, ds: ds,
)
_mistake("returns two gradients", "How many inputs have a gradient?", ends=lambda g: g[:2])


@task.misconception(
    "lets autograd differentiate instead of writing down the formulas",
    ask="Three steps lead from q, k, v to out. What is the derivative of each?",
)
def _(q: Array, k: Array, v: Array, _out: Array, _lse: Array, grad_out: Array, causal: bool = False) -> Three:
    with torch.enable_grad():
        leaves = [x.detach().requires_grad_() for x in (q, k, v)]
        out = flash.tiled_attention(leaves[0], leaves[1], leaves[2], k.shape[-2], causal)[0]
        of_q, of_k, of_v = torch.autograd.grad(out, leaves, grad_out)
    return of_q, of_k, of_v
