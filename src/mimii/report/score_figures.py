"""The figures of anomaly scores: a dot for each recording."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from mimii.data.machines import LABELS, MACHINE
from mimii.drawing import ABNORMAL, NORMAL, drawing
from mimii.report.figure import NARROW, WIDE, Figure, legend_below, set_title
from mimii.report.loading import Results
from mimii.report.ranking import best_models, highest_of
from mimii.report.rows import has_seeds, machines_only
from mimii.report.snr import at_snr, by_snr
from mimii.report.texts import name_of, synthetic_note
from mimii.storage.schema import MINUS

_TICKS = [1, 3, 10, 30, 100, 300, 1000, 3000, 10000, 100000, 1000000]
_LONG = 14  # machines; more stand in two columns
_LOOKS = {"normal": (NORMAL, "o", -0.19), "abnormal": (ABNORMAL, "^", 0.19)}  # colour, marker, distance from the line
_MANY = 5000  # dots, from which on they are a picture within a PDF


@dataclass
class _Dots:
    """The scores of a machine, in standard deviations of its normal ones from its threshold on.

    Attributes
    ----------
    machine : str
    auc : float
    normal, abnormal : np.ndarray
    has_threshold : bool
        Without one they are counted from the median of the normal ones.
    """

    machine: str
    auc: float
    normal: np.ndarray
    abnormal: np.ndarray
    has_threshold: bool

    @classmethod
    def of(cls, row: dict[Any, Any], scores: pd.DataFrame) -> "_Dots":
        """Those of a row of results."""
        normal, abnormal = (scores.loc[scores["label"] == label, "score"].to_numpy(dtype=float) for label in LABELS)
        has_threshold = bool(np.isfinite(row["threshold"]))
        origin = row["threshold"] if has_threshold else np.median(normal)
        spread = np.std(normal) or np.std(scores["score"]) or 1.0
        name = f"{row['machine_type']} {row['machine_id']}".replace("_", " ").strip()
        return cls(name, row["auc"], (normal - origin) / spread, (abnormal - origin) / spread, has_threshold)


def score_dots(results: Results, metric: str) -> list[Figure]:
    """Scores of normal and abnormal recordings of each machine, by the best model; one figure at each SNR."""
    rows = results.scored
    if rows.empty:
        return []
    order = best_models(machines_only(results.detection), metric)
    label = next((name for name in order if (rows["label"] == name).any()), rows["label"].iloc[0])
    which = f", the model of {highest_of(order, [label], metric)}"
    rows = rows[rows["label"] == label]
    if has_seeds(rows):
        which += ". Of several seeds the first is shown"
    rows = rows.drop_duplicates(MACHINE)
    return [_figure(results, label, which, snr, at_level) for snr, at_level in by_snr(rows)]


def _figure(results: Results, label: str, which: str, snr: str, rows: pd.DataFrame) -> Figure:
    dots = [_Dots.of(row, results.scores[row["run_id"]]) for row in rows.to_dict("records")]
    dots.sort(key=lambda one: -one.auc if np.isfinite(one.auc) else np.inf)
    title = f"Anomaly scores of {label}{at_snr(snr)}"
    with drawing():
        canvas, narrow = _draw(dots, is_narrow=False), _draw(dots, is_narrow=True)
        for one in (canvas, narrow):
            set_title(one, title, is_synthetic=results.is_synthetic)
    known = [one for one in dots if one.has_threshold]
    line = "The vertical line is the threshold." if known else "No threshold is known: zero is the normal ones' median."
    if 0 < len(known) < len(dots):
        line += " Of machines without one zero is the normal ones' median."
    return Figure(
        name=name_of("scores", snr),
        title=title,
        caption=f"Anomaly scores of each normal and each abnormal recording{at_snr(snr)}, by {label}{which}. Of each "
        f"machine they are counted from its threshold on, in standard deviations of its normal scores. {line} The "
        f"axis is linear near zero and logarithmic beyond; machines are sorted by AUC, the hardest is the last."
        f"{synthetic_note(results.is_synthetic)}",
        alt=f"{title}, a dot for each recording, {len(dots)} machines. {_finding(dots)}",
        canvas=canvas,
        narrow=narrow,
    )


def _finding(dots: Sequence[_Dots]) -> str:
    """What the dots show, in sentences."""
    judged = [one for one in dots if np.isfinite(one.auc)]
    found = []
    if judged:
        best, worst = judged[0], judged[-1]
        found.append(
            f"Best separated is {best.machine} with an AUC of {best.auc:.2f}, worst {worst.machine} with "
            f"{worst.auc:.2f}."
        )
    if known := [one for one in dots if one.has_threshold]:
        abnormal, normal = (np.concatenate([getattr(one, label) for one in known]) for label in LABELS[::-1])
        found.append(
            f"Above the thresholds are {(abnormal > 0).sum()} of {len(abnormal)} abnormal recordings and "
            f"{(normal > 0).sum()} of {len(normal)} normal ones."
        )
    return " ".join(found)


def _draw(dots: Sequence[_Dots], *, is_narrow: bool) -> Canvas:
    columns = 1 if is_narrow or len(dots) <= _LONG else 2
    length = -(-len(dots) // columns)
    canvas = Canvas(figsize=(NARROW if is_narrow else WIDE, 1.3 + 0.34 * length), layout="constrained")
    all_axes = list(canvas.subplots(1, columns, squeeze=False, sharex=True).flat)
    for number, axes in enumerate(all_axes):
        _draw_column(axes, dots[number * length : (number + 1) * length], length, is_short=is_narrow or columns > 1)
    values = np.concatenate([values for one in dots for values in (one.normal, one.abnormal)])
    _scale(all_axes[0], values, has_room=not is_narrow and columns == 1)
    for axes in all_axes:
        axes.set_xlabel("Distance from the threshold\n[standard deviations of the normal scores]")
    legend_below(canvas, all_axes)
    return canvas


def _draw_column(axes: Axes, dots: Sequence[_Dots], length: int, *, is_short: bool) -> None:
    """A line for each machine: normal recordings in its upper half, abnormal ones in its lower half."""
    places = np.arange(len(dots))
    known = [place for place, one in zip(places, dots, strict=True) if one.has_threshold]
    count = sum(len(one.normal) + len(one.abnormal) for one in dots)
    for label, (colour, marker, distance) in _LOOKS.items():
        values = [getattr(one, label) for one in dots]
        heights = [place + distance + _jitter(len(some)) for place, some in zip(places, values, strict=True)]
        axes.scatter(
            *(np.concatenate(values), np.concatenate(heights)),
            s=14 if count < 1500 else 7,
            marker=marker,
            facecolor=colour if label == "abnormal" else "none",
            edgecolor=colour,
            linewidth=0.7,
            alpha=0.75,
            label=label,
            rasterized=count > _MANY,
        )
    places_from, places_to = (np.array(known) + side for side in (-0.5, 0.5))
    axes.vlines(np.zeros(len(known)), places_from, places_to, color="black", linewidth=1.6, label="threshold")
    axes.set_yticks(places, [one.machine for one in dots], fontsize=8)
    axes.set_ylim(length - 0.5, -0.9)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.hlines(places[1:] - 0.5, 0, 1, transform=axes.get_yaxis_transform(), color="0.88", linewidth=0.6)
    beside = {-0.7: "AUC" if is_short else "AUC; above the threshold:\nabnormal, normal"}
    beside |= {float(place): _numbers(one, is_short) for place, one in zip(places, dots, strict=True)}
    for place, text in beside.items():
        axes.text(1.01, place, text, transform=axes.get_yaxis_transform(), fontsize=8, va="center")


def _numbers(one: _Dots, is_short: bool) -> str:
    """What stands beside a line."""
    auc = f"{one.auc:.2f}" if np.isfinite(one.auc) else ""
    if is_short or not one.has_threshold:
        return auc
    counts = (f"{(values > 0).sum()} of {len(values)}" for values in (one.abnormal, one.normal))
    return f"{auc};  {', '.join(counts)}"


def _jitter(count: int) -> np.ndarray:
    """Heights that keep dots apart, the same every time: multiples of the golden ratio fill a range evenly."""
    return 0.22 * ((np.arange(count) * 0.618034) % 1 - 0.5)


def _scale(axes: Axes, values: np.ndarray, *, has_room: bool) -> None:
    """An axis that shows scores near the threshold and those far away: linear, then logarithmic."""
    axes.set_xscale("asinh", linear_width=2)
    lowest, highest = float(values.min()), float(values.max())
    ticks = [1, 2, 3, 5] if max(-lowest, highest) < 8 else _TICKS if has_room else _TICKS[1::2]
    marks = [sign * tick for sign in (-1, 1) for tick in ticks if lowest <= sign * tick <= highest]
    axes.xaxis.set_major_locator(FixedLocator(sorted([0, *marks])))
    axes.xaxis.set_major_formatter(FuncFormatter(_tick))
    axes.xaxis.set_minor_locator(NullLocator())


def _tick(value: float, _: int) -> str:
    """The label of a value on the axis."""
    return f"{value:,g}".replace("-", MINUS)
