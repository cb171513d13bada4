"""Verdicts on recordings with planted faults, and what is said of recordings that are doubtful or can't be judged."""

import math
import pickle

import numpy as np
import pytest
import soundfile
from monitor_support import (
    KNOCK_AT,
    MISSING_HZ,
    SECONDS,
    TONE_BEGIN,
    TONE_HZ,
    healthy_sound,
    trained,
    with_knock,
    with_tone,
    without_band,
    write,
    write_healthy,
)
from support import SAMPLE_RATE

import mimii
from mimii.models.recording import frames_of_samples
from mimii.monitoring import judging
from mimii.monitoring.curve import curve
from mimii.monitoring.judging import judge, judge_all


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_healthy(tmp_path_factory.mktemp("healthy"))


@pytest.fixture(scope="module", params=["mahalanobis", "knn", "idnn"])
def monitor(request, folder):
    return trained([folder], request.param)


@pytest.fixture(scope="module")
def quick(folder):
    """A monitor for what does not depend on the detector."""
    return trained([folder], "mahalanobis")


@pytest.fixture
def signal():
    return healthy_sound(np.random.default_rng(12))


def test_a_healthy_recording_is_normal_and_nothing_is_found(monitor, signal, tmp_path):
    judgement = judge(monitor, write(tmp_path / "today.wav", signal))
    assert (judgement.verdict, judgement.reason, judgement.findings, judgement.warnings) == ("normal", "", (), ())
    assert judgement.relative < 1
    assert judgement.share > monitor.false_alarms


def test_a_tone_is_found_at_its_frequency_and_from_its_beginning_on(monitor, signal, tmp_path):
    judgement = judge(monitor, write(tmp_path / "today.wav", with_tone(signal)))
    assert judgement.verdict == "abnormal"
    assert judgement.relative > 1
    assert judgement.share < monitor.false_alarms
    finding = judgement.findings[0]
    assert finding.low_hz < TONE_HZ < finding.high_hz
    assert finding.high_hz - finding.low_hz < 600
    assert abs(finding.begin - TONE_BEGIN) < 0.1
    assert finding.to_end
    assert finding.difference_db > 6
    assert finding.effect > 0.8
    assert finding.text.endswith("louder than usual, from 1.9 s on")
    assert (judgement.begin, judgement.end) == (finding.begin, finding.end)


def test_a_knock_is_found_at_its_moment(monitor, signal, tmp_path):
    judgement = judge(monitor, write(tmp_path / "today.wav", with_knock(signal)))
    (finding,) = judgement.findings
    assert finding.is_moment
    assert finding.begin < KNOCK_AT + 0.05
    assert finding.end > KNOCK_AT
    assert finding.text.endswith("louder than usual, at 2.6 s")
    assert finding.low_hz < 1000
    assert finding.high_hz > 6000


def test_a_missing_band_is_found_throughout(monitor, signal, tmp_path):
    judgement = judge(monitor, write(tmp_path / "today.wav", without_band(signal)))
    assert judgement.verdict == "abnormal"
    (finding,) = judgement.findings
    assert finding.low_hz == pytest.approx(MISSING_HZ[0], abs=250)
    assert finding.high_hz == pytest.approx(MISSING_HZ[1], abs=250)
    assert finding.difference_db < -12
    assert finding.is_throughout


def test_the_score_and_its_threshold_are_those_of_the_model_file(monitor, signal, tmp_path):
    path = write(tmp_path / "today.wav", with_tone(signal))
    monitor.save(tmp_path / "pump.model")
    scoring, pooling = monitor.way
    score = mimii.load_model(tmp_path / "pump.model").score(path, scoring=scoring, score_pooling=pooling)
    judgement = judge(monitor, path)
    assert judgement.score == pytest.approx(score.score, rel=1e-6)
    assert judgement.threshold == score.threshold
    assert judgement.relative == pytest.approx(monitor.relative(judgement.score))


def test_the_score_over_time_is_highest_where_the_fault_is(monitor, signal):
    model, features = monitor.detector.model, monitor.detector.features
    frames = frames_of_samples(with_knock(with_knock(signal), at=2.9), model, features, SAMPLE_RATE)
    times, values = curve(monitor, frames)
    assert len(times) == len(values) > SECONDS
    assert (np.diff(times) > 0).all()
    assert 2.1 < times[values.argmax()] < 3.4


def test_of_a_recording_shorter_than_a_second_there_is_one_score_over_time(monitor, signal):
    model, features = monitor.detector.model, monitor.detector.features
    frames = frames_of_samples(signal[:8000], model, features, SAMPLE_RATE)
    times, values = curve(monitor, frames)
    assert values.shape == (1,)
    assert times[0] == pytest.approx(0.25, abs=0.02)


def remarks(monitor, path):
    judgement = judge(monitor, path)
    assert judgement.verdict in ("normal", "abnormal")
    return " | ".join(judgement.warnings)


def test_warnings_of_somebody_at_the_microphone(quick, signal, tmp_path):
    def write_as(name, samples):
        return write(tmp_path / f"{name}.wav", samples)

    assert "dB louder than the loudest training recording" in remarks(quick, write_as("loud", 2.8 * signal))
    assert "dB quieter than the quietest training recording" in remarks(quick, write_as("quiet", 0.2 * signal))
    clipped = np.clip(8 * signal, -1, 32767 / 32768)
    assert "clipped: " in remarks(quick, write_as("clipped", clipped))
    with_gap = signal.copy()
    with_gap[16000:24000] = 0
    assert "digital silence for 0.5 s, such as from 1.0 to 1.5 s" in remarks(quick, write_as("gap", with_gap))
    assert "1.5 s long, and the training recordings 4.0 s" in remarks(quick, write_as("short", signal[:24000]))
    assert "12.0 s long" in remarks(quick, write_as("long", np.tile(signal, 3)))


@pytest.mark.parametrize(
    ("begin", "seconds", "is_told"), [(8000, 0.026, False), (8000, 0.048, False), (8123, 0.052, True)]
)
def test_silence_of_a_twentieth_of_a_second_is_a_gap(quick, signal, begin, seconds, is_told, tmp_path):
    signal[begin : begin + int(seconds * SAMPLE_RATE)] = 0
    assert ("digital silence" in remarks(quick, write(tmp_path / "gap.wav", signal))) == is_told


def test_a_single_peak_at_full_scale_is_not_clipped(quick, signal, tmp_path):
    signal[5000] = 1.0
    assert "clipped" not in remarks(quick, write(tmp_path / "peak.wav", signal))


def reason(monitor, path):
    judgement = judge(monitor, path)
    assert judgement.verdict == "can't be judged"
    assert math.isnan(judgement.score)
    assert not judgement.findings
    return judgement.reason


def test_what_can_not_be_judged_has_a_reason_and_no_verdict(quick, signal, tmp_path):
    whole = write(tmp_path / "whole.wav", signal).read_bytes()

    def raw(name, content):
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    assert "8000 Hz" in reason(quick, write(tmp_path / "rate.wav", signal, 8000))
    assert "set the recorder to 16000 Hz" in reason(quick, tmp_path / "rate.wav")
    assert "too short" in reason(quick, write(tmp_path / "short.wav", signal[:500]))
    assert "too short" in reason(quick, write(tmp_path / "nothing.wav", signal[:0]))
    assert "cut short" in reason(quick, raw("cut.wav", whole[: len(whole) // 2]))
    assert "digital silence" in reason(quick, write(tmp_path / "silent.wav", 0 * signal))
    assert "can't be read" in reason(quick, raw("text.wav", b"RIFF, says he"))
    assert "can't be read" in reason(quick, raw("empty.wav", b""))
    assert "can't be read" in reason(quick, tmp_path / "nowhere.wav")
    assert "can't be read" in reason(quick, tmp_path)
    assert "convert it to wav" in reason(quick, raw("music.mp3", whole))
    for value in (np.nan, np.inf):
        signal[7] = value
        soundfile.write(tmp_path / "infinite.wav", signal, SAMPLE_RATE, subtype="FLOAT")
        assert "not finite" in reason(quick, tmp_path / "infinite.wav")
    soundfile.write(tmp_path / "huge.wav", np.full(64000, 1e30) * (-1) ** np.arange(64000), SAMPLE_RATE, "FLOAT")
    assert "not finite" in reason(quick, tmp_path / "huge.wav")


def test_a_recording_shorter_than_a_window_of_the_model_is_not_judged(folder, signal, tmp_path):
    monitor = trained([folder], "idnn")
    assert "too short: 3 frames" in reason(monitor, write(tmp_path / "short.wav", signal[:1200]))


def test_other_sample_formats_are_judged_alike(quick, signal, tmp_path):
    expected = judge(quick, write(tmp_path / "16.wav", signal)).score
    for name, subtype in (("24.wav", "PCM_24"), ("float.wav", "FLOAT"), ("flac.flac", "PCM_16")):
        soundfile.write(tmp_path / name, signal, SAMPLE_RATE, subtype=subtype)
        assert judge(quick, tmp_path / name).score == pytest.approx(expected, rel=1e-2)


def test_many_recordings_are_judged_by_processes_and_given_in_their_order(monitor, signal, tmp_path, monkeypatch):
    def backwards(function, chunks, jobs, *, lost):
        """Stands for `in_parallel`, whose processes take a second to start."""
        return (
            lost(chunk) if chunk.begin == 4 else function(pickle.loads(pickle.dumps(chunk))) for chunk in chunks[::-1]
        )

    monkeypatch.setattr(judging, "_WORTH", 4)
    monkeypatch.setattr(judging, "_CHUNK", 2)
    monkeypatch.setattr(judging, "in_parallel", backwards)
    paths = [str(write(tmp_path / f"{number}.wav", signal * (0.8 + 0.05 * number))) for number in range(4)]
    paths = [*paths[:2], str(tmp_path / "nowhere.wav"), *paths[2:]]
    *together, last = judge_all(monitor, paths, 2)
    assert [judgement.path for judgement in [*together, last]] == paths
    assert [judgement.verdict == "can't be judged" for judgement in [*together, last]] == [
        False,
        False,
        True,
        False,
        True,
    ]
    assert "died twice" in last.reason


def test_a_rumble_of_the_real_fan_is_found_in_its_faulty_clips(real_clips):
    fan = real_clips / "0dB" / "fan" / "id_00"
    monitor = trained(sorted((fan / "normal").glob("*.wav"))[6:], "mahalanobis")
    for clip in (fan / "abnormal").glob("*.wav"):
        rumbles = [finding for finding in judge(monitor, clip).findings if finding.low_hz == 0]
        assert [finding.is_throughout and finding.difference_db > 6 for finding in rumbles] == [True]
