import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.covariance import LedoitWolf

from mimii.models.gaussian import Gaussian


def test_distance_is_that_of_scikit_learn_but_for_the_ridge():
    rng = np.random.default_rng(0)
    vectors, others = rng.normal(size=(40, 6)) @ rng.normal(size=(6, 6)), rng.normal(size=(5, 6))
    estimate = LedoitWolf().fit(vectors)
    estimate.covariance_ += 1e-3 * np.trace(estimate.covariance_) / 6 * np.eye(6)
    estimate.precision_ = np.linalg.inv(estimate.covariance_)
    found = Gaussian.fit(vectors)
    assert found.distance(others) == pytest.approx(estimate.mahalanobis(others))
    assert found.size == 6 + 21


def test_with_many_vectors_it_is_the_true_distance():
    covariance = np.array([[4.0, 1.0], [1.0, 1.0]])
    vectors = np.random.default_rng(1).multivariate_normal([3, -1], covariance, 200_000)
    away = np.array([1.0, 2.0])
    expected = away @ np.linalg.inv(covariance) @ away
    assert Gaussian.fit(vectors).distance(away[None] + [3, -1]) == pytest.approx(expected, rel=0.02)


def test_equalised_it_does_not_depend_on_the_scale_of_a_component():
    rng = np.random.default_rng(2)
    vectors, others = rng.normal(size=(8, 5)), rng.normal(size=(3, 5))
    scale = np.array([1, 10, 0.1, 3, 100])
    found = Gaussian.fit(vectors * scale, equalise=True).distance(others * scale)
    assert found == pytest.approx(Gaussian.fit(vectors, equalise=True).distance(others))
    assert Gaussian.fit(vectors * scale).distance(others * scale) != pytest.approx(found, rel=0.1)


@settings(max_examples=60, deadline=None)
@given(
    hnp.arrays(float, st.tuples(st.integers(1, 6), st.integers(1, 9)), elements=st.sampled_from([-3.0, 0.0, 0.5, 2.0])),
    st.booleans(),
)
def test_whatever_the_vectors_the_distance_is_finite_and_positive(vectors, equalise):
    """Fewer vectors than components, the same vector again, constant components."""
    found = Gaussian.fit(vectors, equalise=equalise)
    distances = found.distance(np.concatenate([vectors, vectors + 7]))
    assert np.isfinite(distances).all()
    assert (distances >= 0).all()
    assert (distances[len(vectors) :].min() > 0).all()
    assert found.distance(found.mean[None]) == pytest.approx([0])


@pytest.mark.parametrize("equalise", [False, True])
def test_two_vectors_do_not_say_that_all_others_lie_on_a_line(equalise):
    """The distance of a third is that of three in a row, not a thousand times as much."""
    vectors = np.random.default_rng(3).normal(size=(30, 64))
    distances = [
        Gaussian.fit(vectors[[number, number + 1]], equalise=equalise).distance(vectors[[number + 2]])[0]
        for number in range(28)
    ]
    assert np.median(distances) < 64 * 10 * (1000 if equalise else 1)
