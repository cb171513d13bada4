import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats
from support import SOURCE

from mimii.evaluation.conformal import alarm_threshold, fit_gamma, plausible_shares, rank_of, share_as_high

ORDINARY = st.lists(st.floats(-1e6, 1e6).map(lambda value: round(value, 3)), min_size=1, max_size=30)
SHARES = st.floats(1e-5, 0.49)


def spread_of(scores):
    """In what steps scores differ, where they do."""
    if scores.std() > 1e-9 * np.abs(scores).max():
        return scores.std()
    return abs(scores.max()) or 1.0


def brute_share(scores, score):
    """The share by its definition, up to the highest score."""
    return (1 + sum(other >= score for other in scores)) / (len(scores) + 1)


@given(ORDINARY, st.data())
def test_up_to_the_highest_score_the_share_is_counted(scores, data):
    scores = np.array(scores)
    among = data.draw(st.sampled_from(scores.tolist()))
    for score in (among, among - 0.5, scores.min() - 1):
        assert share_as_high(scores, score) == brute_share(scores, score)


@given(ORDINARY)
def test_beyond_the_highest_score_the_share_falls_from_one_in_n_plus_one(scores):
    scores = np.array(scores)
    beyond = [share_as_high(scores, scores.max() + step * spread_of(scores)) for step in (1e-6, 0.5, 1.0, 2.0)]
    assert beyond[0] == pytest.approx(1 / (len(scores) + 1), rel=1e-3)
    assert all(later < earlier for earlier, later in pairwise(beyond))
    assert beyond[-1] >= 0


@given(ORDINARY, SHARES)
def test_a_score_is_above_the_threshold_exactly_where_its_share_is_not_above_the_asked_one(scores, share):
    scores = np.array(scores)
    threshold = alarm_threshold(scores, share)
    near = [threshold + step * spread_of(scores) for step in (-1.0, -1e-5, 1e-5, 1.0)]
    for score in [*scores, *near]:
        assert (score > threshold) == (share_as_high(scores, score) <= share), score


@given(st.integers(1, 400), st.integers(1, 400))
def test_a_share_of_k_in_n_plus_one_gives_the_kth_highest(count, rank):
    assume(rank <= count)
    assert rank_of(count, rank / (count + 1)) == rank
    assert alarm_threshold(np.arange(float(count)), rank / (count + 1)) == count - rank


@pytest.mark.parametrize("count", [1, 4, 19, 20, 99])
def test_of_many_trials_no_more_than_the_asked_share_are_false_alarms(count):
    rng = np.random.default_rng(count)
    for share in (0.05, 0.1, 0.3):
        alarms = []
        for _ in range(2000):
            scores = rng.gamma(2, size=count + 1)
            alarms.append(scores[0] > alarm_threshold(scores[1:], share))
        # where the share is below 1 / (n + 1), it rests on a distribution that five scores and more are fitted to
        most = max(share, 1 / (count + 1))
        assert np.mean(alarms) <= most + 3 * np.sqrt(most / 2000)


def test_shares_of_healthy_recordings_are_evenly_distributed():
    rng = np.random.default_rng(0)
    shares = []
    for _ in range(1000):
        scores = rng.normal(size=30)
        shares.append(share_as_high(scores[1:], scores[0]))
    assert stats.kstest(shares, "uniform").statistic < 0.06
    assert np.mean(np.array(shares) <= 0.01) == pytest.approx(0.01, abs=0.007)  # of 29 scores: the fitted tail


@pytest.mark.parametrize(("shape", "shift"), [(1, 0), (3, -50), (30, 4)])
def test_beyond_the_data_the_tail_is_about_right(shape, shift):
    rng = np.random.default_rng(1)
    thresholds = [alarm_threshold(rng.gamma(shape, size=50) + shift, 0.002) for _ in range(100)]
    rates = stats.gamma.sf(np.array(thresholds) - shift, shape)
    assert 0.0005 < np.median(rates) < 0.006


@given(st.lists(st.floats(1.0, 50.0), min_size=5, max_size=40))
def test_the_gamma_distribution_is_that_of_scipy(values):
    values = np.array(values)
    assume(values.std() > 0.05)
    shape, scale = fit_gamma(values)
    expected_shape, _, expected_scale = stats.gamma.fit(values, floc=0)
    assert (shape, scale) == pytest.approx((expected_shape, expected_scale), rel=1e-5)


@given(ORDINARY, SHARES, st.sampled_from([0.125, 8.0]), st.integers(-100, 100))
def test_shift_and_scale_change_nothing(scores, share, scale, shift):
    scores = np.array(scores)
    assume(scores.std() > 1e-3 * np.abs(scores).max())
    threshold = alarm_threshold(scores, share)
    moved = scale * (scores + shift)
    assert alarm_threshold(moved, share) == pytest.approx(scale * (threshold + shift), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("scores", [[2.0], [0.0, 0.0], [-3.0] * 8, [1.0, 1.5, 7.0], [1e-300] * 6, [1e8, 1e8 + 1e-3]])
def test_few_scores_and_equal_ones_have_a_tail_too(scores):
    scores = np.array(scores)
    threshold = alarm_threshold(scores, 0.001)
    assert np.isfinite(threshold)
    assert threshold > scores.max()
    assert share_as_high(scores, threshold) == pytest.approx(0.001)


def test_one_extreme_among_thousands_that_are_alike_has_a_tail():
    scores = np.append(np.random.default_rng(2).normal(size=20_000), 1000.0)
    assert share_as_high(scores, 1001.0) == pytest.approx(1 / 20_002, rel=0.2)
    assert np.isfinite(alarm_threshold(scores, 1e-6))


def test_what_may_really_come_of_a_share():
    low, high = plausible_shares(200, 0.05)
    assert (low, high) == pytest.approx(tuple(stats.beta.ppf([0.025, 0.975], 10, 191)))
    low, high = plausible_shares(14, 0.01)  # so few can only say that it is less than what the highest one gives
    assert (low, high) == pytest.approx((0.0, stats.beta.ppf(0.975, 1, 14)))


def test_it_does_without_the_libraries_that_take_a_second_to_load():
    code = (
        f"import sys; sys.path.insert(0, {str(SOURCE)!r})\n"
        "import numpy as np; from mimii.evaluation import conformal\n"
        "conformal.share_as_high(np.arange(9.0), 12.0); conformal.alarm_threshold(np.arange(9.0), 0.01)\n"
        "assert not {'scipy.stats', 'torch', 'sklearn', 'pandas'} & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
