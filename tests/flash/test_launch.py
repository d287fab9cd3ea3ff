"""What the driver is told, as far as a machine without a GPU can see it: a made-up driver writes every call down."""

import ctypes
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from recorded import SHIPPING, Driver, forward, ints, packed, tensors

from attn_core.flash.cuda import launch
from attn_core.flash.cuda.compiler import Compiled, CompileError
from attn_core.flash.cuda.kernels import STAGES, Problem
from attn_core.flash.cuda.params import Params


@pytest.fixture
def driver(monkeypatch):
    """A machine with one made-up H200 whose memory is the host's."""
    fake = Driver()
    monkeypatch.setitem(sys.modules, "cuda.bindings.driver", fake)
    monkeypatch.setattr(launch, "why_unavailable", lambda _=None: "")
    monkeypatch.setattr(launch, "_index", lambda _: 0)
    monkeypatch.setattr(launch, "_capability", lambda _: (9, 0))
    monkeypatch.setattr(launch, "_stream", lambda index: 7000 + index)
    monkeypatch.setattr(launch, "_functions", {})
    launch._context.cache_clear()
    fake.compiled = []

    def compiled(file, functions, architecture):
        fake.compiled.append((file.name, *functions, architecture))
        return Compiled(b"cubin", {name: f"mangled {name}" for name in functions}, "")

    monkeypatch.setattr(launch, "compile_kernels", compiled)
    yield fake
    launch._context.cache_clear()


def test_one_launch_with_its_grid_block_shared_memory_and_stream(driver):
    """As kernels.py plans it, on torch's current stream, in the device's primary context."""
    q, k, v = tensors()
    out, lse = forward(q, k, v, causal=True)
    problem = Problem("bfloat16", 128, 2, 8, 2, 300, 500, True)
    stage = next(stage for stage in STAGES if stage.name == "forward_4_pipeline")
    (planned,) = stage.launches(problem)
    ((function, *shape, stream, _address, extra),) = driver.named("cuLaunchKernel")
    assert shape == [*planned.grid, planned.threads, 1, 1, planned.shared_bytes]
    assert (stream, extra) == (7000, 0)
    assert (
        function
        == driver.named("cuFuncSetAttribute")[0][0]
        == f"cuModuleGetFunction {order(driver, 'cuModuleGetFunction')}"
    )
    assert driver.compiled == [("forward_4_pipeline.cu", planned.function, "sm_90a")]
    assert driver.named("cuModuleGetFunction")[0][1] == f"mangled {planned.function}".encode()
    assert (out.shape, out.dtype, lse.shape, lse.dtype) == (q.shape, q.dtype, (2, 8, 300), torch.float32)


def order(driver, name):
    """When this function was first called, counted from 1."""
    return 1 + [called for called, *_ in driver.calls].index(name)


def test_the_context_is_the_primary_one_and_is_put_back(driver):
    """Also where a launch fails: the thread is left as it was."""
    forward(*tensors())
    context = f"cuDevicePrimaryCtxRetain {order(driver, 'cuDevicePrimaryCtxRetain')}"
    assert driver.named("cuCtxPushCurrent") == [[context]]
    assert order(driver, "cuCtxPushCurrent") < order(driver, "cuModuleLoadData")
    assert driver.calls[-1] == ("cuCtxPopCurrent",)
    driver.fails["cuLaunchKernel"] = "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES"
    with pytest.raises(
        RuntimeError,
        match=r"^The CUDA driver answers cuLaunchKernel with CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES \(701\)\.$",
    ):
        forward(*tensors())
    assert driver.calls[-1] == ("cuCtxPopCurrent",)
    assert len(driver.named("cuDevicePrimaryCtxRetain")) == 1


def test_the_struct_by_value_holds_addresses_strides_and_sizes(driver):
    """Byte for byte what params.py fills in; the kernels' side of it is compared in the emulator's tests."""
    q, k, v = tensors()
    q = q.transpose(1, 2).contiguous().transpose(1, 2)  # (batch, row, head, feature) in memory
    lengths = ints(500, 17)
    out, lse = forward(q, k, v, scale=0.25, key_lengths=lengths)
    (p,) = driver.structs
    assert (p.q.data, p.k.data, p.v.data, p.out.data) == (q.data_ptr(), k.data_ptr(), v.data_ptr(), out.data_ptr())
    assert (p.q.batch, p.q.head, p.q.row) == (300 * 8 * 128, 128, 8 * 128)
    assert (p.k.batch, p.k.head, p.k.row) == (2 * 500 * 128, 500 * 128, 128)
    assert (p.out.batch, p.out.head, p.out.row) == (8 * 300 * 128, 300 * 128, 128)
    assert (p.lse, p.lse_batch, p.lse_head) == (lse.data_ptr(), 8 * 300, 300)
    assert (p.key_lengths, p.cu_queries, p.cu_keys) == (lengths.data_ptr(), None, None)
    assert (p.queries, p.keys, p.heads, p.group, p.scale) == (300, 500, 8, 4, 0.25)


def test_packed_sequences_are_launched_for_the_longest(driver):
    """lse is (heads, rows); the starts are passed on; the grid has one sequence per entry."""
    q, k, v = packed()
    starts_q, starts_k = ints(0, 3, 3, 10), ints(0, 1, 12, 12)
    out, lse = forward(q, k, v, cu_seqlens_q=starts_q, cu_seqlens_k=starts_k)
    (p,) = driver.structs
    assert (p.queries, p.keys) == (7, 11)
    assert (p.cu_queries, p.cu_keys) == (starts_q.data_ptr(), starts_k.data_ptr())
    assert (p.q.batch, p.q.head, p.q.row) == (0, 64, 4 * 64)
    assert (out.shape, lse.shape, p.lse_batch, p.lse_head) == (q.shape, (4, 10), 0, 10)
    assert driver.named("cuLaunchKernel")[0][1:4] == [1, 4, 3]


def test_the_naive_stage_gets_memory_for_its_scores_and_three_launches(driver):
    """In order, with the same struct."""
    q, k, v = tensors(torch.float32, n=20, m=30)
    forward(q, k, v, stage="forward_0_naive")
    assert [name for _, name, _ in driver.compiled] == [
        "scores<128, false>",
        "softmax<128, false>",
        "weigh<128, false>",
    ]
    assert len(driver.structs) == 3
    assert len({p.scores for p in driver.structs}) == 1
    assert driver.structs[0].scores
    assert driver.named("cuFuncSetAttribute") == []  # no shared memory beyond the default


def test_functions_are_loaded_once_per_device(driver, monkeypatch):
    """A second call only launches; another device compiles for itself."""
    for _ in range(3):
        forward(*tensors())
    assert len(driver.named("cuModuleLoadData")) == len(driver.compiled) == 1
    assert len(driver.named("cuLaunchKernel")) == 3
    monkeypatch.setattr(launch, "_index", lambda _: 1)
    monkeypatch.setattr(launch, "_capability", lambda _: (8, 9))
    forward(*tensors())
    assert driver.compiled[-1][-1] == "sm_89"
    assert driver.named("cuDeviceGet") == [[0], [1]]
    assert driver.named("cuLaunchKernel")[-1][8] == 7001


@pytest.mark.parametrize("dtype", SHIPPING)
@pytest.mark.parametrize("head_size", [64, 96, 128, 192, 256])
def test_every_shipping_kernel_is_found(driver, dtype, head_size):
    """By dtype and head size; its shared memory is asked for where it is more than a block has anyhow."""
    forward(*tensors(getattr(torch, dtype), d=head_size))
    ((name, _, _),) = driver.compiled
    assert name == f"{SHIPPING[dtype]}.cu"
    shared = driver.named("cuLaunchKernel")[0][7]
    assert [attribute for _, _, attribute in driver.named("cuFuncSetAttribute")] == [shared] * (shared > 48 * 1024)


def test_nothing_is_launched_where_there_is_nothing_to_compute(driver):
    """No batch, no queries or no heads: an empty result. No keys is a question for the kernel."""
    for sizes in ({"batch": 0}, {"n": 0}, {"heads": 0}):
        out, lse = forward(*tensors(**sizes))
        assert out.numel() == lse.numel() == 0
    assert driver.calls == []
    forward(*tensors(m=0))
    assert len(driver.structs) == 1
    empty = packed(total_q=0)
    assert forward(*empty, cu_seqlens_q=ints(0, 0), cu_seqlens_k=ints(0, 12))[1].shape == (4, 0)
    assert len(driver.structs) == 1


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda q, k, v: (q.transpose(-1, -2).contiguous().transpose(-1, -2), k, v), "the features of q must lie side by side"),
        (lambda q, k, v: (q, k, v[..., ::2]), "the features of v must lie side by side in memory: use v.contiguous()."),
        (lambda q, _, v: (q, torch.ones(2, 2, 500, 132).bfloat16()[..., :128], v), "every row of k must begin at a multiple of 16"),
        (lambda q, k, v: (torch.ones(q.numel() + 4).bfloat16()[4:].view(q.shape), k, v), "every row of q must begin at a multiple"),
        (lambda q, k, v: (q, k, v.half()), "q, k and v need 4 axes and one dtype, and k and v one shape, but: q (2, 8, 300, 128) bfloat16"),
        (lambda q, k, v: (q, k[0], v[0]), "k (2, 500, 128) bfloat16"),
        (lambda q, k, v: (q, k, v[:, :, :-1]), "v (2, 2, 499, 128) bfloat16."),
        (lambda q, k, v: (q[:, :7], k, v), "the heads of q must be a multiple of those of k."),
        (lambda q, k, v: (q, k[:, :0], v[:, :0]), "the heads of q must be a multiple of those of k."),
        (lambda q, k, v: (q[:1], k, v), "do not belong together: head size and batch must agree"),
        (lambda q, k, v: (q[..., :64].contiguous(), k, v), "q (2, 8, 300, 64) and k (2, 2, 500, 128) do not belong together"),
        (lambda q, k, v: (q.double(), k.double(), v.double()), "no CUDA kernel computes in float64"),
        (lambda *all_: tuple(t[..., :80].contiguous() for t in all_), "no CUDA kernel has head size 80"),
        (lambda q, k, v: (q.to("meta"), k, v), "all tensors must be on one device, but: q on meta, k on cpu, v on cpu."),
    ],
)  # fmt: skip
def test_tensors_that_no_kernel_takes_are_refused(driver, change, sentence):
    """In a sentence that says what to do, before anything is compiled."""
    with pytest.raises(ValueError, match=re.escape(sentence)):
        forward(*change(*tensors()))
    assert driver.calls == []


def test_axes_of_length_one_may_have_any_stride(driver):
    """torch gives them strides that mean nothing."""
    q = torch.ones(2 * 4 * 64 + 4).bfloat16().as_strided((1, 4, 2, 64), (3, 128, 64, 1))
    forward(q, torch.ones(1, 4, 2, 64).bfloat16(), torch.ones(1, 4, 2, 64).bfloat16())
    assert len(driver.structs) == 1


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
@pytest.mark.usefixtures("driver")
def test_the_scale_must_be_a_positive_number(scale):
    """The kernels multiply −∞ by it."""
    with pytest.raises(
        ValueError, match=rf"^flash_attention: scale is {scale}, but the CUDA kernels need a positive number; "
    ):
        forward(*tensors(), scale=scale)


@pytest.mark.parametrize(
    ("starts_q", "starts_k", "sentence"),
    [
        (ints(0, 10), None, "packed sequences need both cu_seqlens_q and cu_seqlens_k"),
        (None, ints(0, 12), "packed sequences need both cu_seqlens_q and cu_seqlens_k"),
        (ints(0, 9), ints(0, 12), "cu_seqlens_q must rise from 0 to the 10 rows there are, but it is [0, 9]."),
        (ints(0, 10), ints(1, 12), "cu_seqlens_k must rise from 0 to the 12 rows there are, but it is [1, 12]."),
        (ints(0, 7, 6, 10), ints(0, 4, 8, 12), "cu_seqlens_q must rise from 0 to the 10 rows there are, but it is [0, 7, 6, 10]."),
        (ints(0, 4, 10), ints(0, 12), "cu_seqlens_q tells of 2 sequences, but cu_seqlens_k of 1."),
        (ints(0, 10).long(), ints(0, 12), "cu_seqlens_q must be one contiguous axis of int32 numbers, but it is (2,) int64."),
        (ints(0, 0, 10, 10)[::2], ints(0, 12), "cu_seqlens_q must be one contiguous axis of int32 numbers"),
        (ints(), ints(0, 12), "cu_seqlens_q must be one contiguous axis of int32 numbers, but it is (0,) int32."),
    ],
)  # fmt: skip
def test_wrong_starts_of_sequences_are_refused(driver, starts_q, starts_k, sentence):
    """The kernel would read them as addresses."""
    with pytest.raises(ValueError, match=re.escape(sentence)):
        forward(*packed(), cu_seqlens_q=starts_q, cu_seqlens_k=starts_k)
    assert driver.calls == []


@pytest.mark.parametrize(
    ("lengths", "sentence"),
    [
        (ints(1, 501), "key_lengths must be between 0 and the 500 keys there are, but it is [1, 501]."),
        (ints(-1, 5), "key_lengths must be between 0 and the 500 keys there are, but it is [-1, 5]."),
        (ints(1), "key_lengths must be 2 int32 numbers, but it is (1,) int32."),
        (ints(1, 2).long(), "key_lengths must be 2 int32 numbers, but it is (2,) int64."),
    ],
)
def test_wrong_key_lengths_are_refused(driver, lengths, sentence):
    """A kernel would read beyond the keys."""
    with pytest.raises(ValueError, match=re.escape(sentence)):
        forward(*tensors(), key_lengths=lengths)
    with pytest.raises(ValueError, match="and have no key_lengths"):
        forward(*packed(), cu_seqlens_q=ints(0, 10), cu_seqlens_k=ints(0, 12), key_lengths=ints(12))
    assert driver.calls == []


def test_sizes_beyond_the_kernels_counters_and_the_grid_are_refused(driver):
    """Nothing of this size has to exist for that: tensors without memory."""
    row = torch.ones(1, 1, 1, 64, dtype=torch.bfloat16)
    with pytest.raises(
        ValueError,
        match=r"^flash_attention: the kernels count up to 1073741824 queries and keys, but there are 1 and 1073741825\.$",
    ):
        forward(row, *[row.expand(1, 1, 2**30 + 1, 64)] * 2)
    with pytest.raises(
        ValueError,
        match=r"^flash_attention: a launch has at most 65535 sequences, but this one needs 65536: split the batch\.$",
    ):
        forward(*[row.expand(65536, 1, 1, 64)] * 3)
    assert driver.calls == []


@pytest.mark.usefixtures("driver")
def test_a_stage_by_name_must_exist_and_fit(monkeypatch):
    """A benchmark asks for stages; a typing error or an old GPU is told."""
    with pytest.raises(
        ValueError, match=r"^flash_attention: there is no stage 'forward_9'; there are forward_0_naive, "
    ):
        forward(*tensors(), stage="forward_9")
    with pytest.raises(
        ValueError,
        match=r"^flash_attention: forward_3_tensor_cores is written for float16 and bfloat16 and head sizes 64, 128, but here are float32 and 128\.$",
    ):
        forward(*tensors(torch.float32), stage="forward_3_tensor_cores")
    monkeypatch.setattr(launch, "_capability", lambda _: (7, 5))
    with pytest.raises(
        ValueError,
        match=r"^flash_attention: forward_3_tensor_cores needs compute capability 8\.0, but this GPU has 7\.5\.$",
    ):
        forward(*tensors(), stage="forward_3_tensor_cores")


def test_what_the_compiler_refuses_reaches_the_caller_and_is_not_remembered(driver, monkeypatch):
    """The context is put back, and the next call tries again."""

    def refuse(*_):
        raise CompileError("forward_4_pipeline.cu cannot be compiled")

    working = launch.compile_kernels
    monkeypatch.setattr(launch, "compile_kernels", refuse)
    with pytest.raises(CompileError):
        forward(*tensors())
    assert driver.calls[-1] == ("cuCtxPopCurrent",)
    monkeypatch.setattr(launch, "compile_kernels", working)
    forward(*tensors())
    assert len(driver.structs) == 1


def test_architectures_have_the_compilers_names():
    """With the letter where the GPU has instructions of its own."""
    named = {(8, 0): "sm_80", (8, 9): "sm_89", (9, 0): "sm_90a", (10, 0): "sm_100a", (12, 0): "sm_120"}
    assert {capability: launch.architecture(capability) for capability in named} == named


SCRIPT = """
import os, sys, torch
from attn_core.flash.cuda import launch
launch.why_unavailable = lambda _=None: ""
launch._index, launch._capability, launch._stream = lambda _: 2, lambda _: (9, 0), lambda _: 7007
q, k = torch.ones(2, 4, 300, 192).bfloat16(), torch.ones(2, 2, 500, 192).bfloat16()
params = []
original = launch.make_params
launch.make_params = lambda *a, **named: params.append(original(*a, **named)) or params[0]
launch.forward(q, k, k, causal=True, scale=0.5)
print(bytes(params[0]).hex())
"""


def test_the_real_bindings_pass_everything_on(tmp_path):
    """cuda-bindings with a libcuda that writes down what arrives: sizes, stream, handles, and the struct byte for byte."""
    pytest.importorskip("cuda.core", reason="cuda-core is not installed: pip install 'attn-curriculum[gpu]'")
    compiler = shutil.which("cc") or pytest.skip("no C compiler is here to make the fake driver")
    library = tmp_path / "libcuda.so.1"
    source = Path(__file__).with_name("fake_driver.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-Wall", "-Werror", "-o", library, source], check=True)
    environment = {
        **os.environ,
        "LD_LIBRARY_PATH": str(tmp_path),
        "FAKE_DRIVER_LOG": str(tmp_path / "log"),
        "FAKE_DRIVER_BYTES": str(ctypes.sizeof(Params)),
        "ATTN_CUDA_CACHE": str(tmp_path / "cache"),
    }
    ran = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    (planned,) = STAGES[-1].launches(Problem("bfloat16", 192, 2, 4, 2, 300, 500, True))
    log = (tmp_path / "log").read_text().splitlines()
    assert [line for line in log if line.split()[0] != "cuModuleGetFunction"] == [
        "cuInit 0 0 0",
        "cuDevicePrimaryCtxRetain 7 0 0",
        "cuCtxPushCurrent 31 0 0",
        "cuModuleLoadData 1 0 0",
        f"cuFuncSetAttribute 51 8 {planned.shared_bytes}",
        f"cuLaunchKernel 51 {planned.shared_bytes} 7007",
        "grid {} {} {}".format(*planned.grid),
        f"block {planned.threads} 1 1",
        "extra 0 0 0",
        f"struct {ran.stdout.strip()}",
        "cuCtxPopCurrent 0 0 0",
    ]
