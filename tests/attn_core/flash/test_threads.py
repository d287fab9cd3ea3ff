"""Steps on all cores: each is computed once, alone in its thread, and the caller's settings are as before."""

import threading

import pytest
import torch
from flash_oracle import heads_inputs

from attn_core.flash import flash_attention
from attn_core.flash.threads import run_each

CPU = torch.device("cpu")


@pytest.fixture(params=[1, 2, 3])
def threads(request):
    """Torch with this many threads, and what it had before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("steps", [0, 1, 2, 10])
def test_every_step_is_computed_once(threads, steps):
    """With fewer steps than threads, as many, and more; each with one thread where there are several at work."""
    seen = []
    run_each(lambda step: seen.append((step, torch.get_num_threads())), range(steps), CPU)
    assert sorted(step for step, _ in seen) == list(range(steps))
    assert {count for _, count in seen} <= ({1} if min(threads, steps) > 1 else {threads})


def test_the_number_of_threads_is_left_alone(threads):
    """In this thread, and for threads to come."""
    run_each(lambda _: None, range(4), CPU)
    assert torch.get_num_threads() == threads
    later = []
    thread = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert later == [threads]


def test_an_error_comes_out_and_leaves_the_settings_alone(threads):
    """The first one, as it was raised."""

    def fail(step):
        raise LookupError(f"step {step}")

    with pytest.raises(LookupError, match=r"^step 0$"):
        run_each(fail, range(4), CPU)
    assert torch.get_num_threads() == threads


def test_another_device_gets_one_step_at_a_time(threads):
    """Its operations do not run on these threads."""
    names = set()
    run_each(
        lambda _: names.add((threading.current_thread().name, torch.get_num_threads())), range(4), torch.device("cuda")
    )
    assert names == {(threading.current_thread().name, threads)}


def test_any_number_of_threads_gives_the_same_bits(threads, monkeypatch):
    """With many small steps, forward and backward."""
    monkeypatch.setattr("attn_core.flash.cpu.ROWS", 2)
    monkeypatch.setattr("attn_core.flash.cpu.SCRATCH", 12)
    results = []
    for count in (1, threads):
        torch.set_num_threads(count)
        tensors = [x.requires_grad_() for x in heads_inputs("float32", n=9, m=7)]
        out, lse = flash_attention(*tensors, causal=True)
        results.append((out, lse, *torch.autograd.grad(out.sum(), tensors)))
    assert all(torch.equal(one, other) for one, other in zip(*results, strict=True))


@pytest.mark.usefixtures("threads")
def test_inference_mode_and_inputs_that_ask_for_gradients():
    """Both are settings of the caller's thread, and neither stops the others."""
    tensors = heads_inputs("float32", 4, 4, 4, 300, 600, 2)
    target = flash_attention(*tensors)[0]
    with torch.inference_mode():
        assert torch.equal(flash_attention(*tensors)[0], target)
    assert torch.equal(flash_attention(*(x.requires_grad_() for x in tensors))[0], target)
