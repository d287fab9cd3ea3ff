"""What the operators of ops.py compute on which device, and the shapes of their results where nothing is computed.

`variant` is (key_lengths, cu_seqlens_q, cu_seqlens_k): each a tensor or None.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from attn_core.flash import cpu
from attn_core.flash.checks import check_metadata, check_results, check_values, function_name


def forward_shapes(q: Tensor, k: Tensor, v: Tensor, _causal: bool, scale: float | None, *variant: Tensor | None) -> Any:
    """Out and lse without their numbers; refuses whatever does not fit."""
    check_metadata(q, k, v, scale, *variant)
    wide = torch.promote_types(q.dtype, torch.float32)
    heads_first = q.shape[:2] if variant[1] is None else (q.shape[1],)  # (B, H_q), or (H_q,) of packed tokens
    rows = q.shape[2] if variant[1] is None else q.shape[0]
    return q.new_empty(*q.shape[:-1], v.shape[-1]), q.new_empty(*heads_first, rows, dtype=wide)


def forward_cpu(q: Tensor, k: Tensor, v: Tensor, causal: bool, scale: float | None, *variant: Tensor | None) -> Any:
    """Out and lse by the tiles of cpu.py."""
    out, lse = forward_shapes(q, k, v, causal, scale, *variant)
    check_values(q, k, *variant)
    for queries, keys in _problems((q, out, _token_first(lse, variant)), (k, v), *variant):
        q_part, out_part, lse_part = queries
        k_part, v_part = keys
        cpu.forward(q_part, k_part, v_part, out_part, lse_part, causal, _factor(q, scale))
    return out, lse


def forward_cuda(q: Tensor, k: Tensor, v: Tensor, causal: bool, scale: float | None, *variant: Tensor | None) -> Any:
    """Out and lse by a CUDA kernel, or an error that says why there is none."""
    out, lse = forward_shapes(q, k, v, causal, scale, *variant)
    check_values(q, k, *variant)
    if v.shape[-1] != q.shape[-1]:
        sizes = f"v has d_v={v.shape[-1]} in shape {tuple(v.shape)}, but q has d_k={q.shape[-1]}"
        reason = "the CUDA kernels need them equal, and only the CPU does not"
        raise ValueError(f"{function_name(variant[1] is not None)}: {sizes}; {reason}.")
    from attn_core.flash.cuda import launch  # here, so that a machine without CUDA never loads it

    missing = launch.why_unavailable(q.device)
    if missing:
        raise RuntimeError(missing)
    if q.numel() == 0 or k.numel() == 0:
        return out.zero_(), lse.fill_(-math.inf)  # there is nothing to launch
    lengths, starts_q, starts_k = (None if x is None else x.contiguous() for x in variant)
    return launch.forward(
        q,
        k,
        v,
        causal=causal,
        scale=_factor(q, scale),
        key_lengths=lengths,
        cu_seqlens_q=starts_q,
        cu_seqlens_k=starts_k,
    )


def backward_shapes(q: Tensor, k: Tensor, v: Tensor, *rest: Any) -> Any:
    """The gradients of q, k and v as zeros; refuses whatever does not fit."""
    *results, _causal, scale, key_lengths, cu_seqlens_q, cu_seqlens_k = rest
    check_metadata(q, k, v, scale, key_lengths, cu_seqlens_q, cu_seqlens_k)
    check_results(q, v, cu_seqlens_q is not None, *results)
    return tuple(x.new_zeros(x.shape) for x in (q, k, v))


def backward_tiles(q: Tensor, k: Tensor, v: Tensor, *rest: Any) -> Any:
    """The gradients by the tiles of cpu.py, on the device of the tensors."""
    gradients = backward_shapes(q, k, v, *rest)  # zeros: keys behind a length keep them
    out, lse, grad_out, grad_lse, causal, scale, *variant = rest
    check_values(q, k, *variant)
    per_query = (q, out, _token_first(lse, variant), grad_out, _token_first(grad_lse, variant), gradients[0])
    for queries, keys in _problems(per_query, (k, v, *gradients[1:]), *variant):
        q_part, out_part, lse_part, grad_out_part, grad_lse_part, grad_q = queries
        k_part, v_part, grad_k, grad_v = keys
        results, cotangents = (out_part, lse_part), (grad_out_part, grad_lse_part)
        cpu.backward((q_part, k_part, v_part), results, cotangents, (grad_q, grad_k, grad_v), causal, _factor(q, scale))
    return gradients


def _factor(q: Tensor, scale: float | None) -> float:
    return 1 / math.sqrt(q.shape[-1]) if scale is None else scale


def _token_first(lse: Tensor, variant: Sequence[Tensor | None]) -> Tensor:
    """The log-sum-exp with its axes in the order of q's: packed tokens come before heads."""
    return lse if variant[1] is None else lse.mT


def _problems(
    per_query: tuple[Tensor, ...],
    per_key: tuple[Tensor, ...],
    key_lengths: Tensor | None,
    cu_seqlens_q: Tensor | None,
    cu_seqlens_k: Tensor | None,
) -> Iterator[tuple[list[Tensor], list[Tensor]]]:
    """What can be computed apart, as views: (heads, group, n, ...) of what queries have, (heads, m, ...) of the keys'."""
    kv_heads = per_key[0].shape[1]
    if cu_seqlens_q is not None and cu_seqlens_k is not None:
        for rows, columns in zip(pairwise(cu_seqlens_q.tolist()), pairwise(cu_seqlens_k.tolist()), strict=True):
            queries = [cpu.group_heads(x[slice(*rows)].transpose(0, 1), kv_heads) for x in per_query]
            yield queries, [x[slice(*columns)].transpose(0, 1) for x in per_key]
    elif key_lengths is not None:
        for sequence, length in enumerate(key_lengths.tolist()):
            queries = [cpu.group_heads(x[sequence], kv_heads) for x in per_query]
            yield queries, [x[sequence, :, :length] for x in per_key]
    else:
        heads = per_key[0].shape[0] * kv_heads
        yield [cpu.group_heads(x.flatten(0, 1), heads) for x in per_query], [x.flatten(0, 1) for x in per_key]
