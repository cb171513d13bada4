"""Differences of two models against independent computations."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mimii.data.machines import MACHINE
from mimii.report import paired


@pytest.mark.parametrize("count", [6, 7, 20, 60])
def test_signed_ranks_as_scipy_has_them(count):
    differences = np.random.default_rng(count).normal(0.5, 1, count)
    assert paired.signed_rank(differences) == pytest.approx(stats.wilcoxon(differences).pvalue)


def test_signed_ranks_are_exact_with_ties_and_zeros():
    differences = np.array([0.0, 0.1, 0.1, 0.2, -0.1, 0.3, 0.3, 0.2])  # scipy tries all signs of so few
    assert paired.signed_rank(differences) == pytest.approx(stats.wilcoxon(differences).pvalue)
    assert paired.signed_rank(np.zeros(8)) == 1


def test_the_interval_of_the_median_by_hand():
    # of six values the interval is from the lowest to the highest mean of two: it leaves out 2 / 2**6
    values = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 9.0])
    assert paired.hodges_lehmann(values) == (3.5, 1.0, 9.0)
    # tables of the signed-rank test: for eight values three are left out at each end
    means = np.sort([(a + b) / 2 for n, a in enumerate(range(8)) for b in range(n, 8)])
    assert paired.hodges_lehmann(np.arange(8.0))[1:] == (means[3], means[-4])
    assert np.isnan(paired.hodges_lehmann(values[:5])[1:]).all()


def test_the_interval_of_the_median_holds_it_as_often_as_it_says():
    samples = np.random.default_rng(0).standard_t(3, (400, 12))
    intervals = np.array([paired.hodges_lehmann(sample) for sample in samples])
    held = ((intervals[:, 1] <= 0) & (intervals[:, 2] >= 0)).mean()
    assert 0.93 <= held <= 0.985
    rejected = np.array([paired.signed_rank(sample) for sample in samples]) < 0.05
    assert ((intervals[:, 1] > 0) | (intervals[:, 2] < 0)).tolist() == rejected.tolist()  # they belong together


def test_the_mean_interval_is_students():
    values = np.array([0.7, 0.8, 0.75, 0.9])
    expected = stats.t.interval(0.95, 3, values.mean(), stats.sem(values))
    assert paired.mean_interval(values) == pytest.approx((values.mean(), *expected))
    assert np.isnan(paired.mean_interval(values[:2])[1:]).all()


def test_several_snr_of_a_machine_are_one_block():
    keys = [("6dB", "fan", "id_00"), ("0dB", "fan", "id_00"), ("6dB", "pump", "id_00")]
    table = pd.DataFrame([[0.8, 0.6, 0.9]], columns=pd.MultiIndex.from_tuples(keys, names=MACHINE))
    assert paired.blocks(table).iloc[0].to_dict() == pytest.approx({("fan", "id_00"): 0.7, ("pump", "id_00"): 0.9})


@pytest.mark.parametrize(("comparisons", "machines"), [(1, 6), (2, 7), (10, 9), (27, 11)])
def test_the_fewest_machines_make_a_small_p_value_possible(comparisons, machines):
    assert paired.fewest_machines(comparisons) == machines
    assert comparisons * 2 / 2**machines <= 0.05 < comparisons * 2 / 2 ** (machines - 1)


def test_the_machines_that_are_needed_are_about_those_that_find_the_difference():
    seen = np.random.default_rng(1).normal(0, 1, 4000)
    seen = 0.6 + (seen - seen.mean()) / seen.std()
    needed = int(paired.machines_needed(seen, 1))
    again = np.random.default_rng(2).normal(0.6, 1, (300, needed))
    power = np.mean([paired.signed_rank(sample) < 0.05 for sample in again])
    assert power == pytest.approx(0.8, abs=0.07)
    assert paired.machines_needed(np.array([0.1, -0.1]), 1) == np.inf
    assert paired.machines_needed(np.array([0.1, 0.1001]), 5) == paired.fewest_machines(5)
