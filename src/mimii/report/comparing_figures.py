"""Two results directories as a scatter: each model and machine is a dot, above the line where the other is better."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from mimii.drawing import COLOURS, drawing
from mimii.report.changes import effects
from mimii.report.comparing import Task, note_of, tasks
from mimii.report.figure import NARROW, Figure, set_title
from mimii.report.loading import Results
from mimii.report.texts import name_of
from mimii.storage.schema import heading, signed

_NAMED = 3  # models on either side of the line


def scatters(loaded: Sequence[Results], directories: Sequence[str], metric: str) -> list[Figure]:
    """For each task and each directory but the first: its values over those of the first one."""
    first, *others = directories
    return [
        _scatter(task, first, other, note_of(loaded))
        for task in tasks(loaded, directories, metric)
        if len(task.cells)
        for other in others
    ]


def _scatter(task: Task, first: str, other: str, note: str) -> Figure:
    changes = effects(task, first, other)
    difference = task.cells[other] - task.cells[first]
    name = heading(task.metric)
    with drawing():
        canvases = [_draw(task.cells, changes, first, other, name, width) for width in (5.2, NARROW)]
        for canvas in canvases:
            set_title(canvas, f"{name}, {task.title}", is_synthetic=bool(note))
    up, down = int((difference.round(9) > 0).sum()), int((difference.round(9) < 0).sum())
    best, worst = changes.iloc[0], changes.iloc[-1]
    extremes = f"The largest mean change is {signed(best['mean'])} of {changes.index[0]}"
    if len(changes) > 1:
        extremes += f", the lowest {signed(worst['mean'])} of {changes.index[-1]}"
    return Figure(
        name=name_of("compare", task.metric, *task.title.replace(",", "").split(), "scatter", other),
        title=f"{first} and {other}, {task.title}",
        caption=f"{name} of {task.title} in {other} over that in {first}: a small dot for each model and "
        f"{task.unit}, a large one for the mean of each model over {changes['machines'].max():.0f} {task.unit}s. On "
        f"the line both are equal, above it {other} is better. Named are up to {_NAMED} models on either side, of "
        f"those with a 95 % interval of the mean change that holds no zero.{note}",
        alt=f"{name} in {other} over {first}, {task.title}: of {len(difference)} values of {len(changes)} models {up} "
        f"are higher in {other} and {down} lower. {extremes}.",
        canvas=canvases[0],
        narrow=canvases[1],
    )


def _draw(cells: pd.DataFrame, changes: pd.DataFrame, first: str, other: str, name: str, width: float) -> Canvas:
    canvas = Canvas(figsize=(width, width + 0.3), layout="constrained")
    axes = canvas.subplots()
    values = cells[[first, other]].to_numpy()
    margin = 0.04 * max(float(np.ptp(values)), 0.05)
    ends = (values.min() - margin, values.max() + margin)
    axes.plot(ends, ends, color="0.5", linewidth=1, zorder=1)
    axes.scatter(values[:, 0], values[:, 1], s=7, color="0.55", alpha=0.5, linewidths=0, zorder=2)
    colours = np.where(changes["mean"] > 0, COLOURS[0], COLOURS[1])
    axes.scatter(
        changes["mean_first"], changes["mean_other"], s=26, c=colours, edgecolors="white", linewidths=0.5, zorder=3
    )
    axes.set(xlim=ends, ylim=ends, xlabel=f"{name}, {first}", ylabel=f"{name}, {other}", aspect="equal")
    gains = changes[changes["mean_low"] > 0].head(_NAMED)
    losses = changes[changes["mean_high"] < 0].tail(_NAMED)
    step = 0.22 / width  # a line of text, as a share of the axes
    _name_models(axes, gains.sort_values("mean_other", ascending=False), step, is_above=True)
    _name_models(axes, losses.sort_values("mean_other"), step, is_above=False)
    return canvas


def _name_models(axes: Axes, rows: pd.DataFrame, step: float, *, is_above: bool) -> None:
    """Name models in the corner that is empty at their side of the line, with thin lines to their dots."""
    for place, (label, row) in enumerate(rows.iterrows(), start=1):
        axes.annotate(
            f"{label}  {signed(row['mean'])}",
            (row["mean_first"], row["mean_other"]),
            (0.02, 1 - step * place) if is_above else (0.98, step * place),
            textcoords="axes fraction",
            fontsize=8,
            ha="left" if is_above else "right",
            va="center",
            arrowprops={"arrowstyle": "-", "color": "0.5", "linewidth": 0.6, "shrinkA": 1, "shrinkB": 3},
            bbox={"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none"},  # over lines of others
            in_layout=False,
        )
