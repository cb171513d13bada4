import numpy as np
import pytest

from mimii.evaluation import efficiency
from mimii.evaluation.efficiency import PeakMemory, device_name, measure_inference
from mimii.features.windows import Windows


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


def measure(scorer, windows):
    """What measuring windows costs; recordings are scored by something else."""
    return measure_inference(lambda given: given.gather().mean(), windows, scorer)


@pytest.mark.parametrize(("count", "batch_size"), [(1, 1), (1, 50), (7, 50), (300, 50), (50, 50)])
def test_latency_and_throughput_are_measured_on_real_windows(count, batch_size, monkeypatch):
    monkeypatch.setattr(efficiency, "_BATCH_SIZE", batch_size)
    windows, scorer = make_windows(count), Scorer()
    result = measure(scorer, windows)
    assert list(result) == ["inference_time_ms", "throughput_samples_per_sec", "window_time_ms", "windows_per_sec"]
    assert all(np.isfinite(value) and value > 0 for value in result.values())
    real = {window.tobytes() for window in windows.gather()}
    shown = [window.tobytes() for gathered, _ in scorer.calls for window in gathered]
    assert real.issuperset(shown)
    sizes = [len(gathered) for gathered, _ in scorer.calls]
    assert set(sizes) == {1, min(batch_size, count)}
    assert sizes.count(min(batch_size, count)) >= 2


@pytest.mark.parametrize("has_windows", [False, True])
def test_recordings_are_judged_as_a_whole_by_every_model(has_windows, monkeypatch):
    """One at a time for the latency, with their own frames only; some of them for the throughput."""
    windows = make_windows(90)
    windows.recording[30:] += 4
    windows.starts[30:] += 50
    calls = []

    def score(given):
        calls.append((sorted(set(given.recording)), len(given), len(given.frames), given.gather().tobytes()))

    result = measure_inference(score, windows, Scorer() if has_windows else None)
    assert np.isnan([result["window_time_ms"], result["windows_per_sec"]]).tolist() == [not has_windows] * 2
    assert result["inference_time_ms"] > 0
    gathered = [windows.take(np.flatnonzero(windows.recording == number)).gather().tobytes() for number in (0, 4)]
    # 30 windows of 3 frames touch 32 frames, 60 touch 62
    expected = [([0], 30, 32, gathered[0]), ([4], 60, 62, gathered[1]), ([0, 4], 90, 94, windows.gather().tobytes())]
    assert {call[1] for call in calls} == {30, 60, 90}
    assert [call for call in calls if call not in expected] == []
    calls.clear()
    monkeypatch.setattr(efficiency, "_BATCH_RECORDINGS", 1)
    measure_inference(score, windows)
    assert {call[1] for call in calls} == {30}


def test_the_throughput_is_that_of_256_windows_whatever_a_model_was_trained_with():
    scorer = Scorer()
    measure(scorer, make_windows(1000))
    assert {len(gathered) for gathered, _ in scorer.calls} == {1, 256}


def test_a_call_is_handed_only_the_frames_of_its_windows(monkeypatch):
    monkeypatch.setattr(efficiency, "_BATCH_SIZE", 20)
    windows, scorer = make_windows(1000), Scorer()
    measure(scorer, windows)
    assert {frames for gathered, frames in scorer.calls if len(gathered) == 1} == {3}
    assert {frames for gathered, frames in scorer.calls if len(gathered) == 20} <= set(range(3, 61))


class Clock:
    """A clock that only calls move on: by what they take, one after the other and again from the first."""

    def __init__(self, monkeypatch, seconds):
        self.now, self.seconds, self.calls = 0.0, seconds, 0
        monkeypatch.setattr(efficiency.time, "perf_counter", lambda: self.now)
        monkeypatch.setattr(efficiency, "_SECONDS", 0.2)

    def __call__(self, windows):
        self.now += self.seconds[self.calls % len(self.seconds)]
        self.calls += 1


@pytest.mark.parametrize(
    ("seconds", "calls", "latency"),
    [
        ([0.0001], 5 + 50, 0.1),  # all calls take next to nothing
        ([0.008], 3 + 3, 8),  # they agree
        ([0.03], 1 + 3, 30),
        ([0.5], 1 + 1, 500),
        ([0.004, 0.008, 0.005, 0.009], 4 + 32, 6.5),  # they don't
    ],
)
def test_calls_whose_times_agree_are_not_repeated(seconds, calls, latency, monkeypatch):
    clock = Clock(monkeypatch, seconds)
    windows = make_windows(1)
    assert efficiency._median_seconds(clock, [windows], 50) * 1e3 == pytest.approx(latency)
    assert clock.calls == calls


def test_latency_is_of_repeated_calls_with_different_windows(monkeypatch):
    monkeypatch.setattr(efficiency, "_SECONDS", 60)
    scorer = Scorer()
    measure(scorer, make_windows(1000))
    singles = [gathered.tobytes() for gathered, _ in scorer.calls if len(gathered) == 1]
    assert len(singles) > 20
    assert len(set(singles)) > 10


def test_a_slow_model_is_called_once_to_warm_up_and_once_for_each_time(monkeypatch):
    """Batches come after single calls, and need no warm-up."""
    monkeypatch.setattr(efficiency, "_SECONDS", 1e-9)
    calls = []
    measure_inference(calls.append, make_windows(40), calls.append)
    assert [len(windows) for windows in calls] == [40] * 3 + [1] * 2 + [40]


def peak_of(size):
    """What is measured of a block that takes so many bytes and frees them again."""
    with PeakMemory() as memory:
        array = np.ones(size // 8)
        memory._done.wait(0.3)
        del array
    return memory


@pytest.mark.usefixtures("good_figures")
def test_peak_memory_sees_what_was_freed_again():
    memory = peak_of(320_000_000)
    assert 300 < memory.ram_mb < 400
    assert memory.gpu_mb == 0


@pytest.mark.usefixtures("good_figures")
def test_peak_memory_is_what_a_block_adds_whatever_the_process_holds_and_held():
    held = np.ones(25_000_000)
    assert peak_of(320_000_000).ram_mb > 300
    small = peak_of(40_000_000)
    assert 30 < small.ram_mb < 100
    assert len(held) == 25_000_000


def test_the_device_has_a_name():
    assert device_name("cpu").strip()
