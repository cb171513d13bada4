import os
import sys

import numpy as np
import pytest
import soundfile

from mimii.data.audio import RecordingError, read_channel


@pytest.fixture
def eight_channels():
    return np.random.default_rng(0).integers(-(2**15), 2**15, size=(1000, 8), dtype=np.int16)


@pytest.mark.parametrize("channel", [0, 3, 7])
def test_one_channel_of_eight_is_read(channel, eight_channels, tmp_path):
    path = tmp_path / "eight.wav"
    soundfile.write(path, eight_channels, 16000)
    signal, sample_rate = read_channel(path, channel)
    assert sample_rate == 16000
    assert signal.dtype == np.int16
    assert np.array_equal(signal, eight_channels[:, channel])


def test_channel_0_is_the_default(eight_channels, tmp_path):
    path = tmp_path / "eight.wav"
    soundfile.write(path, eight_channels, 8000)
    signal, sample_rate = read_channel(path)
    assert sample_rate == 8000
    assert np.array_equal(signal, read_channel(path, 0)[0])


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
def test_every_sample_format_gives_what_libsndfile_decodes(subtype, tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, 0.9 * np.sin(np.arange(500)), 16000, subtype=subtype)
    signal, _ = read_channel(path)
    assert signal.dtype == (np.int16 if subtype == "PCM_16" else np.float32)
    assert np.array_equal(signal, soundfile.read(path, dtype=signal.dtype.name)[0])


@pytest.mark.parametrize("format", ["WAV", "WAVEX", "RF64", "W64", "AIFF", "FLAC"])
@pytest.mark.parametrize("samples", [1, 7, 40_000, 100_001])
def test_16_bit_files_of_every_container_and_length_give_what_libsndfile_reads(format, samples, tmp_path):
    path = tmp_path / "a.wav"
    stored = np.random.default_rng(samples).integers(-(2**15), 2**15, size=(samples, 3), dtype=np.int16)
    soundfile.write(path, stored, 16000, subtype="PCM_16", format=format)
    signal, sample_rate = read_channel(path, 2)
    assert sample_rate == 16000
    assert signal.dtype == np.int16
    assert np.array_equal(signal, stored[:, 2])


def test_chunks_around_the_samples_are_passed_over(tmp_path):
    path = tmp_path / "a.wav"
    stored = np.arange(-500, 500, dtype=np.int16)
    soundfile.write(path, stored, 16000)
    content = path.read_bytes()
    note = b"LIST" + (5).to_bytes(4, "little") + b"hello" + b"\0"  # an odd length is padded
    assert content[36:40] == b"data"
    path.write_bytes(content[:36] + note + content[36:] + note)
    assert np.array_equal(read_channel(path)[0], stored)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(value, tmp_path):
    path = tmp_path / "a.wav"
    samples = np.zeros(100, dtype=np.float32)
    samples[50] = value
    soundfile.write(path, samples, 16000, subtype="FLOAT")
    with pytest.raises(RecordingError, match="finite"):
        read_channel(path)


def test_channel_that_is_not_there_is_refused_with_its_number(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros((10, 2)), 16000)
    assert len(read_channel(path, 1)[0]) == 10
    with pytest.raises(RecordingError, match=r"\b2\b"):
        read_channel(path, 2)


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
@pytest.mark.parametrize("length", [100, 10_000])
def test_a_file_cut_short_is_refused_and_not_taken_for_a_shorter_one(length, subtype, tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.random.default_rng(0).uniform(-1, 1, 8000), 16000, subtype=subtype)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(RecordingError, match="cut short"):
        read_channel(path)


@pytest.mark.parametrize("announced", [0x7FFFFFFF, 0xFFFFFFFF])
def test_a_header_that_does_not_know_its_length_is_no_obstacle(announced, tmp_path):
    """As programs leave it that write into a pipe."""
    path = tmp_path / "a.wav"
    soundfile.write(path, np.linspace(-1, 1, 8000), 16000, subtype="PCM_16")
    expected, _ = read_channel(path)
    content = bytearray(path.read_bytes())
    content[40:44] = announced.to_bytes(4, "little")
    path.write_bytes(content)
    assert np.array_equal(read_channel(path)[0], expected)


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
@pytest.mark.parametrize(("riff", "announced"), [(36, 0), (0, 0), (0xFFFFFFFF, 0), (36 + 800, 800)])
def test_a_file_that_its_recorder_did_not_close_is_named_so(riff, announced, subtype, tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.random.default_rng(0).uniform(-1, 1, 8000), 16000, subtype=subtype)
    content = bytearray(path.read_bytes())
    content[4:8] = riff.to_bytes(4, "little")
    start = content.index(b"data") + 4
    content[start : start + 4] = announced.to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(RecordingError, match="not closed by its recorder"):
        read_channel(path)


@pytest.mark.parametrize("appended", [b"TAG" + bytes(125), bytes(10_000), b"id3 " + bytes(range(256)) * 40])
def test_what_other_programs_append_is_no_sound(appended, tmp_path):
    path = tmp_path / "a.wav"
    stored = np.arange(-500, 500, dtype=np.int16)
    soundfile.write(path, stored, 16000)
    path.write_bytes(path.read_bytes() + appended)
    assert np.array_equal(read_channel(path)[0], stored)


@pytest.mark.parametrize("format", ["FLAC", "AIFF", "OGG"])
def test_other_formats_cut_short_are_refused(format, tmp_path):
    path = tmp_path / "a.audio"
    soundfile.write(path, np.random.default_rng(0).uniform(-1, 1, 50_000), 16000, format=format)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(RecordingError, match=r"cut short|can't be read"):
        read_channel(path)


def test_ogg_is_read(tmp_path):
    path = tmp_path / "a.ogg"
    soundfile.write(path, 0.5 * np.sin(np.arange(8000) / 10), 16000)
    signal, sample_rate = read_channel(path)
    assert (len(signal), sample_rate) == (8000, 16000)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pipes on the disk")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.wav")
    with pytest.raises(RecordingError, match="pipe"):
        read_channel(tmp_path / "a.wav")


def write_text(path):
    path.write_text("this is no sound")


def write_nothing(path):
    path.touch()


def make_directory(path):
    path.mkdir()


def leave_absent(path):
    assert not path.exists()


@pytest.mark.parametrize("make", [write_text, write_nothing, make_directory, leave_absent])
def test_what_is_no_wav_is_refused_in_one_line(make, tmp_path):
    path = tmp_path / "a.wav"
    make(path)
    with pytest.raises(RecordingError) as caught:
        read_channel(path)
    assert str(caught.value)
    assert "\n" not in str(caught.value)


def test_real_8_channel_recordings_hold_their_channel_0_copies(real_clips, real_clips_8ch):
    paths = sorted(real_clips_8ch.rglob("*.wav"))
    assert len(paths) == 4
    for path in paths:
        assert soundfile.info(path).channels == 8
        signal, sample_rate = read_channel(path)
        copy, copy_rate = read_channel(real_clips / path.relative_to(real_clips_8ch))
        assert sample_rate == copy_rate == 16000
        assert np.array_equal(signal, copy)
