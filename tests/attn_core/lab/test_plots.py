"""Figures: described, closed, opaque, legible without colour, and labelled as their data are shaped."""

import base64
import io
import subprocess
import sys

import IPython
import ipywidgets
import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot as plt

from attn_core.lab import heatmap, house_style, show, slider

plt.switch_backend("agg")  # at once: matplotlib would look for IPython at the first figure, which some tests pretend


@pytest.fixture(autouse=True)
def _clean():
    """House style inside a test, matplotlib's own afterwards, and no figure left open."""
    with mpl.rc_context():
        house_style()
        yield
    plt.close("all")


@pytest.fixture
def outputs(monkeypatch):
    """What was displayed, as (data, metadata), where code runs as in a notebook."""
    found = []
    monkeypatch.setattr(IPython, "get_ipython", object)
    monkeypatch.setattr("IPython.display.display", lambda data, raw, metadata: found.append((data, metadata, raw)))
    return found


def line_figure():
    """A figure with one line."""
    figure, ax = plt.subplots(figsize=(2, 2))
    ax.plot([0, 1])
    return figure


def pixels(data):
    """The RGBA values of a displayed PNG."""
    return plt.imread(io.BytesIO(base64.b64decode(data["image/png"])))


def test_show_displays_one_png_with_its_description(outputs):
    """The description is in the metadata, where tools look for it, and in the plain text."""
    show(line_figure(), "A rising line.")
    [(data, metadata, raw)] = outputs
    assert metadata == {"image/png": {"alt": "A rising line."}}
    assert data["text/plain"] == "Figure: A rising line."
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert raw is True  # without it, IPython would show the dictionary


def test_show_closes_the_figure(outputs):
    """A figure that stays open would appear a second time at the end of its cell."""
    figure = line_figure()
    show(figure, "A rising line.")
    assert len(outputs) == 1
    assert not plt.fignum_exists(figure.number)


def test_show_prints_the_description_where_nothing_can_be_displayed(capsys):
    """In plain Python there is no picture, and nobody wants to read its bytes."""
    show(line_figure(), "A rising line.")
    assert capsys.readouterr().out == "Figure: A rising line.\n"


@pytest.mark.parametrize("alt", ["", "   ", "\n"])
def test_show_refuses_a_figure_without_description(alt, outputs):
    """An empty description raises before anything is displayed."""
    with pytest.raises(ValueError, match="alt") as raised:
        show(line_figure(), alt)
    assert str(raised.value) == "show: alt is empty, but it must say in a sentence what the figure shows."
    assert outputs == []


def test_the_same_figure_gives_the_same_bytes(outputs):
    """No date and no version in the file: an unchanged notebook stays unchanged."""
    for _ in range(2):
        show(line_figure(), "A rising line.")
    first, second = (data["image/png"] for data, _, _ in outputs)
    assert first == second
    assert b"Software" not in base64.b64decode(first)


def test_figures_are_opaque_and_light(outputs):
    """On a dark page the axis labels stay readable: the ground is white, and nothing is see-through."""
    show(line_figure(), "A rising line.")
    picture = plt.imread(io.BytesIO(base64.b64decode(outputs[0][0]["image/png"])))
    assert picture.shape[-1] == 3 or (picture[..., 3] == 1).all()
    np.testing.assert_array_equal(picture[0, 0, :3], 1)


def test_lines_differ_without_colour():
    """Two lines never share both dash and marker, so a grey print still tells them apart."""
    _, ax = plt.subplots()
    lines = [ax.plot([0, 1])[0] for _ in range(5)]
    assert len({line.get_marker() for line in lines}) == 5
    assert len({str(line._unscaled_dash_pattern) for line in lines}) == 5
    assert len({line.get_color() for line in lines}) == 5


def test_heatmap_writes_each_weight_under_its_labels():
    """Rows are queries, columns are keys, and every weight can be read as a number."""
    ax = heatmap([[0.25, 0.5, 0.25], [1, 0, 0]], rows=["a", "b"], columns=["x", "y", "z"], title="weights")
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b"]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["x", "y", "z"]
    assert [text.get_text() for text in ax.texts] == ["0.25", "0.50", "0.25", "1.00", "0.00", "0.00"]
    assert (ax.get_title(loc="left"), ax.get_xlabel(), ax.get_ylabel()) == ("weights", "key", "query")
    tops = [text.get_position() for text in ax.texts[:2]]
    assert tops == [(0.5, 0.5), (1.5, 0.5)]  # the first row stands at the top, its columns from left to right
    assert ax.yaxis_inverted()


def test_heatmap_draws_into_given_axes():
    """So that several heat maps can stand side by side."""
    _, ax = plt.subplots()
    assert heatmap([[1.0]], rows=["a"], columns=["x"], ax=ax) is ax


@pytest.mark.parametrize("shape", [(3, 2), (2, 2), (3, 3), (6,), (1, 2, 3)])
def test_heatmap_refuses_labels_that_do_not_fit(shape):
    """seaborn would draw a wrong picture without a word, above all for a transposed table."""
    with pytest.raises(ValueError, match="heatmap") as raised:
        heatmap(np.zeros(shape), rows=["a", "b"], columns=["x", "y", "z"])
    assert str(raised.value) == (
        f"heatmap: weights have shape {shape}, but there are 2 row labels and 3 column labels; "
        "rows are queries, columns are keys."
    )


def slider_of(values, monkeypatch):
    """Make a slider; return its choice, its picture and the list of the values that it draws."""
    boxes, drawn = [], []
    make_box = ipywidgets.VBox
    monkeypatch.setattr(ipywidgets, "VBox", lambda children: boxes.append(children) or make_box(children))
    slider(lambda value: drawn.append(value) or line_figure(), "temperature", values, alt=lambda v: f'At "{v:g}".')
    [(choice, picture)] = boxes
    return choice, picture, drawn


def test_slider_redraws_and_describes_each_picture(outputs, monkeypatch):
    """Moving the slider draws the chosen value, and the picture carries its own description."""
    choice, picture, drawn = slider_of([1, 8, 64], monkeypatch)
    assert (drawn, choice.description, len(outputs)) == ([8], "temperature", 1)
    choice.value = 64
    assert drawn == [8, 64]
    assert 'alt="At &quot;64&quot;."' in picture.value
    assert 'src="data:image/png;base64,' in picture.value


def test_slider_displays_nothing_but_the_widget(outputs, monkeypatch):
    """A page without a kernel cannot run it; the text of its repr would only puzzle the reader there."""
    slider_of([1, 2], monkeypatch)
    [(data, _, raw)] = outputs
    assert set(data) == {"application/vnd.jupyter.widget-view+json"}
    assert raw is True


def test_slider_says_that_it_needs_a_notebook(capsys, monkeypatch):
    """In plain Python there is nothing to move."""
    slider_of([1, 2], monkeypatch)
    assert capsys.readouterr().out == "(needs a notebook)\n"


def test_slider_needs_values():
    """Without values there is nothing to draw."""
    with pytest.raises(ValueError, match="slider") as raised:
        slider(lambda _: line_figure(), "temperature", [], alt=str)
    assert str(raised.value) == "slider: values is empty, but it must hold the values to choose from."


def test_lab_is_light_to_import():
    """The learner's side costs nothing before it is used, and brings nothing of the answer key with it."""
    code = (
        "import sys, attn_core.lab\n"
        "heavy = {'numpy', 'torch', 'matplotlib', 'seaborn', 'IPython', 'ipywidgets', 'autograder'}\n"
        "answers = {name for name in sys.modules if name.startswith('attn_core.')"
        " and not name.startswith('attn_core.lab')}\n"
        "print(sorted(heavy & set(sys.modules)), sorted(answers))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] []"
