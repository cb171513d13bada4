import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support import SAMPLE_RATE, sound, write_machine

from mimii.data.machines import MACHINE
from mimii.data.recordings import find_recordings
from mimii.features import extraction
from mimii.features.logmel import log_mel
from mimii.features.store import FeatureStore
from mimii.settings import FeatureSettings
from mimii.storage.files import CacheError


def machines_in(directory):
    table = find_recordings(directory)
    return [machine.reset_index(drop=True) for _, machine in table.groupby(MACHINE)]


def rewrite(path, samples, sample_rate=SAMPLE_RATE, subtype="PCM_16"):
    soundfile.write(path, samples, sample_rate, subtype=subtype)


@pytest.fixture
def data(tmp_path):
    write_machine(tmp_path / "data" / "6dB" / "fan" / "id_00", normal=3, abnormal=1, seconds=0.5)
    write_machine(tmp_path / "data" / "6dB" / "fan" / "id_02", normal=2, abnormal=1, seconds=0.5, seed=1)
    return tmp_path / "data"


@pytest.fixture
def store(tmp_path):
    return FeatureStore(tmp_path / "cache", FeatureSettings())


def normal(data, number, machine="id_00"):
    return data / "6dB" / "fan" / machine / "normal" / f"{number:08d}.wav"


def test_features_are_the_log_mel_frames_of_each_recording_in_order(data, store):
    machines = machines_in(data)
    store.extract(machines, jobs=1)
    for machine in machines:
        features = store.load(machine)
        assert features.sample_rate == SAMPLE_RATE
        assert features.skipped == {}
        assert list(features.recordings["path"]) == list(machine["path"])
        for number, path in enumerate(machine["path"]):
            expected = log_mel(soundfile.read(path, dtype="float32")[0], SAMPLE_RATE, store.settings)
            frames = features.frames[features.offsets[number] : features.offsets[number + 1]]
            assert np.array_equal(frames, expected)


def test_there_is_one_pickle_a_machine(data, store):
    store.extract(machines_in(data), jobs=1)
    names = sorted(path.name for path in store.directory.iterdir())
    assert len(names) == 2
    assert all(name.endswith(".pickle") for name in names)
    assert ["id_00" in names[0], "id_02" in names[1]] == [True, True]


def test_several_processes_give_the_same_features_bit_for_bit(data, store, tmp_path):
    rewrite(normal(data, 0), sound(np.random.default_rng(5), seconds=10.0))
    machines = machines_in(data)
    store.extract(machines, jobs=1, with_samples=machines)
    parallel = FeatureStore(tmp_path / "parallel", store.settings)
    parallel.extract(machines, jobs=2, with_samples=machines)
    for machine in machines:
        features, expected = (one.load(machine, with_samples=True) for one in (parallel, store))
        assert np.array_equal(features.frames, expected.frames)
        assert np.array_equal(features.offsets, expected.offsets)
        assert np.array_equal(features.samples.values, expected.samples.values)
        assert np.array_equal(features.samples.offsets, expected.samples.offsets)


def test_recordings_are_read_once(data, store, monkeypatch):
    read = []
    monkeypatch.setattr(
        extraction, "read_channel", lambda path, channel: (read.append(path), sound(np.random.default_rng(0)), 1)[1:]
    )
    store.extract(machines_in(data), jobs=1)
    assert len(read) == 7
    FeatureStore(store.directory, store.settings).extract(machines_in(data), jobs=1)
    assert len(read) == 7


def test_a_changed_recording_is_extracted_again_and_nothing_else(data, store):
    before = machines_in(data)
    store.extract(before, jobs=1)
    rewrite(normal(data, 1), sound(np.random.default_rng(9), seconds=0.7))
    after = machines_in(data)
    assert store.path(after[0]) != store.path(before[0])
    assert store.path(after[1]) == store.path(before[1])


def test_another_recording_of_the_same_size_and_time_is_noticed_and_a_touched_one_is_the_same(data, store):
    before = store.path(machines_in(data)[0])
    path = normal(data, 1)
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1_000_000_000))
    assert store.path(machines_in(data)[0]) == before
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert store.path(machines_in(data)[0]) != before


@pytest.mark.parametrize(
    "change", [{"n_mels": 63}, {"n_fft": 512}, {"hop_length": 256}, {"power": 1.0}, {"channel": 1}], ids=str
)
def test_every_setting_has_a_file_of_its_own(change, data, store):
    machine = machines_in(data)[0]
    other = FeatureStore(store.directory, FeatureSettings(**change))
    assert other.path(machine) != store.path(machine)


def test_unusable_recordings_are_skipped_and_named_with_the_reason(data, store, log_lines):
    normal(data, 0).write_text("no sound")
    rewrite(normal(data, 1), np.zeros(1023))
    rewrite(normal(data, 2), np.full(8000, np.nan), subtype="FLOAT")
    machines = machines_in(data)
    store.extract(machines, jobs=1)
    features = store.load(machines[0])
    bad = {str(normal(data, number)) for number in range(3)}
    assert set(features.skipped) == bad
    assert len(features.recordings) == 1
    assert len(features.offsets) == 2
    warnings = [line for line in log_lines if line.startswith("WARNING")]
    for path in bad:
        assert [path in line for line in warnings].count(True) == 1
    assert "short" in features.skipped[str(normal(data, 1))]
    assert "finite" in features.skipped[str(normal(data, 2))]
    assert store.load(machines[1]).skipped == {}


@pytest.mark.parametrize("change", ["newer", "gone"])
def test_a_recording_that_changes_between_finding_and_reading_is_skipped(change, data, store):
    machine = machines_in(data)[0]
    path = normal(data, 1)
    if change == "newer":
        rewrite(path, sound(np.random.default_rng(9), seconds=0.5))
    else:
        path.unlink()
    store.extract([machine], jobs=1)
    assert list(store.load(machine).skipped) == [str(path)]
    with pytest.raises(FileNotFoundError):  # what is there now goes by another name
        store.load(machines_in(data)[0])


def test_what_was_skipped_is_named_again_when_it_comes_from_the_cache(data, store, log_lines):
    normal(data, 0).write_text("no sound")
    machines = machines_in(data)
    store.extract(machines, jobs=1)
    log_lines.clear()
    store.extract(machines, jobs=1)
    assert [line for line in log_lines if line.startswith("WARNING") and str(normal(data, 0)) in line]


def test_the_shortest_recording_in_use_is_one_fft_long(data, store):
    rewrite(normal(data, 0), np.zeros(1024))
    machine = machines_in(data)[0]
    store.extract([machine], jobs=1)
    assert store.load(machine).skipped == {}


def test_of_mixed_sample_rates_the_most_frequent_one_is_kept(data, store):
    rewrite(normal(data, 1), np.zeros(8000), sample_rate=8000)
    machine = machines_in(data)[0]
    store.extract([machine], jobs=1)
    features = store.load(machine)
    assert features.sample_rate == SAMPLE_RATE
    assert list(features.skipped) == [str(normal(data, 1))]
    assert "8000" in features.skipped[str(normal(data, 1))]


def test_a_channel_that_is_not_there_leaves_the_recording_out(data, tmp_path):
    store = FeatureStore(tmp_path / "cache", FeatureSettings(channel=1))
    rewrite(normal(data, 0), np.zeros((8000, 2)))
    machine = machines_in(data)[0]
    store.extract([machine], jobs=1)
    features = store.load(machine)
    assert list(features.recordings["path"]) == [str(normal(data, 0))]


def test_a_machine_without_a_single_usable_recording_has_no_frames(data, store):
    for path in (data / "6dB" / "fan" / "id_00").rglob("*.wav"):
        path.write_text("no sound")
    machine = machines_in(data)[0]
    store.extract([machine], jobs=1)
    features = store.load(machine)
    assert features.frames.shape == (0, 64)
    assert len(features.recordings) == 0
    assert len(features.skipped) == 4


@pytest.mark.parametrize("content", [b"", b"damaged", None])
def test_a_damaged_pickle_is_made_again(content, data, store, log_lines):
    machine = machines_in(data)[0]
    store.extract([machine], jobs=1)
    expected = store.load(machine).frames
    path = store.path(machine)
    path.write_bytes(path.read_bytes()[:-20] if content is None else content)
    with pytest.raises(CacheError):
        store.load(machine)
    store.extract([machine], jobs=1)
    assert [line for line in log_lines if line.startswith("WARNING") and path.name in line]
    assert np.array_equal(store.load(machine).frames, expected)


@dataclass(frozen=True, kw_only=True)
class DeadlySettings(FeatureSettings):
    """The first three processes that receive them are killed, as the system does where memory runs out."""

    traces: str

    def __reduce__(self):
        return receive, (self.traces,)


def receive(traces):
    number = len(os.listdir(traces))
    (Path(traces) / str(os.getpid())).touch()
    if number < 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return FeatureSettings()


@pytest.mark.skipif(sys.platform == "win32", reason="processes are killed otherwise there")
@pytest.mark.faults
def test_a_machine_of_which_two_processes_died_is_named_and_has_no_pickle(data, tmp_path, log_lines):
    (tmp_path / "traces").mkdir()
    store = FeatureStore(tmp_path / "cache", DeadlySettings(traces=str(tmp_path / "traces")))
    machines = machines_in(data)
    store.extract(machines, jobs=2)
    [pickle] = store.directory.iterdir()
    [error] = [line for line in log_lines if line.startswith("ERROR")]
    assert sorted(machine in pickle.name for machine in ("id_00", "id_02")) == [False, True]
    assert [machine in error for machine in ("id_00", "id_02")] == ["id_02" in pickle.name, "id_00" in pickle.name]
    assert sum("its process was killed" in line for line in log_lines) == 3


def test_features_that_were_not_extracted_are_not_there(data, store):
    with pytest.raises(FileNotFoundError):
        store.load(machines_in(data)[0])


def test_bands_without_an_fft_bin_are_told(data, tmp_path, log_lines):
    store = FeatureStore(tmp_path / "cache", FeatureSettings(n_fft=256, n_mels=128))
    store.extract(machines_in(data)[:1], jobs=1)
    assert [line for line in log_lines if line.startswith("WARNING") and "--n_fft" in line and "--n_mels" in line]


def test_real_8_channel_recordings_have_the_features_of_their_channel_0_copies(real_clips, real_clips_8ch, store):
    eight, one = machines_in(real_clips_8ch), find_recordings(real_clips)
    copies = []
    for machine in eight:
        place = Path(machine["path"].iloc[0]).relative_to(real_clips_8ch)
        copies.append(one[one["path"] == str(real_clips / place)].reset_index(drop=True))
    assert [len(copy) for copy in copies] == [1, 1, 1, 1]
    store.extract([*eight, *copies], jobs=1, with_samples=[*eight, *copies])
    for machine, copy in zip(eight, copies, strict=True):
        features, expected = (store.load(one, with_samples=True) for one in (machine, copy))
        assert features.frames.shape == (313, 64)
        assert np.array_equal(features.frames, expected.frames)
        assert np.array_equal(features.samples.values, expected.samples.values)
