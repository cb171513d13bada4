"""What the statistics say about the differences between models: in sentences, in tables, and as a rank diagram."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure as Canvas

from mimii.drawing import drawing
from mimii.report.figure import Figure
from mimii.report.statistics import Comparison
from mimii.report.table import Table, no_marks
from mimii.report.texts import figure_title, friedman, name_of, p_value, synthetic_note
from mimii.storage.schema import MINUS, heading, number, signed

_SIGNIFICANT = 0.05


def findings(comparison: Comparison, metric: str) -> list[str]:
    """The tests in sentences."""
    found = []
    if comparison.friedman:
        verdict = "differ" if comparison.friedman[1] < _SIGNIFICANT else "can't be told apart"
        found.append(
            f"Over {comparison.machines} machines the {len(comparison.ranks)} models {verdict} in {heading(metric)} "
            f"(Friedman test, {friedman(*comparison.friedman)})."
        )
    if len(comparison.pairs):
        count = int((comparison.pairs["p_holm"] < _SIGNIFICANT).sum())
        found.append(
            f"Of the {len(comparison.pairs)} pairs of models {count or 'none'} can be told apart at the 5 % level "
            "(Wilcoxon signed-rank tests, Holm's correction)."
        )
    return [*found, *comparison.remarks]


def tables(comparison: Comparison, metric: str, is_synthetic: bool) -> list[Table]:
    """Average ranks, and the pairs of models with their p-values."""
    ranks = comparison.ranks.rename_axis("Model").to_frame("Average rank")
    found = [
        Table(
            name="ranks",
            title="Average ranks",
            caption=f"Average rank of each model by {heading(metric)} over {comparison.machines} machines; 1 is the "
            f"best.{synthetic_note(is_synthetic)}",
            texts=ranks.map(lambda value: number(value, 2)),
            values=ranks,
            marks=no_marks(ranks),
            data=ranks.reset_index(),
        )
    ]
    if len(comparison.pairs):
        pairs = comparison.pairs.sort_values(["p_holm", "p"], kind="stable")
        mean = f"Mean A {MINUS} B"
        headings = {"b": "Model B", "difference": mean, "p": "p", "p_holm": "p (Holm)"}
        values = pairs.set_index(pairs["a"].rename("Model A")).drop(columns="a").rename(columns=headings)
        formats = {mean: signed, "p": p_value, "p (Holm)": p_value}
        texts = values.assign(**{name: values[name].map(text) for name, text in formats.items()})
        found.append(
            Table(
                name="pairs",
                title="Pairs of models",
                caption=f"Wilcoxon signed-rank tests of {heading(metric)} over {comparison.machines} machines, "
                f"two-sided, with Holm's correction for {len(pairs)} pairs.{synthetic_note(is_synthetic)}",
                texts=texts,
                values=values.assign(**{"Model B": np.nan}),
                marks=no_marks(texts),
                data=pairs,
            )
        )
    return found


def rank_diagram(comparison: Comparison, metric: str, is_synthetic: bool) -> list[Figure]:
    """A critical-difference diagram: bars join models whose average ranks the Nemenyi test can't tell apart."""
    ranks, difference = comparison.ranks, comparison.difference
    if difference is None or comparison.friedman is None:
        return []
    with drawing(grid=False):
        canvas = _draw(comparison, difference)
        canvas.suptitle(figure_title(f"Average ranks by {heading(metric)}", is_synthetic), fontsize=10)
    return [
        Figure(
            name=name_of("ranks", metric),
            title="Critical differences",
            caption=f"Average ranks by {heading(metric)} over {comparison.machines} machines, the best at the left. "
            "Bars join models that differ by less than the critical difference (CD) of the Nemenyi test at the 5 % "
            f"level. Friedman test: {friedman(*comparison.friedman)}.{synthetic_note(is_synthetic)}",
            alt=f"Critical-difference diagram of {len(ranks)} models. Best average rank: {ranks.index[0]}, "
            f"{ranks.iloc[0]:.2f}; worst: {ranks.index[-1]}, {ranks.iloc[-1]:.2f}; critical difference "
            f"{difference:.2f}.",
            canvas=canvas,
        )
    ]


def _draw(comparison: Comparison, difference: float) -> Canvas:
    ranks = comparison.ranks
    count = len(ranks)
    half = math.ceil(count / 2)
    bars = rank_bars(list(ranks), difference)
    depth = 0.35 + 0.16 * len(bars)  # where the first name is, below the axis
    canvas = Canvas(figsize=(7, 0.9 + 0.32 * (depth / 0.32 + half)), layout="constrained")
    axes = canvas.subplots()
    axes.set_axis_off()
    axes.set(xlim=(1 - 0.45 * count, count + 0.45 * count), ylim=(-(depth + 0.32 * half), 0.62))
    axes.plot([1, count], [0, 0], color="black", linewidth=1)
    for rank in range(1, count + 1):
        axes.plot([rank, rank], [0, 0.07], color="black", linewidth=1)
        if (rank - 1) % math.ceil(count / 14) == 0:  # more numbers would run into each other
            axes.text(rank, 0.1, str(rank), ha="center", va="bottom", fontsize=8)
    for position, (label, value) in enumerate(ranks.items()):
        is_left = position < half
        level = -(depth + 0.32 * (position if is_left else count - 1 - position))
        end = 1 - 0.05 * count if is_left else count + 0.05 * count
        axes.plot([value, value, end], [0, level, level], color="0.35", linewidth=0.9)
        axes.text(
            end + (-0.01 if is_left else 0.01) * count,
            level,
            f"{label}  {value:.2f}" if is_left else f"{value:.2f}  {label}",
            ha="right" if is_left else "left",
            va="center",
            fontsize=8,
        )
    for position, (first, last) in enumerate(bars):
        height = -0.2 - 0.16 * position
        axes.plot([first - 0.03 * count / 5, last + 0.03 * count / 5], [height, height], color="black", linewidth=3)
    axes.plot([1, 1 + difference], [0.42, 0.42], color="black", linewidth=1.5, marker="|", markersize=7)
    axes.text(1 + difference / 2, 0.46, f"CD = {difference:.2f}", ha="center", va="bottom", fontsize=8)
    return canvas


def rank_bars(ranks: Sequence[float], difference: float) -> list[tuple[float, float]]:
    """First and last rank of each largest group of models within the critical difference; ranks ascend."""
    bars: list[tuple[float, float]] = []
    for first in ranks:
        last = max(rank for rank in ranks if rank < first + difference)
        if last > first and (not bars or last > bars[-1][1]):
            bars.append((first, last))
    return bars
