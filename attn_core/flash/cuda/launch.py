"""Run the CUDA kernels on torch tensors, on torch's current stream; or say in a sentence why that cannot be done.

A kernel is compiled for the very GPU when it is first used (`compiler`), loaded once per device, and launched by the driver
with one struct by value (`params`). Nothing falls back: what the kernels cannot do raises.
"""

from __future__ import annotations

import ctypes
import math
import threading
import warnings
from functools import cache, partial
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attn_core.flash.cuda.compiler import compile_kernels, versions
from attn_core.flash.cuda.kernels import STAGES, Launch, Problem, Stage, pick
from attn_core.flash.cuda.params import Layout, make_params

if TYPE_CHECKING:
    import torch

OLDEST_DRIVER = (13, 0)
OLDEST_GPU = (8, 0)
DEFAULT_SHARED = 48 * 1024  # what a block may have without asking for more
LONGEST = 2**30  # rows of a sequence: the kernels count them in 32 bits, and add two such numbers
LARGEST_GRID = (2**31 - 1, 65535, 65535)
INSTALL = "pip install 'attn-curriculum[gpu]'"

_lock = threading.RLock()
_available: set[int] = set()
_functions: dict[tuple[int, Path, int, str, int], Any] = {}


def why_unavailable(device: torch.device | str | int | None = None) -> str:
    """What is missing before the kernels can run on this GPU, in one sentence with what to do; "" when all is there."""
    import torch

    if isinstance(device, str | torch.device) and torch.device(device).type != "cuda":
        return f"{device} is no NVIDIA GPU: move the tensors with .to('cuda')."
    if _available and _index(device) in _available:  # asked before: every call of the operator asks again
        return ""
    if torch.version.cuda is None:
        return (
            f"torch {torch.__version__} is built without CUDA. On a machine with an NVIDIA GPU, install a build with CUDA: "
            "pytorch.org has the command."
        )
    with warnings.catch_warnings(record=True) as said:  # torch warns of a driver that is too old
        warnings.simplefilter("always")
        found = torch.cuda.is_available()
    if not found:
        why = "".join(f" torch says: {warning.message}" for warning in said)
        return f"torch finds no GPU: `nvidia-smi` shows whether there is one and whether its driver works.{why}"
    index = _index(device)
    if index < 0 or index >= torch.cuda.device_count():
        return f"There is no GPU {device}: torch sees {torch.cuda.device_count()}, counted from 0."
    capability = torch.cuda.get_device_capability(index)
    if capability < OLDEST_GPU:
        return (
            f"{torch.cuda.get_device_name(index)} has compute capability {_dotted(capability)}; the kernels need "
            f"{_dotted(OLDEST_GPU)} or newer (Ampere, 2020)."
        )
    why = _why_no_compiler()
    if not why:
        _available.add(index)
    return why


def forward(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    *,
    causal: bool,
    scale: float,
    key_lengths: torch.Tensor | None = None,
    cu_seqlens_q: torch.Tensor | None = None,
    cu_seqlens_k: torch.Tensor | None = None,
    stage: str | None = None,
    source: Path | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Attention and its log-sum-exp, by the kernel that ships for these tensors or by the stage of this name.

    `source` is another version of the stage's file.

    Shapes: q (B, H_q, n, d), k and v (B, H_kv, m, d) → out (B, H_q, n, d), lse (B, H_q, n) float32; packed: q (total_q, H_q, d),
        k and v (total_k, H_kv, d), cu_seqlens (B+1,) int32 → out as q, lse (H_q, total_q).
    Cost: packed sequences and key lengths are read by the host first, which waits for the stream.
    Errors: RuntimeError where the kernels cannot run at all; ValueError for tensors that no kernel takes.
    """
    import torch

    _refuse_devices(
        {"q": q, "k": k, "v": v, "key_lengths": key_lengths, "cu_seqlens_q": cu_seqlens_q, "cu_seqlens_k": cu_seqlens_k}
    )
    why = why_unavailable(q.device)
    if why:
        raise RuntimeError(why)
    _refuse_layout({"q": q, "k": k, "v": v})
    if not (math.isfinite(scale) and scale > 0):
        raise _refusal(f"scale is {scale}, but the CUDA kernels need a positive number; multiply q by the rest.")
    problem = _problem(q, k, v, causal, key_lengths, cu_seqlens_q, cu_seqlens_k)
    chosen = _stage(stage, problem, _capability(q.device))
    launches = chosen.launches(problem)
    _refuse_size(problem, launches)
    out = torch.empty(q.shape, dtype=q.dtype, device=q.device)
    rows = q.shape[:-1] if q.ndim == 4 else (q.shape[1], q.shape[0])
    lse = torch.empty(rows, dtype=torch.float32, device=q.device)
    if lse.numel() == 0:
        return out, lse
    scores = torch.empty(chosen.workspace_bytes(problem) // 4, dtype=torch.float32, device=q.device)
    params = make_params(
        *(Layout(tensor.data_ptr(), tensor.stride()) for tensor in (q, k, v, out, lse)),
        queries=problem.queries,
        keys=problem.keys,
        heads=problem.heads,
        kv_heads=problem.kv_heads,
        scale=scale,
        scores=_address(scores),
        key_lengths=_address(key_lengths),
        cu_queries=_address(cu_seqlens_q),
        cu_keys=_address(cu_seqlens_k),
    )
    run(source or chosen.file, launches, params, q.device)
    return out, lse


def run(file: Path, launches: tuple[Launch, ...], params: ctypes.Structure, device: torch.device) -> None:
    """Launch these functions of a kernel file one after the other on torch's current stream of the device."""
    index = _index(device)
    stream = _stream(index)
    address = (ctypes.c_void_p * 1)(ctypes.addressof(params))  # the driver copies the struct while it launches
    call("cuCtxPushCurrent", _context(index))  # a thread of torch's autograd has none of its own
    try:
        for launch in launches:
            function = _function(index, file, launch)
            threads = (launch.threads, 1, 1)
            shape = (*launch.grid, *threads, launch.shared_bytes)
            call("cuLaunchKernel", function, *shape, stream, ctypes.addressof(address), 0)
    finally:
        call("cuCtxPopCurrent")


def call(name: str, *arguments: Any) -> Any:
    """A function of the CUDA driver: what it returns, or a RuntimeError that names it and the driver's reason."""
    status, *found = getattr(import_module("cuda.bindings.driver"), name)(*arguments)
    if int(status) != 0:
        raise RuntimeError(f"The CUDA driver answers {name} with {getattr(status, 'name', status)} ({int(status)}).")
    return found[0] if found else None


def architecture(capability: tuple[int, int]) -> str:
    """NVRTC's name: Hopper and the data-centre Blackwells with the instructions that only they have."""
    return f"sm_{capability[0]}{capability[1]}{'a' if capability[0] in (9, 10) else ''}"


def _function(index: int, file: Path, launch: Launch) -> Any:
    """The loaded function, compiled when it is first asked for; its shared memory is allowed beyond the default."""
    key = (index, file, file.stat().st_mtime_ns, launch.function, launch.shared_bytes)  # a file may be edited meanwhile
    with _lock:
        if key not in _functions:
            compiled = compile_kernels(file, [launch.function], architecture(_capability(index)))
            module = call("cuModuleLoadData", compiled.cubin)
            function = call("cuModuleGetFunction", module, compiled.names[launch.function].encode())
            if launch.shared_bytes > DEFAULT_SHARED:
                attributes = import_module("cuda.bindings.driver").CUfunction_attribute
                attribute = attributes.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
                call("cuFuncSetAttribute", function, attribute, launch.shared_bytes)
            _functions[key] = function
        return _functions[key]


@cache
def _context(index: int) -> Any:
    """The device's primary context, which torch uses as well; it is never given back."""
    call("cuInit", 0)
    return call("cuDevicePrimaryCtxRetain", call("cuDeviceGet", index))


def _why_no_compiler() -> str:
    """What is missing of cuda-core, NVRTC and the driver."""
    try:
        found = versions()
    except (ImportError, OSError, RuntimeError) as error:  # a package, or the library that it loads
        return f"The kernels are compiled by NVRTC through cuda-core, and that cannot be loaded ({error}): {INSTALL}."
    if int(found["cuda-core"].split(".")[0]) < 1:
        return f"cuda-core {found['cuda-core']} is too old, 1.0 is needed: {INSTALL}."
    try:
        number = call("cuDriverGetVersion")
    except RuntimeError as error:
        return f"The NVIDIA driver cannot be loaded ({error})."
    driver = number // 1000, number % 1000 // 10
    if driver < OLDEST_DRIVER:
        return (
            f"The NVIDIA driver knows CUDA up to {_dotted(driver)}; {_dotted(OLDEST_DRIVER)} is needed: update the driver to "
            "version 580 or newer."
        )
    if int(found["NVRTC"].split(".")[0]) > driver[0]:
        return f"NVRTC {found['NVRTC']} is newer than the driver, which knows CUDA {_dotted(driver)}: {INSTALL}."
    return ""


def _refusal(sentence: str) -> ValueError:
    return ValueError(f"flash_attention: {sentence}")


def _refuse_devices(tensors: dict[str, torch.Tensor | None]) -> None:
    devices = {name: tensor.device for name, tensor in tensors.items() if tensor is not None}
    if len(set(devices.values())) > 1:
        listed = ", ".join(f"{name} on {device}" for name, device in devices.items())
        raise _refusal(f"all tensors must be on one device, but: {listed}.")


def _refuse_layout(tensors: dict[str, torch.Tensor]) -> None:
    """The kernels read 16 bytes at once, along the features."""
    for name, tensor in tensors.items():
        if tensor.numel() == 0:
            continue
        if tensor.shape[-1] > 1 and tensor.stride(-1) != 1:
            raise _refusal(f"the features of {name} must lie side by side in memory: use {name}.contiguous().")
        rows = zip(tensor.stride()[:-1], tensor.shape[:-1], strict=True)
        steps = [stride * tensor.element_size() for stride, size in rows if size > 1]
        if tensor.data_ptr() % 16 or any(step % 16 for step in steps):
            raise _refusal(
                f"every row of {name} must begin at a multiple of 16 bytes: a slice of a larger tensor may not, "
                f"{name}.clone(memory_format=torch.contiguous_format) does."
            )


def _refuse_size(problem: Problem, launches: tuple[Launch, ...]) -> None:
    if max(problem.queries, problem.keys) > LONGEST:
        raise _refusal(
            f"the kernels count up to {LONGEST} queries and keys, but there are {problem.queries} and {problem.keys}."
        )
    for launch in launches:
        for size, largest, axis in zip(launch.grid, LARGEST_GRID, ("tiles", "heads", "sequences"), strict=True):
            if size > largest:
                raise _refusal(f"a launch has at most {largest} {axis}, but this one needs {size}: split the batch.")


def _problem(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    causal: bool,
    key_lengths: torch.Tensor | None,
    cu_seqlens_q: torch.Tensor | None,
    cu_seqlens_k: torch.Tensor | None,
) -> Problem:
    """The sizes of this call; ValueError where they do not belong together."""
    packed = cu_seqlens_q is not None
    if packed != (cu_seqlens_k is not None) or (packed and key_lengths is not None):
        raise _refusal("packed sequences need both cu_seqlens_q and cu_seqlens_k, and have no key_lengths.")
    axes = 3 if packed else 4
    if (q.ndim, k.ndim, v.ndim) != (axes, axes, axes) or k.shape != v.shape or q.dtype != k.dtype or q.dtype != v.dtype:
        listed = ", ".join(f"{name} {tuple(t.shape)} {_name(t)}" for name, t in {"q": q, "k": k, "v": v}.items())
        raise _refusal(f"q, k and v need {axes} axes and one dtype, and k and v one shape, but: {listed}.")
    heads, kv_heads = q.shape[1], k.shape[1]
    if q.shape[-1] != k.shape[-1] or kv_heads == 0 or heads % kv_heads or (not packed and q.shape[0] != k.shape[0]):
        raise _refusal(
            f"q {tuple(q.shape)} and k {tuple(k.shape)} do not belong together: head size and batch must agree, and the heads "
            "of q must be a multiple of those of k."
        )
    sized = partial(
        Problem, dtype=_name(q), head_size=q.shape[-1], heads=heads, kv_heads=kv_heads, causal=causal
    )  # all but batch, queries and keys
    if cu_seqlens_q is not None and cu_seqlens_k is not None:
        queries = _lengths("cu_seqlens_q", cu_seqlens_q, q.shape[0])
        keys = _lengths("cu_seqlens_k", cu_seqlens_k, k.shape[0])
        if len(queries) != len(keys):
            raise _refusal(f"cu_seqlens_q tells of {len(queries)} sequences, but cu_seqlens_k of {len(keys)}.")
        return sized(batch=len(queries), queries=max(queries, default=0), keys=max(keys, default=0))
    if key_lengths is not None:
        _refuse_lengths(key_lengths, q.shape[0], k.shape[-2])
    return sized(batch=q.shape[0], queries=q.shape[-2], keys=k.shape[-2])


def _lengths(name: str, starts: torch.Tensor, total: int) -> list[int]:
    """How long each packed sequence is. A wrong start would be read as an address: it is looked at first."""
    import torch

    if starts.dtype != torch.int32 or starts.ndim != 1 or starts.numel() == 0 or not starts.is_contiguous():
        raise _refusal(
            f"{name} must be one contiguous axis of int32 numbers, but it is {tuple(starts.shape)} {_name(starts)}."
        )
    at = starts.tolist()
    lengths = [after - before for before, after in pairwise(at)]
    if at[0] != 0 or at[-1] != total or min(lengths, default=0) < 0:
        raise _refusal(f"{name} must rise from 0 to the {total} rows there are, but it is {at}.")
    return lengths


def _refuse_lengths(key_lengths: torch.Tensor, batch: int, keys: int) -> None:
    import torch

    if key_lengths.dtype != torch.int32 or tuple(key_lengths.shape) != (batch,) or not key_lengths.is_contiguous():
        raise _refusal(
            f"key_lengths must be {batch} int32 numbers, but it is {tuple(key_lengths.shape)} {_name(key_lengths)}."
        )
    lengths = key_lengths.tolist()
    if lengths and not 0 <= min(lengths) <= max(lengths) <= keys:
        raise _refusal(f"key_lengths must be between 0 and the {keys} keys there are, but it is {lengths}.")


def _stage(name: str | None, problem: Problem, capability: tuple[int, int]) -> Stage:
    if name is None:
        return pick(problem.dtype, problem.head_size, capability)
    stages = {stage.name: stage for stage in STAGES}
    if name not in stages:
        raise _refusal(f"there is no stage {name!r}; there are {', '.join(stages)}.")
    stage = stages[name]
    if problem.dtype not in stage.dtypes or problem.head_size not in stage.head_sizes:
        raise _refusal(
            f"{name} is written for {' and '.join(stage.dtypes)} and head sizes {', '.join(map(str, stage.head_sizes))}, but "
            f"here are {problem.dtype} and {problem.head_size}."
        )
    if capability < stage.oldest:
        raise _refusal(
            f"{name} needs compute capability {_dotted(stage.oldest)}, but this GPU has {_dotted(capability)}."
        )
    return stage


def _address(tensor: torch.Tensor | None) -> int:
    return 0 if tensor is None else tensor.data_ptr()


def _name(tensor: torch.Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"


def _index(device: torch.device | str | int | None) -> int:
    """The number of a GPU; of torch's current one if none is named."""
    import torch

    index = device if isinstance(device, int) or device is None else torch.device(device).index
    return torch.cuda.current_device() if index is None else index


def _capability(device: torch.device | int) -> tuple[int, int]:
    import torch

    return torch.cuda.get_device_capability(device)


def _stream(index: int) -> int:
    import torch

    return int(torch.cuda.current_stream(index).cuda_stream)
