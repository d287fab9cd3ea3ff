"""The block simulator: faults of an index, races between threads and blocks."""

# ruff: noqa: ARG001 - a kernel is called with all arrays, and may ignore some

import numpy as np
import pytest
from simulated import ORDERS, fault, says

from attn_core.lab.block_simulator import launch

# --- faults of an index


@pytest.mark.parametrize(
    ("access", "sentence"),
    [
        (lambda x: x[8], "reads x[8], but x has shape (8,): its indexes go from 0 to 7"),
        (lambda x: x[-1], "reads x[-1], but"),
        (lambda x: x[np.int64(8)], "reads x[8], but"),
        (lambda x: x[4:9], "reads x[4:9], but"),
        (lambda x: x[-2:], "reads x[-2:], but"),
        (lambda x: x[9:9], "reads x[9:9], but"),
        (lambda x: x[:-1], "reads x[:-1], but"),
        (lambda x: x[7:0:-1], "reads x[7:0:-1], but"),
    ],
)
def test_reads_outside_are_faults_where_numpy_would_wrap_or_cut(access, sentence):
    """Negative indexes and slices past the end too."""

    def kernel(thread, x, out):
        access(x)

    error = fault(kernel)
    assert error.kind == "out of bounds"
    says(error, "thread 0 of block 0 ", sentence)


def test_a_write_outside_names_axis_and_line():
    """The sentence holds all that is needed to find the bug."""

    def kernel(thread, x, out):
        out[thread.index, 2] = 1.0  # the third of two columns

    says(fault(kernel, outputs=[np.zeros((4, 2))]), "thread 0 of block 0 writes out[0, 2], but")
    error = fault(kernel, outputs=[np.zeros((4, 2))], order="last-in")
    assert error.kind == "out of bounds"
    says(
        error,
        "thread 3 of block 0 writes out[3, 2], but out has shape (4, 2): its indexes along axis 1 go from 0 to 1",
        f"(line {kernel.__code__.co_firstlineno + 1} of kernel, `out[thread.index, 2] = 1.0  # the third of two columns`)",
    )


def test_the_last_thread_of_a_grid_without_a_guard_is_out_of_bounds():
    """The commonest of all: more threads than elements."""

    def kernel(thread, x, out):
        out[thread.index] = x[thread.position]

    error = fault(kernel, blocks=1, threads=4, inputs=[np.zeros(3)])
    says(error, "thread 3 of block 0 reads x[3], but x has shape (3,)")


@pytest.mark.parametrize(
    ("access", "sentence"),
    [
        (lambda x: x[1.0], "a whole number or a slice, not a float"),
        (lambda x: x[True], "not a bool"),
        (lambda x: x[[0, 1]], "not a list"),
        (lambda x: x[..., 0], "not a ellipsis"),
        (lambda x: x[0, 0], "but x has only 1 axis"),
        (lambda x: list(x), "hands x to a loop over it"),
        (lambda x: np.exp(x), "TypeError"),
        (lambda x: np.asarray(x), "hands x to NumPy's functions"),
        (lambda x: np.ones(8) @ x, "TypeError"),
        (lambda x: x + 1, "TypeError"),
    ],
)
def test_an_array_in_memory_is_not_an_array_of_numpy(access, sentence):
    """What would read it in secret is refused."""

    def kernel(thread, x, out):
        access(x)

    if sentence == "TypeError":
        with pytest.raises(TypeError):
            launch(kernel, 1, 1, [np.zeros(8)], [np.zeros(1)])
        return
    error = fault(kernel)
    assert error.kind == "not an index"
    says(error, sentence)


def test_inputs_are_read_only():
    """Other blocks may still want them."""
    x = np.arange(8.0)

    def kernel(thread, x, out):
        x[thread.index] = 1.0

    error = fault(kernel, inputs=[x])
    assert error.kind == "read-only"
    says(error, "thread 0 of block 0 writes x[0], but x is an input (line")
    assert x.tolist() == list(range(8))


# --- races


def missing_after_loading(thread, x, out):
    """Reads what its neighbour loads."""
    s = thread.shared(thread.threads)
    s[thread.index] = x[thread.index]
    out[thread.index] = s[(thread.index + 1) % thread.threads]


def missing_before_overwriting(thread, x, out):
    """Loads the next while its neighbour may still read."""
    s = thread.shared(thread.threads)
    for start in (0, thread.threads):
        s[thread.index] = x[start + thread.index]
        yield
        out[thread.index] = s[(thread.index + 1) % thread.threads]


def all_write_one(thread, x, out):
    """Nobody knows whose value stays."""
    s = thread.shared(1)
    s[0] = x[thread.index]


def two_write_one_output(thread, x, out):
    """The same in global memory."""
    out[thread.index // 2] = 1.0


def reads_the_neighbours_output(thread, x, out):
    """A barrier would help here: they are of one block."""
    out[thread.index] = x[thread.index]
    if thread.index:
        out[thread.index - 1]


def one_loads_for_all(thread, x, out):
    """The others only read."""
    s = thread.shared(1)
    if thread.index == 0:
        s[0] = x[0]
    out[thread.index] = s[0]


def sums_without_barriers(thread, x, out):
    """Every thread reads and writes, and the next step needs what the others have written."""
    s = thread.shared(thread.threads)
    s[thread.index] = x[thread.index]
    yield
    if thread.index < 2:
        s[thread.index] += s[thread.index + 2]
    if thread.index < 1:
        s[thread.index] += s[thread.index + 1]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    ("kernel", "kind", "words"),
    [
        (missing_after_loading, "read too early", "may read before thread"),
        (missing_before_overwriting, "overwritten too early", "has read the old one"),
        (one_loads_for_all, "read too early", "reads s[0], which thread 0 writes"),
        (sums_without_barriers, "read too early", "thread 0 of block 0 reads s[1], which thread 1 writes"),
        (all_write_one, "two writers", "both write s[0], and no barrier stands between"),
        (two_write_one_output, "two writers", "both write out["),
        (reads_the_neighbours_output, "read too early", "of block 0 reads out["),
    ],
)
def test_a_race_is_found_under_every_order(kernel, kind, words, order):
    """Although the threads ran one after the other, and the numbers were often right."""
    error = fault(kernel, order=order)
    assert error.kind == kind
    says(error, words, "line ", "of block 0")


def test_a_race_names_both_threads_the_element_and_both_lines():
    """The whole sentence."""
    error = fault(missing_after_loading, threads=2)
    first = missing_after_loading.__code__.co_firstlineno
    assert str(error) == (
        "read too early: thread 0 of block 0 reads s[1], which thread 1 writes, and no barrier stands between "
        f"(line {first + 4} of missing_after_loading, `out[thread.index] = s[(thread.index + 1) % thread.threads]` and "
        f"line {first + 3} of missing_after_loading, `s[thread.index] = x[thread.index]`): thread 0 may read before "
        "thread 1 has written."
    )


def test_with_the_barrier_there_is_no_race():
    """What two threads do before and after a barrier does not meet."""

    def kernel(thread, x, out):
        s = thread.shared(thread.threads)
        for start in (0, thread.threads):
            s[thread.index] = x[start + thread.index]
            yield
            out[thread.index] = s[(thread.index + 1) % thread.threads]
            yield

    for order in ORDERS:
        out = np.zeros(4)
        launch(kernel, 1, 4, [np.arange(8.0)], [out], order=order)
        assert out.tolist() == [5, 6, 7, 4]


def test_many_may_read_one_element_and_one_may_write_it_often():
    """Neither is a race."""

    def kernel(thread, x, out):
        s = thread.shared(2)
        if thread.index == 0:
            s[0] = 1.0
            s[0] = s[0] + 1.0
        yield
        out[thread.index] = s[0] + x[0]

    out = np.zeros(4)
    launch(kernel, 1, 4, [np.zeros(1)], [out])
    assert out.tolist() == [2, 2, 2, 2]


def test_touching_rows_that_overlap_in_one_element_is_a_race():
    """Element by element, not array by array: slices that only touch are none."""

    def overlapping(thread, x, out):
        s = thread.shared(9)
        s[2 * thread.index : 2 * thread.index + 3] = 0.0

    def touching(thread, x, out):
        s = thread.shared(9)
        s[2 * thread.index : 2 * thread.index + 2] = 0.0

    says(fault(overlapping), "threads 0 and 1 of block 0 both write s[2],")
    launch(touching, 1, 4, [np.zeros(1)], [np.zeros(1)])


@pytest.mark.parametrize("order", ORDERS)
def test_blocks_that_meet_in_an_output_race_even_across_a_barrier(order):
    """Write and write, write and read, read and write."""

    def both_write(thread, out):
        yield
        out[0] = thread.block

    def one_reads(thread, out):
        if thread.block:
            out[0]
        else:
            out[0] = 1.0

    for kernel in (both_write, one_reads):
        error = fault(kernel, blocks=2, threads=1, inputs=[], outputs=[np.zeros(1)], order=order)
        assert error.kind == "race between blocks"
        says(error, "out[0], which block ", " has ", "no barrier reaches across them")


def test_a_block_that_writes_what_several_have_read_is_told():
    """Readers alone do not race."""

    def kernel(thread, out):
        if thread.block < 3 - (out.size > 1):
            out[0]
        else:
            out[0] = 1.0

    launch(kernel, 3, 1, outputs=[np.zeros(1)])
    error = fault(kernel, blocks=3, threads=1, inputs=[], outputs=[np.zeros(2)])
    says(error, "block 2 writes out[0], which another block has read")


def test_a_block_may_use_its_own_part_of_an_output():
    """Over barriers, and again and again."""

    def kernel(thread, out):
        for _ in range(3):
            out[thread.position] += 1.0
            yield

    out = np.zeros(6)
    launch(kernel, 3, 2, outputs=[out])
    assert out.tolist() == [3] * 6
