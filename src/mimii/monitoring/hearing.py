"""Recordings that are heard and seen: the one that is explained, and the healthy one that it is most like."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mimii.data.audio import RecordingError, read_channel
from mimii.models.recording import frames_of_samples
from mimii.monitoring.curve import curve
from mimii.monitoring.finding import Finding
from mimii.monitoring.healthy import healthy_file
from mimii.monitoring.monitor import Monitor

_LEAST_SPREAD = 0.1  # dB; bands that differ less between healthy recordings would outweigh all others


@dataclass(frozen=True, eq=False, kw_only=True)
class Sound:
    """A recording that can be heard and seen.

    Attributes
    ----------
    signal : np.ndarray [shape=(n_samples,), dtype=int16 or float32]
        The channel that is judged; see `mimii.data.audio.read_channel`.
    sample_rate : int
        [Hz]
    frames : np.ndarray [shape=(n_frames, n_mels), dtype=float32]
        Log-mel frames [dB].
    hop_seconds : float
        From one frame to the next [s].
    times, values : np.ndarray [shape=(n,)]
        The score over time; see `mimii.monitoring.curve.curve`.
    """

    signal: np.ndarray
    sample_rate: int
    frames: np.ndarray
    hop_seconds: float
    times: np.ndarray
    values: np.ndarray

    @property
    def seconds(self) -> float:
        """Its length."""
        return len(self.signal) / self.sample_rate

    @property
    def extent(self) -> tuple[float, float]:
        """When its first frame begins and its last one ends, if each lasts until halfway to the next [s]."""
        return -self.hop_seconds / 2, (len(self.frames) - 0.5) * self.hop_seconds

    def place(self, finding: Finding) -> tuple[float, float]:
        """Where a region is drawn [s]: to the end of the picture, where it lasts to the end of the recording."""
        begin, end = self.extent
        return begin if finding.from_start else finding.begin, end if finding.to_end else finding.end


@dataclass(frozen=True, eq=False, kw_only=True)
class Nearest:
    """The healthy recording that a recording is most like.

    Attributes
    ----------
    path : str
        Where it was when the detector learnt from it.
    vector : np.ndarray [shape=(n_mels,)]
        Mean over time of its log-mel frames [dB].
    level, seconds : float
        Against full scale [dB], and its length.
    sound : Sound, or None
        None where it can't be shown any more.
    problem : str
        Why not; else empty.
    """

    path: str
    vector: np.ndarray
    level: float
    seconds: float
    sound: Sound | None
    problem: str


def listen(monitor: Monitor, path: str) -> Sound:
    """Read a recording as it is judged.

    Parameters
    ----------
    monitor : Monitor
    path : str

    Raises
    ------
    RecordingError
        It can't be judged.
    """
    detector = monitor.detector
    signal, rate = read_channel(Path(path), detector.features.channel)
    if rate != detector.sample_rate:
        raise RecordingError(f"{rate} Hz, but the model knows recordings of {detector.sample_rate} Hz")
    frames = frames_of_samples(signal, detector.model, detector.features, rate)
    times, values = curve(monitor, frames, signal)
    return Sound(
        signal=signal,
        sample_rate=rate,
        frames=frames,
        hop_seconds=detector.hop_seconds,
        times=times,
        values=values,
    )


def nearest(monitor: Monitor, sound: Sound, digest: str) -> Nearest:
    """The healthy recording that a sound is most like, other than the recording itself.

    It is the one of the least Euclidean distance of the mean levels of the bands, each in standard deviations between
    the healthy recordings.

    Parameters
    ----------
    monitor : Monitor
    sound : Sound
    digest : str
        Of the sound's file; see `mimii.data.content`.
    """
    healthy = monitor.healthy
    vectors = healthy.vectors.astype(np.float64)
    spread = np.maximum(vectors.std(axis=0), _LEAST_SPREAD)
    distances = np.linalg.norm((vectors - sound.frames.mean(axis=0, dtype=np.float64)) / spread, axis=1)
    is_other = healthy.digests != digest
    if is_other.any():
        distances[~is_other] = np.inf
    number = int(np.argmin(distances))
    found, problem = _found(monitor, number)
    return Nearest(
        path=str(healthy.paths[number]),
        vector=vectors[number],
        level=float(healthy.levels[number]),
        seconds=float(healthy.seconds[number]),
        sound=found,
        problem=problem,
    )


def _found(monitor: Monitor, number: int) -> tuple[Sound | None, str]:
    """A healthy recording, or why it can't be shown: its file may be gone, or hold something else."""
    path = healthy_file(monitor.healthy, number)
    if path is None:
        return None, "its file is no longer there, or no longer the one that was learnt from"
    try:
        return listen(monitor, str(path)), ""
    except RecordingError as error:
        return None, f"its file can't be shown: {error}"
