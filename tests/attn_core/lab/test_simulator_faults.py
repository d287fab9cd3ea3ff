"""The block simulator: memory that holds nothing, barriers, shared memory, loops, and launches that cannot be."""

# ruff: noqa: ARG001 - a kernel is called with all arrays, and may ignore some

import numpy as np
import pytest
from simulated import ORDERS, fault, says

from attn_core.lab.block_simulator import launch
from attn_core.lab.simulator.faults import key_text, threads_text

# --- nothing in it yet


@pytest.mark.parametrize("order", ORDERS)
def test_a_read_of_shared_memory_that_nobody_has_written(order):
    """A row that is only partly there counts as not there."""

    def kernel(thread, x, out):
        rows = thread.shared((2, 3))
        if thread.index == 0:
            rows[0] = 1.0
            rows[1, 0:2] = 1.0
        yield
        out[thread.index] = rows[1][0]

    error = fault(kernel, order=order)
    assert error.kind == "never written"
    says(error, "reads rows[1, 2], which nobody has written (line", "On a GPU it holds whatever lay there before")


def test_what_a_thread_has_written_itself_it_may_read_at_once():
    """Without any barrier; but not what it will write later."""

    def kernel(thread, x, out):
        s = thread.shared(thread.threads)
        s[thread.index] = 2.0
        out[thread.index] = s[thread.index]

    def later(thread, x, out):
        s = thread.shared(thread.threads)
        out[thread.index] = s[thread.index]
        s[thread.index] = 2.0

    launch(kernel, 1, 4, [np.zeros(1)], [np.zeros(4)])
    assert fault(later).kind == "never written"


def test_shared_memory_is_poisoned_and_an_output_that_is_nan_counts_as_unwritten():
    """So what is read all the same shows in the result."""
    seen = []

    def kernel(thread, x, out):
        seen.append(thread.shared(1)[0])

    fault(kernel)
    assert np.isnan(seen[0])

    def add(thread, x, out):
        out[thread.index] += 1.0

    launch(add, 1, 4, [np.zeros(1)], [np.zeros(4)])
    says(fault(add, outputs=[np.full(4, np.nan)]), "never written: thread 0 of block 0 reads out[0]")


def test_an_error_that_follows_from_a_race_is_reported_as_the_race():
    """The cause, not the symptom; any other error comes through as it is."""

    def symptom(thread, x, out):
        s = thread.shared(1, np.int64)
        if thread.index == 1:
            s[0] = 1
        1 // s[0].item() if thread.index == 0 else None

    says(fault(symptom), "never written: thread 0 of block 0 reads s[0]")

    def other(thread, x, out):
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        launch(other, 1, 1, [np.zeros(1)], [np.zeros(1)])


# --- barriers, memory, loops


@pytest.mark.parametrize("order", ORDERS)
def test_a_barrier_that_some_threads_never_reach(order):
    """Those that have ended are named, and those that wait."""

    def kernel(thread, x, out):
        if thread.index < 3:
            yield

    error = fault(kernel, order=order)
    assert error.kind == "barrier not reached by all"
    says(error, "in block 0, threads 0, 1, 2 wait at a barrier (line", "that thread 3 will never reach, having ended")


def test_one_waits_for_many():
    """Long lists are cut."""

    def kernel(thread):
        if thread.index == 5:
            yield

    error = fault(kernel, threads=8, inputs=[], outputs=[])
    says(error, "thread 5 waits at a barrier", "that threads 0, 1, 2, … (7 of them) will never reach")


def test_a_loop_that_some_threads_leave_earlier():
    """They reach the barrier, but not as often."""

    def kernel(thread):
        for _ in range(2 + (thread.index == 0)):
            yield

    says(fault(kernel, inputs=[], outputs=[]), "thread 0 waits at a barrier", "threads 1, 2, 3 will never reach")


@pytest.mark.parametrize("order", ORDERS)
def test_two_barriers_are_not_one(order):
    """Both branches wait, but not for each other."""

    def kernel(thread):
        if thread.index % 2:
            yield
        else:
            yield

    error = fault(kernel, inputs=[], outputs=[], order=order)
    first = kernel.__code__.co_firstlineno
    assert error.kind == "barrier not reached by all"
    says(
        error,
        f"thread 0 waits at one barrier (line {first + 4} of kernel, `yield`) and thread 1 at another "
        f"(line {first + 2} of kernel, `yield`)",
    )


def test_a_barrier_takes_no_value():
    """Whoever yields a result has mistaken it for `return`."""

    def kernel(thread, x, out):
        yield x[thread.index]

    error = fault(kernel)
    assert error.kind == "a barrier with a value"
    says(error, "thread 0 of block 0 yields a float64 (line", "`yield` stands alone")


def test_shared_memory_has_an_end():
    """Per block, all arrays together; exactly as much as there is fits."""

    def kernel(thread, x, out, rows):
        thread.shared((rows, 4)), thread.shared(2)

    report = launch(kernel, 2, 3, [np.zeros(1)], [np.zeros(1)], shared_bytes=8 * 10, rows=2)
    assert report.shared_bytes == 80
    error = fault(kernel, shared_bytes=8 * 10 - 1, rows=2)
    assert error.kind == "too much shared memory"
    says(error, "with an array of shape (2,), kernel asks for 80 bytes per block, and a block of this launch has 79")
    says(fault(kernel, rows=1536 + 1), "with an array of shape (1537, 4), kernel asks for 49184 bytes", "has 49152")


def test_threads_of_a_block_ask_for_the_same_shared_arrays():
    """In the same order."""

    def kernel(thread, x, out):
        thread.shared(2 + thread.index)

    error = fault(kernel)
    assert error.kind == "different shared memory"
    says(error, "thread 1 of block 0 asks for a shared array of shape (3,)", "another thread has asked for (2,)")


def test_endless_loops_end():
    """Of accesses, and of barriers."""

    def accesses(thread, x, out):
        while x[0] == 0:
            pass

    def barriers(thread, x, out):
        while True:
            yield

    for kernel in (accesses, barriers):
        error = fault(kernel, most_steps=1000)
        assert error.kind == "endless"
        says(error, "of block 0 has read, written and waited more than 1000 times", f"Does a loop of {kernel.__name__}")

    def thousand(thread, x, out):
        for _ in range(1000):
            x[0]

    launch(thousand, 1, 3, [np.zeros(1)], [np.zeros(1)], most_steps=1000)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"kernel": 3}, "launch: the kernel must be a function, not a int."),
        ({"blocks": 0}, "launch: blocks is 0, but it must be a whole number, 1 or more."),
        ({"threads": 2.0}, "launch: threads is 2.0, but it must be a whole number, 1 or more."),
        ({"inputs": [[1.0]]}, "launch: inputs[0] is a list, but it must be a NumPy array."),
        ({"outputs": [np.zeros(1), 3.0]}, "launch: outputs[1] is a float, but it must be a NumPy array."),
        (
            {"order": "random"},
            'launch: order is \'random\', but it must be "first-in", "last-in" or a whole number, a seed.',
        ),
        ({"order": True}, 'launch: order is True, but it must be "first-in", "last-in" or a whole number, a seed.'),
    ],
)
def test_a_launch_that_cannot_be_is_refused_in_a_sentence(arguments, sentence):
    """Before any thread runs."""

    def kernel(thread, *arrays):
        raise AssertionError("ran")

    with pytest.raises((TypeError, ValueError)) as caught:
        launch(**({"kernel": kernel, "blocks": 1, "threads": 1} | arguments))
    assert str(caught.value) == sentence


def test_indexes_and_threads_in_words():
    """As a learner writes them."""
    assert [key_text(k) for k in (3, (1, slice(None, 4)), slice(1, None, 2))] == ["3", "1, :4", "1::2"]
    assert [threads_text(t) for t in ([7], [0, 1], [0, 1, 2, 5])] == ["thread 7", "threads 0, 1", "threads 0, 1, 2, 5"]
