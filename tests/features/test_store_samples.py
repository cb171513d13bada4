"""Samples in the feature store: beside the frames, of the same recordings, by the same rules."""

import numpy as np
import pytest
import soundfile
from support import SAMPLE_RATE, sound, write_machine

from mimii.data.audio import UNREADABLE, RecordingError, read_channel
from mimii.data.machines import MACHINE
from mimii.data.recordings import find_recordings
from mimii.features import extraction
from mimii.features.store import FeatureStore
from mimii.settings import FeatureSettings
from mimii.storage.files import CacheError


def machines_in(directory):
    return [machine.reset_index(drop=True) for _, machine in find_recordings(directory).groupby(MACHINE)]


def rewrite(path, samples, sample_rate=SAMPLE_RATE, subtype="PCM_16"):
    soundfile.write(path, samples, sample_rate, subtype=subtype)


@pytest.fixture
def data(tmp_path):
    write_machine(tmp_path / "data" / "6dB" / "fan" / "id_00", normal=3, abnormal=1, seconds=0.5)
    write_machine(tmp_path / "data" / "6dB" / "fan" / "id_02", normal=2, abnormal=1, seconds=0.7, seed=1)
    return tmp_path / "data"


@pytest.fixture
def store(tmp_path):
    return FeatureStore(tmp_path / "cache", FeatureSettings())


@pytest.fixture
def reads(monkeypatch):
    """The paths that are read, in their order."""
    paths = []
    genuine = extraction.read_channel
    monkeypatch.setattr(
        extraction, "read_channel", lambda path, channel: (paths.append(str(path)), genuine(path, channel))[1]
    )
    return paths


def normal(data, number, machine="id_00"):
    return data / "6dB" / "fan" / machine / "normal" / f"{number:08d}.wav"


def extract(store, machines, with_samples=None, jobs=1):
    store.extract(machines, jobs=jobs, with_samples=machines if with_samples is None else with_samples)


def pickles(store):
    return sorted(path.name for path in store.directory.iterdir())


def check(features):
    """Frames and samples are those of the recordings, in their order."""
    assert len(features.offsets) == len(features.samples.offsets) == len(features.recordings) + 1
    assert features.samples.offsets[-1] == len(features.samples.values)
    for number, path in enumerate(features.recordings["path"]):
        samples, sample_rate = read_channel(path)
        assert sample_rate == features.sample_rate
        begin, end = features.samples.offsets[number : number + 2]
        assert np.array_equal(features.samples.values[begin:end], samples)
        assert np.diff(features.offsets)[number] == 1 + len(samples) // 512


def test_samples_are_what_was_read_of_the_recordings_of_the_frames(data, store):
    machines = machines_in(data)
    extract(store, machines)
    for machine in machines:
        features = store.load(machine, with_samples=True)
        check(features)
        assert features.samples.values.dtype == np.int16
        assert list(features.recordings["path"]) == list(machine["path"])
        assert np.array_equal(features.frames, store.load(machine).frames)
        assert store.load(machine).samples is None


def test_both_pickles_of_a_machine_lie_side_by_side(data, store):
    machines = machines_in(data)
    extract(store, machines[:1])
    frames, samples = pickles(store)
    assert frames == store.path(machines[0]).name
    assert samples.startswith("6dB_fan_id_00_samples_")


def test_samples_are_made_for_the_machines_that_need_them(data, store, log_lines):
    machines = machines_in(data)
    extract(store, machines, machines[1:])
    assert ["samples" in name for name in pickles(store)] == [False, False, True]
    assert "INFO Extracting log-mel features: 7 recordings, 2 machine(s)." in log_lines
    assert "INFO Extracting samples: 3 recordings, 1 machine(s)." in log_lines
    check(store.load(machines[1], with_samples=True))
    with pytest.raises(FileNotFoundError):
        store.load(machines[0], with_samples=True)


def test_recordings_are_read_once_for_both_and_not_again(data, store, reads):
    extract(store, machines_in(data))
    assert len(reads) == len(set(reads)) == 7
    extract(FeatureStore(store.directory, store.settings), machines_in(data))
    assert len(reads) == 7


def test_samples_that_are_missing_beside_frames_are_added_and_no_frames_are_computed(
    data, store, reads, monkeypatch, log_lines
):
    machines = machines_in(data)
    store.extract(machines, jobs=1)
    reads.clear()
    log_lines.clear()
    monkeypatch.setattr(extraction, "log_mel", None)
    extract(store, machines, machines[:1])
    assert reads == list(machines[0]["path"])
    assert [line for line in log_lines if "Extracting" in line] == [
        "INFO Extracting samples: 4 recordings, 1 machine(s)."
    ]
    check(store.load(machines[0], with_samples=True))


def test_samples_are_the_same_whatever_frames_are_made_of_them(data, store, reads):
    machines = machines_in(data)
    extract(store, machines)
    before = {name for name in pickles(store) if "samples" in name}
    other = FeatureStore(store.directory, FeatureSettings(n_mels=32, n_fft=512))
    extract(other, machines)
    assert {name for name in pickles(store) if "samples" in name} == before
    assert len(pickles(store)) == 6
    assert len(reads) == 14
    for machine in machines:
        features = other.load(machine, with_samples=True)
        assert features.frames.shape[1] == 32
        check(features)


def test_another_channel_has_samples_of_its_own(data, store):
    machine = machines_in(data)[0]
    for path in machine["path"]:
        rewrite(path, np.stack([np.full(8000, 0.1), np.full(8000, 0.2)], axis=1))
    machine = machines_in(data)[0]
    for channel, value in enumerate((0.1, 0.2)):
        of_channel = FeatureStore(store.directory, FeatureSettings(channel=channel))
        extract(of_channel, [machine])
        values = of_channel.load(machine, with_samples=True).samples.values
        assert np.abs(values / 32768 - value).max() < 1e-4


def test_a_recording_without_frames_has_no_samples_either(data, store, log_lines):
    rewrite(normal(data, 0), np.zeros(1023))
    normal(data, 1).write_text("no sound")
    machine = machines_in(data)[0]
    extract(store, [machine])
    features = store.load(machine, with_samples=True)
    check(features)
    assert list(features.skipped) == [str(normal(data, 0)), str(normal(data, 1))]
    assert features.skipped == store.load(machine).skipped
    assert len(features.recordings) == 2
    for path in features.skipped:
        assert sum(path in line for line in log_lines if line.startswith("WARNING")) == 1


@pytest.mark.parametrize("change", ["newer", "gone"])
def test_a_recording_without_samples_has_no_frames_either(change, data, store, log_lines):
    machine = machines_in(data)[0]
    store.extract([machine], jobs=1)
    path = normal(data, 1)
    if change == "newer":
        rewrite(path, sound(np.random.default_rng(9), seconds=0.5))
    else:
        path.unlink()
    extract(store, [machine])
    features = store.load(machine, with_samples=True)
    check(features)
    assert list(features.skipped) == [str(path)]
    assert ("changed" if change == "newer" else UNREADABLE) in features.skipped[str(path)]
    assert [line for line in log_lines if line.startswith("WARNING") and str(path) in line]
    assert store.load(machine).skipped == {}


def test_recordings_that_only_one_of_both_has_are_in_neither_and_all_are_named(data, store):
    rewrite(normal(data, 0), np.zeros(1000))
    machine = machines_in(data)[0]
    store.extract([machine], jobs=1)
    normal(data, 2).unlink()
    extract(store, [machine])
    features = store.load(machine, with_samples=True)
    check(features)
    assert list(features.skipped) == [str(normal(data, 0)), str(normal(data, 2))]
    assert "shorter" in features.skipped[str(normal(data, 0))]
    assert len(features.recordings) == 2


def test_of_mixed_sample_rates_the_one_of_the_frames_is_kept(data, store):
    """Two recordings of another rate are too short for frames, so they have no vote."""
    for number in (1, 2):
        rewrite(normal(data, number), np.full(1000, 0.1), sample_rate=8000)
    rewrite(data / "6dB" / "fan" / "id_00" / "abnormal" / "00000000.wav", np.full(8000, 0.1), sample_rate=8000)
    rewrite(normal(data, 3), np.full(8000, 0.1))
    machine = machines_in(data)[0]
    extract(store, [machine])
    features = store.load(machine, with_samples=True)
    check(features)
    assert features.sample_rate == SAMPLE_RATE
    assert list(features.recordings["path"]) == [str(normal(data, 0)), str(normal(data, 3))]


def test_of_integers_and_amplitudes_all_become_amplitudes(data, store):
    path = normal(data, 1)
    rewrite(path, sound(np.random.default_rng(3), seconds=0.5), subtype="PCM_24")
    machines = machines_in(data)
    extract(store, machines)
    mixed = store.load(machines[0], with_samples=True)
    assert mixed.samples.values.dtype == np.float32
    for number, recording in enumerate(mixed.recordings["path"]):
        begin, end = mixed.samples.offsets[number : number + 2]
        expected = soundfile.read(recording, dtype="float32")[0]
        assert np.array_equal(mixed.samples.values[begin:end], expected)
    assert store.load(machines[1], with_samples=True).samples.values.dtype == np.int16


def test_a_machine_without_a_single_usable_recording_has_no_samples(data, store):
    for path in (data / "6dB" / "fan" / "id_00").rglob("*.wav"):
        path.write_text("no sound")
    machine = machines_in(data)[0]
    extract(store, [machine])
    features = store.load(machine, with_samples=True)
    check(features)
    assert len(features.recordings) == 0
    assert len(features.skipped) == 4


@pytest.mark.parametrize("content", [b"", b"damaged", None])
def test_a_damaged_pickle_of_samples_is_made_again_and_that_of_the_frames_is_not(content, data, store, log_lines):
    machine = machines_in(data)[0]
    extract(store, [machine])
    [path] = store.directory.glob("*_samples_*")
    path.write_bytes(path.read_bytes()[:-20] if content is None else content)
    frames_written = store.path(machine).stat().st_mtime_ns
    store.load(machine)
    with pytest.raises(CacheError):
        store.load(machine, with_samples=True)
    extract(store, [machine])
    assert [line for line in log_lines if line.startswith("WARNING") and path.name in line]
    assert store.path(machine).stat().st_mtime_ns == frames_written
    check(store.load(machine, with_samples=True))


def test_what_could_not_be_read_and_can_be_now_gets_both(data, store, monkeypatch):
    machine = machines_in(data)[0]

    def out_of_reach(path, channel):
        if path == normal(data, 1):
            raise RecordingError(f"{UNREADABLE}: no route to host")
        return read_channel(path, channel)

    with monkeypatch.context() as patch:
        patch.setattr(extraction, "read_channel", out_of_reach)
        extract(store, [machine])
        assert list(store.load(machine, with_samples=True).skipped) == [str(normal(data, 1))]
    extract(store, [machine])
    features = store.load(machine, with_samples=True)
    check(features)
    assert features.skipped == {}


def test_a_thousand_recordings_of_ten_seconds_take_less_than_700_mb(data, store):
    for path in (normal(data, number) for number in range(3)):
        rewrite(path, sound(np.random.default_rng(0), seconds=10.0))
    (data / "6dB" / "fan" / "id_00" / "abnormal" / "00000000.wav").unlink()
    machine = machines_in(data)[0]
    extract(store, [machine])
    sizes = {"samples" in path.name: path.stat().st_size for path in store.directory.iterdir()}
    assert sizes[True] * 1000 / 3 < 325e6
    assert sum(sizes.values()) * 1000 / 3 < 700e6
