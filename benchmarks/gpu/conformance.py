"""Each wrapper of ptx.cuh alone: what the GPU makes of it is compared with what its emulator twin makes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from attn_core.flash.cuda import emulator
from attn_core.flash.cuda.kernels import Launch
from attn_core.flash.cuda.params import Layout, Params, make_params

FILE = Path(__file__).with_name("wrappers.cu")
SHARED_BYTES = 1024
Words = np.ndarray  # of 32 bits each


@dataclass(frozen=True)
class Wrapper:
    """One kernel of wrappers.cu with its input; `tolerance` is relative and 0 where every bit must agree."""

    function: str
    threads: int
    words: Words
    outputs: int
    tolerance: float = 0.0


def _pairs(rng: np.random.Generator, dtype: str, *shape: int, whole: bool) -> Words:
    """Two 16-bit numbers a word; whole numbers have exact products and sums."""
    numbers = rng.integers(-8, 9, (*shape, 2)) if whole else rng.normal(size=(*shape, 2))
    bits = emulator.encode(numbers.astype(np.float32), dtype).view(np.uint16)
    return bits.astype(np.uint32) @ np.array([1, 1 << 16], np.uint32)


def _mma_words(rng: np.random.Generator, dtype: str, whole: bool) -> Words:
    sums = rng.integers(-100, 101, (32, 4)) if whole else rng.normal(size=(32, 4))
    return np.concatenate([_pairs(rng, dtype, 32, 6, whole=whole), sums.astype(np.float32).view(np.uint32)], axis=1)


def wrappers(seed: int = 0) -> list[Wrapper]:
    """Every wrapper, on random numbers and on those where rounding, overflow or an edge decides."""
    rng = np.random.default_rng(seed)
    exponents = np.concatenate([[-np.inf, 0, -0.0, 1, -1, 127, 128, 200, -126, -127, -140], rng.normal(size=245) * 30])
    halfway = 1 + np.array([1, 3, 5]) * 2.0**-11  # between two neighbours of float16; the even one is right
    edges = [
        0,
        -0.0,
        1e-8,
        6e-8,
        65519,
        65520,
        -1e9,
        3e38,
        np.inf,
        -np.inf,
        *halfway,
        *(1 + np.array([1, 3]) * 2.0**-8),
    ]
    packed = np.concatenate([edges, rng.normal(size=128 - len(edges)) * 10.0 ** rng.integers(-6, 5, 128 - len(edges))])
    lanes = rng.permutation(32).astype(np.uint32)
    rows = np.concatenate([lanes, rng.integers(0, 2**32, 128, dtype=np.uint32)])
    copies = np.concatenate([rng.integers(0, 2, 64).astype(np.uint32), rng.integers(0, 2**32, 256, dtype=np.uint32)])
    found = [
        Wrapper("wrap_exp2", 256, exponents.astype(np.float32).view(np.uint32), 256, 2.0**-20),
        Wrapper("wrap_infinity", 1, np.zeros(1, np.uint32), 2),
        Wrapper("wrap_shuffle", 32, rng.normal(size=32).astype(np.float32).view(np.uint32), 160),
        Wrapper("wrap_matrices<false>", 32, rows, 128),
        Wrapper("wrap_matrices<true>", 32, rows, 128),
        Wrapper("wrap_copy", 64, copies, 256),
    ]
    for dtype, name in (("float16", "fp16"), ("bfloat16", "bf16")):
        found.append(Wrapper(f"wrap_pack<{name}>", 64, packed.astype(np.float32).view(np.uint32), 64))
        found.append(Wrapper(f"wrap_mma<{name}>", 32, _mma_words(rng, dtype, whole=True), 128))
        found.append(Wrapper(f"wrap_mma<{name}>", 32, _mma_words(rng, dtype, whole=False), 128, 1e-5))
    return found


def difference(wrapper: Wrapper, gpu: Words, twin: Words) -> str:
    """Where and by how much two results differ, as a sentence; "" if they agree."""
    if wrapper.tolerance:
        left, right = gpu.view(np.float32), twin.view(np.float32)
        finite = np.isfinite(right)
        scale = np.abs(right[finite]) if wrapper.function == "wrap_exp2" else np.abs(right[finite]).max()
        wrong = left != right
        wrong[finite] = ~(np.abs(left[finite] - right[finite]) <= wrapper.tolerance * scale)
    else:
        left, right, wrong = gpu, twin, gpu != twin
    if not wrong.any():
        return ""
    at = int(np.argmax(wrong))
    return f"{wrapper.function}: {int(wrong.sum())} of {wrong.size} words differ; word {at} is {left[at]}, the twin's {right[at]}."


def fill(wrapper: Wrapper, source: int, target: int) -> Params:
    """The struct for words at these two addresses."""
    empty = Layout(0, (0, 0, 0, 0))
    return make_params(
        Layout(source, (0, 0, 0, 0)),
        empty,
        empty,
        Layout(target, (0, 0, 0, 0)),
        Layout(0, (0, 0, 0)),
        queries=wrapper.threads,
        keys=0,
        heads=1,
        kv_heads=1,
        scale=1.0,
    )


def in_emulator(wrapper: Wrapper) -> Words:
    """The words that the twins give."""
    functions = sorted({each.function for each in wrappers()})
    library = emulator.build(FILE, functions)
    words, found = _aligned(wrapper.words.ravel()), np.full(wrapper.outputs, 0xFFFFFFFF, np.uint32)
    params = fill(wrapper, words.ctypes.data, found.ctypes.data)
    launch = Launch(wrapper.function, (1, 1, 1), wrapper.threads, SHARED_BYTES)
    emulator.start(library, functions.index(wrapper.function), launch, params, "first in", seed=0, late_copies=True)
    return found


def on_gpu(wrapper: Wrapper) -> Words:
    """The words that torch's current GPU gives."""
    import torch

    from attn_core.flash.cuda import launch

    words = torch.from_numpy(wrapper.words.ravel().view(np.int32)).cuda()
    found = torch.full((wrapper.outputs,), -1, dtype=torch.int32, device="cuda")
    params = fill(wrapper, words.data_ptr(), found.data_ptr())
    launch.run(FILE, (Launch(wrapper.function, (1, 1, 1), wrapper.threads, SHARED_BYTES),), params, words.device)
    return found.cpu().numpy().view(np.uint32)


def compare(gpu: Callable[[Wrapper], Words] = on_gpu) -> list[str]:
    """What does not agree, one sentence each."""
    return [said for wrapper in wrappers() if (said := difference(wrapper, gpu(wrapper), in_emulator(wrapper)))]


def _aligned(words: Words) -> Words:
    """A copy that begins at a multiple of 16 bytes, as cp.async needs."""
    room = np.empty(words.size + 4, np.uint32)
    first = -room.ctypes.data % 16 // 4
    room[first : first + words.size] = words
    return room[first : first + words.size]
