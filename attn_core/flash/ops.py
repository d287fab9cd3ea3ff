r"""Flash attention as an operator of torch: one schema, kernels for CPU and CUDA, shapes for tracing, gradients.

Formula
    out_i = Σ_j exp(s_ij − lse_i) v_j, lse_i = ln Σ_j exp(s_ij), s = scale · q kᵀ over the keys that query i may see;
    scale is 1/√d_k by default. With gradients g of out and h of lse: dS = P ⊙ (g vᵀ − Σ out ⊙ g + h), as in backward.py.
Shapes
    q, k, v         (B, H_q, n, d_k), (B, H_kv, m, d_k), (B, H_kv, m, d_v), where H_kv divides H_q
    out, lse        (B, H_q, n, d_v), (B, H_q, n)
    packed          (total_q, H_q, d_k), (total_k, H_kv, d_k), (total_k, H_kv, d_v) -> (total_q, H_q, d_v), (H_q, total_q)
    key_lengths     (B,), int32: keys at and after it do not exist, and causality is aligned to the last that does
    cu_seqlens      B + 1 numbers, int32: where sequences begin and end among the packed tokens
Cost
    as in tiled.py; for the backward pass out and lse are kept. Lengths and offsets are read by the host once per call.
Errors
    TypeError and ValueError with a sentence for whatever does not fit, RuntimeError where CUDA tensors come and the CUDA
    kernels cannot run; nothing falls back. float16, bfloat16, float32 and float64 on a CPU, half precision computed in
    float32; what the CUDA kernels take is in cuda/kernels.py. d_v ≠ d_k works on a CPU only. Gradients of a CUDA tensor
    are made by the tiles of cpu.py on its own device. No second derivatives. NaN gives NaN.
Source
    Dao et al. 2022, FlashAttention; Dao 2023, FlashAttention-2; alignment and empty rows as in attn_core.conventions
"""

from typing import Any

import torch
from torch import Tensor

from attn_core.flash import devices
from attn_core.flash.checks import check_kinds

_VARIANT = "bool causal, float? scale, Tensor? key_lengths, Tensor? cu_seqlens_q, Tensor? cu_seqlens_k"


def flash_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    causal: bool = False,
    scale: float | None = None,
    key_lengths: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Context and log-sum-exp of every query; out is 0 and lse is −∞ for a query that sees no key.

    >>> q, k = torch.zeros(1, 2, 1, 1), torch.zeros(1, 1, 3, 1)
    >>> out, lse = flash_attention(q, k, k + 5, key_lengths=torch.tensor([2], dtype=torch.int32))
    >>> out.ravel(), lse.exp().ravel()
    (tensor([5., 5.]), tensor([2., 2.]))
    """
    extra = {} if key_lengths is None else {"key_lengths": key_lengths}
    check_kinds("flash_attention", causal, scale, q=q, k=k, v=v, **extra)
    out, lse = torch.ops.attn_core.flash_attention(q, k, v, causal, scale, key_lengths, None, None)
    return out, lse


def flash_attention_packed(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    cu_seqlens_q: Tensor,
    cu_seqlens_k: Tensor,
    *,
    causal: bool = False,
    scale: float | None = None,
) -> tuple[Tensor, Tensor]:
    """The same for sequences of any lengths, one behind the other: each sees its own keys, and nothing is padded.

    >>> tokens, ends = torch.arange(3.0).reshape(3, 1, 1), torch.tensor([0, 2, 3], dtype=torch.int32)
    >>> out, lse = flash_attention_packed(tokens * 0, tokens * 0, tokens, ends, ends)
    >>> out.ravel(), lse.exp()
    (tensor([0.5000, 0.5000, 2.0000]), tensor([[2., 2., 1.]]))
    """
    check_kinds(
        "flash_attention_packed", causal, scale, q=q, k=k, v=v, cu_seqlens_q=cu_seqlens_q, cu_seqlens_k=cu_seqlens_k
    )
    out, lse = torch.ops.attn_core.flash_attention(q, k, v, causal, scale, None, cu_seqlens_q, cu_seqlens_k)
    return out, lse


def _save(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    q, k, v, ctx.causal, ctx.scale, *variant = inputs
    ctx.save_for_backward(q, k, v, *output, *variant)


def _differentiate(ctx: Any, grad_out: Tensor, grad_lse: Tensor) -> tuple[Tensor | None, ...]:
    q, k, v, out, lse, *variant = ctx.saved_tensors
    gradients = torch.ops.attn_core.flash_attention_backward(
        q, k, v, out, lse, grad_out, grad_lse, ctx.causal, ctx.scale, *variant
    )
    return *gradients, None, None, None, None, None


def _refuse_second_derivatives(ctx: Any, *gradients: Tensor) -> Any:
    raise NotImplementedError(
        "flash_attention: second derivatives were asked for, but the backward pass has no gradients of its own; "
        "attn_core.scaled_dot_product_attention has them."
    )


_forward_op = torch.library.custom_op(
    "attn_core::flash_attention",
    devices.forward_cpu,
    mutates_args=(),
    device_types="cpu",
    schema=f"(Tensor q, Tensor k, Tensor v, {_VARIANT}) -> (Tensor out, Tensor lse)",
)
_forward_op.register_kernel("cuda", devices.forward_cuda)
_forward_op.register_fake(devices.forward_shapes)
_forward_op.register_autograd(_differentiate, setup_context=_save)

_backward_op = torch.library.custom_op(
    "attn_core::flash_attention_backward",
    devices.backward_tiles,
    mutates_args=(),
    device_types=("cpu", "cuda"),
    schema=f"(Tensor q, Tensor k, Tensor v, Tensor out, Tensor lse, Tensor grad_out, Tensor grad_lse, {_VARIANT})"
    " -> (Tensor grad_q, Tensor grad_k, Tensor grad_v)",
)
_backward_op.register_fake(devices.backward_shapes)
_backward_op.register_autograd(_refuse_second_derivatives)
