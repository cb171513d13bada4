"""Judges recordings: whether the machine is as it was when it was healthy, how sure that is, and where it is not."""

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mimii.data.audio import RecordingError, read_channel
from mimii.data.folders import UNUSABLE
from mimii.evaluation.conformal import share_as_high
from mimii.models.base import Model
from mimii.models.recording import frames_of_samples
from mimii.monitoring.curve import curve
from mimii.monitoring.finding import Finding
from mimii.monitoring.monitor import Monitor
from mimii.monitoring.remarks import is_silent, remarks
from mimii.monitoring.weighing import find
from mimii.runtime.processes import in_parallel

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

NORMAL, ABNORMAL, NOT_JUDGED = "normal", "abnormal", "can't be judged"

_WORTH = 1000  # recordings, for other processes to start: networks load torch first, in which time so many are judged
_LEAST_EFFECT = 0.05  # of a finding that tells when a recording is most abnormal
_CHUNK = 64  # recordings that a process is given at once


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What a detector says of a recording.

    Attributes
    ----------
    path : str
    verdict : str
        ``normal``, ``abnormal`` or ``can't be judged``.
    reason : str
        Why it can't be judged; else empty. Then there are no numbers: they are NaN.
    score : float
        Higher is more abnormal.
    threshold : float
        Above it a recording is called abnormal.
    relative : float
        The score in units of the threshold: 0 at the median of healthy recordings, 1 at the threshold.
    share : float
        Of healthy recordings, how many score as high: from 0 to 1.
    begin, end : float
        When it is most abnormal [s].
    findings : tuple of Finding
        What sets it apart from healthy recordings, the most important first.
    warnings : tuple of str
        What makes the recording itself doubtful.
    """

    path: str
    verdict: str
    reason: str = ""
    score: float = math.nan
    threshold: float = math.nan
    relative: float = math.nan
    share: float = math.nan
    begin: float = math.nan
    end: float = math.nan
    findings: tuple[Finding, ...] = ()
    warnings: tuple[str, ...] = ()


def judge(monitor: Monitor, path: str | os.PathLike[str]) -> Judgement:
    """Judge a recording; one that can't be judged is no error, but has no verdict.

    Parameters
    ----------
    monitor : Monitor
    path : path
        A file that `mimii.data.audio.read_channel` reads.
    """
    with one_thread(monitor.detector.model):
        return _judge(monitor, os.fspath(path))


@contextmanager
def one_thread(model: Model) -> Iterator[None]:
    """Let a model use one thread: several wait for each other on small ones, and longer where others work, too."""
    with _thread_pools().limit(limits=1):
        if not model.uses_torch:
            yield
            return
        import torch

        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)


@lru_cache
def _thread_pools() -> "ThreadpoolController":
    """Those of numpy, once a process: to look for them takes longer than to judge a recording."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def _judge(monitor: Monitor, name: str) -> Judgement:
    detector = monitor.detector
    try:
        if name.lower().endswith(UNUSABLE):
            raise RecordingError(f"of the format {Path(name).suffix[1:].lower()}, which is not read: convert it to wav")
        signal, rate = read_channel(Path(name), detector.features.channel)
        if rate != detector.sample_rate:
            # it is not converted: how a converter cuts the highest frequencies would pass for a change of the machine
            raise RecordingError(
                f"{rate} Hz, but the model knows recordings of {detector.sample_rate} Hz: set the recorder to "
                f"{detector.sample_rate} Hz, or train a model for {rate} Hz"
            )
        if len(signal) and is_silent(signal):
            raise RecordingError("digital silence: all samples are the same; is the microphone connected?")
        frames = frames_of_samples(signal, detector.model, detector.features, rate)
    except RecordingError as error:
        return Judgement(path=name, verdict=NOT_JUDGED, reason=str(error))
    return _judged(monitor, name, signal, frames)


def _judged(monitor: Monitor, name: str, signal: np.ndarray, frames: np.ndarray) -> Judgement:
    """The judgement on samples and their log-mel frames."""
    score = float(monitor.scores([frames], [signal])[0])
    if not math.isfinite(score):
        return Judgement(path=name, verdict=NOT_JUDGED, reason="the model's score of it is not finite")
    findings = find(monitor, frames, signal, score)
    begin, end = _worst(monitor, frames, signal, findings)
    return Judgement(
        path=name,
        verdict=ABNORMAL if score > monitor.threshold else NORMAL,
        score=score,
        threshold=monitor.threshold,
        relative=monitor.relative(score),
        share=share_as_high(monitor.calibration.scores, score),
        begin=begin,
        end=end,
        findings=tuple(findings),
        warnings=tuple(remarks(signal, monitor.detector.sample_rate, monitor.healthy)),
    )


def _worst(
    monitor: Monitor, frames: np.ndarray, signal: np.ndarray, findings: Sequence[Finding]
) -> tuple[float, float]:
    """When a recording is most abnormal [s]: about the second in which the score over time is highest.

    A finding that begins or ends in the recording tells more exactly when, if it is heard at that time.
    """
    times, values = curve(monitor, frames, signal)
    seconds = (len(frames) - 1) * monitor.detector.hop_seconds
    middle = float(times[int(np.argmax(values))])
    begin, end = max(0.0, middle - 0.5), min(seconds, middle + 0.5)
    for finding in findings:
        matters = finding.effect >= _LEAST_EFFECT and not finding.is_throughout
        if matters and finding.begin <= end and finding.end >= begin:
            return finding.begin, finding.end
    return begin, end


def judge_all(monitor: Monitor, paths: Sequence[str], jobs: int | None = None) -> Iterator[Judgement]:
    """Judge recordings, in their order; many of them in parallel.

    Parameters
    ----------
    monitor : Monitor
    paths : sequence of str
    jobs : int > 0, optional
        The most processes; without it as many as there are cores.
    """
    if jobs == 1 or len(paths) < _WORTH:
        yield from (judge(monitor, path) for path in paths)
        return
    if jobs is None:
        from joblib import cpu_count

        jobs = cpu_count()
    chunks = [_Chunk(begin, paths[begin : begin + _CHUNK], monitor) for begin in range(0, len(paths), _CHUNK)]
    waiting: dict[int, list[Judgement]] = {}
    following = 0  # number of the recording that is to be given next
    for begin, judgements in in_parallel(_judge_chunk, chunks, jobs, lost=_lost):
        waiting[begin] = judgements
        while following in waiting:
            ready = waiting.pop(following)
            following += len(ready)
            yield from ready


@dataclass(frozen=True, eq=False)
class _Chunk:
    """Some recordings for a process: those from number ``begin`` on."""

    begin: int
    paths: Sequence[str]
    monitor: Monitor

    @property
    def name(self) -> str:
        return f"{self.paths[0]} and {len(self.paths) - 1} more"


def _judge_chunk(chunk: _Chunk) -> tuple[int, list[Judgement]]:
    return chunk.begin, [judge(chunk.monitor, path) for path in chunk.paths]


def _lost(chunk: _Chunk) -> tuple[int, list[Judgement]]:
    """What to say of recordings with which two processes died."""
    reason = "a process that judged it and others died twice, as where memory runs out"
    return chunk.begin, [Judgement(path=path, verdict=NOT_JUDGED, reason=reason) for path in chunk.paths]
