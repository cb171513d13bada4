"""From recordings to log-mel frames and samples: by processes on the CPU, or read by threads and computed on a GPU."""

import logging
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, groupby, islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mimii.data.audio import UNREADABLE, RecordingError, read_channel
from mimii.features.logmel import log_mel, log_mel_on_gpu
from mimii.runtime.processes import in_parallel
from mimii.settings import FeatureSettings

log = logging.getLogger(__name__)

CHUNK = 64  # recordings that a worker is given at once
_PROBED = 9  # recordings that are read to see how long that takes
_WAIT = 0.001  # [s] that a recording takes longer than the processor works on it, if it comes from a disk


class Skipped(NamedTuple):
    """Why a recording can't be used."""

    reason: str


class Extracted(NamedTuple):
    """What a recording gave; of frames and samples None where they were not asked for.

    Attributes
    ----------
    sample_rate : int
        [Hz]; 0 where the recording could not be read.
    frames : np.ndarray [shape=(n_frames, n_mels), dtype=float32] or Skipped, optional
        [dB]
    samples : np.ndarray [shape=(n_samples,), dtype=int16 or float32] or Skipped, optional
        As `mimii.data.audio.read_channel` gives them.
    """

    sample_rate: int
    frames: np.ndarray | Skipped | None
    samples: np.ndarray | Skipped | None


class _Signal(NamedTuple):
    samples: np.ndarray
    sample_rate: int


@dataclass(frozen=True)
class Chunk:
    """Some recordings of a machine, those from number ``start`` on, and what is wanted of them.

    With ``spare_core`` a thread that reads ahead takes no core from other processes.
    """

    machine: int
    start: int
    paths: list[str]
    settings: FeatureSettings
    with_frames: bool = True
    with_samples: bool = False
    spare_core: bool = True

    @property
    def name(self) -> str:
        """For messages."""
        return f"features of {self.paths[0]} and {len(self.paths) - 1} more"


def extract(
    chunks: Sequence[Chunk], jobs: int, scheduler: str | None = None, device: str = "cpu"
) -> Iterator[tuple[Chunk, list[Extracted]]]:
    """Give the frames and samples of each chunk's recordings, in any order of the chunks. A recording is read once.

    A GPU computes log-mel frames far faster than recordings can be read. It is used where it shortens the wait: where
    a recording is read in less time than a core takes for its frames. Otherwise the disk is the bound.

    Parameters
    ----------
    chunks : sequence of Chunk
    jobs : int > 0
        Processes or, with a GPU, threads that read.
    scheduler : str, optional
        Of a Dask cluster that extracts instead; see `mimii.runtime.processes.in_parallel`.
    device : str

    Yields
    ------
    chunk : Chunk
    extracted : list of Extracted
        One for each of its paths; none where two processes died of it.
    """
    if device.startswith("cuda") and not scheduler and _reading_is_quick(chunks):
        log.info("Log-mel frames are computed on %s: recordings are read faster than a core could.", device)
        yield from _extract_on_gpu(chunks, jobs, device)
    else:
        from joblib import cpu_count

        if not scheduler and jobs >= cpu_count():
            chunks = [replace(chunk, spare_core=False) for chunk in chunks]
        yield from in_parallel(_extract_chunk, chunks, jobs, scheduler, lost=lambda chunk: (chunk, []))


def can_be_read_now(path: str, reason: str, channel: int | str) -> bool:
    """Tell whether a recording could not be read before and can be now."""
    if not reason.startswith(UNREADABLE):
        return False
    try:
        read_channel(Path(path), channel)
    except RecordingError:
        return False
    return True


def _read(path: str, channel: int | str) -> _Signal | Skipped:
    try:
        return _Signal(*read_channel(Path(path), channel))
    except RecordingError as error:
        return Skipped(str(error))


def _read_ahead(paths: Iterator[str], channel: int | str, threads: int) -> Iterator[_Signal | Skipped]:
    """Read recordings in order while others are worked on: two a thread are read or wait."""
    with ThreadPoolExecutor(threads) as pool:
        reads = deque(pool.submit(_read, path, channel) for path in islice(paths, 2 * threads))
        while reads:
            signal = reads.popleft().result()
            reads.extend(pool.submit(_read, path, channel) for path in islice(paths, 1))
            yield signal


def _extract_chunk(chunk: Chunk) -> tuple[Chunk, list[Extracted]]:
    signals = _signals(chunk)
    return chunk, [_extracted(signal, _frames(signal, chunk), chunk) for signal in signals]


def _signals(chunk: Chunk) -> Iterator[_Signal | Skipped]:
    """Read a chunk's recordings, ahead by a thread where a core is spare or the disk is waited for.

    What the system has in its memory is read without waiting. A thread for that makes a recording take 11 % more of the
    processor, which is work that other processes can't do then.
    """
    paths = iter(chunk.paths)
    if not chunk.spare_core:
        begin, busy = time.perf_counter(), time.thread_time()
        first = _read(next(paths), chunk.settings.channel)
        waited = time.perf_counter() - begin - (time.thread_time() - busy)
        yield first
        if waited < _WAIT:
            yield from (_read(path, chunk.settings.channel) for path in paths)
    yield from _read_ahead(paths, chunk.settings.channel, threads=1)


def _extracted(signal: _Signal | Skipped, frames: np.ndarray | Skipped | None, chunk: Chunk) -> Extracted:
    if isinstance(signal, Skipped):
        return Extracted(0, signal, signal)
    return Extracted(signal.sample_rate, frames, signal.samples if chunk.with_samples else None)


def _frames(signal: _Signal | Skipped, chunk: Chunk) -> np.ndarray | Skipped | None:
    if not chunk.with_frames:
        return None
    if isinstance(signal, Skipped):
        return signal
    if len(signal.samples) < chunk.settings.n_fft:
        return Skipped(f"shorter than the {chunk.settings.n_fft} samples of --n_fft")
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is found by `_checked`
        return _checked(log_mel(signal.samples, signal.sample_rate, chunk.settings))


def _checked(frames: np.ndarray) -> np.ndarray | Skipped:
    """The frames of a recording, or that it can't be used: one value that is not finite would spoil a whole model."""
    if np.isfinite(frames).all():
        return frames
    return Skipped("its samples are so far above full scale that its log-mel frames overflow float32")


def _reading_is_quick(chunks: Sequence[Chunk]) -> bool:
    """Tell whether a recording is read in less time than its log-mel frames take on a core.

    The recordings are taken from all over the data, so that the disk and not its cache is asked.
    """
    reading, computing = [], []
    chunks = [chunk for chunk in chunks if chunk.with_frames]
    for chunk in chunks[:: max(1, len(chunks) // _PROBED)][:_PROBED]:
        begin = time.perf_counter()
        signal = _read(chunk.paths[0], chunk.settings.channel)
        read = time.perf_counter()
        if not isinstance(_frames(signal, chunk), Skipped):
            reading.append(read - begin)
            computing.append(time.perf_counter() - read)
    return bool(reading) and float(np.median(reading)) < float(np.median(computing))


def _extract_on_gpu(chunks: Sequence[Chunk], threads: int, device: str) -> Iterator[tuple[Chunk, list[Extracted]]]:
    paths = chain.from_iterable(chunk.paths for chunk in chunks)
    signals = _read_ahead(paths, chunks[0].settings.channel, threads)
    for chunk in chunks:
        results: list[Extracted] = []
        for key, group in groupby(islice(signals, len(chunk.paths)), key=partial(_batch_key, chunk=chunk)):
            members = list(group)
            if key is None:
                frames = [_frames(signal, chunk) for signal in members]
            else:
                batch = [signal for signal in members if isinstance(signal, _Signal)]  # all of them
                frames = _frames_on_gpu(batch, chunk, device)
            results += [_extracted(signal, found, chunk) for signal, found in zip(members, frames, strict=True)]
        yield chunk, results


def _batch_key(signal: _Signal | Skipped, chunk: Chunk) -> tuple[int, int, str] | None:
    """Signals of the same key can be one batch; that of a signal of which no frames are computed is None."""
    if isinstance(signal, Skipped) or not chunk.with_frames or len(signal.samples) < chunk.settings.n_fft:
        return None
    return len(signal.samples), signal.sample_rate, signal.samples.dtype.name


def _frames_on_gpu(batch: list[_Signal], chunk: Chunk, device: str) -> list[np.ndarray | Skipped | None]:
    """The frames of signals of one length, sample rate and type."""
    import torch

    samples = np.stack([signal.samples for signal in batch])  # (n, n_samples)
    try:
        frames = log_mel_on_gpu(torch.from_numpy(samples).to(device), batch[0].sample_rate, chunk.settings)
        return [_checked(recording) for recording in frames.cpu().numpy()]
    except torch.cuda.OutOfMemoryError:
        log.warning("%s is short of memory: the frames of %s are computed on the CPU.", device, chunk.name)
        torch.cuda.empty_cache()
        return [_frames(signal, chunk) for signal in batch]
