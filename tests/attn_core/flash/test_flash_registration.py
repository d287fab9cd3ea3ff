"""The operators as torch sees them: opcheck, tracing, compiling, the largest tensor alive, and the way to CUDA."""

import sys
from contextlib import contextmanager
from types import ModuleType

import pytest
import torch
from flash_oracle import heads_inputs, int32, packed_inputs
from oracle import message_of
from torch.utils._python_dispatch import TorchDispatchMode

import attn_core.flash.cuda
from attn_core.flash import cpu, devices, flash_attention, flash_attention_packed

FORWARD, BACKWARD = torch.ops.attn_core.flash_attention, torch.ops.attn_core.flash_attention_backward


def cases():
    """Arguments of the forward operator: dense, with lengths, and packed; every dtype; odd and empty shapes."""
    for dtype in ("float16", "bfloat16", "float32", "float64"):
        yield f"dense {dtype}", (*heads_inputs(dtype), False, None, None, None, None)
    for n, m, kv_heads, d_v in [(1, 1, 4, 3), (5, 2, 2, 3), (0, 3, 1, 3), (3, 0, 1, 3), (3, 4, 2, 5)]:
        tensors = heads_inputs(n=n, m=m, kv_heads=kv_heads, d_v=d_v)
        yield f"causal {n}×{m}", (*tensors, True, 0.5, None, None, None)
    yield "lengths", (*heads_inputs(batch=3), True, None, int32(6, 0, 2), None, None)
    q, k, v, starts_q, starts_k = packed_inputs()
    yield "packed", (q, k, v, True, None, None, starts_q, starts_k)
    yield "strided", (*(x.mT.contiguous().mT for x in heads_inputs()), False, None, None, None, None)


CASES = dict(cases())


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("differentiate", [False, True])
def test_opcheck_of_the_forward_operator(name, differentiate):
    """Schema, autograd registration, traced shapes and strides, and compiling with symbolic sizes."""
    arguments = tuple(
        x.clone().requires_grad_(differentiate) if isinstance(x, torch.Tensor) and x.is_floating_point() else x
        for x in CASES[name]
    )
    assert set(torch.library.opcheck(FORWARD, arguments).values()) == {"SUCCESS"}


@pytest.mark.parametrize("name", CASES)
def test_opcheck_of_the_backward_operator(name):
    """The same for the gradients, which have no gradients themselves."""
    q, k, v, *options = CASES[name]
    out, lse = FORWARD(q, k, v, *options)
    arguments = (q, k, v, out, lse, torch.ones_like(out), torch.ones_like(lse), *options)
    assert set(torch.library.opcheck(BACKWARD, arguments).values()) == {"SUCCESS"}


@pytest.mark.parametrize("is_packed", [False, True])
def test_compiling_changes_nothing(is_packed):
    """torch.compile takes the public functions as one graph, forward and backward, and gives the same bits."""
    if is_packed:
        q, k, v, *rest = packed_inputs()
        function = flash_attention_packed
    else:
        (q, k, v), rest, function = heads_inputs(), [], flash_attention
    compiled = torch.compile(lambda *x: function(*x, causal=True), backend="aot_eager", fullgraph=True)
    results = []
    for call in (compiled, lambda *x: function(*x, causal=True)):
        tensors = [x.clone().requires_grad_() for x in (q, k, v)]
        out, lse = call(*tensors, *rest)
        results.append((out, lse, *torch.autograd.grad(out.sum(), tensors)))
    assert all(torch.equal(one, other) for one, other in zip(*results, strict=True))


def test_meta_tensors_get_shapes():
    """On the device without numbers the operator says what would come back."""
    q, k, v = (x.to("meta") for x in heads_inputs("bfloat16", d_v=5))
    out, lse = flash_attention(q, k, v)
    assert (out.shape, out.dtype, out.device.type) == ((2, 4, 5, 5), torch.bfloat16, "meta")
    assert (lse.shape, lse.dtype) == ((2, 4, 5), torch.float32)


class LargestTensor(TorchDispatchMode):
    """Records the number of elements of the largest tensor that any operation returns."""

    def __init__(self):
        super().__init__()
        self.largest = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        """Run the operation, and look at what it returns."""
        result = function(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, (list, tuple)) else [result]:
            if isinstance(tensor, torch.Tensor):
                self.largest = max(self.largest, tensor.untyped_storage().nbytes() // tensor.element_size())
        return result


@contextmanager
def one_thread():
    """Compute in this thread alone."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def largest_tensor(n, is_causal, differentiate):
    """Elements of the largest tensor while n tokens attend to each other in 2 heads of 4 features."""
    q, k, v = heads_inputs("float32", 1, 2, 2, n, n, 4)
    with one_thread(), LargestTensor() as mode:  # which sees only what its own thread does
        out, lse = devices.forward_cpu(q, k, v, is_causal, None, None, None, None)
        if differentiate:
            devices.backward_tiles(q, k, v, out, lse, out, lse, is_causal, None, None, None, None)
    return mode.largest


@pytest.mark.parametrize("is_causal", [False, True])
@pytest.mark.parametrize("differentiate", [False, True])
def test_the_largest_tensor_does_not_grow_with_the_square(is_causal, differentiate):
    """From 2048 to 8192 tokens nothing outgrows two buffers of SCRATCH numbers, a 128th of the scores of the latter."""
    for n in (2048, 8192):
        assert largest_tensor(n, is_causal, differentiate) <= max(2 * cpu.SCRATCH, 2 * n * 4)


def test_the_test_above_can_fail():
    """Untiled attention is noticed."""
    q, k, v = heads_inputs("float32", 1, 2, 2, 2048, 2048, 4)
    with LargestTensor() as mode:
        torch.softmax(q @ k.mT, -1) @ v
    assert mode.largest == 2 * 2048**2


@pytest.fixture
def launch(monkeypatch):
    """A stand-in for the module that launches the CUDA kernels, with a record of its calls."""
    module = ModuleType("attn_core.flash.cuda.launch")
    module.calls = []
    module.missing = ""
    module.why_unavailable = lambda _device: module.missing
    module.forward = lambda *args, **kwargs: module.calls.append((args, kwargs)) or ("out", "lse")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(attn_core.flash.cuda, "launch", module, raising=False)
    return module


def test_cuda_tensors_go_to_the_launcher(launch):
    """With the scale filled in and the lengths contiguous; what comes back is returned as it is."""
    q, k, v = heads_inputs("float16")
    lengths = int32(6, 9, 2)[::2]
    assert devices.forward_cuda(q, k, v, True, None, lengths, None, None) == ("out", "lse")
    ((arguments, options),) = launch.calls
    assert all(x is y for x, y in zip(arguments, (q, k, v), strict=True))
    passed = options.pop("key_lengths")
    assert passed.is_contiguous()
    assert passed.tolist() == [6, 2]
    assert options == {"causal": True, "scale": 1 / 3**0.5, "cu_seqlens_q": None, "cu_seqlens_k": None}


def test_nothing_is_launched_for_nothing(launch):
    """Without queries or keys the answer is known."""
    out, lse = devices.forward_cuda(*heads_inputs("float16", m=0), False, None, None, None, None)
    assert not out.any()
    assert lse.isneginf().all()
    assert launch.calls == []


def test_cuda_without_kernels_is_an_error_and_no_fallback(launch):
    """The sentence is that of why_unavailable, also where there would be nothing to launch."""
    launch.missing = "torch finds no GPU."
    for m in (6, 0):
        tensors = heads_inputs("float16", m=m)
        assert message_of(RuntimeError, lambda t=tensors: devices.forward_cuda(*t, False, None, None, None, None)) == (
            "torch finds no GPU."
        )
    assert launch.calls == []


def test_other_value_sizes_are_for_the_cpu_only(launch):
    """The CUDA kernels have one head size."""
    tensors = heads_inputs("float16", d_v=5)
    assert message_of(ValueError, lambda: devices.forward_cuda(*tensors, False, None, None, None, None)) == (
        "flash_attention: v has d_v=5 in shape (2, 2, 6, 5), but q has d_k=3; "
        "the CUDA kernels need them equal, and only the CPU does not."
    )
    assert launch.calls == []


def test_both_operators_have_a_cuda_kernel():
    """The dispatcher knows them, on a machine without a GPU too."""
    for name in ("flash_attention", "flash_attention_backward"):
        assert torch._C._dispatch_has_kernel_for_dispatch_key(f"attn_core::{name}", "CUDA")
