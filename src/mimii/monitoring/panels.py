"""What the pages that play sounds have in common: pictures of spectrograms, and places on their axes."""

import io
from collections.abc import Iterable

import numpy as np

from mimii.drawing import COLOUR_MAP
from mimii.monitoring.picture import frequency_ticks

_COLUMNS = 2000  # of the picture of a spectrogram at most; it is shown in a quarter of that
_PHONE = 0.2  # of the width of a phone, that the name of a frequency takes


def spectrogram(frames: np.ndarray, scale: tuple[float, float]) -> bytes:
    """A spectrogram as a PNG without axes; of a long recording each column is the mean of several frames.

    Parameters
    ----------
    frames : np.ndarray [shape=(n_frames, n_mels)]
        [dB]
    scale : tuple of float
        What the lowest and the highest colour stand for [dB].
    """
    from matplotlib.image import imsave

    if len(frames) > _COLUMNS:
        begins = np.linspace(0, len(frames), _COLUMNS, endpoint=False).astype(int)
        sizes = np.diff([*begins, len(frames)])
        frames = np.add.reduceat(frames, begins, axis=0, dtype=np.float64) / sizes[:, None]
    file = io.BytesIO()
    imsave(file, frames.T, origin="lower", cmap=COLOUR_MAP, vmin=scale[0], vmax=scale[1], format="png")
    return file.getvalue()


def curve_points(
    times: Iterable[float], values: Iterable[float], extent: tuple[float, float], score_range: tuple[float, float]
) -> list[str]:
    """The score over time as points of an SVG of 100 x 100, which is so wide and so high.

    Parameters
    ----------
    times, values : iterable of float
    extent, score_range : tuple of float
        What the left and the right edge stand for, and the lower and the upper one.
    """
    (begin, end), (low, high) = extent, score_range
    return [
        f"{100 * (time - begin) / (end - begin):.2f} {100 * (high - value) / (high - low):.2f}"
        for time, value in zip(times, values, strict=True)
    ]


def percent(value: float, low: float, high: float) -> str:
    """Where a value is in a range, in percent, for a style sheet."""
    return f"{100 * (value - low) / (high - low):.3f}"


def round_numbers(low: float, high: float, most: int) -> list[float]:
    """Round numbers in a range, no more than that."""
    rough = (high - low) / most
    power = 10.0 ** np.floor(np.log10(rough))
    step = float(next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9)))
    return [round(number * step, 9) for number in range(int(np.ceil(low / step)), int(np.floor(high / step)) + 1)]


def frequencies(edges: np.ndarray) -> list[tuple[str, str, bool]]:
    """Where round frequencies are, in words, and whether they are too close to others for the width of a phone.

    Parameters
    ----------
    edges : np.ndarray [shape=(n_mels + 1,)]
        Where one mel band ends and the next begins [Hz].
    """
    found: list[tuple[str, str, bool]] = []
    last, count = float("inf"), len(edges) - 1
    for place, text in frequency_ticks(edges):
        is_close = last - place < _PHONE * count
        last = last if is_close else place
        found.append((percent(place, 0, count), f"{text}Hz" if text.endswith("k") else f"{text} Hz", is_close))
    return found
