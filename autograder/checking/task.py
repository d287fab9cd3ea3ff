"""A task: one function that a learner writes, and all that its author says about it.

    scaled_scores = Task("scaling.scaled_scores", reference=scores.scaled_dot, kind="torch", hints=(...), lecture=...)

    @scaled_scores.inputs
    def _(draw):                                    # one valid input; the engine varies the rest
        d = draw.size("d_k", 1, 64)
        return draw.array(..., "n", d), draw.array(..., "m", d)

    @scaled_scores.misconception("divides by d_k instead of its square root", ask="What is the standard deviation?")
    def _(q, k):
        return q @ swap(k) / k.shape[-1]

From that the engine (`engine.examine`) does the rest.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from autograder.checking.cost import Cost
from autograder.checking.draw import Case, InputFunction, Kind

Function = Callable[..., Any]


@dataclass(frozen=True)
class Special:
    """A kind of input that ordinary draws do not reach. `share` of the points is lost if only it fails (None: all)."""

    name: str
    inputs: InputFunction
    share: float | None = None
    gradients: bool = True  # False where the function has a kink there


@dataclass(frozen=True)
class Misconception:
    """A mistake people make, as the function they then write, with the question that leads out of it."""

    name: str
    ask: str
    function: Function


@dataclass(frozen=True)
class Property:
    """Something that holds for every right answer. `broken(call, inputs, output)` gives a sentence, or None."""

    name: str
    broken: Callable[[Function, tuple[Any, ...], Any], str | None]


@dataclass(frozen=True)
class Raises:
    """Inputs that must raise this error, with a message that holds `naming`; where that is empty, any message will do."""

    name: str
    error: type[Exception]
    naming: str
    inputs: InputFunction


@dataclass(frozen=True)
class Limit:
    """Inputs, mostly large ones, on which a call may cost only so much; `exceeded(inputs, cost)` gives a sentence, or None.

    What stands before the sentence's colon says which mistake it is: a misconception with the same words there is named.
    """

    inputs: InputFunction
    exceeded: Callable[[tuple[Any, ...], Cost], str | None]


@dataclass
class Task:
    """One graded function. Everything below `hints` is filled by the decorators."""

    id: str
    reference: Function
    kind: Kind
    hints: tuple[str, str, str]
    lecture: str  # where it is explained: "06_scaling#the-variance-proof"
    function: str = ""  # the name that learners define; the reference's name if it is not given
    arguments: tuple[str, ...] = ()  # the names that learners see; the reference's if they are not given
    dtypes: Sequence[str] = ("float32", "float64")  # the most precise last
    rounds: int = 24  # how many random cases
    # of the same inputs: what a softmax is taken of; large ones make a log-sum-exp coarse
    scores: Function | None = None
    unit: float = 0.0  # the size of an ordinary result, where exact zeros may come out of a difference
    # "attn_core.lab.module:name" of what calls the learner's function with the inputs, where it is no function of them
    through: str = ""
    simplex: tuple[str, ...] = ()  # arguments whose rows sum to one: only gradients along such rows are compared
    gradients: bool = True  # False where derivatives of the results are not asked for, as where they are gradients
    unavailable: Callable[[], str] = str  # why it cannot be verified on this machine ("needs a GPU"); empty if it can
    draw_inputs: InputFunction = field(init=False)
    specials: tuple[Special, ...] = ()
    misconceptions: tuple[Misconception, ...] = ()
    properties: tuple[Property, ...] = ()
    raises: tuple[Raises, ...] = ()
    limits: tuple[Limit, ...] = ()
    prepared: dict[Case, Any] = field(default_factory=dict, repr=False, compare=False)  # by the engine, once examined
    imitated: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)  # what mistakes give, likewise

    def __post_init__(self) -> None:
        self.function = self.function or self.reference.__name__
        self.arguments = self.arguments or tuple(inspect.signature(self.reference).parameters)

    def inputs(self, function: InputFunction) -> InputFunction:
        """Decorator: what one ordinary input looks like."""
        self.draw_inputs = function
        return function

    def special(
        self, name: str, share: float | None = None, gradients: bool = True
    ) -> Callable[[InputFunction], InputFunction]:
        """Decorator: an input that ordinary draws do not reach."""

        def add(function: InputFunction) -> InputFunction:
            self.specials += (Special(name, function, share, gradients),)
            return function

        return add

    def misconception(self, name: str, ask: str) -> Callable[[Function], Function]:
        """Decorator: the function that somebody with this misconception writes."""

        def add(function: Function) -> Function:
            self.misconceptions += (Misconception(name, ask, function),)
            return function

        return add

    def property(self, name: str) -> Callable[[Function], Function]:
        """Decorator: `broken(call, inputs, output)` returns a sentence when the property does not hold."""

        def add(function: Function) -> Function:
            self.properties += (Property(name, function),)
            return function

        return add

    def error(self, name: str, error: type[Exception], naming: str) -> Callable[[InputFunction], InputFunction]:
        """Decorator: inputs that must raise `error` with `naming` in its message."""

        def add(function: InputFunction) -> InputFunction:
            self.raises += (Raises(name, error, naming, function),)
            return function

        return add

    def cost(self, inputs: InputFunction) -> Callable[[Function], Function]:
        """Decorator: `exceeded(inputs, cost)` returns a sentence when a call on these (large) inputs costs too much."""

        def add(function: Function) -> Function:
            self.limits += (Limit(inputs, function),)
            return function

        return add

    def inputs_of(self, special: str | None) -> InputFunction:
        """The input function of an ordinary case, or of the special one of this name."""
        return self.draw_inputs if special is None else next(s.inputs for s in self.specials if s.name == special)


@dataclass(frozen=True)
class Written:
    """A question answered in prose and graded by hand; the rubric is what the grader sees."""

    id: str
    hints: tuple[str, str, str]
    lecture: str
    rubric: tuple[str, ...]


def load(slug: str) -> dict[str, Task | Written]:
    """The tasks of one assignment by id: each module of the package `autograder.tasks.<slug>` defines one as `task`."""
    package = importlib.import_module(f"autograder.tasks.{slug}")
    modules = [importlib.import_module(f"{package.__name__}.{m.name}") for m in pkgutil.iter_modules(package.__path__)]
    return {module.task.id: module.task for module in modules}
