"""Matrices, boxes and arrows of diagrams: what is drawn, and labels that do not fit."""

import numpy as np
import pytest
from matplotlib import pyplot as plt

from attn_core.lab.matrices import arrow, box, matrix


@pytest.fixture
def ax():
    """Axes that are closed afterwards."""
    figure, axes = plt.subplots()
    yield axes
    plt.close(figure)


def texts(ax):
    """All texts that were drawn."""
    return [text.get_text() for text in ax.texts]


def test_a_matrix_shows_every_number_its_name_and_its_shape(ax):
    """Six cells and a frame; no number reads -0.0; row and column labels stand beside them."""
    matrix(ax, np.array([[1.0, -2.0, -0.01], [0.26, 3.0, 0.0]]), (5, 2), "Q", rows=["a", "b"], columns=["x", "y", "z"])
    assert texts(ax) == ["1.0", "-2.0", "0.0", "0.3", "3.0", "0.0", "Q  2×3", "a", "b", "x", "y", "z"]
    assert len(ax.patches) == 7
    assert ax.patches[-1].get_bbox().bounds == (3.5, 1.0, 3.0, 2.0)


def test_weights_of_zero_are_the_lightest(ax):
    """Blues starts at 0, whatever the smallest weight is, so equal weights look equal in two tables."""
    matrix(ax, [[0.0, 1.0]], (1, 1), "A", cmap="Blues")
    light, dark = (sum(patch.get_facecolor()[:3]) for patch in ax.patches[:2])
    assert light > 2.3 > 1.2 > dark


def test_labels_that_do_not_fit_are_refused(ax):
    """Two rows, three labels."""
    with pytest.raises(ValueError, match=r"^matrix: Q has shape \(2, 1\), but 3 row and 0 column labels\.$"):
        matrix(ax, np.ones((2, 1)), (0, 0), "Q", rows=["a", "b", "c"])


def test_boxes_and_arrows_say_what_they_are(ax):
    """A learned box has a thicker frame; an arrow with corners is a line and an arrow head, with its label once."""
    box(ax, (0, 0), "softmax")
    box(ax, (2, 0), "W", learned=True)
    widths = [text.get_bbox_patch().get_linewidth() for text in ax.texts]
    assert widths[1] > widths[0]
    arrow(ax, (0, 0), (1, 0), (1, 1), label="4×3")
    assert len(ax.lines) == 1
    assert texts(ax).count("4×3") == 1
    arrow(ax, (0, 0), (1, 0), label="4×4", at=(3, 3))
    assert len(ax.lines) == 1
    assert ax.texts[-1].get_position() == (3, 3)
