"""Figures of what the best detector hears: for papers, where nothing can be played."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.image import AxesImage

from mimii.drawing import ABNORMAL, COLOUR_MAP, NORMAL, drawing
from mimii.features.logmel import band_edges
from mimii.monitoring.hearing import Sound
from mimii.monitoring.picture import frequency_ticks, lengthened
from mimii.monitoring.telling import short
from mimii.report.figure import Figure
from mimii.report.hearing import NAMES, colour_scale, score_range, sentence
from mimii.report.listening import Clip
from mimii.report.picks import BEST, ONLY, WORST
from mimii.report.texts import figure_title, synthetic_note

_HOW_WELL = {ONLY: "", BEST: ", which it hears best", WORST: ", which it hears worst"}


def hearing(clips: Sequence[Clip], is_synthetic: bool) -> list[Figure]:
    """Log-mel spectrograms above the score over time: of a healthy and of a faulty recording of two machines."""
    figures = []
    for group, name in ((ONLY, "hearing"), (BEST, "hearing"), (WORST, "hearing_worst")):
        of_group = [clip for clip in clips if clip.pick.group == group and clip.sound is not None]
        if of_group:
            figures.append(_figure(of_group, group, name, is_synthetic))
    return figures


def _figure(clips: Sequence[Clip], group: str, name: str, is_synthetic: bool) -> Figure:
    pick = clips[0].pick
    machine, model = pick.machine, str(pick.row["label"])
    with drawing(grid=False):
        canvas = _draw(clips)
        canvas.suptitle(figure_title(f"What {model} hears: {machine}", is_synthetic), fontsize=10)
    has_curve = any(clip.has_curve for clip in clips)
    below = f", and below them the score over time by {model}" if has_curve else ""
    line = ""
    if clips[0].compared:
        line = (
            " It is that of parts of about a second, and no more than one of "
            f"{clips[0].compared} healthy recordings goes above the dashed line anywhere."
        )
    elif has_curve:
        line = " It is that of each window. The dashed line is the threshold for the score of the whole recording."
    says = " ".join(f"{NAMES[clip.pick.label].capitalize()}: {sentence(clip.pick)}" for clip in clips)
    return Figure(
        name=name,
        title="What the detector hears",
        caption=f"Log-mel spectrograms of recordings of {machine}{_HOW_WELL[group]}{below}.{line} The recordings are "
        f"those of the median score. {says}{synthetic_note(is_synthetic)}",
        alt=f"Spectrograms of {' and '.join(f'a {NAMES[clip.pick.label]}' for clip in clips)} recording of "
        f"{machine}{below}. {says}",
        canvas=canvas,
    )


def _draw(clips: Sequence[Clip]) -> Canvas:
    sounds = [clip.sound for clip in clips if clip.sound is not None]
    has_curve = any(clip.has_curve for clip in clips)
    canvas = Canvas(figsize=(4.0 * max(len(clips), 1.2), 4.4 if has_curve else 3.0), layout="constrained")
    ratios = (2, 1) if has_curve else (1,)
    axes: np.ndarray = canvas.subplots(
        len(ratios), len(clips), squeeze=False, sharex="col", sharey="row", height_ratios=ratios
    )
    scale = colour_scale(sounds)
    for column, clip, sound in zip(axes.T, clips, sounds, strict=True):
        image = _draw_spectrogram(column[0], clip, sound, scale)
        if has_curve:
            _draw_score(column[1], clip, sound, score_range(clips))
        column[-1].set_xlabel("Time [s]")
    axes[0, 0].set_ylabel("Frequency [Hz]")
    if has_curve:
        axes[1, 0].set_ylabel("Anomaly score")
    canvas.colorbar(image, ax=list(axes[0]), label="Level [dB]", pad=0.01)
    return canvas


def _draw_spectrogram(axes: Axes, clip: Clip, sound: Sound, scale: tuple[float, float]) -> AxesImage:
    axes.set_title(f"{NAMES[clip.pick.label]}: {short(Path(clip.pick.path).name, 40)}", fontsize=9)
    ticks = frequency_ticks(band_edges(sound.frames.shape[1], sound.sample_rate))
    axes.set_yticks([place for place, _ in ticks], [text for _, text in ticks])
    return axes.imshow(
        sound.frames.T,
        origin="lower",
        aspect="auto",
        cmap=COLOUR_MAP,
        vmin=scale[0],
        vmax=scale[1],
        extent=(*sound.extent, 0, sound.frames.shape[1]),
    )


def _draw_score(axes: Axes, clip: Clip, sound: Sound, limits: tuple[float, float]) -> None:
    axes.set(xlim=sound.extent, ylim=limits)
    axes.grid(color="0.92")
    if not clip.has_curve:
        axes.text(0.5, 0.5, "no score over time", ha="center", va="center", transform=axes.transAxes)
        return
    times, values = lengthened(sound)
    axes.plot(times, values, color=NORMAL, linewidth=0.9)
    if np.isfinite(clip.level):
        axes.axhline(clip.level, color="0.25", linestyle="--", linewidth=1)
        axes.fill_between(
            times, values, clip.level, where=values > clip.level, interpolate=True, color=ABNORMAL, alpha=0.5
        )
