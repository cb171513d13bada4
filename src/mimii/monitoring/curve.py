"""The score over time: when in a recording a machine sounds most unusual."""

import numpy as np

from mimii.monitoring.monitor import Monitor

_SECONDS = 1.0  # about, of a part of a recording that is scored by itself


def curve(monitor: Monitor, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The score of each part of about one second, as if the part were a recording; each overlaps the next by half.

    The values are to be compared with ``healthy.curve_threshold``, not with the alarm's threshold: short recordings
    vary more.

    Parameters
    ----------
    monitor : Monitor
    frames : np.ndarray [shape=(n_frames, n_mels), dtype=float32]
        Log-mel frames of a recording, no fewer than a window of the model has [dB].

    Returns
    -------
    times : np.ndarray [shape=(n,)]
        The middle of each part [s].
    values : np.ndarray [shape=(n,), dtype=float64]
    """
    seconds = monitor.detector.hop_seconds
    length = min(len(frames), max(monitor.detector.model.frames, round(_SECONDS / seconds)))
    begins = [*range(0, len(frames) - length, max(1, length // 2)), len(frames) - length]
    values = monitor.scores([frames[begin : begin + length] for begin in begins])
    return (np.array(begins) + (length - 1) / 2) * seconds, values
