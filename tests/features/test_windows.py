import librosa
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support import sound

from mimii.data.audio import read_channel
from mimii.errors import UserError
from mimii.features import logmel
from mimii.features.logmel import log_mel, log_mel_on_gpu, mel_filter_bank, mel_frequencies
from mimii.features.windows import Features, Samples, Windows
from mimii.settings import FeatureSettings

EPSILON = np.finfo(np.float64).eps


def librosa_log_mel(signal, sample_rate, settings):
    """The MIMII authors' file_to_vector_array, up to the log-mel spectrogram; frames as rows."""
    mel = librosa.feature.melspectrogram(
        y=signal,
        sr=sample_rate,
        n_fft=settings.n_fft,
        hop_length=settings.hop_length,
        n_mels=settings.n_mels,
        power=settings.power,
    )
    return (20.0 / settings.power * np.log10(mel + EPSILON)).T


def mimii_vectors(frames, length):
    """The MIMII authors' file_to_vector_array, from the log-mel spectrogram (n_mels, n_frames) on."""
    log_mel_spectrogram = frames.T
    n_mels = len(log_mel_spectrogram)
    size = len(log_mel_spectrogram[0, :]) - length + 1
    if size < 1:
        return np.empty((0, n_mels * length), float)
    vectors = np.zeros((size, n_mels * length), float)
    for t in range(length):
        vectors[:, n_mels * t : n_mels * (t + 1)] = log_mel_spectrogram[:, t : t + size].T
    return vectors


def make_features(lengths, n_mels=4, sample_rate=16000, prefix="clip", samples=None):
    rng = np.random.default_rng(len(lengths))
    frames = rng.normal(size=(sum(lengths), n_mels)).astype(np.float32)
    recordings = pd.DataFrame({"path": [f"{prefix}{number}" for number in range(len(lengths))]})
    return Features(frames, np.cumsum([0, *lengths]), recordings, {}, sample_rate, samples)


def make_samples(lengths, dtype=np.int16):
    values = np.arange(sum(lengths)).astype(dtype)
    return Samples(values if dtype == np.int16 else values / dtype(100), np.cumsum([0, *lengths]))


SETTINGS = [
    {},
    {"power": 1.0},
    {"n_fft": 512, "hop_length": 256},
    {"n_fft": 512, "power": 1.0, "hop_length": 333},
    {"hop_length": 1000, "n_mels": 128},
    {"n_fft": 2048, "hop_length": 511, "n_mels": 13},
    {"power": 1.5, "hop_length": 1025},
]


@pytest.mark.parametrize("options", SETTINGS, ids=str)
def test_log_mel_of_white_noise_is_librosas(options):
    settings = FeatureSettings(**options)
    signal = (0.1 * np.random.default_rng(1).standard_normal(16000)).astype(np.float32)
    ours = log_mel(signal, 16000, settings)
    expected = librosa_log_mel(signal, 16000, settings)
    assert ours.dtype == np.float32
    assert ours.shape == expected.shape
    assert np.abs(ours - expected).max() < 1e-3


@pytest.mark.parametrize("options", SETTINGS[:4], ids=str)
@pytest.mark.parametrize("sample_rate", [16000, 22050])
def test_log_mel_of_a_machine_is_librosas(options, sample_rate):
    settings = FeatureSettings(**options)
    signal = sound(np.random.default_rng(2), sample_rate=sample_rate, abnormal=True)
    ours = log_mel(signal, sample_rate, settings)
    assert np.abs(ours - librosa_log_mel(signal, sample_rate, settings)).max() < 1e-3


@pytest.mark.parametrize("options", SETTINGS[:4], ids=str)
def test_log_mel_of_a_real_recording_is_librosas(options, real_clips):
    settings = FeatureSettings(**options)
    for kind in ("fan", "pump", "slider", "valve"):
        path = sorted((real_clips / "0dB" / kind / "id_00" / "abnormal").glob("*.wav"))[0]
        signal, sample_rate = read_channel(path)
        ours = log_mel(signal, sample_rate, settings)
        expected = librosa_log_mel(signal / np.float32(32768), sample_rate, settings)
        assert np.abs(ours - expected).max() < 1e-3


def quiet_beside_loud(kind, noise):
    """A sound whose quietest bands would drown in the rounding noise of a float32 FFT."""
    time = np.arange(2 * 16000) / 16000
    loud = {
        "tone": 0.5 * np.sin(2 * np.pi * 440 * time),
        "high tone": 0.5 * np.sin(2 * np.pi * 7000 * time),
        "offset": np.full(len(time), 0.5),
        "sweep": 0.5 * np.sin(2 * np.pi * 2000 * time**2),
    }[kind]
    return (loud + noise * np.random.default_rng(4).standard_normal(len(time))).astype(np.float32)


@pytest.mark.parametrize("power", [1.0, 2.0])
@pytest.mark.parametrize("noise", [1e-3, 1e-4, 1e-5])
@pytest.mark.parametrize("kind", ["tone", "high tone", "offset", "sweep"])
def test_log_mel_of_bands_far_below_the_rest_is_librosas(kind, noise, power):
    settings = FeatureSettings(power=power)
    signal = quiet_beside_loud(kind, noise)
    ours = log_mel(signal, 16000, settings)
    assert np.abs(ours - librosa_log_mel(signal, 16000, settings)).max() < 1e-3


def test_integers_and_amplitudes_give_the_same_frames():
    stored = np.random.default_rng(6).integers(-(2**15), 2**15, size=20_000, dtype=np.int16)
    settings = FeatureSettings()
    assert np.array_equal(log_mel(stored, 16000, settings), log_mel(stored / np.float32(32768), 16000, settings))


def test_log_mel_of_a_long_signal_is_librosas_at_every_frame():
    settings = FeatureSettings(n_fft=64, hop_length=16, n_mels=8)
    signal = np.random.default_rng(3).standard_normal(100_000).astype(np.float32)  # 6251 frames
    ours = log_mel(signal, 16000, settings)
    expected = librosa_log_mel(signal, 16000, settings)
    assert ours.shape == expected.shape == (6251, 8)
    assert np.abs(ours - expected).max() < 1e-3


@pytest.mark.parametrize("power", [1.0, 2.0])
def test_silence_is_the_floor_of_the_formula(power):
    frames = log_mel(np.zeros(4000, dtype=np.float32), 16000, FeatureSettings(power=power))
    assert np.allclose(frames, 20 / power * np.log10(EPSILON), atol=1e-3)


@pytest.mark.parametrize("length", [1, 511, 512, 513, 1024, 16000])
def test_a_signal_has_a_frame_each_hop_and_one_more(length):
    assert len(log_mel(np.ones(length, dtype=np.float32), 16000, FeatureSettings())) == 1 + length // 512


@pytest.mark.parametrize("length", [1, 2, 5, 62, 63, 64])
def test_windows_are_the_mimii_authors_vectors(length):
    frames = log_mel(sound(np.random.default_rng(4)), 16000, FeatureSettings())  # 63 frames
    features = Features(frames, np.array([0, len(frames)]), pd.DataFrame({"path": ["a"]}), {}, 16000)
    windows = features.windows(length, np.array([True]))
    expected = mimii_vectors(frames, length)
    assert len(windows) == len(expected) == max(63 - length + 1, 0)
    assert windows.gather().shape == (len(expected), length, 64)
    assert np.array_equal(windows.gather().reshape(len(expected), length * 64), expected)


@given(lengths=st.lists(st.integers(0, 12), min_size=1, max_size=6), length=st.integers(1, 6), data=st.data())
def test_windows_stay_within_their_recordings(lengths, length, data):
    features = make_features(lengths)
    chosen = np.array(data.draw(st.lists(st.booleans(), min_size=len(lengths), max_size=len(lengths))))
    windows = features.windows(length, chosen)
    expected, recordings = [np.empty((0, 4 * length))], []
    for number in np.flatnonzero(chosen):
        vectors = mimii_vectors(features.frames[features.offsets[number] : features.offsets[number + 1]], length)
        expected.append(vectors)
        recordings += [number] * len(vectors)
    assert len(windows) == len(recordings)
    assert list(windows.recording) == recordings
    assert np.array_equal(windows.gather().reshape(len(windows), 4 * length), np.concatenate(expected))


def test_windows_share_the_frames_and_copy_nothing():
    features = make_features([10, 10])
    windows = features.windows(5, np.array([True, True]))
    assert np.shares_memory(windows.frames, features.frames)
    assert np.shares_memory(windows.take(np.array([3, 1])).frames, features.frames)


def test_taken_windows_are_those_asked_for():
    windows = make_features([10, 10]).windows(3, np.array([True, True]))
    indices = np.array([9, 0, 15, 9])
    taken = windows.take(indices)
    assert np.array_equal(taken.gather(), windows.gather()[indices])
    assert np.array_equal(taken.recording, windows.recording[indices])


def test_band_statistics_are_those_of_the_frames_in_use():
    features = make_features([30, 7, 40], n_mels=6)
    features.frames[37:] += 1000  # the third recording is not chosen
    mean, std = features.windows(5, np.array([True, True, False])).band_statistics()
    assert mean.dtype == std.dtype == np.float32
    assert np.allclose(mean, features.frames[:37].mean(axis=0), atol=1e-6)
    assert np.allclose(std, features.frames[:37].std(axis=0), atol=1e-6)


def test_band_statistics_count_each_frame_once_and_no_frame_of_a_recording_without_windows():
    features = make_features([3, 9], n_mels=2)
    mean, _ = features.windows(4, np.array([True, True])).band_statistics()
    assert np.allclose(mean, features.frames[3:].mean(axis=0), atol=1e-6)


def test_a_band_that_never_changes_can_be_divided_by():
    features = make_features([20], n_mels=3)
    features.frames[:, 1] = -156.0
    mean, std = features.windows(2, np.array([True])).band_statistics()
    assert mean[1] == -156
    assert std[1] == 1


def test_values_of_windows_are_averaged_over_their_recording():
    windows = Windows(np.zeros((9, 2), np.float32), np.arange(5), np.array([1, 1, 4, 4, 4]), 1)
    numbers, means = windows.mean_by_recording(np.array([1, 2, 0, 3, 6], dtype=np.float32))
    assert list(numbers) == [1, 4]
    assert list(means) == [1.5, 3.0]
    assert means.dtype == np.float64


def test_features_of_several_machines_are_put_one_after_the_other():
    parts = [make_features([4, 2], prefix="a"), make_features([3], prefix="b")]
    parts[1].skipped["b9"] = "is too short"
    frames = np.concatenate([part.frames for part in parts])
    whole = Features.concatenate(parts)
    assert list(whole.offsets) == [0, 4, 6, 9]
    assert list(whole.recordings["path"]) == ["a0", "a1", "b0"]
    assert np.array_equal(whole.frames, frames)
    assert whole.skipped == {"b9": "is too short"}
    assert whole.samples is None


def test_samples_of_several_machines_are_put_one_after_the_other():
    parts = [make_samples([300, 200]), make_samples([]), make_samples([100])]
    values = np.concatenate([part.values for part in parts])
    of_machines = [make_features(lengths, samples=part) for lengths, part in zip(([4, 2], [], [3]), parts, strict=True)]
    whole = Features.concatenate(of_machines)
    assert of_machines == []  # nothing holds the arrays of which there is a copy
    assert whole.samples.values.dtype == np.int16
    assert np.array_equal(whole.samples.values, values)
    assert list(whole.samples.offsets) == [0, 300, 500, 600]
    assert whole.windows(2, np.ones(3, dtype=bool)).samples is whole.samples


def test_integers_among_amplitudes_become_amplitudes():
    parts = [make_samples([300]), make_samples([200], np.float32), make_samples([100])]
    integers, amplitudes = parts[0].values, parts[1].values
    whole = Features.concatenate([make_features([2], samples=part) for part in parts]).samples.values
    assert whole.dtype == np.float32
    assert np.array_equal(whole[:300], integers / np.float32(32768))
    assert np.array_equal(whole[300:500], amplitudes)
    assert np.array_equal(whole[500:], whole[:100])


def test_features_of_which_some_lack_samples_have_none_together():
    assert Features.concatenate([make_features([4], samples=make_samples([9])), make_features([4])]).samples is None


@pytest.mark.parametrize("chosen", [[0, 1, 0, 1, 1], [1, 0, 0, 0, 0], [0, 0, 0, 0, 0], [1, 1, 1, 1, 1]], ids=str)
def test_joined_windows_are_those_of_the_recordings_of_both(chosen):
    lengths = [5, 9, 2, 4, 7]
    features = make_features(lengths, samples=make_samples([10] * 5))
    chosen, targets = np.array(chosen, dtype=bool), np.array([3, 1, 4, 1, 5])
    joined = features.windows(3, chosen, targets).joined(features.windows(3, ~chosen, targets))
    whole = features.windows(3, np.ones(5, dtype=bool), targets)
    for name in ("starts", "recording", "target"):
        assert np.array_equal(getattr(joined, name), getattr(whole, name))
    assert (joined.frames, joined.length, joined.samples) == (whole.frames, 3, whole.samples)


def test_joined_windows_of_which_some_have_no_targets_have_none():
    features = make_features([5, 9])
    first = features.windows(3, np.array([True, False]), np.array([0, 1]))
    second = features.windows(3, np.array([False, True]))
    assert first.joined(second).target is second.joined(first).target is None
    assert list(second.joined(first).recording) == [0] * 3 + [1] * 7


def test_windows_of_other_frames_or_of_another_length_are_not_joined():
    features = make_features([5, 9])
    windows = features.windows(3, np.array([True, False]))
    for other in (make_features([5, 9]).windows(3, np.ones(2, bool)), features.windows(2, np.ones(2, bool))):
        with pytest.raises(ValueError, match="can't be joined"):
            windows.joined(other)


def test_machines_of_different_sample_rates_are_not_mixed():
    with pytest.raises(UserError, match=r"8000.*16000"):
        Features.concatenate([make_features([4], sample_rate=16000), make_features([4], sample_rate=8000)])


# --- on a GPU; the same code runs on the CPU, and that is tested where there is no GPU


DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA"))]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("options", SETTINGS, ids=str)
def test_log_mel_of_many_signals_at_once_is_librosas(options, device):
    settings = FeatureSettings(**options)
    rng = np.random.default_rng(7)
    signals = np.stack([sound(rng, seconds=1.0, pitch=pitch) for pitch in (110.0, 440.0)])
    ours = log_mel_on_gpu(torch.from_numpy(signals).to(device), 16000, settings).cpu().numpy()
    for one, signal in zip(ours, signals, strict=True):
        assert np.abs(one - librosa_log_mel(signal, 16000, settings)).max() < 1e-3


@pytest.mark.parametrize("device", DEVICES)
def test_log_mel_of_many_quiet_bands_at_once_is_librosas(device):
    signal = quiet_beside_loud("sweep", 1e-5)
    ours = log_mel_on_gpu(torch.from_numpy(signal[None]).to(device), 16000, FeatureSettings()).cpu().numpy()
    assert np.abs(ours[0] - librosa_log_mel(signal, 16000, FeatureSettings())).max() < 1e-3


@pytest.mark.parametrize("device", DEVICES)
def test_more_frames_than_a_gpu_takes_at_once_are_the_same(device, monkeypatch):
    signals = np.random.default_rng(8).integers(-3000, 3000, size=(3, 16000), dtype=np.int16)
    expected = [log_mel(signal, 16000, FeatureSettings()) for signal in signals]
    monkeypatch.setattr(logmel, "_GPU_BLOCK", 15)
    ours = log_mel_on_gpu(torch.from_numpy(signals).to(device), 16000, FeatureSettings()).cpu().numpy()
    assert np.abs(ours - expected).max() < 1e-3


@pytest.mark.parametrize(("sample_rate", "n_fft", "n_mels"), [(16000, 1024, 64), (44100, 2048, 128), (1000, 256, 7)])
def test_the_filter_bank_is_librosas_bit_for_bit(sample_rate, n_fft, n_mels):
    expected = librosa.filters.mel(sr=sample_rate, n_fft=n_fft, n_mels=n_mels)
    assert np.array_equal(mel_filter_bank(sample_rate, n_fft, n_mels), expected)
    expected = librosa.mel_frequencies(n_mels, fmin=0, fmax=sample_rate / 2)
    assert np.array_equal(mel_frequencies(n_mels, sample_rate / 2), expected)


def test_the_ffts_of_scipy_and_torch_differ_by_their_rounding():
    signal = np.random.default_rng(4).integers(-3000, 3000, 100_000).astype(np.int16)
    frames = [log_mel(signal, 16000, FeatureSettings(), fft=fft) for fft in ("torch", "scipy")]
    assert np.abs(frames[0] - frames[1]).max() < 1e-4
