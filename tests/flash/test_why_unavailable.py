"""Why the kernels cannot run: each thing that may be missing has its sentence."""

import re
import sys
import warnings

import pytest
import torch
from recorded import Driver, forward, tensors

from attn_core.flash.cuda import launch


@pytest.fixture
def machine(monkeypatch):
    """A machine with a GPU on which nothing is missing; each test takes one thing away."""
    fake = Driver()
    monkeypatch.setitem(sys.modules, "cuda.bindings.driver", fake)
    monkeypatch.setattr(launch, "_available", set())
    monkeypatch.setattr(launch, "versions", lambda: {"NVRTC": "13.0", "cuda-core": "1.2.2"})
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (9, 0))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "NVIDIA H200")
    return fake


@pytest.mark.parametrize("device", [None, 0, "cuda", "cuda:0", torch.device("cuda", 0)])
def test_nothing_is_missing(machine, device, monkeypatch):
    """However the GPU is named; a second look asks no driver."""
    assert launch.why_unavailable(device) == ""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: pytest.fail("asked again"))
    assert launch.why_unavailable(device) == ""
    assert machine.calls == [("cuDriverGetVersion",)]


@pytest.mark.usefixtures("machine")
def test_without_a_cuda_build_of_torch(monkeypatch):
    """The first thing that is needed."""
    monkeypatch.setattr(torch.version, "cuda", None)
    assert re.fullmatch(
        r"torch [\w.+]+ is built without CUDA\. On a machine with an NVIDIA GPU, install a build with CUDA: pytorch.org has "
        r"the command\.",
        launch.why_unavailable(),
    )


@pytest.mark.usefixtures("machine")
def test_without_a_gpu(monkeypatch):
    """What torch warns of is passed on, and is no warning any more."""

    def found():
        warnings.warn("The NVIDIA driver on your system is too old (found version 12000).", stacklevel=1)
        return False

    monkeypatch.setattr(torch.cuda, "is_available", found)
    assert launch.why_unavailable() == (
        "torch finds no GPU: `nvidia-smi` shows whether there is one and whether its driver works. torch says: The NVIDIA "
        "driver on your system is too old (found version 12000)."
    )
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert launch.why_unavailable().endswith("whether its driver works.")


@pytest.mark.usefixtures("machine")
def test_a_device_that_is_none():
    """A CPU, and a GPU that is not there."""
    assert launch.why_unavailable("cpu") == "cpu is no NVIDIA GPU: move the tensors with .to('cuda')."
    assert launch.why_unavailable("cuda:3") == "There is no GPU cuda:3: torch sees 1, counted from 0."


@pytest.mark.usefixtures("machine")
def test_a_gpu_that_is_too_old(monkeypatch):
    """Turing has no cp.async."""
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (7, 5))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Tesla T4")
    assert launch.why_unavailable() == (
        "Tesla T4 has compute capability 7.5; the kernels need 8.0 or newer (Ampere, 2020)."
    )


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ModuleNotFoundError("No module named 'cuda.core'"), "No module named 'cuda.core'"),
        (RuntimeError("Failure finding libnvrtc.so"), "Failure finding libnvrtc.so"),
    ],
)
@pytest.mark.usefixtures("machine")
def test_without_the_compiler(monkeypatch, error, reason):
    """A package is missing, or the library that it loads."""

    def missing():
        raise error

    monkeypatch.setattr(launch, "versions", missing)
    assert launch.why_unavailable() == (
        f"The kernels are compiled by NVRTC through cuda-core, and that cannot be loaded ({reason}): pip install "
        "'attn-curriculum[gpu]'."
    )


def test_versions_that_do_not_go_together(machine, monkeypatch):
    """cuda-core before its stable API; a driver before CUDA 13.0; a compiler that is newer than the driver."""
    machine.version = 12080
    assert launch.why_unavailable() == (
        "The NVIDIA driver knows CUDA up to 12.8; 13.0 is needed: update the driver to version 580 or newer."
    )
    machine.version = 13000
    monkeypatch.setattr(launch, "versions", lambda: {"NVRTC": "14.0", "cuda-core": "1.2.2"})
    assert launch.why_unavailable() == (
        "NVRTC 14.0 is newer than the driver, which knows CUDA 13.0: pip install 'attn-curriculum[gpu]'."
    )
    monkeypatch.setattr(launch, "versions", lambda: {"NVRTC": "13.0", "cuda-core": "0.3.2"})
    assert launch.why_unavailable() == "cuda-core 0.3.2 is too old, 1.0 is needed: pip install 'attn-curriculum[gpu]'."
    machine.fails["cuDriverGetVersion"] = "CUDA_ERROR_STUB_LIBRARY"
    monkeypatch.setattr(launch, "versions", lambda: {"NVRTC": "13.0", "cuda-core": "1.0.0"})
    assert launch.why_unavailable() == (
        "The NVIDIA driver cannot be loaded (The CUDA driver answers cuDriverGetVersion with CUDA_ERROR_STUB_LIBRARY (701).)."
    )


def test_forward_says_what_is_missing():
    """On this machine, whatever it lacks; never a result by another way."""
    why = launch.why_unavailable("cpu")
    with pytest.raises(RuntimeError, match=f"^{re.escape(why)}$"):
        forward(*tensors())
