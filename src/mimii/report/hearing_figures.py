"""The figure of what a model finds unusual in a recording."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.image import AxesImage

from mimii.drawing import ABNORMAL, NORMAL, drawing
from mimii.features.logmel import mel_frequencies
from mimii.report.figure import Figure, thousands
from mimii.report.listening import Hearing
from mimii.report.texts import figure_title, synthetic_note


def hearing(heard: Sequence[Hearing], is_synthetic: bool) -> list[Figure]:
    """Log-mel spectrograms above the anomaly score over time: of a normal and of an abnormal recording."""
    if not heard:
        return []
    machine, model = heard[0].machine, heard[0].model
    with drawing(grid=False):
        canvas = _draw(heard)
        canvas.suptitle(figure_title(f"What {model} hears: {machine}", is_synthetic), fontsize=10)
    means = ", ".join(f"the mean score of the {one.label} one is {one.scores.mean():.3g}" for one in heard)
    return [
        Figure(
            name="hearing",
            title="What the model hears",
            caption=f"Log-mel spectrograms of recordings of {machine}, and below them the anomaly score of each "
            f"window by {model}. The dashed line is the mean, the score of the recording: the normal recording is "
            f"the one of the median score, the abnormal one that of the highest.{synthetic_note(is_synthetic)}",
            alt=f"Spectrograms of {len(heard)} recordings of {machine} above the anomaly score of {model} over "
            f"time; {means}.",
            canvas=canvas,
        )
    ]


def _draw(heard: Sequence[Hearing]) -> Canvas:
    canvas = Canvas(figsize=(4.0 * len(heard), 4.4), layout="constrained")
    axes: np.ndarray = canvas.subplots(2, len(heard), squeeze=False, sharex="col", sharey="row", height_ratios=(2, 1))
    low, high = np.percentile(np.concatenate([one.frames for one in heard]), [1, 99.8])
    for (top, bottom), one in zip(axes.T, heard, strict=True):
        image = _draw_spectrogram(top, one, low, high)
        _draw_scores(bottom, one)
    frequencies, bands = _hertz(heard[0])
    axes[0, 0].set_yticks(bands, [thousands(value) for value in frequencies])
    axes[0, 0].set_ylabel("Frequency [Hz]")
    axes[1, 0].set_ylabel("Anomaly score")
    lowest, highest = axes[1, 0].get_ylim()
    axes[1, 0].set_ylim(lowest, highest + 0.15 * (highest - lowest))
    canvas.colorbar(image, ax=list(axes[0]), label="Level [dB]", pad=0.01)
    return canvas


def _draw_spectrogram(axes: Axes, one: Hearing, low: float, high: float) -> AxesImage:
    axes.set_title(f"{one.label}: {Path(one.path).name}", fontsize=9)
    return axes.imshow(
        one.frames.T,
        origin="lower",
        aspect="auto",
        cmap="magma",
        vmin=low,
        vmax=high,
        extent=(0, len(one.frames) * one.hop_seconds, -0.5, one.frames.shape[1] - 0.5),
    )


def _draw_scores(axes: Axes, one: Hearing) -> None:
    mean = one.scores.mean()
    axes.plot(one.times, one.scores, color=ABNORMAL if one.label == "abnormal" else NORMAL, linewidth=0.8)
    axes.axhline(mean, color="0.25", linestyle="--", linewidth=1)
    axes.text(0.99, 0.95, f"mean {mean:.3g}", transform=axes.transAxes, ha="right", va="top", fontsize=8)
    axes.set(xlabel="Time [s]", xlim=(0, len(one.frames) * one.hop_seconds))
    axes.grid(color="0.92")


def _hertz(one: Hearing) -> tuple[np.ndarray, np.ndarray]:
    """Round frequencies, and the mel bands that they are in."""
    centres = mel_frequencies(one.frames.shape[1] + 2, one.sample_rate / 2)[1:-1]
    wanted = np.array([250, 500, 1000, 2000, 4000, 8000, 16000])
    wanted = wanted[(wanted >= centres[0]) & (wanted <= centres[-1])]
    return wanted, np.interp(wanted, centres, np.arange(len(centres)))
