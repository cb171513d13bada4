"""The near microphone without the noise that the far one hears."""

import numpy as np
import pytest
import soundfile
from support import SAMPLE_RATE, sound

from mimii.data.audio import RecordingError, read_channel
from mimii.data.two_channels import without_noise
from mimii.errors import UserError


def power(signal):
    return float(np.mean(np.square(signal, dtype=np.float64)))


def scene(*, seconds=4.0, leak=0.1, far_noise=1.5, delay=5, seed=0):
    """A machine, and what both microphones hear of it and of a noise that reaches the far one first."""
    rng = np.random.default_rng(seed)
    machine = sound(rng, seconds=seconds)
    noise = (0.1 * rng.standard_normal(len(machine) + delay)).astype(np.float32)
    return machine, machine + noise[:-delay], leak * machine + far_noise * noise[delay:]


def write(path, *channels, subtype="PCM_16"):
    soundfile.write(path, np.stack(channels, axis=1), SAMPLE_RATE, subtype=subtype)
    return path


# --- the filter -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("delay", [5, 200])
def test_noise_that_both_hear_is_taken_away(delay):
    machine, near, far = scene(leak=0, delay=delay)
    left = without_noise(near, far, SAMPLE_RATE)
    assert left.dtype == np.float32
    assert left.shape == near.shape
    assert power(left - machine) < 0.1 * power(near - machine)


def test_noise_that_reaches_the_near_microphone_first_is_taken_away_too():
    machine, near, far = scene(leak=0)
    shifted = np.concatenate([np.zeros(20, dtype=np.float32), far[:-20]])
    assert power(without_noise(near, shifted, SAMPLE_RATE) - machine) < 0.1 * power(near - machine)


@pytest.mark.parametrize("leak", [0.1, 0.25, 0.5])
def test_a_machine_that_the_far_microphone_hears_without_noise_loses_no_more_than_its_share_there(leak):
    machine, _, _ = scene()
    left = without_noise(machine, leak * machine, SAMPLE_RATE)
    assert left == pytest.approx((1 - leak) * machine, abs=1e-4)


def test_a_filter_without_a_limit_would_take_all_of_it():
    machine, _, _ = scene()
    assert without_noise(machine, 0.1 * machine, SAMPLE_RATE, highest=np.inf) is None


def test_noise_that_the_far_microphone_does_not_share_stays_and_nothing_is_added():
    _, near, _ = scene()
    other = (0.1 * np.random.default_rng(1).standard_normal(len(near))).astype(np.float32)
    assert power(without_noise(near, other, SAMPLE_RATE)) == pytest.approx(power(near), rel=0.1)


def test_a_silent_far_microphone_leaves_the_near_one_as_it_is():
    _, near, _ = scene()
    assert np.array_equal(without_noise(near, np.zeros_like(near), SAMPLE_RATE), near)


def test_a_silent_near_microphone_is_silence():
    _, _, far = scene()
    assert not without_noise(np.zeros_like(far), far, SAMPLE_RATE).any()


@pytest.mark.parametrize("gain", [1, 2])
def test_two_channels_of_the_same_sound_leave_nothing(gain):
    _, near, _ = scene()
    assert without_noise(near, gain * near, SAMPLE_RATE) is None


@pytest.mark.parametrize("samples", [0, 1, 15, 16, 100, 8191, 8192, 8193])
def test_any_length_and_sample_rate_will_do(samples):
    _, near, far = scene()
    for rate in (SAMPLE_RATE, 44100):
        left = without_noise(near[:samples], far[:samples], rate)
        assert left.shape == (samples,)
        assert np.isfinite(left).all()
        assert power(left) <= 1.3 * power(near[:samples]) if samples else True


@pytest.mark.parametrize("seconds", [0.1, 0.5, 1.0])
def test_a_short_recording_is_not_taken_away_by_chance(seconds):
    rng = np.random.default_rng(0)
    near, far = rng.standard_normal((2, int(seconds * SAMPLE_RATE))).astype(np.float32)
    assert power(without_noise(near, far, SAMPLE_RATE)) > 0.8 * power(near)


def test_long_recordings_are_worked_on_in_parts_with_the_same_result(monkeypatch):
    _, near, far = scene()
    expected = without_noise(near, far, SAMPLE_RATE)
    for block in (1, 3, 1000):
        monkeypatch.setattr("mimii.data.two_channels._BLOCK", block)
        assert without_noise(near, far, SAMPLE_RATE) == pytest.approx(expected, abs=1e-6)


# --- files ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("subtype", "tolerance"), [("PCM_16", 1e-3), ("PCM_24", 1e-5), ("FLOAT", 0)])
def test_the_difference_of_a_file_is_that_of_its_first_two_channels(subtype, tolerance, tmp_path):
    _, near, far = scene(seconds=1)
    expected = without_noise(near, far, SAMPLE_RATE)
    for others in ([], [near] * 6):
        path = write(tmp_path / "a.wav", near, far, *others, subtype=subtype)
        signal, rate = read_channel(path, "difference")
        assert rate == SAMPLE_RATE
        assert signal.dtype == np.float32
        assert np.abs(signal - expected).max() <= tolerance


def test_a_silent_far_channel_gives_the_integers_of_the_near_one_as_amplitudes(tmp_path):
    _, near, _ = scene(seconds=1)
    path = write(tmp_path / "a.wav", near, np.zeros_like(near))
    assert np.array_equal(read_channel(path, "difference")[0], read_channel(path, 0)[0] / np.float32(32768))


def test_what_has_no_far_microphone_is_refused_with_the_reason(tmp_path):
    _, near, far = scene(seconds=1)
    for subtype in ("PCM_16", "FLOAT"):
        with pytest.raises(RecordingError, match="one channel, and difference needs two"):
            read_channel(write(tmp_path / "one.wav", near, subtype=subtype), "difference")
        with pytest.raises(RecordingError, match="hold the same sound"):
            read_channel(write(tmp_path / "same.wav", near, near, subtype=subtype), "difference")
    with pytest.raises(RecordingError, match="above full scale"):
        read_channel(write(tmp_path / "loud.wav", 1e38 * near, 1e38 * far, subtype="FLOAT"), "difference")


def test_a_word_that_is_no_channel_is_refused(tmp_path):
    _, near, far = scene(seconds=1)
    with pytest.raises(UserError, match="no channel 'far'") as error:
        read_channel(write(tmp_path / "a.wav", near, far), "far")
    assert not isinstance(error.value, RecordingError)  # the setting is wrong, not the recording
