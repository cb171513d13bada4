"""The public API, as a notebook uses it."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import soundfile
from support import SOURCE, recording_path

import mimii


def test_ten_lines_run_an_experiment_and_score_a_recording(data, tmp_path):
    settings = mimii.DetectionSettings(
        data=mimii.DataSettings(base_dir=data, machine_type=("fan",)),
        run=mimii.RunSettings(
            **{name: tmp_path / name for name in ("result_dir", "pickle_dir", "model_dir")},
            **{"models": ("mahalanobis",), "scope": "machine", "jobs": 1},
        ),
    )
    result = mimii.run(settings)
    model = mimii.load_model(result.model_files[result.rows["run_id"].iloc[0]])
    score = model.score(recording_path(data, "abnormal", 0))
    assert (score.verdict, score.score > score.threshold) == ("abnormal", True)

    # and what the rows say holds
    assert list(result.rows["machine_id"]) == ["id_00", "id_02"]
    assert (result.rows["auc"] == 1).all()
    assert score.threshold == result.rows["threshold"].iloc[0]
    assert len(result.recordings) == 16
    assert result.failed == []
    # a second run finds everything done
    again = mimii.run(settings)
    assert again.rows.equals(result.rows)
    assert again.model_files == result.model_files


def test_the_score_of_an_array_is_that_of_its_file(data, tmp_path):
    run = mimii.RunSettings(
        **{name: tmp_path / name for name in ("result_dir", "pickle_dir", "model_dir")},
        **{"models": ("simple_ae",), "scope": "machine", "jobs": 1},
    )
    settings = mimii.DetectionSettings(
        data=mimii.DataSettings(base_dir=data, machine_type=("pump",)),
        training=mimii.TrainingSettings(epochs=1),
        run=run,
    )
    result = mimii.run(settings)
    model = mimii.load_model(result.model_files[result.rows["run_id"].iloc[0]])
    path = result.recordings["path"].iloc[0]
    samples, _ = soundfile.read(path, dtype="int16")
    from_file, from_array = model.score(path), model.score(samples)
    assert from_file.score == from_array.score
    assert np.array_equal(from_file.values, from_array.values)
    assert len(from_file.times) == len(from_file.values) == len(from_file.frames) - 4
    assert np.isclose(from_file.values.mean(), from_file.score)


def test_a_detector_that_knows_machines_apart_learns_from_all_of_a_type_and_must_be_told_the_machine(data, tmp_path):
    settings = mimii.DetectionSettings(
        data=mimii.DataSettings(base_dir=data, machine_type=("fan",)),
        training=mimii.TrainingSettings(epochs=2),
        scoring=mimii.ScoringSettings(backend=("knn",), clip=mimii.ClipSettings(ensemble=1)),
        run=mimii.RunSettings(
            **{name: tmp_path / name for name in ("result_dir", "pickle_dir", "model_dir")},
            **{"models": ("id_embedding",), "jobs": 1},
        ),
    )
    result = mimii.run(settings)
    assert list(result.rows["machine_id"]) == ["id_00", "id_02"]
    [file] = set(result.model_files.values())
    model = mimii.load_model(file)
    for row in result.rows.itertuples():
        [kept] = settings.run.result_dir.glob(f"scores/*{row.run_id}.csv")
        for path, expected in pd.read_csv(kept)[["path", "score"]].itertuples(index=False):
            score = model.score(path, scoring="knn", machine=(row.snr, row.machine_type, row.machine_id))
            assert score.score == pytest.approx(expected, rel=1e-6, abs=1e-12)
            assert score.threshold == row.threshold
    for machine in (None, ("6dB", "pump", "id_00")):
        with pytest.raises(mimii.UserError, match="6dB fan id_00, 6dB fan id_02"):
            model.score(path, scoring="knn", machine=machine)


def test_everything_that_is_public_is_there():
    for name in mimii.__all__:
        assert getattr(mimii, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = mimii.nothing


def test_importing_it_loads_nothing_heavy():
    code = f"import sys; sys.path.insert(0, {str(SOURCE)!r}); import mimii; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, encoding="utf-8").stdout
    assert not {"torch", "numpy", "pandas", "sklearn", "librosa", "scipy"} & set(loaded.split())


def test_what_a_user_can_correct_is_one_kind_of_error(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.model").write_bytes(b"")
    with pytest.raises(mimii.UserError, match=r"empty\.model"):
        mimii.load_model(tmp_path / "empty.model")
    run = mimii.RunSettings(models=("knn",), scope="machine", result_dir=tmp_path)
    with pytest.raises(mimii.UserError, match="does not exist"):
        mimii.run(mimii.DetectionSettings(data=mimii.DataSettings(base_dir=tmp_path / "nowhere"), run=run))
