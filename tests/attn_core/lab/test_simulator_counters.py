"""The block simulator: what is counted."""

# ruff: noqa: ARG001 - a kernel is called with all arrays, and may ignore some

import numpy as np
import pytest

from attn_core.lab.block_simulator import launch

# --- what is counted


def test_elements_are_counted_by_hand():
    """One number, a row, a slice with a step and a block of a matrix: 1 + 4 + 2 + 6 reads, 4 + 3 writes."""

    def kernel(thread, x, out):
        x[1, 2], x[2], x[0, 0:4:2], x[0:2, 1:4]
        out[0] = 1.0
        out[1, 1:] = 2.0

    report = launch(kernel, 1, 1, [np.zeros((3, 4))], [np.zeros((2, 4))])
    assert (report["x"].reads, report["x"].writes, report["out"].reads, report["out"].writes) == (13, 0, 0, 7)
    assert (report.global_reads, report.global_writes, report.global_bytes) == (13, 7, 160)
    assert (report["x"].bytes, report["x"].itemsize, report["x"].space) == (104, 8, "global")


def test_augmented_assignment_is_a_read_and_a_write():
    """As in hardware."""

    def kernel(thread, out):
        out[0] += 1.0

    report = launch(kernel, 1, 1, outputs=[np.zeros(1)])
    assert (report["out"].reads, report["out"].writes) == (1, 1)


def test_empty_slices_and_sizes_cost_nothing():
    """Looking at a shape is no access, and a slice of nothing reads nothing, at the end of an axis too."""

    def kernel(thread, x):
        assert x[3:3].size == 0
        assert x[8:].size == 0
        assert (len(x), x.shape, x.size) == (8, (8,), 8)

    assert launch(kernel, 1, 4, [np.zeros(8)]).global_reads == 0


def test_shared_accesses_are_counted_over_all_blocks_and_named_after_the_variable():
    """Each of 2 blocks of 3 threads writes 3 and reads 3 · 2."""

    def kernel(thread, x):
        mine = thread.shared((3, 2))
        mine[thread.index, 0], mine[thread.index, 1] = 0.0, 1.0
        yield
        mine[(thread.index + 1) % 3]

    report = launch(kernel, 2, 3, [np.zeros(1, np.float32)])
    assert (report["mine"].writes, report["mine"].reads) == (12, 12)
    assert (report.shared_writes, report.shared_reads, report.shared_bytes) == (12, 12, 24)
    assert (report["mine"].space, report["mine"].shape, report.global_reads) == ("shared", (3, 2), 0)


def test_an_array_has_the_name_that_the_kernel_gives_it_whoever_touches_it_first():
    """Also where a helper function calls it otherwise; a helper's name serves where the kernel has none."""

    def load(target, source, index):
        target[index] = source[index]

    def kernel(thread, x):
        mine = thread.shared(2)
        load(mine, x, thread.index)
        load(thread.shared(2), x, thread.index)

    assert [row.name for row in launch(kernel, 1, 2, [np.zeros(2)]).rows] == ["x", "mine", "target"]


@pytest.mark.parametrize(
    ("dtype", "stride", "extra"),
    [
        (np.float32, 1, 0),  # neighbours lie in different banks
        (np.float32, 2, 1),  # 64 elements apart at the end: banks 0, 2, … twice
        (np.float32, 32, 31),  # all in one bank
        (np.float32, 33, 0),  # the padding that everybody adds
        (np.float32, 0, 0),  # one element for all is a broadcast
        (np.float64, 1, 0),  # 8-byte elements go in two halves of a warp
        (np.float64, 16, 30),  # both halves all in one pair of banks
        (np.int16, 1, 0),  # two of them share a word, which is asked for once
    ],
)
def test_bank_conflicts_of_a_stride(dtype, stride, extra):
    """32 threads read elements that lie `stride` apart."""

    def kernel(thread, x):
        tile = thread.shared(32 * 33, dtype)
        if thread.index == 0:
            tile[:] = 0
        yield
        tile[thread.index * stride]

    report = launch(kernel, 1, 32, [np.zeros(1)])
    assert report.bank_conflicts == report["tile"].bank_conflicts == extra


def test_bank_conflicts_are_per_warp_per_access_and_per_epoch():
    """Two warps of 32 on one bank: 31 each; two accesses of a thread come one after the other; so do two epochs."""

    def kernel(thread, x):
        tile = thread.shared((64, 32), np.float32)
        tile[thread.index, 0] = 0.0  # column 0 is one bank: 31 + 31
        tile[thread.index, 1] = 0.0  # and again
        yield
        tile[thread.index, 0]  # and again, as reads

    assert launch(kernel, 1, 64, [np.zeros(1)]).bank_conflicts == 3 * 62
    assert launch(kernel, 2, 64, [np.zeros(1)]).bank_conflicts == 6 * 62  # blocks do not meet


def test_a_read_and_a_write_at_the_same_turn_are_not_one_access():
    """Half of a warp reads while the other half writes: 15 extra rounds each."""

    def kernel(thread, x):
        tile = thread.shared((64, 32), np.float32)
        tile[thread.index] = 0.0
        tile[32 + thread.index] = 0.0
        yield
        if thread.index < 16:
            tile[thread.index, 0]
        else:
            tile[32 + thread.index, 0] = 1.0

    def without_the_rest(thread, x):
        tile = thread.shared((64, 32), np.float32)
        tile[thread.index] = 0.0
        tile[32 + thread.index] = 0.0

    filling = launch(without_the_rest, 1, 32, [np.zeros(1)]).bank_conflicts
    assert launch(kernel, 1, 32, [np.zeros(1)]).bank_conflicts - filling == 15 + 15


@pytest.mark.parametrize(
    ("dtype", "stride", "transactions", "fewest"),
    [
        (np.float32, 1, 4, 4),
        (np.float64, 1, 8, 8),
        (np.float32, 2, 8, 4),
        (np.float32, 8, 32, 4),
        (np.float32, 0, 1, 4),
    ],
)
def test_transactions_of_a_stride(dtype, stride, transactions, fewest):
    """A warp reads 32 elements that lie `stride` apart, in pieces of 32 bytes."""

    def kernel(thread, x):
        x[thread.index * stride]

    report = launch(kernel, 1, 32, [np.zeros(256, dtype)])
    assert (report.transactions, report["x"].transactions, report["x"].fewest) == (transactions, transactions, fewest)
    assert report.bank_conflicts == 0


def test_reads_and_writes_of_a_thread_are_counted_apart():
    """Half of the threads write first: their first read is still taken together with that of the others."""

    def kernel(thread, out):
        if thread.index % 2 == 0:
            out[32 + thread.index] = 0.0
        out[thread.index]

    assert launch(kernel, 1, 32, outputs=[np.zeros(64, np.float32)]).transactions == 4 + 4


def test_a_row_per_thread_costs_more_transactions_than_a_row_per_warp():
    """The reason why kernels load tiles element by element: 8 rows of 8 float32, each a piece of its own."""

    def rows(thread, x):
        x[thread.index]

    def elements(thread, x):
        for place in range(thread.index, 64, 8):
            x[place // 8, place % 8]

    x = np.zeros((8, 8), np.float32)
    scattered, together = (launch(kernel, 1, 8, [x]) for kernel in (rows, elements))
    assert (scattered["x"].reads, together["x"].reads) == (64, 64)
    assert (scattered.transactions, together.transactions) == (64, 8)


def test_the_report_reads_as_a_table():
    """Names, shapes, counts and the totals."""

    def kernel(thread, x, out):
        kept = thread.shared(1)
        if thread.index == 0:
            kept[0] = x[0, 1]
        yield
        out[thread.index] = kept[0]

    report = launch(kernel, 1, 2, [np.ones((1, 2), np.float32)], [np.zeros(2, np.float32)])
    assert repr(report).splitlines() == [
        "kernel: 1 block of 2 threads, 1 barrier and 4 bytes of shared memory per block",
        "        array            shape     reads    writes       bytes",
        "global  x                  1×2         1         0           4",
        "global  out                  2         0         2           8",
        "shared  kept                 1         2         1          12",
        "global memory: 12 bytes in 2 transactions of 32 bytes (2 would do); bank conflicts: 0",
    ]
