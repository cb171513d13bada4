"""The figures of what models cost: a metric against parameters, inference time and training time."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from mimii.drawing import COLOURS, drawing
from mimii.report import paired
from mimii.report.figure import NARROW, Figure, set_title, thousands
from mimii.report.loading import Results
from mimii.report.ranking import common, left_out
from mimii.report.rows import by_machine, machines_only
from mimii.report.texts import name_of, synthetic_note
from mimii.storage.schema import heading

_LINE = 0.15  # height of a name [inch]


def parameters(results: Results, metric: str) -> list[Figure]:
    """A metric against the number of parameters, with the Pareto front."""
    return _against(results, metric, "num_parameters", "parameters")


def inference_time(results: Results, metric: str) -> list[Figure]:
    """A metric against the time to score a recording, with the Pareto front."""
    return _against(results, metric, "inference_time_ms", "inference time")


def training_time(results: Results, metric: str) -> list[Figure]:
    """A metric against the time to train, with the Pareto front."""
    return _against(results, metric, "training_time_sec", "training time")


def _against(results: Results, metric: str, cost: str, what: str) -> list[Figure]:
    rows = machines_only(results.detection)
    if rows[[cost, metric]].isna().all().any():
        return []
    shared = common(by_machine(rows, metric))
    blocks = paired.blocks(shared.table)
    costs = by_machine(rows, cost).reindex(index=blocks.index, columns=shared.table.columns)
    points = pd.DataFrame({cost: paired.blocks(costs).mean(axis=1), metric: blocks.mean(axis=1)}).dropna()
    points = points[points[cost] > 0]
    if len(points) < 2:
        return []
    front = pareto_front(points)
    title = f"{heading(metric)} against {what}"
    with drawing():
        canvas, narrow = (_draw(points, front, size) for size in ((6.6, 3.9), (NARROW, 3.6)))
        for one in (canvas, narrow):
            set_title(one, title, is_synthetic=results.is_synthetic)
    named = [f"{label} ({_cost(points[cost][label])}; {points[metric][label]:.3f})" for label in front]
    return [
        Figure(
            name=name_of(what.replace(" ", "_"), metric),
            title=title,
            caption=f"Mean {heading(metric)} over {blocks.shape[1]} machines against {heading(cost)}, of {len(points)} "
            f"models. Named are those on the Pareto front: no other one costs less and has a higher {heading(metric)}."
            f"{left_out(shared.lacking)}{synthetic_note(results.is_synthetic)}",
            alt=f"Scatter plot of mean {heading(metric)} against {heading(cost)} of {len(points)} models. On the "
            f"Pareto front, from the cheapest to the best: {', '.join(named)}.",
            canvas=canvas,
            narrow=narrow,
        )
    ]


def _draw(points: pd.DataFrame, front: Sequence[str], size: tuple[float, float]) -> Canvas:
    canvas = Canvas(figsize=size, layout="constrained")
    axes = canvas.subplots()
    cost, metric = points.columns
    best, others = points.loc[list(front)], points.drop(index=list(front))
    axes.set_xscale("log")
    if points[cost].max() < 1.01 * points[cost].min():  # a scale of no length can't be found
        axes.set_xlim(points[cost].min() / 2, points[cost].min() * 2)
    axes.step(best[cost], best[metric], where="post", color=COLOURS[0], linewidth=1)
    axes.plot(others[cost], others[metric], "o", color="0.6", markersize=5, markerfacecolor="white")
    axes.plot(best[cost], best[metric], "o", color=COLOURS[0], markersize=6)
    axes.margins(0.08)
    _name(canvas, best)
    is_wide = points[cost].max() > 100 * points[cost].min()
    subs = (1, 2, 5) if not is_wide else (1, 3) if size[0] > NARROW else (1,)
    axes.xaxis.set_major_locator(LogLocator(subs=subs))
    axes.xaxis.set_major_formatter(FuncFormatter(_tick))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set(xlabel=heading(str(cost)), ylabel=f"Mean {heading(str(metric))}")
    return canvas


def _name(canvas: Canvas, best: pd.DataFrame) -> None:
    """Names at the left above the points of the front: no other point is there, as none is cheaper and better.

    A name that would lie on the one below it moves up, and the axes make room for all of them.
    """
    axes = canvas.axes[0]
    height = canvas.get_figheight() - 1.3  # of the panel, about; so is the width
    width = canvas.get_figwidth() - 0.9
    low, high = axes.get_ylim()
    left, right = np.log10(axes.get_xlim())
    # names may need more height than there is: then the scale gives way, which takes more of it, so again
    for _ in range(8):
        inch = (high - low) / height
        places, floor = [], -np.inf
        for value in best.iloc[:, 1]:
            floor = max(value + 0.05 * inch, floor + _LINE * inch)
            places.append(floor)
        high = max(high, places[-1] + _LINE * inch)
    lengths = [0.15 + 0.068 * len(str(label)) for label in best.index]
    # the left edge is so far away that the name of every point begins within the panel
    positions = np.log10(best.iloc[:, 0].to_numpy())
    needed = [
        (position - right * length / width) / (1 - length / width)
        for position, length in zip(positions, lengths, strict=True)
        if length < 0.9 * width
    ]
    left = min([left, *needed])
    axes.set_xlim(10**left, 10**right)
    axes.set_ylim(low, high)
    for (label, (cost, value)), place in zip(best.iterrows(), places, strict=True):
        axes.annotate(
            str(label),
            (cost, value),
            (-6, (place - value) / inch * 72),
            textcoords="offset points",
            ha="right",
            va="bottom",
            fontsize=8,
            arrowprops={"arrowstyle": "-", "color": "0.6", "linewidth": 0.6, "shrinkA": 0, "shrinkB": 3},
        )


def _tick(value: float, _: int) -> str:
    """The label of a cost on the axis."""
    return thousands(value)


def _cost(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def pareto_front(points: pd.DataFrame) -> list[str]:
    """The models that no other one beats in cost and in quality.

    Parameters
    ----------
    points : pd.DataFrame
        A row a model; the first column is to be low, the second high.
    """
    front, best = [], -np.inf
    cost, quality = points.columns[:2]
    ordered = points.dropna().sort_values([cost, quality], ascending=[True, False])
    for label, value in ordered[quality].items():
        if value > best:
            front.append(str(label))
            best = value
    return front
