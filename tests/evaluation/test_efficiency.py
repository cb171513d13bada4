import getpass
import multiprocessing
import tempfile
import time

import numpy as np
import pytest

from mimii.evaluation.efficiency import Occupancy, PeakMemory, device_name, measure_inference
from mimii.features.windows import Windows

LONG = 60  # [s] until a test that hangs is given up
SHORT = 0.5  # [s] in which something that must not happen could happen


def make_windows(count, length=3, n_mels=4):
    frames = np.random.default_rng(0).normal(size=(count + length - 1 + 100, n_mels)).astype(np.float32)
    return Windows(frames, np.arange(count), np.zeros(count, dtype=np.int64), length)


class Scorer:
    def __init__(self):
        self.calls = []

    def __call__(self, windows):
        gathered = windows.gather()
        self.calls.append((gathered, len(windows.frames)))
        return gathered.mean(axis=(1, 2))


@pytest.mark.parametrize(("count", "batch_size"), [(1, 1), (1, 50), (7, 50), (300, 50), (50, 50)])
def test_latency_and_throughput_are_measured_on_real_windows(count, batch_size):
    windows, scorer = make_windows(count), Scorer()
    result = measure_inference(scorer, windows, batch_size)
    assert set(result) == {"inference_time_ms", "throughput_samples_per_sec"}
    assert all(np.isfinite(value) and value > 0 for value in result.values())
    real = {window.tobytes() for window in windows.gather()}
    shown = [window.tobytes() for gathered, _ in scorer.calls for window in gathered]
    assert real.issuperset(shown)
    sizes = [len(gathered) for gathered, _ in scorer.calls]
    assert set(sizes) == {1, min(batch_size, count)}
    assert sizes.count(min(batch_size, count)) >= 2


def test_recordings_are_judged_as_a_whole_and_their_windows_counted():
    """One at a time for the latency, with their own frames only; all of them for the throughput."""
    windows = make_windows(90)
    windows.recording[30:] += 4
    windows.starts[30:] += 50
    calls = []

    def score(given):
        calls.append((sorted(set(given.recording)), len(given), len(given.frames), given.gather().tobytes()))

    result = measure_inference(score, windows, 200, whole_recordings=True)
    assert set(result) == {"inference_time_ms", "throughput_samples_per_sec"}
    own = [windows.take(np.flatnonzero(windows.recording == number)).gather().tobytes() for number in (0, 4)]
    # 30 windows of 3 frames touch 32 frames, 60 touch 62
    expected = [([0], 30, 32, own[0]), ([4], 60, 62, own[1]), ([0, 4], 90, 94, windows.gather().tobytes())]
    assert {call[1] for call in calls} == {30, 60, 90}
    assert [call for call in calls if call not in expected] == []
    assert {call[1] for call in _calls_of(windows, batch_size=1)} == {30}


def _calls_of(windows, batch_size):
    calls = []
    measure_inference(lambda given: calls.append((None, len(given))), windows, batch_size, whole_recordings=True)
    return calls


def test_a_call_is_handed_only_the_frames_of_its_windows():
    windows, scorer = make_windows(1000), Scorer()
    measure_inference(scorer, windows, 20)
    assert {frames for gathered, frames in scorer.calls if len(gathered) == 1} == {3}
    assert {frames for gathered, frames in scorer.calls if len(gathered) == 20} <= set(range(3, 61))


def test_latency_is_of_repeated_calls_with_different_windows():
    scorer = Scorer()
    measure_inference(scorer, make_windows(1000), 200)
    singles = [gathered.tobytes() for gathered, _ in scorer.calls if len(gathered) == 1]
    assert len(singles) > 20
    assert len(set(singles)) > 10


def test_peak_memory_sees_what_was_freed_again():
    with PeakMemory() as before:
        pass
    with PeakMemory() as memory:
        array = np.ones(40_000_000)  # 320 MB
        memory._done.wait(0.3)
        del array
    assert memory.ram_mb > before.ram_mb + 250
    assert 10 < before.ram_mb < 100_000
    assert memory.gpu_mb == 0


def test_peak_memory_starts_anew_for_each_model():
    with PeakMemory() as large:
        array = np.ones(40_000_000)
        large._done.wait(0.3)
        del array
    with PeakMemory() as small:
        pass
    assert small.ram_mb < large.ram_mb - 250


def test_the_device_has_a_name():
    assert device_name("cpu").strip()


# --- one measures while the others wait; each of these runs in a process of its own


class Flag:
    """An event between processes that outlives one that is killed."""

    def __init__(self, path):
        self.path = path

    def set(self):
        self.path.touch()

    def is_set(self):
        return self.path.exists()

    def wait(self, seconds):
        end = time.monotonic() + seconds
        while not self.is_set() and time.monotonic() < end:
            time.sleep(0.01)
        return self.is_set()


def work(directory, started, working, leave):
    tempfile.tempdir = directory
    started.set()
    with Occupancy().working():
        working.set()
        leave.wait(LONG)


def work_and_give_way(directory, started, working, leave):
    tempfile.tempdir = directory
    occupancy = Occupancy()
    started.set()
    with occupancy.working():
        working.set()
        while not leave.is_set():
            occupancy.give_way()


def measure(directory, started, measuring, leave):
    tempfile.tempdir = directory
    started.set()
    with Occupancy().alone():
        measuring.set()
        leave.wait(LONG)


@pytest.fixture
def start(tmp_path):
    """Start a function in a process: gives the process, the flag that it raises inside, the flag that ends it."""
    context = multiprocessing.get_context("spawn")
    running = []

    def start(function):
        flags = [Flag(tmp_path / f"{name}{len(running)}") for name in ("started", "inside", "leave")]
        process = context.Process(target=function, args=(str(tmp_path), *flags))
        process.start()
        running.append(process)
        assert flags[0].wait(LONG)
        return process, *flags[1:]

    yield start
    for process in running:
        process.kill()
        process.join(LONG)


def test_tasks_work_side_by_side(start):
    _, first, _ = start(work)
    _, second, _ = start(work)
    assert first.wait(LONG)
    assert second.wait(LONG)


def test_who_measures_waits_for_those_who_work_and_then_they_wait_for_it(start):
    _, working, stop_working = start(work)
    assert working.wait(LONG)
    _, measuring, stop_measuring = start(measure)
    assert not measuring.wait(SHORT)
    stop_working.set()
    assert measuring.wait(LONG)
    _, working_too, _ = start(work)
    _, measuring_too, stop_measuring_too = start(measure)
    stop_measuring_too.set()
    assert not working_too.wait(SHORT)
    assert not measuring_too.is_set()
    stop_measuring.set()
    assert working_too.wait(LONG)


def test_long_tasks_give_way_to_one_that_measures_and_wait_for_it(start):
    _, first, stop_first = start(work_and_give_way)
    _, second, stop_second = start(work_and_give_way)
    assert first.wait(LONG)
    assert second.wait(LONG)
    _, measuring, stop_measuring = start(measure)
    assert measuring.wait(LONG)
    stop_measuring.set()
    _, measuring_again, _ = start(measure)
    assert measuring_again.wait(LONG)
    stop_first.set()
    stop_second.set()


def test_a_task_that_is_killed_holds_up_nobody(start):
    process, working, _ = start(work)
    assert working.wait(LONG)
    process.kill()
    process.join(LONG)
    process, measuring, _ = start(measure)
    assert measuring.wait(LONG)
    process.kill()
    process.join(LONG)
    _, working, _ = start(work)
    assert working.wait(LONG)


def test_giving_way_tells_how_long_it_took(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    occupancy = Occupancy()
    with occupancy.working():
        assert occupancy.give_way() == 0
        monkeypatch.setattr(occupancy, "_last", occupancy._last - 1000)
        assert occupancy.give_way() > 0


@pytest.mark.parametrize("error", [KeyError("getpwuid(): uid not found: 12345"), OSError("No username set")])
def test_a_user_without_a_name_can_work_too(error, tmp_path, monkeypatch):
    """In a container that is started with a bare number for a user."""

    def getuser():
        raise error

    monkeypatch.setattr(getpass, "getuser", getuser)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    occupancy = Occupancy()
    with occupancy.working():
        pass
    with occupancy.alone():
        pass
