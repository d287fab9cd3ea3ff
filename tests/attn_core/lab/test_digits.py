"""Digits and scenes: what is drawn, what is known about it, and what is refused."""

import re

import numpy as np
import pytest

from attn_core.lab.data.digits import SIDE, Scenes, digits, scenes

MANY = scenes(400, seed=0, noise=0)


def test_parts_are_the_file_cut_once():
    """Train and test together are all 1797 images, in order, as ink from 0 to 1; each digit occurs in both."""
    train, test, everything = digits("train"), digits("test"), digits()
    assert (len(train.labels), len(test.labels)) == (1297, 500)
    assert (np.concatenate([train.images, test.images]) == everything.images).all()
    assert (np.concatenate([train.labels, test.labels]) == everything.labels).all()
    assert everything.images.shape == (1797, SIDE, SIDE)
    assert (everything.images.min(), everything.images.max()) == (0, 1)
    assert set(train.labels) == set(test.labels) == set(range(10))


def test_the_same_seed_gives_the_same_scenes():
    """A seed fixes the scenes; another seed gives others."""
    again, other = scenes(400, seed=0, noise=0), scenes(400, seed=1, noise=0)
    assert all((a == b).all() for a, b in zip(MANY, again, strict=True))
    assert not (MANY.images == other.images).all()


@pytest.mark.parametrize("part", ["train", "test"])
def test_the_digit_lies_at_its_corner_whole_and_has_its_label(part):
    """The box of a scene without noise holds, pixel by pixel, an image of its part with the same label."""
    known = {image.tobytes(): label for image, label in zip(*digits(part), strict=True)}
    drawn = scenes(100, seed=3, part=part, noise=0)
    for image, label, (row, column) in zip(*drawn, strict=True):
        assert known[np.ascontiguousarray(image[row : row + SIDE, column : column + SIDE]).tobytes()] == label


def test_boxes_are_the_pixels_of_the_digit():
    """A box has 64 pixels, and its first one in reading order is the corner."""
    boxes = MANY.boxes()
    assert boxes.shape == MANY.images.shape
    assert (boxes.sum((1, 2)) == SIDE**2).all()
    first = boxes.reshape(len(boxes), -1).argmax(1)
    assert (np.stack([first // 20, first % 20], 1) == MANY.corners).all()
    hand = Scenes(np.zeros((1, 9, 9), np.float32), np.zeros(1, np.int64), np.array([[0, 1]])).boxes()[0]
    assert hand[:8, 1:].all()
    assert not hand[8].any()
    assert not hand[:, 0].any()


def test_every_place_and_every_digit_occurs():
    """Corners run over all 13 × 13 places, in rows and in columns, and labels over all ten digits."""
    for axis in (0, 1):
        assert set(MANY.corners[:, axis]) == set(range(20 - SIDE + 1))
    assert set(MANY.labels) == set(range(10))
    assert abs(np.corrcoef(MANY.corners.T)[0, 1]) < 0.15


def test_clutter_is_outside_and_can_be_left_out():
    """Without pieces and noise there is no ink outside the box; with five there is, in nearly every scene."""
    bare = scenes(50, seed=0, pieces=0, noise=0)
    assert not (bare.images * ~bare.boxes()).any()
    assert np.mean((MANY.images * ~MANY.boxes()).any((1, 2))) > 0.98
    full = scenes(50, seed=0, side=8, pieces=3, noise=0)  # no room for clutter
    assert full.boxes().all()


def test_pieces_are_cut_from_digits():
    """Clutter outside the box is made of squares of another digit: with one piece, its pixels fit into one square."""
    one = scenes(200, seed=4, side=24, pieces=1, noise=0)
    rest = one.images * ~one.boxes()
    for image in rest[rest.any((1, 2))]:
        rows, columns = np.nonzero(image)
        assert np.ptp(rows) < 4
        assert np.ptp(columns) < 4


def test_noise_is_added_everywhere_and_keeps_the_range():
    """Noise changes pixels by 0 to 0.1, and no pixel passes 1."""
    noisy = scenes(50, seed=0, noise=0.1)
    quiet = scenes(50, seed=0, noise=0)
    added = noisy.images - quiet.images
    assert (added >= 0).all()
    assert 0.04 < added[quiet.images == 0].mean() < 0.06
    assert noisy.images.max() <= 1
    assert noisy.images.dtype == np.float32


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"side": 7}, "scenes: side is 7, but a digit needs 8 pixels."),
        ({"piece": 9}, "scenes: piece is 9, but pieces are cut from 8 × 8 pixels: 1 to 8."),
        ({"noise": 1.0}, "scenes: noise is 1.0, but it must be at least 0 and below 1."),
        ({"part": "dev"}, 'digits: part is \'dev\', but it must be "train", "test" or "all".'),
    ],
)
def test_what_cannot_be_drawn_is_refused(options, message):
    """Arguments that make no sense are refused with a sentence."""
    with pytest.raises(ValueError, match="^" + re.escape(message) + "$"):
        scenes(1, seed=0, **options)
