"""What a model costs: memory while it is made, and the time that it takes to judge a window.

1 MB is 1,000,000 bytes throughout.
"""

import gc
import getpass
import os
import platform
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import psutil
from filelock import ReadWriteLock

from mimii.features.windows import Windows

MB = 1e6
_WARM_UP = 5  # calls before the clock is read: the first ones allocate and choose algorithms
_CALLS = 100
_BATCHES = 5
_SECONDS = 0.5  # at most, for the calls and again for the batches: some classical models are slow


class Occupancy:
    """Lets one task measure its latency while every other task of this user on this host waits.

    Tasks work under a shared lock. One that wants to measure takes it alone; the others, who give way once a
    second, stop until it is done. The operating system frees the lock of a process that dies.
    """

    _GIVE_WAY_EVERY = 1.0  # [s]; giving way costs about 6 ms

    def __init__(self, device: str = "cpu"):
        self._device = device
        user = os.getuid() if hasattr(os, "getuid") else getpass.getuser()  # in a container an ID may have no name
        directory = Path(tempfile.gettempdir()) / f"mimii-{user}"
        directory.mkdir(mode=0o700, exist_ok=True)
        self._lock = ReadWriteLock(directory / "occupancy.db")
        self._last = time.monotonic()

    @contextmanager
    def working(self) -> Iterator[None]:
        """Work beside others, after waiting for one that measures."""
        self._lock.acquire_read()
        self._last = time.monotonic()
        try:
            yield
        finally:
            self._lock.release()

    def give_way(self) -> float:
        """Called often while working: where it is time, let others measure. Returns how long it took [s]."""
        begin = time.monotonic()
        if begin - self._last < self._GIVE_WAY_EVERY:
            return 0.0
        if self._device.startswith("cuda"):
            import torch

            torch.cuda.synchronize(self._device)  # steps are queued; they would run on while another one measures
            begin = time.monotonic()
        self._lock.release()
        self._lock.acquire_read()
        self._last = time.monotonic()
        return self._last - begin

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Called while not working: hold all others while measuring."""
        with self._lock.write_lock():
            yield


class PeakMemory:
    """Peak memory of this process within a ``with`` block.

    Attributes
    ----------
    ram_mb : float
        Peak resident memory of the process, libraries included, sampled fifty times a second.
    gpu_mb : float
        Peak memory of tensors on the GPU; 0 on the CPU.
    """

    def __init__(self, device: str = "cpu"):
        self.device = device
        self.ram_mb = 0.0
        self.gpu_mb = 0.0
        self._process = psutil.Process()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _sample(self) -> None:
        self.ram_mb = max(self.ram_mb, self._process.memory_info().rss / MB)

    def _watch(self) -> None:
        while not self._done.wait(0.02):
            self._sample()

    def __enter__(self) -> "PeakMemory":
        if self.device.startswith("cuda"):
            import torch

            gc.collect()  # networks and graphs of earlier tasks hold each other
            torch.cuda.init()
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self.device)
        self._sample()
        self._thread.start()
        return self

    def __exit__(self, *exception) -> None:
        self._done.set()
        self._thread.join()
        self._sample()
        if self.device.startswith("cuda"):
            import torch

            self.gpu_mb = torch.cuda.max_memory_allocated(self.device) / MB


def device_name(device: str) -> str:
    """What the processor or the graphics card calls itself, as far as the system tells."""
    if device.startswith("cuda"):
        import torch

        return torch.cuda.get_device_name(device)
    with suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as file:  # Linux's platform.processor() is empty
        for line in file:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def measure_inference(
    score: Callable[[Windows], object], windows: Windows, batch_size: int, *, whole_recordings: bool = False
) -> dict:
    """Time a model on real windows: from an array in main memory to scores in main memory.

    Parameters
    ----------
    score : callable
        Gives the score of each window, or of each recording.
    windows : Windows
        At least one.
    batch_size : int > 0
        Windows in a call when the throughput is measured, or all of them where there are fewer.
    whole_recordings : bool
        A call judges recordings as a whole: one where the latency is measured, and ``batch_size`` of them, or all
        that there are, for the throughput.

    Returns
    -------
    dict
        ``inference_time_ms``: median time of a call with one window, or with those of one recording [ms];
        ``throughput_samples_per_sec``: windows scored in a second, by the median time of a call with a batch.
    """
    if whole_recordings:
        numbers = np.unique(windows.recording)[:batch_size]
        batch = _compact(windows.take(np.flatnonzero(np.isin(windows.recording, numbers))))
        chosen = [np.flatnonzero(batch.recording == number) for number in numbers[: _WARM_UP + _CALLS]]
        one = _median_seconds(score, [_compact(batch.take(own)) for own in chosen], _CALLS)
        many = _median_seconds(score, [batch], _BATCHES)
        return {"inference_time_ms": one * 1e3, "throughput_samples_per_sec": len(batch) / many}
    # frames of its own for each call: a GPU must not be sent a whole machine's frames to judge one window
    batch = _standalone(windows.take(slice(0, batch_size)))
    singles = [_standalone(batch.take(np.array([place]))) for place in range(min(len(batch), _WARM_UP + _CALLS))]
    one = _median_seconds(score, singles, _CALLS)
    many = _median_seconds(score, [batch], _BATCHES)
    return {"inference_time_ms": one * 1e3, "throughput_samples_per_sec": len(batch) / many}


def _standalone(windows: Windows) -> Windows:
    """The same windows over an array that holds nothing else."""
    count, length = len(windows), windows.length
    frames = windows.gather().reshape(count * length, -1)  # (n, length, n_mels) -> (n * length, n_mels)
    return Windows(frames, np.arange(count) * length, windows.recording, length)


def _compact(windows: Windows) -> Windows:
    """The same windows over an array of the frames that they touch, each once."""
    is_touched = np.zeros(len(windows.frames), dtype=bool)
    for step in range(windows.length):
        is_touched[windows.starts + step] = True
    places = np.cumsum(is_touched) - 1
    return Windows(windows.frames[is_touched], places[windows.starts], windows.recording, windows.length)


def _median_seconds(score: Callable[[Windows], object], inputs: list[Windows], calls: int) -> float:
    for call in range(_WARM_UP):
        score(inputs[call % len(inputs)])
    times = []
    while len(times) < calls and sum(times) < _SECONDS:
        windows = inputs[len(times) % len(inputs)]
        begin = time.perf_counter()
        score(windows)
        times.append(time.perf_counter() - begin)
    return statistics.median(times)
