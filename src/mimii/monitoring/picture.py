"""The picture of an explanation: spectrograms, the score over time, and the bands against the healthy range."""

import textwrap
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Patch, Rectangle
from matplotlib.patheffects import withStroke

from mimii.drawing import ABNORMAL, COLOUR_MAP, NORMAL, drawing
from mimii.monitoring import telling
from mimii.monitoring.explaining import Bands, Explanation
from mimii.monitoring.finding import Finding
from mimii.monitoring.hearing import Sound
from mimii.storage.files import whole_file

_LINE = 140  # letters of the title that fit beside each other
_POINTS = 500  # of the score over time at most
_HALO = [withStroke(linewidth=3, foreground="black")]  # so that a line is seen on any colour


def write_picture(explanation: Explanation, path: Path) -> None:
    """Write the picture as a PNG, whole or not at all."""
    with drawing(grid=False):
        figure = draw(explanation)
        with whole_file(path) as temporary:
            figure.savefig(temporary, format="png")


def draw(explanation: Explanation) -> Figure:
    """Draw an explanation.

    At the top the spectrogram of the recording, with the regions in which it differs, and beside it that of the
    nearest healthy recording; below them the score over time; at the bottom the mean level of each band.
    """
    figure = Figure(figsize=(12, 8.4), layout="constrained")
    grid = figure.add_gridspec(3, 2, height_ratios=(3, 1.4, 2.1))
    top, beside = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[0, 1])
    score, score_beside = figure.add_subplot(grid[1, 0]), figure.add_subplot(grid[1, 1])
    below = figure.add_subplot(grid[2, :])
    bands, sound, nearest = explanation.bands, explanation.sound, explanation.nearest
    figure.suptitle(_title(explanation), fontsize=11, x=0.01, ha="left", linespacing=1.3)

    top.set_title(f"This recording: {telling.short(Path(explanation.judgement.path).name, 50)}", loc="left")
    image = _draw_spectrogram(top, sound, bands, explanation.scale)
    for number, finding in enumerate(explanation.judgement.findings, 1):
        _outline(top, explanation, finding, str(number))
    _draw_score(score, explanation, sound)
    beside.set_title(f"The nearest healthy one: {telling.short(Path(nearest.path).name, 50)}", loc="left")
    if nearest.sound is None:
        score_beside.set_axis_off()
        beside.set_axis_off()
        text = f"It is not shown: {nearest.problem}.\nIts mean level is the dotted line below."
        beside.text(0.5, 0.5, text, ha="center", va="center", transform=beside.transAxes, wrap=True)
    else:
        _draw_spectrogram(beside, nearest.sound, bands, explanation.scale)
        _draw_score(score_beside, explanation, nearest.sound)
    top.set_ylabel("Frequency [Hz]")
    score.set_ylabel("Score over time")
    figure.colorbar(image, ax=[top, beside], label="Level [dB]", pad=0.01, aspect=30)
    _draw_bands(figure, below, explanation)
    return figure


def _title(explanation: Explanation) -> str:
    abnormal = telling.is_abnormal(explanation)
    name = telling.short(Path(explanation.judgement.path).name, 100)
    sure = telling.sureness(explanation)
    lines = [f"{'ABNORMAL' if abnormal else 'Normal'}: {name}"]
    lines.append(f"{sure} {telling.moment(explanation)}" if abnormal else sure)
    lines += [f"{number}. {text}" for number, (text, _) in enumerate(telling.differences(explanation), 1)]
    if not explanation.judgement.findings:
        lines.append(telling.no_difference(explanation))
    lines += [f"Warning: {text}" for text in telling.cautions(explanation)]
    return "\n".join(part for line in lines for part in textwrap.wrap(line, _LINE))


def frequency_ticks(edges: np.ndarray) -> list[tuple[float, str]]:
    """Round frequencies that are far enough apart on the axis of mel bands: where they are, and in words.

    Parameters
    ----------
    edges : np.ndarray [shape=(n_mels + 1,)]
        Where one band ends and the next begins [Hz].
    """
    highest = float(edges[-1])
    round_ones = [step * 10.0**power for power in range(6, -1, -1) for step in (5, 2, 1)]
    ticks: list[tuple[float, str]] = []
    least = 0.07 * (len(edges) - 1)
    for hertz in round_ones:
        place = float(np.interp(hertz, edges, np.arange(len(edges))))
        if hertz < highest and place > least / 2 and (not ticks or ticks[-1][0] - place >= least):
            ticks.append((place, f"{hertz / 1000:g} k" if hertz >= 1000 else f"{hertz:g}"))
    return ticks


def _draw_spectrogram(axes: Axes, sound: Sound, bands: Bands, scale: tuple[float, float]) -> AxesImage:
    count = sound.frames.shape[1]
    image = axes.imshow(
        sound.frames.T,
        origin="lower",
        aspect="auto",
        cmap=COLOUR_MAP,
        vmin=scale[0],
        vmax=scale[1],
        extent=(*sound.extent, 0, count),
    )
    ticks = frequency_ticks(bands.edges)
    axes.set_yticks([place for place, _ in ticks], [text for _, text in ticks])
    axes.set_xlim(*sound.extent)
    return image


def _outline(axes: Axes, explanation: Explanation, finding: Finding, name: str) -> None:
    """Draw a line around a region, dashed where it is quieter than usual, and its number."""
    bands = explanation.bands
    low, high = bands.position(finding.low_hz), bands.position(finding.high_hz)
    begin, end = explanation.sound.place(finding)
    line = Rectangle((begin, low), end - begin, high - low, fill=False, edgecolor="white")
    line.set(linewidth=1.4, linestyle="-" if finding.difference_db > 0 else "--", path_effects=_HALO, clip_on=False)
    axes.add_patch(line)
    is_at_top = high > 0.9 * (len(bands.edges) - 1)
    axes.annotate(
        name,
        (begin, high),
        xytext=(3, -4 if is_at_top else 4),
        textcoords="offset points",
        ha="left",
        va="top" if is_at_top else "bottom",
        fontsize=8,
        bbox={"boxstyle": "round,pad=0.2", "facecolor": "white", "edgecolor": "black", "linewidth": 0.8},
    )


def lengthened(sound: Sound) -> tuple[np.ndarray, np.ndarray]:
    """The score over time, to the ends of the recording: the first and the last value are those of a whole part.

    Of a long recording each point is the highest of several values, so that none above the threshold is lost.
    """
    begin, end = sound.extent
    size = -(-len(sound.values) // _POINTS)
    begins = np.arange(0, len(sound.values), size)
    times = np.add.reduceat(sound.times, begins) / np.diff([*begins, len(sound.values)])
    values = np.maximum.reduceat(sound.values, begins)
    return np.array([begin, *times, end]), np.array([values[0], *values, values[-1]])


def _draw_score(axes: Axes, explanation: Explanation, sound: Sound) -> None:
    threshold = explanation.monitor.healthy.curve_threshold
    times, values = lengthened(sound)
    axes.plot(times, values, color=NORMAL, linewidth=1.2)
    axes.fill_between(times, values, threshold, where=values > threshold, interpolate=True, color=ABNORMAL, alpha=0.5)
    axes.axhline(threshold, color="0.25", linestyle="--", linewidth=1)
    is_low = threshold < np.mean(explanation.score_range)  # then there is more room above the line
    axes.annotate(
        "threshold",
        (1, threshold),
        xycoords=("axes fraction", "data"),
        xytext=(-3, 2 if is_low else -2),
        textcoords="offset points",
        ha="right",
        va="bottom" if is_low else "top",
        color="0.25",
        fontsize=8,
    )
    axes.set(xlabel="Time [s]", xlim=sound.extent, ylim=explanation.score_range)
    axes.grid(color="0.92")
    axes.set_axisbelow(True)


def _draw_bands(figure: Figure, axes: Axes, explanation: Explanation) -> None:
    bands = explanation.bands
    edges = np.arange(len(bands.edges))
    axes.stairs(bands.high, edges, baseline=bands.low, fill=True, color="0.85", label="9 of 10 healthy recordings")
    axes.stairs(bands.mean, edges, baseline=None, color="0.35", linestyle="--", label="mean of the healthy recordings")
    vector = explanation.nearest.vector
    axes.stairs(vector, edges, baseline=None, color="0.35", linestyle=":", label="the nearest healthy recording")
    colour = ABNORMAL if telling.is_abnormal(explanation) else NORMAL
    axes.stairs(bands.levels, edges, baseline=None, color=colour, linewidth=1.6, label="this recording")
    for number, finding in enumerate(explanation.judgement.findings, 1):
        low, high = bands.position(finding.low_hz), bands.position(finding.high_hz)
        axes.axvspan(low, high, color=ABNORMAL, alpha=0.12, linewidth=0)
        axes.text((low + high) / 2, 1, str(number), transform=axes.get_xaxis_transform(), ha="center", va="bottom")
    ticks = frequency_ticks(bands.edges)
    axes.set_xticks([place for place, _ in ticks], [text for _, text in ticks])
    axes.set(xlabel="Frequency [Hz]", ylabel="Mean level [dB]", xlim=(0, edges[-1]))
    axes.grid(color="0.92")
    axes.set_axisbelow(True)
    handles, labels = axes.get_legend_handles_labels()
    if explanation.judgement.findings:
        handles.append(Patch(color=ABNORMAL, alpha=0.12))
        labels.append("bands that differ")
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize=8)
