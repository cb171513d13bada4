"""Recordings as a detector hears them: their log-mel frames and, where it needs them, their samples."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mimii.data.audio import RecordingError, read_channel
from mimii.features.logmel import FULL_SCALE, log_mel
from mimii.runtime.processes import in_parallel
from mimii.settings import FeatureSettings

_CHUNK = 64  # recordings that a process is given at once
_SILENCE = 1e-16  # mean square of samples that counts as silence: the level stays a number


@dataclass(frozen=True)
class Heard:
    """A recording as a detector hears it.

    Attributes
    ----------
    path : str
    frames : np.ndarray [shape=(n_frames, n_mels), dtype=float32]
        [dB]
    sample_rate : int
        [Hz]
    seconds : float
    level : float
        See `level_of`.
    signal : np.ndarray [shape=(n_samples,), dtype=int16 or float32], optional
        Its samples, where the detector needs them.
    """

    path: str
    frames: np.ndarray
    sample_rate: int
    seconds: float
    level: float
    signal: np.ndarray | None = None


@dataclass(frozen=True, kw_only=True)
class Hearing:
    """How a detector hears recordings.

    Attributes
    ----------
    settings : FeatureSettings
    frames : int > 0
        The fewest that a recording must have.
    uses_torch : bool
        See `mimii.models.recording.frames_of_samples`.
    needs_samples : bool
        It needs the samples, too.
    """

    settings: FeatureSettings
    frames: int
    uses_torch: bool
    needs_samples: bool = False


@dataclass(frozen=True)
class _Chunk:
    """Some recordings for a process."""

    paths: list[str]
    hearing: Hearing

    @property
    def name(self) -> str:
        return f"features of {self.paths[0]} and {len(self.paths) - 1} more"


def level_of(signal: np.ndarray) -> float:
    """Root mean square of samples against full scale [dB].

    Parameters
    ----------
    signal : np.ndarray [shape=(n_samples,), dtype=int16 or float32]
        As `mimii.data.audio.read_channel` gives it. Silence is at -160 dB.
    """
    mean_square = float(np.mean(np.square(signal, dtype=np.float64))) / FULL_SCALE[signal.dtype.name] ** 2
    return 10 * float(np.log10(max(mean_square, _SILENCE)))


def hear(paths: list[str], hearing: Hearing, jobs: int) -> dict[str, Heard | str]:
    """Read recordings in parallel, and compute their log-mel frames.

    Parameters
    ----------
    paths : list of str
    hearing : Hearing
    jobs : int > 0
        Processes.

    Returns
    -------
    dict of str to (Heard or str)
        Each path with the recording, or with why it can't be used.
    """
    from tqdm import tqdm

    chunks = [_Chunk(paths[begin : begin + _CHUNK], hearing) for begin in range(0, len(paths), _CHUNK)]
    results: dict[str, Heard | str] = {}
    with tqdm(total=len(paths), desc="features", unit="rec", disable=None, leave=False) as progress:
        for heard in in_parallel(_hear_chunk, chunks, jobs):
            results |= heard
            progress.update(len(heard))
    return results


def _hear_chunk(chunk: _Chunk) -> dict[str, Heard | str]:
    return {path: _hear(path, chunk.hearing) for path in chunk.paths}


def _hear(path: str, hearing: Hearing) -> Heard | str:
    settings = hearing.settings
    try:
        signal, sample_rate = read_channel(Path(path), settings.channel)
    except RecordingError as error:
        return str(error)
    if len(signal) < settings.n_fft:
        return f"too short: {len(signal)} samples, and an FFT frame has {settings.n_fft}"
    if (signal == signal[0]).all():
        return "digital silence: all samples are the same"
    with np.errstate(over="ignore", invalid="ignore"):
        frames = log_mel(signal, sample_rate, settings, fft="torch" if hearing.uses_torch else "scipy")
    if len(frames) < hearing.frames:
        return f"too short: {len(frames)} frames, and a window has {hearing.frames}"
    if not np.isfinite(frames).all():
        return "values that are so large that the log-mel frames are not finite"
    kept = signal if hearing.needs_samples else None
    return Heard(path, frames, sample_rate, len(signal) / sample_rate, level_of(signal), kept)
