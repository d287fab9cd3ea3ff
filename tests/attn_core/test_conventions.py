"""The conventions: their examples run, their letters are the ones in use, wrong arguments are named in sentences."""

import doctest
import importlib
import pkgutil
import re

import array_api_compat.numpy
import array_api_compat.torch
import numpy as np
import pytest
import torch
from oracle import message_of

import attn_core
from attn_core.conventions import SHAPE_LETTERS, check_arguments, check_broadcast, namespace, shape_error

MODULES = [f"attn_core.{module.name}" for module in pkgutil.iter_modules(attn_core.__path__) if not module.ispkg]
MECHANISMS = [name for name in MODULES if name != "attn_core.conventions"]
SECTIONS = ["Formula", "Shapes", "Cost", "Errors", "Source"]

TWO_BY_FOUR, THREE_BY_FOUR = np.zeros((2, 4)), np.zeros((3, 4))


def check_pair(q, k):
    """Check two arguments as a score function does."""
    return check_arguments("dot", q=(q, "... n d_k"), k=(k, "... m d_k"))


@pytest.mark.parametrize("name", MODULES)
def test_every_example_in_a_docstring_runs(name):
    """The doctests pass, and the conventions have the four that a reader needs."""
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0
    assert result.attempted >= (8 if name == "attn_core.conventions" else 0)


@pytest.mark.parametrize("name", MECHANISMS)
def test_a_mechanism_file_has_its_parts_in_order(name):
    """One sentence, then formula, shapes, cost, errors and source; at most 150 lines; letters from the table."""
    module = importlib.import_module(name)
    document = module.__doc__
    assert re.findall(r"^[A-Z]\w+$", document, re.MULTILINE) == SECTIONS
    assert document.partition("\n\n")[0].endswith(".")
    with open(module.__file__, encoding="utf-8") as file:
        assert len(file.readlines()) <= 150
    shapes = document[document.index("\nShapes\n") : document.index("\nCost\n")]
    letters = {letter for shape in re.findall(r"\(([^()]*)\)", shapes) for letter in re.split(r",\s*", shape) if letter}
    assert letters - {"1"} <= set(SHAPE_LETTERS)


def test_the_error_builder_makes_a_sentence():
    """Function, argument, what came, what was expected, and the reason if there is one."""
    error = shape_error("dot", "k", "it must be (..., m, d_k)", "shape (5,)", "m is the number of keys")
    assert type(error) is ValueError
    assert str(error) == "dot: k has shape (5,), but it must be (..., m, d_k); m is the number of keys."
    assert str(shape_error("f", "x", "it must be (n,)", "shape ()")) == "f: x has shape (), but it must be (n,)."


def test_the_namespace_is_that_of_the_library():
    """NumPy arrays get the NumPy namespace, torch tensors the torch one."""
    assert namespace(np.zeros(1), np.zeros(2)) is array_api_compat.numpy
    assert namespace(torch.zeros(1)) is array_api_compat.torch
    assert check_pair(TWO_BY_FOUR, THREE_BY_FOUR) is array_api_compat.numpy


@pytest.mark.parametrize(("value", "kind"), [([1.0], "list"), (1.0, "float"), (None, "NoneType")])
def test_what_is_not_an_array_is_named_with_a_cure(value, kind):
    """A list, a number or None is no array, wherever it stands."""
    cure = "but it must be an array; numpy.asarray(...) or torch.as_tensor(...) makes one."
    assert message_of(TypeError, lambda: namespace(np.ones(1), value)) == (
        f"namespace: argument 2 is of type {kind}, {cure}"
    )
    assert message_of(TypeError, lambda: check_pair(value, TWO_BY_FOUR)) == f"dot: q is of type {kind}, {cure}"


def test_two_libraries_at_once_are_named_with_a_cure():
    """NumPy and torch do not mix, in either order."""
    cure = "convert one of them, with torch.from_numpy(...) or tensor.numpy()."
    assert message_of(TypeError, lambda: check_pair(TWO_BY_FOUR, torch.zeros(3, 4))) == (
        f"dot: k is a torch tensor, but q is a NumPy array; {cure}"
    )
    assert message_of(TypeError, lambda: check_pair(torch.zeros(3, 4), TWO_BY_FOUR)) == (
        f"dot: k is a NumPy array, but q is a torch tensor; {cure}"
    )


def test_dtypes_must_be_floating_and_equal():
    """Whole numbers and mixed precision raise instead of being converted unseen."""
    assert message_of(TypeError, lambda: check_pair(TWO_BY_FOUR, THREE_BY_FOUR.astype(int))) == (
        "dot: k has dtype int64, but it must be floating point (booleans belong in a mask)."
    )
    assert message_of(TypeError, lambda: check_pair(TWO_BY_FOUR, THREE_BY_FOUR.astype(np.float32))) == (
        "dot: k has dtype float32, but q has float64; convert one of them, so that no digits are lost unseen."
    )
    assert message_of(TypeError, lambda: check_pair(torch.zeros(2, 4), torch.zeros(3, 4).half())) == (
        "dot: k has dtype torch.float16, but q has torch.float32; "
        "convert one of them, so that no digits are lost unseen."
    )
    lengths = np.array([1.0])
    assert message_of(TypeError, lambda: check_arguments("f", "integral", lengths=(lengths, "B"))) == (
        "f: lengths has dtype float64, but it must be whole numbers."
    )


def test_too_few_or_too_many_axes_are_told_in_letters():
    """The expected shape comes in letters, with their meanings."""
    assert message_of(ValueError, lambda: check_pair(TWO_BY_FOUR, np.zeros(4))) == (
        "dot: k has shape (4,), but it must be (..., m, d_k); m is the number of keys, and of values, "
        "d_k is the number of features of a query and of a key."
    )
    assert message_of(ValueError, lambda: check_arguments("f", v=(TWO_BY_FOUR, "d_a"))) == (
        "f: v has shape (2, 4), but it must be (d_a,); d_a is the number of hidden units of an additive score."
    )


def test_sizes_that_disagree_name_both_arguments():
    """The later argument is at fault; both come with their number and whole shape."""
    features = "d_k is the number of features of a query and of a key"
    assert message_of(ValueError, lambda: check_pair(TWO_BY_FOUR, np.zeros((3, 5)))) == (
        f"dot: k has d_k=5 in shape (3, 5), but q has d_k=4 in shape (2, 4); {features}."
    )
    assert message_of(ValueError, lambda: check_pair(TWO_BY_FOUR, THREE_BY_FOUR.T)) == (
        f"dot: k has d_k=3 in shape (4, 3), but q has d_k=4 in shape (2, 4); {features}; "
        "k may have been transposed by mistake."
    )


@pytest.mark.parametrize(("batch", "shown"), [((1,), "(1,)"), ((), "()"), ((2, 1), "(2, 1)")])
def test_batch_axes_are_equal_and_never_stretched(batch, shown):
    """A batch size of 1, a missing and an additional batch axis all raise."""
    k = np.zeros((*batch, 3, 4))
    assert message_of(ValueError, lambda: check_pair(np.zeros((2, 2, 4)), k)) == (
        f"dot: k has batch axes {shown} in shape {k.shape}, but q has batch axes (2,) in shape (2, 2, 4); "
        "... is any number of batch axes, the same in every argument."
    )


def test_an_argument_without_batch_axes_does_not_bind_them():
    """A weight matrix fits a batch of any shape; the arguments that have batch axes still have to agree."""
    x, W, y = np.zeros((2, 3, 4)), np.zeros((4, 5)), np.zeros((7, 3, 5))
    assert check_arguments("f", x=(x, "... n d"), W=(W, "d d_k")) is not None
    assert message_of(
        ValueError, lambda: check_arguments("f", x=(x, "... n d"), W=(W, "d d_k"), y=(y, "... n d_k"))
    ) == (
        "f: y has batch axes (7,) in shape (7, 3, 5), but x has batch axes (2,) in shape (2, 3, 4); "
        "... is any number of batch axes, the same in every argument."
    )


@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 1), (1, 3), (2, 3), (5, 2, 3), (1, 1, 1)])
def test_what_broadcasts_to_the_scores_is_accepted(shape):
    """Exactly the shapes that NumPy stretches to the scores' shape pass."""
    np.broadcast_to(np.zeros(shape), (5, 2, 3))
    check_broadcast("f", "mask", np.zeros(shape), np.zeros((5, 2, 3)))


@pytest.mark.parametrize("shape", [(2,), (3, 3), (3, 2), (0, 3), (4, 2, 3), (1, 5, 2, 3)])
def test_what_would_stretch_the_scores_is_refused(shape):
    """A mask may not be larger than the scores, nor of another size."""
    assert message_of(ValueError, lambda: check_broadcast("f", "mask", np.zeros(shape), np.zeros((5, 2, 3)))) == (
        f"f: mask has shape {shape}, but it must broadcast to the scores' (5, 2, 3); "
        "counted from the right, each of its sizes is 1 or equal to that of the scores."
    )
