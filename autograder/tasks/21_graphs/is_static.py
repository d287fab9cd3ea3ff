"""graphs.is_static: Does one ranking of the neighbours serve every node?"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from attn_core.graphs.static_attention import is_static, shares_its_top
from autograder.checking.draw import Draw
from autograder.checking.task import Task
from autograder.tasks.mistakes import Array

task = Task(
    "graphs.is_static",
    reference=is_static,
    kind="np",
    rounds=48,  # a verdict is one bit: many are needed to tell mistakes apart
    lecture="21_graphs#static-attention",
    hints=(
        "When does no order fit? Take two columns. What must two rows say about them so that no order can please both?",
        "A row that ties pleases everybody, so it is no evidence, and it must not hide what other rows say: compare every row with every other, or find one "
        "candidate order that has to fit if any does. Sorting the columns by the first row is not it if that row ties.",
        "better = (scores[:, :, None] > scores[:, None, :]).any(0) says for which pairs (j, k) some row ranks j above k. Static: no pair is in both directions, "
        "not (better & better.T).any(). As a bool.",
    ),
)


def _ordered(draw: Draw, steps: int) -> Array:
    """A static table: in a hidden order of the columns every row rises by `steps` kinds of step, of which 0 is a tie."""
    V = draw.size("V")
    rises = draw.rng.integers(0, steps + 1, (V, V)) * draw.rng.uniform(0.2, 1.0, (V, 1))
    table = np.cumsum(rises, axis=1) - draw.rng.uniform(0, 2, (V, 1)) * V / 2
    return table[:, draw.rng.permutation(V)]


def _additive(draw: Draw) -> Array:
    """What GAT gives: LeakyReLU(u_i + w_j)."""
    V = draw.size("V")
    table = draw.rng.normal(size=(V, 1)) + draw.rng.normal(size=V)
    return np.where(table > 0, table, 0.2 * table)


def _base(draw: Draw) -> Array:
    return _additive(draw) if draw.flag(0.3) else _ordered(draw, int(draw.rng.integers(1, 4)))


def _give(draw: Draw, table: Array) -> tuple[Array]:
    return (draw.give(table * draw.case.magnitude, rounded=False),)


def _swapped(draw: Draw, table: Array) -> Array:
    """The table with two neighbouring ranks exchanged in one row."""
    V = len(table)
    if V > 1:
        i, rank = draw.rng.integers(V), draw.rng.integers(V - 1)
        j, k = np.argsort(table[i], kind="stable")[rank : rank + 2]
        table[i, [j, k]] = table[i, [k, j]]
    return table


@task.inputs
def _(draw: Draw) -> tuple[Array]:
    table = _base(draw)
    kind = draw.rng.random()
    if kind < 0.4:
        table = _swapped(draw, table)
    elif kind < 0.5:
        table = draw.rng.normal(size=table.shape)
    return _give(draw, table)


@task.special("whole numbers, among them many ties")
def _(draw: Draw) -> tuple[Array]:
    V = draw.size("V", 2, 5)
    table = np.maximum(draw.rng.integers(0, 4, (V, 1)) + draw.rng.integers(0, 4, V) - 2.0, 0)
    if draw.flag(0.4):
        table[draw.rng.integers(V), draw.rng.integers(V)] += 1
    return _give(draw, table)


@task.special("two rows that contradict each other, with rows between them that tie")
def _(draw: Draw) -> tuple[Array]:
    V = draw.size("V", 4, 7)
    table: Array = np.full((V, V), 0.5) * draw.rng.integers(1, 4, (V, 1))
    first = int(draw.rng.integers(0, V - 2))
    last = int(draw.rng.integers(first + 2, V))
    j, k = draw.rng.choice(V, 2, replace=False)
    table[[first, last], [j, k]] += 1.0
    return _give(draw, table)


@task.special("only one pair of neighbouring ranks, in one row, is against it")
def _(draw: Draw) -> tuple[Array]:
    V = draw.size("V", 3, 6)
    rises = draw.rng.uniform(0.3, 1.0, (V, V))
    table = np.cumsum(rises, axis=1)[:, draw.rng.permutation(V)]
    return _give(draw, _swapped(draw, table))


@task.special("the best column is the same for all, but not the order below it")
def _(draw: Draw) -> tuple[Array]:
    V = draw.size("V", 4, 6)
    table = draw.rng.normal(size=(V, V))
    table[:, draw.rng.integers(V)] = 9.0
    return _give(draw, table)


@task.special("the diagonal alone speaks against it")
def _(draw: Draw) -> tuple[Array]:
    V = draw.size("V", 4, 7)
    table = np.cumsum(draw.rng.uniform(0.3, 1.0, (V, V)), axis=1)[:, draw.rng.permutation(V)]
    table[np.diag_indices(V)] = 3.0 * V
    return _give(draw, table)


@task.special("one order fits, and every row has ties of its own")
def _(draw: Draw) -> tuple[Array]:
    V = draw.size("V", 3, 7)
    return _give(draw, np.cumsum(draw.rng.integers(0, 2, (V, V)), axis=1).astype(float)[:, draw.rng.permutation(V)])


@task.special("all scores of every row are equal", share=0.25)
def _(draw: Draw) -> tuple[Array]:
    V = draw.size("V", 2, 6)
    return _give(draw, np.repeat(draw.rng.normal(size=(V, 1)), V, axis=1))


@task.special("all rows are equal", share=0.25)
def _(draw: Draw) -> tuple[Array]:
    V = draw.size("V", 2, 6)
    return _give(draw, np.repeat(draw.rng.normal(size=(1, V)), V, axis=0))


@task.special("scores that differ in their last digit", share=0.25)
def _(draw: Draw) -> tuple[Array]:
    V = draw.size("V", 3, 6)
    table = draw.give(np.full((V, V), 1.25), rounded=False)
    j, k = draw.rng.choice(V, 2, replace=False)
    row, other = draw.rng.choice(V, 2, replace=False)
    table[row, j] = np.nextafter(table[row, j], table.dtype.type(2))
    table[other, k if draw.flag() else j] = np.nextafter(table[other, j], table.dtype.type(2))
    return (table,)


@task.special("tiny scores, whose products vanish", share=0.25)
def _(draw: Draw) -> tuple[Array]:
    draw.size("V", 3, 6)
    table = _ordered(draw, 2)
    tiny = 1e-30 if draw.case.dtype == "float32" else 1e-200
    return (draw.give(tiny * (_swapped(draw, table) if draw.flag() else table), rounded=False),)


@task.special("scores whose differences overflow", share=0.25)
def _(draw: Draw) -> tuple[Array]:
    V = draw.size("V", 3, 6)
    huge = 3e38 if draw.case.dtype == "float32" else 1.7e308
    table = np.sort(draw.rng.uniform(-1, 1, (V, V)), axis=1)[:, draw.rng.permutation(V)]
    table[np.arange(V), table.argmax(1)], table[np.arange(V), table.argmin(1)] = 1.0, -1.0
    return (draw.give(huge * (_swapped(draw, table) if draw.flag() else table), rounded=False),)


def _along(scores: Array, order: Array) -> bool:
    """Does no row fall along this order of the columns?"""
    ranked = scores[:, order]
    return bool((ranked[:, :-1] <= ranked[:, 1:]).all())


def _agree(one: Array, other: Array) -> bool:
    """Do these two rows contradict each other nowhere?"""
    up, down = (row[:, None] > row[None, :] for row in (one, other))
    return not bool((up & down.T).any())


@task.misconception(
    "compares the best column only",
    ask="Two rows share their best column, and disagree about the second best. Does one order fit both?",
)
def _(scores: Array) -> bool:
    return shares_its_top(scores)


@task.misconception(
    "compares the first best column only, and that of argmax",
    ask="Which of two equal scores does argmax name, and must it be that one?",
)
def _(scores: Array) -> bool:
    return len(set(scores.argmax(1).tolist())) == 1


@task.misconception("compares the best and the worst column only", ask="What if two rows disagree in the middle?")
def _(scores: Array) -> bool:
    return shares_its_top(scores) and shares_its_top(-scores)


@task.misconception(
    "wants the same argsort in every row, which ties upset",
    ask="argsort of [1, 1] is [0, 1]. Does the order [1, 0] fit that row as well?",
)
def _(scores: Array) -> bool:
    order = np.argsort(scores, axis=1, kind="stable")
    return bool((order == order[0]).all())


@task.misconception(
    "wants the same ties in every row", ask="If one row ties where another does not, is there an order that fits both?"
)
def _(scores: Array) -> bool:
    ranks = (scores[:, :, None] > scores[:, None, :]).sum(2)
    return bool((ranks == ranks[0]).all())


@task.misconception(
    "tries the order of the first row only",
    ask="If the first row ties, which of its orders must be tried?",
)
def _(scores: Array) -> bool:
    return _along(scores, np.argsort(scores[0], kind="stable"))


@task.misconception(
    "tries the order of the last row only", ask="If the last row ties, which of its orders must be tried?"
)
def _(scores: Array) -> bool:
    return _along(scores, np.argsort(scores[-1], kind="stable"))


@task.misconception(
    "compares each row with the next one only",
    ask="[0, 1], [0, 0], [1, 0]: does any row contradict the next? Does one order fit all three?",
)
def _(scores: Array) -> bool:
    return all(_agree(one, other) for one, other in pairwise(scores))


@task.misconception(
    "compares each row with the first one only",
    ask="[0, 0], [0, 1], [1, 0]: does any row contradict the first? Does one order fit all three?",
)
def _(scores: Array) -> bool:
    return all(_agree(scores[0], other) for other in scores)


@task.misconception(
    "compares each column with the one beside it only",
    ask="Can two columns that do not stand side by side be ranked differently by two rows?",
)
def _(scores: Array) -> bool:
    rising = scores[:, :-1] < scores[:, 1:]
    falling = scores[:, :-1] > scores[:, 1:]
    return not bool((rising.any(0) & falling.any(0)).any())


@task.misconception("leaves out the diagonal", ask="Does a node score itself too? Which columns count?")
def _(scores: Array) -> bool:
    V = len(scores)
    other = ~np.eye(V, dtype=bool)
    up = (scores[:, :, None] > scores[:, None, :]) & other[:, :, None] & other[:, None, :]
    return not bool((up.any(0) & up.any(0).T).any())


@task.misconception(
    "ranks the rows instead of the columns", ask="Row i holds the scores of node i. Who ranks, and who is ranked?"
)
def _(scores: Array) -> bool:
    return is_static(np.ascontiguousarray(scores.T))


@task.misconception(
    "wants rows that differ by a constant", ask="LeakyReLU(u + w) is static. Do its rows differ by a constant?"
)
def _(scores: Array) -> bool:
    gap = scores - scores[:, :1]
    return bool(np.allclose(gap, gap[0]))


@task.misconception("wants all rows to be equal", ask="May two nodes give different scores and still rank alike?")
def _(scores: Array) -> bool:
    return bool((scores == scores[0]).all())


@task.misconception("allows no ties", ask="Does a row that scores two columns alike contradict any order?")
def _(scores: Array) -> bool:
    ranked = scores[:, np.lexsort(scores)]
    return bool((ranked[:, :-1] < ranked[:, 1:]).all())


for _gap in (1e-12, 1e-9, 1e-8, 1e-6, 1e-5, 1e-4):

    @task.misconception(
        "takes scores that are close for equal", ask="Values are to be compared exactly. What does a tolerance hide?"
    )
    def _(scores: Array, gap: float = _gap) -> bool:
        ranked = scores[:, np.lexsort(scores)]
        return bool((ranked[:, 1:] - ranked[:, :-1] >= -gap).all())


@task.misconception(
    "multiplies differences to see whether their signs differ: tiny ones vanish",
    ask="What is 1e-200 times −1e-200 in float64?",
)
def _(scores: Array) -> bool:
    gaps = (scores[:, :, None] - scores[:, None, :]).reshape(len(scores), -1)
    return not bool((gaps[:, None] * gaps[None] < 0).any())


@task.misconception(
    "ranks the columns by their mean, in which the last digit is lost",
    ask="Is the mean of equal numbers and one that is larger by its last digit always larger?",
)
def _(scores: Array) -> bool:
    return _along(scores, np.argsort(scores.mean(0), kind="stable"))


@task.misconception(
    "is content if most rows agree", ask="How many rows that disagree does it take to make attention dynamic?"
)
def _(scores: Array) -> bool:
    order = np.lexsort(scores)
    fits = [_along(row[None], order) for row in scores]
    return sum(fits) > len(fits) / 2


@task.misconception("says True for dynamic attention", ask="What should it say of a table with one row repeated?")
def _(scores: Array) -> bool:
    return not is_static(scores)


@task.misconception("always says True", ask="What should it say of [[0, 1], [1, 0]]?")
def _(scores: Array) -> bool:
    return len(scores) > 0


@task.misconception("always says False", ask="What should it say of a table with one row repeated?")
def _(scores: Array) -> bool:
    return len(scores) < 1


@task.misconception(
    "takes the columns in the order in which they stand", ask="Must the order that fits be that of the numbering?"
)
def _(scores: Array) -> bool:
    return _along(scores, np.arange(len(scores)))


@task.misconception(
    "accepts rows that fall all the way",
    ask="A row that ranks all columns the other way round: does the same order fit it?",
)
def _(scores: Array) -> bool:
    ranked = scores[:, np.argsort(scores[0], kind="stable")]
    return all((row[:-1] <= row[1:]).all() or (row[:-1] >= row[1:]).all() for row in ranked)


@task.misconception(
    "compares the best and the worst column only, and those of argmax and argmin",
    ask="What if two rows disagree in the middle? Which of two equal scores does argmax name?",
)
def _(scores: Array) -> bool:
    return len(set(scores.argmax(1).tolist())) == 1 and len(set(scores.argmin(1).tolist())) == 1


for _one, _by in (("median", np.median), ("maximum", np.max), ("minimum", np.min)):

    @task.misconception(
        f"ranks the columns by their {_one}, in which other rows do not count",
        ask=f"Two columns with the same {_one}: do the other rows have no say in their order?",
    )
    def _(scores: Array, by: Any = _by) -> bool:
        return _along(scores, np.argsort(by(scores, axis=0), kind="stable"))


@task.misconception(
    "tries the order of each row, but no mixture of them",
    ask="If every row has ties of its own, must one row's order fit all others?",
)
def _(scores: Array) -> bool:
    return any(_along(scores, np.argsort(row, kind="stable")) for row in scores)


@task.misconception(
    "breaks ties of the first row by the second, and those that are left by nothing",
    ask="If the first two rows tie, which row decides?",
)
def _(scores: Array) -> bool:
    return _along(scores, np.lexsort(scores[:2][::-1]))


@task.misconception("says False except for a single node", ask="What should it say of a table with one row repeated?")
def _(scores: Array) -> bool:
    return len(scores) == 1


@task.misconception("returns as soon as the first pair of rows agrees", ask="After which loop may True be returned?")
def _(scores: Array) -> bool:
    return len(scores) == 1 or _agree(scores[0], scores[1])
