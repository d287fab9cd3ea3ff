"""What a call allocates: the largest buffer, all buffers at once, and which operations ran."""

import numpy as np
import torch

from autograder.checking.cost import AUTOGRAD
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


def test_new_tensors_are_counted_by_shape():
    """How many of a shape were made, and how many were alive at once: a list of blocks keeps all of them."""

    def seen(function, shape):
        return next((t.made, t.alive) for t in cost(function, X).tensors if t.shape == shape)

    assert seen(lambda x: sum((x + i).sum() for i in range(10)), (N, D)) == (10, 1)
    assert seen(lambda x: sum(y.sum() for y in [x + i for i in range(10)]), (N, D)) == (10, 10)
    assert seen(lambda x: x @ x.mT, (N, N)) == (1, 1)
    assert seen(lambda x: x + torch.from_numpy(np.ones((N, 1), np.float32)), (N, 1)) == (1, 1)
    assert seen(lambda x: x * torch.tensor([[2.0]] * N), (N, 1)) == (1, 1)


def test_arrays_of_numpy_are_seen_when_one_enters_torch():
    """The whole that a slice was taken of is counted, also where the slice is copied; what is gone by then is not."""

    def by_slices(x, step=32):
        whole = np.ones((N, N), bool)
        kept = [np.ones(1000, bool) for _ in range(5)]
        for start in range(0, N, step):
            x = x + torch.tensor(~whole[:, start : start + step]).sum(-1, keepdim=True)
        return x + len(kept)

    def one_after_the_other(x):
        for _ in range(5):
            x = x + torch.from_numpy(np.ones((N, 1), np.float32))
        return x

    assert cost(by_slices, X).arrays == (N * N, N * 32, *[1000] * 5)
    assert sum(cost(one_after_the_other, X).arrays) <= 2 * N * 4
    assert cost(tiled, X).arrays == ()


def test_a_backward_pass_is_seen():
    """An answer that lets autograd work is recognised; one that only writes formulas is not."""

    def by_autograd(x):
        y = x.detach().requires_grad_()
        return torch.autograd.grad((y * y).sum(), y)[0]

    def by_vjp(x):
        return torch.func.vjp(lambda y: (y * y).sum(), x)[1](torch.ones(()))[0]

    assert cost(by_autograd, X).calls[AUTOGRAD] > 0
    assert cost(by_vjp, X).calls[AUTOGRAD] > 0
    assert not cost(lambda x: 2 * x, X).calls.get(AUTOGRAD)
