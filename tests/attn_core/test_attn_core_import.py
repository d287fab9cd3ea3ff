"""The package: light to import, and its names are functions however one gets to them."""

import ast
import importlib
import inspect
import subprocess
import sys

import pytest

import attn_core

HEAVY = {"torch", "numpy", "matplotlib", "seaborn", "scipy", "array_api_compat", "autograder"}


def loaded_by(code):
    """Run code in a fresh process, and return which heavy packages it loaded."""
    report = f"{code}\nimport sys\nprint(*sorted({HEAVY!r} & set(sys.modules)))"
    return set(
        subprocess.run([sys.executable, "-c", report], check=True, capture_output=True, text=True).stdout.split()
    )


def test_importing_the_package_loads_nothing_heavy():
    """Neither torch, nor NumPy, nor matplotlib, before a function is asked for; looking at the names is free too."""
    assert loaded_by("import attn_core; dir(attn_core); attn_core.__all__") == set()


def test_the_test_above_can_fail():
    """A package that loads NumPy, and a function that needs it, are both noticed."""
    assert loaded_by("import attn_core, numpy") == {"numpy"}
    assert loaded_by("from attn_core import causal_mask") == {"numpy", "array_api_compat"}


def test_numpy_users_never_wait_for_torch():
    """Attention over NumPy arrays runs without loading torch."""
    code = "import numpy, attn_core; x = numpy.eye(2); attn_core.scaled_dot_product_attention(x, x, x)"
    assert loaded_by(code) == {"numpy", "array_api_compat"}


@pytest.mark.parametrize("name", attn_core.__all__)
def test_every_public_name_is_a_documented_function_of_its_module(name):
    """The lazy table, `__all__` and the imports for type checkers agree, and `dir` shows all of it."""
    function = getattr(attn_core, name)
    module = importlib.import_module(function.__module__)
    assert inspect.isfunction(function)
    assert function.__doc__
    assert getattr(module, name) is function
    assert name in dir(attn_core)
    imports = [node for node in ast.walk(ast.parse(inspect.getsource(attn_core))) if isinstance(node, ast.ImportFrom)]
    assert (module.__name__, name) in {(node.module, alias.name) for node in imports for alias in node.names}


def test_exactly_the_public_functions_are_names_of_the_package():
    """What the mechanism modules define without an underscore, and nothing else."""
    names = (
        "softmax",
        "scores",
        "masks",
        "attention",
        "lookup",
        "self_attention",
        "masked_softmax",
        "leaks",
        "heads",
        "grouped_query",
    )
    modules = [importlib.import_module(f"attn_core.{name}") for name in names]
    defined = {
        name
        for module in modules
        for name, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__ and not name.startswith("_")
    }
    assert sorted(defined - {"check_mask"}) == attn_core.__all__  # check_mask serves the other modules


@pytest.mark.parametrize(
    "before", ["", "import attn_core.softmax", "import attn_core.attention", "from attn_core.softmax import softmax"]
)
def test_softmax_is_the_function_and_never_the_module(before):
    """Importing the file softmax.py, directly or through another, does not put the module in the function's place."""
    code = "import attn_core\nfrom attn_core import softmax\nprint(attn_core.softmax is softmax, softmax.__name__)"
    run = subprocess.run([sys.executable, "-c", f"{before}\n{code}"], check=True, capture_output=True, text=True)
    assert run.stdout == "True softmax\n"


def test_an_unknown_name_is_an_attribute_error():
    """As in any module."""
    with pytest.raises(AttributeError, match=r"^module 'attn_core' has no attribute 'softmin'$"):
        _ = attn_core.softmin
