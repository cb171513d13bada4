"""The statistics against independent computations."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from mimii.data.machines import MACHINE
from mimii.report import paired, statistics


def test_bootstrap_weighs_as_if_recordings_were_drawn():
    rng = np.random.default_rng(3)
    is_abnormal = np.repeat([False, True], [25, 15])
    scores = np.round(rng.normal(is_abnormal, 1), 1)  # with ties
    found = statistics.bootstrap_auc(is_abnormal, scores, resamples=200, seed=5)
    of_normal, of_abnormal = statistics._resampled_counts(25, 15, 200, 5)
    for auc, normal, abnormal in zip(found, of_normal, of_abnormal, strict=True):
        drawn = np.concatenate(
            [np.repeat(scores[:25], normal.astype(int)), np.repeat(scores[25:], abnormal.astype(int))]
        )
        assert auc == pytest.approx(roc_auc_score(is_abnormal, drawn), abs=1e-6)


def test_bootstrap_interval_agrees_with_a_plain_loop():
    rng = np.random.default_rng(4)
    is_abnormal = np.repeat([False, True], 60)
    scores = rng.normal(is_abnormal * 0.8, 1)
    aucs = [
        roc_auc_score(is_abnormal, np.concatenate([rng.choice(scores[:60], 60), rng.choice(scores[60:], 60)]))
        for _ in range(600)
    ]
    assert statistics.auc_interval(is_abnormal, scores) == pytest.approx(np.quantile(aucs, [0.025, 0.975]), abs=0.02)
    assert statistics.auc_interval(is_abnormal, scores) == statistics.auc_interval(is_abnormal, scores)


def test_an_interval_of_perfect_scores_is_a_point():
    is_abnormal = np.array([False, False, True, True])
    assert statistics.auc_interval(is_abnormal, np.array([0.0, 1, 2, 3])) == (1.0, 1.0)


def test_holm_by_hand():
    # 0.005 x 4, 0.01 x 3, 0.03 x 2, and 0.04 x 1, which must not fall below the one before
    assert paired.holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert paired.holm(np.array([0.6, 0.7])) == pytest.approx([1, 1])


def test_critical_difference_is_that_of_demsar():
    # Demšar (2006), section 3.2.2: four classifiers on 14 data sets
    assert statistics.critical_difference(4, 14) == pytest.approx(2.569 * np.sqrt(4 * 5 / (6 * 14)), abs=1e-3)


def scores_of(models, machines, seed=0, snrs=("6dB",)):
    rng = np.random.default_rng(seed)
    keys = [(snr, "fan", f"id_{n:02d}") for snr in snrs for n in range(machines)]
    columns = pd.MultiIndex.from_tuples(keys, names=MACHINE)
    values = rng.uniform(0.5, 1, (models, len(keys))) - 0.05 * np.arange(models)[:, None]
    return pd.DataFrame(values, index=[f"model {n}" for n in range(models)], columns=columns)


def test_models_are_compared_as_scipy_does():
    table = scores_of(4, 10)
    found = statistics.compare_models(table)
    assert found.friedman == pytest.approx(tuple(stats.friedmanchisquare(*table.to_numpy())))
    ranks = stats.rankdata(-table.to_numpy(), axis=0).mean(axis=1)
    assert found.ranks.reindex(table.index).to_numpy() == pytest.approx(ranks)
    expected = [stats.wilcoxon(table.iloc[a], table.iloc[b]).pvalue for a, b in combinations(range(4), 2)]
    assert found.pairs["p"].to_numpy() == pytest.approx(expected)
    assert found.pairs["p_holm"].to_numpy() == pytest.approx(paired.holm(np.array(expected)))
    assert found.machines == 10


def test_a_critical_difference_that_separates_nothing_is_left_out():
    alike = scores_of(3, 12)
    found = statistics.compare_models(alike)
    assert found.difference is None
    assert "No diagram of critical differences: the Friedman test finds no difference" in found.remarks[0]
    apart = alike - 0.5 * np.arange(3)[:, None]
    found = statistics.compare_models(apart)
    assert found.difference == pytest.approx(statistics.critical_difference(3, 12))
    assert not found.remarks


def test_several_snr_of_a_machine_count_once():
    found = statistics.compare_models(scores_of(3, 7, snrs=("6dB", "0dB")))
    assert found.machines == 7
    assert "SNR" in found.remarks[0]


@pytest.mark.parametrize(
    ("table", "remark"),
    [(scores_of(3, 5), "Too few machines"), (scores_of(1, 9), "one model")],
)
def test_no_p_value_where_there_can_be_none(table, remark):
    found = statistics.compare_models(table)
    assert found.pairs.empty
    assert found.friedman is None
    assert found.difference is None
    assert remark in " ".join(found.remarks)


def test_a_model_that_lacks_machines_is_left_out():
    table = scores_of(3, 8)
    table.iloc[0, 0] = np.nan
    found = statistics.compare_models(table)
    assert found.machines == 8
    assert list(found.ranks.index) == ["model 1", "model 2"]
    assert "model 0 has 7 of 8 machines, and is not compared." in found.remarks


def test_where_no_two_models_are_complete_the_machines_that_they_share_count():
    table = scores_of(3, 9)
    table.iloc[0, 0] = table.iloc[1, 1] = np.nan
    table.iloc[2, :6] = np.nan
    found = statistics.compare_models(table)
    assert found.machines == 7
    assert set(found.ranks.index) == {"model 0", "model 1"}
    assert "2 of 9 machines do not count" in " ".join(found.remarks)


def test_equal_models_do_not_differ():
    table = scores_of(3, 8)
    table.iloc[:] = 0.7
    found = statistics.compare_models(table)
    assert found.friedman == (0, 1)
    assert (found.pairs["p_holm"] == 1).all()


def test_a_correction_that_leaves_no_chance_is_said():
    assert "however large the differences" in " ".join(statistics.compare_models(scores_of(6, 6)).remarks)
