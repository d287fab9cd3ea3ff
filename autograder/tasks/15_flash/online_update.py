"""flash.online_update: One step of the online softmax: the running maximum, the running sum, and the factor in between."""

# ruff: noqa: E741 - l is the papers' letter

from __future__ import annotations

import numpy as np

from attn_core import flash
from autograder.checking.draw import Draw
from autograder.checking.task import Task
from autograder.tasks.flash_updating import Three, largest_in_size, lifted_shift, stand_in, step
from autograder.tasks.mistakes import Array


def online_update(m: Array, l: Array, block: Array) -> Three:
    """The reference, which wants one dtype for all, on running values of any dtype: results have the block's."""
    return flash.online_update(np.asarray(m, block.dtype), np.asarray(l, block.dtype), block)


task = Task(
    "flash.online_update",
    reference=online_update,
    kind="np",
    unit=1.0,  # a factor of 1e-70 may as well be 0
    lecture="15_flash#the-online-softmax",
    hints=(
        "l is a sum of exponentials, each taken relative to m. What must happen to that sum when the maximum it refers to moves?",
        "exp(s − m_new) = exp(s − m) · exp(m − m_new): one factor per row moves everything that was summed so far. "
        "And what is m − m_new while no finite score has come?",
        "m_new = np.maximum(m, block.max(-1)); shift = np.where(np.isneginf(m_new), 0, m_new); rescale = np.exp(m − shift); "
        "l_new = rescale · l + np.exp(block − shift[..., None]).sum(-1); all in the block's dtype.",
    ),
)


def _running(draw: Draw) -> tuple[Array, Array]:
    """A maximum and a sum as some earlier blocks left them: the sum is 1 at least."""
    m = np.asarray(draw.array(...))
    return m, np.asarray(draw.give(1 + 3 * draw.rng.random(m.shape), rounded=False))


def _shifted(x: Array, by: Array) -> Array:
    """x with a number added, in the dtype of x."""
    return np.asarray(x + by, x.dtype)


@task.inputs
def _(draw: Draw) -> Three:
    m, l = _running(draw)
    return m, l, draw.array(..., "b", mean=draw.choice([-1.0, 0.0, 1.5]), scale=1.5)


@task.special("the first block: m = −inf, l = 0", share=0.5)
def _(draw: Draw) -> Three:
    m, l = _running(draw)
    return np.full_like(m, -np.inf), np.zeros_like(l), draw.array(..., "b", scale=1.5)


@task.special("a block that is all −inf after finite scores", share=0.3)
def _(draw: Draw) -> Three:
    m, l = _running(draw)
    return m, l, np.full_like(draw.array(..., "b"), -np.inf)


@task.special("a block with some −inf", share=0.3)
def _(draw: Draw) -> Three:
    """The maximum is somewhere in the block, or in what came before."""
    draw.size("b", 2, 6)
    m, l = _running(draw)
    block = draw.array(..., "b", scale=1.5)
    block[~draw.mask(..., "b", keep=0.5)] = -np.inf
    return m, l, block


@task.special("the first block, with some −inf", share=0.3)
def _(draw: Draw) -> Three:
    draw.size("b", 2, 6)
    m, l = _running(draw)
    block = draw.array(..., "b", scale=1.5)
    block[~draw.mask(..., "b", keep=0.5)] = -np.inf
    return np.full_like(m, -np.inf), np.zeros_like(l), block


@task.special("scores far above 0", share=0.5)
def _(draw: Draw) -> Three:
    m, l = _running(draw)
    far = draw.choice([200.0, 1000.0])
    return _shifted(m, far), l, _shifted(draw.array(..., "b"), far)


@task.special("scores far below 0", share=0.3)
def _(draw: Draw) -> Three:
    """Whole numbers; in both dtypes their differences are exact."""
    m, l = _running(draw)
    low, unit = -(2.0**33), 1024.0 if draw.case.dtype == "float32" else 1.0
    block = low + unit * draw.rng.integers(-2, 3, draw.shape(..., "b"))
    if draw.flag():
        return np.full_like(m, -np.inf), np.zeros_like(l), draw.give(block, rounded=False)
    m = np.asarray(draw.give(np.asarray(low + unit * draw.rng.integers(-2, 3, m.shape)), rounded=False))
    return m, l, draw.give(block, rounded=False)


@task.special("scores below every number that could stand for −inf", share=0.3)
def _(draw: Draw) -> Three:
    """No two of a row are equal: the largest alone counts, which may be the running maximum."""
    m, l = _running(draw)
    places = np.broadcast_to(np.arange(draw.size("b") + 1), (*m.shape, draw.size("b") + 1))
    scores = draw.give(-(2.0**127) - 2.0**108 * draw.rng.permuted(places, axis=-1), rounded=False)
    if draw.flag():
        return np.full_like(m, -np.inf), np.zeros_like(l), scores[..., 1:]
    return np.asarray(scores[..., 0]), l, scores[..., 1:]


@task.special("rows at their first block next to others", share=0.3)
def _(draw: Draw) -> Three:
    m, l = _running(draw)
    first = draw.rng.random(m.shape) < 0.5
    m, l = np.where(first, -np.inf, m).astype(m.dtype), np.where(first, 0, l).astype(l.dtype)
    return m, l, draw.array(..., "b", scale=1.5)


@task.special("a block whose scores all lie far below the maximum so far", share=0.5)
def _(draw: Draw) -> Three:
    m, l = _running(draw)
    return _shifted(m, 1000), l, draw.array(..., "b")


@task.special("a block whose scores all lie far above the maximum so far", share=0.5)
def _(draw: Draw) -> Three:
    m, l = _running(draw)
    return _shifted(m, -1000), l, draw.array(..., "b")


@task.special("float32 blocks with running values in float64", share=0.15)
def _(draw: Draw) -> Three:
    """As np.full(n, -np.inf) and np.zeros(n) make them."""
    m, l = (np.asarray(x, np.float64) for x in _running(draw))
    first = draw.flag()
    block = np.asarray(draw.array(..., "b"), np.float32)
    return (np.full_like(m, -np.inf), np.zeros_like(l), block) if first else (m, l, block)


@task.property("an all −inf block before any finite score leaves m = −inf and l = 0, with a finite factor")
def _(call: Array, inputs: Three, _output: Array) -> str | None:
    m, l, block = inputs
    m_new, l_new, rescale = call(np.full_like(m, -np.inf), np.zeros_like(l), np.full_like(block, -np.inf))
    if not np.isneginf(m_new).all():
        return f"here m becomes {float(m_new.flat[0]):.4g}."
    if (l_new != 0).any():
        return f"here l becomes {float(l_new.flat[0]):.4g}."
    return None if np.isfinite(rescale).all() else f"here the factor is {float(rescale.flat[0]):.4g}."


@task.property("a row that has seen nothing yet and one that has do not disturb each other")
def _(call: Array, inputs: Three, output: Array) -> str | None:
    m, l, block = (np.stack([x, x]) for x in inputs)
    m[1], l[1], block[1] = -np.inf, 0, -np.inf
    with_it = call(m, l, block)
    if not all(np.allclose(a[0], b, rtol=1e-4, atol=1e-4) for a, b in zip(with_it, output, strict=True)):
        return "here the results of the second change."
    m_new, l_new, rescale = (x[1] for x in with_it)
    right = np.isneginf(m_new).all() and not l_new.any() and np.isfinite(rescale).all()
    return None if right else "here the first does not keep m = −inf and l = 0, with a finite factor."


EMPTY = "goes wrong in a row that has seen no finite score yet"
EMPTY_ASK = (
    "What is −inf − (−inf)? What must m_new, l_new and the factor be after a block in which nothing may be seen?"
)


@task.misconception(
    "does not rescale the sum when the maximum moves",
    ask="The old terms were divided by exp(m). By what are the new ones divided, and may the two be added?",
)
def _(m: Array, l: Array, block: Array) -> Three:
    return step(m, l, block, old=lambda l, _: l)


@task.misconception(
    "takes the maximum of the block alone",
    ask="An earlier block held a larger score: what becomes of exp(m − m_new) then, and can it overflow?",
)
def _(m: Array, l: Array, block: Array) -> Three:
    return step(m, l, block, peak=lambda _, block: block.max(-1))


@task.misconception(
    "shifts the block by the old maximum instead of the new one",
    ask="To which maximum does l_new refer? What happens in the first step, where m is −inf?",
)
def _(m: Array, l: Array, block: Array) -> Three:
    return step(m, l, block, new=lambda block, _, m: np.exp(block - m[..., None]).sum(-1))


@task.misconception(
    "shifts the block by its own maximum instead of the running one",
    ask="To which maximum does l_new refer, if an earlier block held the largest score?",
)
def _(m: Array, l: Array, block: Array) -> Three:
    def new(block: Array, _shift: Array, _m: Array) -> Array:
        own = block.max(-1)
        return np.exp(block - np.where(np.isneginf(own), 0, own)[..., None]).sum(-1)

    return step(m, l, block, new=new)


@task.misconception(
    "has the factor the wrong way round: exp(m_new − m)",
    ask="The maximum only grows. Must what was summed under the smaller one grow or shrink?",
)
def _(m: Array, l: Array, block: Array) -> Three:
    return step(m, l, block, factor=lambda m, shift: np.exp(shift - m))


@task.misconception(
    "returns the factor the wrong way round, though the sum is right",
    ask="By what must the caller multiply what it has accumulated under m?",
)
def _(m: Array, l: Array, block: Array) -> Three:
    m_new, l_new, rescale = online_update(m, l, block)
    return m_new, l_new, 1 / rescale


@task.misconception(
    "returns the difference m − m_new instead of its exponential", ask="By what are the old terms multiplied?"
)
def _(m: Array, l: Array, block: Array) -> Three:
    m_new, l_new, _ = online_update(m, l, block)
    return m_new, l_new, m.astype(block.dtype) - np.where(np.isneginf(m_new), 0, m_new).astype(block.dtype)


@task.misconception(
    "exponentiates without subtracting the maximum", ask="What is exp(1000) in float64, and what is inf · 0?"
)
def _(m: Array, l: Array, block: Array) -> Three:
    m_new, _, rescale = online_update(m, l, block)
    return m_new, (l + np.exp(block).sum(-1)).astype(block.dtype), rescale


@task.misconception(
    EMPTY,
    ask=EMPTY_ASK,
)
def _(m: Array, l: Array, block: Array) -> Three:
    m, l = m.astype(block.dtype), l.astype(block.dtype)
    m_new = np.maximum(m, block.max(-1))
    rescale = np.exp(m - m_new)
    return m_new, rescale * l + np.exp(block - m_new[..., None]).sum(-1), rescale


@task.misconception(EMPTY, ask=EMPTY_ASK)  # the factor alone
def _(m: Array, l: Array, block: Array) -> Three:
    m_new, l_new, _ = online_update(m, l, block)
    return m_new, l_new, np.exp(m.astype(block.dtype) - m_new)


@task.misconception(
    "rescales the new terms too",
    ask="The scores of this block were exponentiated relative to the new maximum. Must they move once more?",
)
def _(m: Array, l: Array, block: Array) -> Three:
    m_new, l_new, rescale = online_update(m, l, block)
    of_block = l_new - rescale * l.astype(block.dtype)
    return m_new, (rescale * (l + of_block)).astype(block.dtype), rescale


@task.misconception(
    "averages over the block instead of summing", ask="Is l the sum of all exponentials so far, or a mean per block?"
)
def _(m: Array, l: Array, block: Array) -> Three:
    return step(m, l, block, new=lambda block, shift, _: np.exp(block - shift[..., None]).mean(-1))


@task.misconception(
    "forgets what was summed before",
    ask="Which argument does l_new not depend on?",
)
def _(m: Array, l: Array, block: Array) -> Three:
    return step(m, l, block, old=lambda l, _: 0 * l)


@task.misconception(
    "normalises after each block: returns a logarithm or a share instead of the running sum",
    ask="When is the division due: after each block, or once, after the last?",
)
def _(m: Array, l: Array, block: Array) -> Three:
    m_new, l_new, rescale = online_update(m, l, block)
    return m_new, np.log(l_new), rescale


@task.misconception(
    "normalises the factor: exp(m − m_new) · l / l_new, which fits an accumulator that is divided after each block",
    ask="The task's factor is for a sum that has not been divided yet. Where does l stand in exp(m − m_new)?",
)
def _(m: Array, l: Array, block: Array) -> Three:
    m_new, l_new, rescale = online_update(m, l, block)
    return m_new, l_new, rescale * l.astype(block.dtype) / np.where(l_new == 0, 1, l_new)


@task.misconception(EMPTY, ask=EMPTY_ASK)
def _(m: Array, l: Array, block: Array) -> Three:
    return step(m, l, block, peak=lambda m, b: np.maximum(np.maximum(m, b.max(-1)), np.finfo(b.dtype).min))


LOW = "lets a number such as −1e9 stand for −inf, which fails where all scores are lower"
LOW_ASK = "Which scores lie below that number, and what is left of their exponentials relative to it?"

for _low in (-1e9, -1e30, -1e38):

    @task.misconception(LOW, ask=LOW_ASK)
    def _(m: Array, l: Array, block: Array, low: float = _low) -> Three:
        return lifted_shift(m, l, block, low)

    for _of_block in (False, True):

        @task.misconception(LOW, ask=LOW_ASK)
        def _(m: Array, l: Array, block: Array, low: float = _low, of_block: bool = _of_block) -> Three:
            return stand_in(m, l, block, low, of_block)


@task.misconception(
    "takes every row to be at its first block as soon as one is",
    ask="Which of your rows does .any() speak about? What must hold for each row by itself?",
)
def _(m: Array, l: Array, block: Array) -> Three:
    first = np.isneginf(m).any()
    return step(m, l, block, factor=lambda m, shift: np.zeros_like(m) if first else np.exp(m - shift))


@task.misconception("sums over the whole array", ask="Has each row its own sum?")
def _(m: Array, l: Array, block: Array) -> Three:
    return step(m, l, block, new=lambda block, shift, _: np.exp(block - shift[..., None]).sum())


for _low in (-1e9, -1e30, 0.0):

    @task.misconception(
        "lifts the maximum to a finite number such as −1e9 or 0",
        ask="Which scores lie below that number, and what is left of their exponentials? What is m_new before any finite score?",
    )
    def _(m: Array, l: Array, block: Array, low: float = _low) -> Three:
        return step(m, l, block, peak=lambda m, block: np.maximum(np.maximum(m, block.max(-1)), block.dtype.type(low)))


@task.misconception("treats −inf in a block as a score of 0", ask="What does exp give for −inf, and what for 0?")
def _(m: Array, l: Array, block: Array) -> Three:
    return online_update(m, l, np.where(np.isneginf(block), 0, block).astype(block.dtype))


@task.misconception("takes the maximum over the whole array", ask="Has each row its own maximum?")
def _(m: Array, l: Array, block: Array) -> Three:
    return step(m, l, block, peak=lambda m, b: np.full_like(m, max(float(np.max(m)), float(np.max(b)))))


@task.misconception("takes the absolutely largest score for the maximum", ask="Which score makes exp largest?")
def _(m: Array, l: Array, block: Array) -> Three:
    return step(m, l, block, peak=largest_in_size)


task.misconception("returns the factor as the second result", "In which order does the task ask for the results?")(
    lambda m, l, block: tuple(online_update(m, l, block)[i] for i in (0, 2, 1))
)
task.misconception("returns two results: the factor is missing", "What does the caller rescale its accumulator with?")(
    lambda m, l, block: online_update(m, l, block)[:2]
)


@task.misconception(
    "takes the factor to be 1 in the first step",
    ask="What is exp(−inf − m_new)? An accumulator that holds garbage before the first block must not survive.",
)
def _(m: Array, l: Array, block: Array) -> Three:
    m_new, l_new, rescale = online_update(m, l, block)
    return m_new, l_new, np.where(np.isneginf(m), 1, rescale).astype(block.dtype)


@task.misconception(
    "keeps the dtype of the running values instead of the block's",
    ask="np.zeros and np.full make float64 unless they are told otherwise. Which dtype do the scores have?",
)
def _(m: Array, l: Array, block: Array) -> Three:
    return tuple(x.astype(np.result_type(m, block)) for x in online_update(m, l, block))
