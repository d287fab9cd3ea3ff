"""Right and wrong answers to flash.online_update."""
# ruff: noqa: E741 - the papers' letter

import numpy as np
from answers import right, wrong

# --- right, in different styles


@right
def a_shift_of_zero(m, l, block):
    dtype = block.dtype
    m, l = np.asarray(m, dtype), np.asarray(l, dtype)
    m_new = np.maximum(m, block.max(-1))
    shift = np.where(np.isneginf(m_new), np.zeros_like(m_new), m_new)
    rescale = np.exp(m - shift)
    return m_new, rescale * l + np.exp(block - shift[..., None]).sum(-1), rescale


@right
def nan_to_num_afterwards(m, l, block):
    m_new = np.maximum(m, np.max(block, axis=-1)).astype(block.dtype)
    rescale = np.nan_to_num(np.exp(m - m_new), nan=1.0).astype(block.dtype)
    terms = np.nan_to_num(np.exp(block - np.expand_dims(m_new, -1)), nan=0.0)
    return m_new, (l * rescale + np.sum(terms, axis=-1)).astype(block.dtype), rescale


@right
def all_scores_at_once(m, l, block):
    both = np.concatenate([np.asarray(m, block.dtype)[..., None], block], axis=-1)
    m_new = both.max(-1)
    safe = np.where(m_new == -np.inf, 0, m_new)[..., None].astype(block.dtype)
    exp = np.exp(both - safe)
    return m_new, (exp[..., 0] * l + exp[..., 1:].sum(-1)).astype(block.dtype), exp[..., 0]


@right
def one_score_after_the_other(m, l, block):
    m_now, l_now = np.array(m, block.dtype), np.array(l, block.dtype)
    start = m_now
    for j in range(block.shape[-1]):
        s = block[..., j]
        m_next = np.maximum(m_now, s)
        ref = np.where(np.isfinite(m_next), m_next, 0).astype(block.dtype)
        l_now = l_now * np.exp(m_now - ref) + np.exp(s - ref)
        m_now = m_next
    ref = np.where(np.isfinite(m_now), m_now, 0).astype(block.dtype)
    return m_now, l_now, np.exp(start - ref)


@right
def two_partial_softmaxes_merged(m, l, block):
    own = np.maximum.reduce(block, axis=-1)
    of_block = np.exp(block - np.where(np.isinf(own), 0, own).astype(block.dtype)[..., None]).sum(-1)
    m = np.asarray(m, block.dtype)
    m_new = np.where(own > m, own, m)
    ref = np.where(np.isinf(m_new), 0, m_new).astype(block.dtype)
    rescale = np.exp(m - ref)
    return m_new, (rescale * np.asarray(l, block.dtype) + np.exp(own - ref) * of_block).astype(block.dtype), rescale


@right
def loop_over_rows(m, l, block):
    rows = block.reshape(-1, block.shape[-1])
    m_new, l_new, rescale = (np.empty(len(rows), block.dtype) for _ in range(3))
    for i, (top, total, row) in enumerate(zip(np.ravel(m), np.ravel(l), rows, strict=True)):
        top, total = block.dtype.type(top), block.dtype.type(total)
        m_new[i] = max(top, row.max())
        if np.isneginf(m_new[i]):
            l_new[i], rescale[i] = total, 1
            continue
        rescale[i] = np.exp(top - m_new[i])
        l_new[i] = total * rescale[i] + np.exp(row - m_new[i]).sum()
    return tuple(x.reshape(block.shape[:-1]) for x in (m_new, l_new, rescale))


@right
def in_place_on_its_own_buffers(m, l, block):
    m_new = block.max(-1, keepdims=True)
    np.maximum(m_new, np.asarray(m, block.dtype)[..., None], out=m_new)
    safe = m_new.copy()
    safe[np.isneginf(safe)] = 0
    terms = block - safe
    np.exp(terms, out=terms)
    rescale = np.asarray(m, block.dtype)[..., None] - safe
    np.exp(rescale, out=rescale)
    total = np.asarray(l, block.dtype)[..., None] * rescale
    total += terms.sum(-1, keepdims=True)
    return m_new[..., 0], total[..., 0], rescale[..., 0]


@right
def exp_where(m, l, block):
    m = np.asarray(m).astype(block.dtype)
    m_new = np.fmax(m, block.max(axis=-1))
    seen = np.isfinite(m_new)
    rescale = np.exp(np.subtract(m, m_new, out=np.zeros_like(m), where=seen))
    gaps = np.subtract(block, m_new[..., None], out=np.full_like(block, -np.inf), where=seen[..., None])
    return m_new, np.asarray(l).astype(block.dtype) * rescale + np.exp(gaps).sum(-1), rescale


@right
def an_lse_of_float64_rounded_at_the_end(m, l, block):
    m, l, wide = np.asarray(m, np.float64), np.asarray(l, np.float64), block.astype(np.float64)
    m_new = np.maximum(m, wide.max(-1))
    ref = np.maximum(m_new, np.finfo(np.float64).min)
    rescale = np.exp(m - ref)
    l_new = l * rescale + np.einsum("...b->...", np.exp(wide - ref[..., None]))
    return tuple(np.asarray(x).astype(block.dtype) for x in (m_new, l_new, rescale))


# --- wrong, the way learners write it


@wrong("does not rescale the sum when the maximum moves")
def adds_up(m, l, block):
    m_new = np.maximum(m, block.max(-1)).astype(block.dtype)
    ref = np.where(np.isneginf(m_new), 0, m_new).astype(block.dtype)
    return m_new, (l + np.exp(block - ref[..., None]).sum(-1)).astype(block.dtype), np.exp(m - ref).astype(block.dtype)


@wrong("takes the maximum of the block alone")
def maximum_of_the_block(m, l, block):
    m_new = block.max(-1)
    ref = np.where(np.isneginf(m_new), 0, m_new).astype(block.dtype)
    rescale = np.exp(np.asarray(m, block.dtype) - ref)
    return m_new, rescale * np.asarray(l, block.dtype) + np.exp(block - ref[..., None]).sum(-1), rescale


@wrong("shifts the block by the old maximum instead of the new one")
def old_maximum(m, l, block):
    m, l = np.asarray(m, block.dtype), np.asarray(l, block.dtype)
    m_new = np.maximum(m, block.max(-1))
    ref = np.where(np.isneginf(m_new), 0, m_new).astype(block.dtype)
    rescale = np.exp(m - ref)
    return m_new, rescale * l + np.exp(block - m[..., None]).sum(-1), rescale


@wrong("shifts the block by its own maximum instead of the running one")
def own_maximum(m, l, block):
    m, l = np.asarray(m, block.dtype), np.asarray(l, block.dtype)
    top = block.max(-1)
    m_new = np.maximum(m, top)
    ref = np.where(np.isneginf(m_new), 0, m_new).astype(block.dtype)
    rescale = np.exp(m - ref)
    p = np.exp(block - np.where(np.isneginf(top), 0, top).astype(block.dtype)[..., None])
    return m_new, rescale * l + p.sum(-1), rescale


@wrong("has the factor the wrong way round: exp(m_new − m)")
def grows(m, l, block):
    m, l = np.asarray(m, block.dtype), np.asarray(l, block.dtype)
    m_new = np.maximum(m, block.max(-1))
    ref = np.where(np.isneginf(m_new), 0, m_new).astype(block.dtype)
    rescale = np.exp(ref - m)
    return m_new, rescale * l + np.exp(block - ref[..., None]).sum(-1), rescale


@wrong("returns the factor the wrong way round, though the sum is right")
def divides_later(m, l, block):
    m, l = np.asarray(m, block.dtype), np.asarray(l, block.dtype)
    m_new = np.maximum(m, block.max(-1))
    ref = np.where(np.isneginf(m_new), 0, m_new).astype(block.dtype)
    return m_new, np.exp(m - ref) * l + np.exp(block - ref[..., None]).sum(-1), np.exp(ref - m)


@wrong("exponentiates without subtracting the maximum")
def plain_exponentials(m, l, block):
    m, l = np.asarray(m, block.dtype), np.asarray(l, block.dtype)
    m_new = np.maximum(m, block.max(-1))
    return m_new, l + np.exp(block).sum(-1), np.exp(m - np.where(np.isneginf(m_new), 0, m_new).astype(block.dtype))


@wrong("goes wrong in a row that has seen no finite score yet")
def the_formula_as_it_stands(m, l, block):
    m, l = np.asarray(m, block.dtype), np.asarray(l, block.dtype)
    m_new = np.maximum(m, block.max(-1))
    rescale = np.exp(m - m_new)
    return m_new, rescale * l + np.exp(block - m_new[..., None]).sum(-1), rescale


@wrong("goes wrong in a row that has seen no finite score yet")
def factor_of_nan(m, l, block):
    m, l = np.asarray(m, block.dtype), np.asarray(l, block.dtype)
    m_new = np.maximum(m, block.max(-1))
    ref = np.where(np.isneginf(m_new), 0, m_new).astype(block.dtype)
    return m_new, np.exp(m - ref) * l + np.exp(block - ref[..., None]).sum(-1), np.exp(m - m_new)


@wrong("goes wrong in a row that has seen no finite score yet")
def lowest_number_of_the_dtype(m, l, block):
    m, l = np.asarray(m, block.dtype), np.asarray(l, block.dtype)
    m_new = np.maximum(np.maximum(m, np.finfo(block.dtype).min), block.max(-1))
    rescale = np.exp(m - m_new)
    return m_new, rescale * l + np.exp(block - m_new[..., None]).sum(-1), rescale


@wrong("lifts the maximum to a finite number such as −1e9 or 0")
def never_below_minus_1e9(m, l, block):
    m, l = np.asarray(m, block.dtype), np.asarray(l, block.dtype)
    m_new = np.maximum(np.maximum(m, block.max(-1)), block.dtype.type(-1e9))
    rescale = np.exp(m - m_new)
    return m_new, rescale * l + np.exp(block - m_new[..., None]).sum(-1), rescale


@wrong("lifts the maximum to a finite number such as −1e9 or 0")
def starts_at_zero(m, l, block):
    m, l = np.asarray(m, block.dtype), np.asarray(l, block.dtype)
    m_new = np.maximum(m, block.max(-1, initial=0))
    rescale = np.exp(m - m_new)
    return m_new, rescale * l + np.exp(block - m_new[..., None]).sum(-1), rescale


@wrong("rescales the new terms too")
def everything_moves(m, l, block):
    m, l = np.asarray(m, block.dtype), np.asarray(l, block.dtype)
    m_new = np.maximum(m, block.max(-1))
    ref = np.where(np.isneginf(m_new), 0, m_new).astype(block.dtype)
    rescale = np.exp(m - ref)
    return m_new, rescale * (l + np.exp(block - ref[..., None]).sum(-1)), rescale


@wrong("forgets what was summed before")
def this_block_only(m, l, block):
    m = np.asarray(m, block.dtype)
    m_new = np.maximum(m, block.max(-1))
    ref = np.where(np.isneginf(m_new), 0, m_new).astype(block.dtype)
    return m_new, np.exp(block - ref[..., None]).sum(-1), np.exp(m - ref)


@wrong("averages over the block instead of summing")
def mean(m, l, block):
    m, l = np.asarray(m, block.dtype), np.asarray(l, block.dtype)
    m_new = np.maximum(m, block.max(-1))
    ref = np.where(np.isneginf(m_new), 0, m_new).astype(block.dtype)
    return m_new, np.exp(m - ref) * l + np.exp(block - ref[..., None]).mean(-1), np.exp(m - ref)


@wrong("returns the difference m − m_new instead of its exponential")
def no_exponential(m, l, block):
    m, l = np.asarray(m, block.dtype), np.asarray(l, block.dtype)
    m_new = np.maximum(m, block.max(-1))
    ref = np.where(np.isneginf(m_new), 0, m_new).astype(block.dtype)
    return m_new, np.exp(m - ref) * l + np.exp(block - ref[..., None]).sum(-1), m - ref


@wrong("normalises the factor: exp(m − m_new) · l / l_new, which fits an accumulator that is divided after each block")
def first_version_of_the_paper(m, l, block):
    m, l = np.asarray(m, block.dtype), np.asarray(l, block.dtype)
    m_new = np.maximum(m, block.max(-1))
    ref = np.where(np.isneginf(m_new), 0, m_new).astype(block.dtype)
    l_new = np.exp(m - ref) * l + np.exp(block - ref[..., None]).sum(-1)
    return m_new, l_new, np.exp(m - ref) * l / np.where(l_new > 0, l_new, 1)


@wrong("normalises after each block: returns a logarithm or a share instead of the running sum")
def a_log_sum(m, l, block):
    m, l = np.asarray(m, block.dtype), np.asarray(l, block.dtype)
    m_new = np.maximum(m, block.max(-1))
    ref = np.where(np.isneginf(m_new), 0, m_new).astype(block.dtype)
    return m_new, np.log(np.exp(m - ref) * l + np.exp(block - ref[..., None]).sum(-1)), np.exp(m - ref)


@wrong("takes the maximum over the whole array")
def one_maximum_for_all(m, l, block):
    m, l = np.asarray(m, block.dtype), np.asarray(l, block.dtype)
    m_new = np.full_like(m, max(m.max(), block.max()))
    ref = np.where(np.isneginf(m_new), 0, m_new).astype(block.dtype)
    return m_new, np.exp(m - ref) * l + np.exp(block - ref[..., None]).sum(-1), np.exp(m - ref)


@wrong("takes the absolutely largest score for the maximum")
def largest_in_size(m, l, block):
    m, l = np.asarray(m, block.dtype), np.asarray(l, block.dtype)
    m_new = np.maximum(m, np.where(np.isinf(block), block, np.abs(block)).max(-1))
    ref = np.where(np.isneginf(m_new), 0, m_new).astype(block.dtype)
    return m_new, np.exp(m - ref) * l + np.exp(block - ref[..., None]).sum(-1), np.exp(m - ref)


@wrong("takes the factor to be 1 in the first step")
def nothing_to_rescale_yet(m, l, block):
    m, l = np.asarray(m, block.dtype), np.asarray(l, block.dtype)
    m_new = np.maximum(m, block.max(-1))
    ref = np.where(np.isneginf(m_new), 0, m_new).astype(block.dtype)
    rescale = np.where(np.isneginf(m), 1, np.exp(m - ref)).astype(block.dtype)
    return m_new, rescale * l + np.exp(block - ref[..., None]).sum(-1), rescale


@wrong("keeps the dtype of the running values instead of the block's")
def whatever_numpy_makes_of_it(m, l, block):
    m_new = np.maximum(m, block.max(-1))
    ref = np.where(np.isneginf(m_new), m_new.dtype.type(0), m_new)
    rescale = np.exp(m - ref)
    return m_new, rescale * l + np.exp(block - ref[..., None]).sum(-1), rescale


@wrong("does not keep the dtype of its inputs")
def always_double(m, l, block):
    m, l, block = (np.asarray(x, np.float64) for x in (m, l, block))
    m_new = np.maximum(m, block.max(-1))
    ref = np.where(np.isneginf(m_new), 0, m_new)
    rescale = np.exp(m - ref)
    return m_new, rescale * l + np.exp(block - ref[..., None]).sum(-1), rescale


@wrong("loses precision: its float64 results are only as good as float32")
def single_inside(m, l, block):
    dtype = block.dtype
    m, l, block = (np.asarray(x, np.float32) for x in (m, l, block))
    m_new = np.maximum(m, block.max(-1))
    ref = np.where(np.isneginf(m_new), np.float32(0), m_new)
    rescale = np.exp(m - ref)
    l_new = rescale * l + np.exp(block - ref[..., None]).sum(-1)
    return m_new.astype(dtype), l_new.astype(dtype), rescale.astype(dtype)


@wrong("changes its input m in place")
def updates_the_callers_maximum(m, l, block):
    old = np.array(m, block.dtype)
    np.maximum(m, block.max(-1), out=m)
    ref = np.where(np.isneginf(m), 0, m).astype(block.dtype)
    rescale = np.exp(old - ref)
    return m.astype(block.dtype), rescale * np.asarray(l, block.dtype) + np.exp(block - ref[..., None]).sum(-1), rescale


@wrong("returns two results: the factor is missing")
def two_of_three(m, l, block):
    m, l = np.asarray(m, block.dtype), np.asarray(l, block.dtype)
    m_new = np.maximum(m, block.max(-1))
    ref = np.where(np.isneginf(m_new), 0, m_new).astype(block.dtype)
    return m_new, np.exp(m - ref) * l + np.exp(block - ref[..., None]).sum(-1)


@wrong("returns the factor as the second result")
def another_order(m, l, block):
    m, l = np.asarray(m, block.dtype), np.asarray(l, block.dtype)
    m_new = np.maximum(m, block.max(-1))
    ref = np.where(np.isneginf(m_new), 0, m_new).astype(block.dtype)
    rescale = np.exp(m - ref)
    return m_new, rescale, rescale * l + np.exp(block - ref[..., None]).sum(-1)


@wrong("treats −inf in a block as a score of 0")
def nan_to_num_of_the_scores(m, l, block):
    m, l = np.asarray(m, block.dtype), np.asarray(l, block.dtype)
    block = np.nan_to_num(block, neginf=0.0)
    m_new = np.maximum(m, block.max(-1))
    rescale = np.exp(m - m_new)
    return m_new, rescale * l + np.exp(block - m_new[..., None]).sum(-1), rescale


@wrong("is right on ordinary inputs, but not for: a block that is all −inf after finite scores")
def gives_up_on_an_empty_block(m, l, block):
    m, l = np.asarray(m, block.dtype), np.asarray(l, block.dtype)
    m_new = np.maximum(m, block.max(-1))
    empty = np.isneginf(block).all(-1)
    ref = np.where(np.isneginf(m_new), 0, m_new).astype(block.dtype)
    rescale = np.exp(m - ref)
    l_new = rescale * l + np.exp(block - ref[..., None]).sum(-1)
    return m_new, np.where(empty, 0, l_new).astype(block.dtype), rescale
