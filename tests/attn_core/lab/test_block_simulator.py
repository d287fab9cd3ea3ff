"""The block simulator: what is computed, and attention as a whole."""

# ruff: noqa: ARG001 - a kernel is called with all arrays, and may ignore some

import doctest
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from simulated import ORDERS, fault, says

from attn_core.lab import block_simulator
from attn_core.lab.block_simulator import launch
from attn_core.lab.simulator.faults import KINDS

# --- what is computed


def test_the_examples_of_the_docstring_are_true():
    """The module's own examples, which the lecture and learners start from."""
    outcome = doctest.testmod(block_simulator)
    assert (outcome.failed, outcome.attempted) == (0, 9)


@pytest.mark.parametrize("order", ORDERS)
def test_every_thread_of_every_block_runs_once_and_knows_where_it_is(order):
    """Position is block · threads + index, whatever the order."""
    seen = np.zeros((3, 4, 5))

    def kernel(thread, seen):
        seen[thread.block, thread.index] = [thread.position, thread.index, thread.block, thread.threads, thread.blocks]

    launch(kernel, blocks=3, threads=4, outputs=[seen], order=order)
    for block, index in np.ndindex(3, 4):
        assert seen[block, index].tolist() == [block * 4 + index, index, block, 4, 3]


@pytest.mark.parametrize("order", ORDERS)
def test_a_barrier_lets_everybody_see_what_was_written_before_it(order):
    """A tree reduction: log2 steps with a barrier each."""

    def total(thread, x, sums):
        part = thread.shared(thread.threads)
        part[thread.index] = x[thread.position]
        half = thread.threads // 2
        while half:
            yield
            if thread.index < half:
                part[thread.index] += part[thread.index + half]
            half //= 2
        if thread.index == 0:
            sums[thread.block] = part[0]

    x, sums = np.random.default_rng(0).normal(size=32), np.zeros(4)
    report = launch(total, blocks=4, threads=8, inputs=[x], outputs=[sums], order=order)
    np.testing.assert_allclose(sums, x.reshape(4, 8).sum(1), rtol=1e-14)
    assert report.barriers == 3


def test_threads_take_turns_in_the_order_that_was_asked_for():
    """First in, last in, and a seed that gives the same order again and others than another seed."""

    def turns(order):
        done = []
        launch(lambda thread: done.append((thread.block, thread.index)), blocks=2, threads=6, order=order)
        return done

    first = [(block, index) for block in range(2) for index in range(6)]
    assert turns("first-in") == first
    assert turns("last-in") == first[::-1]
    assert turns(3) == turns(3)
    assert sorted(turns(3)) == first
    assert len({tuple(turns(seed)) for seed in range(6)}) == 6


def test_a_random_order_is_drawn_anew_after_every_barrier():
    """So a kernel that leans on one order does not get it twice."""
    done = []

    def kernel(thread):
        for _ in range(5):
            done.append(thread.index)
            yield

    launch(kernel, blocks=1, threads=6, order=0)
    rounds = [tuple(done[i : i + 6]) for i in range(0, 30, 6)]
    assert len(set(rounds)) == 5
    assert all(sorted(r) == list(range(6)) for r in rounds)


def test_blocks_do_not_see_each_others_shared_memory():
    """Every block has its own, and nothing in it."""

    def kernel(thread, out):
        own = thread.shared(1)
        if thread.block:
            own[0] = thread.block
        out[thread.block] = own[0]

    error = fault(kernel, blocks=2, threads=1, order="last-in", inputs=[], outputs=[np.zeros(2)])
    says(error, "never written: thread 0 of block 0 reads own[0]")


def test_shared_memory_has_the_dtype_of_the_first_array_or_the_one_that_is_asked_for():
    """So a kernel computes in the precision of its inputs, and counts bytes accordingly."""

    def kernel(thread, x, out):
        like, whole = thread.shared(2), thread.shared((1, 2), np.int32)
        like[0], whole[0, 1] = 0.1, 7.9
        out[0], out[1] = like[0], whole[0, 1]
        assert (like.dtype, whole.dtype, len(like), whole.shape, whole.size) == (x.dtype, np.int32, 2, (1, 2), 2)

    for dtype, size in ((np.float32, 16), (np.float64, 24)):
        out = np.zeros(2)
        report = launch(kernel, 1, 1, [np.zeros(1, dtype)], [out])
        assert out.tolist() == [float(dtype(0.1)), 7.0]
        assert report.shared_bytes == size


def test_what_is_read_is_a_copy():
    """Registers: changing them changes no memory."""

    def kernel(thread, x, out):
        row = x[0]
        row += 1.0
        out[0] = row
        kept = out[0]
        out[0] = 2 * kept
        out[1] = kept

    x, out = np.ones((1, 2)), np.zeros((2, 2))
    launch(kernel, 1, 1, [x], [out])
    assert x.tolist() == [[1, 1]]
    assert out.tolist() == [[4, 4], [2, 2]]


def test_a_kernel_without_a_barrier_need_not_be_a_generator():
    """Nothing has to be yielded where nothing is shared."""

    def double(thread, x, out, factor):
        if thread.position < len(x):
            out[thread.position] = factor * x[thread.position]

    out = np.zeros(7)
    report = launch(double, blocks=2, threads=4, inputs=[np.arange(7.0)], outputs=[out], factor=3)
    assert out.tolist() == [0, 3, 6, 9, 12, 15, 18]
    assert (report.barriers, report.shared_bytes) == (0, 0)


def test_barriers_may_stand_in_a_function_that_the_kernel_yields_from():
    """The place of a barrier is the line in the innermost function."""

    def both(thread, out):
        def wait():
            yield

        def wait_elsewhere():
            yield

        yield from wait()
        yield from wait() if thread.index else wait_elsewhere()

    error = fault(both, inputs=[], outputs=[np.zeros(1)])
    says(error, "waits at one barrier (line", "of wait_elsewhere", "and thread 1 at another (line", "of wait,")


# --- as a whole


def naive(thread, q, k, v, out):
    """One thread per query, everything from global memory."""
    i, scale = thread.position, math.sqrt(q.shape[1])
    if i < len(q):
        scores = [q[i] @ k[j] / scale for j in range(len(k))]
        weights = [math.exp(score - max(scores)) for score in scores]
        out[i] = sum(w * v[j] for j, w in enumerate(weights)) / sum(weights)


def tiled(thread, q, k, v, out, tile):
    """The same with tiles that a block shares."""
    n, m, d = len(q), len(k), q.shape[1]
    k_tile, v_tile = thread.shared((tile, d)), thread.shared((tile, v.shape[1]))
    i, top, total, mixed = thread.position, -math.inf, 0.0, 0.0
    query = q[i] / math.sqrt(d) if i < n else None
    for start in range(0, m, tile):
        rows = min(tile, m - start)
        for row in range(thread.index, rows, thread.threads):
            k_tile[row], v_tile[row] = k[start + row], v[start + row]
        yield
        for row in range(rows if i < n else 0):
            score = query @ k_tile[row]
            old, top = top, max(top, score)
            total = total * math.exp(old - top) + math.exp(score - top)
            mixed = mixed * math.exp(old - top) + math.exp(score - top) * v_tile[row]
        yield
    if i < n:
        out[i] = mixed / total


@pytest.mark.parametrize(("n", "m", "threads", "tile"), [(1, 1, 1, 1), (5, 7, 2, 3), (6, 6, 3, 2), (4, 3, 8, 5)])
def test_attention_is_right_and_its_traffic_is_the_formula(n, m, threads, tile):
    """Tiled, a block reads K and V once; naive, every thread does."""
    d, d_v, blocks = 3, 2, -(-n // threads)
    rng = np.random.default_rng(0)
    q, k, v = rng.normal(size=(n, d)), rng.normal(size=(m, d)), rng.normal(size=(m, d_v))
    scores = np.exp(q @ k.T / math.sqrt(d))
    right = scores @ v / scores.sum(1, keepdims=True)
    for order in ORDERS:
        out = np.full((n, d_v), np.nan)
        report = launch(tiled, blocks, threads, [q, k, v], [out], order=order, tile=tile)
        np.testing.assert_allclose(out, right, rtol=1e-12)
        assert [report[x].reads for x in "qkv"] == [n * d, blocks * m * d, blocks * m * d_v]
        assert (report["out"].writes, report.global_writes) == (n * d_v, n * d_v)
        assert report["k_tile"].writes == blocks * m * d
        assert report["k_tile"].reads == n * m * d
        assert report.barriers == 2 * -(-m // tile)
        out = np.full((n, d_v), np.nan)
        report = launch(naive, blocks, threads, [q, k, v], [out], order=order)
        np.testing.assert_allclose(out, right, rtol=1e-12)
        assert [report[x].reads for x in "qkv"] == [n * m * d, n * m * d, n * m * d_v]


def test_every_kind_of_fault_is_raised_here():
    """The list of kinds is the list of what is tested."""
    names = ("block_simulator", "simulator_races", "simulator_faults")
    source = "".join(Path(__file__).with_name(f"test_{name}.py").read_text(encoding="utf-8") for name in names)
    assert [kind for kind in KINDS if f'"{kind}' not in source] == []


def test_the_simulator_imports_nothing_but_numpy_and_lab():
    """It lies on the learner's side of the wall."""
    code = (
        "import sys, attn_core.lab.block_simulator\n"
        "print(sorted(m for m in sys.modules if m.startswith('attn_core') and not m.startswith('attn_core.lab')),"
        " 'torch' in sys.modules)"
    )
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert seen.strip() == "['attn_core'] False"
