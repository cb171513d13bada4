"""A recording is judged by a trained model alone."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import soundfile
from model_support import (
    CLIP_LEVEL,
    KNOWS_MACHINES,
    MACHINE_NAME,
    OTHER_MACHINE,
    clip_for,
    features_of,
    fitted,
    origins_of,
    samples_of,
    sounds,
    trained,
    training,
)
from support import SAMPLE_RATE, sound

from mimii.data.audio import RecordingError
from mimii.data.machines import MACHINE
from mimii.errors import TaskError, UserError
from mimii.evaluation.thresholds import NormalScores, gamma_threshold
from mimii.features.logmel import log_mel
from mimii.features.windows import Features
from mimii.models import create_model, scoring_ways
from mimii.models.calibration import Calibration
from mimii.models.files import load_model
from mimii.models.trained import TrainedDetector
from mimii.settings import FeatureSettings

ALONE = ["simple_ae", "isolation_forest", "mahalanobis"]  # they know no machines
EXAMPLES = [*ALONE, "id_embedding", "two_branch", "fusion"]


@pytest.fixture(scope="module")
def healthy():
    return sound(np.random.default_rng(50), seconds=2.3)


@pytest.fixture(scope="module")
def faulty():
    return sound(np.random.default_rng(51), seconds=2.3, abnormal=True)


def windows_of(name, samples):
    fft = "torch" if trained(name).model.uses_torch else "scipy"
    frames = log_mel(samples, SAMPLE_RATE, trained(name).features, fft=fft)
    return windows_of_parts(name, [frames], [samples])


def windows_of_parts(name, parts, signals):
    features = features_of(parts)
    features.samples = samples_of(signals) if trained(name).model.needs_samples else None
    origins = origins_of([MACHINE_NAME] * len(parts)) if name in KNOWS_MACHINES else None
    return features.windows(trained(name).model.frames, np.full(len(parts), True), origins=origins)


def machine_of(name):
    """What must be said of a recording."""
    return MACHINE_NAME if name in KNOWS_MACHINES else None


# --- detectors


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_score_is_that_of_the_recording_and_its_threshold_that_of_the_way(name, faulty):
    detector = trained(name)
    windows = windows_of(name, faulty)
    for (scoring, score_pooling), calibration in detector.calibrations.items():
        way = {"scoring": scoring, "score_pooling": score_pooling or "mean"}
        found = detector.score(faulty, **way, machine=machine_of(name))
        assert found.score == detector.model.score_recordings(windows, scoring, score_pooling)[1][0]
        assert found.threshold == calibration.threshold(machine_of(name))
        assert found.is_abnormal == (found.score > found.threshold)
        assert np.array_equal(found.frames, windows.frames)


@pytest.mark.parametrize("name", ["simple_ae", "mahalanobis", "id_embedding", "fusion"])
def test_faulty_recordings_are_judged_abnormal_and_healthy_ones_normal(name):
    rng = np.random.default_rng(52)
    healthy, faulty = (
        [trained(name).score(sound(rng, seconds=0.6, abnormal=is_abnormal), machine=machine_of(name)) for _ in range(9)]
        for is_abnormal in (False, True)
    )
    assert all((found.verdict, found.is_abnormal) == ("abnormal", True) for found in faulty)
    assert max(found.score for found in healthy) < min(found.score for found in faulty)
    if name != "simple_ae":  # the scores that its threshold is from are of recordings that it has learnt
        assert sum((found.verdict, found.is_abnormal) == ("normal", False) for found in healthy) >= 7


def test_the_first_way_is_the_one_that_is_not_asked_for(healthy):
    detector = trained("simple_ae")
    assert detector.score(healthy).score == detector.score(healthy, scoring="mse", score_pooling="mean").score
    assert detector.score(healthy, score_pooling="max").score > detector.score(healthy).score


def test_the_score_over_time_is_that_of_each_window_at_its_middle(healthy):
    detector = trained("simple_ae")
    found = detector.score(healthy)
    assert np.array_equal(found.values, detector.model.score_windows(windows_of("simple_ae", healthy)))
    assert found.values.mean() == pytest.approx(found.score)
    # five frames of 512 samples: the middle of the first window is frame 2
    assert found.times[0] == pytest.approx(2 * 512 / SAMPLE_RATE)
    assert np.diff(found.times) == pytest.approx(512 / SAMPLE_RATE)
    assert len(found.times) == len(found.values) == len(found.frames) - 4


@pytest.mark.parametrize(
    ("name", "scoring"), [("simple_ae", "mahalanobis"), *((name, scoring_ways(name)[-1][0]) for name in CLIP_LEVEL)]
)
def test_where_windows_have_no_score_the_score_over_time_is_of_parts_of_a_second(name, scoring, healthy):
    detector, machine = trained(name), machine_of(name)
    found = detector.score(healthy, scoring=scoring, machine=machine)
    assert len(found.values) == 2  # of 2.3 seconds
    parts = np.array_split(found.frames, 2)
    # a frame is in the middle of its samples, and a part begins and ends halfway between two of them
    end = round((len(parts[0]) - 0.5) * 512)
    windows = windows_of_parts(name, parts, [healthy[:end], healthy[end:]])
    assert np.array_equal(found.values, detector.model.score_recordings(windows, scoring, "")[1])
    assert found.times == pytest.approx([2.3 / 4, 2.3 * 3 / 4], abs=0.05)
    short = detector.score(healthy[: SAMPLE_RATE // 2], scoring=scoring, machine=machine)
    assert list(short.values) == [short.score]


def test_the_place_of_a_fault_is_seen_over_time(healthy, faulty):
    joined = np.concatenate([healthy, faulty, healthy])
    found = trained("simple_ae").score(joined)
    is_inside = (found.times > 2.5) & (found.times < 4.4)
    is_outside = (found.times < 2.1) | (found.times > 4.8)
    assert found.values[is_inside].min() > found.values[is_outside].max()


def test_a_file_gives_the_score_of_its_samples(healthy, tmp_path):
    samples = (healthy * 32767).astype(np.int16)
    soundfile.write(tmp_path / "a.wav", samples, SAMPLE_RATE, subtype="PCM_16")
    detector = trained("simple_ae")
    for path in (tmp_path / "a.wav", str(tmp_path / "a.wav")):
        assert detector.score(path).score == detector.score(samples).score
    assert detector.score(samples / np.float32(32768)).score == detector.score(samples).score
    assert detector.score(samples / np.float64(32768)).score == detector.score(samples).score


def test_the_channel_is_that_of_the_feature_settings(healthy, faulty, tmp_path):
    soundfile.write(tmp_path / "a.wav", np.stack([healthy, faulty], axis=1), SAMPLE_RATE, subtype="FLOAT")
    detector = replace(trained("simple_ae"), features=FeatureSettings(n_fft=2048, channel=1))
    assert detector.score(tmp_path / "a.wav").score == trained("simple_ae").score(faulty).score


def test_a_recording_that_cant_be_judged_is_refused_with_the_reason(healthy, tmp_path):
    detector = trained("simple_ae")
    soundfile.write(tmp_path / "rate.wav", healthy, 8000)
    soundfile.write(tmp_path / "short.wav", healthy[:1000], SAMPLE_RATE)
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    for name, words in {
        "rate.wav": "8000 Hz, but the model knows recordings of 16000 Hz",
        "short.wav": "too short: 1000 samples",
        "broken.wav": "can't be read",
        "absent.wav": "can't be read",
    }.items():
        with pytest.raises(RecordingError, match=f"{name}: {words}"):
            detector.score(tmp_path / name)
    with pytest.raises(RecordingError, match="too short: 0 samples"):
        detector.score(healthy[:0])
    long_windows = replace(detector, model=create_model("simple_ae", frames=200))
    with pytest.raises(RecordingError, match="too short: 72 frames, and a window of the model has 200"):
        long_windows.score(healthy)
    for value in (np.nan, np.inf, 1e30):
        with pytest.raises(RecordingError, match="finite"):
            detector.score(np.where(np.arange(len(healthy)) == 9000, value, healthy))


@pytest.mark.parametrize(
    "array", [np.zeros((9000, 2)), np.zeros(9000, dtype=np.int32), np.zeros(9000, dtype=bool), np.array("a.wav")]
)
def test_an_array_that_cant_be_samples_is_refused(array):
    with pytest.raises(UserError, match="samples are"):
        trained("simple_ae").score(array)


def test_a_way_that_there_is_not_is_refused_with_those_that_there_are(healthy):
    with pytest.raises(UserError, match="simple_ae can't score by native with mean; its ways are mse with mean, "):
        trained("simple_ae").score(healthy, scoring="native")
    with pytest.raises(UserError, match="mse with median"):
        trained("simple_ae").score(healthy, score_pooling="median")


# --- thresholds


def three_machines(name):
    """A detector of three machines, and the features that it has learnt."""
    given = sounds().features
    table = pd.DataFrame({"path": given.recordings["path"]})
    table[MACHINE] = [["6dB", "fan", f"id_0{number % 3}"] for number in range(20)]
    features = Features(given.frames, given.offsets, table, {}, SAMPLE_RATE)
    data = sounds()
    model, _ = fitted(name)
    return TrainedDetector.calibrated(
        model, FeatureSettings(n_fft=2048), features, data.train, data.validation, training()
    ), features


@pytest.mark.parametrize("name", ALONE)
def test_the_threshold_of_a_machine_is_from_its_scores(name, healthy):
    detector, _ = three_machines(name)
    normal = fitted(name)[0].calibrate(sounds().train, sounds().validation, training())
    for way, calibration in detector.calibrations.items():
        numbers, scores = normal[way].numbers, normal[way].scores
        assert np.array_equal(calibration.scores, scores)
        assert calibration.source == normal[way].source
        assert calibration.machines == tuple(("6dB", "fan", f"id_0{number % 3}") for number in numbers)
        for place in range(3):
            machine = ("6dB", "fan", f"id_0{place}")
            assert calibration.threshold(machine) == gamma_threshold(scores[numbers % 3 == place])
        whole = gamma_threshold(scores)
        assert calibration.threshold() == whole
        assert calibration.threshold(("6dB", "fan", "all")) == calibration.threshold(("6dB", "fan", "id_07")) == whole
    found = detector.score(healthy, machine=("6dB", "fan", "id_01"))
    first = next(iter(detector.calibrations.values()))
    assert found.threshold == first.threshold(("6dB", "fan", "id_01")) != first.threshold()


@pytest.mark.parametrize("name", KNOWS_MACHINES)
def test_a_detector_that_knows_machines_apart_has_a_threshold_for_each(name, healthy):
    detector = trained(name)
    for way, calibration in detector.calibrations.items():
        assert set(calibration.machines) == {MACHINE_NAME, OTHER_MACHINE}
        of_each = {}
        for machine in (MACHINE_NAME, OTHER_MACHINE):
            scores = calibration.scores[[one == machine for one in calibration.machines]]
            of_each[machine] = gamma_threshold(scores)
            assert calibration.threshold(machine) == of_each[machine]
            found = detector.score(healthy, scoring=way[0], machine=machine)
            assert found.threshold == of_each[machine]
        assert of_each[MACHINE_NAME] != of_each[OTHER_MACHINE]
        assert calibration.threshold() == gamma_threshold(calibration.scores)


@pytest.mark.parametrize("name", KNOWS_MACHINES)
def test_of_which_machine_a_recording_is_must_be_said_where_there_are_several(name, healthy):
    with pytest.raises(UserError, match="say of which machine the recording is; the model knows 6dB fan id_00, 6dB fa"):
        trained(name).score(healthy)
    with pytest.raises(UserError, match="the model knows no recordings of 6dB fan id_04, only of 6dB fan id_00, 6dB f"):
        trained(name).score(healthy, machine=("6dB", "fan", "id_04"))
    alone = create_model(name, clip=clip_for(name))
    alone.from_bytes(trained(name).model.to_bytes())
    alone.keep_only(MACHINE_NAME)
    detector = replace(trained(name), model=alone)
    assert detector.score(healthy).score == trained(name).score(healthy, machine=MACHINE_NAME).score


def test_scores_that_are_not_finite_end_the_task():
    machines = [("6dB", "fan", "id_00")] * 2
    with pytest.raises(TaskError, match="not finite"):
        Calibration.of(NormalScores(np.arange(2), np.array([1.0, np.nan]), "held_out"), machines)


# --- classifiers


@pytest.mark.parametrize("name", ["simple_classifier", "random_forest"])
def test_a_recording_has_the_mean_probability_of_its_windows(name, tmp_path):
    classifier = trained(name, 3)
    for number, pitch in enumerate((150.0, 420.0, 900.0)):
        samples = sound(np.random.default_rng(60 + number), seconds=1.0, pitch=pitch)
        soundfile.write(tmp_path / "a.wav", samples, SAMPLE_RATE, subtype="FLOAT")
        found = classifier.predict(samples)
        assert classifier.predict(tmp_path / "a.wav") == found
        assert list(found) == classifier.classes
        assert sum(found.values()) == pytest.approx(1, abs=1e-5)
        assert max(found, key=found.get) == f"c{number}"
        probabilities = classifier.model.predict_proba(windows_of_classifier(classifier, samples))
        assert list(found.values()) == pytest.approx(probabilities.mean(axis=0))
    with pytest.raises(RecordingError, match="too short"):
        classifier.predict(samples[:100])


@pytest.mark.parametrize("name", ["mahalanobis", "random_forest"])
def test_the_file_may_be_named_by_a_text(name, tmp_path):
    trained(name).save(str(tmp_path / "a.model"))
    assert load_model(str(tmp_path / "a.model")).model.name == name


def windows_of_classifier(classifier, samples):
    frames = log_mel(samples, SAMPLE_RATE, classifier.features)
    return features_of([frames]).windows(classifier.model.frames, np.array([True]))
