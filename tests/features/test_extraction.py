import threading
import time

import numpy as np
import pytest
import soundfile
import torch
from support import sound

from mimii.data.audio import read_channel
from mimii.features import extraction
from mimii.features.extraction import Chunk, extract
from mimii.features.logmel import log_mel
from mimii.settings import FeatureSettings

SETTINGS = FeatureSettings()
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA"))]


@pytest.fixture
def paths(tmp_path):
    """Recordings of several lengths, formats and rates, two of them unusable."""
    rng = np.random.default_rng(0)
    paths = [tmp_path / f"{number}.wav" for number in range(9)]
    for number, path in enumerate(paths):
        seconds = 0.5 if number < 6 else 0.8
        rate = 8000 if number == 5 else 16000
        samples = np.stack([sound(rng, seconds=seconds, sample_rate=rate)] * 2, axis=1)
        soundfile.write(path, samples, rate, subtype="FLOAT" if number == 7 else "PCM_16")
    paths[2].write_bytes(b"")
    soundfile.write(paths[4], np.zeros(1000), 16000)
    return [str(path) for path in paths]


def chunks_of(paths, size, **wanted):
    return [Chunk(0, start, paths[start : start + size], SETTINGS, **wanted) for start in range(0, len(paths), size)]


def by_place(results):
    return {chunk.start + place: result for chunk, extracted in results for place, result in enumerate(extracted)}


def check(results, paths):
    assert sorted(results) == list(range(len(paths)))
    for number, path in enumerate(paths):
        result = results[number]
        if number in (2, 4):
            assert result.frames.reason.startswith("can't be read" if number == 2 else "shorter than")
        else:
            signal, sample_rate = read_channel(path)
            assert result.sample_rate == sample_rate
            assert np.abs(result.frames - log_mel(signal, sample_rate, SETTINGS)).max() < 1e-3


def check_samples(results, paths):
    assert sorted(results) == list(range(len(paths)))
    for number, path in enumerate(paths):
        samples = results[number].samples
        if number == 2:
            assert samples.reason.startswith("can't be read")
        else:
            expected, sample_rate = read_channel(path)
            assert results[number].sample_rate == sample_rate
            assert samples.dtype == expected.dtype == (np.float32 if number == 7 else np.int16)
            assert np.array_equal(samples, expected)


@pytest.mark.parametrize("jobs", [1, 2])
def test_processes_give_the_frames_of_each_recording_and_the_reasons_of_the_others(paths, jobs):
    check(by_place(extract(chunks_of(paths, 4), jobs)), paths)


@pytest.mark.parametrize("device", DEVICES)
def test_a_gpu_gives_the_same_whatever_lengths_rates_and_formats_are_mixed(paths, device):
    check(by_place(extraction._extract_on_gpu(chunks_of(paths, 4), 3, device)), paths)


@pytest.mark.parametrize("jobs", [1, 2])
def test_samples_are_what_was_read_and_those_too_short_for_frames_are_among_them(paths, jobs):
    results = by_place(extract(chunks_of(paths, 4, with_frames=False, with_samples=True), jobs))
    check_samples(results, paths)
    assert {type(result.frames) for number, result in results.items() if number != 2} == {type(None)}


@pytest.mark.parametrize("device", ["none", *DEVICES])
def test_a_recording_is_read_once_for_both(paths, device, monkeypatch):
    read = []
    genuine = extraction.read_channel
    monkeypatch.setattr(extraction, "read_channel", lambda *arguments: (read.append(arguments), genuine(*arguments))[1])
    chunks = [*chunks_of(paths[:4], 4, with_samples=True), *chunks_of(paths, 9, with_samples=True)[:1]]
    found = extract(chunks, 1) if device == "none" else extraction._extract_on_gpu(chunks, 2, device)
    for (chunk, extracted), count in zip(found, (4, 9), strict=True):
        results = by_place([(chunk, extracted)])
        check(results, paths[:count])
        check_samples(results, paths[:count])
    assert len(read) == 13


def test_a_gpu_computes_nothing_for_recordings_of_which_only_samples_are_wanted(paths, monkeypatch):
    monkeypatch.setattr(extraction, "log_mel_on_gpu", None)
    monkeypatch.setattr(extraction, "log_mel", None)
    chunks = chunks_of(paths, 4, with_frames=False, with_samples=True)
    check_samples(by_place(extract(chunks, 1, device="cuda:0")), paths)
    check_samples(by_place(extraction._extract_on_gpu(chunks, 2, "cuda:0")), paths)


def test_a_gpu_without_memory_leaves_the_work_to_the_cpu(paths, monkeypatch, log_lines):
    def full(*arguments):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(extraction, "log_mel_on_gpu", full)
    check(by_place(extraction._extract_on_gpu(chunks_of(paths, 9), 3, "cpu")), paths)
    assert any("short of memory" in line for line in log_lines)


@pytest.mark.parametrize("is_quick", [True, False])
def test_a_gpu_is_used_where_recordings_are_read_faster_than_a_core_computes(paths, is_quick, monkeypatch):
    used = []
    monkeypatch.setattr(extraction, "_extract_on_gpu", lambda chunks, *others: used.append(chunks) or [])
    slow = "read_channel" if not is_quick else "log_mel"
    genuine = getattr(extraction, slow)
    monkeypatch.setattr(extraction, slow, lambda *arguments: (time.sleep(0.05), genuine(*arguments))[1])
    chunks = chunks_of(paths, 1)
    results = by_place(extract(chunks, 1, device="cuda:0"))
    assert used == ([chunks] if is_quick else [])
    if not is_quick:
        check(results, paths)


def test_on_the_cpu_nothing_is_read_beforehand(paths, monkeypatch):
    read = []
    genuine = extraction.read_channel
    monkeypatch.setattr(extraction, "read_channel", lambda *arguments: (read.append(arguments), genuine(*arguments))[1])
    list(extract(chunks_of(paths, 4), 1))
    assert len(read) == len(paths)


@pytest.fixture
def loud_paths(tmp_path):
    """Recordings of one length, of which those in the middle overflow in float32."""
    rng = np.random.default_rng(0)
    paths = [tmp_path / f"{number}.wav" for number in range(4)]
    for path, factor in zip(paths, (1, 1e21, 1e38, 1e6), strict=True):
        soundfile.write(path, sound(rng, seconds=0.5) * np.float32(factor), 16000, subtype="FLOAT")
    return [str(path) for path in paths]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("power", [1.0, 2.0])
@pytest.mark.parametrize("device", ["none", *DEVICES])
def test_a_recording_whose_frames_overflow_is_skipped_by_name(loud_paths, device, power):
    chunk = Chunk(0, 0, loud_paths, FeatureSettings(power=power))
    found = extract([chunk], 1) if device == "none" else extraction._extract_on_gpu([chunk], 1, device)
    [(_, results)] = found
    assert [isinstance(result.frames, extraction.Skipped) for result in results] == [False, True, True, False]
    assert "overflow" in results[1].frames.reason
    assert all(np.isfinite(results[number].frames).all() for number in (0, 3))


@pytest.mark.parametrize(("spare_core", "wait", "is_ahead"), [(True, 60, True), (False, 60, False), (False, -60, True)])
def test_a_thread_reads_ahead_where_it_takes_no_core_or_the_disk_is_waited_for(
    spare_core, wait, is_ahead, paths, monkeypatch
):
    threads = set()
    genuine = extraction._read

    def read(*arguments):
        threads.add(threading.current_thread())
        return genuine(*arguments)

    monkeypatch.setattr(extraction, "_WAIT", wait)
    monkeypatch.setattr(extraction, "_read", read)
    chunk = Chunk(0, 0, paths, SETTINGS, spare_core=spare_core)
    check(by_place([extraction._extract_chunk(chunk)]), paths)
    assert bool(threads - {threading.main_thread()}) == is_ahead
