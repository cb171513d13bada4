"""The independent computation of the official scores is itself right."""

import numpy as np
import official
import pytest
from hypothesis import given
from hypothesis import strategies as st
from official import Scored
from sklearn.metrics import precision_recall_fscore_support, roc_auc_score

# AUC source, AUC target and pAUC of each evaluation machine of the organisers' baselines, and the score they publish
PUBLISHED = {
    "2024, MSE": (
        [0.7912, 0.65, 0.6916, 0.7658, 0.8602, 0.6224, 0.7504, 0.6596, 0.707],
        [0.4796, 0.4824, 0.5374, 0.5266, 0.4388, 0.4598, 0.6948, 0.4152, 0.6352],
        [
            *(0.4942105263157895, 0.5547368421052632, 0.5010526315789474, 0.5, 0.5021052631578947, 0.5163157894736842),
            *(0.5273684210526316, 0.511578947368421, 0.5557894736842105),
        ],
        0.5650830191796572,
    ),
    "2026, MSE": (
        [0.7126, 0.5902, 0.6484, 0.6948, 0.6714],
        [0.468, 0.6434, 0.6142, 0.8838, 0.4402],
        [0.5510526315789473, 0.5978947368421053, 0.5810526315789474, 0.6178947368421053, 0.5089473684210526],
        0.5980289616592438,
    ),
}


@pytest.mark.parametrize("system", PUBLISHED)
def test_published_scores_follow_from_the_published_figures(system):
    *figures, score = PUBLISHED[system]
    assert official.harmonic_mean(np.concatenate(figures)) == pytest.approx(score, rel=0, abs=1e-12)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 12)), min_size=2, max_size=60))
def test_areas_equal_those_of_scikit_learn(clips):
    scored = [Scored("fan", "id_00", is_abnormal, "", score) for is_abnormal, score in clips]
    labels, scores = zip(*clips, strict=True)
    if len(set(labels)) == 2:
        assert official.auc(scored) == pytest.approx(roc_auc_score(labels, scores), rel=0, abs=1e-12)
        assert official.pauc(scored) == pytest.approx(roc_auc_score(labels, scores, max_fpr=0.1), rel=0, abs=1e-12)
    else:
        assert official.auc(scored) is None
        assert official.pauc(scored) is None


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3)), max_size=20))
def test_decisions_equal_those_of_scikit_learn(clips):
    scored = [Scored("fan", "section_00", is_abnormal, "source", score) for is_abnormal, score in clips]
    decided = official.decided(scored, 1.5)
    labels, alarms = [is_abnormal for is_abnormal, _ in clips], [score > 1.5 for _, score in clips]
    expected = precision_recall_fscore_support(labels, alarms, average="binary", zero_division=0)[:3] if clips else 0
    assert list(decided) == pytest.approx(np.broadcast_to(expected, 3))


def test_of_2020_types_count_the_same_however_many_ids_they_have():
    clips = [
        Scored(machine_type, f"id_{number:02d}", is_abnormal, "", is_abnormal == is_right)
        for machine_type, count, is_right in (("fan", 3, True), ("pump", 1, False))
        for number in range(count)
        for is_abnormal in (False, True)
    ]
    # fan: AUC 1, pAUC 1; pump: AUC 0, and a pAUC below chance
    lowest = (1 - 0.005 / 0.095) / 2
    assert official.score(2020, clips) == pytest.approx((1 + 1 + 0 + lowest) / 4)


def test_a_year_without_one_of_its_figures_has_no_score():
    clips = [Scored("fan", "section_00", number % 2 == 0, "source", number) for number in range(6)]
    assert official.score(2021, clips) is None
    assert official.score(2022, clips) is None
