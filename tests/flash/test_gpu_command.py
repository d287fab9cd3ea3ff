"""The command behind `make gpu`, on a machine without a GPU: its parts with a made-up one."""

import json
import sys
import time
import timeit
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from attn_core.flash.cuda import emulator, launch
from attn_core.flash.cuda.kernels import STAGES
from benchmarks.gpu import __main__ as command
from benchmarks.gpu import correctness, speed
from benchmarks.gpu.correctness import Case

PIPELINE = next(stage for stage in STAGES if stage.name == "forward_4_pipeline")
REGISTERS = next(stage for stage in STAGES if stage.name == "forward_2_registers")
emulated = pytest.mark.skipif(bool(emulator.why_unavailable()), reason=emulator.why_unavailable() or "g++ is here")


# The grid, with the formula in the kernel's place


def by_formula(monkeypatch, change=lambda *results: results, **mistakes):
    """Let launch.forward be the formula in float32, with a mistake."""

    def forward(q, k, v, *, causal, scale, stage, key_lengths=None, cu_seqlens_q=None, cu_seqlens_k=None):
        assert stage
        scale *= mistakes.get("scale", 1)
        case = SimpleNamespace(ragged="packed" if cu_seqlens_q is not None else "")
        sizes = [(q.shape[-2], k.shape[-2])] * q.shape[0]
        if key_lengths is not None:
            sizes = [(q.shape[-2], m) for m in key_lengths.tolist()]
        if cu_seqlens_q is not None:
            sizes = list(zip(cu_seqlens_q.diff().tolist(), cu_seqlens_k.diff().tolist(), strict=True))
        out = torch.zeros_like(q)
        lse = torch.zeros(q.shape[:3] if q.ndim == 4 else (q.shape[1], q.shape[0]))
        data = correctness.Inputs(q, k, v, {}, sizes)
        for query, key, value, own, own_lse in correctness.sequences(case, data, out, lse):
            kept = key.shape[1] - mistakes.get("dropped", 0)
            results = correctness.formula(
                query.float() * scale * query.shape[-1] ** 0.5, key[:, :kept], value[:, :kept], causal, torch.float32
            )
            for target, result in zip((own, own_lse), change(*results), strict=True):
                target.copy_(result)
        return out, lse

    monkeypatch.setattr(launch, "forward", forward)


CASES = [
    Case(PIPELINE, "bfloat16", 64, (90, 70), True, group=2),
    Case(PIPELINE, "float16", 96, (40, 60), False, batch=3, ragged="lengths"),
    Case(REGISTERS, "float32", 64, (60, 40), True, batch=3, heads=4, group=2, ragged="packed"),
    Case(REGISTERS, "float32", 64, (33, 0), False),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_right_kernel_is_within_its_budget(monkeypatch, case):
    """Output and log-sum-exp, for every kind of call."""
    by_formula(monkeypatch)
    assert max(correctness.check(case, "cpu")) < 1


@pytest.mark.parametrize("case", CASES[:3], ids=str)
@pytest.mark.parametrize(
    "mistake",
    [
        {"scale": 1.1},
        {"dropped": 1},
        {"change": lambda out, lse: (out, lse / 0.6931)},
        {"change": lambda out, lse: (out, torch.where(lse.isinf(), 0, lse))},
        {"change": lambda out, lse: (out * 1.05, lse)},
        {"change": lambda out, lse: (out.roll(1, 1), lse)},
        {"change": lambda out, lse: (out.masked_fill(torch.arange(out.shape[1])[:, None] == 7, torch.nan), lse)},
        {"change": lambda out, lse: (out, lse.masked_fill(torch.arange(lse.shape[1]) == 7, torch.nan))},
    ],
    ids=["scale", "last key", "log2", "empty rows' lse", "5 %", "rows", "NaN", "NaN in lse"],
)
def test_a_wrong_kernel_is_over_its_budget(monkeypatch, case, mistake):
    """Each kind of mistake, in at least one of its numbers."""
    by_formula(monkeypatch, **mistake)
    assert max(correctness.check(case, "cpu")) > 1


def test_the_grid_has_every_stage_dtype_head_size_and_kind():
    """And FlashAttention's shapes for what ships."""
    grid = list(correctness.cases())
    assert len({str(case) for case in grid}) == len(grid)
    for stage in STAGES:
        own = [case for case in grid if case.stage is stage]
        assert {(c.dtype, c.head_size) for c in own} == {(d, s) for d in stage.dtypes for s in stage.head_sizes}
        assert {(c.causal, c.ragged) for c in own} == {(c, r) for c in (False, True) for r in ("", "lengths", "packed")}
        assert not stage.ships or {c.shape for c in own} >= set(correctness.SHAPES)
        assert stage in {case.stage for case in correctness.few_cases()}


# Speed


def setting(**changes):
    """One shape of the benchmark."""
    return speed.Setting(**{"config": "A", "dtype": "bfloat16", "head_size": 128, "heads": 16, "kv_heads": 16, "length": 8192, "causal": False, **changes})  # fmt: skip


def test_flops_are_those_of_the_two_products():
    """4 · 2 · 16 · 8192² · 128; half with a causal mask; the same for every configuration."""
    assert setting().flops == 4 * 2 * 16 * 8192**2 * 128
    assert setting(causal=True).flops == setting().flops / 2
    assert setting(head_size=64, heads=32, kv_heads=32).flops == setting().flops
    assert len(list(speed.settings())) == 20


def test_rows_have_medians_rates_and_the_ratio_to_the_fastest_backend():
    """Of what cannot be measured the reason."""
    times = {"forward_4_pipeline": 0.004, "SDPA cuDNN": 0.002, "SDPA math": 0.02}
    found = speed.rows(setting(), times, {"SDPA efficient": "No available kernel"})
    assert found[0] == {
        "config": "A", "dtype": "bfloat16", "head_size": 128, "heads": 16, "kv_heads": 16, "length": 8192, "causal": False,
        "name": "forward_4_pipeline", "milliseconds": 4.0, "tflops": 274.9, "of_best_backend": 0.5,
    }  # fmt: skip
    assert [row.get("of_best_backend") for row in found[1:]] == [1.0, 0.1, None]
    assert speed.rows(setting(), {"forward_4_pipeline": 0.004}, {})[0]["of_best_backend"] is None
    assert command.heading(found[0]) == "A: bfloat16, head size 128, heads 16/16, length 8192, full"
    assert command.line(found[0]).split() == [
        "forward_4_pipeline",
        "4.000",
        "ms",
        "274.9",
        "TFLOP/s",
        "0.50",
        "of",
        "the",
        "best",
        "back-end",
    ]
    assert command.line(found[3]).split() == ["SDPA", "efficient", "No", "available", "kernel"]


def test_calls_are_interleaved_and_slow_ones_are_few():
    """Turn by turn; what takes longer than a tenth of a second is measured three times."""
    order = []
    calls = {"fast": lambda: 0.01, "slow": lambda: 0.5}
    found = speed.seconds({name: (lambda n=name: order.append(n) or calls[n]()) for name in calls}, lambda call: call())
    assert order[:6] == ["fast", "slow"] * 3
    assert (len(found["fast"]), len(found["slow"])) == (speed.REPEATS, speed.FEW)


def test_a_backend_that_cannot_is_told_and_a_stage_that_fails_is_an_error(monkeypatch):
    """Memory may be too small for either; a kernel of ours that fails stops everything."""
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)

    def fail(error):
        def call():
            raise error

        return call

    calls = {
        "forward_4_pipeline": lambda: None,
        "forward_0_naive": fail(torch.cuda.OutOfMemoryError("CUDA out of memory")),
        "SDPA efficient": fail(RuntimeError("No available kernel. Aborting execution.")),
    }
    able, why = speed.able(calls)
    assert list(able) == ["forward_4_pipeline"]
    assert why == {"forward_0_naive": "does not fit into memory", "SDPA efficient": "No available kernel"}
    with pytest.raises(RuntimeError, match="misaligned"):
        speed.able({"forward_4_pipeline": fail(RuntimeError("misaligned address"))})


def test_every_contestant_is_called_on_the_same_tensors(monkeypatch):
    """On a CPU, where torch has two of its back-ends: grouped heads and a causal mask included."""
    monkeypatch.setattr(speed, "TOKENS", 128)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    by_formula(monkeypatch)
    monkeypatch.setattr(speed, "by_events", lambda call: timeit.timeit(call, number=1))
    on_cpu = speed.contestants
    monkeypatch.setattr(speed, "contestants", lambda shape: on_cpu(shape, "cpu"))
    for shape in (
        setting(length=64, kv_heads=2, heads=4, causal=True),
        setting(length=32, dtype="float32", heads=2, kv_heads=2),
    ):
        found = {row["name"]: row for row in speed.measure(shape)}
        written = {stage.name for stage in STAGES if shape.dtype in stage.dtypes and 128 in stage.head_sizes}
        assert set(found) == written | {"SDPA cuDNN", "SDPA flash", "SDPA efficient", "SDPA math"}
        assert {name for name, row in found.items() if "tflops" in row} >= written | {"SDPA math"}
        assert found["SDPA cuDNN"]["why_not"]
        calls = speed.contestants(shape)
        (name,) = written & {"forward_4_pipeline", "forward_2_registers"}
        assert torch.allclose(calls[name]()[0].float(), calls["SDPA math"]().float(), atol=0.02)


# The command


def test_without_a_gpu_it_says_why_and_ends_with_2(capsys, monkeypatch):
    """One sentence, no traceback."""
    monkeypatch.setattr(torch.version, "cuda", None)
    assert command.main([]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("torch ")
    assert said.err.count("\n") == 1


@pytest.fixture
def gpu(monkeypatch, tmp_path):
    """A made-up machine on which everything is right."""
    monkeypatch.setattr(launch, "why_unavailable", lambda: "")
    monkeypatch.setattr(command, "machine", lambda: {"gpu": "NVIDIA H200 (made up)", "date": "2026-12-01"})
    monkeypatch.setattr(command, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(command, "ROOT", tmp_path)
    right = {"said": "all right", "wrong": []}
    for name in ("wrappers", "grid", "determinism", "memcheck"):
        monkeypatch.setattr(command, name, lambda: right)
    monkeypatch.setattr(command, "speed", lambda: ([{"name": "forward_4_pipeline"}], 42.0))
    return tmp_path / "results" / "nvidia-h200-made-up.json"


def test_results_are_written_where_everything_is_right(gpu, capsys):
    """Machine, what was checked, speeds; `--check` measures nothing."""
    assert command.main(["--check"]) == 0
    assert not gpu.exists()
    assert command.main([]) == 0
    assert json.loads(gpu.read_text()) == {
        "machine": {"gpu": "NVIDIA H200 (made up)", "date": "2026-12-01"},
        "checks": dict.fromkeys(("wrappers", "grid", "determinism", "memcheck"), "all right"),
        "host_microseconds": 42.0,
        "speed": [{"name": "forward_4_pipeline"}],
    }
    assert "results/nvidia-h200-made-up.json written" in capsys.readouterr().out


def test_nothing_is_written_where_something_is_wrong(gpu, capsys, monkeypatch):
    """The lines say what; the exit code is 1."""
    monkeypatch.setattr(command, "grid", lambda: {"said": "1 wrong", "wrong": ["forward_4_pipeline 1×1: 3 times"]})
    assert command.main([]) == 1
    assert not gpu.exists()
    assert "WRONG:\nforward_4_pipeline 1×1: 3 times\n" in capsys.readouterr().err


def test_errors_and_failing_calls_are_gathered():
    """Over budget, not a number, refused; after the driver's error nothing more is tried."""

    def refuse():
        raise RuntimeError("it cannot be compiled")

    def crash():
        raise RuntimeError("The CUDA driver answers cuLaunchKernel with CUDA_ERROR_ILLEGAL_ADDRESS (700).")

    found = command.gather(
        {"a": lambda: 0.5, "b": lambda: 1.5, "c": lambda: float("nan"), "d": refuse, "e": crash, "f": refuse}
    )
    assert found["wrong"] == [
        "b: 1.5 times the error that is allowed",
        "c: nan times the error that is allowed",
        "d: it cannot be compiled",
        "e: The CUDA driver answers cuLaunchKernel with CUDA_ERROR_ILLEGAL_ADDRESS (700).",
    ]


def test_memcheck_is_read_by_its_exit_code(monkeypatch):
    """Not installed, right, wrong, too slow."""
    monkeypatch.setattr(command, "_sanitizer", lambda: None)
    assert command.memcheck()["said"].startswith("not done: compute-sanitizer is neither in a CUDA toolkit nor")
    monkeypatch.setattr(command, "_sanitizer", lambda: "compute-sanitizer")
    for result, said, wrong in (
        ((0, "fine"), "no error", []),
        ((9, "Invalid read\nof 16 bytes"), "exit code 9", ["memcheck: Invalid read", "memcheck: of 16 bytes"]),
        ((None, ""), "not finished after 100 s", []),
    ):
        monkeypatch.setattr(command, "within", lambda *_, result=result: result)
        assert command.memcheck() == {"said": said, "wrong": wrong}


def test_a_command_that_takes_too_long_is_ended_with_its_children():
    """A kernel that runs on would disturb the measurement."""
    grandchild = (
        "import subprocess, sys; child = subprocess.Popen(['sleep', '60']); print(child.pid, flush=True); child.wait()"
    )
    status, said = command.within([sys.executable, "-c", grandchild], 2.0)
    assert status is None
    state = Path(f"/proc/{int(said)}/stat")
    for _ in range(50):  # it may be there as a zombie until whoever adopted it looks
        if not state.exists() or state.read_text().split()[2] == "Z":
            return
        time.sleep(0.1)
    pytest.fail("the child of the child still runs")


def test_a_command_that_ends_is_read_whole():
    """Exit code and what it said."""
    assert command.within([sys.executable, "-c", "print('said'); raise SystemExit(9)"], 60) == (9, "said\n")


def test_a_gpus_name_becomes_a_files():
    """Whatever its maker writes into it."""
    assert command.slug("NVIDIA A100-SXM4-80GB") == "nvidia-a100-sxm4-80gb"
    assert command.slug("NVIDIA GeForce RTX 4090 (laptop)") == "nvidia-geforce-rtx-4090-laptop"


def test_what_the_numbers_depend_on_is_written_down(monkeypatch):
    """GPU, driver, versions, date and revision, as text."""
    card = SimpleNamespace(name="NVIDIA H200", major=9, minor=0, multi_processor_count=132, total_memory=139 * 2**30)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: card)
    monkeypatch.setattr(launch, "call", lambda name: {"cuDriverGetVersion": 13010}[name])
    monkeypatch.setattr(command.compiler, "versions", lambda: {"NVRTC": "13.0", "cuda-core": "1.2.2"})
    monkeypatch.setattr(command, "_driver_name", lambda: "590.1")
    found = command.machine()
    assert list(found) == [
        "gpu", "capability", "processors", "memory", "driver", "torch", "compiler", "bindings", "python", "date", "revision",
    ]  # fmt: skip
    assert all(isinstance(value, str) for value in found.values())
    assert (found["capability"], found["memory"], found["driver"]) == ("9.0", "139 GiB", "590.1, CUDA 13.1")
    assert found["compiler"] == "NVRTC 13.0, cuda-core 1.2.2"
