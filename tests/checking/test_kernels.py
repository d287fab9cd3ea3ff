"""A task whose function is a kernel: something of attn_core.lab calls it, here as in the player, and its faults are told apart."""

import math

import numpy as np
import pytest

from attn_core.lab.simulator.attention import run_attention, shared_bytes
from autograder.checking.diagnose import report
from autograder.checking.engine import Local
from autograder.checking.probe import Request, observe
from autograder.checking.report import State
from autograder.checking.task import Task, load
from autograder.tasks.kernel_parts import kernel, mistaken

RUN = "attn_core.lab.simulator.attention:run_attention"
TASK = load("15_flash")["flash.kernel"]


def stub(thread, q, k, v, out, lse, tile):
    """What learners get."""
    raise NotImplementedError


def arrays(n=5, m=7, d=3, d_v=2, dtype=np.float64):
    """Queries, keys and values."""
    rng = np.random.default_rng(0)
    return tuple(rng.normal(size=shape).astype(dtype) for shape in ((n, d), (m, d), (m, d_v)))


@pytest.mark.parametrize("order", ["first-in", "last-in", 0, 1])
@pytest.mark.parametrize(("threads", "tile"), [(1, 1), (2, 3), (4, 2), (5, 7), (8, 9)])
@pytest.mark.parametrize("function", [TASK.reference, kernel], ids=["reference", "parts"])
def test_both_kernels_of_the_task_are_attention(function, threads, tile, order):
    """The answer key, and the kernel that mistakes are made from, against the formula."""
    q, k, v = arrays()
    out, lse, traffic = run_attention(function, q, k, v, threads, tile, order)
    exp = np.exp(q @ k.T / math.sqrt(3))
    np.testing.assert_allclose(out, exp @ v / exp.sum(1, keepdims=True), rtol=1e-13)
    np.testing.assert_allclose(lse, np.log(exp.sum(1)), rtol=1e-13, atol=1e-14)
    blocks = -(-5 // threads)
    assert traffic == f"elements read: q 15, k {21 * blocks}, v {14 * blocks}; written: out 10, lse 5"


def test_the_worked_example_of_the_assignment():
    """Two queries, two keys, tiles of one."""
    out, lse, traffic = run_attention(TASK.reference, np.eye(2), np.eye(2), np.eye(2), 2, 1)
    np.testing.assert_allclose(out, [[0.6698, 0.3302], [0.3302, 0.6698]], atol=5e-5)
    np.testing.assert_allclose(lse, [1.1079, 1.1079], atol=5e-5)
    assert traffic == "elements read: q 4, k 4, v 4; written: out 4, lse 2"


def test_there_is_room_for_two_tiles_of_each_and_a_row_per_thread():
    """In bytes; one element more is too much."""
    assert shared_bytes(threads=2, tile=3, d=4, d_v=5, itemsize=4) == 8 * 9 * 4

    def greedy(thread, q, k, v, out, lse, tile, more=0):
        thread.shared((2 * tile + thread.threads) * 5 + more)

    asked = Request((*arrays(), 2, 3, "first-in"), through=RUN)
    assert observe(greedy, asked).crash is None
    crash = observe(lambda *inputs, **tile: greedy(*inputs, **tile, more=1), asked).crash
    assert crash.message.startswith("too much shared memory: with an array of shape (41,)")


def test_results_have_the_dtype_of_the_inputs_and_what_is_not_written_is_nan():
    """Whatever the kernel does."""
    q, k, v = arrays(dtype=np.float32)
    out, lse, traffic = run_attention(lambda thread, *_, **__: None, q, k, v, 2, 2)
    assert (out.dtype, out.shape, lse.dtype, lse.shape) == (np.float32, (5, 2), np.float32, (5,))
    assert np.isnan(out).all()
    assert np.isnan(lse).all()
    assert traffic == "elements read: none; written: none"


def test_a_stub_is_not_attempted():
    """Its error comes through the simulator."""
    assert report(TASK, Local(stub)).state is State.NOT_ATTEMPTED


def test_a_fault_is_a_crash_with_its_sentence_and_the_line_once():
    """The simulator's frames are no lines of the learner's, and the sentence names the line already."""

    def outside(thread, q, k, v, out, lse, tile):
        out[thread.position] = v[tile]

    crash = observe(outside, Request((*arrays(), 2, 7, "first-in"), through=RUN)).crash
    assert (crash.kinds[0], crash.line, crash.number) == ("KernelFault", "", 0)
    assert str(crash).count("out[thread.position] = v[tile]") == 1
    assert str(crash).startswith("KernelFault: out of bounds: thread 0 of block 0 reads v[7], but v has shape (7, 2)")


def test_any_other_error_in_a_kernel_shows_the_learners_line():
    """Not one of the simulator's."""

    def fails(thread, q, k, v, out, lse, tile):
        yield
        out[thread.position] = q[0] @ v[0]  # this very line

    crash = observe(fails, Request((*arrays(), 2, 7, "first-in"), through=RUN)).crash
    assert crash.kinds[0] == "ValueError"
    assert crash.line == "out[thread.position] = q[0] @ v[0]  # this very line"


def test_two_faults_on_the_same_inputs_are_not_the_same_mistake():
    """Threads without a query that end early, or read behind the last query: both stop where the last block is not full."""
    ends, reads = (report(TASK, Local(mistaken(idle=idle))) for idle in ("end", "read"))
    assert ends.state is reads.state is State.CRASHED
    assert ends.mistake == "lets threads without a query end before the barriers"
    assert reads.mistake == "reads a query behind the last one"


def test_a_task_without_a_caller_is_called_as_before():
    """`through` is empty for every task of functions."""
    assert Task("a.b", reference=stub, kind="np", hints=("", "", ""), lecture="x").through == ""
    assert observe(lambda x: x + 1, Request((1,))).value == 2
