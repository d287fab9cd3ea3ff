"""One step of the online softmax with exchangeable parts: the mistakes of flash.online_update are made of it."""

# ruff: noqa: E741 - l is the papers' letter

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from autograder.tasks.mistakes import Array

Three = tuple[Array, Array, Array]


def step(
    m: Array,
    l: Array,
    block: Array,
    peak: Callable[[Array, Array], Array] = lambda m, block: np.maximum(m, block.max(-1)),
    factor: Callable[[Array, Array], Array] = lambda m, shift: np.exp(m - shift),
    old: Callable[[Array, Array], Array] = lambda l, rescale: rescale * l,
    new: Callable[[Array, Array, Array], Array] = lambda block, shift, _m: np.exp(block - shift[..., None]).sum(-1),
) -> Three:
    """Right, but for what is named."""
    m, l = m.astype(block.dtype), l.astype(block.dtype)
    m_new = peak(m, block)
    shift = np.where(np.isneginf(m_new), 0, m_new).astype(block.dtype)
    rescale = factor(m, shift)
    return m_new, (old(l, rescale) + new(block, shift, m)).astype(block.dtype), rescale.astype(block.dtype)


def largest_in_size(m: Array, block: Array) -> Array:
    """The number farthest from 0 in place of the maximum."""
    size: Array = np.where(np.isneginf(block), block, np.abs(block))
    return np.maximum(m, size.max(-1))


def lifted_shift(m: Array, l: Array, block: Array, low: float) -> Three:
    """The maximum is right; what is subtracted is `low` where that is larger."""
    m, l = m.astype(block.dtype), l.astype(block.dtype)
    m_new = np.maximum(m, block.max(-1))
    shift = np.maximum(m_new, block.dtype.type(low))
    rescale = np.exp(m - shift)
    return m_new, rescale * l + np.exp(block - shift[..., None]).sum(-1), rescale


def stand_in(m: Array, l: Array, block: Array, low: float, of_block: bool) -> Three:
    """`low` instead of a maximum of −inf, and if asked for also instead of a score of −inf; put back at the end."""
    number = block.dtype.type(low)
    m, l = m.astype(block.dtype), l.astype(block.dtype)
    first, scores = np.where(np.isneginf(m), number, m), np.where(np.isneginf(block) & of_block, number, block)
    m_new = np.maximum(first, scores.max(-1))
    rescale = np.exp(first - m_new)
    terms = np.where(np.isneginf(block), 0, np.exp(scores - m_new[..., None]))
    empty = m_new <= number if of_block else m_new == number
    l_new = rescale * l + terms.sum(-1)
    return np.where(empty, -np.inf, m_new).astype(m.dtype), np.where(empty, 0, l_new).astype(m.dtype), rescale
