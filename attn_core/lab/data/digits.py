"""Real digits, 8 × 8, and scenes in which such a digit lies somewhere among pieces of other digits.

A scene has one whole digit at a known place; everything else is clutter: squares cut from other digits, and noise. Its
label is the digit. So what a gate looks at can be compared with where it should look.

Origin: scikit-learn's copy of the test part of "Optical Recognition of Handwritten Digits" (E. Alpaydin and C. Kaynak,
UCI Machine Learning Repository, 1998; 1797 images, CC BY 4.0), which is installed with scikit-learn. The last 500 are
kept for testing. Scenes are made up from them; the same seed gives the same scenes.
"""

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SIDE = 8  # of a digit, in pixels
TEST = 500  # the last images of the file


class Digits(NamedTuple):
    """Images and what they show."""

    images: "NDArray[np.float32]"  # (N, 8, 8), from 0, empty, to 1, ink
    labels: "NDArray[np.int64]"  # (N,), 0 to 9


class Scenes(NamedTuple):
    """Images, the digit in each, and where it is."""

    images: "NDArray[np.float32]"  # (N, side, side), from 0 to 1
    labels: "NDArray[np.int64]"  # (N,)
    corners: "NDArray[np.int64]"  # (N, 2): row and column of the digit's upper left pixel

    def boxes(self) -> "NDArray[np.bool_]":
        """True at the 8 × 8 pixels of the digit, (N, side, side)."""
        import numpy as np

        away = np.arange(self.images.shape[1]) - self.corners[:, :, None]  # (N, 2, side)
        inside = (away >= 0) & (away < SIDE)
        return inside[:, 0, :, None] & inside[:, 1, None, :]


def digits(part: str = "all") -> Digits:
    """The images of a part, "train" (1297), "test" (500) or "all", in the order of the file."""
    if part not in ("train", "test", "all"):
        raise ValueError(f'digits: part is {part!r}, but it must be "train", "test" or "all".')
    import numpy as np

    table = _file()
    cut = len(table.target) - TEST
    chosen = {"train": slice(cut), "test": slice(cut, None), "all": slice(None)}[part]
    return Digits((table.images[chosen] / 16).astype(np.float32), table.target[chosen].astype(np.int64))


def scenes(
    count: int, seed: int, part: str = "train", side: int = 20, pieces: int = 5, piece: int = 4, noise: float = 0.1
) -> Scenes:
    """Draw `count` scenes of side × side pixels with so many clutter squares of piece × piece pixels.

    Digits and pieces come from the same part. Clutter may lie next to the digit, never on it. `noise` is the largest
    value of what is added to every pixel, uniformly from 0.
    """
    if side < SIDE:
        raise ValueError(f"scenes: side is {side}, but a digit needs {SIDE} pixels.")
    if not 1 <= piece <= SIDE:
        raise ValueError(f"scenes: piece is {piece}, but pieces are cut from {SIDE} × {SIDE} pixels: 1 to {SIDE}.")
    if not 0 <= noise < 1:
        raise ValueError(f"scenes: noise is {noise}, but it must be at least 0 and below 1.")
    import numpy as np

    rng = np.random.default_rng(seed)
    source, labels = digits(part)
    every = np.arange(count)[:, None, None]
    images = np.zeros((count, side, side), np.float32)
    for _ in range(pieces):
        which = rng.integers(len(labels), size=count)
        cut = _square(rng.integers(SIDE - piece + 1, size=(count, 2)), piece)
        place = _square(rng.integers(side - piece + 1, size=(count, 2)), piece)
        images[(every, *place)] = np.maximum(images[(every, *place)], source[(which[:, None, None], *cut)])
    which = rng.integers(len(labels), size=count)
    corners = rng.integers(side - SIDE + 1, size=(count, 2))
    images[(every, *_square(corners, SIDE))] = source[which]
    images = np.minimum(images + noise * rng.random(images.shape, dtype=np.float32), np.float32(1))
    return Scenes(images, labels[which], corners)


@lru_cache(maxsize=1)
def _file() -> Any:
    from sklearn.datasets import load_digits  # it unpacks and parses a text file: 1797 lines

    return load_digits()


def _square(corners: "NDArray[np.int64]", size: int) -> "tuple[NDArray[np.int64], NDArray[np.int64]]":
    """Rows (N, size, 1) and columns (N, 1, size) of the squares with these upper left corners."""
    import numpy as np

    steps = np.arange(size)
    return (corners[:, :1] + steps)[:, :, None], (corners[:, 1:] + steps)[:, None, :]
