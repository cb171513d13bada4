import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from mimii.evaluation.scoring import folds, gamma_threshold, pool_scores
from mimii.features.windows import Windows


def windows_of(*counts):
    """Windows of recordings 3, 4, ... of so many windows each."""
    recording = np.repeat(3 + np.arange(len(counts)), counts)
    return Windows(np.zeros((len(recording), 1), np.float32), np.arange(len(recording)), recording, 1)


def test_pooling_by_hand():
    scores = np.array([*range(25), 5.0, -1.0, -2.0], dtype=np.float32)
    windows = windows_of(25, 1, 2)
    pooled = {how: pool_scores(windows, scores, how) for how in ("mean", "max", "top10")}
    assert all(list(numbers) == [3, 4, 5] for numbers, _ in pooled.values())
    assert list(pooled["mean"][1]) == [12, 5, -1.5]
    assert list(pooled["max"][1]) == [24, 5, -1]
    assert list(pooled["top10"][1]) == [23.5, 5, -1]  # 2.5 windows are rounded to the even number


@pytest.mark.parametrize("count", [1, 2, 4, 5, 6, 23])
def test_each_place_is_left_out_once_and_neighbours_are_apart(count):
    found = folds(count)
    assert len(found) == min(count, 5)
    assert (np.sum(found, axis=0) == 1).all()
    assert not any((fold[1:] & fold[:-1]).any() for fold in found)


@pytest.mark.parametrize(("shape", "shift"), [(1, 0), (3, -50), (30, 4), (300, 0)])
def test_one_normal_recording_in_ten_is_above_the_threshold(shape, shift):
    rng = np.random.default_rng(0)
    thresholds = [gamma_threshold(rng.gamma(shape, size=100) + shift) for _ in range(40)]
    rates = stats.gamma.sf(np.array(thresholds) - shift, shape)
    assert rates.mean() == pytest.approx(0.1, abs=0.025)


def test_the_threshold_goes_with_shift_and_scale():
    scores = np.random.default_rng(1).gamma(2, size=12)
    threshold = gamma_threshold(scores)
    assert scores.mean() < threshold < scores.max() + scores.std()
    assert gamma_threshold(5 * scores - 100) == pytest.approx(5 * threshold - 100)


@pytest.mark.parametrize("scores", [[3.0], [3.0] * 9, [0.0, 0.0], [-2.5, -2.5, -2.5], [1e8, 1e8 + 1e-3]])
def test_scores_that_are_all_the_same_are_the_threshold(scores):
    assert gamma_threshold(np.array(scores)) == max(scores)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=12))
def test_there_is_always_a_threshold_among_or_just_above_the_scores(scores):
    threshold = gamma_threshold(np.array(scores))
    assert np.isfinite(threshold)
    assert min(scores) <= threshold <= max(scores) + 3 * np.std(scores)
