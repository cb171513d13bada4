"""From recordings to log-mel frames: by processes on the CPU, or read by threads and computed on a GPU."""

import logging
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, groupby, islice
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np

from mimii.data.audio import UNREADABLE, RecordingError, read_channel
from mimii.features.logmel import log_mel, log_mel_on_gpu
from mimii.runtime.processes import in_parallel
from mimii.settings import FeatureSettings

log = logging.getLogger(__name__)

CHUNK = 64  # recordings that a worker is given at once
_PROBED = 9  # recordings that are read to see how long that takes


class Frames(NamedTuple):
    """The log-mel frames of a recording, (n_frames, n_mels), and its sample rate [Hz]."""

    frames: np.ndarray
    sample_rate: int


class Skipped(NamedTuple):
    """Why a recording can't be used."""

    reason: str


class _Signal(NamedTuple):
    samples: np.ndarray
    sample_rate: int


Extracted: TypeAlias = Frames | Skipped


@dataclass(frozen=True)
class Chunk:
    """Some recordings of a machine: those from number ``start`` on."""

    machine: int
    start: int
    paths: list[str]
    settings: FeatureSettings

    @property
    def name(self) -> str:
        """For messages."""
        return f"features of {self.paths[0]} and {len(self.paths) - 1} more"


def extract(
    chunks: Sequence[Chunk], jobs: int, scheduler: str | None = None, device: str = "cpu"
) -> Iterator[tuple[Chunk, list[Extracted]]]:
    """Give the frames of each chunk's recordings, in any order of the chunks.

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
        yield from in_parallel(_extract_chunk, chunks, jobs, scheduler, lost=lambda chunk: (chunk, []))


def can_be_read_now(path: str, reason: str, channel: int) -> bool:
    """Tell whether a recording could not be read before and can be now."""
    if not reason.startswith(UNREADABLE):
        return False
    try:
        read_channel(Path(path), channel)
    except RecordingError:
        return False
    return True


def _read(path: str, settings: FeatureSettings) -> _Signal | Skipped:
    try:
        signal, sample_rate = read_channel(Path(path), settings.channel)
    except RecordingError as error:
        return Skipped(str(error))
    if len(signal) < settings.n_fft:
        return Skipped(f"shorter than the {settings.n_fft} samples of --n_fft")
    return _Signal(signal, sample_rate)


def _read_ahead(paths: Iterator[str], settings: FeatureSettings, threads: int) -> Iterator[_Signal | Skipped]:
    """Read recordings in order while others are worked on: two a thread are read or wait."""
    with ThreadPoolExecutor(threads) as pool:
        reads = deque(pool.submit(_read, path, settings) for path in islice(paths, 2 * threads))
        while reads:
            signal = reads.popleft().result()
            reads.extend(pool.submit(_read, path, settings) for path in islice(paths, 1))
            yield signal


def _extract_chunk(chunk: Chunk) -> tuple[Chunk, list[Extracted]]:
    signals = _read_ahead(iter(chunk.paths), chunk.settings, threads=1)
    return chunk, [signal if isinstance(signal, Skipped) else _frames(signal, chunk.settings) for signal in signals]


def _frames(signal: _Signal, settings: FeatureSettings) -> Extracted:
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is found by `_checked`
        frames = log_mel(signal.samples, signal.sample_rate, settings)
    return _checked(frames, signal.sample_rate)


def _checked(frames: np.ndarray, sample_rate: int) -> Extracted:
    """The frames of a recording, or that it can't be used: one value that is not finite would spoil a whole model."""
    if np.isfinite(frames).all():
        return Frames(frames, sample_rate)
    return Skipped("its samples are so far above full scale that its log-mel frames overflow float32")


def _reading_is_quick(chunks: Sequence[Chunk]) -> bool:
    """Tell whether a recording is read in less time than its log-mel frames take on a core.

    The recordings are taken from all over the data, so that the disk and not its cache is asked.
    """
    reading, computing = [], []
    for chunk in chunks[:: max(1, len(chunks) // _PROBED)][:_PROBED]:
        begin = time.perf_counter()
        signal = _read(chunk.paths[0], chunk.settings)
        read = time.perf_counter()
        if not isinstance(signal, Skipped):
            _frames(signal, chunk.settings)
            reading.append(read - begin)
            computing.append(time.perf_counter() - read)
    return bool(reading) and float(np.median(reading)) < float(np.median(computing))


def _extract_on_gpu(chunks: Sequence[Chunk], threads: int, device: str) -> Iterator[tuple[Chunk, list[Extracted]]]:
    import torch

    paths = chain.from_iterable(chunk.paths for chunk in chunks)
    signals = _read_ahead(paths, chunks[0].settings, threads)
    for chunk in chunks:
        results: list[Extracted] = []
        for _, group in groupby(islice(signals, len(chunk.paths)), key=_batch_key):
            members = list(group)
            batch = [signal for signal in members if isinstance(signal, _Signal)]  # all of them or none
            if not batch:
                results += [signal for signal in members if isinstance(signal, Skipped)]
                continue
            samples = np.stack([signal.samples for signal in batch])  # of one length and rate: (n, n_samples)
            sample_rate = batch[0].sample_rate
            try:
                frames = log_mel_on_gpu(torch.from_numpy(samples).to(device), sample_rate, chunk.settings)
                results += [_checked(recording, sample_rate) for recording in frames.cpu().numpy()]
            except torch.cuda.OutOfMemoryError:
                log.warning("%s is short of memory: the frames of %s are computed on the CPU.", device, chunk.name)
                torch.cuda.empty_cache()
                results += [_frames(signal, chunk.settings) for signal in batch]
        yield chunk, results


def _batch_key(signal: _Signal | Skipped) -> tuple[int, int, str]:
    """Signals of the same key can be one batch; that of a signal that could not be read is all zero."""
    if isinstance(signal, Skipped):
        return 0, 0, ""
    return len(signal.samples), signal.sample_rate, signal.samples.dtype.name
