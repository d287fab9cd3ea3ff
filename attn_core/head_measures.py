r"""What does a head do? Numbers for its habits, each the share of its attention that falls on marked places.

Formula
    on places P        mean over the queries i that have a marked key of Σ_{j in P_i} a_ij
    previous token     P_i = {p_i − 1}, where p_i = i + m − n is the position of query i among the keys
    diagonal           P_i = {p_i}
    sink               P_i = {s} for every query but the one that stands there itself
    induction          P_i = {j ≤ i : token_{j−1} = token_i}: where the word that now stands at i was followed by another
    entropy            mean over i of −Σ_j a_ij ln a_ij, in nats: 0 is one key, ln m is all of them alike
    A score is worth nothing without its baseline: the same measure of uniform weights under the same mask.
Shapes
    weights    (..., heads, n, m)
    places     boolean, broadcasts to (..., heads, n, m)
    tokens     (..., n), whole numbers; induction_places (..., 1, n, n), which broadcasts over the heads
    scores     (..., heads), one for each head of each sequence; average over the batch afterwards
Cost
    one pass over the weights
Errors
    ValueError if some head of some sequence has no query with a marked key, for a sink that is no key, and for shapes
    that do not fit; TypeError for places that are not boolean, and for anything but floating weights
Source
    previous-token and sink heads: Clark et al. 2019, What Does BERT Look At?, section 3; induction heads: Olsson et
    al. 2022, In-context Learning and Induction Heads; the alignment of n < m queries as in attn_core.conventions
"""

from array_api_compat import device

from attn_core.conventions import Array, check_arguments
from attn_core.masks import check_mask


def attention_on(weights: Array, places: Array) -> Array:
    """Share of the attention of each head that falls on marked keys; queries without any marked key are left out.

    >>> import numpy as np
    >>> weights = np.array([[[1.0, 0.0], [0.25, 0.75]]])  # one head, two queries
    >>> attention_on(weights, np.array([[False, False], [True, False]]))
    array([0.25])
    """
    xp = check_arguments("attention_on", weights=(weights, "... heads n m"))
    check_mask("attention_on", places, weights)
    marked = xp.broadcast_to(places, weights.shape)
    queries = xp.sum(xp.astype(xp.any(marked, axis=-1), weights.dtype), axis=-1)  # (..., heads)
    if bool(xp.any(queries == 0)):
        raise ValueError("attention_on: places mark no key for any query of some head, so there is nothing to average.")
    return xp.sum(xp.where(marked, weights, 0.0), axis=(-2, -1)) / queries


def previous_token_score(weights: Array) -> Array:
    """Mean weight on the key just before the query, over the queries that have one."""
    query, key = _positions("previous_token_score", weights)
    return attention_on(weights, key == query - 1)


def diagonal_score(weights: Array) -> Array:
    """Mean weight on the query's own position."""
    query, key = _positions("diagonal_score", weights)
    return attention_on(weights, key == query)


def sink_score(weights: Array, sink: int = 0) -> Array:
    """Mean weight on one key, over all queries but the one that stands there and may have no other choice."""
    query, key = _positions("sink_score", weights)
    if not 0 <= sink < weights.shape[-1]:
        raise ValueError(f"sink_score: sink is {sink}, but the keys are 0 to {weights.shape[-1] - 1}.")
    return attention_on(weights, (key == sink) & (query != sink))


def induction_places(tokens: Array) -> Array:
    """The places behind earlier occurrences of each token: what an induction head looks at.

    >>> import numpy as np
    >>> induction_places(np.array([7, 8, 7]))[0].astype(int)  # the second 7 looks at what followed the first one
    array([[0, 0, 0],
           [0, 0, 0],
           [0, 1, 0]])
    """
    xp = check_arguments("induction_places", "integral", tokens=(tokens, "... n"))
    n = tokens.shape[-1]
    position = xp.arange(n, device=device(tokens))
    # place 0 has nothing before it; what the roll puts there is cut away by the second condition
    before = xp.roll(tokens, 1, axis=-1)
    found = tokens[..., :, None] == before[..., None, :]  # (..., n, 1) == (..., 1, n) -> (..., n, n)
    found = found & (position >= 1) & (position <= position[:, None])
    return found[..., None, :, :]


def attention_entropy(weights: Array) -> Array:
    """Mean entropy of a head's rows, in nats; a row of zeros counts as 0.

    >>> import numpy as np
    >>> attention_entropy(np.full((1, 3, 4), 0.25)).round(3)  # ln 4
    array([1.386])
    """
    xp = check_arguments("attention_entropy", weights=(weights, "... heads n m"))
    logarithm = xp.log(xp.where(weights > 0, weights, 1.0))  # 0 ln 0 is 0
    return xp.mean(xp.sum(0.0 - weights * logarithm, axis=-1), axis=-1)


def _positions(function: str, weights: Array) -> tuple[Array, Array]:
    """Position of every query, as a column, and of every key; the last query stands at the last key."""
    xp = check_arguments(function, weights=(weights, "... heads n m"))
    n, m = weights.shape[-2:]
    place = device(weights)
    return xp.arange(n, device=place)[:, None] + (m - n), xp.arange(m, device=place)
