"""What somebody at the microphone would remark on a recording, whatever the machine sounds like."""

import numpy as np

from mimii.features.logmel import FULL_SCALE
from mimii.monitoring.healthy import Healthy
from mimii.monitoring.heard import level_of

_LEVEL = 6.0  # dB beyond all training recordings
_LENGTH = 2.0  # times as long as the longest training recording, or of the shortest as long as this
_NEAR_FULL_SCALE = 0.999
_RUN = 3  # samples at full scale, one after the other; a peak that just reaches it has fewer
_STILL = 0.05  # s in which no sample differs from the one before


def remarks(signal: np.ndarray, sample_rate: int, healthy: Healthy) -> list[str]:
    """What makes a recording doubtful, in whole phrases, each with what to look after.

    Parameters
    ----------
    signal : np.ndarray [shape=(n_samples,), dtype=int16 or float32]
        As `mimii.data.audio.read_channel` gives it, one sample at least.
    sample_rate : int
        [Hz]
    healthy : Healthy
    """
    found = [_level(level_of(signal), healthy.levels), _clipping(signal), _gaps(signal, sample_rate)]
    found.append(_length(len(signal) / sample_rate, healthy.seconds))
    return [remark for remark in found if remark]


def is_silent(signal: np.ndarray) -> bool:
    """Tell whether no sample differs from another: nothing was recorded."""
    return bool((signal == signal[:1]).all())


def _level(level: float, levels: np.ndarray) -> str:
    loudest, quietest = float(levels.max()), float(levels.min())
    if level > loudest + _LEVEL:
        how = f"{level - loudest:.0f} dB louder than the loudest"
    elif level < quietest - _LEVEL:
        how = f"{quietest - level:.0f} dB quieter than the quietest"
    else:
        return ""
    return f"{how} training recording: are the microphone and its gain as they were?"


def _clipping(signal: np.ndarray) -> str:
    most = _NEAR_FULL_SCALE * FULL_SCALE[signal.dtype.name]
    if max(float(signal.max()), -float(signal.min())) < most:
        return ""
    is_full = (signal >= most) | (signal <= -most)
    begins, ends = _runs(is_full)
    lengths = ends - begins
    count = int(lengths[lengths >= _RUN].sum())
    return f"clipped: {count:,} samples are at full scale: turn the recorder's gain down" if count else ""


def _gaps(signal: np.ndarray, sample_rate: int) -> str:
    begins, ends = _runs(signal[1:] == signal[:-1])
    ends += 1  # the last sample is as the one before
    is_gap = ends - begins >= max(2, _STILL * sample_rate)
    if not is_gap.any():
        return ""
    gaps = np.stack([begins, ends], axis=1)[is_gap] / sample_rate
    lengths = gaps[:, 1] - gaps[:, 0]
    begin, end = gaps[lengths.argmax()]
    return (
        f"digital silence for {lengths.sum():.1f} s, such as from {begin:.1f} to {end:.1f} s: does the recorder "
        "drop samples?"
    )


def _runs(is_set: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the runs of neighbours that are set begin, and where they end; the end is excluded."""
    borders = np.flatnonzero(np.diff(is_set, prepend=False, append=False))
    return borders[::2], borders[1::2]


def _length(seconds: float, known: np.ndarray) -> str:
    shortest, longest = float(known.min()), float(known.max())
    if shortest <= _LENGTH * seconds and seconds <= _LENGTH * longest:
        return ""
    usual = f"{shortest:.1f} s" if round(shortest, 1) == round(longest, 1) else f"{shortest:.1f} to {longest:.1f} s"
    return f"{seconds:.1f} s long, and the training recordings {usual}: its score is not quite comparable"
