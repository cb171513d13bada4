"""Recordings that can be heard: the model that gave the scores of the results is found and used again."""

import io
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from report_support import load, write_results
from support import SAMPLE_RATE, sound, write_machine

import mimii
from mimii.models.files import load_model
from mimii.monitoring.hearing import Sound
from mimii.report import listening, rescoring
from mimii.report.excerpts import excerpt
from mimii.report.picks import best_detector


def _run(directory):
    for number, machine_id in enumerate(("id_00", "id_02")):
        folder = directory / "data" / "6dB" / "fan" / machine_id
        write_machine(folder, normal=11, abnormal=5, seed=number, pitch=220 + 90 * number)
    settings = mimii.DetectionSettings(
        data=mimii.DataSettings(base_dir=directory / "data"),
        run=mimii.RunSettings(
            models=("isolation_forest", "knn"),
            scope="type",
            device="cpu",
            jobs=1,
            result_dir=directory / "results",
            pickle_dir=directory / "features",
            model_dir=directory / "models",
        ),
    )
    assert len(mimii.run(settings).rows) == 6  # of each model two machines, and their group


@pytest.fixture
def made(once, tmp_path):
    """A copy of the results of models that two machines share, with its recordings and models."""
    base = shutil.copytree(once("results_of_a_group", _run), tmp_path / "made")
    for path in (base / "results" / "scores").glob("*.csv"):
        path.write_text(path.read_text().replace("/results_of_a_group0/", f"/{base.name}/"))
        text = path.read_text()
        old = text.split("data/6dB")[0].splitlines()[-1]
        path.write_text(text.replace(old, f"{base}/"))
    return base


def hear(base, model=None, models="models", audio=True):
    """The clips, by group and label, and the notes."""
    results = load(base / "results", models=None if model is None else [model])
    clips = listening.hear(results, "auc", base / models, audio)
    return {(clip.pick.group, clip.pick.label): clip for clip in clips if clip.pick.group != "wrong"}, results.notes


def samples(clip):
    return soundfile.read(io.BytesIO(clip.audio), dtype="int16")


def test_the_model_of_the_machine_group_gives_the_score_of_each_window(made):
    clips, _ = hear(made, "isolation_forest")
    assert list(clips) == [(group, label) for group in ("best", "worst") for label in ("normal", "abnormal")]
    for clip in clips.values():
        assert clip.sound.values.mean() == pytest.approx(clip.pick.score)
        assert len(clip.sound.values) == len(clip.sound.times) == len(clip.sound.frames) - 4
        assert clip.level == clip.pick.threshold
        assert (clip.compared, clip.problem, clip.rescored.missing) == (0, "", "")
        np.testing.assert_array_equal(samples(clip)[0], soundfile.read(clip.pick.path, dtype="int16")[0])
        assert samples(clip)[1] == SAMPLE_RATE


def test_what_judges_a_recording_as_a_whole_scores_its_parts(made):
    clips, _ = hear(made, "knn")
    healthy, faulty = clips["best", "normal"], clips["best", "abnormal"]
    assert len(healthy.sound.values) == len(faulty.sound.values) == 2  # of two seconds
    assert healthy.compared == 3  # other healthy recordings
    assert healthy.level == faulty.level
    assert faulty.sound.values.min() > faulty.level
    assert healthy.level != healthy.pick.threshold


def test_the_best_detector_is_heard_and_no_other(made):
    clips, _ = hear(made)
    assert {clip.pick.row["label"] for clip in clips.values()} == {best_detector(load(made / "results"), "auc")}


def test_without_sounds_all_else_is_there(made):
    clips, _ = hear(made, "isolation_forest", audio=False)
    assert all(clip.audio == b"" and clip.has_curve for clip in clips.values())


def _remove(models):
    shutil.rmtree(models)


def _damage(models):
    for path in models.glob("*.model"):
        path.write_bytes(path.read_bytes()[:100])


@pytest.mark.parametrize(("spoil", "reason"), [(_remove, "has no knn"), (_damage, "gives the scores of the results")])
def test_without_the_model_recordings_are_heard_and_it_says_why_there_is_no_more(made, spoil, reason):
    spoil(made / "models")
    clips, notes = hear(made, "knn")
    for clip in clips.values():
        assert len(samples(clip)[0]) == 2 * SAMPLE_RATE
        assert not clip.has_curve
        assert np.isnan(clip.level)
        assert reason in clip.rescored.missing
        assert clip.sound.frames.shape[1] == 64
    assert not [note for note in notes if "heard" in note]


def test_a_model_that_gives_other_scores_is_not_used(made):
    results = load(made / "results", models=["knn"])
    for scores in results.scores.values():
        scores["score"] += 0.1
    clips = listening.hear(results, "auc", made / "models")
    assert {clip.has_curve for clip in clips} == {False}


def test_a_model_that_this_version_does_not_have(made):
    results = load(made / "results", models=["knn"])
    results.detection[["model", "label"]] = "nobody"
    clips = listening.hear(results, "auc", made / "models")
    assert {clip.rescored.missing for clip in clips} == {"this version of the program has no detector nobody"}


def test_of_several_models_the_one_that_comes_nearest_is_used(made, monkeypatch):
    [right] = (made / "models").glob("knn_*.model")
    nearly = load_model(right)
    real = rescoring._score

    def score(trained, row, path):
        found = real(trained, row, path)
        return replace(found, score=found.score * (1 + 9e-4)) if trained is nearly else found

    monkeypatch.setattr(rescoring, "_score", score)
    monkeypatch.setattr(rescoring, "model_files", lambda *_: [Path("nearly"), right])
    monkeypatch.setattr(rescoring, "load_model", lambda path: load_model(path) if path == right else nearly)
    results = load(made / "results", models=["knn"])
    for clip in listening.hear(results, "auc", made / "models"):
        [found] = [score for path, score in clip.rescored.scores.items() if path == clip.pick.path]
        assert found.score == pytest.approx(clip.pick.score, rel=1e-6)


def test_rows_of_older_versions_do_not_name_the_scoring(made):
    results = load(made / "results", models=["isolation_forest"])
    results.detection[["scoring", "score_pooling"]] = ""
    assert all(clip.has_curve for clip in listening.hear(results, "auc", made / "models"))


def test_recordings_that_are_gone_changed_or_unreadable(made):
    clips, _ = hear(made, "isolation_forest")
    paths = {key: clip.pick.path for key, clip in clips.items()}
    other = sound(np.random.default_rng(9), pitch=500, abnormal=True)
    soundfile.write(paths["best", "normal"], other, SAMPLE_RATE, subtype="PCM_16")
    with open(paths["worst", "normal"], "w") as file:
        file.write("no sound")
    made.joinpath(paths["worst", "abnormal"]).unlink()
    clips, notes = hear(made, "isolation_forest")
    assert clips["best", "normal"].problem == "the file holds something else than what was scored"
    assert clips["best", "abnormal"].has_curve
    assert clips["worst", "normal"].problem.startswith("can't be read")
    assert clips["worst", "abnormal"].problem == "the file is no longer there"
    assert not [note for note in notes if "heard" in note]


def test_a_note_says_why_nothing_is_heard(made, tmp_path):
    shutil.rmtree(made / "data")
    clips, notes = hear(made, "knn")
    assert clips == {}
    assert notes[-1] == "Nothing can be heard. Of all 6 recordings to be shown: the file is no longer there."
    write_results(tmp_path / "unkept", files=False)
    results = load(tmp_path / "unkept")
    assert listening.hear(results, "auc", tmp_path) == []
    assert results.notes[-1] == "Nothing can be heard: no run of simple_ae, the best detector, kept its scores."


def test_the_judged_channel_is_heard(made):
    clips, _ = hear(made, "knn")
    path = clips["best", "normal"].pick.path
    near = soundfile.read(path, dtype="int16")[0]
    soundfile.write(path, np.stack([0 * near, near, 0 * near], axis=1), SAMPLE_RATE, subtype="PCM_16")
    shutil.rmtree(made / "models")
    results = load(made / "results", models=["knn"])
    results.detection["channel"] = "1"
    clip = listening.hear(results, "auc", made / "models")[0]
    np.testing.assert_array_equal(samples(clip)[0], near)
    results.detection["channel"] = "difference"
    [clip, *others] = listening.hear(results, "auc", made / "models")
    assert clip.sound.signal.dtype == np.float32
    assert soundfile.info(io.BytesIO(clip.audio)).subtype == "PCM_24"
    assert {other.problem for other in others} == {
        "one channel, and difference needs two: of a near and of a far microphone"
    }


@pytest.fixture
def noise():
    """Half a minute of noise, with the highest score after 25 s."""
    times = np.arange(0.5, 30)
    signal = np.random.default_rng(0).integers(-9000, 9000, 30 * SAMPLE_RATE).astype(np.int16)
    frames = np.zeros((30 * SAMPLE_RATE // 512 + 1, 4), dtype=np.float32)
    return Sound(
        signal=signal,
        sample_rate=SAMPLE_RATE,
        frames=frames,
        hop_seconds=512 / SAMPLE_RATE,
        times=times,
        values=-np.abs(times - 25.5),
    )


def test_of_a_long_recording_a_part_about_the_highest_score_is_shown(noise):
    shown, begin, audio = excerpt(noise, 10**7, True)
    assert shown.seconds == pytest.approx(20, abs=0.1)
    assert begin == pytest.approx(10, abs=0.1)  # to its end
    assert shown.times[np.argmax(shown.values)] == pytest.approx(25.5 - begin)
    first = round(begin * SAMPLE_RATE)
    heard, _ = soundfile.read(io.BytesIO(audio), dtype="int16")
    np.testing.assert_array_equal(heard, noise.signal[first : first + len(heard)])
    assert len(shown.frames) == pytest.approx(len(heard) / 512, abs=1)


def test_what_is_heard_has_no_more_than_so_many_bytes(noise):
    shown, begin, audio = excerpt(noise, 100_000, True)
    assert 80_000 < len(audio) <= 100_000
    assert begin < 25.5 < begin + shown.seconds
    assert shown.seconds == pytest.approx(len(shown.frames) * noise.hop_seconds)
    without = replace(noise, times=np.empty(0), values=np.empty(0))
    assert excerpt(without, 100_000, True)[1] == 0


def test_all_recordings_share_the_bytes_of_a_page(made, monkeypatch):
    monkeypatch.setattr(listening, "EMBEDDED", 60_000)
    clips, _ = hear(made, "isolation_forest")
    assert sum(len(clip.audio) for clip in clips.values()) * 4 / 3 < 60_000
    assert all(0 < clip.sound.seconds < clip.whole == 2 for clip in clips.values())


def test_features_of_older_rows(tmp_path):
    write_results(tmp_path)
    row = load(tmp_path).detection.iloc[0].to_dict()
    assert rescoring._features(row) == mimii.FeatureSettings()
    assert rescoring._features(row | {"n_mels": np.nan, "channel": "", "n_fft": 512.0}).n_fft == 512
