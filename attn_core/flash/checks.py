"""What the arguments of the flash operators must be; each refusal is a sentence that names the public function."""

import math

import torch
from torch import Tensor

from attn_core.conventions import check_arguments, shape_error

DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def function_name(packed: bool) -> str:
    """The public function that a call comes from."""
    return "flash_attention_packed" if packed else "flash_attention"


def check_kinds(function: str, causal: object, scale: object, **tensors: object) -> None:
    """Check what Python passes: tensors where tensors belong, True or False, and a number."""
    for name, value in tensors.items():
        if not isinstance(value, Tensor):
            kind = type(value).__name__
            raise TypeError(
                f"{function}: {name} is of type {kind}, but it must be a torch tensor; torch.as_tensor(...) makes one."
            )
    if not isinstance(causal, bool):
        reason = "there is no mask argument, as the kernel knows only causality and lengths"
        raise TypeError(
            f"{function}: causal is of type {type(causal).__name__}, but it must be True or False; {reason}."
        )
    if scale is not None and (isinstance(scale, bool) or not isinstance(scale, (int, float))):
        reason = "multiply q by a tensor instead, where the scale is learned"
        raise TypeError(f"{function}: scale is of type {type(scale).__name__}, but it must be a number; {reason}.")


def check_metadata(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    scale: float | None,
    key_lengths: Tensor | None,
    cu_seqlens_q: Tensor | None,
    cu_seqlens_k: Tensor | None,
) -> None:
    """Check everything that is known without reading a number from a tensor: also where only shapes are traced."""
    packed = cu_seqlens_q is not None or cu_seqlens_k is not None
    function = function_name(packed)
    if packed and key_lengths is not None:
        reason = "packed sequences have no padding: their lengths are in cu_seqlens_k"
        raise ValueError(
            f"{function}: key_lengths and cu_seqlens were both given, but they exclude each other; {reason}."
        )
    query, key = ("total_q H_q {}", "total_k H_kv {}") if packed else ("B H_q n {}", "B H_kv m {}")
    check_arguments(
        function,
        q=(q, query.format("d_k")),
        k=(k, key.format("d_k")),
        v=(v, key.format("d_v")),
    )
    if q.dtype not in DTYPES:
        names = ", ".join(str(dtype) for dtype in DTYPES)
        raise TypeError(f"{function}: q has dtype {q.dtype}, but it must be one of {names}; convert q, k and v.")
    for name, tensor in (("k", k), ("v", v)):
        _check_device(function, name, tensor, q)
    heads, kv_heads = q.shape[1], k.shape[1]
    if kv_heads == 0 or heads % kv_heads != 0:
        raise ValueError(
            f"{function}: q has H_q={heads} heads and k has H_kv={kv_heads}, but each key-value head must serve the same "
            "number of query heads, so H_kv must divide H_q."
        )
    for name, letters, tensor in (("q", "d_k", q), ("v", "d_v", v)):
        if tensor.shape[-1] == 0:
            raise ValueError(f"{function}: {name} has {letters}=0, but a head must have at least one feature.")
    if scale is not None and not math.isfinite(scale):
        reason = "leave it out for 1/√d_k"
        raise ValueError(f"{function}: scale is {scale}, but it must be finite; {reason}.")
    if key_lengths is not None:
        _check_whole_numbers(function, "key_lengths", key_lengths, q)
        if tuple(key_lengths.shape) != (q.shape[0],):
            expected, got = f"it must be (B,) with B={q.shape[0]} as in q", f"shape {tuple(key_lengths.shape)}"
            raise shape_error(function, "key_lengths", expected, got, "each sequence has one length")
    if packed:
        _check_offsets_metadata(function, q, cu_seqlens_q, cu_seqlens_k)


def check_results(
    q: Tensor, v: Tensor, packed: bool, out: Tensor, lse: Tensor, grad_out: Tensor, grad_lse: Tensor
) -> None:
    """Check what the forward pass returned, and the gradients of it, before the backward pass reads them."""
    function = "flash_attention_backward"
    rows = (*q.shape[:-1], v.shape[-1])
    per_query = (q.shape[1], q.shape[0]) if packed else tuple(q.shape[:-1])
    wide = torch.promote_types(q.dtype, torch.float32)
    for name, tensor, shape, dtype in (
        ("out", out, rows, q.dtype),
        ("lse", lse, per_query, wide),
        ("grad_out", grad_out, rows, q.dtype),
        ("grad_lse", grad_lse, per_query, wide),
    ):
        if tuple(tensor.shape) != shape:
            got, reason = f"shape {tuple(tensor.shape)}", "pass what the forward pass returned"
            raise shape_error(function, name, f"it must be {shape}", got, reason)
        if tensor.dtype != dtype:
            cure = "pass what the forward pass returned"
            raise TypeError(f"{function}: {name} has dtype {tensor.dtype}, but it must be {dtype}; {cure}.")
        _check_device(function, name, tensor, q)


def check_values(
    q: Tensor, k: Tensor, key_lengths: Tensor | None, cu_seqlens_q: Tensor | None, cu_seqlens_k: Tensor | None
) -> None:
    """Check lengths and offsets by their values, which waits for a GPU that still computes them."""
    if key_lengths is not None:
        m = k.shape[2]
        for sequence, length in enumerate(key_lengths.tolist()):
            if not 0 <= length <= m:
                reason = "keys at and after a length do not exist"
                got = f"key_lengths[{sequence}] is {length}"
                raise ValueError(f"flash_attention: {got}, but it must be between 0 and m={m}; {reason}.")
    for name, offsets, total, letter in (
        ("cu_seqlens_q", cu_seqlens_q, q.shape[0], "total_q"),
        ("cu_seqlens_k", cu_seqlens_k, k.shape[0], "total_k"),
    ):
        if offsets is not None:
            _check_offsets(name, offsets.tolist(), total, letter)


def _check_device(function: str, name: str, tensor: Tensor, q: Tensor) -> None:
    if tensor.device != q.device:
        cure = f"{name}.to(q.device) moves it"
        raise ValueError(f"{function}: {name} is on device {tensor.device}, but q is on {q.device}; {cure}.")


def _check_whole_numbers(function: str, name: str, tensor: Tensor, q: Tensor) -> None:
    if tensor.dtype != torch.int32:
        cure = f"{name}.to(torch.int32) converts it"
        raise TypeError(f"{function}: {name} has dtype {tensor.dtype}, but it must be torch.int32; {cure}.")
    _check_device(function, name, tensor, q)


def _check_offsets_metadata(function: str, q: Tensor, queries: Tensor | None, keys: Tensor | None) -> None:
    if queries is None or keys is None:
        given, missing = ("cu_seqlens_q", "cu_seqlens_k") if keys is None else ("cu_seqlens_k", "cu_seqlens_q")
        reason = "for self-attention they are the same tensor"
        raise ValueError(f"{function}: {given} was given without {missing}, but both are needed; {reason}.")
    for name, offsets in (("cu_seqlens_q", queries), ("cu_seqlens_k", keys)):
        _check_whole_numbers(function, name, offsets, q)
        if offsets.ndim != 1 or offsets.shape[0] == 0:
            reason = "it starts with 0, and then says where each of the B sequences ends"
            raise shape_error(function, name, "it must be (B + 1,)", f"shape {tuple(offsets.shape)}", reason)
    if queries.shape[0] != keys.shape[0]:
        expected = f"cu_seqlens_q has shape {tuple(queries.shape)}"
        got, reason = f"shape {tuple(keys.shape)}", "both describe the same B sequences, by B + 1 offsets"
        raise shape_error(function, "cu_seqlens_k", expected, got, reason)


def _check_offsets(name: str, offsets: list[int], total: int, letter: str) -> None:
    function = function_name(packed=True)
    if offsets[0] != 0:
        cure = "put a 0 before the running sum of the lengths"
        raise ValueError(f"{function}: {name} starts with {offsets[0]}, but it must start with 0; {cure}.")
    for place in range(1, len(offsets)):
        if offsets[place] < offsets[place - 1]:
            fall = f"{name} falls from {offsets[place - 1]} to {offsets[place]} at index {place}"
            raise ValueError(f"{function}: {fall}, but it must not decrease; it is the running sum of the lengths.")
    if offsets[-1] != total:
        reason = "every token must belong to a sequence"
        raise ValueError(
            f"{function}: {name} ends with {offsets[-1]}, but it must end with {letter}={total}; {reason}."
        )
