"""Answers to flash.online_update that differ in what they do about −inf: stand-ins for it, and guards for rows without a score."""
# ruff: noqa: E741 - the papers' letter

import numpy as np
from answers import right, wrong


def given(m, l, block):
    """All in the block's dtype, with the right maximum."""
    m, l = m.astype(block.dtype), l.astype(block.dtype)
    return m, l, np.maximum(m, block.max(-1))


@right
def lowest_number_as_shift(m, l, block):
    """No finite score is lower."""
    m, l, m_new = given(m, l, block)
    shift = np.maximum(m_new, np.finfo(block.dtype).min)
    rescale = np.exp(m - shift)
    return m_new, l * rescale + np.exp(block - shift[..., None]).sum(-1), rescale


@right
def rows_that_have_seen_something(m, l, block):
    m, total, m_new = given(m, l, block)
    rescale, l_new, seen = np.ones_like(m_new), np.array(total), np.isfinite(m_new)
    rescale[seen] = np.exp(m[seen] - m_new[seen])
    l_new[seen] = l_new[seen] * rescale[seen] + np.exp(block[seen] - m_new[seen][:, None]).sum(-1)
    return m_new, l_new, rescale


@right
def powers_of_two(m, l, block):
    m, l, m_new = given(m, l, block)
    shift, log2_e = np.where(np.isfinite(m_new), m_new, 0).astype(block.dtype), block.dtype.type(np.log2(np.e))
    rescale = np.exp2((m - shift) * log2_e)
    return m_new, rescale * l + np.exp2((block - shift[..., None]) * log2_e).sum(-1), rescale


LOW = "lets a number such as −1e9 stand for −inf, which fails where all scores are lower"


@wrong(LOW)
def shift_of_minus_1e30_at_least(m, l, block):
    m, l, m_new = given(m, l, block)
    shift = np.maximum(m_new, block.dtype.type(-1e30))
    rescale = np.exp(m - shift)
    return m_new, rescale * l + np.exp(block - shift[..., None]).sum(-1), rescale


@wrong(LOW)
def first_maximum_of_minus_1e30(m, l, block):
    m, l, _ = given(m, l, block)
    m = np.where(np.isneginf(m), -1e30, m).astype(block.dtype)
    m_new = np.maximum(m, block.max(-1))
    rescale = np.exp(m - m_new)
    l_new = rescale * l + np.exp(block - m_new[..., None]).sum(-1)
    return np.where(m_new == block.dtype.type(-1e30), -np.inf, m_new).astype(block.dtype), l_new, rescale


@wrong(LOW)
def scores_of_minus_1e30_put_back(m, l, block):
    m, l, _ = given(m, l, block)
    m, b = (np.where(np.isneginf(x), -1e30, x).astype(block.dtype) for x in (m, block))
    m_new = np.maximum(m, b.max(-1))
    rescale = np.exp(m - m_new)
    l_new = rescale * l + (np.exp(b - m_new[..., None]) * ~np.isneginf(block)).sum(-1)
    empty = m_new <= block.dtype.type(-1e30)
    return np.where(empty, -np.inf, m_new).astype(l.dtype), np.where(empty, 0, l_new).astype(l.dtype), rescale


@wrong("goes wrong in a row that has seen no finite score yet")
def guarded_only_if_no_row_has_seen_anything(m, l, block):
    m, l, m_new = given(m, l, block)
    if np.isneginf(m_new).all():
        return m_new, l, np.ones_like(m_new)
    rescale = np.exp(m - m_new)
    return m_new, rescale * l + np.exp(block - m_new[..., None]).sum(-1), rescale


@wrong("goes wrong in a row that has seen no finite score yet")
def guarded_only_if_all_rows_are_at_their_first_block(m, l, block):
    m, l, m_new = given(m, l, block)
    if np.isinf(m).all():
        shift = np.where(np.isneginf(m_new), 0, m_new)
        return m_new, np.exp(block - shift[..., None]).sum(-1).astype(block.dtype), np.zeros_like(m_new)
    rescale = np.exp(m - m_new)
    return m_new, rescale * l + np.exp(block - m_new[..., None]).sum(-1), rescale


@wrong("goes wrong in a row that has seen no finite score yet")
def nan_to_num_of_the_sum_alone(m, l, block):
    m, l, m_new = given(m, l, block)
    rescale = np.exp(m - m_new)
    return m_new, np.nan_to_num(rescale * l + np.exp(block - m_new[..., None]).sum(-1)), rescale


@wrong("takes every row to be at its first block as soon as one is")
def starts_again_for_all_rows(m, l, block):
    m, l, m_new = given(m, l, block)
    shift = np.where(np.isneginf(m_new), 0, m_new).astype(block.dtype)
    rescale = np.zeros_like(m) if np.isneginf(m).any() else np.exp(m - shift)
    return m_new, rescale * l + np.exp(block - shift[..., None]).sum(-1), rescale


@wrong("sums over the whole array")
def one_sum_for_all(m, l, block):
    m, l, m_new = given(m, l, block)
    shift = np.where(np.isneginf(m_new), 0, m_new).astype(block.dtype)
    return m_new, np.exp(m - shift) * l + np.exp(block - shift[..., None]).sum(), np.exp(m - shift)
