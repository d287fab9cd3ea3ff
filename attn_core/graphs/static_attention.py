r"""Attention is static if one ranking of the keys serves every query: then no query can prefer what another does not.

Formula
    static   there is an order π of the columns with s_{i,π(1)} ≤ s_{i,π(2)} ≤ … for every row i
    As every row is compared in full, that is the same as: of two columns, one is at least the other in every row. So if
    an order fits, the lexicographic one does too: compare by the last row, where it ties by the row before, and so on.
    share    of tables of scores in which all queries have the same top key, a weaker property
Shapes
    scores   (V, V), [i, j] is node i's score of neighbour j; all columns count, j = i too
Cost
    V² log V comparisons; looking for a fitting order among all of them would take V! · V² of them
Errors
    ValueError for a table that is not square; TypeError for what is not a floating NumPy array
Source
    Brody, Alon and Yahav 2022, How Attentive are Graph Attention Networks?, definitions 3.1 and 3.2 (static and dynamic
    scoring); this test asks for the whole order, theirs for the top key
"""

from typing import Any

import numpy as np

from attn_core.conventions import check_arguments, shape_error

Scores = np.ndarray[Any, Any]


def is_static(scores: Scores) -> bool:
    """Does one order of the columns fit every row? Ties may break either way; values are compared exactly.

    >>> is_static(np.array([[1.0, 2.0, 2.0], [0.0, 5.0, 7.0], [3.0, 3.0, 3.0]]))
    True
    >>> is_static(np.array([[1.0, 2.0], [2.0, 1.0]]))
    False
    """
    _check("is_static", scores)
    ranked = scores[:, np.lexsort(scores)]
    return bool((ranked[:, :-1] <= ranked[:, 1:]).all())


def shares_its_top(scores: Scores) -> bool:
    """Has every row its largest score in one and the same column? Rows that tie at the top may choose.

    >>> shares_its_top(np.array([[1.0, 2.0, 9.0], [2.0, 1.0, 9.0], [0.0, 0.0, 9.0]]))
    True
    """
    _check("shares_its_top", scores)
    return bool((scores == scores.max(axis=1, keepdims=True)).all(axis=0).any())


def _check(function: str, scores: Scores) -> None:
    check_arguments(function, scores=(scores, ""))
    if scores.ndim != 2 or scores.shape[0] != scores.shape[1]:
        shape = f"shape {tuple(scores.shape)}"
        raise shape_error(function, "scores", "it must be (V, V)", shape, "one row and one column per node")
