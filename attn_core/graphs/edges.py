r"""An edge list says who reads whom, and a softmax over it lets each target share its attention among its own edges.

Formula
    edges[0, e] = j is the source, which is read, edges[1, e] = i the target, which reads: a message goes from j to i
    self-loops   those that are given are dropped, then one per node is added, so that a node always reads itself
    softmax      α_e = exp(s_e − m_i) / Σ_{e' into i} exp(s_e' − m_i), m_i = max of s over the edges into i = target(e)
    scatter_sum  out_i = Σ_{e into i} values_e; a node without an edge gets 0
Shapes
    edges        (2, E), whole numbers from 0 to V − 1; E may be 0
    scores       (E, ...), one number per edge and head; the weights too
    values       (E, ...); scatter_sum (V, ...)
    targets      (E,); no order is assumed, and an edge that is given twice counts twice
Cost
    E exponentials, 3 E additions, no (V, V) table
Errors
    ValueError for shapes that do not fit and for a node outside 0 … V − 1; TypeError for edges that are no whole numbers
    and for scores that are not floating
Source
    Veličković et al. 2018, Graph Attention Networks, equation 2; self-loops: Kipf and Welling 2017, section 2.2
"""

from operator import index
from typing import Any

from array_api_compat import is_torch_array

from attn_core.conventions import Array, check_arguments, namespace, shape_error


def with_self_loops(edges: Array, nodes: int) -> Array:
    """The edges between different nodes, in their order, then one self-loop per node.

    >>> import numpy as np
    >>> with_self_loops(np.array([[0, 1, 1], [1, 1, 1]]), 2)
    array([[0, 0, 1],
           [1, 0, 1]])
    """
    xp = check_edges("with_self_loops", edges, nodes)
    loops = xp.arange(nodes, dtype=edges.dtype, device=edges.device)
    kept = edges[:, edges[0, :] != edges[1, :]]
    return xp.concat([kept, xp.stack([loops, loops])], axis=1)


def scatter_sum(values: Array, targets: Array, nodes: int) -> Array:
    """Sums of the values that arrive at each node: (E, ...) → (V, ...).

    >>> import numpy as np
    >>> scatter_sum(np.array([1.0, 2.0, 4.0]), np.array([2, 0, 2]), 3)
    array([2., 0., 5.])
    """
    xp = _check("scatter_sum", "values", values, targets, nodes)
    if is_torch_array(values):
        zeros: Any = values.new_zeros((nodes, *values.shape[1:]))
        return zeros.index_add(0, targets, values)
    out = xp.zeros((nodes, *values.shape[1:]), dtype=values.dtype)
    xp.add.at(out, targets, values)  # not out[targets] += values, which keeps one edge per node
    return out


def edge_softmax(scores: Array, targets: Array, nodes: int) -> Array:
    """Weights of the edges; those of one target sum to one.

    >>> import numpy as np
    >>> edge_softmax(np.log([1.0, 2.0, 3.0]), np.array([1, 0, 1]), 2)
    array([0.25, 1.  , 0.75])
    """
    xp = _check("edge_softmax", "scores", scores, targets, nodes)
    exponentials = xp.exp(scores - _peak(scores, targets, nodes)[targets, ...])
    return exponentials / scatter_sum(exponentials, targets, nodes)[targets, ...]  # at least exp(0) = 1


def check_edges(function: str, edges: Array, nodes: int) -> Any:
    """Check shape, dtype and range of an edge list, and return its namespace."""
    xp = check_arguments(function, "integral", edges=(edges, ""))
    if edges.ndim != 2 or edges.shape[0] != 2:
        reason = "row 0 holds the sources, row 1 the targets"
        raise shape_error(function, "edges", "it must be (2, E)", f"shape {tuple(edges.shape)}", reason)
    _check_range(function, "edges", edges, nodes)
    return xp


def _check(function: str, name: str, values: Array, targets: Array, nodes: int) -> Any:
    check_arguments(function, **{name: (values, "")})
    check_arguments(function, "integral", targets=(targets, ""))
    xp = namespace(values, targets, function=function, names=(name, "targets"))
    if targets.ndim != 1 or tuple(values.shape[:1]) != tuple(targets.shape):
        expected = f"{name} have shape {tuple(values.shape)}"
        raise shape_error(
            function, "targets", expected, f"shape {tuple(targets.shape)}", "there is one target per edge"
        )
    _check_range(function, "targets", targets, nodes)
    return xp


def _check_range(function: str, name: str, found: Array, nodes: int) -> None:
    outside = found[(found < 0) | (found >= index(nodes))]
    if outside.shape[0] > 0:
        reason = "nodes are numbered from 0"
        got = f"an entry {int(outside[0])}"
        raise shape_error(function, name, f"every node must be between 0 and V − 1 = {nodes - 1}", got, reason)


def _peak(scores: Array, targets: Array, nodes: int) -> Array:
    """The largest score into each node, (V, ...), −∞ where none arrives. It cancels, so it takes no gradient."""
    xp = namespace(scores)
    if is_torch_array(scores):
        fixed: Any = scores.detach()
        lowest = fixed.new_full((nodes, *fixed.shape[1:]), -xp.inf)
        places = targets.reshape(-1, *(1 for _ in fixed.shape[1:])).expand(fixed.shape)
        return lowest.scatter_reduce(0, places, fixed, "amax")
    peak = xp.full((nodes, *scores.shape[1:]), -xp.inf, dtype=scores.dtype)
    xp.maximum.at(peak, targets, scores)
    return peak
