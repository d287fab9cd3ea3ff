"""A part of `make gpu` as tests, for a machine with a GPU; elsewhere they are skipped, with the reason."""

import threading

import pytest
import torch

from attn_core.flash.cuda import emulator, launch
from attn_core.flash.cuda.kernels import STAGES
from benchmarks.gpu import conformance, correctness

WHY = launch.why_unavailable()
pytestmark = pytest.mark.skipif(bool(WHY), reason=WHY or "a GPU is here")


def inputs(**options):
    """q, k and v on the GPU."""
    torch.manual_seed(0)
    return [torch.randn(2, 4, 200, 128, device="cuda", dtype=torch.bfloat16, **options) for _ in range(3)]


def forward(*tensors):
    """The shipping kernel, causal."""
    return launch.forward(*tensors, causal=True, scale=0.1)


@pytest.mark.skipif(bool(emulator.why_unavailable()), reason=emulator.why_unavailable() or "g++ is here")
def test_every_wrapper_does_what_its_twin_does():
    """Else what the emulator says of a kernel says nothing about the GPU."""
    assert conformance.compare() == []


@pytest.mark.parametrize("case", [*correctness.few_cases(), *list(correctness.cases())[::23]], ids=str)
def test_a_stage_is_right(case):
    """A part of the grid against float64."""
    assert max(correctness.check(case)) <= 1


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_every_call_gives_the_same(stage):
    """Bit by bit, on two streams."""
    assert correctness.differs(stage) == ""


def test_another_thread_launches_as_well():
    """It has no context of its own at first, as the threads of torch's autograd."""
    tensors, found = inputs(), []
    thread = threading.Thread(target=lambda: found.append(forward(*tensors)))
    thread.start()
    thread.join()
    assert torch.equal(found[0][0], forward(*tensors)[0])


def test_a_call_can_be_captured_in_a_cuda_graph():
    """The dense form waits for nothing and launches on the current stream only."""
    q, k, v = inputs()
    forward(q, k, v)  # compiled and loaded before
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        out, lse = forward(q, k, v)
    q.copy_(torch.randn_like(q))
    graph.replay()
    torch.cuda.synchronize()
    expected = forward(q, k, v)
    assert torch.equal(out, expected[0])
    assert torch.equal(lse, expected[1])


def test_the_operator_runs_the_kernel_and_has_gradients():
    """The public face, against itself on the CPU in float64."""
    from attn_core.flash import flash_attention

    q, k, v = (tensor.float().requires_grad_() for tensor in inputs())
    out, lse = flash_attention(q, k, v, causal=True)
    (out.sum() + lse.sum()).backward()
    exact = [tensor.detach().double().cpu().requires_grad_() for tensor in (q, k, v)]
    exact_out, exact_lse = flash_attention(*exact, causal=True)
    (exact_out.sum() + exact_lse.sum()).backward()
    for found, right in (
        (out, exact_out),
        (lse, exact_lse),
        *((a.grad, b.grad) for a, b in zip((q, k, v), exact, strict=True)),
    ):
        assert torch.allclose(found.detach().double().cpu(), right.detach(), rtol=1e-4, atol=1e-4)


def test_a_tensor_elsewhere_and_a_slice_are_refused():
    """No copy is made in silence."""
    q, k, v = inputs()
    with pytest.raises(ValueError, match=r"q on cuda:0, k on cpu, v on cuda:0"):
        forward(q, k.cpu(), v)
    with pytest.raises(ValueError, match=r"features of k must lie side by side"):
        forward(q, k.mT.contiguous().mT, v)
