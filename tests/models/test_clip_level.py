"""Clip-level detectors, against independent computations and on data that are hard on them."""

import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model_support import KNOWS_MACHINES, sounds
from scipy.stats import multivariate_normal
from sklearn.covariance import LedoitWolf
from sklearn.metrics.pairwise import cosine_distances, euclidean_distances
from support import SOURCE

from mimii.evaluation.thresholds import gamma_threshold
from mimii.features.windows import Features
from mimii.models import DETECTORS, create_model
from mimii.models.clip_level import pool_frames
from mimii.settings import DISTANCES, POOLINGS, ClipSettings, TrainingSettings
from mimii.training.hooks import Training

MODELS = [name for name in DETECTORS if DETECTORS[name].is_clip_level and name not in KNOWS_MACHINES]
TRAINING = Training(TrainingSettings(), seed=3)


def windows_of(recordings, length=2):
    """Windows of recordings, which are given as their frames."""
    offsets = np.cumsum([0, *map(len, recordings)])
    table = pd.DataFrame({"path": map(str, range(len(recordings)))})
    features = Features(np.concatenate(recordings).astype(np.float32), offsets, table, {}, 16000)
    return features.windows(length, np.ones(len(recordings), dtype=bool))


def noise(count, bands=6, frames=20, seed=0, level=0.0):
    rng = np.random.default_rng(seed)
    # recordings differ, by some bands that go together, and their frames differ
    middles = rng.normal(size=(count, 3)) @ rng.normal(size=(3, bands)) + 0.2 * rng.normal(size=(count, bands)) + level
    return [middle + rng.normal(size=(frames, bands)) for middle in middles]


def fitted(name, recordings, **options):
    model = create_model(name, n_mels=recordings[0].shape[1], frames=2, clip=ClipSettings(**options))
    model.fit(windows_of(recordings), None, TRAINING)
    return model


def means_of(recordings):
    return np.stack([recording.astype(np.float32).mean(axis=0, dtype=float) for recording in recordings])


def scale_of(vectors):
    """Spread between recordings, with one more of the mean variance."""
    variances = [np.mean([(one[band] - np.mean(vectors[:, band])) ** 2 for one in vectors]) for band in range(6)]
    return np.sqrt([(len(vectors) * one + np.mean(variances)) / (len(vectors) + 1) for one in variances])


def standardised(training, recordings):
    """The mean of each recording, in terms of the means of the training recordings."""
    normal = means_of(training)
    return (means_of(recordings) - normal.mean(axis=0)) / scale_of(normal)


@pytest.fixture(scope="module")
def case():
    """Training and other recordings, and their vectors."""
    training, others = noise(30), noise(7, seed=1, level=1.0)
    return training, others, standardised(training, training), standardised(training, others)


def scores(model, recordings):
    return model.score_recordings(windows_of(recordings))[1]


def close(found, expected):
    return np.allclose(found, expected, rtol=1e-4)


# --- pooling


def test_poolings_by_hand():
    frames = np.array([[1.0, 5.0], [4.0, -1.0], [2.0, 2.0]])
    assert pool_frames(frames, "mean") == pytest.approx([7 / 3, 2])
    assert list(pool_frames(frames, "median")) == [2, 2]
    assert list(pool_frames(frames, "max")) == [4, 5]
    # sorted 4, 2, 1 and 5, 2, -1, with weights 1, 1/2, 1/4
    assert pool_frames(frames, "twfr", 0.5) == pytest.approx([(4 + 1 + 0.25) / 1.75, (5 + 1 - 0.25) / 1.75])


def test_twfr_goes_from_the_mean_to_the_maximum():
    frames = np.random.default_rng(0).normal(size=(313, 8)).astype(np.float32)
    assert pool_frames(frames, "twfr", 1.0) == pytest.approx(pool_frames(frames, "mean"))
    assert pool_frames(frames, "twfr", 0.0) == pytest.approx(pool_frames(frames, "max"))
    assert pool_frames(frames, "twfr", 1e-9) == pytest.approx(pool_frames(frames, "max"))
    between = np.array([pool_frames(frames, "twfr", r) for r in (1.0, 0.999, 0.99, 0.9, 0.5, 0.0)])
    assert (np.diff(between, axis=0) > 0).all()


@pytest.mark.parametrize("pooling", POOLINGS)
def test_each_frame_counts_once_whatever_the_windows(pooling, case):
    training, others, *_ = case
    for length in (1, 2, 5):
        model = create_model("knn", n_mels=6, frames=length, clip=ClipSettings(pooling=pooling))
        model.fit(windows_of(training, length), None, TRAINING)
        numbers, vectors = model.vectors(windows_of(others, length))
        assert list(numbers) == list(range(7))
        pooled, normal = (
            np.stack([pool_frames(part.astype(np.float32), pooling, 0.99) for part in parts])
            for parts in (others, training)
        )
        assert np.allclose(vectors, (pooled - normal.mean(axis=0)) / scale_of(normal), atol=1e-5)


def test_recordings_of_any_lengths_are_pooled_each_by_itself():
    recordings = [np.full((length, 2), value) for length, value in ((2, 1.0), (9, 5.0), (4, -3.0))]
    numbers, parts = windows_of(recordings, 2).frames_by_recording()
    assert list(numbers) == [0, 1, 2]
    assert [(len(part), set(part.ravel())) for part in parts] == [(2, {1.0}), (9, {5.0}), (4, {-3.0})]
    some = windows_of(recordings, 2).take(np.array([3, 1, 4, 1]))
    assert [len(part) for part in some.frames_by_recording()[1]] == [5]  # frames 0 to 4 of the second one


# --- distances, against independent computations


def test_knn_is_the_distance_from_the_nearest(case):
    training, others, normal, vectors = case
    assert close(scores(fitted("knn", training), others), euclidean_distances(vectors, normal).min(axis=1))
    found = scores(fitted("knn", training, distance="cosine"), others)
    assert close(found, cosine_distances(vectors, normal).min(axis=1))


@pytest.mark.parametrize(("distance", "apart"), [("euclidean", euclidean_distances), ("cosine", cosine_distances)])
def test_ldn_divides_by_the_mean_distance_of_the_neighbour_from_its_four(distance, apart, case):
    training, others, normal, vectors = case
    spreads = [np.mean(sorted(apart(one[None], np.delete(normal, n, 0))[0])[:4]) for n, one in enumerate(normal)]
    expected = [min(d / spread for d, spread in zip(row, spreads, strict=True)) for row in apart(vectors, normal)]
    assert close(scores(fitted("ldn", training, distance=distance), others), expected)


def test_mahalanobis_is_that_of_scikit_learn(case):
    training, others, normal, vectors = case
    estimate = LedoitWolf().fit(normal)
    estimate.covariance_ += 1e-3 * np.trace(estimate.covariance_) / 6 * np.eye(6)
    estimate.precision_ = np.linalg.inv(estimate.covariance_)
    assert close(scores(fitted("mahalanobis", training), others), estimate.mahalanobis(vectors))


def test_pca_is_the_residual_outside_95_percent_of_the_variance(case):
    training, others, normal, vectors = case
    values, axes = np.linalg.eigh(np.cov(normal.T))
    count = 1 + int((np.cumsum(values[::-1]) / values.sum() <= 0.95).sum())
    assert 1 < count < 6
    rest = (vectors - normal.mean(axis=0)) @ axes[:, : 6 - count]
    assert close(scores(fitted("pca", training), others), (rest**2).sum(axis=1))


def test_gmm_is_the_likelihood_of_two_gaussians():
    """Of two heaps far from each other, so that which recording is in which is plain."""
    heaps = [noise(20), noise(30, seed=2, level=40.0)]
    training, others = heaps[0] + heaps[1], noise(4, seed=3, level=20.0)
    vectors = [standardised(training, heap) for heap in heaps]
    likelihood = sum(
        share
        * multivariate_normal(v.mean(axis=0), np.cov(v.T, bias=True) + 0.01 * np.eye(6)).pdf(
            standardised(training, others)
        )
        for share, v in zip((0.4, 0.6), vectors, strict=True)
    )
    assert close(scores(fitted("gmm", training), others), -np.log(likelihood))


def test_parameters_are_the_numbers_that_are_kept(case):
    training, *_ = case
    vectors, square = 30 * 6, 6 * 7 // 2
    counts = {name: fitted(name, training).num_parameters for name in MODELS}
    expected = {"knn": vectors, "ldn": vectors + 30, "mahalanobis": 6 + square, "gmm": 2 * (1 + 6 + square)}
    assert {name: counts[name] for name in expected} == expected
    assert counts["pca"] in {6 * (1 + count) for count in range(1, 6)}


# --- options and windows


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("name", MODELS)
def test_the_length_of_windows_makes_no_difference_to_a_single_bit(name, pooling, case):
    training, others, *_ = case
    found = []
    for length in (1, 5):
        windows = windows_of(training, length)
        model = create_model(name, n_mels=6, frames=length, clip=ClipSettings(pooling=pooling))
        model.fit(windows, None, TRAINING)
        normal = model.calibrate(windows, None, TRAINING)["native", ""].scores
        found.append([*model.vectors(windows), model.score_recordings(windows_of(others, length))[1], normal])
    assert all(np.array_equal(one, five) for one, five in zip(*found, strict=True))


@pytest.mark.parametrize("name", MODELS)
def test_every_pooling_and_distance_finds_the_loud_ones(name, case):
    training, *_ = case
    normal, loud = noise(6, seed=5), noise(6, seed=6, level=30.0)
    for pooling in POOLINGS:
        assert (
            scores(fitted(name, training, pooling=pooling), loud).min()
            > scores(fitted(name, training, pooling=pooling), normal).max()
        )
    for distance in DISTANCES:
        assert np.isfinite(scores(fitted(name, training, distance=distance), loud)).all()


# --- what is hard on them

VALUES = st.sampled_from([-3.0, 0.0, 0.5, 2.0])


@settings(max_examples=12, deadline=None)
@given(st.data())
def test_whatever_the_recordings_scores_are_finite_numbers(data):
    """Identical recordings, constant bands, more bands than recordings, silence: for every model and option."""
    count, bands = data.draw(st.integers(2, 7)), data.draw(st.integers(1, 9))
    frames = st.lists(st.lists(VALUES, min_size=bands, max_size=bands), min_size=2, max_size=3)
    training = [np.array(data.draw(frames)) for _ in range(count)]
    copies = data.draw(st.integers(1, count))
    training = [training[number % copies] for number in range(count)]
    others = [training[0], training[-1] + 5, np.array(data.draw(frames))]
    for name in MODELS:
        for distance in DISTANCES:
            model = fitted(name, training, distance=distance)
            assert np.isfinite(scores(model, others)).all(), name
            normal = model.calibrate(windows_of(training), None, TRAINING)["native", ""]
            assert np.isfinite(normal.scores).all(), name
            assert len(normal.scores) == count


@pytest.mark.parametrize("name", MODELS)
def test_of_identical_recordings_another_one_stands_out(name):
    same = [np.ones((4, 3))] * 6
    found = scores(fitted(name, same), [np.ones((4, 3)), np.array([[1.0, 1, 9]] * 4)])
    assert found[0] < found[1]


@pytest.mark.parametrize("name", MODELS)
def test_scores_of_normal_recordings_are_of_those_held_out(name, case):
    """Else the nearest neighbour of each would be itself."""
    training, *_ = case
    model = fitted(name, training)
    normal = model.calibrate(windows_of(training), None, TRAINING)["native", ""]
    assert normal.source == "held_out"
    assert list(normal.numbers) == list(range(30))
    assert np.median(normal.scores) > np.median(scores(model, training))
    others = [recording for number, recording in enumerate(training) if number % 5 != 2]
    expected = scores(fitted(name, others), training[2::5])
    assert np.allclose(normal.scores[2::5], expected)


def test_a_detector_that_needs_two_recordings_can_hold_out_none_of_two(case):
    training, *_ = case
    normal = fitted("gmm", training[:2]).calibrate(windows_of(training[:2]), None, TRAINING)["native", ""]
    assert normal.source == "training"


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("count", [3, 4, 5])
def test_a_threshold_from_few_recordings_is_of_the_scores_own_size(name, count):
    """An abnormal recording is above it: three clips once gave a threshold of 218,815, which none reached."""
    data = sounds()
    windows = data.train.take(data.train.recording < count)
    model = create_model(name)
    model.fit(windows, None, TRAINING)
    [normal] = model.calibrate(windows, None, TRAINING).values()
    _, scores = model.score_recordings(data.evaluation)
    assert gamma_threshold(normal.scores) < np.median(scores[data.is_abnormal])


@pytest.mark.faults
@pytest.mark.parametrize("names", [("simple_ae",), ("mahalanobis", "gmm", "id_embedding", "fusion")])
def test_what_training_imports_is_loaded_before(names):
    code = """
import sys
import numpy as np
from mimii.features.origins import Origins
from mimii.features.windows import Windows
from mimii.models import create_model
from mimii.settings import ClipSettings, TrainingSettings
from mimii.training.hooks import Training

frames = np.random.default_rng(0).standard_normal((90, 64)).astype("f4")
machine = np.arange(9) % 2
origins = Origins((("", "", "a"), ("", "", "b")), machine, ("a", "b"), machine, np.zeros(9, dtype=bool))
windows = Windows(frames, np.arange(90), np.arange(90) // 10, 1, origins=origins)
clip = ClipSettings(ensemble=1)
models = [create_model(name, frames=1, clip=clip) for name in sys.argv[1:]]
for model in models:
    model.load_libraries()
before = set(sys.modules)
for model in models:
    model.fit(windows, None, Training(TrainingSettings(epochs=1, batch_size=9), 0))
print(*{name.partition(".")[0] for name in set(sys.modules) - before})
"""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}  # as the workers of a sweep have it
    done = subprocess.run(
        [sys.executable, "-c", code, *names], cwd=SOURCE, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""
