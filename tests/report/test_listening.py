"""The score over time: the model that gave the scores of the results is found and used again."""

import shutil

import numpy as np
import pytest
from report_support import load

import mimii
from mimii.report import listening
from mimii.report.rows import machines_only


def _run(directory, data):
    settings = mimii.DetectionSettings(
        data=mimii.DataSettings(base_dir=data, machine_type=("fan",)),
        run=mimii.RunSettings(
            models=("isolation_forest",),
            scope="type",
            device="cpu",
            jobs=1,
            result_dir=directory,
            pickle_dir=directory / "features",
            model_dir=directory / "models",
        ),
    )
    assert len(mimii.run(settings).rows) == 3  # two machines, and their group


@pytest.fixture
def results(once, data):
    """Results of a model that two machines share."""
    return load(once("results_of_a_group", lambda directory: _run(directory, data)))


def test_the_model_of_the_machine_group_is_found(results):
    normal, abnormal = listening.listen(results, "auc", results.directory / "models")
    assert (normal.label, abnormal.label) == ("normal", "abnormal")
    best = machines_only(results.detection).sort_values("auc", ascending=False, kind="stable").iloc[0]
    scores = results.scores[best["run_id"]].set_index("path")["score"]
    for one in (normal, abnormal):
        assert one.machine == f"6dB fan {best['machine_id']}"
        assert one.scores.mean() == pytest.approx(scores[one.path])
        assert len(one.scores) == len(one.times) == len(one.frames) - 4
        assert np.all(np.diff(one.times) > 0)
        assert one.times[-1] < len(one.frames) * one.hop_seconds
    assert abnormal.scores.mean() == pytest.approx(scores.max())
    assert abnormal.scores.mean() > normal.scores.mean()


@pytest.mark.parametrize(
    ("column", "value"),
    [("model", "knn"), ("model", "nobody"), ("scoring", "mahalanobis"), ("score_pooling", "max")],
)
def test_a_model_without_scores_of_windows_is_not_used(results, column, value):
    results.detection[column] = value
    assert listening.listen(results, "auc", results.directory / "models") == []


def test_rows_of_older_versions_do_not_name_the_scoring(results):
    results.detection[["scoring", "score_pooling"]] = ""
    assert listening.listen(results, "auc", results.directory / "models")


def test_a_model_that_gives_other_scores_is_not_used(results):
    for scores in results.scores.values():
        scores["score"] += 0.1
    assert listening.listen(results, "auc", results.directory / "models") == []


def test_a_damaged_file_or_none_is_no_error(results, tmp_path):
    models = shutil.copytree(results.directory / "models", tmp_path / "models")
    for path in models.glob("*.model"):
        path.write_bytes(path.read_bytes()[:100])
    assert listening.listen(results, "auc", models) == []
    assert listening.listen(results, "auc", tmp_path / "nowhere") == []
