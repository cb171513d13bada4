"""How recordings are compared with the normal ones of their machine, against loops over each domain."""

import numpy as np
import pytest
from scipy.spatial.distance import cosine
from sklearn.covariance import LedoitWolf
from sklearn.neighbors import NearestNeighbors

from mimii.models import references
from mimii.settings import BACKENDS


def directions(count, seed, towards=0):
    """Embeddings of length 1 about an axis."""
    found = 0.3 * np.random.default_rng(seed).normal(size=(count, 6))
    found[:, towards] += 1
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def knn(normal, others):
    return NearestNeighbors(n_neighbors=1, metric="cosine").fit(normal).kneighbors(others)[0][:, 0]


def ldn(normal, others):
    spreads = [
        np.mean(sorted(cosine(one, other) for place, other in enumerate(normal) if place != number)[:4])
        for number, one in enumerate(normal)
    ]
    return [min(cosine(other, one) / spread for one, spread in zip(normal, spreads, strict=True)) for other in others]


def mahalanobis(normal, others):
    covariance = LedoitWolf().fit(normal).covariance_
    precision = np.linalg.inv(covariance + 1e-3 * np.trace(covariance) / 6 * np.eye(6))
    away = others - normal.mean(axis=0)
    return [one @ precision @ one for one in away]


# of sixteen vectors or fewer, each one is a centre
EXPECTED = {"knn": knn, "kmeans": knn, "ldn": ldn, "mahalanobis": mahalanobis}


@pytest.mark.parametrize("backend", BACKENDS)
def test_without_domains_a_recording_is_compared_with_all_others(backend):
    normal, others = directions(14, 0), np.concatenate([directions(5, 1), directions(5, 2, towards=3)])
    reference = references.learn(normal, np.zeros(14, dtype=bool), 0)
    assert list(reference) == ["source"]
    assert references.distances(reference, others, backend) == pytest.approx(EXPECTED[backend](normal, others))


@pytest.mark.parametrize("few", [3, 5, 10])
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_recording_has_the_distance_from_the_nearer_domain(backend, few):
    source, target = directions(14, 0), directions(few, 1, towards=3)
    others = np.concatenate([directions(6, 2), directions(6, 3, towards=3), directions(6, 4, towards=5)])
    is_target = np.array([False] * 14 + [True] * few)
    order = np.random.default_rng(0).permutation(14 + few)
    reference = references.learn(np.concatenate([source, target])[order], is_target[order], 0)
    assert set(reference) == {"source", "target"}
    expected = np.minimum(EXPECTED[backend](source, others), EXPECTED[backend](target, others))
    found = references.distances(reference, others, backend)
    assert found == pytest.approx(expected)
    assert found[12:].min() > np.median(found[6:12])  # what is of neither domain is far from both


@pytest.mark.parametrize("backend", BACKENDS)
def test_few_recordings_of_the_target_domain_do_not_draw_the_others_near(backend):
    """One or two of them say little of how far others are: normal recordings of the source domain stay as they are."""
    source, target = directions(40, 0), directions(2, 1, towards=3)
    normal, faults = directions(30, 2), directions(30, 3, towards=5)
    alone = references.learn(source, np.zeros(40, dtype=bool), 0)
    expected = np.median(references.distances(alone, normal, backend))
    for few in (1, 2):
        is_target = np.array([False] * 40 + [True] * few)
        reference = references.learn(np.concatenate([source, target[:few]]), is_target, 0)
        assert np.median(references.distances(reference, normal, backend)) == pytest.approx(expected, rel=0.3)
        found = references.distances(reference, faults, backend)
        assert np.median(found) > np.quantile(references.distances(reference, normal, backend), 0.9)
        near_target = references.distances(reference, target[:few], backend)
        assert near_target.max() < np.median(found)


def test_where_one_domain_is_missing_the_other_is_all_there_is():
    normal = directions(14, 0)
    reference = references.learn(normal, np.ones(14, dtype=bool), 0)
    assert list(reference) == ["target"]
    assert references.distances(reference, normal, "knn") == pytest.approx(np.zeros(14), abs=1e-12)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_back_end_needs_only_its_own_part(backend):
    normal, others = directions(30, 0), directions(5, 1)
    reference = references.learn(normal, np.arange(30) >= 26, 0)
    only = references.only(reference, backend)
    assert np.array_equal(references.distances(only, others, backend), references.distances(reference, others, backend))
    counts = {"knn": 30 * 6, "ldn": 30 * 6 + 30, "kmeans": (16 + 4) * 6, "mahalanobis": 2 * (6 + 21)}
    assert references.count(reference, backend) == counts[backend]
