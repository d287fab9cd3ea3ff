"""The package attn_core.flash: light to import, and its files keep the order of all mechanism files."""

import doctest
import importlib
import pkgutil
import re
import subprocess
import sys

import pytest

import attn_core.flash
from attn_core.conventions import SHAPE_LETTERS

MECHANISMS = ["online_softmax", "tiled", "backward", "traffic", "cpu", "ops"]
HELPERS = ["checks", "devices", "threads"]
SECTIONS = ["Formula", "Shapes", "Cost", "Errors", "Source"]
HEAVY = {"torch", "numpy", "array_api_compat", "matplotlib", "cuda"}


def loaded_by(code):
    """Run code in a fresh process, and return which heavy packages it loaded."""
    report = f"{code}\nimport sys\nprint(*sorted({HEAVY!r} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", report], check=True, capture_output=True, text=True)
    return set(run.stdout.split())


def test_importing_the_package_loads_nothing_heavy():
    """Neither torch nor NumPy nor CUDA, before a function is asked for; looking at the names is free too."""
    assert loaded_by("import attn_core, attn_core.flash; dir(attn_core.flash); attn_core.flash.__all__") == set()


def test_numpy_users_never_wait_for_torch():
    """The functions of the array API run over NumPy arrays without loading torch."""
    code = "import numpy; from attn_core.flash import tiled_attention; x = numpy.eye(2); tiled_attention(x, x, x, 1)"
    assert loaded_by(code) == {"numpy", "array_api_compat"}
    assert loaded_by("from attn_core.flash import hbm_traffic; hbm_traffic(1, 1, 1, True)") == set()


@pytest.mark.parametrize("name", attn_core.flash.__all__)
def test_every_public_name_is_a_documented_function_of_its_module(name):
    """The lazy table and `__all__` agree, and `dir` shows all of it."""
    function = getattr(attn_core.flash, name)
    assert function.__doc__
    assert function.__name__ == name
    assert getattr(importlib.import_module(function.__module__), name) is function
    assert name in dir(attn_core.flash)


def test_an_unknown_name_is_an_attribute_error():
    """As in any module."""
    with pytest.raises(AttributeError, match=r"^module 'attn_core\.flash' has no attribute 'tiled_softmax'$"):
        _ = attn_core.flash.tiled_softmax


@pytest.mark.parametrize("name", MECHANISMS)
def test_a_mechanism_file_has_its_parts_in_order(name):
    """One sentence, then formula, shapes, cost, errors and source; at most 150 lines; letters from the table; examples run."""
    module = importlib.import_module(f"attn_core.flash.{name}")
    document = module.__doc__
    assert re.findall(r"^[A-Z]\w+$", document, re.MULTILINE) == SECTIONS
    assert document.partition("\n\n")[0].endswith(".")
    with open(module.__file__, encoding="utf-8") as file:
        assert len(file.readlines()) <= 150
    shapes = document[document.index("\nShapes\n") : document.index("\nCost\n")]
    letters = {letter for shape in re.findall(r"\(([^()]*)\)", shapes) for letter in re.split(r",\s*", shape) if letter}
    assert letters - {"1"} <= set(SHAPE_LETTERS)
    result = doctest.testmod(module)
    assert result.failed == 0
    assert result.attempted >= (0 if name == "cpu" else 1)


@pytest.mark.parametrize("name", HELPERS)
def test_a_helper_file_is_short_and_says_what_it_is_for(name):
    """At most 200 lines, with a docstring."""
    module = importlib.import_module(f"attn_core.flash.{name}")
    assert module.__doc__
    with open(module.__file__, encoding="utf-8") as file:
        assert len(file.readlines()) <= 200


def test_every_file_of_the_package_is_named_above():
    """So that a new one is looked at too."""
    found = {module.name for module in pkgutil.iter_modules(attn_core.flash.__path__) if not module.ispkg}
    assert found == {*MECHANISMS, *HELPERS}
