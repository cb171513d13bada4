"""Distances from normal vectors, against loops over them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cosine, euclidean

from mimii.models.distances import make_distance
from mimii.settings import BACKENDS, DISTANCES

METRICS = {"euclidean": euclidean, "cosine": cosine}
NAMES = ["knn", "ldn", "kmeans", "mahalanobis", "gmm", "pca"]


def vectors(count, size=5, seed=0):
    return np.random.default_rng(seed).normal(size=(count, size)) + 0.5


def found(name, normal, others, metric="euclidean", seed=0):
    distance = make_distance(name, metric)
    return distance.distances(distance.learn(normal, seed), others)


@pytest.mark.parametrize("count", [1, 2, 5, 300])  # more than are compared at once
@pytest.mark.parametrize("metric", METRICS)
def test_knn_is_the_distance_from_the_nearest(metric, count):
    normal, others = vectors(count), vectors(9, seed=1)
    expected = [min(METRICS[metric](other, one) for one in normal) for other in others]
    assert found("knn", normal, others, metric) == pytest.approx(expected)


@pytest.mark.parametrize("count", [2, 3, 5, 6, 300])
@pytest.mark.parametrize("metric", METRICS)
def test_ldn_is_the_least_distance_in_units_of_the_neighbours_own(metric, count):
    apart = METRICS[metric]
    normal, others = vectors(count), vectors(9, seed=1)
    spreads = []
    for number, one in enumerate(normal):
        from_others = sorted(apart(one, other) for place, other in enumerate(normal) if place != number)
        spreads.append(np.mean(from_others[:4]))
    expected = [
        min(apart(other, one) / spread for one, spread in zip(normal, spreads, strict=True)) for other in others
    ]
    assert found("ldn", normal, others, metric) == pytest.approx(expected)


def test_ldn_of_a_vector_alone_is_the_distance_from_it():
    normal, others = vectors(1), vectors(4, seed=1)
    assert found("ldn", normal, others) == pytest.approx([euclidean(other, normal[0]) for other in others])


def test_ldn_does_not_take_copies_for_a_dense_neighbourhood():
    """Of six copies the four nearest are at distance 0: without a floor, all others would be infinitely far."""
    normal = np.concatenate([np.repeat(vectors(1), 6, axis=0), vectors(20, seed=1)])
    scores = found("ldn", normal, vectors(5, seed=2))
    assert np.isfinite(scores).all()
    assert (scores < 10).all()
    assert found("ldn", normal, normal[:1]) == [0]


@pytest.mark.parametrize("metric", METRICS)
def test_kmeans_is_the_distance_from_the_nearest_of_sixteen_centres(metric):
    """Of sixteen heaps far from each other, so that which vector is of which is plain."""
    rng = np.random.default_rng(0)
    middles = 10 * np.linalg.qr(rng.normal(size=(16, 16)))[0]
    heaps = [middle + 0.1 * rng.normal(size=(4 + number, 16)) for number, middle in enumerate(middles)]
    others = 3 * rng.normal(size=(9, 16))
    if metric == "cosine":  # the centre of directions, whatever the lengths
        centres = [np.mean([one / np.linalg.norm(one) for one in heap], axis=0) for heap in heaps]
    else:
        centres = [np.mean(heap, axis=0) for heap in heaps]
    expected = [min(METRICS[metric](other, centre) for centre in centres) for other in others]
    normal = np.concatenate(heaps)[rng.permutation(sum(map(len, heaps)))]
    best = min((found("kmeans", normal, others, metric, seed) for seed in range(12)), key=lambda one: one.sum())
    assert best == pytest.approx(expected)


@pytest.mark.parametrize("metric", METRICS)
def test_kmeans_of_sixteen_vectors_or_fewer_is_knn(metric):
    normal, others = vectors(16), vectors(9, seed=1)
    copies = np.concatenate([normal, normal[:7], normal])
    for few in (normal, copies, normal[:3], normal[:1]):
        assert found("kmeans", few, others, metric) == pytest.approx(found("knn", few, others, metric))


def test_kmeans_depends_on_nothing_but_its_seed():
    normal, others = vectors(200), vectors(9, seed=1)
    first = found("kmeans", normal, others, seed=3)
    np.random.seed(1)
    assert np.array_equal(found("kmeans", normal, others, seed=3), first)
    assert not np.array_equal(found("kmeans", normal, others, seed=4), first)


@pytest.mark.parametrize("name", ["knn", "ldn", "kmeans"])
def test_cosine_distances_know_no_lengths(name):
    rng = np.random.default_rng(5)
    normal, others = vectors(40), vectors(9, seed=1)
    lengths = rng.uniform(0.1, 10, size=(49, 1))
    expected = found(name, normal, others, "cosine")
    assert found(name, normal * lengths[:40], others * lengths[40:], "cosine") == pytest.approx(expected)


@pytest.mark.parametrize("name", NAMES)
def test_the_distance_of_a_vector_does_not_depend_on_its_company(name):
    normal, others = vectors(30), vectors(300, seed=1)
    distance = make_distance(name)
    learnt = distance.learn(normal, 0)
    together = distance.distances(learnt, others)
    assert together.shape == (300,)
    for number in (0, 255, 256, 299):
        assert distance.distances(learnt, others[[number]]) == pytest.approx(together[[number]])


@pytest.mark.parametrize("name", NAMES)
def test_what_is_far_away_has_a_larger_distance(name):
    normal = vectors(30)
    assert found(name, normal, normal + 50).min() > found(name, normal, vectors(30, seed=1)).max()


VALUES = st.sampled_from([-3.0, 0.0, 0.5, 2.0])


@settings(max_examples=20)
@given(st.data())
def test_whatever_the_vectors_distances_are_finite_numbers(data):
    """Copies, vectors of zeros, more components than vectors."""
    count, size = data.draw(st.integers(2, 7)), data.draw(st.integers(1, 6))
    drawn = st.lists(st.lists(VALUES, min_size=size, max_size=size), min_size=count, max_size=count)
    normal = np.array(data.draw(drawn))
    others = np.concatenate([normal[:1], normal[-1:] + 5, np.array(data.draw(drawn)), np.zeros((1, size))])
    for name in ("knn", "ldn", "kmeans"):  # as for the others, whole detectors are tried
        for metric in DISTANCES:
            assert np.isfinite(found(name, normal, others, metric)).all(), (name, metric)


def test_every_back_end_is_a_distance():
    for name in BACKENDS:
        distance = make_distance(name, "cosine")
        assert distance.count(distance.learn(vectors(30), 0)) > 0
