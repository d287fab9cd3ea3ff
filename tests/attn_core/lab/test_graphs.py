"""Graphs as data: sizes and labels of the real one, what is known of the built ones, and that a seed fixes them."""

import numpy as np
import pytest

from attn_core.lab.data.graphs import karate_club, lookup, noisy_neighbours, positions


def test_karate_club():
    """34 members and 78 pairs, each in both directions and once; 17 on each side; the two leaders stand against each other."""
    club = karate_club()
    assert club.edges.shape == (2, 156)
    pairs = set(map(tuple, club.edges.T.tolist()))
    assert len(pairs) == 156
    assert {(i, j) for j, i in pairs} == pairs
    assert np.bincount(club.labels).tolist() == [17, 17]
    assert (club.labels[0], club.labels[33]) == (0, 1)
    assert (club.features == np.eye(34)).all()
    assert club.asked.all()


def test_positions():
    """Every node has a place, the same for the same seed; linked nodes lie nearer than others on average."""
    club = karate_club()
    places = positions(club, seed=1)
    assert places.shape == (34, 2)
    assert (places == positions(club, seed=1)).all()
    gaps = np.linalg.norm(places[:, None] - places[None], axis=-1)
    assert gaps[club.edges[0], club.edges[1]].mean() < gaps.mean()


def test_noisy_neighbours():
    """Every node that is asked reads friends who show its class and strangers who need not; it shows nothing itself."""
    graph = noisy_neighbours(0, nodes=50, friends=2, strangers=4, classes=3)
    assert graph.features.shape == (50 * 7, 4)
    assert not graph.features[:50].any()
    assert graph.asked.sum() == 50
    shown, kind = graph.features[:, :3].argmax(1), graph.features[:, 3]
    into = np.bincount(graph.edges[1], minlength=350)
    assert into[:50].tolist() == [6] * 50
    assert not into[50:].any()
    source, target = graph.edges
    friendly = kind[source] == 1
    assert (np.bincount(target[friendly]) == 2).all()
    assert (shown[source] == graph.labels[target])[friendly].all()
    assert 0.2 < (shown[source] == graph.labels[target])[~friendly].mean() < 0.5


@pytest.mark.parametrize("size", [1, 2, 5])
def test_lookup(size):
    """A query's label is the value of the entry with its key, which it reads, with all other entries of its copy."""
    graph = lookup(3, size, copies=4)
    assert graph.features.shape == (4 * 2 * size, 3 * size)
    for target in np.flatnonzero(graph.asked):
        sources = graph.edges[0][graph.edges[1] == target]
        assert len(set(sources.tolist())) == len(sources) == size
        assert not graph.asked[sources].any()
        held = graph.features[sources, size : 2 * size].argmax(1)
        own = sources[held == graph.features[target, :size].argmax()]
        assert graph.features[own, 2 * size :].argmax(1).tolist() == [graph.labels[target]]
    assert set(graph.edges[1].tolist()) == set(np.flatnonzero(graph.asked).tolist())


@pytest.mark.parametrize("make", [noisy_neighbours, lambda seed: lookup(seed, 6, copies=3)])
def test_a_seed_fixes_the_graph(make):
    """The same seed gives the same graph, another one another."""
    one, same, other = make(1), make(1), make(2)
    assert all((a == b).all() for a, b in zip(one, same, strict=True))
    assert (one.labels != other.labels).any()
