"""Run a learner's function on given inputs and say what was seen, without judging it.

This module (with `cost`) is all of the grader that enters the player's sandbox, so it imports nothing but the standard
library, NumPy and torch, and knows no expected value.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import importlib
import io
import linecache
import random
import re
import sys
import sysconfig
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from autograder.checking.cost import Cost, measured

DTYPES = frozenset(
    ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64")
)  # of results that are compared; any other is described
WIDEST_INTEGER = 1 << 64


@dataclass(frozen=True)
class Request:
    """One call to make: the inputs, and what to look at besides the value."""

    inputs: tuple[Any, ...]
    cotangents: tuple[Any, ...] = ()  # one per floating output; empty: no gradients are asked for
    strided: bool = False  # hand the arrays over in non-contiguous memory
    seed: int | None = None  # of the global random generators; None leaves them alone
    cost: bool = False  # measure the buffers that the call allocates
    through: str = ""  # "module:name" of a function of attn_core.lab that is handed the learner's, and calls it


@dataclass(frozen=True)
class Crash:
    """An exception that came out of the learner's code."""

    kinds: tuple[str, ...]  # the exception's class and its bases, most special first
    message: str
    line: str = ""  # the text of the learner's own line
    number: int = 0

    def __str__(self) -> str:
        where = f" in line {self.number}: {self.line}" if self.line else ""
        return f"{self.kinds[0]}: {self.message}{where}"


@dataclass(frozen=True)
class Opaque:
    """A result that is no number, array or tuple of them; only its description crosses the wall."""

    description: str


@dataclass(frozen=True)
class Observation:
    """What a call gave."""

    value: Any = None
    gradients: tuple[Any, ...] = ()  # aligned with the inputs; None where an input has no gradient
    changed: tuple[int, ...] = ()  # the inputs that the call modified
    drew_random: bool = False
    printed: bool = False
    cost: Cost | None = None
    crash: Crash | None = field(default=None)


class Nowhere(io.TextIOBase):
    """Takes what is printed, keeps none of it, and knows whether there was any."""

    written = False

    def write(self, text: str) -> int:
        """Drop the text."""
        self.written = self.written or bool(text)
        return len(text)


def observe(function: Callable[..., Any], request: Request) -> Observation:
    """Call `function` as `request` says. Exceptions become a Crash; KeyboardInterrupt passes."""
    with contextlib.ExitStack() as stack:
        printed = stack.enter_context(contextlib.redirect_stdout(Nowhere()))
        stack.enter_context(contextlib.redirect_stderr(Nowhere()))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        stack.enter_context(np.errstate(all="ignore"))
        if torch := _torch():
            stack.enter_context(torch.enable_grad())  # a notebook may have switched gradients off
            stack.callback(torch.set_default_dtype, torch.get_default_dtype())
            torch.set_default_dtype(torch.float32)  # or have chosen another dtype for new tensors; so may an answer
        leaves = tuple(_fresh(x, request) for x in request.inputs)
        inputs = tuple(_call_with(x, request) for x in leaves)
        moved = _seeded(request.seed)
        try:
            function = _through(function, request.through)
            with measured(request.cost, inputs) as cost:
                raw = function(*inputs)
            gradients = _gradients(raw, leaves, request.cotangents) if request.cotangents else ()
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a learner raises is an observation
            return Observation(crash=_crash(error))
        return Observation(
            value=plain(raw),
            gradients=gradients,
            changed=tuple(
                i
                for i, (x, given) in enumerate(zip(inputs, request.inputs, strict=True))
                if _labelled(x) or not _same(x, given)
            ),
            drew_random=moved(),
            printed=printed.written,
            cost=cost(),
        )


def _through(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    """The function itself, or one that lets something of attn_core.lab call it: a kernel is no function of arrays."""
    if not name:
        return function
    module, _, attribute = name.partition(":")
    return functools.partial(getattr(importlib.import_module(module), attribute), function)


def plain(value: Any) -> Any:
    """`value` as Python scalars, plain arrays, plain tensors and tuples of them; anything else as Opaque."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, (np.bool_, np.integer, int)):
        whole = int(value)
        if isinstance(value, np.bool_):
            return bool(whole)
        return whole if abs(whole) <= WIDEST_INTEGER else Opaque("an integer of more than 64 bits")
    if isinstance(value, float) and not isinstance(value, np.generic):
        return float(value)
    if isinstance(value, (tuple, list)):
        return tuple(plain(v) for v in value)
    if isinstance(value, (np.ndarray, np.generic)):
        if isinstance(value, np.ndarray) and type(value) is not np.ndarray:
            return Opaque(f"a NumPy {type(value).__name__}")  # a matrix or a masked array computes by other rules
        array = np.array(value)
        return array if dtype_name(array.dtype) in DTYPES else Opaque(f"a NumPy array of dtype {array.dtype}")
    torch = _torch()
    if torch is not None and isinstance(value, torch.Tensor):
        if value.layout is not torch.strided or dtype_name(value.dtype) not in DTYPES:
            return Opaque(f"a tensor of dtype {value.dtype} and layout {value.layout}")
        return value.detach().as_subclass(torch.Tensor).clone(memory_format=torch.contiguous_format)
    return Opaque(f"a {type(value).__name__}")


@functools.cache
def dtype_name(dtype: Any) -> str:
    """ "float32" for a dtype of either library."""
    return str(dtype).removeprefix("torch.")


def is_float_array(value: Any) -> bool:
    """Is it a NumPy array or a tensor of a floating dtype?"""
    if isinstance(value, np.ndarray):
        return bool(value.dtype.kind == "f")
    torch = _torch()
    return bool(torch is not None and isinstance(value, torch.Tensor) and value.is_floating_point())


def leaves_of(value: Any) -> list[Any]:
    """The outputs in order: a tuple's entries, or the one value."""
    return list(value) if isinstance(value, (tuple, list)) else [value]


def _torch() -> ModuleType | None:
    """Torch, if somebody has already imported it: NumPy tasks must not pay for it."""
    return sys.modules.get("torch")


def _fresh(value: Any, request: Request) -> Any:
    """A private copy of an input, so that the caller's array survives whatever the learner does."""
    if isinstance(value, np.ndarray):
        # gaps between the elements, and the axes in reverse order: no view of it joins or splits axes
        return np.repeat(value.T, 2, axis=0).T[..., ::2] if _spread(value, request) else value.copy(order="K")
    torch = _torch()
    if torch is not None and isinstance(value, torch.Tensor):
        return value.clone().requires_grad_(bool(request.cotangents) and value.is_floating_point())
    return copy.deepcopy(value) if isinstance(value, (list, tuple, dict, set)) else value


def _spread(value: Any, request: Request) -> bool:
    return request.strided and value.ndim > 0


def _call_with(leaf: Any, request: Request) -> Any:
    """A tensor that needs a gradient is passed as a non-leaf, so that an in-place change is seen instead of raising."""
    torch = _torch()
    if torch is None or not isinstance(leaf, torch.Tensor):
        return leaf
    if _spread(leaf, request):
        axes = tuple(reversed(range(leaf.ndim)))
        return leaf.permute(axes).repeat_interleave(2, dim=0).permute(axes)[..., ::2]
    return leaf * 1 if leaf.requires_grad else leaf


def _labelled(value: Any) -> bool:
    """Has somebody stored something on this tensor, such as a cache that the next call would find?"""
    torch = _torch()
    return torch is not None and isinstance(value, torch.Tensor) and bool(vars(value))


def _same(after: Any, before: Any) -> bool:
    if isinstance(before, np.ndarray):
        return bool((after.shape, after.dtype) == (before.shape, before.dtype) and after.tobytes() == before.tobytes())
    torch = _torch()
    if torch is not None and isinstance(before, torch.Tensor):
        return bool(torch.equal(after, before)) or bool(
            after.shape == before.shape and ((after == before) | ((after != after) & (before != before))).all()
        )
    return bool(after == before)


def _gradients(raw: Any, leaves: tuple[Any, ...], cotangents: tuple[Any, ...]) -> tuple[Any, ...]:
    """The vector-Jacobian product of the floating outputs; zeros where an output depends on nothing."""
    import torch

    outputs = [o for o in leaves_of(raw) if isinstance(o, torch.Tensor) and o.is_floating_point()]
    used = [
        (o, c.to(o.dtype)) for o, c in zip(outputs, cotangents, strict=False) if o.requires_grad and o.shape == c.shape
    ]
    wanted = [x for x in leaves if is_float_array(x)]
    found: Any = [None] * len(wanted)
    if used and wanted:
        found = torch.autograd.grad([o for o, _ in used], wanted, [c for _, c in used], allow_unused=True)
    by_leaf = {
        id(x): torch.zeros_like(x) if g is None else g.detach().clone() for x, g in zip(wanted, found, strict=True)
    }
    return tuple(by_leaf.get(id(x)) for x in leaves)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread: on arrays as small as ours, more of them only wait for each other."""
    torch = _torch()
    if torch is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def generators_kept() -> Iterator[None]:
    """Put the global random generators back as they were."""
    torch = _torch()
    before = random.getstate(), np.random.get_state(), torch.get_rng_state() if torch else None
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
        if torch and before[2] is not None:
            torch.set_rng_state(before[2])


def _seeded(seed: int | None) -> Callable[[], bool]:
    """Seed the global generators, and give a function that says whether they have moved since."""
    if seed is None:
        return lambda: False
    _seed_generators(seed)
    with_torch = _torch() is not None
    return lambda: _draw_from_generators(with_torch) != _first_numbers(seed, with_torch)


@functools.lru_cache(maxsize=64)
def _first_numbers(seed: int, with_torch: bool) -> tuple[float, ...]:
    _seed_generators(seed)
    return _draw_from_generators(with_torch)


def _seed_generators(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)
    if torch := _torch():
        torch.default_generator.manual_seed(seed)  # torch.manual_seed seeds every device, which takes far longer


def _draw_from_generators(with_torch: bool) -> tuple[float, ...]:
    """The next number of each: much less work than to compare the states, and as telling."""
    numbers = random.random(), float(np.random.random_sample())
    torch = _torch()
    if not (with_torch and torch):
        return numbers
    return *numbers, torch.randint(1 << 30, (), generator=torch.default_generator, device="cpu").item()


_LAB = str(
    Path(__file__).parents[2] / "attn_core" / "lab"
)  # what calls a learner's kernel, and never is the learner's own
_LIBRARIES = (_LAB, *{sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})


def _crash(error: BaseException) -> Crash:
    kinds = tuple(c.__name__ for c in type(error).__mro__ if c not in (object, BaseException))
    line, number = learners_line(error)
    if re.search(rf"\bline {number}\b", str(error)):  # the simulator's errors name their lines themselves
        line, number = "", 0
    return Crash(kinds, str(error)[:500], line, number)


def learners_line(error: BaseException) -> tuple[str, int]:
    """The text and number of the innermost line that is the learner's own: not a library's, not the grader's."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.filename != __file__ and not frame.filename.startswith((*_LIBRARIES, "<frozen ")):
            return (frame.line or linecache.getline(frame.filename, frame.lineno or 0)).strip(), frame.lineno or 0
    return "", 0
