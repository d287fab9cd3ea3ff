"""The mutators: what editors, uploads, learners and accidents do to a notebook, each with what must come of it.

They work in stages: on the notebook, on its shape, on its text, on its bytes, on its wrapping, on the folder. At most
three are composed, at most one of each stage but the first. Each says what becomes of the score:

- `KEEPS`: it is that of the notebook before;
- `LOSES`: it may be lower, never higher;
- `KILLS`: it is zero, with a reason.

A mutator may rely on something that another breaks (`needs`, `breaks`): then all that is sure is that nothing is won.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Effect(StrEnum):
    """What becomes of the score."""

    KEEPS = "keeps"
    LOSES = "loses"
    KILLS = "kills"


NOTEBOOK, SHAPE, TEXT, DAMAGE, ENCODING, WRAPPING, FOLDER = range(7)  # the stages, in this order


@dataclass(frozen=True)
class Mutator:
    """One mutation. `change` takes the generator and what the stage works on."""

    name: str
    stage: int
    effect: Effect
    change: Callable[..., Any]
    needs: frozenset[str] = frozenset()
    breaks: frozenset[str] = frozenset()


MUTATORS: dict[str, Mutator] = {}


def mutator(stage: int, effect: Effect, needs: str = "", breaks: str = "") -> Callable[..., Any]:
    """Enter a function into the list under its own name."""

    def enter(change: Callable[..., Any]) -> Callable[..., Any]:
        name = change.__name__
        assert name not in MUTATORS, name
        MUTATORS[name] = Mutator(name, stage, effect, change, frozenset(needs.split()), frozenset(breaks.split()))
        return change

    return enter


def pick(rng: random.Random) -> list[Mutator]:
    """One to three mutators that can be composed, in the order of their stages."""
    chosen: dict[str, Mutator] = {}
    wanted = rng.choice((1, 1, 2, 2, 3))
    while len(chosen) < wanted:
        found = rng.choice(list(MUTATORS.values()))
        taken = any(found.stage == other.stage for other in chosen.values())
        if found.stage == NOTEBOOK or not taken:
            chosen[found.name] = found
    return sorted(chosen.values(), key=lambda m: m.stage)


def effect(chosen: Sequence[Mutator]) -> Effect:
    """What must come of several together."""
    effects = {
        Effect.LOSES if any(m.needs & other.breaks for other in chosen if other is not m) else m.effect for m in chosen
    }
    return next(worst for worst in (Effect.KILLS, Effect.LOSES, Effect.KEEPS) if worst in effects)
