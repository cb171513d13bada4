"""What a model costs: memory while it is made, and the time that it takes to judge a window.

1 MB is 1,000,000 bytes throughout.
"""

import gc
import platform
import statistics
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import numpy as np
import psutil

from mimii.features.windows import Windows

MB = 1e6
_WARM_UP = 5  # calls before the clock is read: the first ones allocate and choose algorithms
_CALLS = 100
_BATCHES = 5
_BATCH_SIZE = 256  # windows, or recordings, in a call for the throughput: the same for every model and training
_SECONDS = 0.5  # at most, for the calls and again for the batches: some classical models are slow


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

    def __exit__(self, *exception: object) -> None:
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
    score: Callable[[Windows], object], windows: Windows, *, whole_recordings: bool = False
) -> dict[str, float]:
    """Time a model on real windows: from an array in main memory to scores in main memory.

    Parameters
    ----------
    score : callable
        Gives the score of each window, or of each recording.
    windows : Windows
        At least one.
    whole_recordings : bool
        A call judges recordings as a whole.

    Returns
    -------
    dict
        ``inference_time_ms``: median time of a call with one window, or with those of one recording [ms];
        ``throughput_samples_per_sec``: windows scored in a second, by the median time of a call with 256 windows, or
        with 256 recordings, or with all where there are fewer.
    """
    if whole_recordings:
        numbers = np.unique(windows.recording)[:_BATCH_SIZE]
        batch = _compact(windows.take(np.flatnonzero(np.isin(windows.recording, numbers))))
        chosen = [np.flatnonzero(batch.recording == number) for number in numbers[: _WARM_UP + _CALLS]]
        one = _median_seconds(score, [_compact(batch.take(indices)) for indices in chosen], _CALLS)
        many = _median_seconds(score, [batch], _BATCHES)
        return {"inference_time_ms": one * 1e3, "throughput_samples_per_sec": len(batch) / many}
    # frames of its own for each call: a GPU must not be sent a whole machine's frames to judge one window
    batch = _standalone(windows.take(slice(0, _BATCH_SIZE)))
    singles = [_standalone(batch.take(np.array([index]))) for index in range(min(len(batch), _WARM_UP + _CALLS))]
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
    new_index = np.cumsum(is_touched) - 1
    return Windows(windows.frames[is_touched], new_index[windows.starts], windows.recording, windows.length)


def _median_seconds(score: Callable[[Windows], object], inputs: list[Windows], calls: int) -> float:
    for call in range(_WARM_UP):
        score(inputs[call % len(inputs)])
    times: list[float] = []
    while len(times) < calls and sum(times) < _SECONDS:
        windows = inputs[len(times) % len(inputs)]
        begin = time.perf_counter()
        score(windows)
        times.append(time.perf_counter() - begin)
    return statistics.median(times)
