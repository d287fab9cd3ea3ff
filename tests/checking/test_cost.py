"""What a call allocates: the largest buffer, all buffers at once, and which operations ran."""

import numpy as np
import torch

from autograder.checking.probe import Request, observe

N, D = 256, 8
SQUARE = N * N * 4  # bytes of an N×N float32 array
SMALL = SQUARE // 10  # Python's own objects are counted too
X = torch.ones(N, D)


def cost(function, *inputs):
    """The cost of one call."""
    return observe(function, Request(inputs, cost=True)).cost


def tiled(x, step=32):
    """Sums of the rows of x xᵀ, a block of columns at a time."""
    total = torch.zeros(N)
    for start in range(0, N, step):
        total = total + (x @ x[start : start + step].mT).sum(-1)
    return total


def test_a_whole_matrix_is_seen_and_a_tiled_computation_is_not_blamed():
    """The largest buffer of the tiled one is one tile."""
    assert cost(lambda x: (x @ x.mT).sum(-1), X).largest == SQUARE
    assert cost(tiled, X).largest < SQUARE * 32 // N + SMALL


def test_a_matrix_hidden_in_numpy_is_seen():
    """The other library is no hiding place."""
    assert cost(lambda x: torch.from_numpy((x.numpy() @ x.numpy().T).sum(-1)), X).largest >= SQUARE


def test_views_cost_nothing():
    """A transpose or an expanded view allocates no buffer."""
    assert cost(lambda x: x.mT.unsqueeze(0).expand(50, D, N), X).largest < SMALL


def test_the_peak_counts_what_is_alive_at_once():
    """Ten tiles kept are ten tiles; ten tiles one after the other are two."""
    big = torch.ones(N, N)
    kept = cost(lambda x: sum(y.sum() for y in [x + i for i in range(10)]), big)
    freed = cost(lambda x: sum((x + i).sum() for i in range(10)), big)
    assert kept.largest == freed.largest == SQUARE
    assert kept.peak >= 10 * SQUARE
    assert freed.peak <= 2 * SQUARE + SMALL


def test_operations_are_counted_by_name():
    """For tasks that limit how often something is called."""
    calls = cost(lambda x: (x @ x.mT).softmax(-1) @ x, X).calls
    assert calls["mm"] == 2
    assert calls["_softmax"] == 1


def test_nothing_is_measured_unless_asked_for():
    """Measuring is slow."""
    assert observe(lambda x: x, Request((np.ones(2),))).cost is None
