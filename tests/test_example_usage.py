"""The example for newcomers does what it says, and the report hears what its model hears."""

import numpy as np
import pandas as pd
import pytest
from support import write_machine

import example_usage
from mimii.report import listening, loading


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """What the example leaves, run on two small machines."""
    base = tmp_path_factory.mktemp("example")
    for number in (0, 2):
        write_machine(base / "data" / "6dB" / "fan" / f"id_0{number}", seed=number)
    assert example_usage.main(base / "data", base / "output") == 0
    return base / "output"


def test_it_leaves_results_and_a_figure(example):
    assert len(pd.read_csv(example / "research_results.csv")) == 2
    assert (example / "scores.png").stat().st_size > 5000


def test_the_score_it_prints_is_that_of_the_results(example, capsys):
    assert example_usage.main(example.parent / "data", example) == 0
    row = pd.read_csv(example / "research_results.csv").iloc[0]
    (scores,) = (example / "scores").glob(f"*_{row['run_id']}.csv")
    expected = pd.read_csv(scores)["score"].iloc[0]
    assert f"score {expected:.3f}" in capsys.readouterr().out


def test_the_report_finds_the_model_and_hears_the_whistle(example):
    normal, abnormal = listening.listen(loading.load(example), "auc", example / "models")
    assert (normal.label, abnormal.label) == ("normal", "abnormal")
    assert abnormal.scores.mean() > normal.scores.mean()
    assert len(abnormal.scores) == len(abnormal.times) == len(abnormal.frames) - 4
    assert np.all(np.diff(abnormal.times) > 0)
    assert abnormal.times[-1] < len(abnormal.frames) * abnormal.hop_seconds


def test_models_without_scores_of_windows_are_not_listened_to(example):
    results = loading.load(example)
    for column, value in (("model", "knn"), ("scoring", "mahalanobis"), ("score_pooling", "max")):
        changed = loading.load(example)
        changed.detection[column] = value
        assert listening.listen(changed, "auc", example / "models") == []
    assert listening.listen(results, "auc", example / "models")


def test_a_model_that_gives_other_scores_is_not_taken_for_the_right_one(example):
    results = loading.load(example)
    for scores in results.scores.values():
        scores["score"] += 0.1
    assert listening.listen(results, "auc", example / "models") == []
    assert listening.listen(results, "auc", example / "nowhere") == []
