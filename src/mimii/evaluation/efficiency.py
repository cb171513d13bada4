"""What a model costs: memory while it is made, and the time that it takes to judge a recording.

1 MB is 1,000,000 bytes throughout.
"""

import ctypes
import gc
import math
import platform
import statistics
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import cache

import numpy as np
import psutil

from mimii.features.windows import Windows

MB = 1e6
_WARM_UP = 5  # calls before the clock is read: the first ones allocate and choose algorithms
_CALLS = 50
_BATCHES = 5
# in a call for the throughput: the same for every model and training
_BATCH_SIZE = 256  # windows
_BATCH_RECORDINGS = 16
# after which no further call is made, and after a tenth no further one to warm up: some models are slow
_SECONDS = 0.03
_FEWEST = 3  # times that may agree
_AGREED = 0.05  # standard error of a median, of which further calls would tell no more


class PeakMemory:
    """What a ``with`` block adds to the memory of this process at most.

    Attributes
    ----------
    ram_mb : float
        Peak memory of the process, sampled fifty times a second, less what it held before the block.
    gpu_mb : float
        Peak memory of tensors on the GPU; 0 on the CPU.
    """

    def __init__(self, device: str = "cpu"):
        self.device = device
        self.ram_mb = 0.0
        self.gpu_mb = 0.0
        self._before = 0.0
        self._process = psutil.Process()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _held(self) -> float:
        """Resident memory of the process without the files that it has mapped, libraries above all [MB]."""
        memory = self._process.memory_info()
        return (memory.rss - getattr(memory, "shared", 0)) / MB  # systems but Linux don't tell

    def _sample(self) -> None:
        self.ram_mb = max(self.ram_mb, self._held() - self._before)

    def _watch(self) -> None:
        while not self._done.wait(0.02):
            self._sample()

    def __enter__(self) -> "PeakMemory":
        settle()
        if self.device.startswith("cuda"):
            import torch

            torch.cuda.init()
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self.device)
        self._before = self._held()
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._done.set()
        self._thread.join()
        self.look()

    def look(self) -> None:
        """Bring the figures up to now."""
        self._sample()
        if self.device.startswith("cuda"):
            import torch

            self.gpu_mb = torch.cuda.max_memory_allocated(self.device) / MB


def settle() -> None:
    """Free what nobody uses any more, so that it is not freed later and taken for what a block does not need."""
    gc.collect()  # networks and graphs of earlier tasks hold each other
    _freeze(len(sys.modules) // 100)
    _give_back()


@cache
def _freeze(hundreds: int) -> None:
    """Let what is there never be looked through again for garbage: libraries alone are half a million objects.

    It is done again for each further hundred of modules: a worker loads a library when a model needs it.
    """
    gc.freeze()


def _give_back() -> None:
    """Let the C library give back what was freed, which a block would take again unseen; as far as it can."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


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
    score_recordings: Callable[[Windows], object],
    windows: Windows,
    score_windows: Callable[[Windows], object] | None = None,
) -> dict[str, float]:
    """Time a model on real windows: from an array in main memory to scores in main memory.

    Parameters
    ----------
    score_recordings : callable
        Gives the score of each recording.
    windows : Windows
        At least one; all windows of each recording.
    score_windows : callable, optional
        Gives the score of each window, or of recordings of one window; for a model that works on windows.

    Returns
    -------
    dict
        ``inference_time_ms``: median time of a call with one recording [ms]; ``throughput_samples_per_sec``: recordings
        scored in a second, by the median time of a call with 16, or with all where there are fewer;
        ``window_time_ms`` and ``windows_per_sec``: the same for windows, of which a call has 256. They are NaN where
        a model does not work on windows.
    """
    numbers = np.unique(windows.recording)[:_BATCH_RECORDINGS]
    batch = _compact(windows.take(np.flatnonzero(np.isin(windows.recording, numbers))))
    singles = [_compact(batch.take(np.flatnonzero(batch.recording == number))) for number in numbers]
    costs = {
        "inference_time_ms": _median_seconds(score_recordings, singles, _CALLS) * 1e3,
        "throughput_samples_per_sec": len(numbers) / _median_seconds(score_recordings, [batch], _BATCHES, is_warm=True),
        "window_time_ms": math.nan,
        "windows_per_sec": math.nan,
    }
    if score_windows is not None:
        # frames of its own for each call: a GPU must not be sent a whole machine's frames to judge one window
        batch = _standalone(windows.take(slice(0, _BATCH_SIZE)))
        singles = [_standalone(batch.take(np.array([index]))) for index in range(min(len(batch), _WARM_UP + _CALLS))]
        costs["window_time_ms"] = _median_seconds(score_windows, singles, _CALLS) * 1e3
        costs["windows_per_sec"] = len(batch) / _median_seconds(score_windows, [batch], _BATCHES, is_warm=True)
    return costs


def _standalone(windows: Windows) -> Windows:
    """The same windows over an array that holds nothing else."""
    count, length = len(windows), windows.length
    frames = windows.gather().reshape(count * length, -1)  # (n, length, n_mels) -> (n * length, n_mels)
    return replace(windows, frames=frames, starts=np.arange(count) * length)


def _compact(windows: Windows) -> Windows:
    """The same windows over an array of the frames that they touch, each once."""
    is_touched = np.zeros(len(windows.frames), dtype=bool)
    for step in range(windows.length):
        is_touched[windows.starts + step] = True
    new_index = np.cumsum(is_touched) - 1
    return replace(windows, frames=windows.frames[is_touched], starts=new_index[windows.starts])


def _median_seconds(
    score: Callable[[Windows], object], inputs: list[Windows], calls: int, *, is_warm: bool = False
) -> float:
    """The median time of a call; of so many calls at most, and of fewer where their times agree: all others wait."""
    begin = time.perf_counter()
    for call in range(0 if is_warm else _WARM_UP):
        score(inputs[call % len(inputs)])
        if time.perf_counter() - begin > _SECONDS / 10:
            break
    times: list[float] = []
    while len(times) < calls and sum(times) < _SECONDS and not _agree(times):
        windows = inputs[len(times) % len(inputs)]
        begin = time.perf_counter()
        score(windows)
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def _agree(times: list[float]) -> bool:
    """Tell whether the median is known well enough; of calls that take next to nothing, all are made."""
    if len(times) < _FEWEST or sum(times) < _SECONDS / 10:
        return False
    lower, median, upper = statistics.quantiles(times, n=4)
    # of n values of a normal distribution, from their interquartile range
    return 0.93 * (upper - lower) / math.sqrt(len(times)) < _AGREED * median
