import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from mimii.evaluation.thresholds import are_few, gamma_threshold


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


@pytest.mark.parametrize("scores", [[1.0, 2.0], [0.0, 218_815.0, 5.0], [-3.0, -1.0, -2.0, -1.5]])
def test_of_few_scores_the_highest_is_the_threshold(scores):
    assert are_few(len(scores))
    assert gamma_threshold(np.array(scores)) == max(scores)
    assert not are_few(5)
    assert gamma_threshold(np.array([*scores, *np.arange(5.0)])) != max(scores)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=12))
def test_there_is_always_a_threshold_among_or_just_above_the_scores(scores):
    threshold = gamma_threshold(np.array(scores))
    assert np.isfinite(threshold)
    assert min(scores) <= threshold <= max(scores) + 3 * np.std(scores)
