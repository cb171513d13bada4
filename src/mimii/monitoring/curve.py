"""The score over time: when in a recording a machine sounds most unusual."""

import numpy as np

from mimii.monitoring.monitor import Monitor

_SECONDS = 1.0  # about, of a part of a recording that is scored by itself


def curve(
    monitor: Monitor, frames: np.ndarray, signal: np.ndarray | None = None, fewest: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """The score of each part of about one second, as if the part were a recording; each overlaps the next by half.

    The values are to be compared with ``healthy.curve_threshold``, not with the alarm's threshold: short recordings
    vary more.

    Parameters
    ----------
    monitor : Monitor
    frames : np.ndarray [shape=(n_frames, n_mels), dtype=float32]
        Log-mel frames of a recording, no fewer than a window of the model has [dB].
    signal : np.ndarray [shape=(n_samples,)], optional
        Its samples, which some detectors need.
    fewest : int > 0
        Frames in a part at least; never fewer than in a window of the model.

    Returns
    -------
    times : np.ndarray [shape=(n,)]
        The middle of each part [s].
    values : np.ndarray [shape=(n,), dtype=float64]
    """
    seconds = monitor.detector.hop_seconds
    length = min(len(frames), max(fewest, monitor.detector.model.frames, round(_SECONDS / seconds)))
    begins = [*range(0, len(frames) - length, max(1, length // 2)), len(frames) - length]
    signals = None
    if signal is not None:
        # from halfway before the middle of a part's first frame to halfway behind that of its last one
        places = (np.array([[begin, begin + length] for begin in begins]) - 0.5) * monitor.detector.features.hop_length
        places[0, 0], places[-1, 1] = 0, len(signal)
        signals = [signal[first:last] for first, last in places.astype(int)]
    values = monitor.scores([frames[begin : begin + length] for begin in begins], signals)
    return (np.array(begins) + (length - 1) / 2) * seconds, values
