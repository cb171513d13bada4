"""A recording as a trained model takes it: its samples, its log-mel frames, and the windows of both."""

import os
from pathlib import Path

import numpy as np

from mimii.data.audio import RecordingError, read_channel
from mimii.data.machines import Machine
from mimii.errors import UserError
from mimii.features.joining import join_arrays
from mimii.features.logmel import log_mel
from mimii.features.origins import Origins
from mimii.features.windows import Samples, Windows
from mimii.models.base import Model
from mimii.settings import FeatureSettings

Recording = str | os.PathLike[str] | np.ndarray  # a path, or samples of the model's sample rate


def signal_of(
    recording: Recording, model: Model, features: FeatureSettings, sample_rate: int
) -> tuple[np.ndarray, np.ndarray]:
    """Samples and log-mel frames of a recording, which must be one that a model can judge.

    Parameters
    ----------
    recording : path or np.ndarray [shape=(n_samples,), dtype=int16 or float]
    model : Model
    features : FeatureSettings
    sample_rate : int
        That it must have; an array is taken to have it [Hz].

    Raises
    ------
    RecordingError
        It can't be read, has another sample rate, is too short or is not finite.
    UserError
        An array that can't be samples.
    """
    if isinstance(recording, np.ndarray):
        signal = _samples(recording)
        return signal, frames_of_samples(signal, model, features, sample_rate)
    try:
        signal, rate = read_channel(Path(recording), features.channel)
        if rate != sample_rate:
            raise RecordingError(f"{rate} Hz, but the model knows recordings of {sample_rate} Hz")
        return signal, frames_of_samples(signal, model, features, sample_rate)
    except RecordingError as error:
        raise RecordingError(f"{os.fspath(recording)}: {error}") from error


def _samples(array: np.ndarray) -> np.ndarray:
    """Samples as `read_channel` gives them: int16, or float32."""
    if array.ndim != 1:
        raise UserError(f"samples are an array of one dimension, not one of shape {array.shape}: choose one channel")
    if array.dtype == np.int16:
        return array.astype(np.int16)
    if not np.issubdtype(array.dtype, np.floating):
        raise UserError(f"samples are int16, or floats with full scale at 1, not {array.dtype}")
    if not np.isfinite(array).all():
        raise RecordingError("values that are not finite")
    return array.astype(np.float32)


def frames_of_samples(signal: np.ndarray, model: Model, features: FeatureSettings, sample_rate: int) -> np.ndarray:
    """Log-mel frames of samples, for a model to judge.

    Parameters
    ----------
    signal : np.ndarray [shape=(n_samples,), dtype=int16 or float32]
        As `mimii.data.audio.read_channel` gives it.
    model : Model
    features : FeatureSettings
    sample_rate : int
        [Hz]

    Returns
    -------
    np.ndarray [shape=(n_frames, n_mels), dtype=float32]
        [dB]

    Raises
    ------
    RecordingError
        They are too few or too large.
    """
    if len(signal) < features.n_fft:
        raise RecordingError(f"too short: {len(signal)} samples, and an FFT frame has {features.n_fft}")
    # a model that is no network is used without torch, whose import takes longer than all else
    with np.errstate(over="ignore", invalid="ignore"):
        frames = log_mel(signal, sample_rate, features, fft="torch" if model.uses_torch else "scipy")
    if len(frames) < model.frames:
        raise RecordingError(f"too short: {len(frames)} frames, and a window of the model has {model.frames}")
    if not np.isfinite(frames).all():
        raise RecordingError("values that are so large that the log-mel frames are not finite")
    return frames


def windows_of(
    parts: list[np.ndarray],
    length: int,
    machine: Machine | None = None,
    signals: list[np.ndarray] | None = None,
) -> Windows:
    """The windows of recordings of a machine.

    Parameters
    ----------
    parts : list of np.ndarray [shape=(n_frames, n_mels)]
        The frames of each recording.
    length : int > 0
        Frames in a window.
    machine : Machine, optional
        For a detector that knows several machines apart.
    signals : list of np.ndarray [shape=(n_samples,)], optional
        The samples of each recording, for a model that needs them.
    """
    begins = np.cumsum([0, *map(len, parts)])
    counts = [max(0, len(part) - length + 1) for part in parts]
    samples = None
    if signals is not None:
        offsets = np.cumsum([0, *map(len, signals)])
        samples = Samples(join_arrays(list(signals)), offsets)
    starts = [begin + np.arange(count) for begin, count in zip(begins, counts, strict=False)]
    return Windows(
        frames=np.concatenate(parts),
        starts=np.concatenate(starts),
        recording=np.repeat(np.arange(len(parts)), counts),
        length=length,
        samples=samples,
        origins=None if machine is None else Origins.of_machine(machine, len(parts)),
    )


def signal_parts(signal: np.ndarray, parts: list[np.ndarray], hop_length: int) -> list[np.ndarray]:
    """The samples of consecutive parts of a recording, which are given as their frames: (n_samples,) each.

    A frame's middle is at a multiple of the hop length, so that a part ends between the middles of two frames.
    """
    ends = (np.cumsum([len(part) for part in parts[:-1]]) - 0.5) * hop_length
    return np.split(signal, ends.astype(int))
