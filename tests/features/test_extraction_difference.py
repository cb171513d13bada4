"""Features of the near microphone without the noise that the far one hears."""

from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch
from support import SAMPLE_RATE, sound

from mimii.data.audio import read_channel
from mimii.data.recordings import find_recordings
from mimii.features import extraction
from mimii.features.extraction import Chunk, Skipped, extract
from mimii.features.logmel import log_mel
from mimii.features.store import FeatureStore
from mimii.settings import FeatureSettings

SETTINGS = FeatureSettings(channel="difference")
DEVICES = ["none", "cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason=""))]


@pytest.fixture
def folder(tmp_path):
    """Recordings of a machine; the third has one channel, the fourth two equal ones."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "data" / "6dB" / "fan" / "id_00" / "normal"
    folder.mkdir(parents=True)
    for number in range(6):
        machine, noise = sound(rng, seconds=1), 0.05 * rng.standard_normal(SAMPLE_RATE)
        channels = {2: [machine], 3: [machine, machine]}.get(number, [machine + noise, 0.1 * machine + 1.5 * noise])
        subtype = "FLOAT" if number == 5 else "PCM_16"
        soundfile.write(folder / f"{number:08d}.wav", np.stack(channels, axis=1), SAMPLE_RATE, subtype=subtype)
    return folder


@pytest.fixture
def paths(folder):
    return [str(path) for path in sorted(folder.iterdir())]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("size", [2, 6])
def test_frames_and_samples_are_those_of_the_difference_whatever_the_batch(paths, device, size):
    chunks = [Chunk(0, start, paths[start : start + size], SETTINGS, True, True) for start in range(0, 6, size)]
    found = extract(chunks, 1) if device == "none" else extraction._extract_on_gpu(chunks, 2, device)
    results = [result for _, extracted in found for result in extracted]
    for number, (path, result) in enumerate(zip(paths, results, strict=True)):
        if number in (2, 3):
            reason = "one channel, and difference needs two" if number == 2 else "hold the same sound"
            assert isinstance(result.frames, Skipped)
            assert reason in result.frames.reason
            assert result.samples == result.frames
        else:
            signal, rate = read_channel(path, "difference")
            assert np.array_equal(result.samples, signal)
            assert np.abs(result.frames - log_mel(signal, rate, SETTINGS)).max() < 1e-3


def test_a_recording_is_filtered_by_itself(paths):
    [(_, together)] = extract([Chunk(0, 0, paths, SETTINGS)], 1)
    [(_, [alone])] = extract([Chunk(0, 0, paths[4:5], SETTINGS)], 1)
    assert np.array_equal(alone.frames, together[4].frames)


def test_its_pickles_have_names_of_their_own_and_say_what_is_skipped(folder, tmp_path):
    machine = find_recordings(tmp_path / "data")
    near = FeatureStore(tmp_path / "cache", replace(SETTINGS, channel=0))
    store = FeatureStore(tmp_path / "cache", SETTINGS)
    assert store.path(machine) != near.path(machine)
    for each in (near, store):
        each.extract([machine], 1, with_samples=[machine])
    features = store.load(machine, with_samples=True)
    assert list(features.recordings["path"]) == [path for n, path in enumerate(machine["path"]) if n not in (2, 3)]
    assert len(features.skipped) == 2
    assert features.samples.values.dtype == np.float32
    assert not near.load(machine).skipped
