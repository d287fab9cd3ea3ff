"""The Python twins of the structs in params.cuh: what a kernel is told about its tensors."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass


class Tensor(ctypes.Structure):
    """A tensor (batch, head, row, feature): where it begins, and its strides in elements."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("batch", ctypes.c_longlong),
        ("head", ctypes.c_longlong),
        ("row", ctypes.c_longlong),
    )


class Params(ctypes.Structure):
    """All that a kernel is told, passed by value."""

    _fields_ = (
        ("q", Tensor),
        ("k", Tensor),
        ("v", Tensor),
        ("out", Tensor),
        ("lse", ctypes.c_void_p),
        ("lse_batch", ctypes.c_longlong),
        ("lse_head", ctypes.c_longlong),
        ("scores", ctypes.c_void_p),
        ("key_lengths", ctypes.c_void_p),
        ("cu_queries", ctypes.c_void_p),
        ("cu_keys", ctypes.c_void_p),
        ("queries", ctypes.c_int),
        ("keys", ctypes.c_int),
        ("heads", ctypes.c_int),
        ("group", ctypes.c_int),
        ("scale", ctypes.c_float),
    )


@dataclass(frozen=True)
class Layout:
    """Address and strides (in elements) of (batch, heads, rows, features), or of packed (rows, heads, features)."""

    address: int
    strides: Sequence[int]

    def tensor(self) -> Tensor:
        """The struct; packed sequences have no batch axis, a sequence begins where cu_seqlens says."""
        if len(self.strides) == 3:
            row, head, _ = self.strides
            return Tensor(self.address, 0, head, row)
        batch, head, row, _ = self.strides
        return Tensor(self.address, batch, head, row)


def make_params(
    q: Layout,
    k: Layout,
    v: Layout,
    out: Layout,
    lse: Layout,
    *,
    queries: int,
    keys: int,
    heads: int,
    kv_heads: int,
    scale: float,
    scores: int = 0,
    key_lengths: int = 0,
    cu_queries: int = 0,
    cu_keys: int = 0,
) -> Params:
    """Fill the struct. lse is (batch, heads, queries), or (heads, rows) of packed sequences; 0 is no address.

    `queries` and `keys` are those of a sequence, and of the longest sequence where they are packed.
    """
    lse_batch, lse_head = (0, lse.strides[0]) if len(lse.strides) == 2 else lse.strides[:2]
    return Params(
        q.tensor(),
        k.tensor(),
        v.tensor(),
        out.tensor(),
        lse.address,
        lse_batch,
        lse_head,
        scores or None,
        key_lengths or None,
        cu_queries or None,
        cu_keys or None,
        queries,
        keys,
        heads,
        heads // kv_heads,
        scale,
    )
