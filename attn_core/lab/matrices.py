"""Matrices drawn as tables of cells, and arrows that say which shape flows along them: for diagrams of a computation.

One unit of the axes is one cell. A place is the middle of a drawing, (x, y), with y upwards.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Place = tuple[float, float]


def matrix(
    ax: "Axes",
    values: Any,
    place: Place,
    name: str,
    rows: Sequence[str] = (),
    columns: Sequence[str] = (),
    cmap: str = "PuOr",
) -> None:
    """Draw a matrix around `place`: every number in a coloured cell, the name with the shape above.

    PuOr is light at 0 and has a hue for each sign; the numbers say the same. Labels that do not fit raise ValueError.
    """
    import numpy as np
    from matplotlib import colormaps
    from matplotlib.patches import Rectangle

    table = np.asarray(values)
    n, m = table.shape
    if (rows and len(rows) != n) or (columns and len(columns) != m):
        raise ValueError(
            f"matrix: {name} has shape {table.shape}, but {len(rows)} row and {len(columns)} column labels."
        )
    left, top = place[0] - m / 2, place[1] + n / 2
    largest = float(np.abs(table).max()) or 1.0
    low = 0.0 if cmap == "Blues" else -largest
    for i, j in np.ndindex(n, m):
        colour = colormaps[cmap](0.12 + 0.76 * (table[i, j] - low) / (largest - low))
        ax.add_patch(Rectangle((left + j, top - i - 1), 1, 1, facecolor=colour, edgecolor="white", linewidth=1))
        dark = sum(colour[:3]) < 1.5
        style: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 8, "color": "white" if dark else "black"}
        ax.text(left + j + 0.5, top - i - 0.5, f"{table[i, j]:.1f}".replace("-0.0", "0.0"), **style)
    ax.add_patch(Rectangle((left, top - n), m, n, fill=False, edgecolor="black", linewidth=1.2))
    ax.text(
        place[0],
        top + (1.1 if columns else 0.3),
        f"{name}  {n}×{m}",
        ha="center",
        va="bottom",
        fontsize=11,
        weight="bold",
    )
    for i, label in enumerate(rows):
        ax.text(left - 0.25, top - i - 0.5, label, ha="right", va="center", fontsize=9)
    for j, label in enumerate(columns):
        ax.text(left + j + 0.5, top + 0.2, label, ha="center", va="bottom", fontsize=8)


def box(ax: "Axes", place: Place, text: str, learned: bool = False) -> None:
    """Draw an operation as a rounded box; one with learned parameters is grey and has a thick frame."""
    frame = {
        "boxstyle": "round,pad=0.45",
        "facecolor": "0.87" if learned else "white",
        "edgecolor": "black",
        "linewidth": 2.0 if learned else 1.0,
    }
    ax.text(*place, text, ha="center", va="center", fontsize=10, bbox=frame, zorder=3)


def arrow(ax: "Axes", *places: Place, label: str, at: Place | None = None) -> None:
    """Draw an arrow through `places`, straight from one to the next, with its label beside the middle, or at `at`."""
    (start, *between), (before, end) = places[:-1], places[-2:]
    corners = [start, *between]
    if len(corners) > 1:
        ax.plot(
            [x for x, _ in corners], [y for _, y in corners], color="black", linewidth=1.3, linestyle="-", marker=""
        )
    ax.annotate(
        "", xy=end, xytext=before, arrowprops={"arrowstyle": "-|>", "color": "black", "linewidth": 1.3, "shrinkA": 0}
    )
    x, y = at or ((before[0] + end[0]) / 2, (before[1] + end[1]) / 2 + 0.25)
    ground = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
    ax.text(x, y, label, ha="center", va="bottom", fontsize=9, style="italic", bbox=ground, zorder=4)
