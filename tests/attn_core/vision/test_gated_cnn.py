"""The small network with a gate: what a gate changes, and how gates are scored against a known box."""

import torch
from torch import nn

from attn_core.vision.cbam import CBAM
from attn_core.vision.gated_cnn import GatedCNN, gate_mass, points_into


class Fixed(nn.Module):
    """A gate that is the same number everywhere."""

    def __init__(self, value):
        super().__init__()
        self.value = value

    def forward(self, x):
        """As CBAM gives it: gated features, channel gate, spatial gate."""
        spatial = torch.full_like(x[:, :1], self.value)
        return self.value * x, torch.full_like(x[:, :, 0, 0], self.value), spatial


def network(gate=None):
    """A small network in double precision, with the batch norms at rest."""
    torch.manual_seed(0)
    return GatedCNN(gate, channels=8, hidden=4, symbols=3).double().eval()


def box(row, column, side=8, size=4):
    """A size × size box in a side × side image."""
    found = torch.zeros(1, side, side, dtype=torch.bool)
    found[0, row : row + size, column : column + size] = True
    return found


def test_an_open_gate_is_no_gate():
    """Gates of 1 change nothing; without a gate there is nothing to report."""
    x = torch.randn(2, 8, 12, dtype=torch.float64)
    plain, opened = network()(x), network(Fixed(1.0))(x)
    torch.testing.assert_close(plain.logits, opened.logits)
    assert plain.channel is plain.spatial is None
    assert opened.spatial.shape == (2, 1, 4, 6)
    assert opened.channel.shape == (2, 8)


def test_shut_gates_leave_the_same_logits_for_every_image():
    """Gates of 0 let nothing through, so the logits do not depend on the image."""
    x = torch.randn(2, 8, 12, dtype=torch.float64)
    logits = network(Fixed(0.0))(x).logits
    torch.testing.assert_close(logits[0], logits[1])


def test_features_have_half_of_the_resolution_and_both_signs():
    """(B, H, W) becomes (B, C, H/2, W/2), with positive and negative numbers."""
    found = network().features(torch.randn(5, 8, 12, dtype=torch.float64))
    assert found.shape == (5, 8, 4, 6)
    assert found.min() < 0 < found.max()


def test_logits_are_made_from_what_the_gate_has_left():
    """By hand: features, gates, mean over the positions, batch norm, linear layer; the gates are handed out as used."""
    model = network(CBAM(8, r=4))
    x = torch.randn(2, 8, 12, dtype=torch.float64)
    gated, channel, spatial = model.gate(model.features(x))
    seen = model(x)
    torch.testing.assert_close(seen.logits, model.out(gated.mean((2, 3))))
    torch.testing.assert_close(seen.channel, channel)
    torch.testing.assert_close(seen.spatial, spatial)
    torch.testing.assert_close(seen.logits, model.read(model.features(x)).logits)


def test_every_weight_learns():
    """A gradient arrives at every parameter, those of the gate included."""
    model = network(CBAM(8, r=4)).train()
    model(torch.randn(6, 8, 12, dtype=torch.float64)).logits.square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_an_even_gate_has_the_boxs_share_of_the_area():
    """Chance level of the gate mass: a constant gate scores the box's share, however small the constant."""
    for value in (1.0, 1e-3):
        mass = gate_mass(torch.full((1, 1, 4, 4), value), box(2, 4))
        torch.testing.assert_close(mass, torch.tensor([16 / 64]))


def test_mass_inside_and_outside():
    """All mass inside gives 1, all outside 0, three to one gives 3/4; each image is scored by itself."""
    gate = torch.zeros(3, 1, 4, 4)
    gate[0, 0, 1, 2] = 0.5  # cell (1, 2): pixels 2–3 × 4–5
    gate[1, 0, 0, 0] = 0.5
    gate[2, 0, 1, 2], gate[2, 0, 3, 3] = 0.9, 0.3
    boxes = box(2, 4).expand(3, 8, 8)
    torch.testing.assert_close(gate_mass(gate, boxes), torch.tensor([1.0, 0.0, 0.75]))
    assert points_into(gate, boxes).tolist() == [True, False, True]


def test_a_cell_half_inside_counts_half():
    """The box may cut cells: what counts is pixels."""
    gate = torch.zeros(1, 1, 4, 4)
    gate[0, 0, 1, 2] = 1.0
    torch.testing.assert_close(gate_mass(gate, box(3, 4)), torch.tensor([0.5]))


def test_rows_are_rows():
    """A box high up on the right is not one low down on the left."""
    gate = torch.zeros(1, 1, 4, 4)
    gate[0, 0, 0, 3] = 1.0
    assert gate_mass(gate, box(0, 4)).item() == 1
    assert gate_mass(gate, box(4, 0)).item() == 0
    assert not points_into(gate, box(4, 0))[0]
