"""From recordings to log-mel frames: by processes on the CPU, or read by threads and computed on a GPU."""

import logging
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, groupby, islice
from pathlib import Path
from typing import TypeAlias

import numpy as np

from mimii.data.audio import UNREADABLE, RecordingError, read_channel
from mimii.features.logmel import log_mel, log_mel_on_gpu
from mimii.runtime.processes import in_parallel
from mimii.settings import FeatureSettings

log = logging.getLogger(__name__)

CHUNK = 64  # recordings that a worker is handed at once
_PROBED = 9  # recordings that are read to see how long that takes

# the frames and the sample rate of a recording, or None and why it can't be used
Extracted: TypeAlias = tuple[np.ndarray, int] | tuple[None, str]
# the samples and the sample rate of a recording, or None and why it can't be used
_Signal: TypeAlias = tuple[np.ndarray, int] | tuple[None, str]


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
    a recording is read in less time than a core takes for its frames. Else the disk is what there is to wait for.

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


def _read(path: str, settings: FeatureSettings) -> _Signal:
    try:
        signal, sample_rate = read_channel(Path(path), settings.channel)
    except RecordingError as error:
        return None, str(error)
    if len(signal) < settings.n_fft:
        return None, f"shorter than the {settings.n_fft} samples of --n_fft"
    return signal, sample_rate


def _read_ahead(paths: Iterator[str], settings: FeatureSettings, threads: int) -> Iterator[_Signal]:
    """Read recordings in order while others are worked on: two a thread are read or wait."""
    with ThreadPoolExecutor(threads) as pool:
        reads = deque(pool.submit(_read, path, settings) for path in islice(paths, 2 * threads))
        while reads:
            signal = reads.popleft().result()
            reads.extend(pool.submit(_read, path, settings) for path in islice(paths, 1))
            yield signal


def _extract_chunk(chunk: Chunk) -> tuple[Chunk, list[Extracted]]:
    results = []
    for signal, fact in _read_ahead(iter(chunk.paths), chunk.settings, threads=1):
        results.append((None, fact) if signal is None else (log_mel(signal, fact, chunk.settings), fact))
    return chunk, results


def _reading_is_quick(chunks: Sequence[Chunk]) -> bool:
    """Tell whether a recording is read in less time than its log-mel frames take on a core.

    The recordings are taken from all over the data, so that the disk and not its cache is asked.
    """
    reading, computing = [], []
    for chunk in chunks[:: max(1, len(chunks) // _PROBED)][:_PROBED]:
        begin = time.perf_counter()
        signal, fact = _read(chunk.paths[0], chunk.settings)
        read = time.perf_counter()
        if signal is not None:
            log_mel(signal, fact, chunk.settings)
            reading.append(read - begin)
            computing.append(time.perf_counter() - read)
    return bool(reading) and float(np.median(reading)) < float(np.median(computing))


def _extract_on_gpu(chunks: Sequence[Chunk], threads: int, device: str) -> Iterator[tuple[Chunk, list[Extracted]]]:
    import torch

    paths = chain.from_iterable(chunk.paths for chunk in chunks)
    signals = _read_ahead(paths, chunks[0].settings, threads)
    for chunk in chunks:
        results: list[Extracted] = []
        own = islice(signals, len(chunk.paths))
        for (length, _, _), group in groupby(own, key=_kind):
            members = list(group)
            if not length:
                results += members
                continue
            sample_rate = members[0][1]
            batch = np.stack([signal for signal, _ in members])  # of one length and rate: (n, n_samples)
            try:
                frames = log_mel_on_gpu(torch.from_numpy(batch).to(device), sample_rate, chunk.settings).cpu().numpy()
            except torch.cuda.OutOfMemoryError:
                log.warning("%s is short of memory: the frames of %s are computed on the CPU.", device, chunk.name)
                torch.cuda.empty_cache()
                frames = [log_mel(signal, sample_rate, chunk.settings) for signal in batch]
            results += [(own_frames, sample_rate) for own_frames in frames]
        yield chunk, results


def _kind(signal: _Signal) -> tuple[int, int, str]:
    """What signals must share to be one batch; all zero for what could not be read."""
    samples, sample_rate = signal
    return (0, 0, "") if samples is None else (len(samples), sample_rate, samples.dtype.name)
