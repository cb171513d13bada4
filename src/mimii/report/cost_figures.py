"""The figures of what models cost."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from mimii.drawing import COLOURS, drawing
from mimii.report.figure import Figure, thousands
from mimii.report.loading import Results
from mimii.report.rows import machines_only
from mimii.report.texts import figure_title, name_of, synthetic_note
from mimii.storage.schema import heading

_COST = "num_parameters"
_MARKERS = "osD^vPX*<>hp"


def parameters(results: Results, metric: str) -> list[Figure]:
    """A metric against the number of parameters, with the Pareto front."""
    rows = machines_only(results.detection)
    points = rows.groupby("label", sort=False)[[_COST, metric]].mean().dropna()
    points = points[points[_COST] > 0]
    if len(points) < 2:
        return []
    front = pareto_front(points)
    title = f"{heading(metric)} against parameters"
    with drawing():
        canvas = _draw(points, front, metric, figure_title(title, results.is_synthetic))
    return [
        Figure(
            name=name_of("parameters", metric),
            title=title,
            caption=f"Mean {heading(metric)} over the machines against the number of parameters. Filled: on the Pareto "
            f"front, no other model has both fewer parameters and a higher {heading(metric)}."
            f"{synthetic_note(results.is_synthetic)}",
            alt=f"Scatter plot of mean {heading(metric)} against parameters of {len(points)} models. On the Pareto "
            f"front: {', '.join(front)}.",
            canvas=canvas,
        )
    ]


def _draw(points: pd.DataFrame, front: Sequence[str], metric: str, title: str) -> Canvas:
    canvas = Canvas(figsize=(6.6, max(3.9, 0.5 + 0.175 * len(points))), layout="constrained")  # room for all names
    axes = canvas.subplots()
    on_front = points.loc[list(front)]
    axes.step(
        on_front[_COST],
        on_front[metric],
        where="post",
        color="0.35",
        linewidth=1,
        label="Pareto front",
    )
    for number, (label, (cost, quality)) in enumerate(zip(points.index, points.to_numpy(), strict=True)):
        colour = COLOURS[number % len(COLOURS)]
        axes.plot(
            cost,
            quality,
            _MARKERS[number % len(_MARKERS)],
            markersize=8 if label in front else 7,
            color=colour,
            markerfacecolor=colour if label in front else "white",
            markeredgewidth=1.5,
            label=label,
            linestyle="none",
        )
    axes.set_xscale("log")
    axes.margins(0.08)
    is_wide = points[_COST].max() > 100 * points[_COST].min()
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 3) if is_wide else (1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: thousands(value)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set(xlabel=heading(_COST), ylabel=f"Mean {heading(metric)}")
    axes.set_title(title)
    canvas.legend(loc="outside right center", fontsize=8)
    return canvas


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
