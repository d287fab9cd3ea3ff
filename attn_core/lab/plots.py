"""Figures in the house style: opaque and light, so that they read on a dark page too, and never by colour alone.

matplotlib, seaborn, IPython and ipywidgets are imported inside the functions: a cell that only measures stays quick.
"""

import io
from base64 import b64encode
from collections.abc import Callable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PNG = "image/png"
WIDGET = "application/vnd.jupyter.widget-view+json"
_LINES = ["-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1))]
_MARKERS = ["o", "s", "^", "D", "v"]


def house_style() -> None:
    """Set the style of all later figures. Lines differ in colour, dash and marker, on an opaque white ground."""
    import seaborn as sns
    from cycler import cycler

    palette = sns.color_palette("colorblind", len(_LINES))
    lines = cycler(color=palette) + cycler(linestyle=_LINES) + cycler(marker=_MARKERS)
    sns.set_theme(
        context="notebook",
        style="whitegrid",
        rc={
            "axes.prop_cycle": lines,
            "axes.titlelocation": "left",
            "axes.titlesize": 12,
            "figure.facecolor": "white",
            "figure.constrained_layout.use": True,
            "savefig.facecolor": "white",
            "savefig.transparent": False,
            "savefig.dpi": 110,
        },
    )


def show(figure: "Figure", alt: str) -> None:
    """Display a figure once, with `alt` as its description for those who do not see it, and close it.

    The description goes into the output's metadata and into its plain-text form, which terminals get. It must say what
    the picture shows; an empty one raises ValueError.
    """
    png = _png(figure, alt)
    _display({PNG: png, "text/plain": f"Figure: {alt}"}, metadata={PNG: {"alt": alt}})


def heatmap(
    weights: Any,
    rows: Sequence[str],
    columns: Sequence[str],
    ax: "Axes | None" = None,
    title: str = "",
    digits: int = 2,
) -> "Axes":
    """Draw weights (n, m), one row per query and one column per key, with each weight written into its place.

    seaborn pairs labels with whatever it is given; here labels that do not match the shape raise ValueError.
    """
    import matplotlib.pyplot as plt
    import numpy as np
    import seaborn as sns

    table = np.asarray(weights)
    if table.shape != (len(rows), len(columns)):
        raise ValueError(
            f"heatmap: weights have shape {table.shape}, but there are {len(rows)} row labels and {len(columns)} "
            "column labels; rows are queries, columns are keys."
        )
    if ax is None:
        ax = plt.subplots(figsize=(1.2 + 0.75 * len(columns), 0.9 + 0.5 * len(rows)))[1]
    sns.heatmap(
        table,
        ax=ax,
        vmin=0,
        vmax=1,
        cmap="Blues",
        annot=True,
        fmt=f".{digits}f",
        cbar=False,
        linewidths=1,
    )
    ax.set_xticks(np.arange(len(columns)) + 0.5, columns, rotation=0)
    ax.set_yticks(np.arange(len(rows)) + 0.5, rows, rotation=0)
    ax.set(xlabel="key", ylabel="query", title=title)
    return ax


def slider(draw: Callable[[float], "Figure"], name: str, values: Sequence[float], alt: Callable[[float], str]) -> None:
    """A slider over `values` that redraws a figure; it lives only while a kernel runs.

    Nothing of it is stored in the notebook, so `show` a static figure beside it. `alt` describes the figure at a value.
    """
    import ipywidgets as widgets

    if not values:
        raise ValueError("slider: values is empty, but it must hold the values to choose from.")
    choice = widgets.SelectionSlider(
        options=[(f"{value:g}", value) for value in values],
        value=values[len(values) // 2],
        description=name,
        continuous_update=False,
        style={"description_width": "initial"},  # or a long name is cut off
    )
    picture = widgets.HTML()  # not an Output: nbclient, which builds the notebooks, cannot run one without storing it

    def redraw(_change: object = None) -> None:
        text = alt(choice.value)
        source = f"data:{PNG};base64,{_png(draw(choice.value), text)}"
        # max-width, or a narrow page cuts the figure off
        picture.value = f'<img alt="{escape(text)}" style="max-width: 100%" src="{source}">'

    redraw()
    choice.observe(redraw, names="value")
    box = widgets.VBox([choice, picture])
    # the widget alone, without its repr as text: a page without a kernel would show that instead
    _display({WIDGET: {"version_major": 2, "version_minor": 0, "model_id": box.model_id}}, metadata={})


def _png(figure: "Figure", alt: str) -> str:
    """The figure as PNG in base64; closed, or the notebook would show it a second time."""
    import matplotlib.pyplot as plt

    if not alt.strip():
        raise ValueError("show: alt is empty, but it must say in a sentence what the figure shows.")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})  # no version inside: same picture, same bytes
    plt.close(figure)
    return b64encode(buffer.getvalue()).decode("ascii")


def _display(data: dict[str, Any], metadata: dict[str, Any]) -> None:
    from IPython import get_ipython
    from IPython.display import display

    if get_ipython() is None:  # plain Python: the description instead of the picture
        print(data.get("text/plain", "(needs a notebook)"))
        return
    display(data, raw=True, metadata=metadata)  # type: ignore[no-untyped-call]  # IPython annotates only part of itself
