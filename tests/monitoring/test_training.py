import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support import SAMPLE_RATE, sound

import mimii
from mimii.data.content import content
from mimii.errors import UserError
from mimii.evaluation.conformal import alarm_threshold, plausible_shares, share_as_high
from mimii.models import scoring_ways
from mimii.models.network import NetworkDetector
from mimii.monitoring import calibrating, recipe, training
from mimii.monitoring.calibrating import blocks_of
from mimii.monitoring.choosing import recommended
from mimii.monitoring.curve import curve
from mimii.monitoring.healthy import healthy_file, mean_parts
from mimii.monitoring.heard import level_of
from mimii.monitoring.monitor import Monitor
from mimii.monitoring.recipe import validation_of
from mimii.monitoring.recordings import find, natural_key
from mimii.monitoring.training import train_monitor
from mimii.runtime.processes import call_with_one_thread
from mimii.settings import FeatureSettings, MonitorSettings, ScoringSettings, TrainingSettings

COUNT = 24
QUICK = MonitorSettings(
    model="mahalanobis",
    features=FeatureSettings(n_mels=16),
    training=TrainingSettings(epochs=2),
    false_alarms=0.1,
    jobs=1,
)


def write(path, signal, rate=SAMPLE_RATE):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, signal, rate, subtype="PCM_16")


def write_recordings(folder, count=COUNT, seconds=1.0):
    rng = np.random.default_rng(7)
    for number in range(count):
        write(folder / f"day {number // 10}" / f"{number}.wav", sound(rng, seconds=seconds))


@pytest.fixture(scope="module")
def folder(once):
    return once("healthy_recordings", write_recordings)


@pytest.fixture(scope="module")
def learnt(folder):
    return train_monitor([folder], QUICK)


@pytest.fixture
def own(folder, tmp_path):
    return Path(shutil.copytree(folder, tmp_path / "own"))


# --- which recordings -------------------------------------------------------------------------------------------


def test_recordings_of_any_name_at_any_depth_come_in_natural_order(tmp_path):
    names = ["b/run 9.wav", "b/run 10.WAV", "b/c/d/x.flac", "a2.wav", "a10.wav"]
    for name in names:
        write(tmp_path / name, np.zeros(10, dtype=np.float32)) if name.lower().endswith("wav") else None
    (tmp_path / "b" / "c" / "d").mkdir(parents=True)
    for name in ("b/c/d/x.flac", "b/notes.txt", "b/old.mp3"):
        (tmp_path / name).touch()
    found, left_out = find([tmp_path])
    relative = [Path(path).relative_to(tmp_path).as_posix() for path in found]
    assert relative == ["a2.wav", "a10.wav", "b/c/d/x.flac", "b/run 9.wav", "b/run 10.WAV"]
    assert [(Path(path).name, "mp3" in reason) for path, reason in left_out.items()] == [("old.mp3", True)]
    assert find([tmp_path / "a2.wav", tmp_path / "a2.wav", tmp_path])[0] == found  # each once
    assert sorted(["2020-1-10.wav", "2020-1-9.wav"], key=natural_key) == ["2020-1-9.wav", "2020-1-10.wav"]


def test_what_is_called_abnormal_is_not_learnt_from_unless_it_is_given(tmp_path):
    for label in ("normal", "abnormal", "b/ABnormal/c"):
        write(tmp_path / "abnormal" / label / "1.wav", np.zeros(10, dtype=np.float32))
    found, left_out = find([tmp_path / "abnormal"])
    assert [Path(path).parent.name for path in found] == ["normal"]
    assert sorted(Path(path).parent.name for path in left_out) == ["abnormal", "c"]
    assert set(left_out.values()) == {"in a folder that is called abnormal"}
    assert len(find([tmp_path / "abnormal" / "abnormal" / "1.wav"])[0]) == 1
    found, left_out = find([tmp_path / "abnormal" / "normal", tmp_path / "abnormal" / "abnormal"])
    assert (len(found), len(left_out)) == (1, 1)


def test_recordings_that_can_t_be_used_are_left_out_by_name(own, folder, learnt):
    rng = np.random.default_rng(0)
    odd = {
        "rate.wav": ("8000 Hz, where most recordings have 16000 Hz", sound(rng, seconds=1, sample_rate=8000), 8000),
        "short.wav": ("too short: 500 samples", sound(rng, seconds=1)[:500], SAMPLE_RATE),
        "silent.wav": ("digital silence", np.zeros(SAMPLE_RATE, dtype=np.float32), SAMPLE_RATE),
    }
    for name, (_, signal, rate) in odd.items():
        write(own / name, signal, rate)
    (own / "broken.wav").write_bytes(b"RIFF")
    shutil.copy(own / "day 0" / "0.wav", own / "day 2" / "zz copy.wav")
    other = train_monitor([own], QUICK)
    reasons = {Path(path).name: reason for path, reason in other.left_out.items()}
    assert set(reasons) == {*odd, "broken.wav", "zz copy.wav"}
    for name, (reason, *_) in odd.items():
        assert reason in reasons[name]
    assert "can't be read" in reasons["broken.wav"]
    assert reasons["zz copy.wav"] == f"a copy of {own / 'day 0' / '0.wav'}"
    assert other.monitor.threshold == learnt.monitor.threshold  # the others are those of the folder


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"paths": ["nowhere"]}, "nowhere does not exist"),
        ({"count": 4}, "4 recording(s) to learn from, and 5 are the fewest"),
        ({"false_alarms": 0.0}, "0.0 false alarms"),
        ({"false_alarms": 1e-320}, "1e-320 false alarms"),
        ({"false_alarms": 9e-7}, "9e-07 false alarms"),
        ({"false_alarms": 0.5}, "0.5 false alarms"),
        ({"model": "idn"}, "there is no detector idn (did you mean idnn?)"),
        ({"model": "idnn", "training": TrainingSettings(frames=4)}, "idnn needs frames 3"),
        ({"model": "mahalanobis", "features": FeatureSettings(channel=3)}, "no channel 3"),
    ],
)
def test_what_can_t_be_learnt_from_is_refused_with_one_line(folder, change, words):
    count = change.pop("count", None)
    paths = change.pop("paths", sorted(folder.rglob("*.wav"))[:count])
    with pytest.raises(UserError) as error:
        train_monitor(paths, replace(QUICK, **change))
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_no_threshold_follows_from_recordings_that_all_score_the_same(tmp_path):
    signal = np.round(sound(np.random.default_rng(0), seconds=1) * 32768).astype(np.int16)
    for name, kind in (("a.wav", "WAV"), ("b.wav", "WAVEX"), ("c.flac", "FLAC"), ("d.aiff", "AIFF"), ("e.wav", "WAV")):
        soundfile.write(tmp_path / name, signal, SAMPLE_RATE, subtype="PCM_16", format=kind)
    with open(tmp_path / "e.wav", "ab") as file:  # no copies, but the same sound
        file.write(b"LIST\0\0\0\0")
    with pytest.raises(UserError, match="no threshold follows"):
        train_monitor([tmp_path], replace(QUICK, model="knn"))


# --- calibration ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "blocks"), [(5, 20), (20, 20), (23, 20), (200, 20), (203, 5)])
def test_blocks_are_neighbours_and_hold_each_recording_once(count, blocks):
    found = blocks_of(count, blocks)
    assert np.concatenate([np.arange(count)[block] for block in found]).tolist() == list(range(count))
    sizes = [block.stop - block.start for block in found]
    assert len(sizes) == min(blocks, count)
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize(
    ("count", "fraction", "kept"), [(10, 0.0, 0), (10, 0.1, 1), (5, 0.1, 1), (1, 0.5, 0), (40, 0.2, 8)]
)
def test_recordings_for_validation_are_evenly_spaced(count, fraction, kept):
    chosen = np.flatnonzero(validation_of(count, fraction))
    assert len(chosen) == kept
    assert kept < 2 or np.ptp(np.diff(chosen)) <= 1


def test_held_out_scores_are_those_of_detectors_that_know_neither_the_recording_nor_its_neighbours(folder, monkeypatch):
    monkeypatch.setattr(recipe, "BLOCKS", 6)
    paths, _ = find([folder])
    monitor = train_monitor([folder], QUICK).monitor
    for block in (slice(0, 4), slice(20, 24)):
        others = train_monitor([*paths[: block.start], *paths[block.stop :]], QUICK).monitor.detector
        expected = [others.score(path).score for path in paths[block]]
        assert monitor.calibration.scores[block] == pytest.approx(expected, rel=1e-4)


def test_the_file_scores_by_a_detector_that_knows_all_recordings(folder, learnt, tmp_path):
    paths, _ = find([folder])
    learnt.monitor.save(tmp_path / "a.model")
    read = Monitor.load(tmp_path / "a.model")
    assert read.way == ("native", "")
    assert read.false_alarms == 0.1
    scores = read.calibration.scores
    assert (len(scores), read.calibration.source) == (COUNT, "held_out")
    assert read.threshold == alarm_threshold(scores, 0.1) == np.sort(scores)[-2]
    assert share_as_high(scores, read.threshold + 1e-6) <= 0.1
    assert (read.relative(read.median_score), read.relative(read.threshold)) == (0, 1)
    model = mimii.load_model(tmp_path / "a.model")
    known = [model.score(path).score for path in paths]
    assert np.mean(known) < np.mean(scores)
    assert model.score(paths[0]).threshold == read.threshold


def test_a_monitor_is_saved_where_a_text_says_too(learnt, tmp_path):
    learnt.monitor.save(str(tmp_path / "a.model"))
    assert Monitor.load(str(tmp_path / "a.model")).threshold == learnt.monitor.threshold


def assert_not_loaded(monitor, path, words):
    monitor.save(path)
    with pytest.raises(UserError) as error:
        Monitor.load(path)
    assert str(error.value).startswith(f"{path.name}: ")
    assert words in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("below", [50, 0])
def test_a_threshold_that_is_not_above_the_median_is_refused(learnt, below, tmp_path):
    detector, way = learnt.monitor.detector, learnt.monitor.way
    calibration = replace(detector.calibrations[way], threshold_of_all=learnt.monitor.median_score - below)
    other = Monitor(replace(detector, calibrations={way: calibration}), learnt.monitor.healthy)
    assert_not_loaded(other, tmp_path / "a.model", "its threshold is not above the median")


def test_a_threshold_that_is_beyond_all_scores_is_refused(learnt, tmp_path):
    detector, way = learnt.monitor.detector, learnt.monitor.way
    calibration = detector.calibrations[way]
    calibration = replace(calibration, scores=0 * calibration.scores - 1.7e308, threshold_of_all=1.7e308)
    other = Monitor(replace(detector, calibrations={way: calibration}), learnt.monitor.healthy)
    assert_not_loaded(other, tmp_path / "a.model", "its threshold is not above the median")


@pytest.mark.parametrize(
    ("part", "change", "words"),
    [
        ("vectors", lambda array: array.astype(np.float64), "vectors is not what belongs there"),
        ("vectors", lambda array: array + np.float32(1e30), "vectors is beyond all levels"),
        ("vectors", lambda array: array[:, :-1], "vectors is not what belongs there"),
        ("levels", lambda array: array - 1e300, "levels is beyond all levels"),
        ("levels", lambda array: array.astype(np.int64), "levels is not what belongs there"),
        ("seconds", lambda array: 0 * array, "a recording has no length"),
        ("seconds", lambda array: -array, "a recording has no length"),
        ("seconds", lambda array: array / 0, "seconds is not finite"),
        ("part_mean", lambda array: array.astype("U20"), "part_mean is not what belongs there"),
        ("part_std", lambda array: -array, "the levels of parts contradict each other"),
        ("part_low", lambda array: array + 500, "the levels of parts contradict each other"),
        ("part_high", lambda array: array * np.nan, "part_high is not finite"),
        ("curve_threshold", lambda _: np.inf, "curve_threshold is not finite"),
        ("curve_threshold", lambda _: 1 > 0, "curve_threshold is not what belongs there"),
        ("paths", lambda array: np.arange(len(array)), "paths is not what belongs there"),
        ("paths", lambda array: np.full(len(array), -1, np.int32).view("U1"), "paths is no text"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_healthy_recordings_that_can_t_be_are_refused(learnt, part, change, words, tmp_path):
    healthy = learnt.monitor.healthy
    other = Monitor(learnt.monitor.detector, replace(healthy, **{part: change(getattr(healthy, part))}))
    assert_not_loaded(other, tmp_path / "a.model", words)


def test_scores_over_time_that_are_not_finite_are_refused(folder, monkeypatch):
    def spoilt(*arguments):
        fitted = calibrating.fit_and_hold_out(*arguments)
        fitted.curves[3][:] = np.inf
        return fitted

    monkeypatch.setattr(training, "fit_and_hold_out", spoilt)
    with pytest.raises(UserError, match="scores of parts of healthy recordings are not finite"):
        train_monitor([folder], QUICK)


def test_the_file_of_a_healthy_recording_is_known_by_its_content(own):
    healthy = train_monitor([own], QUICK).monitor.healthy
    paths = [Path(path) for path in healthy.paths]
    paths[1].unlink()
    shutil.copy(paths[3], paths[2])
    impossible = replace(healthy, paths=np.array([f"a\0{path}" for path in paths]))
    assert [healthy_file(healthy, number) for number in range(4)] == [paths[0], None, None, paths[3]]
    assert healthy_file(impossible, 0) is None


def test_what_is_left_at_the_end_is_a_part_where_it_is_more_than_half_as_long():
    frames = np.arange(11.0)[:, None]
    assert mean_parts(frames, 4).ravel().tolist() == [1.5, 5.5, 9.0]
    assert mean_parts(frames[:10], 4).ravel().tolist() == [1.5, 6.5]
    assert mean_parts(frames[:1], 4).ravel().tolist() == [0.0]


def test_what_the_healthy_recordings_sound_like(folder, learnt):
    healthy = learnt.monitor.healthy
    paths, _ = find([folder])
    assert healthy.paths.tolist() == paths
    assert healthy.digests.tolist() == [content(path).digest for path in paths]
    assert healthy.seconds == pytest.approx(np.ones(COUNT))
    signal, _ = soundfile.read(paths[3], dtype="int16")
    assert (
        healthy.levels[3]
        == pytest.approx(level_of(signal))
        == pytest.approx(10 * np.log10(np.mean((signal / 32768.0) ** 2)))
    )
    assert (healthy.part_low < healthy.part_mean).all()
    assert (healthy.part_mean < healthy.part_high).all()
    assert (healthy.part_std > 0).all()
    frames = learnt.monitor.detector.score(paths[3]).frames
    assert healthy.vectors[3] == pytest.approx(frames.mean(axis=0), abs=1e-3)


def test_about_the_asked_share_of_new_recordings_exceed_the_threshold_of_the_score_over_time(learnt):
    rng = np.random.default_rng(8)
    signals = [sound(rng, seconds=1) for _ in range(200)]
    frames = [learnt.monitor.detector.score(signal).frames for signal in signals]
    highest = [curve(learnt.monitor, each)[1].max() for each in frames]
    low, high = plausible_shares(COUNT, 0.1)
    assert low < np.mean(np.array(highest) > learnt.monitor.healthy.curve_threshold) < high


def test_a_network_is_calibrated_in_every_way(folder, tmp_path, monkeypatch):
    def as_processes_do(function, arguments, jobs):
        copies = (pickle.loads(pickle.dumps(argument)) for argument in arguments)
        return (pickle.loads(pickle.dumps(call_with_one_thread(function, copy))) for copy in copies)

    settings = replace(QUICK, model="idnn")
    first = train_monitor([folder], settings).monitor
    monkeypatch.setattr(calibrating, "in_parallel", as_processes_do)
    second = train_monitor(
        [folder], replace(settings, scoring=ScoringSettings(scoring=("mse",), score_pooling="max"))
    ).monitor
    assert first.way == ("mahalanobis", "")
    assert second.way == ("mse", "max")
    assert set(first.detector.calibrations) == set(scoring_ways("idnn"))
    for way, calibration in first.detector.calibrations.items():
        assert calibration.source == "held_out"
        assert calibration.scores == pytest.approx(second.detector.calibrations[way].scores, rel=1e-4)
    assert first.detector.facts["trainings"] == 21
    assert len(first.detector.facts["train_loss"]) == 2
    second.save(tmp_path / "idnn.model")
    assert Monitor.load(tmp_path / "idnn.model").threshold == second.threshold


def test_folds_of_a_network_take_as_many_steps_as_the_whole(folder, monkeypatch):
    seen = []
    fit = NetworkDetector.fit

    def spy(self, windows, validation, training):
        seen.append(len(windows) * training.settings.epochs)
        return fit(self, windows, validation, training)

    monkeypatch.setattr(NetworkDetector, "fit", spy)
    train_monitor([folder], replace(QUICK, model="simple_ae", training=TrainingSettings(epochs=8)))
    assert seen == pytest.approx([seen[0]] * 21, rel=0.1)


def test_bands_that_hear_nothing_are_told(folder):
    warnings = train_monitor([folder], replace(QUICK, features=FeatureSettings(n_mels=128, n_fft=256))).warnings
    assert any("mel bands hold no FFT bin" in warning for warning in warnings)


def test_the_recommended_detector_depends_on_the_number_of_recordings(folder):
    assert (recommended(49), recommended(50)) == ("mahalanobis", "fusion")
    assert train_monitor([folder], replace(QUICK, model=None)).monitor.detector.model.name == "mahalanobis"


def test_false_alarms_on_real_clips_of_a_fan(real_clips):
    machine = real_clips / "0dB" / "fan" / "id_00"
    normal = find([machine / "normal"])[0]
    monitor = train_monitor(normal[6:], MonitorSettings(model="mahalanobis", false_alarms=0.1, jobs=1)).monitor
    assert not any(monitor.detector.score(path).is_abnormal for path in normal[:6])
