"""Detectors that look at samples: what they are given of a recording, and of one in which a region sounds as usual."""

from itertools import pairwise

import numpy as np
import pytest
from monitor_support import TONE_BEGIN, TONE_HZ, healthy_sound, trained, with_tone, write_healthy
from support import SAMPLE_RATE

from mimii.features.logmel import log_mel
from mimii.models.base import Detector
from mimii.models.calibration import Calibration
from mimii.models.recording import frames_of_samples
from mimii.models.trained import TrainedDetector
from mimii.monitoring.curve import curve
from mimii.monitoring.equalising import equalised
from mimii.monitoring.monitor import Monitor
from mimii.monitoring.weighing import find
from mimii.settings import FeatureSettings

FEATURES = FeatureSettings()
HOP = FEATURES.hop_length


def frames_of(signal):
    return log_mel(signal, SAMPLE_RATE, FEATURES)


@pytest.fixture
def signal():
    return healthy_sound(np.random.default_rng(3))


@pytest.mark.parametrize("count", [64_000, 63_111, 1024, 700, 3])
@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_without_a_change_the_samples_stay_as_they_are(signal, count, dtype):
    signal = signal[:count] if dtype == "float32" else (signal[:count] * 32768).astype(np.int16)
    frames = frames_of(signal)
    found = equalised(signal, frames, frames, SAMPLE_RATE, HOP)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, signal / np.float32(32768 if dtype == "int16" else 1), atol=1e-6)


@pytest.mark.parametrize("gain", [-15.0, 12.0])
def test_a_region_gets_the_level_that_it_is_to_have_and_the_rest_keeps_its_own(signal, gain):
    frames = frames_of(signal)
    changed = frames.copy()
    place = slice(40, 90), slice(20, 30)
    changed[place] += gain
    found = frames_of(equalised(signal, frames, changed, SAMPLE_RATE, HOP))
    inside = slice(43, 87), slice(22, 28)
    assert (found - frames)[inside].mean() == pytest.approx(gain, abs=0.5)
    difference = np.abs(found - frames)
    difference[37:93, 18:32] = 0
    assert difference.mean() < 0.02
    assert np.abs((found - frames).mean(axis=0)).take([*range(17), *range(33, 64)]).max() < 0.1


def test_where_there_is_no_sound_none_is_made(signal):
    signal[20_000:30_000] = 0
    frames = frames_of(signal)
    found = equalised(signal, frames, np.full_like(frames, -30), SAMPLE_RATE, HOP)
    assert np.isfinite(found).all()
    assert np.abs(found[22_000:28_000]).max() < 1e-3


class Listener(Detector):
    """Scores samples: by the level around 3 kHz, or by a function of one's choice."""

    is_clip_level = True
    learnt_file = "none"
    needs_samples = True
    num_parameters = 0

    def __init__(self, function=None):
        super().__init__("two_branch", 64, 1)
        self.function = function or self.level
        self.heard = []

    @staticmethod
    def level(samples):
        spectrum = np.abs(np.fft.rfft(samples))
        hertz = np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE)
        return 10 * np.log10((spectrum[np.abs(hertz - TONE_HZ) < 150] ** 2).mean() / len(samples))

    def score_recordings(self, windows, scoring="", score_pooling=""):
        ends = windows.samples.offsets
        self.heard = [windows.samples.values[first:last] for first, last in pairwise(ends)]
        return np.unique(windows.recording), np.array([self.function(samples) for samples in self.heard])

    def score_every_way(self, windows):
        raise NotImplementedError

    fit = to_bytes = from_bytes = score_every_way


@pytest.fixture(scope="module")
def healthy(tmp_path_factory):
    return trained([write_healthy(tmp_path_factory.mktemp("healthy"), count=12)], "knn").healthy


def listening(healthy, function=None):
    """A monitor that listens, and calls a tone abnormal."""
    scores = np.array([Listener.level(healthy_sound(np.random.default_rng(seed))) for seed in range(9)])
    calibration = Calibration(scores, (("", "", ""),) * 9, "held_out", scores.max(), {})
    facts = {"scoring": "ldn", "score_pooling": "", "false_alarms": 0.1}
    detector = TrainedDetector(Listener(function), FEATURES, SAMPLE_RATE, {("ldn", ""): calibration}, facts)
    return Monitor(detector, healthy)


def test_the_effect_of_a_region_is_that_on_the_samples(healthy, signal):
    monitor = listening(healthy)
    signal = with_tone(signal)
    frames = frames_of_samples(signal, monitor.detector.model, FEATURES, SAMPLE_RATE)
    (score,) = monitor.scores([frames], [signal])
    assert score > monitor.threshold + 6
    finding = find(monitor, frames, signal, score)[0]
    assert finding.low_hz < TONE_HZ < finding.high_hz
    assert abs(finding.begin - TONE_BEGIN) < 0.1
    assert finding.effect > 0.9


def test_a_region_that_does_not_matter_to_the_samples_has_no_effect(healthy, signal):
    signal = with_tone(signal)
    monitor = listening(healthy, lambda samples: 20 * np.log10(np.abs(np.fft.rfft(samples))[1:4000].max()))
    frames = frames_of_samples(signal, monitor.detector.model, FEATURES, SAMPLE_RATE)
    (score,) = monitor.scores([frames], [signal])
    assert find(monitor, frames, signal, score)[0].effect < 0.01


@pytest.mark.parametrize("count", [64_000, 63_800, 20_000, 8_000])
def test_the_score_over_time_is_that_of_the_samples_at_that_time(healthy, count):
    signal = np.arange(count, dtype=np.float32)
    monitor = listening(healthy, np.mean)
    times, values = curve(monitor, np.zeros((1 + count // HOP, 64), np.float32), signal)
    heard = monitor.detector.model.heard
    assert (heard[0][0], heard[-1][-1]) == (0, count - 1)
    assert all(first[-1] > second[0] for first, second in pairwise(heard))
    if len(heard) > 1:
        assert {len(samples) for samples in heard[1:-1]} <= {31 * HOP}
        assert values[1:-1] / SAMPLE_RATE == pytest.approx(times[1:-1], abs=1 / SAMPLE_RATE)
