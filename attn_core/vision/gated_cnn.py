r"""A small image classifier in which a gate may stand between the last feature map and the mean over its positions.

Formula
    f = BN(conv(relu(BN(conv(relu(BN(conv(x)))))))), at half of the resolution; f has both signs
    logits = W mean over positions of gate(f) + b
    The mean is linear in the positions: what clutter adds to f enters the logits, unless a gate closes there
Shapes
    x          (B, H, W), H and W even
    features   (B, C, H/2, W/2)
    logits     (B, symbols)
    channel    (B, C), spatial (B, 1, H/2, W/2): what the gate returned; None without a gate
Cost
    H W/4 (16 hidden + 9 hidden C + 9 C²) multiply-adds per image, with or without a gate, whatever its values are
Errors
    those of torch
Source
    Made for this course. Where Hu et al. 2018 and Woo et al. 2018 put their gates, behind the last batch norm of a
    residual branch, feature maps have both signs too
"""

from typing import NamedTuple

from torch import Tensor, nn
from torch.nn.functional import interpolate


class Seen(NamedTuple):
    """What the network says, and where its gates stood."""

    logits: Tensor
    channel: Tensor | None = None
    spatial: Tensor | None = None


class GatedCNN(nn.Module):
    """`gate` maps features to (gated features, channel gate, spatial gate), as `CBAM` does; None is the plain network."""

    def __init__(self, gate: nn.Module | None = None, channels: int = 16, hidden: int = 8, symbols: int = 10) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(1, hidden, 4, stride=2, padding=1), nn.BatchNorm2d(hidden), nn.ReLU())
        self.second = nn.Sequential(nn.Conv2d(hidden, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.ReLU())
        self.third = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels))
        self.gate = gate
        self.out = nn.Sequential(nn.BatchNorm1d(channels), nn.Linear(channels, symbols))

    def features(self, x: Tensor) -> Tensor:
        """The feature map (B, C, H/2, W/2) that the gate gets."""
        found: Tensor = self.third(self.second(self.first(x[:, None])))
        return found

    def read(self, features: Tensor) -> Seen:
        """From the feature map on: gate, mean, logits."""
        if self.gate is None:
            return Seen(self.out(features.mean((2, 3))))
        gated, channel, spatial = self.gate(features)
        return Seen(self.out(gated.mean((2, 3))), channel, spatial)

    def forward(self, x: Tensor) -> Seen:
        """Logits, and the gates with which they were made."""
        return self.read(self.features(x))


def gate_mass(spatial: Tensor, boxes: Tensor) -> Tensor:
    """The share of each image's spatial gate (B, 1, h, w) that lies in its box, (B,).

    `boxes` (B, H, W) is boolean at the resolution of the images; each cell of the gate stands for H/h × W/w pixels. A
    gate that is the same everywhere has the box's share of the area.

    >>> import torch
    >>> gate = torch.tensor([[[[3.0, 1.0]]]])
    >>> box = torch.tensor([[[True, True, False, False]]])
    >>> gate_mass(gate, box)
    tensor([0.7500])
    """
    mass = _pixels(spatial, boxes)
    return (mass * boxes).sum((1, 2)) / mass.sum((1, 2))


def points_into(spatial: Tensor, boxes: Tensor) -> Tensor:
    """True for each image whose gate is largest in a cell of the box; the first cell counts among equals, (B,)."""
    mass = _pixels(spatial, boxes).flatten(1)
    return boxes.flatten(1).gather(1, mass.argmax(1, keepdim=True))[:, 0]


def _pixels(spatial: Tensor, boxes: Tensor) -> Tensor:
    return interpolate(spatial, size=tuple(boxes.shape[1:]), mode="nearest")[:, 0]  # (B, 1, h, w) -> (B, H, W)
