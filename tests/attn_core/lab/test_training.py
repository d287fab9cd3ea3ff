"""The training loop, on a model whose answer is known."""

import itertools

import pytest
import torch

from attn_core.lab import fit


class Constant(torch.nn.Module):
    """Answers every batch with one learned number."""

    def __init__(self):
        super().__init__()
        self.value = torch.nn.Parameter(torch.tensor(0.0))

    def forward(self, batch):
        """The number, once per entry."""
        return self.value.expand_as(batch)


def squared(output, batch):
    """Mean squared distance, which the mean of the data makes smallest."""
    return ((output - batch) ** 2).mean()


def test_fit_finds_the_mean():
    """The best constant under squared error is the mean of the data."""
    model = Constant()
    losses = fit(model, squared, itertools.cycle([torch.tensor([1.0, 3.0])]), steps=400, learning_rate=0.05)
    assert model.value.item() == pytest.approx(2.0, abs=1e-2)
    assert len(losses) == 400
    assert losses[0] == pytest.approx(5.0)  # (1 + 9) / 2
    assert losses[-1] == pytest.approx(1.0, abs=1e-3)


def test_fit_draws_one_batch_per_step():
    """Training can go on where it stopped: no batch is lost in between."""
    stream = iter([torch.ones(1)] * 5)
    fit(Constant(), squared, stream, steps=3)
    assert len(list(stream)) == 2


def test_fit_stops_at_a_loss_that_is_not_finite():
    """A training that has gone astray says so, instead of ending with NaN everywhere."""
    with pytest.raises(ArithmeticError, match="fit: the loss is nan at step 1; try a smaller learning_rate"):
        fit(Constant(), squared, iter([torch.ones(1), torch.tensor([torch.nan])]), steps=2)
