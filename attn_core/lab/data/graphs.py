"""Graphs that teach: a real one with labels, two that are built so that the truth is known, and where to draw nodes.

    karate_club         34 members of a club that split in two, with who met whom outside of it (Zachary 1977)
    noisy_neighbours    nodes that cannot know their own class, friends who do, and strangers who mislead and can be told
    lookup              keys and queries: each query must read the one neighbour that holds its own key

All give a `Graph` of NumPy arrays; each undirected edge is listed in both directions. networkx is imported only where a
real graph or a drawing is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Graph(NamedTuple):
    """V nodes with features and labels, and E directed edges."""

    features: NDArray[np.float64]  # (V, F)
    edges: NDArray[np.int64]  # (2, E): row 0 the sources, row 1 the targets
    labels: NDArray[np.int64]  # (V,)
    asked: NDArray[np.bool_]  # (V,): the nodes whose label is to be predicted


def karate_club() -> Graph:
    """Zachary's karate club: label 0 went with the instructor (node 0), label 1 with the officers (node 33).

    Nothing is known of a member but who it is: the features are the identity.
    """
    import networkx as nx

    graph = nx.karate_club_graph()
    pairs = np.array(graph.edges, dtype=np.int64).T
    labels = np.array([int(graph.nodes[v]["club"] == "Officer") for v in range(len(graph))], dtype=np.int64)
    return Graph(np.eye(len(graph)), np.concatenate([pairs, pairs[::-1]], axis=1), labels, np.ones(len(graph), bool))


def positions(graph: Graph, seed: int = 0) -> NDArray[np.float64]:
    """Places to draw the nodes at, (V, 2): linked nodes lie near each other."""
    import networkx as nx

    drawn = nx.Graph()
    drawn.add_nodes_from(range(len(graph.labels)))
    drawn.add_edges_from(graph.edges.T.tolist())
    places: Any = nx.spring_layout(drawn, k=2 / len(graph.labels) ** 0.5, seed=seed, iterations=200)
    return np.array([places[v] for v in range(len(graph.labels))])


def noisy_neighbours(seed: int, nodes: int = 120, friends: int = 2, strangers: int = 10, classes: int = 3) -> Graph:
    """A graph in which the features of some neighbours inform and those of the others mislead.

    The `nodes` that are asked know nothing of their class. Each reads `friends`, who show it, and `strangers`, who show a
    random one. Features: a class, one-hot; then one number that says what a node is: 0 asked, 1 friend, −1 stranger.
    """
    rng = np.random.default_rng(seed)
    per_node = friends + strangers
    labels = rng.integers(classes, size=nodes)
    shown = np.concatenate(
        [np.repeat(labels[:, None], friends, axis=1), rng.integers(classes, size=(nodes, strangers))], axis=1
    )
    kind = np.tile([1.0] * friends + [-1.0] * strangers, nodes)
    features = np.zeros((nodes * (1 + per_node), classes + 1))
    features[nodes:, :classes] = np.eye(classes)[shown.reshape(-1)]
    features[nodes:, classes] = kind
    sources = nodes + np.arange(nodes * per_node)
    edges = np.stack([sources, np.repeat(np.arange(nodes), per_node)])
    order = rng.permutation(edges.shape[1])
    known = np.concatenate([labels, shown.reshape(-1)])
    return Graph(features, edges[:, order].astype(np.int64), known, np.arange(len(known)) < nodes)


def lookup(seed: int, size: int, copies: int = 1) -> Graph:
    """A dictionary of `size` entries: key node k holds the key k and a random value; a query node holds a key alone.

    Every query reads all key nodes of its own copy, and its label is the value of the entry with its key. Features:
    the key as a query asks for it, one-hot; the key as an entry holds it, one-hot; the value, one-hot.
    """
    rng = np.random.default_rng(seed)
    features, edges, labels, asked = [], [], [], []
    eye, none = np.eye(size), np.zeros((size, size))
    for copy in range(copies):
        values = rng.integers(size, size=size)  # not a permutation, which could be read by what is missing
        entries, queries = np.hstack([none, eye, eye[values]]), np.hstack([eye, none, none])
        features += [entries, queries]
        source, target = np.divmod(np.arange(size * size), size)
        edges.append(np.stack([source, size + target]) + 2 * size * copy)
        labels += [values, values]
        asked += [np.zeros(size, bool), np.ones(size, bool)]
    return Graph(
        np.concatenate(features),
        np.concatenate(edges, axis=1).astype(np.int64),
        np.concatenate(labels).astype(np.int64),
        np.concatenate(asked),
    )
