"""A made-up driver that writes every call down, and tensors for it."""

import ctypes
from types import SimpleNamespace

import torch

from attn_core.flash.cuda import launch
from attn_core.flash.cuda.params import Params

SHIPPING = {"float32": "forward_2_registers", "float16": "forward_4_pipeline", "bfloat16": "forward_4_pipeline"}


class Driver:
    """Stands in for cuda.bindings.driver: every call is written down, every handle is a number."""

    CUfunction_attribute = SimpleNamespace(CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES="more shared memory")

    def __init__(self, version: int = 13000):
        self.calls, self.structs, self.version, self.fails = [], [], version, {}

    def __getattr__(self, name):
        def function(*arguments):
            self.calls.append((name, *arguments))
            if name == "cuLaunchKernel":
                pointer = ctypes.c_void_p.from_address(arguments[9]).value
                self.structs.append(Params.from_buffer_copy(ctypes.string_at(pointer, ctypes.sizeof(Params))))
            if name in self.fails:
                return (Status(self.fails[name]),)
            if name in ("cuInit", "cuCtxPushCurrent", "cuFuncSetAttribute", "cuLaunchKernel"):
                return (0,)
            return 0, self.version if name == "cuDriverGetVersion" else f"{name} {len(self.calls)}"

        return function

    def named(self, name):
        """The arguments of every call of this function."""
        return [arguments for called, *arguments in self.calls if called == name]


class Status:
    """A CUresult that is no success."""

    def __init__(self, name):
        self.name = name

    def __int__(self):
        return 701


def tensors(dtype=torch.bfloat16, batch=2, heads=8, kv_heads=2, n=300, m=500, d=128):
    """q, k and v of a dense call."""
    return (
        torch.ones(batch, heads, n, d, dtype=dtype),
        torch.ones(batch, kv_heads, m, d, dtype=dtype),
        torch.ones(batch, kv_heads, m, d, dtype=dtype),
    )


def packed(dtype=torch.bfloat16, heads=4, kv_heads=4, total_q=10, total_k=12, d=64):
    """q, k and v of a call with packed sequences."""
    return (
        torch.ones(total_q, heads, d, dtype=dtype),
        torch.ones(total_k, kv_heads, d, dtype=dtype),
        torch.ones(total_k, kv_heads, d, dtype=dtype),
    )


def ints(*values):
    """An int32 tensor."""
    return torch.tensor(values, dtype=torch.int32)


def forward(q, k, v, causal=False, scale=0.125, **options):
    """The call under test."""
    return launch.forward(q, k, v, causal=causal, scale=scale, **options)
