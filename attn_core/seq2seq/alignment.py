r"""How much of what a decoder read lies where the truth says it should have looked?

Formula
    mass    Σ over rows i with a link of Σ_{j linked to i} a_ij, over the number of such rows
    aer     1 − (|A ∩ S| + |A ∩ P|) / (|A| + |S|) for predicted links A, sure links S ⊆ P possible links
Shapes
    weights    (T, n), one row per target position; each row sums to 1
    links      pairs (target position, source position)
Cost
    one look at every link
Errors
    ValueError for weights that are no matrix, a link outside of it, no links at all, sure links that are not possible
Source
    the error rate: Och and Ney 2003, A Systematic Comparison of Various Statistical Alignment Models, section 5.2;
    the mass is what it becomes for weights instead of links: its expected precision per row
"""

from collections.abc import Iterable, Set
from typing import Any

from attn_core.conventions import Array

Link = tuple[int, int]


def alignment_score(weights: Array, links: Iterable[Link], rows: Iterable[int] | None = None) -> float:
    """Share of the weight on the true links, averaged over the target positions that have one.

    `rows` keeps only some target positions, such as those of the year; one of them without a link is left out.

    >>> import numpy as np
    >>> alignment_score(np.array([[0.75, 0.25], [0.5, 0.5]]), {(0, 0), (1, 1)})
    0.625
    """
    inside = _by_row(weights, links, rows)
    return float(sum(_weight(weights, i, j) for i, found in inside.items() for j in found)) / len(inside)


def uniform_score(weights: Array, links: Iterable[Link], rows: Iterable[int] | None = None) -> float:
    """What `alignment_score` gives to a reader that looks everywhere alike: the baseline.

    Positions that hold padding must have been cut off.
    """
    inside = _by_row(weights, links, rows)
    return sum(len(found) for found in inside.values()) / len(inside) / int(weights.shape[1])


def hard_links(weights: Array) -> frozenset[Link]:
    """One link per row, to the source position with the largest weight; the first one, of equals."""
    _check(weights)
    return frozenset(
        (i, max(range(weights.shape[1]), key=lambda j: _weight(weights, i, j))) for i in range(len(weights))
    )


def alignment_error_rate(predicted: Set[Link], sure: Set[Link], possible: Set[Link] | None = None) -> float:
    """Error rate of predicted links: 0 if they hold all sure ones and nothing impossible. `possible` is `sure` if not given.

    >>> alignment_error_rate({(0, 0), (1, 2)}, sure={(0, 0), (1, 1)})
    0.5
    """
    allowed = sure if possible is None else possible
    if not sure:
        raise ValueError("alignment_error_rate: sure is empty, but there must be a true link to compare with.")
    if stray := sorted(set(sure) - set(allowed)):
        raise ValueError(f"alignment_error_rate: the sure link {stray[0]} is not among the possible links; add it.")
    return 1 - (len(predicted & sure) + len(predicted & allowed)) / (len(predicted) + len(sure))


def _by_row(weights: Array, links: Iterable[Link], rows: Iterable[int] | None) -> dict[int, set[int]]:
    """The linked source positions of every target position that has one."""
    _check(weights)
    height, width = weights.shape
    wanted = None if rows is None else set(rows)
    found: dict[int, set[int]] = {}
    for i, j in links:
        if not (0 <= i < height and 0 <= j < width):
            raise ValueError(f"alignment_score: the link {(i, j)} lies outside the weights of shape {(height, width)}.")
        if wanted is None or i in wanted:
            found.setdefault(i, set()).add(j)
    if not found:
        raise ValueError("alignment_score: no link lies in these rows, but the truth must be known to compare with it.")
    return found


def _check(weights: Any) -> None:
    if len(weights.shape) != 2:
        raise ValueError(f"alignment_score: weights have shape {tuple(weights.shape)}, but they must be (T, n).")


def _weight(weights: Array, i: int, j: int) -> float:
    return float(weights[i, j])
