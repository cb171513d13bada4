import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from mimii.evaluation.metrics import decision_metrics, detection_metrics


def metrics(labels, scores):
    return detection_metrics(np.array(labels, dtype=bool), np.array(scores, dtype=float))


def test_metrics_computed_by_hand():
    result = metrics([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    assert set(result) == {"auc", "pr_auc", "pauc"}
    assert result["auc"] == pytest.approx(3 / 4)  # of 4 pairs one is in the wrong order
    assert result["pr_auc"] == pytest.approx(1 / 2 * 1 + 1 / 2 * 2 / 3)  # recall steps x precision there
    assert all(type(value) is float for value in result.values())


def test_partial_auc_computed_by_hand():
    """One anomaly is above all 10 normal ones, one below: a true-positive rate of 0.5 up to a rate of 0.1."""
    partial, chance, best = 0.5 * 0.1, 0.1**2 / 2, 0.1
    expected = 0.5 * (1 + (partial - chance) / (best - chance))
    assert metrics([0] * 10 + [1, 1], [*range(1, 11), 11, 0])["pauc"] == pytest.approx(expected)


def test_decisions_by_hand():
    """Of 3 alarms 2 are right, and of 4 abnormal recordings 2 are found; one that is at the threshold is none."""
    found = decision_metrics(np.array([0, 0, 1, 1, 1, 1], dtype=bool), np.array([1.0, 6, 5, 3, 7, 8]), 5.0)
    assert found == pytest.approx({"precision": 2 / 3, "recall": 1 / 2, "f1": 2 * (2 / 3 * 1 / 2) / (2 / 3 + 1 / 2)})
    assert decision_metrics(np.array([False, True]), np.array([1.0, 2.0]), 9.0) == dict.fromkeys(found, 0.0)


def test_perfect_scores():
    assert metrics([0, 0, 0, 1], [1, 2, 3, 4]) == {"auc": 1, "pr_auc": 1, "pauc": 1}


def test_reversed_scores_have_an_auc_of_0():
    assert metrics([1, 1, 0, 0], [1, 2, 3, 4])["auc"] == 0


def test_scores_that_tell_nothing_are_chance():
    result = metrics([0, 0, 0, 1], [5, 5, 5, 5])
    assert result == pytest.approx({"auc": 0.5, "pr_auc": 0.25, "pauc": 0.5})


def test_pr_auc_is_average_precision_and_not_the_trapezoid():
    labels, scores = [1, 0, 0, 1], [4, 3, 2, 1]
    trapezoid = 0.5 * 1 + 0.5 * (1 + 1 / 3) / 2
    assert metrics(labels, scores)["pr_auc"] == pytest.approx((1 + 2 / 4) / 2)
    assert metrics(labels, scores)["pr_auc"] != pytest.approx(trapezoid)


@given(
    normal=st.lists(st.integers(0, 20), min_size=1, max_size=15),
    abnormal=st.lists(st.integers(0, 20), min_size=1, max_size=15),
)
def test_auc_is_the_share_of_pairs_in_the_right_order(normal, abnormal):
    pairs = [(high > low) + 0.5 * (high == low) for high in abnormal for low in normal]
    labels, scores = [0] * len(normal) + [1] * len(abnormal), normal + abnormal
    result = metrics(labels, scores)
    assert result["auc"] == pytest.approx(np.mean(pairs))
    assert result["pauc"] == pytest.approx(roc_auc_score(labels, scores, max_fpr=0.1))
    assert result == pytest.approx(metrics(labels, [3 * score - 7 for score in scores]))  # only the order counts
